//! A task of a crowd: random calls on its memory and on that of the others, each compared with a model that has every byte.
//!
//! What it may compare is what nobody else writes: its regions; its pages of an object that all map; and in each of the
//! others a *board*, in which it has a stripe of its own that it reads and writes through the other's task port. Others come
//! and go: who one is, and where its board lies, stands in every message.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mach::proto::iface::task::{VmCopy, VmRead, VmWrite};
use mach::proto::{Inherit, NamedRight, PAGE_SIZE, Payload, Prot, Routine};
use mach::{AttachOptions, MapOptions, Mapping, Outgoing, ReceiveRight, SendRight, Task};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::wait_until;

/// Tasks of the crowd.
pub const CROWD: usize = 4;
/// Pages of an object that all map, called [`OBJECT`].
pub const OBJECT_PAGES: usize = 64;
/// The name of that object.
pub const OBJECT: &str = "crowd";
/// Regions of a task; the oldest goes first.
const REGIONS: usize = 8;
/// Pages of a stripe. A task that comes anew has another than the one before it, whose last calls may still be under way.
const STRIPE: usize = 4;
const PAGE: usize = PAGE_SIZE as usize;
/// The longest wait for another task, which may be killed meanwhile.
const SOON: Duration = Duration::from_secs(10);

/// A piece of memory, and what its bytes are.
struct Known {
    mapping: Mapping,
    bytes: Vec<u8>,
    /// By page.
    inheritance: Vec<Inherit>,
}

/// Another task, as long as it lives.
struct Peer {
    task: SendRight,
    life: u32,
    /// Where our stripe is in its board, and what it has.
    stripe: u64,
    bytes: Vec<u8>,
}

struct Member {
    number: usize,
    /// The first page of its stripe in the boards of the others.
    stripe: usize,
    task: Task,
    random: SmallRng,
    port: ReceiveRight,
    regions: Vec<Known>,
    board: Mapping,
    object: Known,
    peers: BTreeMap<usize, Peer>,
    /// Lives that have ended, or of whose stripe it is not known what it has.
    lost: BTreeSet<u32>,
    done: Counts,
}

/// What a task has done, for its last words.
#[derive(Default)]
struct Counts {
    steps: u64,
    received: u64,
    foreign: u64,
    inherited: u64,
    withheld: u64,
}

/// Acts until the time is over, compares all once more, and says what it did.
pub fn act(socket: &Path, number: usize, life: usize, seed: u64, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    let mut member = Member::new(socket, number, life, seed)?;
    println!("ready");
    while Instant::now() < until {
        member.done.steps += 1;
        let step = member.done.steps;
        member.step().with_context(|| format!("member {number}, seed {seed}, step {step}"))?;
    }
    member.look_at_all()?;
    let Counts { steps, received, foreign, inherited, withheld } = member.done;
    println!("done {steps} {received} {foreign} {inherited} {withheld}");
    Ok(())
}

impl Member {
    fn new(socket: &Path, number: usize, life: usize, seed: u64) -> Result<Member> {
        let task = Task::attach(AttachOptions { socket: Some(socket.into()), token: Some(0), memory: true })?;
        let port = ReceiveRight::allocate(&task)?;
        // The name of the one before may not be free yet.
        wait_until(SOON, "the name is free", || {
            task.check_in(&name_of(number), NamedRight::NULL, port.made_send()).ok()
        });
        let board = task.allocate((2 * CROWD * STRIPE * PAGE) as u64)?;
        let object = task.look_up(OBJECT, "*")?;
        let mapping = task.map(&object, MapOptions { writable: true, ..MapOptions::default() })?;
        let mut bytes = vec![0; OBJECT_PAGES * PAGE];
        mapping.read_at(0, &mut bytes)?;
        let object = Known { mapping, bytes, inheritance: vec![Inherit::Copy; OBJECT_PAGES] };
        let (regions, peers, lost, done) = Default::default();
        let random = SmallRng::seed_from_u64(seed);
        let stripe = (2 * number + life % 2) * STRIPE;
        Ok(Member { number, stripe, task, random, port, regions, board, object, peers, lost, done })
    }

    fn step(&mut self) -> Result<()> {
        self.take_what_came()?;
        if self.regions.is_empty() || self.random.random_ratio(1, 25) {
            self.allocate()?;
        }
        match self.random.random_range(0..100) {
            0..36 => self.write(),
            36..46 => self.look_at_one(),
            46..56 => self.send(),
            56..60 => self.protect(),
            60..65 => self.inherit(),
            65..77 => self.visit(),
            77..87 => self.use_the_object(),
            87..93 => self.copy_by_call(),
            93..96 => self.fork(),
            _ => {
                let which = self.random.random_range(0..self.regions.len());
                drop(self.regions.swap_remove(which));
                Ok(())
            }
        }
    }

    fn keep(&mut self, mapping: Mapping, bytes: Vec<u8>) {
        let inheritance = vec![Inherit::Copy; bytes.len().div_ceil(PAGE)];
        self.regions.push(Known { mapping, bytes, inheritance });
        if self.regions.len() > REGIONS {
            self.regions.remove(0);
        }
    }

    fn allocate(&mut self) -> Result<()> {
        let pages = [1, 3, 20, 64, 300][self.random.random_range(0..5)];
        let mapping = self.task.allocate((pages * PAGE) as u64)?;
        self.keep(mapping, vec![0; pages * PAGE]);
        Ok(())
    }

    /// One of the regions, and a range of its bytes.
    fn some_range(&mut self, most: usize) -> (usize, std::ops::Range<usize>) {
        let which = self.random.random_range(0..self.regions.len());
        let len = self.regions[which].bytes.len();
        let at = self.random.random_range(0..len);
        (which, at..at + self.random.random_range(0..=(len - at).min(most)))
    }

    fn write(&mut self) -> Result<()> {
        let (which, range) = self.some_range(3 * PAGE);
        let region = &mut self.regions[which];
        self.random.fill_bytes(&mut region.bytes[range.clone()]);
        region.mapping.write_at(range.start as u64, &region.bytes[range])?;
        Ok(())
    }

    fn look_at_one(&mut self) -> Result<()> {
        let which = self.random.random_range(0..self.regions.len());
        self.regions[which].look().with_context(|| format!("region {which}"))
    }

    fn look_at_all(&mut self) -> Result<()> {
        self.regions.iter().try_for_each(Known::look)?;
        self.look_at_own_pages()?;
        (0..CROWD).try_for_each(|n| self.look_at_stripe(n))
    }

    /// Sends a copy of a part of a region, with what it is.
    fn send(&mut self) -> Result<()> {
        let (which, mut range) = self.some_range(usize::MAX);
        if self.random.random() {
            range = 0..self.regions[which].bytes.len();
        }
        let region = &self.regions[which];
        let copy = self.task.freeze(region.mapping.address() + range.start as u64, range.len() as u64)?;
        self.say(copy, hash_of(&region.bytes[range]));
        Ok(())
    }

    /// Whoever is to have it may be gone, or have its queue full.
    fn say(&mut self, memory: Payload, hash: u64) {
        let Ok(to) = self.task.look_up(&name_of(self.random.random_range(0..CROWD)), "") else { return };
        let own = NamedRight::copy_send(self.task.task_self());
        let head = Outgoing::new(&to, 7).u32(self.number as u32).u32(std::process::id()).u64(self.board.address());
        let message = head.right(own).u64(hash).memory(memory);
        let _ = message.send_within(&self.task, Some(Duration::ZERO));
    }

    fn take_what_came(&mut self) -> Result<()> {
        while let Ok(message) = self.port.receive(Some(Duration::ZERO)) {
            let mut items = message.items()?;
            let (number, life, board) = (items.u32()? as usize, items.u32()?, items.u64()?);
            let (right, hash, memory) = (items.right()?, items.u64()?, items.memory()?);
            self.done.received += 1;
            // None if the sender has died since.
            if let Ok(task) = right.send() {
                self.meet(number, life, board, task);
            }
            let bytes = memory.to_bytes().to_vec();
            ensure!(hash_of(&bytes) == hash, "{} bytes of member {number} are not what it sent", bytes.len());
            match self.random.random_range(0..4) {
                // As it came, without looking at it.
                0 => self.say(memory, hash),
                _ if bytes.is_empty() => {}
                _ => {
                    let mapping = self.task.map_frozen(&memory, None)?;
                    self.keep(mapping, bytes);
                }
            }
        }
        Ok(())
    }

    fn meet(&mut self, number: usize, life: u32, board: u64, task: SendRight) {
        let known = self.peers.get(&number).is_some_and(|peer| peer.life == life);
        if known || number == self.number || self.lost.contains(&life) {
            return;
        }
        if let Some(before) = self.peers.remove(&number) {
            self.lost.insert(before.life);
        }
        let (address, size) = (board + (self.stripe * PAGE) as u64, (STRIPE * PAGE) as u64);
        // Zeroes, or what the last but one before this task left there.
        match ask(&self.task, &task, VmRead { address, size }) {
            Some(reply) => {
                let bytes = reply.data.to_bytes().to_vec();
                self.peers.insert(number, Peer { task, life, stripe: address, bytes });
            }
            None => _ = self.lost.insert(life),
        }
    }

    /// What a range does not permit fails, and what it has stays.
    fn protect(&mut self) -> Result<()> {
        let (which, range) = self.some_range(5 * PAGE);
        let none = self.random.random_ratio(1, 3);
        let region = &self.regions[which];
        let (at, bytes) = (range.start as u64..range.end as u64, &region.bytes[range]);
        if bytes.is_empty() {
            return Ok(());
        }
        region.mapping.protect(at.clone(), if none { Prot::empty() } else { Prot::READ })?;
        ensure!(region.mapping.write_at(at.start, bytes).is_err(), "a write to what is read-only");
        let mut seen = vec![0; bytes.len()];
        let read = region.mapping.read_at(at.start, &mut seen);
        ensure!(read.is_err() == none, "a read of what permits it, or not: {read:?}");
        ensure!(none || seen == bytes, "other bytes while it is protected");
        region.mapping.protect(at, Prot::READ | Prot::WRITE)?;
        Ok(())
    }

    fn inherit(&mut self) -> Result<()> {
        let (which, range) = self.some_range(40 * PAGE);
        let inheritance = [Inherit::Copy, Inherit::None, Inherit::Share][self.random.random_range(0..3)];
        let region = &mut self.regions[which];
        region.mapping.inherit(range.start as u64..range.end as u64, inheritance)?;
        if !range.is_empty() {
            region.inheritance[range.start / PAGE..range.end.div_ceil(PAGE)].fill(inheritance);
        }
        Ok(())
    }

    /// Writes into the board of another, copies there, and reads it.
    fn visit(&mut self) -> Result<()> {
        let number = self.random.random_range(0..CROWD);
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        let [from, to] = [0; 2].map(|_| self.random.random_range(0..STRIPE));
        let pages = self.random.random_range(1..=STRIPE - from.max(to));
        let (from, to, size) = (from * PAGE, to * PAGE, pages * PAGE);
        let (source_address, dest_address) = (peer.stripe + from as u64, peer.stripe + to as u64);
        let done = if self.random.random() {
            self.random.fill_bytes(&mut peer.bytes[to..to + size]);
            let data = peer.bytes[to..to + size].to_vec().into();
            ask(&self.task, &peer.task, VmWrite { address: dest_address, data })
        } else {
            peer.bytes.copy_within(from..from + size, to);
            ask(&self.task, &peer.task, VmCopy { source_address, size: size as u64, dest_address })
        };
        match done {
            None => self.lose(number),
            Some(()) => self.look_at_stripe(number)?,
        }
        Ok(())
    }

    fn look_at_stripe(&mut self, number: usize) -> Result<()> {
        let Some(peer) = self.peers.get(&number) else { return Ok(()) };
        let request = VmRead { address: peer.stripe, size: peer.bytes.len() as u64 };
        match ask(&self.task, &peer.task, request) {
            None => self.lose(number),
            Some(reply) => {
                let seen = reply.data.to_bytes();
                let other = (0..seen.len()).find(|at| seen[*at] != peer.bytes[*at]);
                ensure!(other.is_none(), "byte {other:?} of the stripe of {} at {number} is another", self.number);
                self.done.foreign += 1;
            }
        }
        Ok(())
    }

    /// It is gone, or may be: its next life is another.
    fn lose(&mut self, number: usize) {
        let peer = self.peers.remove(&number).expect("known until now");
        self.lost.insert(peer.life);
    }

    /// Of the object that all map, each page is written by one of the crowd.
    fn use_the_object(&mut self) -> Result<()> {
        let page = self.random.random_range(0..OBJECT_PAGES / CROWD) * CROWD + self.number;
        let at = page * PAGE + self.random.random_range(0..PAGE - 8);
        self.random.fill_bytes(&mut self.object.bytes[at..at + 8]);
        self.object.mapping.write_at(at as u64, &self.object.bytes[at..at + 8])?;
        // Those of others come past, whatever they are.
        let other = self.random.random_range(0..OBJECT_PAGES) * PAGE;
        self.object.mapping.read_at(other as u64, &mut [0; 8])?;
        if self.random.random_ratio(1, 8) { self.look_at_own_pages() } else { Ok(()) }
    }

    fn look_at_own_pages(&self) -> Result<()> {
        let mut seen = vec![0; self.object.bytes.len()];
        self.object.mapping.read_at(0, &mut seen)?;
        for at in (self.number..OBJECT_PAGES).step_by(CROWD).map(|page| page * PAGE) {
            ensure!(seen[at..at + PAGE] == self.object.bytes[at..at + PAGE], "page {} of the object", at / PAGE);
        }
        Ok(())
    }

    /// `vm_copy`, `vm_write` and `vm_read` on the own task.
    fn copy_by_call(&mut self) -> Result<()> {
        let which = self.random.random_range(0..self.regions.len());
        let region = &mut self.regions[which];
        let whole = region.bytes.len() / PAGE;
        if whole == 0 {
            return Ok(());
        }
        let [from, to] = [0; 2].map(|_| self.random.random_range(0..whole));
        let pages = self.random.random_range(1..=(whole - from.max(to)).min(30));
        let (at, own) = (region.mapping.address(), self.task.task_self());
        let (from, to, size) = (from * PAGE, to * PAGE, pages * PAGE);
        let copy = VmCopy { source_address: at + from as u64, size: size as u64, dest_address: at + to as u64 };
        self.task.rpc_within(&own, copy, Some(SOON))?;
        region.bytes.copy_within(from..from + size, to);
        let read = VmRead { address: at + to as u64, size: size as u64 };
        let seen = self.task.rpc_within(&own, read, Some(SOON))?.data;
        ensure!(seen.to_bytes() == region.bytes[to..to + size], "vm_read of a copy");
        Ok(())
    }

    /// A child has what it inherits byte for byte, or not at all. What it writes to copies nobody else sees, and what it
    /// writes to shared memory this task does. Source: [vm.inherit.2] to [vm.inherit.4].
    fn fork(&mut self) -> Result<()> {
        let (regions, object) = (&self.regions, &self.object.mapping);
        let mark = [self.random.random::<u8>(); 8];
        let ended = sys::forked::run(|| child(regions, object, &mark))?;
        let Some(code) = ended else { bail!("the child did not end by itself") };
        ensure!(code & CHILD_WRONG == 0, "the child has other bytes: {code:#x}");
        self.done.inherited += u64::from(code & CHILD_INHERITED != 0);
        self.done.withheld += u64::from(code & CHILD_WITHHELD != 0);
        // What the child wrote to shared memory is this task's, where the child had it.
        for region in &mut self.regions {
            for page in 0..region.inheritance.len() {
                let at = page * PAGE;
                if region.inheritance[page] != Inherit::Share || at + 8 > region.bytes.len() {
                    continue;
                }
                let mut seen = [0; 8];
                region.mapping.read_at(at as u64, &mut seen)?;
                if seen == mark {
                    region.bytes[at..at + 8].copy_from_slice(&mark);
                }
            }
        }
        self.regions.iter().try_for_each(Known::look)
    }
}

const CHILD_WRONG: u8 = 1;
const CHILD_INHERITED: u8 = 2;
const CHILD_WITHHELD: u8 = 4;

/// The life of a child: compares, writes everywhere, and compares again.
fn child(regions: &[Known], object: &Mapping, mark: &[u8; 8]) -> u8 {
    let mut code = 0;
    let wrong = |what: &str, page: usize| {
        eprintln!("child: page {page}: {what}");
        CHILD_WRONG
    };
    // A copy; if it were none, those who know its pages would find out.
    for at in (0..object.len()).step_by(PAGE) {
        if object.read_at(at, &mut [0; 8]).is_ok() && object.write_at(at, mark).is_err() {
            code |= wrong("a copy of an object cannot be written", at as usize / PAGE);
        }
    }
    for region in regions {
        for (page, bytes) in region.bytes.chunks(PAGE).enumerate() {
            let (at, mut seen) = ((page * PAGE) as u64, vec![0; bytes.len()]);
            let there = region.mapping.read_at(at, &mut seen).is_ok();
            let permitted = region.inheritance[page] != Inherit::None;
            if there && !permitted {
                code |= wrong("it is not to be inherited", page);
            }
            if there && seen != bytes {
                code |= wrong("it has other bytes", page);
            }
            code |= if there { CHILD_INHERITED } else { CHILD_WITHHELD };
            if there && bytes.len() >= 8 {
                let wrote = region.mapping.write_at(at, mark).is_ok();
                let reads = region.mapping.read_at(at, &mut seen[..8]).is_ok() && seen[..8] == mark[..];
                if !wrote || !reads {
                    code |= wrong("it cannot be written", page);
                }
            }
        }
    }
    code
}

impl Known {
    fn look(&self) -> Result<()> {
        let mut seen = vec![0; self.bytes.len()];
        self.mapping.read_at(0, &mut seen)?;
        let other = seen.iter().zip(&self.bytes).position(|(seen, byte)| seen != byte);
        ensure!(other.is_none(), "byte {other:?} of {} is another", self.bytes.len());
        Ok(())
    }
}

fn name_of(number: usize) -> String {
    format!("crowd-{number}")
}

/// Asks another task, which may be gone.
fn ask<Q: Routine<NamedRight>>(task: &Task, other: &SendRight, request: Q) -> Option<Q::Reply> {
    task.rpc_within(other, request, Some(SOON)).ok()
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
