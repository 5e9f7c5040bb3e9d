//! Who belongs to the cluster, and which of their lives are over.
//!
//! 1. A life that has ended (declared dead, left, or followed by a newer one) never counts as alive again.
//! 2. At most `NODES_MAX` names are known.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use proto::limits::NODES_MAX;
use proto::{Incarnation, NodeName};
use thiserror::Error;

use crate::link::LinkId;

/// How a node stands in the eyes of this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// It is heard of.
    Alive,
    /// It was not heard of when it should have been; it is declared dead unless somebody hears of it.
    Suspect,
    /// Its life is over.
    Dead,
    /// It went in order.
    Left,
}

/// What is known of another node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberInfo {
    /// Its name.
    pub name: NodeName,
    /// Where it accepts links.
    pub address: SocketAddr,
    /// Its newest known life.
    pub incarnation: Incarnation,
    /// How that life stands.
    pub state: MemberState,
    /// The link to it, if there is one.
    pub link: Option<LinkId>,
    /// Of the link: the smoothed round trip.
    pub rtt: Option<Duration>,
    /// Of the link: the largest datagram that the path carries.
    pub mtu: Option<u16>,
    /// Of the link: UDP payload bytes sent.
    pub bytes_sent: u64,
    /// Of the link: UDP payload bytes received.
    pub bytes_received: u64,
    /// Of the link: frames sent.
    pub frames_sent: u64,
    /// Of the link: frames received.
    pub frames_received: u64,
}

/// Why a node may not come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum NotAdmitted {
    #[error("this incarnation has been declared dead; start a new one")]
    Dead,
    #[error("the cluster has as many nodes as it can have")]
    Full,
    #[error("this node is not part of the cluster any more")]
    Over,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub address: SocketAddr,
    pub incarnation: Incarnation,
    pub state: MemberState,
    /// Whether there was a link to it in this life.
    pub met: bool,
    /// The newest life that is known to be over.
    over: Option<Incarnation>,
}

#[derive(Default, Debug)]
pub(crate) struct Roster {
    members: BTreeMap<NodeName, Member>,
}

impl Roster {
    pub fn get(&self, name: &NodeName) -> Option<&Member> {
        self.members.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&NodeName, &Member)> {
        self.members.iter()
    }

    /// Whether a node may come in under `incarnation`.
    pub fn admits(&self, name: &NodeName, incarnation: Incarnation) -> Result<(), NotAdmitted> {
        match self.members.get(name) {
            Some(m) if m.over.is_some_and(|over| incarnation <= over) || incarnation < m.incarnation => {
                Err(NotAdmitted::Dead)
            }
            Some(_) => Ok(()),
            None if self.members.len() >= NODES_MAX => Err(NotAdmitted::Full),
            None => Ok(()),
        }
    }

    /// Whether all of `names` have a place here.
    pub fn has_room_for<'a>(&self, names: impl Iterator<Item = &'a NodeName>) -> bool {
        let new = names.filter(|n| !self.members.contains_key(*n)).count();
        self.members.len() + new <= NODES_MAX
    }

    /// Notes that a node lives. Returns whether that is news.
    ///
    /// Conditions: nothing changes unless [`Roster::admits`] allows it.
    pub fn alive(&mut self, name: &NodeName, incarnation: Incarnation, address: SocketAddr) -> bool {
        if self.admits(name, incarnation).is_err() {
            return false;
        }
        let state = MemberState::Alive;
        match self.members.get_mut(name) {
            Some(m) if m.incarnation == incarnation && m.state == state => {
                m.address = address;
                false
            }
            Some(m) => {
                let over = if m.incarnation < incarnation { Some(m.incarnation) } else { m.over };
                *m = Member { address, incarnation, state, met: false, over: over.max(m.over) };
                true
            }
            None => {
                self.members.insert(name.clone(), Member { address, incarnation, state, met: false, over: None });
                true
            }
        }
    }

    /// Notes that there is a link to a node, which passes for alive.
    pub fn met(&mut self, name: &NodeName) {
        if let Some(m) = self.members.get_mut(name) {
            m.met = true;
        }
    }

    /// Notes that a life is over: `Dead` or `Left`. Returns whether that is news of the node's newest life.
    pub fn over(&mut self, name: &NodeName, incarnation: Incarnation, state: MemberState) -> bool {
        let Some(m) = self.members.get_mut(name) else { return false };
        m.over = m.over.max(Some(incarnation));
        let news = m.incarnation <= incarnation && !matches!(m.state, MemberState::Dead | MemberState::Left);
        if news {
            m.state = state;
        }
        news
    }

    /// Forgets which lives are over, and holds nobody for alive: what a node does that begins a new life itself.
    pub fn forget_lives(&mut self) {
        for m in self.members.values_mut() {
            let (incarnation, state) = (Incarnation(0), MemberState::Dead);
            *m = Member { address: m.address, incarnation, state, met: false, over: None };
        }
    }

    /// How many nodes there should be besides this one: all that have not left.
    pub fn expected(&self) -> usize {
        self.members.values().filter(|m| m.state != MemberState::Left).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> NodeName {
        NodeName::new(&format!("n{n}")).unwrap()
    }

    fn address() -> SocketAddr {
        "10.0.0.1:7000".parse().unwrap()
    }

    #[test]
    fn a_life_that_is_over_is_not_admitted_again_and_a_newer_one_is() {
        let mut roster = Roster::default();
        assert!(roster.alive(&name(1), Incarnation(5), address()));
        assert!(!roster.alive(&name(1), Incarnation(5), address()), "no news");
        assert!(roster.over(&name(1), Incarnation(5), MemberState::Dead));
        assert!(!roster.over(&name(1), Incarnation(5), MemberState::Dead), "no news");
        assert_eq!(roster.admits(&name(1), Incarnation(5)), Err(NotAdmitted::Dead));
        assert!(!roster.alive(&name(1), Incarnation(4), address()));
        assert_eq!(roster.get(&name(1)).unwrap().state, MemberState::Dead);
        assert!(roster.alive(&name(1), Incarnation(6), address()));
        assert_eq!(roster.admits(&name(1), Incarnation(5)), Err(NotAdmitted::Dead));
    }

    #[test]
    fn a_newer_life_ends_the_older_one() {
        let mut roster = Roster::default();
        roster.alive(&name(1), Incarnation(5), address());
        roster.alive(&name(1), Incarnation(7), address());
        assert_eq!(roster.admits(&name(1), Incarnation(6)), Err(NotAdmitted::Dead));
        assert!(!roster.over(&name(1), Incarnation(5), MemberState::Dead), "the newer life goes on");
        assert_eq!(roster.get(&name(1)).unwrap().state, MemberState::Alive);
    }

    #[test]
    fn a_full_cluster_takes_nobody_new() {
        let mut roster = Roster::default();
        (0..NODES_MAX).for_each(|n| assert!(roster.alive(&name(n), Incarnation(1), address())));
        assert_eq!(roster.admits(&name(NODES_MAX), Incarnation(1)), Err(NotAdmitted::Full));
        assert!(!roster.has_room_for([name(NODES_MAX)].iter()));
        assert!(roster.has_room_for([name(0), name(1)].iter()));
        assert_eq!(roster.admits(&name(0), Incarnation(2)), Ok(()));
    }

    #[test]
    fn a_new_life_of_our_own_holds_nobody_for_dead() {
        let mut roster = Roster::default();
        roster.alive(&name(1), Incarnation(5), address());
        roster.over(&name(1), Incarnation(5), MemberState::Dead);
        roster.forget_lives();
        assert_eq!(roster.admits(&name(1), Incarnation(5)), Ok(()));
        assert!(roster.alive(&name(1), Incarnation(5), address()));
    }
}
