//! Runs of pages that were written to, as many as a message can tell of.

use std::ops::Range;

use proto::segments::Segment;
use proto::wire::body::Segments;

/// The runs of all ranges. Where they are too many, those that are nearest to each other are made one with what is between
/// them, as long as they are of one range.
pub(crate) fn coarsen(found: &[Vec<Range<u64>>]) -> Vec<Range<u64>> {
    let mut runs = found.concat();
    let mut most = runs.len();
    while !can_be_told(&runs) && most > found.len() {
        most -= most.div_ceil(16);
        runs = joined(found, most);
    }
    runs
}

/// Whether there is room in a message's record for the runs, and for what lies between them in a file of before.
fn can_be_told(runs: &[Range<u64>]) -> bool {
    let (mut at, mut gathered) = (runs.first().map_or(0, |run| run.start), 0);
    let pieces = runs.iter().flat_map(|run| {
        let before = Segment { fd: 0, offset: at, length: run.start - at };
        let written = Segment { fd: 1, offset: gathered, length: run.end - run.start };
        (at, gathered) = (run.end, gathered + written.length);
        [before, written]
    });
    Segments::of(pieces.filter(|piece| piece.length > 0)).fits()
}

/// No more than `most` runs, but one for each range at the least.
fn joined(found: &[Vec<Range<u64>>], most: usize) -> Vec<Range<u64>> {
    let runs: usize = found.iter().map(Vec::len).sum();
    let mut left = runs.saturating_sub(most);
    let gap = |two: &[Range<u64>]| two[1].start - two[0].end;
    let mut gaps: Vec<u64> = found.iter().flat_map(|runs| runs.windows(2).map(gap)).collect();
    let at = left.min(gaps.len()).saturating_sub(1);
    let widest = if gaps.is_empty() { 0 } else { *gaps.select_nth_unstable(at).1 };
    let mut out: Vec<Range<u64>> = Vec::new();
    for runs in found {
        let first = out.len();
        for run in runs {
            match out[first..].last_mut() {
                Some(last) if left > 0 && run.start - last.end <= widest => {
                    last.end = run.end;
                    left -= 1;
                }
                _ => out.push(run.clone()),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proto::PAGE_SIZE;
    use proto::limits::TRAP_SEGMENTS_MAX;

    use super::*;

    fn run(from: u64, to: u64) -> Range<u64> {
        from * PAGE_SIZE..to * PAGE_SIZE
    }

    #[test]
    fn those_with_the_narrowest_gap_are_joined() {
        let runs = [vec![run(0, 1), run(10, 11), run(13, 14), run(20, 21)], vec![run(21, 22), run(30, 31)]];
        assert_eq!(joined(&runs, 6), runs.concat());
        assert_eq!(joined(&runs, 5), [run(0, 1), run(10, 14), run(20, 21), run(21, 22), run(30, 31)]);
        assert_eq!(joined(&runs, 3), [run(0, 1), run(10, 21), run(21, 31)], "no run reaches into another range");
        assert_eq!(joined(&runs, 0), [run(0, 21), run(21, 31)], "a run for each range is the least");
        assert_eq!(joined(&[], 0), []);
    }

    #[test]
    fn too_many_runs_become_fewer_and_no_fewer_than_need_be() {
        assert_eq!(coarsen(&[vec![run(1, 2), run(3, 4)], vec![run(4, 5)]]), [run(1, 2), run(3, 4), run(4, 5)]);
        assert_eq!(coarsen(&[]), []);
        for (pages, gap) in [(1, 1), (1, 99), (2, 3), (4, 700), (3, 70_000)] {
            let count = TRAP_SEGMENTS_MAX as u64;
            let runs: Vec<_> = (0..count).map(|n| run(n * (pages + gap), n * (pages + gap) + pages)).collect();
            let coarse = coarsen(std::slice::from_ref(&runs));
            assert!(can_be_told(&coarse) && coarse.len() > 6500, "{} runs", coarse.len());
            assert!(runs.iter().all(|run| coarse.iter().any(|c| c.start <= run.start && run.end <= c.end)));
        }
        // One page in a hundred of 4 GiB is not too many.
        let scattered: Vec<_> = (0..10_486).map(|n| run(100 * n, 100 * n + 1)).collect();
        assert_eq!(coarsen(std::slice::from_ref(&scattered)), scattered);
    }
}
