//! The word of a lease: whether a server thread may take from its lanes, and how many it has taken.
//!
//! | state | set by | means |
//! |---|---|---|
//! | 0 | at birth | no receive is registered |
//! | `PENDING` | server | the record that asks for one is on its way |
//! | `WAITING` | node, server | the thread sleeps as the receiver of its port; the queue is empty |
//! | `TAKING` | server | it takes from the lane in the word, or fails to |
//! | `BUSY` | server | it is not in a receive; the registered one waits for it to come back |
//! | `CLAIMED` | node | the registered receive is an ordinary one: what ends it comes by the node |
//! | `GONE` | node | the registered receive is no more |
//!
//! Beside the state: the lane of a take, and messages taken since the lease was granted, so that the node reads the number
//! of the port's next message out of the same word.

use crate::word::Word;

/// What a server finds in its own lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseState {
    /// No receive is registered, or no more: ask the node.
    None,
    /// The node has not answered: sleep while the word has this value.
    Pending(u32),
    /// It may take. The word's value, to sleep on.
    Waiting(u32),
    /// What ends the receive comes by the node.
    Claimed,
    /// It is outside a receive.
    Busy,
}

/// How a receive stood when the node closed its lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed {
    /// Whether the thread is in its receive: it will take what the node gives it.
    pub present: bool,
    /// Messages taken; when a take was under way, without it.
    pub taken: u32,
    /// The lane of a take that was under way: it succeeded if that lane was in service when it was shut.
    pub taking: Option<usize>,
}

/// What became of an attempt to go on with a registered receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resume {
    /// The thread waits again.
    Waiting,
    /// The receive is no more: ask the node for another.
    Gone,
}

/// A lease's word, as a server takes from a lane by it.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a, W>(pub &'a W);

const STATE: u32 = 7;
const PENDING: u32 = 1;
const WAITING: u32 = 2;
const TAKING: u32 = 3;
const BUSY: u32 = 4;
const CLAIMED: u32 = 5;
const GONE: u32 = 6;
const LANE_SHIFT: u32 = 3;
const LANE_MASK: u32 = 31;
const COUNT_SHIFT: u32 = 8;
/// Messages that one lease counts.
const COUNT_MAX: u32 = u32::MAX >> COUNT_SHIFT;

const fn word(state: u32, lane: u32, count: u32) -> u32 {
    state | lane << LANE_SHIFT | count << COUNT_SHIFT
}

const fn count(word: u32) -> u32 {
    word >> COUNT_SHIFT
}

impl<W: Word> Taking<'_, W> {
    /// Server: how its lease is.
    pub fn state(&self) -> LeaseState {
        let word = self.0.get();
        match word & STATE {
            PENDING => LeaseState::Pending(word),
            WAITING => LeaseState::Waiting(word),
            CLAIMED => LeaseState::Claimed,
            BUSY => LeaseState::Busy,
            _ => LeaseState::None,
        }
    }

    /// Server: before it sends the record that asks for a receive. Messages of one that is registered still, and that it
    /// gives up by this, stay counted until the node hears of it.
    pub fn ask(&self) {
        self.force(|now| match now & STATE {
            WAITING | TAKING | BUSY | PENDING => word(PENDING, 0, count(now)),
            _ => PENDING,
        });
    }

    /// Server: begins to take from lane `lane`; answers how many were taken before. `None`: look at the lease again.
    pub fn begin(&self, lane: usize) -> Option<u32> {
        let now = self.0.get();
        if now & STATE != WAITING || count(now) == COUNT_MAX {
            return None;
        }
        let taking = word(TAKING, lane as u32 & LANE_MASK, count(now));
        self.0.change(now, taking).is_ok().then_some(count(now))
    }

    /// Server: the take succeeded. It has the message, whatever has become of the lease.
    pub fn taken(&self) {
        let now = self.0.get();
        if now & STATE == TAKING {
            // The node closed it in between if this fails; then it has counted by the lane.
            let _ = self.0.change(now, word(BUSY, 0, count(now) + 1));
        }
    }

    /// Server: the take failed. It waits on, unless the lease was closed.
    pub fn missed(&self) {
        let now = self.0.get();
        if now & STATE == TAKING {
            let _ = self.0.change(now, word(WAITING, 0, count(now)));
        }
    }

    /// Server: leaves its receive, without ending what is registered, to ask for another one by the node. `false`: look at
    /// the lease again.
    pub fn leave(&self) -> bool {
        let now = self.0.get();
        now & STATE == WAITING && self.0.change(now, word(BUSY, 0, count(now))).is_ok()
    }

    /// Server: goes on with the registered receive.
    pub fn resume(&self) -> Resume {
        let now = self.0.get();
        // One that has counted all it can is asked for anew.
        if now & STATE == BUSY && count(now) < COUNT_MAX && self.0.change(now, word(WAITING, 0, count(now))).is_ok() {
            return Resume::Waiting;
        }
        Resume::Gone
    }

    /// Node: grants the lease that was asked for. `false`: it was not; nothing is granted.
    ///
    /// Conditions: a lease that was registered before has been closed.
    pub fn grant(&self) -> bool {
        self.0.change(PENDING, WAITING).is_ok()
    }

    /// Node: the receive that was asked for ends, or waits, by the node. `false`: none was asked for; else the server may
    /// sleep for want of a lease, and is to be woken.
    ///
    /// Conditions: a lease that was registered before has been closed.
    pub fn deny(&self) -> bool {
        self.0.change(PENDING, word(CLAIMED, 0, 0)).is_ok()
    }

    /// Node: whether one is asked for.
    pub fn is_asked(&self) -> bool {
        self.0.get() & STATE == PENDING
    }

    /// Node: closes the lease, wherever the server is.
    ///
    /// Conditions: every lane of it has been shut; afterwards the server is to be woken, and the clients that had asked.
    pub fn close(&self) -> Closed {
        let before = self.force(|now| match now & STATE {
            WAITING | CLAIMED => word(CLAIMED, 0, count(now)),
            // It was left for another one, which has counted nothing.
            PENDING => PENDING,
            _ => word(GONE, 0, count(now)),
        });
        let taking = (before & STATE == TAKING).then_some((before >> LANE_SHIFT & LANE_MASK) as usize);
        let present = matches!(before & STATE, WAITING | CLAIMED);
        Closed { present, taken: count(before), taking }
    }

    /// Conditions: at most a few tries; the other party makes one change for each of its calls. A task that scribbles
    /// without end could hold the node here, so the tries are bounded, and then the value is simply set.
    fn force(&self, to: impl Fn(u32) -> u32) -> u32 {
        for _ in 0..TRIES {
            let now = self.0.get();
            if self.0.change(now, to(now)).is_ok() {
                return now;
            }
        }
        let now = self.0.clear_bits(u32::MAX);
        self.0.set_bits(to(now));
        now
    }
}

const TRIES: usize = 100;
