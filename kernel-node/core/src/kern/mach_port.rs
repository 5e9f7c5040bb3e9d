//! The `mach_port` routines, and those of `mach_debug` on names, as messages to a task port. Each is one call of
//! [`crate::ipc::Ipc`].

use proto::iface::mach_debug;
use proto::iface::mach_port::{self, Request};
use proto::msg::Reply as _;
use proto::{Body, Disposition, KernReturn, PortName, RightType};

use super::Kernel;
use super::reply::Results;
use crate::ipc::{NotificationKind, Right, SpaceId};

impl Kernel {
    /// Carries one routine of `mach_debug` out.
    pub(super) fn mach_debug_call(&mut self, space: SpaceId, request: mach_debug::Request) -> Results {
        let ipc = &mut self.ipc;
        Ok(match request {
            mach_debug::Request::GetSrights(r) => {
                let srights = ipc.get_srights(space, PortName(r.name))?;
                mach_debug::GetSrightsReply { srights }.into_body()
            }
            mach_debug::Request::DnrequestInfo(r) => {
                let used = ipc.dead_name_requests(space, PortName(r.name))?;
                mach_debug::DnrequestInfoReply { total: used, used }.into_body()
            }
            mach_debug::Request::KernelObject(r) => {
                let tag = ipc.kernel_object(space, PortName(r.name))?;
                let (object_type, object_addr) = tag.map_or((0, 0), |tag| (self.kobject_type(tag), tag.0));
                mach_debug::KernelObjectReply { object_type, object_addr }.into_body()
            }
        })
    }

    /// Carries one routine of `mach_port` out.
    pub(super) fn mach_port_call(&mut self, space: SpaceId, request: Request<Right>) -> Results {
        let (ipc, fx) = (&mut self.ipc, &mut self.fx);
        let right_type = |raw| RightType::from_raw(raw).ok_or(KernReturn::InvalidValue);
        let disposition = |raw| Disposition::from_raw(raw).ok_or(KernReturn::InvalidValue);
        Ok(match request {
            Request::Names(_) => {
                ipc.lanes_cut_space(space);
                let (names, types): (Vec<u32>, Vec<u32>) =
                    ipc.names(space)?.into_iter().map(|(name, bits)| (name.0, bits)).unzip();
                mach_port::NamesReply { names, types }.into_body()
            }
            Request::Type(r) => mach_port::TypeReply { ptype: ipc.port_type(space, PortName(r.name))? }.into_body(),
            Request::Rename(r) => unit(ipc.rename(space, PortName(r.old_name), PortName(r.new_name))?),
            Request::AllocateName(r) => {
                // The name is judged before the right.
                let right = RightType::from_raw(r.right).unwrap_or(RightType::Send);
                unit(ipc.allocate_name(space, right, PortName(r.name))?)
            }
            Request::Allocate(r) => {
                let name = ipc.allocate(space, right_type(r.right)?)?;
                mach_port::AllocateReply { name: name.0 }.into_body()
            }
            Request::Destroy(r) => unit(ipc.destroy(space, PortName(r.name), fx)?),
            Request::Deallocate(r) => unit(ipc.deallocate(space, PortName(r.name), fx)?),
            Request::GetRefs(r) => {
                let refs = ipc.get_refs(space, PortName(r.name), right_type(r.right)?)?;
                mach_port::GetRefsReply { refs }.into_body()
            }
            Request::ModRefs(r) => unit(ipc.mod_refs(space, PortName(r.name), right_type(r.right)?, r.delta, fx)?),
            Request::SetQlimit(r) => unit(ipc.set_qlimit(space, PortName(r.name), r.qlimit, fx)?),
            Request::SetMscount(r) => unit(ipc.set_mscount(space, PortName(r.name), r.mscount)?),
            Request::GetSetStatus(r) => {
                let members = ipc.get_set_status(space, PortName(r.name))?.into_iter().map(|name| name.0).collect();
                mach_port::GetSetStatusReply { members }.into_body()
            }
            Request::MoveMember(r) => unit(ipc.move_member(space, PortName(r.member), PortName(r.after), fx)?),
            Request::RequestNotification(r) => {
                let Some(kind) = NotificationKind::from_raw(r.msgid) else {
                    let dead = r.notify == Right::Dead;
                    ipc.release(r.notify, fx);
                    return Err(if dead { KernReturn::InvalidCapability } else { KernReturn::InvalidValue });
                };
                let previous = ipc.request_notification(space, PortName(r.name), kind, r.sync, r.notify, fx)?;
                mach_port::RequestNotificationReply { previous }.into_body()
            }
            Request::InsertRight(r) => unit(ipc.insert_right(space, PortName(r.name), r.right, fx)?),
            Request::ExtractRight(r) => {
                let right = ipc.extract_right(space, PortName(r.name), disposition(r.disposition)?, fx)?;
                mach_port::ExtractRightReply { right }.into_body()
            }
            Request::GetReceiveStatus(r) => {
                let s = ipc.get_receive_status(space, PortName(r.name))?;
                let status = mach_port::PortStatus {
                    pset: s.pset.0,
                    seqno: s.seqno,
                    mscount: s.mscount,
                    qlimit: s.qlimit,
                    msgcount: s.msgcount,
                    sorights: s.sorights,
                    srights: s.srights,
                    pdrequest: s.pdrequest,
                    nsrequest: s.nsrequest,
                };
                mach_port::GetReceiveStatusReply { status }.into_body()
            }
            Request::SetSeqno(r) => unit(ipc.set_seqno(space, PortName(r.name), r.seqno)?),
            Request::SetProtectedPayload(r) => unit(ipc.set_protected_payload(space, PortName(r.name), r.payload)?),
            Request::ClearProtectedPayload(r) => unit(ipc.clear_protected_payload(space, PortName(r.name))?),
        })
    }
}

fn unit((): ()) -> Body<Right> {
    ().into_body()
}
