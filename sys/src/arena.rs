//! A range of the own address space that is set aside for mappings of somebody else's choice.
//!
//! 1. Every address inside belongs to the arena as long as it lives: what is not mapped is inaccessible, never free, so
//!    the C library's allocator or a stray `mmap` cannot land there.
//!    The program can still unmap a part by its address, and then anything may come to lie there ([`Arena::reclaim`]).
//! 2. What is not mapped shows a file of the arena's own, so that it is told from memory of others that is inaccessible.
//! 3. No Rust reference ever points inside. Bytes go in and out by guarded copies, or through raw pointers, whose use is
//!    the caller's `unsafe`; so changing mappings here is safe.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use proto::{PAGE_SIZE, Prot};
use rustix::mm::{Advice, MapFlags, MlockFlags, MprotectFlags, ProtFlags};

use crate::error::{Context, Errno, SysError};
use crate::guarded::{self, MemoryFault};
use crate::memfd::{FileId, Memfd};

/// A reserved range. Dropping it unmaps everything inside.
#[derive(Debug)]
pub struct Arena {
    start: u64,
    size: u64,
    /// An empty file that reserved parts show, each at its distance from the start.
    blank: Memfd,
    blank_id: FileId,
}

/// What a part of an arena is mapped to.
#[derive(Clone, Copy, Debug)]
pub enum Backing<'fd> {
    /// Zero-filled private memory.
    Anonymous,
    /// `MAP_SHARED` of the descriptor from the offset on.
    Shared(BorrowedFd<'fd>, u64),
    /// `MAP_PRIVATE` of the descriptor from the offset on: writes stay here.
    Private(BorrowedFd<'fd>, u64),
}

/// What `madvise(2)` is told of a part of an arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advise {
    /// A child by fork(2) does not get it: touching it there is SIGSEGV.
    DontFork,
    /// A child by fork(2) gets it as it is mapped.
    DoFork,
    /// Its pages may be dropped from this process.
    DontNeed,
    /// It stays out of core dumps (a dump would read every page through the pager).
    DontDump,
    /// 2 MiB pages where the system permits them on advice.
    HugePages,
    /// No 2 MiB pages.
    NoHugePages,
    /// Its pages are brought into the page tables, as if each had been read (Linux 5.14).
    PopulateRead,
    /// It is read here and there: no read-ahead.
    Random,
    /// It is read from front to back.
    Sequential,
}

impl Arena {
    /// Reserves the first size of the list that the system grants; no memory is taken. It is at the first of [`PLACES`] that is
    /// free, so that arenas of different processes have the same addresses as a rule, or else anywhere.
    ///
    /// Conditions: whole pages.
    /// Errors: the last refusal, `ENOMEM` as a rule (`RLIMIT_AS`, `vm.overcommit_memory=2`).
    pub fn reserve(sizes: &[u64]) -> Result<Arena, SysError> {
        let blank = Memfd::create("mach-arena", 0)?;
        let blank_id = blank.id()?;
        let mut refused = SysError::new("mmap(2)", Errno::INVAL, "reserve no address space");
        for &size in sizes {
            if let Some(arena) = PLACES.iter().find_map(|&place| Arena::reserve_exactly(place, size).ok()) {
                return Ok(arena);
            }
            match reserve_at(0, size, MapFlags::empty(), blank.as_fd(), 0) {
                Ok(start) => return Ok(Arena { start, size, blank, blank_id }),
                Err(errno) => {
                    refused = SysError::new("mmap(2)", errno, format!("reserve {size:#x} bytes of address space"));
                }
            }
        }
        Err(refused)
    }

    /// Reserves these addresses and no others.
    ///
    /// Conditions: whole pages.
    /// Errors: `EEXIST` something is mapped there; as [`Arena::reserve`].
    pub fn reserve_exactly(start: u64, size: u64) -> Result<Arena, SysError> {
        let what = || format!("reserve {size:#x} bytes of address space at {start:#x}");
        let blank = Memfd::create("mach-arena", 0)?;
        let blank_id = blank.id()?;
        let at = reserve_at(start, size, MapFlags::FIXED_NOREPLACE, blank.as_fd(), 0).context("mmap(2)", what)?;
        let arena = Arena { start: at, size, blank, blank_id };
        // A kernel that does not know the flag (before 4.17) takes the address for a wish.
        if at == start { Ok(arena) } else { Err(SysError::new("mmap(2)", Errno::EXIST, what())) }
    }

    /// The same addresses in a child of fork(2), for itself. What Linux has left out of the child is free there: it is to be
    /// reclaimed.
    ///
    /// Conditions: in a child. The arena of the parent is not used any more in this process, nor dropped.
    pub fn inherit(&self) -> Result<Arena, SysError> {
        let blank = Memfd::adopt(self.blank.reader()?)?;
        Ok(Arena { start: self.start, size: self.size, blank, blank_id: self.blank_id })
    }

    /// The first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the whole range lies inside.
    pub fn contains(&self, address: u64, len: u64) -> bool {
        address >= self.start && address.checked_add(len).is_some_and(|end| end <= self.start + self.size)
    }

    /// Maps a part, in place of whatever was there.
    ///
    /// Conditions: whole pages inside the arena.
    /// Errors: `EINVAL` outside; `EACCES` writing asked of a shared read-only descriptor; `ENOMEM` too many mappings.
    pub fn map(&self, address: u64, len: u64, backing: Backing<'_>, protection: Prot) -> Result<(), SysError> {
        let what = || format!("{len:#x} bytes at {address:#x}, {backing:?}");
        self.check("mmap(2)", address, len)?;
        let (at, len, prot) = (address as *mut libc::c_void, len as usize, map_protection(protection));
        let mapped = match backing {
            Backing::Anonymous => {
                let flags = MapFlags::FIXED | MapFlags::PRIVATE | MapFlags::NORESERVE;
                // SAFETY: the range lies inside the arena (checked), to which no reference points.
                unsafe { rustix::mm::mmap_anonymous(at, len, prot, flags) }
            }
            Backing::Shared(fd, offset) => {
                // SAFETY: as above.
                unsafe { rustix::mm::mmap(at, len, prot, MapFlags::FIXED | MapFlags::SHARED, fd, offset) }
            }
            Backing::Private(fd, offset) => {
                let flags = MapFlags::FIXED | MapFlags::PRIVATE | MapFlags::NORESERVE;
                // SAFETY: as above.
                unsafe { rustix::mm::mmap(at, len, prot, flags, fd, offset) }
            }
        };
        mapped.map(drop).context("mmap(2)", what)
    }

    /// Unmaps a part; it is inaccessible and stays reserved.
    ///
    /// Conditions: whole pages inside the arena. Threads that wait there for a userfaultfd sleep on until it wakes the
    /// range (uffd-rules 6).
    pub fn release(&self, address: u64, len: u64) -> Result<(), SysError> {
        self.reserve_again("release", address, len, MapFlags::FIXED)
    }

    /// Reserves a part again that the program has unmapped.
    ///
    /// Conditions: whole pages inside the arena. Errors: `EEXIST` something else lies there.
    pub fn reclaim(&self, address: u64, len: u64) -> Result<(), SysError> {
        self.reserve_again("reclaim", address, len, MapFlags::FIXED_NOREPLACE)
    }

    /// The file that reserved parts show, and where in it the first byte of the arena is: so much lower than its address.
    pub fn blank(&self) -> (FileId, u64) {
        (self.blank_id, self.start)
    }

    /// Leaves all as it is for the rest of the process's life: memory of others lies within.
    pub fn abandon(&mut self) {
        self.size = 0;
    }

    fn reserve_again(&self, what: &str, address: u64, len: u64, how: MapFlags) -> Result<(), SysError> {
        self.check("mmap(2)", address, len)?;
        reserve_at(address, len, how, self.blank.as_fd(), address - self.start)
            .map(drop)
            .context("mmap(2)", || format!("{what} {len:#x} bytes at {address:#x}"))
    }

    /// Sets what accesses a part permits.
    ///
    /// Errors: `EINVAL` outside; `EACCES` more than the mapping's descriptor permits.
    pub fn protect(&self, address: u64, len: u64, protection: Prot) -> Result<(), SysError> {
        self.check("mprotect(2)", address, len)?;
        let flags = MprotectFlags::from_bits_retain(map_protection(protection).bits());
        // SAFETY: the range lies inside the arena (checked), to which no reference points.
        unsafe { rustix::mm::mprotect(address as *mut libc::c_void, len as usize, flags) }
            .context("mprotect(2)", || format!("{len:#x} bytes at {address:#x} to {protection:?}"))
    }

    /// Advises the kernel on a part.
    pub fn advise(&self, address: u64, len: u64, advise: Advise) -> Result<(), SysError> {
        self.check("madvise(2)", address, len)?;
        let advice = match advise {
            Advise::DontFork => Advice::LinuxDontFork,
            Advise::DoFork => Advice::LinuxDoFork,
            Advise::DontNeed => Advice::LinuxDontNeed,
            Advise::DontDump => Advice::LinuxDontDump,
            Advise::HugePages => Advice::LinuxHugepage,
            Advise::NoHugePages => Advice::LinuxNoHugepage,
            Advise::PopulateRead => Advice::LinuxPopulateRead,
            Advise::Random => Advice::Random,
            Advise::Sequential => Advice::Sequential,
        };
        // SAFETY: as in `protect`.
        unsafe { rustix::mm::madvise(address as *mut libc::c_void, len as usize, advice) }
            .context("madvise(2)", || format!("{advise:?} of {len:#x} bytes at {address:#x}"))
    }

    /// Has Linux keep the pages of a part in memory once they are there, or lets it take them again. None is brought.
    ///
    /// Errors: `EINVAL` outside; `ENOMEM` or `EPERM` more than the process may lock (`RLIMIT_MEMLOCK`).
    pub fn lock(&self, address: u64, len: u64, locked: bool) -> Result<(), SysError> {
        let call = if locked { "mlock2(2)" } else { "munlock(2)" };
        self.check(call, address, len)?;
        let (at, bytes) = (address as *mut libc::c_void, len as usize);
        let done = match locked {
            // SAFETY: the range lies inside the arena (checked); what is there does not change.
            true => unsafe { rustix::mm::mlock_with(at, bytes, MlockFlags::ONFAULT) },
            // SAFETY: as above.
            false => unsafe { rustix::mm::munlock(at, bytes) },
        };
        done.context(call, || format!("{len:#x} bytes at {address:#x}"))
    }

    /// Copies bytes out of the arena. Waits while a pager brings them.
    ///
    /// Errors: the first address that cannot be read; `buffer` holds the bytes before it.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryFault> {
        self.check_access(address, buffer.len())?;
        // SAFETY: `buffer` is valid for writes; the source may be anything, which is what the guard is for, and lies in
        // the arena, to which no reference points.
        unsafe { guarded::copy(buffer.as_mut_ptr(), address as *const u8, buffer.len()) }
    }

    /// As [`Arena::read`], whatever the protection. Of memory that a userfaultfd serves it reads what is there.
    ///
    /// Errors: `EIO` something is not mapped, or not there; `EACCES` or `EIO` where the system does not permit it
    /// (`proc_mem.force_override`).
    pub fn read_by_force(&self, address: u64, buffer: &mut [u8]) -> Result<(), SysError> {
        let (path, what) = ("/proc/self/mem", format!("{} bytes at {address:#x}", buffer.len()));
        if !self.contains(address, buffer.len() as u64) {
            return Err(SysError::new(path, Errno::FAULT, what));
        }
        let read = File::open(path).and_then(|memory| memory.read_exact_at(buffer, address));
        read.map_err(|e| SysError::from_io(path, &e, what))
    }

    /// Copies bytes into the arena. Waits while a pager grants the writing.
    ///
    /// Errors: the first address that cannot be written; the bytes before it are.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), MemoryFault> {
        self.check_access(address, bytes.len())?;
        // SAFETY: `bytes` is valid for reads; the target lies in the arena, to which no reference points.
        unsafe { guarded::copy(address as *mut u8, bytes.as_ptr(), bytes.len()) }
    }

    /// Reads one byte of every page of a range, so that a system call finds them there: needed where kernel-mode faults
    /// are not served ([`crate::UffdMode::UserModeOnly`]). A page may go again at any time.
    pub fn touch_read(&self, address: u64, len: u64) -> Result<(), MemoryFault> {
        self.check_access(address, len as usize)?;
        let mut at = address;
        while at < address + len {
            self.read(at, &mut [0])?;
            at = proto::vm::trunc_page(at) + PAGE_SIZE;
        }
        Ok(())
    }

    pub(crate) fn check(&self, call: &'static str, address: u64, len: u64) -> Result<(), SysError> {
        let aligned = address.is_multiple_of(PAGE_SIZE) && len.is_multiple_of(PAGE_SIZE) && len != 0;
        if aligned && self.contains(address, len) {
            return Ok(());
        }
        let what = format!(
            "{len:#x} bytes at {address:#x} are not whole pages of the arena {:#x}+{:#x}",
            self.start, self.size
        );
        Err(SysError::new(call, Errno::INVAL, what))
    }

    fn check_access(&self, address: u64, len: usize) -> Result<(), MemoryFault> {
        match self.contains(address, len as u64) {
            true => Ok(()),
            false => Err(MemoryFault { address, copied: 0 }),
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.size == 0 {
            return;
        }
        // SAFETY: the range was reserved by this arena and no reference points into it.
        let _ = unsafe { rustix::mm::munmap(self.start as *mut libc::c_void, self.size as usize) };
    }
}

/// Where arenas are put: far from what Linux, its loader and sanitizers put anywhere on machines with 47 bits of address.
const PLACES: [u64; 4] = [16 << 40, 32 << 40, 48 << 40, 64 << 40];

fn reserve_at(address: u64, len: u64, fixed: MapFlags, blank: BorrowedFd<'_>, offset: u64) -> Result<u64, Errno> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | fixed;
    let (at, len) = (address as *mut libc::c_void, len as usize);
    // SAFETY: without MAP_FIXED the kernel takes a range that nobody uses; with it, the caller has checked that the range
    // lies inside an arena, to which no reference points.
    let at = unsafe { rustix::mm::mmap(at, len, ProtFlags::empty(), flags, blank, offset) }?;
    Ok(at as u64)
}

fn map_protection(protection: Prot) -> ProtFlags {
    let mut flags = ProtFlags::empty();
    flags.set(ProtFlags::READ, protection.contains(Prot::READ));
    // x86-64 and arm64 page tables have no write-only pages.
    flags.set(ProtFlags::WRITE, protection.contains(Prot::WRITE));
    flags.set(ProtFlags::EXEC, protection.contains(Prot::EXECUTE));
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memfd;
    use std::os::fd::AsFd;

    const RW: Prot = Prot::READ.union(Prot::WRITE);

    #[test]
    fn what_is_not_mapped_is_inaccessible() {
        let arena = Arena::reserve(&[!4095, 1 << 40]).unwrap();
        assert_eq!(arena.size(), 1 << 40);
        let fault = arena.read(arena.start() + 8192, &mut [0; 4]).unwrap_err();
        assert_eq!(fault, MemoryFault { address: arena.start() + 8192, copied: 0 });
        arena.map(arena.start(), PAGE_SIZE, Backing::Anonymous, RW).unwrap();
        arena.write(arena.start(), b"hello").unwrap();
        let mut text = [0; 5];
        arena.read(arena.start(), &mut text).unwrap();
        assert_eq!(&text, b"hello");
        // Across the border: the bytes before it are copied, and the address is the first one that is missing.
        let fault = arena.write(arena.start() + PAGE_SIZE - 3, b"abcdef").unwrap_err();
        assert_eq!(fault, MemoryFault { address: arena.start() + PAGE_SIZE, copied: 3 });
        arena.release(arena.start(), PAGE_SIZE).unwrap();
        arena.read(arena.start(), &mut text).unwrap_err();
    }

    #[test]
    fn what_may_not_be_read_is_read_by_force() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let memfd = Memfd::create("test", PAGE_SIZE).unwrap();
        memfd.write_at(0, &[b"shared"]).unwrap();
        let at = |page: u64| arena.start() + page * PAGE_SIZE;
        arena.map(at(0), PAGE_SIZE, Backing::Private(memfd.as_fd(), 0), RW).unwrap();
        arena.map(at(1), PAGE_SIZE, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        arena.write(at(0), b"private").unwrap();
        arena.protect(at(0), 2 * PAGE_SIZE, Prot::empty()).unwrap();
        let mut text = [0; 6];
        for (page, expected) in [(0, b"privat"), (1, b"shared")] {
            arena.read(at(page), &mut text).unwrap_err();
            arena.read_by_force(at(page), &mut text).unwrap();
            assert_eq!(&text, expected);
        }
        arena.read_by_force(at(2) - 3, &mut text).unwrap_err();
        assert_eq!(arena.read_by_force(arena.start() - 1, &mut text).unwrap_err().errno, Errno::FAULT);
    }

    #[test]
    fn a_place_is_taken_once() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        assert_eq!(Arena::reserve_exactly(arena.start(), 1 << 20).unwrap_err().errno, Errno::EXIST);
        let (start, size) = (arena.start(), arena.size());
        drop(arena);
        let again = Arena::reserve_exactly(start, size).unwrap();
        assert_eq!((again.start(), again.size()), (start, size));
        assert!(PLACES.contains(&Arena::reserve(&[1 << 40]).unwrap().start()));
    }

    #[test]
    fn addresses_outside_are_refused() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let (start, end) = (arena.start(), arena.start() + arena.size());
        for (address, len) in [(start - 4096, 4096), (end, 4096), (end - 4096, 8192), (start + 1, 4096), (start, 0)] {
            assert_eq!(arena.map(address, len, Backing::Anonymous, RW).unwrap_err().errno, Errno::INVAL);
            assert_eq!(arena.release(address, len).unwrap_err().errno, Errno::INVAL);
            assert_eq!(arena.protect(address, len, RW).unwrap_err().errno, Errno::INVAL);
        }
        assert_eq!(arena.protect(start, u64::MAX - 4095, RW).unwrap_err().errno, Errno::INVAL);
        arena.read(end - 2, &mut [0; 4]).unwrap_err();
        arena.touch_read(u64::MAX - 10, 20).unwrap_err();
    }

    #[test]
    fn a_part_that_the_program_unmapped_is_reserved_again_unless_something_lies_there() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let maps = crate::Maps::open().unwrap();
        let whole = arena.start()..arena.start() + arena.size();
        let (blank, shift) = arena.blank();
        let reserved = |at: u64, end: u64| {
            let found = maps.within(at..end).unwrap();
            found.len() == 1
                && found[0].range == (at..end)
                && found[0].file == Some(blank)
                && !found[0].shared
                && found[0].offset == at - shift
        };
        assert!(reserved(whole.start, whole.end));
        let at = arena.start() + 8 * PAGE_SIZE;
        assert_eq!(arena.reclaim(at, PAGE_SIZE).unwrap_err().errno, Errno::EXIST);
        // SAFETY: a part of the arena, to which nothing refers.
        unsafe { rustix::mm::munmap(at as *mut libc::c_void, 2 * PAGE_SIZE as usize) }.unwrap();
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        let (other, len) = ((at + PAGE_SIZE) as *mut libc::c_void, PAGE_SIZE as usize);
        // SAFETY: nothing lies there, which the flag has the kernel check.
        unsafe { rustix::mm::mmap_anonymous(other, len, ProtFlags::empty(), flags) }.unwrap();
        assert_eq!(arena.reclaim(at, 2 * PAGE_SIZE).unwrap_err().errno, Errno::EXIST);
        arena.reclaim(at, PAGE_SIZE).unwrap();
        assert!(reserved(whole.start, at + PAGE_SIZE) && !reserved(at + PAGE_SIZE, at + 2 * PAGE_SIZE));
        arena.release(at + PAGE_SIZE, PAGE_SIZE).unwrap();
        assert!(reserved(whole.start, whole.end), "one mapping again");
    }

    #[test]
    fn shared_mappings_share_and_private_ones_do_not() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let memfd = Memfd::create("test", 2 * PAGE_SIZE).unwrap();
        memfd.write_at(PAGE_SIZE, &[b"object"]).unwrap();
        let (shared, private) = (arena.start(), arena.start() + PAGE_SIZE);
        arena.map(shared, PAGE_SIZE, Backing::Shared(memfd.as_fd(), PAGE_SIZE), RW).unwrap();
        let reader = memfd.reader().unwrap();
        arena.map(private, PAGE_SIZE, Backing::Private(reader.as_fd(), PAGE_SIZE), RW).unwrap();
        arena.write(private, b"mine  ").unwrap();
        arena.write(shared, b"O").unwrap();
        let mut text = [0; 6];
        memfd.read_at(PAGE_SIZE, &mut text).unwrap();
        assert_eq!(&text, b"Object");
        arena.read(private, &mut text).unwrap();
        assert_eq!(&text, b"mine  ");
        arena.protect(shared, PAGE_SIZE, Prot::READ).unwrap();
        assert_eq!(arena.write(shared, b"x").unwrap_err().address, shared);
        arena.touch_read(shared + 5, PAGE_SIZE).unwrap();
        let refused = arena.map(shared, PAGE_SIZE, Backing::Shared(reader.as_fd(), 0), RW).unwrap_err();
        assert_eq!(refused.errno, Errno::ACCESS);
    }

    #[test]
    fn pages_are_locked_as_they_come() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let locked = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|l| l.strip_prefix("VmLck:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        };
        arena.map(arena.start(), 4 * PAGE_SIZE, Backing::Anonymous, RW).unwrap();
        let before = locked();
        arena.lock(arena.start(), 4 * PAGE_SIZE, true).unwrap();
        assert_eq!(locked(), before + 4 * PAGE_SIZE);
        arena.lock(arena.start() + PAGE_SIZE, PAGE_SIZE, false).unwrap();
        assert_eq!(locked(), before + 3 * PAGE_SIZE);
        // What is unmapped is locked no more.
        arena.release(arena.start(), 4 * PAGE_SIZE).unwrap();
        assert_eq!(locked(), before);
        assert_eq!(arena.lock(arena.start() + (1 << 20), PAGE_SIZE, true).unwrap_err().errno, Errno::INVAL);
    }

    #[test]
    fn advice_is_taken() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        arena.map(arena.start(), PAGE_SIZE, Backing::Anonymous, RW).unwrap();
        arena.write(arena.start(), b"x").unwrap();
        for advise in [Advise::DontFork, Advise::DontDump, Advise::NoHugePages, Advise::PopulateRead, Advise::DontNeed]
        {
            arena.advise(arena.start(), PAGE_SIZE, advise).unwrap();
        }
        let mut byte = [1];
        arena.read(arena.start(), &mut byte).unwrap();
        assert_eq!(byte, [0]);
    }
}
