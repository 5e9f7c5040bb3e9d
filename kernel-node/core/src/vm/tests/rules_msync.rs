//! [vm.msync]: written pages become durable.

use proto::KernReturn;

use super::super::*;
use super::rig::*;
use super::sim::Touch;

fn msync(r: &mut Rig, page: u64, pages: u64, flags: u32, ticket: u64) -> Result<(), KernReturn> {
    r.call(|vm, cx| vm.vm_msync(ONE, at(page), pages * PAGE_SIZE, flags, Ticket(ticket), cx))
}

fn completed(r: &mut Rig, o: ObjectId, page: u64, pages: u64, result: KernReturn) {
    let (offset, length) = (page * PAGE_SIZE, pages * PAGE_SIZE);
    r.call(|vm, cx| vm.memory_object_synchronize_completed(o, offset, length, result, cx));
}

fn written(pages_: u64) -> (Rig, ObjectId) {
    let mut r = Rig::new();
    let o = r.object(ONE, pages_, RW);
    r.supply(o, 0, pages(&[1, 2, 3, 4]), NONE);
    r.write(ONE, 1, 7);
    (r, o)
}

#[test]
fn vm_msync_1_written_pages_go_and_stay() {
    let (mut r, o) = written(8);
    msync(&mut r, 0, 4, sync::SYNCHRONOUS, 1).unwrap();
    assert_eq!(r.events(), ["return 1 [7] dirty copy", "synchronize 0+4"]);
    assert_eq!((r.stat(o).resident_pages, r.stat(o).dirty_pages), (4, 0));
    completed(&mut r, o, 0, 4, KernReturn::Success);
    assert_eq!(r.events(), ["msync 1 Success"]);
    // A write after it is another write.
    assert_eq!(r.write(ONE, 1, 8), Touch::Value(8));
    msync(&mut r, 0, 4, sync::SYNCHRONOUS, 2).unwrap();
    assert_eq!(r.events(), ["return 1 [8] dirty copy", "synchronize 0+4"]);
}

#[test]
fn vm_msync_2_the_answer_is_the_pagers_for_all_parts_and_the_first_that_is_bad() {
    let (mut r, o) = written(8);
    let p = r.vm.object_create().unwrap();
    r.map_at(ONE, p, 10, 2, RW);
    r.call(|vm, cx| vm.memory_object_ready(p, cx));
    r.events();
    msync(&mut r, 0, 20, 0, 1).unwrap();
    assert_eq!(r.events(), ["return 1 [7] dirty copy", "synchronize 0+8", "synchronize 0+2"]);
    completed(&mut r, p, 0, 2, KernReturn::Failure);
    assert!(r.events().is_empty());
    completed(&mut r, o, 0, 8, KernReturn::Success);
    assert_eq!(r.events(), ["msync 1 Failure"]);
}

#[test]
fn vm_msync_3_a_pager_that_does_not_answer_has_a_deadline() {
    let (mut r, o) = written(8);
    msync(&mut r, 0, 1, sync::SYNCHRONOUS, 1).unwrap();
    msync(&mut r, 0, 1, sync::SYNCHRONOUS, 2).unwrap();
    r.events();
    completed(&mut r, o, 0, 1, KernReturn::Success);
    assert_eq!(r.events(), ["msync 1 Success"], "in the order asked");
    r.later(r.vm.config.sync_deadline_ns);
    assert_eq!(r.events(), ["msync 2 TimedOut"]);
    completed(&mut r, o, 0, 1, KernReturn::Success);
    assert!(r.events().is_empty(), "too late");
}

#[test]
fn vm_msync_4_flags() {
    let (mut r, o) = written(8);
    msync(&mut r, 0, 2, sync::ASYNCHRONOUS, 1).unwrap();
    assert_eq!(r.events(), ["return 1 [7] dirty copy", "msync 1 Success"]);
    assert_eq!(msync(&mut r, 0, 20, sync::CONTIGUOUS, 2), Err(KernReturn::InvalidAddress));
    assert!(r.events().is_empty());
    msync(&mut r, 100, 20, sync::SYNCHRONOUS, 3).unwrap();
    assert_eq!(r.events(), ["msync 3 Success"], "nothing there, nothing to do");
    r.write(ONE, 1, 9);
    msync(&mut r, 0, 2, sync::SYNCHRONOUS | sync::INVALIDATE, 4).unwrap();
    assert_eq!(r.events(), ["return 1 [9] dirty copy", "synchronize 0+2"]);
    assert_eq!(r.stat(o).resident_pages, 4, "not before the pager has it");
    completed(&mut r, o, 0, 2, KernReturn::Success);
    assert_eq!(r.events(), ["msync 4 Success"]);
    assert_eq!(r.stat(o).resident_pages, 2);
}

#[test]
fn vm_msync_5_what_is_invalidated_was_confirmed() {
    let (mut r, o) = written(8);
    msync(&mut r, 0, 2, sync::INVALIDATE, 1).unwrap();
    // Written and returned again before the answer: this is not what was confirmed.
    r.write(ONE, 1, 8);
    msync(&mut r, 0, 8, sync::SYNCHRONOUS, 2).unwrap();
    r.write(ONE, 0, 9);
    r.events();
    completed(&mut r, o, 0, 2, KernReturn::Success);
    assert_eq!(r.events(), ["synchronize 0+2", "msync 1 Success"], "it asks again");
    assert_eq!(r.stat(o).resident_pages, 4);
    completed(&mut r, o, 0, 2, KernReturn::Success);
    assert_eq!((r.stat(o).resident_pages, r.stat(o).dirty_pages), (3, 1), "what was written since stays");
    completed(&mut r, o, 0, 8, KernReturn::Success);
    assert_eq!(r.events(), ["msync 2 Success"]);
}

#[test]
fn vm_msync_5_pages_that_are_returned_while_it_waits_are_not_invalidated() {
    let (mut r, o) = written(8);
    msync(&mut r, 0, 4, sync::INVALIDATE, 1).unwrap();
    r.later(r.vm.config.hold_ns);
    r.read(ONE, 5);
    r.supply(o, 5, page(5), WRITE);
    r.write(ONE, 0, 9);
    r.events();
    // It waits for the hold on page 5, and returns page 0 when it is carried out.
    r.lock(o, 0, 8, proto::vm::ShouldReturn::Dirty, false, Some(RW));
    r.lock(o, 7, 1, proto::vm::ShouldReturn::Dirty, true, None);
    r.supply(o, 2, page(8), WRITE);
    completed(&mut r, o, 0, 4, KernReturn::Success);
    assert_eq!(r.events(), ["msync 1 Success"]);
    r.later(r.vm.config.hold_ns);
    assert_eq!(r.events(), ["return 0 [9] dirty", "lock_completed 7 0+8", "lock_completed 7 7+1"]);
    assert_eq!(r.read(ONE, 2), Touch::Value(8), "it may be older than what was returned last");
}

#[test]
fn vm_msync_6_msyncs_are_bounded() {
    let (mut r, o) = written(8);
    let max = proto::limits::SYNCHRONIZES_MAX as u64;
    for i in 0..max {
        let mut cx = VmCx { now: r.now, pmap: &mut r.sim, out: &mut r.out };
        r.vm.vm_msync(ONE, at(0), PAGE_SIZE, sync::SYNCHRONOUS, Ticket(i), &mut cx).unwrap();
    }
    r.events();
    msync(&mut r, 0, 1, sync::SYNCHRONOUS, max).unwrap();
    assert_eq!(r.events(), [format!("msync {max} ResourceShortage")]);
    r.call(|vm, cx| vm.pager_died(o, cx));
    assert_eq!(r.events().len() as u64, max);
}

#[test]
fn vm_msync_7_one_either_waits_or_does_not() {
    let mut r = Rig::new();
    r.object(ONE, 1, RW);
    let both = sync::ASYNCHRONOUS | sync::SYNCHRONOUS;
    let refused = r.call(|vm, cx| vm.vm_msync(ONE, at(0), PAGE_SIZE, both, Ticket(1), cx));
    assert_eq!(refused, Err(KernReturn::InvalidArgument));
    assert!(r.events().is_empty() && r.vm.next_deadline().is_none());
}
