//! One connection to the node: a call at a time, and the orders that ride in its answer.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use proto::limits::TRAP_RECORD_BYTES_MAX;
use proto::wire::trap::{Answer, Call, Interrupt, Order, OrderDone, call};
use sys::seqpacket::{Received, Sent};
use sys::{Channel, SysError};

use crate::buffer;
use crate::error::TrapError;
use crate::lane::ThreadLanes;
use crate::memory::Memory;

#[derive(Debug)]
pub(crate) struct Connection {
    pub channel: Arc<Channel>,
    /// What the node calls it.
    pub thread: u64,
    ticket: u64,
    /// Its thread's lanes.
    pub lanes: ThreadLanes,
    /// Kept from call to call; records are short as a rule, and room for the largest is dear to make.
    buffer: Vec<u8>,
}

/// The last answer to a call.
#[derive(Debug)]
pub(crate) struct Reply {
    pub answer: Answer,
    pub fds: Vec<OwnedFd>,
    /// The first order that rode in it and could not be carried out.
    pub failed: Option<(Order, SysError)>,
}

impl Connection {
    /// Errors: the node does not listen there, or the process has no memory or descriptors left.
    pub fn open(path: &Path) -> Result<Connection, SysError> {
        let (channel, lanes) = (Arc::new(Channel::connect(path)?), ThreadLanes::default());
        Ok(Connection { channel, thread: 0, ticket: 0, lanes, buffer: room_for_a_record()? })
    }

    /// What the next call will be known as.
    pub fn next_call(&self) -> Interrupt {
        Interrupt { thread: self.thread, ticket: self.ticket + 1 }
    }

    /// Asks, and waits for the answer; carries out the orders that come with it.
    ///
    /// Conditions: `fds` go beside the call.
    pub fn call(&mut self, memory: Option<&Memory>, op: call::Op, fds: &[BorrowedFd<'_>]) -> Result<Reply, TrapError> {
        self.call_noting(memory, op, fds, &mut false)
    }

    /// The same; `asked` becomes true when the node has the call, whatever it made of it.
    pub fn call_noting(
        &mut self,
        memory: Option<&Memory>,
        op: call::Op,
        fds: &[BorrowedFd<'_>],
        asked: &mut bool,
    ) -> Result<Reply, TrapError> {
        if matches!(&op, call::Op::Msg(msg) if msg.receive) {
            self.lanes.received_otherwise();
        }
        let ticket = self.ask(op, fds)?;
        *asked = true;
        self.answer(memory, ticket)
    }

    /// Asks, and does not wait: the ticket of the answer.
    pub fn ask(&mut self, op: call::Op, fds: &[BorrowedFd<'_>]) -> Result<u64, TrapError> {
        self.ticket += 1;
        send(&self.channel, &Call { ticket: self.ticket, op: Some(op) }, fds)?;
        Ok(self.ticket)
    }

    /// Waits for the answer with this ticket, which is the next; carries out the orders that come with it, and before it.
    pub fn answer(&mut self, memory: Option<&Memory>, ticket: u64) -> Result<Reply, TrapError> {
        let mut failed = None;
        loop {
            let (answer, fds) = receive(&self.channel, &mut self.buffer)?;
            if answer.ticket != ticket {
                self.channel.shutdown();
                return Err(TrapError::Protocol("an answer to another call"));
            }
            self.lanes.adopt(&answer, &fds);
            let here = carry_out(&self.channel, memory, &answer.orders, &fds)?;
            failed = failed.or(here);
            if !answer.more {
                return Ok(Reply { answer, fds, failed });
            }
        }
    }
}

/// Carries out all orders of a record, in order, and reports them; gives back the first failure.
///
/// Errors: the reports could not be sent.
pub(crate) fn carry_out(
    channel: &Channel,
    memory: Option<&Memory>,
    orders: &[Order],
    fds: &[OwnedFd],
) -> Result<Option<(Order, SysError)>, TrapError> {
    let mut failed = None;
    let mut succeeded = Vec::new();
    for order in orders {
        let done = match memory {
            Some(memory) => memory.carry_out(order, fds),
            None => Err(SysError::new("order", sys::Errno::OPNOTSUPP, "this task attached without memory")),
        };
        match done {
            Ok(()) => succeeded.push(order.order),
            Err(error) => {
                report(channel, order.order, error.errno.raw_os_error(), Vec::new())?;
                failed = failed.or(Some((order.clone(), error)));
            }
        }
    }
    if let Some(first) = succeeded.pop() {
        report(channel, first, 0, succeeded)?;
    }
    Ok(failed)
}

/// Tells the node how orders ended.
fn report(channel: &Channel, order: u64, errno: i32, others: Vec<u64>) -> Result<(), TrapError> {
    let done = OrderDone { order, errno, others, ..OrderDone::default() };
    send(channel, &Call { ticket: 0, op: Some(call::Op::OrderDone(done)) }, &[])
}

/// Room for the longest record.
///
/// Errors: as [`buffer::zeroes`].
pub(crate) fn room_for_a_record() -> Result<Vec<u8>, SysError> {
    buffer::zeroes(TRAP_RECORD_BYTES_MAX)
}

/// The next record of the node; `buffer` is room for it.
pub(crate) fn receive(channel: &Channel, buffer: &mut [u8]) -> Result<(Answer, Vec<OwnedFd>), TrapError> {
    match channel.recv(buffer)? {
        // Inline bytes of the message are slices of this one copy.
        Received::Record(len, fds) => match Answer::decode(Bytes::copy_from_slice(&buffer[..len])) {
            Ok(answer) => Ok((answer, fds)),
            Err(_) => {
                channel.shutdown();
                Err(TrapError::Protocol("a record that is no answer"))
            }
        },
        Received::Closed | Received::WouldBlock => Err(TrapError::NodeDied),
    }
}

fn send(channel: &Channel, call: &Call, fds: &[BorrowedFd<'_>]) -> Result<(), TrapError> {
    match channel.send(&call.encode_to_vec(), fds)? {
        Sent::Done => Ok(()),
        Sent::Closed | Sent::WouldBlock => Err(TrapError::NodeDied),
    }
}
