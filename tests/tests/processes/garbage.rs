//! Peers and processes that speak garbage: the node stays up, others notice nothing, nothing is left.

use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use mach::Mapping;
use mach::proto::codec::TRAP_VERSION;
use mach::proto::limits::{TRAP_FDS_MAX, TRAP_RECORD_BYTES_MAX};
use mach::proto::wire::body::{NamedMessage, NamedRight, Segments};
use mach::proto::wire::trap::{Call, Hello, Msg, OrderDone, ReplyPort, call, hello};
use mach_tests::processes::{FAULT_DEADLINE, Nodes};
use mach_tests::wait_until;
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use sys::seqpacket::Received;
use sys::{Channel, Memfd};

use crate::{PAGE, all_readable, contents};

/// Pages of the object that the witness maps.
const PAGES: usize = 512;
/// How long a node may take to forget those who spoke garbage.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(5);

/// Two nodes, of which the second has a task that reads, and what the second holds.
struct Witnessed {
    nodes: Nodes,
    mapping: Mapping,
    bytes: Vec<u8>,
    before: Holdings,
}

/// Tasks, ports and descriptors of a node.
type Holdings = (u32, u32, usize);

impl Witnessed {
    fn start() -> Witnessed {
        let nodes = Nodes::start(2);
        let bytes = contents(PAGES * PAGE);
        nodes.export(1, &nodes.file("data", &bytes), "data", false);
        let mapping = nodes.map(2, "data", false);
        all_readable(&mapping, &bytes, 0..PAGES / 2);
        // What came along with the start is given up a little later.
        let before = wait_until(FORGOTTEN_WITHIN, "a node that is done with its start", || {
            let first = holdings(&nodes);
            std::thread::sleep(Duration::from_millis(300));
            (holdings(&nodes) == first).then_some(first)
        });
        Witnessed { nodes, mapping, bytes, before }
    }

    fn channel(&self) -> Channel {
        Channel::connect(&self.nodes.socket(2)).expect("the node listens")
    }

    /// The node is up, the other task reads on, and nothing is left of the others.
    #[track_caller]
    fn is_unmoved(&self) {
        self.nodes.assert_up(1);
        self.nodes.assert_up(2);
        let longest = all_readable(&self.mapping, &self.bytes, 0..PAGES);
        assert!(longest < FAULT_DEADLINE, "a page took {longest:?}");
        self.nodes.wait_until_sees(2, 2);
        let mut now = self.before;
        let deadline = std::time::Instant::now() + FORGOTTEN_WITHIN;
        while std::time::Instant::now() < deadline {
            now = holdings(&self.nodes);
            if now == self.before {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("n2 had (tasks, ports, descriptors) {:?} and has {now:?}", self.before);
    }
}

fn holdings(nodes: &Nodes) -> Holdings {
    let info = nodes.info(2);
    // The connection and the process of whoever asked are gone when the list of descriptors stays as it is.
    let count = || std::fs::read_dir(format!("/proc/{}/fd", info.pid)).expect("a node of ours").count();
    let fds = wait_until(FORGOTTEN_WITHIN, "a quiet node", || {
        let first = count();
        std::thread::sleep(Duration::from_millis(30));
        (count() == first).then_some(first)
    });
    (info.tasks, info.ports, fds)
}

/// Whether the node ended the connection.
fn is_ended(channel: &Channel) -> bool {
    let mut buffer = vec![0; TRAP_RECORD_BYTES_MAX];
    loop {
        match channel.recv(&mut buffer) {
            Ok(Received::Record(..)) => {}
            Ok(Received::Closed) | Err(_) => return true,
            Ok(Received::WouldBlock) => return false,
        }
    }
}

fn say(channel: &Channel, record: &[u8], fds: &[BorrowedFd<'_>]) {
    let sent = channel.send(record, fds);
    assert!(matches!(sent, Ok(sys::seqpacket::Sent::Done)), "{sent:?}");
}

fn seeded() -> StdRng {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

fn random_bytes(random: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill_bytes(&mut bytes);
    bytes
}

fn hello_of(userfaultfd: &str) -> Vec<u8> {
    let hello = Hello {
        version: TRAP_VERSION,
        role: hello::Role::Thread.into(),
        userfaultfd: userfaultfd.into(),
        command: "garbage".into(),
        arena_start: 1 << 40,
        arena_size: 1 << 30,
        ..Hello::default()
    };
    record(call::Op::Hello(hello))
}

fn record(op: call::Op) -> Vec<u8> {
    Call { ticket: 1, op: Some(op) }.encode_to_vec()
}

fn message_record(message: NamedMessage) -> Vec<u8> {
    record(call::Op::Msg(Msg { send: true, message: Some(message), send_timeout_ms: Some(0), ..Msg::default() }))
}

/// A connection that has become a task without memory.
fn task(witnessed: &Witnessed) -> Channel {
    let channel = witnessed.channel();
    say(&channel, &hello_of("none"), &[]);
    let mut buffer = vec![0; TRAP_RECORD_BYTES_MAX];
    assert!(matches!(channel.recv(&mut buffer), Ok(Received::Record(..))), "a welcome");
    channel
}

#[test]
fn random_datagrams_to_the_link_port_do_no_harm() {
    let witnessed = Witnessed::start();
    let mut random = seeded();
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for number in 0..4000 {
        let len = random.random_range(0..1500);
        let mut bytes = random_bytes(&mut random, len);
        // Every other one begins as a packet of QUIC does: an Initial of version 1, or one of an established connection.
        match number % 4 {
            0 if len > 20 => bytes[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]),
            2 if len > 0 => bytes[0] = 0x40 | bytes[0] & 0x3f,
            _ => {}
        }
        sender.send_to(&bytes, witnessed.nodes.address(2)).expect("loopback");
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    witnessed.is_unmoved();
}

#[test]
fn random_records_end_their_connection_only() {
    let witnessed = Witnessed::start();
    let mut random = seeded();
    for _ in 0..300 {
        let channel = witnessed.channel();
        let len = random.random_range(1..4000);
        let _ = channel.send(&random_bytes(&mut random, len), &[]);
        assert!(is_ended(&channel), "random bytes are no hello");
    }
    witnessed.is_unmoved();
}

#[test]
fn records_cut_at_any_byte_do_no_harm() {
    let witnessed = Witnessed::start();
    let whole = hello_of("none");
    for len in 1..whole.len() {
        let channel = witnessed.channel();
        let _ = channel.send(&whole[..len], &[]);
    }
    let remote = Some(NamedRight { name: 1, disposition: 19 });
    let whole = message_record(NamedMessage { remote, body: vec![7; 40].into(), id: 7, ..NamedMessage::default() });
    for len in 1..whole.len() {
        let channel = task(&witnessed);
        let _ = channel.send(&whole[..len], &[]);
    }
    witnessed.is_unmoved();
}

#[test]
fn connections_closed_at_any_moment_leave_nothing() {
    let witnessed = Witnessed::start();
    for _ in 0..50 {
        drop(witnessed.channel());
        drop(task(&witnessed));
        let channel = witnessed.channel();
        say(&channel, &hello_of("none"), &[]);
        drop(channel);
        let channel = task(&witnessed);
        say(&channel, &record(call::Op::ReplyPort(ReplyPort {})), &[]);
        drop(channel);
    }
    witnessed.is_unmoved();
}

#[test]
fn a_hello_with_a_wrong_descriptor_is_refused() {
    let witnessed = Witnessed::start();
    let null: OwnedFd = std::fs::File::open("/dev/null").expect("a descriptor").into();
    let socket: OwnedFd = UdpSocket::bind("127.0.0.1:0").expect("a descriptor").into();
    let memfd = Memfd::create("garbage", 4096).expect("a descriptor");
    let several = vec![null.as_fd(); TRAP_FDS_MAX];
    let wrong: [&[BorrowedFd<'_>]; 4] = [&[null.as_fd()], &[socket.as_fd()], &[memfd.as_fd()], &several];
    for fds in wrong {
        for mode in ["full", "user-mode-only", "none", "?"] {
            let channel = witnessed.channel();
            say(&channel, &hello_of(mode), fds);
            assert!(is_ended(&channel), "a hello with {} wrong descriptors", fds.len());
        }
    }
    witnessed.is_unmoved();
}

#[test]
fn hellos_that_lie_are_refused() {
    let witnessed = Witnessed::start();
    let good = Hello { version: TRAP_VERSION, userfaultfd: "none".into(), ..Hello::default() };
    let agent = hello::Role::Agent.into();
    let lies = [
        Hello { version: TRAP_VERSION + 1, ..good.clone() },
        Hello { token: 0x1234_5678_9abc_def0, ..good.clone() },
        Hello { role: agent, ..good.clone() },
        Hello { arena_start: u64::MAX, arena_size: u64::MAX, ..good.clone() },
    ];
    for lie in lies {
        let channel = witnessed.channel();
        say(&channel, &record(call::Op::Hello(lie.clone())), &[]);
        assert!(is_ended(&channel), "{lie:?}");
    }
    let channel = task(&witnessed);
    say(&channel, &hello_of("none"), &[]);
    assert!(is_ended(&channel), "a second hello");
    witnessed.is_unmoved();
}

#[test]
fn records_of_any_size_and_descriptors_nobody_wants_do_no_harm() {
    let witnessed = Witnessed::start();
    let mut random = seeded();
    let null: OwnedFd = std::fs::File::open("/dev/null").expect("a descriptor").into();
    let fds = vec![null.as_fd(); TRAP_FDS_MAX];
    for len in [TRAP_RECORD_BYTES_MAX - 1, TRAP_RECORD_BYTES_MAX, TRAP_RECORD_BYTES_MAX + 1, 200_000] {
        let (fresh, known) = (witnessed.channel(), task(&witnessed));
        // Linux may refuse to send it; what it sends, the node must stand.
        let _ = fresh.send(&random_bytes(&mut random, len), &fds);
        let _ = known.send(&random_bytes(&mut random, len), &fds);
    }
    for op in [
        call::Op::ReplyPort(ReplyPort {}),
        call::Op::OrderDone(OrderDone { order: 99, errno: -77, ..OrderDone::default() }),
    ] {
        let channel = task(&witnessed);
        (0..20).for_each(|_| drop(channel.send(&record(op.clone()), &fds)));
    }
    witnessed.is_unmoved();
}

/// Pieces beside a record that are seldom there, in columns that seldom are of one length otherwise.
fn segments(random: &mut StdRng, longest: u64) -> Segments {
    let mut count = random.random_range(0..4);
    let mut column = |random: &mut StdRng| {
        count = if random.random_ratio(1, 4) { random.random_range(0..4) } else { count };
        0..count
    };
    let (fds, skips, lengths) = (column(random), column(random), column(random));
    Segments {
        fd: fds.map(|_| random.random_range(0..3)).collect(),
        skip: skips.map(|_| [0, 0, random.random_range(0..longest) as i64][random.random_range(0..3)]).collect(),
        length: lengths.map(|_| random.random_range(0..longest)).collect(),
        first: if random.random_ratio(1, 4) { random.random() } else { 0 },
    }
}

#[test]
fn messages_with_lies_in_them_do_no_harm() {
    let witnessed = Witnessed::start();
    let mut random = seeded();
    let null: OwnedFd = std::fs::File::open("/dev/null").expect("a descriptor").into();
    for _ in 0..400 {
        let channel = task(&witnessed);
        let right = |random: &mut StdRng| NamedRight {
            name: if random.random() { random.random_range(0..40) } else { random.random() },
            disposition: random.random_range(14..24),
        };
        let longest = 1u64 << random.random_range(1..40);
        // Descriptors of every kind, some with bits that mean nothing, and slots with anything in them.
        let words = (0..random.random_range(0..12)).map(|_| {
            let name =
                [2u64, 9, 11, 15, 16, 17, 18, 19, 20, 21, random.random_range(0..256)][random.random_range(0..11)];
            let size = [8u64, 32, 64, random.random_range(0..65536)][random.random_range(0..4)];
            let flags = [1u64, 1, 0, random.random_range(0..256)][random.random_range(0..4)] << 29;
            let number = [0u64, 1, 1, 2, random.random_range(0..1 << 32)][random.random_range(0..5)];
            if random.random_ratio(1, 3) { random.random_range(0..40) } else { number << 32 | flags | size << 8 | name }
        });
        let body = words.flat_map(u64::to_le_bytes).collect::<Vec<u8>>().into();
        let lies = NamedMessage {
            complex: random.random(),
            body,
            memory: vec![1; random.random_range(0..100)].into(),
            fd: random.random_range(0..3),
            body_length: if random.random_ratio(1, 8) { random.random_range(0..longest) } else { 0 },
            memory_beside: random.random_ratio(1, 4).then(|| segments(&mut random, longest)),
            ..NamedMessage::default()
        };
        let id = [2008 + 1, 2021, 2089, 3204, 3208, 3214, 9000, random.random()][random.random_range(0..8)];
        let (remote, local) = (Some(right(&mut random)), Some(right(&mut random)));
        let record = message_record(NamedMessage { remote, local, id, ..lies });
        let _ = channel.send(&record, &[null.as_fd()]);
    }
    witnessed.is_unmoved();
}
