//! The directory of one object: its kernels, its pages, and what comes in about them.
//!
//! This file takes messages apart and puts requests in line; `grant.rs` serves the line. All ranges from outside are
//! checked here, once. Invariants: see the crate's page.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proto::limits::{CLIENT_PAGES_MAX, OBJECT_CLIENTS_MAX, PAGE_WAITERS_MAX, PAGER_RUN_PAGES_MAX};
use proto::{KernReturn, PAGE_SIZE, Prot, TraceId};
use smallvec::SmallVec;

use crate::cell::{Cell, Kind, Waiter};
use crate::runs::Runs;
use crate::write_back::{Synchronize, WriteBack};
use crate::{Bulk, ClientId, Output, Pages, Piece, Ticket, Time};

/// How a directory treats its kernels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// A granted page is not taken back before it was held so long, so that the thread that asked gets to use it
    /// (mach-api §3.8). 0 leaves that to the kernels; ours hold pages themselves. Units: nanoseconds.
    pub hold_ns: u64,
    /// A kernel that has not carried out a lock request by then is given up, as if it were dead. Units: nanoseconds.
    pub recall_deadline_ns: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config { hold_ns: 0, recall_deadline_ns: 10_000_000_000 }
    }
}

/// The bound, or a small one that a test can reach.
#[cfg(not(test))]
pub(crate) use proto::limits::DIRECTORY_RUNS_MAX;
#[cfg(test)]
pub(crate) const DIRECTORY_RUNS_MAX: usize = 2000;

/// Several kernels, by id; sorted.
pub(crate) type Clients = SmallVec<[ClientId; 4]>;

/// An operation under way on a run of busy pages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Op {
    pub pages: Pages,
    pub waiter: Waiter,
    pub phase: Phase,
    /// The kernel it was for is gone; the operation is only carried to its end.
    pub cancelled: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    /// The holders keep their pages for a while yet.
    Hold { until: Time },
    /// Lock requests are out to these.
    Recall { pending: Clients, deadline: Time },
    /// The store is being read.
    Read,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Client {
    /// Pages in requests that are not answered.
    pub asked_pages: u64,
}

/// Nobody; the owner of the pager's own requests.
pub(crate) const PAGER: ClientId = ClientId(u32::MAX);

/// The directory of one object. `D` is how page contents are handed around.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Directory<D> {
    pub(crate) object: Pages,
    pub(crate) writable: bool,
    pub(crate) config: Config,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    /// Empty for a read-only object, whose copies nobody ever takes back.
    pub(crate) cells: Runs<Cell>,
    pub(crate) ops: BTreeMap<Ticket, Op>,
    pub(crate) timers: BTreeSet<(Time, Ticket)>,
    /// Grants that are to be held for a while yet, by age.
    pub(crate) recent: VecDeque<(Time, Pages)>,
    pub(crate) back: WriteBack<D>,
    /// Requests wait from [`Directory::take_back`] on, in `held`: as many as may be asked for.
    ending: bool,
    pub(crate) held: Vec<(Pages, Waiter)>,
    #[cfg(test)]
    pub(crate) fault: crate::model::Fault,
}

impl<D: Bulk> Directory<D> {
    /// The directory of an object of `size` bytes that nobody uses yet.
    pub fn new(size: u64, writable: bool, config: Config) -> Directory<D> {
        Directory {
            object: Pages::new(0, size.div_ceil(PAGE_SIZE)),
            writable,
            config,
            clients: BTreeMap::new(),
            cells: Runs::default(),
            ops: BTreeMap::new(),
            timers: BTreeSet::new(),
            recent: VecDeque::new(),
            back: WriteBack::default(),
            ending: false,
            held: Vec::new(),
            #[cfg(test)]
            fault: Default::default(),
        }
    }

    /// `memory_object_init`.
    ///
    /// Errors: a kernel too many is told `Destroy` with `ResourceShortage`; a second init of one kernel is ignored.
    /// Source: [pager.client.1], [pager.client.2].
    pub fn init(&mut self, client: ClientId, out: &mut Vec<Output<D>>) {
        if self.clients.contains_key(&client) {
            out.push(Output::Misbehaved { client, what: "a second memory_object_init" });
        } else if client == PAGER || self.clients.len() >= OBJECT_CLIENTS_MAX {
            out.push(Output::Destroy { client, reason: KernReturn::ResourceShortage });
        } else {
            self.clients.insert(client, Client::default());
            out.push(Output::Ready { client });
        }
    }

    /// `memory_object_data_request`. Of a read-only object reading alone is granted, whatever is asked for.
    ///
    /// Units: bytes. Errors, each for the pages concerned: `InvalidArgument` not whole pages; `Terminated` no such
    /// kernel; `InvalidAddress` beyond the end; `ResourceShortage` too much asked for; and what the store says. Source:
    /// [pager.request.*].
    #[allow(clippy::too_many_arguments)]
    pub fn data_request(
        &mut self,
        now: Time,
        client: ClientId,
        offset: u64,
        length: u64,
        access: Prot,
        trace: TraceId,
        out: &mut Vec<Output<D>>,
    ) {
        let access = if self.writable { access } else { Prot::READ };
        let waiter = Waiter { client, access, kind: Kind::Request, trace };
        if let Some(pages) = self.admit(waiter, offset, length, out) {
            self.serve(now, pages, waiter, out);
        }
    }

    /// `memory_object_data_unlock`. As [`Directory::data_request`], but writing to a read-only object is
    /// `ProtectionFailure`, and what cannot be granted since the kernel has no copy any more is dropped: its thread faults
    /// again. Source: [pager.unlock.*].
    #[allow(clippy::too_many_arguments)]
    pub fn data_unlock(
        &mut self,
        now: Time,
        client: ClientId,
        offset: u64,
        length: u64,
        access: Prot,
        trace: TraceId,
        out: &mut Vec<Output<D>>,
    ) {
        let waiter = Waiter { client, access, kind: Kind::Unlock, trace };
        if let Some(pages) = self.admit(waiter, offset, length, out) {
            self.serve(now, pages, waiter, out);
        }
    }

    /// `memory_object_data_return`: `data` holds the pages from `offset` on.
    ///
    /// Conditions: `length` is what `data` holds. Only the writer of a page may return it dirty; anything else is
    /// dropped and reported. Source: [pager.write.*].
    #[allow(clippy::too_many_arguments)]
    pub fn data_return(
        &mut self,
        client: ClientId,
        offset: u64,
        length: u64,
        data: D,
        dirty: bool,
        kernel_copy: bool,
        out: &mut Vec<Output<D>>,
    ) {
        let known = self.clients.contains_key(&client);
        let pages = Pages::from_bytes(offset, length).filter(|p| known && p.end <= self.object.end);
        let Some(pages) = pages else {
            out.push(Output::Misbehaved { client, what: "a data_return outside the object, or of an unknown kernel" });
            return;
        };
        let mut taken: SmallVec<[Pages; 1]> = SmallVec::new();
        let mut refused = false;
        self.cells.change(pages, |run, cell| {
            if dirty && cell.writer == Some(client) {
                match taken.last_mut() {
                    Some(last) if last.end == run.start => last.end = run.end,
                    _ => taken.push(run),
                }
            } else {
                refused |= dirty;
            }
            if !kernel_copy {
                cell.drop_holder(client);
            }
        });
        refused |= dirty && taken.iter().map(|t| t.len()).sum::<u64>() < pages.len();
        for run in taken {
            self.back.keep(run, data.part(run.start - pages.start, run.len()), out);
        }
        if refused {
            out.push(Output::Misbehaved { client, what: "a data_return of pages that it was not granted to write" });
        }
        self.cells.join(pages);
    }

    /// `memory_object_synchronize`: answered once everything that was returned before it is written, and `durable` if
    /// that is asked for. A length of 0 means the whole object. Source: [pager.sync.*].
    #[allow(clippy::too_many_arguments)]
    pub fn synchronize(
        &mut self,
        client: ClientId,
        offset: u64,
        length: u64,
        durable: bool,
        trace: TraceId,
        out: &mut Vec<Output<D>>,
    ) {
        let pages = if length == 0 { self.object } else { covering(offset, length).intersect(self.object) };
        if !self.clients.contains_key(&client) {
            let result = KernReturn::Terminated;
            out.push(Output::SynchronizeCompleted { client, offset, length, result, trace });
        } else if !self.writable {
            let result = KernReturn::Success;
            out.push(Output::SynchronizeCompleted { client, offset, length, result, trace });
        } else {
            self.back.synchronize(Synchronize { client, offset, length, pages, trace, upto: 0, durable }, out);
        }
    }

    /// `memory_object_terminate`, or the death of the kernel: it holds nothing any more and waits for nothing. What it
    /// returned stays; what it wrote and had not returned is lost. Source: [pager.client.3], [pager.client.4].
    pub fn client_gone(&mut self, now: Time, client: ClientId, out: &mut Vec<Output<D>>) {
        if self.clients.remove(&client).is_none() {
            return;
        }
        self.back.client_gone(client);
        self.held.retain(|(_, waiter)| waiter.client != client);
        for (_, cell) in self.cells.iter_mut() {
            cell.drop_holder(client);
            cell.waiting.retain(|w| w.client != client);
        }
        self.forsake(now, client, out);
        self.pump(now, self.object, out);
        self.cells.join(self.object);
    }

    /// The result of a read: what the store says of each part of it. Pages that no piece covers are answered with
    /// `MemoryError`. A ticket that is not under way is ignored.
    pub fn read_done(
        &mut self,
        now: Time,
        ticket: Ticket,
        pieces: impl IntoIterator<Item = (Pages, Piece<D>)>,
        out: &mut Vec<Output<D>>,
    ) {
        if !self.ops.get(&ticket).is_some_and(|op| op.phase == Phase::Read) {
            return;
        }
        let Some(op) = self.ops.remove(&ticket) else { return };
        let mut at = op.pages.start;
        for (run, piece) in pieces {
            let run = run.intersect(Pages::new(at, op.pages.end));
            if run.is_empty() {
                continue;
            }
            if at < run.start {
                self.settle(now, &op, Pages::new(at, run.start), Piece::Error(KernReturn::MemoryError), out);
            }
            at = run.end;
            self.settle(now, &op, run, piece, out);
        }
        if at < op.pages.end {
            self.settle(now, &op, Pages::new(at, op.pages.end), Piece::Error(KernReturn::MemoryError), out);
        }
        if self.writable {
            self.release(now, op.pages, out);
        }
    }

    /// The result of a write.
    pub fn write_done(&mut self, ticket: Ticket, result: Result<(), KernReturn>, out: &mut Vec<Output<D>>) {
        self.back.write_done(ticket, result, out);
    }

    /// The result of a sync.
    pub fn sync_done(&mut self, _ticket: Ticket, result: Result<(), KernReturn>, out: &mut Vec<Output<D>>) {
        self.back.sync_done(result, out);
    }

    /// Tries failed writes again; for a shell to call now and then while [`Directory::failed_pages`] is not 0.
    pub fn retry_writes(&mut self, out: &mut Vec<Output<D>>) {
        self.back.retry(self.object, out);
    }

    /// Asks every kernel that may write for its dirty pages, and takes its copies away. Requests that come from now on
    /// wait for [`Directory::end`] or [`Directory::go_on`]. Done when [`Directory::is_idle`] and there are no
    /// [`Directory::written_pages`]; a request from before may have made some, which are to be taken back in their turn.
    /// Source: [pager.close.1].
    pub fn take_back(&mut self, now: Time, out: &mut Vec<Output<D>>) {
        self.ending = true;
        let written: Vec<Pages> = self.cells.iter().filter(|(_, c)| c.writer.is_some()).map(|(run, _)| run).collect();
        let waiter = Waiter { client: PAGER, access: Prot::READ, kind: Kind::TakeBack, trace: TraceId(0) };
        for run in written {
            self.line_up(now, run, waiter, out);
        }
    }

    /// Serves the requests that waited, and those to come. Source: [pager.close.3].
    pub fn go_on(&mut self, now: Time, out: &mut Vec<Output<D>>) {
        self.ending = false;
        for (pages, waiter) in std::mem::take(&mut self.held) {
            self.serve(now, pages, waiter, out);
        }
    }

    /// Answers the requests that waited with `Terminated`. Source: [pager.close.1].
    pub fn end(&mut self, out: &mut Vec<Output<D>>) {
        for (pages, waiter) in std::mem::take(&mut self.held) {
            self.refuse(waiter, pages, KernReturn::Terminated, out);
        }
    }

    /// Kernels that use the object.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.clients.keys().copied()
    }

    /// Whether no request, lock request or write is under way. Failed writes are not under way, nor what waits for
    /// [`Directory::go_on`].
    pub fn is_idle(&self) -> bool {
        self.ops.is_empty() && !self.back.is_writing()
    }

    /// Pages that kernels may write.
    pub fn written_pages(&self) -> u64 {
        self.cells.iter().filter(|(_, c)| c.writer.is_some()).map(|(run, _)| run.len()).sum()
    }

    /// Pages that were returned and of which no write has succeeded since. Source: [pager.write.6].
    pub fn kept_pages(&self) -> u64 {
        self.back.kept_pages()
    }

    /// Pages of which a write failed and none has succeeded since. Source: [pager.write.6].
    pub fn failed_pages(&self) -> u64 {
        self.back.failed_pages()
    }

    /// Who may write `page`, and who may read it.
    pub fn holders(&self, page: u64) -> (Option<ClientId>, Vec<ClientId>) {
        self.cells.get(page).map_or((None, Vec::new()), |(_, c)| (c.writer, c.readers.to_vec()))
    }

    /// Runs of pages that the directory has an entry for.
    pub fn runs(&self) -> usize {
        self.cells.len()
    }

    /// Checks a range from outside and counts it against its kernel. What lies beyond the end is answered here.
    fn admit(&mut self, waiter: Waiter, offset: u64, length: u64, out: &mut Vec<Output<D>>) -> Option<Pages> {
        let Waiter { client, access, trace, .. } = waiter;
        let mut refuse = |offset, length, code| out.push(Output::Error { client, offset, length, code, trace });
        let Some(asked) = self.clients.get_mut(&client) else {
            refuse(offset, length, KernReturn::Terminated);
            return None;
        };
        let Some(pages) = Pages::from_bytes(offset, length) else {
            refuse(offset, length, KernReturn::InvalidArgument);
            return None;
        };
        let inside = pages.intersect(self.object);
        if inside.end < pages.end {
            let beyond = Pages::new(inside.end.max(pages.start), pages.end);
            refuse(beyond.offset(), beyond.bytes(), KernReturn::InvalidAddress);
        }
        if inside.is_empty() {
            return None;
        }
        let code = if access.contains(Prot::WRITE) && !self.writable {
            KernReturn::ProtectionFailure
        } else if asked.asked_pages + inside.len() > CLIENT_PAGES_MAX {
            KernReturn::ResourceShortage
        } else {
            asked.asked_pages += inside.len();
            return Some(inside);
        };
        refuse(inside.offset(), inside.bytes(), code);
        None
    }

    /// Begins to serve a request whose range is checked.
    fn serve(&mut self, now: Time, pages: Pages, waiter: Waiter, out: &mut Vec<Output<D>>) {
        match waiter.kind {
            _ if self.ending => self.held.push((pages, waiter)),
            _ if self.writable => self.line_up(now, pages, waiter, out),
            Kind::Unlock => {
                // Reading was never locked; saying so again ends any wait.
                self.answered(waiter.client, pages.len());
                out.push(grant_message(waiter.client, pages, Prot::WRITE, waiter.trace));
            }
            Kind::Request | Kind::TakeBack => {
                pages.chunks(PAGER_RUN_PAGES_MAX).for_each(|run| self.read(run, waiter, out));
            }
        }
    }

    /// Puts a request in line on each of its pages, and serves what it can.
    fn line_up(&mut self, now: Time, pages: Pages, waiter: Waiter, out: &mut Vec<Output<D>>) {
        let (mut full, mut merged) = (SmallVec::<[Pages; 1]>::new(), 0);
        self.cells.update(pages, |run, cell| {
            if let Some(earlier) = cell.waiting.iter_mut().find(|w| w.client == waiter.client) {
                // Faithful kernels have one request out to a page: the earlier one is a data_unlock that lost its copy.
                earlier.access |= waiter.access;
                if waiter.kind == Kind::Request {
                    earlier.kind = Kind::Request;
                }
                merged += run.len();
            } else if cell.waiting.len() >= PAGE_WAITERS_MAX {
                full.push(run);
            } else {
                cell.waiting.push_back(waiter);
            }
        });
        self.answered(waiter.client, merged);
        for run in full {
            self.refuse(waiter, run, KernReturn::ResourceShortage, out);
        }
        self.pump(now, pages, out);
        self.cells.join(pages);
        self.coarsen();
    }

    /// Keeps the number of runs within its bound by letting the sets of holders grow where that costs only messages.
    fn coarsen(&mut self) {
        let mut gap = 0;
        while self.cells.len() > DIRECTORY_RUNS_MAX && gap < self.object.len() {
            gap = gap * 4 + 1;
            self.cells.coarsen(gap, Cell::unite);
        }
    }

    /// Answers a request with an error.
    pub(crate) fn refuse(&mut self, waiter: Waiter, pages: Pages, code: KernReturn, out: &mut Vec<Output<D>>) {
        self.answered(waiter.client, pages.len());
        let Waiter { client, trace, .. } = waiter;
        if client != PAGER {
            out.push(Output::Error { client, offset: pages.offset(), length: pages.bytes(), code, trace });
        }
    }

    /// Takes answered pages off a kernel's account.
    pub(crate) fn answered(&mut self, client: ClientId, pages: u64) {
        if let Some(c) = self.clients.get_mut(&client) {
            c.asked_pages -= pages;
        }
    }
}

/// The lock request that grants more access, in answer to a data_unlock.
pub(crate) fn grant_message<D>(client: ClientId, pages: Pages, lock: Prot, trace: TraceId) -> Output<D> {
    let lock = crate::Lock::Prohibit(lock);
    Output::LockRequest { client, pages, return_dirty: false, flush: false, lock, reply: false, trace }
}

/// The pages that `length` bytes from `offset` touch.
fn covering(offset: u64, length: u64) -> Pages {
    let start = offset / PAGE_SIZE;
    Pages::new(start, offset.saturating_add(length).div_ceil(PAGE_SIZE).max(start))
}
