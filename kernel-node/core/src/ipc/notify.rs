//! Notifications: what the kernel tells, once, whoever gave it a send-once right for that.

use proto::iface::notify;
use proto::{Item, Message, PortName, SimpleRoutine, TraceId};

use super::entry::Entry;
use super::kmsg::measure;
use super::port::{Circularity, PortId};
use super::right::Right;
use super::space::SpaceId;
use super::{Effect, Ipc, Work};

/// What is told; the messages are those of `proto/idl/mach/notify.proto`.
pub(super) enum Notice {
    /// 65: a name with an armed dead-name request was freed by its holder.
    PortDeleted(PortName),
    /// 69: a receive right that would have been destroyed.
    PortDestroyed(PortId),
    /// 70: the last send right is gone; with the make-send count.
    NoSenders(u32),
    /// 71: the send-once right died without being used.
    SendOnce,
    /// 72: the port behind a name died.
    DeadName(PortName),
}

impl Notice {
    /// The message's id and items.
    fn into_request(self) -> (i32, Vec<Item<Right>>) {
        fn request<Q: SimpleRoutine<Right>>(request: Q) -> (i32, Vec<Item<Right>>) {
            (Q::ID, request.into_body())
        }
        match self {
            Notice::PortDeleted(name) => request(notify::PortDeleted { name: name.0 }),
            Notice::PortDestroyed(port) => request(notify::PortDestroyed { rights: Right::Receive(port) }),
            Notice::NoSenders(mscount) => request(notify::NoSenders { mscount }),
            Notice::SendOnce => request(notify::SendOnce),
            Notice::DeadName(name) => request(notify::DeadName { name: name.0 }),
        }
    }
}

impl Ipc {
    /// Uses up a send-once right to `port` with a notification; nothing happens when the port is dead.
    pub(super) fn notify(&mut self, port: PortId, notice: Notice, fx: &mut Vec<Effect>) {
        if !self.ports.contains_key(port) {
            return;
        }
        let (id, body) = notice.into_request();
        let (remote, local) = (Right::SendOnce(port), Right::Null);
        let message = Message { remote, local, id, seqno: 0, trace: TraceId::default(), body };
        let found = self.put_in_transit(&message.body, port);
        assert_eq!(found, Circularity::None, "port_death looked before it told");
        let (size, _) = measure(&message);
        self.post(port, message, size, fx);
    }

    /// Counts down the send rights of `port`; at zero whoever asked is told. [ipc.notify.2]
    pub(super) fn send_right_gone(&mut self, port: PortId) {
        let Some(p) = self.ports.get_mut(port) else { return };
        p.srights -= 1;
        if p.srights > 0 {
            return;
        }
        let mscount = p.mscount;
        if let Some(notify) = p.no_senders.take() {
            self.work.push_back(Work::Notify { port: notify, notice: Notice::NoSenders(mscount) });
        }
    }

    /// Ends the dead-name request of a name that its holder has just freed. [ipc.dead.3]
    pub(super) fn disarm(&mut self, space: SpaceId, name: PortName, entry: Entry) {
        let Some(p) = entry.port().and_then(|port| self.ports.get_mut(port)) else { return };
        let notify = p.dead_names.remove(&(space, name)).expect("an armed name has a request");
        self.work.push_back(Work::Notify { port: notify, notice: Notice::PortDeleted(name) });
    }
}
