//! From the peer to a local port: one frame becomes one local message, in its turn.
//!
//! Source: spec [netmsg.order], [netmsg.flow], [netmsg.grant].

use proto::limits::{LINK_BYTES_MAX, LINK_REORDER_MAX, REMOTE_WINDOW};
use proto::wire::link::{self as wire, Delivered, frame};
use proto::{Disposition, Message, NamedRight, Payload, PortName};

use crate::codec::{Arrival, Content, decode};
use crate::export::Export;
use crate::import::Import;
use crate::link::{Link, Load};
use crate::netmsg::{Proxy, Tables};
use crate::rights::Passage;
use crate::space::{SendMode, Sent, release, release_refused};
use crate::{Cx, ExportId, PeerMisbehaved, Ticket};

impl Link {
    /// A message came in.
    pub(crate) fn on_send(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        send: wire::Send,
        payload: Payload,
    ) -> Result<(), PeerMisbehaved> {
        let bytes = payload.len() as u64;
        let Arrival { export, seq, after, once, content } = decode(send, payload)?;
        t.counts.bytes_in += bytes;
        match self.exports.get(export) {
            None => {
                self.gone(export)?;
                t.counts.dropped += 1;
                return self.discard(t, cx, &content);
            }
            Some(Export::Once(_)) if !once => return Err(PeerMisbehaved::KindMismatch(export)),
            Some(&Export::Once(name)) => {
                self.exports.remove(export);
                return self.deliver_once(t, cx, name, content);
            }
            Some(Export::Send(_)) if once => return Err(PeerMisbehaved::KindMismatch(export)),
            Some(Export::Send(_)) => {}
        }
        let Some(entry) = self.exports.send_mut(export) else { return Ok(()) };
        let bytes = content.bytes;
        entry.arrivals.arrive(export, seq, after, content)?;
        entry.pending_bytes += bytes;
        self.pending += Load::one(bytes);
        self.deliver(t, cx, export)?;
        let crowded = self.pending.messages > LINK_REORDER_MAX + self.exports.len();
        if crowded || self.pending.bytes > LINK_BYTES_MAX { Err(PeerMisbehaved::TooManyWaiting) } else { Ok(()) }
    }

    fn deliver_once(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        name: PortName,
        content: Content,
    ) -> Result<(), PeerMisbehaved> {
        if !cx.space.has_room() {
            self.starved_once.push_back((name, content));
            return Ok(());
        }
        let ticket = t.ticket();
        self.give(t, cx, NamedRight::move_send_once(name), content, ticket).map(|_| ())
    }

    /// Gives a port every message whose turn it is, until its queue is full.
    fn deliver(&mut self, t: &mut Tables, cx: &mut Cx<'_>, export: ExportId) -> Result<(), PeerMisbehaved> {
        while let Some(entry) = self.exports.send_mut(export) {
            if !entry.arrivals.is_due() {
                break;
            }
            if !cx.space.has_room() {
                self.starved.insert(export);
                break;
            }
            let Some((seq, content)) = entry.arrivals.next() else { break };
            let (to, bytes) = (NamedRight::copy_send(entry.name), content.bytes);
            entry.pending_bytes -= bytes;
            self.pending -= Load::one(bytes);
            let ticket = t.ticket();
            let sent = self.give(t, cx, to, content, ticket)?;
            // A peer that lied in its release loses the entry in the middle of its messages.
            let Some(entry) = self.exports.send_mut(export) else { return Ok(()) };
            match sent {
                Sent::Taken => entry.arrivals.taken(seq),
                Sent::Waiting => {
                    // The bytes are the node's to count now.
                    entry.arrivals.blocked(seq);
                    entry.ticket = Some(ticket);
                    t.tickets.insert(ticket, (self.id, export));
                    self.pending += Load::one(0);
                }
            }
        }
        self.acknowledge(cx, export);
        self.retire_if_settled(t, cx, export)
    }

    /// Delivers what the node had no room for when its turn came.
    pub(crate) fn feed(&mut self, t: &mut Tables, cx: &mut Cx<'_>) -> Result<(), PeerMisbehaved> {
        for _ in 0..self.starved_once.len() {
            if let Some((name, content)) = self.starved_once.pop_front() {
                self.deliver_once(t, cx, name, content)?;
            }
        }
        for export in std::mem::take(&mut self.starved) {
            self.deliver(t, cx, export)?;
        }
        Ok(())
    }

    /// The message that waited at the port is in its queue.
    pub(crate) fn on_taken(&mut self, t: &mut Tables, cx: &mut Cx<'_>, export: ExportId) -> Result<(), PeerMisbehaved> {
        let Some(entry) = self.exports.send_mut(export) else { return Ok(()) };
        entry.ticket = None;
        if entry.arrivals.unblocked() {
            self.pending -= Load::one(0);
        }
        self.deliver(t, cx, export)
    }

    /// Acknowledges half a window at once, anything less with the next flush.
    fn acknowledge(&mut self, cx: &mut Cx<'_>, export: ExportId) {
        let Some(entry) = self.exports.send_mut(export) else { return };
        match entry.arrivals.unacknowledged() {
            0 => {}
            due if due < REMOTE_WINDOW / 2 => {
                self.unacknowledged.insert(export);
            }
            _ => {
                let through = entry.arrivals.acknowledge();
                self.unacknowledged.remove(&export);
                cx.frame(self.id, frame::Kind::Delivered(Delivered { export: export.0, through }));
            }
        }
    }

    /// Sends a message to a local port. One that the port cannot take any more is dropped.
    ///
    /// Errors: a right in it is not one that a correct peer sends; nothing was sent.
    fn give(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        to: NamedRight,
        content: Content,
        ticket: Ticket,
    ) -> Result<Sent, PeerMisbehaved> {
        let mut passage = Passage::default();
        let message = match self.translate(t, cx, to, content, &mut passage) {
            Ok(message) => message,
            Err(why) => {
                release(cx.space, to);
                passage.once.into_iter().for_each(|name| cx.space.deallocate(name));
                return Err(why);
            }
        };
        let sent = match cx.space.send(message, SendMode::Wait(ticket)) {
            Ok(sent) => {
                t.counts.messages_in += 1;
                for export in &passage.made {
                    if let Some(import) = self.send_import(*export) {
                        import.made = import.made.wrapping_add(1);
                    }
                }
                sent
            }
            Err(refused) => {
                t.counts.dropped += 1;
                if let Some(message) = &refused.message {
                    self.forget_unmade(t, cx, message);
                }
                release_refused(cx.space, refused.message);
                Sent::Taken
            }
        };
        self.settle(t, cx, passage)?;
        Ok(sent)
    }

    /// Ends the proxies of send-once rights that a refused message would have made: no right to them exists.
    fn forget_unmade(&mut self, t: &mut Tables, cx: &mut Cx<'_>, refused: &Message<NamedRight>) {
        let rights = refused.body.rights().iter().chain([&refused.local]);
        for right in rights.filter(|r| r.disposition == Disposition::MakeSendOnce) {
            let Some(Proxy { export, .. }) = t.proxies.get(&right.name).copied() else { continue };
            if let Some(Import::Once { proxy, local, .. }) = self.imports.remove(&export) {
                t.destroy_once(cx.space, proxy, local);
                self.release_once(cx, export);
            }
        }
    }

    fn translate(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        to: NamedRight,
        content: Content,
        passage: &mut Passage,
    ) -> Result<Message<NamedRight>, PeerMisbehaved> {
        let Content { id, trace, reply, body, .. } = content;
        let local = self.import_right(t, cx, reply, passage)?;
        let body = body.try_map_rights(|right| self.import_right(t, cx, right, passage))?;
        Ok(Message { remote: to, local, id, seqno: 0, trace, body })
    }

    /// Asks of new proxies to hear when nobody holds them any more, and ends entries that came back for the last time.
    fn settle(&mut self, t: &mut Tables, cx: &mut Cx<'_>, passage: Passage) -> Result<(), PeerMisbehaved> {
        for export in passage.made {
            if let Some(import) = self.send_import(export)
                && !import.armed
                && !import.permanent
                && let Some(proxy) = import.proxy()
            {
                import.armed = true;
                let made = import.made;
                cx.space.request_no_senders(proxy, made);
            }
        }
        for export in passage.returned {
            self.retire_if_settled(t, cx, export)?;
        }
        Ok(())
    }
}
