//! [vm.inherit.2] and on: the map that a child gets.

use proto::{Inherit, KernReturn};

use super::super::*;
use super::rig::*;
use super::sim::{SimOrder, Touch};

const CHILD: TaskId = TaskId(3);

fn allocate(r: &mut Rig, page: u64, pages: u64, inheritance: Inherit) {
    r.call(|vm, cx| vm.vm_allocate(ONE, at(page), pages * PAGE_SIZE, false, cx)).unwrap();
    r.orders();
    r.call(|vm, _| vm.vm_inherit(ONE, at(page), pages * PAGE_SIZE, inheritance as u32)).unwrap();
}

fn freeze(r: &mut Rig, page: u64, pages: u64) -> ObjectId {
    let frozen = r.call(|vm, cx| vm.vm_freeze(ONE, &all_of(page, pages, 3), cx)).unwrap();
    r.orders();
    frozen[0].object.unwrap().0
}

fn fork(r: &mut Rig, ready: &[Ready]) -> Result<Vec<(u64, u64)>, ForkRefused> {
    let pages = |range: Range<u64>| ((range.start - BASE) / PAGE_SIZE, (range.end - BASE) / PAGE_SIZE);
    r.call(|vm, cx| vm.task_fork(ONE, CHILD, ready, true, cx)).map(|kept| kept.into_iter().map(pages).collect())
}

/// What is not ready: first page, one behind the last, whether to be shared, whether changing.
fn missing(refused: Result<Vec<(u64, u64)>, ForkRefused>) -> Vec<(u64, u64, bool, bool)> {
    let Err(ForkRefused::NotReady(parts)) = refused else { panic!("{refused:?}") };
    let page = |address| (address - BASE) / PAGE_SIZE;
    parts.into_iter().map(|p| (page(p.range.start), page(p.range.end), p.share, p.changing)).collect()
}

fn map_of(r: &Rig, task: TaskId) -> Vec<(u64, u64, Inherit, bool)> {
    let stats = r.vm.task_stats();
    let stat = stats.iter().find(|stat| stat.task == task).unwrap();
    let line = |e: &Region| ((e.address - BASE) / PAGE_SIZE, e.size / PAGE_SIZE, e.inheritance, e.shared);
    stat.regions.iter().map(line).collect()
}

#[test]
fn vm_inherit_7_what_needs_a_process_is_refused_before_one_has_come_and_does_nothing() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 4, Inherit::Share);
    assert_eq!(fork(&mut r, &[]), Ok(vec![(0, 4)]));
    let before = map_of(&r, CHILD);
    let none = Err(KernReturn::InvalidTask);
    let page = PAGE_SIZE;
    assert_eq!(r.call(|vm, cx| vm.vm_allocate(CHILD, at(9), page, false, cx)).map(drop), none);
    assert_eq!(r.call(|vm, cx| vm.vm_protect(CHILD, at(1), page, false, Prot::READ.bits(), cx)).map(drop), none);
    assert_eq!(r.call(|vm, cx| vm.vm_wire(CHILD, at(1), page, Prot::READ.bits(), cx)).map(drop), none);
    assert_eq!(r.call(|vm, cx| vm.vm_deallocate(CHILD, at(1), page, cx)).map(drop), none);
    assert_eq!(map_of(&r, CHILD), before);
    r.call(|vm, cx| vm.task_arrived(CHILD, cx));
    r.orders();
    r.call(|vm, cx| vm.vm_deallocate(CHILD, at(1), page, cx)).unwrap();
    r.orders();
    assert_eq!(map_of(&r, CHILD), [(0, 1, Inherit::Share, true), (2, 2, Inherit::Share, true)]);
}

#[test]
fn vm_inherit_2_what_is_to_be_copied_must_be_frozen_or_brought() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 2, Inherit::Copy);
    allocate(&mut r, 2, 2, Inherit::Copy);
    let object = r.vm.object_create().unwrap();
    r.map_at(ONE, object, 10, 2, RW);
    assert_eq!(missing(fork(&mut r, &[])), [(0, 4, false, false), (10, 12, false, false)]);
    r.write(ONE, 0, 5);
    freeze(&mut r, 0, 4);
    assert_eq!(missing(fork(&mut r, &[])), [(10, 12, false, false)], "frozen memory is Linux's to hand on");
    let brought = r.call_unchecked(|vm, _| vm.object_frozen(2)).unwrap();
    r.sim.object_create_internal(brought, 0).unwrap();
    let ready = |range, copy| Ready { range, copy };
    let short = ready(at(11)..at(12), Some((brought, 0)));
    let refused = r.call_unchecked(|vm, cx| vm.task_fork(ONE, CHILD, &[short], true, cx));
    assert_eq!(missing(refused.map(|_| Vec::new())), [(10, 11, false, false)]);
    assert_eq!(fork(&mut r, &[ready(at(10)..at(12), Some((brought, 0)))]), Ok(vec![(0, 4)]));
    let copied = Inherit::Copy;
    assert_eq!(map_of(&r, CHILD), [(0, 2, copied, false), (2, 2, copied, false), (10, 2, copied, false)]);
    assert_eq!(
        r.call(|vm, cx| vm.task_fork(ONE, CHILD, &[], true, cx)),
        Err(ForkRefused::Code(KernReturn::NameExists))
    );
}

#[test]
fn vm_inherit_3_the_child_has_nothing_of_the_rest() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 2, Inherit::None);
    let object = r.vm.object_create().unwrap();
    r.map_at(ONE, object, 10, 2, RW);
    assert_eq!(fork(&mut r, &[Ready { range: at(10)..at(12), copy: None }]), Ok(vec![]));
    assert_eq!(map_of(&r, CHILD), []);
    let gone = r.call(|vm, cx| vm.task_fork(TaskId(9), TaskId(10), &[], true, cx));
    assert_eq!(gone, Err(ForkRefused::Code(KernReturn::InvalidTask)));
    let bad = Ready { range: at(0)..at(2), copy: Some((object, 0)) };
    let refused = r.call(|vm, cx| vm.task_fork(ONE, TaskId(10), &[bad], true, cx));
    assert_eq!(refused, Err(ForkRefused::Code(KernReturn::InvalidArgument)), "a copy that can still change");
}

#[test]
fn vm_inherit_3_of_an_entry_the_child_has_what_could_be_had() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 10, Inherit::Copy);
    let copy = r.call_unchecked(|vm, _| vm.object_frozen(8)).unwrap();
    r.sim.object_create_internal(copy, 0).unwrap();
    let ready = |from, to, copy| Ready { range: at(from)..at(to), copy };
    // Of the pages that nobody speaks of it is asked.
    let some = [ready(1, 3, Some((copy, PAGE_SIZE))), ready(5, 6, None)];
    let refused = r.call_unchecked(|vm, cx| vm.task_fork(ONE, CHILD, &some, true, cx));
    let asked = [(0, 1, false, false), (3, 5, false, false), (6, 10, false, false)];
    assert_eq!(missing(refused.map(|_| Vec::new())), asked);
    let rest = [ready(0, 1, None), ready(3, 5, Some((copy, 4 * PAGE_SIZE))), ready(6, 12, Some((copy, 0)))];
    assert_eq!(fork(&mut r, &[&some[..], &rest[..]].concat()), Ok(vec![]));
    let copied = |from, pages| (from, pages, Inherit::Copy, false);
    assert_eq!(map_of(&r, CHILD), [copied(1, 2), copied(3, 2), copied(6, 4)]);
    r.call(|vm, cx| vm.task_arrived(CHILD, cx));
    let shown = |order: &SimOrder| match order {
        SimOrder::Map(CHILD, map) => (map.address, map.size / PAGE_SIZE, map.offset / PAGE_SIZE),
        other => panic!("{other:?}"),
    };
    let orders: Vec<_> = r.sim.orders.iter().map(|(_, order)| shown(order)).collect();
    assert_eq!(orders, [(at(1), 2, 1), (at(3), 2, 4), (at(6), 4, 0)]);
}

#[test]
fn vm_inherit_4_pages_that_are_shared_go_with_their_last_mapping() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 4, Inherit::Share);
    assert_eq!(fork(&mut r, &[]), Ok(vec![(0, 4)]));
    r.call(|vm, cx| vm.task_arrived(CHILD, cx));
    assert_eq!(map_of(&r, ONE), [(0, 4, Inherit::Share, true)]);
    r.log();
    // Of pages 0 and 1 the child still shows the second.
    r.call(|vm, cx| vm.vm_deallocate(CHILD, at(0), PAGE_SIZE, cx)).unwrap();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 2 * PAGE_SIZE, cx)).unwrap();
    let discarded: Vec<String> = r.log().into_iter().filter(|l| l.starts_with("discard")).collect();
    assert_eq!(discarded, ["discard 0+1"]);
    r.call(|vm, cx| vm.task_gone(ONE, cx));
    assert!(!r.log().contains(&"destroy".to_string()));
    r.call(|vm, cx| vm.task_gone(CHILD, cx));
    assert!(r.log().contains(&"destroy".to_string()));
}

#[test]
fn vm_inherit_4_frozen_memory_is_thawed_to_be_shared() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 2, Inherit::Share);
    allocate(&mut r, 4, 2, Inherit::Copy);
    let frozen = freeze(&mut r, 4, 2);
    r.call(|vm, _| vm.vm_inherit(ONE, at(4), 2 * PAGE_SIZE, Inherit::Share as u32)).unwrap();
    assert_eq!(missing(fork(&mut r, &[])), [(4, 6, true, false)]);
    let thawed = r.call_unchecked(|vm, _| vm.object_thawed(2)).unwrap();
    r.sim.object_create_internal(thawed, 0).unwrap();
    let run = Run { address: at(4), size: 2 * PAGE_SIZE, offset: 0 };
    r.call(|vm, cx| vm.vm_replace(ONE, thawed, &[run], cx)).unwrap();
    assert!(!r.sim.objects.contains_key(&frozen), "nobody shows it any more");
    assert_eq!(fork(&mut r, &[]), Ok(vec![(0, 2), (4, 6)]));
    // Only frozen memory can be thawed.
    let other = r.call_unchecked(|vm, _| vm.object_thawed(2)).unwrap();
    r.sim.object_create_internal(other, 0).unwrap();
    let run = Run { address: at(0), ..run };
    let refused = r.call_unchecked(|vm, cx| vm.vm_replace(ONE, other, &[run], cx));
    assert_eq!(refused, Err(KernReturn::InvalidAddress));
    r.call(|vm, cx| vm.object_unused(other, cx));
}

#[test]
fn vm_inherit_5_a_process_is_told_what_it_keeps_and_what_it_maps() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 2, Inherit::Copy);
    freeze(&mut r, 0, 2);
    let object = r.vm.object_create().unwrap();
    r.map_at(ONE, object, 10, 2, RW);
    r.call(|vm, _| vm.vm_inherit(ONE, at(10), 2 * PAGE_SIZE, Inherit::Share as u32)).unwrap();
    r.call(|vm, cx| vm.memory_object_ready(object, cx));
    r.call(|vm, cx| vm.vm_wire(ONE, at(10), 2 * PAGE_SIZE, RW.bits(), cx)).unwrap();
    r.orders();
    assert_eq!(fork(&mut r, &[]), Ok(vec![(0, 2)]));
    // Nobody else has these addresses, and a map is given to one process.
    assert_eq!(r.vm.task_create(CHILD, BASE..BASE + PAGE_SIZE), Err(KernReturn::InvalidAddress));
    assert_eq!(r.vm.arena_awaited(CHILD), Some(BASE..BASE + (4 << 30)));
    assert_eq!(r.vm.task_create(CHILD, BASE..BASE + (4 << 30)), Ok(()));
    r.call(|vm, cx| vm.task_arrived(CHILD, cx));
    let orders: Vec<SimOrder> = r.sim.orders.iter().map(|(_, order)| order.clone()).collect();
    let [SimOrder::Inherit(CHILD, kept, size), SimOrder::Map(CHILD, map)] = orders[..] else { panic!("{orders:?}") };
    assert_eq!((kept, size), (at(0), 2 * PAGE_SIZE));
    assert_eq!((map.address, map.shared, map.managed), (at(10), true, true));
    r.orders();
    assert_eq!(r.vm.task_create(CHILD, BASE..BASE + (4 << 30)), Err(KernReturn::NameExists));
    r.supply_and_read(object);
}

#[test]
fn vm_inherit_5_what_the_process_has_not_is_not_there() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 2, Inherit::Share);
    assert_eq!(fork(&mut r, &[]), Ok(vec![(0, 2)]));
    r.call(|vm, cx| vm.task_arrived(CHILD, cx));
    let (id, _) = r.sim.orders.pop_front().unwrap();
    r.call(|vm, cx| vm.order_done(id, Err(KernReturn::Failure), cx));
    assert_eq!(map_of(&r, CHILD), []);
    assert_eq!(map_of(&r, ONE).len(), 1);
}

#[test]
fn vm_inherit_6_what_is_changing_is_waited_for() {
    let mut r = Rig::new();
    allocate(&mut r, 0, 2, Inherit::Share);
    r.call(|vm, cx| vm.vm_protect(ONE, at(0), PAGE_SIZE, false, RO.bits(), cx)).unwrap();
    assert_eq!(missing(fork(&mut r, &[])), [(0, 1, true, true)]);
    r.orders();
    assert_eq!(fork(&mut r, &[]), Ok(vec![(0, 2)]));
    // A child that never comes leaves nothing.
    r.call(|vm, cx| vm.task_gone(CHILD, cx));
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 2 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    assert!(r.sim.objects.is_empty());
}

impl Rig {
    /// Pages 10 and 11 of both tasks are the object's.
    fn supply_and_read(&mut self, object: ObjectId) {
        assert!(matches!(self.write(ONE, 10, 7), Touch::Fault(_)));
        self.supply(object, 0, pages(&[1, 2]), NONE);
        assert_eq!((self.write(ONE, 10, 7), self.read(CHILD, 10)), (Touch::Value(7), Touch::Value(7)));
        assert_eq!(self.write(CHILD, 11, 8), Touch::Value(8));
        assert_eq!(self.read(ONE, 11), Touch::Value(8));
    }
}
