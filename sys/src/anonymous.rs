//! Zero-filled memory of the own process beside any arena: what a C program is given as out-of-line memory.
//!
//! Mapping takes free addresses only, so it is safe; what takes memory away is the caller's to answer for.

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

use proto::Prot;

use crate::error::{Context, SysError};

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Maps `size` bytes, a multiple of the page, anywhere.
///
/// Errors: `ENOMEM`.
pub fn map(size: u64) -> Result<u64, SysError> {
    // SAFETY: without MAP_FIXED nothing that is mapped is touched.
    let address = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), size as usize, ACCESS, MapFlags::PRIVATE) };
    Ok(address.context("mmap(2)", || format!("{size:#x} bytes"))? as u64)
}

/// Maps `size` bytes at `address`, both multiples of the page.
///
/// Errors: `EEXIST` something is mapped there.
pub fn map_at(address: u64, size: u64) -> Result<(), SysError> {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE touches nothing that is mapped.
    let at = unsafe { rustix::mm::mmap_anonymous(address as *mut _, size as usize, ACCESS, flags) };
    at.context("mmap(2)", || format!("{size:#x} bytes at {address:#x}")).map(drop)
}

/// Unmaps whole pages; holes are permitted.
///
/// # Safety
///
/// Nothing refers to what is there.
pub unsafe fn unmap(address: u64, size: u64) -> Result<(), SysError> {
    // SAFETY: the caller's promise.
    let done = unsafe { rustix::mm::munmap(address as *mut _, size as usize) };
    done.context("munmap(2)", || format!("{size:#x} bytes at {address:#x}"))
}

/// Sets what whole pages permit.
///
/// Errors: `ENOMEM` something is not mapped; `EACCES` it does not permit that.
///
/// # Safety
///
/// Nothing refers to what is there and relies on what it loses.
pub unsafe fn protect(address: u64, size: u64, protection: Prot) -> Result<(), SysError> {
    let flags = MprotectFlags::from_bits_retain(protection.bits() & Prot::all().bits());
    // SAFETY: the caller's promise.
    let done = unsafe { rustix::mm::mprotect(address as *mut _, size as usize, flags) };
    done.context("mprotect(2)", || format!("{size:#x} bytes at {address:#x}"))
}

/// Says whether a child by fork(2) gets a copy of whole pages, or has nothing there.
///
/// Errors: `ENOMEM` something is not mapped; the rest is done.
pub fn inherit(address: u64, size: u64, copied: bool) -> Result<(), SysError> {
    let advice = if copied { Advice::LinuxDoFork } else { Advice::LinuxDontFork };
    // SAFETY: nothing of this process changes.
    let done = unsafe { rustix::mm::madvise(address as *mut _, size as usize, advice) };
    done.context("madvise(2)", || format!("{advice:?} of {size:#x} bytes at {address:#x}"))
}

// Mach's bits are Linux's: PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4.
const _: () = assert!(MprotectFlags::READ.bits() == 1 && MprotectFlags::WRITE.bits() == 2);
const _: () = assert!(Prot::READ.bits() == 1 && Prot::WRITE.bits() == 2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    const PAGE: u64 = proto::PAGE_SIZE;

    fn read(address: u64) -> Option<u8> {
        crate::guarded::install().unwrap();
        let mut byte = 0xff;
        // SAFETY: the target is a byte of ours; the source may be anything.
        unsafe { crate::guarded::copy(&raw mut byte, address as *const u8, 1) }.ok().map(|()| byte)
    }

    #[test]
    fn memory_comes_zeroed_and_goes_whole() {
        let address = map(3 * PAGE).unwrap();
        assert_eq!((read(address), read(address + 3 * PAGE - 1)), (Some(0), Some(0)));
        // SAFETY: nobody knows the address but this test.
        unsafe { unmap(address + PAGE, PAGE) }.unwrap();
        assert_eq!((read(address), read(address + PAGE)), (Some(0), None));
        map_at(address + PAGE, PAGE).unwrap();
        assert_eq!(map_at(address, PAGE).unwrap_err().errno, Errno::EXIST);
        // SAFETY: as above.
        unsafe { protect(address, PAGE, Prot::empty()) }.unwrap();
        assert_eq!((read(address), read(address + PAGE)), (None, Some(0)));
        // SAFETY: as above.
        unsafe { unmap(address, 3 * PAGE) }.unwrap();
        assert_eq!(read(address + PAGE), None);
    }
}
