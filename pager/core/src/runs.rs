//! A sparse map from pages to values, kept as runs of pages that share one value.
//!
//! Invariants: runs are not empty and do not overlap. A value that means "nothing here" is not stored.

use std::collections::BTreeMap;

use crate::Pages;

/// A value that covers a run of pages and can be cut with it.
pub trait Cut {
    /// Cuts the value of a run after its first `at` pages: `self` keeps those, the rest is returned.
    fn cut(&mut self, at: u64) -> Self;
}

/// The map.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Runs<V> {
    runs: BTreeMap<u64, (u64, V)>,
}

impl<V> Default for Runs<V> {
    fn default() -> Self {
        Runs { runs: BTreeMap::new() }
    }
}

impl<V> Runs<V> {
    /// Number of runs.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether no page has a value.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run that `page` lies in, with its value.
    pub fn get(&self, page: u64) -> Option<(Pages, &V)> {
        let (&start, (end, value)) = self.runs.range(..=page).next_back()?;
        (page < *end).then_some((Pages::new(start, *end), value))
    }

    /// All runs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Pages, &V)> {
        self.runs.iter().map(|(&start, (end, value))| (Pages::new(start, *end), value))
    }

    /// All runs, in order, with their values to change. What became nothing stays until it is joined away.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Pages, &mut V)> {
        self.runs.iter_mut().map(|(&start, (end, value))| (Pages::new(start, *end), value))
    }

    /// The runs that have a page of `pages`, in order; the first and last may reach beyond it.
    pub fn overlapping(&self, pages: Pages) -> impl Iterator<Item = (Pages, &V)> {
        let first = self.get(pages.start).map_or(pages.start, |(run, _)| run.start);
        let range = if pages.is_empty() { 0..0 } else { first..pages.end };
        self.runs.range(range).map(|(&start, (end, value))| (Pages::new(start, *end), value))
    }

    /// The parts of `pages` that no run covers, in order.
    pub fn gaps(&self, pages: Pages) -> Vec<Pages> {
        let (mut at, mut gaps) = (pages.start, Vec::new());
        for (run, _) in self.overlapping(pages) {
            if run.start > at {
                gaps.push(Pages::new(at, run.start));
            }
            at = run.end;
        }
        if at < pages.end {
            gaps.push(Pages::new(at, pages.end));
        }
        gaps
    }
}

impl<V: Cut> Runs<V> {
    /// Gives `value` to `pages`, in place of whatever runs there were.
    pub fn set(&mut self, pages: Pages, value: V) {
        self.remove(pages);
        if !pages.is_empty() {
            self.runs.insert(pages.start, (pages.end, value));
        }
    }

    /// Takes the values of `pages` away, cut to it.
    pub fn remove(&mut self, pages: Pages) -> Vec<(Pages, V)> {
        self.isolate(pages);
        let starts: Vec<u64> = self.overlapping(pages).map(|(run, _)| run.start).collect();
        let take = |start: u64| self.runs.remove(&start).map(|(end, value)| (Pages::new(start, end), value));
        starts.into_iter().filter_map(take).collect()
    }

    /// Calls `change` on each run in `pages`, cut to it.
    pub fn change(&mut self, pages: Pages, mut change: impl FnMut(Pages, &mut V)) {
        self.isolate(pages);
        if !pages.is_empty() {
            for (&start, (end, value)) in self.runs.range_mut(pages.start..pages.end) {
                change(Pages::new(start, *end), value);
            }
        }
    }

    /// Makes run bounds of the bounds of `pages`.
    fn isolate(&mut self, pages: Pages) {
        if !pages.is_empty() {
            self.split(pages.start);
            self.split(pages.end);
        }
    }

    fn split(&mut self, at: u64) {
        let Some((&start, (end, value))) = self.runs.range_mut(..at).next_back() else { return };
        if at < *end {
            let rest = (*end, value.cut(at - start));
            *end = at;
            self.runs.insert(at, rest);
        }
    }
}

impl<V: Cut + Default + PartialEq> Runs<V> {
    /// As [`Runs::change`], with a default value for the pages that have none.
    pub fn update(&mut self, pages: Pages, change: impl FnMut(Pages, &mut V)) {
        for gap in self.gaps(pages) {
            self.runs.insert(gap.start, (gap.end, V::default()));
        }
        self.change(pages, change);
    }

    /// Joins neighbours of equal value in and around `pages`, and forgets the runs that are nothing (the default).
    pub fn join(&mut self, pages: Pages) {
        let around = Pages::new(pages.start.saturating_sub(1), pages.end.saturating_add(1));
        let starts: Vec<u64> = self.overlapping(around).map(|(run, _)| run.start).collect();
        let mut last: Option<u64> = None;
        for start in starts {
            let Some((end, value)) = self.runs.remove(&start) else { continue };
            if value == V::default() {
                continue;
            }
            match last.and_then(|l| self.runs.get_mut(&l)) {
                Some(left) if left.0 == start && left.1 == value => left.0 = end,
                _ => {
                    self.runs.insert(start, (end, value));
                    last = Some(start);
                }
            }
        }
    }

    /// Joins neighbours no more than `gap` pages apart into one run with the value that `unite` makes of theirs, where
    /// it makes one. Pages between them get that value too.
    pub fn coarsen(&mut self, gap: u64, unite: impl Fn(&V, &V) -> Option<V>) {
        let mut out: BTreeMap<u64, (u64, V)> = BTreeMap::new();
        for (start, (end, value)) in std::mem::take(&mut self.runs) {
            if let Some(mut last) = out.last_entry() {
                let left = last.get_mut();
                if start - left.0 <= gap
                    && let Some(both) = unite(&left.1, &value)
                {
                    *left = (end, both);
                    continue;
                }
            }
            out.insert(start, (end, value));
        }
        self.runs = out;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value that knows which page it began at, so that a wrong cut shows.
    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    struct Tag {
        kind: u8,
        cuts: bool,
        first: u64,
    }

    impl Cut for Tag {
        fn cut(&mut self, at: u64) -> Tag {
            Tag { first: if self.cuts { self.first + at } else { self.first }, ..*self }
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Set(Pages, u8),
        Remove(Pages),
        Update(Pages, u8),
        Join(Pages),
    }

    const N: u64 = 40;

    fn pages() -> impl Strategy<Value = Pages> {
        (0..N, 0..N).prop_map(|(a, b)| Pages::new(a.min(b), a.max(b)))
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (pages(), 1..4u8).prop_map(|(p, k)| Op::Set(p, k)),
            pages().prop_map(Op::Remove),
            (pages(), 0..4u8).prop_map(|(p, k)| Op::Update(p, k)),
            pages().prop_map(Op::Join),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

        /// Runs behave as one value to a page does.
        #[test]
        fn runs_agree_with_a_value_per_page(ops in proptest::collection::vec(op(), 1..40)) {
            let mut runs: Runs<Tag> = Runs::default();
            let mut naive: Vec<Option<u8>> = vec![None; N as usize];
            for op in ops {
                match op {
                    Op::Set(p, kind) => {
                        runs.set(p, Tag { kind, cuts: false, first: 0 });
                        (p.start..p.end).for_each(|i| naive[i as usize] = Some(kind));
                    }
                    Op::Remove(p) => {
                        let mut covered = 0;
                        for (run, _) in runs.remove(p) {
                            prop_assert!(run.start >= p.start && run.end <= p.end);
                            covered += run.len();
                        }
                        let there = (p.start..p.end).filter(|i| naive[*i as usize].take().is_some()).count();
                        prop_assert_eq!(covered, there as u64);
                    }
                    Op::Update(p, kind) => {
                        runs.update(p, |_, v| v.kind = kind);
                        (p.start..p.end).for_each(|i| naive[i as usize] = Some(kind));
                    }
                    Op::Join(p) => {
                        runs.join(p);
                        // Joining forgets default values around `p`; a value per page cannot tell them from none.
                        naive.iter_mut().filter(|v| **v == Some(0)).for_each(|v| *v = None);
                        runs.join(Pages::new(0, N));
                        let mut last: Option<(Pages, Tag)> = None;
                        for (run, v) in runs.iter() {
                            prop_assert!(last.as_ref().is_none_or(|(l, lv)| l.end < run.start || lv != v));
                            last = Some((run, v.clone()));
                        }
                    }
                }
                for i in 0..N {
                    prop_assert_eq!(runs.get(i).map(|(_, v)| v.kind), naive[i as usize], "page {}", i);
                }
                let mut end = 0;
                for (run, _) in runs.iter() {
                    prop_assert!(run.start >= end && !run.is_empty());
                    end = run.end;
                }
                let all = Pages::new(0, N);
                let gaps: u64 = runs.gaps(all).iter().map(|g| g.len()).sum();
                prop_assert_eq!(gaps, naive.iter().filter(|v| v.is_none()).count() as u64);
            }
        }

        /// A value that covers bytes is cut where its run is.
        #[test]
        fn a_cut_value_keeps_its_place(p in pages(), cuts in proptest::collection::vec(pages(), 0..8)) {
            let mut runs: Runs<Tag> = Runs::default();
            runs.set(p, Tag { kind: 1, cuts: true, first: p.start });
            for c in cuts {
                runs.change(c, |_, _| ());
            }
            for (run, v) in runs.iter() {
                prop_assert_eq!(v.first, run.start);
            }
        }
    }

    #[test]
    fn coarsening_joins_what_can_be_united() {
        let mut runs: Runs<Tag> = Runs::default();
        let tag = |kind| Tag { kind, ..Tag::default() };
        for (i, kind) in [(0, 1), (2, 1), (4, 2), (40, 1)] {
            runs.set(Pages::new(i, i + 1), tag(kind));
        }
        runs.coarsen(1, |a, b| (a.kind == b.kind).then(|| a.clone()));
        let all: Vec<_> = runs.iter().map(|(p, v)| (p.start, p.end, v.kind)).collect();
        assert_eq!(all, [(0, 3, 1), (4, 5, 2), (40, 41, 1)]);
    }
}
