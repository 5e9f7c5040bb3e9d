//! Parts of files that lie one behind the other, with as few calls as that takes.

use proto::segments::Segment;

/// What to map where, in this order, for parts that lie one behind the other from an address on. What the others cut out of
/// one file is mapped as one, and they over it: that takes about half as many calls.
pub(crate) fn in_mappings(address: u64, parts: &[Segment]) -> Vec<(u64, Segment)> {
    let mut at = address;
    let place = |part: &Segment| {
        at += part.length;
        (at - part.length, *part)
    };
    let placed: Vec<(u64, Segment)> = parts.iter().map(place).collect();
    let Some((there, largest)) = placed.iter().max_by_key(|(_, part)| part.length).copied() else { return placed };
    let lies_with = |(at, part): &(u64, Segment)| {
        part.fd == largest.fd && part.offset.wrapping_sub(*at) == largest.offset.wrapping_sub(there)
    };
    let [first, last] = [placed.iter().find(|p| lies_with(p)), placed.iter().rfind(|p| lies_with(p))];
    let (Some((start, first)), Some((end, last))) = (first, last) else { return placed };
    let whole = Segment { length: end + last.length - start, ..*first };
    std::iter::once((*start, whole)).chain(placed.iter().filter(|p| !lies_with(p)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cut_out_of_one_file_is_mapped_as_one() {
        let part = |fd, offset, length| Segment { fd, offset, length };
        let mapped = |parts: &[Segment]| {
            let lines = in_mappings(1000, parts).into_iter();
            lines.map(|(at, p)| (at - 1000, p.fd, p.offset, p.length)).collect::<Vec<_>>()
        };
        let scattered = [part(1, 0, 5), part(0, 35, 50), part(1, 5, 5), part(0, 90, 10), part(0, 0, 7), part(1, 9, 1)];
        let base = (5, 0, 35, 65);
        assert_eq!(mapped(&scattered), [base, (0, 1, 0, 5), (55, 1, 5, 5), (70, 0, 0, 7), (77, 1, 9, 1)]);
        assert_eq!(mapped(&[part(3, 8, 4)]), [(0, 3, 8, 4)]);
        assert_eq!(mapped(&[part(0, 8, 4), part(0, 0, 4)]).len(), 2);
        assert_eq!(mapped(&[]), []);
    }
}
