//! The name server of one node: names to ports, here and at the peers.
//!
//! An in-process server with a space of its own. It has two service ports: tasks of this node send to one, peers to the
//! other (their entry 1), and that is how it knows who asks. It learns of peers from netmsg by [`PeerUp`], asks them with
//! ordinary messages, and gets exactly one answer to each: every reply right is used or sends its notification.
//!
//! Source: spec [netmsg.name]; mach-api §5.2.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::iface::netname;
use proto::limits::NETNAME_LOOK_UPS_MAX;
use proto::msg::{Reply as _, code_body, code_of};
use proto::{Body, Disposition, KernReturn, Message, NamedRight, NodeName, PortName, SimpleRoutine, TraceId};

use crate::space::{release, release_body};
use crate::table::{Binding, Table};
use crate::watch::{Watches, dead_name};
use crate::{PEER_UP, PeerUp, PortSpace, SendMode, release_received, release_refused};

/// What `netname_version` answers.
pub const VERSION: &str = concat!("netname ", env!("CARGO_PKG_VERSION"));

/// `msgh_id` of a reply above its request's.
const REPLY: i32 = 100;

/// What one call may use.
pub struct NameCx<'a> {
    /// The name server's space.
    pub space: &'a mut dyn PortSpace,
    /// Time since the node started.
    pub now: Duration,
}

/// Receive rights in the name server's receive set.
#[derive(Clone, Copy, Debug)]
pub struct NamePorts {
    /// Tasks of this node may send here: every routine.
    pub local: PortName,
    /// Peers may send here: `netname_look_up` in this node's own table, and `netname_version`.
    pub remote: PortName,
    /// Only netmsg may: announcements of peers.
    pub peers: PortName,
    /// Nobody may: notifications.
    pub notify: PortName,
}

/// A look-up that waits for peers. Its key is the port at which their answers come.
#[derive(Debug)]
struct LookUp {
    reply: NamedRight,
    trace: TraceId,
    /// Answers still to come.
    waiting: usize,
    deadline: Duration,
    /// What to say if none is positive.
    negative: KernReturn,
    /// One node was asked, and what it says counts.
    directed: bool,
}

/// The name server.
#[derive(Debug)]
pub struct NameServer {
    node: NodeName,
    ports: NamePorts,
    patience: Duration,
    table: Table,
    peers: BTreeMap<NodeName, PortName>,
    watches: Watches,
    look_ups: BTreeMap<PortName, LookUp>,
    deadlines: BTreeSet<(Duration, PortName)>,
}

/// An answer that can be given at once, or not at all.
type Answer = Result<Body<NamedRight>, i32>;

impl NameServer {
    /// The server of `node`, which waits for peers no longer than `patience`.
    pub fn new(node: NodeName, ports: NamePorts, patience: Duration) -> NameServer {
        NameServer {
            node,
            ports,
            patience,
            table: Table::default(),
            peers: BTreeMap::new(),
            watches: Watches::default(),
            look_ups: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// A message was received from the receive set.
    pub fn on_message(&mut self, cx: &mut NameCx<'_>, message: Message<NamedRight>) {
        let port = message.local.name;
        if port == self.ports.local || port == self.ports.remote {
            self.on_request(cx, message, port == self.ports.remote);
        } else if port == self.ports.notify {
            self.on_notification(cx, message);
        } else if port == self.ports.peers {
            self.on_peer_up(cx, message);
        } else {
            self.on_answer(cx, message);
        }
    }

    /// When [`on_deadline`](Self::on_deadline) is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Answers the look-ups for which the peers took too long.
    pub fn on_deadline(&mut self, cx: &mut NameCx<'_>) {
        while let Some((_, port)) = self.deadlines.first().copied().filter(|(at, _)| *at <= cx.now) {
            self.finish(cx, port, None);
        }
    }

    /// The names of this node and what they are bound to, as names in the server's space.
    pub fn bindings(&self) -> impl Iterator<Item = (&str, PortName)> {
        self.table.iter().map(|(name, b)| (name, b.port))
    }

    /// The peers that can be asked.
    pub fn peers(&self) -> impl Iterator<Item = &NodeName> {
        self.peers.keys()
    }

    /// The name server port of a peer, as a name in the server's space.
    pub fn peer(&self, node: &NodeName) -> Option<PortName> {
        self.peers.get(node).copied()
    }

    fn on_request(&mut self, cx: &mut NameCx<'_>, message: Message<NamedRight>, from_peer: bool) {
        let Message { remote: reply, id, trace, body, .. } = message;
        let asker = Asker { reply, id, trace };
        let answer = match netname::Request::decode(id, body) {
            Err(bad) => {
                release_body(cx.space, bad.body);
                Err(bad.error.raw())
            }
            Ok(netname::Request::CheckIn(request)) => self.check_in(cx, request, from_peer),
            Ok(netname::Request::CheckOut(request)) => self.check_out(cx, request, from_peer),
            Ok(netname::Request::Version(_)) => Ok(netname::VersionReply { version: VERSION.to_owned() }.into_body()),
            Ok(netname::Request::LookUp(request)) => match self.look_up(cx, &asker, request, from_peer) {
                Some(answer) => answer,
                None => return,
            },
        };
        asker.answer(cx.space, answer);
    }

    fn check_in(&mut self, cx: &mut NameCx<'_>, request: netname::CheckIn<NamedRight>, from_peer: bool) -> Answer {
        let netname::CheckIn { port_name, signature, port_id } = request;
        let bound = check_send(port_id, false).and_then(|port| {
            let signature = check_send(signature, true)?;
            if from_peer {
                return Err(KernReturn::NoAccess);
            }
            self.table.check_in(port_name, Binding { port, signature })
        });
        match bound {
            Err(code) => {
                release(cx.space, signature);
                release(cx.space, port_id);
                Err(code.raw())
            }
            Ok(old) => {
                self.hold(cx.space, port_id.name);
                self.hold(cx.space, signature.name);
                old.into_iter().for_each(|old| self.let_go(cx.space, old));
                Ok(().into_body())
            }
        }
    }

    fn check_out(&mut self, cx: &mut NameCx<'_>, request: netname::CheckOut<NamedRight>, from_peer: bool) -> Answer {
        let netname::CheckOut { port_name, signature } = request;
        let unbound = match from_peer {
            true => Err(KernReturn::NoAccess),
            false => self.table.check_out(&port_name, signature.name),
        };
        release(cx.space, signature);
        let old = unbound.map_err(KernReturn::raw)?;
        self.let_go(cx.space, old);
        Ok(().into_body())
    }

    /// Looks a name up; `None` when peers have to be asked first.
    fn look_up(
        &mut self,
        cx: &mut NameCx<'_>,
        asker: &Asker,
        request: netname::LookUp,
        from_peer: bool,
    ) -> Option<Answer> {
        let netname::LookUp { host_name: host, port_name: name } = request;
        if from_peer && !host.is_empty() {
            // A peer asks each node itself; asking on its behalf would let look-ups go round.
            return Some(Err(KernReturn::NoAccess.raw()));
        }
        let here = || self.table.look_up(&name).map(|port| found(NamedRight::copy_send(port)));
        if host.is_empty() || host == self.node.as_str() {
            return Some(here().map_err(KernReturn::raw));
        }
        if host == "*" {
            if let Ok(answer) = here() {
                return Some(Ok(answer));
            }
            let peers: Vec<_> = self.peers.values().copied().collect();
            return self.ask(cx, asker, &peers, name, KernReturn::NameNotCheckedIn);
        }
        match NodeName::new(&host).and_then(|node| self.peers.get(&node)).copied() {
            Some(peer) => self.ask(cx, asker, &[peer], name, KernReturn::HostNotFound),
            None => Some(Err(KernReturn::NoSuchHost.raw())),
        }
    }

    /// Asks peers. The answer is given when one of them finds the name, all have answered, or the time is over.
    fn ask(
        &mut self,
        cx: &mut NameCx<'_>,
        asker: &Asker,
        peers: &[PortName],
        name: String,
        negative: KernReturn,
    ) -> Option<Answer> {
        if !asker.reply.name.is_valid() || peers.is_empty() {
            return Some(Err(negative.raw()));
        }
        if self.look_ups.len() >= NETNAME_LOOK_UPS_MAX {
            return Some(Err(KernReturn::ResourceShortage.raw()));
        }
        let Ok(port) = cx.space.allocate() else { return Some(Err(KernReturn::ResourceShortage.raw())) };
        let asked = peers.iter().filter(|peer| ask_one(cx.space, **peer, port, &name, asker.trace)).count();
        if asked == 0 {
            cx.space.destroy_receive(port);
            return Some(Err(negative.raw()));
        }
        let deadline = cx.now + self.patience;
        let directed = negative == KernReturn::HostNotFound;
        let &Asker { reply, trace, .. } = asker;
        self.look_ups.insert(port, LookUp { reply, trace, waiting: asked, deadline, negative, directed });
        self.deadlines.insert((deadline, port));
        None
    }

    /// A peer has answered a look-up, or the reply right that it was given is gone.
    fn on_answer(&mut self, cx: &mut NameCx<'_>, mut message: Message<NamedRight>) {
        let port = message.local.name;
        let Some(look_up) = self.look_ups.get_mut(&port) else {
            return release_received(cx.space, message);
        };
        if message.id == netname::id::LOOK_UP + REPLY {
            match (code_of(&message.body), message.body.rights_mut()) {
                (Some(0), [right]) if right.disposition == Disposition::MoveSend && right.name.is_valid() => {
                    let right = std::mem::replace(right, NamedRight::NULL);
                    self.finish(cx, port, Some(right));
                    return release_received(cx.space, message);
                }
                (Some(code), []) if look_up.directed => {
                    let code = KernReturn::from_raw(code).filter(|c| *c != KernReturn::Success);
                    look_up.negative = code.unwrap_or(KernReturn::HostNotFound);
                }
                _ => {}
            }
        }
        release_received(cx.space, message);
        look_up.waiting = look_up.waiting.saturating_sub(1);
        if look_up.waiting == 0 {
            self.finish(cx, port, None);
        }
    }

    /// Ends a look-up. Answers that come later find their port dead.
    fn finish(&mut self, cx: &mut NameCx<'_>, port: PortName, right: Option<NamedRight>) {
        let Some(LookUp { reply, trace, deadline, negative, .. }) = self.look_ups.remove(&port) else { return };
        self.deadlines.remove(&(deadline, port));
        cx.space.destroy_receive(port);
        let asker = Asker { reply, id: netname::id::LOOK_UP, trace };
        asker.answer(cx.space, right.map(found).ok_or(negative.raw()));
    }

    fn on_peer_up(&mut self, cx: &mut NameCx<'_>, message: Message<NamedRight>) {
        let Message { remote, id, body, .. } = message;
        release(cx.space, remote);
        let up = if id == PEER_UP { PeerUp::from_body(body) } else { Err(body) };
        match up {
            Err(body) => release_body(cx.space, body),
            Ok(PeerUp { name_server, .. }) if !name_server.name.is_valid() => {}
            Ok(PeerUp { node, name_server, .. }) => {
                self.hold(cx.space, name_server.name);
                if let Some(old) = self.peers.insert(node, name_server.name) {
                    self.watches.let_go(cx.space, old);
                }
            }
        }
    }

    fn on_notification(&mut self, cx: &mut NameCx<'_>, message: Message<NamedRight>) {
        if let Some(name) = dead_name(&message) {
            for binding in self.table.died(name) {
                self.let_go(cx.space, binding);
            }
            let gone = |peer: &PortName| *peer == name;
            for _ in 0..self.peers.values().filter(|p| gone(p)).count() {
                self.watches.let_go(cx.space, name);
            }
            self.peers.retain(|_, peer| !gone(peer));
            // The notification brought a reference of its own.
            cx.space.deallocate(name);
        }
        release_received(cx.space, message);
    }

    fn hold(&mut self, space: &mut dyn PortSpace, name: PortName) {
        if name.is_valid() {
            self.watches.hold(space, name, self.ports.notify);
        }
    }

    fn let_go(&mut self, space: &mut dyn PortSpace, binding: Binding) {
        for name in [binding.port, binding.signature] {
            if name.is_valid() {
                self.watches.let_go(space, name);
            }
        }
    }
}

/// Who asked, and what for.
struct Asker {
    reply: NamedRight,
    id: i32,
    trace: TraceId,
}

impl Asker {
    /// Answers, and never waits: a reply that finds no room is dropped.
    fn answer(&self, space: &mut dyn PortSpace, answer: Answer) {
        let &Asker { reply, id, trace } = self;
        let body = answer.unwrap_or_else(code_body);
        if !reply.name.is_valid() {
            return release_body(space, body);
        }
        let message = Message { remote: reply, local: NamedRight::NULL, id: id + REPLY, seqno: 0, trace, body };
        if let Err(refused) = space.send(message, SendMode::Poll) {
            release_refused(space, refused.message);
        }
    }
}

fn found(right: NamedRight) -> Body<NamedRight> {
    netname::LookUpReply { port_id: right }.into_body()
}

/// Asks one peer; whether an answer will come.
fn ask_one(space: &mut dyn PortSpace, peer: PortName, port: PortName, name: &str, trace: TraceId) -> bool {
    let request = netname::LookUp { host_name: String::new(), port_name: name.to_owned() };
    let message = Message {
        remote: NamedRight::copy_send(peer),
        local: NamedRight::make_send_once(port),
        id: netname::id::LOOK_UP,
        seqno: 0,
        trace,
        body: request.into_body(),
    };
    match space.send(message, SendMode::Poll) {
        Ok(_) => true,
        Err(refused) => {
            // A reply right that was made sends its notification when it is given up.
            let made = refused.message.as_ref().is_none_or(|m| m.local.disposition == Disposition::MoveSendOnce);
            release_refused(space, refused.message);
            made
        }
    }
}

/// A right that has to be a live send right, or null where that is allowed.
///
/// Errors: `InvalidRight` another kind; `InvalidCapability` dead, or null.
fn check_send(right: NamedRight, or_null: bool) -> Result<PortName, KernReturn> {
    match right.name {
        PortName::NULL if or_null => Ok(PortName::NULL),
        PortName::NULL | PortName::DEAD => Err(KernReturn::InvalidCapability),
        _ if right.disposition != Disposition::MoveSend => Err(KernReturn::InvalidRight),
        name => Ok(name),
    }
}
