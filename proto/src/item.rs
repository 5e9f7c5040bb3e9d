//! A body as a list of items: for messages that are written or looked at by hand. The stubs do without it.

use bytes::Bytes;

use crate::body::{Body, Writer};
use crate::typed::Element;
use crate::{Disposition, NamedRight, Payload};

/// One typed item of a body (`mach_msg_type_t` and what follows it).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item<R> {
    /// One `MACH_MSG_TYPE_INTEGER_32`.
    U32(u32),
    /// One `MACH_MSG_TYPE_INTEGER_64`.
    U64(u64),
    /// Inline `MACH_MSG_TYPE_BYTE`s.
    Data(Bytes),
    /// Inline data of any other type: what its elements are, how many, and their bytes.
    Typed(Element, u32, Bytes),
    /// One inline right.
    Port(R),
    /// Inline rights.
    Ports(Vec<R>),
    /// Rights in an out-of-line array.
    PortsOutOfLine(Vec<R>),
    /// Out-of-line `MACH_MSG_TYPE_BYTE`s: the receiver gets a copy of its own.
    OutOfLine(Payload),
    /// Out-of-line data of any other type.
    TypedOutOfLine(Element, Payload),
}

impl<R> Item<R> {
    pub(crate) fn of_data(element: Element, number: u32, data: Bytes) -> Item<R> {
        match (element, &data[..]) {
            (Element::INTEGER_32, &[a, b, c, d]) => Item::U32(u32::from_le_bytes([a, b, c, d])),
            (Element::INTEGER_64, bytes) if bytes.len() == 8 => {
                Item::U64(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
            }
            (Element::BYTE, _) => Item::Data(data),
            _ => Item::Typed(element, number, data),
        }
    }

    pub(crate) fn of_memory(element: Element, payload: Payload) -> Item<R> {
        if element == Element::BYTE { Item::OutOfLine(payload) } else { Item::TypedOutOfLine(element, payload) }
    }
}

/// A right that says how it arrives, so that a descriptor can be written for it.
pub trait Arrives {
    /// Of all that there are, the kind of right that it will be: `MoveReceive`, `MoveSend` or `MoveSendOnce`.
    fn arrives(&self) -> Disposition;
}

impl Arrives for NamedRight {
    fn arrives(&self) -> Disposition {
        self.disposition.arrival()
    }
}

impl<R: Arrives> From<Vec<Item<R>>> for Body<R> {
    /// The kind of an array is that of its first right; an empty one is of send rights.
    fn from(items: Vec<Item<R>>) -> Body<R> {
        let mut writer = Writer::new();
        let kind = |rights: &[R]| rights.first().map_or(Disposition::MoveSend, Arrives::arrives);
        for item in items {
            match item {
                Item::U32(v) => writer.u32(Element::INTEGER_32, v),
                Item::U64(v) => writer.u64(Element::INTEGER_64, v),
                Item::Data(bytes) => writer.data(Element::BYTE, bytes.len() as u32, &bytes),
                Item::Typed(element, number, bytes) => writer.data(element, number, &bytes),
                Item::Port(right) => writer.rights(right.arrives(), true, [right]),
                Item::Ports(rights) => writer.rights(kind(&rights), true, rights),
                Item::PortsOutOfLine(rights) => writer.rights(kind(&rights), false, rights),
                Item::OutOfLine(payload) => writer.memory(Element::BYTE, payload),
                Item::TypedOutOfLine(element, payload) => writer.memory(element, payload),
            }
        }
        writer.finish()
    }
}

impl<R: Arrives, const N: usize> From<[Item<R>; N]> for Body<R> {
    fn from(items: [Item<R>; N]) -> Body<R> {
        Body::from(Vec::from(items))
    }
}
