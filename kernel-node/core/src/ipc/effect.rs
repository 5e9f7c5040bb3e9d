//! What calls are given and what they give back: options, outcomes, errors, effects.

use proto::{Message, MsgReturn, NamedRight, NoRoom, PortName};

use super::{KernelTag, PollerId, PortId, SpaceId};

/// A thread (or a task of the shell's runtime) that may wait. Chosen by the caller; waits for one thing at a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct WaiterId(pub u64);

/// What to do when a call cannot be carried out at once. The core has no clock: a deadline is `Block` and a
/// [`super::Ipc::cancel`] when it passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Fail with the time-out code.
    Poll,
    /// Wait; an effect that names the waiter tells the end.
    Block(WaiterId),
}

/// How to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendOptions {
    /// When the queue is full.
    pub wait: Wait,
    /// `MACH_SEND_ALWAYS`: the queue limit does not hold. For in-process servers only.
    pub always: bool,
    /// `MACH_SEND_NOTIFY`: when the queue is still full at the deadline the message goes into it all the same, the send
    /// ends with `SendWillNotify`, and this receive right of the sender is told when it is taken out.
    pub notify: Option<PortName>,
    /// `MACH_SEND_CANCEL`: if the destination's name is freed and has a dead-name request to this receive right of the
    /// sender, that request ends without a word.
    pub cancel: Option<PortName>,
}

/// How to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveOptions {
    /// When no message is there.
    pub wait: Wait,
    /// Inline bytes of a body that the receiver takes; `None` takes any, below 0 not even a header.
    pub limit: Option<i64>,
    /// `MACH_RCV_LARGE`: a message over the limit stays queued.
    pub large: bool,
    /// `MACH_RCV_NOTIFY`: a dead-name request to this receive right of the receiver is armed on the name that the reply
    /// right gets, if that is a new one.
    pub notify: Option<PortName>,
}

impl ReceiveOptions {
    /// Any message that is there now.
    pub const POLL: ReceiveOptions = ReceiveOptions { wait: Wait::Poll, limit: None, large: false, notify: None };
}

impl SendOptions {
    /// Send or fail at once.
    pub const POLL: SendOptions = SendOptions { wait: Wait::Poll, always: false, notify: None, cancel: None };
    /// Send whatever the queue limit says.
    pub const ALWAYS: SendOptions = SendOptions { always: true, ..SendOptions::POLL };
}

/// How a send ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendOutcome {
    /// The message is queued, or delivered, or was destroyed together with its port: all the same to the sender.
    Sent,
    /// The sender waits; [`Effect::Sent`] will name it.
    Blocked,
}

/// Why a send failed.
#[derive(PartialEq, Eq, Debug)]
pub struct SendError {
    /// The code for the caller.
    pub code: MsgReturn,
    /// What a message that comes back found no room for.
    pub no_room: NoRoom,
    /// What the caller has of its message: unchanged when nothing was taken (a bad header, a bound), pseudo-received
    /// when the queue stayed full, `None` when the body had a bad right and the message was destroyed, and when it is in
    /// the queue after all (`SendWillNotify`).
    pub message: Option<Message<NamedRight>>,
}

impl SendError {
    pub(super) fn new(code: MsgReturn, message: Option<Message<NamedRight>>) -> SendError {
        SendError { code, no_room: NoRoom::NOTHING, message }
    }
}

/// A message that has arrived.
#[derive(PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The message, its rights now names of the receiver's space.
    pub message: Message<NamedRight>,
    /// The protected payload of its port, which its task sees in place of the name in `message.local`.
    pub payload: Option<u64>,
}

/// How a receive ended.
#[derive(PartialEq, Eq, Debug)]
pub enum ReceiveOutcome {
    /// A message.
    Message(Delivery),
    /// The receiver waits; [`Effect::Received`] will name it.
    Blocked,
}

/// Why a receive failed.
#[derive(PartialEq, Eq, Debug)]
pub struct ReceiveError {
    /// The code for the caller.
    pub code: MsgReturn,
    /// What of the message found no room.
    pub no_room: NoRoom,
    /// Inline bytes of the message that was too large; else 0.
    pub needed: usize,
    /// The header of a message that was destroyed (`RcvTooLarge`, `RcvHeaderError`, `RcvInvalidNotify`), or the whole
    /// message with null names where rights found no place (`RcvBodyError`).
    pub message: Option<Delivery>,
}

impl ReceiveError {
    pub(super) fn new(code: MsgReturn) -> ReceiveError {
        ReceiveError { code, no_room: NoRoom::NOTHING, needed: 0, message: None }
    }
}

/// Why a wait is cut short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Its deadline passed.
    Deadline,
    /// `thread_abort`, a signal, or the end of the thread.
    Interrupt,
}

/// How a wait that was cut short ended.
#[derive(PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// It was blocked in send; `SendTimedOut` or `SendInterrupted` with its message pseudo-received, or at a deadline
    /// what [`SendOptions::notify`] says.
    Send(SendError),
    /// It was waiting for a message; none is lost.
    Receive(MsgReturn),
}

/// Something for the outside to do.
#[derive(PartialEq, Eq, Debug)]
pub enum Effect {
    /// Messages wait for an in-process server. Not repeated until a poll of that space has found nothing.
    Readable(SpaceId),
    /// Whether messages wait where a poller was set has changed.
    Level {
        /// Whose.
        poller: PollerId,
        /// Whether one waits.
        ready: bool,
    },
    /// What a poller was set on can no longer be received from as it was: the poller is gone, and counts as ready.
    PollerEnded(PollerId),
    /// A waiting receive ended.
    Received {
        /// Who waited.
        waiter: WaiterId,
        /// The message, or why there is none.
        result: Result<Delivery, ReceiveError>,
    },
    /// A blocked send ended.
    Sent {
        /// Who waited.
        waiter: WaiterId,
        /// `Ok` also when the port died meanwhile; `SendInterrupted` when the sender's own space died.
        result: Result<(), MsgReturn>,
    },
    /// A port that the kernel watches died.
    PortDied {
        /// The port that was.
        port: PortId,
        /// What the watch was set with.
        tag: KernelTag,
    },
}
