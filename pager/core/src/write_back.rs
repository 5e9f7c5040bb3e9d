//! Bytes that kernels returned, from their arrival until the store has taken them.
//!
//! Invariants:
//! 1. What is kept of a page is the newest that was returned; reads are answered from it.
//! 2. No two writes under way overlap, so an older one can never land on a newer one.
//! 3. Bytes whose write failed stay until a later write of them succeeds, or newer ones take their place.
//! 4. A synchronize waits for exactly what was returned before it, and answers an error if any of that is not written.
//! 5. A page is kept until a write of it has succeeded, and failing from a failed write of it until then: whether a write
//!    of it is under way makes no difference.
//!
//! Rules: [pager.write.*], [pager.sync.*] of docs/spec/pager.md.

use std::collections::BTreeMap;

use proto::limits::SYNCHRONIZES_MAX;
use proto::{KernReturn, TraceId};

use crate::runs::{Cut, Runs};
use crate::{Bulk, ClientId, Output, Pages, Ticket};

/// What is returned and not yet known to be written, and who waits for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WriteBack<D> {
    kept: Runs<Kept<D>>,
    /// Pages of which the last write that ended failed, and how many they are.
    failing: Runs<Failing>,
    failed_pages: u64,
    flying: Runs<Flight>,
    flights: BTreeMap<Ticket, Pages>,
    /// Counts returns; starts over when nothing is kept.
    last_return: u64,
    /// Synchronizes that wait for writes.
    waiting: Vec<Synchronize>,
    /// Synchronizes whose writes are done, for the next sync of the store.
    ready: Vec<Synchronize>,
    syncing: Option<Vec<Synchronize>>,
}

impl<D> Default for WriteBack<D> {
    fn default() -> Self {
        WriteBack {
            kept: Runs::default(),
            failing: Runs::default(),
            failed_pages: 0,
            flying: Runs::default(),
            flights: BTreeMap::new(),
            last_return: 0,
            waiting: Vec::new(),
            ready: Vec::new(),
            syncing: None,
        }
    }
}

/// Kept bytes of one run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Kept<D> {
    data: D,
    /// The run begins this many pages into `data`.
    skip: u64,
    state: State,
    /// The oldest return that these bytes stand for and that is not written.
    oldest: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    /// Awaits the end of an older write of a page of it.
    Waiting,
    Flying(Ticket),
    /// Awaits another try.
    Failed(KernReturn),
}

impl<D: Clone> Cut for Kept<D> {
    fn cut(&mut self, at: u64) -> Self {
        Kept { skip: self.skip + at, ..self.clone() }
    }
}

/// A write under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Flight {
    oldest: u64,
}

impl Cut for Flight {
    fn cut(&mut self, _at: u64) -> Self {
        self.clone()
    }
}

/// Says of a page that it is failing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Failing;

impl Cut for Failing {
    fn cut(&mut self, _at: u64) -> Self {
        Failing
    }
}

/// A `memory_object_synchronize` that is not answered yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Synchronize {
    /// Who asked.
    pub client: ClientId,
    /// The range as it was asked for. Units: bytes.
    pub offset: u64,
    /// Units: bytes.
    pub length: u64,
    /// The pages of it.
    pub pages: Pages,
    /// The activity it belongs to.
    pub trace: TraceId,
    /// The last return before it.
    pub upto: u64,
    /// Whether what is written has to be durable, too.
    pub durable: bool,
}

impl Synchronize {
    fn completed<D>(&self, result: KernReturn) -> Output<D> {
        let &Synchronize { client, offset, length, trace, .. } = self;
        Output::SynchronizeCompleted { client, offset, length, result, trace }
    }
}

impl<D: Bulk> WriteBack<D> {
    /// Pages of which a write failed and none has succeeded since.
    pub fn failed_pages(&self) -> u64 {
        self.failed_pages
    }

    /// Pages that were returned and of which no write has succeeded since.
    pub fn kept_pages(&self) -> u64 {
        self.kept.iter().map(|(run, _)| run.len()).sum()
    }

    /// Whether a write is under way.
    pub fn is_writing(&self) -> bool {
        !self.flights.is_empty()
    }

    /// Whether nothing is kept, being written or being waited for.
    pub fn is_idle(&self) -> bool {
        self.kept.is_empty()
            && self.flights.is_empty()
            && self.waiting.is_empty()
            && self.ready.is_empty()
            && self.syncing.is_none()
    }

    /// The kept bytes of `pages`, run by run.
    pub fn lookup(&self, pages: Pages) -> impl Iterator<Item = (Pages, D)> {
        self.kept.overlapping(pages).map(move |(run, kept)| {
            let part = run.intersect(pages);
            (part, kept.data.part(kept.skip + part.start - run.start, part.len()))
        })
    }

    /// Takes over returned bytes; the write begins at once unless an older one of a page is under way.
    pub fn keep(&mut self, pages: Pages, data: D, out: &mut Vec<Output<D>>) {
        if self.is_idle() {
            self.last_return = 0;
        }
        self.last_return += 1;
        let mut oldest = self.last_return;
        for (_, old) in self.kept.remove(pages) {
            match old.state {
                State::Flying(_) => {}
                State::Waiting | State::Failed(_) => oldest = oldest.min(old.oldest),
            }
        }
        self.kept.set(pages, Kept { data, skip: 0, state: State::Waiting, oldest });
        self.launch(pages, out);
    }

    /// The result of a write. A ticket that is not under way is ignored.
    pub fn write_done(&mut self, ticket: Ticket, result: Result<(), KernReturn>, out: &mut Vec<Output<D>>) {
        let Some(pages) = self.flights.remove(&ticket) else { return };
        let oldest = self.flying.remove(pages).iter().map(|(_, f)| f.oldest).min().unwrap_or(0);
        self.note(pages, result.is_err());
        for (run, mut kept) in self.kept.remove(pages) {
            match (kept.state, result) {
                (State::Flying(t), Ok(())) if t == ticket => continue,
                (State::Flying(t), Err(code)) if t == ticket => kept.state = State::Failed(code),
                // Newer bytes: if the older ones did not get there, a synchronize that waits for those waits for these.
                (_, Err(_)) => kept.oldest = kept.oldest.min(oldest),
                _ => {}
            }
            self.kept.set(run, kept);
        }
        self.launch(pages, out);
        self.advance(out);
    }

    /// Tries the failed writes of `pages` again.
    pub fn retry(&mut self, pages: Pages, out: &mut Vec<Output<D>>) {
        let mut any = false;
        self.kept.change(pages, |_, kept| {
            if matches!(kept.state, State::Failed(_)) {
                kept.state = State::Waiting;
                any = true;
            }
        });
        if any {
            self.launch(pages, out);
        }
    }

    /// Answers `ask` when everything returned before it is written, and durable if it wants that, or with the reason why
    /// it is not. Failed writes of its pages are tried again first.
    pub fn synchronize(&mut self, mut ask: Synchronize, out: &mut Vec<Output<D>>) {
        let under_way = self.waiting.len() + self.ready.len() + self.syncing.as_ref().map_or(0, Vec::len);
        if under_way >= SYNCHRONIZES_MAX {
            out.push(ask.completed(KernReturn::ResourceShortage));
            return;
        }
        self.retry(ask.pages, out);
        ask.upto = self.last_return;
        self.waiting.push(ask);
        self.advance(out);
    }

    /// The result of a sync of the store.
    pub fn sync_done(&mut self, result: Result<(), KernReturn>, out: &mut Vec<Output<D>>) {
        let result = result.err().unwrap_or(KernReturn::Success);
        for ask in self.syncing.take().unwrap_or_default() {
            out.push(ask.completed(result));
        }
        self.advance(out);
    }

    /// Forgets what a kernel that is gone waits for.
    pub fn client_gone(&mut self, client: ClientId) {
        self.waiting.retain(|ask| ask.client != client);
        self.ready.retain(|ask| ask.client != client);
        if let Some(asks) = &mut self.syncing {
            asks.retain(|ask| ask.client != client);
        }
    }

    /// Notes whether the last write of `pages` failed.
    fn note(&mut self, pages: Pages, failed: bool) {
        self.failed_pages -= self.failing.remove(pages).iter().map(|(run, _)| run.len()).sum::<u64>();
        if failed {
            self.failing.set(pages, Failing);
            self.failed_pages += pages.len();
        }
    }

    /// Begins the writes in and beside `pages` that wait for no other. Beside: what is left of a run that was cut there
    /// may have waited for the part that is gone.
    fn launch(&mut self, pages: Pages, out: &mut Vec<Output<D>>) {
        let pages = Pages::new(pages.start.saturating_sub(1), pages.end.saturating_add(1));
        let waiting = self.kept.overlapping(pages).filter(|(_, kept)| kept.state == State::Waiting);
        let free = waiting.filter(|(run, _)| self.flying.overlapping(*run).next().is_none());
        let free: Vec<Pages> = free.map(|(run, _)| run).collect();
        for run in free {
            let ticket = Ticket(self.flights.last_key_value().map_or(0, |(t, _)| t.0 + 1));
            self.kept.change(run, |_, kept| {
                kept.state = State::Flying(ticket);
                self.flights.insert(ticket, run);
                self.flying.set(run, Flight { oldest: kept.oldest });
                out.push(Output::Write { ticket, pages: run, data: kept.data.part(kept.skip, run.len()) });
            });
        }
    }

    /// Moves the synchronizes on whose writes are done.
    fn advance(&mut self, out: &mut Vec<Output<D>>) {
        for ask in std::mem::take(&mut self.waiting) {
            let flying = self.flying.overlapping(ask.pages).any(|(_, f)| f.oldest <= ask.upto);
            let mine = self.kept.overlapping(ask.pages).filter(|(_, kept)| kept.oldest <= ask.upto);
            let states: Vec<State> = mine.map(|(_, kept)| kept.state).collect();
            let failed = states.iter().find_map(|s| if let State::Failed(code) = s { Some(*code) } else { None });
            match failed {
                _ if flying || states.contains(&State::Waiting) => self.waiting.push(ask),
                Some(code) => out.push(ask.completed(code)),
                None if !ask.durable => out.push(ask.completed(KernReturn::Success)),
                None => self.ready.push(ask),
            }
        }
        if self.syncing.is_none() && !self.ready.is_empty() {
            self.syncing = Some(std::mem::take(&mut self.ready));
            out.push(Output::Sync { ticket: Ticket(0) });
        }
    }

    /// Panics unless the invariants above hold.
    pub fn check(&self) {
        let failing = || self.failing.iter().map(|(run, _)| run);
        assert_eq!(failing().map(|run| run.len()).sum::<u64>(), self.failed_pages, "count of failed pages");
        failing().for_each(|run| assert!(self.kept.gaps(run).is_empty(), "failed, and not kept: {run:?}"));
        let flying: u64 = self.flying.iter().map(|(run, _)| run.len()).sum();
        assert_eq!(self.flights.values().map(|p| p.len()).sum::<u64>(), flying, "writes overlap");
        for (run, kept) in self.kept.iter() {
            match kept.state {
                State::Waiting => assert!(self.flying.overlapping(run).next().is_some(), "waits for nothing: {run:?}"),
                State::Flying(t) => assert!(self.flights.get(&t).is_some_and(|p| p.intersect(run) == run)),
                State::Failed(_) => assert!(self.failing.gaps(run).is_empty(), "not counted as failed: {run:?}"),
            }
        }
        assert!(self.waiting.is_empty() || !self.flights.is_empty(), "a synchronize waits for nothing");
        assert!(self.ready.is_empty() || self.syncing.is_some(), "a sync is due and not begun");
    }
}
