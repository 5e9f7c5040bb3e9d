//! Which pages of the own address space a program has written to, as the page tables tell: `PAGEMAP_SCAN` on
//! `/proc/self/pagemap` (Linux 6.7).

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

use proto::ranges;

use crate::error::{Context, Errno, SysError, last_errno};

/// Ranges that one call reports.
const REGIONS: usize = 512;

/// Finds, in private mappings of files, the pages that are the process's own: those that were written to.
#[derive(Debug)]
pub struct Pagemap {
    file: File,
}

impl Pagemap {
    /// The page tables of the own process.
    pub fn open() -> Result<Pagemap, SysError> {
        let path = "/proc/self/pagemap";
        let file = File::open(path)
            .map_err(|e| SysError::new("open(2)", Errno::from_io_error(&e).unwrap_or(Errno::IO), path))?;
        Ok(Pagemap { file })
    }

    /// The parts of a range whose pages are anonymous memory, in order and apart from each other.
    ///
    /// Conditions: whole pages. Errors: `ENOTTY` or `EINVAL` the kernel is older than 6.7.
    pub fn anonymous(&self, range: Range<u64>) -> Result<Vec<Range<u64>>, SysError> {
        let mut out: Vec<Range<u64>> = Vec::new();
        let mut regions = [Region::default(); REGIONS];
        let mut at = range.start;
        while at < range.end {
            let mut arg = Scan {
                size: size_of::<Scan>() as u64,
                start: at,
                end: range.end,
                regions: regions.as_mut_ptr() as u64,
                regions_len: REGIONS as u64,
                // There, and not a page of the file.
                category_inverted: IS_FILE,
                category_mask: IS_FILE,
                category_any: IS_PRESENT | IS_SWAPPED,
                return_mask: IS_PRESENT,
                ..Scan::default()
            };
            // SAFETY: the request takes this structure, and writes at most `regions_len` regions to `regions`.
            let found = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN as _, std::ptr::from_mut(&mut arg)) };
            if found < 0 {
                return Err(last_errno()).context("PAGEMAP_SCAN", || format!("{range:#x?}"));
            }
            for region in &regions[..found as usize] {
                ranges::join(&mut out, region.start..region.end);
            }
            if arg.walk_end <= at {
                break;
            }
            at = arg.walk_end;
        }
        Ok(out)
    }
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    pages_max: u64,
    category_inverted: u64,
    category_mask: u64,
    category_any: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;
/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u32 = 3 << 30 | (size_of::<Scan>() as u32) << 16 | (b'f' as u32) << 8 | 16;
const _: () = assert!(size_of::<Scan>() == 96 && size_of::<Region>() == 24);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::{PAGE_SIZE, Prot};

    use super::*;
    use crate::{Arena, Backing, Memfd};

    #[test]
    fn written_pages_of_a_private_mapping_are_found() {
        let pages = 4096;
        let arena = Arena::reserve(&[pages * PAGE_SIZE]).unwrap();
        let memfd = Memfd::create("test", pages * PAGE_SIZE).unwrap();
        memfd.write_at(0, &[vec![7u8; 64 * PAGE_SIZE as usize]]).unwrap();
        let start = arena.start();
        let size = pages * PAGE_SIZE;
        arena.map(start, size, Backing::Private(memfd.as_fd(), 0), Prot::READ | Prot::WRITE).unwrap();
        let pagemap = Pagemap::open().unwrap();
        assert_eq!(pagemap.anonymous(start..start + size).unwrap(), []);
        arena.touch_read(start, 100 * PAGE_SIZE).unwrap();
        assert_eq!(pagemap.anonymous(start..start + size).unwrap(), []);
        let page = |n: u64| start + n * PAGE_SIZE;
        for n in [3, 4, 80, 4095] {
            arena.write(page(n) + 5, b"x").unwrap();
        }
        let expected = [page(3)..page(5), page(80)..page(81), page(4095)..page(4096)];
        assert_eq!(pagemap.anonymous(start..start + size).unwrap(), expected);
        assert_eq!(pagemap.anonymous(page(4)..page(81)).unwrap(), [page(4)..page(5), page(80)..page(81)]);
        // More parts than one call reports.
        for n in (0..4096).step_by(2) {
            arena.write(page(n), b"y").unwrap();
        }
        let found = pagemap.anonymous(start..start + size).unwrap();
        assert_eq!(found.iter().map(|r| (r.end - r.start) / PAGE_SIZE).sum::<u64>(), 2048 + 2);
        assert!(found.windows(2).all(|two| two[0].end < two[1].start));
    }
}
