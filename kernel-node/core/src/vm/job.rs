//! Lock requests, and the calls that have to wait behind one.
//!
//! A call of a pager is carried out when it comes, with two exceptions. A lock request that takes a page from a thread
//! that has only just got it waits until the hold ends, so that the thread can use what it asked for. And one that acts on
//! many pages is done in steps, so that faults need not wait for all of it. What comes for the same pages meanwhile
//! waits behind it: calls of one pager on one page take effect in their order.
//!
//! Terminating an object and syncing a range are lock requests, too, that the kernel makes itself.
//!
//! The kernel evicts of its own accord only what its pager has confirmed to have: an answer that the pager sent before it
//! got the returned bytes may still be under way, and would bring the old ones back. A lock request of the pager is such
//! a confirmation, `memory_object_synchronize_completed` another: neither overtakes a supply.
//!
//! One step takes its pages from the writers in an order that loses no write (uffd-rules 13): write-protect in every
//! task, then read out, then discard.

use std::collections::VecDeque;
use std::ops::Range;

use proto::limits::{DATA_RETURN_BYTES_MAX, LOCK_STEP_PAGES, OBJECT_JOB_BYTES_MAX, OBJECT_JOBS_MAX};
use proto::vm::ShouldReturn;
use proto::{KernReturn, PAGE_SIZE};

use super::event::{Ticket, ToPager};
use super::object::{Object, ObjectEvent};
use super::page::{Lock, PAGES_MAX, Page, Resident, runs};
use super::{ObjectId, Supply, Timer, Vm, VmCx};
use crate::Time;

/// A call of a pager that is not carried out yet.
pub(super) enum Job {
    /// `memory_object_lock_request`, or what the kernel does in the same way.
    Lock(LockJob),
    /// `memory_object_data_supply`.
    Supply(Supply),
    /// `memory_object_data_unavailable`.
    Unavailable(Range<u64>, Lock),
    /// `memory_object_data_error`.
    Error(Range<u64>),
}

/// A lock request on its way.
pub(super) struct LockJob {
    /// The pages that are still to be looked at.
    pub pages: Range<u64>,
    /// All of its pages.
    pub all: Range<u64>,
    /// Which pages go back.
    pub should_return: ShouldReturn,
    /// Whether the pages go.
    pub flush: bool,
    /// Only pages go that need not be returned, and none if the object returned any since it had returned so many times.
    pub clean_since: Option<u64>,
    /// The new lock, if it changes.
    pub lock: Option<Lock>,
    /// Not before.
    pub ready_at: Time,
    /// What follows.
    pub then: Then,
}

/// What follows when a lock request is carried out.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// `memory_object_lock_completed`, if anybody wants it.
    LockCompleted { ticket: Option<Ticket>, offset: u64, length: u64 },
    /// `memory_object_synchronize`, for an msync.
    Synchronize { ticket: Ticket, offset: u64, length: u64, flags: u32 },
    /// Nothing.
    Nothing,
    /// `memory_object_terminate`, unless the object is in use again.
    Terminate,
}

impl Job {
    fn pages(&self) -> Range<u64> {
        match self {
            Job::Lock(l) => l.pages.clone(),
            Job::Supply(s) => supply_pages(s),
            Job::Unavailable(pages, _) | Job::Error(pages) => pages.clone(),
        }
    }

    fn bytes(&self) -> usize {
        if let Job::Supply(s) = self { s.data.len() } else { 0 }
    }
}

impl LockJob {
    /// Whether it takes nothing from anybody and returns nothing: the answer to a data_unlock.
    fn is_grant(&self) -> bool {
        self.should_return == ShouldReturn::None
            && !self.flush
            && self.lock == Some(Lock::default())
            && matches!(self.then, Then::LockCompleted { .. })
    }

    /// Whether a page with this state goes back to the pager. A page that nobody may read any more leaves the kernel, and
    /// a written one does not leave it unseen unless the pager said so.
    fn returns(&self, r: Resident) -> bool {
        let kernels_own = self.is_terminate() || (self.evicts() && !self.flush);
        match self.should_return {
            ShouldReturn::All => true,
            ShouldReturn::Dirty => r.dirty || (kernels_own && r.precious),
            ShouldReturn::None => kernels_own && (r.dirty || r.precious),
        }
    }

    /// Whether pages leave this kernel: flushed, or locked against reading, which no mapping can express.
    fn evicts(&self) -> bool {
        self.flush || self.lock.is_some_and(|l| l.read)
    }

    fn affects(&self, r: Resident) -> bool {
        if self.clean_since.is_some() {
            return !r.dirty && !r.precious;
        }
        self.evicts() || self.returns(r) || self.lock.is_some_and(|l| l != r.lock)
    }

    fn is_terminate(&self) -> bool {
        matches!(self.then, Then::Terminate)
    }
}

impl Vm {
    /// Carries `job` out, or has it wait for those before it.
    pub(super) fn submit(&mut self, id: ObjectId, job: Job, cx: &mut VmCx<'_>) {
        let Some(object) = self.objects.get_mut(id) else { return self.settle_job(id, job, cx) };
        let (pages, waiting) = (job.pages(), &object.jobs);
        let may_pass = !matches!(&job, Job::Lock(l) if !l.is_grant());
        let meets = waiting.iter().any(|j| {
            let p = j.pages();
            p.start < pages.end && pages.start < p.end
        });
        if waiting.is_empty() || (may_pass && !meets) {
            let mut alone = VecDeque::from([job]);
            self.run_queue(id, &mut alone, false, cx);
            if let Some(object) = self.objects.get_mut(id) {
                // What is left is a lock request that has to wait, and then there is no other before it.
                object.jobs.extend(alone);
            }
        } else {
            object.jobs.push_back(job);
            let too_many = |o: &Object| {
                o.jobs.len() > OBJECT_JOBS_MAX || o.jobs.iter().map(Job::bytes).sum::<usize>() > OBJECT_JOB_BYTES_MAX
            };
            while self.objects.get(id).is_some_and(too_many) {
                self.run_jobs(id, true, cx);
            }
        }
        self.set_job_timer(id, cx.now);
    }

    /// Carries out what waits, as far as its time has come; with `force` the first whatever the time.
    pub(super) fn run_jobs(&mut self, id: ObjectId, force: bool, cx: &mut VmCx<'_>) {
        let Some(object) = self.objects.get_mut(id) else { return };
        let mut jobs = std::mem::take(&mut object.jobs);
        self.run_queue(id, &mut jobs, force, cx);
        match self.objects.get_mut(id) {
            Some(object) => {
                // What was submitted meanwhile comes last.
                jobs.append(&mut object.jobs);
                object.jobs = jobs;
            }
            None => jobs.into_iter().for_each(|j| self.settle_job(id, j, cx)),
        }
        self.set_job_timer(id, cx.now);
    }

    fn run_queue(&mut self, id: ObjectId, jobs: &mut VecDeque<Job>, mut force: bool, cx: &mut VmCx<'_>) {
        while let Some(job) = jobs.front_mut() {
            if let Job::Lock(lock) = job {
                if lock.ready_at > cx.now && !force {
                    return;
                }
                loop {
                    let finished = self.lock_step(id, lock, cx);
                    if finished {
                        break;
                    }
                    if !force {
                        return;
                    }
                }
            }
            force = false;
            match jobs.pop_front().expect("just seen") {
                Job::Lock(lock) => self.lock_finished(id, lock, cx),
                Job::Supply(supply) => self.apply_supply(id, supply, cx),
                Job::Unavailable(pages, lock) => self.apply_unavailable(id, pages, lock, cx),
                Job::Error(pages) => self.apply_error(id, pages, cx),
            }
            if !self.objects.contains_key(id) {
                return;
            }
        }
    }

    /// Keeps the object's timer where its first job wants it.
    fn set_job_timer(&mut self, id: ObjectId, now: Time) {
        let Some(object) = self.objects.get_mut(id) else { return };
        let wanted = object.jobs.front().map(|j| if let Job::Lock(l) = j { l.ready_at.max(now) } else { now });
        if object.timer == wanted {
            return;
        }
        if let Some(at) = std::mem::replace(&mut object.timer, wanted) {
            self.timers.remove(&(at, Timer::Job { object: id }));
        }
        if let Some(at) = wanted {
            self.timers.insert((at, Timer::Job { object: id }));
        }
    }

    /// When a lock request may be carried out: the end of the last hold on a page from which it takes access.
    pub(super) fn hold_end(
        &self,
        id: ObjectId,
        pages: &Range<u64>,
        flush: bool,
        lock: Option<Lock>,
        now: Time,
    ) -> Time {
        let object = &self.objects[id];
        let takes = |page: u64| {
            let Some(r) = object.pages.get(page).resident() else { return false };
            flush || lock.is_some_and(|l| l.takes_from(r.lock))
        };
        let held = object.holds.iter().rev().take_while(|(until, _)| *until > now);
        held.filter(|(_, page)| pages.contains(page) && takes(*page)).map(|(until, _)| *until).max().unwrap_or(now)
    }

    /// One step of a lock request; whether it was the last.
    fn lock_step(&mut self, id: ObjectId, job: &mut LockJob, cx: &mut VmCx<'_>) -> bool {
        let object = &self.objects[id];
        if job.clean_since.is_some_and(|returns| returns != object.returns) {
            return true;
        }
        let affected = object.pages.present(job.pages.clone()).filter_map(|(p, s)| Some((p, s.resident()?)));
        let step: Vec<(u64, Resident)> = affected.filter(|(_, r)| job.affects(*r)).take(LOCK_STEP_PAGES).collect();
        let finished = step.len() < LOCK_STEP_PAGES;
        job.pages.start = if finished { job.pages.end } else { step[step.len() - 1].0 + 1 };

        self.protect_writers(id, job, &step, cx);
        self.return_pages(id, job, &step, cx);
        if job.evicts() {
            self.evict(id, &step, cx);
        } else {
            let object = &mut self.objects[id];
            for &(page, r) in &step {
                let lock = job.lock.unwrap_or(r.lock);
                let dirty = r.dirty && !job.returns(r);
                object.pages.update(page, |r| (r.lock, r.dirty) = (lock, dirty));
            }
        }
        finished
    }

    /// First: no task can write to these pages any more.
    pub(super) fn protect_writers(&mut self, id: ObjectId, job: &LockJob, step: &[(u64, Resident)], cx: &mut VmCx<'_>) {
        if self.planted.skips_protect() {
            return;
        }
        let stops = |r: &Resident| r.dirty && (job.evicts() || job.returns(*r) || job.lock.is_some_and(|l| l.write));
        let written = step.iter().filter(|(_, r)| stops(r)).map(|(p, _)| (*p, ()));
        for (run, ()) in runs(written, u64::MAX) {
            self.protect_everywhere(id, &run, cx);
        }
    }

    /// Takes write access to pages away from every task.
    pub(super) fn protect_everywhere(&self, id: ObjectId, pages: &Range<u64>, cx: &mut VmCx<'_>) {
        for (task, start) in &self.objects[id].mappings {
            let entry = self.tasks.get(task).and_then(|m| m.entry(*start)).expect("a mapping is an entry");
            let view = entry.view(*task);
            let shown = view.clamp(pages.clone());
            if entry.shared && !shown.is_empty() {
                cx.pmap.protect(*task, view.address_of(shown.start), (shown.end - shown.start) * PAGE_SIZE);
            }
        }
    }

    /// Second: what goes back is read out and sent, clean and written pages apart.
    pub(super) fn return_pages(&mut self, id: ObjectId, job: &LockJob, step: &[(u64, Resident)], cx: &mut VmCx<'_>) {
        // A clean page that a task took out of the object says nothing.
        let there = |p: u64, r: &Resident| r.dirty || cx.pmap.is_present(id, p * PAGE_SIZE);
        let returned = step.iter().filter(|(p, r)| job.returns(*r) && there(*p, r)).map(|(p, r)| (*p, r.dirty));
        for (run, dirty) in runs(returned, DATA_RETURN_BYTES_MAX / PAGE_SIZE) {
            let pages = run.end - run.start;
            let data = cx.pmap.read_out(id, run.start * PAGE_SIZE, pages * PAGE_SIZE);
            let call = ToPager::DataReturn { offset: run.start * PAGE_SIZE, data, dirty, kernel_copy: !job.evicts() };
            self.to_pager(id, call, cx);
            self.objects[id].pages_out += pages;
            self.objects[id].returns += 1;
            self.counters.pages_out += pages;
        }
    }

    /// Third: the pages leave every task and the object.
    pub(super) fn evict(&mut self, id: ObjectId, step: &[(u64, Resident)], cx: &mut VmCx<'_>) {
        for (run, ()) in runs(step.iter().map(|(p, _)| (*p, ())), u64::MAX) {
            cx.pmap.discard(id, run.start * PAGE_SIZE, (run.end - run.start) * PAGE_SIZE);
        }
        let object = &mut self.objects[id];
        for (page, r) in step {
            object.pages.set(*page, Page::Absent);
            self.counters.read_ahead_wasted += u64::from(r.ahead);
            if let Some(wait) = object.waits.get_mut(page) {
                wait.waiters.iter_mut().for_each(|w| w.mapped = false);
            }
        }
        self.pages_went(id, step.len() as u64, cx.now);
    }

    /// All pages are done: the pager hears of it, and threads that wait are let through or ask again.
    fn lock_finished(&mut self, id: ObjectId, job: LockJob, cx: &mut VmCx<'_>) {
        match job.then {
            Then::LockCompleted { ticket, offset, length } => {
                self.counters.lock_requests += 1;
                if let Some(ticket) = ticket {
                    self.to_pager(id, ToPager::LockCompleted { ticket, offset, length }, cx);
                }
            }
            Then::Synchronize { ticket, offset, length, flags } => {
                self.send_synchronize(id, ticket, offset, length, flags, cx);
            }
            Then::Nothing => {}
            Then::Terminate => return self.terminate_returned(id, cx),
        }
        // Whatever it asked for, the pager may have taken an unlock that crossed it for answered.
        if job.flush || matches!(job.then, Then::LockCompleted { .. }) {
            let object = &mut self.objects[id];
            let asked: Vec<u64> = object.waits.range(job.all.clone()).map(|(p, _)| *p).collect();
            for page in asked {
                let wait = object.waits.get_mut(&page).expect("just listed");
                wait.asked = Lock::default();
                if wait.waiters.is_empty() {
                    object.waits.remove(&page);
                }
            }
            self.review_range(id, job.all, cx);
        }
    }

    /// Nobody maps the object any more: its dirty pages go back, then it is terminated; nothing waits for holds.
    pub(super) fn start_terminate(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        object.holds.clear();
        for job in &mut object.jobs {
            if let Job::Lock(lock) = job {
                lock.ready_at = cx.now;
            }
        }
        let job = LockJob {
            pages: 0..PAGES_MAX,
            all: 0..PAGES_MAX,
            should_return: ShouldReturn::Dirty,
            // They go with the object. Until then it may be mapped again, and has them still.
            flush: false,
            clean_since: None,
            lock: None,
            ready_at: cx.now,
            then: Then::Terminate,
        };
        object.jobs.push_back(Job::Lock(job));
        self.run_jobs(id, false, cx);
    }

    /// The object is mapped again before it was terminated: it stays, with the pages that it has still.
    pub(super) fn revive(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        assert!(object.turn(ObjectEvent::Map), "only a terminating object is revived");
        object.jobs.retain(|j| !matches!(j, Job::Lock(l) if l.is_terminate()));
        self.run_jobs(id, false, cx);
    }

    fn terminate_returned(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        self.objects[id].turn(ObjectEvent::Returned);
        self.to_pager(id, ToPager::Terminate, cx);
        self.forget(id, cx);
    }

    /// Answers a call that is not carried out because its object is gone.
    pub(super) fn settle_job(&mut self, id: ObjectId, job: Job, cx: &mut VmCx<'_>) {
        match job {
            Job::Lock(LockJob { then: Then::Synchronize { ticket, .. }, .. }) => {
                self.msync_part_done(ticket, KernReturn::MemoryFailure, cx);
            }
            Job::Lock(LockJob { then: Then::LockCompleted { ticket: Some(ticket), offset, length }, .. }) => {
                self.to_pager(id, ToPager::LockCompleted { ticket, offset, length }, cx);
            }
            Job::Supply(Supply { offset, data, reply: Some(ticket), .. }) => {
                let (length, result) = (data.len() as u64, KernReturn::Terminated);
                let call = ToPager::SupplyCompleted { ticket, offset, length, result, error_offset: offset };
                self.to_pager(id, call, cx);
            }
            Job::Lock(_) | Job::Supply(_) | Job::Unavailable(..) | Job::Error(_) => {}
        }
    }
}

/// The pages of a supply that was checked.
pub(super) fn supply_pages(s: &Supply) -> Range<u64> {
    let first = s.offset / PAGE_SIZE;
    first..first + s.data.len() as u64 / PAGE_SIZE
}
