//! Rights as values: dropping one gives it up.

use std::time::Duration;

use proto::{Disposition, NamedRight, PortName, RightType, iface::mach_port};

use crate::error::{MsgError, RpcError};
use crate::message::Incoming;
use crate::task::Task;

/// What a message can be sent to without being used up.
pub trait Destination {
    /// The right, with the disposition that leaves the holder's alone.
    fn destination(&self) -> NamedRight;
}

/// A name of a send right that somebody else keeps, such as [`Task::host`].
impl Destination for PortName {
    fn destination(&self) -> NamedRight {
        NamedRight::copy_send(*self)
    }
}

impl<D: Destination> Destination for &D {
    fn destination(&self) -> NamedRight {
        (**self).destination()
    }
}

impl Destination for SendRight {
    fn destination(&self) -> NamedRight {
        NamedRight::copy_send(self.name)
    }
}

/// One user reference of a send right (or of the dead name that it becomes when its port dies).
#[derive(Debug)]
pub struct SendRight {
    task: Task,
    name: PortName,
}

impl SendRight {
    /// Takes over a reference that came as a name: in a reply or a message, as `MoveSend`.
    pub fn adopt(task: &Task, name: PortName) -> SendRight {
        SendRight { task: task.clone(), name }
    }

    /// Its name; valid as long as this reference lives.
    pub fn name(&self) -> PortName {
        self.name
    }

    /// The task whose it is.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Another reference.
    ///
    /// Errors: `InvalidRight` the port died meanwhile; `UrefsOverflow`.
    pub fn try_clone(&self) -> Result<SendRight, RpcError> {
        let request = mach_port::ModRefs { name: self.name.0, right: RightType::Send as u32, delta: 1 };
        self.task.rpc(&self.task.task_self(), request)?;
        Ok(SendRight::adopt(&self.task, self.name))
    }

    /// For a message that gives the receiver a right of its own and leaves this one.
    pub fn copied(&self) -> NamedRight {
        NamedRight::copy_send(self.name)
    }

    /// For a message with plain names that gives this reference away; nobody gives it up any more.
    pub fn into_named(self) -> NamedRight {
        NamedRight::move_send(self.into_name())
    }

    /// Keeps the reference as a plain name that nobody gives up.
    pub fn into_name(mut self) -> PortName {
        std::mem::take(&mut self.name)
    }
}

impl Drop for SendRight {
    fn drop(&mut self) {
        self.task.release(NamedRight::move_send(self.name));
    }
}

/// The right to send one message. Dropping it tells the receiver so (a send-once notification).
#[derive(Debug)]
pub struct SendOnceRight {
    task: Task,
    name: PortName,
}

impl SendOnceRight {
    /// Takes over a right that came as a name: the `remote` of a request, as `MoveSendOnce`.
    pub fn adopt(task: &Task, name: PortName) -> SendOnceRight {
        SendOnceRight { task: task.clone(), name }
    }

    /// Its name.
    pub fn name(&self) -> PortName {
        self.name
    }

    /// For a message with plain names, which uses it up; nobody gives it up any more.
    pub fn into_named(mut self) -> NamedRight {
        NamedRight::move_send_once(std::mem::take(&mut self.name))
    }
}

impl Drop for SendOnceRight {
    fn drop(&mut self) {
        self.task.release(NamedRight::move_send_once(self.name));
    }
}

/// The right to receive: the port itself. Dropping it destroys the port; senders' rights become dead names.
#[derive(Debug)]
pub struct ReceiveRight {
    task: Task,
    name: PortName,
    #[cfg(feature = "tokio")]
    ready: crate::aio::Ready,
}

impl ReceiveRight {
    /// A new port.
    pub fn allocate(task: &Task) -> Result<ReceiveRight, RpcError> {
        let name = allocate(task, RightType::Receive)?;
        Ok(ReceiveRight::adopt(task, name))
    }

    /// Takes over a right that came as a name, as `MoveReceive`.
    pub fn adopt(task: &Task, name: PortName) -> ReceiveRight {
        ReceiveRight {
            task: task.clone(),
            name,
            #[cfg(feature = "tokio")]
            ready: Default::default(),
        }
    }

    /// Its name, which send rights of the same port in this task have, too.
    pub fn name(&self) -> PortName {
        self.name
    }

    /// The task whose it is.
    pub fn task(&self) -> &Task {
        &self.task
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn ready(&self) -> &crate::aio::Ready {
        &self.ready
    }

    /// For a message that gives its receiver a send right.
    pub fn made_send(&self) -> NamedRight {
        NamedRight::make_send(self.name)
    }

    /// For a message that gives its receiver a send-once right.
    pub fn made_send_once(&self) -> NamedRight {
        NamedRight::make_send_once(self.name)
    }

    /// A send right for this task itself.
    pub fn make_send(&self) -> Result<SendRight, RpcError> {
        let request = mach_port::InsertRight { name: self.name.0, right: self.made_send() };
        self.task.rpc(&self.task.task_self(), request)?;
        Ok(SendRight::adopt(&self.task, self.name))
    }

    /// The next message; waits for it at most `timeout`, `None` for ever.
    pub fn receive(&self, timeout: Option<Duration>) -> Result<Incoming, MsgError> {
        Ok(Incoming::adopt(&self.task, self.task.receive(self.name, timeout)?))
    }

    /// For a message with plain names that gives the port away; nobody gives it up any more.
    pub fn into_named(mut self) -> NamedRight {
        NamedRight { name: std::mem::take(&mut self.name), disposition: Disposition::MoveReceive }
    }
}

impl Drop for ReceiveRight {
    fn drop(&mut self) {
        self.task.release(NamedRight { name: self.name, disposition: Disposition::MoveReceive });
    }
}

/// Several ports to receive from at once. Dropping it leaves its members.
#[derive(Debug)]
pub struct PortSet {
    task: Task,
    name: PortName,
    #[cfg(feature = "tokio")]
    ready: crate::aio::Ready,
}

impl PortSet {
    /// An empty set.
    pub fn allocate(task: &Task) -> Result<PortSet, RpcError> {
        let name = allocate(task, RightType::PortSet)?;
        Ok(PortSet {
            task: task.clone(),
            name,
            #[cfg(feature = "tokio")]
            ready: Default::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> PortName {
        self.name
    }

    /// The task whose it is.
    pub fn task(&self) -> &Task {
        &self.task
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn ready(&self) -> &crate::aio::Ready {
        &self.ready
    }

    /// Makes a port a member of this set alone.
    pub fn add(&self, port: &ReceiveRight) -> Result<(), RpcError> {
        self.move_member(port, self.name)
    }

    /// Takes a port out of whatever set it is a member of.
    pub fn remove(&self, port: &ReceiveRight) -> Result<(), RpcError> {
        self.move_member(port, PortName::NULL)
    }

    /// The next message of any member, which it names.
    pub fn receive(&self, timeout: Option<Duration>) -> Result<Incoming, MsgError> {
        Ok(Incoming::adopt(&self.task, self.task.receive(self.name, timeout)?))
    }

    fn move_member(&self, port: &ReceiveRight, after: PortName) -> Result<(), RpcError> {
        let request = mach_port::MoveMember { member: port.name().0, after: after.0 };
        self.task.rpc(&self.task.task_self(), request)
    }
}

impl Drop for PortSet {
    fn drop(&mut self) {
        self.task.post(mach_port::ModRefs { name: self.name.0, right: RightType::PortSet as u32, delta: -1 });
    }
}

fn allocate(task: &Task, right: RightType) -> Result<PortName, RpcError> {
    let reply = task.rpc(&task.task_self(), mach_port::Allocate { right: right as u32 })?;
    Ok(PortName(reply.name))
}
