//! Which pages of the own address space a program has written to, and which are small, as the page tables tell: `PAGEMAP_SCAN`
//! on `/proc/self/pagemap` (Linux 6.7).

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

use proto::{PAGE_SIZE, ranges};

use crate::error::{Context, Errno, SysError, last_errno};

/// Ranges that one call reports.
const REGIONS: usize = 512;

/// The page tables.
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
        // There, and not a page of the file.
        let wanted = Scan {
            category_inverted: IS_FILE,
            category_mask: IS_FILE,
            category_any: IS_PRESENT | IS_SWAPPED,
            ..Scan::default()
        };
        self.scan(wanted, range, u64::MAX, |found| ranges::join(&mut out, found))?;
        Ok(out)
    }

    /// How many pages of a range are there that are not parts of large ones, as far as they are found before there are `most`.
    ///
    /// Conditions: whole pages. Errors: as [`Pagemap::anonymous`].
    pub fn small(&self, range: Range<u64>, most: u64) -> Result<u64, SysError> {
        let wanted = Scan { category_inverted: IS_HUGE, category_mask: IS_PRESENT | IS_HUGE, ..Scan::default() };
        self.scan(wanted, range, most, |_| ())
    }

    /// Finds the parts of a range that are as `wanted` says, in order, until they are `most` pages. How many pages they are.
    fn scan(
        &self,
        wanted: Scan,
        range: Range<u64>,
        most: u64,
        mut found: impl FnMut(Range<u64>),
    ) -> Result<u64, SysError> {
        let mut regions = [Region::default(); REGIONS];
        let (mut at, mut pages) = (range.start, 0);
        while at < range.end && pages < most {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                start: at,
                end: range.end,
                regions: regions.as_mut_ptr() as u64,
                regions_len: REGIONS as u64,
                pages_max: most - pages,
                return_mask: IS_PRESENT,
                ..wanted
            };
            // SAFETY: the request takes this structure, and writes at most `regions_len` regions to `regions`.
            let filled =
                unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN as _, std::ptr::from_mut(&mut scan)) };
            if filled < 0 {
                return Err(last_errno()).context("PAGEMAP_SCAN", || format!("{range:#x?}"));
            }
            for region in &regions[..filled as usize] {
                pages += (region.end - region.start) / PAGE_SIZE;
                found(region.start..region.end);
            }
            if scan.walk_end <= at {
                break;
            }
            at = scan.walk_end;
        }
        Ok(pages)
    }
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
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
const IS_HUGE: u64 = 1 << 6;
/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u32 = 3 << 30 | (size_of::<Scan>() as u32) << 16 | (b'f' as u32) << 8 | 16;
const _: () = assert!(size_of::<Scan>() == 96 && size_of::<Region>() == 24);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::Prot;
    use proto::vm::LARGE_PAGE_SIZE;

    use super::*;
    use crate::large::{LargePages, LargeView};
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

    #[test]
    fn pages_that_are_no_parts_of_large_ones_are_counted() {
        let (pages, in_large) = (4 * LARGE_PAGE_SIZE / PAGE_SIZE, LARGE_PAGE_SIZE / PAGE_SIZE);
        let arena = Arena::reserve(&[(pages + in_large) * PAGE_SIZE]).unwrap();
        let memfd = Memfd::create("test", pages * PAGE_SIZE).unwrap();
        let (start, size) = (arena.start().next_multiple_of(LARGE_PAGE_SIZE), pages * PAGE_SIZE);
        arena.map(start, size, Backing::Shared(memfd.as_fd(), 0), Prot::READ | Prot::WRITE).unwrap();
        let pagemap = Pagemap::open().unwrap();
        let small = |most| pagemap.small(start..start + size, most).unwrap();
        assert_eq!(small(10), 0);
        let every_third = |n: &u64| n.is_multiple_of(3);
        let at_all = LargePages::of_this_machine();
        if matches!(at_all, LargePages::OnRequest | LargePages::Denied) {
            (0..pages).filter(every_third).for_each(|n| arena.write(start + n * PAGE_SIZE, b"x").unwrap());
            assert_eq!((small(u64::MAX), small(10)), (pages.div_ceil(3), 10));
        }
        arena.write(start, &vec![1; size as usize]).unwrap();
        if at_all == LargePages::OnRequest {
            // The first and the last stay as they are.
            let middle = (start + LARGE_PAGE_SIZE, 2 * LARGE_PAGE_SIZE);
            arena.advise(middle.0, middle.1, crate::arena::Advise::HugePages).unwrap();
            LargeView::of(&memfd).unwrap().make(LARGE_PAGE_SIZE, 2).unwrap();
            arena.touch_read(start, size).unwrap();
            assert_eq!((small(u64::MAX), small(2 * in_large)), (2 * in_large, 2 * in_large));
        }
    }
}
