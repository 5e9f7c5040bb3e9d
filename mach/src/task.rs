//! A process as a task: attaching, and the connection of each of its threads.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::{env, fmt};

use proto::codec::TRAP_VERSION;
use proto::wire::trap::{Answer, Hello, Interrupt, ReplyPort, ThreadSelf, Welcome, call, hello};
use proto::{NodeName, PortName};
use std::os::fd::AsFd;
use sys::{Channel, UffdMode};

use crate::agent;
use crate::error::{AttachError, RpcError, TrapError};
use crate::fork;
use crate::memory::Memory;
use crate::right::SendRight;
use crate::trap::{Connection, Reply};

/// Characters of the command line that the node is told.
const COMMAND_CHARS_MAX: usize = 256;

/// How to attach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttachOptions {
    /// The node's socket; `None` takes the environment's `MACH_SOCKET`.
    pub socket: Option<PathBuf>,
    /// The task to become, from `node_task_prepare`; `None` takes the environment's `MACH_TOKEN`, and without that a task
    /// of its own.
    pub token: Option<u64>,
    /// Whether memory can be mapped. Without it no userfaultfd is needed, no address space is reserved, and there is no
    /// agent: enough for a program that only sends messages.
    pub memory: bool,
}

impl Default for AttachOptions {
    fn default() -> AttachOptions {
        AttachOptions { socket: None, token: None, memory: true }
    }
}

/// This process as a task of a node. Cheap to clone; the last clone (mappings and rights hold one each) detaches.
#[derive(Clone)]
pub struct Task(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Tells tasks of one process apart; there is seldom more than one.
    id: u64,
    /// Of the process that attached.
    pid: u32,
    socket: PathBuf,
    welcome: Welcome,
    pub memory: Option<Arc<Memory>>,
    /// The agent's connection of a task without memory, where the agent has nothing to do.
    agent: OnceLock<Arc<Channel>>,
    /// Ports for replies that no call uses at the moment.
    #[cfg(feature = "tokio")]
    pub reply_ports: Mutex<Vec<(PortName, crate::aio::Ready)>>,
    /// Open connections, to end them with the task.
    channels: Mutex<Vec<Weak<Channel>>>,
}

/// What a thread has of a task.
pub(crate) struct Thread {
    task: Weak<Inner>,
    pub connection: Connection,
    /// A receive right for replies, kept from call to call.
    reply_port: Option<PortName>,
}

thread_local! {
    static THREADS: RefCell<Vec<(u64, Thread)>> = const { RefCell::new(Vec::new()) };
}

impl Task {
    /// Makes this process a task of a node.
    ///
    /// Conditions: threads of the process do not block SIGSEGV and SIGBUS. Without a token, a child of a task's process becomes
    /// no other task, but gets the one that it is already ([`Task::forked`]).
    /// Errors: see [`AttachError`]; nothing is left behind.
    pub fn attach(options: AttachOptions) -> Result<Task, AttachError> {
        let socket = options.socket.or_else(|| env::var_os("MACH_SOCKET").map(PathBuf::from));
        let socket = socket.filter(|s| !s.as_os_str().is_empty()).ok_or(AttachError::NoSocket)?;
        if options.token.is_none()
            && let Some(born) = fork::born().filter(|task| task.0.socket == socket)
        {
            return Ok(born);
        }
        let token = options.token.map_or_else(token_of_environment, Ok)?;
        let memory = match options.memory {
            true => Some(new_memory(None)?),
            false => None,
        };
        Task::begin(socket, token, memory)
    }

    /// In a child by fork(2) of a task's process: the task that it is by then, with what it inherited of its parent's memory.
    /// Nothing else of its parent's is its own: no rights, no other values of this library.
    ///
    /// `None` in any other process, and in a child for which the node could not make a task; what that one inherited is its
    /// process's own memory.
    /// Source: spec [vm.inherit.2].
    pub fn forked() -> Option<Task> {
        fork::born()
    }

    /// The process becomes the task that `token` stands for, with this memory.
    pub(crate) fn begin(socket: PathBuf, token: u64, memory: Option<Arc<Memory>>) -> Result<Task, AttachError> {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        let mut connection = connect(&socket)?;
        let (welcome, memory) = say_first_hello(&mut connection, &socket, token, memory)?;
        let task = Task(Arc::new(Inner {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed),
            pid: sys::process::id(),
            socket,
            welcome,
            memory,
            agent: OnceLock::new(),
            #[cfg(feature = "tokio")]
            reply_ports: Mutex::default(),
            channels: Mutex::default(),
        }));
        // The task lives as long as its agent's connection, whatever becomes of the thread that attached.
        let mut agent = connect(&task.0.socket)?;
        say_hello(&mut agent, &task.0.socket, task.0.hello(hello::Role::Agent), None)?;
        task.0.remember(&agent);
        match &task.0.memory {
            Some(memory) => {
                let started = agent::start(agent.channel, memory.clone(), Arc::downgrade(&task.0));
                started.map_err(AttachError::Prepare)?;
                fork::watch(Arc::downgrade(&task.0));
            }
            None => drop(task.0.agent.set(agent.channel)),
        }
        task.0.remember(&connection);
        connection.thread = task.0.welcome.thread;
        let thread = Thread { task: Arc::downgrade(&task.0), connection, reply_port: None };
        THREADS.with_borrow_mut(|threads| {
            // In a forked child these are copies of the parent's connections, which would keep them open.
            threads.retain(|(_, thread)| thread.task.upgrade().is_some_and(|task| task.pid == sys::process::id()));
            threads.push((task.0.id, thread));
        });
        Ok(task)
    }

    /// The task's own port.
    pub fn task_self(&self) -> PortName {
        PortName(self.0.welcome.task_self)
    }

    /// The port of the node's host.
    pub fn host(&self) -> PortName {
        PortName(self.0.welcome.host_self)
    }

    /// The port that whoever prepared this task gave it; the name server for a task of its own. May be null or dead.
    pub fn bootstrap(&self) -> PortName {
        PortName(self.0.welcome.bootstrap)
    }

    /// The port of the node's name server.
    pub fn name_server(&self) -> PortName {
        PortName(self.0.welcome.name_server)
    }

    /// What the node is called; `None` if it gave no valid name.
    pub fn node_name(&self) -> Option<NodeName> {
        NodeName::new(&self.0.welcome.node)
    }

    /// The task's number on its node, as `mach task ls` shows it.
    pub fn number(&self) -> u32 {
        self.0.welcome.task
    }

    /// What faults are served; `None` without memory.
    pub fn uffd_mode(&self) -> Option<UffdMode> {
        self.0.memory.as_ref().map(|m| m.mode)
    }

    /// Asks the node on the calling thread's connection, which is opened if need be.
    pub(crate) fn trap(&self, op: call::Op, fds: &[std::os::fd::BorrowedFd<'_>]) -> Result<Reply, TrapError> {
        self.with_thread(|thread| thread.connection.call(self.0.memory.as_deref(), op, fds))
    }

    /// What the calling thread's next call will be known as; `None` when the node cannot be reached.
    pub(crate) fn next_call(&self) -> Option<Interrupt> {
        self.with_thread(|thread| Ok(thread.connection.next_call())).ok()
    }

    /// The calling thread's port (`mach_thread_self`), for others to end its waits: `thread_abort` through it answers
    /// `RcvInterrupted` or `SendInterrupted` where the thread waits in `mach_msg`. One more reference each time.
    ///
    /// Errors: the node is gone, or has no room for another name.
    pub fn thread_self(&self) -> Result<SendRight, RpcError> {
        let failed = |source: TrapError| RpcError::Msg { routine: "mach_thread_self", source: source.into() };
        let Answer { result, name, .. } = self.trap(call::Op::ThreadSelf(ThreadSelf {}), &[]).map_err(failed)?.answer;
        match result {
            0 => Ok(SendRight::adopt(self, PortName(name))),
            code => Err(RpcError::Other { routine: "mach_thread_self", code }),
        }
    }

    /// Whether both are the same.
    pub(crate) fn is(&self, other: &Task) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The calling thread's port for replies.
    ///
    /// Errors: the node's code in the inner result.
    pub(crate) fn reply_port(&self) -> Result<Result<PortName, i32>, TrapError> {
        self.with_thread(|thread| {
            if let Some(port) = thread.reply_port {
                return Ok(Ok(port));
            }
            let made = make_reply_port(self, thread)?;
            thread.reply_port = made.ok();
            Ok(made)
        })
    }

    /// A new port for replies, which the caller gives up.
    ///
    /// Errors: the node's code in the inner result.
    pub(crate) fn new_reply_port(&self) -> Result<Result<PortName, i32>, TrapError> {
        self.with_thread(|thread| make_reply_port(self, thread))
    }

    /// Takes the calling thread's port for replies away, for one to which an answer could still come too late.
    pub(crate) fn take_reply_port(&self) -> Option<PortName> {
        self.with_thread(|thread| Ok(thread.reply_port.take())).ok().flatten()
    }

    /// Conditions: `act` does not come back here.
    pub(crate) fn with_thread<T>(&self, act: impl FnOnce(&mut Thread) -> Result<T, TrapError>) -> Result<T, TrapError> {
        if self.0.pid != sys::process::id() {
            return Err(TrapError::Forked);
        }
        let mut act = Some(act);
        let mut run = |thread: &mut Thread| (act.take().expect("run once"))(thread);
        let kept = THREADS.try_with(|threads| {
            // In a signal handler that came while the thread was in a call: its connection is in use.
            let Ok(mut threads) = threads.try_borrow_mut() else { return run(&mut self.0.open_thread()?) };
            let at = match threads.iter().position(|(id, _)| *id == self.0.id) {
                Some(at) => at,
                None => {
                    threads.retain(|(_, thread)| thread.task.strong_count() > 0);
                    threads.push((self.0.id, self.0.open_thread()?));
                    threads.len() - 1
                }
            };
            let result = run(&mut threads[at].1);
            if result.is_err() {
                // A connection that failed once has nothing to say any more; the next call tries another.
                threads.remove(at);
            }
            result
        });
        // While a thread ends, its local storage is gone before the last of its values: a connection for one call, too.
        kept.unwrap_or_else(|_| run(&mut self.0.open_thread()?))
    }
}

impl Inner {
    fn open_thread(self: &Arc<Inner>) -> Result<Thread, TrapError> {
        let mut connection = Connection::open(&self.socket).map_err(|error| match error.errno {
            sys::Errno::NOENT | sys::Errno::CONNREFUSED => TrapError::NodeDied,
            _ => TrapError::Sys(error),
        })?;
        let reply = connection.call(None, call::Op::Hello(self.hello(hello::Role::Thread)), &[])?;
        connection.thread = reply.answer.welcome.map_or(0, |w| w.thread);
        self.remember(&connection);
        Ok(Thread { task: Arc::downgrade(self), connection, reply_port: None })
    }

    /// What the task's connections say to belong to it.
    pub fn token(&self) -> u64 {
        self.welcome.token
    }

    /// Its node's.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Not so in a forked child, which has a copy of the value and no task.
    pub fn is_of_this_process(&self) -> bool {
        self.pid == sys::process::id()
    }

    fn hello(&self, role: hello::Role) -> Hello {
        Hello { version: TRAP_VERSION, role: role.into(), token: self.welcome.token, ..Hello::default() }
    }

    fn remember(&self, connection: &Connection) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|c| c.strong_count() > 0);
        channels.push(Arc::downgrade(&connection.channel));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In a forked child the connections are the parent's, too.
        if self.pid == sys::process::id() {
            let channels = self.channels.get_mut().unwrap_or_else(PoisonError::into_inner);
            channels.iter().filter_map(Weak::upgrade).for_each(|c| c.shutdown());
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // The thread ends before its task: its port for replies would stay in the task's space for ever.
        if let (Some(port), Some(task)) = (self.reply_port, self.task.upgrade())
            && task.pid == sys::process::id()
        {
            let request = crate::msg::give_up_receive(&Task(task.clone()), port);
            let _ = self.connection.call(task.memory.as_deref(), request, &[]);
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token, which is as good as being the task.
        let number = &self.0.welcome.task;
        f.debug_struct("Task").field("node", &self.0.welcome.node).field("number", number).finish_non_exhaustive()
    }
}

fn make_reply_port(task: &Task, thread: &mut Thread) -> Result<Result<PortName, i32>, TrapError> {
    let reply = thread.connection.call(task.0.memory.as_deref(), call::Op::ReplyPort(ReplyPort {}), &[])?;
    let Answer { result, name, .. } = reply.answer;
    Ok(if result == 0 { Ok(PortName(name)) } else { Err(result) })
}

fn connect(socket: &Path) -> Result<Connection, AttachError> {
    Connection::open(socket).map_err(|source| AttachError::Connect { path: socket.to_owned(), source })
}

/// The first hello of a process. A task whose map is there before its process wants it at certain addresses.
fn say_first_hello(
    connection: &mut Connection,
    socket: &Path,
    token: u64,
    memory: Option<Arc<Memory>>,
) -> Result<(Welcome, Option<Arc<Memory>>), AttachError> {
    let welcome = say_hello(connection, socket, first_hello(token, memory.as_deref()), memory.as_deref())?;
    if welcome.arena_size == 0 {
        return Ok((welcome, memory));
    }
    drop(memory);
    let place = Some((welcome.arena_start, welcome.arena_size));
    let memory = Some(new_memory(place)?);
    let welcome = say_hello(connection, socket, first_hello(token, memory.as_deref()), memory.as_deref())?;
    match welcome.arena_size {
        0 => Ok((welcome, memory)),
        _ => Err(AttachError::Trap(TrapError::Protocol("a node that wants other addresses again and again"))),
    }
}

fn new_memory(place: Option<(u64, u64)>) -> Result<Arc<Memory>, AttachError> {
    Memory::new(place).map_err(AttachError::Userfaultfd)?.map_err(AttachError::Prepare).map(Arc::new)
}

fn first_hello(token: u64, memory: Option<&Memory>) -> Hello {
    let command: Vec<String> = env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    Hello {
        version: TRAP_VERSION,
        role: hello::Role::Thread.into(),
        token,
        userfaultfd: memory.map_or("none", |m| m.mode.as_str()).to_owned(),
        command: command.join(" ").chars().take(COMMAND_CHARS_MAX).collect(),
        arena_start: memory.map_or(0, |m| m.arena.start()),
        arena_size: memory.map_or(0, |m| m.arena.size()),
    }
}

fn say_hello(
    connection: &mut Connection,
    socket: &Path,
    hello: Hello,
    memory: Option<&Memory>,
) -> Result<Welcome, AttachError> {
    let fds: Vec<_> = memory.iter().map(|m| m.uffd.as_fd()).collect();
    let reply = connection.call(memory, call::Op::Hello(hello), &fds);
    if let Some(memory) = memory {
        memory.drop_inherited();
    }
    match reply {
        Ok(Reply { answer: Answer { welcome: Some(welcome), .. }, .. }) => match welcome.version {
            TRAP_VERSION => Ok(welcome),
            _ => Err(AttachError::Trap(TrapError::Protocol("the node is of another version than this library"))),
        },
        // What a node has against a hello stands in its log; the connection just ends.
        Ok(_) | Err(TrapError::NodeDied) => Err(AttachError::Refused { path: socket.to_owned() }),
        Err(error) => Err(AttachError::Trap(error)),
    }
}

fn token_of_environment() -> Result<u64, AttachError> {
    match env::var("MACH_TOKEN") {
        Ok(text) if !text.is_empty() => text.trim().parse().map_err(|_| AttachError::BadToken(text)),
        _ => Ok(0),
    }
}
