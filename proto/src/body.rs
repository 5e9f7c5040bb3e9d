//! A message's body: bytes in Mach's typed form, and beside them what their slots stand for.
//!
//! 1. In `bytes` every slot of a right is zero, that of an address has its offset in a page, and every descriptor of rights
//!    names the kind that arrives.
//! 2. In a complex body the rights are in `rights`, in the order of their slots, inline and out of line; the contents of
//!    out-of-line data in `memory`, in the order of their descriptors, each as long as its descriptor says.
//! 3. A body that is not complex has neither; its bytes are the sender's business and need not be typed.
//!
//! Source: spec [ipc.typed.4], [ipc.typed.5]; mach-api §1.6.

use bytes::Bytes;

use crate::typed::{ALIGN, Descriptor, Element, Located, Scan};
use crate::{Disposition, Item, MsgReturn, PAGE_SIZE, Payload};

/// Of an address's second byte, what lies within a page.
const IN_PAGE_HIGH: u8 = ((PAGE_SIZE - 1) >> 8) as u8;

/// The body of a [`crate::Message`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body<R> {
    bytes: Bytes,
    /// Of a complex body; boxed, since most are not.
    carried: Option<Box<Carried<R>>>,
}

/// What the slots of a complex body stand for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Carried<R> {
    rights: Vec<R>,
    memory: Vec<Payload>,
}

impl<R> Default for Carried<R> {
    fn default() -> Carried<R> {
        Carried { rights: Vec::new(), memory: Vec::new() }
    }
}

impl<R> Default for Body<R> {
    fn default() -> Body<R> {
        Body::simple(Bytes::new())
    }
}

impl<R> Body<R> {
    /// A body without rights and without memory, which nobody looks into on its way.
    pub fn simple(bytes: Bytes) -> Body<R> {
        Body { bytes, carried: None }
    }

    /// A complex body as its sender wrote it.
    ///
    /// Errors: `SendMsgTooSmall`, `SendInvalidType` as [`Scan`]; whatever `source` refuses. What was made of the items
    /// before is dropped.
    pub fn parse<S: Source<R>>(bytes: &[u8], source: &mut S) -> Result<Body<R>, S::Error> {
        match Body::parse_prefix(bytes, source) {
            (body, None) => Ok(body),
            (_, Some(error)) => Err(error),
        }
    }

    /// The items of a body up to the first that is bad, and what is wrong with that one.
    pub fn parse_prefix<S: Source<R>>(bytes: &[u8], source: &mut S) -> (Body<R>, Option<S::Error>) {
        let mut out = bytes.to_vec();
        let (mut carried, mut end) = (None, 0);
        let mut parse = |located: Result<Located, MsgReturn>, out: &mut [u8]| {
            Body::parse_item(bytes, located?, source, out, &mut carried)
        };
        let wrong = Scan::new(bytes).find_map(|located| match parse(located, &mut out) {
            Ok(item_end) => {
                end = item_end;
                None
            }
            Err(error) => Some(error),
        });
        if wrong.is_some() {
            out.truncate(end);
        }
        (Body { bytes: Bytes::from(out), carried }, wrong)
    }

    /// Takes over one item, whole or not at all; answers where it ends.
    fn parse_item<S: Source<R>>(
        bytes: &[u8],
        Located { descriptor, at, data }: Located,
        source: &mut S,
        out: &mut [u8],
        carried: &mut Option<Box<Carried<R>>>,
    ) -> Result<usize, S::Error> {
        let slots = data..(data + descriptor.body_bytes() as usize).min(bytes.len());
        let kind = descriptor.disposition();
        if kind.is_none() && descriptor.inline {
            return Ok(slots.end);
        }
        let name = kind.map_or(descriptor.element.name, |d| d.arrival() as u8);
        let element = Element { name, ..descriptor.element };
        let (mut rights, mut memory) = (Vec::new(), None);
        match kind {
            Some(kind) => {
                let inline = descriptor.inline.then(|| &bytes[slots.clone()]);
                source.rights(kind, descriptor.number as usize, inline, &mut rights)?;
            }
            None => memory = Some(source.memory(descriptor.data_bytes())?),
        }
        let carried = carried.get_or_insert_default();
        carried.rights.append(&mut rights);
        carried.memory.extend(memory);
        out[at..data].copy_from_slice(&Descriptor { element, deallocate: false, ..descriptor }.to_bytes());
        // An address tells where in its page the memory began, and no more.
        let in_page = match (kind, &bytes[slots.clone()]) {
            (None, &[low, high, ..]) => [low, high & IN_PAGE_HIGH],
            _ => [0; 2],
        };
        out[slots.clone()].fill(0);
        out[slots.clone()].iter_mut().zip(in_page).for_each(|(byte, kept)| *byte = kept);
        Ok(slots.end)
    }

    /// The typed bytes, with slots of zero.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it has items that carry rights or memory.
    pub fn is_complex(&self) -> bool {
        self.carried.is_some()
    }

    /// Every right, in order.
    pub fn rights(&self) -> &[R] {
        self.carried.as_ref().map_or(&[], |c| &c.rights)
    }

    /// Every right, to be taken out: what is left behind must still be one for each slot.
    pub fn rights_mut(&mut self) -> &mut [R] {
        self.carried.as_mut().map_or(&mut [], |c| &mut c.rights)
    }

    /// Every right; the rest is dropped.
    pub fn into_rights(self) -> Vec<R> {
        self.carried.map_or_else(Vec::new, |c| c.rights)
    }

    /// The contents of out-of-line data, in order.
    pub fn memory(&self) -> &[Payload] {
        self.carried.as_ref().map_or(&[], |c| &c.memory)
    }

    /// Bytes of all out-of-line data, names of rights not counted.
    pub fn out_of_line_bytes(&self) -> usize {
        self.memory().iter().map(Payload::len).sum()
    }

    /// Of these, bytes that this process holds itself.
    pub fn held_bytes(&self) -> usize {
        self.memory().iter().map(Payload::held_bytes).sum()
    }

    /// The contents of out-of-line data, to be replaced by the same bytes elsewhere.
    pub fn memory_mut(&mut self) -> &mut [Payload] {
        self.carried.as_mut().map_or(&mut [], |c| &mut c.memory)
    }

    /// Gives all out-of-line data up: its descriptors are still there, and count nothing.
    pub fn lose_memory(&mut self) {
        let memory = |located: &Located| located.descriptor.is_memory();
        let located: Vec<Located> = self.scan_if_complex().flatten().filter(memory).collect();
        let mut bytes = self.bytes.to_vec();
        for Located { descriptor, at, data } in located {
            bytes[at..data].copy_from_slice(&Descriptor { number: 0, ..descriptor }.to_bytes());
        }
        self.bytes = bytes.into();
        self.memory_mut().iter_mut().for_each(|memory| *memory = Payload::default());
    }

    /// Whether each descriptor of out-of-line data counts all of its contents.
    pub fn is_whole(&self) -> bool {
        let mut memory = self.memory().iter();
        let counted = self.scan_if_complex().flatten().map(|located| located.descriptor).filter(|d| d.is_memory());
        counted.into_iter().all(|d| memory.next().is_some_and(|m| m.len() as u64 <= d.data_bytes()))
    }

    /// Items, if the bytes are typed; 0 for bytes that are not.
    pub fn items_len(&self) -> usize {
        Scan::new(&self.bytes).filter(Result::is_ok).count()
    }

    /// The same body with each right put through `f`, in order.
    ///
    /// Errors: the first one of `f`; rights after it have not been looked at, those before it are dropped, so an `f`
    /// that counts must keep what it needs to undo.
    pub fn try_map_rights<S, E>(self, f: impl FnMut(R) -> Result<S, E>) -> Result<Body<S>, E> {
        let Body { bytes, carried } = self;
        let Some(carried) = carried else { return Ok(Body { bytes, carried: None }) };
        let Carried { rights, memory } = *carried;
        let rights = rights.into_iter().map(f).collect::<Result<_, E>>()?;
        Ok(Body { bytes, carried: Some(Box::new(Carried { rights, memory })) })
    }

    /// Has each descriptor of rights say what its first right arrives as; `None` leaves it to the next.
    pub fn set_kinds(&mut self, kind: impl Fn(&R) -> Option<Disposition>) {
        let mut rights = self.rights().iter();
        let mut wrong = Vec::new();
        for located in self.scan_if_complex() {
            let Ok(Located { descriptor, at, .. }) = located else { break };
            let Some(said) = descriptor.disposition() else { continue };
            let mut of_item = rights.by_ref().take(descriptor.number as usize);
            let is = of_item.by_ref().find_map(&kind).map(Disposition::arrival);
            of_item.for_each(drop);
            wrong.extend(is.filter(|is| *is != said).map(|is| (at, is)));
        }
        if !wrong.is_empty() {
            let mut bytes = self.bytes.to_vec();
            wrong.into_iter().for_each(|(at, is)| bytes[at] = is as u8);
            self.bytes = Bytes::from(bytes);
        }
    }

    /// Whether the rights of each item that say what they arrive as say the same.
    pub fn is_uniform(&self, kind: impl Fn(&R) -> Option<Disposition>) -> bool {
        let mut rights = self.rights().iter();
        self.scan_if_complex().flatten().all(|located| {
            let number = if located.descriptor.disposition().is_some() { located.descriptor.number } else { 0 };
            let mut said = rights.by_ref().take(number as usize).filter_map(&kind);
            let first = said.next();
            said.all(|d| Some(d) == first)
        })
    }

    /// The bytes with the slots filled, as a receiver (or the next kernel) reads them, and all out-of-line contents one
    /// behind the other. `named` gives a right's name, and the disposition its descriptor is to say (by the first right
    /// of an item that has one).
    pub fn fill(&self, named: impl Fn(&R) -> (u32, Option<Disposition>)) -> (Bytes, Payload) {
        if !self.is_complex() {
            return (self.bytes.clone(), Payload::default());
        }
        let (mut rights, mut memory) = (self.rights().iter(), self.memory().iter());
        let mut outside = Payload::default();
        let mut bytes = self.bytes.to_vec();
        for located in Scan::new(&self.bytes) {
            let Ok(Located { descriptor, at, data }) = located else { break };
            if descriptor.disposition().is_none() {
                if !descriptor.inline {
                    outside.append(memory.next().cloned().unwrap_or_default());
                }
                continue;
            }
            let mut said = None;
            let names: Vec<u32> = rights
                .by_ref()
                .take(descriptor.number as usize)
                .map(|right| {
                    let (name, disposition) = named(right);
                    said = said.or(disposition);
                    name
                })
                .collect();
            if let Some(disposition) = said {
                bytes[at] = disposition as u8;
            }
            if descriptor.inline {
                for (slot, name) in bytes[data..].chunks_exact_mut(ALIGN).zip(&names) {
                    slot[..size_of::<u32>()].copy_from_slice(&name.to_le_bytes());
                }
            } else if !names.is_empty() {
                outside.push(Bytes::from(names.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>()));
            }
        }
        (Bytes::from(bytes), outside)
    }

    fn scan_if_complex(&self) -> Scan<'_> {
        Scan::new(if self.is_complex() { &self.bytes } else { &[] })
    }

    /// The body as a list of items.
    ///
    /// Errors: the bytes are not typed; the body comes back as it was.
    pub fn into_items(self) -> Result<Vec<Item<R>>, Body<R>> {
        if Scan::new(&self.bytes).any(|i| i.is_err()) {
            return Err(self);
        }
        let Body { bytes, carried } = self;
        let Carried { rights, memory } = carried.map(|c| *c).unwrap_or_default();
        let (mut rights, mut memory) = (rights.into_iter(), memory.into_iter());
        let items = Scan::new(&bytes).flatten().map(|located| {
            let Located { descriptor, data, .. } = located;
            let number = descriptor.number as usize;
            match (descriptor.disposition(), descriptor.inline) {
                (Some(_), true) if number == 1 => Item::Port(rights.next().expect("a right for each slot")),
                (Some(_), true) => Item::Ports(rights.by_ref().take(number).collect()),
                (Some(_), false) => Item::PortsOutOfLine(rights.by_ref().take(number).collect()),
                (None, true) => {
                    let bytes = bytes.slice(data..data + descriptor.data_bytes() as usize);
                    Item::of_data(descriptor.element, descriptor.number, bytes)
                }
                (None, false) => Item::of_memory(descriptor.element, memory.next().expect("contents for each item")),
            }
        });
        Ok(items.collect())
    }
}

impl<R: Clone> Body<R> {
    /// A copy of the items, for a look; none if the bytes are not typed.
    pub fn items(&self) -> Vec<Item<R>> {
        self.clone().into_items().unwrap_or_default()
    }
}

/// Where [`Body::parse`] finds what the slots stand for.
pub trait Source<R> {
    /// Why it may have nothing; also the parser's own errors.
    type Error: From<MsgReturn>;

    /// The next `number` rights, which go by `kind`. Inline ones have their names in `slots`, one to 8 bytes.
    fn rights(
        &mut self,
        kind: Disposition,
        number: usize,
        slots: Option<&[u8]>,
        out: &mut Vec<R>,
    ) -> Result<(), Self::Error>;

    /// The next out-of-line data.
    fn memory(&mut self, bytes: u64) -> Result<Payload, Self::Error>;
}

/// Builds a typed body, item by item.
#[derive(Debug)]
pub struct Writer<R> {
    bytes: Vec<u8>,
    carried: Option<Box<Carried<R>>>,
}

impl<R> Default for Writer<R> {
    fn default() -> Writer<R> {
        Writer { bytes: Vec::new(), carried: None }
    }
}

impl<R> Writer<R> {
    /// Nothing yet.
    pub fn new() -> Writer<R> {
        Writer::default()
    }

    /// Inline data of `number` elements.
    ///
    /// Conditions: `data` is as long as they are.
    pub fn data(&mut self, element: Element, number: u32, data: &[u8]) {
        let descriptor = Descriptor::inline(element, number);
        assert_eq!(descriptor.data_bytes(), data.len() as u64, "{descriptor:?} of other data");
        self.bytes.extend(descriptor.to_bytes());
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }

    /// One 32-bit element.
    pub fn u32(&mut self, element: Element, value: u32) {
        self.data(element, 1, &value.to_le_bytes());
    }

    /// One 64-bit element.
    pub fn u64(&mut self, element: Element, value: u64) {
        self.data(element, 1, &value.to_le_bytes());
    }

    /// Out-of-line data. A last element that is not whole counts. Bytes that are too many to be counted go as numbers of 64
    /// bits; what is too much for that makes a body that is not whole ([`Body::is_whole`]).
    pub fn memory(&mut self, element: Element, payload: Payload) {
        let count = |element: Element| (payload.len() as u64 * 8).div_ceil(u64::from(element.size_bits).max(1));
        let wide = element == Element::BYTE && count(element) > u64::from(u32::MAX) && payload.len().is_multiple_of(8);
        let element = if wide { Element::INTEGER_64 } else { element };
        let number = u32::try_from(count(element)).unwrap_or(u32::MAX);
        self.bytes.extend(Descriptor::out_of_line(element, number).to_bytes());
        self.bytes.extend([0; ALIGN]);
        self.carried.get_or_insert_default().memory.push(payload);
    }

    /// Rights that arrive as `kind` does.
    pub fn rights(&mut self, kind: Disposition, inline: bool, rights: impl IntoIterator<Item = R>) {
        let carried = self.carried.get_or_insert_default();
        let before = carried.rights.len();
        carried.rights.extend(rights);
        let number = carried.rights.len() - before;
        self.bytes.extend(Descriptor::rights(kind.arrival(), inline, number as u32).to_bytes());
        let slots = if inline { number } else { 1 };
        self.bytes.resize(self.bytes.len() + slots * ALIGN, 0);
    }

    /// The body.
    pub fn finish(self) -> Body<R> {
        let Writer { bytes, carried } = self;
        Body { bytes: Bytes::from(bytes), carried }
    }
}

/// Reads a typed body in order, by reference; the rights are taken out afterwards with [`Taken`].
///
/// Every call answers `None` when the next item is not what is asked for.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    scan: Scan<'a>,
    memory: std::slice::Iter<'a, Payload>,
}

impl<'a> Reader<'a> {
    /// From the first item on.
    pub fn new<R>(body: &'a Body<R>) -> Reader<'a> {
        Reader { bytes: &body.bytes, scan: Scan::new(&body.bytes), memory: body.memory().iter() }
    }

    fn next(&mut self) -> Option<Located> {
        self.scan.next()?.ok()
    }

    /// Inline data of any number of elements.
    pub fn data(&mut self, element: Element) -> Option<Bytes> {
        let Located { descriptor, data, .. } = self.next()?;
        let fits = descriptor.inline && descriptor.element == element;
        fits.then(|| self.bytes.slice(data..data + descriptor.data_bytes() as usize))
    }

    /// Inline data of as many elements as said.
    pub fn array<const N: usize>(&mut self, element: Element) -> Option<[u8; N]> {
        let Located { descriptor, data, .. } = self.next()?;
        let fits = descriptor.inline && descriptor.element == element && descriptor.data_bytes() == N as u64;
        if fits { self.bytes[data..].first_chunk().copied() } else { None }
    }

    /// One 32-bit element.
    pub fn u32(&mut self, element: Element) -> Option<u32> {
        self.array(element).map(u32::from_le_bytes)
    }

    /// One 64-bit element.
    pub fn u64(&mut self, element: Element) -> Option<u64> {
        self.array(element).map(u64::from_le_bytes)
    }

    /// Out-of-line data; bytes that are too many to be counted come as [`Writer::memory`] puts them.
    pub fn memory(&mut self, element: Element) -> Option<&'a Payload> {
        let descriptor = self.next()?.descriptor;
        let wide = element == Element::BYTE && descriptor.data_bytes() > u64::from(u32::MAX);
        let is = descriptor.element == element || wide && descriptor.element == Element::INTEGER_64;
        if !descriptor.inline && is { self.memory.next() } else { None }
    }

    /// One inline right.
    pub fn right(&mut self) -> Option<()> {
        let descriptor = self.next()?.descriptor;
        (descriptor.inline && descriptor.disposition().is_some() && descriptor.number == 1).then_some(())
    }

    /// An array of rights, inline or out of line; how many.
    pub fn rights(&mut self) -> Option<usize> {
        let descriptor = self.next()?.descriptor;
        descriptor.disposition().map(|_| descriptor.number as usize)
    }

    /// Nothing more.
    pub fn end(&mut self) -> Option<()> {
        self.scan.next().is_none().then_some(())
    }
}

/// The rights of a body that a [`Reader`] has found to fit, to be taken in the same order.
#[derive(Debug)]
pub struct Taken<R>(std::vec::IntoIter<R>);

impl<R> Taken<R> {
    /// Everything of `body`.
    pub fn new(body: Body<R>) -> Taken<R> {
        Taken(body.into_rights().into_iter())
    }

    /// The next right.
    pub fn right(&mut self) -> R {
        self.0.next().expect("the reader has seen it")
    }

    /// The next `number` rights.
    pub fn rights(&mut self, number: usize) -> Vec<R> {
        self.0.by_ref().take(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NamedRight, PortName};

    #[test]
    fn ipc_typed_4_slots_are_empty_and_rights_say_what_arrives() {
        let port = NamedRight::make_send(PortName(0x203));
        let body = Body::from(vec![Item::U32(7), Item::Port(port), Item::OutOfLine(Payload::from(vec![1; 5]))]);
        let kinds: Vec<_> = Scan::new(body.bytes()).map(|i| i.unwrap().descriptor.element.name).collect();
        assert_eq!(kinds, [2, Disposition::MoveSend as u8, 9]);
        assert_eq!(&body.bytes()[24..32], &[0; 8]);
        let (filled, outside) = body.fill(|right| (right.name.0, Some(right.disposition)));
        assert_eq!(filled[16], Disposition::MakeSend as u8);
        assert_eq!(&filled[24..28], &0x203u32.to_le_bytes());
        assert_eq!(outside.to_bytes(), vec![1; 5]);
        assert_eq!(filled.len(), 48);
    }

    #[test]
    fn a_body_without_its_memory_still_has_its_rights_and_items() {
        let port = NamedRight::make_send(PortName(0x203));
        let long = Item::OutOfLine(Payload::from(vec![1; 5000]));
        let mut body = Body::from(vec![long.clone(), Item::Port(port), Item::Ports(vec![port; 2]), long, Item::U32(7)]);
        body.lose_memory();
        let none = Item::OutOfLine(Payload::default());
        let expected = Body::from(vec![none.clone(), Item::Port(port), Item::Ports(vec![port; 2]), none, Item::U32(7)]);
        assert_eq!(
            (body.bytes(), body.rights(), body.memory()),
            (expected.bytes(), expected.rights(), expected.memory())
        );
    }

    #[test]
    fn ipc_typed_4_an_address_keeps_its_offset_in_a_page() {
        struct Contents;
        impl Source<NamedRight> for Contents {
            type Error = MsgReturn;
            fn rights(
                &mut self,
                kind: Disposition,
                number: usize,
                _: Option<&[u8]>,
                out: &mut Vec<NamedRight>,
            ) -> Result<(), MsgReturn> {
                out.resize(out.len() + number, NamedRight { name: PortName(9), disposition: kind });
                Ok(())
            }
            fn memory(&mut self, bytes: u64) -> Result<Payload, MsgReturn> {
                Ok(Payload::from(vec![0; bytes as usize]))
            }
        }
        let mut bytes = Descriptor::out_of_line(Element::BYTE, 5).to_bytes().to_vec();
        bytes.extend(0x7fff_1234_5abcu64.to_le_bytes());
        bytes.extend(Descriptor::rights(Disposition::CopySend, true, 1).to_bytes());
        bytes.extend(9u64.to_le_bytes());
        let body = Body::parse(&bytes, &mut Contents).unwrap();
        assert_eq!((&body.bytes()[8..16], &body.bytes()[24..]), (&0xabcu64.to_le_bytes()[..], &[0; 8][..]));
    }

    #[test]
    fn bytes_that_are_too_many_to_be_counted_are_read_as_they_are_written() {
        let chunk = bytes::Bytes::from(vec![0; 64 << 20]);
        let mut many = Payload::default();
        (0..64).for_each(|_| many.push(chunk.clone()));
        let read = |payload: &Payload, element| {
            let mut writer = Writer::<NamedRight>::new();
            writer.memory(element, payload.clone());
            let body = writer.finish();
            assert!(body.is_whole());
            Reader::new(&body).memory(Element::BYTE).map(Payload::len)
        };
        assert_eq!(read(&many, Element::BYTE), Some(4 << 30));
        assert_eq!(read(&many.slice(1, (4 << 30) - 1), Element::BYTE), Some((4 << 30) - 1));
        assert_eq!(read(&many.slice(0, 64), Element::INTEGER_64), None, "few numbers are no bytes");
    }

    #[test]
    fn ipc_typed_4_a_descriptor_follows_the_right_that_is_put_under_it() {
        let mut body = Body::from(vec![Item::Port(NamedRight::NULL), Item::Port(NamedRight::make_send(PortName(9)))]);
        body.rights_mut()[1] = NamedRight::make_send_once(PortName(9));
        body.set_kinds(|right| right.name.is_valid().then_some(right.disposition));
        let kinds: Vec<_> = Scan::new(body.bytes()).map(|i| i.unwrap().descriptor.disposition()).collect();
        assert_eq!(kinds, [Some(Disposition::MoveSend), Some(Disposition::MoveSendOnce)]);
    }

    #[test]
    fn ipc_typed_5_bytes_that_are_not_typed_have_no_items() {
        let body: Body<NamedRight> = Body::simple(Bytes::from_static(b"hello"));
        assert_eq!((body.items_len(), body.items().len()), (0, 0));
        assert_eq!(body.clone().into_items(), Err(body.clone()));
        assert_eq!(body.fill(|_| (1, None)).0, *body.bytes());
    }
}
