//! Ports across machines: what the netmsg server of one node decides, without the network.
//!
//! A *remote port* is an ordinary local port whose receive right netmsg's space holds: a *proxy*. What is sent to a proxy
//! goes out as a frame; what comes in as a frame is sent to a local port. Rights in messages become entries of per-link
//! tables on the way, so a peer can name only what it was given.
//!
//! The shell drives a [`Netmsg`] with what happened (a link came up, a frame came in, a message waited in netmsg's
//! space) and carries out what is pushed to [`Cx::out`]; calls on netmsg's own space go through [`PortSpace`]. Nothing here
//! reads a clock, waits or fails: input from a peer is answered by closing its link, input from tasks by a drop.
//!
//! Invariants ([`Netmsg::check`]):
//! 1. An export id is never used twice on a link, and an entry owns exactly one user reference of its name.
//! 2. A proxy belongs to exactly one import, and an import that lives has exactly one proxy.
//! 3. Of the messages sent to a port of a peer, at most `REMOTE_WINDOW` are not acknowledged.
//! 4. Of the messages that a peer sent, at most `LINK_REORDER_MAX` and one per entry are not in their queue.
//! 5. Frames may overtake each other in any way; the counts in them settle every race.
//!
//! Source: docs/spec/netmsg.md; mach-api §5.1, §5.6.

mod announce;
mod blame;
mod codec;
mod export;
mod import;
mod incoming;
mod link;
mod names;
mod netmsg;
mod order;
mod outgoing;
mod rights;
mod space;
mod table;
mod watch;

pub use announce::{PEER_UP, PeerUp};
pub use blame::PeerMisbehaved;
pub use link::{ExportId, ExportInfo, ImportInfo, LinkId, Peer};
pub use names::{NameCx, NamePorts, NameServer, VERSION};
pub use netmsg::{Config, Counts, Cx, Netmsg, Out};
pub use order::{Order, order_of};
pub use space::{PortSpace, Refused, SendMode, Sent, Ticket, release_received, release_refused};

use proto::limits;

// The receiver keeps one bit per message of a window.
const _: () = assert!(limits::REMOTE_WINDOW <= 64 && limits::REMOTE_WINDOW >= 2);
