//! One entry of an address map: a range of a task's addresses and what it shows.

use std::ops::Range;

use proto::{Inherit, PAGE_SIZE, Prot};

use super::readahead::ReadAhead;
use super::{MapRequest, ObjectId, OrderId};
use crate::TaskId;

/// A range with one object and one set of attributes. Its start is its key in the map.
pub(super) struct Entry {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What it shows.
    pub object: ObjectId,
    /// Where in the object it starts; whole pages.
    pub offset: u64,
    /// Linux maps it shared and writable on request; fixed at `vm_map`. Else no write reaches the object.
    pub shared: bool,
    /// Faults come to us. Not so for memory without a pager.
    pub managed: bool,
    /// The protection now; within `max_protection`.
    pub protection: Prot,
    /// The most it can become.
    pub max_protection: Prot,
    /// What a child would get.
    pub inheritance: Inherit,
    /// The access for which it is wired; none if it is not.
    pub wired: Prot,
    /// The task reads the object there to make a copy of it: no call finds the entry, and no list shows it. [vm.copy.10]
    pub aside: bool,
    /// The order by which the task learned last whether it is: what became of an earlier one means nothing any more.
    pub wired_by: Option<OrderId>,
    /// What its faults so far say about those to come.
    pub read_ahead: ReadAhead,
}

impl Entry {
    /// An entry with the attributes of a request, of memory without a pager, shown privately.
    pub fn of(range: Range<u64>, object: ObjectId, offset: u64, request: &MapRequest) -> Entry {
        Entry {
            start: range.start,
            end: range.end,
            object,
            offset,
            shared: false,
            managed: false,
            protection: request.protection,
            max_protection: request.max_protection,
            inheritance: request.inheritance,
            wired: Prot::empty(),
            aside: false,
            wired_by: None,
            read_ahead: ReadAhead::default(),
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// The pages of the object that it shows.
    pub fn pages(&self) -> Range<u64> {
        let first = self.offset / PAGE_SIZE;
        first..first + self.size() / PAGE_SIZE
    }

    /// Whether the node may not take pages away that it shows.
    pub fn is_wired(&self) -> bool {
        !self.wired.is_empty()
    }

    /// Whether threads may write to the object through it.
    pub fn is_writable(&self) -> bool {
        self.shared && self.protection.contains(Prot::WRITE)
    }

    /// The part of it in a range, which lies within it.
    pub fn part(&self, range: Range<u64>) -> Entry {
        debug_assert!(self.start <= range.start && range.start < range.end && range.end <= self.end);
        debug_assert!(range.start.is_multiple_of(PAGE_SIZE) && range.end.is_multiple_of(PAGE_SIZE));
        let offset = self.offset + (range.start - self.start);
        Entry { start: range.start, end: range.end, offset, read_ahead: ReadAhead::default(), ..*self }
    }

    /// Cuts the entry at `address`, which lies inside: it keeps what is below, the rest is returned.
    pub fn split_off(&mut self, address: u64) -> Entry {
        assert!(self.start < address && address < self.end && address.is_multiple_of(PAGE_SIZE));
        let rest = self.part(address..self.end);
        self.end = address;
        rest
    }

    /// Whether `next` goes on where it ends, in the same object and with the same attributes.
    pub fn is_continued_by(&self, next: &Entry) -> bool {
        let wired = |e: &Entry| (e.wired, e.wired_by);
        let attributes =
            |e: &Entry| (e.object, e.shared, e.managed, e.protection, e.max_protection, e.inheritance, wired(e));
        self.end == next.start && self.offset + self.size() == next.offset && attributes(self) == attributes(next)
    }

    /// The part of it that translates pages to addresses.
    pub fn view(&self, task: TaskId) -> View {
        View {
            task,
            start: self.start,
            pages_first: self.pages().start,
            pages_end: self.pages().end,
            writable: self.is_writable(),
        }
    }
}

/// What is needed of an entry to map pages in its task; a copy, so that tables may change meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Whose map.
    pub task: TaskId,
    /// The entry's first byte.
    pub start: u64,
    /// The first page of the object that it shows.
    pub pages_first: u64,
    /// One past the last.
    pub pages_end: u64,
    /// As [`Entry::is_writable`].
    pub writable: bool,
}

impl View {
    /// Where the task sees `page`.
    pub fn address_of(&self, page: u64) -> u64 {
        debug_assert!((self.pages_first..self.pages_end).contains(&page));
        self.start + (page - self.pages_first) * PAGE_SIZE
    }

    /// Which page the task sees at `address`.
    pub fn page_at(&self, address: u64) -> u64 {
        self.pages_first + (address - self.start) / PAGE_SIZE
    }

    /// The part of `pages` that the entry shows.
    pub fn clamp(&self, pages: Range<u64>) -> Range<u64> {
        let start = pages.start.max(self.pages_first);
        start..pages.end.min(self.pages_end).max(start)
    }
}
