//! Spaces: what a task (or an in-process server) holds, by name. Created with nothing; its death releases everything.

use std::collections::BTreeMap;

use proto::{KernReturn, MsgReturn, PortName};
use slotmap::new_key_type;

use super::entry::{Entry, Table};
use super::port::PortId;
use super::right::Right;
use super::{Effect, Ipc};

new_key_type! {
    /// A space of names.
    pub struct SpaceId;
}

pub(super) struct Space {
    pub table: Table,
    /// The name of each port to which the space has send or receive rights; stale for names that a dead port left.
    pub by_port: BTreeMap<PortId, PortName>,
    /// An in-process server's: [`Effect::Readable`] tells that messages wait.
    pub in_process: bool,
    /// `Readable` was pushed and no poll has found nothing since.
    pub readable: bool,
    /// How many of its ports and sets have a poller.
    pub pollers: u32,
}

impl Ipc {
    /// A space without names. With `in_process` its owner is told of waiting messages by [`Effect::Readable`].
    #[doc(alias = "ipc_space_create")]
    pub fn space_create(&mut self, in_process: bool) -> SpaceId {
        self.spaces.insert(Space {
            table: Table::new(),
            by_port: BTreeMap::new(),
            in_process,
            readable: false,
            pollers: 0,
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

    /// As [`Ipc::lookup`], for the routines. Errors: `InvalidTask` no such space; `InvalidName` no such name.
    pub(super) fn named(&mut self, space: SpaceId, name: PortName) -> Result<Entry, KernReturn> {
        if !self.spaces.contains_key(space) {
            return Err(KernReturn::InvalidTask);
        }
        self.lookup(space, name).ok_or(KernReturn::InvalidName)
    }

    /// Turns an entry whose port is dead into a dead name.
    pub(super) fn bury(&mut self, space: SpaceId, name: PortName, entry: Entry) {
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
        let holder = &mut self.spaces[space];
        let entry = holder.table.remove(name);
        if let Entry::Port { port, .. } = entry {
            holder.by_port.remove(&port);
        }
        if entry.is_armed() {
            self.disarm(space, name, entry);
        }
    }

    /// Gives up all that a name denotes, and the name. [ipc.drop.2]
    pub(super) fn clean(&mut self, space: SpaceId, name: PortName, entry: Entry, fx: &mut Vec<Effect>) {
        self.free_name(space, name);
        match entry {
            Entry::Port { port, urefs, receive, .. } => {
                if receive {
                    self.detach_receive(port, MsgReturn::RcvPortDied, fx);
                    self.defer_release(Right::Receive(port));
                }
                if urefs > 0 {
                    self.defer_release(Right::Send(port));
                }
            }
            Entry::SendOnce { port, .. } => self.defer_release(Right::SendOnce(port)),
            Entry::Set(set) => self.pset_destroy(set, fx),
            Entry::Dead { .. } => {}
        }
    }
}
