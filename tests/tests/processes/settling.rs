//! Much memory is sealed while its sender goes on: what is done with it before that.

use std::time::Duration;

use mach::proto::iface::task as idl;
use mach::proto::{NamedRight, Payload};
use mach::{Mapping, Outgoing, ReceiveRight, SendRight, Task};
use mach_tests::processes::Nodes;

use crate::{PAGE, contents};

const SOON: Duration = Duration::from_secs(20);
/// So much that it is not sealed at once.
const BYTES: usize = 32 << 20;

/// A task, and a port of it that others send memory to.
struct Receiver {
    task: Task,
    port: ReceiveRight,
}

impl Receiver {
    fn new(nodes: &Nodes, number: usize, name: &str) -> Receiver {
        let task = nodes.task(number);
        let port = ReceiveRight::allocate(&task).expect("a port");
        task.check_in(name, NamedRight::NULL, port.made_send()).expect("the name is free");
        Receiver { task, port }
    }

    fn take(&self) -> Payload {
        let message = self.port.receive(Some(SOON)).expect("a message");
        message.items().expect("typed").memory().expect("memory")
    }
}

fn send(from: &Task, to: &SendRight, copy: Payload) {
    Outgoing::new(to, 7).memory(copy).send(from).expect("room in the queue");
}

/// Fresh memory, which is frozen when it is sent for the first time.
fn filled(task: &Task, bytes: &[u8]) -> Mapping {
    let memory = task.allocate(bytes.len() as u64).expect("memory");
    memory.write_at(0, bytes).expect("its own");
    memory
}

fn copy_of(task: &Task, memory: &Mapping) -> Payload {
    task.freeze(memory.address(), memory.len()).expect("a copy")
}

#[test]
fn vm_copy_9_what_is_done_before_the_seal_changes_nothing_of_what_was_sent() {
    let nodes = Nodes::start(1);
    let sender = nodes.task(1);
    let receiver = Receiver::new(&nodes, 1, "receiver");
    let to = sender.look_up("receiver", "").expect("it is checked in");
    let bytes = contents(BYTES);
    for round in 0..8u8 {
        let memory = filled(&sender, &bytes);
        send(&sender, &to, copy_of(&sender, &memory));
        // Written to, sent again, mapped by the sender itself, and given up, all at once.
        memory.write_at(5 * PAGE as u64, &[round; 9]).expect("its own");
        let again = copy_of(&sender, &memory);
        send(&sender, &to, again.clone());
        let own = sender.map_frozen(&again, None).expect("room");
        drop(memory);
        let mut changed = bytes.clone();
        changed[5 * PAGE..5 * PAGE + 9].fill(round);
        let (first, second) = (receiver.take(), receiver.take());
        assert!(first.to_bytes() == bytes && second.to_bytes() == changed, "round {round}");
        assert_eq!((first.held_bytes(), second.held_bytes()), (0, PAGE), "round {round}: but for one page");
        let mapped = receiver.task.map_frozen(&second, None).expect("room");
        let mut seen = vec![0; BYTES];
        for copy in [&own, &mapped] {
            copy.read_at(0, &mut seen).expect("it is mapped");
            assert!(seen == changed, "round {round}");
        }
    }
}

#[test]
fn vm_copy_9_the_kernel_and_other_nodes_get_it_sealed() {
    let nodes = Nodes::start(2);
    let sender = nodes.task(1);
    let far = Receiver::new(&nodes, 2, "far");
    let to = sender.look_up("far", "*").expect("it is checked in");
    let bytes = contents(BYTES);
    // To another node.
    let memory = filled(&sender, &bytes);
    send(&sender, &to, copy_of(&sender, &memory));
    memory.write_at(0, b"later").expect("its own");
    assert!(far.take().to_bytes() == bytes);
    // To the kernel, which writes it to the memory of a task.
    let target = sender.allocate(BYTES as u64).expect("memory");
    let memory = filled(&sender, &bytes);
    let data = copy_of(&sender, &memory);
    sender.rpc(&sender.task_self(), idl::VmWrite { address: target.address(), data }).expect("it is writable");
    let mut seen = vec![0; BYTES];
    target.read_at(0, &mut seen).expect("its own");
    assert!(seen == bytes);
    // By the kernel, which had it read for another task.
    let memory = filled(&sender, &bytes);
    let own = NamedRight::copy_send(sender.task_self());
    sender.check_in("sender", own, own).expect("the name is free");
    let port = far.task.look_up("sender", "*").expect("it is checked in");
    let read = idl::VmRead { address: memory.address(), size: memory.len() };
    assert!(far.task.rpc(&port, read).expect("all of it").data.to_bytes() == bytes);
}
