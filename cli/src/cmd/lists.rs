//! `mach task ls`, and what all lists share: they ask the one node that is named, else every node
//! that this machine has.

use serde::Serialize;

use super::Context;
use crate::args::{Target, Task};
use crate::client::{Client, Place};
use crate::failure::Result;
use crate::out::Row;
use crate::units::Bytes;

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
