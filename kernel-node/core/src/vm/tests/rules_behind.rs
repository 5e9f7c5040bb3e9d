//! [vm.behind]: what a program does to its memory by itself.

use proto::vm::ShouldReturn;
use proto::{KernReturn, PAGE_SIZE};

use super::super::*;
use super::rig::*;
use super::sim::{SimOrder, Touch};

/// Task 1 unmaps pages itself, and the node hears of it.
fn munmap(r: &mut Rig, page: u64, pages: u64) {
    r.sim.munmap(ONE, at(page), pages * PAGE_SIZE);
    r.call(|vm, cx| vm.range_unmapped(ONE, at(page), pages * PAGE_SIZE, cx));
}

/// Where task 1 moves things to: far outside its arena.
fn outside(page: u64) -> u64 {
    (1 << 40) + page * PAGE_SIZE
}

/// Task 1 moves pages itself, and the node hears of it.
fn mremap(r: &mut Rig, page: u64, pages: u64) {
    r.sim.mremap(ONE, at(page), outside(0), pages * PAGE_SIZE);
    r.call(|vm, cx| vm.range_moved(ONE, at(page), outside(0), pages * PAGE_SIZE, cx));
}

fn regions(r: &Rig) -> Vec<(u64, u64)> {
    let stats = r.vm.task_stats();
    stats[0].regions.iter().map(|r| ((r.address - BASE) / PAGE_SIZE, r.size / PAGE_SIZE)).collect()
}

/// An object of `n` pages whose page `i` is supplied with the byte `i + 1`.
fn object(r: &mut Rig, n: u64) -> ObjectId {
    let o = r.object(ONE, n, RW);
    let bytes: Vec<u8> = (1..=n as u8).collect();
    r.supply(o, 0, pages(&bytes), NONE);
    o
}

#[test]
fn vm_behind_1_what_a_program_unmaps_leaves_the_map_as_if_deallocated() {
    let mut r = Rig::new();
    object(&mut r, 4);
    assert_eq!(r.write(ONE, 1, 9), Touch::Value(9));
    r.events();
    munmap(&mut r, 1, 2);
    assert_eq!(regions(&r), [(0, 1), (3, 1)]);
    assert_eq!(r.sim.orders[0].1, SimOrder::Unmap(ONE, at(1), 2 * PAGE_SIZE), "the addresses are to be kept");
    r.orders();
    assert_eq!((r.read(ONE, 0), r.read(ONE, 3)), (Touch::Value(1), Touch::Value(4)));
    assert!(r.events().is_empty(), "the object is mapped still");
    munmap(&mut r, 0, 5);
    assert_eq!(r.events(), ["return 1 [9] dirty copy", "terminate", "gone"]);
    r.orders();
    let place = r.call(|vm, cx| vm.vm_allocate(ONE, 0, 4 * PAGE_SIZE, true, cx)).unwrap();
    assert_eq!(place.address, at(0), "its addresses are free");
}

#[test]
fn vm_behind_1_threads_that_wait_there_are_woken_and_native_memory_stays() {
    let mut r = Rig::new();
    r.object(ONE, 2, RW);
    let native = MapRequest { address: at(2), anywhere: false, ..map_request(None, RW) };
    r.call(|vm, cx| vm.vm_map(ONE, native, cx)).unwrap();
    r.orders();
    assert_eq!(r.read(ONE, 1), Touch::Fault(FaultKind::Missing));
    r.out.clear();
    r.call(|vm, cx| vm.range_unmapped(ONE, at(0), 3 * PAGE_SIZE, cx));
    assert_eq!(r.classes(), [FaultClass::Refused]);
    r.sim.woken.clear();
    r.orders();
    assert!(r.woken(ONE, 1));
    assert_eq!(regions(&r), [(2, 1)], "of it Linux tells nothing");
    // What is nowhere, of nobody, or unheard of changes nothing.
    r.call(|vm, cx| vm.range_unmapped(ONE, at(50), PAGE_SIZE, cx));
    r.call(|vm, cx| vm.range_unmapped(ONE, u64::MAX - 1, 9, cx));
    r.call(|vm, cx| vm.range_unmapped(TaskId(9), at(2), PAGE_SIZE, cx));
    assert_eq!((regions(&r).len(), r.sim.orders.len()), (1, 0));
}

#[test]
fn vm_behind_1_addresses_where_something_else_lies_are_not_given_out_again() {
    let mut r = Rig::new();
    object(&mut r, 2);
    munmap(&mut r, 0, 1);
    let order = r.sim.carry_out().unwrap();
    r.call(|vm, cx| vm.order_done(order, Err(KernReturn::MemoryPresent), cx));
    let allocate = |r: &mut Rig| r.call(|vm, cx| vm.vm_allocate(ONE, 0, PAGE_SIZE, true, cx)).unwrap();
    let mapped = allocate(&mut r);
    assert_eq!(mapped.address, at(2));
    // So it is where something lies in the way of a new mapping, which is none then.
    r.sim.carry_out().unwrap();
    r.call(|vm, cx| vm.order_done(mapped.order.unwrap(), Err(KernReturn::MemoryPresent), cx));
    assert_eq!((regions(&r), allocate(&mut r).address), (vec![(1, 1)], at(3)));
}

/// A write of task 1 to the first page of what it moved, of which the node hears.
fn write_outside(r: &mut Rig) -> FaultOutcome {
    assert_eq!(r.sim.touch(ONE, outside(0), Some(7)), Touch::Fault(FaultKind::WriteProtect));
    let fault = Fault { task: ONE, address: outside(0), kind: FaultKind::WriteProtect, write: true, trace: TraceId(1) };
    r.call(|vm, cx| vm.fault(fault, cx))
}

#[test]
fn vm_behind_2_what_a_program_moves_leaves_the_map_and_is_written_no_more() {
    let mut r = Rig::new();
    let o = object(&mut r, 3);
    r.map_at(TWO, o, 0, 3, RW);
    for page in [0, 1] {
        assert_eq!(r.write(ONE, page, 9), Touch::Value(9));
    }
    r.events();
    r.log();
    mremap(&mut r, 1, 2);
    assert_eq!(regions(&r), [(0, 1)]);
    assert_eq!(r.log()[0], format!("protect 1 {:#x}+2", outside(0)), "before anything else");
    r.orders();
    assert_eq!((r.write(TWO, 1, 8), r.read(ONE, 0)), (Touch::Value(8), Touch::Value(9)));
    assert_eq!(r.sim.touch(ONE, outside(0), None), Touch::Value(8), "what it can read is as the object is");
    assert!(r.events().is_empty());
    let place = r.call(|vm, cx| vm.vm_allocate(ONE, 0, 2 * PAGE_SIZE, true, cx)).unwrap();
    assert_eq!(place.address, at(1), "where it was is free");
    assert_eq!(write_outside(&mut r), FaultOutcome::Done(FaultClass::Refused));
    assert_eq!(r.events(), ["unruly 1"], "no answer to a write there would be right");
}

#[test]
fn vm_behind_2_a_missing_page_there_is_a_memory_error() {
    let mut r = Rig::new();
    r.object(ONE, 2, RW);
    mremap(&mut r, 0, 2);
    let fault = Fault { task: ONE, address: outside(1), kind: FaultKind::Missing, write: false, trace: TraceId(1) };
    assert_eq!(r.call(|vm, cx| vm.fault(fault, cx)), FaultOutcome::Done(FaultClass::Error));
    assert_eq!(r.sim.touch(ONE, outside(1), None), Touch::BusError);
    // A second mapping by mremap(2) has no page, and none is given it.
    r.orders();
    r.log();
    r.call(|vm, cx| vm.range_moved(ONE, at(0), outside(9), 0, cx));
    r.call(|vm, cx| vm.range_moved(TaskId(9), at(0), outside(9), PAGE_SIZE, cx));
    assert!(r.sim.orders.is_empty() && r.log().is_empty());
    // What is moved on is protected there, too; a reader's own mapping has nothing to protect.
    r.call(|vm, cx| vm.range_moved(ONE, outside(0), outside(20), PAGE_SIZE, cx));
    assert_eq!(r.log(), [format!("protect 1 {:#x}+1", outside(20))]);
    r.object(ONE, 1, RO);
    mremap(&mut r, 0, 1);
    assert!(!r.log().iter().any(|call| call.starts_with("protect")) && regions(&r).is_empty());
}

#[test]
fn vm_behind_5_a_writer_whom_its_task_does_not_refuse_is_ended_with_it() {
    let mut r = Rig::new();
    object(&mut r, 1);
    r.call(|vm, cx| vm.vm_protect(ONE, at(0), PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    r.orders();
    r.sim.mprotect(ONE, at(0), RW);
    assert!(matches!(r.write(ONE, 0, 7), Touch::Fault(_)));
    r.events();
    let order = r.sim.orders.pop_front().unwrap().0;
    r.call(|vm, cx| vm.order_done(order, Err(KernReturn::MemoryPresent), cx));
    assert_eq!(r.events(), ["unruly 1"]);
}

#[test]
fn vm_behind_3_pages_that_a_program_does_not_need_come_again_as_they_were() {
    let mut r = Rig::new();
    object(&mut r, 2);
    assert_eq!((r.read(ONE, 0), r.write(ONE, 1, 9)), (Touch::Value(1), Touch::Value(9)));
    r.events();
    for page in [0, 1] {
        r.sim.dont_need(ONE, at(page));
        assert!(matches!(r.sim.touch(ONE, at(page), None), Touch::Fault(FaultKind::Minor)));
    }
    assert_eq!((r.read(ONE, 0), r.read(ONE, 1)), (Touch::Value(1), Touch::Value(9)));
    assert_eq!((r.sim.mapped(ONE, at(0)), r.sim.mapped(ONE, at(1))), (Some(false), Some(true)), "the clean one cannot");
    assert!(r.events().is_empty(), "and the pager hears nothing");
}

#[test]
fn vm_behind_4_a_written_page_that_is_taken_out_is_a_page_of_zeroes_for_all() {
    let mut r = Rig::new();
    let o = object(&mut r, 2);
    r.map_at(TWO, o, 0, 2, RO);
    assert_eq!((r.write(ONE, 0, 9), r.read(TWO, 0)), (Touch::Value(9), Touch::Value(9)));
    r.sim.remove(o, 0);
    assert_eq!((r.read(TWO, 0), r.read(ONE, 0)), (Touch::Value(0), Touch::Value(0)));
    r.events();
    r.lock(o, 0, 2, ShouldReturn::Dirty, true, None);
    assert_eq!(r.events(), ["return 0 [0] dirty", "lock_completed 7 0+2"]);
    // What is returned before anybody comes to it, too.
    r.supply(o, 0, pages(&[5]), NONE);
    assert_eq!(r.write(ONE, 0, 6), Touch::Value(6));
    r.sim.remove(o, 0);
    r.events();
    r.lock(o, 0, 1, ShouldReturn::Dirty, false, None);
    assert_eq!(r.events(), ["return 0 [0] dirty copy", "lock_completed 7 0+1"]);
}

#[test]
fn vm_behind_4_a_page_that_nobody_wrote_to_is_asked_for_again() {
    let mut r = Rig::new();
    let o = r.object(ONE, 3, RW);
    r.supply(o, 0, pages(&[1, 2, 3]), WRITE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    r.events();
    for page in 0..3 {
        r.sim.remove(o, page);
    }
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["request 0+1 read"]);
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    // Nor is a page of zeroes returned for a clean one.
    r.lock(o, 0, 2, ShouldReturn::All, false, None);
    assert_eq!(r.events(), ["return 0 [1] copy", "lock_completed 7 0+2"]);
    // Granting it afterwards makes no zeroes of it.
    r.lock(o, 2, 1, ShouldReturn::None, false, Some(NONE));
    assert_eq!(r.write(ONE, 2, 9), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["lock_completed 7 2+1", "request 2+1 write"]);
}

#[test]
fn vm_behind_4_what_a_waiting_writer_is_granted_is_there() {
    let mut r = Rig::new();
    let o = r.object(ONE, 1, RW);
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    assert_eq!(r.write(ONE, 0, 9), Touch::Fault(FaultKind::WriteProtect));
    r.sim.remove(o, 0);
    r.events();
    r.lock(o, 0, 1, ShouldReturn::None, false, Some(NONE));
    assert_eq!(r.events(), ["lock_completed 7 0+1", "request 0+1 write"]);
    r.supply(o, 0, page(1), NONE);
    assert_eq!((r.write(ONE, 0, 9), r.read(ONE, 0)), (Touch::Value(9), Touch::Value(9)));
}

#[test]
fn vm_behind_5_a_protection_that_a_program_raises_makes_no_writer() {
    let mut r = Rig::new();
    object(&mut r, 2);
    assert_eq!(r.write(ONE, 0, 9), Touch::Value(9));
    r.call(|vm, cx| vm.vm_protect(ONE, at(0), 2 * PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    r.orders();
    r.events();
    for page in [0, 1] {
        r.sim.mprotect(ONE, at(page), RW);
        assert!(matches!(r.write(ONE, page, 7), Touch::Fault(_)), "it sleeps");
        assert_eq!(r.sim.orders.len(), 1, "until the task has said it again");
        r.orders();
        assert_eq!(r.write(ONE, page, 7), Touch::SegmentationFault);
    }
    assert_eq!((r.read(ONE, 0), r.read(ONE, 1)), (Touch::Value(9), Touch::Value(2)));
    // A reader's own copy is no write to the object.
    let mut r = Rig::new();
    let o = r.object(ONE, 1, RO);
    r.map_at(TWO, o, 0, 1, RO);
    r.supply(o, 0, page(1), NONE);
    r.sim.mprotect(ONE, at(0), RW);
    assert_eq!((r.write(ONE, 0, 7), r.read(TWO, 0)), (Touch::Value(7), Touch::Value(1)));
    r.lock(o, 0, 1, ShouldReturn::Dirty, true, None);
    assert!(!r.events().iter().any(|e| e.starts_with("return")));
}
