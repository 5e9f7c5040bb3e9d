//! [vm.copy]: memory that is frozen, shown privately, and written again.

use proto::limits::{FREEZE_ORDERS_MAX, FROZEN_PARTS_MAX, MAP_ENTRIES_MAX};
use proto::{Inherit, KernReturn};

use super::super::*;
use super::rig::*;
use super::sim::{SimOrder, Touch};

fn allocate(r: &mut Rig, task: TaskId, page: u64, pages: u64) {
    r.call(|vm, cx| vm.vm_allocate(task, at(page), pages * PAGE_SIZE, false, cx)).unwrap();
    r.orders();
}

fn freeze(r: &mut Rig, task: TaskId, page: u64, pages: u64) -> Result<Vec<FreezePart>, KernReturn> {
    r.call(|vm, cx| vm.vm_freeze(task, &all_of(page, pages, 3), cx))
}

/// The parts of a freeze: first page, pages, and the page in the object if it is frozen.
fn parts(frozen: &[FreezePart]) -> Vec<(u64, u64, Option<u64>)> {
    let line = |p: &FreezePart| {
        ((p.address - BASE) / PAGE_SIZE, p.size / PAGE_SIZE, p.object.map(|(_, offset)| offset / PAGE_SIZE))
    };
    frozen.iter().map(line).collect()
}

fn anywhere() -> MapRequest {
    MapRequest { max_protection: Prot::all(), ..map_request(None, RW) }
}

/// The task maps what was frozen for another, at page `to`.
fn map_frozen(r: &mut Rig, task: TaskId, to: u64, frozen: &[FreezePart]) -> Result<u64, KernReturn> {
    let part = |p: &FreezePart| {
        let (object, offset) = p.object.expect("frozen");
        FrozenPart { object, offset, size: p.size }
    };
    let parts: Vec<FrozenPart> = frozen.iter().map(part).collect();
    let request = MapRequest { address: at(to), anywhere: false, ..anywhere() };
    let mapped = r.call(|vm, cx| vm.vm_map_frozen(task, &parts, request, cx))?;
    r.orders();
    Ok(mapped.address)
}

fn objects(r: &Rig) -> usize {
    r.sim.objects.len()
}

#[test]
fn vm_copy_1_both_go_on_writing_and_each_sees_its_own() {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 4);
    for page in 0..3 {
        r.write(ONE, page, 10 + page as u8);
    }
    let frozen = freeze(&mut r, ONE, 0, 4).unwrap();
    assert_eq!(parts(&frozen), [(0, 4, Some(0))]);
    let SimOrder::Freeze(ONE, order, true) = r.sim.orders[0].1 else { panic!("{:?}", r.sim.orders) };
    assert_eq!((order.shared, order.managed, order.size), (false, false, 4 * PAGE_SIZE));
    r.orders();
    assert_eq!(map_frozen(&mut r, TWO, 100, &frozen), Ok(at(100)));
    assert_eq!((r.read(TWO, 100), r.read(TWO, 103)), (Touch::Value(10), Touch::Value(0)));
    assert_eq!((r.write(ONE, 0, 50), r.write(TWO, 101, 60)), (Touch::Value(50), Touch::Value(60)));
    assert_eq!((r.read(ONE, 0), r.read(TWO, 100)), (Touch::Value(50), Touch::Value(10)));
    assert_eq!((r.read(ONE, 1), r.read(TWO, 101)), (Touch::Value(11), Touch::Value(60)));
    assert!(r.events().is_empty(), "no pager hears of it");
    assert_eq!(objects(&r), 1, "one memory");
    // A frozen file takes no holes, and lives as long as somebody shows it.
    r.log();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 4 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    assert!(!r.log().iter().any(|l| l.starts_with("discard") || l == "destroy"));
    assert_eq!(r.read(TWO, 102), Touch::Value(12));
    r.call(|vm, cx| vm.vm_deallocate(TWO, at(100), 4 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    assert_eq!(objects(&r), 0);
}

#[test]
fn vm_copy_1_all_of_an_object_is_frozen_when_most_of_it_is_sent() {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 8);
    r.call(|vm, cx| vm.vm_protect(ONE, at(6), PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    r.orders();
    let frozen = freeze(&mut r, ONE, 1, 2).unwrap();
    assert_eq!(parts(&frozen), [(1, 2, Some(1))]);
    let seals: Vec<bool> = r.sim.orders.iter().map(|(_, o)| matches!(o, SimOrder::Freeze(.., true))).collect();
    assert_eq!(seals, [false, false, true], "sealed with the last of its three entries");
    r.orders();
    assert_eq!(parts(&freeze(&mut r, ONE, 0, 8).unwrap()), [(0, 6, Some(0)), (6, 1, Some(6)), (7, 1, Some(7))]);
    assert!(r.sim.orders.is_empty(), "what is frozen stays frozen");
    assert_eq!(r.write(ONE, 6, 1), Touch::SegmentationFault, "protections stay");
}

#[test]
fn vm_copy_1_a_call_freezes_so_many_objects() {
    let mut r = Rig::new();
    for page in 0..5 {
        allocate(&mut r, ONE, page, 1);
    }
    let first = freeze(&mut r, ONE, 0, 5).unwrap();
    assert_eq!(parts(&first), [(0, 1, Some(0)), (1, 1, Some(0)), (2, 1, Some(0))]);
    assert_eq!(r.sim.orders.len(), 3);
    r.orders();
    assert_eq!(parts(&freeze(&mut r, ONE, 3, 2).unwrap()), [(3, 1, Some(0)), (4, 1, Some(0))]);
}

/// Each second page is read-only, so that each is an entry.
fn in_stripes(r: &mut Rig, from: u64, pages: u64) {
    allocate(r, ONE, from, pages);
    for page in (from..from + pages).step_by(2) {
        r.call_unchecked(|vm, cx| vm.vm_protect(ONE, at(page), PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    }
    r.orders();
}

#[test]
fn vm_copy_1_a_call_tells_so_many_parts_and_gives_so_many_orders() {
    let mut r = Rig::new();
    let half = FREEZE_ORDERS_MAX as u64;
    let third = FROZEN_PARTS_MAX as u64 - 2 * half + 2;
    in_stripes(&mut r, 0, half);
    in_stripes(&mut r, half, half);
    in_stripes(&mut r, 2 * half, third);
    let first = freeze(&mut r, ONE, 0, 2 * half + third).unwrap();
    assert_eq!((first.len(), r.sim.orders.len()), (FROZEN_PARTS_MAX, FREEZE_ORDERS_MAX));
    let frozen = first.iter().filter(|part| part.object.is_some()).count();
    assert_eq!(frozen, FREEZE_ORDERS_MAX, "the second object is left to be copied");
    r.orders();
    let rest = freeze(&mut r, ONE, 2 * half, third).unwrap();
    assert!(rest.len() == third as usize && rest.iter().all(|part| part.object.is_none()), "in too many pieces");
}

#[test]
fn vm_copy_12_several_ranges_are_frozen_at_once_up_to_one_that_cannot_be() {
    let mut r = Rig::new();
    [0, 10, 20, 30, 40].into_iter().for_each(|page| allocate(&mut r, ONE, page, 4));
    let of = |pages: &[(u64, u64)], objects_max| {
        let ranges = pages.iter().map(|(page, pages)| (at(*page), pages * PAGE_SIZE)).collect();
        FreezeRequest { ranges, ..all_of(0, 0, objects_max) }
    };
    let mut all = |wanted| r.call(|vm, cx| vm.vm_freeze(ONE, &wanted, cx)).map(|frozen| parts(&frozen));
    // In the order in which they were asked for, and each from its own first page on.
    assert_eq!(all(of(&[(11, 2), (0, 4)], 9)).unwrap(), [(11, 2, Some(1)), (0, 4, Some(0))]);
    assert_eq!(all(of(&[(20, 4), (4, 2), (30, 4)], 9)).unwrap(), [(20, 4, Some(0))], "a hole in the second");
    assert_eq!(all(of(&[(4, 2), (30, 4)], 9)), Err(KernReturn::InvalidAddress));
    assert_eq!(all(of(&[(0, 1), (10, 1), (30, 4)], 2)).unwrap(), [(0, 1, Some(0)), (10, 1, Some(0))], "objects");
    assert_eq!(all(of(&[], 9)).unwrap(), []);
    r.orders();
    let not_asked_for = freeze(&mut r, ONE, 30, 1).unwrap();
    assert_eq!(parts(&not_asked_for), [(30, 1, Some(0))]);
    assert_eq!(r.sim.orders.len(), 1, "it was no one's yet");
    // What is told in all of them together is bounded, too.
    let half = FROZEN_PARTS_MAX as u64 / 2 + 10;
    in_stripes(&mut r, 100, half);
    in_stripes(&mut r, 100 + half, half);
    let wanted = of(&[(100, half), (100 + half, half)], 9);
    let told = r.call(|vm, cx| vm.vm_freeze(ONE, &wanted, cx)).unwrap();
    assert_eq!(told.len(), FROZEN_PARTS_MAX);
}

#[test]
fn vm_copy_2_what_a_thread_has_still_to_map_is_not_frozen() {
    let mut r = Rig::new();
    r.call(|vm, cx| vm.vm_allocate(ONE, at(0), 4 * PAGE_SIZE, false, cx)).unwrap();
    assert!(freeze(&mut r, ONE, 0, 4).unwrap()[0].object.is_none());
    r.orders();
    assert!(freeze(&mut r, ONE, 0, 4).unwrap()[0].object.is_some());
}

#[test]
fn vm_copy_2_what_cannot_be_frozen_is_left_to_be_copied() {
    let mut r = Rig::new();
    let o = r.object(ONE, 2, RW);
    r.supply(o, 0, pages(&[1, 2]), NONE);
    allocate(&mut r, ONE, 2, 8);
    let all = freeze(&mut r, ONE, 0, 3).unwrap();
    assert_eq!(parts(&all), [(0, 2, None), (2, 1, None)], "a pager's memory; less than a quarter of an object");
    assert!(r.sim.orders.is_empty());
    assert_eq!(freeze(&mut r, ONE, 0, 11), Err(KernReturn::InvalidAddress), "a hole");
    assert_eq!(
        r.call(|vm, cx| vm.vm_freeze(ONE, &FreezeRequest { ranges: vec![(at(0), u64::MAX)], ..all_of(0, 1, 3) }, cx)),
        Err(KernReturn::InvalidArgument)
    );
    assert_eq!(freeze(&mut r, TaskId(9), 0, 1), Err(KernReturn::InvalidTask));
    r.call(|vm, cx| vm.vm_protect(ONE, at(9), PAGE_SIZE, false, NONE.bits(), cx)).unwrap();
    r.orders();
    assert_eq!(freeze(&mut r, ONE, 2, 8), Err(KernReturn::ProtectionFailure));
    assert!(r.sim.orders.is_empty(), "nothing has changed");
    assert_eq!(freeze(&mut r, ONE, 2, 0), Ok(vec![]));
}

#[test]
fn vm_inherit_4_memory_that_a_child_may_share_is_not_frozen() {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 2);
    r.call(|vm, _| vm.vm_inherit(ONE, at(0), PAGE_SIZE, Inherit::Share as u32)).unwrap();
    r.call(|vm, _| vm.vm_inherit(ONE, at(0), PAGE_SIZE, Inherit::Copy as u32)).unwrap();
    let request = MapRequest { address: at(2), anywhere: false, inheritance: Inherit::Share, ..anywhere() };
    r.call(|vm, cx| vm.vm_map(ONE, request, cx)).unwrap();
    r.orders();
    let frozen = freeze(&mut r, ONE, 0, 3).unwrap();
    assert!(frozen.iter().all(|part| part.object.is_none()) && r.sim.orders.is_empty());
}

/// Task 1 has eight frozen pages, of which task 2 shows the last six.
fn two_tasks() -> (Rig, Vec<FreezePart>) {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 8);
    let frozen = freeze(&mut r, ONE, 2, 6).unwrap();
    r.orders();
    map_frozen(&mut r, TWO, 0, &frozen).unwrap();
    (r, frozen)
}

fn refreeze(r: &mut Rig, runs: &[(u64, u64, u64)]) -> (ObjectId, Result<(), KernReturn>) {
    let object = r.vm.object_frozen(100).unwrap();
    r.sim.objects.insert(object, (0..100).map(|p| (p, vec![100 + p as u8; PAGE_SIZE as usize])).collect());
    let run = |&(page, pages, offset): &(u64, u64, u64)| Run {
        address: at(page),
        size: pages * PAGE_SIZE,
        offset: offset * PAGE_SIZE,
    };
    let runs: Vec<Run> = runs.iter().map(run).collect();
    let mut cx = VmCx { now: r.now, pmap: &mut r.sim, out: &mut r.out };
    let result = r.vm.vm_replace(ONE, object, &runs, &mut cx);
    r.vm.object_unused(object, &mut cx);
    r.vm.check().unwrap();
    (object, result)
}

fn shown(r: &Rig) -> Vec<(u64, u64)> {
    let stats = r.vm.task_stats();
    stats[0].regions.iter().map(|e| ((e.address - BASE) / PAGE_SIZE, e.size / PAGE_SIZE)).collect()
}

#[test]
fn vm_copy_3_what_was_written_since_lies_in_a_file_of_its_own() {
    let (mut r, _) = two_tasks();
    let (written, done) = refreeze(&mut r, &[(1, 1, 0), (4, 2, 1)]);
    assert_eq!(done, Ok(()));
    assert_eq!(shown(&r), [(0, 1), (1, 1), (2, 2), (4, 2), (6, 2)]);
    let frozen = freeze(&mut r, ONE, 0, 8).unwrap();
    assert_eq!(parts(&frozen)[3], (4, 2, Some(1)));
    assert_eq!(frozen[3].object.unwrap().0, written);
    assert!(r.sim.orders.is_empty(), "the task has done it by itself");
    // A thousand rounds end with as many entries and objects as one.
    for _ in 0..1000 {
        let (_, done) = refreeze(&mut r, &[(1, 1, 0), (4, 2, 1)]);
        assert_eq!(done, Ok(()));
        assert_eq!((shown(&r).len(), objects(&r)), (5, 2));
    }
    // All of it in one piece again: the first file stays for the one who still shows it.
    let (_, done) = refreeze(&mut r, &[(0, 8, 7)]);
    assert_eq!((done, shown(&r), objects(&r)), (Ok(()), vec![(0, 8)], 2));
    assert_eq!(r.read(TWO, 0), Touch::Value(0));
}

#[test]
fn vm_copy_3_runs_that_make_no_sense_change_nothing() {
    let (mut r, _) = two_tasks();
    allocate(&mut r, ONE, 20, 4);
    let invalid = KernReturn::InvalidArgument;
    // What is not there any more, or other memory by now; and what never was a run.
    let gone = KernReturn::InvalidAddress;
    for (runs, code) in [
        (&[(7, 2, 0)][..], gone),
        (&[(20, 1, 0)], gone),
        (&[(4, 0, 0)], invalid),
        (&[(4, 2, 0), (5, 1, 2)], invalid),
        (&[(4, 1, 0), (2, 1, 1)], invalid),
    ] {
        assert_eq!(refreeze(&mut r, runs).1, Err(code), "{runs:?}");
        assert_eq!((shown(&r), objects(&r)), (vec![(0, 8), (20, 4)], 2), "{runs:?}");
    }
    let odd = [Run { address: at(4) + 1, size: PAGE_SIZE, offset: 0 }];
    let object = r.vm.object_frozen(100).unwrap();
    r.sim.objects.insert(object, Default::default());
    assert_eq!(r.call_unchecked(|vm, cx| vm.vm_replace(ONE, object, &odd, cx)), Err(invalid));
    let wrapped = [Run { address: u64::MAX - 4095, size: 2 * PAGE_SIZE, offset: 0 }];
    assert_eq!(r.call_unchecked(|vm, cx| vm.vm_replace(ONE, object, &wrapped, cx)), Err(invalid));
}

#[test]
fn vm_copy_3_a_map_has_so_many_entries() {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 3 * MAP_ENTRIES_MAX as u64);
    freeze(&mut r, ONE, 0, 3 * MAP_ENTRIES_MAX as u64).unwrap();
    r.orders();
    let runs: Vec<(u64, u64, u64)> = (0..MAP_ENTRIES_MAX as u64 / 2 + 1).map(|i| (2 * i + 1, 1, i)).collect();
    assert_eq!(refreeze(&mut r, &runs).1, Err(KernReturn::ResourceShortage));
    assert_eq!(shown(&r).len(), 1);
}

#[test]
fn vm_copy_5_parts_are_mapped_one_behind_the_other_or_not_at_all() {
    let (mut r, frozen) = two_tasks();
    let (object, offset) = frozen[0].object.unwrap();
    let part =
        |page: u64, pages: u64| FrozenPart { object, offset: offset + page * PAGE_SIZE, size: pages * PAGE_SIZE };
    let map = |r: &mut Rig, parts: &[FrozenPart], request| {
        let mapped = r.call(|vm, cx| vm.vm_map_frozen(TWO, parts, request, cx));
        r.orders();
        mapped.map(|m| m.address)
    };
    assert_eq!(map(&mut r, &[part(1, 2), part(0, 1)], anywhere()), Ok(at(6)));
    let fixed = |to| MapRequest { address: at(to), anywhere: false, ..anywhere() };
    assert_eq!(map(&mut r, &[part(0, 1), part(0, 1)], fixed(5)), Err(KernReturn::NoSpace));
    assert_eq!(map(&mut r, &[], anywhere()), Err(KernReturn::InvalidArgument));
    assert_eq!(map(&mut r, &[FrozenPart { size: 100, ..part(0, 1) }], anywhere()), Err(KernReturn::InvalidArgument));
    assert_eq!(map(&mut r, &[FrozenPart { offset: 100, ..part(0, 1) }], anywhere()), Err(KernReturn::InvalidArgument));
    assert_eq!(map(&mut r, &vec![part(0, 1); MAP_ENTRIES_MAX], anywhere()), Err(KernReturn::NoSpace));
    let request = MapRequest { inheritance: Inherit::None, protection: RO, ..fixed(40) };
    assert_eq!(map(&mut r, &[part(0, 1)], request), Ok(at(40)));
    let region = r.vm.vm_region(TWO, at(40)).unwrap();
    assert_eq!((region.protection, region.max_protection), (RO, Prot::all()));
    assert_eq!((region.inheritance, region.shared, region.object), (Inherit::None, false, None));
    allocate(&mut r, TWO, 60, 1);
    let unfrozen = FrozenPart { object: r.vm.tasks[&TWO].entry(at(60)).unwrap().object, ..part(0, 1) };
    let refused = r.call(|vm, cx| vm.vm_map_frozen(TWO, &[unfrozen], anywhere(), cx));
    assert_eq!(refused, Err(KernReturn::InvalidArgument), "nobody has frozen it");
}

#[test]
fn vm_copy_6_a_task_that_could_not_freeze_shares_as_before() {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 4);
    freeze(&mut r, ONE, 0, 4).unwrap();
    let (id, _) = r.sim.orders.pop_front().unwrap();
    r.call(|vm, cx| vm.order_done(id, Err(KernReturn::NoSpace), cx));
    let again = freeze(&mut r, ONE, 0, 4).unwrap();
    assert_eq!((parts(&again), r.sim.orders.len()), (vec![(0, 4, Some(0))], 1), "it is asked anew");
    r.orders();
    // What another task has is frozen, whatever this one says.
    map_frozen(&mut r, TWO, 0, &again).unwrap();
    let orders = r.sim.orders.len();
    r.call(|vm, cx| vm.order_done(id, Err(KernReturn::NoSpace), cx));
    assert_eq!((freeze(&mut r, ONE, 0, 4).unwrap(), r.sim.orders.len()), (again, orders));
}

/// The part that is private is not mapped anew, which would lose what was written to it.
#[test]
fn vm_copy_6_a_task_that_could_freeze_a_part_copies_from_then_on() {
    let mut r = Rig::new();
    allocate(&mut r, ONE, 0, 4);
    r.call(|vm, cx| vm.vm_protect(ONE, at(2), 2 * PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    r.orders();
    freeze(&mut r, ONE, 0, 4).unwrap();
    let first = r.sim.carry_out().unwrap();
    r.call(|vm, cx| vm.order_done(first, Ok(()), cx));
    assert_eq!(r.write(ONE, 0, 7), Touch::Value(7));
    let (second, _) = r.sim.orders.pop_front().unwrap();
    r.call(|vm, cx| vm.order_done(second, Err(KernReturn::NoSpace), cx));
    assert!(freeze(&mut r, ONE, 0, 4).unwrap().iter().all(|part| part.object.is_none()));
    r.orders();
    assert_eq!(r.read(ONE, 0), Touch::Value(7));
}

#[test]
fn vm_copy_7_a_task_wakes_those_whom_it_made_wait_itself() {
    let (mut r, _) = two_tasks();
    r.sim.woken.clear();
    assert_eq!(r.fault(ONE, 3, FaultKind::WriteProtect, true), FaultOutcome::Done(FaultClass::Refused));
    assert!(r.sim.woken.is_empty() && r.sim.orders.is_empty());
}

/// A request for a copy of two pages of an object.
fn copy_of(object: ObjectId) -> MapRequest {
    MapRequest { size: 2 * PAGE_SIZE, copy: true, max_protection: Prot::all(), ..map_request(Some(object), RW) }
}

#[test]
fn vm_copy_10_what_is_mapped_aside_is_read_and_found_by_no_call() {
    let mut r = Rig::new();
    let o = r.object(TWO, 4, RW);
    let last = (4 << 30) / PAGE_SIZE - 2;
    let aside = r.call(|vm, cx| vm.vm_map(ONE, copy_of(o), cx)).unwrap();
    assert_eq!(aside.address, at(last), "the highest place");
    let SimOrder::Map(ONE, order) = r.sim.orders[0].1 else { panic!("{:?}", r.sim.orders) };
    assert_eq!((order.for_errand, order.shared, order.managed, order.protection), (true, false, true, RO));
    r.orders();
    r.read(ONE, last);
    assert_eq!(r.events(), ["request 0+1 read"], "its faults are served");
    r.supply(o, 0, page(7), NONE);
    assert_eq!(r.read(ONE, last), Touch::Value(7));
    // Nobody else hears of it.
    let (start, size) = (aside.address, 2 * PAGE_SIZE);
    assert_eq!(r.vm.vm_region(ONE, 0), Err(KernReturn::NoSpace));
    assert!(r.vm.task_stats()[0].regions.is_empty() && r.vm.task_stats()[0].mapped_bytes == 0);
    assert_eq!(r.vm.region_stats(ONE, 0).unwrap().count(), 0);
    assert_eq!(r.vm.permitted(ONE, start, size, RO), Err(KernReturn::InvalidAddress));
    assert_eq!(freeze(&mut r, ONE, last, 2), Err(KernReturn::InvalidAddress));
    assert_eq!(r.vm.vm_inherit(ONE, start, size, 0), Ok(()));
    assert_eq!(r.call(|vm, cx| vm.vm_wire(ONE, start, size, 1, cx)), Err(KernReturn::NoSpace));
    assert_eq!(r.call(|vm, cx| vm.vm_protect(ONE, start + PAGE_SIZE, 1, false, 0, cx)), Ok(vec![]));
    assert_eq!(r.call(|vm, cx| vm.vm_deallocate(ONE, start + PAGE_SIZE, 1, cx)), Ok(vec![]));
    assert_eq!(r.call(|vm, cx| vm.vm_unmap_aside(ONE, start + PAGE_SIZE, cx)), None, "it was not cut");
    assert_eq!(r.read(ONE, last), Touch::Value(7));
    assert!(r.call(|vm, cx| vm.vm_unmap_aside(ONE, start, cx)).is_some());
    r.orders();
    assert_eq!((r.sim.touch(ONE, start, None), r.stat(o).mappings), (Touch::SegmentationFault, 1));
    // What calls map is not taken for it.
    allocate(&mut r, ONE, last, 2);
    assert_eq!(r.call(|vm, cx| vm.vm_unmap_aside(ONE, start, cx)), None);
}

#[test]
fn vm_copy_10_there_is_room_for_the_object_and_for_its_copy() {
    let mut r = Rig::new();
    let o = r.object(TWO, 4, RW);
    let pages = (4 << 30) / PAGE_SIZE;
    let mut aside = |request: MapRequest| {
        let mapped = r.call(|vm, cx| vm.vm_map(ONE, request, cx))?.address;
        r.orders();
        r.call(|vm, cx| vm.vm_unmap_aside(ONE, mapped, cx)).expect("it is mapped");
        r.orders();
        Ok((mapped - BASE) / PAGE_SIZE)
    };
    let fixed = |page: u64| MapRequest { address: at(page), anywhere: false, ..copy_of(o) };
    assert_eq!(aside(fixed(pages - 2)), Ok(pages - 4), "the place of the copy stays free");
    assert_eq!(aside(fixed(pages - 3)), Ok(pages - 5));
    assert_eq!(aside(fixed(pages - 1)), Err(KernReturn::InvalidAddress));
    assert_eq!(aside(fixed(0)), Ok(pages - 2));
    assert_eq!(aside(MapRequest { size: (2 << 30) + 1, ..copy_of(o) }), Err(KernReturn::NoSpace), "not for both");
    assert_eq!(aside(MapRequest { size: 5 << 30, ..copy_of(o) }), Err(KernReturn::NoSpace));
    assert_eq!(aside(MapRequest { offset: 1, ..copy_of(o) }), Err(KernReturn::InvalidArgument));
    assert_eq!(aside(MapRequest { max_protection: RO, ..copy_of(o) }), Err(KernReturn::InvalidArgument));
    for (page, count) in [(pages - 3, 1), (pages - 8, 4)] {
        allocate(&mut r, ONE, page, count);
    }
    let place =
        |r: &mut Rig, request| r.call(|vm, cx| vm.vm_map(ONE, request, cx)).map(|m| (m.address - BASE) / PAGE_SIZE);
    assert_eq!(place(&mut r, fixed(pages - 4)), Err(KernReturn::NoSpace), "the copy's place is taken");
    assert_eq!(place(&mut r, MapRequest { size: 3 * PAGE_SIZE, ..copy_of(o) }), Ok(pages - 11));
    assert_eq!(place(&mut r, copy_of(o)), Ok(pages - 2));
}

#[test]
fn vm_copy_10_an_object_that_is_copied_goes_with_the_copying() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    let aside = r.call(|vm, cx| vm.vm_map(ONE, copy_of(o), cx)).unwrap();
    // The task could not map it.
    r.call(|vm, cx| vm.order_done(aside.order.unwrap(), Err(KernReturn::NoSpace), cx));
    assert_eq!(r.call(|vm, cx| vm.vm_unmap_aside(ONE, aside.address, cx)), None);
    assert!(r.events().contains(&"terminate".to_string()), "nobody maps it");
    let o = r.object(TWO, 1, RW);
    r.call(|vm, cx| vm.vm_map(ONE, copy_of(o), cx)).unwrap();
    r.call(|vm, cx| vm.task_gone(ONE, cx));
    assert_eq!(r.stat(o).mappings, 1, "with its task");
}
