//! Rules [vm.pageout.*] but for those of `rules_room` and `rules_shadow`, one by one.

use proto::limits::ZERO_FILL_PAGES_MAX;
use proto::vm::ShouldReturn;
use proto::{KernReturn, PAGE_SIZE};

use super::super::*;
use super::limited::*;
use super::rig::*;
use super::sim::Touch;
use super::swap::Swap;

#[test]
fn vm_pageout_1_it_begins_above_one_mark_and_ends_at_another() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..56).for_each(|n| r.bring(object, n));
    r.settle();
    assert_eq!((r.resident(), r.vm.counters().pages_evicted), (56, 0));
    r.bring(object, 56);
    r.settle();
    assert_eq!((r.resident(), r.vm.counters().pages_evicted), (48, 9));
    // Without a limit nothing leaves.
    let mut r = Rig::new();
    let object = r.object(ONE, 200, RW);
    (0..200).for_each(|n| r.bring(object, n));
    r.settle();
    assert_eq!(r.resident(), 200);
}

#[test]
fn vm_pageout_2_a_clean_page_is_discarded_without_a_word() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..57).for_each(|n| r.bring(object, n));
    r.events();
    r.settle();
    assert_eq!(r.events(), [""; 0]);
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Missing), "the first to come is the first to go");
    assert_eq!(r.events(), ["request 0+1 read"]);
    r.supply(object, 0, page(1), NONE);
    assert_eq!(r.read(ONE, 0), Touch::Value(1));
}

#[test]
fn vm_pageout_3_a_page_that_a_fault_was_served_from_is_spared_once() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..57).for_each(|n| r.bring(object, n));
    r.settle();
    // The hand has been everywhere; now another task comes to some pages.
    r.map_at(TWO, object, 0, 200, RW);
    for n in [9, 17] {
        assert!(matches!(r.read(TWO, n), Touch::Value(_)));
    }
    (57..66).for_each(|n| r.bring(object, n));
    r.settle();
    let left: Vec<u64> = (9..20).filter(|n| r.sim.mapped(ONE, at(*n)).is_some()).collect();
    assert_eq!(left, [9, 17]);
}

#[test]
fn vm_statistics_1_what_the_clock_passed_is_inactive_until_it_is_used() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..40).for_each(|n| r.bring(object, n));
    let counts = |r: &Rig| {
        let s = r.vm.statistics(0);
        (s.active, s.inactive, s.reactivations)
    };
    assert_eq!(counts(&r), (40, 0, 0), "there is room, and the hand has not moved");
    (40..57).for_each(|n| r.bring(object, n));
    r.settle();
    // It went round once, and took pages in its second round.
    let (active, inactive, none) = counts(&r);
    assert_eq!((active + inactive, none), (r.stat(object).resident_pages, 0));
    assert!(inactive > 40, "{active} and {inactive}");
    r.map_at(TWO, object, 0, 200, RW);
    for n in [50, 51] {
        assert!(matches!(r.read(TWO, n), Touch::Value(_)));
    }
    // The pages around the first were mapped with it.
    assert_eq!(counts(&r), (active + 1, inactive - 1, 1));
}

#[test]
fn vm_pageout_4_a_written_page_is_returned_and_goes_when_the_pager_has_it() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..56).for_each(|n| r.bring(object, n));
    for n in [0, 1, 3] {
        r.write(ONE, n, 100 + n as u8);
    }
    r.events();
    r.log();
    r.bring(object, 56);
    r.settle();
    let events = r.events();
    assert_eq!(events[1..], ["return 0 [100, 101] dirty copy", "return 3 [103] dirty copy", "synchronize 0+4"]);
    let log = r.log();
    let at_call = |what: &str| log.iter().position(|l| l.starts_with(what)).unwrap();
    assert!(at_call("protect 1") < at_call("read_out 0+2"), "{log:?}");
    // They are here until it has them; what was clean need not wait.
    assert_eq!((r.read(ONE, 0), r.read(ONE, 2)), (Touch::Value(100), Touch::Fault(FaultKind::Missing)));
    r.confirm(object, 0, 4, KernReturn::Success);
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.stat(object).dirty_pages, 0);
}

/// What the pager sent before it had the returned bytes may still come, and must find the page.
#[test]
fn vm_pageout_4_a_supply_that_was_under_way_is_not_taken_for_the_page() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..56).for_each(|n| r.bring(object, n));
    r.write(ONE, 0, 7);
    r.bring(object, 56);
    r.settle();
    assert!(r.events().contains(&"return 0 [7] dirty copy".to_owned()));
    r.supply(object, 0, page(1), NONE);
    assert_eq!(r.vm.counters().supplies_ignored, 1);
    r.confirm(object, 0, 1, KernReturn::Success);
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["request 0+1 read"]);
}

#[test]
fn vm_pageout_4_a_precious_page_is_returned_though_nobody_wrote_to_it() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    r.read(ONE, 0);
    let supply = Supply { offset: 0, data: page(9), lock: NONE, precious: true, reply: None };
    r.call(|vm, cx| vm.memory_object_data_supply(object, supply, cx));
    (1..57).for_each(|n| r.bring(object, n));
    r.settle();
    assert!(r.events().contains(&"return 0 [9] copy".to_owned()));
    r.confirm(object, 0, 1, KernReturn::Success);
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Missing));
}

#[test]
fn vm_pageout_5_a_page_that_a_thread_comes_to_meanwhile_stays() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..56).for_each(|n| r.bring(object, n));
    (0..3).for_each(|n| assert_eq!(r.write(ONE, n, 7), Touch::Value(7)));
    r.bring(object, 56);
    r.settle();
    assert_eq!(r.write(ONE, 1, 8), Touch::Value(8));
    r.confirm(object, 0, 3, KernReturn::Success);
    assert_eq!((r.read(ONE, 0), r.read(ONE, 1)), (Touch::Fault(FaultKind::Missing), Touch::Value(8)));
    assert_eq!(r.stat(object).dirty_pages, 1, "and what was written to it is still to be returned");
}

#[test]
fn vm_pageout_5_an_anonymous_one_counts_as_written_until_its_pager_has_it() {
    let mut r = paged();
    let object = r.allocate(ONE, 0, 400).unwrap();
    for n in (0..57).rev() {
        r.write(ONE, n, 1);
    }
    r.settle();
    r.confirm(object, 0, 9, KernReturn::Success);
    r.settle();
    // It comes back unasked, so that nobody has mapped it, and precious, so that it is returned again.
    let supply = Supply { offset: 3 * PAGE_SIZE, data: page(7), lock: NONE, precious: true, reply: None };
    r.call(|vm, cx| vm.memory_object_data_supply(object, supply, cx));
    let state = |r: &Rig| r.vm.objects[object].pages.get(3).resident().map(|p| (p.dirty, p.leaving));
    for n in (57..400).rev() {
        r.write(ONE, n, 1);
        r.settle();
        if state(&r) == Some((false, true)) {
            break;
        }
        for e in std::mem::take(&mut r.out) {
            if let VmEvent::ToPager { call: ToPager::Synchronize { offset, length, .. }, .. } = e {
                r.confirm(object, offset / PAGE_SIZE, length / PAGE_SIZE, KernReturn::Success);
            }
        }
    }
    assert_eq!(state(&r), Some((false, true)), "its turn came");
    assert_eq!(r.read(ONE, 3), Touch::Value(7));
    assert_eq!(state(&r), Some((true, false)));
}

#[test]
fn vm_pageout_5_nor_does_one_leave_that_a_call_of_the_pager_waits_to_change() {
    let hold_ns = Config::default().hold_ns;
    let mut r = Rig::with(Config { read_ahead: false, memory_limit_bytes: LIMIT * PAGE_SIZE, ..Config::default() });
    let object = r.object(ONE, 200, RW);
    (0..56).for_each(|n| r.bring(object, n));
    r.write(ONE, 0, 7);
    // It waits for the end of a hold.
    r.lock(object, 55, 1, ShouldReturn::Dirty, true, None);
    (56..60).for_each(|n| r.bring(object, n));
    r.settle();
    assert_eq!((r.resident(), r.vm.counters().pages_evicted), (60, 0));
    r.later(hold_ns);
    r.settle();
    assert!(r.vm.counters().pages_evicted > 0);
}

#[test]
fn vm_pageout_6_anonymous_memory_beyond_a_quarter_gets_the_default_pager() {
    let mut r = paged();
    assert_eq!(r.allocate(ONE, 0, 10), None);
    assert_eq!(r.allocate(ONE, 100, 6), None);
    assert_eq!(r.write(ONE, 3, 5), Touch::Value(5));
    assert_eq!((r.vm.pages(), r.events()), ((0, 16), vec![]), "no fault on it reaches the node");
    let object = r.allocate(ONE, 200, 1).expect("there is too much of it");
    assert_eq!(r.events(), ["create 1"]);
    assert_eq!(r.vm.object_stat(object).unwrap().state, "internal");
    // To whoever looks it is like the rest.
    let region = r.vm.vm_region(ONE, at(200)).unwrap();
    assert_eq!((region.object, region.shared), (None, false));
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 10 * PAGE_SIZE, cx)).unwrap();
    assert_eq!(r.vm.pages(), (0, 6));
    // A part that is given back is nobody's any more; of what is frozen the whole file stays.
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(100), 2 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    assert_eq!(r.vm.pages(), (0, 4));
    r.call(|vm, cx| vm.vm_freeze(ONE, &all_of(102, 4, 1), cx)).unwrap();
    r.orders();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(102), 2 * PAGE_SIZE, cx)).unwrap();
    assert_eq!(r.vm.pages(), (0, 4));
    // Without a default pager there is nobody to give it to.
    let mut r = limited();
    assert_eq!(r.allocate(ONE, 0, 100), None);
}

#[test]
fn vm_pageout_14_native_memory_leaves_room_for_what_can_leave() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    // All of the limit, and more.
    assert_eq!(r.allocate(TWO, 0, 2 * LIMIT), None);
    for n in 0..100 {
        r.bring(object, n);
        assert_eq!(r.read(ONE, n), Touch::Value(n as u8 + 1));
        assert!(r.resident() <= LIMIT / 4, "{} after {n}", r.resident());
        r.settle();
    }
    assert_eq!((r.vm.counters().memory_refused, r.vm.pages().1), (0, 2 * LIMIT));
}

#[test]
fn vm_pageout_7_what_nobody_wrote_is_zero_and_no_pager_is_asked() {
    let mut r = paged();
    let object = r.allocate(ONE, 0, 50).unwrap();
    r.events();
    assert_eq!(r.read(ONE, 7), Touch::Value(0));
    assert_eq!((r.resident(), r.stat(object).dirty_pages), (1, 0));
    // In order, several at a time, and writable at once.
    assert_eq!(r.write(ONE, 8, 1), Touch::Value(1));
    assert_eq!(r.resident(), 1 + ZERO_FILL_PAGES_MAX);
    assert_eq!(r.sim.touch(ONE, at(8 + ZERO_FILL_PAGES_MAX - 1), Some(2)), Touch::Value(2));
    assert_eq!(r.events(), [""; 0]);
    // A part of it goes with what it held, the rest with its last mapping; nothing is returned.
    r.sim.unreturned.clear();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 9 * PAGE_SIZE, cx)).unwrap();
    assert_eq!((r.resident(), r.events()), (ZERO_FILL_PAGES_MAX - 1, vec![]));
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(9), 41 * PAGE_SIZE, cx)).unwrap();
    assert_eq!((r.resident(), r.events()), (0, vec!["terminate".to_owned(), "gone".to_owned()]));
}

#[test]
fn vm_pageout_7_what_was_stored_is_asked_for() {
    let mut r = paged();
    let object = r.allocate(ONE, 0, 100).unwrap();
    for n in (0..57).rev() {
        assert_eq!(r.write(ONE, n, n as u8 + 1), Touch::Value(n as u8 + 1));
    }
    r.settle();
    let events = r.events();
    assert_eq!(events.last().unwrap(), "synchronize 0+9");
    r.confirm(object, 0, 9, KernReturn::Success);
    assert_eq!(r.read(ONE, 1), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["request 1+1 read"]);
    r.call(|vm, cx| vm.memory_object_data_unavailable(object, PAGE_SIZE, PAGE_SIZE, NONE, cx));
    assert_eq!(r.read(ONE, 1), Touch::Value(0), "a pager that says zero is believed");
}

#[test]
fn vm_pageout_8_a_task_beyond_its_share_gives_up_pages_first() {
    let mut r = Rig::with(Config {
        read_ahead: false,
        hold_ns: 0,
        task_memory_limit_bytes: 16 * PAGE_SIZE,
        ..Config::default()
    });
    let object = r.object(ONE, 100, RW);
    let other = r.vm.object_create().unwrap();
    r.map_at(TWO, other, 0, 100, RW);
    r.call(|vm, cx| vm.memory_object_ready(other, cx));
    for n in 0..10 {
        r.read(TWO, n);
        r.supply(other, n, page(1), NONE);
    }
    (0..60).for_each(|n| r.bring(object, n));
    r.read(ONE, 60);
    let (greedy, modest) = (r.stat(object).resident_pages, r.stat(other).resident_pages);
    assert!((12..=17).contains(&greedy) && modest == 10, "{greedy} and {modest}");
}

#[test]
fn vm_pageout_13_anonymous_memory_is_what_was_written_whatever_its_pager_takes() {
    for seed in 0..12_u64 {
        let mut r = holding();
        let object = r.allocate(ONE, 0, 150).unwrap();
        let room = if seed % 3 == 0 { 20 } else { 200 };
        let mut swap = Swap::new(room);
        let mut model = [0_u8; 150];
        let mut x = seed + 1;
        let mut random = |below: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 33) % below
        };
        for step in 0..4000_u64 {
            let n = random(150);
            let write = (random(2) == 0).then_some(step as u8);
            // It may fault, wait for the pager, be refused, or go through.
            match (r.touch(ONE, n, write), write) {
                (Touch::Value(_), Some(value)) => model[n as usize] = value,
                (Touch::Value(value), None) => assert_eq!(value, model[n as usize], "page {n}, seed {seed}"),
                (Touch::Fault(_) | BUS_ERROR, _) => {}
                (Touch::SegmentationFault, _) => panic!("it is mapped"),
            }
            Swap::take(&mut r, std::slice::from_mut(&mut swap), &[object]);
            for _ in 0..random(3) {
                swap.answer(&mut r, object);
                Swap::take(&mut r, std::slice::from_mut(&mut swap), &[object]);
            }
            if random(8) == 0 {
                r.later(random(3_000_000));
            }
        }
        assert!(r.sim.lost.is_empty(), "seed {seed}");
        assert!(r.vm.counters().pages_evicted > if room == 20 { 5 } else { 100 }, "seed {seed}");
        assert_eq!(r.vm.counters().memory_refused > 0, room == 20, "seed {seed}");
    }
}
