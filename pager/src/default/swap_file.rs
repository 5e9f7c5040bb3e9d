//! The swap file: pages in, compressed; pages out, checked.
//!
//! Calls may come from several threads. The table is locked for look-ups and changes of it, never during IO, which rests on
//! the server: no page is read while it is being written, and no object is removed while a call on it is under way.

use std::fs::File;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pager_core::{Pages, Piece};
use proto::{KernReturn, PAGE_SIZE, Payload};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::index::{Index, Slot, Stored, SwapId};
use crate::Pieces;

/// The file, and where in it which page is.
pub struct SwapFile {
    file: File,
    index: Mutex<Index>,
    limit_bytes: u64,
    /// The file system reads without waiting; cleared when it says that it cannot.
    nowait: AtomicBool,
    pub(super) pages_in: AtomicU64,
    pub(super) pages_out: AtomicU64,
    pub(super) damaged: AtomicU64,
}

/// The swap file cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a file for memory that has to leave in {folder}: {errno}")]
pub struct SwapError {
    /// Where.
    pub folder: PathBuf,
    /// Why.
    pub errno: Errno,
}

impl SwapFile {
    /// A file without a name in `folder`, of at most `limit_bytes`.
    ///
    /// Errors: [`SwapError`]; nothing stays. Source: [pager.default.1].
    pub fn create(folder: &Path, limit_bytes: u64) -> Result<SwapFile, SwapError> {
        let file = nameless(folder).map_err(|errno| SwapError { folder: folder.into(), errno })?;
        Ok(SwapFile {
            file,
            index: Mutex::new(Index::new(limit_bytes)),
            limit_bytes,
            nowait: AtomicBool::new(true),
            pages_in: AtomicU64::new(0),
            pages_out: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        })
    }

    /// Stores pages from `first` on. May block.
    ///
    /// Errors: `ResourceShortage` there is no room, in the file or on its disk; `MemoryError` it cannot be written. Pages
    /// that were not taken are lost to this store, so the caller has to keep all of them. Source: [pager.default.3].
    pub(super) fn write(&self, id: SwapId, first: u64, data: &Payload) -> Result<(), KernReturn> {
        let bytes = data.to_bytes();
        let mut run = Run::default();
        let mut result = Ok(());
        for (page, contents) in (first..).zip(bytes.chunks(PAGE_SIZE as usize)) {
            if contents.iter().all(|b| *b == 0) {
                self.index().forget(id, page);
                continue;
            }
            let packed = pack(contents);
            let placed = self.index().place(id, page, packed.len() as u32, crc32fast::hash(&packed));
            match placed {
                Some(stored) if run.follows(stored) => run.push(page, stored, &packed),
                Some(stored) => {
                    result = result.and(self.write_run(id, &run));
                    run = Run::default();
                    run.push(page, stored, &packed);
                }
                None => result = result.and(Err(KernReturn::ResourceShortage)),
            }
        }
        result.and(self.write_run(id, &run))
    }

    /// Writes pages that lie one behind the other.
    fn write_run(&self, id: SwapId, run: &Run) -> Result<(), KernReturn> {
        let (mut left, mut at) = (&run.bytes[..], run.offset);
        while !left.is_empty() {
            match rustix::io::pwrite(&self.file, left, at) {
                Ok(written) if written > 0 => {
                    left = &left[written..];
                    at += written as u64;
                }
                Err(Errno::INTR) => {}
                other => {
                    let errno = other.err().unwrap_or(Errno::IO);
                    tracing::warn!(%errno, pages = run.pages.len(), "memory that has to leave cannot be written");
                    run.pages.iter().for_each(|page| self.index().lose(id, *page));
                    let no_room = matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::FBIG);
                    return Err(if no_room { KernReturn::ResourceShortage } else { KernReturn::MemoryError });
                }
            }
        }
        self.pages_out.fetch_add(run.pages.len() as u64, Relaxed);
        Ok(())
    }

    /// The contents of pages. May block.
    pub(super) fn read(&self, id: SwapId, pages: Pages) -> Pieces {
        self.read_with(id, pages, ReadWriteFlags::empty()).expect("a read that may wait has an answer")
    }

    /// As `read`, if it need not wait for a disk.
    pub(super) fn try_read(&self, id: SwapId, pages: Pages) -> Option<Pieces> {
        if !self.nowait.load(Relaxed) {
            return None;
        }
        self.read_with(id, pages, ReadWriteFlags::NOWAIT)
    }

    fn read_with(&self, id: SwapId, pages: Pages, flags: ReadWriteFlags) -> Option<Pieces> {
        let mut pieces = Pieces::new();
        for page in pages.start..pages.end {
            let slot = self.index().get(id, page);
            let piece = match slot {
                None => Piece::Hole,
                Some(Slot::Lost) => Piece::Error(KernReturn::MemoryError),
                Some(Slot::Stored(stored)) => match self.read_page(stored, flags) {
                    Ok(bytes) => Piece::Data(Payload::from(bytes)),
                    Err(Errno::AGAIN | Errno::OPNOTSUPP) if !flags.is_empty() => return None,
                    Err(errno) => {
                        self.damaged.fetch_add(1, Relaxed);
                        tracing::error!(%errno, page, "memory that had left cannot be had back");
                        Piece::Error(KernReturn::MemoryError)
                    }
                },
            };
            self.pages_in.fetch_add(u64::from(matches!(piece, Piece::Data(_))), Relaxed);
            pieces.push((Pages::new(page, page + 1), piece));
        }
        Some(pieces)
    }

    /// Reads and unpacks one page.
    ///
    /// Errors: Linux's; `BADMSG` the bytes are not those that were written.
    fn read_page(&self, stored: Stored, flags: ReadWriteFlags) -> Result<Bytes, Errno> {
        let mut packed = [0; PAGE_SIZE as usize];
        let packed = &mut packed[..stored.bytes as usize];
        let mut done = 0;
        while done < packed.len() {
            let into = &mut [IoSliceMut::new(&mut packed[done..])];
            match rustix::io::preadv2(&self.file, into, stored.offset() + done as u64, flags) {
                Ok(0) => return Err(Errno::BADMSG),
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(errno) => {
                    if errno == Errno::OPNOTSUPP {
                        self.nowait.store(false, Relaxed);
                    }
                    return Err(errno);
                }
            }
        }
        if crc32fast::hash(packed) != stored.checksum {
            return Err(Errno::BADMSG);
        }
        unpack(packed).ok_or(Errno::BADMSG)
    }

    /// Gives up everything of an object; the file becomes shorter if it can.
    pub(super) fn remove(&self, id: SwapId) {
        let mut index = self.index();
        let (_, before) = index.bytes();
        index.remove(id);
        let (_, end) = index.bytes();
        // Under the lock: nobody is given what lies behind the end until it is cut off.
        if end < before
            && let Err(error) = self.file.set_len(end)
        {
            tracing::warn!(%error, "the file of memory that has left cannot be made shorter");
        }
    }

    /// These pages are not here any more, and are not zero.
    pub(super) fn lose(&self, id: SwapId, pages: Pages) {
        let mut index = self.index();
        (pages.start..pages.end).for_each(|page| index.lose(id, page));
    }

    /// Whether three quarters of what there may be is used.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.index().bytes().0 > self.limit_bytes / 4 * 3
    }

    /// Pages in the file, and bytes that they take.
    pub(super) fn stored(&self) -> (u64, u64) {
        let index = self.index();
        (index.stored(), index.bytes().0)
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Nothing in the table panics halfway.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packed pages that lie one behind the other in the file.
#[derive(Default)]
struct Run {
    offset: u64,
    bytes: Vec<u8>,
    pages: Vec<u64>,
}

impl Run {
    fn follows(&self, stored: Stored) -> bool {
        !self.pages.is_empty() && self.padded_end() == stored.offset()
    }

    fn padded_end(&self) -> u64 {
        self.offset + (self.bytes.len() as u64).next_multiple_of(super::index::UNIT_BYTES)
    }

    fn push(&mut self, page: u64, stored: Stored, packed: &[u8]) {
        if self.pages.is_empty() {
            self.offset = stored.offset();
        }
        self.bytes.resize((stored.offset() - self.offset) as usize, 0);
        self.bytes.extend_from_slice(packed);
        self.pages.push(page);
    }
}

/// A page as it is stored: compressed, or as it is where that saves nothing.
fn pack(page: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(page);
    let units = |bytes: &[u8]| (bytes.len() as u64).div_ceil(super::index::UNIT_BYTES);
    if units(&packed) < units(page) { packed } else { page.to_vec() }
}

/// The page again; `None` if these are not the bytes of one.
fn unpack(packed: &[u8]) -> Option<Bytes> {
    if packed.len() as u64 == PAGE_SIZE {
        return Some(Bytes::copy_from_slice(packed));
    }
    let page = lz4_flex::block::decompress(packed, PAGE_SIZE as usize).ok()?;
    (page.len() as u64 == PAGE_SIZE).then(|| page.into())
}

/// A file of `folder` that has no name, or none any more.
fn nameless(folder: &Path) -> Result<File, Errno> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(folder, OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC, mode) {
        Ok(fd) => return Ok(fd.into()),
        // A file system without such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    let path = folder.join(format!("mach-swap-{}", std::process::id()));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match rustix::fs::open(&path, flags, mode) {
        // An earlier process of this number ended between two system calls.
        Err(Errno::EXIST) => {
            rustix::fs::unlink(&path)?;
            rustix::fs::open(&path, flags, mode)?
        }
        other => other?,
    };
    rustix::fs::unlink(&path)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = PAGE_SIZE as usize;

    fn store(limit: u64) -> (tempfile::TempDir, SwapFile) {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = SwapFile::create(folder.path(), limit).expect("a file");
        (folder, store)
    }

    /// A page of a kind: zero, easily compressed, hardly, not at all.
    fn page(kind: u8, seed: u64) -> Vec<u8> {
        let mut x = seed | 1;
        let mut random = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        };
        match kind % 4 {
            0 => vec![0; PAGE],
            1 => vec![seed as u8 | 1; PAGE],
            2 => (0..PAGE).map(|i| if i % 8 == 0 { random() } else { 7 }).collect(),
            _ => (0..PAGE).map(|_| random()).collect(),
        }
    }

    fn contents(store: &SwapFile, id: SwapId, at: u64) -> Result<Vec<u8>, KernReturn> {
        match store.read(id, Pages::new(at, at + 1)).pop().expect("an answer").1 {
            Piece::Data(data) => Ok(data.to_bytes().to_vec()),
            Piece::Hole => Ok(vec![0; PAGE]),
            Piece::Error(code) => Err(code),
        }
    }

    #[test]
    fn pager_default_1_the_file_has_no_name() {
        let (folder, store) = store(1 << 20);
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
        assert_eq!(store.file.metadata().map(|m| std::os::unix::fs::MetadataExt::nlink(&m)).ok(), Some(0));
        let missing = SwapFile::create(Path::new("/nowhere/at/all"), 1).err().expect("no folder");
        assert_eq!(missing.errno, Errno::NOENT);
    }

    #[test]
    fn pager_default_2_pages_are_compressed_and_zeroes_cost_nothing() {
        let (_folder, store) = store(1 << 20);
        let id = SwapId(1);
        let bytes: Vec<u8> = (0..4).flat_map(|kind| page(kind, 5)).collect();
        store.write(id, 10, &bytes.clone().into()).expect("there is room");
        let (pages, used) = store.stored();
        assert!(pages == 3 && used < 3 * PAGE as u64 && used >= PAGE as u64, "{used} bytes for {pages} pages");
        let seen = store.read(id, Pages::new(9, 15));
        assert!(seen.iter().all(|(p, piece)| matches!(piece, Piece::Hole) == [9, 10, 14].contains(&p.start)));
        for (n, wanted) in bytes.chunks(PAGE).enumerate() {
            assert_eq!(contents(&store, id, 10 + n as u64).as_deref(), Ok(wanted));
        }
        // What was in the page cache a moment ago is there without waiting, where the file system can tell.
        if let Some(pieces) = store.try_read(id, Pages::new(11, 12)) {
            assert!(matches!(&pieces[0].1, Piece::Data(d) if d.to_bytes() == bytes[PAGE..2 * PAGE]));
        }
    }

    #[test]
    fn pager_default_3_a_full_store_refuses_and_has_room_again() {
        let (_folder, store) = store(4 * PAGE_SIZE);
        let (one, two) = (SwapId(1), SwapId(2));
        let bytes: Vec<u8> = (0..6).flat_map(|n| page(3, 100 + n)).collect();
        assert_eq!(store.write(one, 0, &bytes[..4 * PAGE].to_vec().into()), Ok(()));
        assert_eq!(store.write(two, 0, &bytes[4 * PAGE..].to_vec().into()), Err(KernReturn::ResourceShortage));
        assert_eq!(
            contents(&store, two, 0),
            Err(KernReturn::MemoryError),
            "a page that was refused is not a zero page"
        );
        // New bytes for an old page take the place of the old ones.
        assert_eq!(store.write(one, 2, &bytes[4 * PAGE..5 * PAGE].to_vec().into()), Ok(()));
        assert_eq!(contents(&store, one, 2).as_deref(), Ok(&bytes[4 * PAGE..5 * PAGE]));
        assert_eq!(store.file.metadata().map(|m| m.len()).ok(), Some(4 * PAGE_SIZE));
        store.remove(one);
        assert_eq!((store.stored(), store.file.metadata().map(|m| m.len()).ok()), ((0, 0), Some(0)));
        assert_eq!(store.write(two, 0, &bytes[4 * PAGE..].to_vec().into()), Ok(()));
        assert_eq!(contents(&store, two, 1).as_deref(), Ok(&bytes[5 * PAGE..]));
    }

    #[test]
    fn pager_default_4_damaged_bytes_are_an_error() {
        let (_folder, store) = store(1 << 20);
        let id = SwapId(3);
        for kind in 1..4 {
            store.write(id, 0, &page(kind, 9).into()).expect("there is room");
            let Some(Slot::Stored(at)) = store.index().get(id, 0) else { panic!("it is stored") };
            for byte in [0, u64::from(at.bytes) / 2, u64::from(at.bytes) - 1] {
                let mut was = [0];
                store.file.read_exact_at(&mut was, at.offset() + byte).expect("our file");
                store.file.write_all_at(&[was[0] ^ 1], at.offset() + byte).expect("our file");
                assert_eq!(contents(&store, id, 0), Err(KernReturn::MemoryError), "kind {kind}, byte {byte}");
                store.file.write_all_at(&was, at.offset() + byte).expect("our file");
            }
            assert_eq!(contents(&store, id, 0), Ok(page(kind, 9)));
        }
        store.file.set_len(10).expect("our file");
        assert_eq!(contents(&store, id, 0), Err(KernReturn::MemoryError), "as is a file that ends too early");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a map of pages. The store is small, so that it is full now and then.
        #[test]
        fn pager_default_5_what_was_taken_comes_back(
            steps in prop::collection::vec((0..10u8, 0..3u64, 0..20u64, any::<u8>(), any::<u64>()), 1..150),
        ) {
            let (_folder, store) = store(40 * PAGE_SIZE);
            let mut model: HashMap<(u64, u64), Option<Vec<u8>>> = HashMap::new();
            for (what, object, first, kind, seed) in steps {
                match what {
                    0 => {
                        store.remove(SwapId(object));
                        model.retain(|(o, _), _| *o != object);
                    }
                    1..=6 => {
                        let pages: Vec<Vec<u8>> = (0..1 + seed % 5).map(|n| page(kind.wrapping_add(n as u8), seed ^ n)).collect();
                        let taken = store.write(SwapId(object), first, &pages.concat().into());
                        for (at, contents) in (first..).zip(pages) {
                            let kept = taken.is_ok() || store.index().get(SwapId(object), at) != Some(Slot::Lost);
                            model.insert((object, at), kept.then_some(contents));
                        }
                    }
                    _ => {
                        let wanted = match model.get(&(object, first)) {
                            None => Ok(vec![0; PAGE]),
                            Some(None) => Err(KernReturn::MemoryError),
                            Some(Some(contents)) => Ok(contents.clone()),
                        };
                        prop_assert_eq!(contents(&store, SwapId(object), first), wanted);
                    }
                }
            }
            (0..3).for_each(|object| store.remove(SwapId(object)));
            prop_assert_eq!(store.stored(), (0, 0));
        }
    }
}
