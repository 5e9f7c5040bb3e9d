//! What the moves of a message cost: `cargo test --release -p kernel-core --test ipc_speed -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kernel_core::ipc::{Effect, Ipc, ReceiveOptions, ReceiveOutcome, SendOptions, SpaceId, Wait, WaiterId};
use proto::{Disposition, Incarnation, Item, Message, NamedRight, PortName, RightType, TraceId};

const ROUNDS: u32 = 1_000_000;

struct Bench {
    ipc: Ipc,
    fx: Vec<Effect>,
    server: SpaceId,
    client: SpaceId,
    port: PortName,
    to_port: PortName,
    reply: PortName,
}

impl Bench {
    fn new() -> Bench {
        let (mut ipc, mut fx) = (Ipc::new(Incarnation(1)), Vec::new());
        let (server, client) = (ipc.space_create(true), ipc.space_create(false));
        let port = ipc.allocate(server, RightType::Receive).unwrap();
        let right = ipc.extract_right(server, port, Disposition::MakeSend, &mut fx).unwrap();
        let to_port = ipc.insert_right_for(client, right, &mut fx).unwrap();
        let reply = ipc.allocate(client, RightType::Receive).unwrap();
        // Both hold a thousand other names.
        for _ in 0..1000 {
            let name = ipc.allocate(server, RightType::Receive).unwrap();
            let right = ipc.extract_right(server, name, Disposition::MakeSend, &mut fx).unwrap();
            ipc.insert_right_for(client, right, &mut fx).unwrap();
        }
        Bench { ipc, fx, server, client, port, to_port, reply }
    }

    fn send(&mut self, space: SpaceId, remote: NamedRight, local: NamedRight, body: Vec<Item<NamedRight>>) {
        let m = Message { remote, local, id: 1, seqno: 0, trace: TraceId(1), body: body.into() };
        self.ipc.send(space, m, SendOptions::POLL, &mut self.fx).unwrap();
    }

    fn receive(&mut self, space: SpaceId, name: PortName) -> Message<NamedRight> {
        match self.ipc.receive(space, name, ReceiveOptions::POLL, &mut self.fx) {
            Ok(ReceiveOutcome::Message(delivery)) => delivery.message,
            other => panic!("{other:?}"),
        }
    }
}

fn items() -> Vec<Item<NamedRight>> {
    vec![Item::U64(1), Item::U64(2), Item::U32(3), Item::Data(Bytes::from_static(b"abc"))]
}

/// The best of five runs, for one round.
fn time(what: &str, mut round: impl FnMut(&mut Bench)) -> Duration {
    let mut bench = Bench::new();
    let best = (0..5).map(|_| {
        let start = Instant::now();
        for _ in 0..ROUNDS / 5 {
            round(&mut bench);
            bench.fx.clear();
        }
        start.elapsed() / (ROUNDS / 5)
    });
    let best = best.min().unwrap();
    println!("{what:>60}: {best:?}");
    bench.ipc.check();
    best
}

#[test]
#[ignore = "a measurement, to be made with --release"]
fn a_small_message_costs_well_under_a_microsecond() {
    let (none, copy) = (NamedRight::NULL, NamedRight::copy_send);
    let simple = time("send and receive, 4 items, no reply right", |b| {
        b.send(b.client, copy(b.to_port), none, items());
        black_box(b.receive(b.server, b.port));
    });
    let rpc = time("request and reply, 4 items each way", |b| {
        b.send(b.client, copy(b.to_port), NamedRight::make_send_once(b.reply), items());
        let m = b.receive(b.server, b.port);
        b.send(b.server, m.remote, none, m.body.items());
        black_box(b.receive(b.client, b.reply));
    });
    time("send to a waiting receiver, 4 items", |b| {
        let options = ReceiveOptions { wait: Wait::Block(WaiterId(1)), ..ReceiveOptions::POLL };
        b.ipc.receive(b.server, b.port, options, &mut b.fx).unwrap();
        b.send(b.client, copy(b.to_port), none, items());
        black_box(&b.fx);
    });
    time("send and receive with two send rights in the body", |b| {
        let right = Item::Port(NamedRight::make_send(b.reply));
        b.send(b.client, copy(b.to_port), none, vec![right.clone(), right]);
        let m = b.receive(b.server, b.port);
        let Item::Port(name) = m.body.items()[0] else { panic!("a right") };
        b.ipc.mod_refs(b.server, name.name, RightType::Send, -2, &mut b.fx).unwrap();
    });
    if !cfg!(debug_assertions) {
        assert!(simple < Duration::from_nanos(700) && rpc < Duration::from_micros(1), "{simple:?} {rpc:?}");
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
#[ignore = "a measurement"]
fn an_unused_port_costs_less_than_512_bytes() {
    const PORTS: usize = 200_000;
    let mut ipc = Ipc::new(Incarnation(1));
    let space = ipc.space_create(false);
    let before = resident();
    for _ in 0..PORTS {
        ipc.allocate(space, RightType::Receive).unwrap();
    }
    let each = (resident() - before) / PORTS;
    println!("{each} bytes for each port with its name");
    assert!(each < 512 && ipc.ports_len() == PORTS);
}
