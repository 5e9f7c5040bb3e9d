//! Notifications: what the kernel tells, once, whoever gave it a send-once right for that; and how that is asked for.

use proto::iface::notify;
use proto::limits::DEAD_UREFS_MAX;
use proto::{Body, KernReturn, Message, PortName, SimpleRoutine, TraceId};

use super::entry::{Entry, urefs_add};
use super::kmsg::measure;
use super::port::{Circularity, PortId};
use super::right::Right;
use super::space::SpaceId;
use super::{Effect, Ipc, Work};

/// What can be asked for with [`Ipc::request_notification`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum NotificationKind {
    /// The receive right comes back instead of dying.
    PortDestroyed = 69,
    /// The last send right is gone.
    NoSenders = 70,
    /// The port behind the name died.
    DeadName = 72,
}

impl NotificationKind {
    /// Parses the `msgid` of `mach_port_request_notification`.
    pub fn from_raw(raw: i32) -> Option<NotificationKind> {
        use NotificationKind::*;
        [PortDestroyed, NoSenders, DeadName].into_iter().find(|k| *k as i32 == raw)
    }
}

/// What is told; the messages are those of `proto/idl/mach/notify.proto`.
pub(super) enum Notice {
    /// 65: a name with an armed dead-name request was freed by its holder.
    PortDeleted(PortName),
    /// 66: a message that was forced into a full queue through the name has left it.
    MsgAccepted(PortName),
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
    fn into_request(self) -> (i32, Body<Right>) {
        fn request<Q: SimpleRoutine<Right>>(request: Q) -> (i32, Body<Right>) {
            (Q::ID, request.into_body())
        }
        match self {
            Notice::PortDeleted(name) => request(notify::PortDeleted { name: name.0 }),
            Notice::MsgAccepted(name) => request(notify::MsgAccepted { name: name.0 }),
            Notice::PortDestroyed(port) => request(notify::PortDestroyed { rights: Right::Receive(port) }),
            Notice::NoSenders(mscount) => request(notify::NoSenders { mscount }),
            Notice::SendOnce => request(notify::SendOnce),
            Notice::DeadName(name) => request(notify::DeadName { name: name.0 }),
        }
    }
}

impl Ipc {
    /// Arms a notification, or with a null `notify` disarms it; returns the right of the request that stood there before.
    ///
    /// Conditions: `notify` is null or a send-once right; it is consumed, also on failure (as the request of a routine
    /// that fails is destroyed).
    /// Errors: `InvalidCapability` `notify` is dead; `InvalidName`; `InvalidRight` the name cannot have such a request;
    /// `InvalidValue` `sync` is not 0 for port-destroyed; `InvalidArgument` the name is dead and `sync` is 0 or `notify`
    /// null; `UrefsOverflow` the dead name can count no more. Source: spec [ipc.notify.1] to [ipc.notify.4].
    #[doc(alias = "mach_port_request_notification")]
    pub fn request_notification(
        &mut self,
        space: SpaceId,
        name: PortName,
        kind: NotificationKind,
        sync: u32,
        notify: Right,
        fx: &mut Vec<Effect>,
    ) -> Result<Right, KernReturn> {
        self.take_in(&notify);
        let result = self.request(space, name, kind, sync, &notify);
        let result = match result {
            Ok(previous) => Ok(previous.map_or(Right::Null, Right::SendOnce).tap_hand_out(self)),
            Err(code) => {
                self.defer_release(notify);
                Err(code)
            }
        };
        self.settle(fx);
        result
    }

    /// On success `notify` is in the request or used up.
    fn request(
        &mut self,
        space: SpaceId,
        name: PortName,
        kind: NotificationKind,
        sync: u32,
        notify: &Right,
    ) -> Result<Option<PortId>, KernReturn> {
        let notify = match *notify {
            Right::Null => None,
            Right::SendOnce(port) if self.ports.contains_key(port) => Some(port),
            _ => return Err(KernReturn::InvalidCapability),
        };
        match kind {
            NotificationKind::DeadName => self.request_dead_name(space, name, sync, notify),
            NotificationKind::PortDestroyed if sync != 0 => Err(KernReturn::InvalidValue),
            NotificationKind::PortDestroyed => {
                let port = self.receive_right(space, name)?;
                Ok(std::mem::replace(&mut self.ports[port].port_destroyed, notify))
            }
            NotificationKind::NoSenders => {
                let port = self.receive_right(space, name)?;
                let p = &mut self.ports[port];
                match notify {
                    Some(notify) if p.srights == 0 && sync <= p.mscount => {
                        let notice = Notice::NoSenders(p.mscount);
                        self.work.push_back(Work::Notify { port: notify, notice });
                        Ok(self.ports[port].no_senders.take())
                    }
                    _ => Ok(std::mem::replace(&mut p.no_senders, notify)),
                }
            }
        }
    }

    fn request_dead_name(
        &mut self,
        space: SpaceId,
        name: PortName,
        sync: u32,
        notify: Option<PortId>,
    ) -> Result<Option<PortId>, KernReturn> {
        let entry = self.named(space, name)?;
        let port = match (entry, notify) {
            (Entry::Set(_), _) => return Err(KernReturn::InvalidRight),
            (Entry::Dead { urefs }, Some(notify)) if sync != 0 => {
                self.set_entry(space, name, Entry::Dead { urefs: urefs_add(urefs, 1, DEAD_UREFS_MAX)? });
                self.work.push_back(Work::Notify { port: notify, notice: Notice::DeadName(name) });
                return Ok(None);
            }
            (Entry::Dead { .. }, _) => return Err(KernReturn::InvalidArgument),
            (Entry::Port { port, .. } | Entry::SendOnce { port, .. }, _) => port,
        };
        Ok(match notify {
            Some(notify) => self.arm_dead_name(space, name, port, notify),
            None => {
                self.set_entry(space, name, entry.with_armed(false));
                self.ports[port].dead_names.remove(&(space, name))
            }
        })
    }

    /// Arms a dead-name request on a name with a right to `port`; returns the one that stood there before. The send-once
    /// right to `notify` is the request's from now on.
    pub(super) fn arm_dead_name(
        &mut self,
        space: SpaceId,
        name: PortName,
        port: PortId,
        notify: PortId,
    ) -> Option<PortId> {
        let entry = self.view(space, name).expect("the name is in use");
        self.set_entry(space, name, entry.with_armed(true));
        self.ports[port].dead_names.insert((space, name), notify)
    }

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
        let size = measure(&message);
        self.post(port, message, size, fx);
    }

    /// Counts down the send rights of `port`; at zero whoever asked is told. [ipc.notify.2]
    pub(super) fn send_right_gone(&mut self, port: PortId) {
        let last = self.drop_send_right(port);
        self.work.extend(last);
    }

    /// As [`Ipc::send_right_gone`], with what follows from it still to be done.
    pub(super) fn drop_send_right(&mut self, port: PortId) -> Option<Work> {
        let p = self.ports.get_mut(port)?;
        p.srights -= 1;
        if p.srights > 0 {
            return None;
        }
        if p.retiring {
            return Some(Work::Release(Right::Receive(port)));
        }
        let notice = Notice::NoSenders(p.mscount);
        p.no_senders.take().map(|notify| Work::Notify { port: notify, notice })
    }

    /// Ends the dead-name request of a name that its holder has just freed; what it is told. [ipc.dead.3]
    pub(super) fn disarm(&mut self, space: SpaceId, name: PortName, entry: Entry) -> Option<Work> {
        let p = self.ports.get_mut(entry.port()?)?;
        let notify = p.dead_names.remove(&(space, name)).expect("an armed name has a request");
        Some(Work::Notify { port: notify, notice: Notice::PortDeleted(name) })
    }
}
