//! How far long work has come: a bar that redraws itself on a terminal, a line now and then everywhere else.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::out::Out;
use crate::units::{Bytes, megabytes_per_second};

/// Least time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Progress of one piece of work. Ends when dropped; only [`Progress::done`] leaves a closing line.
pub struct Progress {
    out: Out,
    label: String,
    unit: Unit,
    total: u64,
    at: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Bytes, shown with their rate.
    Bytes,
    /// Anything else, by its plural name.
    Count(&'static str),
}

impl Progress {
    /// Starts showing work of `total` units.
    pub fn start(out: Out, label: impl Into<String>, unit: Unit, total: u64) -> Progress {
        let label = label.into();
        let bar = out.draws().then(|| {
            let template = match unit {
                Unit::Bytes => {
                    "{prefix:<28} [{bar:30}] {binary_bytes:>10}/{binary_total_bytes} {decimal_bytes_per_sec} {eta}"
                }
                Unit::Count(_) => "{prefix:<28} [{bar:30}] {human_pos:>10}/{human_len} {msg} {per_sec} {eta}",
            };
            let style = ProgressStyle::with_template(template).expect("the template is constant").progress_chars("=> ");
            let bar = ProgressBar::new(total).with_style(style).with_prefix(label.clone());
            if let Unit::Count(name) = unit {
                bar.set_message(name);
            }
            bar
        });
        let now = Instant::now();
        Progress { out, label, unit, total, at: 0, started: now, last_line: now, bar }
    }

    /// `n` more units are done.
    pub fn add(&mut self, n: u64) {
        self.set(self.at + n);
    }

    /// `at` units are done in all.
    pub fn set(&mut self, at: u64) {
        self.at = at;
        match &self.bar {
            Some(bar) => bar.set_position(at),
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                let percent = (at as u128 * 100).checked_div(self.total as u128).unwrap_or(100);
                self.out.note(format!("{}: {percent} % ({})", self.label, self.amount()));
            }
            None => {}
        }
    }

    /// The work is complete; leaves one line that says so.
    pub fn done(self) {
        let took = self.started.elapsed();
        self.out_of_the_way();
        self.out.note(format!("{}: {} in {}", self.label, self.amount(), crate::units::Span(took)));
    }

    /// Removes the bar, so that something else can be printed.
    pub fn out_of_the_way(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn amount(&self) -> String {
        match self.unit {
            Unit::Bytes => {
                let rate = megabytes_per_second(self.at, self.started.elapsed());
                format!("{} of {}, {rate:.0} MB/s", Bytes(self.at), Bytes(self.total))
            }
            Unit::Count(name) => format!("{} of {} {name}", self.at, self.total),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.out_of_the_way();
    }
}
