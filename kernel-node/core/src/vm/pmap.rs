//! [`Pmap`], Mach's name for the machine-dependent layer: everything that has to happen to real memory.
//!
//! The shell implements it with memfds and userfaultfds, the tests with byte arrays. Rules that every implementation
//! keeps, and on which `vm` rests:
//!
//! 1. A call has taken effect on every CPU when it returns; so write access that `protect` took is gone.
//! 2. A range that is passed for one task lies in one mapping of that task; it is whole pages.
//! 3. What a call meets that it cannot do (the task died, the range was unmapped in the meantime, a page is mapped
//!    already) is stepped over, and **threads that wait in the range are woken all the same**: they fault again, and the
//!    fault finds the truth in the table. A missed wake is the one error from which nothing recovers.
//! 4. What is resident is decided by the tables of `vm` alone, never by what the object happens to hold.

use std::ops::Range;

use proto::{KernReturn, Payload, Prot};

use super::{MapRequest, NotReady, ObjectId};
use crate::TaskId;

/// An order that only the task itself can carry out. Numbers are given by the [`Pmap`], each once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OrderId(pub u64);

/// What [`Pmap::map`] has the task do: map `object` at `address` over whatever is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapOrder {
    /// First byte; a page boundary.
    pub address: u64,
    /// Bytes; whole pages.
    pub size: u64,
    /// The object; its memory exists since [`Pmap::object_create`].
    pub object: ObjectId,
    /// Where in the object the mapping starts.
    pub offset: u64,
    /// The protection to map with.
    pub protection: Prot,
    /// `MAP_SHARED` of a writable descriptor; else `MAP_PRIVATE` of a read-only one, which no later change of protection
    /// can turn into write access to the object.
    pub shared: bool,
    /// The range is registered with the task's userfaultfd (missing, minor and, if shared, write-protect faults); else
    /// Linux fills it with zeroes on its own.
    pub managed: bool,
    /// For an errand that comes behind it: no thread of the task's asks for that, so that the agent carries it out.
    pub for_errand: bool,
}

/// What only the task itself can do to its memory: it alone sees what it wrote to frozen memory, and its faults are served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Errand {
    /// A copy of a range.
    Read {
        /// First byte.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// To write bytes.
    Write {
        /// Where.
        address: u64,
        /// What.
        data: Payload,
    },
    /// To write a copy of a range over another.
    Copy {
        /// First byte.
        from: u64,
        /// Bytes.
        size: u64,
        /// Where to.
        to: u64,
    },
    /// To map a copy of what is mapped aside.
    MapCopy {
        /// Where that is.
        from: u64,
        /// Bytes; whole pages.
        size: u64,
        /// Where to and how; size, object and offset mean nothing.
        how: MapRequest,
    },
    /// Copies of ranges, one behind the other; of those that are to be shared nothing, but that they can be.
    Collect {
        /// Which.
        ranges: Vec<NotReady>,
    },
    /// To map memory.
    Map {
        /// The bytes.
        data: Payload,
        /// Where to and how, as in a copy.
        how: MapRequest,
    },
}

/// What an errand brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Brought {
    /// Bytes that were read.
    pub memory: Payload,
    /// Of a collection, what could not be had: in order and apart, within the ranges that were asked for.
    pub left_out: Vec<Range<u64>>,
    /// Where memory was mapped.
    pub address: u64,
}

/// The machine-dependent layer.
///
/// Source: docs/spec/vm.md, *Memory*; uffd-rules 1, 5 to 8 and 13.
pub trait Pmap {
    /// Makes the memory of an object with a pager: sparse, [`proto::limits::OBJECT_BYTES_MAX`] long, no page present.
    ///
    /// Errors: `ResourceShortage` when there is no descriptor or memory for it; nothing was made.
    fn object_create(&mut self, object: ObjectId) -> Result<(), KernReturn>;

    /// Makes the memory of an object without a pager: sparse, `size` bytes, which can be frozen.
    ///
    /// Errors: as `object_create`.
    fn object_create_internal(&mut self, object: ObjectId, size: u64) -> Result<(), KernReturn>;

    /// Frees the memory of an object. No page of it is resident and no entry maps it; an unmap order may still be on its
    /// way, so that a task may touch it once more and must then find it missing.
    fn object_destroy(&mut self, object: ObjectId);

    /// Makes pages present with the bytes of `data`, whatever was there before.
    ///
    /// Errors: memory is short; nothing is known of the range then and `vm` discards it.
    fn fill(&mut self, object: ObjectId, offset: u64, data: &Payload) -> Result<(), KernReturn>;

    /// Makes zero pages present, whatever was there before.
    ///
    /// Errors: as `fill`.
    fn zero(&mut self, object: ObjectId, offset: u64, len: u64) -> Result<(), KernReturn>;

    /// Makes pages present with the bytes of another object, whatever was there before: of a frozen one, behind whose end it is
    /// zero, or of pages that are resident and write-protected in every task.
    ///
    /// Errors: as `fill`.
    fn copy(&mut self, object: ObjectId, offset: u64, other: ObjectId, from: u64, len: u64) -> Result<(), KernReturn>;

    /// The first pages within a range that a frozen object holds, in a row and no more than `most` bytes of them; those before
    /// are zero, or if `None` all of the range. It takes no longer than the pages that it answers.
    fn held(&self, frozen: ObjectId, range: Range<u64>, most: u64) -> Option<Range<u64>>;

    /// The bytes of resident pages. They no longer change: every page of the range is write-protected in every task. What a
    /// task took out is zero.
    fn read_out(&mut self, object: ObjectId, offset: u64, len: u64) -> Payload;

    /// Whether the object holds a page. A task that may write can take it out at any time.
    fn is_present(&self, object: ObjectId, offset: u64) -> bool;

    /// Takes pages out of every mapping in every task and out of the object (punches them). The next touch is a missing
    /// fault.
    fn discard(&mut self, object: ObjectId, offset: u64, len: u64);

    /// Maps present pages in a task, write-protected unless `writable`, and wakes the threads that wait in the range.
    /// A page that the task has mapped already stays as it is.
    fn enter(&mut self, task: TaskId, address: u64, len: u64, writable: bool);

    /// Takes write access away: of pages that are mapped, and for those that are not as a mark for later.
    fn protect(&mut self, task: TaskId, address: u64, len: u64);

    /// Gives write access to pages that are mapped, and wakes the threads that wait in the range.
    fn unprotect(&mut self, task: TaskId, address: u64, len: u64);

    /// Makes missing pages fail for the task (`SIGBUS`, and `EFAULT` in a system call), and wakes the threads that wait in
    /// the range. A later `enter` heals.
    fn error(&mut self, task: TaskId, address: u64, len: u64);

    /// Wakes the threads that wait in the range, which then touch their page again.
    fn wake(&mut self, task: TaskId, address: u64, len: u64);

    /// Pages of the machine's memory that nobody uses.
    fn free_pages(&self) -> u64;

    /// Orders the task to map. Answered by [`super::Vm::order_done`], as are the others; orders of one task on
    /// overlapping ranges are carried out in the order given.
    fn map(&mut self, task: TaskId, order: MapOrder) -> OrderId;

    /// Orders the task to map parts of objects without a pager, which lie one behind the other with one protection, privately:
    /// all of them or none. There is at least one.
    fn map_parts(&mut self, task: TaskId, parts: &[MapOrder]) -> OrderId;

    /// Orders the task to map memory privately that it maps shared, so that all its threads go over at one moment; with
    /// `seal`, to seal it against every change then.
    fn freeze(&mut self, task: TaskId, order: MapOrder, seal: bool) -> OrderId;

    /// Orders a process that became a task to keep what it has in a range by fork(2).
    fn inherit(&mut self, task: TaskId, address: u64, size: u64) -> OrderId;

    /// Has the task do something to its own memory; answered by [`crate::kern::Kernel::errand_done`].
    fn errand(&mut self, task: TaskId, errand: Errand) -> OrderId;

    /// Orders the task to unmap a range and to keep its addresses reserved.
    fn unmap(&mut self, task: TaskId, address: u64, size: u64) -> OrderId;

    /// Orders the task to change the protection of a range. Write-protection of single pages survives it.
    fn set_protection(&mut self, task: TaskId, address: u64, size: u64, protection: Prot) -> OrderId;

    /// Orders the task to keep Linux from taking pages of a range once they are mapped, or to let it again.
    fn wire(&mut self, task: TaskId, address: u64, size: u64, wired: bool) -> OrderId;
}
