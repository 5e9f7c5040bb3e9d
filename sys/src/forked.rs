//! A fork of this process that does nothing: what copying a whole address space costs, for measurements.

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
    fn a_fork_sleeps_until_it_is_dropped() {
        let (forked, took) = Forked::new().unwrap();
        let pidfd = PidFd::open(forked.pid.as_raw_nonzero().get() as u32).unwrap();
        assert!(took > Duration::ZERO && !pidfd.wait_exit(Duration::from_millis(20)).unwrap());
        drop(forked);
        assert!(pidfd.wait_exit(Duration::from_secs(10)).unwrap());
    }
}
