//! Memory that is mapped and that nobody has touched yet, in whole large pages: which of it is to be filled with them, and when.
//! Pure.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use proto::vm::LARGE_PAGE_SIZE;

/// Stretches that do not overlap, by their first address; `F` is the file that one shows.
#[derive(Debug)]
pub(crate) struct Untouched<F> {
    by_start: BTreeMap<u64, Stretch<F>>,
    /// Touches so far.
    touches: u64,
}

/// Large pages one behind the other.
#[derive(Clone, Debug)]
struct Stretch<F> {
    end: u64,
    file: F,
    /// So much lower than its address is where in the file it lies, modulo 2^64.
    shift: u64,
    /// What lies before it, if that was touched at all.
    before: Option<Run>,
}

/// Memory that was touched in order.
#[derive(Clone, Copy, Debug)]
struct Run {
    bytes: u64,
    /// Which touch was the last.
    last: u64,
}

/// Large pages that are to be filled.
#[derive(Debug)]
pub(crate) struct Fill<F> {
    pub range: Range<u64>,
    pub file: F,
    pub shift: u64,
    /// Whether what is behind it is untouched, too.
    pub goes_on: bool,
    /// Whether the touch goes on where another was a moment ago, or begins with new memory at its start. Who touches memory here
    /// and there may need little of it.
    pub in_order: bool,
}

impl<F: Clone> Untouched<F> {
    pub fn new() -> Untouched<F> {
        Untouched { by_start: BTreeMap::new(), touches: 0 }
    }

    /// Adds the large pages that lie whole within a range, which are answered; `None` where there is not one, or no room.
    ///
    /// Conditions: none of it is here yet.
    pub fn add(&mut self, range: Range<u64>, file: F, shift: u64) -> Option<Range<u64>> {
        let start = range.start.checked_next_multiple_of(LARGE_PAGE_SIZE)?;
        let end = large_page(range.end);
        if start >= end || self.by_start.len() >= STRETCHES_MAX {
            return None;
        }
        self.by_start.insert(start, Stretch { end, file, shift, before: None });
        Some(start..end)
    }

    /// A touch: takes out the large page that an address lies in, if it is here. In order, as much more comes with it as was
    /// touched before it, up to `most` bytes of all.
    pub fn take(&mut self, address: u64, most: u64) -> Option<Fill<F>> {
        let start = large_page(address);
        let stretch = self.around(start)?;
        let Stretch { file, shift, before, .. } = self.by_start[&stretch.start].clone();
        self.touches += 1;
        let recent = before.is_none_or(|run| self.touches - run.last <= TOUCHES_BETWEEN_MAX);
        let in_order = stretch.start == start && recent;
        let run = before.filter(|_| in_order).map_or(0, |run| run.bytes);
        let size = run.min(most).max(LARGE_PAGE_SIZE).min(stretch.end - start);
        let range = start..start + size;
        self.cut(&range);
        let behind = self.by_start.get_mut(&range.end);
        let before = Some(Run { bytes: run + size, last: self.touches });
        let goes_on = behind.map(|behind| behind.before = before).is_some();
        Some(Fill { range, file, shift, goes_on, in_order })
    }

    /// Takes out every large page that has a byte of a range: what was taken, in order.
    pub fn cut(&mut self, range: &Range<u64>) -> Vec<Range<u64>> {
        let (from, to) = (large_page(range.start), range.end.next_multiple_of(LARGE_PAGE_SIZE));
        // The one that begins before the range may reach into it.
        let first = self.by_start.range(..from).next_back().map_or(from, |(start, _)| *start);
        let touched = self.by_start.range(first..to).filter(|(_, stretch)| stretch.end > from);
        let starts: Vec<u64> = touched.map(|(start, _)| *start).collect();
        let mut out = Vec::with_capacity(starts.len());
        for start in starts {
            let stretch = self.by_start.remove(&start).expect("it was just found");
            let taken = start.max(from)..stretch.end.min(to);
            if taken.end < stretch.end {
                self.by_start.insert(taken.end, Stretch { before: OUT_OF_ORDER, ..stretch.clone() });
            }
            if start < taken.start {
                self.by_start.insert(start, Stretch { end: taken.start, ..stretch });
            }
            out.push(taken);
        }
        out
    }

    /// The whole stretch that an address lies in.
    pub fn around(&self, address: u64) -> Option<Range<u64>> {
        let (start, stretch) = self.by_start.range(..=address).next_back()?;
        (address < stretch.end).then_some(*start..stretch.end)
    }

    /// Whether pages can be taken out of the middle of stretches without there being too many.
    pub fn has_room(&self) -> bool {
        self.by_start.len() < STRETCHES_MAX
    }
}

/// How many large pages to try. Where Linux has none, or has to make room for one, small pages are had sooner: after a try
/// that failed or took long some are left out, after each further one twice as many.
#[derive(Default, Debug)]
pub(crate) struct Pace {
    to_leave_out: u32,
    /// Tries one behind the other that did not go well.
    bad: u32,
    /// Whether the last was no slower than small pages.
    quick: bool,
}

impl Pace {
    /// Bytes that the next try is to take at most; 0 to leave the next one out.
    pub fn most(&self) -> u64 {
        match (self.to_leave_out, self.quick) {
            (0, true) => FILL_BYTES_MAX,
            (0, false) => LARGE_PAGE_SIZE,
            _ => 0,
        }
    }

    /// One was left out.
    pub fn left_out(&mut self) {
        self.to_leave_out = self.to_leave_out.saturating_sub(1);
    }

    /// What became of a try, and how long it took for each page.
    pub fn tried(&mut self, worked: bool, took: Duration) {
        self.quick = worked && took < AS_SMALL;
        if worked && took < LONG {
            self.bad = 0;
            return;
        }
        self.bad = (self.bad + 1).min(BAD_MAX);
        self.to_leave_out = 1 << self.bad;
    }
}

/// The first address of the large page that an address lies in.
fn large_page(address: u64) -> u64 {
    address - address % LARGE_PAGE_SIZE
}

/// What lies before was touched, but not by who comes next.
const OUT_OF_ORDER: Option<Run> = Some(Run { bytes: 0, last: 0 });
/// Each has a descriptor, and is a mapping of Linux.
const STRETCHES_MAX: usize = 512;
/// Those of other threads, elsewhere, between two of one.
const TOUCHES_BETWEEN_MAX: u64 = 32;
/// No thread waits for more at a time: some 5 ms.
const FILL_BYTES_MAX: u64 = 32 << 20;
/// To fill a large page with small ones takes about this.
const AS_SMALL: Duration = Duration::from_millis(1);
/// Longer than that nobody waits gladly.
const LONG: Duration = Duration::from_millis(4);
/// No more than 2^10 large pages, 2 GiB, are left out at a time.
const BAD_MAX: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const L: u64 = LARGE_PAGE_SIZE;

    fn shown(untouched: &Untouched<u8>) -> Vec<(u64, u64, u8)> {
        untouched.by_start.iter().map(|(start, s)| (start / L, s.end / L, s.file)).collect()
    }

    #[test]
    fn only_whole_large_pages_are_added() {
        let mut untouched = Untouched::new();
        assert_eq!(untouched.add(L + 1..3 * L + 5, 1, 0), Some(2 * L..3 * L));
        assert_eq!(untouched.add(10 * L..11 * L - 1, 2, 0), None);
        assert_eq!(untouched.add(u64::MAX - 5..u64::MAX, 2, 0), None);
        assert_eq!(shown(&untouched), [(2, 3, 1)]);
    }

    #[test]
    fn a_page_is_taken_once_with_its_place_in_the_file() {
        let mut untouched = Untouched::new();
        untouched.add(4 * L..8 * L, 7, 3 * L);
        assert!(untouched.take(8 * L, L).is_none() && untouched.take(4 * L - 1, L).is_none());
        let fill = untouched.take(5 * L + 4097, L).unwrap();
        assert_eq!((fill.range, fill.file, fill.shift, fill.goes_on), (5 * L..6 * L, 7, 3 * L, true));
        assert!(untouched.take(5 * L, L).is_none());
        assert!(!untouched.take(4 * L, L).unwrap().goes_on, "the next one is taken");
        assert!(!untouched.take(7 * L, L).unwrap().goes_on, "nothing is behind it");
        assert_eq!(shown(&untouched), [(6, 7, 7)]);
    }

    #[test]
    fn what_is_touched_in_order_is_taken_in_ever_larger_parts() {
        let mut untouched = Untouched::new();
        untouched.add(0..100 * L, 0, 0);
        let mut taken = |at: u64| {
            let fill = untouched.take(at * L + 5, 8 * L).unwrap();
            (fill.range.start / L, fill.range.end / L, fill.in_order)
        };
        assert_eq!([taken(0), taken(1), taken(2)], [(0, 1, true), (1, 2, true), (2, 4, true)]);
        assert_eq!([taken(4), taken(8), taken(16)], [(4, 8, true), (8, 16, true), (16, 24, true)]);
        assert_eq!([taken(30), taken(31), taken(32)], [(30, 31, false), (31, 32, true), (32, 34, true)], "a leap");
        assert_eq!(
            [taken(24), taken(34)],
            [(24, 30, true), (34, 38, true)],
            "there is no more; each has its own length"
        );
    }

    #[test]
    fn what_is_touched_here_and_there_is_not_in_order_even_where_it_comes_to_adjoin() {
        let mut untouched = Untouched::new();
        untouched.add(0..1000 * L, 0, 0);
        let mut in_order = |at: u64| untouched.take(at * L, 8 * L).unwrap().in_order;
        assert!(!in_order(500));
        assert!((1..=TOUCHES_BETWEEN_MAX).all(|n| !in_order(500 + 10 * n)));
        assert!(!in_order(501), "it is too long ago");
        assert!(in_order(502) && in_order(0), "new memory begins at its start");
        untouched.cut(&(2 * L..3 * L));
        assert!(!untouched.take(3 * L, L).unwrap().in_order, "what was given up was not touched");
    }

    #[test]
    fn stretches_have_a_bound() {
        let mut untouched = Untouched::new();
        let added = (0..2 * STRETCHES_MAX as u64).filter(|n| untouched.add(2 * n * L..(2 * n + 1) * L, 0, 0).is_some());
        assert_eq!(added.count(), STRETCHES_MAX);
        assert!(!untouched.has_room());
        untouched.cut(&(0..1));
        assert!(untouched.has_room());
    }

    /// Against the simplest model: what each large page shows.
    #[test]
    fn it_agrees_with_an_array() {
        let (mut untouched, mut model) = (Untouched::new(), [0u8; 24]);
        let mut seed = 12345u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for step in 0..5000u64 {
            let (page, pages, file) = (random(20), 1 + random(4), 1 + (step % 200) as u8);
            let part = page as usize..(page + pages) as usize;
            match random(3) {
                0 if model[part.clone()].iter().all(|f| *f == 0) => {
                    untouched.add(page * L..(page + pages) * L, file, 0).unwrap();
                    model[part].fill(file);
                }
                1 => {
                    let (from, to) = (page * L + random(2), (page + pages) * L - random(2));
                    let taken: u64 = untouched.cut(&(from..to)).iter().map(|r| (r.end - r.start) / L).sum();
                    assert_eq!(taken as usize, model[part.clone()].iter().filter(|f| **f != 0).count());
                    model[part].fill(0);
                }
                _ => {
                    let taken = untouched.take(page * L + random(L), L).map_or(0, |fill| fill.file);
                    assert_eq!(taken, std::mem::take(&mut model[page as usize]));
                }
            }
            let mut seen = [0; 24];
            for (start, end, file) in shown(&untouched) {
                seen[start as usize..end as usize].fill(file);
            }
            assert_eq!(seen, model, "step {step}");
        }
    }

    #[test]
    fn what_does_not_go_well_is_tried_less_and_less_and_never_quite_given_up() {
        let (mut pace, mut left_out) = (Pace::default(), Vec::new());
        for n in 0..12 {
            assert_eq!(pace.most(), LARGE_PAGE_SIZE);
            pace.tried(n % 2 == 0, LONG);
            left_out.push((0..).take_while(|_| pace.most() == 0 && (pace.left_out(), true).1).count());
        }
        assert_eq!(left_out, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
        pace.tried(true, AS_SMALL);
        assert_eq!(pace.most(), LARGE_PAGE_SIZE, "nobody waits for many slow ones");
        pace.tried(true, AS_SMALL / 2);
        assert_eq!(pace.most(), FILL_BYTES_MAX);
        pace.tried(false, Duration::ZERO);
        assert_eq!(std::array::from_fn::<_, 3, _>(|_| (pace.most(), pace.left_out()).0), [0, 0, LARGE_PAGE_SIZE]);
    }
}
