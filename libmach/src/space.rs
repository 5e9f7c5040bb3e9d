//! Whole address spaces and tasks made from others: `task_create`, `vm_read_space`, `vm_map_space`. Only the first is Mach's.

use std::ffi::c_int;

use mach::SpaceError;
use proto::iface::{node, task as idl};
use proto::{KernReturn, NamedRight, PortName};

use crate::face::{code, get, put, routine};
use crate::memory;
use crate::port::give_array;

/// A task without a process, with what it inherits of another's memory, or with none. A process becomes it with the token of
/// `mach_task_token`.
///
/// # Safety
///
/// `child` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn task_create(parent: u32, inherit_memory: c_int, child: *mut u32) -> i32 {
    routine(|own| {
        let request = idl::TaskCreate { inherit_memory: inherit_memory != 0 };
        let reply = own.rpc(&PortName(parent), request).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(child, reply.child_task.name.0) }
    })
}

/// What a process has as `MACH_TOKEN` to become a task that has no process yet. Ours.
///
/// # Safety
///
/// `token` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_task_token(task: u32, token: *mut u64) -> i32 {
    routine(|own| {
        let request = node::TaskToken { task: NamedRight::copy_send(PortName(task)) };
        let reply = own.rpc(&own.host(), request).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(token, reply.token) }
    })
}

/// Everything that a task has mapped, as memory of the caller's that `vm_map_space` takes, and the memory objects that it shows, as
/// an array in memory of the caller's. Ours.
///
/// # Safety
///
/// The places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_read_space(
    task: u32,
    space: *mut u64,
    space_size: *mut u64,
    objects: *mut *mut u32,
    objects_count: *mut u32,
) -> i32 {
    routine(|own| {
        let read = own.read_space(&PortName(task)).map_err(code)?;
        let mapped = memory::map_apart(own, read.item()).map_err(|error| error.code().raw())?;
        let names: Vec<u32> = read.objects().iter().map(|right| right.name().0).collect();
        // SAFETY: the caller's promise.
        unsafe { give_array(objects, objects_count, &names) }?;
        // SAFETY: the caller's promise.
        unsafe { put(space_size, read.item().len() as u64) }?;
        // SAFETY: the caller's promise.
        unsafe { put(space, mapped.into_raw()) }?;
        read.into_objects().into_iter().for_each(|right| {
            right.into_name();
        });
        Ok(())
    })
}

/// Maps what `vm_read_space` gave in a task, at the addresses where it was. Ours.
///
/// # Safety
///
/// `objects` is valid for reads of so many words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vm_map_space(
    task: u32,
    space: u64,
    space_size: u64,
    objects: *const u32,
    objects_count: u32,
) -> i32 {
    routine(|own| {
        let item = memory::copy(own, space, space_size, space_size).ok_or(KernReturn::InvalidAddress.raw())?;
        let names = (0..objects_count as usize).map(|at| {
            // SAFETY: the caller's promise.
            unsafe { get(objects.wrapping_add(at)) }
        });
        let names: Vec<PortName> = names.map(|name| name.map(PortName)).collect::<Result<_, _>>()?;
        let regions = proto::space::regions(&item).ok_or(KernReturn::InvalidArgument.raw())?;
        own.map_space(&PortName(task), &regions, &item, &names).map_err(space_code)
    })
}

fn space_code(error: SpaceError) -> i32 {
    match error {
        SpaceError::NoSpace => KernReturn::InvalidArgument.raw(),
        SpaceError::Region { source, .. } => code(source),
        SpaceError::Own { source, .. } => source.code().raw(),
    }
}
