//! Ending the waits of other threads.
//!
//! A [`Canceller`] knows the call that each thread in one of its scopes is in: the connection and the ticket of the call.
//! The node ends a call by both, also one that has not come yet, so it makes no difference which of the two threads is
//! quicker: (1A) the call waits, and ends; (1B) the call comes later, and ends as soon as it would wait; (1C) the call
//! has ended, and nothing happens.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::wire::trap::{Interrupt, call};

use crate::task::Task;

/// Ends the waits of the threads that are in its [`Canceller::scope`], as `thread_abort` would: once, and for good.
///
/// Clones are one and the same.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let task = mach::Task::attach(mach::AttachOptions::default())?;
/// let port = mach::ReceiveRight::allocate(&task)?;
/// let canceller = mach::Canceller::new(&task);
/// let waiting = std::thread::spawn({
///     let canceller = canceller.clone();
///     move || canceller.scope(|| port.receive(None))
/// });
/// canceller.cancel();
/// assert!(waiting.join().unwrap().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Canceller(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    task: Task,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    /// Calls under way.
    calls: Vec<Interrupt>,
}

thread_local! {
    /// Of the scope that the thread is in.
    static CURRENT: RefCell<Option<Canceller>> = const { RefCell::new(None) };
}

impl Canceller {
    /// For calls of `task`'s threads.
    pub fn new(task: &Task) -> Canceller {
        Canceller(Arc::new(Shared { task: task.clone(), state: Mutex::default() }))
    }

    /// Runs `act`; each `mach_msg` of this thread in it ends when the canceller is used: `RcvInterrupted` loses no message,
    /// `SendInterrupted` gives the message back. What is called after that ends so at once, and nothing is sent.
    ///
    /// Giving up rights is no such call. Of scopes within each other the innermost counts.
    pub fn scope<T>(&self, act: impl FnOnce() -> T) -> T {
        struct Restore(Option<Canceller>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self.clone())));
        act()
    }

    /// Ends the waits.
    pub fn cancel(&self) {
        let calls = {
            let mut state = self.state();
            state.cancelled = true;
            state.calls.clone()
        };
        for interrupt in calls {
            // A node that is gone has ended the call, too.
            let _ = self.0.task.trap(call::Op::Interrupt(interrupt), &[]);
        }
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that can be cancelled, as long as it is under way.
pub(crate) struct Cancellable {
    canceller: Canceller,
    interrupt: Interrupt,
}

/// The scope was cancelled before the call began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cancelled;

/// Makes the next call of this thread known to the scope that it is in; `None` outside of any.
///
/// `next` is asked for the connection and the ticket of that call.
pub(crate) fn begin(task: &Task, next: impl FnOnce() -> Option<Interrupt>) -> Result<Option<Cancellable>, Cancelled> {
    let current = CURRENT.try_with(|c| c.borrow().clone()).ok().flatten();
    let Some(canceller) = current.filter(|c| c.0.task.is(task)) else { return Ok(None) };
    if canceller.is_cancelled() {
        return Err(Cancelled);
    }
    let Some(interrupt) = next() else { return Ok(None) };
    let mut state = canceller.state();
    if state.cancelled {
        return Err(Cancelled);
    }
    state.calls.push(interrupt);
    drop(state);
    Ok(Some(Cancellable { canceller, interrupt }))
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        self.canceller.state().calls.retain(|i| *i != self.interrupt);
    }
}
