//! A level that another process can wait for: a descriptor that is readable while it is raised.
//!
//! 1. It is one end of a socket pair with a byte in it or none. What the other process does to its end (its flags are
//!    shared with ours) cannot make us wait: each call says for itself that it does not (`MSG_DONTWAIT`).
//! 2. Dropping the level, or the death of its process, hangs the other end up: it is readable for ever after.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, SocketType, recv, sendmsg,
    shutdown, socketpair,
};

use crate::error::{Context, Errno, SysError};

/// The side that says whether it is raised.
#[derive(Debug)]
pub struct Level {
    ours: OwnedFd,
    /// The other side's end, to take the byte back.
    theirs: OwnedFd,
    raised: bool,
}

impl Level {
    /// A level that is not raised.
    ///
    /// Errors: `EMFILE`, `ENFILE`.
    pub fn new() -> Result<Level, SysError> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .context("socketpair(2)", || "a level")?;
        // What the other side writes is no matter of ours, and shall not be kept.
        shutdown(&ours, Shutdown::Read).context("shutdown(2)", || "a level")?;
        Ok(Level { ours, theirs, raised: false })
    }

    /// The end to pass on, for [`Watch`].
    pub fn watched(&self) -> BorrowedFd<'_> {
        self.theirs.as_fd()
    }

    /// Raises or lowers it. Each raise is an event to a waiter that counts edges.
    pub fn set(&mut self, raised: bool) {
        if self.raised == raised {
            return;
        }
        self.raised = raised;
        // An end that its holder has shut down or read from is its holder's loss.
        if raised {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = sendmsg(&self.ours, &[IoSlice::new(&[1])], &mut SendAncillaryBuffer::default(), flags);
        } else {
            let _ = recv(&self.theirs, &mut [0; 1], RecvFlags::DONTWAIT);
        }
    }
}

/// The side that waits.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
}

impl Watch {
    /// Takes over what came from [`Level::watched`].
    pub fn adopt(fd: OwnedFd) -> Watch {
        Watch { fd }
    }

    /// Waits until the level is raised or gone; `false` when neither happened within `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<bool, SysError> {
        let end = Instant::now() + timeout;
        loop {
            let left = Timespec::try_from(end.saturating_duration_since(Instant::now()));
            let left = left.map_err(|_| SysError::new("poll(2)", Errno::INVAL, "a timeout"))?;
            match poll(&mut [PollFd::new(self, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SysError::new("poll(2)", errno, "a level")),
            }
        }
    }

    /// Whether the level is gone, and the descriptor readable for ever.
    pub fn has_ended(&self) -> bool {
        let peek = recv(&self.fd, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peek, Ok((1.., _)) | Err(Errno::AGAIN | Errno::INTR))
    }

    /// The descriptor, for a loop of one's own: readable while the level is raised. It is not to be read from.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn readable(watch: &Watch) -> bool {
        watch.wait(Duration::ZERO).unwrap()
    }

    fn pair() -> (Level, Watch) {
        let level = Level::new().unwrap();
        let watch = Watch::adopt(level.watched().try_clone_to_owned().unwrap());
        (level, watch)
    }

    #[test]
    fn a_watch_is_readable_while_its_level_is_raised_and_once_it_is_gone() {
        let (mut level, watch) = pair();
        assert!(!readable(&watch) && !watch.has_ended());
        for _ in 0..3 {
            level.set(true);
            level.set(true);
            assert!(readable(&watch) && !watch.has_ended());
            level.set(false);
            level.set(false);
            assert!(!readable(&watch) && !watch.has_ended());
        }
        drop(level);
        assert!(readable(&watch) && watch.has_ended());
    }

    #[test]
    fn a_watcher_that_meddles_makes_nobody_wait() {
        let (mut level, watch) = pair();
        rustix::io::ioctl_fionbio(&watch, false).unwrap();
        level.set(true);
        assert_eq!(recv(&watch, &mut [0; 8], RecvFlags::empty()).unwrap().0, 1, "it takes the byte");
        level.set(false);
        level.set(true);
        assert!(readable(&watch));
        shutdown(&watch, Shutdown::Both).unwrap();
        level.set(false);
        level.set(true);
    }

    #[test]
    fn each_raise_is_an_edge() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut level, watch) = pair();
            let watch = crate::aio::Async::reader(watch).unwrap();
            for _ in 0..3 {
                level.set(true);
                let raised = watch.when_readable(|w| Ok(if readable(w) { Poll::Ready(()) } else { Poll::Pending }));
                tokio::time::timeout(Duration::from_secs(10), raised).await.expect("an edge").unwrap();
                level.set(false);
            }
        });
    }
}
