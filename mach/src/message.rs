//! Messages whose rights are values: what is not taken out of one, or not sent, is given up when it is dropped.
//!
//! Below this is [`Task::mach_msg`] with plain names, whose rights are the caller's to account for.

use std::time::Duration;

use bytes::Bytes;
use proto::body::Writer;
use proto::item::Arrives;
use proto::typed::Element;
use proto::{Body, Disposition, Item, Message, NamedRight, Payload, PortName, SimpleRoutine, TraceId};

use crate::error::{MsgError, SendError, Unexpected};
use crate::msg::Send;
use crate::right::{ReceiveRight, SendOnceRight, SendRight};
use crate::task::Task;

/// A right in a message, or none. Dropping it gives up what it holds.
#[derive(Debug, Default)]
pub enum Right {
    /// No right (`MACH_PORT_NULL`).
    #[default]
    Null,
    /// One whose port died on the way (`MACH_PORT_DEAD`).
    Dead,
    /// A send right.
    Send(SendRight),
    /// A send-once right.
    SendOnce(SendOnceRight),
    /// A receive right.
    Receive(ReceiveRight),
    /// On its way out: a right that stays with its holder, who gives one made from it ([`ReceiveRight::made_send`],
    /// [`SendRight::copied`]).
    Named(NamedRight),
}

impl Right {
    /// Takes over a right as it came in a message.
    pub fn adopt(task: &Task, right: NamedRight) -> Right {
        match (right.name, right.disposition) {
            (PortName::NULL, _) => Right::Null,
            (PortName::DEAD, _) => Right::Dead,
            (name, Disposition::MoveSend) => Right::Send(SendRight::adopt(task, name)),
            (name, Disposition::MoveSendOnce) => Right::SendOnce(SendOnceRight::adopt(task, name)),
            (name, Disposition::MoveReceive) => Right::Receive(ReceiveRight::adopt(task, name)),
            _ => Right::Named(right),
        }
    }

    /// As `mach_msg` wants it; nobody gives it up any more.
    pub(crate) fn into_named(self) -> NamedRight {
        match self {
            Right::Null => NamedRight::NULL,
            Right::Dead => NamedRight { name: PortName::DEAD, ..NamedRight::NULL },
            Right::Send(right) => right.into_named(),
            Right::SendOnce(right) => right.into_named(),
            Right::Receive(right) => right.into_named(),
            Right::Named(right) => right,
        }
    }

    /// The send right that it is.
    ///
    /// Errors: it is none; it is given up.
    pub fn send(self) -> Result<SendRight, Unexpected> {
        if let Right::Send(right) = self { Ok(right) } else { Err(Unexpected("a send right")) }
    }

    /// The send-once right that it is.
    ///
    /// Errors: it is none; it is given up.
    pub fn send_once(self) -> Result<SendOnceRight, Unexpected> {
        if let Right::SendOnce(right) = self { Ok(right) } else { Err(Unexpected("a send-once right")) }
    }

    /// The receive right that it is.
    ///
    /// Errors: it is none; it is given up.
    pub fn receive(self) -> Result<ReceiveRight, Unexpected> {
        if let Right::Receive(right) = self { Ok(right) } else { Err(Unexpected("a receive right")) }
    }

    /// Whether there is a port behind it.
    pub fn is_some(&self) -> bool {
        !matches!(self, Right::Null | Right::Dead)
    }
}

impl Arrives for Right {
    fn arrives(&self) -> Disposition {
        match self {
            Right::Null | Right::Dead | Right::Send(_) => Disposition::MoveSend,
            Right::SendOnce(_) => Disposition::MoveSendOnce,
            Right::Receive(_) => Disposition::MoveReceive,
            Right::Named(right) => right.disposition.arrival(),
        }
    }
}

impl From<SendRight> for Right {
    fn from(right: SendRight) -> Right {
        Right::Send(right)
    }
}

impl From<&SendRight> for Right {
    fn from(right: &SendRight) -> Right {
        Right::Named(right.copied())
    }
}

impl From<SendOnceRight> for Right {
    fn from(right: SendOnceRight) -> Right {
        Right::SendOnce(right)
    }
}

impl From<ReceiveRight> for Right {
    fn from(right: ReceiveRight) -> Right {
        Right::Receive(right)
    }
}

impl From<NamedRight> for Right {
    /// Conditions: what it moves, if it does, is nobody else's.
    fn from(right: NamedRight) -> Right {
        Right::Named(right)
    }
}

/// A message that was received. Rights that are not taken out are given up with it.
#[derive(Debug)]
pub struct Incoming {
    /// Says which routine, or that it is a reply.
    pub id: i32,
    /// Counts the messages of its port.
    pub seqno: u32,
    /// The activity it belongs to.
    pub trace: TraceId,
    /// The name of the port that it came to.
    pub to: PortName,
    /// The right to answer with.
    pub reply: Right,
    /// The arguments.
    pub body: Body<Right>,
    task: Task,
}

impl Incoming {
    /// Takes over a message with plain names.
    pub fn adopt(task: &Task, message: Message<NamedRight>) -> Incoming {
        let Message { remote, local, id, seqno, trace, body } = message;
        let reply = Right::adopt(task, remote);
        Incoming { id, seqno, trace, to: local.name, reply, body: adopt_body(task, body), task: task.clone() }
    }

    /// The message with plain names, which are the caller's to account for.
    pub fn into_raw(self) -> Message<NamedRight> {
        let local = NamedRight::move_send(self.to);
        let Incoming { id, seqno, trace, reply, body, .. } = self;
        Message { remote: reply.into_named(), local, id, seqno, trace, body: named_body(body) }
    }

    /// The task that received it.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The request of one routine.
    ///
    /// Errors: it is of another, or its arguments are of another form.
    pub fn request<Q: SimpleRoutine<Right>>(self) -> Result<Q, Unexpected> {
        match self.id == Q::ID {
            true => Q::from_body(self.body).map_err(|_| Unexpected(Q::NAME)),
            false => Err(Unexpected(Q::NAME)),
        }
    }

    /// Reads the items in order.
    ///
    /// Errors: the body is not typed.
    pub fn items(self) -> Result<Items, Unexpected> {
        let items = self.body.into_items().map_err(|_| Unexpected("typed items"))?;
        Ok(Items(items.into_iter()))
    }
}

/// The items of a message, taken out one after the other. What is not taken is given up.
#[derive(Debug)]
pub struct Items(std::vec::IntoIter<Item<Right>>);

impl Items {
    /// An INTEGER_32.
    pub fn u32(&mut self) -> Result<u32, Unexpected> {
        if let Some(Item::U32(value)) = self.0.next() { Ok(value) } else { Err(Unexpected("an INTEGER_32")) }
    }

    /// An INTEGER_64.
    pub fn u64(&mut self) -> Result<u64, Unexpected> {
        if let Some(Item::U64(value)) = self.0.next() { Ok(value) } else { Err(Unexpected("an INTEGER_64")) }
    }

    /// Inline bytes.
    pub fn bytes(&mut self) -> Result<Bytes, Unexpected> {
        if let Some(Item::Data(bytes)) = self.0.next() { Ok(bytes) } else { Err(Unexpected("inline bytes")) }
    }

    /// Inline text.
    pub fn text(&mut self) -> Result<String, Unexpected> {
        match self.0.next() {
            Some(Item::Typed(Element::CHAR, _, bytes)) => {
                String::from_utf8(bytes.into()).map_err(|_| Unexpected("text in UTF-8"))
            }
            _ => Err(Unexpected("text")),
        }
    }

    /// One inline right.
    pub fn right(&mut self) -> Result<Right, Unexpected> {
        if let Some(Item::Port(right)) = self.0.next() { Ok(right) } else { Err(Unexpected("a right")) }
    }

    /// Any number of rights.
    pub fn rights(&mut self) -> Result<Vec<Right>, Unexpected> {
        match self.0.next() {
            Some(Item::Ports(rights) | Item::PortsOutOfLine(rights)) => Ok(rights),
            Some(Item::Port(right)) => Ok(vec![right]),
            _ => Err(Unexpected("rights")),
        }
    }

    /// Out-of-line memory.
    pub fn memory(&mut self) -> Result<Payload, Unexpected> {
        match self.0.next() {
            // More bytes than a word counts come as longer elements.
            Some(Item::OutOfLine(payload) | Item::TypedOutOfLine(_, payload)) => Ok(payload),
            _ => Err(Unexpected("memory")),
        }
    }

    /// Nothing more.
    pub fn end(mut self) -> Result<(), Unexpected> {
        if self.0.next().is_none() { Ok(()) } else { Err(Unexpected("the end of the message")) }
    }
}

/// A message to be sent, item by item. Dropped instead, its rights are given up.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let task = mach::Task::attach(mach::AttachOptions::default())?;
/// let (port, other) = (mach::ReceiveRight::allocate(&task)?, mach::ReceiveRight::allocate(&task)?);
/// let hello = mach::Outgoing::new(port.made_send(), 4000).text("hello").u32(7).right(other);
/// hello.send(&task)?;
/// let mut items = port.receive(None)?.items()?;
/// assert_eq!((items.text()?.as_str(), items.u32()?), ("hello", 7));
/// let other = items.right()?.receive()?;
/// items.end()?;
/// # drop(other);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a message does nothing until it is sent"]
pub struct Outgoing {
    id: i32,
    to: Right,
    reply: Right,
    trace: TraceId,
    body: Content,
}

/// A body that may still grow, or one that is complete.
#[derive(Debug)]
enum Content {
    Open(Writer<Right>),
    Whole(Body<Right>),
}

impl Outgoing {
    /// An empty message to the holder of a receive right: `to` is a send right or a send-once right, given away, or made or
    /// copied (`&right`).
    pub fn new(to: impl Into<Right>, id: i32) -> Outgoing {
        let body = Content::Open(Writer::new());
        Outgoing { id, to: to.into(), reply: Right::Null, trace: TraceId(0), body }
    }

    /// The request of a routine.
    pub fn request<Q: SimpleRoutine<Right>>(to: impl Into<Right>, request: Q) -> Outgoing {
        Outgoing { body: Content::Whole(request.into_body()), ..Outgoing::new(to, Q::ID) }
    }

    /// A message with this body.
    pub(crate) fn with_body(to: Right, id: i32, trace: TraceId, body: Body<Right>) -> Outgoing {
        Outgoing { id, to, reply: Right::Null, trace, body: Content::Whole(body) }
    }

    /// The right with which it is to be answered: [`ReceiveRight::made_send_once`] as a rule.
    pub fn reply_to(mut self, reply: impl Into<Right>) -> Outgoing {
        self.reply = reply.into();
        self
    }

    /// An INTEGER_32.
    pub fn u32(self, value: u32) -> Outgoing {
        self.write(|w| w.u32(Element::INTEGER_32, value))
    }

    /// An INTEGER_64.
    pub fn u64(self, value: u64) -> Outgoing {
        self.write(|w| w.u64(Element::INTEGER_64, value))
    }

    /// Inline bytes.
    pub fn bytes(self, bytes: &[u8]) -> Outgoing {
        self.write(|w| w.data(Element::BYTE, bytes.len() as u32, bytes))
    }

    /// Inline text.
    pub fn text(self, text: &str) -> Outgoing {
        self.write(|w| w.data(Element::CHAR, text.len() as u32, text.as_bytes()))
    }

    /// An array of numbers, inline.
    pub fn array(self, values: &[u32]) -> Outgoing {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.write(|w| w.data(Element::INTEGER_32, values.len() as u32, &bytes))
    }

    /// One right.
    pub fn right(self, right: impl Into<Right>) -> Outgoing {
        let right = right.into();
        self.write(|w| w.rights(right.arrives(), true, [right]))
    }

    /// An array of rights.
    ///
    /// Conditions: all go in the same way, or the send is `SendInvalidType`.
    pub fn rights<T: Into<Right>>(self, rights: impl IntoIterator<Item = T>) -> Outgoing {
        let rights: Vec<Right> = rights.into_iter().map(Into::into).collect();
        let kind = rights.first().map_or(Disposition::MoveSend, Arrives::arrives);
        self.write(|w| w.rights(kind, true, rights))
    }

    /// Out-of-line memory: the receiver gets a copy of its own.
    pub fn memory(self, memory: impl Into<Payload>) -> Outgoing {
        self.write(|w| w.memory(Element::BYTE, memory.into()))
    }

    fn write(mut self, item: impl FnOnce(&mut Writer<Right>)) -> Outgoing {
        match &mut self.body {
            Content::Open(writer) => item(writer),
            Content::Whole(_) => panic!("the arguments of a routine are complete"),
        }
        self
    }

    /// Sends it, waiting while the queue is full.
    ///
    /// Errors: [`SendError`] has the message back where the node gave it back.
    pub fn send(self, task: &Task) -> Result<(), SendError> {
        self.send_within(task, None)
    }

    /// As [`Outgoing::send`], waiting at most `timeout`; zero waits not at all.
    pub fn send_within(self, task: &Task, timeout: Option<Duration>) -> Result<(), SendError> {
        let send = Send { message: self.into_raw(), timeout };
        task.mach_msg(Some(send), None).map(drop).map_err(|error| SendError::of(task, error))
    }

    /// As [`Outgoing::send`], in a tokio runtime.
    ///
    /// Conditions: within a tokio runtime. When the future is dropped the message has been sent, or its rights are given up.
    #[cfg(feature = "tokio")]
    pub async fn send_async(self, task: &Task) -> Result<(), SendError> {
        task.send_async(self.into_raw()).await.map_err(|error| SendError::of(task, error))
    }

    /// The message with plain names, which are the caller's to account for.
    pub fn into_raw(self) -> Message<NamedRight> {
        let Outgoing { id, to, reply, trace, body } = self;
        let body = match body {
            Content::Open(writer) => writer.finish(),
            Content::Whole(body) => body,
        };
        let (remote, local) = (to.into_named(), reply.into_named());
        Message { remote, local, id, seqno: 0, trace, body: named_body(body) }
    }

    /// A message that could not be sent, as the node gave it back.
    fn returned(task: &Task, message: Message<NamedRight>) -> Outgoing {
        let Message { remote, local, id, trace, body, .. } = message;
        let (to, reply) = (Right::adopt(task, remote), Right::adopt(task, local));
        Outgoing { id, to, reply, trace, body: Content::Whole(adopt_body(task, body)) }
    }
}

impl SendError {
    fn of(task: &Task, error: MsgError) -> SendError {
        match error {
            MsgError::Code { code, message } => {
                let message = message.map(|m| Box::new(Outgoing::returned(task, *m)));
                SendError { source: MsgError::Code { code, message: None }, message }
            }
            source => SendError { source, message: None },
        }
    }
}

/// Rights as values.
pub(crate) fn adopt_body(task: &Task, body: Body<NamedRight>) -> Body<Right> {
    match body.try_map_rights(|right| Ok::<_, std::convert::Infallible>(Right::adopt(task, right))) {
        Ok(body) => body,
        Err(never) => match never {},
    }
}

/// Rights as names.
pub(crate) fn named_body(body: Body<Right>) -> Body<NamedRight> {
    match body.try_map_rights(|right| Ok::<_, std::convert::Infallible>(right.into_named())) {
        Ok(body) => body,
        Err(never) => match never {},
    }
}
