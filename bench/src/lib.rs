//! What every program that is measured has in common: what it is asked to do, how it is timed, and how it tells.
//!
//! `mach bench ipc` and `mach-bench-peers` (in `bench/peers/`, a workspace of its own) are built from the same loop, so
//! that systems are compared and not the ways of timing them: (1) a [`Load`] comes as one line of JSON on standard input
//! and a [`Told`] goes as one line to standard output; (2) a [`Caller`] makes one call, and [`Crew`] times many of them;
//! (3) every byte of a request is read by its receiver, whose answer is [`checksum`] of them, so that nothing is
//! optimised away; (4) no loop lasts longer than its load permits.

mod crew;
mod latency;
mod worker;

pub use crew::{Caller, Crew, Error, Figures, Load, What, checksum, noise};
pub use latency::{Latencies, Summary};
pub use worker::{Told, work};
