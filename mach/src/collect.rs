//! Copies of many ranges of the task's memory at once, for an address space in a message and for children without a fork.
//!
//! Each range is as it was at one moment, but for those that are so small that `vm_read` would copy them, and not all at the same
//! one, unless the task's other threads do nothing meanwhile. Many large ones are frozen by one call to the node.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use proto::limits::{FORK_PARTS_MAX, TRAP_STORES_MAX};
use proto::wire::trap::ForkPart;
use proto::{Chunk, KernReturn, Payload, ranges};

use crate::allowance::Allowance;
use crate::errand::Brought;
use crate::error::CopyError;
use crate::freeze::{COPIED_BYTES_MAX, frozen};
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
        let (_one_at_a_time, _copying) = (memory.alone(), memory.settling.copying());
        let (mut collected, mut allowance, mut left_out) = (Collected::default(), Allowance::default(), Vec::new());
        let mut together = self.collect_together(memory, parts);
        // What adjoins is had together where that can be: at one moment, in one call, and a small part with the rest.
        for parts in parts.chunk_by(goes_on) {
            let range = as_one(parts);
            if parts[0].share {
                // What cannot be shared is missing in the child.
                allowance.take(memory, &range, |part| self.thaw(memory, part))?;
                continue;
            }
            let had = allowance.take(memory, &range, |part| {
                if let Some(copy) = together.remove(&(part.start, part.end)) {
                    return collected.add(copy);
                }
                let small = || memory.small_copy(part.start, part.end - part.start);
                let copy = match collected.takes_bytes().then(small).flatten() {
                    Some(bytes) => bytes.into(),
                    None => self.freeze_alone(memory, std::slice::from_ref(part), true)?,
                };
                collected.add(copy)
            })?;
            left_out.extend(ranges::without(&range, &had));
        }
        if left_out.len() > FORK_PARTS_MAX {
            return Err(CopyError::Kern(KernReturn::ResourceShortage));
        }
        let mut brought = Brought::from(frozen(collected.memory)?);
        brought.left_out = left_out;
        Ok(brought)
    }

    /// What can be had at once: copies of large ranges that Linux alone serves, by first address and end. None if that fails, for
    /// then each is looked at by itself.
    fn collect_together(&self, memory: &Memory, parts: &[ForkPart]) -> BTreeMap<(u64, u64), Payload> {
        let copied = parts.chunk_by(goes_on).filter(|parts| !parts[0].share).map(as_one);
        let wanted = |run: &Range<u64>| run.end - run.start > COPIED_BYTES_MAX && memory.served_within(run) == 0;
        let runs = copied.flat_map(|range| memory.intact_within(&range)).filter(wanted);
        let runs: Vec<Range<u64>> = runs.take(TOGETHER_MAX).collect();
        if runs.len() < 2 {
            return BTreeMap::new();
        }
        let Some(all) = self.freeze_together(memory, &runs) else { return BTreeMap::new() };
        let mut at = 0;
        let mut of = |run: Range<u64>| {
            let size = (run.end - run.start) as usize;
            at += size;
            ((run.start, run.end), all.slice(at - size, size))
        };
        runs.into_iter().map(&mut of).collect()
    }
}

/// Whether two ranges adjoin, and are to be had as one.
fn goes_on(one: &ForkPart, next: &ForkPart) -> bool {
    one.share == next.share && one.address.checked_add(one.size) == Some(next.address)
}

/// Ranges that adjoin.
fn as_one(parts: &[ForkPart]) -> Range<u64> {
    let last = &parts[parts.len() - 1];
    parts[0].address..last.address.saturating_add(last.size)
}

/// What there is of a collection.
#[derive(Default)]
struct Collected {
    memory: Payload,
    /// Files that it came in.
    files: BTreeSet<usize>,
    /// Files made here, of bytes that came in none: a file for each small range would be too many.
    own_files: usize,
}

impl Collected {
    /// Whether bytes that lie in no file find one.
    fn takes_bytes(&self) -> bool {
        self.own_files < OWN_FILES_MAX
    }

    /// Adds a copy: as it is while there are not too many files for one record, then as bytes.
    fn add(&mut self, copy: Payload) -> Result<(), CopyError> {
        let id = |chunk: &Chunk| chunk.stored().map(|(store, _)| Arc::as_ptr(store).cast::<()>() as usize);
        let new: BTreeSet<usize> = copy.chunks().iter().filter_map(id).filter(|id| !self.files.contains(id)).collect();
        if self.files.len() + new.len() + OWN_FILES_MAX + 1 >= TRAP_STORES_MAX {
            self.memory.push(Bytes::copy_from_slice(&copy.to_bytes()));
        } else {
            self.files.extend(new);
            self.memory.append(copy);
        }
        if self.memory.held_bytes() >= LOOSE_BYTES_MAX && self.takes_bytes() {
            self.memory = frozen(std::mem::take(&mut self.memory))?;
            self.own_files += 1;
        }
        Ok(())
    }
}

/// Bytes that lie in no file yet, about.
const LOOSE_BYTES_MAX: usize = 16 << 20;
/// Files of such bytes in one collection, but for the last one; what is small beyond them is had as what is large.
const OWN_FILES_MAX: usize = 31;
/// Ranges that are had at once: as many as there may be files of them.
const TOGETHER_MAX: usize = TRAP_STORES_MAX - OWN_FILES_MAX - 1;
