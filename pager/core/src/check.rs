//! The directory's invariants, for its tests and for the simulator.

use std::collections::BTreeMap;

use crate::directory::{Directory, Phase};
use crate::{Bulk, ClientId};

impl<D: Bulk + std::fmt::Debug> Directory<D> {
    /// Panics unless the invariants of the crate's page hold.
    pub fn check(&self) {
        self.back.check();
        assert!(self.writable || self.cells.is_empty(), "a directory of a read-only object");
        let mut asked: BTreeMap<ClientId, u64> = BTreeMap::new();
        for (run, cell) in self.cells.iter() {
            assert!(run.end <= self.object.end);
            assert!(cell.writer.is_none() || cell.readers.is_empty(), "readers beside a writer: {run:?} {cell:?}");
            assert!(cell.readers.is_sorted(), "{cell:?}");
            let holders = cell.readers.iter().chain(&cell.writer);
            assert!(holders.clone().all(|c| self.clients.contains_key(c)), "held by nobody: {cell:?}");
            assert!(cell.busy.is_some() || cell.waiting.is_empty(), "waits for nothing: {run:?} {cell:?}");
            if let Some(ticket) = cell.busy {
                let op = &self.ops[&ticket];
                assert_eq!(op.pages.intersect(run), run, "busy with another's operation");
            }
            cell.waiting.iter().for_each(|w| *asked.entry(w.client).or_default() += run.len());
        }
        for (ticket, op) in &self.ops {
            let busy = self.cells.overlapping(op.pages).filter(|(_, c)| c.busy == Some(*ticket));
            let busy: u64 = busy.map(|(run, _)| run.intersect(op.pages).len()).sum();
            assert!(!self.writable || busy == op.pages.len(), "an operation on pages that are not busy: {op:?}");
            if !op.cancelled {
                *asked.entry(op.waiter.client).or_default() += op.pages.len();
            }
            if let Phase::Recall { pending, .. } = &op.phase {
                assert!(!pending.is_empty(), "{op:?}");
                assert!(pending.iter().all(|c| self.clients.contains_key(c)), "waits for the dead: {op:?}");
            }
        }
        self.held.iter().for_each(|(pages, waiter)| *asked.entry(waiter.client).or_default() += pages.len());
        for (id, client) in &self.clients {
            assert_eq!(client.asked_pages, asked.get(id).copied().unwrap_or(0), "pages on account of {id:?}");
        }
    }
}
