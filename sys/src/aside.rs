//! Page tables moved out of the way: what takes long is to tear them down, not to map something else in their place.

use rustix::mm::{Advice, MremapFlags};

use crate::arena::Arena;
use crate::error::{Context, SysError};
use crate::reserved::Reserved;

/// A mapping that was taken out of an arena, with what its page tables held. Nobody uses it; dropping it tears it down.
#[derive(Debug)]
pub struct Aside {
    _room: Reserved,
}

impl Arena {
    /// Moves what the page tables hold of a part to elsewhere. The part stays mapped as it was, and faults bring the pages of
    /// its file in again. A child by fork(2) does not get what was moved.
    ///
    /// Conditions: the part is a shared mapping of a file, which both show until the result is dropped.
    /// Errors: `EINVAL` outside; `EFAULT` more than one mapping (before Linux 6.17); `ENOMEM` no address space, or too many
    /// mappings. What Linux has moved then it brings in again.
    pub fn set_aside(&self, address: u64, size: u64) -> Result<Aside, SysError> {
        self.check("mremap(2)", address, size)?;
        // Tables move whole where both places lie alike in what one table maps.
        let (room, start) = Reserved::like(address, size)?;
        let (from, to, len) = (address as *mut libc::c_void, start as *mut libc::c_void, size as usize);
        let flags = MremapFlags::MAYMOVE | MremapFlags::DONTUNMAP;
        let what = || format!("{size:#x} bytes at {address:#x}");
        // SAFETY: one range lies inside the arena (checked), the other was just reserved; no reference points to either.
        unsafe { rustix::mm::mremap_fixed(from, len, len, flags, to) }.context("mremap(2)", what)?;
        // SAFETY: as above.
        unsafe { rustix::mm::madvise(to, len, Advice::LinuxDontFork) }.context("madvise(2)", what)?;
        Ok(Aside { _room: room })
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::{PAGE_SIZE, Prot};

    use super::*;
    use crate::{Backing, Errno, Memfd};

    const RW: Prot = Prot::READ.union(Prot::WRITE);

    fn in_page_tables(at: u64) -> bool {
        use std::os::unix::fs::FileExt;
        let mut entry = [0; 8];
        let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
        pagemap.read_exact_at(&mut entry, at / PAGE_SIZE * 8).unwrap();
        u64::from_le_bytes(entry) >> 63 != 0
    }

    #[test]
    fn what_is_set_aside_shows_the_same_file_until_it_is_gone() {
        let size = (16 << 20) + 3 * PAGE_SIZE;
        let arena = Arena::reserve(&[2 * size]).unwrap();
        let memfd = Memfd::freezable("test", size).unwrap();
        let at = arena.start() + PAGE_SIZE;
        arena.map(at, size, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        for page in (0..size / PAGE_SIZE).step_by(7) {
            arena.write(at + page * PAGE_SIZE, &page.to_le_bytes()).unwrap();
        }
        let aside = arena.set_aside(at, size).unwrap();
        assert!(!in_page_tables(at));
        assert_eq!(memfd.freeze().unwrap_err().errno, Errno::BUSY);
        arena.write(at + 7 * PAGE_SIZE, b"late").unwrap();
        arena.map(at, size, Backing::Private(memfd.as_fd(), 0), RW).unwrap();
        assert_eq!(memfd.freeze().unwrap_err().errno, Errno::BUSY);
        drop(aside);
        memfd.freeze().unwrap();
        let mut word = [0; 8];
        for page in (14..size / PAGE_SIZE).step_by(7) {
            arena.read(at + page * PAGE_SIZE, &mut word).unwrap();
            assert_eq!(u64::from_le_bytes(word), page);
        }
        arena.read(at + 7 * PAGE_SIZE, &mut word).unwrap();
        assert_eq!(&word[..4], b"late");
    }

    #[test]
    fn a_gibibyte_and_more_is_set_aside_table_by_table() {
        const GIBI: u64 = 1 << 30;
        let size = 2 * GIBI + (5 << 20);
        let arena = Arena::reserve(&[size + GIBI]).unwrap();
        let memfd = Memfd::freezable("test", size).unwrap();
        let at = arena.start().next_multiple_of(GIBI);
        arena.map(at, size, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        let places: Vec<u64> =
            (0..8).map(|n| n * (size / 8) / PAGE_SIZE * PAGE_SIZE).chain([size - PAGE_SIZE]).collect();
        places.iter().for_each(|place| arena.write(at + place, &place.to_le_bytes()).unwrap());
        let aside = arena.set_aside(at, size).unwrap();
        assert!(places.iter().all(|place| !in_page_tables(at + place)));
        arena.map(at, size, Backing::Private(memfd.as_fd(), 0), RW).unwrap();
        drop(aside);
        memfd.freeze().unwrap();
        for place in places {
            let mut word = [0; 8];
            arena.read(at + place, &mut word).unwrap();
            assert_eq!(u64::from_le_bytes(word), place);
        }
    }

    /// Which Linux moves since 6.17, and refuses to before.
    #[test]
    fn what_is_no_single_mapping_shows_its_file_all_the_same() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let memfd = Memfd::freezable("test", 2 * PAGE_SIZE).unwrap();
        let at = arena.start();
        arena.map(at, 2 * PAGE_SIZE, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        arena.protect(at + PAGE_SIZE, PAGE_SIZE, Prot::READ).unwrap();
        arena.write(at, b"here").unwrap();
        drop(arena.set_aside(at, 2 * PAGE_SIZE));
        assert_eq!(arena.set_aside(at + (1 << 20), PAGE_SIZE).unwrap_err().errno, Errno::INVAL);
        let mut text = [0; 4];
        arena.read(at, &mut text).unwrap();
        assert_eq!(&text, b"here");
        arena.write(at + PAGE_SIZE, b"not").unwrap_err();
    }
}
