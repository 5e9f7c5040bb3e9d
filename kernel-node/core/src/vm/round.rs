//! Rounds: how the pages that the clock chose leave, without a written byte being lost.
//!
//! (3A) A clean page whose pager has confirmed all that was ever returned of the object is discarded at once. (3B) For the
//! others the object begins a *round*: written pages are write-protected in every task, read out and returned, and stay
//! here, clean and *leaving*; `memory_object_synchronize` goes behind them, marked as asking for no durability. (3C) The
//! pager confirms that it has them: those that are leaving still are discarded. (3D) A thread came to one of them meanwhile,
//! or a call of the pager waits for the object: it stays. (3E) The pager refuses: what was returned of anonymous memory
//! counts as written again, for nobody else has it, and the object is left alone for a while; its next round is smaller.
//!
//! Why nothing leaves without a confirmation: see [`super::job`]. It is also what makes a full default pager harmless.
//!
//! Invariant: an object has at most one round, and leaving pages only within it.

use std::ops::Range;

use proto::limits::{PAGE_OUT_STEP_PAGES, SYNCHRONIZES_MAX};
use proto::vm::ShouldReturn;
use proto::{KernReturn, PAGE_SIZE};

use super::event::ToPager;
use super::job::{LockJob, Then};
use super::object::{Object, ObjectState, ObjectSync};
use super::page::Resident;
use super::pageout::PageOut;
use super::{ObjectId, Vm, VmCx, sync};
use crate::Time;

/// Pages of one object that leave once their pager has confirmed that it has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Round {
    /// From the first of them to the last.
    pub range: Range<u64>,
    /// How many.
    pub pages: u64,
}

impl Vm {
    /// (3A) and (3B): has `chosen` leave, resident pages in order for which nobody waits.
    ///
    /// Source: spec [vm.pageout.2] to [vm.pageout.4]; uffd-rules 13.
    pub(super) fn push_out(&mut self, id: ObjectId, chosen: &[(u64, Resident)], cx: &mut VmCx<'_>) {
        let confirmed = self.objects[id].clean_pages_are_safe();
        let (at_once, later): (Vec<_>, Vec<_>) =
            chosen.iter().copied().partition(|(_, r)| confirmed && !r.dirty && !r.precious);
        self.counters.pages_evicted += at_once.len() as u64;
        self.evict(id, &at_once, cx);
        let (Some((first, _)), Some((last, _))) = (later.first(), later.last()) else { return };
        let range = *first..*last + 1;
        let (offset, length) = (range.start * PAGE_SIZE, (range.end - range.start) * PAGE_SIZE);
        let syncs = &self.objects[id].syncs;
        // The answer must be told from that to another question.
        if syncs.len() >= SYNCHRONIZES_MAX || syncs.iter().any(|s| (s.offset, s.length) == (offset, length)) {
            return;
        }
        let returned: Vec<(u64, Resident)> = later.iter().copied().filter(|(_, r)| r.dirty || r.precious).collect();
        for (page, r) in &returned {
            if self.is_guarded(id, *r) && !cx.pmap.is_present(id, page * PAGE_SIZE) {
                self.lose_above(id, *page);
            }
        }
        let job = return_all(range.clone(), cx.now);
        self.protect_writers(id, &job, &returned, cx);
        self.return_pages(id, &job, &returned, cx);
        let object = &mut self.objects[id];
        for (page, _) in &returned {
            if object.internal {
                object.stored.insert(*page);
            }
        }
        for (page, _) in &later {
            object.pages.update(*page, |r| (r.dirty, r.leaving) = (false, true));
        }
        let upto = object.returns;
        object.syncs.push_back(ObjectSync { ticket: None, offset, length, invalidate: None, upto, page_out: true });
        object.round = Some(Round { range, pages: later.len() as u64 });
        self.page_out.rounds += 1;
        self.page_out.leaving += later.len() as u64;
        self.to_pager(id, ToPager::Synchronize { offset, length, flags: sync::ASYNCHRONOUS }, cx);
    }

    /// (3C) to (3E): the pager has answered.
    ///
    /// Source: spec [vm.pageout.4], [vm.pageout.5], [vm.pageout.10].
    pub(super) fn round_done(&mut self, id: ObjectId, result: KernReturn, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        let Some(round) = end_round(&mut self.page_out, object) else { return };
        let accepted = result == KernReturn::Success;
        if object.internal {
            self.page_out.full = !accepted;
        }
        let usable = accepted && object.state == ObjectState::Ready && object.jobs.is_empty();
        let members = object.pages.present(round.range).filter_map(|(page, p)| Some((page, p.resident()?)));
        let members: Vec<(u64, Resident)> = members.filter(|(_, r)| r.leaving).collect();
        let goes = |(page, r): &(u64, Resident)| usable && !r.dirty && !object.waits.contains_key(page);
        let (gone, kept): (Vec<_>, Vec<_>) = members.into_iter().partition(goes);
        let lost = !accepted && object.internal;
        for (page, _) in kept {
            object.pages.update(page, |r| (r.leaving, r.dirty) = (false, r.dirty || lost));
        }
        if accepted {
            object.round_pages_max = (object.round_pages_max * 2).min(PAGE_OUT_STEP_PAGES);
        } else {
            // There may be room for some of it.
            object.round_pages_max = (round.pages / 2).max(1);
            object.left_alone_until = Time(cx.now.0.saturating_add(LEFT_ALONE_NS));
        }
        self.counters.pages_evicted += gone.len() as u64;
        self.evict(id, &gone, cx);
        // What the hand passed over for the round's sake may leave now.
        self.page_out.hand.begins_anew();
        self.page_out(None, cx);
    }
}

/// The object's round is over, if it has one.
pub(super) fn end_round(page_out: &mut PageOut, object: &mut Object) -> Option<Round> {
    let round = object.round.take()?;
    page_out.rounds -= 1;
    page_out.leaving -= round.pages;
    Some(round)
}

/// What returns pages as a lock request does that asks for all of them and leaves them here.
fn return_all(range: Range<u64>, now: Time) -> LockJob {
    LockJob {
        pages: range.clone(),
        all: range,
        should_return: ShouldReturn::All,
        flush: false,
        clean_since: None,
        lock: None,
        ready_at: now,
        then: Then::Nothing,
    }
}

/// How long an object is left alone whose pager has refused a page. Units: nanoseconds.
const LEFT_ALONE_NS: u64 = 50_000_000;
