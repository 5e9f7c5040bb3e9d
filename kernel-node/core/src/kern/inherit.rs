//! Tasks that are made from another: the child of a fork, and `task_create`.
//!
//! Spec: docs/spec/vm.md [vm.inherit.2] to [vm.inherit.7].

use std::ops::Range;

use super::{Cx, Kernel};
use crate::TaskId;
use crate::vm::{ForkRefused, Ready};

impl Kernel {
    /// A task without a process, with its parent's bootstrap port and what it inherits of its parent's memory; and the
    /// ranges that its process has by fork(2), if the parent's `forks`.
    ///
    /// Errors: as [`crate::vm::Vm::task_fork`], and `ResourceShortage` too many tasks or ports; there is no child then.
    /// Followed by [`Kernel::settle`].
    pub fn task_fork(
        &mut self,
        parent: TaskId,
        ready: &[Ready],
        forks: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(TaskId, Vec<Range<u64>>), ForkRefused> {
        let child = self.task_of_parent(parent).map_err(ForkRefused::Code)?;
        let forked = self.vm_call(cx, |vm, cx| vm.task_fork(parent, child, ready, forks, cx));
        forked.map(|kept| (child, kept)).inspect_err(|_| self.task_gone(child, cx))
    }
}
