//! What `mach_msg` can be asked besides: a message forced into a full queue, requests that come and go with a right.

use kernel_core::ipc::{
    Cancelled, NotificationKind, ReceiveOptions, Right, SendError, SendOptions, SendOutcome, SpaceId, Wait,
};
use proto::Disposition::*;
use proto::limits::ACCEPT_REQUESTS_MAX;
use proto::{Item, MsgReturn, NamedRight, NoRoom, PortName, RightType};

use super::world::{TYPE_ARMED, World, message, name_item};

const TYPE_FORCED: u32 = 0x4000_0000;
const UNKNOWN: PortName = PortName(0x7_7000);

/// A server's port whose queue is full, and a client with a send right to it and a port for notifications.
struct Full {
    w: World,
    server: SpaceId,
    p: PortName,
    client: SpaceId,
    to_p: PortName,
    log: PortName,
}

impl Full {
    fn new() -> Full {
        let mut w = World::new();
        let (server, client) = (w.space(), w.space());
        let (p, log) = (w.port(server), w.port(client));
        let to_p = w.give(server, p, MakeSend, client);
        w.set_qlimit(server, p, 1);
        w.post(client, to_p, 1, vec![]);
        Full { w, server, p, client, to_p, log }
    }

    fn force(&mut self, remote: NamedRight, notify: PortName, id: i32) -> SendError {
        let options = SendOptions { notify: Some(notify), ..SendOptions::POLL };
        let m = message(remote, NamedRight::NULL, id, vec![]);
        let client = self.client;
        self.w.step(|ipc, fx| ipc.send(client, m, options, fx)).expect_err("the queue is full")
    }

    fn told(&mut self) -> Vec<(i32, Vec<Item<NamedRight>>)> {
        std::iter::from_fn(|| self.w.try_receive(self.client, self.log, ReceiveOptions::POLL).ok())
            .map(|m| (m.id, m.body.items()))
            .collect()
    }
}

fn will_notify() -> SendError {
    SendError { code: MsgReturn::SendWillNotify, no_room: NoRoom::NOTHING, message: None }
}

#[test]
fn ipc_accept_1_a_forced_message_is_told_of_when_it_is_taken() {
    let mut f = Full::new();
    let to_p = f.to_p;
    assert_eq!(f.force(NamedRight::copy_send(to_p), f.log, 2), will_notify());
    assert_eq!(f.w.status(f.server, f.p).msgcount, 2, "above the limit");
    assert_eq!(f.w.type_of(f.client, to_p), 0x1_0000 | TYPE_FORCED);
    assert_eq!(f.w.receive(f.server, f.p).id, 1);
    assert_eq!(f.told(), []);
    assert_eq!(f.w.receive(f.server, f.p).id, 2);
    assert_eq!(f.told(), [(66, vec![name_item(to_p)])]);
    assert_eq!(f.w.type_of(f.client, to_p), 0x1_0000);
    // With room it goes as any other.
    let options = SendOptions { notify: Some(f.log), ..SendOptions::POLL };
    let m = message(NamedRight::copy_send(to_p), NamedRight::NULL, 3, vec![]);
    assert_eq!(f.w.step(|ipc, fx| ipc.send(f.client, m, options, fx)), Ok(SendOutcome::Sent));
    // When the port dies it is told too.
    assert_eq!(f.force(NamedRight::copy_send(to_p), f.log, 4), will_notify());
    f.w.destroy(f.server, f.p).unwrap();
    let told = f.told();
    assert!(told == [(66, vec![name_item(to_p)])] || told == [(66, vec![name_item(PortName::NULL)])], "{told:?}");
}

#[test]
fn ipc_accept_1_only_when_the_deadline_has_passed() {
    let mut f = Full::new();
    let (client, to_p) = (f.client, f.to_p);
    let waits = |f: &mut Full, id, notify| {
        let waiter = f.w.waiter();
        let options = SendOptions { wait: Wait::Block(waiter), notify: Some(notify), ..SendOptions::POLL };
        let m = message(NamedRight::copy_send(to_p), NamedRight::NULL, id, vec![]);
        assert_eq!(f.w.step(|ipc, fx| ipc.send(client, m, options, fx)), Ok(SendOutcome::Blocked));
        waiter
    };
    let log = f.log;
    let (first, second, third) = (waits(&mut f, 2, log), waits(&mut f, 3, log), waits(&mut f, 4, UNKNOWN));
    assert_eq!(f.w.expire(first), Some(Cancelled::Send(will_notify())));
    // An interrupt gives the message back; so does a notification that cannot be.
    assert_eq!(f.w.take_back(second).id, 3);
    let Some(Cancelled::Send(error)) = f.w.expire(third) else { panic!("it waits") };
    assert_eq!((error.code, error.message.map(|m| m.id)), (MsgReturn::SendNotifyInProgress, Some(4)));
    assert_eq!(f.w.drain(f.server, f.p), [1, 2]);
    assert_eq!(f.told().len(), 1);
    assert_eq!(f.w.type_of(client, to_p), 0x1_0000);
    assert_eq!(f.w.refs(client, to_p, RightType::Send), 3, "two came back as one more each");
}

#[test]
fn ipc_accept_1_the_order_of_the_checks() {
    let mut f = Full::new();
    let to_p = f.to_p;
    let code = |f: &mut Full, notify| {
        let error = f.force(NamedRight::copy_send(to_p), notify, 9);
        assert_eq!(error.message.is_some(), error.code != MsgReturn::SendWillNotify);
        error.code
    };
    assert_eq!(code(&mut f, PortName::NULL), MsgReturn::SendInvalidNotify);
    assert_eq!(code(&mut f, UNKNOWN), MsgReturn::SendInvalidNotify);
    assert_eq!(code(&mut f, to_p), MsgReturn::SendInvalidNotify, "no receive right");
    let log = f.log;
    assert_eq!(code(&mut f, log), MsgReturn::SendWillNotify);
    assert_eq!(code(&mut f, log), MsgReturn::SendNotifyInProgress);
    assert_eq!(code(&mut f, UNKNOWN), MsgReturn::SendNotifyInProgress, "is seen first");
    assert_eq!(code(&mut f, PortName::NULL), MsgReturn::SendInvalidNotify);
    // Each task has its own.
    let other = f.w.space();
    let (theirs, log) = (f.w.give(f.server, f.p, MakeSend, other), f.w.port(other));
    let options = SendOptions { notify: Some(log), ..SendOptions::POLL };
    let m = message(NamedRight::copy_send(theirs), NamedRight::NULL, 3, vec![]);
    assert_eq!(f.w.step(|ipc, fx| ipc.send(other, m, options, fx)), Err(will_notify()));
}

#[test]
fn ipc_accept_1_a_node_has_so_many() {
    let Full { mut w, server, p, client, log, .. } = Full::new();
    // The last reference goes with each, so that none has a name and there may be many.
    for n in 0..=ACCEPT_REQUESTS_MAX {
        let right = w.ipc.extract_right(server, p, MakeSend, &mut w.fx).unwrap();
        let to_q = w.ipc.insert_right_for(client, right, &mut w.fx).unwrap();
        let spare = w.ipc.get_refs(client, to_q, RightType::Send).unwrap() as i32 - 1;
        w.ipc.mod_refs(client, to_q, RightType::Send, -spare, &mut w.fx).unwrap();
        let options = SendOptions { notify: Some(log), ..SendOptions::POLL };
        let m = message(NamedRight::move_send(to_q), NamedRight::NULL, 2, vec![]);
        let code = w.ipc.send(client, m, options, &mut w.fx).unwrap_err().code;
        let full = n == ACCEPT_REQUESTS_MAX;
        assert_eq!(code, if full { MsgReturn::SendNoNotify } else { MsgReturn::SendWillNotify }, "{n}");
    }
    w.ipc.check();
    w.ipc.destroy(server, p, &mut w.fx).unwrap();
    w.ipc.check();
    assert_eq!(w.ipc.queued().0, ACCEPT_REQUESTS_MAX, "one notification each");
}

#[test]
fn ipc_accept_2_a_name_that_goes_leaves_null_and_one_that_changes_takes_it_along() {
    let null = [(66, vec![name_item(PortName::NULL)])];
    let act = |act: &dyn Fn(&mut Full)| {
        let mut f = Full::new();
        let (to_p, log) = (f.to_p, f.log);
        assert_eq!(f.force(NamedRight::copy_send(to_p), log, 2), will_notify());
        act(&mut f);
        f.w.drain(f.server, f.p);
        f.told()
    };
    assert_eq!(act(&|f| f.w.deallocate(f.client, f.to_p).unwrap()), null);
    assert_eq!(act(&|f| f.w.destroy(f.client, f.to_p).unwrap()), null);
    let renamed = act(&|f| {
        let (client, to_p) = (f.client, f.to_p);
        f.w.step(|ipc, _| ipc.rename(client, to_p, UNKNOWN)).unwrap();
        assert_eq!(f.w.type_of(client, UNKNOWN), 0x1_0000 | TYPE_FORCED);
    });
    assert_eq!(renamed, [(66, vec![name_item(UNKNOWN)])]);
    // A reference less is not the name; the name taken up again is another.
    let again = act(&|f| {
        f.w.give(f.server, f.p, MakeSend, f.client);
        f.w.deallocate(f.client, f.to_p).unwrap();
        assert_eq!(f.w.type_of(f.client, f.to_p), 0x1_0000 | TYPE_FORCED);
        f.w.deallocate(f.client, f.to_p).unwrap();
        let fresh = f.w.give(f.server, f.p, MakeSend, f.client);
        assert_eq!(f.w.type_of(f.client, fresh), 0x1_0000);
        let log = f.log;
        assert_eq!(f.force(NamedRight::copy_send(fresh), log, 3), will_notify());
    });
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], null[0]);
    // The last reference goes with the message itself.
    let mut f = Full::new();
    let (to_p, log) = (f.to_p, f.log);
    assert_eq!(f.force(NamedRight::move_send(to_p), log, 2), will_notify());
    f.w.drain(f.server, f.p);
    assert_eq!(f.told(), null);
    // The sender's task is gone, and with it whoever would be told.
    let mut f = Full::new();
    let (to_p, log, client) = (f.to_p, f.log, f.client);
    assert_eq!(f.force(NamedRight::copy_send(to_p), log, 2), will_notify());
    f.w.step(|ipc, fx| ipc.space_destroy(client, fx));
    assert_eq!(f.w.drain(f.server, f.p), [1, 2]);
}

#[test]
fn ipc_accept_3_send_cancel_ends_the_request_of_the_name_that_it_frees() {
    let send = |f: &mut Full, remote, cancel| {
        let options = SendOptions { cancel: Some(cancel), ..SendOptions::POLL };
        let m = message(remote, NamedRight::NULL, 2, vec![]);
        let client = f.client;
        f.w.step(|ipc, fx| ipc.send(client, m, options, fx)).map_err(|e| (e.code, e.message.is_some()))
    };
    for (how, same, told) in [(MakeSendOnce, true, vec![]), (MakeSendOnce, false, vec![65]), (MakeSend, true, vec![])] {
        let mut f = Full::new();
        f.w.drain(f.server, f.p);
        f.w.destroy(f.client, f.to_p).unwrap();
        let name = f.w.give(f.server, f.p, how, f.client);
        assert_eq!(f.w.request(f.client, name, NotificationKind::DeadName, 0, f.log), Ok(Right::Null));
        let disposition = if how == MakeSend { MoveSend } else { MoveSendOnce };
        let cancel = if same { f.log } else { f.w.port(f.client) };
        assert_eq!(send(&mut f, NamedRight { name, disposition }, cancel), Ok(SendOutcome::Sent));
        assert_eq!(f.w.status(f.client, f.log).sorights, told.len() as u32);
        assert_eq!(f.told().iter().map(|t| t.0).collect::<Vec<_>>(), told);
    }
    // A name that stays keeps its request; a bad name to cancel changes nothing and is seen before the destination.
    let mut f = Full::new();
    f.w.drain(f.server, f.p);
    let (to_p, log) = (f.to_p, f.log);
    assert_eq!(f.w.request(f.client, to_p, NotificationKind::DeadName, 0, log), Ok(Right::Null));
    assert_eq!(send(&mut f, NamedRight::copy_send(to_p), log), Ok(SendOutcome::Sent));
    assert_eq!(f.w.type_of(f.client, to_p), 0x1_0000 | TYPE_ARMED);
    for (remote, cancel) in [(to_p, UNKNOWN), (to_p, to_p), (to_p, PortName::NULL), (UNKNOWN, UNKNOWN)] {
        let refused = send(&mut f, NamedRight::move_send(remote), cancel);
        assert_eq!(refused, Err((MsgReturn::SendInvalidNotify, true)));
    }
    assert_eq!(f.w.type_of(f.client, to_p), 0x1_0000 | TYPE_ARMED);
}

#[test]
fn ipc_accept_4_receive_notify_arms_the_name_of_the_reply_right() {
    let mut w = World::new();
    let (s, client) = (w.space(), w.space());
    let (p, log, mine) = (w.port(s), w.port(s), w.port(client));
    let to_p = w.give(s, p, MakeSend, client);
    let ask = |w: &mut World, reply| {
        w.send(client, message(NamedRight::copy_send(to_p), reply, 1, vec![])).unwrap();
        w.try_receive(s, p, ReceiveOptions { notify: Some(log), ..ReceiveOptions::POLL })
    };
    let once = ask(&mut w, NamedRight::make_send_once(mine)).unwrap().remote.name;
    assert_eq!(w.type_of(s, once), 0x4_0000 | TYPE_ARMED);
    let send = ask(&mut w, NamedRight::make_send(mine)).unwrap().remote.name;
    assert_eq!(w.type_of(s, send), 0x1_0000 | TYPE_ARMED);
    assert_eq!(w.status(s, log).sorights, 2);
    // A name that is there already, and one that comes dead or null, get none.
    assert_eq!(ask(&mut w, NamedRight::make_send(mine)).unwrap().remote.name, send);
    assert_eq!(ask(&mut w, NamedRight::NULL).unwrap().remote.name, PortName::NULL);
    assert_eq!(w.status(s, log).sorights, 2);
    w.destroy(client, mine).unwrap();
    assert_eq!(w.drain(s, log), [72, 72]);
    assert_eq!(w.refs(s, send, RightType::DeadName), 3);
}

#[test]
fn ipc_accept_4_a_bad_name_to_notify_costs_the_message() {
    let mut w = World::new();
    let (s, client) = (w.space(), w.space());
    let (p, mine) = (w.port(s), w.port(client));
    let to_p = w.give(s, p, MakeSend, client);
    for (reply, notify) in [(NamedRight::make_send_once(mine), UNKNOWN), (NamedRight::NULL, PortName::NULL)] {
        w.send(client, message(NamedRight::copy_send(to_p), reply, 1, vec![])).unwrap();
        let error = w.try_receive(s, p, ReceiveOptions { notify: Some(notify), ..ReceiveOptions::POLL }).unwrap_err();
        let header = error.message.unwrap().message;
        assert_eq!((error.code, header.id), (MsgReturn::RcvInvalidNotify, 1));
        assert_eq!((header.local.name, header.remote.name), (p, PortName::NULL));
    }
    assert_eq!(w.drain(client, mine), [71]);
    assert_eq!(w.status(s, p).seqno, 2);
    // For one that waits it is looked up when the message comes.
    let waiter = w.waiter();
    let log = w.port(s);
    let options = ReceiveOptions { wait: Wait::Block(waiter), notify: Some(log), ..ReceiveOptions::POLL };
    w.step(|ipc, fx| ipc.receive(s, p, options, fx)).unwrap();
    w.destroy(s, log).unwrap();
    w.post(client, to_p, 2, vec![]);
    assert_eq!(w.received(waiter).unwrap_err().code, MsgReturn::RcvInvalidNotify);
}
