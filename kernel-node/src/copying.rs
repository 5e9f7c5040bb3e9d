//! Answers that wait until memory is copied for their task, and calls that wait until what they send is sealed, off the thread
//! that serves faults.

use kernel_core::TaskId;
use kernel_core::ipc::SpaceId;
use proto::wire::trap::{Answer, Msg};
use proto::{Message, NamedRight};
use sys::SysError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::admission::{Copied, CopyJob};
use crate::channel::ChannelId;

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

/// Memory that is copied, or sealed, for whom it was wanted.
pub struct CopyDone {
    /// To or from whom.
    pub channel: ChannelId,
    /// What is to go on.
    pub waited: Waited,
    /// Its message, which the copies are to be put in.
    pub message: Message<NamedRight>,
    /// The copies.
    pub copied: Result<Copied, SysError>,
}

/// The copying that is under way: of each thread that waits for an answer at most one.
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
    pub fn start(&self, channel: ChannelId, waited: Waited, message: Message<NamedRight>, job: CopyJob) {
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            // The node may have ended meanwhile; then nobody waits.
            let _ = done.send(CopyDone { channel, waited, message, copied: job.run() });
        });
    }
}
