//! Mach ports of one node: spaces, rights, ports, queues, messages and notifications. Knows nothing of memory.
//!
//! One [`Ipc`] holds everything; all else is an id into it. A call takes what it needs, changes the state, pushes
//! [`Effect`]s for what has to happen outside, and returns; nothing here reads a clock, sleeps or allocates an id by
//! chance. A task, an in-process server and the kernel itself all go through the same few moves of `right`.
//!
//! Invariants (each verified by [`Ipc::check`]):
//! 1. For each port: its send (send-once) rights = entries that hold one + those in queued or blocked messages, in the
//!    kernel's inbox, in notification requests, and in the kernel's hands.
//! 2. Each port has one receive right: in one space, with the kernel, in one message, or in the kernel's hands.
//! 3. A space has at most one name for the send and receive rights of a port, and finds it by the port.
//! 4. Where a receiver waits no message waits; where a sender is blocked the queue is full.
//! 5. Every message of a member's queue is in its set's queue, in the same order.
//! 6. A lane's names, ports and reserved slot are as when it was made; who has a lease is the only receiver of its port.
//! 7. Between calls the list of deferred work is empty: nothing recurses, whatever a death brings with it.
//!
//! Rules carried out: `docs/spec/ipc.md`, all.

mod accept;
mod check;
mod effect;
mod entry;
mod header;
mod inspect;
mod kernel;
mod kmsg;
mod lane;
mod list;
mod mach_msg;
mod mach_port;
mod mqueue;
mod notify;
mod poll;
mod port;
mod pset;
mod right;
mod space;
mod status;

use std::collections::{BTreeMap, VecDeque};

use proto::Incarnation;
use slotmap::SlotMap;

pub use effect::{
    Cancelled, Cut, Delivery, Effect, ReceiveError, ReceiveOptions, ReceiveOutcome, SendError, SendOptions,
    SendOutcome, Wait, WaiterId,
};
pub use inspect::{Denoted, NameInfo, PortInfo, PortState, QueuedMessage, ReceiverKind};
pub use kernel::{KernelMessage, KernelTag};
pub use lane::{AnswerCount, LaneEnds, LaneId, LaneMemory, LeaseEnd, LeaseMemory, Opened};
pub use notify::NotificationKind;
pub use poll::{Polled, PollerId};
pub use port::PortId;
pub use right::Right;
pub use space::SpaceId;
pub use status::ReceiveStatus;

use kmsg::{Kmsg, KmsgId};
use lane::Lanes;
use mqueue::{Receiving, ReceivingId, Waiting};
use notify::Notice;
use poll::Poller;
use port::Port;
use pset::{Pset, PsetId};
use space::Space;

/// The ports of one node.
pub struct Ipc {
    incarnation: Incarnation,
    last_serial: u64,
    spaces: SlotMap<SpaceId, Space>,
    ports: SlotMap<PortId, Port>,
    psets: SlotMap<PsetId, Pset>,
    kmsgs: SlotMap<KmsgId, Kmsg>,
    receiving: SlotMap<ReceivingId, Receiving>,
    pollers: SlotMap<PollerId, Poller>,
    waiters: BTreeMap<WaiterId, Waiting>,
    inbox: VecDeque<KernelMessage>,
    work: VecDeque<Work>,
    lanes: Lanes,
    /// What queued and blocked messages cost together; see [`kmsg::cost`].
    queued_bytes: usize,
    /// Requests beside messages that were forced into full queues.
    accept_requests: usize,
}

/// Something that a call has caused and that is done before it returns: the list that flattens cascades of deaths.
enum Work {
    /// Give up a right, as its holder's death would.
    Release(Right),
    /// Use up a send-once right to `port` with a notification.
    Notify { port: PortId, notice: Notice },
}

impl Ipc {
    /// No spaces and no ports yet. Ports made here carry `incarnation` in their uid.
    pub fn new(incarnation: Incarnation) -> Ipc {
        Ipc {
            incarnation,
            last_serial: 0,
            spaces: SlotMap::with_key(),
            ports: SlotMap::with_key(),
            psets: SlotMap::with_key(),
            kmsgs: SlotMap::with_key(),
            receiving: SlotMap::with_key(),
            pollers: SlotMap::with_key(),
            waiters: BTreeMap::new(),
            inbox: VecDeque::new(),
            work: VecDeque::new(),
            lanes: Lanes::default(),
            queued_bytes: 0,
            accept_requests: 0,
        }
    }

    /// Does the deferred work, first come first served, until none is left. Every public call that can cause some ends here.
    fn settle(&mut self, fx: &mut Vec<Effect>) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Release(Right::Null | Right::Dead) => {}
                Work::Release(Right::Send(port)) => self.send_right_gone(port),
                Work::Release(Right::SendOnce(port)) => self.notify(port, Notice::SendOnce, fx),
                Work::Release(Right::Receive(port)) => self.port_death(port, fx),
                Work::Notify { port, notice } => self.notify(port, notice, fx),
            }
        }
    }

    /// Defers giving up `right`, which is in no message and no entry any more.
    fn defer_release(&mut self, right: Right) {
        if !matches!(right, Right::Null | Right::Dead) {
            self.work.push_back(Work::Release(right));
        }
    }
}
