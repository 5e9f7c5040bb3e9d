//! Where ports and memory meet: tasks, the ports that the kernel itself receives on, and who answers for them.
//!
//! [`Kernel`] is one node's Mach. A message to a kernel-owned port comes out of `ipc`'s inbox, is decoded by the stubs and
//! becomes a call of `ipc` or `vm`; an event of `vm` becomes a message to a pager. The shell calls [`Kernel::settle`]
//! after every outside event, and carries out the effects.
//!
//! Who may touch what: only this module knows both an object and its ports ([`emm`]), and both a task and its space
//! ([`task`]). `ipc` and `vm` are public to the shell for what concerns one of them alone.
//!
//! Invariants:
//! 1. Each kernel-owned port has one entry in `kobjects`, and that entry dies with it.
//! 2. Each request that came with a reply right is answered once: at once, or when the order or msync it waits for ends.
//! 3. After `settle` the kernel's inbox and the list of vm events are empty.

mod emm;
mod errand;
mod inherit;
mod mach;
mod mach_port;
mod reply;
mod space;
mod task;
mod thread;

use std::collections::BTreeMap;

use proto::msg::Reply as _;
use proto::{BadBody, Incarnation, KernReturn, Message, PortName, TraceId};

use crate::ipc::{self, Ipc, KernelMessage, KernelTag, PortId, Right};
use crate::vm::{self, Fault, FaultOutcome, ObjectId, OrderId, Pmap, Vm, VmCx, VmEvent};
use crate::{TaskId, Time};

use emm::Emm;
use reply::{Pending, Reply};
pub use space::Creation;
pub use task::{NewTask, Task};
use thread::Thread;
pub use thread::ThreadId;

/// What a kernel-owned port stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kobject {
    /// A task.
    Task(TaskId),
    /// A thread.
    Thread(ThreadId),
    /// The control port of an object: what its pager tells this kernel.
    Control(ObjectId),
    /// The name port of an object: identity only.
    Name(ObjectId),
}

/// Something for the shell to do after a call.
#[derive(PartialEq, Eq, Debug)]
pub enum Effect {
    /// An effect on ports: a server became readable, a waiter is done.
    Ipc(ipc::Effect),
    /// End the task's process; the shell then calls [`Kernel::task_gone`].
    Kill(TaskId),
    /// There is a task that waits for its process.
    Created(TaskId),
    /// As `Kill`, for a task that writes to memory where that can be neither permitted nor refused.
    Unruly(TaskId),
    /// End the `mach_msg` in which a thread waits, if it does: `thread_abort`.
    AbortThread(ThreadId),
    /// A fault that had to wait is over; for metrics and traces.
    FaultDone {
        /// How it ended.
        class: vm::FaultClass,
        /// When it began.
        since: Time,
        /// Its activity.
        trace: TraceId,
    },
}

/// What the shell lends to every call.
pub struct Cx<'a> {
    /// The time of the call.
    pub now: Time,
    /// The memory.
    pub pmap: &'a mut dyn Pmap,
    /// Where effects go, in order.
    pub out: &'a mut Vec<Effect>,
}

/// One node's Mach.
pub struct Kernel {
    /// Ports. The shell calls it for the spaces of in-process servers and for the trap `mach_msg`.
    pub ipc: Ipc,
    vm: Vm,
    tasks: BTreeMap<TaskId, Task>,
    last_task: u32,
    threads: BTreeMap<ThreadId, Thread>,
    kobjects: BTreeMap<KernelTag, Kobject>,
    last_tag: u64,
    emm: Emm,
    pending: Pending,
    vm_events: Vec<VmEvent>,
    fx: Vec<ipc::Effect>,
}

impl Kernel {
    /// A node without tasks.
    pub fn new(incarnation: Incarnation, config: vm::Config) -> Kernel {
        Kernel {
            ipc: Ipc::new(incarnation),
            vm: Vm::new(config),
            tasks: BTreeMap::new(),
            last_task: 0,
            threads: BTreeMap::new(),
            kobjects: BTreeMap::new(),
            last_tag: 0,
            emm: Emm::default(),
            pending: Pending::default(),
            vm_events: Vec::new(),
            fx: Vec::new(),
        }
    }

    /// The memory side, to look at.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// A port that the kernel receives on.
    ///
    /// Errors: `ResourceShortage` the node has too many ports.
    fn kernel_port(&mut self, kobject: Kobject) -> Result<PortId, KernReturn> {
        self.last_tag += 1;
        let tag = KernelTag(self.last_tag);
        let port = self.ipc.kernel_port_allocate(tag)?;
        self.kobjects.insert(tag, kobject);
        Ok(port)
    }

    /// Ends a port of the kernel's: its holders get dead names.
    fn kernel_port_destroy(&mut self, port: PortId) {
        if let Some(tag) = self.ipc.kernel_tag(port) {
            self.kobjects.remove(&tag);
            self.ipc.kernel_port_destroy(port, &mut self.fx);
        }
    }

    /// What a kernel-owned port stands for, for people.
    pub fn kobject_label(&self, tag: KernelTag) -> String {
        match self.kobjects.get(&tag) {
            Some(Kobject::Task(task)) => format!("task {}", task.0),
            Some(Kobject::Thread(thread)) => format!("thread {}", thread.0),
            Some(Kobject::Control(_)) => "memory control".into(),
            Some(Kobject::Name(_)) => "memory name".into(),
            None => "nothing".into(),
        }
    }

    /// What a kernel-owned port stands for, by GNU Mach's number (`IKOT_*`).
    fn kobject_type(&self, tag: KernelTag) -> u32 {
        match self.kobjects.get(&tag) {
            None => 0,
            Some(Kobject::Thread(_)) => 1,
            Some(Kobject::Task(_)) => 2,
            Some(Kobject::Control(_)) => 9,
            Some(Kobject::Name(_)) => 16,
        }
    }

    /// Gives up a port of the kernel's that others may still name: it dies with its last send right.
    fn kernel_port_retire(&mut self, port: PortId) {
        if let Some(tag) = self.ipc.kernel_tag(port) {
            self.kobjects.remove(&tag);
            self.ipc.kernel_port_retire(port, &mut self.fx);
        }
    }

    /// A thread of a task faulted. Followed by [`Kernel::settle`].
    pub fn fault(&mut self, fault: Fault, cx: &mut Cx<'_>) -> FaultOutcome {
        let Kernel { vm, vm_events, .. } = self;
        vm.fault(fault, &mut VmCx { now: cx.now, pmap: cx.pmap, out: vm_events })
    }

    /// An order rides in the answer to the thread that asked for it, which does it before it sees the answer: so the answer
    /// goes out. What the order gives or frees waits for [`Kernel::order_done`]. Followed by [`Kernel::settle`].
    pub fn order_rides(&mut self, order: OrderId) {
        if let Some((reply, results)) = self.pending.order_done(order, Ok(())) {
            self.answer(reply, results);
        }
    }

    /// A task's agent, or the calling thread, carried out an order or could not. Followed by [`Kernel::settle`].
    pub fn order_done(&mut self, order: OrderId, result: Result<(), KernReturn>, cx: &mut Cx<'_>) {
        if let Err(code) = result {
            self.errand_done(order, Err(code), cx);
        }
        self.with_vm(cx, |vm, vmcx| vm.order_done(order, result, vmcx));
        self.mapped_aside(order, result, cx);
        if let Some((reply, results)) = self.pending.order_done(order, result) {
            self.answer(reply, results);
        }
    }

    /// Lends the memory side, for calls that come as traps. Followed by [`Kernel::settle`].
    pub fn vm_call<T>(&mut self, cx: &mut Cx<'_>, f: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> T) -> T {
        self.with_vm(cx, f)
    }

    /// When [`Kernel::tick`] has to be called next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.vm.next_deadline()
    }

    /// Deadlines that passed. Followed by [`Kernel::settle`].
    pub fn tick(&mut self, cx: &mut Cx<'_>) {
        self.with_vm(cx, |vm, vmcx| vm.tick(vmcx));
    }

    /// Does what calls have left to do, until nothing is left: messages to the kernel's own ports, events of `vm`.
    pub fn settle(&mut self, cx: &mut Cx<'_>) {
        loop {
            if let Some(message) = self.ipc.kernel_receive(&mut self.fx) {
                self.on_message(message, cx);
            } else if !self.vm_events.is_empty() {
                for event in std::mem::take(&mut self.vm_events) {
                    self.on_vm_event(event, cx);
                }
            } else if !self.fx.is_empty() {
                for effect in std::mem::take(&mut self.fx) {
                    self.on_ipc_effect(effect, cx);
                }
            } else {
                return;
            }
        }
    }

    /// The effects of a call that the shell made on [`Kernel::ipc`] itself.
    pub fn ipc_effects(&mut self) -> &mut Vec<ipc::Effect> {
        &mut self.fx
    }

    /// [`Kernel::ipc`] together with the list that its effects go to.
    pub fn ipc_mut(&mut self) -> (&mut Ipc, &mut Vec<ipc::Effect>) {
        (&mut self.ipc, &mut self.fx)
    }

    fn on_message(&mut self, KernelMessage { tag, message, .. }: KernelMessage, cx: &mut Cx<'_>) {
        match self.kobjects.get(&tag) {
            Some(&Kobject::Task(task)) => self.on_task_message(task, message, cx),
            Some(&Kobject::Thread(thread)) => self.on_thread_message(thread, message, cx),
            Some(&Kobject::Control(object)) => self.on_control_message(object, message, cx),
            Some(&Kobject::Name(_)) | None => self.refuse_id(message),
        }
    }

    fn on_ipc_effect(&mut self, effect: ipc::Effect, cx: &mut Cx<'_>) {
        match effect {
            ipc::Effect::PortDied { port, .. } => self.pager_port_died(port, cx),
            other => cx.out.push(Effect::Ipc(other)),
        }
    }

    fn on_vm_event(&mut self, event: VmEvent, cx: &mut Cx<'_>) {
        match event {
            VmEvent::ToPager { object, call: vm::ToPager::Create { size }, .. } => self.object_give(object, size, cx),
            VmEvent::ToPager { object, call, trace } => self.call_pager(object, call, trace),
            VmEvent::Unruly { task } => cx.out.push(Effect::Unruly(task)),
            VmEvent::ObjectGone { object } => self.object_gone(object),
            VmEvent::FaultDone { class, since, trace, .. } => cx.out.push(Effect::FaultDone { class, since, trace }),
            VmEvent::MsyncDone { ticket, result } => {
                if let Some(reply) = self.pending.msync_done(ticket) {
                    let results = if result == KernReturn::Success { Ok(().into_body()) } else { Err(result) };
                    self.answer(reply, results);
                }
            }
        }
    }

    fn with_vm<T>(&mut self, cx: &mut Cx<'_>, f: impl FnOnce(&mut Vm, &mut VmCx<'_>) -> T) -> T {
        f(&mut self.vm, &mut VmCx { now: cx.now, pmap: cx.pmap, out: &mut self.vm_events })
    }

    /// Gives up every right of a message that nobody will look at.
    fn discard(&mut self, message: Message<Right>) {
        self.ipc.release_message(message, &mut self.fx);
    }

    /// Answers a request that did not fit its routine, and gives up its rights.
    fn refuse(&mut self, reply: Reply, BadBody { error, body }: BadBody<Right>) {
        self.ipc.release_body(body, &mut self.fx);
        self.answer_mig(reply, error);
    }

    /// What `name` of a task's space or of a server's is, as the kernel holds it: a send right of its own.
    ///
    /// Errors: `InvalidName`, `InvalidRight`, as `mach_port_extract_right` with `COPY_SEND`.
    pub fn copy_send(&mut self, space: ipc::SpaceId, name: PortName) -> Result<Right, KernReturn> {
        self.ipc.extract_right(space, name, proto::Disposition::CopySend, &mut self.fx)
    }
}

impl Reply {
    fn of(message: &mut Message<Right>) -> Reply {
        Reply { to: std::mem::replace(&mut message.remote, Right::Null), id: message.id, trace: message.trace }
    }
}
