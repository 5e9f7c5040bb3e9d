//! What one process holds: rights by name, with the ports they are for. Shared by its threads.
//!
//! Names are plain numbers here, not the library's values: a right is moved, copied and received from by several threads at
//! a time, which is the point. Each entry of `sends` is one user reference.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use mach::proto::iface::mach_port;
use mach::proto::{Disposition, NamedRight, PortName};
use mach::{PortSet, ReceiveRight, SendOnceRight, SendRight, Task};

use super::thread::Replies;
use super::{Event, Life, Port, Sender};

/// User references that a process keeps; more are given up.
const SENDS_MAX: usize = 150;

/// A receive right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    pub name: PortName,
    pub port: Port,
    pub tenure: u64,
    /// What [`Pool::stamp`] said when it came.
    since: u64,
}

/// A right to answer a request of `asker`, the one with `number`.
#[derive(Debug)]
pub(super) struct Owed {
    pub right: SendOnceRight,
    pub asker: Sender,
    pub number: u64,
}

#[derive(Default)]
pub(super) struct Held {
    pub sends: Vec<(Port, PortName)>,
    pub receives: BTreeMap<PortName, Holding>,
    pub sets: Vec<Arc<PortSet>>,
    pub owed: Vec<Owed>,
    /// Of threads that have ended.
    pub replies: Vec<Replies>,
}

pub(super) struct Pool {
    pub task: Task,
    pub life: Life,
    pub stop: AtomicBool,
    out: File,
    held: Mutex<Held>,
    stamp: AtomicU64,
    last_port: AtomicU64,
    last_thread: AtomicU64,
}

impl Pool {
    pub fn new(task: Task, life: Life) -> Pool {
        Pool {
            task,
            life,
            stop: AtomicBool::new(false),
            out: std::io::stdout().as_fd().try_clone_to_owned().expect("a descriptor").into(),
            held: Mutex::default(),
            stamp: AtomicU64::new(1),
            last_port: AtomicU64::new(0),
            last_thread: AtomicU64::new(0),
        }
    }

    /// Says something to the parent, in one write.
    pub fn say(&self, event: &Event) {
        // A pipe that nobody reads any more is the end of the parent.
        if (&self.out).write_all(format!("{event}\n").as_bytes()).is_err() {
            std::process::exit(3);
        }
    }

    pub fn wrong(&self, what: impl std::fmt::Display) {
        self.say(&Event::Wrong(what.to_string()));
    }

    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no thread panics here")
    }

    pub fn next_thread(&self) -> Sender {
        Sender(u64::from(self.life.0) << 16 | self.last_thread.fetch_add(1, Ordering::SeqCst))
    }

    /// To be compared with when a right came.
    pub fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::SeqCst)
    }

    /// A new port; the first is the door.
    pub fn make_port(&self) {
        let port = Port(self.life.door().0 + self.last_port.fetch_add(1, Ordering::SeqCst));
        match ReceiveRight::allocate(&self.task) {
            Ok(right) => self.take_receive(port, 1, right.into_named().name),
            Err(error) => self.wrong(format!("a port: {error:?}")),
        }
    }

    /// A receive right came under a name.
    pub fn take_receive(&self, port: Port, tenure: u64, name: PortName) {
        self.say(&Event::Holds(port, tenure));
        let mut held = self.held();
        let since = self.stamp.fetch_add(1, Ordering::SeqCst) + 1;
        if held.receives.insert(name, Holding { name, port, tenure, since }).is_some() {
            drop(held);
            self.wrong(format!("two receive rights under the name {name:?}"));
        }
    }

    /// A reference to a send right came under a name.
    pub fn take_send(&self, port: Port, name: PortName) {
        let mut held = self.held();
        if held.sends.len() < SENDS_MAX {
            held.sends.push((port, name));
        } else {
            drop(held);
            self.give_up_send(name);
        }
    }

    pub fn give_up_send(&self, name: PortName) {
        drop(SendRight::adopt(&self.task, name));
    }

    /// Destroys a port that has been taken out of the holdings.
    pub fn destroy(&self, holding: Holding) {
        self.say(&Event::Destroys(holding.port));
        drop(ReceiveRight::adopt(&self.task, holding.name));
    }

    /// The port that a message came to under `name` if it is certain: the right was there all the time since `stamp`.
    pub fn certain(&self, name: PortName, stamp: u64) -> Option<Holding> {
        self.held().receives.get(&name).copied().filter(|h| h.since <= stamp)
    }

    pub fn move_member(&self, member: PortName, after: PortName) {
        let request = mach_port::MoveMember { member: member.0, after: after.0 };
        // Another thread may have moved or destroyed it.
        let _ = self.task.rpc(&self.task.task_self(), request);
    }

    pub fn set_qlimit(&self, name: PortName, qlimit: u32) {
        let _ = self.task.rpc(&self.task.task_self(), mach_port::SetQlimit { name: name.0, qlimit });
    }

    /// Takes back or takes over a right as a message had it: only what was, or would have been, moved is anybody's.
    pub fn take_right(&self, right: NamedRight, port: Port, tenure: u64) {
        if !right.name.is_valid() {
            return;
        }
        match right.disposition {
            Disposition::MoveReceive => self.take_receive(port, tenure, right.name),
            Disposition::MoveSend => self.take_send(port, right.name),
            Disposition::MoveSendOnce => drop(SendOnceRight::adopt(&self.task, right.name)),
            Disposition::CopySend | Disposition::MakeSend | Disposition::MakeSendOnce => {}
        }
    }
}
