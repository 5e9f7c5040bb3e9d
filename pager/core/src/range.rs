//! Ranges of pages.

use proto::PAGE_SIZE;

/// Pages `start..end` of an object. Units: pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Pages {
    /// The first page.
    pub start: u64,
    /// The page after the last.
    pub end: u64,
}

impl Pages {
    /// Pages `start..end`.
    pub const fn new(start: u64, end: u64) -> Pages {
        Pages { start, end }
    }

    /// The pages of `length` bytes from `offset` on.
    ///
    /// Errors: `None` unless both are whole pages, there is at least one, and their end fits in 64 bits.
    pub fn from_bytes(offset: u64, length: u64) -> Option<Pages> {
        let whole = offset.is_multiple_of(PAGE_SIZE) && length.is_multiple_of(PAGE_SIZE) && length > 0;
        let end = offset.checked_add(length)?;
        whole.then(|| Pages::new(offset / PAGE_SIZE, end / PAGE_SIZE))
    }

    /// Number of pages.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Where they begin. Units: bytes.
    pub const fn offset(self) -> u64 {
        self.start * PAGE_SIZE
    }

    /// How much they hold. Units: bytes.
    pub const fn bytes(self) -> u64 {
        self.len() * PAGE_SIZE
    }

    /// Pages in both; empty when there is none.
    pub fn intersect(self, other: Pages) -> Pages {
        let start = self.start.max(other.start);
        Pages::new(start, self.end.min(other.end).max(start))
    }

    /// Cuts of at most `len` pages, in order.
    pub fn chunks(self, len: u64) -> impl Iterator<Item = Pages> {
        (self.start..self.end)
            .step_by(len.try_into().unwrap_or(usize::MAX))
            .map(move |start| Pages::new(start, self.end.min(start.saturating_add(len))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pages_make_a_range() {
        assert_eq!(Pages::from_bytes(4096, 8192), Some(Pages::new(1, 3)));
        for (offset, length) in [(1, 4096), (0, 1), (0, 0), (u64::MAX - 4095, 4096), (4096, u64::MAX - 4095)] {
            assert_eq!(Pages::from_bytes(offset, length), None, "{offset} {length}");
        }
    }

    #[test]
    fn chunks_cover_the_range() {
        let all: Vec<_> = Pages::new(3, 10).chunks(4).collect();
        assert_eq!(all, [Pages::new(3, 7), Pages::new(7, 10)]);
        assert_eq!(Pages::new(3, 3).chunks(4).count(), 0);
    }
}
