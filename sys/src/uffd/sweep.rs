//! Calls over ranges of pages that resume after partial progress and step over pages which need nothing.
//!
//! One ioctl stops at the first obstacle. A [`Sweep`] goes on behind it and says how much of the range met which fate;
//! when any page met an obstacle, the whole range is woken at the end, since the kernel wakes only what it installed.

use std::os::fd::AsFd;

use proto::PAGE_SIZE;
use proto::limits::MEMORY_CALL_BYTES_MAX;
use userfaultfd_sys as abi;

use super::{Uffd, raw};
use crate::error::{Errno, SysError};

/// What became of the pages of a range, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sweep {
    /// The call took effect.
    pub done: u64,
    /// `EEXIST`: a page was there already, with whatever protection it has.
    pub already_there: u64,
    /// `ENOENT`: not mapped, or not registered.
    pub no_entry: u64,
    /// `EFAULT`: `CONTINUE` found no page in the page cache.
    pub no_page: u64,
    /// `ESRCH`: the process is gone; the rest of the range was not tried.
    pub gone: bool,
    /// `EAGAIN`: threads of the process are unmapping or moving memory, and wait for events to be read
    /// ([`Uffd::let_changes_end`]); the rest of the range was not tried.
    pub stalled: bool,
}

impl Sweep {
    /// Whether every page was done now or was there before.
    pub fn is_complete(&self) -> bool {
        !self.gone && !self.stalled && self.no_entry == 0 && self.no_page == 0
    }

    fn met_obstacle(&self) -> bool {
        self.already_there != 0 || self.no_entry != 0 || self.no_page != 0 || self.stalled
    }
}

/// Whether pages are write-protected, or installed so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WriteProtect {
    /// The next write is an event.
    On,
    /// Writes pass.
    Off,
}

impl Uffd {
    /// Maps pages that are in the page cache of the object behind the range, and wakes their waiters.
    ///
    /// Conditions: whole pages, registered `MINOR`. With `Off` an existing protection of absent pages is dropped: pass
    /// `On` for every page whose writing has not been granted (uffd-rules 5). Where the range is not registered
    /// `WRITE_PROTECT` (a private mapping, whose writes go to copies anyway) the two are the same.
    /// Errors: `EINVAL` the range is not registered so; the expected answers are in the [`Sweep`].
    pub fn continue_range(&self, address: u64, len: u64, protect: WriteProtect) -> Result<Sweep, SysError> {
        let protected = protect == WriteProtect::On;
        self.sweep("UFFDIO_CONTINUE", address, len, |range| {
            if protected {
                match raw::continue_(self.as_fd(), range, abi::UFFDIO_CONTINUE_MODE_WP) {
                    // The mode is refused in a mapping that is not registered for write protection.
                    (_, Err(Errno::INVAL)) => {}
                    answered => return answered,
                }
            }
            raw::continue_(self.as_fd(), range, 0)
        })
    }

    /// Installs copies of `source`'s pages and wakes their waiters.
    ///
    /// Conditions: as [`Uffd::continue_range`], registered `MISSING`; `source` is whole pages. For a shared mapping the
    /// page goes into the object.
    pub fn copy(&self, address: u64, source: &[u8], protect: WriteProtect) -> Result<Sweep, SysError> {
        let mode = if protect == WriteProtect::On { abi::UFFDIO_COPY_MODE_WP } else { 0 };
        self.sweep("UFFDIO_COPY", address, source.len() as u64, |range| {
            let from = (range.start - address) as usize;
            raw::copy(self.as_fd(), range.start, &source[from..from + range.len as usize], mode)
        })
    }

    /// Makes touching a page that is not in the page table an error (SIGBUS; `EFAULT` of system calls) and wakes its
    /// waiters. Pages that are there stay as they are.
    ///
    /// Conditions: whole pages, registered. A write-protected absent page counts as there: lift the protection first.
    pub fn poison(&self, address: u64, len: u64) -> Result<Sweep, SysError> {
        self.sweep("UFFDIO_POISON", address, len, |range| raw::poison(self.as_fd(), range, 0))
    }

    /// Protects a range from writes, or lifts that and wakes its waiters if `wake`.
    ///
    /// Conditions: whole pages, registered `WRITE_PROTECT`; parts that are not are stepped over (`no_entry`). When it
    /// returns with `On`, no CPU can write to the range any more.
    pub fn write_protect(&self, address: u64, len: u64, protect: WriteProtect, wake: bool) -> Result<Sweep, SysError> {
        let mode = match (protect, wake) {
            (WriteProtect::On, _) => abi::UFFDIO_WRITEPROTECT_MODE_WP,
            (WriteProtect::Off, true) => 0,
            (WriteProtect::Off, false) => abi::UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
        };
        let mut sweep = Sweep::default();
        let end = check_range("UFFDIO_WRITEPROTECT", address, len)?;
        let mut at = address;
        while at < end && !sweep.gone && !sweep.stalled {
            let piece = abi::uffdio_range { start: at, len: (end - at).min(MEMORY_CALL_BYTES_MAX) };
            self.write_protect_piece(piece, mode, &mut sweep)?;
            at += piece.len;
        }
        if wake && sweep.met_obstacle() {
            self.wake(address, len)?;
        }
        Ok(sweep)
    }

    /// The call stops at the first part that is not registered without saying where, so a piece that meets one is halved
    /// until what remains is that part.
    fn write_protect_piece(&self, piece: abi::uffdio_range, mode: u64, sweep: &mut Sweep) -> Result<(), SysError> {
        let mut todo = vec![piece];
        while let Some(range) = todo.pop() {
            match raw::write_protect(self.as_fd(), range, mode) {
                Ok(()) => sweep.done += range.len,
                Err(Errno::NOENT) if range.len == PAGE_SIZE => sweep.no_entry += range.len,
                Err(Errno::NOENT) => {
                    let half = (range.len / 2).next_multiple_of(PAGE_SIZE);
                    todo.push(abi::uffdio_range { start: range.start + half, len: range.len - half });
                    todo.push(abi::uffdio_range { start: range.start, len: half });
                }
                Err(Errno::AGAIN) => {
                    sweep.stalled = true;
                    return Ok(());
                }
                Err(Errno::SRCH) => {
                    sweep.gone = true;
                    return Ok(());
                }
                Err(errno) => return Err(error("UFFDIO_WRITEPROTECT", errno, range)),
            }
        }
        Ok(())
    }

    fn sweep(
        &self,
        call: &'static str,
        address: u64,
        len: u64,
        mut step: impl FnMut(abi::uffdio_range) -> (i64, Result<(), Errno>),
    ) -> Result<Sweep, SysError> {
        let end = check_range(call, address, len)?;
        let (mut sweep, mut at) = (Sweep::default(), address);
        // A call takes nothing at all if its range reaches beyond one mapping, so it is halved then, and grows again.
        let mut limit = MEMORY_CALL_BYTES_MAX;
        while at < end {
            let range = abi::uffdio_range { start: at, len: (end - at).min(limit) };
            let (count, result) = step(range);
            let advance = match result {
                Ok(()) => {
                    limit = (limit * 2).min(MEMORY_CALL_BYTES_MAX);
                    sweep.done += range.len;
                    range.len
                }
                // Part of it: the count is positive. Nothing of it: the count repeats the error as a negative number,
                // which must not be taken for a length (uffd-rules 4).
                Err(Errno::AGAIN) if count > 0 => {
                    sweep.done += count as u64;
                    count as u64
                }
                Err(Errno::AGAIN) => {
                    sweep.stalled = true;
                    break;
                }
                Err(Errno::SRCH) => {
                    sweep.gone = true;
                    return Ok(sweep);
                }
                Err(Errno::NOENT) if range.len > PAGE_SIZE => {
                    limit = (range.len / 2).next_multiple_of(PAGE_SIZE);
                    continue;
                }
                Err(errno) => {
                    *fate(&mut sweep, errno).ok_or_else(|| {
                        let _ = self.wake(address, len);
                        error(call, errno, range)
                    })? += PAGE_SIZE;
                    PAGE_SIZE
                }
            };
            at += advance;
        }
        if sweep.met_obstacle() {
            self.wake(address, len)?;
        }
        Ok(sweep)
    }
}

/// The counter of the obstacle that one page met; `None` for an error that is none.
fn fate(sweep: &mut Sweep, errno: Errno) -> Option<&mut u64> {
    match errno {
        Errno::EXIST => Some(&mut sweep.already_there),
        Errno::NOENT => Some(&mut sweep.no_entry),
        Errno::FAULT => Some(&mut sweep.no_page),
        _ => None,
    }
}

fn check_range(call: &'static str, address: u64, len: u64) -> Result<u64, SysError> {
    let aligned = address.is_multiple_of(PAGE_SIZE) && len.is_multiple_of(PAGE_SIZE) && len != 0;
    match address.checked_add(len) {
        Some(end) if aligned => Ok(end),
        _ => Err(error(call, Errno::INVAL, abi::uffdio_range { start: address, len })),
    }
}

fn error(call: &'static str, errno: Errno, range: abi::uffdio_range) -> SysError {
    SysError::new(call, errno, format!("{:#x} bytes at {:#x}", range.len, range.start))
}
