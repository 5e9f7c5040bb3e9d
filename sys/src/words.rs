//! Words that two processes share, and waiting for one to change (futex).
//!
//! 1. What the other process stores is a number and nothing else: words are atomics, so there is no reading half of one.
//! 2. The mapping is of a memfd that nobody can shorten, so touching it is never SIGBUS.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::fs::Timespec;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::thread::futex;

use crate::error::{Context, Errno, SysError};
use crate::memfd::Memfd;

/// A shared mapping of words.
#[derive(Debug)]
pub struct Words {
    at: NonNull<AtomicU32>,
    count: usize,
}

// SAFETY: what is behind the pointer are atomics, and the mapping stays until the value is dropped.
unsafe impl Send for Words {}
// SAFETY: as above; only shared references to atomics are given out.
unsafe impl Sync for Words {}

impl Words {
    /// Maps all whole words of a memfd.
    ///
    /// Errors: `EINVAL` it holds none, or somebody could shorten it.
    pub fn map(memfd: &Memfd) -> Result<Words, SysError> {
        let what = || format!("words of a memfd of {:#x} bytes", memfd.size());
        let size = NonZeroUsize::new(memfd.size() as usize & !3).filter(|_| memfd.is_of_fixed_size());
        let size = size.ok_or_else(|| SysError::new("mmap(2)", Errno::INVAL, what()))?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses the address, so no mapping of ours is replaced.
        let at = unsafe { rustix::mm::mmap(std::ptr::null_mut(), size.get(), prot, flags, memfd.as_fd(), 0) };
        let at = NonNull::new(at.context("mmap(2)", what)?.cast()).expect("mmap does not answer null");
        Ok(Words { at, count: size.get() / 4 })
    }

    /// One word.
    ///
    /// Conditions: `index` is below the number of words; it panics otherwise.
    pub fn get(&self, index: usize) -> &AtomicU32 {
        assert!(index < self.count, "word {index} of {}", self.count);
        // SAFETY: the word lies within the mapping.
        let word = unsafe { self.at.add(index) };
        // SAFETY: the mapping is page-aligned, so the word is aligned; it lives as long as `self`; the file cannot become
        // shorter, and any bits are a valid atomic.
        unsafe { word.as_ref() }
    }

    /// Sleeps until somebody wakes the word, unless it is no longer `value`. Waking may be spurious.
    ///
    /// Errors: none for a word that has changed, a signal, or the end of `timeout`: the caller looks again.
    pub fn wait(&self, index: usize, value: u32, timeout: Option<Duration>) -> Result<(), SysError> {
        let timeout = timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: t.subsec_nanos().into() });
        match futex::wait(self.get(index), futex::Flags::empty(), value, timeout.as_ref()) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
            Err(errno) => Err(SysError::new("futex(2)", errno, "wait")),
        }
    }

    /// Wakes one thread that sleeps on the word, in whatever process.
    pub fn wake(&self, index: usize) -> Result<(), SysError> {
        futex::wake(self.get(index), futex::Flags::empty(), 1).context("futex(2)", || "wake").map(drop)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this address and size (rounded up to pages by the kernel), and no
        // reference into it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.at.as_ptr().cast(), self.count * 4) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::{Acquire, Release};

    use super::*;

    #[test]
    fn a_store_through_one_mapping_wakes_a_sleeper_of_another() {
        let memfd = Memfd::create("words", 4096).unwrap();
        let (ours, theirs) = (Words::map(&memfd).unwrap(), Words::map(&memfd).unwrap());
        let sleeper = std::thread::spawn(move || {
            while theirs.get(1023).load(Acquire) == 0 {
                theirs.wait(1023, 0, Some(Duration::from_secs(10))).unwrap();
            }
            theirs.get(1023).load(Acquire)
        });
        std::thread::sleep(Duration::from_millis(20));
        ours.get(1023).store(7, Release);
        ours.wake(1023).unwrap();
        assert_eq!(sleeper.join().unwrap(), 7);
        // Neither a changed word nor a short wait is an error.
        ours.wait(1023, 0, None).unwrap();
        ours.wait(1023, 7, Some(Duration::from_millis(1))).unwrap();
    }

    #[test]
    fn memory_that_could_vanish_is_refused() {
        let empty = Memfd::create("words", 0).unwrap();
        assert_eq!(Words::map(&empty).unwrap_err().errno, Errno::INVAL);
        let fd = rustix::fs::memfd_create("words", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&fd, 4096).unwrap();
        assert_eq!(Words::map(&Memfd::adopt(fd).unwrap()).unwrap_err().errno, Errno::INVAL);
    }

    #[test]
    #[should_panic = "word 1024 of 1024"]
    fn a_word_beyond_the_end_is_a_panic() {
        Words::map(&Memfd::create("words", 4096).unwrap()).unwrap().get(1024);
    }
}
