//! What a task has filled in small pages, of which large ones are made when it is through with them. Pure.

use std::ops::Range;

use proto::ranges;
use proto::vm::LARGE_PAGE_SIZE;

/// Parts of a file that its task filled itself, or is about to, in order. Bytes; all of it whole large pages.
#[derive(Default, Debug)]
pub struct Behind(Vec<Range<u64>>);

impl Behind {
    /// The task has come to these by itself; they lie behind those that were added before. There may be none.
    pub fn add(&mut self, part: Range<u64>) {
        if !part.is_empty() {
            ranges::join(&mut self.0, part);
        }
    }

    /// Takes what is next and full, at most `most` bytes one behind the other. `full` says of a large page whether all of it is
    /// in memory. Who fills in order fills these in order.
    pub fn take_full(&mut self, full: impl Fn(u64) -> bool, most: u64) -> Option<Range<u64>> {
        let first = self.0.first_mut()?;
        let (start, to) = (first.start, first.end.min(first.start + most));
        while first.start < to && full(first.start) {
            first.start += LARGE_PAGE_SIZE;
        }
        let taken = start..first.start;
        if first.is_empty() {
            self.0.remove(0);
        }
        (!taken.is_empty()).then_some(taken)
    }

    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const L: u64 = LARGE_PAGE_SIZE;

    #[test]
    fn vm_large_5_what_is_full_is_taken_once_and_in_order() {
        let (mut behind, mut taken) = (Behind::default(), Vec::new());
        [0..L, L..L, 9 * L..10 * L, 10 * L..13 * L].into_iter().for_each(|part| behind.add(part));
        let mut take = |behind: &mut Behind, filled: u64| {
            while let Some(part) = behind.take_full(|page| page + L <= filled, 2 * L) {
                taken.push((part.start / L, part.end / L));
            }
            std::mem::take(&mut taken)
        };
        assert_eq!(take(&mut behind, L - 1), []);
        assert_eq!(take(&mut behind, 11 * L), [(0, 1), (9, 11)]);
        assert_eq!((take(&mut behind, 13 * L - 1), behind.is_empty()), (vec![(11, 12)], false));
        assert_eq!((take(&mut behind, 13 * L), behind.is_empty()), (vec![(12, 13)], true));
    }
}
