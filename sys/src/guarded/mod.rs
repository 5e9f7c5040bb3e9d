//! Copies from and to memory that may refuse: a page that its pager cannot bring, a file that was cut, a range that was
//! unmapped meanwhile. The refusal becomes an error that says where, in place of SIGSEGV or SIGBUS.
//!
//! On x86-64 the copy is one instruction of our own, and a signal handler recognises that instruction alone (module
//! `handler`). Elsewhere the kernel copies, through a pipe, and answers `EFAULT` (module `pipe`): slower, and with a
//! user-mode-only userfaultfd a missing page is an error there at once.

use crate::error::SysError;

#[cfg(target_arch = "x86_64")]
mod handler;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod pipe;

/// Memory could not be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("no access to the memory at {address:#x}")]
pub struct MemoryFault {
    /// The first byte that refused.
    pub address: u64,
    /// Bytes copied before it.
    pub copied: usize,
}

/// Makes the first copy ready now: installs the handlers. Where a program installs handlers of its own for SIGSEGV or SIGBUS
/// afterwards, these are called in place of ours until [`stand_first`].
///
/// Errors: `EINVAL`, never seen: the signals exist.
pub fn install() -> Result<(), SysError> {
    #[cfg(target_arch = "x86_64")]
    handler::install()?;
    Ok(())
}

/// Puts our handlers before those that the program has installed since: what is not ours is passed on to these. It takes two
/// system calls, less than a microsecond.
pub fn stand_first() {
    // The signals exist.
    #[cfg(target_arch = "x86_64")]
    let _ = handler::stand_first();
}

/// Copies `len` bytes, the parts in ascending order.
///
/// Errors: the first byte of either side that cannot be accessed.
///
/// # Safety
///
/// The side that is plain Rust memory (if any) must be valid for the access as for `ptr::copy_nonoverlapping`. The other
/// may be anything at all, except that no reference may point into it if it is written to. SIGSEGV and SIGBUS must not
/// be blocked in the calling thread.
pub unsafe fn copy(target: *mut u8, source: *const u8, len: usize) -> Result<(), MemoryFault> {
    // SAFETY: the caller's promise is passed on.
    #[cfg(target_arch = "x86_64")]
    return unsafe { handler::copy(target, source, len) };
    // SAFETY: as above.
    #[cfg(not(target_arch = "x86_64"))]
    return unsafe { pipe::copy(target, source, len) };
}
