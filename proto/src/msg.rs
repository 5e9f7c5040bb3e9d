//! Messages: a header and a typed body.
//!
//! One type serves every stage of a message's life; only the form of its rights changes: a task and an in-process
//! server write names with a disposition ([`NamedRight`]), the kernel core carries counted rights of its own, a link
//! carries entries of its table. [`Message::try_map_rights`] is the passage from one form to the next.

use bytes::Bytes;

use crate::{MigError, Payload, PortName};

/// The five kinds of right (`mach_port_right_t`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum RightType {
    /// May send any number of messages.
    Send = 0,
    /// The one right to receive.
    Receive = 1,
    /// May send one message.
    SendOnce = 2,
    /// A set of receive rights.
    PortSet = 3,
    /// The place of a right whose port died.
    DeadName = 4,
}

impl RightType {
    /// Parses a `mach_port_right_t`.
    pub fn from_raw(raw: u32) -> Option<RightType> {
        use RightType::*;
        [Send, Receive, SendOnce, PortSet, DeadName].into_iter().find(|r| *r as u32 == raw)
    }

    /// The bit of a `mach_port_type_t`.
    pub const fn type_bit(self) -> u32 {
        1 << (16 + self as u32)
    }
}

/// How a right goes into a message (`mach_msg_type_name_t`). On arrival only the first three occur, and mean that the
/// receiver now holds a receive, send or send-once right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Disposition {
    /// Gives the receive right away; arrives as a receive right.
    MoveReceive = 16,
    /// Gives one send reference away; arrives as a send right.
    MoveSend = 17,
    /// Gives the send-once right away; arrives as a send-once right.
    MoveSendOnce = 18,
    /// Makes another send right from one that is held.
    CopySend = 19,
    /// Makes a send right from the receive right.
    MakeSend = 20,
    /// Makes a send-once right from the receive right.
    MakeSendOnce = 21,
}

impl Disposition {
    /// Parses a port type name.
    pub fn from_raw(raw: u32) -> Option<Disposition> {
        use Disposition::*;
        [MoveReceive, MoveSend, MoveSendOnce, CopySend, MakeSend, MakeSendOnce].into_iter().find(|d| *d as u32 == raw)
    }
}

/// A right as a task writes or reads it: a name in its space, and how it goes or what it came as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NamedRight {
    /// The name; `NULL` and `DEAD` pass through a body untouched.
    pub name: PortName,
    /// Going in: what to do. Coming out: `MoveReceive`, `MoveSend` or `MoveSendOnce`, as the kind that arrived.
    pub disposition: Disposition,
}

impl NamedRight {
    /// The null right.
    pub const NULL: NamedRight = NamedRight { name: PortName::NULL, disposition: Disposition::MoveSend };

    /// `name`, with another send right made from it for the receiver.
    pub const fn copy_send(name: PortName) -> NamedRight {
        NamedRight { name, disposition: Disposition::CopySend }
    }

    /// `name`, whose receive right makes a send right.
    pub const fn make_send(name: PortName) -> NamedRight {
        NamedRight { name, disposition: Disposition::MakeSend }
    }

    /// `name`, whose receive right makes a send-once right: the usual reply right.
    pub const fn make_send_once(name: PortName) -> NamedRight {
        NamedRight { name, disposition: Disposition::MakeSendOnce }
    }

    /// `name`, of which one send reference is given away.
    pub const fn move_send(name: PortName) -> NamedRight {
        NamedRight { name, disposition: Disposition::MoveSend }
    }

    /// `name`, a send-once right that is used up.
    pub const fn move_send_once(name: PortName) -> NamedRight {
        NamedRight { name, disposition: Disposition::MoveSendOnce }
    }
}

/// One typed item of a body (`mach_msg_type_t` and what follows it).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item<R> {
    /// One `MACH_MSG_TYPE_INTEGER_32` (also a boolean, a code, a flag word).
    U32(u32),
    /// One `MACH_MSG_TYPE_INTEGER_64` (also an address, an offset, a size).
    U64(u64),
    /// Inline bytes (`MACH_MSG_TYPE_CHAR`/`BYTE`): strings, structures.
    Data(Bytes),
    /// One inline right.
    Port(R),
    /// An array of rights.
    Ports(Vec<R>),
    /// Out-of-line memory: the receiver gets a copy of its own.
    OutOfLine(Payload),
}

/// Names one activity (a trap, a fault) on its way through messages, links and pagers. 0 means none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TraceId(pub u64);

/// A message. On its way out `remote` is the destination and `local` the reply right; on arrival they are swapped, as
/// in Mach: `local` is the right it was sent to and `remote` the one to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<R> {
    /// Destination going out, reply right coming in.
    pub remote: R,
    /// Reply right going out, destination coming in.
    pub local: R,
    /// `msgh_id`: says which routine, or that it is a reply (request id + 100).
    pub id: i32,
    /// The port's sequence number, set on receipt.
    pub seqno: u32,
    /// The activity it belongs to.
    pub trace: TraceId,
    /// The typed items, in the order of the routine's arguments.
    pub body: Vec<Item<R>>,
}

impl<R> Message<R> {
    /// Every right of the body through `f`, in order; `f` is given the old form and returns the new one.
    ///
    /// Errors: the first one of `f`; items after it have not been looked at, items before it are dropped with their new
    /// rights, so an `f` that counts must keep what it needs to undo.
    pub fn try_map_rights<S, E>(self, mut f: impl FnMut(Place, R) -> Result<S, E>) -> Result<Message<S>, E> {
        let Message { remote, local, id, seqno, trace, body } = self;
        let remote = f(Place::Remote, remote)?;
        let local = f(Place::Local, local)?;
        let body = body.into_iter().map(|i| i.try_map_rights(|r| f(Place::Body, r))).collect::<Result<_, E>>()?;
        Ok(Message { remote, local, id, seqno, trace, body })
    }

    /// Out-of-line bytes in all items.
    pub fn out_of_line_bytes(&self) -> usize {
        self.body.iter().map(|i| if let Item::OutOfLine(p) = i { p.len() } else { 0 }).sum()
    }
}

/// Where in a message a right stands: it decides which error a bad one gives (mach-api §1.12 rule 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `msgh_remote_port`.
    Remote,
    /// `msgh_local_port`.
    Local,
    /// An item of the body.
    Body,
}

impl<R> Item<R> {
    /// The item with each of its rights put through `f`.
    pub fn try_map_rights<S, E>(self, mut f: impl FnMut(R) -> Result<S, E>) -> Result<Item<S>, E> {
        Ok(match self {
            Item::U32(v) => Item::U32(v),
            Item::U64(v) => Item::U64(v),
            Item::Data(b) => Item::Data(b),
            Item::OutOfLine(p) => Item::OutOfLine(p),
            Item::Port(r) => Item::Port(f(r)?),
            Item::Ports(v) => Item::Ports(v.into_iter().map(f).collect::<Result<_, E>>()?),
        })
    }
}

/// The request of a routine without a reply (MIG `simpleroutine`). Implemented by the generated stubs.
pub trait SimpleRoutine<R>: Sized {
    /// `msgh_id` of the request.
    const ID: i32;
    /// Mach's name of the routine.
    const NAME: &'static str;
    /// The arguments after the port it is sent to, as items.
    fn into_body(self) -> Vec<Item<R>>;
    /// The arguments from items.
    ///
    /// Errors: the items are not those of the routine; the body comes back whole, with every right in it.
    fn from_body(body: Vec<Item<R>>) -> Result<Self, BadBody<R>>;
}

/// A body that does not fit its routine, given back so that whoever counts rights can release them.
#[derive(Debug)]
pub struct BadBody<R> {
    /// `TypeError` for items of another shape, `BadId` for an id that no routine has.
    pub error: MigError,
    /// The items as they came.
    pub body: Vec<Item<R>>,
}

/// The request of a routine that is answered (MIG `routine`): the reply has id `ID + 100` and opens with the code.
pub trait Routine<R>: SimpleRoutine<R> {
    /// The results.
    type Reply: Reply<R>;
    /// `msgh_id` of the reply.
    const REPLY_ID: i32 = Self::ID + 100;
}

/// The results of a routine, without the leading return code.
pub trait Reply<R>: Sized {
    /// The results as items.
    fn into_body(self) -> Vec<Item<R>>;
    /// The results from items.
    fn from_body(body: Vec<Item<R>>) -> Result<Self, BadBody<R>>;
}

impl<R> Reply<R> for () {
    fn into_body(self) -> Vec<Item<R>> {
        Vec::new()
    }

    fn from_body(body: Vec<Item<R>>) -> Result<(), BadBody<R>> {
        if body.is_empty() { Ok(()) } else { Err(BadBody { error: MigError::TypeError, body }) }
    }
}
