//! Names, rights, references.

use kernel_core::ipc::{NotificationKind, Right};
use proto::Disposition::*;
use proto::limits::{PORTS_MAX, QLIMIT_DEFAULT, SPACE_NAMES_MAX, SPACE_PORTS_MAX, UREFS_MAX};
use proto::{KernReturn, NamedRight, PortName, RightType};

use super::world::{TYPE_ARMED, World, message, port};

const UNKNOWN: PortName = PortName(0x7_7000);

#[test]
fn ipc_name_4_allocate_makes_three_kinds_and_names_tells_them() {
    let mut w = World::new();
    let s = w.space();
    let receive = w.port(s);
    let set = w.set(s);
    let dead = w.step(|ipc, _| ipc.allocate(s, RightType::DeadName)).unwrap();
    for wrong in [RightType::Send, RightType::SendOnce] {
        assert_eq!(w.step(|ipc, _| ipc.allocate(s, wrong)), Err(KernReturn::InvalidValue));
    }
    let notify = w.port(s);
    assert_eq!(w.request(s, receive, NotificationKind::DeadName, 0, notify), Ok(Right::Null));
    let mut names = w.ipc.names(s).unwrap();
    names.sort();
    let mut expected = [(receive, 0x8002_0000), (set, 0x0008_0000), (dead, 0x0010_0000), (notify, 0x0002_0000)];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(w.type_of(s, receive), TYPE_ARMED | RightType::Receive.type_bit());
    assert_eq!(w.refs(s, dead, RightType::DeadName), 1);
}

#[test]
fn ipc_right_1_send_and_receive_rights_share_a_name() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(a);
    let at_b = w.give(a, p, MakeSend, b);
    assert_eq!(w.give(a, p, MakeSend, b), at_b);
    assert_eq!(w.refs(b, at_b, RightType::Send), 2);
    assert_eq!(w.give(b, at_b, CopySend, a), p);
    assert_eq!(w.type_of(a, p), RightType::Send.type_bit() | RightType::Receive.type_bit());
    assert_eq!(w.give(a, p, MoveReceive, b), at_b);
    assert_eq!(w.type_of(a, p), RightType::Send.type_bit());
    assert_eq!(w.type_of(b, at_b), RightType::Send.type_bit() | RightType::Receive.type_bit());
}

#[test]
fn ipc_right_2_send_once_rights_never_share_a_name() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.send_receive(a);
    let (one, two) = (w.give(a, p, MakeSendOnce, b), w.give(a, p, MakeSendOnce, b));
    assert_ne!(one, two);
    let own = w.give(a, p, MakeSendOnce, a);
    assert_ne!(own, p);
    assert_eq!(w.refs(a, own, RightType::SendOnce), 1);
    assert_eq!(w.status(a, p).sorights, 3);
}

#[test]
fn ipc_right_3_a_space_counts_once_and_messages_and_the_kernel_count() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(a), w.send_receive(a));
    let at_b = w.give(a, p, MakeSend, b);
    w.mod_refs(b, at_b, RightType::Send, 10).unwrap();
    assert_eq!(w.srights(a, p), 1);
    w.post(a, q, 1, vec![port(p, MakeSend), port(p, MakeSend)]);
    assert_eq!(w.srights(a, p), 3);
    let held = w.extract(b, at_b, CopySend).unwrap();
    assert_eq!((w.srights(a, p), w.ipc.kernel_held()), (4, 1));
    w.step(|ipc, fx| ipc.release(held, fx));
    w.receive(a, q);
    assert_eq!((w.srights(a, p), w.ipc.kernel_held()), (2, 0));
}

#[test]
fn ipc_right_4_get_refs_of_a_right_not_held_is_zero() {
    let mut w = World::new();
    let s = w.space();
    let (p, set) = (w.send_receive(s), w.set(s));
    use RightType::*;
    let of = |w: &mut World, name| [Send, Receive, SendOnce, PortSet, DeadName].map(|right| w.refs(s, name, right));
    assert_eq!(of(&mut w, p), [1, 1, 0, 0, 0]);
    assert_eq!(of(&mut w, set), [0, 0, 0, 1, 0]);
    for name in [PortName::NULL, PortName::DEAD, UNKNOWN] {
        assert_eq!(w.step(|ipc, _| ipc.get_refs(s, name, Send)), Err(KernReturn::InvalidName));
    }
}

/// Every kind of name that a space can have, made anew for each use.
const KINDS: [&str; 6] = ["send", "receive", "both", "send-once", "set", "dead"];

fn name_of_kind(w: &mut World, kind: &str) -> (kernel_core::ipc::SpaceId, PortName) {
    let (s, other) = (w.space(), w.space());
    let theirs = w.port(other);
    let name = match kind {
        "send" => w.give(other, theirs, MakeSend, s),
        "receive" => w.port(s),
        "both" => w.send_receive(s),
        "send-once" => w.give(other, theirs, MakeSendOnce, s),
        "set" => w.set(s),
        _ => w.step(|ipc, _| ipc.allocate(s, RightType::DeadName)).unwrap(),
    };
    (s, name)
}

#[test]
fn ipc_copyin_1_each_disposition_wants_its_right() {
    let given = [
        ("send", vec![MoveSend, CopySend]),
        ("receive", vec![MoveReceive, MakeSend, MakeSendOnce]),
        ("both", vec![MoveReceive, MoveSend, CopySend, MakeSend, MakeSendOnce]),
        ("send-once", vec![MoveSendOnce]),
        ("set", vec![]),
    ];
    for (kind, good) in given {
        for how in [MoveReceive, MoveSend, MoveSendOnce, CopySend, MakeSend, MakeSendOnce] {
            let mut w = World::new();
            let (s, name) = name_of_kind(&mut w, kind);
            let before = (w.type_of(s, name), w.refs(s, name, RightType::Send));
            match w.extract(s, name, how) {
                Ok(right) => {
                    assert!(good.contains(&how), "{kind} gave {how:?}");
                    w.step(|ipc, fx| ipc.release(right, fx));
                }
                Err(code) => {
                    assert!(!good.contains(&how), "{kind} refused {how:?}");
                    assert_eq!(code, KernReturn::InvalidRight);
                    assert_eq!((w.type_of(s, name), w.refs(s, name, RightType::Send)), before);
                }
            }
        }
    }
}

#[test]
fn ipc_copyin_2_what_each_disposition_takes() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.send_receive(a);
    let at_b = w.give(a, p, MakeSend, b);
    w.mod_refs(b, at_b, RightType::Send, 1).unwrap();
    w.give(b, at_b, CopySend, a);
    assert_eq!(w.refs(b, at_b, RightType::Send), 2);
    w.give(b, at_b, MoveSend, a);
    assert_eq!(w.refs(b, at_b, RightType::Send), 1);
    w.give(b, at_b, MoveSend, a);
    assert_eq!(w.type_of(b, at_b), 0);
    let once = w.give(a, p, MakeSendOnce, b);
    let back = w.give(b, once, MoveSendOnce, a);
    assert_eq!((w.type_of(b, once), w.type_of(a, back)), (0, RightType::SendOnce.type_bit()));
    // The receive right goes, the send references stay; then the last of them frees the name.
    let refs = w.refs(a, p, RightType::Send) as i32;
    w.give(a, p, MoveReceive, b);
    assert_eq!(w.type_of(a, p), RightType::Send.type_bit());
    w.mod_refs(a, p, RightType::Send, 1 - refs).unwrap();
    w.give(a, p, MoveSend, b);
    assert_eq!(w.type_of(a, p), 0);
}

#[test]
fn ipc_copyin_3_only_make_send_counts_as_made() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(a);
    let at_b = w.give(a, p, MakeSend, b);
    w.give(b, at_b, CopySend, b);
    w.give(a, p, MakeSendOnce, b);
    assert_eq!(w.status(a, p).mscount, 1);
    w.give(a, p, MakeSend, b);
    assert_eq!(w.status(a, p).mscount, 2);
}

#[test]
fn ipc_copyin_4_a_dead_name_gives_dead_rights() {
    for (how, takes) in [(MoveSend, 1), (CopySend, 0), (MoveSendOnce, 1)] {
        let mut w = World::new();
        let (s, name) = name_of_kind(&mut w, "dead");
        w.mod_refs(s, name, RightType::DeadName, 1).unwrap();
        assert_eq!(w.extract(s, name, how), Ok(Right::Dead));
        assert_eq!(w.refs(s, name, RightType::DeadName), 2 - takes);
        assert_eq!(w.extract(s, name, how), Ok(Right::Dead));
        assert_eq!(w.type_of(s, name) == 0, takes == 1);
    }
    let mut w = World::new();
    let (s, name) = name_of_kind(&mut w, "dead");
    for how in [MakeSend, MakeSendOnce, MoveReceive] {
        assert_eq!(w.extract(s, name, how), Err(KernReturn::InvalidRight));
    }
}

#[test]
fn ipc_copyout_1_a_send_right_adds_a_reference() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.send_receive(a), w.port(b));
    let to_q = w.give(b, q, MakeSend, a);
    w.post(a, to_q, 1, vec![port(p, CopySend), port(p, CopySend)]);
    let m = w.receive(b, q);
    let [proto::Item::Port(one), proto::Item::Port(two)] = m.body.items()[..] else { panic!("{m:?}") };
    assert_eq!((one, one.disposition), (two, MoveSend));
    assert_eq!(w.refs(b, one.name, RightType::Send), 2);
    // Back home it joins the receive right.
    w.give(b, one.name, MoveSend, a);
    assert_eq!(w.refs(a, p, RightType::Send), 2);
}

#[test]
fn ipc_copyout_2_at_the_limit_a_message_pegs() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(a), w.port(b));
    let (at_b, to_q) = (w.give(a, p, MakeSend, b), w.give(b, q, MakeSend, a));
    w.mod_refs(b, at_b, RightType::Send, UREFS_MAX as i32 - 1).unwrap();
    w.post(a, to_q, 1, vec![port(p, MakeSend)]);
    assert_eq!(w.srights(a, p), 2);
    assert_eq!(w.receive(b, q).body.items(), [port(at_b, MoveSend)]);
    assert_eq!((w.refs(b, at_b, RightType::Send), w.srights(a, p)), (UREFS_MAX, 1));
}

#[test]
fn ipc_copyout_3_a_right_that_died_in_flight_arrives_dead() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(a), w.port(b));
    let to_q = w.give(b, q, MakeSend, a);
    let reply = NamedRight::make_send_once(p);
    w.send(a, message(NamedRight::copy_send(to_q), reply, 1, vec![port(p, MakeSend), port(p, MakeSendOnce)])).unwrap();
    w.destroy(a, p).unwrap();
    let names = w.ipc.names_len(b);
    let m = w.receive(b, q);
    assert_eq!(m.remote, NamedRight { name: PortName::DEAD, disposition: MoveSendOnce });
    assert_eq!(m.body.items(), [port(PortName::DEAD, MoveSend), port(PortName::DEAD, MoveSendOnce)]);
    assert_eq!(w.ipc.names_len(b), names);
}

#[test]
fn ipc_copyout_4_a_receive_right_joins_the_send_name() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(a), w.port(a));
    let at_b = w.give(a, p, MakeSend, b);
    assert_eq!(w.give(a, p, MoveReceive, b), at_b);
    assert_eq!(w.type_of(b, at_b), RightType::Send.type_bit() | RightType::Receive.type_bit());
    let fresh = w.give(a, q, MoveReceive, b);
    assert_eq!(w.type_of(b, fresh), RightType::Receive.type_bit());
    assert_eq!((w.type_of(a, p), w.type_of(a, q)), (0, 0));
}

#[test]
fn ipc_drop_1_mod_refs_follows_the_table() {
    use KernReturn::*;
    use RightType as R;
    let own = |kind: &str| match kind {
        "send" | "both" => vec![R::Send],
        "receive" => vec![R::Receive],
        "send-once" => vec![R::SendOnce],
        "set" => vec![R::PortSet],
        _ => vec![R::DeadName],
    };
    for kind in KINDS {
        for right in [R::Send, R::Receive, R::SendOnce, R::PortSet, R::DeadName] {
            let held = own(kind).contains(&right) || (kind == "both" && right == R::Receive);
            let counted = matches!(right, R::Send | R::DeadName);
            let expect = |delta: i32| match (held, counted, delta) {
                (false, ..) => Err(InvalidRight),
                (_, _, -1 | 0) => Ok(()),
                (_, true, 1) => Ok(()),
                // A dead name counts one more.
                (_, true, 2..) if delta == UREFS_MAX as i32 && right == R::DeadName => Ok(()),
                (_, true, 2..) => Err(UrefsOverflow),
                _ => Err(InvalidValue),
            };
            for delta in [0, 1, -1, -2, UREFS_MAX as i32, i32::MAX, i32::MIN] {
                let mut w = World::new();
                let (s, name) = name_of_kind(&mut w, kind);
                assert_eq!(w.mod_refs(s, name, right, delta), expect(delta), "{kind} {right:?} {delta}");
                if delta == -1 && held && kind != "both" {
                    assert_eq!(w.type_of(s, name), 0, "{kind}");
                }
            }
        }
        let mut w = World::new();
        let (s, name) = name_of_kind(&mut w, kind);
        let refused = matches!(kind, "receive" | "set");
        assert_eq!(w.deallocate(s, name), if refused { Err(InvalidRight) } else { Ok(()) }, "{kind}");
        match kind {
            "both" => assert_eq!(w.type_of(s, name), R::Receive.type_bit()),
            kind => assert_eq!(w.type_of(s, name) == 0, !refused, "{kind}"),
        }
    }
    let mut w = World::new();
    let s = w.space();
    for name in [PortName::NULL, PortName::DEAD, UNKNOWN] {
        assert_eq!(w.deallocate(s, name), Err(InvalidName));
        assert_eq!(w.destroy(s, name), Err(InvalidName));
        assert_eq!(w.mod_refs(s, name, R::Send, 0), Err(InvalidName));
    }
}

#[test]
fn ipc_drop_1_the_limit_itself_is_reached_and_left() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(a);
    let at_b = w.give(a, p, MakeSend, b);
    w.mod_refs(b, at_b, RightType::Send, UREFS_MAX as i32 - 1).unwrap();
    assert_eq!(w.mod_refs(b, at_b, RightType::Send, 1), Err(KernReturn::UrefsOverflow));
    w.deallocate(b, at_b).unwrap();
    assert_eq!(w.mod_refs(b, at_b, RightType::Send, 1), Ok(()));
    assert_eq!(w.mod_refs(b, at_b, RightType::Send, -(UREFS_MAX as i32)), Ok(()));
    assert_eq!((w.type_of(b, at_b), w.srights(a, p)), (0, 0));
}

#[test]
fn ipc_drop_2_destroy_gives_up_everything_under_the_name() {
    for kind in KINDS {
        let mut w = World::new();
        let (s, name) = name_of_kind(&mut w, kind);
        if matches!(kind, "send" | "both") {
            w.mod_refs(s, name, RightType::Send, 7).unwrap();
        }
        let ports = w.ipc.ports_len();
        w.destroy(s, name).unwrap();
        assert_eq!((w.type_of(s, name), w.ipc.names_len(s)), (0, 0), "{kind}");
        assert_eq!(w.ipc.ports_len(), ports - usize::from(matches!(kind, "receive" | "both")), "{kind}");
        assert!(w.ipc.ports().all(|p| p.send_rights == 0));
    }
}

#[test]
fn ipc_drop_3_without_its_receive_right_the_name_is_dead_and_keeps_its_references() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    w.mod_refs(s, p, RightType::Send, 4).unwrap();
    w.mod_refs(s, p, RightType::Receive, -1).unwrap();
    assert_eq!(w.type_of(s, p), RightType::DeadName.type_bit());
    assert_eq!(w.refs(s, p, RightType::DeadName), 5);
    assert_eq!(w.mod_refs(s, p, RightType::Send, -1), Err(KernReturn::InvalidRight));
}

#[test]
fn ipc_drop_4_a_send_once_right_given_up_sends_one_message() {
    let ways: [fn(&mut World, kernel_core::ipc::SpaceId, PortName); 5] = [
        |w, s, name| w.deallocate(s, name).unwrap(),
        |w, s, name| w.destroy(s, name).unwrap(),
        |w, s, name| w.mod_refs(s, name, RightType::SendOnce, -1).unwrap(),
        |w, s, _| w.step(|ipc, fx| ipc.space_destroy(s, fx)),
        |w, s, name| {
            // In a queued message that is destroyed.
            let q = w.send_receive(s);
            w.post(s, q, 1, vec![port(name, MoveSendOnce)]);
            w.destroy(s, q).unwrap();
        },
    ];
    for give_up in ways {
        let mut w = World::new();
        let (a, b) = (w.space(), w.space());
        let p = w.port(a);
        let once = w.give(a, p, MakeSendOnce, b);
        give_up(&mut w, b, once);
        let m = w.receive(a, p);
        assert_eq!((m.id, m.body.items_len(), m.local), (71, 0, NamedRight::move_send_once(p)));
        assert_eq!(w.drain(a, p), []);
        assert_eq!(w.status(a, p).sorights, 0);
    }
}

#[test]
fn ipc_insert_1_the_order_of_the_checks() {
    use KernReturn::*;
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let (p, q) = (w.port(a), w.port(a));
    let at_b = w.give(a, p, MakeSend, b);
    let taken = w.port(b);
    for name in [PortName::NULL, PortName::DEAD] {
        assert_eq!(w.insert(b, name, Right::Dead), Err(InvalidValue));
        let right = w.extract(a, q, MakeSend).unwrap();
        assert_eq!(w.insert(b, name, right), Err(InvalidValue));
    }
    assert_eq!(w.insert(b, taken, Right::Null), Err(InvalidCapability));
    assert_eq!(w.insert(b, taken, Right::Dead), Err(InvalidCapability));
    // The port under another name comes before the name in use.
    for name in [taken, UNKNOWN] {
        let right = w.extract(a, p, MakeSend).unwrap();
        assert_eq!(w.insert(b, name, right), Err(RightExists));
    }
    let right = w.extract(a, q, MakeSend).unwrap();
    assert_eq!(w.insert(b, taken, right), Err(NameExists));
    let once = w.extract(a, q, MakeSendOnce).unwrap();
    assert_eq!(w.insert(b, at_b, once), Err(NameExists));
    assert_eq!(w.drain(a, q), [71], "the right was released");
    // A port that died: a name in use is told of first.
    for (name, code) in [(taken, NameExists), (UNKNOWN, InvalidCapability)] {
        let r = w.port(a);
        let right = w.extract(a, r, MakeSend).unwrap();
        w.destroy(a, r).unwrap();
        assert_eq!(w.insert(b, name, right), Err(code));
    }
    let right = w.extract(a, q, MakeSend).unwrap();
    w.step(|ipc, fx| ipc.space_destroy(b, fx));
    assert_eq!(w.insert(b, UNKNOWN, right), Err(InvalidTask));
    assert_eq!((w.srights(a, q), w.ipc.kernel_held()), (0, 0));
}

#[test]
fn ipc_insert_2_insert_does_not_peg() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(a);
    let at_b = w.give(a, p, MakeSend, b);
    w.mod_refs(b, at_b, RightType::Send, UREFS_MAX as i32 - 1).unwrap();
    let right = w.extract(a, p, MakeSend).unwrap();
    assert_eq!(w.insert(b, at_b, right), Err(KernReturn::UrefsOverflow));
    assert_eq!((w.refs(b, at_b, RightType::Send), w.srights(a, p)), (UREFS_MAX, 1));
    // A receive right has no count to overflow.
    let right = w.extract(a, p, MoveReceive).unwrap();
    assert_eq!(w.insert(b, at_b, right), Ok(()));
}

#[test]
fn ipc_insert_3_under_its_own_name_or_a_chosen_one() {
    let mut w = World::new();
    let s = w.space();
    let p = w.port(s);
    let right = w.extract(s, p, MakeSend).unwrap();
    w.insert(s, p, right).unwrap();
    assert_eq!((w.refs(s, p, RightType::Send), w.status(s, p).mscount), (1, 1));
    let once = w.extract(s, p, MakeSendOnce).unwrap();
    w.insert(s, UNKNOWN, once).unwrap();
    assert_eq!(w.type_of(s, UNKNOWN), RightType::SendOnce.type_bit());
    w.deallocate(s, UNKNOWN).unwrap();
    assert_eq!(w.type_of(s, UNKNOWN), 0);
    // A chosen name works for the coalescing rights too.
    let other = w.space();
    let right = w.extract(s, p, MakeSend).unwrap();
    w.insert(other, UNKNOWN, right).unwrap();
    assert_eq!(w.give(s, p, MakeSend, other), UNKNOWN);
    assert_eq!(w.give(s, p, MoveReceive, other), UNKNOWN);
    let (q, r) = (w.port(s), PortName(0x9_9000));
    let right = w.extract(s, q, MoveReceive).unwrap();
    w.insert(other, r, right).unwrap();
    assert_eq!(w.type_of(other, r), RightType::Receive.type_bit());
}

#[test]
fn ipc_extract_1_takes_as_a_message_would() {
    let mut w = World::new();
    let s = w.space();
    let p = w.send_receive(s);
    assert_eq!(w.extract(s, p, MoveSendOnce), Err(KernReturn::InvalidRight));
    assert_eq!(w.extract(s, PortName::NULL, MoveSend), Err(KernReturn::InvalidName));
    assert_eq!(w.extract(s, UNKNOWN, MoveSend), Err(KernReturn::InvalidName));
    let right = w.extract(s, p, MoveReceive).unwrap();
    assert!(matches!(right, Right::Receive(_)));
    w.step(|ipc, fx| ipc.release(right, fx));
    assert_eq!(w.extract(s, p, CopySend), Ok(Right::Dead));
}

#[test]
fn ipc_status_1_the_counters_of_a_port() {
    let mut w = World::new();
    let s = w.space();
    let p = w.port(s);
    let fresh = w.status(s, p);
    assert_eq!((fresh.qlimit, fresh.srights, fresh.pset), (QLIMIT_DEFAULT, false, PortName::NULL));
    assert_eq!((fresh.seqno, fresh.mscount, fresh.msgcount, fresh.sorights), (0, 0, 0, 0));
    let (set, notify) = (w.set(s), w.port(s));
    let q = w.send_receive(s);
    w.post(s, q, 1, vec![]);
    w.post(s, q, 2, vec![]);
    w.give(s, q, MakeSendOnce, s);
    w.receive(s, q);
    w.move_member(s, q, set).unwrap();
    w.set_qlimit(s, q, 9);
    assert_eq!(w.request(s, q, NotificationKind::NoSenders, 0, notify), Ok(Right::Null));
    assert_eq!(w.request(s, q, NotificationKind::PortDestroyed, 0, notify), Ok(Right::Null));
    let status = w.status(s, q);
    assert_eq!((status.pset, status.seqno, status.mscount, status.qlimit), (set, 1, 1, 9));
    assert_eq!((status.msgcount, status.sorights, status.srights), (1, 1, true));
    assert!(status.pdrequest && status.nsrequest && !fresh.pdrequest && !fresh.nsrequest);
    let theirs = w.give(s, p, MakeSend, s);
    assert_eq!(theirs, p);
    let other = w.space();
    let send = w.give(s, p, MakeSend, other);
    let status = |w: &mut World, name| w.step(|ipc, _| ipc.get_receive_status(other, name));
    assert_eq!(status(&mut w, send), Err(KernReturn::InvalidRight));
    assert_eq!(status(&mut w, UNKNOWN), Err(KernReturn::InvalidName));
}

#[test]
fn ipc_name_2_a_full_space_refuses_every_kind() {
    let mut w = World::new();
    let (a, b) = (w.space(), w.space());
    let p = w.port(a);
    while w.ipc.names_len(b) < SPACE_NAMES_MAX - 1 {
        w.ipc.allocate(b, RightType::DeadName).unwrap();
    }
    for right in [RightType::Receive, RightType::PortSet, RightType::DeadName] {
        assert_eq!(w.ipc.allocate(b, right), Err(KernReturn::NoSpace));
    }
    assert_eq!(w.ipc.ports_len(), 1);
    for how in [MakeSend, MakeSendOnce] {
        let right = w.ipc.extract_right(a, p, how, &mut w.fx).unwrap();
        assert_eq!(w.ipc.insert_right_for(b, right, &mut w.fx), Err(KernReturn::NoSpace));
        let right = w.ipc.extract_right(a, p, how, &mut w.fx).unwrap();
        assert_eq!(w.ipc.insert_right(b, PortName(0xFFFF_F005), right, &mut w.fx), Err(KernReturn::NoSpace));
    }
    w.ipc.check();
}

#[test]
fn ipc_bound_3_a_node_has_so_many_ports() {
    let mut ipc = kernel_core::ipc::Ipc::new(proto::Incarnation(1));
    let mut space = ipc.space_create(false);
    while ipc.ports_len() < PORTS_MAX {
        if ipc.names_len(space) == SPACE_PORTS_MAX {
            space = ipc.space_create(false);
        }
        ipc.allocate(space, RightType::Receive).unwrap();
    }
    let other = ipc.space_create(false);
    assert_eq!(ipc.allocate(other, RightType::Receive), Err(KernReturn::ResourceShortage));
    assert_eq!(ipc.kernel_port_allocate(kernel_core::ipc::KernelTag(0)), Err(KernReturn::ResourceShortage));
    assert_eq!(ipc.names_len(other), 0);
}

#[test]
fn ipc_bound_4_a_task_that_makes_ports_leaves_some_for_others() {
    let mut ipc = kernel_core::ipc::Ipc::new(proto::Incarnation(1));
    let (space, other, server) = (ipc.space_create(false), ipc.space_create(false), ipc.space_create(true));
    let fx = &mut Vec::new();
    let first = ipc.allocate(space, RightType::Receive).unwrap();
    while ipc.ports_len() < SPACE_PORTS_MAX {
        ipc.allocate(space, RightType::Receive).unwrap();
    }
    assert_eq!(ipc.allocate(space, RightType::Receive), Err(KernReturn::ResourceShortage));
    ipc.allocate(other, RightType::Receive).unwrap();
    // One that it gave away is still one that it made.
    let moved = ipc.extract_right(space, first, MoveReceive, fx).unwrap();
    let moved = ipc.insert_right_for(other, moved, fx).unwrap();
    assert_eq!(ipc.allocate(space, RightType::Receive), Err(KernReturn::ResourceShortage));
    ipc.destroy(other, moved, fx).unwrap();
    ipc.allocate(space, RightType::Receive).unwrap();
    ipc.space_destroy(space, fx);
    assert_eq!(ipc.ports_len(), 1);
    for _ in 0..=SPACE_PORTS_MAX {
        ipc.allocate(server, RightType::Receive).unwrap();
    }
}
