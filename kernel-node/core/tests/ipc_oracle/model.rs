//! Ports, as plainly as they can be written down: lists that are searched, counts that are counted when they are asked for.
//!
//! Nothing here is the core's. Where the core has a choice that no rule makes (which name, which of several blocked
//! senders) the model takes what the core chose and says whether it was one of the choices.

use std::collections::{BTreeMap, VecDeque};

use kernel_core::ipc::{PortId, WaiterId};
use proto::{Disposition, KernReturn, Message, MsgReturn, NamedRight, PortName};

pub type Port = usize;
pub type Space = usize;
pub type Set = usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    Null,
    Dead,
    Send(Port),
    Once(Port),
    Receive(Port),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    Port { port: Port, send: u32, receive: bool, armed: Option<Port> },
    Once { port: Port, armed: Option<Port> },
    Set(Set),
    Dead(u32),
}

/// An item of a body; each takes 16 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    Right(Right),
    Name(PortName),
    Word(u32),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Msg {
    pub dest: Right,
    pub reply: Right,
    pub id: i32,
    pub body: Vec<Part>,
    /// Who is told that it left the queue.
    pub accept: Option<Accept>,
    /// When it came to where it is received from.
    pub stamp: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accept {
    pub space: Space,
    pub name: Option<PortName>,
    pub notify: Port,
}

#[derive(Clone, Debug)]
pub struct Blocked {
    pub waiter: WaiterId,
    pub space: Space,
    pub notify: Option<PortName>,
    pub msg: Msg,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    Port(Port),
    Set(Set),
}

#[derive(Clone, Debug)]
pub struct Receiver {
    pub waiter: WaiterId,
    pub space: Space,
    pub on: On,
    pub limit: Option<i64>,
    pub large: bool,
    pub notify: Option<PortName>,
}

#[derive(Clone, Debug)]
pub struct PortState {
    pub id: PortId,
    pub alive: bool,
    pub mscount: u32,
    pub seqno: u32,
    pub qlimit: usize,
    pub payload: Option<u64>,
    pub set: Option<Set>,
    pub queue: Vec<Msg>,
    pub blocked: Vec<Blocked>,
    pub no_senders: Option<Port>,
    pub port_destroyed: Option<Port>,
}

/// What is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    Deleted(PortName),
    Accepted(PortName),
    Destroyed(Port),
    NoSenders(u32),
    SendOnce,
    DeadName(PortName),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Todo {
    Release(Right),
    Tell(Port, Notice),
}

/// How a wait ended, as its effect says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    Sent(Result<(), MsgReturn>),
    Received(Arrival),
}

/// What arrives: a code, the size that was needed, and a message or its header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    pub code: MsgReturn,
    pub needed: usize,
    pub message: Option<Seen>,
}

/// A message as a task sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub remote: NamedRight,
    pub local: NamedRight,
    pub id: i32,
    pub seqno: u32,
    pub body: Vec<SeenPart>,
    pub payload: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SeenPart {
    Right(NamedRight),
    Name(PortName),
    Word(u32),
}

#[derive(Default)]
pub struct Model {
    /// By the order of their making; `None` when dead.
    pub spaces: Vec<Option<BTreeMap<PortName, Entry>>>,
    /// The spaces in the order in which deaths are told.
    pub order: Vec<Space>,
    pub ports: Vec<PortState>,
    pub sets: usize,
    pub receivers: Vec<Receiver>,
    pub todo: VecDeque<Todo>,
    /// Rights of a message that is being taken apart.
    pub hand: Vec<Right>,
    /// A right on its way from one space to another without a message.
    pub passed: Option<Right>,
    pub ended: BTreeMap<WaiterId, Ended>,
    pub stamp: u64,
    /// What the core gave each receiver; under `None` the caller.
    pub core: BTreeMap<Option<WaiterId>, Message<NamedRight>>,
}

pub fn arrives(right: Right) -> Disposition {
    match right {
        Right::Once(_) => Disposition::MoveSendOnce,
        Right::Receive(_) => Disposition::MoveReceive,
        _ => Disposition::MoveSend,
    }
}

impl Model {
    pub fn entry(&self, space: Space, name: PortName) -> Option<Entry> {
        self.spaces[space].as_ref()?.get(&name).cloned()
    }

    pub fn put(&mut self, space: Space, name: PortName, entry: Entry) {
        self.spaces[space].as_mut().expect("a live space").insert(name, entry);
    }

    /// Where the space has send or receive rights to the port.
    pub fn name_of(&self, space: Space, port: Port) -> Option<PortName> {
        let names = self.spaces[space].as_ref()?;
        names.iter().find(|(_, e)| matches!(e, Entry::Port { port: p, .. } if *p == port)).map(|(n, _)| *n)
    }

    pub fn receive_right(&self, space: Space, name: PortName) -> Result<Port, KernReturn> {
        match self.entry(space, name) {
            Some(Entry::Port { port, receive: true, .. }) => Ok(port),
            Some(_) => Err(KernReturn::InvalidRight),
            None => Err(KernReturn::InvalidName),
        }
    }

    /// Every message that waits anywhere, with the port at which it does.
    pub fn messages(&self) -> impl Iterator<Item = (Port, &Msg)> {
        self.ports
            .iter()
            .enumerate()
            .flat_map(|(i, p)| p.queue.iter().chain(p.blocked.iter().map(|b| &b.msg)).map(move |m| (i, m)))
    }

    pub fn rights_of(msg: &Msg) -> Vec<Right> {
        let body = msg.body.iter().filter_map(|part| if let Part::Right(r) = part { Some(*r) } else { None });
        [msg.dest, msg.reply].into_iter().chain(body).collect()
    }

    /// How often a right is outside the spaces.
    fn loose(&self, right: Right) -> u32 {
        let queued = self.messages().flat_map(|(_, m)| Model::rights_of(m));
        let todo = self.todo.iter().filter_map(|t| if let Todo::Release(r) = t { Some(*r) } else { None });
        queued.chain(todo).chain(self.hand.iter().copied()).chain(self.passed).filter(|r| *r == right).count() as u32
    }

    pub fn srights(&self, port: Port) -> u32 {
        let held = self.spaces.iter().flatten().flat_map(|names| names.values());
        let held = held.filter(|e| matches!(e, Entry::Port { port: p, send: 1.., .. } if *p == port)).count() as u32;
        held + self.loose(Right::Send(port))
    }

    pub fn sorights(&self, port: Port) -> u32 {
        let mut count = self.loose(Right::Once(port));
        for entry in self.spaces.iter().flatten().flat_map(|names| names.values()) {
            if let Entry::Once { port: p, .. } = entry {
                count += u32::from(*p == port);
            }
            if let Entry::Port { armed, .. } | Entry::Once { armed, .. } = entry {
                count += u32::from(*armed == Some(port));
            }
        }
        for p in self.ports.iter().filter(|p| p.alive) {
            count += u32::from(p.no_senders == Some(port)) + u32::from(p.port_destroyed == Some(port));
        }
        count + self.messages().filter(|(_, m)| m.accept.is_some_and(|a| a.notify == port)).count() as u32
    }

    /// A send right is gone: whoever waits for the last one is told.
    pub fn send_gone(&mut self, port: Port) -> Option<Todo> {
        if !self.ports[port].alive || self.srights(port) > 0 {
            return None;
        }
        let mscount = self.ports[port].mscount;
        self.ports[port].no_senders.take().map(|notify| Todo::Tell(notify, Notice::NoSenders(mscount)))
    }

    pub fn release(&mut self, right: Right) {
        if !matches!(right, Right::Null | Right::Dead) {
            self.todo.push_back(Todo::Release(right));
        }
    }

    /// Does what is left to do, first come first served.
    pub fn settle(&mut self) {
        while let Some(todo) = self.todo.pop_front() {
            match todo {
                Todo::Release(Right::Null | Right::Dead) => {}
                Todo::Release(Right::Send(port)) => {
                    let told = self.send_gone(port);
                    self.todo.extend(told);
                }
                Todo::Release(Right::Once(port)) => self.tell(port, Notice::SendOnce),
                Todo::Release(Right::Receive(port)) => self.die(port),
                Todo::Tell(port, notice) => self.tell(port, notice),
            }
        }
    }

    fn tell(&mut self, port: Port, notice: Notice) {
        if !self.ports[port].alive {
            return;
        }
        let (id, part) = match notice {
            Notice::Deleted(name) => (65, Some(Part::Name(name))),
            Notice::Accepted(name) => (66, Some(Part::Name(name))),
            Notice::Destroyed(port) => (69, Some(Part::Right(Right::Receive(port)))),
            Notice::NoSenders(mscount) => (70, Some(Part::Word(mscount))),
            Notice::SendOnce => (71, None),
            Notice::DeadName(name) => (72, Some(Part::Name(name))),
        };
        let body = part.into_iter().collect();
        let msg = Msg { dest: Right::Once(port), reply: Right::Null, id, body, accept: None, stamp: 0 };
        self.post(port, msg);
    }

    /// Whether `moved` would be held by its own queue if its receive right were queued at `dest`.
    pub fn circular(&self, moved: Port, dest: Port) -> bool {
        let mut at = dest;
        loop {
            if at == moved {
                return true;
            }
            match self.messages().find(|(_, m)| Model::rights_of(m).contains(&Right::Receive(at))) {
                Some((next, _)) => at = next,
                None => return false,
            }
        }
    }

    /// The receive right leaves where it is.
    pub fn detach(&mut self, port: Port, code: MsgReturn) {
        self.ports[port].set = None;
        self.end_receivers(On::Port(port), code);
        let p = &mut self.ports[port];
        (p.mscount, p.seqno, p.payload) = (0, 0, None);
    }

    pub fn end_receivers(&mut self, on: On, code: MsgReturn) {
        let (over, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.receivers).into_iter().partition(|r| r.on == on);
        self.receivers = stay;
        for r in over {
            self.ended.insert(r.waiter, Ended::Received(Arrival { code, needed: 0, message: None }));
        }
    }

    fn die(&mut self, port: Port) {
        if let Some(notify) = self.ports[port].port_destroyed.take() {
            if self.ports[notify].alive && !self.circular(port, notify) {
                return self.tell(notify, Notice::Destroyed(port));
            }
            self.release(Right::Once(notify));
        }
        self.ports[port].alive = false;
        for blocked in std::mem::take(&mut self.ports[port].blocked) {
            self.ended.insert(blocked.waiter, Ended::Sent(Ok(())));
            self.destroy(blocked.msg);
        }
        if let Some(notify) = self.ports[port].no_senders.take() {
            self.release(Right::Once(notify));
        }
        for msg in std::mem::take(&mut self.ports[port].queue) {
            self.destroy(msg);
        }
        for space in self.order.clone() {
            let names: Vec<PortName> = self.spaces[space].iter().flat_map(|names| names.keys().copied()).collect();
            for name in names {
                let (armed, refs) = match self.entry(space, name) {
                    Some(Entry::Port { port: p, send, armed, .. }) if p == port => (armed, send),
                    Some(Entry::Once { port: p, armed }) if p == port => (armed, 1),
                    _ => continue,
                };
                self.part_accept(space, name, None);
                self.put(space, name, Entry::Dead(refs + u32::from(armed.is_some())));
                if let Some(notify) = armed {
                    self.todo.push_back(Todo::Tell(notify, Notice::DeadName(name)));
                }
            }
        }
    }

    /// Destroys a message that is in no queue any more.
    pub fn destroy(&mut self, msg: Msg) {
        self.left_queue(&msg);
        for right in Model::rights_of(&msg) {
            self.release(right);
        }
    }

    /// A message that was forced into its queue has left it.
    pub fn left_queue(&mut self, msg: &Msg) {
        if let Some(Accept { space, name, notify }) = msg.accept {
            let name = name.filter(|_| self.spaces[space].is_some()).unwrap_or(PortName::NULL);
            self.todo.push_back(Todo::Tell(notify, Notice::Accepted(name)));
        }
    }

    pub fn forced(&self, space: Space, name: PortName) -> bool {
        self.messages().any(|(_, m)| m.accept.is_some_and(|a| a.space == space && a.name == Some(name)))
    }

    /// The request of a forced message gets another name, or none.
    pub fn part_accept(&mut self, space: Space, name: PortName, new: Option<PortName>) {
        for port in &mut self.ports {
            for msg in &mut port.queue {
                if let Some(accept) = &mut msg.accept
                    && (accept.space, accept.name) == (space, Some(name))
                {
                    accept.name = new;
                }
            }
        }
    }

    /// Frees a name; what is to be told of that.
    pub fn free(&mut self, space: Space, name: PortName) -> Option<Todo> {
        self.part_accept(space, name, None);
        match self.spaces[space].as_mut()?.remove(&name) {
            Some(Entry::Port { armed: Some(notify), .. } | Entry::Once { armed: Some(notify), .. }) => {
                Some(Todo::Tell(notify, Notice::Deleted(name)))
            }
            _ => None,
        }
    }
}
