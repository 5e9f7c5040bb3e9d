//! The pager of a file.
//!
//! Invariants:
//! 1. The object's size is the file's at export. A page that the file does not wholly back any more is an error, never
//!    zero bytes: reads compare what they got, and writes never make the file longer again.
//! 2. `try_read` takes nothing but what is in the page cache.
//! 3. What is known to be zero (a hole, or a whole run of zero bytes) is said so and not sent.
//!
//! Reads go through the page cache, not `O_DIRECT`: docs/decisions/0006-files-through-the-page-cache.md.
//! Rules: [pager.file.*] of docs/spec/pager.md.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use pager_core::{Pages, Piece};
use proto::{KernReturn, PAGE_SIZE, Payload, Prot};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};
use smallvec::smallvec;

use crate::buffers::Buffer;
use crate::{Pager, Pieces, StoreError};

/// A file served as a memory object.
pub struct FilePager {
    file: File,
    path: PathBuf,
    size: u64,
    writable: bool,
    /// It had holes at export; only then are reads preceded by a look for them.
    sparse: bool,
    /// The file system reads without waiting; cleared when it says that it cannot.
    nowait: AtomicBool,
    /// Writes under way: they hold the inode's lock, and a look for holes would wait for it.
    writes: AtomicUsize,
    /// A sync failed. Linux reports a lost write once, so nothing written before is known to be durable any more.
    sync_failed: AtomicBool,
    /// A failure was logged; the rest of them is counted by the server.
    complained: AtomicBool,
}

/// Why a file cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be opened or looked at.
    #[error("cannot {act} {path}: {errno}")]
    Refused {
        /// What was tried, for people: "open", "open for writing".
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// Not a regular file.
    #[error("{path} is {kind}, not a regular file; only the contents of regular files can be mapped")]
    NotRegular {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file without a byte.
    #[error("{path} is empty; there is nothing to map")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file has no name any more.
    #[error("{path} was deleted")]
    Deleted {
        /// The file.
        path: PathBuf,
    },
    /// Someone holds a lock on the file that excludes this export.
    #[error(
        "{path} is in use: it is exported already and one of the exports is writable, or a program holds a lock on it"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl FilePager {
    /// Opens a file for export. Two exports of a file would not be coherent if one of them wrote, so a writable one
    /// takes an exclusive lock (`flock(2)`), any other a shared one.
    ///
    /// Errors: [`ExportError`]; nothing stays open or locked. Source: [pager.file.1], [pager.file.8].
    pub fn open(path: &Path, writable: bool) -> Result<FilePager, ExportError> {
        let act = if writable { "open for writing" } else { "open" };
        let refused = |errno| ExportError::Refused { act, path: path.into(), errno };
        let access = if writable { OFlags::RDWR } else { OFlags::RDONLY };
        // NONBLOCK: opening a FIFO or a device must not wait. It means nothing to a regular file.
        let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        if let Err(Errno::ISDIR | Errno::NXIO) = opened
            && let Ok(stat) = rustix::fs::stat(path)
        {
            check_kind(path, FileType::from_raw_mode(stat.st_mode))?;
        }
        let file = File::from(opened.map_err(refused)?);
        let stat = rustix::fs::fstat(&file).map_err(refused)?;
        check_kind(path, FileType::from_raw_mode(stat.st_mode))?;
        if stat.st_nlink == 0 {
            return Err(ExportError::Deleted { path: path.into() });
        }
        if stat.st_size <= 0 {
            return Err(ExportError::Empty { path: path.into() });
        }
        let lock =
            if writable { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
        // On a file system without locks this check is not made.
        if rustix::fs::flock(&file, lock) == Err(Errno::WOULDBLOCK) {
            return Err(ExportError::InUse { path: path.into() });
        }
        Ok(FilePager {
            size: stat.st_size as u64,
            sparse: (stat.st_blocks as u64).saturating_mul(512) < stat.st_size as u64,
            nowait: AtomicBool::new(true),
            writes: AtomicUsize::new(0),
            sync_failed: AtomicBool::new(false),
            complained: AtomicBool::new(false),
            path: path.into(),
            file,
            writable,
        })
    }

    /// The file, as it was named at export.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of `pages` that the file had at export. Units: bytes.
    fn backed(&self, pages: Pages) -> usize {
        (self.size.min(pages.end * PAGE_SIZE) - pages.offset()) as usize
    }

    fn error(&self, call: &'static str, errno: Errno) -> StoreError {
        let error = StoreError::new(call, errno, self.path.display().to_string());
        if !self.complained.swap(true, Relaxed) {
            tracing::warn!(%error, "an exported file fails; further failures of it are only counted");
        }
        error
    }

    /// Where data begins at or after `offset`; `None` when there is none up to the end of the file.
    fn next_data(&self, offset: u64) -> Result<Option<u64>, Errno> {
        match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn len_now(&self) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(&self.file)?.st_size as u64)
    }

    /// The hole that `pages` begin with, as far as they go; empty if there is none.
    fn hole_at(&self, pages: Pages) -> Result<Pages, Errno> {
        let data = self.next_data(pages.offset())?;
        let end = match data {
            Some(at) => at / PAGE_SIZE,
            // Hole up to the end of the file, wherever that is now.
            None => {
                let len = self.len_now()?;
                if len >= self.size { pages.end } else { len / PAGE_SIZE }
            }
        };
        Ok(Pages::new(pages.start, end.clamp(pages.start, pages.end)))
    }

    /// Fills a buffer with the bytes of `pages`; a short count means that the file ends there.
    fn fill(&self, pages: Pages, flags: ReadWriteFlags) -> Result<(Buffer, usize), Errno> {
        let wanted = self.backed(pages);
        let mut buffer = Buffer::take(pages.bytes() as usize);
        let mut got = 0;
        while got < wanted {
            let into = &mut buffer.bytes_mut()[got..wanted];
            let at = pages.offset() + got as u64;
            match rustix::io::preadv2(&self.file, &mut [IoSliceMut::new(into)], at, flags) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok((buffer, got))
    }

    /// What the first `got` bytes of `pages` say: data, zeros, and an error for pages that were not filled.
    fn pieces(&self, pages: Pages, mut buffer: Buffer, got: usize, pieces: &mut Pieces) {
        let wanted = self.backed(pages);
        let whole = if got == wanted { pages.end } else { pages.start + got as u64 / PAGE_SIZE };
        if got == wanted {
            buffer.bytes_mut()[got..].fill(0);
        }
        let filled = Pages::new(pages.start, whole);
        if !filled.is_empty() {
            split_zeros(filled, Payload::from(buffer.freeze()), pieces);
        }
        if whole < pages.end {
            // The file became shorter. EFAULT is what mmap(2) of it would have given a system call.
            self.error("preadv2 (the file is shorter than it was at export)", Errno::FAULT);
            pieces.push((Pages::new(whole, pages.end), Piece::Error(KernReturn::MemoryError)));
        }
    }

    /// Reads `pages`, which hold no known hole, waiting for the disk.
    fn read_data(&self, pages: Pages, pieces: &mut Pieces) {
        match self.fill(pages, ReadWriteFlags::empty()) {
            Ok((buffer, got)) => self.pieces(pages, buffer, got, pieces),
            // One bad block: find the pages that can be had.
            Err(Errno::IO) if pages.len() > 1 => {
                let middle = pages.start + pages.len() / 2;
                self.read_data(Pages::new(pages.start, middle), pieces);
                self.read_data(Pages::new(middle, pages.end), pieces);
            }
            Err(errno) => pieces.push((pages, Piece::Error(self.error("preadv2", errno).code))),
        }
    }

    fn write_all(&self, pages: Pages, data: &Payload) -> Result<(), StoreError> {
        let fail = |call| move |errno| self.error(call, errno);
        if self.len_now().map_err(fail("fstat"))? < self.size {
            return Err(self.error("pwritev (the file is shorter than it was at export)", Errno::STALE));
        }
        let (mut left, mut at) = (self.backed(pages).min(data.len()), pages.offset());
        for chunk in data.chunks() {
            let mut chunk = &chunk[..chunk.len().min(left)];
            while !chunk.is_empty() {
                match rustix::io::pwritev(&self.file, &[IoSlice::new(chunk)], at) {
                    Ok(0) => return Err(self.error("pwritev", Errno::IO)),
                    Ok(n) => {
                        chunk = &chunk[n..];
                        left -= n;
                        at += n as u64;
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(self.error("pwritev", errno)),
                }
            }
        }
        Ok(())
    }
}

impl Pager for FilePager {
    fn size(&self) -> u64 {
        self.size
    }

    fn max_protection(&self) -> Prot {
        let write = if self.writable { Prot::WRITE } else { Prot::empty() };
        Prot::READ | Prot::EXECUTE | write
    }

    fn try_read(&self, pages: Pages) -> Option<Pieces> {
        if self.sparse && self.writes.load(Relaxed) == 0 && self.hole_at(pages) == Ok(pages) {
            return Some(smallvec![(pages, Piece::Hole)]);
        }
        if !self.nowait.load(Relaxed) {
            return None;
        }
        match self.fill(pages, ReadWriteFlags::NOWAIT) {
            Ok((buffer, got)) if got == self.backed(pages) => {
                let mut pieces = Pieces::new();
                self.pieces(pages, buffer, got, &mut pieces);
                Some(pieces)
            }
            Err(Errno::OPNOTSUPP) => {
                self.nowait.store(false, Relaxed);
                None
            }
            // Not in the page cache, or an error or a short file that `read` will find again and report.
            Ok(_) | Err(_) => None,
        }
    }

    fn read(&self, pages: Pages) -> Pieces {
        let mut pieces = Pieces::new();
        let mut rest = pages;
        while !rest.is_empty() {
            let hole = if self.sparse { self.hole_at(rest).unwrap_or(Pages::new(0, 0)) } else { Pages::new(0, 0) };
            if !hole.is_empty() {
                pieces.push((hole, Piece::Hole));
                rest.start = hole.end;
                continue;
            }
            let next_hole = match self.sparse {
                true => rustix::fs::seek(&self.file, SeekFrom::Hole(rest.offset()))
                    .map_or(rest.end, |at| at.div_ceil(PAGE_SIZE)),
                false => rest.end,
            };
            let data = Pages::new(rest.start, next_hole.clamp(rest.start + 1, rest.end));
            self.read_data(data, &mut pieces);
            rest.start = data.end;
        }
        pieces
    }

    fn write(&self, pages: Pages, data: &Payload) -> Result<(), StoreError> {
        self.writes.fetch_add(1, Relaxed);
        let result = self.write_all(pages, data);
        self.writes.fetch_sub(1, Relaxed);
        result
    }

    fn sync(&self) -> Result<(), StoreError> {
        if self.sync_failed.load(Relaxed) {
            return Err(self.error("fdatasync (an earlier one failed, and what it lost is not known)", Errno::IO));
        }
        rustix::fs::fdatasync(&self.file).map_err(|errno| {
            self.sync_failed.store(true, Relaxed);
            self.error("fdatasync", errno)
        })
    }
}

/// Zero pages in the midst of data are said to be zero only from this many on: each piece is a message.
const ZERO_RUN_PAGES_MIN: u64 = 16;

/// Takes `data` apart into runs of data and long runs of zero pages.
fn split_zeros(pages: Pages, data: Payload, pieces: &mut Pieces) {
    let bytes = data.to_bytes();
    let is_zero = |page: u64| {
        let at = ((page - pages.start) * PAGE_SIZE) as usize;
        all_zero(&bytes[at..at + PAGE_SIZE as usize])
    };
    let put = |start: u64, end: u64, zero: bool, pieces: &mut Pieces| {
        let piece = if zero {
            Piece::Hole
        } else {
            let at = ((start - pages.start) * PAGE_SIZE) as usize;
            Piece::Data(data.slice(at, ((end - start) * PAGE_SIZE) as usize))
        };
        pieces.push((Pages::new(start, end), piece));
    };
    let (mut from, mut at) = (pages.start, pages.start);
    while at < pages.end {
        let zero_end = (at..pages.end).find(|p| !is_zero(*p)).unwrap_or(pages.end);
        let long = zero_end - at >= ZERO_RUN_PAGES_MIN || (at == pages.start && zero_end == pages.end);
        if zero_end > at && long {
            if from < at {
                put(from, at, false, pieces);
            }
            put(at, zero_end, true, pieces);
            from = zero_end;
        }
        at = zero_end + 1;
    }
    if from < pages.end {
        put(from, pages.end, false, pieces);
    }
}

/// Looks at a page 64 bytes at a time, and at most pages no further than the first 64.
fn all_zero(page: &[u8]) -> bool {
    page.chunks(64).all(|part| part.iter().fold(0, |all, byte| all | byte) == 0)
}

fn check_kind(path: &Path, kind: FileType) -> Result<(), ExportError> {
    let kind = match kind {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::BlockDevice => "a block device",
        FileType::CharacterDevice => "a character device",
        _ => "something else",
    };
    Err(ExportError::NotRegular { path: path.into(), kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose `fdatasync` fails as one on a broken disk does; what fails here is that it is a pipe.
    #[test]
    fn pager_file_7_a_failed_sync_fails_all_later_ones() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("file");
        std::fs::write(&path, b"x").expect("a file");
        let mut pager = FilePager::open(&path, true).expect("an export");
        assert_eq!(pager.sync(), Ok(()));
        let (pipe, _other_end) = rustix::pipe::pipe().expect("a pipe");
        let good = std::mem::replace(&mut pager.file, File::from(pipe));
        assert_eq!(pager.sync().map_err(|e| e.errno), Err(Errno::INVAL));
        pager.file = good;
        let later = pager.sync().expect_err("what was lost is not known");
        assert_eq!((later.errno, later.code), (Errno::IO, KernReturn::MemoryError));
        assert_eq!(pager.write(Pages::new(0, 1), &Payload::from(vec![b'y'; 4096])), Ok(()));
        assert!(pager.sync().is_err());
    }

    #[test]
    fn a_page_is_zero_only_if_all_of_it_is() {
        let mut page = vec![0; 4096];
        assert!(all_zero(&page));
        for at in [0, 1, 63, 64, 2047, 4095] {
            page[at] = 1;
            assert!(!all_zero(&page), "byte {at}");
            page[at] = 0;
        }
    }
}
