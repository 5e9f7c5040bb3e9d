//! The task without its types: what a C library is made of. A Rust program has no use for it.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use proto::codec;
use proto::wire::body::{NamedMessage, NamedRight};
use proto::wire::trap::{Msg, call};
use proto::{Payload, PortName};

use crate::beside::{Inbound, Outbound};
use crate::error::{RpcError, TrapError};
use crate::msg::{Receive, milliseconds, set_receive};
use crate::task::Task;
use crate::trap::Reply;

/// A message whose body nobody has looked into.
#[derive(Clone, Debug, Default)]
pub struct RawMessage {
    /// `msgh_remote_port`: name and disposition.
    pub remote: (u32, u32),
    /// `msgh_local_port`: name and disposition; (0, 0) for none.
    pub local: (u32, u32),
    /// `msgh_protected_payload`, which a receiver sees in place of the local port's name.
    pub payload: Option<u64>,
    /// `msgh_id`.
    pub id: i32,
    /// `msgh_seqno`, set on receipt.
    pub seqno: u32,
    /// Whether the body is typed and has rights or memory.
    pub complex: bool,
    /// The body: names in the slots of rights; the slots of addresses mean nothing.
    pub body: Bytes,
    /// What is out of line, one behind the other in the order of the descriptors: data, and names of 4 bytes.
    pub memory: Payload,
}

/// A raw `mach_msg`.
#[derive(Clone, Debug, Default)]
pub struct RawCall {
    /// What is sent, if anything.
    pub send: Option<RawMessage>,
    /// How long to wait for room in the queue; `None` for ever, zero not at all.
    pub send_timeout: Option<Duration>,
    /// What is received, if anything.
    pub receive: Option<Receive>,
    /// What receives has not even room for a header: every message is too large.
    pub no_room: bool,
    /// The port that the three below speak of.
    pub notify: u32,
    /// `MACH_SEND_NOTIFY`: a message that finds no room is taken, and `notify` is told when it is received.
    pub send_notify: bool,
    /// `MACH_SEND_CANCEL`: a dead-name request to `notify` ends with the destination's name.
    pub send_cancel: bool,
    /// `MACH_RCV_NOTIFY`: `notify` is told when the reply port dies.
    pub receive_notify: bool,
}

/// What the node answered.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// A `mach_msg_return_t`, with the bits that say what there was no room for.
    pub code: i32,
    /// With `RcvTooLarge`: bytes of the body.
    pub needed: u64,
    /// What was received; with a send's code, the message that came back.
    pub message: Option<RawMessage>,
}

/// The node could not be asked, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct RawError {
    /// Why.
    pub source: TrapError,
    /// Whether the node had the call: what was to be sent may have been.
    pub asked: bool,
}

impl Task {
    /// `mach_msg` with messages as they lie in a program's buffer. The node judges them.
    ///
    /// Errors: the node could not be asked, or ended before it answered.
    pub fn mach_msg_raw(&self, raw: RawCall) -> Result<RawAnswer, RawError> {
        let mut asked = false;
        self.call_raw(raw, &mut asked).map_err(|source| RawError { source, asked })
    }

    fn call_raw(&self, raw: RawCall, asked: &mut bool) -> Result<RawAnswer, TrapError> {
        let RawCall { send, send_timeout, receive, no_room, notify, send_notify, send_cancel, receive_notify } = raw;
        let mut call = Msg { notify, send_notify, send_cancel, receive_notify, ..Msg::default() };
        let mut beside = Outbound::default();
        if let Some(message) = send {
            let (record, outside) = encode(message);
            beside = Outbound::new(outside)?;
            call.send = true;
            call.message = Some(record);
            call.send_timeout_ms = send_timeout.map(milliseconds);
        }
        set_receive(&mut call, receive);
        if no_room {
            call.receive_limit = Some(-1);
        }
        let memory = self.0.memory.as_deref();
        let Reply { answer, fds, failed } = self
            .with_thread(|thread| thread.connection.call_noting(memory, call::Op::Msg(call), &beside.fds(), asked))?;
        if let Some((_, error)) = failed {
            return Err(TrapError::Order(error));
        }
        let message = answer.message.map(|record| decode(record, &Inbound::new(fds))).transpose()?;
        let message = message.map(|message| RawMessage { payload: answer.payload, ..message });
        Ok(RawAnswer { code: answer.result, needed: answer.needed, message })
    }

    /// `mach_reply_port`: a new receive right, which nobody gives up for the caller.
    ///
    /// Errors: what the node refuses (`NoSpace`, `ResourceShortage`).
    pub fn mach_reply_port(&self) -> Result<PortName, RpcError> {
        let failed = |source| RpcError::Msg { routine: "mach_reply_port", source };
        let made = self.new_reply_port().map_err(|e| failed(e.into()))?;
        made.map_err(|code| RpcError::Other { routine: "mach_reply_port", code })
    }

    /// Gives up one right as it came in a message, in one trap that nobody answers: also while a thread ends.
    pub fn release_right(&self, right: proto::NamedRight) {
        self.release(right);
    }

    /// Addresses where the node maps; `None` without memory. All others are Linux's alone.
    pub fn arena(&self) -> Option<Range<u64>> {
        let arena = &self.0.memory.as_ref()?.arena;
        Some(arena.start()..arena.start() + arena.size())
    }
}

/// The record, and what goes beside it.
fn encode(message: RawMessage) -> (NamedMessage, codec::Beside) {
    let RawMessage { remote, local, id, seqno, complex, body, memory, .. } = message;
    let right = |(name, disposition)| NamedRight { name, disposition };
    // A header without a port names none, whatever its bits.
    let local = (local != (0, 0)).then(|| right(local));
    let (contents, beside) = codec::encode_contents(body, memory, 0);
    let record = NamedMessage { remote: Some(right(remote)), local, id, seqno, complex, ..contents };
    (record, beside)
}

/// Errors: `Protocol` what the record speaks of is not there.
fn decode(record: NamedMessage, beside: &Inbound) -> Result<RawMessage, TrapError> {
    let missing = || TrapError::Protocol("a message without what it carries");
    let right = |right: Option<NamedRight>| right.map_or((0, 0), |r| (r.name, r.disposition));
    let body = match (record.body_length, record.fd.checked_sub(1)) {
        (0, _) => record.body.clone(),
        (length, fd) => {
            let length = usize::try_from(length).map_err(|_| missing())?;
            beside.fetch(fd.ok_or_else(missing)?, 0, length).ok_or_else(missing)?.to_bytes()
        }
    };
    let NamedMessage { remote, local, id, seqno, complex, .. } = record;
    let fetch = |fd, offset, length| beside.fetch(fd, offset, length);
    let memory = codec::decode_memory_received(record, fetch).ok_or_else(missing)?;
    Ok(RawMessage { remote: right(remote), local: right(local), id, seqno, complex, body, memory, payload: None })
}

#[cfg(test)]
mod tests {
    use proto::limits::{TRAP_BODY_BYTES_MAX, TRAP_INLINE_OOL_BYTES_MAX};
    use sys::Memfd;

    use super::*;

    fn message(body: usize, memory: usize) -> RawMessage {
        let bytes = |length: usize, seed: u8| Bytes::from((0..length).map(|i| i as u8 ^ seed).collect::<Vec<u8>>());
        let memory = bytes(memory, 0x55).into();
        RawMessage { remote: (7, 19), id: -5, complex: true, body: bytes(body, 3), memory, ..RawMessage::default() }
    }

    #[test]
    fn long_parts_lie_beside_the_record() {
        for (body, memory) in [(0, 0), (100, 100), (TRAP_BODY_BYTES_MAX + 8, 10), (8, 200_000), (100_000, 200_000)] {
            let (record, beside) = encode(message(body, memory));
            assert_eq!(!beside.is_empty(), body > TRAP_BODY_BYTES_MAX || memory > TRAP_INLINE_OOL_BYTES_MAX);
            let beside = Outbound::new(beside).unwrap();
            let fds = beside.fds().into_iter().map(|fd| fd.try_clone_to_owned().unwrap()).collect();
            let back = decode(record, &Inbound::new(fds)).unwrap();
            let sent = message(body, memory);
            assert_eq!((back.body, back.memory), (sent.body, sent.memory), "{body} {memory}");
            assert_eq!((back.remote, back.local, back.id, back.complex), ((7, 19), (0, 0), -5, true));
        }
    }

    #[test]
    fn a_record_without_its_descriptor_is_refused() {
        let (record, beside) = encode(message(8, 200_000));
        assert!(decode(record.clone(), &Inbound::new(Vec::new())).is_err());
        let short = Memfd::frozen("test", &[&beside.bytes[0][..100_000]]).unwrap();
        assert!(decode(record, &Inbound::new(vec![short.into()])).is_err());
    }
}
