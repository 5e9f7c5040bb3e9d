//! Receiving: from a port, from a set, with too little room.

use kernel_core::ipc::{Effect, ReceiveOptions, SpaceId, Wait};
use proto::Disposition::*;
use proto::limits::SPACE_NAMES_MAX;
use proto::{Item, KernReturn, MsgReturn, NamedRight, NoRoom, PortName, RightType, TraceId};

use super::world::{World, message, port};

fn limit(limit: i64, large: bool) -> ReceiveOptions {
    ReceiveOptions { limit: Some(limit), large, ..ReceiveOptions::POLL }
}

#[test]
fn ipc_receive_1_only_a_receive_right_or_a_set_can_be_received_from() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, set) = (w.port(a), w.set(a));
    let names = [
        (a, PortName::NULL),
        (a, PortName::DEAD),
        (a, PortName(0x7_7000)),
        (b, w.give(a, p, MakeSend, b)),
        (b, w.give(a, p, MakeSendOnce, b)),
        (b, w.step(|ipc, _| ipc.allocate(b, RightType::DeadName)).unwrap()),
    ];
    for (space, name) in names {
        assert_eq!(w.receive_code(space, name), MsgReturn::RcvInvalidName, "{name:?}");
    }
    assert_eq!(w.receive_code(a, p), MsgReturn::RcvTimedOut);
    assert_eq!(w.receive_code(a, set), MsgReturn::RcvTimedOut);
}

#[test]
fn ipc_receive_2_a_member_is_received_from_through_its_set() {
    let mut w = World::new();
    let s = w.space();
    let (p, set) = (w.send_receive(s), w.set(s));
    w.post(s, p, 1, vec![]);
    w.move_member(s, p, set).unwrap();
    assert_eq!(w.receive_code(s, p), MsgReturn::RcvInSet);
    assert_eq!(w.receive(s, set).id, 1);
    w.move_member(s, p, PortName::NULL).unwrap();
    assert_eq!(w.receive_code(s, p), MsgReturn::RcvTimedOut);
}

#[test]
fn ipc_receive_3_waiting_receivers_are_served_in_order() {
    let mut w = World::new();
    let s = w.space();
    let (p, q, set) = (w.send_receive(s), w.send_receive(s), w.set(s));
    w.move_member(s, q, set).unwrap();
    for (send_to, receive_from) in [(p, p), (q, set)] {
        let waiters: Vec<_> = (0..3).map(|_| w.receive_blocking(s, receive_from)).collect();
        for (i, waiter) in waiters.into_iter().enumerate() {
            w.post(s, send_to, i as i32, vec![]);
            assert_eq!(w.received(waiter).unwrap().id, i as i32);
        }
        w.post(s, send_to, 9, vec![]);
        assert_eq!(w.effects(), []);
        assert_eq!(w.drain(s, receive_from), [9]);
    }
}

#[test]
fn ipc_receive_4_how_a_wait_for_a_message_ends_without_one() {
    fn ends(code: MsgReturn, act: impl FnOnce(&mut World, SpaceId, PortName, PortName)) {
        let mut w = World::new();
        let s = w.space();
        let (p, set) = (w.send_receive(s), w.set(s));
        let waiters = [w.receive_blocking(s, p), w.receive_blocking(s, p)];
        act(&mut w, s, p, set);
        let effects = w.effects();
        let ended = effects.iter().map(|e| match e {
            Effect::Received { waiter, result: Err(e) } => (*waiter, e.code),
            other => panic!("{other:?}"),
        });
        assert_eq!(ended.collect::<Vec<_>>(), waiters.map(|w| (w, code)));
    }
    ends(MsgReturn::RcvPortDied, |w, s, p, _| w.destroy(s, p).unwrap());
    ends(MsgReturn::RcvPortDied, |w, s, p, _| w.mod_refs(s, p, RightType::Receive, -1).unwrap());
    ends(MsgReturn::RcvPortDied, |w, s, _, _| w.step(|ipc, fx| ipc.space_destroy(s, fx)));
    ends(MsgReturn::RcvPortChanged, |w, s, p, set| w.move_member(s, p, set).unwrap());
    ends(MsgReturn::RcvPortChanged, |w, s, p, _| {
        let other = w.space();
        w.give(s, p, MoveReceive, other);
    });
    // A wait on the set ends with the set; what its members do does not touch it.
    let mut w = World::new();
    let s = w.space();
    let (p, set) = (w.send_receive(s), w.set(s));
    w.move_member(s, p, set).unwrap();
    let waiter = w.receive_blocking(s, set);
    w.destroy(s, p).unwrap();
    assert_eq!(w.effects(), []);
    w.destroy(s, set).unwrap();
    assert_eq!(w.received(waiter).unwrap_err().code, MsgReturn::RcvPortDied);
}

#[test]
fn ipc_deliver_1_the_header_arrives_swapped_and_its_right_used_up() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, mine) = (w.port(b), w.port(a));
    let (to_p, once) = (w.give(b, p, MakeSend, a), w.give(b, p, MakeSendOnce, a));
    let mut m = message(NamedRight::move_send(to_p), NamedRight::make_send_once(mine), 5, vec![]);
    m.trace = TraceId(77);
    w.send(a, m).unwrap();
    w.send(a, message(NamedRight::move_send_once(once), NamedRight::make_send(mine), 6, vec![])).unwrap();
    let first = w.receive(b, p);
    assert_eq!((first.id, first.trace, first.local), (5, TraceId(77), NamedRight::move_send(p)));
    assert_eq!(first.remote.disposition, MoveSendOnce);
    let second = w.receive(b, p);
    assert_eq!((second.local, second.remote.disposition), (NamedRight::move_send_once(p), MoveSend));
    let status = w.status(b, p);
    assert_eq!((status.srights, status.sorights, status.msgcount), (false, 0, 0));
    // The answers find their way.
    w.send(b, message(first.remote, NamedRight::NULL, 105, vec![])).unwrap();
    w.send(b, message(second.remote, NamedRight::NULL, 106, vec![])).unwrap();
    assert_eq!(w.drain(a, mine), [105, 106]);
    assert_eq!(w.ipc.names_len(b), 1);
}

/// A space with one name to spare beside a port on which it receives, and a message from elsewhere.
fn crowded(spare: usize, reply: bool, body_rights: usize) -> (World, SpaceId, PortName, SpaceId, PortName) {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, mine) = (w.port(b), w.port(a));
    let to_p = w.give(b, p, MakeSend, a);
    let reply = if reply { NamedRight::make_send_once(mine) } else { NamedRight::NULL };
    let body = (0..body_rights).map(|_| port(mine, MakeSendOnce)).collect();
    w.send(a, message(NamedRight::copy_send(to_p), reply, 1, body)).unwrap();
    while w.ipc.names_len(b) < SPACE_NAMES_MAX - 1 - spare {
        w.ipc.allocate(b, RightType::DeadName).unwrap();
    }
    (w, b, p, a, mine)
}

#[test]
fn ipc_deliver_2_without_room_for_the_reply_right_only_the_header_arrives() {
    let (mut w, b, p, a, mine) = crowded(0, true, 2);
    let error = w.try_receive(b, p, ReceiveOptions::POLL).unwrap_err();
    let header = error.message.unwrap().message;
    assert_eq!((error.code, error.no_room), (MsgReturn::RcvHeaderError, NoRoom::IPC_SPACE));
    assert_eq!((header.id, header.local), (1, NamedRight::move_send(p)));
    assert_eq!((header.remote.name, header.body.items()), (PortName::NULL, vec![]));
    assert_eq!(w.drain(a, mine), [71; 3]);
    assert_eq!(w.receive_code(b, p), MsgReturn::RcvTimedOut);
}

#[test]
fn ipc_deliver_3_without_room_for_rights_of_the_body_they_arrive_null() {
    let (mut w, b, p, a, mine) = crowded(2, true, 3);
    let error = w.try_receive(b, p, ReceiveOptions::POLL).unwrap_err();
    let m = error.message.unwrap().message;
    assert_eq!((error.code, error.no_room, m.id), (MsgReturn::RcvBodyError, NoRoom::IPC_SPACE, 1));
    assert_ne!(m.remote.name, PortName::NULL);
    let no_name = NamedRight::move_send_once(PortName::NULL);
    let [Item::Port(one), Item::Port(two), Item::Port(three)] = m.body.items()[..] else { panic!("{m:?}") };
    assert_eq!((one.disposition, two, three), (MoveSendOnce, no_name, no_name));
    assert_eq!(w.type_of(b, one.name), RightType::SendOnce.type_bit());
    assert_eq!(w.drain(a, mine), [71; 2]);
}

#[test]
fn ipc_large_1_a_message_too_large_is_destroyed_and_its_header_arrives() {
    let mut w = World::new();
    let s = w.space();
    let (p, mine) = (w.send_receive(s), w.port(s));
    let big = message(
        NamedRight::copy_send(p),
        NamedRight::make_send_once(mine),
        1,
        vec![Item::U64(0), port(mine, MakeSendOnce), Item::OutOfLine(vec![0; 100].into())],
    );
    w.send(s, big.clone()).unwrap();
    let error = w.try_receive(s, p, limit(47, false)).unwrap_err();
    assert_eq!((error.code, error.needed), (MsgReturn::RcvTooLarge, 3 * (8 + 8)));
    let header = error.message.unwrap().message;
    assert_eq!((header.id, header.seqno, header.local.name), (1, 0, p));
    assert_eq!((header.remote, header.body.items()), (NamedRight::move_send_once(PortName::NULL), vec![]));
    assert_eq!(w.drain(s, mine), [71, 71]);
    assert_eq!(w.receive_code(s, p), MsgReturn::RcvTimedOut);
    // The same for one that waits.
    let waiter = w.waiter();
    let options = ReceiveOptions { wait: Wait::Block(waiter), ..limit(47, false) };
    w.step(|ipc, fx| ipc.receive(s, p, options, fx)).unwrap();
    w.send(s, big.clone()).unwrap();
    let error = w.received(waiter).unwrap_err();
    assert_eq!((error.code, error.message.unwrap().message.seqno), (MsgReturn::RcvTooLarge, 1));
    // Exactly the limit fits.
    w.send(s, big).unwrap();
    assert_eq!(w.try_receive(s, p, limit(48, false)).unwrap().seqno, 2);
    // Not even a header: nothing does.
    w.post(s, p, 2, vec![]);
    assert_eq!(w.try_receive(s, p, limit(-1, false)).unwrap_err().code, MsgReturn::RcvTooLarge);
    assert_eq!(w.receive_code(s, p), MsgReturn::RcvTimedOut);
}

#[test]
fn ipc_large_2_with_receive_large_it_keeps_its_turn() {
    let mut w = World::new();
    let s = w.space();
    let (p, set) = (w.send_receive(s), w.set(s));
    w.post(s, p, 1, vec![Item::U64(0)]);
    w.post(s, p, 2, vec![]);
    for _ in 0..2 {
        let error = w.try_receive(s, p, limit(15, true)).unwrap_err();
        assert_eq!((error.code, error.needed, error.message), (MsgReturn::RcvTooLarge, 16, None));
    }
    let m = w.try_receive(s, p, limit(16, true)).unwrap();
    assert_eq!((m.id, m.seqno), (1, 0));
    assert_eq!(w.drain(s, p), [2]);
    // Not even a header: a message without a body stays, too.
    w.post(s, p, 4, vec![]);
    let error = w.try_receive(s, p, limit(-1, true)).unwrap_err();
    assert_eq!((error.code, error.needed, error.message), (MsgReturn::RcvTooLarge, 0, None));
    assert_eq!(w.drain(s, p), [4]);
    // Waiting receivers: those that cannot take it end, the one that can has it, the one behind waits on.
    w.move_member(s, p, set).unwrap();
    let waiters = [15, 15, 16, 15].map(|bytes| {
        let waiter = w.waiter();
        let options = ReceiveOptions { wait: Wait::Block(waiter), ..limit(bytes, true) };
        w.step(|ipc, fx| ipc.receive(s, set, options, fx)).unwrap();
        waiter
    });
    w.post(s, p, 3, vec![Item::U64(0)]);
    let end_of = |e| match e {
        Effect::Received { waiter, result } => (waiter, result.map(|m| m.message.id).map_err(|e| (e.code, e.needed))),
        other => panic!("{other:?}"),
    };
    let ended: Vec<_> = w.effects().into_iter().map(end_of).collect();
    let small = Err((MsgReturn::RcvTooLarge, 16));
    assert_eq!(ended, [(waiters[0], small), (waiters[1], small), (waiters[2], Ok(3))]);
    // Nobody takes it: it stays.
    w.post(s, p, 4, vec![Item::U64(0)]);
    assert_eq!(w.received(waiters[3]).unwrap_err().needed, 16);
    assert_eq!(w.drain(s, set), [4]);
}

#[test]
fn ipc_set_1_the_results_of_move_member() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, set, second) = (w.send_receive(s), w.set(s), w.set(s));
    let at_other = w.give(s, p, MakeSend, other);
    let theirs = w.set(other);
    use KernReturn::*;
    assert_eq!(w.move_member(s, p, PortName::NULL), Err(NotInSet));
    assert_eq!(w.move_member(s, p, set), Ok(()));
    assert_eq!(w.move_member(s, p, set), Ok(()));
    assert_eq!(w.status(s, p).pset, set);
    assert_eq!(w.move_member(s, p, second), Ok(()));
    assert_eq!(w.status(s, p).pset, second);
    assert_eq!(w.move_member(s, p, p), Err(InvalidRight));
    assert_eq!(w.move_member(s, p, PortName(0x7_7000)), Err(InvalidName));
    assert_eq!(w.move_member(s, p, PortName::DEAD), Err(InvalidName));
    assert_eq!(w.move_member(s, set, second), Err(InvalidRight));
    assert_eq!(w.move_member(other, at_other, theirs), Err(InvalidRight));
    assert_eq!(w.move_member(s, PortName(0x7_7000), set), Err(InvalidName));
    assert_eq!(w.status(s, p).pset, second, "what failed changed nothing");
    assert_eq!(w.move_member(s, p, PortName::NULL), Ok(()));
    assert_eq!(w.status(s, p).pset, PortName::NULL);
}

#[test]
fn ipc_set_2_a_set_merges_its_members_in_order_of_arrival() {
    let mut w = World::new();
    let s = w.space();
    let (p, q, r, set) = (w.send_receive(s), w.send_receive(s), w.send_receive(s), w.set(s));
    w.post(s, r, 100, vec![]);
    w.move_member(s, p, set).unwrap();
    w.move_member(s, q, set).unwrap();
    for (name, id) in [(q, 1), (p, 2), (p, 3), (q, 4)] {
        w.post(s, name, id, vec![]);
    }
    w.move_member(s, r, set).unwrap();
    w.post(s, p, 5, vec![]);
    assert_eq!(w.drain(s, set), [1, 2, 3, 4, 100, 5]);
    // A receiver that waits on the set gets what a port brings along.
    w.move_member(s, p, PortName::NULL).unwrap();
    w.post(s, p, 6, vec![]);
    let waiter = w.receive_blocking(s, set);
    w.move_member(s, p, set).unwrap();
    assert_eq!(w.received(waiter).unwrap().id, 6);
}

#[test]
fn ipc_set_3_messages_stay_with_their_port() {
    let mut w = World::new();
    let s = w.space();
    let (p, q, set) = (w.send_receive(s), w.send_receive(s), w.set(s));
    w.move_member(s, p, set).unwrap();
    w.move_member(s, q, set).unwrap();
    for (name, id) in [(p, 1), (q, 2), (p, 3), (q, 4)] {
        w.post(s, name, id, vec![]);
    }
    w.move_member(s, p, PortName::NULL).unwrap();
    assert_eq!((w.drain(s, set), w.drain(s, p)), (vec![2, 4], vec![1, 3]));
    // So do senders that wait on it.
    w.set_qlimit(s, p, 0);
    w.move_member(s, p, set).unwrap();
    let m = message(NamedRight::copy_send(p), NamedRight::NULL, 5, vec![]);
    let blocked = w.send_blocking(s, m).unwrap();
    w.move_member(s, p, PortName::NULL).unwrap();
    assert_eq!((w.drain(s, set), w.drain(s, p)), (vec![], vec![5]));
    assert_eq!(w.effects(), [Effect::Sent { waiter: blocked, result: Ok(()) }]);
}

#[test]
fn ipc_set_4_the_members_of_a_destroyed_set_stand_alone() {
    let mut w = World::new();
    let s = w.space();
    let (p, q, set) = (w.send_receive(s), w.send_receive(s), w.set(s));
    w.move_member(s, p, set).unwrap();
    w.move_member(s, q, set).unwrap();
    w.post(s, p, 1, vec![]);
    w.mod_refs(s, set, RightType::PortSet, -1).unwrap();
    assert_eq!((w.type_of(s, set), w.status(s, p).pset), (0, PortName::NULL));
    assert_eq!((w.drain(s, p), w.drain(s, q)), (vec![1], vec![]));
}
