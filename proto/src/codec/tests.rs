//! Records: what comes back, what fits, and what is refused.

use proptest::prelude::*;
use prost::Message as _;

use std::sync::Arc;

use super::*;
use crate::limits::TRAP_SEGMENTS_MAX;
use crate::typed::Element;
use crate::{Item, Store};

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
        let back = decode(record, fetch_from(&beside.bytes.concat())).unwrap();
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
    assert_eq!(decode(record, fetch_from(&beside.bytes.concat())).unwrap_err(), code);
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
    let bytes = beside.bytes.concat();
    let (mut fetch, mut looked_at) = (fetch_from(&bytes), 0);
    let mut body_in_pieces = |fd, offset, length| {
        looked_at += if length <= LOOKED_AT_BYTES_MAX { length } else { 0 };
        fetch(fd, offset, length)
    };
    assert_eq!(decode(record, &mut body_in_pieces).unwrap(), message);
    assert_eq!(looked_at, message.body.bytes().len(), "all of the body, and not the memory");
    let (_, beside) = encode(with_body(vec![Item::OutOfLine(vec![2; TRAP_INLINE_OOL_BYTES_MAX].into())]), 0);
    assert!(beside.is_empty());
}

/// What is frozen goes as it is, in pieces, between what the sender holds itself; and comes back so.
#[test]
fn frozen_memory_goes_beside_the_record_as_it_is() {
    let frozen: Vec<Vec<u8>> = (0..TRAP_STORES_MAX as u8 + 2).map(|n| vec![n; 300_000]).collect();
    let stores: Vec<Store> = frozen.iter().map(|bytes| Arc::new(bytes.clone()) as Store).collect();
    let mut memory = Payload::from(vec![0xff; 1000]);
    for (bytes, store) in frozen.iter().zip(&stores) {
        memory.push_stored(Bytes::copy_from_slice(&bytes[7..100_000]), store.clone(), 7);
        memory.push_stored(Bytes::copy_from_slice(&bytes[100_000..200_000]), store.clone(), 100_000);
        memory.push_stored(Bytes::copy_from_slice(&bytes[..10]), store.clone(), 0);
    }
    let message = with_body(vec![Item::OutOfLine(memory.clone()), Item::OutOfLine(memory.slice(500, 150_000))]);
    let (record, beside) = encode(message.clone(), 3);
    assert_eq!(beside.stores.len(), TRAP_STORES_MAX - 1, "and one for the bytes");
    assert!(beside.stores.iter().zip(&stores).all(|(a, b)| Arc::ptr_eq(a, b)));
    // Of each store what lies together is one piece; what did not fit lies behind what the sender held.
    assert_eq!(
        record.memory_beside.as_ref().unwrap().pieces().unwrap()[1],
        Segment { fd: 4, offset: 7, length: 199_993 }
    );
    let own = beside.bytes.concat();
    let back = decode(record, |fd, offset, length| {
        let part = offset as usize..offset as usize + length;
        match fd {
            3 => Some(Payload::from(own[part].to_vec())),
            n => {
                let mut payload = Payload::default();
                let n = n as usize - 4;
                payload.push_stored(Bytes::copy_from_slice(&frozen[n][part]), stores[n].clone(), offset);
                Some(payload)
            }
        }
    });
    let back = back.unwrap();
    assert_eq!(back, message);
    assert_eq!(back.body.held_bytes(), 3 * 200_003 + 1000 + 500);
}

/// A node has no time to copy what a task gets: what comes in more files or pieces than go on as they are is refused.
#[test]
fn what_was_taken_goes_on_without_a_copy() {
    let files: Vec<Store> = (0..TRAP_STORES_MAX + 1).map(|n| Arc::new(n) as Store).collect();
    let page = |n: usize| Bytes::from_static(&[[0; 4096], [1; 4096]][n % 2]);
    // Each piece in one of some descriptors, at an offset; the descriptors show so many files in turn.
    let sent = |pieces: &[(u32, u64)], shown: usize| {
        let memory_beside = Segments::of(pieces.iter().map(|&(fd, offset)| Segment { fd, offset, length: 4096 }));
        let bytes = Bytes::from(vec![0; pieces.len() << 12]);
        let whole = with_body(vec![Item::OutOfLine(bytes.into())]);
        let record = body::NamedMessage { memory_beside: Some(memory_beside), ..encode(whole, 0).0 };
        decode_prefix(record, |fd, offset, _| {
            let mut piece = Payload::default();
            piece.push_stored(page(offset as usize >> 12), files[fd as usize % shown].clone(), offset);
            Some(piece)
        })
        .map(|(message, _)| message)
    };
    let goes_on = |message: Message<NamedRight>| {
        let (record, beside) = encode_received(message, 3);
        let fits = record.encoded_len() <= TRAP_RECORD_BYTES_MAX - ENVELOPE_BYTES / 2 && beside.bytes.is_empty();
        fits && pieces_beside(record.memory_beside, None, RECEIVED_SEGMENTS_BYTES_MAX).is_ok()
    };
    // As many files as there may be, and one more.
    let each: Vec<(u32, u64)> = (0..=TRAP_STORES_MAX as u32).map(|fd| (fd, 0)).collect();
    assert!(goes_on(sent(&each[1..], TRAP_STORES_MAX + 1).unwrap()));
    assert_eq!(sent(&each, TRAP_STORES_MAX + 1).map(drop), Err(MsgReturn::SendNoBuffer));
    // Pieces that go on in two descriptors each, to and fro where these show one file.
    let pieces: Vec<(u32, u64)> =
        (0..20_000).map(|n| (n % 2, u64::from(n / 2 * 2 + n % 2 * 40_000_001) << 12)).collect();
    assert!(goes_on(sent(&pieces, 2).unwrap()));
    assert_eq!(sent(&pieces, 1).map(drop), Err(MsgReturn::SendNoBuffer));
    // More than has room at all.
    let pieces = vec![(0, 0); TRAP_SEGMENTS_MAX + 1];
    assert_eq!(sent(&pieces, 1).map(drop), Err(MsgReturn::SendNoBuffer));
}

#[test]
fn more_bytes_than_can_be_counted_are_counted_in_eights_or_refused() {
    let zeroes = Bytes::from_static(&[0; 1 << 16]);
    let of = |bytes: u64| {
        let mut memory = Payload::default();
        let store: Store = Arc::new(());
        (0..bytes >> 16).for_each(|_| memory.push_stored(zeroes.clone(), store.clone(), 0));
        memory.push_stored(zeroes.slice(..(bytes & 0xffff) as usize), store, 0);
        with_body(vec![Item::OutOfLine(memory)])
    };
    for (bytes, element) in [((1 << 32) - 1, Element::BYTE), (1 << 32, Element::INTEGER_64)] {
        let message = of(bytes);
        assert_eq!(check(&message), Ok(()));
        let descriptor = Scan::new(message.body.bytes()).next().unwrap().unwrap().descriptor;
        assert_eq!((descriptor.element, descriptor.data_bytes()), (element, bytes));
    }
    assert_eq!(check(&of((1 << 32) + 1)), Err(MsgReturn::SendNoBuffer));
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
    let lie = |memory: &'static [u8], beside: &[(u64, u64)]| {
        let mut record = encode(with_body(vec![Item::OutOfLine(vec![0; 3].into())]), 0).0;
        record.memory = Bytes::from_static(memory);
        let pieces = beside.iter().map(|&(offset, length)| Segment { fd: 0, offset, length });
        record.memory_beside = Some(Segments::of(pieces));
        decode(record, |_, _, length| Some(Payload::from(vec![0; length.min(3)]))).map(drop)
    };
    assert_eq!(lie(b"abc", &[]), Ok(()));
    assert_eq!(lie(b"", &[(0, 3)]), Ok(()));
    assert_eq!(lie(b"", &[(0, 1), (9, 0), (70, 2)]), Ok(()));
    assert_eq!(lie(b"ab", &[]), Err(MsgReturn::SendInvalidMemory));
    assert_eq!(lie(b"", &[(0, 2)]), Err(MsgReturn::SendInvalidMemory));
    assert_eq!(lie(b"", &[(u64::MAX - 1, 3)]), Err(MsgReturn::SendInvalidMemory));
    assert_eq!(lie(b"", &vec![(0, 0); TRAP_SEGMENTS_MAX + 1]), Err(MsgReturn::SendNoBuffer));
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
