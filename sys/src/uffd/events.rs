//! Reading events.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use userfaultfd_sys as abi;

use super::Uffd;
use crate::error::{Errno, SysError, last_errno};

/// Why a thread waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// There is no page.
    Missing,
    /// The page is in the page cache and not in the page table.
    Minor,
    /// The page is write-protected.
    WriteProtected,
}

/// A thread that waits for a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultEvent {
    /// Its page, or with `EXACT_ADDRESS` the byte, in the address space of the descriptor's opener.
    pub address: u64,
    /// Why it waits.
    pub kind: FaultKind,
    /// Whether it wants to write.
    pub write: bool,
    /// The thread, with `THREAD_ID`; else 0.
    pub thread: u32,
}

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UffdEvent {
    /// A fault.
    Fault(FaultEvent),
    /// A registered range was moved (mremap(2)), and is registered where it is now. Whoever moved it waits until the
    /// event is read.
    Moved {
        /// Where it was.
        from: u64,
        /// Where it is.
        to: u64,
        /// Bytes that it had before; what it has grown by is registered, too.
        len: u64,
    },
    /// A registered range was unmapped. Whoever did it waits until the event is read.
    Unmapped {
        /// First byte.
        address: u64,
        /// Bytes.
        len: u64,
    },
    /// An event that we never ask for: whoever opened the descriptor asked for it. A fork's descriptor is closed.
    Other(u8),
}

impl Uffd {
    /// Events that one read takes at most.
    pub const EVENTS_MAX: usize = 64;

    /// Appends the events that wait, at most [`Uffd::EVENTS_MAX`], and says how many there were; 0 means none waits.
    ///
    /// Conditions: it never blocks, not even when another holder of the descriptor makes it blocking, on kernels since
    /// 6.10. An event is delivered once: what this read takes, no other reader sees until the range is woken.
    /// Errors: `EINVAL` no handshake took place; anything else is the kernel's surprise.
    pub fn read_events(&self, out: &mut Vec<UffdEvent>) -> Result<usize, SysError> {
        const EMPTY: abi::uffd_msg = abi::uffd_msg {
            event: 0,
            reserved1: 0,
            reserved2: 0,
            reserved3: 0,
            arg: abi::uffd_msg_arg { reserved: [0; 3] },
        };
        let mut messages = [EMPTY; Uffd::EVENTS_MAX];
        let bytes = match self.read_raw(&mut messages) {
            Ok(bytes) => bytes,
            Err(Errno::AGAIN) => return Ok(0),
            Err(errno) => return Err(SysError::new("read(2)", errno, "events of a userfaultfd")),
        };
        let count = bytes / size_of::<abi::uffd_msg>();
        out.extend(messages[..count].iter().map(UffdEvent::from_raw));
        Ok(count)
    }

    /// What a stalled call waits for, before it is repeated: the events of those who unmap or move memory are read, which lets
    /// them go on, and for a moment they have the processor. Yielding would not do: on a busy machine that is for others.
    ///
    /// Errors: as [`Uffd::read_events`].
    pub fn let_changes_end(&self, out: &mut Vec<UffdEvent>) -> Result<(), SysError> {
        self.read_events(out)?;
        std::thread::sleep(CHANGE_ENDS);
        Ok(())
    }

    /// Waits until there are events to read, or the time is over.
    pub fn wait(&self, limit: Duration) -> Result<(), SysError> {
        let limit = Timespec::try_from(limit).map_err(|_| SysError::new("poll(2)", Errno::INVAL, "a time"))?;
        match rustix::event::poll(&mut [PollFd::new(self, PollFlags::IN)], Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(SysError::new("poll(2)", errno, "a userfaultfd")),
        }
    }

    fn read_raw(&self, messages: &mut [abi::uffd_msg]) -> Result<usize, Errno> {
        let target = libc::iovec { iov_base: messages.as_mut_ptr().cast(), iov_len: size_of_val(messages) };
        let read = if self.plain_read.load(Ordering::Relaxed) {
            // SAFETY: the target is valid for writes of its length, and any bytes are a valid `uffd_msg`.
            unsafe { libc::read(self.as_raw_fd(), target.iov_base, target.iov_len) }
        } else {
            // SAFETY: as above; one iovec is passed and the count says so.
            unsafe { libc::preadv2(self.as_raw_fd(), &target, 1, -1, libc::RWF_NOWAIT) }
        };
        match (read, self.plain_read.load(Ordering::Relaxed)) {
            (0.., _) => Ok(read as usize),
            (_, plain) => match last_errno() {
                Errno::OPNOTSUPP if !plain => {
                    self.plain_read.store(true, Ordering::Relaxed);
                    self.read_raw(messages)
                }
                errno => Err(errno),
            },
        }
    }
}

/// How long it takes a thread, about, to be woken and to leave the kernel.
const CHANGE_ENDS: Duration = Duration::from_micros(20);

impl UffdEvent {
    fn from_raw(message: &abi::uffd_msg) -> UffdEvent {
        match message.event {
            abi::UFFD_EVENT_PAGEFAULT => {
                // SAFETY: all members of the union are plain numbers; the event says that this one was written.
                let fault = unsafe { message.arg.pagefault };
                // SAFETY: as above; the union has one member.
                let thread = unsafe { fault.feat.ptid };
                let kind = if fault.flags & abi::UFFD_PAGEFAULT_FLAG_WP != 0 {
                    FaultKind::WriteProtected
                } else if fault.flags & abi::UFFD_PAGEFAULT_FLAG_MINOR != 0 {
                    FaultKind::Minor
                } else {
                    FaultKind::Missing
                };
                let write = fault.flags & abi::UFFD_PAGEFAULT_FLAG_WRITE != 0;
                UffdEvent::Fault(FaultEvent { address: fault.address, kind, write, thread })
            }
            abi::UFFD_EVENT_FORK => {
                // SAFETY: as above.
                let fork = unsafe { message.arg.fork };
                // SAFETY: the kernel installed the descriptor in this process for the reader of the event: us, once.
                drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fork.ufd as i32) });
                UffdEvent::Other(message.event)
            }
            abi::UFFD_EVENT_REMAP => {
                // SAFETY: as above.
                let abi::uffd_msg_remap { from, to, len } = unsafe { message.arg.remap };
                UffdEvent::Moved { from, to, len }
            }
            abi::UFFD_EVENT_UNMAP => {
                // SAFETY: as above.
                let abi::uffd_msg_remove { start, end } = unsafe { message.arg.remove };
                UffdEvent::Unmapped { address: start, len: end.saturating_sub(start) }
            }
            other => UffdEvent::Other(other),
        }
    }
}
