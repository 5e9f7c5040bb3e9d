//! Messages inside the kernel: their cost, and the passage of a whole message in and out of a space.

use std::convert::Infallible;

use proto::codec::within_bounds;
use proto::limits::{MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_RIGHTS_MAX};
use proto::msg::Place;
use proto::typed::Scan;
use proto::{Body, Message, MsgReturn, NamedRight, NoRoom, Payload, PortName};
use slotmap::new_key_type;

use super::accept::Accept;
use super::list::Links;
use super::port::{Circularity, PortId, Receiver};
use super::right::Right;
use super::space::SpaceId;
use super::{Delivery, Effect, Ipc, ReceiveError, SendError, WaiterId};

new_key_type! {
    pub(super) struct KmsgId;
}

/// A message at a port. `message.remote` is the right it was sent to.
pub(super) struct Kmsg {
    pub message: Message<Right>,
    pub size: Size,
    pub port: PortId,
    /// Who waits for it to be queued.
    pub sender: Option<Sender>,
    /// Who is told that it has left the queue.
    pub accept: Option<Accept>,
    pub in_port: Links<KmsgId>,
    pub in_set: Links<KmsgId>,
}

/// A sender that waits for room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sender {
    pub waiter: WaiterId,
    pub space: SpaceId,
    /// See [`super::SendOptions::notify`].
    pub notify: Option<PortName>,
}

impl Kmsg {
    /// A message in no queue yet.
    pub fn new(port: PortId, message: Message<Right>, size: Size, sender: Option<Sender>) -> Kmsg {
        Kmsg { message, size, port, sender, accept: None, in_port: Links::default(), in_set: Links::default() }
    }
}

/// What a message measures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Size {
    /// Bytes of the body as Mach lays it out; what a receiver's limit is compared with.
    pub inline_bytes: usize,
    /// Bytes that it costs the node while it is queued.
    pub cost_bytes: usize,
    /// The task whose share of the node's bytes they are; none for the kernel's messages and in-process servers'.
    pub payer: Option<SpaceId>,
}

/// What a message measures.
pub(super) fn measure<R>(message: &Message<R>) -> Size {
    let inline = message.body.bytes().len();
    let memory: usize = message.body.memory().iter().map(Payload::cost_bytes).sum();
    let rights = message.body.rights().len() * size_of::<Right>();
    let cost_bytes = size_of::<Kmsg>() + rights + inline + memory;
    Size { inline_bytes: inline, cost_bytes, payer: None }
}

/// Measures a message of a task and holds it to the bounds of one message.
///
/// Errors: [ipc.bound.1] `SendInvalidType` too many items; `SendNoBuffer` too many rights or bytes.
pub(super) fn measure_bounded<R>(message: &Message<R>) -> Result<Size, MsgReturn> {
    if message.body.is_complex() && Scan::new(message.body.bytes()).nth(MSG_ITEMS_MAX).is_some() {
        return Err(MsgReturn::SendInvalidType);
    }
    if message.body.rights().len() > MSG_RIGHTS_MAX {
        return Err(MsgReturn::SendNoBuffer);
    }
    let size = measure(message);
    if size.inline_bytes > MSG_INLINE_BYTES_MAX || !within_bounds(&message.body) {
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
        cancel: Option<PortName>,
        fx: &mut Vec<Effect>,
    ) -> Result<Message<Right>, SendError> {
        let (dest, reply) = match self.copyin_header(space, message.remote, message.local, cancel, fx) {
            Ok(rights) => rights,
            Err(code) => return Err(SendError::new(code, Some(message))),
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
            return Err(SendError::new(MsgReturn::SendInvalidRight, None));
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

    /// Delivers a message of `port` into `space`: header swapped, rights as names, the destination right used up.
    ///
    /// Conditions: the space holds the port's receive right. The message takes the port's next sequence number. A reply
    /// right that makes a new name has a dead-name request to `notify` armed on it.
    /// Errors: `RcvHeaderError` the reply right found no place, `RcvInvalidNotify` `notify` is no receive right: the
    /// message is destroyed; `RcvBodyError` the message is delivered with null names where rights of the body found none.
    /// Source: spec [ipc.deliver.1] to [ipc.deliver.3], [ipc.accept.4].
    #[doc(alias = "ipc_kmsg_copyout")]
    pub(super) fn copyout_message(
        &mut self,
        space: SpaceId,
        port: PortId,
        message: Message<Right>,
        notify: Option<PortName>,
        fx: &mut Vec<Effect>,
    ) -> Result<Delivery, ReceiveError> {
        let Message { remote: dest, local: reply, id, trace, body, .. } = message;
        let mut header = self.arrival_header(port, &dest, id);
        header.message.trace = trace;
        header.message.remote = reply.without_name();
        match self.copyout_reply(space, reply, notify, fx) {
            Ok(name) => header.message.remote.name = name,
            Err((code, no_room)) => {
                self.use_up(dest);
                self.destroy_body(body);
                return Err(ReceiveError { no_room, message: Some(header), ..ReceiveError::new(code) });
            }
        }
        self.use_up(dest);
        let (body, no_room) = self.copyout_body(space, body, fx);
        header.message.body = body;
        match no_room {
            NoRoom::NOTHING => Ok(header),
            no_room => {
                Err(ReceiveError { no_room, message: Some(header), ..ReceiveError::new(MsgReturn::RcvBodyError) })
            }
        }
    }

    /// Gives a message that was not queued back to its sender: as though it had received it, but with the header as it
    /// was. A right that finds no place comes back null, and the second result says so. Source: spec [ipc.pseudo.1].
    #[doc(alias = "ipc_kmsg_copyout_pseudo")]
    pub(super) fn pseudo_receive(
        &mut self,
        space: SpaceId,
        message: Message<Right>,
        fx: &mut Vec<Effect>,
    ) -> (Message<NamedRight>, NoRoom) {
        let Message { remote, local, id, seqno, trace, body } = message;
        let (remote, no_remote) = self.copyout_named(space, remote, fx);
        let (local, no_local) = self.copyout_named(space, local, fx);
        let (body, no_body) = self.copyout_body(space, body, fx);
        (Message { remote, local, id, seqno, trace, body }, no_remote.and(no_local).and(no_body))
    }

    /// Every right of a body as a name, and what some found no room for.
    fn copyout_body(&mut self, space: SpaceId, body: Body<Right>, fx: &mut Vec<Effect>) -> (Body<NamedRight>, NoRoom) {
        let mut no_room = NoRoom::NOTHING;
        let named: Result<_, Infallible> = body.try_map_rights(|right| {
            let (named, lacked) = self.copyout_named(space, right, fx);
            no_room = no_room.and(lacked);
            Ok(named)
        });
        let Ok(named) = named;
        (named, no_room)
    }

    /// One right as a name with its kind; a right without a place is released and comes as null.
    fn copyout_named(&mut self, space: SpaceId, right: Right, fx: &mut Vec<Effect>) -> (NamedRight, NoRoom) {
        let disposition = right.arrival();
        match self.copyout(space, right, fx) {
            Ok(name) => (NamedRight { name, disposition }, NoRoom::NOTHING),
            Err(right) => {
                self.defer_release(right);
                (NamedRight { name: PortName::NULL, disposition }, NoRoom::IPC_SPACE)
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
