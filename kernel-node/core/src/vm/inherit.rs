//! What a child gets of its parent's memory: its first map, made from the parent's by what each entry says of inheritance.
//!
//! The map is there before the child's process is. A process that attaches gets an order for each part: to map it, or, where
//! the process is a fork of its parent's, to keep what Linux gave it.
//!
//! Invariants: a child's entries of memory to be copied are frozen, or shadow what is or what the parent has; of memory to be
//! shared they show the parent's object.
//!
//! Spec: docs/spec/vm.md [vm.inherit.2] to [vm.inherit.8].

use std::collections::BTreeMap;
use std::ops::Range;

use proto::limits::{FORK_PARTS_MAX, MAP_ENTRIES_MAX, OBJECT_BYTES_MAX, SHADOW_DEPTH_MAX, TASKS_MAX};
use proto::{Inherit, KernReturn, PAGE_SIZE, Prot, ranges};

use super::copy::FrozenPart;
use super::entry::Entry;
use super::map::Map;
use super::order::Order;
use super::{ObjectId, Vm, VmCx};
use crate::TaskId;

/// What has been made ready of a parent's range for its child, by whoever can see the memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Of the parent.
    pub range: Range<u64>,
    /// The frozen object that has a copy, and where in it; `None` if the child is not to get it.
    pub copy: Option<(ObjectId, u64)>,
}

/// Why a child got no map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ForkRefused {
    /// These parts of the parent cannot be had as they are, being about to change, or frozen when they are to be shared, or
    /// not when they are to be copied. To be made ready, and asked again.
    NotReady(Vec<NotReady>),
    /// A code for the caller.
    Code(KernReturn),
}

/// A part of a parent's memory that its child cannot get as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotReady {
    /// Of the parent.
    pub range: Range<u64>,
    /// Whether it is to be shared, or copied.
    pub share: bool,
    /// Whether an order to the parent is under way there.
    pub changing: bool,
}

impl NotReady {
    fn is_continued_by(&self, next: &NotReady) -> bool {
        self.range.end == next.range.start && (self.share, self.changing) == (next.share, next.changing)
    }
}

/// How a child comes by an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Its process has it by fork(2).
    Fork,
    /// It maps what its parent shares.
    Share,
    /// It maps a copy that was made ready, or shadows what its parent has.
    Copy,
}

/// What a child gets, and what it cannot get yet.
#[derive(Default)]
struct Plan {
    entries: Vec<(Entry, By)>,
    missing: Vec<NotReady>,
}

impl Plan {
    fn is_missing(&mut self, part: NotReady) {
        match self.missing.last_mut() {
            Some(last) if last.is_continued_by(&part) => last.range.end = part.range.end,
            _ => self.missing.push(part),
        }
    }
}

impl Entry {
    /// Whether `next`, a copy as this is one, goes on where it ends and can be shown by the same object.
    fn can_shadow_with(&self, next: &Entry) -> bool {
        let attributes = |e: &Entry| (e.protection, e.max_protection, e.inheritance);
        let fits = next.end - self.start <= OBJECT_BYTES_MAX;
        self.end == next.start && fits && attributes(self) == attributes(next)
    }
}

impl Vm {
    /// Makes the map of `child`, which has none, over the parent's addresses. Returns the ranges that its process has by
    /// fork(2), which is about to be made; none unless it `forks`.
    ///
    /// Conditions: protections and inheritance stay as the parent's; nothing is wired. Where frozen memory of the parent is
    /// inherited by a process that is no fork, and for memory to be copied that is not frozen, `ready` has the copy or says
    /// that there is none, page by page.
    /// Errors: see [`ForkRefused`]. `InvalidTask` the parent has no memory; `NameExists` the child has a map;
    /// `ResourceShortage` too many tasks, or parts, or no memory; `InvalidArgument` a copy that is not frozen, or not in whole
    /// pages. Nothing has changed then, but that copies that nobody maps may be gone.
    /// Source: spec [vm.inherit.2], [vm.inherit.6], [vm.pageout.15]; mach-api §2.4.
    #[doc(alias = "vm_map_fork")]
    pub fn task_fork(
        &mut self,
        parent: TaskId,
        child: TaskId,
        ready: &[Ready],
        forks: bool,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<Range<u64>>, ForkRefused> {
        let map = self.map_of(parent).map_err(ForkRefused::Code)?;
        if self.tasks.contains_key(&child) {
            return Err(ForkRefused::Code(KernReturn::NameExists));
        }
        let frozen = |(object, offset): (ObjectId, u64)| {
            offset.is_multiple_of(PAGE_SIZE) && self.objects.get(object).is_some_and(|o| o.frozen)
        };
        if !ready.iter().all(|r| r.copy.is_none_or(frozen)) {
            return Err(ForkRefused::Code(KernReturn::InvalidArgument));
        }
        let ready: BTreeMap<u64, &Ready> = ready.iter().map(|r| (r.range.start, r)).collect();
        let mut plan = Plan::default();
        for entry in map.entries().filter(|e| e.inheritance != Inherit::None) {
            self.inherited(parent, entry, &ready, forks, &mut plan);
        }
        let Plan { entries, mut missing } = plan;
        if !missing.is_empty() {
            missing.truncate(FORK_PARTS_MAX);
            return Err(ForkRefused::NotReady(missing));
        }
        let mut by_fork = Vec::new();
        entries.iter().filter(|(_, by)| *by == By::Fork).for_each(|(e, _)| ranges::join(&mut by_fork, e.start..e.end));
        let full = entries.len() > MAP_ENTRIES_MAX || by_fork.len() > FORK_PARTS_MAX;
        if full || self.tasks.len() >= TASKS_MAX {
            return Err(ForkRefused::Code(KernReturn::ResourceShortage));
        }
        let mut map = Map::new(map.arena());
        map.by_fork = Some(by_fork.clone());
        for entry in self.entries_of_child(entries, cx).map_err(ForkRefused::Code)? {
            self.objects[entry.object].mappings.insert((child, entry.start));
            map.insert(entry).expect("not too many, and apart as the parent's");
        }
        self.tasks.insert(child, map);
        Ok(by_fork)
    }

    /// Plans what a child gets of an entry: of the parts that were made ready what was, of the others what is there.
    fn inherited(&self, parent: TaskId, entry: &Entry, ready: &BTreeMap<u64, &Ready>, forks: bool, plan: &mut Plan) {
        let fresh = Entry { wired: Prot::empty(), wired_by: None, ..entry.part(entry.start..entry.end) };
        let mut at = entry.start;
        let first = ready.range(..=at).next_back().map_or(at, |(start, _)| *start);
        for made in ready.range(first..entry.end).map(|(_, made)| *made).filter(|made| made.range.end > entry.start) {
            let part = made.range.start.max(at)..made.range.end.min(entry.end);
            if part.is_empty() {
                continue;
            }
            if at < part.start {
                self.inherited_as_is(parent, fresh.part(at..part.start), forks, plan);
            }
            if let Some((object, offset)) = made.copy {
                let offset = offset + (part.start - made.range.start);
                let copy = Entry { object, offset, shared: false, managed: false, ..fresh.part(part.clone()) };
                plan.entries.push((copy, By::Copy));
            }
            at = part.end;
        }
        if at < entry.end {
            self.inherited_as_is(parent, fresh.part(at..entry.end), forks, plan);
        }
    }

    /// What was planned; but copies of the default pager's memory become objects that shadow it, and where native memory has its
    /// share of the limit so do other copies, those that adjoin one for all.
    ///
    /// Errors: those of [`Vm::shadow_create`].
    fn entries_of_child(&mut self, planned: Vec<(Entry, By)>, cx: &mut VmCx<'_>) -> Result<Vec<Entry>, KernReturn> {
        let full = self.is_to_be_paged(0);
        let paged = |entry: &Entry| self.objects[entry.object].paged;
        let mut groups: Vec<(Entry, Vec<FrozenPart>)> = Vec::new();
        for (entry, by) in planned {
            let shadows = by == By::Copy && (full || paged(&entry));
            let part = FrozenPart { object: entry.object, offset: entry.offset, size: entry.size() };
            match groups.last_mut() {
                Some((first, parts))
                    if shadows
                        && !parts.is_empty()
                        && !paged(first)
                        && !paged(&entry)
                        && first.can_shadow_with(&entry) =>
                {
                    parts.push(part);
                    first.end = entry.end;
                }
                _ => groups.push((entry, if shadows { vec![part] } else { Vec::new() })),
            }
        }
        let (mut entries, mut made) = (Vec::with_capacity(groups.len()), Vec::new());
        for (entry, parts) in groups {
            if parts.is_empty() {
                entries.push(entry);
                continue;
            }
            match self.shadow_create(&parts, cx) {
                Ok(object) => {
                    made.push(object);
                    entries.push(Entry { object, offset: 0, ..entry }.of_shadow());
                }
                Err(code) => {
                    made.into_iter().for_each(|object| self.unreferenced(object, cx));
                    return Err(code);
                }
            }
        }
        Ok(entries)
    }

    fn inherited_as_is(&self, parent: TaskId, entry: Entry, forks: bool, plan: &mut Plan) {
        let object = &self.objects[entry.object];
        let range = entry.start..entry.end;
        // What the process still has to do there would come after the fork.
        let changing = self.is_ordered(parent, &range);
        match entry.inheritance {
            Inherit::Share if !changing && !object.frozen => {
                plan.entries.push((entry, if forks && object.is_native() { By::Fork } else { By::Share }));
            }
            Inherit::Copy if !changing && object.frozen && forks => plan.entries.push((entry, By::Fork)),
            // Others could change it yet, unless they are to be the child.
            Inherit::Copy if !changing && object.paged && forks && self.depth(entry.object) < SHADOW_DEPTH_MAX => {
                plan.entries.push((entry, By::Copy));
            }
            inheritance => plan.is_missing(NotReady { range, share: inheritance == Inherit::Share, changing }),
        }
    }

    /// An object for memory that a task is about to thaw ([`Vm::vm_replace`]); nobody maps it yet ([`Vm::object_unused`]).
    ///
    /// Errors: `ResourceShortage` too many objects.
    pub fn object_thawed(&mut self, pages: u64) -> Result<ObjectId, KernReturn> {
        let object = self.object_brought(pages, false)?;
        self.objects[object].shared_with_children = true;
        Ok(object)
    }

    /// A process has become a task whose map was there before: what it has to do for that.
    ///
    /// Source: spec [vm.inherit.5].
    pub fn task_arrived(&mut self, task: TaskId, cx: &mut VmCx<'_>) {
        let Some(by_fork) = self.tasks.get_mut(&task).and_then(|map| map.by_fork.take()) else { return };
        for range in &by_fork {
            let id = cx.pmap.inherit(task, range.start, range.end - range.start);
            self.orders.insert(id, Order::Map { task, range: range.clone() });
        }
        let kept = |at: u64| {
            let before = by_fork.partition_point(|range| range.start <= at);
            before > 0 && at < by_fork[before - 1].end
        };
        let map = &self.tasks[&task];
        let orders: Vec<_> = map.entries().filter(|e| !kept(e.start)).map(|e| e.order()).collect();
        for order in orders {
            let range = order.address..order.address + order.size;
            let id = cx.pmap.map(task, order);
            self.orders.insert(id, Order::Map { task, range });
        }
    }

    /// The addresses that the process of a task has to keep for its map, if that is there before the process.
    pub fn arena_awaited(&self, task: TaskId) -> Option<Range<u64>> {
        self.tasks.get(&task).filter(|map| map.by_fork.is_some()).map(Map::arena)
    }

    /// Whether others see what is written through an entry: tasks with the same pager, or those that got it from one another.
    pub(super) fn is_shared(&self, entry: &Entry) -> bool {
        let object = &self.objects[entry.object];
        let of = |mapping: Option<&(TaskId, u64)>| mapping.map(|(task, _)| *task);
        entry.shared && (!object.internal || of(object.mappings.first()) != of(object.mappings.last()))
    }

    /// Of the pages that an entry of an internal object showed, which is gone: those that no other task shows. Whoever got the
    /// memory from one of the others shows it at the same addresses.
    pub(super) fn unshown(&self, task: TaskId, entry: &Entry) -> Vec<Range<u64>> {
        let (id, pages) = (entry.object, entry.pages());
        let mut shown: Vec<Range<u64>> = Vec::new();
        let mut next = self.objects[id].mappings.first().copied();
        while let Some((other, _)) = next {
            let map = &self.tasks[&other];
            let starts = if other == task { Vec::new() } else { map.all_touched(entry.start..entry.end) };
            let entries = starts.iter().filter_map(|start| map.entry(*start));
            shown.extend(entries.filter(|e| e.object == id).map(Entry::pages));
            next = self.objects[id].mappings.range((TaskId(other.0 + 1), 0)..).next().copied();
        }
        shown.sort_unstable_by_key(|range| range.start);
        ranges::without(&pages, &shown)
    }
}
