//! [vm.fault]: what a thread gets that touches a page.

use proto::vm::ShouldReturn;

use super::super::*;
use super::rig::*;
use super::sim::Touch;

const WAITS: Touch = Touch::Fault(FaultKind::Missing);

#[test]
fn vm_fault_1_an_absent_page_is_asked_for_once() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    assert_eq!(r.read(ONE, 3), WAITS);
    assert_eq!(r.write(ONE, 3, 9), WAITS, "even if more is wanted");
    assert_eq!(r.events(), ["request 3+1 read"]);
    r.supply(o, 3, page(5), NONE);
    assert_eq!(r.read(ONE, 3), Touch::Value(5));
    assert_eq!(r.write(ONE, 3, 9), Touch::Value(9));
}

#[test]
fn vm_fault_1_the_request_carries_the_access_and_the_trace_of_the_fault() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    assert_eq!(r.write(ONE, 2, 1), WAITS);
    let VmEvent::ToPager { object, call, trace } = r.out[0].clone() else { panic!("{:?}", r.out) };
    assert_eq!((object, trace), (o, TraceId(3)));
    let access = RW;
    assert_eq!(call, ToPager::DataRequest { offset: 2 * PAGE_SIZE, length: PAGE_SIZE, access, read_ahead: false });
}

#[test]
fn vm_fault_2_a_resident_page_is_mapped_with_what_is_present_around_it() {
    let mut r = Rig::new();
    let o = r.object(ONE, 64, RO);
    r.supply(o, 10, pages(&[1, 2, 3]), WRITE);
    r.supply(o, 15, pages(&[4; 10]), WRITE);
    r.log();
    assert_eq!(r.read(ONE, 11), Touch::Value(2));
    // Of the aligned 64 KiB around page 11.
    assert_eq!(r.log(), [format!("enter 1 {:#x}+3 ro", at(10)), format!("enter 1 {:#x}+1 ro", at(15))]);
    assert_eq!(r.vm.counters().faults_of(FaultClass::Minor), 1);
    assert!(r.events().is_empty());
}

#[test]
fn vm_fault_3_only_pages_that_are_written_are_writable() {
    let mut r = Rig::new();
    let o = r.object(ONE, 16, RW);
    r.supply(o, 0, pages(&[0, 1, 2]), NONE);
    assert_eq!(r.write(ONE, 1, 7), Touch::Value(7));
    assert_eq!(
        [r.sim.mapped(ONE, at(0)), r.sim.mapped(ONE, at(1)), r.sim.mapped(ONE, at(2))].map(Option::unwrap),
        [false, true, false]
    );
    assert_eq!(r.stat(o).dirty_pages, 1);
    r.log();
    // The others are granted: the first write to one says that it is dirty.
    assert_eq!(r.write(ONE, 2, 8), Touch::Value(8));
    assert_eq!(r.log(), [format!("unprotect 1 {:#x}+1", at(2))]);
    assert_eq!(r.stat(o).dirty_pages, 2);
    assert!(r.events().is_empty());
}

#[test]
fn vm_fault_4_a_locked_page_is_unlocked_once_for_each_increase() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.map_at(TWO, o, 0, 8, RW);
    r.supply(o, 0, page(1), RW);
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Minor));
    assert_eq!(r.read(TWO, 0), Touch::Fault(FaultKind::Minor));
    assert_eq!(r.events(), ["unlock 0 read"]);
    assert_eq!(r.write(TWO, 0, 3), Touch::Fault(FaultKind::Minor));
    assert_eq!(r.events(), ["unlock 0 write"]);
    assert_eq!(r.write(ONE, 0, 3), Touch::Fault(FaultKind::Minor));
    assert!(r.events().is_empty());
    r.lock(o, 0, 1, ShouldReturn::None, false, Some(WRITE));
    assert_eq!(r.events(), ["lock_completed 7 0+1", "unlock 0 write"], "readers go, writers ask again");
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    r.lock(o, 0, 1, ShouldReturn::None, false, Some(NONE));
    assert_eq!(r.classes(), [FaultClass::RemoteWrite; 2]);
    assert_eq!(r.write(ONE, 0, 3), Touch::Value(3));
    assert_eq!(r.read(TWO, 0), Touch::Value(3));
}

#[test]
fn vm_fault_5_a_granted_write_unprotects_without_another_fault() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    assert_eq!(r.write(ONE, 0, 2), Touch::Fault(FaultKind::WriteProtect));
    r.woken(ONE, 0);
    r.lock(o, 0, 1, ShouldReturn::None, false, Some(NONE));
    assert!(r.woken(ONE, 0));
    assert_eq!(r.sim.touch(ONE, at(0), Some(2)), Touch::Value(2));
}

#[test]
fn vm_fault_6_a_page_that_a_task_made_itself_is_thrown_away() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.sim.objects.get_mut(&o).unwrap().insert(2, vec![0; PAGE_SIZE as usize]);
    assert_eq!(r.read(ONE, 2), Touch::Fault(FaultKind::Minor));
    assert_eq!(r.log(), ["discard 2+1"]);
    assert_eq!(r.events(), ["request 2+1 read"]);
    // Again while the request is outstanding.
    r.sim.objects.get_mut(&o).unwrap().insert(2, vec![0; PAGE_SIZE as usize]);
    assert_eq!(r.read(ONE, 2), Touch::Fault(FaultKind::Minor));
    assert!(r.events().is_empty());
    r.supply(o, 2, page(6), WRITE);
    assert_eq!(r.read(ONE, 2), Touch::Value(6));
    assert_eq!(r.vm.counters().stray_pages, 2);
}

#[test]
fn vm_fault_7_the_table_decides_when_an_event_is_out_of_date() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    // Missing, but it came meanwhile.
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.fault(ONE, 0, FaultKind::Missing, false), FaultOutcome::Done(FaultClass::Minor));
    assert!(r.woken(ONE, 0));
    // Minor on a page that is mapped meanwhile.
    assert_eq!(r.fault(ONE, 0, FaultKind::Minor, false), FaultOutcome::Done(FaultClass::Minor));
    assert!(r.woken(ONE, 0));
    // Write-protect, but it was flushed meanwhile.
    r.later(10_000_000);
    r.lock(o, 0, 1, ShouldReturn::Dirty, true, None);
    r.events();
    assert_eq!(r.fault(ONE, 0, FaultKind::WriteProtect, true), FaultOutcome::Waiting);
    assert_eq!(r.events(), ["request 0+1 write"]);
    r.log();
    r.supply(o, 0, page(2), NONE);
    assert_eq!(r.log(), ["fill 0+1".to_string(), format!("enter 1 {:#x}+1 rw", at(0))]);
    assert_eq!(r.sim.touch(ONE, at(0), Some(3)), Touch::Value(3));
}

#[test]
fn vm_fault_8_faults_wait_for_an_object_that_is_not_ready() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    r.map_at(ONE, o, 0, 8, RW);
    assert_eq!(r.events(), ["init"]);
    assert_eq!(r.read(ONE, 0), WAITS);
    assert_eq!(r.write(ONE, 5, 1), WAITS);
    assert!(r.events().is_empty());
    r.call(|vm, cx| vm.memory_object_ready(o, cx));
    assert_eq!(r.events(), ["request 0+1 read", "request 5+1 write"]);
}

#[test]
fn vm_fault_9_of_a_dead_object_only_what_is_here_can_be_read() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, page(1), WRITE);
    r.supply(o, 1, page(2), NONE);
    assert_eq!(r.write(ONE, 1, 3), Touch::Value(3));
    r.call(|vm, cx| vm.pager_died(o, cx));
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    assert_eq!(r.read(ONE, 4), Touch::BusError);
    assert_eq!(r.write(ONE, 1, 4), Touch::Value(4), "it was granted");
    assert_eq!(r.stat(o).state, "dead");
    assert!(r.events().is_empty());
}

#[test]
fn vm_fault_10_a_write_that_cannot_be_granted_ends_in_an_error() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    assert_eq!(r.write(ONE, 0, 2), Touch::Fault(FaultKind::WriteProtect));
    r.call(|vm, cx| vm.pager_died(o, cx));
    assert_eq!(r.write(ONE, 0, 2), Touch::Fault(FaultKind::WriteProtect), "a second thread");
    r.sim.woken.clear();
    r.orders();
    assert!(r.woken(ONE, 0));
    assert_eq!(r.write(ONE, 0, 2), Touch::SegmentationFault);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    assert_eq!(r.classes().last(), Some(&FaultClass::Refused));
    assert_eq!(r.vm.vm_region(ONE, at(0)).unwrap().protection, RO, "and vm_region says so");
}

#[test]
fn vm_fault_10_a_write_that_a_living_pager_refuses_costs_that_page_its_write_access() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, pages(&[1, 2, 3]), WRITE);
    assert_eq!(r.read(ONE, 1), Touch::Value(2));
    assert_eq!(r.write(ONE, 1, 2), Touch::Fault(FaultKind::WriteProtect));
    r.call(|vm, cx| vm.memory_object_data_error(o, PAGE_SIZE, PAGE_SIZE, KernReturn::NoAccess, cx));
    r.orders();
    assert_eq!(r.write(ONE, 1, 2), Touch::SegmentationFault);
    r.events();
    assert_eq!(r.write(ONE, 2, 2), Touch::Fault(FaultKind::WriteProtect));
    assert_eq!(r.events(), ["unlock 2 write"]);
}

#[test]
fn vm_fault_11_who_waits_too_long_gets_an_error_and_the_next_one_asks_again() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    let deadline = r.vm.config.fault_deadline_ns;
    assert_eq!(r.read(ONE, 0), WAITS);
    r.later(deadline / 2);
    assert_eq!(r.read(ONE, 1), WAITS);
    assert_eq!(r.vm.next_deadline(), Some(Time(r.now.0 + deadline / 2)));
    r.later(deadline / 2);
    assert_eq!(r.read(ONE, 0), Touch::BusError);
    assert_eq!(r.vm.counters().timeouts, 1);
    r.events();
    r.map_at(TWO, o, 0, 8, RW);
    assert_eq!(r.read(TWO, 0), WAITS);
    assert_eq!(r.events(), ["request 0+1 read"]);
    // The answer was only late: it heals who got the error before.
    r.supply(o, 0, page(4), WRITE);
    assert_eq!(r.read(TWO, 0), Touch::Value(4));
    r.later(deadline);
    assert_eq!(r.vm.counters().timeouts, 2);
    assert_eq!(r.vm.next_deadline(), None);
}

#[test]
fn vm_fault_11_an_object_that_never_gets_ready_is_no_exception() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    r.map_at(ONE, o, 0, 8, RW);
    assert_eq!(r.read(ONE, 0), WAITS);
    r.later(r.vm.config.fault_deadline_ns);
    assert_eq!(r.read(ONE, 0), Touch::BusError);
}

#[test]
fn vm_fault_12_an_access_that_the_entry_forbids_is_refused_by_linux() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, page(1), NONE);
    assert_eq!(r.write(ONE, 0, 2), Touch::Value(2));
    r.call(|vm, cx| vm.vm_protect(ONE, at(0), PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    // The order is under way, the access is gone already.
    assert_eq!(r.write(ONE, 0, 3), Touch::Fault(FaultKind::WriteProtect));
    assert_eq!(r.sim.orders.len(), 1, "the order under way will do");
    r.orders();
    assert_eq!(r.write(ONE, 0, 3), Touch::SegmentationFault);
    // The task helps itself to write access again; the page is protected all the same.
    r.sim.mprotect(ONE, at(0), RW);
    assert_eq!(r.write(ONE, 0, 3), Touch::Fault(FaultKind::WriteProtect));
    r.orders();
    assert_eq!(r.write(ONE, 0, 3), Touch::SegmentationFault);
    assert_eq!(r.read(ONE, 0), Touch::Value(2));
}

#[test]
fn vm_fault_12_outside_of_every_entry_there_is_nothing() {
    let mut r = Rig::new();
    assert_eq!(r.fault(ONE, 77, FaultKind::Missing, false), FaultOutcome::Done(FaultClass::Error));
    assert_eq!(r.log(), [format!("error 1 {:#x}+1", at(77))]);
    assert_eq!(r.fault(TaskId(99), 0, FaultKind::Minor, true), FaultOutcome::Done(FaultClass::Error));
    r.call(|vm, cx| vm.vm_allocate(ONE, at(0), 4096, false, cx)).unwrap();
    assert_eq!(r.fault(ONE, 0, FaultKind::Missing, true), FaultOutcome::Done(FaultClass::Error), "not ours to fill");
    assert_eq!(r.fault(ONE, 5, FaultKind::WriteProtect, true), FaultOutcome::Waiting);
    r.orders();
    assert!(r.woken(ONE, 5));
}

#[test]
fn vm_fault_13_a_task_has_a_bound_on_what_waits() {
    let mut r = Rig::new();
    let n = u64::from(proto::limits::TASK_FAULTS_MAX);
    let o = r.object(ONE, n + 1, RW);
    let call = |r: &mut Rig, page: u64| {
        let mut cx = VmCx { now: r.now, pmap: &mut r.sim, out: &mut r.out };
        let kind = FaultKind::Missing;
        r.vm.fault(Fault { task: ONE, address: at(page), kind, write: false, trace: TraceId(0) }, &mut cx)
    };
    for i in 0..n {
        assert_eq!(call(&mut r, i), FaultOutcome::Waiting);
    }
    assert_eq!(call(&mut r, n), FaultOutcome::Done(FaultClass::Error));
    assert_eq!(r.stat(o).requested_pages, proto::limits::OBJECT_REQUESTS_MAX as u64);
    r.vm.check().unwrap();
}

#[test]
fn vm_fault_14_requests_above_the_bound_wait_for_an_answer() {
    let mut r = Rig::new();
    let max = proto::limits::OBJECT_REQUESTS_MAX as u64;
    let o = r.object(ONE, max + 8, RW);
    for i in 0..max + 2 {
        assert_eq!(r.read(ONE, i), WAITS);
    }
    assert_eq!(r.events().len() as u64, max);
    r.supply(o, 3, page(1), WRITE);
    assert_eq!(r.events(), [format!("request {max}+1 read")]);
    r.call(|vm, cx| vm.memory_object_data_error(o, 0, PAGE_SIZE, KernReturn::Failure, cx));
    assert_eq!(r.events(), [format!("request {}+1 read", max + 1)]);
    // Who goes while it is queued is not asked for.
    for i in max + 2..max + 4 {
        r.read(ONE, i);
    }
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(max + 2), PAGE_SIZE, cx)).unwrap();
    r.supply(o, 1, page(1), WRITE);
    assert_eq!(r.events(), [format!("request {}+1 read", max + 3)]);
}

#[test]
fn vm_fault_15_a_private_mapping_reads_the_page_and_copies_what_it_writes() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    r.map_at(ONE, o, 0, 8, RO);
    r.call(|vm, cx| vm.memory_object_ready(o, cx));
    r.events();
    // Linux reports the write of a task that raised its own protection as a write.
    assert_eq!(r.fault(ONE, 0, FaultKind::Missing, true), FaultOutcome::Waiting);
    assert_eq!(r.events(), ["request 0+1 read"]);
    r.supply(o, 0, page(1), NONE);
    r.sim.mprotect(ONE, at(0), RW);
    assert_eq!(r.write(ONE, 0, 9), Touch::Value(9));
    assert_eq!(r.stat(o).dirty_pages, 0);
    r.map_at(TWO, o, 0, 8, RO);
    assert_eq!(r.read(TWO, 0), Touch::Value(1));
}
