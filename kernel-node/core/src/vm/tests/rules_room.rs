//! Rules [vm.pageout.9] and [vm.pageout.10]: who waits for room in memory, and who is told that there is none.

use proto::limits::PAGE_OUT_LOOK_PAGES;
use proto::{KernReturn, PAGE_SIZE};

use super::super::*;
use super::limited::*;
use super::rig::*;
use super::sim::Touch;
use super::swap::Swap;

#[test]
fn vm_pageout_9_who_comes_when_there_is_no_room_waits_for_some() {
    let mut r = limited();
    let object = r.object(ONE, 200, RW);
    (0..56).for_each(|n| r.bring(object, n));
    (0..56).for_each(|n| assert_eq!(r.write(ONE, n, 1), Touch::Value(1)));
    // All is written, and the pager does not answer.
    (56..64).for_each(|n| r.bring(object, n));
    (56..64).for_each(|n| assert_eq!(r.write(ONE, n, 1), Touch::Value(1)));
    r.settle();
    let first: Vec<String> = r.events().into_iter().filter(|e| e.starts_with("synchronize")).collect();
    assert_eq!(first, ["synchronize 0+9"]);
    assert_eq!(r.read(ONE, 64), Touch::Fault(FaultKind::Missing));
    r.settle();
    assert_eq!((r.resident(), r.events()), (LIMIT, vec![]), "it is not asked for");
    r.confirm(object, 0, 9, KernReturn::Success);
    r.settle();
    assert!(r.events().contains(&"request 64+1 read".to_owned()));
    r.supply(object, 64, page(3), NONE);
    assert_eq!(r.read(ONE, 64), Touch::Value(3));
}

#[test]
fn vm_pageout_9_who_comes_while_others_wait_comes_behind_them_and_all_have_their_turn() {
    let mut r = paged();
    r.object(TWO, 100, RW);
    let object = r.allocate(ONE, 0, 200).unwrap();
    for n in (0..62).rev() {
        assert_eq!(r.write(ONE, n, 1), Touch::Value(1));
    }
    assert_eq!(
        r.write(ONE, 100, 1),
        Touch::Fault(FaultKind::Missing),
        "more is not to be had until something has left"
    );
    r.events();
    // For a page of a file there would be room; it has its turn, though the first still waits.
    assert_eq!((r.vm.room(super::super::pageout::Need::Other), r.read(TWO, 0)), (0, Touch::Fault(FaultKind::Missing)));
    r.settle();
    assert_eq!(r.events(), ["request 0+1 read"]);
    let round = r.vm.objects[object].round.clone().unwrap();
    r.confirm(object, round.range.start, round.range.end - round.range.start, KernReturn::Success);
    r.settle();
    assert_eq!(r.sim.touch(ONE, at(100), Some(1)), Touch::Value(1));
}

#[test]
fn vm_pageout_10_a_refused_page_is_still_there_and_more_memory_is_an_error() {
    let mut r = holding();
    let object = r.allocate(ONE, 0, 200).unwrap();
    let file = r.object(TWO, 100, RW);
    let (mut taken, mut refused) = (0, 0);
    // Every round is refused, as by a default pager that is full.
    for n in 0..100 {
        for _ in 0..200 {
            if r.write(ONE, n, n as u8 + 1) == BUS_ERROR {
                refused += 1;
                break;
            }
            for e in std::mem::take(&mut r.out) {
                if let VmEvent::ToPager { call: ToPager::Synchronize { offset, length, .. }, .. } = e {
                    r.confirm(object, offset / PAGE_SIZE, length / PAGE_SIZE, KernReturn::ResourceShortage);
                }
            }
            r.settle();
            if r.sim.mapped(ONE, at(n)) == Some(true) {
                taken += 1;
                break;
            }
            r.later(1_000_000);
        }
    }
    assert_eq!(taken + refused, 100);
    assert!((50..=62).contains(&taken), "{taken} pages were taken");
    assert_eq!(r.vm.counters().memory_refused, refused);
    assert!(r.sim.lost.is_empty());
    (0..taken).for_each(|n| assert_eq!(r.read(ONE, n), Touch::Value(n as u8 + 1)));
    // There is room for others, whose own pages leave for it.
    for n in 0..50 {
        r.read(TWO, n);
        r.settle();
        r.supply(file, n, page(1), NONE);
        assert_eq!(r.read(TWO, n), Touch::Value(1), "page {n}");
    }
    // When there is room again, what was refused can be had.
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 60 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    for _ in 0..10 {
        r.later(60_000_000);
    }
    assert!((taken.max(60)..100).all(|n| r.read(ONE, n) == Touch::Value(0) && r.write(ONE, n, 9) == Touch::Value(9)));
}

#[test]
fn vm_pageout_10_what_came_before_is_served_when_native_memory_has_taken_the_room_since() {
    let mut r = holding();
    let object = r.allocate(ONE, 0, 200).unwrap();
    let file = r.object(TWO, 100, RW);
    let mut swap = Swap::new(10);
    // As much as there is room for, in memory and with a default pager that takes ten.
    let mut filled = 0;
    for n in 0..200 {
        for _ in 0..200 {
            if r.write(ONE, n, n as u8 + 1) == Touch::Value(n as u8 + 1) {
                filled = n + 1;
                break;
            }
            swap.serve(&mut r, object);
            r.later(1_000_000);
        }
        if filled != n + 1 {
            break;
        }
    }
    assert!((50..80).contains(&filled), "{filled}");
    // Now it is all Linux's.
    let frozen = r.call_unchecked(|vm, _| vm.object_frozen(LIMIT)).unwrap();
    r.sim.objects.insert(frozen, Default::default());
    r.call_unchecked(|vm, _| vm.config.default_pager = false);
    let (part, request) = (FrozenPart { object: frozen, offset: 0, size: PAGE_SIZE }, map_request(None, RW));
    r.call(|vm, cx| vm.vm_map_frozen(TWO, &[part], MapRequest { address: at(1000), ..request }, cx)).unwrap();
    r.orders();
    for n in 0..20 {
        let seen = (0..20).find(|_| {
            r.read(TWO, n);
            swap.serve(&mut r, object);
            r.supply(file, n, page(1), NONE);
            let seen = r.read(TWO, n);
            r.later(1_000_000);
            seen == Touch::Value(1)
        });
        assert!(seen.is_some(), "page {n} of a file");
    }
    for n in 0..filled {
        let seen = swap.read(&mut r, object, (ONE, n), 200, 1_000_000);
        assert_eq!(seen, Some(Touch::Value(n as u8 + 1)), "page {n} of what has the default pager");
    }
    assert_eq!(r.vm.counters().timeouts, 0);
}

/// An object with more written pages than one step looks at, of the default pager; half of the limit, how many they are.
fn half_full() -> (Rig, ObjectId, u64) {
    let pages = PAGE_OUT_LOOK_PAGES * 3 / 2;
    let mut r = of_pages(2 * pages, Config { default_pager: true, ..Config::default() });
    let object = r.allocate(ONE, 0, 2 * pages).unwrap();
    for n in 0..pages {
        assert_eq!(r.write(ONE, n, 1), Touch::Value(1));
    }
    (r, object, pages)
}

/// Pages that the hand passes over for the sake of a round are no sign that nothing can leave.
#[test]
fn vm_pageout_10_nobody_is_refused_for_a_round_that_has_only_just_ended() {
    let mut r = paged();
    let object = r.allocate(ONE, 0, 200).unwrap();
    for n in (0..62).rev() {
        assert_eq!(r.write(ONE, n, 1), Touch::Value(1));
    }
    assert_eq!(r.write(ONE, 62, 1), Touch::Fault(FaultKind::Missing), "there is no room, and a round is under way");
    let round = r.vm.objects[object].round.clone().unwrap();
    // Everybody comes to everything meanwhile, and the hand has been round twice.
    for n in 0..62 {
        r.vm.objects[object].came_to(n, true);
    }
    (r.vm.page_out.hand.at, r.vm.page_out.hand.barren) = (Some((object, super::super::page::PAGES_MAX)), 2);
    r.confirm(object, round.range.start, round.range.end - round.range.start, KernReturn::Success);
    r.settle();
    assert_eq!((r.vm.counters().memory_refused, r.vm.page_out.rounds), (0, 1), "another one");
}

/// Nor are pages that it has only spared, however often it has gone round in vain before these came.
#[test]
fn vm_pageout_10_nobody_is_refused_while_the_hand_spares_pages() {
    let (mut r, object, pages) = half_full();
    for n in 0..pages {
        r.vm.objects[object].came_to(n, true);
    }
    // As if frozen memory took the rest all at once.
    r.vm.config.memory_limit_bytes = pages / 2 * PAGE_SIZE;
    (r.vm.page_out.hand.at, r.vm.page_out.hand.barren) = (Some((object, super::super::page::PAGES_MAX)), 2);
    assert_eq!(r.write(ONE, 2 * pages - 1, 1), Touch::Fault(FaultKind::Missing), "there is no room");
    r.settle();
    assert_eq!((r.vm.counters().memory_refused, r.vm.page_out.rounds), (0, 1));
}

/// Nor do objects that have no page any more count as a round each.
#[test]
fn vm_pageout_10_nobody_is_refused_for_objects_that_have_become_empty() {
    let mut r = paged();
    let mut objects = [500, 520, 540, 560, 0].map(|to| {
        r.out.clear();
        r.allocate(ONE, to, 17).unwrap()
    });
    objects.sort();
    let [empty @ .., object] = objects;
    let first = r.vm.tasks[&ONE].entries().find(|e| e.object == object).map(|e| e.start).unwrap();
    for n in 0..8 {
        assert_eq!(r.write(ONE, (first - BASE) / PAGE_SIZE + n, 1), Touch::Value(1));
    }
    for n in 0..8 {
        r.vm.objects[object].pages.update(n, |page| page.referenced = false);
    }
    r.vm.page_out.clock.extend(empty);
    r.vm.page_out.hand.at = Some((object, super::super::page::PAGES_MAX));
    r.call(|vm, cx| vm.clock_step(4, cx));
    assert_eq!((r.vm.page_out.rounds, r.vm.page_out.clock.len()), (1, 1), "it came to the one behind them");
}

/// However often it is looked meanwhile what a task beyond its share could give up.
#[test]
fn vm_pageout_10_who_can_get_no_room_is_told_so_while_others_are_beyond_their_share() {
    let (mut r, object, pages) = half_full();
    // The default pager has refused all of it, and something has taken the room that there was.
    r.vm.objects[object].left_alone_until = Time(u64::MAX);
    r.vm.config.task_memory_limit_bytes = PAGE_OUT_LOOK_PAGES * PAGE_SIZE;
    r.vm.config.memory_limit_bytes = pages / 2 * PAGE_SIZE;
    assert_eq!(r.write(ONE, 2 * pages - 1, 1), Touch::Fault(FaultKind::Missing));
    let steps = (1..100).find(|_| {
        r.call(|vm, cx| vm.page_out(Some(ONE), cx));
        r.vm.counters().memory_refused > 0
    });
    assert!(steps.is_some_and(|steps| steps < 12), "{steps:?}");
}
