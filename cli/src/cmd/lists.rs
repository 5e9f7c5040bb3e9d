//! `mach port ls` and `mach task ls`, and what all lists share: they ask the one node that is named, else every node
//! that this machine has.

use serde::Serialize;

use super::Context;
use crate::args::{Port, Target, Task};
use crate::client::{Client, Place};
use crate::failure::Result;
use crate::out::Row;
use crate::units::Bytes;

/// A port of a node.
#[derive(Serialize)]
struct PortRow {
    node: String,
    uid_origin: u64,
    uid_serial: u64,
    receiver: String,
    send_rights: u32,
    send_once_rights: u32,
    queued: u32,
    queue_limit: u32,
    make_send_count: u32,
}

impl Row for PortRow {
    const HEADS: &'static [&'static str] = &["NODE", "PORT", "RECEIVER", ">SEND", ">ONCE", ">QUEUED", ">MADE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.clone(),
            format!("{:x}:{}", self.uid_origin, self.uid_serial),
            self.receiver.clone(),
            self.send_rights.to_string(),
            self.send_once_rights.to_string(),
            format!("{}/{}", self.queued, self.queue_limit),
            self.make_send_count.to_string(),
        ]
    }
}

/// A task of a node.
#[derive(Serialize)]
struct TaskRow {
    node: String,
    task: u32,
    pid: u32,
    command: String,
    names: u32,
    mapped_bytes: u64,
    faults: u64,
    userfaultfd: String,
}

impl Row for TaskRow {
    const HEADS: &'static [&'static str] =
        &["NODE", ">TASK", ">PID", "COMMAND", ">NAMES", ">MAPPED", ">FAULTS", "USERFAULTFD"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.clone(),
            self.task.to_string(),
            self.pid.to_string(),
            self.command.clone(),
            self.names.to_string(),
            Bytes(self.mapped_bytes).to_string(),
            self.faults.to_string(),
            self.userfaultfd.clone(),
        ]
    }
}

/// `mach port`.
pub fn ports(cx: &Context, command: &Port) -> Result<()> {
    let Port::Ls(target) = command;
    let rows = each_node(cx, target, |client| {
        let node = client.node().to_owned();
        let row = |port: proto::iface::node::PortInfo| PortRow {
            node: node.clone(),
            uid_origin: port.uid_origin,
            uid_serial: port.uid_serial,
            receiver: port.receiver,
            send_rights: port.send_rights,
            send_once_rights: port.send_once_rights,
            queued: port.queued,
            queue_limit: port.queue_limit,
            make_send_count: port.make_send_count,
        };
        Ok(client.ports()?.into_iter().map(row).collect())
    })?;
    cx.out.list(&rows, "no ports")
}

/// `mach task`.
pub fn tasks(cx: &Context, command: &Task) -> Result<()> {
    let Task::Ls(target) = command;
    let rows = each_node(cx, target, |client| {
        let node = client.node().to_owned();
        let row = |task: proto::iface::node::TaskInfo| TaskRow {
            node: node.clone(),
            task: task.task,
            pid: task.pid,
            command: task.command,
            names: task.names,
            mapped_bytes: task.mapped_bytes,
            faults: task.faults,
            userfaultfd: task.userfaultfd,
        };
        // This command is a task itself while it asks; it is not what the reader looks for.
        let own = std::process::id();
        Ok(client.tasks()?.into_iter().filter(|t| t.pid != own).map(row).collect())
    })?;
    cx.out.list(&rows, "no tasks")
}

/// The rows of every node that a list is about.
///
/// Errors: a node that was named does not answer. One of several that does not is only remarked on.
pub fn each_node<R>(cx: &Context, target: &Target, ask: impl Fn(&Client) -> Result<Vec<R>>) -> Result<Vec<R>> {
    let mut rows = Vec::new();
    for place in cx.places(target)? {
        if let Some(client) = attach_or_note(cx, target, &place)? {
            rows.extend(ask(&client)?);
        }
    }
    Ok(rows)
}

/// Attaches to a node of several; one that does not answer is only remarked on, unless all others are absent too.
pub fn attach_or_note(cx: &Context, target: &Target, place: &Place) -> Result<Option<Client>> {
    match Client::attach(place) {
        Ok(client) => Ok(Some(client)),
        Err(failure) if cx.places(target)?.len() == 1 => Err(failure),
        Err(failure) => {
            cx.out.note(format!("mach: left out: {}", failure.one_line()));
            Ok(None)
        }
    }
}
