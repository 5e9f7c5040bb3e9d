//! Windows, queue limits across nodes, acknowledgements.

use kernel_core::ipc::{SendOutcome, Wait, WaiterId};
use proto::limits::{LINK_BYTES_MAX, LINK_REORDER_MAX, MSG_OOL_BYTES_MAX, QLIMIT_DEFAULT, REMOTE_WINDOW};
use proto::{Item, Message, MsgReturn, NamedRight, Payload, PortName, RightType};

use crate::common::{World, message};

/// Sends from node 0 until the queue of the proxy is full; returns how many were accepted.
fn fill(w: &mut World, to: PortName, from: i32) -> i32 {
    for id in from.. {
        match w.nodes[0].send(message(to, id), Wait::Poll) {
            Ok(_) => w.settle(),
            Err(e) => {
                assert_eq!(e.code, MsgReturn::SendTimedOut);
                // The poll gives its right back as a reference more.
                w.nodes[0].deallocate(to);
                return id - from;
            }
        }
    }
    unreachable!()
}

#[test]
fn netmsg_flow_3_the_queue_limit_holds_across_nodes() {
    let mut w = World::new(2);
    let port = w.nodes[1].port();
    let away = w.pass(1, 0, NamedRight::make_send(port));
    let accepted = fill(&mut w, away, 0);
    // In the port's queue, in the window (of which one waits at the port), in the proxy's queue.
    assert_eq!(accepted as u64, u64::from(QLIMIT_DEFAULT) * 2 + REMOTE_WINDOW);
    assert_eq!(w.nodes[0].send(message(away, accepted), Wait::Block(WaiterId(1))), Ok(SendOutcome::Blocked));
    w.settle();
    assert_eq!(w.nodes[0].sent, []);
    let ids = w.drain(1, port);
    assert_eq!(ids, (0..=accepted).collect::<Vec<_>>(), "in order, each once");
    assert_eq!(w.nodes[0].sent, [WaiterId(1)]);
}

#[test]
fn netmsg_flow_4_a_full_port_does_not_hold_up_another() {
    let mut w = World::new(2);
    let (full, free) = (w.nodes[1].port(), w.nodes[1].port());
    let [to_full, to_free] = [full, free].map(|p| w.pass(1, 0, NamedRight::make_send(p)));
    fill(&mut w, to_full, 0);
    for id in 0..200 {
        w.send(0, message(to_free, id));
        assert_eq!(w.drain(1, free), [id]);
    }
}

#[test]
fn netmsg_flow_5_acknowledgements_come_by_half_windows_and_with_the_flush() {
    let mut w = World::new(2);
    let port = w.nodes[1].port();
    let away = w.pass(1, 0, NamedRight::make_send(port));
    w.nodes[1].set_qlimit(port, 1000);
    w.frames.clear();
    for id in 0..REMOTE_WINDOW as i32 + 3 {
        w.nodes[0].send(message(away, id), Wait::Poll).unwrap();
        w.pump(0);
        while !w.flights.is_empty() {
            w.deliver(0);
        }
    }
    assert_eq!(w.frames["delivered"], 2);
    assert!(w.nodes[1].netmsg.wants_flush() && !w.nodes[0].netmsg.wants_flush());
    w.settle();
    assert_eq!(w.frames["delivered"], 3);
    let import = w.nodes[0].netmsg.imports(w.link(0, 1)).last().unwrap();
    assert_eq!((import.sent, import.under_way), (REMOTE_WINDOW + 3, 0));
}

#[test]
fn netmsg_flow_6_a_crowded_link_still_carries_one_message_to_every_port() {
    let mut w = World::new(2);
    w.checked = false;
    let ports = LINK_REORDER_MAX as u64 / REMOTE_WINDOW + 3;
    let away: Vec<_> = (0..ports)
        .map(|_| {
            let port = w.nodes[1].port();
            // Nothing fits in the queue, so everything stays under way.
            w.nodes[1].set_qlimit(port, 0);
            (w.pass(1, 0, NamedRight::make_send(port)), port)
        })
        .collect();
    let mut accepted = vec![0; away.len()];
    for (i, (to, _)) in away.iter().enumerate() {
        accepted[i] = fill(&mut w, *to, 0);
    }
    w.check();
    let link = w.link(0, 1);
    let under_way: Vec<_> = w.nodes[0].netmsg.imports(link).map(|i| i.under_way).filter(|n| *n > 0).collect();
    assert_eq!(under_way[..under_way.len() - 3], vec![REMOTE_WINDOW; away.len() - 3]);
    assert_eq!(under_way[under_way.len() - 3..], [1, 1, 1]);
    assert_eq!(w.closed, [], "the peer finds no fault with it");
    // A port that is read from takes its messages one by one, crowd or not.
    let (_, last) = away[away.len() - 1];
    assert_eq!(w.drain(1, last), (0..accepted[accepted.len() - 1]).collect::<Vec<_>>());
    for ((_, port), accepted) in away.iter().zip(accepted) {
        assert!(w.drain(1, *port).len() as i32 == accepted || *port == last);
    }
    w.check();
}

#[test]
fn netmsg_flow_7_while_the_node_has_no_room_messages_wait_with_netmsg() {
    let mut w = World::new(2);
    let (port, once_port) = (w.nodes[1].port(), w.nodes[1].port());
    let away = w.pass(1, 0, NamedRight::make_send(port));
    let once = w.pass(1, 0, NamedRight::make_send_once(once_port));
    w.nodes[1].room = false;
    for id in 0..4 {
        w.send(0, message(away, id));
    }
    let mut m = message(once, 9);
    m.remote = NamedRight::move_send_once(once);
    w.send(0, m);
    assert_eq!((w.nodes[1].receive(port), w.nodes[1].receive(once_port)), (None, None));
    assert!(w.nodes[1].netmsg.wants_flush());
    w.nodes[1].room = true;
    w.settle();
    assert_eq!(w.drain(1, port), [0, 1, 2, 3]);
    assert_eq!(w.drain(1, once_port), [9]);
    // What waits when the link goes is given up.
    let once = w.pass(1, 0, NamedRight::make_send_once(once_port));
    w.nodes[1].room = false;
    let mut m = message(once, 9);
    m.remote = NamedRight::move_send_once(once);
    w.send(0, m);
    w.cut(w.link(0, 1));
    assert_eq!(w.drain(1, once_port), [71]);
}

#[test]
fn netmsg_flow_8_a_reply_is_never_held_up() {
    let mut w = World::new(2);
    let reply = w.nodes[0].port();
    w.nodes[0].set_qlimit(reply, 0);
    for id in 0..100 {
        let once = w.pass(0, 1, NamedRight::make_send_once(reply));
        let mut m = message(once, id);
        m.remote = NamedRight::move_send_once(once);
        w.send(1, m);
    }
    assert_eq!(w.drain(0, reply), (0..100).collect::<Vec<_>>());
    let task = w.nodes[1].task;
    assert!(w.nodes[1].ipc.names(task).unwrap().iter().all(|(_, t)| t & RightType::SendOnce.type_bit() == 0));
}

#[test]
fn netmsg_flow_9_bytes_under_way_are_bounded_and_hold_up_only_bytes() {
    let mut w = World::new(2);
    w.checked = false;
    let ports = [(); 7].map(|()| w.nodes[1].port());
    let away = ports.map(|port| {
        w.nodes[1].set_qlimit(port, 0);
        w.pass(1, 0, NamedRight::make_send(port))
    });
    let big = Payload::from(vec![0; MSG_OOL_BYTES_MAX]);
    let fit = LINK_BYTES_MAX / MSG_OOL_BYTES_MAX;
    for to in &away[..6] {
        let body = vec![Item::OutOfLine(big.clone())];
        // One at a time, as a task's share of the queued bytes holds no more than four.
        w.send(0, Message { body: body.into(), ..message(*to, 1) });
    }
    let link = w.link(0, 1);
    let under_way = |w: &World| w.nodes[0].netmsg.imports(link).map(|i| i.under_way).sum::<u64>();
    assert_eq!(under_way(&w), fit as u64);
    w.send(0, message(away[6], 2));
    assert_eq!(under_way(&w), fit as u64 + 1, "a message without bytes passes");
    assert_eq!(w.closed, []);
    w.check();
    for port in ports {
        assert!(w.receive(1, port).is_some());
    }
    w.settle();
    assert_eq!(under_way(&w), 0);
    w.check();
}
