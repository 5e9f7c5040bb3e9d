//! What a server asks of its own space: the calls of Mach IPC, with the receive set and the wake-up left to the node.

use proto::{Body, Disposition, KernReturn, Message, MsgReturn, NamedRight, PortName, PortUid};

/// Names one blocked send. Chosen by the server, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What to do when the queue is full. A send-once right is never held up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendMode {
    /// Give the message back.
    Poll,
    /// Keep the message among the port's blocked senders and report the ticket when it was taken or the port died.
    Wait(Ticket),
}

/// Where an accepted message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// In the queue, or destroyed because the port died in between.
    Taken,
    /// With the port's blocked senders; the ticket will be reported.
    Waiting,
}

/// A message that was not accepted.
#[derive(Debug)]
pub struct Refused {
    /// `SendInvalidDest`, `SendTimedOut` (poll), `SendNoBuffer`.
    pub code: MsgReturn,
    /// The message, as it was or with its rights received back as `Move…` (mach-api §1.9): the rights that the server has
    /// to give up are those with a `Move…` disposition. `None` when it was destroyed.
    pub message: Option<Message<NamedRight>>,
}

/// The space of an in-process server. Names are names in that space.
///
/// Calls on names that the server owns do not fail; where Mach has an error that only a wrong server could cause, an
/// implementation ignores the call.
pub trait PortSpace {
    /// A new port: its receive right, in the server's receive set, with the default queue limit.
    ///
    /// Errors: `NoSpace`, `ResourceShortage`.
    fn allocate(&mut self) -> Result<PortName, KernReturn>;

    /// Destroys the receive right: the port dies, send references under the name become dead-name references.
    #[doc(alias = "mach_port_mod_refs")]
    fn destroy_receive(&mut self, name: PortName);

    /// Gives up one reference of a send, send-once or dead name; a send-once right sends its notification.
    #[doc(alias = "mach_port_deallocate")]
    fn deallocate(&mut self, name: PortName);

    /// Sends. Rights go by their dispositions, the destination is `remote`, the reply right `local`.
    ///
    /// Errors: see [`Refused`].
    #[doc(alias = "mach_msg")]
    fn send(&mut self, message: Message<NamedRight>, mode: SendMode) -> Result<Sent, Refused>;

    /// Takes a receive right out of the receive set, so that its queue fills and senders block, or puts it back; then
    /// messages may be queued there already, and the set has to be received from.
    #[doc(alias = "mach_port_move_member")]
    fn set_receiving(&mut self, name: PortName, receiving: bool);

    /// Arms no-senders on a receive right, to be sent to that port itself; fires at once if there is no sender and
    /// `sync` is not above the make-send count.
    #[doc(alias = "mach_port_request_notification")]
    fn request_no_senders(&mut self, name: PortName, sync: u32);

    /// Arms dead-name on a send right, to be sent to `notify`; fires at once if the port is dead already.
    #[doc(alias = "mach_port_request_notification")]
    fn request_dead_name(&mut self, name: PortName, notify: PortName);

    /// The identity of the port behind a name; `None` when the port is dead or the name unknown.
    fn port_uid(&mut self, name: PortName) -> Option<PortUid>;

    /// Whether the node can queue one more message of the largest size; asked before a peer's message is sent, so that
    /// `SendNoBuffer` does not lose it and what is left is for local senders.
    fn has_room(&self) -> bool;
}

/// Gives up one right that a message owns.
pub(crate) fn release(space: &mut dyn PortSpace, right: NamedRight) {
    if !right.name.is_valid() {
        return;
    }
    match right.disposition {
        Disposition::MoveSend | Disposition::MoveSendOnce => space.deallocate(right.name),
        Disposition::MoveReceive => space.destroy_receive(right.name),
        Disposition::CopySend | Disposition::MakeSend | Disposition::MakeSendOnce => {}
    }
}

/// Gives up every right of a body.
pub(crate) fn release_body(space: &mut dyn PortSpace, body: Body<NamedRight>) {
    body.into_rights().into_iter().for_each(|right| release(space, right));
}

/// Destroys a message that was received: its reply right and the rights of its body are given up.
pub fn release_received(space: &mut dyn PortSpace, message: Message<NamedRight>) {
    release(space, message.remote);
    release_body(space, message.body);
}

/// Destroys a message that [`PortSpace::send`] gave back.
pub fn release_refused(space: &mut dyn PortSpace, message: Option<Message<NamedRight>>) {
    let Some(message) = message else { return };
    release(space, message.local);
    release(space, message.remote);
    release_body(space, message.body);
}
