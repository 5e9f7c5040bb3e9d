//! An in-process server's hold on the kernel: a space, and one receive set in it.
//!
//! Netmsg, the name server, the pagers and the host are servers like a task would be, with names and user references; that
//! they live in the node saves them a process, not a rule.

use kernel_core::ipc::{
    Effect, Ipc, NotificationKind, ReceiveOptions, ReceiveOutcome, SendError, SendOptions, SendOutcome, SpaceId, Wait,
};
use proto::limits::{MSG_OOL_BYTES_MAX, QUEUED_BYTES_MAX};
use proto::{Disposition, KernReturn, Message, NamedRight, PortName, PortUid, RightType};

/// Which server a space belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Ports across machines.
    Netmsg,
    /// `netname`.
    Names,
    /// The memory objects that this node serves.
    Pagers,
    /// The default pager.
    Swap,
    /// The operator's requests.
    Host,
}

/// A server's space and receive set.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Its space.
    pub space: SpaceId,
    set: PortName,
}

impl Which {
    /// The server as the operator's list of ports names it.
    pub fn label(self) -> &'static str {
        match self {
            Which::Netmsg => "netmsg",
            Which::Names => "name server",
            Which::Pagers => "pager",
            Which::Swap => "default pager",
            Which::Host => "host",
        }
    }
}

impl Server {
    /// A server with an empty receive set.
    pub fn new(ipc: &mut Ipc) -> Server {
        let space = ipc.space_create(true);
        let set = ipc.allocate(space, RightType::PortSet).expect("a new space has room for a set");
        Server { space, set }
    }

    /// The server's calls, for as long as `ipc` is lent.
    pub fn calls<'a>(&self, ipc: &'a mut Ipc, fx: &'a mut Vec<Effect>) -> Calls<'a> {
        Calls { server: *self, ipc, fx }
    }
}

/// The calls of Mach IPC on one server's space.
pub struct Calls<'a> {
    server: Server,
    ipc: &'a mut Ipc,
    fx: &'a mut Vec<Effect>,
}

impl Calls<'_> {
    /// The next message of the receive set, if one waits.
    pub fn receive(&mut self) -> Option<Message<NamedRight>> {
        loop {
            match self.ipc.receive(self.server.space, self.server.set, ReceiveOptions::POLL, self.fx) {
                Ok(ReceiveOutcome::Message(delivery)) => return Some(delivery.message),
                // A message whose rights found no place was destroyed; there may be another behind it.
                Err(error) if error.message.is_some() => continue,
                Ok(ReceiveOutcome::Blocked) | Err(_) => return None,
            }
        }
    }

    /// A new port, its receive right in the receive set.
    ///
    /// Errors: `NoSpace`, `ResourceShortage`.
    pub fn allocate(&mut self) -> Result<PortName, KernReturn> {
        let name = self.ipc.allocate(self.server.space, RightType::Receive)?;
        self.set_receiving(name, true);
        Ok(name)
    }

    /// As [`Calls::allocate`], with a send right under the same name.
    pub fn allocate_with_send(&mut self) -> Result<PortName, KernReturn> {
        let name = self.allocate()?;
        self.make_send(name)?;
        Ok(name)
    }

    /// Makes a send reference from a receive right, under its name.
    pub fn make_send(&mut self, name: PortName) -> Result<(), KernReturn> {
        let right = self.ipc.extract_right(self.server.space, name, Disposition::MakeSend, self.fx)?;
        self.ipc.insert_right(self.server.space, name, right, self.fx)
    }

    /// Destroys a receive right.
    pub fn destroy_receive(&mut self, name: PortName) {
        let _ = self.ipc.mod_refs(self.server.space, name, RightType::Receive, -1, self.fx);
    }

    /// Gives up one reference.
    pub fn deallocate(&mut self, name: PortName) {
        let _ = self.ipc.deallocate(self.server.space, name, self.fx);
    }

    /// Sends, waiting for nothing.
    ///
    /// Errors: as `Ipc::send`.
    pub fn send(&mut self, message: Message<NamedRight>, options: SendOptions) -> Result<SendOutcome, SendError> {
        self.ipc.send(self.server.space, message, options, self.fx)
    }

    /// Sends whatever the queue limit says; a message that cannot be sent is given up with its rights.
    pub fn send_always(&mut self, message: Message<NamedRight>) {
        if let Err(SendError { message, .. }) = self.send(message, SendOptions::ALWAYS) {
            netmsg_core::release_refused(self, message);
        }
    }

    /// Puts a receive right into the receive set or takes it out.
    pub fn set_receiving(&mut self, name: PortName, receiving: bool) {
        let set = if receiving { self.server.set } else { PortName::NULL };
        let _ = self.ipc.move_member(self.server.space, name, set, self.fx);
    }

    /// Arms a notification on `name`, sent to a send-once right of `notify`.
    ///
    /// Errors: as `mach_port_request_notification`.
    pub fn request_notification(
        &mut self,
        name: PortName,
        kind: NotificationKind,
        sync: u32,
        notify: PortName,
    ) -> Result<(), KernReturn> {
        let space = self.server.space;
        let right = self.ipc.extract_right(space, notify, Disposition::MakeSendOnce, self.fx)?;
        let previous = self.ipc.request_notification(space, name, kind, sync, right, self.fx)?;
        self.ipc.release(previous, self.fx);
        Ok(())
    }

    /// The identity of the port behind a name.
    pub fn port_uid(&mut self, name: PortName) -> Option<PortUid> {
        self.ipc.port_of(self.server.space, name).ok().map(|(_, uid)| uid)
    }
}

impl netmsg_core::PortSpace for Calls<'_> {
    fn allocate(&mut self) -> Result<PortName, KernReturn> {
        Calls::allocate(self)
    }

    fn destroy_receive(&mut self, name: PortName) {
        Calls::destroy_receive(self, name);
    }

    fn deallocate(&mut self, name: PortName) {
        Calls::deallocate(self, name);
    }

    fn send(
        &mut self,
        message: Message<NamedRight>,
        mode: netmsg_core::SendMode,
    ) -> Result<netmsg_core::Sent, netmsg_core::Refused> {
        let wait = match mode {
            netmsg_core::SendMode::Poll => Wait::Poll,
            netmsg_core::SendMode::Wait(ticket) => Wait::Block(crate::waiters::of_netmsg(ticket)),
        };
        match Calls::send(self, message, SendOptions { wait, ..SendOptions::POLL }) {
            Ok(SendOutcome::Sent) => Ok(netmsg_core::Sent::Taken),
            Ok(SendOutcome::Blocked) => Ok(netmsg_core::Sent::Waiting),
            Err(SendError { code, message, .. }) => Err(netmsg_core::Refused { code, message }),
        }
    }

    fn set_receiving(&mut self, name: PortName, receiving: bool) {
        Calls::set_receiving(self, name, receiving);
    }

    fn request_no_senders(&mut self, name: PortName, sync: u32) {
        let _ = Calls::request_notification(self, name, NotificationKind::NoSenders, sync, name);
    }

    fn request_dead_name(&mut self, name: PortName, notify: PortName) {
        let _ = Calls::request_notification(self, name, NotificationKind::DeadName, 1, notify);
    }

    fn port_uid(&mut self, name: PortName) -> Option<PortUid> {
        Calls::port_uid(self, name)
    }

    fn has_room(&self) -> bool {
        let (_, queued_bytes) = self.ipc.queued();
        // Twice the largest payload: what stands around it costs, too.
        queued_bytes + 2 * MSG_OOL_BYTES_MAX < QUEUED_BYTES_MAX
    }
}
