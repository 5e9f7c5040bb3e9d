//! What the holder of a receive right may look at and set: the counters of the port, and what stands for it in messages.

use proto::limits::QLIMIT_MAX;
use proto::{KernReturn, PortName};

use super::entry::Entry;
use super::port::PortId;
use super::space::SpaceId;
use super::{Effect, Ipc, KernelTag};

/// `mach_port_status_t`: the counters of a port whose receive right is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveStatus {
    /// The set it is a member of, or `NULL`.
    pub pset: PortName,
    /// The number of the next message.
    pub seqno: u32,
    /// Send rights made since the receive right came here.
    pub mscount: u32,
    /// Messages that the queue takes.
    pub qlimit: u32,
    /// Messages in it.
    pub msgcount: u32,
    /// Send-once rights.
    pub sorights: u32,
    /// Whether there are send rights.
    pub srights: bool,
    /// Whether a port-destroyed request is armed.
    pub pdrequest: bool,
    /// Whether a no-senders request is armed.
    pub nsrequest: bool,
}

impl Ipc {
    /// The port whose receive right is under a name.
    ///
    /// Errors: `InvalidName`; `InvalidRight`.
    pub(super) fn receive_right(&mut self, space: SpaceId, name: PortName) -> Result<PortId, KernReturn> {
        match self.named(space, name)? {
            Entry::Port { port, receive: true, .. } => Ok(port),
            _ => Err(KernReturn::InvalidRight),
        }
    }

    /// The counters of a port whose receive right is held.
    ///
    /// Errors: `InvalidName`; `InvalidRight`.
    #[doc(alias = "mach_port_get_receive_status")]
    pub fn get_receive_status(&mut self, space: SpaceId, name: PortName) -> Result<ReceiveStatus, KernReturn> {
        let port = self.receive_right(space, name)?;
        let p = &self.ports[port];
        Ok(ReceiveStatus {
            pset: p.set.map_or(PortName::NULL, |set| self.psets[set].name),
            seqno: p.seqno,
            mscount: p.mscount,
            qlimit: p.qlimit,
            msgcount: p.queue.len(),
            sorights: p.sorights,
            srights: p.srights > 0,
            pdrequest: p.port_destroyed.is_some(),
            nsrequest: p.no_senders.is_some(),
        })
    }

    /// Sets the queue limit; new room goes to blocked senders at once.
    ///
    /// Errors: `InvalidValue` above [`QLIMIT_MAX`]; `InvalidName`; `InvalidRight` no receive right.
    #[doc(alias = "mach_port_set_qlimit")]
    pub fn set_qlimit(
        &mut self,
        space: SpaceId,
        name: PortName,
        qlimit: u32,
        fx: &mut Vec<Effect>,
    ) -> Result<(), KernReturn> {
        if qlimit > QLIMIT_MAX {
            return Err(KernReturn::InvalidValue);
        }
        let port = self.receive_right(space, name)?;
        self.ports[port].qlimit = qlimit;
        self.refill(port, fx);
        Ok(())
    }

    /// Sets the make-send count, with which no-senders notifications are told apart.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no receive right. Source: spec [ipc.status.2].
    #[doc(alias = "mach_port_set_mscount")]
    pub fn set_mscount(&mut self, space: SpaceId, name: PortName, mscount: u32) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports[port].mscount = mscount;
        Ok(())
    }

    /// Sets the number that the next message gets.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no receive right. Source: spec [ipc.status.2].
    #[doc(alias = "mach_port_set_seqno")]
    pub fn set_seqno(&mut self, space: SpaceId, name: PortName, seqno: u32) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports[port].seqno = seqno;
        Ok(())
    }

    /// Has messages of a port arrive with `payload` in place of its name, until the receive right moves.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no receive right. Source: spec [ipc.payload.1].
    #[doc(alias = "mach_port_set_protected_payload")]
    pub fn set_protected_payload(&mut self, space: SpaceId, name: PortName, payload: u64) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports[port].payload = Some(payload);
        Ok(())
    }

    /// Has messages of a port arrive with its name again.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no receive right. Source: spec [ipc.payload.1].
    #[doc(alias = "mach_port_clear_protected_payload")]
    pub fn clear_protected_payload(&mut self, space: SpaceId, name: PortName) -> Result<(), KernReturn> {
        let port = self.receive_right(space, name)?;
        self.ports[port].payload = None;
        Ok(())
    }

    /// The names of a set's members, in ascending order.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no set. Source: spec [ipc.set.5].
    #[doc(alias = "mach_port_get_set_status")]
    pub fn get_set_status(&mut self, space: SpaceId, name: PortName) -> Result<Vec<PortName>, KernReturn> {
        let Entry::Set(set) = self.named(space, name)? else { return Err(KernReturn::InvalidRight) };
        let members = self.psets[set].members.iter();
        let mut names: Vec<PortName> = members.filter_map(|port| self.name_for(space, *port)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Send rights of a port whose receive right is held, wherever they are.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no receive right. Source: spec [ipc.debug.1].
    #[doc(alias = "mach_port_get_srights")]
    pub fn get_srights(&mut self, space: SpaceId, name: PortName) -> Result<u32, KernReturn> {
        let port = self.receive_right(space, name)?;
        Ok(self.ports[port].srights)
    }

    /// Dead-name requests on a port whose receive right is held, in all spaces.
    ///
    /// Errors: `InvalidName`; `InvalidRight` no receive right. Source: spec [ipc.debug.1].
    #[doc(alias = "mach_port_dnrequest_info")]
    pub fn dead_name_requests(&mut self, space: SpaceId, name: PortName) -> Result<u32, KernReturn> {
        let port = self.receive_right(space, name)?;
        Ok(self.ports[port].dead_names.len() as u32)
    }

    /// What the kernel has behind a port to which the name has a send or receive right; `None` for a task's port.
    ///
    /// Errors: `InvalidName`; `InvalidRight` another kind of name. Source: spec [ipc.debug.2].
    #[doc(alias = "mach_port_kernel_object")]
    pub fn kernel_object(&mut self, space: SpaceId, name: PortName) -> Result<Option<KernelTag>, KernReturn> {
        match self.named(space, name)? {
            Entry::Port { port, .. } => Ok(self.kernel_tag(port)),
            _ => Err(KernReturn::InvalidRight),
        }
    }
}
