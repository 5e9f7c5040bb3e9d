//! The skin between C and Rust: what every function of the library goes through.
//!
//! No panic leaves it. A panic is a defect of this library; the caller gets an error and the panic's text stands on the
//! standard error output.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mach::{MsgError, RpcError, Task, TrapError};
use proto::{KernReturn, MigError, MsgReturn};

use crate::attach;

/// Runs the body of a function; `otherwise` is its answer when it panics.
pub fn guarded<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// Runs the body of a routine that needs the task; answers its code.
pub fn routine(body: impl FnOnce(&'static Task) -> Result<(), i32>) -> i32 {
    guarded(KernReturn::Failure.raw(), || {
        let Some(task) = attach::task() else { return MsgReturn::SendInvalidDest.raw() };
        body(task).map_or_else(|code| code, |()| KernReturn::Success.raw())
    })
}

/// What C is told of a call that failed.
pub fn code(error: RpcError) -> i32 {
    match error {
        RpcError::Kern { code, .. } => code.raw(),
        RpcError::Other { code, .. } => code,
        RpcError::Mig { code, .. } => code.raw(),
        RpcError::Msg { source: MsgError::Trap(TrapError::Order(refused)), .. } => order_code(refused.errno),
        RpcError::Msg { source: MsgError::Trap(error), .. } if error.is_shortage() => {
            KernReturn::ResourceShortage.raw()
        }
        RpcError::Msg { source, .. } => msg_code(source),
    }
}

/// What C is told when Linux refuses the task's own half of a routine on its memory.
fn order_code(errno: sys::Errno) -> i32 {
    let code = match errno {
        sys::Errno::NOMEM => KernReturn::NoSpace,
        sys::Errno::AGAIN => KernReturn::ResourceShortage,
        sys::Errno::EXIST => KernReturn::MemoryPresent,
        _ => KernReturn::Failure,
    };
    code.raw()
}

/// What C is told of a message that was not sent or received.
pub fn msg_code(error: MsgError) -> i32 {
    match error {
        MsgError::Code { code, .. } => code.raw(),
        MsgError::TooLarge { .. } => MsgReturn::RcvTooLarge.raw(),
        MsgError::NoWatch { code } => code.raw(),
        MsgError::Trap(error) => {
            attach::say_once(&error);
            MsgReturn::SendInvalidDest.raw()
        }
    }
}

/// Writes a result where the caller wants it.
///
/// Errors: `InvalidArgument` it gave no place.
///
/// # Safety
///
/// `to` is null or valid for the write.
pub unsafe fn put<T>(to: *mut T, value: T) -> Result<(), i32> {
    if to.is_null() {
        return Err(KernReturn::InvalidArgument.raw());
    }
    // SAFETY: it is not null, so the caller promises that it can be written.
    unsafe { to.write(value) };
    Ok(())
}

/// Reads what the caller passes by its address.
///
/// Errors: `InvalidArgument` it gave none.
///
/// # Safety
///
/// `from` is null or valid for the read.
pub unsafe fn get<T: Copy>(from: *const T) -> Result<T, i32> {
    if from.is_null() {
        return Err(KernReturn::InvalidArgument.raw());
    }
    // SAFETY: it is not null, so the caller promises that it can be read.
    Ok(unsafe { from.read() })
}

/// A disposition that C gives as a number.
///
/// Errors: `BadArguments`: no message could be made of it.
pub fn disposition(raw: u32) -> Result<proto::Disposition, i32> {
    proto::Disposition::from_raw(raw).ok_or(MigError::BadArguments.raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(guarded(7, || panic!("planted")), 7);
        drop(std::panic::take_hook());
        assert_eq!(guarded(7, || 8), 8);
    }

    #[test]
    fn a_missing_place_is_an_error() {
        let mut place = 1;
        // SAFETY: null is permitted.
        let nowhere = unsafe { put(std::ptr::null_mut::<i32>(), 2) };
        // SAFETY: a place of our own.
        let somewhere = unsafe { put(&raw mut place, 2) };
        assert_eq!((nowhere, somewhere, place), (Err(4), Ok(()), 2));
    }
}
