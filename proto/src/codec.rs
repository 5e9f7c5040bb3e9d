//! Messages on a task's channel: [`Message`] with rights as names, to the record `wire.body.NamedMessage` and back.
//!
//! 1. A body and out-of-line contents that are small travel in the record; those that are not lie in *one* descriptor
//!    beside it, the body first, then the contents in the order of their items.
//! 2. What comes from a task is checked against every bound of [`crate::limits`] before memory is taken for it.
//! 3. Decoding takes no copy of a body that is not complex, nor of out-of-line data: they are slices of the record.

use bytes::Bytes;

use crate::body::{Body, Source};
use crate::limits::{
    MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_OOL_BYTES_MAX, MSG_RIGHTS_MAX, TRAP_BODY_BYTES_MAX,
    TRAP_INLINE_OOL_BYTES_MAX, TRAP_RECORD_BYTES_MAX,
};
use crate::typed::{ALIGN, Scan};
use crate::wire::body;
use crate::{Disposition, Message, MsgReturn, NamedRight, Payload, PortName, TraceId};

/// The version of the records between a task and its node; a hello of another is refused.
pub const TRAP_VERSION: u32 = 2;

/// Room in a record for everything that stands around the message's body and memory.
const ENVELOPE_BYTES: usize = 16 << 10;
/// Of one name in an out-of-line array.
const NAME_BYTES: usize = size_of::<u32>();
/// Out-of-line contents of one message: data, and names of rights.
const MEMORY_BYTES_MAX: usize = MSG_OOL_BYTES_MAX + MSG_RIGHTS_MAX * NAME_BYTES;

/// The message as a record, and the bytes for the descriptor at `fd` (index among those beside the record), to be
/// written one behind the other; none when it is empty.
///
/// Conditions: [`check`] has passed. Then the record leaves 16 KiB of `TRAP_RECORD_BYTES_MAX` for what is around it.
pub fn encode(message: Message<NamedRight>, fd: u32) -> (body::NamedMessage, Vec<Bytes>) {
    let Message { remote, local, id, seqno, trace, body } = message;
    let named = |right: &NamedRight| (right.name.0, right.name.is_valid().then_some(right.disposition));
    let (bytes, memory) = body.fill(named);
    let (contents, beside) = encode_contents(bytes, memory, fd);
    let record = body::NamedMessage {
        remote: encode_right(remote),
        local: encode_right(local),
        id,
        seqno,
        trace: trace.0,
        complex: body.is_complex(),
        ..contents
    };
    (record, beside)
}

/// The part of [`encode`] that no header takes part in: a record of a body and the memory of it alone, each in the
/// record or beside it by its length, and what is beside it.
///
/// Conditions: as for [`encode`].
pub fn encode_contents(body: Bytes, memory: Payload, fd: u32) -> (body::NamedMessage, Vec<Bytes>) {
    let mut record = body::NamedMessage::default();
    let mut beside = Vec::new();
    if body.len() <= TRAP_BODY_BYTES_MAX {
        record.body = body;
    } else {
        record.body_length = body.len() as u64;
        beside.push(body);
    }
    if memory.len() <= TRAP_INLINE_OOL_BYTES_MAX {
        record.memory = memory.to_bytes();
    } else {
        record.memory_length = memory.len() as u64;
        beside.extend_from_slice(memory.chunks());
    }
    record.fd = if beside.is_empty() { 0 } else { fd + 1 };
    (record, beside)
}

/// The message of a record. `fetch(fd, offset, length)` reads bytes out of the descriptor at index `fd`.
///
/// Errors, as `mach_msg` gives them to a sender: `SendMsgTooSmall`, `SendInvalidType` a complex body that is not typed,
/// a disposition that there is not, or too many items; `SendNoBuffer` too many bytes or
/// rights; `SendInvalidMemory` what is not there, or could not be read.
pub fn decode(
    message: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Result<Message<NamedRight>, MsgReturn> {
    match decode_prefix(message, fetch)? {
        (message, None) => Ok(message),
        (_, Some(code)) => Err(code),
    }
}

/// As [`decode`], but an item that is bad by itself is no error yet: the message comes as far as it is good, with the code
/// for that item. Whoever sends it is told of what stands before first: [ipc.body.3].
///
/// Errors: as [`decode`], what concerns the message as a whole.
pub fn decode_prefix(
    message: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Result<(Message<NamedRight>, Option<MsgReturn>), MsgReturn> {
    let header = |right: Option<body::NamedRight>| right.map_or(Ok(NamedRight::NULL), decode_right);
    let (remote, local) = (header(message.remote)?, header(message.local)?);
    let mut contents = Contents {
        fetch,
        fd: message.fd.checked_sub(1),
        at: 0,
        memory: Payload::from(message.memory),
        taken: 0,
        beside: (message.memory_length > 0).then_some(message.memory_length),
        rights: 0,
    };
    let bytes = match message.body_length {
        0 => message.body,
        length if message.body.is_empty() => contents.body(length)?,
        _ => return Err(MsgReturn::SendInvalidMemory),
    };
    if bytes.len() > MSG_INLINE_BYTES_MAX {
        return Err(MsgReturn::SendNoBuffer);
    }
    let (body, wrong) = match message.complex {
        true if Scan::new(&bytes).nth(MSG_ITEMS_MAX).is_some() => return Err(MsgReturn::SendInvalidType),
        true => Body::parse_prefix(&bytes, &mut contents),
        false => (Body::simple(bytes), None),
    };
    if let Some(code @ MsgReturn::SendNoBuffer) = wrong {
        return Err(code);
    }
    Ok((Message { remote, local, id: message.id, seqno: message.seqno, trace: TraceId(message.trace), body }, wrong))
}

/// Whether the message is within every bound, so that its record is, and each array of rights is of one kind.
///
/// Errors: as [`decode`].
pub fn check(message: &Message<NamedRight>) -> Result<(), MsgReturn> {
    let body = &message.body;
    match () {
        () if body.is_complex() && Scan::new(body.bytes()).nth(MSG_ITEMS_MAX).is_some() => {
            Err(MsgReturn::SendInvalidType)
        }
        () if body.rights().len() > MSG_RIGHTS_MAX => Err(MsgReturn::SendNoBuffer),
        () if body.bytes().len() > MSG_INLINE_BYTES_MAX || body.out_of_line_bytes() > MSG_OOL_BYTES_MAX => {
            Err(MsgReturn::SendNoBuffer)
        }
        () if !body.is_uniform(|r| r.name.is_valid().then_some(r.disposition)) => Err(MsgReturn::SendInvalidType),
        () => Ok(()),
    }
}

/// What a record's slots stand for, taken in order.
struct Contents<F> {
    fetch: F,
    fd: Option<u32>,
    /// Where the next bytes lie in the descriptor.
    at: u64,
    /// Contents that came in the record.
    memory: Payload,
    /// How much of the contents, there or in the descriptor, is taken.
    taken: usize,
    /// Contents that lie in the descriptor, still to be taken; `None` when they came in the record.
    beside: Option<u64>,
    rights: usize,
}

impl<F: FnMut(u32, u64, usize) -> Option<Payload>> Contents<F> {
    fn body(&mut self, length: u64) -> Result<Bytes, MsgReturn> {
        let bytes = usize::try_from(length).ok().filter(|n| *n <= MSG_INLINE_BYTES_MAX);
        let payload = self.fetched(bytes.ok_or(MsgReturn::SendNoBuffer)?)?;
        Ok(payload.to_bytes())
    }

    fn fetched(&mut self, length: usize) -> Result<Payload, MsgReturn> {
        let fd = self.fd.ok_or(MsgReturn::SendInvalidMemory)?;
        let payload = (self.fetch)(fd, self.at, length).filter(|p| p.len() == length);
        self.at += length as u64;
        payload.ok_or(MsgReturn::SendInvalidMemory)
    }
}

impl<F: FnMut(u32, u64, usize) -> Option<Payload>> Source<NamedRight> for Contents<F> {
    type Error = MsgReturn;

    fn rights(
        &mut self,
        kind: Disposition,
        number: usize,
        slots: Option<&[u8]>,
        out: &mut Vec<NamedRight>,
    ) -> Result<(), MsgReturn> {
        self.rights = self.rights.saturating_add(number);
        if self.rights > MSG_RIGHTS_MAX {
            return Err(MsgReturn::SendNoBuffer);
        }
        let named = |word: &[u8]| NamedRight {
            name: PortName(u32::from_le_bytes([word[0], word[1], word[2], word[3]])),
            disposition: kind,
        };
        match slots {
            Some(slots) => out.extend(slots.chunks_exact(ALIGN).map(named)),
            None => {
                out.extend(self.memory((number * NAME_BYTES) as u64)?.to_bytes().chunks_exact(NAME_BYTES).map(named))
            }
        }
        Ok(())
    }

    fn memory(&mut self, bytes: u64) -> Result<Payload, MsgReturn> {
        let from = self.taken;
        let length = usize::try_from(bytes).ok().filter(|n| *n <= MEMORY_BYTES_MAX - from);
        let length = length.ok_or(MsgReturn::SendNoBuffer)?;
        self.taken += length;
        if let Some(left) = self.beside {
            self.beside = Some(left.checked_sub(bytes).ok_or(MsgReturn::SendInvalidMemory)?);
            return self.fetched(length);
        }
        if self.taken > self.memory.len() {
            return Err(MsgReturn::SendInvalidMemory);
        }
        Ok(self.memory.slice(from, length))
    }
}

/// A right of the header; none for [`NamedRight::NULL`], which has no kind.
fn encode_right(right: NamedRight) -> Option<body::NamedRight> {
    let record = body::NamedRight { name: right.name.0, disposition: right.disposition as u32 };
    (right != NamedRight::NULL).then_some(record)
}

fn decode_right(right: body::NamedRight) -> Result<NamedRight, MsgReturn> {
    let disposition = Disposition::from_raw(right.disposition).ok_or(MsgReturn::SendInvalidHeader)?;
    Ok(NamedRight { name: PortName(right.name), disposition })
}

const _: () = assert!(
    TRAP_BODY_BYTES_MAX + TRAP_INLINE_OOL_BYTES_MAX + ENVELOPE_BYTES <= TRAP_RECORD_BYTES_MAX,
    "what stands in a record fits into it"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::Item;
    use crate::typed::Element;

    fn name() -> impl Strategy<Value = PortName> {
        prop_oneof![any::<u32>().prop_map(PortName), Just(PortName::NULL), Just(PortName::DEAD)]
    }

    fn disposition() -> impl Strategy<Value = Disposition> {
        (16u32..=21).prop_map(|d| Disposition::from_raw(d).unwrap())
    }

    /// Rights as they come out of a record: a name that is none goes as the array does.
    fn rights(number: std::ops::Range<usize>) -> impl Strategy<Value = Vec<NamedRight>> {
        (disposition(), prop::collection::vec(name(), number))
            .prop_map(|(disposition, names)| names.into_iter().map(|name| NamedRight { name, disposition }).collect())
    }

    fn payload() -> impl Strategy<Value = Payload> {
        let size = prop_oneof![Just(0), 1usize..100, 20_000usize..200_000];
        (size, any::<u8>()).prop_map(|(n, b)| {
            let mut payload = Payload::default();
            // In two chunks, to cross a border.
            payload.push(Bytes::from(vec![b; n / 3]));
            payload.push(Bytes::from(vec![!b; n - n / 3]));
            payload
        })
    }

    fn item() -> impl Strategy<Value = Item<NamedRight>> {
        prop_oneof![
            any::<u32>().prop_map(Item::U32),
            any::<u64>().prop_map(Item::U64),
            prop::collection::vec(any::<u8>(), 0..30_000).prop_map(|b| Item::Data(b.into())),
            (1u8..16, prop::collection::vec(any::<u16>(), 0..9)).prop_map(|(name, words)| {
                let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
                Item::Typed(Element { name, size_bits: 16 }, words.len() as u32, bytes.into())
            }),
            rights(1..2).prop_map(|mut r| Item::Port(r.remove(0))),
            rights(0..300).prop_map(Item::Ports),
            rights(0..300).prop_map(Item::PortsOutOfLine),
            payload().prop_map(Item::OutOfLine),
        ]
    }

    fn message() -> impl Strategy<Value = Message<NamedRight>> {
        let header = || (name(), disposition()).prop_map(|(name, disposition)| NamedRight { name, disposition });
        (header(), header(), any::<i32>(), any::<u64>(), prop::collection::vec(item(), 0..13)).prop_map(
            |(remote, local, id, trace, items)| {
                let body = Body::from(items);
                Message { remote, local, id, seqno: 3, trace: TraceId(trace), body }
            },
        )
    }

    fn fetch_from(memory: &[u8]) -> impl FnMut(u32, u64, usize) -> Option<Payload> {
        |fd, offset, length| {
            assert_eq!(fd, 2);
            let end = (offset as usize).checked_add(length)?;
            memory.get(offset as usize..end).map(|b| Payload::from(b.to_vec()))
        }
    }

    /// The dispositions of rights that stand for nothing are not kept.
    fn names(body: &Body<NamedRight>) -> Vec<(PortName, Option<Disposition>)> {
        body.rights().iter().map(|r| (r.name, r.name.is_valid().then_some(r.disposition))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_message_comes_back_and_its_record_fits(message in message()) {
            prop_assert_eq!(check(&message), Ok(()));
            let (record, beside) = encode(message.clone(), 2);
            prop_assert!(record.encoded_len() <= TRAP_RECORD_BYTES_MAX - ENVELOPE_BYTES / 2);
            let record = body::NamedMessage::decode(Bytes::from(record.encode_to_vec())).unwrap();
            let back = decode(record, fetch_from(&beside.concat())).unwrap();
            prop_assert_eq!(back.body.bytes(), message.body.bytes());
            prop_assert_eq!(back.body.memory(), message.body.memory());
            prop_assert_eq!(names(&back.body), names(&message.body));
            prop_assert_eq!((back.remote, back.local, back.id), (message.remote, message.local, message.id));
        }

        #[test]
        fn bytes_from_a_stranger_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(record) = body::NamedMessage::decode(&bytes[..]) {
                let _ = decode(record, |_, _, _| None);
            }
        }

        #[test]
        fn a_body_from_a_stranger_does_no_harm(
            words in prop::collection::vec(any::<u64>(), 0..20), memory in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let body = words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>().into();
            let record = body::NamedMessage { complex: true, body, memory: memory.into(), ..Default::default() };
            if let Ok(message) = decode(record, |_, _, _| None) {
                prop_assert_eq!(message.body.items().len(), message.body.items_len());
            }
        }
    }

    #[test]
    fn a_message_comes_as_far_as_it_is_good() {
        let one = NamedRight { name: PortName(7), disposition: Disposition::MoveSend };
        let items = vec![Item::Port(one), Item::OutOfLine(vec![1; 10].into()), Item::U32(5), Item::Port(one)];
        let (whole, _) = encode(with_body(items), 2);
        let part = |record: body::NamedMessage| {
            let (message, code) = decode_prefix(record, |_, _, _| None).unwrap();
            (message.body.items(), code)
        };
        assert_eq!(part(whole.clone()).1, None);
        let short = body::NamedMessage { memory: whole.memory.slice(..9), ..whole.clone() };
        assert_eq!(part(short), (vec![Item::Port(one)], Some(MsgReturn::SendInvalidMemory)));
        let cut = body::NamedMessage { body: whole.body.slice(..whole.body.len() - 8), ..whole.clone() };
        let (items, code) = part(cut);
        assert_eq!((items.len(), code), (3, Some(MsgReturn::SendMsgTooSmall)));
        let mut bytes = whole.body.to_vec();
        bytes[3] |= 1;
        let bad = body::NamedMessage { body: bytes.into(), ..whole };
        assert_eq!(part(bad), (vec![], Some(MsgReturn::SendInvalidType)));
    }

    fn with_body(items: Vec<Item<NamedRight>>) -> Message<NamedRight> {
        let body = Body::from(items);
        Message { remote: NamedRight::NULL, local: NamedRight::NULL, id: 1, seqno: 0, trace: TraceId(0), body }
    }

    /// What a task that skips `check` gets: the same answer from the node.
    fn refused(items: Vec<Item<NamedRight>>) -> MsgReturn {
        let message = with_body(items);
        let code = check(&message).unwrap_err();
        let (record, beside) = encode(message, 2);
        assert_eq!(decode(record, fetch_from(&beside.concat())).unwrap_err(), code);
        code
    }

    #[test]
    fn every_bound_has_its_answer() {
        let port = Item::Port(NamedRight::NULL);
        assert_eq!(refused(vec![port; MSG_ITEMS_MAX + 1]), MsgReturn::SendInvalidType);
        let rights = vec![NamedRight::NULL; MSG_RIGHTS_MAX / 2 + 1];
        let two = vec![Item::Ports(rights.clone()), Item::PortsOutOfLine(rights)];
        assert_eq!(refused(two), MsgReturn::SendNoBuffer);
        let bytes = Bytes::from(vec![0; MSG_INLINE_BYTES_MAX / 2]);
        assert_eq!(refused(vec![Item::Data(bytes.clone()), Item::Data(bytes)]), MsgReturn::SendNoBuffer);
        let big = Payload::from(vec![0; MSG_OOL_BYTES_MAX + MSG_RIGHTS_MAX * NAME_BYTES + 1]);
        assert_eq!(refused(vec![Item::OutOfLine(big)]), MsgReturn::SendNoBuffer);
    }

    #[test]
    fn the_largest_message_goes_beside_its_record() {
        let body = vec![
            Item::Data(Bytes::from(vec![1; MSG_INLINE_BYTES_MAX - (64 << 10)])),
            Item::Ports(vec![NamedRight::copy_send(PortName(7)); MSG_RIGHTS_MAX]),
            Item::OutOfLine(Payload::from(vec![2; TRAP_INLINE_OOL_BYTES_MAX + 1])),
        ];
        let message = with_body(body);
        let (record, beside) = encode(message.clone(), 2);
        assert!(record.encoded_len() <= ENVELOPE_BYTES);
        assert_eq!(decode(record, fetch_from(&beside.concat())).unwrap(), message);
        let (_, beside) = encode(with_body(vec![Item::OutOfLine(vec![2; TRAP_INLINE_OOL_BYTES_MAX].into())]), 0);
        assert!(beside.is_empty());
    }

    #[test]
    fn an_array_of_two_kinds_is_refused() {
        let of = |rights| check(&with_body(vec![Item::Ports(rights)]));
        let (copy, make) = (NamedRight::copy_send(PortName(7)), NamedRight::make_send_once(PortName(7)));
        assert_eq!(of(vec![copy, make]), Err(MsgReturn::SendInvalidType));
        assert_eq!(of(vec![copy, NamedRight::NULL, copy]), Ok(()));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let lie = |memory: &'static [u8], memory_length, fd| {
            let mut record = encode(with_body(vec![Item::OutOfLine(vec![0; 3].into())]), 0).0;
            (record.memory, record.memory_length, record.fd) = (Bytes::from_static(memory), memory_length, fd);
            decode(record, |_, _, length| Some(Payload::from(vec![0; length.min(3)]))).map(drop)
        };
        assert_eq!(lie(b"abc", 0, 0), Ok(()));
        assert_eq!(lie(b"", 3, 1), Ok(()));
        assert_eq!(lie(b"ab", 0, 0), Err(MsgReturn::SendInvalidMemory));
        assert_eq!(lie(b"", 2, 1), Err(MsgReturn::SendInvalidMemory));
        assert_eq!(lie(b"", 3, 0), Err(MsgReturn::SendInvalidMemory));
        let mut record = encode(with_body(vec![]), 0).0;
        (record.body_length, record.fd) = (u64::MAX, 1);
        assert_eq!(decode(record, |_, _, _| None), Err(MsgReturn::SendNoBuffer));
    }

    #[test]
    fn a_missing_header_right_is_null_and_an_unknown_disposition_is_refused() {
        let mut record = encode(with_body(vec![]), 0).0;
        (record.remote, record.local) = (None, None);
        let decoded = decode(record.clone(), |_, _, _| None).unwrap();
        assert_eq!((decoded.remote, decoded.local), (NamedRight::NULL, NamedRight::NULL));
        record.remote = Some(body::NamedRight { name: 1, disposition: 15 });
        assert_eq!(decode(record, |_, _, _| None), Err(MsgReturn::SendInvalidHeader));
    }

    #[test]
    fn ipc_typed_5_a_body_that_is_not_complex_is_not_looked_into() {
        let bytes = Bytes::from_static(b"not typed at all");
        let record = body::NamedMessage { body: bytes.clone(), ..Default::default() };
        let message = decode(record, |_, _, _| None).unwrap();
        assert_eq!((message.body.bytes(), message.body.items_len()), (&bytes, 0));
        let record = body::NamedMessage { body: bytes, complex: true, ..Default::default() };
        assert!(decode(record, |_, _, _| None).is_err());
    }
}
