//! `mach_msg`: a message from the program's buffer to the node, and one from the node into it.
//!
//! 1. The node judges a message: rights, types, bounds, in Mach's order. What is read of its types here serves only to
//!    find out-of-line memory; memory that cannot be read is left out, and the node answers `SEND_INVALID_MEMORY` when it
//!    comes to it, after everything that stands before it.
//! 2. The buffer is written only with what was received, and after a send that failed only if the node gave the message
//!    back. Then rights and memory stand in it under the names and at the addresses that they have now.
//! 3. Out-of-line memory to deallocate goes once the node has taken its contents, with every page that it lies in: after
//!    success, when the message came back from a queue that had no room, with its memory at another address, and before
//!    an item whose memory cannot be read. An item that lies in such a page, behind the one that gave it away, is one.
//!
//! Source: spec [ipc.typed.1] to [ipc.typed.5]; Mach 3 manual page mach_msg(2).

use std::time::Duration;

use mach::{RawAnswer, RawCall, RawMessage, Receive, Task};
use proto::limits::{MSG_INLINE_BYTES_MAX, MSG_OOL_BYTES_MAX};
use proto::typed::{Descriptor, Located, Scan};
use proto::{Disposition, MsgReturn, PAGE_SIZE, Payload, PortName};

use crate::abi::{BITS_COMPLEX, BITS_UNUSED, HEADER_BYTES, Header, MSG_MASK, TYPE_PROTECTED_PAYLOAD, option};
use crate::attach;
use crate::face::guarded;
use crate::memory;

/// `msgh_size` and everything else of a message begins at a multiple of this.
const ALIGN: usize = 8;
/// Bytes that are copied into one message; what it is in excess of the bound the node is to say.
const HELD_MAX: u64 = 2 * MSG_OOL_BYTES_MAX as u64;
/// What `mach_msg` answers when memory for out-of-line data is not to be had: `RCV_BODY_ERROR`, `VM_SPACE`.
const BODY_ERROR_VM: i32 = MsgReturn::RcvBodyError.raw() | 0x1000;

/// Sends, receives, or does both, and begins again when it was interrupted.
///
/// # Safety
///
/// `message` is a buffer of the program's to which no Rust code refers; it need not be accessible. Nothing refers to
/// out-of-line memory that the message gives away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_msg(
    message: *mut Header,
    options: i32,
    send_size: u32,
    receive_size: u32,
    from: u32,
    timeout: u32,
    notify: u32,
) -> i32 {
    let (interrupted_send, interrupted_receive) = (MsgReturn::SendInterrupted.raw(), MsgReturn::RcvInterrupted.raw());
    let mut plain = options & !(option::SEND_INTERRUPT | option::RCV_INTERRUPT);
    let mut size = send_size;
    loop {
        // SAFETY: the caller's promise.
        let code = unsafe { mach_msg_trap(message, plain, size, receive_size, from, timeout, notify) };
        if code == interrupted_send && options & option::SEND_INTERRUPT == 0 {
            continue;
        }
        if code == interrupted_receive && options & option::RCV_INTERRUPT == 0 {
            // What was to be sent is sent.
            plain &= !option::SEND_MSG;
            size = 0;
            continue;
        }
        return code;
    }
}

/// Sends, receives, or does both.
///
/// # Safety
///
/// As [`mach_msg`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_msg_trap(
    message: *mut Header,
    options: i32,
    send_size: u32,
    receive_size: u32,
    from: u32,
    timeout: u32,
    notify: u32,
) -> i32 {
    guarded(MsgReturn::SendNoBuffer.raw(), || {
        let asks = |what| options & what != 0;
        // Without a node there is no port: what a receive says that began, or that nothing was to be sent before.
        let without_node = |asked| match asks(option::RCV_MSG) && (asked || !asks(option::SEND_MSG)) {
            true => MsgReturn::RcvPortDied.raw(),
            false => MsgReturn::SendInvalidDest.raw(),
        };
        let Some(task) = attach::task() else { return without_node(false) };
        let limit = |with| asks(with).then(|| Duration::from_millis(timeout.into()));
        let sends = asks(option::SEND_MSG).then(|| Outgoing::read(task, message as u64, send_size as usize));
        let outgoing = match sends.transpose() {
            Ok(outgoing) => outgoing,
            Err(code) => return code.raw(),
        };
        let receive = asks(option::RCV_MSG).then(|| Receive {
            from: PortName(from),
            timeout: limit(option::RCV_TIMEOUT),
            limit: Some(u64::from(receive_size).saturating_sub(HEADER_BYTES as u64)),
            large: asks(option::RCV_LARGE),
        });
        let given_away = outgoing.as_ref().map(|o| o.given_away.clone());
        let call = RawCall {
            send: outgoing.map(Outgoing::into_raw),
            send_timeout: limit(option::SEND_TIMEOUT),
            receive,
            no_room: (receive_size as usize) < HEADER_BYTES,
            notify,
            send_notify: asks(option::SEND_NOTIFY),
            send_cancel: asks(option::SEND_CANCEL),
            receive_notify: asks(option::RCV_NOTIFY),
        };
        if call.send.is_none() && call.receive.is_none() {
            return MsgReturn::Success.raw();
        }
        let mut answer = match task.mach_msg_raw(call) {
            Ok(answer) => answer,
            Err(error) => {
                attach::say_once(&error.source);
                // It was not even asked.
                let short = !error.asked && asks(option::SEND_MSG) && error.source.is_shortage();
                return if short { MsgReturn::SendNoBuffer.raw() } else { without_node(error.asked) };
            }
        };
        let fate = Fate::of(answer.code, asks(option::SEND_CANCEL));
        // Where the node missed memory, it had taken all that stands before it.
        if fate != Fate::Refused || answer.code == MsgReturn::SendInvalidMemory.raw() {
            for (address, bytes) in given_away.unwrap_or_default() {
                // SAFETY: the caller's promise.
                let _ = unsafe { memory::deallocate(task, address, bytes) };
            }
        }
        if fate == Fate::Refused {
            // As it stands in the buffer, it is the sender's still.
            answer.message = None;
        }
        // SAFETY: the caller's promise.
        unsafe { deliver(task, message, answer, from, receive_size) }
    })
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It is on its way, or at its end.
    Sent,
    /// It was taken and came back: rights and memory under other names and at other addresses.
    CameBack,
    /// It was not taken.
    Refused,
}

impl Fate {
    /// By the code of the call; `cancels` with `SEND_CANCEL`, whose port is judged before anything is taken.
    fn of(code: i32, cancels: bool) -> Fate {
        use MsgReturn::*;
        match MsgReturn::from_raw(code & !MSG_MASK) {
            Some(Success | SendWillNotify) => Fate::Sent,
            Some(SendTimedOut | SendInterrupted | SendNotifyInProgress) => Fate::CameBack,
            Some(SendInvalidNotify) if !cancels => Fate::CameBack,
            Some(code) if code.raw() & 0x4000 != 0 => Fate::Sent,
            _ => Fate::Refused,
        }
    }
}

/// What a program's buffer holds.
struct Outgoing {
    header: Header,
    body: Vec<u8>,
    memory: Payload,
    /// Out-of-line memory that goes with the message: address and bytes.
    given_away: Vec<(u64, u64)>,
}

impl Outgoing {
    /// Errors: `SendMsgTooSmall` no header, or a size that is no multiple of 8; `SendInvalidData` it cannot be read;
    /// `SendInvalidHeader` bits that are none.
    fn read(task: &Task, address: u64, size: usize) -> Result<Outgoing, MsgReturn> {
        if size < HEADER_BYTES || !size.is_multiple_of(ALIGN) {
            return Err(MsgReturn::SendMsgTooSmall);
        }
        if size - HEADER_BYTES > MSG_INLINE_BYTES_MAX {
            return Err(MsgReturn::SendNoBuffer);
        }
        let mut bytes = memory::read(address, size).ok_or(MsgReturn::SendInvalidData)?;
        let body = bytes.split_off(HEADER_BYTES);
        let header = Header::from_bytes(bytes.first_chunk().ok_or(MsgReturn::SendMsgTooSmall)?);
        check_header(&header)?;
        let mut outgoing = Outgoing { header, body, memory: Payload::default(), given_away: Vec::new() };
        if header.is_complex() {
            outgoing.gather(task);
        }
        Ok(outgoing)
    }

    /// Reads out-of-line memory, up to the first that cannot be read, or went with an item before: the node will not look
    /// beyond it.
    fn gather(&mut self, task: &Task) {
        let mut held = 0;
        for Located { descriptor, data, .. } in Scan::new(&self.body).map_while(Result::ok) {
            let bytes = descriptor.data_bytes();
            if descriptor.inline || bytes == 0 {
                continue;
            }
            let address = self.body[data..].first_chunk().map_or(0, |slot| u64::from_ne_bytes(*slot));
            if self.given_away.iter().any(|gone| memory::share_a_page(*gone, (address, bytes))) {
                break;
            }
            let Some(contents) = memory::copy(task, address, bytes, HELD_MAX - held) else { break };
            held += contents.held_bytes() as u64;
            self.memory.append(contents);
            if descriptor.deallocate {
                self.given_away.push((address, bytes));
            }
        }
    }

    fn into_raw(self) -> RawMessage {
        let Outgoing { header, body, memory, .. } = self;
        RawMessage {
            remote: (header.remote, header.remote_type()),
            local: (header.local, header.local_type()),
            id: header.id,
            seqno: 0,
            complex: header.is_complex(),
            body: body.into(),
            memory,
            payload: None,
        }
    }
}

/// Errors: `SendInvalidHeader` bits that are none; a destination or a reply port that is no right to send.
fn check_header(header: &Header) -> Result<(), MsgReturn> {
    let sends = |kind| (Disposition::MoveSend as u32..=Disposition::MakeSendOnce as u32).contains(&kind);
    let reply = match header.local_type() {
        0 => header.local == 0,
        kind => sends(kind),
    };
    let valid = header.bits & BITS_UNUSED == 0 && sends(header.remote_type()) && reply;
    valid.then_some(()).ok_or(MsgReturn::SendInvalidHeader)
}

/// Puts what the node answered into the program's buffer; answers the code of `mach_msg`.
///
/// # Safety
///
/// As [`mach_msg`].
unsafe fn deliver(task: &Task, to: *mut Header, answer: RawAnswer, from: u32, receive_size: u32) -> i32 {
    let RawAnswer { code, needed, message } = answer;
    if code & !MSG_MASK == MsgReturn::RcvTooLarge.raw() {
        let header = header_of(&message.unwrap_or(RawMessage { local: (from, 0), ..RawMessage::default() }), 0);
        let header = Header { size: (HEADER_BYTES as u64 + needed) as u32, ..header };
        // SAFETY: the caller's promise.
        let done = (receive_size as usize) < HEADER_BYTES || unsafe { memory::write(to as u64, &header.to_bytes()) };
        return written(code, done);
    }
    let Some(message) = message else { return code };
    let mut body = message.body.to_vec();
    let mut code = code;
    if message.complex && !place_memory(Some(task), &mut body, &message) && code == MsgReturn::Success.raw() {
        code = BODY_ERROR_VM;
    }
    let header = header_of(&message, body.len());
    let whole = [&header.to_bytes()[..], &body].concat();
    // SAFETY: the caller's promise.
    written(code, unsafe { memory::write(to as u64, &whole) })
}

fn written(code: i32, done: bool) -> i32 {
    if done { code } else { MsgReturn::RcvInvalidData.raw() }
}

fn header_of(message: &RawMessage, body_bytes: usize) -> Header {
    let ((remote, remote_type), (local, local_type)) = (message.remote, message.local);
    // Where there is no port there is no right of any kind.
    let kind = |name, kind| if name == 0 { 0 } else { kind };
    let complex = if message.complex { BITS_COMPLEX } else { 0 };
    let (local, local_above, local_type) = match message.payload {
        Some(payload) => (payload as u32, (payload >> 32) as u32, TYPE_PROTECTED_PAYLOAD),
        None => (local, 0, kind(local, local_type)),
    };
    Header {
        bits: kind(remote, remote_type) | local_type << 8 | complex,
        size: (HEADER_BYTES + body_bytes) as u32,
        remote,
        local,
        local_above,
        seqno: message.seqno,
        id: message.id,
        ..Header::default()
    }
}

/// Gives out-of-line contents memory of their own and writes its address into each slot. What finds none is there with no
/// elements at address 0.
fn place_memory(task: Option<&Task>, body: &mut [u8], message: &RawMessage) -> bool {
    let (mut complete, mut taken) = (true, 0);
    for Located { descriptor, at, data } in Scan::new(&message.body).map_while(Result::ok) {
        if descriptor.inline {
            continue;
        }
        let bytes = descriptor.data_bytes() as usize;
        let in_page = u64::from_ne_bytes(*message.body[data..].first_chunk().unwrap_or(&[0; ALIGN])) % PAGE_SIZE;
        let placed = place(task, message, taken, bytes, if is_data(descriptor) { in_page } else { 0 });
        taken += bytes;
        complete &= placed.is_some();
        let number = if placed.is_some() { descriptor.number } else { 0 };
        // The memory is the receiver's to give away again.
        let descriptor = Descriptor { number, deallocate: true, ..descriptor };
        body[at..data].copy_from_slice(&descriptor.to_bytes());
        body[data..data + ALIGN].copy_from_slice(&placed.unwrap_or(0).to_ne_bytes());
    }
    complete
}

/// What is not rights.
fn is_data(descriptor: Descriptor) -> bool {
    descriptor.disposition().is_none()
}

fn place(task: Option<&Task>, message: &RawMessage, from: usize, bytes: usize, in_page: u64) -> Option<u64> {
    if bytes == 0 {
        return Some(0);
    }
    let contents = message.memory.slice(from, bytes);
    match task.filter(|_| in_page == 0) {
        Some(task) => memory::place(task, &contents),
        None => memory::place_within(&contents, in_page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_says_what_became_of_a_message() {
        let fate = |code: MsgReturn| Fate::of(code.raw(), false);
        assert_eq!((fate(MsgReturn::Success), fate(MsgReturn::RcvTimedOut)), (Fate::Sent, Fate::Sent));
        assert_eq!((fate(MsgReturn::SendWillNotify), fate(MsgReturn::RcvTooLarge)), (Fate::Sent, Fate::Sent));
        assert_eq!(Fate::of(MsgReturn::SendTimedOut.raw() | 0x2000, false), Fate::CameBack);
        assert_eq!(
            (fate(MsgReturn::SendInvalidDest), fate(MsgReturn::SendInvalidRight)),
            (Fate::Refused, Fate::Refused)
        );
        let notify = MsgReturn::SendInvalidNotify.raw();
        assert_eq!((Fate::of(notify, false), Fate::of(notify, true)), (Fate::CameBack, Fate::Refused));
    }

    #[test]
    fn a_header_is_judged_by_its_bits() {
        let judged = |bits, local| check_header(&Header { bits, local, ..Header::default() }).is_ok();
        assert!(judged(0x1513, 5) && judged(0x13, 0) && judged(BITS_COMPLEX | 0x1211, 5));
        assert!(!judged(0x10, 0) && !judged(0, 0) && !judged(0x16, 0) && !judged(0x13, 5) && !judged(0x1013, 5));
        assert!(!judged(0x0001_0013, 0));
    }

    #[test]
    fn memory_gets_addresses_and_its_giver_away_bit() {
        let right = Descriptor::rights(Disposition::MoveSend, false, 2);
        let data = Descriptor::out_of_line(proto::typed::Element::BYTE, 5);
        let none = Descriptor::out_of_line(proto::typed::Element::BYTE, 0);
        let mut body = Vec::new();
        for (descriptor, in_page) in [(data, 0xfec_u64), (right, 0), (none, 0)] {
            body.extend(descriptor.to_bytes());
            body.extend(in_page.to_ne_bytes());
        }
        let memory = Payload::from([b"hello".as_slice(), &[1, 0, 0, 0, 2, 0, 0, 0]].concat());
        let message = RawMessage { complex: true, body: body.clone().into(), memory, ..RawMessage::default() };
        sys::guarded::install().unwrap();
        assert!(place_memory(None, &mut body, &message));
        let items: Vec<Located> = Scan::new(&body).map(Result::unwrap).collect();
        let address = |item: &Located| u64::from_ne_bytes(*body[item.data..].first_chunk().unwrap());
        assert!(items.iter().all(|item| item.descriptor.deallocate));
        assert_eq!(memory::read(address(&items[0]), 5).unwrap(), b"hello");
        assert_eq!(address(&items[0]) % PAGE_SIZE, 0xfec);
        assert_eq!(memory::read(address(&items[1]), 8).unwrap(), [1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(address(&items[2]), 0);
    }
}
