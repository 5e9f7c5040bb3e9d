//! In which order the messages to one port are delivered, and how many may be under way.
//!
//! The sender numbers its messages to an entry from 1 and tells with each one how many of those before it must be there
//! first. The receiver holds back what came ahead of its turn. Source: spec [netmsg.order], [netmsg.flow];
//! docs/decisions/0005-supplies-may-overtake-each-other.md.

use std::collections::{BTreeMap, VecDeque};

use proto::iface::memory_object_control as control;
use proto::limits::REMOTE_WINDOW;

use crate::link::Load;
use crate::{ExportId, PeerMisbehaved};

/// A message's place among those to the same port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// After every message sent before it, and before every one sent after it.
    InOrder,
    /// As `InOrder`, except that it and its like may overtake each other.
    Overtaking,
}

/// The place of a message with this id: page contents may overtake each other, nothing else may.
pub fn order_of(id: i32) -> Order {
    match id {
        control::id::DATA_SUPPLY | control::id::DATA_UNAVAILABLE | control::id::DATA_ERROR => Order::Overtaking,
        _ => Order::InOrder,
    }
}

/// The sender's side of one entry.
#[derive(Default, Debug)]
pub(crate) struct Departures {
    /// The last sequence number given out.
    sent: u64,
    /// The last one given to a message that nothing overtakes.
    barrier: u64,
    /// Out-of-line bytes of the messages that are not acknowledged, the oldest first.
    under_way: VecDeque<usize>,
}

impl Departures {
    /// Numbers the next message, of so many out-of-line bytes: its `seq` and `after`.
    ///
    /// Conditions: fewer than `REMOTE_WINDOW` are under way.
    pub(crate) fn depart(&mut self, order: Order, bytes: usize) -> (u64, u64) {
        assert!(self.under_way.len() < REMOTE_WINDOW as usize, "a message beyond the window");
        self.sent += 1;
        self.under_way.push_back(bytes);
        match order {
            Order::InOrder => {
                self.barrier = self.sent;
                (self.sent, self.sent)
            }
            Order::Overtaking => (self.sent, self.barrier + 1),
        }
    }

    /// Messages sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Messages sent and not acknowledged.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether one more would be too many for this entry.
    pub(crate) fn window_is_closed(&self) -> bool {
        self.under_way() == REMOTE_WINDOW as usize
    }

    /// Messages sent and not acknowledged, and what they weigh.
    pub(crate) fn load(&self) -> Load {
        Load { messages: self.under_way.len(), bytes: self.under_way.iter().sum() }
    }

    /// Takes an acknowledgement; one that another overtook says nothing new. Returns what it frees.
    ///
    /// Errors: `Miscount` when it acknowledges what was not sent.
    pub(crate) fn on_delivered(&mut self, export: ExportId, through: u64) -> Result<Load, PeerMisbehaved> {
        if through > self.sent {
            return Err(PeerMisbehaved::Miscount(export, "acknowledged before it was sent"));
        }
        let delivered = self.sent - self.under_way.len() as u64;
        let messages = through.saturating_sub(delivered) as usize;
        Ok(Load { messages, bytes: self.under_way.drain(..messages).sum() })
    }
}

/// The receiver's side of one entry; `M` is a message that waits for its turn.
#[derive(Debug)]
pub(crate) struct Arrivals<M> {
    /// Every message up to this one has been taken.
    through: u64,
    /// Bit `i`: message `through + 1 + i` has been taken.
    beyond: u64,
    /// Arrived, not yet given to the port, with their `after`.
    waiting: BTreeMap<u64, (u64, M)>,
    /// Given to the port and not yet in its queue. Nothing follows it until it is.
    blocked: Option<u64>,
    /// The last `through` that the sender was told.
    acknowledged: u64,
}

impl<M> Default for Arrivals<M> {
    fn default() -> Self {
        Arrivals { through: 0, beyond: 0, waiting: BTreeMap::new(), blocked: None, acknowledged: 0 }
    }
}

impl<M> Arrivals<M> {
    /// Takes note of a message that came in.
    ///
    /// Errors: `Malformed`, `Duplicate`, `WindowExceeded`; nothing is noted.
    pub(crate) fn arrive(&mut self, export: ExportId, seq: u64, after: u64, m: M) -> Result<(), PeerMisbehaved> {
        if seq == 0 || after > seq {
            return Err(PeerMisbehaved::Malformed("a message after itself"));
        }
        if seq > self.acknowledged + REMOTE_WINDOW {
            return Err(PeerMisbehaved::WindowExceeded(export, seq));
        }
        if self.is_taken(seq) || self.blocked == Some(seq) || self.waiting.contains_key(&seq) {
            return Err(PeerMisbehaved::Duplicate(export, seq));
        }
        self.waiting.insert(seq, (after, m));
        Ok(())
    }

    /// The next message whose turn it is, taken out of the waiting ones.
    ///
    /// Conditions: the caller ends it with [`taken`](Self::taken) or [`blocked`](Self::blocked).
    pub(crate) fn next(&mut self) -> Option<(u64, M)> {
        let seq = self.due()?;
        self.waiting.remove(&seq).map(|(_, m)| (seq, m))
    }

    /// Whether it is some message's turn.
    pub(crate) fn is_due(&self) -> bool {
        self.due().is_some()
    }

    fn due(&self) -> Option<u64> {
        let turn = self.through + 1;
        let mut waiting = self.waiting.iter().filter(|_| self.blocked.is_none());
        waiting.find(|(_, (after, _))| *after <= turn).map(|(seq, _)| *seq)
    }

    /// The message is in the port's queue.
    pub(crate) fn taken(&mut self, seq: u64) {
        debug_assert!(!self.is_taken(seq));
        self.beyond |= 1 << (seq - self.through - 1);
        let run = self.beyond.trailing_ones();
        self.through += u64::from(run);
        self.beyond = self.beyond.checked_shr(run).unwrap_or(0);
    }

    /// The message waits at the port.
    pub(crate) fn blocked(&mut self, seq: u64) {
        self.blocked = Some(seq);
    }

    /// The message that waited at the port is in its queue. Returns whether there was one.
    pub(crate) fn unblocked(&mut self) -> bool {
        let Some(seq) = self.blocked.take() else { return false };
        self.taken(seq);
        true
    }

    /// Every message up to this one has been taken.
    pub(crate) fn through(&self) -> u64 {
        self.through
    }

    /// The highest number that the sender may use now.
    pub(crate) fn window_end(&self) -> u64 {
        self.acknowledged + REMOTE_WINDOW
    }

    /// Messages taken that the sender has not been told of.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.through - self.acknowledged
    }

    /// What to tell the sender now.
    pub(crate) fn acknowledge(&mut self) -> u64 {
        self.acknowledged = self.through;
        self.through
    }

    /// Messages that arrived and are not in the queue.
    pub(crate) fn pending(&self) -> usize {
        self.waiting.len() + usize::from(self.blocked.is_some())
    }

    /// The messages that still wait for their turn, when the entry ends.
    pub(crate) fn into_waiting(self) -> impl Iterator<Item = M> {
        self.waiting.into_values().map(|(_, m)| m)
    }

    fn is_taken(&self, seq: u64) -> bool {
        seq <= self.through || self.beyond & (1 << (seq - self.through - 1)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const E: ExportId = ExportId(7);

    fn deliver(a: &mut Arrivals<u64>, seq: u64, after: u64) -> Vec<u64> {
        a.arrive(E, seq, after, seq).unwrap();
        std::iter::from_fn(|| {
            let (seq, m) = a.next()?;
            a.taken(seq);
            Some(m)
        })
        .collect()
    }

    #[test]
    fn netmsg_order_1_strict_messages_wait_for_all_before_them() {
        let mut a = Arrivals::default();
        assert_eq!(deliver(&mut a, 3, 3), []);
        assert_eq!(deliver(&mut a, 2, 2), []);
        assert_eq!(deliver(&mut a, 1, 1), [1, 2, 3]);
    }

    #[test]
    fn netmsg_order_2_supplies_overtake_each_other_and_nothing_else() {
        let mut d = Departures::default();
        let ids = [1, control::id::DATA_SUPPLY, control::id::DATA_ERROR, control::id::LOCK_REQUEST];
        let places: Vec<_> = ids.iter().map(|id| d.depart(order_of(*id), 0)).collect();
        assert_eq!(places, [(1, 1), (2, 2), (3, 2), (4, 4)]);

        let mut a = Arrivals::default();
        assert_eq!(deliver(&mut a, 3, 2), [], "the barrier is not there");
        assert_eq!(deliver(&mut a, 1, 1), [1, 3]);
        assert_eq!(deliver(&mut a, 4, 4), [], "a lock request waits for every supply");
        assert_eq!(deliver(&mut a, 2, 2), [2, 4]);
        assert_eq!(a.through(), 4);
    }

    #[test]
    fn netmsg_order_3_a_sequence_number_comes_once() {
        let mut a = Arrivals::default();
        deliver(&mut a, 1, 1);
        deliver(&mut a, 3, 1);
        a.arrive(E, 5, 5, 5).unwrap();
        for seq in [1, 3, 5] {
            assert_eq!(a.arrive(E, seq, seq, 0), Err(PeerMisbehaved::Duplicate(E, seq)));
        }
        assert_eq!(a.arrive(E, 0, 0, 0), Err(PeerMisbehaved::Malformed("a message after itself")));
        assert_eq!(a.arrive(E, 6, 7, 0), Err(PeerMisbehaved::Malformed("a message after itself")));
    }

    #[test]
    fn netmsg_flow_1_the_window_moves_with_acknowledgements_only() {
        let mut a = Arrivals::default();
        for seq in (1..=REMOTE_WINDOW).rev() {
            a.arrive(E, seq, 1, seq).unwrap();
        }
        let mut taken = 0;
        while let Some((seq, _)) = a.next() {
            a.taken(seq);
            taken += 1;
        }
        assert_eq!((taken, a.through(), a.beyond), (REMOTE_WINDOW, REMOTE_WINDOW, 0));
        let beyond = REMOTE_WINDOW + 1;
        assert_eq!(a.arrive(E, beyond, 1, 0), Err(PeerMisbehaved::WindowExceeded(E, beyond)));
        assert_eq!(a.acknowledge(), REMOTE_WINDOW);
        assert_eq!(a.arrive(E, beyond, 1, 0), Ok(()));
    }

    #[test]
    fn netmsg_flow_2_acknowledgements_may_overtake_each_other() {
        let mut d = Departures::default();
        for bytes in 0..10 {
            d.depart(Order::InOrder, bytes);
        }
        assert_eq!(d.on_delivered(E, 7), Ok(Load { messages: 7, bytes: 21 }));
        assert_eq!(d.on_delivered(E, 3), Ok(Load::default()));
        assert_eq!(d.load(), Load { messages: 3, bytes: 7 + 8 + 9 });
        assert!(matches!(d.on_delivered(E, 11), Err(PeerMisbehaved::Miscount(..))));
    }
}
