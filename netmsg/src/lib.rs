//! The network server's shell: authenticated QUIC links between nodes, and the membership that they carry.
//!
//! A node's network is a [`Net`], which tells a [`Handler`] of links and of the frames that arrive on them. It knows
//! nothing of ports: what the frames mean is `netmsg-core`'s. All of it runs on the caller's thread, inside the
//! `LocalSet` of a current-thread runtime, so a page request, its link and its answer never change threads.
//!
//! ```no_run
//! # use std::{rc::Rc, time::Duration};
//! # use netmsg::*;
//! # use proto::{Incarnation, NodeName, Payload, wire::link::Frame};
//! struct Kernel;
//! impl Handler for Kernel {
//!     fn link_up(&self, link: LinkId, peer: &Peer) { println!("{link} to {}", peer.name) }
//!     fn frame(&self, link: LinkId, frame: Frame, payload: Payload) { /* to netmsg-core */ }
//!     fn link_down(&self, link: LinkId, reason: &LinkDown) { println!("{link}: {reason}") }
//!     fn member_changed(&self, member: &MemberInfo) { println!("{} is {:?}", member.name, member.state) }
//!     fn declared_dead(&self) -> Option<Incarnation> { Some(fresh_incarnation()) }
//! }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Where the cluster is made:
//! let authority = Rc::new(Authority::create("/var/lib/mach/authority".as_ref())?);
//! let node = NodeName::new("alpha").ok_or("a bad name")?;
//! let config = NetConfig {
//!     identity: authority.issue(&node)?,
//!     node,
//!     incarnation: fresh_incarnation(),
//!     listen: Listen::At("0.0.0.0:7700".parse()?),
//!     advertise: None,
//!     seeds: Vec::new(),
//!     dead_after: Duration::from_secs(3),
//!     mtu_max: MTU_MAX_DEFAULT,
//!     authority: Some(authority.clone()),
//!     cable: Cable::default(),
//! };
//! let net = Net::start(config, Rc::new(Kernel))?; // inside a LocalSet
//! println!("{}", authority.token(Duration::from_secs(3600)));
//!
//! // On another machine, with that token:
//! let token: JoinToken = "mach1-…".parse()?;
//! let joined = join("10.0.0.1:7700".parse()?, &token, &NodeName::new("beta").ok_or("a bad name")?,
//!     Duration::from_secs(5)).await?;
//! joined.identity.save("/var/lib/mach/identity".as_ref())?;
//! let seeds: Vec<_> = joined.members.iter().map(|(_, address)| *address).collect();
//! # net.shutdown().await; Ok(()) }
//! ```
//!
//! **Absent on purpose:** revocation and renewal of certificates (they are valid for ten years), receive-right
//! migration, resuming a session on another connection, more than one address to a node.

mod accept;
mod authority;
mod dial;
mod frame;
mod greet;
mod identity;
mod join;
mod link;
mod membership;
mod net;
pub mod raw;
mod reason;
mod roster;
mod socket;
mod swim;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod transport;

pub use authority::{Authority, TokenRefused};
pub use frame::PeerMisbehaved;
pub use identity::{Identity, IdentityError};
pub use join::{JoinError, JoinRefused, Joined, join};
pub use link::{LinkId, Peer};
pub use net::{Handler, Net, NetConfig, NetError};
pub use reason::{CloseCode, LinkDown, PeerCode};
pub use roster::{MemberInfo, MemberState};
pub use socket::{Cable, Listen};
pub use token::{BadToken, JoinToken};
pub use transport::{DEAD_AFTER_MIN, MTU_MAX_DEFAULT, MTU_MIN};

/// An incarnation above every earlier one of this machine, as long as its clock does not go back: microseconds since 1970.
pub fn fresh_incarnation() -> proto::Incarnation {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    proto::Incarnation(now.as_micros().min(u64::MAX.into()) as u64)
}
