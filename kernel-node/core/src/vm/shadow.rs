//! Shadow objects: copies of frozen memory whose pages can leave.
//!
//! What a task maps of frozen memory is Linux's alone, or, when the node has a limit and that would be too much of it, an
//! anonymous object of the default pager that *shadows* parts of frozen objects. A page of it that nobody has is what the
//! frozen object below shows there; it comes up when a thread touches it, and from then on is the shadow's.
//!
//! (6A) A page that came up and was not written goes without a word, and comes up again. (6B) A frozen object that no map
//! shows any more is kept for its shadows alone. When there is too much in memory it *collapses* into them: its pages come
//! up as written ones, which leave as such, and with the last of them it is gone.
//!
//! There are no chains: what is frozen shadows nothing, and a shadow is never frozen, but copied when it is sent.
//!
//! Invariants: a frozen object knows the objects that shadow it, and they know it; what no map shows and somebody shadows is
//! among those that can collapse.
//!
//! Spec: [vm.pageout.15] to [vm.pageout.18].

use std::collections::BTreeMap;
use std::ops::Range;

use proto::limits::{COLLAPSE_STEP_PAGES, OBJECTS_MAX};
use proto::{KernReturn, PAGE_SIZE};

use super::clock::Found;
use super::copy::FrozenPart;
use super::event::{ToPager, VmEvent};
use super::memory_object::Filling;
use super::object::Object;
use super::page::{PAGES_MAX, Page, Resident, runs};
use super::pageout::Need;
use super::{ObjectId, Vm, VmCx};
use crate::Time;

/// What an object shadows: parts of frozen objects, by the first of its own pages.
#[derive(Default)]
pub(super) struct Shadow {
    parts: BTreeMap<u64, Part>,
    /// How many parts there are of each frozen object.
    objects: BTreeMap<ObjectId, usize>,
}

/// Pages of a frozen object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    pages: u64,
    object: ObjectId,
    first: u64,
}

/// Pages of an object, and what is below all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Below {
    /// Of the object.
    pub pages: Range<u64>,
    /// The frozen object, and the page of it that is below the first; `None` where there is none.
    pub frozen: Option<(ObjectId, u64)>,
}

impl Shadow {
    /// What shadows these parts, one behind the other.
    pub fn of(parts: &[FrozenPart]) -> Shadow {
        let (mut shadow, mut at) = (Shadow::default(), 0);
        for part in parts {
            let pages = part.size / PAGE_SIZE;
            shadow.insert(at, Part { pages, object: part.object, first: part.offset / PAGE_SIZE });
            at += pages;
        }
        shadow
    }

    /// The frozen objects.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.objects.keys().copied()
    }

    /// What is below `page` and, without a break, behind it.
    pub fn below(&self, page: u64) -> Below {
        if let Some((start, part)) = self.parts.range(..=page).next_back()
            && page < start + part.pages
        {
            return Below { pages: page..start + part.pages, frozen: Some((part.object, part.first + page - start)) };
        }
        let next = self.parts.range(page..).next().map_or(PAGES_MAX, |(start, _)| *start);
        Below { pages: page..next, frozen: None }
    }

    /// What is below pages of a range.
    pub fn within(&self, pages: Range<u64>) -> Vec<(Range<u64>, ObjectId, u64)> {
        let (mut at, mut out) = (pages.start, Vec::new());
        while at < pages.end {
            let below = self.below(at);
            let run = at..below.pages.end.min(pages.end);
            at = run.end;
            out.extend(below.frozen.map(|(object, first)| (run, object, first)));
        }
        out
    }

    /// The first pages that something is below.
    fn first(&self) -> Option<Below> {
        self.parts.keys().next().map(|start| self.below(*start))
    }

    /// Nothing is below these pages any more; the frozen objects of which nothing is left.
    fn forget(&mut self, pages: Range<u64>) -> Vec<ObjectId> {
        let before = self.parts.range(..pages.start).next_back().map_or(pages.start, |(start, _)| *start);
        let touched: Vec<(u64, Part)> =
            self.parts.range(before..pages.end).map(|(start, part)| (*start, *part)).collect();
        let mut gone = Vec::new();
        for (start, part) in touched.into_iter().filter(|(start, part)| start + part.pages > pages.start) {
            self.parts.remove(&start);
            let end = start + part.pages;
            for kept in [start..pages.start.min(end), pages.end.max(start)..end] {
                if !kept.is_empty() {
                    let first = part.first + (kept.start - start);
                    self.insert(kept.start, Part { pages: kept.end - kept.start, first, ..part });
                }
            }
            let left = self.objects.get_mut(&part.object).expect("it has parts");
            *left -= 1;
            if *left == 0 {
                self.objects.remove(&part.object);
                gone.push(part.object);
            }
        }
        gone
    }

    fn insert(&mut self, at: u64, part: Part) {
        self.parts.insert(at, part);
        *self.objects.entry(part.object).or_default() += 1;
    }

    /// Whether what is counted is what there is.
    pub fn check(&self) -> bool {
        let mut objects: BTreeMap<ObjectId, usize> = BTreeMap::new();
        self.parts.values().for_each(|part| *objects.entry(part.object).or_default() += 1);
        let starts: Vec<(u64, u64)> = self.parts.iter().map(|(start, part)| (*start, start + part.pages)).collect();
        objects == self.objects && starts.windows(2).all(|two| two[0].1 <= two[1].0)
    }
}

impl Vm {
    /// A shadow of these parts of frozen objects, one behind the other: an object of the default pager, with its memory.
    ///
    /// Errors: `ResourceShortage` too many objects, or no memory for one; there is none then.
    pub(super) fn shadow_create(&mut self, parts: &[FrozenPart], cx: &mut VmCx<'_>) -> Result<ObjectId, KernReturn> {
        if self.objects.len() >= OBJECTS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        let id = self.objects.insert(Object { paged: true, shadow: Shadow::of(parts), ..Object::new(true) });
        if let Err(code) = cx.pmap.object_create(id) {
            self.objects.remove(id);
            return Err(code);
        }
        for below in self.objects[id].shadow.objects().collect::<Vec<_>>() {
            let below_it = &mut self.objects[below];
            below_it.shadowed_by.insert(id);
            if below_it.mappings.is_empty() {
                self.can_collapse(below, cx.now);
            }
        }
        let size = parts.iter().map(|part| part.size).sum();
        cx.out.push(VmEvent::ToPager { object: id, call: ToPager::Create { size }, trace: Default::default() });
        Ok(id)
    }

    /// A frozen object is there for its shadows alone.
    pub(super) fn can_collapse(&mut self, frozen: ObjectId, now: Time) {
        self.page_out.collapsible.insert(frozen);
        self.collapse_soon(now);
    }

    /// Nothing is below these pages of an object any more.
    pub(super) fn uncover(&mut self, id: ObjectId, pages: Range<u64>, cx: &mut VmCx<'_>) {
        for below in self.objects[id].shadow.forget(pages) {
            self.unshadow(below, id, cx);
        }
    }

    /// `id` shadows a frozen object no more, which is gone if nobody else wants it.
    pub(super) fn unshadow(&mut self, frozen: ObjectId, id: ObjectId, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[frozen];
        object.shadowed_by.remove(&id);
        if object.shadowed_by.is_empty() {
            self.page_out.collapsible.remove(&frozen);
            if self.objects[frozen].mappings.is_empty() {
                self.forget(frozen, cx);
            }
        }
    }

    /// (6B): some pages of a frozen object that only shadows want come up, as many as there is room for, at most
    /// [`COLLAPSE_STEP_PAGES`]. Whether there are more.
    ///
    /// Source: spec [vm.pageout.17].
    pub(super) fn collapse_step(&mut self, cx: &mut VmCx<'_>) -> Found {
        let Some(frozen) = self.page_out.collapsible.first().copied().filter(|_| self.is_to_collapse()) else {
            return Found::Nothing;
        };
        if !self.objects[frozen].mappings.is_empty() {
            // It has been mapped again.
            self.page_out.collapsible.remove(&frozen);
            return Found::More;
        }
        let id = *self.objects[frozen].shadowed_by.first().expect("somebody shadows it");
        let room = self.room(Need::New).min(COLLAPSE_STEP_PAGES);
        let object = &self.objects[id];
        if room == 0 || object.left_alone_until > cx.now {
            return Found::Later;
        }
        let below = object.shadow.first().expect("it shadows something");
        let (from, first) = below.frozen.expect("that is what was looked for");
        let bytes = first * PAGE_SIZE..(first + below.pages.end - below.pages.start) * PAGE_SIZE;
        // What the frozen object has not got is zero, and so it is above without it.
        let held = cx.pmap.held(from, bytes.clone(), room * PAGE_SIZE).unwrap_or(bytes.end..bytes.end);
        let at = |byte: u64| below.pages.start + (byte - bytes.start) / PAGE_SIZE;
        let start = at(held.start);
        let end = at(held.end);
        let brought =
            self.bring_up(id, Below { pages: start..end, frozen: Some((from, first + start - below.pages.start)) }, cx);
        if brought.is_err() {
            return Found::Later;
        }
        self.uncover(id, below.pages.start..end, cx);
        Found::More
    }

    /// Makes pages the shadow's own that nobody has but what is below: they can be lost with it no more.
    ///
    /// Errors: memory is short.
    fn bring_up(&mut self, id: ObjectId, Below { pages, frozen }: Below, cx: &mut VmCx<'_>) -> Result<(), KernReturn> {
        let (from, first) = frozen.expect("something is below");
        let object = &mut self.objects[id];
        let own = |page: &u64| !object.stored.contains(*page);
        let (absent, here): (Vec<u64>, Vec<u64>) =
            pages.clone().filter(own).partition(|page| object.pages.get(*page) == Page::Absent);
        here.into_iter().for_each(|page| object.pages.update(page, |r| r.dirty = true));
        for (run, ()) in runs(absent.into_iter().map(|page| (page, ())), u64::MAX) {
            let filling = Filling::Shadowed(from, first + run.start - pages.start);
            self.install(id, run, Resident { dirty: true, ..Resident::default() }, filling, cx)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn what_is_below_is_found_and_forgotten_page_by_page() {
        let mut ids: SlotMap<ObjectId, ()> = SlotMap::with_key();
        let (a, b) = (ids.insert(()), ids.insert(()));
        let part =
            |object, first: u64, pages: u64| FrozenPart { object, offset: first * PAGE_SIZE, size: pages * PAGE_SIZE };
        let mut shadow = Shadow::of(&[part(a, 10, 4), part(b, 0, 2), part(a, 3, 4)]);
        let mut model: Vec<Option<(ObjectId, u64)>> = (10..14).map(|n| Some((a, n))).collect();
        model.extend((0..2).map(|n| Some((b, n))).chain((3..7).map(|n| Some((a, n)))));
        let agrees = |shadow: &Shadow, model: &[Option<(ObjectId, u64)>]| {
            let same = |(page, shown): (usize, &Option<(ObjectId, u64)>)| {
                let below = shadow.below(page as u64);
                below.frozen == *shown && below.pages.start == page as u64 && !below.pages.is_empty()
            };
            shadow.check() && model.iter().enumerate().all(same)
        };
        assert!(agrees(&shadow, &model));
        assert_eq!(shadow.below(1), Below { pages: 1..4, frozen: Some((a, 11)) });
        assert_eq!(shadow.below(10), Below { pages: 10..PAGES_MAX, frozen: None });
        assert_eq!(shadow.within(3..7), [(3..4, a, 13), (4..6, b, 0), (6..7, a, 3)]);
        assert_eq!((shadow.within(9..100), shadow.within(10..100)), (vec![(9..10, a, 6)], vec![]));
        for (pages, gone) in [(1..2, vec![]), (4..6, vec![b]), (3..5, vec![]), (0..8, vec![]), (7..20, vec![a])] {
            assert_eq!(shadow.forget(pages.clone()), gone, "{pages:?}");
            model.iter_mut().enumerate().filter(|(n, _)| pages.contains(&(*n as u64))).for_each(|(_, m)| *m = None);
            assert!(agrees(&shadow, &model), "{pages:?}");
        }
        assert_eq!((shadow.first(), shadow.objects().count()), (None, 0));
    }
}
