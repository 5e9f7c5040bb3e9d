//! Errands: what others have this task do to its own memory, through its port (`vm_read`, `vm_write`, `vm_copy`, and
//! `vm_map` of a copy).
//!
//! Each runs on a thread of its own, which touches managed memory as any thread of the program does: the agent must not,
//! since a fault may wait for an order that the agent has to carry out.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use prost::Message as _;
use proto::vm::{round_page, trunc_page};
use proto::wire::body::NamedMessage;
use proto::wire::trap::{Call, Collect, Copy, Errand, MapCopy, MapMemory, OrderDone, Read, Write, call, errand};
use proto::{KernReturn, Payload, Prot, codec};
use sys::Channel;

use crate::beside::{Inbound, Outbound};
use crate::fork::part;
use crate::task::{Inner, Task};

/// Errands of a task at one time; `ResourceShortage` for another.
const ERRANDS_MAX: usize = 32;

/// Who runs errands for a task.
pub(crate) struct Errands {
    task: Weak<Inner>,
    channel: Arc<Channel>,
    running: Arc<AtomicUsize>,
}

impl Errands {
    /// None yet; they are answered on `channel`.
    pub fn new(task: Weak<Inner>, channel: Arc<Channel>) -> Errands {
        Errands { task, channel, running: Arc::default() }
    }

    /// Begins one; `fds` came beside it.
    pub fn run(&self, order: u64, errand: Errand, fds: Vec<OwnedFd>) {
        let (task, channel, running) = (self.task.clone(), self.channel.clone(), self.running.clone());
        if running.fetch_add(1, Ordering::Relaxed) >= ERRANDS_MAX {
            running.fetch_sub(1, Ordering::Relaxed);
            return answer(&channel, order, Err(KernReturn::ResourceShortage));
        }
        let one = One(running);
        let started = sys::thread::spawn_without_signals("mach-errand", move || {
            let _one = one;
            let done = match task.upgrade().map(Task) {
                // The kernel looks at what it is answered.
                Some(task) => carry_out(&task, errand, fds).and_then(|brought| {
                    let memory = task.settled(brought.memory).map_err(|error| error.code())?;
                    Ok(Brought { memory, ..brought })
                }),
                None => Err(KernReturn::Terminated),
            };
            answer(&channel, order, done);
        });
        if started.is_err() {
            answer(&self.channel, order, Err(KernReturn::ResourceShortage));
        }
    }
}

/// Counts one that runs.
struct One(Arc<AtomicUsize>);

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What comes of an errand.
#[derive(Default)]
pub(crate) struct Brought {
    pub memory: Payload,
    /// Of a collection, what could not be had: in order and apart.
    pub left_out: Vec<Range<u64>>,
    address: u64,
}

impl From<Payload> for Brought {
    fn from(memory: Payload) -> Brought {
        Brought { memory, ..Brought::default() }
    }
}

fn carry_out(task: &Task, errand: Errand, fds: Vec<OwnedFd>) -> Result<Brought, KernReturn> {
    let done = |()| Brought::default();
    match errand.what.ok_or(KernReturn::Failure)? {
        errand::What::Read(Read { address, size }) => {
            task.freeze(address, size).map(Brought::from).map_err(|error| error.code())
        }
        errand::What::MapCopy(MapCopy { from, size, how }) => {
            let copy = task.copy_bytes(from, size).map_err(|error| error.code())?;
            let mapped = task.map_frozen_as(&copy, how.unwrap_or_default()).map_err(|error| error.code())?;
            Ok(Brought { address: mapped.into_raw(), ..Brought::default() })
        }
        errand::What::Write(Write { address, contents }) => write(task, address, &memory_of(contents, fds)?).map(done),
        errand::What::Copy(Copy { from, size, to }) => {
            let data = task.freeze(from, size).map_err(|error| error.code())?;
            write(task, to, &data).map(done)
        }
        errand::What::Collect(Collect { ranges }) => task.collect(&ranges).map_err(|error| error.code()),
        errand::What::MapMemory(MapMemory { how, contents }) => {
            let memory = memory_of(contents, fds)?;
            let mapped = task.map_frozen_as(&memory, how.unwrap_or_default()).map_err(|error| error.code())?;
            Ok(Brought { address: mapped.into_raw(), ..Brought::default() })
        }
    }
}

fn memory_of(contents: Option<NamedMessage>, fds: Vec<OwnedFd>) -> Result<Payload, KernReturn> {
    let beside = Inbound::new(fds);
    let fetch = |fd, offset, length| beside.fetch(fd, offset, length);
    // What the kernel sends is well formed; this process may have no room for it (`RLIMIT_AS`).
    codec::decode_memory_received(contents.unwrap_or_default(), fetch).ok_or(KernReturn::ResourceShortage)
}

fn write(task: &Task, address: u64, data: &Payload) -> Result<(), KernReturn> {
    let memory = task.0.memory.as_ref().ok_or(KernReturn::InvalidTask)?;
    // A thread that freezes what it alone writes to does not reckon with this one, which came later.
    let _not_while_freezing = memory.alone();
    let end = address.checked_add(data.len() as u64).and_then(round_page).ok_or(KernReturn::InvalidAddress)?;
    let pages = trunc_page(address)..end;
    memory.refuse_changed(&[pages]).map_err(|error| error.code())?;
    sys::guarded::stand_first();
    let mut at = address;
    for chunk in data.chunks() {
        memory.arena.write(at, chunk).map_err(|fault| memory.why_not(Prot::WRITE, fault.address, at).code())?;
        at += chunk.len() as u64;
    }
    Ok(())
}

/// A node that cannot be told is gone.
fn answer(channel: &Channel, order: u64, done: Result<Brought, KernReturn>) {
    let mut said = OrderDone { order, ..OrderDone::default() };
    let mut beside = Outbound::default();
    match done {
        Ok(Brought { memory, left_out, address }) => {
            (said.left_out, said.address) = (left_out.iter().map(part).collect(), address);
            let (contents, outside) = codec::encode_contents(Bytes::new(), memory, 0);
            match Outbound::new(outside) {
                Ok(outbound) => (said.contents, beside) = (Some(contents), outbound),
                Err(_) => said.code = KernReturn::ResourceShortage.raw(),
            }
        }
        Err(code) => said.code = code.raw(),
    }
    let call = Call { ticket: 0, op: Some(call::Op::OrderDone(said)) };
    let _ = channel.send(&call.encode_to_vec(), &beside.fds());
}
