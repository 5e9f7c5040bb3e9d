//! Constants of the virtual memory interfaces. Source: mach-api §2.1.

use bitflags::bitflags;

/// Bytes of a page on every node (x86-64 and most arm64 systems); checked against the kernel's at start.
pub const PAGE_SIZE: u64 = 4096;

/// Bytes of a large page, which Linux gives to memory that begins on such a border, where it is permitted to.
pub const LARGE_PAGE_SIZE: u64 = 2 << 20;

bitflags! {
    /// Kinds of access (`vm_prot_t`). As a memory object's lock value: the kinds that are *prohibited*.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Prot: u32 {
        /// `VM_PROT_READ`.
        const READ = 1;
        /// `VM_PROT_WRITE`.
        const WRITE = 2;
        /// `VM_PROT_EXECUTE`.
        const EXECUTE = 4;
    }
}

/// `VM_SYNC_ASYNCHRONOUS`: nobody waits for what is returned to become durable.
pub const SYNC_ASYNCHRONOUS: u32 = 1;
/// `VM_PROT_NO_CHANGE`: in `memory_object_lock_request` only, leave the lock as it is.
pub const PROT_NO_CHANGE: u32 = 8;

/// What a child task gets of a range (`vm_inherit_t`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u32)]
pub enum Inherit {
    /// The same memory, shared both ways.
    Share = 0,
    /// A copy-on-write snapshot.
    #[default]
    Copy = 1,
    /// Nothing.
    None = 2,
}

impl Inherit {
    /// Parses a `vm_inherit_t`.
    pub fn from_raw(raw: u32) -> Option<Inherit> {
        Some(match raw {
            0 => Inherit::Share,
            1 => Inherit::Copy,
            2 => Inherit::None,
            _ => return None,
        })
    }
}

/// `should_return` of `memory_object_lock_request`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum ShouldReturn {
    /// No page is returned.
    None = 0,
    /// Dirty pages are returned.
    Dirty = 1,
    /// Every resident page is returned.
    All = 2,
}

impl ShouldReturn {
    /// Parses a `memory_object_return_t`.
    pub fn from_raw(raw: u32) -> Option<ShouldReturn> {
        Some(match raw {
            0 => ShouldReturn::None,
            1 => ShouldReturn::Dirty,
            2 => ShouldReturn::All,
            _ => return None,
        })
    }
}

/// `address` rounded down to a page.
pub const fn trunc_page(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

/// `address` rounded up to a page; `None` when that does not fit in 64 bits.
pub const fn round_page(address: u64) -> Option<u64> {
    match address.checked_add(PAGE_SIZE - 1) {
        Some(a) => Some(trunc_page(a)),
        None => None,
    }
}
