//! The invariants of the whole state, verified from scratch. For tests and simulations: it looks at everything.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::kmsg::{Kmsg, each_right};
use super::mqueue::{Source, Waiting};
use super::port::{PortId, Receiver};
use super::right::Right;
use super::{Ipc, KernelTag};

/// What is found of one port's rights, wherever they are.
#[derive(Default)]
struct Found {
    srights: u32,
    sorights: u32,
    /// Receive rights: in a space's entry, in a message at this port, in the inbox.
    entries: u32,
    transit: Vec<Option<PortId>>,
}

impl Ipc {
    /// Verifies the invariants that the module states; panics with what is wrong.
    pub fn check(&self) {
        assert!(self.work.is_empty(), "deferred work between calls");
        let found = self.find_rights();
        for (port, p) in &self.ports {
            let none = Found::default();
            let f = found.get(&port).unwrap_or(&none);
            assert_eq!(p.srights, f.srights + p.kernel_srights, "send rights of {port:?}");
            assert_eq!(p.sorights, f.sorights + p.kernel_sorights, "send-once rights of {port:?}");
            let (entries, transit) = match p.receiver {
                Receiver::Space { .. } => (1, vec![]),
                Receiver::Kernel(_) => (0, vec![]),
                Receiver::Transit(dest) => (0, vec![Some(dest)]),
                // In the inbox or in the kernel's hands, which are not looked into.
                Receiver::Limbo => (0, f.transit.iter().copied().take(1).filter(Option::is_none).collect()),
            };
            assert_eq!((f.entries, &f.transit), (entries, &transit), "receive right of {port:?}, {:?}", p.receiver);
            self.check_receiver(port);
            self.check_queue(port);
        }
        self.check_spaces();
        self.check_forced();
        self.check_sets();
        self.check_waiters();
        self.check_pollers();
        self.check_lanes();
        let costs = self.kmsgs.values().map(|k| k.size.cost_bytes);
        assert_eq!(self.queued_bytes, costs.sum::<usize>(), "bytes of queued messages");
        for (space, s) in &self.spaces {
            let made = self.ports.values().filter(|p| p.maker == Some(space)).count();
            let paid = self.kmsgs.values().filter(|k| k.size.payer == Some(space)).map(|k| k.size.cost_bytes);
            assert_eq!((s.ports_made, s.queued_bytes), (made, paid.sum::<usize>()), "ports and bytes of {space:?}");
        }
        let listed: u32 = self.ports.values().map(|p| p.queue.len() + p.blocked.len()).sum();
        assert_eq!(self.kmsgs.len(), listed as usize, "messages outside any queue");
    }

    fn find_rights(&self) -> BTreeMap<PortId, Found> {
        let mut found: BTreeMap<PortId, Found> = BTreeMap::new();
        for (_, entry) in self.spaces.values().flat_map(|s| s.table.iter()) {
            match entry {
                Entry::Port { port, urefs, receive, .. } => {
                    let f = found.entry(port).or_default();
                    f.srights += u32::from(urefs > 0);
                    f.entries += u32::from(receive);
                }
                Entry::SendOnce { port, .. } => found.entry(port).or_default().sorights += 1,
                Entry::Set(_) | Entry::Dead { .. } => {}
            }
        }
        for p in self.ports.values() {
            let requests = p.no_senders.iter().chain(&p.port_destroyed).chain(p.dead_names.values());
            requests.for_each(|port| found.entry(*port).or_default().sorights += 1);
        }
        for accept in self.kmsgs.values().filter_map(|k| k.accept) {
            found.entry(accept.notify).or_default().sorights += 1;
        }
        let inbox = self.inbox.iter().map(|k| (&k.message, None));
        let queued = self.kmsgs.values().map(|k| (&k.message, Some(k.port)));
        for (message, at) in inbox.chain(queued) {
            each_right(message, |right| match *right {
                Right::Null | Right::Dead => {}
                Right::Send(port) => found.entry(port).or_default().srights += 1,
                Right::SendOnce(port) => found.entry(port).or_default().sorights += 1,
                Right::Receive(port) => found.entry(port).or_default().transit.push(at),
            });
        }
        found
    }

    fn check_receiver(&self, port: PortId) {
        let p = &self.ports[port];
        match p.receiver {
            Receiver::Space { space, name } => {
                let entry = self.view(space, name);
                assert!(
                    matches!(entry, Some(Entry::Port { port: at, receive: true, .. }) if at == port),
                    "{port:?} is received under {name:?} of {space:?}, which is {entry:?}"
                );
            }
            Receiver::Kernel(KernelTag(_)) => assert!(p.queue.is_empty() && p.blocked.is_empty(), "kernel's queue"),
            Receiver::Transit(dest) => assert!(self.ports.contains_key(dest), "{port:?} is on its way to nowhere"),
            Receiver::Limbo => {}
        }
        if !matches!(p.receiver, Receiver::Space { .. }) {
            assert!(p.set.is_none() && p.receiving.is_empty(), "{port:?} has receivers but no space");
        }
        for (space, name) in p.dead_names.keys() {
            let entry = self.view(*space, *name).expect("a request is armed on a name");
            assert!(
                entry.is_armed() && entry.port() == Some(port),
                "{name:?} of {space:?} has a request, is {entry:?}"
            );
        }
    }

    fn check_queue(&self, port: PortId) {
        let p = &self.ports[port];
        let queue: Vec<_> = p.queue.iter(&self.kmsgs, |k: &Kmsg| &k.in_port).collect();
        let blocked: Vec<_> = p.blocked.iter(&self.kmsgs, |k: &Kmsg| &k.in_port).collect();
        assert_eq!((queue.len() as u32, blocked.len() as u32), (p.queue.len(), p.blocked.len()));
        for id in queue.iter().chain(&blocked) {
            assert_eq!(self.kmsgs[*id].port, port);
            assert_eq!(self.kmsgs[*id].message.remote.port(), Some(port));
        }
        assert!(queue.iter().all(|id| self.kmsgs[*id].sender.is_none()));
        assert!(blocked.iter().all(|id| self.kmsgs[*id].sender.is_some()));
        assert!(blocked.is_empty() || !p.has_room(), "a sender waits for room that is there");
        let waited_for = !p.receiving.is_empty() || p.set.is_some_and(|s| !self.psets[s].receiving.is_empty());
        assert!(!waited_for || (queue.is_empty() && blocked.is_empty()), "a receiver and a message wait");
        if let Some(set) = p.set {
            let merged = self.psets[set].queue.iter(&self.kmsgs, |k: &Kmsg| &k.in_set);
            let ours: Vec<_> = merged.filter(|id| self.kmsgs[*id].port == port).collect();
            assert_eq!(ours, queue, "queue of a member within its set");
            assert!(p.receiving.is_empty(), "a receiver waits on a member");
        }
    }

    fn check_spaces(&self) {
        for (id, space) in &self.spaces {
            assert_eq!(space.table.len(), space.table.iter().count());
            for (name, entry) in space.table.iter() {
                assert!(!matches!(entry, Entry::Port { urefs: 0, receive: false, .. } | Entry::Dead { urefs: 0 }));
                if let Entry::Port { port, .. } = entry {
                    assert_eq!(space.by_port.get(&port), Some(&name), "name of {port:?} in {id:?}");
                }
                if let (true, Some(port)) = (entry.is_armed(), entry.port()) {
                    assert!(self.ports[port].dead_names.contains_key(&(id, name)), "armed without a request");
                }
                if let Entry::Set(set) = entry {
                    assert_eq!((self.psets[set].space, self.psets[set].name), (id, name));
                }
            }
            for name in space.by_port.values() {
                assert!(matches!(space.table.get(*name), Some(Entry::Port { .. })), "by_port leads to {name:?}");
            }
        }
    }

    fn check_forced(&self) {
        let requests = self.kmsgs.iter().filter_map(|(id, k)| Some((id, k, k.accept?)));
        let named = requests.clone().filter(|(_, _, accept)| accept.name.is_valid());
        for (id, kmsg, accept) in named.clone().filter(|(_, _, accept)| self.spaces.contains_key(accept.space)) {
            assert_eq!(self.spaces[accept.space].forced.get(&accept.name), Some(&id), "forced through {accept:?}");
            let entry = self.view(accept.space, accept.name);
            assert!(matches!(entry, Some(Entry::Port { port, .. }) if port == kmsg.port), "{accept:?} is {entry:?}");
            assert!(kmsg.sender.is_none(), "a forced message waits");
        }
        let forced: usize = self.spaces.values().map(|s| s.forced.len()).sum();
        let living = named.filter(|(_, _, accept)| self.spaces.contains_key(accept.space)).count();
        assert_eq!((forced, self.accept_requests), (living, requests.count()), "requests of forced messages");
    }

    fn check_sets(&self) {
        for (id, set) in &self.psets {
            assert_eq!(self.view(set.space, set.name), Some(Entry::Set(id)));
            let merged = set.queue.iter(&self.kmsgs, |k: &Kmsg| &k.in_set).count();
            let (mut queued, mut blocked) = (0, 0);
            for member in &set.members {
                assert_eq!(self.ports[*member].set, Some(id));
                queued += self.ports[*member].queue.len();
                blocked += self.ports[*member].blocked.len();
            }
            assert_eq!((merged as u32, set.queue.len(), set.blocked), (queued, queued, blocked), "counts of {id:?}");
        }
        for (port, p) in self.ports.iter().filter(|(_, p)| p.set.is_some()) {
            assert!(p.set.is_some_and(|set| self.psets[set].members.contains(&port)));
        }
    }

    fn check_pollers(&self) {
        for (id, poller) in &self.pollers {
            assert_eq!(self.poller_of(poller.on), Some(id), "a poller that is not where it was set");
            assert_eq!(poller.ready, self.next_message(poller.on).is_some(), "the level of {id:?}");
            let owner = match poller.on {
                Source::Port(port) => {
                    matches!(self.ports[port].receiver, Receiver::Space { space, .. } if space == poller.space)
                }
                Source::Set(set) => self.psets[set].space == poller.space,
            };
            assert!(owner, "{id:?} is not its receiver's");
            assert!(!matches!(poller.on, Source::Port(port) if self.ports[port].set.is_some()), "a member is polled");
        }
        let set = self.ports.values().filter_map(|p| p.poller).chain(self.psets.values().filter_map(|s| s.poller));
        assert_eq!(set.count(), self.pollers.len(), "pollers that are gone");
        for (id, space) in &self.spaces {
            let theirs = self.pollers.values().filter(|p| p.space == id).count();
            assert_eq!(space.pollers as usize, theirs, "pollers of {id:?}");
        }
    }

    fn check_waiters(&self) {
        for (waiter, waiting) in &self.waiters {
            match *waiting {
                Waiting::Send(id) => assert_eq!(self.kmsgs[id].sender.map(|s| s.waiter), Some(*waiter)),
                Waiting::Receive(id) => assert_eq!(self.receiving[id].waiter, *waiter),
            }
        }
        let senders = self.kmsgs.values().filter(|k| k.sender.is_some()).count();
        assert_eq!(self.waiters.len(), senders + self.receiving.len(), "waiters");
        for (id, receiving) in &self.receiving {
            let list = match receiving.on {
                Source::Port(port) => &self.ports[port].receiving,
                Source::Set(set) => &self.psets[set].receiving,
            };
            assert!(list.iter(&self.receiving, |r| &r.links).any(|r| r == id), "a receiver is in no list");
            assert!(self.spaces.contains_key(receiving.space), "a receiver of a dead space");
        }
    }
}
