//! Work that may block, to be run away from the kernel thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pager_core::{Pages, Piece, Ticket};
use proto::{KernReturn, Payload};
use smallvec::smallvec;

use crate::{Pager, Pieces};

/// One read, write or sync of a store. Every job taken must be run, and its result handed to
/// [`crate::PagerServer::on_job_done`]: somebody waits for it.
#[must_use]
pub struct Job {
    pub(crate) export: u64,
    pub(crate) pager: Arc<dyn Pager>,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Read(Ticket, Pages),
    Write(Ticket, Pages, Payload),
    Sync(Ticket),
}

/// The result of a job.
#[must_use]
pub struct JobDone {
    pub(crate) export: u64,
    pub(crate) done: Done,
}

pub(crate) enum Done {
    Read(Ticket, Pieces),
    Write(Ticket, Result<(), KernReturn>),
    Sync(Ticket, Result<(), KernReturn>),
}

impl Job {
    /// Does it. Blocks as long as the store does. A store that panics has failed.
    pub fn run(self) -> JobDone {
        let Job { export, pager, work } = self;
        let done = match work {
            Work::Read(ticket, pages) => {
                let pieces = catch_unwind(AssertUnwindSafe(|| pager.read(pages)));
                let failed = |_| smallvec![(pages, Piece::Error(KernReturn::Failure))];
                Done::Read(ticket, pieces.unwrap_or_else(failed))
            }
            Work::Write(ticket, pages, data) => Done::Write(ticket, code(|| pager.write(pages, &data))),
            Work::Sync(ticket) => Done::Sync(ticket, code(|| pager.sync())),
        };
        JobDone { export, done }
    }
}

fn code(act: impl FnOnce() -> Result<(), crate::StoreError>) -> Result<(), KernReturn> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|e| e.code),
        Err(_) => Err(KernReturn::Failure),
    }
}
