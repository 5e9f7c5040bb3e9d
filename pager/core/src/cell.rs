//! What the directory knows of a run of pages, and who waits for it.
//!
//! Invariants: no readers beside a writer; nobody waits for pages that are not busy.

use std::collections::VecDeque;

use proto::{Prot, TraceId};
use smallvec::SmallVec;

use crate::runs::Cut;
use crate::{ClientId, Ticket};

/// What is known of a run of pages of a writable object.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Cell {
    pub writer: Option<ClientId>,
    /// Sorted; empty while there is a writer.
    pub readers: SmallVec<[ClientId; 2]>,
    /// The operation under way.
    pub busy: Option<Ticket>,
    /// Who waits, in order of arrival.
    pub waiting: VecDeque<Waiter>,
}

impl Cut for Cell {
    fn cut(&mut self, _at: u64) -> Self {
        self.clone()
    }
}

impl Cell {
    pub fn holds(&self, client: ClientId) -> bool {
        self.writer == Some(client) || self.readers.contains(&client)
    }

    pub fn drop_holder(&mut self, client: ClientId) {
        if self.writer == Some(client) {
            self.writer = None;
        }
        self.readers.retain(|r| *r != client);
    }

    pub fn add_reader(&mut self, client: ClientId) {
        if let Err(at) = self.readers.binary_search(&client) {
            self.readers.insert(at, client);
        }
    }

    /// One cell that stands for two: whoever may hold a page of either may hold a page of it. `None` where that would
    /// make two writers, or touch pages that are being worked on.
    pub fn unite(a: &Cell, b: &Cell) -> Option<Cell> {
        let quiet = |c: &Cell| c.busy.is_none() && c.waiting.is_empty();
        let same = a.writer == b.writer && (a.writer.is_none() || a.readers == b.readers);
        (quiet(a) && quiet(b) && same).then(|| {
            let mut both = a.clone();
            b.readers.iter().for_each(|r| both.add_reader(*r));
            both
        })
    }
}

/// A request in line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Waiter {
    pub client: ClientId,
    pub access: Prot,
    pub kind: Kind,
    pub trace: TraceId,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    /// `data_request`: the kernel has no copy and awaits exactly one answer.
    Request,
    /// `data_unlock`: the kernel had a copy when it sent this, and awaits more access to it. If the copy is taken back
    /// before its turn comes, the kernel asks again with a `data_request`, which takes this one's place in line.
    Unlock,
    /// The pager itself wants every dirty page back. `client` is nobody.
    TakeBack,
}
