//! The agent: one thread of a task that obeys the node when no other thread of the task is asking it anything.
//!
//! It takes no signals, touches no managed memory, and ends with its connection. What has to touch that it leaves to threads
//! of their own ([`crate::errand`]). A connection that ends means that the
//! node is gone (or gave this task up), and then the agent closes the memory ([`Memory::fail_closed`]) and answers in the
//! node's place as long as the task is there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use proto::wire::trap::order;
use sys::{Channel, SysError};

use crate::errand::Errands;
use crate::memory::Memory;
use crate::task::Inner;
use crate::trap;

/// Starts the agent on a connection whose hello is done.
pub(crate) fn start(channel: Arc<Channel>, memory: Arc<Memory>, task: Weak<Inner>) -> Result<(), SysError> {
    let (errands, buffer) = (Errands::new(task.clone(), channel.clone()), trap::room_for_a_record()?);
    let last_act = LastAct { channel, memory, task, quiet: Quiet::new() };
    sys::thread::spawn_without_signals("mach-agent", move || {
        obey(&last_act.channel, &last_act.memory, &errands, buffer);
    })
    .map(drop)
}

/// Threads of the process that write to no memory of the program's, agents among them.
static QUIET: AtomicUsize = AtomicUsize::new(0);

/// Counts one of those, from before it begins. What ends is counted no more before it is gone from the list of threads, so
/// that one too few are taken for quiet.
#[derive(Debug)]
pub(crate) struct Quiet(());

impl Quiet {
    pub fn new() -> Quiet {
        QUIET.fetch_add(1, Ordering::SeqCst);
        Quiet(())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.fetch_sub(1, Ordering::SeqCst);
    }
}

/// In a child by fork(2): none of its parent's is there.
pub(crate) fn forked() {
    QUIET.store(0, Ordering::SeqCst);
}

/// Whether the calling thread is the only one that may write to memory of the program's.
pub(crate) fn is_alone() -> bool {
    let quiet = QUIET.load(Ordering::SeqCst);
    sys::thread::count().is_ok_and(|threads| threads <= 1 + quiet)
}

fn obey(channel: &Channel, memory: &Memory, errands: &Errands, mut buffer: Vec<u8>) {
    while let Ok((answer, fds)) = trap::receive(channel, &mut buffer) {
        // An errand comes alone.
        if let [only] = &answer.orders[..]
            && let Some(order::Op::Errand(errand)) = &only.op
        {
            errands.run(only.order, errand.clone(), fds);
            continue;
        }
        if trap::carry_out(channel, Some(memory), &answer.orders, &fds).is_err() {
            break;
        }
    }
}

/// However the agent ends, by a panic too, the memory is closed.
struct LastAct {
    channel: Arc<Channel>,
    memory: Arc<Memory>,
    task: Weak<Inner>,
    #[allow(dead_code, reason = "it counts as long as it is there")]
    quiet: Quiet,
}

impl Drop for LastAct {
    fn drop(&mut self) {
        // Nothing that comes after this could be obeyed.
        self.channel.shutdown();
        self.memory.fail_closed();
        // Whoever unmaps or moves memory of the task waits until somebody has read of it, and pages that the program lets
        // go are missing again.
        while self.task.strong_count() > 0 && self.memory.answer_in_the_nodes_place().is_ok() {}
    }
}
