//! How netmsg tells the name server of a new peer: one message to a port of which only netmsg holds a send right.

use proto::body::{Reader, Taken, Writer};
use proto::typed::Element;
use proto::{Body, Disposition, Incarnation, Message, NamedRight, NodeName, PortName, TraceId};

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
        let mut body = Writer::new();
        body.data(Element::CHAR, self.node.as_str().len() as u32, self.node.as_str().as_bytes());
        body.u64(Element::INTEGER_64, self.incarnation.0);
        body.rights(Disposition::MoveSend, true, [self.name_server]);
        Message {
            remote: NamedRight::copy_send(to),
            local: NamedRight::NULL,
            id: PEER_UP,
            seqno: 0,
            trace: TraceId::default(),
            body: body.finish(),
        }
    }

    /// The announcement in a body.
    ///
    /// Errors: not an announcement; the body comes back whole.
    pub fn from_body(body: Body<NamedRight>) -> Result<PeerUp, Body<NamedRight>> {
        let mut reader = Reader::new(&body);
        let mut read = || {
            let node = reader.data(Element::CHAR)?;
            let incarnation = reader.u64(Element::INTEGER_64)?;
            reader.right()?;
            reader.end()?;
            Some((NodeName::new(std::str::from_utf8(&node).ok()?)?, Incarnation(incarnation)))
        };
        let Some((node, incarnation)) = read() else { return Err(body) };
        Ok(PeerUp { node, incarnation, name_server: Taken::new(body).right() })
    }
}
