//! The routines of `mach_port` on the model.

use kernel_core::ipc::{NotificationKind, PortId};
use proto::limits::{DEAD_UREFS_MAX, QLIMIT_MAX, UREFS_MAX};
use proto::{Disposition, KernReturn, MsgReturn, PortName, RightType};

use super::model::{Ended, Entry, Model, Msg, Notice, On, Port, PortState, Right, Space, Todo};

type Kern<T> = Result<T, KernReturn>;

impl Model {
    fn named(&self, space: Space, name: PortName) -> Kern<Entry> {
        self.entry(space, name).ok_or(KernReturn::InvalidName)
    }

    pub fn can_make(right: RightType) -> Kern<()> {
        match right {
            RightType::Send | RightType::SendOnce => Err(KernReturn::InvalidValue),
            _ => Ok(()),
        }
    }

    pub fn can_allocate_name(&self, space: Space, right: RightType, name: PortName) -> Kern<()> {
        if !name.is_valid() {
            return Err(KernReturn::InvalidValue);
        }
        Model::can_make(right)?;
        if self.entry(space, name).is_some() { Err(KernReturn::NameExists) } else { Ok(()) }
    }

    /// A new right under `name`; `id` is the core's port, if it is a receive right.
    pub fn made(&mut self, space: Space, right: RightType, name: PortName, id: Option<PortId>) {
        assert!(name.is_valid() && self.entry(space, name).is_none(), "{name:?} is new");
        let entry = match right {
            RightType::Receive => {
                self.ports.push(PortState {
                    id: id.expect("a port"),
                    alive: true,
                    mscount: 0,
                    seqno: 0,
                    qlimit: 5,
                    payload: None,
                    set: None,
                    queue: Vec::new(),
                    blocked: Vec::new(),
                    no_senders: None,
                    port_destroyed: None,
                });
                Entry::Port { port: self.ports.len() - 1, send: 0, receive: true, armed: None }
            }
            RightType::PortSet => {
                self.sets += 1;
                Entry::Set(self.sets)
            }
            _ => Entry::Dead(1),
        };
        self.put(space, name, entry);
    }

    pub fn rename(&mut self, space: Space, old: PortName, new: PortName) -> Kern<()> {
        if !new.is_valid() {
            return Err(KernReturn::InvalidValue);
        }
        if self.entry(space, new).is_some() {
            return Err(KernReturn::NameExists);
        }
        let entry = self.named(space, old)?;
        self.part_accept(space, old, Some(new));
        self.spaces[space].as_mut().expect("a live space").remove(&old);
        self.put(space, new, entry);
        Ok(())
    }

    pub fn get_refs(&self, space: Space, name: PortName, right: RightType) -> Kern<u32> {
        Ok(match (self.named(space, name)?, right) {
            (Entry::Port { send, .. }, RightType::Send) => send,
            (Entry::Port { receive, .. }, RightType::Receive) => u32::from(receive),
            (Entry::Once { .. }, RightType::SendOnce) | (Entry::Set(_), RightType::PortSet) => 1,
            (Entry::Dead(refs), RightType::DeadName) => refs,
            _ => 0,
        })
    }

    pub fn type_bits(&self, space: Space, name: PortName) -> Kern<u32> {
        let entry = self.named(space, name)?;
        let kind = match entry {
            Entry::Port { send, receive, .. } => u32::from(send > 0) << 16 | u32::from(receive) << 17,
            Entry::Once { .. } => 1 << 18,
            Entry::Set(_) => 1 << 19,
            Entry::Dead(_) => 1 << 20,
        };
        let armed = matches!(entry, Entry::Port { armed: Some(_), .. } | Entry::Once { armed: Some(_), .. });
        Ok(kind | u32::from(armed) << 31 | u32::from(self.forced(space, name)) << 30)
    }

    pub fn deallocate(&mut self, space: Space, name: PortName) -> Kern<()> {
        let right = match self.named(space, name)? {
            Entry::Port { send: 1.., .. } => RightType::Send,
            Entry::Once { .. } => RightType::SendOnce,
            Entry::Dead(_) => RightType::DeadName,
            _ => return Err(KernReturn::InvalidRight),
        };
        self.mod_refs(space, name, right, -1)
    }

    pub fn destroy_name(&mut self, space: Space, name: PortName) -> Kern<()> {
        let entry = self.named(space, name)?;
        self.give_up(space, name, entry);
        Ok(())
    }

    /// All that a name stands for, and the name: first the send right, then the receive right, then what is told.
    pub fn give_up(&mut self, space: Space, name: PortName, entry: Entry) {
        let deleted = self.free(space, name);
        match entry {
            Entry::Port { port, send, receive, .. } => {
                let no_senders = if send > 0 { self.send_gone(port) } else { None };
                if receive {
                    self.detach(port, MsgReturn::RcvPortDied);
                    self.release(Right::Receive(port));
                }
                self.todo.extend(no_senders);
            }
            Entry::Once { port, .. } => self.release(Right::Once(port)),
            Entry::Set(set) => {
                for port in self.ports.iter_mut().filter(|p| p.set == Some(set)) {
                    port.set = None;
                }
                self.end_receivers(On::Set(set), MsgReturn::RcvPortDied);
            }
            Entry::Dead(_) => {}
        }
        self.todo.extend(deleted);
    }

    pub fn mod_refs(&mut self, space: Space, name: PortName, right: RightType, delta: i32) -> Kern<()> {
        let entry = self.named(space, name)?;
        let sum = |refs: u32, max: u32| match i64::from(refs) + i64::from(delta) {
            n if n < 0 => Err(KernReturn::InvalidValue),
            n if n > i64::from(max) => Err(KernReturn::UrefsOverflow),
            n => Ok(n as u32),
        };
        let goes = || match delta {
            0 => Ok(false),
            -1 => Ok(true),
            _ => Err(KernReturn::InvalidValue),
        };
        match (entry.clone(), right) {
            (Entry::Port { port, send: send @ 1.., receive, armed }, RightType::Send) => match sum(send, UREFS_MAX)? {
                0 if !receive => self.give_up(space, name, entry),
                left => {
                    self.put(space, name, Entry::Port { port, send: left, receive, armed });
                    let told = if left == 0 { self.send_gone(port) } else { None };
                    self.todo.extend(told);
                }
            },
            (Entry::Dead(refs), RightType::DeadName) => match sum(refs, DEAD_UREFS_MAX)? {
                0 => self.give_up(space, name, entry),
                left => self.put(space, name, Entry::Dead(left)),
            },
            (Entry::Port { port, send: send @ 1.., receive: true, armed }, RightType::Receive) => {
                if goes()? {
                    self.put(space, name, Entry::Port { port, send, receive: false, armed });
                    self.detach(port, MsgReturn::RcvPortDied);
                    self.release(Right::Receive(port));
                }
            }
            (Entry::Port { receive: true, .. }, RightType::Receive)
            | (Entry::Once { .. }, RightType::SendOnce)
            | (Entry::Set(_), RightType::PortSet) => {
                if goes()? {
                    self.give_up(space, name, entry);
                }
            }
            _ => return Err(KernReturn::InvalidRight),
        }
        Ok(())
    }

    pub fn set_qlimit(&mut self, space: Space, name: PortName, qlimit: u32) -> Kern<()> {
        if qlimit > QLIMIT_MAX {
            return Err(KernReturn::InvalidValue);
        }
        let port = self.receive_right(space, name)?;
        self.ports[port].qlimit = qlimit as usize;
        self.refill(port);
        Ok(())
    }

    /// New room goes to blocked senders.
    pub fn refill(&mut self, port: Port) {
        while self.ports[port].queue.len() < self.ports[port].qlimit && !self.ports[port].blocked.is_empty() {
            let blocked = self.ports[port].blocked.remove(0);
            self.ended.insert(blocked.waiter, Ended::Sent(Ok(())));
            self.enqueue(port, blocked.msg);
        }
    }

    pub fn enqueue(&mut self, port: Port, msg: Msg) {
        self.stamp += 1;
        let msg = Msg { stamp: self.stamp, ..msg };
        self.ports[port].queue.push(msg);
    }

    pub fn move_member(&mut self, space: Space, member: PortName, after: PortName) -> Kern<()> {
        let port = self.receive_right(space, member)?;
        let set = match after {
            PortName::NULL => None,
            after => match self.named(space, after)? {
                Entry::Set(set) => Some(set),
                _ => return Err(KernReturn::InvalidRight),
            },
        };
        let before = self.ports[port].set;
        if set.is_none() && before.is_none() {
            return Err(KernReturn::NotInSet);
        }
        if set == before {
            return Ok(());
        }
        self.ports[port].set = set;
        if let Some(set) = set {
            self.end_receivers(On::Port(port), MsgReturn::RcvPortChanged);
            // What it has comes after what the set has.
            for msg in std::mem::take(&mut self.ports[port].queue) {
                self.enqueue(port, msg);
            }
            self.serve(On::Set(set));
        }
        Ok(())
    }

    pub fn request(
        &mut self,
        space: Space,
        name: PortName,
        kind: NotificationKind,
        sync: u32,
        notify: Right,
    ) -> Kern<Option<Port>> {
        let new = match notify {
            Right::Null => None,
            Right::Once(port) if self.ports[port].alive => Some(port),
            _ => return Err(KernReturn::InvalidCapability),
        };
        match kind {
            NotificationKind::PortDestroyed if sync != 0 => Err(KernReturn::InvalidValue),
            NotificationKind::PortDestroyed => {
                let port = self.receive_right(space, name)?;
                Ok(std::mem::replace(&mut self.ports[port].port_destroyed, new))
            }
            NotificationKind::NoSenders => {
                let port = self.receive_right(space, name)?;
                let mscount = self.ports[port].mscount;
                match new {
                    Some(notify) if self.srights(port) == 0 && sync <= mscount => {
                        self.todo.push_back(Todo::Tell(notify, Notice::NoSenders(mscount)));
                        Ok(self.ports[port].no_senders.take())
                    }
                    _ => Ok(std::mem::replace(&mut self.ports[port].no_senders, new)),
                }
            }
            NotificationKind::DeadName => self.request_dead_name(space, name, sync, new),
        }
    }

    fn request_dead_name(&mut self, space: Space, name: PortName, sync: u32, new: Option<Port>) -> Kern<Option<Port>> {
        let (entry, before) = match (self.named(space, name)?, new) {
            (Entry::Port { port, send, receive, armed }, _) => (Entry::Port { port, send, receive, armed: new }, armed),
            (Entry::Once { port, armed }, _) => (Entry::Once { port, armed: new }, armed),
            (Entry::Set(_), _) => return Err(KernReturn::InvalidRight),
            (Entry::Dead(refs), Some(notify)) if sync != 0 => {
                if refs + 1 > DEAD_UREFS_MAX {
                    return Err(KernReturn::UrefsOverflow);
                }
                self.todo.push_back(Todo::Tell(notify, Notice::DeadName(name)));
                (Entry::Dead(refs + 1), None)
            }
            (Entry::Dead(_), _) => return Err(KernReturn::InvalidArgument),
        };
        self.put(space, name, entry);
        Ok(before)
    }

    /// `right` under a chosen name. The caller has the right in hand.
    pub fn insert(&mut self, space: Space, name: PortName, right: Right) -> Kern<()> {
        if !name.is_valid() {
            return Err(KernReturn::InvalidValue);
        }
        let port = match right {
            Right::Null | Right::Dead => return Err(KernReturn::InvalidCapability),
            Right::Send(port) | Right::Once(port) | Right::Receive(port) => port,
        };
        let held = if matches!(right, Right::Once(_)) { None } else { self.name_of(space, port) };
        match (held, self.entry(space, name)) {
            (Some(held), _) if held != name => return Err(KernReturn::RightExists),
            (Some(_), Some(Entry::Port { send: UREFS_MAX, .. })) if matches!(right, Right::Send(_)) => {
                return Err(KernReturn::UrefsOverflow);
            }
            (None, Some(_)) => return Err(KernReturn::NameExists),
            _ if !self.ports[port].alive => return Err(KernReturn::InvalidCapability),
            _ => {}
        }
        self.credit(space, right, || name);
        Ok(())
    }

    /// Takes a right from a name.
    pub fn copyin(&mut self, space: Space, name: PortName, how: Disposition) -> Kern<Right> {
        use Disposition::*;
        let entry = self.named(space, name)?;
        Ok(match (entry, how) {
            (Entry::Port { port, receive: true, .. }, MakeSend) => {
                self.ports[port].mscount = self.ports[port].mscount.wrapping_add(1);
                Right::Send(port)
            }
            (Entry::Port { port, receive: true, .. }, MakeSendOnce) => Right::Once(port),
            (Entry::Port { port, send: 1.., .. }, CopySend) => Right::Send(port),
            (Entry::Port { port, send: send @ 1.., receive, armed }, MoveSend) => {
                self.put(space, name, Entry::Port { port, send: send - 1, receive, armed });
                if send == 1 && !receive {
                    let told = self.free(space, name);
                    self.todo.extend(told);
                }
                Right::Send(port)
            }
            (Entry::Port { port, send, receive: true, armed }, MoveReceive) => {
                self.put(space, name, Entry::Port { port, send, receive: false, armed });
                if send == 0 {
                    let told = self.free(space, name);
                    self.todo.extend(told);
                }
                self.detach(port, MsgReturn::RcvPortChanged);
                Right::Receive(port)
            }
            (Entry::Once { port, .. }, MoveSendOnce) => {
                let told = self.free(space, name);
                self.todo.extend(told);
                Right::Once(port)
            }
            (Entry::Dead(_), CopySend) => Right::Dead,
            (Entry::Dead(refs), MoveSend | MoveSendOnce) => {
                match refs {
                    1 => drop(self.free(space, name)),
                    _ => self.put(space, name, Entry::Dead(refs - 1)),
                }
                Right::Dead
            }
            _ => return Err(KernReturn::InvalidRight),
        })
    }

    /// Gives a space a right; `fresh` is asked for a name if it needs one. The caller has taken it out of its hand.
    pub fn credit(&mut self, space: Space, right: Right, fresh: impl FnOnce() -> PortName) -> PortName {
        let port = match right {
            Right::Null => return PortName::NULL,
            Right::Dead => return PortName::DEAD,
            Right::Send(port) | Right::Once(port) | Right::Receive(port) => port,
        };
        if !self.ports[port].alive {
            return PortName::DEAD;
        }
        let held = if matches!(right, Right::Once(_)) { None } else { self.name_of(space, port) };
        let name = held.unwrap_or_else(|| {
            let name = fresh();
            assert!(name.is_valid() && self.entry(space, name).is_none(), "{name:?} is to be new");
            name
        });
        let entry = match (right, self.entry(space, name)) {
            (Right::Once(_), _) => Entry::Once { port, armed: None },
            (Right::Send(_), Some(Entry::Port { send, receive, armed, .. })) => {
                Entry::Port { port, send: UREFS_MAX.min(send + 1), receive, armed }
            }
            (Right::Send(_), _) => Entry::Port { port, send: 1, receive: false, armed: None },
            (_, Some(Entry::Port { send, armed, .. })) => Entry::Port { port, send, receive: true, armed },
            _ => Entry::Port { port, send: 0, receive: true, armed: None },
        };
        self.put(space, name, entry);
        name
    }

    pub fn space_dies(&mut self, space: Space) {
        let (over, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.receivers).into_iter().partition(|r| r.space == space);
        self.receivers = stay;
        for r in over {
            let arrival = super::model::Arrival { code: MsgReturn::RcvPortDied, needed: 0, message: None };
            self.ended.insert(r.waiter, Ended::Received(arrival));
        }
        let mut blocked: Vec<_> = Vec::new();
        for port in &mut self.ports {
            let (over, stay): (Vec<_>, Vec<_>) =
                std::mem::take(&mut port.blocked).into_iter().partition(|b| b.space == space);
            port.blocked = stay;
            blocked.extend(over);
        }
        blocked.sort_by_key(|b| b.waiter);
        for b in blocked {
            self.ended.insert(b.waiter, Ended::Sent(Err(MsgReturn::SendInterrupted)));
            self.destroy(b.msg);
        }
        let entries: Vec<_> = self.spaces[space].iter().flatten().map(|(n, e)| (*n, e.clone())).collect();
        for (name, entry) in entries {
            self.give_up(space, name, entry);
        }
        self.spaces[space] = None;
        self.settle();
    }
}
