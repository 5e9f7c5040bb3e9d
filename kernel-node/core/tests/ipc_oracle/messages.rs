//! `mach_msg` on the model.

use kernel_core::ipc::{Cut, ReceiveOptions, SendOptions, Wait, WaiterId};
use proto::{Disposition, Message, MsgReturn, NamedRight, PortName};

use super::model::{
    Accept, Arrival, Blocked, Ended, Entry, Model, Msg, On, Part, Port, Receiver, Right, Seen, SeenPart, Space, arrives,
};

/// How a send ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sent {
    Done,
    Blocked,
    /// With the message as it was given.
    Refused(MsgReturn),
    /// With the message as though received, or without one.
    Failed(MsgReturn, Option<Seen>),
}

pub fn items_of(message: &Message<NamedRight>) -> Vec<SeenPart> {
    use proto::Item;
    let part = |item: Item<NamedRight>| match item {
        Item::Port(right) => SeenPart::Right(right),
        Item::U32(word) => SeenPart::Word(word),
        Item::Typed(_, _, bytes) => SeenPart::Name(PortName(u32::from_le_bytes(bytes[..].try_into().expect("a name")))),
        other => panic!("{other:?} in no message of these tests"),
    };
    message.body.items().into_iter().map(part).collect()
}

/// Names that the core gave, in the order in which a message is taken apart.
struct Names(std::vec::IntoIter<PortName>);

impl Names {
    fn of(message: &Message<NamedRight>, header: &[NamedRight]) -> Names {
        let body =
            items_of(message).into_iter().filter_map(|p| if let SeenPart::Right(r) = p { Some(r.name) } else { None });
        Names(header.iter().map(|r| r.name).chain(body).collect::<Vec<_>>().into_iter())
    }

    fn next(&mut self) -> PortName {
        self.0.next().expect("the core's message has as many rights")
    }
}

impl Model {
    pub fn send(
        &mut self,
        space: Space,
        message: &Message<NamedRight>,
        parts: &[SeenPart],
        options: SendOptions,
    ) -> Sent {
        let (to, reply) = (message.remote, message.local);
        let cancel = match self.check_header(space, to, reply, options.cancel) {
            Ok(cancel) => cancel,
            Err(code) => return Sent::Refused(code),
        };
        let (dest, reply) = self.take_header(space, to, reply, cancel);
        self.hand = vec![dest, reply];
        let mut failed = false;
        let mut body = Vec::new();
        for part in parts {
            body.push(match *part {
                SeenPart::Word(word) => Part::Word(word),
                SeenPart::Name(name) => Part::Name(name),
                SeenPart::Right(_) if failed => Part::Right(Right::Null),
                SeenPart::Right(NamedRight { name: PortName::NULL, .. }) => Part::Right(Right::Null),
                SeenPart::Right(NamedRight { name: PortName::DEAD, .. }) => Part::Right(Right::Dead),
                SeenPart::Right(right) => {
                    let taken = self.copyin(space, right.name, right.disposition);
                    failed = taken.is_err();
                    let right = taken.unwrap_or(Right::Null);
                    self.hand.push(right);
                    Part::Right(right)
                }
            });
        }
        self.hand.clear();
        let msg = Msg { dest, reply, id: message.id, body, accept: None, stamp: 0 };
        let (Right::Send(port) | Right::Once(port)) = dest else { panic!("{dest:?} is no destination") };
        if failed {
            self.destroy(msg);
            return Sent::Failed(MsgReturn::SendInvalidRight, None);
        }
        let moved = |right: &Right| if let Right::Receive(moved) = *right { self.circular(moved, port) } else { false };
        if Model::rights_of(&msg).iter().any(moved) {
            self.destroy(msg);
            return Sent::Done;
        }
        let room = self.ports[port].queue.len() < self.ports[port].qlimit;
        if matches!(dest, Right::Once(_)) || options.always || room || self.waiting_for(port).is_some() {
            self.post(port, msg);
            return Sent::Done;
        }
        match options.wait {
            Wait::Poll => self.stays_full(space, port, msg, options.notify),
            Wait::Block(waiter) => {
                self.ports[port].blocked.push(Blocked { waiter, space, notify: options.notify, msg });
                Sent::Blocked
            }
        }
    }

    fn check_header(
        &self,
        space: Space,
        to: NamedRight,
        reply: NamedRight,
        cancel: Option<PortName>,
    ) -> Result<Option<Port>, MsgReturn> {
        use Disposition::{MoveReceive, MoveSend, MoveSendOnce};
        if cancel == Some(PortName::NULL) {
            return Err(MsgReturn::SendInvalidNotify);
        }
        if to.disposition == MoveReceive || reply.disposition == MoveReceive {
            return Err(MsgReturn::SendInvalidHeader);
        }
        let cancel = match cancel.map(|name| self.receive_right(space, name)) {
            Some(Err(_)) => return Err(MsgReturn::SendInvalidNotify),
            Some(Ok(port)) => Some(port),
            None => None,
        };
        let dest = self.entry(space, to.name).ok_or(MsgReturn::SendInvalidDest)?;
        if reply.name.is_valid() {
            let entry = self.entry(space, reply.name).ok_or(MsgReturn::SendInvalidReply)?;
            if !gives(&entry, reply.disposition) {
                return Err(MsgReturn::SendInvalidReply);
            }
        }
        let mut good = gives(&dest, to.disposition) && !matches!(dest, Entry::Dead(_));
        if to.name == reply.name {
            let moves = [to.disposition, reply.disposition].iter().filter(|d| **d == MoveSend).count() as u32;
            good &= to.disposition != MoveSendOnce && reply.disposition != MoveSendOnce;
            good &= moves == 0 || matches!(dest, Entry::Port { send, .. } if send >= moves);
        }
        if good { Ok(cancel) } else { Err(MsgReturn::SendInvalidDest) }
    }

    fn take_header(&mut self, space: Space, to: NamedRight, reply: NamedRight, cancel: Option<Port>) -> (Right, Right) {
        let take_reply = |model: &mut Model| match reply.name {
            PortName::NULL => Right::Null,
            PortName::DEAD => Right::Dead,
            name => model.copyin(space, name, reply.disposition).expect("checked"),
        };
        let take_dest = |model: &mut Model| {
            // A request that would be told of the freed name is not, if that is asked for.
            if let Some(cancel) = cancel {
                let last = match model.entry(space, to.name) {
                    Some(Entry::Port { send: 1, receive: false, .. }) => to.disposition == Disposition::MoveSend,
                    Some(Entry::Once { .. }) => true,
                    _ => false,
                };
                match model.entry(space, to.name) {
                    Some(Entry::Port { port, send, receive, armed }) if last && armed == Some(cancel) => {
                        model.put(space, to.name, Entry::Port { port, send, receive, armed: None });
                    }
                    Some(Entry::Once { port, armed }) if last && armed == Some(cancel) => {
                        model.put(space, to.name, Entry::Once { port, armed: None });
                    }
                    _ => {}
                }
            }
            model.copyin(space, to.name, to.disposition).expect("checked")
        };
        if to.disposition == Disposition::MoveSend {
            let reply = take_reply(self);
            (take_dest(self), reply)
        } else {
            let dest = take_dest(self);
            self.hand = vec![dest];
            (dest, take_reply(self))
        }
    }

    /// The receiver that would get the next message of a port.
    fn waiting_for(&self, port: Port) -> Option<usize> {
        let on = self.ports[port].set.map_or(On::Port(port), On::Set);
        self.receivers.iter().position(|r| r.on == on)
    }

    pub fn post(&mut self, port: Port, msg: Msg) {
        while let Some(at) = self.waiting_for(port) {
            let receiver = self.receivers.remove(at);
            if let Some(stays) = too_large(&msg, receiver.limit).filter(|_| receiver.large) {
                self.ended.insert(receiver.waiter, Ended::Received(stays));
                continue;
            }
            let arrival = self.deliver(&receiver, Some(receiver.waiter), port, msg);
            self.ended.insert(receiver.waiter, Ended::Received(arrival));
            return;
        }
        self.enqueue(port, msg);
    }

    /// Serves receivers that wait on `on` with what is there.
    pub fn serve(&mut self, on: On) {
        while let Some(at) = self.receivers.iter().position(|r| r.on == on) {
            let receiver = self.receivers[at].clone();
            let Some(arrival) = self.take(&receiver, Some(receiver.waiter)) else { return };
            self.receivers.remove(at);
            self.ended.insert(receiver.waiter, Ended::Received(arrival));
        }
    }

    /// The next message for a receiver; the core's choice among blocked senders of different members is taken.
    fn take(&mut self, receiver: &Receiver, who: Option<WaiterId>) -> Option<Arrival> {
        let members: Vec<Port> = match receiver.on {
            On::Port(port) => vec![port],
            On::Set(set) => (0..self.ports.len()).filter(|p| self.ports[*p].set == Some(set)).collect(),
        };
        let oldest = members.iter().copied().filter(|p| !self.ports[*p].queue.is_empty());
        let oldest = oldest.min_by_key(|p| self.ports[*p].queue[0].stamp);
        let blocked: Vec<Port> = members.iter().copied().filter(|p| !self.ports[*p].blocked.is_empty()).collect();
        let port = match (oldest, &blocked[..]) {
            (Some(port), _) => port,
            (None, []) => return None,
            (None, [one]) => *one,
            (None, many) => {
                let ids: Vec<_> = many.iter().map(|p| self.ports[*p].id).collect();
                let first = ids.iter().min().expect("several");
                many[ids.iter().position(|id| id == first).expect("it is one of them")]
            }
        };
        let first = |p: &super::model::PortState| p.queue.first().unwrap_or_else(|| &p.blocked[0].msg).clone();
        if let Some(stays) = too_large(&first(&self.ports[port]), receiver.limit).filter(|_| receiver.large) {
            return Some(stays);
        }
        let msg = if self.ports[port].queue.is_empty() {
            let blocked = self.ports[port].blocked.remove(0);
            self.ended.insert(blocked.waiter, Ended::Sent(Ok(())));
            blocked.msg
        } else {
            self.ports[port].queue.remove(0)
        };
        self.left_queue(&msg);
        self.hand = Model::rights_of(&msg);
        self.refill(port);
        Some(self.deliver(receiver, who, port, msg))
    }

    /// Hands a message that is in no queue to a receiver.
    fn deliver(&mut self, receiver: &Receiver, who: Option<WaiterId>, port: Port, msg: Msg) -> Arrival {
        let space = receiver.space;
        let seqno = self.ports[port].seqno;
        self.ports[port].seqno = seqno.wrapping_add(1);
        let name = self.name_of(space, port).expect("the receiver holds the port");
        let mut seen = Seen {
            remote: NamedRight {
                name: if msg.reply == Right::Dead { PortName::DEAD } else { PortName::NULL },
                disposition: arrives(msg.reply),
            },
            local: NamedRight { name, disposition: arrives(msg.dest) },
            id: msg.id,
            seqno,
            body: Vec::new(),
            payload: self.ports[port].payload,
        };
        self.hand = Model::rights_of(&msg);
        if let Some(large) = too_large(&msg, receiver.limit) {
            self.use_up(msg.dest);
            self.hand.clear();
            Model::rights_of(&msg)[1..].iter().for_each(|r| self.release(*r));
            return Arrival { message: Some(seen), ..large };
        }
        let notify = receiver.notify.map(|name| self.receive_right(space, name));
        if let Some(Err(_)) = notify {
            self.release(msg.reply);
            self.unhand(msg.reply);
            self.use_up(msg.dest);
            self.hand.clear();
            Model::rights_of(&msg)[2..].iter().for_each(|r| self.release(*r));
            return Arrival { code: MsgReturn::RcvInvalidNotify, needed: 0, message: Some(seen) };
        }
        let core = self.core.remove(&who).unwrap_or_else(|| panic!("the core gave {who:?} nothing, not {msg:?}"));
        let mut names = Names::of(&core, &[core.remote]);
        let before = self.spaces[space].as_ref().map(|s| s.len());
        seen.remote.name = self.hand_over(space, msg.reply, &mut names);
        if let (Some(Ok(notify)), true) = (notify, before < self.spaces[space].as_ref().map(|s| s.len())) {
            match self.entry(space, seen.remote.name) {
                Some(Entry::Port { port, send, receive, .. }) => {
                    self.put(space, seen.remote.name, Entry::Port { port, send, receive, armed: Some(notify) });
                }
                Some(Entry::Once { port, .. }) => {
                    self.put(space, seen.remote.name, Entry::Once { port, armed: Some(notify) });
                }
                other => panic!("{other:?} came of a reply right"),
            }
        }
        self.use_up(msg.dest);
        seen.body = self.parts(space, &msg, &mut names);
        Arrival { code: MsgReturn::Success, needed: 0, message: Some(seen) }
    }

    fn parts(&mut self, space: Space, msg: &Msg, names: &mut Names) -> Vec<SeenPart> {
        let part = |part: &Part| match *part {
            Part::Word(word) => SeenPart::Word(word),
            Part::Name(name) => SeenPart::Name(name),
            Part::Right(right) => {
                let disposition = arrives(right);
                SeenPart::Right(NamedRight { name: self.hand_over(space, right, names), disposition })
            }
        };
        msg.body.iter().map(part).collect()
    }

    /// One right out of the hand into a space.
    fn hand_over(&mut self, space: Space, right: Right, names: &mut Names) -> PortName {
        self.unhand(right);
        let name = names.next();
        self.credit(space, right, || name)
    }

    fn unhand(&mut self, right: Right) {
        let at = self.hand.iter().position(|r| *r == right).expect("it is in hand");
        self.hand.remove(at);
    }

    /// The right that a message was sent to is used up, silently if it is send-once.
    fn use_up(&mut self, dest: Right) {
        self.unhand(dest);
        if let Right::Send(port) = dest {
            let told = self.send_gone(port);
            self.todo.extend(told);
        }
    }

    /// A send may wait no longer.
    fn stays_full(&mut self, space: Space, port: Port, msg: Msg, notify: Option<PortName>) -> Sent {
        let Some(notify) = notify else { return self.give_back(space, msg, MsgReturn::SendTimedOut) };
        let name = self.name_of(space, port);
        if notify == PortName::NULL {
            return self.give_back(space, msg, MsgReturn::SendInvalidNotify);
        }
        if name.is_some_and(|name| self.forced(space, name)) {
            return self.give_back(space, msg, MsgReturn::SendNotifyInProgress);
        }
        let Ok(notify) = self.receive_right(space, notify) else {
            return self.give_back(space, msg, MsgReturn::SendInvalidNotify);
        };
        self.enqueue(port, Msg { accept: Some(Accept { space, name, notify }), ..msg });
        Sent::Failed(MsgReturn::SendWillNotify, None)
    }

    /// As though received, with the header as it was.
    fn give_back(&mut self, space: Space, msg: Msg, code: MsgReturn) -> Sent {
        let core = self.core.remove(&None).unwrap_or_else(|| panic!("the core gave nothing back of {msg:?}, {code}"));
        let mut names = Names::of(&core, &[core.remote, core.local]);
        self.hand = Model::rights_of(&msg);
        let remote = NamedRight { name: self.hand_over(space, msg.dest, &mut names), disposition: arrives(msg.dest) };
        let local = NamedRight { name: self.hand_over(space, msg.reply, &mut names), disposition: arrives(msg.reply) };
        let body = self.parts(space, &msg, &mut names);
        Sent::Failed(code, Some(Seen { remote, local, id: msg.id, seqno: 0, body, payload: None }))
    }

    /// What a receive gives; `None` when it waits.
    pub fn receive(&mut self, space: Space, name: PortName, options: ReceiveOptions) -> Option<Arrival> {
        let failed = |code| Some(Arrival { code, needed: 0, message: None });
        let on = match self.entry(space, name) {
            Some(Entry::Set(set)) => On::Set(set),
            Some(Entry::Port { port, receive: true, .. }) if self.ports[port].set.is_some() => {
                return failed(MsgReturn::RcvInSet);
            }
            Some(Entry::Port { port, receive: true, .. }) => On::Port(port),
            _ => return failed(MsgReturn::RcvInvalidName),
        };
        let ReceiveOptions { wait, limit, large, notify } = options;
        let waiter = if let Wait::Block(waiter) = wait { waiter } else { WaiterId(0) };
        let receiver = Receiver { waiter, space, on, limit, large, notify };
        if let Some(arrival) = self.take(&receiver, None) {
            return Some(arrival);
        }
        if wait == Wait::Poll {
            return failed(MsgReturn::RcvTimedOut);
        }
        self.receivers.push(receiver);
        None
    }

    /// How a wait that is cut short ends; `None` for a receive.
    pub fn cut(&mut self, waiter: WaiterId, why: Cut) -> Option<Sent> {
        let (send, port, blocked) = match self.receivers.iter().position(|r| r.waiter == waiter) {
            Some(at) => {
                self.receivers.remove(at);
                return None;
            }
            None => {
                let waits = |p: &Port| self.ports[*p].blocked.iter().position(|b| b.waiter == waiter);
                let port = (0..self.ports.len()).find(|p| waits(p).is_some()).expect("it waits");
                let at = waits(&port).expect("it waits there");
                (MsgReturn::SendInterrupted, port, self.ports[port].blocked.remove(at))
            }
        };
        let Blocked { space, notify, msg, .. } = blocked;
        Some(match why {
            Cut::Interrupt => self.give_back(space, msg, send),
            Cut::Deadline => self.stays_full(space, port, msg, notify),
        })
    }
}

/// Whether an entry can give a right to be sent.
fn gives(entry: &Entry, how: Disposition) -> bool {
    use Disposition::*;
    match entry {
        Entry::Port { send, receive, .. } => match how {
            MoveReceive | MakeSend | MakeSendOnce => *receive,
            MoveSend | CopySend => *send > 0,
            MoveSendOnce => false,
        },
        Entry::Once { .. } => how == MoveSendOnce,
        Entry::Dead(_) => matches!(how, MoveSend | CopySend | MoveSendOnce),
        Entry::Set(_) => false,
    }
}

fn too_large(msg: &Msg, limit: Option<i64>) -> Option<Arrival> {
    let needed = 16 * msg.body.len();
    (limit? < needed as i64).then_some(Arrival { code: MsgReturn::RcvTooLarge, needed, message: None })
}
