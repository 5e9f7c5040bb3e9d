//! Pagers: servers of memory objects.
//!
//! A store implements [`Pager`]: it reads, writes and syncs pages. [`PagerServer`] does everything else for all stores of
//! one node: it is an in-process server whose space holds the memory object ports, decodes what kernels send to them,
//! asks each object's directory (crate `pager-core`) what to do, and hands the node the messages to send, the rights to
//! release and the [`Job`]s that may block. It performs no IO itself except reads that the store can answer at once.
//!
//! [`FilePager`] is the store that serves a file. [`DefaultPager`] is a server of its own, for anonymous memory.
//!
//! Rules: docs/spec/pager.md.

mod buffers;
mod default;
mod export;
mod file;
mod job;
mod server;
mod store;

pub use default::{DefaultOut, DefaultPager, DefaultStats, SwapDone, SwapError, SwapFile, SwapJob};
pub use export::{Ending, ExportStats};
pub use file::{ExportError, FilePager};
pub use job::{Job, JobDone};
pub use pager_core::{Config, Pages, Piece, Time};
pub use server::{Out, PagerServer};
pub use store::{Pager, Pieces, StoreError};
