//! The kernel's userfaultfd interface as numbers and structures.
//!
//! Stands in for the crate of the same name, which makes these from the C header with bindgen and so wants libclang on
//! every machine that builds. They are written down here instead: names as in `userfaultfd(2)` and
//! `ioctl_userfaultfd(2)`, values asserted at compile time against the kernel's formula for ioctl numbers and against
//! the sizes that the structures have in its ABI. Newer ones than the crate `userfaultfd` knows are here too, for `sys`.
//!
//! Feature gates are accepted and ignored: which of these the running kernel has is asked at run time (`UFFDIO_API`).

#![no_std]
#![allow(non_camel_case_types)]

mod ioctl;
mod structs;

pub use ioctl::*;
pub use structs::*;

/// The version of the handshake; `uffdio_api.api`.
pub const UFFD_API: u64 = 0xaa;
/// Flag of the system call and of `USERFAULTFD_IOC_NEW`: faults taken inside the kernel are not served. Since 5.11.
pub const UFFD_USER_MODE_ONLY: u32 = 1;

/// A page fault.
pub const UFFD_EVENT_PAGEFAULT: u8 = 0x12;
/// The process forked; the event carries the child's descriptor.
pub const UFFD_EVENT_FORK: u8 = 0x13;
/// A range moved by `mremap(2)`.
pub const UFFD_EVENT_REMAP: u8 = 0x14;
/// Pages dropped by `madvise(2)` with `MADV_DONTNEED` or `MADV_REMOVE`.
pub const UFFD_EVENT_REMOVE: u8 = 0x15;
/// A range unmapped.
pub const UFFD_EVENT_UNMAP: u8 = 0x16;

/// The access was a write.
pub const UFFD_PAGEFAULT_FLAG_WRITE: u64 = 1 << 0;
/// A write to a page that is write-protected. Since 5.7.
pub const UFFD_PAGEFAULT_FLAG_WP: u64 = 1 << 1;
/// The page is in the page cache and only the page table entry is missing. Since 5.13.
pub const UFFD_PAGEFAULT_FLAG_MINOR: u64 = 1 << 2;

/// Write-protect faults on anonymous memory. Since 5.7.
pub const UFFD_FEATURE_PAGEFAULT_FLAG_WP: u64 = 1 << 0;
/// Fork events; wants `CAP_SYS_PTRACE`. Since 4.11.
pub const UFFD_FEATURE_EVENT_FORK: u64 = 1 << 1;
/// Remap events. Since 4.11.
pub const UFFD_FEATURE_EVENT_REMAP: u64 = 1 << 2;
/// Remove events. Since 4.11.
pub const UFFD_FEATURE_EVENT_REMOVE: u64 = 1 << 3;
/// Missing faults on hugetlbfs. Since 4.11.
pub const UFFD_FEATURE_MISSING_HUGETLBFS: u64 = 1 << 4;
/// Missing faults on shared memory. Since 4.11.
pub const UFFD_FEATURE_MISSING_SHMEM: u64 = 1 << 5;
/// Unmap events. Since 4.11.
pub const UFFD_FEATURE_EVENT_UNMAP: u64 = 1 << 6;
/// SIGBUS in place of an event. Since 4.14.
pub const UFFD_FEATURE_SIGBUS: u64 = 1 << 7;
/// Fault events name the thread. Since 4.14.
pub const UFFD_FEATURE_THREAD_ID: u64 = 1 << 8;
/// Minor faults on hugetlbfs. Since 5.13.
pub const UFFD_FEATURE_MINOR_HUGETLBFS: u64 = 1 << 9;
/// Minor faults on shared memory. Since 5.14.
pub const UFFD_FEATURE_MINOR_SHMEM: u64 = 1 << 10;
/// Fault events carry the address as it was, not rounded to its page. Since 5.18.
pub const UFFD_FEATURE_EXACT_ADDRESS: u64 = 1 << 11;
/// Write-protect faults on hugetlbfs and shared memory. Since 5.19.
pub const UFFD_FEATURE_WP_HUGETLBFS_SHMEM: u64 = 1 << 12;
/// Write protection takes hold of pages that are not there yet. Since 6.4.
pub const UFFD_FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
/// `UFFDIO_POISON`. Since 6.6.
pub const UFFD_FEATURE_POISON: u64 = 1 << 14;
/// The kernel lifts write protection by itself and remembers that it did. Since 6.7.
pub const UFFD_FEATURE_WP_ASYNC: u64 = 1 << 15;
/// `UFFDIO_MOVE`. Since 6.8.
pub const UFFD_FEATURE_MOVE: u64 = 1 << 16;

/// Faults on missing pages.
pub const UFFDIO_REGISTER_MODE_MISSING: u64 = 1 << 0;
/// Faults on write-protected pages. Since 5.7.
pub const UFFDIO_REGISTER_MODE_WP: u64 = 1 << 1;
/// Faults on pages that only the page table lacks. Since 5.13.
pub const UFFDIO_REGISTER_MODE_MINOR: u64 = 1 << 2;

/// Leave the threads that wait for the range asleep.
pub const UFFDIO_COPY_MODE_DONTWAKE: u64 = 1 << 0;
/// Install the pages write-protected. Since 5.7.
pub const UFFDIO_COPY_MODE_WP: u64 = 1 << 1;
/// Leave the threads that wait for the range asleep.
pub const UFFDIO_ZEROPAGE_MODE_DONTWAKE: u64 = 1 << 0;
/// Protect; without it, lift the protection.
pub const UFFDIO_WRITEPROTECT_MODE_WP: u64 = 1 << 0;
/// Leave the threads that wait for the range asleep; not together with `MODE_WP`, which never wakes.
pub const UFFDIO_WRITEPROTECT_MODE_DONTWAKE: u64 = 1 << 1;
/// Leave the threads that wait for the range asleep.
pub const UFFDIO_CONTINUE_MODE_DONTWAKE: u64 = 1 << 0;
/// Map the pages write-protected. Since 6.4.
pub const UFFDIO_CONTINUE_MODE_WP: u64 = 1 << 1;
/// Leave the threads that wait for the range asleep.
pub const UFFDIO_POISON_MODE_DONTWAKE: u64 = 1 << 0;
/// Leave the threads that wait for the range asleep.
pub const UFFDIO_MOVE_MODE_DONTWAKE: u64 = 1 << 0;
/// Pass over holes of the source.
pub const UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES: u64 = 1 << 1;
