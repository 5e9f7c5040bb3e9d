//! Ports as communication between tasks on different nodes.

use std::time::{Duration, Instant};

use mach::proto::iface::{mach_port, notify, task};
use mach::proto::{
    Disposition, Inherit, Item, KernReturn, Message, MsgReturn, NamedRight, Prot, SimpleRoutine, TraceId,
};
use mach::{MsgError, ReceiveRight, RpcError, Send, SendOnceRight, SendRight, Task};
use mach_tests::processes::{Nodes, SLACK};
use mach_tests::wait_until;

use crate::{PAGE, contents};

/// How long a message between two nodes of this machine may take.
const SOON: Duration = Duration::from_secs(5);

/// A port of a task on n1, checked in there, and a right to it of a task on n2.
struct Pair {
    nodes: Nodes,
    owner: Task,
    port: ReceiveRight,
    client: Task,
    right: SendRight,
}

fn pair() -> Pair {
    let nodes = Nodes::start(2);
    let owner = nodes.task(1);
    let port = ReceiveRight::allocate(&owner).expect("a port");
    owner.check_in("service", NamedRight::NULL, port.made_send()).expect("the name is free");
    let client = nodes.task(2);
    let right = client.look_up("service", "n1").expect("the name is known");
    Pair { nodes, owner, port, client, right }
}

fn message(remote: NamedRight, local: NamedRight, id: i32, body: Vec<Item<NamedRight>>) -> Message<NamedRight> {
    Message { remote, local, id, seqno: 0, trace: TraceId(0), body: body.into() }
}

fn number(message: &Message<NamedRight>) -> u32 {
    match message.body.items()[..] {
        [Item::U32(number)] => number,
        _ => panic!("{message:?}"),
    }
}

#[test]
fn a_call_and_its_answer_carry_rights_and_memory_both_ways() {
    let Pair { nodes, owner, port, client, right } = pair();
    let (reply, inner) =
        (ReceiveRight::allocate(&client).expect("a port"), ReceiveRight::allocate(&client).expect("a port"));
    let memory: Vec<u8> = (0..300_000u32).map(|i| (i * 7 / 5) as u8).collect();
    let body = vec![
        Item::U32(1),
        Item::U64(u64::MAX),
        Item::Data(b"inline".to_vec().into()),
        Item::Port(inner.made_send()),
        Item::OutOfLine(memory.clone().into()),
    ];
    client.send(message(right.copied(), reply.made_send_once(), 400, body)).expect("it is sent");

    let request = port.receive(Some(SOON)).expect("the request").into_raw();
    assert_eq!((request.id, request.local.name), (400, port.name()));
    let Ok([Item::U32(1), Item::U64(u64::MAX), Item::Data(inline), Item::Port(carried), Item::OutOfLine(copy)]) =
        <[Item<NamedRight>; 5]>::try_from(request.body.items())
    else {
        panic!("not the body that was sent");
    };
    assert_eq!((&inline[..], carried.disposition), (&b"inline"[..], Disposition::MoveSend));
    assert!(copy.to_bytes()[..] == memory, "out-of-line memory as it was");
    assert_eq!(request.remote.disposition, Disposition::MoveSendOnce);
    let answer_to = SendOnceRight::adopt(&owner, request.remote.name);

    // The answer carries a right to another port of the owner, and the carried right leads back to the client.
    let other = ReceiveRight::allocate(&owner).expect("a port");
    owner
        .send(message(answer_to.into_named(), NamedRight::NULL, 500, vec![Item::Port(other.made_send())]))
        .expect("an answer");
    let back = SendRight::adopt(&owner, carried.name);
    owner.send(message(back.copied(), NamedRight::NULL, 401, vec![Item::U32(9)])).expect("it is sent");

    let answer = reply.receive(Some(SOON)).expect("the answer").into_raw();
    let (500, [Item::Port(given)]) = (answer.id, &answer.body.items()[..]) else { panic!("{answer:?}") };
    assert_eq!(number(&inner.receive(Some(SOON)).expect("what came through the carried right").into_raw()), 9);
    let given = SendRight::adopt(&client, given.name);
    client.send(message(given.copied(), NamedRight::NULL, 402, vec![Item::U32(8)])).expect("it is sent");
    assert_eq!(number(&other.receive(Some(SOON)).expect("what came through the given right").into_raw()), 8);
    (1..=2).for_each(|n| nodes.assert_up(n));
}

#[test]
fn messages_of_one_sender_arrive_in_order_and_once() {
    let Pair { port, client, right, nodes: _nodes, owner: _owner } = pair();
    let sender = std::thread::spawn(move || {
        for n in 0..2000 {
            client.send(message(right.copied(), NamedRight::NULL, 1, vec![Item::U32(n)])).expect("it is sent");
        }
    });
    for n in 0..2000 {
        assert_eq!(number(&port.receive(Some(SOON)).expect("a message").into_raw()), n);
    }
    sender.join().expect("the sender");
    assert!(port.receive(Some(Duration::from_millis(50))).is_err(), "nothing came twice");
}

#[test]
fn a_full_queue_makes_a_remote_sender_wait_until_its_time_is_up() {
    let Pair { port, client, right, nodes: _nodes, owner } = pair();
    owner.rpc(&owner.task_self(), mach_port::SetQlimit { name: port.name().0, qlimit: 3 }).expect("a limit");
    let timeout = Some(Duration::from_millis(300));
    let send = |n| {
        let message = message(right.copied(), NamedRight::NULL, 1, vec![Item::U32(n)]);
        client.mach_msg(Some(Send { message, timeout }), None)
    };
    let mut sent = 0;
    let began = loop {
        assert!(sent < 1000, "a sender is never made to wait");
        let began = Instant::now();
        match send(sent) {
            Ok(_) => sent += 1,
            Err(MsgError::Code { code: MsgReturn::SendTimedOut, .. }) => break began,
            Err(other) => panic!("{other}"),
        }
    };
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(280) && waited < SLACK, "it waited {waited:?}");
    assert!(sent >= 3, "{sent}");
    // What was taken arrives, and then there is room again.
    for n in 0..sent {
        let message = port.receive(Some(SOON)).unwrap_or_else(|e| panic!("message {n} of {sent}: {e}")).into_raw();
        assert_eq!(number(&message), n);
    }
    send(7777).expect("there is room");
    assert_eq!(number(&port.receive(Some(SOON)).expect("a message").into_raw()), 7777);
}

/// The client asks to be told of the death of its right; answers the port that is told.
fn watch(client: &Task, right: &SendRight) -> ReceiveRight {
    let told = ReceiveRight::allocate(client).expect("a port");
    let request = mach_port::RequestNotification {
        name: right.name().0,
        msgid: <notify::DeadName as SimpleRoutine<NamedRight>>::ID,
        sync: 0,
        notify: told.made_send_once(),
    };
    client.rpc(&client.task_self(), request).expect("a request");
    told
}

/// The notification comes, and the right is a dead name afterwards.
#[track_caller]
fn is_dead(client: &Task, right: &SendRight, told: &ReceiveRight) {
    let notice = told.receive(Some(SOON)).expect("a notification").into_raw();
    assert_eq!(notice.id, <notify::DeadName as SimpleRoutine<NamedRight>>::ID);
    let notice = notify::DeadName::from_body(notice.body).expect("a dead-name notification");
    assert_eq!(notice.name, right.name().0);
    let refused = client.send(message(right.copied(), NamedRight::NULL, 1, Vec::new()));
    assert!(matches!(refused, Err(MsgError::Code { code: MsgReturn::SendInvalidDest, .. })), "{refused:?}");
}

#[test]
fn the_end_of_the_owner_is_a_dead_name_on_the_other_node() {
    let Pair { nodes, owner, port, client, right } = pair();
    let told = watch(&client, &right);
    drop((port, owner));
    is_dead(&client, &right, &told);
    wait_until(SOON, "the name is forgotten", || {
        let gone = client.look_up("service", "n1").err()?;
        (gone.kern() == Some(KernReturn::NameNotCheckedIn)).then_some(())
    });
    nodes.assert_up(1);
}

#[test]
fn the_death_of_a_node_is_a_dead_name_on_the_other_node() {
    let Pair { nodes, owner: _owner, port: _port, client, right } = pair();
    let told = watch(&client, &right);
    nodes.kill(1);
    is_dead(&client, &right, &told);
}

#[test]
fn a_call_to_a_node_that_dies_is_answered() {
    let Pair { nodes, owner: _owner, port: _port, client, right } = pair();
    let call = std::thread::spawn(move || client.rpc(&right, mach::proto::iface::node::Info));
    std::thread::sleep(Duration::from_millis(100));
    nodes.kill(1);
    let error = mach_tests::processes::within(SOON, "the end of the call", || call.join().expect("a caller"));
    assert!(error.expect_err("nobody served it").is_dead(), "the caller is told that the server died");
}

/// A right to a task's port works from any node: here it maps memory, which the target's agent carries out.
#[test]
fn memory_is_mapped_into_a_task_of_another_node_by_its_task_port() {
    let nodes = Nodes::start(2);
    let bytes = contents(32 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let (caller, target) = (nodes.task(1), nodes.task(2));
    target.check_in("target", NamedRight::NULL, NamedRight::copy_send(target.task_self())).expect("the name is free");
    let port = caller.look_up("target", "n2").expect("the task's port");
    let object = caller.look_up("data", "n1").expect("the object's port");
    let (size, access) = ((32 * PAGE) as u64, Prot::READ.bits());
    let request = task::VmMap {
        address: 0,
        size,
        mask: 0,
        anywhere: true,
        memory_object: object.copied(),
        offset: 0,
        copy: false,
        cur_protection: access,
        max_protection: access,
        inheritance: Inherit::None as u32,
    };
    let address = caller.rpc(&port, request).expect("the target maps it").address;
    let mut seen = vec![0; size as usize];
    target.read_memory(address, &mut seen).expect("the target can read it");
    assert!(seen == bytes, "the target has the file's bytes");
    caller.rpc(&port, task::VmDeallocate { address, size }).expect("the target unmaps it");
    assert!(target.read_memory(address, &mut seen).is_err(), "nothing is there any more");
    let region = caller.rpc(&port, task::VmRegion { address });
    assert_eq!(region.expect_err("nothing is mapped").kern(), Some(KernReturn::NoSpace));
}

#[test]
fn a_call_after_one_with_a_bad_right_gets_its_own_answer() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let port = ReceiveRight::allocate(&task).expect("a port");
    let unknown = NamedRight::copy_send(mach::proto::PortName(0x12_3456));
    for n in 0..3 {
        let request = mach_port::InsertRight { name: 0x5555, right: unknown };
        let error = task.rpc(&task.task_self(), request).expect_err("there is no such right");
        let RpcError::Msg { source: MsgError::Code { code: MsgReturn::SendInvalidRight, .. }, .. } = error else {
            panic!("{error}")
        };
        let request = mach_port::SetQlimit { name: port.name().0, qlimit: 5000 + n };
        let error = task.rpc(&task.task_self(), request).expect_err("beyond the bound");
        assert_eq!(error.kern(), Some(KernReturn::InvalidValue), "{error}");
        let request = mach_port::GetReceiveStatus { name: port.name().0 };
        assert_eq!(task.rpc(&task.task_self(), request).expect("its status").status.qlimit, 5);
    }
}
