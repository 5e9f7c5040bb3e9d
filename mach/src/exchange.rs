//! One `mach_msg` of a thread: what of it goes by a lane, and the record to the node for the rest.

use std::time::Instant;

use proto::wire::trap::{LaneServe, Msg, call};
use proto::{Message, MsgReturn, NamedRight, codec};

use crate::beside::Outbound;
use crate::error::TrapError;
use crate::lane::{Called, Taken};
use crate::memory::Memory;
use crate::msg::{Receive, Send, milliseconds, set_receive};
use crate::trap::{Connection, Reply};

/// A `mach_msg`, and with what it is done.
pub(crate) struct Exchange<'a> {
    pub connection: &'a mut Connection,
    pub memory: Option<&'a Memory>,
    /// Whether lanes may be used: not by a call that another thread may interrupt, which the node does.
    pub by_lanes: bool,
}

/// How it ended.
pub(crate) enum Ended {
    /// Without the node: the message, if one was to be received.
    Here(Option<Message<NamedRight>>),
    /// As the node says.
    ByNode(Box<Reply>),
}

impl Exchange<'_> {
    /// Does it.
    ///
    /// Conditions: the message has been checked.
    pub fn run(mut self, mut send: Option<Send>, mut receive: Option<Receive>) -> Result<Ended, TrapError> {
        // One that receives the answer to what it sends.
        let call =
            matches!((&send, &receive), (Some(s), Some(r)) if s.message.local == NamedRight::make_send_once(r.from));
        if self.by_lanes {
            if let (Some(to_send), Some(receive)) = (send.take_if(|_| receive.is_some()), &mut receive) {
                let began = Instant::now();
                match self.connection.lanes.call(to_send, receive) {
                    Called::Answered(reply) => return Ok(Ended::Here(Some(reply))),
                    Called::Unsent(back) => send = Some(back),
                    Called::TakenBack(back) => {
                        send = Some(back);
                        shorten(receive, began);
                    }
                    Called::Sent => shorten(receive, began),
                }
            }
            if let Some(to_send) = send.take() {
                send = self.connection.lanes.answer(to_send);
                if send.is_none() && receive.is_none() {
                    return Ok(Ended::Here(None));
                }
            }
            if let (None, Some(from)) = (&send, &receive)
                && self.connection.lanes.resume(from)
                && let Some(ended) = self.take()?
            {
                return Ok(ended);
            }
        }
        self.by_node(send, receive, call)
    }

    fn by_node(&mut self, mut send: Option<Send>, receive: Option<Receive>, call: bool) -> Result<Ended, TrapError> {
        loop {
            let (serve, leased) = match receive.filter(|_| self.by_lanes && !call) {
                Some(receive) => self.connection.lanes.ask(&receive),
                None => (None, false),
            };
            let ticket = self.ask(send.take(), receive, serve)?;
            if let (true, Some(receive)) = (leased, receive) {
                self.connection.lanes.asked(&receive, ticket);
                match self.take()? {
                    Some(ended) => return Ok(ended),
                    // What was to be sent has been; the receive is asked for anew.
                    None => continue,
                }
            }
            let reply = self.connection.answer(self.memory, ticket)?;
            if let (true, Some(receive)) = (call, receive) {
                let arrived = reply.answer.message.as_ref().filter(|_| reply.answer.result == MsgReturn::Success.raw());
                self.connection.lanes.replied(receive.from, arrived.map(|m| m.seqno));
            }
            return Ok(Ended::ByNode(Box::new(reply)));
        }
    }

    /// Waits in the registered receive; `None` when it is no more. Out of patience no lease is asked for the next time.
    fn take(&mut self) -> Result<Option<Ended>, TrapError> {
        match self.connection.lanes.take() {
            Taken::Message(message) => Ok(Some(Ended::Here(Some(message)))),
            Taken::Claimed(ticket) => {
                self.connection.answer(self.memory, ticket).map(|reply| Some(Ended::ByNode(Box::new(reply))))
            }
            Taken::Gone => Ok(None),
            Taken::Impatient => {
                self.by_lanes = false;
                Ok(None)
            }
        }
    }

    /// Sends the record of what is left to do; the ticket of the answer.
    fn ask(
        &mut self,
        send: Option<Send>,
        receive: Option<Receive>,
        serve: Option<LaneServe>,
    ) -> Result<u64, TrapError> {
        let mut call = Msg { lane_serve: serve, ..Msg::default() };
        let mut beside = Outbound::default();
        if let Some(send) = send {
            let lanes = &self.connection.lanes;
            call.lane_call = self.by_lanes && receive.is_some_and(|receive| lanes.can_call(&send, &receive));
            let (wire, outside) = codec::encode(send.message, 0);
            beside = Outbound::new(outside).map_err(TrapError::Sys)?;
            call.send = true;
            call.message = Some(wire);
            call.send_timeout_ms = send.timeout.map(milliseconds);
        }
        set_receive(&mut call, receive);
        self.connection.ask(call::Op::Msg(call), &beside.fds())
    }
}

/// Of a receive's time, what has passed since.
fn shorten(receive: &mut Receive, since: Instant) {
    receive.timeout = receive.timeout.map(|timeout| timeout.saturating_sub(since.elapsed()));
}
