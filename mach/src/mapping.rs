//! A memory object in this task's address space, or zero-filled memory that the node mapped there.

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
    /// A copy of the object for this task alone: each page as it is some time during the call, which fetches all of them.
    pub copy: bool,
}

/// A mapped object, or allocated memory. Dropping it unmaps.
///
/// Other threads, tasks and machines may write to the same memory at any time; nothing here hands out a reference.
#[derive(Debug)]
pub struct Mapping {
    task: Task,
    /// Page border at or before the first byte.
    base: u64,
    /// Whole pages from there; none of what is somebody else's to unmap.
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

    /// Maps a memory object at an address of the node's choice. No page is fetched before it is touched, unless it is copied.
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
            max_protection: if copy { Prot::all() } else { protection }.bits(),
            inheritance: Inherit::default() as u32,
        };
        let base = self.rpc(&self.task_self(), request)?.address;
        Ok(Mapping { task: self.clone(), base, mapped, skip, len, writable })
    }

    /// Zero-filled memory of `len` bytes, from a page's border on, readable and writable. A page takes memory when it is first
    /// touched.
    ///
    /// Errors: `NoMemory`; `OutOfRange` for no bytes; the node's, as `vm_allocate`.
    #[doc(alias = "vm_allocate")]
    pub fn allocate(&self, len: u64) -> Result<Mapping, MapError> {
        if self.0.memory.is_none() {
            return Err(MapError::NoMemory);
        }
        let mapped = round_page(len).filter(|size| *size > 0);
        let mapped = mapped.ok_or(MapError::OutOfRange { offset: 0, len, size: 0 })?;
        let request = task::VmAllocate { address: 0, size: mapped, anywhere: true };
        let base = self.rpc(&self.task_self(), request)?.address;
        Ok(Mapping::whole(self, base, mapped, len))
    }
}

impl Mapping {
    /// What is mapped from a page border on, to be unmapped with the value.
    pub(crate) fn whole(task: &Task, base: u64, mapped: u64, len: u64) -> Mapping {
        Mapping { task: task.clone(), base, mapped, skip: 0, len, writable: true }
    }

    /// Leaves it mapped; its address is the caller's to unmap (`vm_deallocate`).
    pub fn into_raw(mut self) -> u64 {
        let address = self.address();
        self.mapped = 0;
        address
    }

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

    /// Whether writes were permitted when it was mapped.
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
        let Some((address, size)) = self.pages(range) else { return Ok(()) };
        let request = task::VmMsync { address, size, sync_flags: SYNC_SYNCHRONOUS };
        self.task.rpc(&self.task.task_self(), request)
    }

    /// Sets what the pages of a range permit. Bytes that they no longer permit answer an error to `read_at` and `write_at`.
    ///
    /// Errors: `ProtectionFailure` more than it was mapped with (allocated memory may become executable).
    #[doc(alias = "vm_protect")]
    pub fn protect(&self, range: Range<u64>, protection: Prot) -> Result<(), RpcError> {
        let Some((address, size)) = self.pages(range) else { return Ok(()) };
        let request = task::VmProtect { address, size, set_maximum: false, new_protection: protection.bits() };
        self.task.rpc(&self.task.task_self(), request)
    }

    /// Sets what a child would get of the pages of a range.
    #[doc(alias = "vm_inherit")]
    pub fn inherit(&self, range: Range<u64>, inheritance: Inherit) -> Result<(), RpcError> {
        let Some((address, size)) = self.pages(range) else { return Ok(()) };
        let request = task::VmInherit { address, size, new_inheritance: inheritance as u32 };
        self.task.rpc(&self.task.task_self(), request)
    }

    /// The whole pages of the part of a range that lies in the mapping: address and bytes.
    fn pages(&self, range: Range<u64>) -> Option<(u64, u64)> {
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        if start >= end {
            return None;
        }
        let first = trunc_page(self.skip + start);
        Some((self.base + first, (self.skip + end).next_multiple_of(PAGE_SIZE) - first))
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
        if self.mapped == 0 {
            return;
        }
        let request = task::VmDeallocate { address: self.base, size: self.mapped };
        if self.task.rpc(&self.task.task_self(), request).is_err()
            && let Some(memory) = &self.task.0.memory
        {
            // The node is gone: the addresses are ours alone.
            memory.forget(self.base, self.mapped);
        }
    }
}
