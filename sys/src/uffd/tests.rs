//! Every wrapper against the running kernel. The process serves itself: a thread touches, the test answers.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::{PAGE_SIZE, Prot};

use super::*;
use crate::{Arena, Backing, Memfd};

const RW: Prot = Prot::READ.union(Prot::WRITE);
pub const PAGES: u64 = 8;

/// A shared mapping of a memfd, registered for everything.
pub struct World {
    pub uffd: Uffd,
    pub arena: Arc<Arena>,
    pub memfd: Memfd,
}

impl World {
    pub fn new() -> World {
        World::with_mode(Mode::MISSING | Mode::MINOR | Mode::WRITE_PROTECT)
    }

    fn with_mode(mode: Mode) -> World {
        let (uffd, _) = Uffd::open(Features::MANAGED).unwrap();
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let memfd = Memfd::create("test", PAGES * PAGE_SIZE).unwrap();
        arena.map(arena.start(), PAGES * PAGE_SIZE, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        uffd.register(arena.start(), PAGES * PAGE_SIZE, mode).unwrap();
        World { uffd, arena: Arc::new(arena), memfd }
    }

    pub fn page(&self, index: u64) -> u64 {
        self.arena.start() + index * PAGE_SIZE
    }

    pub fn fill(&self, index: u64, byte: u8) {
        self.memfd.write_at(index * PAGE_SIZE, &[vec![byte; PAGE_SIZE as usize]]).unwrap();
    }

    /// A thread that reads the first byte of a page.
    pub fn reader(&self, index: u64) -> std::thread::JoinHandle<Option<u8>> {
        let (arena, address) = (self.arena.clone(), self.page(index));
        std::thread::spawn(move || {
            let mut byte = [0];
            arena.read(address, &mut byte).ok().map(|()| byte[0])
        })
    }

    /// A thread that writes the first byte of a page.
    pub fn writer(&self, index: u64, byte: u8) -> std::thread::JoinHandle<bool> {
        let (arena, address) = (self.arena.clone(), self.page(index));
        std::thread::spawn(move || arena.write(address, &[byte]).is_ok())
    }

    pub fn fault(&self) -> FaultEvent {
        match self.event() {
            UffdEvent::Fault(fault) => fault,
            other => panic!("{other:?}"),
        }
    }

    /// The only event that comes.
    pub fn event(&self) -> UffdEvent {
        let mut events = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while events.is_empty() {
            assert!(Instant::now() < deadline, "no event");
            self.uffd.wait(Duration::from_secs(1)).unwrap();
            self.uffd.read_events(&mut events).unwrap();
        }
        match events[..] {
            [event] => event,
            _ => panic!("{events:?}"),
        }
    }

    pub fn no_event(&self) {
        assert_eq!(self.uffd.read_events(&mut Vec::new()).unwrap(), 0);
    }
}

#[test]
fn the_ways_open_in_their_order() {
    let (uffd, mode) = Uffd::open(Features::MANAGED).unwrap();
    let best = UffdWay::ALL.into_iter().find(|w| Uffd::open_by(*w, Features::MANAGED).is_ok()).unwrap();
    assert_eq!(mode, best.mode());
    assert!(rustix::fs::fcntl_getfl(&uffd).unwrap().contains(OFlags::NONBLOCK));
    assert!(rustix::io::fcntl_getfd(&uffd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    // A feature that no kernel has is refused by every way, and the text says so.
    let error = Uffd::open(Features::from_bits_retain(1 << 60)).unwrap_err();
    assert_eq!(error.errno, Errno::INVAL);
    assert!(error.what.contains(DEVICE) && error.what.contains("0x1000000000000000"), "{error}");
}

#[test]
fn only_a_userfaultfd_is_adopted() {
    let (uffd, _) = Uffd::open(Features::MANAGED).unwrap();
    let copy = rustix::io::fcntl_dupfd_cloexec(&uffd, 0).unwrap();
    let adopted = Uffd::adopt(copy).unwrap();
    assert_eq!(adopted.read_events(&mut Vec::new()).unwrap(), 0);
    let (pipe, _) = rustix::pipe::pipe().unwrap();
    assert_eq!(Uffd::adopt(pipe).unwrap_err().errno, Errno::INVAL);
}

#[test]
fn a_read_never_blocks_even_if_another_holder_makes_the_descriptor_blocking() {
    let (uffd, _) = Uffd::open(Features::MANAGED).unwrap();
    let flags = rustix::fs::fcntl_getfl(&uffd).unwrap();
    rustix::fs::fcntl_setfl(&uffd, flags - OFlags::NONBLOCK).unwrap();
    if crate::probe::Probe::gather().kernel_version.unwrap() >= (6, 10) {
        assert_eq!(uffd.read_events(&mut Vec::new()).unwrap(), 0);
    }
}

#[test]
fn missing_then_minor_then_write_protected() {
    let w = World::new();
    let reader = w.reader(2);
    let fault = w.fault();
    assert_eq!((fault.address, fault.kind, fault.write), (w.page(2), FaultKind::Missing, false));
    // Nothing in the page cache yet: the outcome says so, and the waiter comes again.
    let sweep = w.uffd.continue_range(w.page(2), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(sweep, Sweep { no_page: PAGE_SIZE, ..Sweep::default() });
    assert_eq!(w.fault().kind, FaultKind::Missing);
    w.fill(2, 7);
    let sweep = w.uffd.continue_range(w.page(2), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(sweep, Sweep { done: PAGE_SIZE, ..Sweep::default() });
    assert_eq!(reader.join().unwrap(), Some(7));
    // Write-protected from the start: a write is an event, and passes when the protection is lifted.
    let writer = w.writer(2, 8);
    let fault = w.fault();
    assert_eq!((fault.address, fault.kind, fault.write), (w.page(2), FaultKind::WriteProtected, true));
    let sweep = w.uffd.write_protect(w.page(2), PAGE_SIZE, WriteProtect::Off, true).unwrap();
    assert_eq!(sweep.done, PAGE_SIZE);
    assert!(writer.join().unwrap());
    // A page that only the page cache has is a minor fault.
    w.fill(3, 9);
    let reader = w.reader(3);
    assert_eq!(w.fault().kind, FaultKind::Minor);
    w.uffd.continue_range(w.page(3), PAGE_SIZE, WriteProtect::Off).unwrap();
    assert_eq!(reader.join().unwrap(), Some(9));
    assert!(w.writer(3, 1).join().unwrap());
    w.no_event();
}

#[test]
fn a_cluster_steps_over_what_is_there_and_what_is_not() {
    let w = World::new();
    for page in [0, 1, 2, 4, 5] {
        w.fill(page, page as u8 + 1);
    }
    w.uffd.continue_range(w.page(1), PAGE_SIZE, WriteProtect::On).unwrap();
    let sweep = w.uffd.continue_range(w.page(0), PAGES * PAGE_SIZE, WriteProtect::On).unwrap();
    let expected = Sweep { done: 4 * PAGE_SIZE, already_there: PAGE_SIZE, no_page: 3 * PAGE_SIZE, ..Sweep::default() };
    assert_eq!(sweep, expected);
    assert!(!sweep.is_complete());
    for page in [0, 1, 2, 4, 5] {
        assert_eq!(w.reader(page).join().unwrap(), Some(page as u8 + 1));
    }
    w.no_event();
}

#[test]
fn protection_holds_on_absent_pages_and_continue_without_it_drops_it() {
    let w = World::new();
    w.fill(0, 1);
    w.fill(1, 1);
    w.uffd.write_protect(w.page(0), 2 * PAGE_SIZE, WriteProtect::On, false).unwrap();
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    w.uffd.continue_range(w.page(1), PAGE_SIZE, WriteProtect::Off).unwrap();
    assert!(w.writer(1, 2).join().unwrap());
    let writer = w.writer(0, 2);
    assert_eq!(w.fault().kind, FaultKind::WriteProtected);
    w.uffd.write_protect(w.page(0), PAGE_SIZE, WriteProtect::Off, true).unwrap();
    assert!(writer.join().unwrap());
}

#[test]
fn copy_fills_missing_pages_only() {
    let w = World::new();
    w.fill(1, 5);
    let data: Vec<u8> = (0..3 * PAGE_SIZE).map(|i| 10 + (i / PAGE_SIZE) as u8).collect();
    let sweep = w.uffd.copy(w.page(0), &data, WriteProtect::Off).unwrap();
    assert_eq!(sweep, Sweep { done: 2 * PAGE_SIZE, already_there: PAGE_SIZE, ..Sweep::default() });
    assert_eq!(w.reader(0).join().unwrap(), Some(10));
    assert_eq!(w.reader(2).join().unwrap(), Some(12));
    let mut byte = [0];
    w.memfd.read_at(PAGE_SIZE, &mut byte).unwrap();
    assert_eq!(byte, [5]);
}

#[test]
fn poison_is_a_fault_for_absent_pages_and_leaves_the_others() {
    let w = World::new();
    w.fill(1, 5);
    w.uffd.continue_range(w.page(1), PAGE_SIZE, WriteProtect::On).unwrap();
    let waiter = w.reader(0);
    assert_eq!(w.fault().kind, FaultKind::Missing);
    let sweep = w.uffd.poison(w.page(0), PAGES * PAGE_SIZE).unwrap();
    assert_eq!(sweep, Sweep { done: 7 * PAGE_SIZE, already_there: PAGE_SIZE, ..Sweep::default() });
    assert_eq!(waiter.join().unwrap(), None);
    assert_eq!(w.reader(1).join().unwrap(), Some(5));
    assert_eq!(w.reader(7).join().unwrap(), None);
}

/// One byte of a page by write(2) into a pipe: the fault is the kernel's own.
fn system_call_on(address: u64) -> Result<usize, Errno> {
    let (_reader, writer) = rustix::pipe::pipe().unwrap();
    // SAFETY: the kernel only reads, and checks what.
    match unsafe { libc::write(writer.as_raw_fd(), address as *const libc::c_void, 1) } {
        -1 => Err(crate::error::last_errno()),
        count => Ok(count as usize),
    }
}

#[test]
fn a_system_call_waits_for_a_page_and_poison_is_efault() {
    let w = World::new();
    if Uffd::open(Features::MANAGED).unwrap().1 == UffdMode::UserModeOnly {
        assert_eq!(system_call_on(w.page(0)), Err(Errno::FAULT));
        return;
    }
    let (served, poisoned) = (w.page(0), w.page(1));
    let caller = std::thread::spawn(move || system_call_on(served));
    assert_eq!(w.fault().address, served);
    w.fill(0, 1);
    w.uffd.continue_range(served, PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(caller.join().unwrap(), Ok(1));
    let caller = std::thread::spawn(move || system_call_on(poisoned));
    assert_eq!(w.fault().address, poisoned);
    w.uffd.poison(poisoned, PAGE_SIZE).unwrap();
    assert_eq!(caller.join().unwrap(), Err(Errno::FAULT));
    assert_eq!(system_call_on(poisoned), Err(Errno::FAULT));
}

#[test]
fn poison_does_not_reach_a_protected_absent_page_until_the_protection_is_lifted() {
    let w = World::new();
    w.uffd.write_protect(w.page(0), PAGE_SIZE, WriteProtect::On, false).unwrap();
    assert_eq!(w.uffd.poison(w.page(0), PAGE_SIZE).unwrap().already_there, PAGE_SIZE);
    w.uffd.write_protect(w.page(0), PAGE_SIZE, WriteProtect::Off, true).unwrap();
    assert_eq!(w.uffd.poison(w.page(0), PAGE_SIZE).unwrap().done, PAGE_SIZE);
    assert_eq!(w.reader(0).join().unwrap(), None);
}

#[test]
fn zeroed_pages_of_an_object_can_be_continued() {
    let w = World::new();
    w.fill(0, 9);
    w.memfd.zero(0, 2 * PAGE_SIZE).unwrap();
    assert_eq!(w.uffd.continue_range(w.page(0), 2 * PAGE_SIZE, WriteProtect::On).unwrap().done, 2 * PAGE_SIZE);
    assert_eq!(w.reader(0).join().unwrap(), Some(0));
    assert_eq!(w.reader(1).join().unwrap(), Some(0));
}

#[test]
fn punched_pages_are_missing_again() {
    let w = World::new();
    w.fill(0, 9);
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(w.reader(0).join().unwrap(), Some(9));
    w.uffd.write_protect(w.page(0), PAGE_SIZE, WriteProtect::On, false).unwrap();
    w.memfd.punch(0, PAGE_SIZE).unwrap();
    let reader = w.reader(0);
    assert_eq!(w.fault().kind, FaultKind::Missing);
    w.fill(0, 4);
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(reader.join().unwrap(), Some(4));
}

#[test]
fn protecting_steps_over_holes_and_protects_behind_them() {
    let w = World::new();
    for page in 0..PAGES {
        w.fill(page, 1);
    }
    w.uffd.continue_range(w.page(0), PAGES * PAGE_SIZE, WriteProtect::Off).unwrap();
    w.uffd.unregister(w.page(3), 2 * PAGE_SIZE).unwrap();
    w.arena.release(w.page(3), 2 * PAGE_SIZE).unwrap();
    let sweep = w.uffd.write_protect(w.page(0), PAGES * PAGE_SIZE, WriteProtect::On, false).unwrap();
    assert_eq!(sweep, Sweep { done: 6 * PAGE_SIZE, no_entry: 2 * PAGE_SIZE, ..Sweep::default() });
    for page in [2, 5, 7] {
        let writer = w.writer(page, 2);
        assert_eq!((w.fault().address, w.fault_count()), (w.page(page), 0));
        w.uffd.write_protect(w.page(page), PAGE_SIZE, WriteProtect::Off, true).unwrap();
        assert!(writer.join().unwrap());
    }
    // The other calls report the hole too.
    let sweep = w.uffd.continue_range(w.page(0), PAGES * PAGE_SIZE, WriteProtect::Off).unwrap();
    assert_eq!((sweep.no_entry, sweep.already_there), (2 * PAGE_SIZE, 6 * PAGE_SIZE));
}

impl World {
    fn fault_count(&self) -> usize {
        self.uffd.read_events(&mut Vec::new()).unwrap()
    }
}

#[test]
fn an_event_is_delivered_again_after_a_wake() {
    let w = World::new();
    let reader = w.reader(0);
    w.fault();
    w.no_event();
    w.uffd.wake(w.page(0), PAGE_SIZE).unwrap();
    assert_eq!(w.fault().kind, FaultKind::Missing);
    w.fill(0, 3);
    w.uffd.continue_range(w.page(0), PAGE_SIZE, WriteProtect::On).unwrap();
    assert_eq!(reader.join().unwrap(), Some(3));
}

#[test]
fn many_faults_are_read_at_once() {
    let w = World::new();
    let readers: Vec<_> = (0..PAGES).map(|p| w.reader(p)).collect();
    let (mut events, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(10));
    while events.len() < PAGES as usize {
        assert!(Instant::now() < deadline);
        w.uffd.read_events(&mut events).unwrap();
    }
    (0..PAGES).for_each(|p| w.fill(p, p as u8));
    w.uffd.continue_range(w.page(0), PAGES * PAGE_SIZE, WriteProtect::On).unwrap();
    for (page, reader) in readers.into_iter().enumerate() {
        assert_eq!(reader.join().unwrap(), Some(page as u8));
    }
}

#[test]
fn unregister_wakes_and_reads_zero() {
    let w = World::new();
    let reader = w.reader(0);
    w.fault();
    w.uffd.unregister(w.page(0), PAGES * PAGE_SIZE).unwrap();
    assert_eq!(reader.join().unwrap(), Some(0));
}

#[test]
fn bad_ranges_are_errors() {
    let w = World::new();
    let calls: [&dyn Fn(u64, u64) -> Result<Sweep, SysError>; 3] =
        [&|a, l| w.uffd.continue_range(a, l, WriteProtect::On), &|a, l| w.uffd.poison(a, l), &|a, l| {
            w.uffd.write_protect(a, l, WriteProtect::On, false)
        }];
    for call in calls {
        for (address, len) in [(w.page(0) + 1, PAGE_SIZE), (w.page(0), 0), (w.page(0), 5), (u64::MAX - 4095, 8192)] {
            assert_eq!(call(address, len).unwrap_err().errno, Errno::INVAL);
        }
    }
    assert!(w.uffd.copy(w.page(0), &[], WriteProtect::On).is_err());
    assert!(w.uffd.register(w.page(0) + 3, PAGE_SIZE, Mode::MISSING).is_err());
}

#[test]
fn a_read_only_shared_mapping_cannot_be_registered_and_a_private_one_can() {
    let w = World::new();
    let reader = w.memfd.reader().unwrap();
    let at = w.page(PAGES);
    w.arena.map(at, PAGE_SIZE, Backing::Shared(reader.as_fd(), 0), Prot::READ).unwrap();
    assert_eq!(w.uffd.register(at, PAGE_SIZE, Mode::MISSING | Mode::MINOR).unwrap_err().errno, Errno::PERM);
    w.arena.map(at, PAGE_SIZE, Backing::Private(reader.as_fd(), 0), Prot::READ).unwrap();
    w.uffd.register(at, PAGE_SIZE, Mode::MISSING | Mode::MINOR).unwrap();
    w.fill(0, 6);
    w.uffd.continue_range(at, PAGE_SIZE, WriteProtect::Off).unwrap();
    assert_eq!(w.reader(PAGES).join().unwrap(), Some(6));
    // Protection means nothing there, and is no error.
    w.uffd.unregister(at, PAGE_SIZE).unwrap();
    w.arena.map(at, PAGE_SIZE, Backing::Private(reader.as_fd(), 0), RW).unwrap();
    w.uffd.register(at, PAGE_SIZE, Mode::MISSING | Mode::MINOR).unwrap();
    assert_eq!(w.uffd.continue_range(at, PAGE_SIZE, WriteProtect::On).unwrap().done, PAGE_SIZE);
    assert!(w.writer(PAGES, 7).join().unwrap());
    assert_eq!(w.uffd.write_protect(at, PAGE_SIZE, WriteProtect::On, false).unwrap().no_entry, PAGE_SIZE);
    let mut byte = [0];
    w.memfd.read_at(0, &mut byte).unwrap();
    assert_eq!(byte, [6]);
}

#[test]
fn a_process_that_is_gone_is_an_outcome() {
    // The child opens the descriptor over its own memory and sends it, as a task does.
    if let Some(path) = std::env::var_os("MACH_TEST_SOCKET") {
        let channel = crate::Channel::connect(path.as_ref()).unwrap();
        let w = World::new();
        let address = w.page(0).to_le_bytes();
        let _ = channel.send(&address, &[w.uffd.as_fd()]).unwrap();
        let _ = channel.recv(&mut [0; 8]);
        std::process::exit(0);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = crate::Listener::bind(&path, 0o600).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "uffd::tests::a_process_that_is_gone_is_an_outcome"])
        .env("MACH_TEST_SOCKET", &path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let channel = loop {
        match listener.try_accept().unwrap() {
            Some(channel) => break channel,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(Instant::now() < deadline);
    };
    let mut record = [0; 8];
    let crate::seqpacket::Received::Record(8, mut fds) = channel.recv(&mut record).unwrap() else { panic!() };
    let uffd = Uffd::adopt(fds.remove(0)).unwrap();
    let address = u64::from_le_bytes(record);
    // It acts on the child's memory from here.
    assert_eq!(uffd.poison(address, PAGE_SIZE).unwrap().done, PAGE_SIZE);
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = Sweep { gone: true, ..Sweep::default() };
    assert_eq!(uffd.poison(address + PAGE_SIZE, PAGE_SIZE).unwrap(), gone);
    assert_eq!(uffd.continue_range(address, PAGE_SIZE, WriteProtect::On).unwrap(), gone);
    assert_eq!(uffd.write_protect(address, PAGE_SIZE, WriteProtect::On, false).unwrap(), gone);
    assert_eq!(uffd.copy(address, &[0; PAGE_SIZE as usize], WriteProtect::On).unwrap(), gone);
}
