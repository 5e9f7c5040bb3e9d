//! What can be had of the task's memory for somebody who is to get as much of it as there is: a child, or a space.
//!
//! Never what is not there, because the program itself has unmapped it, nor what the program has put in its place.
//!
//! Spec: docs/spec/vm.md [vm.inherit.3].

use std::ops::Range;

use proto::limits::FORK_COPY_BYTES_MAX;

use crate::error::CopyError;
use crate::memory::Memory;

/// How much may still be had.
pub(crate) struct Allowance {
    /// Bytes of memory that the node serves: a pager brings each of them.
    served_bytes: u64,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance { served_bytes: FORK_COPY_BYTES_MAX }
    }
}

impl Allowance {
    /// Gets what there is of a range: runs as they are, or where one cannot be had whole, each of its mappings. Returns what was
    /// had, in order.
    ///
    /// Conditions: `get` gets a range whole, or nothing of it.
    /// Errors: of `get`, when the node is gone, or something is short; anything else is a range that cannot be had.
    pub fn take(
        &mut self,
        memory: &Memory,
        range: &Range<u64>,
        mut get: impl FnMut(&Range<u64>) -> Result<(), CopyError>,
    ) -> Result<Vec<Range<u64>>, CopyError> {
        let mut had = Vec::new();
        for run in memory.intact_within(range) {
            if self.take_whole(memory, &run, &mut get)? {
                had.push(run);
                continue;
            }
            // What adjoins it may have gone meanwhile.
            for mapping in memory.mappings_within(&run).into_iter().filter(|mapping| *mapping != run) {
                if self.take_whole(memory, &mapping, &mut get)? {
                    had.push(mapping);
                }
            }
        }
        Ok(had)
    }

    fn take_whole(
        &mut self,
        memory: &Memory,
        range: &Range<u64>,
        get: &mut impl FnMut(&Range<u64>) -> Result<(), CopyError>,
    ) -> Result<bool, CopyError> {
        let Some(left) = self.served_bytes.checked_sub(memory.served_within(range)) else { return Ok(false) };
        match get(range) {
            Ok(()) => {
                self.served_bytes = left;
                Ok(true)
            }
            Err(error) if error.is_shortage() || matches!(error, CopyError::Trap(_)) => Err(error),
            Err(_) => Ok(false),
        }
    }
}
