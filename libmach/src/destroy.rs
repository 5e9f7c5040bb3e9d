//! `mach_msg_destroy`: what a message carries is given up, as though its receiver had not wanted it.
//!
//! 1. A right as it arrives (`PORT_RECEIVE`, `PORT_SEND`, `PORT_SEND_ONCE`) is the task's own and is released. A right that
//!    was to be made (`MAKE_SEND`, `MAKE_SEND_ONCE`) is made and released, so that its port counts it; of `COPY_SEND`
//!    nothing was taken.
//! 2. `msgh_local_port` gave the receiver nothing, and is left alone; also the right to reply in a message that came back,
//!    which its sender gives up or sends again.
//! 3. A message whose items are not typed, or run past its size, is left as it is from there on.

use proto::iface::mach_port as idl;
use proto::typed::{Located, Scan};
use proto::{Disposition, NamedRight, PortName};

use mach::Task;

use crate::abi::{HEADER_BYTES, Header};
use crate::attach;
use crate::face::guarded;
use crate::memory;

/// Bytes of an inline slot.
const SLOT: usize = 8;

/// Gives up what a message carries that was received or came back: the right in `msgh_remote_port`, and every right and
/// all memory of its body. What stands in `msgh_local_port` stays.
///
/// # Safety
///
/// `message` has as many bytes as its header says, or more. Nothing refers to its out-of-line memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_msg_destroy(message: *mut Header) {
    guarded((), || {
        let Some(task) = attach::task() else { return };
        // SAFETY: the caller's promise.
        let header = unsafe { message.read() };
        if let Some(kind) = Disposition::from_raw(header.remote_type()) {
            release(task, PortName(header.remote), kind);
        }
        let body_bytes = (header.size as usize).saturating_sub(HEADER_BYTES);
        let body_at = message as u64 + HEADER_BYTES as u64;
        if let Some(body) = memory::read(body_at, body_bytes).filter(|_| header.is_complex()) {
            for located in Scan::new(&body).map_while(Result::ok) {
                // SAFETY: the caller's promise.
                unsafe { destroy_item(task, &body, located) };
            }
        }
    });
}

/// Gives up what one item carries.
///
/// # Safety
///
/// Nothing refers to its out-of-line memory.
unsafe fn destroy_item(task: &Task, body: &[u8], Located { descriptor, data, .. }: Located) {
    let bytes = descriptor.data_bytes();
    let address = (!descriptor.inline).then(|| slot(body, data));
    if let Some(kind) = descriptor.disposition() {
        let names: Vec<u32> = match address {
            None => (0..descriptor.number as usize).map(|n| slot(body, data + n * SLOT) as u32).collect(),
            Some(address) => names_at(address, bytes as usize),
        };
        names.into_iter().for_each(|name| release(task, PortName(name), kind));
    }
    if let Some(address) = address.filter(|_| bytes > 0) {
        // SAFETY: the caller's promise.
        let _ = unsafe { memory::deallocate(task, address, bytes) };
    }
}

fn slot(body: &[u8], at: usize) -> u64 {
    body[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn names_at(address: u64, bytes: usize) -> Vec<u32> {
    let array = memory::read(address, bytes).unwrap_or_default();
    array.chunks_exact(4).map(|name| u32::from_ne_bytes([name[0], name[1], name[2], name[3]])).collect()
}

fn release(task: &Task, name: PortName, kind: Disposition) {
    if !name.is_valid() {
        return;
    }
    let right = NamedRight { name, disposition: kind };
    let request = match kind {
        Disposition::MoveReceive | Disposition::MoveSend | Disposition::MoveSendOnce => {
            return task.release_right(right);
        }
        Disposition::CopySend => return,
        Disposition::MakeSend => task.rpc(&task.task_self(), idl::InsertRight { name: name.0, right }).map(|()| name),
        Disposition::MakeSendOnce => task
            .rpc(&task.task_self(), idl::ExtractRight { name: name.0, disposition: kind as u32 })
            .map(|reply| reply.right.name),
    };
    // A name that denotes no receive right (any more) makes none.
    if let Ok(name) = request {
        task.release_right(NamedRight { name, disposition: kind.arrival() });
    }
}
