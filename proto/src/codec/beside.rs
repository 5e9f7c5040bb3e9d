//! What goes beside a record: frozen files as they are, and what is written into a descriptor of its own.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::limits::TRAP_STORES_MAX;
use crate::segments::{self, Segment};
use crate::wire::body::Segments;
use crate::{Chunk, Payload, Store};

/// What goes beside a record, in descriptors of their own.
#[derive(Default)]
pub struct Beside {
    /// For the first of them, if it is not empty: to be written one behind the other, and frozen.
    pub bytes: Vec<Bytes>,
    /// For the others: what is frozen already.
    pub stores: Vec<Store>,
}

impl Beside {
    /// Whether the record stands alone.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.stores.is_empty()
    }
}

/// The stores that go along as they are, in the order in which they come first: not too many.
#[derive(Default)]
pub(super) struct Stores {
    pub all: Vec<Store>,
    /// By the address of each.
    index: HashMap<*const (), u32>,
}

impl Stores {
    /// Those of some memory; `written` says that there is a descriptor of other bytes in any case.
    pub fn of<'a>(memory: impl Iterator<Item = &'a Payload> + Clone, written: bool) -> Stores {
        let chunks = memory.flat_map(Payload::chunks);
        let written = written || chunks.clone().any(|chunk| chunk.stored().is_none());
        let most = TRAP_STORES_MAX - usize::from(written);
        let mut stores = Stores::default();
        for (store, _) in chunks.filter_map(Chunk::stored) {
            let next = stores.all.len();
            if next < most && !stores.index.contains_key(&address(store)) {
                stores.index.insert(address(store), next as u32);
                stores.all.push(store.clone());
            }
        }
        stores
    }

    fn passed(&self, chunk: &Chunk) -> Option<(u32, u64)> {
        let (store, offset) = chunk.stored()?;
        Some((*self.index.get(&address(store))?, offset))
    }
}

fn address(store: &Store) -> *const () {
    Arc::as_ptr(store).cast()
}

/// Memory beside a record.
pub(super) struct Placed {
    /// Where it lies.
    pub segments: Segments,
    /// What of it is to be written.
    pub bytes: Vec<Bytes>,
}

impl Placed {
    /// From the descriptor at `fd` on, behind what is `written` there; the descriptors of the stores follow that one, if there
    /// is one.
    pub fn of(memory: &Payload, stores: &Stores, fd: u32, written: u64) -> Placed {
        place(memory.chunks().iter(), stores, fd, written)
    }

    /// The memory of a message that is still to be sent.
    pub fn of_all(memory: &[Payload]) -> Placed {
        place(memory.iter().flat_map(Payload::chunks), &Stores::of(memory.iter(), false), 0, 0)
    }
}

fn place<'a>(chunks: impl Iterator<Item = &'a Chunk> + Clone, stores: &Stores, fd: u32, mut written: u64) -> Placed {
    let first = fd + u32::from(written > 0 || chunks.clone().any(|chunk| stores.passed(chunk).is_none()));
    let (mut pieces, mut bytes): (Vec<Segment>, Vec<Bytes>) = Default::default();
    for chunk in chunks {
        let length = chunk.len() as u64;
        let (fd, offset) = match stores.passed(chunk) {
            Some((at, offset)) => (first + at, offset),
            None => {
                bytes.push(chunk.bytes().clone());
                written += length;
                (fd, written - length)
            }
        };
        segments::join(&mut pieces, Segment { fd, offset, length });
    }
    Placed { segments: Segments::of(pieces), bytes }
}
