//! Threads: without signals, behind others, how many there are, and how many page faults they have taken.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

use crate::error::{Context, Errno, SysError};

/// Spawns a thread with every signal blocked, from its first instruction on: the program's handlers run elsewhere. Only
/// SIGSEGV and SIGBUS are not: the thread causes them itself, in [`crate::guarded`], and blocked they kill the process.
pub fn spawn_without_signals<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, SysError> {
    let failed = |e: io::Error| SysError::from_io("pthread_create(3)", &e, format!("thread {name}"));
    // A new thread has the mask of the one that makes it.
    let before = set_mask(&signals_of_others())?;
    let spawned = Builder::new().name(name.to_owned()).spawn(body);
    set_mask(&before)?;
    spawned.map_err(failed)
}

/// Has this thread run behind others: it gets a tenth of a processor for which another thread waits. It never goes back.
pub fn give_way() {
    // A process may always do so. Linux takes a thread's id for a process.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
}

/// How much: each step is a fifth less than the one before, or so.
const NICE: i32 = 10;

/// Does something while no signal handler of the program can run on this thread, SIGSEGV's and SIGBUS's apart.
///
/// Errors: the mask could not be set; nothing was done.
pub fn undisturbed<T>(act: impl FnOnce() -> T) -> Result<T, SysError> {
    /// Puts the mask back, however it ends.
    struct Before(libc::sigset_t);
    impl Drop for Before {
        fn drop(&mut self) {
            let _ = set_mask(&self.0);
        }
    }
    let _before = Before(set_mask(&signals_of_others())?);
    Ok(act())
}

/// Threads of the process, the calling one among them.
///
/// Source: Linux's folder of them has a link for each, beside the two that any has (`proc_task_getattr`); to list it takes
/// ten times as long.
pub fn count() -> Result<usize, SysError> {
    let path = "/proc/self/task";
    let links = rustix::fs::stat(path).context("stat(2)", || path)?.st_nlink;
    usize::try_from(links).ok().and_then(|links| links.checked_sub(2)).filter(|threads| *threads > 0).ok_or_else(|| {
        SysError::new("stat(2)", Errno::NOSYS, format!("{path} does not tell how many threads there are"))
    })
}

/// Page faults that other threads of the process have taken so far, those included that have ended.
pub fn faults_of_others() -> Result<u64, SysError> {
    let faults = |who| {
        let mut usage = MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is valid for writes of the structure.
        match unsafe { libc::getrusage(who, usage.as_mut_ptr()) } {
            // SAFETY: the call succeeded, so it wrote the structure.
            0 => Ok(unsafe { usage.assume_init() }).map(|usage| (usage.ru_minflt + usage.ru_majflt) as u64),
            _ => Err(SysError::new("getrusage(2)", crate::error::last_errno(), "page faults")),
        }
    };
    // The own ones first, so that a fault between the two counts as another's.
    let own = faults(libc::RUSAGE_THREAD)?;
    Ok(faults(libc::RUSAGE_SELF)?.saturating_sub(own))
}

fn signals_of_others() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the pointer is valid for writes.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: sigfillset(3) has written the whole set; it cannot fail for a valid pointer.
    let mut set = unsafe { set.assume_init() };
    for own in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the set is initialised, the signal one that there is.
        unsafe { libc::sigdelset(&mut set, own) };
    }
    set
}

fn set_mask(mask: &libc::sigset_t) -> Result<libc::sigset_t, SysError> {
    let mut before = MaybeUninit::uninit();
    // SAFETY: one pointer is to a set, the other valid for writes of one.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, before.as_mut_ptr()) } {
        // SAFETY: the call succeeded, so it wrote the old mask.
        0 => Ok(unsafe { before.assume_init() }),
        errno => Err(SysError::new("pthread_sigmask(3)", Errno::from_raw_os_error(errno), "block all signals")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }

    #[test]
    fn threads_are_counted_as_they_come_and_go() {
        let (begin, listed) = (count().unwrap(), || std::fs::read_dir("/proc/self/task").unwrap().count());
        assert_eq!(begin, listed());
        let threads: Vec<_> = (1..=3)
            .map(|n| {
                let (end, ended) = std::sync::mpsc::channel::<()>();
                let thread = std::thread::spawn(move || ended.recv().is_err());
                assert_eq!((count().unwrap(), listed()), (begin + n, begin + n));
                (thread, end)
            })
            .collect();
        for (thread, end) in threads {
            drop(end);
            assert!(thread.join().unwrap());
        }
        // One that was waited for is about to go.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while count().unwrap() != begin {
            assert!(std::time::Instant::now() < until);
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_handler_waits_until_it_is_over() {
        let before = blocked();
        let within = undisturbed(blocked).unwrap();
        assert!(within & 1 << (libc::SIGUSR1 - 1) != 0 && within & 1 << (libc::SIGBUS - 1) == 0);
        assert_eq!(blocked(), before);
    }

    #[test]
    fn threads_and_their_faults_are_counted() {
        let (to_other, other) = std::sync::mpsc::channel::<()>();
        let (to_self, own) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            to_self.send(()).unwrap();
            other.recv().unwrap();
            let mut pages = vec![0u8; 64 << 20];
            pages.chunks_mut(4096).for_each(|page| page[0] = 1);
            std::hint::black_box(&pages);
        });
        own.recv().unwrap();
        assert!(count().unwrap() >= 2);
        let before = faults_of_others().unwrap();
        to_other.send(()).unwrap();
        thread.join().unwrap();
        assert!(faults_of_others().unwrap() > before);
    }

    #[test]
    fn the_thread_blocks_signals_and_its_maker_does_not() {
        let before = blocked();
        let inside = spawn_without_signals("quiet", blocked).unwrap().join().unwrap();
        let has = |mask: u64, signal: i32| mask & 1 << (signal - 1) != 0;
        assert!(has(inside, libc::SIGINT) && has(inside, libc::SIGUSR1) && has(inside, libc::SIGALRM));
        assert!(!has(inside, libc::SIGSEGV) && !has(inside, libc::SIGBUS));
        assert_eq!(blocked(), before);
    }
}
