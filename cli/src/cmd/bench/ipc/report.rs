//! What was measured, with ratios to the floors of the same run, for people and for programs.

use mach_bench::{Figures, What};
use serde::Serialize;

use super::Measured;
use super::cases::Case;
use super::system::System;
use crate::args::Pin;
use crate::cmd::bench::{hundredth, median, tenth};
use crate::failure::Result;
use crate::out::{Out, Row};

/// How it was measured.
#[derive(Debug, Serialize)]
pub struct Mode {
    /// Where the processes ran.
    pub pin: Pin,
    /// Whether CPUs were kept out of idle states.
    pub awake: bool,
    /// CPUs that there are.
    pub cpus: usize,
    /// Rounds.
    pub rounds: u32,
    /// How long each system was measured in each case of a round.
    pub slice_ms: u64,
    /// The program with the systems of others.
    pub peers: Option<String>,
}

/// One system in one case.
#[derive(Debug, Serialize)]
struct Line {
    case: String,
    system: System,
    size: u64,
    rights: u32,
    clients: u32,
    one_way: bool,
    p50_us: f64,
    p99_us: f64,
    per_second: f64,
    /// p50 over that of the relay in the same case; of one-way messages, the relay's rate over this one.
    over_relay: Option<f64>,
    /// p50 over that of the futex ping-pong of as many clients.
    over_futex: Option<f64>,
    /// p50 over that of the eventfd ping-pong of as many clients.
    over_eventfd: Option<f64>,
    rounds: Vec<Figures>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    mode: Mode,
    lines: Vec<Line>,
}

impl Report {
    /// Medians over the rounds, case by case.
    pub fn new(mode: Mode, cases: &[Case], measured: &Measured) -> Report {
        let mut lines = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            for (system, figures) in measured {
                let Some(rounds) = figures[index].as_ref().filter(|f| !f.is_empty()) else { continue };
                lines.push(Line {
                    case: case.name(),
                    system: *system,
                    size: case.size,
                    rights: case.rights,
                    clients: case.clients,
                    one_way: case.what == What::OneWay,
                    p50_us: tenth(median(rounds.iter().map(|f| f.took.p50_us))),
                    p99_us: tenth(median(rounds.iter().map(|f| f.took.p99_us))),
                    per_second: median(rounds.iter().map(|f| f.per_second)).round(),
                    over_relay: None,
                    over_futex: None,
                    over_eventfd: None,
                    rounds: rounds.clone(),
                });
            }
        }
        for at in 0..lines.len() {
            let over = |floor| over(&lines[at], floor, &lines);
            let ratios = (over(System::Relay), over(System::Futex), over(System::Eventfd));
            (lines[at].over_relay, lines[at].over_futex, lines[at].over_eventfd) = ratios;
        }
        Report { mode, lines }
    }

    /// A table, or the JSON of everything.
    pub fn print(&self, out: Out) -> Result<()> {
        if out.json() {
            return out.value(self);
        }
        out.list(&self.lines, "nothing was measured")?;
        let Mode { pin, awake, cpus, rounds, slice_ms, .. } = &self.mode;
        let pin = pin.text();
        let awake = if *awake { "kept awake (low latency)" } else { "idle as they like" };
        out.line(format!("{pin}; {cpus} CPUs, {awake}; medians of {rounds} rounds of {slice_ms} ms each"))
    }
}

/// How many times as long as a floor; `None` without the floor's figure, or for the floor itself.
fn over(line: &Line, floor: System, lines: &[Line]) -> Option<f64> {
    // A ping-pong carries nothing, so its null call is the floor of every size.
    let same = |l: &&Line| match floor {
        System::Relay => (l.size, l.rights, l.one_way) == (line.size, 0, line.one_way),
        _ => !l.one_way && !line.one_way,
    };
    let of = lines.iter().filter(|l| l.system == floor && l.clients == line.clients).find(same)?;
    let ratio = match line.one_way {
        false => line.p50_us / of.p50_us,
        true => of.per_second / line.per_second,
    };
    (line.system != floor && ratio.is_finite()).then(|| hundredth(ratio))
}

impl Row for Line {
    const HEADS: &'static [&'static str] =
        &["CASE", "SYSTEM", ">P50 us", ">P99 us", ">PER SECOND", ">x RELAY", ">x FUTEX", ">x EVENTFD"];

    fn cells(&self) -> Vec<String> {
        let ratio = |r: Option<f64>| r.map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        vec![
            self.case.clone(),
            self.system.name().into(),
            format!("{:.1}", self.p50_us),
            format!("{:.1}", self.p99_us),
            format!("{:.0}", self.per_second),
            ratio(self.over_relay),
            ratio(self.over_futex),
            ratio(self.over_eventfd),
        ]
    }
}

#[cfg(test)]
mod tests {
    use mach_bench::Summary;

    use super::*;

    fn figures(p50_us: f64, per_second: f64) -> Option<Vec<Figures>> {
        let took = Summary { count: 9, mean_us: 1.0, p50_us, p90_us: 2.0, p99_us: 3.0 * p50_us, max_us: 9.0 };
        let round = |f: f64| Figures { took: Summary { p50_us: p50_us * f, ..took }, per_second: per_second * f };
        Some(vec![round(1.0), round(5.0), round(0.5)])
    }

    #[test]
    fn ratios_are_to_the_floors_of_the_same_run() {
        let null = Case { what: What::Rpc, size: 0, rights: 0, clients: 1 };
        let cases = [null, Case { size: 64, ..null }, Case { rights: 2, ..null }, Case { what: What::OneWay, ..null }];
        let measured = vec![
            (System::Mach, vec![figures(20.0, 50.0), figures(22.0, 40.0), figures(40.0, 20.0), figures(4.0, 100.0)]),
            (System::Relay, vec![figures(10.0, 90.0), figures(11.0, 80.0), None, figures(1.0, 250.0)]),
            (System::Futex, vec![figures(5.0, 200.0), None, None, None]),
        ];
        let mode = Mode { pin: Pin::Same, awake: false, cpus: 2, rounds: 3, slice_ms: 10, peers: None };
        let report = Report::new(mode, &cases, &measured);
        let text: Vec<String> = report.lines.iter().map(|l| l.cells().join(" ")).collect();
        expect_test::expect![[r#"
            null mach 20.0 60.0 50 2.00 4.00 -
            null relay 10.0 30.0 90 - 2.00 -
            null futex 5.0 15.0 200 0.50 - -
            64 B mach 22.0 66.0 40 2.00 4.40 -
            64 B relay 11.0 33.0 80 - 2.20 -
            2 rights mach 40.0 120.0 20 4.00 8.00 -
            one-way mach 4.0 12.0 100 2.50 - -
            one-way relay 1.0 3.0 250 - - -"#]]
        .assert_eq(&text.join("\n"));
    }
}
