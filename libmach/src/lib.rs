//! Mach's interface for C: the functions of the headers under `libmach/include`, over the Rust library `mach`.
//!
//! A C program's message is passed on nearly as it lies in its buffer: `message` reads the buffer, gathers out-of-line
//! memory and hands both to the node; the node alone judges rights and types. Invariants:
//! 1. No Rust type and no panic crosses the boundary (`face`).
//! 2. Memory of the program is read and written by guarded copies where the interface promises an error code for memory
//!    that is not there (messages and what they carry); arguments by address must be valid, as in any C library.
//! 3. The process becomes a task at its first call, a forked child when fork returns in it (`attach`).

pub mod abi;
mod attach;
mod attribute;
mod destroy;
mod face;
mod host;
mod memory;
mod message;
mod mig;
mod netname;
mod port;
mod server;
mod space;
mod special;
mod text;
mod vm;

pub use attribute::*;
pub use destroy::mach_msg_destroy;
pub use host::*;
pub use message::{mach_msg, mach_msg_trap};
pub use mig::*;
pub use netname::*;
pub use port::*;
pub use server::{mach_msg_server, mach_msg_server_timeout};
pub use space::*;
pub use special::*;
pub use text::{mach_error, mach_error_string, mach_error_type, mach_print};
pub use vm::*;
