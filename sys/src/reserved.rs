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
    /// So many bytes, which begin where `like` does within a large page: so tables that map large pages, or move, fit both.
    ///
    /// Errors: `ENOMEM` no address space.
    pub fn like(like: u64, size: u64) -> Result<(Reserved, u64), SysError> {
        let all = size + LARGE_PAGE_SIZE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: new addresses, of which nobody knows.
        let at = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), all as usize, ProtFlags::empty(), flags) };
        let start = at.context("mmap(2)", || format!("reserve {size:#x} bytes of address space"))? as u64;
        let first = start + (like.wrapping_sub(start) & (LARGE_PAGE_SIZE - 1));
        Ok((Reserved { start, size: all }, first))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the range is its own, and no reference points there.
        let _ = unsafe { rustix::mm::munmap(self.start as *mut libc::c_void, self.size as usize) };
    }
}
