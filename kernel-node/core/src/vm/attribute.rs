//! Attributes of ranges that concern no page table: what a child would get, what the node may not take away, and what the
//! machine could do with it.
//!
//! Of these a task hears of wiring only. Entries are cut at the ends of a range and not joined again.

use std::ops::Range;

use proto::limits::TASK_WIRED_BYTES_MAX;
use proto::{Inherit, KernReturn, Prot};

use super::order::Order;
use super::user::range_of;
use super::{OrderId, Vm, VmCx, wire};
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
            let entry = map.entry_mut(start).expect("listed");
            entry.inheritance = inheritance;
            self.objects[entry.object].shared_with_children |= inheritance == Inherit::Share;
        }
        Ok(())
    }

    /// Has the node and Linux keep the pages of a range that are here, for those who have `access` to them; with no access,
    /// lets them give them up again. Absent pages still fault.
    ///
    /// Conditions: the orders are for the task's half; if Linux refuses, the range is not wired. What is wired already
    /// counts once against the bound, and unwiring has none.
    /// Errors: `InvalidTask` none, or without a process; `InvalidArgument` unknown bits, or a range that wraps; `NoAccess` more than
    /// [`TASK_WIRED_BYTES_MAX`] would be wired; `NoSpace` a hole in the range, an entry that does not permit `access`, or
    /// an address in no entry, even with size 0; `ResourceShortage` cutting entries would make too many. Nothing is
    /// changed then.
    /// Source: spec [vm.wire.1] to [vm.wire.3]; mach-api §2.2 `vm_wire`.
    #[doc(alias = "vm_map_pageable")]
    pub fn vm_wire(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        access: u32,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<OrderId>, KernReturn> {
        let map = self.map_in_use(task)?;
        let access = Prot::from_bits(access).ok_or(KernReturn::InvalidArgument)?;
        let range = range_of(address, size)?;
        let wired = map.wired_bytes() - map.wired_bytes_in(range.clone());
        let wanted = range.end - range.start;
        if !access.is_empty() && wired.saturating_add(wanted) > TASK_WIRED_BYTES_MAX {
            return Err(KernReturn::NoAccess);
        }
        let permitted = |start: &u64| map.entry(*start).expect("listed").protection.contains(access);
        let mapped = map.shown(range.start).is_some() && map.is_covered(range.clone());
        if !mapped || !map.touched(range.clone()).iter().all(permitted) {
            return Err(KernReturn::NoSpace);
        }
        self.clip(task, range.clone())?;
        Ok(self.set_wired(task, range, |_| access, cx))
    }

    /// Wires or unwires all that a task has mapped, for the access that each entry permits.
    ///
    /// Errors: `InvalidTask` none, or without a process; `InvalidArgument` unknown flags; `NoAccess` more than
    /// [`TASK_WIRED_BYTES_MAX`] is mapped, or what is yet to come is to be wired, which has no bound and would need a port
    /// that no task is given. Nothing is changed then.
    /// Source: spec [vm.wire.4]; mach-api §2.1, §2.2 `vm_wire_all`.
    pub fn vm_wire_all(&mut self, task: TaskId, flags: u32, cx: &mut VmCx<'_>) -> Result<Vec<OrderId>, KernReturn> {
        let map = self.map_in_use(task)?;
        let (arena, mapped) = (map.arena(), map.mapped_bytes());
        match flags {
            0 => Ok(self.set_wired(task, arena, |_| Prot::empty(), cx)),
            wire::CURRENT if mapped <= TASK_WIRED_BYTES_MAX => {
                Ok(self.set_wired(task, arena, |permitted| permitted, cx))
            }
            _ if flags & !(wire::CURRENT | wire::FUTURE) == 0 => Err(KernReturn::NoAccess),
            _ => Err(KernReturn::InvalidArgument),
        }
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

    /// Sets for what access the entries of a range are wired, and orders the task to follow where they become wired or not.
    ///
    /// Conditions: no entry is cut by the ends of `range`.
    fn set_wired(
        &mut self,
        task: TaskId,
        range: Range<u64>,
        access: impl Fn(Prot) -> Prot,
        cx: &mut VmCx<'_>,
    ) -> Vec<OrderId> {
        let map = self.tasks.get_mut(&task).expect("looked up by the caller");
        let mut changed: Vec<(Range<u64>, bool)> = Vec::new();
        for start in map.touched(range) {
            let entry = map.entry_mut(start).expect("listed");
            let was = entry.is_wired();
            entry.wired = access(entry.protection);
            let (part, wired) = (entry.start..entry.end, entry.is_wired());
            match changed.last_mut() {
                _ if was == wired => {}
                Some((run, same)) if run.end == part.start && *same == wired => run.end = part.end,
                _ => changed.push((part, wired)),
            }
        }
        changed.into_iter().map(|(range, wired)| self.order_wire(task, range, wired, cx)).collect()
    }

    fn order_wire(&mut self, task: TaskId, range: Range<u64>, wired: bool, cx: &mut VmCx<'_>) -> OrderId {
        let order = cx.pmap.wire(task, range.start, range.end - range.start, wired);
        let map = self.tasks.get_mut(&task).expect("looked up by the caller");
        for start in map.touched(range.clone()) {
            map.entry_mut(start).expect("listed").wired_by = Some(order);
        }
        self.orders.insert(order, Order::Wire { task, range, wired });
        order
    }

    /// Linux would not keep the pages of a range: its entries are not wired, as far as they are still there and nothing else
    /// was ordered for them since.
    pub(super) fn wire_failed(&mut self, task: TaskId, range: Range<u64>, order: OrderId) {
        let Some(map) = self.tasks.get_mut(&task) else { return };
        for start in map.touched(range) {
            let entry = map.entry_mut(start).expect("listed");
            if entry.wired_by == Some(order) {
                entry.wired = Prot::empty();
            }
        }
    }
}
