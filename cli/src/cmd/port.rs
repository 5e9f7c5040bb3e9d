//! `mach port`: the ports of nodes, the names of a task, and one port as its node sees it.

use proto::iface::node::{self, PortState};
use proto::{KernReturn, NamedRight, RightType};
use serde::Serialize;

use super::Context;
use super::lists::each_node;
use crate::args::{Port, PortGiven, PortLs, PortShow};
use crate::client::Client;
use crate::failure::{Exit, Failure, Result};
use crate::out::{Row, render};
use crate::units::Bytes;

/// A port of a node.
#[derive(Serialize)]
struct PortRow {
    node: String,
    /// As `mach port show` takes it.
    port: String,
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
            self.port.clone(),
            self.receiver.clone(),
            self.send_rights.to_string(),
            self.send_once_rights.to_string(),
            format!("{}/{}", self.queued, self.queue_limit),
            self.make_send_count.to_string(),
        ]
    }
}

/// A name of a task.
#[derive(Serialize)]
struct NameRow {
    name: u32,
    rights: Vec<&'static str>,
    refs: u32,
    dead_name_request: bool,
    /// Of the name's port; absent for sets and dead names.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<StateRow>,
    /// Of a set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<u32>,
    queued: u32,
    receivers: u32,
    polled: bool,
}

/// A port, with all that its node knows of it.
#[derive(Serialize)]
struct StateRow {
    #[serde(flatten)]
    port: PortRow,
    /// Its name in its receiver's space.
    #[serde(skip_serializing_if = "Option::is_none")]
    receive_name: Option<u32>,
    blocked_senders: u32,
    receivers: u32,
    seqno: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<u32>,
    no_senders_request: bool,
    port_destroyed_request: bool,
    dead_name_requests: u32,
    polled: bool,
    kernel_held: u32,
}

/// What `show` prints.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    port: StateRow,
    holders: Vec<HolderRow>,
    messages: Vec<MessageRow>,
}

#[derive(Serialize)]
struct HolderRow {
    holder: String,
    name: u32,
    rights: Vec<&'static str>,
    refs: u32,
    dead_name_request: bool,
}

#[derive(Serialize)]
struct MessageRow {
    id: i32,
    rights: u32,
    bytes: u64,
    blocked: bool,
}

impl Row for NameRow {
    const HEADS: &'static [&'static str] =
        &[">NAME", "RIGHTS", ">REFS", "PORT", "RECEIVER", ">QUEUED", "WAITERS", "REQUESTS", "SET"];

    fn cells(&self) -> Vec<String> {
        let port = |of: fn(&StateRow) -> String| self.port.as_ref().map(of).unwrap_or_default();
        let is_set = !self.rights.iter().any(|r| *r != "set");
        // What waits at a port is the receiver's to know first; the queue of others' ports is shown, too.
        let (queued, waiters) = match (&self.port, is_set) {
            (Some(p), _) => {
                (format!("{}/{}", p.port.queued, p.port.queue_limit), waiters(p.blocked_senders, p.receivers, p.polled))
            }
            (None, true) => (self.queued.to_string(), waiters(0, self.receivers, self.polled)),
            (None, false) => Default::default(),
        };
        vec![
            format!("{:#x}", self.name),
            self.rights.join("+"),
            self.refs.to_string(),
            port(|p| p.port.port.clone()),
            port(|p| p.port.receiver.clone()),
            queued,
            waiters,
            self.requests().join(", "),
            match &self.port {
                Some(p) => {
                    p.set.filter(|_| self.rights.contains(&"receive")).map(|s| format!("{s:#x}")).unwrap_or_default()
                }
                None => self.members.iter().map(|m| format!("{m:#x}")).collect::<Vec<_>>().join(" "),
            },
        ]
    }
}

impl NameRow {
    fn of(node: &str, n: node::NameInfo) -> NameRow {
        NameRow {
            name: n.name,
            rights: rights(n.rights),
            refs: n.refs,
            dead_name_request: n.dead_name_request,
            port: n.port.map(|p| StateRow::of(node, p)),
            members: n.members,
            queued: n.queued,
            receivers: n.receivers,
            polled: n.polled,
        }
    }

    /// Notifications that this task has asked for.
    fn requests(&self) -> Vec<&'static str> {
        let own = self.port.as_ref().filter(|_| self.rights.contains(&"receive"));
        let asked = [
            (self.dead_name_request, "dead-name"),
            (own.is_some_and(|p| p.no_senders_request), "no-senders"),
            (own.is_some_and(|p| p.port_destroyed_request), "port-destroyed"),
        ];
        asked.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect()
    }
}

impl StateRow {
    fn of(node: &str, p: PortState) -> StateRow {
        let some = |n: u32| (n != 0).then_some(n);
        StateRow {
            port: PortRow::of(node, p.info.unwrap_or_default()),
            receive_name: some(p.name),
            blocked_senders: p.blocked,
            receivers: p.receivers,
            seqno: p.seqno,
            set: some(p.set),
            no_senders_request: p.no_senders_request,
            port_destroyed_request: p.port_destroyed_request,
            dead_name_requests: p.dead_name_requests,
            polled: p.polled,
            kernel_held: p.kernel_held,
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let named = |what: &str, name: Option<u32>| name.map(|n| format!(", {what} {n:#x}")).unwrap_or_default();
        let asked = [(self.no_senders_request, "no-senders"), (self.port_destroyed_request, "port-destroyed")];
        let mut asked: Vec<String> = asked.into_iter().filter(|(is, _)| *is).map(|(_, what)| what.into()).collect();
        if self.dead_name_requests > 0 {
            asked.push(format!("dead-name on {} name(s)", self.dead_name_requests));
        }
        let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        let p = &self.port;
        vec![
            ("port", p.port.clone()),
            ("node", p.node.clone()),
            ("receiver", format!("{}{}{}", p.receiver, named("name", self.receive_name), named("in set", self.set))),
            (
                "rights",
                format!(
                    "{} send, {} send-once ({} with the kernel)",
                    p.send_rights, p.send_once_rights, self.kernel_held
                ),
            ),
            ("made", format!("{} send right(s) since the receive right was last moved", p.make_send_count)),
            ("queue", format!("{} of {}, next is number {}", p.queued, p.queue_limit, self.seqno)),
            ("waiters", none(waiters(self.blocked_senders, self.receivers, self.polled))),
            ("requests", none(asked.join(", "))),
        ]
    }
}

impl PortRow {
    fn of(node: &str, port: node::PortInfo) -> PortRow {
        PortRow {
            node: node.to_owned(),
            port: uid(port.uid_origin, port.uid_serial),
            receiver: port.receiver,
            send_rights: port.send_rights,
            send_once_rights: port.send_once_rights,
            queued: port.queued,
            queue_limit: port.queue_limit,
            make_send_count: port.make_send_count,
        }
    }
}

/// `mach port`.
pub fn run(cx: &Context, command: &Port) -> Result<()> {
    match command {
        Port::Ls(PortLs { task: None, target }) => {
            let rows = each_node(cx, target, |client| {
                Ok(client.ports()?.into_iter().map(|port| PortRow::of(client.node(), port)).collect())
            })?;
            cx.out.list(&rows, "no ports")
        }
        Port::Ls(PortLs { task: Some(task), target }) => {
            let client = Client::attach(&cx.place(target)?)?;
            let names = client.names_of(*task)?.into_iter().map(|n| NameRow::of(client.node(), n));
            cx.out.list(&names.collect::<Vec<_>>(), "no names")
        }
        Port::Show(args) => show(cx, args),
    }
}

fn show(cx: &Context, args: &PortShow) -> Result<()> {
    let client = Client::attach(&cx.place(&args.target)?)?;
    let (by_uid, by_name) = match (&args.port, args.task) {
        (PortGiven::Uid(origin, serial), None) => ((*origin, *serial), None),
        (PortGiven::CheckedIn(name), None) => ((0, 0), Some(name.clone())),
        (PortGiven::Name(name), Some(task)) => (uid_of(&client, task, *name)?, None),
        (PortGiven::Name(_), None) => {
            return Err(Failure::new(Exit::Usage, "a name means nothing without its task")
                .cure("mach port show 0x1002 --task 3"));
        }
        (_, Some(_)) => {
            return Err(Failure::new(Exit::Usage, "--task goes with a name of that task")
                .cure("mach port show 0x1002 --task 3"));
        }
    };
    let reply = client.port(by_uid, by_name)?;
    let shown = Shown {
        port: StateRow::of(client.node(), reply.port),
        holders: reply.holders.into_iter().map(HolderRow::of).collect(),
        messages: reply.messages.into_iter().map(MessageRow::of).collect(),
    };
    cx.out.record(&shown, &shown.port.lines())?;
    if cx.out.json() {
        return Ok(());
    }
    if !shown.holders.is_empty() {
        let cells = |h: &HolderRow| {
            vec![
                h.holder.clone(),
                format!("{:#x}", h.name),
                h.rights.join("+"),
                h.refs.to_string(),
                if h.dead_name_request { "dead-name" } else { "" }.into(),
            ]
        };
        cx.out.line("")?;
        cx.out.line(render(&["HOLDER", ">NAME", "RIGHTS", ">REFS", "REQUESTS"], shown.holders.iter().map(cells)))?;
    }
    if !shown.messages.is_empty() {
        let cells = |m: &MessageRow| {
            vec![
                m.id.to_string(),
                m.rights.to_string(),
                Bytes(m.bytes).to_string(),
                if m.blocked { "its sender waits" } else { "queued" }.into(),
            ]
        };
        cx.out.line("")?;
        cx.out.line(render(&[">MESSAGE", ">RIGHTS", ">COSTS", "STATE"], shown.messages.iter().map(cells)))?;
    }
    Ok(())
}

/// The identity of the port that a task has under a name.
fn uid_of(client: &Client, task: u32, name: u32) -> Result<(u64, u64)> {
    let found = client.names_of(task)?.into_iter().find(|n| n.name == name);
    let missing = |what: &str| {
        Failure::new(Exit::NotFound, format!("task {task} of node {} has {what} {name:#x}", client.node()))
            .cure(format!("mach port ls --task {task}"))
    };
    let port = found.ok_or_else(|| missing("no name"))?.port.ok_or_else(|| missing("no port behind"))?;
    let info = port.info.unwrap_or_default();
    Ok((info.uid_origin, info.uid_serial))
}

impl HolderRow {
    fn of(h: node::PortHolder) -> HolderRow {
        HolderRow {
            holder: h.holder,
            name: h.name,
            rights: rights(h.rights),
            refs: h.refs,
            dead_name_request: h.dead_name_request,
        }
    }
}

impl MessageRow {
    fn of(m: node::QueuedMessage) -> MessageRow {
        MessageRow { id: m.id, rights: m.rights, bytes: m.bytes, blocked: m.blocked }
    }
}

fn uid(origin: u64, serial: u64) -> String {
    format!("{origin:x}:{serial}")
}

fn rights(bits: u32) -> Vec<&'static str> {
    let all = [
        (RightType::Receive, "receive"),
        (RightType::Send, "send"),
        (RightType::SendOnce, "send-once"),
        (RightType::PortSet, "set"),
        (RightType::DeadName, "dead"),
    ];
    all.into_iter().filter(|(right, _)| bits & right.type_bit() != 0).map(|(_, what)| what).collect()
}

fn waiters(senders: u32, receivers: u32, polled: bool) -> String {
    let some = |n: u32, what: &str| (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
    let all = [some(senders, "sender"), some(receivers, "receiver"), polled.then(|| "polled".to_owned())];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl Client {
    /// The names of a task.
    fn names_of(&self, task: u32) -> Result<Vec<node::NameInfo>> {
        let what = format!("list the names of task {task}");
        let answer = self.talk(&what, move |own| own.rpc(&own.host(), node::Names { task }))?;
        answer.map(|reply| reply.names).map_err(|error| match error.kern() {
            Some(KernReturn::InvalidTask) => {
                Failure::new(Exit::NotFound, format!("node {} has no task {task}", self.node())).cure("mach task ls")
            }
            _ => self.explain(&what, error),
        })
    }

    /// One port, by its identity or by the name that it is checked in under.
    fn port(&self, (uid_origin, uid_serial): (u64, u64), checked_in: Option<String>) -> Result<node::PortReply> {
        let port = checked_in.clone().unwrap_or_else(|| uid(uid_origin, uid_serial));
        let what = format!("show the port {port}");
        let answer = self.talk(&what, move |task| {
            let right = checked_in.map(|name| task.look_up(&name, "*")).transpose()?;
            let right = right.map_or(NamedRight::NULL, mach::SendRight::into_named);
            task.rpc(&task.host(), node::Port { uid_origin, uid_serial, right })
        })?;
        answer.map_err(|error| match error.kern() {
            Some(KernReturn::InvalidName | KernReturn::NameNotCheckedIn) => {
                Failure::new(Exit::NotFound, format!("node {} has no port {port}", self.node())).cure("mach port ls")
            }
            _ => self.explain(&what, error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_its_rights_and_who_waits() {
        let info = node::PortInfo {
            uid_origin: 0xab,
            uid_serial: 7,
            receiver: "task 3".into(),
            queued: 5,
            queue_limit: 5,
            ..Default::default()
        };
        let port =
            PortState { info: Some(info), blocked: 2, no_senders_request: true, set: 0x2001, ..Default::default() };
        let name = node::NameInfo {
            name: 0x1002,
            rights: 0x3_0000,
            refs: 2,
            dead_name_request: true,
            port: Some(port),
            ..Default::default()
        };
        let cells = NameRow::of("n1", name).cells();
        assert_eq!(cells.len(), NameRow::HEADS.len());
        assert_eq!(
            cells,
            ["0x1002", "receive+send", "2", "ab:7", "task 3", "5/5", "2 senders", "dead-name, no-senders", "0x2001"]
        );
        let set = node::NameInfo {
            name: 0x2001,
            rights: 0x8_0000,
            refs: 1,
            members: vec![0x1002],
            queued: 5,
            receivers: 1,
            polled: true,
            ..Default::default()
        };
        assert_eq!(
            NameRow::of("n1", set).cells(),
            ["0x2001", "set", "1", "", "", "5", "1 receiver, polled", "", "0x1002"]
        );
        let dead = node::NameInfo { name: 0x3001, rights: 0x10_0000, refs: 1, ..Default::default() };
        assert_eq!(NameRow::of("n1", dead).cells(), ["0x3001", "dead", "1", "", "", "", "", "", ""]);
    }
}
