//! Copies of many ranges of the task's memory at once, for an address space in a message and for children without a fork.
//!
//! Each range is as it was at one moment, but not all at the same one, unless the task's other threads do nothing meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;

use proto::Payload;
use proto::limits::{FORK_COPY_BYTES_MAX, TRAP_STORES_MAX};
use proto::wire::trap::ForkPart;

use crate::errand::Brought;
use crate::error::CopyError;
use crate::task::Task;

impl Task {
    /// Copies of ranges, one behind the other; of those that are to be shared nothing, but they can be from then on. What cannot
    /// be had is left out, as is memory that the node serves beyond [`FORK_COPY_BYTES_MAX`].
    ///
    /// Errors: the node is gone, or the task has no memory.
    pub(crate) fn collect(&self, ranges: &[ForkPart]) -> Result<Brought, CopyError> {
        let memory = self.0.memory.as_ref().ok_or(CopyError::NoMemory)?;
        let _one_at_a_time = memory.alone();
        for whole in joined(ranges) {
            // Together, since a small part alone is not frozen; what cannot be is copied below.
            let _ = self.freeze_for_child(&whole);
        }
        let mut brought = Brought::default();
        let (mut files, mut served_bytes) = (BTreeSet::new(), 0);
        for (number, part) in ranges.iter().enumerate() {
            let pages = part.address..part.address.saturating_add(part.size);
            if part.share {
                // What cannot be shared is missing in the child.
                let _ = self.thaw(memory, &pages);
                continue;
            }
            let served = if memory.is_unmanaged(part.address, part.size, None) { 0 } else { part.size };
            served_bytes += served;
            let copy = match served_bytes <= FORK_COPY_BYTES_MAX {
                true => self.freeze_alone(memory, &pages, true),
                false => Err(CopyError::NoMemory),
            };
            match copy {
                Ok(copy) => brought.memory.append(few_files(copy, &mut files)),
                Err(CopyError::Trap(error)) => return Err(CopyError::Trap(error)),
                Err(_) => {
                    served_bytes -= served;
                    brought.left_out.push(number as u32);
                }
            }
        }
        Ok(brought)
    }
}

/// The ranges that are to be copied, those that adjoin made one.
fn joined(ranges: &[ForkPart]) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for part in ranges.iter().filter(|part| !part.share) {
        let end = part.address.saturating_add(part.size);
        match out.last_mut() {
            Some(last) if last.end == part.address => last.end = end,
            _ => out.push(part.address..end),
        }
    }
    out
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
