//! Large pages of memory files: 2 MiB that Linux fills and maps in one go (transparent huge pages of shmem).

use std::fs;

use proto::PAGE_SIZE;
use proto::vm::LARGE_PAGE_SIZE;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::error::{Context, SysError, last_errno};
use crate::memfd::Memfd;
use crate::reserved::Reserved;

/// How memory files come to large pages, as `/sys/kernel/mm/transparent_hugepage` has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LargePages {
    /// Linux fills them so by itself, if it is advised to.
    OnFault,
    /// Linux makes one of small pages when it is asked to, and no fault does (`shmem_enabled` is `never`, as it comes).
    OnRequest,
    /// Whoever runs the machine does not want them (`enabled` is `never`, or `shmem_enabled` is `deny`).
    Denied,
    /// The kernel has none, or does not say.
    Unknown,
}

impl LargePages {
    /// Looks.
    pub fn of_this_machine() -> LargePages {
        LargePages::of(setting("enabled").as_deref(), setting("shmem_enabled").as_deref())
    }

    fn of(enabled: Option<&str>, shmem_enabled: Option<&str>) -> LargePages {
        match (enabled, shmem_enabled) {
            (None, _) | (_, None) => LargePages::Unknown,
            (Some("never"), _) | (_, Some("deny")) => LargePages::Denied,
            (_, Some("never")) => LargePages::OnRequest,
            _ => LargePages::OnFault,
        }
    }
}

/// A memory file as somebody sees it who reads none of it, but has large pages made of it for those who do.
#[derive(Debug)]
pub struct LargeView {
    _room: Reserved,
    /// The address of the first byte, on the border of a large page.
    first: u64,
    bytes: u64,
}

impl LargeView {
    /// Of the whole large pages of a file.
    ///
    /// Conditions: the file never becomes shorter.
    /// Errors: `EINVAL` it has none; no descriptor or address space.
    pub fn of(memfd: &Memfd) -> Result<LargeView, SysError> {
        let bytes = memfd.size() / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE;
        // One that cannot write keeps nobody from sealing the file.
        let fd = memfd.reader()?;
        let (room, first) = Reserved::like(0, bytes)?;
        let (to, flags) = (first as *mut libc::c_void, MapFlags::FIXED | MapFlags::SHARED);
        // SAFETY: it lies in what was just reserved, to which no reference points; nor will one to the mapping.
        unsafe { rustix::mm::mmap(to, bytes as usize, ProtFlags::READ, flags, fd, 0) }
            .context("mmap(2)", || format!("{bytes:#x} bytes of a memfd"))?;
        Ok(LargeView { _room: room, first, bytes })
    }

    /// Bytes: whole large pages.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether so many small pages from an offset on are all in memory. Nobody is waited for.
    ///
    /// Conditions: whole pages, at most those of a large page.
    pub fn holds(&self, offset: u64, pages: u64) -> bool {
        let mut there = [0; (LARGE_PAGE_SIZE / PAGE_SIZE) as usize];
        let (pages, len) = (pages as usize, (pages * PAGE_SIZE) as usize);
        if pages > there.len() || !self.contains(offset, len as u64) {
            return false;
        }
        // SAFETY: there is a byte for each page, and no other memory changes.
        let told = unsafe { libc::mincore(self.at(offset), len, there.as_mut_ptr()) };
        told == 0 && there[..pages].iter().all(|page| page & 1 != 0)
    }

    /// Makes so many large pages from an offset on: pages of the file that are there keep their bytes, those that are not become
    /// zeroes. Each takes about as long as to copy and to zero that much, and who touches one of them meanwhile waits at most as
    /// long. Linux first has every processor hand in the pages that it has just filled, for which it waits until the task that
    /// runs there gives way, a few milliseconds: so many in one call are much better than one by one.
    ///
    /// Conditions: the offset of a large page.
    /// Errors: of the last that was not made. `EAGAIN` a page was brought or used meanwhile; `EBUSY` a mapping of it elsewhere is
    /// registered for missing pages; `ENOMEM` there is no large page to be had; `EINVAL` outside, or the system gives none so
    /// (Linux before 6.1). The file has the same bytes then.
    pub fn make(&self, offset: u64, pages: u64) -> Result<(), SysError> {
        let len = pages.saturating_mul(LARGE_PAGE_SIZE);
        let what = || format!("{pages} large pages at {offset:#x} of a memfd");
        if !offset.is_multiple_of(LARGE_PAGE_SIZE) || !self.contains(offset, len) {
            return Err(SysError::new("madvise(2)", crate::Errno::INVAL, what()));
        }
        for page in 0..pages {
            // Linux makes none of nothing.
            let at = self.at(offset + page * LARGE_PAGE_SIZE);
            // SAFETY: no byte that a reference could point to changes.
            unsafe { rustix::mm::madvise(at, PAGE_SIZE as usize, Advice::LinuxPopulateRead) }
                .context("madvise(2)", what)?;
        }
        // SAFETY: as above.
        let made = match unsafe { libc::madvise(self.at(offset), len as usize, MADV_COLLAPSE) } {
            0 => Ok(()),
            _ => Err(SysError::new("madvise(2)", last_errno(), what())),
        };
        // It is for others, and does not count as memory of this process.
        // SAFETY: as above.
        let _ = unsafe { rustix::mm::madvise(self.at(offset), len as usize, Advice::LinuxDontNeed) };
        made
    }

    fn contains(&self, offset: u64, len: u64) -> bool {
        offset.is_multiple_of(PAGE_SIZE) && offset.checked_add(len).is_some_and(|end| end <= self.bytes)
    }

    fn at(&self, offset: u64) -> *mut libc::c_void {
        self.first.wrapping_add(offset) as *mut libc::c_void
    }
}

/// Bytes that this process maps by large pages of memory files; 0 where Linux does not tell.
pub fn mapped_bytes() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let counts = rollup.lines().filter_map(|line| line.strip_prefix("ShmemPmdMapped:"));
    counts.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum::<u64>() << 10
}

/// What a file of `/sys/kernel/mm/transparent_hugepage` is set to.
pub fn setting(name: &str) -> Option<String> {
    chosen_word(&fs::read_to_string(format!("/sys/kernel/mm/transparent_hugepage/{name}")).ok()?)
}

/// `always [madvise] never` to `madvise`.
fn chosen_word(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The libc crate does not have it for every C library.
const MADV_COLLAPSE: libc::c_int = 25;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::Prot;

    use super::*;
    use crate::arena::Advise;
    use crate::{Arena, Backing, Errno};

    const L: u64 = LARGE_PAGE_SIZE;

    #[test]
    fn they_come_as_the_system_is_set() {
        assert_eq!(LargePages::of(Some("madvise"), Some("never")), LargePages::OnRequest);
        assert_eq!(LargePages::of(Some("always"), Some("advise")), LargePages::OnFault);
        assert_eq!(LargePages::of(Some("never"), Some("advise")), LargePages::Denied);
        assert_eq!(LargePages::of(Some("always"), Some("deny")), LargePages::Denied);
        assert_eq!(LargePages::of(Some("always"), None), LargePages::Unknown);
    }

    #[test]
    fn the_setting_is_the_word_in_brackets() {
        assert_eq!(chosen_word("always [never] x\n").as_deref(), Some("never"));
        assert_eq!(chosen_word("always within_size advise [never] deny force\n").as_deref(), Some("never"));
        let always = chosen_word("[always] never");
        assert_eq!((always.as_deref(), chosen_word("none"), chosen_word("[half")), (Some("always"), None, None));
    }

    #[test]
    fn what_is_there_is_told_without_bringing_it() {
        let memfd = Memfd::freezable("test", 3 * L + PAGE_SIZE).unwrap();
        let view = LargeView::of(&memfd).unwrap();
        assert_eq!(view.bytes(), 3 * L);
        memfd.write_at(L - PAGE_SIZE, &[vec![1; 2 * PAGE_SIZE as usize]]).unwrap();
        assert!(view.holds(L - PAGE_SIZE, 2) && !view.holds(L - PAGE_SIZE, 3) && !view.holds(0, 1));
        assert!(!view.holds(L, 513) && !view.holds(3 * L, 1) && !view.holds(1, 1) && !view.holds(u64::MAX - 4095, 1));
        assert_eq!(memfd.allocated_bytes().unwrap(), 2 * PAGE_SIZE);
        assert_eq!(view.make(2 * L, 2).unwrap_err().errno, Errno::INVAL);
        assert_eq!(view.make(PAGE_SIZE, 1).unwrap_err().errno, Errno::INVAL);
        drop(view);
        assert_eq!(LargeView::of(&Memfd::freezable("test", L - PAGE_SIZE).unwrap()).unwrap_err().errno, Errno::INVAL);
    }

    /// On a system that gives none, they stay small, and all the rest is so.
    #[test]
    fn a_large_page_is_made_under_others_and_keeps_what_is_there() {
        let arena = Arena::reserve(&[8 * L]).unwrap();
        let memfd = Memfd::freezable("test", 3 * L).unwrap();
        let at = arena.start().next_multiple_of(L);
        arena.map(at, 3 * L, Backing::Shared(memfd.as_fd(), 0), Prot::READ | Prot::WRITE).unwrap();
        arena.advise(at, 3 * L, Advise::HugePages).unwrap();
        arena.write(at + L + 5 * PAGE_SIZE, b"here").unwrap();
        let view = LargeView::of(&memfd).unwrap();
        let made = view.make(L, 2).is_ok();
        assert!(made || LargePages::of_this_machine() == LargePages::Denied);
        let mut bytes = [1; 8];
        arena.read(at + L + 5 * PAGE_SIZE, &mut bytes).unwrap();
        assert_eq!(&bytes, b"here\0\0\0\0");
        arena.read(at + 2 * L - 8, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 8]);
        if made {
            assert_eq!((memfd.allocated_bytes().unwrap(), mapped_bytes()), (2 * L, L));
        }
        // Who only looks keeps nobody from sealing it.
        drop(arena);
        memfd.freeze().unwrap();
        view.make(0, 1).ok();
        assert!(view.holds(0, 1), "what nobody can write to shows the same");
    }
}
