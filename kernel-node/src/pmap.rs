//! The machine-dependent layer on Linux: an object's memory is a memfd, a task's mappings are reached through the
//! userfaultfd that it sent.
//!
//! Only the kernel thread comes here, so a call is atomic to every other call: a resolve never comes between a
//! write-protect and the read-out behind it (uffd-rules 13). Expected answers of Linux (the page is mapped already, the
//! range is gone, the process is gone) are stepped over by `sys::uffd`, which then wakes the range; what is left is
//! logged here and woken, since a thread that faults again costs less than one that sleeps for ever.
//!
//! While a thread of a task unmaps or moves managed memory, Linux refuses every call on the task's memory, until the event is
//! read and the thread has gone on. A call is repeated then, since what rests on it must not be done before it has taken
//! effect; what is read meanwhile is kept for [`LinuxPmap::take_events`].
//!
//! Orders that only a task can carry out are collected in [`LinuxPmap::take_orders`]; the shell sends them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kernel_core::TaskId;
use kernel_core::vm::{Errand, MapOrder, ObjectId, OrderId, Pmap};
use proto::limits::OBJECT_BYTES_MAX;
use proto::segments::Segment;
use proto::wire::body::Segments;
use proto::{KernReturn, PAGE_SIZE, Payload, Prot};
use sys::aio::Async;
use sys::probe::Load;
use sys::uffd::{Sweep, UffdEvent, WriteProtect};
use sys::{Errno, FileId, Memfd, PidFd, SysError, Uffd};

use crate::ahead::Ahead;
use crate::frozen::{FrozenTable, Passable};

/// An order for a task, with the descriptor that it needs.
#[derive(Debug)]
pub struct Order {
    /// Whose.
    pub task: TaskId,
    /// To be answered with [`kernel_core::kern::Kernel::order_done`].
    pub id: OrderId,
    /// What to do.
    pub what: OrderKind,
}

impl Order {
    /// Whether it goes alone, and nothing waits behind it for its end.
    pub fn is_errand(&self) -> bool {
        matches!(self.what, OrderKind::Errand(_))
    }

    /// Whether an answer waits for what it brings, so that it cannot ride in that.
    pub fn is_for_agent(&self) -> bool {
        matches!(self.what, OrderKind::Errand(_) | OrderKind::Map { order: MapOrder { for_errand: true, .. }, .. })
    }
}

/// What a task is to do.
#[derive(Debug)]
pub enum OrderKind {
    /// Map a descriptor.
    Map {
        /// Where and how.
        order: MapOrder,
        /// The object's descriptor: read-write for a shared mapping, else read-only.
        fd: Rc<OwnedFd>,
    },
    /// Map parts of descriptors one behind the other, privately: all of them or none.
    MapParts {
        /// First byte.
        address: u64,
        /// Of all of them.
        protection: Prot,
        /// Which of the descriptors, where in it, and how much; there is room for them in a record.
        parts: Segments,
        /// For reading.
        files: Vec<Rc<OwnedFd>>,
    },
    /// Map memory privately that is mapped shared.
    Freeze {
        /// Where and how.
        order: MapOrder,
        /// The object's descriptor, read-write.
        fd: Rc<OwnedFd>,
        /// Whether to seal it then.
        seal: bool,
    },
    /// Keep what the process has by fork(2).
    Inherit {
        /// First byte.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// Do something to the own memory; for the agent alone, which answers what came of it.
    Errand(Errand),
    /// Unmap a range.
    Unmap {
        /// First byte.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// Change a protection.
    Protect {
        /// First byte.
        address: u64,
        /// Bytes.
        size: u64,
        /// The new one.
        protection: Prot,
    },
    /// Lock a range's pages as they come, or no more.
    Wire {
        /// First byte.
        address: u64,
        /// Bytes.
        size: u64,
        /// Which of both.
        wired: bool,
    },
}

/// An object's memory, and the descriptors of it that tasks have been given.
struct Frames {
    memfd: Arc<Memfd>,
    /// Of memory without a pager, which may be frozen.
    file: Option<FileId>,
    /// Nobody has mapped it.
    new: bool,
    reader: Option<Rc<OwnedFd>>,
    writer: Option<Rc<OwnedFd>>,
}

impl Frames {
    /// Of a file, of which nobody has been given a descriptor.
    fn of(memfd: Arc<Memfd>, file: Option<FileId>) -> Frames {
        Frames { memfd, file, new: false, reader: None, writer: None }
    }
}

impl Frames {
    fn descriptor(&mut self, shared: bool) -> Result<Rc<OwnedFd>, SysError> {
        let slot = if shared { &mut self.writer } else { &mut self.reader };
        if let Some(fd) = slot {
            return Ok(fd.clone());
        }
        let fd = Rc::new(if shared { self.memfd.writer()? } else { self.memfd.reader()? });
        Ok(slot.insert(fd).clone())
    }
}

/// A task's memory as this layer sees it.
struct Space {
    uffd: Rc<Async<Uffd>>,
    pidfd: Rc<PidFd>,
    /// Private managed mappings, start to end. They are not registered for write protection, so entering a page with it would cost
    /// a refused system call first.
    private: BTreeMap<u64, u64>,
}

impl Space {
    /// One call on the memory, repeated until the task's own changes do not keep it from taking effect.
    ///
    /// Conditions: a task that keeps changing its memory for [`CHANGING_MAX`], or if it changes little for [`STARVED_MAX`], is
    /// killed, and the call ends when it is gone.
    fn call(
        &self,
        call: impl Fn(&Uffd) -> Result<Sweep, SysError>,
        events: &mut Vec<UffdEvent>,
    ) -> Result<(), SysError> {
        let (mut since, mut killed) = (None, false);
        loop {
            let sweep = call(self.uffd.get())?;
            if !sweep.stalled {
                return Ok(());
            }
            self.uffd.get().let_changes_end(events)?;
            let began = *since.get_or_insert_with(Instant::now);
            // A task that changes little is kept from its end by other processes.
            let changes = events.iter().filter(|event| !matches!(event, UffdEvent::Fault(_))).count();
            let most = if changes <= CHANGES_FEW { STARVED_MAX } else { CHANGING_MAX };
            if began.elapsed() < most {
                continue;
            }
            if killed {
                return Err(SysError::new("userfaultfd", Errno::BUSY, "a killed task goes on changing its memory"));
            }
            tracing::error!(changes, "a task changes its memory all the time; it is ended");
            self.pidfd.kill()?;
            (since, killed) = (None, true);
        }
    }

    fn is_private(&self, address: u64) -> bool {
        self.private.range(..=address).next_back().is_some_and(|(_, end)| address < *end)
    }

    /// Takes a range out of the private ones.
    fn forget(&mut self, from: u64, to: u64) {
        // They do not overlap: the one that begins before the range may reach into it.
        let first = self.private.range(..=from).next_back().map_or(from, |(start, _)| *start);
        let touched: Vec<(u64, u64)> = self.private.range(first..to).map(|(start, end)| (*start, *end)).collect();
        for (start, end) in touched.into_iter().filter(|(_, end)| *end > from) {
            self.private.remove(&start);
            if start < from {
                self.private.insert(start, from);
            }
            if end > to {
                self.private.insert(to, end);
            }
        }
    }
}

/// The memory of this node's tasks.
#[derive(Default)]
pub struct LinuxPmap {
    objects: BTreeMap<ObjectId, Frames>,
    tasks: BTreeMap<TaskId, Space>,
    orders: VecDeque<Order>,
    /// Events that were read here, for the shell.
    events: Vec<(TaskId, UffdEvent)>,
    /// Orders that could not even be made; answered as failed.
    failed: Vec<(OrderId, KernReturn)>,
    last_order: u64,
    /// Memory that cannot change any more, here and in messages.
    pub frozen: FrozenTable,
    /// Makes large pages of memory without a pager.
    ahead: Ahead,
}

impl LinuxPmap {
    /// From now on the task's memory is reached through `uffd`.
    pub fn task_attach(&mut self, task: TaskId, uffd: Rc<Async<Uffd>>, pidfd: Rc<PidFd>) {
        self.tasks.insert(task, Space { uffd, pidfd, private: BTreeMap::new() });
    }

    /// Events of tasks that were read while something else was to be done, in order.
    pub fn take_events(&mut self) -> Vec<(TaskId, UffdEvent)> {
        std::mem::take(&mut self.events)
    }

    /// Whether the task's memory is reached through here.
    pub fn knows(&self, task: TaskId) -> bool {
        self.tasks.contains_key(&task)
    }

    /// The task is gone; its orders fail.
    pub fn task_gone(&mut self, task: TaskId) {
        self.tasks.remove(&task);
        let (dropped, kept) = std::mem::take(&mut self.orders).into_iter().partition(|order| order.task == task);
        self.orders = kept;
        let dropped: VecDeque<Order> = dropped;
        self.failed.extend(dropped.into_iter().map(|order| (order.id, KernReturn::Terminated)));
    }

    /// The runs of bytes within a range of an object's memory that take memory, at most `runs_max` of them; for who looks, not
    /// for decisions. None if there is no such object.
    pub fn present(&self, object: ObjectId, range: Range<u64>, runs_max: usize) -> Vec<Range<u64>> {
        let runs = self.objects.get(&object).map(|frames| frames.memfd.present(range, runs_max));
        runs.and_then(Result::ok).unwrap_or_default()
    }

    /// The orders since the last call, and those that failed before they were sent, with the reason.
    pub fn take_orders(&mut self) -> (VecDeque<Order>, Vec<(OrderId, KernReturn)>) {
        (std::mem::take(&mut self.orders), std::mem::take(&mut self.failed))
    }

    fn order(&mut self, task: TaskId, what: OrderKind) -> OrderId {
        self.last_order += 1;
        let id = OrderId(self.last_order);
        match self.tasks.contains_key(&task) {
            true => self.orders.push_back(Order { task, id, what }),
            false => self.failed.push((id, KernReturn::Terminated)),
        }
        id
    }

    /// One call on a task's userfaultfd. A task that is gone has no thread to wait.
    fn on_task(&mut self, task: TaskId, address: u64, len: u64, call: impl Fn(&Uffd) -> Result<Sweep, SysError>) {
        let Some(space) = self.tasks.get(&task) else { return };
        let mut events = Vec::new();
        let done = space.call(call, &mut events);
        self.events.extend(events.into_iter().map(|event| (task, event)));
        if let Err(error) = done {
            tracing::warn!(task = task.0, address, len, %error, "a task's memory could not be reached; its threads fault again");
            if let Err(error) = space.uffd.get().wake(address, len) {
                tracing::debug!(task = task.0, %error, "nor could they be woken");
            }
        }
    }

    /// The memory of a frozen object is this.
    ///
    /// Errors: Linux has no descriptor for it.
    pub fn object_adopt(&mut self, object: ObjectId, passable: Arc<Passable>) -> Result<(), SysError> {
        let (memfd, id) = (Arc::new(Memfd::adopt(passable.frozen().memfd().reader()?)?), passable.frozen().id());
        self.frozen.shown(id, object, passable);
        self.objects.insert(object, Frames::of(memfd, Some(id)));
        Ok(())
    }

    /// The memory of an object without a pager is this, which a task can still write to.
    pub fn object_take(&mut self, object: ObjectId, memfd: Memfd) -> Result<(), SysError> {
        let (id, memfd) = (memfd.id()?, Arc::new(memfd));
        self.frozen.made(id, object, memfd.clone());
        self.objects.insert(object, Frames::of(memfd, Some(id)));
        Ok(())
    }

    /// A descriptor of an object for reading; `None` where Linux has none to give.
    pub fn reader(&mut self, object: ObjectId) -> Option<Rc<OwnedFd>> {
        self.objects.get_mut(&object)?.descriptor(false).ok()
    }

    /// A descriptor for an order; else the number of one that has failed.
    fn descriptor(&mut self, object: ObjectId, shared: bool) -> Result<Rc<OwnedFd>, OrderId> {
        let frames = self.objects.get_mut(&object).expect("vm names only objects that it created");
        frames.descriptor(shared).map_err(|error| {
            short("give a task an object", &error);
            self.order_failed()
        })
    }

    /// The number of an order that has failed.
    fn order_failed(&mut self) -> OrderId {
        self.last_order += 1;
        self.failed.push((OrderId(self.last_order), KernReturn::ResourceShortage));
        OrderId(self.last_order)
    }

    fn frames(&self, object: ObjectId) -> &Frames {
        self.objects.get(&object).expect("vm names only objects that it created")
    }
}

impl Pmap for LinuxPmap {
    fn object_create(&mut self, object: ObjectId) -> Result<(), KernReturn> {
        let memfd = Memfd::create("mach-object", OBJECT_BYTES_MAX).map_err(|error| short("make an object", &error))?;
        let memfd = Arc::new(spared(memfd)?);
        self.objects.insert(object, Frames::of(memfd, None));
        Ok(())
    }

    fn object_create_internal(&mut self, object: ObjectId, size: u64) -> Result<(), KernReturn> {
        let made = Memfd::freezable("mach-memory", size).and_then(|memfd| Ok((memfd.id()?, memfd)));
        let (id, memfd) = made.map_err(|error| short("make memory", &error))?;
        let memfd = Arc::new(spared(memfd)?);
        self.frozen.made(id, object, memfd.clone());
        self.objects.insert(object, Frames { new: true, ..Frames::of(memfd, Some(id)) });
        Ok(())
    }

    fn object_destroy(&mut self, object: ObjectId) {
        if let Some(file) = self.objects.remove(&object).and_then(|frames| frames.file) {
            self.ahead.end(object);
            self.frozen.unshown(file);
        }
    }

    fn fill(&mut self, object: ObjectId, offset: u64, data: &Payload) -> Result<(), KernReturn> {
        self.frames(object).memfd.write_at(offset, data.chunks()).map_err(|error| short("fill pages", &error))
    }

    fn zero(&mut self, object: ObjectId, offset: u64, len: u64) -> Result<(), KernReturn> {
        self.frames(object).memfd.zero(offset, len).map_err(|error| short("make zero pages", &error))
    }

    fn copy(&mut self, object: ObjectId, offset: u64, other: ObjectId, from: u64, len: u64) -> Result<(), KernReturn> {
        let Some(passable) = self.frames(other).file.and_then(|file| self.frozen.shown_by(file)) else {
            let bytes = self.read_out(other, from, len);
            return self.fill(object, offset, &bytes);
        };
        let there = passable.frozen().size().saturating_sub(from).min(len);
        if there < len {
            self.zero(object, offset, len)?;
        }
        let bytes = passable.payload(from, there as usize).expect("within the file");
        self.fill(object, offset, &bytes)
    }

    fn held(&self, frozen: ObjectId, range: Range<u64>, most: u64) -> Option<Range<u64>> {
        match self.frames(frozen).memfd.first_present(range.clone(), most) {
            Ok(held) => held.map(|run| run.start..run.end.next_multiple_of(PAGE_SIZE)),
            // What is not known to be a hole is read.
            Err(_) => Some(range.start..range.end.min(range.start + most)),
        }
    }

    fn read_out(&mut self, object: ObjectId, offset: u64, len: u64) -> Payload {
        let mut buffer = BytesMut::zeroed(len as usize);
        self.frames(object)
            .memfd
            .read_at(offset, &mut buffer)
            .expect("a memfd of a fixed size that is larger than any object can be read");
        Payload::from(Bytes::from(buffer))
    }

    fn is_present(&self, object: ObjectId, offset: u64) -> bool {
        !self.frames(object).memfd.is_hole(offset, PAGE_SIZE)
    }

    fn discard(&mut self, object: ObjectId, offset: u64, len: u64) {
        if self.frames(object).file.is_some() {
            self.ahead.end(object);
        }
        if let Err(error) = self.frames(object).memfd.punch(offset, len) {
            // The table says absent all the same: what the file still holds is thrown away at the next fault.
            tracing::error!(offset, len, %error, "pages could not be discarded");
        }
    }

    fn enter(&mut self, task: TaskId, address: u64, len: u64, writable: bool) {
        let open = writable || self.tasks.get(&task).is_some_and(|space| space.is_private(address));
        let protect = if open { WriteProtect::Off } else { WriteProtect::On };
        self.on_task(task, address, len, |uffd| uffd.continue_range(address, len, protect));
    }

    fn protect(&mut self, task: TaskId, address: u64, len: u64) {
        self.on_task(task, address, len, |uffd| uffd.write_protect(address, len, WriteProtect::On, false));
    }

    fn unprotect(&mut self, task: TaskId, address: u64, len: u64) {
        self.on_task(task, address, len, |uffd| uffd.write_protect(address, len, WriteProtect::Off, true));
    }

    fn error(&mut self, task: TaskId, address: u64, len: u64) {
        // A write-protect mark on an absent page would pass for a page (uffd-rules 5).
        self.on_task(task, address, len, |uffd| uffd.write_protect(address, len, WriteProtect::Off, false));
        self.on_task(task, address, len, |uffd| uffd.poison(address, len));
    }

    fn wake(&mut self, task: TaskId, address: u64, len: u64) {
        self.on_task(task, address, len, |uffd| uffd.wake(address, len).map(|()| Sweep::default()));
    }

    fn free_pages(&self) -> u64 {
        Load::now().free_bytes / PAGE_SIZE
    }

    fn map(&mut self, task: TaskId, order: MapOrder) -> OrderId {
        if let Some(frames) = self.objects.get_mut(&order.object)
            && std::mem::take(&mut frames.new)
        {
            self.ahead.begin(task, order.object, &frames.memfd);
        }
        match self.descriptor(order.object, order.shared) {
            Ok(fd) => {
                if let Some(space) = self.tasks.get_mut(&task) {
                    let end = order.address + order.size;
                    space.forget(order.address, end);
                    if order.managed && !order.shared {
                        space.private.insert(order.address, end);
                    }
                }
                self.order(task, OrderKind::Map { order, fd })
            }
            Err(id) => id,
        }
    }

    fn map_parts(&mut self, task: TaskId, parts: &[MapOrder]) -> OrderId {
        let [first, .., last] = parts else { return self.map(task, parts[0]) };
        if let Some(space) = self.tasks.get_mut(&task) {
            space.forget(first.address, last.address + last.size);
        }
        let (mut known, mut files): (BTreeMap<ObjectId, u32>, Vec<_>) = Default::default();
        let mut placed = Vec::with_capacity(parts.len());
        for part in parts {
            let next = files.len() as u32;
            let fd = *known.entry(part.object).or_insert(next);
            if fd == next {
                match self.descriptor(part.object, false) {
                    Ok(file) => files.push(file),
                    Err(id) => return id,
                }
            }
            placed.push(Segment { fd, offset: part.offset, length: part.size });
        }
        let parts = Segments::of(placed);
        if !parts.fits() {
            return self.order_failed();
        }
        self.order(task, OrderKind::MapParts { address: first.address, protection: first.protection, parts, files })
    }

    fn freeze(&mut self, task: TaskId, order: MapOrder, seal: bool) -> OrderId {
        self.ahead.frozen(order.object);
        match self.descriptor(order.object, true) {
            Ok(fd) => self.order(task, OrderKind::Freeze { order, fd, seal }),
            Err(id) => id,
        }
    }

    fn inherit(&mut self, task: TaskId, address: u64, size: u64) -> OrderId {
        self.order(task, OrderKind::Inherit { address, size })
    }

    fn errand(&mut self, task: TaskId, errand: Errand) -> OrderId {
        self.order(task, OrderKind::Errand(errand))
    }

    fn unmap(&mut self, task: TaskId, address: u64, size: u64) -> OrderId {
        if let Some(space) = self.tasks.get_mut(&task) {
            space.forget(address, address + size);
        }
        self.order(task, OrderKind::Unmap { address, size })
    }

    fn set_protection(&mut self, task: TaskId, address: u64, size: u64, protection: Prot) -> OrderId {
        self.order(task, OrderKind::Protect { address, size, protection })
    }

    fn wire(&mut self, task: TaskId, address: u64, size: u64, wired: bool) -> OrderId {
        self.ahead.wired(task);
        self.order(task, OrderKind::Wire { address, size, wired })
    }
}

/// How long a task may keep a call on its memory from taking effect by changing it.
const CHANGING_MAX: Duration = Duration::from_secs(1);
/// As that, with no more than [`CHANGES_FEW`] changes, whose threads have no processor to be done with them. All tasks wait
/// meanwhile.
const STARVED_MAX: Duration = Duration::from_secs(5);
const CHANGES_FEW: usize = 100;

/// Memory takes no descriptor that connections may need: whoever comes is heard, whatever tasks have allocated.
///
/// Errors: `ResourceShortage` it would.
fn spared(memfd: Memfd) -> Result<Memfd, KernReturn> {
    match sys::probe::is_among_the_last(memfd.as_fd()) {
        true => Err(KernReturn::ResourceShortage),
        false => Ok(memfd),
    }
}

fn short(what: &str, error: &SysError) -> KernReturn {
    tracing::warn!(what, %error, "memory is short");
    KernReturn::ResourceShortage
}
