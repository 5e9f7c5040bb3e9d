//! [pager.server.*], [pager.close.*], and the directory's rules as a kernel sees them through messages.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use common::{NOTIFY, OBJECT, PAGE, Store, World, pages_of};
use pager::{Config, Ending, Time};
use proto::iface::memory_object as object;
use proto::iface::memory_object_control::{DataError, DataSupply, LockRequest, Request as Call, SynchronizeCompleted};
use proto::msg::{Reply as _, code_body};
use proto::{Body, Item, KernReturn, MigError, NamedRight, PortName, Prot, TraceId};

const READ: Prot = Prot::READ;
const RW: Prot = Prot::READ.union(Prot::WRITE);
/// Control ports of three kernels.
const A: u32 = 100;
const B: u32 = 200;
const C: u32 = 300;

fn world(pages: u64, writable: bool) -> (World, Arc<Store>) {
    let store = Arc::new(Store::new(pages, writable));
    (World::new(store.clone()), store)
}

/// A world whose store has to be waited for.
fn slow_world(pages: u64) -> (World, Arc<Store>) {
    let mut store = Store::new(pages, true);
    store.inline = false;
    let store = Arc::new(store);
    (World::new(store.clone()), store)
}

fn supply(calls: &[Call<NamedRight>]) -> (u64, Vec<u8>, u32) {
    let [Call::DataSupply(DataSupply { offset, data, lock_value, precious: false, reply_to: NamedRight::NULL })] =
        calls
    else {
        panic!("not one supply: {calls:?}")
    };
    (offset / PAGE, data.to_bytes().chunks(PAGE as usize).map(|p| p[0]).collect(), *lock_value)
}

fn lock(calls: &[Call<NamedRight>]) -> &LockRequest<NamedRight> {
    let [Call::LockRequest(lock)] = calls else { panic!("not one lock request: {calls:?}") };
    lock
}

fn sync_result(calls: &[Call<NamedRight>]) -> i32 {
    let [Call::SynchronizeCompleted(SynchronizeCompleted { result, .. })] = calls else {
        panic!("not one synchronize_completed: {calls:?}")
    };
    *result
}

#[test]
fn pager_server_1_every_right_is_kept_sent_on_or_released() {
    let (mut w, _) = world(8, true);
    w.init(A);
    w.init(B);
    assert!(matches!(w.sent_to(A)[..], [Call::Ready(ref r)] if !r.may_cache && r.copy_strategy == 2));
    assert_eq!(w.armed, [PortName(A), PortName(B)]);
    w.holds_only(&[A, B]);
    w.request(A, 0, 4, RW);
    w.request(B, 0, 4, READ);
    w.give_back(A, 0, pages_of(&[9, 9, 9, 9]), true);
    w.completed(A, 0, 4);
    w.unlock(B, 1, 1, RW);
    w.completed(A, 1, 1);
    w.synchronize(A);
    w.request(A, 100, 1, READ);
    w.init(A);
    w.holds_only(&[A, B]);
    w.terminate(A);
    w.holds_only(&[B]);
    w.dies(B);
    w.holds_only(&[]);
}

#[test]
fn pager_server_2_info_says_size_protection_and_name() {
    for (writable, bits) in [(true, 3), (false, 1)] {
        let (mut w, _) = world(3, writable);
        let reply = w.arrives_once(PortName(50));
        w.deliver(OBJECT, reply, 2290, Body::default());
        let info = object::InfoReply { size: 3 * PAGE, max_protection: bits, name: "object".into() };
        assert_eq!(w.replies, [(PortName(50), 2390, info.into_body())]);
        w.holds_only(&[]);
    }
}

#[test]
fn pager_server_3_garbage_is_answered_and_its_rights_released() {
    let (mut w, _) = world(3, true);
    let body = vec![Item::Port(w.arrives(PortName(9))), Item::U32(5)];
    let reply = w.arrives_once(PortName(50));
    w.deliver(OBJECT, reply, 2203, body);
    let reply = w.arrives_once(PortName(50));
    w.deliver(OBJECT, reply, 1, vec![]);
    let bad_arguments = (PortName(50), 2303, code_body(MigError::BadArguments.raw()));
    let bad_id = (PortName(50), 101, code_body(MigError::BadId.raw()));
    assert_eq!(w.replies, [bad_arguments, bad_id]);

    // An array of rights where none belongs, and no one to answer.
    let rights = vec![w.arrives(PortName(9)), w.arrives(PortName(9)), NamedRight::NULL];
    w.deliver(OBJECT, NamedRight::NULL, 2208, vec![Item::Ports(rights)]);
    // A port that serves nothing.
    let control = w.arrives(PortName(A));
    let body = vec![Item::Port(control), Item::U64(0), Item::U64(PAGE), Item::U32(1)];
    w.deliver(PortName(77), NamedRight::NULL, 2203, body);
    // Notifications with nothing of what they should hold, and one sent to the object by somebody who is not the kernel.
    w.deliver(NOTIFY, NamedRight::NULL, 72, vec![]);
    w.deliver(NOTIFY, NamedRight::NULL, 5, vec![]);
    w.init(A);
    w.deliver(OBJECT, NamedRight::NULL, 72, vec![Item::U32(A)]);
    w.sent.clear();
    w.request(A, 0, 1, READ);
    assert_eq!(supply(&w.sent_to(A)), (0, vec![0], 2));
    w.holds_only(&[A]);

    // A control right that arrived dead.
    let body = vec![Item::Port(NamedRight::move_send(PortName::DEAD)), Item::U64(0), Item::U64(PAGE), Item::U32(1)];
    w.deliver(OBJECT, NamedRight::NULL, 2203, body);
    assert_eq!(w.server.stats()[0].misbehaved, 1);
    // Requests of a kernel that never introduced itself, or whose object is another.
    w.request(C, 0, 1, READ);
    assert!(matches!(w.sent_to(C)[..], [Call::DataError(DataError { error_value: 26, .. })]));
    w.holds_only(&[A]);
}

#[test]
fn pager_server_4_page_sizes_must_agree() {
    let (mut w, _) = world(3, true);
    let call = proto::iface::memory_object::Init {
        memory_control: w.arrives(PortName(A)),
        memory_object_name: w.arrives(PortName(A + 1)),
        memory_object_page_size: 2 * PAGE,
    };
    w.call(call);
    let reason = KernReturn::InvalidArgument.raw();
    assert!(matches!(&w.sent_to(A)[..], [Call::Destroy(d)] if d.reason == reason));
    w.holds_only(&[]);
}

#[test]
fn pager_server_5_answers_carry_the_trace_of_the_request() {
    let (mut w, _) = world(3, true);
    w.init(A);
    w.traces.clear();
    w.request(A, 0, 1, READ);
    assert_eq!(w.traces, [TraceId(77)]);
}

#[test]
fn pager_server_6_a_store_that_panics_is_an_error() {
    let (mut w, store) = slow_world(4);
    w.init(A);
    w.sent.clear();
    store.panics.store(true, Relaxed);
    w.request(A, 0, 1, READ);
    let code = KernReturn::Failure.raw();
    assert!(matches!(&w.sent_to(A)[..], [Call::DataError(e)] if e.error_value == code));
    store.panics.store(false, Relaxed);
    w.request(A, 0, 1, RW);
    assert_eq!(supply(&w.sent_to(A)), (0, vec![0], 0));
    store.panics.store(true, Relaxed);
    w.give_back(A, 0, pages_of(&[5]), false);
    assert_eq!(w.server.stats()[0].failed_pages, 1);
    w.holds_only(&[A]);
}

#[test]
fn a_write_is_seen_by_another_kernel() {
    let (mut w, store) = world(4, true);
    w.eager = false;
    for k in [A, B, C] {
        w.init(k);
        w.sent.clear();
    }
    w.request(A, 1, 1, RW);
    assert_eq!(supply(&w.sent_to(A)), (1, vec![1], 0));
    w.request(B, 1, 1, READ);
    assert_eq!(w.sent_to(B), []);
    // B had to wait: A is the writer, and is asked for its changes; it may go on reading.
    w.give_back(A, 1, pages_of(&[42]), true);
    assert_eq!(w.sent_to(B), []);
    w.completed(A, 1, 1);
    // Not written yet, and served.
    assert_eq!(store.page(1), 1);
    assert_eq!(supply(&w.sent_to(B)), (1, vec![42], 2));
    w.run_jobs();
    assert_eq!(store.page(1), 42);
    let calls = w.sent_to(A);
    let request = lock(&calls);
    assert_eq!((request.offset, request.size, request.should_return, request.should_flush), (PAGE, PAGE, 1, false));
    assert_eq!((request.lock_value, request.reply_to), (2, NamedRight::make_send(OBJECT)));
    // B writes now: both others lose their copies first.
    w.unlock(B, 1, 1, RW);
    let calls = w.sent_to(A);
    let request = lock(&calls);
    assert_eq!((request.should_return, request.should_flush, request.lock_value), (1, true, 8));
    assert_eq!(w.sent_to(B), []);
    w.completed(A, 1, 1);
    let calls = w.sent_to(B);
    let grant = lock(&calls);
    assert_eq!((grant.should_return, grant.should_flush, grant.lock_value), (0, false, 0));
    assert_eq!(grant.reply_to, NamedRight::NULL);
    w.holds_only(&[A, B, C]);
}

#[test]
fn a_full_disk_loses_nothing() {
    let (mut w, store) = world(4, true);
    w.init(A);
    w.init(B);
    w.sent.clear();
    w.request(A, 0, 2, RW);
    w.sent.clear();
    store.full.store(true, Relaxed);
    w.give_back(A, 0, pages_of(&[7, 8]), false);
    assert_eq!(store.page(0), 0);
    w.request(B, 0, 2, READ);
    assert_eq!(supply(&w.sent_to(B)), (0, vec![7, 8], 2));
    w.synchronize(A);
    assert_eq!(sync_result(&w.sent_to(A)), KernReturn::ResourceShortage.raw());
    let stats = w.server.stats();
    assert_eq!((stats[0].kept_pages, stats[0].failed_pages, stats[0].write_errors), (2, 2, 2));
    // Room is made; the writes are tried again by themselves.
    store.full.store(false, Relaxed);
    let due = w.server.next_timer().expect("a retry is due some time");
    w.tick(due);
    assert_eq!((store.page(0), store.page(1)), (7, 8));
    w.synchronize(A);
    assert_eq!(sync_result(&w.sent_to(A)), 0);
    assert_eq!(w.server.stats()[0].kept_pages, 0);
}

#[test]
fn a_failed_sync_is_told() {
    let (mut w, store) = world(4, true);
    w.init(A);
    w.sent.clear();
    store.bad_sync.store(true, Relaxed);
    w.synchronize(A);
    assert_eq!(sync_result(&w.sent_to(A)), KernReturn::MemoryError.raw());
}

#[test]
fn pager_close_1_an_export_ends_with_its_dirty_pages_written() {
    let (mut w, store) = world(4, true);
    w.init(A);
    w.init(B);
    w.request(A, 0, 1, RW);
    w.request(B, 2, 1, RW);
    w.sent.clear();
    assert_eq!(w.remove(Ending::UnlessUnwritten), Ok(()));
    assert!(lock(&w.sent_to(A)).should_flush);
    assert!(lock(&w.sent_to(B)).should_flush);
    w.request(A, 3, 1, READ);
    assert_eq!(w.sent_to(A), [], "asked for too late, and answered at the end");
    w.give_back(A, 0, pages_of(&[55]), false);
    w.completed(A, 0, 1);
    assert_eq!(w.ended, []);
    // B does not answer, and is given up at the deadline.
    let due = w.server.next_timer().expect("a deadline");
    w.tick(due);
    assert_eq!(w.ended, [OBJECT]);
    assert_eq!((store.page(0), store.syncs.load(Relaxed)), (55, 1));
    assert!(matches!(w.sent_to(A)[..], [Call::DataError(DataError { error_value: 26, .. }), Call::Destroy(_)]));
    assert!(matches!(w.sent_to(B)[..], [Call::Destroy(_)]));
    w.holds_only(&[]);
    assert_eq!(w.server.stats(), []);
    // What still comes for it is refused.
    w.request(A, 0, 1, READ);
    w.give_back(B, 2, pages_of(&[66]), false);
    assert_eq!(store.page(2), 2);
    w.holds_only(&[]);
}

#[test]
fn pager_close_1_what_was_asked_for_before_is_granted_and_taken_back() {
    let (mut w, store) = slow_world(4);
    w.eager = false;
    w.init(A);
    w.request(A, 0, 1, RW);
    w.sent.clear();
    assert_eq!(w.remove(Ending::UnlessUnwritten), Ok(()));
    assert_eq!(w.sent, []);
    w.run_jobs();
    let calls = w.sent_to(A);
    assert!(matches!(&calls[..], [Call::DataSupply(_), Call::LockRequest(l)] if l.should_flush), "{}", calls.len());
    w.eager = true;
    w.give_back(A, 0, pages_of(&[55]), false);
    w.completed(A, 0, 1);
    assert_eq!((&w.ended[..], store.page(0)), (&[OBJECT][..], 55));
}

#[test]
fn pager_close_2_the_end_of_a_pager_is_told_to_every_kernel() {
    let (mut w, _) = world(4, false);
    w.init(A);
    w.init(B);
    w.request(A, 0, 1, READ);
    w.sent.clear();
    assert_eq!(w.remove(Ending::Anyway), Ok(()));
    for k in [A, B] {
        let reason = KernReturn::Terminated.raw();
        assert!(matches!(&w.sent_to(k)[..], [Call::Destroy(d)] if d.reason == reason));
    }
    assert_eq!(w.ended, [OBJECT]);
    w.holds_only(&[]);
    assert_eq!(w.server.export(OBJECT, "again", Arc::new(Store::new(1, false))), Ok(()));
    assert_eq!(w.server.export(OBJECT, "again", Arc::new(Store::new(1, false))), Err(KernReturn::NameExists));
}

/// A world whose store is full, and an export of which one write is under way, the first of its page.
fn world_with_a_write_that_will_fail() -> (World, Arc<Store>) {
    let (mut w, store) = world(4, true);
    w.init(A);
    w.init(B);
    w.request(A, 0, 2, RW);
    w.sent.clear();
    w.eager = false;
    store.full.store(true, Relaxed);
    w.give_back(A, 0, pages_of(&[7]), false);
    (w, store)
}

#[test]
fn pager_close_3_an_export_goes_on_rather_than_lose_pages() {
    let (mut w, store) = world_with_a_write_that_will_fail();
    assert_eq!(w.remove(Ending::UnlessUnwritten), Ok(()), "how the write ends is not known");
    assert_eq!(lock(&w.sent_to(A)).offset, PAGE);
    w.completed(A, 1, 1);
    w.request(B, 3, 1, READ);
    assert_eq!((w.going_on.len(), w.sent_to(B)), (0, vec![]));
    w.run_jobs();
    assert_eq!((&w.going_on[..], &w.ended[..]), (&[OBJECT][..], &[][..]));
    assert_eq!(supply(&w.sent_to(B)), (3, vec![3], 2), "it waited, and is served");
    // At once, when a write has failed already; also while it is being tried again.
    assert_eq!(w.remove(Ending::UnlessUnwritten), Err(KernReturn::ResourceShortage));
    let due = w.server.next_timer().expect("another try");
    w.tick(due);
    assert_eq!(w.jobs.len(), 1);
    let stats = w.server.stats();
    assert_eq!((stats[0].kept_pages, stats[0].failed_pages, stats[0].closing), (1, 1, false));
    assert_eq!(w.remove(Ending::UnlessUnwritten), Err(KernReturn::ResourceShortage));
    // Room is made, and then there is none for what comes back only when the export is to end.
    store.full.store(false, Relaxed);
    w.run_jobs();
    w.request(B, 0, 1, RW);
    w.run_jobs();
    store.full.store(true, Relaxed);
    w.sent.clear();
    assert_eq!(w.remove(Ending::UnlessUnwritten), Ok(()));
    w.give_back(B, 0, pages_of(&[8]), false);
    w.completed(B, 0, 1);
    w.run_jobs();
    assert_eq!((w.going_on.len(), w.ended.len(), store.page(0)), (2, 0, 7));
    store.full.store(false, Relaxed);
    w.eager = true;
    let due = w.server.next_timer().expect("another try");
    w.tick(due);
    assert_eq!(w.remove(Ending::UnlessUnwritten), Ok(()));
    assert_eq!((&w.ended[..], store.page(0)), (&[OBJECT][..], 8));
    w.holds_only(&[]);
}

#[test]
fn pager_close_3_an_export_that_is_ended_anyway_waits_for_its_writes() {
    let (mut w, store) = world_with_a_write_that_will_fail();
    assert_eq!(w.remove(Ending::UnlessUnwritten), Ok(()));
    assert_eq!(w.remove(Ending::Anyway), Ok(()), "the node ends meanwhile");
    w.completed(A, 1, 1);
    assert_eq!(w.ended, []);
    store.full.store(false, Relaxed);
    w.run_jobs();
    w.run_jobs();
    assert_eq!((&w.ended[..], w.going_on.len(), store.page(0)), (&[OBJECT][..], 0, 7));
    // What cannot be written is tried once more, and lost.
    let (mut w, store) = world_with_a_write_that_will_fail();
    w.run_jobs();
    w.eager = true;
    assert_eq!(w.remove(Ending::Anyway), Ok(()));
    w.completed(A, 1, 1);
    assert_eq!((&w.ended[..], store.writes.load(Relaxed)), (&[OBJECT][..], 2));
}

#[test]
fn a_silent_kernel_is_given_up_at_the_deadline() {
    let store = Arc::new(Store::new(4, true));
    let mut w = World::with_config(store, Config { hold_ns: 0, recall_deadline_ns: 1000 });
    w.init(A);
    w.init(B);
    w.request(A, 0, 1, RW);
    w.request(B, 0, 1, RW);
    w.sent.clear();
    assert_eq!(w.server.next_timer(), Some(Time(1001)));
    w.tick(Time(1000));
    assert_eq!(w.sent, []);
    w.tick(Time(1001));
    let reason = KernReturn::TimedOut.raw();
    assert!(matches!(&w.sent_to(A)[..], [Call::Destroy(d)] if d.reason == reason));
    assert_eq!(supply(&w.sent_to(B)), (0, vec![0], 0));
    w.holds_only(&[B]);
    // Its late answers change nothing.
    w.give_back(A, 0, pages_of(&[99]), false);
    w.completed(A, 0, 1);
    w.dies(A);
    w.holds_only(&[B]);
    assert_eq!(w.server.next_timer(), None);
}

#[test]
fn statistics_count_pages_and_errors() {
    let (mut w, store) = world(6, true);
    store.bad_pages.lock().unwrap().push(3);
    w.init(A);
    w.request(A, 0, 6, RW);
    w.give_back(A, 0, pages_of(&[1, 1]), false);
    let s = &w.server.stats()[0];
    assert_eq!((s.clients, s.pages_in, s.pages_out, s.errors, s.written_pages, s.inline_reads), (1, 5, 2, 1, 3, 1));
    assert_eq!((s.size, s.writable, s.closing, s.name.as_str()), (6 * PAGE, true, false, "object"));
}
