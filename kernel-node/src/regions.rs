//! What an operator is told of a task's memory: its regions, how much of each is here, and a picture of that.
//!
//! What is here of an object is what the tables of `vm` say; of memory without a pager only the memfd knows. One answer looks
//! at a bounded number of pages, so that no fault waits long for it.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use kernel_core::TaskId;
use kernel_core::vm::RegionStat;
use proto::iface::node;
use proto::limits::{REGION_CELLS_MAX, REGION_PAGES_COUNTED_MAX, REGIONS_TOLD_MAX};
use proto::{KernReturn, PAGE_SIZE};

use crate::node::Node;

/// What a run in a memfd costs to find, in pages of a table.
const RUN_COST: u64 = 16;

/// Of a cell: something is here, all of it is, something is dirty.
const CELL_SOME: u8 = 1;
const CELL_ALL: u8 = 2;
const CELL_DIRTY: u8 = 4;

/// The pages of a region that are here, as they are found.
struct Survey {
    pages: u64,
    cell_pages: u64,
    resident: u64,
    dirty: u64,
    /// Pages here and dirty ones, by cell.
    cells: Vec<(u64, u64)>,
    partial: bool,
}

impl Survey {
    /// A region of so many pages of which none is found. Without `cell_pages` there are no cells.
    fn new(pages: u64, cell_pages: u64) -> Survey {
        let cells = if cell_pages == 0 { 0 } else { pages.div_ceil(cell_pages) };
        Survey { pages, cell_pages, resident: 0, dirty: 0, cells: vec![(0, 0); cells as usize], partial: false }
    }

    /// Pages of the region, counted from its first, are here.
    fn add(&mut self, run: Range<u64>, dirty: bool) {
        self.resident += run.end - run.start;
        self.dirty += if dirty { run.end - run.start } else { 0 };
        let mut at = run.start;
        while self.cell_pages != 0 && at < run.end {
            let cell = at / self.cell_pages;
            let until = ((cell + 1) * self.cell_pages).min(run.end);
            let (here, written) = &mut self.cells[cell as usize];
            *here += until - at;
            *written += if dirty { until - at } else { 0 };
            at = until;
        }
    }

    fn picture(&self) -> Bytes {
        let byte = |(cell, (here, dirty)): (usize, &(u64, u64))| {
            let first = cell as u64 * self.cell_pages;
            let all = *here == self.cell_pages.min(self.pages - first);
            let bits = [(*here > 0, CELL_SOME), (all, CELL_ALL), (*dirty > 0, CELL_DIRTY)];
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
        let bytes = stat.offset..stat.offset + size;
        let first = stat.offset / PAGE_SIZE;
        if stat.managed {
            for (page, dirty) in self.kernel.vm().resident(stat.memory, first..first + size / PAGE_SIZE) {
                if *left == 0 {
                    survey.partial = true;
                    break;
                }
                *left -= 1;
                survey.add(page - first..page - first + 1, dirty);
            }
            return survey;
        }
        let runs_max = (*left / RUN_COST).max(1);
        let runs = self.pmap.present(stat.memory, bytes, runs_max as usize);
        survey.partial = runs.len() as u64 == runs_max;
        *left = left.saturating_sub(runs.len() as u64 * RUN_COST);
        for run in runs {
            survey.add(run.start / PAGE_SIZE - first..run.end.div_ceil(PAGE_SIZE) - first, false);
        }
        survey
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
        survey.add(2..5, false);
        survey.add(5..6, true);
        survey.add(8..10, false);
        assert_eq!((survey.resident, survey.dirty), (6, 1));
        assert_eq!(survey.picture()[..], [CELL_SOME, CELL_SOME | CELL_DIRTY, CELL_SOME | CELL_ALL]);
        let mut without = Survey::new(1 << 40, 0);
        without.add(7..9, true);
        assert_eq!((without.resident, without.picture().len()), (2, 0));
        assert_eq!(Survey::new(3, 1 << 60).picture()[..], [0]);
    }
}
