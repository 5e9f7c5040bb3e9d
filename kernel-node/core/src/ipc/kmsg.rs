//! Messages inside the kernel: their cost, and the passage of a whole message in and out of a space.

use std::convert::Infallible;

use proto::limits::{MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_OOL_BYTES_MAX, MSG_RIGHTS_MAX};
use proto::msg::Place;
use proto::typed::Scan;
use proto::{Body, Disposition, Message, MsgReturn, NamedRight, PortName};
use slotmap::new_key_type;

use super::entry::Entry;
use super::list::Links;
use super::port::{Circularity, PortId, Receiver};
use super::right::Right;
use super::space::SpaceId;
use super::{Effect, Ipc, ReceiveError, SendError, WaiterId};

new_key_type! {
    pub(super) struct KmsgId;
}

/// A message at a port. `message.remote` is the right it was sent to.
pub(super) struct Kmsg {
    pub message: Message<Right>,
    pub size: Size,
    pub port: PortId,
    /// Who waits for it to be queued, and whose space it came from.
    pub sender: Option<(WaiterId, SpaceId)>,
    pub in_port: Links<KmsgId>,
    pub in_set: Links<KmsgId>,
}

/// What a message measures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Size {
    /// Bytes of the body as Mach lays it out; what a receiver's limit is compared with.
    pub inline_bytes: usize,
    /// Bytes of out-of-line memory.
    pub out_of_line_bytes: usize,
    /// Bytes that it costs the node while it is queued.
    pub cost_bytes: usize,
}

/// What a message measures.
pub(super) fn measure<R>(message: &Message<R>) -> Size {
    let (inline, outside) = (message.body.bytes().len(), message.body.out_of_line_bytes());
    let rights = message.body.rights().len() * size_of::<Right>();
    Size { inline_bytes: inline, out_of_line_bytes: outside, cost_bytes: size_of::<Kmsg>() + rights + inline + outside }
}

/// Measures a message of a task and holds it to the bounds of one message.
///
/// Errors: [ipc.bound.1] `SendInvalidType` too many items; `SendInvalidRight` too many rights; `SendNoBuffer` too many bytes.
pub(super) fn measure_bounded<R>(message: &Message<R>) -> Result<Size, MsgReturn> {
    if message.body.is_complex() && Scan::new(message.body.bytes()).nth(MSG_ITEMS_MAX).is_some() {
        return Err(MsgReturn::SendInvalidType);
    }
    if message.body.rights().len() > MSG_RIGHTS_MAX {
        return Err(MsgReturn::SendInvalidRight);
    }
    let size = measure(message);
    if size.inline_bytes > MSG_INLINE_BYTES_MAX || size.out_of_line_bytes > MSG_OOL_BYTES_MAX {
        return Err(MsgReturn::SendNoBuffer);
    }
    Ok(size)
}

impl Ipc {
    /// Takes a message out of `space`: header first and all or nothing, then the body, right by right.
    ///
    /// Errors: from the header, with the message unchanged; from the body, with `None`: the rights taken so far are on
    /// their way to be released. Source: spec [ipc.header.1] to [ipc.header.5], [ipc.body.1], [ipc.body.2].
    #[doc(alias = "ipc_kmsg_copyin")]
    pub(super) fn copyin_message(
        &mut self,
        space: SpaceId,
        message: Message<NamedRight>,
        fx: &mut Vec<Effect>,
    ) -> Result<Message<Right>, SendError> {
        let (dest, reply) = match self.copyin_header(space, message.remote, message.local, fx) {
            Ok(rights) => rights,
            Err(code) => return Err(SendError { code, message: Some(message) }),
        };
        let mut failed = false;
        let (mut dest, mut reply) = (Some(dest), Some(reply));
        let mut message = message;
        // A caller may have put other rights into a body than its descriptors were written for.
        message.body.set_kinds(|named| named.name.is_valid().then_some(named.disposition));
        let taken: Result<_, Infallible> = message.try_map_rights(|place, named| {
            Ok(match place {
                Place::Remote => dest.take().expect("one destination"),
                Place::Local => reply.take().expect("one reply right"),
                Place::Body if failed => Right::Null,
                Place::Body => self.copyin_body_right(space, named, fx).unwrap_or_else(|()| {
                    failed = true;
                    Right::Null
                }),
            })
        });
        let Ok(taken) = taken;
        if failed {
            self.destroy_message(taken);
            return Err(SendError { code: MsgReturn::SendInvalidRight, message: None });
        }
        Ok(taken)
    }

    fn copyin_body_right(&mut self, space: SpaceId, named: NamedRight, fx: &mut Vec<Effect>) -> Result<Right, ()> {
        match named.name {
            PortName::NULL => Ok(Right::Null),
            PortName::DEAD => Ok(Right::Dead),
            name => self.copyin(space, name, named.disposition, fx).map_err(|_| ()),
        }
    }

    /// The destination and the reply right, both or neither.
    fn copyin_header(
        &mut self,
        space: SpaceId,
        dest: NamedRight,
        reply: NamedRight,
        fx: &mut Vec<Effect>,
    ) -> Result<(Right, Right), MsgReturn> {
        use Disposition::{MoveReceive, MoveSend, MoveSendOnce};
        if dest.disposition == MoveReceive || (reply.name.is_valid() && reply.disposition == MoveReceive) {
            return Err(MsgReturn::SendInvalidHeader);
        }
        let dest_entry = self.lookup(space, dest.name).ok_or(MsgReturn::SendInvalidDest)?;
        if matches!(dest_entry, Entry::Dead { .. }) || !Self::can_copyin(dest_entry, dest.disposition) {
            return Err(MsgReturn::SendInvalidDest);
        }
        if reply.name.is_valid() {
            let reply_entry = self.lookup(space, reply.name).ok_or(MsgReturn::SendInvalidReply)?;
            if !Self::can_copyin(reply_entry, reply.disposition) {
                return Err(MsgReturn::SendInvalidReply);
            }
            if dest.name == reply.name {
                let twice = match (dest.disposition, reply.disposition) {
                    (MoveSend, MoveSend) => matches!(dest_entry, Entry::Port { urefs: 2.., .. }),
                    (MoveSendOnce, _) | (_, MoveSendOnce) => false,
                    _ => true,
                };
                if !twice {
                    return Err(MsgReturn::SendInvalidDest);
                }
            }
        }
        // The reply right first, since it is never moved when the destination takes the last reference of the same name.
        let reply_first = dest.disposition == MoveSend;
        let mut take = |ipc: &mut Ipc, named: NamedRight| match named.name {
            PortName::NULL => Right::Null,
            PortName::DEAD => Right::Dead,
            name => ipc.copyin(space, name, named.disposition, fx).expect("checked above"),
        };
        if reply_first {
            let reply = take(self, reply);
            Ok((take(self, dest), reply))
        } else {
            let dest = take(self, dest);
            Ok((dest, take(self, reply)))
        }
    }

    /// Delivers a message of `port` into `space`: header swapped, rights as names, the destination right used up.
    ///
    /// Conditions: the space holds the port's receive right. The message takes the port's next sequence number.
    /// Errors: `RcvHeaderError` the reply right found no place, the message is destroyed; `RcvBodyError` the message is
    /// delivered with null names where rights of the body found none. Source: spec [ipc.deliver.1] to [ipc.deliver.3].
    #[doc(alias = "ipc_kmsg_copyout")]
    pub(super) fn copyout_message(
        &mut self,
        space: SpaceId,
        port: PortId,
        message: Message<Right>,
        fx: &mut Vec<Effect>,
    ) -> Result<Message<NamedRight>, ReceiveError> {
        let Message { remote: dest, local: reply, id, trace, body, .. } = message;
        let mut header = self.arrival_header(port, &dest, id);
        header.trace = trace;
        header.remote.disposition = reply.arrival();
        match self.copyout(space, reply, fx) {
            Ok(name) => header.remote.name = name,
            Err(reply) => {
                self.use_up(dest);
                self.defer_release(reply);
                self.destroy_body(body);
                return Err(ReceiveError { message: Some(header), ..ReceiveError::new(MsgReturn::RcvHeaderError) });
            }
        }
        self.use_up(dest);
        let (body, whole) = self.copyout_body(space, body, fx);
        header.body = body;
        match whole {
            true => Ok(header),
            false => Err(ReceiveError { message: Some(header), ..ReceiveError::new(MsgReturn::RcvBodyError) }),
        }
    }

    /// The header under which a message of `port` arrives where its receive right is, without a reply right; counts it.
    pub(super) fn arrival_header(&mut self, port: PortId, dest: &Right, id: i32) -> Message<NamedRight> {
        let p = &mut self.ports[port];
        let seqno = p.seqno;
        p.seqno = p.seqno.wrapping_add(1);
        let name = match p.receiver {
            Receiver::Space { name, .. } => name,
            _ => PortName::NULL,
        };
        let local = NamedRight { name, disposition: dest.arrival() };
        Message { remote: NamedRight::NULL, local, id, seqno, trace: Default::default(), body: Body::default() }
    }

    /// Gives a message that was not queued back to its sender: as though it had received it, but with the header as it
    /// was. A right that finds no place comes back null. Source: spec [ipc.pseudo.1].
    #[doc(alias = "ipc_kmsg_copyout_pseudo")]
    pub(super) fn pseudo_receive(
        &mut self,
        space: SpaceId,
        message: Message<Right>,
        fx: &mut Vec<Effect>,
    ) -> Message<NamedRight> {
        let Message { remote, local, id, seqno, trace, body } = message;
        let remote = self.copyout_named(space, remote, fx).unwrap_or(NamedRight::NULL);
        let local = self.copyout_named(space, local, fx).unwrap_or(NamedRight::NULL);
        let (body, _) = self.copyout_body(space, body, fx);
        Message { remote, local, id, seqno, trace, body }
    }

    /// Every right of a body as a name, and whether each found a place.
    fn copyout_body(&mut self, space: SpaceId, body: Body<Right>, fx: &mut Vec<Effect>) -> (Body<NamedRight>, bool) {
        let mut whole = true;
        let named: Result<_, Infallible> = body.try_map_rights(|right| {
            Ok(self.copyout_named(space, right, fx).unwrap_or_else(|| {
                whole = false;
                NamedRight::NULL
            }))
        });
        let Ok(named) = named;
        (named, whole)
    }

    /// One right as a name with its kind; a right without a place is released.
    fn copyout_named(&mut self, space: SpaceId, right: Right, fx: &mut Vec<Effect>) -> Option<NamedRight> {
        let disposition = right.arrival();
        match self.copyout(space, right, fx) {
            Ok(name) => Some(NamedRight { name, disposition }),
            Err(right) => {
                self.defer_release(right);
                None
            }
        }
    }

    /// Consumes the destination right of a message that has been received: a send-once right that was used is silent.
    pub(super) fn use_up(&mut self, dest: Right) {
        match dest {
            Right::Null | Right::Dead => {}
            Right::Send(port) => self.send_right_gone(port),
            Right::SendOnce(port) => self.ports[port].sorights -= 1,
            Right::Receive(_) => unreachable!("no message is sent to a receive right"),
        }
    }

    /// Releases every right of a message, in order. [ipc.destroy.1]
    #[doc(alias = "ipc_kmsg_destroy")]
    pub(super) fn destroy_message(&mut self, message: Message<Right>) {
        self.defer_release(message.remote);
        self.defer_release(message.local);
        self.destroy_body(message.body);
    }

    pub(super) fn destroy_body(&mut self, body: Body<Right>) {
        body.into_rights().into_iter().for_each(|right| self.defer_release(right));
    }

    /// Marks the receive rights of a body as on their way to `dest`.
    ///
    /// Returns the worst case found; then none of them is to be queued. Source: spec [ipc.circular.1].
    pub(super) fn put_in_transit(&mut self, body: &Body<Right>, dest: PortId) -> Circularity {
        for right in body.rights() {
            let Right::Receive(moved) = *right else { continue };
            match self.circularity(moved, dest) {
                Circularity::None => self.ports[moved].receiver = Receiver::Transit(dest),
                found => return found,
            }
        }
        Circularity::None
    }
}

/// Every right of a message: the header's, then the body's in order.
pub(super) fn each_right(message: &Message<Right>, mut f: impl FnMut(&Right)) {
    f(&message.remote);
    f(&message.local);
    message.body.rights().iter().for_each(f);
}
