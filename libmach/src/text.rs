//! Codes as text, and text for people.

use std::ffi::{CStr, c_char};
use std::io::Write as _;

use crate::abi::MSG_MASK;
use crate::face::guarded;

/// What a code means. The text lives for ever and must not be changed.
#[unsafe(no_mangle)]
pub extern "C" fn mach_error_string(error: i32) -> *mut c_char {
    meaning(error).as_ptr().cast_mut()
}

/// Where a code comes from. The text lives for ever and must not be changed.
#[unsafe(no_mangle)]
pub extern "C" fn mach_error_type(error: i32) -> *mut c_char {
    origin(error).as_ptr().cast_mut()
}

/// Says `text`, the code and what it means on the standard error output.
///
/// # Safety
///
/// `text` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_error(text: *const c_char, error: i32) {
    let mut line = Vec::new();
    if !text.is_null() {
        // SAFETY: it is not null, so the caller promises that it is a C string.
        line.extend_from_slice(unsafe { CStr::from_ptr(text) }.to_bytes());
    }
    line.extend_from_slice(b": ");
    line.extend_from_slice(origin(error).to_bytes());
    line.extend_from_slice(b" ");
    line.extend_from_slice(meaning(error).to_bytes());
    line.extend_from_slice(format!(" ({error:#x})\n").as_bytes());
    say(&line);
}

/// Says a text on the standard error output as it is.
///
/// # Safety
///
/// `text` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_print(text: *const c_char) {
    if !text.is_null() {
        // SAFETY: it is not null, so the caller promises that it is a C string.
        say(unsafe { CStr::from_ptr(text) }.to_bytes());
    }
}

fn say(bytes: &[u8]) {
    // A closed standard error output is nobody's fault.
    guarded((), || drop(std::io::stderr().write_all(bytes)));
}

fn meaning(error: i32) -> &'static CStr {
    // Codes of `mach_msg` may say beside their number what was short.
    let plain = if error & !0x7fff == 0x1000_0000 { error & !MSG_MASK } else { error };
    let found = MEANINGS.iter().find(|(code, _)| *code == plain);
    found.map_or(c"unknown error code", |(_, text)| text)
}

fn origin(error: i32) -> &'static CStr {
    let (system, subsystem) = ((error as u32 >> 26) & 0x3f, (error as u32 >> 14) & 0xfff);
    match (error, system, subsystem) {
        (-309..=-300, ..) => c"(ipc/mig)",
        (1000..=1003, ..) => c"(server/netname)",
        (_, 0, 0) => c"(os/kern)",
        (_, 0, 3) => c"(os/unix)",
        (_, 0, _) => c"(os/?)",
        (_, 4, 0) => c"(ipc/send)",
        (_, 4, 1) => c"(ipc/rcv)",
        (_, 4, _) => c"(ipc/?)",
        (_, 5, _) => c"(bootstrap/?)",
        _ => c"(?/?)",
    }
}

const MEANINGS: &[(i32, &CStr)] = &[
    (0, c"success"),
    (1, c"nothing is mapped at the address"),
    (2, c"the memory does not permit the access"),
    (3, c"no free addresses or names"),
    (4, c"an argument has no meaning here"),
    (5, c"failure"),
    (6, c"a limit was reached or memory ran out"),
    (7, c"the receive right is not the caller's"),
    (8, c"not permitted"),
    (9, c"the memory object is gone"),
    (10, c"the memory object could not bring the page"),
    (11, c"already a member of the port set"),
    (12, c"not a member of a port set"),
    (13, c"the name is in use"),
    (14, c"aborted"),
    (15, c"the name denotes nothing"),
    (16, c"not a task"),
    (17, c"the name denotes another kind of right"),
    (18, c"a value is out of range"),
    (19, c"too many user references"),
    (20, c"the right is null or dead"),
    (21, c"the task has the right under another name"),
    (22, c"not a host"),
    (23, c"the memory is present already"),
    (24, c"written without permission of the memory object"),
    (26, c"terminated"),
    (27, c"the time is up"),
    (28, c"interrupted"),
    (-300, c"the reply is not of the routine's types"),
    (-301, c"the reply answers another request"),
    (-302, c"the server failed"),
    (-303, c"the server has no such routine"),
    (-304, c"the request is not of the routine's types"),
    (-305, c"no reply is sent"),
    (-306, c"the server raised an exception"),
    (-307, c"the array has no room"),
    (-308, c"the server died"),
    (-309, c"the request is destroyed without a reply"),
    (1000, c"the name is checked in with another signature"),
    (1001, c"the name is not checked in"),
    (1002, c"no such host"),
    (1003, c"the host does not answer"),
    (0x1000_0001, c"a send is under way"),
    (0x1000_0002, c"the message cannot be read"),
    (0x1000_0003, c"no such destination, or it is dead"),
    (0x1000_0004, c"no room in the queue in time"),
    (0x1000_0005, c"a notification will follow"),
    (0x1000_0006, c"a notification is due already"),
    (0x1000_0007, c"the send was interrupted"),
    (0x1000_0008, c"the message is too small for what it should hold"),
    (0x1000_0009, c"no such reply port"),
    (0x1000_000a, c"a right in the message is none of the task's"),
    (0x1000_000b, c"no such notify port"),
    (0x1000_000c, c"out-of-line memory cannot be read"),
    (0x1000_000d, c"the node has no room for the message"),
    (0x1000_000e, c"the node has no room for the notification"),
    (0x1000_000f, c"a type descriptor is wrong"),
    (0x1000_0010, c"the header is wrong"),
    (0x1000_4001, c"a receive is under way"),
    (0x1000_4002, c"neither a receive right nor a port set"),
    (0x1000_4003, c"no message in time"),
    (0x1000_4004, c"the message does not fit into the buffer"),
    (0x1000_4005, c"the receive was interrupted"),
    (0x1000_4006, c"the port was moved"),
    (0x1000_4007, c"no such notify port"),
    (0x1000_4008, c"the message cannot be written"),
    (0x1000_4009, c"the port or set was destroyed"),
    (0x1000_400a, c"the port is a member of a set"),
    (0x1000_400b, c"the header's rights found no place"),
    (0x1000_400c, c"a right or memory of the message found no place"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_ours_has_a_text_and_an_origin() {
        for code in (0..=28).chain(1000..=1003).filter(|c| proto::KernReturn::from_raw(*c).is_some()) {
            assert_ne!(meaning(code), c"unknown error code", "{code}");
        }
        let messages = (0x1000_0001..0x1000_0020).chain(0x1000_4001..0x1000_4020);
        for code in messages.filter(|c| proto::MsgReturn::from_raw(*c).is_some()) {
            assert_ne!(meaning(code), c"unknown error code", "{code:#x}");
        }
        assert_eq!(meaning(99), c"unknown error code");
        assert_eq!((origin(0), origin(-303), origin(1001)), (c"(os/kern)", c"(ipc/mig)", c"(server/netname)"));
        assert_eq!((origin(0x1000_0003), origin(0x1000_4003)), (c"(ipc/send)", c"(ipc/rcv)"));
    }

    #[test]
    fn what_was_short_does_not_hide_the_code() {
        assert_eq!(meaning(0x1000_400c | 0x2000), meaning(0x1000_400c));
        assert_eq!(meaning(0x1000_0004 | 0x1000), meaning(0x1000_0004));
        assert_eq!(meaning(0x400), c"unknown error code");
    }
}
