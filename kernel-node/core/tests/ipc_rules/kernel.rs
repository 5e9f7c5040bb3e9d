//! The kernel's own ports, and in-process servers.

use kernel_core::ipc::{Effect, KernelTag, NotificationKind, PortId, Right, SpaceId};
use proto::Disposition::*;
use proto::{Item, KernReturn, Message, MsgReturn, NamedRight, PortName, RightType, TraceId};

use super::world::{World, message, port};

fn kernel_port(w: &mut World, tag: u64) -> PortId {
    w.step(|ipc, _| ipc.kernel_port_allocate(KernelTag(tag))).unwrap()
}

/// A send right to a kernel-owned port, in a space.
fn reachable(w: &mut World, port: PortId, space: SpaceId) -> PortName {
    let right = w.step(|ipc, _| ipc.make_send(port));
    w.step(|ipc, fx| ipc.insert_right_for(space, right, fx)).unwrap()
}

fn from_kernel(remote: Right, id: i32, body: Vec<Item<Right>>) -> Message<Right> {
    Message { remote, local: Right::Null, id, seqno: 0, trace: TraceId(3), body: body.into() }
}

#[test]
fn ipc_kernel_1_messages_to_the_kernel_are_in_one_inbox_in_order() {
    let mut w = World::new();
    let s = w.space();
    let (one, two) = (kernel_port(&mut w, 1), kernel_port(&mut w, 2));
    let (to_one, to_two) = (reachable(&mut w, one, s), reachable(&mut w, two, s));
    let mine = w.port(s);
    for id in 0..20 {
        let to = if id % 3 == 0 { to_two } else { to_one };
        let m = message(NamedRight::copy_send(to), NamedRight::make_send_once(mine), id, vec![port(mine, MakeSend)]);
        w.send(s, m).unwrap();
    }
    for id in 0..20 {
        let k = w.step(|ipc, fx| ipc.kernel_receive(fx)).unwrap();
        let (port, tag) = if id % 3 == 0 { (two, 2) } else { (one, 1) };
        assert_eq!((k.port, k.tag, k.message.id, &k.message.local), (port, KernelTag(tag), id, &Right::Null));
        assert!(matches!((&k.message.remote, k.message.body.rights()), (Right::SendOnce(_), [Right::Send(_)])));
        w.step(|ipc, fx| ipc.release_message(k.message, fx));
    }
    assert_eq!(w.step(|ipc, fx| ipc.kernel_receive(fx)), None);
    assert_eq!(w.drain(s, mine), [71; 20]);
    // The right it was sent to is used up; a message to a port that died is destroyed.
    w.send(s, message(NamedRight::move_send(to_one), NamedRight::make_send_once(mine), 1, vec![])).unwrap();
    assert_eq!(w.ipc.ports().find(|p| p.port == one).unwrap().send_rights, 0);
    w.step(|ipc, fx| ipc.kernel_port_destroy(one, fx));
    assert_eq!(w.step(|ipc, fx| ipc.kernel_receive(fx)), None);
    assert_eq!(w.drain(s, mine), [71]);
}

#[test]
fn ipc_kernel_2_the_kernel_never_waits_and_keeps_nothing_back() {
    let mut w = World::new();
    let s = w.space();
    let (p, mine) = (w.send_receive(s), w.port(s));
    w.set_qlimit(s, p, 0);
    let to_p = w.extract(s, p, MakeSend).unwrap();
    for id in 0..3 {
        let to = w.step(|ipc, _| ipc.copy_send(&to_p));
        let carried = w.extract(s, mine, MakeSendOnce).unwrap();
        w.step(|ipc, fx| ipc.kernel_send(from_kernel(to, id, vec![Item::Port(carried)]), fx)).unwrap();
    }
    assert_eq!(w.ipc.kernel_held(), 1);
    assert_eq!((w.receive(s, p).trace, w.drain(s, p)), (TraceId(3), vec![1, 2]));
    w.destroy(s, p).unwrap();
    let carried = w.extract(s, mine, MakeSendOnce).unwrap();
    let failed = w.step(|ipc, fx| ipc.kernel_send(from_kernel(to_p, 9, vec![Item::Port(carried)]), fx));
    assert_eq!(failed, Err(MsgReturn::SendInvalidDest));
    for to in [Right::Null, Right::Dead] {
        let failed = w.step(|ipc, fx| ipc.kernel_send(from_kernel(to, 9, vec![]), fx));
        assert_eq!(failed, Err(MsgReturn::SendInvalidDest));
    }
    assert_eq!((w.drain(s, mine), w.ipc.kernel_held()), (vec![71], 0));
}

#[test]
fn ipc_kernel_2_only_send_rights_are_copied() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    for how in [CopySend, MakeSendOnce, MoveReceive] {
        let right = w.extract(s, p, how).unwrap();
        let copy = w.step(|ipc, _| ipc.copy_send(&right));
        assert_eq!(copy == right, how == CopySend);
        assert_eq!(copy == Right::Null, how != CopySend);
        for right in [right, copy] {
            w.step(|ipc, fx| ipc.release(right, fx));
        }
    }
    let dead = w.extract(s, p, CopySend).unwrap();
    assert_eq!(w.step(|ipc, _| ipc.copy_send(&dead)), Right::Dead);
    assert_eq!(w.step(|ipc, _| ipc.copy_send(&Right::Null)), Right::Null);
    assert_eq!(w.ipc.kernel_held(), 0);
}

#[test]
fn ipc_kernel_3_a_receive_right_goes_from_the_kernel_and_to_it_only_by_its_own_act() {
    let mut w = World::new();
    let s = w.space();
    let k = kernel_port(&mut w, 1);
    let name = reachable(&mut w, k, s);
    assert_eq!(w.extract(s, name, MoveReceive), Err(KernReturn::InvalidRight));
    assert_eq!(w.extract(s, name, MakeSend), Err(KernReturn::InvalidRight));
    assert_eq!(w.step(|ipc, _| ipc.get_receive_status(s, name)), Err(KernReturn::InvalidRight));
    assert_eq!(w.receive_code(s, name), MsgReturn::RcvInvalidName);
    // As memory_object_terminate gives its ports away.
    let right = w.step(|ipc, fx| ipc.kernel_give_receive(k, fx)).unwrap();
    assert_eq!(w.ipc.kernel_tag(k), None);
    assert_eq!(w.step(|ipc, fx| ipc.kernel_give_receive(k, fx)), None);
    assert_eq!(w.step(|ipc, fx| ipc.insert_right_for(s, right, fx)), Ok(name));
    assert_eq!(w.type_of(s, name), RightType::Send.type_bit() | RightType::Receive.type_bit());
    // And back: what waits there comes along, senders that wait are done.
    w.set_qlimit(s, name, 1);
    let inner = w.port(s);
    w.post(s, name, 1, vec![port(inner, MoveReceive)]);
    let m = message(NamedRight::copy_send(name), NamedRight::NULL, 2, vec![]);
    let blocked = w.send_blocking(s, m).unwrap();
    let right = w.extract(s, name, MoveReceive).unwrap();
    assert_eq!(w.step(|ipc, fx| ipc.kernel_adopt(right, KernelTag(9), fx)), Ok(k));
    assert_eq!(w.effects(), [Effect::Sent { waiter: blocked, result: Ok(()) }]);
    for id in [1, 2] {
        let got = w.step(|ipc, fx| ipc.kernel_receive(fx)).unwrap();
        assert_eq!((got.tag, got.message.id), (KernelTag(9), id));
        w.step(|ipc, fx| ipc.release_message(got.message, fx));
    }
    assert_eq!(w.ipc.ports_len(), 1, "the receive right in the message died with it");
    let send = w.extract(s, name, CopySend).unwrap();
    let refused = w.step(|ipc, fx| ipc.kernel_adopt(send, KernelTag(9), fx)).unwrap_err();
    w.step(|ipc, fx| ipc.release(refused, fx));
}

#[test]
fn ipc_kernel_4_the_kernel_is_told_of_deaths_it_watches() {
    let mut w = World::new();
    let s = w.space();
    let p = w.port(s);
    let (id, uid) = w.ipc.port_of(s, p).unwrap();
    assert_eq!(w.ipc.uid(id), Some(uid));
    for tag in [1, 2, 2, 3] {
        w.step(|ipc, _| ipc.kernel_watch_death(id, KernelTag(tag))).unwrap();
    }
    assert!(w.step(|ipc, _| ipc.kernel_unwatch(id, KernelTag(1))));
    assert!(!w.step(|ipc, _| ipc.kernel_unwatch(id, KernelTag(1))));
    w.destroy(s, p).unwrap();
    let tag_of = |e| match e {
        Effect::PortDied { port, tag } if port == id => tag.0,
        other => panic!("{other:?}"),
    };
    let mut tags: Vec<_> = w.effects().into_iter().map(tag_of).collect();
    tags.sort();
    assert_eq!(tags, [2, 2, 3]);
    assert_eq!(w.step(|ipc, _| ipc.kernel_watch_death(id, KernelTag(1))), Err(KernReturn::InvalidCapability));
    assert!(!w.ipc.is_alive(id));
}

#[test]
fn ipc_kernel_5_a_retired_port_dies_with_its_last_send_right() {
    let mut w = World::new();
    let s = w.space();
    let (unused, used) = (kernel_port(&mut w, 1), kernel_port(&mut w, 2));
    let name = reachable(&mut w, used, s);
    for port in [unused, used] {
        w.step(|ipc, fx| ipc.kernel_port_retire(port, fx));
    }
    assert!(!w.ipc.is_alive(unused) && w.ipc.is_alive(used));
    let in_message = w.step(|ipc, _| ipc.make_send(used));
    w.deallocate(s, name).unwrap();
    assert!(w.ipc.is_alive(used), "one right is still in the kernel's hands");
    w.step(|ipc, fx| ipc.release(in_message, fx));
    assert!(!w.ipc.is_alive(used));
}

#[test]
fn ipc_kernel_4_a_death_deep_in_a_cascade_is_told_too() {
    let mut w = World::new();
    let s = w.space();
    let (inner, outer) = (w.send_receive(s), w.send_receive(s));
    let (id, _) = w.ipc.port_of(s, inner).unwrap();
    w.ipc.kernel_watch_death(id, KernelTag(4)).unwrap();
    w.post(s, outer, 1, vec![port(inner, MoveReceive)]);
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.effects(), [Effect::PortDied { port: id, tag: KernelTag(4) }]);
}

#[test]
fn ipc_kernel_1_a_notification_may_go_to_the_kernel() {
    let mut w = World::new();
    let s = w.space();
    let k = kernel_port(&mut w, 1);
    let p = w.send_receive(s);
    for kind in [NotificationKind::NoSenders, NotificationKind::PortDestroyed] {
        let notify = w.step(|ipc, _| ipc.make_send_once(k));
        assert_eq!(w.step(|ipc, fx| ipc.request_notification(s, p, kind, 0, notify, fx)), Ok(Right::Null));
    }
    w.destroy(s, p).unwrap();
    let got: Vec<_> = std::iter::from_fn(|| w.step(|ipc, fx| ipc.kernel_receive(fx))).map(|k| k.message).collect();
    assert_eq!(got.iter().map(|m| m.id).collect::<Vec<_>>(), [69, 70], "saved, then without senders");
    for m in got {
        w.step(|ipc, fx| ipc.release_message(m, fx));
    }
    assert_eq!(w.ipc.ports_len(), 1);
}

#[test]
fn ipc_readable_1_a_server_is_told_once_until_it_has_looked() {
    let mut w = World::new();
    let (server, client) = (w.server(), w.space());
    let (p, q) = (w.port(server), w.port(server));
    let (to_p, to_q) = (w.give(server, p, MakeSend, client), w.give(server, q, MakeSend, client));
    w.post(client, to_p, 1, vec![]);
    assert_eq!(w.effects(), [Effect::Readable(server)]);
    w.post(client, to_p, 2, vec![]);
    w.post(client, to_q, 3, vec![]);
    assert_eq!(w.effects(), []);
    assert_eq!(w.receive(server, p).id, 1);
    w.post(client, to_p, 4, vec![]);
    assert_eq!(w.effects(), [], "it has not found its queue empty yet");
    assert_eq!((w.drain(server, p), w.drain(server, q)), (vec![2, 4], vec![3]));
    w.post(client, to_q, 5, vec![]);
    assert_eq!(w.effects(), [Effect::Readable(server)]);
    assert_eq!(w.drain(server, q), [5]);
    // A receiver that waits is told by its own effect.
    let waiter = w.receive_blocking(server, p);
    w.post(client, to_p, 6, vec![]);
    assert_eq!(w.received(waiter).unwrap().id, 6);
    // A port with messages that joins the set on which the server polls.
    let set = w.step(|ipc, _| ipc.allocate(server, RightType::PortSet)).unwrap();
    let late = w.port(server);
    let to_late = w.give(server, late, MakeSend, client);
    w.post(client, to_late, 8, vec![]);
    assert_eq!(w.effects(), [Effect::Readable(server)]);
    assert_eq!(w.drain(server, set), []);
    w.step(|ipc, fx| ipc.move_member(server, late, set, fx)).unwrap();
    assert_eq!(w.effects(), [Effect::Readable(server)]);
    assert_eq!(w.drain(server, set), [8]);
    // A port that comes with messages; a sender that waits because of a limit of 0.
    let mine = w.send_receive(client);
    w.post(client, mine, 7, vec![]);
    w.give(client, mine, MoveReceive, server);
    assert_eq!(w.effects(), [Effect::Readable(server)]);
    assert_eq!(w.receive_code(server, p), MsgReturn::RcvTimedOut);
    w.set_qlimit(server, p, 0);
    let m = message(NamedRight::copy_send(to_p), NamedRight::NULL, 8, vec![]);
    let blocked = w.send_blocking(client, m).unwrap();
    assert_eq!(w.effects(), [Effect::Readable(server)]);
    assert_eq!(w.receive(server, p).id, 8);
    assert_eq!(w.effects(), [Effect::Sent { waiter: blocked, result: Ok(()) }]);
    // A space of a task hears nothing.
    w.post(client, to_q, 9, vec![]);
    let own = w.send_receive(client);
    w.effects();
    w.post(client, own, 10, vec![]);
    assert_eq!(w.effects(), []);
}
