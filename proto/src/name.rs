//! Names of ports and nodes. Each number that could be taken for another has a type of its own.

use std::fmt;

/// A task's name for a right: meaningful only together with the space it is a name in.
///
/// `NULL` and `DEAD` are never allocated. Source: mach-api §1.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PortName(pub u32);

impl PortName {
    /// No port (`MACH_PORT_NULL`).
    pub const NULL: PortName = PortName(0);
    /// A right whose port died on the way (`MACH_PORT_DEAD`).
    pub const DEAD: PortName = PortName(u32::MAX);

    /// Whether the name can denote an entry of a space, i.e. is neither `NULL` nor `DEAD`.
    pub fn is_valid(self) -> bool {
        self != Self::NULL && self != Self::DEAD
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NULL => f.write_str("NULL"),
            Self::DEAD => f.write_str("DEAD"),
            PortName(n) => write!(f, "{n:#x}"),
        }
    }
}

/// What people call a node: the subject of its certificate, unique in its cluster.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeName(String);

impl NodeName {
    /// Accepts 1 to 63 characters of `[a-z0-9-]`, as a DNS label, since it also stands in a certificate.
    pub fn new(name: &str) -> Option<NodeName> {
        let ok = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        ok.then(|| NodeName(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One life of a node. A node that was declared dead comes back only under another incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Incarnation(pub u64);

/// A port's identity in the whole cluster: who made it, and its number there. Fixed for the life of the port.
///
/// Source: DIPC's uid, mach-api §5.6, with the origin's incarnation in place of its node number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PortUid {
    /// The incarnation of the node that allocated the port.
    pub origin: Incarnation,
    /// Counts up from 1 at the origin.
    pub serial: u64,
}
