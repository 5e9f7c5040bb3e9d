//! Messages forced into a full queue: the sender goes on at once and is told (66) when the message has left the queue.
//!
//! A forced message has its request beside it; the name through which it went has its way to the message in
//! [`super::space::Space`], so that there is one at a time for each name and so that the name can be freed or changed
//! meanwhile. A request whose name is gone tells `NULL`.

use proto::limits::ACCEPT_REQUESTS_MAX;
use proto::{MsgReturn, PortName};

use super::kmsg::{Kmsg, KmsgId};
use super::notify::Notice;
use super::port::PortId;
use super::space::SpaceId;
use super::{Ipc, Work};

/// Who is told that a forced message has left the queue. Holds a send-once right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Accept {
    pub space: SpaceId,
    /// The sender's name for the port, or `NULL` when it has none (any more).
    pub name: PortName,
    pub notify: PortId,
}

impl Ipc {
    /// A request for a message from `space` that is about to be forced into the queue of `dest`.
    ///
    /// Errors: in this order: `SendInvalidNotify` a null `notify`; `SendNoNotify` too many requests;
    /// `SendNotifyInProgress` there is one for the same name; `SendInvalidNotify` `notify` is no receive right.
    /// Source: spec [ipc.accept.1].
    #[doc(alias = "ipc_marequest_create")]
    pub(super) fn accept_request(
        &mut self,
        space: SpaceId,
        dest: PortId,
        notify: PortName,
    ) -> Result<Accept, MsgReturn> {
        if notify == PortName::NULL {
            return Err(MsgReturn::SendInvalidNotify);
        }
        if self.accept_requests >= ACCEPT_REQUESTS_MAX {
            return Err(MsgReturn::SendNoNotify);
        }
        let name = self.name_for(space, dest).unwrap_or(PortName::NULL);
        if self.spaces[space].forced.contains_key(&name) {
            return Err(MsgReturn::SendNotifyInProgress);
        }
        let notify = self.receive_right(space, notify).map_err(|_| MsgReturn::SendInvalidNotify)?;
        self.ports[notify].sorights += 1;
        Ok(Accept { space, name, notify })
    }

    /// Puts a forced message's request beside it and, if it has a name, on that name.
    pub(super) fn arm_accept(&mut self, id: KmsgId, accept: Accept) {
        self.accept_requests += 1;
        self.kmsgs[id].accept = Some(accept);
        if accept.name != PortName::NULL {
            self.spaces[accept.space].forced.insert(accept.name, id);
        }
    }

    /// Tells whoever waits for it that a message has left its queue. [ipc.accept.1]
    #[doc(alias = "ipc_marequest_destroy")]
    pub(super) fn accepted(&mut self, kmsg: &Kmsg) {
        let Some(Accept { space, mut name, notify }) = kmsg.accept else { return };
        self.accept_requests -= 1;
        match self.spaces.get_mut(space) {
            Some(holder) => drop(holder.forced.remove(&name)),
            None => name = PortName::NULL,
        }
        self.work.push_back(Work::Notify { port: notify, notice: Notice::MsgAccepted(name) });
    }

    /// Parts a name that is freed, or dead, from the message that was forced through it. [ipc.accept.2]
    #[doc(alias = "ipc_marequest_cancel")]
    pub(super) fn forget_forced(&mut self, space: SpaceId, name: PortName) {
        self.rename_forced(space, name, PortName::NULL);
    }

    /// Gives the request of a name that is changed the new one.
    #[doc(alias = "ipc_marequest_rename")]
    pub(super) fn rename_forced(&mut self, space: SpaceId, old: PortName, new: PortName) {
        let Some(id) = self.spaces[space].forced.remove(&old) else { return };
        if let Some(accept) = &mut self.kmsgs[id].accept {
            accept.name = new;
        }
        if new != PortName::NULL {
            self.spaces[space].forced.insert(new, id);
        }
    }
}
