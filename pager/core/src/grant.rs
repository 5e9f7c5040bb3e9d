//! Serving the line: taking pages back from those who hold them, reading the store, and granting.
//!
//! One operation at a time on a page: hold → recall → read → grant, each step only where it is needed. An operation
//! covers a run of pages that wait for the same request and have the same holders to recall, so that a megabyte of
//! read-ahead is one operation.
//!
//! The races with a kernel's own acts, by what arrives while its page is being recalled:
//! (1A) a data_return of its own: it gave the page up by itself; taken, and the lock_completed still comes.
//! (1B) a data_request: it gave a clean page up silently, or (1A); lines up behind the operation.
//! (1C) a data_unlock that was sent before the lock request got there: lines up, and is dropped when its turn comes,
//!      unless the data_request of the thread that faulted again has taken its place by then. It must not be answered
//!      with a supply: that would be one more than was asked for, and might arrive after the kernel wrote the page and
//!      gave it back, to be taken for the current contents.
//! (1D) its death: counts as lock_completed.

use proto::limits::{PAGER_RUN_PAGES_MAX, RETAINED_PAGES_MAX};
use proto::{KernReturn, Prot};

use crate::cell::{Cell, Kind, Waiter};
use crate::directory::{Clients, Directory, Op, PAGER, Phase, grant_message};
use crate::{Bulk, ClientId, Lock, Output, Pages, Piece, Ticket, Time};

/// What it takes to serve the head of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Plan {
    waiter: Waiter,
    /// Whether a data_unlock finds the copy that it is about.
    holds: bool,
    /// Whose copies have to go, or be demoted, first.
    recall: Clients,
}

impl Plan {
    fn new(cell: &Cell, waiter: Waiter) -> Plan {
        let mut recall: Clients = match waiter.kind {
            _ if waiter.access.contains(Prot::WRITE) => cell.readers.iter().chain(&cell.writer).copied().collect(),
            _ => cell.writer.into_iter().collect(),
        };
        recall.retain(|c| *c != waiter.client);
        let holds = waiter.kind != Kind::Unlock || cell.holds(waiter.client);
        Plan { waiter, holds, recall }
    }
}

impl<D: Bulk> Directory<D> {
    /// Serves the lines of `pages` as far as that goes.
    pub(crate) fn pump(&mut self, now: Time, pages: Pages, out: &mut Vec<Output<D>>) {
        let mut at = pages.start;
        while let Some((run, plan)) = self.next_plan(Pages::new(at, pages.end)) {
            self.cells.change(run, |_, cell| {
                cell.waiting.pop_front();
            });
            let until = self.held_until(now, run);
            self.begin(now, run, until, plan, out);
            // What was served at once may leave another at the head of the line.
            at = run.start;
        }
    }

    /// The first run of `pages` whose line can move, as far as it moves in the same way.
    fn next_plan(&self, pages: Pages) -> Option<(Pages, Plan)> {
        let mut found: Option<(Pages, Plan)> = None;
        for (run, cell) in self.cells.overlapping(pages) {
            let run = run.intersect(pages);
            let head = cell.waiting.front().filter(|_| cell.busy.is_none());
            match (&mut found, head) {
                (None, None) => {}
                (None, Some(w)) => found = Some((run, Plan::new(cell, *w))),
                (Some((all, plan)), Some(w)) if all.end == run.start && *plan == Plan::new(cell, *w) => {
                    all.end = run.end
                }
                _ => break,
            }
            if found.as_ref().is_some_and(|(all, _)| all.len() >= PAGER_RUN_PAGES_MAX) {
                break;
            }
        }
        found.map(|(all, plan)| (Pages::new(all.start, all.end.min(all.start + PAGER_RUN_PAGES_MAX)), plan))
    }

    /// Begins to serve the request that was at the head of the line of `pages`, which nobody loses before `until`.
    fn begin(&mut self, now: Time, pages: Pages, until: Time, plan: Plan, out: &mut Vec<Output<D>>) {
        let Plan { waiter, holds, recall } = plan;
        if !holds && !self.planted_answers_stale_unlock() {
            self.answered(waiter.client, pages.len());
            return;
        }
        if waiter.access.contains(Prot::WRITE) && self.back.failed_pages() >= RETAINED_PAGES_MAX {
            self.refuse(waiter, pages, KernReturn::ResourceShortage, out);
            return;
        }
        if waiter.kind == Kind::Request {
            // It asks, so it has none.
            self.cells.change(pages, |_, cell| cell.drop_holder(waiter.client));
        }
        if recall.is_empty() || self.planted_grants_without_recall() {
            return self.grant(now, pages, waiter, out);
        }
        if now < until {
            let ticket = self.add_op(pages, waiter, Phase::Hold { until });
            self.timers.insert((until, ticket));
        } else {
            self.recall(now, pages, waiter, recall, out);
        }
    }

    /// Sends the lock requests for `pages`.
    fn recall(&mut self, now: Time, pages: Pages, waiter: Waiter, from: Clients, out: &mut Vec<Output<D>>) {
        let flush = flushes(&waiter);
        let lock = if flush { Lock::NoChange } else { Lock::Prohibit(Prot::WRITE) };
        for &client in &from {
            let trace = waiter.trace;
            out.push(Output::LockRequest { client, pages, return_dirty: true, flush, lock, reply: true, trace });
        }
        let deadline = now.after(self.config.recall_deadline_ns);
        let ticket = self.add_op(pages, waiter, Phase::Recall { pending: from, deadline });
        self.timers.insert((deadline, ticket));
    }

    /// `memory_object_lock_completed`: the lock request for exactly this range is carried out.
    ///
    /// Units: bytes. One that answers no lock request is reported and ignored. Source: [pager.recall.*].
    pub fn lock_completed(&mut self, now: Time, client: ClientId, offset: u64, length: u64, out: &mut Vec<Output<D>>) {
        let pages = Pages::from_bytes(offset, length);
        let ticket = pages.and_then(|p| self.cells.get(p.start)).and_then(|(_, cell)| cell.busy);
        let op = ticket.and_then(|t| self.ops.get_mut(&t)).filter(|op| Some(op.pages) == pages);
        let pending = op.and_then(|op| match &mut op.phase {
            Phase::Recall { pending, .. } if pending.contains(&client) => Some((pending, flushes(&op.waiter))),
            _ => None,
        });
        let (Some(pages), Some(ticket), Some((pending, flush))) = (pages, ticket, pending) else {
            out.push(Output::Misbehaved { client, what: "a lock_completed that answers no lock request" });
            return;
        };
        pending.retain(|c| *c != client);
        let done = pending.is_empty();
        self.cells.change(pages, |_, cell| {
            if flush {
                cell.drop_holder(client);
            } else if cell.writer == Some(client) {
                cell.writer = None;
                cell.add_reader(client);
            }
        });
        if done {
            self.recalled(now, ticket, out);
        }
    }

    /// The last lock request of an operation is carried out.
    fn recalled(&mut self, now: Time, ticket: Ticket, out: &mut Vec<Output<D>>) {
        let Some(op) = self.end_op(ticket) else { return };
        self.cells.change(op.pages, |_, cell| cell.busy = None);
        if !op.cancelled {
            self.grant(now, op.pages, op.waiter, out);
        }
        self.pump(now, op.pages, out);
        self.cells.join(op.pages);
    }

    /// Answers a request whose pages nobody holds in its way any more.
    fn grant(&mut self, now: Time, pages: Pages, waiter: Waiter, out: &mut Vec<Output<D>>) {
        match waiter.kind {
            Kind::TakeBack => {}
            Kind::Unlock if !self.planted_answers_stale_unlock() || self.holds_any(pages, waiter.client) => {
                self.unlock(now, pages, waiter, out);
            }
            Kind::Unlock | Kind::Request => {
                let mut kept: Vec<(Pages, D)> = self.back.lookup(pages).collect();
                if self.planted_reads_around_writes() {
                    kept.clear();
                }
                let mut at = pages.start;
                for (run, data) in kept {
                    self.read(Pages::new(at, run.start), waiter, out);
                    at = run.end;
                    let op = Op { pages: run, waiter, phase: Phase::Read, cancelled: false };
                    self.settle(now, &op, run, Piece::Data(data), out);
                }
                self.read(Pages::new(at, pages.end), waiter, out);
            }
        }
    }

    /// Grants more access to pages that the kernel has, or had when it asked.
    fn unlock(&mut self, now: Time, pages: Pages, waiter: Waiter, out: &mut Vec<Output<D>>) {
        let Waiter { client, access, trace, .. } = waiter;
        self.answered(client, pages.len());
        let write = access.contains(Prot::WRITE);
        self.cells.change(pages, |_, cell| {
            let writes = write || cell.writer == Some(client);
            hold(cell, client, writes);
        });
        self.granted(now, pages);
        let lock = if write { Prot::empty() } else { Prot::WRITE };
        out.push(grant_message(client, pages, lock, trace));
    }

    /// Reads `pages` for a request.
    pub(crate) fn read(&mut self, pages: Pages, waiter: Waiter, out: &mut Vec<Output<D>>) {
        if !pages.is_empty() {
            let ticket = self.add_op(pages, waiter, Phase::Read);
            out.push(Output::Read { ticket, pages });
        }
    }

    /// Answers `pages` of a request with what the store says of them.
    pub(crate) fn settle(&mut self, now: Time, op: &Op, pages: Pages, piece: Piece<D>, out: &mut Vec<Output<D>>) {
        if op.cancelled {
            return;
        }
        let Waiter { client, access, trace, .. } = op.waiter;
        if let Piece::Error(code) = piece {
            return self.refuse(op.waiter, pages, code, out);
        }
        self.answered(client, pages.len());
        let write = access.contains(Prot::WRITE);
        let lock = if write { Prot::empty() } else { Prot::WRITE };
        if self.writable {
            self.cells.change(pages, |_, cell| hold(cell, client, write));
            self.granted(now, pages);
        }
        out.push(match piece {
            Piece::Data(data) => Output::Supply { client, pages, data, lock, trace },
            _ => Output::Unavailable { client, pages, lock, trace },
        });
    }

    /// Ends an operation's hold on its pages and serves who waited for them.
    pub(crate) fn release(&mut self, now: Time, pages: Pages, out: &mut Vec<Output<D>>) {
        self.cells.change(pages, |_, cell| cell.busy = None);
        self.pump(now, pages, out);
        self.cells.join(pages);
    }

    /// The next time at which [`Directory::on_timer`] has something to do.
    pub fn next_timer(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// What is due: recalls whose pages were held long enough, and kernels that let a lock request pass its deadline.
    ///
    /// Source: [pager.recall.4], [pager.recall.5].
    pub fn on_timer(&mut self, now: Time, out: &mut Vec<Output<D>>) {
        while let Some(&(at, ticket)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, ticket));
            match self.ops.get(&ticket).map(|op| op.phase.clone()) {
                Some(Phase::Hold { .. }) => {
                    let Some(op) = self.end_op(ticket) else { continue };
                    self.cells.change(op.pages, |_, cell| cell.busy = None);
                    self.resume(now, op, out);
                }
                Some(Phase::Recall { pending, .. }) => {
                    for client in pending {
                        out.push(Output::Destroy { client, reason: KernReturn::TimedOut });
                        self.client_gone(now, client, out);
                    }
                }
                Some(Phase::Read) | None => {}
            }
        }
    }

    /// Goes on with an operation after its hold, with the holders as they are now.
    fn resume(&mut self, now: Time, op: Op, out: &mut Vec<Output<D>>) {
        let holders: Vec<(Pages, Plan)> =
            self.cells.overlapping(op.pages).map(|(run, cell)| (run, Plan::new(cell, op.waiter))).collect();
        for (run, plan) in holders {
            self.begin(now, run.intersect(op.pages), now, plan, out);
        }
        self.pump(now, op.pages, out);
        self.cells.join(op.pages);
    }

    /// Ends what was being done for, or awaited from, a kernel that is gone.
    pub(crate) fn forsake(&mut self, now: Time, client: ClientId, out: &mut Vec<Output<D>>) {
        let tickets: Vec<Ticket> = self.ops.keys().copied().collect();
        for ticket in tickets {
            let Some(op) = self.ops.get_mut(&ticket) else { continue };
            op.cancelled |= op.waiter.client == client;
            match &mut op.phase {
                Phase::Hold { .. } if op.cancelled => {
                    if let Some(op) = self.end_op(ticket) {
                        self.release(now, op.pages, out);
                    }
                }
                Phase::Recall { pending, .. } if pending.contains(&client) => {
                    pending.retain(|c| *c != client);
                    if pending.is_empty() {
                        self.recalled(now, ticket, out);
                    }
                }
                _ => {}
            }
        }
    }

    /// Makes `pages` busy with a new operation.
    fn add_op(&mut self, pages: Pages, waiter: Waiter, phase: Phase) -> Ticket {
        let ticket = Ticket(self.ops.last_key_value().map_or(0, |(t, _)| t.0 + 1));
        self.ops.insert(ticket, Op { pages, waiter, phase, cancelled: false });
        if self.writable {
            self.cells.change(pages, |_, cell| cell.busy = Some(ticket));
        }
        ticket
    }

    fn end_op(&mut self, ticket: Ticket) -> Option<Op> {
        let op = self.ops.remove(&ticket)?;
        match op.phase {
            Phase::Hold { until: at, .. } | Phase::Recall { deadline: at, .. } => self.timers.remove(&(at, ticket)),
            Phase::Read => false,
        };
        Some(op)
    }

    /// Remembers a grant for as long as it is to be held. Beyond the bound the oldest are forgotten, which costs a thread
    /// its turn at worst.
    fn granted(&mut self, now: Time, pages: Pages) {
        let hold_ns = self.config.hold_ns;
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| self.recent.len() >= RECENT_GRANTS_MAX || at.after(hold_ns) <= now)
        {
            self.recent.pop_front();
        }
        if hold_ns > 0 {
            self.recent.push_back((now, pages));
        }
    }

    /// Until when the last grant of a page of `pages` is to be held; a time that is past when there is none.
    fn held_until(&self, now: Time, pages: Pages) -> Time {
        let last = self.recent.iter().rev().find(|(_, granted)| !granted.intersect(pages).is_empty());
        last.map_or(now, |(at, _)| at.after(self.config.hold_ns))
    }

    fn holds_any(&self, pages: Pages, client: ClientId) -> bool {
        self.cells.overlapping(pages).any(|(_, cell)| cell.holds(client))
    }
}

/// Faults that the tests plant, to see that the model checker finds them. Never there in a build for use.
impl<D> Directory<D> {
    #[cfg(test)]
    fn planted_grants_without_recall(&self) -> bool {
        self.fault == crate::model::Fault::GrantsWithoutRecall
    }

    #[cfg(test)]
    fn planted_answers_stale_unlock(&self) -> bool {
        self.fault == crate::model::Fault::AnswersStaleUnlock
    }

    #[cfg(test)]
    fn planted_reads_around_writes(&self) -> bool {
        self.fault == crate::model::Fault::ReadsAroundWrites
    }

    #[cfg(not(test))]
    const fn planted_grants_without_recall(&self) -> bool {
        false
    }

    #[cfg(not(test))]
    const fn planted_answers_stale_unlock(&self) -> bool {
        false
    }

    #[cfg(not(test))]
    const fn planted_reads_around_writes(&self) -> bool {
        false
    }
}

/// Grants that are remembered as recent.
const RECENT_GRANTS_MAX: usize = 256;

/// Whether the lock requests that serve `waiter` take pages away, rather than only the right to write them.
fn flushes(waiter: &Waiter) -> bool {
    waiter.client == PAGER || waiter.access.contains(Prot::WRITE)
}

/// Notes that `client` may have a copy now.
fn hold(cell: &mut Cell, client: ClientId, writes: bool) {
    if writes {
        cell.writer = Some(client);
        cell.readers.clear();
    } else {
        cell.drop_holder(client);
        cell.add_reader(client);
    }
}
