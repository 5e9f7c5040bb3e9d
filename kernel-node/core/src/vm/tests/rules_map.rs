//! [vm.map] and [vm.order]: what tasks do to address maps, and what they are told to do.

use proto::{Inherit, KernReturn};

use super::super::*;
use super::rig::*;
use super::sim::{SimOrder, Touch};

fn allocate(r: &mut Rig, page: u64, bytes: u64, anywhere: bool) -> Result<u64, KernReturn> {
    r.call(|vm, cx| vm.vm_allocate(ONE, at(page), bytes, anywhere, cx)).map(|m| m.address)
}

fn map(r: &mut Rig, request: MapRequest) -> Result<u64, KernReturn> {
    r.call(|vm, cx| vm.vm_map(ONE, request, cx)).map(|m| m.address)
}

fn deallocate(r: &mut Rig, page: u64, pages: u64) {
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(page), pages * PAGE_SIZE, cx)).unwrap();
}

fn protect(r: &mut Rig, page: u64, pages: u64, max: bool, prot: Prot) -> Result<(), KernReturn> {
    r.call(|vm, cx| vm.vm_protect(ONE, at(page), pages * PAGE_SIZE, max, prot.bits(), cx)).map(drop)
}

/// The regions of task 1: first page, pages, protection bits, maximum bits.
fn regions(r: &Rig) -> Vec<(u64, u64, u32, u32)> {
    let stats = r.vm.task_stats();
    let line =
        |r: &Region| ((r.address - BASE) / PAGE_SIZE, r.size / PAGE_SIZE, r.protection.bits(), r.max_protection.bits());
    stats[0].regions.iter().map(line).collect()
}

#[test]
fn vm_map_1_allocated_memory_is_zero_and_linuxs_own() {
    let mut r = Rig::new();
    assert_eq!(allocate(&mut r, 0, 0, true), Ok(0), "nothing, at address 0");
    assert_eq!(allocate(&mut r, 3, 5000, false), Ok(at(3)), "sizes round up");
    let SimOrder::Map(ONE, order) = r.sim.orders[0].1 else { panic!("{:?}", r.sim.orders) };
    assert_eq!((order.size, order.shared, order.managed), (2 * PAGE_SIZE, true, false));
    r.orders();
    assert_eq!(r.read(ONE, 4), Touch::Value(0));
    assert_eq!(r.write(ONE, 4, 7), Touch::Value(7));
    assert_eq!(regions(&r), [(3, 2, 3, 7)]);
    let region = r.vm.vm_region(ONE, 0).unwrap();
    assert_eq!((region.inheritance, region.object, region.shared), (Inherit::Copy, None, false));
    assert!(r.events().is_empty(), "no pager hears of it");
    r.log();
    deallocate(&mut r, 4, 1);
    r.orders();
    assert!(r.log().contains(&"discard 1+1".to_string()), "its memory is free at once");
    deallocate(&mut r, 3, 1);
    r.orders();
    assert!(r.events().is_empty());
    assert_eq!(r.vm.object_stats(), []);
}

#[test]
fn vm_map_1_an_address_inside_a_page_is_rounded_down() {
    let mut r = Rig::new();
    let m = r.call(|vm, cx| vm.vm_allocate(ONE, at(3) + 17, 10, false, cx)).unwrap();
    assert_eq!(m.address, at(3));
}

#[test]
fn vm_map_1_with_anywhere_the_address_says_nothing() {
    let mut r = Rig::new();
    for page in 0..3 {
        let m = r.call(|vm, cx| vm.vm_allocate(ONE, u64::MAX, 10, true, cx)).unwrap();
        assert_eq!(m.address, at(page));
    }
}

#[test]
fn vm_map_2_arguments_that_mean_nothing_are_refused() {
    let mut r = Rig::new();
    let o = r.object(ONE, 1, RO);
    let good = MapRequest { address: at(8), ..map_request(Some(o), RO) };
    let invalid = Err(KernReturn::InvalidArgument);
    assert_eq!(map(&mut r, MapRequest { size: 0, ..good }), invalid);
    assert_eq!(map(&mut r, MapRequest { protection: RW, ..good }), invalid, "beyond the maximum");
    let strange = Prot::from_bits_retain(0x10);
    assert_eq!(map(&mut r, MapRequest { protection: strange, max_protection: strange, ..good }), invalid);
    assert_eq!(map(&mut r, MapRequest { offset: 100, ..good }), invalid);
    assert_eq!(map(&mut r, MapRequest { offset: 1 << 62, ..good }), invalid);
    assert_eq!(map(&mut r, MapRequest { offset: !0xfff, ..good }), invalid);
    assert_eq!(map(&mut r, MapRequest { size: u64::MAX, ..good }), Err(KernReturn::NoSpace));
    let zero_fill = MapRequest { object: None, size: 1 << 60, ..good };
    assert_eq!(map(&mut r, zero_fill), Err(KernReturn::NoSpace));
    assert_eq!(map(&mut r, MapRequest { object: Some(ObjectId::default()), ..good }), invalid);
    let nobody = r.call(|vm, cx| vm.vm_map(TaskId(9), good, cx));
    assert_eq!(nobody, Err(KernReturn::InvalidTask));
    r.call(|vm, cx| vm.pager_died(o, cx));
    assert_eq!(map(&mut r, good), invalid, "dead");
    assert!(r.sim.orders.is_empty());
}

#[test]
fn vm_map_3_a_place_is_free_and_fits_the_mask() {
    let mut r = Rig::new();
    let request = |page: u64, anywhere: bool, mask: u64| MapRequest {
        address: at(page),
        anywhere,
        mask,
        size: 2 * PAGE_SIZE,
        ..map_request(None, RW)
    };
    assert_eq!(map(&mut r, request(2, false, 0)), Ok(at(2)));
    assert_eq!(map(&mut r, request(3, false, 0)), Err(KernReturn::NoSpace), "occupied");
    assert_eq!(map(&mut r, request(1, false, 0)), Err(KernReturn::NoSpace));
    assert_eq!(map(&mut r, request(1, true, 0)), Ok(at(4)), "upwards from the hint");
    assert_eq!(map(&mut r, request(0, true, 0)), Ok(at(0)));
    assert_eq!(map(&mut r, request(0, true, 0xffff)), Ok(at(16)));
    assert_eq!(map(&mut r, request(33, false, 0xffff)), Err(KernReturn::NoSpace), "the mask forbids it");
    let outside = MapRequest { address: BASE - PAGE_SIZE, ..request(0, false, 0) };
    assert_eq!(map(&mut r, outside), Err(KernReturn::InvalidAddress));
    assert_eq!(map(&mut r, MapRequest { anywhere: true, ..outside }), Ok(at(6)));
    let wraps = MapRequest { address: u64::MAX - PAGE_SIZE, ..request(0, false, 0) };
    assert_eq!(map(&mut r, wraps), Err(KernReturn::InvalidArgument));
    let end = MapRequest { address: u64::MAX, ..request(0, true, 0) };
    assert_eq!(map(&mut r, end), Err(KernReturn::NoSpace));
    let huge = MapRequest { size: 8 << 30, ..request(0, true, 0) };
    assert_eq!(map(&mut r, huge), Err(KernReturn::NoSpace));
}

#[test]
fn vm_map_4_only_who_may_write_gets_a_writable_descriptor() {
    let mut r = Rig::new();
    let o = r.object(ONE, 1, RO);
    let mut order = |page: u64, protection: Prot, max_protection: Prot| {
        let request = MapRequest { address: at(page), max_protection, ..map_request(Some(o), protection) };
        map(&mut r, request).unwrap();
        let SimOrder::Map(_, order) = r.sim.orders.pop_back().unwrap().1 else { panic!() };
        (order.protection, order.shared, order.managed)
    };
    assert_eq!(order(8, RO, RO), (RO, false, true), "a private mapping of a read-only descriptor");
    assert_eq!(order(9, RW, RW), (RW, true, true));
    assert_eq!(order(10, RO, RW), (RO, true, true), "it may become writable");
}

#[test]
fn vm_map_5_the_same_object_in_two_tasks_is_one_memory() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(TWO, o, 10, 4, RW);
    assert!(r.events().is_empty(), "never a second init");
    r.supply(o, 1, page(5), NONE);
    assert_eq!(r.write(ONE, 1, 6), Touch::Value(6));
    assert_eq!(r.read(TWO, 11), Touch::Value(6));
    assert_eq!(r.write(TWO, 11, 7), Touch::Value(7));
    assert_eq!(r.read(ONE, 1), Touch::Value(7));
    assert_eq!(r.stat(o).mappings, 2);
}

#[test]
fn vm_map_6_unmapping_cuts_entries_and_passes_holes_over() {
    let mut r = Rig::new();
    let o = r.object(ONE, 10, RW);
    r.supply(o, 0, pages(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), NONE);
    allocate(&mut r, 12, 2 * PAGE_SIZE, false).unwrap();
    r.orders();
    deallocate(&mut r, 4, 2);
    deallocate(&mut r, 8, 5);
    r.orders();
    assert_eq!(regions(&r).iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [(0, 4), (6, 2), (13, 1)]);
    assert_eq!(r.vm.vm_region(ONE, at(6)).unwrap().offset, 6 * PAGE_SIZE);
    assert_eq!(r.read(ONE, 7), Touch::Value(7));
    assert_eq!(r.read(ONE, 5), Touch::SegmentationFault);
    deallocate(&mut r, 0, 0);
    deallocate(&mut r, 500, 3);
    let wraps = r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), u64::MAX, cx));
    assert_eq!(wraps, Err(KernReturn::InvalidArgument));
    assert_eq!(regions(&r).len(), 3);
}

#[test]
fn vm_map_6_what_waits_in_a_range_that_goes_is_woken() {
    let mut r = Rig::new();
    r.object(ONE, 4, RW);
    assert_eq!(r.read(ONE, 1), Touch::Fault(FaultKind::Missing));
    deallocate(&mut r, 0, 4);
    assert_eq!(r.classes(), [FaultClass::Refused]);
    // Not before the range is gone, or it would only fault again.
    assert!(!r.woken(ONE, 1));
    assert_eq!(r.fault(ONE, 2, FaultKind::Missing, false), FaultOutcome::Done(FaultClass::Error));
    assert_eq!(r.fault(ONE, 2, FaultKind::WriteProtect, true), FaultOutcome::Done(FaultClass::Refused));
    r.orders();
    assert!(r.woken(ONE, 1));
    assert_eq!(r.read(ONE, 1), Touch::SegmentationFault);
}

#[test]
fn vm_map_7_protection_is_lowered_at_once_and_the_maximum_for_good() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.supply(o, 0, pages(&[1, 2, 3, 4]), NONE);
    assert_eq!(r.write(ONE, 1, 5), Touch::Value(5));
    protect(&mut r, 1, 2, false, RO).unwrap();
    assert_eq!(r.sim.mapped(ONE, at(1)), Some(false), "before the task has done anything");
    assert_eq!(regions(&r), [(0, 1, 3, 3), (1, 2, 1, 3), (3, 1, 3, 3)]);
    r.orders();
    assert_eq!(r.write(ONE, 1, 6), Touch::SegmentationFault);
    protect(&mut r, 1, 1, false, RW).unwrap();
    r.orders();
    assert_eq!(r.write(ONE, 1, 6), Touch::Value(6));
    protect(&mut r, 0, 4, true, RO).unwrap();
    assert_eq!(regions(&r), [(0, 1, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 1, 1)]);
    assert_eq!(protect(&mut r, 0, 4, false, RW), Err(KernReturn::ProtectionFailure));
    assert_eq!(protect(&mut r, 0, 4, true, RW), Err(KernReturn::ProtectionFailure));
}

#[test]
fn vm_map_7_a_protection_that_cannot_be_had_changes_nothing() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RO);
    r.map_at(ONE, o, 4, 4, RW);
    let before = regions(&r);
    assert_eq!(protect(&mut r, 2, 4, false, RW), Err(KernReturn::ProtectionFailure));
    let bits = r.call(|vm, cx| vm.vm_protect(ONE, at(0), PAGE_SIZE, false, 8, cx));
    assert_eq!(bits, Err(KernReturn::InvalidArgument));
    assert_eq!(regions(&r), before);
    assert!(r.sim.orders.is_empty());
    assert_eq!(protect(&mut r, 100, 4, false, RW), Ok(()), "a hole is no error");
}

#[test]
fn vm_map_8_a_region_is_found_at_or_above_an_address() {
    let mut r = Rig::new();
    let o = r.object(ONE, 2, RW);
    let region = r.vm.vm_region(ONE, 0).unwrap();
    assert_eq!((region.address, region.size, region.object), (at(0), 2 * PAGE_SIZE, Some(o)));
    assert!(region.shared);
    assert_eq!(r.vm.vm_region(ONE, at(1) + 5).unwrap().address, at(0));
    assert_eq!(r.vm.vm_region(ONE, at(2)), Err(KernReturn::NoSpace));
    assert_eq!(r.vm.vm_region(TaskId(9), 0), Err(KernReturn::InvalidTask));
}

#[test]
fn vm_map_9_a_map_has_a_bound() {
    let mut r = Rig::new();
    let max = proto::limits::MAP_ENTRIES_MAX as u64;
    let o = r.object(ONE, 1, RO);
    let mut cx = VmCx { now: r.now, pmap: &mut r.sim, out: &mut r.out };
    // Room for one hole is kept.
    for i in 1..max - 1 {
        let request = MapRequest { address: at(i), anywhere: false, size: 1, ..map_request(Some(o), RO) };
        r.vm.vm_map(ONE, request, &mut cx).unwrap();
    }
    let one_more = MapRequest { address: at(max - 1), ..map_request(Some(o), RO) };
    assert_eq!(r.vm.vm_map(ONE, one_more, &mut cx), Err(KernReturn::NoSpace));
    r.vm.vm_deallocate(ONE, at(max - 2), 1, &mut cx).unwrap();
    let three = MapRequest { size: 3 * PAGE_SIZE, address: at(2 * max), ..one_more };
    r.vm.vm_map(ONE, three, &mut cx).unwrap();
    let cut = r.vm.vm_deallocate(ONE, at(2 * max + 1), 1, &mut cx);
    assert_eq!(cut, Err(KernReturn::ResourceShortage));
    // The hole before it is a mapping, too.
    r.vm.vm_deallocate(ONE, at(1), 1, &mut cx).unwrap();
    assert_eq!(r.vm.vm_map(ONE, MapRequest { address: at(max - 1), ..one_more }, &mut cx), Err(KernReturn::NoSpace));
    r.vm.check().unwrap();
    assert_eq!(r.vm.task_create(ONE, 0..PAGE_SIZE), Err(KernReturn::NameExists));
    assert_eq!(r.vm.task_create(TaskId(9), 0..17), Err(KernReturn::InvalidArgument));
}

#[test]
fn vm_map_10_a_task_that_is_gone_leaves_nothing() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.supply(o, 0, page(1), NONE);
    r.write(ONE, 0, 2);
    r.read(ONE, 1);
    allocate(&mut r, 9, 1, false).unwrap();
    r.call(|vm, cx| vm.vm_msync(ONE, at(0), PAGE_SIZE, sync::SYNCHRONOUS, Ticket(3), cx)).unwrap();
    r.write(ONE, 0, 3);
    r.events();
    r.log();
    r.sim.task_gone(ONE);
    r.call(|vm, cx| vm.task_gone(ONE, cx));
    assert_eq!(r.events(), ["msync 3 Aborted", "return 0 [3] dirty copy", "terminate", "gone"]);
    assert!(r.log().iter().all(|l| !l.starts_with("wake") && !l.starts_with("protect")));
    assert_eq!((r.vm.object_stats().len(), r.vm.task_stats().len()), (0, 1));
    assert_eq!(r.vm.next_deadline(), None);
    r.call(|vm, cx| vm.task_gone(ONE, cx));
    r.call(|vm, cx| vm.order_done(OrderId(1), Ok(()), cx));
}

#[test]
fn vm_map_11_large_memory_begins_on_the_border_of_a_large_page() {
    use proto::vm::LARGE_PAGE_SIZE as LARGE;
    let mut r = Rig::new();
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, true), Ok(at(0)));
    assert_eq!(allocate(&mut r, 0, LARGE - PAGE_SIZE, true), Ok(at(1)), "too small for one");
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, true), Ok(at(512)));
    assert_eq!(allocate(&mut r, 0, LARGE, true), Ok(at(1024)));
    assert_eq!(allocate(&mut r, 0, LARGE + 1, true), Ok(at(1536)));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, true), Ok(at(513)), "the gap is for others");
    let anywhere = MapRequest { size: LARGE, ..map_request(None, RW) };
    assert_eq!(map(&mut r, MapRequest { mask: 0xffff, ..anywhere }), Ok(at(2064)), "the mask says where");
    assert_eq!(map(&mut r, MapRequest { address: at(4097), ..anywhere }), Ok(at(4608)), "above the address");
    // Nothing is left on a border.
    let end = 4 << 30;
    r.call(|vm, cx| vm.vm_allocate(ONE, at(5120), end - 5120 * PAGE_SIZE - LARGE - PAGE_SIZE, false, cx)).unwrap();
    allocate(&mut r, end / PAGE_SIZE - 1, PAGE_SIZE, false).unwrap();
    assert_eq!(map(&mut r, MapRequest { address: at(5120), ..anywhere }), Ok(BASE + end - LARGE - PAGE_SIZE));
}

#[test]
fn vm_order_1_addresses_are_free_when_the_task_has_unmapped_them() {
    let mut r = Rig::new();
    r.object(ONE, 4, RW);
    deallocate(&mut r, 0, 4);
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Err(KernReturn::NoSpace));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, true), Ok(at(4)));
    r.orders();
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Ok(at(0)));
}

/// Each thread carries out its own orders, when it comes to it.
#[test]
fn vm_order_1_addresses_are_free_when_no_order_reaches_them() {
    let mut r = Rig::new();
    r.object(ONE, 4, RW);
    protect(&mut r, 1, 1, false, RO).unwrap();
    deallocate(&mut r, 0, 4);
    let ((protect, _), (unmap, _)) = (r.sim.orders.pop_front().unwrap(), r.sim.orders.pop_front().unwrap());
    r.call(|vm, cx| vm.order_done(unmap, Ok(()), cx));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Err(KernReturn::NoSpace), "a late thread would protect it");
    r.call(|vm, cx| vm.order_done(protect, Ok(()), cx));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Ok(at(0)));
}

/// So it is where nothing was mapped.
#[test]
fn vm_order_1_addresses_of_what_could_not_be_mapped_wait_for_other_orders() {
    let mut r = Rig::new();
    let map = r.call(|vm, cx| vm.vm_allocate(ONE, at(0), 4 * PAGE_SIZE, false, cx)).unwrap().order.unwrap();
    protect(&mut r, 1, 1, false, RO).unwrap();
    let protect = r.sim.orders.back().unwrap().0;
    r.call(|vm, cx| vm.order_done(map, Err(KernReturn::ResourceShortage), cx));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Err(KernReturn::NoSpace), "a late thread would protect it");
    r.call(|vm, cx| vm.order_done(protect, Ok(()), cx));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Ok(at(0)));
}

#[test]
fn vm_order_1_addresses_that_could_not_be_unmapped_are_never_free() {
    let mut r = Rig::new();
    r.object(ONE, 1, RW);
    deallocate(&mut r, 0, 1);
    let id = r.sim.orders.pop_front().unwrap().0;
    r.call(|vm, cx| vm.order_done(id, Err(KernReturn::ResourceShortage), cx));
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Err(KernReturn::NoSpace));
    // What is still there can be neither written nor filled.
    assert_eq!(r.fault(ONE, 0, FaultKind::Minor, false), FaultOutcome::Done(FaultClass::Error));
    assert_eq!(r.fault(ONE, 0, FaultKind::WriteProtect, true), FaultOutcome::Waiting);
    assert!(matches!(r.sim.orders[0].1, SimOrder::Protect(ONE, _, _, p) if p.is_empty()));
}

#[test]
fn vm_order_2_a_mapping_that_the_task_could_not_make_is_none() {
    let mut r = Rig::new();
    let o = r.vm.object_create().unwrap();
    r.call(|vm, cx| vm.vm_map(ONE, map_request(Some(o), RW), cx)).unwrap();
    let id = r.sim.orders.pop_front().unwrap().0;
    r.call(|vm, cx| vm.order_done(id, Err(KernReturn::ResourceShortage), cx));
    assert_eq!(r.events(), ["init", "terminate", "gone"]);
    assert!(r.sim.orders.is_empty(), "nothing to unmap");
    assert_eq!(allocate(&mut r, 0, PAGE_SIZE, false), Ok(at(0)));
}

#[test]
fn vm_order_3_write_access_is_gone_before_the_entry_is() {
    let mut r = Rig::new();
    let o = r.object(ONE, 2, RW);
    r.map_at(TWO, o, 0, 2, RW);
    r.supply(o, 0, page(1), NONE);
    r.write(ONE, 0, 2);
    deallocate(&mut r, 0, 2);
    assert_eq!(r.sim.mapped(ONE, at(0)), Some(false), "still mapped, no longer writable");
    assert_eq!(r.read(TWO, 0), Touch::Value(2));
}
