//! memfds: the memory of objects, and large payloads beside a record.
//!
//! 1. An object's memfd has mode 0600 and is sealed against changes of size and against further seals from birth: nobody
//!    can make its pages vanish under a mapping (SIGBUS in the node), or freeze it under the node's writes.
//! 2. A task of another uid that was given the read-only descriptor cannot reopen it for writing (uffd-rules 16).
//! 3. Which pages hold data is the owner's own table, never what the memfd has (uffd-rules 8).

use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use proto::PAGE_SIZE;
use proto::limits::MEMORY_CALL_BYTES_MAX;
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom};
use rustix::process::{Resource, getrlimit};

use crate::error::{Context, Errno, SysError};

const SIZE_SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);
/// What `statfs(2)` says of plain memfds.
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// Slices that one `pwritev(2)` takes (`IOV_MAX`).
const SLICES_MAX: usize = 1024;
/// Linux waits 75 ms each time for whoever is at a page.
const OWN_TRIES_MAX: u32 = 8;

/// A file among all files of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn new(device: u64, inode: u64) -> FileId {
        FileId { device, inode }
    }

    /// The file of a descriptor.
    pub fn of(fd: impl AsFd) -> Result<FileId, SysError> {
        let stat = rustix::fs::fstat(fd).context("fstat(2)", || "a memfd")?;
        Ok(FileId { device: stat.st_dev, inode: stat.st_ino })
    }
}

/// A memfd of fixed size.
#[derive(Debug)]
pub struct Memfd {
    fd: OwnedFd,
    size: u64,
}

impl Memfd {
    /// An object of `size` bytes, all holes: it costs about a KiB whatever its size.
    ///
    /// Units: `name` is for people (`/proc/PID/maps`), at most 249 bytes.
    pub fn create(name: &str, size: u64) -> Result<Memfd, SysError> {
        let memfd = Memfd::unsealed(name, size)?;
        memfd.seal(SIZE_SEALS | SealFlags::SEAL)?;
        Ok(memfd)
    }

    /// An object of `size` bytes, all holes, that can be frozen later ([`Memfd::freeze`]). Whoever has a writable
    /// descriptor of it can do so, too.
    pub fn freezable(name: &str, size: u64) -> Result<Memfd, SysError> {
        let memfd = Memfd::unsealed(name, size)?;
        memfd.seal(SIZE_SEALS)?;
        Ok(memfd)
    }

    /// Seals against every change, for ever.
    ///
    /// Errors: `EBUSY` somebody maps it writable, or has pages of it pinned for a device: it can still be changed;
    /// `EPERM` the descriptor cannot write, or the file takes no seals any more.
    pub fn freeze(&self) -> Result<(), SysError> {
        self.seal(SIZE_SEALS | SealFlags::WRITE | SealFlags::SEAL)
    }

    /// As [`Memfd::freeze`], of a file that nobody but the caller has. Linux itself may be at a page of it, to move it, say,
    /// which looks as if a device were; that is waited for, half a second and more.
    ///
    /// Errors: as there.
    pub fn freeze_own(&self) -> Result<(), SysError> {
        for _ in 1..OWN_TRIES_MAX {
            match self.freeze() {
                Err(error) if error.errno == Errno::BUSY => {}
                done => return done,
            }
        }
        self.freeze()
    }

    /// A payload: the chunks one after the other, zeroes up to a page border, then sealed against every change.
    pub fn frozen<B: AsRef<[u8]>>(name: &str, chunks: &[B]) -> Result<Memfd, SysError> {
        let size = chunks.iter().map(|c| c.as_ref().len() as u64).sum::<u64>().next_multiple_of(PAGE_SIZE);
        let memfd = Memfd::unsealed(name, size)?;
        memfd.write_at(0, chunks)?;
        memfd.freeze_own()?;
        Ok(memfd)
    }

    /// Takes over a descriptor that somebody sent.
    ///
    /// Errors: `EINVAL` for anything but a plain memfd (or a file of a tmpfs): reading another kind of file could block, or fail.
    pub fn adopt(fd: OwnedFd) -> Result<Memfd, SysError> {
        rustix::fs::fcntl_get_seals(&fd).context("fcntl(2)", || "a descriptor that came for a memfd is none")?;
        // One of huge pages has seals, too, and a page of it may not be had: an access is SIGBUS then.
        let system = rustix::fs::fstatfs(&fd).context("fstatfs(2)", || "a memfd")?.f_type;
        if system as u64 != TMPFS_MAGIC {
            return Err(SysError::new(
                "fstatfs(2)",
                Errno::INVAL,
                format!("a memfd of another file system, {system:#x}"),
            ));
        }
        let stat = rustix::fs::fstat(&fd).context("fstat(2)", || "a memfd")?;
        Ok(Memfd { fd, size: stat.st_size as u64 })
    }

    /// Whether nobody can make it shorter or longer.
    pub fn is_fixed_size(&self) -> bool {
        rustix::fs::fcntl_get_seals(&self.fd).is_ok_and(|seals| seals.contains(SIZE_SEALS))
    }

    /// Tells two descriptors of one file from those of two.
    pub fn id(&self) -> Result<FileId, SysError> {
        FileId::of(&self.fd)
    }

    /// Whether a range holds no page.
    pub fn is_hole(&self, offset: u64, len: u64) -> bool {
        match rustix::fs::seek(&self.fd, SeekFrom::Data(offset)) {
            Ok(data) => data >= offset + len,
            // There is none behind the offset.
            Err(errno) => errno == Errno::NXIO,
        }
    }

    /// Bytes, holes included.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether nobody can change a byte any more.
    pub fn is_frozen(&self) -> bool {
        rustix::fs::fcntl_get_seals(&self.fd).is_ok_and(|s| s.contains(SIZE_SEALS | SealFlags::WRITE))
    }

    /// A descriptor of the same file that permits reading only.
    pub fn reader(&self) -> Result<OwnedFd, SysError> {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context("open(2)", || path)
    }

    /// Another descriptor with the same permissions.
    pub fn writer(&self) -> Result<OwnedFd, SysError> {
        rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).context("fcntl(2)", || "duplicate a memfd")
    }

    /// Writes the chunks one after the other from `offset` on.
    ///
    /// Errors: `ENOSPC` or `ENOMEM` no memory; `EPERM` frozen, or past the end; what was written before stays.
    pub fn write_at<B: AsRef<[u8]>>(&self, offset: u64, chunks: &[B]) -> Result<(), SysError> {
        let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|c| IoSlice::new(c.as_ref())).collect();
        let (mut left, mut at) = (&mut slices[..], offset);
        IoSlice::advance_slices(&mut left, 0); // drops empty slices at the front
        while !left.is_empty() {
            // At least one slice, and no more than the bound unless the first alone exceeds it.
            let mut bytes = 0;
            let fits = left.iter().take(SLICES_MAX).take_while(|s| {
                bytes += s.len() as u64;
                bytes <= MEMORY_CALL_BYTES_MAX
            });
            let count = fits.count().max(1);
            let written = rustix::io::pwritev(&self.fd, &left[..count], at)
                .context("pwritev(2)", || format!("a memfd of {:#x} bytes at {at:#x}", self.size))?;
            if written == 0 {
                return Err(SysError::new("pwritev(2)", Errno::IO, "a memfd takes no more bytes"));
            }
            at += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    /// Fills `buffer` from `offset` on; holes read as zero and stay holes.
    ///
    /// Errors: `ENODATA` the file ends before.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SysError> {
        let mut done = 0;
        while done < buffer.len() {
            let end = buffer.len().min(done + MEMORY_CALL_BYTES_MAX as usize);
            let at = offset + done as u64;
            let read = rustix::io::pread(&self.fd, &mut buffer[done..end], at)
                .context("pread(2)", || format!("a memfd of {:#x} bytes at {at:#x}", self.size))?;
            if read == 0 {
                return Err(SysError::new("pread(2)", Errno::NODATA, format!("a memfd ends before {at:#x}")));
            }
            done += read;
        }
        Ok(())
    }

    /// Takes pages out of the file and of every mapping of it.
    ///
    /// Conditions: whole pages.
    pub fn punch(&self, offset: u64, len: u64) -> Result<(), SysError> {
        self.fallocate(FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len)
    }

    /// Makes pages of zeroes present, whatever was there before. They are written: what fallocate(2) makes passes for a hole
    /// ([`Memfd::is_hole`]) until somebody touches it.
    ///
    /// Conditions: whole pages.
    pub fn zero(&self, offset: u64, len: u64) -> Result<(), SysError> {
        static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
        let mut at = 0;
        while at < len {
            let size = (len - at).min(ZEROES.len() as u64);
            self.write_at(offset + at, &[&ZEROES[..size as usize]])?;
            at += size;
        }
        Ok(())
    }

    /// Bytes of memory that the file takes now; for measurements, not for decisions.
    pub fn allocated_bytes(&self) -> Result<u64, SysError> {
        let stat = rustix::fs::fstat(&self.fd).context("fstat(2)", || "a memfd")?;
        Ok(stat.st_blocks as u64 * 512)
    }

    /// The runs of pages within a range that take memory, at most `runs_max` of them: what the file has, whether anybody
    /// was told to put it there or not.
    ///
    /// Conditions: nobody uses the position of this file's descriptors, which moves.
    /// Errors: as lseek(2).
    pub fn present(&self, range: Range<u64>, runs_max: usize) -> Result<Vec<Range<u64>>, SysError> {
        let (mut runs, mut at) = (Vec::new(), range.start);
        while at < range.end && runs.len() < runs_max {
            let start = self.seek(SeekFrom::Data(at), &range)?;
            at = if start < range.end { self.seek(SeekFrom::Hole(start), &range)? } else { range.end };
            runs.extend((start < at).then_some(start..at));
        }
        Ok(runs)
    }

    /// The first pages within a range that take memory, no more than `most` bytes of them; `None` if none do.
    ///
    /// Conditions: as [`Memfd::present`], but that it costs no more than the pages that it answers.
    /// Errors: as lseek(2).
    pub fn first_present(&self, range: Range<u64>, most: u64) -> Result<Option<Range<u64>>, SysError> {
        let start = self.seek(SeekFrom::Data(range.start), &range)?;
        let last = range.end.min(start.saturating_add(most));
        // To look for a hole is to look at all pages up to it.
        let mut end = if self.allocated_bytes()? >= self.size { last } else { start };
        while end < last && self.seek(SeekFrom::Data(end), &range)? == end {
            end = last.min((end & !(PAGE_SIZE - 1)) + PAGE_SIZE);
        }
        Ok((start < end).then_some(start..end))
    }

    fn seek(&self, to: SeekFrom, range: &Range<u64>) -> Result<u64, SysError> {
        match rustix::fs::seek(&self.fd, to) {
            // Behind the last page there is only the hole at the end.
            Err(Errno::NXIO) => Ok(range.end),
            other => other.map(|at| at.min(range.end)).context("lseek(2)", || format!("{range:x?} of a memfd")),
        }
    }

    fn fallocate(&self, flags: FallocateFlags, offset: u64, len: u64) -> Result<(), SysError> {
        let end = offset + len;
        for at in (offset..end).step_by(MEMORY_CALL_BYTES_MAX as usize) {
            rustix::fs::fallocate(&self.fd, flags, at, (end - at).min(MEMORY_CALL_BYTES_MAX))
                .context("fallocate(2)", || format!("{len:#x} bytes of a memfd at {offset:#x}"))?;
        }
        Ok(())
    }

    fn unsealed(name: &str, size: u64) -> Result<Memfd, SysError> {
        // To exceed it is a signal that ends the process (SIGXFSZ). What fits is never written beyond.
        if let Some(most) = getrlimit(Resource::Fsize).current.filter(|most| size > *most) {
            let what = format!("a memfd to {size:#x} bytes, where RLIMIT_FSIZE is {most:#x}");
            return Err(SysError::new("ftruncate(2)", Errno::FBIG, what));
        }
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Before 6.3 there is no NOEXEC_SEAL; without it the kernel may log a warning, no more.
        let fd = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
            other => other,
        }
        .context("memfd_create(2)", || name.to_owned())?;
        rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR).context("fchmod(2)", || "a memfd to 0600")?;
        rustix::fs::ftruncate(&fd, size).context("ftruncate(2)", || format!("a memfd to {size:#x} bytes"))?;
        Ok(Memfd { fd, size })
    }

    fn seal(&self, seals: SealFlags) -> Result<(), SysError> {
        rustix::fs::fcntl_add_seals(&self.fd, seals).context("fcntl(2)", || format!("add {seals:?} to a memfd"))
    }
}

impl AsFd for Memfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Memfd> for OwnedFd {
    fn from(memfd: Memfd) -> OwnedFd {
        memfd.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = proto::PAGE_SIZE;

    #[test]
    fn pages_of_zeroes_are_there() {
        let memfd = Memfd::create("test", 64 * PAGE_SIZE).unwrap();
        memfd.write_at(PAGE_SIZE, &[b"x"]).unwrap();
        memfd.zero(PAGE_SIZE, 40 * PAGE_SIZE).unwrap();
        assert!((1..41).all(|page| !memfd.is_hole(page * PAGE_SIZE, PAGE_SIZE)));
        assert!(memfd.is_hole(0, PAGE_SIZE) && memfd.is_hole(41 * PAGE_SIZE, PAGE_SIZE));
        let mut byte = [1];
        memfd.read_at(PAGE_SIZE, &mut byte).unwrap();
        assert_eq!(byte, [0]);
    }

    #[test]
    fn an_own_file_is_frozen_when_nobody_is_at_its_pages_any_more() {
        use rustix::mm::{MapFlags, ProtFlags};
        let memfd = Memfd::freezable("test", PAGE_SIZE).unwrap();
        memfd.write_at(0, &[b"held"]).unwrap();
        let len = PAGE_SIZE as usize;
        // SAFETY: a new mapping, which nobody refers to but the slice below.
        let at = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, memfd.reader().unwrap(), 0)
        };
        // SAFETY: it is mapped until the test ends, and nobody writes to the file.
        let bytes = unsafe { std::slice::from_raw_parts(at.unwrap().cast::<u8>(), len) };
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        // The pipe holds the page itself.
        let slices = [rustix::pipe::IoSliceRaw::from_slice(bytes)];
        // SAFETY: it is the end that reads.
        unsafe { rustix::pipe::vmsplice(&writer, &slices, rustix::pipe::SpliceFlags::empty()) }.unwrap();
        assert_eq!(memfd.freeze().unwrap_err().errno, Errno::BUSY);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(150));
                drop((reader, writer));
            });
            memfd.freeze_own().unwrap();
        });
        assert!(memfd.is_frozen());
    }

    #[test]
    fn an_object_is_sparse_private_and_of_fixed_size() {
        let memfd = Memfd::create("test", 1 << 44).unwrap();
        assert_eq!(memfd.allocated_bytes().unwrap(), 0);
        assert_eq!(rustix::fs::fstat(&memfd).unwrap().st_mode & 0o777, 0o600);
        assert_eq!(rustix::fs::ftruncate(&memfd, 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::fcntl_add_seals(&memfd, SealFlags::FUTURE_WRITE), Err(Errno::PERM));
        assert!(!memfd.is_frozen());
    }

    #[test]
    fn one_that_is_longer_than_the_process_may_write_is_refused_without_a_signal() {
        let limit = rustix::process::Rlimit { current: Some(8192), maximum: getrlimit(Resource::Fsize).maximum };
        rustix::process::setrlimit(Resource::Fsize, limit).unwrap();
        assert_eq!(Memfd::create("test", 8193).unwrap_err().errno, Errno::FBIG);
        Memfd::create("test", 8192).unwrap().write_at(0, &[[1; 8192]]).unwrap();
    }

    #[test]
    fn scattered_chunks_are_written_in_order_and_read_back() {
        let memfd = Memfd::create("test", 64 << 20).unwrap();
        // Longer than one call, more slices than one call takes, and empty slices between.
        let big = vec![7u8; 5 << 20];
        let mut chunks: Vec<&[u8]> = vec![&[], &big, &[]];
        chunks.extend(std::iter::repeat_n(&[1u8, 2, 3][..], 3000));
        memfd.write_at(PAGE, &chunks).unwrap();
        let mut back = vec![0u8; big.len() + 9000];
        memfd.read_at(PAGE, &mut back).unwrap();
        assert!(back == chunks.concat());
        assert_eq!(memfd.read_at(64 << 20, &mut [0]).unwrap_err().errno, Errno::NODATA);
        let nothing: [&[u8]; 0] = [];
        memfd.write_at(0, &nothing).unwrap();
    }

    #[test]
    fn punch_removes_and_zero_makes_present() {
        let memfd = Memfd::create("test", 1 << 20).unwrap();
        memfd.write_at(0, &[vec![9u8; 4 * PAGE as usize]]).unwrap();
        memfd.punch(PAGE, PAGE).unwrap();
        assert_eq!(memfd.allocated_bytes().unwrap(), 3 * PAGE);
        memfd.zero(0, 2 * PAGE).unwrap();
        assert_eq!(memfd.allocated_bytes().unwrap(), 4 * PAGE);
        let mut back = vec![1u8; 3 * PAGE as usize];
        memfd.read_at(0, &mut back).unwrap();
        assert!(back[..2 * PAGE as usize].iter().all(|b| *b == 0) && back[2 * PAGE as usize] == 9);
    }

    #[test]
    fn what_nobody_maps_writable_can_be_frozen() {
        use crate::{Arena, Backing};
        let memfd = Memfd::freezable("test", 8 * PAGE).unwrap();
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let (at, rw) = (arena.start(), proto::Prot::READ | proto::Prot::WRITE);
        arena.map(at, 8 * PAGE, Backing::Shared(memfd.as_fd(), 0), rw).unwrap();
        arena.write(at + 2 * PAGE, b"sent").unwrap();
        assert_eq!(memfd.freeze().unwrap_err().errno, Errno::BUSY);
        assert!(!memfd.is_frozen());
        arena.map(at, 8 * PAGE, Backing::Private(memfd.as_fd(), 0), rw).unwrap();
        memfd.freeze().unwrap();
        assert!(memfd.is_frozen() && memfd.is_hole(0, 2 * PAGE) && !memfd.is_hole(0, 3 * PAGE));
        assert!(memfd.is_hole(3 * PAGE, 5 * PAGE));
        arena.write(at + 2 * PAGE, b"mine").unwrap();
        let mut text = [0; 4];
        memfd.read_at(2 * PAGE, &mut text).unwrap();
        assert_eq!(&text, b"sent");
    }

    #[test]
    fn what_takes_memory_is_found() {
        let memfd = Memfd::create("test", 1 << 40).unwrap();
        assert_eq!(memfd.present(0..1 << 40, 9).unwrap(), []);
        for page in [3, 4, 9, 1 << 20] {
            memfd.write_at(page * PAGE, &[b"x"]).unwrap();
        }
        let (three, nine, far) = (3 * PAGE..5 * PAGE, 9 * PAGE..10 * PAGE, PAGE << 20..(PAGE << 20) + PAGE);
        assert_eq!(memfd.present(0..1 << 40, 9).unwrap(), [three.clone(), nine.clone(), far]);
        assert_eq!(memfd.present(0..1 << 40, 2).unwrap(), [three, nine.clone()]);
        let one = memfd.present(4 * PAGE..9 * PAGE, 9).unwrap();
        assert_eq!((one.len(), one[0].clone()), (1, 4 * PAGE..5 * PAGE));
        assert_eq!(memfd.present(9 * PAGE..1 << 30, 9).unwrap(), [nine]);
        assert_eq!(memfd.present(PAGE..PAGE, 9).unwrap(), []);
    }

    #[test]
    fn the_first_pages_that_take_memory_are_found_and_no_more_than_asked_for() {
        let sparse = Memfd::create("test", 1 << 40).unwrap();
        assert_eq!(sparse.first_present(0..1 << 40, PAGE).unwrap(), None);
        for page in [3, 4, 5, 9] {
            sparse.write_at(page * PAGE, &[b"x"]).unwrap();
        }
        let pages = |memfd: &Memfd, range: Range<u64>, most| {
            let found = memfd.first_present(range.start * PAGE..range.end * PAGE, most * PAGE).unwrap();
            found.map(|run| (run.start / PAGE, run.end.div_ceil(PAGE)))
        };
        assert_eq!((pages(&sparse, 0..100, 2), pages(&sparse, 0..100, 9)), (Some((3, 5)), Some((3, 6))));
        assert_eq!(
            (pages(&sparse, 4..5, 9), pages(&sparse, 6..9, 9), pages(&sparse, 6..10, 9)),
            (Some((4, 5)), None, Some((9, 10)))
        );
        // No hole is looked for where there is none; the last page is a part of one.
        let dense = Memfd::frozen("test", &[vec![7u8; 100 * PAGE as usize - 5]]).unwrap();
        assert_eq!((pages(&dense, 3..100, 64), pages(&dense, 98..100, 64)), (Some((3, 67)), Some((98, 100))));
        assert_eq!(pages(&dense, 100..101, 64), None);
    }

    #[test]
    fn a_reader_cannot_write() {
        let memfd = Memfd::create("test", PAGE).unwrap();
        let reader = memfd.reader().unwrap();
        assert_eq!(rustix::io::pwrite(&reader, &[1], 0), Err(Errno::BADF));
        assert_eq!(rustix::io::pwrite(memfd.writer().unwrap(), &[1], 0), Ok(1));
        let mut byte = [0];
        rustix::io::pread(&reader, &mut byte, 0).unwrap();
        assert_eq!(byte, [1]);
    }

    #[test]
    fn a_payload_is_frozen_and_other_files_are_refused() {
        let memfd = Memfd::frozen("test", &[&b"abc"[..], b"de"]).unwrap();
        assert!(memfd.is_frozen());
        assert_eq!(rustix::io::pwrite(&memfd, &[1], 0), Err(Errno::PERM));
        let adopted = Memfd::adopt(memfd.into()).unwrap();
        let mut bytes = [1; 6];
        adopted.read_at(0, &mut bytes).unwrap();
        assert_eq!((adopted.size(), &bytes), (PAGE, b"abcde\0"));
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(Memfd::adopt(reader).unwrap_err().errno, Errno::INVAL);
        let huge = rustix::fs::memfd_create("test", MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB).unwrap();
        assert_eq!(Memfd::adopt(huge).unwrap_err().errno, Errno::INVAL);
    }
}
