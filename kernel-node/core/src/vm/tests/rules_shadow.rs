//! Rules [vm.pageout.15] to [vm.pageout.18], one by one. The limit is 64 pages: 16 for native memory, and frozen memory
//! collapses above 48.

use proto::limits::{COLLAPSE_STEP_PAGES, ZERO_FILL_PAGES_MAX};
use proto::{KernReturn, PAGE_SIZE, Prot};

use super::super::*;
use super::rig::*;
use super::sim::Touch;
use super::swap::Swap;

const LIMIT: u64 = 64;

fn limited(hold_ns: u64) -> Rig {
    let memory_limit_bytes = LIMIT * PAGE_SIZE;
    Rig::with(Config { read_ahead: false, hold_ns, memory_limit_bytes, default_pager: true, ..Config::default() })
}

/// A frozen object, as a message brings it: page n has the byte n + 1, and those in `holes` are not there.
fn frozen(r: &mut Rig, pages: u64, holes: std::ops::Range<u64>) -> ObjectId {
    let object = r.call_unchecked(|vm, _| vm.object_frozen(pages - (holes.end - holes.start))).unwrap();
    let there = (0..pages).filter(|page| !holes.contains(page));
    r.sim.objects.insert(object, there.map(|page| (page, vec![page as u8 + 1; PAGE_SIZE as usize])).collect());
    object
}

fn part(object: ObjectId, first: u64, pages: u64) -> FrozenPart {
    FrozenPart { object, offset: first * PAGE_SIZE, size: pages * PAGE_SIZE }
}

/// Maps parts at page `to`, and forgets what is not shown; the object there.
fn map(r: &mut Rig, task: TaskId, to: u64, parts: &[FrozenPart]) -> ObjectId {
    let request = MapRequest { address: at(to), anywhere: false, ..map_request(None, Prot::READ | Prot::WRITE) };
    let request = MapRequest { max_protection: Prot::all(), ..request };
    r.call_unchecked(|vm, cx| vm.vm_map_frozen(task, parts, request, cx)).unwrap();
    r.call(|vm, cx| parts.iter().for_each(|part| vm.object_unused(part.object, cx)));
    r.orders();
    r.vm.region_stats(task, at(to)).unwrap().next().unwrap().memory
}

fn deallocate(r: &mut Rig, task: TaskId, page: u64, pages: u64) {
    r.call(|vm, cx| vm.vm_deallocate(task, at(page), pages * PAGE_SIZE, cx)).unwrap();
    r.orders();
}

fn is_there(r: &Rig, object: ObjectId) -> bool {
    r.vm.object_stat(object).is_some()
}

#[test]
fn vm_pageout_15_frozen_memory_beyond_a_quarter_is_shadowed() {
    let mut r = limited(0);
    let first = frozen(&mut r, 16, 0..0);
    assert_eq!(map(&mut r, ONE, 0, &[part(first, 0, 16)]), first, "a quarter is Linux's alone");
    assert_eq!(r.events(), [""; 0]);
    // What is there already is no more than it was.
    assert_eq!(map(&mut r, TWO, 0, &[part(first, 4, 8)]), first);
    let second = frozen(&mut r, 2, 0..0);
    let shadow = map(&mut r, TWO, 100, &[part(second, 0, 2), part(first, 3, 1), part(second, 0, 1)]);
    assert_ne!(shadow, second);
    assert_eq!(
        (r.events(), r.stat(shadow).state, r.stat(shadow).mappings),
        (vec!["create 4".to_owned()], "internal", 1)
    );
    assert_eq!(r.vm.pages(), (0, 18), "what it shadows counts as before");
    // To whoever looks it is like the rest.
    let region = r.vm.vm_region(TWO, at(100)).unwrap();
    assert_eq!((region.object, region.shared, region.size), (None, false, 4 * PAGE_SIZE));
    let seen: Vec<Touch> = (100..104).map(|n| r.read(TWO, n)).collect();
    assert_eq!(seen, [1, 2, 4, 1].map(Touch::Value));
    // What was shadowed goes with its last shadow, if no map shows it.
    deallocate(&mut r, TWO, 100, 1);
    assert!(is_there(&r, second), "its first page is shadowed twice");
    deallocate(&mut r, TWO, 101, 3);
    assert!(!is_there(&r, second) && !is_there(&r, shadow) && is_there(&r, first));
    assert_eq!((r.events(), r.vm.pages()), (vec!["terminate".to_owned(), "gone".to_owned()], (0, 16)));
    // Without a default pager there is nobody to give it to.
    let config = Config { read_ahead: false, memory_limit_bytes: LIMIT * PAGE_SIZE, ..Config::default() };
    let mut r = Rig::with(config);
    let all = frozen(&mut r, 60, 0..0);
    assert_eq!(map(&mut r, ONE, 0, &[part(all, 0, 60)]), all);
}

#[test]
fn vm_pageout_15_a_map_that_is_full_or_memory_that_is_short_leaves_nothing_behind() {
    let mut r = limited(0);
    let object = frozen(&mut r, 40, 0..0);
    r.sim.fail_next = 1;
    let request = MapRequest { address: at(0), ..map_request(None, RW) };
    let refused = r.call_unchecked(|vm, cx| vm.vm_map_frozen(ONE, &[part(object, 0, 40)], request, cx));
    assert_eq!(refused, Err(KernReturn::ResourceShortage));
    r.call(|vm, cx| vm.object_unused(object, cx));
    assert_eq!((r.vm.object_stats().len(), r.vm.pages(), r.events().len()), (0, (0, 0), 0));
}

#[test]
fn vm_pageout_15_copies_for_a_child_are_shadowed_one_for_what_adjoins() {
    const CHILD: TaskId = TaskId(3);
    let mut r = limited(0);
    let object = r.vm.object_create().unwrap();
    r.map_at(ONE, object, 10, 4, RW);
    r.call(|vm, cx| vm.vm_protect(ONE, at(13), PAGE_SIZE, false, Prot::READ.bits(), cx)).unwrap();
    r.orders();
    r.events();
    let ready = |r: &mut Rig| {
        let brought = frozen(r, 20, 0..0);
        let ready = [(10, 2, 5), (12, 1, 0), (13, 1, 9)].map(|(page, pages, from)| Ready {
            range: at(page)..at(page + pages),
            copy: Some((brought, from * PAGE_SIZE)),
        });
        (brought, ready)
    };
    // Neither the first object nor a second one that cannot be had leaves a trace.
    for spared in [0, 1] {
        let (brought, ready) = ready(&mut r);
        (r.sim.fail_next, r.sim.spare_next) = (1, spared);
        let forked = r.call_unchecked(|vm, cx| vm.task_fork(ONE, CHILD, &ready, true, cx));
        assert_eq!(forked, Err(ForkRefused::Code(KernReturn::ResourceShortage)));
        r.call(|vm, cx| vm.object_unused(brought, cx));
        assert_eq!((r.vm.object_stats().len(), r.vm.pages()), (1, (0, 0)));
    }
    assert_eq!(r.events(), ["create 3", "terminate", "gone"]);
    let (brought, ready) = ready(&mut r);
    assert_eq!(r.call_unchecked(|vm, cx| vm.task_fork(ONE, CHILD, &ready, true, cx)), Ok(vec![]));
    r.call(|vm, cx| vm.object_unused(brought, cx));
    assert_eq!(r.events(), ["create 3", "create 1"], "one for each protection");
    r.call(|vm, cx| vm.task_arrived(CHILD, cx));
    r.orders();
    let seen: Vec<Touch> = (10..14).map(|n| r.read(CHILD, n)).collect();
    assert_eq!(seen, [6, 7, 1, 10].map(Touch::Value));
    assert_eq!(r.write(CHILD, 12, 99), Touch::Value(99));
    assert_eq!(r.write(CHILD, 13, 99), Touch::SegmentationFault);
}

#[test]
fn vm_pageout_16_a_page_comes_up_when_it_is_touched() {
    let mut r = limited(0);
    let below = frozen(&mut r, 40, 30..32);
    let shadow = map(&mut r, ONE, 0, &[part(below, 0, 40)]);
    r.events();
    assert_eq!((r.read(ONE, 7), r.resident()), (Touch::Value(8), 1));
    assert_eq!((r.write(ONE, 20, 99), r.stat(shadow).dirty_pages), (Touch::Value(99), 1));
    assert_eq!(r.read(ONE, 30), Touch::Value(0), "a hole");
    let classes = r.classes();
    assert!(classes.is_empty(), "no fault waited");
    let counters = r.vm.counters();
    assert_eq!((counters.cow_faults, counters.faults_of(FaultClass::Minor)), (3, 3));
    // In order, several at a time, and no further than what is below goes on.
    assert_eq!((r.read(ONE, 8), r.resident()), (Touch::Value(9), 3 + ZERO_FILL_PAGES_MAX - 4));
    assert_eq!(r.sim.touch(ONE, at(19), None), Touch::Value(20));
    assert_eq!(r.sim.objects[&below].len(), 38, "what is below stays as it is");
    // The sender's page is the sender's.
    assert_eq!(
        map(&mut r, TWO, 50, &[part(below, 20, 1)]),
        r.vm.region_stats(TWO, at(50)).unwrap().next().unwrap().memory
    );
    assert_eq!(r.read(TWO, 50), Touch::Value(21));
}

#[test]
fn vm_pageout_16_what_was_not_written_goes_without_a_word_and_comes_up_again() {
    let mut r = limited(0);
    let below = frozen(&mut r, 40, 0..0);
    map(&mut r, ONE, 0, &[part(below, 0, 40)]);
    // It is shown elsewhere, and so does not collapse.
    r.call_unchecked(|vm, _| vm.config.default_pager = false);
    map(&mut r, TWO, 100, &[part(below, 0, 40)]);
    r.events();
    for n in 0..40 {
        assert_eq!(r.read(ONE, n), Touch::Value(n as u8 + 1));
        r.settle();
    }
    assert!(r.resident() <= 24 && r.vm.counters().pages_evicted > 15, "{}", r.resident());
    for n in (0..40).rev() {
        assert_eq!(r.read(ONE, n), Touch::Value(n as u8 + 1));
        r.settle();
    }
    assert_eq!((r.events(), r.sim.objects[&below].len()), (vec![], 40));
}

#[test]
fn vm_pageout_17_what_only_shadows_want_becomes_theirs_when_there_is_much() {
    let mut r = limited(0);
    let below = frozen(&mut r, 40, 4..8);
    let shadow = map(&mut r, ONE, 0, &[part(below, 0, 40)]);
    assert_eq!((r.read(ONE, 2), r.write(ONE, 30, 99)), (Touch::Value(3), Touch::Value(99)));
    r.settle();
    assert_eq!((r.resident(), r.vm.pages().1), (2, 36), "there is room for both");
    assert_eq!(r.vm.next_deadline(), None);
    // More than ten pages more.
    let file = r.object(TWO, 100, RW);
    let mut swap = Swap::new(200);
    for n in 0..13 {
        r.read(TWO, n);
        r.supply(file, n, page(1), NONE);
        swap.serve(&mut r, shadow);
    }
    for _ in 0..40 {
        swap.serve(&mut r, shadow);
        r.later(1_000_000);
    }
    assert!(!is_there(&r, below) && !r.sim.objects.contains_key(&below));
    assert!(r.vm.pages().1 == 0 && r.resident() <= LIMIT, "{:?}", r.vm.pages());
    let mut seen = Vec::new();
    for n in 0..40 {
        r.read(ONE, n);
        swap.serve(&mut r, shadow);
        seen.push(r.read(ONE, n));
    }
    let model = |n: u8| match n {
        30 => 99,
        4..8 => 0,
        _ => n + 1,
    };
    let model = |n: u8| Touch::Value(model(n));
    assert_eq!(seen, (0..40).map(model).collect::<Vec<_>>());
}

#[test]
fn vm_pageout_17_a_step_has_so_many_pages_and_holes_are_none() {
    let mut r = Rig::with(Config {
        read_ahead: false,
        hold_ns: 0,
        memory_limit_bytes: 4096 * PAGE_SIZE,
        default_pager: true,
        ..Config::default()
    });
    // Some of it is there, most is not.
    let below = r.call_unchecked(|vm, _| vm.object_frozen(4000)).unwrap();
    let there = (0..300).chain(1_000_000..1_000_010);
    r.sim.objects.insert(below, there.clone().map(|page| (page, vec![7; PAGE_SIZE as usize])).collect());
    let shadow = map(&mut r, ONE, 0, &[part(below, 0, 1_000_010)]);
    r.later(0);
    assert_eq!(r.resident(), COLLAPSE_STEP_PAGES);
    r.settle();
    assert_eq!(r.resident(), COLLAPSE_STEP_PAGES, "a pause");
    (0..8).for_each(|_| r.later(1_000_000));
    assert_eq!((r.resident(), is_there(&r, below), r.stat(shadow).dirty_pages), (310, false, 310));
    assert_eq!(
        (r.read(ONE, 299), r.read(ONE, 1_000_009), r.read(ONE, 500)),
        (Touch::Value(7), Touch::Value(7), Touch::Value(0))
    );
}

#[test]
fn vm_pageout_17_it_stays_where_the_default_pager_is_full_and_can_be_looked_at() {
    let mut r = limited(Config::default().hold_ns);
    let below = frozen(&mut r, 60, 0..0);
    let shadow = map(&mut r, ONE, 0, &[part(below, 0, 60)]);
    let mut swap = Swap::new(0);
    for _ in 0..200 {
        swap.serve(&mut r, shadow);
        r.later(5_000_000);
    }
    assert!(is_there(&r, below) && r.resident() <= LIMIT / 4);
    // All of it, again and again: what was only looked at leaves for what is to be.
    for n in (0..60).chain((0..60).rev()) {
        let seen = swap.read(&mut r, shadow, (ONE, n), 50, 5_000_000);
        assert_eq!(seen, Some(Touch::Value(n as u8 + 1)));
    }
    assert_eq!(r.vm.counters().memory_refused, 0);
    // It goes on when there is room again.
    swap.room = 200;
    for _ in 0..200 {
        swap.serve(&mut r, shadow);
        r.later(60_000_000);
    }
    assert!(!is_there(&r, below));
}

#[test]
fn vm_pageout_17_what_is_mapped_again_does_not_collapse() {
    let mut r = limited(0);
    let below = frozen(&mut r, 60, 0..0);
    map(&mut r, ONE, 0, &[part(below, 0, 60)]);
    r.call_unchecked(|vm, _| vm.config.default_pager = false);
    assert_eq!(map(&mut r, TWO, 0, &[part(below, 0, 60)]), below);
    r.settle();
    assert_eq!((r.resident(), is_there(&r, below)), (0, true));
    deallocate(&mut r, TWO, 0, 60);
    r.later(1_000_000);
    assert!(r.resident() > 0 || !is_there(&r, below));
}

#[test]
fn vm_pageout_18_each_shadow_is_what_was_written_to_it_whatever_its_pager_takes() {
    for seed in 0..12_u64 {
        let mut r = limited(Config::default().hold_ns);
        let room = if seed % 3 == 0 { 20 } else { 400 };
        let below = frozen(&mut r, 60, 10..15);
        let parts = [part(below, 30, 30), part(below, 0, 60)];
        let shadows = [(ONE, map(&mut r, ONE, 0, &parts)), (TWO, map(&mut r, TWO, 0, &parts[1..]))];
        let mut swaps = [Swap::new(room), Swap::new(room)];
        let begins = |n: u64| if (10..15).contains(&n) { 0 } else { n as u8 + 1 };
        let mut models = [(30..60).chain(0..60).map(begins).collect::<Vec<u8>>(), (0..60).map(begins).collect()];
        let mut x = seed + 1;
        let mut random = |below: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 33) % below
        };
        for step in 0..4000_u64 {
            let which = random(2) as usize;
            let ((task, _), model) = (shadows[which], &mut models[which]);
            let n = random(model.len() as u64);
            let write = (random(3) == 0).then_some(step as u8);
            match (r.touch(task, n, write), write) {
                (Touch::Value(_), Some(value)) => model[n as usize] = value,
                (Touch::Value(value), None) => assert_eq!(value, model[n as usize], "page {n}, seed {seed}"),
                (Touch::Fault(_) | Touch::BusError, _) => {}
                (Touch::SegmentationFault, _) => panic!("it is mapped"),
            }
            Swap::take(&mut r, &mut swaps, &shadows.map(|(_, object)| object));
            for _ in 0..random(4) {
                let which = random(2) as usize;
                swaps[which].answer(&mut r, shadows[which].1);
                Swap::take(&mut r, &mut swaps, &shadows.map(|(_, object)| object));
            }
            if random(8) == 0 {
                r.later(random(3_000_000));
            }
        }
        assert!(r.sim.lost.is_empty(), "seed {seed}");
        assert!(r.vm.counters().pages_evicted > if room == 20 { 5 } else { 100 }, "seed {seed}");
        assert_eq!(is_there(&r, below), room == 20, "seed {seed}");
    }
}
