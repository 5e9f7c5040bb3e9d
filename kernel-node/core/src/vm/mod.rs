//! The virtual memory of one node: what tasks have mapped, which pages are here, and what is asked of whom for the rest.
//!
//! Pure: bytes move through [`Pmap`], time comes in with [`VmCx`], messages for pagers go out as [`VmEvent`]s. Knows
//! nothing of ports: an object is an [`ObjectId`], a reply right a [`Ticket`].
//!
//! Invariants (held after every call, verified by `Vm::check` in tests):
//!
//! 1. A page is writable in some task only if the table says dirty, and its lock does not prohibit writing.
//! 2. A page that is not resident in the table is mapped by no task.
//! 3. At most one request is outstanding for a page, and at most one unlock for each increase of its access.
//! 4. Every thread that waits, waits for something that is under way and has a deadline.
//! 5. An object without mappings is being terminated, or shadowed, or it is gone.
//! 6. What two tables say of the same thing agrees: entries and the mappings of their object, waiters and timers, counts.
//!
//! Spec: docs/spec/vm.md.

mod attribute;
mod behind;
mod check;
mod clock;
mod copy;
mod entry;
mod event;
mod fault;
mod inherit;
mod internal;
mod job;
mod map;
mod memory_object;
mod msync;
mod object;
mod order;
mod page;
mod page_set;
mod pageout;
mod pmap;
mod readahead;
mod refused;
mod round;
mod shadow;
mod stats;
mod taken;
mod user;
mod wait;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use copy::{FreezePart, FreezeRequest, FrozenPart, Run};
pub use event::{FaultClass, Ticket, ToPager, VmEvent};
pub use inherit::{ForkRefused, NotReady, Ready};
pub use pmap::{Brought, Errand, MapOrder, OrderId, Pmap};
pub use stats::{Counters, ObjectStat, RegionStat, Statistics, TaskStat};

use proto::limits::TASKS_MAX;
use proto::{Inherit, KernReturn, PAGE_SIZE, Payload, Prot, TraceId, vm::ShouldReturn};
use slotmap::SlotMap;

use crate::{TaskId, Time};
use map::Map;
use msync::Msync;
use object::{Object, ObjectEvent, ObjectState};
use order::Orders;
use pageout::PageOut;

slotmap::new_key_type! {
    /// A memory object in this node, one for each control port that a pager was given. Never reused.
    pub struct ObjectId;
}

/// What the caller lends to every call.
pub struct VmCx<'a> {
    /// The time of the call; never goes back from one call to the next.
    pub now: Time,
    /// The memory.
    pub pmap: &'a mut dyn Pmap,
    /// Where events go, in order.
    pub out: &'a mut Vec<VmEvent>,
}

/// The virtual memory of a node.
#[derive(Default)]
pub struct Vm {
    config: Config,
    tasks: BTreeMap<TaskId, Map>,
    objects: SlotMap<ObjectId, Object>,
    orders: Orders,
    msyncs: BTreeMap<Ticket, Msync>,
    /// What has to happen when; each has its deadline noted at what it is about.
    timers: BTreeSet<(Time, Timer)>,
    counters: Counters,
    page_out: PageOut,
    /// The last serial number of a waiter.
    serial: u64,
    planted: Planted,
}

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Timer {
    /// The first job of an object can go on.
    Job { object: ObjectId },
    /// A thread has waited long enough.
    Fault { object: ObjectId, page: u64, serial: u64 },
    /// An msync has taken long enough.
    Msync { ticket: Ticket },
    /// The next step of page-out is due.
    PageOut,
}

impl Vm {
    /// An empty node.
    pub fn new(config: Config) -> Vm {
        Vm { config, ..Vm::default() }
    }

    /// Makes the map of a task, empty, over the addresses that the task keeps for it.
    ///
    /// Conditions: a map that is there before the process ([`Vm::task_fork`]) stays.
    /// Errors: `InvalidArgument` the arena is not whole pages, or empty; `NameExists` the task has a map;
    /// `InvalidAddress` the map that is there has another arena; `ResourceShortage` there are too many.
    /// Source: spec [vm.map.9], [vm.inherit.5].
    pub fn task_create(&mut self, task: TaskId, arena: Range<u64>) -> Result<(), KernReturn> {
        let whole = arena.start.is_multiple_of(PAGE_SIZE) && arena.end.is_multiple_of(PAGE_SIZE);
        if arena.is_empty() || !whole {
            return Err(KernReturn::InvalidArgument);
        }
        match self.arena_awaited(task) {
            Some(awaited) if awaited == arena => return Ok(()),
            Some(_) => return Err(KernReturn::InvalidAddress),
            None if self.tasks.contains_key(&task) => return Err(KernReturn::NameExists),
            None => {}
        }
        if self.tasks.len() >= TASKS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        self.tasks.insert(task, Map::new(arena));
        Ok(())
    }

    /// The task's process is dead: its entries, waiting threads and orders go, and objects that nobody else maps;
    /// msyncs of its memory end with `Aborted`.
    ///
    /// Conditions: no thread of the process runs any more, so that nothing of its memory has to be protected. A task that
    /// is unknown is ignored.
    /// Source: spec [vm.map.10].
    pub fn task_gone(&mut self, task: TaskId, cx: &mut VmCx<'_>) {
        let Some(map) = self.tasks.get(&task) else { return };
        let starts = map.all_touched(map.arena());
        let msyncs: Vec<Ticket> = self.msyncs.iter().filter(|(_, m)| m.task == task).map(|(t, _)| *t).collect();
        msyncs.into_iter().for_each(|t| self.end_msync(t, KernReturn::Aborted, cx));
        self.remove_entries(task, starts, false, cx);
        self.orders_gone(task);
        self.tasks.remove(&task);
        self.page_out(None, cx);
    }

    /// When [`Vm::tick`] has to be called next; it may be in the past, which means soon.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due at `cx.now`: errors for those who waited too long, lock requests whose hold has ended, the next
    /// step of long ones.
    pub fn tick(&mut self, cx: &mut VmCx<'_>) {
        let mut due = Vec::new();
        while let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= cx.now) {
            self.timers.remove(&(at, timer));
            due.push(timer);
        }
        // What these set for the same time comes with the next tick, so that a step does not follow on a step.
        for timer in due {
            match timer {
                Timer::Job { object } => {
                    if let Some(o) = self.objects.get_mut(object) {
                        o.timer = None;
                        self.run_jobs(object, false, cx);
                    }
                }
                Timer::Fault { object, page, serial } => {
                    let wait = self.objects.get(object).and_then(|o| o.waits.get(&page));
                    if wait.is_some_and(|w| w.waiters.iter().any(|w| w.serial == serial)) {
                        self.waited_too_long(object, page, cx);
                    }
                }
                Timer::Msync { ticket } => self.end_msync(ticket, KernReturn::TimedOut, cx),
                Timer::PageOut => self.page_out_due(cx),
            }
        }
    }

    /// No entry maps the object any more.
    fn unreferenced(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        if !object.shadowed_by.is_empty() {
            if object.is_native() {
                self.can_collapse(id, cx.now);
            }
            return;
        }
        if object.internal {
            if object.paged {
                self.to_pager(id, ToPager::Terminate, cx);
            }
            return self.forget(id, cx);
        }
        object.turn(ObjectEvent::Unmap);
        match object.state {
            ObjectState::Terminating => self.start_terminate(id, cx),
            _ => self.forget(id, cx),
        }
    }

    /// Forgets an object that nobody maps or shadows.
    fn forget(&mut self, id: ObjectId, cx: &mut VmCx<'_>) {
        let mut object = self.objects.remove(id).expect("forgotten once");
        self.pages_gone(id, &mut object, cx.now);
        assert!(object.mappings.is_empty(), "an object that is mapped is not forgotten");
        assert!(object.shadowed_by.is_empty(), "nor is one that is shadowed");
        if let Some(at) = object.timer {
            self.timers.remove(&(at, Timer::Job { object: id }));
        }
        // One discard from the first to the last: what is absent between them costs nothing, a call for each run does.
        let mut resident = object.pages.present(0..page::PAGES_MAX).filter(|(_, p)| p.resident().is_some());
        if let Some((first, _)) = resident.next() {
            let last = resident.last().map_or(first, |(page, _)| page);
            cx.pmap.discard(id, first * PAGE_SIZE, (last + 1 - first) * PAGE_SIZE);
        }
        if object.state != ObjectState::New {
            cx.pmap.object_destroy(id);
        }
        let native = object.is_native();
        for job in object.jobs {
            self.settle_job(id, job, cx);
        }
        for ticket in object.syncs.into_iter().filter_map(|s| s.ticket) {
            self.msync_part_done(ticket, KernReturn::Terminated, cx);
        }
        if !native {
            cx.out.push(VmEvent::ObjectGone { object: id });
        }
        for below in object.shadow.objects() {
            self.unshadow(below, id, cx);
        }
    }
}

/// A fault that tests plant to see that they find it.
#[derive(Clone, Copy, Default)]
struct Planted {
    #[cfg(test)]
    skip_protect: bool,
    #[cfg(test)]
    skip_clip: bool,
}

impl Planted {
    /// Whether writers are left their access while a page is read out.
    fn skips_protect(self) -> bool {
        #[cfg(test)]
        return self.skip_protect;
        #[cfg(not(test))]
        false
    }

    /// Whether a call changes the whole of the entries that its range touches.
    fn skips_clip(self) -> bool {
        #[cfg(test)]
        return self.skip_clip;
        #[cfg(not(test))]
        false
    }
}

/// Times, in nanoseconds, and switches.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// A pager that has not answered a waiting thread for this long costs the thread a memory error.
    pub fault_deadline_ns: u64,
    /// An msync that its pager has not confirmed for this long fails with `TimedOut`.
    pub sync_deadline_ns: u64,
    /// How long a page stays with the thread that asked for it before a lock request takes it away (mach-api §3.8).
    pub hold_ns: u64,
    /// Whether sequential faults cause read-ahead.
    pub read_ahead: bool,
    /// Memory that resident pages of all objects may take, about. 0 is no limit. Units: bytes.
    pub memory_limit_bytes: u64,
    /// Resident memory that one task may have mapped before its pages are the first to leave. 0 is no limit. Units: bytes.
    pub task_memory_limit_bytes: u64,
    /// Whether there is a default pager to give anonymous memory to.
    pub default_pager: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            fault_deadline_ns: 10_000_000_000,
            sync_deadline_ns: 60_000_000_000,
            hold_ns: 1_000_000,
            read_ahead: true,
            memory_limit_bytes: 0,
            task_memory_limit_bytes: 0,
            default_pager: false,
        }
    }
}

/// The arguments of `vm_map`. Source: mach-api §2.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapRequest {
    /// The wanted address, or where the search starts.
    pub address: u64,
    /// Bytes; rounded up to pages.
    pub size: u64,
    /// Bits that must be 0 in the address.
    pub mask: u64,
    /// Whether any free address at or above `address` will do.
    pub anywhere: bool,
    /// The object; `None` maps zero-filled memory that no pager knows.
    pub object: Option<ObjectId>,
    /// Where in the object; whole pages.
    pub offset: u64,
    /// Whether a private copy is wanted, which means something with an object only: that is mapped aside for it.
    pub copy: bool,
    /// The protection now.
    pub protection: Prot,
    /// The most that `vm_protect` can give later.
    pub max_protection: Prot,
    /// What a child would get.
    pub inheritance: Inherit,
}

impl MapRequest {
    /// A request with the numbers of a call, for memory that is at hand: its size, object and offset mean nothing.
    ///
    /// Errors: `InvalidArgument` bits of a protection, or an inheritance, that there are not.
    pub fn parse(
        (address, mask, anywhere): (u64, u64, bool),
        (protection, max_protection): (u32, u32),
        inheritance: u32,
    ) -> Result<MapRequest, KernReturn> {
        let bits = |bits| Prot::from_bits(bits).ok_or(KernReturn::InvalidArgument);
        Ok(MapRequest {
            address,
            size: 0,
            mask,
            anywhere,
            object: None,
            offset: 0,
            copy: true,
            protection: bits(protection)?,
            max_protection: bits(max_protection)?,
            inheritance: Inherit::from_raw(inheritance).ok_or(KernReturn::InvalidArgument)?,
        })
    }
}

/// What `vm_map` and `vm_allocate` did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// Where.
    pub address: u64,
    /// The order to the task; the memory may be touched once it is done. `None` when nothing was mapped (size 0).
    pub order: Option<OrderId>,
}

/// The results of `vm_region`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// The protection now.
    pub protection: Prot,
    /// The most it can become.
    pub max_protection: Prot,
    /// What a child would get.
    pub inheritance: Inherit,
    /// Whether other mappings see what is written here.
    pub shared: bool,
    /// The object, whose name port is the region's; `None` for memory that no pager knows.
    pub object: Option<ObjectId>,
    /// Where in the object.
    pub offset: u64,
}

/// What a userfaultfd event said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// The page is neither mapped nor in the object.
    Missing,
    /// The object holds the page; the task has not mapped it.
    Minor,
    /// The task wrote to a write-protected page.
    WriteProtect,
}

/// A fault of a thread, which sleeps until it is woken through [`Pmap`].
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Whose thread.
    pub task: TaskId,
    /// Where; any byte of the page.
    pub address: u64,
    /// What Linux saw. May be out of date: the tables decide.
    pub kind: FaultKind,
    /// Whether the thread writes.
    pub write: bool,
    /// The activity, for the requests that it causes.
    pub trace: TraceId,
}

/// What became of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultOutcome {
    /// The thread has been woken, or (`Refused`) will be when the order under way for its address is done.
    Done(FaultClass),
    /// The thread waits, for its pager or for an order to its task; [`VmEvent::FaultDone`] tells the end.
    Waiting,
}

/// The arguments of `memory_object_data_supply`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Supply {
    /// First byte; whole pages.
    pub offset: u64,
    /// The pages.
    pub data: Payload,
    /// The access that is prohibited.
    pub lock: Prot,
    /// Pages are to be returned when they go, even if nobody wrote to them.
    pub precious: bool,
    /// The reply right, if there is one: `SupplyCompleted` follows, once.
    pub reply: Option<Ticket>,
}

/// The arguments of `memory_object_lock_request`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockRequest {
    /// First byte; whole pages.
    pub offset: u64,
    /// Bytes; rounded up to pages.
    pub size: u64,
    /// Which pages go back to the pager.
    pub should_return: ShouldReturn,
    /// Whether the pages leave this kernel.
    pub flush: bool,
    /// The access that is prohibited from now on; `None` is `VM_PROT_NO_CHANGE`.
    pub lock: Option<Prot>,
    /// The reply right, if there is one: `LockCompleted` follows, once.
    pub reply: Option<Ticket>,
}

/// Flags of `vm_wire_all`. Source: mach-api §2.1.
pub mod wire {
    /// `VM_WIRE_CURRENT`: what is mapped now.
    pub const CURRENT: u32 = 1;
    /// `VM_WIRE_FUTURE`: what is mapped from now on.
    pub const FUTURE: u32 = 2;
}

/// `vm_msync` flags that mean something here. Source: mach-api §2.1.
pub mod sync {
    /// `VM_SYNC_ASYNCHRONOUS`: do not wait.
    pub const ASYNCHRONOUS: u32 = proto::vm::SYNC_ASYNCHRONOUS;
    /// `VM_SYNC_SYNCHRONOUS`: wait until the pager has made the range durable.
    pub const SYNCHRONOUS: u32 = 2;
    /// `VM_SYNC_INVALIDATE`: the pages leave this kernel.
    pub const INVALIDATE: u32 = 4;
    /// `VM_SYNC_CONTIGUOUS`: a hole in the range is an error.
    pub const CONTIGUOUS: u32 = 0x20;
}
