//! The routines on a task, its threads and its memory. On the own task, memory that the node did not map is Linux's business: what is
//! asked of it is done here (`memory`).

use std::ffi::c_int;

use proto::iface::{task as idl, thread};
use proto::{KernReturn, NamedRight, PortName, Prot};

use crate::face::{code, get, put, routine};
use crate::memory;
use crate::port::give_array;

/// Ends a task.
#[unsafe(no_mangle)]
pub extern "C" fn task_terminate(task: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::TaskTerminate).map_err(code))
}

/// One of the ports that every task has.
///
/// # Safety
///
/// `port` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn task_get_special_port(task: u32, which: c_int, port: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::TaskGetSpecialPort { which: which as u32 }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(port, reply.special.name.0) }
    })
}

/// Sets one of the ports that every task has.
#[unsafe(no_mangle)]
pub extern "C" fn task_set_special_port(task: u32, which: c_int, port: u32) -> i32 {
    routine(|own| {
        let request = idl::TaskSetSpecialPort { which: which as u32, special: NamedRight::copy_send(PortName(port)) };
        own.rpc(&PortName(task), request).map_err(code)
    })
}

/// A send right to the port of each of a task's threads, in memory of the caller's.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn task_threads(task: u32, list: *mut *mut u32, count: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::TaskThreads).map_err(code)?;
        let names: Vec<u32> = reply.thread_list.iter().map(|right| right.name.0).collect();
        // SAFETY: the caller's promise.
        unsafe { give_array(list, count, &names) }
    })
}

/// Ends the `mach_msg` in which a thread waits.
#[unsafe(no_mangle)]
pub extern "C" fn thread_abort(thread: u32) -> i32 {
    routine(|own| own.rpc(&PortName(thread), thread::Abort).map_err(code))
}

/// One of the ports that every thread has.
///
/// # Safety
///
/// `port` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn thread_get_special_port(thread: u32, which: c_int, port: *mut u32) -> i32 {
    routine(|own| {
        let request = thread::GetSpecialPort { which_port: which as u32 };
        let reply = own.rpc(&PortName(thread), request).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(port, reply.special_port.name.0) }
    })
}

/// Zero-filled memory.
///
/// # Safety
///
/// `address` is null or valid for the read and the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_allocate(task: u32, address: *mut u64, size: u64, anywhere: c_int) -> i32 {
    routine(|own| {
        // SAFETY: the caller's promise.
        let wanted = unsafe { get(address) }?;
        let anywhere = anywhere != 0;
        let given = if PortName(task) == own.task_self() {
            memory::allocate(own, wanted, size, anywhere)?
        } else {
            let request = idl::VmAllocate { address: wanted, size, anywhere };
            own.rpc(&PortName(task), request).map_err(code)?.address
        };
        // SAFETY: the caller's promise.
        unsafe { put(address, given) }
    })
}

/// Unmaps a range.
///
/// # Safety
///
/// In the own task nothing refers to the memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_deallocate(task: u32, address: u64, size: u64) -> i32 {
    routine(|own| {
        if PortName(task) == own.task_self() {
            // SAFETY: the caller's promise.
            return unsafe { memory::deallocate(own, address, size) };
        }
        own.rpc(&PortName(task), idl::VmDeallocate { address, size }).map_err(code)
    })
}

/// Sets what a range permits, or may ever permit.
///
/// # Safety
///
/// In the own task nothing refers to the memory and relies on what it loses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_protect(task: u32, address: u64, size: u64, set_maximum: c_int, protection: c_int) -> i32 {
    routine(|own| {
        let (set_maximum, protection) = (set_maximum != 0, protection as u32);
        if PortName(task) == own.task_self() && !memory::is_the_nodes(own, address, size) {
            let permitted = Prot::from_bits(protection).filter(|_| !set_maximum);
            let permitted = permitted.ok_or(KernReturn::InvalidArgument.raw())?;
            // SAFETY: the caller's promise.
            return unsafe { memory::protect(address, size, permitted) };
        }
        let request = idl::VmProtect { address, size, set_maximum, new_protection: protection };
        own.rpc(&PortName(task), request).map_err(code)
    })
}

/// The region at or behind an address, of those that the node mapped.
///
/// # Safety
///
/// All places are null or valid for the write, `address` for the read as well.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn vm_region(
    task: u32,
    address: *mut u64,
    size: *mut u64,
    protection: *mut c_int,
    max_protection: *mut c_int,
    inheritance: *mut c_int,
    is_shared: *mut c_int,
    object_name: *mut u32,
    offset: *mut u64,
) -> i32 {
    routine(|own| {
        // SAFETY: the caller's promise.
        let wanted = unsafe { get(address) }?;
        let region = own.rpc(&PortName(task), idl::VmRegion { address: wanted }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(address, region.address) }?;
        // SAFETY: the caller's promise.
        unsafe { put(size, region.size) }?;
        // SAFETY: the caller's promise.
        unsafe { put(protection, region.protection as c_int) }?;
        // SAFETY: the caller's promise.
        unsafe { put(max_protection, region.max_protection as c_int) }?;
        // SAFETY: the caller's promise.
        unsafe { put(inheritance, region.inheritance as c_int) }?;
        // SAFETY: the caller's promise.
        unsafe { put(is_shared, region.is_shared.into()) }?;
        // SAFETY: the caller's promise.
        unsafe { put(offset, region.offset) }?;
        // SAFETY: the caller's promise.
        unsafe { put(object_name, region.object_name.name.0) }
    })
}

/// Maps a memory object.
///
/// # Safety
///
/// `address` is null or valid for the read and the write.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn vm_map(
    task: u32,
    address: *mut u64,
    size: u64,
    mask: u64,
    anywhere: c_int,
    memory_object: u32,
    offset: u64,
    copy: c_int,
    cur_protection: c_int,
    max_protection: c_int,
    inheritance: c_int,
) -> i32 {
    routine(|own| {
        // SAFETY: the caller's promise.
        let wanted = unsafe { get(address) }?;
        let request = idl::VmMap {
            address: wanted,
            size,
            mask,
            anywhere: anywhere != 0,
            memory_object: NamedRight::copy_send(PortName(memory_object)),
            offset,
            copy: copy != 0,
            cur_protection: cur_protection as u32,
            max_protection: max_protection as u32,
            inheritance: inheritance as u32,
        };
        let given = own.rpc(&PortName(task), request).map_err(code)?.address;
        // SAFETY: the caller's promise.
        unsafe { put(address, given) }
    })
}

/// A copy of a range, in memory of the caller's.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_read(task: u32, address: u64, size: u64, data: *mut u64, data_count: *mut u32) -> i32 {
    routine(|own| {
        memory::end_of_pages(address, size)?;
        // The count of an array is a word; so is MIG's.
        let count = u32::try_from(size).map_err(|_| KernReturn::NoSpace.raw())?;
        let copy = match PortName(task) == own.task_self() {
            true => memory::copy_of_range(own, address, size)?,
            false => own.rpc(&PortName(task), idl::VmRead { address, size }).map_err(code)?.data,
        };
        let at = memory::place(own, &copy).ok_or(KernReturn::NoSpace.raw())?;
        // SAFETY: the caller's promise.
        unsafe { put(data, at) }?;
        // SAFETY: the caller's promise.
        unsafe { put(data_count, count) }
    })
}

/// Writes whole pages.
///
/// # Safety
///
/// In the own task nothing refers to the memory that is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_write(task: u32, address: u64, data: u64, data_count: u32) -> i32 {
    routine(|own| {
        let bytes = u64::from(data_count);
        let data = memory::copy(own, data, bytes, bytes).ok_or(KernReturn::InvalidAddress.raw())?;
        own.rpc(&PortName(task), idl::VmWrite { address, data }).map_err(code)
    })
}

/// Writes a copy of a range over another of the same task.
///
/// # Safety
///
/// In the own task nothing refers to the memory that is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_copy(task: u32, source_address: u64, size: u64, dest_address: u64) -> i32 {
    routine(|own| {
        let request = idl::VmCopy { source_address, size, dest_address };
        own.rpc(&PortName(task), request).map_err(code)
    })
}

/// Returns dirty pages of a range to their pager and waits until they are durable.
#[unsafe(no_mangle)]
pub extern "C" fn vm_msync(task: u32, address: u64, size: u64, flags: c_int) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::VmMsync { address, size, sync_flags: flags as u32 }).map_err(code))
}
