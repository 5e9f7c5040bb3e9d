//! The daemon of a node: Mach's semantics from `kernel_core`, given Linux to work on.
//!
//! Everything that touches kernel state runs on one thread (docs/decisions/0001). [`node`] is that state; [`shell`] has
//! the loops that feed it; the other modules are what it is made of: memory ([`pmap`]), connections of tasks
//! ([`channel`], [`orders`], [`trap`], [`tasks`]), the servers that live in the node ([`server`] and one module each), numbers
//! ([`metrics`]).

pub mod admission;
mod ahead;
pub mod awake;
pub mod channel;
pub mod config;
pub mod copying;
mod fault_times;
mod forking;
pub mod frozen;
pub mod host;
mod host_info;
mod host_vm;
mod inspect;
pub mod lanes;
mod memory;
pub mod metrics;
pub mod names;
pub mod node;
pub mod orders;
pub mod pagers;
mod passed;
pub mod pmap;
mod pollers;
pub mod process;
mod regions;
pub mod remote;
pub mod server;
pub mod shell;
mod swap;
pub mod tasks;
pub mod trap;
pub mod waiters;

pub use config::NodeConfig;
pub use shell::{NodeError, run};
