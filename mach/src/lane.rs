//! A thread's lanes: calls and their service by shared memory, without the node, as long as nothing is unusual.
//!
//! Everything here is an attempt. What cannot go by a lane, or may not any more, goes by the node, which is always right;
//! and nobody sleeps on a lane for longer than [`PATIENCE`], so that the end of a node, or of a lane that somebody has
//! scribbled on, is noticed by the connection.
//!
//! 1. What is read from a lane is copied first and looked at afterwards; the other end may write there at any time.
//! 2. A request that was asked for is sent again only if it came back ([`lane::Lane::look`]).
//! 3. A message that was taken from a lane is the receive that the node has registered; the thread goes on with the same
//!    one when it receives again from the same port in the same way.
//!
//! Rules carried out: `docs/spec/ipc.md`, [ipc.fast.1] to [ipc.fast.3].

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lane::{BODY_BYTES_MAX, CALLS_MAX, Header, Lane, LeaseState, Look, Patience, Resume, Taking};
use proto::wire::trap::{Answer, LaneServe, lane_end};
use proto::{Body, Disposition, Message, NamedRight, PortName, TraceId};
use sys::{Memfd, Shared, SysError, shared};

use crate::msg::{Receive, Send};

/// How long a thread sleeps on a lane before it asks the node instead.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a thread has of lanes.
#[derive(Debug, Default)]
pub(crate) struct ThreadLanes {
    page: Option<Shared>,
    calling: Vec<Calling>,
    serving: Vec<Serving>,
    /// Of the lanes to serve, the greatest number that is mapped.
    mapped: u64,
    /// The receive that the node has registered.
    leased: Option<Leased>,
    /// The port that the last answer came to, and the number of the next message there.
    replies: Option<(PortName, u32)>,
    /// This system cannot wait for several lanes, or map them.
    off: bool,
}

/// The end of a lane by which the thread calls.
#[derive(Debug)]
struct Calling {
    destination: PortName,
    reply_port: PortName,
    memory: Shared,
}

/// The end of a lane that the thread serves.
#[derive(Debug)]
struct Serving {
    port: PortName,
    index: usize,
    reply_first: PortName,
    calls: u32,
    /// A request was taken and is not answered.
    taken: bool,
    memory: Shared,
}

/// A registered receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Leased {
    from: PortName,
    limit: Option<u64>,
    large: bool,
    /// Of the call that registered it.
    ticket: u64,
}

/// What has become of a call that may go by a lane.
#[derive(Debug)]
pub(crate) enum Called {
    /// It is over.
    Answered(Message<NamedRight>),
    /// It cannot go by a lane.
    Unsent(Send),
    /// Nobody took it from the lane in time.
    TakenBack(Send),
    /// It was sent, and the answer comes by the node.
    Sent,
}

/// How a receive by lanes goes on.
#[derive(Debug)]
pub(crate) enum Taken {
    /// With a message.
    Message(Message<NamedRight>),
    /// What ends it comes by the node, with this ticket.
    Claimed(u64),
    /// It is to be registered again.
    Gone,
    /// It was left; an ordinary one instead.
    Impatient,
}

/// What a server found at its lanes.
enum Waited {
    /// A request, at this one.
    Asked(usize),
    /// Nothing, and it has slept.
    Slept,
    /// Nothing, and its time is up.
    Impatient,
    /// This system cannot wait for several words.
    Unable,
}

impl Calling {
    fn lane(&self) -> Lane<'_, AtomicU32> {
        Lane(self.memory.word(lane::WORD))
    }
}

impl Serving {
    fn lane(&self) -> Lane<'_, AtomicU32> {
        Lane(self.memory.word(lane::WORD))
    }

    fn wake(&self) {
        shared::wake(self.memory.word(lane::WORD));
    }

    /// The name of the right to answer the call that was taken last, or is about to be.
    fn reply_right(&self) -> PortName {
        const GENERATION: u32 = (1 << 12) - 1;
        let first = self.reply_first.0;
        PortName(first & !GENERATION | first.wrapping_add(self.calls) & GENERATION)
    }
}

impl ThreadLanes {
    /// Maps what came with an answer.
    pub fn adopt(&mut self, answer: &Answer, fds: &[OwnedFd]) {
        if answer.lane_page.is_none() && answer.lanes.is_empty() || self.off {
            return;
        }
        // Without one of them the node would wait for it in vain; it has none of our threads' calls then.
        self.off = self.try_adopt(answer, fds).is_err();
    }

    fn try_adopt(&mut self, answer: &Answer, fds: &[OwnedFd]) -> Result<(), SysError> {
        let map = |index: u32, bytes: u64| {
            let missing = || SysError::new("recvmsg(2)", sys::Errno::BADF, "a lane without a descriptor");
            let fd = fds.get(index as usize).ok_or_else(missing)?;
            let copy = fd.try_clone().map_err(|e| SysError::from_io("fcntl(2)", &e, "duplicate a lane"))?;
            let memfd = Memfd::adopt(copy)?;
            if memfd.size() != bytes {
                return Err(SysError::new("fstat(2)", sys::Errno::INVAL, "a lane of another size"));
            }
            Shared::map(&memfd)
        };
        if let Some(index) = answer.lane_page {
            self.page = Some(map(index, lane::PAGE_BYTES)?);
        }
        for end in &answer.lanes {
            let memory = map(end.fd, lane::LANE_BYTES)?;
            match &end.end {
                Some(lane_end::End::Client(client)) => {
                    let (destination, reply_port) = (PortName(client.destination), PortName(client.reply_port));
                    self.calling.retain(|c| (c.destination, c.reply_port) != (destination, reply_port));
                    self.calling.push(Calling { destination, reply_port, memory });
                }
                Some(lane_end::End::Server(server)) if (server.index as usize) < lane::SERVER_LANES_MAX => {
                    let (port, reply_first) = (PortName(server.port), PortName(server.reply_first));
                    let index = server.index as usize;
                    self.serving.retain(|s| s.index != index);
                    self.serving.push(Serving { port, index, reply_first, calls: 0, taken: false, memory });
                    self.mapped = self.mapped.max(end.number);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The answer to a call came to this port by the node, with this number; or did not.
    pub fn replied(&mut self, port: PortName, seqno: Option<u32>) {
        self.replies = seqno.map(|seqno| (port, seqno.wrapping_add(1)));
    }

    /// The thread receives in a way that tells nothing here: numbers of messages are unknown again.
    pub fn received_otherwise(&mut self) {
        self.replies = None;
    }

    /// Whether an ordinary call of this kind may be followed by one by a lane.
    pub fn can_call(&self, send: &Send, receive: &Receive) -> bool {
        !self.off && is_call(send, receive)
    }

    /// Calls by a lane, if there is one for it.
    pub fn call(&mut self, send: Send, receive: &Receive) -> Called {
        let (Some(page), Some((replies, seqno))) = (&self.page, self.replies) else { return Called::Unsent(send) };
        if self.calling.is_empty() || replies != receive.from || !is_call(&send, receive) {
            return Called::Unsent(send);
        }
        let to = send.message.remote.name;
        let at = self.calling.iter().position(|c| c.destination == to && c.reply_port == receive.from);
        let Some(at) = at else { return Called::Unsent(send) };
        let calling = &self.calling[at];
        let lane = calling.lane();
        if lane.is_cut() {
            self.calling.swap_remove(at);
            return Called::Unsent(send);
        }
        write(&calling.memory, lane::REQUEST_HEADER, lane::REQUEST_BODY, &send.message);
        if !lane.ask() {
            return Called::Unsent(send);
        }
        let word = calling.memory.word(lane::WORD);
        shared::wake(word);
        let deadline = Instant::now() + receive.timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
        let look = lane.await_answer(|value| {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Patience::Over;
            }
            shared::wait(word, value, Some(left));
            Patience::Left
        });
        match look {
            Look::Answered => {
                let mut reply = read(&calling.memory, lane::REPLY_HEADER, lane::REPLY_BODY);
                reply.local = NamedRight { name: receive.from, disposition: Disposition::MoveSendOnce };
                reply.seqno = seqno;
                self.replies = Some((replies, seqno.wrapping_add(1)));
                page.word(lane::PAGE_ANSWERS).fetch_add(1, Ordering::Release);
                if !lane.finish() {
                    self.calling.swap_remove(at);
                }
                Called::Answered(reply)
            }
            Look::SendAgain => Called::TakenBack(send),
            Look::ByNode | Look::Foul | Look::Wait(_) => {
                // The node takes the lane back as soon as it hears of us.
                self.calling.swap_remove(at);
                Called::Sent
            }
        }
    }

    /// Answers by the lane that the request came by; what cannot be answered so comes back.
    pub fn answer(&mut self, send: Send) -> Option<Send> {
        if self.serving.is_empty() {
            return Some(send);
        }
        let right = send.message.remote;
        let at = self.serving.iter().position(|s| s.taken && s.reply_right() == right.name);
        let (Some(at), Some(page)) = (at, &self.page) else { return Some(send) };
        let serving = &mut self.serving[at];
        let fits = right.disposition == Disposition::MoveSendOnce
            && !send.message.local.name.is_valid()
            && send.message.local.name != PortName::DEAD
            && is_plain(&send.message);
        if !fits {
            return Some(send);
        }
        write(&serving.memory, lane::REPLY_HEADER, lane::REPLY_BODY, &send.message);
        if !serving.lane().answer() {
            // It was cut: the right is a real one.
            self.serving.swap_remove(at);
            return Some(send);
        }
        serving.wake();
        serving.calls += 1;
        serving.taken = false;
        page.word(lane::page_calls(serving.index)).store(serving.calls, Ordering::Release);
        None
    }

    /// What a receive is to tell the node, and whether it is one by lanes. A lease is asked for from here on.
    pub fn ask(&mut self, receive: &Receive) -> (Option<LaneServe>, bool) {
        if self.off || receive.timeout.is_some() {
            return (None, false);
        }
        self.drop_cut();
        let lease = self.page.is_some() && self.serving.iter().any(|s| s.port == receive.from);
        if let (true, Some(page)) = (lease, &self.page) {
            Taking(page.word(lane::PAGE_LEASE)).ask();
        }
        self.leased = None;
        (Some(LaneServe { mapped: self.mapped, lease }), lease)
    }

    /// The record that asked is on its way.
    pub fn asked(&mut self, receive: &Receive, ticket: u64) {
        self.leased = Some(Leased { from: receive.from, limit: receive.limit, large: receive.large, ticket });
    }

    /// Whether a receive goes on with the registered one.
    pub fn resume(&mut self, receive: &Receive) -> bool {
        let (Some(leased), Some(page)) = (self.leased, &self.page) else { return false };
        let same = (leased.from, leased.limit, leased.large) == (receive.from, receive.limit, receive.large);
        same && receive.timeout.is_none() && Taking(page.word(lane::PAGE_LEASE)).resume() == Resume::Waiting
    }

    /// Waits in the registered receive.
    pub fn take(&mut self) -> Taken {
        let (Some(leased), Some(page)) = (self.leased, &self.page) else { return Taken::Gone };
        let word = page.word(lane::PAGE_LEASE);
        let lease = Taking(word);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lease.state() {
                LeaseState::Claimed => {
                    self.leased = None;
                    return Taken::Claimed(leased.ticket);
                }
                LeaseState::None | LeaseState::Busy => {
                    self.leased = None;
                    return Taken::Gone;
                }
                // What it is asked with is not done. If it is granted afterwards, callers come by the node at first.
                LeaseState::Pending(_) if left.is_zero() => {
                    self.leased = None;
                    return Taken::Claimed(leased.ticket);
                }
                LeaseState::Pending(value) => shared::wait(word, value, Some(left)),
                LeaseState::Waiting(value) => match self.asked_or_wait(leased.from, (word, value), left) {
                    Waited::Asked(at) => {
                        if let Some(message) = take_from(&mut self.serving[at], page, &leased) {
                            // Those served last come last.
                            self.serving[at..].rotate_left(1);
                            return Taken::Message(message);
                        }
                    }
                    Waited::Slept => {}
                    Waited::Impatient => {
                        if lease.leave() {
                            self.leased = None;
                            return Taken::Impatient;
                        }
                    }
                    Waited::Unable => {
                        self.off = true;
                        if lease.leave() {
                            self.leased = None;
                            return Taken::Impatient;
                        }
                    }
                },
            }
        }
    }

    /// The lane of a port that has a request; without one, sleeps until there may be one, or the lease has changed.
    fn asked_or_wait(&self, port: PortName, lease: (&AtomicU32, u32), left: Duration) -> Waited {
        let mut words = Vec::with_capacity(1 + self.serving.len());
        words.push(lease);
        let asked = self.serving.iter().position(|s| {
            let word = s.memory.word(lane::WORD);
            // Looked at before the question, so that a request that comes after it is a change.
            words.push((word, word.load(Ordering::Acquire)));
            s.port == port && s.lane().is_asked()
        });
        match asked {
            Some(at) => Waited::Asked(at),
            None if left.is_zero() => Waited::Impatient,
            None if shared::wait_any(&words, Some(left)).is_err() => Waited::Unable,
            None => Waited::Slept,
        }
    }

    /// Lets go of lanes that the node has cut.
    fn drop_cut(&mut self) {
        self.serving.retain(|s| !s.lane().is_cut());
        self.calling.retain(|c| !c.lane().is_cut());
    }
}

/// Takes the request of a lane, or hands it back.
fn take_from(serving: &mut Serving, page: &Shared, leased: &Leased) -> Option<Message<NamedRight>> {
    let lease = Taking(page.word(lane::PAGE_LEASE));
    let lane = serving.lane();
    let mut header = [0; Header::BYTES];
    serving.memory.read(lane::REQUEST_HEADER, &mut header);
    let fits = leased.limit.is_none_or(|limit| u64::from(Header::from_bytes(header).len) <= limit);
    // A worn lane has no names of rights left; what is too large for us is the node's to judge.
    if serving.calls >= CALLS_MAX || !fits {
        if lane.refuse() {
            serving.wake();
        }
        return None;
    }
    let before = lease.begin(serving.index)?;
    let calls = page.word(lane::page_calls(serving.index));
    calls.store(serving.calls | lane::SERVING, Ordering::Release);
    if !lane.take() {
        calls.store(serving.calls, Ordering::Release);
        lease.missed();
        return None;
    }
    lease.taken();
    let mut message = read(&serving.memory, lane::REQUEST_HEADER, lane::REQUEST_BODY);
    // What it says now is what was taken; one that has grown since is cut off.
    if let Some(limit) = leased.limit.filter(|limit| message.body.bytes().len() as u64 > *limit) {
        message.body = Body::simple(message.body.bytes().slice(..limit as usize));
    }
    serving.taken = true;
    message.remote = NamedRight { name: serving.reply_right(), disposition: Disposition::MoveSendOnce };
    message.local = NamedRight { name: leased.from, disposition: Disposition::MoveSend };
    message.seqno = page.word(lane::PAGE_SEQNO).load(Ordering::Relaxed).wrapping_add(before);
    Some(message)
}

/// Whether a call has nothing that only the node can do.
fn is_call(send: &Send, receive: &Receive) -> bool {
    let (to, reply) = (send.message.remote, send.message.local);
    send.timeout.is_none()
        && receive.timeout != Some(Duration::ZERO)
        && reply == NamedRight::make_send_once(receive.from)
        && to.disposition == Disposition::CopySend
        && receive.limit.is_none_or(|limit| limit >= BODY_BYTES_MAX as u64)
        && is_plain(&send.message)
}

/// Whether a message has a body of mere bytes that a lane has room for.
fn is_plain(message: &Message<NamedRight>) -> bool {
    !message.body.is_complex() && message.body.bytes().len() <= BODY_BYTES_MAX
}

fn write(memory: &Shared, header_at: usize, body_at: usize, message: &Message<NamedRight>) {
    let bytes = message.body.bytes();
    let header = Header { id: message.id, len: bytes.len() as u32, trace: message.trace.0 };
    memory.write(header_at, &header.to_bytes());
    memory.write(body_at, bytes);
}

/// A copy of what is there, without rights and number.
fn read(memory: &Shared, header_at: usize, body_at: usize) -> Message<NamedRight> {
    let mut header = [0; Header::BYTES];
    memory.read(header_at, &mut header);
    let Header { id, len, trace } = Header::from_bytes(header);
    let mut bytes = vec![0; len as usize];
    memory.read(body_at, &mut bytes);
    let body = Body::simple(Bytes::from(bytes));
    Message { remote: NamedRight::NULL, local: NamedRight::NULL, id, seqno: 0, trace: TraceId(trace), body }
}
