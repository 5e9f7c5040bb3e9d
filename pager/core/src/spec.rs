//! The rules of docs/spec/pager.md that the directory holds, one test each.

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
        self.say(|d, _, out| d.synchronize(client, first * PAGE_SIZE, pages * PAGE_SIZE, TRACE, out))
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

#[test]
fn pager_client_1_init_is_answered_by_ready() {
    let mut o = Object::new(4);
    let d = ClientId(40);
    assert_eq!(o.say(|x, _, out| x.init(d, out)), [Output::Ready { client: d }]);
    assert!(is_misbehaviour(&o.say(|x, _, out| x.init(d, out))));
    assert_eq!(o.d.clients().count(), 4);
}

#[test]
fn pager_client_2_kernels_are_bounded() {
    let mut o = Object::new(4);
    for i in 3..OBJECT_CLIENTS_MAX as u32 {
        o.say(|x, _, out| x.init(ClientId(100 + i), out));
    }
    let refused = o.say(|x, _, out| x.init(ClientId(40), out));
    assert_eq!(refused, [Output::Destroy { client: ClientId(40), reason: KernReturn::ResourceShortage }]);
    o.gone(A);
    assert_eq!(o.say(|x, _, out| x.init(ClientId(40), out)), [Output::Ready { client: ClientId(40) }]);
}

#[test]
fn pager_client_3_a_terminated_kernel_holds_nothing() {
    let mut o = Object::new(4);
    o.get(A, 0, 2, RW);
    o.give(A, 0, &[7, 8], false);
    o.ask(B, 3, 1, RW);
    o.ask(A, 3, 1, READ);
    assert_eq!(o.gone(A), []);
    assert_eq!(o.d.holders(0), (None, vec![]));
    assert_eq!(o.ask(B, 0, 2, READ), [supply(B, 0, &[7, 8], Prot::WRITE)]);
    assert_eq!(o.ask(A, 1, 1, READ), [error(A, 1, 1, KernReturn::Terminated)]);
    assert!(is_misbehaviour(&o.give(A, 0, &[9], false)));
    assert_eq!(o.gone(A), []);
}

#[test]
fn pager_client_4_a_dead_writer_loses_what_it_had_not_returned() {
    let mut o = Object::new(4);
    o.get(A, 0, 2, RW);
    o.give(A, 0, &[7], true);
    assert_eq!(o.ask(B, 0, 2, READ), [demote(A, 0, 2)]);
    assert_eq!(o.ask(C, 0, 2, RW), []);
    // B is served what A returned, and the store's version of the rest; C comes after B.
    assert_eq!(o.gone(A), [supply(B, 0, &[7], Prot::WRITE), read(0, 1, 1), take_away(B, 0, 1)]);
    assert_eq!(o.read(Ticket(0), 1, 1), [supply(B, 1, &[101], Prot::WRITE), take_away(B, 1, 1)]);
    assert_eq!(o.completed(B, 0, 1), [supply(C, 0, &[7], NONE)]);
    // So does a reader's death, and one in the midst of being served: its place is free.
    assert_eq!(o.ask(A, 0, 1, READ), [error(A, 0, 1, KernReturn::Terminated)]);
    assert_eq!(o.gone(B), [read(0, 1, 1)]);
    assert_eq!(o.gone(C), []);
    assert_eq!(o.read(Ticket(0), 1, 1), []);
    assert_eq!(o.d.runs(), 0);
}

#[test]
fn pager_request_1_every_page_is_answered_once() {
    let mut o = Object::new(8);
    assert_eq!(o.ask(A, 0, 4, READ), [read(0, 0, 4)]);
    // The same again, from a kernel that forgot: not a second answer while the first is on its way to be made.
    assert_eq!(o.ask(B, 2, 4, READ), [read(1, 4, 2)]);
    assert_eq!(o.ask(B, 2, 2, READ), []);
    assert_eq!(o.read(Ticket(0), 0, 4), [supply(A, 0, &[100, 101, 102, 103], Prot::WRITE), read(2, 2, 2)]);
    assert_eq!(o.read(Ticket(1), 4, 2), [supply(B, 4, &[104, 105], Prot::WRITE)]);
    let pieces = [(pages(2, 1), Piece::Hole), (pages(3, 1), Piece::Error(KernReturn::MemoryError))];
    let out = o.say(|d, now, out| d.read_done(now, Ticket(2), pieces, out));
    let hole = Output::Unavailable { client: B, pages: pages(2, 1), lock: Prot::WRITE, trace: TRACE };
    assert_eq!(out, [hole, error(B, 3, 1, KernReturn::MemoryError)]);
    // A result for which nobody waits, and one that says nothing of some pages.
    assert_eq!(o.read(Ticket(2), 2, 2), []);
    assert_eq!(o.ask(C, 6, 2, READ), [read(0, 6, 2)]);
    let out = o.say(|d, now, out| d.read_done(now, Ticket(0), [], out));
    assert_eq!(out, [error(C, 6, 2, KernReturn::MemoryError)]);
}

#[test]
fn pager_request_2_a_megabyte_is_one_read_and_one_supply() {
    for mut o in [Object::new(1000), Object::read_only(1000)] {
        assert_eq!(o.ask(A, 100, 256, READ), [read(0, 100, 256)]);
        let out = o.read(Ticket(0), 100, 256);
        assert!(matches!(&out[..], [Output::Supply { pages, .. }] if *pages == Pages::new(100, 356)));
        // A longer one is cut; other kernels' read copies make no difference.
        assert_eq!(o.ask(B, 50, 600, READ), [read(0, 50, 256), read(1, 306, 256), read(2, 562, 88)]);
    }
    // Nor does it matter which of them the asking kernel had before.
    let mut o = Object::new(1000);
    o.get(A, 10, 5, READ);
    assert_eq!(o.ask(A, 0, 100, READ), [read(0, 0, 100)]);
    // One lock request takes back what one kernel holds, however it came to it.
    let mut o = Object::new(1000);
    o.get(A, 10, 5, READ);
    o.get(A, 15, 5, READ);
    assert_eq!(o.ask(B, 0, 100, RW), [read(0, 0, 10), take_away(A, 10, 10), read(2, 20, 80)]);
}

#[test]
fn pager_request_3_ranges_are_checked() {
    let mut o = Object::new(4);
    let mut raw = |offset, length| o.say(|d, now, out| d.data_request(now, A, offset, length, READ, TRACE, out));
    for (offset, length) in [(1, 4096), (0, 0), (0, 5), (u64::MAX - 4095, 8192), (4096, u64::MAX)] {
        let code = KernReturn::InvalidArgument;
        assert_eq!(raw(offset, length), [Output::Error { client: A, offset, length, code, trace: TRACE }]);
    }
    assert_eq!(raw(3 * 4096, 3 * 4096), [error(A, 4, 2, KernReturn::InvalidAddress), read(0, 3, 1)]);
    assert_eq!(raw(9 * 4096, 4096), [error(A, 9, 1, KernReturn::InvalidAddress)]);
    let far = (1 << 51) * 4096;
    assert_eq!(raw(far, 4096), [error(A, 1 << 51, 1, KernReturn::InvalidAddress)]);
    assert!(is_misbehaviour(&o.give(A, 4, &[1], false)));
    assert!(is_misbehaviour(&o.say(|d, now, out| d.lock_completed(now, A, 3, 4096, out))));
    assert_eq!(o.unlock(A, 8, 1, RW), [error(A, 8, 1, KernReturn::InvalidAddress)]);
}

#[test]
fn pager_request_4_a_read_only_object_is_not_written() {
    let mut o = Object::read_only(4);
    o.get(A, 0, 4, READ);
    o.get(B, 0, 4, READ);
    assert_eq!(o.ask(A, 1, 2, RW), [error(A, 1, 2, KernReturn::ProtectionFailure)]);
    assert!(is_misbehaviour(&o.give(A, 0, &[1], false)));
    assert_eq!((o.d.runs(), o.d.kept_pages()), (0, 0));
}

#[test]
fn pager_request_5_zero_pages_travel_as_unavailable() {
    let mut o = Object::new(4);
    o.ask(A, 0, 4, RW);
    let out = o.say(|d, now, out| d.read_done(now, Ticket(0), [(pages(0, 4), Piece::Hole)], out));
    assert_eq!(out, [Output::Unavailable { client: A, pages: pages(0, 4), lock: NONE, trace: TRACE }]);
    assert_eq!(o.d.holders(3), (Some(A), vec![]));
}

#[test]
fn pager_request_6_first_come_first_served() {
    let mut o = Object::new(4);
    o.get(A, 0, 1, RW);
    assert_eq!(o.ask(B, 0, 1, RW), [take_away(A, 0, 1)]);
    assert_eq!(o.ask(C, 0, 1, READ), []);
    assert_eq!(o.ask(A, 0, 1, RW), []);
    o.give(A, 0, &[1], false);
    assert_eq!(o.completed(A, 0, 1), [supply(B, 0, &[1], NONE), demote(B, 0, 1)]);
    o.give(B, 0, &[2], true);
    assert_eq!(o.completed(B, 0, 1), [supply(C, 0, &[2], Prot::WRITE), take_away(B, 0, 1), take_away(C, 0, 1)]);
    o.completed(C, 0, 1);
    assert_eq!(o.completed(B, 0, 1), [supply(A, 0, &[2], NONE)]);

    // The line is bounded.
    let mut o = Object::new(4);
    o.ask(A, 0, 1, READ);
    for i in 0..PAGE_WAITERS_MAX as u32 {
        o.say(|d, _, out| d.init(ClientId(100 + i), out));
        assert_eq!(o.ask(ClientId(100 + i), 0, 1, READ), []);
    }
    assert_eq!(o.ask(B, 0, 2, READ), [error(B, 0, 1, KernReturn::ResourceShortage), read(1, 1, 1)]);
}

#[test]
fn pager_request_7_what_one_kernel_asks_for_is_bounded() {
    for mut o in [Object::new(1 << 20), Object::read_only(1 << 20)] {
        let n = CLIENT_PAGES_MAX;
        assert_eq!(o.ask(A, 0, n, READ).len() as u64, n / PAGER_RUN_PAGES_MAX);
        assert_eq!(o.ask(A, n, 1, READ), [error(A, n, 1, KernReturn::ResourceShortage)]);
        assert_eq!(o.ask(B, n, 1, READ).len(), 1);
        o.read(Ticket(0), 0, PAGER_RUN_PAGES_MAX);
        assert_eq!(o.ask(A, n + 1, 1, READ).len(), 1);
    }
}

#[test]
fn pager_request_8_an_unknown_kernel_gets_an_error() {
    let mut o = Object::new(4);
    let d = ClientId(40);
    assert_eq!(o.ask(d, 0, 1, READ), [error(d, 0, 1, KernReturn::Terminated)]);
    assert_eq!(o.unlock(d, 0, 1, READ), [error(d, 0, 1, KernReturn::Terminated)]);
    assert_eq!(o.sync(d, 0, 1), [durable(d, 0, 1, KernReturn::Terminated)]);
    assert!(is_misbehaviour(&o.completed(d, 0, 1)));
}

#[test]
fn pager_request_9_a_failed_page_is_asked_for_again() {
    let mut o = Object::new(4);
    o.ask(A, 0, 3, RW);
    let bad = (pages(1, 1), Piece::Error(KernReturn::MemoryError));
    let pieces = [(pages(0, 1), Piece::Data(vec![1])), bad, (pages(2, 1), Piece::Data(vec![3]))];
    let out = o.say(|d, now, out| d.read_done(now, Ticket(0), pieces, out));
    assert_eq!(out, [supply(A, 0, &[1], NONE), error(A, 1, 1, KernReturn::MemoryError), supply(A, 2, &[3], NONE)]);
    assert_eq!(o.d.holders(1), (None, vec![]));
    assert_eq!(o.ask(A, 1, 1, RW), [read(0, 1, 1)]);
}

#[test]
fn pager_grant_1_the_lock_value_is_what_was_not_asked_for() {
    let mut o = Object::new(4);
    o.ask(A, 0, 1, READ);
    assert_eq!(o.read(Ticket(0), 0, 1), [supply(A, 0, &[100], Prot::WRITE)]);
    o.ask(A, 1, 1, Prot::WRITE);
    assert_eq!(o.read(Ticket(0), 1, 1), [supply(A, 1, &[101], NONE)]);
    o.ask(A, 2, 1, Prot::READ | Prot::EXECUTE);
    assert_eq!(o.read(Ticket(0), 2, 1), [supply(A, 2, &[102], Prot::WRITE)]);
    assert_eq!(o.d.holders(0), (None, vec![A]));
    assert_eq!(o.d.holders(1), (Some(A), vec![]));
}

#[test]
fn pager_grant_2_a_writer_is_alone() {
    let mut o = Object::new(4);
    o.get(B, 0, 1, READ);
    o.get(A, 0, 1, READ);
    assert_eq!(o.ask(C, 0, 1, RW), [take_away(A, 0, 1), take_away(B, 0, 1)]);
    assert_eq!(o.completed(A, 0, 1), []);
    assert_eq!(o.completed(B, 0, 1), [read(0, 0, 1)]);
    assert_eq!(o.read(Ticket(0), 0, 1), [supply(C, 0, &[100], NONE)]);
    assert_eq!(o.d.holders(0), (Some(C), vec![]));
    assert_eq!(o.unlock(A, 0, 1, RW), []);
    assert_eq!(o.d.holders(0), (Some(C), vec![]));
}

#[test]
fn pager_grant_3_a_writer_becomes_a_reader() {
    let mut o = Object::new(4);
    o.get(A, 0, 3, RW);
    assert_eq!(o.ask(B, 1, 1, READ), [demote(A, 1, 1)]);
    assert_eq!(o.give(A, 1, &[5], true), [write(0, 1, &[5])]);
    assert_eq!(o.completed(A, 1, 1), [supply(B, 1, &[5], Prot::WRITE)]);
    assert_eq!(o.d.holders(1), (None, vec![A, B]));
    assert_eq!(o.d.holders(0), (Some(A), vec![]));
}

#[test]
fn pager_grant_4_an_unlock_moves_no_byte() {
    let mut o = Object::new(4);
    o.get(A, 0, 4, READ);
    assert_eq!(o.unlock(A, 1, 2, RW), [allow(A, 1, 2)]);
    assert_eq!(o.d.holders(1), (Some(A), vec![]));
    o.get(B, 0, 1, READ);
    assert_eq!(o.unlock(B, 0, 1, RW), [take_away(A, 0, 1)]);
    assert_eq!(o.completed(A, 0, 1), [allow(B, 0, 1)]);
}

#[test]
fn pager_unlock_1_a_late_unlock_keeps_the_place_of_the_request_that_follows() {
    let mut o = Object::new(4);
    o.get(A, 0, 1, READ);
    o.get(B, 0, 1, READ);
    // Both want to write at the same time; A is first. C comes after B.
    assert_eq!(o.unlock(A, 0, 1, RW), [take_away(B, 0, 1)]);
    assert_eq!(o.unlock(B, 0, 1, RW), []);
    assert_eq!(o.ask(C, 0, 1, RW), []);
    // B's thread faults again and asks before A is recalled: it is served before C, and once.
    assert_eq!(o.completed(B, 0, 1), [allow(A, 0, 1), take_away(A, 0, 1)]);
    // B's unlock was dropped when its turn came, so this is C's recall.
    assert_eq!(o.ask(B, 0, 1, RW), []);
    o.give(A, 0, &[1], false);
    assert_eq!(o.completed(A, 0, 1), [supply(C, 0, &[1], NONE), take_away(C, 0, 1)]);
    o.give(C, 0, &[2], false);
    assert_eq!(o.completed(C, 0, 1), [supply(B, 0, &[2], NONE)]);

    let mut o = Object::new(4);
    o.get(A, 0, 1, READ);
    o.get(B, 0, 1, READ);
    o.get(C, 0, 1, READ);
    assert_eq!(o.unlock(A, 0, 1, RW), [take_away(B, 0, 1), take_away(C, 0, 1)]);
    assert_eq!(o.unlock(B, 0, 1, RW), []);
    o.completed(C, 0, 1);
    assert_eq!(o.ask(C, 0, 1, RW), []);
    // B's copy is gone already, it gave it up by itself and asks; the lock_completed comes after that.
    assert_eq!(o.ask(B, 0, 1, RW), []);
    assert_eq!(o.completed(B, 0, 1), [allow(A, 0, 1), take_away(A, 0, 1)]);
    o.give(A, 0, &[1], false);
    assert_eq!(o.completed(A, 0, 1), [supply(B, 0, &[1], NONE), take_away(B, 0, 1)]);
}

#[test]
fn pager_unlock_2_a_read_only_object_is_not_unlocked() {
    let mut o = Object::read_only(4);
    o.get(A, 0, 4, READ);
    assert_eq!(o.unlock(A, 0, 1, RW), [error(A, 0, 1, KernReturn::ProtectionFailure)]);
    let lock = Lock::Prohibit(Prot::WRITE);
    let said = o.unlock(A, 0, 1, READ);
    assert!(matches!(said[..], [Output::LockRequest { client: A, lock: l, reply: false, .. }] if l == lock));
}

#[test]
fn pager_recall_1_only_the_exact_answer_counts() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.get(B, 6, 1, RW);
    assert_eq!(o.ask(C, 0, 4, READ), [demote(A, 0, 4)]);
    for (client, first, n) in [(A, 0, 1), (A, 1, 3), (A, 0, 5), (B, 0, 4), (C, 0, 4), (A, 7, 1), (A, 6, 1)] {
        assert!(is_misbehaviour(&o.completed(client, first, n)), "{client:?} {first} {n}");
    }
    assert_eq!(o.completed(A, 0, 4), [read(0, 0, 4)]);
    assert!(is_misbehaviour(&o.completed(A, 0, 4)));
}

#[test]
fn pager_recall_2_what_comes_back_is_what_is_served() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    assert_eq!(o.ask(B, 0, 4, READ), [demote(A, 0, 4)]);
    assert_eq!(o.give(A, 1, &[7, 8], true), [write(0, 1, &[7, 8])]);
    let out = o.completed(A, 0, 4);
    assert_eq!(out, [read(0, 0, 1), supply(B, 1, &[7, 8], Prot::WRITE), read(1, 3, 1)]);
}

#[test]
fn pager_recall_3_a_page_given_up_meanwhile_is_asked_for_again() {
    let mut o = Object::new(4);
    o.get(A, 0, 1, RW);
    assert_eq!(o.ask(B, 0, 1, RW), [take_away(A, 0, 1)]);
    // Sent before the lock request got there.
    assert_eq!(o.give(A, 0, &[3], false), [write(0, 0, &[3])]);
    assert_eq!(o.ask(A, 0, 1, READ), []);
    assert_eq!(o.completed(A, 0, 1), [supply(B, 0, &[3], NONE), demote(B, 0, 1)]);
    assert_eq!(o.completed(B, 0, 1), [supply(A, 0, &[3], Prot::WRITE)]);
    assert_eq!(o.d.holders(0), (None, vec![A, B]));
    // Clean pages go without a word: the next request says so.
    assert_eq!(o.ask(B, 0, 1, RW), [take_away(A, 0, 1)]);
    assert_eq!(o.completed(A, 0, 1), [supply(B, 0, &[3], NONE)]);
    assert_eq!(o.ask(B, 0, 1, READ), [supply(B, 0, &[3], Prot::WRITE)]);
    assert_eq!(o.d.holders(0), (None, vec![B]));
}

#[test]
fn pager_recall_4_a_page_is_held_for_a_while() {
    let mut o = Object::with(4, true, Config { hold_ns: 1000, ..Config::default() });
    o.now = Time(50);
    o.get(A, 0, 1, RW);
    o.now = Time(100);
    assert_eq!(o.ask(B, 0, 1, READ), []);
    assert_eq!(o.d.next_timer(), Some(Time(1050)));
    o.now = Time(1049);
    assert_eq!(o.say(|d, now, out| d.on_timer(now, out)), []);
    // It may give the page up by itself meanwhile.
    o.give(A, 0, &[1], true);
    o.now = Time(1050);
    assert_eq!(o.say(|d, now, out| d.on_timer(now, out)), [demote(A, 0, 1)]);
    assert_eq!(o.completed(A, 0, 1), [supply(B, 0, &[1], Prot::WRITE)]);
    // Nobody to take from, nothing to wait for; and who dies while the others wait is not waited for.
    o.get(C, 2, 1, RW);
    assert_eq!(o.ask(A, 2, 1, RW), []);
    assert_eq!(o.gone(A), []);
    assert_eq!(o.d.next_timer(), None);
    assert_eq!(o.ask(B, 2, 1, RW), []);
    o.gone(C);
    o.now = Time(3000);
    assert_eq!(o.say(|d, now, out| d.on_timer(now, out)), [read(0, 2, 1)]);
    // Long held is recalled at once.
    o.read(Ticket(0), 2, 1);
    o.say(|d, _, out| d.init(A, out));
    o.now = Time(9000);
    assert_eq!(o.ask(A, 2, 1, RW), [take_away(B, 2, 1)]);
}

#[test]
fn pager_recall_5_a_silent_kernel_is_given_up() {
    let mut o = Object::with(4, true, Config { hold_ns: 0, recall_deadline_ns: 500 });
    o.get(A, 0, 1, READ);
    o.get(B, 0, 1, READ);
    o.get(A, 3, 1, RW);
    assert_eq!(o.ask(C, 0, 1, RW), [take_away(A, 0, 1), take_away(B, 0, 1)]);
    o.completed(B, 0, 1);
    o.now = Time(501);
    assert_eq!(o.d.next_timer(), Some(o.now));
    let out = o.say(|d, now, out| d.on_timer(now, out));
    assert_eq!(out, [Output::Destroy { client: A, reason: KernReturn::TimedOut }, read(0, 0, 1)]);
    assert_eq!(o.d.holders(3), (None, vec![]));
    assert_eq!(o.d.next_timer(), None);
    assert!(is_misbehaviour(&o.completed(A, 0, 1)));
}

#[test]
fn pager_write_1_only_the_writer_writes() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.get(B, 4, 2, READ);
    assert_eq!(o.give(A, 0, &[1, 2], true), [write(0, 0, &[1, 2])]);
    assert!(is_misbehaviour(&o.give(B, 4, &[9], true)));
    assert!(is_misbehaviour(&o.give(B, 0, &[9], true)));
    assert!(is_misbehaviour(&o.give(C, 7, &[9], false)));
    // The part that it may write is taken.
    let out = o.give(A, 3, &[4, 9], false);
    assert!(matches!(&out[..], [w, Output::Misbehaved { client: A, .. }] if *w == write(1, 3, &[4])), "{out:?}");
    assert_eq!(o.d.holders(3), (None, vec![]));
    assert_eq!(o.d.holders(0), (Some(A), vec![]));
    // Pages that are not dirty are given up, not written.
    let out = o.say(|d, _, out| d.data_return(A, 0, PAGE_SIZE, vec![1], false, false, out));
    assert_eq!(out, []);
    assert_eq!(o.d.holders(0), (None, vec![]));
}

#[test]
fn pager_write_2_bytes_on_their_way_are_served() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.give(A, 0, &[1, 2, 3, 4], false);
    assert_eq!(o.ask(B, 1, 2, READ), [supply(B, 1, &[2, 3], Prot::WRITE)]);
    o.written(Ticket(0), Ok(()));
    assert_eq!(o.d.kept_pages(), 0);
    assert_eq!(o.ask(C, 1, 2, READ), [read(0, 1, 2)]);
}

#[test]
fn pager_write_3_writes_do_not_overlap_and_the_newest_wins() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    assert_eq!(o.give(A, 0, &[1, 1, 1], true), [write(0, 0, &[1, 1, 1])]);
    assert_eq!(o.give(A, 2, &[2, 2], true), []);
    // Page 3 has nothing to wait for any more.
    assert_eq!(o.give(A, 2, &[3], true), [write(1, 3, &[2])]);
    assert_eq!(o.give(A, 0, &[4], false), []);
    assert_eq!(o.ask(B, 0, 1, READ), [supply(B, 0, &[4], Prot::WRITE)]);
    // What waits begins, each part with its newest bytes.
    let out = o.written(Ticket(0), Ok(()));
    assert_eq!(out, [write(2, 0, &[4]), write(3, 2, &[3])]);
    assert_eq!(o.d.kept_pages(), 3);
    for ticket in [2, 3, 1, 9] {
        assert_eq!(o.written(Ticket(ticket), Ok(())), []);
    }
    assert_eq!(o.d.kept_pages(), 0);
}

#[test]
fn pager_write_4_failed_bytes_are_kept_until_they_are_written() {
    let full = Err(KernReturn::ResourceShortage);
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.give(A, 0, &[1, 2, 3, 4], false);
    assert_eq!(o.written(Ticket(0), full), []);
    assert_eq!((o.d.kept_pages(), o.d.failed_pages(), o.d.is_idle()), (4, 4, true));
    assert_eq!(o.ask(B, 0, 4, RW), [supply(B, 0, &[1, 2, 3, 4], NONE)]);
    // Newer bytes take the place of a part.
    assert_eq!(o.give(B, 1, &[9, 9], true), [write(0, 1, &[9, 9])]);
    assert_eq!(o.d.failed_pages(), 2);
    let out = o.say(|d, _, out| d.retry_writes(out));
    assert_eq!(out, [write(1, 0, &[1]), write(2, 3, &[4])]);
    o.written(Ticket(1), Ok(()));
    o.written(Ticket(2), full);
    o.written(Ticket(0), Ok(()));
    assert_eq!((o.d.kept_pages(), o.d.failed_pages()), (1, 1));
    // Newer bytes that arrive while an older write of them fails are written all the same.
    let mut o = Object::new(8);
    o.get(A, 0, 1, RW);
    o.give(A, 0, &[1], true);
    o.give(A, 0, &[2], true);
    assert_eq!(o.written(Ticket(0), full), [write(0, 0, &[2])]);
}

#[test]
fn pager_write_5_too_much_that_cannot_be_written_ends_writing() {
    let n = RETAINED_PAGES_MAX;
    let mut o = Object::new(2 * n);
    for first in (0..n).step_by(256) {
        o.get(A, first, 256, RW);
    }
    o.get(B, n, 1, RW);
    o.get(A, n + 1, 1, READ);
    let data = vec![7; n as usize];
    o.give(A, 0, &data[..n as usize - 1], false);
    o.written(Ticket(0), Err(KernReturn::ResourceShortage));
    o.get(C, n + 2, 1, RW);
    o.give(A, n - 1, &[7], false);
    o.written(Ticket(0), Err(KernReturn::ResourceShortage));
    assert_eq!(o.d.failed_pages(), n);
    assert_eq!(o.ask(C, n + 3, 1, RW), [error(C, n + 3, 1, KernReturn::ResourceShortage)]);
    assert_eq!(o.unlock(A, n + 1, 1, RW), [error(A, n + 1, 1, KernReturn::ResourceShortage)]);
    assert_eq!(o.ask(C, 5, 1, READ), [supply(C, 5, &[7], Prot::WRITE)]);
    // What was granted before is not lost.
    assert_eq!(o.give(B, n, &[8], false), [write(0, n, &[8])]);
    assert_eq!(o.ask(C, n, 1, READ), [supply(C, n, &[8], Prot::WRITE)]);
    // As soon as there is room, writing goes on.
    let out = o.say(|d, _, out| d.retry_writes(out));
    for w in &out {
        let Output::Write { ticket, .. } = w else { panic!("{w:?}") };
        o.written(*ticket, Ok(()));
    }
    assert_eq!(o.ask(C, n + 3, 1, RW), [read(0, n + 3, 1)]);
}

#[test]
fn pager_sync_1_what_was_returned_before_is_durable() {
    let sync = Output::Sync { ticket: Ticket(0) };
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.get(B, 4, 4, RW);
    assert_eq!(o.sync(A, 0, 4), vec![sync.clone()]);
    assert_eq!(o.synced(Ok(())), [durable(A, 0, 4, KernReturn::Success)]);
    o.give(A, 0, &[1], true);
    assert_eq!(o.sync(A, 0, 4), []);
    // Not waited for: returned later, or elsewhere.
    o.give(A, 1, &[2], true);
    o.give(B, 4, &[3], true);
    assert_eq!(o.written(Ticket(0), Ok(())), vec![sync.clone()]);
    // A sync that began before a write ended does not count for it.
    assert_eq!(o.sync(B, 4, 1), []);
    assert_eq!(o.written(Ticket(2), Ok(())), []);
    assert_eq!(o.synced(Ok(())), [durable(A, 0, 4, KernReturn::Success), sync.clone()]);
    assert_eq!(o.synced(Ok(())), [durable(B, 4, 1, KernReturn::Success)]);
    // The whole object; and bytes that are replaced before they were written are waited for as the newer ones.
    o.give(A, 1, &[5], true);
    assert_eq!(o.sync(A, 0, 0), []);
    o.give(A, 1, &[6], true);
    assert_eq!(o.written(Ticket(1), Ok(())), [write(0, 1, &[6])]);
    assert_eq!(o.written(Ticket(0), Ok(())), [sync]);
    assert_eq!(o.gone(A), []);
    assert_eq!(o.synced(Ok(())), []);
}

#[test]
fn pager_sync_2_a_failure_is_told_until_a_write_succeeds() {
    let full = Err(KernReturn::ResourceShortage);
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.give(A, 0, &[1, 2], true);
    o.sync(A, 0, 4);
    assert_eq!(o.written(Ticket(0), full), [durable(A, 0, 4, KernReturn::ResourceShortage)]);
    assert_eq!(o.sync(A, 0, 4), [write(0, 0, &[1, 2])]);
    assert_eq!(o.written(Ticket(0), full), [durable(A, 0, 4, KernReturn::ResourceShortage)]);
    // Elsewhere all is well.
    assert_eq!(o.sync(B, 2, 2), [Output::Sync { ticket: Ticket(0) }]);
    assert_eq!(o.synced(Err(KernReturn::MemoryError)), [durable(B, 2, 2, KernReturn::MemoryError)]);
    assert_eq!(o.sync(A, 0, 4), [write(0, 0, &[1, 2])]);
    assert_eq!(o.written(Ticket(0), Ok(())), [Output::Sync { ticket: Ticket(0) }]);
    assert_eq!(o.synced(Ok(())), [durable(A, 0, 4, KernReturn::Success)]);
    // An older write fails while newer bytes wait: it is the newer ones that are to be durable.
    o.give(A, 0, &[3], true);
    o.sync(A, 0, 1);
    o.give(A, 0, &[4], true);
    assert_eq!(o.written(Ticket(0), full), [write(0, 0, &[4])]);
    assert_eq!(o.written(Ticket(0), full), [durable(A, 0, 1, KernReturn::ResourceShortage)]);
}

#[test]
fn pager_sync_3_synchronizes_are_bounded() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.give(A, 0, &[1], true);
    for _ in 0..SYNCHRONIZES_MAX {
        assert_eq!(o.sync(A, 0, 1), []);
    }
    assert_eq!(o.sync(A, 0, 1), [durable(A, 0, 1, KernReturn::ResourceShortage)]);
    o.written(Ticket(0), Ok(()));
    assert_eq!(o.synced(Ok(())).len(), SYNCHRONIZES_MAX);
    let mut o = Object::read_only(8);
    assert_eq!(o.sync(A, 0, 4), [durable(A, 0, 4, KernReturn::Success)]);
}

#[test]
fn pager_runs_1_untouched_pages_cost_nothing() {
    let mut o = Object::new(1 << 40);
    assert_eq!(o.d.runs(), 0);
    for first in (0..4096).step_by(256) {
        o.now = o.now.after(1000);
        o.get(A, first, 256, READ);
    }
    assert_eq!(o.d.runs(), 1);
    o.get(B, 100, 10, READ);
    assert_eq!(o.d.runs(), 3);
    o.ask(A, 0, 4096, RW);
    o.completed(B, 100, 10);
    assert_eq!(o.gone(A), []);
    assert_eq!(o.gone(B), []);
    for ticket in 0..40 {
        o.read(Ticket(ticket), 0, 4096);
    }
    assert_eq!(o.d.runs(), 0);
}

#[test]
fn pager_runs_2_a_full_directory_becomes_coarser_and_stays_right() {
    let n = crate::directory::DIRECTORY_RUNS_MAX as u64;
    let mut o = Object { d: Directory::new(1 << 50, true, Config::default()), now: Time(1) };
    let mut out = Vec::new();
    o.d.init(A, &mut out);
    o.d.init(B, &mut out);
    for i in 0..n + 10 {
        out.clear();
        let offset = i * 2 * PAGE_SIZE;
        o.d.data_request(o.now, A, offset, PAGE_SIZE, READ, TRACE, &mut out);
        let [Output::Read { ticket, pages }] = out[..] else { panic!("{out:?}") };
        o.d.read_done(o.now, ticket, [(pages, Piece::Hole)], &mut out);
    }
    assert!(o.d.runs() as u64 <= n, "{}", o.d.runs());
    for i in [0, 1, n / 2, n + 9] {
        assert_eq!(o.d.holders(2 * i), (None, vec![A]), "page {i}");
    }
    o.d.check();
    // Two writers are never one.
    o.now = Time(1_000_000_000);
    assert_eq!(o.ask(B, 0, 2, RW), [take_away(A, 0, 2)]);
}
