//! The floors without a message: two processes wake each other in turn, through memory or through descriptors.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use mach_bench::{Caller, Error, Load};
use rustix::event::EventfdFlags;
use sys::seqpacket::{Received, Sent};
use sys::shared::{wait, wake};
use sys::{Channel, Errno, Memfd, Shared, SysError};

use super::socket;
use crate::failure::Result;

/// Offsets of the words, each in a cache line of its own: what the client stores, and what the server answers.
const ASKED: usize = 0;
const ANSWERED: usize = 64;
const MEMORY_BYTES: u64 = 4096;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers each number in shared memory with the same number.
pub fn serve_futex(path: &Path) -> Result<()> {
    socket::serve(path, |channel| {
        let [memory] = descriptors(&channel)?;
        let words = Shared::map(&Memfd::adopt(memory)?)?;
        let (asked, answered) = (words.word(ASKED), words.word(ANSWERED));
        let mut seen = 0;
        loop {
            let now = asked.load(Acquire);
            if now == seen {
                wait(asked, seen, None);
                continue;
            }
            seen = now;
            answered.store(seen, Release);
            wake(answered);
        }
    })
}

/// Makes the memory, and calls.
pub fn call_futex(path: &Path) -> Result<()> {
    socket::call(|| {
        let memory = Memfd::create("mach-bench", MEMORY_BYTES)?;
        let channel = connect(path, &[memory.as_fd()])?;
        Ok(Box::new(Futex { words: Shared::map(&memory)?, asked: 0, _channel: channel }))
    })
}

struct Futex {
    words: Shared,
    asked: u32,
    _channel: Channel,
}

impl Caller for Futex {
    fn call(&mut self, _: &Load) -> Result<(), Error> {
        let before = self.asked;
        self.asked = before.wrapping_add(1);
        let (asked, answered) = (self.words.word(ASKED), self.words.word(ANSWERED));
        asked.store(self.asked, Release);
        wake(asked);
        let mut begun = None;
        while answered.load(Acquire) != self.asked {
            if begun.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err("no answer".into());
            }
            wait(answered, before, Some(PATIENCE));
        }
        Ok(())
    }
}

/// Answers each event with one on the other descriptor.
pub fn serve_eventfd(path: &Path) -> Result<()> {
    socket::serve(path, |channel| {
        let [asked, answered] = descriptors(&channel)?;
        loop {
            take(&asked)?;
            give(&answered)?;
        }
    })
}

/// Makes the descriptors, and calls.
pub fn call_eventfd(path: &Path) -> Result<()> {
    socket::call(|| {
        let make = || rustix::event::eventfd(0, EventfdFlags::CLOEXEC);
        let (asked, answered) = (make()?, make()?);
        let channel = connect(path, &[asked.as_fd(), answered.as_fd()])?;
        Ok(Box::new(Eventfd { asked, answered, _channel: channel }))
    })
}

struct Eventfd {
    asked: OwnedFd,
    answered: OwnedFd,
    _channel: Channel,
}

impl Caller for Eventfd {
    fn call(&mut self, _: &Load) -> Result<(), Error> {
        give(&self.asked)?;
        Ok(take(&self.answered)?)
    }
}

fn give(eventfd: &OwnedFd) -> Result<(), SysError> {
    let written = rustix::io::write(eventfd, &1_u64.to_ne_bytes());
    written.map(drop).map_err(|errno| SysError::new("write(2)", errno, "an eventfd"))
}

fn take(eventfd: &OwnedFd) -> Result<(), SysError> {
    let read = rustix::io::read(eventfd, &mut [0; 8]);
    read.map(drop).map_err(|errno| SysError::new("read(2)", errno, "an eventfd"))
}

fn connect(path: &Path, fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<Channel, Error> {
    let channel = Channel::connect(path)?;
    match channel.send(b"x", fds)? {
        Sent::Done => Ok(channel),
        Sent::WouldBlock | Sent::Closed => Err("the server ended".into()),
    }
}

fn descriptors<const N: usize>(channel: &Channel) -> Result<[OwnedFd; N], SysError> {
    let fds = match channel.recv(&mut [0; 8])? {
        Received::Record(_, fds) => fds,
        Received::WouldBlock | Received::Closed => Vec::new(),
    };
    fds.try_into().map_err(|_| SysError::new("recvmsg(2)", Errno::PROTO, "the descriptors of a measurement"))
}
