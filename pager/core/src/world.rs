//! Kernels at work on an object of several pages: random ranges, messages in any order that the network allows.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use proto::{PAGE_SIZE, Prot, TraceId};

use crate::{Bulk, ClientId, Config, Directory, Lock, Output, Pages, Piece, Ticket, Time};

/// One number to a page.
impl Bulk for Vec<u16> {
    fn part(&self, first: u64, pages: u64) -> Self {
        self[first as usize..(first + pages) as usize].to_vec()
    }
}

const N: u64 = 12;
const KERNELS: usize = 4;
const READ: Prot = Prot::READ;
const RW: Prot = Prot::READ.union(Prot::WRITE);

#[derive(Clone, Debug, Default)]
struct Page {
    value: Option<u16>,
    writable: bool,
    dirty: bool,
    asked: bool,
    unlocking: bool,
    /// A thread waits to read (1) or write (2) it.
    wanted: u8,
}

#[derive(Clone, Debug)]
enum ToPager {
    Request(Pages, Prot),
    Unlock(Pages, Prot),
    Return(Pages, Vec<u16>, bool),
    Completed(Pages),
}

/// Kernels that keep to mach-api §3.5, with read-ahead, and a store that answers late.
struct World {
    directory: Directory<Vec<u16>>,
    store: Vec<u16>,
    latest: Vec<u16>,
    kernels: Vec<Vec<Page>>,
    to_pager: Vec<VecDeque<ToPager>>,
    to_kernel: Vec<VecDeque<Output<Vec<u16>>>>,
    reads: VecDeque<(Ticket, Pages)>,
    writes: VecDeque<(Ticket, Pages, Vec<u16>)>,
    written: u16,
}

impl World {
    fn new() -> World {
        let mut directory = Directory::new(N * PAGE_SIZE, true, Config { hold_ns: 0, ..Config::default() });
        (0..KERNELS).for_each(|k| directory.init(ClientId(k as u32), &mut Vec::new()));
        World {
            directory,
            // Pages divisible by 3 are holes.
            store: (0..N as u16).map(|p| if p % 3 == 0 { 0 } else { 1000 + p }).collect(),
            latest: (0..N as u16).map(|p| if p % 3 == 0 { 0 } else { 1000 + p }).collect(),
            kernels: vec![vec![Page::default(); N as usize]; KERNELS],
            to_pager: vec![VecDeque::new(); KERNELS],
            to_kernel: vec![VecDeque::new(); KERNELS],
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            written: 0,
        }
    }

    /// A thread of `k` touches a page; a fault asks for up to `ahead` more pages that are missing.
    fn touch(&mut self, k: usize, p: u64, write: bool, ahead: u64) {
        let kernel = &mut self.kernels[k];
        let page = &mut kernel[p as usize];
        page.wanted = page.wanted.max(1 + write as u8);
        let access = if page.wanted == 2 { RW } else { READ };
        match page.value {
            Some(value) if page.writable || page.wanted == 1 => {
                assert_eq!(value, self.latest[p as usize], "kernel {k} reads page {p}");
                if page.wanted == 2 {
                    self.written += 1;
                    self.latest[p as usize] = self.written;
                    *page = Page { value: Some(self.written), dirty: true, ..*page };
                }
                page.wanted = 0;
            }
            Some(_) if !page.unlocking => {
                page.unlocking = true;
                self.to_pager[k].push_back(ToPager::Unlock(Pages::new(p, p + 1), access));
            }
            None if !page.asked => {
                let free = |q: &u64| kernel[*q as usize].value.is_none() && !kernel[*q as usize].asked;
                let end = (p..N.min(p + 1 + ahead)).take_while(free).last().map_or(p + 1, |q| q + 1);
                (p..end).for_each(|q| kernel[q as usize].asked = true);
                self.to_pager[k].push_back(ToPager::Request(Pages::new(p, end), access));
            }
            _ => {}
        }
    }

    /// Gives `pages` up, or only their changes; the dirty ones go back in runs.
    fn give_up(&mut self, k: usize, pages: Pages, keep: bool) {
        let mut run: Option<(Pages, Vec<u16>)> = None;
        for p in pages.start..=pages.end {
            let page = (p < pages.end).then(|| &mut self.kernels[k][p as usize]);
            let dirty = page.as_ref().and_then(|page| page.value.filter(|_| page.dirty));
            match (&mut run, dirty) {
                (Some((range, data)), Some(value)) => {
                    range.end += 1;
                    data.push(value);
                }
                (None, Some(value)) => run = Some((Pages::new(p, p + 1), vec![value])),
                (Some(_), None) => {
                    let (range, data) = run.take().unwrap();
                    self.to_pager[k].push_back(ToPager::Return(range, data, keep));
                }
                (None, None) => {}
            }
            if let Some(page) = page {
                page.dirty = false;
                if !keep {
                    page.value = None;
                    page.unlocking = false;
                    page.writable = false;
                }
            }
        }
    }

    fn pager_takes(&mut self, k: usize) -> bool {
        let Some(message) = self.to_pager[k].pop_front() else { return false };
        let (client, now, trace, mut out) = (ClientId(k as u32), Time(0), TraceId(0), Vec::new());
        let d = &mut self.directory;
        match message {
            ToPager::Request(p, a) => d.data_request(now, client, p.offset(), p.bytes(), a, trace, &mut out),
            ToPager::Unlock(p, a) => d.data_unlock(now, client, p.offset(), p.bytes(), a, trace, &mut out),
            ToPager::Return(p, data, keep) => {
                d.data_return(client, p.offset(), p.bytes(), data, true, keep, &mut out);
            }
            ToPager::Completed(p) => d.lock_completed(now, client, p.offset(), p.bytes(), &mut out),
        }
        self.carry_out(out);
        true
    }

    fn kernel_takes(&mut self, k: usize) -> bool {
        let Some(message) = self.to_kernel[k].pop_front() else { return false };
        match message {
            Output::Supply { pages, data, lock, .. } => self.fill(k, pages, &data, lock),
            Output::Unavailable { pages, lock, .. } => self.fill(k, pages, &vec![0; pages.len() as usize], lock),
            Output::LockRequest { pages, return_dirty, flush, lock, reply, .. } => {
                assert_eq!(return_dirty, reply);
                for p in pages.start..pages.end {
                    let page = &mut self.kernels[k][p as usize];
                    page.unlocking = false;
                    if let (Lock::Prohibit(lock), Some(_)) = (lock, page.value) {
                        page.writable = !lock.contains(Prot::WRITE);
                    }
                }
                if return_dirty {
                    self.give_up(k, pages, !flush);
                }
                if reply {
                    self.to_pager[k].push_back(ToPager::Completed(pages));
                }
            }
            other => panic!("not for a kernel: {other:?}"),
        }
        true
    }

    fn fill(&mut self, k: usize, pages: Pages, data: &[u16], lock: Prot) {
        for (p, value) in (pages.start..pages.end).zip(data) {
            let page = &mut self.kernels[k][p as usize];
            assert!(page.asked && page.value.is_none(), "kernel {k} did not ask for page {p}");
            let writable = !lock.contains(Prot::WRITE);
            *page = Page { value: Some(*value), writable, asked: false, unlocking: false, dirty: false, ..*page };
        }
    }

    fn store_reads(&mut self, which: usize) -> bool {
        if self.reads.is_empty() {
            return false;
        }
        let (ticket, pages) = self.reads.remove(which % self.reads.len()).unwrap();
        let piece = |p: u64| match self.store[p as usize] {
            0 => (Pages::new(p, p + 1), Piece::Hole),
            value => (Pages::new(p, p + 1), Piece::Data(vec![value])),
        };
        let pieces: Vec<_> = (pages.start..pages.end).map(piece).collect();
        let mut out = Vec::new();
        self.directory.read_done(Time(0), ticket, pieces, &mut out);
        self.carry_out(out);
        true
    }

    fn store_writes(&mut self, which: usize, fails: bool) -> bool {
        if self.writes.is_empty() {
            return false;
        }
        let (ticket, pages, data) = self.writes.remove(which % self.writes.len()).unwrap();
        let mut out = Vec::new();
        let result = if fails {
            Err(proto::KernReturn::ResourceShortage)
        } else {
            self.store[pages.start as usize..pages.end as usize].copy_from_slice(&data);
            Ok(())
        };
        self.directory.write_done(ticket, result, &mut out);
        self.carry_out(out);
        true
    }

    fn carry_out(&mut self, out: Vec<Output<Vec<u16>>>) {
        for output in out {
            match &output {
                Output::Read { ticket, pages } => self.reads.push_back((*ticket, *pages)),
                Output::Write { ticket, pages, data } => {
                    assert_eq!(data.len() as u64, pages.len());
                    self.writes.push_back((*ticket, *pages, data.clone()));
                }
                Output::Supply { client, .. } | Output::Unavailable { client, .. } => {
                    self.to_kernel[client.0 as usize].push_back(output);
                }
                Output::LockRequest { client, .. } if client.0 < KERNELS as u32 => {
                    self.to_kernel[client.0 as usize].push_back(output);
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        self.directory.check();
        self.check();
    }

    fn check(&self) {
        for p in 0..N as usize {
            let copies: Vec<usize> = (0..KERNELS).filter(|k| self.kernels[*k][p].value.is_some()).collect();
            let writers = copies.iter().filter(|k| self.kernels[**k][p].writable).count();
            assert!(writers == 0 || copies.len() == 1, "page {p}: a writer among {copies:?}");
            for k in copies {
                assert_eq!(self.kernels[k][p].value, Some(self.latest[p]), "kernel {k}, page {p}");
                let (writer, readers) = self.directory.holders(p as u64);
                let id = ClientId(k as u32);
                let writable = self.kernels[k][p].writable;
                assert!(writer == Some(id) || (!writable && readers.contains(&id)), "kernel {k}, page {p}");
            }
        }
    }

    /// One step of whoever `choice` says.
    fn step(&mut self, choice: u16) {
        let (what, rest) = (choice % 8, choice / 8);
        let k = rest as usize % KERNELS;
        let p = u64::from(rest) / KERNELS as u64 % N;
        match what {
            0 => self.touch(k, p, false, u64::from(rest / 100) % 6),
            1 => self.touch(k, p, true, u64::from(rest / 100) % 3),
            2 | 3 => _ = self.pager_takes(k),
            4 | 5 => _ = self.kernel_takes(k),
            6 if rest % 2 == 0 => _ = self.store_reads(p as usize),
            6 => _ = self.store_writes(p as usize, rest % 7 == 0),
            _ => self.give_up(k, Pages::new(p, N.min(p + 1 + p % 3)), rest % 3 == 0),
        }
    }

    /// Everything that is under way arrives, and everyone who waits touches the page as soon as it comes: a thread that
    /// did not get to use a page before it is taken back could go on asking for ever, which `Config::hold_ns` is for.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for k in 0..KERNELS {
                moved |= self.pager_takes(k) | self.kernel_takes(k);
                for p in 0..N {
                    if self.kernels[k][p as usize].wanted > 0 {
                        self.touch(k, p, false, 0);
                        moved = true;
                    }
                }
            }
            moved |= self.store_reads(0) | self.store_writes(0, false);
            if !moved {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

/// What a run of pages is told, page by page.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Said {
    Supply(ClientId, u16, Prot),
    Zero(ClientId, Prot),
    Error(ClientId, proto::KernReturn),
    Lock(ClientId, bool, bool, Lock, bool),
}

#[derive(Clone, Debug)]
enum Op {
    Request(u32, Pages, bool),
    Unlock(u32, Pages, bool),
    Return(u32, Pages, bool, bool),
    /// The kernel carries out the oldest lock request that it was sent, and has changes to return or not.
    Complete(u32, bool),
    Gone(u32),
    Write,
}

fn op() -> impl Strategy<Value = Op> {
    let pages = || (0..N, 1..N).prop_map(|(a, n)| Pages::new(a, N.min(a + n)));
    let client = || 0..3u32;
    prop_oneof![
        5 => (client(), pages(), any::<bool>()).prop_map(|(c, p, w)| Op::Request(c, p, w)),
        3 => (client(), pages(), any::<bool>()).prop_map(|(c, p, w)| Op::Unlock(c, p, w)),
        3 => (client(), pages(), any::<bool>(), any::<bool>()).prop_map(|(c, p, d, k)| Op::Return(c, p, d, k)),
        6 => (client(), any::<bool>()).prop_map(|(c, dirty)| Op::Complete(c, dirty)),
        1 => client().prop_map(Op::Gone),
        2 => Just(Op::Write),
    ]
}

/// A directory under test, beside one directory for each single page of the same object.
struct Twins {
    whole: Directory<Vec<u16>>,
    single: Vec<Directory<Vec<u16>>>,
    store: Vec<u16>,
    said: Vec<Vec<Said>>,
    said_single: Vec<Vec<Said>>,
    locks: BTreeMap<u32, VecDeque<(Pages, bool)>>,
    writes: Vec<(Ticket, Pages, Vec<u16>)>,
    writes_single: Vec<Vec<(Ticket, u16)>>,
    value: u16,
}

impl Twins {
    fn new() -> Twins {
        let config = Config { hold_ns: 0, ..Config::default() };
        let mut t = Twins {
            whole: Directory::new(N * PAGE_SIZE, true, config),
            single: (0..N).map(|_| Directory::new(PAGE_SIZE, true, config)).collect(),
            store: vec![0; N as usize],
            said: vec![Vec::new(); N as usize],
            said_single: vec![Vec::new(); N as usize],
            locks: BTreeMap::new(),
            writes: Vec::new(),
            writes_single: vec![Vec::new(); N as usize],
            value: 0,
        };
        (0..3).for_each(|c| t.init(ClientId(c)));
        t
    }

    fn init(&mut self, client: ClientId) {
        self.whole.init(client, &mut Vec::new());
        self.single.iter_mut().for_each(|d| d.init(client, &mut Vec::new()));
    }

    /// The same to both: `act` is given a directory, the range there, and where the range begins in the object.
    fn both(&mut self, pages: Pages, act: impl Fn(&mut Directory<Vec<u16>>, Pages, u64, &mut Vec<Output<Vec<u16>>>)) {
        let mut out = Vec::new();
        act(&mut self.whole, pages, pages.start, &mut out);
        self.carry_out(out, None);
        for p in pages.start..pages.end {
            let mut out = Vec::new();
            act(&mut self.single[p as usize], Pages::new(0, 1), p, &mut out);
            self.carry_out(out, Some(p));
        }
    }

    fn carry_out(&mut self, out: Vec<Output<Vec<u16>>>, single: Option<u64>) {
        let base = single.unwrap_or(0);
        for output in out {
            let (range, said): (Pages, Box<dyn Fn(u64) -> Said>) = match output {
                Output::Read { ticket, pages } => {
                    let at = |p: u64| self.store[(base + p) as usize];
                    let piece =
                        |p| (Pages::new(p, p + 1), if at(p) == 0 { Piece::Hole } else { Piece::Data(vec![at(p)]) });
                    let pieces: Vec<_> = (pages.start..pages.end).map(piece).collect();
                    let d = single.map_or(&mut self.whole, |p| &mut self.single[p as usize]);
                    let mut more = Vec::new();
                    d.read_done(Time(0), ticket, pieces, &mut more);
                    self.carry_out(more, single);
                    continue;
                }
                Output::Write { ticket, pages, data } => {
                    match single {
                        None => self.writes.push((ticket, pages, data)),
                        Some(p) => self.writes_single[p as usize].push((ticket, data[0])),
                    }
                    continue;
                }
                Output::Supply { client, pages, data, lock, .. } => {
                    (pages, Box::new(move |p| Said::Supply(client, data[(p - pages.start) as usize], lock)))
                }
                Output::Unavailable { client, pages, lock, .. } => (pages, Box::new(move |_| Said::Zero(client, lock))),
                Output::Error { client, offset, length, code, .. } => {
                    (Pages::from_bytes(offset, length).unwrap(), Box::new(move |_| Said::Error(client, code)))
                }
                Output::LockRequest { client, pages, return_dirty, flush, lock, reply, .. } => {
                    if reply && single.is_none() {
                        self.locks.entry(client.0).or_default().push_back((pages, flush));
                    }
                    (pages, Box::new(move |_| Said::Lock(client, return_dirty, flush, lock, reply)))
                }
                Output::Misbehaved { .. } => continue,
                other => panic!("unexpected: {other:?}"),
            };
            for p in range.start..range.end {
                let log = if single.is_some() { &mut self.said_single } else { &mut self.said };
                log[(base + p) as usize].push(said(p));
            }
        }
    }

    fn apply(&mut self, op: Op) {
        let (now, trace) = (Time(0), TraceId(0));
        let access = |write| if write { RW } else { READ };
        match op {
            Op::Request(c, pages, write) => self.both(pages, |d, p, _, out| {
                d.data_request(now, ClientId(c), p.offset(), p.bytes(), access(write), trace, out);
            }),
            Op::Unlock(c, pages, write) => self.both(pages, |d, p, _, out| {
                d.data_unlock(now, ClientId(c), p.offset(), p.bytes(), access(write), trace, out);
            }),
            Op::Return(c, pages, dirty, keep) => self.give(c, pages, dirty, keep),
            Op::Complete(c, dirty) => {
                let Some((pages, flush)) = self.locks.get_mut(&c).and_then(VecDeque::pop_front) else { return };
                if dirty {
                    self.give(c, pages, true, !flush);
                }
                self.both(pages, |d, p, _, out| d.lock_completed(now, ClientId(c), p.offset(), p.bytes(), out));
            }
            Op::Gone(c) => {
                self.locks.remove(&c);
                self.both(Pages::new(0, N), |d, _, _, out| d.client_gone(now, ClientId(c), out));
                self.init(ClientId(c));
            }
            Op::Write => {
                while let Some((ticket, pages, data)) = self.writes.pop() {
                    self.store[pages.start as usize..pages.end as usize].copy_from_slice(&data);
                    let mut out = Vec::new();
                    self.whole.write_done(ticket, Ok(()), &mut out);
                    self.carry_out(out, None);
                }
                for p in 0..N as usize {
                    while let Some((ticket, value)) = self.writes_single[p].pop() {
                        let mut out = Vec::new();
                        self.single[p].write_done(ticket, Ok(()), &mut out);
                        self.carry_out(out, Some(p as u64));
                        if self.writes_single[p].is_empty() {
                            assert_eq!(self.store[p], value, "page {p}");
                        }
                    }
                }
            }
        }
    }

    fn give(&mut self, c: u32, pages: Pages, dirty: bool, keep: bool) {
        self.value += 1;
        let value = self.value;
        self.both(pages, |d, p, _, out| {
            let data = vec![value; p.len() as usize];
            d.data_return(ClientId(c), p.offset(), p.bytes(), data, dirty, keep, out);
        });
    }

    fn check(&self) {
        self.whole.check();
        for p in 0..N as usize {
            self.single[p].check();
            assert_eq!(self.whole.holders(p as u64), self.single[p].holders(0), "holders of page {p}");
            assert_eq!(self.said[p], self.said_single[p], "what was said of page {p}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// Kernels with read-ahead, page-outs and failing writes: coherent at every step, and everyone is served at last.
    #[test]
    fn kernels_at_work_see_one_memory(choices in proptest::collection::vec(any::<u16>(), 0..600)) {
        let mut w = World::new();
        for choice in choices {
            w.step(choice);
        }
        w.settle();
        let mut out = Vec::new();
        w.directory.retry_writes(&mut out);
        w.directory.take_back(Time(0), &mut out);
        w.carry_out(out);
        w.settle();
        prop_assert!(w.directory.is_idle());
        prop_assert_eq!(w.directory.kept_pages(), 0);
        prop_assert_eq!(w.directory.written_pages(), 0);
        prop_assert_eq!(&w.store, &w.latest);
    }

    /// Ranges are served as their pages would be, each by a directory of its own; faithful kernels or not.
    #[test]
    fn ranges_are_served_as_single_pages(ops in proptest::collection::vec(op(), 0..60)) {
        let mut t = Twins::new();
        for op in ops {
            t.apply(op);
            t.check();
        }
    }
}
