//! [vm.range], [vm.inherit], [vm.wire], [vm.machine], [vm.statistics]: attributes of ranges, and what is counted.

use proto::limits::TASK_WIRED_BYTES_MAX;
use proto::{Inherit, KernReturn};

use super::super::*;
use super::rig::*;
use super::sim::{SimOrder, Touch};

const NOWHERE: TaskId = TaskId(9);

fn inherit(r: &mut Rig, page: u64, pages: u64, value: u32) -> Result<(), KernReturn> {
    r.call(|vm, _| vm.vm_inherit(ONE, at(page), pages * PAGE_SIZE, value))
}

/// Wires; the task does its part.
fn wire(r: &mut Rig, page: u64, pages: u64, access: Prot) -> Result<(), KernReturn> {
    r.call(|vm, cx| vm.vm_wire(ONE, at(page), pages * PAGE_SIZE, access.bits(), cx))?;
    r.orders();
    Ok(())
}

/// Wired runs of task 1: first page, pages, access.
fn wired(r: &Rig) -> Vec<(u64, u64, u32)> {
    let entries = r.vm.tasks[&ONE].entries().filter(|e| e.is_wired());
    entries.map(|e| ((e.start - BASE) / PAGE_SIZE, e.size() / PAGE_SIZE, e.wired.bits())).collect()
}

fn inherited(r: &Rig) -> Vec<(u64, u64, Inherit)> {
    let regions = &r.vm.task_stats()[0].regions;
    regions.iter().map(|e| ((e.address - BASE) / PAGE_SIZE, e.size / PAGE_SIZE, e.inheritance)).collect()
}

#[test]
fn vm_range_1_ranges_are_the_pages_they_touch_and_never_wrap() {
    let mut r = Rig::new();
    r.object(ONE, 4, RW);
    r.call(|vm, _| vm.vm_inherit(ONE, at(1) + 100, PAGE_SIZE, 2)).unwrap();
    let (one, two) = ((0, 1, Inherit::Copy), (1, 2, Inherit::None));
    assert_eq!(inherited(&r), [one, two, (3, 1, Inherit::Copy)], "a page at each end");
    let last = u64::MAX - 100;
    let bits = Prot::READ.bits();
    for size in [101, 4096, u64::MAX] {
        assert_eq!(r.call(|vm, _| vm.vm_inherit(ONE, last, size, 0)), Err(KernReturn::InvalidArgument));
        assert_eq!(r.call(|vm, cx| vm.vm_wire(ONE, last, size, bits, cx)), Err(KernReturn::InvalidArgument));
        let code = r.call(|vm, cx| vm.vm_deallocate(ONE, last, size, cx)).unwrap_err();
        assert_eq!(code, KernReturn::InvalidArgument);
        let code = r.call(|vm, cx| vm.vm_protect(ONE, last, size, false, bits, cx)).unwrap_err();
        assert_eq!(code, KernReturn::InvalidArgument);
        let code = r.call(|vm, cx| vm.vm_msync(ONE, last, size, sync::SYNCHRONOUS, Ticket(1), cx)).unwrap_err();
        assert_eq!(code, KernReturn::InvalidArgument);
    }
    let before = r.vm.task_stats();
    for address in [at(1) + 5, last] {
        assert_eq!(r.call(|vm, _| vm.vm_inherit(ONE, address, 0, 0)), Ok(()));
        assert_eq!(r.call(|vm, cx| vm.vm_deallocate(ONE, address, 0, cx)), Ok(vec![]));
        assert_eq!(r.call(|vm, cx| vm.vm_protect(ONE, address, 0, true, 0, cx)), Ok(vec![]));
        assert_eq!(r.call(|vm, cx| vm.vm_msync(ONE, address, 0, 0, Ticket(1), cx)), Ok(()));
    }
    assert_eq!(r.vm.task_stats(), before);
    assert_eq!(r.events(), ["msync 1 Success", "msync 1 Success"]);
}

#[test]
fn vm_inherit_1_ranges_say_what_a_child_would_get() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(ONE, o, 6, 2, RO);
    inherit(&mut r, 2, 5, 0).unwrap();
    let share = Inherit::Share;
    assert_eq!(inherited(&r), [(0, 2, Inherit::Copy), (2, 2, share), (6, 1, share), (7, 1, Inherit::Copy)]);
    inherit(&mut r, 0, 1, 2).unwrap();
    assert_eq!(r.vm.vm_region(ONE, at(0)).unwrap().inheritance, Inherit::None);
    let before = inherited(&r);
    for wrong in [3, 4, u32::MAX] {
        assert_eq!(inherit(&mut r, 0, 8, wrong), Err(KernReturn::InvalidArgument));
    }
    assert_eq!(r.call(|vm, _| vm.vm_inherit(NOWHERE, at(0), PAGE_SIZE, 0)), Err(KernReturn::InvalidTask));
    assert_eq!(inherit(&mut r, 100, 8, 0), Ok(()), "a hole is no error");
    assert_eq!(inherited(&r), before);
    assert!(r.sim.orders.is_empty(), "nothing for the task to do");
}

#[test]
fn vm_wire_1_a_range_is_wired_for_an_access_and_unwired_with_none() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(ONE, o, 4, 4, RO);
    wire(&mut r, 2, 4, RO).unwrap();
    assert_eq!(wired(&r), [(2, 2, 1), (4, 2, 1)]);
    wire(&mut r, 2, 1, RW).unwrap();
    assert_eq!(wired(&r), [(2, 1, 3), (3, 1, 1), (4, 2, 1)]);
    assert_eq!(r.vm.statistics(0).wired, 4);
    wire(&mut r, 0, 8, NONE).unwrap();
    assert_eq!(wired(&r), []);
    // Coherence goes before it: what the pager flushes is gone.
    r.supply(o, 0, page(1), NONE);
    wire(&mut r, 0, 4, RW).unwrap();
    r.lock(o, 0, 4, proto::vm::ShouldReturn::All, true, None);
    r.later(1_000_000_000);
    assert_eq!(r.stat(o).resident_pages, 0);
}

#[test]
fn vm_wire_2_what_cannot_be_wired_is_refused_and_changes_nothing() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(ONE, o, 6, 2, RO);
    let no_space = Err(KernReturn::NoSpace);
    assert_eq!(wire(&mut r, 2, 6, RO), no_space, "a hole");
    assert_eq!(wire(&mut r, 6, 2, RW), no_space, "beyond the protection");
    assert_eq!(wire(&mut r, 5, 1, NONE), no_space, "to unwire nothing, too");
    assert_eq!(wire(&mut r, 5, 0, RO), no_space, "an address in no entry");
    assert_eq!(wire(&mut r, 1, 0, RO), Ok(()));
    assert_eq!(r.call(|vm, cx| vm.vm_wire(ONE, at(0), PAGE_SIZE, 8, cx)), Err(KernReturn::InvalidArgument));
    assert_eq!(r.call(|vm, cx| vm.vm_wire(NOWHERE, at(0), PAGE_SIZE, 1, cx)), Err(KernReturn::InvalidTask));
    assert_eq!((wired(&r), r.vm.task_stats()[0].regions.len()), (vec![], 2));
}

#[test]
fn vm_wire_3_a_task_has_a_bound() {
    let mut r = Rig::new();
    let max = TASK_WIRED_BYTES_MAX / PAGE_SIZE;
    r.object(ONE, max + 1, RW);
    assert_eq!(wire(&mut r, 0, max + 1, RO), Err(KernReturn::NoAccess));
    wire(&mut r, 0, max, RO).unwrap();
    wire(&mut r, 0, max, RW).unwrap();
    assert_eq!(wire(&mut r, max, 1, RO), Err(KernReturn::NoAccess));
    assert_eq!(wire(&mut r, 1, max, RO), Err(KernReturn::NoAccess), "one page more");
    wire(&mut r, 0, 1, NONE).unwrap();
    wire(&mut r, 1, max, RO).unwrap();
    assert_eq!(wire(&mut r, 0, max + 1, NONE), Ok(()), "unwiring has no bound");
}

#[test]
fn vm_wire_4_all_of_a_task_is_wired_if_it_is_small() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(ONE, o, 6, 2, RO);
    r.map_at(ONE, o, 9, 1, NONE);
    let all = |r: &mut Rig, flags| r.call(|vm, cx| vm.vm_wire_all(ONE, flags, cx)).map(|orders| orders.len());
    assert_eq!(all(&mut r, wire::CURRENT), Ok(2), "an order for each run");
    assert_eq!(wired(&r), [(0, 4, 3), (6, 2, 1)], "what permits nothing cannot be wired for anything");
    for future in [wire::FUTURE, wire::FUTURE | wire::CURRENT] {
        assert_eq!(all(&mut r, future), Err(KernReturn::NoAccess));
    }
    assert_eq!(all(&mut r, 4), Err(KernReturn::InvalidArgument));
    assert_eq!(all(&mut r, 0), Ok(2));
    assert_eq!(wired(&r), []);
    r.map_at(ONE, o, 10, TASK_WIRED_BYTES_MAX / PAGE_SIZE, RW);
    assert_eq!(all(&mut r, wire::CURRENT), Err(KernReturn::NoAccess));
    assert_eq!(r.call(|vm, cx| vm.vm_wire_all(NOWHERE, 0, cx)), Err(KernReturn::InvalidTask));
}

#[test]
fn vm_wire_5_the_task_follows_and_what_linux_refuses_is_not_wired() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(ONE, o, 4, 4, RO);
    let call = |r: &mut Rig, page: u64, pages: u64, access: Prot| {
        r.call(|vm, cx| vm.vm_wire(ONE, at(page), pages * PAGE_SIZE, access.bits(), cx)).unwrap()
    };
    let given = |r: &Rig| r.sim.orders.iter().map(|(_, order)| order.clone()).collect::<Vec<_>>();
    let order = call(&mut r, 2, 4, RO)[0];
    assert_eq!(given(&r), [SimOrder::Wire(ONE, at(2), 4 * PAGE_SIZE, true)], "one order for adjoining entries");
    r.orders();
    assert_eq!(call(&mut r, 2, 2, RW), [], "wired already");
    assert_eq!(call(&mut r, 0, 2, NONE), [], "and not");
    call(&mut r, 0, 8, RO);
    let (head, tail) =
        (SimOrder::Wire(ONE, at(0), 2 * PAGE_SIZE, true), SimOrder::Wire(ONE, at(6), 2 * PAGE_SIZE, true));
    assert_eq!(given(&r), [head, tail]);
    let refused = r.sim.orders.pop_front().unwrap().0;
    r.call(|vm, cx| vm.order_done(refused, Err(KernReturn::ResourceShortage), cx));
    r.orders();
    assert_eq!(wired(&r), [(2, 2, 1), (4, 2, 1), (6, 2, 1)]);
    r.call(|vm, cx| vm.order_done(order, Err(KernReturn::ResourceShortage), cx));
    assert_eq!(wired(&r).len(), 3, "an order that is done is done");
    // A range that was unmapped meanwhile has nothing to lose.
    let late = call(&mut r, 0, 2, RO)[0];
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 8 * PAGE_SIZE, cx)).unwrap();
    r.call(|vm, cx| vm.order_done(late, Err(KernReturn::ResourceShortage), cx));
    assert_eq!(wired(&r), []);
}

/// Threads answer when they come to it.
#[test]
fn vm_wire_5_what_was_ordered_since_counts() {
    let mut r = Rig::new();
    r.object(ONE, 4, RW);
    let call = |r: &mut Rig, access: Prot| {
        r.call(|vm, cx| vm.vm_wire(ONE, at(0), 4 * PAGE_SIZE, access.bits(), cx)).unwrap()[0]
    };
    let [first, second, third] = [RO, NONE, RW].map(|access| call(&mut r, access));
    for (order, result) in [(third, Ok(())), (first, Err(KernReturn::ResourceShortage)), (second, Ok(()))] {
        r.call(|vm, cx| vm.order_done(order, result, cx));
        assert_eq!(wired(&r), [(0, 4, 3)]);
    }
}

#[test]
fn vm_wire_6_wired_memory_is_copied_not_frozen() {
    let mut r = Rig::new();
    r.call(|vm, cx| vm.vm_allocate(ONE, at(0), 4 * PAGE_SIZE, false, cx)).unwrap();
    r.orders();
    wire(&mut r, 1, 1, RW).unwrap();
    let freeze = |r: &mut Rig| {
        let parts = r.call(|vm, cx| vm.vm_freeze(ONE, &all_of(0, 4, 8), cx)).unwrap();
        parts.iter().all(|part| part.object.is_some())
    };
    assert!(!freeze(&mut r) && r.sim.orders.is_empty());
    wire(&mut r, 0, 4, NONE).unwrap();
    assert!(freeze(&mut r));
}

#[test]
fn vm_machine_1_a_pc_has_no_such_attribute() {
    let r = Rig::new();
    let code = |address, size| r.vm.vm_machine_attribute(ONE, address, size);
    assert_eq!(code(at(0), PAGE_SIZE), KernReturn::InvalidAddress);
    assert_eq!(code(at(0) - 1, 1), KernReturn::InvalidArgument);
    assert_eq!(code(at(0), (4 << 30) + 1), KernReturn::InvalidArgument);
    assert_eq!(code(at(0), u64::MAX), KernReturn::InvalidArgument);
    assert_eq!(r.vm.vm_machine_attribute(NOWHERE, at(0), 1), KernReturn::InvalidTask);
}

#[test]
fn vm_statistics_1_each_counter_counts_one_thing() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.map_at(TWO, o, 0, 8, RW);
    r.supply(o, 0, pages(&[1, 2, 3]), NONE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
    assert_eq!(r.write(ONE, 1, 7), Touch::Value(7));
    r.read(ONE, 3);
    r.call(|vm, cx| vm.memory_object_data_unavailable(o, 3 * PAGE_SIZE, PAGE_SIZE, NONE, cx));
    r.call(|vm, cx| vm.vm_allocate(ONE, at(100), PAGE_SIZE, false, cx)).unwrap();
    wire(&mut r, 0, 2, RO).unwrap();
    r.lock(o, 1, 1, proto::vm::ShouldReturn::Dirty, true, None);
    r.later(1_000_000_000);
    let s = r.vm.statistics(77);
    // Page 0 read, page 1 read ahead of its writing or written, page 3 asked for: each ended once.
    let faults = 3;
    let expected = Statistics {
        free: 77,
        active: 3,
        inactive: 0,
        reactivations: 0,
        wired: 2,
        zero_fill: 1,
        cow_faults: 0,
        pageins: 3,
        pageouts: 1,
        faults,
        lookups: 2,
        hits: 1,
    };
    assert_eq!(s, expected);
}
