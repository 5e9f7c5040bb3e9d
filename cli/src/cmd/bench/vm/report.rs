//! What was measured, with ratios to the floors of the same run, for people and for programs.

use std::collections::BTreeMap;

use mach_bench::Summary;
use serde::{Deserialize, Serialize};
use sys::large;

use crate::args::Pin;
use crate::cmd::bench::{hundredth, median, tenth};
use crate::failure::Result;
use crate::out::{Out, Row};
use crate::units::Bytes;

/// One time that is taken, of ours and of what it is compared with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // `Figure::text` says what each is.
pub enum Figure {
    Fill,
    Frozen,
    Held,
    Delivered,
    ReadOne,
    ReadAll,
    WriteOne,
    WriteAll,
    AgainNoneFrozen,
    AgainNoneHeld,
    AgainNoneDelivered,
    AgainRunFrozen,
    AgainRunHeld,
    AgainRunDelivered,
    AgainScatteredFrozen,
    AgainScatteredHeld,
    AgainScatteredDelivered,
    SpaceHeld,
    SpaceMapped,
    SpaceAgainHeld,
    SpaceAgainMapped,
    Fork,
    Memcpy,
    Socket,
    AnonymousFill,
    MemfdFill,
    NativeReadOne,
    NativeReadAll,
    NativeWriteOne,
    NativeWriteAll,
    ForkWriteOne,
    ForkWriteAll,
}

use Figure::*;

impl Figure {
    /// For people; `None` for what only programs are told.
    fn text(self) -> Option<&'static str> {
        Some(match self {
            Fill => "vm_allocate, write all",
            Frozen | AgainNoneFrozen | AgainRunFrozen | AgainScatteredFrozen => return None,
            Held => "send: sender held",
            Delivered => "send: mapped by receiver",
            ReadOne => "receiver reads 1 %",
            ReadAll => "receiver reads the rest",
            WriteOne => "sender writes 1 %",
            WriteAll => "sender writes all",
            AgainNoneHeld => "again as it is: held",
            AgainNoneDelivered => "again as it is: mapped",
            AgainRunHeld => "again, 1 % in a run: held",
            AgainRunDelivered => "again, 1 % in a run: mapped",
            AgainScatteredHeld => "again, 1 % scattered: held",
            AgainScatteredDelivered => "again, 1 % scattered: mapped",
            SpaceHeld => "space of 100 regions: held",
            SpaceMapped => "space of 100 regions: mapped",
            SpaceAgainHeld => "space, again as it is: held",
            SpaceAgainMapped => "space, again as it is: mapped",
            Fork => "fork()",
            Memcpy => "memcpy",
            Socket => "socket copy",
            AnonymousFill => "plain mmap, write all",
            MemfdFill => "plain memfd, write all",
            NativeReadOne => "plain memfd, read 1 %",
            NativeReadAll => "plain memfd, read the rest",
            NativeWriteOne => "plain memfd, write 1 %",
            NativeWriteAll => "plain memfd, write all",
            ForkWriteOne => "after fork(), write 1 %",
            ForkWriteAll => "after fork(), write the rest",
        })
    }

    /// Whether it is compared with ways of copying.
    fn is_passing(self) -> bool {
        (Held..=Delivered).contains(&self) || (AgainNoneHeld..=SpaceAgainMapped).contains(&self)
    }

    /// The same without a node.
    fn native(self) -> Option<Figure> {
        Some(match self {
            Fill => AnonymousFill,
            ReadOne => NativeReadOne,
            ReadAll => NativeReadAll,
            WriteOne => NativeWriteOne,
            WriteAll => NativeWriteAll,
            _ => return None,
        })
    }
}

/// How it was measured.
#[derive(Debug, Serialize)]
pub struct Mode {
    /// Where the processes ran.
    pub pin: Pin,
    /// CPUs that there are.
    pub cpus: usize,
    /// Rounds.
    pub rounds: u32,
    /// What the machine says of large pages.
    pub machine: Machine,
}

/// What Linux is set to do with large pages.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// For memfds: the setting of `shmem_enabled`, if there is one.
    pub shmem_enabled: Option<String>,
    /// For plain memory.
    pub enabled: Option<String>,
}

impl Machine {
    /// Reads the settings.
    pub fn read() -> Machine {
        Machine { shmem_enabled: large::setting("shmem_enabled"), enabled: large::setting("enabled") }
    }
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    mode: Mode,
    sends: Vec<Sends>,
    faults: Vec<FaultLine>,
    #[serde(skip)]
    measured: Vec<(u32, Vec<FaultRound>)>,
}

/// Memory of one size.
#[derive(Debug, Serialize)]
pub struct Sends {
    bytes: u64,
    /// Bytes of the filled memory that pages of 2 MiB mapped, at most.
    huge_bytes: u64,
    /// Bytes of fresh memory that reached the receiver as bytes and not as a file: 0 if nothing was copied on the way.
    copied_bytes: u64,
    figures: BTreeMap<Figure, Times>,
}

/// One figure, in microseconds.
#[derive(Debug, Default, Serialize)]
struct Times {
    median_us: f64,
    least_us: f64,
    most_us: f64,
    /// The median over that of fork() of as much plain memory.
    over_fork: Option<f64>,
    over_memcpy: Option<f64>,
    over_socket: Option<f64>,
    /// Over the same done to plain memory: what was filled to plain mmap, the rest to a memfd that is mapped privately.
    over_native: Option<f64>,
    rounds_us: Vec<f64>,
}

impl Sends {
    /// Bytes that are sent.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// One more time.
    pub fn add(&mut self, figure: Figure, us: f64) {
        self.figures.entry(figure).or_default().rounds_us.push(us);
    }

    /// How much was mapped by large pages.
    pub fn huge(&mut self, bytes: u64) {
        self.huge_bytes = self.huge_bytes.max(bytes);
    }

    /// How much came as bytes.
    pub fn copied(&mut self, bytes: u64) {
        self.copied_bytes = self.copied_bytes.max(bytes);
    }

    fn sum_up(&mut self) {
        for times in self.figures.values_mut() {
            let rounds = times.rounds_us.iter().copied();
            times.median_us = hundredth(median(rounds.clone()));
            times.least_us = hundredth(rounds.clone().fold(f64::INFINITY, f64::min));
            times.most_us = hundredth(rounds.fold(0.0, f64::max));
        }
        let medians: BTreeMap<Figure, f64> = self.figures.iter().map(|(f, times)| (*f, times.median_us)).collect();
        for (figure, times) in &mut self.figures {
            let over = |floor: Option<Figure>| {
                let ratio = times.median_us / medians.get(&floor?)?;
                ratio.is_finite().then(|| hundredth(ratio))
            };
            let passing = |floor| over(figure.is_passing().then_some(floor));
            (times.over_fork, times.over_memcpy) = (passing(Fork), passing(Memcpy));
            (times.over_socket, times.over_native) = (passing(Socket), over(figure.native()));
        }
    }
}

/// What one kind came to in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Faults {
    /// Of all threads together.
    pub per_second: f64,
    /// How long a thread waited.
    pub took: Summary,
}

/// All kinds in one round.
#[derive(Clone, Debug, Serialize)]
pub struct FaultRound {
    /// Served by the node.
    pub ours: Faults,
    /// By the loop that maps as much for each fault as the node does.
    pub around: Faults,
    /// By the loop that maps one page.
    pub single: Faults,
}

#[derive(Debug, Serialize)]
struct FaultLine {
    threads: u32,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    bare_per_second: f64,
    bare_page_per_second: f64,
    /// Ours over the loop that maps as much.
    over_bare: f64,
    over_bare_page: f64,
    rounds: Vec<FaultRound>,
}

impl FaultLine {
    fn new(threads: u32, rounds: &[FaultRound]) -> FaultLine {
        let of = |get: fn(&FaultRound) -> f64| median(rounds.iter().map(get));
        let (ours, around, single) =
            (of(|r| r.ours.per_second), of(|r| r.around.per_second), of(|r| r.single.per_second));
        FaultLine {
            threads,
            per_second: ours.round(),
            p50_us: tenth(of(|r| r.ours.took.p50_us)),
            p99_us: tenth(of(|r| r.ours.took.p99_us)),
            bare_per_second: around.round(),
            bare_page_per_second: single.round(),
            over_bare: hundredth(ours / around),
            over_bare_page: hundredth(ours / single),
            rounds: rounds.to_vec(),
        }
    }
}

impl Report {
    /// Nothing yet.
    pub fn new(mode: Mode, sizes: &[u64], threads: &[u32]) -> Report {
        let empty = |bytes: &u64| Sends { bytes: *bytes, huge_bytes: 0, copied_bytes: 0, figures: BTreeMap::new() };
        Report {
            mode,
            sends: sizes.iter().map(empty).collect(),
            faults: Vec::new(),
            measured: threads.iter().map(|threads| (*threads, Vec::new())).collect(),
        }
    }

    /// Size by size.
    pub fn sends(&mut self) -> &mut [Sends] {
        &mut self.sends
    }

    /// Threads, and what they came to.
    pub fn faults(&mut self) -> &mut [(u32, Vec<FaultRound>)] {
        &mut self.measured
    }

    /// Tables, or the JSON of everything.
    pub fn print(mut self, out: Out) -> Result<()> {
        self.sends.iter_mut().for_each(Sends::sum_up);
        self.faults = self.measured.iter().map(|(threads, rounds)| FaultLine::new(*threads, rounds)).collect();
        if out.json() {
            return out.value(&self);
        }
        let lines: Vec<SendLine<'_>> = self.sends.iter().flat_map(SendLine::of).collect();
        out.list(&lines, "nothing was sent")?;
        out.line("")?;
        out.list(&self.faults, "no fault was served")?;
        let Mode { pin, cpus, rounds, machine } = &self.mode;
        let huge = self.sends.iter().map(|s| s.huge_bytes).max().unwrap_or(0);
        let setting = machine.shmem_enabled.as_deref().unwrap_or("not there");
        out.line(format!("medians of {rounds} rounds; {cpus} CPUs, {}", pin.text()))?;
        out.line(format!(
            "2 MiB folios: shmem_enabled is {setting}; of the memory that was sent they mapped {}",
            if huge == 0 { "nothing".into() } else { Bytes(huge).to_string() }
        ))
    }
}

/// One figure of one size, for people.
#[derive(Serialize)]
struct SendLine<'a> {
    bytes: u64,
    text: &'static str,
    times: &'a Times,
}

impl SendLine<'_> {
    fn of(sends: &Sends) -> impl Iterator<Item = SendLine<'_>> {
        let line = |(figure, times): (&Figure, _)| Some(SendLine { bytes: sends.bytes, text: figure.text()?, times });
        sends.figures.iter().filter_map(line)
    }
}

impl Row for SendLine<'_> {
    const HEADS: &'static [&'static str] =
        &["MEMORY", "WHAT", ">MEDIAN us", ">LEAST", ">MOST", ">x FORK", ">x MEMCPY", ">x SOCKET", ">x NATIVE"];

    fn cells(&self) -> Vec<String> {
        let Times { median_us, least_us, most_us, over_fork, over_memcpy, over_socket, over_native, .. } = self.times;
        let ratio = |r: &Option<f64>| r.map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        vec![
            Bytes(self.bytes).to_string(),
            self.text.into(),
            format!("{median_us:.1}"),
            format!("{least_us:.1}"),
            format!("{most_us:.1}"),
            ratio(over_fork),
            ratio(over_memcpy),
            ratio(over_socket),
            ratio(over_native),
        ]
    }
}

impl Row for FaultLine {
    const HEADS: &'static [&'static str] = &[
        ">THREADS",
        ">FAULTS/s",
        ">P50 us",
        ">P99 us",
        ">BARE LOOP/s",
        ">x BARE",
        ">BARE, A PAGE/s",
        ">x BARE, A PAGE",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.threads.to_string(),
            format!("{:.0}", self.per_second),
            format!("{:.1}", self.p50_us),
            format!("{:.1}", self.p99_us),
            format!("{:.0}", self.bare_per_second),
            format!("{:.2}", self.over_bare),
            format!("{:.0}", self.bare_page_per_second),
            format!("{:.2}", self.over_bare_page),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let machine = Machine { shmem_enabled: Some("never".into()), enabled: None };
        Report::new(Mode { pin: Pin::Free, cpus: 2, rounds: 3, machine }, &[4096], &[2])
    }

    #[test]
    fn ratios_are_of_medians_to_the_floors_of_the_same_size() {
        let mut report = report();
        let sends = &mut report.sends()[0];
        for (figure, us) in [(Held, 4.0), (Delivered, 30.0), (ReadAll, 8.0), (Fork, 40.0), (NativeReadAll, 4.0)] {
            [2.0, 1.0, 0.5].into_iter().for_each(|factor| sends.add(figure, us * factor));
        }
        sends.sum_up();
        let text: Vec<String> = SendLine::of(sends).map(|l| l.cells().join(" | ")).collect();
        expect_test::expect![[r#"
            4 KiB | send: sender held | 4.0 | 2.0 | 8.0 | 0.10 | - | - | -
            4 KiB | send: mapped by receiver | 30.0 | 15.0 | 60.0 | 0.75 | - | - | -
            4 KiB | receiver reads the rest | 8.0 | 4.0 | 16.0 | - | - | - | 2.00
            4 KiB | fork() | 40.0 | 20.0 | 80.0 | - | - | - | -
            4 KiB | plain memfd, read the rest | 4.0 | 2.0 | 8.0 | - | - | - | -"#]]
        .assert_eq(&text.join("\n"));
    }

    #[test]
    fn faults_are_compared_with_both_loops() {
        let took = Summary { count: 9, mean_us: 1.0, p50_us: 5.0, p90_us: 6.0, p99_us: 7.0, max_us: 9.0 };
        let faults = |per_second| Faults { per_second, took };
        let round = |factor: f64| FaultRound {
            ours: faults(80.0 * factor),
            around: faults(100.0 * factor),
            single: faults(160.0),
        };
        let line = FaultLine::new(2, &[round(9.0), round(1.0), round(0.5)]);
        assert_eq!(line.cells().join(" "), "2 80 5.0 7.0 100 0.80 160 0.50");
    }
}
