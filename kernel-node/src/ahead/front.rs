//! How far a task has filled memory in order, and which large pages of it are to be made next. Pure.

use std::ops::Range;

use proto::PAGE_SIZE;
use proto::vm::LARGE_PAGE_SIZE;

use super::credit::Credit;

/// How far a file is filled by a task that does so in order. Bytes; all of it whole large pages.
#[derive(Debug)]
pub struct Front {
    /// Of the file.
    size: u64,
    /// Before it all is the task's, or was brought.
    next: u64,
    /// So much right before that was brought.
    brought: u64,
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
        Front { size: size - size % LARGE_PAGE_SIZE, next: 0, brought: 0 }
    }

    /// What is to be brought. `holds` says whether so many pages from an offset on are in memory, and `most` how many bytes there
    /// is room for. The task's credit is for what it has come past, here and elsewhere.
    ///
    /// The task fills the first large page itself, and so it does the one behind what was brought: more is brought when it has
    /// filled half of that. What it touches of a large page that was brought cannot be told. So it fills the last one itself,
    /// too, where there are more than two.
    pub fn look(&mut self, holds: impl Fn(u64, u64) -> bool, most: impl FnOnce() -> u64, credit: &mut Credit) -> Look {
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
        credit.earn(at - self.next, self.brought);
        (self.next, self.brought) = (at, 0);
        let end = if self.size > 2 * LARGE_PAGE_SIZE { self.size - LARGE_PAGE_SIZE } else { self.size };
        if at >= end {
            return if at < self.size { Look::Nothing } else { Look::Done };
        }
        let wanted = AHEAD_BYTES_MAX.min(AHEAD_FACTOR * at).min(most()).min(end - at);
        self.brought = credit.take(wanted, LARGE_PAGE_SIZE);
        if self.brought == 0 {
            return Look::Done;
        }
        self.next = at + self.brought;
        Look::Bring(at..self.next)
    }

    /// Before it all is the task's, or was brought.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How far the task had come by itself when it last came further: what lies before that and behind what was brought until then
    /// is in small pages, of the last large one not all yet.
    pub fn come_to(&self) -> u64 {
        self.next - self.brought
    }
}

/// So many pages from the border of a large page on are no accident.
const RUN_PAGES: u64 = (64 << 10) / PAGE_SIZE;
/// No more than so many times what lies behind the task in a file is brought ahead of it there.
const AHEAD_FACTOR: u64 = 8;
/// No more is brought ahead of a task in a file.
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
        let (mut front, mut credit) = (Front::new(90 * L + 5), Credit::default());
        let mut held = |to: u64| pages(front.look(held(to), || ALL, &mut credit));
        assert_eq!([held(0), held(L / 2)], [None, None], "half of a large page is his own");
        assert_eq!(held(L / 2 + PAGE_SIZE), Some((1, 2)));
        assert_eq!([held(2 * L), held(2 * L + L / 2)], [None, None], "he is in what was brought");
        assert_eq!(held(3 * L - PAGE_SIZE), Some((3, 6)));
        assert_eq!(held(7 * L), Some((7, 14)));
        // Quicker than what is brought.
        assert_eq!(held(20 * L + PAGE_SIZE), Some((21, 37)));
        assert_eq!([held(37 * L), held(38 * L)], [None, Some((38, 54))], "at most so much is ahead");
        assert_eq!([held(80 * L), held(91 * L)], [Some((80, 89)), None], "to the last one");
    }

    #[test]
    fn vm_large_1_who_has_filled_other_memory_in_order_has_more_brought_at_once() {
        let mut credit = Credit::default();
        credit.earn(40 * L, 0);
        let windows = |size: u64, credit: &mut Credit| {
            let mut front = Front::new(size);
            let mut fill = |touched: u64| pages(front.look(held(touched), || ALL, credit));
            let steps: Vec<_> = (1..=size / L).filter_map(|page| fill(page * L)).collect();
            steps
        };
        assert_eq!(windows(20 * L, &mut credit), [(1, 9), (10, 19)]);
        assert_eq!(windows(5 * L, &mut credit), [(1, 4)]);
        let mut none = Credit::default();
        assert_eq!(windows(5 * L, &mut none), [(1, 2), (3, 4)]);
        assert_eq!([windows(L, &mut none), windows(2 * L, &mut none)], [vec![], vec![(1, 2)]]);
    }

    #[test]
    fn vm_large_2_here_and_there_is_not_in_order() {
        let (mut front, mut credit) = (Front::new(200 * L), Credit::default());
        let mut held = |holds: fn(u64, u64) -> bool| pages(front.look(holds, || ALL, &mut credit));
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
        let (mut front, mut credit) = (Front::new(200 * L), Credit::default());
        let mut held = |to: u64, most: u64| front.look(held(to), || most, &mut credit);
        assert_eq!(pages(held(20 * L, 3 * L + 1)), Some((20, 23)));
        assert_eq!(held(60 * L, L - 1), Look::Done);
        let small = |size| Front::new(size).look(|_, _| true, || ALL, &mut Credit::default());
        assert_eq!([small(L - 1), small(L)], [Look::Done, Look::Done], "he has filled it himself");
    }

    /// However quickly a task fills in order, of how many files, and wherever it stops in each: what is in memory is at most twice
    /// what it has touched, and two large pages of each file more.
    #[test]
    fn vm_large_3_no_more_is_ahead_than_was_touched() {
        for step in 1..60 {
            let (mut credit, mut in_memory, mut touched_of_all) = (Credit::default(), 0, 0);
            for file in 0..50 {
                let (size, stop) = ((1 + file * 7 % 90) * L, file * step % 97 * L);
                let (mut front, mut brought, mut touched) = (Front::new(size), 0, 0);
                while touched < size.min(stop) {
                    touched += step * L / 8;
                    let holds = |offset, pages| offset + pages * PAGE_SIZE <= touched.max(brought);
                    if let Look::Bring(range) = front.look(holds, || ALL, &mut credit) {
                        assert!(range.start >= brought && range.end <= size, "{range:?} {touched}");
                        assert!(range.end - range.start <= AHEAD_BYTES_MAX.min(AHEAD_FACTOR * range.start));
                        brought = range.end;
                    }
                }
                in_memory += touched.max(brought);
                touched_of_all += touched;
                assert!(in_memory <= 2 * touched_of_all + 2 * (file + 1) * L, "{step} {file}");
            }
        }
    }
}
