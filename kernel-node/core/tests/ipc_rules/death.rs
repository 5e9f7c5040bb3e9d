//! Death: of ports, messages, spaces; and receive rights that move.

use kernel_core::ipc::{Effect, NotificationKind, Right};
use proto::Disposition::*;
use proto::limits::{DEAD_UREFS_MAX, TRANSIT_CHAIN_MAX, UREFS_MAX};
use proto::{Item, MsgReturn, NamedRight, PortName, RightType};

use super::world::{World, message, name_item, port};

#[test]
fn ipc_destroy_1_a_chain_of_nested_receive_rights_does_not_overflow() {
    // Each port's queue has the receive right of the one before it. No check at each step: it looks at everything.
    const DEPTH: usize = 100_000;
    let mut w = World::new();
    let (s, home) = (w.space(), w.space());
    let last = w.port(home);
    let once = w.give(home, last, MakeSendOnce, s);
    let mut inner = port(once, MoveSendOnce);
    let mut outer = PortName::NULL;
    for _ in 0..DEPTH {
        outer = w.ipc.allocate(s, RightType::Receive).unwrap();
        let m = message(NamedRight::make_send(outer), NamedRight::NULL, 1, vec![inner]);
        w.ipc.send(s, m, kernel_core::ipc::SendOptions::POLL, &mut w.fx).unwrap();
        inner = port(outer, MoveReceive);
    }
    w.ipc.check();
    assert_eq!(w.ipc.ports_len(), DEPTH + 1);
    w.destroy(s, outer).unwrap();
    assert_eq!(w.ipc.ports_len(), 1);
    assert_eq!(w.drain(home, last), [71]);
    assert_eq!(w.ipc.queued(), (0, 0));
}

#[test]
fn ipc_destroy_1_every_kind_of_right_in_a_message_is_released() {
    let mut w = World::new();
    let (s, home) = (w.space(), w.space());
    let (p, q, mine) = (w.port(home), w.send_receive(s), w.send_receive(s));
    let notify = w.port(home);
    assert_eq!(w.request(home, p, NotificationKind::NoSenders, 1, notify), Ok(Right::Null));
    let (send, once) = (w.give(home, p, MakeSend, s), w.give(home, p, MakeSendOnce, s));
    let many = vec![NamedRight::move_send(send), NamedRight { name: mine, disposition: MoveReceive }];
    let body = vec![port(once, MoveSendOnce), Item::Ports(many)];
    w.send(s, message(NamedRight::copy_send(q), NamedRight::make_send_once(q), 1, body)).unwrap();
    w.destroy(s, q).unwrap();
    assert_eq!((w.drain(home, p), w.drain(home, notify)), (vec![71], vec![70]));
    assert_eq!(w.type_of(s, mine), RightType::DeadName.type_bit());
}

#[test]
fn ipc_death_1_what_a_death_brings_in_which_order() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, log) = (w.port(s), w.port(other));
    w.set_qlimit(s, p, 1);
    let to_p = w.give(s, p, MakeSend, other);
    let send = |id, body| message(NamedRight::copy_send(to_p), NamedRight::NULL, id, body);
    // All is told to one port: a right queued, one blocked, a dead-name request; and the no-senders request.
    w.send(other, send(1, vec![port(log, MakeSendOnce)])).unwrap();
    let blocked = w.send_blocking(other, send(2, vec![port(log, MakeSendOnce)])).unwrap();
    assert_eq!(w.request(other, to_p, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    let right = w.extract(other, log, MakeSendOnce).unwrap();
    w.step(|ipc, fx| ipc.request_notification(s, p, NotificationKind::NoSenders, 0, right, fx)).map(drop).unwrap();
    let (port_id, _) = w.ipc.port_of(s, p).unwrap();
    w.ipc.kernel_watch_death(port_id, kernel_core::ipc::KernelTag(5)).unwrap();
    w.destroy(s, p).unwrap();
    let died = Effect::PortDied { port: port_id, tag: kernel_core::ipc::KernelTag(5) };
    assert_eq!(w.effects(), [Effect::Sent { waiter: blocked, result: Ok(()) }, died]);
    let told: Vec<_> = (0..4).map(|_| w.receive(other, log)).map(|m| (m.id, m.body.items())).collect();
    let once = (71, vec![]);
    assert_eq!(told, [once.clone(), once.clone(), once, (72, vec![name_item(to_p)])]);
    assert_eq!(w.status(other, log).sorights, 0);
}

#[test]
fn ipc_death_2_senders_that_wait_see_success() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let p = w.port(s);
    w.set_qlimit(s, p, 0);
    let to_p = w.give(s, p, MakeSend, other);
    let m = || message(NamedRight::copy_send(to_p), NamedRight::NULL, 1, vec![]);
    let waiters = [0; 3].map(|_| w.send_blocking(other, m()).unwrap());
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.effects(), waiters.map(|waiter| Effect::Sent { waiter, result: Ok(()) }));
}

#[test]
fn ipc_death_3_an_armed_no_senders_request_becomes_a_send_once_notification() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, notify) = (w.port(s), w.port(s));
    w.give(s, p, MakeSend, other);
    assert_eq!(w.request(s, p, NotificationKind::NoSenders, 0, notify), Ok(Right::Null));
    w.destroy(s, p).unwrap();
    assert_eq!(w.drain(s, notify), [71]);
    // The same when the name keeps the last send right until its port is dead.
    let p = w.send_receive(s);
    assert_eq!(w.request(s, p, NotificationKind::NoSenders, 0, notify), Ok(Right::Null));
    w.mod_refs(s, p, RightType::Receive, -1).unwrap();
    assert_eq!(w.drain(s, notify), [71]);
}

#[test]
fn ipc_dead_1_names_of_a_dead_port_are_dead_names() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let p = w.port(s);
    let (send, once) = (w.give(s, p, MakeSend, other), w.give(s, p, MakeSendOnce, other));
    w.mod_refs(other, send, RightType::Send, 2).unwrap();
    w.destroy(s, p).unwrap();
    assert_eq!(w.ipc.names(other).unwrap().iter().map(|n| n.1).collect::<Vec<_>>(), [0x0010_0000; 2]);
    assert_eq!(w.refs(other, send, RightType::DeadName), 3);
    assert_eq!(w.refs(other, once, RightType::DeadName), 1);
    assert_eq!(w.refs(other, send, RightType::Send), 0);
    assert_eq!(
        w.send_code(other, message(NamedRight::copy_send(send), NamedRight::NULL, 1, vec![])),
        MsgReturn::SendInvalidDest
    );
    w.mod_refs(other, send, RightType::DeadName, -3).unwrap();
    assert_eq!(w.type_of(other, send), 0);
}

#[test]
fn ipc_dead_2_an_armed_request_adds_a_reference_that_is_its_own() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, log) = (w.port(s), w.port(other));
    let (send, once) = (w.give(s, p, MakeSend, other), w.give(s, p, MakeSendOnce, other));
    w.mod_refs(other, send, RightType::Send, 2).unwrap();
    for name in [send, once] {
        assert_eq!(w.request(other, name, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    }
    w.destroy(s, p).unwrap();
    assert_eq!(w.refs(other, send, RightType::DeadName), 4);
    assert_eq!(w.refs(other, once, RightType::DeadName), 2);
    for name in [send, once] {
        let m = w.receive(other, log);
        assert_eq!((m.id, m.body.items()), (72, vec![name_item(name)]));
    }
    // Its own receive right, and references at the limit.
    let both = w.send_receive(other);
    w.mod_refs(other, both, RightType::Send, UREFS_MAX as i32 - 1).unwrap();
    assert_eq!(w.request(other, both, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    w.mod_refs(other, both, RightType::Receive, -1).unwrap();
    assert_eq!(w.refs(other, both, RightType::DeadName), DEAD_UREFS_MAX);
    assert_eq!(w.drain(other, log), [72]);
}

#[test]
fn ipc_dead_3_freeing_an_armed_name_tells_that_it_was_deleted() {
    type Free = fn(&mut World, kernel_core::ipc::SpaceId, PortName);
    let deallocate: Free = |w, s, name| w.deallocate(s, name).unwrap();
    let destroy: Free = |w, s, name| w.destroy(s, name).unwrap();
    let move_away: Free = |w, s, name| {
        let other = w.space();
        w.give(s, name, MoveSend, other);
    };
    let give_receive: Free = |w, s, name| {
        let other = w.space();
        w.give(s, name, MoveReceive, other);
    };
    let space_dies: Free = |w, s, _| w.step(|ipc, fx| ipc.space_destroy(s, fx));
    let by_kind: [(&str, &[Free]); 4] = [
        ("send", &[deallocate, destroy, move_away, space_dies]),
        ("once", &[deallocate, destroy, space_dies]),
        ("receive", &[destroy, give_receive, space_dies]),
        ("both", &[destroy, space_dies]),
    ];
    for (kind, ways) in by_kind {
        for free in ways {
            let mut w = World::new();
            let (s, home) = (w.space(), w.space());
            let (p, log) = (w.port(home), w.port(home));
            let name = match kind {
                "send" => w.give(home, p, MakeSend, s),
                "once" => w.give(home, p, MakeSendOnce, s),
                "receive" => w.port(s),
                _ => w.send_receive(s),
            };
            let right = w.extract(home, log, MakeSendOnce).unwrap();
            let armed = |ipc: &mut kernel_core::ipc::Ipc, fx: &mut Vec<Effect>| {
                ipc.request_notification(s, name, NotificationKind::DeadName, 0, right, fx)
            };
            assert_eq!(w.step(armed), Ok(Right::Null));
            free(&mut w, s, name);
            let m = w.receive(home, log);
            assert_eq!((m.id, m.body.items()), (65, vec![name_item(name)]), "{kind}");
            assert_eq!(w.drain(home, log), []);
        }
    }
    // A name that stays in use keeps its request.
    let mut w = World::new();
    let s = w.space();
    let (p, log) = (w.send_receive(s), w.port(s));
    assert_eq!(w.request(s, p, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    w.deallocate(s, p).unwrap();
    assert_eq!(w.drain(s, log), []);
}

#[test]
fn ipc_space_1_the_death_of_a_space_gives_up_everything() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (theirs, log) = (w.port(other), w.port(other));
    assert_eq!(w.request(other, theirs, NotificationKind::NoSenders, 1, log), Ok(Right::Null));
    w.give(other, theirs, MakeSend, s);
    w.give(other, theirs, MakeSendOnce, s);
    let (p, set) = (w.send_receive(s), w.set(s));
    let at_other = w.give(s, p, MakeSend, other);
    w.move_member(s, p, set).unwrap();
    w.post(s, p, 1, vec![port(p, MakeSend)]);
    w.step(|ipc, _| ipc.allocate(s, RightType::DeadName)).unwrap();
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.ipc.ports_len(), 2);
    assert_eq!((w.drain(other, theirs), w.drain(other, log)), (vec![71], vec![70]));
    assert_eq!(w.type_of(other, at_other), RightType::DeadName.type_bit());
    assert_eq!(w.ipc.queued(), (0, 0));
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.step(|ipc, _| ipc.allocate(s, RightType::Receive)), Err(proto::KernReturn::InvalidTask));
}

#[test]
fn ipc_space_2_the_waits_of_its_threads_end() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, full, mine) = (w.port(s), w.port(other), w.port(other));
    w.set_qlimit(other, full, 0);
    let to_full = w.give(other, full, MakeSend, s);
    let reply = w.give(other, mine, MakeSendOnce, s);
    let receiver = w.receive_blocking(s, p);
    let m = message(NamedRight::copy_send(to_full), NamedRight::move_send_once(reply), 1, vec![]);
    let sender = w.send_blocking(s, m).unwrap();
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    let effects = w.effects();
    assert_eq!(effects.len(), 2);
    assert!(effects.contains(&Effect::Sent { waiter: sender, result: Err(MsgReturn::SendInterrupted) }));
    assert!(effects.iter().any(|e| matches!(e, Effect::Received { waiter, result: Err(e) }
        if *waiter == receiver && e.code == MsgReturn::RcvPortDied)));
    assert_eq!(w.drain(other, mine), [71]);
    assert_eq!(w.receive_code(other, full), MsgReturn::RcvTimedOut);
}

#[test]
fn ipc_move_1_moving_the_receive_right_starts_its_counters_again() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, set) = (w.send_receive(s), w.set(s));
    w.post(s, p, 1, vec![]);
    w.receive(s, p);
    w.move_member(s, p, set).unwrap();
    assert_eq!((w.status(s, p).mscount, w.status(s, p).seqno), (1, 1));
    let there = w.give(s, p, MoveReceive, other);
    let status = w.status(other, there);
    assert_eq!((status.mscount, status.seqno, status.pset), (0, 0, PortName::NULL));
}

#[test]
fn ipc_move_2_queue_senders_and_requests_move_along() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, q, log) = (w.send_receive(s), w.port(other), w.port(s));
    w.set_qlimit(s, p, 1);
    assert_eq!(w.request(s, p, NotificationKind::NoSenders, 0, log), Ok(Right::Null));
    w.post(s, p, 1, vec![]);
    let m = |id| message(NamedRight::copy_send(p), NamedRight::NULL, id, vec![]);
    let waiter = w.send_blocking(s, m(2)).unwrap();
    let to_q = w.give(other, q, MakeSend, s);
    w.post(s, to_q, 9, vec![port(p, MoveReceive)]);
    // In transit it has no receiver, but a queue: a further sender waits behind.
    let behind = w.send_blocking(s, m(3)).unwrap();
    let Item::Port(there) = w.receive(other, q).body.items()[0] else { panic!("a right") };
    assert_eq!(w.drain(other, there.name), [1, 2, 3]);
    assert_eq!(w.effects(), [waiter, behind].map(|waiter| Effect::Sent { waiter, result: Ok(()) }));
    w.deallocate(s, p).unwrap();
    assert_eq!(w.drain(s, log), [70]);
}

#[test]
fn ipc_circular_1_a_message_into_itself_is_sent_and_destroyed() {
    let mut w = World::new();
    let (s, home) = (w.space(), w.space());
    let log = w.port(home);
    for links in [1, 2, 5] {
        // Ports p0..pn, the receive right of each in the queue of the next; the last closes the ring.
        let ports: Vec<_> = (0..links).map(|_| w.send_receive(s)).collect();
        let once = w.give(home, log, MakeSendOnce, s);
        w.post(s, ports[0], 1, vec![port(once, MoveSendOnce)]);
        for pair in ports.windows(2) {
            w.post(s, pair[1], 1, vec![port(pair[0], MoveReceive)]);
        }
        w.post(s, ports[0], 1, vec![port(ports[links - 1], MoveReceive)]);
        assert_eq!(w.ipc.ports_len(), 1, "the ring of {links} is gone");
        assert_eq!(w.drain(home, log), [71]);
        assert!(ports.iter().all(|p| w.type_of(s, *p) == RightType::DeadName.type_bit()));
    }
    // A blocked message counts as in transit.
    let (p, q) = (w.send_receive(s), w.send_receive(s));
    w.set_qlimit(s, q, 0);
    let m = message(NamedRight::copy_send(q), NamedRight::NULL, 1, vec![port(p, MoveReceive)]);
    let waiter = w.send_blocking(s, m).unwrap();
    w.post(s, p, 1, vec![port(q, MoveReceive)]);
    assert_eq!(w.effects(), [Effect::Sent { waiter, result: Ok(()) }]);
    assert_eq!(w.ipc.ports_len(), 1);
}

#[test]
fn ipc_circular_2_the_search_has_an_end() {
    let mut w = World::new();
    let s = w.space();
    // A chain built from its outer end: each send looks through all of it.
    let mut inner = w.send_receive(s);
    let mut way_in = Right::Null;
    for depth in 0.. {
        // Without a check at each step: it looks at everything.
        let next = w.ipc.allocate(s, RightType::Receive).unwrap();
        let send = w.ipc.extract_right(s, next, MakeSend, &mut w.fx).unwrap();
        w.ipc.insert_right(s, next, send, &mut w.fx).unwrap();
        let once = w.ipc.extract_right(s, next, MakeSendOnce, &mut w.fx).unwrap();
        let m = message(NamedRight::copy_send(inner), NamedRight::NULL, 1, vec![port(next, MoveReceive)]);
        match w.ipc.send(s, m, kernel_core::ipc::SendOptions::POLL, &mut w.fx) {
            Ok(_) => {
                inner = next;
                let before = std::mem::replace(&mut way_in, once);
                w.ipc.release(before, &mut w.fx);
            }
            Err(error) => {
                assert_eq!((depth, error.code, error.message), (TRANSIT_CHAIN_MAX, MsgReturn::SendNoBuffer, None));
                assert_eq!(w.type_of(s, next), RightType::DeadName.type_bit());
                w.ipc.release(once, &mut w.fx);
                break;
            }
        }
    }
    w.ipc.check();
    // A port that asked to be saved into the far end of it is not.
    let p = w.port(s);
    let (id, _) = w.ipc.port_of(s, p).unwrap();
    let asked = |ipc: &mut kernel_core::ipc::Ipc, fx: &mut Vec<Effect>| {
        ipc.request_notification(s, p, NotificationKind::PortDestroyed, 0, way_in, fx)
    };
    assert_eq!(w.step(asked), Ok(Right::Null));
    w.destroy(s, p).unwrap();
    assert!(!w.ipc.is_alive(id));
}

#[test]
fn ipc_drop_5_what_follows_is_told_in_the_order_in_which_it_happened() {
    use NotificationKind::{DeadName, NoSenders};
    let told = |give_up: &dyn Fn(&mut World, kernel_core::ipc::SpaceId, PortName)| {
        let mut w = World::new();
        let (s, other) = (w.space(), w.space());
        let (p, log) = (w.send_receive(s), w.port(s));
        let at_other = w.give(s, p, MakeSend, other);
        w.deallocate(s, p).unwrap();
        for (space, name, kind) in [(s, p, NoSenders), (other, at_other, DeadName)] {
            let right = w.extract(s, log, MakeSendOnce).unwrap();
            let asked = w.step(|ipc, fx| ipc.request_notification(space, name, kind, 0, right, fx));
            assert_eq!(asked, Ok(kernel_core::ipc::Right::Null));
        }
        give_up(&mut w, other, at_other);
        w.drain(s, log)
    };
    assert_eq!(told(&|w, s, name| w.deallocate(s, name).unwrap()), [70, 65]);
    assert_eq!(told(&|w, s, name| w.destroy(s, name).unwrap()), [70, 65]);
    assert_eq!(told(&|w, s, name| w.mod_refs(s, name, RightType::Send, -1).unwrap()), [70, 65]);
    assert_eq!(told(&|w, s, _| w.step(|ipc, fx| ipc.space_destroy(s, fx))), [70, 65]);
    // A send-once right: its notification, then that the name is gone.
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let log = w.port(s);
    let once = w.give(s, log, MakeSendOnce, other);
    let right = w.extract(s, log, MakeSendOnce).unwrap();
    let asked = w.step(|ipc, fx| ipc.request_notification(other, once, DeadName, 0, right, fx));
    assert_eq!(asked, Ok(kernel_core::ipc::Right::Null));
    w.deallocate(other, once).unwrap();
    assert_eq!(w.drain(s, log), [71, 65]);
}

#[test]
fn ipc_drop_5_the_last_send_right_is_given_up_before_the_receive_right() {
    let mut w = World::new();
    let s = w.space();
    for senders in [1, 2] {
        let (p, log) = (w.send_receive(s), w.port(s));
        let other = w.space();
        if senders == 2 {
            w.give(s, p, MakeSend, other);
        }
        assert_eq!(w.request(s, p, NotificationKind::NoSenders, 0, log), Ok(kernel_core::ipc::Right::Null));
        w.destroy(s, p).unwrap();
        let m = w.receive(s, log);
        let expected = if senders == 1 { (70, vec![Item::U32(1)]) } else { (71, vec![]) };
        assert_eq!((m.id, m.body.items()), expected, "{senders} senders");
    }
}
