//! Answers: now, or when what a request waits for has ended.

use std::collections::BTreeMap;

use proto::limits::MSG_OOL_BYTES_MAX;
use proto::msg::{Reply as _, code_body};
use proto::{BadBody, Body, KernReturn, Message, MigError, NamedRight, TraceId};

use super::Kernel;
use super::errand::{Awaited, Copying};
use crate::ipc::{Right, SpaceId};
use crate::vm::{OrderId, Ticket};

/// Where an answer goes. Holds the reply right until [`Kernel::answer`] uses it up.
#[derive(Debug)]
pub(super) struct Reply {
    pub to: Right,
    /// Of the request; the answer has this + 100.
    pub id: i32,
    pub trace: TraceId,
}

/// What a routine answers: the body of its reply, or its code.
pub(super) type Results = Result<Body<Right>, KernReturn>;

/// Requests whose answer waits: for orders that a task has to carry out, or for an msync.
#[derive(Default)]
pub(super) struct Pending {
    /// The last order of each waiting request; the others of the same request come before it and count by their result.
    orders: BTreeMap<OrderId, u64>,
    requests: BTreeMap<u64, Waiting>,
    msyncs: BTreeMap<Ticket, Reply>,
    /// Requests that a task carries out itself.
    pub errands: BTreeMap<OrderId, Awaited>,
    /// Requests for copies of objects, by the order to map these aside.
    pub copies: BTreeMap<OrderId, Copying>,
    last: u64,
}

struct Waiting {
    reply: Reply,
    results: Body<Right>,
    orders_left: usize,
    failed: Option<KernReturn>,
}

impl Pending {
    /// Keeps an answer until all of `orders` are done.
    ///
    /// Conditions: `orders` is not empty.
    pub fn after_orders(&mut self, orders: Vec<OrderId>, reply: Reply, results: Body<Right>) {
        assert!(!orders.is_empty(), "an answer that waits for nothing");
        self.last += 1;
        let waiting = Waiting { reply, results, orders_left: orders.len(), failed: None };
        self.requests.insert(self.last, waiting);
        self.orders.extend(orders.into_iter().map(|order| (order, self.last)));
    }

    /// An order ended; returns the answer that waited for it, if it was the last.
    pub fn order_done(&mut self, order: OrderId, result: Result<(), KernReturn>) -> Option<(Reply, Results)> {
        let request = self.orders.remove(&order)?;
        let waiting = self.requests.get_mut(&request)?;
        waiting.orders_left -= 1;
        waiting.failed = waiting.failed.or(result.err());
        if waiting.orders_left > 0 {
            return None;
        }
        let Waiting { reply, results, failed, .. } = self.requests.remove(&request)?;
        Some((reply, failed.map_or(Ok(results), Err)))
    }

    /// A ticket for an msync that `reply` waits for.
    pub fn msync(&mut self, reply: Reply) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.msyncs.insert(ticket, reply);
        ticket
    }

    /// An msync ended, or did not begin.
    pub fn msync_done(&mut self, ticket: Ticket) -> Option<Reply> {
        self.msyncs.remove(&ticket)
    }
}

impl Kernel {
    /// Sends the answer of a routine; without a reply right the results' rights are given up.
    pub(super) fn answer(&mut self, reply: Reply, results: Results) {
        self.answer_body(reply, results.unwrap_or_else(|code| code_body(code.raw())));
    }

    /// Answers a request of a server that has no results but its code, once `orders` are done. Takes over the reply right that
    /// `space` has as `remote`.
    ///
    /// Conditions: `orders` is not empty. A right that is none is as good as no right: nobody is answered.
    pub fn answer_after(&mut self, orders: Vec<OrderId>, space: SpaceId, remote: NamedRight, id: i32, trace: TraceId) {
        let NamedRight { name, disposition } = remote;
        let to = self.ipc.extract_right(space, name, disposition, &mut self.fx).unwrap_or(Right::Null);
        let reply = Reply { to, id, trace };
        self.pending.after_orders(orders, reply, ().into_body());
    }

    /// Answers with what a routine gave, or a request that did not fit its routine.
    pub(super) fn answer_or_refuse(&mut self, reply: Reply, called: Result<Results, BadBody<Right>>) {
        match called {
            Ok(results) => self.answer(reply, results),
            Err(bad) => self.refuse(reply, bad),
        }
    }

    /// Answers a request that no routine could take, as MIG's servers do.
    pub(super) fn answer_mig(&mut self, reply: Reply, error: MigError) {
        self.answer_body(reply, code_body(error.raw()));
    }

    /// Whether the answer goes to a server in this process, as netmsg's, which sends it out: then it is bounded.
    pub(super) fn goes_far(&self, reply: &Reply) -> bool {
        reply.to.port().is_some_and(|port| self.ipc.is_received_in_process(port))
    }

    fn answer_body(&mut self, reply: Reply, mut body: Body<Right>) {
        if body.out_of_line_bytes() > MSG_OOL_BYTES_MAX && self.goes_far(&reply) {
            // The other node would take it for misbehaviour.
            let too_long = std::mem::replace(&mut body, code_body(KernReturn::NoSpace.raw()));
            self.ipc.release_body(too_long, &mut self.fx);
        }
        let Reply { to, id, trace } = reply;
        let message = Message { remote: to, local: Right::Null, id: id.wrapping_add(100), seqno: 0, trace, body };
        // Whoever asked without a live reply right learns nothing, and what was to be sent is released.
        let _ = self.ipc.kernel_send(message, &mut self.fx);
    }

    /// Answers that there is no such routine, and gives up what the message carried.
    pub(super) fn refuse_id(&mut self, mut message: Message<Right>) {
        let reply = Reply::of(&mut message);
        self.discard(message);
        self.answer_mig(reply, MigError::BadId);
    }
}
