//! What a message looks like at the other end.

use proto::{Item, NamedRight, Payload, PortName, TraceId};

use crate::common::{World, carrying, message};

#[test]
fn netmsg_send_2_id_trace_items_and_reply_right_arrive() {
    let mut w = World::new(2);
    let reply = w.nodes[0].port();
    let boot = w.boot_of(0, 1);
    let mut m = message(boot, -1234);
    m.trace = TraceId(99);
    m.local = NamedRight::make_send_once(reply);
    m.body = vec![
        Item::U32(1),
        Item::U64(u64::MAX),
        Item::Data(bytes::Bytes::from_static(b"abc")),
        Item::OutOfLine(Payload::from(vec![1; 5000])),
        Item::OutOfLine(Payload::default()),
    ]
    .into();
    w.send(0, m.clone());
    let at = w.nodes[1].boot;
    let got = w.receive(1, at).unwrap();
    assert_eq!((got.id, got.trace, &got.body), (m.id, m.trace, &m.body));
    assert_eq!(got.local, NamedRight::move_send(at));
    assert_eq!(got.remote.disposition, NamedRight::move_send_once(reply).disposition);
    let mut answer = message(got.remote.name, -1134);
    answer.remote = got.remote;
    w.send(1, answer);
    assert_eq!(w.drain(0, reply), [-1134]);
}

#[test]
fn netmsg_send_3_a_message_with_a_receive_right_is_dropped_and_nothing_leaks() {
    let mut w = World::new(2);
    let (reply, moved, other) = (w.nodes[0].port(), w.nodes[0].port(), w.nodes[0].port());
    let boot = w.boot_of(0, 1);
    let before = w.nodes[0].ipc.ports_len();
    let mut m = message(boot, 5);
    m.local = NamedRight::make_send_once(reply);
    let receive = NamedRight { name: moved, disposition: proto::Disposition::MoveReceive };
    m.body = vec![Item::Port(NamedRight::make_send(other)), Item::Ports(vec![receive])].into();
    w.send(0, m);
    assert_eq!(w.drain(0, reply), [71], "the caller of an RPC hears that its reply right is gone");
    assert_eq!(w.nodes[0].ipc.ports_len(), before - 1, "the port whose receive right was sent is dead");
    let status = w.nodes[0].status(other);
    assert!(!status.srights);
    assert_eq!(w.frames.get("send"), None);
    assert_eq!(w.nodes[0].netmsg.counts().dropped, 1);
    // A send-once right is used up all the same.
    let port = w.nodes[1].port();
    let once = w.pass(1, 0, NamedRight::make_send_once(port));
    let moved = w.nodes[0].port();
    let receive = NamedRight { name: moved, disposition: proto::Disposition::MoveReceive };
    let mut m = carrying(once, 6, receive);
    m.remote = NamedRight::move_send_once(once);
    w.send(0, m);
    assert_eq!(w.drain(1, port), [71]);
}

#[test]
fn netmsg_send_4_a_message_to_a_proxy_may_hold_the_proxy_itself() {
    let mut w = World::new(2);
    let port = w.nodes[1].port();
    let away = w.pass(1, 0, NamedRight::make_send(port));
    w.send(0, carrying(away, 8, NamedRight::move_send(away)));
    let m = w.receive(1, port).unwrap();
    assert_eq!(m.body.items(), [Item::Port(NamedRight::move_send(port))]);
    let imports = w.nodes[0].netmsg.imports(w.link(0, 1)).count();
    assert_eq!(imports, 1, "the right went home with the message; the entry is released");
    assert_ne!(away, PortName::NULL);
}

#[test]
fn netmsg_send_5_a_message_of_notification_id_from_a_task_is_only_a_message() {
    let mut w = World::new(2);
    let port = w.nodes[1].port();
    let away = w.pass(1, 0, NamedRight::make_send(port));
    let mut forged = message(away, 70);
    forged.body = vec![Item::U32(u32::MAX)].into();
    w.send(0, forged);
    assert_eq!(w.drain(1, port), [70]);
    w.send(0, message(away, 1));
    assert_eq!(w.drain(1, port), [1], "the proxy lives");
}
