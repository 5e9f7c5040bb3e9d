//! Linux, as the rest of the project sees it: every `unsafe` block and every use of `libc` is here.
//!
//! Each module wraps one kernel facility in a type that owns its descriptor or its range of addresses. What the kernel
//! is expected to answer (a page is there already, a process is gone, a socket is full) is a value of an outcome type;
//! everything else is a [`SysError`].
//!
//! Safe functions here never reach memory that Rust code refers to: addresses of the own process are accepted only by
//! [`Arena`], which owns them and hands out no reference, and by [`Uffd`], whose addresses belong to the process that
//! made the descriptor and which fills none but missing pages of ranges that were registered (for the own process the
//! same caveat as for a file handle on `/proc/self/mem` applies). [`Shared`] is reached by atomic operations only, and
//! [`Frozen`] cannot
//! change, except one that is still to be sealed: whoever made it that way answers for that.

pub mod aio;
pub mod anonymous;
pub mod arena;
pub mod aside;
mod cgroup;
mod error;
pub mod forked;
pub mod frozen;
pub mod guarded;
pub mod heap;
pub mod large;
pub mod latency;
pub mod maps;
pub mod memfd;
pub mod pagemap;
pub mod pidfd;
pub mod probe;
pub mod process;
pub mod ready;
mod reserved;
pub mod seqpacket;
pub mod shared;
pub mod thread;
pub mod uffd;

pub use arena::{Arena, Backing};
pub use error::{Errno, SysError};
pub use forked::Forked;
pub use frozen::Frozen;
pub use guarded::MemoryFault;
pub use maps::{Maps, Vma};
pub use memfd::{FileId, Memfd};
pub use pagemap::Pagemap;
pub use pidfd::PidFd;
pub use ready::{Level, Watch};
pub use seqpacket::{Channel, Listener};
pub use shared::Shared;
pub use uffd::{Uffd, UffdMode};
