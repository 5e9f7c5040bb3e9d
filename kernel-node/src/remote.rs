//! Netmsg as a server of this node: messages of local tasks to remote ports, frames of peers to local ports.

use kernel_core::Time;
use kernel_core::kern::Kernel;
use netmsg::{Net, Peer};
use netmsg_core::{Config, Cx, LinkId, Netmsg, Out, Ticket};
use proto::wire::link::Frame;
use proto::{KernReturn, Payload};

use crate::names::Names;
use crate::node::Node;
use crate::server::Server;

/// How long an acknowledgement may wait for others to go with it.
const FLUSH_AFTER_MS: u64 = 5;

/// The netmsg server and its network.
pub struct Remote {
    pub(crate) server: Server,
    pub(crate) netmsg: Netmsg,
    /// The links; absent until the network has started.
    pub(crate) net: Option<Net>,
    out: Vec<Out>,
    flush_at: Option<Time>,
}

impl Remote {
    /// A server without links.
    ///
    /// Errors: its ports could not be made.
    pub fn new(kernel: &mut Kernel, names: &Names) -> Result<Remote, KernReturn> {
        let server = Server::new(&mut kernel.ipc);
        let notify = Node::calls(kernel, &server).allocate()?;
        let name_server = names.peers_right(kernel);
        let name_server = kernel.give(server.space, name_server)?;
        let announce = names.announce_right(kernel);
        let announce = kernel.give(server.space, announce)?;
        let netmsg = Netmsg::new(Config { name_server, notify, announce });
        Ok(Remote { server, netmsg, net: None, out: Vec::new(), flush_at: None })
    }

    /// When acknowledgements are due.
    pub fn next_flush(&self) -> Option<Time> {
        self.flush_at
    }
}

impl Node {
    fn with_netmsg(&mut self, f: impl FnOnce(&mut Netmsg, &mut Cx<'_>)) {
        let Remote { server, netmsg, out, .. } = &mut self.remote;
        let mut calls = Node::calls(&mut self.kernel, server);
        f(netmsg, &mut Cx { space: &mut calls, out });
    }

    /// A session with a peer begins.
    pub fn link_up(&mut self, link: LinkId, peer: &Peer) {
        tracing::info!(peer = %peer.name, incarnation = peer.incarnation.0, address = %peer.address, "link up");
        let peer = netmsg_core::Peer { node: peer.name.clone(), incarnation: peer.incarnation };
        self.with_netmsg(|netmsg, cx| netmsg.link_up(cx, link, peer));
        self.settle();
    }

    /// It ends: what it stood for is dead.
    pub fn link_down(&mut self, link: LinkId, reason: &dyn std::fmt::Display) {
        tracing::info!(link = link.0, %reason, "link down");
        self.with_netmsg(|netmsg, cx| netmsg.link_down(cx, link));
        self.settle();
    }

    /// A frame came in.
    pub fn on_frame(&mut self, link: LinkId, frame: Frame, payload: Payload) {
        if let Some(proto::wire::link::frame::Kind::Send(send)) = &frame.kind {
            tracing::trace!(trace = send.trace, id = send.id, link = link.0, bytes = payload.len(), "message in");
        }
        self.with_netmsg(|netmsg, cx| netmsg.on_frame(cx, link, frame, payload));
        self.settle();
    }

    pub(crate) fn serve_remote(&mut self) {
        while let Some(message) = Node::calls(&mut self.kernel, &self.remote.server).receive() {
            tracing::trace!(trace = message.trace.0, id = message.id, "message out");
            self.with_netmsg(|netmsg, cx| netmsg.on_message(cx, message));
        }
    }

    pub(crate) fn remote_taken(&mut self, ticket: Ticket) {
        self.with_netmsg(|netmsg, cx| netmsg.on_taken(cx, ticket));
    }

    /// Sends what netmsg has put out, and sees to it that acknowledgements do not wait for ever.
    pub(crate) fn flush_remote(&mut self) {
        let out = std::mem::take(&mut self.remote.out);
        if let Some(net) = &self.remote.net {
            for out in out {
                match out {
                    Out::Frame { link, frame, payload } => net.send(netmsg::LinkId(link.0), frame, payload),
                    Out::CloseLink { link, why } => net.misbehaved(netmsg::LinkId(link.0), &why.to_string()),
                }
            }
        }
        let wants = self.remote.netmsg.wants_flush();
        self.remote.flush_at = wants.then(|| self.remote.flush_at.unwrap_or(self.now().after_ms(FLUSH_AFTER_MS)));
    }

    pub(crate) fn remote_tick(&mut self, now: Time) {
        if self.remote.flush_at.is_some_and(|at| at <= now) {
            self.remote.flush_at = None;
            self.with_netmsg(|netmsg, cx| netmsg.flush(cx));
        }
    }
}
