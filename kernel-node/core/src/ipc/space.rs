//! Spaces: what a task (or an in-process server) holds, by name. Created with nothing; its death releases everything.

use std::collections::BTreeMap;

use proto::{KernReturn, MsgReturn, PortName};
use slotmap::new_key_type;

use super::entry::{Entry, Table};
use super::kmsg::KmsgId;
use super::port::{PortId, Receiver};
use super::right::Right;
use super::{Effect, Ipc, Work};

new_key_type! {
    /// A space of names.
    pub struct SpaceId;
}

pub(super) struct Space {
    pub table: Table,
    /// The name of each port to which the space has send or receive rights; stale for names that a dead port left.
    pub by_port: BTreeMap<PortId, PortName>,
    /// Names through which a message was forced into a full queue and is still there. [ipc.accept.2]
    pub forced: BTreeMap<PortName, KmsgId>,
    /// An in-process server's: [`Effect::Readable`] tells that messages wait.
    pub in_process: bool,
    /// `Readable` was pushed and no poll has found nothing since.
    pub readable: bool,
    /// How many of its ports and sets have a poller.
    pub pollers: u32,
    /// Ports that it made and that live, wherever their receive rights are. [ipc.bound.4]
    pub ports_made: usize,
    /// What its messages that are queued or blocked cost. [ipc.bound.5]
    pub queued_bytes: usize,
}

impl Ipc {
    /// A space without names. With `in_process` its owner is told of waiting messages by [`Effect::Readable`].
    #[doc(alias = "ipc_space_create")]
    pub fn space_create(&mut self, in_process: bool) -> SpaceId {
        self.spaces.insert(Space {
            table: Table::new(),
            by_port: BTreeMap::new(),
            forced: BTreeMap::new(),
            in_process,
            readable: false,
            pollers: 0,
            ports_made: 0,
            queued_bytes: 0,
        })
    }

    /// Ends a space as a task's death does: its waiters end, every right it holds is released, its ports die.
    ///
    /// Conditions: none; a space that is gone already is left alone.
    /// Source: spec [ipc.space.1].
    #[doc(alias = "ipc_space_destroy")]
    pub fn space_destroy(&mut self, space: SpaceId, fx: &mut Vec<Effect>) {
        if !self.spaces.contains_key(space) {
            return;
        }
        self.lanes_cut_space(space);
        self.interrupt_space(space, fx);
        let names: Vec<PortName> = self.spaces[space].table.iter().map(|(name, _)| name).collect();
        for name in names {
            if let Some(entry) = self.lookup(space, name) {
                self.clean(space, name, entry, fx);
            }
        }
        self.spaces.remove(space);
        self.settle(fx);
    }

    /// Names in use in `space`; 0 for a space that is gone.
    pub fn names_len(&self, space: SpaceId) -> usize {
        self.spaces.get(space).map_or(0, |s| s.table.len())
    }

    /// What `name` denotes now; an entry whose port has died becomes a dead name here and now. [ipc.dead.1]
    pub(super) fn lookup(&mut self, space: SpaceId, name: PortName) -> Option<Entry> {
        self.lane_cut_reserved(space, name);
        let entry = self.spaces.get(space)?.table.get(name)?;
        match entry.port() {
            Some(port) if !self.ports.contains_key(port) => {
                self.bury(space, name, entry);
                Some(entry.died())
            }
            _ => Some(entry),
        }
    }

    /// As [`Ipc::lookup`], without changing anything.
    pub(super) fn view(&self, space: SpaceId, name: PortName) -> Option<Entry> {
        let entry = self.spaces.get(space)?.table.get(name)?;
        Some(if entry.port().is_some_and(|p| !self.ports.contains_key(p)) { entry.died() } else { entry })
    }

    /// As [`Ipc::lookup`], for the routines, to which lanes do not show.
    ///
    /// Errors: `InvalidTask` no such space; `InvalidName` no such name.
    pub(super) fn named(&mut self, space: SpaceId, name: PortName) -> Result<Entry, KernReturn> {
        if !self.spaces.contains_key(space) {
            return Err(KernReturn::InvalidTask);
        }
        self.lanes_cut_name(space, name);
        self.lookup(space, name).ok_or(KernReturn::InvalidName)
    }

    /// Turns an entry whose port is dead into a dead name.
    pub(super) fn bury(&mut self, space: SpaceId, name: PortName, entry: Entry) {
        self.forget_forced(space, name);
        let space = &mut self.spaces[space];
        if let Entry::Port { port, .. } = entry {
            space.by_port.remove(&port);
        }
        space.table.set(name, entry.died());
    }

    /// Writes back an entry that stays in use.
    pub(super) fn set_entry(&mut self, space: SpaceId, name: PortName, entry: Entry) {
        self.spaces[space].table.set(name, entry);
    }

    /// The name under which `space` has send or receive rights to `port`.
    pub(super) fn name_for(&self, space: SpaceId, port: PortId) -> Option<PortName> {
        self.spaces[space].by_port.get(&port).copied()
    }

    /// Frees a name by its holder's act; an armed dead-name request ends with a port-deleted notification. The rights that
    /// the entry stood for are the caller's to account for. [ipc.dead.3]
    pub(super) fn free_name(&mut self, space: SpaceId, name: PortName) {
        let deleted = self.unname(space, name);
        self.work.extend(deleted);
    }

    /// As [`Ipc::free_name`], with the notification still to be sent.
    fn unname(&mut self, space: SpaceId, name: PortName) -> Option<Work> {
        self.lanes_cut_name(space, name);
        self.forget_forced(space, name);
        let holder = &mut self.spaces[space];
        let entry = holder.table.remove(name);
        if let Entry::Port { port, .. } = entry {
            holder.by_port.remove(&port);
        }
        if entry.is_armed() { self.disarm(space, name, entry) } else { None }
    }

    /// Gives up all that a name denotes, and the name. What is told follows what has happened: the port's death, then that
    /// its senders are gone, then that the name is. [ipc.drop.2] [ipc.drop.5]
    pub(super) fn clean(&mut self, space: SpaceId, name: PortName, entry: Entry, fx: &mut Vec<Effect>) {
        let deleted = self.unname(space, name);
        match entry {
            Entry::Port { port, urefs, receive, .. } => {
                let no_senders = if urefs > 0 { self.drop_send_right(port) } else { None };
                if receive {
                    self.detach_receive(port, MsgReturn::RcvPortDied, fx);
                    self.defer_release(Right::Receive(port));
                }
                self.work.extend(no_senders);
            }
            Entry::SendOnce { port, .. } => self.defer_release(Right::SendOnce(port)),
            Entry::Set(set) => self.pset_destroy(set, fx),
            Entry::Dead { .. } => {}
        }
        self.work.extend(deleted);
    }

    /// Gives what `old` denotes the name `new`.
    ///
    /// Errors: `InvalidTask`; `InvalidValue` `new` is `NULL` or `DEAD`; `NameExists` `new` is in use; `InvalidName` `old`
    /// is not. Source: spec [ipc.rename.1].
    #[doc(alias = "mach_port_rename")]
    pub fn rename(&mut self, space: SpaceId, old: PortName, new: PortName) -> Result<(), KernReturn> {
        if !self.spaces.contains_key(space) {
            return Err(KernReturn::InvalidTask);
        }
        if !new.is_valid() {
            return Err(KernReturn::InvalidValue);
        }
        if self.lookup(space, new).is_some() {
            return Err(KernReturn::NameExists);
        }
        let entry = self.named(space, old)?;
        if let Entry::Port { port, receive: true, .. } = entry {
            self.lanes_cut_port(port);
        }
        let holder = &mut self.spaces[space];
        holder.table.remove(old);
        holder.table.insert_at(new, entry).expect("the old name made room");
        match entry {
            Entry::Port { port, receive, .. } => {
                holder.by_port.insert(port, new);
                if receive {
                    self.ports[port].receiver = Receiver::Space { space, name: new };
                }
            }
            Entry::Set(set) => self.psets[set].name = new,
            Entry::SendOnce { .. } | Entry::Dead { .. } => {}
        }
        if let Some(port) = entry.port().filter(|_| entry.is_armed()) {
            let requests = &mut self.ports[port].dead_names;
            let notify = requests.remove(&(space, old)).expect("an armed name has a request");
            requests.insert((space, new), notify);
        }
        self.rename_forced(space, old, new);
        Ok(())
    }
}
