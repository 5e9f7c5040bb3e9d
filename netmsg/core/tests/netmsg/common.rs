//! Nodes with the real ports of kernel-core, and wires between them that deliver in whatever order a test wants.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use kernel_core::ipc::{
    Effect, Ipc, NotificationKind, ReceiveOptions, ReceiveOutcome, ReceiveStatus, SendError, SendOptions, SendOutcome,
    SpaceId, Wait, WaiterId,
};
use netmsg_core::{
    Config, Cx, ExportId, LinkId, NameCx, NamePorts, NameServer, Netmsg, Out, Peer, PeerMisbehaved, PortSpace, Refused,
    SendMode, Sent, Ticket,
};
use proto::limits::{MSG_OOL_BYTES_MAX, QUEUED_BYTES_MAX};
use proto::wire::link::{Frame, frame};
use proto::{
    Disposition, Incarnation, Item, KernReturn, Message, MsgReturn, NamedRight, NodeName, Payload, PortName, PortUid,
    RightType, TraceId,
};

/// Waiters of netmsg's sends are its tickets with this bit.
const TICKET: u64 = 1 << 63;
/// How long name servers wait for peers.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A server's space in a node's ports.
pub struct Space<'a> {
    pub ipc: &'a mut Ipc,
    pub fx: &'a mut Vec<Effect>,
    pub space: SpaceId,
    pub set: PortName,
    /// What `has_room` says at most.
    pub room: bool,
}

impl PortSpace for Space<'_> {
    fn allocate(&mut self) -> Result<PortName, KernReturn> {
        let name = self.ipc.allocate(self.space, RightType::Receive)?;
        self.ipc.move_member(self.space, name, self.set, self.fx)?;
        Ok(name)
    }

    fn destroy_receive(&mut self, name: PortName) {
        self.ipc.mod_refs(self.space, name, RightType::Receive, -1, self.fx).expect("a receive right");
    }

    fn deallocate(&mut self, name: PortName) {
        self.ipc.deallocate(self.space, name, self.fx).expect("a reference");
    }

    fn send(&mut self, message: Message<NamedRight>, mode: SendMode) -> Result<Sent, Refused> {
        let wait = match mode {
            SendMode::Poll => Wait::Poll,
            SendMode::Wait(ticket) => Wait::Block(WaiterId(ticket.0 | TICKET)),
        };
        match self.ipc.send(self.space, message, SendOptions { wait, ..SendOptions::POLL }, self.fx) {
            Ok(SendOutcome::Sent) => Ok(Sent::Taken),
            Ok(SendOutcome::Blocked) => Ok(Sent::Waiting),
            Err(SendError { code: MsgReturn::SendInvalidRight | MsgReturn::SendInvalidReply, .. }) => {
                panic!("a server names only rights that it has")
            }
            Err(SendError { code, message, .. }) => Err(Refused { code, message }),
        }
    }

    fn set_receiving(&mut self, name: PortName, receiving: bool) {
        let set = if receiving { self.set } else { PortName::NULL };
        self.ipc.move_member(self.space, name, set, self.fx).expect("a receive right");
        if receiving {
            self.fx.push(Effect::Readable(self.space));
        }
    }

    fn request_no_senders(&mut self, name: PortName, sync: u32) {
        self.request(name, NotificationKind::NoSenders, sync, name);
    }

    fn request_dead_name(&mut self, name: PortName, notify: PortName) {
        self.request(name, NotificationKind::DeadName, 1, notify);
    }

    fn port_uid(&mut self, name: PortName) -> Option<PortUid> {
        self.ipc.port_of(self.space, name).ok().map(|(_, uid)| uid)
    }

    fn has_room(&self) -> bool {
        self.room && self.ipc.queued().1 + 2 * MSG_OOL_BYTES_MAX <= QUEUED_BYTES_MAX
    }
}

impl Space<'_> {
    fn request(&mut self, name: PortName, kind: NotificationKind, sync: u32, notify: PortName) {
        let notify =
            self.ipc.extract_right(self.space, notify, Disposition::MakeSendOnce, self.fx).expect("receive right");
        let previous = self.ipc.request_notification(self.space, name, kind, sync, notify, self.fx).expect("armed");
        self.ipc.release(previous, self.fx);
    }

    fn receive(&mut self) -> Option<Message<NamedRight>> {
        match self.ipc.receive(self.space, self.set, ReceiveOptions::POLL, self.fx) {
            Ok(ReceiveOutcome::Message(delivery)) => Some(delivery.message),
            Ok(ReceiveOutcome::Blocked) => unreachable!(),
            Err(e) => {
                assert_eq!(e.code, MsgReturn::RcvTimedOut);
                None
            }
        }
    }
}

/// One node: its ports, its netmsg and name server, and one task.
pub struct Node {
    pub name: NodeName,
    pub ipc: Ipc,
    pub fx: Vec<Effect>,
    pub netmsg: Netmsg,
    pub net_space: SpaceId,
    pub net_set: PortName,
    pub names: NameServer,
    pub names_space: SpaceId,
    pub names_set: PortName,
    /// The task.
    pub task: SpaceId,
    /// The task's port that peers know as entry 1, unless the name server has it.
    pub boot: PortName,
    /// The task's send right to its node's name server.
    pub name_server: PortName,
    /// Blocked sends of tasks that have ended.
    pub sent: Vec<WaiterId>,
    pub room: bool,
    pub now: Duration,
}

impl Node {
    fn new(index: usize, name_service: bool) -> Node {
        let mut fx = Vec::new();
        let mut ipc = Ipc::new(Incarnation(100 + index as u64));
        let name = NodeName::new(&format!("node{index}")).unwrap();
        let [net_space, names_space, task] = [true, true, false].map(|in_process| ipc.space_create(in_process));
        let [net_set, names_set] = [net_space, names_space].map(|s| ipc.allocate(s, RightType::PortSet).unwrap());
        let mut names = Space { ipc: &mut ipc, fx: &mut fx, space: names_space, set: names_set, room: true };
        let [local, remote, peers, notify] = [(); 4].map(|()| names.allocate().unwrap());
        let ports = NamePorts { local, remote, peers, notify };
        let boot = ipc.allocate(task, RightType::Receive).unwrap();
        let mut give = |ipc: &mut Ipc, from: (SpaceId, PortName), to: SpaceId| {
            let right = ipc.extract_right(from.0, from.1, Disposition::MakeSend, &mut fx).unwrap();
            ipc.insert_right_for(to, right, &mut fx).unwrap()
        };
        let entry_1 = if name_service { (names_space, remote) } else { (task, boot) };
        let config_name_server = give(&mut ipc, entry_1, net_space);
        let announce = give(&mut ipc, (names_space, peers), net_space);
        let name_server = give(&mut ipc, (names_space, local), task);
        let mut net = Space { ipc: &mut ipc, fx: &mut fx, space: net_space, set: net_set, room: true };
        let notify = net.allocate().unwrap();
        let announce = if name_service { announce } else { PortName::NULL };
        let config = Config { name_server: config_name_server, notify, announce };
        Node {
            names: NameServer::new(name.clone(), ports, PATIENCE),
            netmsg: Netmsg::new(config),
            name,
            ipc,
            fx,
            net_space,
            net_set,
            names_space,
            names_set,
            task,
            boot,
            name_server,
            sent: Vec::new(),
            room: true,
            now: Duration::ZERO,
        }
    }

    /// A call of netmsg.
    pub fn net<R>(&mut self, out: &mut Vec<Out>, f: impl FnOnce(&mut Netmsg, &mut Cx<'_>) -> R) -> R {
        let Node { ipc, fx, netmsg, net_space, net_set, room, .. } = self;
        let mut space = Space { ipc, fx, space: *net_space, set: *net_set, room: *room };
        f(netmsg, &mut Cx { space: &mut space, out })
    }

    pub fn names<R>(&mut self, f: impl FnOnce(&mut NameServer, &mut NameCx<'_>) -> R) -> R {
        let Node { ipc, fx, names, names_space, names_set, now, .. } = self;
        let mut space = Space { ipc, fx, space: *names_space, set: *names_set, room: true };
        f(names, &mut NameCx { space: &mut space, now: *now })
    }

    /// Lets the servers of this node do what there is to do.
    pub fn pump(&mut self, out: &mut Vec<Out>) {
        while let Some(effect) = if self.fx.is_empty() { None } else { Some(self.fx.remove(0)) } {
            match effect {
                Effect::Readable(space) if space == self.net_space => {
                    while let Some(message) = self.receive_in(self.net_space, self.net_set) {
                        self.net(out, |n, cx| n.on_message(cx, message));
                    }
                }
                Effect::Readable(space) if space == self.names_space => {
                    while let Some(message) = self.receive_in(self.names_space, self.names_set) {
                        self.names(|n, cx| n.on_message(cx, message));
                    }
                }
                Effect::Sent { waiter, .. } if waiter.0 & TICKET != 0 => {
                    self.net(out, |n, cx| n.on_taken(cx, Ticket(waiter.0 & !TICKET)));
                }
                Effect::Sent { waiter, .. } => self.sent.push(waiter),
                Effect::Readable(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn receive_in(&mut self, space: SpaceId, set: PortName) -> Option<Message<NamedRight>> {
        Space { ipc: &mut self.ipc, fx: &mut self.fx, space, set, room: true }.receive()
    }

    /// A new port of the task.
    pub fn port(&mut self) -> PortName {
        self.ipc.allocate(self.task, RightType::Receive).unwrap()
    }

    /// Takes the next message of one of the task's ports.
    pub fn receive(&mut self, name: PortName) -> Option<Message<NamedRight>> {
        match self.ipc.receive(self.task, name, ReceiveOptions::POLL, &mut self.fx) {
            Ok(ReceiveOutcome::Message(delivery)) => Some(delivery.message),
            _ => None,
        }
    }

    /// Sends from the task.
    pub fn send(&mut self, message: Message<NamedRight>, wait: Wait) -> Result<SendOutcome, SendError> {
        self.ipc.send(self.task, message, SendOptions { wait, ..SendOptions::POLL }, &mut self.fx)
    }

    /// The bits of one of the task's names; 0 for one that it does not have.
    pub fn type_of(&mut self, name: PortName) -> u32 {
        self.ipc.port_type(self.task, name).unwrap_or(0)
    }

    pub fn set_qlimit(&mut self, name: PortName, qlimit: u32) {
        self.ipc.set_qlimit(self.task, name, qlimit, &mut self.fx).unwrap();
    }

    pub fn status(&mut self, name: PortName) -> ReceiveStatus {
        self.ipc.get_receive_status(self.task, name).unwrap()
    }

    pub fn uid(&mut self, name: PortName) -> PortUid {
        self.ipc.port_of(self.task, name).unwrap().1
    }

    /// The rights in a message, given up.
    pub fn give_up(&mut self, message: &Message<NamedRight>) {
        for right in message.body.rights().iter().chain([&message.remote]).filter(|r| r.name.is_valid()) {
            self.deallocate(right.name);
        }
    }

    /// Ports of the node, and names of its netmsg.
    pub fn size(&self) -> [usize; 2] {
        [self.ipc.ports_len(), self.ipc.names(self.net_space).unwrap().len()]
    }

    /// Gives up everything that one of the task's names denotes.
    pub fn destroy(&mut self, name: PortName) {
        self.ipc.destroy(self.task, name, &mut self.fx).unwrap();
    }

    pub fn is_dead(&mut self, name: PortName) -> bool {
        self.type_of(name) & RightType::DeadName.type_bit() != 0
    }

    pub fn deallocate(&mut self, name: PortName) {
        self.ipc.deallocate(self.task, name, &mut self.fx).unwrap();
    }

    pub fn destroy_port(&mut self, name: PortName) {
        self.ipc.mod_refs(self.task, name, RightType::Receive, -1, &mut self.fx).unwrap();
    }

    /// Asks to hear of no senders on, or of the death of, one of the task's names; the notification comes to `notify`.
    pub fn watch(&mut self, name: PortName, kind: NotificationKind, notify: PortName) {
        let right = self.ipc.extract_right(self.task, notify, Disposition::MakeSendOnce, &mut self.fx).unwrap();
        let previous = self.ipc.request_notification(self.task, name, kind, 1, right, &mut self.fx).unwrap();
        self.ipc.release(previous, &mut self.fx);
    }
}

/// A frame on its way.
pub struct Flight {
    pub link: LinkId,
    pub to: usize,
    pub frame: Frame,
    pub payload: Payload,
}

/// Several nodes and the wires between them.
pub struct World {
    pub nodes: Vec<Node>,
    /// The nodes at the two ends of each link that is up.
    pub links: BTreeMap<LinkId, (usize, usize)>,
    pub flights: Vec<Flight>,
    pub closed: Vec<(usize, LinkId, PeerMisbehaved)>,
    /// Frames of each kind, by name.
    pub frames: BTreeMap<&'static str, usize>,
    /// Servers run only when they are told to.
    pub lazy: bool,
    /// At rest, every invariant is checked.
    pub checked: bool,
    next_link: u64,
}

impl World {
    /// Nodes of which each knows the boot port of every peer, linked in a full mesh.
    pub fn new(nodes: usize) -> World {
        World::with(nodes, false)
    }

    /// Nodes that know each other's name servers.
    pub fn with_names(nodes: usize) -> World {
        World::with(nodes, true)
    }

    fn with(count: usize, name_service: bool) -> World {
        let nodes = (0..count).map(|i| Node::new(i, name_service)).collect();
        let (links, flights, closed, frames) = Default::default();
        let mut world = World { nodes, links, flights, closed, frames, lazy: false, checked: true, next_link: 0 };
        for a in 0..count {
            for b in a + 1..count {
                world.connect(a, b);
            }
        }
        world.settle();
        world
    }

    /// Brings a link up.
    pub fn connect(&mut self, a: usize, b: usize) -> LinkId {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        self.links.insert(link, (a, b));
        for (this, other) in [(a, b), (b, a)] {
            let peer = Peer { node: self.nodes[other].name.clone(), incarnation: Incarnation(100 + other as u64) };
            self.act(this, |n, cx| n.link_up(cx, link, peer));
        }
        link
    }

    /// Cuts a link: frames on it are lost, both ends hear of it.
    pub fn cut(&mut self, link: LinkId) {
        let Some((a, b)) = self.links.remove(&link) else { return };
        self.flights.retain(|f| f.link != link);
        for end in [a, b] {
            self.act(end, |n, cx| n.link_down(cx, link));
        }
    }

    /// The link between two nodes.
    pub fn link(&self, a: usize, b: usize) -> LinkId {
        *self.links.iter().find(|(_, ends)| **ends == (a.min(b), a.max(b))).expect("linked").0
    }

    /// A call of a node's netmsg, and everything that it causes on that node.
    pub fn act(&mut self, node: usize, f: impl FnOnce(&mut Netmsg, &mut Cx<'_>)) {
        let mut out = Vec::new();
        self.nodes[node].net(&mut out, f);
        if !self.lazy {
            self.nodes[node].pump(&mut out);
        }
        self.put(node, out);
    }

    /// Lets the servers of a node run.
    pub fn pump(&mut self, node: usize) {
        let mut out = Vec::new();
        self.nodes[node].pump(&mut out);
        self.put(node, out);
    }

    fn put(&mut self, node: usize, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Frame { link, frame, payload } => {
                    *self.frames.entry(kind(&frame)).or_default() += 1;
                    // A frame sent just before the cut goes nowhere.
                    let Some((a, b)) = self.links.get(&link) else { continue };
                    let to = if *a == node { *b } else { *a };
                    self.flights.push(Flight { link, to, frame: through_wire(frame), payload });
                }
                Out::CloseLink { link, why } => {
                    self.closed.push((node, link, why));
                    self.cut(link);
                }
            }
        }
    }

    /// Delivers one frame.
    pub fn deliver(&mut self, index: usize) {
        let Flight { link, to, frame, payload } = self.flights.remove(index);
        self.act(to, |n, cx| n.on_frame(cx, link, frame, payload));
    }

    /// A frame from a peer that is not a correct one.
    pub fn forge(&mut self, link: LinkId, to: usize, kind: frame::Kind, payload: Payload) {
        self.act(to, |n, cx| n.on_frame(cx, link, Frame { kind: Some(kind) }, payload));
    }

    /// Delivers every frame and flushes every node until nothing moves.
    pub fn settle(&mut self) {
        self.settle_by(|_| 0);
    }

    /// The same, in an order of the caller's.
    pub fn settle_by(&mut self, mut pick: impl FnMut(usize) -> usize) {
        for _ in 0..100_000 {
            for node in 0..self.nodes.len() {
                self.pump(node);
            }
            if !self.flights.is_empty() {
                let index = pick(self.flights.len());
                self.deliver(index);
                continue;
            }
            let room = |n: &Node| n.room && n.netmsg.wants_flush();
            let Some(node) = (0..self.nodes.len()).find(|i| room(&self.nodes[*i])) else {
                return if self.checked {
                    self.check()
                };
            };
            self.act(node, |n, cx| n.flush(cx));
        }
        panic!("the world does not come to rest");
    }

    /// Every invariant of every node.
    pub fn check(&mut self) {
        for node in &self.nodes {
            node.ipc.check();
            node.netmsg.check();
        }
    }

    /// Gives the task of `node` a send right to entry 1 of a peer.
    pub fn boot_of(&mut self, node: usize, peer: usize) -> PortName {
        let link = self.link(node, peer);
        let n = &mut self.nodes[node];
        let import = n.netmsg.imports(link).find(|i| i.export == ExportId::NAME_SERVER).unwrap();
        let right = n.ipc.extract_right(n.net_space, import.proxy.unwrap(), Disposition::MakeSend, &mut n.fx).unwrap();
        n.ipc.insert_right_for(n.task, right, &mut n.fx).unwrap()
    }

    /// Sends a right of `from`'s task to the task of `to` by way of its boot port; returns its name there.
    pub fn pass(&mut self, from: usize, to: usize, right: NamedRight) -> PortName {
        let boot = self.boot_of(from, to);
        let mut m = message(boot, 1);
        m.body = vec![Item::Port(right)].into();
        self.nodes[from].send(m, Wait::Poll).unwrap();
        self.settle();
        let at = self.nodes[to].boot;
        let m = self.nodes[to].receive(at).expect("the right arrives");
        self.settle();
        self.nodes[from].deallocate(boot);
        let [Item::Port(right)] = m.body.items()[..] else { panic!() };
        right.name
    }

    /// Sends from a task and lets everything settle.
    pub fn send(&mut self, node: usize, message: Message<NamedRight>) {
        assert_eq!(self.nodes[node].send(message, Wait::Poll), Ok(SendOutcome::Sent));
        self.settle();
    }

    /// Receives at a task's port and lets everything settle.
    pub fn receive(&mut self, node: usize, name: PortName) -> Option<Message<NamedRight>> {
        let message = self.nodes[node].receive(name);
        self.settle();
        message
    }

    /// Ids of everything that is in a task's port.
    pub fn drain(&mut self, node: usize, name: PortName) -> Vec<i32> {
        std::iter::from_fn(|| self.receive(node, name)).map(|m| m.id).collect()
    }
}

/// A message without rights but that to its destination.
pub fn message(to: PortName, id: i32) -> Message<NamedRight> {
    let remote = NamedRight::copy_send(to);
    Message { remote, local: NamedRight::NULL, id, seqno: 0, trace: TraceId::default(), body: Default::default() }
}

/// The same with one right in its body.
pub fn carrying(to: PortName, id: i32, right: NamedRight) -> Message<NamedRight> {
    Message { body: vec![Item::Port(right)].into(), ..message(to, id) }
}

fn through_wire(frame: Frame) -> Frame {
    use prost::Message as _;
    Frame::decode(frame.encode_to_vec().as_slice()).unwrap()
}

/// A frame's kind, for counting.
pub fn kind(frame: &Frame) -> &'static str {
    match frame.kind {
        Some(frame::Kind::Send(_)) => "send",
        Some(frame::Kind::Delivered(_)) => "delivered",
        Some(frame::Kind::Release(_)) => "release",
        Some(frame::Kind::PortDead(_)) => "port_dead",
        _ => panic!("not netmsg's"),
    }
}
