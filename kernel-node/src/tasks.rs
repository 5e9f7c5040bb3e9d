//! Tasks and their connections: how a process becomes a task, what it asks, and how it ends.
//!
//! 1. A process connects, and says hello with the descriptor of its userfaultfd: it becomes a task of its own, or the one
//!    that its token stands for. Its other threads and its agent connect with the task's token, from the same process.
//! 2. The task ends when its process does, or its agent's connection, or without an agent its last thread's: then
//!    nothing of it is left in the kernel.
//! 3. What a task sends wrong ends that connection, and is logged once; no other task notices.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use kernel_core::TaskId;
use kernel_core::ipc::{Right, SpaceId};
use kernel_core::kern::ThreadId;
use kernel_core::vm::OrderId;
use proto::codec::TRAP_VERSION;
use proto::limits::TASK_CHANNELS_MAX;
use proto::wire::trap::{Answer, Hello, OrderDone, Welcome, call, hello};
use proto::{KernReturn, Message, MsgReturn, NamedRight, PortName};
use sys::aio::Async;
use sys::{Channel, PidFd, Uffd};
use tokio::task::AbortHandle;

use crate::admission::{self, CopyJob};
use crate::channel::{self, ChannelError, ChannelId, Connection, Role, With};
use crate::copying::{For, Waited, memory_of};
use crate::frozen::Beside;
use crate::node::{Due, Node};
use crate::pmap::{Order, OrderKind};
use crate::process::{Attached, PREPARED_MS};

/// A process that has become a task: the shell watches it, and serves its faults if it has memory.
#[derive(Debug)]
pub struct Started {
    /// The task.
    pub task: TaskId,
    /// Its memory.
    pub uffd: Option<Rc<Async<Uffd>>>,
    /// Its process.
    pub pidfd: Rc<PidFd>,
}

impl Node {
    /// A connection was accepted.
    pub fn connected(&mut self, socket: Rc<Async<Channel>>) -> ChannelId {
        self.last_channel += 1;
        let id = ChannelId(self.last_channel);
        self.connections.insert(id, Connection::new(socket));
        id
    }

    /// A record came. Returns what the shell has to start because of it.
    ///
    /// Errors: the connection is to be ended.
    pub fn on_record(
        &mut self,
        id: ChannelId,
        record: &[u8],
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Started>, ChannelError> {
        let call = channel::decode_call(record)?;
        let ticket = call.ticket;
        let op = call.op.ok_or(ChannelError::OutOfPlace("a call without an operation"))?;
        let role = self.connections.get(&id).map_or(Role::New, |c| c.role);
        let mut started = None;
        let busy = self.connections.get(&id).is_some_and(Connection::is_busy);
        if busy && !matches!(op, call::Op::OrderDone(_)) {
            return Err(ChannelError::OutOfPlace("a call while another is under way"));
        }
        match (role, op) {
            (Role::New, call::Op::Hello(hello)) => started = self.hello(id, ticket, hello, fds)?,
            (Role::New, call::Op::Fork(fork)) => self.fork(id, ticket, fork, fds)?,
            (Role::Thread(task), call::Op::Msg(mut msg)) => {
                let space = self.kernel.task_space(task).ok_or(ChannelError::OutOfPlace("a task that has ended"))?;
                let connection = self.connection(id)?;
                if connection.in_msg.is_some() {
                    return Err(ChannelError::OutOfPlace("a call while another is under way"));
                }
                connection.last_ticket = ticket;
                let decoded = match msg.send {
                    true => {
                        let beside = Beside::settling(fds, task, &mut self.pmap.frozen);
                        channel::decode_message(msg.message.take().unwrap_or_default(), beside).map(Some)
                    }
                    false => Ok(None),
                };
                self.caller = Some((task, id));
                let done = match decoded {
                    Ok(Some((message, None))) if self.has_to_settle(space, &message) => {
                        self.park(id, Waited::Call { task, space, ticket, call: msg }, message);
                        Ok(())
                    }
                    Ok(Some((message, Some(code)))) => self.refuse_msg(id, space, ticket, &msg, (message, code)),
                    Ok(message) => self.mach_msg(id, space, ticket, &msg, message.map(|(message, _)| message)),
                    Err(code) => self.answer_result(id, ticket, code),
                };
                self.caller = None;
                done?;
            }
            (Role::Thread(task), call::Op::ReplyPort(_)) => {
                let space = self.kernel.task_space(task).ok_or(ChannelError::OutOfPlace("a task that has ended"))?;
                self.reply_port(id, space, ticket)?;
            }
            (Role::Thread(task), call::Op::Poll(poll)) => {
                let space = self.kernel.task_space(task).ok_or(ChannelError::OutOfPlace("a task that has ended"))?;
                self.poll(id, space, ticket, PortName(poll.name))?;
            }
            (Role::Thread(task), call::Op::Interrupt(interrupt)) => {
                let done = self.interrupt(task, ChannelId(interrupt.thread), interrupt.ticket);
                let result = done.err().map_or(0, KernReturn::raw);
                self.answer(id, Answer { ticket, result, ..Answer::default() }, None)?;
            }
            (Role::Thread(_), call::Op::ThreadSelf(_)) => self.thread_self(id, ticket)?,
            (Role::Thread(task), call::Op::Freeze(freeze)) => self.freeze(task, id, ticket, freeze, fds)?,
            (Role::Thread(task), call::Op::MapFrozen(map)) => self.map_frozen(task, id, ticket, map, fds)?,
            (Role::Agent(task) | Role::Thread(task), call::Op::OrderDone(done)) => self.orders_done(task, done, fds),
            (Role::New, _) => return Err(ChannelError::OutOfPlace("a call before the hello")),
            (Role::Fork(_), _) => return Err(ChannelError::OutOfPlace("a call after the fork")),
            (_, call::Op::Hello(_)) => return Err(ChannelError::OutOfPlace("a second hello")),
            (Role::Thread(_), call::Op::Fork(_)) => return Err(ChannelError::OutOfPlace("a fork behind a hello")),
            (Role::Agent(_), _) => return Err(ChannelError::OutOfPlace("an agent's call that is no answer")),
        }
        self.settle();
        Ok(started)
    }

    /// A connection ended, by whatever side.
    pub fn disconnected(&mut self, id: ChannelId, why: Option<&ChannelError>) {
        let Some(role) = self.connections.get(&id).map(|c| c.role) else { return };
        if let Some(why) = why {
            tracing::warn!(channel = id.0, ?role, %why, "a task's connection was ended");
        }
        self.msg_abandoned(id);
        self.lanes_disconnected(id);
        if let Some(connection) = self.connections.remove(&id) {
            connection.socket.get().shutdown();
        }
        match role {
            Role::New => {}
            Role::Fork(child) => self.give_up_prepared(child),
            Role::Agent(task) => self.task_gone(task),
            Role::Thread(task) => {
                // A thread that ends in the middle of a call leaves what rode in its answer undone.
                self.orders_lost(|_, to| to == id);
                self.kernel.thread_gone(ThreadId(id.0));
                let last = self.processes.get_mut(task).and_then(|p| p.attached.as_mut()).is_none_or(|attached| {
                    attached.channels -= 1;
                    // With an agent the process may have memory mapped and no thread that calls us.
                    attached.channels == 0 && attached.agent.is_none()
                });
                if last {
                    self.task_gone(task);
                }
            }
        }
        self.settle();
    }

    /// A task has carried orders out, all of them with one result.
    fn orders_done(&mut self, task: TaskId, mut done: OrderDone, fds: Vec<OwnedFd>) {
        self.awake.served(self.now());
        let result = channel::order_result(done.errno);
        let others = std::mem::take(&mut done.others);
        let mut errand = Some((done, fds));
        let first = errand.as_ref().map(|(done, _)| done.order);
        for order in first.into_iter().chain(others).map(OrderId) {
            let contents = errand.take();
            // Nobody answers for another task.
            let Some(to) = self.ordered.get(&order).filter(|(of, _)| *of == task).map(|(_, to)| *to) else { continue };
            self.ordered.remove(&order);
            if let (Ok(()), Some((done, fds))) = (result, contents) {
                let beside = Beside::new(fds, task, &mut self.pmap.frozen);
                let brought = channel::errand_result(done, beside);
                let created = self.with_kernel(|kernel, cx| kernel.errand_done(order, brought, cx));
                created.into_iter().for_each(|(creation, brought)| self.inherit(task, creation, brought));
            }
            self.with_kernel(|kernel, cx| kernel.order_done(order, result, cx));
            let gone_on = self.connections.get_mut(&to).map_or(Ok(()), |connection| connection.order_done(order));
            self.end_on_error(to, gone_on);
        }
    }

    /// Whoever waits for what was ordered learns that it will not be done.
    fn orders_lost(&mut self, which: impl Fn(TaskId, ChannelId) -> bool) {
        let lost: Vec<_> =
            self.ordered.iter().filter(|(_, (task, to))| which(*task, *to)).map(|(order, _)| *order).collect();
        for order in lost {
            self.ordered.remove(&order);
            self.with_kernel(|kernel, cx| kernel.order_done(order, Err(KernReturn::Terminated), cx));
        }
    }

    /// The loops that a task has needed since it attached. They end with it, at once if it has ended already.
    pub fn watched(&mut self, task: TaskId, watchers: Vec<AbortHandle>) {
        match self.processes.get_mut(task).and_then(|p| p.attached.as_mut()) {
            Some(attached) => attached.watchers = watchers,
            None => watchers.iter().for_each(AbortHandle::abort),
        }
    }

    /// A task's process has ended, or all that connected it to us.
    pub fn task_gone(&mut self, task: TaskId) {
        let Some(process) = self.processes.remove(task) else { return };
        tracing::debug!(task = task.0, pid = process.attached.as_ref().map(|a| a.pid), "task ended");
        self.pmap.task_gone(task);
        self.orders_lost(|of, _| of == task);
        self.with_kernel(|kernel, cx| kernel.task_gone(task, cx));
        let of_task = |c: &Connection| matches!(c.role, Role::Thread(t) | Role::Agent(t) if t == task);
        let channels: Vec<ChannelId> = self.connections.iter().filter(|(_, c)| of_task(c)).map(|(id, _)| *id).collect();
        for id in channels {
            self.msg_abandoned(id);
            self.lanes_disconnected(id);
            if let Some(connection) = self.connections.remove(&id) {
                connection.socket.get().shutdown();
            }
        }
        self.settle();
    }

    /// Whether the node serves a task's memory.
    pub(crate) fn has_memory(&self, task: TaskId) -> bool {
        self.pmap.knows(task)
    }

    /// `task_terminate`.
    pub(crate) fn kill(&mut self, task: TaskId) {
        match self.processes.get(task).and_then(|p| p.attached.as_ref()) {
            Some(attached) => {
                if let Err(error) = attached.pidfd.kill() {
                    tracing::warn!(task = task.0, %error, "a task's process could not be killed");
                }
            }
            None => self.task_gone(task),
        }
    }

    /// A task for a process that will come with the token. Takes `bootstrap` over.
    ///
    /// Errors: `ResourceShortage`.
    pub(crate) fn task_prepare(&mut self, bootstrap: Right) -> Result<(TaskId, u64), KernReturn> {
        let task = self.kernel.task_create(bootstrap)?;
        let token = self.processes.prepare(task);
        self.expect_process(task);
        Ok((task, token))
    }

    /// There is a task that waits for its process.
    pub(crate) fn created(&mut self, task: TaskId) {
        self.processes.prepare(task);
        self.expect_process(task);
    }

    fn expect_process(&mut self, task: TaskId) {
        let expires = self.now().after_ms(PREPARED_MS);
        self.due.insert((expires, Due::Prepared(task)));
    }

    /// A prepared task whose time is up and that has no process is given up.
    pub(crate) fn give_up_prepared(&mut self, task: TaskId) {
        if self.processes.get(task).is_some_and(|p| p.attached.is_none()) {
            self.task_gone(task);
        }
    }

    fn hello(
        &mut self,
        id: ChannelId,
        ticket: u64,
        hello: Hello,
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Started>, ChannelError> {
        if hello.version != TRAP_VERSION {
            return Err(ChannelError::OutOfPlace("a library of another version than the node"));
        }
        let known = match hello.token {
            0 => None,
            token => Some(self.processes.of_token(token).ok_or(ChannelError::OutOfPlace("an unknown task token"))?),
        };
        let attached = known.filter(|task| self.processes.get(*task).is_some_and(|p| p.attached.is_some()));
        match attached {
            Some(task) => self.join_task(id, ticket, task, hello.role()).map(|()| None),
            None => self.attach(id, ticket, known, hello, fds),
        }
    }

    /// Another thread, or the agent, of a process that is a task already.
    fn join_task(&mut self, id: ChannelId, ticket: u64, task: TaskId, role: hello::Role) -> Result<(), ChannelError> {
        let credentials = self.connection(id)?.socket.get().peer_credentials()?;
        let attached = self.processes.get_mut(task).and_then(|p| p.attached.as_mut());
        let attached = attached.ok_or(ChannelError::OutOfPlace("a task that has ended"))?;
        if credentials.pid != attached.pid {
            return Err(ChannelError::OutOfPlace("another process's task token"));
        }
        if attached.channels >= TASK_CHANNELS_MAX {
            return Err(ChannelError::OutOfPlace("more connections than a task may have"));
        }
        let role = match role {
            hello::Role::Thread => {
                let refused = |_| ChannelError::OutOfPlace("more ports than a node may have");
                self.kernel.thread_create(task, ThreadId(id.0)).map_err(refused)?;
                Role::Thread(task)
            }
            hello::Role::Agent if attached.agent.is_some() => {
                return Err(ChannelError::OutOfPlace("a second agent"));
            }
            hello::Role::Agent => {
                attached.agent = Some(id);
                Role::Agent(task)
            }
        };
        attached.channels += usize::from(matches!(role, Role::Thread(_)));
        self.connection(id)?.role = role;
        let welcome = Welcome { version: TRAP_VERSION, task: task.0, thread: id.0, ..Welcome::default() };
        self.answer(id, Answer { ticket, welcome: Some(welcome), ..Answer::default() }, None)
    }

    /// The first connection of a process: it becomes `prepared`, or a task of its own.
    fn attach(
        &mut self,
        id: ChannelId,
        ticket: u64,
        prepared: Option<TaskId>,
        hello: Hello,
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Started>, ChannelError> {
        if hello.role() != hello::Role::Thread {
            return Err(ChannelError::OutOfPlace("an agent without a task"));
        }
        let mut fds = fds.into_iter();
        let uffd = match (fds.next(), fds.next()) {
            (None, _) => None,
            (Some(fd), None) => Some(Rc::new(Async::reader(Uffd::adopt(fd)?)?)),
            _ => return Err(ChannelError::OutOfPlace("a hello with more than a userfaultfd")),
        };
        let socket = self.connection(id)?.socket.clone();
        let pid = socket.get().peer_credentials()?.pid;
        let pidfd = Rc::new(socket.get().peer_pidfd()?);
        let awaited = prepared.and_then(|task| self.kernel.vm().arena_awaited(task));
        if let Some(arena) =
            awaited.filter(|arena| arena.start != hello.arena_start || arena.end - arena.start != hello.arena_size)
        {
            return self.answer_arena(id, ticket, arena).map(|()| None);
        }
        let task = match prepared {
            Some(task) => task,
            None => {
                let bootstrap = self.names.send_right(&mut self.kernel);
                let refused = |_| ChannelError::OutOfPlace("more tasks than a node may have");
                let task = self.kernel.task_create(bootstrap).map_err(refused)?;
                self.processes.prepare(task);
                task
            }
        };
        let welcome = self.welcome(task, id, &hello, uffd.is_some()).map_err(|code| {
            tracing::warn!(%code, pid, "a process could not become a task");
            self.task_gone(task);
            ChannelError::OutOfPlace("a task that could not be made")
        })?;
        if let Some(uffd) = &uffd {
            self.pmap.task_attach(task, uffd.clone(), pidfd.clone());
        }
        let process = self.processes.get_mut(task).expect("it was prepared");
        process.attached = Some(Attached {
            pid,
            pidfd: pidfd.clone(),
            command: hello.command.chars().filter(|c| !c.is_control()).take(COMMAND_CHARS_MAX).collect(),
            mode: hello.userfaultfd.chars().filter(char::is_ascii_graphic).take(MODE_CHARS_MAX).collect(),
            agent: None,
            channels: 1,
            watchers: Vec::new(),
        });
        self.connection(id)?.role = Role::Thread(task);
        // What it inherits it maps before it sees the answer.
        self.caller = Some((task, id));
        self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, cx| vm.task_arrived(task, cx)));
        self.settle();
        self.caller = None;
        self.answer(id, Answer { ticket, welcome: Some(welcome), ..Answer::default() }, None)?;
        tracing::debug!(task = task.0, pid, "task attached");
        Ok(Some(Started { task, uffd, pidfd }))
    }

    /// Tells a process which addresses it has to keep for the map of the task that it is to become.
    fn answer_arena(&mut self, id: ChannelId, ticket: u64, arena: Range<u64>) -> Result<(), ChannelError> {
        let (arena_start, arena_size) = (arena.start, arena.end - arena.start);
        let welcome = Welcome { version: TRAP_VERSION, arena_start, arena_size, ..Welcome::default() };
        let result = KernReturn::InvalidAddress.raw();
        self.answer(id, Answer { ticket, result, welcome: Some(welcome), ..Answer::default() }, None)
    }

    fn welcome(&mut self, task: TaskId, thread: ChannelId, hello: &Hello, memory: bool) -> Result<Welcome, KernReturn> {
        let end = hello.arena_start.checked_add(hello.arena_size).ok_or(KernReturn::InvalidArgument)?;
        let names = self.kernel.task_attach(task, memory.then_some(hello.arena_start..end))?;
        self.kernel.thread_create(task, ThreadId(thread.0))?;
        let space = self.kernel.task_space(task).ok_or(KernReturn::InvalidTask)?;
        let host = self.host.send_right(&mut self.kernel);
        let host_self = self.kernel.give(space, host)?;
        let name_server = self.names.send_right(&mut self.kernel);
        let name_server = self.kernel.give(space, name_server)?;
        Ok(Welcome {
            version: TRAP_VERSION,
            token: self.processes.get(task).map_or(0, |p| p.token),
            task_self: names.task_self.0,
            host_self: host_self.0,
            bootstrap: names.bootstrap.0,
            name_server: name_server.0,
            task: task.0,
            node: self.facts.name.to_string(),
            thread: thread.0,
            ..Welcome::default()
        })
    }

    pub(crate) fn connection(&mut self, id: ChannelId) -> Result<&mut Connection, ChannelError> {
        self.connections.get_mut(&id).ok_or(ChannelError::OutOfPlace("a connection that has ended"))
    }

    /// The space of the task whose thread a connection is.
    pub(crate) fn channel_space(&self, id: ChannelId) -> Option<SpaceId> {
        match self.connections.get(&id)?.role {
            Role::Thread(task) => self.kernel.task_space(task),
            Role::New | Role::Agent(_) | Role::Fork(_) => None,
        }
    }

    /// Answers a call; a connection that has ended meanwhile has nobody to be answered.
    pub(crate) fn answer(
        &mut self,
        id: ChannelId,
        answer: Answer,
        mut message: Option<Message<NamedRight>>,
    ) -> Result<(), ChannelError> {
        self.lanes_settle(Some(id));
        self.deny_lease(id);
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let job = message.as_mut().and_then(|message| connection.admit(message.body.memory_mut()));
        match (job, message) {
            (Some(job), Some(message)) => {
                let (waited, message) = (Box::new(Waited::Answer(answer)), Box::new(message));
                self.copying.start(For::Message { channel: id, waited, message }, job);
                Ok(())
            }
            (_, message) => connection.answer(answer, message.map_or(With::Nothing, With::Message)),
        }
    }

    /// Whether a message has memory that is to be sealed before it is sent: whoever is no task looks at it as it comes.
    fn has_to_settle(&self, space: SpaceId, message: &Message<NamedRight>) -> bool {
        let to_a_task = || {
            let receiver = self.kernel.ipc.receiving_space(space, message.remote.name);
            receiver.is_some_and(|space| self.server_of(space).is_none())
        };
        admission::is_settling(message.body.memory()) && !to_a_task()
    }

    /// Has a call wait for that. To whoever interrupts it, it has not come yet.
    fn park(&mut self, id: ChannelId, waited: Waited, message: Message<NamedRight>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.parked = true;
        connection.last_ticket = connection.last_ticket.saturating_sub(1);
        let job = CopyJob::of(None, message.body.memory());
        let (waited, message) = (Box::new(waited), Box::new(message));
        self.copying.start(For::Message { channel: id, waited, message }, job);
    }

    pub(crate) fn answer_result(&mut self, id: ChannelId, ticket: u64, code: MsgReturn) -> Result<(), ChannelError> {
        self.answer(id, Answer { ticket, result: code.raw(), ..Answer::default() }, None)
    }

    /// Ends a connection whose answer could not be sent, from within the kernel's own turn.
    pub(crate) fn end_on_error(&mut self, id: ChannelId, done: Result<(), ChannelError>) {
        if let Err(why) = done
            && let Some(connection) = self.connections.get(&id)
        {
            tracing::warn!(channel = id.0, %why, "a task's connection was ended");
            // Its loop sees the end and cleans up.
            connection.socket.get().shutdown();
        }
    }

    /// Has the calling thread carry an order out before its call returns.
    pub(crate) fn ride(&mut self, id: ChannelId, order: Order) -> Result<(), KernReturn> {
        let connection = self.connections.get_mut(&id).ok_or(KernReturn::Terminated)?;
        connection.ride(order);
        Ok(())
    }

    /// Sends an order to the agent of its task; its answer comes as a record.
    pub(crate) fn order_agent(&mut self, order: Order) -> Result<(), KernReturn> {
        let Order { task, id, what } = order;
        let what = match what {
            OrderKind::Errand(mut errand) => match admission::admit(task, memory_of(&mut errand)) {
                Some(job) => {
                    self.copying.start(For::Errand { task, id, errand }, job);
                    return Ok(());
                }
                None => OrderKind::Errand(errand),
            },
            what => what,
        };
        self.order_ready(Order { task, id, what })
    }

    /// The same, of one whose memory the task may have.
    pub(crate) fn order_ready(&mut self, order: Order) -> Result<(), KernReturn> {
        let agent = self.processes.get(order.task).and_then(|p| p.attached.as_ref()?.agent);
        let agent = agent.ok_or(KernReturn::Terminated)?;
        let connection = self.connections.get_mut(&agent).ok_or(KernReturn::Terminated)?;
        self.ordered.insert(order.id, (order.task, agent));
        let id = order.id;
        connection.order(order).map_err(|why| {
            tracing::warn!(%why, "an agent could not be reached");
            self.ordered.remove(&id);
            KernReturn::Terminated
        })
    }
}

/// Characters kept of what a task says its command is.
const COMMAND_CHARS_MAX: usize = 256;
/// Characters kept of what a task says of its userfaultfd.
const MODE_CHARS_MAX: usize = 16;
