//! `check`: what must hold of all tables together after every call. See the invariants of [`super`].

use proto::PAGE_SIZE;
use proto::limits::TASK_WIRED_BYTES_MAX;

use super::job::Job;
use super::object::{Object, ObjectState};
use super::page::{Lock, Page};
use super::shadow::Beginning;
use super::{ObjectId, Timer, Vm};

impl Vm {
    /// Verifies the tables. For tests, and for a node that suspects itself: it looks at everything.
    ///
    /// Errors: what does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        self.check_maps()?;
        for (id, object) in &self.objects {
            self.check_object(id, object).map_err(|e| format!("{id:?} ({}): {e}", object.state.label()))?;
        }
        self.check_timers()?;
        self.check_page_out()
    }

    fn check_page_out(&self) -> Result<(), String> {
        let all = || self.objects.values();
        let p = &self.page_out;
        let resident: u64 = all().map(|o| o.pages.counts().resident).sum();
        ensure(p.resident == resident, || format!("{resident} pages are resident, {} are counted", p.resident))?;
        let anonymous: u64 = all().filter(|o| o.internal).map(|o| o.pages.counts().resident).sum();
        ensure(p.anonymous == anonymous, || format!("{anonymous} anonymous pages, {} are counted", p.anonymous))?;
        let native: u64 = all().map(|o| o.native_pages).sum();
        ensure(p.native == native, || format!("{native} native pages, {} are counted", p.native))?;
        let rounds: Vec<_> = all().filter_map(|o| o.round.as_ref()).collect();
        let leaving: u64 = rounds.iter().map(|r| r.pages).sum();
        ensure((p.rounds, p.leaving) == (rounds.len() as u64, leaving), || "rounds".into())?;
        ensure(p.timer.is_none_or(|at| self.timers.contains(&(at, Timer::PageOut))), || "page-out's timer".into())?;
        let fed = p.starved.is_empty() || p.timer.is_some() || p.rounds > 0;
        ensure(fed, || format!("{:?} starve", p.starved))?;
        let known = p.starved.iter().all(|id| self.objects.contains_key(*id));
        ensure(known, || "an object that is gone starves".into())?;
        let known = p.collapsible.iter().all(|id| self.objects.contains_key(*id));
        ensure(known, || "an object that is gone collapses".into())?;
        for (id, o) in &self.objects {
            let here = o.pages.counts().resident == 0 || p.clock.contains(&id);
            ensure(here, || format!("{id:?} has pages and is not on the clock"))?;
            for (page, state) in o.pages.present(0..super::page::PAGES_MAX) {
                let leaving = state.resident().is_some_and(|r| r.leaving);
                let within = o.round.as_ref().is_some_and(|r| r.range.contains(&page));
                ensure(!leaving || within, || format!("{id:?}: page {page} leaves and nobody knows why"))?;
            }
        }
        Ok(())
    }

    fn check_maps(&self) -> Result<(), String> {
        let mut mappings = 0;
        for (task, map) in &self.tasks {
            let mut end = map.arena().start;
            ensure(map.wired_bytes() <= TASK_WIRED_BYTES_MAX, || format!("{task:?}: {} wired", map.wired_bytes()))?;
            map.check().map_err(|why| format!("{task:?}: {why}"))?;
            for e in map.all_entries() {
                let whole = [e.start, e.end, e.offset].iter().all(|v| v.is_multiple_of(PAGE_SIZE));
                ensure(whole && e.start >= end && e.start < e.end && e.end <= map.arena().end, || {
                    format!("{task:?}: entry {:#x}..{:#x} overlaps or is no range", e.start, e.end)
                })?;
                end = e.end;
                ensure(e.max_protection.contains(e.protection), || {
                    format!("{task:?}: {:#x} exceeds its maximum", e.start)
                })?;
                let object = self.objects.get(e.object);
                ensure(object.is_some_and(|o| o.mappings.contains(&(*task, e.start))), || {
                    format!("{task:?}: {:#x} and its object do not know each other", e.start)
                })?;
                ensure(object.is_some_and(|o| o.is_native() != e.managed), || {
                    format!("{task:?}: {:#x} managed", e.start)
                })?;
                ensure(object.is_some_and(|o| !o.is_native() || o.frozen != e.shared), || {
                    format!("{task:?}: {:#x} shows memory that is frozen, shared", e.start)
                })?;
                mappings += 1;
            }
        }
        let known: usize = self.objects.values().map(|o| o.mappings.len()).sum();
        ensure(known == mappings, || format!("objects know {known} mappings, maps have {mappings}"))
    }

    fn check_object(&self, id: ObjectId, o: &Object) -> Result<(), String> {
        ensure(o.pages.counts() == o.pages.recount(), || "counts of pages".into())?;
        ensure(o.state != ObjectState::Gone, || "still here".into())?;
        let idle = matches!(o.state, ObjectState::New | ObjectState::Terminating);
        let wanted = !o.mappings.is_empty() || !o.shadowed_by.is_empty();
        ensure(wanted != idle, || format!("{} mappings", o.mappings.len()))?;
        self.check_shadow(id, o)?;
        let c = o.pages.counts();
        let empty = c.resident + c.requested + c.requested_ahead == 0;
        ensure(empty || !o.is_native() && !matches!(o.state, ObjectState::New | ObjectState::Initing), || {
            "has pages".into()
        })?;
        ensure(o.state != ObjectState::Dead || c.requested + c.requested_ahead == 0, || "asks a dead pager".into())?;
        let due: Vec<u64> = o.ahead.iter().flat_map(|(first, r)| *first..first + r.pages).collect();
        let ahead = Page::Requested { ahead: true };
        let agree = due.len() as u64 == c.requested_ahead && due.iter().all(|p| o.pages.get(*p) == ahead);
        ensure(agree && due.is_sorted_by(|a, b| a < b), || format!("{due:?} due of {}", c.requested_ahead))?;
        if let Some(first) = o.jobs.front() {
            ensure(matches!(first, Job::Lock(_)), || "a call waits for nothing".into())?;
        }
        let timer = o.timer.map(|at| (at, Timer::Job { object: id }));
        ensure(o.jobs.is_empty() == timer.is_none(), || "jobs and timer".into())?;
        ensure(timer.is_none_or(|t| self.timers.contains(&t)), || "the timer of its jobs is not set".into())?;
        self.check_waits(id, o)
    }

    fn check_shadow(&self, id: ObjectId, o: &Object) -> Result<(), String> {
        ensure(o.shadow.check(), || "what it shadows".into())?;
        for below in o.shadow.objects() {
            let known = self.objects.get(below).is_some_and(|b| (b.frozen || b.paged) && b.shadowed_by.contains(&id));
            ensure(o.paged && known, || format!("{below:?} does not know its shadow"))?;
        }
        let shadows = |above: &ObjectId| self.objects.get(*above).is_some_and(|a| a.shadow.objects().any(|b| b == id));
        ensure(o.shadowed_by.iter().all(shadows), || "somebody does not shadow it".into())?;
        for (page, above) in &o.lifts {
            let requested =
                |id: ObjectId, at: u64| self.objects.get(id).is_some_and(|o| o.pages.get(at).is_requested());
            let awaits = o.pages.get(*page).is_requested() && !above.iter().any(|(id, at)| requested(*id, *at));
            ensure(awaits, || format!("page {page}: lifted"))?;
        }
        let own = |(above, at): &(ObjectId, u64)| {
            let object = &self.objects[*above];
            let here = object.pages.get(*at).resident().is_some_and(|r| r.dirty);
            here || object.stored.contains(*at) || object.lost.contains(*at)
        };
        for (page, state) in o.pages.present(0..super::page::PAGES_MAX).filter(|_| o.paged && !o.shadowed_by.is_empty())
        {
            let guarded = state.resident().is_none_or(|r| r.lock.write) || self.above(id, page).iter().all(own);
            ensure(guarded, || format!("page {page} can be written to, and a shadow has it not"))?;
        }
        let alone = o.is_native() && o.mappings.is_empty() && !o.shadowed_by.is_empty();
        let collapsible = self.page_out.collapsible.contains(&id);
        ensure(collapsible || !alone, || "only shadows want it, and it does not collapse".into())?;
        ensure(!collapsible || !o.shadowed_by.is_empty(), || "it collapses into nothing".into())
    }

    fn check_waits(&self, id: ObjectId, o: &Object) -> Result<(), String> {
        for (page, wait) in &o.waits {
            ensure(!wait.waiters.is_empty() || wait.asked != Lock::default(), || format!("page {page}: empty wait"))?;
            for w in &wait.waiters {
                let timer = (w.deadline, Timer::Fault { object: id, page: *page, serial: w.serial });
                ensure(self.timers.contains(&timer), || format!("page {page}: a waiter without a deadline"))?;
                let entry = self.tasks.get(&w.task).and_then(|m| m.lookup(w.address));
                let shows = entry.is_some_and(|e| {
                    e.object == id
                        && e.view(w.task).page_at(w.address) == *page
                        && (e.is_writable() || !w.write)
                        && !e.protection.is_empty()
                });
                ensure(shows, || format!("page {page}: a waiter that may not have it"))?;
            }
            if wait.waiters.is_empty() {
                continue;
            }
            let behind_job = o.jobs.front().is_some_and(|j| matches!(j, Job::Lock(l) if l.all.contains(page)));
            let cause = match o.pages.get(*page) {
                Page::Requested { .. } => true,
                Page::Absent => {
                    let lifted = || match self.beginning(id, *page) {
                        Beginning::Awaited(below, at) => {
                            self.objects[below].lifts.get(&at).is_some_and(|above| above.contains(&(id, *page)))
                        }
                        _ => false,
                    };
                    o.state == ObjectState::Initing || o.unasked.contains(page) || behind_job || lifted()
                }
                Page::Resident(r) => {
                    let idle = wait.waiters.iter().any(|w| r.lock.permits(w.write));
                    behind_job
                        || !idle && wait.asked.read && (wait.asked.write || wait.waiters.iter().all(|w| !w.write))
                }
            };
            ensure(cause, || format!("page {page}: waits for nothing ({:?})", o.pages.get(*page)))?;
        }
        for page in &o.unasked {
            let waited = o.waits.get(page).is_some_and(|w| !w.waiters.is_empty());
            ensure(waited && o.pages.get(*page) == Page::Absent, || format!("page {page}: queued in vain"))?;
        }
        Ok(())
    }

    fn check_timers(&self) -> Result<(), String> {
        let mut waiters = std::collections::BTreeMap::new();
        for w in self.objects.values().flat_map(|o| o.waits.values()).flat_map(|w| &w.waiters) {
            *waiters.entry(w.task).or_insert(0) += 1;
        }
        for (task, map) in &self.tasks {
            ensure(map.waiters == waiters.remove(task).unwrap_or(0), || format!("{task:?}: count of waiters"))?;
        }
        ensure(waiters.is_empty(), || "waiters of unknown tasks".into())?;
        for (at, timer) in &self.timers {
            let real = match *timer {
                Timer::Job { object } => self.objects.get(object).is_some_and(|o| o.timer == Some(*at)),
                Timer::Msync { ticket } => self.msyncs.get(&ticket).is_some_and(|m| m.deadline == *at),
                Timer::PageOut => self.page_out.timer == Some(*at),
                Timer::Fault { object, page, serial } => {
                    let wait = self.objects.get(object).and_then(|o| o.waits.get(&page));
                    wait.is_some_and(|w| w.waiters.iter().any(|w| w.serial == serial && w.deadline == *at))
                }
            };
            ensure(real, || format!("a timer for nothing: {timer:?}"))?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
