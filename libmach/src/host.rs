//! What a host tells of itself.

use std::ffi::c_int;

use proto::iface::host as idl;
use proto::{MigError, PortName};

use crate::face::{code, get, put, routine};

/// Bytes of a `new_kernel_version_t`.
const VERSION_BYTES: usize = 512;

/// `time_value_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeValue {
    /// Since 1970.
    pub seconds: i64,
    /// Below a million.
    pub microseconds: i32,
}

/// Facts by flavor: no more words than the caller has room for, and how many there are.
///
/// # Safety
///
/// `count` is null or valid for the read and the write; at `info` there is room for as many words as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn host_info(host: u32, flavor: c_int, info: *mut u32, count: *mut u32) -> i32 {
    routine(|own| {
        // SAFETY: the caller's promise.
        let room = unsafe { get(count) }?;
        let request = idl::Info { flavor: flavor as u32, host_info_out_count: room };
        let words = own.rpc(&PortName(host), request).map_err(code)?.host_info_out;
        if words.len() > room as usize {
            return Err(ARRAY_TOO_LARGE);
        }
        for (at, word) in words.iter().enumerate() {
            // SAFETY: there is room for `room` words, and no more are written.
            unsafe { put(info.wrapping_add(at), *word) }?;
        }
        // SAFETY: the caller's promise.
        unsafe { put(count, words.len() as u32) }
    })
}

/// The time of day.
///
/// # Safety
///
/// `time` is null or valid for the write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn host_get_time(host: u32, time: *mut TimeValue) -> i32 {
    routine(|own| {
        let now = own.rpc(&PortName(host), idl::GetTime).map_err(code)?.current_time;
        let now = TimeValue { seconds: now.seconds, microseconds: now.microseconds as i32 };
        // SAFETY: the caller's promise.
        unsafe { put(time, now) }
    })
}

/// A line about the node.
///
/// # Safety
///
/// At `version` there is room for a `new_kernel_version_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn host_get_kernel_version(host: u32, version: *mut [u8; VERSION_BYTES]) -> i32 {
    routine(|own| {
        let said = own.rpc(&PortName(host), idl::GetKernelVersion).map_err(code)?.kernel_version;
        let mut bytes = [0; VERSION_BYTES];
        let said = &said.as_bytes()[..said.len().min(VERSION_BYTES - 1)];
        bytes[..said.len()].copy_from_slice(said);
        // SAFETY: the caller's promise.
        unsafe { put(version, bytes) }
    })
}

/// `MIG_ARRAY_TOO_LARGE`.
const ARRAY_TOO_LARGE: i32 = -307;

const _: () = assert!(size_of::<TimeValue>() == 16);
const _: () = assert!(MigError::from_raw(ARRAY_TOO_LARGE).is_none());
