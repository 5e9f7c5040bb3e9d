//! Ports: who receives, what is counted, what is queued, who wants to be told; and how a port dies.

use std::collections::BTreeMap;

use proto::limits::{PORTS_MAX, QLIMIT_DEFAULT, SPACE_PORTS_MAX, TRANSIT_CHAIN_MAX};
use proto::{KernReturn, MsgReturn, PortName, PortUid};
use slotmap::new_key_type;

use super::kmsg::KmsgId;
use super::list::List;
use super::mqueue::{ReceivingId, Source};
use super::notify::Notice;
use super::poll::PollerId;
use super::pset::PsetId;
use super::right::Right;
use super::space::SpaceId;
use super::{Effect, Ipc, KernelTag, Work};

new_key_type! {
    /// A port of this node. Denotes nothing once the port is dead; never reused.
    pub struct PortId;
}

/// Where a port's receive right is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receiver {
    /// In a space, under this name.
    Space { space: SpaceId, name: PortName },
    /// With the kernel: messages go to its inbox and are never queued.
    Kernel(KernelTag),
    /// In a [`Right`] that is in no queue: in the kernel's hands or its inbox.
    Limbo,
    /// In a message that is queued at, or blocked on, this port.
    Transit(PortId),
}

pub(super) struct Port {
    pub uid: PortUid,
    /// The task among whose ports it counts; none for the kernel's and in-process servers'.
    pub maker: Option<SpaceId>,
    pub receiver: Receiver,
    /// Send rights: entries, messages, the kernel's hands. User references do not count.
    pub srights: u32,
    /// Send-once rights, likewise and in requests.
    pub sorights: u32,
    pub mscount: u32,
    pub seqno: u32,
    pub qlimit: u32,
    /// Of the rights above, in the kernel's hands.
    pub kernel_srights: u32,
    pub kernel_sorights: u32,
    /// What arrives in place of the port's name. [ipc.payload.1]
    pub payload: Option<u64>,
    pub set: Option<PsetId>,
    pub queue: List<KmsgId>,
    /// Messages of senders that wait for room.
    pub blocked: List<KmsgId>,
    /// Receivers that wait for a message on this port alone.
    pub receiving: List<ReceivingId>,
    pub poller: Option<PollerId>,
    /// The send-once rights of the requests; each names a port that may be dead.
    pub no_senders: Option<PortId>,
    pub port_destroyed: Option<PortId>,
    pub dead_names: BTreeMap<(SpaceId, PortName), PortId>,
    /// The kernel wants to know of the death.
    pub watches: Vec<KernelTag>,
    /// Kernel-owned, and to die with its last send right.
    pub retiring: bool,
}

impl Port {
    /// Whether the kernel receives.
    pub fn is_kernel(&self) -> bool {
        matches!(self.receiver, Receiver::Kernel(_))
    }
}

impl Ipc {
    /// A port that `space` makes, whose receive right is on its way there.
    ///
    /// Errors: `ResourceShortage` the space has [`SPACE_PORTS_MAX`], or the node [`PORTS_MAX`].
    pub(super) fn port_create_by(&mut self, space: SpaceId) -> Result<PortId, KernReturn> {
        let maker = self.spaces.get(space).filter(|s| !s.in_process).map(|_| space);
        if maker.is_some_and(|maker| self.spaces[maker].ports_made >= SPACE_PORTS_MAX) {
            return Err(KernReturn::ResourceShortage);
        }
        let port = self.port_create(Receiver::Limbo)?;
        self.ports[port].maker = maker;
        if let Some(maker) = maker {
            self.spaces[maker].ports_made += 1;
        }
        Ok(port)
    }

    /// A port whose receive right is with `receiver`.
    ///
    /// Errors: `ResourceShortage` the node has [`PORTS_MAX`].
    pub(super) fn port_create(&mut self, receiver: Receiver) -> Result<PortId, KernReturn> {
        if self.ports.len() >= PORTS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        self.last_serial += 1;
        Ok(self.ports.insert(Port {
            uid: PortUid { origin: self.incarnation, serial: self.last_serial },
            maker: None,
            receiver,
            srights: 0,
            sorights: 0,
            mscount: 0,
            seqno: 0,
            qlimit: QLIMIT_DEFAULT,
            kernel_srights: 0,
            kernel_sorights: 0,
            payload: None,
            set: None,
            queue: List::default(),
            blocked: List::default(),
            receiving: List::default(),
            poller: None,
            no_senders: None,
            port_destroyed: None,
            dead_names: BTreeMap::new(),
            watches: Vec::new(),
            retiring: false,
        }))
    }

    /// Whether the port lives.
    pub fn is_alive(&self, port: PortId) -> bool {
        self.ports.contains_key(port)
    }

    /// The identity of a port in the cluster; `None` once it is dead.
    pub fn uid(&self, port: PortId) -> Option<PortUid> {
        self.ports.get(port).map(|p| p.uid)
    }

    /// Takes the receive right from where it is, on its way into a message or to its death: the port leaves its set, its
    /// receivers end with `code`, the counters start again. [ipc.move.1]
    pub(super) fn detach_receive(&mut self, port: PortId, code: MsgReturn, fx: &mut Vec<Effect>) {
        self.lanes_cut_port(port);
        self.forget_answers(port);
        self.leave_set(port, fx);
        self.end_receives(Source::Port(port), code, fx);
        let p = &mut self.ports[port];
        p.receiver = Receiver::Limbo;
        p.mscount = 0;
        p.seqno = 0;
        p.payload = None;
    }

    /// Ends a port whose receive right has been given up and detached; or sends the right to whoever asked to have it
    /// instead. The order of what follows is [ipc.death.1].
    #[doc(alias = "ipc_port_destroy")]
    pub(super) fn port_death(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        let Some(p) = self.ports.get_mut(port) else { return };
        if let Some(notify) = p.port_destroyed.take() {
            if self.ports.contains_key(notify) && self.circularity(port, notify) == Circularity::None {
                return self.notify(notify, Notice::PortDestroyed(port), fx);
            }
            self.defer_release(Right::SendOnce(notify));
        }
        let p = self.ports.remove(port).expect("the port lives");
        if let Some(maker) = p.maker.and_then(|space| self.spaces.get_mut(space)) {
            maker.ports_made -= 1;
        }
        self.destroy_list(p.blocked, fx);
        if let Some(notify) = p.no_senders {
            self.defer_release(Right::SendOnce(notify));
        }
        self.destroy_list(p.queue, fx);
        for ((space, name), notify) in p.dead_names {
            let entry = self.spaces[space].table.get(name).expect("an armed name is in use");
            self.bury(space, name, entry);
            self.work.push_back(Work::Notify { port: notify, notice: Notice::DeadName(name) });
        }
        fx.extend(p.watches.into_iter().map(|tag| Effect::PortDied { port, tag }));
    }

    /// What moving the receive right of `moved` into a message to `dest` would do. [ipc.circular.1]
    pub(super) fn circularity(&self, moved: PortId, dest: PortId) -> Circularity {
        let mut at = dest;
        for _ in 0..TRANSIT_CHAIN_MAX {
            if at == moved {
                return Circularity::Ring;
            }
            match self.ports.get(at).map(|p| p.receiver) {
                Some(Receiver::Transit(next)) => at = next,
                _ => return Circularity::None,
            }
        }
        Circularity::TooDeep
    }
}

/// Where a message with a receive right would lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Circularity {
    /// To a receiver, or at least not back to the moved port.
    None,
    /// Into the moved port itself, through the messages that hold the ports between.
    Ring,
    /// Through more ports in transit than are looked at.
    TooDeep,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::entry::NAME_BYTES;

    #[test]
    fn ipc_bound_3_a_port_that_nobody_uses_is_small() {
        // A slot of the table of ports, one name, and its place in a map by port that is half empty.
        let by_port = 2 * size_of::<(PortId, PortName)>() + 16;
        let bytes = size_of::<Port>() + 8 + NAME_BYTES + by_port;
        assert!(bytes < 512, "{bytes} bytes");
    }
}
