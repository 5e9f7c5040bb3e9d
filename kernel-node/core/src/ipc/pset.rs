//! Port sets: one queue over the queues of their members, in the order in which the messages came.

use std::collections::BTreeSet;

use proto::{MsgReturn, PortName};
use slotmap::new_key_type;

use super::kmsg::{Kmsg, KmsgId};
use super::list::List;
use super::mqueue::{ReceivingId, Source};
use super::poll::PollerId;
use super::port::PortId;
use super::space::SpaceId;
use super::{Effect, Ipc};

new_key_type! {
    pub(super) struct PsetId;
}

pub(super) struct Pset {
    pub space: SpaceId,
    /// Its name there.
    pub name: PortName,
    pub members: BTreeSet<PortId>,
    /// The queued messages of all members, merged.
    pub queue: List<KmsgId>,
    /// Senders blocked on members, so that a receiver knows whether a member with a queue limit of 0 has one.
    pub blocked: u32,
    /// Receivers that wait for a message on any member.
    pub receiving: List<ReceivingId>,
    pub poller: Option<PollerId>,
}

impl Pset {
    /// An empty set, whose name is still to be set.
    pub fn new(space: SpaceId) -> Pset {
        Pset {
            space,
            name: PortName::NULL,
            members: BTreeSet::new(),
            queue: List::default(),
            blocked: 0,
            receiving: List::default(),
            poller: None,
        }
    }
}

impl Ipc {
    /// Puts a port into a set; what is queued on it joins behind what the set has, and receivers of the set are served.
    ///
    /// Conditions: the port is in no set; its receive right is in the set's space. Source: spec [ipc.set.2].
    pub(super) fn join_set(&mut self, port: PortId, set: PsetId, fx: &mut Vec<Effect>) {
        self.lanes_cut_port(port);
        self.end_receives(Source::Port(port), MsgReturn::RcvPortChanged, fx);
        let p = &mut self.ports[port];
        p.set = Some(set);
        let s = &mut self.psets[set];
        s.members.insert(port);
        s.blocked += p.blocked.len();
        let queued: Vec<KmsgId> = p.queue.iter(&self.kmsgs, |k: &Kmsg| &k.in_port).collect();
        for kmsg in queued {
            s.queue.push_back(&mut self.kmsgs, kmsg, |k| &mut k.in_set);
        }
        self.serve_set(set, fx);
        if self.next_message(Source::Set(set)).is_some() {
            self.announce(port, fx);
        }
    }

    /// Takes a port out of its set, if it is in one; its messages stay with it.
    pub(super) fn leave_set(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        let p = &mut self.ports[port];
        let Some(set) = p.set.take() else { return };
        let s = &mut self.psets[set];
        s.members.remove(&port);
        s.blocked -= p.blocked.len();
        let queued: Vec<KmsgId> = p.queue.iter(&self.kmsgs, |k: &Kmsg| &k.in_port).collect();
        for kmsg in queued {
            s.queue.remove(&mut self.kmsgs, kmsg, |k| &mut k.in_set);
        }
        self.level(Source::Set(set), fx);
    }

    /// Ends a set whose name is gone: its receivers end, its members stand alone again. [ipc.set.4]
    pub(super) fn pset_destroy(&mut self, set: PsetId, fx: &mut Vec<Effect>) {
        for port in std::mem::take(&mut self.psets[set].members) {
            self.leave_set(port, fx);
        }
        self.end_receives(Source::Set(set), MsgReturn::RcvPortDied, fx);
        self.psets.remove(set);
    }
}
