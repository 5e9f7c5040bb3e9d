//! The calls of tasks on address maps: `vm_allocate`, `vm_map`, `vm_deallocate`, `vm_protect`, `vm_region`.
//!
//! Each changes the tables at once and gives the task an order for its half; the answer to the caller may go out when the
//! order is done.

use std::ops::Range;

use proto::limits::OBJECT_BYTES_MAX;
use proto::vm::{round_page, trunc_page};
use proto::{Inherit, KernReturn, PAGE_SIZE, Prot, ranges};

use super::entry::Entry;
use super::event::{FaultClass, ToPager, VmEvent};
use super::map::Map;
use super::object::{ObjectEvent, ObjectState};
use super::order::Order;
use super::{MapOrder, MapRequest, Mapped, ObjectId, OrderId, Region, Vm, VmCx};
use crate::TaskId;

impl Vm {
    /// Zero-filled memory, readable and writable.
    ///
    /// Conditions: `address` is rounded down, and not looked at with `anywhere`; `size` is rounded up to a page; size 0
    /// succeeds and gives address 0.
    /// Errors: as `vm_map`; nothing was allocated.
    /// Source: spec [vm.map.1]; mach-api §2.2 `vm_allocate`.
    #[doc(alias = "vm_user_allocate")]
    pub fn vm_allocate(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        anywhere: bool,
        cx: &mut VmCx<'_>,
    ) -> Result<Mapped, KernReturn> {
        if size == 0 {
            self.map_of(task)?;
            return Ok(Mapped { address: 0, order: None });
        }
        let request = MapRequest {
            address: if anywhere { 0 } else { address },
            size,
            mask: 0,
            anywhere,
            object: None,
            offset: 0,
            copy: false,
            protection: Prot::READ | Prot::WRITE,
            max_protection: Prot::all(),
            inheritance: Inherit::Copy,
        };
        self.vm_map(task, request, cx)
    }

    /// Maps an object, or zero-filled memory. An object that is terminating is taken into use again. One that is to be copied
    /// is mapped *aside*, for reading and for who copies it alone, until [`Vm::vm_unmap_aside`]; then the answer says where
    /// that is, and the place of the copy has been found good and is not taken.
    ///
    /// Conditions: the first mapping of an object sends `memory_object_init` and does not wait for `ready`; faults do. If
    /// this was to be the first mapping and fails, the object is gone ([`VmEvent::ObjectGone`]).
    /// Units: bytes. Errors: `InvalidTask` no such task, or one without a process; `InvalidArgument` size 0, protection
    /// beyond the maximum or unknown bits, an offset that is not whole pages or too large, an object that is dead or
    /// unknown; `NoSpace` the place is taken, the mask forbids it, no place is large enough, or the map has too many
    /// entries; `InvalidAddress` a fixed place outside the arena; `ResourceShortage` too many objects, or no memory for
    /// one.
    /// Source: spec [vm.map.2] to [vm.map.5], [vm.copy.10]; mach-api §2.3.
    pub fn vm_map(&mut self, task: TaskId, request: MapRequest, cx: &mut VmCx<'_>) -> Result<Mapped, KernReturn> {
        let result = self.map_checked(task, request, cx);
        if let (Err(_), Some(id)) = (result, request.object)
            && self.objects.get(id).is_some_and(|o| o.state == ObjectState::New)
        {
            self.forget(id, cx);
        }
        result
    }

    fn map_checked(&mut self, task: TaskId, r: MapRequest, cx: &mut VmCx<'_>) -> Result<Mapped, KernReturn> {
        self.map_in_use(task)?;
        if !r.anywhere {
            range_of(r.address, r.size)?;
        }
        let size = round_page(r.size).ok_or(KernReturn::NoSpace)?;
        let offset = if r.object.is_some() { r.offset } else { 0 };
        let fits = offset.checked_add(size).is_some_and(|end| end <= OBJECT_BYTES_MAX);
        if !offset.is_multiple_of(PAGE_SIZE) || !fits {
            // Memory without an object has no end of its own: what does not fit is too large for any address space.
            return Err(if r.object.is_some() { KernReturn::InvalidArgument } else { KernReturn::NoSpace });
        }
        let state = r.object.map(|id| self.objects.get(id).map_or(ObjectState::Gone, |o| o.state));
        if matches!(state, Some(ObjectState::Dead | ObjectState::Gone)) {
            return Err(KernReturn::InvalidArgument);
        }
        let address = self.place_of(task, &r)?;
        let aside = r.copy && r.object.is_some();
        let (address, how) = match aside {
            true => {
                let address = self.map_of(task)?.find_space_aside(size, &(address..address + size))?;
                (address, MapRequest::aside(address, size))
            }
            false => (address, r),
        };
        let id = self.object_to_map(r.object, size, cx)?;
        let managed = !self.objects[id].is_native();
        // Anonymous memory is the task's own, and needs no fence against it.
        let shared = r.object.is_none() || how.max_protection.contains(Prot::WRITE);
        let entry = Entry { shared, managed, aside, ..Entry::of(address..address + size, id, offset, &how) };
        Ok(self.map_entry(task, entry, cx))
    }

    /// Adds an entry and orders its task to map it.
    pub(super) fn map_entry(&mut self, task: TaskId, entry: Entry, cx: &mut VmCx<'_>) -> Mapped {
        let order = entry.order();
        self.map_entry_by(task, entry, order, cx)
    }

    /// By this order.
    pub(super) fn map_entry_by(&mut self, task: TaskId, entry: Entry, order: MapOrder, cx: &mut VmCx<'_>) -> Mapped {
        let (address, range) = (entry.start, entry.start..entry.end);
        self.objects[entry.object].shared_with_children |= entry.inheritance == Inherit::Share;
        self.add_entry(task, entry);
        let order = cx.pmap.map(task, order);
        self.orders.insert(order, Order::Map { task, range });
        Mapped { address, order: Some(order) }
    }

    /// Adds an entry in a place that has been found free, to a map with room for it.
    pub(super) fn add_entry(&mut self, task: TaskId, entry: Entry) {
        self.objects[entry.object].mappings.insert((task, entry.start));
        self.tasks.get_mut(&task).expect("looked up").insert(entry).expect("the place is free and there is room");
    }

    /// Where a mapping goes, by what of the request concerns no object.
    ///
    /// Errors: those of `vm_map`.
    pub(super) fn place_of(&self, task: TaskId, r: &MapRequest) -> Result<u64, KernReturn> {
        let map = self.map_of(task)?;
        let known = Prot::all().contains(r.protection | r.max_protection);
        if r.size == 0 || !known || !r.max_protection.contains(r.protection) {
            return Err(KernReturn::InvalidArgument);
        }
        let size = round_page(r.size).ok_or(KernReturn::NoSpace)?;
        let address = trunc_page(r.address);
        let address = match (r.anywhere, r.object) {
            (false, _) => map.fixed(address, size, r.mask)?,
            // What the pager brings comes page by page: a border would gain nothing.
            (true, Some(_)) => map.find_space(address, size, r.mask)?,
            (true, None) => map.find_space_for_large_pages(address, size, r.mask)?,
        };
        map.has_room(1).map_err(|_| KernReturn::NoSpace)?;
        Ok(address)
    }

    /// The object of a mapping that is about to be made, with its memory; a new internal one of `size` bytes if `wanted` is
    /// none.
    fn object_to_map(
        &mut self,
        wanted: Option<ObjectId>,
        size: u64,
        cx: &mut VmCx<'_>,
    ) -> Result<ObjectId, KernReturn> {
        let Some(id) = wanted else { return self.internal_create(size, None, cx) };
        self.counters.lookups += 1;
        self.counters.hits += u64::from(self.objects[id].state != ObjectState::New);
        match self.objects[id].state {
            ObjectState::New => {
                cx.pmap.object_create(id)?;
                self.objects[id].turn(ObjectEvent::Map);
                cx.out.push(VmEvent::ToPager { object: id, call: ToPager::Init, trace: Default::default() });
            }
            ObjectState::Terminating => self.revive(id, cx),
            _ => {}
        }
        Ok(id)
    }

    /// Unmaps a range; holes in it are no error, an entry that it cuts keeps the rest.
    ///
    /// Conditions: dirty pages of an object that nobody maps any more go back to its pager. The addresses stay reserved
    /// until the orders are done.
    /// Errors: `InvalidTask` none, or without a process; `InvalidArgument` the range wraps; `ResourceShortage` cutting entries
    /// would make too many.
    /// Source: spec [vm.map.6]; mach-api §2.2 `vm_deallocate`.
    pub fn vm_deallocate(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<OrderId>, KernReturn> {
        self.map_in_use(task)?;
        let range = range_of(address, size)?;
        self.clip(task, range.clone())?;
        let starts = self.map_of(task)?.touched(range);
        let removed = self.remove_entries(task, starts, true, cx);
        Ok(removed.into_iter().map(|range| self.order_unmap(task, range, cx)).collect())
    }

    /// Unmaps what [`Vm::vm_map`] or [`Vm::vm_freeze`] has mapped aside at `address`; nothing if that is gone.
    pub fn vm_unmap_aside(&mut self, task: TaskId, address: u64, cx: &mut VmCx<'_>) -> Option<OrderId> {
        self.map_of(task).ok()?.entry(address).filter(|e| e.aside)?;
        let range = self.remove_entries(task, vec![address], true, cx).pop()?;
        Some(self.order_unmap(task, range, cx))
    }

    /// Sets the current protection of a range, or lowers its maximum (and the current protection with it) for good.
    ///
    /// Conditions: holes are passed over. Write access that is taken away is gone when this returns, even before the task
    /// has carried the orders out.
    /// Errors: `InvalidTask` none, or without a process; `InvalidArgument` unknown bits or a range that wraps;
    /// `ProtectionFailure` beyond the maximum of an entry in the range; `ResourceShortage` cutting entries would make too many.
    /// Nothing is changed then.
    /// Source: spec [vm.map.7]; mach-api §2.2 `vm_protect`.
    pub fn vm_protect(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        set_maximum: bool,
        protection: u32,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<OrderId>, KernReturn> {
        let map = self.map_in_use(task)?;
        let protection = Prot::from_bits(protection).ok_or(KernReturn::InvalidArgument)?;
        let range = range_of(address, size)?;
        if map
            .touched(range.clone())
            .iter()
            .any(|s| !map.entry(*s).expect("listed").max_protection.contains(protection))
        {
            return Err(KernReturn::ProtectionFailure);
        }
        self.clip(task, range.clone())?;
        let mut orders = Vec::new();
        let map = self.map_of(task)?;
        for start in map.touched(range) {
            let entry = self.tasks.get_mut(&task).expect("looked up").entry_mut(start).expect("listed");
            let (old, range) = (entry.protection, entry.start..entry.end);
            if set_maximum {
                entry.max_protection = protection;
                entry.protection &= protection;
            } else {
                entry.protection = protection;
            }
            let new = entry.protection;
            if new == old {
                continue;
            }
            if old.difference(new).contains(Prot::WRITE) {
                self.take_write_away(task, range.clone(), cx);
            }
            let refused = self.waiters_in(task, start, |w| new.is_empty() || w.write && !new.contains(Prot::WRITE));
            orders.push(self.order_protection(task, range, new, refused, cx));
        }
        Ok(orders)
    }

    /// The region at `address`, or the next one above.
    ///
    /// Errors: `InvalidTask`; `NoSpace` there is none.
    /// Source: spec [vm.map.8]; mach-api §2.2 `vm_region`.
    pub fn vm_region(&self, task: TaskId, address: u64) -> Result<Region, KernReturn> {
        self.map_of(task)?.lookup_from(address).map(|e| self.region(e)).ok_or(KernReturn::NoSpace)
    }

    /// An entry as `vm_region` shows it.
    pub(super) fn region(&self, e: &Entry) -> Region {
        Region {
            address: e.start,
            size: e.size(),
            protection: e.protection,
            max_protection: e.max_protection,
            inheritance: e.inheritance,
            shared: self.is_shared(e),
            object: (!self.objects[e.object].internal).then_some(e.object),
            offset: e.offset,
        }
    }

    /// The map of a task.
    pub(super) fn map_of(&self, task: TaskId) -> Result<&Map, KernReturn> {
        self.tasks.get(&task).ok_or(KernReturn::InvalidTask)
    }

    /// The map of a task whose process is there to carry orders out.
    ///
    /// Errors: `InvalidTask` none, or no process has become the task yet ([vm.inherit.7]).
    pub(super) fn map_in_use(&self, task: TaskId) -> Result<&Map, KernReturn> {
        self.map_of(task).and_then(|map| if map.by_fork.is_none() { Ok(map) } else { Err(KernReturn::InvalidTask) })
    }

    /// Cuts entries at both ends of `range`.
    ///
    /// Errors: `ResourceShortage` there would be too many; none is cut.
    pub(super) fn clip(&mut self, task: TaskId, range: Range<u64>) -> Result<(), KernReturn> {
        let map = self.tasks.get_mut(&task).ok_or(KernReturn::InvalidTask)?;
        let cuts = |at: u64| usize::from(map.shown(at).is_some_and(|e| e.start < at));
        let more = if range.is_empty() { 0 } else { cuts(range.start) + cuts(range.end) };
        if more == 0 || self.planted.skips_clip() {
            return Ok(());
        }
        map.has_room(more)?;
        for at in [range.start, range.end] {
            if let Some(e) = map.split(at) {
                self.objects[e.object].mappings.insert((task, at));
            }
        }
        Ok(())
    }

    /// Takes the entries that begin at `starts` out of the map, and returns the ranges that they covered. Nothing of the task
    /// is touched unless it is `alive`.
    pub(super) fn remove_entries(
        &mut self,
        task: TaskId,
        starts: Vec<u64>,
        alive: bool,
        cx: &mut VmCx<'_>,
    ) -> Vec<Range<u64>> {
        let mut removed: Vec<Range<u64>> = Vec::new();
        for start in starts {
            for w in self.waiters_in(task, start, |_| true) {
                self.fault_ended(w, FaultClass::Refused, cx);
            }
            let map = self.tasks.get_mut(&task).expect("it has entries");
            let mut entry = map.remove(start).expect("listed");
            let advice = entry.read_ahead.clear();
            self.settle_windows(entry.object, &advice.given_up, false);
            let object = &mut self.objects[entry.object];
            object.mappings.remove(&(task, start));
            if alive && entry.shared && entry.managed && object.pages.counts().dirty > 0 {
                cx.pmap.protect(task, entry.start, entry.size());
            }
            if object.mappings.is_empty() {
                self.unreferenced(entry.object, cx);
            } else if object.internal && !object.frozen {
                self.internal_unmapped(task, &entry, cx);
            }
            ranges::join(&mut removed, entry.start..entry.end);
        }
        removed
    }

    pub(super) fn order_unmap(&mut self, task: TaskId, range: Range<u64>, cx: &mut VmCx<'_>) -> OrderId {
        self.tasks.get_mut(&task).expect("its entries were just removed").leave(range.clone());
        let order = cx.pmap.unmap(task, range.start, range.end - range.start);
        self.orders.insert(order, Order::Unmap { task, range });
        order
    }

    /// A task could not map what it was told to: nothing is there. If the addresses are `free`, they are given out again as
    /// those of what it has unmapped, since another order may be under way for them; else never.
    pub(super) fn map_failed(&mut self, task: TaskId, range: Range<u64>, free: bool, cx: &mut VmCx<'_>) {
        let starts = self.tasks.get(&task).map_or_else(Vec::new, |map| map.all_touched(range));
        for range in self.remove_entries(task, starts, true, cx) {
            cx.pmap.wake(task, range.start, range.end - range.start);
            let map = self.tasks.get_mut(&task).expect("its entries were just removed");
            map.leave(range.clone());
            if free {
                map.unmapped.push(range);
            }
        }
    }

    /// Takes the task's write access to what the managed entries in `range` show.
    pub(super) fn take_write_away(&mut self, task: TaskId, range: Range<u64>, cx: &mut VmCx<'_>) {
        let Some(map) = self.tasks.get(&task) else { return };
        for start in map.touched(range.clone()) {
            let e = map.entry(start).expect("listed");
            if e.shared && e.managed && self.objects[e.object].pages.counts().dirty > 0 {
                let (from, to) = (e.start.max(range.start), e.end.min(range.end));
                cx.pmap.protect(task, from, to - from);
            }
        }
    }

    /// Takes those waiters of an entry for which `which` holds.
    fn waiters_in(
        &mut self,
        task: TaskId,
        start: u64,
        which: impl Fn(&super::wait::Waiter) -> bool,
    ) -> Vec<super::wait::Waiter> {
        let entry = self.tasks.get(&task).and_then(|m| m.entry(start)).expect("listed by the caller");
        let (id, pages, range) = (entry.object, entry.pages(), entry.start..entry.end);
        let waited: Vec<u64> = self.objects[id].waits.range(pages).map(|(p, _)| *p).collect();
        let mut out = Vec::new();
        for page in waited {
            out.extend(self.take_waiters(id, page, |w| w.task == task && range.contains(&w.address) && which(w)));
        }
        out
    }
}

impl MapRequest {
    /// How something is mapped of which a copy is to be made.
    pub(super) fn aside(address: u64, size: u64) -> MapRequest {
        MapRequest {
            address,
            size,
            mask: 0,
            anywhere: false,
            object: None,
            offset: 0,
            copy: false,
            protection: Prot::READ,
            max_protection: Prot::READ,
            inheritance: Inherit::None,
        }
    }
}

/// The pages that `address` and `size` touch.
///
/// Errors: `InvalidArgument` they wrap.
pub(super) fn range_of(address: u64, size: u64) -> Result<Range<u64>, KernReturn> {
    let start = trunc_page(address);
    if size == 0 {
        return Ok(start..start);
    }
    let end = address.checked_add(size).and_then(round_page).ok_or(KernReturn::InvalidArgument)?;
    Ok(start..end)
}
