//! Lanes and leases: whatever looks at what they rest on finds what a call by the node would have left.

use std::cell::Cell;
use std::rc::Rc;

use kernel_core::ipc::{AnswerCount, LaneEnds, LaneId, LaneMemory, LeaseEnd, LeaseMemory, SpaceId, WaiterId};
use proto::Disposition::*;
use proto::{KernReturn, MsgReturn, NamedRight, PortName, RightType};

use super::world::{World, message};

/// What two tasks and the node share, in one place.
#[derive(Default)]
struct Memory {
    /// The request that the server has, by the number of those before it.
    serving: Cell<Option<u32>>,
    calls: Cell<u32>,
    is_cut: Cell<bool>,
    answers: Cell<u32>,
    /// The server is in its receive.
    present: Cell<bool>,
    taken: Cell<u32>,
    is_closed: Cell<bool>,
}

impl LaneMemory for Memory {
    fn cut(&self) -> Option<u32> {
        assert!(!self.is_cut.replace(true), "a lane is cut once");
        self.serving.get()
    }
    fn calls(&self) -> u32 {
        self.calls.get()
    }
}

impl LeaseMemory for Memory {
    fn close(&self) -> LeaseEnd {
        assert!(!self.is_closed.replace(true), "a lease is closed once");
        LeaseEnd { present: self.present.get(), taken: self.taken.get() }
    }
}

impl AnswerCount for Memory {
    fn answers(&self) -> u32 {
        self.answers.get()
    }
}

const CLIENT: WaiterId = WaiterId(1000);

struct Lanes {
    w: World,
    client: SpaceId,
    server: SpaceId,
    /// The server's name for its port, and the client's.
    port: PortName,
    destination: PortName,
    reply: PortName,
    /// The name of the first reply right.
    slot: PortName,
    lane: LaneId,
    memory: Rc<Memory>,
    /// The server's waiting receive.
    waiter: WaiterId,
}

fn lanes() -> Lanes {
    let mut w = World::new();
    let (client, server) = (w.space(), w.space());
    let port = w.port(server);
    let destination = w.give(server, port, MakeSend, client);
    let reply = w.port(client);
    let memory = Rc::new(Memory::default());
    memory.present.set(true);
    let waiter = w.receive_blocking(server, port);
    let ends = LaneEnds { client, waiter: CLIENT, destination, reply, server };
    let made = w.step(|ipc, _| ipc.lane_open(ends, memory.clone(), memory.clone()));
    let opened = made.expect("everything is as it has to be");
    let (lane, slot) = (opened.lane, opened.reply_first);
    assert_eq!(opened.server_name, port);
    let at = w.ipc.lane_port(server, port).unwrap();
    assert_eq!(w.step(|ipc, _| ipc.lane_open(ends, memory.clone(), memory.clone())), None, "there is one");
    assert_eq!(w.step(|ipc, _| ipc.lease(waiter, memory.clone())), Some((at, 0)));
    Lanes { w, client, server, port, destination, reply, slot, lane, memory, waiter }
}

impl Lanes {
    /// A call that is over, as far as the node can see.
    fn call(&self) {
        let m = &self.memory;
        m.calls.set(m.calls.get() + 1);
        m.taken.set(m.taken.get() + 1);
        m.answers.set(m.answers.get() + 1);
    }

    /// The server takes a request and is away with it; the name of its right to answer.
    fn take(&self) -> PortName {
        let m = &self.memory;
        m.serving.set(Some(m.calls.get()));
        m.calls.set(m.calls.get() + 1);
        m.taken.set(m.taken.get() + 1);
        m.present.set(false);
        PortName(self.slot.0 + m.calls.get() - 1)
    }

    fn is_cut(&mut self) -> bool {
        assert_eq!(self.w.ipc.lanes_gone(), if self.memory.is_cut.get() { vec![self.lane] } else { vec![] });
        self.memory.is_cut.get()
    }
}

fn to(name: PortName, id: i32) -> proto::Message<NamedRight> {
    message(NamedRight::copy_send(name), NamedRight::NULL, id, vec![])
}

fn answer(name: PortName, id: i32) -> proto::Message<NamedRight> {
    message(NamedRight { name, disposition: MoveSendOnce }, NamedRight::NULL, id, vec![])
}

#[test]
fn ipc_fast_4_messages_by_lane_and_by_node_are_numbered_together() {
    let mut l = lanes();
    (0..3).for_each(|_| l.call());
    l.w.send(l.client, to(l.destination, 7)).unwrap();
    let received = l.w.received(l.waiter).unwrap();
    assert_eq!((received.id, received.seqno), (7, 3));
    assert!(!l.is_cut(), "an ordinary message does not end a lane");
    assert_eq!(l.w.status(l.server, l.port).seqno, 4);
    // The client's port for replies, likewise.
    let right = l.w.give(l.client, l.reply, MakeSendOnce, l.server);
    l.w.send(l.server, answer(right, 8)).unwrap();
    assert_eq!(l.w.receive(l.client, l.reply).seqno, 3);
}

#[test]
fn ipc_fast_4_who_is_away_is_no_receiver() {
    let mut l = lanes();
    l.take();
    l.w.set_qlimit(l.server, l.port, 1);
    l.w.send(l.client, to(l.destination, 1)).unwrap();
    assert_eq!(l.w.send(l.client, to(l.destination, 2)).unwrap_err().code, MsgReturn::SendTimedOut);
    assert_eq!(l.w.effects(), []);
    let received = l.w.receive(l.server, l.port);
    assert_eq!((received.id, received.seqno), (1, 1));
}

#[test]
fn ipc_fast_5_a_second_receiver_comes_after_the_first_and_instead_of_one_that_is_away() {
    let mut l = lanes();
    let second = l.w.receive_blocking(l.server, l.port);
    assert!(l.memory.is_closed.get());
    l.w.send(l.client, to(l.destination, 1)).unwrap();
    assert_eq!(l.w.received(l.waiter).unwrap().id, 1);
    l.w.send(l.client, to(l.destination, 2)).unwrap();
    assert_eq!(l.w.received(second).unwrap().id, 2);

    let mut l = lanes();
    l.take();
    let second = l.w.receive_blocking(l.server, l.port);
    l.w.send(l.client, to(l.destination, 1)).unwrap();
    assert_eq!(l.w.received(second).unwrap().id, 1);
}

#[test]
fn ipc_fast_5_only_the_one_receiver_of_a_port_gets_a_lease() {
    let mut w = World::new();
    let s = w.space();
    let (port, set) = (w.port(s), w.set(s));
    let memory = Rc::new(Memory::default());
    let on_set = w.receive_blocking(s, set);
    let first = w.receive_blocking(s, port);
    let second = w.receive_blocking(s, port);
    for waiter in [on_set, first, second, WaiterId(77)] {
        assert_eq!(w.step(|ipc, _| ipc.lease(waiter, memory.clone())), None);
    }
}

#[test]
fn ipc_fast_6_a_reply_right_that_is_used_otherwise_is_a_right_like_any_other() {
    let mut l = lanes();
    l.call();
    let right = l.take();
    assert_eq!(l.w.type_of(l.server, right), RightType::SendOnce.type_bit());
    assert!(l.is_cut());
    assert_eq!(l.w.status(l.client, l.reply).sorights, 1);
    // Moved on to somebody else, and used there.
    let third = l.w.space();
    let moved = l.w.give(l.server, right, MoveSendOnce, third);
    l.w.send(third, answer(moved, 9)).unwrap();
    let reply = l.w.receive(l.client, l.reply);
    assert_eq!((reply.id, reply.seqno), (9, 1));

    // Answered by the node.
    let mut l = lanes();
    let right = l.take();
    l.w.send(l.server, answer(right, 10)).unwrap();
    assert!(l.is_cut());
    assert_eq!(l.w.receive(l.client, l.reply).id, 10);
    assert_eq!(l.w.type_of(l.server, right), 0);

    // Given up: the client is told.
    let mut l = lanes();
    let right = l.take();
    l.w.deallocate(l.server, right).unwrap();
    assert_eq!(l.w.receive(l.client, l.reply).id, 71);
}

#[test]
fn ipc_fast_8_a_name_that_was_used_by_a_lane_denotes_nothing() {
    let mut l = lanes();
    let first = l.take();
    l.memory.serving.set(None);
    assert_eq!(l.w.ipc.names(l.server).unwrap().len(), 1, "the lane's names do not show");
    assert_eq!(l.w.deallocate(l.server, first), Err(KernReturn::InvalidName));
    assert!(l.is_cut());
    for name in [l.slot, first, PortName(l.slot.0 + 1)] {
        assert_eq!(l.w.type_of(l.server, name), 0);
    }
    // None of them comes again soon.
    for _ in 0..200 {
        let name = l.w.port(l.server);
        assert!(name.0.wrapping_sub(l.slot.0) > 1, "{name:?} was given out for a reply right");
        l.w.destroy(l.server, name).unwrap();
    }
}

#[test]
fn ipc_fast_8_names_that_a_task_chooses_and_reserved_ones_do_not_meet() {
    let mut l = lanes();
    let chosen = PortName(l.slot.0 + 5);
    let right = l.w.extract(l.client, l.reply, MakeSend).unwrap();
    l.w.insert(l.server, chosen, right).unwrap();
    assert!(l.is_cut(), "the lane gives way");
    assert_eq!(l.w.type_of(l.server, chosen), RightType::Send.type_bit());
}

#[test]
fn ipc_fast_7_every_end_of_what_a_lane_rests_on_ends_it() {
    type End = fn(&mut Lanes);
    let ends: [(&str, End); 11] = [
        ("the send right is given up", |l| l.w.deallocate(l.client, l.destination).unwrap()),
        ("the send right is moved", |l| {
            let third = l.w.space();
            l.w.give(l.client, l.destination, MoveSend, third);
        }),
        ("the reply port dies", |l| l.w.destroy(l.client, l.reply).unwrap()),
        ("the reply port moves", |l| {
            l.w.give(l.client, l.reply, MoveReceive, l.server);
        }),
        ("the reply port joins a set", |l| {
            let set = l.w.set(l.client);
            l.w.move_member(l.client, l.reply, set).unwrap();
        }),
        ("the port dies", |l| l.w.destroy(l.server, l.port).unwrap()),
        ("the port moves", |l| {
            l.w.give(l.server, l.port, MoveReceive, l.client);
        }),
        ("the port joins a set", |l| {
            let set = l.w.set(l.server);
            l.w.move_member(l.server, l.port, set).unwrap();
        }),
        ("the client dies", |l| l.w.step(|ipc, fx| ipc.space_destroy(l.client, fx))),
        ("the server dies", |l| l.w.step(|ipc, fx| ipc.space_destroy(l.server, fx))),
        ("the names are listed", |l| l.w.step(|ipc, _| ipc.lanes_cut_space(l.client))),
    ];
    for (what, end) in ends {
        for serving in [false, true] {
            let mut l = lanes();
            l.call();
            let right = serving.then(|| l.take());
            end(&mut l);
            assert!(l.is_cut(), "{what}, serving: {serving}");
            let Some(right) = right else { continue };
            // The request was received, so that its right is a real one, or dead with its port, or was released.
            let reply_lives = !["reply port dies", "client dies"].iter().any(|w| what.ends_with(w));
            if what == "the server dies" {
                assert_eq!(l.w.receive(l.client, l.reply).id, 71);
            } else {
                let kind = if reply_lives { RightType::SendOnce } else { RightType::DeadName };
                assert_eq!(l.w.type_of(l.server, right), kind.type_bit(), "{what}");
            }
        }
    }
}

#[test]
fn ipc_fast_9_another_message_for_the_client_ends_its_lane_unless_it_gets_it_at_once() {
    let mut l = lanes();
    let other = l.w.give(l.client, l.reply, MakeSend, l.server);
    assert!(l.is_cut(), "a routine names the reply port");
    // Without one: the client receives by the node, in the same call.
    let mut l = Lanes { memory: Rc::default(), ..l };
    let waiter = CLIENT;
    let ends = LaneEnds { client: l.client, waiter, destination: l.destination, reply: l.reply, server: l.server };
    let memory = l.memory.clone();
    let opened = l.w.step(|ipc, _| ipc.lane_open(ends, memory.clone(), memory)).unwrap();
    (l.lane, l.slot) = (opened.lane, opened.reply_first);
    l.w.send(l.server, to(other, 1)).unwrap();
    l.w.step(|ipc, _| ipc.lanes_settle(Some(CLIENT)));
    assert!(!l.is_cut(), "the client is in a call");
    assert_eq!(l.w.receive(l.client, l.reply).id, 1);
    l.w.step(|ipc, _| ipc.lanes_settle(None));
    assert!(!l.is_cut());
    l.w.send(l.server, to(other, 2)).unwrap();
    l.w.step(|ipc, _| ipc.lanes_settle(None));
    assert!(l.is_cut(), "the message would wait behind an answer");
}

#[test]
fn ipc_fast_9_another_receiver_of_the_reply_port_ends_the_lane() {
    let mut l = lanes();
    l.w.step(|ipc, _| ipc.lanes_before_receive(l.client, l.reply, CLIENT));
    assert!(!l.is_cut());
    l.w.step(|ipc, _| ipc.lanes_before_receive(l.client, l.reply, WaiterId(1001)));
    assert!(l.is_cut());
}

#[test]
fn ipc_fast_10_a_lane_is_made_only_where_it_can_be_kept() {
    let mut w = World::new();
    let (client, server, third) = (w.space(), w.space(), w.space());
    let port = w.port(server);
    let destination = w.give(server, port, MakeSend, client);
    let reply = w.port(client);
    let ends = LaneEnds { client, waiter: CLIENT, destination, reply, server };
    let set = w.set(server);
    let open = |w: &mut World, ends| {
        let memory = Rc::new(Memory::default());
        w.step(|ipc, _| ipc.lane_open(ends, memory.clone(), memory)).is_some()
    };
    assert!(!open(&mut w, LaneEnds { server: third, ..ends }), "received elsewhere");
    assert!(!open(&mut w, LaneEnds { destination: reply, ..ends }), "no send right");
    assert!(!open(&mut w, LaneEnds { reply: destination, ..ends }), "no receive right");
    w.move_member(server, port, set).unwrap();
    assert!(!open(&mut w, ends), "a member of a set");
    w.move_member(server, port, PortName::NULL).unwrap();
    assert!(open(&mut w, ends));
    // A task that calls itself.
    let own = w.send_receive(server);
    let own_reply = w.port(server);
    assert!(!open(&mut w, LaneEnds { client: server, waiter: CLIENT, destination: own, reply: own_reply, server }));
}
