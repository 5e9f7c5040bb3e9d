//! What a program does to its memory behind the node's back, by munmap(2), mremap(2) and madvise(2).
//!
//! Of managed memory Linux tells when it was unmapped or moved. What is unmapped leaves the map as if it had been
//! deallocated; so does what is moved, and where it is now nothing can be written. What madvise(2) took out of a page table
//! is a minor fault again; what it took out of an object is found at the next fault. Of memory without a pager Linux tells
//! nothing: its task finds that out when an order or a copy comes to it.
//!
//! Spec: docs/spec/vm.md, *What the program does itself*.

use std::ops::Range;

use proto::{PAGE_SIZE, ranges};

use super::page::{Page, Resident};
use super::user::range_of;
use super::{ObjectId, Vm, VmCx};
use crate::TaskId;

impl Vm {
    /// The task has unmapped a range itself.
    ///
    /// Conditions: whatever is managed there leaves the map; the rest stays. The task is ordered to keep the addresses, which
    /// are given out again when it does. Where an entry would have to be cut and the map is full, all of it goes.
    /// Source: spec [vm.behind.1].
    pub fn range_unmapped(&mut self, task: TaskId, address: u64, size: u64, cx: &mut VmCx<'_>) {
        for range in self.remove_managed(task, address, size, cx) {
            self.order_unmap(task, range, cx);
        }
    }

    /// The task has moved a range itself, and can still touch what came along.
    ///
    /// Conditions: write access to it is gone when this returns. A write there cannot be answered ([`super::VmEvent::Unruly`]), and a
    /// page that is not there never comes. The rest is as if it had been unmapped.
    /// Source: spec [vm.behind.2].
    pub fn range_moved(&mut self, task: TaskId, from: u64, to: u64, size: u64, cx: &mut VmCx<'_>) {
        // A second mapping (size 0) has no page, and is given none.
        let (Some(map), Ok(range)) = (self.tasks.get(&task), range_of(from, size)) else { return };
        if size == 0 {
            return;
        }
        let entries = map.touched(range);
        // What is moved a second time is in no entry, and may not have been protected yet where it was first moved to.
        let private = |start: &u64| map.entry(*start).is_some_and(|e| !e.shared);
        if entries.is_empty() || !entries.iter().all(private) {
            // Before anything is read out of the object.
            cx.pmap.protect(task, to, size);
        }
        self.range_unmapped(task, from, size, cx);
    }

    /// Takes the managed entries of a range, which their task does not map there any more, out of its map.
    fn remove_managed(&mut self, task: TaskId, address: u64, size: u64, cx: &mut VmCx<'_>) -> Vec<Range<u64>> {
        let Ok(mut range) = range_of(address, size) else { return Vec::new() };
        let Some(map) = self.tasks.get(&task) else { return Vec::new() };
        if map.touched(range.clone()).is_empty() {
            return Vec::new();
        }
        if self.clip(task, range.clone()).is_err() {
            let map = &self.tasks[&task];
            let ends = |at: u64| map.lookup(at).map(|e| (e.start, e.end));
            let (start, end) = (ends(range.start), ends(range.end - 1));
            range = start.map_or(range.start, |(start, _)| start)..end.map_or(range.end, |(_, end)| end);
        }
        let map = &self.tasks[&task];
        let managed = map.touched(range).into_iter().filter_map(|start| map.entry(start).filter(|e| e.managed));
        let mut runs: Vec<Range<u64>> = Vec::new();
        managed.for_each(|entry| ranges::join(&mut runs, entry.start..entry.end));
        // Nothing is there any more that could be protected.
        let mut removed = Vec::new();
        for run in runs {
            let starts = self.tasks[&task].touched(run);
            removed.extend(self.remove_entries(task, starts, false, cx));
        }
        removed
    }

    /// A task has taken a resident page out of its object. Of one that was written to since its pager had it, and of anonymous
    /// memory, that was a write of zeroes; any other is absent. What it is then; `None` if memory is short.
    ///
    /// Source: spec [vm.behind.4].
    pub(super) fn page_vanished(&mut self, id: ObjectId, page: u64, was: Resident, cx: &mut VmCx<'_>) -> Option<Page> {
        self.counters.stray_pages += 1;
        let object = &self.objects[id];
        if !was.dirty && !object.internal {
            self.evict(id, &[(page, was)], cx);
            return Some(Page::Absent);
        }
        if self.is_guarded(id, was) {
            self.lose_above(id, page);
        }
        cx.pmap.zero(id, page * PAGE_SIZE, PAGE_SIZE).ok()?;
        let now = Page::Resident(Resident { dirty: true, ..was });
        self.objects[id].pages.set(page, now);
        Some(now)
    }
}
