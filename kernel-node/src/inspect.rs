//! What an operator is told of ports and names, in the host port's records.

use std::collections::BTreeMap;

use kernel_core::TaskId;
use kernel_core::ipc::{Denoted, NameInfo, PortId, PortInfo, PortState, ReceiverKind, SpaceId};
use proto::iface::node;
use proto::{Incarnation, KernReturn, NamedRight, PortUid};

use crate::node::Node;

/// Holders of one port that are told.
const HOLDERS_MAX: usize = 4096;
/// Messages of one port that are told.
const MESSAGES_MAX: usize = 64;

/// Whose a space is, in words.
struct Owners<'a> {
    node: &'a Node,
    tasks: BTreeMap<SpaceId, TaskId>,
}

impl Owners<'_> {
    fn label(&self, space: SpaceId) -> String {
        match (self.tasks.get(&space), self.node.server_of(space)) {
            (Some(task), _) => format!("task {}", task.0),
            (None, Some(which)) => which.label().into(),
            (None, None) => "nobody".into(),
        }
    }

    fn port(&self, p: &PortInfo) -> node::PortInfo {
        let receiver = match p.receiver {
            ReceiverKind::Kernel(tag) => format!("kernel: {}", self.node.kernel.kobject_label(tag)),
            ReceiverKind::InTransit => "in a message".into(),
            ReceiverKind::Space(space, _) => self.label(space),
        };
        node::PortInfo {
            uid_origin: p.uid.origin.0,
            uid_serial: p.uid.serial,
            receiver,
            send_rights: p.send_rights,
            send_once_rights: p.send_once_rights,
            queued: p.queued,
            queue_limit: p.queue_limit,
            make_send_count: p.make_send_count,
        }
    }

    fn state(&self, p: &PortState) -> node::PortState {
        node::PortState {
            info: Some(self.port(&p.info)),
            blocked: p.info.blocked,
            receivers: p.receivers,
            seqno: p.seqno,
            set: p.set.map_or(0, |set| set.0),
            name: if let ReceiverKind::Space(_, name) = p.info.receiver { name.0 } else { 0 },
            no_senders_request: p.no_senders,
            port_destroyed_request: p.port_destroyed,
            dead_name_requests: p.dead_names,
            polled: p.polled,
            kernel_held: p.info.kernel_held,
        }
    }

    fn name(&self, n: NameInfo) -> node::NameInfo {
        let told = node::NameInfo {
            name: n.name.0,
            rights: n.rights,
            refs: n.refs,
            dead_name_request: n.armed,
            ..node::NameInfo::default()
        };
        match n.denotes {
            Denoted::Dead => told,
            Denoted::Port(port) => {
                let port = self.node.kernel.ipc.port_state(port).map(|p| self.state(&p));
                node::NameInfo { port, ..told }
            }
            Denoted::Set { members, queued, receivers, polled } => {
                let members = members.into_iter().map(|m| m.0).collect();
                node::NameInfo { members, queued, receivers, polled, ..told }
            }
        }
    }
}

impl Node {
    fn owners(&self) -> Owners<'_> {
        let tasks = self.kernel.tasks().map(|(task, record)| (record.space, task)).collect();
        Owners { node: self, tasks }
    }

    /// Every port.
    pub(crate) fn ports_info(&self) -> Vec<node::PortInfo> {
        let owners = self.owners();
        self.kernel.ipc.ports().map(|p| owners.port(&p)).collect()
    }

    /// The names of a task.
    ///
    /// Errors: `InvalidTask`.
    pub(crate) fn names_info(&self, task: u32) -> Result<Vec<node::NameInfo>, KernReturn> {
        let space = self.kernel.task_space(TaskId(task)).ok_or(KernReturn::InvalidTask)?;
        let owners = self.owners();
        Ok(self.kernel.ipc.names_of(space).map(|n| owners.name(n)).collect())
    }

    /// One port. Gives the right that stands for it up.
    ///
    /// Errors: `InvalidName` there is no such port, or none any more.
    pub(crate) fn node_port(&mut self, r: node::Port<NamedRight>) -> Result<node::PortReply, KernReturn> {
        let ipc = &mut self.kernel.ipc;
        let port = match r.right.name.is_valid() {
            true => ipc.port_of(self.host.server.space, r.right.name).ok().map(|(port, _)| port),
            false => ipc.port_with_uid(PortUid { origin: Incarnation(r.uid_origin), serial: r.uid_serial }),
        };
        // As the operator's task holds it, not as this request does.
        self.release_rights(vec![r.right]);
        port.and_then(|port| self.port_info(port)).ok_or(KernReturn::InvalidName)
    }

    fn port_info(&self, port: PortId) -> Option<node::PortReply> {
        let (ipc, owners) = (&self.kernel.ipc, self.owners());
        let port_state = owners.state(&ipc.port_state(port)?);
        let holder = |n: NameInfo| node::PortHolder {
            holder: owners.label(n.space),
            name: n.name.0,
            rights: n.rights,
            refs: n.refs,
            dead_name_request: n.armed,
        };
        let message = |m: kernel_core::ipc::QueuedMessage| node::QueuedMessage {
            id: m.id,
            rights: m.rights,
            bytes: m.cost_bytes as u64,
            blocked: m.blocked,
        };
        Some(node::PortReply {
            port: port_state,
            holders: ipc.holders(port).take(HOLDERS_MAX).map(holder).collect(),
            messages: ipc.messages_at(port, MESSAGES_MAX).into_iter().map(message).collect(),
        })
    }
}
