//! Bulk bytes in flight: a rope of [`Bytes`], so that a page goes from a QUIC packet to a frame with one copy.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Out-of-line bytes carried by a message. Cloning and slicing copy no payload byte.
#[derive(Clone, Default)]
pub struct Payload {
    chunks: SmallVec<[Bytes; 1]>,
    len: usize,
}

impl Payload {
    /// Bytes in all chunks together.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a chunk; an empty one is dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// Appends the chunks of another payload.
    pub fn append(&mut self, other: Payload) {
        if self.is_empty() {
            *self = other;
        } else {
            other.chunks.into_iter().for_each(|chunk| self.push(chunk));
        }
    }

    /// The chunks in order; none is empty.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The bytes `offset..offset + len`.
    ///
    /// Conditions: the range lies inside the payload; it panics otherwise, so callers check lengths from outside first.
    pub fn slice(&self, offset: usize, len: usize) -> Payload {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "payload slice out of range");
        let (mut skip, mut left, mut out) = (offset, len, Payload::default());
        for chunk in &self.chunks {
            if left == 0 {
                break;
            }
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let take = left.min(chunk.len() - skip);
            out.push(chunk.slice(skip..skip + take));
            skip = 0;
            left -= take;
        }
        out
    }

    /// All bytes in one piece: free for a single chunk, one copy otherwise.
    pub fn to_bytes(&self) -> Bytes {
        match &self.chunks[..] {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => {
                let mut all = BytesMut::with_capacity(self.len);
                many.iter().for_each(|c| all.extend_from_slice(c));
                all.freeze()
            }
        }
    }
}

/// How much there is; what it is would be megabytes.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes in {} chunks)", self.len, self.chunks.len())
    }
}

impl From<Bytes> for Payload {
    fn from(chunk: Bytes) -> Payload {
        let mut p = Payload::default();
        p.push(chunk);
        p
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        Bytes::from(bytes).into()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.len == other.len && self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Payload {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_crosses_chunks() {
        let mut p = Payload::from(vec![1, 2, 3]);
        p.push(Bytes::from_static(&[4, 5]));
        p.push(Bytes::from_static(&[6]));
        assert_eq!(&p.slice(2, 3).to_bytes()[..], &[3, 4, 5]);
        assert_eq!(p.slice(6, 0).len(), 0);
        assert_eq!(p.slice(0, 6), p);
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_slice_beyond_the_end_is_refused() {
        Payload::from(vec![0; 4]).slice(2, usize::MAX);
    }
}
