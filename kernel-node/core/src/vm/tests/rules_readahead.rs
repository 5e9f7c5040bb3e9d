//! [vm.readahead] in the whole: what is asked for, and what is mapped when it comes. (The policy is tested beside it.)

use super::super::*;
use super::rig::*;
use super::sim::Touch;

fn rig() -> (Rig, ObjectId) {
    let mut r = Rig::with(Config::default());
    let o = r.object(ONE, 1 << 13, RW);
    (r, o)
}

/// Answers all requests among the events, oldest first; the words of the others come back.
fn answer(r: &mut Rig, o: ObjectId) -> Vec<String> {
    let mut others = Vec::new();
    for event in std::mem::take(&mut r.out) {
        match event {
            VmEvent::ToPager { call: ToPager::DataRequest { offset, length, .. }, .. } => {
                let data: Vec<u8> = (0..length).map(|i| ((offset + i) / PAGE_SIZE % 251) as u8).collect();
                r.supply(o, offset / PAGE_SIZE, data.into(), WRITE);
            }
            VmEvent::FaultDone { class, .. } => others.push(class.label().into()),
            other => others.push(format!("{other:?}")),
        }
    }
    others
}

#[test]
fn vm_readahead_7_the_demand_page_is_asked_for_first_and_alone() {
    let (mut r, _) = rig();
    r.read(ONE, 0);
    assert_eq!(r.events(), ["request 0+1 read", "request 1+16 read ahead"]);
    r.write(ONE, 100, 1);
    r.write(ONE, 101, 1);
    assert_eq!(r.events(), ["request 100+1 write", "request 101+1 write", "request 102+16 read ahead"]);
}

#[test]
fn vm_readahead_8_what_comes_is_mapped_where_it_was_asked_for_except_the_marker() {
    let (mut r, o) = rig();
    r.read(ONE, 0);
    r.events();
    r.supply(o, 0, page(1), WRITE);
    r.log();
    r.supply(o, 1, pages(&[2; 16]), WRITE);
    assert_eq!(r.log(), ["fill 1+16".to_string(), format!("enter 1 {:#x}+15 ro", at(2))]);
    assert_eq!(r.sim.mapped(ONE, at(1)), None);
    assert_eq!(r.sim.mapped(ONE, at(16)), Some(false));
    // The fault on the marker keeps it going, and maps only the marker.
    assert_eq!(r.read(ONE, 1), Touch::Value(2));
    assert_eq!(r.log(), [format!("enter 1 {:#x}+1 ro", at(1))]);
    assert_eq!(r.events(), ["request 17+32 read ahead", "request 49+64 read ahead"]);
    assert_eq!(r.vm.counters().faults_of(FaultClass::ReadAhead), 1);
}

#[test]
fn vm_readahead_9_a_sequential_reader_takes_one_cheap_fault_a_window() {
    let (mut r, o) = rig();
    let n = 24 * 256;
    let mut remote = 0;
    for i in 0..n {
        if let Touch::Fault(_) = r.sim.touch(ONE, at(i), None) {
            remote += u64::from(r.read(ONE, i) != Touch::Value((i % 251) as u8));
            answer(&mut r, o);
        }
        assert_eq!(r.sim.touch(ONE, at(i), None), Touch::Value((i % 251) as u8));
    }
    let c = *r.vm.counters();
    assert_eq!(remote, 1, "it never waits again after the first page");
    let faults = c.faults.iter().sum::<u64>();
    assert!(faults < n / 256 + 12, "{faults} faults for {} MiB", n / 256);
    assert!(c.read_ahead_hits >= n - 256 && c.read_ahead_wasted == 0, "{c:?}");
    assert_eq!(c.read_ahead_pages, c.read_ahead_hits + 4 * 256, "four windows are in flight");
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(0), 4 << 30, cx)).unwrap();
    assert_eq!(r.vm.counters().read_ahead_wasted, 4 * 256);
}

#[test]
fn vm_readahead_9_so_does_a_reader_going_down() {
    let (mut r, o) = rig();
    let n = 8 * 256;
    let mut waits = 0;
    for i in (0..n).rev() {
        if let Touch::Fault(_) = r.sim.touch(ONE, at(i), None) {
            waits += u64::from(matches!(r.read(ONE, i), Touch::Fault(_)));
            answer(&mut r, o);
        }
        assert_eq!(r.sim.touch(ONE, at(i), None), Touch::Value((i % 251) as u8));
    }
    assert_eq!(waits, 2, "the first two pages");
}

#[test]
fn vm_readahead_10_who_comes_before_the_pages_waits_for_them_as_for_any() {
    let (mut r, o) = rig();
    r.read(ONE, 0);
    r.supply(o, 0, page(1), WRITE);
    assert_eq!(r.read(ONE, 1), Touch::Fault(FaultKind::Missing));
    assert_eq!(r.read(ONE, 5), Touch::Fault(FaultKind::Missing));
    r.out.clear();
    r.log();
    r.supply(o, 1, pages(&[2; 16]), WRITE);
    assert_eq!(r.log(), ["fill 1+16".to_string(), format!("enter 1 {:#x}+16 ro", at(1))], "no marker: it has a reader");
    assert_eq!(r.classes(), [FaultClass::ReadAhead; 2]);
    let c = r.vm.counters();
    assert_eq!(c.read_ahead_hits, 16, "counted once, whether it comes before or after");
}

#[test]
fn vm_readahead_10_readers_and_writers_of_one_page_are_all_woken() {
    let (mut r, o) = rig();
    r.map_at(TWO, o, 0, 64, RW);
    r.read(ONE, 0);
    r.read(ONE, 5);
    r.write(TWO, 5, 7);
    r.supply(o, 0, page(1), WRITE);
    r.supply(o, 1, page(2), NONE);
    r.sim.woken.clear();
    r.supply(o, 2, pages(&[2; 15]), NONE);
    let woken = std::mem::take(&mut r.sim.woken);
    for task in [ONE, TWO] {
        assert!(woken.iter().any(|(t, a, len)| *t == task && (*a..a + len).contains(&at(5))), "{task:?}: {woken:x?}");
    }
    assert_eq!(r.sim.touch(TWO, at(5), Some(7)), Touch::Value(7));
    assert_eq!(r.sim.touch(ONE, at(5), None), Touch::Value(7));
}

#[test]
fn vm_readahead_11_a_window_may_come_in_pieces_late_or_not_at_all() {
    let (mut r, o) = rig();
    r.read(ONE, 0);
    r.events();
    r.supply(o, 9, pages(&[9; 4]), WRITE);
    r.supply(o, 1, pages(&[1; 2]), WRITE);
    assert_eq!(r.sim.touch(ONE, at(10), None), Touch::Value(9));
    assert_eq!(r.stat(o).requested_pages, 1 + 16 - 6);
    r.call(|vm, cx| vm.memory_object_data_error(o, 3 * PAGE_SIZE, 2 * PAGE_SIZE, proto::KernReturn::Failure, cx));
    r.call(|vm, cx| vm.memory_object_data_unavailable(o, 0, 17 * PAGE_SIZE, WRITE, cx));
    assert_eq!(r.stat(o).requested_pages, 0);
    assert_eq!(r.sim.touch(ONE, at(16), None), Touch::Value(0));
    assert_eq!(r.read(ONE, 3), Touch::Fault(FaultKind::Missing), "asked for again, for a thread this time");
    assert!(r.events().contains(&"request 3+1 read".to_string()));
}

#[test]
fn vm_readahead_12_it_is_bounded_for_each_object() {
    let mut r = Rig::with(Config::default());
    let o = r.vm.object_create().unwrap();
    r.call(|vm, cx| vm.vm_map(ONE, map_request(Some(o), RO), cx)).unwrap();
    r.call(|vm, cx| vm.memory_object_ready(o, cx));
    // Many mappings of many parts, each with a stream that grows although nothing comes.
    for i in 0..64_u64 {
        let part = 512 * PAGE_SIZE;
        let request = MapRequest { size: part, offset: i * part, ..map_request(Some(o), RO) };
        let address = r.call(|vm, cx| vm.vm_map(ONE, request, cx)).unwrap().address;
        r.orders();
        let mut cx = VmCx { now: r.now, pmap: &mut r.sim, out: &mut r.out };
        for next in 10..18 {
            let address = address + next * PAGE_SIZE;
            let fault = Fault { task: ONE, address, kind: FaultKind::Missing, write: false, trace: TraceId(0) };
            r.vm.fault(fault, &mut cx);
        }
    }
    r.vm.check().unwrap();
    let stat = r.stat(o);
    let max = proto::limits::OBJECT_AHEAD_PAGES_MAX;
    assert!(stat.requested_pages > max - 256 && stat.requested_pages <= max + 256, "{stat:?}");
}

#[test]
fn vm_readahead_13_what_is_unmapped_meanwhile_is_not_mapped() {
    let (mut r, o) = rig();
    r.map_at(TWO, o, 0, 64, RO);
    r.read(ONE, 0);
    r.events();
    r.call(|vm, cx| vm.vm_deallocate(ONE, at(8), 4 * PAGE_SIZE, cx)).unwrap();
    r.orders();
    r.supply(o, 0, pages(&[1; 17]), WRITE);
    assert_eq!([7, 8, 11, 12].map(|n| r.sim.mapped(ONE, at(n))), [Some(false), None, None, None]);
    assert_eq!(r.read(ONE, 13), Touch::Value(1), "the rest is resident all the same");
}

#[test]
fn vm_readahead_14_it_can_be_switched_off() {
    let mut r = Rig::new();
    r.object(ONE, 64, RO);
    for i in 0..10 {
        r.read(ONE, i);
    }
    assert!(r.events().iter().all(|e| !e.contains("ahead")));
}
