//! The loops around a [`Node`]: they wait for something to happen, lend the node to it, and wait again.
//!
//! One loop for each connection and each task's userfaultfd, one for deadlines, one for new connections; the network's
//! loops are in `netmsg` and call the [`Handler`]. All run on one thread; the node is never lent across an await.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use kernel_core::{TaskId, vm};
use netmsg::{Handler, LinkDown, LinkId, MemberInfo, Net, NetConfig, Peer};
use proto::limits::TRAP_RECORD_BYTES_MAX;
use proto::wire::link::Frame;
use proto::{Incarnation, PAGE_SIZE, Payload};
use sys::aio::Async;
use sys::seqpacket::Received;
use sys::{Channel, Listener, PidFd, Uffd};
use tokio::runtime::LocalOptions;
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;

use crate::channel::{ChannelError, ChannelId};
use crate::config::NodeConfig;
use crate::metrics::Metrics;
use crate::node::{Facts, Node};
use crate::tasks::Started;

/// Why a node could not be started, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The network.
    #[error(transparent)]
    Net(#[from] netmsg::NetError),
    /// The socket for tasks.
    #[error("cannot listen for tasks at {path}: {source}")]
    Socket {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: sys::SysError,
    },
    /// Something of Linux's.
    #[error(transparent)]
    Sys(#[from] sys::SysError),
    /// The runtime or a signal handler.
    #[error("cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The metrics endpoint.
    #[error("cannot serve metrics at {address}: {source}")]
    Metrics {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kernel could not make its own ports.
    #[error("cannot make the node's own ports: {0}")]
    Kernel(#[from] proto::KernReturn),
    /// A setting.
    #[error("{0}")]
    Config(String),
}

/// A node with its loops; cheap to clone.
#[derive(Clone)]
struct Shell {
    node: Rc<RefCell<Node>>,
    /// One buffer for all records: a record is decoded before anything else runs.
    record: Rc<RefCell<Vec<u8>>>,
    task_uid: Option<u32>,
}

/// Runs a node until it is told to end: by SIGTERM, SIGINT, or `node_shutdown`. `ready` is called once tasks can attach.
///
/// Conditions: at most one node a process. Makes its own runtime on the calling thread.
/// Errors: it could not be started; nothing is left behind.
pub fn run(config: NodeConfig, ready: impl FnOnce(std::net::SocketAddr)) -> Result<(), NodeError> {
    check(&config)?;
    // A local runtime, not a `LocalSet`: waking a set's task from the driver costs a write to an eventfd each time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(config, ready))
}

fn check(config: &NodeConfig) -> Result<(), NodeError> {
    if sys::probe::page_size() != PAGE_SIZE {
        return Err(NodeError::Config(format!("this system's pages are not {PAGE_SIZE} bytes")));
    }
    if config.fault_deadline < Duration::from_millis(1) {
        return Err(NodeError::Config("fault_deadline must be at least 1 ms".into()));
    }
    if config.memory_limit > 0 && config.memory_limit < NodeConfig::MEMORY_LIMIT_MIN {
        let least = NodeConfig::MEMORY_LIMIT_MIN;
        return Err(NodeError::Config(format!("memory_limit must be 0 or at least {least} bytes")));
    }
    Ok(())
}

async fn serve(config: NodeConfig, ready: impl FnOnce(std::net::SocketAddr)) -> Result<(), NodeError> {
    // A file that may not grow is the file pager's error to report, not the end of the node.
    sys::process::survive_file_size_limit();
    let metrics = Metrics::install().map_err(|e| NodeError::Config(e.to_string()))?;
    let metrics_address = match config.metrics {
        Some(address) => Some(metrics.serve(address).map_err(|source| NodeError::Metrics { address, source })?),
        None => None,
    };
    let mode = if config.task_uid.is_some() { 0o666 } else { 0o600 };
    let listener = Listener::bind(&config.socket, mode)
        .map_err(|source| NodeError::Socket { path: config.socket.clone(), source })?;
    let incarnation = fresh_incarnation();
    let stop = CancellationToken::new();
    let facts = Facts {
        name: config.name.clone(),
        incarnation,
        remote_admin: config.remote_admin,
        low_latency: config.low_latency,
        fast_path: config.fast_path,
        started: Instant::now(),
        metrics_address,
    };
    let swap = (config.memory_limit > 0 && config.swap_limit > 0).then_some((&*config.swap_dir, config.swap_limit));
    let vm_config = vm::Config {
        fault_deadline_ns: config.fault_deadline.as_nanos() as u64,
        memory_limit_bytes: config.memory_limit,
        task_memory_limit_bytes: config.task_memory_limit,
        default_pager: swap.is_some(),
        ..vm::Config::default()
    };
    let node = Rc::new(RefCell::new(Node::new(facts, vm_config, swap, metrics, stop.clone())?));
    let shell =
        Shell { node, record: Rc::new(RefCell::new(vec![0; TRAP_RECORD_BYTES_MAX])), task_uid: config.task_uid };
    let net = Net::start(
        NetConfig {
            identity: config.identity,
            node: config.name,
            incarnation,
            listen: config.listen,
            advertise: config.advertise,
            seeds: config.seeds,
            dead_after: config.dead_after,
            mtu_max: config.mtu_max,
            authority: config.authority.map(Rc::new),
            cable: netmsg::Cable::default(),
        },
        Rc::new(shell.clone()),
    )?;
    let address = net.address();
    shell.node.borrow_mut().remote.net = Some(net.clone());
    if let Some(results) = shell.node.borrow_mut().pagers.take_results() {
        spawn_local(shell.clone().jobs(results));
    }
    let swapped = shell.node.borrow_mut().swap.as_mut().and_then(crate::swap::Swap::take_results);
    if let Some(results) = swapped {
        spawn_local(shell.clone().swap_jobs(results));
    }
    if let Some(results) = shell.node.borrow_mut().copying.take_results() {
        spawn_local(shell.clone().copied(results));
    }
    spawn_local(shell.clone().publish());
    spawn_local(shell.clone().timer());
    spawn_local(shell.clone().accept(Rc::new(Async::reader(listener)?)));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    ready(address);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        () = stop.cancelled() => {}
    }
    shell.shut_down(&net).await;
    Ok(())
}

/// How old a gauge may be.
const PUBLISH_EVERY: Duration = Duration::from_secs(2);
/// How long exports may take to reach the disk when the node ends.
const FLUSH_DEADLINE: Duration = Duration::from_secs(30);

impl Shell {
    /// Ends the tasks and the exports, so that dirty pages come back from here and from other nodes; lets these reach the
    /// disk; says good-bye.
    async fn shut_down(&self, net: &Net) {
        tracing::info!("shutting down");
        let tasks: Vec<TaskId> = self.node.borrow().processes.iter().map(|(task, _)| task).collect();
        for task in tasks {
            let mut node = self.node.borrow_mut();
            // A process whose memory the node serves cannot go on; one that only sends messages hears of it.
            if node.has_memory(task) {
                node.kill(task);
            }
            node.task_gone(task);
        }
        self.node.borrow_mut().exports_close();
        let quiet = async {
            while self.node.borrow().pagers.is_busy() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(FLUSH_DEADLINE, quiet).await.is_err() {
            let unwritten = self.node.borrow().pagers.unwritten_pages();
            tracing::error!(unwritten, "pages were still on their way to a file when the node ended");
        }
        net.shutdown().await;
    }

    async fn timer(self) {
        loop {
            let (deadline, started, changed) = {
                let mut node = self.node.borrow_mut();
                (node.rearm(), node.facts.started, node.timer.clone())
            };
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until((started + Duration::from_nanos(at.0)).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.node.borrow_mut().tick(),
                () = changed.notified() => {}
            }
        }
    }

    /// Brings the results of blocking work back.
    async fn jobs(self, mut results: tokio::sync::mpsc::UnboundedReceiver<pager::JobDone>) {
        while let Some(done) = results.recv().await {
            self.node.borrow_mut().on_job_done(done);
        }
    }

    /// As `jobs`, for the default pager.
    async fn swap_jobs(self, mut results: tokio::sync::mpsc::UnboundedReceiver<pager::SwapDone>) {
        while let Some(done) = results.recv().await {
            self.node.borrow_mut().on_swap_done(done);
        }
    }

    /// As `jobs`, for answers that waited for memory to be copied.
    async fn copied(self, mut results: tokio::sync::mpsc::UnboundedReceiver<crate::copying::CopyDone>) {
        while let Some(done) = results.recv().await {
            self.node.borrow_mut().on_copied(done);
        }
    }

    /// Keeps the gauges that a scrape reads fresh.
    async fn publish(self) {
        loop {
            self.node.borrow_mut().publish();
            self.node.borrow_mut().give_memory_back();
            tokio::time::sleep(PUBLISH_EVERY).await;
        }
    }

    async fn accept(self, listener: Rc<Async<Listener>>) {
        loop {
            let accepted = listener
                .when_readable(|l| Ok(l.try_accept()?.map_or(Poll::Pending, Poll::Ready)))
                .await
                .and_then(|channel| self.admit(channel));
            if let Err(error) = accepted {
                // Out of descriptors, most likely: what waits keeps waiting until there are some.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn admit(&self, channel: Channel) -> Result<(), sys::SysError> {
        let credentials = channel.peer_credentials()?;
        let own = sys::process::effective_uid();
        if ![0, own].contains(&credentials.uid) && Some(credentials.uid) != self.task_uid {
            tracing::warn!(pid = credentials.pid, uid = credentials.uid, "a process of another user was turned away");
            return Ok(());
        }
        let socket = Rc::new(Async::new(channel)?);
        let id = self.node.borrow_mut().connected(socket.clone());
        spawn_local(self.clone().connection(id, socket));
        Ok(())
    }

    async fn connection(self, id: ChannelId, socket: Rc<Async<Channel>>) {
        let ended = loop {
            let step = socket
                .when_drained(|channel| {
                    let mut record = self.record.borrow_mut();
                    Ok(match channel.try_recv(&mut record)? {
                        Received::WouldBlock => Poll::Pending,
                        Received::Closed => Poll::Ready((None, false)),
                        Received::Record(len, fds) => {
                            let done = self.node.borrow_mut().on_record(id, &record[..len], fds);
                            // As a rule the thread waits now, and its next record is to be waited for.
                            Poll::Ready((Some(done), channel.is_drained()?))
                        }
                    })
                })
                .await;
            match step {
                Ok(Some(Ok(None))) => {}
                Ok(Some(Ok(Some(started)))) => self.start(started),
                Ok(Some(Err(why))) => break Some(why),
                Ok(None) => break None,
                Err(error) => break Some(ChannelError::Sys(error)),
            }
        };
        self.node.borrow_mut().disconnected(id, ended.as_ref());
    }

    fn start(&self, Started { task, uffd, pidfd }: Started) {
        let faults = uffd.map(|uffd| spawn_local(self.clone().faults(task, uffd)));
        let process = spawn_local(self.clone().process(task, pidfd));
        let watchers = faults.into_iter().chain([process]).map(|loop_| loop_.abort_handle()).collect();
        self.node.borrow_mut().watched(task, watchers);
    }

    /// Serves the faults of one task.
    async fn faults(self, task: TaskId, uffd: Rc<Async<Uffd>>) {
        let mut events = Vec::with_capacity(Uffd::EVENTS_MAX);
        loop {
            let read = uffd
                .when_drained(|uffd| {
                    Ok(match uffd.read_events(&mut events)? {
                        0 => Poll::Pending,
                        count => Poll::Ready(((), count < Uffd::EVENTS_MAX)),
                    })
                })
                .await;
            if let Err(error) = read {
                tracing::error!(task = task.0, %error, "a task's faults cannot be read; it is ended");
                return self.node.borrow_mut().kill(task);
            }
            let mut node = self.node.borrow_mut();
            let mut served = None;
            for event in events.drain(..) {
                served = node.on_memory_event(task, event);
            }
            match served {
                Some(now) => node.settle_at(now),
                None => node.settle(),
            }
        }
    }

    /// Waits for a task's process to end.
    async fn process(self, task: TaskId, pidfd: Rc<PidFd>) {
        let ended = async {
            let watched = Async::reader(pidfd.try_clone()?)?;
            watched.when_readable(|p| Ok(if p.has_exited()? { Poll::Ready(()) } else { Poll::Pending })).await
        };
        if let Err(error) = ended.await {
            tracing::error!(task = task.0, %error, "a task's process cannot be watched");
        }
        self.node.borrow_mut().task_gone(task);
    }
}

/// Above every earlier one of this node, which is the condition for its peers to take it back at once. It is the origin of
/// port identities, too, so two nodes that start in the same microsecond must differ.
fn fresh_incarnation() -> Incarnation {
    Incarnation(netmsg::fresh_incarnation().0 << 12 | rand::random::<u64>() >> 52)
}

/// A link as the core knows it.
fn core_link(link: LinkId) -> netmsg_core::LinkId {
    netmsg_core::LinkId(link.0)
}

impl Handler for Shell {
    fn link_up(&self, link: LinkId, peer: &Peer) {
        self.node.borrow_mut().link_up(core_link(link), peer);
    }

    fn frame(&self, link: LinkId, frame: Frame, payload: Payload) {
        self.node.borrow_mut().on_frame(core_link(link), frame, payload);
    }

    fn link_down(&self, link: LinkId, reason: &LinkDown) {
        self.node.borrow_mut().link_down(core_link(link), reason);
    }

    fn member_changed(&self, member: &MemberInfo) {
        tracing::info!(node = %member.name, state = ?member.state, "member");
    }

    fn declared_dead(&self) -> Option<Incarnation> {
        tracing::warn!("the cluster declared this node dead; it goes on under a new incarnation");
        let present = self.node.borrow().facts.incarnation;
        let next = Incarnation(present.0 + 1);
        self.node.borrow_mut().facts.incarnation = next;
        Some(next)
    }
}
