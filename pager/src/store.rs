//! What a store has to do to be a memory object.

use pager_core::{Pages, Piece};
use proto::{KernReturn, Payload, Prot};
use rustix::io::Errno;
use smallvec::SmallVec;

/// What a store says of each part of a range, in order.
pub type Pieces = SmallVec<[(Pages, Piece<Payload>); 1]>;

/// The contents of one memory object. Ranges given to it lie inside `size`, rounded up to a page.
pub trait Pager: Send + Sync {
    /// Units: bytes; fixed for the life of the store. The last page is filled up with zero bytes.
    fn size(&self) -> u64;

    /// The accesses that a kernel may be granted.
    fn max_protection(&self) -> Prot;

    /// As [`Pager::read`], if it can be answered without waiting. Called on the node's kernel thread.
    fn try_read(&self, pages: Pages) -> Option<Pieces> {
        let _ = pages;
        None
    }

    /// Contents of `pages`. May block.
    ///
    /// Errors: in the pieces, per page, so that one bad page does not cost its neighbours.
    fn read(&self, pages: Pages) -> Pieces;

    /// Puts `data`, which is `pages` long, in place. What lies beyond `size` in the last page is not stored. May block.
    ///
    /// Errors: some of it may have been written; the caller keeps the bytes and tries again.
    fn write(&self, pages: Pages, data: &Payload) -> Result<(), StoreError>;

    /// Returns once everything written before is durable. May block.
    fn sync(&self) -> Result<(), StoreError>;
}

/// A store's failure, as a kernel and as a person is told of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}: {call}: {errno}")]
pub struct StoreError {
    /// What the kernel is told.
    pub code: KernReturn,
    /// The system call.
    pub call: &'static str,
    /// Its error.
    pub errno: Errno,
    /// The file.
    pub what: String,
}

impl StoreError {
    /// The failure `errno` of `call` on `what`; no room is `ResourceShortage`, anything else `MemoryError`.
    pub fn new(call: &'static str, errno: Errno, what: impl Into<String>) -> StoreError {
        let code = match errno {
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => KernReturn::ResourceShortage,
            _ => KernReturn::MemoryError,
        };
        StoreError { code, call, errno, what: what.into() }
    }
}
