//! `mach bench fault`: a remote fault beside the bare round trip and the bare local fault that it is made of.

use std::time::Instant;

use proto::PAGE_SIZE;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use serde::Serialize;
use sys::latency::LatencyHold;

use super::floor::Floor;
use super::raw::Raw;
use super::stage::{NAME, Stage};
use super::{hundredth, median, tenth};
use crate::args::BenchFault;
use crate::client::Mapped;
use crate::cmd::Context;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::out::Row;
use crate::progress::Unit;
use crate::view::View;
use mach_bench::{Latencies, Summary};

/// Pages of the object; each is read at most once.
const PAGES_MAX: u64 = 1 << 18;

#[derive(Serialize)]
struct Measured {
    remote: Kind,
    quinn_round_trip_4k: Kind,
    local_fault: Kind,
    /// p50 of a remote fault over the sum of the p50 of what it is made of.
    p50_over_parts: f64,
    /// p99 of a remote fault over its p50.
    p99_over_p50: f64,
    faults_in_each_round: u64,
    /// Whether CPUs were kept out of idle states.
    awake: bool,
}

/// Medians over the rounds, and the rounds.
#[derive(Serialize)]
struct Kind {
    p50_us: f64,
    p99_us: f64,
    rounds: Vec<Summary>,
}

impl Kind {
    fn of(rounds: Vec<Summary>) -> Kind {
        let (p50_us, p99_us) = (median(rounds.iter().map(|r| r.p50_us)), median(rounds.iter().map(|r| r.p99_us)));
        Kind { p50_us: tenth(p50_us), p99_us: tenth(p99_us), rounds }
    }
}

#[derive(Serialize)]
struct Line {
    what: &'static str,
    p50_us: f64,
    p99_us: f64,
}

impl Row for Line {
    const HEADS: &'static [&'static str] = &["WHAT", ">P50 us", ">P99 us"];

    fn cells(&self) -> Vec<String> {
        vec![self.what.into(), format!("{:.1}", self.p50_us), format!("{:.1}", self.p99_us)]
    }
}

/// Runs the measurement.
pub fn run(cx: &Context, args: &BenchFault) -> Result<()> {
    let pages = args.rounds.saturating_mul(args.touches);
    if pages == 0 || pages > PAGES_MAX {
        return Err(Failure::new(Exit::Usage, format!("rounds times touches must be 1 to {PAGES_MAX}")));
    }
    // Twice as many pages as are read, and never fewer than 256 MiB, so that neighbours are seldom read.
    let object_pages = (pages * 2).max(1 << 16);
    let hold = args.awake.then(|| LatencyHold::acquire(0)).transpose();
    let _hold = hold.or_exit(Exit::Machine, || "cannot keep CPUs awake".into())?;
    let stage = Stage::set(cx, &["a", "b"], object_pages * PAGE_SIZE)?;
    let mut raw = Raw::start(&stage)?;
    let mut floor = Floor::start(&stage, args.touches, PAGE_SIZE)?;
    // After these have been forked, which would bring up to 256 MiB for them.
    let mapped = stage.client.map(NAME, "*", false)?;
    let mut order: Vec<u64> = (0..object_pages).collect();
    order.shuffle(&mut rand::rngs::StdRng::seed_from_u64(object_pages));
    let mut progress = cx.progress("measuring", Unit::Count("rounds"), args.rounds);
    let (mut remote, mut trip, mut local) = (Vec::new(), Vec::new(), Vec::new());
    // The first faults also pay for path discovery and cold caches.
    remote_faults(&mapped, &order[order.len() - 256..])?;
    for round in order.chunks(args.touches as usize).take(args.rounds as usize) {
        trip.push(raw.round_trips(round.len(), PAGE_SIZE)?.summary());
        local.push(floor.faults(round)?.summary());
        remote.push(remote_faults(&mapped, round)?.summary());
        progress.add(1);
    }
    progress.out_of_the_way();
    let (remote, trip, local) = (Kind::of(remote), Kind::of(trip), Kind::of(local));
    let measured = Measured {
        p50_over_parts: hundredth(remote.p50_us / (trip.p50_us + local.p50_us)),
        p99_over_p50: hundredth(remote.p99_us / remote.p50_us),
        faults_in_each_round: args.touches,
        awake: args.awake,
        remote,
        quinn_round_trip_4k: trip,
        local_fault: local,
    };
    if cx.out.json() {
        return cx.out.value(&measured);
    }
    let line = |what, kind: &Kind| Line { what, p50_us: kind.p50_us, p99_us: kind.p99_us };
    let lines = [
        line("remote 4 KiB fault", &measured.remote),
        line("bare quinn round trip, 4 KiB answer", &measured.quinn_round_trip_4k),
        line("bare local userfaultfd fault", &measured.local_fault),
    ];
    cx.out.list(&lines, "nothing was measured")?;
    cx.out.line(format!(
        "remote p50 is {} x (round trip + local fault); its p99 is {} x its p50; CPUs {}",
        measured.p50_over_parts,
        measured.p99_over_p50,
        if args.awake { "kept awake" } else { "idle as they like" }
    ))
}

/// Reads one word of each page, and times it.
fn remote_faults(mapped: &Mapped, pages: &[u64]) -> Result<Latencies> {
    let mut latencies = Latencies::new();
    let mut word = [0; 8];
    for page in pages {
        let begun = Instant::now();
        mapped.read(page * PAGE_SIZE, &mut word)?;
        latencies.record(begun.elapsed());
    }
    Ok(latencies)
}
