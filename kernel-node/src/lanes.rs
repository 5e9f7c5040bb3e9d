//! Lanes: the node makes them for threads that call the same port again and again, and takes them back.
//!
//! 1. A lane is made when a thread has made [`CALLS_BEFORE`] calls in a row to one port by the node, and the thread that
//!    receives them serves lanes. A lane that did not live long is followed by another only after more calls.
//! 2. The descriptors of a lane ride in the next answers to its two threads; the node keeps a mapping. Until the server
//!    says that it has mapped its end, the lane is shut.
//! 3. What a lane may do, and until when, is the kernel core's to say ([`kernel_core::ipc::LaneMemory`]); here are the
//!    words in memory, and who is woken. Of what two tasks write there the node believes nothing that could reach beyond
//!    these two.
//!
//! Rules carried out: `docs/spec/ipc.md`, [ipc.fast.4], [ipc.fast.6], [ipc.fast.10].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use kernel_core::ipc;
use kernel_core::ipc::{AnswerCount, LaneEnds, LaneId, LaneMemory, LeaseEnd, LeaseMemory, PortId, SpaceId};
use lane::{Cut, Lane, Taking};
use proto::limits::{TRAP_FDS_MAX, TRAP_STORES_MAX};
use proto::wire::trap::{LaneClient, LaneEnd, LaneServer, Msg, lane_end};
use proto::{Disposition, Message, NamedRight, PortName};
use sys::{Memfd, Shared, SysError, shared};

use crate::channel::ChannelId;
use crate::node::Node;
use crate::waiters;

/// Calls by the node before a lane is made.
const CALLS_BEFORE: u32 = 16;
/// The same for a thread whose lanes never last.
const CALLS_BEFORE_MAX: u32 = 1 << 16;
/// Lanes of a node.
const LANES_MAX: usize = 1024;
/// Lanes of one client thread.
const CLIENT_LANES_MAX: usize = 16;
/// Ends of lanes that wait for a thread's next answer, which may have a page and a message's memory beside it, too.
const ENDS_TO_SEND_MAX: usize = 14;
const _: () = assert!(ENDS_TO_SEND_MAX + 2 + TRAP_STORES_MAX <= TRAP_FDS_MAX);

/// The lanes of a node.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Whether any are made.
    enabled: bool,
    last_number: u64,
    open: BTreeMap<LaneId, OpenLane>,
    /// The thread that was the last to receive from a port and can serve lanes.
    servers: BTreeMap<PortId, ChannelId>,
}

#[derive(Debug)]
struct OpenLane {
    number: u64,
    client: ChannelId,
    destination: PortName,
    server: ChannelId,
    port: PortId,
    memory: Rc<LaneWords>,
}

/// What a connection has to do with lanes.
#[derive(Debug, Default)]
pub struct ThreadLanes {
    /// The page that the thread shares with the node.
    page: Option<Rc<Shared>>,
    page_to_send: Option<Rc<OwnedFd>>,
    to_send: Vec<EndToSend>,
    /// The last destination that it called by the node, how often in a row, and after how many calls a lane is made.
    calls: (PortName, u32),
    calls_before: Option<u32>,
    /// Its lanes as a client, and the port to which answers come by all of them.
    calling: Vec<LaneId>,
    replies: Option<PortName>,
    /// Places for lanes that it serves, by bit.
    places: u32,
    lease: Option<Rc<LeaseWords>>,
    /// The call that registered the leased receive.
    lease_ticket: u64,
    /// Its call by a lane was aborted, so that it comes here next: to be interrupted.
    aborted: bool,
}

/// An end of a lane, and its descriptor.
type EndToSend = (LaneEnd, Rc<OwnedFd>);

/// The memory of a lane.
#[derive(Debug)]
struct LaneWords {
    memory: Shared,
    server_page: Rc<Shared>,
    index: usize,
    /// Its client was in a call when it was cut.
    was_in_call: Cell<bool>,
}

impl LaneWords {
    fn lane(&self) -> Lane<'_, std::sync::atomic::AtomicU32> {
        Lane(self.memory.word(lane::WORD))
    }

    fn wake(&self) {
        shared::wake(self.memory.word(lane::WORD));
    }

    /// What the server says of its calls: those that are over, and whether it has one more. It hurts itself by a lie.
    fn served(&self) -> (u32, bool) {
        let word = self.server_page.word(lane::page_calls(self.index)).load(Ordering::Acquire);
        (word & !lane::SERVING, word & lane::SERVING != 0)
    }
}

impl LaneMemory for LaneWords {
    fn cut(&self) -> Option<u32> {
        let cut = self.lane().cut();
        if matches!(cut, Cut::Serving | Cut::NotTaken { asked: true }) {
            self.wake();
            self.was_in_call.set(true);
        }
        // The client could have written that it is being served; only the server can say so in its own page.
        let (before, serving) = self.served();
        (cut == Cut::Serving && serving).then_some(before)
    }

    fn calls(&self) -> u32 {
        let (before, serving) = self.served();
        before + u32::from(serving)
    }
}

/// The memory of a lease, with the lanes that go by it.
#[derive(Debug)]
struct LeaseWords {
    page: Rc<Shared>,
    lanes: RefCell<Vec<Rc<LaneWords>>>,
}

impl LeaseWords {
    fn lease(&self) -> Taking<'_, std::sync::atomic::AtomicU32> {
        Taking(self.page.word(lane::PAGE_LEASE))
    }

    fn shut(&self) -> Vec<(Rc<LaneWords>, lane::Shut)> {
        let lanes = self.lanes.take();
        lanes.into_iter().map(|lane| (lane.clone(), lane.lane().shut())).collect()
    }

    fn wake(&self) {
        shared::wake(self.page.word(lane::PAGE_LEASE));
    }
}

impl LeaseMemory for LeaseWords {
    fn close(&self) -> LeaseEnd {
        let lanes = self.shut();
        let closed = self.lease().close();
        self.wake();
        let mut taken = closed.taken;
        for (lane, shut) in lanes {
            if closed.taking == Some(lane.index) && shut.serving {
                taken += 1;
            }
            if shut.asked {
                lane.wake();
            }
        }
        LeaseEnd { present: closed.present, taken }
    }
}

struct Answers(Rc<Shared>);

impl AnswerCount for Answers {
    fn answers(&self) -> u32 {
        self.0.word(lane::PAGE_ANSWERS).load(Ordering::Acquire)
    }
}

impl Lanes {
    pub(crate) fn new(enabled: bool) -> Lanes {
        Lanes { enabled, last_number: 0, open: BTreeMap::new(), servers: BTreeMap::new() }
    }

    /// Lanes that there are.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl ThreadLanes {
    /// What is to ride in the next answer: the page's descriptor, and ends of lanes with theirs.
    pub(crate) fn take_ends(&mut self) -> (Option<Rc<OwnedFd>>, Vec<EndToSend>) {
        (self.page_to_send.take(), std::mem::take(&mut self.to_send))
    }

    fn page(&mut self) -> Result<Rc<Shared>, SysError> {
        if let Some(page) = &self.page {
            return Ok(page.clone());
        }
        let memfd = Memfd::create("mach-lane-page", lane::PAGE_BYTES)?;
        let page = Rc::new(Shared::map(&memfd)?);
        self.page = Some(page.clone());
        self.page_to_send = Some(Rc::new(memfd.into()));
        self.lease = Some(Rc::new(LeaseWords { page: page.clone(), lanes: RefCell::default() }));
        Ok(page)
    }
}

impl Node {
    /// A thread called by the node: none of its lanes has a call of its own under way any more, and perhaps it gets one.
    pub(crate) fn lanes_on_call(
        &mut self,
        channel: ChannelId,
        ticket: u64,
        space: SpaceId,
        call: &Msg,
        message: Option<&Message<NamedRight>>,
    ) {
        let Some(connection) = self.connections.get_mut(&channel).filter(|_| self.lanes.enabled) else { return };
        if std::mem::take(&mut connection.lanes.aborted) {
            connection.interrupted = Some(ticket);
        }
        let busy = |id: &&LaneId| self.lanes.open.get(id).is_some_and(|l| l.memory.lane().is_busy());
        let busy: Vec<LaneId> = connection.lanes.calling.iter().filter(busy).copied().collect();
        busy.into_iter().for_each(|id| self.kernel.ipc.lane_cut(id));
        let Some(message) = message.filter(|_| call.lane_call && call.receive) else { return };
        let (to, reply) = (message.remote, message.local);
        let is_rpc = to.disposition == Disposition::CopySend
            && reply.disposition == Disposition::MakeSendOnce
            && reply.name.0 == call.receive_name;
        if is_rpc && self.lane_is_due(channel, to.name) && self.make_lane(channel, space, to.name, reply.name).is_none()
        {
            self.put_off_lanes(channel);
        }
    }

    /// Counts a call by the node; whether enough have been made for a lane. One that has served its time makes room.
    fn lane_is_due(&mut self, channel: ChannelId, destination: PortName) -> bool {
        let Some(connection) = self.connections.get_mut(&channel) else { return false };
        let lanes = &mut connection.lanes;
        let present = lanes
            .calling
            .iter()
            .copied()
            .find(|id| self.lanes.open.get(id).is_some_and(|l| l.destination == destination));
        if let Some(id) = present {
            let worn = self.lanes.open[&id].memory.calls() >= lane::CALLS_MAX;
            if worn {
                self.kernel.ipc.lane_cut(id);
                self.lanes_sweep();
            }
            return worn;
        }
        lanes.calls = (destination, if lanes.calls.0 == destination { lanes.calls.1 + 1 } else { 1 });
        lanes.calls.1 >= lanes.calls_before.unwrap_or(CALLS_BEFORE)
    }

    /// More calls by the node before the next try.
    fn put_off_lanes(&mut self, channel: ChannelId) {
        let Some(connection) = self.connections.get_mut(&channel) else { return };
        let lanes = &mut connection.lanes;
        let before = lanes.calls_before.unwrap_or(CALLS_BEFORE);
        lanes.calls_before = Some((2 * before).min(CALLS_BEFORE_MAX));
        lanes.calls.1 = 0;
    }

    fn make_lane(&mut self, client: ChannelId, space: SpaceId, to: PortName, reply: PortName) -> Option<()> {
        let port = self.kernel.ipc.lane_port(space, to)?;
        let server = *self.lanes.servers.get(&port)?;
        let serving = self.channel_space(server)?;
        if self.lanes.open.len() >= LANES_MAX || client == server {
            return None;
        }
        // What is to ride in one answer is what one record may have beside it; a later call tries again.
        let crowded = |id| self.connections.get(&id).is_none_or(|c| c.lanes.to_send.len() >= ENDS_TO_SEND_MAX);
        if crowded(client) || crowded(server) {
            return None;
        }
        let of_client = &mut self.connections.get_mut(&client)?.lanes;
        if of_client.calling.len() >= CLIENT_LANES_MAX {
            return None;
        }
        let answers = Rc::new(Answers(of_client.page().ok()?));
        if let Some(before) = of_client.replies.replace(reply).filter(|before| *before != reply) {
            self.kernel.ipc.lanes_end_replies(space, before);
        }
        let of_server = &mut self.connections.get_mut(&server)?.lanes;
        let index = of_server.places.trailing_ones() as usize;
        if index >= lane::SERVER_LANES_MAX {
            return None;
        }
        let server_page = of_server.page().ok()?;
        server_page.word(lane::page_calls(index)).store(0, Ordering::Release);
        let memfd = Memfd::create("mach-lane", lane::LANE_BYTES).ok()?;
        let memory =
            Rc::new(LaneWords { memory: Shared::map(&memfd).ok()?, server_page, index, was_in_call: Cell::new(false) });
        memory.lane().shut();
        let waiter = waiters::of_channel(client);
        let ends = LaneEnds { client: space, waiter, destination: to, reply, server: serving };
        let opened = self.kernel.ipc.lane_open(ends, memory.clone(), answers)?;
        self.lanes.last_number += 1;
        let number = self.lanes.last_number;
        let fd: Rc<OwnedFd> = Rc::new(memfd.into());
        of_server.places |= 1 << index;
        let end = LaneServer { port: opened.server_name.0, index: index as u32, reply_first: opened.reply_first.0 };
        let end = LaneEnd { number, fd: 0, end: Some(lane_end::End::Server(end)) };
        of_server.to_send.push((end, fd.clone()));
        let of_client = &mut self.connections.get_mut(&client)?.lanes;
        of_client.calling.push(opened.lane);
        let end = LaneClient { destination: to.0, reply_port: reply.0 };
        of_client.to_send.push((LaneEnd { number, fd: 0, end: Some(lane_end::End::Client(end)) }, fd));
        let lane = OpenLane { number, client, destination: to, server, port, memory };
        self.lanes.open.insert(opened.lane, lane);
        tracing::debug!(number, client = client.0, server = server.0, "lane made");
        Some(())
    }

    /// A thread that can serve lanes is about to receive from a port.
    pub(crate) fn lanes_on_receive(&mut self, channel: ChannelId, space: SpaceId, name: PortName) {
        if let Some(port) = self.kernel.ipc.lane_port(space, name).filter(|_| self.lanes.enabled) {
            self.lanes.servers.insert(port, channel);
        }
    }

    /// The thread's registered receive waits: lets it take from its lanes, of those that it has mapped. `false` when it
    /// cannot.
    pub(crate) fn grant_lease(&mut self, channel: ChannelId, ticket: u64, mapped: u64) -> bool {
        let waiter = waiters::of_lease(channel);
        let Some(connection) = self.connections.get_mut(&channel) else { return false };
        let Some(lease) = connection.lanes.lease.clone() else { return false };
        let Some((port, seqno)) = self.kernel.ipc.lease(waiter, lease.clone()) else { return false };
        let ours = |l: &&OpenLane| l.server == channel && l.port == port && l.number <= mapped;
        let lanes: Vec<Rc<LaneWords>> = self.lanes.open.values().filter(ours).map(|l| l.memory.clone()).collect();
        lease.page.word(lane::PAGE_SEQNO).store(seqno, Ordering::Relaxed);
        lanes.iter().for_each(|lane| lane.lane().open());
        let any = !lanes.is_empty();
        lease.lanes.replace(lanes);
        if any && lease.lease().grant() {
            connection.lanes.lease_ticket = ticket;
            lease.wake();
            return true;
        }
        for (lane, shut) in lease.shut() {
            if shut.asked {
                lane.wake();
            }
        }
        self.kernel.ipc.lease_ungranted(waiter);
        false
    }

    /// `thread_abort` of a thread that may be in a call, or a receive, by lanes. A call comes here and is interrupted then;
    /// the ticket of a receive, which is to be answered.
    pub(crate) fn abort_by_lane(&mut self, channel: ChannelId) -> Option<u64> {
        let connection = self.connections.get(&channel)?;
        let lanes: Vec<(LaneId, Rc<LaneWords>)> = connection
            .lanes
            .calling
            .iter()
            .filter_map(|id| Some((*id, self.lanes.open.get(id)?.memory.clone())))
            .collect();
        for (id, words) in lanes.into_iter().filter(|(_, words)| words.lane().is_busy()) {
            self.kernel.ipc.lane_cut(id);
            if let Some(connection) = self.connections.get_mut(&channel) {
                connection.lanes.aborted |= words.was_in_call.get();
            }
        }
        let ended = self.kernel.ipc.lease_abort(waiters::of_lease(channel));
        ended.then(|| self.lease_ticket(channel)).flatten()
    }

    /// Ends the receive that a thread had registered.
    pub(crate) fn cancel_lease(&mut self, channel: ChannelId) {
        let (ipc, fx) = self.kernel.ipc_mut();
        drop(ipc.cancel(waiters::of_lease(channel), ipc::Cut::Interrupt, fx));
    }

    /// A thread that has asked for a lease gets none: its call ends, or waits, by the connection.
    pub(crate) fn deny_lease(&mut self, channel: ChannelId) {
        let lease = self.connections.get(&channel).and_then(|c| c.lanes.lease.clone());
        let Some(lease) = lease.filter(|lease| lease.lease().is_asked()) else { return };
        self.cancel_lease(channel);
        if lease.lease().deny() {
            lease.wake();
        }
    }

    /// The call that registered a leased receive.
    pub(crate) fn lease_ticket(&self, channel: ChannelId) -> Option<u64> {
        self.connections.get(&channel).map(|c| c.lanes.lease_ticket)
    }

    /// Forgets lanes that the kernel has cut.
    pub(crate) fn lanes_sweep(&mut self) {
        for id in self.kernel.ipc.lanes_gone() {
            let Some(lane) = self.lanes.open.remove(&id) else { continue };
            tracing::debug!(number = lane.number, calls = lane.memory.calls(), "lane cut");
            if let Some(connection) = self.connections.get_mut(&lane.server) {
                connection.lanes.places &= !(1 << lane.memory.index);
                if let Some(lease) = &connection.lanes.lease {
                    lease.lanes.borrow_mut().retain(|l| !Rc::ptr_eq(l, &lane.memory));
                }
            }
            let lasted = lane.memory.calls() >= lane::CALLS_MAX / 2;
            if let Some(connection) = self.connections.get_mut(&lane.client) {
                connection.lanes.calling.retain(|l| *l != id);
                if lasted {
                    connection.lanes.calls_before = None;
                }
            }
            if !lasted {
                self.put_off_lanes(lane.client);
            }
        }
    }

    /// Cuts lanes that a message by another way has made wrong, before anybody hears of that message: `about` is the
    /// thread that is about to be answered.
    pub(crate) fn lanes_settle(&mut self, about: Option<ChannelId>) {
        let caller = self.caller.map(|(_, channel)| channel).filter(|channel| Some(*channel) != about);
        self.kernel.ipc.lanes_settle(caller.map(waiters::of_channel));
    }

    /// An operator is about to look at ports: messages and rights under way by lanes are to be where they belong.
    pub(crate) fn show_calls_by_lanes(&mut self) {
        self.kernel.ipc.lanes_cut_all();
    }

    /// A connection has ended.
    pub(crate) fn lanes_disconnected(&mut self, channel: ChannelId) {
        self.lanes.servers.retain(|_, server| *server != channel);
        let of_it = |l: &OpenLane| l.client == channel || l.server == channel;
        let ids: Vec<LaneId> = self.lanes.open.iter().filter(|(_, l)| of_it(l)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.kernel.ipc.lane_cut(id));
        self.cancel_lease(channel);
    }
}
