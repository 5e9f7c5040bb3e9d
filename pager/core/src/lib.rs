//! The directory of a pager: which kernel may read and which may write each page of one memory object.
//!
//! A pager serves its object to several kernels; each is known by its control port, here a [`ClientId`]. The
//! [`Directory`] keeps them coherent, one writer or several readers to a page, and says so only in the external memory
//! management calls: what comes in are their messages and the results of the store, what goes out are [`Output`]
//! values for a shell to carry out. There is no side protocol.
//!
//! Invariants, which [`Directory::check`] asserts and `model.rs` proves for three kernels, one page and two writers:
//! 1. A page has at most one writer, and while it has one it has no readers.
//! 2. Whoever may hold a copy of a page is in its set of holders. The set may be too large (a kernel drops clean pages
//!    silently), never too small.
//! 3. Every page of a `data_request` is answered exactly once, by a supply, an unavailable or an error, and no page is
//!    supplied that was not asked for. So a kernel that asks for a page holds none and has none on the way to it.
//! 4. A page that is being recalled or read is busy; what wants it waits in line, first come, first served.
//! 5. Bytes that a kernel returned are kept until the store has taken them; reads see them at once.
//!
//! It relies on: messages of one kernel arrive in order, and a lock request is not overtaken by a supply sent before it
//! nor by one sent after it (docs/decisions/0005).
//!
//! Rules: docs/spec/pager.md. Source: mach-api §3 and §5.8.

mod cell;
mod check;
mod directory;
mod grant;
mod output;
mod range;
mod runs;
mod write_back;

#[cfg(test)]
mod model;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod world;

pub use directory::{Config, Directory};
pub use output::{Lock, Output, Piece, Ticket};
pub use range::Pages;

/// A kernel that uses the object: its control port, as the shell numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClientId(pub u32);

/// Nanoseconds since a start that the shell chose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    /// The time `ns` later, or the end of time.
    pub fn after(self, ns: u64) -> Time {
        Time(self.0.saturating_add(ns))
    }
}

/// Page contents as the core moves them: a handle that can be cut at page bounds.
pub trait Bulk: Clone {
    /// The contents of `pages` pages from page `first` of these on. The range lies inside.
    fn part(&self, first: u64, pages: u64) -> Self;
}

impl Bulk for proto::Payload {
    fn part(&self, first: u64, pages: u64) -> Self {
        self.slice((first * proto::PAGE_SIZE) as usize, (pages * proto::PAGE_SIZE) as usize)
    }
}
