//! A process of the soak: its threads, and what the parent tells it on standard input.
//!
//! `peer LIFE` a process that may be sent to; `stop` end all threads; `drain` take what has come; `end` say which ports
//! live, and give everything up; `settle` every request must have been answered, and no name may be left. Each but the
//! first is answered by a [`Event::Done`]. The end of the input is the end of the process.

use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mach::proto::NamedRight;
use mach::proto::iface::mach_port;
use mach::{AttachOptions, Canceller, Task};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::pool::Pool;
use super::thread::{Replies, Thread, replied, take_in};
use super::{Event, Life};

/// Threads of a process that act, and one more that waits without end.
pub const ACTIVE: usize = 3;
/// How often the process looks after its threads.
const TICK: Duration = Duration::from_millis(5);
/// How long the last answers may take.
const SETTLED_WITHIN: Duration = Duration::from_secs(8);

struct Slot {
    thread: Option<JoinHandle<()>>,
    canceller: Arc<Mutex<Option<Canceller>>>,
    patient: bool,
}

/// Works as a process of the soak until its input ends.
pub fn work(socket: &Path, life: Life, seed: u64) -> anyhow::Result<ExitCode> {
    let task = Task::attach(AttachOptions { socket: Some(socket.to_owned()), token: Some(0), memory: false })?;
    // The first call makes this thread's port for replies.
    names(&task)?;
    let before = names(&task)?;
    let pool = Arc::new(Pool::new(task, life));
    pool.make_port();
    let door = *pool.held().receives.keys().next().ok_or_else(|| anyhow::anyhow!("no door"))?;
    pool.task.check_in(&name_of(life), NamedRight::NULL, NamedRight::make_send(door))?;
    let orders = orders();
    pool.say(&Event::Done("ready".into(), 0));
    let random = StdRng::seed_from_u64(seed);
    act(&pool, random, &orders)?;
    pool.task.check_out(&name_of(life), NamedRight::NULL)?;
    pool.held().sets.clear();
    pool.say(&Event::Done("stop".into(), 0));
    while let Ok(order) = orders.recv() {
        match order.as_str() {
            "drain" => pool.say(&Event::Done(order, drain(&pool))),
            "end" => {
                end(&pool);
                pool.say(&Event::Done(order, 0));
            }
            "settle" => {
                settle(&pool, &before)?;
                pool.say(&Event::Done(order, 0));
            }
            _ => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn name_of(life: Life) -> String {
    format!("soak {}", life.0)
}

fn names(task: &Task) -> anyhow::Result<Vec<u32>> {
    let mut names: Vec<u32> = task.rpc(&task.task_self(), mach_port::Names {})?.names.to_vec();
    names.sort_unstable();
    Ok(names)
}

/// The lines of standard input.
fn orders() -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|l| send.send(l)));
    receive
}

/// Looks after the threads until it is told to stop, and ends them.
fn act(pool: &Arc<Pool>, mut random: StdRng, orders: &Receiver<String>) -> anyhow::Result<()> {
    let slot = |patient| Slot { thread: None, canceller: Arc::default(), patient };
    let mut slots: Vec<Slot> = (0..=ACTIVE).map(|n| slot(n == ACTIVE)).collect();
    loop {
        for slot in &mut slots {
            if slot.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                ended(pool, slot.thread.take());
                slot.thread = Some(start(pool, &mut random, slot));
            }
            if slot.patient && random.random_ratio(1, 20) {
                cancel(slot);
            }
        }
        match orders.try_recv() {
            Ok(order) if order == "stop" => break,
            Ok(order) => {
                let life = order.strip_prefix("peer ").and_then(|n| n.parse().ok()).map(Life);
                let life = life.ok_or_else(|| anyhow::anyhow!("what is {order:?}"))?;
                // It may have died since.
                if let Ok(door) = pool.task.look_up(&name_of(life), "*") {
                    pool.take_send(life.door(), door.into_name());
                }
            }
            Err(TryRecvError::Empty) => std::thread::sleep(TICK),
            Err(TryRecvError::Disconnected) => anyhow::bail!("the parent is gone"),
        }
        // Some go without a word.
        if random.random_ratio(1, 3000) {
            std::process::exit(0);
        }
    }
    pool.stop.store(true, Ordering::SeqCst);
    while slots.iter().any(|slot| slot.thread.as_ref().is_some_and(|t| !t.is_finished())) {
        slots.iter().for_each(cancel);
        std::thread::sleep(TICK);
    }
    slots.iter_mut().for_each(|slot| ended(pool, slot.thread.take()));
    Ok(())
}

fn start(pool: &Arc<Pool>, random: &mut StdRng, slot: &Slot) -> JoinHandle<()> {
    let (pool, canceller, patient) = (pool.clone(), slot.canceller.clone(), slot.patient);
    let random = StdRng::seed_from_u64(random.random());
    std::thread::spawn(move || match Thread::new(&pool, random, patient) {
        Ok(thread) => thread.run(&canceller),
        Err(error) => pool.wrong(format!("a thread: {error:?}")),
    })
}

fn ended(pool: &Pool, thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|t| t.join().is_err()) {
        pool.wrong("a thread panicked");
    }
}

fn cancel(slot: &Slot) {
    let canceller = slot.canceller.lock().expect("no thread panics here").clone();
    canceller.iter().for_each(Canceller::cancel);
}

/// Takes every message that is there; answers how many there were.
fn drain(pool: &Pool) -> u64 {
    let mut taken = 0;
    loop {
        let holdings: Vec<_> = pool.held().receives.values().copied().collect();
        let before = taken;
        for holding in holdings {
            let stamp = pool.stamp();
            while let Ok(message) = pool.task.receive(holding.name, Some(Duration::ZERO)) {
                taken += 1;
                let owed = take_in(pool, message, stamp);
                pool.held().owed.extend(owed);
            }
        }
        if taken == before {
            return taken;
        }
    }
}

/// Says which ports live, and gives up all but the ports for replies.
fn end(pool: &Pool) {
    let (receives, sends, owed) = {
        let mut held = pool.held();
        (std::mem::take(&mut held.receives), std::mem::take(&mut held.sends), std::mem::take(&mut held.owed))
    };
    receives.values().for_each(|h| pool.say(&Event::Alive(h.port)));
    receives.into_values().for_each(|h| drop(mach::ReceiveRight::adopt(&pool.task, h.name)));
    sends.into_iter().for_each(|(_, name)| pool.give_up_send(name));
    drop(owed);
}

/// Each request has been answered once, one way or the other, and no name is left.
fn settle(pool: &Pool, before: &[u32]) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    for mut replies in std::mem::take(&mut pool.held().replies) {
        let wanted = |r: &Replies| r.open.len() as u64 + r.given_up;
        while replies.notified < wanted(&replies) {
            let left = deadline.saturating_duration_since(Instant::now());
            match pool.task.receive(replies.port.name(), Some(left)) {
                Ok(message) => replied(&mut replies, pool, message),
                Err(error) => {
                    pool.wrong(format!("requests never answered ({error}): {replies:?}"));
                    break;
                }
            }
        }
        if let Ok(message) = pool.task.receive(replies.port.name(), Some(Duration::ZERO)) {
            pool.wrong(format!("an answer too many: {message:?}, {replies:?}"));
        }
    }
    let after = names(&pool.task)?;
    if after != before {
        pool.wrong(format!("names {before:x?} before and {after:x?} after"));
    }
    Ok(())
}
