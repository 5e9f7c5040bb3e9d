//! Names that a task chooses, changes and looks into; what the holder of a receive right sets.

use kernel_core::ipc::{KernelTag, NotificationKind, ReceiveOptions, Right};
use proto::Disposition::*;
use proto::{KernReturn, NamedRight, PortName, RightType};

use super::world::{TYPE_ARMED, World, message, name_item};

const CHOSEN: PortName = PortName(0x77_7001);
const OTHER: PortName = PortName(0x77_7002);

#[test]
fn ipc_allocate_1_under_a_chosen_name() {
    let mut w = World::new();
    let s = w.space();
    for (right, bits) in
        [(RightType::Receive, 0x2_0000), (RightType::PortSet, 0x8_0000), (RightType::DeadName, 0x10_0000)]
    {
        w.step(|ipc, _| ipc.allocate_name(s, right, CHOSEN)).unwrap();
        assert_eq!(w.type_of(s, CHOSEN), bits);
        assert_eq!(w.step(|ipc, _| ipc.allocate_name(s, right, CHOSEN)), Err(KernReturn::NameExists));
        w.destroy(s, CHOSEN).unwrap();
    }
    // The name is judged first, then the right, then whether the name is in use.
    let taken = w.port(s);
    for (right, name, code) in [
        (RightType::Receive, PortName::NULL, KernReturn::InvalidValue),
        (RightType::PortSet, PortName::DEAD, KernReturn::InvalidValue),
        (RightType::Send, taken, KernReturn::InvalidValue),
        (RightType::SendOnce, CHOSEN, KernReturn::InvalidValue),
        (RightType::DeadName, taken, KernReturn::NameExists),
    ] {
        assert_eq!(w.step(|ipc, _| ipc.allocate_name(s, right, name)), Err(code), "{right:?} {name:?}");
    }
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.step(|ipc, _| ipc.allocate_name(s, RightType::Receive, CHOSEN)), Err(KernReturn::InvalidTask));
    assert_eq!(w.ipc.ports_len(), 0);
}

#[test]
fn ipc_rename_1_every_kind_keeps_what_it_is() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (log, member) = (w.port(s), w.port(s));
    // A receive right with a send right, messages and an armed request.
    let p = w.send_receive(s);
    assert_eq!(w.request(s, p, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    w.post(s, p, 1, vec![]);
    w.step(|ipc, _| ipc.rename(s, p, CHOSEN)).unwrap();
    assert_eq!((w.type_of(s, p), w.type_of(s, CHOSEN)), (0, 0x3_0000 | TYPE_ARMED));
    assert_eq!(w.receive(s, CHOSEN).local.name, CHOSEN);
    let at_other = w.give(s, CHOSEN, MakeSend, other);
    assert_eq!(w.give(other, at_other, MoveSend, s), CHOSEN, "a send right joins the new name");
    w.destroy(s, CHOSEN).unwrap();
    let told = w.receive(s, log);
    assert_eq!((told.id, told.body.items()), (65, vec![name_item(CHOSEN)]));
    // A set with a member.
    let set = w.set(s);
    w.move_member(s, member, set).unwrap();
    w.step(|ipc, _| ipc.rename(s, set, CHOSEN)).unwrap();
    assert_eq!(w.status(s, member).pset, CHOSEN);
    w.step(|ipc, _| ipc.rename(s, member, OTHER)).unwrap();
    assert_eq!(w.step(|ipc, _| ipc.get_set_status(s, CHOSEN)), Ok(vec![OTHER]));
    w.destroy(s, CHOSEN).unwrap();
    // Send-once rights and dead names, a send right alone.
    let (once, send) = (w.give(s, OTHER, MakeSendOnce, other), w.give(s, OTHER, MakeSend, other));
    w.step(|ipc, _| ipc.rename(other, once, CHOSEN)).unwrap();
    w.step(|ipc, _| ipc.rename(other, send, once)).unwrap();
    assert_eq!((w.type_of(other, CHOSEN), w.type_of(other, once)), (0x4_0000, 0x1_0000));
    assert_eq!(w.give(s, OTHER, MakeSend, other), once);
    w.destroy(s, OTHER).unwrap();
    w.step(|ipc, _| ipc.rename(other, once, OTHER)).unwrap();
    assert_eq!((w.type_of(other, OTHER), w.refs(other, OTHER, RightType::DeadName)), (0x10_0000, 2));
}

#[test]
fn ipc_rename_1_the_order_of_the_checks() {
    let mut w = World::new();
    let s = w.space();
    let (p, q) = (w.port(s), w.port(s));
    for (old, new, code) in [
        (CHOSEN, PortName::NULL, KernReturn::InvalidValue),
        (p, PortName::DEAD, KernReturn::InvalidValue),
        (CHOSEN, q, KernReturn::NameExists),
        (p, p, KernReturn::NameExists),
        (CHOSEN, OTHER, KernReturn::InvalidName),
        (CHOSEN, CHOSEN, KernReturn::InvalidName),
        (PortName::NULL, OTHER, KernReturn::InvalidName),
    ] {
        assert_eq!(w.step(|ipc, _| ipc.rename(s, old, new)), Err(code), "{old:?} {new:?}");
    }
    w.step(|ipc, fx| ipc.space_destroy(s, fx));
    assert_eq!(w.step(|ipc, _| ipc.rename(s, p, PortName::NULL)), Err(KernReturn::InvalidTask));
}

#[test]
fn ipc_set_5_the_members_of_a_set() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let set = w.set(s);
    assert_eq!(w.step(|ipc, _| ipc.get_set_status(s, set)), Ok(vec![]));
    let ports = [w.port(s), w.send_receive(s), w.port(s)];
    for p in ports {
        w.move_member(s, p, set).unwrap();
    }
    assert_eq!(w.step(|ipc, _| ipc.get_set_status(s, set)), Ok(ports.to_vec()));
    w.move_member(s, ports[0], PortName::NULL).unwrap();
    w.give(s, ports[2], MoveReceive, other);
    assert_eq!(w.step(|ipc, _| ipc.get_set_status(s, set)), Ok(vec![ports[1]]));
    assert_eq!(w.step(|ipc, _| ipc.get_set_status(s, ports[0])), Err(KernReturn::InvalidRight));
    assert_eq!(w.step(|ipc, _| ipc.get_set_status(s, CHOSEN)), Err(KernReturn::InvalidName));
}

#[test]
fn ipc_status_2_the_holder_sets_its_counters() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let p = w.send_receive(s);
    w.step(|ipc, _| ipc.set_mscount(s, p, u32::MAX)).unwrap();
    w.step(|ipc, _| ipc.set_seqno(s, p, u32::MAX)).unwrap();
    w.post(s, p, 1, vec![]);
    w.post(s, p, 2, vec![]);
    assert_eq!([w.receive(s, p), w.receive(s, p)].map(|m| m.seqno), [u32::MAX, 0]);
    w.give(s, p, MakeSend, other);
    assert_eq!((w.status(s, p).mscount, w.status(s, p).seqno), (0, 1));
    // A no-senders request whose sync is above the count waits for the next last sender.
    let to_p = w.give(s, p, MakeSend, other);
    assert_eq!(w.status(s, p).mscount, 1);
    for (name, code) in [(to_p, KernReturn::InvalidRight), (CHOSEN, KernReturn::InvalidName)] {
        assert_eq!(w.step(|ipc, _| ipc.set_mscount(other, name, 0)), Err(code));
        assert_eq!(w.step(|ipc, _| ipc.set_seqno(other, name, 0)), Err(code));
        assert_eq!(w.step(|ipc, _| ipc.set_protected_payload(other, name, 0)), Err(code));
        assert_eq!(w.step(|ipc, _| ipc.clear_protected_payload(other, name)), Err(code));
    }
}

#[test]
fn ipc_payload_1_stands_for_the_name_until_the_right_moves() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, set) = (w.send_receive(s), w.set(s));
    let payload = |w: &mut World, space, to, on| {
        let once = w.give(space, to, MakeSendOnce, space);
        w.send(space, message(NamedRight::move_send_once(once), NamedRight::NULL, 1, vec![])).unwrap();
        let delivery = w.deliver(space, on, ReceiveOptions::POLL).unwrap();
        assert_eq!(delivery.message.local, NamedRight::move_send_once(to));
        delivery.payload
    };
    assert_eq!(payload(&mut w, s, p, p), None);
    w.step(|ipc, _| ipc.set_protected_payload(s, p, 0)).unwrap();
    assert_eq!(payload(&mut w, s, p, p), Some(0));
    w.step(|ipc, _| ipc.set_protected_payload(s, p, u64::MAX)).unwrap();
    w.move_member(s, p, set).unwrap();
    assert_eq!(payload(&mut w, s, p, set), Some(u64::MAX));
    w.step(|ipc, _| ipc.clear_protected_payload(s, p)).unwrap();
    assert_eq!(payload(&mut w, s, p, set), None);
    w.step(|ipc, _| ipc.set_protected_payload(s, p, 5)).unwrap();
    let p = w.give(s, p, MoveReceive, other);
    assert_eq!(payload(&mut w, other, p, p), None);
    // A header alone has it too.
    w.step(|ipc, _| ipc.set_protected_payload(other, p, 6)).unwrap();
    let once = w.give(other, p, MakeSendOnce, other);
    let body = vec![proto::Item::U64(1)];
    w.send(other, message(NamedRight::move_send_once(once), NamedRight::NULL, 1, body)).unwrap();
    let error = w.deliver(other, p, ReceiveOptions { limit: Some(1), ..ReceiveOptions::POLL }).unwrap_err();
    assert_eq!(error.message.unwrap().payload, Some(6));
}

#[test]
fn ipc_debug_1_rights_and_requests_of_a_port() {
    let mut w = World::new();
    let (s, other) = (w.space(), w.space());
    let (p, log) = (w.send_receive(s), w.port(other));
    let to_p = w.give(s, p, MakeSend, other);
    w.post(other, to_p, 1, vec![]);
    assert_eq!(w.step(|ipc, _| ipc.get_srights(s, p)), Ok(3), "two spaces and a message");
    assert_eq!(w.step(|ipc, _| ipc.dead_name_requests(s, p)), Ok(0));
    assert_eq!(w.request(other, to_p, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    assert_eq!(w.step(|ipc, _| ipc.dead_name_requests(s, p)), Ok(1));
    for (name, code) in [(to_p, KernReturn::InvalidRight), (CHOSEN, KernReturn::InvalidName)] {
        assert_eq!(w.step(|ipc, _| ipc.get_srights(other, name)), Err(code));
        assert_eq!(w.step(|ipc, _| ipc.dead_name_requests(other, name)), Err(code));
    }
}

#[test]
fn ipc_debug_2_what_the_kernel_has_behind_a_name() {
    let mut w = World::new();
    let s = w.space();
    let (p, set) = (w.port(s), w.set(s));
    let port = w.ipc.kernel_port_allocate(KernelTag(4)).unwrap();
    let name = w.step(|ipc, fx| {
        let right = ipc.make_send(port);
        ipc.insert_right_for(s, right, fx).unwrap()
    });
    let once = w.give(s, p, MakeSendOnce, s);
    assert_eq!(w.step(|ipc, _| ipc.kernel_object(s, name)), Ok(Some(KernelTag(4))));
    assert_eq!(w.step(|ipc, _| ipc.kernel_object(s, p)), Ok(None));
    for (name, code) in
        [(set, KernReturn::InvalidRight), (once, KernReturn::InvalidRight), (CHOSEN, KernReturn::InvalidName)]
    {
        assert_eq!(w.step(|ipc, _| ipc.kernel_object(s, name)), Err(code));
    }
    w.step(|ipc, fx| ipc.kernel_port_destroy(port, fx));
    assert_eq!(w.step(|ipc, _| ipc.kernel_object(s, name)), Err(KernReturn::InvalidRight), "it is a dead name now");
}
