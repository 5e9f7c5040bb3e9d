//! The directory model-checked: three kernels, one page, two writers.
//!
//! Each kernel follows the kernel's side of the protocol (mach-api §3.5): one data_request to a page at a time, one
//! data_unlock to a lock, lock requests in order, pages returned or dropped at any moment, and in one configuration
//! the death of a kernel at any moment with any part of its messages lost. Messages between a kernel and the pager keep
//! their order each way; everything else interleaves as it likes, and the store answers when it likes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use proto::{KernReturn, PAGE_SIZE, Prot, TraceId};
use stateright::{Checker, Model, Property};

use crate::{Bulk, ClientId, Config, Directory, Lock, Output, Pages, Piece, Ticket, Time};

/// A mistake put into the directory on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Fault {
    #[default]
    None,
    /// Grants at once, without taking the page back from those who hold it.
    GrantsWithoutRecall,
    /// Answers a data_unlock whose copy was taken back with a supply that nobody asked for.
    AnswersStaleUnlock,
    /// Reads the store while newer bytes are on their way to it.
    ReadsAroundWrites,
}

/// A page's contents in a model: the number of the write that made it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Value(pub u8);

impl Bulk for Value {
    fn part(&self, _first: u64, _pages: u64) -> Value {
        self.clone()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Access {
    R,
    W,
}

use Access::{R, W};

impl Access {
    fn prot(self) -> Prot {
        if self == W { Prot::READ | Prot::WRITE } else { Prot::READ }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Copy {
    value: u8,
    writable: bool,
    dirty: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Kernel {
    alive: bool,
    page: Option<Copy>,
    /// A data_request is out.
    asked: bool,
    /// A data_unlock is out.
    unlocking: bool,
    /// Accesses that its thread has done.
    done: usize,
    /// Accesses that ended in a memory error.
    errors: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum ToPager {
    Request(Access),
    Unlock(Access),
    Return { value: u8, kernel_copy: bool },
    Completed,
    Died,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    directory: Directory<Value>,
    store: u8,
    reads: BTreeSet<Ticket>,
    writes: BTreeMap<Ticket, u8>,
    kernels: Vec<Kernel>,
    to_pager: Vec<VecDeque<ToPager>>,
    to_kernel: Vec<VecDeque<Output<Value>>>,
    /// The last value that anyone wrote and that was not lost with its writer.
    latest: u8,
    /// Writes so far.
    written: u8,
    page_outs: u8,
    failures: u8,
    crashed: bool,
    /// The directory said that a kernel misbehaved, and these do not.
    misbehaved: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Touch(usize),
    /// Gives the page up: returned if dirty, silently if clean.
    PageOut(usize),
    /// Cleans the page and keeps it.
    Clean(usize),
    ToPager(usize),
    /// A lock_completed arrives before what was sent ahead of it.
    Overtake(usize),
    ToKernel(usize),
    ReadDone(Ticket),
    WriteDone(Ticket),
    WriteFails(Ticket),
    /// Dies; the pager still gets the first `kept` messages that are under way.
    Crash(usize, usize),
}

struct Dsm {
    fault: Fault,
    scripts: Vec<Vec<Access>>,
    page_outs: u8,
    failures: u8,
    crash: Option<usize>,
    /// The network lets lock_completed overtake: what the directory must not be given.
    overtaking: bool,
}

impl Dsm {
    fn new(scripts: &[&[Access]]) -> Dsm {
        let scripts = scripts.iter().map(|s| s.to_vec()).collect();
        Dsm { fault: Fault::None, scripts, page_outs: 0, failures: 0, crash: None, overtaking: false }
    }

    fn finished(&self, s: &State, k: usize) -> bool {
        !s.kernels[k].alive || s.kernels[k].done == self.scripts[k].len()
    }

    fn can_touch(&self, s: &State, k: usize) -> bool {
        let kernel = &s.kernels[k];
        !self.finished(s, k)
            && match &kernel.page {
                None => !kernel.asked,
                Some(page) => page.writable || self.scripts[k][kernel.done] == R || !kernel.unlocking,
            }
    }

    fn touch(&self, s: &mut State, k: usize) {
        let access = self.scripts[k][s.kernels[k].done];
        let kernel = &mut s.kernels[k];
        match &mut kernel.page {
            None => {
                kernel.asked = true;
                s.to_pager[k].push_back(ToPager::Request(access));
            }
            Some(page) if access == W && !page.writable => {
                kernel.unlocking = true;
                s.to_pager[k].push_back(ToPager::Unlock(access));
            }
            Some(page) => {
                kernel.done += 1;
                if access == W {
                    s.written += 1;
                    s.latest = s.written;
                    *page = Copy { value: s.written, writable: true, dirty: true };
                }
            }
        }
    }

    fn give_up(s: &mut State, k: usize, kernel_copy: bool) {
        let Some(page) = &mut s.kernels[k].page else { return };
        if page.dirty {
            s.to_pager[k].push_back(ToPager::Return { value: page.value, kernel_copy });
            page.dirty = false;
        }
        if !kernel_copy {
            s.kernels[k].page = None;
            s.kernels[k].unlocking = false;
        }
    }

    fn to_pager(s: &mut State, k: usize, message: ToPager) {
        let (client, now, trace) = (ClientId(k as u32), Time(0), TraceId(0));
        let mut out = Vec::new();
        let d = &mut s.directory;
        match message {
            ToPager::Request(a) => d.data_request(now, client, 0, PAGE_SIZE, a.prot(), trace, &mut out),
            ToPager::Unlock(a) => d.data_unlock(now, client, 0, PAGE_SIZE, a.prot(), trace, &mut out),
            ToPager::Completed => d.lock_completed(now, client, 0, PAGE_SIZE, &mut out),
            ToPager::Died => d.client_gone(now, client, &mut out),
            ToPager::Return { value, kernel_copy } => {
                d.data_return(client, 0, PAGE_SIZE, Value(value), true, kernel_copy, &mut out);
            }
        }
        Self::carry_out(s, out);
    }

    fn to_kernel(s: &mut State, k: usize, message: Output<Value>) {
        let kernel = &mut s.kernels[k];
        if !kernel.alive {
            return;
        }
        match message {
            Output::Supply { data, lock, .. } => {
                kernel.asked = false;
                if kernel.page.is_none() {
                    let writable = !lock.contains(Prot::WRITE);
                    kernel.page = Some(Copy { value: data.0, writable, dirty: false });
                    kernel.unlocking = false;
                }
            }
            Output::LockRequest { flush, lock, reply, .. } => {
                kernel.unlocking = false;
                match (flush, lock, &mut kernel.page) {
                    (true, ..) => Self::give_up(s, k, false),
                    (false, Lock::Prohibit(lock), Some(page)) => {
                        page.writable = !lock.contains(Prot::WRITE);
                        if !page.writable {
                            Self::give_up(s, k, true);
                        }
                    }
                    _ => {}
                }
                if reply {
                    s.to_pager[k].push_back(ToPager::Completed);
                }
            }
            Output::Error { .. } => {
                kernel.asked = false;
                kernel.unlocking = false;
                kernel.done += 1;
                kernel.errors += 1;
            }
            other => panic!("not for a kernel: {other:?}"),
        }
    }

    fn carry_out(s: &mut State, out: Vec<Output<Value>>) {
        for output in out {
            match &output {
                Output::Read { ticket, .. } => assert!(s.reads.insert(*ticket)),
                Output::Write { ticket, data, .. } => assert!(s.writes.insert(*ticket, data.0).is_none()),
                Output::Supply { client, .. } | Output::LockRequest { client, .. } | Output::Error { client, .. } => {
                    s.to_kernel[client.0 as usize].push_back(output);
                }
                Output::Ready { .. } => {}
                Output::Misbehaved { .. } => s.misbehaved = true,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// The pager's version of the page: what was returned last, or what the store has.
    fn returned(s: &State) -> u8 {
        s.directory.back.lookup(Pages::new(0, 1)).next().map_or(s.store, |(_, v)| v.0)
    }

    fn crash(s: &mut State, k: usize, kept: usize) {
        let owned = s.kernels[k].page.as_ref().is_some_and(|p| p.dirty);
        let lost = s.to_pager[k].split_off(kept);
        let lost_return = lost.iter().any(|m| matches!(m, ToPager::Return { .. }));
        if owned || lost_return {
            let kept = s.to_pager[k].iter().rev().find_map(|m| match m {
                ToPager::Return { value, .. } => Some(*value),
                _ => None,
            });
            s.latest = kept.unwrap_or(Self::returned(s));
        }
        s.to_pager[k].push_back(ToPager::Died);
        s.to_kernel[k].clear();
        s.kernels[k].alive = false;
        s.kernels[k].page = None;
        s.crashed = true;
    }

    /// Nothing is under way.
    fn quiet(s: &State) -> bool {
        s.to_pager.iter().all(VecDeque::is_empty)
            && s.to_kernel.iter().all(VecDeque::is_empty)
            && s.reads.is_empty()
            && s.writes.is_empty()
    }
}

impl Model for Dsm {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let n = self.scripts.len();
        let mut directory = Directory::new(PAGE_SIZE, true, Config { hold_ns: 0, ..Config::default() });
        directory.fault = self.fault;
        (0..n).for_each(|k| directory.init(ClientId(k as u32), &mut Vec::new()));
        let kernel = Kernel { alive: true, page: None, asked: false, unlocking: false, done: 0, errors: 0 };
        vec![State {
            directory,
            store: 0,
            reads: BTreeSet::new(),
            writes: BTreeMap::new(),
            kernels: vec![kernel; n],
            to_pager: vec![VecDeque::new(); n],
            to_kernel: vec![VecDeque::new(); n],
            latest: 0,
            written: 0,
            page_outs: 0,
            failures: 0,
            crashed: false,
            misbehaved: false,
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        for k in 0..s.kernels.len() {
            if self.can_touch(s, k) {
                actions.push(Action::Touch(k));
            }
            if let Some(page) = &s.kernels[k].page
                && s.page_outs < self.page_outs
            {
                actions.push(Action::PageOut(k));
                if page.dirty {
                    actions.push(Action::Clean(k));
                }
            }
            if !s.to_pager[k].is_empty() {
                actions.push(Action::ToPager(k));
            }
            if self.overtaking && s.to_pager[k].len() > 1 && s.to_pager[k].back() == Some(&ToPager::Completed) {
                actions.push(Action::Overtake(k));
            }
            if !s.to_kernel[k].is_empty() {
                actions.push(Action::ToKernel(k));
            }
        }
        actions.extend(s.reads.iter().map(|t| Action::ReadDone(*t)));
        for &ticket in s.writes.keys() {
            actions.push(Action::WriteDone(ticket));
            if s.failures < self.failures {
                actions.push(Action::WriteFails(ticket));
            }
        }
        if let Some(k) = self.crash.filter(|_| !s.crashed) {
            actions.extend((0..=s.to_pager[k].len()).map(|kept| Action::Crash(k, kept)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        let mut out = Vec::new();
        match action {
            Action::Touch(k) => self.touch(&mut s, k),
            Action::PageOut(k) | Action::Clean(k) => {
                s.page_outs += 1;
                Self::give_up(&mut s, k, action == Action::Clean(k));
            }
            Action::ToPager(k) => {
                let message = s.to_pager[k].pop_front()?;
                Self::to_pager(&mut s, k, message);
            }
            Action::Overtake(k) => {
                let message = s.to_pager[k].pop_back()?;
                Self::to_pager(&mut s, k, message);
            }
            Action::ToKernel(k) => {
                let message = s.to_kernel[k].pop_front()?;
                Self::to_kernel(&mut s, k, message);
            }
            Action::ReadDone(ticket) => {
                s.reads.remove(&ticket);
                let piece = (Pages::new(0, 1), Piece::Data(Value(s.store)));
                s.directory.read_done(Time(0), ticket, [piece], &mut out);
            }
            Action::WriteDone(ticket) => {
                s.store = s.writes.remove(&ticket)?;
                s.directory.write_done(ticket, Ok(()), &mut out);
            }
            Action::WriteFails(ticket) => {
                s.failures += 1;
                s.writes.remove(&ticket)?;
                s.directory.write_done(ticket, Err(KernReturn::ResourceShortage), &mut out);
            }
            Action::Crash(k, kept) => Self::crash(&mut s, k, kept),
        }
        Self::carry_out(&mut s, out);
        if self.fault == Fault::None {
            s.directory.check();
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one writer, and no copy beside it", |_, s: &State| {
                let copies = || s.kernels.iter().filter_map(|k| k.page.as_ref());
                !copies().any(|p| p.writable) || copies().count() == 1
            }),
            Property::always("every copy is what was written last", |_, s: &State| {
                s.kernels.iter().filter_map(|k| k.page.as_ref()).all(|p| p.value == s.latest)
            }),
            Property::always("what was returned is not lost", |_, s: &State| {
                let dirty = s.kernels.iter().any(|k| k.page.as_ref().is_some_and(|p| p.dirty));
                dirty || !Dsm::quiet(s) || Dsm::returned(s) == s.latest
            }),
            Property::always("nobody waits when nothing is under way", |m: &Dsm, s: &State| {
                !Dsm::quiet(s) || (0..s.kernels.len()).all(|k| m.finished(s, k) || m.can_touch(s, k))
            }),
            Property::always("who has a copy is in the directory", |_, s: &State| {
                let (writer, readers) = s.directory.holders(0);
                s.kernels.iter().enumerate().all(|(k, kernel)| match &kernel.page {
                    Some(p) if p.writable => writer == Some(ClientId(k as u32)),
                    Some(_) => writer == Some(ClientId(k as u32)) || readers.contains(&ClientId(k as u32)),
                    None => true,
                })
            }),
            Property::always("nobody is blamed", |_, s: &State| !s.misbehaved),
            Property::always("no memory errors", |_, s: &State| s.kernels.iter().all(|k| k.errors == 0)),
            Property::sometimes("everyone is served", |m: &Dsm, s: &State| {
                (0..s.kernels.len()).all(|k| m.finished(s, k)) && Dsm::quiet(s)
            }),
        ]
    }
}

/// Checks every reachable state; returns their number and the properties that fail, each with the way there.
fn explore(model: Dsm) -> (usize, BTreeMap<&'static str, String>) {
    let checker = model.checker().spawn_bfs().join();
    let mut failed: BTreeMap<&'static str, String> = BTreeMap::new();
    for (name, path) in checker.discoveries() {
        failed.insert(name, format!("{:?}", path.into_actions()));
    }
    if failed.remove("everyone is served").is_none() {
        failed.insert("everyone is served", "never".into());
    }
    (checker.unique_state_count(), failed)
}

/// From every reachable state there is a way on to one in which everyone is served: no circle of messages without an
/// exit. Returns the number of states.
fn explore_exits(model: &Dsm) -> Result<usize, String> {
    let mut ids: HashMap<State, usize> = HashMap::new();
    let mut states: Vec<State> = Vec::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    for init in model.init_states() {
        ids.insert(init.clone(), 0);
        states.push(init);
        before.push(Vec::new());
    }
    let mut at = 0;
    while at < states.len() {
        for (_, next) in model.next_steps(&states[at]) {
            let id = *ids.entry(next.clone()).or_insert(states.len());
            if id == states.len() {
                states.push(next);
                before.push(Vec::new());
            }
            before[id].push(at);
        }
        at += 1;
    }
    let served = |s: &State| Dsm::quiet(s) && (0..s.kernels.len()).all(|k| model.finished(s, k));
    let mut good = vec![false; states.len()];
    let mut queue: Vec<usize> = (0..states.len()).filter(|i| served(&states[*i])).collect();
    while let Some(i) = queue.pop() {
        if !std::mem::replace(&mut good[i], true) {
            queue.extend(&before[i]);
        }
    }
    match good.iter().position(|g| !g) {
        Some(i) => Err(format!("no way on from {:#?}", states[i])),
        None => Ok(states.len()),
    }
}

fn passes(name: &str, model: Dsm) {
    let began = std::time::Instant::now();
    let (states, failed) = explore(model);
    println!("{name}: {states} states in {:.1?}", began.elapsed());
    assert!(failed.is_empty(), "{name}: {failed:#?}");
}

fn fails(model: Dsm, property: &str) {
    let (states, failed) = explore(model);
    println!("planted fault found in {states} states: {failed:#?}");
    assert!(failed.contains_key(property), "not found: {property}");
}

#[test]
fn model_three_kernels_two_writers() {
    passes("two writers and a reader", Dsm::new(&[&[R, W, R, W], &[W, R, W], &[R, R]]));
}

#[test]
fn model_pages_given_up_at_any_moment() {
    passes("page-outs", Dsm { page_outs: 2, ..Dsm::new(&[&[R, W, R], &[W, R], &[R]]) });
}

#[test]
fn model_one_kernel_dies() {
    passes("a writer dies", Dsm { crash: Some(0), page_outs: 1, ..Dsm::new(&[&[R, W], &[R, W], &[R]]) });
    passes("a reader dies", Dsm { crash: Some(2), page_outs: 1, ..Dsm::new(&[&[W], &[R, W], &[R]]) });
}

#[test]
fn model_writes_fail() {
    passes("failing writes", Dsm { failures: 2, page_outs: 1, ..Dsm::new(&[&[W, W], &[R, W], &[R]]) });
}

#[test]
fn model_there_is_always_a_way_on() {
    let model = Dsm { page_outs: 1, ..Dsm::new(&[&[R, W, W], &[W, R], &[R]]) };
    let states = explore_exits(&model).unwrap_or_else(|why| panic!("{why}"));
    println!("a way on: {states} states");
}

#[test]
fn model_finds_a_grant_without_recall() {
    fails(
        Dsm { fault: Fault::GrantsWithoutRecall, ..Dsm::new(&[&[R, W], &[W, R], &[R]]) },
        "one writer, and no copy beside it",
    );
}

#[test]
fn model_finds_an_answered_stale_unlock() {
    fails(
        Dsm { fault: Fault::AnswersStaleUnlock, page_outs: 2, ..Dsm::new(&[&[R, W, R], &[W], &[]]) },
        "every copy is what was written last",
    );
}

#[test]
fn model_finds_reads_around_writes() {
    fails(
        Dsm { fault: Fault::ReadsAroundWrites, ..Dsm::new(&[&[W], &[R], &[]]) },
        "every copy is what was written last",
    );
}

/// Why the right to answer a lock request is a send right to the object's port: with a line of its own an answer could
/// overtake the pages that were returned before it.
#[test]
fn model_finds_an_answer_that_overtakes_its_pages() {
    fails(Dsm { overtaking: true, ..Dsm::new(&[&[W], &[R], &[]]) }, "what was returned is not lost");
    fails(Dsm { overtaking: true, ..Dsm::new(&[&[W], &[R], &[]]) }, "every copy is what was written last");
}
