//! The ioctls themselves: those that the crate `userfaultfd` has not (`CONTINUE` and `COPY` with write protection,
//! `POISON`) or whose answer it loses (uffd-rules 4).

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use userfaultfd_sys as abi;

use crate::error::{Errno, last_errno};

/// `USERFAULTFD_IOC_NEW` on the device: a new userfaultfd.
pub(super) fn new_from_device(device: BorrowedFd<'_>, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the request takes its argument by value.
    let fd = unsafe { libc::ioctl(device.as_raw_fd(), abi::USERFAULTFD_IOC_NEW as _, flags) };
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: the kernel has just made the descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `UFFDIO_API`.
pub(super) fn api(fd: BorrowedFd<'_>, arg: &mut abi::uffdio_api) -> Result<(), Errno> {
    ioctl(fd, abi::UFFDIO_API, arg)
}

/// `UFFDIO_COPY` of `source` to `dst`; the answer's `copy` holds bytes done or a negative errno.
pub(super) fn copy(fd: BorrowedFd<'_>, dst: u64, source: &[u8], mode: u64) -> (i64, Result<(), Errno>) {
    let mut arg =
        abi::uffdio_copy { dst, src: source.as_ptr() as u64, len: source.len() as u64, mode, ..Default::default() };
    let result = ioctl(fd, abi::UFFDIO_COPY, &mut arg);
    (arg.copy, result)
}

/// `UFFDIO_CONTINUE`; bytes mapped or a negative errno.
pub(super) fn continue_(fd: BorrowedFd<'_>, range: abi::uffdio_range, mode: u64) -> (i64, Result<(), Errno>) {
    let mut arg = abi::uffdio_continue { range, mode, mapped: 0 };
    let result = ioctl(fd, abi::UFFDIO_CONTINUE, &mut arg);
    (arg.mapped, result)
}

/// `UFFDIO_POISON`; bytes poisoned or a negative errno.
pub(super) fn poison(fd: BorrowedFd<'_>, range: abi::uffdio_range, mode: u64) -> (i64, Result<(), Errno>) {
    let mut arg = abi::uffdio_poison { range, mode, updated: 0 };
    let result = ioctl(fd, abi::UFFDIO_POISON, &mut arg);
    (arg.updated, result)
}

/// `UFFDIO_WRITEPROTECT`: all or an error; it reports no count.
pub(super) fn write_protect(fd: BorrowedFd<'_>, range: abi::uffdio_range, mode: u64) -> Result<(), Errno> {
    ioctl(fd, abi::UFFDIO_WRITEPROTECT, &mut abi::uffdio_writeprotect { range, mode })
}

/// The kernel reads and writes exactly `size_of::<T>()` bytes, a size that `request` encodes.
fn ioctl<T>(fd: BorrowedFd<'_>, request: u32, arg: &mut T) -> Result<(), Errno> {
    assert_eq!(request >> 16 & 0x3fff, size_of::<T>() as u32, "the request is for another structure");
    // SAFETY: `arg` is valid for reads and writes of the size that the request encodes, just checked; the descriptor
    // is open while it is borrowed. Pages are installed only where the owner of a range registered it.
    match unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(arg)) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}
