//! Frozen memory that a child is to share: it becomes memory of the task again that Linux maps shared.
//!
//! The reverse of freezing ([`crate::freeze`]), with the same three steps: the bytes are put into a file that is not sealed
//! while no thread can write there, the node notes it, and the file is mapped in their place.
//!
//! Spec: docs/spec/vm.md [vm.inherit.4].

use std::ops::Range;
use std::os::fd::AsFd;

use proto::wire::trap::{self, call};

use crate::agent;
use crate::bytes_out::in_a_file;
use crate::error::CopyError;
use crate::freeze::succeeded;
use crate::memory::Memory;
use crate::task::Task;

impl Task {
    /// Makes the frozen memory of a range memory that can be shared, with the same bytes.
    ///
    /// Conditions: the lock of [`Memory::alone`] is held.
    /// Errors: see [`CopyError`]; the memory is as before.
    pub(crate) fn thaw(&self, memory: &Memory, range: &Range<u64>) -> Result<(), CopyError> {
        let private = memory.private_within(range);
        if private.is_empty() {
            return Ok(());
        }
        let mut protected = Vec::new();
        let thawed = sys::thread::undisturbed(|| {
            let done = self.thaw_private(memory, &private, &mut protected);
            memory.lift(&protected).map_err(CopyError::Sys).and(done)
        });
        // What the program has taken away is why nothing else could be done.
        thawed.map_err(CopyError::Sys).flatten().or_else(|error| memory.refuse_changed(&private).and(Err(error)))
    }

    fn thaw_private(
        &self,
        memory: &Memory,
        private: &[Range<u64>],
        protected: &mut Vec<Range<u64>>,
    ) -> Result<(), CopyError> {
        if !agent::is_alone() {
            memory.protect_all(private, protected).map_err(CopyError::Sys)?;
        }
        let (memfd, runs) = in_a_file(memory, private, true)?;
        let (first, last) = (private[0].start, private[private.len() - 1].end);
        let thaw = trap::Freeze {
            address: first,
            size: last - first,
            runs: runs.clone(),
            thaw: true,
            ..trap::Freeze::default()
        };
        succeeded(self.trap(call::Op::Freeze(thaw), &[memfd.as_fd()])?.answer.result)?;
        memory.remap(&runs, memfd.as_fd(), true).map_err(CopyError::Sys)
    }
}
