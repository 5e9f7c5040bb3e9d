//! The name service, on one node and across nodes.

use std::time::Duration;

use kernel_core::ipc::Wait;
use proto::iface::netname;
use proto::limits::{NETNAME_LOOK_UPS_MAX, QLIMIT_DEFAULT, REMOTE_WINDOW};
use proto::msg::{Reply, code_body, code_of};
use proto::typed::Element;
use proto::{Body, Item, KernReturn, Message, MigError, NamedRight, PortName, SimpleRoutine, TraceId};

use crate::common::{PATIENCE, World, kind, message};

/// A request to `to`, to be answered at `reply`.
fn request<Q: SimpleRoutine<NamedRight>>(to: PortName, reply: PortName, request: Q) -> Message<NamedRight> {
    let local = NamedRight::make_send_once(reply);
    Message { local, trace: TraceId(7), body: request.into_body(), ..message(to, Q::ID) }
}

/// Sends a request to the node's own name server and returns what it answers.
fn ask<Q: SimpleRoutine<NamedRight>>(w: &mut World, node: usize, q: Q) -> (KernReturn, Body<NamedRight>) {
    let to = w.nodes[node].name_server;
    ask_at(w, node, to, q)
}

fn ask_at<Q: SimpleRoutine<NamedRight>>(
    w: &mut World,
    node: usize,
    to: PortName,
    q: Q,
) -> (KernReturn, Body<NamedRight>) {
    let reply = w.nodes[node].port();
    w.send(node, request(to, reply, q));
    let answer = answer(w, node, reply, Q::ID).expect("an answer");
    w.nodes[node].destroy_port(reply);
    answer
}

fn answer(w: &mut World, node: usize, reply: PortName, id: i32) -> Option<(KernReturn, Body<NamedRight>)> {
    let m = w.receive(node, reply)?;
    assert_eq!((m.id, m.trace), (id + 100, TraceId(7)), "{m:?}");
    let code = code_of(&m.body).expect("an answer opens with its code");
    Some((KernReturn::from_raw(code).unwrap(), m.body))
}

fn check_in(name: &str, signature: NamedRight, port: NamedRight) -> netname::CheckIn<NamedRight> {
    netname::CheckIn { port_name: name.into(), signature, port_id: port }
}

fn look_up(host: &str, name: &str) -> netname::LookUp {
    netname::LookUp { host_name: host.into(), port_name: name.into() }
}

/// Looks a name up; the port's name in the task, or the code.
fn find(w: &mut World, node: usize, host: &str, name: &str) -> Result<PortName, KernReturn> {
    match ask(w, node, look_up(host, name)) {
        (KernReturn::Success, body) => Ok(netname::LookUpReply::from_body(body).unwrap().port_id.name),
        (code, body) => {
            assert_eq!(body, code_body(code.raw()));
            Err(code)
        }
    }
}

/// A port of a node, checked in under a name.
fn publish(w: &mut World, node: usize, name: &str) -> PortName {
    let port = w.nodes[node].port();
    let q = check_in(name, NamedRight::make_send(port), NamedRight::make_send(port));
    assert_eq!(ask(w, node, q), (KernReturn::Success, code_body(0)));
    port
}

#[test]
fn netmsg_name_5_a_name_is_found_on_its_node() {
    let mut w = World::with_names(1);
    let port = publish(&mut w, 0, "disk");
    assert_eq!(find(&mut w, 0, "", "disk"), Ok(port));
    assert_eq!(find(&mut w, 0, "node0", "disk"), Ok(port));
    assert_eq!(find(&mut w, 0, "*", "disk"), Ok(port));
    for host in ["", "node0", "*"] {
        assert_eq!(find(&mut w, 0, host, "tape"), Err(KernReturn::NameNotCheckedIn));
    }
    let other = w.nodes[0].port();
    let stolen = check_in("disk", NamedRight::make_send(other), NamedRight::make_send(other));
    assert_eq!(ask(&mut w, 0, stolen).0, KernReturn::NameNotYours);
    assert!(!w.nodes[0].status(other).srights, "a refused request leaves nothing behind");
    let out = netname::CheckOut { port_name: "disk".into(), signature: NamedRight::make_send(port) };
    assert_eq!(ask(&mut w, 0, out).0, KernReturn::Success);
    assert_eq!(find(&mut w, 0, "", "disk"), Err(KernReturn::NameNotCheckedIn));
    let (code, body) = ask(&mut w, 0, netname::Version);
    assert_eq!(code, KernReturn::Success);
    assert!(netname::VersionReply::from_body(body).unwrap().version.starts_with("netname "));
}

#[test]
fn netmsg_name_6_the_death_of_the_port_or_of_the_signature_ends_a_name() {
    let mut w = World::with_names(2);
    let port = publish(&mut w, 0, "disk");
    let (signature, signed) = (w.nodes[0].port(), w.nodes[0].port());
    let q = check_in("tape", NamedRight::make_send(signature), NamedRight::make_send(signed));
    assert_eq!(ask(&mut w, 0, q).0, KernReturn::Success);
    assert!(find(&mut w, 1, "node0", "disk").is_ok() && find(&mut w, 1, "node0", "tape").is_ok());
    w.nodes[0].destroy_port(port);
    w.nodes[0].destroy_port(signature);
    w.settle();
    for name in ["disk", "tape"] {
        assert_eq!(find(&mut w, 0, "", name), Err(KernReturn::NameNotCheckedIn));
        assert_eq!(find(&mut w, 1, "*", name), Err(KernReturn::NameNotCheckedIn));
    }
}

#[test]
fn netmsg_name_7_a_name_is_found_on_another_node() {
    let mut w = World::with_names(3);
    let port = publish(&mut w, 2, "disk");
    for host in ["node2", "*"] {
        let found = find(&mut w, 0, host, "disk").unwrap();
        w.send(0, message(found, 55));
        assert_eq!(w.drain(2, port), [55]);
    }
    assert_eq!(find(&mut w, 0, "node1", "disk"), Err(KernReturn::NameNotCheckedIn));
    assert_eq!(find(&mut w, 0, "node9", "disk"), Err(KernReturn::NoSuchHost));
    assert_eq!(find(&mut w, 0, "No Such Host!", "disk"), Err(KernReturn::NoSuchHost));
    assert_eq!(find(&mut w, 0, "*", "tape"), Err(KernReturn::NameNotCheckedIn));
    // The node's own comes first.
    let own = publish(&mut w, 0, "disk");
    assert_eq!(find(&mut w, 0, "*", "disk"), Ok(own));
    assert_eq!(w.nodes[0].names.next_deadline(), None, "nothing is left waiting");
}

#[test]
fn netmsg_name_8_the_first_that_finds_it_answers_and_the_others_do_not_matter() {
    let mut w = World::with_names(3);
    let [at_1, at_2] = [1, 2].map(|node| publish(&mut w, node, "disk"));
    let (reply, to) = (w.nodes[0].port(), w.nodes[0].name_server);
    w.nodes[0].send(request(to, reply, look_up("*", "disk")), Wait::Poll).unwrap();
    w.pump(0);
    // Node 2 is asked and answers first.
    let to_2 = w.flights.iter().position(|f| f.to == 2).unwrap();
    w.deliver(to_2);
    let back = w.flights.iter().position(|f| f.to == 0).unwrap();
    w.deliver(back);
    let (code, body) = answer(&mut w, 0, reply, netname::id::LOOK_UP).unwrap();
    assert_eq!(code, KernReturn::Success);
    let [found] = body.rights()[..] else { panic!() };
    w.settle();
    w.send(0, message(found.name, 1));
    assert_eq!((w.drain(1, at_1), w.drain(2, at_2)), (vec![], vec![1]));
    assert_eq!(w.nodes[0].receive(reply), None, "one answer");
    assert_eq!(w.nodes[1].netmsg.exports(w.link(0, 1)).count(), 1, "the right that came late is released");
}

#[test]
fn netmsg_name_9_a_peer_that_does_not_answer_is_given_up_at_the_deadline() {
    let mut w = World::with_names(2);
    publish(&mut w, 1, "disk");
    let (reply, to) = (w.nodes[0].port(), w.nodes[0].name_server);
    w.nodes[0].now = Duration::from_secs(10);
    for host in ["node1", "*"] {
        w.nodes[0].send(request(to, reply, look_up(host, "disk")), Wait::Poll).unwrap();
    }
    w.pump(0);
    let lost: Vec<_> = w.flights.drain(..).collect();
    let deadline = Duration::from_secs(10) + PATIENCE;
    assert_eq!(w.nodes[0].names.next_deadline(), Some(deadline));
    w.nodes[0].now = deadline - Duration::from_nanos(1);
    w.nodes[0].names(|n, cx| n.on_deadline(cx));
    assert_eq!(w.nodes[0].receive(reply), None);
    w.nodes[0].now = deadline;
    w.nodes[0].names(|n, cx| n.on_deadline(cx));
    w.pump(0);
    let codes = [(); 2].map(|()| answer(&mut w, 0, reply, netname::id::LOOK_UP).unwrap().0);
    assert_eq!(codes, [KernReturn::HostNotFound, KernReturn::NameNotCheckedIn]);
    // The answers come after all, and find nobody.
    w.flights = lost;
    w.settle();
    assert_eq!(w.nodes[0].receive(reply), None);
    assert_eq!(w.nodes[1].netmsg.exports(w.link(0, 1)).count(), 1);
}

#[test]
fn netmsg_name_10_a_lost_peer_is_not_waited_for() {
    let mut w = World::with_names(3);
    publish(&mut w, 1, "disk");
    let (reply, to) = (w.nodes[0].port(), w.nodes[0].name_server);
    for host in ["node1", "*"] {
        w.nodes[0].send(request(to, reply, look_up(host, "tape")), Wait::Poll).unwrap();
    }
    w.pump(0);
    w.cut(w.link(0, 1));
    w.settle();
    let mut codes = [(); 2].map(|()| answer(&mut w, 0, reply, netname::id::LOOK_UP).unwrap().0.raw());
    codes.sort();
    assert_eq!(codes, [KernReturn::NameNotCheckedIn.raw(), KernReturn::HostNotFound.raw()]);
    assert_eq!(find(&mut w, 0, "node1", "disk"), Err(KernReturn::NoSuchHost));
    assert_eq!(w.nodes[0].names.peers().map(|n| n.as_str()).collect::<Vec<_>>(), ["node2"]);
    w.connect(0, 1);
    w.settle();
    assert!(find(&mut w, 0, "node1", "disk").is_ok());
}

#[test]
fn netmsg_name_11_peers_look_up_and_change_nothing() {
    let mut w = World::with_names(2);
    publish(&mut w, 0, "disk");
    let remote = w.boot_of(1, 0);
    let port = w.nodes[1].port();
    let q = check_in("tape", NamedRight::make_send(port), NamedRight::make_send(port));
    assert_eq!(ask_at(&mut w, 1, remote, q).0, KernReturn::NoAccess);
    let q = netname::CheckOut { port_name: "disk".into(), signature: NamedRight::NULL };
    assert_eq!(ask_at(&mut w, 1, remote, q).0, KernReturn::NoAccess);
    for host in ["*", "node0", "node1"] {
        assert_eq!(ask_at(&mut w, 1, remote, look_up(host, "disk")).0, KernReturn::NoAccess);
    }
    assert_eq!(ask_at(&mut w, 1, remote, look_up("", "disk")).0, KernReturn::Success);
    assert_eq!(ask_at(&mut w, 1, remote, netname::Version).0, KernReturn::Success);
    assert!(!w.nodes[1].status(port).srights);
}

#[test]
fn netmsg_name_12_what_is_not_a_request_is_answered_and_leaves_nothing_behind() {
    let mut w = World::with_names(1);
    let (reply, port, to) = (w.nodes[0].port(), w.nodes[0].port(), w.nodes[0].name_server);
    let expect = |w: &mut World, id: i32, items: Vec<Item<NamedRight>>, code: i32| {
        let local = NamedRight::make_send_once(reply);
        w.send(0, Message { local, body: items.into(), ..message(to, id) });
        let m = w.receive(0, reply).unwrap();
        assert_eq!((m.id, m.body), (id + 100, code_body(code)));
    };
    let right = || Item::Port(NamedRight::make_send(port));
    expect(&mut w, 4711, vec![right()], MigError::BadId.raw());
    expect(&mut w, netname::id::LOOK_UP, vec![right(), Item::U32(1)], MigError::BadArguments.raw());
    let name = || {
        let mut field = b"x".to_vec();
        field.resize(80, 0);
        Item::Typed(Element::STRING_C, 80, field.into())
    };
    let bad = [
        (NamedRight::make_send(port), NamedRight::NULL, KernReturn::InvalidCapability),
        (
            NamedRight::make_send(port),
            NamedRight { name: PortName::DEAD, ..NamedRight::NULL },
            KernReturn::InvalidCapability,
        ),
        (
            NamedRight { name: PortName::DEAD, ..NamedRight::NULL },
            NamedRight::make_send(port),
            KernReturn::InvalidCapability,
        ),
        (NamedRight::make_send_once(port), NamedRight::make_send(port), KernReturn::InvalidRight),
        (NamedRight::NULL, NamedRight::make_send_once(port), KernReturn::InvalidRight),
    ];
    for (signature, port_id, code) in bad {
        let body = vec![name(), Item::Port(signature), Item::Port(port_id)];
        expect(&mut w, netname::id::CHECK_IN, body, code.raw());
    }
    // Two refused send-once rights have left their notifications.
    assert_eq!(w.drain(0, port), [71, 71]);
    assert!(!w.nodes[0].status(port).srights);
    // Without a reply right there is nothing to say.
    w.send(0, Message { body: netname::Version.into_body(), ..message(to, netname::id::VERSION) });
    // Nobody but netmsg announces peers.
    let up = vec![name(), Item::U64(1), right()];
    expect(&mut w, netmsg_core::PEER_UP, up, MigError::BadId.raw());
    assert_eq!(w.nodes[0].names.peers().count(), 0);
    // A null signature protects nothing: whoever gives none may replace the name.
    let open = check_in("open", NamedRight::NULL, NamedRight::make_send(port));
    assert_eq!(ask(&mut w, 0, open.clone()).0, KernReturn::Success);
    assert_eq!(ask(&mut w, 0, open).0, KernReturn::Success);
}

#[test]
fn netmsg_name_13_look_ups_that_wait_are_bounded() {
    let mut w = World::with_names(2);
    w.checked = false;
    let (reply, to) = (w.nodes[0].port(), w.nodes[0].name_server);
    // The peer takes every question and its answers are slow.
    for _ in 0..NETNAME_LOOK_UPS_MAX {
        w.nodes[0].send(request(to, reply, look_up("*", "disk")), Wait::Poll).unwrap();
        w.pump(0);
        while let Some(index) = w.flights.iter().position(|f| f.to == 1 || kind(&f.frame) != "send") {
            w.deliver(index);
        }
        w.act(1, |n, cx| n.flush(cx));
    }
    assert_eq!(w.nodes[0].receive(reply), None);
    w.nodes[0].send(request(to, reply, look_up("*", "disk")), Wait::Poll).unwrap();
    w.pump(0);
    let m = w.nodes[0].receive(reply).expect("an answer at once");
    assert_eq!(m.body, code_body(KernReturn::ResourceShortage.raw()));
    w.settle();
    let answers = std::iter::from_fn(|| w.nodes[0].receive(reply)).count();
    assert_eq!(answers, NETNAME_LOOK_UPS_MAX);
    assert_eq!(w.nodes[0].names.next_deadline(), None);
    // A peer that takes none is not asked beyond what its proxy has room for.
    for _ in 0..2 * REMOTE_WINDOW {
        w.nodes[0].send(request(to, reply, look_up("*", "disk")), Wait::Poll).unwrap();
        w.pump(0);
    }
    let at_once = std::iter::from_fn(|| w.nodes[0].receive(reply)).count() as u64;
    assert_eq!(at_once, REMOTE_WINDOW - u64::from(QLIMIT_DEFAULT));
    w.settle();
    w.check();
}
