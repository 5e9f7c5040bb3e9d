//! Numbers of the ioctls, and the formula that they follow.

use core::mem::size_of;

use crate::structs::*;

/// The type byte of the ioctls on a userfaultfd.
pub const UFFDIO: u8 = 0xaa;
/// The type byte of the ioctl on `/dev/userfaultfd`.
pub const USERFAULTFD_IOC: u8 = 0xaa;

/// Sequence number of `UFFDIO_REGISTER`.
pub const _UFFDIO_REGISTER: u8 = 0x00;
/// Sequence number of `UFFDIO_UNREGISTER`.
pub const _UFFDIO_UNREGISTER: u8 = 0x01;
/// Sequence number of `UFFDIO_WAKE`.
pub const _UFFDIO_WAKE: u8 = 0x02;
/// Sequence number of `UFFDIO_COPY`.
pub const _UFFDIO_COPY: u8 = 0x03;
/// Sequence number of `UFFDIO_ZEROPAGE`.
pub const _UFFDIO_ZEROPAGE: u8 = 0x04;
/// Sequence number of `UFFDIO_MOVE`.
pub const _UFFDIO_MOVE: u8 = 0x05;
/// Sequence number of `UFFDIO_WRITEPROTECT`.
pub const _UFFDIO_WRITEPROTECT: u8 = 0x06;
/// Sequence number of `UFFDIO_CONTINUE`.
pub const _UFFDIO_CONTINUE: u8 = 0x07;
/// Sequence number of `UFFDIO_POISON`.
pub const _UFFDIO_POISON: u8 = 0x08;
/// Sequence number of `UFFDIO_API`.
pub const _UFFDIO_API: u8 = 0x3f;

/// The handshake.
pub const UFFDIO_API: u32 = iowr(_UFFDIO_API, size_of::<uffdio_api>());
/// Puts a range under management.
pub const UFFDIO_REGISTER: u32 = iowr(_UFFDIO_REGISTER, size_of::<uffdio_register>());
/// Takes a range out of management, and wakes it.
pub const UFFDIO_UNREGISTER: u32 = ior(_UFFDIO_UNREGISTER, size_of::<uffdio_range>());
/// Wakes the threads that wait in a range.
pub const UFFDIO_WAKE: u32 = ior(_UFFDIO_WAKE, size_of::<uffdio_range>());
/// Installs copies of pages.
pub const UFFDIO_COPY: u32 = iowr(_UFFDIO_COPY, size_of::<uffdio_copy>());
/// Installs the zero page.
pub const UFFDIO_ZEROPAGE: u32 = iowr(_UFFDIO_ZEROPAGE, size_of::<uffdio_zeropage>());
/// Moves anonymous pages.
pub const UFFDIO_MOVE: u32 = iowr(_UFFDIO_MOVE, size_of::<uffdio_move>());
/// Protects a range from writes or lifts that.
pub const UFFDIO_WRITEPROTECT: u32 = iowr(_UFFDIO_WRITEPROTECT, size_of::<uffdio_writeprotect>());
/// Maps pages of the page cache.
pub const UFFDIO_CONTINUE: u32 = iowr(_UFFDIO_CONTINUE, size_of::<uffdio_continue>());
/// Makes touching missing pages an error.
pub const UFFDIO_POISON: u32 = iowr(_UFFDIO_POISON, size_of::<uffdio_poison>());
/// On `/dev/userfaultfd`: a new userfaultfd; the argument is the system call's flags.
pub const USERFAULTFD_IOC_NEW: u32 = ioc(0, USERFAULTFD_IOC, 0x00, 0);

/// `_IOC` of `<asm-generic/ioctl.h>`: direction in the top two bits, 14 bits of size, the type, the number.
const fn ioc(direction: u32, kind: u8, number: u8, size: usize) -> u32 {
    assert!(size < 1 << 14);
    direction << 30 | (size as u32) << 16 | (kind as u32) << 8 | number as u32
}

/// `_IOR`: the kernel says that it writes (direction 2).
const fn ior(number: u8, size: usize) -> u32 {
    ioc(2, UFFDIO, number, size)
}

/// `_IOWR`: read and written (direction 3).
const fn iowr(number: u8, size: usize) -> u32 {
    ioc(3, UFFDIO, number, size)
}

// Powerpc, mips and sparc number their ioctls by another formula.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "loongarch64",
    target_arch = "s390x"
)))]
compile_error!("the ioctl numbers here are those of <asm-generic/ioctl.h>");

// The formula's results, worked out by hand once: a wrong size or direction shows here.
const _: () = assert!(UFFDIO_API == 0xc018_aa3f);
const _: () = assert!(UFFDIO_REGISTER == 0xc020_aa00);
const _: () = assert!(UFFDIO_UNREGISTER == 0x8010_aa01);
const _: () = assert!(UFFDIO_WAKE == 0x8010_aa02);
const _: () = assert!(UFFDIO_COPY == 0xc028_aa03);
const _: () = assert!(UFFDIO_ZEROPAGE == 0xc020_aa04);
const _: () = assert!(UFFDIO_MOVE == 0xc028_aa05);
const _: () = assert!(UFFDIO_WRITEPROTECT == 0xc018_aa06);
const _: () = assert!(UFFDIO_CONTINUE == 0xc020_aa07);
const _: () = assert!(UFFDIO_POISON == 0xc020_aa08);
const _: () = assert!(USERFAULTFD_IOC_NEW == 0x0000_aa00);
