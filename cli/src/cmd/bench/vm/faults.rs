//! Faults on pages that are there: served by the node, and by a bare loop that does nothing else, for threads of this
//! process.
//!
//! A node maps what there is of the aligned [`FAULT_AROUND_BYTES`] for each fault, so each thread reads one word in every
//! such part that is its own, in random order, which no read-ahead follows. One bare loop maps as much for each fault,
//! another one page.

use std::sync::Barrier;
use std::time::Instant;

use mach_bench::Latencies;
use proto::PAGE_SIZE;
use proto::limits::FAULT_AROUND_BYTES;
use rand::SeedableRng;
use rand::seq::SliceRandom;

use super::report::{FaultRound, Faults};
use crate::args::BenchVm;
use crate::client::Mapped;
use crate::cmd::bench::floor::Floor;
use crate::cmd::bench::stage::{NAME, Stage};
use crate::failure::{Exit, Failure, Result};
use crate::view::View;

/// The processes that take turns.
pub struct Server<'a> {
    stage: &'a Stage,
    /// Keeps the object on the node.
    _held: Mapped,
    /// The first word of each part.
    words: Vec<[u8; 8]>,
    around: Floor,
    single: Floor,
}

impl<'a> Server<'a> {
    /// Brings all pages of the object to the node, and starts the bare loops.
    pub fn start(stage: &'a Stage, parts: u64) -> Result<Server<'a>> {
        let held = stage.client.map(NAME, "*", false)?;
        let mut bytes = vec![0; FAULT_AROUND_BYTES as usize];
        let mut words = Vec::new();
        for part in 0..parts {
            held.read(part * FAULT_AROUND_BYTES, &mut bytes)?;
            words.push(bytes[..8].try_into().expect("8 bytes"));
        }
        let pages = parts * FAULT_AROUND_BYTES / PAGE_SIZE;
        let around = Floor::start(stage, pages, FAULT_AROUND_BYTES)?;
        let single = Floor::start(stage, pages, PAGE_SIZE)?;
        Ok(Server { stage, _held: held, words, around, single })
    }

    /// The processes that answer faults.
    pub fn pids(&self) -> [u32; 3] {
        [self.stage.nodes().pid(0), self.around.pid(), self.single.pid()]
    }

    /// All kinds in turn.
    pub fn round(&mut self, threads: u32) -> Result<FaultRound> {
        let mut order: Vec<u64> = (0..self.words.len() as u64).collect();
        order.shuffle(&mut rand::rngs::StdRng::seed_from_u64(threads.into()));
        let mapped = self.stage.client.map(NAME, "*", false)?;
        let words = &self.words;
        let ours = at_once(threads, &order, |parts| read(&mapped, words, parts))?;
        let page = |part: &u64| part * (FAULT_AROUND_BYTES / PAGE_SIZE);
        let mut bare = |floor: fn(&mut Self) -> &mut Floor| {
            floor(self).forget()?;
            let floor: &Floor = floor(self);
            at_once(threads, &order, |parts| floor.read(&parts.iter().map(page).collect::<Vec<_>>()))
        };
        let around = bare(|server| &mut server.around)?;
        let single = bare(|server| &mut server.single)?;
        Ok(FaultRound { ours, around, single })
    }
}

/// Divides the parts among threads that begin at the same time.
fn at_once(threads: u32, parts: &[u64], read: impl Fn(&[u64]) -> Result<Latencies> + Sync) -> Result<Faults> {
    let (barrier, read) = (&Barrier::new(threads as usize), &read);
    let none: &[u64] = &[];
    let shares = parts.chunks(parts.len().div_ceil(threads as usize)).chain(std::iter::repeat(none));
    std::thread::scope(|scope| {
        let spawn = |share| {
            scope.spawn(move || {
                barrier.wait();
                let begun = Instant::now();
                read(share).map(|latencies| (begun, latencies, Instant::now()))
            })
        };
        let running: Vec<_> = shares.take(threads as usize).map(spawn).collect();
        let mut all = Latencies::new();
        let mut within: Option<(Instant, Instant)> = None;
        for thread in running {
            let (begun, latencies, ended) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            all.add(&latencies);
            within = Some(within.map_or((begun, ended), |(first, last)| (first.min(begun), last.max(ended))));
        }
        let (first, last) = within.expect("there is a thread");
        Ok(Faults { per_second: parts.len() as f64 / (last - first).as_secs_f64(), took: all.summary() })
    })
}

fn read(mapped: &Mapped, words: &[[u8; 8]], parts: &[u64]) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    let mut word = [0; 8];
    for part in parts {
        let begun = Instant::now();
        mapped.read(part * FAULT_AROUND_BYTES, &mut word)?;
        latencies.record(begun.elapsed());
        if word != words[*part as usize] {
            return Err(Failure::new(Exit::Failed, format!("part {part} of the object is not what the file has")));
        }
    }
    Ok(latencies)
}

/// How many parts the object has.
///
/// Errors: there would be fewer faults than threads, or more threads than a task may have waiting.
pub fn parts(args: &BenchVm) -> Result<u64> {
    let usage = |text: String| Err(Failure::new(Exit::Usage, text));
    let most = args.threads.iter().max().copied().unwrap_or(0);
    if args.threads.contains(&0) || most > THREADS_MAX {
        return usage(format!("--threads must be 1 to {THREADS_MAX} here"));
    }
    if args.faults < most.into() || args.faults > FAULTS_MAX {
        return usage(format!("--faults must be as many as threads at least, and {FAULTS_MAX} at most"));
    }
    Ok(args.faults)
}

/// Threads of the largest case.
const THREADS_MAX: u32 = 256;
/// Faults of a round; the object has a part for each, 1 GiB at most.
const FAULTS_MAX: u64 = 1 << 14;
const _: () = assert!(FAULTS_MAX * FAULT_AROUND_BYTES <= 1 << 30 && FAULT_AROUND_BYTES.is_power_of_two());
