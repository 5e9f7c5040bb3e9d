//! What kernels ask for, and what they are granted.

use super::*;

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
    o.ask(A, 1, 2, RW);
    let data = [(pages(1, 1), Piece::Data(vec![7])), (pages(2, 1), Piece::Hole)];
    let out = o.say(|d, now, out| d.read_done(now, Ticket(0), data, out));
    let lock = Prot::WRITE;
    let hole = Output::Unavailable { client: A, pages: pages(2, 1), lock, trace: TRACE };
    assert_eq!(out, [supply(A, 1, &[7], lock), hole], "its bytes can be read all the same");
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
