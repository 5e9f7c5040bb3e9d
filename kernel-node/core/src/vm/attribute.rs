//! Attributes of ranges that concern no page table: what a child would get, what the node may not take away, and what the
//! machine could do with it.
//!
//! No task is given an order for any of these. Entries are cut at the ends of a range and not joined again.

use std::ops::Range;

use proto::limits::TASK_WIRED_BYTES_MAX;
use proto::{Inherit, KernReturn, Prot};

use super::user::range_of;
use super::{Vm, wire};
use crate::TaskId;

impl Vm {
    /// Sets what a child would get of a range.
    ///
    /// Conditions: holes are passed over; size 0 does nothing.
    /// Errors: `InvalidTask`; `InvalidArgument` no such inheritance, or a range that wraps; `ResourceShortage` cutting
    /// entries would make too many. Nothing is changed then.
    /// Source: spec [vm.inherit.1]; mach-api §2.2 `vm_inherit`.
    pub fn vm_inherit(&mut self, task: TaskId, address: u64, size: u64, inheritance: u32) -> Result<(), KernReturn> {
        self.map_of(task)?;
        let inheritance = Inherit::from_raw(inheritance).ok_or(KernReturn::InvalidArgument)?;
        let range = range_of(address, size)?;
        self.clip(task, range.clone())?;
        let map = self.tasks.get_mut(&task).expect("looked up above");
        for start in map.touched(range) {
            map.entry_mut(start).expect("listed").inheritance = inheritance;
        }
        Ok(())
    }

    /// Has the node keep the pages of a range that are here, for those who have `access` to them; with no access, lets it
    /// give them up again. Absent pages still fault.
    ///
    /// Conditions: what is wired already counts once against the bound, and unwiring has none.
    /// Errors: `InvalidTask`; `InvalidArgument` unknown bits, or a range that wraps; `NoAccess` more than
    /// [`TASK_WIRED_BYTES_MAX`] would be wired; `NoSpace` a hole in the range, an entry that does not permit `access`, or
    /// an address in no entry, even with size 0; `ResourceShortage` cutting entries would make too many. Nothing is
    /// changed then.
    /// Source: spec [vm.wire.1] to [vm.wire.3]; mach-api §2.2 `vm_wire`.
    #[doc(alias = "vm_map_pageable")]
    pub fn vm_wire(&mut self, task: TaskId, address: u64, size: u64, access: u32) -> Result<(), KernReturn> {
        let map = self.map_of(task)?;
        let access = Prot::from_bits(access).ok_or(KernReturn::InvalidArgument)?;
        let range = range_of(address, size)?;
        let wired = map.wired_bytes() - map.wired_bytes_in(range.clone());
        let wanted = range.end - range.start;
        if !access.is_empty() && wired.saturating_add(wanted) > TASK_WIRED_BYTES_MAX {
            return Err(KernReturn::NoAccess);
        }
        let permitted = |start: &u64| map.entry(*start).expect("listed").protection.contains(access);
        let mapped = map.lookup(range.start).is_some() && map.is_covered(range.clone());
        if !mapped || !map.touched(range.clone()).iter().all(permitted) {
            return Err(KernReturn::NoSpace);
        }
        self.clip(task, range.clone())?;
        self.set_wired(task, range, |_| access);
        Ok(())
    }

    /// Wires or unwires all that a task has mapped, for the access that each entry permits.
    ///
    /// Errors: `InvalidTask`; `InvalidArgument` unknown flags; `NoAccess` more than [`TASK_WIRED_BYTES_MAX`] is mapped, or
    /// what is yet to come is to be wired, which has no bound and would need a port that no task is given. Nothing is
    /// changed then.
    /// Source: spec [vm.wire.4]; mach-api §2.1, §2.2 `vm_wire_all`.
    pub fn vm_wire_all(&mut self, task: TaskId, flags: u32) -> Result<(), KernReturn> {
        let map = self.map_of(task)?;
        let (arena, mapped) = (map.arena(), map.mapped_bytes());
        match flags {
            0 => self.set_wired(task, arena, |_| Prot::empty()),
            wire::CURRENT if mapped <= TASK_WIRED_BYTES_MAX => self.set_wired(task, arena, |permitted| permitted),
            _ if flags & !(wire::CURRENT | wire::FUTURE) == 0 => return Err(KernReturn::NoAccess),
            _ => return Err(KernReturn::InvalidArgument),
        }
        Ok(())
    }

    /// What the machine could do with a range: a PC has no such attribute.
    ///
    /// Errors: always. `InvalidTask`; `InvalidArgument` the range is not within the task's addresses; else
    /// `InvalidAddress`.
    /// Source: spec [vm.machine.1]; mach-api §2.2 `vm_machine_attribute`.
    pub fn vm_machine_attribute(&self, task: TaskId, address: u64, size: u64) -> KernReturn {
        let Ok(map) = self.map_of(task) else { return KernReturn::InvalidTask };
        let arena = map.arena();
        let end = address.checked_add(size).filter(|end| *end <= arena.end);
        if address < arena.start || end.is_none() { KernReturn::InvalidArgument } else { KernReturn::InvalidAddress }
    }

    /// Conditions: no entry is cut by the ends of `range`.
    fn set_wired(&mut self, task: TaskId, range: Range<u64>, access: impl Fn(Prot) -> Prot) {
        let map = self.tasks.get_mut(&task).expect("looked up by the caller");
        for start in map.touched(range) {
            let entry = map.entry_mut(start).expect("listed");
            entry.wired = access(entry.protection);
        }
    }
}
