//! Memory of the own task, for the routines of `vm` and for what messages carry.
//!
//! The node knows what it mapped itself, in the task's arena. Memory that came with a message, and everything that Linux
//! gave the program, lies elsewhere: what is asked of that is carried out here.

use std::ops::Range;

use mach::{CopyError, Mapping, Task};
use proto::iface::task::{VmAllocate, VmDeallocate, VmInherit};
use proto::vm::{round_page, trunc_page};
use proto::{Inherit, KernReturn, Payload, Prot};
use sys::{Errno, SysError, anonymous};

use crate::face::code;

/// Less of the node's memory is copied rather than frozen: a system call and later faults cost more.
const FREEZE_BYTES_MIN: u64 = 128 << 10;
/// Linux lets no process have less as a rule (`vm.mmap_min_addr`), nor more.
const LOWEST: u64 = 64 << 10;
const BEHIND_ALL: u64 = if cfg!(target_arch = "x86_64") { (1 << 47) - 4096 } else { 1 << 48 };
/// Two processes of a node map what they are given at one place if their numbers are the same modulo this. A prime.
const PLACES_APART: u64 = 2039;

/// Fresh zero-filled memory for `bytes` bytes, from a page's border on; 0 for none.
///
/// Errors: no address space or memory.
pub fn region(bytes: u64) -> Result<u64, SysError> {
    let none = || SysError::new("mmap(2)", Errno::NOMEM, format!("{bytes:#x} bytes"));
    match round_page(bytes).ok_or_else(none)? {
        0 => Ok(0),
        size => anonymous::map(size),
    }
}

/// Copies out of the program's memory.
///
/// Errors: `None` part of it cannot be read.
pub fn read(address: u64, bytes: usize) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes).ok()?;
    sys::guarded::stand_first();
    // SAFETY: the target has room for the bytes; the source may be anything.
    unsafe { sys::guarded::copy(copy.as_mut_ptr(), address as *const u8, bytes) }.ok()?;
    // SAFETY: all of them were written.
    unsafe { copy.set_len(bytes) };
    Some(copy)
}

/// A copy of the program's memory: by copy-on-write of what the node mapped, if that is worth it. At most `held_max` bytes
/// are copied.
///
/// Errors: `None` part of it cannot be read, or it is more.
pub fn copy(task: &Task, address: u64, bytes: u64, held_max: u64) -> Option<Payload> {
    let all = address..address.checked_add(bytes)?;
    let in_arena = task.arena().is_some_and(|arena| overlap(&all, &arena) == Some(all));
    if in_arena
        && bytes >= FREEZE_BYTES_MIN
        && let Ok(copy) = task.freeze(address, bytes)
    {
        return Some(copy);
    }
    let bytes = usize::try_from(bytes).ok().filter(|_| bytes <= held_max)?;
    read(address, bytes).map(Payload::from)
}

/// `vm_read` of the own task: of what the node mapped as it says, of all else as far as it can be read.
pub fn copy_of_range(task: &Task, address: u64, bytes: u64) -> Result<Payload, i32> {
    if is_the_nodes(task, address, bytes) {
        return task.freeze(address, bytes).map_err(|error| error.code().raw());
    }
    let length = usize::try_from(bytes).map_err(|_| KernReturn::InvalidArgument.raw())?;
    read(address, length).map(Payload::from).ok_or(KernReturn::InvalidAddress.raw())
}

/// Memory of the program's with these bytes: by copy-on-write where they are frozen. 0 for none.
///
/// Errors: `None` no address space or memory.
pub fn place(task: &Task, contents: &Payload) -> Option<u64> {
    if contents.held_bytes() < contents.len()
        && let Ok(mapping) = map_apart(task, contents)
    {
        return Some(mapping.into_raw());
    }
    place_within(contents, 0)
}

/// Maps frozen memory that the task is given: far from what it allocates itself, and as a rule far from where another process has
/// what that is given; so a space among it can be mapped beside it, at its addresses. Where there is no room, wherever there is some.
///
/// Errors: as [`Task::map_frozen`].
pub fn map_apart(task: &Task, contents: &Payload) -> Result<Mapping, CopyError> {
    let Some(arena) = task.arena() else { return task.map_frozen(contents, None) };
    // The upper half has room for each place and as much again.
    let half = (arena.end - arena.start) / 2;
    let apart = u64::from(std::process::id()) % PLACES_APART * (half / (2 * PLACES_APART));
    let address = trunc_page(arena.start + half + apart);
    match task.map_frozen_from(contents, address) {
        Err(CopyError::Kern(KernReturn::NoSpace)) => task.map_frozen(contents, None),
        done => done,
    }
}

/// Fresh memory with these bytes, of which the first lies `in_page` bytes behind a page's border.
///
/// Errors: as [`place`].
pub fn place_within(contents: &Payload, in_page: u64) -> Option<u64> {
    let address = region(in_page + contents.len() as u64).ok()? + in_page;
    let mut at = address;
    for chunk in contents.chunks() {
        // SAFETY: the memory was made here, and nobody knows of it yet.
        if !unsafe { write(at, chunk) } {
            return None;
        }
        at += chunk.len() as u64;
    }
    Some(address)
}

/// Copies into the program's memory; answers whether all of it could be written.
///
/// # Safety
///
/// No Rust reference points there.
pub unsafe fn write(address: u64, bytes: &[u8]) -> bool {
    sys::guarded::stand_first();
    // SAFETY: the source is a slice; the target may be anything that Rust does not refer to.
    unsafe { sys::guarded::copy(address as *mut u8, bytes.as_ptr(), bytes.len()) }.is_ok()
}

/// `vm_allocate` of the own task. Outside of what the node keeps for its maps the memory is Linux's.
pub fn allocate(task: &Task, address: u64, size: u64, anywhere: bool) -> Result<u64, i32> {
    if size == 0 {
        return Ok(0);
    }
    let of_the_node = |address| {
        let request = VmAllocate { address, size, anywhere };
        task.rpc(&task.task_self(), request).map(|reply| reply.address).map_err(code)
    };
    if anywhere {
        // The address says nothing.
        return match task.arena() {
            Some(_) => of_the_node(0),
            None => region(size).map_err(|_| KernReturn::NoSpace.raw()),
        };
    }
    let pages = trunc_page(address)..end_of_pages(address, size)?;
    if task.arena().is_some_and(|arena| overlap(&pages, &arena).is_some()) {
        return of_the_node(address);
    }
    if pages.start < LOWEST || pages.end > BEHIND_ALL {
        return Err(KernReturn::InvalidAddress.raw());
    }
    let mapped = anonymous::map_at(pages.start, pages.end - pages.start);
    mapped.map(|()| pages.start).map_err(|_| KernReturn::NoSpace.raw())
}

/// `vm_deallocate` of the own task: whole pages, holes permitted.
///
/// # Safety
///
/// Nothing refers to the memory.
pub unsafe fn deallocate(task: &Task, address: u64, size: u64) -> Result<(), i32> {
    if size == 0 {
        return Ok(());
    }
    let pages = trunc_page(address)..end_of_pages(address, size)?;
    let [before, inside, behind] = parts(&pages, task.arena());
    // Where a range ends beyond all memory nothing is to have gone.
    for part in [behind, before].into_iter().flatten() {
        // SAFETY: the caller's promise.
        let done = unsafe { anonymous::unmap(part.start, part.end - part.start) };
        done.map_err(|_| KernReturn::InvalidAddress.raw())?;
    }
    match inside {
        Some(inside) => {
            let request = VmDeallocate { address: inside.start, size: inside.end - inside.start };
            task.rpc(&task.task_self(), request).map_err(code)
        }
        None => Ok(()),
    }
}

/// `vm_inherit` of the own task. What the node did not map is a copy in a child or is not there.
///
/// Errors: `Failure` such memory cannot be shared with a child.
pub fn inherit(task: &Task, address: u64, size: u64, inheritance: Inherit) -> Result<(), i32> {
    if size == 0 {
        return Ok(());
    }
    let pages = trunc_page(address)..end_of_pages(address, size)?;
    let [before, inside, behind] = parts(&pages, task.arena());
    let others: Vec<Range<u64>> = [before, behind].into_iter().flatten().collect();
    if inheritance == Inherit::Share && !others.is_empty() {
        return Err(KernReturn::Failure.raw());
    }
    if let Some(inside) = inside {
        let size = inside.end - inside.start;
        let request = VmInherit { address: inside.start, size, new_inheritance: inheritance as u32 };
        task.rpc(&task.task_self(), request).map_err(code)?;
    }
    for part in others {
        let done = anonymous::inherit(part.start, part.end - part.start, inheritance == Inherit::Copy);
        match done {
            // Holes are passed over, as by Linux.
            Err(error) if error.errno != Errno::NOMEM => return Err(KernReturn::Failure.raw()),
            _ => {}
        }
    }
    Ok(())
}

/// Touches every page of a range of the node's, so that it is here. One that cannot be had is passed over.
pub fn fetch(task: &Task, address: u64, size: u64) {
    let Ok(end) = end_of_pages(address, size) else { return };
    for page in (trunc_page(address)..end).step_by(proto::PAGE_SIZE as usize) {
        let _ = task.read_memory(page, &mut [0]);
    }
}

/// `vm_protect` of memory that the node did not map; such memory has no maximum to set.
///
/// # Safety
///
/// Nothing refers to the memory and relies on what it loses.
pub unsafe fn protect(address: u64, size: u64, protection: Prot) -> Result<(), i32> {
    let pages = trunc_page(address)..end_of_pages(address, size)?;
    // SAFETY: the caller's promise.
    let done = unsafe { anonymous::protect(pages.start, pages.end - pages.start, protection) };
    done.map_err(|error| match error.errno {
        Errno::ACCESS => KernReturn::ProtectionFailure.raw(),
        _ => KernReturn::InvalidAddress.raw(),
    })
}

/// Whether any of the bytes lie where the node maps.
pub fn is_the_nodes(task: &Task, address: u64, size: u64) -> bool {
    let bytes = address..address.saturating_add(size.max(1));
    task.arena().is_some_and(|arena| overlap(&bytes, &arena).is_some())
}

/// What of a range lies before an arena, in it, and behind it.
fn parts(range: &Range<u64>, arena: Option<Range<u64>>) -> [Option<Range<u64>>; 3] {
    let Some(arena) = arena else { return [Some(range.clone()), None, None] };
    [overlap(range, &(0..arena.start)), overlap(range, &arena), overlap(range, &(arena.end..u64::MAX))]
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (!both.is_empty()).then_some(both)
}

/// Whether some page has bytes of both ranges, each an address and a number of bytes.
pub fn share_a_page(a: (u64, u64), b: (u64, u64)) -> bool {
    let pages = |(address, bytes)| Some(trunc_page(address)..end_of_pages(address, bytes).ok()?);
    pages(a).zip(pages(b)).is_some_and(|(a, b)| overlap(&a, &b).is_some())
}

/// Where the pages of a range end.
///
/// Errors: `InvalidArgument` it wraps.
pub fn end_of_pages(address: u64, size: u64) -> Result<u64, i32> {
    address.checked_add(size).and_then(round_page).ok_or(KernReturn::InvalidArgument.raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_the_arenas_borders() {
        let arena = Some(100..200);
        assert_eq!(parts(&(50..250), arena.clone()), [Some(50..100), Some(100..200), Some(200..250)]);
        assert_eq!(parts(&(120..130), arena.clone()), [None, Some(120..130), None]);
        assert_eq!(parts(&(200..201), arena), [None, None, Some(200..201)]);
        assert_eq!(parts(&(1..2), None), [Some(1..2), None, None]);
    }

    #[test]
    fn ranges_share_the_pages_that_they_touch() {
        assert!(share_a_page((0x1ff0, 0x20), (0x2800, 1)) && share_a_page((0x1000, 1), (0x1fff, 1)));
        assert!(!share_a_page((0x1000, 0x1000), (0x2000, 1)) && !share_a_page((0x1000, 1), (u64::MAX, 1)));
    }

    #[test]
    fn memory_that_is_not_there_is_no_crash() {
        sys::guarded::install().unwrap();
        let address = region(5000).unwrap();
        assert_eq!(address % proto::PAGE_SIZE, 0);
        // SAFETY: the memory is this test's.
        assert!(unsafe { write(address + 4090, b"across the border") });
        assert_eq!(read(address + 4090, 17).as_deref(), Some(&b"across the border"[..]));
        assert_eq!(read(address + 8000, 1000), None);
        // SAFETY: nothing of Rust's is there.
        assert!(unsafe { !write(8, b"x") });
        assert_eq!(region(0).unwrap(), 0);
        assert!(region(u64::MAX).is_err());
    }
}
