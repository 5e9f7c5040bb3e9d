//! Pollers: who wants to be told, outside any call, whether messages wait.
//!
//! A poller is set on what can be received from, a port or a set, and follows its level: it is ready exactly while a
//! message waits there. It ends where a receiver that waits there would end, and counts as ready from then on, so that
//! whoever looks learns the code from a receive. An in-process server is told in another way, once for its whole space
//! until it has looked ([`Effect::Readable`]), for it always looks everywhere.

use proto::limits::SPACE_POLLERS_MAX;
use proto::{KernReturn, PortName};
use slotmap::new_key_type;

use super::entry::Entry;
use super::mqueue::Source;
use super::port::{PortId, Receiver};
use super::space::SpaceId;
use super::{Effect, Ipc};

new_key_type! {
    /// A poller. Denotes nothing once it has ended; never reused.
    pub struct PollerId;
}

pub(super) struct Poller {
    pub space: SpaceId,
    pub on: Source,
    pub ready: bool,
}

/// What is polled, as [`Ipc::poll`] found it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Polled {
    /// Effects name it.
    pub poller: PollerId,
    /// Whether a message waits now.
    pub ready: bool,
}

impl Ipc {
    /// The poller of a receive right or a port set; it is made at the first call.
    ///
    /// Errors: `InvalidTask`, `InvalidName`; `InvalidRight` neither a receive right nor a set; `AlreadyInSet` the port is
    /// a member of a set, which is what can be polled; `ResourceShortage` the space has [`SPACE_POLLERS_MAX`].
    /// Source: spec [ipc.poll.1].
    pub fn poll(&mut self, space: SpaceId, name: PortName) -> Result<Polled, KernReturn> {
        let on = match self.named(space, name)? {
            Entry::Set(set) => Source::Set(set),
            Entry::Port { port, receive: true, .. } if self.ports[port].set.is_some() => {
                return Err(KernReturn::AlreadyInSet);
            }
            Entry::Port { port, receive: true, .. } => Source::Port(port),
            _ => return Err(KernReturn::InvalidRight),
        };
        if let Some(poller) = self.poller_of(on) {
            return Ok(Polled { poller, ready: self.pollers[poller].ready });
        }
        if self.spaces[space].pollers >= SPACE_POLLERS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        let ready = self.next_message(on).is_some();
        let poller = self.pollers.insert(Poller { space, on, ready });
        self.spaces[space].pollers += 1;
        *self.poller_slot(on) = Some(poller);
        Ok(Polled { poller, ready })
    }

    /// Ends a poller that nobody looks at any more, without an effect. One that has ended is left alone.
    pub fn unpoll(&mut self, poller: PollerId) {
        let Some(Poller { space, on, .. }) = self.pollers.remove(poller) else { return };
        *self.poller_slot(on) = None;
        self.spaces[space].pollers -= 1;
    }

    /// Messages came to a port, or their receive right to a space: tells whoever wants to know. [ipc.readable.1]
    pub(super) fn announce(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        let Receiver::Space { space, .. } = self.ports[port].receiver else { return };
        let s = &mut self.spaces[space];
        if s.in_process && !s.readable {
            s.readable = true;
            fx.push(Effect::Readable(space));
        }
        self.level_of_port(port, fx);
    }

    /// Tells the poller of a port, or of the set that the port is in, when its level has changed. [ipc.poll.2]
    pub(super) fn level_of_port(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        let on = self.ports[port].set.map_or(Source::Port(port), Source::Set);
        self.level(on, fx);
    }

    /// As [`Ipc::level_of_port`], for what can be received from.
    pub(super) fn level(&mut self, on: Source, fx: &mut Vec<Effect>) {
        let Some(poller) = self.poller_of(on) else { return };
        let ready = self.next_message(on).is_some();
        let p = &mut self.pollers[poller];
        if p.ready != ready {
            p.ready = ready;
            fx.push(Effect::Level { poller, ready });
        }
    }

    /// Ends the poller of `on`, for good. [ipc.poll.3]
    pub(super) fn end_poller(&mut self, on: Source, fx: &mut Vec<Effect>) {
        if let Some(poller) = self.poller_of(on) {
            self.unpoll(poller);
            fx.push(Effect::PollerEnded(poller));
        }
    }

    pub(super) fn poller_of(&self, on: Source) -> Option<PollerId> {
        match on {
            Source::Port(port) => self.ports[port].poller,
            Source::Set(set) => self.psets[set].poller,
        }
    }

    fn poller_slot(&mut self, on: Source) -> &mut Option<PollerId> {
        match on {
            Source::Port(port) => &mut self.ports[port].poller,
            Source::Set(set) => &mut self.psets[set].poller,
        }
    }
}
