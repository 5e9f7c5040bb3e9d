//! What a node makes of the membership: who may be linked, who is suspect, who is dead, and whether it is itself.
//!
//! The protocol is in [`swim`](crate::swim), the table in [`roster`](crate::roster); here the two meet the links.
//!
//! 1. A link that is up is proof of life: what probes say counts only where there is none.
//! 2. A life that is over has no link, and its node is told so when it tries to come in.
//! 3. A node that is told that it is dead believes it unless it is in touch with more than half of the cluster.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use foca::{OwnedNotification, Timer};
use proto::wire::link::frame::Kind;
use proto::wire::link::{Frame, Gossip};
use proto::{Incarnation, NodeName, Payload};

use crate::frame::PeerMisbehaved;
use crate::link::Link;
use crate::net::Inner;
use crate::reason::LinkDown;
use crate::roster::{MemberInfo, MemberState};
use crate::swim::{self, Node, Output, Swim};

impl Inner {
    /// A membership datagram of a peer.
    pub fn gossip_arrived(self: &Rc<Self>, link: &Rc<Link>, data: &[u8]) {
        let (src, mentioned) = match swim::inspect(data) {
            Ok(found) => found,
            Err(e) => return self.misbehaved(link, PeerMisbehaved::BadGossip(e.to_string())),
        };
        if src.name != link.peer.name || src.incarnation != link.peer.incarnation {
            let why = format!("it speaks for {} {}", src.name, src.incarnation.0);
            return self.misbehaved(link, PeerMisbehaved::BadGossip(why));
        }
        let me = self.me.borrow().name.clone();
        let strangers: BTreeSet<&NodeName> = mentioned.iter().map(|n| &n.name).filter(|n| **n != me).collect();
        if !self.roster.borrow().has_room_for(strangers.into_iter()) {
            return self.grumble(format!("{} speaks of more nodes than a cluster can have", link.peer.name));
        }
        let out = self.swim.borrow_mut().data(data);
        self.carry_out(out);
    }

    pub fn carry_out(self: &Rc<Self>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(to, data) => self.send_gossip(&to, data),
                Output::After(after, timer) => {
                    tokio::task::spawn_local(self.clone().time(after, timer));
                }
                Output::Notice(notice) => self.noticed(notice),
            }
        }
    }

    async fn time(self: Rc<Self>, after: Duration, timer: Timer<Node>) {
        let life = self.life.get();
        let due = match &timer {
            Timer::ChangeSuspectToDown { member_id: node, .. } => {
                self.stays_unheard(&node.name, node.incarnation, after).await
            }
            _ => self.passes(after).await,
        };
        if due && self.life.get() == life {
            let out = self.swim.borrow_mut().timer(timer);
            self.carry_out(out);
        }
    }

    /// Waits. Returns whether the network still runs.
    async fn passes(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.end.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Waits until a suspect has had its time. Returns whether it was not heard of.
    ///
    /// A link to it is proof of life, whatever probes say. It has its time again when (A) this thread did not run when
    /// it should have, so that what came meanwhile has not been read, or (B) it has never been met and the first attempt
    /// to reach it is not over.
    async fn stays_unheard(&self, name: &NodeName, incarnation: Incarnation, time: Duration) -> bool {
        loop {
            let start = tokio::time::Instant::now();
            if !self.passes(time).await {
                return false;
            }
            let stalled = start.elapsed() > time * 5 / 4 + Duration::from_millis(5); // (A)
            if self.link_by_name(name).is_some_and(|l| l.is_up() && l.peer.incarnation >= incarnation) {
                return false;
            }
            let met = self.roster.borrow().get(name).is_none_or(|m| m.met || m.incarnation != incarnation);
            let unmet = !met && self.dials.borrow().is_untried(name); // (B)
            if !stalled && !unmet {
                return true;
            }
        }
    }

    /// As a QUIC datagram, which waits for no stream, or in a frame if it is too long for one. Lost if there is no link.
    fn send_gossip(&self, to: &Node, data: Bytes) {
        let Some(link) = self.link_by_name(&to.name) else { return };
        if link.connection.max_datagram_size().is_some_and(|max| data.len() <= max) {
            let _ = link.connection.send_datagram(data);
        } else {
            link.send(&Frame { kind: Some(Kind::Gossip(Gossip { data })) }, Payload::default());
        }
    }

    fn noticed(self: &Rc<Self>, notice: OwnedNotification<Node>) {
        match notice {
            OwnedNotification::MemberUp(node) | OwnedNotification::Rename(_, node) => self.came(&node),
            OwnedNotification::MemberDown(node) => self.over(&node.name, node.incarnation, MemberState::Dead),
            OwnedNotification::Defunct if !self.is_over() => {
                tracing::warn!("the cluster has declared this node dead");
                self.reborn();
            }
            _ => {}
        }
    }

    fn came(self: &Rc<Self>, node: &Node) {
        if self.swim.borrow().is_down(node) {
            return;
        }
        let older = self.link_by_name(&node.name).filter(|l| l.peer.incarnation < node.incarnation);
        let news = self.roster.borrow_mut().alive(&node.name, node.incarnation, node.address);
        if let Some(older) = older {
            older.fail(LinkDown::Restarted);
        }
        if news {
            self.tell_changed(&node.name);
            self.dials.borrow_mut().retry(&node.name);
            self.dial_now.notify_one();
        }
    }

    fn over(self: &Rc<Self>, name: &NodeName, incarnation: Incarnation, state: MemberState) {
        let news = self.roster.borrow_mut().over(name, incarnation, state);
        if let Some(link) = self.link_by_name(name).filter(|l| l.peer.incarnation <= incarnation) {
            link.fail(LinkDown::DeclaredDead);
        }
        if news {
            tracing::info!(peer = %name, incarnation = incarnation.0, "member {state:?}");
            self.tell_changed(name);
        }
    }

    pub fn left(self: &Rc<Self>, name: &NodeName, incarnation: Incarnation) {
        self.over(name, incarnation, MemberState::Left);
        let out = self.swim.borrow_mut().down(name, incarnation);
        self.carry_out(out);
    }

    /// A life was lost sight of: it is dead unless somebody hears of it in time.
    pub fn suspect(self: &Rc<Self>, name: &NodeName, incarnation: Incarnation) {
        let Some((round, out)) = self.swim.borrow_mut().suspect(name, incarnation) else { return };
        self.carry_out(out);
        let (net, name, life) = (self.clone(), name.clone(), self.life.get());
        tokio::task::spawn_local(async move {
            let unheard = net.stays_unheard(&name, incarnation, net.times.suspicion()).await;
            if unheard && net.life.get() == life {
                let out = net.swim.borrow_mut().condemn(&name, incarnation, round);
                net.carry_out(out);
            }
        });
    }

    /// A peer refuses us as dead. It may be the one that was cut off; so it is believed only when we are not in touch
    /// with more than half of the cluster.
    pub fn told_dead(self: &Rc<Self>, by: &NodeName) {
        if self.is_over() {
            return;
        }
        let stranger = usize::from(self.roster.borrow().get(by).is_none());
        let (in_touch, all) = (self.links.borrow().by_id.len() + 1, self.roster.borrow().expected() + stranger + 1);
        if in_touch * 2 > all {
            self.grumble(format!("{by} holds this node for dead; not so the {in_touch} of {all} it is in touch with"));
        } else {
            tracing::warn!(%by, "declared dead");
            self.reborn();
        }
    }

    /// This life is over. All sessions end, and another life begins if the handler wants it.
    fn reborn(self: &Rc<Self>) {
        self.life.set(self.life.get() + 1);
        self.outcast.set(true);
        self.end_all_links(&LinkDown::Reborn);
        let before = self.me.borrow().incarnation;
        let Some(incarnation) = self.handler.declared_dead() else { return };
        assert!(incarnation > before, "a new life under an old incarnation");
        let me = {
            let mut me = self.me.borrow_mut();
            me.incarnation = incarnation;
            me.clone()
        };
        *self.swim.borrow_mut() = Swim::new(me, self.times);
        self.roster.borrow_mut().forget_lives();
        self.dials.borrow_mut().retry_all();
        self.outcast.set(false);
        self.dial_now.notify_one();
    }

    pub fn tell_changed(&self, name: &NodeName) {
        if let Some(info) = self.member_info(name) {
            self.handler.member_changed(&info);
        }
    }

    pub fn member_info(&self, name: &NodeName) -> Option<MemberInfo> {
        let link = self.link_by_name(name);
        let mut info = {
            let roster = self.roster.borrow();
            let m = roster.get(name)?;
            let unheard = m.state == MemberState::Alive && link.is_none();
            let suspect = unheard && self.swim.borrow().is_suspect(name, m.incarnation);
            MemberInfo {
                name: name.clone(),
                address: m.address,
                incarnation: m.incarnation,
                state: if suspect { MemberState::Suspect } else { m.state },
                link: None,
                rtt: None,
                mtu: None,
                bytes_sent: 0,
                bytes_received: 0,
                frames_sent: 0,
                frames_received: 0,
            }
        };
        if let Some(link) = link {
            let stats = link.connection.stats();
            info.link = Some(link.id);
            info.rtt = Some(stats.path.rtt);
            info.mtu = Some(stats.path.current_mtu);
            info.bytes_sent = stats.udp_tx.bytes;
            info.bytes_received = stats.udp_rx.bytes;
            info.frames_sent = link.frames_sent.get();
            info.frames_received = link.frames_received.get();
        }
        Some(info)
    }
}
