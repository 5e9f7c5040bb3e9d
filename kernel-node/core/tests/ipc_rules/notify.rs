//! Requests for notifications.

use kernel_core::ipc::NotificationKind::{DeadName, NoSenders, PortDestroyed};
use kernel_core::ipc::{Effect, Right};
use proto::Disposition::*;
use proto::limits::DEAD_UREFS_MAX;
use proto::{Item, KernReturn, NamedRight, PortName, RightType};

use super::world::{TYPE_ARMED, World, message, name_item, port};

#[test]
fn ipc_notify_1_a_request_replaces_and_returns_the_one_before() {
    for kind in [DeadName, PortDestroyed, NoSenders] {
        let mut w = World::new();
        let s = w.space();
        let (p, one, two) = (w.send_receive(s), w.port(s), w.port(s));
        assert_eq!(w.request(s, p, kind, 0, one), Ok(Right::Null));
        let Ok(Right::SendOnce(previous)) = w.request(s, p, kind, 0, two) else { panic!("{kind:?}") };
        assert_eq!(previous, w.ipc.port_of(s, one).unwrap().0);
        w.step(|ipc, fx| ipc.release(Right::SendOnce(previous), fx));
        assert_eq!(w.drain(s, one), [71]);
        // Null disarms.
        let right = w.request(s, p, kind, 0, PortName::NULL).unwrap();
        assert!(matches!(right, Right::SendOnce(_)));
        w.step(|ipc, fx| ipc.release(right, fx));
        assert_eq!(w.drain(s, two), [71]);
        assert_eq!(w.request(s, p, kind, 0, PortName::NULL), Ok(Right::Null));
        assert_eq!(w.type_of(s, p) & TYPE_ARMED, 0);
        assert_eq!((w.status(s, p).pdrequest, w.status(s, p).nsrequest), (false, false));
    }
}

#[test]
fn ipc_notify_1_on_failure_the_right_is_released() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, set, log) = (w.port(s), w.set(s), w.port(s));
    let theirs = w.port(other);
    let send = w.give(other, theirs, MakeSend, s);
    use KernReturn::*;
    let cases = [
        (PortName(0x7_7000), NoSenders, 0, InvalidName),
        (send, NoSenders, 0, InvalidRight),
        (send, PortDestroyed, 0, InvalidRight),
        (p, PortDestroyed, 1, InvalidValue),
        (set, DeadName, 0, InvalidRight),
        (PortName::NULL, DeadName, 0, InvalidName),
    ];
    for (name, kind, sync, code) in cases {
        assert_eq!(w.request(s, name, kind, sync, log), Err(code));
        assert_eq!(w.drain(s, log), [71]);
    }
    // A right that is dead, or no send-once right.
    let dying = w.port(s);
    let dead = w.extract(s, dying, MakeSendOnce).unwrap();
    w.destroy(s, dying).unwrap();
    let send = w.extract(s, log, MakeSend).unwrap();
    for notify in [dead, Right::Dead, send] {
        let asked = w.step(|ipc, fx| ipc.request_notification(s, p, DeadName, 0, notify, fx));
        assert_eq!(asked, Err(InvalidCapability));
    }
    assert_eq!((w.srights(s, log), w.ipc.kernel_held()), (0, 0));
}

#[test]
fn ipc_notify_2_no_senders_comes_once_with_the_make_send_count() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, log, q) = (w.port(s), w.port(s), w.send_receive(other));
    let at_other = w.give(s, p, MakeSend, other);
    w.give(s, p, MakeSend, other);
    assert_eq!(w.request(s, p, NoSenders, 0, log), Ok(Right::Null));
    // Send-once rights are no senders; a right in a message is one.
    let once = w.give(s, p, MakeSendOnce, other);
    w.post(other, q, 1, vec![port(at_other, MoveSend), port(at_other, MoveSend)]);
    assert_eq!((w.type_of(other, at_other), w.drain(s, log)), (0, vec![]));
    w.destroy(other, q).unwrap();
    let m = w.receive(s, log);
    assert_eq!((m.id, m.body.items()), (70, vec![Item::U32(2)]));
    // One-shot, and asked again it waits for the count to pass `sync` or for the next transition.
    assert!(!w.status(s, p).nsrequest);
    assert_eq!(w.request(s, p, NoSenders, 3, log), Ok(Right::Null));
    assert_eq!(w.drain(s, log), []);
    let own = w.give(s, p, MakeSend, s);
    assert_eq!((own, w.drain(s, log)), (p, vec![]));
    w.deallocate(s, p).unwrap();
    let m = w.receive(s, log);
    assert_eq!((m.id, m.body.items()), (70, vec![Item::U32(3)]));
    // At once when there are none and sync is not above the count; what stood there comes back.
    for sync in [0, 3] {
        assert_eq!(w.request(s, p, NoSenders, sync, log), Ok(Right::Null));
        assert_eq!(w.drain(s, log), [70]);
        assert!(!w.status(s, p).nsrequest);
    }
    w.deallocate(other, once).unwrap();
    assert_eq!(w.drain(s, p), [71]);
}

#[test]
fn ipc_notify_3_a_receive_right_comes_back_instead_of_dying() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, log) = (w.send_receive(s), w.port(other));
    let at_other = w.give(s, p, MakeSend, other);
    w.set_qlimit(s, p, 1);
    w.post(s, p, 1, vec![]);
    let m = message(NamedRight::copy_send(at_other), NamedRight::NULL, 2, vec![]);
    let blocked = w.send_blocking(other, m).unwrap();
    let arm = |w: &mut World| {
        let right = w.extract(other, log, MakeSendOnce).unwrap();
        w.step(|ipc, fx| ipc.request_notification(s, p, PortDestroyed, 0, right, fx)).unwrap()
    };
    assert_eq!(arm(&mut w), Right::Null);
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.effects(), []);
    let m = w.receive(other, log);
    assert_eq!((m.id, &m.body.items()[..]), (69, &[port(at_other, MoveReceive)][..]));
    assert_eq!(w.drain(other, at_other), [1, 2]);
    assert_eq!(w.effects(), [Effect::Sent { waiter: blocked, result: Ok(()) }]);
    let status = w.status(other, at_other);
    assert_eq!((status.mscount, status.pdrequest), (0, false));
}

#[test]
fn ipc_notify_3_it_dies_when_nobody_is_there_or_it_would_hold_itself() {
    let mut w = World::new();
    let s = w.space();
    let (p, log) = (w.send_receive(s), w.port(s));
    assert_eq!(w.request(s, p, PortDestroyed, 0, log), Ok(Right::Null));
    w.destroy(s, log).unwrap();
    w.mod_refs(s, p, RightType::Receive, -1).unwrap();
    assert_eq!(w.type_of(s, p), RightType::DeadName.type_bit());
    // To itself.
    let q = w.send_receive(s);
    assert_eq!(w.request(s, q, PortDestroyed, 0, q), Ok(Right::Null));
    w.mod_refs(s, q, RightType::Receive, -1).unwrap();
    assert_eq!((w.type_of(s, q), w.ipc.ports_len()), (RightType::DeadName.type_bit(), 0));
    // To a port that is in its own queue.
    let (outer, inner) = (w.send_receive(s), w.send_receive(s));
    assert_eq!(w.request(s, outer, PortDestroyed, 0, inner), Ok(Right::Null));
    w.post(s, outer, 1, vec![port(inner, MoveReceive)]);
    w.mod_refs(s, outer, RightType::Receive, -1).unwrap();
    assert_eq!(w.ipc.ports_len(), 0);
}

#[test]
fn ipc_notify_4_a_dead_name_request_on_a_name_that_is_dead_already() {
    let mut w = World::new();
    let s = w.space();
    let log = w.port(s);
    let dead = w.step(|ipc, _| ipc.allocate(s, RightType::DeadName)).unwrap();
    assert_eq!(w.request(s, dead, DeadName, 1, log), Ok(Right::Null));
    assert_eq!(w.refs(s, dead, RightType::DeadName), 2);
    let m = w.receive(s, log);
    assert_eq!((m.id, m.body.items()), (72, vec![name_item(dead)]));
    assert_eq!(w.request(s, dead, DeadName, 0, log), Err(KernReturn::InvalidArgument));
    assert_eq!(w.request(s, dead, DeadName, 1, PortName::NULL), Err(KernReturn::InvalidArgument));
    w.mod_refs(s, dead, RightType::DeadName, DEAD_UREFS_MAX as i32 - 2).unwrap();
    assert_eq!(w.request(s, dead, DeadName, 1, log), Err(KernReturn::UrefsOverflow));
    assert_eq!(w.refs(s, dead, RightType::DeadName), DEAD_UREFS_MAX);
    assert_eq!(w.drain(s, log), [71, 71]);
}

#[test]
fn ipc_notify_5_a_notification_never_waits() {
    let mut w = World::new();
    let s = w.space();
    let (p, log) = (w.send_receive(s), w.port(s));
    w.set_qlimit(s, log, 0);
    assert_eq!(w.request(s, p, NoSenders, 0, log), Ok(Right::Null));
    w.deallocate(s, p).unwrap();
    assert_eq!(w.status(s, log).msgcount, 1);
    assert_eq!(w.drain(s, log), [70]);
    // To a port that is dead nothing is sent.
    let right = w.extract(s, p, MakeSend).unwrap();
    w.insert(s, p, right).unwrap();
    assert_eq!(w.request(s, p, NoSenders, 0, log), Ok(Right::Null));
    w.destroy(s, log).unwrap();
    w.deallocate(s, p).unwrap();
    assert_eq!(w.ipc.queued(), (0, 0));
}
