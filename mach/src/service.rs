//! Servers and clients of interfaces: what the code that is generated from a `.proto` file stands on.
//!
//! A client makes an [`Invocation`], which is waited for or awaited. A server implements the trait that is generated for
//! its interface; [`serve`] receives requests, has it carry them out, and answers with the reply right: `mach_msg_server`.
//! Ids and bodies are MIG's, so a caller with MIG's stubs is served as well.

use std::time::Duration;

use proto::msg::code_body;
use proto::{Body, KernReturn, MigError, MsgReturn, PortName, Routine, TraceId};

use crate::error::{MsgError, RpcError};
use crate::message::{Incoming, Outgoing, Right};
use crate::msg::{Receive, Send, is_send};
use crate::right::{Destination, PortSet, ReceiveRight};
use crate::task::Task;

/// What a routine answers when it does not succeed: the code that the caller gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("code {0}")]
pub struct Code(pub i32);

impl Code {
    /// `MIG_NO_REPLY`: nothing is answered. The reply right is given up, unless it was taken out of the [`Call`].
    pub const NO_REPLY: Code = Code(MigError::NoReply as i32);
}

impl From<KernReturn> for Code {
    fn from(code: KernReturn) -> Code {
        Code(code.raw())
    }
}

impl From<MigError> for Code {
    fn from(code: MigError) -> Code {
        Code(code.raw())
    }
}

impl From<RpcError> for Code {
    /// A server that needs another one fails as that one did, where it has a code; else with `Failure`.
    fn from(error: RpcError) -> Code {
        match error {
            RpcError::Kern { code, .. } => code.into(),
            RpcError::Other { code, .. } => Code(code),
            RpcError::Mig { .. } | RpcError::Msg { .. } => KernReturn::Failure.into(),
        }
    }
}

/// The call that a server is carrying out.
#[derive(Debug)]
pub struct Call {
    /// The server's task.
    pub task: Task,
    /// The name of the port that was called.
    pub port: PortName,
    /// The request's id.
    pub id: i32,
    /// Counts the messages of the port.
    pub seqno: u32,
    stop: bool,
    reply: Right,
    trace: TraceId,
}

impl Call {
    /// Takes the answer over: the routine returns [`Code::NO_REPLY`], and answers later, from any thread.
    pub fn defer(&mut self) -> Deferred {
        let reply = std::mem::take(&mut self.reply);
        Deferred { task: self.task.clone(), reply, id: self.id, trace: self.trace }
    }

    /// Ends the loop once this call is answered.
    pub fn stop(&mut self) {
        self.stop = true;
    }
}

/// An answer that is still owed. Dropped, it tells the caller that the server died.
#[derive(Debug)]
pub struct Deferred {
    task: Task,
    reply: Right,
    id: i32,
    trace: TraceId,
}

impl Deferred {
    /// Answers, as the routine `Q` would have.
    pub fn answer<Q: Routine<Right>>(self, results: Result<Q::Reply, Code>) {
        let body = results.map(proto::msg::Reply::into_body);
        if let Some(reply) = answer_of(self.reply, self.id, self.trace, body) {
            let timeout = reply.1;
            // A caller that is gone is answered by nobody.
            let _ = reply.0.send_within(&self.task, timeout);
        }
    }
}

/// Something that answers requests; implemented by the generated servers, and by pairs of them.
pub trait Service {
    /// Whether it has a routine with this id.
    fn serves(&self, id: i32) -> bool;

    /// Carries a request out; answers the body of the reply.
    ///
    /// Conditions: it serves the call's id.
    fn handle(&mut self, call: &mut Call, body: Body<Right>) -> Result<Body<Right>, Code>;
}

impl<S: Service + ?Sized> Service for &mut S {
    fn serves(&self, id: i32) -> bool {
        (**self).serves(id)
    }

    fn handle(&mut self, call: &mut Call, body: Body<Right>) -> Result<Body<Right>, Code> {
        (**self).handle(call, body)
    }
}

impl<A: Service, B: Service> Service for (A, B) {
    fn serves(&self, id: i32) -> bool {
        self.0.serves(id) || self.1.serves(id)
    }

    fn handle(&mut self, call: &mut Call, body: Body<Right>) -> Result<Body<Right>, Code> {
        if self.0.serves(call.id) { self.0.handle(call, body) } else { self.1.handle(call, body) }
    }
}

/// As [`Service`], for servers whose routines are awaited.
pub trait AsyncService {
    /// As [`Service::serves`].
    fn serves(&self, id: i32) -> bool;

    /// As [`Service::handle`].
    fn handle(
        &self,
        call: &mut Call,
        body: Body<Right>,
    ) -> impl Future<Output = Result<Body<Right>, Code>> + std::marker::Send;
}

/// Where requests come from: a receive right or a port set.
pub trait Source {
    /// The task that receives.
    fn task(&self) -> &Task;
    /// What it receives from.
    fn name(&self) -> PortName;
    /// The next message, awaited.
    #[cfg(feature = "tokio")]
    #[doc(hidden)]
    fn next(&self) -> impl Future<Output = Result<Incoming, MsgError>> + std::marker::Send;
}

macro_rules! source {
    ($($right:ty),*) => { $(impl Source for $right {
        fn task(&self) -> &Task {
            <$right>::task(self)
        }

        fn name(&self) -> PortName {
            <$right>::name(self)
        }

        #[cfg(feature = "tokio")]
        fn next(&self) -> impl Future<Output = Result<Incoming, MsgError>> + std::marker::Send {
            self.recv()
        }
    })* };
}
source!(ReceiveRight, PortSet);

/// Serves one request after the other until a routine says [`Call::stop`].
///
/// An id that nobody serves is answered with `MIG_BAD_ID`, arguments of another form with `MIG_TYPE_ERROR`, and what they
/// carried is given up. Run as many loops on one set as requests shall be served at a time.
/// Errors: receiving failed; a [`crate::Canceller`] ends it so.
#[doc(alias = "mach_msg_server")]
pub fn serve(source: &impl Source, service: &mut impl Service) -> Result<(), MsgError> {
    let task = source.task();
    let receive = Receive::from(source.name());
    let mut reply = None;
    loop {
        let (send, stop) = reply.take().unwrap_or((None, false));
        let sends = send.is_some();
        if stop {
            return send.map_or(Ok(()), |send| task.mach_msg(Some(send), None).map(drop).or(Ok(())));
        }
        let received = match task.mach_msg(send, Some(receive)) {
            // A caller that is gone, or does not read, has no answer; what it carried is given up.
            Err(MsgError::Code { code, message }) if sends && is_send(code) => {
                if let Some(message) = message {
                    give_up(task, *message);
                }
                match code {
                    MsgReturn::SendInterrupted => return Err(MsgError::Code { code, message: None }),
                    _ => continue,
                }
            }
            received => received?,
        };
        let Some(message) = received else { continue };
        let incoming = Incoming::adopt(task, message);
        let (mut call, body) = call_of(incoming);
        let results = match service.serves(call.id) {
            true => service.handle(&mut call, body),
            false => Err(MigError::BadId.into()),
        };
        let Call { reply: to, id, trace, stop, .. } = call;
        let send = answer_of(to, id, trace, results);
        reply = Some((send.map(|(m, timeout)| Send { message: m.into_raw(), timeout }), stop));
    }
}

/// As [`serve`], in a tokio runtime.
///
/// Conditions: within a tokio runtime with I/O enabled. Dropping the future between two requests loses none.
/// Errors: receiving failed.
#[cfg(feature = "tokio")]
pub async fn serve_async(source: &impl Source, service: &impl AsyncService) -> Result<(), MsgError> {
    loop {
        let (mut call, body) = call_of(source.next().await?);
        let results = match service.serves(call.id) {
            true => service.handle(&mut call, body).await,
            false => Err(MigError::BadId.into()),
        };
        let Call { task, reply, id, trace, stop, .. } = call;
        if let Some((message, timeout)) = answer_of(reply, id, trace, results) {
            // As in `serve`.
            let _ = message.send_within(&task, timeout);
        }
        if stop {
            return Ok(());
        }
    }
}

fn call_of(incoming: Incoming) -> (Call, Body<Right>) {
    let task = incoming.task().clone();
    let Incoming { id, seqno, trace, to, reply, body, .. } = incoming;
    (Call { task, port: to, id, seqno, stop: false, reply, trace }, body)
}

/// The reply, and how long it may wait for room: one through a send-once right never waits, another not at all.
fn answer_of(
    reply: Right,
    id: i32,
    trace: TraceId,
    results: Result<Body<Right>, Code>,
) -> Option<(Outgoing, Option<Duration>)> {
    let body = match results {
        Err(Code::NO_REPLY) => return None,
        Err(Code(code)) => code_body(code),
        Ok(body) => body,
    };
    let timeout = match reply {
        Right::SendOnce(_) => None,
        Right::Null | Right::Dead => return None,
        _ => Some(Duration::ZERO),
    };
    Some((Outgoing::with_body(reply, id.wrapping_add(100), trace, body), timeout))
}

/// Gives up what came back of a message that could not be sent.
fn give_up(task: &Task, message: proto::Message<proto::NamedRight>) {
    use proto::Disposition::{MoveReceive, MoveSend, MoveSendOnce};
    let rights = message.body.into_rights().into_iter().chain([message.remote]);
    let moved = |r: &proto::NamedRight| matches!(r.disposition, MoveReceive | MoveSend | MoveSendOnce);
    rights.filter(moved).for_each(|right| drop(Right::adopt(task, right)));
}

/// A call of a routine that has not been made yet: [`Invocation::wait`] makes it, or with the feature `tokio` an `await`.
#[derive(Debug)]
#[must_use = "a call is made when it is waited for"]
pub struct Invocation<Q> {
    task: Task,
    to: proto::NamedRight,
    request: Q,
}

impl<Q: Routine<Right>> Invocation<Q> {
    /// A call of the routine at a port.
    pub fn new(task: &Task, to: &impl Destination, request: Q) -> Invocation<Q> {
        Invocation { task: task.clone(), to: to.destination(), request }
    }

    /// Sends the request and waits for the results.
    ///
    /// Errors: as [`Task::rpc`]; what the request carried is given up.
    pub fn wait(self) -> Result<Q::Reply, RpcError> {
        self.task.invoke(self.to, self.request, None)
    }

    /// As [`Invocation::wait`], waiting at most `timeout` for the results. The request may have been carried out.
    pub fn wait_for(self, timeout: Duration) -> Result<Q::Reply, RpcError> {
        self.task.invoke(self.to, self.request, Some(timeout))
    }
}

#[cfg(feature = "tokio")]
impl<Q: Routine<Right, Reply: std::marker::Send> + std::marker::Send + 'static> IntoFuture for Invocation<Q> {
    type Output = Result<Q::Reply, RpcError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + std::marker::Send>>;

    /// Conditions: within a tokio runtime with I/O enabled. When the future is dropped the request may have been carried out.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.task.invoke_async(self.to, self.request).await })
    }
}
