//! Copies of many ranges of the task's memory at once, for an address space in a message and for children without a fork.
//!
//! Each range is as it was at one moment, but for those that are so small that `vm_read` would copy them, and not all at the same
//! one, unless the task's other threads do nothing meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use proto::limits::{FORK_PARTS_MAX, TRAP_STORES_MAX};
use proto::wire::trap::ForkPart;
use proto::{Chunk, KernReturn, Payload, ranges};
use sys::{Frozen, Memfd};

use crate::allowance::Allowance;
use crate::errand::Brought;
use crate::error::CopyError;
use crate::freeze::COPIED_BYTES_MAX;
use crate::memory::Memory;
use crate::task::Task;

impl Task {
    /// Copies of ranges, one behind the other; of those that are to be shared nothing, but they can be from then on. What cannot
    /// be had is left out ([`Allowance`]).
    ///
    /// Errors: the node is gone, the task has no memory, or something is short; `ResourceShortage` too many parts would have to
    /// be left out.
    pub(crate) fn collect(&self, parts: &[ForkPart]) -> Result<Brought, CopyError> {
        let memory = self.0.memory.as_ref().ok_or(CopyError::NoMemory)?;
        let _one_at_a_time = memory.alone();
        let (mut collected, mut allowance, mut left_out) = (Collected::default(), Allowance::default(), Vec::new());
        // What adjoins is had together where that can be: at one moment, in one call, and a small part with the rest.
        for parts in parts.chunk_by(goes_on) {
            let last = &parts[parts.len() - 1];
            let range = parts[0].address..last.address.saturating_add(last.size);
            if last.share {
                // What cannot be shared is missing in the child.
                allowance.take(memory, &range, |part| self.thaw(memory, part))?;
                continue;
            }
            let had = allowance.take(memory, &range, |part| match collected.copy(memory, part)? {
                true => Ok(()),
                false => self.freeze_alone(memory, part, true).map(|copy| collected.add(copy)),
            })?;
            left_out.extend(ranges::without(&range, &had));
        }
        if left_out.len() > FORK_PARTS_MAX {
            return Err(CopyError::Kern(KernReturn::ResourceShortage));
        }
        let mut brought = Brought::from(collected.into_payload()?);
        brought.left_out = left_out;
        Ok(brought)
    }
}

/// Whether two ranges are to be had together.
fn goes_on(one: &ForkPart, next: &ForkPart) -> bool {
    one.share == next.share && one.address.checked_add(one.size) == Some(next.address)
}

/// What there is of a collection.
#[derive(Default)]
struct Collected {
    pieces: Vec<Piece>,
    /// Small pieces, one behind the other, that have no file yet.
    small: Vec<u8>,
    /// The files of those before.
    small_files: Vec<Arc<Frozen>>,
    /// Files of the other ones.
    files: BTreeSet<usize>,
}

enum Piece {
    Frozen(Payload),
    /// Which file, and where in it.
    Small(usize, Range<usize>),
}

impl Collected {
    /// Copies a small range as it is, since a file for each would be too many; `false` it is large, or cannot be read.
    fn copy(&mut self, memory: &Memory, range: &Range<u64>) -> Result<bool, CopyError> {
        let (start, size) = (self.small.len(), range.end - range.start);
        if size > COPIED_BYTES_MAX || self.small_files.len() >= SMALL_FILES_MAX {
            return Ok(false);
        }
        self.small.resize(start + size as usize, 0);
        let read = memory.arena.read(range.start, &mut self.small[start..]);
        if read.is_err() || !memory.is_intact(range) {
            self.small.truncate(start);
            return Ok(false);
        }
        self.pieces.push(Piece::Small(self.small_files.len(), start..self.small.len()));
        if self.small.len() >= SMALL_BYTES_MAX {
            self.put_away()?;
        }
        Ok(true)
    }

    /// The copy as it is while there are not too many files for one record, then as bytes.
    fn add(&mut self, copy: Payload) {
        let id = |chunk: &Chunk| chunk.stored().map(|(store, _)| Arc::as_ptr(store).cast::<()>() as usize);
        let new: BTreeSet<usize> = copy.chunks().iter().filter_map(id).filter(|id| !self.files.contains(id)).collect();
        if self.files.len() + new.len() + SMALL_FILES_MAX >= TRAP_STORES_MAX {
            return self.pieces.push(Piece::Frozen(Bytes::copy_from_slice(&copy.to_bytes()).into()));
        }
        self.files.extend(new);
        self.pieces.push(Piece::Frozen(copy));
    }

    fn put_away(&mut self) -> Result<(), CopyError> {
        let frozen = Memfd::frozen("mach-copy", &[&self.small]).and_then(Frozen::new).map_err(CopyError::Sys)?;
        self.small_files.push(Arc::new(frozen));
        self.small.clear();
        Ok(())
    }

    fn into_payload(mut self) -> Result<Payload, CopyError> {
        if !self.small.is_empty() {
            self.put_away()?;
        }
        let mut payload = Payload::default();
        for piece in self.pieces {
            match piece {
                Piece::Frozen(copy) => payload.append(copy),
                Piece::Small(file, place) => {
                    let file = self.small_files[file].clone();
                    let bytes = file.bytes(place.start as u64, place.len()).expect("it was put there");
                    payload.push_stored(bytes, file, place.start as u64);
                }
            }
        }
        Ok(payload)
    }
}

/// Small pieces in one file.
const SMALL_BYTES_MAX: usize = 16 << 20;
/// Their files in one collection; what is small beyond them is had as what is large.
const SMALL_FILES_MAX: usize = 32;
