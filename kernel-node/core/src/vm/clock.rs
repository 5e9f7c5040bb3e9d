//! The clock: which pages are to leave.
//!
//! Its hand goes round the resident pages of all objects that have a pager, page by page and object by object. A page at
//! which it comes by is spared if a fault was served from it since the hand was last there. Linux says nothing else
//! of what threads use (docs/decisions/0012-page-out.md), so among pages that stay mapped the oldest leaves first.
//!
//! Left out are pages that somebody waits for or has only just got, objects that a call of their pager waits to change,
//! and written pages of those that have a round under way already or whose pager has just refused one.

use std::collections::BTreeSet;
use std::ops::Bound;

use proto::limits::{PAGE_OUT_LOOK_PAGES, PAGE_OUT_STEP_PAGES};

use super::object::{Object, ObjectState};
use super::page::{PAGES_MAX, Resident};
use super::{ObjectId, Vm, VmCx};
use crate::Time;

impl Vm {
    /// Has up to `want` pages leave, of the objects in `only` if that is given. Looks at a bounded number of pages; whether
    /// there may be more to be found.
    pub(super) fn clock_step(&mut self, only: Option<&BTreeSet<ObjectId>>, want: u64, cx: &mut VmCx<'_>) -> Found {
        let want = want.min(PAGE_OUT_STEP_PAGES);
        let (mut chosen, mut looked) = (0, 0);
        if self.page_out.barren >= BARREN_MAX {
            self.hand_begins_anew();
        }
        while chosen < want && looked < PAGE_OUT_LOOK_PAGES && self.page_out.barren < BARREN_MAX {
            let Some((id, from)) = self.next_object(only) else { return Found::Nothing };
            let most = (want - chosen, PAGE_OUT_LOOK_PAGES - looked);
            let object = self.objects.get_mut(id).filter(|object| object.pages.counts().resident > 0);
            let seen = object.map(|object| choose(object, from, most, cx.now));
            let Some(Seen { chosen: pages, next, looked: more, spared, passing, refusing }) = seen else {
                self.page_out.clock.remove(&id);
                // It is past it, and not at the end of a round for that.
                self.page_out.hand = Some((id, PAGES_MAX));
                continue;
            };
            self.page_out.hand = Some((id, next));
            looked += more + 1;
            chosen += pages.len() as u64;
            if spared {
                // They can leave when it comes by again.
                self.page_out.barren = 0;
            }
            self.page_out.passing |= passing;
            self.page_out.refusing |= refusing;
            if !pages.is_empty() {
                self.hand_begins_anew();
                self.push_out(id, &pages, cx);
            }
        }
        match (self.page_out.barren < BARREN_MAX, self.page_out.passing || self.page_out.refusing) {
            (true, _) => Found::More,
            (false, true) => Found::Later,
            (false, false) => Found::Nothing,
        }
    }

    /// The hand has not gone round in vain, or something has changed since.
    pub(super) fn hand_begins_anew(&mut self) {
        (self.page_out.barren, self.page_out.passing, self.page_out.refusing) = (0, false, false);
    }

    /// The object at which the hand is, or the next one, and the page.
    fn next_object(&mut self, only: Option<&BTreeSet<ObjectId>>) -> Option<(ObjectId, u64)> {
        let clock = &self.page_out.clock;
        let wanted = |id: &&ObjectId| only.is_none_or(|only| only.contains(id));
        let (at, page) = match self.page_out.hand {
            Some((id, page)) if page < PAGES_MAX => (Bound::Included(id), page),
            Some((id, _)) => (Bound::Excluded(id), 0),
            None => (Bound::Unbounded, 0),
        };
        let next = clock.range((at, Bound::Unbounded)).find(wanted).copied();
        if let Some(id) = next {
            let same = self.page_out.hand.is_some_and(|(hand, _)| hand == id);
            return Some((id, if same { page } else { 0 }));
        }
        self.page_out.barren += 1;
        clock.iter().find(wanted).map(|id| (*id, 0))
    }
}

/// What another step would find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// There may be pages that can leave.
    More,
    /// There are some, once those who just got them have used them; or their pager may take some yet.
    Later,
    /// There are none.
    Nothing,
}

/// What the hand saw in one object.
struct Seen {
    /// The pages that are to leave.
    chosen: Vec<(u64, Resident)>,
    /// Where it goes on; `PAGES_MAX` at the end.
    next: u64,
    looked: u64,
    /// There are pages that were in use, and can leave the next time.
    spared: bool,
    /// There are pages that can leave a little later.
    passing: bool,
    /// There are pages that their pager has just refused.
    refusing: bool,
}

/// Looks at the pages of `object` from `from` on: at most `most` are chosen and looked at.
fn choose(object: &mut Object, from: u64, most: (u64, u64), now: Time) -> Seen {
    let refusing = object.left_alone_until > now;
    let (next, passing) = (PAGES_MAX, !object.jobs.is_empty());
    let mut seen = Seen { chosen: Vec::new(), next, looked: 0, spared: false, passing, refusing };
    let round_may_begin = object.round.is_none() && !refusing;
    let usable = object.state == ObjectState::Ready && object.jobs.is_empty();
    if !usable || !(round_may_begin || object.clean_pages_are_safe()) {
        return seen;
    }
    let may_leave = |r: &Resident| !r.leaving && (round_may_begin || !r.dirty && !r.precious);
    let held: BTreeSet<u64> = object.holds.iter().rev().take_while(|(t, _)| *t > now).map(|(_, page)| *page).collect();
    let mut spared = Vec::new();
    let most_chosen = most.0.min(object.round_pages_max);
    for (page, state) in object.pages.present(from..PAGES_MAX) {
        if seen.looked == most.1 || seen.chosen.len() as u64 == most_chosen {
            seen.next = page;
            break;
        }
        seen.looked += 1;
        match state.resident() {
            Some(r) if !may_leave(&r) => seen.passing |= object.round.is_some(),
            Some(r) if r.referenced => spared.push(page),
            Some(r) if !object.waits.contains_key(&page) && !held.contains(&page) => seen.chosen.push((page, r)),
            Some(_) => seen.passing = true,
            None => {}
        }
    }
    seen.spared = !spared.is_empty();
    for page in spared {
        object.pages.update(page, |r| r.referenced = false);
    }
    seen
}

/// Times that the hand goes round without choosing or sparing a page before it is believed that there is none: it may have begun in
/// the midst of the first.
const BARREN_MAX: u32 = 3;
