//! A client, a server, another sender and a node around one lane: every order of their steps, to the end.
//!
//! Each step is one atomic operation of one party; the words are moved by the crate's own functions. The node's part is
//! a queue, one registered receive and one right to answer, as its core has them. Every schedule ends with each message
//! received once, numbered without a gap, and each call answered once. Faults that are planted in the steps are found.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};

use lane::{Lane, LeaseState, Look, Resume, Taking, Word};

/// A word of which the model's state holds the value.
struct Atom(Cell<u32>);

impl Word for Atom {
    fn get(&self) -> u32 {
        self.0.get()
    }
    fn change(&self, from: u32, to: u32) -> Result<(), u32> {
        let now = self.0.get();
        if now != from {
            return Err(now);
        }
        self.0.set(to);
        Ok(())
    }
    fn set_bits(&self, bits: u32) -> u32 {
        self.0.replace(self.0.get() | bits)
    }
    fn clear_bits(&self, bits: u32) -> u32 {
        self.0.replace(self.0.get() & !bits)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Client {
    /// About to make a call.
    Start,
    Asked,
    /// Nobody took its request by the lane.
    Send,
    /// In an ordinary receive on its reply port.
    ByNode,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Server {
    /// Has no receive registered, or does not know that it has.
    Need,
    /// Its record is on its way.
    Sending,
    /// The node has it.
    Asking,
    Waiting,
    Began(u32),
    Marked(u32),
    Took(u32),
    Serving,
    /// What ends its receive comes by the node.
    Socket,
    ServingByNode(u8),
    /// Out of its receive; it comes back.
    Out,
    Dead,
}

/// What the node is in the middle of: it does one thing after the other, but the others do not wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Node {
    Idle,
    Deliver(u8),
    Shut {
        message: u8,
        serving: bool,
    },
    Closed(u8),
    Register,
    /// The receive that was registered before is closed first.
    RegisterShut {
        serving: bool,
    },
    Opened,
}

/// A message of the other sender.
const OTHER: u8 = 100;
/// The send-once notification.
const DIED: u8 = 99;
const CALLS: u8 = 2;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    lane: u32,
    lease: u32,
    request: u8,
    reply: u8,
    /// The server's page: whether it says that it serves.
    serving: bool,
    /// The number that the first message under the lease has.
    base: u32,
    client: Client,
    call: u8,
    server: Server,
    node: Node,
    /// The server's receive is registered, with a lease.
    registered: bool,
    leased: bool,
    lane_alive: bool,
    seqno: u32,
    queue: Vec<u8>,
    socket: Option<(u8, u32)>,
    /// A right to answer by the node, for a request that came by the lane.
    right: bool,
    replies: Vec<u8>,
    received: Vec<u8>,
    next_seqno: u32,
    /// What may still happen once.
    other: bool,
    cut: bool,
    impatient: bool,
    timeout: bool,
    again: bool,
    death: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// The node closes the lease before it shuts the lane, and looks at the lane afterwards.
    CloseFirst,
    /// The server takes without saying so in its lease.
    TakeWithoutLease,
    /// The node gives no right for a request that was in service when it cut the lane.
    CutForgets,
    /// The client sends again without having its request back.
    SendAgainUnasked,
    /// The node does not count a take that was under way.
    CountForgets,
    /// The server asks for another receive as though it had taken nothing under the last.
    AskForgets,
    /// The node hands a message to a receiver that is not there.
    HandsToNobody,
}

impl State {
    fn new() -> State {
        State {
            lane: 0,
            lease: 0,
            request: 0,
            reply: 0,
            serving: false,
            base: 0,
            client: Client::Start,
            call: 1,
            server: Server::Need,
            node: Node::Idle,
            registered: false,
            leased: false,
            lane_alive: true,
            seqno: 0,
            queue: Vec::new(),
            socket: None,
            right: false,
            replies: Vec::new(),
            received: Vec::new(),
            next_seqno: 0,
            other: true,
            cut: true,
            impatient: true,
            timeout: true,
            again: true,
            death: false,
        }
    }

    fn on_lane<T>(&mut self, act: impl FnOnce(Lane<'_, Atom>) -> T) -> T {
        let atom = Atom(Cell::new(self.lane));
        let result = act(Lane(&atom));
        self.lane = atom.0.get();
        result
    }

    fn on_lease<T>(&mut self, act: impl FnOnce(Taking<'_, Atom>) -> T) -> T {
        let atom = Atom(Cell::new(self.lease));
        let result = act(Taking(&atom));
        self.lease = atom.0.get();
        result
    }

    fn receive(&mut self, message: u8, seqno: u32) {
        assert!(!self.received.contains(&message), "{message} was received twice");
        assert_eq!(seqno, self.next_seqno, "the number of message {message}");
        self.received.push(message);
        self.next_seqno += 1;
    }

    fn call_ends(&mut self, answer: u8) {
        let died = answer == DIED && self.server == Server::Dead;
        assert!(answer == self.call || died, "call {} was answered with {answer}", self.call);
        self.call += 1;
        self.client = Client::Start;
    }

    fn done(&self) -> bool {
        self.call > CALLS
    }

    /// Every state that one step of one party leads to.
    fn next(&self, fault: Fault) -> Vec<State> {
        let mut next = Vec::new();
        for step in [State::client, State::server, State::node, State::events] {
            step(self, fault, &mut next);
        }
        next
    }

    fn client(&self, fault: Fault, next: &mut Vec<State>) {
        let mut s = self.clone();
        match self.client {
            Client::Start if self.done() => return,
            Client::Start => {
                let call = s.call;
                let asked = s.on_lane(|l| l.ask());
                if asked {
                    s.request = call;
                }
                s.client = if asked { Client::Asked } else { Client::Send };
            }
            Client::Asked => {
                if self.impatient {
                    let mut s = self.clone();
                    s.impatient = false;
                    if s.on_lane(|l| l.withdraw()) || fault == Fault::SendAgainUnasked {
                        s.client = Client::Send;
                    }
                    next.push(s);
                }
                match s.on_lane(|l| l.look()) {
                    Look::Wait(_) => return,
                    Look::SendAgain => s.client = Client::Send,
                    Look::ByNode => s.client = Client::ByNode,
                    Look::Answered => {
                        let reply = s.reply;
                        s.on_lane(|l| l.finish());
                        s.call_ends(reply);
                    }
                    Look::Foul => panic!("nobody scribbles here"),
                }
            }
            Client::Send if self.node == Node::Idle => match self.server {
                Server::Dead => s.call_ends(DIED),
                _ => {
                    s.node = Node::Deliver(self.call);
                    s.client = Client::ByNode;
                }
            },
            Client::ByNode if !self.replies.is_empty() => {
                let reply = s.replies.remove(0);
                s.call_ends(reply);
            }
            Client::Send | Client::ByNode => return,
        }
        next.push(s);
    }

    fn server(&self, fault: Fault, next: &mut Vec<State>) {
        let mut s = self.clone();
        let node_idle = self.node == Node::Idle;
        s.server = match self.server {
            Server::Need => {
                if fault == Fault::AskForgets {
                    s.lease = 0;
                }
                s.on_lease(|l| l.ask());
                Server::Sending
            }
            Server::Sending if node_idle => {
                s.node = Node::Register;
                Server::Asking
            }
            Server::Asking | Server::Waiting => match s.on_lease(|l| l.state()) {
                LeaseState::Claimed => Server::Socket,
                LeaseState::Waiting(_) => {
                    if self.timeout {
                        let mut s = self.clone();
                        s.timeout = false;
                        if s.on_lease(|l| l.leave()) {
                            s.server = Server::Out;
                            next.push(s);
                        }
                    }
                    match s.on_lane(|l| l.is_asked()) {
                        true if fault == Fault::TakeWithoutLease => Server::Began(0),
                        true => match s.on_lease(|l| l.begin(0)) {
                            Some(taken) => Server::Began(taken),
                            None => Server::Waiting,
                        },
                        false => Server::Waiting,
                    }
                }
                // Closed in the middle of a take that failed.
                LeaseState::None => Server::Need,
                LeaseState::Busy => unreachable!("it is in its receive"),
                LeaseState::Pending(_) => return,
            },
            Server::Began(taken) => {
                s.serving = true;
                Server::Marked(taken)
            }
            Server::Marked(taken) => match s.on_lane(|l| l.take()) {
                true => Server::Took(taken),
                false => {
                    s.serving = false;
                    s.on_lease(|l| l.missed());
                    Server::Waiting
                }
            },
            Server::Took(taken) => {
                s.on_lease(|l| l.taken());
                let (request, seqno) = (s.request, s.base + taken);
                s.receive(request, seqno);
                Server::Serving
            }
            Server::Serving => {
                s.reply = s.request;
                if s.on_lane(|l| l.answer()) {
                    s.serving = false;
                } else if node_idle {
                    assert!(s.right, "the right to answer is a real one");
                    s.right = false;
                    s.serving = false;
                    s.replies.push(s.reply);
                } else {
                    return;
                }
                Server::Out
            }
            Server::Socket => {
                let Some((message, seqno)) = s.socket.take() else { return };
                s.receive(message, seqno);
                Server::ServingByNode(message)
            }
            Server::ServingByNode(message) if node_idle => {
                if message != OTHER {
                    s.replies.push(message);
                }
                Server::Out
            }
            Server::Out => {
                if self.again {
                    // It sends by the node, and asks for a receive with that.
                    next.push(State { again: false, server: Server::Need, ..self.clone() });
                }
                match s.on_lease(|l| l.resume()) {
                    Resume::Waiting => Server::Waiting,
                    Resume::Gone => Server::Need,
                }
            }
            _ => return,
        };
        next.push(s);
    }

    fn node(&self, fault: Fault, next: &mut Vec<State>) {
        let mut s = self.clone();
        s.node = match self.node {
            Node::Idle => return,
            Node::Deliver(message) if !self.leased => Node::Closed(message),
            Node::Deliver(message) if fault == Fault::CloseFirst => {
                s.close(None, fault);
                Node::Shut { message, serving: false }
            }
            Node::Deliver(message) => {
                let shut = s.on_lane(|l| l.shut());
                Node::Shut { message, serving: shut.serving }
            }
            Node::Shut { message, .. } if fault == Fault::CloseFirst => {
                let shut = s.on_lane(|l| l.shut());
                s.seqno += u32::from(shut.serving && matches!(self.server, Server::Began(_) | Server::Marked(_)));
                Node::Closed(message)
            }
            Node::Shut { message, serving } => {
                s.close(Some(serving), fault);
                Node::Closed(message)
            }
            Node::Closed(message) => {
                match s.registered {
                    true => s.hand_over(message),
                    false => s.queue.push(message),
                }
                Node::Idle
            }
            Node::Register if self.leased => {
                let shut = s.on_lane(|l| l.shut());
                Node::RegisterShut { serving: shut.serving }
            }
            Node::RegisterShut { serving } => {
                s.close(Some(serving), fault);
                Node::Register
            }
            Node::Register => match s.queue.is_empty() {
                true => {
                    if s.lane_alive {
                        s.on_lane(|l| l.open());
                    }
                    s.base = s.seqno;
                    Node::Opened
                }
                false => {
                    let message = s.queue.remove(0);
                    s.hand_over(message);
                    assert!(s.on_lease(|l| l.deny()), "it was asked for");
                    Node::Idle
                }
            },
            Node::Opened => {
                s.registered = true;
                s.leased = s.on_lease(|l| l.grant());
                assert!(s.leased, "it was asked for");
                Node::Idle
            }
        };
        next.push(s);
    }

    /// Closes the lease; `serving` is what shutting the lane said.
    fn close(&mut self, serving: Option<bool>, fault: Fault) {
        let closed = self.on_lease(|l| l.close());
        let taken =
            closed.taken + u32::from(closed.taking.is_some() && serving == Some(true) && fault != Fault::CountForgets);
        self.seqno = self.base + taken;
        self.leased = false;
        self.registered = closed.present || fault == Fault::HandsToNobody;
    }

    fn hand_over(&mut self, message: u8) {
        assert!(self.socket.is_none(), "two messages for one receive");
        self.socket = Some((message, self.seqno));
        self.seqno += 1;
        self.registered = false;
    }

    fn events(&self, fault: Fault, next: &mut Vec<State>) {
        if self.node != Node::Idle {
            return;
        }
        if self.other && self.server != Server::Dead {
            let mut s = self.clone();
            s.other = false;
            s.node = Node::Deliver(OTHER);
            next.push(s);
        }
        if self.cut && self.lane_alive {
            let mut s = self.clone();
            s.cut = false;
            s.cut_lane(fault);
            next.push(s);
        }
        if self.death && self.server != Server::Dead {
            let mut s = self.clone();
            s.death = false;
            s.die(fault);
            next.push(s);
        }
    }

    fn cut_lane(&mut self, fault: Fault) {
        self.lane_alive = false;
        let serving = self.on_lane(|l| l.cut()) == lane::Cut::Serving && self.serving;
        self.right |= serving && fault != Fault::CutForgets;
    }

    /// The server's task ends: its rights go, its port dies with its queue.
    fn die(&mut self, fault: Fault) {
        if self.lane_alive {
            self.cut_lane(fault);
        }
        let unanswered = match self.server {
            Server::ServingByNode(message) => Some(message),
            _ => self.socket.take().map(|(message, _)| message),
        };
        let queued = self.queue.drain(..).chain(unanswered).filter(|m| *m != OTHER).count();
        let rights = queued + usize::from(std::mem::take(&mut self.right));
        self.replies.extend(std::iter::repeat_n(DIED, rights));
        self.server = Server::Dead;
    }
}

/// Follows every schedule from `start`; the states seen, and how they end.
fn explore(start: State, fault: Fault) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut open = VecDeque::from([start]);
    while let Some(state) = open.pop_front() {
        let next = state.next(fault);
        if next.iter().all(|n| *n == state) {
            assert!(state.done(), "a call never ends: {state:?}");
            assert!(state.queue.is_empty() && state.socket.is_none() && state.replies.is_empty(), "left: {state:?}");
            let alive = state.server != Server::Dead;
            assert!(!alive || state.received.len() == usize::from(CALLS + 1), "not received: {state:?}");
            assert!(!state.right, "a right that nobody uses: {state:?}");
        }
        for state in next {
            if seen.insert(state.clone()) {
                open.push_back(state);
            }
        }
    }
    seen.len()
}

#[test]
fn ipc_fast_5_every_schedule_ends_well() {
    let states = explore(State::new(), Fault::None);
    assert!(states > 1000, "only {states} states");
}

#[test]
fn ipc_fast_7_the_death_of_the_server_ends_every_call_once() {
    let states = explore(State { death: true, ..State::new() }, Fault::None);
    assert!(states > 1000, "only {states} states");
}

#[test]
fn planted_faults_are_found() {
    for fault in [
        Fault::CloseFirst,
        Fault::TakeWithoutLease,
        Fault::CutForgets,
        Fault::SendAgainUnasked,
        Fault::CountForgets,
        Fault::AskForgets,
        Fault::HandsToNobody,
    ] {
        let found = std::panic::catch_unwind(|| explore(State { death: true, ..State::new() }, fault));
        assert!(found.is_err(), "{fault:?} was not found");
    }
}
