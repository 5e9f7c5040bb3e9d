//! What the processes of the measurement are asked to do, what they answer, and what is in the memory meanwhile.

use proto::PAGE_SIZE;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Every hundredth page is one per cent.
const SHARE: u64 = 100;

/// One thing to do. The sender fills, sends and writes; the receiver takes and reads; the floors do all of theirs at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Step {
    /// Allocate memory, and write to each page.
    Fill { bytes: u64 },
    /// Copy it into a message and send that.
    Send,
    /// Write to pages of it.
    Write { pages: Pages, generation: u64 },
    /// Receive the message and map what came; tells when it has begun to wait.
    Take,
    /// Read pages of what came, and check them.
    Read { pages: Pages, generation: u64 },
    /// Allocate memory in so many regions, and write to each page.
    FillRegions { bytes: u64, regions: u64 },
    /// Copy the whole address space into a message and send that.
    SendSpace,
    /// Receive the message and map the space at its addresses; tells when it has begun to wait.
    TakeSpace,
    /// Give all memory up.
    Release,
    /// Measure what the others are compared with.
    Floors { bytes: u64 },
}

/// What a step came to. Times are of the machine's monotonic clock, the same for all processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// When it began.
    pub begun_ns: u64,
    /// When the copy was made, or the message was there.
    pub midway_ns: u64,
    /// When it was done.
    pub ended_ns: u64,
    /// Filled: bytes of the process's memory that pages of 2 MiB map. Taken: bytes that came as bytes, not as a file.
    pub bytes: u64,
}

impl Done {
    /// How long all of it took.
    pub fn took_us(&self) -> f64 {
        (self.ended_ns - self.begun_ns) as f64 / 1000.0
    }
}

/// Which pages of the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Pages {
    /// All, in order.
    All,
    /// Every hundredth, from the first on.
    Scattered,
    /// The first of a hundred parts, at least one page.
    Run,
}

impl Pages {
    /// Their numbers, in memory of `count` pages.
    pub fn of(self, count: u64) -> impl Iterator<Item = u64> {
        let (end, step) = match self {
            Pages::All => (count, 1),
            Pages::Scattered => (count, SHARE as usize),
            Pages::Run => (count.div_ceil(SHARE), 1),
        };
        (0..end).step_by(step)
    }
}

/// Before anything was sent.
pub const FRESH: u64 = 1;
/// After the [`Pages::Run`] was written.
pub const RUN_WRITTEN: u64 = 2;
/// After the [`Pages::Scattered`] were, too.
pub const SCATTERED_WRITTEN: u64 = 3;

/// The word with which page `page` of `count` begins when the memory is of a generation.
pub fn word(page: u64, count: u64, generation: u64) -> [u8; 8] {
    let written = match generation {
        SCATTERED_WRITTEN if page.is_multiple_of(SHARE) => SCATTERED_WRITTEN,
        RUN_WRITTEN | SCATTERED_WRITTEN if page < count.div_ceil(SHARE) => RUN_WRITTEN,
        RUN_WRITTEN | SCATTERED_WRITTEN => FRESH,
        other => other,
    };
    (written << 48 | page).to_le_bytes()
}

/// Writes to each of the pages, by whatever writes bytes at an offset.
pub fn write<E>(
    pages: Pages,
    count: u64,
    generation: u64,
    mut put: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    pages.of(count).try_for_each(|page| put(page * PAGE_SIZE, &word(page, count, generation)))
}

/// Reads each of the pages, and says which of them had something else in it.
pub fn read<E>(
    pages: Pages,
    count: u64,
    generation: u64,
    mut get: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Option<u64>, E> {
    let mut found = [0; 8];
    for page in pages.of(count) {
        get(page * PAGE_SIZE, &mut found)?;
        if found != word(page, count, generation) {
            return Ok(Some(page));
        }
    }
    Ok(None)
}

/// The machine's monotonic clock.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_when_it_was_written_last() {
        let count = 1000;
        let mut memory = vec![[0; 8]; count as usize];
        for (pages, generation) in
            [(Pages::All, FRESH), (Pages::Run, RUN_WRITTEN), (Pages::Scattered, SCATTERED_WRITTEN), (Pages::All, 4)]
        {
            write(pages, count, generation, |at, bytes| {
                memory[(at / PAGE_SIZE) as usize] = bytes.try_into().expect("a word");
                Ok::<_, ()>(())
            })
            .unwrap();
            let get = |at: u64, into: &mut [u8]| {
                into.copy_from_slice(&memory[(at / PAGE_SIZE) as usize]);
                Ok::<_, ()>(())
            };
            assert_eq!(read(Pages::All, count, generation, get), Ok(None));
            assert_eq!(read(Pages::All, count, generation + 1, get), Ok(Some(0)));
        }
    }

    #[test]
    fn one_per_cent_is_never_nothing() {
        let counts = |count| [Pages::All, Pages::Scattered, Pages::Run].map(|pages| pages.of(count).count());
        assert_eq!((counts(1), counts(1000), counts(262_144)), ([1, 1, 1], [1000, 10, 10], [262_144, 2622, 2622]));
    }
}
