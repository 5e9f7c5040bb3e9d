//! Ports, links and peers that die.

use kernel_core::ipc::{NotificationKind, Wait};
use proto::iface::notify;
use proto::{Item, NamedRight, PortName, SimpleRoutine};

use crate::common::{World, carrying, kind, message};

#[test]
fn netmsg_death_1_the_death_of_a_port_makes_dead_names_at_every_peer() {
    let mut w = World::new(3);
    let port = w.nodes[0].port();
    let [at_1, at_2] = [1, 2].map(|peer| w.pass(0, peer, NamedRight::make_send(port)));
    let notify = w.nodes[1].port();
    w.nodes[1].watch(at_1, NotificationKind::DeadName, notify);
    w.nodes[0].destroy_port(port);
    w.settle();
    assert!(w.nodes[1].is_dead(at_1) && w.nodes[2].is_dead(at_2));
    let m = w.nodes[1].receive(notify).expect("a dead-name notification");
    let notice = notify::DeadName::from_body(m.body).unwrap();
    assert_eq!((m.id, notice.name), (72, at_1.0));
    assert_eq!(w.nodes[1].receive(notify), None, "exactly one");
    for (a, b) in [(0, 1), (0, 2)] {
        assert_eq!(w.nodes[0].netmsg.exports(w.link(a, b)).count(), 1);
        assert_eq!(w.nodes[b].netmsg.imports(w.link(a, b)).count(), 1);
    }
}

#[test]
fn netmsg_death_2_a_lost_link_ends_everything_that_was_shared_over_it() {
    let mut w = World::new(2);
    let (port, notify, reply) = (w.nodes[0].port(), w.nodes[0].port(), w.nodes[0].port());
    let away = w.pass(0, 1, NamedRight::make_send(port));
    let _once = w.pass(0, 1, NamedRight::make_send_once(reply));
    let other = w.nodes[1].port();
    let theirs = w.pass(1, 0, NamedRight::make_send(other));
    w.nodes[0].watch(port, NotificationKind::NoSenders, notify);
    let link = w.link(0, 1);
    w.cut(link);
    w.settle();
    assert!(w.nodes[1].is_dead(away) && w.nodes[0].is_dead(theirs));
    assert_eq!(w.drain(0, notify), [70]);
    assert_eq!(w.drain(0, reply), [71], "who waits for an answer hears that none will come");
    let ports: Vec<_> = w.nodes.iter().map(|n| n.ipc.ports_len()).collect();
    // Hearing it again changes nothing.
    for node in 0..2 {
        w.act(node, |n, cx| n.link_down(cx, link));
    }
    assert_eq!(ports, w.nodes.iter().map(|n| n.ipc.ports_len()).collect::<Vec<_>>());
    assert_eq!((w.drain(0, notify), w.drain(0, reply)), (vec![], vec![]));
    // A new link starts with nothing granted.
    let link = w.connect(0, 1);
    w.settle();
    assert_eq!(w.nodes[0].netmsg.exports(link).count(), 1);
    let boot = w.boot_of(0, 1);
    w.send(0, message(boot, 3));
    let at = w.nodes[1].boot;
    assert_eq!(w.drain(1, at), [3]);
}

#[test]
fn netmsg_death_3_frames_for_an_entry_that_died_meanwhile_are_dropped_with_their_rights() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let away = w.pass(0, 1, NamedRight::make_send(port));
    let (reply, sent, notify) = (w.nodes[1].port(), w.nodes[1].port(), w.nodes[1].port());
    let mut m = carrying(away, 4, NamedRight::make_send(sent));
    m.local = NamedRight::make_send_once(reply);
    w.nodes[1].send(m, Wait::Poll).unwrap();
    w.nodes[1].watch(sent, NotificationKind::NoSenders, notify);
    w.pump(1);
    w.nodes[0].destroy_port(port);
    w.pump(0);
    let kinds: Vec<_> = w.flights.iter().map(|f| kind(&f.frame)).collect();
    assert_eq!(kinds, ["send", "port_dead"]);
    w.settle();
    assert_eq!(w.closed, []);
    assert_eq!(w.drain(1, reply), [71]);
    assert_eq!(w.drain(1, notify), [70]);
    assert!(w.nodes[1].is_dead(away));
}

#[test]
fn netmsg_death_4_a_grant_that_comes_after_the_death_is_dead() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let boot = w.boot_of(0, 1);
    let away = w.pass(0, 1, NamedRight::make_send(port));
    let grants = [5, 6].map(|id| carrying(boot, id, NamedRight::make_send(port)));
    for m in grants {
        w.nodes[0].send(m, Wait::Poll).unwrap();
    }
    w.pump(0);
    w.nodes[0].destroy_port(port);
    w.pump(0);
    assert_eq!(w.flights.len(), 3);
    w.deliver(2);
    assert!(w.nodes[1].is_dead(away));
    w.settle();
    let at = w.nodes[1].boot;
    for id in [5, 6] {
        let m = w.receive(1, at).unwrap();
        let [Item::Port(right)] = m.body.items()[..] else { panic!() };
        assert_eq!((m.id, right.name), (id, PortName::DEAD));
    }
    assert_eq!(w.nodes[1].netmsg.imports(w.link(0, 1)).count(), 1, "nothing is kept of it");
}

#[test]
fn netmsg_death_5_the_death_is_passed_on_by_a_relay() {
    let mut w = World::new(3);
    let port = w.nodes[0].port();
    let at_1 = w.pass(0, 1, NamedRight::make_send(port));
    let at_2 = w.pass(1, 2, NamedRight::move_send(at_1));
    w.cut(w.link(0, 1));
    w.settle();
    assert!(w.nodes[2].is_dead(at_2));
    assert_eq!(w.nodes[1].netmsg.exports(w.link(1, 2)).count(), 1);
}

#[test]
fn netmsg_death_6_messages_taken_before_the_cut_are_delivered() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let away = w.pass(0, 1, NamedRight::make_send(port));
    for id in 0..7 {
        w.send(1, message(away, id));
    }
    // Five are queued, one waits at the port as netmsg's, one waits for its turn.
    w.cut(w.link(0, 1));
    w.settle();
    assert_eq!(w.drain(0, port), (0..6).collect::<Vec<_>>());
}

#[test]
fn netmsg_death_7_a_dead_name_server_is_a_dead_entry_1() {
    let mut w = World::new(3);
    let [at_1, at_2] = [1, 2].map(|n| w.boot_of(n, 0));
    let boot = w.nodes[0].boot;
    w.nodes[0].destroy_port(boot);
    w.settle();
    assert!(w.nodes[1].is_dead(at_1) && w.nodes[2].is_dead(at_2));
    w.cut(w.link(0, 1));
    let link = w.connect(0, 1);
    w.settle();
    assert_eq!(w.closed, []);
    assert_eq!(w.nodes[1].netmsg.imports(link).count(), 0);
}

#[test]
fn netmsg_death_8_a_send_once_right_to_a_dead_port_is_found_dead_when_used() {
    let mut w = World::new(2);
    let port = w.nodes[0].port();
    let once = w.pass(0, 1, NamedRight::make_send_once(port));
    w.nodes[0].destroy_port(port);
    w.settle();
    let reply = w.nodes[1].port();
    let mut m = message(once, 5);
    (m.remote, m.local) = (NamedRight::move_send_once(once), NamedRight::make_send_once(reply));
    w.send(1, m);
    assert_eq!(w.drain(1, reply), [71]);
    assert_eq!(w.nodes[0].netmsg.exports(w.link(0, 1)).count(), 1);
    assert_eq!(w.closed, []);
}
