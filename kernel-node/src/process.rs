//! The process behind a task: who it is, how it is reached, and how it became the task.

use std::collections::BTreeMap;
use std::rc::Rc;

use kernel_core::TaskId;
use sys::PidFd;
use tokio::task::AbortHandle;

use crate::channel::ChannelId;

/// How long a prepared task waits for its process.
pub const PREPARED_MS: u64 = 60_000;

/// A task's process, or the lack of one.
#[derive(Debug)]
pub struct Process {
    /// What further connections of the task say to belong to it. Unguessable.
    pub token: u64,
    /// Once it has attached.
    pub attached: Option<Attached>,
    /// Faults since it attached.
    pub faults: u64,
}

/// A process that has attached.
#[derive(Debug)]
pub struct Attached {
    /// Its number, for people.
    pub pid: u32,
    /// The process itself.
    pub pidfd: Rc<PidFd>,
    /// What it says it is.
    pub command: String,
    /// `full` or `user-mode-only`, as it says.
    pub mode: String,
    /// Its agent's connection.
    pub agent: Option<ChannelId>,
    /// The connections of its threads.
    pub channels: usize,
    /// The loops that serve its faults and wait for its end. They hold descriptors, and end with the task: its process
    /// may live on.
    pub watchers: Vec<AbortHandle>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.watchers.iter().for_each(AbortHandle::abort);
    }
}

/// The processes of this node's tasks.
#[derive(Default)]
pub struct Processes {
    by_task: BTreeMap<TaskId, Process>,
    by_token: BTreeMap<u64, TaskId>,
}

impl Processes {
    /// A task without a process, and the token for it.
    pub fn prepare(&mut self, task: TaskId) -> u64 {
        let token = loop {
            let token: u64 = rand::random();
            if token != 0 && !self.by_token.contains_key(&token) {
                break token;
            }
        };
        self.by_token.insert(token, task);
        self.by_task.insert(task, Process { token, attached: None, faults: 0 });
        token
    }

    /// The task that a token stands for.
    pub fn of_token(&self, token: u64) -> Option<TaskId> {
        self.by_token.get(&token).copied()
    }

    /// A task's process record.
    pub fn get(&self, task: TaskId) -> Option<&Process> {
        self.by_task.get(&task)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, task: TaskId) -> Option<&mut Process> {
        self.by_task.get_mut(&task)
    }

    /// Forgets a task.
    pub fn remove(&mut self, task: TaskId) -> Option<Process> {
        let process = self.by_task.remove(&task)?;
        self.by_token.remove(&process.token);
        Some(process)
    }

    /// All of them, by task.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Process)> {
        self.by_task.iter().map(|(task, process)| (*task, process))
    }
}
