//! Answers and errands that wait until memory is copied for their task, and calls that wait until what they send is sealed, off
//! the thread that serves faults.

use kernel_core::TaskId;
use kernel_core::ipc::SpaceId;
use kernel_core::vm::{Errand, OrderId};
use proto::wire::trap::{Answer, Msg};
use proto::{KernReturn, Message, MsgReturn, NamedRight, NoRoom, Payload};
use sys::SysError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::admission::{Copied, CopyJob};
use crate::channel::{ChannelId, Role, With};
use crate::node::Node;
use crate::pmap::{Order, OrderKind};

/// What waited for memory.
pub enum Waited {
    /// An answer.
    Answer(Answer),
    /// A `mach_msg` that has not begun.
    Call {
        /// Whose.
        task: TaskId,
        /// Where its names mean something.
        space: SpaceId,
        /// Of the call.
        ticket: u64,
        /// The call without its message.
        call: Msg,
    },
}

/// For whom memory was to be copied, or sealed.
pub enum For {
    /// A message.
    Message {
        /// To or from whom.
        channel: ChannelId,
        /// What is to go on.
        waited: Box<Waited>,
        /// The message, which the copies are to be put in.
        message: Box<Message<NamedRight>>,
    },
    /// An order.
    Errand {
        /// Whose.
        task: TaskId,
        /// Which.
        id: OrderId,
        /// What the copies are to be put in.
        errand: Errand,
    },
}

/// Memory that is copied, or sealed.
pub struct CopyDone {
    /// Who waited.
    pub whose: For,
    /// The copies.
    pub copied: Result<Copied, SysError>,
}

/// The copying that is under way: of each thread that waits for an answer at most one, and of each errand.
#[derive(Debug)]
pub(crate) struct Copying {
    done: UnboundedSender<CopyDone>,
    results: Option<UnboundedReceiver<CopyDone>>,
}

impl Default for Copying {
    fn default() -> Copying {
        let (done, results) = unbounded_channel();
        Copying { done, results: Some(results) }
    }
}

impl Copying {
    /// The results, for the one loop that hands them to [`crate::node::Node::on_copied`].
    pub fn take_results(&mut self) -> Option<UnboundedReceiver<CopyDone>> {
        self.results.take()
    }

    /// Runs a job where it may block.
    pub fn start(&self, whose: For, job: CopyJob) {
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            // The node may have ended meanwhile; then nobody waits.
            let _ = done.send(CopyDone { whose, copied: job.run() });
        });
    }
}

impl Node {
    /// What somebody waited for is copied or sealed, or could not be.
    pub fn on_copied(&mut self, CopyDone { whose, copied }: CopyDone) {
        match whose {
            For::Message { channel, waited, message } => self.message_copied(channel, *waited, *message, copied),
            For::Errand { task, id, errand } => self.errand_copied(task, id, errand, copied),
        }
        self.settle();
    }

    /// A thread for whom it could not be done gets its message without the memory, or cannot send it.
    fn message_copied(
        &mut self,
        channel: ChannelId,
        waited: Waited,
        mut message: Message<NamedRight>,
        copied: Result<Copied, SysError>,
    ) {
        let Some(connection) = self.connections.get_mut(&channel) else { return };
        connection.parked = false;
        let done = match (copied, waited) {
            (Err(error), Waited::Answer(mut answer)) => {
                tracing::warn!(%error, "memory of a message is lost");
                message.body.lose_memory();
                answer.result = match NoRoom::parse(answer.result) {
                    Some((code, short)) if code != MsgReturn::Success => short.and(NoRoom::VM_KERNEL).raw(code),
                    _ => NoRoom::VM_KERNEL.raw(MsgReturn::RcvBodyError),
                };
                connection.answer(answer, With::Message(message))
            }
            (Err(error), Waited::Call { ticket, .. }) => {
                tracing::warn!(%error, "memory of a message could not be sealed");
                connection.last_ticket = ticket;
                self.answer_result(channel, ticket, MsgReturn::SendNoBuffer)
            }
            (Ok(copied), Waited::Answer(answer)) => {
                if let Role::Thread(task) | Role::Agent(task) = connection.role {
                    copied.put(Some(task), message.body.memory_mut());
                }
                connection.answer(answer, With::Message(message))
            }
            (Ok(copied), Waited::Call { task, space, ticket, call }) => {
                connection.last_ticket = ticket;
                copied.put(None, message.body.memory_mut());
                self.caller = Some((task, channel));
                let done = self.mach_msg(channel, space, ticket, &call, Some(message));
                self.caller = None;
                done
            }
        };
        self.end_on_error(channel, done);
    }

    fn errand_copied(&mut self, task: TaskId, id: OrderId, mut errand: Errand, copied: Result<Copied, SysError>) {
        let ready = copied.map_err(|error| {
            tracing::warn!(%error, "memory for a task could not be copied");
            KernReturn::ResourceShortage
        });
        let ordered = ready.and_then(|copied| {
            copied.put(Some(task), memory_of(&mut errand));
            self.order_ready(Order { task, id, what: OrderKind::Errand(errand) })
        });
        if let Err(code) = ordered {
            self.with_kernel(|kernel, cx| kernel.order_done(id, Err(code), cx));
        }
    }
}

/// The memory that an errand brings.
pub(crate) fn memory_of(errand: &mut Errand) -> &mut [Payload] {
    match errand {
        Errand::Write { data, .. } | Errand::Map { data, .. } => std::slice::from_mut(data),
        Errand::Read { .. } | Errand::Copy { .. } | Errand::MapCopy { .. } | Errand::Collect { .. } => &mut [],
    }
}
