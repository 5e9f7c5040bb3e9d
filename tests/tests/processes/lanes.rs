//! Calls by lanes: real tasks and a real node. Whatever happens, a call by a lane ends as one by the node would.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mach::proto::iface::{mach_port, thread};
use mach::proto::{Body, Message, MsgReturn, NamedRight, PortName, RightType, TraceId};
use mach::{MsgError, Receive, ReceiveRight, Send, SendRight, Task};
use mach_tests::processes::{Nodes, within};
use rand::Rng;

use crate::tasks::worker;

/// How long anything here may take.
const SOON: Duration = Duration::from_secs(20);
/// Calls after which there is a lane if there ever is one.
const WARM: i32 = 64;
/// An id that ends a server.
const STOP: i32 = -1;
/// Added to the id of a request for that of its reply.
const REPLY: i32 = 1_000_000;

/// Serves a port on a thread of its own: `serve` makes the reply's bytes, or gives none; ends with [`STOP`]. Answers what
/// numbers the messages had.
fn server(
    task: &Task,
    port: ReceiveRight,
    mut serve: impl FnMut(&Task, &Message<NamedRight>) -> Option<Vec<u8>> + std::marker::Send + 'static,
) -> std::thread::JoinHandle<Vec<u32>> {
    let task = task.clone();
    std::thread::spawn(move || {
        let mut numbers = Vec::new();
        let mut answer = None;
        loop {
            let received = task.mach_msg(answer.take(), Some(Receive::from(port.name())));
            let message = match received {
                Ok(message) => message.expect("a message was asked for"),
                // The client is gone; its right is a dead name.
                Err(MsgError::Code { code: MsgReturn::SendInvalidDest, message: Some(message) }) => {
                    let dead = mach_port::Deallocate { name: message.remote.name.0 };
                    task.send_simple(&task.task_self(), dead).expect("it is sent");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            numbers.push(message.seqno);
            assert_eq!(message.local.name, port.name());
            let (id, to) = (message.id, message.remote);
            let bytes = serve(&task, &message);
            if id == STOP {
                if let Some(bytes) = bytes {
                    let _ = task.send(simple(to, NamedRight::NULL, id + REPLY, bytes));
                }
                return numbers;
            }
            answer =
                bytes.map(|bytes| Send { message: simple(to, NamedRight::NULL, id + REPLY, bytes), timeout: None });
        }
    })
}

fn simple(remote: NamedRight, local: NamedRight, id: i32, bytes: Vec<u8>) -> Message<NamedRight> {
    Message { remote, local, id, seqno: 0, trace: TraceId(0), body: Body::simple(bytes.into()) }
}

/// Calls with plain bytes; the reply.
fn call(
    task: &Task,
    to: PortName,
    reply: PortName,
    id: i32,
    bytes: &[u8],
    timeout: Option<Duration>,
) -> Result<Message<NamedRight>, MsgError> {
    let message = simple(NamedRight::copy_send(to), NamedRight::make_send_once(reply), id, bytes.to_vec());
    let receive = Receive { timeout, ..Receive::from(reply) };
    Ok(task.mach_msg(Some(Send { message, timeout: None }), Some(receive))?.expect("a message was asked for"))
}

/// A server task with a port, and a client task with a right to it and a port for replies.
struct Pair {
    nodes: Nodes,
    owner: Task,
    /// Until a server has it.
    port: Option<ReceiveRight>,
    client: Task,
    right: SendRight,
    reply: ReceiveRight,
}

fn pair_with(args: &[&str]) -> Pair {
    let nodes = Nodes::with(1, args);
    let (owner, client) = (nodes.task(1), nodes.task(1));
    let port = ReceiveRight::allocate(&owner).expect("a port");
    owner.check_in("service", NamedRight::NULL, port.made_send()).expect("the name is free");
    let right = client.look_up("service", "").expect("the name is known");
    let reply = ReceiveRight::allocate(&client).expect("a port");
    Pair { nodes, owner, port: Some(port), client, right, reply }
}

fn pair() -> Pair {
    pair_with(&[])
}

fn echo(_: &Task, got: &Message<NamedRight>) -> Option<Vec<u8>> {
    Some(got.body.bytes().to_vec())
}

impl Pair {
    fn call(&self, id: i32, bytes: &[u8]) -> Message<NamedRight> {
        let reply = call(&self.client, self.right.name(), self.reply.name(), id, bytes, Some(SOON)).expect("a reply");
        assert_eq!((reply.id, &reply.body.bytes()[..]), (id + REPLY, bytes));
        reply
    }

    /// Calls until there is a lane.
    fn warm(&self) {
        (0..WARM).for_each(|id| drop(self.call(id, b"warm")));
        assert!(self.lanes() > 0.0, "there is a lane");
    }

    fn lanes(&self) -> f64 {
        // Gauges are brought up to date every two seconds.
        std::thread::sleep(Duration::from_millis(2100));
        self.nodes.metric(1, "mach_lanes")
    }
}

#[test]
fn ipc_fast_1_calls_by_lanes_are_calls() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let served = server(&owner, port, echo);
    let mut first = None;
    for id in 0..5000 {
        let bytes: Vec<u8> = (0..id * 3 % 8200).map(|i| (i * 7 + id) as u8).collect();
        let message = simple(
            NamedRight::copy_send(p.right.name()),
            NamedRight::make_send_once(p.reply.name()),
            id,
            bytes.clone(),
        );
        let send = Send { message: Message { trace: TraceId(id as u64), ..message }, timeout: None };
        let reply = p.client.mach_msg(Some(send), Some(Receive::from(p.reply.name()))).unwrap().unwrap();
        assert_eq!((reply.id, &reply.body.bytes()[..]), (id + REPLY, &bytes[..]));
        assert_eq!(reply.local.name, p.reply.name());
        assert_eq!(reply.remote, NamedRight::NULL);
        let number = *first.get_or_insert(reply.seqno) + id as u32;
        assert_eq!(reply.seqno, number, "the reply to {id}");
    }
    call(&p.client, p.right.name(), p.reply.name(), STOP, b"", Some(SOON)).expect("a reply");
    let numbers = within(SOON, "the server", || served.join().unwrap());
    assert!(numbers.iter().copied().eq(0..5001), "numbers without a gap");
}

#[test]
fn ipc_fast_10_no_lane_is_made_when_they_are_switched_off() {
    let mut p = pair_with(&["--fast-path=false"]);
    let _served = server(&p.owner, p.port.take().expect("a port"), echo);
    (0..WARM).for_each(|id| drop(p.call(id, b"by the node")));
    assert_eq!(p.lanes(), 0.0);
}

#[test]
fn ipc_fast_6_replies_go_by_lane_or_node_as_they_come() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let (moved, to_move) = mpsc::channel::<(Task, PortName, i32)>();
    // Another thread answers some.
    std::thread::spawn(move || {
        for (task, name, id) in to_move {
            let to = NamedRight { name, disposition: mach::proto::Disposition::MoveSendOnce };
            task.send(simple(to, NamedRight::NULL, id + REPLY, b"other".to_vec())).expect("the right is a real one");
        }
    });
    let mut names = std::collections::BTreeSet::new();
    let served = server(&owner, port, move |task, got| {
        let name = got.remote.name;
        assert!(names.insert(name), "{name:?} was the name of another reply right");
        let ask = mach_port::Type { name: name.0 };
        match got.id % 50 {
            7 => Some(vec![7; 100_000]),
            11 => {
                task.send_simple(&task.task_self(), mach_port::Deallocate { name: name.0 }).expect("it is sent");
                None
            }
            13 => {
                moved.send((task.clone(), name, got.id)).unwrap();
                None
            }
            17 => {
                let kind = task.rpc(&task.task_self(), ask).expect("it is a name").ptype;
                assert_eq!(kind, RightType::SendOnce.type_bit());
                Some(b"typed".to_vec())
            }
            _ => Some(got.body.bytes().to_vec()),
        }
    });
    for id in 0..3000 {
        let reply = call(&p.client, p.right.name(), p.reply.name(), id, b"same", Some(SOON)).expect("a reply");
        let (wanted, bytes): (i32, &[u8]) = match id % 50 {
            7 => (id + REPLY, &[7; 100_000]),
            11 => (71, b""),
            13 => (id + REPLY, b"other"),
            17 => (id + REPLY, b"typed"),
            _ => (id + REPLY, b"same"),
        };
        assert_eq!(reply.id, wanted, "the reply to {id}");
        assert!(id % 50 == 11 || reply.body.bytes()[..] == *bytes);
    }
    call(&p.client, p.right.name(), p.reply.name(), STOP, b"", Some(SOON)).expect("a reply");
    let numbers = within(SOON, "the server", || served.join().unwrap());
    assert!(numbers.iter().copied().eq(0..3001), "numbers without a gap");
}

#[test]
fn ipc_fast_3_slow_servers_and_short_times_end_calls_as_without_lanes() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let served = server(&owner, port, |_, got| {
        let slow = match got.id {
            500 => Duration::from_millis(1500),
            501 => Duration::from_millis(300),
            _ => Duration::ZERO,
        };
        std::thread::sleep(slow);
        Some(got.body.bytes().to_vec())
    });
    let call = |id, timeout| call(&p.client, p.right.name(), p.reply.name(), id, b"x", timeout);
    for round in 0..3 {
        (0..WARM).for_each(|id| assert_eq!(call(id, None).unwrap().id, id + REPLY));
        assert_eq!(call(500, None).unwrap().id, 500 + REPLY, "round {round}");
        (0..WARM).for_each(|id| assert_eq!(call(id, None).unwrap().id, id + REPLY));
        let began = Instant::now();
        let error = call(501, Some(Duration::from_millis(50))).unwrap_err();
        assert!(matches!(error, MsgError::Code { code: MsgReturn::RcvTimedOut, .. }), "{error}");
        assert!((50..250).contains(&(began.elapsed().as_millis() as u64)));
        // The answer comes late, and to the same port.
        assert_eq!(p.reply.receive(Some(SOON)).unwrap().id, 501 + REPLY);
    }
    call(STOP, None).unwrap();
    let numbers = within(SOON, "the server", || served.join().unwrap());
    assert!(numbers.iter().copied().eq(0..numbers.len() as u32), "numbers without a gap");
}

#[test]
fn ipc_fast_5_many_clients_of_two_servers_and_messages_of_every_kind_keep_their_order() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), Arc::new(p.port.take().expect("a port")));
    let done = Arc::new(AtomicBool::new(false));
    let servers: Vec<_> = (0..2)
        .map(|_| {
            let (task, port, done) = (owner.clone(), port.clone(), done.clone());
            std::thread::spawn(move || {
                let mut answer = None;
                while !done.load(Ordering::Relaxed) {
                    // A time now and then, so that leases come and go.
                    let timeout = rand::rng().random_bool(0.05).then_some(Duration::from_millis(5));
                    let receive = Receive { timeout, ..Receive::from(port.name()) };
                    match task.mach_msg(answer.take(), Some(receive)) {
                        Ok(Some(got)) if got.id == STOP => {}
                        Ok(Some(got)) => {
                            let bytes = got.body.bytes().to_vec();
                            let message = simple(got.remote, NamedRight::NULL, got.id + REPLY, bytes);
                            answer = got.remote.name.is_valid().then_some(Send { message, timeout: None });
                        }
                        Ok(None) => unreachable!("a message was asked for"),
                        Err(MsgError::Code { code: MsgReturn::RcvTimedOut, .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    let clients: Vec<_> = (0..6)
        .map(|n| {
            let task = if n % 2 == 0 { p.client.clone() } else { p.nodes.task(1) };
            std::thread::spawn(move || {
                let right = task.look_up("service", "").expect("the name is known");
                let reply = ReceiveRight::allocate(&task).expect("a port");
                for id in 0..2000 {
                    let size = if id % 37 == 5 { 50_000 } else { id as usize % 300 };
                    let bytes = vec![(id + n) as u8; size];
                    let got = call(&task, right.name(), reply.name(), id, &bytes, Some(SOON)).expect("a reply");
                    assert!(got.id == id + REPLY && got.body.bytes()[..] == bytes, "client {n}, call {id}");
                    if id % 500 == 250 {
                        // Lists names, and so takes every lane of its task away.
                        task.rpc(&task.task_self(), mach_port::Names {}).expect("names");
                    }
                    if id % 61 == 7 {
                        let post = simple(right.copied(), NamedRight::NULL, id, b"one way".to_vec());
                        task.send(post).expect("it is sent");
                    }
                }
            })
        })
        .collect();
    within(Duration::from_secs(120), "the clients", || clients.into_iter().for_each(|c| c.join().unwrap()));
    done.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        p.client.send(simple(p.right.copied(), NamedRight::NULL, STOP, vec![])).expect("it is sent");
    }
    within(SOON, "the servers", || servers.into_iter().for_each(|s| s.join().unwrap()));
}

#[test]
fn ipc_fast_5_one_way_messages_of_a_caller_stay_in_order_with_its_calls() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let mut next = 0;
    let served = server(&owner, port, move |_, got| {
        if got.id != STOP {
            assert_eq!(got.id, next, "in the order in which they were sent");
            next += 1;
        }
        got.remote.name.is_valid().then(|| got.body.bytes().to_vec())
    });
    for id in 0..4000 {
        if id % 3 == 1 && id > 2 * WARM {
            p.client.send(simple(p.right.copied(), NamedRight::NULL, id, vec![])).expect("it is sent");
        } else {
            p.call(id, &id.to_le_bytes());
        }
    }
    call(&p.client, p.right.name(), p.reply.name(), STOP, b"", Some(SOON)).expect("a reply");
    let numbers = within(SOON, "the server", || served.join().unwrap());
    assert!(numbers.iter().copied().eq(0..4001), "numbers without a gap");
}

/// The files of the lanes that this process has mapped.
fn lane_files() -> Vec<std::fs::File> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("our own");
    let lanes = maps.lines().filter(|line| line.ends_with("memfd:mach-lane (deleted)"));
    let files = lanes.filter_map(|line| line.split_whitespace().next());
    // A lane may be unmapped meanwhile; its file stays.
    let open = |range: &str| std::fs::OpenOptions::new().write(true).open(format!("/proc/self/map_files/{range}")).ok();
    files.filter_map(open).collect()
}

/// Writes what a hostile task might, in its file, until the end.
fn scribble(files: &[std::fs::File], until: Instant) {
    use std::os::unix::fs::FileExt;
    let mut random = rand::rng();
    while Instant::now() < until {
        let (offset, value): (u64, u32) = match random.random_range(0..4) {
            0 | 1 => (0, random.random_range(0..32)),
            2 => (0, random.random()),
            _ => (random.random_range(0..64) * 4, random.random()),
        };
        for file in files {
            file.write_all_at(&value.to_ne_bytes(), offset).expect("its size is fixed");
        }
        std::thread::sleep(Duration::from_micros(random.random_range(0..300)));
    }
}

#[test]
fn ipc_fast_9_whatever_is_scribbled_on_a_lane_hurts_nobody_else() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let served = server(&owner, port, echo);
    // Two other processes, who notice nothing.
    let _other = worker(&p.nodes, 1, &["serve", "other"]);
    let mut caller = worker(&p.nodes, 1, &["call", "other"]);
    let mut scribbled = 0;
    for _ in 0..20 {
        // A new port for replies is a new beginning.
        let reply = ReceiveRight::allocate(&p.client).expect("a port");
        let call = |id, bytes: &[u8], timeout| call(&p.client, p.right.name(), reply.name(), id, bytes, Some(timeout));
        for id in 0..WARM {
            let got = call(id, b"warm", SOON).expect("a reply");
            assert_eq!((got.id, &got.body.bytes()[..]), (id + REPLY, &b"warm"[..]));
        }
        let files = lane_files();
        scribbled += files.len();
        let end = Instant::now() + Duration::from_millis(150);
        let scribbler = std::thread::spawn(move || scribble(&files, end));
        // Its own calls may fail, or be answered with nonsense; none takes longer than its time.
        while Instant::now() < end {
            let one = Instant::now();
            let _ = call(1, b"scribbled", Duration::from_millis(500));
            assert!(one.elapsed() < Duration::from_secs(3), "a call took {:?}", one.elapsed());
        }
        scribbler.join().expect("it only writes");
    }
    assert!(scribbled >= 10, "only {scribbled} lanes were found");
    p.nodes.assert_up(1);
    let reply = ReceiveRight::allocate(&p.client).expect("a port");
    call(&p.client, p.right.name(), reply.name(), STOP, b"", Some(SOON)).expect("a reply");
    within(SOON, "the server", || served.join().unwrap());
    assert!(caller.is_running(), "the others were never answered wrong");
}

#[test]
fn ipc_fast_7_a_thread_that_is_aborted_leaves_a_call_and_a_receive_by_lanes() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let (told, tells) = mpsc::channel();
    let serving = told.clone();
    let server = owner.clone();
    let server_thread = std::thread::spawn(move || {
        serving.send(server.thread_self().expect("a thread has a port")).unwrap();
        let mut answer = None;
        loop {
            match server.mach_msg(answer.take(), Some(Receive::from(port.name()))) {
                Ok(got) => {
                    let got = got.expect("a message was asked for");
                    if got.id == 700 {
                        continue;
                    }
                    let message = simple(got.remote, NamedRight::NULL, got.id + REPLY, got.body.bytes().to_vec());
                    answer = Some(Send { message, timeout: None });
                }
                Err(MsgError::Code { code: MsgReturn::RcvInterrupted, .. }) => return,
                Err(error) => panic!("{error}"),
            }
        }
    });
    let serving = tells.recv_timeout(SOON).expect("the server's thread");
    let (client, right, reply) = (p.client.clone(), p.right.name(), p.reply.name());
    let (ended, ends) = mpsc::channel();
    std::thread::spawn(move || {
        told.send(client.thread_self().expect("a thread has a port")).unwrap();
        (0..WARM).for_each(|id| drop(call(&client, right, reply, id, b"warm", None).expect("a reply")));
        ended.send(()).unwrap();
        let error = call(&client, right, reply, 700, b"never answered", None).expect_err("it is aborted");
        assert!(matches!(error, MsgError::Code { code: MsgReturn::RcvInterrupted, .. }), "{error}");
        ended.send(()).unwrap();
    });
    let calling = tells.recv_timeout(SOON).expect("the client's thread");
    ends.recv_timeout(SOON).expect("it has called");
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    p.client.rpc(&calling, thread::Abort).expect("it is carried out");
    ends.recv_timeout(SOON).expect("the call ends");
    p.owner.rpc(&serving, thread::Abort).expect("it is carried out");
    within(SOON, "the server", || server_thread.join().unwrap());
    assert!(began.elapsed() < Duration::from_millis(700), "neither waited until its patience was over");
}

#[test]
fn ipc_fast_7_a_node_that_dies_ends_calls_and_receives_by_lanes() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let (ended, ends) = mpsc::channel();
    let serving = ended.clone();
    std::thread::spawn(move || {
        let mut answer = None;
        loop {
            match owner.mach_msg(answer.take(), Some(Receive::from(port.name()))) {
                Ok(got) => {
                    let got = got.expect("a message was asked for");
                    if got.id == 700 {
                        // Served for as long as it takes; then it waits, too.
                        std::thread::sleep(Duration::from_millis(100));
                        continue;
                    }
                    let message = simple(got.remote, NamedRight::NULL, got.id + REPLY, got.body.bytes().to_vec());
                    answer = Some(Send { message, timeout: None });
                }
                Err(error) => return serving.send(error.to_string()).unwrap(),
            }
        }
    });
    p.warm();
    let (client, right, reply) = (p.client.clone(), p.right.name(), p.reply.name());
    std::thread::spawn(move || {
        let error = call(&client, right, reply, 700, b"never answered", None).expect_err("the node dies");
        ended.send(error.to_string()).unwrap();
    });
    std::thread::sleep(Duration::from_millis(300));
    p.nodes.kill(1);
    for _ in 0..2 {
        ends.recv_timeout(Duration::from_secs(5)).expect("both end");
    }
}

#[test]
fn ipc_fast_7_a_server_that_is_killed_at_any_moment_ends_every_call_of_its_clients() {
    let nodes = Nodes::start(1);
    for round in 0..25u64 {
        let name = format!("victim-{round}");
        let victim = worker(&nodes, 1, &["serve", &name]);
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let task = nodes.task(1);
                let right = task.look_up(&name, "").expect("the name is known");
                std::thread::spawn(move || {
                    let reply = ReceiveRight::allocate(&task).expect("a port");
                    for id in 0.. {
                        match call(&task, right.name(), reply.name(), id, b"alive?", None) {
                            Ok(got) if got.id == id + REPLY => {}
                            // It died with the request, or before it.
                            Ok(got) if got.id == 71 => return id,
                            Err(MsgError::Code { code: MsgReturn::SendInvalidDest, .. }) => return id,
                            other => panic!("{other:?}"),
                        }
                    }
                    unreachable!("the server dies")
                })
            })
            .collect();
        std::thread::sleep(Duration::from_micros(rand::rng().random_range(10_000..60_000)));
        drop(victim);
        let calls: i32 = within(SOON, "the clients", || clients.into_iter().map(|c| c.join().unwrap()).sum());
        assert!(calls > 0, "nobody was served in round {round}");
    }
    nodes.assert_up(1);
    let gone = || nodes.metric(1, "mach_lanes") == 0.0;
    mach_tests::wait_until(SOON, "the end of all lanes", || gone().then_some(()));
}

#[test]
fn ipc_fast_7_clients_that_are_killed_at_any_moment_leave_nothing_with_their_server() {
    let mut p = pair();
    let (owner, port) = (p.owner.clone(), p.port.take().expect("a port"));
    let served = server(&owner, port, |_, got| {
        let id = got.id;
        (id != STOP).then(|| got.body.bytes().to_vec()).or(Some(vec![]))
    });
    let names = || owner.rpc(&owner.task_self(), mach_port::Names {}).expect("names").names.len();
    let before = names();
    p.nodes.metric(1, "mach_lanes");
    for _ in 0..25 {
        let victims: Vec<_> = (0..2).map(|_| worker(&p.nodes, 1, &["call", "service"])).collect();
        std::thread::sleep(Duration::from_micros(rand::rng().random_range(5_000..60_000)));
        drop(victims);
        (0..WARM).for_each(|id| drop(p.call(id, b"still served")));
    }
    call(&p.client, p.right.name(), p.reply.name(), STOP, b"", Some(SOON)).expect("a reply");
    within(SOON, "the server", || served.join().unwrap());
    p.nodes.assert_up(1);
    mach_tests::wait_until(SOON, "the names of dead clients to go", || (names() <= before).then_some(()));
}

#[test]
fn ipc_fast_1_more_clients_at_once_than_a_record_has_descriptors() {
    const CLIENTS: i32 = 40;
    let Pair { nodes, owner, port, client, right, .. } = pair();
    let serving = server(&owner, port.expect("a port"), echo);
    let to = right.name();
    let callers: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let client = client.clone();
            std::thread::spawn(move || {
                let reply = ReceiveRight::allocate(&client).expect("a port");
                for i in 0..500 {
                    let id = n * 1000 + i;
                    let got = call(&client, to, reply.name(), id, &id.to_le_bytes(), Some(SOON)).expect("a reply");
                    assert_eq!((got.id, &got.body.bytes()[..]), (id + REPLY, &id.to_le_bytes()[..]));
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().expect("a caller that had all its replies"));
    client.send(simple(right.copied(), NamedRight::NULL, STOP, Vec::new())).expect("it is sent");
    within(SOON, "the end of the server", || serving.join()).expect("a server that lived");
    nodes.assert_up(1);
}
