//! Mach's semantics for one node: what a port, a right, a map and a fault mean, and nothing of how Linux does it.
//!
//! Pure and deterministic: time comes in as an argument, memory moves through [`vm::Pmap`], everything else that has to
//! happen outside goes out as a value. `ipc` knows nothing of memory, `vm` nothing of ports; `kern` is where they meet.

pub mod ipc;
pub mod kern;
pub mod vm;

/// A task of this node. Counts up; never reused in one life of the node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TaskId(pub u32);

/// Nanoseconds since the node started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    /// The time `ms` milliseconds later; the end of time when that does not fit.
    pub fn after_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }
}
