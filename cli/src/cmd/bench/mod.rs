//! `mach bench`: what a remote fault, a sequential read, a call and memory in a message cost, side by side with what they
//! are made of.
//!
//! Invariants: (1) the kinds that are compared take turns within one run, in the same processes, so that a machine whose
//! speed drifts does not favour one; (2) every byte that is read is checked or summed, so that nothing is optimised
//! away; (3) figures are medians over rounds, with every round's value in the JSON.

mod fault;
mod floor;
mod ipc;
mod pin;
mod raw;
mod stage;
mod stream;
mod touch;
mod vm;
mod worker;

use super::Context;
use crate::args;
use crate::failure::Result;

/// Runs a measurement, or the other process of one.
pub fn run(cx: &Context, bench: &args::Bench) -> Result<()> {
    match bench {
        args::Bench::Fault(args) => fault::run(cx, args),
        args::Bench::Stream(args) => stream::run(cx, args),
        args::Bench::Ipc(args) => ipc::run(cx, args),
        args::Bench::Vm(args) => vm::run(cx, args),
        args::Bench::Touch(args) => touch::run(cx, args),
        args::Bench::Peer(args::BenchPeer::Raw { identity, listen }) => raw::serve(identity, *listen),
        args::Bench::Peer(args::BenchPeer::Uffd { socket, around }) => floor::serve(socket, *around),
        args::Bench::Peer(args::BenchPeer::Ipc(role)) => ipc::run_role(role),
        args::Bench::Peer(args::BenchPeer::Vm(role)) => vm::run_role(role),
    }
}

/// The middle one; the mean of the middle two for an even number.
///
/// Conditions: there is at least one.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Rounded to one digit behind the point.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Rounded to two.
fn hundredth(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(hundredth(1.239), 1.24);
    }
}
