//! The bare local fault: a page that is there, mapped by another process through a userfaultfd, and nothing else.

use std::os::fd::AsFd;
use std::path::Path;
use std::task::Poll;
use std::time::Instant;

use proto::{PAGE_SIZE, Prot};
use sys::aio::Async;
use sys::seqpacket::{Received, Sent};
use sys::uffd::{Features, Mode, UffdEvent, WriteProtect};
use sys::{Arena, Backing, Channel, Listener, Memfd, Uffd};

use super::stage::Stage;
use crate::failure::{Exit, Failure, OrFail, Result};
use mach_bench::Latencies;

/// Memory whose faults another process answers.
pub struct Floor {
    arena: Arena,
    memfd: Memfd,
    uffd: Uffd,
    pages: u64,
    pid: u32,
    // Its end tells the other process to end.
    _channel: Channel,
}

impl Floor {
    /// Starts the other process, which maps the aligned `around` bytes for each fault.
    pub fn start(stage: &Stage, pages: u64, around: u64) -> Result<Floor> {
        let what = || "cannot measure the bare local fault".to_owned();
        let size = pages * PAGE_SIZE;
        let (socket, bytes) = (stage.socket(&format!("uffd-{around}")), around.to_string());
        let listener = Listener::bind(&socket, 0o600).or_fail(what)?;
        let options = ["--socket".as_ref(), socket.as_os_str(), "--around".as_ref(), bytes.as_ref()];
        let peer = stage.peer(&[&["uffd".as_ref()][..], &options].concat())?;
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        let channel = loop {
            match listener.try_accept().or_fail(what)? {
                Some(channel) => break channel,
                None if Instant::now() > deadline => return Err(Failure::new(Exit::Failed, what())),
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        let memfd = Memfd::create("mach-bench", size).or_fail(what)?;
        let page = vec![0x5a; PAGE_SIZE as usize];
        for at in (0..size).step_by(PAGE_SIZE as usize) {
            memfd.write_at(at, &[&page]).or_fail(what)?;
        }
        let arena = Arena::reserve(&[size]).or_fail(what)?;
        // Of faults alone: else each `forget` would wait until the other process has read of it.
        let features = Features::MANAGED - Features::EVENT_REMAP - Features::EVENT_UNMAP;
        let (uffd, _) = Uffd::open(features).or_fail(what)?;
        if channel.send(b"uffd", &[uffd.as_fd()]).or_fail(what)? != Sent::Done {
            return Err(Failure::new(Exit::Failed, what()).because("the other process ended"));
        }
        Ok(Floor { arena, memfd, uffd, pages, pid: peer.id(), _channel: channel })
    }

    /// The process that answers.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Faults once on each of `pages`, all of which are made absent first.
    pub fn faults(&mut self, pages: &[u64]) -> Result<Latencies> {
        self.forget()?;
        self.read(pages)
    }

    /// Makes all pages absent.
    pub fn forget(&mut self) -> Result<()> {
        let what = || "the bare local fault failed".to_owned();
        let (start, size) = (self.arena.start(), self.pages * PAGE_SIZE);
        self.arena.map(start, size, Backing::Shared(self.memfd.as_fd(), 0), Prot::READ | Prot::WRITE).or_fail(what)?;
        self.uffd.register(start, size, Mode::MISSING | Mode::MINOR | Mode::WRITE_PROTECT).or_fail(what)
    }

    /// Reads a word of each page, and times it.
    pub fn read(&self, pages: &[u64]) -> Result<Latencies> {
        let what = || "the bare local fault failed".to_owned();
        let mut latencies = Latencies::new();
        let mut word = [0; 8];
        for page in pages {
            let begun = Instant::now();
            let read = self.arena.read(self.arena.start() + page % self.pages * PAGE_SIZE, &mut word);
            latencies.record(begun.elapsed());
            read.or_fail(what)?;
            if word != [0x5a; 8] {
                return Err(Failure::new(Exit::Failed, what()));
            }
        }
        Ok(latencies)
    }
}

/// The other process: answers faults until the connection ends.
pub fn serve(socket: &Path, around: u64) -> Result<()> {
    let what = || "cannot answer faults".to_owned();
    let channel = Channel::connect(socket).or_fail(what)?;
    let uffd = match channel.recv(&mut [0; 16]).or_fail(what)? {
        Received::Record(_, fds) => fds.into_iter().next(),
        Received::Closed | Received::WouldBlock => None,
    };
    let uffd = Uffd::adopt(uffd.ok_or_else(|| Failure::new(Exit::Failed, what()))?).or_fail(what)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_fail(what)?;
    runtime.block_on(async {
        let (channel, uffd) = (Async::new(channel).or_fail(what)?, Async::reader(uffd).or_fail(what)?);
        let mut events = Vec::new();
        let answer = async {
            loop {
                let ready =
                    |uffd: &Uffd| Ok(if uffd.read_events(&mut events)? > 0 { Poll::Ready(()) } else { Poll::Pending });
                uffd.when_readable(ready).await.or_fail(what)?;
                for event in events.drain(..) {
                    if let UffdEvent::Fault(fault) = event {
                        let first = fault.address & !(around - 1);
                        uffd.get().continue_range(first, around, WriteProtect::On).or_fail(what)?;
                    }
                }
            }
        };
        let over = channel.when_readable(|channel| {
            Ok(match channel.try_recv(&mut [0; 16])? {
                Received::Closed => Poll::Ready(()),
                Received::Record(..) | Received::WouldBlock => Poll::Pending,
            })
        });
        tokio::select! {
            answered = answer => answered,
            _ = over => Ok(()),
        }
    })
}
