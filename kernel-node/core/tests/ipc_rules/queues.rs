//! Sending to a queue: room, order, waiting.

use kernel_core::ipc::{Cancelled, Effect, SendError, SendOptions, SendOutcome, SpaceId, WaiterId};
use proto::Disposition::*;
use proto::limits::{QLIMIT_DEFAULT, QLIMIT_MAX};
use proto::{KernReturn, Message, MsgReturn, NamedRight, PortName, RightType};

use super::world::{World, message, port};

fn to(name: PortName, id: i32) -> Message<NamedRight> {
    message(NamedRight::copy_send(name), NamedRight::NULL, id, vec![])
}

fn sent(waiter: WaiterId) -> Effect {
    Effect::Sent { waiter, result: Ok(()) }
}

/// A receiver's space and port, a sender's space and its name for it, and the queue filled with ids from 0 on.
fn full() -> (World, SpaceId, PortName, SpaceId, PortName) {
    let mut w = World::new();
    let (server, client) = (w.space(), w.space());
    let p = w.port(server);
    let to_p = w.give(server, p, MakeSend, client);
    for id in 0..QLIMIT_DEFAULT as i32 {
        w.send(client, to(to_p, id)).unwrap();
    }
    (w, server, p, client, to_p)
}

#[test]
fn ipc_send_1_a_full_queue_stops_all_but_send_once_and_send_always() {
    let (mut w, server, p, client, to_p) = full();
    assert_eq!(w.send_code(client, to(to_p, 9)), MsgReturn::SendTimedOut);
    let once = w.give(server, p, MakeSendOnce, client);
    w.send(client, message(NamedRight::move_send_once(once), NamedRight::NULL, 10, vec![])).unwrap();
    let always = w.step(|ipc, fx| ipc.send(client, to(to_p, 11), SendOptions::ALWAYS, fx));
    assert_eq!(always, Ok(SendOutcome::Sent));
    assert_eq!(w.status(server, p).msgcount, QLIMIT_DEFAULT + 2);
    assert_eq!(w.drain(server, p), [0, 1, 2, 3, 4, 10, 11]);
}

#[test]
fn ipc_send_2_a_poll_that_would_wait_has_its_message_back() {
    let (mut w, _, _, client, to_p) = full();
    let mine = w.port(client);
    let m = message(NamedRight::copy_send(to_p), NamedRight::make_send_once(mine), 9, vec![port(mine, MakeSend)]);
    let Err(SendError { code: MsgReturn::SendTimedOut, message: Some(back), .. }) = w.send(client, m) else {
        panic!("the queue is full")
    };
    assert_eq!((back.id, back.remote), (9, NamedRight::move_send(to_p)));
    assert_eq!(w.refs(client, to_p, RightType::Send), 2);
    assert_eq!(w.refs(client, mine, RightType::Send), 1);
    assert_eq!(w.type_of(client, back.local.name), RightType::SendOnce.type_bit());
}

#[test]
fn ipc_send_3_waiting_senders_are_served_in_order_and_once() {
    let (mut w, server, p, client, to_p) = full();
    let waiters: Vec<_> = (5..12).map(|id| w.send_blocking(client, to(to_p, id)).unwrap()).collect();
    for (i, waiter) in waiters.iter().enumerate() {
        assert_eq!(w.receive(server, p).id, i as i32);
        assert_eq!(w.effects(), [sent(*waiter)], "one place, one sender");
        assert_eq!(w.cancel(*waiter), None, "it waits no more");
    }
    assert_eq!(w.drain(server, p), [7, 8, 9, 10, 11]);
    assert_eq!(w.effects(), []);
}

#[test]
fn ipc_send_4_a_send_to_a_port_that_dies_succeeds_and_a_later_one_does_not() {
    let (mut w, server, p, client, to_p) = full();
    let mine = w.port(client);
    let m = message(NamedRight::copy_send(to_p), NamedRight::make_send_once(mine), 9, vec![]);
    let waiter = w.send_blocking(client, m).unwrap();
    w.destroy(server, p).unwrap();
    assert_eq!(w.effects(), [sent(waiter)]);
    assert_eq!(w.drain(client, mine), [71], "the message was destroyed");
    assert_eq!(w.send_code(client, to(to_p, 9)), MsgReturn::SendInvalidDest);
}

#[test]
fn ipc_queue_1_the_limit_and_its_bounds() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let p = w.port(s);
    assert_eq!(w.status(s, p).qlimit, 5);
    w.set_qlimit(s, p, QLIMIT_MAX);
    w.set_qlimit(s, p, 0);
    let at_other = w.give(s, p, MakeSend, other);
    for (space, name, qlimit, code) in [
        (s, p, QLIMIT_MAX + 1, KernReturn::InvalidValue),
        (other, at_other, 1, KernReturn::InvalidRight),
        (s, PortName(0x7_7000), 1, KernReturn::InvalidName),
    ] {
        assert_eq!(w.step(|ipc, fx| ipc.set_qlimit(space, name, qlimit, fx)), Err(code));
    }
    assert_eq!(w.status(s, p).qlimit, 0);
}

#[test]
fn ipc_queue_2_new_room_goes_to_as_many_senders() {
    let (mut w, server, p, client, to_p) = full();
    let waiters: Vec<_> = (5..10).map(|id| w.send_blocking(client, to(to_p, id)).unwrap()).collect();
    w.set_qlimit(server, p, QLIMIT_DEFAULT + 3);
    assert_eq!(w.effects(), waiters[..3].iter().map(|w| sent(*w)).collect::<Vec<_>>());
    w.set_qlimit(server, p, 1);
    assert_eq!(w.status(server, p).msgcount, QLIMIT_DEFAULT + 3, "nothing is taken out");
    for id in 0..7 {
        assert_eq!(w.receive(server, p).id, id);
        assert_eq!(w.effects(), []);
    }
    assert_eq!(w.receive(server, p).id, 7);
    assert_eq!(w.effects(), [sent(waiters[3])]);
    assert_eq!(w.drain(server, p), [8, 9]);
}

#[test]
fn ipc_queue_3_a_limit_of_0_hands_over_to_a_receiver() {
    let mut w = World::new();
    let (server, client) = (w.space(), w.space());
    let (p, q) = (w.port(server), w.port(server));
    let set = w.set(server);
    w.set_qlimit(server, p, 0);
    let to_p = w.give(server, p, MakeSend, client);
    assert_eq!(w.send_code(client, to(to_p, 1)), MsgReturn::SendTimedOut);
    // A receiver that waits already.
    let receiver = w.receive_blocking(server, p);
    w.send(client, to(to_p, 2)).unwrap();
    assert_eq!(w.received(receiver).unwrap().id, 2);
    // The next that comes.
    let sender = w.send_blocking(client, to(to_p, 3)).unwrap();
    assert_eq!(w.receive(server, p).id, 3);
    assert_eq!(w.effects(), [sent(sender)]);
    // The same through a set, from either side, and when the port joins later.
    w.move_member(server, p, set).unwrap();
    w.move_member(server, q, set).unwrap();
    let sender = w.send_blocking(client, to(to_p, 4)).unwrap();
    assert_eq!(w.receive(server, set).id, 4);
    assert_eq!(w.effects(), [sent(sender)]);
    let receiver = w.receive_blocking(server, set);
    w.send(client, to(to_p, 5)).unwrap();
    assert_eq!(w.received(receiver).unwrap().id, 5);
    w.move_member(server, p, PortName::NULL).unwrap();
    let sender = w.send_blocking(client, to(to_p, 6)).unwrap();
    let receiver = w.receive_blocking(server, set);
    w.move_member(server, p, set).unwrap();
    let [first, second] = &w.effects()[..] else { panic!("a sender and a receiver end") };
    assert_eq!(*first, sent(sender));
    assert!(matches!(second, Effect::Received { waiter, result: Ok(m) } if *waiter == receiver && m.message.id == 6));
}

#[test]
fn ipc_queue_4_the_port_numbers_its_messages_as_they_leave() {
    let mut w = World::new();
    let s = w.space();
    let (p, q, set) = (w.send_receive(s), w.send_receive(s), w.set(s));
    for id in 0..3 {
        w.post(s, p, id, vec![]);
        w.post(s, q, 10 + id, vec![]);
    }
    assert_eq!(w.receive(s, p).seqno, 0);
    w.move_member(s, p, set).unwrap();
    w.move_member(s, q, set).unwrap();
    let got: Vec<_> = (0..5).map(|_| w.receive(s, set)).map(|m| (m.local.name, m.id, m.seqno)).collect();
    assert_eq!(got, [(p, 1, 1), (p, 2, 2), (q, 10, 0), (q, 11, 1), (q, 12, 2)]);
    // Handing over to a waiting receiver counts too.
    let waiter = w.receive_blocking(s, set);
    w.post(s, p, 3, vec![]);
    assert_eq!(w.received(waiter).unwrap().seqno, 3);
}

#[test]
fn ipc_cancel_1_a_wait_cut_short_loses_no_message() {
    let (mut w, server, p, client, to_p) = full();
    let waiters: Vec<_> = (5..8).map(|id| w.send_blocking(client, to(to_p, id)).unwrap()).collect();
    let back = w.take_back(waiters[1]);
    assert_eq!(back.id, 6);
    assert_eq!(w.cancel(waiters[1]), None);
    assert_eq!(w.drain(server, p), [0, 1, 2, 3, 4, 5, 7]);
    assert_eq!(w.effects(), [sent(waiters[0]), sent(waiters[2])]);
    // Receivers: one that is cancelled takes nothing, one that was served has its message.
    let (first, second) = (w.receive_blocking(server, p), w.receive_blocking(server, p));
    assert_eq!(w.cancel(first), Some(Cancelled::Receive(MsgReturn::RcvInterrupted)));
    w.send(client, to(to_p, 8)).unwrap();
    assert_eq!(w.cancel(second), None);
    assert_eq!(w.received(second).unwrap().id, 8);
    assert_eq!(w.cancel(WaiterId(u64::MAX)), None);
}
