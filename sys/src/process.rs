//! Children that die with their parent, and orphans that are taken in.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};

use crate::error::{Context, SysError};

/// Makes `command`'s process get `SIGTERM`, or `SIGKILL` if `kill`, when the *thread* that spawned it ends.
///
/// Conditions: spawn from a thread that lives as long as the child should.
pub fn die_with_parent(command: &mut Command, kill: bool) -> &mut Command {
    let signal = if kill { Signal::KILL } else { Signal::TERM };
    let parent = rustix::process::getpid();
    let set = move || {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // The parent may have died between fork and here; then nobody sends the signal.
        match rustix::process::getppid() {
            Some(now) if now == parent => Ok(()),
            _ => Err(rustix::io::Errno::SRCH.into()),
        }
    };
    // SAFETY: between fork and exec the closure makes three system calls and allocates nothing, takes no lock.
    unsafe { command.pre_exec(set) }
}

/// Makes children of children that lose their parent ours, so that none is left behind unseen.
pub fn adopt_orphans() -> Result<(), SysError> {
    // The kernel takes any number that is not 0 for yes.
    rustix::process::set_child_subreaper(Some(Pid::INIT)).context("prctl(2)", || "PR_SET_CHILD_SUBREAPER")
}

/// Makes a write beyond `RLIMIT_FSIZE` an error (`EFBIG`) in place of the end of the process.
pub fn survive_file_size_limit() {
    // SAFETY: ignoring a signal runs no code; SIGXFSZ is a valid signal that may be ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// The user that this process acts as.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::PidFd;

    #[test]
    fn a_child_dies_with_the_thread_that_made_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            die_with_parent(command.arg("60"), true).spawn().unwrap()
        })
        .join()
        .unwrap();
        let pidfd = PidFd::open(child.id()).unwrap();
        assert!(pidfd.wait_exit(Duration::from_secs(10)).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_write_beyond_the_limit_is_an_error() {
        survive_file_size_limit();
        let file = rustix::fs::memfd_create("limited", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        // A memfd knows no limit of its own; the signal is what is tested, so it is sent.
        rustix::process::kill_process(rustix::process::getpid(), Signal::XFSZ).unwrap();
        assert_eq!(rustix::io::write(&file, b"alive").unwrap(), 5);
    }

    #[test]
    fn the_user_is_the_one_that_files_get() {
        let file = tempfile::tempfile().unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&file.metadata().unwrap());
        assert_eq!(effective_uid(), owner);
    }

    #[test]
    fn orphans_become_ours() {
        adopt_orphans().unwrap();
        assert!(rustix::process::child_subreaper().unwrap().is_some());
    }
}
