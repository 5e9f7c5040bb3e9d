//! Rights outside any space, and the passage in and out: copyin debits a name, copyout credits one.

use proto::limits::UREFS_MAX;
use proto::{Disposition, KernReturn, MsgReturn, NamedRight, PortName};

use super::entry::Entry;
use super::port::{PortId, Receiver};
use super::space::SpaceId;
use super::{Effect, Ipc};

/// A counted right outside any space: in a message, in a request, or in the kernel's hands.
///
/// It cannot be copied. Whoever takes it out of a message has it until it is sent, inserted or given to
/// [`Ipc::release`]; one that is merely dropped stays counted for ever, and [`Ipc::kernel_held`] shows it.
#[must_use = "a right that is dropped and not released stays counted for ever"]
#[derive(PartialEq, Eq, Debug)]
pub enum Right {
    /// No right (`MACH_PORT_NULL`).
    Null,
    /// A right whose port had died (`MACH_PORT_DEAD`).
    Dead,
    /// A send right. The port may die at any time; the right then arrives as `DEAD`.
    Send(PortId),
    /// A send-once right, likewise. Releasing it sends a send-once notification.
    SendOnce(PortId),
    /// The receive right. Releasing it destroys the port.
    Receive(PortId),
}

impl Right {
    /// The port, dead or alive.
    pub fn port(&self) -> Option<PortId> {
        match *self {
            Right::Null | Right::Dead => None,
            Right::Send(port) | Right::SendOnce(port) | Right::Receive(port) => Some(port),
        }
    }

    /// How the right stands in a header whose message was destroyed: its kind is told, and that it was dead when it was sent.
    pub(super) fn without_name(&self) -> NamedRight {
        let name = if *self == Right::Dead { PortName::DEAD } else { PortName::NULL };
        NamedRight { name, disposition: self.arrival() }
    }

    /// How the right stands in a message that has arrived.
    pub(super) fn arrival(&self) -> Disposition {
        match self {
            Right::Null | Right::Dead | Right::Send(_) => Disposition::MoveSend,
            Right::SendOnce(_) => Disposition::MoveSendOnce,
            Right::Receive(_) => Disposition::MoveReceive,
        }
    }
}

impl proto::item::Arrives for Right {
    fn arrives(&self) -> Disposition {
        self.arrival()
    }
}

impl Ipc {
    /// Whether `entry` can give `disposition`; a dead name gives any right that is moved or copied to be sent with.
    ///
    /// Source: spec [ipc.copyin.1].
    pub(super) fn can_copyin(entry: Entry, disposition: Disposition) -> bool {
        match (entry, disposition) {
            (Entry::Port { receive, .. }, Disposition::MoveReceive) => receive,
            (Entry::Port { receive, .. }, Disposition::MakeSend | Disposition::MakeSendOnce) => receive,
            (Entry::Port { urefs, .. }, Disposition::MoveSend | Disposition::CopySend) => urefs > 0,
            (Entry::SendOnce { .. }, Disposition::MoveSendOnce) => true,
            (Entry::Dead { .. }, Disposition::MoveSend | Disposition::CopySend | Disposition::MoveSendOnce) => true,
            _ => false,
        }
    }

    /// Debits `name` in `space` and returns the right, in nobody's hands yet.
    ///
    /// Conditions: consumes one user reference when moving a send right or out of a dead name, the name itself when that
    /// was the last thing it stood for. A dead name gives [`Right::Dead`].
    /// Errors: `InvalidName` no such entry; `InvalidRight` the entry cannot give `disposition`; nothing is debited.
    /// Source: spec [ipc.copyin.1] to [ipc.copyin.4].
    #[doc(alias = "ipc_right_copyin")]
    pub(super) fn copyin(
        &mut self,
        space: SpaceId,
        name: PortName,
        disposition: Disposition,
        fx: &mut Vec<Effect>,
    ) -> Result<Right, KernReturn> {
        let entry = self.lookup(space, name).ok_or(KernReturn::InvalidName)?;
        if !Self::can_copyin(entry, disposition) {
            return Err(KernReturn::InvalidRight);
        }
        Ok(match (entry, disposition) {
            (Entry::Port { port, urefs, receive, armed }, _) => match disposition {
                Disposition::MakeSend => self.make_send_uncounted(port),
                Disposition::MakeSendOnce => self.make_send_once_uncounted(port),
                Disposition::CopySend => {
                    self.ports[port].srights += 1;
                    Right::Send(port)
                }
                Disposition::MoveReceive => {
                    match urefs {
                        0 => self.free_name(space, name),
                        _ => self.set_entry(space, name, Entry::Port { port, urefs, receive: false, armed }),
                    }
                    self.detach_receive(port, MsgReturn::RcvPortChanged, fx);
                    Right::Receive(port)
                }
                Disposition::MoveSend | Disposition::MoveSendOnce => {
                    match (urefs, receive) {
                        // The entry keeps its right, so the one that goes is another.
                        (2.., _) => self.ports[port].srights += 1,
                        (_, true) => {}
                        (_, false) => {
                            self.free_name(space, name);
                            return Ok(Right::Send(port));
                        }
                    }
                    self.set_entry(space, name, Entry::Port { port, urefs: urefs - 1, receive, armed });
                    Right::Send(port)
                }
            },
            (Entry::SendOnce { port, .. }, _) => {
                self.free_name(space, name);
                Right::SendOnce(port)
            }
            (Entry::Dead { .. }, Disposition::CopySend) => Right::Dead,
            (Entry::Dead { urefs }, _) => {
                match urefs {
                    1 => self.free_name(space, name),
                    _ => self.set_entry(space, name, Entry::Dead { urefs: urefs - 1 }),
                }
                Right::Dead
            }
            (Entry::Set(_), _) => unreachable!("a port set gives no right"),
        })
    }

    /// Credits `space` with `right` and returns the name that stands for it now.
    ///
    /// Conditions: the right is consumed. `Null` and `Dead`, and rights whose port is dead, make no entry. A send right
    /// joins the name that the space has for the port; its user references are pegged at their maximum.
    /// Errors: the right comes back when the space has no room for another name.
    /// Source: spec [ipc.copyout.1] to [ipc.copyout.4].
    #[doc(alias = "ipc_right_copyout")]
    pub(super) fn copyout(&mut self, space: SpaceId, right: Right, fx: &mut Vec<Effect>) -> Result<PortName, Right> {
        let port = match right.port() {
            None => return Ok(if right == Right::Null { PortName::NULL } else { PortName::DEAD }),
            Some(port) if !self.ports.contains_key(port) => return Ok(PortName::DEAD),
            Some(port) => port,
        };
        if let Right::SendOnce(_) = right {
            let table = &mut self.spaces[space].table;
            return table.insert(Entry::SendOnce { port, armed: false }).map_err(|_| right);
        }
        let Some(name) = self.name_for(space, port) else {
            let receive = matches!(right, Right::Receive(_));
            let holder = &mut self.spaces[space];
            let entry = Entry::Port { port, urefs: u16::from(!receive), receive, armed: false };
            let Ok(name) = holder.table.insert(entry) else { return Err(right) };
            holder.by_port.insert(port, name);
            if receive {
                self.attach_receive(port, space, name, fx);
            }
            return Ok(name);
        };
        self.join(space, name, &right, fx);
        Ok(name)
    }

    /// Adds a send or receive right to the entry that the space has for its port.
    pub(super) fn join(&mut self, space: SpaceId, name: PortName, right: &Right, fx: &mut Vec<Effect>) {
        let Some(Entry::Port { port, urefs, receive, armed }) = self.view(space, name) else {
            unreachable!("by_port leads to entries of live ports")
        };
        match right {
            Right::Receive(_) => {
                self.set_entry(space, name, Entry::Port { port, urefs, receive: true, armed });
                self.attach_receive(port, space, name, fx);
            }
            _ => {
                if urefs > 0 {
                    // The entry counts once, however many references its holder has.
                    self.ports[port].srights -= 1;
                }
                let urefs = if u32::from(urefs) == UREFS_MAX { urefs } else { urefs + 1 };
                self.set_entry(space, name, Entry::Port { port, urefs, receive, armed });
            }
        }
    }

    /// Puts the receive right of `port` into a space's entry; messages that came with it are announced.
    pub(super) fn attach_receive(&mut self, port: PortId, space: SpaceId, name: PortName, fx: &mut Vec<Effect>) {
        self.ports[port].receiver = Receiver::Space { space, name };
        if !self.ports[port].queue.is_empty() || !self.ports[port].blocked.is_empty() {
            self.announce(port, fx);
        }
    }

    pub(super) fn make_send_uncounted(&mut self, port: PortId) -> Right {
        let p = &mut self.ports[port];
        p.mscount = p.mscount.wrapping_add(1);
        p.srights += 1;
        Right::Send(port)
    }

    pub(super) fn make_send_once_uncounted(&mut self, port: PortId) -> Right {
        self.ports[port].sorights += 1;
        Right::SendOnce(port)
    }
}
