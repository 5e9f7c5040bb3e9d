//! Frames to and from what the rest of the crate works with. A frame that decodes keeps every bound.

use proto::limits::{MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_OOL_BYTES_MAX, MSG_RIGHTS_MAX};
use proto::wire::link::{self as wire, frame, link_item, right};
use proto::{Incarnation, Item, Payload, PortUid, TraceId};

use crate::space::rights_of;
use crate::{ExportId, PeerMisbehaved};

/// A right as it stands in a frame, seen from the receiver of the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkRight {
    /// No right.
    Null,
    /// A right whose port died.
    Dead,
    /// A send right to a port of the sender, granted under its entry.
    Send(ExportId, PortUid),
    /// A send-once right to a port of the sender.
    SendOnce(ExportId, PortUid),
    /// A send right under one of the receiver's own entries.
    Yours(ExportId),
    /// A send-once right under one of the receiver's own entries, which is used up.
    YoursOnce(ExportId),
}

/// A message that came in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) export: ExportId,
    pub(crate) seq: u64,
    pub(crate) after: u64,
    pub(crate) once: bool,
    pub(crate) content: Content,
}

/// What of an [`Arrival`] has to wait for its turn.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) id: i32,
    pub(crate) trace: TraceId,
    pub(crate) reply: LinkRight,
    pub(crate) body: Vec<Item<LinkRight>>,
    /// Out-of-line bytes in the body.
    pub(crate) bytes: usize,
}

impl Content {
    /// Every right in it, the reply right first.
    pub(crate) fn rights(&self) -> impl Iterator<Item = LinkRight> + '_ {
        std::iter::once(self.reply).chain(rights_of(&self.body).copied())
    }
}

/// Parses a message; `payload` is everything that followed the head.
///
/// Errors: `Malformed`, for parts that are missing, do not add up or exceed a bound.
pub(crate) fn decode(send: wire::Send, payload: Payload) -> Result<Arrival, PeerMisbehaved> {
    if send.items.len() > MSG_ITEMS_MAX {
        return Err(PeerMisbehaved::Malformed("too many items"));
    }
    if payload.len() > MSG_OOL_BYTES_MAX {
        return Err(PeerMisbehaved::Malformed("too many out-of-line bytes"));
    }
    let reply = send.reply.map_or(Ok(LinkRight::Null), decode_right)?;
    let mut sizes = Sizes { rights: 0, inline: 0, out_of_line: 0 };
    let body = send.items.into_iter().map(|i| decode_item(i, &payload, &mut sizes)).collect::<Result<_, _>>()?;
    if sizes.out_of_line != payload.len() {
        return Err(PeerMisbehaved::Malformed("bytes that belong to no item"));
    }
    let content = Content { id: send.id, trace: TraceId(send.trace), reply, body, bytes: payload.len() };
    Ok(Arrival { export: ExportId(send.export), seq: send.seq, after: send.after, once: send.once, content })
}

struct Sizes {
    rights: usize,
    inline: usize,
    out_of_line: usize,
}

fn decode_item(item: wire::LinkItem, payload: &Payload, sizes: &mut Sizes) -> Result<Item<LinkRight>, PeerMisbehaved> {
    let item = item.item.ok_or(PeerMisbehaved::Malformed("an item without a value"))?;
    Ok(match item {
        link_item::Item::U32(v) => Item::U32(v),
        link_item::Item::U64(v) => Item::U64(v),
        link_item::Item::Data(bytes) => {
            sizes.inline += bytes.len();
            if sizes.inline > MSG_INLINE_BYTES_MAX {
                return Err(PeerMisbehaved::Malformed("too many inline bytes"));
            }
            Item::Data(bytes)
        }
        link_item::Item::Port(right) => {
            count_rights(sizes, 1)?;
            Item::Port(decode_right(right)?)
        }
        link_item::Item::Ports(rights) => {
            count_rights(sizes, rights.rights.len())?;
            Item::Ports(rights.rights.into_iter().map(decode_right).collect::<Result<_, _>>()?)
        }
        link_item::Item::OutOfLine(length) => {
            let start = sizes.out_of_line;
            let fits = usize::try_from(length).ok().filter(|n| *n <= payload.len() - start);
            let length = fits.ok_or(PeerMisbehaved::Malformed("an item longer than the bytes"))?;
            sizes.out_of_line += length;
            let whole = start == 0 && length == payload.len();
            Item::OutOfLine(if whole { payload.clone() } else { payload.slice(start, length) })
        }
    })
}

fn count_rights(sizes: &mut Sizes, more: usize) -> Result<(), PeerMisbehaved> {
    sizes.rights += more;
    if sizes.rights > MSG_RIGHTS_MAX { Err(PeerMisbehaved::Malformed("too many rights in a message")) } else { Ok(()) }
}

fn decode_right(right: wire::Right) -> Result<LinkRight, PeerMisbehaved> {
    let grant = |g: wire::Grant| {
        if g.export == 0 {
            return Err(PeerMisbehaved::Malformed("a grant of entry 0"));
        }
        Ok((ExportId(g.export), PortUid { origin: Incarnation(g.uid_origin), serial: g.uid_serial }))
    };
    Ok(match right.right.ok_or(PeerMisbehaved::Malformed("a right without a value"))? {
        right::Right::Null(_) => LinkRight::Null,
        right::Right::Dead(_) => LinkRight::Dead,
        right::Right::Send(g) => grant(g).map(|(export, uid)| LinkRight::Send(export, uid))?,
        right::Right::SendOnce(g) => grant(g).map(|(export, uid)| LinkRight::SendOnce(export, uid))?,
        right::Right::Yours(export) => LinkRight::Yours(ExportId(export)),
        right::Right::YoursOnce(export) => LinkRight::YoursOnce(ExportId(export)),
    })
}

/// The form of a right in a frame.
pub(crate) fn encode_right(right: LinkRight) -> wire::Right {
    let grant = |export: ExportId, uid: PortUid| wire::Grant {
        export: export.0,
        uid_origin: uid.origin.0,
        uid_serial: uid.serial,
    };
    let right = match right {
        LinkRight::Null => right::Right::Null(true),
        LinkRight::Dead => right::Right::Dead(true),
        LinkRight::Send(export, uid) => right::Right::Send(grant(export, uid)),
        LinkRight::SendOnce(export, uid) => right::Right::SendOnce(grant(export, uid)),
        LinkRight::Yours(export) => right::Right::Yours(export.0),
        LinkRight::YoursOnce(export) => right::Right::YoursOnce(export.0),
    };
    wire::Right { right: Some(right) }
}

/// A body as items of a frame and the bytes that follow its head; rights go through `f`, in order.
pub(crate) fn encode_body<R>(body: Vec<Item<R>>, mut f: impl FnMut(R) -> LinkRight) -> (Vec<wire::LinkItem>, Payload) {
    let mut payload = Payload::default();
    let mut items = Vec::with_capacity(body.len());
    for item in body {
        let item = match item {
            Item::U32(v) => link_item::Item::U32(v),
            Item::U64(v) => link_item::Item::U64(v),
            Item::Data(bytes) => link_item::Item::Data(bytes),
            Item::Port(right) => link_item::Item::Port(encode_right(f(right))),
            Item::Ports(rights) => {
                let rights = rights.into_iter().map(|r| encode_right(f(r))).collect();
                link_item::Item::Ports(wire::Rights { rights })
            }
            Item::OutOfLine(bytes) => {
                let length = bytes.len() as u64;
                append(&mut payload, bytes);
                link_item::Item::OutOfLine(length)
            }
        };
        items.push(wire::LinkItem { item: Some(item) });
    }
    (items, payload)
}

fn append(payload: &mut Payload, more: Payload) {
    if payload.is_empty() {
        *payload = more;
    } else {
        more.chunks().iter().for_each(|c| payload.push(c.clone()));
    }
}

/// What a frame is called in messages about it.
pub(crate) fn name_of(kind: &Option<frame::Kind>) -> &'static str {
    match kind {
        None => "no kind",
        Some(frame::Kind::Hello(_)) => "hello",
        Some(frame::Kind::Send(_)) => "send",
        Some(frame::Kind::Delivered(_)) => "delivered",
        Some(frame::Kind::Release(_)) => "release",
        Some(frame::Kind::PortDead(_)) => "port_dead",
        Some(frame::Kind::Gossip(_)) => "gossip",
        Some(frame::Kind::Goodbye(_)) => "goodbye",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(items: Vec<link_item::Item>) -> wire::Send {
        let items = items.into_iter().map(|i| wire::LinkItem { item: Some(i) }).collect();
        wire::Send { export: 1, seq: 1, after: 1, items, ..Default::default() }
    }

    fn fault(send: wire::Send, payload: usize) -> &'static str {
        match decode(send, Payload::from(vec![0; payload])) {
            Err(PeerMisbehaved::Malformed(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn netmsg_hostile_2_lengths_must_add_up() {
        use link_item::Item::OutOfLine;
        assert_eq!(fault(message(vec![OutOfLine(5)]), 4), "an item longer than the bytes");
        assert_eq!(fault(message(vec![OutOfLine(3), OutOfLine(u64::MAX)]), 4), "an item longer than the bytes");
        assert_eq!(fault(message(vec![OutOfLine(3)]), 4), "bytes that belong to no item");
        assert_eq!(fault(message(vec![]), 1), "bytes that belong to no item");
        assert!(decode(message(vec![OutOfLine(3), OutOfLine(0), OutOfLine(1)]), Payload::from(vec![0; 4])).is_ok());
    }

    #[test]
    fn netmsg_hostile_3_counts_and_sizes_are_bounded() {
        use link_item::Item::{Data, Ports, U32};
        let null = encode_right(LinkRight::Null);
        assert_eq!(fault(message(vec![U32(0); MSG_ITEMS_MAX + 1]), 0), "too many items");
        let half = Data(vec![0; MSG_INLINE_BYTES_MAX / 2 + 1].into());
        assert_eq!(fault(message(vec![half.clone(), half]), 0), "too many inline bytes");
        let many = Ports(wire::Rights { rights: vec![null; MSG_RIGHTS_MAX] });
        assert_eq!(fault(message(vec![many, link_item::Item::Port(null)]), 0), "too many rights in a message");
        assert_eq!(fault(message(vec![]), MSG_OOL_BYTES_MAX + 1), "too many out-of-line bytes");
    }

    #[test]
    fn netmsg_hostile_4_nothing_may_be_missing() {
        use link_item::Item::Port;
        let empty = wire::Send { items: vec![wire::LinkItem { item: None }], ..message(vec![]) };
        assert_eq!(fault(empty, 0), "an item without a value");
        assert_eq!(fault(message(vec![Port(wire::Right { right: None })]), 0), "a right without a value");
        let zero = wire::Right { right: Some(right::Right::SendOnce(wire::Grant::default())) };
        assert_eq!(fault(message(vec![Port(zero)]), 0), "a grant of entry 0");
    }

    #[test]
    fn netmsg_send_1_what_is_encoded_decodes_and_no_payload_byte_is_copied() {
        let uid = PortUid { origin: Incarnation(3), serial: 4 };
        let rights = [
            LinkRight::Null,
            LinkRight::Dead,
            LinkRight::Send(ExportId(9), uid),
            LinkRight::SendOnce(ExportId(10), uid),
            LinkRight::Yours(ExportId(11)),
            LinkRight::YoursOnce(ExportId(12)),
        ];
        let bytes = bytes::Bytes::from(vec![7; 4096]);
        let body = vec![
            Item::U32(1),
            Item::Ports(rights.to_vec()),
            Item::OutOfLine(Payload::from(bytes.slice(0..100))),
            Item::U64(2),
            Item::Data(bytes.slice(0..3)),
            Item::OutOfLine(Payload::from(bytes.slice(100..4096))),
            Item::Port(rights[2]),
        ];
        let (items, payload) = encode_body(body.clone(), |r| r);
        let send = wire::Send { export: 1, seq: 1, items, trace: 5, id: -3, ..Default::default() };
        let arrival = decode(send, payload).unwrap();
        assert_eq!(arrival.content.body, body);
        assert_eq!((arrival.content.id, arrival.content.trace), (-3, TraceId(5)));
        assert_eq!(arrival.content.rights().count(), 8);
        let Item::OutOfLine(last) = &arrival.content.body[5] else { panic!() };
        assert_eq!(last.chunks()[0].as_ptr(), bytes[100..].as_ptr());
    }
}
