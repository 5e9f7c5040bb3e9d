//! `mach_msg`, and the remote procedure call made of it.

use std::time::Duration;

use proto::wire::trap::{Msg, call};
use proto::{
    KernReturn, Message, MigError, MsgReturn, NamedRight, NoRoom, PortName, RightType, Routine, SimpleRoutine, TraceId,
    codec, iface,
    msg::{Reply as _, code_of},
};

use crate::beside::Inbound;
use crate::cancel;
use crate::error::{MsgError, RpcError, TrapError};
use crate::exchange::{Ended, Exchange};
use crate::message::{Incoming, Right, named_body};
use crate::right::Destination;
use crate::task::Task;
use crate::trap::Reply;

/// The sending half of a `mach_msg`.
#[derive(Clone, Debug)]
pub struct Send {
    /// What; its rights are taken as their dispositions say.
    pub message: Message<NamedRight>,
    /// How long to wait for room in the queue; `None` for ever, zero not at all.
    pub timeout: Option<Duration>,
}

/// The receiving half of a `mach_msg`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receive {
    /// A receive right or a port set.
    pub from: PortName,
    /// How long to wait for a message; `None` for ever, zero not at all.
    pub timeout: Option<Duration>,
    /// Bytes of body to take at most; `None` takes any.
    pub limit: Option<u64>,
    /// `MACH_RCV_LARGE`: a message that is too large stays queued.
    pub large: bool,
}

impl Receive {
    /// Any message of a port or set, whenever it comes.
    pub fn from(from: PortName) -> Receive {
        Receive { from, timeout: None, limit: None, large: false }
    }
}

impl Task {
    /// Sends, receives, or does both in one call to the node; answers the message received.
    ///
    /// A [`crate::Canceller`] ends the wait.
    ///
    /// Errors: [`MsgError::Code`] with a send code, nothing was received; with a receive code, the message was sent.
    /// Source: Mach 3 manual page mach_msg(2).
    pub fn mach_msg(
        &self,
        send: Option<Send>,
        receive: Option<Receive>,
    ) -> Result<Option<Message<NamedRight>>, MsgError> {
        let under_way = match cancel::begin(self, || self.next_call()) {
            Ok(under_way) => under_way,
            Err(cancel::Cancelled) => return Err(interrupted(send)),
        };
        if let Some(Send { message, .. }) = &send
            && let Err(code) = codec::check(message)
        {
            return Err(MsgError::Code { code, message: send.map(|send| Box::new(send.message)) });
        }
        let memory = self.0.memory.as_deref();
        let by_lanes = under_way.is_none();
        let ended = self.with_thread(|thread| {
            Exchange { connection: &mut thread.connection, memory, by_lanes }.run(send, receive)
        })?;
        drop(under_way);
        match ended {
            Ended::Here(message) => Ok(message),
            Ended::ByNode(reply) => self.outcome(*reply),
        }
    }

    /// Sends a message, waiting while the queue is full.
    pub fn send(&self, message: Message<NamedRight>) -> Result<(), MsgError> {
        self.mach_msg(Some(Send { message, timeout: None }), None).map(drop)
    }

    /// Receives a message from a receive right or a port set; waits for it at most `timeout`, `None` for ever.
    pub fn receive(&self, from: PortName, timeout: Option<Duration>) -> Result<Message<NamedRight>, MsgError> {
        let receive = Receive { timeout, ..Receive::from(from) };
        self.mach_msg(None, Some(receive))?.ok_or_else(|| TrapError::Protocol("no message and no code").into())
    }

    /// Sends the request of a routine that has no reply.
    pub fn send_simple<Q: SimpleRoutine<NamedRight>>(&self, to: &impl Destination, request: Q) -> Result<(), MsgError> {
        self.send(request_message(to.destination(), NamedRight::NULL, request))
    }

    /// Sends the request of a routine and waits for its results, for ever.
    ///
    /// Errors: see [`RpcError`]. A server that dies answers `ServerDied`.
    pub fn rpc<Q: Routine<NamedRight>>(&self, to: &impl Destination, request: Q) -> Result<Q::Reply, RpcError> {
        self.rpc_within(to, request, None)
    }

    /// As [`Task::rpc`], waiting at most `timeout` for the results (`RcvTimedOut`). The request may have been carried out.
    pub fn rpc_within<Q: Routine<NamedRight>>(
        &self,
        to: &impl Destination,
        request: Q,
        timeout: Option<Duration>,
    ) -> Result<Q::Reply, RpcError> {
        let request = request_message(to.destination(), NamedRight::NULL, request);
        let reply = self.exchange(Q::NAME, request, timeout)?;
        self.results::<Q>(reply).inspect_err(|error| self.after_bad_reply(error))
    }

    /// As [`Task::rpc_within`], with rights as values.
    pub(crate) fn invoke<Q: Routine<Right>>(
        &self,
        to: NamedRight,
        request: Q,
        timeout: Option<Duration>,
    ) -> Result<Q::Reply, RpcError> {
        let reply = self.exchange(Q::NAME, named_request(to, request), timeout)?;
        self.adopt_results::<Q>(reply).inspect_err(|error| self.after_bad_reply(error))
    }

    /// Sends a request, with the thread's port for its reply, and waits for that.
    fn exchange(
        &self,
        routine: &'static str,
        request: Message<NamedRight>,
        timeout: Option<Duration>,
    ) -> Result<Message<NamedRight>, RpcError> {
        let failed = |source| RpcError::Msg { routine, source };
        let reply_port = match self.reply_port().map_err(|e| failed(e.into())) {
            Ok(Ok(port)) => port,
            Ok(Err(code)) => {
                self.release_request(request);
                return Err(RpcError::Other { routine: "mach_reply_port", code });
            }
            Err(error) => return Err(error),
        };
        let message = Message { local: NamedRight::make_send_once(reply_port), ..request };
        let receive = Receive { timeout, ..Receive::from(reply_port) };
        match self.mach_msg(Some(Send { message, timeout: None }), Some(receive)) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(failed(TrapError::Protocol("no message and no code").into())),
            Err(error) => {
                self.after_failed_rpc(&error);
                Err(failed(error))
            }
        }
    }

    /// Gives up every right of a message that nobody wants.
    pub fn release_rights(&self, message: Message<NamedRight>) {
        // `local` names the port that the message came to; nothing was given with it.
        for right in message.body.into_rights().into_iter().chain([message.remote]) {
            self.release(right);
        }
    }

    /// Gives up one right as it came in a message.
    pub(crate) fn release(&self, right: NamedRight) {
        if !right.name.is_valid() {
            return;
        }
        match right.disposition {
            proto::Disposition::MoveReceive => self.give_up_receive(right.name),
            _ => self.post(iface::mach_port::Deallocate { name: right.name.0 }),
        }
    }

    /// Gives a receive right up.
    pub(crate) fn give_up_receive(&self, name: PortName) {
        let _ = self.trap(give_up_receive(self, name), &[]);
    }

    /// Asks the own task port for something whose outcome changes nothing here.
    pub(crate) fn post<Q: SimpleRoutine<NamedRight>>(&self, request: Q) {
        let _ = self.trap(own(self, request), &[]);
    }

    fn outcome(&self, reply: Reply) -> Result<Option<Message<NamedRight>>, MsgError> {
        let Reply { answer, fds, failed } = reply;
        let protocol = |what| MsgError::Trap(TrapError::Protocol(what));
        let message = match answer.message {
            Some(wire) => {
                let beside = Inbound::new(fds);
                let message = codec::decode(wire, |fd, offset, length| beside.fetch(fd, offset, length));
                Some(message.map_err(|_| protocol("a message that is none"))?)
            }
            None => None,
        };
        if let Some((_, error)) = failed {
            if let Some(message) = message {
                self.release_rights(message);
            }
            return Err(TrapError::Order(error).into());
        }
        match NoRoom::parse(answer.result).map(|(code, _)| code) {
            Some(MsgReturn::Success) => Ok(message),
            Some(MsgReturn::RcvTooLarge) => Err(MsgError::TooLarge { needed: answer.needed }),
            Some(code) => Err(MsgError::Code { code, message: message.map(Box::new) }),
            None => Err(protocol("a code that mach_msg has not")),
        }
    }

    pub(crate) fn results<Q: Routine<NamedRight>>(&self, reply: Message<NamedRight>) -> Result<Q::Reply, RpcError> {
        let mut reply = self.succeeded(Q::NAME, Q::REPLY_ID, reply)?;
        Q::Reply::from_body(std::mem::take(&mut reply.body)).map_err(|bad| {
            reply.body = bad.body;
            self.release_rights(reply);
            RpcError::Mig { routine: Q::NAME, code: bad.error }
        })
    }

    /// As [`Task::results`], with rights as values.
    pub(crate) fn adopt_results<Q: Routine<Right>>(&self, reply: Message<NamedRight>) -> Result<Q::Reply, RpcError> {
        let reply = Incoming::adopt(self, self.succeeded(Q::NAME, Q::REPLY_ID, reply)?);
        Q::Reply::from_body(reply.body).map_err(|bad| RpcError::Mig { routine: Q::NAME, code: bad.error })
    }

    /// A reply that says success; any other is given up.
    fn succeeded(
        &self,
        routine: &'static str,
        reply_id: i32,
        reply: Message<NamedRight>,
    ) -> Result<Message<NamedRight>, RpcError> {
        let error = match (reply.id == reply_id, code_of(&reply.body)) {
            (false, _) => {
                let died = reply.id == <iface::notify::SendOnce as SimpleRoutine<NamedRight>>::ID;
                RpcError::Mig { routine, code: if died { MigError::ServerDied } else { MigError::ReplyMismatch } }
            }
            (true, Some(0)) => return Ok(reply),
            (true, None) => RpcError::Mig { routine, code: MigError::TypeError },
            (true, Some(code)) => match (KernReturn::from_raw(code), MigError::from_raw(code)) {
                (Some(code), _) => RpcError::Kern { routine, code },
                (None, Some(code)) => RpcError::Mig { routine, code },
                (None, None) => RpcError::Other { routine, code },
            },
        };
        self.release_rights(reply);
        Err(error)
    }

    /// The port for replies goes, too: also a request that was refused may have used up the right to reply, and what
    /// then says so stands in the queue where the next call looks for its answer.
    fn after_failed_rpc(&self, error: &MsgError) {
        match error {
            // Nothing was sent: what the request carried is the caller's again, and it has no use for it here.
            MsgError::Code { code, message: Some(message) } if is_send(*code) => self.release_unsent(message.as_ref()),
            // It was, so an answer may still come: to a port that nobody takes for the next call's.
            MsgError::Code { message, .. } => {
                if let Some(message) = message.clone() {
                    self.release_rights(*message);
                }
            }
            MsgError::TooLarge { .. } => {}
            // A connection that failed takes its port along.
            MsgError::NoWatch { .. } | MsgError::Trap(_) => return,
        }
        self.drop_reply_port();
    }

    /// What was no answer to the request may stand before one.
    fn after_bad_reply(&self, error: &RpcError) {
        if is_bad_reply(error) {
            self.drop_reply_port();
        }
    }

    /// Gives up a request that came back. One that had been taken came back with rights of its header, too.
    fn release_unsent(&self, message: &Message<NamedRight>) {
        let Message { remote, local, .. } = *message;
        self.release_request(message.clone());
        if local.disposition == proto::Disposition::MoveSendOnce {
            [remote, local].into_iter().for_each(|right| self.release(right));
        }
    }

    fn drop_reply_port(&self) {
        if let Some(port) = self.take_reply_port() {
            self.give_up_receive(port);
        }
    }

    /// Of the body of a request that came back, only what was to be *moved* is given up; the rest was never taken.
    pub(crate) fn release_request(&self, message: Message<NamedRight>) {
        use proto::Disposition::{MoveReceive, MoveSend, MoveSendOnce};
        let moved = |r: &NamedRight| matches!(r.disposition, MoveReceive | MoveSend | MoveSendOnce);
        message.body.into_rights().into_iter().filter(moved).for_each(|right| self.release(right));
    }
}

/// The call that gives a receive right up: not `mach_port_destroy`, which would take send rights of the name along.
pub(crate) fn give_up_receive(task: &Task, name: PortName) -> call::Op {
    own(task, iface::mach_port::ModRefs { name: name.0, right: RightType::Receive as u32, delta: -1 })
}

/// A request to the own task port that nobody waits for.
fn own<Q: SimpleRoutine<NamedRight>>(task: &Task, request: Q) -> call::Op {
    let message = request_message(NamedRight::copy_send(task.task_self()), NamedRight::NULL, request);
    let (wire, _) = codec::encode(message, 0);
    call::Op::Msg(Msg { send: true, message: Some(wire), send_timeout_ms: Some(0), ..Msg::default() })
}

pub(crate) fn request_message<Q: SimpleRoutine<NamedRight>>(
    remote: NamedRight,
    local: NamedRight,
    request: Q,
) -> Message<NamedRight> {
    Message { remote, local, id: Q::ID, seqno: 0, trace: TraceId(0), body: request.into_body() }
}

/// A request with its rights as names.
pub(crate) fn named_request<Q: Routine<Right>>(to: NamedRight, request: Q) -> Message<NamedRight> {
    let body = named_body(request.into_body());
    Message { remote: to, local: NamedRight::NULL, id: Q::ID, seqno: 0, trace: TraceId(0), body }
}

/// Whether what came to the port for a reply was none to the request, so that the port is not to be used again.
pub(crate) fn is_bad_reply(error: &RpcError) -> bool {
    let bad = [MigError::TypeError, MigError::ReplyMismatch, MigError::ServerDied];
    matches!(error, RpcError::Mig { code, .. } if bad.contains(code))
}

/// Whether a code is one of the sending half's.
pub(crate) fn is_send(code: MsgReturn) -> bool {
    (code.raw() as u32) < MsgReturn::RcvInvalidName.raw() as u32
}

/// How a call that was cancelled before it began ends: nothing was sent, no message was taken.
fn interrupted(send: Option<Send>) -> MsgError {
    match send {
        Some(Send { message, .. }) => {
            MsgError::Code { code: MsgReturn::SendInterrupted, message: Some(Box::new(message)) }
        }
        None => MsgError::Code { code: MsgReturn::RcvInterrupted, message: None },
    }
}

/// Writes the receiving half into a call.
pub(crate) fn set_receive(call: &mut Msg, receive: Option<Receive>) {
    let Some(Receive { from, timeout, limit, large }) = receive else { return };
    call.receive = true;
    call.receive_name = from.0;
    call.receive_timeout_ms = timeout.map(milliseconds);
    call.receive_limit = limit.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    call.receive_large = large;
}

/// Rounded up, so that a short wait is not taken for none.
pub(crate) fn milliseconds(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_wait_is_not_none() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_micros(1001)), 2);
        assert_eq!(milliseconds(Duration::MAX), u64::MAX);
    }
}
