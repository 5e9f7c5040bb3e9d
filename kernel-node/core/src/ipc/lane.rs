//! Lanes and leases, as the ports know them: what two threads may do by themselves, and how it is taken back.
//!
//! A *lane* lets one thread call one port, and one thread of the receiver answer, without the node. As long as it exists,
//! a call by it leaves nothing here: a request goes to a receiver that waits on an empty queue, its reply right is used
//! before the next call, and what is left of both is a number in each port's sequence. So the state here is right at
//! every moment but for a call under way, and for the numbers. Whoever is about to look at, or change, what a call rests
//! on cuts the lane first, which makes the state here whole ([`LaneMemory::cut`] says what had happened by then):
//!
//! 1. A reply right under way is a send-once right under its reserved name from then on. Names of a reserved slot are
//!    looked up by nobody without that ([`Ipc::lookup`]).
//! 2. Messages taken under a *lease* (a registered receive of the thread at the other end) are counted when it is closed,
//!    which is before anything else is given to that receiver, or tells of its port.
//! 3. A port with lanes is in no set; its receive right is where it was when they were made.
//!
//! Rules carried out: `docs/spec/ipc.md`, [ipc.fast.1] to [ipc.fast.10].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proto::PortName;
use slotmap::{KeyData, SlotMap, new_key_type};

use super::entry::Entry;
use super::mqueue::{ReceivingId, Source, Waiting};
use super::port::{PortId, Receiver};
use super::space::SpaceId;
use super::{Ipc, WaiterId};

new_key_type! {
    /// A lane.
    pub struct LaneId;
}

/// The memory of a lane.
pub trait LaneMemory {
    /// Ends the lane for both its threads. If the server has a request that it has not answered: how many it had taken
    /// before that one.
    fn cut(&self) -> Option<u32>;
    /// Requests that the server has taken, at most.
    fn calls(&self) -> u32;
}

/// The memory of a lease.
pub trait LeaseMemory {
    /// Ends it.
    fn close(&self) -> LeaseEnd;
}

/// Counts the answers that a client thread has had by its lanes.
pub trait AnswerCount {
    /// So far; wraps.
    fn answers(&self) -> u32;
}

/// How a receive stood when its lease was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseEnd {
    /// Whether the thread is in its receive.
    pub present: bool,
    /// Messages it has taken.
    pub taken: u32,
}

/// Between whom a lane is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneEnds {
    /// The caller's space.
    pub client: SpaceId,
    /// The caller's thread.
    pub waiter: WaiterId,
    /// Its name for the port that it calls.
    pub destination: PortName,
    /// Its receive right for replies.
    pub reply: PortName,
    /// The space that receives.
    pub server: SpaceId,
}

/// A lane that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// It.
    pub lane: LaneId,
    /// The server's name for the port that is called.
    pub server_name: PortName,
    /// The name of the reply right in the first call; in later ones it is as many generations later.
    pub reply_first: PortName,
}

struct Lane {
    ends: LaneEnds,
    port: PortId,
    reply: PortId,
    /// The first name of the server's reserved slot.
    slot: PortName,
    memory: Rc<dyn LaneMemory>,
}

/// All lanes, and how they are found.
#[derive(Default)]
pub(super) struct Lanes {
    table: SlotMap<LaneId, Lane>,
    /// The client's two names.
    by_name: BTreeSet<(SpaceId, PortName, LaneId)>,
    by_slot: BTreeMap<(SpaceId, PortName), LaneId>,
    /// The port that is called, and the one for replies.
    by_port: BTreeSet<(PortId, LaneId)>,
    /// Answers that are in the number of a reply port already, of those that its thread had.
    answers: BTreeMap<PortId, (Rc<dyn AnswerCount>, u32)>,
    /// Reply ports that a message came to otherwise.
    touched: Vec<PortId>,
    /// Cut, and the node has not heard of it.
    cut: Vec<LaneId>,
}

impl Ipc {
    /// Makes a lane.
    ///
    /// Conditions: `answers` counts what the client's thread has had until now, by all its lanes.
    /// Errors: `None`: the names do not denote what a lane needs, or there is one already.
    pub fn lane_open(
        &mut self,
        ends: LaneEnds,
        memory: Rc<dyn LaneMemory>,
        answers: Rc<dyn AnswerCount>,
    ) -> Option<Opened> {
        let LaneEnds { client, destination, server, .. } = ends;
        let Some(Entry::Port { port, urefs: 1.., receive: false, .. }) = self.lookup(client, destination) else {
            return None;
        };
        let Some(Entry::Port { port: reply, receive: true, .. }) = self.lookup(client, ends.reply) else { return None };
        let called = &self.ports[port];
        let server_name = match called.receiver {
            Receiver::Space { space, name } if space == server => name,
            _ => return None,
        };
        let replying = &self.ports[reply];
        let in_set = called.set.is_some() || replying.set.is_some();
        let payload = called.payload.is_some() || replying.payload.is_some();
        let waits = !replying.queue.is_empty() || !replying.blocked.is_empty();
        if in_set || payload || waits || client == server || self.lane_of(client, destination, reply).is_some() {
            return None;
        }
        let slot = self.spaces[server].table.reserve()?;
        let id = self.lanes.table.insert(Lane { ends, port, reply, slot, memory });
        self.lanes.by_name.extend([(client, destination, id), (client, ends.reply, id)]);
        self.lanes.by_slot.insert((server, slot), id);
        self.lanes.by_port.extend([(port, id), (reply, id)]);
        let so_far = answers.answers();
        self.lanes.answers.entry(reply).or_insert((answers, so_far));
        Some(Opened { lane: id, server_name, reply_first: slot })
    }

    /// Cuts a lane, if it is one still.
    pub fn lane_cut(&mut self, id: LaneId) {
        let Some(Lane { ends, port, reply, slot, memory }) = self.lanes.table.remove(id) else { return };
        let LaneEnds { client, destination, reply: reply_name, server, .. } = ends;
        self.lanes.by_name.remove(&(client, destination, id));
        self.lanes.by_name.remove(&(client, reply_name, id));
        self.lanes.by_slot.remove(&(server, slot));
        self.lanes.by_port.remove(&(port, id));
        self.lanes.by_port.remove(&(reply, id));
        self.lanes.cut.push(id);
        let serving = memory.cut();
        self.sync_answers(reply);
        let Some(space) = self.spaces.get_mut(server) else { return };
        match serving {
            Some(before) => {
                space.table.settle_reserved(slot, before, Some(Entry::SendOnce { port: reply, armed: false }));
                if let Some(replying) = self.ports.get_mut(reply) {
                    replying.sorights += 1;
                }
            }
            None => space.table.settle_reserved(slot, memory.calls(), None),
        }
    }

    /// The port of a send or receive right, for whoever makes lanes; changes nothing.
    pub fn lane_port(&self, space: SpaceId, name: PortName) -> Option<PortId> {
        match self.view(space, name) {
            Some(Entry::Port { port, .. }) => Some(port),
            _ => None,
        }
    }

    /// The lanes that were cut since the last call of this.
    pub fn lanes_gone(&mut self) -> Vec<LaneId> {
        std::mem::take(&mut self.lanes.cut)
    }

    /// Cuts the lanes whose reply ports got a message by another way and have it still, but for those of `except`: it is
    /// in a call to the node, and will be asked about again.
    pub fn lanes_settle(&mut self, except: Option<WaiterId>) {
        if self.lanes.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.lanes.touched);
        touched.retain(|port| {
            let waits = self.ports.get(*port).is_some_and(|p| !p.queue.is_empty() || !p.blocked.is_empty());
            let of_port = self.lanes_of_port(*port);
            let (kept, cut): (Vec<LaneId>, Vec<LaneId>) =
                of_port.into_iter().partition(|id| Some(self.lanes.table[*id].ends.waiter) == except);
            if waits {
                cut.into_iter().for_each(|id| self.lane_cut(id));
            }
            waits && !kept.is_empty()
        });
        self.lanes.touched.extend(touched);
    }

    /// Another thread than a lane's client is about to receive from its reply port.
    pub fn lanes_before_receive(&mut self, space: SpaceId, name: PortName, waiter: WaiterId) {
        for id in self.lanes_named(space, name) {
            let ends = self.lanes.table[id].ends;
            if ends.reply == name && ends.waiter != waiter {
                self.lane_cut(id);
            }
        }
    }

    /// Lets the thread that waits take messages by itself while the queue is empty. Answers the number of the next one.
    ///
    /// Errors: `None`: it does not wait, waits on a set, or is not the only one; the port is polled.
    pub fn lease(&mut self, waiter: WaiterId, memory: Rc<dyn LeaseMemory>) -> Option<(PortId, u32)> {
        let Some(Waiting::Receive(id)) = self.waiters.get(&waiter).copied() else { return None };
        let Source::Port(port) = self.receiving[id].on else { return None };
        let p = &self.ports[port];
        if p.receiving.len() != 1 || p.set.is_some() || self.poller_of(Source::Port(port)).is_some() {
            return None;
        }
        self.receiving[id].lease = Some(memory);
        Some((port, self.ports[port].seqno))
    }

    /// Ends a receive with a lease before its time, if its thread is in it; whether it was. Who is away stays away.
    pub fn lease_abort(&mut self, waiter: WaiterId) -> bool {
        let Some(Waiting::Receive(id)) = self.waiters.get(&waiter).copied() else { return false };
        let present = self.close_lease(id);
        self.end_receive(id);
        present
    }

    /// Takes a lease back without asking its memory: it was not granted.
    pub fn lease_ungranted(&mut self, waiter: WaiterId) {
        if let Some(Waiting::Receive(id)) = self.waiters.get(&waiter).copied() {
            self.receiving[id].lease = None;
        }
    }

    /// Makes everything whole, for whoever looks at ports in general: cuts every lane, closes every lease.
    pub fn lanes_cut_all(&mut self) {
        let ids: Vec<LaneId> = self.lanes.table.keys().collect();
        ids.into_iter().for_each(|id| self.lane_cut(id));
        let leased = self.receiving.iter().filter(|(_, r)| r.lease.is_some());
        let leased: Vec<ReceivingId> = leased.map(|(id, _)| id).collect();
        for id in leased {
            if !self.close_lease(id) {
                self.end_receive(id);
            }
        }
    }

    /// Makes what a space's names stand for whole, for whoever lists them.
    pub fn lanes_cut_space(&mut self, space: SpaceId) {
        if self.lanes.table.is_empty() {
            return;
        }
        let of_space = |lane: &Lane| lane.ends.client == space || lane.ends.server == space;
        let ids: Vec<LaneId> = self.lanes.table.iter().filter(|(_, l)| of_space(l)).map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| self.lane_cut(id));
    }

    /// Makes what one name stands for whole, for a routine about it.
    pub(super) fn lanes_cut_name(&mut self, space: SpaceId, name: PortName) {
        self.lanes_named(space, name).into_iter().for_each(|id| self.lane_cut(id));
        if let Some(Entry::Port { port, receive: true, .. }) = self.view(space, name) {
            self.close_leases(port);
        }
    }

    /// Cuts the lane whose reserved slot a name may be of.
    pub(super) fn lane_cut_reserved(&mut self, space: SpaceId, name: PortName) {
        if self.lanes.table.is_empty() {
            return;
        }
        let slot = self.spaces.get(space).and_then(|s| s.table.reserved(name));
        if let Some(id) = slot.and_then(|slot| self.lanes.by_slot.get(&(space, slot)).copied()) {
            self.lane_cut(id);
        }
    }

    /// A port's receive right leaves its space, or joins a set.
    pub(super) fn lanes_cut_port(&mut self, port: PortId) {
        self.lanes_of_port(port).into_iter().for_each(|id| self.lane_cut(id));
    }

    /// The port counts anew: answers that were not told of are not told of later.
    pub(super) fn forget_answers(&mut self, port: PortId) {
        self.lanes.answers.remove(&port);
    }

    /// The thread that received from a reply port by lanes is going to use another one.
    pub fn lanes_end_replies(&mut self, space: SpaceId, reply: PortName) {
        for id in self.lanes_named(space, reply) {
            if self.lanes.table[id].ends.reply == reply {
                self.lane_cut(id);
            }
        }
        if let Some(port) = self.lane_port(space, reply) {
            self.sync_answers(port);
            self.forget_answers(port);
        }
    }

    /// A message stays in a port's queue.
    pub(super) fn lanes_touch(&mut self, port: PortId) {
        if self.lanes.answers.contains_key(&port) && !self.lanes.touched.contains(&port) {
            self.lanes.touched.push(port);
        }
    }

    /// Brings the number of a reply port up to what its thread has had by its lanes.
    pub(super) fn sync_answers(&mut self, port: PortId) {
        let Some((count, seen)) = self.lanes.answers.get_mut(&port) else { return };
        let now = count.answers();
        let more = now.wrapping_sub(std::mem::replace(seen, now));
        if let Some(p) = self.ports.get_mut(port) {
            p.seqno = p.seqno.wrapping_add(more);
        }
    }

    /// Closes the lease of a receiver of this port, if one has it. Who is not in its receive is a receiver no more.
    pub(super) fn close_leases(&mut self, port: PortId) {
        let Some(id) = self.ports.get(port).and_then(|p| p.receiving.front()) else { return };
        if !self.close_lease(id) {
            self.end_receive(id);
        }
    }

    /// Closes a receiver's lease, if it has one; whether it is in its receive.
    pub(super) fn close_lease(&mut self, id: ReceivingId) -> bool {
        let receiving = &mut self.receiving[id];
        let Some(lease) = receiving.lease.take() else { return true };
        let LeaseEnd { present, taken } = lease.close();
        if let Source::Port(port) = receiving.on {
            self.ports[port].seqno = self.ports[port].seqno.wrapping_add(taken);
        }
        present
    }

    fn lanes_named(&self, space: SpaceId, name: PortName) -> Vec<LaneId> {
        if self.lanes.table.is_empty() {
            return Vec::new();
        }
        let from = (space, name, first_lane());
        let named = self.lanes.by_name.range(from..).take_while(|(s, n, _)| (*s, *n) == (space, name));
        named.map(|(_, _, id)| *id).collect()
    }

    fn lanes_of_port(&self, port: PortId) -> Vec<LaneId> {
        if self.lanes.table.is_empty() {
            return Vec::new();
        }
        let ids = self.lanes.by_port.range((port, first_lane())..).take_while(|(p, _)| *p == port);
        ids.map(|(_, id)| *id).collect()
    }

    fn lane_of(&self, client: SpaceId, destination: PortName, reply: PortId) -> Option<LaneId> {
        self.lanes_named(client, destination).into_iter().find(|id| {
            let lane = &self.lanes.table[*id];
            lane.ends.destination == destination && lane.reply == reply
        })
    }

    /// What lanes and leases rest on, for [`Ipc::check`].
    pub(super) fn check_lanes(&self) {
        for (id, lane) in &self.lanes.table {
            let LaneEnds { client, destination, reply, server, .. } = lane.ends;
            let at = |space, name| self.view(space, name);
            let called = at(client, destination);
            assert!(
                matches!(called, Some(Entry::Port { port, urefs: 1.., .. }) if port == lane.port),
                "{id:?} leads to {called:?}"
            );
            let replying = at(client, reply);
            assert!(
                matches!(replying, Some(Entry::Port { port, receive: true, .. }) if port == lane.reply),
                "{id:?} answers to {replying:?}"
            );
            let called = &self.ports[lane.port];
            assert!(matches!(called.receiver, Receiver::Space { space, .. } if space == server), "{id:?} is received");
            assert!(called.set.is_none() && self.ports[lane.reply].set.is_none(), "{id:?} and a set");
            assert_eq!(self.spaces[server].table.reserved(lane.slot), Some(lane.slot), "the names of {id:?}");
            assert_eq!(self.lanes.by_slot.get(&(server, lane.slot)), Some(&id));
        }
        let len = self.lanes.table.len();
        let lens = (self.lanes.by_name.len(), self.lanes.by_slot.len(), self.lanes.by_port.len());
        assert_eq!(lens, (2 * len, len, 2 * len), "how lanes are found");
        let reserved: usize = self.spaces.values().map(|s| s.table.reserved_len()).sum();
        assert_eq!(reserved, len, "reserved names");
        for receiving in self.receiving.values().filter(|r| r.lease.is_some()) {
            let Source::Port(port) = receiving.on else { panic!("a lease on a set") };
            assert_eq!(self.ports[port].receiving.len(), 1, "a lease beside another receiver");
        }
    }
}

/// Not above any lane's id: the default is above all.
fn first_lane() -> LaneId {
    LaneId::from(KeyData::from_ffi(0))
}
