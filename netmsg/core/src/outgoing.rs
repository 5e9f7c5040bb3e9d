//! From a proxy to the peer: one local message becomes one frame.
//!
//! Conditions on the shell: what the receive set delivers is handed over at once and in order. Source: spec [netmsg.send],
//! [netmsg.flow].

use proto::iface::notify;
use proto::limits::{LINK_BYTES_MAX, LINK_REORDER_MAX};
use proto::wire::link::{self as wire, Frame, frame};
use proto::{Disposition, Message, NamedRight, PortName, SimpleRoutine};

use crate::codec::{encode_body, encode_right};
use crate::import::{Holding, Import};
use crate::link::{Link, Load};
use crate::netmsg::Tables;
use crate::order::order_of;
use crate::space::release_received;
use crate::{Cx, ExportId, Out, PeerMisbehaved};

impl Link {
    /// A message was received from a proxy of this link.
    pub(crate) fn on_local(&mut self, t: &mut Tables, cx: &mut Cx<'_>, export: ExportId, message: Message<NamedRight>) {
        match self.imports.get_mut(&export) {
            Some(Import::Once { .. }) => self.send_once(t, cx, export, message),
            Some(Import::Send(import)) if !import.held.is_empty() => import.held.push_back(message),
            Some(Import::Send(_)) => {
                if let Err(message) = self.pass(t, cx, export, message) {
                    self.hold(cx, export, message);
                }
            }
            None => release_received(cx.space, message),
        }
    }

    /// Uses a send-once right of the peer up. The notification that the right was destroyed here is such a use too.
    fn send_once(&mut self, t: &mut Tables, cx: &mut Cx<'_>, export: ExportId, message: Message<NamedRight>) {
        if let Some(Import::Once { proxy, local, .. }) = self.imports.remove(&export) {
            t.destroy_once(cx.space, proxy, local);
        }
        if carries_receive_right(&message) {
            self.release_once(cx, export);
            return drop_message(t, cx, message);
        }
        self.emit(t, cx, wire::Send { export: export.0, seq: 1, after: 1, once: true, ..Default::default() }, message);
    }

    /// Does what a message from the proxy of a send right asks for: it is sent, or it was a notification to netmsg.
    ///
    /// Errors: the window is closed; the message comes back.
    fn pass(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
        message: Message<NamedRight>,
    ) -> Result<(), Message<NamedRight>> {
        let bytes = message.out_of_line_bytes();
        let Load { messages: others, bytes: their_bytes } = self.under_way;
        let Some(import) = self.send_import(export) else {
            release_received(cx.space, message);
            return Ok(());
        };
        // Only netmsg makes send-once rights to its proxies, so tasks cannot forge a notification.
        if message.local.disposition == Disposition::MoveSendOnce {
            self.on_proxy_notification(t, cx, export, &message);
            release_received(cx.space, message);
            return Ok(());
        }
        if carries_receive_right(&message) {
            drop_message(t, cx, message);
            return Ok(());
        }
        let crowded = others >= LINK_REORDER_MAX && import.departures.under_way() > 0;
        let heavy = bytes > 0 && their_bytes + bytes > LINK_BYTES_MAX;
        if import.departures.window_is_closed() || crowded || heavy {
            return Err(message);
        }
        let (seq, after) = import.departures.depart(order_of(message.id), bytes);
        if import.departures.window_is_closed() {
            import.pause(cx.space);
        }
        self.under_way += Load::one(bytes);
        self.emit(t, cx, wire::Send { export: export.0, seq, after, ..Default::default() }, message);
        Ok(())
    }

    /// Keeps a message until the window opens, and lets the rest queue at the proxy.
    fn hold(&mut self, cx: &mut Cx<'_>, export: ExportId, message: Message<NamedRight>) {
        let Some(import) = self.send_import(export) else { return release_received(cx.space, message) };
        import.held.push_front(message);
        import.pause(cx.space);
        self.stalled.push(export);
    }

    fn emit(&mut self, t: &mut Tables, cx: &mut Cx<'_>, mut send: wire::Send, message: Message<NamedRight>) {
        let Message { remote, id, trace, body, .. } = message;
        if remote.name != PortName::NULL {
            send.reply = Some(encode_right(self.export_right(t, cx.space, remote)));
        }
        (send.id, send.trace) = (id, trace.0);
        let payload = encode_body(&mut send, body, |right| self.export_right(t, cx.space, right));
        t.counts.messages_out += 1;
        t.counts.bytes_out += payload.len() as u64;
        cx.out.push(Out::Frame { link: self.id, frame: Frame { kind: Some(frame::Kind::Send(send)) }, payload });
    }

    /// No-senders on a proxy. Send rights may have been made since it was sent: then it is asked for again.
    fn on_proxy_notification(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
        message: &Message<NamedRight>,
    ) {
        let mscount = (message.id == notify::id::NO_SENDERS)
            .then(|| notify::NoSenders::from_body(message.body.clone()).ok())
            .flatten()
            .map(|notice| notice.mscount);
        let Some(mscount) = mscount else { return };
        let Some(import) = self.send_import(export) else { return };
        let Holding::Live(proxy) = import.holding else { return };
        if (mscount.wrapping_sub(import.made) as i32) < 0 {
            cx.space.request_no_senders(proxy, import.made);
        } else {
            self.release_import(t, cx, export);
        }
    }

    /// The peer has taken messages into its queue.
    pub(crate) fn on_delivered(
        &mut self,
        t: &mut Tables,
        cx: &mut Cx<'_>,
        export: ExportId,
        through: u64,
    ) -> Result<(), PeerMisbehaved> {
        match self.imports.get_mut(&export) {
            // The entry ended while the acknowledgement was on its way.
            None => return Ok(()),
            Some(Import::Once { .. }) => return Err(PeerMisbehaved::KindMismatch(export)),
            Some(Import::Send(import)) if matches!(import.holding, Holding::Dead(_)) => return Ok(()),
            Some(Import::Send(import)) => self.under_way -= import.departures.on_delivered(export, through)?,
        }
        self.resume_stalled(t, cx);
        if let Some(import) = self.send_import(export) {
            import.reopen(cx.space);
        }
        Ok(())
    }

    /// Sends what was held back, as far as there is room now, longest held first.
    pub(crate) fn resume_stalled(&mut self, t: &mut Tables, cx: &mut Cx<'_>) {
        for export in std::mem::take(&mut self.stalled) {
            self.resume(t, cx, export);
        }
    }

    /// Sends what was held back for an entry; when nothing is left, its proxy is received from again.
    fn resume(&mut self, t: &mut Tables, cx: &mut Cx<'_>, export: ExportId) {
        while let Some(message) = self.send_import(export).and_then(|i| i.held.pop_front()) {
            if let Err(message) = self.pass(t, cx, export, message) {
                return self.hold(cx, export, message);
            }
        }
        if let Some(import) = self.send_import(export) {
            import.reopen(cx.space);
        }
    }
}

/// Receive rights do not cross links yet; a message that holds one is not sent.
fn carries_receive_right(message: &Message<NamedRight>) -> bool {
    message.body.rights().iter().any(|r| r.disposition == Disposition::MoveReceive && r.name.is_valid())
}

fn drop_message(t: &mut Tables, cx: &mut Cx<'_>, message: Message<NamedRight>) {
    t.counts.dropped += 1;
    release_received(cx.space, message);
}
