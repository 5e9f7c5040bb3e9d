//! The `mach_port` routines, as messages to a task port. Each is one call of [`crate::ipc::Ipc`].

use proto::iface::mach_port::{self, Request};
use proto::msg::Reply as _;
use proto::{BadBody, Body, Disposition, KernReturn, PortName, RightType};

use super::Kernel;
use super::reply::{Reply, Results};
use crate::ipc::{NotificationKind, Right, SpaceId};

impl Kernel {
    /// Carries one routine out and answers it; gives the request back when its body does not fit.
    pub(super) fn mach_port_routine(
        &mut self,
        space: SpaceId,
        id: i32,
        body: Body<Right>,
        reply: Reply,
    ) -> Option<(Reply, BadBody<Right>)> {
        match Request::decode(id, body) {
            Ok(request) => {
                let results = self.mach_port_call(space, request);
                self.answer(reply, results);
                None
            }
            Err(bad) => Some((reply, bad)),
        }
    }

    fn mach_port_call(&mut self, space: SpaceId, request: Request<Right>) -> Results {
        let (ipc, fx) = (&mut self.ipc, &mut self.fx);
        let right_type = |raw| RightType::from_raw(raw).ok_or(KernReturn::InvalidValue);
        let disposition = |raw| Disposition::from_raw(raw).ok_or(KernReturn::InvalidValue);
        Ok(match request {
            Request::Names(_) => {
                let (names, types): (Vec<u32>, Vec<u32>) =
                    ipc.names(space)?.into_iter().map(|(name, bits)| (name.0, bits)).unzip();
                mach_port::NamesReply { names, types }.into_body()
            }
            Request::Type(r) => mach_port::TypeReply { ptype: ipc.port_type(space, PortName(r.name))? }.into_body(),
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
            Request::MoveMember(r) => unit(ipc.move_member(space, PortName(r.member), PortName(r.after), fx)?),
            Request::RequestNotification(r) => {
                let Some(kind) = NotificationKind::from_raw(r.msgid) else {
                    ipc.release(r.notify, fx);
                    return Err(KernReturn::InvalidValue);
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
        })
    }
}

fn unit((): ()) -> Body<Right> {
    ().into_body()
}
