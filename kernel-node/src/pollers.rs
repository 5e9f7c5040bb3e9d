//! Descriptors that tell a task's own event loop that messages wait.
//!
//! Each poller of the kernel's has a [`Level`] here: the node raises and lowers it as the kernel says, and the task waits
//! on the other end with poll(2), epoll(7) or a runtime. Dropping the level leaves the task's end readable for ever, as
//! does the death of the node: nobody waits for what can no longer happen. [ipc.poll.2] [ipc.poll.3]

use std::collections::BTreeMap;
use std::rc::Rc;

use kernel_core::ipc::{Polled, PollerId, SpaceId};
use proto::wire::trap::Answer;
use proto::{KernReturn, PortName};
use sys::Level;

use crate::channel::{ChannelError, ChannelId, With};
use crate::node::Node;

/// The levels of a node, by poller.
pub(crate) type Levels = BTreeMap<PollerId, Level>;

impl Node {
    /// Answers with the descriptor of a receive right or a port set.
    ///
    /// Errors: the connection is to be ended. What the kernel refuses is answered.
    pub(crate) fn poll(
        &mut self,
        channel: ChannelId,
        space: SpaceId,
        ticket: u64,
        name: PortName,
    ) -> Result<(), ChannelError> {
        let watched = self.kernel.ipc.poll(space, name).and_then(|polled| self.watched_end(polled));
        let Some(connection) = self.connections.get_mut(&channel) else { return Ok(()) };
        match watched {
            Ok(fd) => connection.answer(Answer { ticket, ..Answer::default() }, With::Descriptor(Rc::new(fd))),
            Err(code) => connection.answer(Answer { ticket, result: code.raw(), ..Answer::default() }, With::Nothing),
        }
    }

    /// The task's end of a poller's level, which is made if the poller is new.
    fn watched_end(&mut self, Polled { poller, ready }: Polled) -> Result<std::os::fd::OwnedFd, KernReturn> {
        let end = self.levels.get(&poller).map(|level| level.watched().try_clone_to_owned());
        if let Some(end) = end {
            return end.map_err(|_| KernReturn::ResourceShortage);
        }
        let made = Level::new().ok().and_then(|level| Some((level.watched().try_clone_to_owned().ok()?, level)));
        let Some((end, mut level)) = made else {
            tracing::warn!("no descriptor is left for a task that wants to poll");
            self.kernel.ipc.unpoll(poller);
            return Err(KernReturn::ResourceShortage);
        };
        level.set(ready);
        self.levels.insert(poller, level);
        Ok(end)
    }

    /// Messages wait, or none waits any more.
    pub(crate) fn level(&mut self, poller: PollerId, ready: bool) {
        if let Some(level) = self.levels.get_mut(&poller) {
            level.set(ready);
        }
    }
}
