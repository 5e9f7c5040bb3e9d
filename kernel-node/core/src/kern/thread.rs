//! Threads: each has a port that stands for it. What a thread is doing is the shell's to know.
//!
//! Rules carried out: `docs/spec/kern.md` [kern.thread].

use proto::iface::thread::{self, Request};
use proto::msg::Reply as _;
use proto::{Body, KernReturn, Message, PortName};

use super::reply::{Reply, Results};
use super::{Cx, Effect, Kernel, Kobject};
use crate::TaskId;
use crate::ipc::{PortId, Right};

/// A thread of a task. Chosen by the shell; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ThreadId(pub u64);

/// What the kernel knows of a thread.
#[derive(Debug)]
pub(super) struct Thread {
    pub task: TaskId,
    /// Its port, which the kernel receives on.
    pub port: PortId,
}

/// `THREAD_KERNEL_PORT`.
const SPECIAL_KERNEL: u32 = 1;

impl Kernel {
    /// A task has one more thread.
    ///
    /// Errors: `InvalidTask`; `ResourceShortage` the node has too many ports.
    pub fn thread_create(&mut self, task: TaskId, thread: ThreadId) -> Result<(), KernReturn> {
        if !self.tasks.contains_key(&task) {
            return Err(KernReturn::InvalidTask);
        }
        let port = self.kernel_port(Kobject::Thread(thread))?;
        self.threads.insert(thread, Thread { task, port });
        Ok(())
    }

    /// `mach_thread_self`: one more send reference to the thread's port, in its task's space.
    ///
    /// Errors: `InvalidArgument` no such thread; `NoSpace`.
    pub fn thread_self(&mut self, thread: ThreadId) -> Result<PortName, KernReturn> {
        let Thread { task, port } = *self.threads.get(&thread).ok_or(KernReturn::InvalidArgument)?;
        let space = self.task_space(task).ok_or(KernReturn::InvalidTask)?;
        let right = self.ipc.make_send(port);
        self.give(space, right)
    }

    /// The thread is gone: its port dies. Idempotent. Followed by [`Kernel::settle`].
    pub fn thread_gone(&mut self, thread: ThreadId) {
        if let Some(Thread { port, .. }) = self.threads.remove(&thread) {
            self.kernel_port_destroy(port);
        }
    }

    /// Every thread of a task is gone with it.
    pub(super) fn threads_gone(&mut self, task: TaskId) {
        let gone: Vec<ThreadId> = self.threads.iter().filter(|(_, t)| t.task == task).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|thread| self.thread_gone(thread));
    }

    /// `task_threads`: a send right to the port of each thread.
    pub(super) fn task_threads(&mut self, task: TaskId) -> Vec<Right> {
        let ports: Vec<PortId> = self.threads.values().filter(|t| t.task == task).map(|t| t.port).collect();
        ports.into_iter().map(|port| self.ipc.make_send(port)).collect()
    }

    pub(super) fn on_thread_message(&mut self, thread: ThreadId, mut message: Message<Right>, cx: &mut Cx<'_>) {
        let reply = Reply::of(&mut message);
        let called = Request::decode(message.id, message.body).map(|r| self.thread_call(thread, r, cx));
        self.answer_or_refuse(reply, called);
    }

    fn thread_call(&mut self, thread: ThreadId, request: Request, cx: &mut Cx<'_>) -> Results {
        match request {
            // The wait ends before the caller has its answer.
            Request::Abort(_) => {
                cx.out.push(Effect::AbortThread(thread));
                Ok(().into_body())
            }
            Request::GetSpecialPort(r) if r.which_port == SPECIAL_KERNEL => self.thread_kernel_port(thread),
            Request::GetSpecialPort(_) => Err(KernReturn::InvalidArgument),
        }
    }

    fn thread_kernel_port(&mut self, thread: ThreadId) -> Result<Body<Right>, KernReturn> {
        let port = self.threads.get(&thread).ok_or(KernReturn::InvalidArgument)?.port;
        let special_port = self.ipc.make_send(port);
        Ok(thread::GetSpecialPortReply { special_port }.into_body())
    }
}
