//! `mach_msg` of a task's thread: send, receive, or both, with the waits in between.
//!
//! The two halves are separate, as in Mach: the receive name is looked up after the send succeeded, and a receive that
//! fails does not undo the send. A thread that waits is known to the kernel by its connection ([`waiters::of_channel`]).

use kernel_core::ipc::{
    Cancelled, Cut, Delivery, ReceiveError, ReceiveOptions, ReceiveOutcome, SendError, SendOptions, SendOutcome,
    SpaceId, Wait, WaiterId,
};
use kernel_core::kern::ThreadId;
use kernel_core::{TaskId, Time};
use proto::wire::trap::{Answer, Msg};
use proto::{KernReturn, Message, MsgReturn, NamedRight, NoRoom, PortName, RightType};

use crate::channel::{ChannelError, ChannelId, InMsg, Receive, Role};
use crate::node::{Due, Node};
use crate::waiters::{self, Waiter};

/// How a `mach_msg` ended, as its answer says it.
struct Ended {
    result: MsgReturn,
    no_room: NoRoom,
    message: Option<Message<NamedRight>>,
    payload: Option<u64>,
    needed: usize,
}

impl Ended {
    fn with(result: MsgReturn) -> Ended {
        Ended { result, no_room: NoRoom::NOTHING, message: None, payload: None, needed: 0 }
    }

    fn of_delivery(Delivery { message, payload }: Delivery) -> Ended {
        Ended { message: Some(message), payload, ..Ended::with(MsgReturn::Success) }
    }

    fn of_send(error: SendError) -> Ended {
        Ended { no_room: error.no_room, message: error.message, ..Ended::with(error.code) }
    }

    fn of_receive(error: ReceiveError) -> Ended {
        let ReceiveError { code, no_room, needed, message } = error;
        let delivered = message.map_or(Ended::with(code), Ended::of_delivery);
        Ended { result: code, no_room, needed, ..delivered }
    }
}

impl Node {
    /// A thread called `mach_msg`; `message` is its decoded message, if it sends.
    ///
    /// Errors: the connection is to be ended.
    pub(crate) fn mach_msg(
        &mut self,
        channel: ChannelId,
        space: SpaceId,
        ticket: u64,
        call: &Msg,
        message: Option<Message<NamedRight>>,
    ) -> Result<(), ChannelError> {
        let notify = PortName(call.notify);
        let receive = call.receive.then_some(Receive {
            name: PortName(call.receive_name),
            timeout_ms: call.receive_timeout_ms,
            limit: call.receive_limit,
            large: call.receive_large,
            notify: call.receive_notify.then_some(notify),
            serve: call.lane_serve,
        });
        self.lanes_on_call(channel, ticket, space, call, message.as_ref());
        let Some(message) = message else { return self.start_receive(channel, space, ticket, receive) };
        // Without a deadline one who is notified waits for none. [ipc.accept.1]
        let timeout_ms = call.send_timeout_ms.or(call.send_notify.then_some(0));
        let (ipc, fx) = self.kernel.ipc_mut();
        let options = SendOptions {
            wait: wait_for(channel, timeout_ms),
            always: false,
            notify: call.send_notify.then_some(notify),
            cancel: call.send_cancel.then_some(notify),
        };
        match ipc.send(space, message, options, fx) {
            Ok(SendOutcome::Sent) => {
                // What the message asks of the kernel is done now, so that its answer is there to be received and the
                // orders that it causes ride in this call's answer.
                self.settle();
                self.start_receive(channel, space, ticket, receive)
            }
            Ok(SendOutcome::Blocked) => {
                self.wait(channel, ticket, timeout_ms, receive, false);
                Ok(())
            }
            Err(error) => self.end_msg(channel, ticket, Ended::of_send(error)),
        }
    }

    /// A thread called `mach_msg` with a message that is bad from some item on.
    ///
    /// Errors: the connection is to be ended.
    pub(crate) fn refuse_msg(
        &mut self,
        channel: ChannelId,
        space: SpaceId,
        ticket: u64,
        call: &Msg,
        (before, code): (Message<NamedRight>, MsgReturn),
    ) -> Result<(), ChannelError> {
        let cancel = call.send_cancel.then_some(PortName(call.notify));
        let (ipc, fx) = self.kernel.ipc_mut();
        let error = ipc.send_cut_short(space, before, cancel, code, fx);
        self.settle();
        self.end_msg(channel, ticket, Ended::of_send(error))
    }

    fn start_receive(
        &mut self,
        channel: ChannelId,
        space: SpaceId,
        ticket: u64,
        receive: Option<Receive>,
    ) -> Result<(), ChannelError> {
        let Some(receive) = receive else { return self.end_msg(channel, ticket, Ended::with(MsgReturn::Success)) };
        if let Some(serve) = receive.serve {
            self.lanes_on_receive(channel, space, receive.name);
            if serve.lease {
                if let Some(outcome) = self.receive_leased(channel, space, ticket, receive, serve.mapped) {
                    return self.receive_ended(channel, ticket, receive, outcome);
                }
                return Ok(());
            }
        }
        let outcome = self.receive(space, receive, wait_for(channel, receive.timeout_ms), waiters::of_channel(channel));
        self.receive_ended(channel, ticket, receive, outcome)
    }

    fn receive(
        &mut self,
        space: SpaceId,
        receive: Receive,
        wait: Wait,
        thread: WaiterId,
    ) -> Result<ReceiveOutcome, ReceiveError> {
        let Receive { name, limit, large, notify, .. } = receive;
        self.kernel.ipc.lanes_before_receive(space, name, thread);
        let (ipc, fx) = self.kernel.ipc_mut();
        ipc.receive(space, name, ReceiveOptions { wait, limit, large, notify }, fx)
    }

    /// Registers a receive under which the thread takes from its lanes: `None` when it waits so.
    fn receive_leased(
        &mut self,
        channel: ChannelId,
        space: SpaceId,
        ticket: u64,
        receive: Receive,
        mapped: u64,
    ) -> Option<Result<ReceiveOutcome, ReceiveError>> {
        let (thread, waiter) = (waiters::of_channel(channel), waiters::of_lease(channel));
        // The thread asks for another one, so it does not count on what was registered before.
        self.cancel_lease(channel);
        if receive.timeout_ms.is_none() {
            match self.receive(space, receive, Wait::Block(waiter), thread) {
                Ok(ReceiveOutcome::Blocked) if self.grant_lease(channel, ticket, mapped) => return None,
                Ok(ReceiveOutcome::Blocked) => self.cancel_lease(channel),
                outcome => return Some(outcome),
            }
        }
        self.deny_lease(channel);
        Some(self.receive(space, receive, wait_for(channel, receive.timeout_ms), thread))
    }

    fn receive_ended(
        &mut self,
        channel: ChannelId,
        ticket: u64,
        receive: Receive,
        outcome: Result<ReceiveOutcome, ReceiveError>,
    ) -> Result<(), ChannelError> {
        match outcome {
            Ok(ReceiveOutcome::Message(delivery)) => {
                // Who has taken the last message shall not find its descriptor readable.
                if !self.levels.is_empty() {
                    self.settle();
                }
                self.end_msg(channel, ticket, Ended::of_delivery(delivery))
            }
            Ok(ReceiveOutcome::Blocked) => {
                self.wait(channel, ticket, receive.timeout_ms, None, true);
                Ok(())
            }
            Err(error) => self.end_msg(channel, ticket, Ended::of_receive(error)),
        }
    }

    fn wait(
        &mut self,
        channel: ChannelId,
        ticket: u64,
        timeout_ms: Option<u64>,
        then: Option<Receive>,
        receiving: bool,
    ) {
        let deadline = timeout_ms.map(|ms| self.now().after_ms(ms));
        if let Some(at) = deadline {
            self.due.insert((at, Due::Channel(channel)));
        }
        if let Some(connection) = self.connections.get_mut(&channel) {
            connection.in_msg = Some(InMsg { ticket, deadline, then, receiving });
            if connection.interrupted == Some(ticket) {
                self.cut_short(channel, Cut::Interrupt);
            }
        }
    }

    /// Takes the thread out of its wait; `None` when it does not wait.
    fn unwait(&mut self, channel: ChannelId) -> Option<InMsg> {
        let in_msg = self.connections.get_mut(&channel)?.in_msg.take()?;
        if let Some(at) = in_msg.deadline {
            self.due.remove(&(at, Due::Channel(channel)));
        }
        Some(in_msg)
    }

    /// A waiting receive ended.
    pub(crate) fn received(&mut self, waiter: kernel_core::ipc::WaiterId, result: Result<Delivery, ReceiveError>) {
        let (channel, ticket) = match waiters::parse(waiter) {
            Waiter::Channel(channel) => (channel, self.unwait(channel).map(|in_msg| in_msg.ticket)),
            Waiter::Lease(channel) => (channel, self.lease_ticket(channel)),
            Waiter::Netmsg(_) => return,
        };
        let Some(ticket) = ticket else { return };
        let ended = result.map_or_else(Ended::of_receive, Ended::of_delivery);
        let done = self.end_msg(channel, ticket, ended);
        self.end_on_error(channel, done);
    }

    /// A blocked send ended.
    pub(crate) fn sent(&mut self, channel: ChannelId, result: Result<(), MsgReturn>) {
        let Some(in_msg) = self.unwait(channel) else { return };
        let done = match (result, self.channel_space(channel)) {
            (Ok(()), Some(space)) => self.start_receive(channel, space, in_msg.ticket, in_msg.then),
            (result, _) => {
                let code = result.err().unwrap_or(MsgReturn::SendInterrupted);
                self.end_msg(channel, in_msg.ticket, Ended::with(code))
            }
        };
        self.end_on_error(channel, done);
    }

    /// A thread's deadline came.
    pub(crate) fn msg_timed_out(&mut self, channel: ChannelId, at: Time) {
        let Some(in_msg) = self.connections.get(&channel).and_then(|c| c.in_msg) else { return };
        if in_msg.deadline == Some(at) {
            self.cut_short(channel, Cut::Deadline);
        }
    }

    /// Ends the `mach_msg` with `ticket` of another thread of `task`: now if it waits, as soon as it would wait if it has
    /// not come yet; one that has ended is left alone. [ipc.cancel.2]
    ///
    /// Errors: `InvalidArgument` the task has no such thread.
    pub(crate) fn interrupt(&mut self, task: TaskId, thread: ChannelId, ticket: u64) -> Result<(), KernReturn> {
        let connection = self.connections.get_mut(&thread).filter(|c| c.role == Role::Thread(task));
        let connection = connection.ok_or(KernReturn::InvalidArgument)?;
        match connection.in_msg {
            Some(in_msg) if in_msg.ticket == ticket => self.cut_short(thread, Cut::Interrupt),
            _ if ticket > connection.last_ticket => connection.interrupted = Some(ticket),
            _ => {}
        }
        Ok(())
    }

    /// `thread_abort`.
    pub(crate) fn abort(&mut self, thread: ThreadId) {
        let channel = ChannelId(thread.0);
        if self.connections.get(&channel).is_some_and(|c| c.in_msg.is_some()) {
            self.cut_short(channel, Cut::Interrupt);
        } else if let Some(ticket) = self.abort_by_lane(channel) {
            let done = self.end_msg(channel, ticket, Ended::with(MsgReturn::RcvInterrupted));
            self.end_on_error(channel, done);
        }
    }

    /// `mach_thread_self`.
    pub(crate) fn thread_self(&mut self, channel: ChannelId, ticket: u64) -> Result<(), ChannelError> {
        let (result, name) = match self.kernel.thread_self(ThreadId(channel.0)) {
            Ok(name) => (0, name),
            Err(code) => (code.raw(), PortName::NULL),
        };
        self.answer(channel, Answer { ticket, result, name: name.0, ..Answer::default() }, None)
    }

    /// Ends a thread's wait before its time.
    fn cut_short(&mut self, channel: ChannelId, why: Cut) {
        let (ipc, fx) = self.kernel.ipc_mut();
        let ended = match ipc.cancel(waiters::of_channel(channel), why, fx) {
            Some(Cancelled::Receive(code)) => Ended::with(code),
            Some(Cancelled::Send(error)) => Ended::of_send(error),
            // It has ended meanwhile; the effect that says so is on its way.
            None => return,
        };
        let Some(in_msg) = self.unwait(channel) else { return };
        let done = self.end_msg(channel, in_msg.ticket, ended);
        self.end_on_error(channel, done);
    }

    /// A thread is gone while it waited: what it sent comes back to its space, what it waited for stays queued.
    pub(crate) fn msg_abandoned(&mut self, channel: ChannelId) {
        if self.unwait(channel).is_some() {
            let (ipc, fx) = self.kernel.ipc_mut();
            drop(ipc.cancel(waiters::of_channel(channel), Cut::Interrupt, fx));
        }
    }

    /// `mach_reply_port`: a new receive right.
    pub(crate) fn reply_port(&mut self, channel: ChannelId, space: SpaceId, ticket: u64) -> Result<(), ChannelError> {
        let (result, name) = match self.kernel.ipc.allocate(space, RightType::Receive) {
            Ok(name) => (0, name),
            Err(code) => (code.raw(), PortName::NULL),
        };
        self.answer(channel, Answer { ticket, result, name: name.0, ..Answer::default() }, None)
    }

    fn end_msg(&mut self, channel: ChannelId, ticket: u64, ended: Ended) -> Result<(), ChannelError> {
        let Ended { result, no_room, message, payload, needed } = ended;
        let (result, needed) = (no_room.raw(result), needed as u64);
        let answer = Answer { ticket, result, needed, payload, ..Answer::default() };
        self.answer(channel, answer, message)
    }
}

fn wait_for(channel: ChannelId, timeout_ms: Option<u64>) -> Wait {
    match timeout_ms {
        Some(0) => Wait::Poll,
        _ => Wait::Block(waiters::of_channel(channel)),
    }
}
