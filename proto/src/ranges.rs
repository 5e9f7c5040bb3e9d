//! Lists of ranges of addresses.

use std::ops::Range;

/// Adds a range behind others; where it goes on at the end of the last one, that becomes longer.
pub fn join(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// The parts of a range that lie in none of `holes`, in order.
///
/// Conditions: the holes are in the order of their first addresses; they may overlap.
pub fn without(range: &Range<u64>, holes: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut out, mut at) = (Vec::new(), range.start);
    for hole in holes {
        if hole.start > at && at < range.end {
            out.push(at..hole.start.min(range.end));
        }
        at = at.max(hole.end);
    }
    if at < range.end {
        out.push(at..range.end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_one() {
        let mut ranges = Vec::new();
        [1..2, 2..4, 5..6, 6..7].into_iter().for_each(|range| join(&mut ranges, range));
        assert_eq!(ranges, [1..4, 5..7]);
    }

    #[test]
    fn holes_are_cut_out() {
        assert_eq!(without(&(2..9), &[0..1, 1..3, 4..5, 5..6, 8..12, 20..21]), [3..4, 6..8]);
        assert_eq!(without(&(2..9), &[3..8, 4..5, 6..7]), [2..3, 8..9]);
        assert_eq!(without(&(2..9), &[0..4, 3..9]), []);
        // Against the simplest model: a bit for every address.
        for bits in 0..1u64 << 12 {
            let bit = |n: u64| bits >> (n % 12) & 1 == 1;
            let holes: Vec<Range<u64>> = (0..12).filter(|n| bit(*n)).map(|n| n..n + 1 + bits % 3).collect();
            let parts = without(&(3..10), &holes);
            let had = |at: u64| parts.iter().filter(|part| part.contains(&at)).count();
            let wanted = |at: u64| (3..10).contains(&at) && !holes.iter().any(|hole| hole.contains(&at));
            assert!((0..16).all(|at| had(at) == usize::from(wanted(at))), "{holes:?}");
        }
    }
}
