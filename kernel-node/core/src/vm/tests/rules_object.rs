//! [vm.object]: how an object comes, lives and goes. (Its states are a table, tested beside it.)

use proto::KernReturn;

use super::super::*;
use super::rig::*;
use super::sim::Touch;

fn unmap(r: &mut Rig, task: TaskId) {
    r.call(|vm, cx| vm.vm_deallocate(task, BASE, 4 << 30, cx)).unwrap();
    r.orders();
}

#[test]
fn vm_object_1_the_first_mapping_inits() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    assert_eq!(r.stat(o).state, "new");
    r.map_at(ONE, o, 0, 1, RW);
    assert_eq!(r.events(), ["init"]);
    assert_eq!(r.stat(o).state, "initing");
    r.map_at(ONE, o, 1, 1, RW);
    assert!(r.events().is_empty());
}

#[test]
fn vm_object_1_a_first_mapping_that_fails_leaves_nothing() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    r.sim.fail_next = 1;
    let failed = r.call(|vm, cx| vm.vm_map(ONE, map_request(Some(o), RW), cx));
    assert_eq!(failed, Err(KernReturn::ResourceShortage));
    assert_eq!(r.events(), ["gone"]);
    assert_eq!(r.vm.object_stats(), []);
    r.sim.fail_next = 1;
    let failed = r.call(|vm, cx| vm.vm_allocate(ONE, 0, 1, true, cx));
    assert_eq!(failed, Err(KernReturn::ResourceShortage));
    assert!(r.events().is_empty());
}

#[test]
fn vm_object_2_ready_counts_once() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.read(ONE, 0);
    assert_eq!(r.events(), ["request 0+1 read"]);
    r.call(|vm, cx| vm.memory_object_ready(o, cx));
    assert!(r.events().is_empty());
    r.call(|vm, cx| vm.memory_object_ready(ObjectId::default(), cx));
    let new = r.vm.object_create().unwrap();
    r.call(|vm, cx| vm.memory_object_ready(new, cx));
    assert_eq!((r.stat(new).state, r.vm.counters().bad_calls), ("new", 1));
}

#[test]
fn vm_object_3_the_last_to_unmap_returns_what_was_written_and_terminates() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.map_at(TWO, o, 0, 8, RW);
    r.supply(o, 0, pages(&[1, 2, 3, 4]), NONE);
    let supply = Supply { offset: 6 * PAGE_SIZE, data: page(9), lock: WRITE, precious: true, reply: None };
    r.call(|vm, cx| vm.memory_object_data_supply(o, supply, cx));
    r.write(ONE, 1, 7);
    r.write(TWO, 2, 8);
    unmap(&mut r, ONE);
    assert!(r.events().is_empty());
    r.log();
    unmap(&mut r, TWO);
    assert_eq!(r.events(), ["return 1 [7, 8] dirty copy", "return 6 [9] copy", "terminate", "gone"]);
    let log = r.log();
    let place = |what: &str| log.iter().position(|l| l.starts_with(what)).unwrap_or_else(|| panic!("{what}: {log:?}"));
    assert!(place("protect 2") < place("read_out") && place("read_out 6+1") < place("discard 0+7"));
    assert!(place("discard 0+7") < place("destroy"), "what is still mapped somewhere is empty");
    assert_eq!(r.sim.lost, []);
}

#[test]
fn vm_object_3_a_large_object_is_returned_in_steps_and_can_be_taken_up_again() {
    let mut r = Rig::new();
    let step = proto::limits::LOCK_STEP_PAGES as u64;
    let n = step * 2;
    let o = r.object(ONE, n, RW);
    r.supply(o, 0, pages(&vec![1; n as usize]), NONE);
    for i in 0..n {
        let mut cx = VmCx { now: r.now, pmap: &mut r.sim, out: &mut r.out };
        let fault = Fault { task: ONE, address: at(i), kind: FaultKind::Minor, write: true, trace: TraceId(0) };
        r.vm.fault(fault, &mut cx);
    }
    r.events();
    r.call(|vm, cx| vm.vm_deallocate(ONE, BASE, 4 << 30, cx)).unwrap();
    assert_eq!((r.stat(o).state, r.stat(o).dirty_pages), ("terminating", n - step));
    assert_eq!(r.vm.next_deadline(), Some(r.now), "there is more to do");
    r.orders();
    r.map_at(ONE, o, 0, n, RW);
    assert_eq!(r.stat(o).state, "ready");
    r.settle();
    assert!(!r.events().contains(&"terminate".to_string()));
    assert_eq!(r.read(ONE, 0), Touch::Value(1), "with its pages");
    unmap(&mut r, ONE);
    r.settle();
    let events = r.events();
    assert_eq!(events[events.len() - 2..], ["terminate", "gone"]);
    assert_eq!(r.sim.lost, []);
}

#[test]
fn vm_object_3_the_end_waits_for_nobodys_hold() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.write(ONE, 0, 1);
    r.supply(o, 0, page(1), NONE);
    r.lock(o, 0, 1, proto::vm::ShouldReturn::Dirty, true, None);
    r.events();
    unmap(&mut r, ONE);
    assert_eq!(r.events(), ["return 0 [1] dirty", "lock_completed 7 0+1", "terminate", "gone"]);
}

#[test]
fn vm_object_4_an_object_that_its_pager_destroys_is_terminated_and_dead() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.supply(o, 0, page(1), WRITE);
    r.read(ONE, 2);
    r.events();
    r.call(|vm, cx| vm.memory_object_destroy(o, cx));
    assert_eq!(r.events(), ["terminate"]);
    assert_eq!(r.stat(o).state, "dead");
    assert_eq!(r.read(ONE, 2), Touch::BusError);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    r.call(|vm, cx| vm.memory_object_destroy(o, cx));
    unmap(&mut r, ONE);
    assert_eq!(r.events(), ["gone"], "terminated once");
}

#[test]
fn vm_object_5_a_pager_that_dies_leaves_nobody_waiting() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(TWO, o, 0, 4, RW);
    r.supply(o, 0, page(1), WRITE);
    r.read(ONE, 1);
    r.write(TWO, 2, 1);
    r.write(TWO, 0, 1);
    r.call(|vm, cx| vm.vm_msync(ONE, at(0), PAGE_SIZE, sync::SYNCHRONOUS, Ticket(1), cx)).unwrap();
    r.out.clear();
    r.sim.woken.clear();
    r.call(|vm, cx| vm.pager_died(o, cx));
    r.orders();
    let mut classes = r.out.clone();
    classes.retain(|e| matches!(e, VmEvent::FaultDone { .. }));
    assert_eq!(classes.len(), 3);
    assert_eq!(r.events(), ["msync 1 MemoryFailure"]);
    assert_eq!((r.read(ONE, 1), r.write(TWO, 2, 1)), (Touch::BusError, Touch::SegmentationFault));
    assert_eq!(r.stat(o).waiters, 0);
    assert_eq!(r.vm.next_deadline(), None);
    let dead = r.call(|vm, cx| vm.vm_msync(ONE, at(0), PAGE_SIZE, sync::SYNCHRONOUS, Ticket(2), cx));
    assert_eq!((dead, r.events()), (Ok(()), vec!["msync 2 MemoryFailure".to_string()]));
    r.call(|vm, cx| vm.pager_died(o, cx));
    unmap(&mut r, ONE);
    unmap(&mut r, TWO);
    assert_eq!(r.events(), ["gone"], "nothing to terminate");
}

#[test]
fn vm_object_5_calls_that_wait_are_answered_when_the_pager_dies() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.write(ONE, 0, 1);
    r.supply(o, 0, page(1), NONE);
    r.events();
    r.lock(o, 0, 1, proto::vm::ShouldReturn::Dirty, true, None);
    let supply = Supply { offset: 0, data: page(2), lock: NONE, precious: false, reply: Some(Ticket(8)) };
    r.call(|vm, cx| vm.memory_object_data_supply(o, supply, cx));
    assert!(r.events().is_empty(), "both wait for the hold");
    r.call(|vm, cx| vm.pager_died(o, cx));
    assert_eq!(r.events(), ["lock_completed 7 0+1", "supply_completed 8 0+1 Terminated at 0"]);
    assert_eq!(r.write(ONE, 0, 5), Touch::Value(5), "it was granted and not taken");
}

#[test]
fn vm_object_6_a_terabyte_costs_what_is_touched() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    let request = MapRequest { size: 1 << 24, offset: 1 << 40, ..map_request(Some(o), RO) };
    r.call(|vm, cx| vm.vm_map(ONE, request, cx)).unwrap();
    r.call(|vm, cx| vm.memory_object_ready(o, cx));
    r.orders();
    r.read(ONE, 4000);
    assert_eq!((r.stat(o).requested_pages, r.stat(o).resident_pages), (1, 0));
    assert_eq!(r.vm.objects[o].pages.chunks(), 1);
}
