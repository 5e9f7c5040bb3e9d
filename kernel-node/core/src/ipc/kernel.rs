//! The kernel's own side: ports it receives on, rights in its hands, messages it sends.
//!
//! A [`Right`] that a function here returns is counted as the kernel's until it is given back to one that takes a right.

use proto::{Body, KernReturn, Message, MsgReturn, PortName};

use super::kmsg::{each_right, measure};
use super::port::{Circularity, PortId, Receiver};
use super::right::Right;
use super::space::SpaceId;
use super::{Effect, Ipc};

/// What a kernel-owned port stands for, or a watch was set for; chosen by the kernel and not interpreted here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KernelTag(pub u64);

/// A message to a kernel-owned port.
#[derive(PartialEq, Eq, Debug)]
pub struct KernelMessage {
    /// The port it was sent to.
    pub port: PortId,
    /// What that port stands for.
    pub tag: KernelTag,
    /// As it arrives: `remote` is the reply right, `local` is null (the right it was sent to is used up), `seqno` is set.
    /// Its rights are the kernel's to release.
    pub message: Message<Right>,
}

impl Ipc {
    /// A port that the kernel receives on.
    ///
    /// Errors: `ResourceShortage` the node has as many ports as it may.
    pub fn kernel_port_allocate(&mut self, tag: KernelTag) -> Result<PortId, KernReturn> {
        self.port_create(Receiver::Kernel(tag))
    }

    /// What a kernel-owned port stands for; `None` for one that is dead or that another receives on.
    #[doc(alias = "ip_kobject")]
    pub fn kernel_tag(&self, port: PortId) -> Option<KernelTag> {
        match self.ports.get(port)?.receiver {
            Receiver::Kernel(tag) => Some(tag),
            _ => None,
        }
    }

    /// The next message for the kernel, in the order in which they were sent; those to a port that died since are destroyed.
    ///
    /// Conditions: the kernel empties its inbox after each call that may have filled it; the inbox has no bound of its own.
    pub fn kernel_receive(&mut self, fx: &mut Vec<Effect>) -> Option<KernelMessage> {
        while let Some(kernel_message) = self.inbox.pop_front() {
            if self.ports.contains_key(kernel_message.port) {
                self.hand_out_message(&kernel_message.message);
                return Some(kernel_message);
            }
            self.destroy_message(kernel_message.message);
            self.settle(fx);
        }
        None
    }

    /// Destroys a kernel-owned port, as giving up its receive right would. One that is dead or not the kernel's is left alone.
    pub fn kernel_port_destroy(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        if self.kernel_tag(port).is_some() {
            self.detach_receive(port, MsgReturn::RcvPortDied, fx);
            self.defer_release(Right::Receive(port));
            self.settle(fx);
        }
    }

    /// Destroys a kernel-owned port once nobody has a send right to it, in a message or in a space: at once if that is so
    /// already. Until then messages to it still come.
    ///
    /// Source: spec [ipc.kernel.5].
    pub fn kernel_port_retire(&mut self, port: PortId, fx: &mut Vec<Effect>) {
        if self.kernel_tag(port).is_none() {
            return;
        }
        match self.ports[port].srights {
            0 => self.kernel_port_destroy(port, fx),
            _ => self.ports[port].retiring = true,
        }
    }

    /// Sends from the kernel: never blocks, whatever the queue limit and the bounds of a message.
    ///
    /// Conditions: `message.remote` is the destination, a send or send-once right; every right of the message is consumed.
    /// Errors: `SendInvalidDest` the destination is null or dead; the message's rights are released.
    /// Source: spec [ipc.kernel.2].
    pub fn kernel_send(&mut self, message: Message<Right>, fx: &mut Vec<Effect>) -> Result<(), MsgReturn> {
        self.take_in_message(&message);
        let result = self.kernel_send_taken(message, fx);
        self.settle(fx);
        result
    }

    fn kernel_send_taken(&mut self, mut message: Message<Right>, fx: &mut Vec<Effect>) -> Result<(), MsgReturn> {
        let dest = match message.remote {
            Right::Send(port) | Right::SendOnce(port) if self.ports.contains_key(port) => port,
            _ => {
                self.destroy_message(message);
                return Err(MsgReturn::SendInvalidDest);
            }
        };
        // A routine may answer with any kind of right in the same place (`mach_port_extract_right`).
        message.body.set_kinds(|right| right.port().map(|_| right.arrival()));
        if self.put_in_transit(&message.body, dest) != Circularity::None {
            self.destroy_message(message);
            return Ok(());
        }
        let size = measure(&message);
        self.post(dest, message, size, fx);
        Ok(())
    }

    /// A send right from a receive right; counts as made. `Dead` when the port is.
    #[doc(alias = "ipc_port_make_send")]
    pub fn make_send(&mut self, port: PortId) -> Right {
        match self.ports.contains_key(port) {
            true => self.make_send_uncounted(port),
            false => Right::Dead,
        }
        .tap_hand_out(self)
    }

    /// A send-once right from a receive right. `Dead` when the port is.
    #[doc(alias = "ipc_port_make_sonce")]
    pub fn make_send_once(&mut self, port: PortId) -> Right {
        match self.ports.contains_key(port) {
            true => self.make_send_once_uncounted(port),
            false => Right::Dead,
        }
        .tap_hand_out(self)
    }

    /// Another send right like `right`; `Null` for a right that cannot be copied. `Dead` when the port is.
    #[doc(alias = "ipc_port_copy_send")]
    pub fn copy_send(&mut self, right: &Right) -> Right {
        match *right {
            Right::Null | Right::SendOnce(_) | Right::Receive(_) => Right::Null,
            Right::Send(port) if self.ports.contains_key(port) => {
                self.ports[port].srights += 1;
                Right::Send(port)
            }
            Right::Send(_) | Right::Dead => Right::Dead,
        }
        .tap_hand_out(self)
    }

    /// Gives up a right as the death of its holder would: the last send right may tell of no senders, a send-once right
    /// sends its notification, a receive right destroys its port.
    #[doc(alias = "ipc_object_destroy")]
    pub fn release(&mut self, right: Right, fx: &mut Vec<Effect>) {
        self.take_in(&right);
        self.defer_release(right);
        self.settle(fx);
    }

    /// Releases every right of a body.
    pub fn release_body(&mut self, body: Body<Right>, fx: &mut Vec<Effect>) {
        let (remote, local) = (Right::Null, Right::Null);
        self.release_message(Message { remote, local, id: 0, seqno: 0, trace: Default::default(), body }, fx);
    }

    /// Releases every right of a message.
    pub fn release_message(&mut self, message: Message<Right>, fx: &mut Vec<Effect>) {
        self.take_in_message(&message);
        self.destroy_message(message);
        self.settle(fx);
    }

    /// Gives a space a right outside any message, and returns the name that stands for it.
    ///
    /// Conditions: the right is consumed, also on failure.
    /// Errors: `InvalidTask` the space is gone; `NoSpace` it has no room.
    #[doc(alias = "ipc_object_copyout")]
    pub fn insert_right_for(
        &mut self,
        space: SpaceId,
        right: Right,
        fx: &mut Vec<Effect>,
    ) -> Result<PortName, KernReturn> {
        self.take_in(&right);
        let result = if !self.spaces.contains_key(space) {
            self.defer_release(right);
            Err(KernReturn::InvalidTask)
        } else {
            self.copyout(space, right, fx).map_err(|right| {
                self.defer_release(right);
                KernReturn::NoSpace
            })
        };
        self.settle(fx);
        result
    }

    /// Turns the kernel's receiving on `port` into a receive right that can be sent.
    ///
    /// Conditions: the port is the kernel's; `None` otherwise. Its counters start again.
    pub fn kernel_give_receive(&mut self, port: PortId, fx: &mut Vec<Effect>) -> Option<Right> {
        self.kernel_tag(port)?;
        self.detach_receive(port, MsgReturn::RcvPortDied, fx);
        Some(Right::Receive(port))
    }

    /// Makes the kernel the receiver of a port whose receive right it was sent; what is queued there comes to its inbox.
    ///
    /// Errors: the right comes back when it is not the receive right of a live port.
    pub fn kernel_adopt(&mut self, right: Right, tag: KernelTag, fx: &mut Vec<Effect>) -> Result<PortId, Right> {
        let Right::Receive(port) = right else { return Err(right) };
        if !self.ports.contains_key(port) {
            return Err(right);
        }
        self.ports[port].receiver = Receiver::Kernel(tag);
        self.drain_to_kernel(port, tag, fx);
        self.settle(fx);
        Ok(port)
    }

    /// Asks for [`Effect::PortDied`] when `port` dies. One watch per call.
    ///
    /// Errors: `InvalidCapability` it is dead already; no effect will come.
    pub fn kernel_watch_death(&mut self, port: PortId, tag: KernelTag) -> Result<(), KernReturn> {
        let p = self.ports.get_mut(port).ok_or(KernReturn::InvalidCapability)?;
        p.watches.push(tag);
        Ok(())
    }

    /// Takes one watch back; whether there was one.
    pub fn kernel_unwatch(&mut self, port: PortId, tag: KernelTag) -> bool {
        let Some(p) = self.ports.get_mut(port) else { return false };
        let at = p.watches.iter().position(|t| *t == tag);
        at.map(|i| p.watches.swap_remove(i)).is_some()
    }

    /// Counts `right` as in the kernel's hands.
    pub(super) fn hand_out(&mut self, right: &Right) {
        self.count_kernel(right, |count| *count += 1);
    }

    /// Counts `right` as in the kernel's hands no more.
    pub(super) fn take_in(&mut self, right: &Right) {
        self.count_kernel(right, |count| {
            *count = count.checked_sub(1).expect("the kernel gives only rights that it was given");
        });
    }

    fn count_kernel(&mut self, right: &Right, change: impl FnOnce(&mut u32)) {
        let Some(p) = right.port().and_then(|port| self.ports.get_mut(port)) else { return };
        match right {
            Right::Send(_) => change(&mut p.kernel_srights),
            Right::SendOnce(_) => change(&mut p.kernel_sorights),
            Right::Receive(_) | Right::Null | Right::Dead => {}
        }
    }

    fn hand_out_message(&mut self, message: &Message<Right>) {
        each_right(message, |right| self.hand_out(right));
    }

    fn take_in_message(&mut self, message: &Message<Right>) {
        each_right(message, |right| self.take_in(right));
    }
}

impl Right {
    /// The right, now counted as the kernel's.
    pub(super) fn tap_hand_out(self, ipc: &mut Ipc) -> Right {
        ipc.hand_out(&self);
        self
    }
}
