//! The calls of pagers on memory control ports.
//!
//! A pager is not trusted: a call that makes no sense is counted and ignored, a ticket in it comes back. Calls for one
//! object take effect in their order as far as they concern the same pages (see [`super::job`]).

use std::ops::Range;

use proto::limits::OBJECT_BYTES_MAX;
use proto::{KernReturn, PAGE_SIZE, Payload, Prot};

use super::event::{FaultClass, ToPager, VmEvent};
use super::job::{Job, LockJob, Then, supply_pages};
use super::object::{AheadRun, Object, ObjectEvent, ObjectState};
use super::page::{Lock, Page, Resident, runs};
use super::round::end_round;
use super::shadow::Beginning;
use super::wait::Arrival;
use super::{LockRequest, ObjectId, Supply, Vm, VmCx};

/// What pages are filled with that become resident.
#[derive(Clone, Copy)]
pub(super) enum Filling<'a> {
    /// What a pager supplied.
    Supplied(&'a Payload),
    /// Zeroes.
    Zero,
    /// What another object has, from this page of it on.
    Shadowed(ObjectId, u64),
}

impl Filling<'_> {
    /// What pages begin as; `None` if that is not at hand.
    pub fn of(begins: Beginning) -> Option<Filling<'static>> {
        match begins {
            Beginning::Zero => Some(Filling::Zero),
            Beginning::Copy(object, page) => Some(Filling::Shadowed(object, page)),
            Beginning::Awaited(..) | Beginning::Lost => None,
        }
    }

    /// What it takes a thread to get a page that is filled so; `None` if that is for the thread's access to say.
    pub fn class(&self) -> Option<FaultClass> {
        match self {
            Filling::Supplied(_) => None,
            Filling::Zero => Some(FaultClass::Zero),
            Filling::Shadowed(..) => Some(FaultClass::Minor),
        }
    }
}

impl Vm {
    /// An object for a pager's port. `memory_object_init` goes out with its first mapping.
    ///
    /// Errors: `ResourceShortage` there are too many objects.
    /// Source: spec [vm.object.1]; mach-api §3.4.
    pub fn object_create(&mut self) -> Result<ObjectId, KernReturn> {
        if self.objects.len() >= proto::limits::OBJECTS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        Ok(self.objects.insert(Object::new(false)))
    }

    /// The pager is ready: faults that came before ask for their pages now. A second `ready` changes nothing.
    ///
    /// Source: spec [vm.object.2]; mach-api §3.3 `memory_object_ready`.
    pub fn memory_object_ready(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let Some(object) = self.objects.get_mut(id) else { return };
        let first = object.state == ObjectState::Initing;
        if !object.turn(ObjectEvent::Ready) {
            self.counters.bad_calls += 1;
        } else if first {
            self.review_range(id, 0..super::page::PAGES_MAX, cx);
        }
    }

    /// Pages come from the pager, asked for or not.
    ///
    /// Conditions: a page that is present is not replaced; with a reply right the supply ends before it and
    /// `SupplyCompleted` says so (`MemoryPresent`), without one the page is passed over. Whole pages only: anything else is
    /// answered `InvalidArgument`. If memory is short, the pages not taken cost their waiters an error.
    /// Source: spec [vm.pager.1] to [vm.pager.4]; mach-api §3.5 rules 3 to 5.
    pub fn memory_object_data_supply(&mut self, id: ObjectId, supply: Supply, cx: &mut VmCx<'_>) {
        let Supply { offset, reply, .. } = supply;
        let length = supply.data.len() as u64;
        if !is_range(offset, length) {
            self.counters.bad_calls += 1;
            self.supply_completed(id, reply, offset, length, Err((KernReturn::InvalidArgument, offset)), cx);
        } else {
            let ahead = self.objects.get(id).filter(|_| self.config.task_memory_limit_bytes > 0);
            let ahead = ahead.and_then(|object| Some(object.ahead_runs(supply_pages(&supply)).first()?.1.task));
            self.submit(id, Job::Supply(supply), cx);
            // Whoever it was read ahead for may have more than its share now.
            self.page_out(ahead, cx);
        }
    }

    /// Pages that were asked for are zero: no byte came for them. Pages that nobody asked for stay absent.
    ///
    /// Source: spec [vm.pager.5]; mach-api §3.5 rule 6.
    pub fn memory_object_data_unavailable(
        &mut self,
        id: ObjectId,
        offset: u64,
        size: u64,
        lock: Prot,
        cx: &mut VmCx<'_>,
    ) {
        match self.pages_of(offset, size) {
            Some(pages) => self.submit(id, Job::Unavailable(pages, Lock::from_prot(lock)), cx),
            None => self.counters.bad_calls += 1,
        }
        self.page_out(None, cx);
    }

    /// Pages cannot be had: who waits for them now gets a memory error; a later fault asks again.
    ///
    /// Source: spec [vm.pager.6]; mach-api §3.5 rule 7.
    pub fn memory_object_data_error(
        &mut self,
        id: ObjectId,
        offset: u64,
        size: u64,
        _error: KernReturn,
        cx: &mut VmCx<'_>,
    ) {
        match self.pages_of(offset, size) {
            Some(pages) => self.submit(id, Job::Error(pages), cx),
            None => self.counters.bad_calls += 1,
        }
    }

    /// Takes pages back, demotes them, or grants more access.
    ///
    /// Conditions: absent pages are passed over, an outstanding request stays outstanding. `LockCompleted` follows once
    /// all pages are done. Written data that is flushed and not asked back is lost, as the pager wants it.
    /// Source: spec [vm.pager.7] to [vm.pager.14]; mach-api §3.5 rules 9 to 11.
    pub fn memory_object_lock_request(&mut self, id: ObjectId, request: LockRequest, cx: &mut VmCx<'_>) {
        let LockRequest { offset, size, should_return, flush, lock, reply } = request;
        let state = self.objects.get(id).map(|o| o.state);
        let usable = matches!(state, Some(ObjectState::Initing | ObjectState::Ready | ObjectState::Terminating));
        let pages = self.pages_of(offset, size).filter(|_| usable);
        let Some(pages) = pages else {
            self.counters.bad_calls += 1;
            if let Some(ticket) = reply {
                self.to_pager(id, ToPager::LockCompleted { ticket, offset, length: size }, cx);
            }
            return;
        };
        let lock = lock.map(Lock::from_prot);
        let ready_at = self.hold_end(id, &pages, flush, lock, cx.now);
        let then = Then::LockCompleted { ticket: reply, offset, length: size };
        let all = pages.clone();
        self.submit(
            id,
            Job::Lock(LockJob { pages, all, should_return, flush, clean_since: None, lock, ready_at, then }),
            cx,
        );
    }

    /// The pager wants no more to do with the object: it is terminated, and dead for those who map it.
    ///
    /// Source: spec [vm.object.4]; mach-api §3.4.
    pub fn memory_object_destroy(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let Some(object) = self.objects.get(id) else { return };
        if !matches!(object.state, ObjectState::New | ObjectState::Dead) {
            self.to_pager(id, ToPager::Terminate, cx);
        }
        self.pager_died(id, cx);
    }

    /// The pager's port is dead, or its node: threads that wait get an error, as will those that touch what is not here.
    /// What is resident stays readable, and writable where it was written before.
    ///
    /// Source: spec [vm.object.5]; mach-api §3.6.
    pub fn pager_died(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let Some(object) = self.objects.get_mut(id) else { return };
        object.turn(ObjectEvent::Die);
        if object.state == ObjectState::Gone {
            return self.forget(id, cx);
        }
        let jobs = std::mem::take(&mut object.jobs);
        object.holds.clear();
        object.unasked.clear();
        object.ahead.clear();
        let all = object.pages.present(0..super::page::PAGES_MAX);
        let requested: Vec<u64> = all.filter(|(_, p)| p.is_requested()).map(|(p, _)| p).collect();
        requested.into_iter().for_each(|page| object.answered(page, Page::Absent));
        let waited: Vec<u64> = object.waits.keys().copied().collect();
        let syncs = std::mem::take(&mut object.syncs);
        if let Some(round) = end_round(&mut self.page_out, object) {
            let pages: Vec<u64> = object.pages.present(round.range).map(|(page, _)| page).collect();
            pages.into_iter().for_each(|page| object.pages.update(page, |r| r.leaving = false));
        }
        self.feed_soon(cx.now);
        for page in waited {
            self.fail(id, page, cx);
        }
        self.lifted(id, 0..super::page::PAGES_MAX, false, cx);
        for job in jobs {
            self.settle_job(id, job, cx);
        }
        for ticket in syncs.into_iter().filter_map(|s| s.ticket) {
            self.msync_part_done(ticket, KernReturn::MemoryFailure, cx);
        }
        self.run_jobs(id, false, cx);
    }

    /// Installs supplied pages, now that nothing before it concerns them.
    pub(super) fn apply_supply(&mut self, id: ObjectId, supply: Supply, cx: &mut VmCx<'_>) {
        let pages = supply_pages(&supply);
        let Supply { offset, data, lock, precious, reply } = supply;
        let length = data.len() as u64;
        let object = &mut self.objects[id];
        if object.state != ObjectState::Ready {
            self.counters.bad_calls += 1;
            self.supply_completed(id, reply, offset, length, Err((KernReturn::Terminated, offset)), cx);
            return;
        }
        let present = |p: &u64| object.pages.get(*p).resident().is_some();
        let stop = reply.and_then(|_| pages.clone().find(|p| present(p)));
        let taken = pages.start..stop.unwrap_or(pages.end);
        let wanted: Vec<(u64, ())> = taken.clone().filter(|p| !present(p)).map(|p| (p, ())).collect();
        self.counters.supplies_ignored += (taken.end - taken.start) - wanted.len() as u64;

        let mut result = stop.map_or(Ok(()), |p| Err((KernReturn::MemoryPresent, p * PAGE_SIZE)));
        let template = Resident { lock: Lock::from_prot(lock), precious, referenced: true, ..Resident::default() };
        for (run, ()) in runs(wanted, u64::MAX) {
            let at = ((run.start - pages.start) * PAGE_SIZE) as usize;
            let bytes = data.slice(at, ((run.end - run.start) * PAGE_SIZE) as usize);
            if let Err(e) = self.install(id, run.clone(), template, Filling::Supplied(&bytes), cx) {
                result = result.and(Err((e, run.start * PAGE_SIZE)));
            }
        }
        self.supply_completed(id, reply, offset, length, result, cx);
        self.ask_waiting(id, cx);
    }

    /// Zero pages for what was asked for.
    pub(super) fn apply_unavailable(&mut self, id: ObjectId, pages: Range<u64>, lock: Lock, cx: &mut VmCx<'_>) {
        let object = &self.objects[id];
        let requested = object.pages.present(pages).filter(|(_, p)| p.is_requested()).map(|(p, _)| (p, ()));
        let requested = runs(requested, u64::MAX);
        if object.state != ObjectState::Ready {
            self.counters.bad_calls += 1;
            return;
        }
        for (run, ()) in requested {
            // An error has been given to those who wait; there is nobody else to tell.
            let _ =
                self.install(id, run, Resident { lock, referenced: true, ..Resident::default() }, Filling::Zero, cx);
        }
        self.ask_waiting(id, cx);
    }

    /// Errors for who waits.
    pub(super) fn apply_error(&mut self, id: ObjectId, pages: Range<u64>, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        let present = object.pages.present(pages.clone());
        let requested: Vec<u64> = present.filter(|(_, p)| p.is_requested()).map(|(p, _)| p).collect();
        requested.into_iter().for_each(|page| object.answered(page, Page::Absent));
        let waited: Vec<u64> = object.waits.range(pages.clone()).map(|(p, _)| *p).collect();
        for page in waited {
            self.fail(id, page, cx);
        }
        self.lifted(id, pages, false, cx);
        self.ask_waiting(id, cx);
    }

    /// Makes pages resident, that were not, and lets those through who wait for them.
    ///
    /// Errors: memory is short; those who wait have got an error, the pages are absent.
    pub(super) fn install(
        &mut self,
        id: ObjectId,
        pages: Range<u64>,
        template: Resident,
        filling: Filling<'_>,
        cx: &mut VmCx<'_>,
    ) -> Result<(), KernReturn> {
        let (offset, length) = (pages.start * PAGE_SIZE, (pages.end - pages.start) * PAGE_SIZE);
        let filled = match filling {
            Filling::Supplied(bytes) => cx.pmap.fill(id, offset, bytes),
            Filling::Zero => cx.pmap.zero(id, offset, length),
            Filling::Shadowed(from, first) if self.is_whole(from, first..first + length / PAGE_SIZE, cx) => {
                cx.pmap.copy(id, offset, from, first * PAGE_SIZE, length)
            }
            Filling::Shadowed(..) => Err(KernReturn::MemoryError),
        };
        if let Err(e) = filled {
            cx.pmap.discard(id, offset, length);
            self.apply_error(id, pages, cx);
            return Err(e);
        }
        let object = &mut self.objects[id];
        let guarded = object.paged && !object.shadowed_by.is_empty();
        let lock = Lock { write: template.lock.write || guarded, ..template.lock };
        let ahead = object.ahead_runs(pages.clone());
        for page in pages.clone() {
            let run = ahead.iter().find(|(first, r)| (*first..*first + r.pages).contains(&page)).map(|(_, r)| r);
            let waited = object.waits.contains_key(&page);
            let r = Resident {
                ahead: run.is_some_and(|r| !r.settled),
                marker: run.is_some_and(|r| r.marker == Some(page)) && !waited,
                lock,
                ..template
            };
            object.pages.set(page, Page::Resident(r));
        }
        object.ahead_arrived(pages.clone());
        // What came unasked need not be asked for any more.
        object.unasked.retain(|page| !pages.contains(page));
        self.pages_came(id, pages.end - pages.start);
        let object = &mut self.objects[id];
        match filling {
            Filling::Supplied(_) => {
                object.pages_in += pages.end - pages.start;
                self.counters.pages_in += pages.end - pages.start;
            }
            Filling::Zero => self.counters.pages_zero += pages.end - pages.start,
            Filling::Shadowed(..) => {}
        }
        let mut arrival = Arrival { class: filling.class(), ..Arrival::default() };
        for (first, run) in &ahead {
            self.enter_ahead(id, *first, run, &pages, &mut arrival, cx);
        }
        let waited: Vec<u64> = self.objects[id].waits.range(pages.clone()).map(|(p, _)| *p).collect();
        for page in waited {
            let brought_ahead = ahead.iter().any(|(first, r)| (*first..*first + r.pages).contains(&page));
            let class = if brought_ahead { Some(FaultClass::ReadAhead) } else { arrival.class };
            let arrival = Arrival { class, entered: arrival.entered.clone() };
            self.review(id, page, &arrival, cx);
        }
        self.lifted(id, pages, true, cx);
        Ok(())
    }

    /// Whether what is to be copied is there: what a task has taken out of an object is not zero to others.
    fn is_whole(&self, from: ObjectId, pages: Range<u64>, cx: &VmCx<'_>) -> bool {
        let there = |page: u64| cx.pmap.is_present(from, page * PAGE_SIZE);
        self.objects[from].is_native() || pages.into_iter().all(there)
    }

    /// Maps what read-ahead brought where it was asked for, if that is still mapped there.
    fn enter_ahead(
        &self,
        id: ObjectId,
        first: u64,
        run: &AheadRun,
        pages: &Range<u64>,
        arrival: &mut Arrival,
        cx: &mut VmCx<'_>,
    ) {
        let Some(entry) = self.tasks.get(&run.task).and_then(|m| m.lookup(run.address)) else { return };
        let view = entry.view(run.task);
        let readable = !entry.protection.is_empty();
        if entry.object != id || !entry.managed || !readable || view.page_at(run.address) != first {
            return;
        }
        let object = &self.objects[id];
        // Whoever waits to write gets the page in one go, writable.
        let nobody_writes = |p: u64| object.waits.get(&p).is_none_or(|w| w.waiters.iter().all(|w| !w.write));
        let part = view.clamp(pages.start.max(first)..pages.end.min(first + run.pages));
        if part.is_empty() {
            return;
        }
        let range = view.address_of(part.start)..view.address_of(part.end - 1) + PAGE_SIZE;
        self.enter_pages(id, &view, part.clone(), nobody_writes, part.start, cx);
        let entered =
            |(page, p): (u64, Page)| p.resident().is_some_and(|r| !r.lock.read && !r.marker) && nobody_writes(page);
        if object.pages.present(part).all(entered) {
            arrival.entered.push((run.task, range));
        }
    }

    fn supply_completed(
        &mut self,
        id: ObjectId,
        reply: Option<super::Ticket>,
        offset: u64,
        length: u64,
        result: Result<(), (KernReturn, u64)>,
        cx: &mut VmCx<'_>,
    ) {
        let Some(ticket) = reply else { return };
        let (result, error_offset) = result.err().unwrap_or((KernReturn::Success, 0));
        self.to_pager(id, ToPager::SupplyCompleted { ticket, offset, length, result, error_offset }, cx);
    }

    /// Sends `call` on behalf of no activity.
    pub(super) fn to_pager(&self, id: ObjectId, call: ToPager, cx: &mut VmCx<'_>) {
        cx.out.push(VmEvent::ToPager { object: id, call, trace: Default::default() });
    }

    /// The pages of a range that a pager names; `None` if it is not one, or the object could not have it.
    fn pages_of(&self, offset: u64, size: u64) -> Option<Range<u64>> {
        if !offset.is_multiple_of(PAGE_SIZE) || offset >= OBJECT_BYTES_MAX {
            return None;
        }
        // A pager may say "to the end" with a size as large as it likes.
        let end = offset.saturating_add(size).min(OBJECT_BYTES_MAX);
        let end = proto::vm::round_page(end)?;
        Some(offset / PAGE_SIZE..end / PAGE_SIZE)
    }
}

/// Whether these are whole pages that an object can have.
fn is_range(offset: u64, length: u64) -> bool {
    offset.is_multiple_of(PAGE_SIZE)
        && length.is_multiple_of(PAGE_SIZE)
        && offset.checked_add(length).is_some_and(|end| end <= OBJECT_BYTES_MAX)
}
