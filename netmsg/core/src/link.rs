//! One link: who is at the other end, and the two tables of rights.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use proto::limits::{LINK_BYTES_MAX, LINK_REORDER_MAX};
use proto::wire::link::{Delivered, frame};
use proto::{Incarnation, NodeName, PortName, PortUid};

use crate::codec::Content;
use crate::export::{Export, Exports};
use crate::import::{Holding, Import, SendImport};
use crate::netmsg::Tables;
use crate::space::release_received;
use crate::{Cx, PortSpace};

/// Names one connection to one peer. Chosen by the shell, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// An entry of a link's export table: the home's number, used by both sides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExportId(pub u64);

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ExportId {
    /// The name server port of the node, on every link.
    pub const NAME_SERVER: ExportId = ExportId(1);
}

/// Who is at the other end, as its certificate and its hello say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its name.
    pub node: NodeName,
    /// Its life.
    pub incarnation: Incarnation,
}

/// An export as operators and tests see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExportInfo {
    /// The entry.
    pub export: ExportId,
    /// The right, as a name in netmsg's space.
    pub name: PortName,
    /// A send-once right.
    pub once: bool,
    /// Times it was granted.
    pub granted: u64,
    /// Times it came back.
    pub returned: u64,
    /// Messages taken into the port's queue.
    pub taken: u64,
    /// Messages that arrived and are not in the queue.
    pub pending: usize,
}

/// An import as operators and tests see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportInfo {
    /// The peer's entry.
    pub export: ExportId,
    /// The proxy, as a name in netmsg's space; `None` while a release or a grant is under way.
    pub proxy: Option<PortName>,
    /// A send-once right.
    pub once: bool,
    /// What the peer says the port is: for people, nothing is decided on it.
    pub home: PortUid,
    /// Grants seen.
    pub granted: u64,
    /// Times it was given back.
    pub returned: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages sent and not acknowledged.
    pub under_way: u64,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) peer: Peer,
    pub(crate) exports: Exports,
    pub(crate) imports: BTreeMap<ExportId, Import>,
    /// Messages to all imports that are not acknowledged, and their out-of-line bytes.
    pub(crate) under_way: Load,
    /// Imports that hold a message back, in the order in which they began to.
    pub(crate) stalled: Vec<ExportId>,
    /// Messages to all exports that arrived and are not in their queue, and their out-of-line bytes.
    pub(crate) pending: Load,
    /// Exports with messages taken that the peer has not been told of.
    pub(crate) unacknowledged: BTreeSet<ExportId>,
    /// Exports with messages whose turn it is, while the node has no room for them.
    pub(crate) starved: BTreeSet<ExportId>,
    /// The same for send-once rights, which have left their entries.
    pub(crate) starved_once: VecDeque<(PortName, Content)>,
}

/// A number of messages, and what they weigh.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    /// Out-of-line bytes.
    pub(crate) bytes: usize,
}

impl Load {
    /// One message of so many bytes.
    pub(crate) fn one(bytes: usize) -> Load {
        Load { messages: 1, bytes }
    }
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, more: Load) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

impl std::ops::SubAssign for Load {
    fn sub_assign(&mut self, less: Load) {
        self.messages -= less.messages;
        self.bytes -= less.bytes;
    }
}

impl Link {
    /// A link on which each side knows the other's name server and nothing else.
    pub(crate) fn new(id: LinkId, peer: Peer, name_server: Option<PortName>) -> Link {
        Link {
            id,
            peer,
            exports: Exports::new(name_server),
            imports: BTreeMap::new(),
            under_way: Load::default(),
            stalled: Vec::new(),
            pending: Load::default(),
            unacknowledged: BTreeSet::new(),
            starved: BTreeSet::new(),
            starved_once: VecDeque::new(),
        }
    }

    /// The import, if it is a send right.
    pub(crate) fn send_import(&mut self, export: ExportId) -> Option<&mut SendImport> {
        match self.imports.get_mut(&export) {
            Some(Import::Send(import)) => Some(import),
            _ => None,
        }
    }

    /// Whether [`acknowledge_all`](Self::acknowledge_all) or [`feed`](Self::feed) has anything to do.
    pub(crate) fn wants_flush(&self) -> bool {
        !(self.unacknowledged.is_empty() && self.starved.is_empty() && self.starved_once.is_empty())
    }

    /// Tells the peer of every message that was taken and not yet acknowledged.
    pub(crate) fn acknowledge_all(&mut self, cx: &mut Cx<'_>) {
        for export in std::mem::take(&mut self.unacknowledged) {
            if let Some(entry) = self.exports.send_mut(export) {
                let through = entry.arrivals.acknowledge();
                cx.frame(self.id, frame::Kind::Delivered(Delivered { export: export.0, through }));
            }
        }
    }

    /// Gives up everything the link stood for: proxies die, rights that the peer held are dropped.
    pub(crate) fn end(self, t: &mut Tables, space: &mut dyn PortSpace) {
        for import in self.imports.into_values() {
            match import {
                Import::Once { proxy, local, .. } => t.destroy_once(space, proxy, local),
                Import::Send(import) => end_import(*import, t, space),
            }
        }
        for (name, _) in self.starved_once {
            space.deallocate(name);
        }
        let ids: Vec<_> = self.exports.iter().map(|(id, _)| id).collect();
        let mut exports = self.exports;
        for export in ids.into_iter().filter_map(|id| exports.remove(id)) {
            match export {
                Export::Once(name) => space.deallocate(name),
                Export::Send(export) => {
                    if let Some(ticket) = export.ticket {
                        t.tickets.remove(&ticket);
                    }
                    if !export.permanent {
                        t.watches.let_go(space, export.name);
                    }
                }
            }
        }
    }

    pub(crate) fn export_infos(&self) -> impl Iterator<Item = ExportInfo> + '_ {
        self.exports.iter().map(|(export, entry)| match entry {
            Export::Once(name) => {
                ExportInfo { export, name: *name, once: true, granted: 1, returned: 0, taken: 0, pending: 0 }
            }
            Export::Send(e) => ExportInfo {
                export,
                name: e.name,
                once: false,
                granted: e.granted,
                returned: e.returned,
                taken: e.arrivals.through(),
                pending: e.pending().messages,
            },
        })
    }

    pub(crate) fn import_infos(&self) -> impl Iterator<Item = ImportInfo> + '_ {
        self.imports.iter().map(|(export, entry)| match entry {
            Import::Once { proxy, home, .. } => ImportInfo {
                export: *export,
                proxy: Some(*proxy),
                once: true,
                home: *home,
                granted: 1,
                returned: 0,
                sent: 0,
                under_way: 0,
            },
            Import::Send(i) => ImportInfo {
                export: *export,
                proxy: i.proxy(),
                once: false,
                home: i.home,
                granted: i.seen,
                returned: i.returned,
                sent: i.departures.sent(),
                under_way: i.departures.under_way() as u64,
            },
        })
    }

    /// Asserts what must hold of the link by itself.
    pub(crate) fn check(&self) {
        self.exports.check();
        let mut pending = Load::default();
        let mut under_way = Load::default();
        for (_, entry) in self.exports.iter() {
            if let Export::Send(entry) = entry {
                pending += entry.pending();
            }
        }
        assert_eq!(self.pending, pending, "messages waiting");
        assert!(pending.messages <= LINK_REORDER_MAX + self.exports.len() && pending.bytes <= LINK_BYTES_MAX);
        for import in self.imports.values() {
            let Import::Send(i) = import else { continue };
            under_way += i.departures.load();
            assert!(i.held.is_empty() || i.paused, "a message is held and its proxy is open");
            assert!(i.proxy().is_some() || (i.held.is_empty() && !i.paused), "held for nobody");
            assert!(!matches!(i.holding, Holding::Dead(n) if n <= i.seen), "a dead entry waits for no grant");
        }
        assert_eq!(self.under_way, under_way, "messages under way");
        let holds = |i: &Import| matches!(i, Import::Send(i) if !i.held.is_empty());
        let held: BTreeSet<_> = self.imports.iter().filter(|(_, i)| holds(i)).map(|(id, _)| *id).collect();
        assert_eq!((held.len(), held), (self.stalled.len(), self.stalled.iter().copied().collect()), "stalled");
    }
}

/// Ends an import: its proxy dies, what was held back is dropped.
pub(crate) fn end_import(import: SendImport, t: &mut Tables, space: &mut dyn PortSpace) {
    if let Holding::Live(proxy) = import.holding {
        t.destroy_proxy(space, proxy);
    }
    import.held.into_iter().for_each(|m| release_received(space, m));
}
