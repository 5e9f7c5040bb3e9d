//! `mach vm`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::Target;
use crate::units::Span;

/// `mach vm`.
#[derive(Subcommand, Debug)]
pub enum Vm {
    /// Lists what a task has mapped: range, protection, object, how much of it is here
    Regions(VmTask),
    /// Draws a task's address space: which pages are here, dirty, shared, or on their pager
    Map(VmTask),
    /// Prints what nodes count of their memory, as vm_statistics has it
    Stat(VmStat),
}

/// `mach vm regions`, `mach vm map`.
#[derive(Args, Debug)]
pub struct VmTask {
    /// The task (`mach task ls` has the numbers)
    #[arg(value_name = "TASK")]
    pub task: u32,
    /// How often.
    #[command(flatten)]
    pub watch: Watch,
    /// Which node.
    #[command(flatten)]
    pub target: Target,
}

/// `mach vm stat`.
#[derive(Args, Debug)]
pub struct VmStat {
    /// How often.
    #[command(flatten)]
    pub watch: Watch,
    /// Which node; without it, all nodes here.
    #[command(flatten)]
    pub target: Target,
}

/// Whether something is shown once or again and again.
#[derive(Args, Clone, Copy, Debug)]
pub struct Watch {
    /// Show it again every so many seconds, until interrupted
    #[arg(long = "watch", value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds)]
    pub every: Option<Span>,
}

fn seconds(text: &str) -> Result<Span, String> {
    let bad = || format!("`{text}` is not a number of seconds: write 2 or 0.5, 0.1 at least");
    let number: f64 = text.parse().map_err(|_| bad())?;
    let span = Duration::try_from_secs_f64(number).ok().filter(|span| *span >= Duration::from_millis(100));
    span.map(Span).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number_that_is_not_too_small() {
        assert_eq!(seconds("2"), Ok(Span(Duration::from_secs(2))));
        assert_eq!(seconds("0.5"), Ok(Span(Duration::from_millis(500))));
        for wrong in ["", "x", "0", "-1", "1e99", "2s"] {
            assert!(seconds(wrong).unwrap_err().contains("write 2 or 0.5"), "{wrong}");
        }
    }
}
