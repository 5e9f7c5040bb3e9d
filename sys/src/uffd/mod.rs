//! userfaultfd: faults of a process become events on a descriptor, and pages are installed through it.
//!
//! What is where: this file opens, adopts and registers; `events` reads; `sweep` installs, protects and poisons pages
//! over whole ranges; `raw` has the ioctls that the crate `userfaultfd` lacks or gets wrong.
//!
//! Rules it carries out (uffd-rules 4 to 9):
//! 1. Every address is one of the process that opened the descriptor, wherever the descriptor is now.
//! 2. An expected answer (page there, not mapped, process gone, events unread) is counted in a [`Sweep`], never an error.
//! 3. After anything but a whole success the range is woken: a failing call wakes nobody by itself.
//! 4. No call handles more than `MEMORY_CALL_BYTES_MAX`, so that a killed task is reaped promptly.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicBool;

use bitflags::bitflags;
use rustix::fs::OFlags;
use rustix::mm::UserfaultfdFlags;
use userfaultfd::{Error, FeatureFlags, RegisterMode, UffdBuilder};
use userfaultfd_sys as abi;

use crate::error::{Context, Errno, SysError};

mod events;
mod raw;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_events;

pub use events::{FaultEvent, FaultKind, UffdEvent};
pub use sweep::{Sweep, WriteProtect};

/// The device that gives userfaultfds to whoever may open it.
pub const DEVICE: &str = "/dev/userfaultfd";

bitflags! {
    /// What a kernel's userfaultfd can do, or is asked to do (`uffdio_api.features`). Bits without a name pass through.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Features: u64 {
        /// Write-protect faults.
        const WP = abi::UFFD_FEATURE_PAGEFAULT_FLAG_WP;
        /// Fork events; wants `CAP_SYS_PTRACE`.
        const EVENT_FORK = abi::UFFD_FEATURE_EVENT_FORK;
        /// Remap events.
        const EVENT_REMAP = abi::UFFD_FEATURE_EVENT_REMAP;
        /// Remove events.
        const EVENT_REMOVE = abi::UFFD_FEATURE_EVENT_REMOVE;
        /// Unmap events.
        const EVENT_UNMAP = abi::UFFD_FEATURE_EVENT_UNMAP;
        /// Missing faults on shared memory.
        const MISSING_SHMEM = abi::UFFD_FEATURE_MISSING_SHMEM;
        /// SIGBUS in place of events.
        const SIGBUS = abi::UFFD_FEATURE_SIGBUS;
        /// Events name the thread.
        const THREAD_ID = abi::UFFD_FEATURE_THREAD_ID;
        /// Minor faults on shared memory.
        const MINOR_SHMEM = abi::UFFD_FEATURE_MINOR_SHMEM;
        /// Events carry the address within the page.
        const EXACT_ADDRESS = abi::UFFD_FEATURE_EXACT_ADDRESS;
        /// Write protection of shared memory.
        const WP_SHMEM = abi::UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
        /// Write protection of absent anonymous pages.
        const WP_UNPOPULATED = abi::UFFD_FEATURE_WP_UNPOPULATED;
        /// `UFFDIO_POISON`.
        const POISON = abi::UFFD_FEATURE_POISON;
        /// Write protection that the kernel lifts by itself.
        const WP_ASYNC = abi::UFFD_FEATURE_WP_ASYNC;
        /// `UFFDIO_MOVE`.
        const MOVE = abi::UFFD_FEATURE_MOVE;

        /// What a task's memory is served with. With `EVENT_REMAP` a range that is moved stays registered. Until an event
        /// is read, its causer waits, and every call on the descriptor answers `EAGAIN` (uffd-rules 3). `EVENT_REMOVE`
        /// would tell nothing: pages that madvise(2) takes are missing or minor faults again.
        const MANAGED = Self::WP.bits() | Self::MISSING_SHMEM.bits() | Self::MINOR_SHMEM.bits()
            | Self::WP_SHMEM.bits() | Self::POISON.bits() | Self::EVENT_REMAP.bits() | Self::EVENT_UNMAP.bits();

        const _ = !0;
    }
}

bitflags! {
    /// The faults that a range is registered for.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct Mode: u64 {
        /// No page anywhere.
        const MISSING = abi::UFFDIO_REGISTER_MODE_MISSING;
        /// A write to a protected page.
        const WRITE_PROTECT = abi::UFFDIO_REGISTER_MODE_WP;
        /// A page in the page cache and none in the page table.
        const MINOR = abi::UFFDIO_REGISTER_MODE_MINOR;
    }
}

/// What faults a descriptor serves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UffdMode {
    /// All of them.
    Full,
    /// Only those that a program's own instructions take: a system call that meets a missing page answers `EFAULT`.
    UserModeOnly,
}

impl UffdMode {
    /// The mode as it stands in a task's hello.
    pub fn as_str(self) -> &'static str {
        match self {
            UffdMode::Full => "full",
            UffdMode::UserModeOnly => "user-mode-only",
        }
    }
}

/// A way to a new descriptor, in the order in which [`Uffd::open`] tries them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UffdWay {
    /// [`DEVICE`].
    Device,
    /// `userfaultfd(2)`.
    Syscall,
    /// `userfaultfd(2)` with `UFFD_USER_MODE_ONLY`.
    SyscallUserMode,
}

impl UffdWay {
    /// All ways, best first.
    pub const ALL: [UffdWay; 3] = [UffdWay::Device, UffdWay::Syscall, UffdWay::SyscallUserMode];

    /// What a descriptor that came this way serves.
    pub fn mode(self) -> UffdMode {
        match self {
            UffdWay::Device | UffdWay::Syscall => UffdMode::Full,
            UffdWay::SyscallUserMode => UffdMode::UserModeOnly,
        }
    }
}

/// A userfaultfd, close-on-exec and non-blocking.
///
/// Closing the last descriptor of one wakes all waiting threads *with zero pages* (uffd-rules 1): keep a duplicate
/// where the memory is.
#[derive(Debug)]
pub struct Uffd {
    inner: userfaultfd::Uffd,
    /// Whether the kernel refused a read with `RWF_NOWAIT` (before 6.10).
    plain_read: AtomicBool,
}

impl Uffd {
    /// Opens one over the calling process's memory, by the best way that is permitted.
    ///
    /// Errors: no way works; the text has the answer of each.
    pub fn open(features: Features) -> Result<(Uffd, UffdMode), SysError> {
        let mut refusals = Vec::new();
        // The crate tries the device and, where there is none, the system call; a device that exists and is not
        // permitted ends its search, and ours goes on.
        let first = UffdBuilder::new()
            .close_on_exec(true)
            .non_blocking(true)
            .user_mode_only(false)
            .require_features(FeatureFlags::from_bits_retain(features.bits()))
            .create();
        match first {
            Ok(inner) => return Ok((Uffd::wrap(inner), UffdMode::Full)),
            Err(error) => refusals.push(format!("{DEVICE}: {}", errno_of(&error))),
        }
        let mut errno = Errno::PERM;
        for way in [UffdWay::Syscall, UffdWay::SyscallUserMode] {
            match Uffd::open_by(way, features) {
                Ok(uffd) => return Ok((uffd, way.mode())),
                Err(error) => {
                    errno = error.errno;
                    refusals.push(error.to_string());
                }
            }
        }
        Err(SysError::new("userfaultfd(2)", errno, refusals.join("; ")))
    }

    /// Opens one by one way.
    ///
    /// Errors: `EACCES`, `EPERM` or `ENOENT` where the way is closed; `EINVAL` where the kernel lacks a feature.
    pub fn open_by(way: UffdWay, features: Features) -> Result<Uffd, SysError> {
        let (uffd, _) = Uffd::new_by(way)?.handshake(features)?;
        Ok(uffd)
    }

    /// Every feature that the kernel offers by one way.
    ///
    /// Errors: as [`Uffd::open_by`].
    pub fn offered(way: UffdWay) -> Result<Features, SysError> {
        let (_, offered) = Uffd::new_by(way)?.handshake(Features::empty())?;
        Ok(offered)
    }

    /// Takes over a descriptor that another process opened and sent, e.g. a task its node.
    ///
    /// Errors: `EINVAL` for one that is no userfaultfd.
    pub fn adopt(fd: OwnedFd) -> Result<Uffd, SysError> {
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let target = rustix::fs::readlink(&link, Vec::new()).context("readlink(2)", || link)?;
        if target.as_bytes() != b"anon_inode:[userfaultfd]" {
            let what = format!("a descriptor of {target:?} came for a userfaultfd");
            return Err(SysError::new("recvmsg(2)", Errno::INVAL, what));
        }
        let flags = rustix::fs::fcntl_getfl(&fd).context("fcntl(2)", || "F_GETFL of a userfaultfd")?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK).context("fcntl(2)", || "F_SETFL of a userfaultfd")?;
        Ok(Uffd::from_owned(fd))
    }

    /// Another descriptor of the same userfaultfd.
    pub fn try_clone(&self) -> Result<Uffd, SysError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(self, 0).context("fcntl(2)", || "duplicate a userfaultfd")?;
        Ok(Uffd::from_owned(fd))
    }

    /// Puts a range under management.
    ///
    /// Conditions: whole pages of anonymous, shared or private memfd memory that may become writable and that no other
    /// userfaultfd manages.
    /// Errors: `EPERM` a shared mapping of a read-only descriptor; `EBUSY` managed by another; `EINVAL` not mapped or
    /// not of such memory.
    pub fn register(&self, address: u64, len: u64, mode: Mode) -> Result<(), SysError> {
        let mode = RegisterMode::from_bits_retain(mode.bits());
        let done = self.inner.register_with_mode(address as *mut libc::c_void, len as usize, mode);
        done.map(drop).map_err(|e| range_error("UFFDIO_REGISTER", &e, address, len))
    }

    /// Takes a range out of management, drops its write protection and wakes it: missing pages now read as zero.
    pub fn unregister(&self, address: u64, len: u64) -> Result<(), SysError> {
        let done = self.inner.unregister(address as *mut libc::c_void, len as usize);
        done.map_err(|e| range_error("UFFDIO_UNREGISTER", &e, address, len))
    }

    /// Wakes the threads that wait in a range, registered or not; those whose page is not there fault again.
    pub fn wake(&self, address: u64, len: u64) -> Result<(), SysError> {
        let done = self.inner.wake(address as *mut libc::c_void, len as usize);
        done.map_err(|e| range_error("UFFDIO_WAKE", &e, address, len))
    }

    fn new_by(way: UffdWay) -> Result<Uffd, SysError> {
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
        let fd = match way {
            UffdWay::Device => {
                let device = rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty())
                    .context("open(2)", || DEVICE)?;
                raw::new_from_device(device.as_fd(), flags.bits() as i32)
                    .context("ioctl(2)", || format!("USERFAULTFD_IOC_NEW on {DEVICE}"))?
            }
            UffdWay::Syscall => {
                // SAFETY: the call takes flags only; what a userfaultfd may do to memory is decided at `register`.
                unsafe { rustix::mm::userfaultfd(flags) }.context("userfaultfd(2)", || "all faults")?
            }
            UffdWay::SyscallUserMode => {
                let flags = flags | UserfaultfdFlags::from_bits_retain(abi::UFFD_USER_MODE_ONLY);
                // SAFETY: as above.
                unsafe { rustix::mm::userfaultfd(flags) }.context("userfaultfd(2)", || "user-mode faults only")?
            }
        };
        Ok(Uffd::from_owned(fd))
    }

    fn handshake(self, features: Features) -> Result<(Uffd, Features), SysError> {
        let mut api = abi::uffdio_api { api: abi::UFFD_API, features: features.bits(), ioctls: 0 };
        raw::api(self.as_fd(), &mut api).context("UFFDIO_API", || format!("features {:#x}", features.bits()))?;
        Ok((self, Features::from_bits_retain(api.features)))
    }

    fn from_owned(fd: OwnedFd) -> Uffd {
        // SAFETY: `fd` is owned, so it is open and nobody else closes it; the result becomes its owner.
        Uffd::wrap(unsafe { userfaultfd::Uffd::from_raw_fd(fd.into_raw_fd()) })
    }

    fn wrap(inner: userfaultfd::Uffd) -> Uffd {
        Uffd { inner, plain_read: AtomicBool::new(false) }
    }
}

impl AsFd for Uffd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for Uffd {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

fn errno_of(error: &Error) -> Errno {
    match error {
        Error::SystemError(errno) => Errno::from_raw_os_error(*errno as i32),
        Error::OpenDevUserfaultfd(error) => Errno::from_io_error(error).unwrap_or(Errno::IO),
        Error::UnsupportedIoctls(_) => Errno::NOTSUP,
        _ => Errno::IO,
    }
}

fn range_error(call: &'static str, error: &Error, address: u64, len: u64) -> SysError {
    SysError::new(call, errno_of(error), format!("{len:#x} bytes at {address:#x}"))
}
