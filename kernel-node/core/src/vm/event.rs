//! What [`super::Vm`] tells the outside: calls for pagers, and results of what takes time.
//!
//! Events are pushed to `VmCx::out` in the order in which they must be sent: calls for one object are FIFO.

use proto::{KernReturn, Payload, Prot, TraceId};

use super::ObjectId;
use crate::{TaskId, Time};

/// Names something of the caller's that waits for a result: a reply right, a suspended RPC. `vm` gives each back once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// One thing that the caller of a `Vm` method has to do after it returns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VmEvent {
    /// A task writes to memory where that can be neither permitted nor refused: its process is to be ended.
    Unruly {
        /// Whose.
        task: TaskId,
    },
    /// Send `call` to the pager of `object`.
    ToPager {
        /// Whose pager, and the control port to name in the call.
        object: ObjectId,
        /// The call.
        call: ToPager,
        /// The activity that caused it; 0 if none did.
        trace: TraceId,
    },
    /// An msync came to its end.
    MsyncDone {
        /// As it was passed to `vm_msync`.
        ticket: Ticket,
        /// `Success` when every pager said that the range is durable.
        result: KernReturn,
    },
    /// A fault for which `Vm::fault` answered `Waiting` came to its end: for metrics and traces only, the thread has
    /// been woken.
    FaultDone {
        /// Whose thread.
        task: TaskId,
        /// The page.
        address: u64,
        /// What it took.
        class: FaultClass,
        /// When `Vm::fault` was called.
        since: Time,
        /// As given with the fault.
        trace: TraceId,
    },
    /// The object is no more: its control and name ports and the association with its pager's port go.
    ObjectGone {
        /// Which; the id is never used again.
        object: ObjectId,
    },
}

/// A call of the memory_object interface, without the ports that the caller adds. Source: mach-api §3.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToPager {
    /// `memory_object_init`: the object is mapped for the first time.
    Init,
    /// `memory_object_create`: the object is anonymous memory of so many bytes, and the default pager becomes its pager. It
    /// need not say that it is ready.
    Create {
        /// Bytes.
        size: u64,
    },
    /// `memory_object_terminate`: nothing will be asked or returned any more; the control port dies. From here on the
    /// pager's port does not denote this object: another mapping of it makes a new one.
    Terminate,
    /// `memory_object_data_request`.
    DataRequest {
        /// First byte; a page boundary.
        offset: u64,
        /// Bytes; whole pages.
        length: u64,
        /// `READ` or `READ | WRITE`.
        access: Prot,
        /// Nobody waits for it yet.
        read_ahead: bool,
    },
    /// `memory_object_data_unlock`.
    DataUnlock {
        /// First byte; a page boundary.
        offset: u64,
        /// Bytes; one page.
        length: u64,
        /// The access that is wanted.
        access: Prot,
    },
    /// `memory_object_data_return`.
    DataReturn {
        /// First byte; a page boundary.
        offset: u64,
        /// The pages.
        data: Payload,
        /// They were written since they were supplied or last returned.
        dirty: bool,
        /// This kernel keeps the pages.
        kernel_copy: bool,
    },
    /// `memory_object_lock_completed`, for the reply right behind `ticket`.
    LockCompleted {
        /// As it was passed with the request.
        ticket: Ticket,
        /// As in the request.
        offset: u64,
        /// As in the request.
        length: u64,
    },
    /// `memory_object_supply_completed`, for the reply right behind `ticket`.
    SupplyCompleted {
        /// As it was passed with the supply.
        ticket: Ticket,
        /// As in the supply.
        offset: u64,
        /// As in the supply.
        length: u64,
        /// `Success`, `MemoryPresent`, or why the pages could not be taken.
        result: KernReturn,
        /// The first page that was not taken, unless `Success`.
        error_offset: u64,
    },
    /// `memory_object_synchronize`: what was returned before must become durable.
    Synchronize {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// `VM_SYNC_*` as the task gave them.
        flags: u32,
    },
}

/// What a fault took; the classes of the latency histogram.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FaultClass {
    /// The page was resident and the access granted; or it came up out of what its object shadows.
    Minor,
    /// The page was there, or on its way, because read-ahead had asked for it.
    ReadAhead,
    /// The page came from its pager.
    RemoteRead,
    /// The page came from its pager for a writer, or the pager granted writing.
    RemoteWrite,
    /// The pager said that the page is zero: no byte came.
    Zero,
    /// The thread got a memory error.
    Error,
    /// The page's range was unmapped, or its protection forbids the access: Linux tells the thread.
    Refused,
}

impl FaultClass {
    /// All classes, for tables.
    pub const ALL: [FaultClass; 7] = [
        FaultClass::Minor,
        FaultClass::ReadAhead,
        FaultClass::RemoteRead,
        FaultClass::RemoteWrite,
        FaultClass::Zero,
        FaultClass::Error,
        FaultClass::Refused,
    ];

    /// The class as a metrics label.
    pub const fn label(self) -> &'static str {
        match self {
            FaultClass::Minor => "minor",
            FaultClass::ReadAhead => "read_ahead",
            FaultClass::RemoteRead => "remote_read",
            FaultClass::RemoteWrite => "remote_write",
            FaultClass::Zero => "zero",
            FaultClass::Error => "error",
            FaultClass::Refused => "refused",
        }
    }
}
