//! The names of one node: which port each is bound to, and whose signature may change that.

use std::collections::BTreeMap;

use proto::limits::{NETNAME_BINDINGS_MAX, NETNAME_MAX};
use proto::{KernReturn, PortName};

/// What a name is bound to. Both are send rights of the server's space; the signature may be `NULL`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Binding {
    pub(crate) port: PortName,
    pub(crate) signature: PortName,
}

/// The bindings of one node. Owns no rights: what it gives back, the caller gives up.
#[derive(Default, Debug)]
pub(crate) struct Table(BTreeMap<String, Binding>);

impl Table {
    /// Binds a name; returns the binding it replaces.
    ///
    /// Errors: `InvalidArgument` the name is empty or longer than `NETNAME_MAX`; `NameNotYours` it is bound with another
    /// signature; `ResourceShortage` too many names.
    /// Source: spec [netmsg.name.1], [netmsg.name.2]; mach-api §5.2.
    pub(crate) fn check_in(&mut self, name: String, binding: Binding) -> Result<Option<Binding>, KernReturn> {
        if name.is_empty() || name.len() > NETNAME_MAX {
            return Err(KernReturn::InvalidArgument);
        }
        match self.0.get(&name) {
            Some(old) if old.signature != binding.signature => return Err(KernReturn::NameNotYours),
            None if self.0.len() >= NETNAME_BINDINGS_MAX => return Err(KernReturn::ResourceShortage),
            _ => {}
        }
        Ok(self.0.insert(name, binding))
    }

    /// Unbinds a name.
    ///
    /// Errors: `NameNotCheckedIn`; `NameNotYours`. Source: spec [netmsg.name.3].
    pub(crate) fn check_out(&mut self, name: &str, signature: PortName) -> Result<Binding, KernReturn> {
        match self.0.get(name) {
            None => Err(KernReturn::NameNotCheckedIn),
            Some(old) if old.signature != signature => Err(KernReturn::NameNotYours),
            Some(_) => self.0.remove(name).ok_or(KernReturn::NameNotCheckedIn),
        }
    }

    /// The port bound to a name.
    ///
    /// Errors: `NameNotCheckedIn`.
    pub(crate) fn look_up(&self, name: &str) -> Result<PortName, KernReturn> {
        self.0.get(name).map(|b| b.port).ok_or(KernReturn::NameNotCheckedIn)
    }

    /// Unbinds every name whose port or signature has died, and returns what they were bound to.
    pub(crate) fn died(&mut self, dead: PortName) -> Vec<Binding> {
        let dead_binding = |b: &Binding| b.port == dead || b.signature == dead;
        let gone: Vec<_> = self.0.values().copied().filter(dead_binding).collect();
        self.0.retain(|_, b| !dead_binding(b));
        gone
    }

    /// The names and their ports, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Binding)> {
        self.0.iter().map(|(name, b)| (name.as_str(), *b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Binding = Binding { port: PortName(1), signature: PortName(10) };
    const B: Binding = Binding { port: PortName(2), signature: PortName(20) };

    #[test]
    fn netmsg_name_1_a_name_is_replaced_by_its_own_signature_only() {
        let mut t = Table::default();
        assert_eq!(t.check_in("disk".into(), A), Ok(None));
        assert_eq!(t.check_in("disk".into(), B), Err(KernReturn::NameNotYours));
        let again = Binding { port: B.port, ..A };
        assert_eq!(t.check_in("disk".into(), again), Ok(Some(A)));
        assert_eq!(t.look_up("disk"), Ok(B.port));
    }

    #[test]
    fn netmsg_name_2_names_and_their_number_are_bounded() {
        let mut t = Table::default();
        assert_eq!(t.check_in(String::new(), A), Err(KernReturn::InvalidArgument));
        assert_eq!(t.check_in("x".repeat(NETNAME_MAX + 1), A), Err(KernReturn::InvalidArgument));
        for i in 0..NETNAME_BINDINGS_MAX {
            t.check_in(format!("{i:0>79}"), A).unwrap();
        }
        assert_eq!(t.check_in("one more".into(), A), Err(KernReturn::ResourceShortage));
        assert!(t.check_in(format!("{:0>79}", 7), A).is_ok(), "a replacement needs no room");
    }

    #[test]
    fn netmsg_name_3_a_name_is_checked_out_with_its_signature() {
        let mut t = Table::default();
        t.check_in("disk".into(), A).unwrap();
        assert_eq!(t.check_out("disk", B.signature), Err(KernReturn::NameNotYours));
        assert_eq!(t.check_out("tape", A.signature), Err(KernReturn::NameNotCheckedIn));
        assert_eq!(t.check_out("disk", A.signature), Ok(A));
        assert_eq!(t.look_up("disk"), Err(KernReturn::NameNotCheckedIn));
    }

    #[test]
    fn netmsg_name_4_the_death_of_either_port_unbinds() {
        let mut t = Table::default();
        t.check_in("a".into(), A).unwrap();
        t.check_in("b".into(), B).unwrap();
        t.check_in("c".into(), Binding { port: PortName(3), ..A }).unwrap();
        assert_eq!(t.died(A.signature), [A, Binding { port: PortName(3), ..A }]);
        assert_eq!(t.died(B.port), [B]);
        assert_eq!(t.iter().count(), 0);
    }
}
