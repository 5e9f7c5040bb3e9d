//! The memory of a lane under every interleaving that the memory model allows, with sleeping and waking.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p mach-lane --release --test loom`.
#![cfg(loom)]

use lane::{Cut, Lane, Look, Patience, Taking, Word};
use loom::sync::atomic::{AtomicU32, Ordering::*};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A shared word with a futex.
struct Futex {
    word: AtomicU32,
    lock: Mutex<()>,
    slept: Condvar,
}

impl Futex {
    fn new() -> Futex {
        Futex { word: AtomicU32::new(0), lock: Mutex::new(()), slept: Condvar::new() }
    }

    fn wait(&self, value: u32) {
        let guard = self.lock.lock().unwrap();
        if self.word.load(Acquire) == value {
            drop(self.slept.wait(guard).unwrap());
        }
    }

    fn wake(&self) {
        let _guard = self.lock.lock().unwrap();
        self.slept.notify_all();
    }
}

impl Word for Futex {
    fn get(&self) -> u32 {
        self.word.load(Acquire)
    }
    fn change(&self, from: u32, to: u32) -> Result<(), u32> {
        self.word.compare_exchange(from, to, AcqRel, Acquire).map(drop)
    }
    fn set_bits(&self, bits: u32) -> u32 {
        self.word.fetch_or(bits, AcqRel)
    }
    fn clear_bits(&self, bits: u32) -> u32 {
        self.word.fetch_and(!bits, AcqRel)
    }
}

struct Memory {
    lane: Futex,
    lease: Futex,
    request: AtomicU32,
    reply: AtomicU32,
    /// In the server's own page.
    calls: AtomicU32,
}

fn memory() -> Arc<Memory> {
    let memory = Memory {
        lane: Futex::new(),
        lease: Futex::new(),
        request: AtomicU32::new(0),
        reply: AtomicU32::new(0),
        calls: AtomicU32::new(0),
    };
    Taking(&memory.lease).ask();
    assert!(Taking(&memory.lease).grant());
    Arc::new(memory)
}

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

fn client(m: &Memory, number: u32) -> Look {
    m.request.store(number, Relaxed);
    let lane = Lane(&m.lane);
    if !lane.ask() {
        return Look::SendAgain;
    }
    m.lane.wake();
    let look = lane.await_answer(|word| {
        m.lane.wait(word);
        Patience::Left
    });
    if look == Look::Answered {
        assert_eq!(m.reply.load(Relaxed), number + 100, "the reply of this call");
        lane.finish();
    }
    look
}

/// Takes one request, if one may be taken: whether it was, and whether its answer went by the lane.
fn serve(m: &Memory, taken_before: u32) -> Option<bool> {
    let (lane, lease) = (Lane(&m.lane), Taking(&m.lease));
    assert_eq!(lease.begin(0)?, taken_before);
    m.calls.store(taken_before + 1, Relaxed);
    if !lane.take() {
        lease.missed();
        return None;
    }
    lease.taken();
    let request = m.request.load(Relaxed);
    assert_ne!(request, 0, "the request is seen");
    m.reply.store(request + 100, Relaxed);
    let answered = lane.answer();
    m.lane.wake();
    Some(answered)
}

#[test]
fn ipc_fast_2_two_calls_with_sleeps_and_no_wake_up_is_lost() {
    check(|| {
        let m = memory();
        let s = m.clone();
        let server = thread::spawn(move || {
            for call in 0..2 {
                loop {
                    let word = s.lane.get();
                    if Lane(&s.lane).is_asked() {
                        break;
                    }
                    s.lane.wait(word);
                }
                assert_eq!(serve(&s, call), Some(true));
                assert_eq!(Taking(&s.lease).resume(), lane::Resume::Waiting);
            }
        });
        assert_eq!(client(&m, 1), Look::Answered);
        assert_eq!(client(&m, 2), Look::Answered);
        server.join().unwrap();
    });
}

#[test]
fn ipc_fast_6_a_cut_at_any_moment_is_seen_alike_by_all_three() {
    check(|| {
        let m = memory();
        let (s, n) = (m.clone(), m.clone());
        let server = thread::spawn(move || if Lane(&s.lane).is_asked() { serve(&s, 0) } else { None });
        let node = thread::spawn(move || {
            let cut = Lane(&n.lane).cut();
            n.lane.wake();
            if cut == Cut::Serving {
                assert_eq!(n.calls.load(Relaxed), 1, "the number of the call is seen with its state");
            }
            cut
        });
        let look = client(&m, 1);
        let (served, cut) = (server.join().unwrap(), node.join().unwrap());
        match cut {
            Cut::NotTaken { .. } if served.is_none() => assert_eq!(look, Look::SendAgain),
            // The call was over before.
            Cut::NotTaken { .. } | Cut::Answered => assert_eq!((look, served), (Look::Answered, Some(true))),
            Cut::Serving => assert_eq!((look, served), (Look::ByNode, Some(false))),
            Cut::Already => unreachable!("it is cut once"),
        }
    });
}

#[test]
fn ipc_fast_4_a_lease_that_is_closed_at_any_moment_has_counted_right() {
    check(|| {
        let m = memory();
        let (s, n) = (m.clone(), m.clone());
        let server = thread::spawn(move || if Lane(&s.lane).is_asked() { serve(&s, 0) } else { None });
        let node = thread::spawn(move || {
            let shut = Lane(&n.lane).shut();
            let closed = Taking(&n.lease).close();
            if shut.asked {
                n.lane.wake();
            }
            closed.taken + u32::from(closed.taking.is_some() && shut.serving)
        });
        let look = client(&m, 1);
        let (served, counted) = (server.join().unwrap(), node.join().unwrap());
        assert_eq!(served.is_some(), look == Look::Answered, "taken once or given back");
        assert_eq!(served.is_some(), counted == 1, "the node's count");
        assert_eq!(Taking(&m.lease).begin(0), None, "nothing is taken under a closed lease");
    });
}

#[test]
fn ipc_fast_3_a_request_that_is_taken_back_is_not_taken() {
    check(|| {
        let m = memory();
        let s = m.clone();
        let server = thread::spawn(move || if Lane(&s.lane).is_asked() { serve(&s, 0) } else { None });
        m.request.store(1, Relaxed);
        assert!(Lane(&m.lane).ask());
        let look = Lane(&m.lane).await_answer(|_| Patience::Over);
        let served = server.join().unwrap();
        match look {
            Look::SendAgain => assert_eq!(served, None),
            _ => assert_eq!(served, Some(true)),
        }
    });
}
