//! Bytes of the task's memory on their way into a file, and why they could not be had.

use std::ops::Range;

use proto::wire::trap;
use proto::{KernReturn, PAGE_SIZE, Prot};
use sys::{Memfd, SysError};

use crate::buffer;
use crate::error::{CopyError, MemoryError};
use crate::memory::Memory;

/// Ranges of the task's memory, whole pages, copied into a file of their own, which may be frozen; and where in it each lies. With
/// `whatever`, here and below, also of what may not be read, as far as no pager serves it.
pub(crate) fn in_a_file(
    memory: &Memory,
    ranges: &[Range<u64>],
    whatever: bool,
) -> Result<(Memfd, Vec<trap::Run>), CopyError> {
    let bytes = ranges.iter().map(|range| range.end - range.start).sum();
    let memfd = Memfd::freezable("mach-memory", bytes).map_err(CopyError::Sys)?;
    copy_all(memory, ranges, whatever, &memfd, 0)?;
    let mut offset = 0;
    let run = |range: &Range<u64>| {
        let size = range.end - range.start;
        offset += size;
        trap::Run { address: range.start, size, offset: offset - size }
    };
    let runs = ranges.iter().map(run).collect();
    Ok((memfd, runs))
}

/// Copies ranges of the task's memory, whole pages in order, into a fresh file, one behind the other from `to` on: large ones piece
/// by piece, and many small ones with one call. What is zero the file has already.
pub(crate) fn copy_all(
    memory: &Memory,
    ranges: &[Range<u64>],
    whatever: bool,
    memfd: &Memfd,
    to: u64,
) -> Result<(), CopyError> {
    sys::guarded::stand_first();
    let mut buffer = buffer::room(COPY_BYTES.min(memfd.size()) as usize).map_err(CopyError::Sys)?;
    let mut written = to;
    for range in ranges {
        let size = range.end - range.start;
        if buffer.len() as u64 + size > COPY_BYTES {
            written += flush(memfd, written, &mut buffer)?;
        }
        if size > COPY_BYTES {
            copy_bytes(memory, range, whatever, memfd, written)?;
            written += size;
            continue;
        }
        let filled = buffer.len();
        buffer.resize(filled + size as usize, 0);
        read(memory, range.start, &mut buffer[filled..], whatever, range.start)?;
    }
    flush(memfd, written, &mut buffer)?;
    memory.refuse_changed(ranges)
}

fn flush(memfd: &Memfd, offset: u64, buffer: &mut Vec<u8>) -> Result<u64, CopyError> {
    write_pages(memfd, offset, buffer).map_err(CopyError::Sys)?;
    let bytes = buffer.len() as u64;
    buffer.clear();
    Ok(bytes)
}

/// Some bytes of a range that begins at `start`.
fn read(memory: &Memory, at: u64, into: &mut [u8], whatever: bool, start: u64) -> Result<(), CopyError> {
    let Err(fault) = memory.arena.read(at, into) else { return Ok(()) };
    if whatever
        && memory.kind_at(fault.address).is_some_and(|kind| !kind.managed)
        && memory.arena.read_by_force(at, into).is_ok()
    {
        return Ok(());
    }
    Err(memory.why_not(Prot::READ, fault.address, start))
}

fn copy_bytes(memory: &Memory, range: &Range<u64>, whatever: bool, memfd: &Memfd, to: u64) -> Result<(), CopyError> {
    let mut buffer = buffer::zeroes(COPY_BYTES.min(range.end - range.start) as usize).map_err(CopyError::Sys)?;
    let (mut at, mut unlooked) = (range.start, LOOK_BYTES);
    while at < range.end {
        if unlooked == 0 {
            // What the object's pager brings takes as much again.
            if sys::probe::available_bytes(2 * LOOK_BYTES).is_some_and(|left| left < 2 * LOOK_BYTES) {
                return Err(CopyError::Kern(KernReturn::ResourceShortage));
            }
            unlooked = LOOK_BYTES;
        }
        let piece = &mut buffer[..COPY_BYTES.min(range.end - at) as usize];
        read(memory, at, piece, whatever, range.start)?;
        write_pages(memfd, to + (at - range.start), piece).map_err(CopyError::Sys)?;
        at += piece.len() as u64;
        unlooked -= COPY_BYTES;
    }
    Ok(())
}

/// Writes whole pages into a file that is still empty there; those of zeroes are left out.
fn write_pages(memfd: &Memfd, offset: u64, pages: &[u8]) -> Result<(), SysError> {
    const ZEROES: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
    let mut at = 0;
    let pages: Vec<&[u8]> = pages.chunks(PAGE_SIZE as usize).collect();
    let is_zero = |page: &[u8]| *page == ZEROES[..page.len()];
    for run in pages.chunk_by(|a, b| is_zero(a) == is_zero(b)) {
        if !is_zero(run[0]) {
            memfd.write_at(offset + at, run)?;
        }
        at += run.len() as u64 * PAGE_SIZE;
    }
    Ok(())
}

impl Memory {
    /// The error for a byte that could not be accessed: it is not mapped any more, or not for that, or its pager did not bring
    /// it.
    pub(crate) fn why_not(&self, access: Prot, address: u64, start: u64) -> CopyError {
        match self.kind_at(address) {
            Some(kind) if !kind.protection.contains(access) => CopyError::Kern(KernReturn::ProtectionFailure),
            Some(kind) if kind.managed => MemoryError::Fault { offset: address.saturating_sub(start) }.into(),
            // Memory without a pager is always there, unless the program itself has made it inaccessible. If it can be read now,
            // it was not mapped a moment ago.
            Some(_) if self.arena.read(address, &mut [0]).is_err() && self.kind_at(address).is_some() => {
                MemoryError::Fault { offset: address.saturating_sub(start) }.into()
            }
            _ => CopyError::Kern(KernReturn::InvalidAddress),
        }
    }
}

/// Bytes that are copied in one go.
const COPY_BYTES: u64 = 1 << 20;
/// Bytes after which it is looked whether the machine has memory left for more.
const LOOK_BYTES: u64 = 64 * COPY_BYTES;
