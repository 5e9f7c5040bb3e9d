//! A memory object in this task's address space.

use std::ops::Range;

use proto::iface::{memory_object, task};
use proto::vm::{round_page, trunc_page};
use proto::{Inherit, PAGE_SIZE, Prot};

use crate::error::{MapError, MemoryError, RpcError};
use crate::right::Destination;
use crate::task::Task;

/// `VM_SYNC_SYNCHRONOUS`: answered when the pager has made the range durable.
const SYNC_SYNCHRONOUS: u32 = 2;

/// How to map an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MapOptions {
    /// First byte of the object, on any border.
    pub offset: u64,
    /// Bytes; `None` takes all behind the offset.
    pub len: Option<u64>,
    /// Whether writes are permitted. They go to the object and are seen by everyone who maps it, unless `copy`.
    pub writable: bool,
    /// A copy of the object as it is now, for this task alone.
    pub copy: bool,
}

/// A mapped object. Dropping it unmaps.
///
/// Other threads, tasks and machines may write to the same memory at any time; nothing here hands out a reference.
#[derive(Debug)]
pub struct Mapping {
    task: Task,
    /// Page border at or before the first byte.
    base: u64,
    /// Whole pages from there.
    mapped: u64,
    /// From `base` to the first byte.
    skip: u64,
    len: u64,
    writable: bool,
}

impl Task {
    /// Copies bytes out of managed memory by its address: of what others mapped into this task through its task port.
    ///
    /// Errors: the first byte, counted from `address`, that is not mapped or could not be brought; those before it are in
    /// `buffer`.
    pub fn read_memory(&self, address: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let none = MemoryError::OutOfRange { offset: 0, len: buffer.len() as u64, mapped: 0 };
        let memory = self.0.memory.as_ref().ok_or(none)?;
        let read = memory.arena.read(address, buffer);
        read.map_err(|fault| MemoryError::Fault { offset: fault.address.saturating_sub(address) })
    }

    /// Copies bytes into managed memory by its address, such as `vm_allocate` gave.
    ///
    /// Errors: the first byte, counted from `address`, that is not mapped for writing or could not be brought; those before
    /// it are written.
    pub fn write_memory(&self, address: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let none = MemoryError::OutOfRange { offset: 0, len: bytes.len() as u64, mapped: 0 };
        let memory = self.0.memory.as_ref().ok_or(none)?;
        let written = memory.arena.write(address, bytes);
        written.map_err(|fault| MemoryError::Fault { offset: fault.address.saturating_sub(address) })
    }

    /// Maps a memory object at an address of the node's choice. No page is fetched before it is touched.
    ///
    /// Errors: see [`MapError`]; nothing is mapped.
    pub fn map(&self, object: &impl Destination, options: MapOptions) -> Result<Mapping, MapError> {
        if self.0.memory.is_none() {
            return Err(MapError::NoMemory);
        }
        let info = self.rpc(object, memory_object::Info)?;
        let MapOptions { offset, len, writable, copy } = options;
        if writable && !copy && !Prot::from_bits_truncate(info.max_protection).contains(Prot::WRITE) {
            return Err(MapError::ReadOnly(info.name));
        }
        let out_of_range = MapError::OutOfRange { offset, len: len.unwrap_or(0), size: info.size };
        let available = info.size.checked_sub(offset).filter(|rest| *rest > 0);
        let Some(available) = available else { return Err(out_of_range) };
        let len = len.unwrap_or(available);
        if len == 0 || len > available {
            return Err(out_of_range);
        }
        let skip = offset - trunc_page(offset);
        let Some(mapped) = skip.checked_add(len).and_then(round_page) else { return Err(out_of_range) };
        let protection = if writable { Prot::READ | Prot::WRITE } else { Prot::READ };
        let request = task::VmMap {
            address: 0,
            size: mapped,
            mask: 0,
            anywhere: true,
            memory_object: object.destination(),
            offset: trunc_page(offset),
            copy,
            cur_protection: protection.bits(),
            max_protection: protection.bits(),
            inheritance: Inherit::default() as u32,
        };
        let base = self.rpc(&self.task_self(), request)?.address;
        Ok(Mapping { task: self.clone(), base, mapped, skip, len, writable })
    }
}

impl Mapping {
    /// Its first byte. Valid as long as the mapping lives; an access that cannot be served is SIGBUS or SIGSEGV.
    pub fn as_ptr(&self) -> *mut u8 {
        self.address() as *mut u8
    }

    /// The address of its first byte.
    pub fn address(&self) -> u64 {
        self.base + self.skip
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: an empty range cannot be mapped.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether writes are permitted.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Copies bytes out; waits for the pager where need be.
    ///
    /// Errors: the first byte that could not be read; `buffer` holds those before it.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), MemoryError> {
        let address = self.check(offset, buffer.len() as u64)?;
        self.arena().read(address, buffer).map_err(|fault| self.fault(fault))
    }

    /// Copies bytes in; waits for the pager where need be.
    ///
    /// Errors: the first byte that could not be written; those before it are.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let address = self.check(offset, bytes.len() as u64)?;
        self.arena().write(address, bytes).map_err(|fault| self.fault(fault))
    }

    /// Has every page of a range fetched. A system call that is given mapped memory needs that where only user-mode
    /// faults are served ([`Task::uffd_mode`]); a page may go again at any time.
    pub fn touch(&self, range: Range<u64>) -> Result<(), MemoryError> {
        let len = range.end.saturating_sub(range.start);
        let address = self.check(range.start, len)?;
        self.arena().touch_read(address, len).map_err(|fault| self.fault(fault))
    }

    /// Returns the pages of a range that were written to their pager, and waits until it has made them durable.
    pub fn flush(&self, range: Range<u64>) -> Result<(), RpcError> {
        let first = trunc_page(self.skip + range.start.min(self.len));
        let end = (self.skip + range.end.min(self.len)).next_multiple_of(PAGE_SIZE);
        if first >= end {
            return Ok(());
        }
        let request = task::VmMsync { address: self.base + first, size: end - first, sync_flags: SYNC_SYNCHRONOUS };
        self.task.rpc(&self.task.task_self(), request)
    }

    fn check(&self, offset: u64, len: u64) -> Result<u64, MemoryError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(self.address() + offset),
            _ => Err(MemoryError::OutOfRange { offset, len, mapped: self.len }),
        }
    }

    fn fault(&self, fault: sys::MemoryFault) -> MemoryError {
        MemoryError::Fault { offset: fault.address.saturating_sub(self.address()) }
    }

    fn arena(&self) -> &sys::Arena {
        &self.task.0.memory.as_ref().expect("a task without memory maps nothing").arena
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let request = task::VmDeallocate { address: self.base, size: self.mapped };
        if self.task.rpc(&self.task.task_self(), request).is_err()
            && let Some(memory) = &self.task.0.memory
        {
            // The node is gone: the addresses are ours alone.
            memory.forget(self.base, self.mapped);
        }
    }
}
