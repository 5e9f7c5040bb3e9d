//! Memory that processes share word by word, and waiting on a word of it.
//!
//! 1. The other processes that map it are trusted with nothing: every access is an atomic one of a value that may be
//!    anything, and no reference to plain memory points inside.
//! 2. The file has a fixed size from birth (`memfd`), so no access faults.
//! 3. A child by fork(2) does not have it; there a [`Shared`] must not be used, and dropping it does nothing.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::thread::{ClockId, Timespec, futex};

use crate::error::{Context, Errno, SysError};
use crate::memfd::Memfd;

/// Words that [`wait_any`] takes at most (`FUTEX_WAITV_MAX`).
pub const WAIT_WORDS_MAX: usize = 128;

/// A memfd mapped whole, for reading and writing.
#[derive(Debug)]
pub struct Shared {
    start: *mut libc::c_void,
    size: usize,
    pid: u32,
}

// SAFETY: it is an address range that lives as long as the value, accessed by atomic operations only.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps all of `memfd`.
    ///
    /// Errors: `EINVAL` it is empty, no whole pages, or could still shrink; `ENOMEM`.
    pub fn map(memfd: &Memfd) -> Result<Shared, SysError> {
        let size = memfd.size() as usize;
        let what = || format!("a shared memfd of {size} bytes");
        if size == 0 || !memfd.size().is_multiple_of(proto::PAGE_SIZE) || !memfd.is_fixed_size() {
            return Err(SysError::new("mmap(2)", Errno::INVAL, what()));
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so nothing else is there.
        let mapped =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), size, protection, MapFlags::SHARED, memfd.as_fd(), 0) };
        let start = mapped.context("mmap(2)", what)?;
        let shared = Shared { start, size, pid: std::process::id() };
        for advice in [Advice::LinuxDontFork, Advice::LinuxDontDump] {
            // SAFETY: the range is the mapping made above, whole.
            let advised = unsafe { rustix::mm::madvise(start, size, advice) };
            advised.context("madvise(2)", what)?;
        }
        Ok(shared)
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The word at `offset`.
    ///
    /// Conditions: `offset` is a multiple of 4 inside; this is the process that mapped it.
    pub fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.size, "a word at {offset} of {}", self.size);
        // SAFETY: inside the mapping (asserted), aligned (pages are), and valid as long as `self` is.
        unsafe { AtomicU32::from_ptr(self.start.wrapping_byte_add(offset).cast()) }
    }

    /// Copies bytes in, eight at a time; the last of them are padded with zeroes.
    ///
    /// Conditions: `offset` is a multiple of 8, and the bytes rounded up to 8 lie inside.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let words = self.double_words(offset, bytes.len());
        let (whole, rest) = bytes.as_chunks();
        for (word, bytes) in words.iter().zip(whole) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        if let (Some(word), [_, ..]) = (words.last(), rest) {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            word.store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
    }

    /// Copies bytes out, whatever they are by now.
    ///
    /// Conditions: as for [`Shared::write`].
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        let words = self.double_words(offset, bytes.len());
        for (word, bytes) in words.iter().zip(bytes.chunks_mut(8)) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes()[..bytes.len()]);
        }
    }

    /// The double words that hold `len` bytes from `offset` on.
    fn double_words(&self, offset: usize, len: usize) -> &[AtomicU64] {
        let count = len.div_ceil(8);
        assert!(
            offset.is_multiple_of(8) && offset <= self.size && count * 8 <= self.size - offset,
            "{len} bytes at {offset} of {}",
            self.size
        );
        let first = self.start.wrapping_byte_add(offset).cast::<AtomicU64>();
        // SAFETY: inside the mapping (asserted), aligned (pages are), valid as long as `self` is, and of atomics only.
        unsafe { std::slice::from_raw_parts(first, count) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            return;
        }
        // SAFETY: the range is the mapping that `map` made, and no reference into it outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.start, self.size) };
        unmapped.expect("a whole mapping can be unmapped");
    }
}

/// Sleeps while the word has `value`, for at most `timeout`. It may return for no reason.
///
/// Errors: none that a caller can do anything about: a wait that cannot be made returns at once.
pub fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(timespec);
    let _ = futex::wait(word, futex::Flags::empty(), value, timeout.as_ref());
}

/// Wakes whoever sleeps on the word, in whatever process.
pub fn wake(word: &AtomicU32) {
    let _ = futex::wake(word, futex::Flags::empty(), i32::MAX as u32);
}

/// Sleeps while each word has the value beside it, for at most `timeout`. It may return for no reason.
///
/// Conditions: at most [`WAIT_WORDS_MAX`] words.
/// Errors: `ENOSYS` the system is older than 5.16.
pub fn wait_any(words: &[(&AtomicU32, u32)], timeout: Option<Duration>) -> Result<(), SysError> {
    let waits: Vec<futex::Wait> = words
        .iter()
        .map(|(word, value)| {
            let mut wait = futex::Wait::new();
            wait.val = u64::from(*value);
            wait.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
            wait.flags = futex::WaitFlags::SIZE_U32;
            wait
        })
        .collect();
    let deadline = timeout.map(|t| {
        let now = rustix::time::clock_gettime(ClockId::Monotonic);
        let nanoseconds = now.tv_nsec + i64::from(t.subsec_nanos());
        let seconds = now.tv_sec.saturating_add_unsigned(t.as_secs()).saturating_add(nanoseconds / 1_000_000_000);
        Timespec { tv_sec: seconds, tv_nsec: nanoseconds % 1_000_000_000 }
    });
    match futex::waitv(&waits, futex::WaitvFlags::empty(), deadline.as_ref(), ClockId::Monotonic) {
        Err(errno @ (Errno::NOSYS | Errno::INVAL)) => {
            Err(SysError::new("futex_waitv(2)", errno, format!("wait on {} words", words.len())))
        }
        _ => Ok(()),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const PAGE: u64 = proto::PAGE_SIZE;

    fn pair() -> (Shared, Shared) {
        let memfd = Memfd::create("test", PAGE).unwrap();
        (Shared::map(&memfd).unwrap(), Shared::map(&memfd).unwrap())
    }

    #[test]
    fn bytes_written_through_one_mapping_are_read_through_another() {
        let (a, b) = pair();
        let text: Vec<u8> = (0..61).collect();
        a.write(8, &text);
        let mut back = vec![9; 61];
        b.read(8, &mut back);
        assert_eq!(back, text);
        a.word(72).store(7, Ordering::Relaxed);
        assert_eq!(b.word(72).load(Ordering::Relaxed), 7);
    }

    #[test]
    #[should_panic(expected = "9 bytes at 4088 of 4096")]
    fn nothing_outside_is_touched() {
        pair().0.write(4088, &[0; 9]);
    }

    #[test]
    fn a_file_that_can_shrink_is_not_mapped() {
        let unsealed = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&unsealed, PAGE).unwrap();
        let memfd = Memfd::adopt(unsealed).unwrap();
        assert_eq!(Shared::map(&memfd).unwrap_err().errno, Errno::INVAL);
    }

    #[test]
    fn a_wake_on_one_word_ends_a_wait_on_several() {
        let (a, b) = pair();
        let waiter = std::thread::spawn(move || {
            while b.word(8).load(Ordering::Acquire) == 0 {
                wait_any(&[(b.word(0), 0), (b.word(8), 0)], None).unwrap();
            }
        });
        std::thread::sleep(Duration::from_millis(20));
        a.word(8).store(1, Ordering::Release);
        wake(a.word(8));
        waiter.join().unwrap();
    }

    #[test]
    fn a_wait_ends_at_its_time_and_at_once_on_another_value() {
        let (a, _) = pair();
        let began = Instant::now();
        wait(a.word(0), 1, None);
        wait_any(&[(a.word(0), 0), (a.word(4), 1)], None).unwrap();
        wait(a.word(0), 0, Some(Duration::from_millis(20)));
        wait_any(&[(a.word(0), 0)], Some(Duration::from_millis(20))).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(40));
        let words = vec![(a.word(0), 0); WAIT_WORDS_MAX + 1];
        assert_eq!(wait_any(&words, None).unwrap_err().errno, Errno::INVAL);
    }
}
