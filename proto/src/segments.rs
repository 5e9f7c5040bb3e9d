//! Pieces of the descriptors beside a record, as `wire.body.Segments` has them: a column for each number, so that pieces which
//! go on in their descriptors where others of the same have ended take 3 to 7 bytes each, and thousands have room in a record.

use std::collections::BTreeMap;

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

impl Segments {
    /// The record of pieces that lie one behind the other in what they make up.
    pub fn of(pieces: impl IntoIterator<Item = Segment>) -> Segments {
        let (mut record, mut ends) = (Segments::default(), Ends::default());
        for Segment { fd, offset, length } in pieces {
            let end = ends.0.entry(fd).or_default();
            record.fd.push(fd);
            // Two's complement, so that every offset can follow every other.
            record.skip.push(offset.wrapping_sub(*end) as i64);
            record.length.push(length);
            *end = offset.wrapping_add(length);
        }
        record
    }

    /// The pieces of a record.
    ///
    /// Errors: `None` there are more than [`TRAP_SEGMENTS_MAX`], or the columns are of different lengths.
    pub fn pieces(&self) -> Option<Vec<Segment>> {
        let Segments { fd, skip, length } = self;
        if fd.len() > TRAP_SEGMENTS_MAX || skip.len() != fd.len() || length.len() != fd.len() {
            return None;
        }
        let mut ends = Ends::default();
        let piece = |((fd, skip), length): ((&u32, &i64), &u64)| {
            let end = ends.0.entry(*fd).or_default();
            let offset = end.wrapping_add(*skip as u64);
            *end = offset.wrapping_add(*length);
            Segment { fd: *fd, offset, length: *length }
        };
        Some(fd.iter().zip(skip).zip(length).map(piece).collect())
    }

    /// Whether there is room for them beside all else that stands in a record.
    pub fn fits(&self) -> bool {
        self.fd.len() <= TRAP_SEGMENTS_MAX && self.encoded_len() <= TRAP_SEGMENTS_BYTES_MAX
    }
}

/// Where the last piece of each descriptor has ended.
#[derive(Default)]
struct Ends(BTreeMap<u32, u64>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scattered(runs: u64) -> Vec<Segment> {
        let page = |fd, offset: u64, length: u64| Segment { fd, offset: offset << 12, length: length << 12 };
        (0..runs).flat_map(|run| [page(1, run, 1), page(0, 100 * run + 1, 99)]).collect()
    }

    #[test]
    fn thousands_of_scattered_pages_fit_and_no_more_than_so_many() {
        // One page in a hundred of 4 GiB.
        let record = Segments::of(scattered((4 << 30) / 4096 / 100));
        assert!(record.fits(), "{} bytes", record.encoded_len());
        assert_eq!(record.pieces().unwrap(), scattered((4 << 30) / 4096 / 100));
        let many = |count| Segments::of(std::iter::repeat_n(Segment::default(), count));
        assert!(many(TRAP_SEGMENTS_MAX).fits() && !many(TRAP_SEGMENTS_MAX + 1).fits());
        assert!(many(TRAP_SEGMENTS_MAX).pieces().is_some() && many(TRAP_SEGMENTS_MAX + 1).pieces().is_none());
        // Where each is far from the last one of its descriptor, fewer have room.
        let far = |n: u64| Segment { fd: 200, offset: (n % 2) << 40, length: 1 << 40 };
        assert!(!Segments::of((0..TRAP_SEGMENTS_MAX as u64).map(far)).fits());
    }

    #[test]
    fn columns_of_different_lengths_are_no_pieces() {
        let record = Segments::of(scattered(3));
        for short in [
            Segments { fd: record.fd[1..].to_vec(), ..record.clone() },
            Segments { skip: Vec::new(), ..record.clone() },
            Segments { length: record.length[..5].to_vec(), ..record.clone() },
        ] {
            assert_eq!(short.pieces(), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_they_are_they_come_back(numbers: Vec<(u32, u64, u64)>) {
            let pieces: Vec<_> = numbers.iter().map(|&(fd, offset, length)| Segment { fd: fd % 3, offset, length }).collect();
            prop_assert_eq!(Segments::of(pieces.clone()).pieces(), Some(pieces));
        }
    }
}
