//! Tasks: a space, an address map, a task port, a bootstrap port. The process behind one is the shell's.

use std::ops::Range;

use proto::iface::{mach_debug, mach_port, task};
use proto::limits::TASKS_MAX;
use proto::{KernReturn, Message, PortName};

use super::{Cx, Effect, Kernel, Kobject, Reply};
use crate::TaskId;
use crate::ipc::{PortId, Right, SpaceId};
use crate::vm::OrderId;

/// A task of this node.
#[derive(Debug)]
pub struct Task {
    /// Its names.
    pub space: SpaceId,
    /// Its task port, which the kernel receives on.
    pub(super) port: PortId,
    /// Its bootstrap port; a right in the kernel's hands.
    pub(super) bootstrap: Right,
    /// Whether its process has attached.
    attached: bool,
}

/// What a new process learns of its task: names in its space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewTask {
    /// `mach_task_self`.
    pub task_self: PortName,
    /// The bootstrap port, or `NULL`.
    pub bootstrap: PortName,
}

impl Kernel {
    /// A task without a process. Takes `bootstrap` over.
    ///
    /// Errors: `ResourceShortage` there are [`TASKS_MAX`]; `bootstrap` is released.
    pub fn task_create(&mut self, bootstrap: Right) -> Result<TaskId, KernReturn> {
        let port = match self.tasks.len() {
            TASKS_MAX.. => Err(KernReturn::ResourceShortage),
            _ => self.kernel_port(Kobject::Task(TaskId(self.last_task + 1))),
        };
        let port = match port {
            Ok(port) => port,
            Err(code) => {
                self.ipc.release(bootstrap, &mut self.fx);
                return Err(code);
            }
        };
        self.last_task += 1;
        let task = TaskId(self.last_task);
        let space = self.ipc.space_create(false);
        self.tasks.insert(task, Task { space, port, bootstrap, attached: false });
        Ok(task)
    }

    /// A task without a process and without memory, with the bootstrap port of `parent`.
    ///
    /// Errors: `InvalidTask` no such parent; `ResourceShortage`.
    pub(super) fn task_of_parent(&mut self, parent: TaskId) -> Result<TaskId, KernReturn> {
        let bootstrap = &self.tasks.get(&parent).ok_or(KernReturn::InvalidTask)?.bootstrap;
        let bootstrap = self.ipc.copy_send(bootstrap);
        self.task_create(bootstrap)
    }

    /// A process has become the task; `arena` is the range of its addresses that the kernel may use. Without one the task
    /// has ports and no memory: `vm_*` on it answer `InvalidTask`.
    ///
    /// Conditions: a map that was there before is brought to the process by [`Vm::task_arrived`](crate::vm::Vm::task_arrived).
    /// Errors: `InvalidTask` none such; `NameExists` a process is there already; `InvalidArgument` a bad arena;
    /// `InvalidAddress` the task has a map over another arena; `NoSpace` or `ResourceShortage` no room for the names.
    pub fn task_attach(&mut self, task: TaskId, arena: Option<Range<u64>>) -> Result<NewTask, KernReturn> {
        let record = self.tasks.get_mut(&task).ok_or(KernReturn::InvalidTask)?;
        if record.attached {
            return Err(KernReturn::NameExists);
        }
        if let Some(arena) = arena {
            self.vm.task_create(task, arena)?;
        }
        record.attached = true;
        let space = record.space;
        let task_self = self.ipc.make_send(record.port);
        let bootstrap = self.ipc.copy_send(&record.bootstrap);
        let task_self = self.give(space, task_self)?;
        let bootstrap = self.give(space, bootstrap)?;
        Ok(NewTask { task_self, bootstrap })
    }

    /// Copies a right out into a space, outside of any message.
    ///
    /// Errors: `NoSpace` or `InvalidTask`; the right is released.
    pub fn give(&mut self, space: SpaceId, right: Right) -> Result<PortName, KernReturn> {
        self.ipc.insert_right_for(space, right, &mut self.fx)
    }

    /// A send right to the task's port.
    ///
    /// Errors: `InvalidTask`.
    pub fn task_port(&mut self, task: TaskId) -> Result<Right, KernReturn> {
        let port = self.tasks.get(&task).ok_or(KernReturn::InvalidTask)?.port;
        Ok(self.ipc.make_send(port))
    }

    /// The task's process is gone, or it will never have one: everything it held is released. Idempotent. Followed by
    /// [`Kernel::settle`].
    pub fn task_gone(&mut self, task: TaskId, cx: &mut Cx<'_>) {
        let Some(Task { space, port, bootstrap, attached: _ }) = self.tasks.remove(&task) else { return };
        self.with_vm(cx, |vm, vmcx| vm.task_gone(task, vmcx));
        self.ipc.release(bootstrap, &mut self.fx);
        self.kernel_port_destroy(port);
        self.threads_gone(task);
        self.ipc.space_destroy(space, &mut self.fx);
    }

    /// The tasks, by number.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.tasks.iter().map(|(id, task)| (*id, task))
    }

    /// The space of a task; `None` once it is gone.
    pub fn task_space(&self, task: TaskId) -> Option<SpaceId> {
        self.tasks.get(&task).map(|t| t.space)
    }

    /// The task whose port `name` of a space is; `None` if it is no task of this node, or one that is gone.
    pub fn task_named(&mut self, space: SpaceId, name: PortName) -> Option<TaskId> {
        let (port, _) = self.ipc.port_of(space, name).ok()?;
        match self.kobjects.get(&self.ipc.kernel_tag(port)?) {
            Some(Kobject::Task(task)) => Some(*task),
            _ => None,
        }
    }

    /// As [`Vm::vm_wire`](crate::vm::Vm::vm_wire), for a server whose answer waits for the orders:
    /// [`Kernel::answer_after`].
    pub fn vm_wire(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        access: u32,
        cx: &mut Cx<'_>,
    ) -> Result<Vec<OrderId>, KernReturn> {
        self.with_vm(cx, |vm, vmcx| vm.vm_wire(task, address, size, access, vmcx))
    }

    /// As [`Vm::vm_wire_all`](crate::vm::Vm::vm_wire_all).
    pub fn vm_wire_all(&mut self, task: TaskId, flags: u32, cx: &mut Cx<'_>) -> Result<Vec<OrderId>, KernReturn> {
        self.with_vm(cx, |vm, vmcx| vm.vm_wire_all(task, flags, vmcx))
    }

    pub(super) fn on_task_message(&mut self, task: TaskId, mut message: Message<Right>, cx: &mut Cx<'_>) {
        let Some(space) = self.task_space(task) else { return self.refuse_id(message) };
        let reply = Reply::of(&mut message);
        let Message { id, body, .. } = message;
        match id {
            3000..3100 => {
                let called = mach_debug::Request::decode(id, body).map(|r| self.mach_debug_call(space, r));
                self.answer_or_refuse(reply, called);
            }
            3200..3300 => {
                let called = mach_port::Request::decode(id, body).map(|r| self.mach_port_call(space, r));
                self.answer_or_refuse(reply, called);
            }
            _ => match task::Request::decode(id, body) {
                Ok(request) => self.mach_routine(task, request, reply, cx),
                Err(bad) => self.refuse(reply, bad),
            },
        }
    }

    /// `task_terminate`: the answer goes out before the process ends, since the caller may be the task itself.
    pub(super) fn task_terminate(&mut self, task: TaskId, cx: &mut Cx<'_>) {
        cx.out.push(Effect::Kill(task));
    }
}
