//! What the tables of `vm` cost, without the memory: `cargo test --release -p kernel-core --test vm_speed -- --ignored --nocapture`.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use kernel_core::vm::{
    Config, Errand, Fault, FaultKind, FaultOutcome, MapOrder, MapRequest, ObjectId, OrderId, Pmap, Supply, ToPager, Vm,
    VmCx, VmEvent,
};
use kernel_core::{TaskId, Time};
use proto::{Inherit, KernReturn, PAGE_SIZE, Payload, Prot, TraceId};

/// Memory that does nothing.
struct NoMemory(u64);

impl Pmap for NoMemory {
    fn object_create(&mut self, _: ObjectId) -> Result<(), KernReturn> {
        Ok(())
    }
    fn object_create_internal(&mut self, _: ObjectId, _: u64) -> Result<(), KernReturn> {
        Ok(())
    }
    fn freeze(&mut self, _: TaskId, _: MapOrder, _: bool) -> OrderId {
        OrderId(0)
    }
    fn object_destroy(&mut self, _: ObjectId) {}
    fn fill(&mut self, _: ObjectId, _: u64, _: &Payload) -> Result<(), KernReturn> {
        Ok(())
    }
    fn zero(&mut self, _: ObjectId, _: u64, _: u64) -> Result<(), KernReturn> {
        Ok(())
    }
    fn copy(&mut self, _: ObjectId, _: u64, _: ObjectId, _: u64, _: u64) -> Result<(), KernReturn> {
        Ok(())
    }
    fn held(&self, _: ObjectId, _: Range<u64>, _: u64) -> Option<Range<u64>> {
        None
    }
    fn read_out(&mut self, _: ObjectId, _: u64, _: u64) -> Payload {
        Payload::default()
    }
    fn is_present(&self, _: ObjectId, _: u64) -> bool {
        true
    }
    fn discard(&mut self, _: ObjectId, _: u64, _: u64) {}
    fn enter(&mut self, _: TaskId, _: u64, _: u64, _: bool) {}
    fn protect(&mut self, _: TaskId, _: u64, _: u64) {}
    fn unprotect(&mut self, _: TaskId, _: u64, _: u64) {}
    fn error(&mut self, _: TaskId, _: u64, _: u64) {}
    fn wake(&mut self, _: TaskId, _: u64, _: u64) {}
    fn free_pages(&self) -> u64 {
        0
    }
    fn map(&mut self, _: TaskId, _: MapOrder) -> OrderId {
        self.0 += 1;
        OrderId(self.0)
    }
    fn inherit(&mut self, _: TaskId, _: u64, _: u64) -> OrderId {
        OrderId(0)
    }
    fn map_parts(&mut self, _: TaskId, _: &[MapOrder]) -> OrderId {
        self.0 += 1;
        OrderId(self.0)
    }
    fn errand(&mut self, _: TaskId, _: Errand) -> OrderId {
        OrderId(0)
    }
    fn unmap(&mut self, _: TaskId, _: u64, _: u64) -> OrderId {
        self.0 += 1;
        OrderId(self.0)
    }
    fn set_protection(&mut self, _: TaskId, _: u64, _: u64, _: Prot) -> OrderId {
        self.0 += 1;
        OrderId(self.0)
    }
    fn wire(&mut self, _: TaskId, _: u64, _: u64, _: bool) -> OrderId {
        self.0 += 1;
        OrderId(self.0)
    }
}

const BASE: u64 = 1 << 32;
const TASK: TaskId = TaskId(1);

struct Node {
    vm: Vm,
    pmap: NoMemory,
    out: Vec<VmEvent>,
    now: u64,
    object: ObjectId,
    page: Bytes,
}

impl Node {
    fn new(bytes: u64) -> Node {
        let mut vm = Vm::new(Config::default());
        let (mut pmap, mut out) = (NoMemory(0), Vec::new());
        vm.task_create(TASK, BASE..BASE + bytes).expect("a new task");
        let object = vm.object_create().expect("a first object");
        let mut cx = VmCx { now: Time(0), pmap: &mut pmap, out: &mut out };
        let request = MapRequest {
            address: BASE,
            size: bytes,
            mask: 0,
            anywhere: false,
            object: Some(object),
            offset: 0,
            copy: false,
            protection: Prot::READ,
            max_protection: Prot::READ,
            inheritance: Inherit::None,
        };
        vm.vm_map(TASK, request, &mut cx).expect("an empty map");
        vm.memory_object_ready(object, &mut cx);
        Node { vm, pmap, out, now: 0, object, page: Bytes::from(vec![0; 1 << 20]) }
    }

    fn fault(&mut self, page: u64) -> FaultOutcome {
        self.now += 1000;
        let mut cx = VmCx { now: Time(self.now), pmap: &mut self.pmap, out: &mut self.out };
        let address = BASE + page * PAGE_SIZE;
        self.vm.fault(Fault { task: TASK, address, kind: FaultKind::Missing, write: false, trace: TraceId(1) }, &mut cx)
    }

    /// Answers all requests.
    fn answer(&mut self) {
        for event in std::mem::take(&mut self.out) {
            let VmEvent::ToPager { call: ToPager::DataRequest { offset, length, .. }, .. } = event else { continue };
            let data = self.page.slice(..length as usize).into();
            let supply = Supply { offset, data, lock: Prot::WRITE, precious: false, reply: None };
            let mut cx = VmCx { now: Time(self.now), pmap: &mut self.pmap, out: &mut self.out };
            self.vm.memory_object_data_supply(self.object, supply, &mut cx);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn the_cost_of_a_fault_and_of_a_mebibyte() {
    let pages = 1 << 18;
    let mut node = Node::new(pages * PAGE_SIZE);
    let n = 100_000;
    let start = Instant::now();
    let mut page = 1;
    for _ in 0..n {
        page = (page * 48_271 + 12_345) % pages;
        if node.fault(page) == FaultOutcome::Waiting {
            node.answer();
        }
    }
    println!("random fault, asked and answered: {} ns", start.elapsed().as_nanos() / n);

    let mut node = Node::new(pages * PAGE_SIZE);
    let start = Instant::now();
    node.fault(0);
    node.answer();
    let mut at = 1;
    let mut size = 16;
    while at < pages {
        // The reader comes to the next marker.
        node.fault(at);
        node.answer();
        at += size;
        size = (size * 2).min(256);
    }
    let mebibytes = (pages * PAGE_SIZE) >> 20;
    println!("sequential: {} ns a MiB", start.elapsed().as_nanos() / u128::from(mebibytes));
    let c = node.vm.counters();
    assert!(c.faults.iter().sum::<u64>() < mebibytes + 16, "{c:?}");
}
