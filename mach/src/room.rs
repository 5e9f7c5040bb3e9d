//! How many more mappings Linux grants this process. One that has as many as it may can allocate nothing any more, and its
//! next allocation ends it; so what takes many leaves some to the program.

use std::ops::Range;
use std::sync::OnceLock;

use crate::memory::{Memory, State};

impl Memory {
    /// Whether the program has some left when each of the runs, in order, is a mapping of its own.
    pub fn has_room_for_runs(&self, runs: &[Range<u64>]) -> bool {
        let state = self.lock();
        let new = |at: &u64| !state.ranges.is_border(*at);
        let borders = runs.iter().flat_map(|run| [run.start, run.end]);
        self.has_room_for(&state, borders.filter(new).count())
    }

    /// Whether so many mappings more leave the program some.
    pub fn has_room_for(&self, state: &State, mappings: usize) -> bool {
        if mappings <= FEW {
            return true;
        }
        let (mut ours, mut end) = (0, self.arena.start());
        for (start, behind, _) in state.ranges.all() {
            // What lies between two of them is one, too.
            ours += 1 + usize::from(start > end);
            end = behind;
        }
        let Some(left) = most().checked_sub(SPARE + ours + mappings) else { return false };
        let arena = self.arena.start()..self.arena.start() + self.arena.size();
        self.maps.count_outside(&arena, left + 1).is_ok_and(|theirs| theirs <= left)
    }
}

/// Mappings that a process may have.
fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok();
    *MOST.get_or_init(|| read().unwrap_or(MOST_BY_DEFAULT))
}

/// So few are not counted.
const FEW: usize = 64;
/// So many are left to the program.
const SPARE: usize = 4096;
/// `DEFAULT_MAX_MAP_COUNT` of Linux.
const MOST_BY_DEFAULT: usize = 65_530;
