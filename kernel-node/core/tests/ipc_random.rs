//! Random calls on a few spaces: after each one every invariant holds, messages come in order and once, and when all is
//! given up nothing is left and nobody waits.
//!
//! A failure prints the shortest sequence of calls that proptest finds, and keeps its seed in a file beside this one.

use std::collections::{BTreeMap, BTreeSet};

use kernel_core::ipc::{
    Cancelled, Cut, Effect, Ipc, KernelTag, NotificationKind, Polled, PollerId, PortId, ReceiveOptions, ReceiveOutcome,
    Right, SendOptions, SendOutcome, SpaceId, Wait, WaiterId,
};
use proptest::prelude::*;
use proto::{Disposition, Incarnation, Item, Message, MsgReturn, NamedRight, PortName, RightType, TraceId};

const SPACES: usize = 3;
const DISPOSITIONS: [Disposition; 6] = [
    Disposition::MakeSend,
    Disposition::MakeSendOnce,
    Disposition::CopySend,
    Disposition::MoveSend,
    Disposition::MoveSendOnce,
    Disposition::MoveReceive,
];
const RIGHTS: [RightType; 5] =
    [RightType::Receive, RightType::PortSet, RightType::Send, RightType::SendOnce, RightType::DeadName];
const KINDS: [NotificationKind; 3] =
    [NotificationKind::DeadName, NotificationKind::NoSenders, NotificationKind::PortDestroyed];

/// One call. Numbers choose among what is there when it is made.
#[derive(Clone, Debug)]
enum Op {
    Allocate(u8, u8),
    Destroy(u8, u8),
    Deallocate(u8, u8),
    ModRefs(u8, u8, u8, i8),
    Give(u8, u8, u8, u8),
    Insert(u8, u8, u8, u8, u8),
    Send { from: u8, to: Named, reply: Named, body: Vec<Named>, how: u8 },
    Receive { space: u8, name: u8, how: u8 },
    Cancel(u8),
    Poll(u8, u8),
    Unpoll(u8),
    MoveMember(u8, u8, u8),
    SetQlimit(u8, u8, u8),
    Request { space: u8, name: u8, kind: u8, sync: u8, notify: u8 },
    KernelPort(u8),
    KernelReceive,
    KernelSend(u8, u8),
    KernelKeep(u8, u8, u8),
    KernelRelease(u8),
    KernelAdopt(u8),
    KernelGive(u8),
    SpaceDies(u8),
}

/// A name of the space and a disposition.
type Named = (u8, u8);

fn op() -> impl Strategy<Value = Op> {
    let n = any::<u8>;
    let named = (n(), n());
    prop_oneof![
        4 => (n(), n()).prop_map(|(s, r)| Op::Allocate(s, r)),
        2 => (n(), n()).prop_map(|(s, m)| Op::Destroy(s, m)),
        2 => (n(), n()).prop_map(|(s, m)| Op::Deallocate(s, m)),
        2 => (n(), n(), n(), -2i8..3).prop_map(|(s, m, r, d)| Op::ModRefs(s, m, r, d)),
        5 => (n(), n(), n(), n()).prop_map(|(s, m, h, t)| Op::Give(s, m, h, t)),
        2 => (n(), n(), n(), n(), n()).prop_map(|(s, m, h, t, u)| Op::Insert(s, m, h, t, u)),
        20 => (n(), named, named, prop::collection::vec(named, 0..3), n())
            .prop_map(|(from, to, reply, body, how)| Op::Send { from, to, reply, body, how }),
        12 => (n(), n(), n()).prop_map(|(space, name, how)| Op::Receive { space, name, how }),
        2 => n().prop_map(Op::Cancel),
        3 => (n(), n()).prop_map(|(s, m)| Op::Poll(s, m)),
        1 => n().prop_map(Op::Unpoll),
        3 => (n(), n(), n()).prop_map(|(s, m, t)| Op::MoveMember(s, m, t)),
        1 => (n(), n(), n()).prop_map(|(s, m, q)| Op::SetQlimit(s, m, q)),
        4 => (n(), n(), n(), n(), n())
            .prop_map(|(space, name, kind, sync, notify)| Op::Request { space, name, kind, sync, notify }),
        1 => n().prop_map(Op::KernelPort),
        2 => Just(Op::KernelReceive),
        1 => (n(), n()).prop_map(|(t, b)| Op::KernelSend(t, b)),
        1 => (n(), n(), n()).prop_map(|(s, m, h)| Op::KernelKeep(s, m, h)),
        1 => n().prop_map(Op::KernelRelease),
        1 => n().prop_map(Op::KernelAdopt),
        1 => n().prop_map(Op::KernelGive),
        1 => n().prop_map(Op::SpaceDies),
    ]
}

#[derive(Default)]
struct Tally {
    sent: u32,
    received: u32,
    blocked: u32,
    notified: u32,
}

struct Run {
    ipc: Ipc,
    fx: Vec<Effect>,
    spaces: Vec<SpaceId>,
    /// Rights in the kernel's hands.
    held: Vec<Right>,
    kernel_ports: Vec<PortId>,
    /// Who waits, and the message of one that waits to send.
    waiting: BTreeMap<WaiterId, Option<i32>>,
    /// Pollers that have not ended, and the level that was told last.
    pollers: BTreeMap<PollerId, bool>,
    last_waiter: u64,
    last_id: i32,
    /// Messages that may still arrive.
    under_way: BTreeSet<i32>,
    /// The last message that came through a send right of each port, by its uid's serial.
    newest: BTreeMap<u64, i32>,
    tally: Tally,
}

impl Run {
    fn new() -> Run {
        let mut ipc = Ipc::new(Incarnation(1));
        let spaces: Vec<_> = (0..SPACES).map(|i| ipc.space_create(i == 0)).collect();
        let mut fx = Vec::new();
        // Each has a port with little room, and can send to that of the next.
        for (i, space) in spaces.iter().enumerate() {
            let name = ipc.allocate(*space, RightType::Receive).unwrap();
            ipc.set_qlimit(*space, name, 1, &mut fx).unwrap();
            let right = ipc.extract_right(*space, name, Disposition::MakeSend, &mut fx).unwrap();
            ipc.insert_right_for(spaces[(i + 1) % SPACES], right, &mut fx).unwrap();
        }
        Run {
            ipc,
            fx,
            spaces,
            held: Vec::new(),
            kernel_ports: Vec::new(),
            waiting: BTreeMap::new(),
            pollers: BTreeMap::new(),
            last_waiter: 0,
            // Above the ids of notifications.
            last_id: 1000,
            under_way: BTreeSet::new(),
            newest: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    fn space(&self, n: u8) -> SpaceId {
        self.spaces[n as usize % SPACES]
    }

    /// A name of the space, sometimes one that denotes nothing.
    fn name(&self, space: SpaceId, n: u8) -> PortName {
        let names = self.ipc.names(space).unwrap();
        let none = [PortName::NULL, PortName::DEAD, PortName(0x1_2345)];
        let n = n as usize % (names.len() + none.len());
        names.get(n).map_or_else(|| none[n - names.len()], |(name, _)| *name)
    }

    /// Mostly a name with one of these type bits.
    fn name_with(&self, space: SpaceId, n: u8, bits: u32) -> PortName {
        let fitting: Vec<_> = self.ipc.names(space).unwrap().into_iter().filter(|(_, b)| b & bits != 0).collect();
        match n {
            0..16 => self.name(space, n / 2),
            _ if fitting.is_empty() => self.name(space, n),
            n => fitting[n as usize % fitting.len()].0,
        }
    }

    /// Mostly a name that can be sent to.
    fn destination(&self, space: SpaceId, (name, how): Named) -> NamedRight {
        let name = self.name_with(space, name, 0x7_0000);
        let mut named = self.fitting(space, name, how);
        if named.disposition == Disposition::MoveReceive {
            named.disposition = Disposition::MakeSend;
        }
        named
    }

    fn named(&self, space: SpaceId, (name, how): Named) -> NamedRight {
        self.fitting(space, self.name(space, name), how)
    }

    fn fitting(&self, space: SpaceId, name: PortName, how: u8) -> NamedRight {
        // Mostly a disposition that the name can give.
        let fitting =
            DISPOSITIONS.into_iter().filter(|d| match self.ipc.names(space).unwrap().iter().find(|n| n.0 == name) {
                Some((_, bits)) => match d {
                    Disposition::MakeSend | Disposition::MakeSendOnce | Disposition::MoveReceive => {
                        bits & 0x2_0000 != 0
                    }
                    Disposition::CopySend | Disposition::MoveSend => bits & 0x11_0000 != 0,
                    Disposition::MoveSendOnce => bits & 0x14_0000 != 0,
                },
                None => true,
            });
        let fitting: Vec<_> = fitting.collect();
        let any = how.is_multiple_of(8) || fitting.is_empty();
        let disposition = if any { DISPOSITIONS[how as usize % 6] } else { fitting[how as usize / 8 % fitting.len()] };
        NamedRight { name, disposition }
    }

    fn waiter(&mut self, message: Option<i32>) -> WaiterId {
        self.last_waiter += 1;
        self.waiting.insert(WaiterId(self.last_waiter), message);
        WaiterId(self.last_waiter)
    }

    fn step(&mut self, op: &Op) {
        self.call(op);
        self.ipc.check();
        for effect in std::mem::take(&mut self.fx) {
            self.on_effect(effect);
        }
    }

    fn call(&mut self, op: &Op) {
        match *op {
            Op::Allocate(s, r) => {
                let right = RIGHTS[if r < 180 { 0 } else { r as usize % 5 }];
                let _ = self.ipc.allocate(self.space(s), right);
            }
            Op::Destroy(s, m) => {
                let _ = self.ipc.destroy(self.space(s), self.name(self.space(s), m), &mut self.fx);
            }
            Op::Deallocate(s, m) => {
                let _ = self.ipc.deallocate(self.space(s), self.name(self.space(s), m), &mut self.fx);
            }
            Op::ModRefs(s, m, r, d) => {
                let (s, right) = (self.space(s), RIGHTS[r as usize % 5]);
                let _ = self.ipc.mod_refs(s, self.name(s, m), right, i32::from(d), &mut self.fx);
            }
            Op::Give(s, m, h, t) => {
                let (s, to) = (self.space(s), self.space(t));
                if let Some(right) = self.extract(s, (m, h)) {
                    let _ = self.ipc.insert_right_for(to, right, &mut self.fx);
                }
            }
            Op::Insert(s, m, h, t, u) => {
                let (s, to) = (self.space(s), self.space(t));
                if let Some(right) = self.extract(s, (m, h)) {
                    let _ = self.ipc.insert_right(to, self.name(to, u), right, &mut self.fx);
                }
            }
            Op::Send { from, to, reply, ref body, how } => self.send(from, to, reply, body, how),
            Op::Receive { space, name, how } => self.receive(space, name, how),
            Op::Poll(s, m) => {
                let name = self.name_with(self.space(s), m, 0xA_0000);
                if let Ok(Polled { poller, ready }) = self.ipc.poll(self.space(s), name) {
                    let before = self.pollers.insert(poller, ready);
                    assert!(before.is_none_or(|before| before == ready), "a level that nobody was told of");
                }
            }
            Op::Unpoll(n) => {
                if let Some(poller) = self.pollers.keys().nth(n as usize % self.pollers.len().max(1)).copied() {
                    self.pollers.remove(&poller);
                    self.ipc.unpoll(poller);
                }
            }
            Op::Cancel(n) => {
                let Some(waiter) = self.waiting.keys().nth(n as usize % self.waiting.len().max(1)).copied() else {
                    return;
                };
                let message = self.waiting.remove(&waiter).unwrap();
                let why = if n.is_multiple_of(2) { Cut::Deadline } else { Cut::Interrupt };
                match (self.ipc.cancel(waiter, why, &mut self.fx).expect("it waits"), message) {
                    (Cancelled::Send(error), Some(id)) => match error.message {
                        Some(m) => {
                            assert_eq!(m.id, id);
                            self.under_way.remove(&id);
                        }
                        None => assert_eq!(error.code, MsgReturn::SendWillNotify),
                    },
                    (Cancelled::Receive(_), None) => {}
                    other => panic!("cancelled {other:?}"),
                }
            }
            Op::MoveMember(s, m, t) => {
                let s = self.space(s);
                let _ = self.ipc.move_member(
                    s,
                    self.name_with(s, m, 0x2_0000),
                    self.name_with(s, t, 0x8_0000),
                    &mut self.fx,
                );
            }
            Op::SetQlimit(s, m, q) => {
                let s = self.space(s);
                let _ = self.ipc.set_qlimit(s, self.name_with(s, m, 0x2_0000), u32::from(q % 4), &mut self.fx);
            }
            Op::Request { space, name, kind, sync, notify } => {
                let s = self.space(space);
                let (kind, name) = (KINDS[kind as usize % 3], self.name_with(s, name, 0x7_0000));
                let notify = match notify {
                    0..32 => Right::Null,
                    n => {
                        let how = Disposition::MakeSendOnce;
                        self.ipc
                            .extract_right(s, self.name_with(s, n, 0x2_0000), how, &mut self.fx)
                            .unwrap_or(Right::Null)
                    }
                };
                let asked = self.ipc.request_notification(s, name, kind, u32::from(sync % 3), notify, &mut self.fx);
                self.held.extend(asked.ok());
            }
            Op::KernelPort(n) => match n % 4 {
                0 if !self.kernel_ports.is_empty() => {
                    let port = self.kernel_ports.swap_remove(n as usize / 4 % self.kernel_ports.len());
                    self.ipc.kernel_port_destroy(port, &mut self.fx);
                }
                _ => {
                    let port = self.ipc.kernel_port_allocate(KernelTag(u64::from(n))).unwrap();
                    self.kernel_ports.push(port);
                    let right = self.ipc.make_send(port);
                    let _ = self.ipc.insert_right_for(self.space(n), right, &mut self.fx);
                }
            },
            Op::KernelReceive => {
                let Some(got) = self.ipc.kernel_receive(&mut self.fx) else { return };
                let Message { remote, id, body, .. } = got.message;
                self.arrived(id);
                self.held.push(remote);
                self.held.extend(body.into_rights());
            }
            Op::KernelSend(t, b) => {
                let sends = |r: &Right| matches!(r, Right::Send(_) | Right::SendOnce(_));
                let Some(at) = self.held.iter().position(sends) else { return };
                let remote = self.held.swap_remove(at);
                let body = match self.held.is_empty() {
                    true => vec![],
                    false => vec![Item::Port(self.held.swap_remove(b as usize % self.held.len()))],
                };
                self.last_id += 1;
                let id = self.last_id;
                let m =
                    Message { remote, local: Right::Null, id, seqno: 0, trace: TraceId(t.into()), body: body.into() };
                self.under_way.insert(id);
                if self.ipc.kernel_send(m, &mut self.fx).is_err() {
                    self.under_way.remove(&id);
                }
            }
            Op::KernelKeep(s, m, h) => {
                let right = self.extract(self.space(s), (m, h));
                self.held.extend(right);
            }
            Op::KernelRelease(n) => {
                if !self.held.is_empty() {
                    let right = self.held.swap_remove(n as usize % self.held.len());
                    self.ipc.release(right, &mut self.fx);
                }
            }
            Op::KernelAdopt(n) => {
                let Some(at) = self.held.iter().position(|r| matches!(r, Right::Receive(_))) else { return };
                let right = self.held.swap_remove(at);
                match self.ipc.kernel_adopt(right, KernelTag(n.into()), &mut self.fx) {
                    Ok(port) => self.kernel_ports.push(port),
                    Err(right) => self.held.push(right),
                }
            }
            Op::KernelGive(n) => {
                if self.kernel_ports.is_empty() {
                    return;
                }
                let port = self.kernel_ports.swap_remove(n as usize % self.kernel_ports.len());
                let right = self.ipc.kernel_give_receive(port, &mut self.fx);
                self.held.extend(right);
            }
            Op::SpaceDies(n) => {
                let at = n as usize % SPACES;
                self.ipc.space_destroy(self.spaces[at], &mut self.fx);
                self.spaces[at] = self.ipc.space_create(at == 0);
            }
        }
    }

    fn extract(&mut self, space: SpaceId, named: Named) -> Option<Right> {
        let NamedRight { name, disposition } = self.named(space, named);
        self.ipc.extract_right(space, name, disposition, &mut self.fx).ok()
    }

    fn send(&mut self, from: u8, to: Named, reply: Named, body: &[Named], how: u8) {
        let s = self.space(from);
        self.last_id += 1;
        let id = self.last_id;
        let remote = self.destination(s, to);
        let mut local = self.named(s, reply);
        if local.disposition == Disposition::MoveReceive {
            local = NamedRight::NULL;
        }
        // The trace tells a receiver whether the order of this message is promised.
        let ordered =
            remote.disposition != Disposition::MoveSendOnce && remote.disposition != Disposition::MakeSendOnce;
        let always = how.is_multiple_of(8);
        let mine = |n: u8, run: &Run| (n % 8 < 3).then(|| run.name_with(s, n, 0x2_0000));
        let (notify, cancel) = (mine(how / 8, self), mine(how / 16, self));
        // A message that is forced into its queue goes before those of senders that wait.
        let trace = TraceId(u64::from(ordered && !always && notify.is_none()));
        let body: Vec<_> = body.iter().map(|n| Item::Port(self.named(s, *n))).collect();
        let wait = if how.is_multiple_of(2) { Wait::Poll } else { Wait::Block(self.waiter(Some(id))) };
        self.under_way.insert(id);
        let m = Message { remote, local, id, seqno: 0, trace, body: body.into() };
        let outcome = self.ipc.send(s, m, SendOptions { wait, always, notify, cancel }, &mut self.fx);
        let waits = matches!(outcome, Ok(SendOutcome::Blocked));
        self.tally.sent += u32::from(outcome.is_ok());
        self.tally.blocked += u32::from(waits);
        match wait {
            Wait::Block(waiter) if !waits => drop(self.waiting.remove(&waiter)),
            Wait::Poll => assert!(!waits),
            Wait::Block(_) => {}
        }
        if let Err(error) = outcome {
            if error.code != MsgReturn::SendWillNotify {
                self.under_way.remove(&id);
            }
            assert!(error.message.is_none_or(|m| m.id == id));
        }
    }

    fn receive(&mut self, space: u8, name: u8, how: u8) {
        let s = self.space(space);
        let name = self.name_with(s, name, 0xA_0000);
        let wait = if how.is_multiple_of(2) { Wait::Poll } else { Wait::Block(self.waiter(None)) };
        let limit = (how / 2).is_multiple_of(4).then_some(4);
        let notify = (how / 16 == 3).then(|| self.name_with(s, how, 0x2_0000));
        let options = ReceiveOptions { wait, limit, large: (how / 8).is_multiple_of(2), notify };
        let outcome = self.ipc.receive(s, name, options, &mut self.fx);
        let waits = matches!(outcome, Ok(ReceiveOutcome::Blocked));
        match wait {
            Wait::Block(waiter) if !waits => drop(self.waiting.remove(&waiter)),
            Wait::Poll => assert!(!waits),
            Wait::Block(_) => {}
        }
        match outcome {
            Ok(ReceiveOutcome::Message(m)) => self.delivered(s, &m.message),
            Ok(ReceiveOutcome::Blocked) => {}
            Err(error) => {
                if let Some(m) = error.message {
                    self.delivered(s, &m.message);
                }
            }
        }
    }

    fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Readable(space) => assert_eq!(space, self.spaces[0]),
            Effect::Received { waiter, result } => {
                assert_eq!(self.waiting.remove(&waiter), Some(None), "{waiter:?} was not receiving");
                if let Ok(m) | Err(kernel_core::ipc::ReceiveError { message: Some(m), .. }) = result {
                    self.arrived(m.message.id);
                }
            }
            Effect::Sent { waiter, result } => {
                let id = self.waiting.remove(&waiter).expect("it waits").expect("to send");
                if result.is_err() {
                    self.under_way.remove(&id);
                }
            }
            Effect::Level { poller, ready } => {
                let before = self.pollers.insert(poller, ready);
                assert_eq!(before, Some(!ready), "a level that did not change");
            }
            Effect::PollerEnded(poller) => assert!(self.pollers.remove(&poller).is_some(), "it had ended"),
            Effect::PortDied { .. } => panic!("nothing is watched"),
        }
    }

    /// A message has arrived by a call: also its order can be told.
    fn delivered(&mut self, space: SpaceId, m: &Message<NamedRight>) {
        self.arrived(m.id);
        if m.trace == TraceId(1) && m.id > 1000 {
            let (_, uid) = self.ipc.port_of(space, m.local.name).expect("the port that received it");
            let newest = self.newest.insert(uid.serial, m.id);
            assert!(newest < Some(m.id), "{} came after {newest:?}", m.id);
        }
    }

    fn arrived(&mut self, id: i32) {
        match id {
            65..=72 => self.tally.notified += 1,
            id => assert!(self.under_way.remove(&id), "message {id} came twice, or was given back before"),
        }
        self.tally.received += 1;
    }

    /// Gives up everything there is.
    fn end(&mut self) {
        for n in 0..SPACES {
            self.ipc.space_destroy(self.spaces[n], &mut self.fx);
            self.ipc.check();
        }
        for right in std::mem::take(&mut self.held) {
            self.ipc.release(right, &mut self.fx);
        }
        for port in std::mem::take(&mut self.kernel_ports) {
            self.ipc.kernel_port_destroy(port, &mut self.fx);
        }
        while let Some(got) = self.ipc.kernel_receive(&mut self.fx) {
            self.ipc.release_message(got.message, &mut self.fx);
        }
        self.ipc.check();
        for effect in std::mem::take(&mut self.fx) {
            self.on_effect(effect);
        }
        assert_eq!(self.ipc.ports().collect::<Vec<_>>(), [], "ports are left");
        assert_eq!((self.ipc.queued(), self.ipc.kernel_held()), ((0, 0), 0));
        assert!(self.waiting.is_empty(), "somebody waits for ever: {:?}", self.waiting);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_keep_every_invariant(ops in prop::collection::vec(op(), 1..150)) {
        let mut run = Run::new();
        for op in &ops {
            run.step(op);
        }
        run.end();
    }
}

/// The random calls do what they are to find faults in: messages go, wait and arrive, and notifications come.
#[test]
fn the_random_calls_reach_what_they_are_to_test() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(op(), 150);
    let mut all = Tally::default();
    for _ in 0..40 {
        let mut run = Run::new();
        for op in ops.new_tree(&mut runner).unwrap().current() {
            run.step(&op);
        }
        let Tally { sent, received, blocked, notified } = run.tally;
        all = Tally {
            sent: all.sent + sent,
            received: all.received + received,
            blocked: all.blocked + blocked,
            notified: all.notified + notified,
        };
        run.end();
    }
    let Tally { sent, received, blocked, notified } = all;
    assert!(sent > 500 && received > 300 && blocked > 40 && notified > 60, "{sent} {received} {blocked} {notified}");
}
