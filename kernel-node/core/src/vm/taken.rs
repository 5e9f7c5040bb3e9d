//! The addresses of a map that are not free, as the runs that they make up: what lies side by side is one.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint runs that do not touch each other, start to end.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Taken {
    runs: BTreeMap<u64, u64>,
}

impl Taken {
    /// Takes a range, which is free and not empty.
    pub fn add(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if let Some((&before, &its_end)) = self.runs.range(..start).next_back()
            && its_end == start
        {
            start = before;
        }
        if let Some(behind) = self.runs.remove(&end) {
            end = behind;
        }
        self.runs.insert(start, end);
    }

    /// Frees a range, all of which is taken.
    pub fn remove(&mut self, range: Range<u64>) {
        let (&start, &end) = self.runs.range(..=range.start).next_back().expect("it is taken");
        assert!(range.end <= end, "all of it is taken");
        self.runs.remove(&start);
        if start < range.start {
            self.runs.insert(start, range.start);
        }
        if range.end < end {
            self.runs.insert(range.end, end);
        }
    }

    /// The highest run that begins below an address.
    pub fn below(&self, address: u64) -> Option<Range<u64>> {
        self.runs.range(..address).next_back().map(|(start, end)| *start..*end)
    }

    /// Whether a free range would go on a run, or be the first.
    pub fn touches(&self, range: &Range<u64>) -> bool {
        let ends_there = self.below(range.start).is_some_and(|run| run.end == range.start);
        ends_there || self.runs.contains_key(&range.end) || self.runs.is_empty()
    }

    /// How many holes there are between the runs.
    pub fn holes(&self) -> usize {
        self.runs.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a bit for each address.
        #[test]
        fn runs_are_what_is_taken(ranges in prop::collection::vec((0u64..60, 1u64..8), 0..60)) {
            let (mut taken, mut bits) = (Taken::default(), [false; 70]);
            for (start, size) in ranges {
                let range = start..start + size;
                let of = |bits: &[bool; 70]| bits[start as usize..(start + size) as usize].to_vec();
                if of(&bits).iter().all(|bit| !bit) {
                    let holes = taken.holes();
                    let more = usize::from(!taken.touches(&range));
                    taken.add(range.clone());
                    bits[start as usize..range.end as usize].fill(true);
                    prop_assert!(taken.holes() <= holes + more);
                } else if of(&bits).iter().all(|bit| *bit) {
                    taken.remove(range.clone());
                    bits[start as usize..range.end as usize].fill(false);
                }
                let mut runs: Vec<Range<u64>> = Vec::new();
                (0..70u64).filter(|at| bits[*at as usize]).for_each(|at| proto::ranges::join(&mut runs, at..at + 1));
                let found: Vec<_> = taken.runs.iter().map(|(start, end)| *start..*end).collect();
                prop_assert_eq!(&found, &runs);
                prop_assert_eq!(taken.holes(), runs.len().saturating_sub(1));
                prop_assert_eq!(taken.below(start), runs.into_iter().rfind(|run| run.start < start));
            }
        }
    }
}
