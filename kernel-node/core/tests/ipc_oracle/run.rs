//! The core and the model side by side: each call is made on both, and everything that can be seen is compared.

use std::collections::BTreeMap;

use kernel_core::ipc::{
    Cancelled, Cut, Delivery, Effect, Ipc, NotificationKind, ReceiveError, ReceiveOptions, ReceiveOutcome,
    Right as CoreRight, SendError, SendOptions, SendOutcome, SpaceId, Wait, WaiterId,
};
use proto::{Disposition, Incarnation, Item, KernReturn, Message, MsgReturn, NamedRight, PortName, RightType, TraceId};

use super::messages::{Sent, items_of};
use super::model::{Arrival, Ended, Entry, Model, Right, Seen, SeenPart, Space};

pub const RIGHTS: [RightType; 5] =
    [RightType::Send, RightType::Receive, RightType::SendOnce, RightType::PortSet, RightType::DeadName];

pub struct Run {
    pub ipc: Ipc,
    pub model: Model,
    fx: Vec<Effect>,
    /// The core's spaces and the model's.
    pub spaces: Vec<(SpaceId, Space)>,
    /// Who waits; with the model's space of a sender.
    pub waiting: BTreeMap<WaiterId, bool>,
    last_waiter: u64,
    /// While a case is set up only what happened is compared, not all that can be seen.
    pub setting_up: bool,
    /// Calls that ended with each code, so that it can be told what was reached.
    pub codes: BTreeMap<String, u32>,
}

impl Run {
    pub fn new(spaces: usize) -> Run {
        let mut run = Run {
            ipc: Ipc::new(Incarnation(1)),
            model: Model::default(),
            fx: Vec::new(),
            spaces: Vec::new(),
            waiting: BTreeMap::new(),
            last_waiter: 0,
            setting_up: false,
            codes: BTreeMap::new(),
        };
        for _ in 0..spaces {
            run.model.spaces.push(Some(BTreeMap::new()));
            run.spaces.push((run.ipc.space_create(false), run.model.spaces.len() - 1));
        }
        run.model.order = (0..spaces).collect();
        run
    }

    pub fn waiter(&mut self) -> WaiterId {
        self.last_waiter += 1;
        WaiterId(self.last_waiter)
    }

    /// Both results, which must be the same.
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, core: T, model: T) {
        self.model.settle();
        assert_eq!(core, model, "{what}: the core, then the model");
        self.compare(what);
    }

    fn note(&mut self, what: &str, code: impl std::fmt::Debug) {
        *self.codes.entry(format!("{what} {code:?}")).or_default() += 1;
    }

    fn kern(&mut self, what: &str, core: Result<(), KernReturn>, model: Result<(), KernReturn>) {
        self.note(what, core);
        self.same(what, core, model);
    }

    pub fn allocate(&mut self, s: usize, right: RightType, chosen: Option<PortName>) -> Option<PortName> {
        let (core, space) = self.spaces[s];
        let (got, expected) = match chosen {
            None => (self.ipc.allocate(core, right), Model::can_make(right)),
            Some(name) => (
                self.ipc.allocate_name(core, right, name).map(|()| name),
                self.model.can_allocate_name(space, right, name),
            ),
        };
        if let (Ok(name), Ok(())) = (got, expected) {
            let id = self.ipc.port_of(core, name).ok().map(|(id, _)| id);
            self.model.made(space, right, name, id);
        }
        self.kern("allocate", got.map(drop), expected);
        got.ok()
    }

    pub fn rename(&mut self, s: usize, old: PortName, new: PortName) {
        let (core, space) = self.spaces[s];
        let (got, expected) = (self.ipc.rename(core, old, new), self.model.rename(space, old, new));
        self.kern("rename", got, expected);
    }

    pub fn destroy(&mut self, s: usize, name: PortName) {
        let (core, space) = self.spaces[s];
        let got = self.ipc.destroy(core, name, &mut self.fx);
        self.take_effects();
        let expected = self.model.destroy_name(space, name);
        self.kern("destroy", got, expected);
    }

    pub fn deallocate(&mut self, s: usize, name: PortName) {
        let (core, space) = self.spaces[s];
        let got = self.ipc.deallocate(core, name, &mut self.fx);
        self.take_effects();
        let expected = self.model.deallocate(space, name);
        self.kern("deallocate", got, expected);
    }

    pub fn mod_refs(&mut self, s: usize, name: PortName, right: RightType, delta: i32) {
        let (core, space) = self.spaces[s];
        let got = self.ipc.mod_refs(core, name, right, delta, &mut self.fx);
        self.take_effects();
        let expected = self.model.mod_refs(space, name, right, delta);
        self.kern("mod_refs", got, expected);
    }

    /// Takes a right from one name and gives it to another space, under a name of its choice or a new one.
    pub fn give(&mut self, s: usize, named: NamedRight, t: usize, chosen: Option<PortName>) -> Option<PortName> {
        let ((core, space), (to_core, to)) = (self.spaces[s], self.spaces[t]);
        let got = self.ipc.extract_right(core, named.name, named.disposition, &mut self.fx);
        self.take_effects();
        let expected = self.model.copyin(space, named.name, named.disposition);
        self.model.passed = expected.ok();
        let code = got.as_ref().map(|_| ()).map_err(|e| *e);
        self.kern("extract_right", code, expected.map(drop));
        let (Ok(right), Ok(expected)) = (got, expected) else { return None };
        match chosen {
            None => {
                let name = self.ipc.insert_right_for(to_core, right, &mut self.fx).expect("there is room");
                self.take_effects();
                self.model.passed = None;
                let same = self.model.credit(to, expected, || name);
                self.same("insert_right_for", name, same);
                Some(name)
            }
            Some(name) => {
                let got = self.ipc.insert_right(to_core, name, right, &mut self.fx);
                self.take_effects();
                let inserted = self.model.insert(to, name, expected);
                self.model.passed = None;
                if inserted.is_err() {
                    self.model.release(expected);
                }
                self.kern("insert_right", got, inserted);
                got.ok().map(|()| name)
            }
        }
    }

    pub fn send(&mut self, s: usize, message: Message<NamedRight>, options: SendOptions) {
        let (core, space) = self.spaces[s];
        let parts = items_of(&message);
        let got = self.ipc.send(core, message.clone(), options, &mut self.fx);
        self.take_effects();
        if let (Err(SendError { message: Some(back), .. }), true) = (&got, matches!(&got, Err(e) if comes_back(e.code)))
        {
            self.model.core.insert(None, back.clone());
        }
        let expected = self.model.send(space, &message, &parts, options);
        let got = match got {
            Ok(SendOutcome::Sent) => Sent::Done,
            Ok(SendOutcome::Blocked) => Sent::Blocked,
            Err(SendError { code, message: Some(same), .. }) if same == message => Sent::Refused(code),
            Err(error) => failed(error),
        };
        // A message that comes back unchanged may be one that was taken and put back exactly as it was.
        let got = match (got, &expected) {
            (Sent::Refused(code), Sent::Failed(same, Some(_))) if code == *same => {
                Sent::Failed(code, Some(unswapped(&message)))
            }
            (got, _) => got,
        };
        if let (Sent::Blocked, Wait::Block(waiter)) = (&got, options.wait) {
            self.waiting.insert(waiter, true);
        }
        match &got {
            Sent::Refused(code) | Sent::Failed(code, _) => self.note("send", code),
            other => self.note("send", other),
        }
        self.same("send", got, expected);
    }

    pub fn receive(&mut self, s: usize, name: PortName, options: ReceiveOptions) -> Option<Message<NamedRight>> {
        let (core, space) = self.spaces[s];
        let got = self.ipc.receive(core, name, options, &mut self.fx);
        self.take_effects();
        let delivered = match &got {
            Ok(ReceiveOutcome::Message(delivery)) => Some(delivery.message.clone()),
            _ => None,
        };
        if let Some(message) = &delivered {
            self.model.core.insert(None, message.clone());
        }
        let expected = self.model.receive(space, name, options);
        let got = match got {
            Ok(ReceiveOutcome::Message(delivery)) => Some(arrival(Ok(delivery))),
            Ok(ReceiveOutcome::Blocked) => None,
            Err(error) => Some(arrival(Err(error))),
        };
        if let (None, Wait::Block(waiter)) = (&got, options.wait) {
            self.waiting.insert(waiter, false);
        }
        self.note("receive", got.as_ref().map(|a| a.code));
        self.same("receive", got, expected);
        delivered
    }

    pub fn cancel(&mut self, waiter: WaiterId, why: Cut) {
        self.waiting.remove(&waiter);
        let got = self.ipc.cancel(waiter, why, &mut self.fx).expect("it waits");
        self.take_effects();
        if let Cancelled::Send(SendError { message: Some(message), .. }) = &got {
            self.model.core.insert(None, message.clone());
        }
        let expected = self.model.cut(waiter, why);
        let got = match got {
            Cancelled::Send(error) => Some(failed(error)),
            Cancelled::Receive(code) => {
                let timed_out = why == Cut::Deadline;
                assert_eq!(code, if timed_out { MsgReturn::RcvTimedOut } else { MsgReturn::RcvInterrupted });
                None
            }
        };
        self.note("cancel", got.as_ref().map(|s| if let Sent::Failed(code, _) = s { Some(*code) } else { None }));
        self.same("cancel", got, expected);
    }

    pub fn move_member(&mut self, s: usize, member: PortName, after: PortName) {
        let (core, space) = self.spaces[s];
        let got = self.ipc.move_member(core, member, after, &mut self.fx);
        self.take_effects();
        let expected = self.model.move_member(space, member, after);
        self.kern("move_member", got, expected);
    }

    pub fn set_qlimit(&mut self, s: usize, name: PortName, qlimit: u32) {
        let (core, space) = self.spaces[s];
        let got = self.ipc.set_qlimit(core, name, qlimit, &mut self.fx);
        self.take_effects();
        let expected = self.model.set_qlimit(space, name, qlimit);
        self.kern("set_qlimit", got, expected);
    }

    /// The counters of a port: 0 the make-send count, 1 the sequence number, 2 the payload, 3 no payload.
    pub fn set_counter(&mut self, s: usize, name: PortName, which: u8, value: u32) {
        let (core, space) = self.spaces[s];
        let got = match which {
            0 => self.ipc.set_mscount(core, name, value),
            1 => self.ipc.set_seqno(core, name, value),
            2 => self.ipc.set_protected_payload(core, name, value.into()),
            _ => self.ipc.clear_protected_payload(core, name),
        };
        let expected = self.model.receive_right(space, name).map(|port| {
            let p = &mut self.model.ports[port];
            match which {
                0 => p.mscount = value,
                1 => p.seqno = value,
                2 => p.payload = Some(value.into()),
                _ => p.payload = None,
            }
        });
        self.kern("set_counter", got, expected);
    }

    /// Asks for a notification to a send-once right made of `notify`; what was asked for before is given up.
    pub fn request(&mut self, s: usize, name: PortName, kind: NotificationKind, sync: u32, notify: Option<PortName>) {
        let (core, space) = self.spaces[s];
        let make = Disposition::MakeSendOnce;
        let right = notify.map(|name| self.ipc.extract_right(core, name, make, &mut self.fx));
        let (core_right, right) = match (right, notify) {
            (Some(Ok(right)), Some(name)) => (right, self.model.copyin(space, name, make).expect("the core could")),
            (Some(Err(_)), Some(_)) => return,
            _ => (CoreRight::Null, Right::Null),
        };
        self.model.passed = Some(right);
        let got = self.ipc.request_notification(core, name, kind, sync, core_right, &mut self.fx);
        let expected = self.model.request(space, name, kind, sync, right);
        self.model.passed = None;
        if expected.is_err() {
            self.model.release(right);
        }
        let code = got.as_ref().map(|right| *right != CoreRight::Null).map_err(|e| *e);
        if let Ok(previous) = got {
            self.ipc.release(previous, &mut self.fx);
        }
        self.take_effects();
        self.model.settle();
        if let Ok(Some(previous)) = expected {
            self.model.release(Right::Once(previous));
        }
        self.note("request", code);
        self.same("request", code, expected.map(|previous| previous.is_some()));
    }

    pub fn space_dies(&mut self, s: usize) {
        let (core, space) = self.spaces[s];
        self.ipc.space_destroy(core, &mut self.fx);
        self.take_effects();
        self.model.space_dies(space);
        self.model.spaces.push(Some(BTreeMap::new()));
        self.spaces[s] = (self.ipc.space_create(false), self.model.spaces.len() - 1);
        self.model.order = self.spaces.iter().map(|s| s.1).collect();
        self.compare("the death of a space");
    }

    /// What the core gave to those who waited, for the model to take names from, and to be compared with what it gives.
    fn take_effects(&mut self) {
        for effect in &self.fx {
            if let Effect::Received { waiter, result: Ok(delivery) } = effect {
                self.model.core.insert(Some(*waiter), delivery.message.clone());
            }
        }
    }

    fn compare(&mut self, what: &str) {
        let mut ended = BTreeMap::new();
        for effect in std::mem::take(&mut self.fx) {
            let (waiter, end) = match effect {
                Effect::Sent { waiter, result } => (waiter, Ended::Sent(result)),
                Effect::Received { waiter, result } => (waiter, Ended::Received(arrival(result))),
                other => panic!("{other:?} is for nobody here"),
            };
            self.waiting.remove(&waiter).expect("it waits");
            assert!(ended.insert(waiter, end).is_none(), "{waiter:?} ended twice");
        }
        assert_eq!(ended, std::mem::take(&mut self.model.ended), "{what}: who waits no more");
        self.model.core.clear();
        if self.setting_up {
            return;
        }
        self.ipc.check();
        for at in 0..self.spaces.len() {
            self.compare_space(what, at);
        }
        let waits = self.model.receivers.len() + self.model.ports.iter().map(|p| p.blocked.len()).sum::<usize>();
        assert_eq!(waits, self.waiting.len(), "{what}: who waits");
        let alive = self.model.ports.iter().filter(|p| p.alive).count();
        assert_eq!(self.ipc.ports_len(), alive, "{what}: ports");
    }

    fn compare_space(&mut self, what: &str, at: usize) {
        let (core, space) = self.spaces[at];
        let mut names = self.ipc.names(core).expect("a live space");
        names.sort_unstable();
        let mine: Vec<(PortName, Entry)> =
            self.model.spaces[space].iter().flatten().map(|(n, e)| (*n, e.clone())).collect();
        let expected: Vec<_> = mine.iter().map(|(n, _)| (*n, self.model.type_bits(space, *n).expect("its"))).collect();
        assert_eq!(names, expected, "{what}: names of space {at}");
        for (name, entry) in mine {
            for right in RIGHTS {
                let got = self.ipc.get_refs(core, name, right);
                assert_eq!(got, self.model.get_refs(space, name, right), "{what}: {right:?} of {name:?}");
            }
            match entry {
                Entry::Port { port, receive: true, .. } => self.compare_port(what, core, name, port),
                Entry::Set(set) => {
                    let members = self.model.ports.iter().enumerate().filter(|(_, p)| p.set == Some(set));
                    let mut members: Vec<_> =
                        members.map(|(p, _)| self.model.name_of(space, p).expect("it is here")).collect();
                    members.sort_unstable();
                    assert_eq!(self.ipc.get_set_status(core, name), Ok(members), "{what}: members of {name:?}");
                }
                _ => {}
            }
        }
    }

    fn compare_port(&mut self, what: &str, core: SpaceId, name: PortName, port: usize) {
        let got = self.ipc.get_receive_status(core, name).expect("a receive right");
        let p = &self.model.ports[port];
        assert_eq!(
            (got.seqno, got.mscount, got.qlimit as usize, got.msgcount as usize),
            (p.seqno, p.mscount, p.qlimit, p.queue.len()),
            "{what}: counters of {name:?}"
        );
        assert_eq!(
            (got.pset != PortName::NULL, got.pdrequest, got.nsrequest),
            (p.set.is_some(), p.port_destroyed.is_some(), p.no_senders.is_some()),
            "{what}: set and requests of {name:?}"
        );
        let counts = (self.model.srights(port), self.model.sorights(port));
        assert_eq!(
            (self.ipc.get_srights(core, name), got.sorights),
            (Ok(counts.0), counts.1),
            "{what}: rights of {name:?}"
        );
        assert_eq!(got.srights, counts.0 > 0);
    }

    /// Receives everything that waits anywhere, so that what stood in the queues is compared too.
    pub fn drain(&mut self) {
        for waiter in self.waiting.keys().copied().collect::<Vec<_>>() {
            if self.waiting.contains_key(&waiter) {
                self.cancel(waiter, Cut::Interrupt);
            }
        }
        for s in 0..self.spaces.len() {
            for name in self.names(s, 0xA_0000) {
                while self.receive(s, name, ReceiveOptions::POLL).is_some() {}
            }
        }
        for s in 0..self.spaces.len() {
            self.space_dies(s);
        }
        assert_eq!((self.ipc.ports_len(), self.ipc.queued(), self.ipc.kernel_held()), (0, (0, 0), 0));
    }

    /// The names of a space with one of these type bits.
    pub fn names(&self, s: usize, bits: u32) -> Vec<PortName> {
        let names = self.ipc.names(self.spaces[s].0).expect("a live space");
        names.into_iter().filter(|(_, b)| b & bits != 0).map(|(n, _)| n).collect()
    }
}

pub fn message(remote: NamedRight, local: NamedRight, id: i32, body: Vec<Item<NamedRight>>) -> Message<NamedRight> {
    Message { remote, local, id, seqno: 0, trace: TraceId(0), body: body.into() }
}

fn comes_back(code: MsgReturn) -> bool {
    use MsgReturn::*;
    matches!(code, SendTimedOut | SendInterrupted | SendInvalidNotify | SendNotifyInProgress | SendNoNotify)
}

fn failed(error: SendError) -> Sent {
    Sent::Failed(error.code, error.message.as_ref().map(unswapped))
}

/// A message as its sender has it back.
fn unswapped(message: &Message<NamedRight>) -> Seen {
    let Message { remote, local, id, seqno, .. } = *message;
    Seen { remote, local, id, seqno, body: items_of(message), payload: None }
}

fn arrival(result: Result<Delivery, ReceiveError>) -> Arrival {
    let (code, needed, delivery) = match result {
        Ok(delivery) => (MsgReturn::Success, 0, Some(delivery)),
        Err(error) => (error.code, error.needed, error.message),
    };
    let message = delivery.map(|Delivery { message, payload }| {
        let body: Vec<SeenPart> = items_of(&message);
        Seen { remote: message.remote, local: message.local, id: message.id, seqno: message.seqno, body, payload }
    });
    Arrival { code, needed, message }
}
