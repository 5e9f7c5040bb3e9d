//! A node under test for one rule at a time: short names for the calls, words for what came of them.

use proto::vm::ShouldReturn;
use proto::{Inherit, KernReturn, PAGE_SIZE, Payload, Prot, TraceId};

use super::super::*;
use super::sim::{SimPmap, Touch};

/// Two tasks, ids 1 and 2, with an arena of 4 GiB each from [`BASE`].
pub struct Rig {
    pub vm: Vm,
    pub sim: SimPmap,
    pub now: Time,
    pub out: Vec<VmEvent>,
}

pub const BASE: u64 = 0x1000_0000;
pub const ONE: TaskId = TaskId(1);
pub const TWO: TaskId = TaskId(2);
pub const RO: Prot = Prot::READ;
pub const RW: Prot = Prot::READ.union(Prot::WRITE);
pub const NONE: Prot = Prot::empty();
pub const WRITE: Prot = Prot::WRITE;

/// The address of page `n` of the arena.
pub fn at(n: u64) -> u64 {
    BASE + n * PAGE_SIZE
}

/// A freeze of so many pages from page `page` on, while nobody writes there.
pub fn all_of(page: u64, pages: u64, objects_max: usize) -> FreezeRequest {
    FreezeRequest { ranges: vec![(at(page), pages * PAGE_SIZE)], access: RO, busy: false, objects_max }
}

/// A page whose bytes all are `byte`.
pub fn page(byte: u8) -> Payload {
    vec![byte; PAGE_SIZE as usize].into()
}

/// Pages with these bytes.
pub fn pages(bytes: &[u8]) -> Payload {
    bytes.iter().flat_map(|b| vec![*b; PAGE_SIZE as usize]).collect::<Vec<u8>>().into()
}

impl Rig {
    /// Without read-ahead, so that one cause has one effect.
    pub fn new() -> Rig {
        Rig::with(Config { read_ahead: false, ..Config::default() })
    }

    pub fn with(config: Config) -> Rig {
        let mut vm = Vm::new(config);
        for task in [ONE, TWO] {
            vm.task_create(task, BASE..BASE + (4 << 30)).unwrap();
        }
        Rig { vm, sim: SimPmap::default(), now: Time(1_000_000_000), out: Vec::new() }
    }

    /// Calls the node, then checks all its tables.
    pub fn call<T>(&mut self, f: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> T) -> T {
        let mut cx = VmCx { now: self.now, pmap: &mut self.sim, out: &mut self.out };
        let result = f(&mut self.vm, &mut cx);
        self.vm.check().unwrap();
        result
    }

    /// Calls the node in the middle of something.
    pub fn call_unchecked<T>(&mut self, f: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> T) -> T {
        f(&mut self.vm, &mut VmCx { now: self.now, pmap: &mut self.sim, out: &mut self.out })
    }

    /// All orders are carried out and answered.
    pub fn orders(&mut self) {
        while let Some(id) = self.sim.carry_out() {
            self.call(|vm, cx| vm.order_done(id, Ok(()), cx));
        }
    }

    /// The time is `ns` later.
    pub fn later(&mut self, ns: u64) {
        self.now.0 += ns;
        self.call(|vm, cx| vm.tick(cx));
    }

    /// Ticks until nothing is due.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            match self.vm.next_deadline() {
                Some(at) if at <= self.now => self.later(0),
                _ => return,
            }
        }
        panic!("always something due");
    }

    /// Maps `n` pages of an object at page `to`, and carries it out.
    pub fn map_at(&mut self, task: TaskId, object: ObjectId, to: u64, n: u64, prot: Prot) {
        let request = MapRequest { address: at(to), size: n * PAGE_SIZE, ..map_request(Some(object), prot) };
        self.call(|vm, cx| vm.vm_map(task, request, cx)).unwrap();
        self.orders();
    }

    /// An object that is ready and mapped by `task`: its pages 0 to `n` at page 0 of the arena.
    pub fn object(&mut self, task: TaskId, n: u64, prot: Prot) -> ObjectId {
        let object = self.vm.object_create().unwrap();
        self.map_at(task, object, 0, n, prot);
        self.call(|vm, cx| vm.memory_object_ready(object, cx));
        self.out.clear();
        self.sim.log.clear();
        object
    }

    /// A thread touches the first byte of page `n` of the arena; if it faults, the node hears of it.
    pub fn touch(&mut self, task: TaskId, n: u64, write: Option<u8>) -> Touch {
        for _ in 0..4 {
            let touch = self.sim.touch(task, at(n), write);
            let Touch::Fault(kind) = touch else { return touch };
            if self.fault(task, n, kind, write.is_some()) == FaultOutcome::Waiting {
                return touch;
            }
        }
        panic!("a thread that is woken and faults for ever");
    }

    pub fn read(&mut self, task: TaskId, n: u64) -> Touch {
        self.touch(task, n, None)
    }

    pub fn write(&mut self, task: TaskId, n: u64, value: u8) -> Touch {
        self.touch(task, n, Some(value))
    }

    pub fn fault(&mut self, task: TaskId, n: u64, kind: FaultKind, write: bool) -> FaultOutcome {
        let fault = Fault { task, address: at(n) + 8, kind, write, trace: TraceId(n + 1) };
        self.call(|vm, cx| vm.fault(fault, cx))
    }

    pub fn supply(&mut self, object: ObjectId, n: u64, data: Payload, lock: Prot) {
        let supply = Supply { offset: n * PAGE_SIZE, data, lock, precious: false, reply: None };
        self.call(|vm, cx| vm.memory_object_data_supply(object, supply, cx));
    }

    pub fn lock(
        &mut self,
        object: ObjectId,
        n: u64,
        count: u64,
        should_return: ShouldReturn,
        flush: bool,
        lock: Option<Prot>,
    ) {
        let (offset, size) = (n * PAGE_SIZE, count * PAGE_SIZE);
        let request = LockRequest { offset, size, should_return, flush, lock, reply: Some(Ticket(7)) };
        self.call(|vm, cx| vm.memory_object_lock_request(object, request, cx));
    }

    /// The events since the last look, in words; pages instead of bytes. `FaultDone`s are left out.
    pub fn events(&mut self) -> Vec<String> {
        let seen = std::mem::take(&mut self.out);
        seen.iter().filter(|e| !matches!(e, VmEvent::FaultDone { .. })).map(words).collect()
    }

    /// The classes of the faults that ended since the last look; other events are dropped.
    pub fn classes(&mut self) -> Vec<FaultClass> {
        let seen = std::mem::take(&mut self.out);
        seen.iter().filter_map(|e| if let VmEvent::FaultDone { class, .. } = e { Some(*class) } else { None }).collect()
    }

    /// The calls of the pmap since the last look.
    pub fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sim.log)
    }

    /// Whether page `n` of a task was woken since the last look.
    pub fn woken(&mut self, task: TaskId, n: u64) -> bool {
        let woken = std::mem::take(&mut self.sim.woken);
        woken.iter().any(|(t, a, len)| *t == task && (*a..a + len).contains(&at(n)))
    }

    /// Resident pages of all objects.
    pub fn resident(&self) -> u64 {
        self.vm.pages().0
    }

    pub fn stat(&self, object: ObjectId) -> ObjectStat {
        self.vm.object_stat(object).unwrap()
    }
}

/// A request to map anywhere with everything at its default.
pub fn map_request(object: Option<ObjectId>, prot: Prot) -> MapRequest {
    MapRequest {
        address: BASE,
        size: PAGE_SIZE,
        mask: 0,
        anywhere: true,
        object,
        offset: 0,
        copy: false,
        protection: prot,
        max_protection: prot,
        inheritance: Inherit::Copy,
    }
}

fn words(e: &VmEvent) -> String {
    let p = |bytes: u64| bytes / PAGE_SIZE;
    let call = match e {
        VmEvent::ToPager { call, .. } => call,
        VmEvent::MsyncDone { ticket, result } => return format!("msync {} {result:?}", ticket.0),
        VmEvent::ObjectGone { .. } => return "gone".into(),
        VmEvent::Unruly { task } => return format!("unruly {}", task.0),
        VmEvent::FaultDone { class, .. } => return format!("fault {}", class.label()),
    };
    let access = |a: Prot| if a.contains(Prot::WRITE) { "write" } else { "read" };
    match call {
        ToPager::Init => "init".into(),
        ToPager::Create { size } => format!("create {}", p(*size)),
        ToPager::Terminate => "terminate".into(),
        ToPager::DataRequest { offset, length, access: a, read_ahead } => {
            let ahead = if *read_ahead { " ahead" } else { "" };
            format!("request {}+{} {}{ahead}", p(*offset), p(*length), access(*a))
        }
        ToPager::DataUnlock { offset, access: a, .. } => format!("unlock {} {}", p(*offset), access(*a)),
        ToPager::DataReturn { offset, data, dirty, kernel_copy } => {
            let bytes: Vec<u8> = data.to_bytes().chunks(PAGE_SIZE as usize).map(|c| c[0]).collect();
            let dirty = if *dirty { " dirty" } else { "" };
            let copy = if *kernel_copy { " copy" } else { "" };
            format!("return {} {bytes:?}{dirty}{copy}", p(*offset))
        }
        ToPager::LockCompleted { ticket, offset, length } => {
            format!("lock_completed {} {}+{}", ticket.0, p(*offset), p(*length))
        }
        ToPager::SupplyCompleted { ticket, offset, length, result, error_offset } => match result {
            KernReturn::Success => format!("supply_completed {} {}+{}", ticket.0, p(*offset), p(*length)),
            e => format!("supply_completed {} {}+{} {e:?} at {}", ticket.0, p(*offset), p(*length), p(*error_offset)),
        },
        ToPager::Synchronize { offset, length, .. } => format!("synchronize {}+{}", p(*offset), p(*length)),
    }
}
