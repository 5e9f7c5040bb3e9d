//! What lies where in the own address space, whoever put it there: `PROCMAP_QUERY` on `/proc/self/maps` (Linux 6.11), or
//! its text before that.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::ops::Range;
use std::os::fd::AsRawFd;

use proto::Prot;

use crate::error::{Errno, SysError, last_errno};
use crate::memfd::FileId;

const PATH: &str = "/proc/self/maps";

/// One mapping of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vma {
    /// Its addresses.
    pub range: Range<u64>,
    /// The file; `None` for memory without one.
    pub file: Option<FileId>,
    /// Where in the file it starts.
    pub offset: u64,
    /// `MAP_SHARED`.
    pub shared: bool,
    /// What threads may do there.
    pub protection: Prot,
}

/// The mappings of the process that opened it; a child by fork(2) sees its parent's.
#[derive(Debug)]
pub struct Maps {
    file: File,
}

impl Maps {
    /// Errors: `/proc` is not there.
    pub fn open() -> Result<Maps, SysError> {
        let file = File::open(PATH).map_err(|error| io_error("open(2)", &error))?;
        Ok(Maps { file })
    }

    /// What is mapped in a range, cut to it, by address.
    ///
    /// Errors: as ioctl(2) and read(2).
    pub fn within(&self, range: Range<u64>) -> Result<Vec<Vma>, SysError> {
        let (mut out, mut at) = (Vec::new(), range.start);
        while at < range.end {
            match self.query(at) {
                Ok(vma) if vma.range.start < range.end => {
                    at = vma.range.end;
                    out.extend(vma.cut(&range));
                }
                Ok(_) | Err(Errno::NOENT) => break,
                Err(Errno::NOTTY) => return self.read_within(range),
                Err(errno) => return Err(SysError::new("PROCMAP_QUERY", errno, format!("{range:#x?}"))),
            }
        }
        Ok(out)
    }

    /// How many mappings lie outside a range, `most` at the most.
    ///
    /// Errors: as [`Maps::within`].
    pub fn count_outside(&self, range: &Range<u64>, most: usize) -> Result<usize, SysError> {
        let (mut count, mut at) = (0, 0);
        while count < most {
            match self.query(at) {
                Ok(vma) if range.contains(&vma.range.start) => at = range.end,
                Ok(vma) => (at, count) = (vma.range.end, count + 1),
                Err(Errno::NOENT) => break,
                Err(Errno::NOTTY) => {
                    let all = self.read_within(0..u64::MAX)?;
                    return Ok(all.iter().filter(|vma| !range.contains(&vma.range.start)).count().min(most));
                }
                Err(errno) => return Err(SysError::new("PROCMAP_QUERY", errno, format!("{at:#x}"))),
            }
        }
        Ok(count)
    }

    /// The mapping at an address, or the next one above.
    fn query(&self, address: u64) -> Result<Vma, Errno> {
        let size = size_of::<Query>() as u64;
        let mut arg = Query { size, query_flags: COVERING_OR_NEXT, query_addr: address, ..Query::default() };
        // SAFETY: the request takes this structure, which asks for neither a name nor a build id.
        if unsafe { libc::ioctl(self.file.as_raw_fd(), PROCMAP_QUERY as _, std::ptr::from_mut(&mut arg)) } != 0 {
            return Err(last_errno());
        }
        let device = rustix::fs::makedev(arg.dev_major, arg.dev_minor);
        Ok(Vma {
            range: arg.vma_start..arg.vma_end,
            file: (arg.inode != 0).then(|| FileId::new(device, arg.inode)),
            offset: arg.vma_offset,
            shared: arg.vma_flags & SHARED != 0,
            // Mach's bits are Linux's.
            protection: Prot::from_bits_truncate(arg.vma_flags as u32),
        })
    }

    fn read_within(&self, range: Range<u64>) -> Result<Vec<Vma>, SysError> {
        let mut file = &self.file;
        file.rewind().map_err(|error| io_error("lseek(2)", &error))?;
        let mut out = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| io_error("read(2)", &error))?;
            let vma = Vma::parse(&line).ok_or_else(|| SysError::new("read(2)", Errno::IO, line.clone()))?;
            if vma.range.start >= range.end {
                break;
            }
            out.extend(vma.cut(&range));
        }
        Ok(out)
    }
}

impl Vma {
    /// The part of it that lies in a range.
    fn cut(self, range: &Range<u64>) -> Option<Vma> {
        let (start, end) = (self.range.start.max(range.start), self.range.end.min(range.end));
        let offset = self.offset + (start - self.range.start.min(start));
        (start < end).then_some(Vma { range: start..end, offset, ..self })
    }

    /// A line such as `7f00-7f10 rw-s 00001000 00:01 1055 /memfd:x (deleted)`.
    fn parse(line: &str) -> Option<Vma> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let hexadecimal = |word: &str| u64::from_str_radix(word, 16).ok();
        let mode = words.next()?;
        let may = |prot, letter| if mode.contains(letter) { prot } else { Prot::empty() };
        let protection = may(Prot::READ, 'r') | may(Prot::WRITE, 'w') | may(Prot::EXECUTE, 'x');
        let shared = mode.ends_with('s');
        let offset = hexadecimal(words.next()?)?;
        let (major, minor) = words.next()?.split_once(':')?;
        let device = rustix::fs::makedev(hexadecimal(major)? as u32, hexadecimal(minor)? as u32);
        let inode: u64 = words.next()?.parse().ok()?;
        let file = (inode != 0).then(|| FileId::new(device, inode));
        Some(Vma { range: hexadecimal(start)?..hexadecimal(end)?, file, offset, shared, protection })
    }
}

fn io_error(call: &'static str, error: &std::io::Error) -> SysError {
    SysError::new(call, Errno::from_io_error(error).unwrap_or(Errno::IO), PATH)
}

/// `struct procmap_query`.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

/// `PROCMAP_QUERY_VMA_SHARED`; below it are the bits of the protection.
const SHARED: u64 = 8;
/// `PROCMAP_QUERY_COVERING_OR_NEXT_VMA`.
const COVERING_OR_NEXT: u64 = 16;
/// `_IOWR('f', 17, struct procmap_query)`.
const PROCMAP_QUERY: u32 = 3 << 30 | (size_of::<Query>() as u32) << 16 | (b'f' as u32) << 8 | 17;
const _: () = assert!(size_of::<Query>() == 104);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::PAGE_SIZE;

    use super::*;
    use crate::{Arena, Backing, Memfd};

    #[test]
    fn both_ways_tell_what_is_mapped() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let memfd = Memfd::create("test", 1 << 20).unwrap();
        let page = |n: u64| arena.start() + n * PAGE_SIZE;
        let rw = Prot::READ | Prot::WRITE;
        arena.map(page(2), 3 * PAGE_SIZE, Backing::Shared(memfd.as_fd(), 8 * PAGE_SIZE), rw).unwrap();
        arena.map(page(5), PAGE_SIZE, Backing::Private(memfd.as_fd(), 0), Prot::READ).unwrap();
        arena.map(page(6), PAGE_SIZE, Backing::Anonymous, rw).unwrap();
        let maps = Maps::open().unwrap();
        let id = memfd.id().unwrap();
        let found = maps.within(page(3)..page(7)).unwrap();
        let file = |first, end, offset, shared, protection| Vma {
            range: page(first)..page(end),
            file: Some(id),
            offset,
            shared,
            protection,
        };
        assert_eq!(found[..2], [file(3, 5, 9 * PAGE_SIZE, true, rw), file(5, 6, 0, false, Prot::READ)]);
        assert_eq!((found.len(), found[2].file, found[2].range.clone()), (3, None, page(6)..page(7)));
        assert_eq!(maps.read_within(page(3)..page(7)).unwrap(), found, "and so does the text");
        // SAFETY: a part of the arena, to which nothing refers.
        unsafe { rustix::mm::munmap(page(3) as *mut libc::c_void, PAGE_SIZE as usize) }.unwrap();
        assert_eq!(maps.within(page(3)..page(4)).unwrap(), []);
        assert_eq!(maps.within(page(2)..page(5)).unwrap().len(), 2);
        assert_eq!(maps.within(u64::MAX - 4096..u64::MAX).unwrap(), []);
        let (all, kept) = (0..u64::MAX, arena.start()..arena.start() + arena.size());
        let outside = maps.count_outside(&kept, usize::MAX).unwrap();
        let within = |range| maps.read_within(range).unwrap().len();
        // The text has the page of the vsyscalls, too, and reading it may map memory.
        assert!((within(all) - within(kept.clone())).abs_diff(outside) <= 2, "{outside}");
        assert_eq!(maps.count_outside(&kept, 3).unwrap(), 3);
    }
}
