//! What a directory asks its shell to do.

use proto::{KernReturn, Prot, TraceId};

use crate::{ClientId, Pages};

/// Names one read, write or sync at the store, until its result is handed in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// The lock value of a lock request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lock {
    /// `VM_PROT_NO_CHANGE`.
    NoChange,
    /// These kinds of access are prohibited.
    Prohibit(Prot),
}

impl Lock {
    /// The number that stands in the message.
    pub fn raw(self) -> u32 {
        match self {
            Lock::NoChange => proto::vm::PROT_NO_CHANGE,
            Lock::Prohibit(prot) => prot.bits(),
        }
    }
}

/// What the store says of some pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece<D> {
    /// Their contents.
    Data(D),
    /// They are zero, and no byte need travel.
    Hole,
    /// They cannot be had.
    Error(KernReturn),
}

/// One thing to do, in the order in which they were put out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Output<D> {
    /// `memory_object_ready` to a kernel.
    Ready {
        /// The kernel.
        client: ClientId,
    },
    /// Read from the store; the result goes to `read_done`, at once or later.
    Read {
        /// Names the read.
        ticket: Ticket,
        /// What to read.
        pages: Pages,
    },
    /// Write to the store; the result goes to `write_done`.
    Write {
        /// Names the write.
        ticket: Ticket,
        /// Where.
        pages: Pages,
        /// What.
        data: D,
    },
    /// Make everything written before durable; the result goes to `sync_done`.
    Sync {
        /// Names the sync.
        ticket: Ticket,
    },
    /// `memory_object_data_supply`.
    Supply {
        /// The kernel.
        client: ClientId,
        /// Which pages.
        pages: Pages,
        /// Their contents.
        data: D,
        /// Prohibited access.
        lock: Prot,
        /// The activity it answers.
        trace: TraceId,
    },
    /// `memory_object_data_unavailable`: zero pages.
    Unavailable {
        /// The kernel.
        client: ClientId,
        /// Which pages.
        pages: Pages,
        /// Prohibited access.
        lock: Prot,
        /// The activity it answers.
        trace: TraceId,
    },
    /// `memory_object_data_error`.
    Error {
        /// The kernel.
        client: ClientId,
        /// Units: bytes, as the kernel wrote it.
        offset: u64,
        /// Units: bytes, as the kernel wrote it.
        length: u64,
        /// Why.
        code: KernReturn,
        /// The activity it answers.
        trace: TraceId,
    },
    /// `memory_object_lock_request`.
    LockRequest {
        /// The kernel.
        client: ClientId,
        /// Which pages.
        pages: Pages,
        /// Whether dirty pages come back first (`MEMORY_OBJECT_RETURN_DIRTY`), else none does.
        return_dirty: bool,
        /// Whether the pages are discarded.
        flush: bool,
        /// The new lock.
        lock: Lock,
        /// Whether `memory_object_lock_completed` is to come back.
        reply: bool,
        /// The activity it serves.
        trace: TraceId,
    },
    /// `memory_object_synchronize_completed`.
    SynchronizeCompleted {
        /// The kernel.
        client: ClientId,
        /// The range it asked about. Units: bytes, as the kernel wrote it.
        offset: u64,
        /// Units: bytes, as the kernel wrote it.
        length: u64,
        /// `Success`, or why not everything is durable.
        result: KernReturn,
        /// The activity it answers.
        trace: TraceId,
    },
    /// `memory_object_destroy`: the pager has done with this kernel, which is forgotten already.
    Destroy {
        /// The kernel.
        client: ClientId,
        /// Why.
        reason: KernReturn,
    },
    /// A kernel sent what no kernel should. Nothing to do but to count and log it.
    Misbehaved {
        /// The kernel.
        client: ClientId,
        /// What it did.
        what: &'static str,
    },
}
