//! Frozen memory, bytes, orders, and tasks that come and go.

use std::collections::BTreeSet;

use proto::{Inherit, KernReturn, PAGE_SIZE, Prot};

use super::super::super::{FreezeRequest, FrozenPart, ObjectId, OrderId, Run as Written};
use super::super::sim::{SimOrder, Touch};
use super::model::{Kind, Memory, Model, Shown, TaskMap, What};
use super::{FIRST, PAGES, Run, shown};
use crate::TaskId;

/// Tasks at a time.
const TASKS: usize = 4;

impl Run {
    pub(super) fn freeze(&mut self) {
        let (task, mut address, mut size) = (self.some_task(), self.some_address(), self.some_size());
        // Often all of some memory.
        let native = |(_, s): &(u64, Shown)| self.model.contents[&s.memory].kind == Kind::Native;
        let known = self.model.tasks.contains_key(&task);
        let pages = if known { self.pages_of(task, 0, u64::MAX - PAGE_SIZE) } else { Vec::new() };
        let pages: Vec<(u64, Shown)> = pages.into_iter().filter(native).collect();
        if !pages.is_empty() && self.dice.one_in(2) {
            let memory = self.pick(&pages).1.memory;
            let of_it: Vec<u64> = pages.iter().filter(|(_, s)| s.memory == memory).map(|(page, _)| *page).collect();
            let (first, last) = (of_it[0], of_it[of_it.len() - 1]);
            (address, size) = (first * PAGE_SIZE, (last + 1 - first) * PAGE_SIZE);
        }
        let objects_max = 1 + self.dice.below(4) as usize;
        let mut ranges = vec![(address, size)];
        while self.dice.one_in(3) {
            ranges.push((self.some_address(), self.some_size()));
        }
        self.last = format!("vm_freeze {task:?} {ranges:x?}, {objects_max} objects");
        let refusals = self.model.refuses_access(task, address, size, Prot::READ);
        let (mut expected, mut frozen) = (Vec::new(), BTreeSet::new());
        let mut objects_left = objects_max;
        for &(address, size) in &ranges {
            if !self.model.refuses_access(task, address, size, Prot::READ).is_empty() {
                break;
            }
            let (range, mut memories) = (Model::range(address, size).expect("not refused"), BTreeSet::new());
            let pages = self.pages_of(task, address, size);
            let fits = |(_, s): &&(u64, Shown)| memories.insert(s.memory) | true && memories.len() <= objects_left;
            let had: Vec<(u64, Shown)> = pages.iter().take_while(fits).copied().collect();
            let of: BTreeSet<Memory> = had.iter().map(|(_, s)| s.memory).collect();
            objects_left -= of.len();
            frozen.extend(of.into_iter().filter(|memory| self.model.can_freeze(task, *memory, &range)));
            expected.extend(&had);
            if had.len() < pages.len() {
                break;
            }
        }
        let wanted = FreezeRequest { ranges, access: Prot::READ, busy: false, objects_max };
        let got = self.call(|vm, cx| vm.vm_freeze(task, &wanted, cx));
        if !self.ended("vm_freeze", &got, &refusals) {
            return;
        }
        for memory in &frozen {
            self.model.contents.get_mut(memory).expect("it is shown").kind = Kind::Frozen;
        }
        let expected: Vec<(u64, Option<(ObjectId, u64)>)> = expected
            .into_iter()
            .map(|(page, s)| {
                let frozen = self.model.contents[&s.memory].kind == Kind::Frozen;
                (page, frozen.then(|| (self.ids[&s.memory], s.page)))
            })
            .collect();
        let parts = got.expect("it succeeded");
        let pages = parts.iter().flat_map(|part| {
            (0..part.size / PAGE_SIZE).map(|n| {
                let object = part.object.map(|(object, offset)| (object, offset / PAGE_SIZE + n));
                (part.address / PAGE_SIZE + n, object)
            })
        });
        assert_eq!(pages.collect::<Vec<_>>(), expected);
        let mut all: Vec<u64> = frozen.iter().flat_map(|m| self.model.showing(*m)).map(|(_, page)| page).collect();
        all.sort_unstable();
        let orders = if all.is_empty() { vec![] } else { vec![(What::Freeze, all)] };
        assert_eq!(self.ordered(), orders, "all of each memory, and nothing that is frozen already");
    }

    /// Memory of which the bytes are known: no order is under way there.
    fn settled(&self, task: TaskId, page: u64, shown: &Shown) -> bool {
        let content = &self.model.contents[&shown.memory];
        let known = matches!(content.kind, Kind::Native | Kind::Frozen) && !content.uneven;
        known && !self.model.is_ordered(task, &(page..page + 1))
    }

    /// A task moves some of its frozen memory, written or not, into a file of its own. Source: [vm.copy.3].
    pub(super) fn refreeze(&mut self) {
        let (task, stray) = (self.some_task(), self.some_address() / PAGE_SIZE);
        if !self.model.tasks.contains_key(&task) {
            return;
        }
        let is_frozen = |(_, s): &(u64, Shown)| self.model.contents[&s.memory].kind == Kind::Frozen;
        let all: Vec<(u64, Shown)> = self.pages_of(task, 0, u64::MAX - PAGE_SIZE);
        let frozen: Vec<u64> = all.iter().copied().filter(is_frozen).map(|(page, _)| page).collect();
        let settled = |page: &&u64| self.settled(task, **page, &self.model.tasks[&task].pages[*page]);
        let mut chosen: Vec<u64> = frozen.iter().filter(settled).copied().collect();
        chosen.retain(|_| self.dice.one_in(2));
        // Now and then a page that is not frozen.
        let good = frozen.contains(&stray) || !self.dice.one_in(5);
        if !good {
            chosen.push(stray);
            chosen.sort_unstable();
        }
        let map = &self.model.tasks[&task];
        let length = chosen.len() as u64 + 3;
        let object = self.vm.object_frozen(length).unwrap();
        let seen = |page: &u64| map.pages.get(page).map_or(0, |s| byte(&self.model, s));
        let bytes: Vec<u8> = chosen.iter().map(seen).collect();
        let memfd = bytes.iter().zip(3..).map(|(b, page)| (page, vec![*b; PAGE_SIZE as usize])).collect();
        self.sim.objects.insert(object, memfd);
        let run = |(page, offset): (&u64, u64)| Written {
            address: page * PAGE_SIZE,
            size: PAGE_SIZE,
            offset: offset * PAGE_SIZE,
        };
        let runs: Vec<Written> = chosen.iter().zip(3..).map(run).collect();
        self.last = format!("vm_replace {task:?} {runs:x?}");
        let refusals = if good { [].into() } else { [KernReturn::InvalidAddress].into() };
        let got = self.call(|vm, cx| {
            let got = vm.vm_replace(task, object, &runs, cx);
            vm.object_unused(object, cx);
            got
        });
        if !self.ended("vm_replace", &got, &refusals) || chosen.is_empty() {
            return;
        }
        let memory = self.model.memory(Kind::Frozen, length);
        self.ids.insert(memory, object);
        self.model.contents.get_mut(&memory).expect("new").bytes = (3..).zip(bytes).collect();
        let map = self.model.tasks.get_mut(&task).expect("it has these pages");
        for (page, offset) in chosen.into_iter().zip(3..) {
            let shown = map.pages.get_mut(&page).expect("mapped");
            (shown.memory, shown.page, shown.own) = (memory, offset, None);
            self.sim.remap(task, page * PAGE_SIZE, object, offset);
        }
        self.model.forget_unshown();
    }

    /// Some task has parts of frozen memory of any task mapped. Source: [vm.copy.5], [vm.pageout.15].
    pub(super) fn map_frozen(&mut self) {
        let (task, mut request) = (self.some_task(), self.some_request());
        let freezing = |memory: &Memory| {
            let ordered = |(task, page): &(TaskId, u64)| self.model.is_ordered(*task, &(*page..page + 1));
            self.model.showing(*memory).iter().any(ordered)
        };
        let of_kind = |(_, c): &(&Memory, &super::model::Content)| c.kind == Kind::Frozen;
        let known: Vec<Memory> = self.model.contents.iter().filter(of_kind).map(|(memory, _)| *memory).collect();
        let known: Vec<Memory> = known.into_iter().filter(|memory| !freezing(memory)).collect();
        let count = match known.is_empty() {
            true if !self.dice.one_in(10) => return,
            true => 0,
            false => 1 + self.dice.below(3),
        };
        let mut parts = Vec::new();
        for _ in 0..count {
            let memory = self.pick(&known);
            let showing = self.model.showing(memory);
            let below = self.model.contents.values().flat_map(|c| c.below.values()).filter(|(m, _)| *m == memory);
            let shown = showing.iter().map(|(t, p)| self.model.tasks[t].pages[p].page);
            let shown: Vec<u64> = shown.chain(below.map(|(_, page)| *page)).collect();
            parts.push((memory, self.pick(&shown), 1 + self.dice.below(2)));
        }
        let native = self.model.contents.iter().find(|(_, c)| c.kind == Kind::Native).map(|(memory, _)| *memory);
        let unfrozen = native.filter(|_| self.dice.one_in(8));
        parts.extend(unfrozen.map(|memory| (memory, 0, 1)));
        let part = |&(memory, page, pages): &(Memory, u64, u64)| FrozenPart {
            object: self.ids[&memory],
            offset: page * PAGE_SIZE,
            size: pages * PAGE_SIZE,
        };
        let asked: Vec<FrozenPart> = parts.iter().map(part).collect();
        let pages: u64 = parts.iter().map(|(.., pages)| pages).sum();
        request.size = pages * PAGE_SIZE;
        self.last = format!("vm_map_frozen {task:?} {asked:x?} {request:?}");
        let place = self.model.place(task, &request, None);
        let mut refusals = place.clone().err().unwrap_or_default();
        if unfrozen.is_some() {
            refusals.insert(KernReturn::InvalidArgument);
        }
        let got = self.call(|vm, cx| vm.vm_map_frozen(task, &asked, request, cx));
        if !self.ended("vm_map_frozen", &got, &refusals) {
            return;
        }
        let mut at = place.expect("not refused");
        assert_eq!(got.expect("it succeeded").address, at * PAGE_SIZE);
        assert_eq!(self.ordered(), [(What::Map, (at..at + pages).collect())]);
        if self.limit.is_some_and(|limit| self.model.native() > limit / 4) {
            let memory = self.model.memory(Kind::Paged, 0);
            let below = parts.iter().flat_map(|(memory, page, pages)| (*page..page + pages).map(|p| (*memory, p)));
            let content = self.model.contents.get_mut(&memory).expect("new");
            content.below = (0..).zip(below).collect();
            content.to_be_shared = request.inheritance == Inherit::Share;
            self.show(task, at, pages, Shown { memory, ..shown(&request) });
            return self.is_new_at(task, at, memory);
        }
        for (memory, page, pages) in parts {
            self.show(task, at, pages, Shown { memory, page, ..shown(&request) });
            at += pages;
        }
    }

    pub(super) fn ask_for_a_region(&mut self) {
        let (task, address) = (self.some_task(), self.some_address());
        self.last = format!("vm_region {task:?} {address:#x}");
        let at_or_above = |map: &TaskMap| map.pages.range(address / PAGE_SIZE..).next().map(|(page, _)| *page);
        let first = self.model.tasks.get(&task).map(at_or_above);
        let refusals = match first {
            None => [KernReturn::InvalidTask].into(),
            Some(None) => [KernReturn::NoSpace].into(),
            Some(Some(_)) => [].into(),
        };
        let got = self.vm.vm_region(task, address);
        if self.ended("vm_region", &got, &refusals) {
            let (region, page) = (got.expect("it succeeded"), first.flatten().expect("not refused"));
            assert!((region.address..region.address + region.size).contains(&(page * PAGE_SIZE)), "{region:x?}");
        }
    }

    pub(super) fn ask_what_is_permitted(&mut self) {
        let (task, address, size) = (self.some_task(), self.some_address(), self.some_size());
        let access = self.pick(&[Prot::READ, Prot::WRITE]);
        self.last = format!("permitted {task:?} {address:#x} {size:#x} {access:?}");
        let refusals = self.model.refuses_access(task, address, size, access);
        let got = self.vm.permitted(task, address, size, access);
        self.ended("permitted", &got, &refusals);
    }

    /// A thread reads or writes a byte. Source: [vm.copy.1].
    pub(super) fn touch(&mut self) {
        let task = self.some_task();
        let Some(map) = self.model.tasks.get(&task) else { return };
        let settled = map.pages.iter().filter(|(page, s)| self.settled(task, **page, s));
        let settled: Vec<(u64, Shown)> = settled.map(|(page, s)| (*page, *s)).collect();
        if settled.is_empty() {
            return;
        }
        let (page, shown) = self.pick(&settled);
        let write = self.dice.one_in(2).then(|| self.dice.below(256) as u8);
        self.last = format!("touch {task:?} page {page:#x} {write:?} of {shown:?}");
        let needed = if write.is_some() { Prot::WRITE } else { Prot::READ };
        let expected = match shown.protection.contains(needed) {
            true => Touch::Value(write.unwrap_or_else(|| byte(&self.model, &shown))),
            false => Touch::SegmentationFault,
        };
        assert_eq!(self.sim.touch(task, page * PAGE_SIZE, write), expected);
        let (Some(value), Touch::Value(_)) = (write, expected) else { return };
        let content = self.model.contents.get_mut(&shown.memory).expect("it is shown");
        match content.kind {
            Kind::Frozen => {
                let map = self.model.tasks.get_mut(&task).expect("it has the page");
                map.pages.get_mut(&page).expect("mapped").own = Some(value);
            }
            _ => drop(content.bytes.insert(shown.page, value)),
        }
    }

    /// A thread carries an order out, or cannot. Those of overlapping ranges are carried out as they were given.
    pub(super) fn carry_out(&mut self) {
        let known = |id: &OrderId| self.model.orders.get(id).cloned();
        let first = |n: &usize| {
            let Some(order) = known(&self.sim.orders[*n].0) else { return true };
            let before = self.sim.orders.range(..*n).filter_map(|(id, _)| known(id));
            !before
                .into_iter()
                .any(|o| o.task == order.task && o.pages.start < order.pages.end && order.pages.start < o.pages.end)
        };
        let ready: Vec<usize> = (0..self.sim.orders.len()).filter(first).collect();
        if ready.is_empty() {
            return;
        }
        let n = self.pick(&ready);
        let (id, order) = self.sim.orders.remove(n).expect("listed");
        let can_fail = !matches!(order, SimOrder::Protect(..) | SimOrder::Wire(.., false));
        let one_in = if matches!(order, SimOrder::Freeze(..)) { 3 } else { 12 };
        let done = !(can_fail && self.dice.one_in(one_in));
        self.last = format!("{order:x?} is {}", if done { "done" } else { "not done" });
        if done {
            self.sim.orders.push_front((id, order.clone()));
            self.sim.carry_out();
            if let SimOrder::Wire(task, address, size, wired) = order {
                let pages = (address..address + size).step_by(PAGE_SIZE as usize).map(|at| (task, at));
                match wired {
                    true => self.locked.extend(pages),
                    // It is not there if the order to lock it could not be carried out.
                    false => pages.for_each(|page| _ = self.locked.remove(&page)),
                }
            }
            if let SimOrder::Map(task, o) | SimOrder::Freeze(task, o, _) = order {
                self.locked.retain(|(t, at)| *t != task || !(o.address..o.address + o.size).contains(at));
            }
            if let SimOrder::Parts(task, parts) = &order {
                let mapped = |at: &u64| parts.iter().any(|o| (o.address..o.address + o.size).contains(at));
                self.locked.retain(|(t, at)| t != task || !mapped(at));
            }
            if let SimOrder::Unmap(task, address, size) = order {
                self.locked.retain(|(t, at)| *t != task || !(address..address + size).contains(at));
            }
        }
        self.answers.push((id, done));
    }

    /// The node hears of one; answers of different threads overtake each other.
    pub(super) fn answer(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let n = self.dice.below(self.answers.len() as u64) as usize;
        let (id, done) = self.answers.swap_remove(n);
        self.last = format!("answer {done} to {:x?}", self.model.orders.get(&id));
        let what = self.model.orders.get(&id).map(|o| o.what);
        *self.ends.entry(format!("order {what:?} {done}")).or_default() += 1;
        let result = if done { Ok(()) } else { Err(KernReturn::ResourceShortage) };
        self.call(|vm, cx| vm.order_done(id, result, cx));
        self.model.answered(id, done);
    }

    pub(super) fn come_or_go(&mut self) {
        match self.dice.below(4) {
            0 if self.model.tasks.len() > 1 && self.dice.one_in(2) => {
                let task = self.some_task();
                self.last = format!("{task:?} goes");
                self.sim.task_gone(task);
                self.call(|vm, cx| vm.task_gone(task, cx));
                self.answers.retain(|(id, _)| self.model.orders.get(id).is_some_and(|o| o.task != task));
                self.locked.retain(|(t, _)| *t != task);
                self.model.task_gone(task);
            }
            1 => {
                let objects = self.model.contents.iter_mut().filter(|(_, c)| matches!(c.kind, Kind::Object { .. }));
                let objects: Vec<Memory> = objects.map(|(memory, _)| *memory).collect();
                if !objects.is_empty() && self.dice.one_in(4) {
                    let memory = self.pick(&objects);
                    self.last = format!("the pager of {memory} dies");
                    let id = self.ids[&memory];
                    self.call(|vm, cx| vm.pager_died(id, cx));
                    self.model.contents.get_mut(&memory).expect("it is shown").kind = Kind::Object { dead: true };
                }
            }
            _ if self.model.tasks.len() < TASKS => self.come(),
            _ => {}
        }
    }

    pub(super) fn come(&mut self) {
        self.tasks += 1;
        let (task, arena) = (TaskId(self.tasks), FIRST..FIRST + PAGES);
        self.last = format!("{task:?} comes");
        let bytes = arena.start * PAGE_SIZE..arena.end * PAGE_SIZE;
        let odd = bytes.start + 1..bytes.end;
        assert_eq!(self.vm.task_create(task, odd), Err(KernReturn::InvalidArgument));
        self.vm.task_create(task, bytes.clone()).unwrap();
        assert_eq!(self.vm.task_create(task, bytes), Err(KernReturn::NameExists));
        self.model.tasks.insert(task, TaskMap::new(arena));
    }

    /// Everything that is under way comes to its end.
    pub(super) fn drain(&mut self) {
        while !self.model.orders.is_empty() {
            self.carry_out();
            self.answer();
            self.ordered();
            self.compare();
        }
    }
}

/// The first byte that a task sees at a page.
fn byte(model: &Model, shown: &Shown) -> u8 {
    shown.own.or_else(|| model.contents[&shown.memory].bytes.get(&shown.page).copied()).unwrap_or(0)
}
