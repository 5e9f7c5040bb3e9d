//! Which part of the swap file holds which page: the pure half of the store.
//!
//! A page that was never stored, or whose bytes all were zero, has no slot. One whose bytes were refused or could not be
//! written has one that says so, so that what was there before is not taken for it.

use std::collections::BTreeMap;

use proto::PAGE_SIZE;

use super::extents::Extents;

/// The file is given out in pieces of so many bytes.
pub(super) const UNIT_BYTES: u64 = 256;

/// The object of a slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SwapId(pub u64);

/// Where a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// In the file.
    Stored(Stored),
    /// Nowhere: the newest bytes were not taken, and those before them are not it.
    Lost,
}

/// The bytes of a page in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    /// First unit.
    unit: u64,
    /// Bytes; a whole page is not compressed.
    pub bytes: u32,
    /// Checksum of the bytes in the file.
    pub checksum: u32,
}

impl Stored {
    /// The first byte in the file.
    pub fn offset(self) -> u64 {
        self.unit * UNIT_BYTES
    }

    fn units(self) -> u64 {
        u64::from(self.bytes).div_ceil(UNIT_BYTES)
    }
}

/// All slots.
#[derive(Debug)]
pub(super) struct Index {
    extents: Extents,
    objects: BTreeMap<SwapId, BTreeMap<u64, Slot>>,
    stored: u64,
}

impl Index {
    /// An empty file that may come to have `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Index {
        Index { extents: Extents::new(limit_bytes / UNIT_BYTES), objects: BTreeMap::new(), stored: 0 }
    }

    /// Finds a place for new bytes of a page; those before it are given up whatever happens. `None` if there is no room:
    /// the page is lost then.
    pub fn place(&mut self, id: SwapId, page: u64, bytes: u32, checksum: u32) -> Option<Stored> {
        assert!(bytes > 0 && u64::from(bytes) <= PAGE_SIZE);
        self.forget(id, page);
        let unit = self.extents.allocate(u64::from(bytes).div_ceil(UNIT_BYTES));
        let stored = unit.map(|unit| Stored { unit, bytes, checksum });
        self.stored += u64::from(stored.is_some());
        self.objects.entry(id).or_default().insert(page, stored.map_or(Slot::Lost, Slot::Stored));
        stored
    }

    /// The page is zero now.
    pub fn forget(&mut self, id: SwapId, page: u64) {
        if let Some(Slot::Stored(old)) = self.objects.get_mut(&id).and_then(|pages| pages.remove(&page)) {
            self.stored -= 1;
            self.extents.free(old.unit, old.units());
        }
    }

    /// The page could not be written.
    pub fn lose(&mut self, id: SwapId, page: u64) {
        self.forget(id, page);
        self.objects.entry(id).or_default().insert(page, Slot::Lost);
    }

    /// Where a page is; `None` if it is zero.
    pub fn get(&self, id: SwapId, page: u64) -> Option<Slot> {
        self.objects.get(&id)?.get(&page).copied()
    }

    /// Everything of an object is given up.
    pub fn remove(&mut self, id: SwapId) {
        for slot in self.objects.remove(&id).unwrap_or_default().into_values() {
            if let Slot::Stored(old) = slot {
                self.stored -= 1;
                self.extents.free(old.unit, old.units());
            }
        }
    }

    /// Pages in the file.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Bytes of the file that are given out, and where the last of them ends.
    pub fn bytes(&self) -> (u64, u64) {
        (self.extents.used() * UNIT_BYTES, self.extents.end() * UNIT_BYTES)
    }
}
