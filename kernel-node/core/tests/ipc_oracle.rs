//! The core against a naive model of the same rules: random calls in lock-step, and every combination of what a send and
//! a receive can be asked.
//!
//! A failure prints the shortest sequence of calls that proptest finds.

#[path = "ipc_oracle/cases.rs"]
mod cases;
#[path = "ipc_oracle/endings.rs"]
mod endings;
#[path = "ipc_oracle/messages.rs"]
mod messages;
#[path = "ipc_oracle/model.rs"]
mod model;
#[path = "ipc_oracle/random.rs"]
mod random;
#[path = "ipc_oracle/routines.rs"]
mod routines;
#[path = "ipc_oracle/run.rs"]
mod run;
