//! How far a task has filled memory in order, and which large pages of it are to be made next. Pure.

use std::ops::Range;

use proto::PAGE_SIZE;
use proto::vm::LARGE_PAGE_SIZE;

/// How far a file is filled by a task that does so in order. Bytes; both are borders of large pages.
#[derive(Debug)]
pub struct Front {
    /// Of the file.
    size: u64,
    /// Before it all is the task's, or was brought.
    next: u64,
}

/// What is to be done.
#[derive(PartialEq, Eq, Debug)]
pub enum Look {
    /// The task has not come there.
    Nothing,
    /// To make these large pages.
    Bring(Range<u64>),
    /// There are none to be made any more.
    Done,
}

impl Front {
    /// Of a file that nobody has touched.
    pub fn new(size: u64) -> Front {
        Front { size: size - size % LARGE_PAGE_SIZE, next: 0 }
    }

    /// What is to be brought. `holds` says whether so many pages from an offset on are in memory, and `most` how many bytes there
    /// is room for.
    ///
    /// As much may be ahead of the task as it has behind it. It fills the first large page itself, and so it does the one behind
    /// what was brought: more is brought when it has filled half of that. What it touches of a large page that was brought
    /// cannot be told.
    pub fn look(&mut self, holds: impl Fn(u64, u64) -> bool, most: impl FnOnce() -> u64) -> Look {
        if self.next >= self.size {
            return Look::Done;
        }
        if !holds(self.next, RUN_PAGES) || !holds(self.next + LARGE_PAGE_SIZE / 2, 1) {
            return Look::Nothing;
        }
        let mut at = self.next + LARGE_PAGE_SIZE;
        while at < self.size && holds(at, 1) {
            at += LARGE_PAGE_SIZE;
        }
        let size = at.min(AHEAD_BYTES_MAX).min(most()).min(self.size - at) / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE;
        if size == 0 {
            return Look::Done;
        }
        self.next = at + size;
        Look::Bring(at..self.next)
    }
}

/// So many pages from the border of a large page on are no accident.
const RUN_PAGES: u64 = (64 << 10) / PAGE_SIZE;
/// No more is brought ahead of a task.
pub const AHEAD_BYTES_MAX: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const L: u64 = LARGE_PAGE_SIZE;
    const ALL: u64 = u64::MAX;

    /// A file with so many bytes in memory.
    fn held(to: u64) -> impl Fn(u64, u64) -> bool {
        move |offset, pages| offset + pages * PAGE_SIZE <= to
    }

    fn pages(look: Look) -> Option<(u64, u64)> {
        let Look::Bring(range) = look else { return None };
        Some((range.start / L, range.end / L))
    }

    #[test]
    fn vm_large_1_who_fills_in_order_has_ever_more_brought_ahead() {
        let mut front = Front::new(90 * L + 5);
        let mut held = |to: u64| pages(front.look(held(to), || ALL));
        assert_eq!([held(0), held(L / 2)], [None, None], "half of a large page is his own");
        assert_eq!(held(L / 2 + PAGE_SIZE), Some((1, 2)));
        assert_eq!([held(2 * L), held(2 * L + L / 2)], [None, None], "he is in what was brought");
        assert_eq!(held(3 * L - PAGE_SIZE), Some((3, 6)));
        assert_eq!(held(7 * L), Some((7, 14)));
        // Quicker than what is brought.
        assert_eq!(held(20 * L + PAGE_SIZE), Some((21, 37)));
        assert_eq!([held(37 * L), held(38 * L)], [None, Some((38, 54))], "at most so much is ahead");
        assert_eq!([held(80 * L), held(91 * L)], [Some((80, 90)), None], "to the end");
    }

    #[test]
    fn vm_large_2_here_and_there_is_not_in_order() {
        let mut front = Front::new(200 * L);
        let mut held = |holds: fn(u64, u64) -> bool| pages(front.look(holds, || ALL));
        assert_eq!(held(|offset, pages| offset % (64 << 10) == 0 && pages == 1), None);
        assert_eq!(held(|offset, _| offset >= L), None, "from the end on, or the middle");
        assert_eq!(held(|offset, _| offset < L / 2), None);
        assert_eq!(held(|offset, _| offset < L), Some((1, 2)));
        // A page of each large one from then on.
        assert_eq!(held(|offset, pages| offset < 2 * L || offset % L == 0 && pages == 1), None);
        assert_eq!(held(|offset, pages| offset < 2 * L || offset % L <= L / 2 && pages == 1), None);
    }

    #[test]
    fn vm_large_3_no_more_than_there_is_room_for() {
        let mut front = Front::new(200 * L);
        let mut held = |to: u64, most: u64| front.look(held(to), || most);
        assert_eq!(pages(held(20 * L, 3 * L + 1)), Some((20, 23)));
        assert_eq!(held(60 * L, L - 1), Look::Done);
        let small = |size| Front::new(size).look(|_, _| true, || ALL);
        assert_eq!([small(L - 1), small(L)], [Look::Done, Look::Done], "he has filled it himself");
    }

    /// However quickly a task fills in order, and wherever it stops: what is in memory is at most twice what it has touched, and
    /// two large pages more.
    #[test]
    fn vm_large_3_no_more_is_ahead_than_was_touched() {
        for step in 1..60 {
            let (mut front, mut brought, mut touched) = (Front::new(500 * L), 0, 0);
            while touched < 500 * L {
                touched += step * L / 8;
                let holds = |offset, pages| offset + pages * PAGE_SIZE <= touched.max(brought);
                if let Look::Bring(range) = front.look(holds, || ALL) {
                    assert!(
                        range.start >= brought && range.end <= touched + AHEAD_BYTES_MAX + L,
                        "{range:?} {touched}"
                    );
                    brought = range.end;
                }
                assert!(brought <= 2 * touched + 2 * L, "{step}: {brought} for {touched}");
            }
        }
    }
}
