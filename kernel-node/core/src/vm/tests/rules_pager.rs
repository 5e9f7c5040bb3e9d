//! [vm.pager]: what a pager can have a kernel do. The numbers follow mach-api §3.5.

use proto::KernReturn;
use proto::vm::ShouldReturn;

use super::super::*;
use super::rig::*;
use super::sim::Touch;

/// A pager's hold on pages is over.
fn no_hold(r: &mut Rig) {
    r.later(r.vm.config.hold_ns);
}

fn supply_with_reply(r: &mut Rig, o: ObjectId, n: u64, data: Payload) {
    let supply = Supply { offset: n * PAGE_SIZE, data, lock: WRITE, precious: false, reply: Some(Ticket(8)) };
    r.call(|vm, cx| vm.memory_object_data_supply(o, supply, cx));
}

#[test]
fn vm_pager_1_a_supply_serves_who_may_and_asks_for_who_may_not() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.map_at(TWO, o, 0, 4, RW);
    r.read(ONE, 0);
    r.write(TWO, 0, 5);
    r.events();
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.events(), ["unlock 0 write"]);
    assert_eq!(r.sim.touch(ONE, at(0), None), Touch::Value(1));
    assert_eq!(r.sim.mapped(TWO, at(0)), None, "it would only fault again");
    r.lock(o, 0, 1, ShouldReturn::None, false, Some(NONE));
    assert_eq!(r.sim.touch(TWO, at(0), Some(5)), Touch::Value(5));
    assert_eq!(r.sim.mapped(ONE, at(0)), Some(false));
}

#[test]
fn vm_pager_2_pages_that_nobody_asked_for_are_taken() {
    let mut r = Rig::new();
    let o = r.object(ONE, 4, RW);
    r.supply(o, 1, pages(&[5, 6]), WRITE);
    assert_eq!(r.read(ONE, 2), Touch::Value(6));
    assert!(r.events().is_empty());
    assert_eq!((r.stat(o).resident_pages, r.stat(o).pages_in), (2, 2));
}

#[test]
fn vm_pager_3_a_present_page_is_not_replaced() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 2, page(1), NONE);
    r.write(ONE, 2, 9);
    r.supply(o, 1, pages(&[7, 7, 7]), WRITE);
    assert_eq!([r.read(ONE, 1), r.read(ONE, 2), r.read(ONE, 3)], [7, 9, 7].map(Touch::Value));
    assert_eq!(r.vm.counters().supplies_ignored, 1);
    supply_with_reply(&mut r, o, 0, pages(&[4, 4, 4, 4, 4]));
    assert_eq!(r.events(), ["supply_completed 8 0+5 MemoryPresent at 1"]);
    assert_eq!(r.read(ONE, 4), Touch::Fault(FaultKind::Missing), "nothing of the rest is taken");
    r.events();
    supply_with_reply(&mut r, o, 4, pages(&[4, 4]));
    assert_eq!(r.events(), ["supply_completed 8 4+2"]);
}

#[test]
fn vm_pager_4_a_supply_that_makes_no_sense_is_answered() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    supply_with_reply(&mut r, o, 0, vec![1; 100].into());
    assert_eq!(r.events(), ["supply_completed 8 0+0 InvalidArgument at 0"]);
    let mut at_offset = |offset: u64| {
        let supply = Supply { offset, data: page(1), lock: NONE, precious: false, reply: Some(Ticket(8)) };
        r.call(|vm, cx| vm.memory_object_data_supply(o, supply, cx));
        r.events().len()
    };
    assert_eq!([at_offset(17), at_offset(1 << 62), at_offset(!0xfff)], [1, 1, 1]);
    let gone = ObjectId::default();
    supply_with_reply(&mut r, gone, 0, page(1));
    assert_eq!(r.events(), ["supply_completed 8 0+1 Terminated at 0"]);
    let new = r.vm.object_create().unwrap();
    supply_with_reply(&mut r, new, 0, page(1));
    assert_eq!(r.events(), ["supply_completed 8 0+1 Terminated at 0"], "not ready");
    supply_with_reply(&mut r, o, 0, Payload::default());
    assert_eq!(r.events(), ["supply_completed 8 0+0"]);
    assert_eq!(r.stat(o).resident_pages, 0);
}

#[test]
fn vm_pager_4_a_page_for_which_there_is_no_memory_is_an_error() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.read(ONE, 0);
    r.read(ONE, 1);
    r.events();
    r.sim.fail_next = 1;
    supply_with_reply(&mut r, o, 0, page(1));
    assert_eq!(r.events(), ["supply_completed 8 0+1 ResourceShortage at 0"]);
    assert_eq!(r.read(ONE, 0), Touch::BusError);
    r.sim.fail_next = 1;
    r.call(|vm, cx| vm.memory_object_data_unavailable(o, PAGE_SIZE, PAGE_SIZE, NONE, cx));
    assert_eq!(r.read(ONE, 1), Touch::BusError);
    assert_eq!(r.stat(o).resident_pages, 0);
    assert_eq!(r.log().iter().filter(|l| l.starts_with("discard")).count(), 2, "what may be there of them is not left");
}

#[test]
fn vm_pager_5_what_is_unavailable_is_zero() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.read(ONE, 1);
    r.write(ONE, 2, 4);
    r.supply(o, 3, page(7), NONE);
    r.out.clear();
    r.call(|vm, cx| vm.memory_object_data_unavailable(o, 0, u64::MAX, NONE, cx));
    assert_eq!(r.classes(), [FaultClass::Zero; 2]);
    assert_eq!([r.read(ONE, 1), r.read(ONE, 2), r.read(ONE, 3)], [0, 0, 7].map(Touch::Value));
    assert_eq!(r.sim.touch(ONE, at(2), Some(4)), Touch::Value(4));
    assert_eq!(r.stat(o).resident_pages, 3, "only what was asked for");
    assert_eq!(r.vm.counters().pages_zero, 2);
}

#[test]
fn vm_pager_6_an_error_is_for_who_waits_now() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.map_at(TWO, o, 0, 8, RW);
    r.read(ONE, 1);
    r.events();
    r.call(|vm, cx| vm.memory_object_data_error(o, 0, 1 << 40, KernReturn::Failure, cx));
    assert_eq!(r.read(ONE, 1), Touch::BusError);
    assert_eq!(r.read(TWO, 1), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["request 1+1 read"], "a later fault asks again");
    r.supply(o, 1, page(3), NONE);
    assert_eq!(r.read(TWO, 1), Touch::Value(3));
}

#[test]
fn vm_pager_7_a_demotion_protects_reads_out_and_keeps() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.map_at(TWO, o, 0, 8, RW);
    r.supply(o, 0, pages(&[1, 2, 3]), NONE);
    r.write(ONE, 0, 7);
    r.write(TWO, 1, 8);
    r.log();
    r.lock(o, 0, 3, ShouldReturn::Dirty, false, Some(WRITE));
    assert_eq!(r.events(), ["return 0 [7, 8] dirty copy", "lock_completed 7 0+3"]);
    let log = r.log();
    assert_eq!(log, [format!("protect 1 {:#x}+2", at(0)), format!("protect 2 {:#x}+2", at(0)), "read_out 0+2".into()]);
    assert_eq!((r.stat(o).resident_pages, r.stat(o).dirty_pages), (3, 0));
    assert_eq!(r.write(TWO, 1, 9), Touch::Fault(FaultKind::WriteProtect));
    assert_eq!(r.events(), ["unlock 1 write"]);
    assert_eq!(r.read(ONE, 1), Touch::Value(8));
}

#[test]
fn vm_pager_8_a_flush_protects_reads_out_and_discards() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, pages(&[1, 2, 3]), NONE);
    r.write(ONE, 1, 7);
    r.read(ONE, 2);
    r.log();
    r.lock(o, 0, 8, ShouldReturn::Dirty, true, None);
    assert_eq!(r.events(), ["return 1 [7] dirty", "lock_completed 7 0+8"]);
    assert_eq!(r.log(), [format!("protect 1 {:#x}+1", at(1)), "read_out 1+1".into(), "discard 0+3".into()]);
    assert_eq!(r.stat(o).resident_pages, 0);
    assert_eq!(r.read(ONE, 2), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["request 2+1 read"]);
}

#[test]
fn vm_pager_9_the_other_combinations() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, pages(&[1, 2]), NONE);
    r.write(ONE, 0, 7);
    // Sync: as it was, but clean, so that the next write is seen.
    r.lock(o, 0, 2, ShouldReturn::Dirty, false, None);
    assert_eq!(r.events(), ["return 0 [7] dirty copy", "lock_completed 7 0+2"]);
    assert_eq!(r.write(ONE, 0, 8), Touch::Value(8));
    assert_eq!(r.stat(o).dirty_pages, 1);
    // Everything, written or not.
    r.lock(o, 0, 2, ShouldReturn::All, true, Some(NONE));
    assert_eq!(r.events(), ["return 0 [8] dirty", "return 1 [2]", "lock_completed 7 0+2"]);
    // Thrown away, as the pager wants it.
    r.supply(o, 0, page(1), NONE);
    r.write(ONE, 0, 9);
    r.lock(o, 0, 2, ShouldReturn::None, true, None);
    assert_eq!(r.events(), ["lock_completed 7 0+2"]);
    assert_eq!(r.sim.lost.len(), 1);
    // Demoted and not asked back: it is returned when it goes.
    r.supply(o, 0, page(1), NONE);
    r.write(ONE, 0, 5);
    r.lock(o, 0, 1, ShouldReturn::None, false, Some(WRITE));
    assert_eq!(r.events(), ["lock_completed 7 0+1"]);
    assert_eq!(r.write(ONE, 0, 6), Touch::Fault(FaultKind::WriteProtect));
    r.map_at(TWO, o, 0, 1, RW);
    assert_eq!(r.read(TWO, 0), Touch::Value(5));
    assert_eq!(r.sim.mapped(TWO, at(0)), Some(false), "dirty, and yet not writable");
    r.call(|vm, cx| vm.vm_deallocate(TWO, at(0), PAGE_SIZE, cx)).unwrap();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), PAGE_SIZE * 8, cx)).unwrap();
    assert_eq!(r.events(), ["unlock 0 write", "return 0 [5] dirty copy", "terminate", "gone"]);
}

#[test]
fn vm_pager_9_a_lock_against_reading_takes_the_page_out() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, pages(&[1, 2]), NONE);
    r.write(ONE, 0, 7);
    r.lock(o, 0, 2, ShouldReturn::None, false, Some(RW));
    assert_eq!(r.events(), ["return 0 [7] dirty", "lock_completed 7 0+2"], "nothing is lost by it");
    assert_eq!(r.read(ONE, 0), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.events(), ["request 0+1 read"]);
}

#[test]
fn vm_pager_10_absent_pages_are_passed_over_and_requests_stay() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.read(ONE, 1);
    r.events();
    r.lock(o, 0, 1 << 30, ShouldReturn::All, true, Some(RW));
    assert_eq!(r.events(), [format!("lock_completed 7 0+{}", 1 << 30)], "one answer, whatever was found");
    assert_eq!(r.stat(o).requested_pages, 1);
    r.supply(o, 1, page(1), NONE);
    assert_eq!(r.sim.touch(ONE, at(1), None), Touch::Value(1));
}

#[test]
fn vm_pager_11_who_waits_asks_again_after_a_lock_request() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, page(1), WRITE);
    r.read(ONE, 0);
    no_hold(&mut r);
    r.write(ONE, 0, 2);
    assert_eq!(r.events(), ["unlock 0 write"]);
    // It crosses a flush: the page is gone, so the same thread needs the whole page.
    r.lock(o, 0, 1, ShouldReturn::Dirty, true, None);
    assert_eq!(r.events(), ["lock_completed 7 0+1", "request 0+1 write"]);
    r.log();
    r.supply(o, 0, page(3), NONE);
    assert_eq!(r.log()[1], format!("enter 1 {:#x}+1 rw", at(0)));
    assert_eq!(r.sim.touch(ONE, at(0), Some(2)), Touch::Value(2));
}

#[test]
fn vm_pager_11_an_unlock_that_crosses_any_lock_request_is_repeated() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.supply(o, 0, page(1), WRITE);
    r.write(ONE, 0, 2);
    assert_eq!(r.events(), ["unlock 0 write"]);
    r.lock(o, 0, 1, ShouldReturn::Dirty, false, None);
    assert_eq!(r.events(), ["lock_completed 7 0+1", "unlock 0 write"]);
}

#[test]
fn vm_pager_12_who_just_got_a_page_keeps_it_for_a_while() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    let hold = r.vm.config.hold_ns;
    r.write(ONE, 0, 1);
    r.read(ONE, 4);
    r.supply(o, 0, page(0), NONE);
    r.events();
    r.later(hold / 2);
    r.lock(o, 0, 2, ShouldReturn::Dirty, true, None);
    assert!(r.events().is_empty());
    assert_eq!(r.write(ONE, 0, 9), Touch::Value(9), "it can do what it asked for");
    // What concerns the same pages waits behind it, what does not goes past: a supply, a grant.
    r.supply(o, 1, page(5), NONE);
    r.supply(o, 4, page(6), WRITE);
    assert_eq!((r.stat(o).resident_pages, r.stat(o).requested_pages), (2, 0));
    assert_eq!(r.write(ONE, 4, 2), Touch::Fault(FaultKind::WriteProtect));
    r.events();
    r.lock(o, 4, 1, ShouldReturn::None, false, Some(NONE));
    assert_eq!(r.events(), ["lock_completed 7 4+1"]);
    // Another that takes something away waits, too.
    r.lock(o, 6, 1, ShouldReturn::Dirty, true, None);
    assert!(r.events().is_empty());
    assert_eq!(r.vm.next_deadline(), Some(Time(r.now.0 + hold - hold / 2)));
    r.later(hold - hold / 2);
    assert_eq!(r.events(), ["return 0 [9] dirty", "lock_completed 7 0+2", "lock_completed 7 6+1"]);
    assert_eq!(r.read(ONE, 1), Touch::Value(5));
}

#[test]
fn vm_pager_12_a_hold_is_not_renewed_by_those_who_come_later() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    let hold = r.vm.config.hold_ns;
    r.write(ONE, 0, 1);
    r.supply(o, 0, page(0), NONE);
    r.lock(o, 0, 1, ShouldReturn::Dirty, true, None);
    r.map_at(TWO, o, 0, 8, RW);
    for i in 0..4 {
        assert_eq!(r.write(TWO, 0, i), Touch::Value(i));
        r.later(hold / 4);
    }
    assert_eq!(r.stat(o).resident_pages, 0);
}

#[test]
fn vm_pager_12_nothing_is_held_that_is_not_taken() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.read(ONE, 0);
    r.supply(o, 0, page(0), WRITE);
    r.events();
    r.lock(o, 0, 1, ShouldReturn::Dirty, false, Some(WRITE));
    assert_eq!(r.events(), ["lock_completed 7 0+1"], "the reader loses nothing");
}

#[test]
fn vm_pager_13_what_waits_behind_a_lock_request_is_bounded() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    r.write(ONE, 0, 1);
    r.supply(o, 0, page(0), NONE);
    r.events();
    let max = proto::limits::OBJECT_JOBS_MAX;
    for _ in 0..max {
        r.lock(o, 0, 1, ShouldReturn::Dirty, true, None);
    }
    assert!(r.events().is_empty());
    r.lock(o, 0, 1, ShouldReturn::Dirty, true, None);
    assert_eq!(r.events(), ["return 0 [0] dirty", "lock_completed 7 0+1"], "the oldest is carried out at once");
    no_hold(&mut r);
    assert_eq!(r.events().len(), max);
}

#[test]
fn vm_pager_14_a_lock_request_on_many_pages_lets_faults_in_between() {
    let mut r = Rig::new();
    let step = proto::limits::LOCK_STEP_PAGES as u64;
    let n = 2 * step + 5;
    let o = r.object(ONE, n, RW);
    r.supply(o, 0, pages(&vec![3; n as usize]), WRITE);
    r.lock(o, 0, n, ShouldReturn::None, true, None);
    assert_eq!(r.stat(o).resident_pages, n - step);
    assert!(r.events().is_empty());
    // Gone already, and asked for: an answer behind the request has to wait for it no longer.
    r.read(ONE, 0);
    assert_eq!(r.events(), ["request 0+1 read"]);
    r.supply(o, 0, page(4), WRITE);
    assert_eq!(r.sim.touch(ONE, at(0), None), Touch::Value(4));
    // Still to go: an answer for it comes after.
    r.supply(o, n - 1, page(9), WRITE);
    assert_eq!(r.vm.next_deadline(), Some(r.now));
    r.later(0);
    assert_eq!(r.stat(o).resident_pages, n - 2 * step + 1);
    r.settle();
    assert_eq!(r.events(), [format!("lock_completed 7 0+{n}")]);
    assert_eq!(r.read(ONE, n - 1), Touch::Value(9));
    assert_eq!(r.stat(o).resident_pages, 2);
}

#[test]
fn vm_pager_15_calls_that_make_no_sense_are_counted_and_ignored() {
    let mut r = Rig::new();
    let o = r.object(ONE, 8, RW);
    let bad = LockRequest {
        offset: 5,
        size: 1,
        should_return: ShouldReturn::All,
        flush: true,
        lock: None,
        reply: Some(Ticket(1)),
    };
    r.call(|vm, cx| {
        vm.memory_object_lock_request(o, bad, cx);
        vm.memory_object_lock_request(ObjectId::default(), LockRequest { offset: 0, ..bad }, cx);
        vm.memory_object_data_unavailable(o, 3, 1, NONE, cx);
        vm.memory_object_data_error(o, u64::MAX, 1, KernReturn::Failure, cx);
        vm.memory_object_synchronize_completed(o, 0, 0, KernReturn::Success, cx);
        vm.memory_object_data_unavailable(ObjectId::default(), 0, 1, NONE, cx);
        vm.memory_object_destroy(ObjectId::default(), cx);
        vm.pager_died(ObjectId::default(), cx);
    });
    assert_eq!(r.events().iter().filter(|e| e.starts_with("lock_completed 1")).count(), 2, "tickets come back");
    assert_eq!(r.vm.counters().bad_calls, 5);
    assert_eq!(r.stat(o).state, "ready");
}
