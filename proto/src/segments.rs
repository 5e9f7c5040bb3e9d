//! Pieces of the descriptors beside a record, as `wire.body.Segments` has them: a column for each number, so that pieces which
//! go on in their descriptors where others of the same have ended take 3 to 7 bytes each, and thousands have room in a record.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use crate::limits::{TRAP_SEGMENTS_BYTES_MAX, TRAP_SEGMENTS_MAX};
use crate::wire::body::Segments;

/// Bytes of one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Segment {
    /// Its index among those beside the record.
    pub fd: u32,
    /// First byte in it.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Adds a piece behind others; where it goes on at the end of the last one, that becomes longer.
pub fn join(pieces: &mut Vec<Segment>, piece: Segment) {
    match pieces.last_mut() {
        Some(last) if last.fd == piece.fd && last.offset + last.length == piece.offset => last.length += piece.length,
        _ => pieces.push(piece),
    }
}

impl Segments {
    /// The record of pieces that lie one behind the other in what they make up.
    pub fn of(pieces: impl IntoIterator<Item = Segment>) -> Segments {
        let (mut record, mut ends) = (Segments::default(), Ends::default());
        for Segment { fd, offset, length } in pieces {
            let end = ends.entry(fd).or_default();
            record.fd.push(fd);
            // Two's complement, so that every offset can follow every other.
            record.skip.push(offset.wrapping_sub(*end) as i64);
            record.length.push(length);
            *end = offset.wrapping_add(length);
        }
        // So that what they take does not depend on what else goes beside the record.
        record.first = record.fd.iter().copied().min().unwrap_or(0);
        record.fd.iter_mut().for_each(|fd| *fd -= record.first);
        record
    }

    /// The pieces of a record.
    ///
    /// Errors: `None` the columns are of different lengths, or there is no such descriptor.
    pub fn pieces(&self) -> Option<Vec<Segment>> {
        let Segments { fd, skip, length, first } = self;
        if skip.len() != fd.len() || length.len() != fd.len() {
            return None;
        }
        let mut ends = Ends::default();
        let piece = |((fd, skip), length): ((&u32, &i64), &u64)| {
            let fd = first.checked_add(*fd)?;
            let end = ends.entry(fd).or_default();
            let offset = end.wrapping_add(*skip as u64);
            *end = offset.wrapping_add(*length);
            Some(Segment { fd, offset, length: *length })
        };
        fd.iter().zip(skip).zip(length).map(piece).collect()
    }

    /// Whether there is room for them beside all else that stands in a record, however the descriptors are numbered.
    pub fn fits(&self) -> bool {
        self.fits_in(TRAP_SEGMENTS_BYTES_MAX)
    }

    /// Whether they are not too many, and take no more bytes than that.
    pub(crate) fn fits_in(&self, bytes: usize) -> bool {
        self.fd.len() <= TRAP_SEGMENTS_MAX && self.bytes() <= bytes
    }

    /// What they take of a record at the most, however the descriptors are numbered.
    pub fn bytes(&self) -> usize {
        // A number below 128 takes one byte, others two.
        let short = |fd: &&u32| **fd < 128;
        let numbers = || self.fd.iter().collect::<BTreeSet<_>>().len();
        let renumbered = !self.fd.iter().all(|fd| short(&fd)) && numbers() > 128;
        self.encoded_len() + if renumbered { self.fd.iter().filter(short).count() } else { 0 }
    }
}

/// Where the last piece of each descriptor has ended.
type Ends = BTreeMap<u32, u64>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scattered(runs: u64) -> Vec<Segment> {
        let page = |fd, offset: u64, length: u64| Segment { fd, offset: offset << 12, length: length << 12 };
        (0..runs).flat_map(|run| [page(1, run, 1), page(0, 100 * run + 1, 99)]).collect()
    }

    #[test]
    fn what_goes_on_in_its_descriptor_is_one() {
        let mut pieces = Vec::new();
        let piece = |(fd, offset, length)| Segment { fd, offset, length };
        [(0, 0, 4), (0, 4, 2), (1, 6, 1), (1, 8, 1), (0, 9, 3)]
            .map(piece)
            .into_iter()
            .for_each(|p| join(&mut pieces, p));
        assert_eq!(pieces, [(0, 0, 6), (1, 6, 1), (1, 8, 1), (0, 9, 3)].map(piece));
    }

    #[test]
    fn thousands_of_scattered_pages_fit_and_no_more_than_so_many() {
        // One page in a hundred of 4 GiB.
        let record = Segments::of(scattered((4 << 30) / 4096 / 100));
        assert!(record.fits(), "{} bytes", record.encoded_len());
        assert_eq!(record.pieces().unwrap(), scattered((4 << 30) / 4096 / 100));
        let many = |count| Segments::of(std::iter::repeat_n(Segment::default(), count));
        assert!(many(TRAP_SEGMENTS_MAX).fits() && !many(TRAP_SEGMENTS_MAX + 1).fits());
        // Where each is far from the last one of its descriptor, fewer have room.
        let far = |n: u64| Segment { fd: 200, offset: (n % 2) << 40, length: 1 << 40 };
        assert!(!Segments::of((0..TRAP_SEGMENTS_MAX as u64).map(far)).fits());
    }

    #[test]
    fn what_they_take_does_not_depend_on_the_numbers_of_their_descriptors() {
        // Of 200 descriptors the first or the last ten are those that most pieces lie in.
        let of = |seldom: u32, often: u32, first: u32| {
            let rare = (0..190).map(|n| Segment { fd: first + seldom + n, offset: 0, length: 4096 });
            let usual =
                (0..9000).map(|n| Segment { fd: first + often + n % 10, offset: u64::from(n) << 12, length: 4096 });
            Segments::of(rare.chain(usual))
        };
        let [one, other, higher] = [of(10, 0, 0), of(0, 190, 0), of(10, 0, 30)];
        assert!(one.encoded_len() < other.encoded_len() && other.encoded_len() <= other.bytes());
        // But for what the lengths of the columns take.
        assert!([other, higher].iter().all(|list| list.bytes().abs_diff(one.bytes()) < 8));
    }

    #[test]
    fn columns_of_different_lengths_are_no_pieces() {
        let record = Segments::of(scattered(3));
        for short in [
            Segments { fd: record.fd[1..].to_vec(), ..record.clone() },
            Segments { skip: Vec::new(), ..record.clone() },
            Segments { length: record.length[..5].to_vec(), ..record.clone() },
            Segments { first: u32::MAX, ..record.clone() },
        ] {
            assert_eq!(short.pieces(), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_they_are_they_come_back(numbers: Vec<(u32, u64, u64)>) {
            let pieces: Vec<_> = numbers.iter().map(|&(fd, offset, length)| Segment { fd: u32::MAX - fd % 3, offset, length }).collect();
            prop_assert_eq!(Segments::of(pieces.clone()).pieces(), Some(pieces));
        }
    }
}
