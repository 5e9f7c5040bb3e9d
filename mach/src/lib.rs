//! What a program links to be a task: it attaches to its node, holds rights to ports, sends and receives messages, and
//! maps memory objects, wherever in the cluster their ports are.
//!
//! Everything blocks and works in any thread; each thread has a connection of its own to the node, made at its first
//! call. A small agent thread carries out what others order for this task's memory, and keeps the promise that matters
//! most when the node dies: **memory that its pager had not yet delivered becomes an error (SIGBUS), never zeroes**.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let task = mach::Task::attach(mach::AttachOptions::default())?;
//! let object = task.look_up("dataset", "*")?;
//! let mapping = task.map(&object, mach::MapOptions::default())?;
//! let mut first = [0; 16];
//! mapping.read_at(0, &mut first)?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Task::allocate`] gives memory without an object, [`Mapping::protect`] and [`Mapping::inherit`] set what a range permits and
//! what a child would get of it, and [`Task::regions`] shows what a task has mapped: this one, or one whose port is held.
//!
//! Waiting with other things: [`PortSet::watch`] gives a descriptor for an event loop of one's own, a [`Canceller`] ends the
//! waits of other threads, and with the feature `tokio` a message is awaited: `PortSet::recv`, `Task::call`.
//!
//! A child by fork() is a task of its own, with what it inherits of its parent's memory: [`Task::forked`]. Other values of this
//! library are of no use there. [`Task::read_space`] gives all that a task has mapped as one item, which can be mapped elsewhere.
//! Plain loads and stores through [`Mapping::as_ptr`] get SIGBUS or SIGSEGV where
//! [`Mapping::read_at`] and [`Mapping::write_at`] answer an error.

mod agent;
#[cfg(feature = "tokio")]
mod aio;
mod allowance;
mod beside;
mod buffer;
mod bytes_out;
mod cancel;
mod collect;
mod copy;
mod errand;
mod error;
mod exchange;
mod fork;
mod freeze;
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod iface;
mod inherited;
mod intact;
mod kernel;
mod lane;
mod mapping;
mod memory;
mod message;
mod msg;
mod names;
mod parts;
mod ranges;
mod raw;
mod region;
mod right;
mod room;
mod runs;
mod service;
mod settling;
mod space;
mod task;
mod thaw;
mod trap;
mod watch;

pub use cancel::Canceller;
pub use error::{AttachError, CopyError, MapError, MemoryError, MsgError, RpcError, SendError, TrapError, Unexpected};
pub use mapping::{MapOptions, Mapping};
pub use message::{Incoming, Items, Outgoing, Right};
pub use msg::{Receive, Send};
#[doc(hidden)]
pub use prost;
pub use proto;
pub use raw::{RawAnswer, RawCall, RawError, RawMessage};
pub use region::{Region, Regions};
pub use right::{Destination, PortSet, ReceiveRight, SendOnceRight, SendRight};
#[cfg(feature = "tokio")]
pub use service::serve_async;
pub use service::{AsyncService, Call, Code, Deferred, Invocation, Service, Source, serve};
pub use space::{Space, SpaceError};
pub use sys::{UffdMode, Watch};
pub use task::{AttachOptions, Task};
