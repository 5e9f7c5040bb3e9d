//! Copies of memory: files that nobody can change any more, shown privately by whoever sent them and whoever got them.
//!
//! An object is *frozen* when its file is (or is being) sealed; its entries are private and unmanaged, so that Linux alone
//! serves them, and what a task writes there is its own. Whether a file is sealed is what counts where its bytes are handed
//! on; the tables here say what the task has been told.
//!
//! Invariants: an entry of a frozen object is private and unmanaged; any other entry of memory without a pager is shared.
//!
//! Spec: docs/spec/vm.md, *Copies*.

use std::collections::BTreeSet;
use std::ops::Range;

use proto::limits::{
    FREEZE_ORDERS_MAX, FROZEN_PARTS_MAX, MAP_ENTRIES_MAX, OBJECT_BYTES_MAX, OBJECTS_MAX, SHADOW_DEPTH_MAX,
};
use proto::{KernReturn, PAGE_SIZE, Prot};

use super::entry::Entry;
use super::object::Object;
use super::order::Order;
use super::user::range_of;
use super::{MapOrder, MapRequest, Mapped, ObjectId, Vm, VmCx};
use crate::TaskId;

/// What is to be frozen, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreezeRequest {
    /// First byte and bytes of each range.
    pub ranges: Vec<(u64, u64)>,
    /// What every part of them has to permit.
    pub access: Prot,
    /// Whether other threads of the task may write to them before they are copied.
    pub busy: bool,
    /// Of how many objects parts may be answered.
    pub objects_max: usize,
}

/// How much one call may still freeze, and answer.
struct Left {
    objects: usize,
    parts: usize,
    orders: usize,
}

/// A part of a range that was to be frozen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreezePart {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The frozen object that it shows, and where in it; `None` for memory that has to be copied by whoever can see it.
    pub object: Option<(ObjectId, u64)>,
    /// Where it is mapped aside as it is now, for whoever copies it; `None` where it has to be copied as it is by then.
    pub aside: Option<u64>,
}

/// A part of an object that is to be mapped or shadowed: a frozen one, but where a child shadows what its parent has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrozenPart {
    /// Which.
    pub object: ObjectId,
    /// First byte in it; whole pages.
    pub offset: u64,
    /// Bytes; whole pages.
    pub size: u64,
}

/// Pages of a private mapping that a task has moved into a frozen object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// First byte; a page.
    pub address: u64,
    /// Bytes; whole pages.
    pub size: u64,
    /// Where in the object they lie now.
    pub offset: u64,
}

impl Vm {
    /// Makes the memory of ranges frozen objects where that can be had without copying, and tells where what lies.
    ///
    /// Conditions: memory that `vm_allocate` made and that no other task maps is frozen whole, if its range has at least a
    /// quarter of what is mapped of it; the task is ordered to map it privately and to seal it. Everything else that is not
    /// frozen already has to be copied. With `busy`, what the default pager has of that is mapped aside for it, as it is now, until
    /// [`Vm::vm_unmap_aside`], where there is room for that; so it is where another task maps it, too. What the task wrote to
    /// frozen memory is not in the object: see [`Vm::vm_replace`].
    /// Units: bytes; the parts are those of the pages that the ranges touch, one range after the other, each from its first on,
    /// in order and without a gap. They end early where there would be more than [`FreezeRequest::objects_max`] objects, or
    /// [`FROZEN_PARTS_MAX`] parts, and before a range for which there is an error.
    /// Errors: of the first range, if there is one: `InvalidTask`; `InvalidArgument` it wraps; `InvalidAddress` a hole in it;
    /// `ProtectionFailure` a part whose protection lacks the access. Nothing has changed then.
    /// Source: spec [vm.copy.1], [vm.copy.2], [vm.copy.11], [vm.copy.12]; mach-api §2.2 `vm_read`.
    #[doc(alias = "vm_map_copyin")]
    pub fn vm_freeze(
        &mut self,
        task: TaskId,
        wanted: &FreezeRequest,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<FreezePart>, KernReturn> {
        let mut left = Left { objects: wanted.objects_max, parts: FROZEN_PARTS_MAX, orders: FREEZE_ORDERS_MAX };
        let mut all: Vec<FreezePart> = Vec::new();
        for (number, &(address, size)) in wanted.ranges.iter().enumerate() {
            let range = match self.permitted(task, address, size, wanted.access) {
                Ok(range) => range,
                Err(error) if number == 0 => return Err(error),
                Err(_) => break,
            };
            let parts = self.freeze_range(task, range.clone(), wanted.busy, &mut left, cx);
            let end = parts.last().map_or(range.start, |part| part.address + part.size);
            all.extend(parts);
            if end < range.end {
                break;
            }
        }
        Ok(all)
    }

    /// As much of a range, all of which the task has mapped, as is left to one call; from its first page on.
    fn freeze_range(
        &mut self,
        task: TaskId,
        range: Range<u64>,
        busy: bool,
        left: &mut Left,
        cx: &mut VmCx<'_>,
    ) -> Vec<FreezePart> {
        let map = &self.tasks[&task];
        let mut touched = map.touched(range.clone());
        let entry_at = |start: &u64| map.entry(*start).expect("listed");
        touched.truncate(left.parts);
        let mut objects = BTreeSet::new();
        let fit = touched.iter().take_while(|start| {
            objects.insert(entry_at(start).object);
            objects.len() <= left.objects
        });
        touched.truncate(fit.count());
        let objects: BTreeSet<ObjectId> = touched.iter().map(|start| entry_at(start).object).collect();
        (left.parts, left.objects) = (left.parts - touched.len(), left.objects - objects.len());
        for object in objects {
            let orders = self.objects[object].mappings.len();
            if orders <= left.orders && self.can_freeze(task, object, &range) {
                left.orders -= orders;
                self.freeze(task, object, cx);
            }
        }
        let map = &self.tasks[&task];
        let part = |start: &u64| {
            let e = map.entry(*start).expect("freezing adds and removes no entry");
            let (from, to) = (e.start.max(range.start), e.end.min(range.end));
            let object = self.objects[e.object].frozen.then_some((e.object, e.offset + (from - e.start)));
            FreezePart { address: from, size: to - from, object, aside: None }
        };
        let mut parts: Vec<FreezePart> = touched.iter().map(part).collect();
        let below: Vec<Option<FrozenPart>> = parts.iter().map(|part| self.of_default_pager(task, part)).collect();
        let mut rest = &mut parts[..];
        for run in below.chunk_by(|a, b| a.is_some() && b.is_some()) {
            let (told, behind) = rest.split_at_mut(run.len());
            let run: Vec<FrozenPart> = run.iter().flatten().copied().collect();
            if left.orders > 0
                && let Some(address) = self.map_aside(task, &run, busy, cx)
            {
                left.orders -= 1;
                let start = told[0].address;
                told.iter_mut().for_each(|part| part.aside = Some(address + (part.address - start)));
            }
            rest = behind;
        }
        parts
    }

    /// Maps parts one behind the other aside, as they are now; where. `None` where there are none, or nobody can write to them
    /// meanwhile, or there is no room: nothing is mapped then.
    fn map_aside(&mut self, task: TaskId, parts: &[FrozenPart], busy: bool, cx: &mut VmCx<'_>) -> Option<u64> {
        let others = |part: &FrozenPart| self.objects[part.object].mappings.iter().any(|(other, _)| *other != task);
        let size = parts.iter().map(|part| part.size).sum();
        if parts.is_empty() || size > OBJECT_BYTES_MAX || !busy && !parts.iter().any(others) {
            return None;
        }
        let map = self.map_of(task).ok()?;
        map.has_room(1).ok()?;
        let address = map.find_space_aside(size, &(0..0)).ok()?;
        let object = self.shadow_create(parts, cx).ok()?;
        let entry = Entry::of(address..address + size, object, 0, &MapRequest::aside(address, size));
        let entry = Entry { aside: true, ..entry }.of_shadow();
        // Whoever asked makes the copy.
        let order = MapOrder { for_errand: false, ..entry.order() };
        self.map_entry_by(task, entry, order, cx);
        Some(address)
    }

    /// The part of an object of the default pager that a task maps there, if it can be shadowed.
    fn of_default_pager(&self, task: TaskId, part: &FreezePart) -> Option<FrozenPart> {
        let entry = self.map_of(task).ok()?.lookup(part.address)?;
        let can_be_shadowed = self.objects[entry.object].paged && self.depth(entry.object) < SHADOW_DEPTH_MAX;
        let offset = entry.offset + (part.address - entry.start);
        can_be_shadowed.then_some(FrozenPart { object: entry.object, offset, size: part.size })
    }

    /// The pages of a range, all of which are mapped and permit `access`.
    ///
    /// Errors: `InvalidTask`; `InvalidArgument` it wraps; `InvalidAddress` a hole in it; `ProtectionFailure`.
    pub fn permitted(&self, task: TaskId, address: u64, size: u64, access: Prot) -> Result<Range<u64>, KernReturn> {
        let map = self.map_of(task)?;
        let range = range_of(address, size)?;
        if !map.is_covered(range.clone()) {
            return Err(KernReturn::InvalidAddress);
        }
        let permits = |start: &u64| map.entry(*start).expect("listed").protection.contains(access);
        if !map.touched(range.clone()).iter().all(permits) {
            return Err(KernReturn::ProtectionFailure);
        }
        Ok(range)
    }

    /// Whether an object is memory of this task alone and of none of its children, not wired, and mostly within the range.
    fn can_freeze(&self, task: TaskId, object: ObjectId, range: &Range<u64>) -> bool {
        let o = &self.objects[object];
        let never = o.shared_with_children || o.partly_private;
        if !o.is_native() || o.frozen || never || o.mappings.iter().any(|(t, _)| *t != task) {
            return false;
        }
        let map = &self.tasks[&task];
        let (mut all, mut inside) = (0, 0);
        for (_, start) in &o.mappings {
            let e = map.entry(*start).expect("an object's mapping is an entry");
            // A new mapping of what is wired would not be locked, and each write to it would be a page more. What the task has
            // still to map, or is changing, could not be sealed.
            if e.is_wired() || self.is_ordered(task, &(e.start..e.end)) {
                return false;
            }
            all += e.size();
            inside += e.end.min(range.end).saturating_sub(e.start.max(range.start));
        }
        inside * FREEZE_PART_MIN >= all
    }

    /// Has the task map every part of an object privately, and seal it.
    fn freeze(&mut self, task: TaskId, object: ObjectId, cx: &mut VmCx<'_>) {
        self.objects[object].frozen = true;
        let starts: Vec<u64> = self.objects[object].mappings.iter().map(|(_, start)| *start).collect();
        let last = starts.len() - 1;
        for (i, start) in starts.into_iter().enumerate() {
            let entry = self.tasks.get_mut(&task).and_then(|map| map.entry_mut(start)).expect("its own mapping");
            entry.shared = false;
            let range = entry.start..entry.end;
            let order = entry.order();
            // Only with the last one nobody maps it writable any more.
            let id = cx.pmap.freeze(task, order, i == last);
            self.orders.insert(id, Order::Freeze { task, range });
        }
    }

    /// The task could not freeze the memory in `range`: it is shared memory as before.
    pub(super) fn freeze_failed(&mut self, task: TaskId, range: Range<u64>) {
        let Some(map) = self.tasks.get(&task) else { return };
        let touched = map.touched(range.clone());
        let objects: Vec<ObjectId> = touched.iter().filter_map(|s| Some(map.entry(*s)?.object)).collect();
        for id in objects {
            let object = &mut self.objects[id];
            // One that another task has got meanwhile is sealed, whatever this task says; so is one that is shadowed.
            let sealed = !object.shadowed_by.is_empty() || object.mappings.iter().any(|(t, _)| *t != task);
            if !object.frozen || sealed {
                continue;
            }
            object.frozen = false;
            object.partly_private |= object.mappings.iter().any(|(_, start)| !range.contains(start));
            for (_, start) in object.mappings.clone() {
                let entry = self.tasks.get_mut(&task).and_then(|map| map.entry_mut(start));
                entry.expect("its own mapping").shared = true;
            }
        }
    }

    /// A frozen object of so many pages for memory that is frozen already; nobody maps it, and it is gone if nobody is going to
    /// ([`Vm::object_unused`]).
    ///
    /// Errors: `ResourceShortage` too many objects.
    pub fn object_frozen(&mut self, pages: u64) -> Result<ObjectId, KernReturn> {
        self.object_brought(pages, true)
    }

    /// An object without a pager for memory that a task brings.
    pub(super) fn object_brought(&mut self, pages: u64, frozen: bool) -> Result<ObjectId, KernReturn> {
        if self.objects.len() >= OBJECTS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        // It cannot leave, and counts as what Linux alone has.
        self.page_out.native += pages;
        Ok(self.objects.insert(Object { frozen, native_pages: pages, ..Object::new(true) }))
    }

    /// Forgets an object that a task brought and nobody maps or shadows.
    pub fn object_unused(&mut self, object: ObjectId, cx: &mut VmCx<'_>) {
        let unused = |o: &Object| o.is_native() && o.mappings.is_empty() && o.shadowed_by.is_empty();
        if self.objects.get(object).is_some_and(unused) {
            self.forget(object, cx);
        }
    }

    /// Pages of the task's frozen memory, with what it wrote there, lie in `object` now, and its map shows them there: privately,
    /// if that is frozen, or shared from now on, if it is one of [`Vm::object_thawed`]. The task maps it by itself, before or
    /// after; the bytes are the same.
    ///
    /// Conditions: `runs` are whole pages, in order and apart from each other, each within private mappings of frozen memory.
    /// Errors: `InvalidTask`; `InvalidArgument` they are no such pages; `InvalidAddress` a hole in one, or other memory;
    /// `ResourceShortage` too many entries. Nothing has changed then.
    /// Source: spec [vm.copy.3], [vm.inherit.4].
    pub fn vm_replace(
        &mut self,
        task: TaskId,
        object: ObjectId,
        runs: &[Run],
        cx: &mut VmCx<'_>,
    ) -> Result<(), KernReturn> {
        let map = self.map_of(task)?;
        let mut end = 0;
        for run in runs {
            let whole = [run.address, run.size, run.offset].iter().all(|v| v.is_multiple_of(PAGE_SIZE)) && run.size > 0;
            let range = range_of(run.address, run.size)?;
            if !whole || range.start < end {
                return Err(KernReturn::InvalidArgument);
            }
            // It was there when the task gathered it; another thread may have unmapped it since.
            if !map.is_covered(range.clone()) {
                return Err(KernReturn::InvalidAddress);
            }
            end = range.end;
            let frozen = |start: &u64| self.objects[map.entry(*start).expect("listed").object].frozen;
            if !map.touched(range).iter().all(frozen) {
                return Err(KernReturn::InvalidAddress);
            }
        }
        map.has_room(2 * runs.len())?;
        for run in runs {
            self.show_run(task, object, *run, cx);
        }
        Ok(())
    }

    fn show_run(&mut self, task: TaskId, object: ObjectId, run: Run, cx: &mut VmCx<'_>) {
        let range = run.address..run.address + run.size;
        self.clip(task, range.clone()).expect("there is room, which was checked");
        let starts = self.tasks[&task].touched(range);
        for &start in &starts {
            let entry = self.tasks.get_mut(&task).and_then(|map| map.entry_mut(start)).expect("listed");
            let old = std::mem::replace(&mut entry.object, object);
            entry.shared = !self.objects[object].frozen;
            entry.offset = run.offset + (start - run.address);
            self.objects[object].mappings.insert((task, start));
            if old != object {
                self.objects[old].mappings.remove(&(task, start));
                if self.objects[old].mappings.is_empty() {
                    self.unreferenced(old, cx);
                }
            }
        }
        for &start in starts.iter().skip(1).rev() {
            if self.tasks.get_mut(&task).is_some_and(|map| map.join(start)) {
                self.objects[object].mappings.remove(&(task, start));
            }
        }
    }

    /// Maps parts of frozen objects one behind the other, privately; or, where native memory has its share of the limit, an
    /// object that shadows them.
    ///
    /// Conditions: `request` says where and how; its size, object and offset mean nothing. The objects are sealed. One that
    /// nobody maps or shadows afterwards is gone.
    /// Errors: as [`Vm::vm_map`], and `InvalidArgument` for parts that are no whole pages or none; nothing is mapped.
    /// Source: spec [vm.copy.5], [vm.pageout.15].
    #[doc(alias = "vm_map_copyout")]
    pub fn vm_map_frozen(
        &mut self,
        task: TaskId,
        parts: &[FrozenPart],
        request: MapRequest,
        cx: &mut VmCx<'_>,
    ) -> Result<Mapped, KernReturn> {
        let mut size = 0u64;
        for part in parts {
            let whole = part.offset.is_multiple_of(PAGE_SIZE) && part.size.is_multiple_of(PAGE_SIZE) && part.size > 0;
            if !whole || !self.objects.get(part.object).is_some_and(|o| o.frozen) {
                return Err(KernReturn::InvalidArgument);
            }
            size = size.checked_add(part.size).ok_or(KernReturn::NoSpace)?;
        }
        let request = MapRequest { size, object: None, offset: 0, ..request };
        let address = self.place_of(task, &request)?;
        if self.is_to_be_paged(0) && size <= OBJECT_BYTES_MAX {
            return self.map_shadow(task, parts, address, request, cx);
        }
        if self.tasks[&task].has_room(parts.len()).is_err() || parts.len() > MAP_ENTRIES_MAX {
            return Err(KernReturn::NoSpace);
        }
        let (mut at, mut orders) = (address, Vec::with_capacity(parts.len()));
        for part in parts {
            let entry = Entry::of(at..at + part.size, part.object, part.offset, &request);
            orders.push(entry.order());
            self.add_entry(task, entry);
            at += part.size;
        }
        // One order, so that thousands of parts cost no thousands of answers.
        let order = cx.pmap.map_parts(task, &orders);
        self.orders.insert(order, Order::Map { task, range: address..at });
        Ok(Mapped { address, order: Some(order) })
    }

    /// The same by an object of the default pager.
    fn map_shadow(
        &mut self,
        task: TaskId,
        parts: &[FrozenPart],
        address: u64,
        request: MapRequest,
        cx: &mut VmCx<'_>,
    ) -> Result<Mapped, KernReturn> {
        let object = self.shadow_create(parts, cx)?;
        let entry = Entry::of(address..address + request.size, object, 0, &request).of_shadow();
        Ok(self.map_entry(task, entry, cx))
    }
}

impl Entry {
    /// The same, which shows what shadows that.
    pub(super) fn of_shadow(self) -> Entry {
        Entry { shared: true, managed: true, ..self }
    }

    /// The order that maps it as it stands.
    pub(super) fn order(&self) -> MapOrder {
        MapOrder {
            address: self.start,
            size: self.size(),
            object: self.object,
            offset: self.offset,
            protection: self.protection,
            shared: self.shared,
            managed: self.managed,
            for_errand: self.aside,
        }
    }
}

/// Less of an object than one part in so many is copied rather than frozen with all of it.
const FREEZE_PART_MIN: u64 = 4;
