//! Why a link ended: said to the peer as a close code with a text, and to the handler as a [`LinkDown`].

use std::fmt;

use quinn::{ConnectionError, VarInt};
use thiserror::Error;

use crate::frame::PeerMisbehaved;

/// The longest text of a close, so that it fits one packet.
const REASON_BYTES_MAX: usize = 512;

/// The application close codes of ALPN "mach/1" and "mach-join/1". Part of the protocol: never renumber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum CloseCode {
    /// The node leaves the cluster or ends.
    Leaving = 1,
    /// The incarnation of the node that is told this has been declared dead.
    Dead = 2,
    /// A newer connection took this one's place.
    Replaced = 3,
    /// The other of two connections made at the same time is the link.
    Duplicate = 4,
    /// The node that is told this sent what no correct node sends.
    Misbehaved = 5,
    /// The two speak different versions.
    Version = 6,
    /// The certificate is not that of the node that was wanted, or is our own.
    WrongNode = 7,
    /// The kernel asked for it.
    Asked = 8,
    /// A table of bounded size is full.
    Full = 9,
    /// The peer does not take what is sent to it.
    Overloaded = 10,
    /// The closing node itself begins another incarnation.
    Reborn = 11,
    /// A join has ended, well or not; the answer has been sent before.
    JoinDone = 12,
}

impl CloseCode {
    const ALL: [CloseCode; 12] = {
        use CloseCode::*;
        [Leaving, Dead, Replaced, Duplicate, Misbehaved, Version, WrongNode, Asked, Full, Overloaded, Reborn, JoinDone]
    };

    pub(crate) fn of(code: VarInt) -> Option<CloseCode> {
        CloseCode::ALL.into_iter().find(|c| *c as u64 == code.into_inner())
    }
}

pub(crate) fn close(connection: &quinn::Connection, code: CloseCode, reason: &str) {
    let bytes = reason.as_bytes();
    connection.close((code as u32).into(), &bytes[..bytes.len().min(REASON_BYTES_MAX)]);
}

/// A peer's words, fit for a terminal and a log.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REASON_BYTES_MAX).collect()
}

/// Why a link is down. The session is over in every case: nothing of it carries over to a later link.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LinkDown {
    /// Nothing is heard of the peer any more, or the path broke.
    #[error("lost: {0}")]
    Lost(String),
    /// The peer left or ended in order.
    #[error("the node left")]
    Left,
    /// The peer closed the link for the reason given.
    #[error("closed by the peer ({code}): {reason}")]
    ClosedByPeer {
        /// What for.
        code: PeerCode,
        /// In its words.
        reason: String,
    },
    /// The peer broke the protocol and was cut off.
    #[error("the peer sent {0}")]
    Misbehaved(PeerMisbehaved),
    /// The peer, in the same life, made a newer connection.
    #[error("replaced by a newer connection")]
    Replaced,
    /// The peer is back in a new life.
    #[error("the node restarted")]
    Restarted,
    /// The cluster declared the peer dead.
    #[error("the node is declared dead")]
    DeclaredDead,
    /// This node was declared dead and begins, or has ended, its own life.
    #[error("this node was declared dead")]
    Reborn,
    /// `Net::close` was called.
    #[error("closed: {0}")]
    Asked(String),
    /// More than `LINK_QUEUE_BYTES_MAX` waited to be sent.
    #[error("the peer does not take what is sent to it")]
    Overloaded,
    /// `Net::shutdown` was called.
    #[error("this node shuts down")]
    Shutdown,
}

impl LinkDown {
    /// What the peer is told, if the link is still there to tell it.
    pub(crate) fn code(&self) -> CloseCode {
        match self {
            LinkDown::Misbehaved(_) => CloseCode::Misbehaved,
            LinkDown::Replaced | LinkDown::Restarted => CloseCode::Replaced,
            LinkDown::DeclaredDead => CloseCode::Dead,
            LinkDown::Reborn => CloseCode::Reborn,
            LinkDown::Overloaded => CloseCode::Overloaded,
            LinkDown::Shutdown => CloseCode::Leaving,
            LinkDown::Lost(_) | LinkDown::Left | LinkDown::ClosedByPeer { .. } | LinkDown::Asked(_) => CloseCode::Asked,
        }
    }

    /// What an error of the connection means for the link on it.
    pub(crate) fn from_connection(error: &ConnectionError) -> LinkDown {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let reason = printable(&String::from_utf8_lossy(&close.reason));
                match CloseCode::of(close.error_code) {
                    Some(CloseCode::Leaving) => LinkDown::Left,
                    Some(CloseCode::Replaced) => LinkDown::Replaced,
                    _ => LinkDown::ClosedByPeer { code: PeerCode(close.error_code.into_inner()), reason },
                }
            }
            other => LinkDown::Lost(other.to_string()),
        }
    }

    /// Whether it makes one suspect that the peer is dead.
    pub(crate) fn is_suspicious(&self) -> bool {
        match self {
            LinkDown::Lost(_) => true,
            // Not one of ours: its process ended without a word from us.
            LinkDown::ClosedByPeer { code, .. } => code.known().is_none(),
            _ => false,
        }
    }
}

/// A close code as the peer sent it, which may be one that this version does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerCode(pub u64);

impl PeerCode {
    /// The code, if this version knows it.
    pub fn known(self) -> Option<CloseCode> {
        CloseCode::ALL.into_iter().find(|c| *c as u64 == self.0)
    }
}

impl fmt::Display for PeerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(code) => write!(f, "{code:?}"),
            None => write!(f, "code {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_known_by_its_number() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::of((code as u32).into()), Some(code));
            assert_eq!(PeerCode(code as u64).known(), Some(code));
        }
        assert_eq!(PeerCode(999).known(), None);
        assert_eq!(PeerCode(999).to_string(), "code 999");
        assert_eq!(printable("a\x1b[2Jb\n"), "a[2Jb");
    }
}
