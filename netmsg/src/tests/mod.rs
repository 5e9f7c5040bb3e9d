//! Real endpoints on 127.0.0.1, all in one thread.

mod garbage;
mod joining;
mod links;
mod membership;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use proto::wire::link::frame::Kind;
use proto::wire::link::{Frame, Send};
use proto::{Incarnation, NodeName, Payload};

use crate::*;

/// What tests of death run with: deadlines are checked against it.
pub(crate) const DEAD_AFTER: Duration = Duration::from_millis(1000);
/// What other tests run with: nobody is to be held for dead because the machine is busy.
pub(crate) const CALM: Duration = Duration::from_secs(10);
/// Above this a test has failed: generous, since other things run on the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    Up(LinkId, Peer),
    Frame(LinkId, Frame, Payload),
    Down(LinkId, LinkDown),
    Member(NodeName, MemberState, Incarnation),
    DeclaredDead,
}

/// A handler that writes down what it is told.
#[derive(Default)]
pub(crate) struct Log {
    pub events: RefCell<Vec<(Instant, Event)>>,
    /// What to go on under when declared dead; one higher each time.
    pub next_life: Cell<Option<Incarnation>>,
}

impl Log {
    fn add(&self, event: Event) {
        self.events.borrow_mut().push((Instant::now(), event));
    }

    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events.borrow().iter().filter(|(_, e)| which(e)).count()
    }

    pub fn find<T>(&self, which: impl Fn(&Event) -> Option<T>) -> Option<T> {
        self.events.borrow().iter().find_map(|(_, e)| which(e))
    }

    pub fn downs(&self) -> Vec<LinkDown> {
        let events = self.events.borrow();
        events.iter().filter_map(|(_, e)| if let Event::Down(_, why) = e { Some(why.clone()) } else { None }).collect()
    }

    pub fn received(&self) -> Vec<(Frame, Payload)> {
        let events = self.events.borrow();
        let frame = |e: &Event| if let Event::Frame(_, f, p) = e { Some((f.clone(), p.clone())) } else { None };
        events.iter().filter_map(|(_, e)| frame(e)).collect()
    }
}

impl Handler for Log {
    fn link_up(&self, link: LinkId, peer: &Peer) {
        self.add(Event::Up(link, peer.clone()));
    }

    fn frame(&self, link: LinkId, frame: Frame, payload: Payload) {
        self.add(Event::Frame(link, frame, payload));
    }

    fn link_down(&self, link: LinkId, reason: &LinkDown) {
        self.add(Event::Down(link, reason.clone()));
    }

    fn member_changed(&self, member: &MemberInfo) {
        self.add(Event::Member(member.name.clone(), member.state, member.incarnation));
    }

    fn declared_dead(&self) -> Option<Incarnation> {
        self.add(Event::DeclaredDead);
        let next = self.next_life.get();
        self.next_life.set(next.map(|i| Incarnation(i.0 + 1)));
        next
    }
}

/// A cluster's authority, and nodes made with it.
pub(crate) struct Cluster {
    pub authority: Rc<Authority>,
    dead_after: Duration,
}

pub(crate) struct TestNode {
    pub net: Net,
    pub log: Rc<Log>,
    pub cable: Cable,
    pub name: NodeName,
}

pub(crate) fn name(n: &str) -> NodeName {
    NodeName::new(n).unwrap()
}

pub(crate) fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

impl Cluster {
    pub fn new() -> Cluster {
        Cluster { authority: Rc::new(Authority::generate().unwrap()), dead_after: CALM }
    }

    /// A cluster whose tests wait for deaths.
    pub fn hasty() -> Cluster {
        Cluster { dead_after: DEAD_AFTER, ..Cluster::new() }
    }

    pub fn config(&self, n: &str, incarnation: u64, seeds: &[SocketAddr]) -> NetConfig {
        NetConfig {
            identity: self.authority.issue(&name(n)).unwrap(),
            node: name(n),
            incarnation: Incarnation(incarnation),
            listen: Listen::At(loopback()),
            advertise: None,
            seeds: seeds.to_vec(),
            dead_after: self.dead_after,
            mtu_max: MTU_MAX_DEFAULT,
            authority: None,
            cable: Cable::default(),
        }
    }

    pub fn node(&self, n: &str, incarnation: u64, seeds: &[SocketAddr]) -> TestNode {
        start(self.config(n, incarnation, seeds))
    }
}

pub(crate) fn start(config: NetConfig) -> TestNode {
    let (log, cable, name) = (Rc::new(Log::default()), config.cable.clone(), config.node.clone());
    TestNode { net: Net::start(config, log.clone()).unwrap(), log, cable, name }
}

impl TestNode {
    pub fn address(&self) -> SocketAddr {
        self.net.address()
    }

    pub fn link_to(&self, other: &TestNode) -> Option<LinkId> {
        self.net.link_to(&other.name)
    }

    pub fn state_of(&self, other: &str) -> Option<MemberState> {
        self.net.members().into_iter().find(|m| m.name.as_str() == other).map(|m| m.state)
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) async fn linked(a: &TestNode, b: &TestNode) {
    until("a link", || a.link_to(b).is_some() && b.link_to(a).is_some()).await;
}

pub(crate) async fn local(test: impl Future<Output = ()>) {
    let _ = tracing_subscriber::fmt().with_test_writer().with_env_filter(env_filter()).try_init();
    tokio::task::LocalSet::new().run_until(test).await;
}

fn env_filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into())
}

pub(crate) fn message(seq: u64, out_of_line: usize) -> Frame {
    let (memory_length, body) = (out_of_line as u64, b"inline".as_slice().into());
    Frame {
        kind: Some(Kind::Send(Send { export: 1, seq, after: seq, id: 2200, body, memory_length, ..Send::default() })),
    }
}

/// Bytes that differ by place and by `salt`.
pub(crate) fn pattern(len: usize, salt: usize) -> Payload {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8) ^ salt) as u8).collect::<Vec<u8>>().into()
}

pub(crate) fn seq_of(frame: &Frame) -> u64 {
    match &frame.kind {
        Some(Kind::Send(send)) => send.seq,
        _ => panic!("not a message"),
    }
}
