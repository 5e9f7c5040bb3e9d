//! What an operator may look at.

use proto::{PortName, PortUid};

use super::port::{PortId, Receiver};
use super::space::SpaceId;
use super::{Ipc, KernelTag};

/// Who has a port's receive right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReceiverKind {
    /// A space, under this name.
    Space(SpaceId, PortName),
    /// The kernel.
    Kernel(KernelTag),
    /// A message, or the kernel's hands.
    InTransit,
}

/// One port, for lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortInfo {
    /// The port.
    pub port: PortId,
    /// Its identity in the cluster.
    pub uid: PortUid,
    /// Who receives.
    pub receiver: ReceiverKind,
    /// Send rights, wherever they are.
    pub send_rights: u32,
    /// Send-once rights, likewise.
    pub send_once_rights: u32,
    /// Of both, those in the kernel's hands: what does not go down is a leak of the kernel's.
    pub kernel_held: u32,
    /// Messages in the queue.
    pub queued: u32,
    /// Senders that wait for room.
    pub blocked: u32,
    /// Messages that the queue takes.
    pub queue_limit: u32,
    /// Send rights made.
    pub make_send_count: u32,
}

impl Ipc {
    /// Every live port.
    pub fn ports(&self) -> impl Iterator<Item = PortInfo> + '_ {
        self.ports.iter().map(|(port, p)| PortInfo {
            port,
            uid: p.uid,
            receiver: match p.receiver {
                Receiver::Space { space, name } => ReceiverKind::Space(space, name),
                Receiver::Kernel(tag) => ReceiverKind::Kernel(tag),
                Receiver::Limbo | Receiver::Transit(_) => ReceiverKind::InTransit,
            },
            send_rights: p.srights,
            send_once_rights: p.sorights,
            kernel_held: p.kernel_srights + p.kernel_sorights,
            queued: p.queue.len(),
            blocked: p.blocked.len(),
            queue_limit: p.qlimit,
            make_send_count: p.mscount,
        })
    }

    /// Live ports.
    pub fn ports_len(&self) -> usize {
        self.ports.len()
    }

    /// Messages queued or blocked, and what they cost in bytes.
    pub fn queued(&self) -> (usize, usize) {
        (self.kmsgs.len(), self.queued_bytes)
    }

    /// Send and send-once rights in the kernel's hands.
    pub fn kernel_held(&self) -> usize {
        self.ports.values().map(|p| (p.kernel_srights + p.kernel_sorights) as usize).sum()
    }
}
