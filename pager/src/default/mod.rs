//! The default pager: what anonymous memory has no room for, in a file of its own.
//!
//! [`DefaultPager`] is an in-process server like [`crate::PagerServer`]: messages and results of jobs go in; messages,
//! rights and jobs come out. It needs no directory, since its objects have one kernel each: the one beside it. Pages are
//! compressed, each with a checksum, and packed into the file ([`SwapFile`]); which part of the file holds which page is a
//! pure table ([`index`], [`extents`]).
//!
//! Nothing of it outlives the node: the file has no name, and Linux frees it with its last descriptor.
//!
//! Rules: [pager.default.*] of docs/spec/pager.md.

mod extents;
mod index;
mod server;
mod swap_file;

pub use server::{DefaultOut, DefaultPager, DefaultStats, SwapDone, SwapJob};
pub use swap_file::{SwapError, SwapFile};
