//! What the kernel does when a program changes registered memory behind the back of whoever serves it.

use std::thread::JoinHandle;

use rustix::mm::{Advice, MprotectFlags, MremapFlags};

use super::tests::{PAGES, World};
use super::*;
use crate::{Backing, guarded};
use proto::{PAGE_SIZE, Prot};

const LEN: usize = PAGE_SIZE as usize;

/// A thread that does something to the memory of the process.
fn act<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(what)
}

fn unmap(address: u64, len: usize) {
    // SAFETY: a part of a test's arena, to which nothing refers.
    unsafe { rustix::mm::munmap(address as *mut libc::c_void, len) }.unwrap();
}

fn advise(address: u64, len: usize, advice: Advice) -> Result<(), Errno> {
    // SAFETY: as above.
    unsafe { rustix::mm::madvise(address as *mut libc::c_void, len, advice) }
}

fn protect(address: u64, len: usize, flags: MprotectFlags) {
    // SAFETY: as above.
    unsafe { rustix::mm::mprotect(address as *mut libc::c_void, len, flags) }.unwrap();
}

fn remap(address: u64, old: usize, new: usize) -> u64 {
    // SAFETY: as above; the new place is one that nobody uses.
    unsafe { rustix::mm::mremap(address as *mut libc::c_void, old, new, MremapFlags::MAYMOVE) }.unwrap() as u64
}

fn read(address: u64) -> JoinHandle<Option<u8>> {
    act(move || {
        let mut byte = 0;
        // SAFETY: the byte is valid for writes; the source is what the guard is for.
        unsafe { guarded::copy(&mut byte, address as *const u8, 1) }.ok().map(|()| byte)
    })
}

fn write(address: u64, byte: u8) -> JoinHandle<bool> {
    // SAFETY: the byte is valid for reads; the target is a part of a test's mapping, to which nothing refers.
    act(move || unsafe { guarded::copy(address as *mut u8, &byte, 1) }.is_ok())
}

#[test]
fn who_unmaps_waits_until_the_event_is_read_and_calls_do_nothing_meanwhile() {
    let w = World::new();
    w.fill(0, 7);
    let (first, second) = (w.page(0), w.page(2));
    let caller = act(move || unmap(second, 2 * LEN));
    // Until then every call answers `EAGAIN`, which a sweep reports.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !w.uffd.write_protect(first, PAGE_SIZE, WriteProtect::On, false).unwrap().stalled {
        assert!(std::time::Instant::now() < deadline);
    }
    assert!(w.uffd.continue_range(first, PAGE_SIZE, WriteProtect::On).unwrap().stalled);
    assert!(!caller.is_finished());
    assert_eq!(w.event(), UffdEvent::Unmapped { address: second, len: 2 * PAGE_SIZE });
    caller.join().unwrap();
    assert_eq!(w.uffd.continue_range(first, PAGE_SIZE, WriteProtect::On).unwrap().done, PAGE_SIZE);
    // What is not registered any more goes without a word.
    protect(first, LEN, MprotectFlags::empty());
    w.uffd.unregister(first, PAGE_SIZE).unwrap();
    unmap(first, LEN);
    w.no_event();
}

#[test]
fn what_is_unregistered_under_no_protection_shows_no_zeroes() {
    let w = World::new();
    let reader = w.reader(1);
    assert_eq!(w.fault().address, w.page(1));
    protect(w.page(0), 2 * LEN, MprotectFlags::empty());
    w.uffd.unregister(w.page(0), 2 * PAGE_SIZE).unwrap();
    assert_eq!(reader.join().unwrap(), None, "it is woken, and refused");
    assert!(w.memfd.is_hole(0, 2 * PAGE_SIZE));
}

#[test]
fn a_range_that_is_moved_stays_registered_and_protected() {
    let w = World::new();
    for page in [0, 1] {
        w.fill(page, page as u8 + 1);
    }
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    w.uffd.continue_range(w.page(1), PAGE_SIZE, WriteProtect::Off).unwrap();
    let from = w.page(0);
    // Longer than before: what is new is registered as well.
    let caller = act(move || remap(from, 3 * LEN, 5 * LEN));
    let UffdEvent::Moved { from: was, to, len } = w.event() else { panic!("no move") };
    assert_eq!((was, len), (from, 3 * PAGE_SIZE));
    // Some kernels tell of the old place as well.
    let mut more = Vec::new();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !caller.is_finished() {
        assert!(std::time::Instant::now() < deadline);
        w.uffd.read_events(&mut more).unwrap();
    }
    assert_eq!(caller.join().unwrap(), to);
    assert!(more.iter().all(|e| *e == UffdEvent::Unmapped { address: from, len: 3 * PAGE_SIZE }), "{more:?}");
    assert_eq!(read(to).join().unwrap(), Some(1), "what was there came along");
    let writer = write(to, 9);
    let fault = w.fault();
    assert_eq!((fault.address, fault.kind), (to, FaultKind::WriteProtected));
    // The other page can be written to until it is protected, at the new place.
    assert!(write(to + PAGE_SIZE, 9).join().unwrap());
    assert_eq!(w.uffd.write_protect(to, 5 * PAGE_SIZE, WriteProtect::On, false).unwrap().done, 5 * PAGE_SIZE);
    let second = write(to + PAGE_SIZE, 9);
    assert_eq!(w.fault().address, to + PAGE_SIZE);
    for page in [2, 4] {
        let reader = read(to + page * PAGE_SIZE);
        assert_eq!(w.fault().address, to + page * PAGE_SIZE);
        w.uffd.write_protect(to + page * PAGE_SIZE, PAGE_SIZE, WriteProtect::Off, false).unwrap();
        assert_eq!(w.uffd.poison(to + page * PAGE_SIZE, PAGE_SIZE).unwrap().done, PAGE_SIZE);
        assert_eq!(reader.join().unwrap(), None);
    }
    protect(to, 5 * LEN, MprotectFlags::empty());
    w.uffd.unregister(to, 5 * PAGE_SIZE).unwrap();
    assert!(!writer.join().unwrap() && !second.join().unwrap());
    unmap(to, 5 * LEN);
}

#[test]
fn a_second_mapping_that_mremap_makes_is_registered() {
    let w = World::new();
    w.fill(0, 1);
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::Off).unwrap();
    let from = w.page(0);
    let caller = act(move || remap(from, 0, 2 * LEN));
    let UffdEvent::Moved { from: was, to, len } = w.event() else { panic!("no move") };
    assert_eq!((was, len), (from, 0));
    caller.join().unwrap();
    for page in [0, 1] {
        let reader = read(to + page * PAGE_SIZE);
        assert_eq!(w.fault().address, to + page * PAGE_SIZE);
        w.uffd.poison(to + page * PAGE_SIZE, PAGE_SIZE).unwrap();
        assert_eq!(reader.join().unwrap(), None);
    }
    assert_eq!(w.reader(0).join().unwrap(), Some(1));
    let unmapper = act(move || unmap(to, 2 * LEN));
    assert_eq!(w.event(), UffdEvent::Unmapped { address: to, len: 2 * PAGE_SIZE });
    unmapper.join().unwrap();
}

#[test]
fn dont_need_loses_no_page_and_no_protection() {
    let w = World::new();
    for page in 0..3 {
        w.fill(page, 5);
    }
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    w.uffd.continue_range(w.page(1), PAGE_SIZE, WriteProtect::Off).unwrap();
    assert!(w.writer(1, 6).join().unwrap());
    advise(w.page(0), PAGES as usize * LEN, Advice::LinuxDontNeed).unwrap();
    w.no_event();
    // Both are minor faults: the bytes are the object's. The first one still must not be written to.
    for (page, byte, protect) in [(0, 5, WriteProtect::On), (1, 6, WriteProtect::Off)] {
        let reader = w.reader(page);
        assert_eq!(w.fault().kind, FaultKind::Minor);
        w.uffd.continue_range(w.page(page), PAGE_SIZE, protect).unwrap();
        assert_eq!(reader.join().unwrap(), Some(byte));
    }
    let writer = w.writer(0, 7);
    assert_eq!(w.fault().kind, FaultKind::WriteProtected);
    w.uffd.write_protect(w.page(0), PAGE_SIZE, WriteProtect::Off, true).unwrap();
    assert!(writer.join().unwrap() && w.writer(1, 8).join().unwrap());
    // A writer that faults meanwhile gets a protected page protected.
    advise(w.page(0), LEN, Advice::LinuxDontNeed).unwrap();
    let writer = w.writer(0, 9);
    let fault = w.fault();
    assert_eq!((fault.kind, fault.write), (FaultKind::Minor, true));
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(w.fault().kind, FaultKind::WriteProtected);
    w.uffd.write_protect(w.page(0), PAGE_SIZE, WriteProtect::Off, true).unwrap();
    assert!(writer.join().unwrap());
}

#[test]
fn remove_takes_the_page_from_the_object_and_the_next_fault_is_a_missing_one() {
    let w = World::new();
    w.fill(0, 5);
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    advise(w.page(0), LEN, Advice::LinuxRemove).unwrap();
    assert!(w.memfd.is_hole(0, PAGE_SIZE));
    let reader = w.reader(0);
    assert_eq!(w.fault().kind, FaultKind::Missing);
    w.memfd.zero(0, PAGE_SIZE).unwrap();
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(reader.join().unwrap(), Some(0));
    // Who could be permitted to write can, and nobody else.
    protect(w.page(0), LEN, MprotectFlags::READ);
    advise(w.page(0), LEN, Advice::LinuxRemove).unwrap();
    w.arena.map(w.page(PAGES), PAGE_SIZE, Backing::Private(w.memfd.as_fd(), 0), Prot::all()).unwrap();
    assert_eq!(advise(w.page(PAGES), LEN, Advice::LinuxRemove), Err(Errno::ACCESS));
}
