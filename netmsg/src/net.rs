//! The node's place in the network: its endpoint, its links, the membership they carry, and the handler told of it all.
//!
//! Everything runs on the caller's thread, in tasks of its `LocalSet`. State is in cells of [`Inner`]; none is borrowed
//! while the handler is called or across an await, so the handler may call any method of [`Net`].
//!
//! 1. There is at most one link per name (`by_name`), and it is with the newest life of that node that was admitted.
//! 2. Every `link_up` is followed by one `link_down`, unless the runtime ends first; frames come between the two.
//! 3. A life that membership declares over has no link.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use proto::limits::NODES_MAX;
use proto::wire::link::Frame;
use proto::wire::link::frame::Kind;
use proto::{Incarnation, NodeName, Payload};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::dial::Dials;
use crate::frame::{Decoder, Lane, PeerMisbehaved};
use crate::identity::{Identity, IdentityError};
use crate::link::{self, Link, LinkId, Peer};
use crate::reason::{self, CloseCode, LinkDown};
use crate::roster::{MemberInfo, NotAdmitted, Roster};
use crate::socket::{Cable, Listen};
use crate::swim::{Node, Swim};
use crate::tls::{self, Alpn};
use crate::transport::{self, DEAD_AFTER_MIN, MTU_MIN, Times};
use crate::{accept, dial};

/// The warm stream is the only bidirectional one; a joiner opens one as well.
const BIDIRECTIONAL_STREAMS: u32 = 1;
/// How long a shutdown waits for its goodbyes to be sent.
const GOODBYE: Duration = Duration::from_millis(300);
/// Different complaints that are said once each; then they start anew.
const GRUMBLES_MAX: usize = 1024;

/// What a node is in the network, and how it behaves there.
pub struct NetConfig {
    /// Its certificate and key.
    pub identity: Identity,
    /// Its name; must be the one in the certificate.
    pub node: NodeName,
    /// Which life of it. Must be above every earlier one of this name; see [`crate::fresh_incarnation`].
    pub incarnation: Incarnation,
    /// Where it listens.
    pub listen: Listen,
    /// Where others reach it, if not where it listens.
    pub advertise: Option<SocketAddr>,
    /// Nodes to find the others by. Tried for as long as no link to them is there.
    pub seeds: Vec<SocketAddr>,
    /// A node that is gone is declared dead within this. At least [`DEAD_AFTER_MIN`].
    pub dead_after: Duration,
    /// The largest UDP payload to try; see [`crate::MTU_MAX_DEFAULT`].
    pub mtu_max: u16,
    /// Lets this node answer joiners.
    pub authority: Option<Rc<Authority>>,
    /// For tests: the cable that can be pulled.
    pub cable: Cable,
}

/// What is told of links and members. Called on the thread that runs the network; may call [`Net`].
pub trait Handler {
    /// A session with one life of a peer begins.
    fn link_up(&self, link: LinkId, peer: &Peer);
    /// A frame of the peer, and its out-of-line bytes, as long as its items say.
    ///
    /// Only `Send`, `Delivered`, `Release` and `PortDead` come here. Frames on different streams overtake each other.
    fn frame(&self, link: LinkId, frame: Frame, payload: Payload);
    /// The session is over; `link` means nothing any more.
    fn link_down(&self, link: LinkId, reason: &LinkDown);
    /// A node came, went, died or came back. Suspicion alone is not told.
    fn member_changed(&self, member: &MemberInfo);
    /// The cluster holds this life of ours for dead; all links go down. Returns the incarnation to go on under, above
    /// the present one, or `None` to stay out of the cluster.
    fn declared_dead(&self) -> Option<Incarnation>;
}

/// Why the network could not be started.
#[derive(Debug, Error)]
pub enum NetError {
    /// The address, or the socket, could not be listened on.
    #[error("cannot listen on {place}: {source}")]
    Listen {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate or key is of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A setting is out of range.
    #[error("{0}")]
    Config(String),
}

/// A running network. Clones are the same one.
#[derive(Clone)]
pub struct Net(Rc<Inner>);

impl Net {
    /// Listens, and begins to look for the seeds.
    ///
    /// Conditions: called inside a `LocalSet` of a current-thread runtime; the handler is called only after it returned.
    /// Errors: nothing has been started.
    pub fn start(config: NetConfig, handler: Rc<dyn Handler>) -> Result<Net, NetError> {
        check(&config)?;
        let times = Times { dead_after: config.dead_after };
        let alpns: &[Alpn] = if config.authority.is_some() { &[Alpn::Link, Alpn::Join] } else { &[Alpn::Link] };
        let server = tls::server_config(&config.identity, alpns)?;
        let server = transport::server(server, times, config.mtu_max, BIDIRECTIONAL_STREAMS);
        let client = tls::client_config(&config.identity, Alpn::Link)?;
        let client = transport::client(client, times, config.mtu_max, BIDIRECTIONAL_STREAMS);
        let place = config.listen.to_string();
        let listen = |source| NetError::Listen { place: place.clone(), source };
        let endpoint =
            transport::endpoint(config.listen, config.mtu_max, Some(server), config.cable.clone()).map_err(listen)?;
        let address = config.advertise.unwrap_or(endpoint.local_addr().map_err(listen)?);
        let me = Node { name: config.node, incarnation: config.incarnation, address };
        let inner = Rc::new(Inner {
            handler,
            endpoint,
            client,
            times,
            authority: config.authority,
            swim: RefCell::new(Swim::new(me.clone(), times)),
            dials: RefCell::new(Dials::new(me.name.clone(), times, config.seeds)),
            me: RefCell::new(me),
            life: Cell::new(0),
            roster: RefCell::default(),
            links: RefCell::default(),
            dial_now: Notify::new(),
            greetings: RefCell::default(),
            handshakes: Cell::new(0),
            grumbles: RefCell::default(),
            end: CancellationToken::new(),
            outcast: Cell::new(false),
        });
        tokio::task::spawn_local(accept::run(inner.clone()));
        tokio::task::spawn_local(dial::run(inner.clone()));
        Ok(Net(inner))
    }

    /// Queues a frame on a link and returns at once. `payload` must be as long as the items of `frame` say.
    ///
    /// Conditions: a frame for a link that is down is dropped: `link_down` has been told, or will be.
    pub fn send(&self, link: LinkId, frame: Frame, payload: Payload) {
        if let Some(link) = self.0.link(link) {
            link.send(&frame, payload);
        }
    }

    /// Bytes that wait on a link because the peer or the path is slow. 0 for a link that is down.
    pub fn queued_bytes(&self, link: LinkId) -> usize {
        self.0.link(link).map_or(0, |l| l.queued_bytes())
    }

    /// Ends a link; `link_down` with [`LinkDown::Asked`] follows. It is made anew if the node still belongs to the cluster.
    pub fn close(&self, link: LinkId, reason: &str) {
        if let Some(link) = self.0.link(link) {
            link.fail(LinkDown::Asked(reason.to_owned()));
        }
    }

    /// Ends a link because the layer above found its peer at fault; `link_down` with [`LinkDown::Misbehaved`] follows.
    pub fn misbehaved(&self, link: LinkId, what: &str) {
        if let Some(link) = self.0.link(link) {
            self.0.misbehaved(&link, PeerMisbehaved::Other(what.to_owned()));
        }
    }

    /// Looks for a node at `address` from now on, as for a seed.
    pub fn connect(&self, address: SocketAddr) {
        self.0.dials.borrow_mut().add_seed(address);
        self.0.dial_now.notify_one();
    }

    /// The link to a node, if there is one.
    pub fn link_to(&self, name: &NodeName) -> Option<LinkId> {
        self.0.links.borrow().by_name.get(name).copied()
    }

    /// All other nodes that are or were known, by name.
    pub fn members(&self) -> Vec<MemberInfo> {
        let names: Vec<NodeName> = self.0.roster.borrow().iter().map(|(n, _)| n.clone()).collect();
        names.iter().filter_map(|n| self.0.member_info(n)).collect()
    }

    /// Where others reach this node.
    pub fn address(&self) -> SocketAddr {
        self.0.me.borrow().address
    }

    /// Where this node listens.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.endpoint.local_addr()
    }

    /// The life that this node is in.
    pub fn incarnation(&self) -> Incarnation {
        self.0.me.borrow().incarnation
    }

    /// Leaves the cluster: ends all links, by which the peers know that it left, waits a moment for that to be sent, and
    /// closes the socket.
    pub async fn shutdown(&self) {
        let inner = &self.0;
        if inner.end.is_cancelled() {
            return;
        }
        inner.end.cancel();
        inner.end_all_links(&LinkDown::Shutdown);
        inner.endpoint.close((CloseCode::Leaving as u32).into(), b"the node shuts down");
        let _ = tokio::time::timeout(GOODBYE, inner.endpoint.wait_idle()).await;
    }
}

fn check(config: &NetConfig) -> Result<(), NetError> {
    let name = config.identity.name()?;
    if name != config.node {
        return Err(NetError::Config(format!("this is node {}, but its certificate is for {name}", config.node)));
    }
    if config.dead_after < DEAD_AFTER_MIN {
        return Err(NetError::Config(format!("dead_after must be at least {DEAD_AFTER_MIN:?}")));
    }
    if config.mtu_max < MTU_MIN {
        return Err(NetError::Config(format!("mtu_max must be at least {MTU_MIN}")));
    }
    Ok(())
}

pub(crate) struct Inner {
    pub handler: Rc<dyn Handler>,
    pub endpoint: Endpoint,
    pub client: ClientConfig,
    pub times: Times,
    pub authority: Option<Rc<Authority>>,
    pub me: RefCell<Node>,
    pub swim: RefCell<Swim>,
    /// Counts our lives within this process: timers of an earlier one mean nothing.
    pub life: Cell<u64>,
    pub roster: RefCell<Roster>,
    pub links: RefCell<Links>,
    pub dials: RefCell<Dials>,
    /// Something may have to be dialed.
    pub dial_now: Notify,
    /// Peers to which we have said Hello and that have not answered; notified when that is decided.
    pub greetings: RefCell<BTreeMap<NodeName, Rc<Notify>>>,
    pub handshakes: Cell<usize>,
    grumbles: RefCell<BTreeSet<String>>,
    pub end: CancellationToken,
    /// Declared dead, and the handler wants no further life.
    pub outcast: Cell<bool>,
}

#[derive(Default)]
pub(crate) struct Links {
    pub by_id: BTreeMap<LinkId, Rc<Link>>,
    by_name: BTreeMap<NodeName, LinkId>,
    made: u64,
}

impl Inner {
    fn link(&self, id: LinkId) -> Option<Rc<Link>> {
        self.links.borrow().by_id.get(&id).cloned()
    }

    pub fn link_by_name(&self, name: &NodeName) -> Option<Rc<Link>> {
        let links = self.links.borrow();
        links.by_id.get(links.by_name.get(name)?).cloned()
    }

    fn all_links(&self) -> Vec<Rc<Link>> {
        self.links.borrow().by_id.values().cloned().collect()
    }

    /// Whether this node takes part at all.
    pub fn is_over(&self) -> bool {
        self.end.is_cancelled() || self.outcast.get()
    }

    /// Logs a complaint about somebody outside once.
    pub fn grumble(&self, complaint: String) {
        let mut said = self.grumbles.borrow_mut();
        if said.len() >= GRUMBLES_MAX {
            said.clear();
        }
        if !said.contains(&complaint) {
            tracing::warn!("{complaint}");
            said.insert(complaint);
        }
    }

    /// Makes a greeted connection the link with `peer`, in place of an older one.
    ///
    /// Errors: the peer may not come in (any more); the connection is the caller's to close.
    pub fn link_up(
        self: &Rc<Self>,
        peer: Peer,
        connection: Connection,
        streams: (SendStream, RecvStream, Decoder),
    ) -> Result<(), NotAdmitted> {
        self.roster.borrow().admits(&peer.name, peer.incarnation)?;
        if let Some(older) = self.link_by_name(&peer.name) {
            let same = older.peer.incarnation == peer.incarnation;
            let why = if same { LinkDown::Replaced } else { LinkDown::Restarted };
            older.fail(why.clone());
            self.link_ended(&older, why);
        }
        if self.is_over() {
            return Err(NotAdmitted::Over);
        }
        if self.links.borrow().by_id.len() >= NODES_MAX {
            return Err(NotAdmitted::Full);
        }
        let link = {
            let mut links = self.links.borrow_mut();
            links.made += 1;
            let link = Link::new(LinkId(links.made), peer, connection);
            links.by_id.insert(link.id, link.clone());
            links.by_name.insert(link.peer.name.clone(), link.id);
            link
        };
        let Peer { name, incarnation, address } = link.peer.clone();
        tracing::info!(peer = %name, incarnation = incarnation.0, %address, link = link.id.0, "link up");
        let news = self.roster.borrow_mut().alive(&name, incarnation, address);
        self.roster.borrow_mut().met(&name);
        self.dials.borrow_mut().linked(&name);
        self.handler.link_up(link.id, &link.peer);
        if news {
            self.tell_changed(&name);
        }
        let (send, recv, decoder) = streams;
        tokio::task::spawn_local(link::run(self.clone(), link, send, recv, decoder));
        let out = self.swim.borrow_mut().alive(Node { name, incarnation, address });
        self.carry_out(out);
        Ok(())
    }

    /// Takes a link off the tables and tells the handler, once.
    pub fn link_ended(self: &Rc<Self>, link: &Rc<Link>, why: LinkDown) {
        if link.ended.replace(true) {
            return;
        }
        let name = &link.peer.name;
        {
            let mut links = self.links.borrow_mut();
            links.by_id.remove(&link.id);
            if links.by_name.get(name) == Some(&link.id) {
                links.by_name.remove(name);
            }
        }
        tracing::info!(peer = %name, link = link.id.0, reason = %why, "link down");
        self.dials.borrow_mut().lost(name, link.since.elapsed() < self.times.dead_after);
        self.handler.link_down(link.id, &why);
        if self.is_over() {
            return;
        }
        match &why {
            LinkDown::Left => self.left(name, link.peer.incarnation),
            LinkDown::ClosedByPeer { code, .. } if code.known() == Some(CloseCode::Dead) => self.told_dead(name),
            why if why.is_suspicious() => self.suspect(name, link.peer.incarnation),
            _ => {}
        }
        self.dial_now.notify_one();
    }

    pub fn end_all_links(self: &Rc<Self>, why: &LinkDown) {
        for link in self.all_links() {
            link.fail(why.clone());
            self.link_ended(&link, why.clone());
        }
    }

    pub fn misbehaved(&self, link: &Link, what: PeerMisbehaved) {
        if link.is_up() {
            tracing::warn!(peer = %link.peer.name, link = link.id.0, "cut off: the peer sent {what}");
            link.fail(LinkDown::Misbehaved(what));
        }
    }

    /// A frame that a link received.
    pub fn deliver(self: &Rc<Self>, link: &Rc<Link>, lane: Lane, frame: Frame, payload: Payload) {
        link.frames_received.set(link.frames_received.get() + 1);
        match (&frame.kind, lane) {
            (Some(Kind::Send(_)), _) => self.handler.frame(link.id, frame, payload),
            (_, Lane::Bulk) => self.misbehaved(link, PeerMisbehaved::OutOfPlace("a frame that is no message as bulk")),
            (Some(Kind::Delivered(_) | Kind::Release(_) | Kind::PortDead(_)), _) => {
                self.handler.frame(link.id, frame, payload);
            }
            (Some(Kind::Gossip(gossip)), _) => self.gossip_arrived(link, &gossip.data),
            (Some(Kind::Goodbye(goodbye)), _) => link.fail(LinkDown::ClosedByPeer {
                code: reason::PeerCode(CloseCode::Asked as u64),
                reason: reason::printable(&goodbye.reason),
            }),
            (Some(Kind::Hello(_)), _) => self.misbehaved(link, PeerMisbehaved::OutOfPlace("a second greeting")),
            (None, _) => self.misbehaved(link, PeerMisbehaved::OutOfPlace("a frame of an unknown kind")),
        }
    }
}
