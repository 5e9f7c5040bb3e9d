//! Errors, by whom they blame.

use std::path::PathBuf;

use proto::{KernReturn, Message, MigError, MsgReturn, NamedRight};
use sys::{Errno, SysError};

use crate::message::Outgoing;

/// The node could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum TrapError {
    /// It ended, or closed the connection. Nothing that it held for this task exists any more.
    #[error("the node closed the connection")]
    NodeDied,
    /// It answered something that is no answer; the connection is closed.
    #[error("the node does not speak the protocol: {0}")]
    Protocol(&'static str),
    /// Linux refused something on the way to the node.
    #[error(transparent)]
    Sys(#[from] SysError),
    /// An order for this task's memory could not be carried out.
    #[error("an order of the node failed")]
    Order(#[source] SysError),
    /// This process is a fork of the one that attached.
    #[error("a forked child has to attach anew")]
    Forked,
}

impl TrapError {
    /// Whether this process, or the machine, has no descriptors or no memory left, or the process may make no file so long: it may
    /// go another time.
    pub fn is_shortage(&self) -> bool {
        matches!(self, TrapError::Sys(error) if is_short(error))
    }
}

fn is_short(error: &SysError) -> bool {
    matches!(error.errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC | Errno::FBIG)
}

/// `mach_msg` did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum MsgError {
    /// The node's answer.
    #[error("mach_msg: {code}")]
    Code {
        /// The code. Never `Success`.
        code: MsgReturn,
        /// A message that could not be sent, given back with the names that its rights have now; the caller owns them. A
        /// message whose reception failed in part (`RcvBodyError`) stands here too.
        message: Option<Box<Message<NamedRight>>>,
    },
    /// `RcvTooLarge`: the message is larger than the receiver said it takes.
    #[error("the message has {needed} bytes, more than are taken")]
    TooLarge {
        /// Bytes of its body.
        needed: u64,
    },
    /// No message waits, and the node gives no descriptor to wait for one with.
    #[error("mach_port_poll: {code}")]
    NoWatch {
        /// Why: `ResourceShortage` as a rule.
        code: KernReturn,
    },
    /// The node could not be asked.
    #[error(transparent)]
    Trap(#[from] TrapError),
}

/// An [`Outgoing`] was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct SendError {
    /// Why.
    pub source: MsgError,
    /// The message, to be sent again, where nothing of it was taken or the node gave it back; its rights may have other names
    /// now. Dropped, they are given up.
    pub message: Option<Box<Outgoing>>,
}

/// A message is not what its receiver takes it for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the message has something else in place of {0}")]
pub struct Unexpected(pub &'static str);

/// Memory of the task could not be copied, or a copy not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The task attached without memory.
    #[error("this task attached without memory")]
    NoMemory,
    /// The node refused: `InvalidAddress` a part of the range is not mapped, `ProtectionFailure` a part that must not be
    /// read, `NoSpace` no place for a copy, `ResourceShortage` too many pieces.
    #[error("{0}")]
    Kern(KernReturn),
    /// A part could not be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The program has unmapped, moved or replaced a part of the range by its address (munmap(2), mremap(2), mmap(2)).
    /// Nobody is given what lies there now.
    #[error("what lies at {address:#x} is not what the node mapped there: the program itself unmapped or replaced it")]
    Changed {
        /// The first such address.
        address: u64,
    },
    /// Linux refused something.
    #[error(transparent)]
    Sys(SysError),
    /// The node could not be asked.
    #[error(transparent)]
    Trap(#[from] TrapError),
}

impl CopyError {
    /// Whether memory, descriptors or pieces do not suffice: it may be had another time.
    pub(crate) fn is_shortage(&self) -> bool {
        match self {
            CopyError::Kern(code) => *code == KernReturn::ResourceShortage,
            CopyError::Sys(error) => is_short(error),
            CopyError::Trap(error) => error.is_shortage(),
            _ => false,
        }
    }

    /// What a call of Mach's answers for it.
    pub fn code(&self) -> KernReturn {
        match self {
            CopyError::NoMemory => KernReturn::InvalidTask,
            CopyError::Kern(code) => *code,
            CopyError::Memory(_) => KernReturn::MemoryError,
            CopyError::Sys(error) if error.errno == Errno::FAULT => KernReturn::MemoryError,
            CopyError::Changed { .. } => KernReturn::InvalidAddress,
            CopyError::Sys(_) => KernReturn::ResourceShortage,
            CopyError::Trap(error) if error.is_shortage() => KernReturn::ResourceShortage,
            CopyError::Trap(_) => KernReturn::Terminated,
        }
    }
}

/// A remote procedure call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The server refused.
    #[error("{routine}: {code}")]
    Kern {
        /// Mach's name of the routine.
        routine: &'static str,
        /// Its code. Never `Success`.
        code: KernReturn,
    },
    /// The server refused with a code that Mach has not.
    #[error("{routine}: code {code}")]
    Other {
        /// Mach's name of the routine.
        routine: &'static str,
        /// Its code. Never 0.
        code: i32,
    },
    /// Request and server, or reply and routine, do not fit together; or the server died (`ServerDied`).
    #[error("{routine}: {code}")]
    Mig {
        /// Mach's name of the routine.
        routine: &'static str,
        /// What does not fit.
        code: MigError,
    },
    /// The request could not be sent, or the reply not received.
    #[error("{routine}")]
    Msg {
        /// Mach's name of the routine.
        routine: &'static str,
        /// Why.
        source: MsgError,
    },
}

impl RpcError {
    /// The server's code, if it is one of Mach's.
    pub fn kern(&self) -> Option<KernReturn> {
        if let RpcError::Kern { code, .. } = self { Some(*code) } else { None }
    }

    /// Whether the port that was called, or whoever served it, is gone.
    pub fn is_dead(&self) -> bool {
        match self {
            RpcError::Mig { code, .. } => *code == MigError::ServerDied,
            RpcError::Msg { source: MsgError::Code { code, .. }, .. } => *code == MsgReturn::SendInvalidDest,
            _ => false,
        }
    }
}

/// A process could not become a task.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No node was named.
    #[error("no node to attach to: MACH_SOCKET is not set")]
    NoSocket,
    /// `MACH_TOKEN` is no number.
    #[error("MACH_TOKEN is {0:?}, which is no token")]
    BadToken(String),
    /// The node does not listen.
    #[error("cannot reach the node at {path}")]
    Connect {
        /// Its socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: SysError,
    },
    /// The node refused the hello: an unknown or used token, another version, or more tasks or threads than it takes. Its
    /// log says which.
    #[error("the node at {path} refused this process (its log says why)")]
    Refused {
        /// Its socket.
        path: PathBuf,
    },
    /// No userfaultfd, so no memory could be served. `mach doctor` says what permits it.
    #[error("no userfaultfd is permitted here (see `mach doctor`)")]
    Userfaultfd(#[source] SysError),
    /// No address space, signal handler or thread.
    #[error("cannot prepare this process")]
    Prepare(#[source] SysError),
    /// The connection failed in the middle.
    #[error(transparent)]
    Trap(#[from] TrapError),
}

/// An object could not be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// Its pager or the node refused.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Writing was asked for, and the object does not permit it.
    #[error("the object {0:?} is read-only")]
    ReadOnly(String),
    /// Nothing of the object lies in the range.
    #[error("the range {offset:#x}+{len:#x} is not within the object's {size:#x} bytes")]
    OutOfRange {
        /// Asked for.
        offset: u64,
        /// Asked for; 0 for all that there is behind the offset.
        len: u64,
        /// What there is.
        size: u64,
    },
    /// The task attached without managed memory.
    #[error("this task attached without memory")]
    NoMemory,
}

/// Mapped memory could not be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MemoryError {
    /// The range does not lie in the mapping; nothing was touched.
    #[error("{len:#x} bytes at {offset:#x} are not within the mapping's {mapped:#x}")]
    OutOfRange {
        /// Asked for.
        offset: u64,
        /// Asked for.
        len: u64,
        /// What is mapped.
        mapped: u64,
    },
    /// The byte at this offset could not be accessed: its pager is gone or could not bring it, the node died, or the
    /// access is not permitted. Bytes before it were copied.
    #[error("memory error at offset {offset:#x} of the mapping")]
    Fault {
        /// From the start of the mapping.
        offset: u64,
    },
}
