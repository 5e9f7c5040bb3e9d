//! Frames to and from what the rest of the crate works with. A frame that decodes keeps every bound.

use proto::body::Source;
use proto::limits::{MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_OOL_BYTES_MAX, MSG_RIGHTS_MAX, TRAP_BODY_BYTES_MAX};
use proto::typed::Scan;
use proto::wire::link::{self as wire, frame, right};
use proto::{Body, Disposition, Incarnation, MsgReturn, Payload, PortUid, TraceId};

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
    pub(crate) body: Body<LinkRight>,
    /// Out-of-line bytes in the body.
    pub(crate) bytes: usize,
}

impl Content {
    /// Every right in it, the reply right first.
    pub(crate) fn rights(&self) -> impl Iterator<Item = LinkRight> + '_ {
        std::iter::once(self.reply).chain(self.body.rights().iter().copied())
    }
}

/// Parses a message; `payload` is everything that followed the head.
///
/// Errors: `Malformed`, for parts that are missing, do not add up or exceed a bound.
pub(crate) fn decode(send: wire::Send, payload: Payload) -> Result<Arrival, PeerMisbehaved> {
    let body_bytes = send.body.len() as u64 + send.body_length;
    if body_bytes > MSG_INLINE_BYTES_MAX as u64 || (send.body_length > 0 && !send.body.is_empty()) {
        return Err(PeerMisbehaved::Malformed("too many inline bytes"));
    }
    if send.memory_length > MSG_OOL_BYTES_MAX as u64 {
        return Err(PeerMisbehaved::Malformed("too many out-of-line bytes"));
    }
    if send.body_length + send.memory_length != payload.len() as u64 {
        return Err(PeerMisbehaved::Malformed("bytes that belong to no item"));
    }
    let reply = send.reply.map_or(Ok(LinkRight::Null), decode_right)?;
    let beside = send.body_length as usize;
    let bytes = if beside > 0 { payload.slice(0, beside).to_bytes() } else { send.body };
    let mut contents = Contents { rights: send.rights.into_iter(), slots: 0, payload, at: beside };
    let body = match send.complex {
        true if Scan::new(&bytes).nth(MSG_ITEMS_MAX).is_some() => {
            return Err(PeerMisbehaved::Malformed("too many items"));
        }
        true => Body::parse(&bytes, &mut contents).map_err(|Mangled(what)| PeerMisbehaved::Malformed(what))?,
        false => Body::simple(bytes),
    };
    if contents.at != contents.payload.len() || contents.rights.next().is_some() {
        return Err(PeerMisbehaved::Malformed("bytes that belong to no item"));
    }
    let bytes = send.memory_length as usize;
    let content = Content { id: send.id, trace: TraceId(send.trace), reply, body, bytes };
    Ok(Arrival { export: ExportId(send.export), seq: send.seq, after: send.after, once: send.once, content })
}

/// What a frame's slots stand for, taken in order.
struct Contents {
    rights: std::vec::IntoIter<wire::Right>,
    /// Slots of rights so far.
    slots: usize,
    payload: Payload,
    at: usize,
}

/// What does not add up.
struct Mangled(&'static str);

impl From<MsgReturn> for Mangled {
    fn from(_: MsgReturn) -> Mangled {
        Mangled("a body that is not typed")
    }
}

impl Source<LinkRight> for Contents {
    type Error = Mangled;

    fn rights(
        &mut self,
        _: Disposition,
        number: usize,
        _: Option<&[u8]>,
        out: &mut Vec<LinkRight>,
    ) -> Result<(), Mangled> {
        self.slots = self.slots.saturating_add(number);
        if self.slots > MSG_RIGHTS_MAX {
            return Err(Mangled("too many rights in a message"));
        }
        if number > self.rights.len() {
            return Err(Mangled("fewer rights than slots"));
        }
        for right in self.rights.by_ref().take(number) {
            out.push(decode_right(right).map_err(|fault| match fault {
                PeerMisbehaved::Malformed(what) => Mangled(what),
                _ => Mangled("a right of no kind"),
            })?);
        }
        Ok(())
    }

    fn memory(&mut self, bytes: u64) -> Result<Payload, Mangled> {
        let left = self.payload.len() - self.at;
        let length =
            usize::try_from(bytes).ok().filter(|n| *n <= left).ok_or(Mangled("an item longer than the bytes"))?;
        let start = self.at;
        self.at += length;
        let whole = start == 0 && length == self.payload.len();
        Ok(if whole { self.payload.clone() } else { self.payload.slice(start, length) })
    }
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

/// Puts a body into a frame; its rights go through `f`, in order. Returns what follows the frame's head.
pub(crate) fn encode_body<R>(send: &mut wire::Send, body: Body<R>, mut f: impl FnMut(R) -> LinkRight) -> Payload {
    let mut payload = Payload::default();
    send.complex = body.is_complex();
    if body.bytes().len() <= TRAP_BODY_BYTES_MAX {
        send.body = body.bytes().clone();
    } else {
        send.body_length = body.bytes().len() as u64;
        payload.push(body.bytes().clone());
    }
    send.memory_length = body.out_of_line_bytes() as u64;
    body.memory().iter().for_each(|memory| payload.append(memory.clone()));
    send.rights = body.into_rights().into_iter().map(|right| encode_right(f(right))).collect();
    payload
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
    use proto::Item;
    use proto::item::Arrives;

    use super::*;

    impl Arrives for LinkRight {
        fn arrives(&self) -> Disposition {
            match self {
                LinkRight::SendOnce(..) | LinkRight::YoursOnce(_) => Disposition::MoveSendOnce,
                _ => Disposition::MoveSend,
            }
        }
    }

    fn frame(items: Vec<Item<LinkRight>>) -> (wire::Send, Payload) {
        let mut send = wire::Send { export: 1, seq: 1, after: 1, ..Default::default() };
        let payload = encode_body(&mut send, Body::from(items), |r| r);
        (send, payload)
    }

    fn fault(send: wire::Send, payload: Payload) -> &'static str {
        match decode(send, payload) {
            Err(PeerMisbehaved::Malformed(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    fn memory(bytes: usize) -> Item<LinkRight> {
        Item::OutOfLine(Payload::from(vec![0; bytes]))
    }

    #[test]
    fn netmsg_hostile_2_lengths_must_add_up() {
        let (send, payload) = frame(vec![memory(3), memory(0), memory(1)]);
        assert!(decode(send.clone(), payload.clone()).is_ok());
        assert_eq!(fault(send.clone(), payload.slice(0, 3)), "bytes that belong to no item");
        let cut = wire::Send { memory_length: 3, ..send.clone() };
        assert_eq!(fault(cut, payload.slice(0, 3)), "an item longer than the bytes");
        let more = wire::Send { memory_length: 5, ..send.clone() };
        assert_eq!(fault(more, Payload::from(vec![0; 5])), "bytes that belong to no item");
        let both = wire::Send { body_length: 4, ..send.clone() };
        assert_eq!(fault(both, Payload::from(vec![0; 8])), "too many inline bytes");
        let plain = wire::Send { complex: false, ..send };
        assert_eq!(fault(plain, payload), "bytes that belong to no item");
    }

    #[test]
    fn netmsg_hostile_3_counts_and_sizes_are_bounded() {
        let (send, payload) = frame(vec![Item::U32(0); MSG_ITEMS_MAX + 1]);
        assert_eq!(fault(wire::Send { complex: true, ..send }, payload), "too many items");
        let (send, payload) = frame(vec![Item::Data(vec![0; MSG_INLINE_BYTES_MAX].into())]);
        assert_eq!(fault(send, payload), "too many inline bytes");
        let many = Item::Ports(vec![LinkRight::Null; MSG_RIGHTS_MAX]);
        let (send, payload) = frame(vec![many, Item::Port(LinkRight::Null)]);
        assert_eq!(fault(send, payload), "too many rights in a message");
        let (send, payload) = frame(vec![memory(MSG_OOL_BYTES_MAX + 1)]);
        assert_eq!(fault(send, payload), "too many out-of-line bytes");
    }

    #[test]
    fn netmsg_hostile_4_nothing_may_be_missing() {
        let (send, payload) = frame(vec![Item::Port(LinkRight::Null)]);
        let none = wire::Send { rights: Vec::new(), ..send.clone() };
        assert_eq!(fault(none, payload.clone()), "fewer rights than slots");
        let two = wire::Send { rights: vec![send.rights[0]; 2], ..send.clone() };
        assert_eq!(fault(two, payload.clone()), "bytes that belong to no item");
        let empty = wire::Send { rights: vec![wire::Right { right: None }], ..send.clone() };
        assert_eq!(fault(empty, payload.clone()), "a right without a value");
        let zero = wire::Right { right: Some(right::Right::SendOnce(wire::Grant::default())) };
        assert_eq!(fault(wire::Send { rights: vec![zero], ..send.clone() }, payload.clone()), "a grant of entry 0");
        let cut = wire::Send { body: send.body.slice(0..12), ..send };
        assert_eq!(fault(cut, payload), "a body that is not typed");
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
        for long in [0, TRAP_BODY_BYTES_MAX] {
            let body = Body::from(vec![
                Item::U32(1),
                Item::Ports(rights.to_vec()),
                Item::OutOfLine(Payload::from(bytes.slice(0..100))),
                Item::PortsOutOfLine(rights[..2].to_vec()),
                Item::Data(vec![1; long].into()),
                Item::OutOfLine(Payload::from(bytes.slice(100..4096))),
                Item::Port(rights[2]),
            ]);
            let mut send = wire::Send { export: 1, seq: 1, trace: 5, id: -3, ..Default::default() };
            let payload = encode_body(&mut send, body.clone(), |r| r);
            let arrival = decode(send, payload).unwrap();
            assert_eq!(arrival.content.body, body);
            assert_eq!((arrival.content.id, arrival.content.trace), (-3, TraceId(5)));
            assert_eq!(arrival.content.rights().count(), 10);
            assert_eq!(arrival.content.body.memory()[1].chunks()[0].as_ptr(), bytes[100..].as_ptr());
        }
    }
}
