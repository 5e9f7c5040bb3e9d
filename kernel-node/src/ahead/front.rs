//! How far a task has filled memory in order, and which large pages of it are to be made next. Pure.

use std::ops::Range;

use proto::PAGE_SIZE;
use proto::vm::LARGE_PAGE_SIZE;

/// How far a file is filled by a task that does so in order. Bytes; all are borders of large pages.
#[derive(Debug)]
pub struct Front {
    /// Of the file.
    size: u64,
    /// Before it all is the task's, or was brought.
    next: u64,
    /// More is brought when the task comes here.
    trigger: u64,
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
        Front { size: size - size % LARGE_PAGE_SIZE, next: 0, trigger: 0 }
    }

    /// What is to be brought. `holds` says whether so many pages from an offset on are in memory, `touched` whether the task has
    /// touched the page at one, if that can be told, and `most` how many bytes there is room for.
    ///
    /// As much may be ahead of the task as it has behind it. More is brought when it has come half-way, or where that cannot
    /// be told, when it has begun to fill the next one itself; and so it does the first.
    pub fn look(
        &mut self,
        holds: impl Fn(u64, u64) -> bool,
        touched: impl Fn(u64) -> Option<bool>,
        most: impl FnOnce() -> u64,
    ) -> Look {
        let told = if self.next == 0 { None } else { touched(self.trigger) };
        let come = match (self.next, told) {
            (next, _) if next >= self.size => return Look::Done,
            (0, _) => holds(0, RUN_PAGES) && holds(LARGE_PAGE_SIZE / 2, 1),
            (_, Some(come)) => come,
            (next, None) => {
                self.trigger = next;
                holds(next, RUN_PAGES)
            }
        };
        if !come {
            return Look::Nothing;
        }
        // What the task is in it fills itself.
        let mut at = self.next;
        while at < self.size && holds(at, 1) {
            at += LARGE_PAGE_SIZE;
        }
        let behind = if at > self.next { at } else { self.trigger + LARGE_PAGE_SIZE };
        let room = behind.min(AHEAD_BYTES_MAX).saturating_sub(at - behind);
        let size = room.min(most()).min(self.size - at) / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE;
        if size == 0 {
            return Look::Done;
        }
        self.next = at + size;
        self.trigger = (behind + self.next) / 2 / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE;
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
        let mut front = Front::new(60 * L + 5);
        assert_eq!(front.look(held(0), |_| None, || ALL), Look::Nothing);
        assert_eq!(front.look(held(L / 2), |_| None, || ALL), Look::Nothing, "half of a large page is his own");
        assert_eq!(pages(front.look(held(L / 2 + PAGE_SIZE), |_| None, || ALL)), Some((1, 2)));
        // Half-way through what was brought.
        let mut brought = 2 * L;
        let mut come = |to: u64| {
            let next = pages(front.look(held(brought), |page| Some(page < to), || ALL));
            brought = next.map_or(brought, |(_, end)| end * L);
            next
        };
        assert_eq!([come(L), come(L + 1)], [None, Some((2, 4))]);
        assert_eq!([come(2 * L), come(3 * L), come(3 * L + 1)], [None, None, Some((4, 8))]);
        assert_eq!([come(6 * L), come(6 * L + 1)], [None, Some((8, 14))]);
        assert_eq!([come(10 * L + 1), come(16 * L + 1)], [Some((14, 22)), Some((22, 33))]);
        assert_eq!([come(25 * L + 1), come(34 * L + 1)], [Some((33, 42)), Some((42, 51))], "at most so much is ahead");
        assert_eq!([come(43 * L + 1), come(60 * L)], [Some((51, 60)), None], "to the end");
    }

    #[test]
    fn vm_large_1_where_it_cannot_be_told_more_is_brought_when_he_goes_on_himself() {
        let mut front = Front::new(200 * L);
        let mut held = |to: u64| pages(front.look(held(to), |_| None, || ALL));
        assert_eq!(held(L), Some((1, 2)));
        assert_eq!([held(2 * L), held(2 * L + (64 << 10))], [None, Some((3, 6))]);
        assert_eq!([held(6 * L), held(7 * L - PAGE_SIZE)], [None, Some((7, 14))]);
        // Quicker than what is brought.
        assert_eq!(held(20 * L), Some((20, 36)));
        assert_eq!(held(300 * L), None);
    }

    #[test]
    fn vm_large_2_here_and_there_is_not_in_order() {
        let mut front = Front::new(200 * L);
        let mut held = |holds: fn(u64, u64) -> bool| front.look(holds, |_| Some(true), || ALL);
        assert_eq!(held(|offset, pages| offset % (64 << 10) == 0 && pages == 1), Look::Nothing);
        assert_eq!(held(|offset, _| offset >= L), Look::Nothing, "from the end on, or the middle");
        assert_eq!(held(|offset, _| offset < L / 2), Look::Nothing);
    }

    #[test]
    fn vm_large_3_no_more_than_there_is_room_for() {
        let mut front = Front::new(200 * L);
        let mut held = |to: u64, most: u64| front.look(held(to), |_| None, || most);
        assert_eq!(pages(held(20 * L, 3 * L + 1)), Some((20, 23)));
        assert_eq!(held(60 * L, L - 1), Look::Done);
        let small = |size| Front::new(size).look(|_, _| true, |_| None, || ALL);
        assert_eq!([small(L - 1), small(L)], [Look::Done, Look::Done], "he has filled it himself");
    }

    /// However quickly a task fills in order, and whether it can be told or not: what is in memory is at most twice what it has
    /// touched, and two large pages more.
    #[test]
    fn vm_large_3_no_more_is_ahead_than_was_touched() {
        for (step, told) in (1..60).flat_map(|step| [(step, true), (step, false)]) {
            let (mut front, mut brought, mut touched) = (Front::new(500 * L), 0, 0);
            while touched < 500 * L {
                touched += step * L / 8;
                let holds = |offset, pages| offset + pages * PAGE_SIZE <= touched.max(brought);
                if let Look::Bring(range) = front.look(holds, |page| told.then_some(page < touched), || ALL) {
                    assert!(
                        range.start >= brought && range.end <= touched + AHEAD_BYTES_MAX + L,
                        "{range:?} {touched}"
                    );
                    brought = range.end;
                }
                assert!(brought <= 2 * touched + 2 * L, "{step}, {told}: {brought} for {touched}");
            }
        }
    }
}
