//! Which process this is; children that die with their parent, and orphans that are taken in.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};
use rustix::process::{Pid, Signal};

use crate::error::{Context, SysError};

/// The number of this process, also right after a fork, without a system call for each question.
///
/// It lies in a page that Linux empties in a forked child. A child of vfork(2), which runs in its parent's memory, is told
/// its parent's. Nothing here is a lock that a fork could leave locked. Source: madvise(2) MADV_WIPEONFORK.
pub fn id() -> u32 {
    let page = match PAGE.load(Ordering::Acquire) {
        NOT_YET => make_page(),
        page => page,
    };
    if page == NONE {
        return std::process::id();
    }
    // SAFETY: the page is mapped for good, aligned, and reached in no other way.
    let kept = unsafe { AtomicU32::from_ptr(page as *mut u32) };
    match kept.load(Ordering::Relaxed) {
        0 => {
            let id = std::process::id();
            kept.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// The address of a page of zeroes that is one of zeroes again in a forked child.
static PAGE: AtomicUsize = AtomicUsize::new(NOT_YET);
const NOT_YET: usize = 0;
/// There is none to be had.
const NONE: usize = 1;

/// Makes the page, unless another thread is faster; then this one is of no use, and stays.
fn make_page() -> usize {
    let (size, access) = (rustix::param::page_size(), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: without MAP_FIXED nothing that is mapped is touched.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), size, access, MapFlags::PRIVATE) };
    let page = page.map_or(NONE, |page| {
        // SAFETY: the page was mapped here, and nothing refers to it yet.
        match unsafe { madvise(page, size, Advice::LinuxWipeOnFork) } {
            Ok(()) => page as usize,
            Err(_) => NONE,
        }
    });
    match PAGE.compare_exchange(NOT_YET, page, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => page,
        Err(faster) => faster,
    }
}

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

/// Has `before` called in every thread that forks, before it does, and `in_parent` and `in_child` in the same thread behind it
/// (pthread_atfork(3)), from now on. `in_parent` is called, too, when there was no room for a child. Processes that are spawned
/// without fork(2) call none of them.
///
/// Conditions: they do not panic.
pub fn around_fork(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: the functions are valid for the life of the process and take nothing. That there is no memory for one more is
    // the only error; then children inherit what Linux gives them.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
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
    fn a_forked_child_knows_that_it_is_another() {
        assert_eq!((id(), id()), (std::process::id(), std::process::id()));
        // SAFETY: the child makes one system call of its own, reads memory, and ends without running anything else.
        match unsafe { libc::fork() } {
            0 => {
                let (was_wiped, knows) = (id() == std::process::id(), id() == std::process::id());
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(if was_wiped && knows { 0 } else { 1 }) }
            }
            child => {
                let child = Pid::from_raw(child).unwrap();
                let (_, status) =
                    rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty()).unwrap().unwrap();
                assert_eq!(status.exit_status(), Some(0));
            }
        }
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
