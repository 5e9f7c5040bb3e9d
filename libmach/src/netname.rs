//! The network name service.

use std::ffi::c_char;

use proto::iface::netname::{CheckIn, CheckOut, LookUp, Version};
use proto::limits::NETNAME_MAX;
use proto::{KernReturn, NamedRight, PortName};

use crate::face::{code, put, routine};

/// Bytes of a `netname_name_t`.
const NAME_BYTES: usize = 80;

/// Binds a name to a port.
///
/// # Safety
///
/// `name` is a `netname_name_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn netname_check_in(server: u32, name: *const c_char, signature: u32, port: u32) -> i32 {
    routine(|task| {
        // SAFETY: the caller's promise.
        let port_name = unsafe { text(name) }?;
        let request = CheckIn { port_name, signature: right(signature), port_id: right(port) };
        task.rpc(&PortName(server), request).map_err(code)
    })
}

/// A send right by its name.
///
/// # Safety
///
/// `host` and `name` are `netname_name_t`s; `port` is valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn netname_look_up(server: u32, host: *const c_char, name: *const c_char, port: *mut u32) -> i32 {
    routine(|task| {
        // SAFETY: the caller's promise.
        let host_name = unsafe { text(host) }?;
        // SAFETY: the caller's promise.
        let port_name = unsafe { text(name) }?;
        let found = task.rpc(&PortName(server), LookUp { host_name, port_name }).map_err(code)?;
        // SAFETY: the caller's promise.
        unsafe { put(port, found.port_id.name.0) }
    })
}

/// Takes a name back.
///
/// # Safety
///
/// `name` is a `netname_name_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn netname_check_out(server: u32, name: *const c_char, signature: u32) -> i32 {
    routine(|task| {
        // SAFETY: the caller's promise.
        let port_name = unsafe { text(name) }?;
        let request = CheckOut { port_name, signature: right(signature) };
        task.rpc(&PortName(server), request).map_err(code)
    })
}

/// What server this is.
///
/// # Safety
///
/// At `version` there is room for a `netname_name_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn netname_version(server: u32, version: *mut [u8; NAME_BYTES]) -> i32 {
    routine(|task| {
        let said = task.rpc(&PortName(server), Version).map_err(code)?.version;
        let mut bytes = [0; NAME_BYTES];
        let said = &said.as_bytes()[..said.len().min(NAME_BYTES - 1)];
        bytes[..said.len()].copy_from_slice(said);
        // SAFETY: the caller's promise.
        unsafe { put(version, bytes) }
    })
}

/// A right of the caller's that it keeps; null stays null.
fn right(name: u32) -> NamedRight {
    NamedRight::copy_send(PortName(name))
}

/// The text of a `netname_name_t`.
///
/// Errors: `InvalidArgument` null, longer than a name may be, or no UTF-8.
///
/// # Safety
///
/// `name` is null, a C string, or has the bytes of a `netname_name_t`.
unsafe fn text(name: *const c_char) -> Result<String, i32> {
    let invalid = KernReturn::InvalidArgument.raw();
    if name.is_null() {
        return Err(invalid);
    }
    // SAFETY: at most the bytes of a `netname_name_t` are looked at, and none behind the end of a C string.
    let byte = |at: usize| unsafe { name.wrapping_add(at).read() } as u8;
    let bytes: Vec<u8> = (0..NAME_BYTES).map(byte).take_while(|byte| *byte != 0).collect();
    if bytes.len() == NAME_BYTES {
        return Err(invalid);
    }
    String::from_utf8(bytes).map_err(|_| invalid)
}

const _: () = assert!(NETNAME_MAX == NAME_BYTES - 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_within_its_field() {
        // SAFETY: each is a string, or as long as a name's field.
        let text = |bytes: &[u8]| unsafe { text(bytes.as_ptr().cast()) };
        assert_eq!(text(b"service\0junk").as_deref(), Ok("service"));
        assert_eq!(text(&[b'x'; 80]), Err(4));
        let longest = [&[b'x'; 79][..], b"\0"].concat();
        assert_eq!(text(&longest).map(|t| t.len()), Ok(79));
        assert_eq!(text(b"\xff\0"), Err(4));
        // SAFETY: null is permitted.
        assert_eq!(unsafe { super::text(std::ptr::null()) }, Err(4));
    }
}
