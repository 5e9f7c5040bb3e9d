//! What is asked of the host port for the memory of a task (`proto/idl/mach/host_vm.proto`).
//!
//! The host port is Mach's of that name, not its privileged one: whoever holds it gets what a bound permits.
//! Rules carried out: `docs/spec/vm.md` [vm.wire], [vm.machine].

use kernel_core::vm::OrderId;
use proto::iface::host_vm::Request;
use proto::{KernReturn, NamedRight, PAGE_SIZE};

use crate::node::Node;

impl Node {
    /// Carries one routine out. Gives the right to the task up. The answer waits for the orders.
    ///
    /// Errors: `InvalidTask` the right is none to a task of this node; as the routine has them.
    pub(crate) fn host_vm_call(&mut self, request: Request<NamedRight>) -> Result<Vec<OrderId>, KernReturn> {
        let right = *match &request {
            Request::VmWire(r) => &r.task,
            Request::VmWireAll(r) => &r.task,
            Request::VmAllocateContiguous(r) => &r.target_task,
            Request::VmPagesPhys(r) => &r.target_task,
        };
        let task = self.kernel.task_named(self.host.server.space, right.name);
        self.release_rights(vec![right]);
        let task = task.ok_or(KernReturn::InvalidTask)?;
        self.with_kernel(|kernel, cx| match request {
            Request::VmWire(r) => kernel.vm_wire(task, r.address, r.size, r.access, cx),
            Request::VmWireAll(r) => kernel.vm_wire_all(task, r.flags, cx),
            Request::VmAllocateContiguous(r) => Err(contiguous(r.size, r.pmin, r.palign)),
            Request::VmPagesPhys(_) => Err(KernReturn::NoAccess),
        })
    }
}

/// Arguments that no machine has room for are wrong, all others are refused for want of such memory.
fn contiguous(size: u64, lowest: u64, alignment: u64) -> KernReturn {
    let aligned = alignment <= PAGE_SIZE && (alignment == 0 || PAGE_SIZE.is_multiple_of(alignment));
    if size == 0 || lowest != 0 || !aligned { KernReturn::InvalidArgument } else { KernReturn::ResourceShortage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vm_machine_2_contiguous_memory_is_refused() {
        assert_eq!(contiguous(0, 0, 0), KernReturn::InvalidArgument);
        assert_eq!(contiguous(1, 4096, 0), KernReturn::InvalidArgument);
        assert_eq!(contiguous(1, 0, 8192), KernReturn::InvalidArgument);
        assert_eq!(contiguous(1, 0, 512), KernReturn::ResourceShortage);
    }
}
