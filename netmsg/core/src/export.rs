//! The rights that one peer was given: its entries, and what has gone out and come back under each.

use std::collections::BTreeMap;

use proto::{PortName, limits::LINK_RIGHTS_MAX};

use crate::codec::Content;
use crate::link::Load;
use crate::order::Arrivals;
use crate::{ExportId, Ticket};

/// One entry.
#[derive(Debug)]
pub(crate) enum Export {
    /// A send-once right, held under this name until the peer uses it, gives it back or releases it.
    Once(PortName),
    /// A send right.
    Send(Box<SendExport>),
}

/// A send right that the peer holds.
#[derive(Debug)]
pub(crate) struct SendExport {
    /// The send right, of which the entry owns one reference unless it is permanent.
    pub(crate) name: PortName,
    /// The name server's entry: granted without a frame, never released.
    pub(crate) permanent: bool,
    /// How many times it was granted.
    pub(crate) granted: u64,
    /// How many times the peer gave it back as `yours`.
    pub(crate) returned: u64,
    /// The peer's messages to it.
    pub(crate) arrivals: Arrivals<Content>,
    /// The send that waits at the port, if one does.
    pub(crate) ticket: Option<Ticket>,
    /// Out-of-line bytes of the messages that wait for their turn or at the port.
    pub(crate) pending_bytes: usize,
    /// The peer's last release that was not overtaken by a grant.
    pub(crate) release: Option<Release>,
}

/// What a peer said when it gave a right up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Release {
    /// Messages it has sent.
    pub(crate) sent: u64,
    /// Times it gave the right back.
    pub(crate) returned: u64,
}

impl SendExport {
    /// An entry for `name`, granted once.
    pub(crate) fn new(name: PortName, permanent: bool) -> SendExport {
        let arrivals = Arrivals::default();
        let (ticket, release) = (None, None);
        SendExport { name, permanent, granted: 1, returned: 0, arrivals, ticket, pending_bytes: 0, release }
    }

    /// What has arrived and is not in the queue.
    pub(crate) fn pending(&self) -> Load {
        Load { messages: self.arrivals.pending(), bytes: self.pending_bytes }
    }

    /// Whether everything that the peer sent before its release has arrived.
    pub(crate) fn is_settled(&self) -> bool {
        self.release.is_some_and(|r| self.arrivals.through() >= r.sent && self.returned >= r.returned)
    }
}

/// All entries of one link.
#[derive(Debug)]
pub(crate) struct Exports {
    entries: BTreeMap<ExportId, Export>,
    /// The entry of each send right.
    by_name: BTreeMap<PortName, ExportId>,
    /// The next id; every one below was used.
    next: u64,
}

impl Exports {
    /// A table whose first entry is the name server's port, if there is one.
    pub(crate) fn new(name_server: Option<PortName>) -> Exports {
        let mut table = Exports { entries: BTreeMap::new(), by_name: BTreeMap::new(), next: ExportId::NAME_SERVER.0 };
        match name_server {
            Some(name) => {
                table.insert_send(SendExport::new(name, true));
            }
            None => table.next += 1,
        }
        table
    }

    /// Whether there is no room for another entry.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= LINK_RIGHTS_MAX
    }

    /// Whether the id was ever given out.
    pub(crate) fn was_granted(&self, id: ExportId) -> bool {
        id.0 != 0 && id.0 < self.next
    }

    /// Adds a send right.
    pub(crate) fn insert_send(&mut self, export: SendExport) -> ExportId {
        let name = export.name;
        let id = self.insert(Export::Send(Box::new(export)));
        self.by_name.insert(name, id);
        id
    }

    /// Adds a send-once right.
    pub(crate) fn insert_once(&mut self, name: PortName) -> ExportId {
        self.insert(Export::Once(name))
    }

    fn insert(&mut self, export: Export) -> ExportId {
        let id = ExportId(self.next);
        self.next += 1;
        self.entries.insert(id, export);
        id
    }

    /// The entry of a send right.
    pub(crate) fn find(&self, name: PortName) -> Option<ExportId> {
        self.by_name.get(&name).copied()
    }

    pub(crate) fn get(&self, id: ExportId) -> Option<&Export> {
        self.entries.get(&id)
    }

    /// The entry, if it is a send right that still stands.
    pub(crate) fn send_mut(&mut self, id: ExportId) -> Option<&mut SendExport> {
        match self.entries.get_mut(&id) {
            Some(Export::Send(export)) => Some(export),
            _ => None,
        }
    }

    /// Takes an entry out for good.
    pub(crate) fn remove(&mut self, id: ExportId) -> Option<Export> {
        let export = self.entries.remove(&id)?;
        if let Export::Send(send) = &export {
            self.by_name.remove(&send.name);
        }
        Some(export)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ExportId, &Export)> {
        self.entries.iter().map(|(id, e)| (*id, e))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Asserts that every send right is found by its name, and by nothing else.
    pub(crate) fn check(&self) {
        let sends = self.entries.iter().filter_map(|(id, e)| match e {
            Export::Send(send) => Some((send.name, *id)),
            Export::Once(_) => None,
        });
        assert_eq!(self.by_name, sends.collect::<BTreeMap<_, _>>());
        assert!(self.entries.keys().all(|id| self.was_granted(*id)) && self.entries.len() <= LINK_RIGHTS_MAX);
    }
}
