//! The word of a lane: how far its call is, and what the node has decided.
//!
//! | state | set by | from | goes on to |
//! |---|---|---|---|
//! | `IDLE` | client | any end of a call | `ASKED` |
//! | `ASKED` | client | `IDLE`, neither shut nor cut | `SERVING`, `REFUSED` by the server; `IDLE` by the client |
//! | `SERVING` | server | `ASKED`, neither shut nor cut | `ANSWERED` by the server, unless cut |
//! | `ANSWERED` | server | `SERVING`, not cut | `IDLE` by the client |
//! | `REFUSED` | server | `ASKED` | `IDLE` by the client |
//!
//! Beside the state the node sets `SHUT` (for a while: nothing new is asked or taken) and `CUT` (for ever: nothing is
//! answered either). Any other value is the work of a task that does not keep to this, and ends the lane for its reader.

use std::sync::atomic::{AtomicU32, Ordering};

/// An atomic word, of this process or shared.
pub trait Word {
    /// Its value; what was written before it was set is seen.
    fn get(&self) -> u32;
    /// Sets it to `to` if it is `from`, else answers what it is.
    fn change(&self, from: u32, to: u32) -> Result<(), u32>;
    /// Sets bits; answers the value before.
    fn set_bits(&self, bits: u32) -> u32;
    /// Clears bits; answers the value before.
    fn clear_bits(&self, bits: u32) -> u32;
}

impl Word for AtomicU32 {
    fn get(&self) -> u32 {
        self.load(Ordering::Acquire)
    }

    fn change(&self, from: u32, to: u32) -> Result<(), u32> {
        self.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    fn set_bits(&self, bits: u32) -> u32 {
        self.fetch_or(bits, Ordering::AcqRel)
    }

    fn clear_bits(&self, bits: u32) -> u32 {
        self.fetch_and(!bits, Ordering::AcqRel)
    }
}

/// A lane's word, as its three parties move it.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a, W>(pub &'a W);

/// What a client finds that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Nothing yet: sleep while the word has this value.
    Wait(u32),
    /// The answer is there: read it, then [`Lane::finish`].
    Answered,
    /// Nobody has the request: send it by the node. The lane is idle again.
    SendAgain,
    /// The server has the request, and its answer will come by the node.
    ByNode,
    /// The other end does not keep to the protocol, and has the request as far as one can know.
    Foul,
}

/// Whether whoever sleeps may sleep again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// It may.
    Left,
    /// Its time is up.
    Over,
}

/// How far the call of a lane was when it was shut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shut {
    /// Its client sleeps with a request that nobody will take, and is to be woken.
    pub asked: bool,
    /// The server had the request.
    pub serving: bool,
}

/// How far the call of a lane was when the node cut it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Nothing was on its way that the server had: the client sends again if it had asked.
    NotTaken {
        /// Whether it sleeps in the hope of being heard.
        asked: bool,
    },
    /// The server has a request: its right to answer is a real one from now on.
    Serving,
    /// The answer is there for the client; the right is used up.
    Answered,
    /// It had been cut before.
    Already,
}

const STATE: u32 = 7;
const IDLE: u32 = 0;
const ASKED: u32 = 1;
const SERVING: u32 = 2;
const ANSWERED: u32 = 3;
const REFUSED: u32 = 4;
const SHUT: u32 = 8;
const CUT: u32 = 16;
const BITS: u32 = SHUT | CUT;

impl<W: Word> Lane<'_, W> {
    /// Client: the request is in the memory, may it be taken? `false`: send it by the node.
    pub fn ask(&self) -> bool {
        self.0.change(IDLE, ASKED).is_ok()
    }

    /// Client: how far it is. Takes the request back when it is not to be heard.
    pub fn look(&self) -> Look {
        loop {
            let word = self.0.get();
            if word & !(STATE | BITS) != 0 {
                return Look::Foul;
            }
            let bits = word & BITS;
            match word & STATE {
                ASKED if bits == 0 => return Look::Wait(word),
                // Shut, cut or refused: it comes back, unless that changed meanwhile.
                ASKED | REFUSED => {
                    if self.0.change(word, IDLE | bits).is_ok() {
                        return Look::SendAgain;
                    }
                }
                SERVING if bits & CUT == 0 => return Look::Wait(word),
                SERVING => return Look::ByNode,
                ANSWERED => return Look::Answered,
                _ => return Look::Foul,
            }
        }
    }

    /// Client: takes a request back for which nobody came in time. `false`: look again.
    pub fn withdraw(&self) -> bool {
        let word = self.0.get();
        word & STATE == ASKED && self.0.change(word, word & BITS | IDLE).is_ok()
    }

    /// Client: the answer has been read. `false`: the lane is of no more use.
    pub fn finish(&self) -> bool {
        loop {
            let word = self.0.get();
            if word & STATE != ANSWERED || word & CUT != 0 {
                return false;
            }
            if self.0.change(word, word & BITS | IDLE).is_ok() {
                return true;
            }
        }
    }

    /// Server: whether a request waits.
    pub fn is_asked(&self) -> bool {
        self.0.get() == ASKED
    }

    /// Server: takes the request. Only between [`Taking::begin`](crate::Taking::begin) and its end.
    pub fn take(&self) -> bool {
        self.0.change(ASKED, SERVING).is_ok()
    }

    /// Server: hands a request back that it cannot take by the lane.
    pub fn refuse(&self) -> bool {
        self.0.change(ASKED, REFUSED).is_ok()
    }

    /// Server: the answer is in the memory. `false`: the right to answer is a real one; answer by the node.
    pub fn answer(&self) -> bool {
        loop {
            let word = self.0.get();
            if word & STATE != SERVING || word & CUT != 0 {
                return false;
            }
            if self.0.change(word, word & BITS | ANSWERED).is_ok() {
                return true;
            }
        }
    }

    /// Either: whether the node has cut it.
    pub fn is_cut(&self) -> bool {
        self.0.get() & CUT != 0
    }

    /// Node, before it closes the lease: nothing new is asked or taken.
    pub fn shut(&self) -> Shut {
        let state = self.0.set_bits(SHUT) & STATE;
        Shut { asked: state == ASKED, serving: state == SERVING }
    }

    /// Node: may be asked again.
    pub fn open(&self) {
        self.0.clear_bits(SHUT);
    }

    /// Node: nothing goes by this lane any more. Its client is to be woken.
    pub fn cut(&self) -> Cut {
        let word = self.0.set_bits(CUT | SHUT);
        match word & STATE {
            _ if word & CUT != 0 => Cut::Already,
            SERVING => Cut::Serving,
            ANSWERED => Cut::Answered,
            state => Cut::NotTaken { asked: state == ASKED || state == REFUSED },
        }
    }

    /// Node: whether a call is under way.
    pub fn is_busy(&self) -> bool {
        self.0.get() & STATE != IDLE
    }

    /// Client, after it asked: sleeps by `sleep` until something has come of it; a client without patience takes the
    /// request back if it can. Never answers [`Look::Wait`], except out of patience for a request that the server has.
    pub fn await_answer(&self, mut sleep: impl FnMut(u32) -> Patience) -> Look {
        loop {
            let word = match self.look() {
                Look::Wait(word) => word,
                other => return other,
            };
            if sleep(word) == Patience::Over {
                if self.withdraw() {
                    return Look::SendAgain;
                }
                return self.look();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(value: u32) -> AtomicU32 {
        AtomicU32::new(value)
    }

    /// Every act of every party on every state, with what it leaves behind.
    #[test]
    fn the_table_of_states() {
        type Act = fn(Lane<'_, AtomicU32>) -> String;
        let acts: [(&str, Act); 10] = [
            ("ask", |l| l.ask().to_string()),
            ("look", |l| format!("{:?}", l.look())),
            ("withdraw", |l| l.withdraw().to_string()),
            ("finish", |l| l.finish().to_string()),
            ("take", |l| l.take().to_string()),
            ("refuse", |l| l.refuse().to_string()),
            ("answer", |l| l.answer().to_string()),
            ("shut", |l| format!("{:?}", l.shut())),
            ("open", |l| format!("{:?}", { l.open() })),
            ("cut", |l| format!("{:?}", l.cut())),
        ];
        let mut table = String::new();
        for state in 0..=5 {
            for bits in [0, SHUT, CUT | SHUT] {
                for (name, act) in acts {
                    let word = lane(state | bits);
                    let said = act(Lane(&word));
                    let after = word.into_inner();
                    if said != "false" && (after != state | bits || !["true", "false", "()"].contains(&&*said)) {
                        table += &format!("{} {name} -> {} {said}\n", show(state | bits), show(after));
                    }
                }
            }
        }
        expect_test::expect_file!["../tests/states.txt"].assert_eq(&table);
    }

    fn show(word: u32) -> String {
        let state = ["idle", "asked", "serving", "answered", "refused", "foul"][(word & STATE) as usize];
        let bits = [(SHUT, "+shut"), (CUT, "+cut")];
        bits.iter().fold(state.to_owned(), |s, (bit, name)| if word & bit != 0 { s + name } else { s })
    }

    #[test]
    fn nonsense_is_foul() {
        for value in [5, 7, 32, u32::MAX, SERVING | 1 << 31] {
            assert_eq!(Lane(&lane(value)).look(), Look::Foul);
            assert!(!Lane(&lane(value)).ask() && !Lane(&lane(value)).take());
        }
    }
}
