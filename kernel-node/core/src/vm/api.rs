//! (signatures; each moves to its file as it is filled in)
use super::*;

/// The virtual memory of a node.
pub struct Vm {}

#[allow(unused_variables, missing_docs, clippy::new_without_default)]
impl Vm {
    pub fn new(config: Config) -> Vm {
        unimplemented!()
    }
    /// Errors: `NoSpace` bad arena, `NameExists` known task, `ResourceShortage` too many.
    pub fn task_create(&mut self, task: TaskId, arena: std::ops::Range<u64>) -> Result<(), KernReturn> {
        unimplemented!()
    }
    /// The process is dead: no order and no wake goes to it any more. Idempotent.
    pub fn task_gone(&mut self, task: TaskId, cx: &mut VmCx<'_>) {
        unimplemented!()
    }
    /// An object for a pager's port; `Init` goes out with its first mapping. If that `vm_map` fails, `ObjectGone` follows at once.
    pub fn object_create(&mut self) -> Result<ObjectId, KernReturn> {
        unimplemented!()
    }

    pub fn vm_allocate(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        anywhere: bool,
        cx: &mut VmCx<'_>,
    ) -> Result<Mapped, KernReturn> {
        unimplemented!()
    }
    /// A terminating object is revived; a dead or unknown one: `InvalidArgument`.
    pub fn vm_map(&mut self, task: TaskId, request: MapRequest, cx: &mut VmCx<'_>) -> Result<Mapped, KernReturn> {
        unimplemented!()
    }
    pub fn vm_deallocate(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<OrderId>, KernReturn> {
        unimplemented!()
    }
    pub fn vm_protect(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        set_maximum: bool,
        protection: u32,
        cx: &mut VmCx<'_>,
    ) -> Result<Vec<OrderId>, KernReturn> {
        unimplemented!()
    }
    pub fn vm_region(&self, task: TaskId, address: u64) -> Result<Region, KernReturn> {
        unimplemented!()
    }
    /// `Ok`: `MsyncDone{ticket}` follows (possibly it is already in `out`). `Err`: it does not.
    pub fn vm_msync(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        flags: u32,
        ticket: Ticket,
        cx: &mut VmCx<'_>,
    ) -> Result<(), KernReturn> {
        unimplemented!()
    }
    /// The task carried an order out, or could not. Unknown orders are ignored.
    pub fn order_done(&mut self, order: OrderId, result: Result<(), KernReturn>, cx: &mut VmCx<'_>) {
        unimplemented!()
    }

    pub fn fault(&mut self, fault: Fault, cx: &mut VmCx<'_>) -> FaultOutcome {
        unimplemented!()
    }

    // memory_object_control: calls for an unknown object are ignored (a ticket in them comes back at once).
    pub fn memory_object_ready(&mut self, object: ObjectId, cx: &mut VmCx<'_>) {
        unimplemented!()
    }
    pub fn memory_object_data_supply(&mut self, object: ObjectId, supply: Supply, cx: &mut VmCx<'_>) {
        unimplemented!()
    }
    pub fn memory_object_data_unavailable(
        &mut self,
        object: ObjectId,
        offset: u64,
        size: u64,
        lock: Prot,
        cx: &mut VmCx<'_>,
    ) {
        unimplemented!()
    }
    pub fn memory_object_data_error(
        &mut self,
        object: ObjectId,
        offset: u64,
        size: u64,
        error: KernReturn,
        cx: &mut VmCx<'_>,
    ) {
        unimplemented!()
    }
    pub fn memory_object_lock_request(&mut self, object: ObjectId, request: LockRequest, cx: &mut VmCx<'_>) {
        unimplemented!()
    }
    pub fn memory_object_destroy(&mut self, object: ObjectId, cx: &mut VmCx<'_>) {
        unimplemented!()
    }
    pub fn memory_object_synchronize_completed(
        &mut self,
        object: ObjectId,
        offset: u64,
        length: u64,
        result: KernReturn,
        cx: &mut VmCx<'_>,
    ) {
        unimplemented!()
    }
    /// The pager's port died (or its node did): waiters get errors, resident pages stay readable. Idempotent.
    pub fn pager_died(&mut self, object: ObjectId, cx: &mut VmCx<'_>) {
        unimplemented!()
    }

    /// When `tick` has to be called next; may be in the past (call it soon).
    pub fn next_deadline(&self) -> Option<Time> {
        unimplemented!()
    }
    /// Deadlines, holds that ended, and the next piece of long work.
    pub fn tick(&mut self, cx: &mut VmCx<'_>) {
        unimplemented!()
    }

    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }
    pub fn object_stats(&self) -> Vec<ObjectStat> {
        unimplemented!()
    }
    pub fn object_stat(&self, object: ObjectId) -> Option<ObjectStat> {
        unimplemented!()
    }
    pub fn task_stats(&self) -> Vec<TaskStat> {
        unimplemented!()
    }
}
