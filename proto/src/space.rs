//! A whole address space as one out-of-line item: a head that says what is where, then the bytes, in whole pages.
//!
//! The head is its length in 8 bytes, a `wire::space::Space`, and zeroes up to a page's border. The bytes of the regions that
//! have any follow, in the order of the regions. Memory objects are beside the item, as rights.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;

use crate::limits::SPACE_REGIONS_MAX;
use crate::wire::space;
use crate::{Inherit, PAGE_SIZE, Payload, Prot};

/// A region of an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First byte; a page.
    pub address: u64,
    /// Bytes; whole pages.
    pub size: u64,
    /// The protection now.
    pub protection: Prot,
    /// The most it can become.
    pub max_protection: Prot,
    /// What a child would get.
    pub inheritance: Inherit,
    /// What it shows.
    pub shows: Shows,
}

/// What a region shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shows {
    /// The bytes at this offset of the item.
    Bytes(u64),
    /// One of the memory objects beside the item, from an offset on.
    Object(u32, u64),
    /// Nothing that could be had: a hole.
    Nothing,
}

/// The head of an item with these regions. Where a region shows bytes, its offset is not looked at.
pub fn head(regions: &[Region]) -> Bytes {
    let regions = regions.iter().map(|r| space::Region {
        address: r.address,
        size: r.size,
        protection: r.protection.bits(),
        max_protection: r.max_protection.bits(),
        inheritance: r.inheritance as u32,
        shows: match r.shows {
            Shows::Bytes(_) => Some(space::region::Shows::Bytes(true)),
            Shows::Object(object, _) => Some(space::region::Shows::Object(object)),
            Shows::Nothing => None,
        },
        offset: if let Shows::Object(_, offset) = r.shows { offset } else { 0 },
    });
    let space = space::Space { regions: regions.collect() };
    let length = space.encoded_len();
    let mut head = BytesMut::with_capacity((8 + length).next_multiple_of(PAGE_SIZE as usize));
    head.put_u64_le(length as u64);
    space.encode(&mut head).expect("there is room");
    head.resize((8 + length).next_multiple_of(PAGE_SIZE as usize), 0);
    head.freeze()
}

/// The regions of an item: in order, apart, each within the item where it shows bytes.
///
/// Errors: `None` the item is no address space, or has more regions than a map.
pub fn regions(item: &Payload) -> Option<Vec<Region>> {
    if item.len() < 8 {
        return None;
    }
    let length = u64::from_le_bytes(item.slice(0, 8).to_bytes()[..].try_into().ok()?);
    let end = length.checked_add(8).filter(|end| *end <= (HEAD_BYTES_MAX as u64).min(item.len() as u64))?;
    let space = space::Space::decode(item.slice(8, length as usize).to_bytes()).ok()?;
    let (mut bytes, mut above) = (end.next_multiple_of(PAGE_SIZE), 0);
    let region = |r: &space::Region| {
        let end = r.address.checked_add(r.size)?;
        let whole = r.address.is_multiple_of(PAGE_SIZE) && r.size.is_multiple_of(PAGE_SIZE) && r.size > 0;
        if !whole || r.address < above {
            return None;
        }
        above = end;
        let shows = match r.shows {
            Some(space::region::Shows::Bytes(_)) => {
                let from = bytes;
                bytes = from.checked_add(r.size).filter(|end| *end <= item.len() as u64)?;
                Shows::Bytes(from)
            }
            Some(space::region::Shows::Object(object)) => Shows::Object(object, r.offset),
            None => Shows::Nothing,
        };
        Some(Region {
            address: r.address,
            size: r.size,
            protection: Prot::from_bits(r.protection)?,
            max_protection: Prot::from_bits(r.max_protection)?,
            inheritance: Inherit::from_raw(r.inheritance)?,
            shows,
        })
    };
    space.regions.iter().map(region).collect()
}

/// A head of as many regions as there can be; each takes less than 64 bytes.
const HEAD_BYTES_MAX: usize = 64 * SPACE_REGIONS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn region(address: u64, pages: u64, shows: Shows) -> Region {
        let (protection, max_protection) = (Prot::READ, Prot::all());
        Region { address, size: pages * PAGE_SIZE, protection, max_protection, inheritance: Inherit::Share, shows }
    }

    fn item(regions: &[Region], bytes: usize) -> Payload {
        let mut item = Payload::from(head(regions));
        item.push(vec![1; bytes].into());
        item
    }

    #[test]
    fn what_is_written_is_read() {
        let page = PAGE_SIZE;
        let written = [
            region(0, 1, Shows::Bytes(page)),
            region(page, 2, Shows::Object(3, 5 * page)),
            region(9 * page, 1, Shows::Nothing),
            region(10 * page, 2, Shows::Bytes(2 * page)),
        ];
        assert_eq!(regions(&item(&written, 3 * page as usize)).as_deref(), Some(&written[..]));
        assert_eq!(regions(&item(&[], 0)), Some(vec![]));
        let many: Vec<Region> = (0..1000).map(|n| region(2 * n * page, 1, Shows::Nothing)).collect();
        assert_eq!(regions(&item(&many, 0)), Some(many));
    }

    #[test]
    fn what_is_no_space_is_refused() {
        let page = PAGE_SIZE;
        let bytes = |address, pages| region(address, pages, Shows::Bytes(0));
        let refused = |bad: &[Region], bytes| assert_eq!(regions(&item(bad, bytes)), None);
        refused(&[bytes(0, 2)], 2 * page as usize - 1);
        refused(&[bytes(page, 1), bytes(0, 1)], 8192);
        refused(&[bytes(0, 2), bytes(page, 1)], 3 * page as usize);
        refused(&[bytes(1, 1)], 4096);
        refused(&[bytes(0, 0)], 4096);
        refused(&[region(!0 - page + 1, 1, Shows::Nothing)], 0);
        for garbage in [vec![], vec![0; 7], vec![255; 5000], [9u64.to_le_bytes(), [255; 8]].concat()] {
            assert_eq!(regions(&garbage.into()), None);
        }
    }
}
