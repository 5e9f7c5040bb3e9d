//! Making links: who has to be dialed, and when again.
//!
//! Every member that has not left and to which there is no link is dialed, at its own address and at those of seeds that
//! turned out to be it; every seed is dialed until it is known who it is. Attempts are spaced further and further apart.
//! Both ends do this, and [`greet`](crate::greet) sees to it that one link comes of it; but handshakes cost, so of two
//! nodes that know each other the one whose name sorts first holds back a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use proto::NodeName;
use rand_010::RngExt;
use tokio::time::Instant;

use crate::greet::{self, Greeted};
use crate::net::Inner;
use crate::roster::MemberState;
use crate::tls::SERVER_NAME;
use crate::transport::Times;

/// Later failures raise no suspicion: if it was refuted, it is our path that is broken, and every refutation costs.
const SUSPECT_FAILURES_MAX: u32 = 3;

/// Whom an attempt is meant for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Target {
    Seed(SocketAddr),
    Member(NodeName),
}

#[derive(Clone, Debug)]
struct Attempts {
    busy: bool,
    failures: u32,
    next: Instant,
}

impl Attempts {
    fn after(wait: Duration) -> Attempts {
        Attempts { busy: false, failures: 0, next: Instant::now() + wait }
    }
}

/// Who a seed turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
enum SeedIs {
    Unknown,
    Node(NodeName),
    /// This node itself.
    Us,
}

/// What is being dialed, what failed, and when to try again.
#[derive(Debug)]
pub(crate) struct Dials {
    me: NodeName,
    times: Times,
    seeds: BTreeMap<SocketAddr, SeedIs>,
    attempts: BTreeMap<Target, Attempts>,
}

impl Dials {
    pub fn new(me: NodeName, times: Times, seeds: Vec<SocketAddr>) -> Dials {
        let seeds = seeds.into_iter().map(|s| (s, SeedIs::Unknown)).collect();
        Dials { me, times, seeds, attempts: BTreeMap::new() }
    }

    pub fn add_seed(&mut self, address: SocketAddr) {
        self.seeds.insert(address, SeedIs::Unknown);
        self.attempts.insert(Target::Seed(address), Attempts::after(Duration::ZERO));
    }

    /// How long to leave it to the other one.
    fn grace(&self, target: &Target) -> Duration {
        match target {
            Target::Member(name) if self.me < *name => self.times.dead_after / 4,
            _ => Duration::ZERO,
        }
    }

    fn attempts(&mut self, target: Target) -> &mut Attempts {
        let grace = self.grace(&target);
        self.attempts.entry(target).or_insert_with(|| Attempts::after(grace))
    }

    /// Whether no attempt to reach `name` has failed, or been made, yet.
    pub fn is_untried(&self, name: &NodeName) -> bool {
        self.attempts.get(&Target::Member(name.clone())).is_none_or(|a| a.failures == 0)
    }

    /// There is a link to `name`.
    pub fn linked(&mut self, name: &NodeName) {
        self.attempts.remove(&Target::Member(name.clone()));
    }

    /// The link to `name` is down. One that was down at once is not made again at once.
    pub fn lost(&mut self, name: &NodeName, short: bool) {
        let target = Target::Member(name.clone());
        let (grace, dead_after) = (self.grace(&target), self.times.dead_after);
        let attempts = self.attempts(target);
        if short {
            attempts.failures += 1;
        }
        attempts.next = Instant::now() + grace + pause(attempts.failures, dead_after / 20, dead_after);
    }

    /// There is news of `name`: an attempt may succeed now.
    pub fn retry(&mut self, name: &NodeName) {
        let target = Target::Member(name.clone());
        let grace = self.grace(&target);
        self.attempts(target).next = Instant::now() + grace;
    }

    pub fn retry_all(&mut self) {
        for attempts in self.attempts.values_mut() {
            (attempts.failures, attempts.next) = (0, Instant::now());
        }
    }

    fn seeds_of<'a>(&'a self, name: &'a NodeName) -> impl Iterator<Item = SocketAddr> + 'a {
        self.seeds.iter().filter(move |(_, is)| matches!(is, SeedIs::Node(n) if n == name)).map(|(a, _)| *a)
    }
}

/// `failures` doubles the pause from `least` up to `most`; a quarter of it is left to chance, so that two nodes that dial
/// each other do not stay in step.
fn pause(failures: u32, least: Duration, most: Duration) -> Duration {
    let full = least.saturating_mul(1 << failures.min(16)).min(most);
    full.mul_f64(0.75 + rand_010::rng().random_range(0.0..0.25))
}

/// Dials whatever has to be dialed, until the network ends.
pub(crate) async fn run(net: Rc<Inner>) {
    loop {
        let next = if net.is_over() { None } else { start_due(&net) };
        let wait = next.map_or(net.times.dead_after, |at| at.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = net.end.cancelled() => return,
            () = net.dial_now.notified() => {}
            () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
        }
    }
}

/// Starts every attempt that is due, and returns when the next one will be.
fn start_due(net: &Rc<Inner>) -> Option<Instant> {
    let now = Instant::now();
    let mut next: Option<Instant> = None;
    for target in targets(net) {
        let mut dials = net.dials.borrow_mut();
        let attempts = dials.attempts(target.clone());
        if attempts.busy {
            continue;
        }
        if attempts.next > now {
            next = Some(next.map_or(attempts.next, |n| n.min(attempts.next)));
            continue;
        }
        attempts.busy = true;
        let failures = attempts.failures;
        drop(dials);
        tokio::task::spawn_local(attempt(net.clone(), target, failures));
    }
    next
}

/// Everyone to whom a link is wanted and missing.
fn targets(net: &Rc<Inner>) -> Vec<Target> {
    let roster = net.roster.borrow();
    let wanted = |name: &NodeName| net.link_by_name(name).is_none();
    let members = roster
        .iter()
        .filter(|(name, m)| m.state != MemberState::Left && wanted(name))
        .map(|(name, _)| Target::Member(name.clone()));
    let dials = net.dials.borrow();
    let seeds = dials.seeds.iter().filter(|(_, is)| match is {
        SeedIs::Unknown => true,
        // Dialed as a member, unless it left: it may be back without knowing anyone.
        SeedIs::Node(name) => wanted(name) && roster.get(name).is_none_or(|m| m.state == MemberState::Left),
        SeedIs::Us => false,
    });
    members.chain(seeds.map(|(address, _)| Target::Seed(*address))).collect()
}

async fn attempt(net: Rc<Inner>, target: Target, failures: u32) {
    let (address, expected) = match &target {
        Target::Seed(address) => (Some(*address), None),
        Target::Member(name) => (address_of(&net, name, failures), Some(name)),
    };
    let greeted = match address {
        Some(address) => dial(&net, address, expected).await,
        None => Greeted::Failed("its address is not known".into()),
    };
    let mut dials = net.dials.borrow_mut();
    if let Target::Seed(address) = target {
        match &greeted {
            Greeted::Ourselves => drop(dials.seeds.insert(address, SeedIs::Us)),
            Greeted::Linked(name) | Greeted::Duplicate(name) => {
                dials.seeds.insert(address, SeedIs::Node(name.clone()));
            }
            _ => {}
        }
    }
    let done = matches!(greeted, Greeted::Linked(_) | Greeted::Duplicate(_) | Greeted::Ourselves);
    if let Some(attempts) = dials.attempts.get_mut(&target) {
        attempts.busy = false;
        attempts.failures = if done { 0 } else { attempts.failures.saturating_add(1) };
        let most = match &target {
            Target::Member(name) if net.roster.borrow().get(name).is_some_and(|m| m.state == MemberState::Alive) => 1,
            _ => 4,
        };
        let (least, most) = (net.times.dead_after / 20, net.times.dead_after * most);
        attempts.next = Instant::now() + pause(attempts.failures, least, most);
    }
    drop(dials);
    let to = match (&target, address) {
        (Target::Member(name), Some(address)) => format!("{name} at {address}"),
        (Target::Member(name), None) => name.to_string(),
        (Target::Seed(address), _) => format!("the seed {address}"),
    };
    match greeted {
        Greeted::Failed(why) => {
            tracing::debug!(%to, %why, "dialing failed");
            if failures < SUSPECT_FAILURES_MAX {
                suspect_unreachable(&net, &target);
            }
        }
        Greeted::Refused(why) => net.grumble(format!("no link to {to}: {why}")),
        Greeted::ToldDead(by) => net.told_dead(&by),
        Greeted::Ourselves | Greeted::Linked(_) | Greeted::Duplicate(_) => {}
    }
    net.dial_now.notify_one();
}

/// A member that passes for alive and cannot be reached is suspect, also when the end of its link was in order.
fn suspect_unreachable(net: &Rc<Inner>, target: &Target) {
    let Target::Member(name) = target else { return };
    let alive = net.roster.borrow().get(name).filter(|m| m.state == MemberState::Alive).map(|m| m.incarnation);
    if let Some(incarnation) = alive.filter(|_| net.link_by_name(name).is_none() && !net.is_over()) {
        net.suspect(name, incarnation);
    }
}

/// The address to try: its own, and those of seeds that were it, in turn.
fn address_of(net: &Inner, name: &NodeName, failures: u32) -> Option<SocketAddr> {
    let own = net.roster.borrow().get(name)?.address;
    let dials = net.dials.borrow();
    let others = dials.seeds_of(name).filter(|a| *a != own);
    let all: Vec<SocketAddr> = std::iter::once(own).chain(others).collect();
    all.get(failures as usize % all.len()).copied()
}

async fn dial(net: &Rc<Inner>, address: SocketAddr, expected: Option<&NodeName>) -> Greeted {
    let connecting = match net.endpoint.connect_with(net.client.clone(), address, SERVER_NAME) {
        Ok(connecting) => connecting,
        Err(e) => return Greeted::Failed(e.to_string()),
    };
    let made = tokio::select! {
        () = net.end.cancelled() => return Greeted::Failed("this node shuts down".into()),
        made = tokio::time::timeout(net.times.handshake(), connecting) => made,
    };
    match made {
        Ok(Ok(connection)) => greet::dialed(net, connection, expected).await,
        Ok(Err(e @ (quinn::ConnectionError::TimedOut | quinn::ConnectionError::Reset))) => {
            Greeted::Failed(e.to_string())
        }
        Ok(Err(e)) => Greeted::Refused(e.to_string()),
        Err(_) => Greeted::Failed("no answer".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_never_beyond() {
        let (least, most) = (Duration::from_millis(50), Duration::from_secs(1));
        assert!(pause(0, least, most) <= least);
        assert!(pause(3, least, most) > pause(0, least, most) * 2);
        assert!(pause(u32::MAX, least, most) <= most);
        assert!(pause(u32::MAX, least, most) >= most * 3 / 4);
    }
}
