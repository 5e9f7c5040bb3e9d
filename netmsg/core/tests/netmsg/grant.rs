//! Rights that go out, come back and are given up.

use kernel_core::ipc::{NotificationKind, Wait};
use netmsg_core::ExportId;
use proto::wire::link::{Release, frame};
use proto::{Item, NamedRight, PortName, RightType};

use crate::common::{World, carrying, kind, message};

/// Exports of `at` over the link to `to`, without entry 1.
fn held(w: &World, at: usize, to: usize) -> Vec<(u64, bool, u64)> {
    let link = w.link(at, to);
    let exports = w.nodes[at].netmsg.exports(link).filter(|e| e.export != ExportId::NAME_SERVER);
    exports.map(|e| (e.export.0, e.once, e.granted)).collect()
}

#[test]
fn netmsg_grant_1_a_new_link_reaches_the_name_server_and_nothing_else() {
    let mut w = World::new(2);
    let link = w.link(0, 1);
    for node in 0..2 {
        let exports: Vec<_> = w.nodes[node].netmsg.exports(link).map(|e| e.export).collect();
        assert_eq!(exports, [ExportId::NAME_SERVER]);
    }
    let boot = w.boot_of(0, 1);
    w.send(0, message(boot, 42));
    let at = w.nodes[1].boot;
    assert_eq!(w.drain(1, at), [42]);
}

#[test]
fn netmsg_grant_2_the_same_port_is_the_same_name_however_often_it_comes() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let first = w.pass(0, 1, NamedRight::make_send(port));
    let second = w.pass(0, 1, NamedRight::make_send(port));
    assert_eq!(first, second);
    assert_eq!(held(&w, 0, 1), [(2, false, 2)], "one entry, granted twice");
    let task = w.nodes[1].task;
    assert_eq!(w.nodes[1].ipc.get_refs(task, first, RightType::Send), Ok(2));
}

#[test]
fn netmsg_grant_3_a_right_that_comes_home_is_the_port_itself() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let away = w.pass(0, 1, NamedRight::make_send(port));
    let home = w.pass(1, 0, NamedRight::copy_send(away));
    assert_eq!(home, port, "the receive right and the send right share a name");
    w.nodes[1].deallocate(away);
    w.settle();
    assert_eq!(held(&w, 0, 1), []);
    let task = w.nodes[0].task;
    assert_eq!(w.nodes[0].ipc.get_refs(task, port, RightType::Send), Ok(1), "what came home stays");
}

#[test]
fn netmsg_grant_4_the_last_send_right_given_up_there_is_no_senders_here() {
    let mut w = World::new(2);
    let (port, notify) = (w.nodes[0].port(), w.nodes[0].port());
    let away = w.pass(0, 1, NamedRight::make_send(port));
    w.nodes[0].watch(port, NotificationKind::NoSenders, notify);
    w.settle();
    assert_eq!(w.nodes[0].receive(notify), None);
    w.nodes[1].deallocate(away);
    w.settle();
    let m = w.nodes[0].receive(notify).expect("no senders");
    assert_eq!((m.id, &m.body.items()[..]), (70, &[Item::U32(1)][..]));
    assert_eq!(held(&w, 0, 1), []);
}

#[test]
fn netmsg_grant_5_a_grant_under_way_outlives_a_release() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let away = w.pass(0, 1, NamedRight::make_send(port));
    let boot = w.boot_of(0, 1);
    // (1A) The peer gives the right up while (1B) the same right is on its way to it again.
    w.nodes[1].deallocate(away);
    w.pump(1);
    let again = carrying(boot, 7, NamedRight::make_send(port));
    w.nodes[0].send(again, Wait::Poll).unwrap();
    w.pump(0);
    let kinds: Vec<_> = w.flights.iter().map(|f| kind(&f.frame)).collect();
    assert_eq!(kinds, ["release", "send"]);
    w.settle();
    let at = w.nodes[1].boot;
    let m = w.receive(1, at).unwrap();
    let [Item::Port(NamedRight { name, .. })] = m.body.items()[..] else { panic!() };
    assert_eq!(held(&w, 0, 1), [(2, false, 2)], "the release of one grant of two changes nothing");
    w.send(1, message(name, 9));
    assert_eq!(w.drain(0, port), [9]);
    w.nodes[1].deallocate(name);
    w.settle();
    assert_eq!(held(&w, 0, 1), []);
}

#[test]
fn netmsg_grant_6_a_release_that_overtakes_messages_and_returns_waits_for_them() {
    // A message, a right that is given back, a release, in every order.
    for order in [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 1, 0]] {
        let mut w = World::new(2);
        let port = w.nodes[0].port();
        let away = w.pass(0, 1, NamedRight::make_send(port));
        let boot = w.boot_of(1, 0);
        w.nodes[1].send(message(away, 1), Wait::Poll).unwrap();
        w.nodes[1].send(carrying(boot, 2, NamedRight::move_send(away)), Wait::Poll).unwrap();
        w.pump(1);
        let kinds: Vec<_> = w.flights.iter().map(|f| kind(&f.frame)).collect();
        assert_eq!(kinds, ["send", "send", "release"]);
        for index in order {
            assert_eq!(held(&w, 0, 1), [(2, false, 1)], "neither the message nor the returned right is lost");
            w.deliver(index);
        }
        assert_eq!(held(&w, 0, 1), []);
        w.settle();
        assert_eq!(w.drain(0, port), [1]);
        let at = w.nodes[0].boot;
        let m = w.receive(0, at).unwrap();
        assert_eq!(m.body.items(), [Item::Port(NamedRight::move_send(port))]);
        assert_eq!(w.nodes[1].netmsg.imports(w.link(0, 1)).count(), 1, "entry 1 only");
    }
}

#[test]
fn netmsg_grant_7_a_send_once_right_is_an_entry_of_its_own_and_is_used_up() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let first = w.pass(0, 1, NamedRight::make_send_once(port));
    let second = w.pass(0, 1, NamedRight::make_send_once(port));
    assert_ne!(first, second);
    assert_eq!(held(&w, 0, 1), [(2, true, 1), (3, true, 1)]);
    let mut m = message(first, 11);
    m.remote = NamedRight::move_send_once(first);
    w.send(1, m);
    assert_eq!(held(&w, 0, 1), [(3, true, 1)]);
    assert_eq!(w.drain(0, port), [11]);
}

#[test]
fn netmsg_grant_8_a_send_once_right_destroyed_there_notifies_here() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let once = w.pass(0, 1, NamedRight::make_send_once(port));
    w.nodes[1].deallocate(once);
    w.settle();
    assert_eq!(w.drain(0, port), [71]);
    assert_eq!(held(&w, 0, 1), []);
    // The frame for it, from a peer that could not even make the proxy.
    let once = w.pass(0, 1, NamedRight::make_send_once(port));
    let link = w.link(0, 1);
    let release = Release { export: held(&w, 0, 1)[0].0, granted: 1, ..Default::default() };
    w.forge(link, 0, frame::Kind::Release(release), Default::default());
    assert_eq!(w.drain(0, port), [71]);
    assert!(!w.nodes[1].is_dead(once));
    assert_eq!(w.closed, []);
}

#[test]
fn netmsg_grant_9_a_send_once_right_that_comes_home_is_itself_again() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let once = w.pass(0, 1, NamedRight::make_send_once(port));
    let home = w.pass(1, 0, NamedRight::move_send_once(once));
    assert_eq!(held(&w, 0, 1), []);
    assert_eq!(w.nodes[1].netmsg.imports(w.link(0, 1)).count(), 1);
    let mut m = message(home, 5);
    m.remote = NamedRight::move_send_once(home);
    w.send(0, m);
    assert_eq!(w.drain(0, port), [5]);
}

#[test]
fn netmsg_grant_10_arrays_null_and_dead_rights_pass() {
    let mut w = World::new(2);
    let (a, b) = (w.nodes[0].port(), w.nodes[0].port());
    let boot = w.boot_of(0, 1);
    let mut m = message(boot, 3);
    let dead = NamedRight { name: PortName::DEAD, ..NamedRight::NULL };
    let rights =
        vec![NamedRight::make_send(a), NamedRight::NULL, dead, NamedRight::make_send(b), NamedRight::make_send(a)];
    m.body = vec![Item::Ports(rights), Item::Ports(vec![])].into();
    w.send(0, m);
    let at = w.nodes[1].boot;
    let m = w.receive(1, at).unwrap();
    let [Item::Ports(rights), Item::Ports(none)] = &m.body.items()[..] else { panic!("{m:?}") };
    let [a1, null, dead, b1, a2] = rights[..] else { panic!() };
    assert_eq!((null.name, dead.name, none.len()), (PortName::NULL, PortName::DEAD, 0));
    assert_eq!(a1, a2);
    assert_ne!(a1, b1);
    assert_eq!(held(&w, 0, 1), [(2, false, 2), (3, false, 1)]);
}

#[test]
fn netmsg_grant_11_a_right_of_a_third_node_is_relayed() {
    let mut w = World::new(3);
    let port = w.nodes[0].port();
    let at_1 = w.pass(0, 1, NamedRight::make_send(port));
    let at_2 = w.pass(1, 2, NamedRight::copy_send(at_1));
    w.nodes[1].deallocate(at_1);
    w.settle();
    assert_eq!(held(&w, 0, 1).len(), 1, "node 1 holds it for node 2");
    w.send(2, message(at_2, 77));
    assert_eq!(w.drain(0, port), [77]);
    // The identity that travels along is the home's.
    let uid = w.nodes[0].uid(port);
    let import = w.nodes[2].netmsg.imports(w.link(1, 2)).find(|i| i.export != ExportId::NAME_SERVER).unwrap();
    assert_eq!(import.home, uid);
    // What is relayed is released through the relay too.
    w.nodes[2].deallocate(at_2);
    w.settle();
    assert_eq!((held(&w, 0, 1), held(&w, 1, 2)), (vec![], vec![]));
}

#[test]
fn netmsg_grant_12_a_full_table_grants_dead_rights() {
    let mut w = World::new(2);
    let boot = w.boot_of(0, 1);
    let at = w.nodes[1].boot;
    let port = w.nodes[0].port();
    let mut arrived = Vec::new();
    while arrived.len() <= proto::limits::LINK_RIGHTS_MAX {
        let mut m = message(boot, 1);
        m.body = vec![Item::Ports(vec![NamedRight::make_send_once(port); 4096])].into();
        w.nodes[0].send(m, Wait::Poll).unwrap();
        w.pump(0);
        // No settling, which would check everything each time.
        while !w.flights.is_empty() {
            w.deliver(0);
        }
        let m = w.nodes[1].receive(at).unwrap();
        let [Item::Ports(rights)] = &m.body.items()[..] else { panic!() };
        arrived.extend(rights.iter().map(|r| r.name));
    }
    w.check();
    let max = proto::limits::LINK_RIGHTS_MAX - 1;
    assert!(arrived[..max].iter().all(|name| name.is_valid()), "beside entry 1");
    assert!(arrived[max..].iter().all(|name| *name == PortName::DEAD));
    let told = w.nodes[0].status(port);
    assert_eq!(told.sorights as usize, max + (arrived.len() - max), "each that was refused left its notification");
    assert_eq!(told.msgcount as usize, arrived.len() - max);
    assert_eq!(w.closed, []);
}

#[test]
fn netmsg_grant_13_a_permanent_entry_is_never_released() {
    let mut w = World::new(2);
    let boot = w.boot_of(0, 1);
    w.nodes[0].deallocate(boot);
    w.settle();
    assert_eq!(w.frames.get("release"), None);
    let boot = w.boot_of(0, 1);
    w.send(0, message(boot, 1));
    let at = w.nodes[1].boot;
    assert_eq!(w.drain(1, at), [1]);
}

#[test]
fn netmsg_grant_14_a_grant_revokes_a_release_that_waits() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let away = w.pass(0, 1, NamedRight::make_send(port));
    w.nodes[1].send(message(away, 1), Wait::Poll).unwrap();
    w.nodes[1].deallocate(away);
    w.pump(1);
    w.deliver(1);
    // The release is here and waits for the message; the right is granted once more.
    let boot = w.boot_of(0, 1);
    w.nodes[0].send(carrying(boot, 2, NamedRight::make_send(port)), Wait::Poll).unwrap();
    w.pump(0);
    w.settle();
    assert_eq!(held(&w, 0, 1), [(2, false, 2)]);
    let at = w.nodes[1].boot;
    let m = w.receive(1, at).unwrap();
    let [Item::Port(right)] = m.body.items()[..] else { panic!() };
    w.send(1, message(right.name, 3));
    assert_eq!(w.drain(0, port), [1, 3]);
}

#[test]
fn netmsg_grant_15_a_right_made_after_no_senders_was_sent_keeps_the_proxy() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let away = w.pass(0, 1, NamedRight::make_send(port));
    let boot = w.boot_of(0, 1);
    w.send(0, carrying(boot, 1, NamedRight::make_send(port)));
    let at = w.nodes[1].boot;
    w.nodes[0].send(carrying(boot, 2, NamedRight::make_send(port)), Wait::Poll).unwrap();
    w.pump(0);
    // (1A) The last right goes while (1B) a new one is being made: the notification of (1A) is read after (1B).
    w.lazy = true;
    let m = w.nodes[1].receive(at).unwrap();
    let [Item::Port(right)] = m.body.items()[..] else { panic!() };
    assert_eq!(right.name, away);
    w.nodes[1].deallocate(away);
    w.nodes[1].deallocate(away);
    w.deliver(0);
    w.settle();
    assert_eq!(w.frames.get("release"), None);
    let m = w.receive(1, at).unwrap();
    let [Item::Port(right)] = m.body.items()[..] else { panic!() };
    w.send(1, message(right.name, 3));
    assert_eq!(w.drain(0, port), [3]);
    // It is asked for again, so the end is noticed.
    w.nodes[1].deallocate(right.name);
    w.settle();
    assert_eq!(held(&w, 0, 1), []);
}
