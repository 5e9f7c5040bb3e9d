//! External memory management: which ports stand for which object, and the messages between this kernel and pagers.
//!
//! One object of `vm` has three ports: the pager's (we hold a send right), the control port on which its pager tells us
//! what to do, and the name port which only identifies it. Source: mach-api §3.1.

use std::collections::BTreeMap;

use proto::iface::memory_object as pager;
use proto::iface::memory_object_control::{self as control, Request};
use proto::iface::memory_object_default as default_pager;
use proto::vm::{PROT_NO_CHANGE, ShouldReturn};
use proto::{KernReturn, Message, PAGE_SIZE, Prot, SimpleRoutine, TraceId};

use super::reply::Reply;
use super::{Cx, Kernel, Kobject};
use crate::ipc::{KernelTag, PortId, Right};
use crate::vm::{LockRequest, ObjectId, Supply, Ticket, ToPager};

/// The tag of every watch on a pager's port: the port itself says which.
const PAGER_WATCH: KernelTag = KernelTag(0);

/// The ports of objects.
#[derive(Default)]
pub(super) struct Emm {
    objects: BTreeMap<ObjectId, Ports>,
    /// The object that a pager's port denotes here; gone from `memory_object_terminate` on.
    by_pager: BTreeMap<PortId, ObjectId>,
    /// Who anonymous memory is given to.
    default_pager: Option<Right>,
    /// Reply rights of lock requests and supplies that are being carried out.
    replies: BTreeMap<Ticket, Right>,
    last_ticket: u64,
}

struct Ports {
    pager: Right,
    control: PortId,
    name: PortId,
}

impl Kernel {
    /// The object that a memory object port denotes, made on its first use. Takes the right over.
    ///
    /// Errors: `InvalidArgument` a dead port (safer than GNU Mach, which maps zeroes) or no send right;
    /// `ResourceShortage`. The right is released.
    pub(super) fn object_for(&mut self, memory_object: Right) -> Result<Option<ObjectId>, KernReturn> {
        let port = match memory_object {
            Right::Null => return Ok(None),
            // What the kernel itself receives on is no pager.
            Right::Send(port) if self.ipc.is_alive(port) && self.ipc.kernel_tag(port).is_none() => port,
            other => {
                self.ipc.release(other, &mut self.fx);
                return Err(KernReturn::InvalidArgument);
            }
        };
        if let Some(&object) = self.emm.by_pager.get(&port) {
            self.ipc.release(memory_object, &mut self.fx);
            return Ok(Some(object));
        }
        match self.object_ports_make() {
            Ok((object, control, name)) => {
                self.object_bind(object, Ports { pager: memory_object, control, name }, port);
                Ok(Some(object))
            }
            Err(code) => {
                self.ipc.release(memory_object, &mut self.fx);
                Err(code)
            }
        }
    }

    fn object_ports_make(&mut self) -> Result<(ObjectId, PortId, PortId), KernReturn> {
        let object = self.vm.object_create()?;
        let (control, name) = self.control_ports_make(object)?;
        Ok((object, control, name))
    }

    fn control_ports_make(&mut self, object: ObjectId) -> Result<(PortId, PortId), KernReturn> {
        let control = self.kernel_port(Kobject::Control(object))?;
        match self.kernel_port(Kobject::Name(object)) {
            Ok(name) => Ok((control, name)),
            Err(code) => {
                self.kernel_port_destroy(control);
                Err(code)
            }
        }
    }

    /// From now on anonymous memory is given to the pager behind `port`, a send right. Takes it over.
    #[doc(alias = "vm_set_default_memory_manager")]
    pub fn set_default_pager(&mut self, port: Right) {
        if let Some(earlier) = self.emm.default_pager.replace(port) {
            self.ipc.release(earlier, &mut self.fx);
        }
    }

    /// A send right to the port of an object's pager, for who may have what a task has; a dead one stays dead.
    pub(super) fn object_pager(&mut self, object: ObjectId) -> Right {
        match self.emm.objects.get(&object) {
            Some(ports) => self.ipc.copy_send(&ports.pager),
            None => Right::Dead,
        }
    }

    /// Gives an internal object to the default pager. If that cannot be, the object is dead: what it has is all that it
    /// will have.
    ///
    /// Source: spec [kern.default.1]; mach-api §3.2 `memory_object_create`.
    pub(super) fn object_give(&mut self, object: ObjectId, size: u64, cx: &mut Cx<'_>) {
        if self.object_given(object, size).is_err() {
            self.with_vm(cx, |vm, vmcx| vm.pager_died(object, vmcx));
        }
    }

    fn object_given(&mut self, object: ObjectId, size: u64) -> Result<(), KernReturn> {
        let to = self.emm.default_pager.as_ref().map(|right| self.ipc.copy_send(right));
        let to = to.ok_or(KernReturn::Failure)?;
        let made = self.control_ports_make(object).and_then(|(control, name)| {
            let port = self.ipc.kernel_port_allocate(PAGER_WATCH).inspect_err(|_| {
                self.kernel_port_destroy(control);
                self.kernel_port_destroy(name);
            })?;
            Ok((control, name, port))
        });
        let (control, name, port) = match made {
            Ok(made) => made,
            Err(code) => {
                self.ipc.release(to, &mut self.fx);
                return Err(code);
            }
        };
        let pager = self.ipc.make_send(port);
        self.object_bind(object, Ports { pager, control, name }, port);
        let call = default_pager::Create {
            new_memory_object: self.ipc.kernel_give_receive(port, &mut self.fx).expect("it was made a moment ago"),
            new_object_size: size,
            new_control_port: self.ipc.make_send(control),
            new_name: self.ipc.make_send(name),
            new_page_size: PAGE_SIZE,
        };
        self.send_call(to, call, TraceId::default());
        Ok(())
    }

    fn object_bind(&mut self, object: ObjectId, ports: Ports, port: PortId) {
        let watched = self.ipc.kernel_watch_death(port, PAGER_WATCH);
        assert_eq!(watched, Ok(()), "the port was alive a moment ago and nothing has run since");
        self.emm.objects.insert(object, ports);
        self.emm.by_pager.insert(port, object);
    }

    /// A send right to the object's name port.
    pub(super) fn object_name(&mut self, object: ObjectId) -> Right {
        match self.emm.objects.get(&object) {
            Some(ports) => self.ipc.make_send(ports.name),
            None => Right::Null,
        }
    }

    /// The pager's port of each object, for the operator's list.
    pub fn object_ports(&self) -> impl Iterator<Item = (ObjectId, PortId)> {
        self.emm.by_pager.iter().map(|(port, object)| (*object, *port))
    }

    /// `vm` has forgotten an object: our right to its pager goes, and its ports go with the last send right, so that what
    /// was returned and the terminate message still name the kernel that they came from.
    pub(super) fn object_gone(&mut self, object: ObjectId) {
        let Some(Ports { pager, control, name }) = self.emm.objects.remove(&object) else { return };
        if let Some(port) = pager.port() {
            self.forget_pager(object, port);
            self.ipc.kernel_unwatch(port, PAGER_WATCH);
        }
        self.kernel_port_retire(control);
        self.kernel_port_retire(name);
        self.ipc.release(pager, &mut self.fx);
    }

    fn forget_pager(&mut self, object: ObjectId, pager: PortId) {
        if self.emm.by_pager.get(&pager) == Some(&object) {
            self.emm.by_pager.remove(&pager);
        }
    }

    /// A pager's port died: here, or with its node.
    pub(super) fn pager_port_died(&mut self, port: PortId, cx: &mut Cx<'_>) {
        self.emm.by_pager.remove(&port);
        let orphans: Vec<ObjectId> = self
            .emm
            .objects
            .iter()
            .filter(|(_, ports)| ports.pager.port() == Some(port))
            .map(|(object, _)| *object)
            .collect();
        for object in orphans {
            self.with_vm(cx, |vm, vmcx| vm.pager_died(object, vmcx));
        }
    }

    /// Sends a call of `vm`'s to an object's pager, or to who asked for an answer.
    pub(super) fn call_pager(&mut self, object: ObjectId, call: ToPager, trace: TraceId) {
        let Some(ports) = self.emm.objects.get(&object) else { return };
        let memory_control = self.ipc.make_send(ports.control);
        let reply = match call {
            ToPager::LockCompleted { ticket, .. } | ToPager::SupplyCompleted { ticket, .. } => Some(ticket),
            _ => None,
        };
        let to = match reply {
            Some(ticket) => self.emm.replies.remove(&ticket).unwrap_or(Right::Null),
            None => self.ipc.copy_send(&ports.pager),
        };
        match call {
            ToPager::Init => {
                let memory_object_name = self.ipc.make_send(ports.name);
                let call = pager::Init { memory_control, memory_object_name, memory_object_page_size: PAGE_SIZE };
                self.send_call(to, call, trace);
            }
            // Given by `object_give`, with ports that there are none of before.
            ToPager::Create { .. } => self.ipc.release(to, &mut self.fx),
            ToPager::Terminate => {
                let memory_object_name = self.ipc.make_send(ports.name);
                if let Some(port) = ports.pager.port() {
                    self.forget_pager(object, port);
                }
                self.send_call(to, pager::Terminate { memory_control, memory_object_name }, trace);
            }
            ToPager::DataRequest { offset, length, access, .. } => {
                let desired_access = access.bits();
                self.send_call(to, pager::DataRequest { memory_control, offset, length, desired_access }, trace);
            }
            ToPager::DataUnlock { offset, length, access } => {
                let desired_access = access.bits();
                self.send_call(to, pager::DataUnlock { memory_control, offset, length, desired_access }, trace);
            }
            ToPager::DataReturn { offset, data, dirty, kernel_copy } => {
                self.send_call(to, pager::DataReturn { memory_control, offset, data, dirty, kernel_copy }, trace);
            }
            ToPager::Synchronize { offset, length, flags } => {
                self.send_call(to, pager::Synchronize { memory_control, offset, length, flags }, trace);
            }
            ToPager::LockCompleted { offset, length, .. } => {
                self.send_call(to, pager::LockCompleted { memory_control, offset, length }, trace);
            }
            ToPager::SupplyCompleted { offset, length, result, error_offset, .. } => {
                let result = result.raw();
                let call = pager::SupplyCompleted { memory_control, offset, length, result, error_offset };
                self.send_call(to, call, trace);
            }
        }
    }

    fn send_call<C: SimpleRoutine<Right>>(&mut self, to: Right, call: C, trace: TraceId) {
        let body = call.into_body();
        let message = Message { remote: to, local: Right::Null, id: C::ID, seqno: 0, trace, body };
        // A dead pager is told of by its watch; what was to be sent is released.
        let _ = self.ipc.kernel_send(message, &mut self.fx);
    }

    /// What a pager tells this kernel about an object.
    pub(super) fn on_control_message(&mut self, object: ObjectId, mut message: Message<Right>, cx: &mut Cx<'_>) {
        let reply = Reply::of(&mut message);
        match Request::decode(message.id, message.body) {
            Ok(request) => {
                self.ipc.release(reply.to, &mut self.fx);
                self.control_call(object, request, cx);
            }
            Err(bad) => self.refuse(reply, bad),
        }
    }

    fn control_call(&mut self, object: ObjectId, request: Request<Right>, cx: &mut Cx<'_>) {
        match request {
            Request::Ready(_) => self.with_vm(cx, |vm, vmcx| vm.memory_object_ready(object, vmcx)),
            Request::DataSupply(r) => {
                let control::DataSupply { offset, data, lock_value, precious, reply_to } = r;
                let reply = self.ticket(reply_to);
                let supply = Supply { offset, data, lock: prohibited(lock_value), precious, reply };
                self.with_vm(cx, |vm, vmcx| vm.memory_object_data_supply(object, supply, vmcx));
            }
            Request::DataUnavailable(r) => {
                let lock = prohibited(r.lock_value);
                self.with_vm(cx, |vm, vmcx| vm.memory_object_data_unavailable(object, r.offset, r.size, lock, vmcx));
            }
            Request::DataError(r) => {
                let code = KernReturn::from_raw(r.error_value).unwrap_or(KernReturn::MemoryError);
                self.with_vm(cx, |vm, vmcx| vm.memory_object_data_error(object, r.offset, r.size, code, vmcx));
            }
            Request::LockRequest(r) => {
                let reply = self.ticket(r.reply_to);
                let request = LockRequest {
                    offset: r.offset,
                    size: r.size,
                    // A value that is none of the three takes nothing back wrongly when it returns everything.
                    should_return: ShouldReturn::from_raw(r.should_return).unwrap_or(ShouldReturn::All),
                    flush: r.should_flush,
                    lock: (r.lock_value != PROT_NO_CHANGE).then(|| prohibited(r.lock_value)),
                    reply,
                };
                self.with_vm(cx, |vm, vmcx| vm.memory_object_lock_request(object, request, vmcx));
            }
            Request::Destroy(_) => self.with_vm(cx, |vm, vmcx| vm.memory_object_destroy(object, vmcx)),
            Request::SynchronizeCompleted(r) => {
                let code = KernReturn::from_raw(r.result).unwrap_or(KernReturn::Failure);
                self.with_vm(cx, |vm, vmcx| {
                    vm.memory_object_synchronize_completed(object, r.offset, r.length, code, vmcx);
                });
            }
        }
    }

    fn ticket(&mut self, reply_to: Right) -> Option<Ticket> {
        if matches!(reply_to, Right::Null | Right::Dead) {
            return None;
        }
        self.emm.last_ticket += 1;
        let ticket = Ticket(self.emm.last_ticket);
        self.emm.replies.insert(ticket, reply_to);
        Some(ticket)
    }
}

/// A lock value; bits that mean nothing here prohibit nothing.
fn prohibited(lock_value: u32) -> Prot {
    Prot::from_bits_truncate(lock_value)
}
