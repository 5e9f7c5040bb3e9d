//! `mach bench ipc`: calls between two tasks beside the bare floors and beside what others would take.
//!
//! Invariants: (1) every system is measured by the same loop (`bench/src/crew.rs`) in processes of its own, that are
//! started once and take turns, case by case, within each round; (2) ratios are to the floors of the same run;
//! (3) whatever happens, the processes end: they are children that die with this one, below one guard.
//!
//! The *relay* is what a message through a third process costs at least: one thread there takes a record from one
//! socket and writes it to another, and so back. The *ping-pongs* are what two wake-ups cost and nothing else.

mod cases;
mod pingpong;
mod relay;
mod report;
mod socket;
mod system;
mod tasks;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mach_bench::{Figures, Load};
use sys::latency::LatencyHold;

use super::stage::Nodes;
use crate::args::{BenchIpc, IpcRole};
use crate::cmd::Context;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::progress::Unit;
use cases::Case;
use report::{Mode, Report};
use system::{Running, System};

/// The peers' program, where it is looked for beside this one.
const PEERS: &str = "mach-bench-peers";

/// Figures by system, by case, by round.
type Measured = Vec<(System, Vec<Option<Vec<Figures>>>)>;

/// Runs the measurement.
pub fn run(cx: &Context, args: &BenchIpc) -> Result<()> {
    let cases = cases::of(args)?;
    let peers = find_peers(args)?;
    if peers.is_none() {
        cx.out
            .note(format!("mach: there is no {PEERS} beside this program, so no peers are measured; README says how"));
    }
    let systems: Vec<System> = System::ALL.into_iter().filter(|s| peers.is_some() || !s.is_peer()).collect();
    let slices = systems.iter().map(|s| cases.iter().filter(|c| s.can(c)).count() as u64).sum::<u64>();
    let slice = slice(args, slices)?;
    let hold = args.awake.then(|| LatencyHold::acquire(0)).transpose();
    let _hold = hold.or_exit(Exit::Machine, || "cannot keep CPUs awake".into())?;
    let nodes = Nodes::start(cx, &["a"])?;
    let place = system::Place { nodes: &nodes, peers: peers.as_deref(), pin: args.pin };
    let mut running = systems.iter().map(|s| Running::start(*s, &place)).collect::<Result<Vec<_>>>()?;
    let mut progress = cx.progress("measuring", Unit::Count("rounds"), args.rounds.into());
    let empty = |s: &System| cases.iter().map(|c| s.can(c).then(Vec::new)).collect();
    let mut measured: Measured = systems.iter().map(|s| (*s, empty(s))).collect();
    for _ in 0..args.rounds {
        round(&cases, slice, &mut running, &mut measured)?;
        progress.add(1);
    }
    progress.out_of_the_way();
    let mode = Mode {
        pin: args.pin,
        awake: args.awake,
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        rounds: args.rounds,
        slice_ms: slice.as_millis() as u64,
        peers: peers.map(|p| p.display().to_string()),
    };
    Report::new(mode, &cases, &measured).print(cx.out)
}

/// The other processes of the measurement.
pub fn run_role(role: &IpcRole) -> Result<()> {
    match role {
        IpcRole::MachServe { node } => tasks::serve(node),
        IpcRole::MachCall { node } => tasks::call(node),
        IpcRole::RelayServe { socket } => relay::serve(socket),
        IpcRole::Relay { socket, server } => relay::relay(socket, server),
        IpcRole::RelayCall { socket } => relay::call(socket),
        IpcRole::FutexServe { socket } => pingpong::serve_futex(socket),
        IpcRole::FutexCall { socket } => pingpong::call_futex(socket),
        IpcRole::EventfdServe { socket } => pingpong::serve_eventfd(socket),
        IpcRole::EventfdCall { socket } => pingpong::call_eventfd(socket),
    }
}

/// Each case in turn, and in each case every system that can do it.
fn round(cases: &[Case], slice: Duration, running: &mut [Running], measured: &mut Measured) -> Result<()> {
    for (index, case) in cases.iter().enumerate() {
        for (running, (_, figures)) in running.iter_mut().zip(measured.iter_mut()) {
            let Some(figures) = &mut figures[index] else { continue };
            figures.push(running.measure(&Load { within_ms: slice.as_millis() as u64, ..case.load() })?);
        }
    }
    Ok(())
}

/// How long one system is measured in one case of one round.
fn slice(args: &BenchIpc, slices: u64) -> Result<Duration> {
    let usage = |text: &str| Err(Failure::new(Exit::Usage, text));
    if args.rounds == 0 || args.seconds == 0 || slices == 0 {
        return usage("there is nothing to measure in no rounds, no time or no cases");
    }
    if args.rounds > 1000 || args.seconds > 3600 {
        return usage("1000 rounds and an hour are the most");
    }
    Ok(Duration::from_millis((args.seconds * 1000 / (slices * u64::from(args.rounds))).max(1)))
}

/// The peers' program: the one that was named, or the one beside this.
///
/// Errors: the one that was named is not there.
fn find_peers(args: &BenchIpc) -> Result<Option<PathBuf>> {
    if let Some(path) = &args.peers {
        let missing = || Failure::new(Exit::NotFound, format!("there is no program {}", path.display()));
        return if path.is_file() { Ok(Some(path.clone())) } else { Err(missing()) };
    }
    let beside = crate::process::current_exe()?.parent().map(|folder: &Path| folder.join(PEERS));
    Ok(beside.filter(|path| path.is_file()))
}
