//! The page table of an object: what is here, under which lock, and what has been asked for.
//!
//! Sparse: a chunk of 512 pages exists only while one of them is not absent, so an object costs what is touched of it and
//! its size costs nothing. Owned by [`super::object::Object`]; every change goes through [`PageTable::set`], which keeps
//! the counts.

use std::collections::BTreeMap;
use std::ops::Range;

use proto::{PAGE_SIZE, Prot};

/// The lock of a resident page: the access that its pager prohibits. Execution is reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Lock {
    /// Nobody may look at it.
    pub read: bool,
    /// Nobody may write to it.
    pub write: bool,
}

impl Lock {
    /// From a `lock_value`; other bits mean nothing here.
    pub fn from_prot(prohibited: Prot) -> Lock {
        Lock { read: prohibited.contains(Prot::READ), write: prohibited.contains(Prot::WRITE) }
    }

    /// Whether a thread may do what it wants; writing includes reading.
    pub fn permits(self, write: bool) -> bool {
        !(self.read || write && self.write)
    }

    /// Whether this lock prohibits something that `old` permitted.
    pub fn takes_from(self, old: Lock) -> bool {
        (self.read && !old.read) || (self.write && !old.write)
    }
}

/// A page that is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Resident {
    /// What its pager prohibits.
    pub lock: Lock,
    /// Some task may have written to it since its pager last saw it. Only then is it writable anywhere.
    pub dirty: bool,
    /// It goes back to its pager even if it is clean.
    pub precious: bool,
    /// Read-ahead brought it and no reader has come to it yet.
    pub ahead: bool,
    /// It was left unmapped on purpose: the fault on it keeps read-ahead going.
    pub marker: bool,
    /// A fault was served from it since page-out last came by.
    pub referenced: bool,
    /// It goes when the round that it belongs to is confirmed.
    pub leaving: bool,
}

/// The state of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Page {
    /// Not here and not asked for.
    #[default]
    Absent,
    /// Asked for; exactly one answer is due.
    Requested {
        /// By read-ahead, not for a thread.
        ahead: bool,
    },
    /// Here.
    Resident(Resident),
}

impl Page {
    /// The page, if it is here.
    pub fn resident(self) -> Option<Resident> {
        match self {
            Page::Resident(r) => Some(r),
            _ => None,
        }
    }

    /// Whether an answer is due.
    pub fn is_requested(self) -> bool {
        matches!(self, Page::Requested { .. })
    }
}

/// How many pages are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct PageCounts {
    /// Here.
    pub resident: u64,
    /// Here and dirty.
    pub dirty: u64,
    /// Here, and no fault was served from it since page-out last came by.
    pub inactive: u64,
    /// Asked for on behalf of threads.
    pub requested: u64,
    /// Asked for by read-ahead.
    pub requested_ahead: u64,
}

impl PageCounts {
    fn of(page: Page) -> PageCounts {
        let one = |b: bool| u64::from(b);
        PageCounts {
            resident: one(page.resident().is_some()),
            dirty: one(page.resident().is_some_and(|r| r.dirty)),
            inactive: one(page.resident().is_some_and(|r| !r.referenced)),
            requested: one(page == Page::Requested { ahead: false }),
            requested_ahead: one(page == Page::Requested { ahead: true }),
        }
    }

    fn replace(&mut self, old: PageCounts, new: PageCounts) {
        self.resident = self.resident + new.resident - old.resident;
        self.dirty = self.dirty + new.dirty - old.dirty;
        self.inactive = self.inactive + new.inactive - old.inactive;
        self.requested = self.requested + new.requested - old.requested;
        self.requested_ahead = self.requested_ahead + new.requested_ahead - old.requested_ahead;
    }
}

/// The pages of an object, by number (offset / page size).
#[derive(Default)]
pub(super) struct PageTable {
    chunks: BTreeMap<u64, Box<Chunk>>,
    counts: PageCounts,
}

struct Chunk {
    /// How many pages of it are not absent; never 0 in the table.
    used: u16,
    pages: [Page; CHUNK_PAGES],
}

impl Chunk {
    const EMPTY: Chunk = Chunk { used: 0, pages: [Page::Absent; CHUNK_PAGES] };
}

impl PageTable {
    /// The state of a page.
    pub fn get(&self, page: u64) -> Page {
        let (chunk, slot) = place(page);
        self.chunks.get(&chunk).map_or(Page::Absent, |c| c.pages[slot])
    }

    /// Sets the state of a page and returns what it was.
    pub fn set(&mut self, page: u64, new: Page) -> Page {
        let (number, slot) = place(page);
        let chunk = match self.chunks.get_mut(&number) {
            Some(chunk) => chunk,
            None if new == Page::Absent => return Page::Absent,
            None => self.chunks.entry(number).or_insert_with(|| Box::new(Chunk::EMPTY)),
        };
        let old = std::mem::replace(&mut chunk.pages[slot], new);
        chunk.used = chunk.used + u16::from(new != Page::Absent) - u16::from(old != Page::Absent);
        if chunk.used == 0 {
            self.chunks.remove(&number);
        }
        self.counts.replace(PageCounts::of(old), PageCounts::of(new));
        old
    }

    /// Changes a page that is here; a page that is not stays as it is.
    pub fn update(&mut self, page: u64, change: impl FnOnce(&mut Resident)) {
        let old = self.get(page);
        if let Page::Resident(mut r) = old {
            change(&mut r);
            if Page::Resident(r) != old {
                self.set(page, Page::Resident(r));
            }
        }
    }

    /// The pages of `range` that are not absent, in order. Costs nothing for what is absent in whole chunks.
    pub fn present(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Page)> + '_ {
        let last = range.end.saturating_sub(1);
        let chunks = if range.is_empty() { 0..0 } else { place(range.start).0..place(last).0 + 1 };
        self.chunks.range(chunks).flat_map(move |(number, chunk)| {
            let base = number * CHUNK_PAGES as u64;
            let from = range.start.saturating_sub(base).min(CHUNK_PAGES as u64) as usize;
            let to = range.end.saturating_sub(base).min(CHUNK_PAGES as u64) as usize;
            (from..to).map(move |slot| (base + slot as u64, chunk.pages[slot])).filter(|(_, p)| *p != Page::Absent)
        })
    }

    /// How many pages are in which state.
    pub fn counts(&self) -> PageCounts {
        self.counts
    }

    /// Counts again, for `check`.
    pub fn recount(&self) -> PageCounts {
        let mut all = PageCounts::default();
        for (_, page) in self.present(0..PAGES_MAX) {
            all.replace(PageCounts::default(), PageCounts::of(page));
        }
        all
    }

    /// Bytes of memory that the table takes, for the test that a large object costs nothing.
    #[cfg(test)]
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }
}

/// Groups ascending page numbers into runs of neighbours with the same `tag`, none longer than `pages_max`.
pub(super) fn runs<T: PartialEq + Copy>(
    pages: impl IntoIterator<Item = (u64, T)>,
    pages_max: u64,
) -> Vec<(Range<u64>, T)> {
    let mut out: Vec<(Range<u64>, T)> = Vec::new();
    for (page, tag) in pages {
        match out.last_mut() {
            Some((run, t)) if run.end == page && *t == tag && run.end - run.start < pages_max => run.end += 1,
            _ => out.push((page..page + 1, tag)),
        }
    }
    out
}

fn place(page: u64) -> (u64, usize) {
    (page / CHUNK_PAGES as u64, (page % CHUNK_PAGES as u64) as usize)
}

/// Pages of one chunk: 2 MiB of an object.
const CHUNK_PAGES: usize = 512;

/// Page numbers are below this.
pub(super) const PAGES_MAX: u64 = proto::limits::OBJECT_BYTES_MAX / PAGE_SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(dirty: bool) -> Page {
        Page::Resident(Resident { dirty, ..Resident::default() })
    }

    #[test]
    fn vm_page_1_what_is_absent_costs_nothing() {
        let mut t = PageTable::default();
        let last = PAGES_MAX - 1;
        assert_eq!(t.get(last), Page::Absent);
        t.set(last, Page::Absent);
        assert_eq!(t.chunks(), 0);
        t.set(last, resident(true));
        t.set(3, Page::Requested { ahead: true });
        assert_eq!(t.chunks(), 2);
        assert_eq!(t.present(0..PAGES_MAX).count(), 2);
        t.set(last, Page::Absent);
        t.set(3, Page::Absent);
        assert_eq!(t.chunks(), 0);
        assert_eq!(t.counts(), PageCounts::default());
    }

    #[test]
    fn a_walk_over_a_part_sees_that_part() {
        let mut t = PageTable::default();
        for page in [0, 5, 511, 512, 1024, 5000] {
            t.set(page, resident(page == 5));
        }
        let seen = |r: Range<u64>| t.present(r).map(|(p, _)| p).collect::<Vec<_>>();
        assert_eq!(seen(0..1), [0]);
        assert_eq!(seen(1..512), [5, 511]);
        assert_eq!(seen(511..1024), [511, 512]);
        assert_eq!(seen(1025..5001), [5000]);
        assert!(seen(7..7).is_empty());
        assert_eq!(t.counts(), t.recount());
        assert_eq!(t.counts().dirty, 1);
    }

    #[test]
    fn runs_break_at_gaps_tags_and_the_limit() {
        let pages = [(1, 'a'), (2, 'a'), (3, 'b'), (5, 'b'), (6, 'b'), (7, 'b')];
        assert_eq!(runs(pages, 2), [(1..3, 'a'), (3..4, 'b'), (5..7, 'b'), (7..8, 'b')]);
    }
}
