//! Copies of many ranges of the task's memory at once, for an address space in a message and for children without a fork.
//!
//! Each range is as it was at one moment, but not all at the same one, unless the task's other threads do nothing meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::limits::{FORK_PARTS_MAX, TRAP_STORES_MAX};
use proto::wire::trap::ForkPart;
use proto::{Chunk, KernReturn, Payload, ranges};

use crate::allowance::Allowance;
use crate::errand::Brought;
use crate::error::CopyError;
use crate::task::Task;

impl Task {
    /// Copies of ranges, one behind the other; of those that are to be shared nothing, but they can be from then on. What cannot
    /// be had is left out ([`Allowance`]).
    ///
    /// Errors: the node is gone, or the task has no memory; `ResourceShortage` too many parts would have to be left out.
    pub(crate) fn collect(&self, parts: &[ForkPart]) -> Result<Brought, CopyError> {
        let memory = self.0.memory.as_ref().ok_or(CopyError::NoMemory)?;
        let _one_at_a_time = memory.alone();
        let (mut brought, mut allowance, mut files) = (Brought::default(), Allowance::default(), BTreeSet::new());
        // What adjoins is had together where that can be: at one moment, in one call, and a small part with the rest.
        for parts in parts.chunk_by(goes_on) {
            let last = &parts[parts.len() - 1];
            let range = parts[0].address..last.address.saturating_add(last.size);
            if last.share {
                // What cannot be shared is missing in the child.
                allowance.take(memory, &range, |part| self.thaw(memory, part))?;
                continue;
            }
            let had = allowance.take(memory, &range, |part| {
                brought.memory.append(few_files(self.freeze_alone(memory, part, true)?, &mut files));
                Ok(())
            })?;
            brought.left_out.extend(ranges::without(&range, &had));
        }
        if brought.left_out.len() > FORK_PARTS_MAX {
            return Err(CopyError::Kern(KernReturn::ResourceShortage));
        }
        Ok(brought)
    }
}

/// Whether two ranges are to be had together.
fn goes_on(one: &ForkPart, next: &ForkPart) -> bool {
    one.share == next.share && one.address.checked_add(one.size) == Some(next.address)
}

/// The copy as it is while there are not too many files for one record, then as bytes.
fn few_files(copy: Payload, files: &mut BTreeSet<usize>) -> Payload {
    let id = |chunk: &Chunk| chunk.stored().map(|(store, _)| Arc::as_ptr(store).cast::<()>() as usize);
    let new: BTreeSet<usize> = copy.chunks().iter().filter_map(id).filter(|id| !files.contains(id)).collect();
    if files.len() + new.len() >= TRAP_STORES_MAX {
        return copy.to_bytes().into();
    }
    files.extend(new);
    copy
}
