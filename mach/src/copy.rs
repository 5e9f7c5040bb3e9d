//! A copy of ranges while it is made: which parts of it lie in frozen files, and which are to be copied, and from where.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use proto::limits::{FREEZE_ORDERS_MAX, TRAP_STORES_MAX};
use proto::segments::Segment;
use proto::wire::body::Segments;
use proto::wire::trap::{self, call};
use proto::{PAGE_SIZE, Payload};
use sys::{Frozen, Memfd};

use crate::agent;
use crate::bytes_out::copy_all;
use crate::error::{CopyError, TrapError};
use crate::memory::Memory;
use crate::task::Task;

/// What ranges are made of, one behind the other.
pub(crate) struct Copy<'a> {
    task: &'a Task,
    /// Also of what may not be read.
    whatever: bool,
    parts: Vec<Part>,
    /// Where the node has mapped something aside for this copy, until it is dropped.
    asides: Vec<u64>,
}

struct Part {
    range: Range<u64>,
    lies: Lies,
}

/// Where a part is to be had.
#[derive(Clone)]
enum Lies {
    /// In a frozen file, from this byte on.
    In(Arc<Frozen>, u64),
    /// In the task's memory, from this address on: it has to be copied.
    At(u64),
}

impl Part {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn to_copy(&self) -> Option<Range<u64>> {
        match self.lies {
            Lies::At(address) => Some(address..address + self.len()),
            Lies::In(..) => None,
        }
    }
}

impl<'a> Copy<'a> {
    pub fn new(task: &'a Task, whatever: bool) -> Copy<'a> {
        Copy { task, whatever, parts: Vec::new(), asides: Vec::new() }
    }

    /// A copy of a range that is to be copied byte by byte, whatever the node knows of it.
    pub fn of_bytes(task: &'a Task, range: Range<u64>) -> Copy<'a> {
        let lies = Lies::At(range.start);
        Copy { task, whatever: false, parts: vec![Part { range, lies }], asides: Vec::new() }
    }

    /// Adds what the node answered, and whether what it has mapped aside is `mapped`. A file that is not sealed after all, nor
    /// going to be, has to be copied.
    pub fn add(
        &mut self,
        parts: &[trap::FreezePart],
        mapped: bool,
        fds: Vec<OwnedFd>,
        memory: Option<&Memory>,
    ) -> Result<(), CopyError> {
        let mut end = None;
        for part in parts {
            // Parts that adjoin are one mapping.
            self.asides.extend(part.aside.filter(|aside| end != Some((*aside, part.address))));
            end = part.aside.map(|aside| (aside + part.size, part.address + part.size));
        }
        // What is in small pieces is of no use before it is sealed: the node would copy them.
        let pieces = parts.iter().any(|part| part.size < SETTLING_BYTES_MIN);
        let frozen = |fd: OwnedFd| {
            let memfd = Memfd::adopt(fd).ok()?;
            let settling = memory.and_then(|memory| Some((memory, memory.settling.get(memfd.id().ok()?)?)));
            match settling {
                Some((memory, file)) if !pieces || memory.settling.wait(&file) => Some(file),
                Some(_) => None,
                None => Frozen::new(memfd).ok().map(Arc::new),
            }
        };
        let files: Vec<Option<Arc<Frozen>>> = fds.into_iter().map(frozen).collect();
        for part in parts {
            let file = match part.fd {
                None => None,
                Some(fd) => files.get(fd as usize).ok_or(TrapError::Protocol("a part without its file"))?.as_ref(),
            };
            let at = Lies::At(part.aside.filter(|_| mapped).unwrap_or(part.address));
            let lies = file.map_or(at, |file| Lies::In(file.clone(), part.offset));
            self.parts.push(Part { range: part.address..part.address + part.size, lies });
        }
        Ok(())
    }

    /// Whether it is in so many pieces, or in files so large beside it, that one file is better.
    pub fn is_wasteful(&self) -> bool {
        let (mut files, mut copied): (BTreeMap<_, u32>, _) = (BTreeMap::new(), 0);
        let piece = |part: &Part| {
            let (next, length) = (files.len() as u32 + 1, part.len());
            let (fd, offset) = match &part.lies {
                Lies::In(file, offset) => (*files.entry((file.id(), file.size())).or_insert(next), *offset),
                Lies::At(_) => {
                    copied += length;
                    (0, copied - length)
                }
            };
            Segment { fd, offset, length }
        };
        let fits = Segments::of(self.parts.iter().map(piece)).fits();
        let bytes: u64 = files.keys().map(|(_, size)| size).sum();
        !fits || files.len() > FILES_MAX || bytes > 2 * self.parts.iter().map(Part::len).sum::<u64>()
    }

    /// The bytes, all of them in frozen files.
    pub fn into_payload(self, memory: &Memory) -> Result<Payload, CopyError> {
        let own = self.copied(memory)?;
        let (mut payload, mut at) = (Payload::default(), 0);
        for part in &self.parts {
            let len = part.len();
            let (file, offset) = match &part.lies {
                Lies::In(file, offset) => (file.clone(), *offset),
                Lies::At(_) => {
                    at += len;
                    (own.clone().expect("made for these parts"), at - len)
                }
            };
            // Behind the end of a file, in its last page, there are zeroes.
            let there = len.min(file.size().saturating_sub(offset));
            let bytes = file.bytes(offset, there as usize).ok_or(TrapError::Protocol("a part beyond its file"))?;
            payload.push_stored(bytes, file, offset);
            if len - there >= PAGE_SIZE {
                return Err(TrapError::Protocol("a part beyond its file").into());
            }
            payload.push(vec![0; (len - there) as usize].into());
        }
        Ok(payload)
    }

    /// What has to be copied, one part behind the other in a file.
    fn copied(&self, memory: &Memory) -> Result<Option<Arc<Frozen>>, CopyError> {
        let to_copy: Vec<Range<u64>> = self.parts.iter().filter_map(Part::to_copy).collect();
        if to_copy.is_empty() {
            return Ok(None);
        }
        let bytes = to_copy.iter().map(|range| range.end - range.start).sum();
        let memfd = Memfd::freezable("mach-copy", bytes).map_err(CopyError::Sys)?;
        // What is served can wait for a pager, and nobody who writes is to wait for one.
        let served = |range: &Range<u64>| memory.kind_at(range.start).is_some_and(|kind| kind.managed);
        let mut to = 0;
        for ranges in to_copy.chunk_by(|a, b| served(a) == served(b)) {
            match served(&ranges[0]) || agent::is_alone() {
                true => copy_all(memory, ranges, self.whatever, &memfd, to)?,
                false => copy_steady(memory, ranges, self.whatever, &memfd, to)?,
            }
            to += ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        }
        memfd.freeze_own().map_err(CopyError::Sys)?;
        Ok(Some(Arc::new(Frozen::new(memfd).map_err(CopyError::Sys)?)))
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        for asides in self.asides.chunks(FREEZE_ORDERS_MAX) {
            let copied = trap::Freeze { copied: asides.to_vec(), ..trap::Freeze::default() };
            // If the node is gone, so is what it mapped.
            let _ = self.task.trap(call::Op::Freeze(copied), &[]);
        }
    }
}

/// As [`copy_all`], while no thread of the task can write there.
fn copy_steady(
    memory: &Memory,
    ranges: &[Range<u64>],
    whatever: bool,
    memfd: &Memfd,
    to: u64,
) -> Result<(), CopyError> {
    // A handler that wrote to what this thread protects would wait for itself.
    let copied = sys::thread::undisturbed(|| {
        let mut protected = Vec::with_capacity(ranges.len());
        let done = memory.protect_all(ranges, &mut protected).map_err(CopyError::Sys);
        let done = done.and_then(|()| copy_all(memory, ranges, whatever, memfd, to));
        memory.lift(&protected).map_err(CopyError::Sys).and(done)
    });
    copied.map_err(CopyError::Sys).flatten()
}

/// Files of one copy above which it is made one.
const FILES_MAX: usize = TRAP_STORES_MAX - 1;
/// Parts of what is not sealed yet are no smaller.
const SETTLING_BYTES_MIN: u64 = 1 << 20;
