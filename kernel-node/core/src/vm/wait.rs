//! Threads that wait for a page: who, for what, until when.

use std::ops::Range;

use proto::{KernReturn, PAGE_SIZE, Prot, TraceId};
use smallvec::SmallVec;

use super::event::{FaultClass, VmEvent};
use super::object::{Object, ObjectState};
use super::page::{Lock, Page};
use super::shadow::Beginning;
use super::{Fault, FaultKind, FaultOutcome, ObjectId, Timer, ToPager, Vm, VmCx};
use crate::{TaskId, Time};

/// What is known of a page for which threads wait, or for which more access has been asked.
#[derive(Default)]
pub(super) struct Wait {
    /// The threads; several threads of a task at one address that want the same are one.
    pub waiters: SmallVec<[Waiter; 1]>,
    /// The access that the pager has been asked for with data_unlock and has not answered.
    pub asked: Lock,
}

/// Threads of one task that wait at one address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    /// Orders the timers.
    pub serial: u64,
    /// Whose threads.
    pub task: TaskId,
    /// Where they see the page.
    pub address: u64,
    /// What they want.
    pub write: bool,
    /// The page is mapped, write-protected: access is given by unprotecting it.
    pub mapped: bool,
    /// When the first of them came.
    pub since: Time,
    /// When they have waited long enough.
    pub deadline: Time,
    /// The first one's activity.
    pub trace: TraceId,
}

/// How pages came that are reviewed now.
#[derive(Default)]
pub(super) struct Arrival {
    /// What those waited for who are let through; else what they wanted says it.
    pub class: Option<FaultClass>,
    /// What is mapped, and its waiters woken, already.
    pub entered: SmallVec<[(TaskId, Range<u64>); 1]>,
}

impl Vm {
    /// Has the thread of `fault` wait for `page`, unless its task has too many waiting.
    ///
    /// Errors: `ResourceShortage` it has.
    pub(super) fn wait(
        &mut self,
        id: ObjectId,
        page: u64,
        fault: &Fault,
        write: bool,
        now: Time,
    ) -> Result<(), KernReturn> {
        let address = proto::vm::trunc_page(fault.address);
        let object = &mut self.objects[id];
        let mapped = fault.kind == FaultKind::WriteProtect && object.pages.get(page).resident().is_some();
        let wait = object.waits.entry(page).or_default();
        if let Some(w) = wait.waiters.iter_mut().find(|w| (w.task, w.address, w.write) == (fault.task, address, write))
        {
            w.mapped = mapped;
            return Ok(());
        }
        let map = self.tasks.get_mut(&fault.task).expect("the fault's entry was found in its map");
        if map.waiters >= proto::limits::TASK_FAULTS_MAX {
            if wait.waiters.is_empty() && wait.asked == Lock::default() {
                self.objects[id].waits.remove(&page);
            }
            return Err(KernReturn::ResourceShortage);
        }
        map.waiters += 1;
        self.serial += 1;
        let deadline = Time(now.0.saturating_add(self.config.fault_deadline_ns));
        let waiter = Waiter {
            serial: self.serial,
            task: fault.task,
            address,
            write,
            mapped,
            since: now,
            deadline,
            trace: fault.trace,
        };
        self.timers.insert((deadline, Timer::Fault { object: id, page, serial: waiter.serial }));
        wait.waiters.push(waiter);
        Ok(())
    }

    /// Takes those waiters of `page` for which `which` holds; their timers go. The record of an unlock stays.
    pub(super) fn take_waiters(
        &mut self,
        id: ObjectId,
        page: u64,
        which: impl Fn(&Waiter) -> bool,
    ) -> SmallVec<[Waiter; 1]> {
        let Some(object) = self.objects.get_mut(id) else { return SmallVec::new() };
        let Some(wait) = object.waits.get_mut(&page) else { return SmallVec::new() };
        let (taken, kept) = std::mem::take(&mut wait.waiters).into_iter().partition(|w| which(w));
        wait.waiters = kept;
        if wait.waiters.is_empty() {
            if wait.asked == Lock::default() {
                object.waits.remove(&page);
            }
            if object.pages.get(page) == Page::Absent {
                object.unasked.retain(|p| *p != page);
            }
        }
        let taken: SmallVec<[Waiter; 1]> = taken;
        for w in &taken {
            self.timers.remove(&(w.deadline, Timer::Fault { object: id, page, serial: w.serial }));
            if let Some(map) = self.tasks.get_mut(&w.task) {
                map.waiters -= 1;
            }
        }
        taken
    }

    /// Does for `page` what its waiters need, as its state now is: lets through those who may, asks for the rest.
    pub(super) fn review(&mut self, id: ObjectId, page: u64, arrival: &Arrival, cx: &mut VmCx<'_>) {
        let object = &self.objects[id];
        let mut state = object.pages.get(page);
        if let Page::Resident(was) = state
            && !was.dirty
            && was.lock.permits(true)
            && object.waits.get(&page).is_some_and(|wait| wait.waiters.iter().any(|w| w.write))
            && !cx.pmap.is_present(id, page * PAGE_SIZE)
        {
            // If memory is short, the thread finds it missing and comes again.
            state = self.page_vanished(id, page, was, cx).unwrap_or(state);
        }
        if let Page::Resident(guarded) = state
            && self.is_guarded(id, guarded)
            && self.objects[id].waits.get(&page).is_some_and(|wait| wait.waiters.iter().any(|w| w.write))
        {
            self.unguard(id, page, cx);
            state = self.objects[id].pages.get(page);
        }
        match state {
            Page::Resident(r) => {
                for w in self.take_waiters(id, page, |w| r.lock.permits(w.write)) {
                    self.let_through(id, page, w, arrival, cx);
                }
                self.ask_unlock(id, page, cx);
            }
            Page::Absent => self.ask(id, page, cx),
            Page::Requested { .. } => {}
        }
    }

    /// Reviews every page of `pages` that somebody waits for.
    pub(super) fn review_range(&mut self, id: ObjectId, pages: Range<u64>, cx: &mut VmCx<'_>) {
        let waited: Vec<u64> = self.objects[id].waits.range(pages).map(|(p, _)| *p).collect();
        for page in waited {
            self.review(id, page, &Arrival::default(), cx);
        }
    }

    /// Maps `page` for one waiter, who may have it, and wakes it.
    fn let_through(&mut self, id: ObjectId, page: u64, w: Waiter, arrival: &Arrival, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        self.counters.reactivations += u64::from(object.came_to(page, w.write));
        if w.write && w.mapped {
            cx.pmap.unprotect(w.task, w.address, PAGE_SIZE);
        } else if w.write || !arrival.entered.iter().any(|(task, at)| *task == w.task && at.contains(&w.address)) {
            cx.pmap.enter(w.task, w.address, PAGE_SIZE, w.write);
        }
        self.hold(id, page, cx.now);
        let class = arrival.class.unwrap_or(if w.write { FaultClass::RemoteWrite } else { FaultClass::RemoteRead });
        self.fault_ended(w, class, cx);
    }

    /// Asks the pager for a page that is absent and waited for; later, if too many requests are outstanding.
    pub(super) fn ask(&mut self, id: ObjectId, page: u64, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        if object.waits.get(&page).is_none_or(|w| w.waiters.is_empty()) {
            return;
        }
        if object.state != ObjectState::Ready || object.pages.get(page) != Page::Absent {
            return;
        }
        if self.is_untouched(id, page) && self.beginning(id, page) == Beginning::Lost {
            return self.fail(id, page, cx);
        }
        if self.room(self.need_of_waiters(id, page)) == 0 {
            let object = &mut self.objects[id];
            if !object.unasked.contains(&page) {
                object.unasked.push_back(page);
            }
            return self.starve(id, cx.now);
        }
        if self.fill_untouched(id, page, cx) {
            return;
        }
        let object = &mut self.objects[id];
        let Some(wait) = object.waits.get(&page) else { return };
        if object.pages.counts().requested >= proto::limits::OBJECT_REQUESTS_MAX as u64 {
            if !object.unasked.contains(&page) {
                object.unasked.push_back(page);
            }
            return;
        }
        let write = wait.waiters.iter().any(|w| w.write);
        let trace = wait.waiters[0].trace;
        self.request(id, page, wanted(write), trace, cx);
    }

    /// Asks the pager for an absent page.
    pub(super) fn request(&mut self, id: ObjectId, page: u64, access: Prot, trace: TraceId, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        // It may have had to wait for its turn, and somebody else came for it.
        object.unasked.retain(|p| *p != page);
        object.pages.set(page, Page::Requested { ahead: false });
        self.counters.requests += 1;
        let (offset, length) = (page * PAGE_SIZE, PAGE_SIZE);
        let call = ToPager::DataRequest { offset, length, access, read_ahead: false };
        cx.out.push(VmEvent::ToPager { object: id, call, trace });
    }

    /// Asks for pages that had to wait for their turn, as far as there is room now.
    pub(super) fn ask_waiting(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        while let Some(object) = self.objects.get_mut(id) {
            if object.pages.counts().requested >= proto::limits::OBJECT_REQUESTS_MAX as u64 {
                return;
            }
            let Some(&page) = object.unasked.front() else { return };
            if self.room(self.need_of_waiters(id, page)) == 0 {
                return self.starve(id, cx.now);
            }
            self.objects[id].unasked.pop_front();
            self.ask(id, page, cx);
        }
    }

    /// Asks the pager to permit what the waiters of a resident page want, once for each increase. A dead object's waiters
    /// get their error here.
    pub(super) fn ask_unlock(&mut self, id: ObjectId, page: u64, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        let Some(wait) = object.waits.get_mut(&page).filter(|w| !w.waiters.is_empty()) else { return };
        if object.state == ObjectState::Dead {
            return self.fail(id, page, cx);
        }
        let write = wait.waiters.iter().any(|w| w.write);
        if wait.asked.read && (wait.asked.write || !write) {
            return;
        }
        wait.asked = Lock { read: true, write: write || wait.asked.write };
        let trace = wait.waiters.iter().find(|w| w.write == write).map_or(TraceId::default(), |w| w.trace);
        self.counters.unlocks += 1;
        let call = ToPager::DataUnlock { offset: page * PAGE_SIZE, length: PAGE_SIZE, access: wanted(write) };
        cx.out.push(VmEvent::ToPager { object: id, call, trace });
    }

    /// Gives everybody who waits for `page` an error. A page that was asked for is absent afterwards, and asked for again
    /// by the next fault.
    pub(super) fn fail(&mut self, id: ObjectId, page: u64, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        if object.pages.get(page).is_requested() {
            object.answered(page, Page::Absent);
        }
        if let Some(wait) = object.waits.get_mut(&page) {
            wait.asked = Lock::default();
        }
        let readable = object.pages.get(page).resident().is_some_and(|r| !r.lock.read);
        for w in self.take_waiters(id, page, |_| true) {
            if readable {
                self.refuse_write(w, cx);
            } else {
                cx.pmap.error(w.task, w.address, PAGE_SIZE);
                self.fault_ended(w, FaultClass::Error, cx);
            }
        }
        self.objects[id].waits.remove(&page);
        self.lifted(id, page..page + 1, false, cx);
    }

    /// A waiting fault came to its end.
    pub(super) fn fault_ended(&mut self, w: Waiter, class: FaultClass, cx: &mut VmCx<'_>) {
        self.count(w.task, class);
        let Waiter { task, address, since, trace, .. } = w;
        cx.out.push(VmEvent::FaultDone { task, address, class, since, trace });
    }

    /// Counts a fault that ended.
    pub(super) fn count(&mut self, task: TaskId, class: FaultClass) -> FaultOutcome {
        self.counters.faults[class as usize] += 1;
        if let Some(map) = self.tasks.get_mut(&task) {
            map.faults += 1;
        }
        FaultOutcome::Done(class)
    }

    /// Lets a thread that just got `page` keep it for a while.
    pub(super) fn hold(&mut self, id: ObjectId, page: u64, now: Time) {
        let until = Time(now.0.saturating_add(self.config.hold_ns));
        let Object { holds, .. } = &mut self.objects[id];
        while holds.front().is_some_and(|(t, _)| *t <= now) || holds.len() >= proto::limits::OBJECT_HOLDS_MAX {
            holds.pop_front();
        }
        holds.push_back((until, page));
    }

    /// A waiter's deadline passed: its page's waiters get an error.
    pub(super) fn waited_too_long(&mut self, id: ObjectId, page: u64, cx: &mut VmCx<'_>) {
        let Some(object) = self.objects.get(id) else { return };
        if object.unasked.contains(&page) {
            self.note_refused(id, page);
        }
        let object = &self.objects[id];
        self.counters.timeouts += object.waits.get(&page).map_or(0, |w| w.waiters.len() as u64);
        self.fail(id, page, cx);
        self.ask_waiting(id, cx);
    }
}

/// The access that a thread wants; a writer also reads.
fn wanted(write: bool) -> Prot {
    if write { Prot::READ | Prot::WRITE } else { Prot::READ }
}
