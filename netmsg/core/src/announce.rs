//! How netmsg tells the name server of a new peer: one message to a port of which only netmsg holds a send right.

use bytes::Bytes;
use proto::{Incarnation, Item, Message, NamedRight, NodeName, PortName, TraceId};

/// `msgh_id` of the announcement. Not a routine of any interface: it never leaves the node.
pub const PEER_UP: i32 = 1060;

/// A peer whose link is up. That it is down again is told by the death of `name_server`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerUp {
    /// The peer's name.
    pub node: NodeName,
    /// Its life.
    pub incarnation: Incarnation,
    /// A send right to its name server port, i.e. to netmsg's proxy for it.
    pub name_server: NamedRight,
}

impl PeerUp {
    /// The message to `to`.
    pub fn into_message(self, to: PortName) -> Message<NamedRight> {
        Message {
            remote: NamedRight::copy_send(to),
            local: NamedRight::NULL,
            id: PEER_UP,
            seqno: 0,
            trace: TraceId::default(),
            body: vec![
                Item::Data(Bytes::copy_from_slice(self.node.as_str().as_bytes())),
                Item::U64(self.incarnation.0),
                Item::Port(self.name_server),
            ],
        }
    }

    /// The announcement in a body.
    ///
    /// Errors: not an announcement; the body comes back whole.
    pub fn from_body(body: Vec<Item<NamedRight>>) -> Result<PeerUp, Vec<Item<NamedRight>>> {
        if let [Item::Data(node), Item::U64(incarnation), Item::Port(name_server)] = &body[..]
            && let Some(node) = std::str::from_utf8(node).ok().and_then(NodeName::new)
        {
            return Ok(PeerUp { node, incarnation: Incarnation(*incarnation), name_server: *name_server });
        }
        Err(body)
    }
}
