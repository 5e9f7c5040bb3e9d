//! Waiting for messages together with other things, and ending a wait: real tasks, a real node.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mach::proto::iface::{self, mach_port, node};
use mach::proto::{Item, KernReturn, Message, MsgReturn, NamedRight, TraceId};
use mach::{Canceller, MsgError, PortSet, ReceiveRight, SendRight, Task, Watch};
use mach_tests::processes::{Nodes, within};
use tokio::runtime::Runtime;

/// How long anything here may take that does happen.
const SOON: Duration = Duration::from_secs(10);
/// How long it is watched that something does not happen.
const QUIET: Duration = Duration::from_millis(60);

fn post(task: &Task, to: NamedRight, id: i32) {
    task.send(message(to, id)).expect("it is sent");
}

fn message(to: NamedRight, id: i32) -> Message<NamedRight> {
    let body = vec![Item::U32(id as u32)];
    Message { remote: to, local: NamedRight::NULL, id, seqno: 0, trace: TraceId(0), body: body.into() }
}

fn take(from: &ReceiveRight) -> i32 {
    from.receive(Some(SOON)).expect("a message").id
}

/// Whether poll(2) reports the descriptor within `timeout`.
fn readable(watch: &Watch, timeout: Duration) -> bool {
    watch.wait(timeout).expect("poll(2)")
}

fn code(error: MsgError) -> MsgReturn {
    match error {
        MsgError::Code { code, .. } => code,
        other => panic!("{other}"),
    }
}

fn runtime(threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime")
}

async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(SOON, what).await.expect("it takes too long")
}

#[test]
fn a_set_and_a_port_are_readable_while_messages_wait() {
    let nodes = Nodes::start(1);
    let (owner, sender) = (nodes.task(1), nodes.task(1));
    let set = PortSet::allocate(&owner).expect("a set");
    let ports: Vec<_> = (0..3).map(|_| ReceiveRight::allocate(&owner).expect("a port")).collect();
    ports[..2].iter().for_each(|p| set.add(p).expect("a member"));
    let (of_set, of_port) = (set.watch().expect("a descriptor"), ports[2].watch().expect("a descriptor"));
    let refused = ports[0].watch().expect_err("a member");
    assert_eq!(refused.kern(), Some(KernReturn::AlreadyInSet));
    let rights: Vec<SendRight> = ports
        .iter()
        .enumerate()
        .map(|(n, p)| {
            owner.check_in(&format!("port {n}"), NamedRight::NULL, p.made_send()).expect("a free name");
            sender.look_up(&format!("port {n}"), "").expect("a right")
        })
        .collect();
    assert!(!readable(&of_set, QUIET) && !readable(&of_port, QUIET));
    post(&sender, rights[1].copied(), 1);
    post(&sender, rights[0].copied(), 2);
    assert!(readable(&of_set, SOON) && !readable(&of_port, QUIET), "the set and not the port");
    assert_eq!(set.receive(None).expect("a message").id, 1);
    assert!(readable(&of_set, SOON), "one still waits");
    let again = set.watch().expect("another descriptor of the same");
    assert_eq!(set.receive(None).expect("a message").id, 2);
    assert!(!readable(&of_set, QUIET) && !readable(&again, QUIET));
    post(&sender, rights[2].copied(), 3);
    assert!(!readable(&of_set, QUIET) && readable(&of_port, SOON), "the port and not the set");
    assert_eq!(take(&ports[2]), 3);
    assert!(!readable(&of_port, QUIET) && !of_port.has_ended());
}

#[test]
fn a_descriptor_outlives_what_it_stood_for_and_says_so() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let ended = |watch: &Watch| readable(watch, SOON) && watch.has_ended();
    let set = PortSet::allocate(&task).expect("a set");
    let port = ReceiveRight::allocate(&task).expect("a port");
    let (of_set, of_port) = (set.watch().expect("a descriptor"), port.watch().expect("a descriptor"));
    set.add(&port).expect("a member");
    assert!(ended(&of_port), "it is to be received from the set now");
    assert_eq!(code(port.receive(Some(Duration::ZERO)).expect_err("a member")), MsgReturn::RcvInSet);
    drop(set);
    assert!(ended(&of_set));
    let of_port = port.watch().expect("it stands alone again");
    assert!(!readable(&of_port, QUIET));
    drop(port);
    assert!(ended(&of_port));
    // The task, and the node.
    let port = ReceiveRight::allocate(&task).expect("a port");
    let of_task = port.watch().expect("a descriptor");
    drop((port, task));
    assert!(ended(&of_task));
    let other = nodes.task(1);
    let port = ReceiveRight::allocate(&other).expect("a port");
    let of_node = port.watch().expect("a descriptor");
    nodes.kill(1);
    assert!(ended(&of_node));
}

#[test]
fn messages_are_awaited_from_several_senders_and_none_is_lost() {
    let nodes = Nodes::start(1);
    let (owner, sender) = (nodes.task(1), nodes.task(1));
    const SENDERS: i32 = 4;
    const EACH: i32 = 500;
    let sets: Vec<_> = (0..2).map(|_| Arc::new(PortSet::allocate(&owner).expect("a set"))).collect();
    let ports: Vec<_> = (0..SENDERS).map(|_| ReceiveRight::allocate(&owner).expect("a port")).collect();
    for (n, port) in ports.iter().enumerate() {
        sets[n % 2].add(port).expect("a member");
        owner.check_in(&format!("p{n}"), NamedRight::NULL, port.made_send()).expect("a free name");
    }
    let senders: Vec<_> = (0..SENDERS)
        .map(|n| {
            let (task, right) = (sender.clone(), sender.look_up(&format!("p{n}"), "").expect("a right"));
            std::thread::spawn(move || (0..EACH).for_each(|i| post(&task, right.copied(), n * 1000 + i)))
        })
        .collect();
    // Each set has two receivers, and each of those drops every other of its futures while it is being polled.
    let got = Arc::new(AtomicU32::new(0));
    runtime(2).block_on(async {
        let receivers = sets.iter().flat_map(|set| [set.clone(), set.clone()]).map(|set| {
            let got = got.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    tokio::select! {
                        biased;
                        received = set.recv() => {
                            ids.push(received.expect("a message").id);
                            got.fetch_add(1, Ordering::SeqCst);
                        }
                        () = tokio::time::sleep(Duration::from_micros(300)) => {
                            if got.load(Ordering::SeqCst) == (SENDERS * EACH) as u32 {
                                return ids;
                            }
                        }
                    }
                }
            })
        });
        let receivers: Vec<_> = receivers.collect();
        let mut all = Vec::new();
        for receiver in receivers {
            all.extend(soon(receiver).await.expect("a receiver"));
        }
        all.sort_unstable();
        let wanted: Vec<i32> = (0..SENDERS).flat_map(|n| (0..EACH).map(move |i| n * 1000 + i)).collect();
        assert!(all == wanted, "{} of {} messages", all.len(), wanted.len());
    });
    senders.into_iter().for_each(|s| s.join().expect("a sender"));
}

#[test]
fn a_right_is_awaited_in_one_runtime_after_the_other_and_in_and_out_of_a_set() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let port = ReceiveRight::allocate(&task).expect("a port");
    for id in [1, 2] {
        runtime(1).block_on(async {
            assert!(tokio::time::timeout(QUIET, port.recv()).await.is_err(), "nothing is there");
            post(&task, port.made_send(), id);
            assert_eq!(soon(port.recv()).await.expect("a message").id, id);
        });
    }
    runtime(1).block_on(async {
        let set = PortSet::allocate(&task).expect("a set");
        set.add(&port).expect("a member");
        assert_eq!(code(soon(port.recv()).await.expect_err("a member")), MsgReturn::RcvInSet);
        set.remove(&port).expect("a member");
        assert!(tokio::time::timeout(QUIET, port.recv()).await.is_err(), "nothing is there");
        post(&task, port.made_send(), 3);
        assert_eq!(soon(port.recv()).await.expect("a message").id, 3);
    });
}

#[test]
fn calls_are_awaited_each_with_its_own_reply() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    runtime(2).block_on(async {
        let host = task.host();
        let calls = (0..40).map(|_| {
            let task = task.clone();
            tokio::spawn(async move { soon(task.call(&host, node::Info)).await.expect("an answer").info.name })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.expect("a call"), "n1");
        }
        // A server that does not answer: the call is given up, and its late answer goes to nobody.
        let port = ReceiveRight::allocate(&task).expect("a port");
        let right = port.make_send().expect("a right");
        let call = tokio::time::timeout(QUIET, task.call(&right, node::Info));
        assert!(call.await.is_err());
        let late = soon(port.recv()).await.expect("the request").into_raw();
        let refused = task.send(message(late.remote, 9100));
        assert_eq!(code(refused.expect_err("the port for the reply is gone")), MsgReturn::SendInvalidDest);
        assert_eq!(soon(task.call(&host, node::Info)).await.expect("an answer").info.name, "n1");
        // A server that dies.
        let call = {
            let (task, right) = (task.clone(), right.try_clone().expect("a right"));
            tokio::spawn(async move { task.call(&right, node::Info).await })
        };
        drop(soon(port.recv()).await.expect("the request"));
        assert!(soon(call).await.expect("a call").expect_err("no answer").is_dead());
    });
}

#[test]
fn an_awaited_send_waits_for_room_and_a_dropped_one_leaves_nothing_behind() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let port = ReceiveRight::allocate(&task).expect("a port");
    let limit = mach_port::SetQlimit { name: port.name().0, qlimit: 1 };
    task.rpc(&task.task_self(), limit).expect("a limit");
    let right = port.make_send().expect("a right");
    runtime(1).block_on(async {
        task.send_async(message(right.copied(), 1)).await.expect("there is room");
        let carried = ReceiveRight::allocate(&task).expect("a port");
        let mut dropped = message(right.copied(), 2);
        dropped.body = vec![Item::Port(carried.made_send())].into();
        assert!(tokio::time::timeout(QUIET, task.send_async(dropped)).await.is_err(), "there is none");
        // What it carried is given up.
        let began = Instant::now();
        loop {
            let request = mach_port::GetReceiveStatus { name: carried.name().0 };
            if !task.rpc(&task.task_self(), request).expect("its status").status.srights {
                break;
            }
            assert!(began.elapsed() < SOON, "the right is still somewhere");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let third = {
            let (task, m) = (task.clone(), message(right.copied(), 3));
            tokio::spawn(async move { task.send_async(m).await })
        };
        tokio::time::sleep(QUIET).await;
        assert!(!third.is_finished(), "there is no room yet");
        assert_eq!(soon(port.recv()).await.expect("a message").id, 1);
        soon(third).await.expect("a sender").expect("it is sent");
        assert_eq!(soon(port.recv()).await.expect("a message").id, 3);
    });
}

#[test]
fn ipc_cancel_2_a_wait_is_ended_from_another_thread_and_no_message_is_lost() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let port = Arc::new(ReceiveRight::allocate(&task).expect("a port"));
    let right = port.make_send().expect("a right");
    // However the two threads meet: the receive ends, with the message or without it, and the message is there once.
    for round in 0..200 {
        let canceller = Canceller::new(&task);
        let receiving = {
            let (port, canceller) = (port.clone(), canceller.clone());
            std::thread::spawn(move || canceller.scope(|| port.receive(Some(SOON))))
        };
        if round % 4 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        if round % 3 == 0 {
            post(&task, right.copied(), round);
        }
        canceller.cancel();
        let received = within(SOON, "the end of the wait", || receiving.join().expect("a receiver"));
        let id = match received {
            Ok(message) => Some(message.id),
            Err(error) => {
                assert_eq!(code(error), MsgReturn::RcvInterrupted);
                port.receive(Some(Duration::ZERO)).ok().map(|m| m.id)
            }
        };
        assert_eq!(id, (round % 3 == 0).then_some(round));
        assert_eq!(code(canceller.scope(|| port.receive(None)).expect_err("it is used up")), MsgReturn::RcvInterrupted);
    }
    // A blocked send has its message back.
    for id in 0..5 {
        post(&task, right.copied(), id);
    }
    let canceller = Canceller::new(&task);
    let (waits, is_waiting) = mpsc::channel();
    let sending = {
        let (task, canceller, m) = (task.clone(), canceller.clone(), message(right.copied(), 5));
        std::thread::spawn(move || {
            canceller.scope(|| {
                waits.send(()).unwrap();
                task.send(m)
            })
        })
    };
    is_waiting.recv().unwrap();
    std::thread::sleep(QUIET);
    canceller.cancel();
    match within(SOON, "the end of the send", || sending.join().expect("a sender")) {
        Err(MsgError::Code { code: MsgReturn::SendInterrupted, message: Some(back) }) => {
            assert_eq!((back.id, back.remote.name), (5, right.name()));
            task.release_rights(*back);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((0..5).map(|_| take(&port)).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(code(port.receive(Some(Duration::ZERO)).expect_err("no more")), MsgReturn::RcvTimedOut);
    nodes.assert_up(1);
}

#[test]
fn a_thread_s_wait_is_aborted_through_its_port_also_from_another_node() {
    let nodes = Nodes::start(2);
    let (owner, other) = (nodes.task(1), nodes.task(2));
    let port = ReceiveRight::allocate(&owner).expect("a port");
    let from = port.name();
    let (tell, told) = mpsc::channel();
    let waits = std::thread::spawn({
        let owner = owner.clone();
        move || {
            let own = owner.thread_self().expect("a thread port");
            owner.check_in("the thread", NamedRight::NULL, own.copied()).expect("a free name");
            tell.send(()).expect("the test waits");
            owner.receive(from, None)
        }
    });
    told.recv().expect("the thread began");
    let thread = other.look_up("the thread", "n1").expect("its port");
    // It may not wait yet; an abort before it does is nothing.
    while !waits.is_finished() {
        // It may have ended since, and its port with it.
        if let Err(error) = other.rpc(&thread, iface::thread::Abort) {
            assert!(error.is_dead(), "{error}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(code(waits.join().expect("no panic").expect_err("no message")), MsgReturn::RcvInterrupted);
    // Its port died with it, here and there.
    let gone = other.rpc(&thread, iface::thread::Abort).expect_err("the thread is gone");
    assert!(gone.is_dead(), "{gone}");
}

#[test]
fn a_host_and_the_threads_of_a_task_are_asked_from_here_and_from_another_node() {
    let nodes = Nodes::start(2);
    let (owner, other) = (nodes.task(1), nodes.task(2));
    let own = NamedRight::copy_send(owner.task_self());
    owner.check_in("the task", NamedRight::NULL, own).expect("a free name");
    owner.check_in("its host", NamedRight::NULL, NamedRight::copy_send(owner.host())).expect("a free name");
    let (far_task, far_host) = (other.look_up("the task", "n1").unwrap(), other.look_up("its host", "n1").unwrap());
    let basic = iface::host::Info { flavor: 1, host_info_out_count: 1024 };
    let near = owner.rpc(&owner.host(), basic.clone()).expect("it answers");
    assert_eq!(other.rpc(&far_host, basic).expect("it answers"), near);
    let version = other.rpc(&far_host, iface::host::GetKernelVersion).expect("it answers").kernel_version;
    assert!(version.ends_with("node n1"), "{version}");
    let threads = other.rpc(&far_task, iface::task::TaskThreads).expect("it answers").thread_list;
    assert_eq!(threads.len(), 1);
    let thread = SendRight::adopt(&other, threads[0].name);
    let special = iface::thread::GetSpecialPort { which_port: 1 };
    let kernel_port = other.rpc(&thread, special).expect("it answers").special_port;
    assert_eq!(kernel_port.name, thread.name(), "one name for one port, whichever way it came");
    drop(SendRight::adopt(&other, kernel_port.name));
}
