//! What a child by fork(2) gets of the memory that the node mapped: what Mach's inheritance says, or nothing.
//!
//! The child is no task until it attaches, and then another one: what it inherits is its process's own memory. Before a
//! process forks, each of its tasks makes Linux do what Mach says: memory to be copied is frozen, so that parent and child
//! have private mappings of one file; memory to be shared stays mapped shared, and is never frozen; everything else, memory
//! with a pager always, is not there in the child, so that touching it ends the child and never shows it zeroes.
//!
//! Spec: docs/spec/vm.md [vm.inherit.2] to [vm.inherit.4].

use std::sync::{Mutex, Once, PoisonError, Weak};

use proto::Inherit;
use sys::arena::Advise;

use crate::memory::Memory;
use crate::task::{Inner, Task};

static TASKS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());
static PREPARED: Once = Once::new();

/// From now on the task's memory is inherited as it should be.
pub(crate) fn watch(task: Weak<Inner>) {
    PREPARED.call_once(|| sys::process::before_fork(prepare_all));
    let mut tasks = TASKS.lock().unwrap_or_else(PoisonError::into_inner);
    tasks.retain(|task| task.strong_count() > 0);
    tasks.push(task);
}

/// Called in the thread that forks, before it does.
extern "C" fn prepare_all() {
    // Somebody who is just attaching has nothing mapped yet; and a lock must not be waited for here.
    let tasks: Vec<_> = match TASKS.try_lock() {
        Ok(tasks) => tasks.iter().filter_map(Weak::upgrade).collect(),
        Err(_) => return,
    };
    for inner in tasks.into_iter().filter(|inner| inner.is_of_this_process()) {
        let task = Task(inner);
        if let Some(memory) = task.0.memory.clone() {
            prepare(&task, &memory);
        }
    }
}

fn prepare(task: &Task, memory: &Memory) {
    // Without the node nobody knows what is to be inherited.
    let regions = task.regions(task.task_self()).collect::<Result<Vec<_>, _>>();
    let whole = [(memory.arena.start(), memory.arena.size(), Inherit::None)];
    let parts: Vec<(u64, u64, Inherit)> = match regions {
        Ok(regions) => regions.iter().map(|r| (r.address, r.size, r.inheritance)).collect(),
        Err(_) => whole.into(),
    };
    for (address, size, inheritance) in parts {
        let inherited = match inheritance {
            // What is private by now a child has as a copy, as Linux does it.
            Inherit::Copy => {
                memory.is_unmanaged(address, size, None)
                    && (memory.is_unmanaged(address, size, Some(false))
                        || task.freeze_in_place(address, size).is_ok()
                            && memory.is_unmanaged(address, size, Some(false)))
            }
            Inherit::Share => memory.is_unmanaged(address, size, Some(true)),
            Inherit::None => false,
        };
        let advise = if inherited { Advise::DoFork } else { Advise::DontFork };
        let _ = memory.arena.advise(address, size, advise);
    }
}
