//! The calling task, thread and host; the ports that a task is given.

use std::process;
use std::sync::atomic::{AtomicPtr, Ordering};

use mach::{SendRight, Task};
use proto::iface::mach_port::ModRefs;
use proto::{PortName, RightType};

use crate::attach;
use crate::face::guarded;

/// Bytes of a page.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static vm_page_size: usize = proto::PAGE_SIZE as usize;

/// What the variables `bootstrap_port` and `name_server_port` of a process hold; a program may write to them.
struct Given {
    pid: u32,
    bootstrap: u32,
    name_server: u32,
}

static GIVEN: AtomicPtr<Given> = AtomicPtr::new(std::ptr::null_mut());

/// The task's own port. The library keeps this reference.
///
/// Errors: `MACH_PORT_NULL`.
#[unsafe(no_mangle)]
pub extern "C" fn mach_task_self() -> u32 {
    guarded(0, || attach::task().map_or(0, |task| task.task_self().0))
}

/// The port of the task's host, with one more user reference, which is the caller's.
///
/// Errors: `MACH_PORT_NULL`.
#[unsafe(no_mangle)]
pub extern "C" fn mach_host_self() -> u32 {
    guarded(0, || attach::task().map_or(0, |task| one_more(task, task.host())))
}

/// The calling thread's port, with one more user reference, which is the caller's.
///
/// Errors: `MACH_PORT_NULL`.
#[unsafe(no_mangle)]
pub extern "C" fn mach_thread_self() -> u32 {
    let own = || attach::task().and_then(|task| task.thread_self().ok()).map(SendRight::into_name);
    guarded(None, own).unwrap_or_default().0
}

/// A new port to receive from.
///
/// Errors: `MACH_PORT_NULL`.
#[unsafe(no_mangle)]
pub extern "C" fn mach_reply_port() -> u32 {
    guarded(0, || attach::task().and_then(|task| task.mach_reply_port().ok()).unwrap_or_default().0)
}

/// Where the variable `bootstrap_port` is; it holds null when the process cannot attach.
#[unsafe(no_mangle)]
pub extern "C" fn mach_bootstrap_port_location() -> *mut u32 {
    let given = guarded(std::ptr::null_mut(), given);
    // SAFETY: the pointer, if it is one, is to a value that is never freed.
    if given.is_null() { nowhere() } else { unsafe { &raw mut (*given).bootstrap } }
}

/// Where the variable `name_server_port` is; it holds null when the process cannot attach.
#[unsafe(no_mangle)]
pub extern "C" fn mach_name_server_port_location() -> *mut u32 {
    let given = guarded(std::ptr::null_mut(), given);
    // SAFETY: the pointer, if it is one, is to a value that is never freed.
    if given.is_null() { nowhere() } else { unsafe { &raw mut (*given).name_server } }
}

/// This process's ports, found out at the first call; null when it cannot attach.
fn given() -> *mut Given {
    let pid = process::id();
    loop {
        let known = GIVEN.load(Ordering::Acquire);
        // SAFETY: null, or from `Box::into_raw` below and never freed; the number is never written again.
        if !known.is_null() && unsafe { (*known).pid } == pid {
            return known;
        }
        let Some(task) = attach::task() else { return std::ptr::null_mut() };
        let fresh = Given { pid, bootstrap: task.bootstrap().0, name_server: task.name_server().0 };
        let fresh = Box::into_raw(Box::new(fresh));
        if GIVEN.compare_exchange(known, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: it was made here, and nobody has seen it.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

/// A null port of the caller's own: what one thread writes there, no other sees.
fn nowhere() -> *mut u32 {
    thread_local!(static NULL: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    NULL.with(|null| {
        null.set(0);
        null.as_ptr()
    })
}

fn one_more(task: &Task, name: PortName) -> u32 {
    let request = ModRefs { name: name.0, right: RightType::Send as u32, delta: 1 };
    task.rpc(&task.task_self(), request).map_or(0, |()| name.0)
}
