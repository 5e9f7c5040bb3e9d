//! Attributes of memory, what is counted of it, and what is asked of a host for it.

use std::ffi::{c_int, c_uint};

use proto::iface::{host_vm, task as idl};
use proto::{Inherit, KernReturn, NamedRight, PortName};

use crate::face::{code, get, put, routine};
use crate::memory;

/// `struct vm_statistics`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VmStatistics {
    /// In the order of the header.
    pub counts: [c_int; 13],
}

/// Sets what a child would get of a range.
#[unsafe(no_mangle)]
pub extern "C" fn vm_inherit(task: u32, address: u64, size: u64, inheritance: c_int) -> i32 {
    routine(|own| {
        if PortName(task) == own.task_self() {
            let known = Inherit::from_raw(inheritance as u32).ok_or(KernReturn::InvalidArgument.raw())?;
            return memory::inherit(own, address, size, known);
        }
        let request = idl::VmInherit { address, size, new_inheritance: inheritance as u32 };
        own.rpc(&PortName(task), request).map_err(code)
    })
}

/// Counts of the memory of a task's node.
///
/// # Safety
///
/// `stats` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_statistics(task: u32, stats: *mut VmStatistics) -> i32 {
    routine(|own| {
        let s = own.rpc(&PortName(task), idl::VmStatistics).map_err(code)?.vm_stats;
        let counts = [
            s.pagesize,
            s.free_count,
            s.active_count,
            s.inactive_count,
            s.wire_count,
            s.zero_fill_count,
            s.reactivations,
            s.pageins,
            s.pageouts,
            s.faults,
            s.cow_faults,
            s.lookups,
            s.hits,
        ];
        // SAFETY: the caller's promise.
        unsafe { put(stats, VmStatistics { counts: counts.map(|count| count as c_int) }) }
    })
}

/// Attributes that depend on the machine, which has none.
///
/// # Safety
///
/// `value` is null or valid for the read and the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_machine_attribute(
    task: u32,
    address: u64,
    size: u64,
    attribute: c_uint,
    value: *mut c_int,
) -> i32 {
    routine(|own| {
        // SAFETY: the caller's promise.
        let wanted = unsafe { get(value) }?;
        let request = idl::VmMachineAttribute { address, size, attribute, value: wanted };
        let reply = own.rpc(&PortName(task), request).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(value, reply.value) }
    })
}

/// Keeps the pages of a range here. In the own task they are brought first, as far as they can be had.
#[unsafe(no_mangle)]
pub extern "C" fn vm_wire(host: u32, task: u32, address: u64, size: u64, access: c_int) -> i32 {
    routine(|own| {
        let request = host_vm::VmWire { task: right(task), address, size, access: access as u32 };
        own.rpc(&PortName(host), request).map_err(code)?;
        if PortName(task) == own.task_self() && access != 0 {
            memory::fetch(own, address, size);
        }
        Ok(())
    })
}

/// Keeps all pages of a task here.
#[unsafe(no_mangle)]
pub extern "C" fn vm_wire_all(host: u32, task: u32, flags: c_int) -> i32 {
    routine(|own| {
        let request = host_vm::VmWireAll { task: right(task), flags: flags as u32 };
        own.rpc(&PortName(host), request).map_err(code)
    })
}

/// Memory that is contiguous in the machine.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn vm_allocate_contiguous(
    host: u32,
    task: u32,
    vaddr: *mut u64,
    paddr: *mut u64,
    size: u64,
    pmin: u64,
    pmax: u64,
    palign: u64,
) -> i32 {
    routine(|own| {
        let request = host_vm::VmAllocateContiguous { target_task: right(task), size, pmin, pmax, palign };
        let reply = own.rpc(&PortName(host), request).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(vaddr, reply.vaddr) }?;
        // SAFETY: the caller's promise.
        unsafe { put(paddr, reply.paddr) }
    })
}

/// Where in the machine the pages of a range are.
///
/// # Safety
///
/// `pages` and `count` are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_pages_phys(
    host: u32,
    task: u32,
    vaddr: u64,
    size: u64,
    pages: *mut *mut u64,
    count: *mut u32,
) -> i32 {
    routine(|own| {
        own.rpc(&PortName(host), host_vm::VmPagesPhys { target_task: right(task), vaddr, size }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(pages, std::ptr::null_mut()) }?;
        // SAFETY: the caller's promise.
        unsafe { put(count, 0) }
    })
}

fn right(task: u32) -> NamedRight {
    NamedRight::copy_send(PortName(task))
}

const _: () = assert!(size_of::<VmStatistics>() == 52);
