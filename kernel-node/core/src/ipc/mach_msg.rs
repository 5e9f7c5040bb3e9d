//! The calls of `mach_msg`: send, receive, and the end of a wait.

use proto::limits::{MSG_OOL_BYTES_MAX, QUEUED_BYTES_MAX, SPACE_QUEUED_BYTES_MAX};
use proto::{Message, MsgReturn, NamedRight, PortName};

use super::entry::Entry;
use super::kmsg::{Sender, Size, measure_bounded};
use super::list::Links;
use super::mqueue::{Receiving, Source, Waiting};
use super::port::{Circularity, Port, PortId, Receiver};
use super::right::Right;
use super::space::SpaceId;
use super::{
    Cancelled, Cut, Effect, Ipc, ReceiveError, ReceiveOptions, ReceiveOutcome, SendError, SendOptions, SendOutcome,
    Wait, WaiterId,
};

impl Ipc {
    /// Sends `message` from `space`: its names are debited, and it is delivered, queued, or waits with its sender.
    ///
    /// Conditions: `message.remote` is the destination, `message.local` the reply right. With [`Wait::Block`] the waiter
    /// waits for nothing else.
    /// Errors: see [`SendError`] for what the sender has afterwards. `SendInvalidHeader`, `SendInvalidDest`,
    /// `SendInvalidReply`, bounds: nothing was taken. `SendInvalidRight` in the body: what was taken is released.
    /// `SendTimedOut` the queue is full and the sender polls: pseudo-received; with a `notify` see [`Ipc::cancel`].
    /// `SendInvalidNotify` `cancel` is no receive right: nothing was taken.
    /// Source: spec [ipc.send.1] to [ipc.send.4], [ipc.accept.1], [ipc.accept.3]; Mach 3 manual page mach_msg(2).
    #[doc(alias = "mach_msg_send")]
    pub fn send(
        &mut self,
        space: SpaceId,
        message: Message<NamedRight>,
        options: SendOptions,
        fx: &mut Vec<Effect>,
    ) -> Result<SendOutcome, SendError> {
        let result = self.send_unsettled(space, message, options, fx);
        self.settle(fx);
        result
    }

    /// Sends what stands before the first bad item of a message: `code` is that item's.
    ///
    /// Answers what the sender is told: an error of the header or of a right before the item, as [`Ipc::send`] gives it;
    /// else `code`, and what was taken is released. Source: spec [ipc.body.3].
    pub fn send_cut_short(
        &mut self,
        space: SpaceId,
        before: Message<NamedRight>,
        cancel: Option<PortName>,
        code: MsgReturn,
        fx: &mut Vec<Effect>,
    ) -> SendError {
        let error = match self.copyin_message(space, before, cancel, fx) {
            Ok(message) => {
                self.destroy_message(message);
                SendError::new(code, None)
            }
            Err(error) => error,
        };
        self.settle(fx);
        error
    }

    /// Whether the receive right behind a name is with a server that lives in the node.
    fn is_served_in_process(&self, space: SpaceId, name: PortName) -> bool {
        self.lane_port(space, name).is_some_and(|port| self.is_received_in_process(port))
    }

    /// Whether a port's receive right is with a server that lives in the node, netmsg for one.
    pub fn is_received_in_process(&self, port: PortId) -> bool {
        matches!(self.ports.get(port).map(|p| p.receiver), Some(Receiver::Space { space, .. })
            if self.spaces.get(space).is_some_and(|s| s.in_process))
    }

    fn send_unsettled(
        &mut self,
        space: SpaceId,
        message: Message<NamedRight>,
        options: SendOptions,
        fx: &mut Vec<Effect>,
    ) -> Result<SendOutcome, SendError> {
        let unchanged = |code, message| Err(SendError::new(code, Some(message)));
        let mut size = match measure_bounded(&message) {
            Ok(size) => size,
            Err(code) => return unchanged(code, message),
        };
        // Such a server takes bytes into its own memory, and the one of netmsg sends them out.
        let outside = message.body.out_of_line_bytes();
        if outside > MSG_OOL_BYTES_MAX && self.is_served_in_process(space, message.remote.name) {
            return unchanged(MsgReturn::SendNoBuffer, message);
        }
        size.payer = self.spaces.get(space).filter(|s| !s.in_process).map(|_| space);
        let its = size.payer.map_or(0, |payer| self.spaces[payer].queued_bytes);
        if self.queued_bytes + size.cost_bytes > QUEUED_BYTES_MAX || its + size.cost_bytes > SPACE_QUEUED_BYTES_MAX {
            return unchanged(MsgReturn::SendNoBuffer, message);
        }
        let message = self.copyin_message(space, message, options.cancel, fx)?;
        let dest = message.remote.port().expect("copyin gives a live destination");
        match self.put_in_transit(&message.body, dest) {
            Circularity::None => {}
            Circularity::Ring => {
                self.destroy_message(message);
                return Ok(SendOutcome::Sent);
            }
            Circularity::TooDeep => {
                self.destroy_message(message);
                return Err(SendError::new(MsgReturn::SendNoBuffer, None));
            }
        }
        // Whether a receiver waits is asked below.
        self.close_leases(dest);
        let once = matches!(message.remote, Right::SendOnce(_));
        if once || options.always || self.takes_message(dest) {
            self.post(dest, message, size, fx);
            return Ok(SendOutcome::Sent);
        }
        match options.wait {
            Wait::Block(waiter) => {
                let sender = Sender { waiter, space, notify: options.notify };
                self.block_sender(dest, message, size, sender, fx);
                Ok(SendOutcome::Blocked)
            }
            Wait::Poll => Err(self.queue_stays_full(space, message, size, options.notify, fx)),
        }
    }

    /// The end of a send that may wait no longer: forced into the queue for one who is notified, else given back.
    fn queue_stays_full(
        &mut self,
        space: SpaceId,
        message: Message<Right>,
        size: Size,
        notify: Option<PortName>,
        fx: &mut Vec<Effect>,
    ) -> SendError {
        let dest = message.remote.port().expect("a queue is a port's");
        let code = match notify.map(|notify| self.accept_request(space, dest, notify)) {
            None => MsgReturn::SendTimedOut,
            Some(Err(code)) => code,
            Some(Ok(accept)) => {
                self.force(dest, message, size, accept, fx);
                return SendError::new(MsgReturn::SendWillNotify, None);
            }
        };
        self.give_back(space, message, code, fx)
    }

    fn give_back(
        &mut self,
        space: SpaceId,
        message: Message<Right>,
        code: MsgReturn,
        fx: &mut Vec<Effect>,
    ) -> SendError {
        let (message, no_room) = self.pseudo_receive(space, message, fx);
        SendError { code, no_room, message: Some(message) }
    }

    /// Whether a port takes a message at once: the kernel's always, else with room or with a receiver that waits.
    fn takes_message(&self, port: PortId) -> bool {
        let p: &Port = &self.ports[port];
        p.has_room()
            || p.is_kernel()
            || !p.receiving.is_empty()
            || p.set.is_some_and(|set| !self.psets[set].receiving.is_empty())
    }

    /// Receives the next message of a port, or of any member of a set, that `name` denotes in `space`.
    ///
    /// Conditions: with [`Wait::Block`] the waiter waits for nothing else.
    /// Errors: `RcvInvalidName` neither a receive right nor a set; `RcvInSet` the port is a member of a set;
    /// `RcvTimedOut` no message and the receiver polls; `RcvTooLarge`, `RcvHeaderError`, `RcvBodyError`,
    /// `RcvInvalidNotify` see [`ReceiveError`].
    /// Source: spec [ipc.receive.1] to [ipc.receive.4]; Mach 3 manual page mach_msg(2).
    #[doc(alias = "mach_msg_receive")]
    pub fn receive(
        &mut self,
        space: SpaceId,
        name: PortName,
        options: ReceiveOptions,
        fx: &mut Vec<Effect>,
    ) -> Result<ReceiveOutcome, ReceiveError> {
        let on = match self.lookup(space, name) {
            Some(Entry::Set(set)) => Source::Set(set),
            Some(Entry::Port { port, receive: true, .. }) if self.ports[port].set.is_some() => {
                return Err(ReceiveError::new(MsgReturn::RcvInSet));
            }
            Some(Entry::Port { port, receive: true, .. }) => Source::Port(port),
            _ => return Err(ReceiveError::new(MsgReturn::RcvInvalidName)),
        };
        if let Source::Port(port) = on {
            self.close_leases(port);
        }
        if let Some(result) = self.take(space, on, &options, fx) {
            self.settle(fx);
            return result.map(ReceiveOutcome::Message);
        }
        match options.wait {
            Wait::Poll => {
                self.spaces[space].readable = false;
                Err(ReceiveError::new(MsgReturn::RcvTimedOut))
            }
            Wait::Block(waiter) => {
                let ReceiveOptions { limit, large, notify, .. } = options;
                let (lease, links) = (None, Links::default());
                self.block_receiver(Receiving { waiter, space, on, limit, large, notify, lease, links });
                Ok(ReceiveOutcome::Blocked)
            }
        }
    }

    /// Ends a wait before its time.
    ///
    /// Returns how it ended, with the message of a blocked send pseudo-received (or, at a deadline, forced into the queue
    /// for a sender who is notified); `None` when it does not wait any more, in which case an effect has said or is about
    /// to say how it ended.
    /// Source: spec [ipc.cancel.1], [ipc.accept.1].
    pub fn cancel(&mut self, waiter: WaiterId, why: Cut, fx: &mut Vec<Effect>) -> Option<Cancelled> {
        let cancelled = match (*self.waiters.get(&waiter)?, why) {
            (Waiting::Receive(id), why) => {
                self.close_lease(id);
                self.end_receive(id);
                Cancelled::Receive(match why {
                    Cut::Deadline => MsgReturn::RcvTimedOut,
                    Cut::Interrupt => MsgReturn::RcvInterrupted,
                })
            }
            (Waiting::Send(id), Cut::Deadline) => {
                let size = self.kmsgs[id].size;
                let (Sender { space, notify, .. }, message) = self.withdraw(id, fx);
                Cancelled::Send(self.queue_stays_full(space, message, size, notify, fx))
            }
            (Waiting::Send(id), Cut::Interrupt) => {
                let (Sender { space, .. }, message) = self.withdraw(id, fx);
                Cancelled::Send(self.give_back(space, message, MsgReturn::SendInterrupted, fx))
            }
        };
        self.settle(fx);
        Some(cancelled)
    }
}
