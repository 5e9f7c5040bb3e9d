//! Copies of the task's memory without copying: freezing what the node mapped, and mapping what came frozen.
//!
//! Freezing takes three steps under one lock. (1) *Gather*: the pages that the task has written to in frozen memory of before,
//! which is mapped privately, are write-protected, and put into a file of their own, which is sealed.
//! (2) *Ask*: the node notes where they lie, has the rest of the ranges frozen by an order, and answers what lies where.
//! (3) *Settle*: the gathered pages are mapped out of their file, and the protection goes. Between (1) and (3) threads that
//! write to these wait; so all that was frozen before is as it was at one moment.
//!
//! What cannot be frozen is copied into a file; so every copy is frozen memory, whatever it was made of. Where other threads
//! may write to it meanwhile, it is had as it is at one moment, too: of the default pager's memory the node maps a copy aside,
//! out of which the bytes come, and what the node does not serve is write-protected while it is copied.
//!
//! Spec: docs/spec/vm.md, *Copies*.

use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;

use proto::limits::{FREEZE_OBJECTS_MAX, FROZEN_PARTS_MAX, TRAP_STORES_MAX};
use proto::segments::{self, Segment};
use proto::vm::{round_page, trunc_page};
use proto::wire::body::Segments;
use proto::wire::trap::{self, call};
use proto::{Chunk, Inherit, KernReturn, PAGE_SIZE, Payload, Prot};
use sys::arena::Advise;
use sys::uffd::{Mode, WriteProtect};
use sys::{Errno, Frozen, Memfd, Pagemap, SysError};

use crate::agent;
use crate::bytes_out::in_a_file;
use crate::copy::Copy;
use crate::error::{CopyError, TrapError};
use crate::mapping::Mapping;
use crate::memory::Memory;
use crate::runs::coarsen;
use crate::task::Task;

/// Pages that were written to, in a file of their own.
struct Gathered {
    memfd: Memfd,
    runs: Vec<trap::Run>,
    /// Write-protected meanwhile.
    protected: Vec<Range<u64>>,
}

impl Task {
    /// A copy of memory that the node mapped for this task, as it is now. No byte is copied of memory that
    /// [`Task::allocate`] or [`Task::map_frozen`] made and no other task shares; both copies can be written to afterwards
    /// without the other's seeing it, and the next copy costs what was written meanwhile. Up to 32 KiB are copied; of
    /// more than that each region is as it was at one moment, whichever thread of the task writes there meanwhile, but for memory
    /// with a pager of its own, of which each page is. Much memory is sealed against every change after this
    /// returns, by a thread of the library's; who receives it waits for that.
    ///
    /// Units: bytes; any range within mappings of the task.
    /// Errors: see [`CopyError`]; the memory is as before.
    /// Source: Mach 3 manual page vm_read(2); spec [vm.copy.1] to [vm.copy.3], [vm.copy.11].
    pub fn freeze(&self, address: u64, len: u64) -> Result<Payload, CopyError> {
        let memory = self.0.memory.as_ref().ok_or(CopyError::NoMemory)?;
        let pages = pages_of(address, len)?;
        // What cannot be read, or is not what was mapped, is looked at more closely below.
        if let Some(bytes) = memory.small_copy(address, len) {
            return Ok(bytes.into());
        }
        if len == 0 {
            return Ok(Payload::default());
        }
        let (_one_at_a_time, _copying) = (memory.alone(), memory.settling.copying());
        memory.refuse_changed(std::slice::from_ref(&pages))?;
        let whole = self.freeze_alone(memory, std::slice::from_ref(&pages), false)?;
        Ok(whole.slice((address - pages.start) as usize, len as usize))
    }

    /// A copy of whole pages, one range behind the other; with `whatever`, also of what may not be read.
    ///
    /// Conditions: the lock of [`Memory::alone`] is held, and all of them were as they were mapped a moment ago.
    pub(crate) fn freeze_alone(
        &self,
        memory: &Memory,
        ranges: &[Range<u64>],
        whatever: bool,
    ) -> Result<Payload, CopyError> {
        // A handler that wrote to what this thread protects would wait for itself.
        let frozen = sys::thread::undisturbed(|| {
            match self.freeze_pages(memory, ranges, false, whatever) {
                // What may not be read cannot be made one, and is had as it is.
                Ok(copy) if copy.is_wasteful() => {
                    self.freeze_pages(memory, ranges, true, whatever).or_else(|e| whatever.then_some(copy).ok_or(e))
                }
                // The map, or the process, has no room for so many pieces.
                Err(error) if is_short(&error) => self.freeze_pages(memory, ranges, true, whatever),
                done => done,
            }
        });
        let mut copy = frozen.map_err(CopyError::Sys).flatten().and_then(|copy| copy.into_payload(memory));
        if copy.as_ref().is_err_and(is_short) {
            // Nor for its files beside them.
            let whole = sys::thread::undisturbed(|| self.freeze_pages(memory, ranges, true, whatever));
            copy = whole.map_err(CopyError::Sys).flatten().and_then(|copy| copy.into_payload(memory));
        }
        // What the program has taken away is why nothing else could be done.
        copy.or_else(|error| memory.refuse_changed(ranges).and(Err(error)))
    }

    /// The same of many ranges at once, be they readable or not; nothing where that cannot be had, or would be wasteful.
    pub(crate) fn freeze_together(&self, memory: &Memory, ranges: &[Range<u64>]) -> Option<Payload> {
        let frozen = sys::thread::undisturbed(|| self.freeze_pages(memory, ranges, false, true));
        let copy = frozen.ok()?.ok().filter(|copy| !copy.is_wasteful())?;
        copy.into_payload(memory).ok()
    }

    /// The bytes of a range in a file of their own, whatever the node knows of the range. Pages of zeroes are left out of it.
    pub(crate) fn copy_bytes(&self, address: u64, len: u64) -> Result<Payload, CopyError> {
        let memory = self.0.memory.as_ref().ok_or(CopyError::NoMemory)?;
        Copy::of_bytes(self, address..address + len).into_payload(memory)
    }

    /// With `whole`, frozen memory goes into one file, written to or not; `whatever` as in [`Task::ask_freeze`].
    fn freeze_pages(
        &self,
        memory: &Memory,
        ranges: &[Range<u64>],
        whole: bool,
        whatever: bool,
    ) -> Result<Copy<'_>, CopyError> {
        let gathered = memory.gather(ranges, whole, whatever)?;
        let asked = self.ask_freeze(ranges, gathered.as_ref(), whatever);
        match gathered {
            Some(gathered) => {
                let lifted = memory.settle(gathered, asked.is_ok());
                let copy = asked?;
                lifted.map_err(CopyError::Sys)?;
                Ok(copy)
            }
            None => asked,
        }
    }

    /// With `whatever`, also of what may not be read.
    fn ask_freeze(
        &self,
        ranges: &[Range<u64>],
        gathered: Option<&Gathered>,
        whatever: bool,
    ) -> Result<Copy<'_>, CopyError> {
        let mut copy = Copy::new(self, whatever);
        let busy = !agent::is_alone();
        let mut runs = gathered.map_or(&[][..], |g| &g.runs[..]);
        let mut left = ranges.to_vec();
        while let Some(first) = left.first().cloned() {
            let (now, later) = runs.split_at(runs.len().min(FROZEN_PARTS_MAX));
            runs = later;
            // What lies where is asked with the last of them.
            let nothing = first.start..first.start;
            let asked = match later.is_empty() {
                true => &left[..left.len().min(FREEZE_OBJECTS_MAX)],
                false => std::slice::from_ref(&nothing),
            };
            let range = |range: &Range<u64>| trap::Range { address: range.start, size: range.end - range.start };
            let fd = gathered.filter(|_| !now.is_empty()).map(|g| g.memfd.as_fd());
            let freeze = trap::Freeze {
                address: asked[0].start,
                size: asked[0].end - asked[0].start,
                further: asked[1..].iter().map(range).collect(),
                runs: now.to_vec(),
                unread: whatever,
                busy,
                ..trap::Freeze::default()
            };
            let reply = self.trap(call::Op::Freeze(freeze), fd.as_slice())?;
            succeeded(reply.answer.result)?;
            if !later.is_empty() {
                continue;
            }
            had(&mut left, &reply.answer.parts)?;
            // Where Linux would not map what is aside, it is copied as it is by then.
            let mapped = reply.failed.is_none();
            copy.add(&reply.answer.parts, mapped, reply.fds, self.0.memory.as_deref())?;
        }
        Ok(copy)
    }

    /// Freezes what can be frozen of ranges that are not.
    ///
    /// Conditions: the lock of [`Memory::alone`] is held.
    pub(crate) fn freeze_for_child(&self, ranges: &[Range<u64>]) {
        // What is mapped aside for a copy that nobody makes goes again.
        if self.ask_freeze(ranges, None, true).is_err() {
            // One is not there any more, and is no reason against the others.
            ranges.iter().for_each(|range| drop(self.ask_freeze(std::slice::from_ref(range), None, true)));
        }
    }

    /// Maps out-of-line memory as memory of this task: it can be written to, and copied again at the cost of what was
    /// written. Frozen memory that came in whole pages is not copied.
    ///
    /// Conditions: with an `address`, a page border, exactly there.
    /// Errors: see [`CopyError`]; nothing is mapped.
    /// Source: spec [vm.copy.5].
    pub fn map_frozen(&self, payload: &Payload, address: Option<u64>) -> Result<Mapping, CopyError> {
        self.map_frozen_as(payload, as_allocated(address.unwrap_or(0), address.is_none()))
    }

    /// As [`Task::map_frozen`], at the first free place from `address` on.
    ///
    /// Errors: as there; `NoSpace` there is none.
    pub fn map_frozen_from(&self, payload: &Payload, address: u64) -> Result<Mapping, CopyError> {
        self.map_frozen_as(payload, as_allocated(address, true))
    }

    /// As [`Task::map_frozen`], with all arguments of `vm_map`.
    #[doc(hidden)]
    pub fn map_frozen_as(&self, payload: &Payload, how: trap::MapFrozen) -> Result<Mapping, CopyError> {
        let len = payload.len() as u64;
        if self.0.memory.is_none() {
            return Err(CopyError::NoMemory);
        }
        if len == 0 {
            return Err(CopyError::Kern(KernReturn::InvalidArgument));
        }
        let payload = &frozen(self.settled(payload.clone())?)?;
        let address = match Pieces::of(payload) {
            Some(pieces) if pieces.parts.length.len() == 1 => self.map_pieces(pieces, how),
            Some(pieces) => match self.map_pieces(pieces, how.clone()) {
                // The map, or the process, may have no room for so many pieces.
                Err(CopyError::Kern(KernReturn::NoSpace)) => self.map_pieces(Pieces::copied(payload)?, how),
                Err(error) if is_short(&error) => self.map_pieces(Pieces::copied(payload)?, how),
                done => done,
            },
            None => self.map_pieces(Pieces::copied(payload)?, how),
        }?;
        let mapped = round_page(len).expect("it is mapped");
        Ok(Mapping::whole(self, address, mapped, len))
    }

    /// Memory as it was given, when all of it is sealed; copied if that cannot be.
    pub(crate) fn settled(&self, payload: Payload) -> Result<Payload, CopyError> {
        let Some(memory) = &self.0.memory else { return Ok(payload) };
        match payload.chunks().iter().filter_map(file_of).all(|file| memory.settling.wait(&file)) {
            true => Ok(payload),
            false => copied(&payload),
        }
    }

    fn map_pieces(&self, pieces: Pieces, how: trap::MapFrozen) -> Result<u64, CopyError> {
        let op = call::Op::MapFrozen(trap::MapFrozen { parts: Some(pieces.parts), ..how });
        let fds: Vec<_> = pieces.files.iter().map(|file| file.as_fd()).collect();
        let reply = self.trap(op, &fds)?;
        if let Some((_, error)) = reply.failed {
            return Err(CopyError::Sys(error));
        }
        succeeded(reply.answer.result)?;
        Ok(reply.answer.address)
    }
}

/// Mapped as `vm_allocate` maps: readable and writable, maximum everything, inherited as a copy.
fn as_allocated(address: u64, anywhere: bool) -> trap::MapFrozen {
    trap::MapFrozen {
        address,
        anywhere,
        cur_protection: (Prot::READ | Prot::WRITE).bits(),
        max_protection: Prot::all().bits(),
        inheritance: Inherit::default() as u32,
        ..trap::MapFrozen::default()
    }
}

/// Takes out of ranges what the parts of an answer are of.
///
/// Errors: `Protocol` they are not what the ranges begin with.
fn had(ranges: &mut Vec<Range<u64>>, parts: &[trap::FreezePart]) -> Result<(), CopyError> {
    let mut whole = 0;
    for part in parts {
        let range = ranges
            .get_mut(whole)
            .filter(|range| part.address == range.start && part.size > 0 && part.size <= range.end - range.start);
        let range = range.ok_or(TrapError::Protocol("a part that was not asked for"))?;
        range.start += part.size;
        whole += usize::from(range.is_empty());
    }
    if parts.is_empty() {
        return Err(TrapError::Protocol("a freeze that does not go on").into());
    }
    ranges.drain(..whole);
    Ok(())
}

/// The pages of a range.
///
/// Errors: `InvalidArgument` it wraps.
fn pages_of(address: u64, len: u64) -> Result<Range<u64>, CopyError> {
    let end = address.checked_add(len).and_then(round_page);
    Ok(trunc_page(address)..end.ok_or(CopyError::Kern(KernReturn::InvalidArgument))?)
}

/// Whether it may go with fewer pieces.
fn is_short(error: &CopyError) -> bool {
    match error {
        CopyError::Kern(code) => *code == KernReturn::ResourceShortage,
        CopyError::Sys(error) => error.errno == Errno::NOMEM,
        _ => false,
    }
}

/// Errors: the node's code, if it is not `Success`.
pub(crate) fn succeeded(result: i32) -> Result<(), CopyError> {
    match KernReturn::from_raw(result) {
        Some(KernReturn::Success) => Ok(()),
        Some(code) => Err(CopyError::Kern(code)),
        None => Err(TrapError::Protocol("a code that the kernel has not").into()),
    }
}

/// A payload as descriptors and parts of them, for `MapFrozen`.
struct Pieces {
    files: Vec<Arc<Frozen>>,
    parts: Segments,
}

impl Pieces {
    /// The same bytes in one file: one piece.
    fn copied(payload: &Payload) -> Result<Pieces, CopyError> {
        Ok(Pieces::of(&copied(payload)?).expect("one file is one piece"))
    }

    /// `None` for one that is not frozen, not in whole pages, or in too many pieces.
    fn of(payload: &Payload) -> Option<Pieces> {
        let (mut files, mut parts): (Vec<Arc<Frozen>>, Vec<Segment>) = (Vec::new(), Vec::new());
        for chunk in payload.chunks() {
            let (file, offset) = (file_of(chunk)?, chunk.stored()?.1);
            let fd = files.iter().position(|f| f.id() == file.id()).unwrap_or_else(|| {
                files.push(file);
                files.len() - 1
            }) as u32;
            segments::join(&mut parts, Segment { fd, offset, length: chunk.len() as u64 });
        }
        let whole = |part: &Segment| part.offset.is_multiple_of(PAGE_SIZE) && part.length.is_multiple_of(PAGE_SIZE);
        let (last, rest) = parts.split_last()?;
        let pages = rest.iter().all(whole) && last.offset.is_multiple_of(PAGE_SIZE);
        let parts = Segments::of(parts);
        (pages && files.len() <= TRAP_STORES_MAX && parts.fits()).then_some(Pieces { files, parts })
    }
}

/// The frozen file that bytes lie in, if they do in one.
fn file_of(chunk: &Chunk) -> Option<Arc<Frozen>> {
    chunk.stored()?.0.clone().downcast().ok()
}

/// Bytes one behind the other in a frozen file.
fn in_frozen<T: AsRef<[u8]>>(chunks: &[T]) -> Result<Arc<Frozen>, CopyError> {
    Memfd::frozen("mach-copy", chunks).and_then(Frozen::new).map(Arc::new).map_err(CopyError::Sys)
}

/// The same bytes; what of them lay in no frozen file lies in one now.
pub(crate) fn frozen(payload: Payload) -> Result<Payload, CopyError> {
    let bytes: Vec<&Chunk> = payload.chunks().iter().filter(|chunk| file_of(chunk).is_none()).collect();
    if bytes.is_empty() {
        return Ok(payload);
    }
    let (file, mut offset, mut out) = (in_frozen(&bytes)?, 0, Payload::default());
    for chunk in payload.chunks() {
        match file_of(chunk) {
            Some(_) => out.push_chunk(chunk.clone()),
            None => {
                out.push_stored(file.bytes(offset, chunk.len()).expect("it was put there"), file.clone(), offset);
                offset += chunk.len() as u64;
            }
        }
    }
    Ok(out)
}

/// The same bytes in one frozen file.
fn copied(payload: &Payload) -> Result<Payload, CopyError> {
    let frozen = in_frozen(payload.chunks())?;
    let mut copy = Payload::default();
    copy.push_stored(frozen.bytes(0, payload.len()).expect("all of it"), frozen, 0);
    Ok(copy)
}

impl Memory {
    /// The bytes of a range that is so small that copying it costs less than the calls; `None` if it is not, or cannot be read, or
    /// is not what was mapped.
    pub(crate) fn small_copy(&self, address: u64, len: u64) -> Option<Vec<u8>> {
        if len > COPIED_BYTES_MAX || !self.arena.contains(address, len) {
            return None;
        }
        let mut bytes = vec![0; len as usize];
        sys::guarded::stand_first();
        let read = self.arena.read(address, &mut bytes).is_ok();
        (read && self.is_readable(&pages_of(address, len).ok()?)).then_some(bytes)
    }

    /// (1): `None` when nothing in the ranges was frozen before, or nothing of that was written to.
    fn gather(&self, ranges: &[Range<u64>], whole: bool, whatever: bool) -> Result<Option<Gathered>, CopyError> {
        let private: Vec<Range<u64>> = ranges.iter().flat_map(|range| self.private_within(range)).collect();
        if private.is_empty() {
            return Ok(None);
        }
        let mut protected = Vec::with_capacity(private.len());
        let result = self.gather_from(&private, whole, whatever, &mut protected);
        match result {
            Ok(Some((memfd, runs))) => Ok(Some(Gathered { memfd, runs, protected })),
            nothing => {
                let lifted = self.lift(&protected);
                nothing?;
                lifted.map(|()| None).map_err(CopyError::Sys)
            }
        }
    }

    fn gather_from(
        &self,
        private: &[Range<u64>],
        whole: bool,
        whatever: bool,
        protected: &mut Vec<Range<u64>>,
    ) -> Result<Option<(Memfd, Vec<trap::Run>)>, CopyError> {
        // Errands write to memory, too, but not while this lock is held ([`Memory::alone`]).
        let alone = agent::is_alone();
        let written = match whole {
            true => self.protect_whole(private, alone, protected),
            false => self.protect_written(private, alone, protected),
        };
        let mut written = written.map_err(CopyError::Sys)?;
        if written.is_empty() {
            return Ok(None);
        }
        if !whole && !self.has_room_for_runs(&written) {
            written = self.protect_whole(private, alone, protected).map_err(CopyError::Sys)?;
        }
        let (memfd, runs) = in_a_file(self, &written, whatever)?;
        memfd.freeze_own().map_err(CopyError::Sys)?;
        Ok(Some((memfd, runs)))
    }

    /// Takes all of it for written to; nothing of it can be from then on until the protection is lifted.
    fn protect_whole(
        &self,
        private: &[Range<u64>],
        alone: bool,
        protected: &mut Vec<Range<u64>>,
    ) -> Result<Vec<Range<u64>>, SysError> {
        // Where no other thread can write there is nothing to protect.
        if !alone {
            self.protect_all(private, protected)?;
        }
        Ok(private.to_vec())
    }

    /// Finds what was written to, so that nothing else of that can be from then on until the protection is lifted.
    ///
    /// The page tables tell best before they are protected: that leaves a mark on each page that is not there, which looks
    /// like a page that was swapped out or is being moved, and so like one that may have been written to. What a thread
    /// writes between the look and the protection takes a page fault, if it is a page's first. So (4A) where no other thread can
    /// write there is nothing to protect; nor (4B) where nothing was written, which was so when the look began; (4C) where no
    /// thread took a fault until what was written is protected, the look holds, and what is written elsewhere later is later;
    /// (4D) else all of it is protected, and the pages are brought in, which takes the marks off, and looked at again. A kernel
    /// that cannot tell (before 6.7) has all of it copied.
    fn protect_written(
        &self,
        private: &[Range<u64>],
        alone: bool,
        protected: &mut Vec<Range<u64>>,
    ) -> Result<Vec<Range<u64>>, SysError> {
        let before = sys::thread::faults_of_others()?;
        let Ok(found) = written_in(private) else { return self.protect_whole(private, alone, protected) };
        let written = coarsen(&found);
        if alone || written.is_empty() {
            return Ok(written);
        }
        let few = written.len() <= PROTECTED_RUNS_MAX;
        self.protect_runs(private, if few { &written } else { private }, protected)?;
        if sys::thread::faults_of_others()? == before {
            return Ok(written);
        }
        if few {
            self.protect_all(private, protected)?;
        }
        for range in private {
            let _ = self.arena.advise(range.start, range.end - range.start, Advise::PopulateRead);
        }
        written_in(private).map(|found| coarsen(&found))
    }

    pub(crate) fn protect_all(&self, private: &[Range<u64>], protected: &mut Vec<Range<u64>>) -> Result<(), SysError> {
        self.protect_runs(private, private, protected)
    }

    /// Has threads wait that write to any of `runs`, which lie within `ranges`; both in order.
    fn protect_runs(
        &self,
        ranges: &[Range<u64>],
        runs: &[Range<u64>],
        protected: &mut Vec<Range<u64>>,
    ) -> Result<(), SysError> {
        let mut protect = |part: Range<u64>| {
            self.freezer.register(part.start, part.end - part.start, Mode::WRITE_PROTECT)?;
            protected.push(part.clone());
            let first = runs.partition_point(|run| run.end <= part.start);
            runs[first..].iter().take_while(|run| run.start < part.end).try_for_each(|run| {
                let (from, to) = (run.start.max(part.start), run.end.min(part.end));
                self.freezer.write_protect(from, to - from, WriteProtect::On, false).map(drop)
            })
        };
        ranges.iter().try_for_each(|range| self.on_unmanaged(range, &mut protect))
    }

    /// (3): `taken` says that the node knows of the file.
    fn settle(&self, gathered: Gathered, taken: bool) -> Result<(), SysError> {
        if taken {
            // Where it cannot be mapped the bytes are the same, and are gathered again the next time.
            let _ = self.remap(&gathered.runs, gathered.memfd.as_fd(), false);
        }
        self.lift(&gathered.protected)
    }

    /// Takes the protection off all ranges, whatever becomes of one.
    pub(crate) fn lift(&self, protected: &[Range<u64>]) -> Result<(), SysError> {
        let lift = |range: &Range<u64>| {
            // It takes the protection with it. Of those who wait it wakes who waits for a missing page. What the node serves
            // by now has to stay registered.
            let lifted = self.on_unmanaged(range, |part| self.freezer.unregister(part.start, part.end - part.start));
            self.freezer.wake(range.start, range.end - range.start).and(lifted)
        };
        protected.iter().map(lift).fold(Ok(()), Result::and)
    }
}

/// The pages of private mappings that were written to.
fn written_in(private: &[Range<u64>]) -> Result<Vec<Vec<Range<u64>>>, SysError> {
    let pagemap = Pagemap::open()?;
    private.iter().map(|range| pagemap.anonymous(range.clone())).collect()
}

/// More runs of written pages are not protected one by one, but with all that is around them.
const PROTECTED_RUNS_MAX: usize = 32;
/// So little is copied: it costs less than the calls.
pub(crate) const COPIED_BYTES_MAX: u64 = 32 << 10;
