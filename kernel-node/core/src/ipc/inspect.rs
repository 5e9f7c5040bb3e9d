//! What an operator may look at.

use proto::{PortName, PortUid};

use super::entry::Entry;
use super::kmsg::{Kmsg, each_right};
use super::port::{PortId, Receiver};
use super::right::Right;
use super::space::SpaceId;
use super::{Ipc, KernelTag};

/// Who has a port's receive right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiverKind {
    /// A space, under this name.
    Space(SpaceId, PortName),
    /// The kernel.
    Kernel(KernelTag),
    /// A message, or the kernel's hands.
    InTransit,
}

/// One port, for lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortInfo {
    /// The port.
    pub port: PortId,
    /// Its identity in the cluster.
    pub uid: PortUid,
    /// Who receives.
    pub receiver: ReceiverKind,
    /// Send rights, wherever they are.
    pub send_rights: u32,
    /// Send-once rights, likewise.
    pub send_once_rights: u32,
    /// Of both, those in the kernel's hands: what does not go down is a leak of the kernel's.
    pub kernel_held: u32,
    /// Messages in the queue.
    pub queued: u32,
    /// Senders that wait for room.
    pub blocked: u32,
    /// Messages that the queue takes.
    pub queue_limit: u32,
    /// Send rights made.
    pub make_send_count: u32,
}

/// What else is known of one port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortState {
    /// What lists tell.
    pub info: PortInfo,
    /// Receivers that wait on it alone.
    pub receivers: u32,
    /// The sequence number of the next message.
    pub seqno: u32,
    /// The set that it is in, by its name in the receiver's space.
    pub set: Option<PortName>,
    /// Whether a no-senders request is armed.
    pub no_senders: bool,
    /// Whether a port-destroyed request is armed.
    pub port_destroyed: bool,
    /// Names on which a dead-name request is armed.
    pub dead_names: u32,
    /// Whether its receiver polls it.
    pub polled: bool,
}

/// One name of a space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameInfo {
    /// The space.
    pub space: SpaceId,
    /// The name.
    pub name: PortName,
    /// The bits of `mach_port_type`, without the request flag.
    pub rights: u32,
    /// User references of a send right or a dead name; 1 for any other.
    pub refs: u32,
    /// Whether a dead-name request is armed on it.
    pub armed: bool,
    /// What it denotes.
    pub denotes: Denoted,
}

/// What a name denotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denoted {
    /// A right to this port.
    Port(PortId),
    /// A port set.
    Set {
        /// Its members' names.
        members: Vec<PortName>,
        /// Messages queued at all of them.
        queued: u32,
        /// Receivers that wait on the set.
        receivers: u32,
        /// Whether it is polled.
        polled: bool,
    },
    /// Rights to a port that died.
    Dead,
}

/// A message that waits at a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueuedMessage {
    /// `msgh_id`.
    pub id: i32,
    /// Rights in its header and its body.
    pub rights: u32,
    /// What it counts as against the bound of the node.
    pub cost_bytes: usize,
    /// Whether its sender waits for room.
    pub blocked: bool,
}

impl Ipc {
    /// One port; `None` when it is dead.
    pub fn port_state(&self, port: PortId) -> Option<PortState> {
        let p = self.ports.get(port)?;
        Some(PortState {
            info: self.port_info(port),
            receivers: p.receiving.len(),
            seqno: p.seqno,
            set: p.set.map(|set| self.psets[set].name),
            no_senders: p.no_senders.is_some(),
            port_destroyed: p.port_destroyed.is_some(),
            dead_names: p.dead_names.len() as u32,
            polled: p.poller.is_some(),
        })
    }

    /// The port with this identity.
    pub fn port_with_uid(&self, uid: PortUid) -> Option<PortId> {
        self.ports.iter().find(|(_, p)| p.uid == uid).map(|(port, _)| port)
    }

    /// The messages that wait at a port, the oldest first, `count` at most.
    pub fn messages_at(&self, port: PortId, count: usize) -> Vec<QueuedMessage> {
        let Some(p) = self.ports.get(port) else { return Vec::new() };
        let listed = |k: &Kmsg| {
            let mut rights = 0;
            each_right(&k.message, |right| rights += u32::from(!matches!(right, Right::Null | Right::Dead)));
            QueuedMessage { id: k.message.id, rights, cost_bytes: k.size.cost_bytes, blocked: k.sender.is_some() }
        };
        let queued = p.queue.iter(&self.kmsgs, |k: &Kmsg| &k.in_port);
        let blocked = p.blocked.iter(&self.kmsgs, |k: &Kmsg| &k.in_port);
        queued.chain(blocked).take(count).map(|id| listed(&self.kmsgs[id])).collect()
    }

    /// The space that would receive what is sent to a name now; `None` for a name of no port, a port of the kernel, and one
    /// whose receive right is on its way.
    pub fn receiving_space(&self, space: SpaceId, name: PortName) -> Option<SpaceId> {
        match self.ports.get(self.view(space, name)?.port()?)?.receiver {
            Receiver::Space { space, .. } => Some(space),
            _ => None,
        }
    }

    /// The names of a space; none for one that is gone.
    pub fn names_of(&self, space: SpaceId) -> impl Iterator<Item = NameInfo> + '_ {
        let names = self.spaces.get(space).into_iter().flat_map(|s| s.table.iter().map(|(name, _)| name));
        names.filter_map(move |name| self.name_info(space, name))
    }

    /// Every name, in any space, that has a right to a port.
    pub fn holders(&self, port: PortId) -> impl Iterator<Item = NameInfo> + '_ {
        let spaces = self.spaces.iter().flat_map(|(id, s)| s.table.iter().map(move |(name, entry)| (id, name, entry)));
        let holding = spaces.filter(move |(_, _, entry)| entry.port() == Some(port));
        holding.filter_map(|(space, name, _)| self.name_info(space, name))
    }

    fn name_info(&self, space: SpaceId, name: PortName) -> Option<NameInfo> {
        let entry = self.view(space, name)?;
        let (refs, denotes) = match entry {
            Entry::Port { port, urefs, .. } => (u32::from(urefs).max(1), Denoted::Port(port)),
            Entry::SendOnce { port, .. } => (1, Denoted::Port(port)),
            Entry::Dead { urefs } => (urefs.into(), Denoted::Dead),
            Entry::Set(set) => {
                let s = &self.psets[set];
                let name_of = |member: &PortId| match self.ports[*member].receiver {
                    Receiver::Space { name, .. } => name,
                    _ => PortName::NULL,
                };
                let members = s.members.iter().map(name_of).collect();
                let (queued, receivers, polled) = (s.queue.len(), s.receiving.len(), s.poller.is_some());
                (1, Denoted::Set { members, queued, receivers, polled })
            }
        };
        Some(NameInfo { space, name, rights: entry.type_bits(), refs, armed: entry.is_armed(), denotes })
    }

    /// Every live port.
    pub fn ports(&self) -> impl Iterator<Item = PortInfo> + '_ {
        self.ports.keys().map(|port| self.port_info(port))
    }

    fn port_info(&self, port: PortId) -> PortInfo {
        let p = &self.ports[port];
        PortInfo {
            port,
            uid: p.uid,
            receiver: match p.receiver {
                Receiver::Space { space, name } => ReceiverKind::Space(space, name),
                Receiver::Kernel(tag) => ReceiverKind::Kernel(tag),
                Receiver::Limbo | Receiver::Transit(_) => ReceiverKind::InTransit,
            },
            send_rights: p.srights,
            send_once_rights: p.sorights,
            kernel_held: p.kernel_srights + p.kernel_sorights,
            queued: p.queue.len(),
            blocked: p.blocked.len(),
            queue_limit: p.qlimit,
            make_send_count: p.mscount,
        }
    }

    /// Live ports.
    pub fn ports_len(&self) -> usize {
        self.ports.len()
    }

    /// Messages queued or blocked, and what they cost in bytes.
    pub fn queued(&self) -> (usize, usize) {
        (self.kmsgs.len(), self.queued_bytes)
    }

    /// Send and send-once rights in the kernel's hands.
    pub fn kernel_held(&self) -> usize {
        self.ports.values().map(|p| (p.kernel_srights + p.kernel_sorights) as usize).sum()
    }
}
