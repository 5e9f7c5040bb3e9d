//! Frames on a stream: a length (u32, little-endian), a head of that length, then the out-of-line bytes raw.
//!
//! Payload comes out as it came in: the chunks of received packets are cut, never copied. A head is copied, since what
//! is in it may stay in a queue for long, and would keep the whole receive buffer (up to 64 KiB) alive.
//! Everything here judges what a peer sent, so every doubt is a [`PeerMisbehaved`].

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use proto::limits::{BULK_BYTES_MIN, FRAME_HEAD_BYTES_MAX, MSG_INLINE_BYTES_MAX, MSG_OOL_BYTES_MAX};
use proto::wire::link::frame::Kind;
use proto::{Payload, wire::link::Frame};
use thiserror::Error;

const LENGTH_BYTES: usize = 4;

/// What a peer did that no correct node does. Its link is closed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PeerMisbehaved {
    /// A head longer than `FRAME_HEAD_BYTES_MAX`.
    #[error("a frame's head of {0} bytes")]
    HeadTooLong(u32),
    /// A head that is no frame.
    #[error("a frame that cannot be decoded: {0}")]
    BadHead(String),
    /// More out-of-line bytes than one message may carry, or than the stream it came on may carry.
    #[error("a message of {0} out-of-line bytes")]
    PayloadTooLong(u64),
    /// A frame where it does not belong.
    #[error("{0}")]
    OutOfPlace(&'static str),
    /// A bulk stream that ended before its message did.
    #[error("a message that was cut off")]
    CutOff,
    /// A bulk stream that went on after its message.
    #[error("bytes after a message")]
    TrailingBytes,
    /// More bulk messages begun than `BULK_BYTES_UNDONE_MAX`.
    #[error("more bulk under way than agreed")]
    TooMuchBulk,
    /// A greeting that is not one, or that contradicts the peer's certificate.
    #[error("its greeting: {0}")]
    BadHello(String),
    /// A membership datagram that is not one, or that speaks for another node.
    #[error("its gossip: {0}")]
    BadGossip(String),
    /// Found by the layer above: a frame that its tables cannot explain.
    #[error("{0}")]
    Other(String),
}

/// Length and head of `frame`, ready to be sent; its payload follows as it is.
///
/// Conditions: the head fits `FRAME_HEAD_BYTES_MAX`; the limits on messages see to that.
pub(crate) fn encode_head(frame: &Frame) -> Bytes {
    let length = frame.encoded_len();
    assert!(length <= FRAME_HEAD_BYTES_MAX, "a frame's head of {length} bytes, above the limits on messages");
    let mut head = BytesMut::with_capacity(LENGTH_BYTES + length);
    head.put_u32_le(length as u32);
    frame.encode_raw(&mut head);
    head.freeze()
}

/// How many out-of-line bytes follow a frame's head.
///
/// Errors: `PayloadTooLong` above what a body and its memory may have.
pub(crate) fn payload_len(frame: &Frame) -> Result<usize, PeerMisbehaved> {
    let Some(Kind::Send(send)) = &frame.kind else { return Ok(0) };
    let total = send.body_length.saturating_add(send.memory_length);
    if total > (MSG_OOL_BYTES_MAX + MSG_INLINE_BYTES_MAX) as u64 {
        Err(PeerMisbehaved::PayloadTooLong(total))
    } else {
        Ok(total as usize)
    }
}

/// Which stream a frame came on: it bounds its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// The warm stream: payloads below `BULK_BYTES_MIN`.
    Warm,
    /// A stream of its own.
    Bulk,
}

/// Takes frames out of the chunks of one stream.
#[derive(Debug)]
pub(crate) struct Decoder {
    lane: Lane,
    chunks: Rope,
    /// A frame whose payload is still coming, and how long that is.
    waiting: Option<(Frame, usize)>,
}

impl Decoder {
    pub fn new(lane: Lane) -> Decoder {
        Decoder { lane, chunks: Rope::default(), waiting: None }
    }

    /// Adds what the stream delivered.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunks.push(chunk);
    }

    /// The next frame, or `None` until more bytes come.
    ///
    /// Errors: whatever the peer did wrong; the decoder is of no use afterwards.
    pub fn next(&mut self) -> Result<Option<(Frame, Payload)>, PeerMisbehaved> {
        if self.waiting.is_none() {
            self.waiting = self.next_head()?;
        }
        match self.waiting.take() {
            Some((frame, length)) if self.chunks.len >= length => Ok(Some((frame, self.chunks.take(length)))),
            waiting => {
                self.waiting = waiting;
                Ok(None)
            }
        }
    }

    /// Whether no byte of a further frame has come.
    pub fn is_between_frames(&self) -> bool {
        self.waiting.is_none() && self.chunks.len == 0
    }

    fn next_head(&mut self) -> Result<Option<(Frame, usize)>, PeerMisbehaved> {
        let Some(length) = self.chunks.peek_u32() else { return Ok(None) };
        if length as usize > FRAME_HEAD_BYTES_MAX {
            return Err(PeerMisbehaved::HeadTooLong(length));
        }
        if self.chunks.len < LENGTH_BYTES + length as usize {
            return Ok(None);
        }
        self.chunks.take(LENGTH_BYTES);
        let head = self.chunks.take_copy(length as usize);
        let frame = Frame::decode(head).map_err(|e| PeerMisbehaved::BadHead(e.to_string()))?;
        let payload = payload_len(&frame)?;
        match self.lane {
            Lane::Warm if payload >= BULK_BYTES_MIN => Err(PeerMisbehaved::PayloadTooLong(payload as u64)),
            _ => Ok(Some((frame, payload))),
        }
    }
}

/// Received chunks that are not used up.
#[derive(Default, Debug)]
struct Rope {
    chunks: VecDeque<Bytes>,
    len: usize,
}

impl Rope {
    fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    fn peek_u32(&self) -> Option<u32> {
        if self.len < LENGTH_BYTES {
            return None;
        }
        let mut raw = [0; LENGTH_BYTES];
        let bytes = self.chunks.iter().flat_map(|c| c.iter());
        raw.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Some(u32::from_le_bytes(raw))
    }

    /// Conditions: `len` bytes are there.
    fn take_copy(&mut self, len: usize) -> Bytes {
        let mut copy = BytesMut::with_capacity(len);
        self.take(len).chunks().iter().for_each(|c| copy.extend_from_slice(c));
        copy.freeze()
    }

    /// Conditions: `len` bytes are there.
    fn take(&mut self, len: usize) -> Payload {
        let (mut left, mut out) = (len, Payload::default());
        self.len -= len;
        while left > 0 {
            let Some(front) = self.chunks.front_mut() else { unreachable!("a rope shorter than its length") };
            if front.len() <= left {
                left -= front.len();
                if let Some(chunk) = self.chunks.pop_front() {
                    out.push(chunk);
                }
            } else {
                out.push(front.split_to(left));
                left = 0;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proto::wire::link::{Delivered, Send};

    fn message(seq: u64, out_of_line: &[u64]) -> Frame {
        let memory_length = out_of_line.iter().fold(0, |sum: u64, n| sum.saturating_add(*n));
        Frame { kind: Some(Kind::Send(Send { seq, memory_length, ..Send::default() })) }
    }

    fn decode_all(decoder: &mut Decoder) -> Result<Vec<(Frame, Payload)>, PeerMisbehaved> {
        std::iter::from_fn(|| decoder.next().transpose()).collect()
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_bytes_are_cut(
            sizes in prop::collection::vec(0usize..5000, 1..8),
            cuts in prop::collection::vec(1usize..700, 1..20),
        ) {
            let mut wire = Vec::new();
            let mut sent = Vec::new();
            for (seq, size) in sizes.iter().enumerate() {
                let payload: Vec<u8> = (0..*size).map(|i| (i * 7 + seq) as u8).collect();
                let frame = message(seq as u64, &[*size as u64]);
                wire.extend_from_slice(&encode_head(&frame));
                wire.extend_from_slice(&payload);
                sent.push((frame, Payload::from(payload)));
            }
            let (mut decoder, mut got, mut at) = (Decoder::new(Lane::Warm), Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(wire.len());
                decoder.push(Bytes::copy_from_slice(&wire[at..end]));
                got.extend(decode_all(&mut decoder).unwrap());
                at = end;
                if at == wire.len() {
                    break;
                }
            }
            prop_assert!(decoder.is_between_frames());
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn no_bytes_break_the_decoder(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..16)) {
            let mut decoder = Decoder::new(Lane::Bulk);
            for chunk in chunks {
                decoder.push(chunk.into());
                if decode_all(&mut decoder).is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_head_above_the_limit_is_refused_before_it_is_read() {
        let mut decoder = Decoder::new(Lane::Warm);
        decoder.push(Bytes::copy_from_slice(&(FRAME_HEAD_BYTES_MAX as u32 + 1).to_le_bytes()));
        assert_eq!(decoder.next(), Err(PeerMisbehaved::HeadTooLong(FRAME_HEAD_BYTES_MAX as u32 + 1)));
    }

    #[test]
    fn payload_lengths_are_bounded_by_lane_and_by_message_and_do_not_overflow() {
        let head = |n: &[u64]| encode_head(&message(1, n));
        let refused = |lane, n: &[u64]| {
            let mut decoder = Decoder::new(lane);
            decoder.push(head(n));
            decoder.next().is_err()
        };
        assert!(!refused(Lane::Warm, &[BULK_BYTES_MIN as u64 - 1]));
        assert!(refused(Lane::Warm, &[BULK_BYTES_MIN as u64]));
        let most = (MSG_OOL_BYTES_MAX + MSG_INLINE_BYTES_MAX) as u64;
        assert!(!refused(Lane::Bulk, &[most]));
        assert!(refused(Lane::Bulk, &[most, 1]));
        assert!(refused(Lane::Bulk, &[u64::MAX, u64::MAX]));
    }

    #[test]
    fn a_page_in_one_chunk_is_not_copied() {
        let frame = message(1, &[4096]);
        let mut wire = BytesMut::from(&encode_head(&frame)[..]);
        wire.extend_from_slice(&[5; 4096]);
        let wire = wire.freeze();
        let page_at = wire[wire.len() - 4096..].as_ptr();
        let mut decoder = Decoder::new(Lane::Warm);
        decoder.push(wire);
        let (_, payload) = decoder.next().unwrap().unwrap();
        assert_eq!(payload.chunks()[0].as_ptr(), page_at);
    }

    #[test]
    fn frames_without_a_message_have_no_payload() {
        let frame = Frame { kind: Some(Kind::Delivered(Delivered { export: 3, through: 9 })) };
        assert_eq!(payload_len(&frame), Ok(0));
        assert_eq!(payload_len(&Frame::default()), Ok(0));
    }
}
