//! A task's address map: its entries, and the ranges that are on their way out.
//!
//! An address is free when neither an entry nor a range that the task has still to unmap covers it; so an order to map
//! never meets an order to unmap that is under way for the same addresses.

use std::collections::BTreeMap;
use std::ops::Range;

use proto::limits::MAP_ENTRIES_MAX;
use proto::vm::LARGE_PAGE_SIZE;
use proto::{KernReturn, PAGE_SIZE};

use super::ObjectId;
use super::entry::Entry;
use super::taken::Taken;

/// The map of one task.
pub(super) struct Map {
    arena: Range<u64>,
    entries: BTreeMap<u64, Entry>,
    /// Ranges with an unmap order under way (start to end), or that could not be unmapped; disjoint.
    leaving: BTreeMap<u64, u64>,
    /// The addresses of entries and of what is leaving.
    taken: Taken,
    /// The objects of managed entries, and how many of these each has.
    managed: BTreeMap<ObjectId, usize>,
    /// Of what is leaving, ranges that are unmapped, for which another order is still under way.
    pub unmapped: Vec<Range<u64>>,
    /// The task has no process yet: the ranges that this will have by fork(2).
    pub by_fork: Option<Vec<Range<u64>>>,
    /// Faults that ended.
    pub faults: u64,
    /// Threads that wait for pages or for orders.
    pub waiters: u32,
}

impl Map {
    /// An empty map over `arena`, which is made of whole pages.
    pub fn new(arena: Range<u64>) -> Map {
        Map {
            arena,
            entries: BTreeMap::new(),
            leaving: BTreeMap::new(),
            taken: Taken::default(),
            managed: BTreeMap::new(),
            unmapped: Vec::new(),
            by_fork: None,
            faults: 0,
            waiters: 0,
        }
    }

    /// The entry that covers `address`.
    pub fn lookup(&self, address: u64) -> Option<&Entry> {
        self.entries.range(..=address).next_back().map(|(_, e)| e).filter(|e| address < e.end)
    }

    /// The entry that starts at `start`.
    pub fn entry(&self, start: u64) -> Option<&Entry> {
        self.entries.get(&start)
    }

    /// As `entry`, to change attributes; start and end stay.
    pub fn entry_mut(&mut self, start: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&start)
    }

    /// As `lookup`, for calls: what is mapped aside is none of theirs.
    pub fn shown(&self, address: u64) -> Option<&Entry> {
        self.lookup(address).filter(|e| !e.aside)
    }

    /// The entry at `address`, or the next one above, of those that calls are about.
    pub fn lookup_from(&self, address: u64) -> Option<&Entry> {
        let above = self.entries.range(address..).map(|(_, e)| e);
        self.lookup(address).into_iter().chain(above).find(|e| !e.aside)
    }

    /// The entries that calls are about, by address.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.all_entries().filter(|e| !e.aside)
    }

    /// Those that are mapped aside as well.
    pub fn all_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The starts of the entries that `range` touches, of those that calls are about.
    pub fn touched(&self, range: Range<u64>) -> Vec<u64> {
        self.touching(range).filter(|e| !e.aside).map(|e| e.start).collect()
    }

    /// Of all entries.
    pub fn all_touched(&self, range: Range<u64>) -> Vec<u64> {
        self.touching(range).map(|e| e.start).collect()
    }

    fn touching(&self, range: Range<u64>) -> impl Iterator<Item = &Entry> {
        let first = self.lookup(range.start).map_or(range.start, |e| e.start);
        let touched = if range.is_empty() { first..first } else { first..range.end };
        self.entries.range(touched).map(|(_, e)| e)
    }

    /// Whether the whole of `range` is covered by entries that calls are about.
    pub fn is_covered(&self, range: Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.shown(at) {
                Some(e) => at = e.end,
                None => return false,
            }
        }
        true
    }

    /// Adds an entry, whose range is free.
    ///
    /// Errors: `NoSpace` there are too many.
    pub fn insert(&mut self, entry: Entry) -> Result<(), KernReturn> {
        let hole = usize::from(!self.taken.touches(&(entry.start..entry.end)));
        if self.mappings() + 1 + hole > MAP_ENTRIES_MAX {
            return Err(KernReturn::NoSpace);
        }
        assert!(self.occupied(entry.start..entry.end).is_none(), "the range of a new entry is free");
        self.taken.add(entry.start..entry.end);
        self.shows(&entry);
        self.entries.insert(entry.start, entry);
        Ok(())
    }

    /// Takes an entry out.
    pub fn remove(&mut self, start: u64) -> Option<Entry> {
        let entry = self.entries.remove(&start)?;
        self.taken.remove(entry.start..entry.end);
        self.shows_no_more(&entry);
        Some(entry)
    }

    /// The objects of managed entries.
    pub fn managed_objects(&self) -> impl Iterator<Item = ObjectId> {
        self.managed.keys().copied()
    }

    fn shows(&mut self, entry: &Entry) {
        if entry.managed {
            *self.managed.entry(entry.object).or_default() += 1;
        }
    }

    fn shows_no_more(&mut self, entry: &Entry) {
        if let Some(entries) = self.managed.get_mut(&entry.object).filter(|_| entry.managed) {
            *entries -= 1;
            if *entries == 0 {
                self.managed.remove(&entry.object);
            }
        }
    }

    /// Whether `more` entries side by side fit.
    ///
    /// Errors: `ResourceShortage` they do not.
    pub fn has_room(&self, more: usize) -> Result<(), KernReturn> {
        if self.mappings() + more < MAP_ENTRIES_MAX { Ok(()) } else { Err(KernReturn::ResourceShortage) }
    }

    /// To Linux a hole between two entries is a mapping as they are, and it grants a process so many.
    fn mappings(&self) -> usize {
        self.entries.len() + self.taken.holes()
    }

    /// Cuts the entry that has `address` inside, if one has; the new entry starts at `address`. The bound is the caller's
    /// to check before.
    pub fn split(&mut self, address: u64) -> Option<&Entry> {
        let start = self.shown(address).filter(|e| e.start < address)?.start;
        let rest = self.entries.get_mut(&start).expect("just found").split_off(address);
        self.shows(&rest);
        Some(self.entries.entry(address).or_insert(rest))
    }

    /// Makes one entry of the one that starts at `start` and the one before it, if they say the same; whether they did.
    pub fn join(&mut self, start: u64) -> bool {
        let Some(next) = self.entries.get(&start) else { return false };
        let end = next.end;
        match self.entries.range(..start).next_back() {
            Some((&before, e)) if e.is_continued_by(next) => {
                let next = self.entries.remove(&start).expect("just found");
                self.shows_no_more(&next);
                self.entries.get_mut(&before).expect("just found").end = end;
                true
            }
            _ => false,
        }
    }

    /// Reserves a range that the task has still to unmap.
    pub fn leave(&mut self, range: Range<u64>) {
        self.taken.add(range.clone());
        self.leaving.insert(range.start, range.end);
    }

    /// The range is unmapped: its addresses are free.
    pub fn left(&mut self, start: u64) {
        if let Some(end) = self.leaving.remove(&start) {
            self.taken.remove(start..end);
        }
    }

    /// Whether the task has still to unmap `address`.
    pub fn is_leaving(&self, address: u64) -> bool {
        self.leaving.range(..=address).next_back().is_some_and(|(_, end)| address < *end)
    }

    /// Checks that `address` can be had for a fixed mapping.
    ///
    /// Errors: `NoSpace` the mask forbids it or it is occupied; `InvalidAddress` it is outside the arena.
    pub fn fixed(&self, address: u64, size: u64, mask: u64) -> Result<u64, KernReturn> {
        if address & mask != 0 {
            return Err(KernReturn::NoSpace);
        }
        match address.checked_add(size) {
            Some(end) if address >= self.arena.start && end <= self.arena.end => match self.occupied(address..end) {
                None => Ok(address),
                Some(_) => Err(KernReturn::NoSpace),
            },
            _ => Err(KernReturn::InvalidAddress),
        }
    }

    /// The first free address at or above `hint` that the mask permits.
    ///
    /// Errors: `NoSpace` there is none.
    pub fn find_space(&self, hint: u64, size: u64, mask: u64) -> Result<u64, KernReturn> {
        let mask = mask | (PAGE_SIZE - 1);
        let mut at = hint.max(self.arena.start);
        loop {
            at = at.checked_add(mask).ok_or(KernReturn::NoSpace)? & !mask;
            let end = at.checked_add(size).filter(|end| *end <= self.arena.end).ok_or(KernReturn::NoSpace)?;
            match self.occupied(at..end) {
                None => return Ok(at),
                // Whatever starts below the end of what is in the way meets it too, so nothing is passed over.
                Some(next) => at = next,
            }
        }
    }

    /// As `find_space`, for memory that can have large pages: on the border of one if it has the size and there is such a
    /// place, unless the mask wants something else.
    pub fn find_space_for_large_pages(&self, hint: u64, size: u64, mask: u64) -> Result<u64, KernReturn> {
        let on_border = match size >= LARGE_PAGE_SIZE && mask == 0 {
            true => self.find_space(hint, size, LARGE_PAGE_SIZE - 1).ok(),
            false => None,
        };
        on_border.map_or_else(|| self.find_space(hint, size, mask), Ok)
    }

    /// The highest free place that leaves `wanted` free, too.
    ///
    /// Errors: `NoSpace` there is none.
    pub fn find_space_aside(&self, size: u64, wanted: &Range<u64>) -> Result<u64, KernReturn> {
        let mut end = self.arena.end;
        loop {
            let at = end.checked_sub(size).filter(|at| *at >= self.arena.start).ok_or(KernReturn::NoSpace)?;
            let in_the_way = |other: &Range<u64>| other.start < end && at < other.end;
            let found = [self.taken.below(end), Some(wanted.clone())].into_iter().flatten().filter(in_the_way);
            match found.map(|other| other.start).max() {
                None => return Ok(at),
                Some(start) => end = start,
            }
        }
    }

    /// Bytes in entries that calls are about.
    pub fn mapped_bytes(&self) -> u64 {
        self.entries().map(Entry::size).sum()
    }

    /// Bytes in wired entries.
    pub fn wired_bytes(&self) -> u64 {
        self.wired_bytes_in(self.arena.clone())
    }

    /// Of these, bytes in a range.
    pub fn wired_bytes_in(&self, range: Range<u64>) -> u64 {
        let within = |e: &Entry| e.end.min(range.end).saturating_sub(e.start.max(range.start));
        self.entries.values().filter(|e| e.is_wired()).map(within).sum()
    }

    /// The arena.
    pub fn arena(&self) -> Range<u64> {
        self.arena.clone()
    }

    /// The end of the highest thing that lies in the way of `range`.
    fn occupied(&self, range: Range<u64>) -> Option<u64> {
        self.taken.below(range.end).map(|run| run.end).filter(|end| *end > range.start)
    }

    /// Whether what is kept beside the entries is what they say.
    pub fn check(&self) -> Result<(), String> {
        let mut ranges: Vec<Range<u64>> = self.entries.values().map(|e| e.start..e.end).collect();
        ranges.extend(self.leaving.iter().map(|(start, end)| *start..*end));
        ranges.sort_by_key(|range| range.start);
        let mut taken = Taken::default();
        ranges.into_iter().for_each(|range| taken.add(range));
        let mut managed: BTreeMap<ObjectId, usize> = BTreeMap::new();
        self.entries.values().filter(|e| e.managed).for_each(|e| *managed.entry(e.object).or_default() += 1);
        let same = taken == self.taken && managed == self.managed;
        if same { Ok(()) } else { Err(format!("{:?} and {:?}, not {taken:?}", self.taken, self.managed)) }
    }
}
