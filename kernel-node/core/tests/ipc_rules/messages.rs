//! Taking a message out of a space: header, body, bounds, and giving it back.

use bytes::Bytes;
use kernel_core::ipc::{Cancelled, Cut, SendError, SpaceId};
use proto::Disposition::*;
use proto::limits::*;
use proto::{Disposition, Item, MsgReturn, NamedRight, NoRoom, Payload, PortName, RightType};

use super::world::{World, message, port};

const UNKNOWN: PortName = PortName(0x7_7000);

fn named(name: PortName, disposition: Disposition) -> NamedRight {
    NamedRight { name, disposition }
}

/// All names of a space with their types and references.
fn holdings(w: &mut World, space: SpaceId) -> Vec<(PortName, u32, [u32; 2])> {
    let names = w.ipc.names(space).unwrap();
    let refs = |w: &mut World, n| [w.refs(space, n, RightType::Send), w.refs(space, n, RightType::DeadName)];
    names.into_iter().map(|(n, t)| (n, t, refs(w, n))).collect()
}

/// A send that fails and must leave everything as it was, and give the message back.
fn fails_without_a_trace(w: &mut World, space: SpaceId, m: proto::Message<NamedRight>, code: MsgReturn) {
    let before = holdings(w, space);
    assert_eq!(w.send(space, m.clone()), Err(SendError { code, no_room: NoRoom::NOTHING, message: Some(m) }));
    assert_eq!(holdings(w, space), before);
    assert_eq!(w.effects(), []);
}

#[test]
fn ipc_header_1_the_header_is_taken_whole_or_not_at_all() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(a), w.port(b));
    let to_q = w.give(b, q, MakeSend, a);
    // A good destination that would be used up, a bad reply right; and the other way round.
    for reply in [named(UNKNOWN, MakeSendOnce), named(p, CopySend), named(to_q, MakeSendOnce)] {
        let m = message(named(to_q, MoveSend), reply, 1, vec![port(p, MakeSend)]);
        fails_without_a_trace(&mut w, a, m, MsgReturn::SendInvalidReply);
    }
    let m = message(named(p, CopySend), named(to_q, MoveSend), 1, vec![port(p, MakeSend)]);
    fails_without_a_trace(&mut w, a, m, MsgReturn::SendInvalidDest);
    assert_eq!(w.status(a, p).mscount, 0);
}

#[test]
fn ipc_header_2_the_place_of_a_bad_right_decides_the_code() {
    let mut w = World::new();
    let s = w.space();
    let (p, set) = (w.send_receive(s), w.set(s));
    let once = w.give(s, p, MakeSendOnce, s);
    let dead = w.step(|ipc, _| ipc.allocate(s, RightType::DeadName)).unwrap();
    let good = NamedRight::copy_send(p);
    let bad_dest = [
        named(PortName::NULL, CopySend),
        named(PortName::DEAD, CopySend),
        named(UNKNOWN, CopySend),
        named(dead, CopySend),
        named(dead, MoveSendOnce),
        named(set, CopySend),
        named(once, CopySend),
        named(p, MoveSendOnce),
    ];
    for dest in bad_dest {
        fails_without_a_trace(&mut w, s, message(dest, good, 1, vec![]), MsgReturn::SendInvalidDest);
        // An unknown destination comes before a bad reply right, and that before a destination of the wrong kind.
        let known = w.type_of(s, dest.name) != 0;
        let code = if known { MsgReturn::SendInvalidReply } else { MsgReturn::SendInvalidDest };
        fails_without_a_trace(&mut w, s, message(dest, named(UNKNOWN, MakeSend), 1, vec![]), code);
    }
    for reply in [named(UNKNOWN, MakeSend), named(set, MakeSend), named(once, MoveSend), named(dead, MakeSendOnce)] {
        fails_without_a_trace(&mut w, s, message(good, reply, 1, vec![]), MsgReturn::SendInvalidReply);
    }
    for bad in [port(UNKNOWN, MoveSend), port(set, CopySend), port(once, CopySend), port(p, MoveSendOnce)] {
        assert_eq!(w.send_code(s, message(good, NamedRight::NULL, 1, vec![bad])), MsgReturn::SendInvalidRight);
    }
    assert_eq!(w.drain(s, p), []);
}

/// What a pair of dispositions of one name wants, and what it leaves of `urefs`.
fn pair_outcome(kind: &str, dest: Disposition, reply: Disposition, urefs: u32) -> Result<u32, MsgReturn> {
    let gives = |how: Disposition| match how {
        MoveSend | CopySend => kind != "receive" && kind != "once",
        MakeSend | MakeSendOnce => kind == "receive" || kind == "both",
        MoveSendOnce => kind == "once",
        MoveReceive => false,
    };
    let moves = u32::from(dest == MoveSend) + u32::from(reply == MoveSend);
    if !gives(reply) {
        Err(MsgReturn::SendInvalidReply)
    } else if !gives(dest) || dest == MoveSendOnce || moves > urefs {
        Err(MsgReturn::SendInvalidDest)
    } else {
        Ok(urefs - moves)
    }
}

#[test]
fn ipc_header_3_every_pair_of_dispositions_of_one_name() {
    let all = [MoveSend, CopySend, MakeSend, MakeSendOnce, MoveSendOnce];
    for kind in ["send", "both", "receive", "once"] {
        for (dest, reply) in all.iter().flat_map(|d| all.map(|r| (*d, r))) {
            for urefs in [1, 2] {
                let mut w = World::new();
                let (s, home) = (w.space(), w.space());
                let name = match kind {
                    "both" => w.send_receive(s),
                    "receive" => w.port(s),
                    _ => {
                        let p = w.port(home);
                        w.give(home, p, if kind == "once" { MakeSendOnce } else { MakeSend }, s)
                    }
                };
                let counted = kind == "send" || kind == "both";
                if counted {
                    w.mod_refs(s, name, RightType::Send, urefs as i32 - 1).unwrap();
                }
                let urefs = if counted { urefs } else { 0 };
                let m = message(named(name, dest), named(name, reply), 1, vec![]);
                match pair_outcome(kind, dest, reply, urefs) {
                    Ok(left) => {
                        assert_eq!(w.send(s, m), Ok(()), "{kind} {dest:?} {reply:?} {urefs}");
                        let gone = left == 0 && kind == "send";
                        assert_eq!(w.type_of(s, name) == 0, gone, "{kind} {dest:?} {reply:?} {urefs}");
                        if !gone {
                            assert_eq!(w.refs(s, name, RightType::Send), left);
                        }
                    }
                    Err(code) => fails_without_a_trace(&mut w, s, m, code),
                }
            }
        }
    }
}

#[test]
fn ipc_header_4_a_receive_right_never_stands_in_a_header() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    let m = message(named(p, MoveReceive), NamedRight::NULL, 1, vec![]);
    fails_without_a_trace(&mut w, s, m, MsgReturn::SendInvalidHeader);
    let m = message(named(p, CopySend), named(p, MoveReceive), 1, vec![]);
    fails_without_a_trace(&mut w, s, m, MsgReturn::SendInvalidHeader);
}

#[test]
fn ipc_header_5_null_and_dead_reply_rights_go_through() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    let dead = w.step(|ipc, _| ipc.allocate(s, RightType::DeadName)).unwrap();
    for (reply, arrives) in [
        (named(PortName::NULL, MakeSendOnce), PortName::NULL),
        (named(PortName::DEAD, MakeSendOnce), PortName::DEAD),
        (named(dead, CopySend), PortName::DEAD),
        (named(dead, MoveSendOnce), PortName::DEAD),
    ] {
        w.send(s, message(named(p, CopySend), reply, 1, vec![])).unwrap();
        assert_eq!(w.receive(s, p).remote.name, arrives);
    }
    assert_eq!(w.type_of(s, dead), 0, "the move took its only reference");
}

#[test]
fn ipc_body_1_what_stands_before_a_bad_right_is_gone() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(b), w.port(b));
    let (to_p, once) = (w.give(b, p, MakeSend, a), w.give(b, p, MakeSendOnce, a));
    let (to_q, kept) = (w.give(b, q, MakeSend, a), w.give(b, p, MakeSendOnce, a));
    let mine = w.port(a);
    let rights = [named(to_p, MoveSend), named(once, MoveSendOnce)].to_vec();
    let body = vec![Item::Ports(rights), port(mine, MoveReceive), port(UNKNOWN, MoveSend), port(kept, MoveSendOnce)];
    let m = message(named(to_q, MoveSend), NamedRight::NULL, 1, body);
    assert_eq!(
        w.send(a, m),
        Err(SendError { code: MsgReturn::SendInvalidRight, no_room: NoRoom::NOTHING, message: None })
    );
    assert_eq!([to_p, once, to_q, mine].map(|n| w.type_of(a, n)), [0; 4]);
    assert_eq!(w.type_of(a, kept), RightType::SendOnce.type_bit(), "what stands behind it is untouched");
    assert_eq!((w.drain(b, p), w.drain(b, q)), (vec![71], vec![]));
    assert_eq!(w.ipc.ports_len(), 2);
}

#[test]
fn ipc_body_3_what_stands_before_a_bad_item_is_judged_first() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(b);
    let (to_p, mine) = (w.give(b, p, MakeSend, a), w.port(a));
    let once = w.give(b, p, MakeSendOnce, a);
    let refused = |w: &mut World, dest, body| {
        let m = message(named(dest, CopySend), NamedRight::NULL, 1, body);
        w.step(|ipc, fx| ipc.send_cut_short(a, m, None, MsgReturn::SendInvalidMemory, fx))
    };
    let error = refused(&mut w, UNKNOWN, vec![port(once, MoveSendOnce)]);
    assert_eq!((error.code, error.message.is_some()), (MsgReturn::SendInvalidDest, true));
    assert_eq!(w.type_of(a, once), RightType::SendOnce.type_bit(), "nothing was taken");
    let error = refused(&mut w, to_p, vec![port(mine, MoveReceive), port(UNKNOWN, MoveSend), port(once, MoveSendOnce)]);
    assert_eq!((error.code, w.type_of(a, mine)), (MsgReturn::SendInvalidRight, 0));
    let error = refused(&mut w, to_p, vec![port(once, MoveSendOnce)]);
    assert_eq!((error.code, error.message), (MsgReturn::SendInvalidMemory, None));
    assert_eq!((w.type_of(a, once), w.drain(b, p)), (0, vec![71]), "what was taken is released");
    assert_eq!(w.type_of(a, to_p), RightType::Send.type_bit());
}

#[test]
fn ipc_body_2_null_and_dead_pass_through_a_body() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    for how in [MoveReceive, MoveSend, MoveSendOnce, CopySend, MakeSend, MakeSendOnce] {
        let many = vec![named(PortName::DEAD, how), named(PortName::NULL, how)];
        w.post(s, p, 1, vec![port(PortName::NULL, how), port(PortName::DEAD, how), Item::Ports(many)]);
        let m = w.receive(s, p);
        let (null, dead) = (named(PortName::NULL, MoveSend), named(PortName::DEAD, MoveSend));
        assert_eq!(m.body.items(), [Item::Port(null), Item::Port(dead), Item::Ports(vec![dead, null])]);
    }
    let others = [Item::U32(1), Item::U64(2), Item::Data(Bytes::from_static(b"x")), Item::OutOfLine(vec![3].into())];
    w.post(s, p, 1, others.to_vec());
    assert_eq!(w.receive(s, p).body.items(), others);
}

#[test]
fn ipc_bound_1_a_message_beyond_its_bounds_is_refused_whole() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    let bytes = |n: usize| Item::Data(Bytes::from(vec![0; n]));
    let memory = |n: usize| Item::OutOfLine(Payload::from(vec![0; n]));
    let rights = |n: usize| Item::Ports(vec![named(p, CopySend); n]);
    for (good, bad, code) in [
        (vec![rights(1); MSG_ITEMS_MAX], vec![rights(1); MSG_ITEMS_MAX + 1], MsgReturn::SendInvalidType),
        (vec![rights(MSG_RIGHTS_MAX)], vec![rights(MSG_RIGHTS_MAX), rights(1)], MsgReturn::SendNoBuffer),
        (vec![bytes(MSG_INLINE_BYTES_MAX - 8)], vec![bytes(MSG_INLINE_BYTES_MAX)], MsgReturn::SendNoBuffer),
        (vec![memory(MSG_OOL_BYTES_MAX)], vec![memory(MSG_OOL_BYTES_MAX), memory(1)], MsgReturn::SendNoBuffer),
    ] {
        w.post(s, p, 1, good);
        let m = message(named(p, CopySend), NamedRight::NULL, 1, bad);
        fails_without_a_trace(&mut w, s, m, code);
        w.receive(s, p);
    }
}

#[test]
fn ipc_bound_6_memory_that_its_sender_froze_costs_nothing_and_stays_on_the_machine() {
    let mut w = World::new();
    let (sender, task) = (w.space(), w.space());
    let server = w.ipc.space_create(true);
    let (to_task, to_server) = (w.port(task), w.port(server));
    let (theirs, its) = (w.give(task, to_task, MakeSend, sender), w.give(server, to_server, MakeSend, sender));
    let bytes = Bytes::from(vec![0; MSG_OOL_BYTES_MAX / 2 + 1]);
    let frozen = |times| {
        let mut memory = Payload::default();
        (0..times).for_each(|_| memory.push_stored(bytes.clone(), std::sync::Arc::new(()), 0));
        vec![Item::OutOfLine(memory)]
    };
    let to = |port, body| message(NamedRight::copy_send(port), NamedRight::NULL, 1, body);
    let before = w.ipc.queued().1;
    w.send(sender, to(theirs, frozen(2))).unwrap();
    assert!(w.ipc.queued().1 - before < 4096);
    fails_without_a_trace(&mut w, sender, to(its, frozen(2)), MsgReturn::SendNoBuffer);
    w.send(sender, to(its, frozen(1))).unwrap();
    assert_eq!(w.receive(task, to_task).body.out_of_line_bytes(), 2 * bytes.len());
    // But for the list of its pieces.
    let mut pieces = Payload::default();
    (0..1000).for_each(|n| pieces.push_stored(bytes.slice(n..n + 1), std::sync::Arc::new(()), n as u64));
    let (before, list) = (w.ipc.queued().1, size_of_val(pieces.chunks()));
    w.send(sender, to(theirs, vec![Item::OutOfLine(pieces)])).unwrap();
    assert!((list..list + 4096).contains(&(w.ipc.queued().1 - before)));
    let too_many = MSG_FROZEN_BYTES_MAX / bytes.len() + 1;
    assert_eq!(w.send(sender, to(theirs, frozen(too_many))).unwrap_err().code, MsgReturn::SendNoBuffer);
}

#[test]
fn ipc_bound_5_a_task_that_fills_queues_leaves_room_for_others() {
    let mut w = World::new();
    let (hostile, other, owner) = (w.space(), w.space(), w.space());
    let p = w.port(owner);
    w.set_qlimit(owner, p, QLIMIT_MAX);
    let (theirs, its) = (w.give(owner, p, MakeSend, hostile), w.give(owner, p, MakeSend, other));
    let memory = Payload::from(vec![0; MSG_OOL_BYTES_MAX]);
    let big = |to| message(NamedRight::copy_send(to), NamedRight::NULL, 1, vec![Item::OutOfLine(memory.clone())]);
    let mut sent = 0;
    while (sent + 1) * (MSG_OOL_BYTES_MAX + 1024) <= SPACE_QUEUED_BYTES_MAX {
        w.send(hostile, big(theirs)).unwrap();
        sent += 1;
    }
    fails_without_a_trace(&mut w, hostile, big(theirs), MsgReturn::SendNoBuffer);
    w.send(other, big(its)).unwrap();
    // What is received is no longer its sender's.
    w.receive(owner, p);
    w.send(hostile, big(theirs)).unwrap();
    // Its messages outlive it; their end is nobody's.
    w.step(|ipc, fx| ipc.space_destroy(hostile, fx));
    (0..=sent).for_each(|_| drop(w.receive(owner, p)));
    assert_eq!(w.ipc.queued(), (0, 0));
}

#[test]
fn ipc_bound_2_queued_messages_of_a_node_have_a_cost() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(b);
    w.set_qlimit(b, p, QLIMIT_MAX);
    let to_p = w.give(b, p, MakeSend, a);
    // One page of memory stands for all; what it costs is what it is.
    let memory = Payload::from(vec![0; MSG_OOL_BYTES_MAX]);
    let big = || message(NamedRight::copy_send(to_p), NamedRight::NULL, 1, vec![Item::OutOfLine(memory.clone())]);
    let mut sent = 0;
    // No task may fill it alone. [ipc.bound.5]
    let mut others = Vec::new();
    while w.ipc.queued().1 + MSG_OOL_BYTES_MAX + 1024 <= QUEUED_BYTES_MAX {
        if sent % 3 == 0 {
            let other = w.space();
            others.push((other, w.give(b, p, MakeSend, other)));
        }
        let (other, to_p) = *others.last().unwrap();
        let memory = vec![Item::OutOfLine(memory.clone())];
        w.send(other, message(NamedRight::copy_send(to_p), NamedRight::NULL, 1, memory)).unwrap();
        sent += 1;
    }
    fails_without_a_trace(&mut w, a, big(), MsgReturn::SendNoBuffer);
    // A notification goes through all the same.
    let once = w.give(b, p, MakeSendOnce, a);
    w.deallocate(a, once).unwrap();
    w.receive(b, p);
    w.send(a, big()).unwrap();
    assert_eq!(w.drain(b, p).len(), sent + 1);
    assert_eq!(w.ipc.queued(), (0, 0));
}

#[test]
fn ipc_pseudo_1_a_message_comes_back_as_though_received() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, mine, gone) = (w.port(b), w.send_receive(a), w.port(b));
    w.set_qlimit(b, p, 0);
    let (to_p, doomed) = (w.give(b, p, MakeSend, a), w.give(b, gone, MakeSend, a));
    let once = w.give(b, p, MakeSendOnce, a);
    let body = vec![
        port(mine, CopySend),
        port(mine, MakeSend),
        port(once, MoveSendOnce),
        port(mine, MoveReceive),
        port(doomed, MoveSend),
        Item::OutOfLine(vec![1, 2].into()),
    ];
    let m = message(named(to_p, MoveSend), named(mine, MakeSendOnce), 42, body);
    let waiter = w.send_blocking(a, m).expect("the limit is 0");
    assert_eq!((w.type_of(a, to_p), w.type_of(a, once)), (0, 0));
    w.destroy(b, gone).unwrap();
    let back = w.take_back(waiter);
    // The header is not swapped; MoveSend of the last reference comes back under the name it gets now.
    assert_eq!((back.id, back.remote.disposition, back.local.disposition), (42, MoveSend, MoveSendOnce));
    assert_eq!(w.refs(a, back.remote.name, RightType::Send), 1);
    assert_eq!(w.type_of(a, back.local.name), RightType::SendOnce.type_bit());
    let [Item::Port(copied), Item::Port(made), Item::Port(once), Item::Port(receive), Item::Port(dead), _] =
        back.body.items()[..]
    else {
        panic!("{back:?}")
    };
    assert_eq!((copied, made, receive), (named(mine, MoveSend), named(mine, MoveSend), named(mine, MoveReceive)));
    assert_eq!(w.refs(a, mine, RightType::Send), 3, "its own, one copied, one made");
    assert_eq!(w.type_of(a, once.name), RightType::SendOnce.type_bit());
    assert_eq!(dead, named(PortName::DEAD, MoveSend));
    assert_eq!(back.body.items()[5], Item::OutOfLine(vec![1, 2].into()));
    assert_eq!(w.effects(), []);
}

#[test]
fn ipc_pseudo_1_a_right_without_room_comes_back_null() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(b), w.port(b));
    w.set_qlimit(b, p, 0);
    let to_p = w.give(b, p, MakeSend, a);
    let once = w.give(b, q, MakeSendOnce, a);
    let waiter =
        w.send_blocking(a, message(named(to_p, CopySend), NamedRight::NULL, 1, vec![port(once, MoveSendOnce)]));
    while w.ipc.names_len(a) < SPACE_NAMES_MAX - 1 {
        w.ipc.allocate(a, RightType::DeadName).unwrap();
    }
    let Some(Cancelled::Send(error)) = w.ipc.cancel(waiter.unwrap(), Cut::Interrupt, &mut w.fx) else {
        panic!("it was blocked")
    };
    assert_eq!((error.code, error.no_room), (MsgReturn::SendInterrupted, NoRoom::IPC_SPACE));
    let back = error.message.unwrap();
    assert_eq!((back.remote, back.body.items()), (named(to_p, MoveSend), vec![port(PortName::NULL, MoveSendOnce)]));
    assert_eq!(w.drain(b, q), [71]);
}
