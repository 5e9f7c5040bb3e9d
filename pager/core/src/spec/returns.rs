//! What is taken back, returned, written and made durable.

use super::*;

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
fn pager_write_6_a_page_counts_until_a_write_of_it_has_succeeded() {
    let full = Err(KernReturn::ResourceShortage);
    let counts = |o: &Object| (o.d.kept_pages(), o.d.failed_pages(), o.d.is_idle());
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    o.give(A, 0, &[1, 2, 3], true);
    assert_eq!(counts(&o), (3, 0, false), "returned, and never tried before");
    o.written(Ticket(0), full);
    assert_eq!(counts(&o), (3, 3, true));
    o.say(|d, _, out| d.retry_writes(out));
    assert_eq!(counts(&o), (3, 3, false), "being tried again");
    o.written(Ticket(0), full);
    assert_eq!(counts(&o), (3, 3, true));
    o.sync(A, 0, 4);
    assert_eq!(counts(&o), (3, 3, false), "the same, for a synchronize");
    o.give(A, 0, &[4], true);
    assert_eq!(counts(&o), (3, 3, false), "newer bytes wait for the older write");
    assert_eq!(o.written(Ticket(0), full), [write(0, 0, &[4])]);
    assert_eq!(counts(&o), (3, 3, false), "newer bytes are being written, and older ones never were");
    o.give(A, 0, &[5], true);
    assert_eq!(o.written(Ticket(0), Ok(()))[0], write(0, 0, &[5]));
    assert_eq!(counts(&o), (3, 2, false), "there was room for it, and newer bytes are being written");
    o.written(Ticket(0), Ok(()));
    assert_eq!(counts(&o), (2, 2, true));
    o.say(|d, _, out| d.retry_writes(out));
    o.written(Ticket(0), Ok(()));
    assert_eq!(counts(&o), (0, 0, true));
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
fn pager_sync_4_who_does_not_wait_for_the_disk_is_answered_when_it_is_written() {
    let mut o = Object::new(8);
    o.get(A, 0, 4, RW);
    assert_eq!(o.settle(A, 0, 4), [durable(A, 0, 4, KernReturn::Success)]);
    o.give(A, 0, &[1], true);
    assert_eq!(o.settle(A, 0, 4), []);
    assert_eq!(o.written(Ticket(0), Ok(())), [durable(A, 0, 4, KernReturn::Success)]);
    o.give(A, 0, &[2], true);
    assert_eq!(o.settle(A, 0, 4), []);
    let full = Err(KernReturn::ResourceShortage);
    assert_eq!(o.written(Ticket(0), full), [durable(A, 0, 4, KernReturn::ResourceShortage)]);
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
