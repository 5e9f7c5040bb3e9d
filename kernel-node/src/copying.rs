//! Answers that wait until memory is copied for their task, off the thread that serves faults.

use proto::wire::trap::Answer;
use proto::{Message, NamedRight};
use sys::SysError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::channel::ChannelId;
use crate::frozen::{Copied, CopyJob};

/// An answer whose memory is copied.
pub struct CopyDone {
    /// To whom.
    pub channel: ChannelId,
    /// The answer.
    pub answer: Answer,
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
    pub fn start(&self, channel: ChannelId, answer: Answer, message: Message<NamedRight>, job: CopyJob) {
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            // The node may have ended meanwhile; then nobody waits.
            let _ = done.send(CopyDone { channel, answer, message, copied: job.run() });
        });
    }
}
