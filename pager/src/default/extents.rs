//! Free space of the swap file: pure arithmetic on units.
//!
//! Invariants: (1) free extents do not touch each other, nor the end; (2) both maps have the same extents; (3) the end is
//! never beyond the limit.

use std::collections::{BTreeMap, BTreeSet};

/// Which units of a file are free.
#[derive(Debug)]
pub(super) struct Extents {
    /// Length by first unit.
    by_start: BTreeMap<u64, u64>,
    /// Length and first unit, so that the smallest that fits is found.
    by_length: BTreeSet<(u64, u64)>,
    /// No unit from here on was given out and not taken back.
    end: u64,
    limit: u64,
    used: u64,
}

impl Extents {
    /// All of `limit` units are free.
    pub fn new(limit: u64) -> Extents {
        Extents { by_start: BTreeMap::new(), by_length: BTreeSet::new(), end: 0, limit, used: 0 }
    }

    /// Gives out `length` units in a row: the smallest gap that is large enough, else what comes behind the end.
    /// `None` if there are none.
    pub fn allocate(&mut self, length: u64) -> Option<u64> {
        assert!(length > 0, "an extent has a length");
        let start = match self.by_length.range((length, 0)..).next().copied() {
            Some((found, start)) => {
                self.remove(start, found);
                if found > length {
                    self.insert(start + length, found - length);
                }
                start
            }
            None if self.limit - self.end >= length => {
                self.end += length;
                self.end - length
            }
            None => return None,
        };
        self.used += length;
        Some(start)
    }

    /// Takes units back that were given out.
    pub fn free(&mut self, start: u64, length: u64) {
        assert!(start + length <= self.end, "it was given out");
        self.used -= length;
        let (mut start, mut length) = (start, length);
        if let Some((&before, &len)) = self.by_start.range(..start).next_back() {
            assert!(before + len <= start, "it is taken back once");
            if before + len == start {
                self.remove(before, len);
                (start, length) = (before, length + len);
            }
        }
        if let Some(&len) = self.by_start.get(&(start + length)) {
            self.remove(start + length, len);
            length += len;
        }
        if start + length == self.end {
            self.end = start;
        } else {
            self.insert(start, length);
        }
    }

    /// Units that are given out.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// One past the last of them.
    pub fn end(&self) -> u64 {
        self.end
    }

    fn insert(&mut self, start: u64, length: u64) {
        self.by_start.insert(start, length);
        self.by_length.insert((length, start));
    }

    fn remove(&mut self, start: u64, length: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_gap_is_taken_and_the_end_falls_back() {
        let mut e = Extents::new(10);
        assert_eq!((e.allocate(4), e.allocate(1), e.allocate(2), e.allocate(1)), (Some(0), Some(4), Some(5), Some(7)));
        e.free(0, 4);
        e.free(5, 2);
        assert_eq!(e.allocate(2), Some(5), "and not the first four");
        assert_eq!((e.allocate(5), e.allocate(4), e.allocate(3)), (None, Some(0), None));
        e.free(5, 2);
        e.free(7, 1);
        assert_eq!((e.end(), e.used()), (5, 5));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against one flag for each unit.
        #[test]
        fn nothing_is_given_out_twice_and_nothing_is_lost(
            steps in prop::collection::vec((any::<bool>(), any::<u16>(), 1..17_u64), 1..300),
        ) {
            let (mut e, mut used, mut out) = (Extents::new(200), [false; 200], Vec::new());
            for (take, which, length) in steps {
                if take || out.is_empty() {
                    match e.allocate(length) {
                        Some(start) => {
                            let part = &mut used[start as usize..(start + length) as usize];
                            prop_assert!(part.iter().all(|u| !u));
                            part.fill(true);
                            out.push((start, length));
                        }
                        None => {
                            let gap = used.split(|u| *u).map(<[bool]>::len).max();
                            prop_assert!(gap.is_none_or(|g| (g as u64) < length), "there was room");
                        }
                    }
                } else {
                    let (start, length) = out.swap_remove(which as usize % out.len());
                    used[start as usize..(start + length) as usize].fill(false);
                    e.free(start, length);
                }
                prop_assert_eq!(e.used(), used.iter().filter(|u| **u).count() as u64);
                prop_assert_eq!(e.end(), used.iter().rposition(|u| *u).map_or(0, |last| last as u64 + 1));
            }
        }
    }
}
