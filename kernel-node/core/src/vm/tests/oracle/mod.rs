//! The node against the naive map of `model.rs`, in lock-step: random calls of tasks that come and go, and orders that succeed,
//! fail and come late. After each step every page of every task is compared, and what the node counts.

mod compare;
mod copies;
mod model;

use std::collections::{BTreeMap, BTreeSet};

use proto::{Inherit, KernReturn, PAGE_SIZE, Prot};

use super::super::*;
use super::sim::{SimOrder, SimPmap};
use super::world::Dice;
use model::{Kind, Memory, Model, Ordered, Refusals, Shown, What, runs};

/// The first page of an arena: a little below the border of a large page, so that both sides of it are in use.
const FIRST: u64 = 0x4_0000 - 24;
/// Pages of an arena: there is room for one large page.
const PAGES: u64 = 24 + 512 + 40;
/// The limit of a node that has one: a quarter of it is soon in use.
const LIMIT_PAGES: u64 = 400;

struct Run {
    vm: Vm,
    sim: SimPmap,
    out: Vec<VmEvent>,
    model: Model,
    dice: Dice,
    limit: Option<u64>,
    /// The node's names for memory.
    ids: BTreeMap<Memory, ObjectId>,
    orders_seen: u64,
    /// Orders that are carried out, or not, and not answered.
    answers: Vec<(OrderId, bool)>,
    /// Pages that Linux keeps.
    locked: BTreeSet<(TaskId, u64)>,
    lookups: u64,
    hits: u64,
    /// How calls ended, and how often.
    ends: BTreeMap<String, u32>,
    seed: u64,
    steps: u32,
    /// The last task that came.
    tasks: u32,
    last: String,
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}, step {}: {}", self.seed, self.steps, self.last);
        }
    }
}

impl Run {
    fn new(seed: u64, limit: bool) -> Run {
        let limit = limit.then_some(LIMIT_PAGES);
        let memory_limit_bytes = limit.unwrap_or(0) * PAGE_SIZE;
        let vm = Vm::new(Config { memory_limit_bytes, default_pager: limit.is_some(), ..Config::default() });
        Run {
            vm,
            sim: SimPmap::default(),
            out: Vec::new(),
            model: Model::default(),
            dice: Dice::new(seed),
            limit,
            ids: BTreeMap::new(),
            orders_seen: 0,
            answers: Vec::new(),
            locked: BTreeSet::new(),
            tasks: 0,
            lookups: 0,
            hits: 0,
            ends: BTreeMap::new(),
            seed,
            steps: 0,
            last: String::new(),
        }
    }

    /// Calls the node, and notes what it orders.
    fn call<T>(&mut self, f: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> T) -> T {
        let mut cx = VmCx { now: Time(0), pmap: &mut self.sim, out: &mut self.out };
        let result = f(&mut self.vm, &mut cx);
        self.vm.check().unwrap();
        self.out.clear();
        for (id, order) in self.sim.orders.iter().filter(|(id, _)| id.0 > self.orders_seen) {
            let (task, address, size, what) = match order.clone() {
                SimOrder::Map(task, o) => (task, o.address, o.size, What::Map),
                SimOrder::Parts(task, parts) => (task, parts[0].address, parts.iter().map(|o| o.size).sum(), What::Map),
                SimOrder::Inherit(task, address, size) => (task, address, size, What::Map),
                SimOrder::Freeze(task, o, _) => (task, o.address, o.size, What::Freeze),
                SimOrder::Unmap(task, address, size) => (task, address, size, What::Unmap),
                SimOrder::Protect(task, address, size, _) => (task, address, size, What::Protect),
                SimOrder::Wire(task, address, size, wired) => (task, address, size, What::Wire(wired)),
            };
            let pages = address / PAGE_SIZE..(address + size) / PAGE_SIZE;
            self.model.orders.insert(*id, Ordered { task, pages, what });
        }
        result
    }

    /// The pages of which the last call ordered something, by what.
    fn ordered(&mut self) -> Vec<(What, Vec<u64>)> {
        let new = self.model.orders.range(OrderId(self.orders_seen + 1)..);
        let mut by_kind: Vec<(What, Vec<u64>)> = Vec::new();
        for order in new.map(|(_, order)| order) {
            match by_kind.iter_mut().find(|(what, _)| *what == order.what) {
                Some((_, pages)) => pages.extend(order.pages.clone()),
                None => by_kind.push((order.what, order.pages.clone().collect())),
            }
        }
        self.orders_seen = self.model.orders.last_key_value().map_or(0, |(id, _)| id.0).max(self.orders_seen);
        by_kind.iter_mut().for_each(|(_, pages)| pages.sort_unstable());
        by_kind
    }

    /// Compares how a call ended; whether it succeeded.
    fn ended<T: std::fmt::Debug>(&mut self, name: &str, got: &Result<T, KernReturn>, refusals: &Refusals) -> bool {
        let code = got.as_ref().err().copied();
        *self.ends.entry(format!("{name} {code:?}")).or_default() += 1;
        match code {
            Some(code) => assert!(refusals.contains(&code), "{name}: {code:?}, not one of {refusals:?}"),
            None => assert!(refusals.is_empty(), "{name}: {got:?}, and has to be refused for {refusals:?}"),
        }
        code.is_none()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.below(of.len() as u64) as usize]
    }

    /// Mostly a task that there is.
    fn some_task(&mut self) -> TaskId {
        let known: Vec<TaskId> = self.model.tasks.keys().copied().collect();
        if known.is_empty() || self.dice.one_in(30) { TaskId(99) } else { self.pick(&known) }
    }

    /// Mostly an address in the lower part of the arena, so that calls meet.
    fn some_address(&mut self) -> u64 {
        let page = match self.dice.below(16) {
            0 => FIRST - 2 + self.dice.below(4),
            1 | 2 => FIRST + self.dice.below(PAGES),
            3 => FIRST + PAGES - self.dice.below(4),
            _ => FIRST + self.dice.below(40),
        };
        let inside = if self.dice.one_in(4) { self.dice.below(PAGE_SIZE) } else { 0 };
        if self.dice.one_in(200) { u64::MAX - 5 * PAGE_SIZE } else { page * PAGE_SIZE + inside }
    }

    /// Mostly few pages.
    fn some_size(&mut self) -> u64 {
        let whole = (1 + self.dice.below(10)) * PAGE_SIZE;
        match self.dice.below(24) {
            0 => 0,
            1 if self.dice.one_in(4) => 512 * PAGE_SIZE + self.dice.below(30) * PAGE_SIZE,
            1 | 2 => self.dice.below(60) * PAGE_SIZE,
            3..=6 => whole - self.dice.below(PAGE_SIZE),
            7 if self.dice.one_in(4) => [u64::MAX - 7, 1 << 60][self.dice.below(2) as usize],
            _ => whole,
        }
    }

    fn some_protection(&mut self) -> Prot {
        let bits = self.dice.below(8) as u32;
        let often = [Prot::READ | Prot::WRITE, Prot::READ, Prot::all()];
        match self.dice.below(12) {
            0 if self.dice.one_in(4) => Prot::from_bits_retain(8 | bits),
            1..=4 => Prot::from_bits_truncate(bits),
            _ => self.pick(&often),
        }
    }

    fn some_request(&mut self) -> MapRequest {
        let both = self.some_protection();
        let less = both & self.some_protection();
        let maximum = if self.dice.one_in(3) { both } else { Prot::all() };
        MapRequest {
            address: self.some_address(),
            size: self.some_size(),
            mask: self.pick(&[0, 0, 0, 0xfff, 0x3fff, 0xffff]),
            anywhere: self.dice.one_in(2),
            object: None,
            offset: 0,
            copy: false,
            protection: if self.dice.one_in(3) { less } else { both },
            max_protection: maximum,
            inheritance: self.pick(&[
                Inherit::Copy,
                Inherit::None,
                Inherit::Copy,
                Inherit::None,
                Inherit::Copy,
                Inherit::Share,
            ]),
        }
    }

    /// One thing happens, and all is compared.
    fn step(&mut self) {
        self.steps += 1;
        match self.dice.below(41) {
            0..=2 => self.allocate(),
            3 | 4 => self.map_zero_filled(),
            5..=7 => self.map_object(),
            8..=10 => self.deallocate(),
            11..=14 => self.protect(),
            15 => self.inherit(),
            16 | 17 => self.wire(),
            18 if self.dice.one_in(3) => self.wire_all(),
            18..=22 => self.freeze(),
            23 => self.refreeze(),
            24 | 25 => self.map_frozen(),
            26 => self.ask_for_a_region(),
            27 => self.ask_what_is_permitted(),
            28 | 29 => self.touch(),
            30..=34 => self.carry_out(),
            35..=39 => self.answer(),
            _ => self.come_or_go(),
        }
        self.ordered();
        self.compare();
    }

    /// Makes pages of a new mapping known.
    fn show(&mut self, task: TaskId, at: u64, pages: u64, like: Shown) {
        let map = self.model.tasks.get_mut(&task).expect("it has mapped something");
        for n in 0..pages {
            let shown = Shown { page: like.page + n, ..like };
            assert!(map.pages.insert(at + n, shown).is_none(), "the place was free");
        }
    }

    fn allocate(&mut self) {
        let (task, address, size) = (self.some_task(), self.some_address(), self.some_size());
        let anywhere = self.dice.one_in(2);
        self.last = format!("vm_allocate {task:?} {address:#x} {size:#x} {anywhere}");
        let request = MapRequest {
            address: if anywhere { 0 } else { address },
            size,
            anywhere,
            protection: Prot::READ | Prot::WRITE,
            max_protection: Prot::all(),
            ..super::rig::map_request(None, Prot::all())
        };
        if size == 0 {
            let refusals = self.model.refuses_range(task, 0, 0);
            let got = self.call(|vm, cx| vm.vm_allocate(task, address, size, anywhere, cx));
            if self.ended("vm_allocate", &got, &refusals) {
                assert_eq!(got, Ok(Mapped { address: 0, order: None }));
            }
            return;
        }
        self.map_anonymous("vm_allocate", task, request, |vm, cx| vm.vm_allocate(task, address, size, anywhere, cx));
    }

    fn map_zero_filled(&mut self) {
        let (task, request) = (self.some_task(), self.some_request());
        self.last = format!("vm_map {task:?} {request:?}");
        self.map_anonymous("vm_map", task, request, |vm, cx| vm.vm_map(task, request, cx));
    }

    fn map_anonymous(
        &mut self,
        name: &str,
        task: TaskId,
        request: MapRequest,
        call: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> Result<Mapped, KernReturn>,
    ) {
        let place = self.model.place(task, &request, None);
        let mut refusals = place.clone().err().unwrap_or_default();
        if refusals.is_empty() && self.dice.one_in(40) {
            self.sim.fail_next = 1;
            refusals.insert(KernReturn::ResourceShortage);
        }
        let got = self.call(call);
        self.sim.fail_next = 0;
        if !self.ended(name, &got, &refusals) {
            return;
        }
        let (at, pages) = (place.expect("not refused"), request.size.div_ceil(PAGE_SIZE));
        assert_eq!(got.expect("it succeeded").address, at * PAGE_SIZE);
        let paged = self.limit.is_some_and(|limit| self.model.native() + pages > limit / 4);
        let (kind, native) = if paged { (Kind::Paged, 0) } else { (Kind::Native, pages) };
        let memory = self.model.memory(kind, native);
        let content = self.model.contents.get_mut(&memory).expect("new");
        content.to_be_shared = request.inheritance == Inherit::Share;
        self.show(task, at, pages, Shown { memory, ..shown(&request) });
        self.is_new_at(task, at, memory);
        assert_eq!(self.ordered(), [(What::Map, (at..at + pages).collect())]);
    }

    /// The node has made a memory for what a task has mapped there.
    fn is_new_at(&mut self, task: TaskId, at: u64, memory: Memory) {
        let region = self.vm.region_stats(task, at * PAGE_SIZE).unwrap().next().expect("just mapped");
        assert!(self.ids.values().all(|id| *id != region.memory), "a memory of its own");
        self.ids.insert(memory, region.memory);
    }

    /// Not copies, for which an object is mapped where no call finds it: [vm.copy.10].
    fn map_object(&mut self) {
        let (task, mut request) = (self.some_task(), self.some_request());
        let known = self.model.contents.iter().filter(|(_, c)| matches!(c.kind, Kind::Object { .. }));
        let known: Vec<Memory> = known.map(|(memory, _)| *memory).collect();
        let old = (!known.is_empty() && !self.dice.one_in(3)).then(|| self.pick(&known));
        request.offset = self.pick(&[0, 0, 3 * PAGE_SIZE, 7 * PAGE_SIZE, 9 * PAGE_SIZE + 8, 1 << 46]);
        let memory = old.unwrap_or_else(|| {
            let memory = self.model.memory(Kind::Object { dead: false }, 0);
            self.ids.insert(memory, self.vm.object_create().unwrap());
            memory
        });
        request.object = Some(self.ids[&memory]);
        self.last = format!("vm_map {task:?} {request:?}");
        let place = self.model.place(task, &request, Some(memory));
        let refusals = place.clone().err().unwrap_or_default();
        let got = self.call(|vm, cx| vm.vm_map(task, request, cx));
        if !self.ended("vm_map object", &got, &refusals) {
            return self.model.forget_unshown();
        }
        (self.lookups, self.hits) = (self.lookups + 1, self.hits + u64::from(old.is_some()));
        let (at, pages) = (place.expect("not refused"), request.size.div_ceil(PAGE_SIZE));
        assert_eq!(got.expect("it succeeded").address, at * PAGE_SIZE);
        let shared = request.max_protection.contains(Prot::WRITE);
        let page = request.offset / PAGE_SIZE;
        self.show(task, at, pages, Shown { memory, page, shared, ..shown(&request) });
        assert_eq!(self.ordered(), [(What::Map, (at..at + pages).collect())]);
        if old.is_none() && self.dice.one_in(2) {
            let id = self.ids[&memory];
            self.call(|vm, cx| vm.memory_object_ready(id, cx));
        }
    }

    fn deallocate(&mut self) {
        let (task, address, size) = (self.some_task(), self.some_address(), self.some_size());
        self.last = format!("vm_deallocate {task:?} {address:#x} {size:#x}");
        let refusals = self.model.refuses_range(task, address, size);
        let got = self.call(|vm, cx| vm.vm_deallocate(task, address, size, cx));
        if !self.ended("vm_deallocate", &got, &refusals) {
            return;
        }
        let gone = self.model.mapped(task, &Model::range(address, size).expect("not refused"));
        self.model.remove(task, &gone);
        let leaving = runs(&gone).into_iter().map(|run| (run, false));
        self.model.tasks.get_mut(&task).expect("not refused").leaving.extend(leaving);
        let expected = if gone.is_empty() { vec![] } else { vec![(What::Unmap, gone)] };
        assert_eq!(self.ordered(), expected);
    }

    fn protect(&mut self) {
        let (task, address, size) = (self.some_task(), self.some_address(), self.some_size());
        let (maximum, protection) = (self.dice.one_in(4), self.some_protection());
        self.last = format!("vm_protect {task:?} {address:#x} {size:#x} {maximum} {protection:?}");
        let mut refusals = self.model.refuses_range(task, address, size);
        if !Prot::all().contains(protection) {
            refusals.insert(KernReturn::InvalidArgument);
        }
        let pages = if refusals.is_empty() { self.pages_of(task, address, size) } else { Vec::new() };
        if pages.iter().any(|(_, shown)| !shown.maximum.contains(protection)) {
            refusals.insert(KernReturn::ProtectionFailure);
        }
        let got = self.call(|vm, cx| vm.vm_protect(task, address, size, maximum, protection.bits(), cx));
        if !self.ended("vm_protect", &got, &refusals) {
            return;
        }
        self.change(task, &pages, |shown| match maximum {
            true => (shown.maximum, shown.protection) = (protection, shown.protection & protection),
            false => shown.protection = protection,
        });
    }

    fn inherit(&mut self) {
        let (task, address, size) = (self.some_task(), self.some_address(), self.some_size());
        let value = self.pick(&[1, 2, 1, 2, 1, 2, 0, 3]);
        self.last = format!("vm_inherit {task:?} {address:#x} {size:#x} {value}");
        let mut refusals = self.model.refuses_range(task, address, size);
        let inheritance = Inherit::from_raw(value);
        if inheritance.is_none() {
            refusals.insert(KernReturn::InvalidArgument);
        }
        let got = self.call(|vm, _| vm.vm_inherit(task, address, size, value));
        if self.ended("vm_inherit", &got, &refusals) {
            let pages = self.pages_of(task, address, size);
            self.change(task, &pages, |shown| shown.inheritance = inheritance.expect("not refused"));
            for (_, shown) in pages.iter().filter(|_| inheritance == Some(Inherit::Share)) {
                self.model.contents.get_mut(&shown.memory).expect("it is shown").to_be_shared = true;
            }
        }
    }

    fn wire(&mut self) {
        let (task, address, mut size) = (self.some_task(), self.some_address(), self.some_size());
        if self.dice.one_in(20) {
            size = size.saturating_add(proto::limits::TASK_WIRED_BYTES_MAX);
        }
        let access = self.pick(&[Prot::empty(), Prot::READ, Prot::READ | Prot::WRITE, Prot::from_bits_retain(8)]);
        self.last = format!("vm_wire {task:?} {address:#x} {size:#x} {access:?}");
        let mut refusals = self.model.refuses_range(task, address, size);
        if !Prot::all().contains(access) {
            refusals.insert(KernReturn::InvalidArgument);
        }
        let mut pages = Vec::new();
        if refusals.is_empty() {
            // With size 0 there has to be something at the address all the same.
            pages = self.pages_of(task, address, size);
            let range = Model::range(address, size.max(1)).expect("it does not wrap");
            let mapped = self.model.mapped(task, &range).len() as u64;
            if mapped < range.end - range.start || pages.iter().any(|(_, s)| !s.protection.contains(access)) {
                refusals.insert(KernReturn::NoSpace);
            }
        }
        let known = self.model.tasks.contains_key(&task);
        let wired = Model::range(address, size).filter(|_| known).map_or(0, |range| {
            let others = self.pages_of(task, 0, u64::MAX - PAGE_SIZE).into_iter();
            let others = others.filter(|(page, s)| !range.contains(page) && !s.wired.is_empty()).count() as u64;
            others + (range.end - range.start)
        });
        if !access.is_empty() && wired * PAGE_SIZE > proto::limits::TASK_WIRED_BYTES_MAX {
            refusals.insert(KernReturn::NoAccess);
        }
        let got = self.call(|vm, cx| vm.vm_wire(task, address, size, access.bits(), cx));
        if self.ended("vm_wire", &got, &refusals) {
            self.wired(task, &pages, |_| access);
        }
    }

    fn wire_all(&mut self) {
        let (task, flags) = (self.some_task(), self.pick(&[0, 0, 0, 1, 2, 3, 4]));
        self.last = format!("vm_wire_all {task:?} {flags}");
        let mut refusals = self.model.refuses_range(task, 0, 0);
        match flags {
            0 | 1 => {}
            2 | 3 => drop(refusals.insert(KernReturn::NoAccess)),
            _ => drop(refusals.insert(KernReturn::InvalidArgument)),
        }
        let got = self.call(|vm, cx| vm.vm_wire_all(task, flags, cx));
        if self.ended("vm_wire_all", &got, &refusals) {
            let pages = self.pages_of(task, 0, u64::MAX - PAGE_SIZE);
            self.wired(task, &pages, |shown| if flags == 1 { shown.protection } else { Prot::empty() });
        }
    }

    /// The task hears of pages that become wired or are no more, and of no others. Source: [vm.wire.5].
    fn wired(&mut self, task: TaskId, pages: &[(u64, Shown)], access: impl Fn(&Shown) -> Prot) {
        let mut expected = Vec::new();
        for becomes in [true, false] {
            let changes = |s: &Shown| s.wired.is_empty() == becomes && access(s).is_empty() != becomes;
            let changed: Vec<u64> = pages.iter().filter(|(_, s)| changes(s)).map(|(page, _)| *page).collect();
            expected.extend((!changed.is_empty()).then_some((What::Wire(becomes), changed)));
        }
        self.change(task, pages, |shown| shown.wired = access(shown));
        for (id, order) in self.model.orders.range(OrderId(self.orders_seen + 1)..) {
            let map = self.model.tasks.get_mut(&task).expect("it has these pages");
            map.pages.range_mut(order.pages.clone()).for_each(|(_, shown)| shown.wired_by = Some(*id));
        }
        let mut got = self.ordered();
        got.sort_by_key(|(what, _)| *what != What::Wire(true));
        assert_eq!(got, expected);
    }

    fn pages_of(&self, task: TaskId, address: u64, size: u64) -> Vec<(u64, Shown)> {
        let range = Model::range(address, size).expect("it does not wrap");
        self.model.tasks[&task].pages.range(range).map(|(page, shown)| (*page, *shown)).collect()
    }

    fn change(&mut self, task: TaskId, pages: &[(u64, Shown)], change: impl Fn(&mut Shown)) {
        let map = self.model.tasks.get_mut(&task).expect("it has these pages");
        pages.iter().for_each(|(page, _)| change(map.pages.get_mut(page).expect("mapped")));
    }
}

/// What a request asks for, but for the memory.
fn shown(r: &MapRequest) -> Shown {
    Shown {
        memory: 0,
        page: 0,
        protection: r.protection,
        maximum: r.max_protection,
        inheritance: r.inheritance,
        wired: Prot::empty(),
        wired_by: None,
        shared: false,
        own: None,
    }
}
