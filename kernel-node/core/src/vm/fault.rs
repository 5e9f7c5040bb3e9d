//! Faults: what a thread that touched a page gets, now or when its pager has answered.
//!
//! What the table says decides, not what Linux saw: the event may be old, and a task can make zero pages in an object
//! behind the node's back. Outcomes of a fault on a page of an entry that permits the access:
//!
//! (2A) resident, lock permits: map it, and present pages around it; done. (2B) resident, lock forbids: `data_unlock`,
//! once for each increase; wait. (2C) not asked for: `data_request`, first the page alone, then read-ahead; wait.
//! (2D) asked for: wait. (2E) the object is not ready: wait. (2F) the object is dead: error. (2G) nobody has it, for it is
//! anonymous memory that was never written: a zero page, or one of what is shadowed there; done.

use std::ops::Range;

use proto::limits::{FAULT_AROUND_BYTES, OBJECT_AHEAD_PAGES_MAX};
use proto::vm::trunc_page;
use proto::{KernReturn, PAGE_SIZE, Prot, TraceId};

use super::entry::View;
use super::event::{FaultClass, ToPager, VmEvent};
use super::object::{AheadRun, Object, ObjectState};
use super::page::{Page, Resident, runs};
use super::readahead::Window;
use super::wait::Waiter;
use super::{Fault, FaultKind, FaultOutcome, ObjectId, Vm, VmCx};
use crate::{TaskId, Time};

impl Vm {
    /// Answers a fault: wakes the thread with its page, or an error, or has it wait for one of the two.
    ///
    /// Conditions: whatever the fault says, the thread is woken in the end: at the latest when `fault_deadline_ns` have
    /// passed, or when its task has carried out the order under way for the address.
    /// Source: spec [vm.fault.1] to [vm.fault.15]; mach-api §3.5 rules 1, 2 and 8; uffd-rules 5 to 8.
    #[doc(alias = "vm_fault")]
    pub fn fault(&mut self, fault: Fault, cx: &mut VmCx<'_>) -> FaultOutcome {
        let outcome = self.fault_served(fault, cx);
        self.page_out(Some(fault.task), cx);
        outcome
    }

    fn fault_served(&mut self, fault: Fault, cx: &mut VmCx<'_>) -> FaultOutcome {
        let address = trunc_page(fault.address);
        let Some(entry) = self.tasks.get(&fault.task).and_then(|m| m.lookup(address)) else {
            return self.fault_outside(&fault, address, cx);
        };
        if !entry.managed {
            // Its task protects it while it gathers what was written; the task itself lifts that and wakes its threads.
            if fault.kind == FaultKind::WriteProtect && !entry.shared {
                return self.count(fault.task, FaultClass::Refused);
            }
            return self.fault_failed(fault.task, address, cx);
        }
        let write = fault.write && entry.shared;
        if entry.protection.is_empty() || (write && !entry.protection.contains(Prot::WRITE)) {
            self.refuse_write(refused(&fault, address, cx.now), cx);
            return FaultOutcome::Waiting;
        }
        let (id, start, view) = (entry.object, entry.start, entry.view(fault.task));
        let page = view.page_at(address);
        let mut state = self.objects[id].pages.get(page);
        if let Page::Resident(was) = state
            // Before it becomes a written page it counts whether it is there.
            && (fault.kind == FaultKind::Missing || write && !was.dirty)
            && !cx.pmap.is_present(id, page * PAGE_SIZE)
        {
            match self.page_vanished(id, page, was, cx) {
                Some(now) => state = now,
                None => return self.fault_failed(fault.task, address, cx),
            }
        }
        if let Page::Resident(guarded) = state
            && write
            && self.is_guarded(id, guarded)
        {
            self.unguard(id, page, cx);
            state = self.objects[id].pages.get(page);
        }
        match state {
            Page::Resident(r) if r.lock.permits(write) => {
                let covered = self.resolve(id, page, r, &view, &fault, write, cx);
                self.read_ahead(id, start, page, covered, &fault, cx);
                self.count(fault.task, if r.ahead { FaultClass::ReadAhead } else { FaultClass::Minor })
            }
            Page::Resident(_) => match self.wait(id, page, &fault, write, cx.now) {
                Ok(()) => {
                    self.ask_unlock(id, page, cx);
                    FaultOutcome::Waiting
                }
                Err(_) => self.fault_failed(fault.task, address, cx),
            },
            Page::Absent | Page::Requested { .. } => self.fault_absent(id, &view, page, &fault, write, cx),
        }
    }

    /// (2C) to (2F): the page is not here.
    fn fault_absent(
        &mut self,
        id: ObjectId,
        view: &View,
        page: u64,
        fault: &Fault,
        write: bool,
        cx: &mut VmCx<'_>,
    ) -> FaultOutcome {
        if fault.kind == FaultKind::Minor {
            self.counters.stray_pages += 1;
            cx.pmap.discard(id, page * PAGE_SIZE, PAGE_SIZE);
        }
        if let Some(done) = self.fault_untouched(id, view, page, fault, write, cx) {
            return done;
        }
        let waiting = match self.objects[id].state {
            ObjectState::Ready | ObjectState::Initing => self.wait(id, page, fault, write, cx.now),
            _ => Err(KernReturn::MemoryError),
        };
        if waiting.is_err() {
            return self.fault_failed(fault.task, trunc_page(fault.address), cx);
        }
        self.ask(id, page, cx);
        self.read_ahead(id, view.start, page, page..page + 1, fault, cx);
        FaultOutcome::Waiting
    }

    /// The address belongs to no entry. A range that is being unmapped wakes its threads when it is; otherwise a missing
    /// page gets an error, and a write to one that is there is refused by an order.
    fn fault_outside(&mut self, fault: &Fault, address: u64, cx: &mut VmCx<'_>) -> FaultOutcome {
        if fault.kind != FaultKind::WriteProtect {
            return self.fault_failed(fault.task, address, cx);
        }
        match self.tasks.get(&fault.task) {
            None => self.fault_failed(fault.task, address, cx),
            // What the task moved there: no order could refuse it.
            Some(map) if !map.arena().contains(&address) => {
                cx.out.push(VmEvent::Unruly { task: fault.task });
                self.count(fault.task, FaultClass::Refused)
            }
            Some(map) if map.is_leaving(address) && self.is_unmapping(fault.task, address) => {
                self.count(fault.task, FaultClass::Refused)
            }
            Some(_) => {
                self.refuse_write(refused(fault, address, cx.now), cx);
                FaultOutcome::Waiting
            }
        }
    }

    pub(super) fn fault_failed(&mut self, task: TaskId, address: u64, cx: &mut VmCx<'_>) -> FaultOutcome {
        cx.pmap.error(task, address, PAGE_SIZE);
        self.count(task, FaultClass::Error)
    }

    /// (2A): maps a resident page, and what is present around it. Returns the pages next to each other that the task has
    /// mapped now.
    #[allow(clippy::too_many_arguments)]
    fn resolve(
        &mut self,
        id: ObjectId,
        page: u64,
        was: Resident,
        view: &View,
        fault: &Fault,
        write: bool,
        cx: &mut VmCx<'_>,
    ) -> Range<u64> {
        let object = &mut self.objects[id];
        self.counters.reactivations += u64::from(object.came_to(page, write));
        self.counters.read_ahead_hits += u64::from(was.ahead);
        if write && fault.kind == FaultKind::WriteProtect {
            // Those behind it that may be written to as well are likely to be next.
            let may = |p: &u64| object.pages.get(*p).resident().is_some_and(|r| r.dirty && r.lock.permits(true));
            let behind = page + 1..view.clamp(fault_around(page)).end;
            let end = behind.take_while(may).last().unwrap_or(page) + 1;
            cx.pmap.unprotect(fault.task, view.address_of(page), (end - page) * PAGE_SIZE);
            return page..page + 1;
        }
        // What is around a marker is mapped already.
        let pages = if was.marker { page..page + 1 } else { fault_around(page) };
        self.enter_pages(id, view, pages, |_| true, page, cx)
    }

    /// Maps the readable pages of `pages` for which `which` holds, markers excepted; returns those next to `page`.
    pub(super) fn enter_pages(
        &self,
        id: ObjectId,
        view: &View,
        pages: Range<u64>,
        which: impl Fn(u64) -> bool,
        page: u64,
        cx: &mut VmCx<'_>,
    ) -> Range<u64> {
        let enterable = self.objects[id].pages.present(view.clamp(pages)).filter_map(|(p, state)| {
            let r = state.resident().filter(|r| !r.lock.read && !r.marker && which(p))?;
            Some((p, view.writable && r.dirty && !r.lock.write))
        });
        let mut covered = page..page;
        for (run, writable) in runs(enterable, u64::MAX) {
            cx.pmap.enter(view.task, view.address_of(run.start), (run.end - run.start) * PAGE_SIZE, writable);
            if run.contains(&page) || run.start == covered.end && !covered.is_empty() {
                covered = if covered.is_empty() { run } else { covered.start..run.end };
            } else if run.end <= page {
                // Kept in case the next run adjoins it and leads on to `page`.
                covered = if covered.end == run.start && !covered.is_empty() { covered.start..run.end } else { run };
            }
        }
        if covered.contains(&page) { covered } else { page..page + 1 }
    }

    /// Lets the entry's read-ahead know of a fault, and asks for what it advises.
    fn read_ahead(
        &mut self,
        id: ObjectId,
        start: u64,
        page: u64,
        covered: Range<u64>,
        fault: &Fault,
        cx: &mut VmCx<'_>,
    ) {
        let ready = self.objects[id].state == ObjectState::Ready;
        let Some(entry) = self.tasks.get_mut(&fault.task).and_then(|m| m.entry_mut(start)) else { return };
        if !self.config.read_ahead || !ready {
            return;
        }
        let (bounds, view) = (entry.pages(), entry.view(fault.task));
        let advice = entry.read_ahead.on_fault(page, covered, bounds);
        self.settle_windows(id, &advice.reached, true);
        self.settle_windows(id, &advice.given_up, false);
        for window in advice.ask {
            self.ask_window(id, &window, &view, fault.trace, cx);
        }
    }

    /// Asks for the absent pages of a window, one request for each run of them.
    fn ask_window(&mut self, id: ObjectId, window: &Window, view: &View, trace: TraceId, cx: &mut VmCx<'_>) {
        let room = self.has_room_ahead(window.pages.end - window.pages.start);
        let object = &mut self.objects[id];
        // What nobody wrote of anonymous memory comes when it is touched.
        let elsewhere = |p: &u64| !object.paged || object.stored.contains(*p);
        let absent = |p: &u64| object.pages.get(*p) == Page::Absent && !object.waits.contains_key(p) && elsewhere(p);
        let mut absent = runs(window.pages.clone().filter(absent).map(|p| (p, ())), u64::MAX);
        if window.down {
            absent.reverse();
        }
        let mut marker = absent.first().map(|(run, ())| if window.down { run.end - 1 } else { run.start });
        for (run, ()) in absent {
            let pages = run.end - run.start;
            if object.pages.counts().requested_ahead + pages > OBJECT_AHEAD_PAGES_MAX || !room {
                return;
            }
            let record = AheadRun {
                pages,
                task: view.task,
                address: view.address_of(run.start),
                marker: marker.take(),
                settled: false,
            };
            let call = request_ahead(object, run.start, record);
            self.counters.read_ahead_requests += 1;
            self.counters.read_ahead_pages += pages;
            cx.out.push(VmEvent::ToPager { object: id, call, trace });
        }
    }

    /// Asks for an absent page, to be mapped for a task though no thread of it waits.
    pub(super) fn fetch_for(&mut self, id: ObjectId, view: &View, page: u64, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        if object.waits.contains_key(&page) || object.pages.counts().requested_ahead >= OBJECT_AHEAD_PAGES_MAX {
            return;
        }
        let (task, address) = (view.task, view.address_of(page));
        let call = request_ahead(object, page, AheadRun { pages: 1, task, address, marker: None, settled: true });
        cx.out.push(VmEvent::ToPager { object: id, call, trace: TraceId::default() });
    }

    /// Counts windows of read-ahead as used or wasted, each page once.
    pub(super) fn settle_windows(&mut self, id: ObjectId, windows: &[Range<u64>], used: bool) {
        let Some(object) = self.objects.get_mut(id) else { return };
        let mut pages = 0;
        for window in windows {
            let here = object.pages.present(window.clone());
            let here: Vec<u64> = here.filter(|(_, p)| p.resident().is_some_and(|r| r.ahead)).map(|(p, _)| p).collect();
            pages += here.len() as u64;
            for page in here {
                object.pages.update(page, |r| r.ahead = false);
            }
            for (first, _) in object.ahead_runs(window.clone()) {
                let run = object.ahead.get_mut(&first).expect("just listed");
                if !std::mem::replace(&mut run.settled, true) {
                    pages += run.pages;
                }
            }
        }
        if used {
            self.counters.read_ahead_hits += pages;
        } else {
            self.counters.read_ahead_wasted += pages;
        }
    }
}

/// Pages of an object are asked for that nobody waits for: the call, and what is known of them until they come.
fn request_ahead(object: &mut Object, first: u64, run: AheadRun) -> ToPager {
    let (offset, length) = (first * PAGE_SIZE, run.pages * PAGE_SIZE);
    (first..first + run.pages).for_each(|page| _ = object.pages.set(page, Page::Requested { ahead: true }));
    object.ahead.insert(first, run);
    ToPager::DataRequest { offset, length, access: Prot::READ, read_ahead: true }
}

/// The pages that a fault on one is about as well.
pub(super) fn fault_around(page: u64) -> Range<u64> {
    let around = FAULT_AROUND_BYTES / PAGE_SIZE;
    page - page % around..page - page % around + around
}

/// The thread of `fault`, to be refused.
fn refused(fault: &Fault, address: u64, now: Time) -> Waiter {
    Waiter {
        serial: 0,
        task: fault.task,
        address,
        write: fault.write,
        mapped: true,
        since: now,
        deadline: now,
        trace: fault.trace,
    }
}
