//! Mach's typed form of data on 64 bits: a descriptor of 8 bytes before each item of a body.
//!
//! 1. A descriptor is followed by its data (`number` elements of `size_bits`), by one 8-byte slot for each right, or, out
//!    of line, by one 8-byte slot for an address. Every descriptor begins at a multiple of 8.
//! 2. Nothing here looks at what the slots hold.
//!
//! Source: spec [ipc.typed.1] to [ipc.typed.3]; mach-api §1.6.

use crate::{Disposition, MsgReturn};

/// Where descriptors begin, and what a slot measures.
pub const ALIGN: usize = 8;

/// Type names of data (`MACH_MSG_TYPE_…`); those of rights are [`Disposition`]s.
pub mod name {
    /// Bits that nobody interprets; also a boolean's.
    pub const UNSTRUCTURED: u8 = 0;
    /// A boolean, in 32 bits.
    pub const BOOLEAN: u8 = 0;
    /// A 16-bit integer.
    pub const INTEGER_16: u8 = 1;
    /// A 32-bit integer.
    pub const INTEGER_32: u8 = 2;
    /// A character.
    pub const CHAR: u8 = 8;
    /// A byte.
    pub const BYTE: u8 = 9;
    /// A floating point number.
    pub const REAL: u8 = 10;
    /// A 64-bit integer.
    pub const INTEGER_64: u8 = 11;
    /// A string of C.
    pub const STRING_C: u8 = 12;
    /// A port's name, which names nothing for the receiver.
    pub const PORT_NAME: u8 = 15;
}

/// What the elements of an item are (`msgt_name`, `msgt_size`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Element {
    /// One of [`name`], or any other number that the parties agree on.
    pub name: u8,
    /// Bits of one element.
    pub size_bits: u16,
}

impl Element {
    /// `MACH_MSG_TYPE_INTEGER_32`.
    pub const INTEGER_32: Element = Element { name: name::INTEGER_32, size_bits: 32 };
    /// `MACH_MSG_TYPE_INTEGER_64`.
    pub const INTEGER_64: Element = Element { name: name::INTEGER_64, size_bits: 64 };
    /// `MACH_MSG_TYPE_BOOLEAN`.
    pub const BOOLEAN: Element = Element { name: name::BOOLEAN, size_bits: 32 };
    /// `MACH_MSG_TYPE_BYTE`.
    pub const BYTE: Element = Element { name: name::BYTE, size_bits: 8 };
    /// `MACH_MSG_TYPE_CHAR`.
    pub const CHAR: Element = Element { name: name::CHAR, size_bits: 8 };
    /// `MACH_MSG_TYPE_PORT_NAME`.
    pub const PORT_NAME: Element = Element { name: name::PORT_NAME, size_bits: 32 };
    /// `MACH_MSG_TYPE_STRING_C`: the characters of a field of fixed size.
    pub const STRING_C: Element = Element { name: name::STRING_C, size_bits: 8 };
}

/// One descriptor (`mach_msg_type_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// What the elements are.
    pub element: Element,
    /// Whether data or rights stand in the body itself.
    pub inline: bool,
    /// `msgt_longform`: no difference on 64 bits, but MIG's stubs want it of what is out of line; kept as it came.
    pub longform: bool,
    /// `msgt_deallocate`: the sender gives the memory away. Of no meaning to the receiver.
    pub deallocate: bool,
    /// How many elements.
    pub number: u32,
}

const INLINE: u32 = 1 << 29;
const LONGFORM: u32 = 1 << 30;
const DEALLOCATE: u32 = 1 << 31;
const UNUSED: u32 = 0x1f << 24;

impl Descriptor {
    /// `number` elements in the body.
    pub const fn inline(element: Element, number: u32) -> Descriptor {
        Descriptor { element, inline: true, longform: false, deallocate: false, number }
    }

    /// `number` elements out of line.
    pub const fn out_of_line(element: Element, number: u32) -> Descriptor {
        Descriptor { element, inline: false, longform: true, deallocate: false, number }
    }

    /// `number` rights that arrive as `kind`: in slots of 64 bits, or out of line as names of 32.
    pub const fn rights(kind: Disposition, inline: bool, number: u32) -> Descriptor {
        let element = Element { name: kind as u8, size_bits: if inline { 64 } else { 32 } };
        Descriptor { element, inline, longform: !inline, deallocate: false, number }
    }

    /// As it stands in a body.
    pub const fn to_bytes(self) -> [u8; ALIGN] {
        let word = self.element.name as u32
            | (self.element.size_bits as u32) << 8
            | if self.inline { INLINE } else { 0 }
            | if self.longform { LONGFORM } else { 0 }
            | if self.deallocate { DEALLOCATE } else { 0 };
        ((self.number as u64) << 32 | word as u64).to_le_bytes()
    }

    /// Parses a descriptor.
    ///
    /// Errors: `SendInvalidType` unused bits that are set, inline data to deallocate, rights of another size than a
    /// slot's (inline) or a name's (out of line).
    pub fn parse(bytes: [u8; ALIGN]) -> Result<Descriptor, MsgReturn> {
        let bits = u64::from_le_bytes(bytes);
        let word = bits as u32;
        let descriptor = Descriptor {
            element: Element { name: word as u8, size_bits: (word >> 8) as u16 },
            inline: word & INLINE != 0,
            longform: word & LONGFORM != 0,
            deallocate: word & DEALLOCATE != 0,
            number: (bits >> 32) as u32,
        };
        let slot = if descriptor.inline { 64 } else { 32 };
        let wrong = word & UNUSED != 0
            || (descriptor.inline && descriptor.deallocate)
            || (descriptor.disposition().is_some() && descriptor.element.size_bits != slot);
        if wrong { Err(MsgReturn::SendInvalidType) } else { Ok(descriptor) }
    }

    /// How rights are carried; `None` for data.
    pub fn disposition(self) -> Option<Disposition> {
        Disposition::from_raw(self.element.name.into())
    }

    /// Whether its contents are memory: data out of line.
    pub fn is_memory(self) -> bool {
        !self.inline && self.disposition().is_none()
    }

    /// Bytes of all elements; rights out of line count as names.
    pub fn data_bytes(self) -> u64 {
        (u64::from(self.number) * u64::from(self.element.size_bits)).div_ceil(8)
    }

    /// Bytes behind the descriptor in the body, up to the next one.
    pub fn body_bytes(self) -> u64 {
        if self.inline { self.data_bytes().next_multiple_of(ALIGN as u64) } else { ALIGN as u64 }
    }
}

/// One item of a body: its descriptor, and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located {
    /// What it says.
    pub descriptor: Descriptor,
    /// Offset of the descriptor in the body.
    pub at: usize,
    /// Offset of what follows it: data or slots.
    pub data: usize,
}

/// Goes through the items of a body. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// From the first item on.
    pub fn new(body: &'a [u8]) -> Scan<'a> {
        Scan { body, at: 0 }
    }
}

impl Iterator for Scan<'_> {
    /// Errors: `SendMsgTooSmall` an item runs past the end; `SendInvalidType` as [`Descriptor::parse`].
    type Item = Result<Located, MsgReturn>;

    fn next(&mut self) -> Option<Result<Located, MsgReturn>> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let located =
            rest.first_chunk().ok_or(MsgReturn::SendMsgTooSmall).and_then(|bytes| Descriptor::parse(*bytes)).and_then(
                |descriptor| {
                    let (at, data) = (self.at, self.at + ALIGN);
                    // The last item's padding may be missing.
                    let needed = if descriptor.inline { descriptor.data_bytes() } else { ALIGN as u64 };
                    if needed > (self.body.len() - data) as u64 {
                        return Err(MsgReturn::SendMsgTooSmall);
                    }
                    self.at = data + descriptor.body_bytes() as usize;
                    Ok(Located { descriptor, at, data })
                },
            );
        if located.is_err() {
            self.at = self.body.len();
        }
        Some(located)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipc_typed_1_a_descriptor_has_machs_bits() {
        let code = Descriptor::inline(Element::INTEGER_32, 1);
        assert_eq!(u64::from_le_bytes(code.to_bytes()), 0x1_2000_2002);
        let right = Descriptor::rights(Disposition::MoveSendOnce, true, 1);
        assert_eq!(u64::from_le_bytes(right.to_bytes()), 0x1_2000_4012);
        let memory = Descriptor { deallocate: true, ..Descriptor::out_of_line(Element::BYTE, 4096) };
        assert_eq!(u64::from_le_bytes(memory.to_bytes()), 0x1000_c000_0809);
        for descriptor in [code, right, memory] {
            assert_eq!(Descriptor::parse(descriptor.to_bytes()), Ok(descriptor));
        }
    }

    #[test]
    fn ipc_typed_2_illegal_descriptors_are_refused() {
        let refused = |d: Descriptor| Descriptor::parse(d.to_bytes()) == Err(MsgReturn::SendInvalidType);
        assert!(refused(Descriptor { deallocate: true, ..Descriptor::inline(Element::BYTE, 1) }));
        let narrow = Element { name: Disposition::CopySend as u8, size_bits: 32 };
        assert!(refused(Descriptor::inline(narrow, 1)) && !refused(Descriptor::out_of_line(narrow, 1)));
        let wide = Element { name: Disposition::CopySend as u8, size_bits: 64 };
        assert!(refused(Descriptor::out_of_line(wide, 1)) && !refused(Descriptor::inline(wide, 1)));
        let mut unused = Descriptor::inline(Element::BYTE, 1).to_bytes();
        unused[3] |= 1;
        assert_eq!(Descriptor::parse(unused), Err(MsgReturn::SendInvalidType));
    }

    #[test]
    fn ipc_typed_3_an_item_that_runs_past_the_end_is_too_small() {
        let mut body = Descriptor::inline(Element::BYTE, 9).to_bytes().to_vec();
        body.extend([0; 9]);
        assert_eq!(Scan::new(&body).count(), 1);
        assert!(Scan::new(&body).all(|i| i.is_ok()));
        body.pop();
        assert_eq!(Scan::new(&body).last(), Some(Err(MsgReturn::SendMsgTooSmall)));
        assert_eq!(Scan::new(&body[..5]).last(), Some(Err(MsgReturn::SendMsgTooSmall)));
        let far = Descriptor::inline(Element { name: 2, size_bits: u16::MAX }, u32::MAX).to_bytes();
        assert_eq!(Scan::new(&far).last(), Some(Err(MsgReturn::SendMsgTooSmall)));
        assert_eq!(Scan::new(&[]).next(), None);
    }
}
