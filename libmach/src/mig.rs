//! What stubs written by MIG call.

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::process;

use mach::Task;
use proto::{Disposition, NamedRight, PortName};

use crate::abi::{Header, MigReply};
use crate::attach;
use crate::face::guarded;
use crate::memory;

/// `MIG_BAD_ID`.
const BAD_ID: i32 = proto::MigError::BadId.raw();

/// The calling thread's port for replies, and the process that made it.
#[derive(Default)]
struct ReplyPort {
    pid: u32,
    name: PortName,
}

thread_local! {
    static REPLY_PORT: RefCell<ReplyPort> = RefCell::default();
}

/// The calling thread's port for replies, made at its first call; a forked child's threads have ports of their own.
///
/// Errors: `MACH_PORT_NULL`.
#[unsafe(no_mangle)]
pub extern "C" fn mig_get_reply_port() -> u32 {
    let made = || {
        let Some(task) = attach::task() else { return PortName::NULL };
        let kept = take(PortName::is_valid);
        let port = kept.or_else(|| task.mach_reply_port().ok()).unwrap_or_default();
        keep(port);
        port
    };
    guarded(PortName::NULL, made).0
}

/// Gives the port back for the next call: it is kept anyway.
#[unsafe(no_mangle)]
pub extern "C" fn mig_put_reply_port(_port: u32) {}

/// Gives up the calling thread's port for replies: an answer to a call that failed may still come to it.
///
/// A stub says which port stands in its buffer. After a send whose message came back, that is the right to reply under
/// a name of its own, which goes with the port.
#[unsafe(no_mangle)]
pub extern "C" fn mig_dealloc_reply_port(port: u32) {
    guarded((), || {
        let kept = take(PortName::is_valid);
        let Some(task) = attach::task() else { return };
        if let Some(kept) = kept {
            give_up(task, kept);
        }
        if kept != Some(PortName(port)) {
            task.release_right(NamedRight { name: PortName(port), disposition: Disposition::MoveSendOnce });
        }
    });
}

/// Has the calling thread begin without a port for replies.
#[unsafe(no_mangle)]
pub extern "C" fn mig_init(_first: *mut c_void) {
    guarded((), || {
        take(|_| true);
    });
}

/// Makes `reply` the answer `MIG_BAD_ID` to `request`.
///
/// # Safety
///
/// `request` is a message's header; at `reply` there is room for a `mig_reply_header_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mig_reply_setup(request: *const Header, reply: *mut Header) {
    // SAFETY: the caller's promise.
    let request = unsafe { request.read() };
    // SAFETY: the caller's promise; both have the alignment of a message.
    unsafe { reply.cast::<MigReply>().write(MigReply::to(&request, BAD_ID)) };
}

/// Copies a string into `len` bytes and ends it; the rest is filled with NULs, so that nothing of the caller's stack goes
/// into a message. Answers the bytes of the string, its NUL included; 0 for no room at all.
///
/// # Safety
///
/// `source` is a C string, or has `len` bytes; at `target` there is room for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mig_strncpy(target: *mut c_char, source: *const c_char, len: usize) -> usize {
    let Some(room) = len.checked_sub(1) else { return 0 };
    let mut used = 0;
    while used < room {
        // SAFETY: no byte before it was the NUL, and it is one of the first `len`.
        let byte = unsafe { source.wrapping_add(used).read() };
        if byte == 0 {
            break;
        }
        // SAFETY: `used` is less than `len`.
        unsafe { target.wrapping_add(used).write(byte) };
        used += 1;
    }
    // SAFETY: from the string's end to `len`.
    unsafe { target.wrapping_add(used).write_bytes(0, len - used) };
    used + 1
}

/// Memory for out-of-line data; `*address` is 0 when there is none.
///
/// # Safety
///
/// `address` is valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mig_allocate(address: *mut usize, size: usize) {
    let allocated = guarded(0, || memory::region(size as u64).unwrap_or(0) as usize);
    // SAFETY: the caller's promise.
    unsafe { address.write(allocated) };
}

/// Gives such memory, or any other of the task's, back.
///
/// # Safety
///
/// Nothing refers to the memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mig_deallocate(address: usize, size: usize) {
    guarded((), || {
        if let Some(task) = attach::task() {
            // SAFETY: the caller's promise.
            let _ = unsafe { memory::deallocate(task, address as u64, size as u64) };
        }
    });
}

/// Takes the kept port away if it is this process's and `which` likes it.
fn take(which: impl FnOnce(PortName) -> bool) -> Option<PortName> {
    let taken = |port: &RefCell<ReplyPort>| {
        let mut port = port.borrow_mut();
        if port.pid != process::id() {
            port.name = PortName::NULL;
        }
        which(port.name).then(|| std::mem::take(&mut port.name))
    };
    // While the thread ends there is nothing kept.
    REPLY_PORT.try_with(taken).ok().flatten()
}

fn keep(name: PortName) {
    let _ = REPLY_PORT.try_with(|port| {
        let mut port = port.borrow_mut();
        (port.pid, port.name) = (process::id(), name);
    });
}

fn give_up(task: &Task, name: PortName) {
    task.release_right(NamedRight { name, disposition: Disposition::MoveReceive });
}

impl Drop for ReplyPort {
    fn drop(&mut self) {
        if self.name.is_valid() && self.pid == process::id() {
            // The thread ends; without this its port would stay in the task's space for ever.
            guarded((), || attach::task().into_iter().for_each(|task| give_up(task, self.name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(source: &[u8], len: usize) -> (usize, Vec<u8>) {
        let mut target = vec![0x7f_u8; 8];
        // SAFETY: the source ends with a NUL or is longer than `len`; the target has eight bytes.
        let used = unsafe { mig_strncpy(target.as_mut_ptr().cast(), source.as_ptr().cast(), len) };
        (used, target)
    }

    #[test]
    fn a_copied_string_always_ends() {
        assert_eq!(copied(b"abc\0", 6), (4, b"abc\0\0\0\x7f\x7f".to_vec()));
        assert_eq!(copied(b"abcdefgh", 4), (4, b"abc\0\x7f\x7f\x7f\x7f".to_vec()));
        assert_eq!(copied(b"x\0", 1), (1, b"\0\x7f\x7f\x7f\x7f\x7f\x7f\x7f".to_vec()));
        assert_eq!(copied(b"x\0", 0), (0, vec![0x7f; 8]));
    }

    #[test]
    fn a_reply_begins_as_bad_id() {
        let request = Header { bits: 0x1112, remote: 5, id: 30, ..Header::default() };
        let mut reply = MigReply::default();
        // SAFETY: both are ours.
        unsafe { mig_reply_setup(&raw const request, (&raw mut reply).cast()) };
        assert_eq!((reply.code, reply.head.remote, reply.head.id), (-303, 5, 130));
    }
}
