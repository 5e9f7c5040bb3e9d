//! A soak of ports: task processes that send, call, receive, move rights and die at random, and an oracle that knows from
//! what they say whether a message was lost, doubled, overtaken or kept for ever.
//!
//! 1. Every message says who sent it (a thread of one process), to which port, and its number among those of that thread
//!    to that port. Every port has a number of its own for all its life, which travels with each right to it.
//! 2. A process says what it does, a line at a time, in one write each: what it is about to do where its death would
//!    leave a doubt, else what it has done. So a process that is killed leaves at most one act of each thread unsaid.
//! 3. What is said is judged when all is quiet ([`Oracle::judge`]).

mod oracle;
mod pool;
mod thread;
mod worker;

use std::fmt;
use std::str::FromStr;

pub use oracle::{Oracle, Seen};
pub use worker::{ACTIVE, work};

/// A life of a process: counted up by the parent, the lowest bit for its node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Life(pub u32);

/// A port, by the life that made it and a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Port(pub u64);

/// A thread that sends, by its life and a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sender(pub u64);

impl Life {
    /// The number of its node, 0 or 1.
    pub fn node(self) -> u32 {
        self.0 & 1
    }

    /// The port by which it is found; it is never moved.
    pub fn door(self) -> Port {
        Port(u64::from(self.0) << 24)
    }
}

impl Port {
    /// Whose node it is on: a receive right stays on its node.
    pub fn maker(self) -> Life {
        Life((self.0 >> 24) as u32)
    }
}

impl Sender {
    /// Whose thread it is.
    pub fn life(self) -> Life {
        Life((self.0 >> 16) as u32)
    }
}

/// A message: of whom, to what, and which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Which {
    /// The thread that sends.
    pub sender: Sender,
    /// The destination.
    pub port: Port,
    /// Counts from 1 for each sender and port.
    pub number: u64,
}

/// What a process says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It has the receive right; the `tenure` counts how often the right changed hands.
    Holds(Port, u64),
    /// It is about to send a message that has the receive right of the port with it.
    Moves(Which, Port),
    /// The node took the message.
    Sent(Which),
    /// It did not.
    Failed(Which),
    /// A message came in the tenure (0: it is not known in which) with the sequence number.
    Received(Which, u64, u32),
    /// It is about to destroy the port.
    Destroys(Port),
    /// It has the receive right of the port, of which nothing more is received.
    Alive(Port),
    /// Something that must not be.
    Wrong(String),
    /// It has done what it was told; with a number.
    Done(String, u64),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.sender.0, self.port.0, self.number)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Holds(port, tenure) => write!(f, "H {} {tenure}", port.0),
            Event::Moves(which, moved) => write!(f, "M {which} {}", moved.0),
            Event::Sent(which) => write!(f, "S {which}"),
            Event::Failed(which) => write!(f, "F {which}"),
            Event::Received(which, tenure, seqno) => write!(f, "R {which} {tenure} {seqno}"),
            Event::Destroys(port) => write!(f, "D {}", port.0),
            Event::Alive(port) => write!(f, "A {}", port.0),
            Event::Wrong(what) => write!(f, "W {what}"),
            Event::Done(what, number) => write!(f, "= {what} {number}"),
        }
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(line: &str) -> Result<Event, String> {
        let (kind, rest) = line.split_once(' ').ok_or_else(|| line.to_owned())?;
        match kind {
            "W" => return Ok(Event::Wrong(rest.to_owned())),
            "=" => {
                let (what, number) = rest.split_once(' ').ok_or_else(|| line.to_owned())?;
                return Ok(Event::Done(what.to_owned(), number.parse().map_err(|_| line.to_owned())?));
            }
            _ => {}
        }
        let numbers: Result<Vec<u64>, _> = rest.split(' ').map(str::parse).collect();
        let which = |s, p, number| Which { sender: Sender(s), port: Port(p), number };
        match (kind, &numbers.map_err(|_| line.to_owned())?[..]) {
            ("H", &[port, tenure]) => Ok(Event::Holds(Port(port), tenure)),
            ("M", &[s, p, n, moved]) => Ok(Event::Moves(which(s, p, n), Port(moved))),
            ("S", &[s, p, n]) => Ok(Event::Sent(which(s, p, n))),
            ("F", &[s, p, n]) => Ok(Event::Failed(which(s, p, n))),
            ("R", &[s, p, n, tenure, seqno]) => Ok(Event::Received(which(s, p, n), tenure, seqno as u32)),
            ("D", &[port]) => Ok(Event::Destroys(Port(port))),
            ("A", &[port]) => Ok(Event::Alive(Port(port))),
            _ => Err(line.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let which = Which { sender: Sender(7 << 16 | 3), port: Life(7).door(), number: 9 };
        assert_eq!((which.sender.life(), which.port.maker()), (Life(7), Life(7)));
        for event in [
            Event::Holds(Port(1), 2),
            Event::Moves(which, Port(5)),
            Event::Sent(which),
            Event::Failed(which),
            Event::Received(which, 3, 4),
            Event::Destroys(Port(1)),
            Event::Alive(Port(1)),
            Event::Wrong("a b c".into()),
            Event::Done("quiet".into(), 7),
        ] {
            assert_eq!(event.to_string().parse(), Ok(event));
        }
        assert!("R 1 2".parse::<Event>().is_err() && "".parse::<Event>().is_err());
    }
}
