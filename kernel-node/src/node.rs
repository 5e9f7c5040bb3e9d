//! All that a node is, in one place and on one thread: the kernel, its memory, its servers, its tasks' connections.
//!
//! Everything outside (a record on a connection, a fault, a frame from a peer, a deadline) is a method here, called by the
//! loops in `shell`; each ends in [`Node::settle`], which lets the consequences run until nothing is left to do. Nothing
//! here awaits, so nothing here is ever half done when something else happens.
//!
//! Who may touch what: `kernel` decides; `pmap` moves memory; servers see the kernel through [`Calls`]; only `trap` and
//! `tasks` know connections.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

use kernel_core::ipc;
use kernel_core::kern::{Cx, Effect, Kernel};
use kernel_core::vm::{Fault, FaultClass, FaultOutcome, OrderId};
use kernel_core::{TaskId, Time, vm};
use proto::{Incarnation, NodeName, TraceId};
use sys::uffd::UffdEvent;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::awake::Awake;
use crate::channel::{ChannelId, Connection};
use crate::copying::Copying;
use crate::host::Host;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::pagers::Pagers;
use crate::passed::Passed;
use crate::pmap::LinuxPmap;
use crate::pollers::Levels;
use crate::process::Processes;
use crate::remote::Remote;
use crate::server::{Calls, Server, Which};
use crate::shell::NodeError;
use crate::swap::Swap;
use crate::waiters::{self, Waiter};

/// What a node is told at its start.
pub struct Facts {
    /// The node's name.
    pub name: NodeName,
    /// This life of it; another one begins when the cluster has declared it dead.
    pub incarnation: Incarnation,
    /// Whether other nodes may look up the host port.
    pub remote_admin: bool,
    /// Whether CPUs are kept awake while threads wait for remote pages, or go through pages that are here.
    pub low_latency: bool,
    /// Whether threads that call each other often get lanes.
    pub fast_path: bool,
    /// When it started: time 0.
    pub started: Instant,
    /// Where the Prometheus endpoint listens.
    pub metrics_address: Option<std::net::SocketAddr>,
}

/// What a deadline is for. One that no longer holds is ignored when it comes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    /// A thread's wait in `mach_msg`.
    Channel(ChannelId),
    /// A task that waits for its process.
    Prepared(TaskId),
}

/// A node.
pub struct Node {
    pub(crate) facts: Facts,
    pub(crate) kernel: Kernel,
    pub(crate) pmap: LinuxPmap,
    effects: Vec<Effect>,
    /// What happens at a time, by time.
    pub(crate) due: BTreeSet<(Time, Due)>,
    pub(crate) connections: BTreeMap<ChannelId, Connection>,
    pub(crate) last_channel: u64,
    /// Answers that wait for memory to be copied.
    pub(crate) copying: Copying,
    /// Calls that do without us.
    pub(crate) lanes: Lanes,
    /// What tasks poll.
    pub(crate) levels: Levels,
    pub(crate) processes: Processes,
    /// Orders that were sent and are not answered: whose they are, and to which of its connections they went.
    pub(crate) ordered: BTreeMap<OrderId, (TaskId, ChannelId)>,
    /// The connection whose call is being carried out: orders for its task ride in the answer.
    pub(crate) caller: Option<(TaskId, ChannelId)>,
    pub(crate) remote: Remote,
    pub(crate) names: Names,
    pub(crate) pagers: Pagers,
    /// The default pager, if there is one.
    pub(crate) swap: Option<Swap>,
    pub(crate) host: Host,
    pub(crate) metrics: Metrics,
    pub(crate) awake: Awake,
    passed: Passed,
    last_trace: u64,
    /// Woken when a deadline has come nearer than `armed`.
    pub(crate) timer: Rc<Notify>,
    /// The deadline that the timer sleeps for.
    armed: Option<Time>,
    /// Ends the node.
    pub(crate) stop: CancellationToken,
}

impl Node {
    /// A node without links and tasks. `swap` is the folder of the default pager's file, and its size.
    ///
    /// Errors: the servers' ports, or that file, could not be made.
    pub fn new(
        facts: Facts,
        config: vm::Config,
        swap: Option<(&std::path::Path, u64)>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<Node, NodeError> {
        let mut kernel = Kernel::new(facts.incarnation, config);
        let names = Names::new(&mut kernel, facts.name.clone())?;
        let remote = Remote::new(&mut kernel, &names)?;
        let pagers = Pagers::new(&mut kernel, &names, config.fault_deadline_ns / 2)?;
        let swap = swap.map(|(folder, limit)| Swap::new(&mut kernel, folder, limit)).transpose()?;
        let host = Host::new(&mut kernel)?;
        let awake = Awake::new(facts.low_latency);
        let lanes = Lanes::new(facts.fast_path);
        let mut node = Node {
            facts,
            kernel,
            pmap: LinuxPmap::default(),
            effects: Vec::new(),
            due: BTreeSet::new(),
            connections: BTreeMap::new(),
            last_channel: 0,
            copying: Copying::default(),
            lanes,
            levels: Levels::new(),
            processes: Processes::default(),
            ordered: BTreeMap::new(),
            caller: None,
            remote,
            names,
            pagers,
            swap,
            host,
            metrics,
            awake,
            passed: Passed::default(),
            last_trace: 0,
            timer: Rc::new(Notify::new()),
            armed: None,
            stop,
        };
        node.check_in_host()?;
        node.settle();
        Ok(node)
    }

    /// Nanoseconds since the node started.
    pub fn now(&self) -> Time {
        Time(self.facts.started.elapsed().as_nanos() as u64)
    }

    /// A new activity.
    pub(crate) fn new_trace(&mut self) -> TraceId {
        self.last_trace += 1;
        TraceId(self.facts.incarnation.0 << 40 | self.last_trace & ((1 << 40) - 1))
    }

    /// A call of the kernel, with what it may use.
    pub(crate) fn with_kernel<T>(&mut self, f: impl FnOnce(&mut Kernel, &mut Cx<'_>) -> T) -> T {
        let now = self.now();
        self.with_kernel_at(now, f)
    }

    fn with_kernel_at<T>(&mut self, now: Time, f: impl FnOnce(&mut Kernel, &mut Cx<'_>) -> T) -> T {
        f(&mut self.kernel, &mut Cx { now, pmap: &mut self.pmap, out: &mut self.effects })
    }

    /// A server's calls.
    pub(crate) fn calls<'a>(kernel: &'a mut Kernel, server: &Server) -> Calls<'a> {
        let (ipc, fx) = kernel.ipc_mut();
        server.calls(ipc, fx)
    }

    /// A thread of a task faulted; when that was dealt with.
    pub fn on_fault(&mut self, fault: Fault) -> Time {
        let began = self.now();
        let trace = fault.trace;
        if let Some(process) = self.processes.get_mut(fault.task) {
            process.faults += 1;
        }
        tracing::trace!(trace = trace.0, task = fault.task.0, address = fault.address, write = fault.write, "fault");
        match self.with_kernel_at(began, |kernel, cx| kernel.fault(fault, cx)) {
            FaultOutcome::Done(class) => {
                self.awake.served(began);
                self.fault_done(class, began, trace)
            }
            FaultOutcome::Waiting => {
                self.awake.waited(began);
                began
            }
        }
    }

    /// Makes a fault out of a userfaultfd event.
    pub fn fault_of(&mut self, task: TaskId, event: sys::uffd::FaultEvent) -> Fault {
        let kind = match event.kind {
            sys::uffd::FaultKind::Missing => vm::FaultKind::Missing,
            sys::uffd::FaultKind::Minor => vm::FaultKind::Minor,
            sys::uffd::FaultKind::WriteProtected => vm::FaultKind::WriteProtect,
        };
        Fault { task, address: event.address, kind, write: event.write, trace: self.new_trace() }
    }

    /// What a task's userfaultfd told; when it was done, if that was a fault.
    pub fn on_memory_event(&mut self, task: TaskId, event: UffdEvent) -> Option<Time> {
        match event {
            UffdEvent::Fault(event) => {
                let fault = self.fault_of(task, event);
                return Some(self.on_fault(fault));
            }
            UffdEvent::Unmapped { address, len } => {
                tracing::debug!(task = task.0, address, len, "a task unmapped memory itself");
                self.with_vm(|vm, cx| vm.range_unmapped(task, address, len, cx));
            }
            UffdEvent::Moved { from, to, len } => {
                tracing::warn!(
                    task = task.0,
                    from,
                    to,
                    len,
                    "a task moved mapped memory, where it is neither brought nor written"
                );
                self.with_vm(|vm, cx| vm.range_moved(task, from, to, len, cx));
            }
            UffdEvent::Other(kind) => tracing::warn!(task = task.0, kind, "an event that nobody asked for"),
        }
        None
    }

    fn with_vm(&mut self, f: impl FnOnce(&mut vm::Vm, &mut vm::VmCx<'_>)) {
        self.with_kernel(|kernel, cx| kernel.vm_call(cx, f));
    }

    fn fault_done(&mut self, class: FaultClass, since: Time, trace: TraceId) -> Time {
        let now = self.now();
        let took = std::time::Duration::from_nanos(now.0.saturating_sub(since.0));
        self.metrics.fault(class, took);
        tracing::debug!(trace = trace.0, class = class.label(), took_us = took.as_micros() as u64, "fault served");
        now
    }

    /// Lets everything that is due happen, until nothing is.
    pub fn settle(&mut self) {
        self.settle_at(self.now());
    }

    /// As [`Node::settle`], at a time that has only just been: everything that follows from one act happens at one time.
    pub fn settle_at(&mut self, now: Time) {
        let mut effects = Vec::new();
        loop {
            self.with_kernel_at(now, |kernel, cx| kernel.settle(cx));
            let ordered = self.send_orders();
            let told = self.pmap.take_events();
            let any_told = !told.is_empty();
            told.into_iter().for_each(|(task, event)| {
                self.on_memory_event(task, event);
            });
            // Two lists that change places, so that neither is made anew each time.
            std::mem::swap(&mut effects, &mut self.effects);
            if effects.is_empty() && !ordered && !any_told {
                break;
            }
            for effect in effects.drain(..) {
                self.carry_out(effect);
            }
        }
        self.lanes_settle(None);
        self.lanes_sweep();
        self.flush_remote();
        self.arm();
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ipc(ipc::Effect::Readable(space)) => self.serve(space),
            Effect::Ipc(ipc::Effect::Received { waiter, result }) => self.received(waiter, result),
            Effect::Ipc(ipc::Effect::Sent { waiter, result }) => match waiters::parse(waiter) {
                Waiter::Channel(channel) => self.sent(channel, result),
                Waiter::Netmsg(ticket) => self.remote_taken(ticket),
                // Nothing is sent by a lease.
                Waiter::Lease(_) => {}
            },
            Effect::Ipc(ipc::Effect::Level { poller, ready }) => self.level(poller, ready),
            Effect::Ipc(ipc::Effect::PollerEnded(poller)) => drop(self.levels.remove(&poller)),
            // Watches end in the kernel.
            Effect::Ipc(ipc::Effect::PortDied { .. }) => {}
            Effect::Kill(task) => self.kill(task),
            Effect::Created(task) => self.created(task),
            Effect::Unruly(task) => {
                tracing::error!(
                    task = task.0,
                    "a task writes to mapped memory that it moved or protected itself; it is ended"
                );
                self.kill(task);
            }
            Effect::AbortThread(thread) => self.abort(thread),
            Effect::FaultDone { class, since, trace } => {
                self.fault_done(class, since, trace);
            }
        }
    }

    fn serve(&mut self, space: ipc::SpaceId) {
        match self.server_of(space) {
            Some(Which::Netmsg) => self.serve_remote(),
            Some(Which::Names) => self.serve_names(),
            Some(Which::Pagers) => self.serve_pagers(),
            Some(Which::Swap) => self.serve_swap(),
            Some(Which::Host) => self.serve_host(),
            None => {}
        }
    }

    /// The in-process server that has a space; `None` for a task's.
    pub(crate) fn server_of(&self, space: ipc::SpaceId) -> Option<Which> {
        let servers = [
            (self.remote.server.space, Which::Netmsg),
            (self.names.server.space, Which::Names),
            (self.pagers.server.space, Which::Pagers),
            (self.host.server.space, Which::Host),
        ];
        let swap = self.swap.as_ref().map(|swap| (swap.server.space, Which::Swap));
        servers.into_iter().chain(swap).find(|(s, _)| *s == space).map(|(_, which)| which)
    }

    /// Sends what tasks have been ordered; whether there was anything.
    fn send_orders(&mut self) -> bool {
        let (orders, failed) = self.pmap.take_orders();
        let any = !orders.is_empty() || !failed.is_empty();
        for (id, code) in failed {
            self.with_kernel(|kernel, cx| kernel.order_done(id, Err(code), cx));
        }
        for order in orders {
            let (id, task) = (order.id, order.task);
            let sent = match self.caller {
                // Its own thread carries the order out before it sees any answer, and says so afterwards: until then
                // nothing that the order frees is given to another thread. [vm.order.1]
                Some((caller, channel)) if caller == task && !order.is_for_agent() => {
                    self.ride(channel, order).inspect(|()| {
                        self.ordered.insert(id, (task, channel));
                        self.kernel.order_rides(id);
                    })
                }
                _ => self.order_agent(order),
            };
            if let Err(code) = sent {
                self.with_kernel(|kernel, cx| kernel.order_done(id, Err(code), cx));
            }
        }
        any
    }

    /// The next moment at which [`Node::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Time> {
        let due = self.due.first().map(|(at, _)| *at);
        [
            self.kernel.next_deadline(),
            due,
            self.names.next_deadline(),
            self.remote.next_flush(),
            self.pagers.next_deadline(),
            self.awake.next_deadline(),
        ]
        .into_iter()
        .fold(None, waiters::earlier)
    }

    /// The deadline to sleep for from now on, by the one loop that does.
    pub fn rearm(&mut self) -> Option<Time> {
        self.armed = self.next_deadline();
        self.armed
    }

    /// Does what is due by now.
    pub fn tick(&mut self) {
        let now = self.now();
        while let Some((at, due)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, due));
            match due {
                Due::Channel(channel) => self.msg_timed_out(channel, at),
                Due::Prepared(task) => self.give_up_prepared(task),
            }
        }
        self.with_kernel(|kernel, cx| kernel.tick(cx));
        self.awake.tick(now);
        self.names_tick(now);
        self.remote_tick(now);
        self.pagers_tick(now);
        self.settle();
    }

    /// Brings the gauges up to date.
    pub(crate) fn publish(&mut self) {
        let (queued, queued_bytes) = self.kernel.ipc.queued();
        let counters = *self.kernel.vm().counters();
        let counts = self.remote.netmsg.counts();
        let swap = self.swap.as_ref().map(Swap::stats).unwrap_or_default();
        let (resident, native) = self.kernel.vm().pages();
        let gauges = [
            ("mach_resident_bytes", crate::metrics::resident_bytes()),
            ("mach_tasks", self.processes.iter().count() as u64),
            ("mach_ports", self.kernel.ipc.ports_len() as u64),
            ("mach_lanes", self.lanes.len() as u64),
            ("mach_messages_queued", queued as u64),
            ("mach_message_bytes_queued", queued_bytes as u64),
            ("mach_pages_in_total", counters.pages_in),
            ("mach_pages_zero_total", counters.pages_zero),
            ("mach_pages_out_total", counters.pages_out),
            ("mach_data_requests_total", counters.requests),
            ("mach_read_ahead_requests_total", counters.read_ahead_requests),
            ("mach_read_ahead_pages_total", counters.read_ahead_pages),
            ("mach_read_ahead_hits_total", counters.read_ahead_hits),
            ("mach_read_ahead_wasted_total", counters.read_ahead_wasted),
            ("mach_fault_timeouts_total", counters.timeouts),
            ("mach_pages_resident", resident),
            ("mach_pages_native", native),
            ("mach_pages_evicted_total", counters.pages_evicted),
            ("mach_memory_refused_total", counters.memory_refused),
            ("mach_swap_pages", swap.pages),
            ("mach_swap_bytes", swap.bytes),
            ("mach_swap_pages_out_total", swap.pages_out),
            ("mach_swap_pages_in_total", swap.pages_in),
            ("mach_swap_damaged_total", swap.damaged),
            ("mach_swap_refused_total", swap.refused),
            ("mach_pages_unwritten", self.pagers.unwritten_pages()),
            ("mach_link_messages_out_total", counts.messages_out),
            ("mach_link_messages_in_total", counts.messages_in),
            ("mach_link_page_bytes_out_total", counts.bytes_out),
            ("mach_link_page_bytes_in_total", counts.bytes_in),
            ("mach_link_rights_out_total", counts.rights_out),
            ("mach_link_rights_in_total", counts.rights_in),
        ];
        for (name, value) in gauges {
            self.metrics.publish(name, "", value as f64);
        }
        for member in self.remote.net.iter().flat_map(netmsg::Net::members) {
            let peer = member.name.as_str();
            self.metrics.publish("mach_link_bytes_sent_total", peer, member.bytes_sent as f64);
            self.metrics.publish("mach_link_bytes_received_total", peer, member.bytes_received as f64);
            self.metrics.publish("mach_link_rtt_seconds", peer, member.rtt.unwrap_or_default().as_secs_f64());
        }
    }

    /// Gives memory back that much from or to other nodes passed through, now and then.
    pub(crate) fn give_memory_back(&mut self) {
        let counts = self.remote.netmsg.counts();
        if self.passed.is_over(counts.bytes_in + counts.bytes_out) {
            sys::heap::give_back();
        }
    }

    fn arm(&mut self) {
        // One that has passed out of sight is left armed: a tick that finds nothing due is cheaper than disarming it.
        let Some(next) = self.next_deadline() else { return };
        if self.armed.is_none_or(|armed| next < armed) {
            self.armed = Some(next);
            self.timer.notify_one();
        }
    }
}
