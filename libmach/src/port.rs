//! The routines of the `mach_port` interface: each a message to the port of the task that is named first.

use proto::iface::{mach_debug, mach_port as idl};
use proto::{Disposition, KernReturn, NamedRight, PortName};

use crate::abi::PortStatus;
use crate::face::{code, disposition, put, routine};
use crate::memory;

/// All names and their types, in memory of the caller's.
///
/// # Safety
///
/// All places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_names(
    task: u32,
    names: *mut *mut u32,
    names_count: *mut u32,
    types: *mut *mut u32,
    types_count: *mut u32,
) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::Names).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { give_array(names, names_count, &reply.names) }?;
        // SAFETY: the caller's promise.
        unsafe { give_array(types, types_count, &reply.types) }
    })
}

/// The type bits of one name.
///
/// # Safety
///
/// `kind` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_type(task: u32, name: u32, kind: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::Type { name }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(kind, reply.ptype) }
    })
}

/// Gives what a name denotes another name.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_rename(task: u32, old_name: u32, new_name: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::Rename { old_name, new_name }).map_err(code))
}

/// A new receive right, port set or dead name, under a name of the caller's choice.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_allocate_name(task: u32, right: u32, name: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::AllocateName { right, name }).map_err(code))
}

/// A new receive right, port set or dead name.
///
/// # Safety
///
/// `name` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_allocate(task: u32, right: u32, name: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::Allocate { right }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(name, reply.name) }
    })
}

/// Gives up everything that the name denotes.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_destroy(task: u32, name: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::Destroy { name }).map_err(code))
}

/// Gives up one user reference.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_deallocate(task: u32, name: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::Deallocate { name }).map_err(code))
}

/// User references of one right under a name.
///
/// # Safety
///
/// `refs` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_get_refs(task: u32, name: u32, right: u32, refs: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::GetRefs { name, right }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(refs, reply.refs) }
    })
}

/// Adds to or takes from the user references.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_mod_refs(task: u32, name: u32, right: u32, delta: i32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::ModRefs { name, right, delta }).map_err(code))
}

/// Sets the queue's limit.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_set_qlimit(task: u32, name: u32, qlimit: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::SetQlimit { name, qlimit }).map_err(code))
}

/// Sets the make-send count.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_set_mscount(task: u32, name: u32, mscount: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::SetMscount { name, mscount }).map_err(code))
}

/// The members of a set, in memory of the caller's.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_get_set_status(
    task: u32,
    name: u32,
    members: *mut *mut u32,
    members_count: *mut u32,
) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::GetSetStatus { name }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { give_array(members, members_count, &reply.members) }
    })
}

/// Puts a receive right into a set, or with null out of the one it is in.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_move_member(task: u32, member: u32, after: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::MoveMember { member, after }).map_err(code))
}

/// Asks for a notification; the send-once right of the request that stood there before is the caller's.
///
/// # Safety
///
/// `previous` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_request_notification(
    task: u32,
    name: u32,
    id: i32,
    sync: u32,
    notify: u32,
    notify_type: u32,
    previous: *mut u32,
) -> i32 {
    routine(|own| {
        let notify = NamedRight { name: PortName(notify), disposition: disposition(notify_type)? };
        let request = idl::RequestNotification { name, msgid: id, sync, notify };
        let reply = own.rpc(&PortName(task), request).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(previous, reply.previous.name.0) }
    })
}

/// Gives the task a right under a name of the caller's choice.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_insert_right(task: u32, name: u32, right: u32, right_type: u32) -> i32 {
    routine(|own| {
        // What is no right at all the node never sees: it would be no argument of the routine.
        let disposition = Disposition::from_raw(right_type).ok_or(KernReturn::InvalidValue.raw())?;
        let right = NamedRight { name: PortName(right), disposition };
        own.rpc(&PortName(task), idl::InsertRight { name, right }).map_err(code)
    })
}

/// Takes a right out of the task; what arrived, and as what, is the caller's.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_extract_right(
    task: u32,
    name: u32,
    how: u32,
    right: *mut u32,
    right_type: *mut u32,
) -> i32 {
    routine(|own| {
        let request = idl::ExtractRight { name, disposition: how };
        let extracted = own.rpc(&PortName(task), request).map_err(code)?.right;
        // SAFETY: the caller's promise.
        unsafe { put(right_type, extracted.disposition as u32) }?;
        // SAFETY: the caller's promise.
        unsafe { put(right, extracted.name.0) }
    })
}

/// Counters of a port whose receive right the task has.
///
/// # Safety
///
/// `status` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_get_receive_status(task: u32, name: u32, status: *mut PortStatus) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), idl::GetReceiveStatus { name }).map_err(code)?.status;
        let seen = PortStatus {
            pset: reply.pset,
            seqno: reply.seqno,
            mscount: reply.mscount,
            qlimit: reply.qlimit,
            msgcount: reply.msgcount,
            sorights: reply.sorights,
            srights: reply.srights.into(),
            pdrequest: reply.pdrequest.into(),
            nsrequest: reply.nsrequest.into(),
        };
        // SAFETY: the caller's promise.
        unsafe { put(status, seen) }
    })
}

/// The number of send rights of a port whose receive right the task has.
///
/// # Safety
///
/// `srights` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_get_srights(task: u32, name: u32, srights: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), mach_debug::GetSrights { name }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(srights, reply.srights) }
    })
}

/// Dead-name requests at a port whose receive right the task has: room for them, and how many there are.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_dnrequest_info(task: u32, name: u32, total: *mut u32, used: *mut u32) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), mach_debug::DnrequestInfo { name }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(total, reply.total) }?;
        // SAFETY: the caller's promise.
        unsafe { put(used, reply.used) }
    })
}

/// What the kernel does for a port that is its own.
///
/// # Safety
///
/// Both places are null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_port_kernel_object(task: u32, name: u32, kind: *mut u32, address: *mut u64) -> i32 {
    routine(|own| {
        let reply = own.rpc(&PortName(task), mach_debug::KernelObject { name }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(kind, reply.object_type) }?;
        // SAFETY: the caller's promise.
        unsafe { put(address, reply.object_addr) }
    })
}

/// Sets the sequence number that the next message gets.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_set_seqno(task: u32, name: u32, seqno: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::SetSeqno { name, seqno }).map_err(code))
}

/// Has messages of a port arrive with a payload in place of its name.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_set_protected_payload(task: u32, name: u32, payload: u64) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::SetProtectedPayload { name, payload }).map_err(code))
}

/// Has messages of a port arrive with its name again.
#[unsafe(no_mangle)]
pub extern "C" fn mach_port_clear_protected_payload(task: u32, name: u32) -> i32 {
    routine(|own| own.rpc(&PortName(task), idl::ClearProtectedPayload { name }).map_err(code))
}

/// An array in fresh memory of the caller's; 0 for an empty one.
///
/// # Safety
///
/// Both places are null or valid for the write.
pub(crate) unsafe fn give_array(array: *mut *mut u32, count: *mut u32, words: &[u32]) -> Result<(), i32> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let address = memory::region(bytes.len() as u64).map_err(|_| KernReturn::ResourceShortage.raw())?;
    // SAFETY: the memory was made here.
    if !bytes.is_empty() && !unsafe { memory::write(address, &bytes) } {
        return Err(KernReturn::ResourceShortage.raw());
    }
    // SAFETY: the caller's promise.
    unsafe { put(array, address as *mut u32) }?;
    // SAFETY: the caller's promise.
    unsafe { put(count, words.len() as u32) }
}
