//! The task's managed memory: carrying out the node's orders, and closing when the node is gone.
//!
//! Shared by the threads that call and the agent. Invariants:
//! 1. A part of the arena becomes accessible only after it was registered, so no thread can make a zero page there.
//! 2. Orders are carried out, and memory is closed, under one lock, which is never held while managed memory is touched.
//!    After closing no order is carried out: nothing could serve what it would map.
//! 3. The descriptor held here keeps waiting threads asleep when the node dies, until [`Memory::fail_closed`] has given
//!    each of them an error (uffd-rules 1).

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::Prot;
use proto::vm::LARGE_PAGE_SIZE;
use proto::wire::body::Segment;
use proto::wire::trap::{FreezeObject, MapObject, MapParts, Order, order};
use sys::arena::Advise;
use sys::uffd::{Features, Mode, WriteProtect};
use sys::{Arena, Backing, Errno, Memfd, SysError, Uffd, UffdMode};

use crate::ranges::{Kind, Ranges};
use crate::settling::Settling;

/// Address space for the node's choice; the first size that the system grants.
const ARENA_SIZES: [u64; 5] = [16 << 40, 1 << 40, 64 << 30, 4 << 30, 256 << 20];

/// Less than this is torn down and sealed at once.
const ASIDE_BYTES_MIN: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Memory {
    pub uffd: Uffd,
    pub mode: UffdMode,
    pub arena: Arena,
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
    ranges: Ranges,
    /// What this process has by fork(2) and has not been told to keep.
    inherited: Ranges,
    closed: bool,
}

impl State {
    fn private_within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let private = |kind: &Kind| !kind.managed && !kind.shared;
        let parts = self.ranges.within(range.start, range.end - range.start).into_iter();
        let mut out: Vec<Range<u64>> = Vec::new();
        for (start, end, _) in parts.filter(|(_, _, kind)| private(kind)) {
            match out.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => out.push(start..end),
            }
        }
        out
    }
}

impl Memory {
    /// With a `place`, at these addresses (the first one, bytes) and no others.
    ///
    /// Errors: the outer one no userfaultfd, the inner one no address space or no handlers.
    pub fn new(place: Option<(u64, u64)>) -> Result<Result<Memory, SysError>, SysError> {
        let (uffd, mode) = Uffd::open(Features::MANAGED)?;
        let arena = || match place {
            Some((start, size)) => Arena::reserve_exactly(start, size),
            None => Arena::reserve(&ARENA_SIZES),
        };
        let prepared = sys::guarded::install().and_then(|()| arena());
        Ok(prepared.map(|arena| Memory {
            uffd,
            mode,
            arena,
            settling: Arc::default(),
            locks: Box::leak(Box::default()),
        }))
    }

    /// The memory of a child of fork(2), in the child: the `kept` parts of its parent's are there until the node has said what
    /// of them it has, and no others.
    ///
    /// Conditions: as [`Arena::inherit`]; `of_parent` was locked since before the fork.
    /// Errors: no userfaultfd, or too many mappings.
    pub fn inherit(&self, of_parent: &State, kept: &[Range<u64>]) -> Result<Memory, SysError> {
        let arena = self.arena.inherit(kept)?;
        let (uffd, mode) = Uffd::open(Features::MANAGED)?;
        let locks: &'static Locks = Box::leak(Box::default());
        let memory = Memory { uffd, mode, arena, settling: Arc::default(), locks };
        let inherited = &mut memory.lock().inherited;
        for range in kept {
            for (start, end, kind) in of_parent.ranges.within(range.start, range.end - range.start) {
                // A lock is the parent's alone.
                inherited.insert(start, end - start, Kind { locked: false, ..kind });
            }
        }
        Ok(memory)
    }

    /// What was inherited and is not to be kept goes.
    pub fn drop_inherited(&self) {
        let mut state = self.lock();
        for (start, end, _) in std::mem::take(&mut state.inherited).all() {
            let _ = self.arena.release(start, end - start);
        }
    }

    /// Carries out one order; `fds` came beside it.
    ///
    /// Errors: what Linux refused; the range is unmapped then. `EBADF` the descriptor is missing; `EINVAL` outside the
    /// arena; `EPIPE` the node is gone; `EAGAIN` the process may not lock so much.
    pub fn carry_out(&self, order: &Order, fds: &[OwnedFd]) -> Result<(), SysError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SysError::new("order", Errno::PIPE, "the node is gone"));
        }
        match order.op.as_ref() {
            Some(order::Op::Map(map)) => self.map(&mut state, map, fds),
            Some(order::Op::MapParts(parts)) => self.map_parts(&mut state, parts, fds),
            Some(order::Op::Freeze(freeze)) => self.freeze_object(&mut state, freeze, fds),
            Some(order::Op::Inherit(inherit)) => keep(&mut state, inherit.address, inherit.size),
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
            if self.close_range(start, end - start, kind).is_err() {
                let _ = self.unmap(&mut state, start, end - start);
            }
        }
    }

    fn close_range(&self, address: u64, size: u64, kind: Kind) -> Result<(), SysError> {
        if kind.shared {
            if kind.protection.contains(Prot::WRITE) {
                self.arena.protect(address, size, kind.protection - Prot::WRITE)?;
            }
            self.uffd.write_protect(address, size, WriteProtect::Off, true)?;
        }
        let sweep = self.uffd.poison(address, size)?;
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
        match done {
            Ok(()) => {
                let kind = Kind { managed: !unmanaged, shared, protection, locked: false };
                state.ranges.insert(address, size, kind);
            }
            // Half a mapping would be one that nobody serves.
            Err(_) => drop(self.unmap(state, address, size)),
        }
        done
    }

    fn map_parts(&self, state: &mut State, order: &MapParts, fds: &[OwnedFd]) -> Result<(), SysError> {
        let (address, protection) = (order.address, Prot::from_bits_truncate(order.protection));
        let size = order.parts.iter().try_fold(0u64, |all, part| all.checked_add(part.length));
        let size = size.filter(|size| self.arena.contains(address, *size));
        let size = size.ok_or_else(|| SysError::new("order", Errno::INVAL, "parts that leave the arena"))?;
        let mapped = in_mappings(address, &order.parts).into_iter().try_for_each(|(at, part)| {
            let fd = fds.get(part.fd as usize).ok_or_else(|| SysError::new("order", Errno::BADF, "no descriptor"))?;
            self.arena.map(at, part.length, Backing::Private(fd.as_fd(), part.offset), protection)?;
            if takes_large_pages(at, part.offset, part.length) {
                let _ = self.arena.advise(at, part.length, Advise::HugePages);
            }
            Ok(())
        });
        let mapped = mapped.and_then(|()| self.arena.advise(address, size, Advise::DontFork));
        match mapped {
            Ok(()) => {
                state.ranges.insert(address, size, Kind { managed: false, shared: false, protection, locked: false })
            }
            Err(_) => drop(self.unmap(state, address, size)),
        }
        mapped
    }

    /// All threads of the task go over to the private mapping at one moment.
    fn freeze_object(&self, state: &mut State, freeze: &FreezeObject, fds: &[OwnedFd]) -> Result<(), SysError> {
        let map = freeze.map.ok_or_else(|| SysError::new("order", Errno::INVAL, "a freeze of nothing"))?;
        let MapObject { address, size, offset, .. } = map;
        let fd = fds.get(map.fd as usize).ok_or_else(|| SysError::new("order", Errno::BADF, "no descriptor"))?;
        let protection = Prot::from_bits_truncate(map.protection);
        let wanted = |kind: &Kind| kind.shared && !kind.managed;
        let parts = state.ranges.within(address, size);
        let whole =
            matches!(&parts[..], [(start, end, kind)] if wanted(kind) && end - start == size && *start == address);
        // To tear the page tables of much memory down takes longer than all else: that is left to another thread.
        let aside = match freeze.seal && size >= ASIDE_BYTES_MIN && whole {
            true => self.arena.set_aside(address, size).ok(),
            false => None,
        };
        // Another thread may have unmapped a part meanwhile. What is wired is not frozen.
        for (start, end, _) in parts.into_iter().filter(|(_, _, kind)| wanted(kind)) {
            let backing = Backing::Private(fd.as_fd(), offset + (start - address));
            self.arena.map(start, end - start, backing, protection)?;
            let kind = Kind { managed: false, shared: false, protection, locked: false };
            state.ranges.insert(start, end - start, kind);
        }
        if freeze.seal {
            // Where somebody else can still write to it, whoever hands it on sees that it is not sealed, and copies.
            let memfd = fd.try_clone().map_err(|_| SysError::new("dup(2)", Errno::MFILE, "a memfd"))?;
            let memfd = Memfd::adopt(memfd)?;
            match aside {
                Some(aside) => self.settling.begin(memfd, aside),
                None => drop(memfd.freeze()),
            }
        }
        Ok(())
    }

    /// The private parts of a range that the node does not serve: frozen memory, and what was written to it. None once
    /// the node is gone.
    pub fn private_within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        self.lock().private_within(range)
    }

    /// Does something to each such part, while nothing can be mapped in place of it.
    pub fn on_private(
        &self,
        range: &Range<u64>,
        act: impl FnMut(Range<u64>) -> Result<(), SysError>,
    ) -> Result<(), SysError> {
        let state = self.lock();
        state.private_within(range).into_iter().try_for_each(act)
    }

    /// How an address is mapped, if it is.
    pub fn kind_at(&self, address: u64) -> Option<Kind> {
        self.lock().ranges.within(address, 1).first().map(|(_, _, kind)| *kind)
    }

    /// Whether all of a range is mapped and not served by the node; and, if that is asked, shared or not.
    pub fn is_unmanaged(&self, address: u64, size: u64, shared: Option<bool>) -> bool {
        let parts = self.lock().ranges.within(address, size);
        let bytes: u64 = parts.iter().map(|(start, end, _)| end - start).sum();
        bytes == size && parts.iter().all(|(_, _, kind)| !kind.managed && shared.is_none_or(|s| s == kind.shared))
    }

    /// Maps a part of a file with the same bytes in place of private memory, as far as it still is private.
    pub fn remap_private(&self, address: u64, size: u64, file: BorrowedFd<'_>, offset: u64) -> Result<(), SysError> {
        self.remap(address, size, offset, false, |at| Backing::Private(file, at))
    }

    /// The same, and the memory is shared from then on.
    pub fn remap_shared(&self, address: u64, size: u64, file: BorrowedFd<'_>, offset: u64) -> Result<(), SysError> {
        self.remap(address, size, offset, true, |at| Backing::Shared(file, at))
    }

    fn remap<'fd>(
        &self,
        address: u64,
        size: u64,
        offset: u64,
        shared: bool,
        backing: impl Fn(u64) -> Backing<'fd>,
    ) -> Result<(), SysError> {
        let mut state = self.lock();
        let parts = state.ranges.within(address, size).into_iter();
        for (start, end, kind) in parts.filter(|(_, _, kind)| !kind.managed && !kind.shared) {
            self.arena.map(start, end - start, backing(offset + (start - address)), kind.protection)?;
            if kind.locked {
                // The lock went with what was mapped there, which had as many pages.
                self.arena.lock(start, end - start, true)?;
            }
            if shared {
                state.ranges.insert(start, end - start, Kind { shared, ..kind });
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

    fn unmap(&self, state: &mut State, address: u64, size: u64) -> Result<(), SysError> {
        self.arena.release(address, size)?;
        state.ranges.remove(address, size);
        // Whoever waits there is not woken by the unmapping (uffd-rules 6).
        self.uffd.wake(address, size)
    }

    /// Only what is mapped: a reserved part must not become accessible.
    fn protect(&self, state: &mut State, address: u64, size: u64, protection: Prot) -> Result<(), SysError> {
        if !self.arena.contains(address, size) {
            return Err(SysError::new("order", Errno::INVAL, format!("{size:#x} bytes at {address:#x}")));
        }
        for (start, end, _) in state.ranges.within(address, size) {
            self.arena.protect(start, end - start, protection)?;
        }
        state.ranges.protect(address, size, protection);
        Ok(())
    }

    /// Only what is mapped. No page is touched: that could wait for a pager, under the lock.
    fn wire(&self, state: &mut State, address: u64, size: u64, wired: bool) -> Result<(), SysError> {
        for (start, end, _) in state.ranges.within(address, size) {
            if let Err(error) = self.arena.lock(start, end - start, wired) {
                // A part that is locked belongs to no wired range; what unlocking answers changes nothing.
                let _ = self.arena.lock(address, size, false);
                state.ranges.lock(address, size, false);
                // Not "too many mappings", for which the node takes ENOMEM.
                return Err(SysError { errno: Errno::AGAIN, ..error });
            }
        }
        state.ranges.lock(address, size, wired);
        Ok(())
    }

    /// No order is carried out while this is held.
    pub fn lock(&self) -> MutexGuard<'static, State> {
        // A panic under the lock leaves the table as the kernel has it, up to one order; closing must go on.
        self.locks.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what a child by fork(2) gets: of the memory that the node does not serve, the `kept` ranges.
    pub fn leave_to_child(&self, state: &State, kept: &[Range<u64>]) {
        let advise = |start: u64, end: u64, advise| drop(self.arena.advise(start, end - start, advise));
        for (start, end, _) in state.ranges.all().filter(|(_, _, kind)| !kind.managed) {
            advise(start, end, Advise::DontFork);
        }
        for range in kept {
            advise(range.start, range.end, Advise::DoFork);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // The locks stay, what is under them need not.
        *self.lock() = State::default();
    }
}

/// The process has the range by fork(2), as its parent had it.
fn keep(state: &mut State, address: u64, size: u64) -> Result<(), SysError> {
    let parts = state.inherited.within(address, size);
    if parts.iter().map(|(start, end, _)| end - start).sum::<u64>() != size {
        return Err(SysError::new("order", Errno::INVAL, "what was to be inherited is not there"));
    }
    for (start, end, kind) in parts {
        state.ranges.insert(start, end - start, kind);
    }
    state.inherited.remove(address, size);
    Ok(())
}

/// What to map where, in this order, for parts that lie one behind the other from an address on. What the others cut out of
/// one file is mapped as one, and they over it: that takes about half as many calls.
fn in_mappings(address: u64, parts: &[Segment]) -> Vec<(u64, Segment)> {
    let mut at = address;
    let place = |part: &Segment| {
        at += part.length;
        (at - part.length, *part)
    };
    let placed: Vec<(u64, Segment)> = parts.iter().map(place).collect();
    let Some((there, largest)) = placed.iter().max_by_key(|(_, part)| part.length).copied() else { return placed };
    let lies_with = |(at, part): &(u64, Segment)| {
        part.fd == largest.fd && part.offset.wrapping_sub(*at) == largest.offset.wrapping_sub(there)
    };
    let [first, last] = [placed.iter().find(|p| lies_with(p)), placed.iter().rfind(|p| lies_with(p))];
    let (Some((start, first)), Some((end, last))) = (first, last) else { return placed };
    let whole = Segment { length: end + last.length - start, ..*first };
    std::iter::once((*start, whole)).chain(placed.iter().filter(|p| !lies_with(p)).copied()).collect()
}

/// Whether a large page of the object can be one of the mapping.
fn takes_large_pages(address: u64, offset: u64, size: u64) -> bool {
    size >= LARGE_PAGE_SIZE && address % LARGE_PAGE_SIZE == offset % LARGE_PAGE_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cut_out_of_one_file_is_mapped_as_one() {
        let part = |fd, offset, length| Segment { fd, offset, length };
        let mapped = |parts: &[Segment]| {
            let lines = in_mappings(1000, parts).into_iter();
            lines.map(|(at, p)| (at - 1000, p.fd, p.offset, p.length)).collect::<Vec<_>>()
        };
        let scattered = [part(1, 0, 5), part(0, 35, 50), part(1, 5, 5), part(0, 90, 10), part(0, 0, 7), part(1, 9, 1)];
        let base = (5, 0, 35, 65);
        assert_eq!(mapped(&scattered), [base, (0, 1, 0, 5), (55, 1, 5, 5), (70, 0, 0, 7), (77, 1, 9, 1)]);
        assert_eq!(mapped(&[part(3, 8, 4)]), [(0, 3, 8, 4)]);
        assert_eq!(mapped(&[part(0, 8, 4), part(0, 0, 4)]).len(), 2);
        assert_eq!(mapped(&[]), []);
    }

    #[test]
    fn large_pages_need_the_size_and_one_border_of_both() {
        let (page, large) = (proto::PAGE_SIZE, LARGE_PAGE_SIZE);
        assert!(takes_large_pages(large, 0, large) && takes_large_pages(3 * large + page, page, 2 * large));
        assert!(!takes_large_pages(large + page, 0, 4 * large) && !takes_large_pages(large, 0, large - page));
    }
}
