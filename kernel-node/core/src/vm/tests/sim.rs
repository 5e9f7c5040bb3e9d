//! [`SimPmap`]: memory of several tasks, byte for byte, that behaves as Linux does under userfaultfd.
//!
//! It is on the side of whoever wants to catch `vm`: while a page is being read out, every task that still can write to
//! it does so, as one on another processor would; and what is thrown away although a task has written to it since it was
//! last read out is noted as lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use proto::{KernReturn, PAGE_SIZE, Payload, Prot};

use super::super::{Errand, FaultKind, MapOrder, ObjectId, OrderId, Pmap};
use crate::TaskId;

/// The memory of a machine.
#[derive(Default)]
pub struct SimPmap {
    /// The pages that each object's memfd holds.
    pub objects: BTreeMap<ObjectId, BTreeMap<u64, Vec<u8>>>,
    tasks: BTreeMap<TaskId, SimTask>,
    /// Orders that the tasks have not carried out.
    pub orders: VecDeque<(OrderId, SimOrder)>,
    orders_given: u64,
    /// Ranges whose threads were woken since the test last looked.
    pub woken: Vec<(TaskId, u64, u64)>,
    /// Every call, in words, since the test last looked.
    pub log: Vec<String>,
    /// Pages that were written and not read out since.
    pub unreturned: BTreeSet<(ObjectId, u64)>,
    /// Of these, pages that were thrown away.
    pub lost: Vec<(ObjectId, u64)>,
    /// What tasks wrote while a page was read out: object, page, value.
    pub racing_writes: Vec<(ObjectId, u64, u8)>,
    /// Pages that tasks took out of objects.
    pub removed: BTreeSet<(ObjectId, u64)>,
    /// Calls of `fill`, `zero`, `copy` and `object_create` that fail from now on, behind those that are spared.
    pub fail_next: u32,
    pub spare_next: u32,
}

/// The memory of a task.
#[derive(Default)]
struct SimTask {
    areas: BTreeMap<u64, Area>,
    mapped: BTreeMap<u64, Mapped>,
    poisoned: BTreeSet<u64>,
    copies: BTreeMap<u64, Vec<u8>>,
}

/// One page of an area that mmap made.
#[derive(Clone, Copy)]
struct Area {
    object: ObjectId,
    page: u64,
    protection: Prot,
    shared: bool,
    managed: bool,
}

/// One page-table entry.
#[derive(Clone, Copy)]
struct Mapped {
    writable: bool,
}

/// An order that a task was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimOrder {
    Map(TaskId, MapOrder),
    Parts(TaskId, Vec<MapOrder>),
    Freeze(TaskId, MapOrder, bool),
    Unmap(TaskId, u64, u64),
    Protect(TaskId, u64, u64, Prot),
    Wire(TaskId, u64, u64, bool),
    Inherit(TaskId, u64, u64),
}

/// What a thread gets that touches a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The byte; after a write, the one written.
    Value(u8),
    /// It sleeps, and the node hears of it.
    Fault(FaultKind),
    /// No mapping, or one that forbids it.
    SegmentationFault,
    /// A memory error.
    BusError,
}

impl SimPmap {
    /// A thread reads the byte at `address`, or writes it.
    pub fn touch(&mut self, task: TaskId, address: u64, write: Option<u8>) -> Touch {
        let (at, offset) = (proto::vm::trunc_page(address), (address % PAGE_SIZE) as usize);
        let t = self.tasks.entry(task).or_default();
        let Some(area) = t.areas.get(&at).copied() else { return Touch::SegmentationFault };
        let needed = if write.is_some() { Prot::WRITE } else { Prot::READ };
        if !area.protection.contains(needed) {
            return Touch::SegmentationFault;
        }
        if let Some(copy) = t.copies.get_mut(&at) {
            copy[offset] = write.unwrap_or(copy[offset]);
            return Touch::Value(copy[offset]);
        }
        let memfd = self.objects.entry(area.object).or_default();
        if !area.managed {
            let page = memfd.entry(area.page).or_insert_with(|| vec![0; PAGE_SIZE as usize]);
            if write.is_some() && !area.shared {
                t.copies.insert(at, page.clone());
                return self.touch(task, address, write);
            }
            page[offset] = write.unwrap_or(page[offset]);
            return Touch::Value(page[offset]);
        }
        let Some(mapped) = t.mapped.get(&at) else {
            return match memfd.contains_key(&area.page) {
                _ if t.poisoned.contains(&at) => Touch::BusError,
                true => Touch::Fault(FaultKind::Minor),
                false => Touch::Fault(FaultKind::Missing),
            };
        };
        let page = memfd.get_mut(&area.page).expect("what is mapped is there");
        match write {
            None => Touch::Value(page[offset]),
            Some(value) if !area.shared => {
                let mut copy = page.clone();
                copy[offset] = value;
                t.copies.insert(at, copy);
                Touch::Value(value)
            }
            Some(_) if !mapped.writable => Touch::Fault(FaultKind::WriteProtect),
            Some(value) => {
                page[offset] = value;
                self.unreturned.insert((area.object, area.page));
                Touch::Value(value)
            }
        }
    }

    /// The object and page that a task sees at `address` through a shared, managed mapping.
    pub fn shows(&self, task: TaskId, address: u64) -> Option<(ObjectId, u64)> {
        let area = self.tasks.get(&task)?.areas.get(&proto::vm::trunc_page(address))?;
        (area.managed && !self.tasks[&task].copies.contains_key(&proto::vm::trunc_page(address)))
            .then_some((area.object, area.page))
    }

    /// What mmap made of a task's memory, by address: object, page in it, protection, shared, managed.
    pub fn areas(&self, task: TaskId) -> BTreeMap<u64, (ObjectId, u64, Prot, bool, bool)> {
        let areas = self.tasks.get(&task).into_iter().flat_map(|t| &t.areas);
        areas.map(|(at, a)| (*at, (a.object, a.page, a.protection, a.shared, a.managed))).collect()
    }

    /// A task maps another page of a frozen object in place of its copy, by itself.
    pub fn remap(&mut self, task: TaskId, address: u64, object: ObjectId, page: u64) {
        let t = self.tasks.get_mut(&task).expect("a task with memory");
        let area = t.areas.get_mut(&address).expect("it is mapped");
        (area.object, area.page) = (object, page);
        t.copies.remove(&address);
    }

    /// The oldest order is carried out; the answer is the caller's to give.
    pub fn carry_out(&mut self) -> Option<OrderId> {
        let (id, order) = self.orders.pop_front()?;
        match order {
            SimOrder::Map(task, o) | SimOrder::Freeze(task, o, _) => self.mmap(task, o),
            SimOrder::Parts(task, parts) => parts.into_iter().for_each(|o| self.mmap(task, o)),
            SimOrder::Unmap(task, address, size) => self.clear(task, address, size),
            SimOrder::Protect(task, address, size, protection) => {
                let t = self.tasks.entry(task).or_default();
                t.areas.range_mut(address..address + size).for_each(|(_, a)| a.protection = protection);
            }
            // Nothing here takes pages of its own accord.
            SimOrder::Wire(..) | SimOrder::Inherit(..) => {}
        }
        Some(id)
    }

    /// The process is gone.
    pub fn task_gone(&mut self, task: TaskId) {
        self.tasks.remove(&task);
        let of = |o: &SimOrder| match o {
            SimOrder::Map(t, _)
            | SimOrder::Parts(t, _)
            | SimOrder::Freeze(t, ..)
            | SimOrder::Unmap(t, ..)
            | SimOrder::Protect(t, ..)
            | SimOrder::Wire(t, ..)
            | SimOrder::Inherit(t, ..) => *t,
        };
        self.orders.retain(|(_, o)| of(o) != task);
    }

    /// A task changes the protection of its pages itself, behind the node's back.
    pub fn mprotect(&mut self, task: TaskId, address: u64, protection: Prot) {
        self.tasks.get_mut(&task).unwrap().areas.get_mut(&address).unwrap().protection = protection;
    }

    /// A task unmaps pages itself.
    pub fn munmap(&mut self, task: TaskId, address: u64, size: u64) {
        self.clear(task, address, size);
    }

    /// A task moves pages itself; what it can touch it takes along.
    pub fn mremap(&mut self, task: TaskId, from: u64, to: u64, size: u64) {
        self.clear(task, to, size);
        let t = self.tasks.entry(task).or_default();
        for i in (0..size).step_by(PAGE_SIZE as usize) {
            let (from, to) = (from + i, to + i);
            let (area, mapped, copy) = (t.areas.remove(&from), t.mapped.remove(&from), t.copies.remove(&from));
            t.areas.extend(area.map(|area| (to, area)));
            t.mapped.extend(mapped.map(|mapped| (to, mapped)));
            t.copies.extend(copy.map(|copy| (to, copy)));
            t.poisoned.remove(&from);
        }
    }

    /// A task gives pages back that it can have again: `MADV_DONTNEED`.
    pub fn dont_need(&mut self, task: TaskId, address: u64) {
        let t = self.tasks.entry(task).or_default();
        t.mapped.remove(&address);
        t.copies.remove(&address);
        t.poisoned.remove(&address);
    }

    /// A task takes a page out of its object: `MADV_REMOVE`.
    pub fn remove(&mut self, object: ObjectId, page: u64) {
        self.objects.get_mut(&object).expect("the object has memory").remove(&page);
        for t in self.tasks.values_mut() {
            let SimTask { areas, mapped, .. } = t;
            mapped.retain(|at, _| (areas[at].object, areas[at].page) != (object, page));
        }
        self.removed.insert((object, page));
    }

    /// Whether the page at `address` is mapped, and writable if so.
    pub fn mapped(&self, task: TaskId, address: u64) -> Option<bool> {
        self.tasks.get(&task)?.mapped.get(&address).map(|m| m.writable)
    }

    fn mmap(&mut self, task: TaskId, o: MapOrder) {
        self.clear(task, o.address, o.size);
        let t = self.tasks.entry(task).or_default();
        for i in 0..o.size / PAGE_SIZE {
            let (page, protection) = (o.offset / PAGE_SIZE + i, o.protection);
            let area = Area { object: o.object, page, protection, shared: o.shared, managed: o.managed };
            t.areas.insert(o.address + i * PAGE_SIZE, area);
        }
    }

    fn clear(&mut self, task: TaskId, address: u64, size: u64) {
        let t = self.tasks.entry(task).or_default();
        for at in (address..address + size).step_by(PAGE_SIZE as usize) {
            t.areas.remove(&at);
            t.mapped.remove(&at);
            t.poisoned.remove(&at);
            t.copies.remove(&at);
        }
    }

    fn order(&mut self, order: SimOrder) -> OrderId {
        self.orders_given += 1;
        self.orders.push_back((OrderId(self.orders_given), order));
        OrderId(self.orders_given)
    }

    fn fails(&mut self) -> Result<(), KernReturn> {
        if self.fail_next > 0 && self.spare_next == 0 {
            self.fail_next -= 1;
            return Err(KernReturn::ResourceShortage);
        }
        self.spare_next = self.spare_next.saturating_sub(1);
        Ok(())
    }

    fn put(
        &mut self,
        object: ObjectId,
        offset: u64,
        len: u64,
        bytes: impl Fn(usize) -> Vec<u8>,
    ) -> Result<(), KernReturn> {
        assert!(offset.is_multiple_of(PAGE_SIZE) && len.is_multiple_of(PAGE_SIZE) && len > 0);
        self.fails()?;
        let memfd = self.objects.get_mut(&object).expect("the object has memory");
        for i in 0..len / PAGE_SIZE {
            self.removed.remove(&(object, offset / PAGE_SIZE + i));
            memfd.insert(offset / PAGE_SIZE + i, bytes((i * PAGE_SIZE) as usize));
        }
        Ok(())
    }
}

impl Pmap for SimPmap {
    fn object_create(&mut self, object: ObjectId) -> Result<(), KernReturn> {
        self.fails()?;
        assert!(self.objects.insert(object, BTreeMap::new()).is_none(), "an object is made once");
        self.log.push("create".into());
        Ok(())
    }

    fn object_create_internal(&mut self, object: ObjectId, _size: u64) -> Result<(), KernReturn> {
        self.object_create(object)
    }

    fn object_destroy(&mut self, object: ObjectId) {
        let gone = self.objects.remove(&object).expect("an object is destroyed once");
        self.lost.extend(gone.keys().filter(|p| self.unreturned.contains(&(object, **p))).map(|p| (object, *p)));
        self.log.push("destroy".into());
    }

    fn fill(&mut self, object: ObjectId, offset: u64, data: &Payload) -> Result<(), KernReturn> {
        self.log.push(format!("fill {}+{}", offset / PAGE_SIZE, data.len() as u64 / PAGE_SIZE));
        let bytes = data.to_bytes();
        self.put(object, offset, bytes.len() as u64, |at| bytes[at..at + PAGE_SIZE as usize].to_vec())
    }

    fn zero(&mut self, object: ObjectId, offset: u64, len: u64) -> Result<(), KernReturn> {
        self.log.push(format!("zero {}+{}", offset / PAGE_SIZE, len / PAGE_SIZE));
        self.put(object, offset, len, |_| vec![0; PAGE_SIZE as usize])
    }

    fn copy(&mut self, object: ObjectId, offset: u64, other: ObjectId, from: u64, len: u64) -> Result<(), KernReturn> {
        let pages = |bytes: u64| bytes / PAGE_SIZE;
        self.log.push(format!("copy {}+{} from {}", pages(offset), pages(len), pages(from)));
        let below: BTreeMap<u64, Vec<u8>> = self.objects[&other]
            .range(pages(from)..pages(from + len))
            .map(|(page, bytes)| (*page, bytes.clone()))
            .collect();
        for t in self.tasks.values() {
            let written = t.mapped.iter().filter(|(_, m)| m.writable).map(|(at, _)| t.areas[at]);
            let copied = |area: Area| area.object == other && area.shared && below.contains_key(&area.page);
            assert!(!written.into_iter().any(copied), "a page is copied that somebody can write to");
        }
        self.put(object, offset, len, |at| {
            below.get(&pages(from + at as u64)).cloned().unwrap_or_else(|| vec![0; PAGE_SIZE as usize])
        })
    }

    fn held(&self, frozen: ObjectId, range: Range<u64>, most: u64) -> Option<Range<u64>> {
        let pages = range.start / PAGE_SIZE..range.end / PAGE_SIZE;
        let first = *self.objects[&frozen].range(pages.clone()).next()?.0;
        let last = pages.end.min(first + most / PAGE_SIZE);
        let end = (first..last).find(|page| !self.objects[&frozen].contains_key(page)).unwrap_or(last);
        Some(first * PAGE_SIZE..end * PAGE_SIZE)
    }

    fn read_out(&mut self, object: ObjectId, offset: u64, len: u64) -> Payload {
        self.log.push(format!("read_out {}+{}", offset / PAGE_SIZE, len / PAGE_SIZE));
        let pages = offset / PAGE_SIZE..(offset + len) / PAGE_SIZE;
        let memfd = self.objects.get_mut(&object).expect("the object has memory");
        let mut out = Vec::new();
        for page in pages.clone() {
            match memfd.get(&page) {
                Some(bytes) => out.extend_from_slice(bytes),
                None if self.removed.contains(&(object, page)) => out.extend_from_slice(&[0; PAGE_SIZE as usize]),
                None => panic!("a page that is read out is resident"),
            }
            self.unreturned.remove(&(object, page));
        }
        for t in self.tasks.values() {
            for (at, m) in t.mapped.iter().filter(|(_, m)| m.writable) {
                let area = t.areas[at];
                if area.shared && area.object == object && pages.contains(&area.page) && m.writable {
                    let byte = &mut memfd.get_mut(&area.page).unwrap()[0];
                    *byte = byte.wrapping_add(1);
                    self.racing_writes.push((object, area.page, *byte));
                    self.unreturned.insert((object, area.page));
                }
            }
        }
        out.into()
    }

    fn is_present(&self, object: ObjectId, offset: u64) -> bool {
        self.objects[&object].contains_key(&(offset / PAGE_SIZE))
    }

    fn discard(&mut self, object: ObjectId, offset: u64, len: u64) {
        self.log.push(format!("discard {}+{}", offset / PAGE_SIZE, len / PAGE_SIZE));
        let pages = offset / PAGE_SIZE..(offset + len) / PAGE_SIZE;
        let memfd = self.objects.get_mut(&object).expect("the object has memory");
        memfd.retain(|p, _| !pages.contains(p));
        for page in pages.clone() {
            if self.unreturned.remove(&(object, page)) {
                self.lost.push((object, page));
            }
        }
        for t in self.tasks.values_mut() {
            let SimTask { areas, mapped, .. } = t;
            mapped.retain(|at, _| areas[at].object != object || !pages.contains(&areas[at].page));
        }
    }

    fn enter(&mut self, task: TaskId, address: u64, len: u64, writable: bool) {
        let mark = if writable { "rw" } else { "ro" };
        self.log.push(format!("enter {} {:#x}+{} {mark}", task.0, address, len / PAGE_SIZE));
        let t = self.tasks.entry(task).or_default();
        for at in (address..address + len).step_by(PAGE_SIZE as usize) {
            let Some(area) = t.areas.get(&at).filter(|a| a.managed) else { continue };
            let Some(memfd) = self.objects.get(&area.object) else { continue };
            if !memfd.contains_key(&area.page) {
                assert!(
                    self.removed.contains(&(area.object, area.page)),
                    "page {} is entered and not there",
                    area.page
                );
                continue;
            }
            t.poisoned.remove(&at);
            t.mapped.entry(at).or_insert(Mapped { writable: writable && area.shared });
        }
        self.woken.push((task, address, len));
    }

    fn protect(&mut self, task: TaskId, address: u64, len: u64) {
        self.log.push(format!("protect {} {:#x}+{}", task.0, address, len / PAGE_SIZE));
        let t = self.tasks.entry(task).or_default();
        t.mapped.range_mut(address..address + len).for_each(|(_, m)| m.writable = false);
    }

    fn unprotect(&mut self, task: TaskId, address: u64, len: u64) {
        self.log.push(format!("unprotect {} {:#x}+{}", task.0, address, len / PAGE_SIZE));
        let t = self.tasks.entry(task).or_default();
        let SimTask { areas, mapped, .. } = t;
        mapped.range_mut(address..address + len).for_each(|(at, m)| m.writable = areas[at].shared);
        self.woken.push((task, address, len));
    }

    fn error(&mut self, task: TaskId, address: u64, len: u64) {
        self.log.push(format!("error {} {:#x}+{}", task.0, address, len / PAGE_SIZE));
        let t = self.tasks.entry(task).or_default();
        for at in (address..address + len).step_by(PAGE_SIZE as usize) {
            if t.areas.contains_key(&at) && !t.mapped.contains_key(&at) {
                t.poisoned.insert(at);
            }
        }
        self.woken.push((task, address, len));
    }

    fn wake(&mut self, task: TaskId, address: u64, len: u64) {
        self.log.push(format!("wake {} {:#x}+{}", task.0, address, len / PAGE_SIZE));
        self.woken.push((task, address, len));
    }

    fn free_pages(&self) -> u64 {
        1000
    }

    fn map(&mut self, task: TaskId, order: MapOrder) -> OrderId {
        self.order(SimOrder::Map(task, order))
    }

    fn map_parts(&mut self, task: TaskId, parts: &[MapOrder]) -> OrderId {
        assert!(parts.windows(2).all(|two| two[0].address + two[0].size == two[1].address));
        self.order(SimOrder::Parts(task, parts.to_vec()))
    }

    fn freeze(&mut self, task: TaskId, order: MapOrder, seal: bool) -> OrderId {
        self.order(SimOrder::Freeze(task, order, seal))
    }

    fn inherit(&mut self, task: TaskId, address: u64, size: u64) -> OrderId {
        self.order(SimOrder::Inherit(task, address, size))
    }

    fn errand(&mut self, _: TaskId, errand: Errand) -> OrderId {
        panic!("vm has no errands: {errand:?}")
    }

    fn unmap(&mut self, task: TaskId, address: u64, size: u64) -> OrderId {
        self.order(SimOrder::Unmap(task, address, size))
    }

    fn set_protection(&mut self, task: TaskId, address: u64, size: u64, protection: Prot) -> OrderId {
        self.order(SimOrder::Protect(task, address, size, protection))
    }

    fn wire(&mut self, task: TaskId, address: u64, size: u64, wired: bool) -> OrderId {
        self.order(SimOrder::Wire(task, address, size, wired))
    }
}
