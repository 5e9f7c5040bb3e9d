//! What calls are given and what they give back: options, outcomes, errors, effects.

use proto::{Message, MsgReturn, NamedRight};

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
}

/// How to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveOptions {
    /// When no message is there.
    pub wait: Wait,
    /// Inline bytes of a body that the receiver takes; `None` takes any.
    pub limit: Option<usize>,
    /// `MACH_RCV_LARGE`: a message over the limit stays queued.
    pub large: bool,
}

impl ReceiveOptions {
    /// Any message that is there now.
    pub const POLL: ReceiveOptions = ReceiveOptions { wait: Wait::Poll, limit: None, large: false };
}

impl SendOptions {
    /// Send or fail at once.
    pub const POLL: SendOptions = SendOptions { wait: Wait::Poll, always: false };
    /// Send whatever the queue limit says.
    pub const ALWAYS: SendOptions = SendOptions { wait: Wait::Poll, always: true };
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
    /// What the caller has of its message: unchanged when nothing was taken (a bad header, a bound), pseudo-received
    /// when the queue stayed full, `None` when the body had a bad right and the message was destroyed.
    pub message: Option<Message<NamedRight>>,
}

/// How a receive ended.
#[derive(PartialEq, Eq, Debug)]
pub enum ReceiveOutcome {
    /// A message, its rights now names of the receiver's space.
    Message(Message<NamedRight>),
    /// The receiver waits; [`Effect::Received`] will name it.
    Blocked,
}

/// Why a receive failed.
#[derive(PartialEq, Eq, Debug)]
pub struct ReceiveError {
    /// The code for the caller.
    pub code: MsgReturn,
    /// Inline bytes of the message that was too large; else 0.
    pub needed: usize,
    /// The header of a message that was destroyed (`RcvTooLarge`, `RcvHeaderError`), or the whole message with null
    /// names where rights found no place (`RcvBodyError`).
    pub message: Option<Message<NamedRight>>,
}

impl ReceiveError {
    pub(super) fn new(code: MsgReturn) -> ReceiveError {
        ReceiveError { code, needed: 0, message: None }
    }
}

/// What a cancelled waiter was doing.
#[derive(PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// It was blocked in send; its message, pseudo-received.
    Send(Message<NamedRight>),
    /// It was waiting for a message; none is lost.
    Receive,
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
        result: Result<Message<NamedRight>, ReceiveError>,
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
