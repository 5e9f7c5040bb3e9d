//! Shadow objects: copies whose pages can leave, and come up out of what they are copies of.
//!
//! What a task maps of frozen memory is Linux's alone, or, when the node has a limit and that would be too much of it, an
//! anonymous object of the default pager that *shadows* parts of frozen objects. What a forked child has of its parent's
//! anonymous memory shadows that, if it is the default pager's. A page of a shadow that nobody has is what the object below
//! shows there; it comes up when a thread touches it, and from then on is the shadow's.
//!
//! (6A) A page that came up and was not written goes without a word, and comes up again. (6B) A frozen object that no map
//! shows any more is kept for its shadows alone. When there is too much in memory it *collapses* into them: its pages come
//! up as written ones, which leave as such, and with the last of them it is gone. (6C) What is below and is not frozen is
//! *guarded*: its pages are locked against writing, and before a thread writes to one, it comes up into each shadow that has it
//! not. (6D) What is below may have left itself: then its pager is asked, and the page comes up when it has come.
//!
//! Frozen memory shadows nothing, and a shadow is never frozen, but copied when it is sent. So the only chains are those
//! of a process's ancestors, which are of bounded length.
//!
//! Invariants:
//! 1. An object knows the objects that shadow it, and they know it.
//! 2. What is frozen, and shown by no map, and shadowed, is among what can collapse.
//! 3. A page below of an object that is not frozen is locked against writing, or each shadow has one of its own.
//!
//! Spec: [vm.pageout.15] to [vm.pageout.18], [vm.inherit.8].

use std::collections::BTreeMap;
use std::ops::Range;

use proto::limits::COLLAPSE_STEP_PAGES;
use proto::{KernReturn, PAGE_SIZE, Prot};

use super::clock::Found;
use super::copy::FrozenPart;
use super::fault::fault_around;
use super::memory_object::Filling;
use super::page::{PAGES_MAX, Page, Resident, runs};
use super::pageout::Need;
use super::{ObjectId, Vm, VmCx};
use crate::Time;

/// What an object shadows: parts of others, by the first of its own pages.
#[derive(Default)]
pub(super) struct Shadow {
    parts: BTreeMap<u64, Part>,
    /// How many parts there are of each object.
    objects: BTreeMap<ObjectId, usize>,
}

/// Pages of an object below.
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
    /// Another object, and the page of it that is below the first; `None` where there is none.
    pub object: Option<(ObjectId, u64)>,
}

/// What a page begins as that nobody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    /// Zeroes.
    Zero,
    /// A copy of this page of an object.
    Copy(ObjectId, u64),
    /// The same, once that object's pager has brought it.
    Awaited(ObjectId, u64),
    /// Nothing: what is below has changed before it was had.
    Lost,
}

impl Beginning {
    /// The same, so many pages on.
    pub fn ahead(self, pages: u64) -> Beginning {
        match self {
            Beginning::Copy(object, page) => Beginning::Copy(object, page + pages),
            Beginning::Awaited(object, page) => Beginning::Awaited(object, page + pages),
            Beginning::Zero | Beginning::Lost => self,
        }
    }
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

    /// The objects below.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.objects.keys().copied()
    }

    /// What is below `page` and, without a break, behind it.
    pub fn below(&self, page: u64) -> Below {
        if let Some((start, part)) = self.parts.range(..=page).next_back()
            && page < start + part.pages
        {
            return Below { pages: page..start + part.pages, object: Some((part.object, part.first + page - start)) };
        }
        let next = self.parts.range(page..).next().map_or(PAGES_MAX, |(start, _)| *start);
        Below { pages: page..next, object: None }
    }

    /// What is below pages of a range.
    pub fn within(&self, pages: Range<u64>) -> Vec<(Range<u64>, ObjectId, u64)> {
        let (mut at, mut out) = (pages.start, Vec::new());
        while at < pages.end {
            let below = self.below(at);
            let run = at..below.pages.end.min(pages.end);
            at = run.end;
            out.extend(below.object.map(|(object, first)| (run, object, first)));
        }
        out
    }

    /// The first pages that something is below.
    fn first(&self) -> Option<Below> {
        self.parts.keys().next().map(|start| self.below(*start))
    }

    /// Nothing is below these pages any more; the objects of which nothing is left.
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

    /// The pages above one of an object below.
    fn above(&self, object: ObjectId, page: u64) -> impl Iterator<Item = u64> + '_ {
        let of_it = self.parts.iter().filter(move |(_, part)| part.object == object);
        of_it.filter_map(move |(start, part)| {
            page.checked_sub(part.first).filter(|n| *n < part.pages).map(|n| start + n)
        })
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
    /// A shadow of these parts of objects, one behind the other: an object of the default pager, with its memory. What is not
    /// frozen below is guarded from now on.
    ///
    /// Errors: as [`Vm::internal_create`].
    pub(super) fn shadow_create(&mut self, parts: &[FrozenPart], cx: &mut VmCx<'_>) -> Result<ObjectId, KernReturn> {
        let size = parts.iter().map(|part| part.size).sum();
        let id = self.internal_create(size, Some(Shadow::of(parts)), cx)?;
        for below in self.objects[id].shadow.objects().collect::<Vec<_>>() {
            let object = &mut self.objects[below];
            object.shadowed_by.insert(id);
            if object.is_native() && object.mappings.is_empty() {
                self.can_collapse(below, cx.now);
            }
        }
        for part in parts.iter().filter(|part| !self.objects[part.object].is_native()).collect::<Vec<_>>() {
            let first = part.offset / PAGE_SIZE;
            self.guard(part.object, first..first + part.size / PAGE_SIZE, cx);
        }
        Ok(id)
    }

    /// (6C): no thread writes to these pages any more without a fault.
    fn guard(&mut self, id: ObjectId, pages: Range<u64>, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        let here: Vec<(u64, Resident)> =
            object.pages.present(pages).filter_map(|(page, state)| Some((page, state.resident()?))).collect();
        for (page, _) in &here {
            object.pages.update(*page, |r| r.lock.write = true);
        }
        let written = here.iter().filter(|(_, r)| r.dirty).map(|(page, _)| (*page, ()));
        for (run, ()) in runs(written, u64::MAX) {
            self.protect_everywhere(id, &run, cx);
        }
    }

    /// How many objects of pagers are below one another below this one.
    pub(super) fn depth(&self, mut id: ObjectId) -> usize {
        let paged = |id: &ObjectId| !self.objects[*id].is_native();
        let mut depth = 0;
        while let Some(below) = self.objects[id].shadow.objects().find(paged) {
            (id, depth) = (below, depth + 1);
        }
        depth
    }

    /// What a page begins as that nobody has.
    pub(super) fn beginning(&self, mut id: ObjectId, mut page: u64) -> Beginning {
        loop {
            if self.objects[id].lost.contains(page) {
                return Beginning::Lost;
            }
            let Some((below, at)) = self.objects[id].shadow.below(page).object else { return Beginning::Zero };
            let object = &self.objects[below];
            match object.pages.get(at) {
                _ if object.is_native() => return Beginning::Copy(below, at),
                Page::Resident(_) => return Beginning::Copy(below, at),
                Page::Requested { .. } => return Beginning::Awaited(below, at),
                Page::Absent if object.stored.contains(at) => return Beginning::Awaited(below, at),
                Page::Absent => (id, page) = (below, at),
            }
        }
    }

    /// (6D): the page of a shadow comes up when that of the object below has come, which its pager is asked for.
    pub(super) fn lift(&mut self, (below, at): (ObjectId, u64), id: ObjectId, page: u64, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        object.unasked.retain(|other| *other != page);
        let trace =
            object.waits.get(&page).and_then(|wait| wait.waiters.first()).map_or(Default::default(), |w| w.trace);
        let object = &mut self.objects[below];
        object.lifts.entry(at).or_default().insert((id, page));
        if object.pages.get(at) == Page::Absent {
            self.request(below, at, Prot::READ, trace, cx);
        }
    }

    /// Pages have come that shadows wait for, or will not come.
    pub(super) fn lifted(&mut self, id: ObjectId, pages: Range<u64>, came: bool, cx: &mut VmCx<'_>) {
        let due: Vec<u64> = self.objects[id].lifts.range(pages).map(|(page, _)| *page).collect();
        for page in due {
            for (above, at) in self.objects[id].lifts.remove(&page).into_iter().flatten() {
                let Some(object) = self.objects.get(above) else { continue };
                match object.waits.contains_key(&at) {
                    _ if !came => self.fail(above, at, cx),
                    // Room or not: what has come for it could have left again before there is some.
                    true => drop(self.fill_untouched(above, at, cx)),
                    false => {}
                }
            }
        }
    }

    /// (6C): a thread is about to write to a page that is here. Whoever shadows it has it as it is when this returns, and it is
    /// guarded no more; nor are those behind it, where the one before was written to: they are likely to be next. Where there
    /// is no memory for that, by far, it is the shadow that loses the page: the write was granted long ago, and Linux has no way
    /// to refuse it for now.
    pub(super) fn unguard(&mut self, id: ObjectId, page: u64, cx: &mut VmCx<'_>) {
        let object = &self.objects[id];
        let written = |p: u64| object.pages.get(p).resident().is_some_and(|r| r.dirty && !r.lock.write);
        let pages = match page > 0 && written(page - 1) {
            // Where nobody shadows it any more, what is around it is not guarded any more, either.
            _ if object.shadowed_by.is_empty() => fault_around(page),
            true => page..fault_around(page).end,
            false => page..page + 1,
        };
        // Of one that its task has taken out of the object it is found out when that is touched.
        let guarded = object.pages.present(pages).filter(|(_, state)| state.resident().is_some_and(|r| r.lock.write));
        let others = guarded.map(|(other, _)| other).filter(|p| *p != page && cx.pmap.is_present(id, p * PAGE_SIZE));
        for page in std::iter::once(page).chain(others.collect::<Vec<u64>>()) {
            for (above, at) in self.above(id, page) {
                let limit = self.config.memory_limit_bytes / PAGE_SIZE;
                let room = self.page_out.resident < limit + limit / COPIES_PART;
                let absent = self.objects[above].pages.get(at) == Page::Absent;
                if absent && !room || self.bring_up(above, at..at + 1, cx).is_err() {
                    self.counters.memory_refused += u64::from(self.lose(above, at));
                }
            }
            self.objects[id].pages.update(page, |r| r.lock.write = false);
        }
    }

    /// Whether a page of an object waits for being copied up before anybody writes to it.
    pub(super) fn is_guarded(&self, id: ObjectId, page: Resident) -> bool {
        self.objects[id].paged && page.lock.write
    }

    /// The task of a page has taken it out of the object: whoever shadows it and has it not has lost it.
    pub(super) fn lose_above(&mut self, id: ObjectId, page: u64) {
        for (above, at) in self.above(id, page) {
            self.lose(above, at);
        }
    }

    /// What is below a page is no more what it was. A shadow that has no page of its own has none any more; whether that is so
    /// from now on.
    fn lose(&mut self, id: ObjectId, page: u64) -> bool {
        let object = &mut self.objects[id];
        if object.pages.get(page).resident().is_some() {
            object.pages.update(page, |r| r.dirty = true);
        } else if !object.stored.contains(page) && !object.lost.contains(page) {
            object.lost.insert(page);
            return true;
        }
        false
    }

    /// The pages of shadows that a page is below.
    pub(super) fn above(&self, id: ObjectId, page: u64) -> Vec<(ObjectId, u64)> {
        let shadows = self.objects[id].shadowed_by.iter();
        shadows.flat_map(|above| self.objects[*above].shadow.above(id, page).map(move |at| (*above, at))).collect()
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

    /// `id` shadows an object no more, which is gone if nobody else wants it.
    pub(super) fn unshadow(&mut self, below: ObjectId, id: ObjectId, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[below];
        object.shadowed_by.remove(&id);
        object.lifts.retain(|_, above| {
            above.retain(|(other, _)| *other != id);
            !above.is_empty()
        });
        if object.shadowed_by.is_empty() {
            self.page_out.collapsible.remove(&below);
            if self.objects[below].mappings.is_empty() {
                self.unreferenced(below, cx);
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
        let (from, first) = below.object.expect("that is what was looked for");
        let bytes = first * PAGE_SIZE..(first + below.pages.end - below.pages.start) * PAGE_SIZE;
        // What the frozen object has not got is zero, and so it is above without it.
        let held = cx.pmap.held(from, bytes.clone(), room * PAGE_SIZE).unwrap_or(bytes.end..bytes.end);
        let at = |byte: u64| below.pages.start + (byte - bytes.start) / PAGE_SIZE;
        let end = at(held.end);
        if self.bring_up(id, at(held.start)..end, cx).is_err() {
            return Found::Later;
        }
        self.uncover(id, below.pages.start..end, cx);
        Found::More
    }

    /// Makes pages of a shadow its own that nobody has but what is below, all of which is there: they can be lost with it no more.
    ///
    /// Errors: memory is short.
    fn bring_up(&mut self, id: ObjectId, pages: Range<u64>, cx: &mut VmCx<'_>) -> Result<(), KernReturn> {
        let object = &mut self.objects[id];
        let own = |page: &u64| !object.stored.contains(*page) && !object.lost.contains(*page);
        let (absent, here): (Vec<u64>, Vec<u64>) =
            pages.filter(own).partition(|page| object.pages.get(*page) == Page::Absent);
        here.into_iter().for_each(|page| object.pages.update(page, |r| r.dirty = true));
        let mut runs: Vec<(Range<u64>, Beginning)> = Vec::new();
        for page in absent {
            let begins = self.beginning(id, page);
            match runs.last_mut() {
                Some((run, first)) if run.end == page && first.ahead(page - run.start) == begins => run.end += 1,
                _ => runs.push((page..page + 1, begins)),
            }
        }
        for (run, begins) in runs {
            let filling = Filling::of(begins).ok_or(KernReturn::MemoryError)?;
            self.install(id, run, Resident { dirty: true, ..Resident::default() }, filling, cx)?;
        }
        Ok(())
    }
}

/// Copies for shadows, which nobody can wait for, may take this part of the limit beyond it.
pub(super) const COPIES_PART: u64 = 2;

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
                below.object == *shown && below.pages.start == page as u64 && !below.pages.is_empty()
            };
            shadow.check() && model.iter().enumerate().all(same)
        };
        assert!(agrees(&shadow, &model));
        assert_eq!(shadow.below(1), Below { pages: 1..4, object: Some((a, 11)) });
        assert_eq!(shadow.below(10), Below { pages: 10..PAGES_MAX, object: None });
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
