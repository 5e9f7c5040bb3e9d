//! Descriptors of processes: they become readable when the process ends, and never come to mean another one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::error::{Context, Errno, SysError};

/// A process.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
}

impl PidFd {
    /// The process that has the number now.
    ///
    /// Errors: `ESRCH` there is none.
    pub fn open(pid: u32) -> Result<PidFd, SysError> {
        let what = || format!("process {pid}");
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(Errno::SRCH).context("pidfd_open(2)", what)?;
        let fd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).context("pidfd_open(2)", what)?;
        Ok(PidFd { fd })
    }

    /// Another descriptor of the same process.
    pub fn try_clone(&self) -> Result<PidFd, SysError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).context("fcntl(2)", || "duplicate a pidfd")?;
        Ok(PidFd { fd })
    }

    /// Whether the process has ended (it may not have been reaped).
    pub fn has_exited(&self) -> Result<bool, SysError> {
        self.wait_exit(Duration::ZERO)
    }

    /// Waits for the process to end; false when it has not by then.
    pub fn wait_exit(&self, timeout: Duration) -> Result<bool, SysError> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        loop {
            match rustix::event::poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout)) {
                Ok(count) => return Ok(count != 0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SysError::new("poll(2)", errno, "a pidfd")),
            }
        }
    }

    /// Kills the process. One that has ended already is no error.
    pub fn kill(&self) -> Result<(), SysError> {
        match rustix::process::pidfd_send_signal(&self.fd, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(SysError::new("pidfd_send_signal(2)", errno, "SIGKILL")),
        }
    }

    /// Asks the process to end (SIGTERM). One that has ended already is no error.
    pub fn terminate(&self) -> Result<(), SysError> {
        match rustix::process::pidfd_send_signal(&self.fd, Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(SysError::new("pidfd_send_signal(2)", errno, "SIGTERM")),
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A descriptor that the kernel gave as a process's.
impl From<OwnedFd> for PidFd {
    fn from(fd: OwnedFd) -> PidFd {
        PidFd { fd }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_killed_process_is_noticed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = PidFd::open(child.id()).unwrap();
        assert!(!pidfd.has_exited().unwrap());
        let other = pidfd.try_clone().unwrap();
        pidfd.kill().unwrap();
        assert!(other.wait_exit(Duration::from_secs(10)).unwrap());
        assert!(pidfd.wait_exit(Duration::from_secs(10)).unwrap());
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        pidfd.kill().unwrap();
        pidfd.terminate().unwrap();
    }

    #[test]
    fn no_such_process() {
        assert_eq!(PidFd::open(u32::MAX).unwrap_err().errno, Errno::SRCH);
        assert_eq!(PidFd::open(0).unwrap_err().errno, Errno::SRCH);
    }
}
