//! Bulk bytes in flight: a rope of [`Chunk`]s, so that a page goes from a QUIC packet to a frame with one copy, and memory
//! that a task sent goes on to another without any.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Where bytes lie that are not this process's own: memory of a task that nobody can change any more. What it is, is
/// known to whoever made it.
pub type Store = Arc<dyn Any + Send + Sync>;

/// One piece of a [`Payload`].
#[derive(Clone)]
pub struct Chunk {
    bytes: Bytes,
    /// What the bytes lie in, and where, if they can be handed on with it.
    stored: Option<(Store, u64)>,
}

impl Chunk {
    /// The store that the bytes lie in and the offset of the first one there; `None` for bytes of the own process.
    pub fn stored(&self) -> Option<(&Store, u64)> {
        self.stored.as_ref().map(|(store, offset)| (store, *offset))
    }

    /// The bytes, wherever they lie.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn slice(&self, from: usize, len: usize) -> Chunk {
        let stored = self.stored.clone().map(|(store, offset)| (store, offset + from as u64));
        Chunk { bytes: self.bytes.slice(from..from + len), stored }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Out-of-line bytes carried by a message. Cloning and slicing copy no payload byte.
#[derive(Clone, Default)]
pub struct Payload {
    chunks: SmallVec<[Chunk; 1]>,
    len: usize,
    stored: usize,
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

    /// Of them, bytes that this process holds itself.
    pub fn held_bytes(&self) -> usize {
        self.len - self.stored
    }

    /// What it costs this process: the bytes that it holds itself, and the list of the chunks.
    pub fn cost_bytes(&self) -> usize {
        self.held_bytes() + if self.chunks.spilled() { size_of_val(self.chunks()) } else { 0 }
    }

    /// Appends a chunk; an empty one is dropped.
    pub fn push(&mut self, chunk: Bytes) {
        self.push_chunk(Chunk { bytes: chunk, stored: None });
    }

    /// Appends bytes that lie in `store`, from its `offset` on.
    pub fn push_stored(&mut self, bytes: Bytes, store: Store, offset: u64) {
        self.push_chunk(Chunk { bytes, stored: Some((store, offset)) });
    }

    /// Appends a chunk of another payload; an empty one is dropped.
    pub fn push_chunk(&mut self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        self.len += chunk.len();
        self.stored += if chunk.stored.is_some() { chunk.len() } else { 0 };
        self.chunks.push(chunk);
    }

    /// Appends the chunks of another payload.
    pub fn append(&mut self, other: Payload) {
        if self.is_empty() {
            *self = other;
        } else {
            other.chunks.into_iter().for_each(|chunk| self.push_chunk(chunk));
        }
    }

    /// The chunks in order; none is empty.
    pub fn chunks(&self) -> &[Chunk] {
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
            out.push_chunk(chunk.slice(skip, take));
            skip = 0;
            left -= take;
        }
        out
    }

    /// To take the bytes part by part, each chunk looked at once.
    pub fn in_turn(&self) -> InTurn<'_> {
        InTurn { chunks: self.chunks.iter(), begun: None }
    }

    /// All bytes in one piece: free for a single chunk, one copy otherwise.
    pub fn to_bytes(&self) -> Bytes {
        match &self.chunks[..] {
            [] => Bytes::new(),
            [one] => one.bytes.clone(),
            many => {
                let mut all = BytesMut::with_capacity(self.len);
                many.iter().for_each(|c| all.extend_from_slice(c));
                all.freeze()
            }
        }
    }
}

/// How much there is; what it is would be megabytes.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes in {} chunks)", self.len, self.chunks.len())
    }
}

/// What is left of a payload that is taken part by part.
pub struct InTurn<'a> {
    chunks: std::slice::Iter<'a, Chunk>,
    begun: Option<Chunk>,
}

impl InTurn<'_> {
    /// The next `len` bytes.
    ///
    /// Errors: `None` so many are not left, and nothing is any more.
    pub fn take(&mut self, len: usize) -> Option<Payload> {
        let mut out = Payload::default();
        while out.len < len {
            let chunk = self.begun.take().or_else(|| self.chunks.next().cloned())?;
            let take = chunk.len().min(len - out.len);
            if take < chunk.len() {
                self.begun = Some(chunk.slice(take, chunk.len() - take));
            }
            out.push_chunk(chunk.slice(0, take));
        }
        Some(out)
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
    fn a_slice_knows_where_its_bytes_lie() {
        let store: Store = Arc::new("memory of a task");
        let mut p = Payload::from(vec![1, 2, 3]);
        p.push_stored(Bytes::from_static(&[4, 5, 6, 7]), store.clone(), 4096);
        assert_eq!((p.len(), p.held_bytes()), (7, 3));
        assert_eq!(p.cost_bytes(), 3 + size_of_val(p.chunks()));
        let part = p.slice(2, 4);
        assert_eq!((&part.to_bytes()[..], part.held_bytes()), (&[3, 4, 5, 6][..], 1));
        let part = p.slice(5, 2);
        let (in_store, offset) = part.chunks()[0].stored().unwrap();
        assert!(Arc::ptr_eq(in_store, &store) && offset == 4098 && part.held_bytes() == 0);
        assert!(p.chunks()[0].stored().is_none());
        let mut turn = p.in_turn();
        let [two, none, four] = [2, 0, 4].map(|len| turn.take(len).unwrap());
        assert_eq!((two, none, four), (p.slice(0, 2), Payload::default(), p.slice(2, 4)));
        assert_eq!((turn.take(1).unwrap(), turn.take(1)), (p.slice(6, 1), None));
        let mut both = Payload::default();
        both.append(p.clone());
        both.append(part);
        assert_eq!((both.len(), both.held_bytes()), (9, 3));
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_slice_beyond_the_end_is_refused() {
        Payload::from(vec![0; 4]).slice(2, usize::MAX);
    }
}
