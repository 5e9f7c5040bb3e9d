//! The header of a message: the passage of its two rights out of a space and into one.
//!
//! Out: both or neither, judged before either is taken. In: the reply right is credited, the right that the message was
//! sent to is told by the receiver's name for the port (and by its payload, if it has one).

use proto::{Body, Disposition, Message, MsgReturn, NamedRight, NoRoom, PortName};

use super::entry::Entry;
use super::notify::Notice;
use super::port::{PortId, Receiver};
use super::right::Right;
use super::space::SpaceId;
use super::{Delivery, Effect, Ipc, Work};

impl Ipc {
    /// The destination and the reply right, both or neither.
    ///
    /// Errors: in this order: `SendInvalidNotify` a null `cancel`; `SendInvalidHeader`; `SendInvalidNotify` `cancel` is no
    /// receive right; then as the check below says. Nothing is taken. Source: spec [ipc.header.1], [ipc.accept.3].
    #[doc(alias = "ipc_kmsg_copyin_header")]
    pub(super) fn copyin_header(
        &mut self,
        space: SpaceId,
        dest: NamedRight,
        reply: NamedRight,
        cancel: Option<PortName>,
        fx: &mut Vec<Effect>,
    ) -> Result<(Right, Right), MsgReturn> {
        let invalid = |_| MsgReturn::SendInvalidNotify;
        if cancel == Some(PortName::NULL) {
            return Err(MsgReturn::SendInvalidNotify);
        }
        if dest.disposition == Disposition::MoveReceive || reply.disposition == Disposition::MoveReceive {
            return Err(MsgReturn::SendInvalidHeader);
        }
        let cancel = cancel.map(|name| self.receive_right(space, name)).transpose().map_err(invalid)?;
        self.check_header(space, dest, reply)?;
        // Of two rights under one name the one that is moved goes last, since it may take the name with it.
        Ok(if dest.disposition == Disposition::MoveSend {
            let reply = self.take_reply(space, reply, fx);
            (self.take_dest(space, dest, cancel, fx), reply)
        } else {
            let dest = self.take_dest(space, dest, cancel, fx);
            (dest, self.take_reply(space, reply, fx))
        })
    }

    /// Whether the two names of a header can both give what they are to give. In this order: the destination's name, the
    /// reply's name and right, the destination's right; with one name for both it is judged for the reply first.
    ///
    /// Source: spec [ipc.header.1] to [ipc.header.3].
    fn check_header(&mut self, space: SpaceId, dest: NamedRight, reply: NamedRight) -> Result<(), MsgReturn> {
        use Disposition::{MoveSend, MoveSendOnce};
        let entry = self.lookup(space, dest.name).ok_or(MsgReturn::SendInvalidDest)?;
        if reply.name.is_valid() {
            let entry = self.lookup(space, reply.name).ok_or(MsgReturn::SendInvalidReply)?;
            if !Self::can_copyin(entry, reply.disposition) {
                return Err(MsgReturn::SendInvalidReply);
            }
        }
        let lives = !matches!(entry, Entry::Dead { .. });
        let twice = dest.name != reply.name
            || match (dest.disposition, reply.disposition) {
                (MoveSend, MoveSend) => matches!(entry, Entry::Port { urefs: 2.., .. }),
                (MoveSendOnce, _) | (_, MoveSendOnce) => false,
                _ => true,
            };
        if lives && twice && Self::can_copyin(entry, dest.disposition) {
            Ok(())
        } else {
            Err(MsgReturn::SendInvalidDest)
        }
    }

    fn take_reply(&mut self, space: SpaceId, reply: NamedRight, fx: &mut Vec<Effect>) -> Right {
        match reply.name {
            PortName::NULL => Right::Null,
            PortName::DEAD => Right::Dead,
            name => self.copyin(space, name, reply.disposition, fx).expect("the header was checked"),
        }
    }

    /// Takes the destination right. If that frees its name, a dead-name request to `cancel` ends silently.
    fn take_dest(
        &mut self,
        space: SpaceId,
        NamedRight { name, disposition }: NamedRight,
        cancel: Option<PortId>,
        fx: &mut Vec<Effect>,
    ) -> Right {
        let told = self.work.len();
        let right = self.copyin(space, name, disposition, fx).expect("the header was checked");
        if let (Some(cancel), Some(Work::Notify { port, notice: Notice::PortDeleted(_) })) =
            (cancel, self.work.get(told))
            && *port == cancel
        {
            self.work.remove(told);
            self.ports[cancel].sorights -= 1;
        }
        right
    }

    /// Credits a reply right; one that makes a new name has a dead-name request to `notify` armed on it.
    ///
    /// Errors: `RcvInvalidNotify`, `RcvHeaderError`; the right is on its way to be released. Source: spec [ipc.accept.4].
    #[doc(alias = "ipc_kmsg_copyout_header")]
    pub(super) fn copyout_reply(
        &mut self,
        space: SpaceId,
        reply: Right,
        notify: Option<PortName>,
        fx: &mut Vec<Effect>,
    ) -> Result<PortName, (MsgReturn, NoRoom)> {
        let notify = match notify.map(|name| self.receive_right(space, name)) {
            None => None,
            Some(Ok(port)) => Some(port),
            Some(Err(_)) => {
                self.defer_release(reply);
                return Err((MsgReturn::RcvInvalidNotify, NoRoom::NOTHING));
            }
        };
        let names = self.names_len(space);
        let port = reply.port();
        let name = self.copyout(space, reply, fx).map_err(|reply| {
            self.defer_release(reply);
            (MsgReturn::RcvHeaderError, NoRoom::IPC_SPACE)
        })?;
        if let (Some(port), Some(notify)) = (port, notify)
            && self.names_len(space) > names
        {
            self.ports[notify].sorights += 1;
            self.arm_dead_name(space, name, port, notify);
        }
        Ok(name)
    }

    /// The header under which a message of `port` arrives where its receive right is, without a reply right; counts it.
    pub(super) fn arrival_header(&mut self, port: PortId, dest: &Right, id: i32) -> Delivery {
        self.sync_answers(port);
        let p = &mut self.ports[port];
        let seqno = p.seqno;
        p.seqno = p.seqno.wrapping_add(1);
        let name = match p.receiver {
            Receiver::Space { name, .. } => name,
            _ => PortName::NULL,
        };
        let local = NamedRight { name, disposition: dest.arrival() };
        let (remote, trace, body) = (NamedRight::NULL, Default::default(), Body::default());
        Delivery { message: Message { remote, local, id, seqno, trace, body }, payload: p.payload }
    }
}
