//! What must be true of all that the processes of a soak have said.
//!
//! A message that was taken and not received is explained only by a death: (1A) its port died, and it is behind all that
//! was received from the same sender; (1B) a process that once had the receive right was killed with the message in its
//! hands, at most one for each of its threads. A port that is gone has a reason, too: (2A) somebody destroyed it; (2B) its
//! last holder died; (2C) its receive right was in a message that was not received, or whose receiver died with it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, Life, Port, Sender, Which};

/// Messages of one sender to one port.
#[derive(Default)]
struct Line {
    sent: BTreeSet<u64>,
    failed: BTreeSet<u64>,
    received: BTreeSet<u64>,
}

#[derive(Default)]
struct Told {
    /// Who had the receive right, in the order of the tenures.
    holders: BTreeMap<u64, Life>,
    /// Messages that were to take the receive right along.
    moves: Vec<Which>,
    destroyed: bool,
    alive: u32,
    /// Where the tenure is certain: it, the sequence number, and the message.
    order: BTreeMap<(u64, u32), Which>,
}

/// Collects what the processes say, and judges it.
#[derive(Default)]
pub struct Oracle {
    lines: BTreeMap<(Sender, Port), Line>,
    ports: BTreeMap<Port, Told>,
    killed: BTreeSet<Life>,
    wrong: Vec<String>,
    taken: u64,
}

/// What was seen in a round.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    /// Messages that the nodes took.
    pub sent: u64,
    /// Messages that came.
    pub received: u64,
    /// Messages that a death explains.
    pub died: u64,
    /// Ports that there were.
    pub ports: u64,
    /// Receive rights that changed hands.
    pub moved: u64,
}

impl Oracle {
    /// A process said something.
    pub fn hear(&mut self, life: Life, event: Event) {
        match event {
            Event::Holds(port, tenure) => {
                if let Some(other) = self.ports.entry(port).or_default().holders.insert(tenure, life) {
                    self.wrong.push(format!("{port:?} has two receivers at once: {other:?} and {life:?}"));
                }
            }
            Event::Moves(which, port) => self.ports.entry(port).or_default().moves.push(which),
            Event::Sent(which) => drop(self.line(which).sent.insert(which.number)),
            Event::Failed(which) => drop(self.line(which).failed.insert(which.number)),
            Event::Received(which, tenure, seqno) => {
                self.taken += 1;
                if !self.line(which).received.insert(which.number) {
                    self.wrong.push(format!("{which:?} came twice"));
                }
                if tenure > 0 {
                    let before = self.ports.entry(which.port).or_default().order.insert((tenure, seqno), which);
                    if let Some(before) = before {
                        self.wrong.push(format!("{which:?} and {before:?} have one sequence number"));
                    }
                }
            }
            Event::Destroys(port) => self.ports.entry(port).or_default().destroyed = true,
            Event::Alive(port) => self.ports.entry(port).or_default().alive += 1,
            Event::Wrong(what) => self.wrong.push(format!("{life:?}: {what}")),
            Event::Done(..) => {}
        }
    }

    /// A process ended before its time.
    pub fn died(&mut self, life: Life) {
        self.killed.insert(life);
    }

    fn line(&mut self, which: Which) -> &mut Line {
        self.lines.entry((which.sender, which.port)).or_default()
    }

    fn is_received(&self, which: &Which) -> bool {
        self.lines.get(&(which.sender, which.port)).is_some_and(|l| l.received.contains(&which.number))
    }

    /// What is wrong; `hands` is how many messages a process that is killed may have in its hands.
    ///
    /// Conditions: all processes have ended, or have nothing more to receive.
    pub fn judge(mut self, hands: usize) -> Result<Seen, Vec<String>> {
        let mut wrong = std::mem::take(&mut self.wrong);
        let mut spent: BTreeMap<Life, usize> = BTreeMap::new();
        let mut seen = Seen { ports: self.ports.len() as u64, received: self.taken, ..Seen::default() };
        for ((sender, port), line) in &self.lines {
            let none = Told::default();
            let told = self.ports.get(port).unwrap_or(&none);
            seen.sent += line.sent.len() as u64;
            for number in line.received.intersection(&line.failed) {
                wrong.push(format!("message {number} of {sender:?} to {port:?} came, and its send had failed"));
            }
            if let Some(number) = line.received.difference(&line.sent).find(|_| !self.killed.contains(&sender.life())) {
                wrong.push(format!("message {number} of {sender:?} to {port:?} came and was not sent"));
            }
            let newest = line.received.last().copied().unwrap_or(0);
            for number in line.sent.difference(&line.received) {
                seen.died += 1;
                if *number > newest && told.alive == 0 {
                    continue;
                }
                let killed =
                    told.holders.values().find(|l| self.killed.contains(l) && spent.get(l).is_none_or(|n| *n < hands));
                match killed {
                    Some(life) => *spent.entry(*life).or_default() += 1,
                    None => wrong.push(format!("message {number} of {sender:?} to {port:?} is lost")),
                }
            }
        }
        for (port, told) in &self.ports {
            seen.moved += told.holders.len().saturating_sub(1) as u64;
            wrong.extend(self.order_of(*port, told));
            wrong.extend(self.end_of(*port, told));
        }
        if wrong.is_empty() { Ok(seen) } else { Err(wrong) }
    }

    /// Whether messages of each sender came in their order, by tenure and sequence number.
    fn order_of(&self, port: Port, told: &Told) -> Option<String> {
        let mut newest: BTreeMap<Sender, u64> = BTreeMap::new();
        told.order.values().find_map(|which| {
            let before = newest.insert(which.sender, which.number).unwrap_or(0);
            (before > which.number).then(|| format!("{which:?} came to {port:?} after {before}"))
        })
    }

    /// Whether the end of a port has a reason.
    fn end_of(&self, port: Port, told: &Told) -> Option<String> {
        let last = told.holders.last_key_value().map(|(_, life)| *life);
        let on_its_way = told.moves.iter().any(|which| !self.is_received(which));
        match told.alive {
            0 if told.destroyed || on_its_way || last.is_some_and(|l| self.killed.contains(&l)) => None,
            0 => Some(format!("{port:?} is gone for no reason; {last:?} had it last")),
            1 => None,
            n => Some(format!("{port:?} is alive in {n} places")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Life = Life(2);
    const B: Life = Life(4);

    fn which(number: u64) -> Which {
        Which { sender: Sender(u64::from(A.0) << 16), port: B.door(), number }
    }

    /// A sends three messages to B's door, which lives; B receives those of `received`.
    fn judged(received: &[(u64, u32)], also: impl FnOnce(&mut Oracle)) -> Result<u64, Vec<String>> {
        let mut oracle = Oracle::default();
        oracle.hear(B, Event::Holds(B.door(), 1));
        (1..=3).for_each(|n| oracle.hear(A, Event::Sent(which(n))));
        received.iter().for_each(|(n, seqno)| oracle.hear(B, Event::Received(which(*n), 1, *seqno)));
        also(&mut oracle);
        oracle.judge(1).map(|seen| seen.died)
    }

    fn lives(oracle: &mut Oracle) {
        oracle.hear(B, Event::Alive(B.door()));
    }

    #[test]
    fn what_came_in_order_and_once_is_right() {
        assert_eq!(judged(&[(2, 1), (1, 0), (3, 2)], lives), Ok(0));
    }

    #[test]
    fn what_is_lost_doubled_or_overtaken_is_wrong() {
        let complaint = |received: &[(u64, u32)]| judged(received, lives).expect_err("it is wrong").join("; ");
        assert!(complaint(&[(1, 0), (3, 1)]).contains("is lost"));
        assert!(complaint(&[(1, 0), (2, 1)]).contains("is lost"));
        assert!(complaint(&[(1, 0), (2, 1), (3, 2), (2, 3)]).contains("came twice"));
        assert!(complaint(&[(2, 0), (1, 1), (3, 2)]).contains("after 2"));
        assert!(complaint(&[(1, 0), (2, 1), (3, 1)]).contains("one sequence number"));
        assert!(complaint(&[(1, 0), (2, 1), (3, 2), (4, 3)]).contains("was not sent"));
        let failed = judged(&[(1, 0), (2, 1), (3, 2)], |o| {
            lives(o);
            o.hear(A, Event::Failed(which(3)));
        });
        assert!(failed.expect_err("it is wrong").join("; ").contains("had failed"));
    }

    #[test]
    fn a_death_explains_what_was_behind_it_and_one_message_in_its_hands() {
        let dies = |o: &mut Oracle| o.died(B);
        assert_eq!(judged(&[(1, 0)], dies), Ok(2));
        assert_eq!(judged(&[(1, 0), (3, 2)], dies), Ok(1));
        assert!(judged(&[(3, 2)], dies).is_err());
        assert_eq!(judged(&[(1, 0)], |o| o.hear(B, Event::Destroys(B.door()))), Ok(2));
        assert!(judged(&[(1, 0), (2, 1), (3, 2)], |_| {}).expect_err("it is gone").join("").contains("for no reason"));
    }
}
