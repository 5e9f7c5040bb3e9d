//! The clock: which pages are to leave.
//!
//! Its hand goes round the resident pages of all objects that have a pager, page by page and object by object. A page at
//! which it comes by is spared if a fault was served from it since the hand was last there. Linux says nothing else
//! of what threads use (docs/decisions/0012-page-out.md), so among pages that stay mapped the oldest leaves first. Another hand goes
//! round what tasks beyond their share have mapped.
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

/// A hand of the clock: where it is, and what it has seen since it last chose a page or spared one.
#[derive(Default)]
pub(super) struct Hand {
    /// The page that it looks at next.
    pub at: Option<(ObjectId, u64)>,
    /// How often it has gone round in vain.
    pub barren: u32,
    /// It came by pages that could leave a little later.
    pub passing: bool,
    /// It came by objects whose pager has just refused pages.
    pub refusing: bool,
}

impl Hand {
    /// It has not gone round in vain, or something has changed since.
    pub fn begins_anew(&mut self) {
        *self = Hand { at: self.at, ..Hand::default() };
    }

    /// Which object of the face it is at, or comes to next, of those in `only` if that is given; and at which page.
    fn next(&mut self, face: &BTreeSet<ObjectId>, only: Option<&BTreeSet<ObjectId>>) -> Option<(ObjectId, u64)> {
        let wanted = |id: &&ObjectId| only.is_none_or(|only| only.contains(id));
        let (from, page) = match self.at {
            Some((id, page)) if page < PAGES_MAX => (Bound::Included(id), page),
            Some((id, _)) => (Bound::Excluded(id), 0),
            None => (Bound::Unbounded, 0),
        };
        if let Some(id) = face.range((from, Bound::Unbounded)).find(wanted).copied() {
            let same = self.at.is_some_and(|(at, _)| at == id);
            return Some((id, if same { page } else { 0 }));
        }
        self.barren += 1;
        face.iter().find(wanted).map(|id| (*id, 0))
    }

    /// What another step would find.
    fn found(&self) -> Found {
        match (self.barren < BARREN_MAX, self.passing || self.refusing) {
            (true, _) => Found::More,
            (false, true) => Found::Later,
            (false, false) => Found::Nothing,
        }
    }
}

impl Vm {
    /// Has up to `want` pages leave, of all objects. Looks at a bounded number of pages; whether there may be more to be found.
    pub(super) fn clock_step(&mut self, want: u64, cx: &mut VmCx<'_>) -> Found {
        let mut hand = std::mem::take(&mut self.page_out.hand);
        let found = self.advance(&mut hand, None, want, cx);
        self.page_out.hand = hand;
        found
    }

    /// The same of the objects in `only`, with a hand of its own: what it finds there says nothing about the others.
    pub(super) fn clock_step_of(&mut self, only: &BTreeSet<ObjectId>, want: u64, cx: &mut VmCx<'_>) {
        let mut hand = std::mem::take(&mut self.page_out.share_hand);
        hand.begins_anew();
        self.advance(&mut hand, Some(only), want, cx);
        self.page_out.share_hand = hand;
    }

    fn advance(&mut self, hand: &mut Hand, only: Option<&BTreeSet<ObjectId>>, want: u64, cx: &mut VmCx<'_>) -> Found {
        let want = want.min(PAGE_OUT_STEP_PAGES);
        let (mut chosen, mut looked) = (0, 0);
        if hand.barren >= BARREN_MAX {
            hand.begins_anew();
        }
        while chosen < want && looked < PAGE_OUT_LOOK_PAGES && hand.barren < BARREN_MAX {
            let Some((id, from)) = hand.next(&self.page_out.clock, only) else { return Found::Nothing };
            let most = (want - chosen, PAGE_OUT_LOOK_PAGES - looked);
            let object = self.objects.get_mut(id).filter(|object| object.pages.counts().resident > 0);
            let seen = object.map(|object| choose(object, from, most, cx.now));
            let Some(Seen { chosen: pages, next, looked: more, spared, passing, refusing }) = seen else {
                self.page_out.clock.remove(&id);
                // It is past it, and not at the end of a round for that.
                hand.at = Some((id, PAGES_MAX));
                continue;
            };
            hand.at = Some((id, next));
            looked += more + 1;
            chosen += pages.len() as u64;
            if spared {
                // They can leave when it comes by again.
                hand.barren = 0;
            }
            hand.passing |= passing;
            hand.refusing |= refusing;
            if !pages.is_empty() {
                hand.begins_anew();
                self.push_out(id, &pages, cx);
            }
        }
        hand.found()
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
