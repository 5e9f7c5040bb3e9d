//! Which parts of the arena are mapped, and how: what the agent needs to know when the node is gone.

use std::collections::BTreeMap;

use proto::Prot;
use sys::FileId;

/// How a part is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    /// Served by the node; else Linux serves it alone.
    pub managed: bool,
    /// `MAP_SHARED`.
    pub shared: bool,
    /// In force.
    pub protection: Prot,
    /// Linux keeps its pages as they come.
    pub locked: bool,
    /// The file that it shows.
    pub file: FileId,
    /// So much lower than its address is where in the file it lies, modulo 2^64.
    pub shift: u64,
}

/// Parts that do not overlap, by their first address.
#[derive(Default, Debug)]
pub(crate) struct Ranges {
    /// First address to one behind the last, and the kind.
    by_start: BTreeMap<u64, (u64, Kind)>,
}

impl Ranges {
    /// Maps a part in place of what was there.
    pub fn insert(&mut self, address: u64, size: u64, kind: Kind) {
        self.remove(address, size);
        self.by_start.insert(address, (address + size, kind));
    }

    /// Unmaps a part; what reaches beyond it stays.
    pub fn remove(&mut self, address: u64, size: u64) {
        for (start, end, kind) in self.within(address, size) {
            self.cut(start, end, kind);
        }
    }

    /// Sets the protection of what is mapped in a part.
    pub fn protect(&mut self, address: u64, size: u64, protection: Prot) {
        for (start, end, kind) in self.within(address, size) {
            self.insert(start, end - start, Kind { protection, ..kind });
        }
    }

    /// Has what is mapped in a part be locked, or no more.
    pub fn lock(&mut self, address: u64, size: u64, locked: bool) {
        for (start, end, kind) in self.within(address, size) {
            self.insert(start, end - start, Kind { locked, ..kind });
        }
    }

    /// What is mapped in a part, cut to it: first address, one behind the last, kind.
    pub fn within(&self, address: u64, size: u64) -> Vec<(u64, u64, Kind)> {
        let end = address.saturating_add(size);
        // The one that begins before the part may reach into it.
        let first = self.by_start.range(..=address).next_back().map_or(address, |(start, _)| *start);
        let candidates = self.by_start.range(first..end.max(first)).filter(|(_, (e, _))| *e > address);
        candidates.map(|(s, (e, kind))| (*s.max(&address), *e.min(&end), *kind)).collect()
    }

    /// Whether a part begins or ends at an address.
    pub fn is_border(&self, address: u64) -> bool {
        let below = self.by_start.range(..address).next_back();
        self.by_start.contains_key(&address) || below.is_some_and(|(_, (end, _))| *end == address)
    }

    /// Everything.
    pub fn all(&self) -> impl Iterator<Item = (u64, u64, Kind)> {
        self.by_start.iter().map(|(start, (end, kind))| (*start, *end, *kind))
    }

    /// Takes `start..end`, which lies within one entry, out of it.
    fn cut(&mut self, start: u64, end: u64, kind: Kind) {
        let (&entry_start, &(entry_end, _)) = self.by_start.range(..=start).next_back().expect("within an entry");
        self.by_start.remove(&entry_start);
        if entry_start < start {
            self.by_start.insert(entry_start, (start, kind));
        }
        if end < entry_end {
            self.by_start.insert(end, (entry_end, kind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(n: u32) -> Kind {
        let (file, shift) = (FileId::default(), 0);
        Kind { managed: true, shared: false, protection: Prot::from_bits_retain(n), locked: false, file, shift }
    }

    fn shown(ranges: &Ranges) -> Vec<(u64, u64, u32)> {
        ranges.all().map(|(s, e, k)| (s, e, k.protection.bits())).collect()
    }

    #[test]
    fn parts_are_split_and_replaced() {
        let mut r = Ranges::default();
        r.insert(10, 10, kind(1));
        r.insert(30, 10, kind(2));
        r.remove(12, 3);
        assert_eq!(shown(&r), [(10, 12, 1), (15, 20, 1), (30, 40, 2)]);
        r.protect(18, 14, Prot::from_bits_retain(7));
        assert_eq!(shown(&r), [(10, 12, 1), (15, 18, 1), (18, 20, 7), (30, 32, 7), (32, 40, 2)]);
        r.insert(0, 35, kind(3));
        assert_eq!(shown(&r), [(0, 35, 3), (35, 40, 2)]);
        assert_eq!(r.within(34, 2).len(), 2);
        assert_eq!(r.within(40, 10), []);
        r.remove(0, u64::MAX);
        assert_eq!(shown(&r), []);
    }

    /// Against the simplest model: a kind for every address.
    #[test]
    fn it_agrees_with_an_array() {
        let (mut r, mut model) = (Ranges::default(), [0u32; 64]);
        let mut seed = 12345u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % below
        };
        for step in 1..3000u32 {
            let (address, size) = (random(60), 1 + random(4));
            let part = address as usize..(address + size) as usize;
            match random(3) {
                0 => {
                    r.insert(address, size, kind(step));
                    model[part].fill(step);
                }
                1 => {
                    r.remove(address, size);
                    model[part].fill(0);
                }
                _ => {
                    r.protect(address, size, Prot::from_bits_retain(step));
                    model[part].iter_mut().filter(|k| **k != 0).for_each(|k| *k = step);
                }
            }
            let mut seen = [0; 64];
            for (s, e, k) in r.all() {
                assert!(s < e);
                seen[s as usize..e as usize].fill(k.protection.bits());
            }
            assert_eq!(seen, model);
        }
    }
}
