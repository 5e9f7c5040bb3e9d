//! What an operator can see: counters and the state of objects and tasks.

use std::ops::Range;

use proto::{KernReturn, PAGE_SIZE, Prot};

use super::event::FaultClass;
use super::object::Object;
use super::{ObjectId, Region, Vm};
use crate::TaskId;

/// Counts since the node started. All only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Faults that ended, by [`FaultClass`] (index by `class as usize`).
    pub faults: [u64; FaultClass::ALL.len()],
    /// Pages that pagers supplied, without zero pages.
    pub pages_in: u64,
    /// Pages that pagers declared zero.
    pub pages_zero: u64,
    /// Pages returned to pagers.
    pub pages_out: u64,
    /// Mappings of objects that tasks asked for.
    pub lookups: u64,
    /// Of these, mappings of objects that were here already.
    pub hits: u64,
    /// data_request calls for a waiting thread.
    pub requests: u64,
    /// data_request calls of read-ahead.
    pub read_ahead_requests: u64,
    /// Pages asked for by read-ahead.
    pub read_ahead_pages: u64,
    /// Of these, pages that a reader came to.
    pub read_ahead_hits: u64,
    /// Of these, pages that were given up, or whose stream ended, before a reader came.
    pub read_ahead_wasted: u64,
    /// data_unlock calls.
    pub unlocks: u64,
    /// lock_request calls carried out.
    pub lock_requests: u64,
    /// Supplied pages that were not taken because they were present.
    pub supplies_ignored: u64,
    /// Calls of pagers that made no sense and were ignored.
    pub bad_calls: u64,
    /// Pages that a task made present behind the node's back and that were thrown away.
    pub stray_pages: u64,
    /// Threads that got an error because their pager did not answer in time.
    pub timeouts: u64,
    /// Faults served from pages that would have left the next time that page-out came by.
    pub reactivations: u64,
    /// Faults served from a page that came up out of what its object shadows.
    pub cow_faults: u64,
    /// Pages that left because there was too much in memory.
    pub pages_evicted: u64,
    /// Pages that threads did not get because there was no room for them and nothing could leave.
    pub memory_refused: u64,
}

impl Counters {
    /// Faults of one class.
    pub fn faults_of(&self, class: FaultClass) -> u64 {
        self.faults[class as usize]
    }
}

/// The counters of `vm_statistics`; in pages, but for `reactivations`, `faults`, `lookups` and
/// `hits`. Those of Mach's that are not here
/// are always 0. Source: spec [vm.statistics.1].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Of the machine: pages that nobody uses.
    pub free: u64,
    /// Pages of objects that are here, and that page-out would spare.
    pub active: u64,
    /// The others of them.
    pub inactive: u64,
    /// Faults served from the others.
    pub reactivations: u64,
    /// Pages in wired entries.
    pub wired: u64,
    /// Pages that pagers declared zero.
    pub zero_fill: u64,
    /// Faults served with a copy of a page of frozen memory. What Linux copies by itself it does not tell.
    pub cow_faults: u64,
    /// Pages that pagers supplied.
    pub pageins: u64,
    /// Pages returned to pagers.
    pub pageouts: u64,
    /// Faults that ended.
    pub faults: u64,
    /// Mappings of objects that tasks asked for.
    pub lookups: u64,
    /// Of these, mappings of objects that were here already.
    pub hits: u64,
}

/// How an object is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectStat {
    /// Which.
    pub object: ObjectId,
    /// "new", "initing", "ready", "terminating", "dead", or "internal" for memory without a pager.
    pub state: &'static str,
    /// Pages here.
    pub resident_pages: u64,
    /// Of these, pages that may have been written since their pager last saw them.
    pub dirty_pages: u64,
    /// Pages asked for and not answered.
    pub requested_pages: u64,
    /// Entries of maps that show the object.
    pub mappings: u32,
    /// Threads that wait for a page of it.
    pub waiters: u32,
    /// Pages supplied.
    pub pages_in: u64,
    /// Pages returned.
    pub pages_out: u64,
}

/// How a task's memory is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskStat {
    /// Which.
    pub task: TaskId,
    /// Bytes mapped.
    pub mapped_bytes: u64,
    /// Faults that ended.
    pub faults: u64,
    /// Threads that wait.
    pub waiters: u32,
    /// The entries of its map, by address.
    pub regions: Vec<Region>,
}

/// A region, and what an operator wants to know of it beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionStat {
    /// As `vm_region` shows it.
    pub region: Region,
    /// The access for which it is wired.
    pub wired: Prot,
    /// The object whose memory it shows, be it one that a pager knows or not.
    pub memory: ObjectId,
    /// Where in that memory.
    pub offset: u64,
    /// What is here of it stands in the tables; else only the memory itself knows.
    pub managed: bool,
    /// Entries of maps that show the same object.
    pub mappings: u32,
}

impl Vm {
    /// The regions of a task, from the one at `address` or above on.
    ///
    /// Errors: `InvalidTask`.
    pub fn region_stats(
        &self,
        task: TaskId,
        address: u64,
    ) -> Result<impl Iterator<Item = RegionStat> + '_, KernReturn> {
        let entries = self.map_of(task)?.entries().skip_while(move |e| e.end <= address);
        Ok(entries.map(|e| RegionStat {
            region: self.region(e),
            wired: e.wired,
            memory: e.object,
            offset: e.offset,
            managed: e.managed,
            mappings: self.objects[e.object].mappings.len() as u32,
        }))
    }

    /// The pages of an object that are here, within a range of its pages, and whether each is dirty. None if the object is
    /// unknown.
    pub fn resident(&self, object: ObjectId, pages: Range<u64>) -> impl Iterator<Item = (u64, bool)> + '_ {
        let present = self.objects.get(object).into_iter().flat_map(move |o| o.pages.present(pages.clone()));
        present.filter_map(|(page, state)| Some((page, state.resident()?.dirty)))
    }

    /// The pages of anonymous memory, within a range of an object's, that only its default pager has.
    pub fn paged_out(&self, object: ObjectId, pages: Range<u64>) -> impl Iterator<Item = u64> + '_ {
        let object = self.objects.get(object).into_iter();
        object.flat_map(move |o| o.stored.within(pages.clone()).filter(|page| o.pages.get(*page).resident().is_none()))
    }

    /// Whether an object's memory is Linux's alone.
    pub fn is_native(&self, object: ObjectId) -> bool {
        self.objects.get(object).is_some_and(super::object::Object::is_native)
    }

    /// What an object shadows, within a range of its pages: which of them, which object, from which page of that on. It may have
    /// pages of its own in front.
    pub fn shadowed(&self, object: ObjectId, pages: Range<u64>) -> Vec<(Range<u64>, ObjectId, u64)> {
        self.objects.get(object).map_or_else(Vec::new, |o| o.shadow.within(pages))
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What `vm_statistics` tells of the node.
    ///
    /// Units: `free` is what the machine says, in pages.
    pub fn statistics(&self, free: u64) -> Statistics {
        let c = &self.counters;
        Statistics {
            free,
            active: self.objects.values().map(|o| o.pages.counts().resident - o.pages.counts().inactive).sum(),
            inactive: self.objects.values().map(|o| o.pages.counts().inactive).sum(),
            reactivations: c.reactivations,
            wired: self.tasks.values().map(|map| map.wired_bytes() / PAGE_SIZE).sum(),
            zero_fill: c.pages_zero,
            cow_faults: c.cow_faults,
            pageins: c.pages_in,
            pageouts: c.pages_out,
            faults: c.faults.iter().sum(),
            lookups: c.lookups,
            hits: c.hits,
        }
    }

    /// Pages that count against the limit: resident ones of all objects, and those that native memory may take.
    pub fn pages(&self) -> (u64, u64) {
        (self.page_out.resident, self.page_out.native)
    }

    /// The limit that these count against; 0 is none. Units: bytes.
    pub fn memory_limit(&self) -> u64 {
        self.config.memory_limit_bytes
    }

    /// How every object is doing, in the order of their ids.
    pub fn object_stats(&self) -> Vec<ObjectStat> {
        self.objects.iter().map(|(id, o)| stat(id, o)).collect()
    }

    /// How one object is doing.
    pub fn object_stat(&self, object: ObjectId) -> Option<ObjectStat> {
        self.objects.get(object).map(|o| stat(object, o))
    }

    /// How every task's memory is doing, in the order of their ids.
    pub fn task_stats(&self) -> Vec<TaskStat> {
        let stat = |(task, map): (&TaskId, &super::map::Map)| TaskStat {
            task: *task,
            mapped_bytes: map.mapped_bytes(),
            faults: map.faults,
            waiters: map.waiters,
            regions: map.entries().map(|e| self.region(e)).collect(),
        };
        self.tasks.iter().map(stat).collect()
    }
}

fn stat(id: ObjectId, o: &Object) -> ObjectStat {
    let counts = o.pages.counts();
    ObjectStat {
        object: id,
        state: if o.internal { "internal" } else { o.state.label() },
        resident_pages: counts.resident,
        dirty_pages: counts.dirty,
        requested_pages: counts.requested + counts.requested_ahead,
        mappings: o.mappings.len() as u32,
        waiters: o.waits.values().map(|w| w.waiters.len() as u32).sum(),
        pages_in: o.pages_in,
        pages_out: o.pages_out,
    }
}
