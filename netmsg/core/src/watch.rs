//! Names of send rights whose port's death a server wants to hear of.
//!
//! Mach keeps one dead-name request to a name; a server may hold the same name for several reasons. This counts them: one
//! request while there is any, and one user reference to each reason.

use std::collections::BTreeMap;

use proto::iface::notify;
use proto::{Message, NamedRight, PortName, SimpleRoutine};

use crate::PortSpace;

/// How many reasons a server has to hold each name.
#[derive(Default, Debug)]
pub(crate) struct Watches(BTreeMap<PortName, u32>);

impl Watches {
    /// One more reason; the caller's user reference now belongs to it. The first one arms the request.
    pub(crate) fn hold(&mut self, space: &mut dyn PortSpace, name: PortName, notify: PortName) {
        let holders = self.0.entry(name).or_insert(0);
        *holders += 1;
        if *holders == 1 {
            space.request_dead_name(name, notify);
        }
    }

    /// One reason less; its user reference is given up.
    pub(crate) fn let_go(&mut self, space: &mut dyn PortSpace, name: PortName) {
        if let Some(holders) = self.0.get_mut(&name) {
            *holders -= 1;
            if *holders == 0 {
                self.0.remove(&name);
            }
        }
        space.deallocate(name);
    }

    /// Names and the number of reasons to hold each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PortName, u32)> + '_ {
        self.0.iter().map(|(n, c)| (*n, *c))
    }
}

/// The name in a dead-name notification; `None` when the message is none.
pub(crate) fn dead_name(message: &Message<NamedRight>) -> Option<PortName> {
    let is_one = message.id == notify::id::DEAD_NAME;
    let notice = is_one.then(|| notify::DeadName::from_body(message.body.clone()))?;
    notice.ok().map(|notice| PortName(notice.name))
}
