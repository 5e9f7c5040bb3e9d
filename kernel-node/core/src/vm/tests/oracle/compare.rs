//! What is compared after each step, and the tests.

use std::collections::BTreeMap;

use proto::PAGE_SIZE;

use super::Run;
use super::model::{Kind, TaskMap};
use crate::TaskId;

impl Run {
    /// Every page of every task, and what the node counts.
    pub(super) fn compare(&self) {
        for (task, map) in &self.model.tasks {
            self.compare_map(*task, map);
        }
        assert_eq!(self.vm.task_stats().len(), self.model.tasks.len(), "tasks");
        let objects: Vec<_> = self.vm.object_stats().iter().map(|o| o.object).collect();
        assert_eq!(objects.len(), self.model.contents.len(), "{objects:?}, {:?}", self.model.contents);
        assert!(self.model.contents.keys().all(|memory| objects.contains(&self.ids[memory])), "objects");
        let counted = self.vm.statistics(0);
        let wired = |map: &TaskMap| map.pages.values().filter(|s| !s.wired.is_empty()).count() as u64;
        assert_eq!(counted.wired, self.model.tasks.values().map(wired).sum::<u64>(), "wired pages");
        assert_eq!((counted.lookups, counted.hits), (self.lookups, self.hits), "lookups and hits");
        assert_eq!(self.vm.pages(), (0, self.model.native()), "pages that are here, and that may come without a pager");
    }

    fn compare_map(&self, task: TaskId, map: &TaskMap) {
        let (mut at, mut seen) = (0, BTreeMap::new());
        while let Ok(region) = self.vm.vm_region(task, at) {
            assert!(region.address >= at && region.size > 0, "{region:x?} at or above {at:#x}");
            for offset in (0..region.size).step_by(PAGE_SIZE as usize) {
                let page = (region.address + offset) / PAGE_SIZE;
                seen.insert(page, (region, (region.offset + offset) / PAGE_SIZE));
            }
            at = region.address + region.size;
        }
        assert!(
            seen.keys().eq(map.pages.keys()),
            "{task:?} has {:x?}, and should {:x?}",
            seen.keys(),
            map.pages.keys()
        );
        for (page, (region, offset)) in &seen {
            let shown = &map.pages[page];
            let is_object = matches!(self.model.contents[&shown.memory].kind, Kind::Object { .. });
            let expected = (shown.protection, shown.maximum, shown.inheritance, shown.shared, shown.page);
            let got = (region.protection, region.max_protection, region.inheritance, region.shared, *offset);
            assert_eq!(got, expected, "{task:?} page {page:#x}");
            assert_eq!(region.object, is_object.then(|| self.ids[&shown.memory]), "{task:?} page {page:#x}");
        }
        let stats = self.vm.region_stats(task, 0).expect("it lives");
        for stat in stats {
            let pages = stat.region.address / PAGE_SIZE..(stat.region.address + stat.region.size) / PAGE_SIZE;
            for (page, n) in pages.zip(stat.offset / PAGE_SIZE..) {
                let shown = &map.pages[&page];
                let expected = (shown.wired, self.ids[&shown.memory], shown.page);
                assert_eq!((stat.wired, stat.memory, n), expected, "{task:?} page {page:#x}");
            }
        }
        let bytes = self.vm.task_stats().into_iter().find(|s| s.task == task).expect("it lives").mapped_bytes;
        assert_eq!(bytes, map.pages.len() as u64 * PAGE_SIZE);
        self.compare_areas(task, map);
    }

    /// Where nothing is under way, Linux has what the map says.
    fn compare_areas(&self, task: TaskId, map: &TaskMap) {
        let areas = self.sim.areas(task);
        for (page, shown) in &map.pages {
            let content = &self.model.contents[&shown.memory];
            if content.uneven || self.model.is_ordered(task, &(*page..page + 1)) {
                continue;
            }
            let (shared, managed) = match content.kind {
                Kind::Object { .. } => (shown.shared, true),
                Kind::Paged => (true, true),
                Kind::Native => (true, false),
                Kind::Frozen => (false, false),
            };
            let expected = (self.ids[&shown.memory], shown.page, shown.protection, shared, managed);
            assert_eq!(areas.get(&(page * PAGE_SIZE)), Some(&expected), "{task:?} page {page:#x}");
            let locked = self.locked.contains(&(task, page * PAGE_SIZE));
            assert_eq!(locked, !shown.wired.is_empty(), "{task:?} page {page:#x} is locked by Linux, or not");
        }
        for at in areas.keys() {
            let (page, leaves) = (at / PAGE_SIZE, |p: u64| map.leaving.iter().any(|(range, _)| range.contains(&p)));
            let known = map.pages.contains_key(&page) || leaves(page) || self.model.is_ordered(task, &(page..page + 1));
            assert!(known, "{task:?} still has page {page:#x} mapped");
        }
    }
}

fn run(seed: u64, steps: u32, limit: bool, planted: bool) -> BTreeMap<String, u32> {
    let mut run = Run::new(seed, limit);
    run.vm.planted.skip_clip = planted;
    (0..2).for_each(|_| run.come());
    (0..steps).for_each(|_| run.step());
    run.drain();
    for task in run.model.tasks.keys().copied().collect::<Vec<_>>() {
        run.sim.task_gone(task);
        run.call(|vm, cx| vm.task_gone(task, cx));
        run.model.task_gone(task);
    }
    run.compare();
    assert!(run.model.contents.is_empty() && run.sim.objects.is_empty(), "memory is left over");
    std::mem::take(&mut run.ends)
}

/// The seeds of a test: as many as it says from one that the clock gives, or the one of `MACH_VM_SEED`.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let given = std::env::var("MACH_VM_SEED").ok().map(|seed| seed.parse().expect("MACH_VM_SEED is a number"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let first: u64 = given.unwrap_or(now >> 10 & 0xffff_ffff);
    println!("MACH_VM_SEED={first} cargo nextest run -p kernel-core vm_world_5");
    first..first + if given.is_some() { 1 } else { count }
}

#[test]
fn vm_world_5_every_page_is_as_in_a_naive_map() {
    for seed in seeds(30) {
        run(seed, 300, seed % 3 == 0, false);
    }
}

/// The dice must come past every end of every call, or the comparison says little.
#[test]
fn vm_world_5_the_calls_end_in_every_way() {
    let mut ends = BTreeMap::<String, u32>::new();
    for seed in 0..30 {
        for (end, n) in run(seed, 300, seed % 3 == 0, false) {
            *ends.entry(end).or_default() += n;
        }
    }
    for (call, codes) in REACHED {
        for code in codes.split(' ') {
            let code = if code == "Ok" { "None".to_owned() } else { format!("Some({code})") };
            assert!(ends.contains_key(&format!("{call} {code}")), "no {call} {code} among {ends:#?}");
        }
    }
    for order in ["Map", "Unmap", "Freeze", "Wire(true)"] {
        let failed = ends.get(&format!("order Some({order}) false"));
        assert!(failed.is_some(), "{order} never failed: {ends:#?}");
    }
}

#[test]
fn vm_world_6_a_node_that_changes_more_than_it_was_asked_to_is_found_out() {
    let caught = (0..5).all(|seed| std::panic::catch_unwind(|| run(seed, 400, false, true)).is_err());
    assert!(caught);
}

const REACHED: [(&str, &str); 13] = [
    ("vm_allocate", "Ok InvalidTask InvalidArgument NoSpace InvalidAddress ResourceShortage"),
    ("vm_map", "Ok InvalidTask InvalidArgument NoSpace InvalidAddress ResourceShortage"),
    ("vm_map object", "Ok InvalidTask InvalidArgument NoSpace InvalidAddress"),
    ("vm_deallocate", "Ok InvalidTask InvalidArgument"),
    ("vm_protect", "Ok InvalidTask InvalidArgument ProtectionFailure"),
    ("vm_inherit", "Ok InvalidTask InvalidArgument"),
    ("vm_wire", "Ok InvalidTask InvalidArgument NoSpace NoAccess"),
    ("vm_wire_all", "Ok InvalidTask InvalidArgument NoAccess"),
    ("vm_freeze", "Ok InvalidTask InvalidArgument InvalidAddress ProtectionFailure"),
    ("vm_replace", "Ok InvalidAddress"),
    ("vm_map_frozen", "Ok InvalidArgument NoSpace"),
    ("vm_region", "Ok InvalidTask NoSpace"),
    ("permitted", "Ok InvalidTask InvalidArgument InvalidAddress ProtectionFailure"),
];
