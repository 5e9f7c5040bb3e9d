//! Addresses that are kept for a mapping: inaccessible, and nobody else's.

use proto::vm::LARGE_PAGE_SIZE;
use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Context, SysError};

/// A range of addresses, and whatever comes to be mapped there. Dropping it unmaps all of it.
#[derive(Debug)]
pub(crate) struct Reserved {
    start: u64,
    size: u64,
}

impl Reserved {
    /// So many bytes, which begin where `like` does within a large page, and from a gibibyte on within one where that can be had:
    /// so page tables fit both, and those that are full move whole.
    ///
    /// Errors: `ENOMEM` no address space.
    pub fn like(like: u64, size: u64) -> Result<(Reserved, u64), SysError> {
        if size >= TABLE_BYTES
            && let Ok(by_table) = Reserved::within(TABLE_BYTES, like, size)
        {
            return Ok(by_table);
        }
        Reserved::within(LARGE_PAGE_SIZE, like, size)
    }

    /// So many bytes, which begin where `like` does within `unit` bytes, a power of two.
    fn within(unit: u64, like: u64, size: u64) -> Result<(Reserved, u64), SysError> {
        let all = size + unit;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: new addresses, of which nobody knows.
        let at = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), all as usize, ProtFlags::empty(), flags) };
        let start = at.context("mmap(2)", || format!("reserve {size:#x} bytes of address space"))? as u64;
        let first = start + (like.wrapping_sub(start) & (unit - 1));
        Ok((Reserved { start, size: all }, first))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the range is its own, and no reference points there.
        let _ = unsafe { rustix::mm::munmap(self.start as *mut libc::c_void, self.size as usize) };
    }
}

/// What one table of large pages maps.
const TABLE_BYTES: u64 = 512 * LARGE_PAGE_SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_lies_in_its_tables_as_the_other_does() {
        for (like, size, unit) in [(5 << 12, 1 << 20, LARGE_PAGE_SIZE), (7 << 21, 3 << 29, TABLE_BYTES)] {
            let (room, first) = Reserved::like(like, size).unwrap();
            assert_eq!(first % unit, like % unit);
            assert!(first >= room.start && first + size <= room.start + room.size);
        }
    }
}
