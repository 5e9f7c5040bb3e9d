//! Whether memory that the node mapped is still what was mapped there.
//!
//! The program can unmap, move or replace any of it by its address, and Linux may then place other memory of the program's in
//! the hole. So before anything in the arena is replaced or protected, and after it was copied for somebody else, what
//! lies there is looked at: the file that a mapping shows, and where in it, tells whose it is. What is the program's own is
//! left alone, and the node hears an error.
//!
//! Spec: docs/spec/vm.md, *What the program does itself*.

use std::ops::Range;

use proto::{KernReturn, Prot};
use sys::{Arena, Errno, Maps, SysError, Vma};

use crate::error::CopyError;
use crate::memory::Memory;
use crate::ranges::{Kind, Ranges};

/// A part of the arena, and what lies there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub range: Range<u64>,
    pub lies: Lies,
    /// Of what was mapped: what the program's threads may do there, be it by mprotect(2) less than the node permits.
    pub permits: Prot,
}

impl Part {
    /// Whether the program itself has unmapped or replaced what lay there.
    pub fn is_changed(&self) -> bool {
        matches!(self.lies, Lies::Nothing | Lies::Others)
    }
}

/// What lies in a part of the arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lies {
    /// What was mapped there by the node's order.
    Mapped(Kind),
    /// Nothing was mapped, and the addresses are kept.
    Reserved,
    /// Nothing at all: the program unmapped it.
    Nothing,
    /// Something of the program's.
    Others,
}

/// What lies in a range of the arena: parts in order, which cover it.
///
/// Errors: `/proc` does not tell.
pub(crate) fn parts(arena: &Arena, maps: &Maps, ranges: &Ranges, range: &Range<u64>) -> Result<Vec<Part>, SysError> {
    let mapped = ranges.within(range.start, range.end.saturating_sub(range.start));
    let vmas = maps.within(range.clone())?;
    let (blank, shift) = arena.blank();
    let is = |vma: &Vma, at: u64, file, shift: u64, shared| {
        let offset = vma.offset + (at - vma.range.start);
        vma.file == Some(file) && vma.shared == shared && offset == at.wrapping_sub(shift)
    };
    let (mut mapped, mut vmas) = (mapped.into_iter().peekable(), vmas.into_iter().peekable());
    let mut parts: Vec<Part> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        while mapped.next_if(|(_, end, _)| *end <= at).is_some() {}
        while vmas.next_if(|vma| vma.range.end <= at).is_some() {}
        let (kind, kind_end) = match mapped.peek() {
            Some((start, end, kind)) if *start <= at => (Some(*kind), *end),
            next => (None, next.map_or(range.end, |(start, ..)| *start)),
        };
        let (vma, vma_end) = match vmas.peek() {
            Some(vma) if vma.range.start <= at => (Some(vma), vma.range.end),
            next => (None, next.map_or(range.end, |vma| vma.range.start)),
        };
        let lies = match (kind, vma) {
            (_, None) => Lies::Nothing,
            (Some(kind), Some(vma)) if is(vma, at, kind.file, kind.shift, kind.shared) => Lies::Mapped(kind),
            (None, Some(vma)) if is(vma, at, blank, shift, false) => Lies::Reserved,
            _ => Lies::Others,
        };
        let permits = match (lies, vma) {
            (Lies::Mapped(kind), Some(vma)) => kind.protection & vma.protection,
            _ => Prot::empty(),
        };
        let end = kind_end.min(vma_end).min(range.end);
        match parts.last_mut() {
            Some(last) if (last.lies, last.permits) == (lies, permits) => last.range.end = end,
            _ => parts.push(Part { range: at..end, lies, permits }),
        }
        at = end;
    }
    Ok(parts)
}

impl Memory {
    /// Whether all of a range is mapped by the node's orders, still there, and permits reading, which a processor may do with more.
    pub fn is_readable(&self, range: &Range<u64>) -> bool {
        let readable = |part: &Part| matches!(part.lies, Lies::Mapped(_)) && part.permits.contains(Prot::READ);
        let parts = self.parts(&self.lock(), range.start, range.end - range.start);
        parts.is_ok_and(|parts| parts.iter().all(readable))
    }

    /// What was mapped in a range, as far as it is still there: runs, in order. None outside the arena, or where Linux does not
    /// tell.
    pub fn intact_within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        self.mapped_parts(&self.lock(), range.start, range.end.saturating_sub(range.start)).unwrap_or_default()
    }

    /// Of that, what goes on in one file where it ends, and can be read or cannot.
    pub fn mappings_within(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let parts = self.parts(&self.lock(), range.start, range.end.saturating_sub(range.start)).unwrap_or_default();
        let mapped = parts.into_iter().filter_map(|Part { range, lies, permits }| match lies {
            Lies::Mapped(kind) => Some((range, (kind.file, kind.shift, permits.contains(Prot::READ)))),
            _ => None,
        });
        let mut out: Vec<(Range<u64>, _)> = Vec::new();
        for (range, shows) in mapped {
            match out.last_mut() {
                Some((last, shown)) if last.end == range.start && *shown == shows => last.end = range.end,
                _ => out.push((range, shows)),
            }
        }
        out.into_iter().map(|(range, _)| range).collect()
    }

    /// Bytes of a range that the node serves.
    pub fn served_within(&self, range: &Range<u64>) -> u64 {
        let mapped = self.lock().ranges.within(range.start, range.end - range.start);
        mapped.iter().filter(|(_, _, kind)| kind.managed).map(|(start, end, _)| end - start).sum()
    }

    /// Said of ranges, in order, *after* they were copied: that nothing in them was the program's own, unless it moved what was
    /// mapped there away and back meanwhile.
    ///
    /// Errors: `Changed` it has unmapped, moved or replaced what the node mapped there; `InvalidAddress` outside the arena.
    /// Where nothing was mapped only the node knows what is to be said.
    pub fn refuse_changed(&self, ranges: &[Range<u64>]) -> Result<(), CopyError> {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(()) };
        let size = last.end.saturating_sub(first.start);
        if !self.arena.contains(first.start, size) {
            return Err(CopyError::Kern(KernReturn::InvalidAddress));
        }
        let parts = self.parts(&self.lock(), first.start, size).map_err(CopyError::Sys)?;
        let reached = |part: &Part| {
            let next = ranges.get(ranges.partition_point(|range| range.end <= part.range.start));
            next.is_some_and(|range| range.start < part.range.end)
        };
        match parts.iter().find(|part| part.is_changed() && reached(part)) {
            Some(part) => Err(CopyError::Changed { address: part.range.start }),
            None => Ok(()),
        }
    }
}

/// Something of the program's is in the way.
pub(crate) fn in_the_way(range: &Range<u64>) -> SysError {
    let what = format!("memory of the program's own lies at {:#x}, within what the node mapped", range.start);
    SysError::new("order", Errno::EXIST, what)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::PAGE_SIZE;
    use sys::{Backing, FileId, Memfd};

    use super::*;

    const RW: Prot = Prot::READ.union(Prot::WRITE);

    #[test]
    fn what_lies_elsewhere_in_its_file_or_is_of_another_kind_is_not_what_was_mapped() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        let (maps, mut ranges) = (Maps::open().unwrap(), Ranges::default());
        let memfd = Memfd::create("test", 16 * PAGE_SIZE).unwrap();
        let page = |n: u64| arena.start() + n * PAGE_SIZE;
        let kind = |at: u64, offset: u64, shared, file: FileId| Kind {
            managed: false,
            shared,
            protection: RW,
            locked: false,
            file,
            shift: at.wrapping_sub(offset),
        };
        let (id, other) = (memfd.id().unwrap(), arena.blank().0);
        // Four pages as mapped, two of which say otherwise: at another offset, of another file.
        arena.map(page(1), 4 * PAGE_SIZE, Backing::Shared(memfd.as_fd(), 8 * PAGE_SIZE), RW).unwrap();
        arena.protect(page(2), PAGE_SIZE, Prot::READ | Prot::EXECUTE).unwrap();
        let right = kind(page(1), 8 * PAGE_SIZE, true, id);
        ranges.insert(page(1), 6 * PAGE_SIZE, right);
        ranges.insert(page(3), PAGE_SIZE, kind(page(3), 0, true, id));
        ranges.insert(page(4), PAGE_SIZE, Kind { file: other, ..right });
        arena.map(page(5), PAGE_SIZE, Backing::Private(memfd.as_fd(), 12 * PAGE_SIZE), Prot::READ).unwrap();
        arena.map(page(8), PAGE_SIZE, Backing::Anonymous, Prot::empty()).unwrap();
        let found = parts(&arena, &maps, &ranges, &(page(0)..page(10))).unwrap();
        let none = Prot::empty();
        let expected = [
            (0, 1, Lies::Reserved, none),
            (1, 2, Lies::Mapped(right), RW),
            // The program permits itself no more than the node does.
            (2, 3, Lies::Mapped(right), Prot::READ),
            // The last of these is still reserved, where something was to be mapped.
            (3, 7, Lies::Others, none),
            (7, 8, Lies::Reserved, none),
            (8, 9, Lies::Others, none),
            (9, 10, Lies::Reserved, none),
        ];
        let part = |(from, to, lies, permits)| Part { range: page(from)..page(to), lies, permits };
        assert_eq!(found, expected.map(part));
        assert_eq!(parts(&arena, &maps, &ranges, &(page(2)..page(2))).unwrap(), []);
    }
}
