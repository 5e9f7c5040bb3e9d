//! Structures that the ioctls and `read(2)` take.

use core::mem::{offset_of, size_of};

/// A range of addresses, in bytes; both ends on a page border.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_range {
    pub start: u64,
    pub len: u64,
}

/// `UFFDIO_API`: in, the version and the features wanted; out, all features and the ioctls there are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_api {
    pub api: u64,
    pub features: u64,
    pub ioctls: u64,
}

/// `UFFDIO_REGISTER`; out, the ioctls that the range allows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_register {
    pub range: uffdio_range,
    pub mode: u64,
    pub ioctls: u64,
}

/// `UFFDIO_COPY`; out, bytes copied or a negative errno.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_copy {
    pub dst: u64,
    pub src: u64,
    pub len: u64,
    pub mode: u64,
    pub copy: i64,
}

/// `UFFDIO_ZEROPAGE`; out, bytes zeroed or a negative errno.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_zeropage {
    pub range: uffdio_range,
    pub mode: u64,
    pub zeropage: i64,
}

/// `UFFDIO_MOVE`; out, bytes moved or a negative errno.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_move {
    pub dst: u64,
    pub src: u64,
    pub len: u64,
    pub mode: u64,
    pub r#move: i64,
}

/// `UFFDIO_WRITEPROTECT`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_writeprotect {
    pub range: uffdio_range,
    pub mode: u64,
}

/// `UFFDIO_CONTINUE`; out, bytes mapped or a negative errno.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_continue {
    pub range: uffdio_range,
    pub mode: u64,
    pub mapped: i64,
}

/// `UFFDIO_POISON`; out, bytes poisoned or a negative errno.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct uffdio_poison {
    pub range: uffdio_range,
    pub mode: u64,
    pub updated: i64,
}

/// One event, as `read(2)` gives it. Packed in the kernel's header, which changes no offset on any machine.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uffd_msg {
    pub event: u8,
    pub reserved1: u8,
    pub reserved2: u16,
    pub reserved3: u32,
    pub arg: uffd_msg_arg,
}

/// What the event says; `uffd_msg.event` tells which.
#[repr(C)]
#[derive(Clone, Copy)]
pub union uffd_msg_arg {
    pub pagefault: uffd_msg_pagefault,
    pub fork: uffd_msg_fork,
    pub remap: uffd_msg_remap,
    pub remove: uffd_msg_remove,
    pub reserved: [u64; 3],
}

/// `UFFD_EVENT_PAGEFAULT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uffd_msg_pagefault {
    pub flags: u64,
    pub address: u64,
    pub feat: uffd_msg_pagefault_feat,
}

/// With `UFFD_FEATURE_THREAD_ID`, the thread that faulted.
#[repr(C)]
#[derive(Clone, Copy)]
pub union uffd_msg_pagefault_feat {
    pub ptid: u32,
}

/// `UFFD_EVENT_FORK`: the child's userfaultfd.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct uffd_msg_fork {
    pub ufd: u32,
}

/// `UFFD_EVENT_REMAP`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct uffd_msg_remap {
    pub from: u64,
    pub to: u64,
    pub len: u64,
}

/// `UFFD_EVENT_REMOVE` and `UFFD_EVENT_UNMAP`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct uffd_msg_remove {
    pub start: u64,
    pub end: u64,
}

const _: () = assert!(size_of::<uffdio_range>() == 16);
const _: () = assert!(size_of::<uffdio_api>() == 24);
const _: () = assert!(size_of::<uffdio_register>() == 32);
const _: () = assert!(size_of::<uffdio_copy>() == 40);
const _: () = assert!(size_of::<uffdio_zeropage>() == 32);
const _: () = assert!(size_of::<uffdio_move>() == 40);
const _: () = assert!(size_of::<uffdio_writeprotect>() == 24);
const _: () = assert!(size_of::<uffdio_continue>() == 32);
const _: () = assert!(size_of::<uffdio_poison>() == 32);
const _: () = assert!(size_of::<uffd_msg>() == 32);
const _: () = assert!(offset_of!(uffd_msg, arg) == 8);
const _: () = assert!(offset_of!(uffd_msg_pagefault, address) == 8);
const _: () = assert!(offset_of!(uffd_msg_pagefault, feat) == 16);
