//! The rules of docs/spec/pager.md that the directory holds, one test each.

mod requests;
mod returns;

use proto::limits::*;
use proto::{KernReturn, PAGE_SIZE, Prot, TraceId};

use crate::{ClientId, Config, Directory, Lock, Output, Pages, Piece, Ticket, Time};

/// Page contents: one number to a page.
type Data = Vec<u16>;

const A: ClientId = ClientId(10);
const B: ClientId = ClientId(20);
const C: ClientId = ClientId(30);
const READ: Prot = Prot::READ;
const RW: Prot = Prot::READ.union(Prot::WRITE);
const NONE: Prot = Prot::empty();
const TRACE: TraceId = TraceId(5);

/// A directory with the time, and short names for what is said to it.
struct Object {
    d: Directory<Data>,
    now: Time,
}

type Outputs = Vec<Output<Data>>;

impl Object {
    fn new(pages: u64) -> Object {
        Object::with(pages, true, Config { hold_ns: 0, ..Config::default() })
    }

    fn read_only(pages: u64) -> Object {
        Object::with(pages, false, Config::default())
    }

    fn with(pages: u64, writable: bool, config: Config) -> Object {
        let mut object = Object { d: Directory::new(pages * PAGE_SIZE, writable, config), now: Time(1) };
        for client in [A, B, C] {
            object.say(|d, _, out| d.init(client, out));
        }
        object
    }

    fn say(&mut self, act: impl FnOnce(&mut Directory<Data>, Time, &mut Outputs)) -> Outputs {
        let mut out = Vec::new();
        act(&mut self.d, self.now, &mut out);
        self.d.check();
        out
    }

    fn ask(&mut self, client: ClientId, first: u64, pages: u64, access: Prot) -> Outputs {
        let (offset, length) = (first * PAGE_SIZE, pages * PAGE_SIZE);
        self.say(|d, now, out| d.data_request(now, client, offset, length, access, TRACE, out))
    }

    fn unlock(&mut self, client: ClientId, first: u64, pages: u64, access: Prot) -> Outputs {
        let (offset, length) = (first * PAGE_SIZE, pages * PAGE_SIZE);
        self.say(|d, now, out| d.data_unlock(now, client, offset, length, access, TRACE, out))
    }

    fn give(&mut self, client: ClientId, first: u64, data: &[u16], kernel_copy: bool) -> Outputs {
        let (offset, length) = (first * PAGE_SIZE, data.len() as u64 * PAGE_SIZE);
        self.say(|d, _, out| d.data_return(client, offset, length, data.to_vec(), true, kernel_copy, out))
    }

    fn completed(&mut self, client: ClientId, first: u64, pages: u64) -> Outputs {
        self.say(|d, now, out| d.lock_completed(now, client, first * PAGE_SIZE, pages * PAGE_SIZE, out))
    }

    fn gone(&mut self, client: ClientId) -> Outputs {
        self.say(|d, now, out| d.client_gone(now, client, out))
    }

    fn sync(&mut self, client: ClientId, first: u64, pages: u64) -> Outputs {
        self.say(|d, _, out| d.synchronize(client, first * PAGE_SIZE, pages * PAGE_SIZE, true, TRACE, out))
    }

    /// As `sync`, for who only wants to know that the pages are written.
    fn settle(&mut self, client: ClientId, first: u64, pages: u64) -> Outputs {
        self.say(|d, _, out| d.synchronize(client, first * PAGE_SIZE, pages * PAGE_SIZE, false, TRACE, out))
    }

    /// The store answers a read with page numbers + 100.
    fn read(&mut self, ticket: Ticket, first: u64, pages: u64) -> Outputs {
        let run = Pages::new(first, first + pages);
        let data = (run.start..run.end).map(|p| p as u16 + 100).collect();
        self.say(|d, now, out| d.read_done(now, ticket, [(run, Piece::Data(data))], out))
    }

    fn written(&mut self, ticket: Ticket, result: Result<(), KernReturn>) -> Outputs {
        self.say(|d, _, out| d.write_done(ticket, result, out))
    }

    fn synced(&mut self, result: Result<(), KernReturn>) -> Outputs {
        self.say(|d, _, out| d.sync_done(Ticket(0), result, out))
    }

    /// Asks and has the store answer at once.
    fn get(&mut self, client: ClientId, first: u64, pages: u64, access: Prot) {
        let out = self.ask(client, first, pages, access);
        let [Output::Read { ticket, pages }] = out[..] else { panic!("{out:?}") };
        let out = self.read(ticket, pages.start, pages.len());
        assert!(matches!(out[..], [Output::Supply { .. }]), "{out:?}");
    }
}

fn pages(first: u64, n: u64) -> Pages {
    Pages::new(first, first + n)
}

fn supply(client: ClientId, first: u64, data: &[u16], lock: Prot) -> Output<Data> {
    Output::Supply { client, pages: pages(first, data.len() as u64), data: data.to_vec(), lock, trace: TRACE }
}

fn error(client: ClientId, first: u64, n: u64, code: KernReturn) -> Output<Data> {
    Output::Error { client, offset: first * PAGE_SIZE, length: n * PAGE_SIZE, code, trace: TRACE }
}

fn take_away(client: ClientId, first: u64, n: u64) -> Output<Data> {
    let (pages, lock) = (pages(first, n), Lock::NoChange);
    Output::LockRequest { client, pages, return_dirty: true, flush: true, lock, reply: true, trace: TRACE }
}

fn demote(client: ClientId, first: u64, n: u64) -> Output<Data> {
    let (pages, lock) = (pages(first, n), Lock::Prohibit(Prot::WRITE));
    Output::LockRequest { client, pages, return_dirty: true, flush: false, lock, reply: true, trace: TRACE }
}

fn allow(client: ClientId, first: u64, n: u64) -> Output<Data> {
    let (pages, lock) = (pages(first, n), Lock::Prohibit(NONE));
    Output::LockRequest { client, pages, return_dirty: false, flush: false, lock, reply: false, trace: TRACE }
}

fn read(ticket: u64, first: u64, n: u64) -> Output<Data> {
    Output::Read { ticket: Ticket(ticket), pages: pages(first, n) }
}

fn write(ticket: u64, first: u64, data: &[u16]) -> Output<Data> {
    Output::Write { ticket: Ticket(ticket), pages: pages(first, data.len() as u64), data: data.to_vec() }
}

fn durable(client: ClientId, first: u64, n: u64, result: KernReturn) -> Output<Data> {
    let (offset, length) = (first * PAGE_SIZE, n * PAGE_SIZE);
    Output::SynchronizeCompleted { client, offset, length, result, trace: TRACE }
}

fn is_misbehaviour(out: &Outputs) -> bool {
    matches!(out[..], [Output::Misbehaved { .. }])
}
