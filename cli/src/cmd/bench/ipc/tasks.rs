//! Ours: a server task and a client task of one node, through the library as any program would.

use std::path::Path;

use bytes::Bytes;
use mach::{AttachOptions, MsgError, Receive, ReceiveRight, Send, SendRight, Task};
use mach_bench::{Caller, Error, Load, Told, checksum, noise};
use proto::limits::MSG_INLINE_BYTES_MAX;
use proto::{Item, Message, NamedRight, Payload, PortName, TraceId};

use super::socket;
use crate::failure::{OrFail, Result};

/// What the server is checked in as.
const NAME: &str = "mach-bench-ipc";
/// Message ids.
const CALL: i32 = 70_000;
const POST: i32 = 70_001;
const ANSWER: i32 = CALL + 100;
/// From this size on bytes travel out of line.
const INLINE_BELOW: u64 = MSG_INLINE_BYTES_MAX as u64;

/// Checks a port in and answers what comes there, with one call to the node for an answer and the next request.
pub fn serve(node: &Path) -> Result<()> {
    let what = || "cannot serve as a task".to_owned();
    let task = attach(node).or_fail(what)?;
    let port = ReceiveRight::allocate(&task).or_fail(what)?;
    task.check_in(NAME, NamedRight::NULL, port.made_send()).or_fail(what)?;
    println!("{}", serde_json::to_string(&<Told>::Ready).or_fail(what)?);
    let mut answer: Option<Send> = None;
    loop {
        let answered = answer.is_some();
        match task.mach_msg(answer.take(), Some(Receive::from(port.name()))) {
            Ok(Some(request)) => answer = serve_one(&task, request),
            Ok(None) => {}
            // A client that did not wait for its answer.
            Err(MsgError::Code { .. }) if answered => {}
            Err(error) => return Err(error).or_fail(what),
        }
    }
}

/// Reads a request to its last byte, gives up what it carried, and makes the answer.
fn serve_one(task: &Task, request: Message<NamedRight>) -> Option<Send> {
    let (reply, id) = (request.remote, request.id);
    let mut sum = None;
    for item in request.body.items() {
        match item {
            Item::Data(bytes) => sum = Some(checksum(&bytes)),
            Item::OutOfLine(payload) => sum = Some(checksum(&payload.to_bytes())),
            _ => {}
        }
    }
    request.body.rights().iter().for_each(|right| drop(SendRight::adopt(task, right.name)));
    let body = sum.map(Item::U64).into_iter().collect();
    (id == CALL).then(|| Send { message: message(reply, NamedRight::NULL, ANSWER, body), timeout: None })
}

/// Finds the server, and calls it.
pub fn call(node: &Path) -> Result<()> {
    let what = || "cannot call as a task".to_owned();
    let task = attach(node).or_fail(what)?;
    let server = task.look_up(NAME, "").or_fail(what)?;
    socket::call(|| {
        let reply = ReceiveRight::allocate(&task)?;
        let (task, server) = (task.clone(), server.name());
        Ok(Box::new(Client { task, server, reply, ports: Vec::new(), bytes: Bytes::new(), sum: 0 }))
    })
}

struct Client {
    task: Task,
    server: PortName,
    reply: ReceiveRight,
    /// What requests carry send rights of.
    ports: Vec<(ReceiveRight, SendRight)>,
    /// The bytes of a request; kept while the size stays.
    bytes: Bytes,
    sum: u64,
}

impl Client {
    fn body(&mut self, load: &Load) -> Result<Vec<Item<NamedRight>>, Error> {
        let mut body = Vec::new();
        if load.size > 0 {
            if self.bytes.len() as u64 != load.size {
                self.bytes = noise(load.size).into();
                self.sum = checksum(&self.bytes);
            }
            body.push(match load.size < INLINE_BELOW {
                true => Item::Data(self.bytes.clone()),
                false => Item::OutOfLine(Payload::from(self.bytes.clone())),
            });
        }
        if load.rights > 0 {
            while self.ports.len() < load.rights as usize {
                let port = ReceiveRight::allocate(&self.task)?;
                let right = port.make_send()?;
                self.ports.push((port, right));
            }
            body.push(Item::Ports(
                self.ports[..load.rights as usize].iter().map(|(_, right)| right.copied()).collect(),
            ));
        }
        Ok(body)
    }
}

impl Caller for Client {
    fn call(&mut self, load: &Load) -> Result<(), Error> {
        let body = self.body(load)?;
        let message = message(NamedRight::copy_send(self.server), self.reply.made_send_once(), CALL, body);
        let send = Some(Send { message, timeout: None });
        let answer = self.task.mach_msg(send, Some(Receive::from(self.reply.name())))?.ok_or("no answer")?;
        let wanted = (load.size > 0).then_some(Item::U64(self.sum));
        match answer.id == ANSWER && answer.body.items().iter().eq(&wanted) {
            true => Ok(()),
            false => Err(format!("an answer to something else: {answer:?}").into()),
        }
    }

    fn post(&mut self, load: &Load) -> Result<(), Error> {
        let body = self.body(load)?;
        Ok(self.task.send(message(NamedRight::copy_send(self.server), NamedRight::NULL, POST, body))?)
    }
}

fn message(remote: NamedRight, local: NamedRight, id: i32, body: Vec<Item<NamedRight>>) -> Message<NamedRight> {
    Message { remote, local, id, seqno: 0, trace: TraceId(0), body: body.into() }
}

fn attach(node: &Path) -> std::result::Result<Task, mach::AttachError> {
    Task::attach(AttachOptions { socket: Some(node.to_owned()), token: Some(0), memory: false })
}
