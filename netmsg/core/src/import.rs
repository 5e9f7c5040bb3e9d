//! The rights that this node was given by one peer: the proxies, and what has been seen and done under each.

use std::collections::VecDeque;

use proto::{Message, NamedRight, PortName, PortUid};

use crate::PortSpace;
use crate::order::Departures;

/// One entry of the peer, as this node knows it.
#[derive(Debug)]
pub(crate) enum Import {
    /// A send-once right, and the proxy whose one send-once right stands for it.
    Once { proxy: PortName, local: PortUid, home: PortUid },
    /// A send right.
    Send(Box<SendImport>),
}

/// Whether a send right is held here.
///
/// | state    | event                                  | next                                      |
/// |----------|----------------------------------------|-------------------------------------------|
/// | –        | grant                                  | `Live`, or `Released` if it has no holder |
/// | –        | `port_dead`                            | `Dead`, until its grants have come        |
/// | Live     | no senders                             | `Released`: the peer is told              |
/// | Live     | `port_dead`                            | gone, or `Dead` while grants are under way |
/// | Released | grant                                  | `Live` again, or `Released` anew          |
/// | Released | `port_dead`                            | gone, or `Dead` while grants are under way |
/// | Dead     | last grant                             | gone                                      |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holding {
    /// By tasks of this node, through this proxy.
    Live(PortName),
    /// By nobody; the peer has not confirmed it yet.
    Released,
    /// The port died. Grants under way, up to this many in all, arrive dead.
    Dead(u64),
}

/// A send right to a port of the peer.
#[derive(Debug)]
pub(crate) struct SendImport {
    pub(crate) holding: Holding,
    /// Known to the peer without a grant and never released: its name server's entry.
    pub(crate) permanent: bool,
    /// Who the port says it is.
    pub(crate) home: PortUid,
    /// Grants seen.
    pub(crate) seen: u64,
    /// Times the right was given back as `yours`.
    pub(crate) returned: u64,
    /// Send rights made from the present proxy (its make-send count).
    pub(crate) made: u32,
    /// No-senders was asked for on the present proxy.
    pub(crate) armed: bool,
    /// The messages to it.
    pub(crate) departures: Departures,
    /// Received from the proxy and not sent, because the window is closed.
    pub(crate) held: VecDeque<Message<NamedRight>>,
    /// The proxy is out of the receive set.
    pub(crate) paused: bool,
}

impl SendImport {
    /// An entry of which no grant was counted yet.
    pub(crate) fn new(holding: Holding, home: PortUid) -> SendImport {
        SendImport {
            holding,
            permanent: false,
            home,
            seen: 0,
            returned: 0,
            made: 0,
            armed: false,
            departures: Departures::default(),
            held: VecDeque::new(),
            paused: false,
        }
    }

    /// The proxy, while there is one.
    pub(crate) fn proxy(&self) -> Option<PortName> {
        match self.holding {
            Holding::Live(proxy) => Some(proxy),
            Holding::Released | Holding::Dead(_) => None,
        }
    }

    /// Leaves what is sent to the proxy in its queue, so that senders block when it is full.
    pub(crate) fn pause(&mut self, space: &mut dyn PortSpace) {
        if let Some(proxy) = self.proxy().filter(|_| !self.paused) {
            self.paused = true;
            space.set_receiving(proxy, false);
        }
    }

    /// Receives from the proxy again, if the window is open and nothing was received and not sent.
    pub(crate) fn reopen(&mut self, space: &mut dyn PortSpace) {
        if self.paused
            && self.held.is_empty()
            && !self.departures.window_is_closed()
            && let Some(proxy) = self.proxy()
        {
            self.paused = false;
            space.set_receiving(proxy, true);
        }
    }
}
