//! `mach bench vm`: memory in a message beside what it would take otherwise, and faults served beside a bare loop.
//!
//! Invariants: (1) the kinds take turns within each round, in processes that are started once; (2) what arrives is checked
//! page by page; (3) memory is fresh for each first send, and goes back to the machine before anything else is measured;
//! (4) the machine's settings are read, never written.
//!
//! One cycle: fill, send, the receiver reads 1 % and then all; send again as it is; write 1 % in one run, send again; write
//! 1 % scattered, send again, the receiver checks all; write all; then the same as a whole address space, sent twice.

mod faults;
mod floors;
mod report;
mod step;
mod tasks;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proto::PAGE_SIZE;
use proto::limits::FAULT_AROUND_BYTES;

use super::pin;
use super::stage::{Nodes, Stage};
use super::worker::Worker;
use crate::args::{BenchVm, VmRole};
use crate::cmd::Context;
use crate::failure::{Exit, Failure, Result};
use crate::progress::Unit;
use floors::Floors;
use report::{Figure, Machine, Mode, Report, Sends};
use step::{Done, FRESH, Pages, RUN_WRITTEN, SCATTERED_WRITTEN, Step};

/// The largest memory that is sent.
const SIZE_MAX: u64 = 4 << 30;
/// Memory that a cycle takes, as a multiple of what is sent.
const MEMORY_FACTOR: u64 = 4;
/// Small memory is sent several times in a round: about so many bytes, and so often at most.
const CYCLE_BYTES: u64 = 16 << 20;
const CYCLES_MAX: u64 = 16;
/// Regions of an address space.
const SPACE_REGIONS: u64 = 100;
/// How long a receiver may take to begin to wait, from when it is told to.
const SETTLE: Duration = Duration::from_millis(5);

/// Runs the measurement.
pub fn run(cx: &Context, args: &BenchVm) -> Result<()> {
    let sizes = sizes(args)?;
    let parts = faults::parts(args)?;
    let stage = Stage::set(cx, &["a"], parts * FAULT_AROUND_BYTES)?;
    let mut crew = Crew::start(stage.nodes(), args)?;
    let steps = u64::from(args.rounds) * (sizes.len() + args.threads.len()) as u64;
    let mut progress = cx.progress("measuring", Unit::Count("slices"), steps);
    let mut report = Report::new(
        Mode { pin: args.pin, cpus: cpus(), rounds: args.rounds, machine: Machine::read() },
        &sizes,
        &args.threads,
    );
    for _ in 0..args.rounds {
        for sends in report.sends() {
            for _ in 0..(CYCLE_BYTES / sends.bytes()).clamp(1, CYCLES_MAX) {
                crew.cycle(sends)?;
            }
            progress.add(1);
        }
    }
    // The senders' memory is none of the faults' business.
    drop(crew);
    let mut server = faults::Server::start(&stage, parts)?;
    let own = std::process::id();
    pin::bind(args.pin, own, own, &server.pids())?;
    for _ in 0..args.rounds {
        for (threads, rounds) in report.faults() {
            rounds.push(server.round(*threads)?);
            progress.add(1);
        }
    }
    progress.out_of_the_way();
    report.print(cx.out)
}

/// The other processes of the measurement.
pub fn run_role(role: &VmRole) -> Result<()> {
    match role {
        VmRole::Sender { node } => tasks::send(node),
        VmRole::Receiver { node } => tasks::receive(node),
        VmRole::Floors { socket } => floors::run(socket),
        VmRole::Sink { socket } => floors::sink(socket),
    }
}

/// The processes that send, receive, and do what both are compared with.
struct Crew {
    sender: Worker,
    receiver: Worker,
    floors: Worker,
    _sink: Worker,
}

impl Crew {
    fn start(nodes: &Nodes, args: &BenchVm) -> Result<Crew> {
        let (node, socket) = (nodes.socket(0), nodes.folder().join("sink.sock"));
        let start = |role: &str, option: &str, path: &Path| {
            let mut command = Command::new(crate::process::current_exe()?);
            command.args(["bench", "peer", "vm", role, option]).arg(path);
            Worker::start(nodes.guard(), command, format!("memory ({role})"))
        };
        let receiver = start("receiver", "--node", &node)?;
        let sender = start("sender", "--node", &node)?;
        let sink = start("sink", "--socket", &socket)?;
        let floors = start("floors", "--socket", &socket)?;
        pin::bind(args.pin, sender.pid(), receiver.pid(), &[nodes.pid(0)])?;
        pin::bind(args.pin, floors.pid(), sink.pid(), &[])?;
        Ok(Crew { sender, receiver, floors, _sink: sink })
    }

    /// One cycle, and the floors for the same memory.
    fn cycle(&mut self, sends: &mut Sends) -> Result<()> {
        let bytes = sends.bytes();
        let about = Duration::from_secs(2 + bytes / (256 << 20) * 4);
        let filled: Done = self.sender.measure(&Step::Fill { bytes }, about)?;
        sends.add(Figure::Fill, filled.took_us());
        sends.huge(filled.bytes);
        let came = self.pass(sends, [Figure::Frozen, Figure::Held, Figure::Delivered], about)?;
        sends.copied(came);
        for (figure, pages) in [(Figure::ReadOne, Pages::Scattered), (Figure::ReadAll, Pages::All)] {
            let read: Done = self.receiver.measure(&Step::Read { pages, generation: FRESH }, about)?;
            sends.add(figure, read.took_us());
        }
        self.pass(sends, [Figure::AgainNoneFrozen, Figure::AgainNoneHeld, Figure::AgainNoneDelivered], about)?;
        self.write(Pages::Run, RUN_WRITTEN, about)?;
        self.pass(sends, [Figure::AgainRunFrozen, Figure::AgainRunHeld, Figure::AgainRunDelivered], about)?;
        sends.add(Figure::WriteOne, self.write(Pages::Scattered, SCATTERED_WRITTEN, about)?);
        let again = [Figure::AgainScatteredFrozen, Figure::AgainScatteredHeld, Figure::AgainScatteredDelivered];
        self.pass(sends, again, about)?;
        let check = Step::Read { pages: Pages::All, generation: SCATTERED_WRITTEN };
        self.receiver.measure::<_, Done>(&check, about)?;
        sends.add(Figure::WriteAll, self.write(Pages::All, SCATTERED_WRITTEN + 1, about)?);
        for worker in [&mut self.sender, &mut self.receiver] {
            worker.measure::<_, Done>(&Step::Release, about)?;
        }
        self.space(sends, about)?;
        let floors: Floors = self.floors.measure(&Step::Floors { bytes }, about)?;
        floors.into_iter().for_each(|(figure, us)| sends.add(figure, us));
        Ok(())
    }

    /// Sends the memory to a receiver that waits, and counts from when the sender began. Answers how many bytes came as
    /// bytes and not as a file.
    fn pass(&mut self, sends: &mut Sends, figures: [Figure; 3], about: Duration) -> Result<u64> {
        self.receiver.begin(&Step::Take)?;
        std::thread::sleep(SETTLE);
        let sent: Done = self.sender.measure(&Step::Send, about)?;
        let taken: Done = self.receiver.end(about)?;
        let us = |at: u64| at.saturating_sub(sent.begun_ns) as f64 / 1000.0;
        for (figure, at) in figures.into_iter().zip([sent.midway_ns, sent.ended_ns, taken.ended_ns]) {
            sends.add(figure, us(at));
        }
        Ok(taken.bytes)
    }

    /// The same memory as a whole address space of many regions, which another task maps at the same addresses.
    fn space(&mut self, sends: &mut Sends, about: Duration) -> Result<()> {
        let bytes = sends.bytes();
        if bytes < SPACE_REGIONS * PAGE_SIZE {
            return Ok(());
        }
        let fill =
            Step::FillRegions { bytes: bytes.next_multiple_of(SPACE_REGIONS * PAGE_SIZE), regions: SPACE_REGIONS };
        self.sender.measure::<_, Done>(&fill, about)?;
        for figures in [[Figure::SpaceHeld, Figure::SpaceMapped], [Figure::SpaceAgainHeld, Figure::SpaceAgainMapped]] {
            self.receiver.begin(&Step::TakeSpace)?;
            std::thread::sleep(SETTLE);
            let sent: Done = self.sender.measure(&Step::SendSpace, about)?;
            let taken: Done = self.receiver.end(about)?;
            for (figure, at) in figures.into_iter().zip([sent.ended_ns, taken.ended_ns]) {
                sends.add(figure, at.saturating_sub(sent.begun_ns) as f64 / 1000.0);
            }
            self.receiver.measure::<_, Done>(&Step::Release, about)?;
        }
        self.sender.measure::<_, Done>(&Step::Release, about)?;
        Ok(())
    }

    fn write(&mut self, pages: Pages, generation: u64, about: Duration) -> Result<f64> {
        let written: Done = self.sender.measure(&Step::Write { pages, generation }, about)?;
        Ok(written.took_us())
    }
}

/// The sizes, in whole pages.
///
/// Errors: what cannot be sent here, or no rounds.
fn sizes(args: &BenchVm) -> Result<Vec<u64>> {
    let usage = |text: String| Err(Failure::new(Exit::Usage, text));
    if args.rounds == 0 || args.rounds > 1000 {
        return usage("--rounds must be 1 to 1000".into());
    }
    if args.sizes.iter().any(|size| size.0 == 0 || size.0 > SIZE_MAX) {
        return usage(format!("--sizes must be 1 to {SIZE_MAX} bytes here"));
    }
    let sizes: Vec<u64> = args.sizes.iter().map(|size| size.0.next_multiple_of(PAGE_SIZE)).collect();
    let needed = MEMORY_FACTOR * sizes.iter().max().copied().unwrap_or(0);
    let available = sys::probe::available_bytes(needed)
        .ok_or_else(|| Failure::new(Exit::Machine, "cannot tell how much memory is free"))?;
    if needed > available {
        return Err(Failure::new(Exit::Machine, "there is too little memory for the largest of --sizes")
            .because(format!("it takes {needed} bytes, and {available} are available")));
    }
    Ok(sizes)
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}
