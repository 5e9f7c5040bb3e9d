//! The task's managed memory: carrying out the node's orders, and closing when the node is gone.
//!
//! Shared by the threads that call and the agent. Invariants:
//! 1. A part of the arena becomes accessible only after it was registered, so no thread can make a zero page there.
//! 2. Orders are carried out, and memory is closed, under one lock, which is never held while managed memory is touched.
//!    After closing no order is carried out: nothing could serve what it would map.
//! 3. What the program has put into the arena itself is neither unmapped, replaced nor protected ([`crate::intact`]).
//! 4. The descriptor held here keeps waiting threads asleep when the node dies, until [`Memory::fail_closed`] has given
//!    each of them an error (uffd-rules 1).

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use proto::vm::{LARGE_PAGE_SIZE, trunc_page};
use proto::wire::body::Segments;
use proto::wire::trap::{self, FreezeObject, MapObject, MapParts, Order, order};
use proto::{PAGE_SIZE, Prot, ranges};
use sys::arena::Advise;
use sys::uffd::{Features, Mode, Sweep, UffdEvent, WriteProtect};
use sys::{Arena, Backing, Errno, FileId, Maps, Memfd, SysError, Uffd, UffdMode};

use crate::inherited::keep;
use crate::intact::{self, Lies, Part};
use crate::parts::in_mappings;
use crate::ranges::{Kind, Ranges};
use crate::settling::{self, Settling};

/// Address space for the node's choice; the first size that the system grants.
const ARENA_SIZES: [u64; 5] = [16 << 40, 1 << 40, 64 << 30, 4 << 30, 256 << 20];

#[derive(Debug)]
pub(crate) struct Memory {
    pub uffd: Uffd,
    /// Holds writers up while frozen memory is copied ([`crate::freeze`]). The node has no part in it, nor does it send
    /// events of anything but faults: what it is registered for is replaced without waiting for anybody.
    pub freezer: Uffd,
    pub mode: UffdMode,
    pub arena: Arena,
    pub maps: Maps,
    /// What is frozen and not sealed yet.
    pub settling: Arc<Settling>,
    locks: &'static Locks,
}

/// Never freed, so that a thread that forks can hold both meanwhile.
#[derive(Default, Debug)]
struct Locks {
    state: Mutex<State>,
    freezing: Mutex<()>,
}

#[derive(Default, Debug)]
pub(crate) struct State {
    pub ranges: Ranges,
    /// What this process has by fork(2) and has not been told to keep.
    pub inherited: Ranges,
    closed: bool,
}

impl State {
    fn runs_within(&self, range: &Range<u64>, which: impl Fn(&Kind) -> bool) -> Vec<Range<u64>> {
        let parts = self.ranges.within(range.start, range.end - range.start).into_iter();
        let mut out: Vec<Range<u64>> = Vec::new();
        parts.filter(|(_, _, kind)| which(kind)).for_each(|(start, end, _)| ranges::join(&mut out, start..end));
        out
    }
}

impl Memory {
    /// With a `place`, at these addresses (the first one, bytes) and no others.
    ///
    /// Errors: the outer one no userfaultfd, the inner one no address space or no handlers.
    pub fn new(place: Option<(u64, u64)>) -> Result<Result<Memory, SysError>, SysError> {
        let arena = || match place {
            Some((start, size)) => Arena::reserve_exactly(start, size),
            None => Arena::reserve(&ARENA_SIZES),
        };
        Memory::over(|| sys::guarded::install().and_then(|()| arena()))
    }

    /// Over an arena; the errors of [`Memory::new`].
    pub fn over(arena: impl FnOnce() -> Result<Arena, SysError>) -> Result<Result<Memory, SysError>, SysError> {
        let (uffd, mode) = Uffd::open(Features::MANAGED)?;
        let (freezer, _) = Uffd::open(Features::WP | Features::WP_SHMEM)?;
        let prepared = arena().and_then(|arena| Ok((arena, Maps::open()?)));
        Ok(prepared.map(|(arena, maps)| {
            let (settling, locks) = (Arc::default(), Box::leak(Box::default()));
            Memory { uffd, freezer, mode, arena, maps, settling, locks }
        }))
    }

    /// Carries out one order; `fds` came beside it.
    ///
    /// Errors: what Linux refused; the range is unmapped then. `EBADF` the descriptor is missing; `EINVAL` outside the
    /// arena; `EPIPE` the node is gone; `EAGAIN` the process may not lock so much; `EEXIST` memory of the program's own lies
    /// there, which is left alone.
    pub fn carry_out(&self, order: &Order, fds: &[OwnedFd]) -> Result<(), SysError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SysError::new("order", Errno::PIPE, "the node is gone"));
        }
        match order.op.as_ref() {
            Some(order::Op::Map(map)) => self.map(&mut state, map, fds),
            Some(order::Op::MapParts(parts)) => self.map_parts(&mut state, parts, fds),
            Some(order::Op::Inherit(inherit)) => keep(&mut state, inherit.address, inherit.size),
            Some(order::Op::Freeze(freeze)) => self.freeze_object(&mut state, freeze, fds),
            Some(order::Op::Unmap(unmap)) => self.unmap(&mut state, unmap.address, unmap.size),
            Some(order::Op::Protect(p)) => {
                self.protect(&mut state, p.address, p.size, Prot::from_bits_truncate(p.protection))
            }
            Some(order::Op::Errand(_)) => Err(SysError::new("order", Errno::INVAL, "an errand for no agent")),
            Some(order::Op::Wire(wire)) => self.wire(&mut state, wire.address, wire.size, wire.wired),
            None => Err(SysError::new("order", Errno::NOSYS, "an order that this library does not know")),
        }
    }

    /// Unmaps a range without the node, which is gone or has forgotten it.
    pub fn forget(&self, address: u64, size: u64) {
        let _ = self.unmap(&mut self.lock(), address, size);
    }

    /// The node is gone: what it had delivered stays readable, everything else becomes an error.
    ///
    /// Per managed range, in this order: (1) a shared one loses write access, since nobody hears of a write any more (a
    /// private one keeps it: what is written there is the task's alone); (2) write protection is lifted, which no longer
    /// permits anything after (1) but removes the marks on absent pages, over which poison would not take; (3) every
    /// page that is not mapped is poisoned, and whoever waits for one is woken to find that. A range that resists is
    /// unmapped: then the error is SIGSEGV in place of SIGBUS.
    pub fn fail_closed(&self) {
        let mut state = self.lock();
        state.closed = true;
        let managed: Vec<_> = state.ranges.all().filter(|(_, _, kind)| kind.managed).collect();
        for (start, end, kind) in managed {
            for part in self.mapped_parts(&state, start, end - start).unwrap_or_default() {
                let (address, size) = (part.start, part.end - part.start);
                if self.close_range(address, size, kind).is_err() {
                    let _ = self.unmap(&mut state, address, size);
                }
            }
        }
    }

    /// After [`Memory::fail_closed`], in place of the node: threads that fault get an error, and those that unmap or move
    /// memory go on. Answers after a second at the latest, or when the userfaultfd fails.
    pub fn answer_in_the_nodes_place(&self) -> Result<(), SysError> {
        self.uffd.wait(Duration::from_secs(1))?;
        let mut events = Vec::new();
        self.uffd.read_events(&mut events)?;
        for event in events {
            if let UffdEvent::Fault(fault) = event {
                self.poison(trunc_page(fault.address), PAGE_SIZE)?;
            }
        }
        Ok(())
    }

    /// Makes every page that is not mapped an error.
    fn poison(&self, address: u64, size: u64) -> Result<Sweep, SysError> {
        self.read_until_done(|| self.uffd.write_protect(address, size, WriteProtect::Off, false))?;
        self.read_until_done(|| self.uffd.poison(address, size))
    }

    /// Reads what stalls a call. What are faults among it comes again when the call is done.
    fn read_until_done(&self, call: impl Fn() -> Result<Sweep, SysError>) -> Result<Sweep, SysError> {
        loop {
            let sweep = call()?;
            if !sweep.stalled {
                return Ok(sweep);
            }
            self.uffd.let_changes_end(&mut Vec::new())?;
        }
    }

    fn close_range(&self, address: u64, size: u64, kind: Kind) -> Result<(), SysError> {
        if kind.shared {
            if kind.protection.contains(Prot::WRITE) {
                self.arena.protect(address, size, kind.protection - Prot::WRITE)?;
            }
            self.read_until_done(|| self.uffd.write_protect(address, size, WriteProtect::Off, true))?;
        }
        let sweep = self.read_until_done(|| self.uffd.poison(address, size))?;
        match sweep.is_complete() {
            true => Ok(()),
            false => Err(SysError::new("UFFDIO_POISON", Errno::IO, format!("{sweep:?}"))),
        }
    }

    fn map(&self, state: &mut State, map: &MapObject, fds: &[OwnedFd]) -> Result<(), SysError> {
        let MapObject { address, size, offset, shared, unmanaged, .. } = *map;
        let protection = Prot::from_bits_truncate(map.protection);
        let fd = fds.get(map.fd as usize).ok_or_else(|| {
            SysError::new("order", Errno::BADF, format!("descriptor {} of {} is missing", map.fd, fds.len()))
        })?;
        self.make_room(state, address, size)?;
        let (file, shift) = (FileId::of(fd)?, address.wrapping_sub(offset));
        let kind = Kind { managed: !unmanaged, shared, protection, locked: false, file, shift };
        state.ranges.insert(address, size, kind);
        let backing = if shared { Backing::Shared(fd.as_fd(), offset) } else { Backing::Private(fd.as_fd(), offset) };
        let done = match unmanaged {
            true => {
                let mapped = self.arena.map(address, size, backing, protection);
                // A child gets it where that is decided before the fork ([`crate::fork`]), and otherwise not.
                let mapped = mapped.and_then(|()| self.arena.advise(address, size, Advise::DontFork));
                if mapped.is_ok() && takes_large_pages(address, offset, size) {
                    // A system without large pages refuses the advice, and the memory is as good without.
                    let _ = self.arena.advise(address, size, Advise::HugePages);
                }
                mapped
            }
            false => self.map_managed(address, size, backing, protection, shared),
        };
        if done.is_err() {
            // Half a mapping would be one that nobody serves.
            let _ = self.unmap(state, address, size);
        }
        done
    }

    /// All threads of the task go over to the private mapping at one moment. Where the program itself has unmapped or replaced
    /// what was mapped there is nothing to do. What it has moved, and can write to the object by, is its own affair: the file is
    /// not sealed then, and is copied.
    fn freeze_object(&self, state: &mut State, freeze: &FreezeObject, fds: &[OwnedFd]) -> Result<(), SysError> {
        let map = freeze.map.ok_or_else(|| SysError::new("order", Errno::INVAL, "a freeze of nothing"))?;
        let MapObject { address, size, offset, .. } = map;
        let fd = fds.get(map.fd as usize).ok_or_else(|| SysError::new("order", Errno::BADF, "no descriptor"))?;
        let protection = Prot::from_bits_truncate(map.protection);
        let (file, shift) = (FileId::of(fd)?, address.wrapping_sub(offset));
        let parts = self.parts(state, address, size)?;
        let wanted = |part: &Part| matches!(part.lies, Lies::Mapped(kind) if kind.shared && !kind.managed);
        // To tear the page tables of much memory down takes longer than all else: that is left to another thread.
        let aside = match freeze.seal && parts.iter().all(wanted) && settling::takes_long(address..address + size) {
            true => self.arena.set_aside(address, size).ok(),
            false => None,
        };
        // What is wired is not frozen.
        let private = Kind { managed: false, shared: false, protection, locked: false, file, shift };
        for part in parts {
            let (start, len) = (part.range.start, part.range.end - part.range.start);
            if wanted(&part) {
                let backing = Backing::Private(fd.as_fd(), offset + (start - address));
                self.arena.map(start, len, backing, part.permits)?;
                state.ranges.insert(start, len, private);
            } else if part.is_changed() {
                let was = state.ranges.within(start, len).into_iter().filter(|(_, _, was)| was.shared && !was.managed);
                was.for_each(|(start, end, _)| state.ranges.insert(start, end - start, private));
            }
        }
        if freeze.seal {
            // Where somebody else can still write to it, or there is no descriptor to seal it by, whoever hands it on sees that
            // it is not sealed, and copies. It is mapped privately all the same, which the node is to know.
            let memfd = fd.try_clone().ok().and_then(|fd| Memfd::adopt(fd).ok());
            match (memfd, aside) {
                (Some(memfd), Some(aside)) => self.settling.begin(memfd, aside),
                (Some(memfd), None) => drop(memfd.freeze()),
                (None, aside) => drop(aside),
            }
        }
        Ok(())
    }

    fn map_parts(&self, state: &mut State, order: &MapParts, fds: &[OwnedFd]) -> Result<(), SysError> {
        let (address, protection) = (order.address, Prot::from_bits_truncate(order.protection));
        let parts = order.parts.as_ref().and_then(Segments::pieces);
        let parts = parts.ok_or_else(|| SysError::new("order", Errno::INVAL, "what is no parts"))?;
        let size = parts.iter().try_fold(0u64, |all, part| all.checked_add(part.length));
        let size = size.filter(|size| self.arena.contains(address, *size));
        let size = size.ok_or_else(|| SysError::new("order", Errno::INVAL, "parts that leave the arena"))?;
        if !self.has_room_for(state, parts.len()) {
            return Err(SysError::new("mmap(2)", Errno::NOMEM, format!("{} mappings more", parts.len())));
        }
        self.make_room(state, address, size)?;
        let files = fds.iter().map(FileId::of).collect::<Result<Vec<_>, _>>()?;
        let mapped = in_mappings(address, &parts).into_iter().try_for_each(|(at, part)| {
            let fd = fds.get(part.fd as usize).ok_or_else(|| SysError::new("order", Errno::BADF, "no descriptor"))?;
            let (file, shift) = (files[part.fd as usize], at.wrapping_sub(part.offset));
            let kind = Kind { managed: false, shared: false, protection, locked: false, file, shift };
            state.ranges.insert(at, part.length, kind);
            self.arena.map(at, part.length, Backing::Private(fd.as_fd(), part.offset), protection)?;
            if takes_large_pages(at, part.offset, part.length) {
                let _ = self.arena.advise(at, part.length, Advise::HugePages);
            }
            Ok(())
        });
        let mapped = mapped.and_then(|()| self.arena.advise(address, size, Advise::DontFork));
        if mapped.is_err() {
            let _ = self.unmap(state, address, size);
        }
        mapped
    }

    /// The private parts of a range that the node does not serve: frozen memory, and what was written to it. None once
    /// the node is gone.
    pub fn private_within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        self.lock().runs_within(range, |kind| !kind.managed && !kind.shared)
    }

    /// Does something to each part of a range that the node does not serve, while nothing can be mapped in place of it.
    pub fn on_unmanaged(
        &self,
        range: &Range<u64>,
        act: impl FnMut(Range<u64>) -> Result<(), SysError>,
    ) -> Result<(), SysError> {
        let state = self.lock();
        state.runs_within(range, |kind| !kind.managed).into_iter().try_for_each(act)
    }

    /// How an address is mapped, if it is.
    pub fn kind_at(&self, address: u64) -> Option<Kind> {
        self.lock().ranges.within(address, 1).first().map(|(_, _, kind)| *kind)
    }

    /// Maps parts of a file with the same bytes in place of private memory, as far as it still is private; privately, or shared
    /// from then on. The runs are in order.
    ///
    /// Errors: a part cannot be mapped, nor has any behind it been.
    pub fn remap(&self, runs: &[trap::Run], fd: BorrowedFd<'_>, shared: bool) -> Result<(), SysError> {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        let mut state = self.lock();
        let file = FileId::of(fd)?;
        let parts = self.parts(&state, first.address, last.address + last.size - first.address)?;
        let mut parts = &parts[..];
        for run in runs {
            let end = run.address + run.size;
            parts = &parts[parts.partition_point(|part| part.range.end <= run.address)..];
            for part in parts.iter().take_while(|part| part.range.start < end) {
                let (start, end) = (part.range.start.max(run.address), part.range.end.min(end));
                if let Lies::Mapped(kind) = part.lies
                    && !kind.managed
                    && !kind.shared
                {
                    let (size, at) = (end - start, run.offset + (start - run.address));
                    let backing = if shared { Backing::Shared(fd, at) } else { Backing::Private(fd, at) };
                    self.arena.map(start, size, backing, part.permits)?;
                    if kind.locked {
                        // The lock went with what was mapped there, which had as many pages.
                        self.arena.lock(start, size, true)?;
                    }
                    state.ranges.insert(start, size, Kind { file, shift: start.wrapping_sub(at), shared, ..kind });
                }
            }
        }
        Ok(())
    }

    /// Held while memory is being frozen, and while an errand writes: one thread at a time.
    pub fn alone(&self) -> MutexGuard<'static, ()> {
        self.locks.freezing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_managed(
        &self,
        address: u64,
        size: u64,
        backing: Backing<'_>,
        protection: Prot,
        shared: bool,
    ) -> Result<(), SysError> {
        self.arena.map(address, size, backing, Prot::empty())?;
        self.arena.advise(address, size, Advise::DontFork)?;
        // A core dump would bring the whole object here, page by page.
        self.arena.advise(address, size, Advise::DontDump)?;
        let faults = Mode::MISSING | Mode::MINOR;
        self.uffd.register(address, size, if shared { faults | Mode::WRITE_PROTECT } else { faults })?;
        self.arena.protect(address, size, protection)
    }

    /// The addresses are kept, whoever unmapped what was there; the program's own memory stays.
    fn unmap(&self, state: &mut State, address: u64, size: u64) -> Result<(), SysError> {
        let mut others = None;
        for part in self.parts(state, address, size)? {
            let (start, size) = (part.range.start, part.range.end - part.range.start);
            match part.lies {
                Lies::Mapped(kind) => {
                    if kind.managed {
                        self.unregister(start, size)?;
                    }
                    self.arena.release(start, size)?;
                }
                Lies::Reserved => {}
                Lies::Nothing => self.arena.reclaim(start, size)?,
                Lies::Others => others = others.or(Some(part.range)),
            }
        }
        state.ranges.remove(address, size);
        // Whoever waits there is not woken by the unmapping (uffd-rules 6).
        self.uffd.wake(address, size)?;
        others.map_or(Ok(()), |range| Err(intact::in_the_way(&range)))
    }

    /// Before it is unmapped, for what is registered is unmapped only when the node has read of it. Nobody can touch it by
    /// then, for a page that is missing would be a zero page.
    fn unregister(&self, address: u64, size: u64) -> Result<(), SysError> {
        self.arena.protect(address, size, Prot::empty())?;
        self.uffd.unregister(address, size)
    }

    /// Only what is mapped: a reserved part must not become accessible.
    fn protect(&self, state: &mut State, address: u64, size: u64, protection: Prot) -> Result<(), SysError> {
        let parts = self.parts(state, address, size)?;
        if let [Part { range, lies: Lies::Others, .. }] = &parts[..] {
            return Err(intact::in_the_way(range));
        }
        for part in self.mapped_parts(state, address, size)? {
            self.arena.protect(part.start, part.end - part.start, protection)?;
        }
        state.ranges.protect(address, size, protection);
        Ok(())
    }

    /// Only what is mapped. No page is touched: that could wait for a pager, under the lock.
    fn wire(&self, state: &mut State, address: u64, size: u64, wired: bool) -> Result<(), SysError> {
        let parts = self.mapped_parts(state, address, size)?;
        for part in &parts {
            if let Err(error) = self.arena.lock(part.start, part.end - part.start, wired) {
                // A part that is locked belongs to no wired range; what unlocking answers changes nothing.
                parts.iter().for_each(|part| drop(self.arena.lock(part.start, part.end - part.start, false)));
                state.ranges.lock(address, size, false);
                // Not "too many mappings", for which the node takes ENOMEM.
                return Err(SysError { errno: Errno::AGAIN, ..error });
            }
        }
        state.ranges.lock(address, size, wired);
        Ok(())
    }

    /// What the program has unmapped is reserved again, so that something can be mapped in its place.
    fn make_room(&self, state: &State, address: u64, size: u64) -> Result<(), SysError> {
        for part in self.parts(state, address, size)? {
            match part.lies {
                Lies::Nothing => self.arena.reclaim(part.range.start, part.range.end - part.range.start)?,
                Lies::Others => return Err(intact::in_the_way(&part.range)),
                Lies::Mapped(_) | Lies::Reserved => {}
            }
        }
        Ok(())
    }

    /// What was mapped in a range, as far as it is still there: runs, in order.
    pub fn mapped_parts(&self, state: &State, address: u64, size: u64) -> Result<Vec<Range<u64>>, SysError> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for part in self.parts(state, address, size)?.into_iter().filter(|p| matches!(p.lies, Lies::Mapped(_))) {
            ranges::join(&mut runs, part.range);
        }
        Ok(runs)
    }

    pub fn parts(&self, state: &State, address: u64, size: u64) -> Result<Vec<Part>, SysError> {
        if !self.arena.contains(address, size) {
            return Err(SysError::new("order", Errno::INVAL, format!("{size:#x} bytes at {address:#x}")));
        }
        intact::parts(&self.arena, &self.maps, &state.ranges, &(address..address + size))
    }

    /// Both locks as they are taken in a fork, which may come in a signal handler of the very thread that has one: `None` if
    /// one cannot be had.
    pub fn try_alone(&self) -> Option<MutexGuard<'static, ()>> {
        had(self.locks.freezing.try_lock())
    }

    /// See [`Memory::try_alone`].
    pub fn try_lock(&self) -> Option<MutexGuard<'static, State>> {
        had(self.locks.state.try_lock())
    }

    /// No order is carried out while this is held.
    pub fn lock(&self) -> MutexGuard<'static, State> {
        // A panic under the lock leaves the table as the kernel has it, up to one order; closing must go on.
        self.locks.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // The arena is unmapped next, for which nobody is to be waited for, and with it nothing that is the program's own.
        let parts = self.parts(&self.lock(), self.arena.start(), self.arena.size());
        let mut others = parts.is_err();
        for Part { range, lies, .. } in parts.unwrap_or_default() {
            match lies {
                Lies::Mapped(kind) if kind.managed => drop(self.unregister(range.start, range.end - range.start)),
                Lies::Mapped(_) | Lies::Reserved => {}
                Lies::Nothing | Lies::Others => others = true,
            }
        }
        if others {
            self.arena.abandon();
        }
        // The locks stay, what is under them need not.
        *self.lock() = State::default();
    }
}

/// What a lock guards, if nobody has it now; a panic under it leaves it as it was.
pub(crate) fn had<T>(lock: Result<T, TryLockError<T>>) -> Option<T> {
    match lock {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Whether a large page of the object can be one of the mapping.
fn takes_large_pages(address: u64, offset: u64, size: u64) -> bool {
    size >= LARGE_PAGE_SIZE && address % LARGE_PAGE_SIZE == offset % LARGE_PAGE_SIZE
}

#[cfg(test)]
mod tests {
    use proto::wire::trap::Unmap;

    use super::*;

    /// An order to map two pages of the descriptor beside it, managed, at the start of the arena.
    fn map_order(memory: &Memory) -> Order {
        let (address, size, protection) = (memory.arena.start(), 2 * PAGE_SIZE, Prot::READ.bits());
        let map = MapObject { address, size, protection, shared: true, ..MapObject::default() };
        Order { order: 1, op: Some(order::Op::Map(map)) }
    }

    fn lies(memory: &Memory) -> Vec<Lies> {
        let parts = memory.parts(&memory.lock(), memory.arena.start(), 2 * PAGE_SIZE).unwrap();
        parts.into_iter().map(|part| part.lies).collect()
    }

    #[test]
    fn half_a_mapping_is_none_and_a_whole_one_is_unmapped_without_waiting_for_the_node() {
        let memory = Memory::new(None).unwrap().unwrap();
        let memfd = Memfd::create("test", 2 * PAGE_SIZE).unwrap();
        let order = map_order(&memory);
        // Linux maps it, and does not let it be registered.
        memory.carry_out(&order, &[memfd.reader().unwrap()]).unwrap_err();
        assert_eq!(lies(&memory), [Lies::Reserved]);
        memory.carry_out(&order, &[memfd.writer().unwrap()]).unwrap();
        assert!(matches!(lies(&memory)[..], [Lies::Mapped(kind)] if kind.managed && kind.shared));
        let unmap = Unmap { address: memory.arena.start() + PAGE_SIZE, size: PAGE_SIZE };
        memory.carry_out(&Order { order: 2, op: Some(order::Op::Unmap(unmap)) }, &[]).unwrap();
        assert!(matches!(lies(&memory)[..], [Lies::Mapped(_), Lies::Reserved]));
        // Nor does its end wait for anybody, though another holds the userfaultfd.
        let _nodes = memory.uffd.try_clone().unwrap();
        drop(memory);
    }

    #[test]
    fn large_pages_need_the_size_and_one_border_of_both() {
        let (page, large) = (proto::PAGE_SIZE, LARGE_PAGE_SIZE);
        assert!(takes_large_pages(large, 0, large) && takes_large_pages(3 * large + page, page, 2 * large));
        assert!(!takes_large_pages(large + page, 0, 4 * large) && !takes_large_pages(large, 0, large - page));
    }
}
