//! The process as a task: attached at the first call that needs a node, and anew in a forked child.
//!
//! 1. One task for a process. A child does not use what its parent attached: it is a task of its own when fork(2) returns in it,
//!    without the parent's rights. What the parent had stays allocated there and is never touched.
//! 2. A process that cannot attach says so once on its standard error output, and tries again at the next call.
//! 3. Nothing here is a lock that a fork could leave locked for ever: whoever attaches is told by its process number.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use mach::{AttachError, AttachOptions, Task};

/// A process and its task.
struct Attached {
    pid: u32,
    task: Task,
}

static CURRENT: AtomicPtr<Attached> = AtomicPtr::new(std::ptr::null_mut());
/// The process that is attaching; 0 for none.
static ATTACHING: AtomicU32 = AtomicU32::new(0);
static SAID: AtomicBool = AtomicBool::new(false);
/// How long a thread waits before it looks again whether another has attached.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The process's task.
///
/// Errors: `None` it cannot attach; the reason was said.
pub fn task() -> Option<&'static Task> {
    let pid = sys::process::id();
    loop {
        if let Some(task) = current(pid) {
            return Some(task);
        }
        let holder = ATTACHING.load(Ordering::Acquire);
        if holder == pid {
            std::thread::sleep(LOOK_AGAIN);
        } else if ATTACHING.compare_exchange(holder, pid, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            // Between the look above and the exchange another thread may have done it.
            let task = current(pid).or_else(|| attach(pid));
            ATTACHING.store(0, Ordering::Release);
            return task;
        }
    }
}

/// Whether this process is a fork of one that attached and has not attached itself.
pub fn is_fork_of_attached() -> bool {
    let pid = sys::process::id();
    attached().is_some_and(|a| a.pid != pid)
}

/// Says why a call could not be made, once for a process.
pub fn say_once(why: &dyn std::error::Error) {
    if SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    eprintln!("libmach: {text}");
}

fn attached() -> Option<&'static Attached> {
    let attached = CURRENT.load(Ordering::Acquire);
    // SAFETY: the pointer is null or came from `Box::leak`, whose value is never freed and never written again.
    unsafe { attached.as_ref() }
}

fn current(pid: u32) -> Option<&'static Task> {
    attached().filter(|a| a.pid == pid).map(|a| &a.task)
}

fn attach(pid: u32) -> Option<&'static Task> {
    // A child by fork(2) is one already. If it could not become one then, it does now; the environment's token was for the
    // process that began with it.
    let token = if is_fork_of_attached() { Some(0) } else { None };
    let options = |memory| AttachOptions { socket: None, token, memory };
    let attached = match Task::forked().map_or_else(|| Task::attach(options(true)), Ok) {
        // Enough for messages; what needs managed memory answers an error.
        Err(AttachError::Userfaultfd(_)) => Task::attach(options(false)),
        other => other,
    };
    // Without managed memory nothing else has made guarded copies ready.
    let task = match attached.and_then(|task| sys::guarded::install().map_err(AttachError::Prepare).map(|()| task)) {
        Ok(task) => task,
        Err(error) => {
            say_once(&error);
            return None;
        }
    };
    SAID.store(false, Ordering::Relaxed);
    let attached: &'static mut Attached = Box::leak(Box::new(Attached { pid, task }));
    CURRENT.store(attached, Ordering::Release);
    current(pid)
}
