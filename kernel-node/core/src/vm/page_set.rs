//! A sparse set of page numbers: one bit for each page of a chunk of 512 that has any.

use std::collections::BTreeMap;
use std::ops::Range;

/// Pages of one object.
#[derive(Default)]
pub(super) struct PageSet {
    chunks: BTreeMap<u64, [u64; WORDS]>,
}

impl PageSet {
    /// Whether a page is in it.
    pub fn contains(&self, page: u64) -> bool {
        let (chunk, word, bit) = place(page);
        self.chunks.get(&chunk).is_some_and(|words| words[word] & bit != 0)
    }

    /// The pages of it in a range, in order.
    pub fn within(&self, pages: Range<u64>) -> impl Iterator<Item = u64> + '_ {
        let chunks = pages.start / CHUNK_PAGES..pages.end.div_ceil(CHUNK_PAGES);
        let chunks = if pages.is_empty() { 0..0 } else { chunks };
        let of_chunk = |(chunk, words): (&u64, &[u64; WORDS])| {
            let (first, words) = (chunk * CHUNK_PAGES, *words);
            (0..CHUNK_PAGES).filter(move |n| words[(n / 64) as usize] >> (n % 64) & 1 != 0).map(move |n| first + n)
        };
        self.chunks.range(chunks).flat_map(of_chunk).filter(move |page| pages.contains(page))
    }

    /// Adds a page.
    pub fn insert(&mut self, page: u64) {
        let (chunk, word, bit) = place(page);
        self.chunks.entry(chunk).or_insert([0; WORDS])[word] |= bit;
    }
}

fn place(page: u64) -> (u64, usize, u64) {
    (page / CHUNK_PAGES, (page % CHUNK_PAGES / 64) as usize, 1 << (page % 64))
}

/// Pages of one chunk.
const CHUNK_PAGES: u64 = 512;
/// Words of one chunk.
const WORDS: usize = (CHUNK_PAGES / 64) as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_set() {
        let (mut set, mut model) = (PageSet::default(), std::collections::BTreeSet::new());
        let mut at = 7_u64;
        for _ in 0..2000 {
            at = (at * 48_271 + 11) % 40_000;
            set.insert(at);
            model.insert(at);
        }
        assert!((0..41_000).all(|page| set.contains(page) == model.contains(&page)));
        for range in [0..41_000, 511..513, 512..1024, 700..701, 9..9, 39_000..50_000] {
            assert!(set.within(range.clone()).eq(model.range(range).copied()));
        }
    }
}
