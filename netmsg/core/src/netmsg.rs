//! The netmsg server of one node: every link, every proxy, and what is shared between links.

use std::collections::BTreeMap;

use proto::wire::link::{Frame, PortDead, frame};
use proto::{Message, NamedRight, Payload, PortName, PortUid};

use crate::codec::name_of;
use crate::export::Export;
use crate::link::{ExportInfo, ImportInfo, Link};
use crate::space::release_received;
use crate::watch::{Watches, dead_name};
use crate::{ExportId, LinkId, Peer, PeerMisbehaved, PeerUp, PortSpace, SendMode, Ticket};

/// What the shell carries out.
#[derive(Debug)]
pub enum Out {
    /// Send this to the peer. Frames of a link may overtake each other; none may be lost while the link lives.
    Frame {
        /// The link.
        link: LinkId,
        /// The head.
        frame: Frame,
        /// The bytes that follow it.
        payload: Payload,
    },
    /// The peer is at fault: close the link. For the core it is down already.
    CloseLink {
        /// The link.
        link: LinkId,
        /// What the peer did.
        why: PeerMisbehaved,
    },
}

/// What one call may use: netmsg's own space, and where its effects go.
pub struct Cx<'a> {
    /// Netmsg's space.
    pub space: &'a mut dyn PortSpace,
    /// Effects, appended in order.
    pub out: &'a mut Vec<Out>,
}

impl Cx<'_> {
    /// Sends a frame that no bytes follow.
    pub(crate) fn frame(&mut self, link: LinkId, kind: frame::Kind) {
        self.out.push(Out::Frame { link, frame: Frame { kind: Some(kind) }, payload: Payload::default() });
    }
}

/// The names in netmsg's space that exist before any link.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// A send right: what every authenticated peer may send to, as its entry 1. `NULL` for none.
    pub name_server: PortName,
    /// A receive right in the receive set, for notifications. No right to it leaves netmsg.
    pub notify: PortName,
    /// A send right: where new peers are announced ([`PeerUp`]). `NULL` for nowhere.
    pub announce: PortName,
}

/// What netmsg has done since it started. Only ever goes up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Messages sent to peers.
    pub messages_out: u64,
    /// Messages from peers given to a local port.
    pub messages_in: u64,
    /// Out-of-line bytes sent to peers.
    pub bytes_out: u64,
    /// Out-of-line bytes from peers.
    pub bytes_in: u64,
    /// Rights granted to peers.
    pub rights_out: u64,
    /// Rights granted by peers.
    pub rights_in: u64,
    /// Messages dropped: they held a receive right, or their destination died on the way.
    pub dropped: u64,
}

/// What a proxy stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Proxy {
    pub(crate) link: LinkId,
    pub(crate) export: ExportId,
    /// What the home says the port is.
    pub(crate) home: PortUid,
}

/// What links share.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) config: Config,
    /// The import behind each proxy.
    pub(crate) proxies: BTreeMap<PortName, Proxy>,
    /// Proxies of send-once rights by identity: a name of such a right does not tell whose it is.
    pub(crate) once: BTreeMap<PortUid, PortName>,
    /// Names exported as send rights, by how many links.
    pub(crate) watches: Watches,
    /// The export that each blocked send belongs to.
    pub(crate) tickets: BTreeMap<Ticket, (LinkId, ExportId)>,
    pub(crate) next_ticket: u64,
    pub(crate) counts: Counts,
}

impl Tables {
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// Ends a proxy of a send right: its holders get dead names.
    pub(crate) fn destroy_proxy(&mut self, space: &mut dyn PortSpace, proxy: PortName) {
        self.proxies.remove(&proxy);
        space.destroy_receive(proxy);
    }

    /// Ends a proxy of a send-once right.
    pub(crate) fn destroy_once(&mut self, space: &mut dyn PortSpace, proxy: PortName, local: PortUid) {
        self.once.remove(&local);
        self.destroy_proxy(space, proxy);
    }
}

/// The netmsg server of one node.
#[derive(Debug)]
pub struct Netmsg {
    links: BTreeMap<LinkId, Link>,
    tables: Tables,
    name_server_watched: bool,
}

impl Netmsg {
    /// A server without links.
    pub fn new(config: Config) -> Netmsg {
        let tables = Tables {
            config,
            proxies: BTreeMap::new(),
            once: BTreeMap::new(),
            watches: Watches::default(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            counts: Counts::default(),
        };
        Netmsg { links: BTreeMap::new(), tables, name_server_watched: false }
    }

    /// A link to an authenticated peer is ready to carry frames; both hellos have been exchanged.
    ///
    /// Conditions: `link` is new. Makes the proxy for the peer's name server and announces it.
    pub fn link_up(&mut self, cx: &mut Cx<'_>, link: LinkId, peer: Peer) {
        self.watch_name_server(cx);
        let name_server = self.tables.config.name_server;
        let own = Some(name_server).filter(|n| n.is_valid());
        if own.is_none() {
            cx.frame(link, frame::Kind::PortDead(PortDead { export: ExportId::NAME_SERVER.0, granted: 1 }));
        }
        let mut new = Link::new(link, peer.clone(), own);
        if let Some(proxy) = new.import_name_server(&mut self.tables, cx.space) {
            self.announce(cx, peer, proxy);
        }
        let old = self.links.insert(link, new);
        assert!(old.is_none(), "a link came up twice");
    }

    /// The link is lost, or closed. What it stood for ends at once; a link that is down already is left alone.
    pub fn link_down(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if let Some(link) = self.links.remove(&link) {
            link.end(&mut self.tables, cx.space);
        }
    }

    /// A frame came in, with the bytes that followed its head. Frames of a link that is down are dropped.
    ///
    /// Conditions: `Hello`, `Gossip` and `Goodbye` are the shell's and do not come here.
    pub fn on_frame(&mut self, cx: &mut Cx<'_>, link: LinkId, frame: Frame, payload: Payload) {
        let Some(at) = self.links.get_mut(&link) else { return };
        let t = &mut self.tables;
        let done = match frame.kind {
            Some(frame::Kind::Send(send)) => at.on_send(t, cx, send, payload),
            kind if !payload.is_empty() => Err(PeerMisbehaved::UnexpectedFrame(name_of(&kind))),
            Some(frame::Kind::Delivered(d)) => at.on_delivered(t, cx, ExportId(d.export), d.through),
            Some(frame::Kind::Release(r)) => at.on_release(t, cx, &r),
            Some(frame::Kind::PortDead(d)) => at.on_port_dead(t, cx, ExportId(d.export), d.granted),
            kind => Err(PeerMisbehaved::UnexpectedFrame(name_of(&kind))),
        };
        self.judge(cx, link, done);
    }

    /// A message was received from the receive set: what a task sent to a proxy, or a notification.
    pub fn on_message(&mut self, cx: &mut Cx<'_>, message: Message<NamedRight>) {
        let port = message.local.name;
        if port == self.tables.config.notify {
            return self.on_notification(cx, message);
        }
        let at = self.tables.proxies.get(&port).and_then(|p| Some((self.links.get_mut(&p.link)?, p.export)));
        match at {
            Some((link, export)) => link.on_local(&mut self.tables, cx, export, message),
            None => release_received(cx.space, message),
        }
    }

    /// A send that was waiting is in its queue, or its port died.
    pub fn on_taken(&mut self, cx: &mut Cx<'_>, ticket: Ticket) {
        let Some((link, export)) = self.tables.tickets.remove(&ticket) else { return };
        let at = self.links.get_mut(&link).expect("a ticket ends with its link");
        let done = at.on_taken(&mut self.tables, cx, export);
        self.judge(cx, link, done);
    }

    /// Acknowledges what was taken and not yet acknowledged, and tries again what the node had no room for.
    ///
    /// Conditions: to be called at least every 10 ms while [`wants_flush`](Self::wants_flush); a peer whose link is
    /// crowded waits for it.
    pub fn flush(&mut self, cx: &mut Cx<'_>) {
        let mut faults = Vec::new();
        for (id, link) in &mut self.links {
            if link.wants_flush() {
                faults.push((*id, link.feed(&mut self.tables, cx)));
                link.acknowledge_all(cx);
            }
        }
        faults.into_iter().for_each(|(link, done)| self.judge(cx, link, done));
    }

    /// Whether [`flush`](Self::flush) has anything to do.
    pub fn wants_flush(&self) -> bool {
        self.links.values().any(Link::wants_flush)
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.tables.counts
    }

    /// The links that are up.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &Peer)> {
        self.links.iter().map(|(id, l)| (*id, &l.peer))
    }

    /// The rights that the peer of a link holds.
    pub fn exports(&self, link: LinkId) -> impl Iterator<Item = ExportInfo> + '_ {
        self.links.get(&link).into_iter().flat_map(Link::export_infos)
    }

    /// The rights that this node holds of the peer of a link.
    pub fn imports(&self, link: LinkId) -> impl Iterator<Item = ImportInfo> + '_ {
        self.links.get(&link).into_iter().flat_map(Link::import_infos)
    }

    /// The remote port behind a name of netmsg's space, if it is a proxy: its link and what its home says it is.
    pub fn home_of(&self, proxy: PortName) -> Option<(LinkId, PortUid)> {
        self.tables.proxies.get(&proxy).map(|p| (p.link, p.home))
    }

    /// Asserts the invariants of the whole server; for tests.
    pub fn check(&self) {
        let mut proxies = BTreeMap::new();
        let mut exported = BTreeMap::<PortName, u32>::new();
        for (id, link) in &self.links {
            link.check();
            let proxy = |i: ImportInfo| Some((i.proxy?, Proxy { link: *id, export: i.export, home: i.home }));
            proxies.extend(link.import_infos().filter_map(proxy));
            for (_, export) in link.exports.iter() {
                let Export::Send(export) = export else { continue };
                if let Some(ticket) = export.ticket {
                    assert!(self.tables.tickets.contains_key(&ticket));
                }
                *exported.entry(export.name).or_default() += u32::from(!export.permanent);
            }
        }
        assert_eq!(self.tables.proxies, proxies, "proxies and imports");
        assert!(self.tables.once.values().all(|p| proxies.contains_key(p)));
        exported.retain(|_, n| *n > 0);
        let own = self.name_server_watched.then_some(self.tables.config.name_server);
        let watched = self.tables.watches.iter().map(|(n, c)| (n, c - u32::from(own == Some(n))));
        assert_eq!(watched.filter(|(_, c)| *c > 0).collect::<BTreeMap<_, _>>(), exported, "watches and exports");
    }

    /// The node keeps the reference to its name server for good; its death is watched from the first link on.
    fn watch_name_server(&mut self, cx: &mut Cx<'_>) {
        let config = self.tables.config;
        if !self.name_server_watched && config.name_server.is_valid() {
            self.name_server_watched = true;
            self.tables.watches.hold(cx.space, config.name_server, config.notify);
        }
    }

    fn announce(&mut self, cx: &mut Cx<'_>, peer: Peer, proxy: PortName) {
        let to = self.tables.config.announce;
        if !to.is_valid() {
            return;
        }
        let Peer { node, incarnation } = peer;
        let up = PeerUp { node, incarnation, name_server: NamedRight::make_send(proxy) };
        let ticket = self.tables.ticket();
        if let Err(refused) = cx.space.send(up.into_message(to), SendMode::Wait(ticket)) {
            crate::release_refused(cx.space, refused.message);
        }
    }

    /// A notification about a name: only dead-name means something, a port-deleted is the echo of a release.
    fn on_notification(&mut self, cx: &mut Cx<'_>, message: Message<NamedRight>) {
        if let Some(name) = dead_name(&message) {
            self.on_dead_name(cx, name);
        }
        release_received(cx.space, message);
    }

    /// A port that peers may hold rights to is dead. The notification brought a reference of its own.
    fn on_dead_name(&mut self, cx: &mut Cx<'_>, name: PortName) {
        if name == self.tables.config.name_server {
            self.tables.config.name_server = PortName::NULL;
            self.name_server_watched = false;
            self.tables.watches.let_go(cx.space, name);
        }
        let mut faults = Vec::new();
        for (id, link) in &mut self.links {
            if let Some(export) = link.exports.find(name) {
                faults.push((*id, link.end_export(&mut self.tables, cx, export)));
            }
        }
        cx.space.deallocate(name);
        faults.into_iter().for_each(|(link, done)| self.judge(cx, link, done));
    }

    /// Closes the link of a peer that misbehaved.
    fn judge(&mut self, cx: &mut Cx<'_>, link: LinkId, done: Result<(), PeerMisbehaved>) {
        if let Err(why) = done {
            self.link_down(cx, link);
            cx.out.push(Out::CloseLink { link, why });
        }
    }
}
