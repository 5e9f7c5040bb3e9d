//! What netmsg adds to a message, in nanoseconds, without ports and network:
//! `cargo test --release -p netmsg-core --test hot_path -- --ignored --nocapture`.
//!
//! Two servers whose spaces only hand out names; frames pass from one to the other without being encoded. The messages are
//! those of a page fault: a request with a right and numbers, a supply with a page.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use netmsg_core::{Config, Cx, LinkId, Netmsg, Out, Peer, PortSpace, Refused, SendMode, Sent};
use proto::iface::{memory_object, memory_object_control};
use proto::wire::link::Frame;
use proto::{
    Disposition, Incarnation, Item, KernReturn, Message, NamedRight, NodeName, Payload, PortName, PortUid, TraceId,
};

const ROUNDS: u32 = 1_000_000;
const LINK: LinkId = LinkId(1);

/// Takes everything and keeps the last message.
#[derive(Default)]
struct Sink {
    next: u32,
    last: Option<Message<NamedRight>>,
}

impl PortSpace for Sink {
    fn allocate(&mut self) -> Result<PortName, KernReturn> {
        self.next += 1;
        Ok(PortName(self.next + 1000))
    }
    fn destroy_receive(&mut self, _: PortName) {}
    fn deallocate(&mut self, _: PortName) {}
    fn send(&mut self, message: Message<NamedRight>, _: SendMode) -> Result<Sent, Refused> {
        self.last = Some(message);
        Ok(Sent::Taken)
    }
    fn set_receiving(&mut self, _: PortName, _: bool) {}
    fn request_no_senders(&mut self, _: PortName, _: u32) {}
    fn request_dead_name(&mut self, _: PortName, _: PortName) {}
    fn port_uid(&mut self, name: PortName) -> Option<PortUid> {
        Some(PortUid { origin: Incarnation(1), serial: u64::from(name.0) })
    }
    fn has_room(&self) -> bool {
        true
    }
}

struct Side {
    netmsg: Netmsg,
    space: Sink,
    out: Vec<Out>,
}

impl Side {
    fn new(peer: &str) -> Side {
        let config = Config { name_server: PortName(1), notify: PortName(2), announce: PortName::NULL };
        let mut side = Side { netmsg: Netmsg::new(config), space: Sink::default(), out: Vec::new() };
        let peer = Peer { node: NodeName::new(peer).unwrap(), incarnation: Incarnation(1) };
        side.act(|n, cx| n.link_up(cx, LINK, peer));
        side
    }

    fn act(&mut self, f: impl FnOnce(&mut Netmsg, &mut Cx<'_>)) {
        f(&mut self.netmsg, &mut Cx { space: &mut self.space, out: &mut self.out });
    }

    fn frames(&mut self) -> Vec<(Frame, Payload)> {
        let frame = |out| match out {
            Out::Frame { frame, payload, .. } => (frame, payload),
            Out::CloseLink { why, .. } => panic!("{why}"),
        };
        self.out.drain(..).map(frame).collect()
    }

    /// The proxy for the peer's entry 1.
    fn proxy(&self) -> PortName {
        self.netmsg.imports(LINK).next().unwrap().proxy.unwrap()
    }
}

/// A message as netmsg receives it from the proxy `to`.
fn arrived(to: PortName, id: i32, body: Vec<Item<NamedRight>>) -> Message<NamedRight> {
    let local = NamedRight { name: to, disposition: Disposition::MoveSend };
    Message { remote: NamedRight::NULL, local, id, seqno: 0, trace: TraceId(1), body: body.into() }
}

/// Nanoseconds of a message out, of its frame in, and of what comes back.
fn measure(name: &str, id: i32, body: impl Fn() -> Vec<Item<NamedRight>>) {
    let (mut a, mut b) = (Side::new("b"), Side::new("a"));
    let proxy = a.proxy();
    let (mut out_ns, mut in_ns, mut acks_ns) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let message = arrived(proxy, id, body());
        let start = Instant::now();
        a.act(|n, cx| n.on_message(cx, message));
        out_ns += start.elapsed().as_nanos();
        for (frame, payload) in a.frames() {
            let start = Instant::now();
            b.act(|n, cx| n.on_frame(cx, LINK, frame, payload));
            in_ns += start.elapsed().as_nanos();
        }
        black_box(b.space.last.take());
        for (frame, payload) in b.frames() {
            let start = Instant::now();
            a.act(|n, cx| n.on_frame(cx, LINK, frame, payload));
            acks_ns += start.elapsed().as_nanos();
        }
    }
    let each = |ns: u128| ns / u128::from(ROUNDS);
    println!("{name:<28} out {:>5} ns   in {:>5} ns   acks {:>4} ns", each(out_ns), each(in_ns), each(acks_ns));
}

#[test]
#[ignore = "a measurement, not a check"]
fn hot_path() {
    let control = NamedRight::move_send(PortName(77));
    let page = Payload::from(Bytes::from(vec![0; 4096]));
    measure("nothing, and the clock", 1, Vec::new);
    measure("memory_object_data_request", memory_object::id::DATA_REQUEST, || {
        vec![Item::Port(control), Item::U64(0), Item::U64(4096), Item::U32(1)]
    });
    measure("memory_object_data_supply", memory_object_control::id::DATA_SUPPLY, || {
        vec![Item::U64(0), Item::OutOfLine(page.clone()), Item::U32(0), Item::U32(0), Item::Port(NamedRight::NULL)]
    });
}
