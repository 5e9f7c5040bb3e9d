//! What a peer can do wrong. Each closes the link it came over and nothing else.

use crate::ExportId;

/// A frame that no correct peer sends. Source: spec [netmsg.hostile].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PeerMisbehaved {
    /// A frame without a kind, or of a kind that is not netmsg's.
    #[error("unexpected frame: {0}")]
    UnexpectedFrame(&'static str),
    /// A frame whose parts do not fit together or exceed a bound.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
    /// An entry that this node never granted over this link.
    #[error("export {0} was never granted")]
    UnknownExport(ExportId),
    /// A send right used as a send-once right, or the other way round.
    #[error("entry {0} is of the other kind")]
    KindMismatch(ExportId),
    /// A sequence number that was there before.
    #[error("message {1} to export {0} came twice")]
    Duplicate(ExportId, u64),
    /// A message beyond the window of its entry.
    #[error("message {1} to export {0} is outside the window")]
    WindowExceeded(ExportId, u64),
    /// More messages, or more bytes, waiting for their turn than the link allows.
    #[error("too many messages wait for their turn")]
    TooManyWaiting,
    /// More rights than a link carries.
    #[error("too many rights")]
    TooManyRights,
    /// A count that contradicts what this node has seen or done.
    #[error("entry {0} does not count up: {1}")]
    Miscount(ExportId, &'static str),
}
