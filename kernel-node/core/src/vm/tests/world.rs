//! Everything at once: two tasks, threads, three objects with their pagers, and dice.
//!
//! One memory is kept beside all of it, into which every write of every thread goes as it happens. Whatever a thread
//! reads must be what stands there; whatever a pager has when the node has given a page up must be what stands there; and
//! when nothing moves any more, no thread waits.

use std::collections::VecDeque;

use proptest::prelude::*;
use proto::{Inherit, KernReturn, PAGE_SIZE, Prot, TraceId};

use super::super::*;
use super::pager::{Control, Memory, PAGES, Pager};
use super::sim::{SimPmap, Touch};

/// A source of choices: splitmix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What may go wrong besides the order of things.
#[derive(Clone, Copy, Default)]
struct Troubles {
    /// Pagers die, and tasks are killed.
    deaths: bool,
    /// Tasks make pages behind the node's back.
    strays: bool,
    /// There is room for one page in ten only, so that page-out runs among everything else.
    limit: bool,
}

struct Thread {
    task: TaskId,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    /// About to touch: address, and the byte to write.
    Ready(u64, Option<u8>),
    /// Asleep in a fault.
    Asleep(u64, Option<u8>),
}

struct World {
    vm: Vm,
    sim: SimPmap,
    now: Time,
    dice: Dice,
    pagers: Vec<Pager>,
    memory: Vec<Memory>,
    /// The object that the node has for each pager.
    objects: Vec<Option<ObjectId>>,
    /// On the way to each pager.
    calls: Vec<VecDeque<ToPager>>,
    threads: Vec<Thread>,
    /// Events that the node has not read.
    events: VecDeque<Fault>,
    tasks: Vec<TaskId>,
    msyncs: Vec<Ticket>,
    tickets: u64,
    troubles: Troubles,
    /// Pages of objects whose pager died are lost with it.
    forgiven: Vec<ObjectId>,
    value: u8,
}

const ARENA: u64 = 0x4000_0000;

impl World {
    fn new(troubles: Troubles, planted: bool) -> World {
        let memory_limit_bytes = if troubles.limit { 12 * PAGE_SIZE } else { 0 };
        let mut vm = Vm::new(Config { memory_limit_bytes, ..Config::default() });
        vm.planted.skip_protect = planted;
        let tasks = vec![TaskId(1), TaskId(2)];
        for task in &tasks {
            vm.task_create(*task, ARENA..ARENA + 200 * PAGE_SIZE).unwrap();
        }
        let pagers: Vec<Pager> = (0..3).map(|i| Pager::new(40 * i + 1)).collect();
        let threads = (0..6).map(|i| Thread { task: tasks[i % 2], state: State::Idle }).collect();
        World {
            vm,
            sim: SimPmap::default(),
            now: Time(0),
            dice: Dice(0),
            memory: pagers.iter().map(|p| p.store.clone()).collect(),
            objects: vec![None; pagers.len()],
            calls: vec![VecDeque::new(); pagers.len()],
            pagers,
            threads,
            events: VecDeque::new(),
            tasks,
            msyncs: Vec::new(),
            tickets: 0,
            troubles,
            forgiven: Vec::new(),
            value: 0,
        }
    }

    /// Calls the node; what it wants to have done is noted, and all its tables are checked.
    fn call<T>(&mut self, f: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> T) -> T {
        let mut out = Vec::new();
        let mut cx = VmCx { now: self.now, pmap: &mut self.sim, out: &mut out };
        let result = f(&mut self.vm, &mut cx);
        self.vm.check().unwrap();
        for (id, page, value) in std::mem::take(&mut self.sim.racing_writes) {
            let pager = self.objects.iter().position(|o| *o == Some(id)).expect("the object of a page");
            self.memory[pager].get_mut(&page).unwrap()[0] = value;
        }
        for event in out {
            match event {
                VmEvent::ToPager { object, call, .. } => {
                    let pager = self.objects.iter().position(|o| *o == Some(object)).expect("a known object");
                    if self.pagers[pager].alive {
                        self.calls[pager].push_back(call);
                    }
                }
                VmEvent::ObjectGone { object } => {
                    let pager = self.objects.iter().position(|o| *o == Some(object)).expect("a known object");
                    self.objects[pager] = None;
                }
                VmEvent::MsyncDone { ticket, result } => {
                    let at = self.msyncs.iter().position(|t| *t == ticket).expect("done once");
                    self.msyncs.swap_remove(at);
                    assert_ne!(result, KernReturn::TimedOut);
                }
                VmEvent::FaultDone { .. } => {}
                VmEvent::Unruly { task } => panic!("{task:?} does as it is told"),
            }
        }
        let lost = std::mem::take(&mut self.sim.lost);
        assert!(lost.iter().all(|(id, _)| self.forgiven.contains(id)), "written pages were thrown away: {lost:?}");
        for (task, address, len) in std::mem::take(&mut self.sim.woken) {
            for thread in self.threads.iter_mut().filter(|t| t.task == task) {
                if let State::Asleep(at, write) = thread.state
                    && (address..address + len).contains(&at)
                {
                    thread.state = State::Ready(at, write);
                }
            }
        }
        self.sim.log.clear();
        result
    }

    /// One thing happens.
    fn step(&mut self, choice: u32) {
        self.dice = Dice(u64::from(choice));
        match self.dice.below(32) {
            0..=9 => self.run_thread(),
            10..=14 => self.deliver_event(),
            15..=18 => self.deliver_call(),
            19..=22 => self.deliver_control(),
            23 | 24 => self.deliver_order(),
            25 => self.pager_acts(),
            26 | 27 => self.map_something(),
            28 => self.change_mapping(),
            29 => self.msync(),
            30 => self.time_passes(),
            _ => self.trouble(),
        }
    }

    fn run_thread(&mut self) {
        let n = self.dice.below(self.threads.len() as u64) as usize;
        let Thread { task, state } = self.threads[n];
        let (address, write) = match state {
            State::Asleep(..) => return,
            State::Ready(address, write) => (address, write),
            State::Idle => {
                let regions: Vec<Region> = self.regions(task).into_iter().filter(|r| r.object.is_some()).collect();
                if regions.is_empty() {
                    return;
                }
                let region = regions[self.dice.below(regions.len() as u64) as usize];
                // Often a page near the last one, as programs do.
                let page = self.dice.below(region.size / PAGE_SIZE);
                let page = if self.dice.one_in(2) { u64::from(self.value) % (page + 1) } else { page };
                self.value = self.value.wrapping_add(1);
                let offset = [0, 1, 8, PAGE_SIZE - 1][self.dice.below(4) as usize];
                let write = (region.protection.contains(Prot::WRITE) && self.dice.one_in(3)).then_some(self.value);
                (region.address + page * PAGE_SIZE + offset, write)
            }
        };
        self.touch(n, address, write);
    }

    fn touch(&mut self, n: usize, address: u64, write: Option<u8>) {
        let task = self.threads[n].task;
        let seen = self.sim.touch(task, address, write);
        self.threads[n].state = match seen {
            Touch::Fault(kind) => {
                self.events.push_back(Fault { task, address, kind, write: write.is_some(), trace: TraceId(1) });
                State::Asleep(address, write)
            }
            _ => State::Idle,
        };
        let (Touch::Value(value), Some((id, page))) = (seen, self.sim.shows(task, address)) else { return };
        // A mapping of an object that is gone, still to be unmapped, shows nothing that counts.
        let Some(pager) = self.objects.iter().position(|o| *o == Some(id)) else { return };
        let byte = &mut self.memory[pager].get_mut(&page).unwrap()[(address % PAGE_SIZE) as usize];
        match write {
            Some(value) => *byte = value,
            None => assert_eq!(value, *byte, "task {} read page {page} of object {pager}", task.0),
        }
    }

    fn deliver_event(&mut self) {
        if !self.events.is_empty() {
            let at = self.dice.below(self.events.len() as u64) as usize;
            let fault = self.events.remove(at).unwrap();
            self.call(|vm, cx| vm.fault(fault, cx));
        }
    }

    fn deliver_call(&mut self) {
        let n = self.dice.below(self.pagers.len() as u64) as usize;
        if let Some(call) = self.calls[n].pop_front() {
            self.pagers[n].receive(call, &self.memory[n], &mut self.dice);
        }
    }

    fn deliver_control(&mut self) {
        let n = self.dice.below(self.pagers.len() as u64) as usize;
        let control = &mut self.pagers[n].control;
        let ready = control.iter().take_while(|c| c.is_supply()).count().max(1).min(control.len());
        let Some(id) = self.objects[n].filter(|_| ready > 0) else { return };
        let at = self.dice.below(ready as u64) as usize;
        let control = control.remove(at).unwrap();
        self.call(|vm, cx| match control {
            Control::Ready => vm.memory_object_ready(id, cx),
            Control::Supply(supply) => vm.memory_object_data_supply(id, supply, cx),
            Control::Unavailable { page, pages, lock } => {
                vm.memory_object_data_unavailable(id, page * PAGE_SIZE, pages * PAGE_SIZE, lock, cx)
            }
            Control::Error { page, pages } => {
                vm.memory_object_data_error(id, page * PAGE_SIZE, pages * PAGE_SIZE, KernReturn::Failure, cx)
            }
            Control::Lock(request) => vm.memory_object_lock_request(id, request, cx),
            Control::SyncCompleted { offset, length } => {
                vm.memory_object_synchronize_completed(id, offset, length, KernReturn::Success, cx)
            }
        });
    }

    fn deliver_order(&mut self) {
        if let Some(id) = self.sim.carry_out() {
            self.call(|vm, cx| vm.order_done(id, Ok(()), cx));
        }
    }

    /// A pager asks for something back, gives something unasked, or another machine writes to a page.
    fn pager_acts(&mut self) {
        let n = self.dice.below(self.pagers.len() as u64) as usize;
        let pager = &mut self.pagers[n];
        let page = self.dice.below(PAGES);
        match self.dice.below(3) {
            0 if pager.in_use && pager.alive => pager.lock(&mut self.dice),
            1 if pager.in_use && pager.alive && pager.is_free(page) => {
                pager.gave.insert(page);
                pager.give(page, 1, Prot::WRITE, &mut self.dice);
            }
            2 if pager.is_free(page) && pager.alive => {
                let byte = self.dice.below(256) as u8;
                pager.store.get_mut(&page).unwrap()[1] = byte;
                self.memory[n].get_mut(&page).unwrap()[1] = byte;
            }
            _ => {}
        }
    }

    fn map_something(&mut self) {
        let task = self.tasks[self.dice.below(self.tasks.len() as u64) as usize];
        let n = self.dice.below(self.pagers.len() as u64) as usize;
        if !self.pagers[n].alive || self.regions(task).len() > 6 {
            return;
        }
        let object = match self.objects[n] {
            Some(id) => id,
            // As a kernel would, only after the pager has been told of the end of the one before.
            None if self.calls[n].is_empty() && !self.pagers[n].in_use => {
                let id = self.vm.object_create().unwrap();
                self.objects[n] = Some(id);
                id
            }
            None => return,
        };
        let page = self.dice.below(PAGES);
        let pages = 1 + self.dice.below(PAGES - page);
        let max_protection = if self.dice.one_in(3) { Prot::READ } else { Prot::READ | Prot::WRITE };
        let request = MapRequest {
            address: 0,
            size: pages * PAGE_SIZE,
            mask: 0,
            anywhere: true,
            object: Some(object),
            offset: page * PAGE_SIZE,
            copy: false,
            protection: max_protection,
            max_protection,
            inheritance: Inherit::None,
        };
        let _ = self.call(|vm, cx| vm.vm_map(task, request, cx));
    }

    fn change_mapping(&mut self) {
        let task = self.tasks[self.dice.below(self.tasks.len() as u64) as usize];
        let regions = self.regions(task);
        if regions.is_empty() {
            return;
        }
        let r = regions[self.dice.below(regions.len() as u64) as usize];
        let skip = self.dice.below(r.size / PAGE_SIZE) * PAGE_SIZE;
        let size = (1 + self.dice.below((r.size - skip) / PAGE_SIZE)) * PAGE_SIZE;
        let address = r.address + skip;
        let protection = [Prot::READ, Prot::READ | Prot::WRITE, Prot::empty()][self.dice.below(3) as usize];
        let bits = protection.bits();
        match self.dice.below(9) {
            0 | 1 => drop(self.call(|vm, cx| vm.vm_deallocate(task, address, size, cx)).unwrap()),
            2 | 3 => drop(self.call(|vm, cx| vm.vm_deallocate(task, r.address, r.size, cx)).unwrap()),
            4 => self.call(|vm, _| vm.vm_inherit(task, address, size, bits.min(2))).unwrap(),
            // For an access that the range may have lost: then nothing happens.
            5 => drop(self.call(|vm, cx| vm.vm_wire(task, address, size, bits, cx))),
            _ => drop(self.call(|vm, cx| vm.vm_protect(task, address, size, false, bits, cx))),
        }
    }

    fn msync(&mut self) {
        let task = self.tasks[self.dice.below(self.tasks.len() as u64) as usize];
        let address = ARENA + self.dice.below(100) * PAGE_SIZE;
        let size = self.dice.below(100) * PAGE_SIZE;
        let flags = [sync::SYNCHRONOUS, sync::ASYNCHRONOUS, sync::INVALIDATE][self.dice.below(3) as usize];
        self.tickets += 1;
        let ticket = Ticket(1 << 32 | self.tickets);
        self.msyncs.push(ticket);
        self.call(|vm, cx| vm.vm_msync(task, address, size, flags, ticket, cx)).unwrap();
    }

    fn time_passes(&mut self) {
        self.now.0 += self.dice.below(2_000_000);
        self.call(|vm, cx| vm.tick(cx));
    }

    fn trouble(&mut self) {
        let n = self.dice.below(self.pagers.len() as u64) as usize;
        match self.dice.below(8) {
            0 if self.troubles.deaths => self.pager_dies(n),
            1 if self.troubles.deaths && self.tasks.len() > 1 => {
                let task = self.tasks.remove(self.dice.below(2) as usize);
                self.task_dies(task);
            }
            2..=5 if self.troubles.strays => {
                let (Some(id), page) = (self.objects[n], self.dice.below(PAGES)) else { return };
                let removed = self.sim.removed.contains(&(id, page));
                if let Some(memfd) = self.sim.objects.get_mut(&id).filter(|_| !removed) {
                    memfd.entry(page).or_insert_with(|| vec![0xee; PAGE_SIZE as usize]);
                }
            }
            6 | 7 if self.troubles.strays => self.behind(n),
            _ => {}
        }
    }

    /// A task changes its memory itself.
    fn behind(&mut self, n: usize) {
        let task = self.tasks[self.dice.below(self.tasks.len() as u64) as usize];
        let regions: Vec<Region> = self.regions(task).into_iter().filter(|r| r.object.is_some()).collect();
        let Some(r) = regions.get(self.dice.below(regions.len().max(1) as u64) as usize) else { return };
        let skip = self.dice.below(r.size / PAGE_SIZE) * PAGE_SIZE;
        let size = (1 + self.dice.below((r.size - skip) / PAGE_SIZE)) * PAGE_SIZE;
        let address = r.address + skip;
        match self.dice.below(4) {
            0 => {
                self.sim.munmap(task, address, size);
                self.call(|vm, cx| vm.range_unmapped(task, address, size, cx));
            }
            1 => {
                self.tickets += 1;
                let to = (self.tickets << 32) + address;
                self.sim.mremap(task, address, to, size);
                self.call(|vm, cx| vm.range_moved(task, address, to, size, cx));
            }
            2 => self.sim.dont_need(task, address),
            _ => {
                let (Some(id), page) = (self.objects[n], self.dice.below(PAGES)) else { return };
                let Some(object) = self.vm.objects.get(id) else { return };
                let Some(was) = object.pages.get(page).resident() else { return };
                self.sim.remove(id, page);
                if was.dirty {
                    self.memory[n].insert(page, vec![0; PAGE_SIZE as usize]);
                    self.sim.unreturned.insert((id, page));
                }
            }
        }
    }

    fn pager_dies(&mut self, n: usize) {
        self.pagers[n].alive = false;
        self.pagers[n].control.clear();
        self.calls[n].clear();
        if let Some(id) = self.objects[n] {
            self.forgiven.push(id);
            self.call(|vm, cx| vm.pager_died(id, cx));
        }
    }

    fn task_dies(&mut self, task: TaskId) {
        self.sim.task_gone(task);
        self.threads.retain(|t| t.task != task);
        self.events.retain(|e| e.task != task);
        self.call(|vm, cx| vm.task_gone(task, cx));
    }

    fn regions(&self, task: TaskId) -> Vec<Region> {
        let stats = self.vm.task_stats();
        stats.into_iter().find(|s| s.task == task).map_or(Vec::new(), |s| s.regions)
    }

    /// Everything that is under way arrives; nothing new begins.
    fn drain(&mut self) {
        for _ in 0..20_000 {
            let asleep = self.threads.iter().all(|t| !matches!(t.state, State::Ready(..)));
            let quiet = self.events.is_empty()
                && self.calls.iter().all(VecDeque::is_empty)
                && self.pagers.iter().all(|p| p.control.is_empty())
                && self.sim.orders.is_empty();
            // Holds and steps only: nobody's deadline is needed.
            let soon = self.vm.next_deadline().filter(|t| t.0 <= self.now.0 + 2_000_000);
            if quiet && asleep && soon.is_none() {
                return;
            }
            for n in 0..self.threads.len() {
                if let State::Ready(address, write) = self.threads[n].state {
                    self.touch(n, address, write);
                }
            }
            self.deliver_event();
            for _ in 0..6 {
                self.deliver_call();
                self.deliver_control();
            }
            self.deliver_order();
            if let Some(at) = soon {
                self.now = self.now.max(at);
                self.call(|vm, cx| vm.tick(cx));
            }
        }
        panic!("it never ends");
    }

    /// The end: nobody waits, and all that was written is where it belongs.
    fn finish(&mut self) {
        self.dice = Dice(77);
        self.drain();
        let waiting: Vec<_> = self.threads.iter().filter(|t| t.state != State::Idle).map(|t| t.state).collect();
        assert!(waiting.is_empty(), "threads wait for nothing: {waiting:x?}");
        assert_eq!(self.vm.counters().timeouts, 0, "a deadline was needed");
        assert!(self.msyncs.is_empty(), "an msync was never answered");
        // Also what was never locked: the last to go returns it.
        for task in self.tasks.clone() {
            let arena = self.vm.map_of(task).unwrap().arena();
            self.call(|vm, cx| vm.vm_deallocate(task, arena.start, arena.end - arena.start, cx)).unwrap();
        }
        self.drain();
        assert_eq!(self.vm.object_stats(), [], "objects are left over");
        for (pager, memory) in self.pagers.iter().zip(&self.memory).filter(|(p, _)| p.alive) {
            assert!(pager.store == *memory, "a pager has other bytes than were written");
            assert!(!pager.in_use);
        }
    }
}

fn run(choices: &[u32], troubles: Troubles, planted: bool) -> Counters {
    let mut world = World::new(troubles, planted);
    for choice in choices {
        world.step(*choice);
    }
    world.finish();
    *world.vm.counters()
}

fn cases(n: u32) -> ProptestConfig {
    ProptestConfig { cases: n, failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn vm_world_1_reads_see_the_last_write_and_no_write_is_lost(choices in prop::collection::vec(any::<u32>(), 100..1200)) {
        run(&choices, Troubles::default(), false);
    }

    #[test]
    fn vm_world_2_deaths_and_strays_leave_nobody_waiting(choices in prop::collection::vec(any::<u32>(), 100..1200)) {
        run(&choices, Troubles { deaths: true, strays: true, limit: false }, false);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn vm_pageout_11_reads_see_the_last_write_while_pages_leave(choices in prop::collection::vec(any::<u32>(), 100..1200)) {
        run(&choices, Troubles { limit: true, ..Troubles::default() }, false);
    }

    #[test]
    fn vm_pageout_12_deaths_and_strays_leave_nobody_waiting_for_room(choices in prop::collection::vec(any::<u32>(), 100..1200)) {
        run(&choices, Troubles { deaths: true, strays: true, limit: true }, false);
    }
}

/// Nor do these say anything unless pages left, in both ways.
#[test]
fn vm_pageout_11_the_dice_cover_what_it_is_about() {
    let mut sum = Counters::default();
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let choices: Vec<u32> = (0..1500).map(|_| dice.roll() as u32).collect();
        let c = run(&choices, Troubles { limit: true, ..Troubles::default() }, false);
        sum.pages_evicted += c.pages_evicted;
        sum.pages_out += c.pages_out;
    }
    assert!(sum.pages_evicted > 300 && sum.pages_out > 100, "{sum:?}");
}

/// The dice must have seen all of it, or the properties above say little.
#[test]
fn vm_world_3_the_dice_cover_what_it_is_about() {
    let mut seen = [0; FaultClass::ALL.len()];
    let mut sum = Counters::default();
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let choices: Vec<u32> = (0..1500).map(|_| dice.roll() as u32).collect();
        let c = run(&choices, Troubles { deaths: false, strays: true, limit: false }, false);
        seen.iter_mut().zip(c.faults).for_each(|(s, n)| *s += n);
        sum.unlocks += c.unlocks;
        sum.pages_out += c.pages_out;
        sum.stray_pages += c.stray_pages;
        sum.read_ahead_pages += c.read_ahead_pages;
        sum.supplies_ignored += c.supplies_ignored;
    }
    assert!(seen.iter().all(|n| *n > 20), "{seen:?}");
    assert!(sum.unlocks > 100 && sum.pages_out > 100 && sum.read_ahead_pages > 100, "{sum:?}");
    assert!(sum.stray_pages > 5 && sum.supplies_ignored > 5, "{sum:?}");
}

/// A node that reads pages out while tasks still write to them is found out.
#[test]
fn vm_world_4_catches_a_node_that_does_not_protect_first() {
    let caught = (0..20).any(|seed| {
        let mut dice = Dice(seed);
        let choices: Vec<u32> = (0..1500).map(|_| dice.roll() as u32).collect();
        let run = std::panic::AssertUnwindSafe(|| run(&choices, Troubles::default(), true));
        std::panic::catch_unwind(run).is_err()
    });
    assert!(caught);
}
