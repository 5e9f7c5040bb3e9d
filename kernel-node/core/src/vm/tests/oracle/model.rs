//! A naive map: for each page of each task what it shows, and nothing else. Written from docs/spec/vm.md and mach-api §2, not
//! from the code.
//!
//! All addresses are numbers of pages, unless they say bytes. A call that has to be refused is refused for one of several
//! reasons at once; which of them the caller hears is nobody's rule.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use proto::vm::LARGE_PAGE_SIZE;
use proto::{Inherit, KernReturn, PAGE_SIZE, Prot};

use crate::TaskId;
use crate::vm::{MapRequest, OrderId};

/// The number of a memory: what pages show. Never used again.
pub type Memory = usize;

/// Why a call has to be refused; empty if it has to succeed.
pub type Refusals = HashSet<KernReturn>;

/// What a task has at one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    pub memory: Memory,
    /// Where in it.
    pub page: u64,
    pub protection: Prot,
    pub maximum: Prot,
    pub inheritance: Inherit,
    /// For what access; none if it is not wired.
    pub wired: Prot,
    /// The order by which the task learned that, or the opposite, last.
    pub wired_by: Option<OrderId>,
    /// What is written here is written to the memory, for all who show it.
    pub shared: bool,
    /// The first byte, if the task wrote to its own copy of frozen memory.
    pub own: Option<u8>,
}

/// What a memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An object of a pager.
    Object { dead: bool },
    /// Of `vm_allocate`, Linux's alone.
    Native,
    /// Of `vm_allocate`, with the default pager.
    Paged,
    /// Sealed: whoever writes has a copy.
    Frozen,
}

/// A memory that somebody shows.
#[derive(Debug)]
pub struct Content {
    pub kind: Kind,
    /// Pages that it may come to take without any pager.
    pub native: u64,
    /// A child may share it, or has been to.
    pub to_be_shared: bool,
    /// A part of it could not be frozen, so that Linux maps the rest privately, and nobody can tell how much of it.
    pub uneven: bool,
    /// The first byte of its pages, where that is not zero.
    pub bytes: BTreeMap<u64, u8>,
    /// What it shadows, page by page.
    pub below: BTreeMap<u64, (Memory, u64)>,
}

/// The map of a task.
#[derive(Debug)]
pub struct TaskMap {
    pub arena: Range<u64>,
    pub pages: BTreeMap<u64, Shown>,
    /// Addresses that are not given out, and whether the task has unmapped them.
    pub leaving: Vec<(Range<u64>, bool)>,
}

/// An order that its task has not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ordered {
    pub task: TaskId,
    pub pages: Range<u64>,
    pub what: What,
}

/// What a task is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Map,
    Unmap,
    Protect,
    Freeze,
    Wire(bool),
}

/// The maps of a node.
#[derive(Default, Debug)]
pub struct Model {
    pub tasks: BTreeMap<TaskId, TaskMap>,
    pub contents: BTreeMap<Memory, Content>,
    pub orders: BTreeMap<OrderId, Ordered>,
    pub memories: Memory,
}

impl TaskMap {
    pub fn new(arena: Range<u64>) -> TaskMap {
        TaskMap { arena, pages: BTreeMap::new(), leaving: Vec::new() }
    }

    fn is_free(&self, page: u64) -> bool {
        !self.pages.contains_key(&page) && !self.leaving.iter().any(|(range, _)| range.contains(&page))
    }

    /// Where so many pages go, or why they do not. Source: [vm.map.3], [vm.map.11].
    pub fn place(&self, r: &MapRequest, pages: u64) -> Result<u64, Refusals> {
        let fits = |at: u64| at >= self.arena.start && at + pages <= self.arena.end;
        let first = r.address / PAGE_SIZE;
        let free = |at: u64| fits(at) && (at..at + pages).all(|page| self.is_free(page));
        let allowed = |at: u64, mask: u64| (at * PAGE_SIZE) & mask & !(PAGE_SIZE - 1) == 0;
        if pages > self.arena.end {
            // No address space has so much.
            return Err([KernReturn::NoSpace, KernReturn::InvalidAddress].into());
        }
        if !r.anywhere {
            let mut why = Refusals::new();
            if !allowed(first, r.mask) || fits(first) && !free(first) {
                why.insert(KernReturn::NoSpace);
            }
            if !fits(first) {
                // Also where a part of it is taken.
                why.extend([KernReturn::InvalidAddress]);
            }
            return if why.is_empty() { Ok(first) } else { Err(why) };
        }
        let search = |mask: u64| (first..self.arena.end).find(|at| allowed(*at, mask) && free(*at));
        let large = r.object.is_none() && r.mask == 0 && pages * PAGE_SIZE >= LARGE_PAGE_SIZE;
        let on_border = if large { search(LARGE_PAGE_SIZE - 1) } else { None };
        on_border.or_else(|| search(r.mask)).ok_or([KernReturn::NoSpace].into())
    }
}

impl Model {
    /// The pages that have a byte of a range. Source: [vm.range.1].
    pub fn range(address: u64, size: u64) -> Option<Range<u64>> {
        let first = address / PAGE_SIZE;
        if size == 0 {
            return Some(first..first);
        }
        let end = address.checked_add(size)?;
        Some(first..end.div_ceil(PAGE_SIZE)).filter(|r| r.end.checked_mul(PAGE_SIZE).is_some())
    }

    /// The mapped pages of a range.
    pub fn mapped(&self, task: TaskId, range: &Range<u64>) -> Vec<u64> {
        self.tasks[&task].pages.range(range.clone()).map(|(page, _)| *page).collect()
    }

    /// What any call on a range is refused for.
    pub fn refuses_range(&self, task: TaskId, address: u64, size: u64) -> Refusals {
        let mut why = Refusals::new();
        if !self.tasks.contains_key(&task) {
            why.insert(KernReturn::InvalidTask);
        }
        if Model::range(address, size).is_none() {
            why.insert(KernReturn::InvalidArgument);
        }
        why
    }

    /// What a call is refused for that needs `access` to all of a range. Source: [vm.copy.2], [vm.read.1], [vm.write.1].
    pub fn refuses_access(&self, task: TaskId, address: u64, size: u64, access: Prot) -> Refusals {
        let mut why = self.refuses_range(task, address, size);
        if !why.is_empty() {
            return why;
        }
        let range = Model::range(address, size).expect("it does not wrap");
        let mapped = self.mapped(task, &range);
        if mapped.len() as u64 != range.end - range.start {
            why.insert(KernReturn::InvalidAddress);
        }
        if mapped.iter().any(|page| !self.tasks[&task].pages[page].protection.contains(access)) {
            why.insert(KernReturn::ProtectionFailure);
        }
        why
    }

    /// Where `vm_map` maps, or why it does not; `object` is the memory, if there is one. Source: [vm.map.2], [vm.map.3].
    pub fn place(&self, task: TaskId, r: &MapRequest, object: Option<Memory>) -> Result<u64, Refusals> {
        let mut why = Refusals::new();
        let pages = r.size.div_ceil(PAGE_SIZE);
        let mut refuse = |holds: bool, code| if holds { why.insert(code) } else { false };
        refuse(r.size == 0, KernReturn::InvalidArgument);
        refuse(!Prot::all().contains(r.protection | r.max_protection), KernReturn::InvalidArgument);
        refuse(!r.max_protection.contains(r.protection), KernReturn::InvalidArgument);
        let wraps = r.address.checked_add(r.size).is_none_or(|end| end > u64::MAX - PAGE_SIZE + 1);
        refuse(!r.anywhere && wraps, KernReturn::InvalidArgument);
        if let Some(memory) = object {
            refuse(!r.offset.is_multiple_of(PAGE_SIZE), KernReturn::InvalidArgument);
            let end = r.offset.checked_add(r.size).filter(|end| *end <= proto::limits::OBJECT_BYTES_MAX);
            refuse(end.is_none(), KernReturn::InvalidArgument);
            let dead = self.contents.get(&memory).is_some_and(|c| c.kind == Kind::Object { dead: true });
            refuse(dead, KernReturn::InvalidArgument);
        }
        let Some(map) = self.tasks.get(&task) else {
            why.insert(KernReturn::InvalidTask);
            return Err(why);
        };
        match map.place(r, pages) {
            Ok(at) if why.is_empty() => Ok(at),
            Ok(_) => Err(why),
            Err(more) => Err(&why | &more),
        }
    }

    /// A memory that nobody shows yet.
    pub fn memory(&mut self, kind: Kind, native: u64) -> Memory {
        self.memories += 1;
        let (bytes, below) = (BTreeMap::new(), BTreeMap::new());
        let content = Content { kind, native, to_be_shared: false, uneven: false, bytes, below };
        self.contents.insert(self.memories, content);
        self.memories
    }

    /// Pages that may be taken without any pager. Source: docs/spec/vm.md, *Page-out*.
    pub fn native(&self) -> u64 {
        self.contents.values().map(|c| c.native).sum()
    }

    /// All pages that show a memory.
    pub fn showing(&self, memory: Memory) -> Vec<(TaskId, u64)> {
        let of = |(task, map): (&TaskId, &TaskMap)| {
            let shows = map.pages.iter().filter(|(_, s)| s.memory == memory);
            shows.map(|(page, _)| (*task, *page)).collect::<Vec<_>>()
        };
        self.tasks.iter().flat_map(of).collect()
    }

    /// The task no longer shows these pages, and memory that nobody shows is gone.
    pub fn remove(&mut self, task: TaskId, pages: &[u64]) {
        for page in pages {
            let shown = self.tasks.get_mut(&task).and_then(|map| map.pages.remove(page)).expect("it is mapped");
            let content = self.contents.get_mut(&shown.memory).expect("somebody shows it");
            if content.kind == Kind::Native {
                content.native -= 1;
                content.bytes.remove(&shown.page);
            }
            // No call here makes a second mapping of it.
            content.below.remove(&shown.page);
        }
        self.forget_unshown();
    }

    /// Memory that nobody shows is gone.
    pub fn forget_unshown(&mut self) {
        let mut shown: BTreeSet<Memory> =
            self.tasks.values().flat_map(|m| m.pages.values()).map(|s| s.memory).collect();
        let shadowed = |memory| self.contents.get(memory).into_iter().flat_map(|c| c.below.values());
        shown.extend(shown.iter().flat_map(shadowed).map(|(memory, _)| *memory).collect::<Vec<_>>());
        self.contents.retain(|memory, _| shown.contains(memory));
    }

    /// A task is gone, with its map and its orders. Source: [vm.map.10].
    pub fn task_gone(&mut self, task: TaskId) {
        if let Some(map) = self.tasks.get(&task) {
            let pages: Vec<u64> = map.pages.keys().copied().collect();
            self.remove(task, &pages);
        }
        self.tasks.remove(&task);
        self.orders.retain(|_, order| order.task != task);
    }

    /// Whether the memory becomes frozen when a range of a task is. Source: [vm.copy.2], [vm.inherit.4], [vm.wire.6].
    pub fn can_freeze(&self, task: TaskId, memory: Memory, range: &Range<u64>) -> bool {
        let showing = self.showing(memory);
        let inside = showing.iter().filter(|(_, page)| range.contains(page)).count();
        let wired = showing.iter().any(|(task, page)| !self.tasks[task].pages[page].wired.is_empty());
        let ordered = showing.iter().any(|(task, page)| self.is_ordered(*task, &(*page..page + 1)));
        let content = &self.contents[&memory];
        let own = showing.iter().all(|(of, _)| *of == task);
        let never = content.to_be_shared || content.uneven;
        content.kind == Kind::Native && own && !never && !wired && !ordered && 4 * inside >= showing.len()
    }

    /// Whether the task has still to do something in a range.
    pub fn is_ordered(&self, task: TaskId, range: &Range<u64>) -> bool {
        let reaches = |o: &Ordered| o.task == task && o.pages.start < range.end && range.start < o.pages.end;
        self.orders.values().any(reaches)
    }

    /// A task has answered an order. Source: [vm.order.1], [vm.order.2], [vm.copy.6], [vm.wire.5].
    pub fn answered(&mut self, id: OrderId, done: bool) {
        let Some(order) = self.orders.remove(&id) else { return };
        let (task, pages) = (order.task, order.pages.clone());
        match (order.what, done) {
            (What::Unmap, true) => {
                let leaving = &mut self.tasks.get_mut(&task).expect("it has orders").leaving;
                leaving.iter_mut().filter(|(range, _)| *range == pages).for_each(|(_, unmapped)| *unmapped = true);
            }
            (What::Map, false) => {
                let gone = self.mapped(task, &pages);
                self.remove(task, &gone);
                let leaving = &mut self.tasks.get_mut(&task).expect("it has orders").leaving;
                leaving.extend(runs(&gone).into_iter().map(|run| (run, true)));
            }
            (What::Freeze, false) => self.freeze_failed(task, &pages),
            (What::Wire(true), false) => {
                let map = self.tasks.get_mut(&task).expect("it has orders");
                let shown = map.pages.range_mut(pages).map(|(_, shown)| shown);
                shown.filter(|s| s.wired_by == Some(id)).for_each(|s| s.wired = Prot::empty());
            }
            _ => {}
        }
        let map = self.tasks.get_mut(&task).expect("it has orders");
        let leaving = std::mem::take(&mut map.leaving);
        let kept = leaving.into_iter().filter(|(range, unmapped)| !unmapped || self.is_ordered(task, range)).collect();
        self.tasks.get_mut(&task).expect("it has orders").leaving = kept;
    }

    fn freeze_failed(&mut self, task: TaskId, pages: &Range<u64>) {
        let map = &self.tasks[&task];
        let memories: BTreeSet<Memory> = map.pages.range(pages.clone()).map(|(_, shown)| shown.memory).collect();
        let below = self.contents.values().flat_map(|c| c.below.values());
        let shadowed: BTreeSet<Memory> = below.map(|(memory, _)| *memory).collect();
        for memory in memories {
            let showing = self.showing(memory);
            let content = self.contents.get_mut(&memory).expect("somebody shows it");
            if content.kind == Kind::Frozen && !shadowed.contains(&memory) && showing.iter().all(|(of, _)| *of == task)
            {
                content.kind = Kind::Native;
                content.uneven |= showing.iter().any(|(_, page)| !pages.contains(page));
            }
        }
    }
}

/// Pages as ranges, each as long as can be.
pub fn runs(pages: &[u64]) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for page in pages {
        match out.last_mut() {
            Some(run) if run.end == *page => run.end += 1,
            _ => out.push(*page..page + 1),
        }
    }
    out
}
