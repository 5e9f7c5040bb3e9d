//! The task's memory on both sides of a fork: what the child is left, and what it keeps.
//!
//! Spec: docs/spec/vm.md [vm.inherit.5].

use std::ops::Range;

use sys::arena::Advise;
use sys::{Errno, SysError};

use crate::intact::Lies;
use crate::memory::{Memory, State};
use crate::ranges::Kind;

impl Memory {
    /// Decides what a child by fork(2) gets: of the memory that the node does not serve, the `kept` ranges.
    pub fn leave_to_child(&self, state: &State, kept: &[Range<u64>]) {
        let advise = |address, size, advise| {
            for part in self.mapped_parts(state, address, size).unwrap_or_default() {
                let _ = self.arena.advise(part.start, part.end - part.start, advise);
            }
        };
        for (start, end, _) in state.ranges.all().filter(|(_, _, kind)| !kind.managed) {
            advise(start, end - start, Advise::DontFork);
        }
        for range in kept {
            advise(range.start, range.end - range.start, Advise::DoFork);
        }
    }

    /// The memory of a child of fork(2), in the child: the `kept` parts of its parent's are there until the node has said what
    /// of them it has, and no others. What Linux left out of the child is reserved again.
    ///
    /// Conditions: before the child has other threads; `of_parent` was locked since before the fork. The parent's memory is
    /// not used any more in this process, nor dropped.
    /// Errors: no userfaultfd, or too many mappings.
    pub fn inherit(&self, of_parent: &State, kept: &[Range<u64>]) -> Result<Memory, SysError> {
        let memory = Memory::over(|| self.arena.inherit())??;
        let mut state = memory.lock();
        for range in kept {
            for (start, end, kind) in of_parent.ranges.within(range.start, range.end - range.start) {
                // A lock is the parent's alone.
                state.inherited.insert(start, end - start, Kind { locked: false, ..kind });
            }
        }
        let arena = &memory.arena;
        for part in memory.parts(&state, arena.start(), arena.size())? {
            if part.lies == Lies::Nothing {
                arena.reclaim(part.range.start, part.range.end - part.range.start)?;
            }
        }
        drop(state);
        Ok(memory)
    }

    /// What was inherited and is not to be kept goes.
    pub fn drop_inherited(&self) {
        let mut state = self.lock();
        for (start, end, _) in std::mem::take(&mut state.inherited).all() {
            let _ = self.arena.release(start, end - start);
        }
    }
}

/// The process has the range by fork(2), as its parent had it.
pub(crate) fn keep(state: &mut State, address: u64, size: u64) -> Result<(), SysError> {
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
