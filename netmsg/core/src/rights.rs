//! Rights on their way through a link: granted, given back, released, dead.
//!
//! A right that goes out becomes an entry here and a proxy there. Frames overtake each other, so an entry goes only when
//! both sides have counted the same grants, returns and messages. Source: spec [netmsg.grant], [netmsg.death].

use proto::limits::LINK_RIGHTS_MAX;
use proto::wire::link::{self as wire, frame};
use proto::{Disposition, NamedRight, PortName, PortUid};

use crate::codec::{Content, LinkRight};
use crate::export::{Export, Release, SendExport};
use crate::import::{Holding, Import, SendImport};
use crate::link::{Link, end_import};
use crate::netmsg::{Proxy, Tables};
use crate::{Cx, ExportId, PeerMisbehaved, PortSpace};

/// Entries of the peer that are kept at most. A correct peer has `LINK_RIGHTS_MAX` at a time; as many again may have ended
/// without this node having heard of it.
const IMPORTS_MAX: usize = 2 * LINK_RIGHTS_MAX;

/// The right of a message whose right cannot be had.
const DEAD: NamedRight = NamedRight { name: PortName::DEAD, disposition: Disposition::MoveSend };

/// What the rights of one incoming message leave to be settled once it is sent.
#[derive(Default, Debug)]
pub(crate) struct Passage {
    /// Entries of the peer, once for every send right made from their proxy.
    pub(crate) made: Vec<ExportId>,
    /// Own entries that came back.
    pub(crate) returned: Vec<ExportId>,
    /// Send-once rights that left their entry for the message.
    pub(crate) once: Vec<PortName>,
}

impl Link {
    /// Makes the proxy for the peer's name server; `None` when the space has no room for it.
    pub(crate) fn import_name_server(&mut self, t: &mut Tables, space: &mut dyn PortSpace) -> Option<PortName> {
        let proxy = space.allocate().ok();
        let home = PortUid { origin: self.peer.incarnation, serial: 0 };
        let holding = proxy.map_or(Holding::Released, Holding::Live);
        let import = SendImport { permanent: true, seen: 1, ..SendImport::new(holding, home) };
        self.imports.insert(ExportId::NAME_SERVER, Import::Send(Box::new(import)));
        if let Some(proxy) = proxy {
            t.proxies.insert(proxy, Proxy { link: self.id, export: ExportId::NAME_SERVER, home });
        }
        proxy
    }

    /// A right of a local message, as it goes into a frame. The right is consumed.
    ///
    /// A right to a port of the peer goes back as the peer's own; everything else is granted, a proxy for a port of a third
    /// node included: this node then relays. What cannot be granted goes as dead.
    pub(crate) fn export_right(&mut self, t: &mut Tables, space: &mut dyn PortSpace, right: NamedRight) -> LinkRight {
        match right.name {
            PortName::NULL => LinkRight::Null,
            PortName::DEAD => LinkRight::Dead,
            name if right.disposition == Disposition::MoveSendOnce => self.export_once(t, space, name),
            name => self.export_send(t, space, name),
        }
    }

    fn export_send(&mut self, t: &mut Tables, space: &mut dyn PortSpace, name: PortName) -> LinkRight {
        let proxy = t.proxies.get(&name).copied();
        if let Some(Proxy { link, export, .. }) = proxy
            && link == self.id
            && let Some(import) = self.send_import(export)
        {
            import.returned += 1;
            space.deallocate(name);
            return LinkRight::Yours(export);
        }
        let Some(uid) = space.port_uid(name) else {
            space.deallocate(name);
            return LinkRight::Dead;
        };
        let home = proxy.map_or(uid, |p| p.home);
        if let Some(id) = self.exports.find(name)
            && let Some(export) = self.exports.send_mut(id)
        {
            export.granted += 1;
            export.release = None;
            t.counts.rights_out += 1;
            space.deallocate(name);
            return LinkRight::Send(id, home);
        }
        if self.exports.is_full() {
            space.deallocate(name);
            return LinkRight::Dead;
        }
        t.watches.hold(space, name, t.config.notify);
        t.counts.rights_out += 1;
        LinkRight::Send(self.exports.insert_send(SendExport::new(name, false)), home)
    }

    fn export_once(&mut self, t: &mut Tables, space: &mut dyn PortSpace, name: PortName) -> LinkRight {
        let Some(uid) = space.port_uid(name) else {
            space.deallocate(name);
            return LinkRight::Dead;
        };
        let proxy = t.once.get(&uid).and_then(|p| t.proxies.get(p)).copied();
        if let Some(Proxy { link, export, .. }) = proxy
            && link == self.id
            && let Some(Import::Once { proxy, local, .. }) = self.imports.remove(&export)
        {
            // The port goes first, so that giving up the right sends no notification.
            t.destroy_once(space, proxy, local);
            space.deallocate(name);
            return LinkRight::YoursOnce(export);
        }
        if self.exports.is_full() {
            space.deallocate(name);
            return LinkRight::Dead;
        }
        t.counts.rights_out += 1;
        LinkRight::SendOnce(self.exports.insert_once(name), proxy.map_or(uid, |p| p.home))
    }

    /// A right of a frame, as it goes into a local message. What has to be settled after that message was sent is noted in
    /// `passage`.
    ///
    /// Errors: the right is not one that a correct peer sends.
    pub(crate) fn import_right(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        right: LinkRight,
        passage: &mut Passage,
    ) -> Result<NamedRight, PeerMisbehaved> {
        match right {
            LinkRight::Null => Ok(NamedRight::NULL),
            LinkRight::Dead => Ok(DEAD),
            LinkRight::Send(export, home) => self.import_send(t, cx, export, home, passage),
            LinkRight::SendOnce(export, home) => self.import_once(t, cx, export, home),
            LinkRight::Yours(export) => match self.exports.get(export) {
                Some(Export::Once(_)) => Err(PeerMisbehaved::KindMismatch(export)),
                Some(Export::Send(entry)) => {
                    let right = NamedRight::copy_send(entry.name);
                    self.count_return(export);
                    passage.returned.push(export);
                    Ok(right)
                }
                None => self.gone(export).map(|()| DEAD),
            },
            LinkRight::YoursOnce(export) => match self.exports.get(export) {
                Some(Export::Send(_)) => Err(PeerMisbehaved::KindMismatch(export)),
                Some(&Export::Once(name)) => {
                    self.exports.remove(export);
                    passage.once.push(name);
                    Ok(NamedRight::move_send_once(name))
                }
                None => self.gone(export).map(|()| DEAD),
            },
        }
    }

    fn import_send(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
        home: PortUid,
        passage: &mut Passage,
    ) -> Result<NamedRight, PeerMisbehaved> {
        t.counts.rights_in += 1;
        let id = self.id;
        let import = self.see_grant(export, home)?;
        if let Holding::Released = import.holding {
            match cx.space.allocate() {
                Ok(proxy) => {
                    t.proxies.insert(proxy, Proxy { link: id, export, home: import.home });
                    import.holding = Holding::Live(proxy);
                    (import.made, import.armed) = (0, false);
                }
                Err(_) => {
                    self.send_release(cx, export);
                    return Ok(DEAD);
                }
            }
        }
        let proxy = import.proxy();
        self.end_if_counted(export);
        Ok(proxy.map_or(DEAD, |proxy| {
            passage.made.push(export);
            NamedRight::make_send(proxy)
        }))
    }

    fn import_once(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
        home: PortUid,
    ) -> Result<NamedRight, PeerMisbehaved> {
        t.counts.rights_in += 1;
        self.see_once(export)?;
        let proxy = cx.space.allocate().ok();
        let Some((proxy, local)) = proxy.and_then(|p| Some((p, cx.space.port_uid(p)?))) else {
            self.release_once(cx, export);
            return Ok(DEAD);
        };
        t.proxies.insert(proxy, Proxy { link: self.id, export, home });
        t.once.insert(local, proxy);
        self.imports.insert(export, Import::Once { proxy, local, home });
        Ok(NamedRight { name: proxy, disposition: Disposition::MakeSendOnce })
    }

    /// Takes the rights of a message that goes nowhere: what it granted is released, what it returned is counted.
    ///
    /// Errors: the rights are not those that a correct peer sends.
    pub(crate) fn discard(&mut self, t: &mut Tables, cx: &mut Cx<'_>, content: &Content) -> Result<(), PeerMisbehaved> {
        for right in content.rights() {
            match right {
                LinkRight::Null | LinkRight::Dead => {}
                LinkRight::Send(export, home) => {
                    if let Holding::Released = self.see_grant(export, home)?.holding {
                        self.send_release(cx, export);
                    }
                    self.end_if_counted(export);
                }
                LinkRight::SendOnce(export, _) => {
                    self.see_once(export)?;
                    self.release_once(cx, export);
                }
                LinkRight::Yours(export) => match self.exports.get(export) {
                    Some(Export::Once(_)) => return Err(PeerMisbehaved::KindMismatch(export)),
                    Some(Export::Send(_)) => {
                        self.count_return(export);
                        self.retire_if_settled(t, cx, export)?;
                    }
                    None => self.gone(export)?,
                },
                LinkRight::YoursOnce(export) => match self.exports.get(export) {
                    Some(Export::Send(_)) => return Err(PeerMisbehaved::KindMismatch(export)),
                    Some(&Export::Once(name)) => {
                        self.exports.remove(export);
                        cx.space.deallocate(name);
                    }
                    None => self.gone(export)?,
                },
            }
        }
        Ok(())
    }

    /// Counts a grant of a send right, of an entry that may be new.
    fn see_grant(&mut self, export: ExportId, home: PortUid) -> Result<&mut SendImport, PeerMisbehaved> {
        let full = self.imports.len() >= IMPORTS_MAX;
        let entry = self.imports.entry(export);
        if full && matches!(entry, std::collections::btree_map::Entry::Vacant(_)) {
            return Err(PeerMisbehaved::TooManyRights);
        }
        match entry.or_insert_with(|| Import::Send(Box::new(SendImport::new(Holding::Released, home)))) {
            Import::Once { .. } => Err(PeerMisbehaved::KindMismatch(export)),
            Import::Send(import) => {
                import.seen += 1;
                Ok(import)
            }
        }
    }

    fn see_once(&self, export: ExportId) -> Result<(), PeerMisbehaved> {
        match self.imports.get(&export) {
            Some(_) => Err(PeerMisbehaved::KindMismatch(export)),
            None if self.imports.len() >= IMPORTS_MAX => Err(PeerMisbehaved::TooManyRights),
            None => Ok(()),
        }
    }

    /// Forgets a dead import once every grant of it has come.
    fn end_if_counted(&mut self, export: ExportId) {
        if let Some(import) = self.send_import(export)
            && import.holding == Holding::Dead(import.seen)
        {
            self.imports.remove(&export);
        }
    }

    fn count_return(&mut self, export: ExportId) {
        if let Some(entry) = self.exports.send_mut(export) {
            entry.returned += 1;
        }
    }

    /// An entry that is not there: it must have been there once.
    pub(crate) fn gone(&self, export: ExportId) -> Result<(), PeerMisbehaved> {
        if self.exports.was_granted(export) { Ok(()) } else { Err(PeerMisbehaved::UnknownExport(export)) }
    }

    /// Nobody here holds the right any more: the proxy goes, the peer is told.
    pub(crate) fn release_import(&mut self, t: &mut Tables, cx: &mut Cx<'_>, export: ExportId) {
        let Some(import) = self.send_import(export) else { return };
        if let Holding::Live(proxy) = import.holding {
            import.holding = Holding::Released;
            import.paused = false;
            t.destroy_proxy(cx.space, proxy);
            self.send_release(cx, export);
        }
    }

    fn send_release(&mut self, cx: &mut Cx<'_>, export: ExportId) {
        let link = self.id;
        if let Some(import) = self.send_import(export).filter(|i| !i.permanent) {
            let (granted, sent, returned) = (import.seen, import.departures.sent(), import.returned);
            let release = wire::Release { export: export.0, granted, sent, returned };
            cx.frame(link, frame::Kind::Release(release));
        }
    }

    /// Gives a send-once right back unused; its home sends the send-once notification.
    pub(crate) fn release_once(&mut self, cx: &mut Cx<'_>, export: ExportId) {
        let release = wire::Release { export: export.0, granted: 1, sent: 0, returned: 0 };
        cx.frame(self.id, frame::Kind::Release(release));
    }

    /// The peer gave a right up.
    pub(crate) fn on_release(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        release: &wire::Release,
    ) -> Result<(), PeerMisbehaved> {
        let &wire::Release { export, granted, sent, returned } = release;
        let export = ExportId(export);
        match self.exports.get(export) {
            None => return self.gone(export),
            Some(&Export::Once(name)) => {
                if granted != 1 {
                    return Err(PeerMisbehaved::Miscount(export, "a send-once right is granted once"));
                }
                self.exports.remove(export);
                cx.space.deallocate(name);
                return Ok(());
            }
            Some(Export::Send(_)) => {}
        }
        let Some(entry) = self.exports.send_mut(export) else { return Ok(()) };
        if entry.permanent {
            return Err(PeerMisbehaved::Miscount(export, "the name server's entry is never released"));
        }
        if granted > entry.granted {
            return Err(PeerMisbehaved::Miscount(export, "released more often than granted"));
        }
        if granted < entry.granted {
            // A grant is under way to the peer; it will release again when that one is given up too.
            return Ok(());
        }
        if sent < entry.arrivals.through() || sent > entry.arrivals.window_end() {
            return Err(PeerMisbehaved::Miscount(export, "sent"));
        }
        if returned < entry.returned {
            return Err(PeerMisbehaved::Miscount(export, "returned"));
        }
        entry.release = Some(Release { sent, returned });
        self.retire_if_settled(t, cx, export)
    }

    /// Ends an entry that the peer released, once everything sent before the release is here.
    pub(crate) fn retire_if_settled(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
    ) -> Result<(), PeerMisbehaved> {
        if self.exports.send_mut(export).is_some_and(|e| e.is_settled()) {
            self.end_export(t, cx, export)?;
        }
        Ok(())
    }

    /// Takes an entry for a send right away, because it was released or its port died, and tells the peer.
    ///
    /// Errors: a message that still waited for its turn held rights that no correct peer sends.
    pub(crate) fn end_export(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
    ) -> Result<(), PeerMisbehaved> {
        let Some(Export::Send(entry)) = self.exports.remove(export) else { return Ok(()) };
        let pending = entry.pending();
        let SendExport { name, permanent, granted, arrivals, ticket, .. } = *entry;
        if let Some(ticket) = ticket {
            t.tickets.remove(&ticket);
        }
        if !permanent {
            t.watches.let_go(cx.space, name);
        }
        self.unacknowledged.remove(&export);
        self.starved.remove(&export);
        self.pending -= pending;
        cx.frame(self.id, frame::Kind::PortDead(wire::PortDead { export: export.0, granted }));
        for content in arrivals.into_waiting() {
            t.counts.dropped += 1;
            self.discard(t, cx, &content)?;
        }
        Ok(())
    }

    /// The peer says that one of its entries is gone.
    pub(crate) fn on_port_dead(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
        granted: u64,
    ) -> Result<(), PeerMisbehaved> {
        if export.0 == 0 || granted == 0 {
            return Err(PeerMisbehaved::Malformed("the death of an entry never granted"));
        }
        let (seen, home) = match self.imports.get(&export) {
            None => (0, PortUid { origin: self.peer.incarnation, serial: 0 }),
            Some(Import::Once { .. }) => return Err(PeerMisbehaved::KindMismatch(export)),
            Some(Import::Send(i)) if matches!(i.holding, Holding::Dead(_)) => {
                return Err(PeerMisbehaved::Miscount(export, "it died twice"));
            }
            Some(Import::Send(i)) => (i.seen, i.home),
        };
        if granted < seen {
            return Err(PeerMisbehaved::Miscount(export, "fewer grants than came"));
        }
        if granted > seen && seen == 0 && self.imports.len() >= IMPORTS_MAX {
            return Err(PeerMisbehaved::TooManyRights);
        }
        if let Some(Import::Send(import)) = self.imports.remove(&export) {
            self.under_way -= import.departures.load();
            self.stalled.retain(|e| *e != export);
            end_import(*import, t, cx.space);
        }
        if granted > seen {
            let dead = SendImport { seen, ..SendImport::new(Holding::Dead(granted), home) };
            self.imports.insert(export, Import::Send(Box::new(dead)));
        }
        self.resume_stalled(t, cx);
        Ok(())
    }
}
