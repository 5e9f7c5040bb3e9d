//! Forks of this process: one that does nothing, for measuring what copying a whole address space costs, and one that looks at
//! what it inherited, for tests.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};

use crate::error::{Context, SysError, last_errno};

/// A child that shares this process's memory until either writes, and sleeps. Dropping it ends it.
#[derive(Debug)]
pub struct Forked {
    pid: Pid,
}

impl Forked {
    /// Forks, and says how long fork(2) took in this process.
    ///
    /// The child dies with the thread that made it.
    /// Errors: `EAGAIN` or `ENOMEM` no room for another process.
    pub fn new() -> Result<(Forked, Duration), SysError> {
        let parent = std::process::id();
        let begun = Instant::now();
        // SAFETY: the child calls `sleep_on` only, which makes system calls and neither allocates nor takes a lock.
        let pid = unsafe { libc::fork() };
        let took = begun.elapsed();
        match pid {
            0 => sleep_on(parent),
            -1 => Err(last_errno()).context("fork(2)", || "a copy of this process"),
            pid => Ok((Forked { pid: Pid::from_raw(pid).expect("a child has a number") }, took)),
        }
    }
}

/// Forks, has the child do something, and waits for its end: what it answers, or `None` if it ended otherwise. A panic in it is
/// 255.
///
/// Conditions: `act` takes no lock that another thread may hold. It may allocate, since the C library's fork(2) sees to that.
/// Errors: `EAGAIN` or `ENOMEM` no room for another process.
pub fn run(act: impl FnOnce() -> u8) -> Result<Option<u8>, SysError> {
    // SAFETY: the child is a thread alone, calls `act`, which its caller vouches for, and ends without running anything else.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(u8::MAX);
            // SAFETY: ends this process without running anything else.
            unsafe { libc::_exit(code.into()) }
        }
        -1 => Err(last_errno()).context("fork(2)", || "a copy of this process"),
        pid => {
            let pid = Pid::from_raw(pid).expect("a child has a number");
            let ended = loop {
                match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
                    Err(rustix::io::Errno::INTR) => {}
                    ended => break ended,
                }
            };
            let status = ended.context("waitpid(2)", || "a child of ours")?.map(|(_, status)| status);
            Ok(status.and_then(|status| status.exit_status()).map(|code| code as u8))
        }
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // It can only have been killed by somebody else, and is to be waited for then, too.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// The life of the child.
fn sleep_on(parent: u32) -> ! {
    // SAFETY: the call takes a number, and changes when this process is killed.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: the call has no conditions.
    while unsafe { libc::getppid() } as u32 == parent {
        // SAFETY: as above.
        unsafe { libc::pause() };
    }
    // The parent had died before it could be heard of.
    // SAFETY: ends this process without running anything else.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PidFd;

    #[test]
    fn a_child_answers_or_ends_otherwise() {
        let mut number = 7;
        let answer = run(|| {
            number += 1;
            number
        });
        assert_eq!((answer.unwrap(), number), (Some(8), 7), "in a memory of its own");
        assert_eq!(run(|| panic!("a child that panics")).unwrap(), Some(255));
        assert_eq!(run(|| std::process::abort()).unwrap(), None);
    }

    #[test]
    fn a_fork_sleeps_until_it_is_dropped() {
        let (forked, took) = Forked::new().unwrap();
        let pidfd = PidFd::open(forked.pid.as_raw_nonzero().get() as u32).unwrap();
        assert!(took > Duration::ZERO && !pidfd.wait_exit(Duration::from_millis(20)).unwrap());
        drop(forked);
        assert!(pidfd.wait_exit(Duration::from_secs(10)).unwrap());
    }
}
