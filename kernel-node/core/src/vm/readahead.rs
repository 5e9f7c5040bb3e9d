//! Read-ahead policy: which pages to ask for before a thread comes to them.
//!
//! Pure arithmetic on page numbers; [`super::fault`] asks and maps. An entry follows a few *streams*, each a run of
//! faults in one direction. A stream that has proved itself asks for *windows* ahead of the reader, each twice the one
//! before. A window's first page is left unmapped (the marker): the fault on it says that the reader has arrived and that
//! the next windows are to be asked for, while the rest of this one and those behind it are here or on their way. So one
//! cheap fault a window keeps up to `READ_AHEAD_WINDOWS_MAX` windows in flight. A fault that belongs to no stream asks for
//! nothing, and a stream that is given up with windows that nobody came to makes the entry slower to believe the next.
//!
//! Spec: [vm.readahead.1] to [vm.readahead.14].

use std::collections::VecDeque;
use std::ops::Range;

use proto::PAGE_SIZE;
use proto::limits::{READ_AHEAD_BYTES_MAX, READ_AHEAD_STREAMS_MAX, READ_AHEAD_WINDOWS_MAX};
use smallvec::SmallVec;

/// What one entry knows of its readers.
#[derive(Default)]
pub(super) struct ReadAhead {
    /// The one used last is at the end.
    streams: SmallVec<[Stream; 1]>,
    /// Doubled (twice `RUN_MIN` first) whenever windows were asked for in vain, halved when one was used.
    doubt: u32,
}

/// A run of faults in one direction.
struct Stream {
    direction: Option<Direction>,
    /// The pages that its faults have covered; the next fault is expected at one of the ends.
    covered: Range<u64>,
    /// Faults that came as expected.
    run: u32,
    /// Asked for and not reached, nearest first.
    windows: VecDeque<Range<u64>>,
    /// How many windows it keeps in flight.
    depth: usize,
    /// Pages of the next window.
    pages: u64,
    /// Where the next window starts: the page below or at which nothing was asked for yet.
    frontier: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Up,
    Down,
}

/// A window to ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Window {
    /// Its pages; some may be here already.
    pub pages: Range<u64>,
    /// The reader comes from above.
    pub down: bool,
}

/// What follows from a fault.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Advice {
    /// Windows to ask for, nearest first.
    pub ask: SmallVec<[Window; 1]>,
    /// Windows that the reader has reached.
    pub reached: SmallVec<[Range<u64>; 1]>,
    /// Windows that no reader will reach.
    pub given_up: SmallVec<[Range<u64>; 1]>,
}

impl ReadAhead {
    /// Takes note of a fault on `page`, after which the pages `covered` (with `page` among them) are mapped or asked for.
    /// `bounds` are the pages of the entry.
    pub fn on_fault(&mut self, page: u64, covered: Range<u64>, bounds: Range<u64>) -> Advice {
        let mut advice = Advice::default();
        let mut stream = match self.streams.iter().position(|s| s.expects(page)) {
            Some(at) => self.streams.remove(at),
            None => {
                if self.streams.len() == READ_AHEAD_STREAMS_MAX {
                    let old = self.streams.remove(0);
                    self.give_up(old, &mut advice);
                }
                self.streams.push(Stream::new(page, covered, self.run_min()));
                let young = self.streams.last_mut().expect("just pushed");
                // The first page of an object is where sequential readers start.
                if young.run >= RUN_MIN {
                    young.top_up(&bounds, &mut advice);
                }
                return advice;
            }
        };
        stream.advance(page, covered, &mut advice);
        if !advice.reached.is_empty() {
            self.doubt /= 2;
        }
        if stream.run >= self.run_min() {
            stream.top_up(&bounds, &mut advice);
        }
        self.streams.push(stream);
        advice
    }

    /// Forgets all streams.
    pub fn clear(&mut self) -> Advice {
        let mut advice = Advice::default();
        for stream in std::mem::take(&mut self.streams) {
            advice.given_up.extend(stream.windows);
        }
        advice
    }

    fn run_min(&self) -> u32 {
        RUN_MIN + self.doubt
    }

    fn give_up(&mut self, stream: Stream, advice: &mut Advice) {
        if !stream.windows.is_empty() {
            self.doubt = (self.doubt * 2).clamp(RUN_MIN, DOUBT_MAX);
        }
        advice.given_up.extend(stream.windows);
    }
}

impl Stream {
    fn new(page: u64, covered: Range<u64>, run_min: u32) -> Stream {
        let first = page == 0;
        Stream {
            direction: first.then_some(Direction::Up),
            frontier: covered.end,
            covered,
            run: if first && run_min == RUN_MIN { RUN_MIN } else { 1 },
            windows: VecDeque::new(),
            depth: 0,
            pages: WINDOW_PAGES_MIN,
        }
    }

    /// Whether a fault on `page` continues this stream.
    fn expects(&self, page: u64) -> bool {
        let up = self.direction != Some(Direction::Down) && page == self.covered.end;
        let down = self.direction != Some(Direction::Up) && self.covered.start.checked_sub(1) == Some(page);
        up || down || self.windows.iter().any(|w| w.contains(&page))
    }

    /// The reader has come to `page`.
    fn advance(&mut self, page: u64, covered: Range<u64>, advice: &mut Advice) {
        self.run = self.run.saturating_add(1);
        let direction = *self.direction.get_or_insert_with(|| {
            let direction = if page >= self.covered.end { Direction::Up } else { Direction::Down };
            self.frontier = if direction == Direction::Up { covered.end } else { covered.start };
            direction
        });
        if let Some(at) = self.windows.iter().position(|w| w.contains(&page)) {
            advice.reached.extend(self.windows.drain(..=at));
        } else if self.windows.is_empty() {
            self.frontier = match direction {
                Direction::Up => self.frontier.max(covered.end),
                Direction::Down => self.frontier.min(covered.start),
            };
        }
        self.covered = covered;
        self.depth = (self.depth + 1).min(READ_AHEAD_WINDOWS_MAX);
    }

    /// Asks for windows until as many are in flight as the stream has earned.
    fn top_up(&mut self, bounds: &Range<u64>, advice: &mut Advice) {
        self.depth = self.depth.max(1);
        while self.windows.len() < self.depth {
            let down = self.direction == Some(Direction::Down);
            let pages = if down {
                let end = self.frontier.min(bounds.end);
                end.saturating_sub(self.pages).max(bounds.start)..end
            } else {
                let start = self.frontier.max(bounds.start);
                start..start.saturating_add(self.pages).min(bounds.end)
            };
            if pages.is_empty() {
                break;
            }
            self.frontier = if down { pages.start } else { pages.end };
            self.pages = (self.pages * 2).min(WINDOW_PAGES_MAX);
            self.windows.push_back(pages.clone());
            advice.ask.push(Window { pages, down });
        }
    }
}

/// Faults in a row, the first included, that make a stream.
const RUN_MIN: u32 = 2;
/// The most that an entry asks for beyond `RUN_MIN`.
const DOUBT_MAX: u32 = 14;
/// Pages of a stream's first window: 64 KiB.
const WINDOW_PAGES_MIN: u64 = (64 << 10) / PAGE_SIZE;
/// Pages of its largest.
const WINDOW_PAGES_MAX: u64 = READ_AHEAD_BYTES_MAX / PAGE_SIZE;

const _: () = assert!(WINDOW_PAGES_MIN >= 1 && WINDOW_PAGES_MIN <= WINDOW_PAGES_MAX);
const _: () = assert!(READ_AHEAD_STREAMS_MAX >= 1 && READ_AHEAD_WINDOWS_MAX >= 1);

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Range<u64> = 0..1 << 20;

    fn fault(r: &mut ReadAhead, page: u64) -> Advice {
        r.on_fault(page, page..page + 1, ALL)
    }

    /// First page and end of each window asked for.
    fn asked(a: &Advice) -> Vec<(u64, u64)> {
        a.ask.iter().map(|w| (w.pages.start, w.pages.end)).collect()
    }

    #[test]
    fn vm_readahead_1_two_faults_in_a_row_start_it_and_so_does_the_first_page() {
        let mut r = ReadAhead::default();
        assert!(asked(&fault(&mut r, 100)).is_empty());
        assert_eq!(asked(&fault(&mut r, 101)), [(102, 118)]);
        let mut r = ReadAhead::default();
        assert_eq!(asked(&fault(&mut r, 0)), [(1, 17)]);
    }

    #[test]
    fn vm_readahead_2_windows_double_and_stay_four_ahead() {
        let mut r = ReadAhead::default();
        let mut asked_up_to = asked(&fault(&mut r, 0))[0].1;
        let mut at = 1;
        let mut sizes = Vec::new();
        for _ in 0..12 {
            // The reader comes to the first page of the next window.
            let advice = fault(&mut r, at);
            assert_eq!(advice.reached.len(), 1);
            assert_eq!(advice.reached[0].start, at);
            at = advice.reached[0].end;
            for (start, end) in asked(&advice) {
                assert_eq!(start, asked_up_to, "windows adjoin");
                asked_up_to = end;
                sizes.push(end - start);
            }
        }
        assert_eq!(sizes[..5], [32, 64, 128, 256, 256]);
        assert_eq!(r.streams[0].windows.len(), READ_AHEAD_WINDOWS_MAX);
        assert!(asked_up_to - at >= 4 * WINDOW_PAGES_MAX, "four windows ahead of the reader's own");
    }

    #[test]
    fn vm_readahead_3_a_reader_going_down_is_followed() {
        let mut r = ReadAhead::default();
        fault(&mut r, 100);
        assert_eq!(fault(&mut r, 99).ask[..], [Window { pages: 83..99, down: true }]);
        let advice = fault(&mut r, 98);
        assert_eq!((advice.reached[0].start, advice.reached[0].end), (83, 99));
        assert_eq!(asked(&advice), [(51, 83), (0, 51)], "and stops at the first page");
    }

    #[test]
    fn vm_readahead_4_random_faults_ask_for_nothing() {
        let mut r = ReadAhead::default();
        let mut page = 7;
        for _ in 0..1000 {
            page = (page * 48_271 + 11) % (1 << 20);
            assert_eq!(fault(&mut r, page), Advice::default());
        }
    }

    #[test]
    fn vm_readahead_5_what_was_asked_in_vain_makes_it_slower_to_start() {
        let mut r = ReadAhead::default();
        let mut asked_pages = 0;
        let mut given_up = 0;
        for i in 0..1000_u64 {
            // Pairs of neighbours at places that have nothing to do with each other.
            let page = (i * 7919 + 13) % (1 << 19) * 2;
            for p in [page, page + 1] {
                let advice = fault(&mut r, p);
                asked_pages += advice.ask.iter().map(|w| w.pages.end - w.pages.start).sum::<u64>();
                given_up += advice.given_up.len();
            }
        }
        assert!(given_up >= 1);
        assert!(asked_pages <= 16 * 2 * READ_AHEAD_STREAMS_MAX as u64, "{asked_pages} pages for 2000 of no use");
    }

    #[test]
    fn vm_readahead_6_streams_of_one_entry_do_not_disturb_each_other() {
        let mut r = ReadAhead::default();
        for i in 0..3 {
            for start in [1000, 50_000] {
                let advice = fault(&mut r, start + i);
                assert_eq!(advice.ask.is_empty(), i == 0);
                assert!(advice.given_up.is_empty());
            }
        }
    }

    #[test]
    fn a_window_ends_with_the_entry() {
        let mut r = ReadAhead::default();
        r.on_fault(10, 10..11, 10..15);
        assert_eq!(asked(&r.on_fault(11, 11..12, 10..15)), [(12, 15)]);
        assert!(asked(&r.on_fault(12, 12..13, 10..15)).is_empty());
    }
}
