//! The calls of `mach_msg`: send, receive, and the end of a wait.

use proto::limits::QUEUED_BYTES_MAX;
use proto::{Message, MsgReturn, NamedRight, PortName};

use super::entry::Entry;
use super::kmsg::measure_bounded;
use super::list::Links;
use super::mqueue::{Receiving, Source, Waiting};
use super::port::{Circularity, Port, PortId};
use super::right::Right;
use super::space::SpaceId;
use super::{
    Cancelled, Effect, Ipc, ReceiveError, ReceiveOptions, ReceiveOutcome, SendError, SendOptions, SendOutcome, Wait,
    WaiterId,
};

impl Ipc {
    /// Sends `message` from `space`: its names are debited, and it is delivered, queued, or waits with its sender.
    ///
    /// Conditions: `message.remote` is the destination, `message.local` the reply right. With [`Wait::Block`] the waiter
    /// waits for nothing else.
    /// Errors: see [`SendError`] for what the sender has afterwards. `SendInvalidHeader`, `SendInvalidDest`,
    /// `SendInvalidReply`, bounds: nothing was taken. `SendInvalidRight` in the body: what was taken is released.
    /// `SendTimedOut` the queue is full and the sender polls: pseudo-received.
    /// Source: spec [ipc.send.1] to [ipc.send.4]; Mach 3 manual page mach_msg(2).
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

    fn send_unsettled(
        &mut self,
        space: SpaceId,
        message: Message<NamedRight>,
        options: SendOptions,
        fx: &mut Vec<Effect>,
    ) -> Result<SendOutcome, SendError> {
        let unchanged = |code, message| Err(SendError { code, message: Some(message) });
        let size = match measure_bounded(&message) {
            Ok(size) => size,
            Err(code) => return unchanged(code, message),
        };
        if self.queued_bytes + size.cost_bytes > QUEUED_BYTES_MAX {
            return unchanged(MsgReturn::SendNoBuffer, message);
        }
        let message = self.copyin_message(space, message, fx)?;
        let dest = message.remote.port().expect("copyin gives a live destination");
        match self.put_in_transit(&message.body, dest) {
            Circularity::None => {}
            Circularity::Ring => {
                self.destroy_message(message);
                return Ok(SendOutcome::Sent);
            }
            Circularity::TooDeep => {
                self.destroy_message(message);
                return Err(SendError { code: MsgReturn::SendNoBuffer, message: None });
            }
        }
        let once = matches!(message.remote, Right::SendOnce(_));
        if once || options.always || self.takes_message(dest) {
            self.post(dest, message, size, fx);
            return Ok(SendOutcome::Sent);
        }
        match options.wait {
            Wait::Block(waiter) => {
                self.block_sender(dest, message, size, (waiter, space), fx);
                Ok(SendOutcome::Blocked)
            }
            Wait::Poll => {
                let message = self.pseudo_receive(space, message, fx);
                Err(SendError { code: MsgReturn::SendTimedOut, message: Some(message) })
            }
        }
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
    /// `RcvTimedOut` no message and the receiver polls; `RcvTooLarge`, `RcvHeaderError`, `RcvBodyError` see
    /// [`ReceiveError`].
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
                let ReceiveOptions { limit, large, .. } = options;
                self.block_receiver(Receiving { waiter, space, on, limit, large, links: Links::default() });
                Ok(ReceiveOutcome::Blocked)
            }
        }
    }

    /// Ends a wait before its time: a deadline passed, a signal came, the thread is gone.
    ///
    /// Returns what the waiter was doing, with the message of a blocked send pseudo-received; `None` when it does not
    /// wait any more, in which case an effect has said or is about to say how it ended.
    /// Source: spec [ipc.cancel.1].
    pub fn cancel(&mut self, waiter: WaiterId, fx: &mut Vec<Effect>) -> Option<Cancelled> {
        let cancelled = match *self.waiters.get(&waiter)? {
            Waiting::Receive(id) => {
                self.end_receive(id);
                Cancelled::Receive
            }
            Waiting::Send(id) => {
                let (_, space) = self.kmsgs[id].sender.expect("a blocked message has a sender");
                let (_, message) = self.withdraw(id, fx);
                Cancelled::Send(self.pseudo_receive(space, message, fx))
            }
        };
        self.settle(fx);
        Some(cancelled)
    }
}
