//! Messages: a header and a body.
//!
//! One type serves every stage of a message's life; only the form of its rights changes: a task and an in-process
//! server write names with a disposition ([`NamedRight`]), the kernel core carries counted rights of its own, a link
//! carries entries of its table. [`Message::try_map_rights`] is the passage from one form to the next.

use crate::body::{Body, Reader, Writer};
use crate::typed::Element;
use crate::{KernReturn, MigError, PortName};

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

    /// What arrives of a right that goes so.
    pub const fn arrival(self) -> Disposition {
        match self {
            Disposition::MoveReceive => Disposition::MoveReceive,
            Disposition::MoveSend | Disposition::CopySend | Disposition::MakeSend => Disposition::MoveSend,
            Disposition::MoveSendOnce | Disposition::MakeSendOnce => Disposition::MoveSendOnce,
        }
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
    /// The arguments of the routine.
    pub body: Body<R>,
}

impl<R> Message<R> {
    /// Every right through `f`, in order; `f` is given the old form and returns the new one.
    ///
    /// Errors: the first one of `f`; what comes after it has not been looked at, what came before is dropped with its new
    /// rights, so an `f` that counts must keep what it needs to undo.
    pub fn try_map_rights<S, E>(self, mut f: impl FnMut(Place, R) -> Result<S, E>) -> Result<Message<S>, E> {
        let Message { remote, local, id, seqno, trace, body } = self;
        let remote = f(Place::Remote, remote)?;
        let local = f(Place::Local, local)?;
        let body = body.try_map_rights(|r| f(Place::Body, r))?;
        Ok(Message { remote, local, id, seqno, trace, body })
    }

    /// Bytes of out-of-line data.
    pub fn out_of_line_bytes(&self) -> usize {
        self.body.out_of_line_bytes()
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

/// The request of a routine without a reply (MIG `simpleroutine`). Implemented by the generated stubs.
pub trait SimpleRoutine<R>: Sized {
    /// `msgh_id` of the request.
    const ID: i32;
    /// Mach's name of the routine.
    const NAME: &'static str;
    /// The arguments after the port it is sent to.
    fn into_body(self) -> Body<R>;
    /// The arguments from a body.
    ///
    /// Errors: the items are not those of the routine; the body comes back whole, with every right in it.
    fn from_body(body: Body<R>) -> Result<Self, BadBody<R>>;
}

/// A body that does not fit its routine, given back so that whoever counts rights can release them.
#[derive(Debug)]
pub struct BadBody<R> {
    /// `BadArguments` for items of another shape in a request, `TypeError` for those of a reply, `BadId` for an id that no
    /// routine has.
    pub error: MigError,
    /// The body as it came.
    pub body: Body<R>,
}

/// The request of a routine that is answered (MIG `routine`): the reply has id `ID + 100` and opens with the code.
pub trait Routine<R>: SimpleRoutine<R> {
    /// The results.
    type Reply: Reply<R>;
    /// `msgh_id` of the reply.
    const REPLY_ID: i32 = Self::ID + 100;
}

/// The results of a routine that succeeded. Its body opens with the return code.
pub trait Reply<R>: Sized {
    /// The code for success, then the results.
    fn into_body(self) -> Body<R>;
    /// The results of a body that says success.
    ///
    /// Errors: the items are not those of the routine; the body comes back whole.
    fn from_body(body: Body<R>) -> Result<Self, BadBody<R>>;
}

impl<R> Reply<R> for () {
    fn into_body(self) -> Body<R> {
        code_body(KernReturn::Success.raw())
    }

    fn from_body(body: Body<R>) -> Result<(), BadBody<R>> {
        let mut reader = Reader::new(&body);
        match reader.u32(Element::INTEGER_32).and_then(|_| reader.end()) {
            Some(()) => Ok(()),
            None => Err(BadBody { error: MigError::TypeError, body }),
        }
    }
}

/// The body of a reply that is only a code, as a routine that failed (or has no results) answers (`mig_reply_error_t`).
pub fn code_body<R>(code: i32) -> Body<R> {
    let mut writer = Writer::new();
    writer.u32(Element::INTEGER_32, code as u32);
    writer.finish()
}

/// The code that a reply opens with; `None` when it is no reply.
pub fn code_of<R>(body: &Body<R>) -> Option<i32> {
    Reader::new(body).u32(Element::INTEGER_32).map(|code| code as i32)
}
