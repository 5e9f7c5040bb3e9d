//! Rules [vm.inherit.8] and [vm.copy.11]: children by fork(2), and copies that are being made, shadow the memory of the default
//! pager.

use proto::limits::SHADOW_DEPTH_MAX;
use proto::{Inherit, KernReturn, PAGE_SIZE};

use super::super::*;
use super::rig::*;
use super::sim::Touch;
use super::swap::Swap;

const CHILD: TaskId = TaskId(3);

/// A quarter of so many pages is Linux's alone, and another task's, so that nothing else is.
fn limited(pages: u64, hold_ns: u64) -> Rig {
    let memory_limit_bytes = pages * PAGE_SIZE;
    let config = Config { read_ahead: false, hold_ns, memory_limit_bytes, default_pager: true, ..Config::default() };
    let mut r = Rig::with(config);
    r.call(|vm, cx| vm.vm_allocate(TWO, at(0), pages / 4 * PAGE_SIZE, false, cx)).unwrap();
    r.orders();
    r
}

/// Memory of the default pager at page 0.
fn allocate(r: &mut Rig, task: TaskId, pages: u64) -> ObjectId {
    r.call(|vm, cx| vm.vm_allocate(task, at(0), pages * PAGE_SIZE, false, cx)).unwrap();
    r.orders();
    memory(r, task)
}

fn memory(r: &Rig, task: TaskId) -> ObjectId {
    r.vm.region_stats(task, at(0)).unwrap().next().unwrap().memory
}

/// The child has attached when this returns; the object that it shows.
fn fork(r: &mut Rig, parent: TaskId, child: TaskId) -> ObjectId {
    let kept = r.call(|vm, cx| vm.task_fork(parent, child, &[], true, cx)).unwrap();
    assert_eq!(kept, [], "Linux hands nothing of it on");
    r.call(|vm, cx| vm.task_arrived(child, cx));
    r.orders();
    memory(r, child)
}

fn gone(r: &mut Rig, task: TaskId) {
    r.sim.task_gone(task);
    r.call(|vm, cx| vm.task_gone(task, cx));
}

#[test]
fn vm_inherit_8_each_sees_its_own_from_the_fork_on() {
    let mut r = limited(400, 0);
    let parent = allocate(&mut r, ONE, 50);
    // In no order, so that each is alone.
    for n in [9, 7, 5, 3, 1] {
        assert_eq!(r.write(ONE, n, n as u8), Touch::Value(n as u8));
    }
    let child = fork(&mut r, ONE, CHILD);
    assert_ne!(child, parent);
    assert_eq!(r.events(), ["create 50", "create 50"]);
    assert!([1, 3, 5, 7, 9].iter().all(|n| r.sim.mapped(ONE, at(*n)) == Some(false)), "write-protected, all of it");
    assert_eq!(r.resident(), 5, "and nothing was copied");
    // The parent writes: the child has the page as it was.
    assert_eq!((r.write(ONE, 3, 103), r.resident()), (Touch::Value(103), 6));
    assert_eq!((r.read(CHILD, 3), r.read(ONE, 3)), (Touch::Value(3), Touch::Value(103)));
    // The child does, and the parent has not noticed.
    assert_eq!((r.write(CHILD, 5, 205), r.read(ONE, 5)), (Touch::Value(205), Touch::Value(5)));
    // What nobody had is zero to both, and each one's own.
    assert_eq!((r.write(ONE, 20, 120), r.read(CHILD, 20)), (Touch::Value(120), Touch::Value(0)));
    assert_eq!((r.write(CHILD, 30, 230), r.read(ONE, 30)), (Touch::Value(230), Touch::Value(0)));
    // A page that both only read is copied for the child, and goes without a word.
    assert_eq!((r.read(CHILD, 9), r.stat(child).dirty_pages), (Touch::Value(9), 4));
    // A second write costs nothing.
    let before = r.resident();
    assert_eq!((r.write(ONE, 3, 113), r.resident()), (Touch::Value(113), before));
    // A child without a fork has a copy, which is to be made.
    let asked = r.call(|vm, cx| vm.task_fork(ONE, TaskId(9), &[], false, cx));
    assert!(matches!(asked, Err(ForkRefused::NotReady(parts)) if parts.len() == 1));
}

#[test]
fn vm_inherit_8_once_nobody_shadows_it_a_page_is_written_to_with_those_behind_it() {
    let mut r = limited(400, 0);
    allocate(&mut r, ONE, 50);
    for n in (0..20).rev() {
        r.write(ONE, n, 1);
    }
    fork(&mut r, ONE, CHILD);
    let writable = |r: &Rig| (0..20).filter(|n| r.sim.mapped(ONE, at(*n)) == Some(true)).collect::<Vec<u64>>();
    assert_eq!((r.write(ONE, 4, 2), writable(&r)), (Touch::Value(2), vec![4]));
    gone(&mut r, CHILD);
    assert_eq!((r.write(ONE, 6, 2), writable(&r)), (Touch::Value(2), [4].into_iter().chain(6..16).collect()));
}

#[test]
fn vm_inherit_8_who_writes_in_order_waits_once_for_several_pages() {
    let mut r = limited(400, 0);
    let parent = allocate(&mut r, ONE, 50);
    for n in (0..20).rev() {
        r.write(ONE, n, n as u8 + 1);
    }
    fork(&mut r, ONE, CHILD);
    // Taken away, and not found out yet.
    r.sim.remove(parent, 9);
    let writable = |r: &Rig| (0..20).filter(|n| r.sim.mapped(ONE, at(*n)) == Some(true)).collect::<Vec<u64>>();
    assert_eq!((r.write(ONE, 4, 100), writable(&r)), (Touch::Value(100), vec![4]));
    assert_eq!((r.write(ONE, 5, 100), writable(&r)), (Touch::Value(100), (4..9).collect()));
    assert!((6..9).all(|n| r.write(ONE, n, 100) == Touch::Value(100)));
    let seen: Vec<Touch> = (4..9).map(|n| r.read(CHILD, n)).collect();
    assert_eq!(seen, [5, 6, 7, 8, 9].map(Touch::Value), "the child has each as it was");
    assert_eq!((r.write(ONE, 9, 7), r.read(CHILD, 9)), (Touch::Value(7), Touch::BusError));
}

#[test]
fn vm_inherit_8_what_is_below_stays_when_the_parent_goes_and_goes_with_the_last_child() {
    let mut r = limited(400, 0);
    let parent = allocate(&mut r, ONE, 50);
    for n in (0..50).rev() {
        r.write(ONE, n, n as u8 + 1);
    }
    fork(&mut r, ONE, CHILD);
    fork(&mut r, CHILD, TaskId(4));
    r.events();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 20 * PAGE_SIZE, cx)).unwrap();
    gone(&mut r, ONE);
    gone(&mut r, CHILD);
    assert_eq!(r.events(), [""; 0]);
    assert!((0..50).all(|n| r.read(TaskId(4), n) == Touch::Value(n as u8 + 1)));
    assert_eq!(r.stat(parent).mappings, 0);
    gone(&mut r, TaskId(4));
    assert_eq!(r.events(), ["terminate", "gone", "terminate", "gone", "terminate", "gone"]);
    assert_eq!((r.resident(), r.vm.object_stats().len()), (0, 1));
}

#[test]
fn vm_inherit_8_a_page_that_has_left_below_comes_up_when_it_has_come() {
    let mut r = limited(48, 0);
    let parent = allocate(&mut r, ONE, 40);
    let mut swap = Swap::new(100);
    for n in (0..40).rev() {
        r.write(ONE, n, n as u8 + 1);
        swap.serve(&mut r, parent);
    }
    swap.serve(&mut r, parent);
    let has_left = |r: &Rig, n: u64| r.vm.objects[parent].pages.get(n).resident().is_none();
    let left: Vec<u64> = (0..40).filter(|n| has_left(&r, *n)).collect();
    let [first, second, ..] = left[..] else { panic!("{left:?} have left") };
    fork(&mut r, ONE, CHILD);
    swap.serve(&mut r, parent);
    r.events();
    assert_eq!(r.read(CHILD, first), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.read(CHILD, first), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), [format!("request {first}+1 read")], "the parent's pager, once");
    let error = KernReturn::Failure;
    r.call(|vm, cx| vm.memory_object_data_error(parent, first * PAGE_SIZE, PAGE_SIZE, error, cx));
    assert_eq!(r.read(CHILD, first), Touch::BusError, "what cannot be had is an error for who waits for it");
    assert_eq!(r.read(ONE, first), Touch::Fault(FaultKind::Missing));
    swap.serve(&mut r, parent);
    assert_eq!(r.read(ONE, first), Touch::Value(first as u8 + 1));
    assert_eq!(r.read(CHILD, second), Touch::Fault(FaultKind::Missing));
    swap.serve(&mut r, parent);
    assert_eq!(r.read(CHILD, second), Touch::Value(second as u8 + 1));
}

#[test]
fn vm_inherit_8_so_many_generations_and_then_a_copy() {
    let mut r = limited(4000, 0);
    allocate(&mut r, ONE, 20);
    r.write(ONE, 3, 33);
    let mut task = ONE;
    for generation in 0..SHADOW_DEPTH_MAX as u32 {
        let child = TaskId(10 + generation);
        fork(&mut r, task, child);
        r.write(child, 4 + u64::from(generation), 44);
        task = child;
    }
    assert_eq!(r.read(task, 3), Touch::Value(33));
    let refused = r.call(|vm, cx| vm.task_fork(task, TaskId(99), &[], true, cx));
    assert!(matches!(refused, Err(ForkRefused::NotReady(parts)) if parts.len() == 1 && !parts[0].share));
    // Its parent still can.
    fork(&mut r, TaskId(10), TaskId(99));
}

#[test]
fn vm_inherit_8_a_page_that_the_parent_takes_away_is_an_error_and_no_zero() {
    let mut r = limited(400, 0);
    let parent = allocate(&mut r, ONE, 50);
    for n in [8, 6, 4, 2] {
        r.write(ONE, n, 7);
    }
    fork(&mut r, ONE, CHILD);
    assert_eq!(r.read(CHILD, 8), Touch::Value(7));
    [8, 6, 4].iter().for_each(|page| r.sim.remove(parent, *page));
    // The parent finds it first, or the child does.
    assert_eq!(r.read(ONE, 6), Touch::Value(0));
    let seen: Vec<Touch> = [8, 6, 4, 2].iter().map(|n| r.read(CHILD, *n)).collect();
    assert_eq!(seen, [Touch::Value(7), Touch::BusError, Touch::BusError, Touch::Value(7)]);
    assert_eq!((r.write(ONE, 6, 9), r.read(ONE, 6)), (Touch::Value(9), Touch::Value(9)));
    assert_eq!(r.read(CHILD, 6), Touch::BusError);
    assert_eq!(r.vm.counters().memory_refused, 0, "there was room");
}

#[test]
fn vm_inherit_8_copies_have_a_bound_where_nothing_can_leave() {
    let mut r = limited(64, 0);
    allocate(&mut r, ONE, 45);
    for n in (0..45).rev() {
        r.write(ONE, n, n as u8 + 1);
    }
    for child in 0..2 {
        fork(&mut r, ONE, TaskId(3 + child));
    }
    // Nobody answers, so that nothing leaves; who writes goes on.
    assert!((0..45).all(|n| r.write(ONE, n, 100) == Touch::Value(100)));
    assert_eq!(r.resident(), 64 + 32);
    let mut refused = 0;
    let seen = |r: &mut Rig, child| (0..45).map(|n| r.read(TaskId(child), n)).collect::<Vec<Touch>>();
    for child in [3, 4] {
        let seen = seen(&mut r, child);
        let (there, gone): (Vec<_>, Vec<_>) = (0..45).partition(|n| seen[*n] == Touch::Value(*n as u8 + 1));
        assert!(there.len() > 20 && gone.len() > 15, "{seen:?}");
        assert!(gone.iter().all(|n| seen[*n] == Touch::BusError), "{seen:?}");
        refused += gone.len() as u64;
    }
    assert_eq!(r.vm.counters().memory_refused, refused);
}

/// What a freeze of a task's first pages answers: of each part, whether it is frozen, and the page at which it is mapped aside.
fn freeze(r: &mut Rig, task: TaskId, pages: u64, busy: bool) -> Vec<(bool, Option<u64>)> {
    let wanted = FreezeRequest { busy, ..all_of(0, pages, 9) };
    let parts = r.call(|vm, cx| vm.vm_freeze(task, &wanted, cx)).unwrap();
    r.orders();
    parts.into_iter().map(|p| (p.object.is_some(), p.aside.map(|at| (at - BASE) / PAGE_SIZE))).collect()
}

/// What is mapped aside there is not any more.
fn copied(r: &mut Rig, task: TaskId, page: u64) {
    r.call(|vm, cx| vm.vm_unmap_aside(task, at(page), cx)).unwrap();
    r.orders();
}

#[test]
fn vm_copy_11_a_copy_of_the_default_pagers_memory_is_of_the_moment_when_it_was_asked_for() {
    let mut r = limited(400, 0);
    allocate(&mut r, ONE, 50);
    for n in [9, 7, 5, 3, 1] {
        r.write(ONE, n, n as u8);
    }
    assert_eq!(freeze(&mut r, ONE, 50, false), [(false, None)], "nobody writes meanwhile");
    r.events();
    let [(false, Some(aside))] = freeze(&mut r, ONE, 50, true)[..] else { panic!("nothing is aside") };
    assert_eq!((r.events(), r.resident()), (vec!["create 50".to_string()], 5), "nothing was copied yet");
    for n in [3, 20, 9] {
        assert_eq!(r.write(ONE, n, 100), Touch::Value(100));
    }
    let seen: Vec<Touch> = [1, 3, 5, 9, 20, 21].iter().map(|n| r.read(ONE, aside + n)).collect();
    assert_eq!(seen, [1, 3, 5, 9, 0, 0].map(Touch::Value));
    assert_eq!(r.write(ONE, aside + 1, 7), Touch::SegmentationFault);
    copied(&mut r, ONE, aside);
    assert_eq!(r.events(), ["terminate", "gone"]);
    assert_eq!(
        (r.read(ONE, 3), r.read(ONE, 20), r.read(ONE, 5)),
        (Touch::Value(100), Touch::Value(100), Touch::Value(5))
    );
    assert_eq!(r.call(|vm, cx| vm.vm_unmap_aside(ONE, at(aside), cx)), None);
}

#[test]
fn vm_copy_11_so_it_is_of_what_another_task_may_write_to() {
    let mut r = limited(400, 0);
    allocate(&mut r, ONE, 50);
    r.call(|vm, _| vm.vm_inherit(ONE, at(0), 50 * PAGE_SIZE, Inherit::Share as u32)).unwrap();
    r.write(ONE, 4, 4);
    fork(&mut r, ONE, CHILD);
    let [(false, Some(aside))] = freeze(&mut r, ONE, 50, false)[..] else { panic!("nothing is aside") };
    assert_eq!(r.write(CHILD, 4, 44), Touch::Value(44));
    assert_eq!((r.read(ONE, 4), r.read(ONE, aside + 4)), (Touch::Value(44), Touch::Value(4)));
    // It goes with the task, if that never says that it is done.
    gone(&mut r, ONE);
    gone(&mut r, CHILD);
    assert_eq!((r.resident(), r.vm.object_stats().len()), (0, 1));
}

#[test]
fn vm_copy_11_what_adjoins_is_had_together_and_what_cannot_be_as_it_is_by_then() {
    let mut r = limited(4000, 0);
    let object = allocate(&mut r, ONE, 20);
    r.call(|vm, cx| vm.vm_protect(ONE, at(5), PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    r.orders();
    let [(_, Some(first)), (_, Some(second)), (_, Some(third))] = freeze(&mut r, ONE, 20, true)[..] else { panic!() };
    assert_eq!((second - first, third - first), (5, 6), "one mapping");
    copied(&mut r, ONE, first);
    // Beside memory of another pager.
    let other = r.vm.object_create().unwrap();
    r.map_at(ONE, other, 20, 4, RW);
    assert_eq!(freeze(&mut r, ONE, 24, true).last(), Some(&(false, None)));
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(20), 4 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    assert_eq!(r.vm.depth(object), 0);
    // What shadows as much as may be can be shadowed no more.
    let mut task = ONE;
    for generation in 0..SHADOW_DEPTH_MAX as u32 {
        fork(&mut r, task, TaskId(10 + generation));
        task = TaskId(10 + generation);
    }
    assert_eq!(freeze(&mut r, task, 20, true)[0], (false, None));
}

/// A process of the property below: its pages as they should be.
struct Process {
    task: TaskId,
    object: ObjectId,
    model: Vec<u8>,
}

#[test]
fn vm_inherit_8_generations_have_what_was_there_when_they_forked() {
    const PAGES: u64 = 30;
    for seed in 0..10_u64 {
        let mut r = limited(100, Config::default().hold_ns);
        let object = allocate(&mut r, ONE, PAGES);
        let mut living = vec![Process { task: ONE, object, model: vec![0; PAGES as usize] }];
        // Of objects that nobody maps any more, too.
        let (mut objects, mut swaps) = (vec![object], vec![Swap::new(1000)]);
        let (mut x, mut tasks, mut forks) = (seed + 77, 10, 0);
        let mut random = |below: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 33) % below
        };
        for step in 0..3000_u64 {
            let which = random(living.len() as u64) as usize;
            let several = living.len() > 1;
            let p = &mut living[which];
            match random(40) {
                0 if objects.len() < 60 && r.vm.depth(p.object) < SHADOW_DEPTH_MAX => {
                    tasks += 1;
                    let (task, model) = (TaskId(tasks), p.model.clone());
                    let parent = p.task;
                    // What the parent has still to be answered has no place in this.
                    let object = fork(&mut r, parent, task);
                    objects.push(object);
                    swaps.push(Swap::new(1000));
                    living.push(Process { task, object, model });
                    forks += 1;
                }
                1 if several => {
                    let task = living.swap_remove(which).task;
                    gone(&mut r, task);
                }
                _ => {
                    let n = random(PAGES);
                    let write = (random(3) == 0).then_some(step as u8);
                    match (r.touch(p.task, n, write), write) {
                        (Touch::Value(_), Some(value)) => p.model[n as usize] = value,
                        (Touch::Value(value), None) => {
                            assert_eq!(
                                value, p.model[n as usize],
                                "task {:?} page {n}, seed {seed} step {step}",
                                p.task
                            );
                        }
                        (Touch::Fault(_), _) => {}
                        (other, _) => panic!("{other:?}, seed {seed} step {step}"),
                    }
                }
            }
            Swap::take(&mut r, &mut swaps, &objects);
            for _ in 0..random(8) {
                let which = random(objects.len() as u64) as usize;
                if r.vm.object_stat(objects[which]).is_some() {
                    swaps[which].answer(&mut r, objects[which]);
                    Swap::take(&mut r, &mut swaps, &objects);
                }
            }
            if random(4) == 0 {
                r.later(random(3_000_000));
            }
        }
        // Whoever waits gets what he waits for.
        for _ in 0..200 {
            for (swap, object) in swaps.iter_mut().zip(&objects) {
                while r.vm.object_stat(*object).is_some() && swap.answer(&mut r, *object) {}
            }
            Swap::take(&mut r, &mut swaps, &objects);
            r.later(1_000_000);
        }
        Swap::take(&mut r, &mut swaps, &objects);
        let waiting: Vec<u32> = r.vm.task_stats().iter().map(|stat| stat.waiters).collect();
        assert!(waiting.iter().all(|n| *n == 0), "seed {seed}: {waiting:?} wait for ever");
        assert!(forks > 5, "{forks}");
        let c = r.vm.counters();
        assert!(c.pages_evicted > 100 && c.cow_faults > 100 && c.timeouts == 0, "seed {seed}: {c:?}");
        for p in living {
            gone(&mut r, p.task);
        }
        assert_eq!((r.resident(), r.vm.object_stats().len()), (0, 1), "seed {seed}");
    }
}
