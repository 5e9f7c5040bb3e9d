//! Copies of many ranges of the task's memory at once, for an address space in a message and for children without a fork.
//!
//! Each range is as it was at one moment, but not all at the same one, unless the task's other threads do nothing meanwhile.

use std::collections::BTreeSet;

use proto::Payload;
use proto::limits::{FORK_COPY_BYTES_MAX, TRAP_STORES_MAX};
use proto::wire::trap::ForkPart;

use crate::errand::Brought;
use crate::error::CopyError;
use crate::memory::Memory;
use crate::task::Task;

impl Task {
    /// Copies of ranges, one behind the other; of those that are to be shared nothing, but they can be from then on. What cannot
    /// be had is left out, as is memory that the node serves beyond [`FORK_COPY_BYTES_MAX`].
    ///
    /// Errors: the node is gone, or the task has no memory.
    pub(crate) fn collect(&self, ranges: &[ForkPart]) -> Result<Brought, CopyError> {
        let memory = self.0.memory.as_ref().ok_or(CopyError::NoMemory)?;
        let _one_at_a_time = memory.alone();
        let mut collected = Collected::default();
        let mut at = 0;
        while at < ranges.len() {
            // What adjoins is had together where that can be: at one moment, in one call, and a small part with the rest.
            let count = adjoining(&ranges[at..]);
            let parts = &ranges[at..at + count];
            let pages = parts[0].address..parts[count - 1].address.saturating_add(parts[count - 1].size);
            let together =
                !parts[0].share && memory.is_unmanaged(pages.start, pages.end.saturating_sub(pages.start), None);
            match together.then(|| self.freeze_alone(memory, &pages, true)) {
                Some(Ok(copy)) => collected.add(copy),
                Some(Err(CopyError::Trap(error))) => return Err(CopyError::Trap(error)),
                _ => {
                    for (number, part) in parts.iter().enumerate() {
                        self.collect_part(memory, part, at + number, &mut collected)?;
                    }
                }
            }
            at += count;
        }
        Ok(collected.brought)
    }

    fn collect_part(
        &self,
        memory: &Memory,
        part: &ForkPart,
        number: usize,
        collected: &mut Collected,
    ) -> Result<(), CopyError> {
        let pages = part.address..part.address.saturating_add(part.size);
        if part.share {
            // What cannot be shared is missing in the child.
            let _ = self.thaw(memory, &pages);
            return Ok(());
        }
        let served = if memory.is_unmanaged(part.address, part.size, None) { 0 } else { part.size };
        let within = collected.served_bytes.saturating_add(served) <= FORK_COPY_BYTES_MAX;
        match within.then(|| self.freeze_alone(memory, &pages, true)) {
            Some(Ok(copy)) => {
                collected.served_bytes += served;
                collected.add(copy);
            }
            Some(Err(CopyError::Trap(error))) => return Err(CopyError::Trap(error)),
            _ => collected.brought.left_out.push(number as u32),
        }
        Ok(())
    }
}

/// What there is of a collection.
#[derive(Default)]
struct Collected {
    brought: Brought,
    /// Files that it is in.
    files: BTreeSet<usize>,
    /// Bytes of memory that the node serves.
    served_bytes: u64,
}

impl Collected {
    fn add(&mut self, copy: Payload) {
        self.brought.memory.append(few_files(copy, &mut self.files));
    }
}

/// How many ranges, from the first on, go on where the one before ends; all to be copied, or just one to be shared.
fn adjoining(ranges: &[ForkPart]) -> usize {
    let goes_on = |pair: &&[ForkPart]| {
        !pair[0].share && !pair[1].share && pair[0].address.checked_add(pair[0].size) == Some(pair[1].address)
    };
    1 + ranges.windows(2).take_while(goes_on).count()
}

/// The copy as it is while there are not too many files for one record, then as bytes.
fn few_files(copy: Payload, files: &mut BTreeSet<usize>) -> Payload {
    let id =
        |chunk: &proto::Chunk| chunk.stored().map(|(store, _)| std::sync::Arc::as_ptr(store).cast::<()>() as usize);
    let new: BTreeSet<usize> = copy.chunks().iter().filter_map(id).filter(|id| !files.contains(id)).collect();
    if files.len() + new.len() >= TRAP_STORES_MAX {
        return copy.to_bytes().into();
    }
    files.extend(new);
    copy
}
