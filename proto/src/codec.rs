//! Messages on a task's channel: [`Message`] with rights as names, to the record `wire.body.NamedMessage` and back.
//!
//! 1. A body and out-of-line contents that are small travel in the record. Those that are not lie beside it: the body and
//!    what the sender held itself in one descriptor, the body first; what lies in frozen memory in a descriptor of that.
//! 2. What comes from a task is checked against every bound of [`crate::limits`] before memory is taken for it.
//! 3. Decoding takes no copy of a body that is not complex, nor of out-of-line data: they are slices of the record.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::body::{Body, Source};
use crate::limits::{
    MSG_FROZEN_BYTES_MAX, MSG_INLINE_BYTES_MAX, MSG_ITEMS_MAX, MSG_OOL_BYTES_MAX, MSG_RIGHTS_MAX, TRAP_BODY_BYTES_MAX,
    TRAP_INLINE_OOL_BYTES_MAX, TRAP_RECORD_BYTES_MAX, TRAP_SEGMENTS_BYTES_MAX, TRAP_STORES_MAX,
};
use crate::segments::Segment;
use crate::typed::{ALIGN, Scan};
use crate::wire::body::{self, Segments};
use crate::{Disposition, Message, MsgReturn, NamedRight, Payload, PortName, TraceId};

pub use beside::Beside;
use beside::{Placed, Stores};

mod beside;

/// The version of the records between a task and its node; a hello of another is refused.
pub const TRAP_VERSION: u32 = 5;

/// Room in a record for everything that stands around the message's body and memory.
const ENVELOPE_BYTES: usize = 16 << 10;
/// What a list of pieces may take on its way to a task. It may be a little more than what a task may send: for arrays of names,
/// two pieces an item, or, where a part of the pieces goes on alone, for the first of each descriptor.
const RECEIVED_SEGMENTS_BYTES_MAX: usize = TRAP_SEGMENTS_BYTES_MAX + (8 << 10);
/// A list of so many pieces has room, whatever they are.
const PIECES_SURE: usize = 4096;
/// Of one name in an out-of-line array.
const NAME_BYTES: usize = size_of::<u32>();
/// What decoding looks at, a body and names of rights, it fetches in pieces of at most so many bytes: whoever fetches can
/// copy those from what may still change.
pub const LOOKED_AT_BYTES_MAX: usize = MSG_RIGHTS_MAX * NAME_BYTES;
/// Out-of-line contents of one message: data, and names of rights.
const MEMORY_BYTES_MAX: usize = MSG_OOL_BYTES_MAX + MSG_RIGHTS_MAX * NAME_BYTES;

/// The message of a task as a record, and what has to go beside it from the descriptor with index `fd` on. Frozen memory in
/// more files or pieces than have room is copied.
///
/// Conditions: [`check`] has passed. Then the record leaves 8 KiB of `TRAP_RECORD_BYTES_MAX` for what is around it.
pub fn encode(message: Message<NamedRight>, fd: u32) -> (body::NamedMessage, Beside) {
    encode_within(message, fd, TRAP_SEGMENTS_BYTES_MAX)
}

/// The same for a message to a task. What came from one by [`decode_prefix`] has room: nothing is copied.
pub fn encode_received(message: Message<NamedRight>, fd: u32) -> (body::NamedMessage, Beside) {
    encode_within(message, fd, RECEIVED_SEGMENTS_BYTES_MAX)
}

fn encode_within(message: Message<NamedRight>, fd: u32, segments_bytes_max: usize) -> (body::NamedMessage, Beside) {
    let Message { remote, local, id, seqno, trace, body } = message;
    let named = |right: &NamedRight| (right.name.0, right.name.is_valid().then_some(right.disposition));
    let (bytes, memory) = body.fill(named);
    let (contents, beside) = contents_within(bytes, memory, fd, segments_bytes_max);
    let record = body::NamedMessage {
        remote: encode_right(remote),
        local: encode_right(local),
        id,
        seqno,
        trace: trace.0,
        complex: body.is_complex(),
        ..contents
    };
    (record, beside)
}

/// The part of [`encode`] that no header takes part in: a record of a body and the memory of it alone, each in the
/// record or beside it by its length.
///
/// Conditions: as for [`encode`].
pub fn encode_contents(body: Bytes, memory: Payload, fd: u32) -> (body::NamedMessage, Beside) {
    contents_within(body, memory, fd, TRAP_SEGMENTS_BYTES_MAX)
}

/// The same for a task, of memory that came from one by [`decode_prefix`] or [`decode_memory`]: nothing of it is copied.
pub fn encode_contents_received(memory: Payload, fd: u32) -> (body::NamedMessage, Beside) {
    contents_within(Bytes::new(), memory, fd, RECEIVED_SEGMENTS_BYTES_MAX)
}

fn contents_within(body: Bytes, memory: Payload, fd: u32, segments_bytes_max: usize) -> (body::NamedMessage, Beside) {
    let mut record = body::NamedMessage::default();
    let mut beside = Beside::default();
    let mut written = 0;
    if body.len() <= TRAP_BODY_BYTES_MAX {
        record.body = body;
    } else {
        (record.fd, record.body_length) = (fd + 1, body.len() as u64);
        written = body.len() as u64;
        beside.bytes.push(body);
    }
    if memory.len() <= TRAP_INLINE_OOL_BYTES_MAX {
        record.memory = memory.to_bytes();
        return (record, beside);
    }
    let stores = Stores::of(std::iter::once(&memory), written > 0);
    let mut placed = Placed::of(&memory, &stores, fd, written);
    beside.stores = stores.all;
    if !placed.segments.fits_in(segments_bytes_max) {
        placed = Placed::of(&memory, &Stores::default(), fd, written);
        beside.stores.clear();
    }
    record.memory_beside = Some(placed.segments);
    beside.bytes.extend(placed.bytes);
    (record, beside)
}

/// The message of a record that a task has received. `fetch(fd, offset, length)` reads bytes out of the descriptor at index `fd`.
///
/// Errors, as `mach_msg` gives them to a sender: `SendMsgTooSmall`, `SendInvalidType` a complex body that is not typed,
/// a disposition that there is not, or too many items; `SendNoBuffer` too many bytes or
/// rights; `SendInvalidMemory` what is not there, or could not be read.
pub fn decode(
    message: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Result<Message<NamedRight>, MsgReturn> {
    match decode_within(message, fetch, RECEIVED_SEGMENTS_BYTES_MAX)? {
        (message, None) => Ok(message),
        (_, Some(code)) => Err(code),
    }
}

/// As [`decode`], for one that a task sends. An item that is bad by itself is no error yet: the message comes as far as it is
/// good, with the code for that item. Whoever sends it is told of what stands before first: [ipc.body.3].
///
/// Errors: as [`decode`], what concerns the message as a whole; `SendNoBuffer` memory in more files or pieces than a record
/// to a task has room for.
pub fn decode_prefix(
    message: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Result<(Message<NamedRight>, Option<MsgReturn>), MsgReturn> {
    decode_within(message, fetch, TRAP_SEGMENTS_BYTES_MAX)
}

fn decode_within(
    message: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
    segments_bytes_max: usize,
) -> Result<(Message<NamedRight>, Option<MsgReturn>), MsgReturn> {
    let header = |right: Option<body::NamedRight>| right.map_or(Ok(NamedRight::NULL), decode_right);
    let (remote, local) = (header(message.remote)?, header(message.local)?);
    let body_fd = (message.body_length > 0).then(|| message.fd.saturating_sub(1));
    let beside = pieces_beside(message.memory_beside, body_fd, segments_bytes_max)?;
    let in_pieces = beside.as_ref().is_some_and(|pieces| pieces.len() > PIECES_SURE);
    let mut contents = Contents {
        fetch,
        memory: Payload::from(message.memory),
        taken: 0,
        held: 0,
        beside: beside.map(Vec::into_iter),
        segment: Segment::default(),
        rights: 0,
    };
    let bytes = match message.body_length {
        0 => message.body,
        length if message.body.is_empty() => contents.body(message.fd, length)?,
        _ => return Err(MsgReturn::SendInvalidMemory),
    };
    if bytes.len() > MSG_INLINE_BYTES_MAX {
        return Err(MsgReturn::SendNoBuffer);
    }
    let (body, wrong) = match message.complex {
        true if Scan::new(&bytes).nth(MSG_ITEMS_MAX).is_some() => return Err(MsgReturn::SendInvalidType),
        true => Body::parse_prefix(&bytes, &mut contents),
        false => (Body::simple(bytes), None),
    };
    if let Some(code @ MsgReturn::SendNoBuffer) = wrong {
        return Err(code);
    }
    // Where one file came in two descriptors, what goes on in each may not go on in the file.
    if in_pieces && !Placed::of_all(body.memory()).segments.fits_in(segments_bytes_max) {
        return Err(MsgReturn::SendNoBuffer);
    }
    Ok((Message { remote, local, id: message.id, seqno: message.seqno, trace: TraceId(message.trace), body }, wrong))
}

/// Whether the message is within every bound, so that its record is, and each array of rights is of one kind.
///
/// Errors: as [`decode`].
pub fn check(message: &Message<NamedRight>) -> Result<(), MsgReturn> {
    let body = &message.body;
    match () {
        () if body.is_complex() && Scan::new(body.bytes()).nth(MSG_ITEMS_MAX).is_some() => {
            Err(MsgReturn::SendInvalidType)
        }
        () if body.rights().len() > MSG_RIGHTS_MAX => Err(MsgReturn::SendNoBuffer),
        () if body.bytes().len() > MSG_INLINE_BYTES_MAX || !within_bounds(body) || !body.is_whole() => {
            Err(MsgReturn::SendNoBuffer)
        }
        () if !body.is_uniform(|r| r.name.is_valid().then_some(r.disposition)) => Err(MsgReturn::SendInvalidType),
        () => Ok(()),
    }
}

/// The memory of a record of a task's that stands for no message ([`encode_contents`] with an empty body); `fetch` as for
/// [`decode`].
///
/// Errors: `None` what it speaks of is not there, or is in more files or pieces than a record to a task has room for.
pub fn decode_memory(
    record: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Option<Payload> {
    memory_within(record, fetch, TRAP_SEGMENTS_BYTES_MAX)
}

/// The same, of one that a task has received.
pub fn decode_memory_received(
    record: body::NamedMessage,
    fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
) -> Option<Payload> {
    memory_within(record, fetch, RECEIVED_SEGMENTS_BYTES_MAX)
}

fn memory_within(
    record: body::NamedMessage,
    mut fetch: impl FnMut(u32, u64, usize) -> Option<Payload>,
    segments_bytes_max: usize,
) -> Option<Payload> {
    let mut memory = Payload::from(record.memory);
    let pieces = pieces_beside(record.memory_beside, None, segments_bytes_max).ok()?.unwrap_or_default();
    for Segment { fd, offset, length } in &pieces {
        let length = usize::try_from(*length).ok()?;
        memory.append(fetch(*fd, *offset, length).filter(|piece| piece.len() == length)?);
    }
    let placed = || Placed::of_all(std::slice::from_ref(&memory)).segments.fits_in(segments_bytes_max);
    (pieces.len() <= PIECES_SURE || placed()).then_some(memory)
}

/// `None` for memory that is not beside its record. The body may be in a descriptor, too.
fn pieces_beside(
    record: Option<Segments>,
    body_fd: Option<u32>,
    segments_bytes_max: usize,
) -> Result<Option<Vec<Segment>>, MsgReturn> {
    let Some(record) = record.filter(|record| !record.fd.is_empty()) else { return Ok(None) };
    if !record.fits_in(segments_bytes_max) {
        return Err(MsgReturn::SendNoBuffer);
    }
    let pieces = record.pieces().ok_or(MsgReturn::SendInvalidMemory)?;
    let files: BTreeSet<u32> = pieces.iter().map(|piece| piece.fd).chain(body_fd).collect();
    if files.len() > TRAP_STORES_MAX { Err(MsgReturn::SendNoBuffer) } else { Ok(Some(pieces)) }
}

/// Whether the out-of-line memory of a body is no more than one message may carry.
pub fn within_bounds<R>(body: &Body<R>) -> bool {
    body.held_bytes() <= MSG_OOL_BYTES_MAX && body.out_of_line_bytes() <= MSG_FROZEN_BYTES_MAX
}

/// What a record's slots stand for, taken in order.
struct Contents<F> {
    fetch: F,
    /// Contents that came in the record.
    memory: Payload,
    /// How much of the contents, there or beside it, is taken.
    taken: usize,
    /// Of that, bytes that this process holds.
    held: usize,
    /// Contents beside the record, still to be begun with; `None` when they came in it.
    beside: Option<std::vec::IntoIter<Segment>>,
    /// What is left of the one that was begun with.
    segment: Segment,
    rights: usize,
}

impl<F: FnMut(u32, u64, usize) -> Option<Payload>> Contents<F> {
    fn body(&mut self, fd: u32, length: u64) -> Result<Bytes, MsgReturn> {
        let bytes = usize::try_from(length).ok().filter(|n| *n <= MSG_INLINE_BYTES_MAX);
        let bytes = bytes.ok_or(MsgReturn::SendNoBuffer)?;
        let fd = fd.checked_sub(1).ok_or(MsgReturn::SendInvalidMemory)?;
        let mut body = Payload::default();
        while body.len() < bytes {
            let piece = LOOKED_AT_BYTES_MAX.min(bytes - body.len());
            body.append(self.fetched(fd, body.len() as u64, piece)?);
        }
        Ok(body.to_bytes())
    }

    fn fetched(&mut self, fd: u32, offset: u64, length: usize) -> Result<Payload, MsgReturn> {
        (self.fetch)(fd, offset, length).filter(|p| p.len() == length).ok_or(MsgReturn::SendInvalidMemory)
    }

    /// The next bytes of what is beside the record.
    fn next_beside(&mut self, length: usize) -> Result<Payload, MsgReturn> {
        let mut all = Payload::default();
        while all.len() < length {
            if self.segment.length == 0 {
                let next = self.beside.as_mut().and_then(Iterator::next);
                self.segment = next.ok_or(MsgReturn::SendInvalidMemory)?;
                continue;
            }
            let Segment { fd, offset, length: there } = self.segment;
            let take = (length - all.len()).min(usize::try_from(there).unwrap_or(usize::MAX));
            let end = offset.checked_add(take as u64).ok_or(MsgReturn::SendInvalidMemory)?;
            let piece = self.fetched(fd, offset, take)?;
            self.held += piece.held_bytes();
            if self.held > MEMORY_BYTES_MAX {
                return Err(MsgReturn::SendNoBuffer);
            }
            all.append(piece);
            self.segment = Segment { fd, offset: end, length: there - take as u64 };
        }
        Ok(all)
    }
}

impl<F: FnMut(u32, u64, usize) -> Option<Payload>> Source<NamedRight> for Contents<F> {
    type Error = MsgReturn;

    fn rights(
        &mut self,
        kind: Disposition,
        number: usize,
        slots: Option<&[u8]>,
        out: &mut Vec<NamedRight>,
    ) -> Result<(), MsgReturn> {
        self.rights = self.rights.saturating_add(number);
        if self.rights > MSG_RIGHTS_MAX {
            return Err(MsgReturn::SendNoBuffer);
        }
        let named = |word: &[u8]| NamedRight {
            name: PortName(u32::from_le_bytes([word[0], word[1], word[2], word[3]])),
            disposition: kind,
        };
        match slots {
            Some(slots) => out.extend(slots.chunks_exact(ALIGN).map(named)),
            None => {
                out.extend(self.memory((number * NAME_BYTES) as u64)?.to_bytes().chunks_exact(NAME_BYTES).map(named))
            }
        }
        Ok(())
    }

    fn memory(&mut self, bytes: u64) -> Result<Payload, MsgReturn> {
        let from = self.taken;
        let length = usize::try_from(bytes).ok().filter(|n| *n <= MSG_FROZEN_BYTES_MAX - from);
        let length = length.ok_or(MsgReturn::SendNoBuffer)?;
        self.taken += length;
        if self.beside.is_some() {
            return self.next_beside(length);
        }
        if self.taken > self.memory.len() {
            return Err(MsgReturn::SendInvalidMemory);
        }
        Ok(self.memory.slice(from, length))
    }
}

/// A right of the header; none for [`NamedRight::NULL`], which has no kind.
fn encode_right(right: NamedRight) -> Option<body::NamedRight> {
    let record = body::NamedRight { name: right.name.0, disposition: right.disposition as u32 };
    (right != NamedRight::NULL).then_some(record)
}

fn decode_right(right: body::NamedRight) -> Result<NamedRight, MsgReturn> {
    let disposition = Disposition::from_raw(right.disposition).ok_or(MsgReturn::SendInvalidHeader)?;
    Ok(NamedRight { name: PortName(right.name), disposition })
}

const _: () = assert!(
    TRAP_BODY_BYTES_MAX + TRAP_INLINE_OOL_BYTES_MAX + ENVELOPE_BYTES <= TRAP_RECORD_BYTES_MAX
        && TRAP_BODY_BYTES_MAX + RECEIVED_SEGMENTS_BYTES_MAX + ENVELOPE_BYTES / 2 <= TRAP_RECORD_BYTES_MAX,
    "what stands in a record fits into it"
);

#[cfg(test)]
mod tests;
