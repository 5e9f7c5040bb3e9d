//! What an operator is told of a task's memory: its regions, how much of each is here, and a picture of that.
//!
//! What is here of an object is what the tables of `vm` say; of memory without a pager, and of what is shadowed, only the memfd
//! knows. One answer looks at a bounded number of pages, so that no fault waits long for it.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use kernel_core::TaskId;
use kernel_core::vm::{ObjectId, RegionStat};
use proto::iface::node;
use proto::limits::{REGION_CELLS_MAX, REGION_PAGES_COUNTED_MAX, REGIONS_TOLD_MAX};
use proto::{KernReturn, PAGE_SIZE, ranges};

use crate::node::Node;

/// What a run in a memfd costs to find, in pages of a table.
const RUN_COST: u64 = 16;

/// Of a cell: something is here, all of it is, something is dirty, something only the default pager has.
const CELL_SOME: u8 = 1;
const CELL_ALL: u8 = 2;
const CELL_DIRTY: u8 = 4;
const CELL_OUT: u8 = 8;

/// What a page is found to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Here.
    Clean,
    /// Here, and written.
    Dirty,
    /// Only the default pager has it.
    Out,
}

/// Pages of a region, what they show, and from which page of that on.
type Part = (Range<u64>, ObjectId, u64);

/// The pages of a region that are here, as they are found.
struct Survey {
    pages: u64,
    cell_pages: u64,
    resident: u64,
    dirty: u64,
    paged_out: u64,
    cells: Vec<Cell>,
    partial: bool,
}

/// Pages here, dirty ones of them, and those that only the default pager has.
#[derive(Clone, Copy, Default)]
struct Cell {
    here: u64,
    dirty: u64,
    out: u64,
}

impl Survey {
    /// A region of so many pages of which none is found. Without `cell_pages` there are no cells.
    fn new(pages: u64, cell_pages: u64) -> Survey {
        let cells = if cell_pages == 0 { 0 } else { pages.div_ceil(cell_pages) };
        let cells = vec![Cell::default(); cells as usize];
        Survey { pages, cell_pages, resident: 0, dirty: 0, paged_out: 0, cells, partial: false }
    }

    /// Pages of the region, counted from its first, are found.
    fn add(&mut self, run: Range<u64>, found: Found) {
        let count = |pages: u64, [here, dirty, out]: [&mut u64; 3]| {
            *here += if found == Found::Out { 0 } else { pages };
            *dirty += if found == Found::Dirty { pages } else { 0 };
            *out += if found == Found::Out { pages } else { 0 };
        };
        count(run.end - run.start, [&mut self.resident, &mut self.dirty, &mut self.paged_out]);
        let mut at = run.start;
        while self.cell_pages != 0 && at < run.end {
            let cell = at / self.cell_pages;
            let until = ((cell + 1) * self.cell_pages).min(run.end);
            let Cell { here, dirty, out } = &mut self.cells[cell as usize];
            count(until - at, [here, dirty, out]);
            at = until;
        }
    }

    fn picture(&self) -> Bytes {
        let byte = |(cell, Cell { here, dirty, out }): (usize, &Cell)| {
            let first = cell as u64 * self.cell_pages;
            let all = *here == self.cell_pages.min(self.pages - first);
            let bits = [(*here > 0, CELL_SOME), (all, CELL_ALL), (*dirty > 0, CELL_DIRTY), (*out > 0, CELL_OUT)];
            bits.into_iter().filter(|(is, _)| *is).fold(0, |byte, (_, bit)| byte | bit)
        };
        self.cells.iter().enumerate().map(byte).collect::<Vec<u8>>().into()
    }
}

impl Node {
    /// The regions of a task from `address` on, as many as one answer has room for.
    ///
    /// Errors: `InvalidTask`; `InvalidArgument` more cells than one answer has room for: larger ones are to be asked for.
    pub(crate) fn regions_info(
        &mut self,
        task: u32,
        address: u64,
        cell_pages: u64,
    ) -> Result<node::RegionsReply, KernReturn> {
        let exports = self.exports();
        let pagers: BTreeMap<_, _> = self.kernel.object_ports().collect();
        let mut all = self.kernel.vm().region_stats(TaskId(task), address)?;
        let told: Vec<RegionStat> = all.by_ref().take(REGIONS_TOLD_MAX).collect();
        let mut next = all.next();
        drop(all);
        let cells = |s: &RegionStat| if cell_pages == 0 { 0 } else { (s.region.size / PAGE_SIZE).div_ceil(cell_pages) };
        if told.iter().map(cells).sum::<u64>() > REGION_CELLS_MAX {
            return Err(KernReturn::InvalidArgument);
        }
        let mut left = REGION_PAGES_COUNTED_MAX;
        let mut regions = Vec::new();
        for stat in told {
            if left == 0 {
                next = Some(stat);
                break;
            }
            let survey = self.survey(&stat, cell_pages, &mut left);
            let label = pagers.get(&stat.memory).filter(|_| stat.managed).map(|port| {
                let export = self.export_behind(&exports, *port).map(|e| e.stats.name.clone());
                export.unwrap_or_else(|| self.remote_name(*port))
            });
            regions.push(region_info(&stat, &survey, label));
        }
        Ok(node::RegionsReply { next: next.map_or(0, |stat| stat.region.address), regions })
    }

    /// Looks at the pages of a region, as long as `left` lasts.
    fn survey(&self, stat: &RegionStat, cell_pages: u64, left: &mut u64) -> Survey {
        let size = stat.region.size;
        let mut survey = Survey::new(size / PAGE_SIZE, cell_pages);
        let part = (0..size / PAGE_SIZE, stat.memory, stat.offset / PAGE_SIZE);
        if !stat.managed {
            self.survey_file(&mut survey, part, left);
            return survey;
        }
        self.survey_pages(&mut survey, part, left);
        survey
    }

    /// Looks at pages of the region that an object of a pager shows, and through it what it shadows: which object, and from which
    /// page of it on.
    fn survey_pages(&self, survey: &mut Survey, (region, object, first): Part, left: &mut u64) {
        let vm = self.kernel.vm();
        let pages = first..first + region.end - region.start;
        let here = vm.resident(object, pages.clone());
        let here = here.map(|(page, dirty)| (page, if dirty { Found::Dirty } else { Found::Clean }));
        let out = vm.paged_out(object, pages.clone()).map(|page| (page, Found::Out));
        let mut own = Vec::new();
        for (page, found) in here.chain(out) {
            if *left == 0 {
                survey.partial = true;
                return;
            }
            *left -= 1;
            let at = region.start + page - first;
            survey.add(at..at + 1, found);
            ranges::join(&mut own, page..page + 1);
        }
        own.sort_unstable_by_key(|run| run.start);
        for (run, below, from) in vm.shadowed(object, pages) {
            for gap in ranges::without(&run, &own) {
                let at = region.start + gap.start - first;
                let part = (at..at + gap.end - gap.start, below, from + gap.start - run.start);
                match vm.is_native(below) {
                    true => self.survey_file(survey, part, left),
                    false => self.survey_pages(survey, part, left),
                }
                if survey.partial {
                    return;
                }
            }
        }
    }

    /// Looks at pages of the region that lie in a memfd: in whose, and from which page on.
    fn survey_file(&self, survey: &mut Survey, (region, object, first): Part, left: &mut u64) {
        let runs_max = (*left / RUN_COST).max(1);
        let bytes = first * PAGE_SIZE..(first + region.end - region.start) * PAGE_SIZE;
        let runs = self.pmap.present(object, bytes, runs_max as usize);
        *left = left.saturating_sub((runs.len() as u64).max(1) * RUN_COST);
        let page = |byte: u64| region.start + byte.div_ceil(PAGE_SIZE) - first;
        runs.iter().for_each(|run| survey.add(page(run.start)..page(run.end), Found::Clean));
        survey.partial |= runs.len() as u64 == runs_max || *left == 0;
    }
}

fn region_info(stat: &RegionStat, survey: &Survey, label: Option<String>) -> node::RegionInfo {
    let r = &stat.region;
    node::RegionInfo {
        address: r.address,
        size: r.size,
        protection: r.protection.bits(),
        max_protection: r.max_protection.bits(),
        inheritance: r.inheritance as u32,
        shared: r.shared,
        wired: stat.wired.bits(),
        object: label.unwrap_or_default(),
        offset: r.offset,
        mappings: stat.mappings,
        resident_pages: survey.resident,
        dirty_pages: survey.dirty,
        paged_out_pages: survey.paged_out,
        partial: survey.partial,
        cells: survey.picture(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_and_shown_in_their_cells() {
        let mut survey = Survey::new(10, 4);
        survey.add(2..5, Found::Clean);
        survey.add(5..6, Found::Dirty);
        survey.add(6..7, Found::Out);
        survey.add(8..10, Found::Clean);
        assert_eq!((survey.resident, survey.dirty, survey.paged_out), (6, 1, 1));
        let second = CELL_SOME | CELL_DIRTY | CELL_OUT;
        assert_eq!(survey.picture()[..], [CELL_SOME, second, CELL_SOME | CELL_ALL]);
        let mut without = Survey::new(1 << 40, 0);
        without.add(7..9, Found::Dirty);
        assert_eq!((without.resident, without.picture().len()), (2, 0));
        assert_eq!(Survey::new(3, 1 << 60).picture()[..], [0]);
    }
}
