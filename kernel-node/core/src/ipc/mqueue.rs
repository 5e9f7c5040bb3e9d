//! Queues: how a message gets to a receiver, and who waits for room or for a message.
//!
//! A message that comes to a port goes to a receiver that waits on it (or on its set), else into the queue if there is
//! room, else its sender waits. Receivers and blocked senders are each served in the order in which they came. A blocked
//! sender's message moves into the queue the moment there is room, so its thread has no second try to lose.

use std::rc::Rc;

use proto::{Message, MsgReturn, NoRoom, PortName};
use slotmap::new_key_type;

use super::accept::Accept;
use super::kmsg::{Kmsg, KmsgId, Sender, Size};
use super::list::{Links, List};
use super::port::{Port, PortId, Receiver};
use super::pset::PsetId;
use super::right::Right;
use super::space::SpaceId;
use super::{Delivery, Effect, Ipc, KernelMessage, KernelTag, LeaseMemory, ReceiveError, ReceiveOptions, WaiterId};

new_key_type! {
    pub(super) struct ReceivingId;
}

/// A receiver that waits.
pub(super) struct Receiving {
    pub waiter: WaiterId,
    pub space: SpaceId,
    pub on: Source,
    pub limit: Option<i64>,
    pub large: bool,
    pub notify: Option<PortName>,
    /// While it is set the receiver may take messages from its lanes, or be away.
    pub lease: Option<Rc<dyn LeaseMemory>>,
    pub links: Links<ReceivingId>,
}

/// Where messages are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Port(PortId),
    Set(PsetId),
}

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiting {
    Send(KmsgId),
    Receive(ReceivingId),
}

/// What a message's size means to a receiver.
enum Fit {
    Takes,
    /// It stays queued and the receiver fails with the size that it needs.
    StaysQueued,
    /// It is destroyed and the receiver gets its header.
    Destroyed,
}

impl Ipc {
    /// Brings a message to a live port: to the kernel, a waiting receiver, or the queue, whatever its limit.
    pub(super) fn post(&mut self, port: PortId, message: Message<Right>, size: Size, fx: &mut Vec<Effect>) {
        self.close_leases(port);
        let p = &self.ports[port];
        if let Receiver::Kernel(tag) = p.receiver {
            return self.post_to_kernel(port, tag, message);
        }
        let receiving = match p.set {
            Some(set) => self.psets[set].receiving.front(),
            None => p.receiving.front(),
        };
        let Some(kmsg) = self.offer(receiving, Kmsg::new(port, message, size, None), fx) else { return };
        let id = self.add(kmsg);
        self.enqueue(port, id, fx);
    }

    /// Puts a message into a full queue; whoever `accept` names is told when it leaves it. [ipc.accept.1]
    pub(super) fn force(
        &mut self,
        port: PortId,
        message: Message<Right>,
        size: Size,
        accept: Accept,
        fx: &mut Vec<Effect>,
    ) {
        let id = self.add(Kmsg::new(port, message, size, None));
        self.arm_accept(id, accept);
        self.enqueue(port, id, fx);
    }

    fn add(&mut self, kmsg: Kmsg) -> KmsgId {
        self.queued_bytes += kmsg.size.cost_bytes;
        if let Some(payer) = kmsg.size.payer.and_then(|space| self.spaces.get_mut(space)) {
            payer.queued_bytes += kmsg.size.cost_bytes;
        }
        self.kmsgs.insert(kmsg)
    }

    /// Takes a message that is in no list any more; whoever waits for that is told.
    fn remove(&mut self, id: KmsgId) -> Kmsg {
        let kmsg = self.kmsgs.remove(id).expect("a listed message");
        self.queued_bytes -= kmsg.size.cost_bytes;
        if let Some(payer) = kmsg.size.payer.and_then(|space| self.spaces.get_mut(space)) {
            payer.queued_bytes -= kmsg.size.cost_bytes;
        }
        self.accepted(&kmsg);
        kmsg
    }

    /// Offers a message that is in no queue to the receivers that wait, from `receiving` on, until one takes it.
    ///
    /// Returns the message if none did; then none waits any more.
    fn offer(&mut self, mut receiving: Option<ReceivingId>, kmsg: Kmsg, fx: &mut Vec<Effect>) -> Option<Kmsg> {
        while let Some(id) = receiving {
            let Receiving { waiter, space, on, limit, large, notify, .. } = self.end_receive(id);
            let result = match fit(kmsg.size, limit, large) {
                Fit::StaysQueued => {
                    fx.push(Effect::Received { waiter, result: Err(too_large(kmsg.size, None)) });
                    receiving = self.receivers_of(on).front();
                    continue;
                }
                Fit::Takes => self.copyout_message(space, kmsg.port, kmsg.message, notify, fx),
                Fit::Destroyed => Err(self.destroy_received(kmsg.port, kmsg.message, kmsg.size)),
            };
            fx.push(Effect::Received { waiter, result });
            return None;
        }
        Some(kmsg)
    }

    /// Takes the next message from `source` for a receiver in `space`; `None` when there is none.
    pub(super) fn take(
        &mut self,
        space: SpaceId,
        source: Source,
        options: &ReceiveOptions,
        fx: &mut Vec<Effect>,
    ) -> Option<Result<Delivery, ReceiveError>> {
        let id = self.next_message(source)?;
        let size = self.kmsgs[id].size;
        match fit(size, options.limit, options.large) {
            Fit::StaysQueued => Some(Err(too_large(size, None))),
            Fit::Takes => {
                let (port, message) = self.dequeue(id, fx);
                Some(self.copyout_message(space, port, message, options.notify, fx))
            }
            Fit::Destroyed => {
                let (port, message) = self.dequeue(id, fx);
                Some(Err(self.destroy_received(port, message, size)))
            }
        }
    }

    /// The oldest message of a port or set. With a queue limit of 0 it may still be with its blocked sender.
    pub(super) fn next_message(&self, source: Source) -> Option<KmsgId> {
        match source {
            Source::Port(port) => {
                let p = &self.ports[port];
                p.queue.front().or(p.blocked.front())
            }
            Source::Set(set) => {
                let s = &self.psets[set];
                let blocked = || s.members.iter().find_map(|m| self.ports[*m].blocked.front());
                s.queue.front().or_else(|| if s.blocked > 0 { blocked() } else { None })
            }
        }
    }

    /// Takes a queued or blocked message out; the room it leaves goes to blocked senders.
    fn dequeue(&mut self, id: KmsgId, fx: &mut Vec<Effect>) -> (PortId, Message<Right>) {
        if self.kmsgs[id].sender.is_some() {
            self.unblock(id, fx);
        } else {
            let Kmsg { port, .. } = self.kmsgs[id];
            let p = &mut self.ports[port];
            p.queue.remove(&mut self.kmsgs, id, |k| &mut k.in_port);
            if let Some(set) = p.set {
                self.psets[set].queue.remove(&mut self.kmsgs, id, |k| &mut k.in_set);
            }
        }
        let kmsg = self.remove(id);
        self.refill(kmsg.port, fx);
        self.level_of_port(kmsg.port, fx);
        (kmsg.port, kmsg.message)
    }

    /// Moves blocked messages into the queue while there is room. [ipc.queue.2]
    pub(super) fn refill(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        while let Some(id) = self.ports[port].blocked.front() {
            if !self.ports[port].has_room() {
                return;
            }
            self.unblock(id, fx);
            self.enqueue(port, id, fx);
        }
    }

    /// Takes a message off its port's list of blocked ones; its sender is done.
    fn unblock(&mut self, id: KmsgId, fx: &mut Vec<Effect>) {
        let Sender { waiter, .. } = self.unlist_blocked(id);
        fx.push(Effect::Sent { waiter, result: Ok(()) });
    }

    fn unlist_blocked(&mut self, id: KmsgId) -> Sender {
        let kmsg = &mut self.kmsgs[id];
        let sender = kmsg.sender.take().expect("a blocked message has a sender");
        let p = &mut self.ports[kmsg.port];
        p.blocked.remove(&mut self.kmsgs, id, |k| &mut k.in_port);
        if let Some(set) = p.set {
            self.psets[set].blocked -= 1;
        }
        self.waiters.remove(&sender.waiter);
        sender
    }

    /// Puts a message at the end of its port's queue, and of the queue of its set.
    fn enqueue(&mut self, port: PortId, id: KmsgId, fx: &mut Vec<Effect>) {
        let p = &mut self.ports[port];
        p.queue.push_back(&mut self.kmsgs, id, |k| &mut k.in_port);
        if let Some(set) = p.set {
            self.psets[set].queue.push_back(&mut self.kmsgs, id, |k| &mut k.in_set);
        }
        self.announce(port, fx);
        self.lanes_touch(port);
    }

    /// Lets a sender wait for room.
    pub(super) fn block_sender(
        &mut self,
        port: PortId,
        message: Message<Right>,
        size: Size,
        sender: Sender,
        fx: &mut Vec<Effect>,
    ) {
        let id = self.add(Kmsg::new(port, message, size, Some(sender)));
        let p = &mut self.ports[port];
        p.blocked.push_back(&mut self.kmsgs, id, |k| &mut k.in_port);
        if let Some(set) = p.set {
            self.psets[set].blocked += 1;
        }
        self.lanes_touch(port);
        self.wait(sender.waiter, Waiting::Send(id));
        // With a queue limit of 0 a poll of the receiver takes it from here.
        if self.ports[port].qlimit == 0 {
            self.announce(port, fx);
        }
    }

    /// Lets a receiver wait for a message.
    pub(super) fn block_receiver(&mut self, receiving: Receiving) {
        let (waiter, on) = (receiving.waiter, receiving.on);
        let id = self.receiving.insert(receiving);
        let list = match on {
            Source::Port(port) => &mut self.ports[port].receiving,
            Source::Set(set) => &mut self.psets[set].receiving,
        };
        list.push_back(&mut self.receiving, id, |r| &mut r.links);
        self.wait(waiter, Waiting::Receive(id));
    }

    fn wait(&mut self, waiter: WaiterId, waiting: Waiting) {
        let before = self.waiters.insert(waiter, waiting);
        assert!(before.is_none(), "{waiter:?} waits for two things");
    }

    /// Takes a waiting receiver off its list.
    pub(super) fn end_receive(&mut self, id: ReceivingId) -> Receiving {
        let on = self.receiving[id].on;
        let list = match on {
            Source::Port(port) => &mut self.ports[port].receiving,
            Source::Set(set) => &mut self.psets[set].receiving,
        };
        list.remove(&mut self.receiving, id, |r| &mut r.links);
        let receiving = self.receiving.remove(id).expect("a listed receiver");
        self.waiters.remove(&receiving.waiter);
        receiving
    }

    fn receivers_of(&self, on: Source) -> List<ReceivingId> {
        match on {
            Source::Port(port) => self.ports[port].receiving,
            Source::Set(set) => self.psets[set].receiving,
        }
    }

    /// Ends every receive that waits on `on`, and its poller.
    pub(super) fn end_receives(&mut self, on: Source, code: MsgReturn, fx: &mut Vec<Effect>) {
        while let Some(id) = self.receivers_of(on).front() {
            let present = self.close_lease(id);
            let waiter = self.end_receive(id).waiter;
            if !present {
                continue;
            }
            fx.push(Effect::Received { waiter, result: Err(ReceiveError::new(code)) });
        }
        self.end_poller(on, fx);
    }

    /// Gives what is queued in a set to the receivers that wait on it, after members with messages have joined.
    pub(super) fn serve_set(&mut self, set: PsetId, fx: &mut Vec<Effect>) {
        while let Some(id) = self.psets[set].receiving.front() {
            if self.next_message(Source::Set(set)).is_none() {
                return;
            }
            let Receiving { waiter, space, on, limit, large, notify, .. } = self.end_receive(id);
            let options = ReceiveOptions { wait: super::Wait::Poll, limit, large, notify };
            let result = self.take(space, on, &options, fx).expect("a message is there");
            fx.push(Effect::Received { waiter, result });
        }
    }

    /// Ends every wait of a space's threads; blocked messages are destroyed. [ipc.space.2]
    pub(super) fn interrupt_space(&mut self, space: SpaceId, fx: &mut Vec<Effect>) {
        let theirs = |waiting: &Waiting| match *waiting {
            Waiting::Send(id) => self.kmsgs[id].sender.is_some_and(|s| s.space == space),
            Waiting::Receive(id) => self.receiving[id].space == space,
        };
        let waiting: Vec<Waiting> = self.waiters.values().copied().filter(theirs).collect();
        for waiting in waiting {
            match waiting {
                Waiting::Receive(id) => {
                    self.close_lease(id);
                    let waiter = self.end_receive(id).waiter;
                    fx.push(Effect::Received { waiter, result: Err(ReceiveError::new(MsgReturn::RcvPortDied)) });
                }
                Waiting::Send(id) => {
                    let (Sender { waiter, .. }, message) = self.withdraw(id, fx);
                    self.destroy_message(message);
                    fx.push(Effect::Sent { waiter, result: Err(MsgReturn::SendInterrupted) });
                }
            }
        }
    }

    /// Takes a blocked message back.
    pub(super) fn withdraw(&mut self, id: KmsgId, fx: &mut Vec<Effect>) -> (Sender, Message<Right>) {
        let sender = self.unlist_blocked(id);
        let kmsg = self.remove(id);
        self.level_of_port(kmsg.port, fx);
        (sender, kmsg.message)
    }

    /// Destroys the messages of a dead port's list; the senders among them are told that theirs was sent. [ipc.death.2]
    pub(super) fn destroy_list(&mut self, list: List<KmsgId>, fx: &mut Vec<Effect>) {
        let ids: Vec<KmsgId> = list.iter(&self.kmsgs, |k: &Kmsg| &k.in_port).collect();
        for id in ids {
            let kmsg = self.remove(id);
            if let Some(Sender { waiter, .. }) = kmsg.sender {
                self.waiters.remove(&waiter);
                fx.push(Effect::Sent { waiter, result: Ok(()) });
            }
            self.destroy_message(kmsg.message);
        }
    }

    /// A message too large for its receiver, who does not want it kept: only the header arrives. [ipc.large.1]
    fn destroy_received(&mut self, port: PortId, message: Message<Right>, size: Size) -> ReceiveError {
        let mut header = self.arrival_header(port, &message.remote, message.id);
        header.message.trace = message.trace;
        header.message.remote = message.local.without_name();
        self.use_up(message.remote);
        self.defer_release(message.local);
        self.destroy_body(message.body);
        too_large(size, Some(header))
    }

    /// Gives the kernel everything that waits at a port which it has begun to receive on.
    pub(super) fn drain_to_kernel(&mut self, port: PortId, tag: KernelTag, fx: &mut Vec<Effect>) {
        while let Some(id) = self.next_message(Source::Port(port)) {
            let (_, message) = self.dequeue(id, fx);
            self.post_to_kernel(port, tag, message);
        }
    }

    /// Hands a message to the kernel at once; the right it was sent to is used up. [ipc.kernel.1]
    fn post_to_kernel(&mut self, port: PortId, tag: KernelTag, message: Message<Right>) {
        let Message { remote: dest, local: reply, id, trace, body, .. } = message;
        let seqno = self.arrival_header(port, &dest, id).message.seqno;
        self.use_up(dest);
        for right in body.rights() {
            if let Right::Receive(moved) = *right {
                self.ports[moved].receiver = Receiver::Limbo;
            }
        }
        let message = Message { remote: reply, local: Right::Null, id, seqno, trace, body };
        self.inbox.push_back(KernelMessage { port, tag, message });
    }
}

impl Port {
    /// Whether the queue takes another message.
    pub fn has_room(&self) -> bool {
        self.queue.len() < self.qlimit
    }
}

fn fit(size: Size, limit: Option<i64>, large: bool) -> Fit {
    match limit {
        Some(limit) if size.inline_bytes as i64 > limit => match large {
            true => Fit::StaysQueued,
            false => Fit::Destroyed,
        },
        _ => Fit::Takes,
    }
}

fn too_large(size: Size, message: Option<Delivery>) -> ReceiveError {
    let (code, no_room) = (MsgReturn::RcvTooLarge, NoRoom::NOTHING);
    ReceiveError { code, no_room, needed: size.inline_bytes, message }
}
