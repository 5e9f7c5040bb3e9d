//! Two tasks of one node, one of which sends memory to the other.

use std::time::Duration;

use mach::proto::{NamedRight, Payload};
use mach::{Outgoing, ReceiveRight, SendRight, Task};
use mach_tests::processes::Nodes;

const SOON: Duration = Duration::from_secs(10);

/// Two tasks of one node, and a port by which the second gets what the first sends.
pub struct Pair {
    pub nodes: Nodes,
    pub sender: Task,
    pub receiver: Task,
    pub port: ReceiveRight,
    pub right: SendRight,
}

impl Pair {
    /// On the first of some nodes.
    pub fn on(nodes: Nodes) -> Pair {
        let (sender, receiver) = (nodes.task(1), nodes.task(1));
        let port = ReceiveRight::allocate(&receiver).expect("a port");
        receiver.check_in("receiver", NamedRight::NULL, port.made_send()).expect("the name is free");
        let right = sender.look_up("receiver", "").expect("the name is known");
        Pair { nodes, sender, receiver, port, right }
    }

    /// Sends a copy of memory, and what the receiver gets.
    pub fn pass(&self, copy: Payload) -> Payload {
        Outgoing::new(&self.right, 7).memory(copy).send(&self.sender).expect("room in the queue");
        let mut items = self.port.receive(Some(SOON)).expect("a message").items().expect("typed");
        items.memory().expect("memory")
    }
}
