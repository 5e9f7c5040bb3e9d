//! Random histories of two or three nodes: rights and messages in every direction, frames in any order, ports and links
//! that die. Whatever happens, no correct node finds fault with another, and these hold:
//!
//! - at rest, what a home granted is what its peer has seen, entry by entry;
//! - messages arrive once, and in the order that their ids ask for;
//! - none is lost unless a port or a link died;
//! - when every name is given up, nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use kernel_core::ipc::{SendOutcome, Wait, WaiterId};
use netmsg_core::{ExportId, LinkId, Order, order_of};
use proptest::prelude::*;
use proto::iface::memory_object_control::id::DATA_SUPPLY;
use proto::{Disposition, Item, Message, NamedRight, Payload, PortName, PortUid, RightType, TraceId};

use crate::common::World;

/// How many histories: `PROPTEST_CASES`, or few enough for every day.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(250);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What is given up by the reference.
const HELD: [RightType; 3] = [RightType::Send, RightType::SendOnce, RightType::DeadName];

/// An index that is taken modulo what there is to choose from.
type Pick = u16;

#[derive(Clone, Debug)]
enum Op {
    /// A new port with this queue limit.
    Port {
        node: Pick,
        qlimit: u32,
    },
    /// A message from a name of the node's task, with rights.
    Send {
        node: Pick,
        to: Pick,
        carry: Vec<(Pick, bool)>,
        reply: Option<Pick>,
        supply: bool,
        block: bool,
    },
    /// Many messages from one name; every `supplies`-th is not a supply.
    Burst {
        node: Pick,
        to: Pick,
        count: u8,
        supplies: u8,
    },
    /// The next message of one of the task's ports; its rights are given up at once, or kept.
    Receive {
        node: Pick,
        port: Pick,
        drop: bool,
    },
    /// Everything is received and every name that can be is given up: many releases at once.
    Purge {
        node: Pick,
    },
    /// One reference of a name that is not a receive right.
    Drop {
        node: Pick,
        name: Pick,
    },
    /// The death of a port.
    Kill {
        node: Pick,
        port: Pick,
    },
    /// Some frames, in any order.
    Deliver {
        picks: Vec<Pick>,
    },
    Flush {
        node: Pick,
    },
    Cut {
        link: Pick,
    },
    /// A link between two nodes that have none.
    Link {
        node: Pick,
        other: Pick,
    },
    /// Whether the node has memory for messages.
    Room {
        node: Pick,
        room: bool,
    },
    /// The servers of a node run.
    Pump {
        node: Pick,
    },
    /// Everything under way arrives.
    Rest,
}

fn op() -> impl Strategy<Value = Op> {
    let n = any::<Pick>;
    prop_oneof![
        1 => (n(), prop_oneof![3 => Just(5u32), 1 => 0..4u32]).prop_map(|(node, qlimit)| Op::Port { node, qlimit }),
        20 => (
            (n(), n()),
            proptest::collection::vec((n(), any::<bool>()), 0..3),
            proptest::option::weighted(0.3, n()),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|((node, to), carry, reply, supply, block)| Op::Send { node, to, carry, reply, supply, block }),
        1 => (n(), n(), 10..100u8, 1..9u8)
            .prop_map(|(node, to, count, supplies)| Op::Burst { node, to, count, supplies }),
        1 => (n(), n()).prop_map(|(node, other)| Op::Link { node, other }),
        14 => (n(), n(), any::<bool>()).prop_map(|(node, port, drop)| Op::Receive { node, port, drop }),
        6 => (n(), n()).prop_map(|(node, name)| Op::Drop { node, name }),
        6 => n().prop_map(|node| Op::Purge { node }),
        5 => proptest::collection::vec(n(), 1..3).prop_map(|picks| Op::Deliver { picks }),
        14 => n().prop_map(|node| Op::Pump { node }),
        2 => n().prop_map(|node| Op::Flush { node }),
        1 => (n(), any::<bool>()).prop_map(|(node, room)| Op::Room { node, room }),
        1 => Just(Op::Rest),
    ]
}

/// A history. Half of them are without deaths, so that what may not be lost can be told from what may.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let n = any::<Pick>;
    let death = prop_oneof![
        (n(), n()).prop_map(|(node, port)| Op::Kill { node, port }),
        n().prop_map(|link| Op::Cut { link }),
    ];
    let deaths = prop_oneof![Just(Vec::new()), proptest::collection::vec((n(), death), 1..4)];
    (proptest::collection::vec(op(), 1..160), deaths).prop_map(|(mut ops, deaths)| {
        for (at, death) in deaths {
            ops.insert(at as usize % (ops.len() + 1), death);
        }
        ops
    })
}

/// What a receiver has seen of one sender's messages through one of its names.
#[derive(Default)]
struct Stream {
    last_in_order: u64,
    last: u64,
    seen: BTreeSet<u64>,
}

struct Sim {
    w: World,
    /// Numbers the messages of each node through each port that it can name.
    sent: BTreeMap<(usize, PortUid), u64>,
    received: BTreeMap<(usize, PortUid, u64, u64), Stream>,
    /// Messages that were accepted, and that came out.
    total: (u64, u64),
    lossless: bool,
    /// What each node can reach from the start and keeps, so that it is not soon cut off.
    boots: Vec<BTreeSet<PortName>>,
    /// The size of each node without tasks' doings.
    base: Vec<[usize; 2]>,
    next_waiter: u64,
    random: u64,
}

impl Sim {
    fn new(nodes: usize) -> Sim {
        let mut w = World::new(nodes);
        let base = w.nodes.iter().map(|n| n.size()).collect();
        let boots = (0..nodes).map(|a| (0..nodes).filter(|b| *b != a).map(|b| w.boot_of(a, b)).collect()).collect();
        w.nodes.iter_mut().for_each(|n| _ = n.port());
        w.lazy = true;
        let (sent, received) = Default::default();
        Sim { w, sent, received, total: (0, 0), lossless: true, boots, base, next_waiter: 0, random: 1 }
    }

    /// The names of a node's task that have one of these rights.
    fn names(&self, node: usize, rights: &[RightType]) -> Vec<(PortName, u32)> {
        let n = &self.w.nodes[node];
        let mask = rights.iter().fold(0, |mask, r| mask | r.type_bit());
        let names = n.ipc.names(n.task).unwrap();
        names.into_iter().filter(|(name, bits)| bits & mask != 0 && *name != n.name_server).collect()
    }

    /// The names among these that a history gives away and drops.
    fn loose(&self, node: usize, mut names: Vec<(PortName, u32)>) -> Vec<(PortName, u32)> {
        names.retain(|(name, _)| !self.boots[node].contains(name));
        names
    }

    fn node(&self, pick: Pick) -> usize {
        pick as usize % self.w.nodes.len()
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Port { node, qlimit } => {
                let node = self.node(node);
                let port = self.w.nodes[node].port();
                self.w.nodes[node].set_qlimit(port, qlimit);
            }
            Op::Send { node, to, carry, reply, supply, block } => {
                let node = self.node(node);
                let id = if supply { DATA_SUPPLY } else { 1 };
                self.send(node, to, &carry, reply, id, block);
            }
            Op::Burst { node, to, count, supplies } => {
                let node = self.node(node);
                for i in 0..count {
                    let id = if i % supplies == 0 { 1 } else { DATA_SUPPLY };
                    self.send(node, to, &[], None, id, false);
                    self.w.pump(node);
                }
            }
            Op::Link { node, other } => {
                let (a, b) = (self.node(node), self.node(other));
                let (a, b) = (a.min(b), a.max(b));
                if a != b && !self.w.links.values().any(|ends| *ends == (a, b)) {
                    for node in [a, b] {
                        self.base[node] = self.base[node].map(|size| size + 1);
                    }
                    self.w.connect(a, b);
                    for (this, other) in [(a, b), (b, a)] {
                        let boot = self.w.boot_of(this, other);
                        self.boots[this].insert(boot);
                    }
                }
            }
            Op::Receive { node, port, drop } => {
                let node = self.node(node);
                let mut ports = self.names(node, &[RightType::Receive]);
                ports.retain(|(port, _)| self.w.nodes[node].status(*port).msgcount > 0);
                if let Some((port, _)) = pick(&ports, port)
                    && let Some(message) = self.receive(node, port)
                    && drop
                {
                    self.w.nodes[node].give_up(&message);
                }
            }
            Op::Purge { node } => {
                let node = self.node(node);
                for (port, _) in self.names(node, &[RightType::Receive]) {
                    while self.receive(node, port).is_some() {}
                }
                for (name, bits) in self.loose(node, self.names(node, &HELD)) {
                    if bits & RightType::Receive.type_bit() == 0 {
                        self.w.nodes[node].destroy(name);
                    }
                }
                self.w.pump(node);
            }
            Op::Drop { node, name } => {
                let node = self.node(node);
                if let Some((name, _)) = pick(&self.loose(node, self.names(node, &HELD)), name) {
                    self.w.nodes[node].deallocate(name);
                }
            }
            Op::Kill { node, port } => {
                let node = self.node(node);
                if let Some((port, _)) = pick(&self.names(node, &[RightType::Receive]), port)
                    && port != self.w.nodes[node].boot
                {
                    self.lossless = false;
                    self.w.nodes[node].destroy_port(port);
                }
            }
            Op::Deliver { picks } => {
                for p in picks {
                    if !self.w.flights.is_empty() {
                        let index = p as usize % self.w.flights.len();
                        self.w.deliver(index);
                    }
                }
            }
            Op::Flush { node } => {
                let node = self.node(node);
                self.w.act(node, |n, cx| n.flush(cx));
            }
            Op::Cut { link } => {
                let links: Vec<LinkId> = self.w.links.keys().copied().collect();
                if let Some(link) = pick(&links, link) {
                    self.lossless = false;
                    let (a, b) = self.w.links[&link];
                    // The proxy for the peer's boot port goes, and netmsg's name for it.
                    for node in [a, b] {
                        self.base[node] = self.base[node].map(|size| size - 1);
                    }
                    self.w.cut(link);
                }
            }
            Op::Room { node, room } => {
                let node = self.node(node);
                self.w.nodes[node].room = room;
            }
            Op::Pump { node } => self.w.pump(self.node(node)),
            Op::Rest => self.rest(),
        }
        assert_eq!(self.w.closed, [], "a correct peer is blamed");
    }

    fn send(&mut self, node: usize, to: Pick, carry: &[(Pick, bool)], reply: Option<Pick>, id: i32, block: bool) {
        let (send, once, receive, dead) =
            (RightType::Send, RightType::SendOnce, RightType::Receive, RightType::DeadName);
        let mut names = self.names(node, &[send, once, receive]);
        if to.is_multiple_of(2) {
            names.retain(|(name, _)| self.boots[node].contains(name));
        }
        let Some((to, bits)) = pick(&names, to / 2) else { return };
        let uid = self.w.nodes[node].uid(to);
        let remote = match bits {
            b if b & once.type_bit() != 0 => NamedRight::move_send_once(to),
            b if b & send.type_bit() != 0 => NamedRight::copy_send(to),
            _ => NamedRight::make_send(to),
        };
        let mut gone: Vec<PortName> = Vec::from_iter((remote.disposition == Disposition::MoveSendOnce).then_some(to));
        let mut all = self.names(node, &[send, once, receive, dead]);
        if !to.0.is_multiple_of(8) {
            all = self.loose(node, all);
        }
        let mut right = |index: Pick, other: bool| {
            let (name, bits) = pick(&all, index)?;
            let has = |r: RightType| bits & r.type_bit() != 0;
            let disposition = match other {
                _ if has(once) => Disposition::MoveSendOnce,
                true if has(receive) => Disposition::MakeSendOnce,
                false if has(receive) => Disposition::MakeSend,
                true => Disposition::MoveSend,
                false => Disposition::CopySend,
            };
            let moves = matches!(disposition, Disposition::MoveSend | Disposition::MoveSendOnce);
            if moves && (name == to || gone.contains(&name)) {
                return None;
            }
            gone.extend(moves.then_some(name));
            // A name that was moved away is not copied afterwards.
            (moves || !gone.contains(&name)).then_some(NamedRight { name, disposition })
        };
        // The header is taken before the body.
        let local = reply.and_then(|i| right(i, true)).unwrap_or(NamedRight::NULL);
        let carried: Vec<_> = carry.iter().filter_map(|(i, other)| right(*i, *other)).collect();
        let counter = self.sent.get(&(node, uid)).copied().unwrap_or(0) + 1;
        let label = [node as u64, uid.origin.0, uid.serial, counter];
        let mut body: Vec<_> = label.into_iter().map(Item::U64).collect();
        body.push(Item::Ports(carried));
        body.push(Item::OutOfLine(Payload::from(counter.to_le_bytes().to_vec())));
        let message = Message { remote, local, id, seqno: 0, trace: TraceId(counter), body: body.into() };
        self.next_waiter += 1;
        let wait = if block { Wait::Block(WaiterId(self.next_waiter)) } else { Wait::Poll };
        match self.w.nodes[node].send(message, wait) {
            Ok(SendOutcome::Sent | SendOutcome::Blocked) => {
                self.sent.insert((node, uid), counter);
                self.total.0 += 1;
            }
            Err(e) => {
                assert_eq!(e.code, proto::MsgReturn::SendTimedOut);
                // The right that was copied or made comes back as one more.
                self.w.nodes[node].deallocate(to);
            }
        }
    }

    /// Receives one message and checks that it had its turn.
    fn receive(&mut self, node: usize, port: PortName) -> Option<Message<NamedRight>> {
        let m = self.w.nodes[node].receive(port)?;
        if self.lossless {
            let dead = |r: &NamedRight| r.name == PortName::DEAD;
            assert!(!m.body.rights().iter().any(dead), "nothing died");
        }
        if m.body.items_len() == 0 {
            assert_eq!(m.id, 71, "what became of a send-once right");
            return Some(m);
        }
        let [Item::U64(from), Item::U64(origin), Item::U64(serial), Item::U64(counter), _, Item::OutOfLine(bytes)] =
            &m.body.items()[..]
        else {
            panic!("{m:?}")
        };
        assert_eq!((bytes.to_bytes().as_ref(), m.trace.0), (&counter.to_le_bytes()[..], *counter));
        self.total.1 += 1;
        if m.local.disposition == Disposition::MoveSendOnce {
            return Some(m);
        }
        let uid = self.w.nodes[node].uid(port);
        let stream = self.received.entry((node, uid, *from << 32 | *origin, *serial)).or_default();
        assert!(stream.seen.insert(*counter), "delivered twice");
        assert!(*counter > stream.last_in_order, "overtaken by what nothing may overtake");
        if order_of(m.id) == Order::InOrder {
            assert!(*counter > stream.last, "overtook");
            stream.last_in_order = *counter;
        }
        stream.last = stream.last.max(*counter);
        Some(m)
    }

    /// Everything under way arrives; then the two ends of each link agree.
    fn rest(&mut self) {
        let mut random = self.random;
        self.w.settle_by(|n| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) as usize % n
        });
        self.random = random;
        assert_eq!(self.w.closed, [], "a correct peer is blamed");
        if self.lossless {
            let dead = |node| self.names(node, &[RightType::DeadName]);
            assert!((0..self.w.nodes.len()).all(|node| dead(node).is_empty()), "nothing died");
        }
        let links: Vec<_> = self.w.links.iter().map(|(l, ends)| (*l, *ends)).collect();
        for (link, (a, b)) in links {
            let [a, b] = [a, b].map(|n| &self.w.nodes[n].netmsg);
            let nothing_waits = |n: &netmsg_core::Netmsg| n.exports(link).all(|e| e.pending == 0) && !n.wants_flush();
            if !nothing_waits(a) || !nothing_waits(b) {
                continue;
            }
            for (home, holder) in [(a, b), (b, a)] {
                let granted: BTreeMap<_, _> =
                    home.exports(link).map(|e| (e.export, (e.once, e.granted, e.returned, e.taken))).collect();
                let seen: BTreeMap<_, _> =
                    holder.imports(link).map(|i| (i.export, (i.once, i.granted, i.returned, i.sent))).collect();
                assert_eq!(granted, seen, "what is granted is what is held");
                assert!(holder.imports(link).all(|i| i.proxy.is_some() && i.under_way == 0));
            }
        }
    }

    /// Reads every port until nothing comes any more.
    fn drain(&mut self) {
        loop {
            self.rest();
            let mut progress = false;
            for node in 0..self.w.nodes.len() {
                for (port, _) in self.names(node, &[RightType::Receive]) {
                    while self.receive(node, port).is_some() {
                        progress = true;
                    }
                }
            }
            if !progress {
                return;
            }
        }
    }

    /// Gives every name up but the boot ports.
    fn give_up(&mut self) {
        for round in 0.. {
            assert!(round < 100, "names come from nowhere");
            self.drain();
            let mut progress = false;
            for node in 0..self.w.nodes.len() {
                let kinds = [RightType::Send, RightType::SendOnce, RightType::DeadName, RightType::Receive];
                let boot = self.w.nodes[node].boot;
                for (name, bits) in self.names(node, &kinds) {
                    if name != boot {
                        self.w.nodes[node].destroy(name);
                        progress = true;
                    } else if bits & RightType::Send.type_bit() != 0 {
                        self.w.nodes[node].deallocate(name);
                        progress = true;
                    }
                }
            }
            if !progress {
                break;
            }
        }
        for (node, base) in self.base.iter().enumerate() {
            assert_eq!(self.w.nodes[node].size(), *base, "ports and names of node {node}");
        }
        let links: Vec<_> = self.w.links.keys().copied().collect();
        for (link, n) in links.iter().flat_map(|l| self.w.nodes.iter().map(move |n| (*l, n))) {
            let entries = n.netmsg.exports(link).map(|e| e.export).chain(n.netmsg.imports(link).map(|i| i.export));
            assert!(entries.into_iter().all(|e| e == ExportId::NAME_SERVER));
        }
    }

    fn run(nodes: usize, ops: Vec<Op>) {
        let mut sim = Sim::new(nodes);
        for op in ops {
            sim.step(op);
        }
        sim.w.nodes.iter_mut().for_each(|n| n.room = true);
        sim.drain();
        assert!(sim.w.nodes.iter().all(|n| !n.netmsg.wants_flush()));
        if sim.lossless {
            assert_eq!(sim.total.0, sim.total.1, "messages sent and received");
        }
        sim.give_up();
    }
}

fn pick<T: Copy>(from: &[T], index: Pick) -> Option<T> {
    if from.is_empty() { None } else { Some(from[index as usize % from.len()]) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn netmsg_world_1_two_nodes_conserve_rights_and_keep_order(ops in ops()) {
        Sim::run(2, ops);
    }

    #[test]
    fn netmsg_world_2_three_nodes_relay_conserve_rights_and_keep_order(ops in ops()) {
        Sim::run(3, ops);
    }
}
