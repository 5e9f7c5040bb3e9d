//! Waiting for descriptors in tokio's reactor.
//!
//! tokio's own constructor is unsafe, since a type may lie about its descriptor or change it while it is registered.
//! The types here own theirs for life, and [`Async`] gives out shared references only.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::task::Poll;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::SysError;
use crate::{Channel, Listener, PidFd, Uffd, Watch};

mod sealed {
    /// Only for types whose descriptor stays open and the same until they are dropped.
    pub trait FixedFd: std::os::fd::AsFd {}
}

/// Types whose readiness can be waited for.
pub trait Pollable: sealed::FixedFd {}

macro_rules! pollable {
    ($($t:ty),*) => { $(impl sealed::FixedFd for $t {} impl Pollable for $t {})* };
}
pollable!(OwnedFd, Uffd, Channel, Listener, PidFd, Watch);

/// A descriptor in the reactor of the runtime that it was made in.
#[derive(Debug)]
pub struct Async<T: Pollable> {
    fd: AsyncFd<Held<T>>,
}

#[derive(Debug)]
struct Held<T>(T);

impl<T: Pollable> AsRawFd for Held<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T: Pollable> Async<T> {
    /// Registers for reading and writing.
    ///
    /// Conditions: within a tokio runtime with I/O enabled; it panics otherwise.
    pub fn new(fd: T) -> Result<Async<T>, SysError> {
        Async::with_interest(fd, Interest::READABLE | Interest::WRITABLE)
    }

    /// Registers for reading only: what listeners, pidfds and userfaultfds (which are never writable) want.
    ///
    /// Conditions: as [`Async::new`].
    pub fn reader(fd: T) -> Result<Async<T>, SysError> {
        Async::with_interest(fd, Interest::READABLE)
    }

    fn with_interest(fd: T, interest: Interest) -> Result<Async<T>, SysError> {
        // SAFETY: `T` is one of the types listed above, which own their descriptor and keep it until they are dropped;
        // `Held` is not given out mutably, so it cannot be exchanged for another while it is registered.
        let registered = unsafe { AsyncFd::register_with_interest(Held(fd), interest) };
        let fd = registered.map_err(|e| {
            let (_, cause) = e.into_parts();
            SysError::from_io("epoll_ctl(2)", &cause, "register a descriptor")
        })?;
        Ok(Async { fd })
    }

    /// What was registered.
    pub fn get(&self) -> &T {
        &self.fd.get_ref().0
    }

    /// Takes it out of the reactor.
    pub fn into_inner(self) -> T {
        self.fd.into_inner().0
    }

    /// Runs `act` each time the descriptor is readable until it is `Ready`.
    ///
    /// Conditions: `act` answers `Pending` only when the descriptor would have blocked. Dropping the future loses nothing
    /// that `act` has not taken.
    pub async fn when_readable<R>(&self, act: impl FnMut(&T) -> Result<Poll<R>, SysError>) -> Result<R, SysError> {
        self.when(Interest::READABLE, act).await
    }

    /// As [`Async::when_readable`], for an `act` that can tell that it has taken all there was: with `true` beside its
    /// result the descriptor counts as empty until it is reported again, which spares the call that finds it so.
    ///
    /// Conditions: `true` only if the descriptor was empty at the end of `act`. What comes later is reported anew. One task
    /// at a time waits so for a descriptor: of several only the last is woken.
    pub async fn when_drained<R>(
        &self,
        mut act: impl FnMut(&T) -> Result<Poll<(R, bool)>, SysError>,
    ) -> Result<R, SysError> {
        loop {
            // It costs less than `readable`, which keeps a list of those who wait.
            let ready = std::future::poll_fn(|cx| self.fd.poll_read_ready(cx));
            let mut guard = ready.await.map_err(not_ready)?;
            match act(self.get())? {
                Poll::Ready((done, false)) => return Ok(done),
                Poll::Ready((done, true)) => {
                    guard.clear_ready();
                    return Ok(done);
                }
                Poll::Pending => guard.clear_ready(),
            }
        }
    }

    /// As [`Async::when_readable`], for writing.
    ///
    /// Conditions: registered by [`Async::new`].
    pub async fn when_writable<R>(&self, act: impl FnMut(&T) -> Result<Poll<R>, SysError>) -> Result<R, SysError> {
        self.when(Interest::WRITABLE, act).await
    }

    async fn when<R>(
        &self,
        interest: Interest,
        mut act: impl FnMut(&T) -> Result<Poll<R>, SysError>,
    ) -> Result<R, SysError> {
        loop {
            let mut guard = self.fd.ready(interest).await.map_err(not_ready)?;
            match act(self.get())? {
                Poll::Ready(done) => return Ok(done),
                Poll::Pending => guard.clear_ready(),
            }
        }
    }
}

fn not_ready(error: std::io::Error) -> SysError {
    SysError::from_io("epoll_wait(2)", &error, "readiness")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::seqpacket::{Received, Sent};

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), future).await.expect("deadline") })
    }

    #[test]
    fn a_record_wakes_its_reader_and_room_wakes_its_writer() {
        run(async {
            let (a, b) = Channel::pair().unwrap();
            let a = Async::new(a).unwrap();
            let mut count = 0;
            while a.get().try_send(&[0; 4096], &[]).unwrap() == Sent::Done {
                count += 1;
            }
            let drain = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                for _ in 0..count {
                    assert!(matches!(b.recv(&mut [0; 4096]).unwrap(), Received::Record(4096, _)));
                }
                assert_eq!(b.send(b"back", &[]).unwrap(), Sent::Done);
                b
            });
            let sent = a
                .when_writable(|c| {
                    Ok(match c.try_send(b"x", &[])? {
                        Sent::WouldBlock => Poll::Pending,
                        sent => Poll::Ready(sent),
                    })
                })
                .await
                .unwrap();
            assert_eq!(sent, Sent::Done);
            let mut buffer = [0; 16];
            let len = a
                .when_readable(|c| {
                    Ok(match c.try_recv(&mut buffer)? {
                        Received::WouldBlock => Poll::Pending,
                        Received::Record(len, _) => Poll::Ready(len),
                        Received::Closed => panic!("closed"),
                    })
                })
                .await
                .unwrap();
            assert_eq!(&buffer[..len], b"back");
            drain.join().unwrap();
        });
    }

    #[test]
    fn a_drained_descriptor_is_reported_again_when_more_comes() {
        run(async {
            let (a, b) = Channel::pair().unwrap();
            let a = Async::new(a).unwrap();
            for round in 0..3u8 {
                assert_eq!(b.send(&[round], &[]).unwrap(), Sent::Done);
                let mut byte = [9];
                // It says so after one record, and there was just one.
                a.when_drained(|c| {
                    Ok(match c.try_recv(&mut byte)? {
                        Received::Record(..) => Poll::Ready(((), true)),
                        Received::WouldBlock => Poll::Pending,
                        Received::Closed => panic!("closed"),
                    })
                })
                .await
                .unwrap();
                assert_eq!(byte, [round]);
            }
        });
    }

    #[test]
    fn a_process_that_ends_wakes_its_watcher() {
        run(async {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            let pidfd = Async::reader(PidFd::open(child.id()).unwrap()).unwrap();
            let ready = |p: &PidFd| Ok(if p.has_exited()? { Poll::Ready(()) } else { Poll::Pending });
            pidfd.when_readable(ready).await.unwrap();
            child.wait().unwrap();
        });
    }
}
