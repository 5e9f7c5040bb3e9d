//! A frozen memfd as bytes: mapped once, read by whoever holds a slice, and handed on as a descriptor.
//!
//! A file that is about to be sealed can be mapped before ([`Frozen::settling`]): then [`Frozen::is_settled`] tells.
//!
//! The bytes are a plain `&[u8]`, which rests on the seals: against writing, shrinking and growing, checked here and never
//! taken back, so that no byte changes and no access is past the end, whoever else has the file.

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Context, Errno, SysError};
use crate::{FileId, Memfd};

/// A frozen memfd, mapped for reading.
#[derive(Debug)]
pub struct Frozen {
    memfd: Memfd,
    id: FileId,
    /// `None` for an empty file.
    start: Option<NonNull<u8>>,
    /// It is known to be sealed.
    settled: AtomicBool,
}

// SAFETY: the mapping is read-only memory that nobody can change, and is unmapped by the last owner only.
unsafe impl Send for Frozen {}
// SAFETY: as above.
unsafe impl Sync for Frozen {}

impl Frozen {
    /// Maps a memfd; no page is read before somebody looks.
    ///
    /// Errors: `EPERM` it is not sealed against every change; `ENOMEM` no address space for it.
    pub fn new(memfd: Memfd) -> Result<Frozen, SysError> {
        if !memfd.is_frozen() {
            return Err(SysError::new("fcntl(2)", Errno::PERM, "memory that can still change"));
        }
        Frozen::mapped(memfd, true)
    }

    /// Maps a memfd that may not be sealed yet, in a way that does not keep anybody from sealing it.
    ///
    /// Conditions: until [`Frozen::is_settled`] the bytes are looked at only by who knows that nobody writes to them.
    /// Errors: `EPERM` its size can still change; as [`Frozen::new`].
    pub fn settling(memfd: Memfd) -> Result<Frozen, SysError> {
        let settled = memfd.is_frozen();
        if !settled && !memfd.is_fixed_size() {
            return Err(SysError::new("fcntl(2)", Errno::PERM, "memory that can still end"));
        }
        Frozen::mapped(memfd, settled)
    }

    /// Whether nobody can change a byte any more.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) || {
            let settled = self.memfd.is_frozen();
            self.settled.store(settled, Ordering::Release);
            settled
        }
    }

    fn mapped(memfd: Memfd, settled: bool) -> Result<Frozen, SysError> {
        let id = memfd.id()?;
        let start =
            match usize::try_from(memfd.size()).map_err(|_| SysError::new("mmap(2)", Errno::NOMEM, "a memfd"))? {
                0 => None,
                len => {
                    // A shared mapping of a writable descriptor would count as a writer.
                    let flags = if settled { MapFlags::SHARED } else { MapFlags::PRIVATE } | MapFlags::NORESERVE;
                    // SAFETY: without MAP_FIXED the kernel takes a range that nobody uses.
                    let at = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, flags, &memfd, 0) };
                    NonNull::new(at.context("mmap(2)", || format!("{len:#x} bytes of a memfd"))?.cast())
                }
            };
        Ok(Frozen { memfd, id, start, settled: AtomicBool::new(settled) })
    }

    /// The file.
    pub fn memfd(&self) -> &Memfd {
        &self.memfd
    }

    /// Tells the same file by another descriptor.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Bytes, holes included.
    pub fn size(&self) -> u64 {
        self.memfd.size()
    }

    /// A part as bytes, which keep the whole alive.
    ///
    /// Errors: `None` it leaves the file.
    pub fn bytes(self: &Arc<Self>, offset: u64, len: usize) -> Option<Bytes> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.size())?;
        Some(Bytes::from_owner(Whole(self.clone())).slice(offset as usize..end as usize))
    }
}

impl AsFd for Frozen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            // SAFETY: the range was mapped in `new`, and every slice of it holds an `Arc` of this.
            let _ = unsafe { rustix::mm::munmap(start.as_ptr().cast(), self.memfd.size() as usize) };
        }
    }
}

/// An owner of the bytes.
struct Whole(Arc<Frozen>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        match self.0.start {
            // SAFETY: the range is mapped as long as `self` lives, and sealed, so that it neither changes nor ends.
            Some(start) => unsafe { std::slice::from_raw_parts(start.as_ptr(), self.0.memfd.size() as usize) },
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_still_change_is_refused() {
        let memfd = Memfd::create("test", 4096).unwrap();
        assert_eq!(Frozen::new(memfd).unwrap_err().errno, Errno::PERM);
    }

    #[test]
    fn what_is_about_to_be_sealed_is_settled_when_it_is() {
        let memfd = Memfd::freezable("test", 8192).unwrap();
        memfd.write_at(0, &[b"text"]).unwrap();
        let frozen = Arc::new(Frozen::settling(Memfd::adopt(memfd.writer().unwrap()).unwrap()).unwrap());
        assert!(!frozen.is_settled());
        memfd.freeze().unwrap();
        assert!(frozen.is_settled() && &frozen.bytes(0, 4).unwrap()[..] == b"text");
        let other = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        let refused = Frozen::settling(Memfd::adopt(other).unwrap());
        assert_eq!(refused.unwrap_err().errno, Errno::PERM);
    }

    #[test]
    fn parts_are_bytes_and_keep_the_whole_alive() {
        let chunks: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; 1000]).collect();
        let frozen = Arc::new(Frozen::new(Memfd::frozen("test", &chunks).unwrap()).unwrap());
        let part = frozen.bytes(2500, 1000).unwrap();
        let (id, size) = (frozen.id(), frozen.size());
        drop(frozen);
        assert!(part[..500].iter().all(|b| *b == 2) && part[500..].iter().all(|b| *b == 3));
        let again = Memfd::frozen("test", &chunks).unwrap();
        assert!(again.id().unwrap() != id && size == 102_400);
        let again = Arc::new(Frozen::new(again).unwrap());
        assert!(again.bytes(102_399, 2).is_none() && again.bytes(u64::MAX, 2).is_none());
        assert_eq!(again.bytes(102_400, 0).unwrap().len(), 0);
        let empty = Arc::new(Frozen::new(Memfd::frozen::<&[u8]>("test", &[]).unwrap()).unwrap());
        assert_eq!(empty.bytes(0, 0).unwrap().len(), 0);
    }
}
