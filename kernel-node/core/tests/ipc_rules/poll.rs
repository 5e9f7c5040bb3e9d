//! [ipc.poll.*]: who wants to know, outside any call, whether messages wait.

use kernel_core::ipc::{Effect, Polled, PollerId, SpaceId};
use proto::limits::SPACE_POLLERS_MAX;
use proto::{Disposition::*, KernReturn, MsgReturn, NamedRight, PortName};

use super::world::{World, message};

fn poll(w: &mut World, space: SpaceId, name: PortName) -> Result<Polled, KernReturn> {
    w.step(|ipc, _| ipc.poll(space, name))
}

/// A poller whose level is low.
fn idle(w: &mut World, space: SpaceId, name: PortName) -> PollerId {
    let Polled { poller, ready } = poll(w, space, name).unwrap();
    assert!(!ready);
    poller
}

#[track_caller]
fn told(w: &mut World, poller: PollerId, ready: bool) {
    assert_eq!(w.effects(), [Effect::Level { poller, ready }]);
}

#[test]
fn ipc_poll_1_ports_and_sets_are_polled_and_members_are_not() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, set, member) = (w.send_receive(s), w.set(s), w.port(s));
    w.move_member(s, member, set).unwrap();
    w.post(s, p, 1, vec![]);
    assert!(poll(&mut w, s, p).unwrap().ready, "a message waits already");
    let of_set = idle(&mut w, s, set);
    assert_eq!(poll(&mut w, s, set), Ok(Polled { poller: of_set, ready: false }), "the same one again");
    assert_eq!(poll(&mut w, s, member), Err(KernReturn::AlreadyInSet));
    assert_eq!(poll(&mut w, s, PortName::NULL), Err(KernReturn::InvalidName));
    let send = w.give(s, p, CopySend, other);
    assert_eq!(poll(&mut w, other, send), Err(KernReturn::InvalidRight));
    for _ in 2..SPACE_POLLERS_MAX {
        let port = w.port(s);
        idle(&mut w, s, port);
    }
    let last = w.port(s);
    assert_eq!(poll(&mut w, s, last), Err(KernReturn::ResourceShortage));
    w.step(|ipc, _| ipc.unpoll(of_set));
    idle(&mut w, s, last);
    let theirs = w.port(other);
    idle(&mut w, other, theirs);
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert!(matches!(poll(&mut w, s, p), Err(KernReturn::InvalidTask)));
}

#[test]
fn ipc_poll_2_a_poller_follows_the_level() {
    let mut w = World::new();
    let s = w.space();
    let (p, q, set) = (w.send_receive(s), w.send_receive(s), w.set(s));
    let poller = idle(&mut w, s, p);
    w.post(s, p, 1, vec![]);
    told(&mut w, poller, true);
    w.post(s, p, 2, vec![]);
    assert_eq!((w.receive(s, p).id, w.effects()), (1, vec![]), "one still waits");
    assert_eq!(w.receive(s, p).id, 2);
    told(&mut w, poller, false);
    // A receiver that waits takes it; nothing ever waited.
    let waiter = w.receive_blocking(s, p);
    w.post(s, p, 3, vec![]);
    assert_eq!(w.received(waiter).unwrap().id, 3);
    // With a limit of 0 the message waits with its sender, until that gives up.
    w.set_qlimit(s, p, 0);
    let m = message(NamedRight::copy_send(p), NamedRight::NULL, 4, vec![]);
    let blocked = w.send_blocking(s, m).unwrap();
    told(&mut w, poller, true);
    w.cancel(blocked).unwrap();
    told(&mut w, poller, false);
    // A set is ready while any member is; what joins and leaves counts.
    let of_set = idle(&mut w, s, set);
    w.post(s, q, 5, vec![]);
    w.move_member(s, q, set).unwrap();
    told(&mut w, of_set, true);
    w.move_member(s, q, PortName::NULL).unwrap();
    told(&mut w, of_set, false);
    w.move_member(s, q, set).unwrap();
    told(&mut w, of_set, true);
    w.destroy(s, q).unwrap();
    told(&mut w, of_set, false);
}

#[test]
fn ipc_poll_3_a_poller_ends_where_a_waiting_receiver_would() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, set) = (w.port(s), w.set(s));
    let (of_port, of_set) = (idle(&mut w, s, p), idle(&mut w, s, set));
    w.move_member(s, p, set).unwrap();
    assert_eq!(w.effects(), [Effect::PollerEnded(of_port)]);
    assert_eq!(w.receive_code(s, p), MsgReturn::RcvInSet);
    // A set that ends leaves its member, which can be polled anew.
    w.destroy(s, set).unwrap();
    assert_eq!(w.effects(), [Effect::PollerEnded(of_set)]);
    assert_eq!(w.receive_code(s, set), MsgReturn::RcvInvalidName);
    let again = idle(&mut w, s, p);
    assert_ne!(again, of_port);
    // The receive right goes elsewhere.
    let there = w.give(s, p, MoveReceive, other);
    assert_eq!(w.effects(), [Effect::PollerEnded(again)]);
    let theirs = idle(&mut w, other, there);
    // The space dies.
    w.step(|ipc, fx| ipc.space_destroy(other, fx));
    assert_eq!(w.effects(), [Effect::PollerEnded(theirs)]);
    w.step(|ipc, _| ipc.unpoll(theirs));
}
