//! fork(2) in a task: the child is a task of its own when fork returns in it, with what Mach's inheritance gives it.
//!
//! In the thread that forks, before it does, each task of the process asks its node for a child: (1) the node says which
//! memory the child cannot get as it is; (2) that is frozen, or else copied, or else left out; until (3) the node has made the
//! child's map, and knows which parts Linux is to hand on. In the child, before fork returns there, (4) it attaches, keeps
//! those parts, and maps the others. A child that could not attach keeps what Linux gave it, as its process's own memory.
//!
//! From (1) to the end of the fork nothing else changes what is mapped: the locks of the task's memory are held.
//!
//! Spec: docs/spec/vm.md [vm.inherit.2] to [vm.inherit.7].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::Duration;

use proto::wire::trap::{self, ForkPart, call};
use proto::{KernReturn, ranges};
use sys::Memfd;

use crate::agent;
use crate::allowance::Allowance;
use crate::bytes_out::copy_all;
use crate::memory::{Memory, State, had};
use crate::task::{Inner, Task};
use crate::trap::Connection;

static TASKS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());
static PREPARED: Once = Once::new();
/// In a child: the tasks that it was born with.
static BORN: Mutex<Vec<Task>> = Mutex::new(Vec::new());

thread_local! {
    /// Between the beginning of a fork and its end, in the thread that forks.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// What is held while a process forks.
struct Held {
    tasks: MutexGuard<'static, Vec<Weak<Inner>>>,
    forks: Vec<Fork>,
}

/// A child that is about to be.
struct Fork {
    parent: Arc<Inner>,
    memory: Arc<Memory>,
    state: MutexGuard<'static, State>,
    _alone: MutexGuard<'static, ()>,
    /// The node gives the child up when it ends.
    _line: Connection,
    token: u64,
    kept: Vec<Range<u64>>,
}

/// From now on the task's memory is inherited as it should be.
pub(crate) fn watch(task: Weak<Inner>) {
    PREPARED.call_once(|| sys::process::around_fork(before, in_parent, in_child));
    let mut tasks = TASKS.lock().unwrap_or_else(PoisonError::into_inner);
    tasks.retain(|task| task.strong_count() > 0);
    tasks.push(task);
}

/// The task of this process that was there when its fork returned.
pub(crate) fn born() -> Option<Task> {
    let born = BORN.lock().unwrap_or_else(PoisonError::into_inner);
    born.iter().find(|task| task.0.is_of_this_process()).cloned()
}

/// In the thread that forks, before it does.
extern "C" fn before() {
    let Some(tasks) = known() else { return };
    let of_process = tasks.iter().filter_map(Weak::upgrade).filter(|inner| inner.is_of_this_process());
    let forks = of_process.filter_map(prepare).collect();
    HELD.set(Some(Held { tasks, forks }));
}

/// Behind it, and also where there was no child.
extern "C" fn in_parent() {
    drop(HELD.take());
}

/// Behind it in the child, whose only thread this is.
extern "C" fn in_child() {
    let Some(Held { tasks, forks }) = HELD.take() else { return };
    drop(tasks);
    agent::forked();
    for fork in forks {
        if let Some(task) = arrive(fork) {
            BORN.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
    }
}

/// The tasks of the process.
fn known() -> Option<MutexGuard<'static, Vec<Weak<Inner>>>> {
    patiently(|| had(TASKS.try_lock()))
}

/// Looks until a lock can be had. Other threads have it for as long as they freeze or map memory; a thread that forks in a signal
/// handler, which may have it itself, does not wait for ever.
fn patiently<T>(try_lock: impl Fn() -> Option<T>) -> Option<T> {
    (0..LOOKS_MAX).find_map(|_| {
        let had = try_lock();
        if had.is_none() {
            std::thread::sleep(LOOK_AGAIN);
        }
        had
    })
}

/// (1) to (3); without the node nobody knows what is to be inherited, and nothing is.
fn prepare(parent: Arc<Inner>) -> Option<Fork> {
    let memory = parent.memory.clone()?;
    let alone = patiently(|| memory.try_alone())?;
    let Some((line, token, kept, state)) = ask(&parent, &memory) else {
        memory.leave_to_child(&*patiently(|| memory.try_lock())?, &[]);
        return None;
    };
    memory.leave_to_child(&state, &kept);
    Some(Fork { parent, memory, state, _alone: alone, _line: line, token, kept })
}

/// What the node has made: the child's life line and token, the ranges that Linux is to hand on, the lock under which this holds.
type Made = (Connection, u64, Vec<Range<u64>>, MutexGuard<'static, State>);

fn ask(parent: &Arc<Inner>, memory: &Memory) -> Option<Made> {
    let task = Task(parent.clone());
    let mut ready = MadeReady::default();
    let mut line = Connection::open(parent.socket()).ok()?;
    for round in 0..ROUNDS_MAX {
        let state = patiently(|| memory.try_lock())?;
        let fds: Vec<_> = ready.files.iter().map(|file| file.as_fd()).collect();
        let op = call::Op::Fork(trap::Fork { token: parent.token(), ready: ready.parts.clone() });
        let answer = line.call(None, op, &fds).ok()?.answer;
        match KernReturn::from_raw(answer.result) {
            Some(KernReturn::Success) => {
                let kept = answer.fork.iter().map(|part| part.address..part.address + part.size).collect();
                return Some((line, answer.welcome?.token, kept, state));
            }
            Some(KernReturn::NotInSet) => {
                drop(state);
                ready.add(&task, memory, &answer.fork, round);
            }
            _ => return None,
        }
    }
    None
}

/// What a child cannot get as it is, made ready for it.
#[derive(Default)]
struct MadeReady {
    parts: Vec<ForkPart>,
    files: Vec<Memfd>,
    /// Where it was tried to freeze or to thaw.
    tried: BTreeSet<u64>,
    allowance: Allowance,
}

impl MadeReady {
    /// (2): in the first round what can be frozen is. What is still not ready then is copied, or left out; but what threads
    /// are about to change is waited for.
    fn add(&mut self, task: &Task, memory: &Memory, missing: &[ForkPart], round: usize) {
        if round > 0 && round < ROUNDS_OF_PATIENCE && missing.iter().any(|part| part.changing) {
            std::thread::sleep(LOOK_AGAIN);
        }
        let (mut to_copy, mut to_freeze) = (Vec::new(), Vec::new());
        for part in missing {
            let range = part.address..part.address + part.size;
            if part.changing && round < ROUNDS_OF_PATIENCE {
                continue;
            }
            // What cannot be frozen, or thawed, is asked for again.
            let tried = !self.tried.insert(part.address);
            match part.share {
                _ if part.changing || tried && part.share => self.parts.push(ForkPart { fd: None, ..*part }),
                true => drop(self.allowance.take(memory, &range, |part| task.thaw(memory, part))),
                false if tried => to_copy.push(range),
                false => to_freeze.push(range),
            }
        }
        if !to_freeze.is_empty() {
            task.freeze_for_child(&to_freeze);
        }
        self.copy(memory, to_copy);
    }

    fn copy(&mut self, memory: &Memory, to_copy: Vec<Range<u64>>) {
        let total = to_copy.iter().map(|range| range.end - range.start).sum();
        let file = if total > 0 { Memfd::freezable("mach-fork", total).ok() } else { None };
        let (first, fd, mut offset) = (self.parts.len(), self.files.len() as u32, 0);
        for range in to_copy {
            let lies = |address| offset + (address - range.start);
            let had = match &file {
                // Where something is short the child gets nothing of it; and a node that is gone makes no child.
                Some(file) => {
                    let copy = |part: &Range<u64>| {
                        let copied = copy_all(memory, std::slice::from_ref(part), true, file, lies(part.start));
                        // It may be tried again, in parts.
                        copied.inspect_err(|_| drop(file.punch(lies(part.start), part.end - part.start)))
                    };
                    self.allowance.take(memory, &range, copy).unwrap_or_default()
                }
                None => Vec::new(),
            };
            let left_out = ranges::without(&range, &had);
            self.parts.extend(had.iter().map(|had| ForkPart { fd: Some(fd), offset: lies(had.start), ..part(had) }));
            self.parts.extend(left_out.iter().map(part));
            offset += range.end - range.start;
        }
        match file {
            Some(file) if file.freeze_own().is_ok() => self.files.push(file),
            _ => self.parts[first..].iter_mut().for_each(|part| part.fd = None),
        }
    }
}

/// A range as it is told to the node.
pub(crate) fn part(range: &Range<u64>) -> ForkPart {
    ForkPart { address: range.start, size: range.end - range.start, ..ForkPart::default() }
}

/// (4)
fn arrive(fork: Fork) -> Option<Task> {
    let Fork { parent, memory, state, token, kept, .. } = fork;
    let own = memory.inherit(&state, &kept);
    drop(state);
    let task = own.ok().map(Arc::new).and_then(|own| {
        let task = Task::begin(parent.socket().to_owned(), token, Some(own.clone())).ok();
        if task.is_none() {
            std::mem::forget(own);
        }
        task
    });
    // Its addresses are the child's now, and would go with it.
    std::mem::forget(parent);
    task
}

/// Questions of one fork: one for what there is, one for what was frozen, one for what was copied, and more while other threads
/// change what is mapped.
const ROUNDS_MAX: usize = 32;
/// Of these, how many may pass before what other threads are changing is left out.
const ROUNDS_OF_PATIENCE: usize = 24;
/// How often a lock is looked at that another thread holds.
const LOOKS_MAX: usize = 30_000;
const LOOK_AGAIN: Duration = Duration::from_millis(1);
