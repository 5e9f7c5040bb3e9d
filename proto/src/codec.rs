//! Messages on a task's channel: [`Message`] with rights as names, to the record `wire.body.NamedMessage` and back.
//!
//! 1. Small out-of-line payloads travel in the record, as long as it stays within its bound whatever else is in it. All
//!    others lie one behind the other, in the order of their items, in *one* descriptor beside the record.
//! 2. What comes from a task is checked against every bound of [`crate::limits`] before memory is taken for it.
//! 3. Decoding takes no copy of inline bytes: they are slices of the record.

use bytes::Bytes;

use crate::limits::{
    MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_OOL_BYTES_MAX, MSG_RIGHTS_MAX, TRAP_INLINE_OOL_BYTES_MAX,
    TRAP_RECORD_BYTES_MAX,
};
use crate::wire::body::{self, named_item};
use crate::{Disposition, Item, Message, MsgReturn, NamedRight, Payload, PortName, TraceId};

/// The version of the records between a task and its node; a hello of another is refused.
pub const TRAP_VERSION: u32 = 1;

/// Room in a record for everything that stands around the message.
const ENVELOPE_BYTES: usize = 16 << 10;
/// What one right, one item and the header take at most.
const RIGHT_BYTES_MAX: usize = 12;
const ITEM_BYTES_MAX: usize = 40;

/// The message as a record, and the payloads for the descriptor at `fd` (index among those beside the record), to be
/// written one behind the other; none when it is empty.
///
/// Conditions: [`check`] has passed. Then the record leaves 16 KiB of `TRAP_RECORD_BYTES_MAX` for what is around it.
pub fn encode(message: Message<NamedRight>, fd: u32) -> (body::NamedMessage, Vec<Bytes>) {
    let Message { remote, local, id, seqno, trace, body } = message;
    let mut encoder = Encoder { room: inline_room(&body), fd, beside: Vec::new() };
    let items = body.into_iter().map(|item| body::NamedItem { item: Some(encoder.item(item)) }).collect();
    let record = body::NamedMessage {
        remote: Some(encode_right(remote)),
        local: Some(encode_right(local)),
        id,
        seqno,
        trace: trace.0,
        items,
    };
    (record, encoder.beside)
}

/// The message of a record. `fetch(fd, offset, length)` reads a payload out of the descriptor at index `fd`.
///
/// Errors, as `mach_msg` gives them to a sender: `SendInvalidType` an item or disposition that there is not, or too many
/// items; `SendNoBuffer` too many bytes; `SendInvalidRight` too many rights; `SendInvalidMemory` what `fetch` could not
/// read.
pub fn decode(
    message: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Result<Message<NamedRight>, MsgReturn> {
    if message.items.len() > MSG_ITEMS_MAX {
        return Err(MsgReturn::SendInvalidType);
    }
    let header = |right: Option<body::NamedRight>| right.map_or(Ok(NamedRight::NULL), decode_right);
    let (remote, local) = (header(message.remote)?, header(message.local)?);
    let mut decoder = Decoder { fetch, rights: 0, inline: 0, out_of_line: 0, next: None };
    let body = message.items.into_iter().map(|i| decoder.item(i)).collect::<Result<_, MsgReturn>>()?;
    Ok(Message { remote, local, id: message.id, seqno: message.seqno, trace: TraceId(message.trace), body })
}

/// Whether the message is within every bound, so that its record is.
///
/// Errors: as [`decode`].
pub fn check<R>(message: &Message<R>) -> Result<(), MsgReturn> {
    let (mut rights, mut inline) = (0, 0);
    for item in &message.body {
        match item {
            Item::Port(_) => rights += 1,
            Item::Ports(all) => rights += all.len(),
            Item::Data(bytes) => inline += bytes.len(),
            Item::U32(_) | Item::U64(_) | Item::OutOfLine(_) => {}
        }
    }
    match () {
        () if message.body.len() > MSG_ITEMS_MAX => Err(MsgReturn::SendInvalidType),
        () if rights > MSG_RIGHTS_MAX => Err(MsgReturn::SendInvalidRight),
        () if inline > MSG_INLINE_BYTES_MAX || message.out_of_line_bytes() > MSG_OOL_BYTES_MAX => {
            Err(MsgReturn::SendNoBuffer)
        }
        () => Ok(()),
    }
}

struct Encoder {
    /// Out-of-line bytes that still fit into the record.
    room: usize,
    fd: u32,
    beside: Vec<Bytes>,
}

impl Encoder {
    fn item(&mut self, item: Item<NamedRight>) -> named_item::Item {
        match item {
            Item::U32(v) => named_item::Item::U32(v),
            Item::U64(v) => named_item::Item::U64(v),
            Item::Data(bytes) => named_item::Item::Data(bytes),
            Item::Port(right) => named_item::Item::Port(encode_right(right)),
            Item::Ports(rights) => {
                named_item::Item::Ports(body::NamedRights { rights: rights.into_iter().map(encode_right).collect() })
            }
            Item::OutOfLine(payload) => named_item::Item::OutOfLine(self.out_of_line(payload)),
        }
    }

    fn out_of_line(&mut self, payload: Payload) -> body::OutOfLine {
        let length = payload.len() as u64;
        if payload.len() <= self.room {
            self.room -= payload.len();
            return body::OutOfLine { length, inline: payload.to_bytes(), fd: 0 };
        }
        self.beside.extend_from_slice(payload.chunks());
        body::OutOfLine { length, inline: Bytes::new(), fd: self.fd + 1 }
    }
}

/// Out-of-line bytes that the record of these items may hold.
fn inline_room(body: &[Item<NamedRight>]) -> usize {
    let others: usize = body
        .iter()
        .map(|item| {
            ITEM_BYTES_MAX
                + match item {
                    Item::Data(bytes) => bytes.len(),
                    Item::Ports(rights) => rights.len() * RIGHT_BYTES_MAX,
                    _ => 0,
                }
        })
        .sum();
    (TRAP_RECORD_BYTES_MAX - ENVELOPE_BYTES).saturating_sub(others + ITEM_BYTES_MAX).min(TRAP_INLINE_OOL_BYTES_MAX)
}

struct Decoder<F> {
    fetch: F,
    rights: usize,
    inline: usize,
    out_of_line: usize,
    /// The descriptor that the payload before this one lay in, and where it ended.
    next: Option<(u32, u64)>,
}

impl<F: FnMut(u32, u64, usize) -> Option<Payload>> Decoder<F> {
    fn item(&mut self, item: body::NamedItem) -> Result<Item<NamedRight>, MsgReturn> {
        Ok(match item.item.ok_or(MsgReturn::SendInvalidType)? {
            named_item::Item::U32(v) => Item::U32(v),
            named_item::Item::U64(v) => Item::U64(v),
            named_item::Item::Data(bytes) => {
                add(&mut self.inline, bytes.len(), MSG_INLINE_BYTES_MAX, MsgReturn::SendNoBuffer)?;
                Item::Data(bytes)
            }
            named_item::Item::Port(right) => {
                add(&mut self.rights, 1, MSG_RIGHTS_MAX, MsgReturn::SendInvalidRight)?;
                Item::Port(decode_right(right)?)
            }
            named_item::Item::Ports(all) => {
                add(&mut self.rights, all.rights.len(), MSG_RIGHTS_MAX, MsgReturn::SendInvalidRight)?;
                Item::Ports(all.rights.into_iter().map(decode_right).collect::<Result<_, _>>()?)
            }
            named_item::Item::OutOfLine(ool) => Item::OutOfLine(self.payload(ool)?),
        })
    }

    fn payload(&mut self, ool: body::OutOfLine) -> Result<Payload, MsgReturn> {
        let length = usize::try_from(ool.length).map_err(|_| MsgReturn::SendNoBuffer)?;
        add(&mut self.out_of_line, length, MSG_OOL_BYTES_MAX, MsgReturn::SendNoBuffer)?;
        match ool.fd.checked_sub(1) {
            None if ool.inline.len() == length => Ok(Payload::from(ool.inline)),
            Some(fd) if ool.inline.is_empty() => {
                let offset = self.next.filter(|(f, _)| *f == fd).map_or(0, |(_, end)| end);
                self.next = Some((fd, offset + ool.length));
                let payload = (self.fetch)(fd, offset, length).filter(|p| p.len() == length);
                payload.ok_or(MsgReturn::SendInvalidMemory)
            }
            _ => Err(MsgReturn::SendInvalidMemory),
        }
    }
}

fn add(sum: &mut usize, more: usize, max: usize, error: MsgReturn) -> Result<(), MsgReturn> {
    *sum = sum.checked_add(more).filter(|s| *s <= max).ok_or(error)?;
    Ok(())
}

fn encode_right(right: NamedRight) -> body::NamedRight {
    body::NamedRight { name: right.name.0, disposition: right.disposition as u32 }
}

fn decode_right(right: body::NamedRight) -> Result<NamedRight, MsgReturn> {
    let disposition = Disposition::from_raw(right.disposition).ok_or(MsgReturn::SendInvalidType)?;
    Ok(NamedRight { name: PortName(right.name), disposition })
}

const _: () = assert!(
    MSG_INLINE_BYTES_MAX + MSG_RIGHTS_MAX * RIGHT_BYTES_MAX + (MSG_ITEMS_MAX + 1) * ITEM_BYTES_MAX + ENVELOPE_BYTES
        <= TRAP_RECORD_BYTES_MAX,
    "a message without out-of-line bytes fits into a record"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn right() -> impl Strategy<Value = NamedRight> {
        (any::<u32>(), 16u32..=21)
            .prop_map(|(n, d)| NamedRight { name: PortName(n), disposition: Disposition::from_raw(d).unwrap() })
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
            prop::collection::vec(any::<u8>(), 0..3000).prop_map(|b| Item::Data(b.into())),
            right().prop_map(Item::Port),
            prop::collection::vec(right(), 0..300).prop_map(Item::Ports),
            payload().prop_map(Item::OutOfLine),
        ]
    }

    fn message() -> impl Strategy<Value = Message<NamedRight>> {
        (right(), right(), any::<i32>(), any::<u64>(), prop::collection::vec(item(), 0..13)).prop_map(
            |(remote, local, id, trace, body)| Message { remote, local, id, seqno: 3, trace: TraceId(trace), body },
        )
    }

    fn fetch_from(memory: &[u8]) -> impl FnMut(u32, u64, usize) -> Option<Payload> {
        |fd, offset, length| {
            assert_eq!(fd, 2);
            let end = (offset as usize).checked_add(length)?;
            memory.get(offset as usize..end).map(|b| Payload::from(b.to_vec()))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_message_comes_back_and_its_record_fits(message in message()) {
            prop_assert_eq!(check(&message), Ok(()));
            let (record, beside) = encode(message.clone(), 2);
            prop_assert!(record.encoded_len() <= TRAP_RECORD_BYTES_MAX - ENVELOPE_BYTES);
            let record = body::NamedMessage::decode(Bytes::from(record.encode_to_vec())).unwrap();
            prop_assert_eq!(decode(record, fetch_from(&beside.concat())).unwrap(), message);
        }

        #[test]
        fn bytes_from_a_stranger_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(record) = body::NamedMessage::decode(&bytes[..]) {
                let _ = decode(record, |_, _, _| None);
            }
        }
    }

    fn with_body(body: Vec<Item<NamedRight>>) -> Message<NamedRight> {
        Message { remote: NamedRight::NULL, local: NamedRight::NULL, id: 1, seqno: 0, trace: TraceId(0), body }
    }

    /// What a task that skips `check` gets: the same answer from the node.
    fn refused(body: Vec<Item<NamedRight>>) -> MsgReturn {
        let message = with_body(body);
        let code = check(&message).unwrap_err();
        let (record, beside) = encode(message, 2);
        assert_eq!(decode(record, fetch_from(&beside.concat())).unwrap_err(), code);
        code
    }

    #[test]
    fn every_bound_has_its_answer() {
        assert_eq!(refused(vec![Item::U32(1); MSG_ITEMS_MAX + 1]), MsgReturn::SendInvalidType);
        let rights = vec![NamedRight::NULL; MSG_RIGHTS_MAX / 2 + 1];
        assert_eq!(refused(vec![Item::Ports(rights.clone()), Item::Ports(rights)]), MsgReturn::SendInvalidRight);
        let bytes = Bytes::from(vec![0; MSG_INLINE_BYTES_MAX / 2 + 1]);
        assert_eq!(refused(vec![Item::Data(bytes.clone()), Item::Data(bytes)]), MsgReturn::SendNoBuffer);
        let big = Payload::from(vec![0; MSG_OOL_BYTES_MAX / 2 + 1]);
        assert_eq!(refused(vec![Item::OutOfLine(big.clone()), Item::OutOfLine(big)]), MsgReturn::SendNoBuffer);
    }

    #[test]
    fn the_largest_message_fits_with_small_payloads_beside_or_inside() {
        let body = vec![
            Item::Data(Bytes::from(vec![1; MSG_INLINE_BYTES_MAX])),
            Item::Ports(vec![NamedRight::copy_send(PortName(u32::MAX)); MSG_RIGHTS_MAX]),
            Item::OutOfLine(Payload::from(vec![2; TRAP_INLINE_OOL_BYTES_MAX])),
        ];
        let (record, beside) = encode(with_body(body), 0);
        assert!(record.encoded_len() <= TRAP_RECORD_BYTES_MAX - ENVELOPE_BYTES);
        assert_eq!(beside.concat().len(), TRAP_INLINE_OOL_BYTES_MAX);
        let (_, beside) = encode(with_body(vec![Item::OutOfLine(vec![2; TRAP_INLINE_OOL_BYTES_MAX].into())]), 0);
        assert!(beside.is_empty());
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let lie = |length, inline: &'static [u8], fd| {
            let ool = body::OutOfLine { length, inline: Bytes::from_static(inline), fd };
            let mut record = encode(with_body(vec![]), 0).0;
            record.items = vec![body::NamedItem { item: Some(named_item::Item::OutOfLine(ool)) }];
            decode(record, |_, _, _| Some(Payload::from(vec![0; 3]))).map(drop)
        };
        assert_eq!(lie(3, b"abc", 0), Ok(()));
        assert_eq!(lie(3, b"", 1), Ok(()));
        assert_eq!(lie(4, b"abc", 0), Err(MsgReturn::SendInvalidMemory));
        assert_eq!(lie(4, b"", 1), Err(MsgReturn::SendInvalidMemory));
        assert_eq!(lie(3, b"abc", 1), Err(MsgReturn::SendInvalidMemory));
        assert_eq!(lie(u64::MAX, b"", 1), Err(MsgReturn::SendNoBuffer));
    }

    #[test]
    fn a_missing_header_right_is_null_and_a_missing_item_is_refused() {
        let mut record = encode(with_body(vec![]), 0).0;
        (record.remote, record.local) = (None, None);
        let decoded = decode(record.clone(), |_, _, _| None).unwrap();
        assert_eq!((decoded.remote, decoded.local), (NamedRight::NULL, NamedRight::NULL));
        record.items = vec![body::NamedItem { item: None }];
        assert_eq!(decode(record.clone(), |_, _, _| None), Err(MsgReturn::SendInvalidType));
        record.items.clear();
        record.remote = Some(body::NamedRight { name: 1, disposition: 15 });
        assert_eq!(decode(record, |_, _, _| None), Err(MsgReturn::SendInvalidType));
    }
}
