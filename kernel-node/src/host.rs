//! The host port: what an operator asks of this node, by message, from this machine or (if allowed) from another.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use kernel_core::ipc::Right;
use kernel_core::kern::Kernel;
use kernel_core::vm::OrderId;
use netmsg::MemberState;
use proto::iface::{
    self,
    node::{self, Request},
};
use proto::limits::NETNAME_MAX;
use proto::msg::{Reply as _, code_body};
use proto::{BadBody, Body, Disposition, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, PortName, TraceId};

use crate::host_info;
use crate::node::Node;
use crate::pagers::ExportInfo;
use crate::server::Server;
use crate::swap::Swap;

/// The name under which a node's host port is checked in where its configuration allows it.
pub const HOST_NAME: &str = "host";

/// The host server.
pub struct Host {
    pub(crate) server: Server,
    pub(crate) port: PortName,
    /// Signs the names that this node checks in.
    pub(crate) signature: PortName,
}

impl Host {
    /// A server with the host port.
    ///
    /// Errors: its ports could not be made.
    pub fn new(kernel: &mut Kernel) -> Result<Host, KernReturn> {
        let server = Server::new(&mut kernel.ipc);
        let mut calls = Node::calls(kernel, &server);
        let port = calls.allocate_with_send()?;
        let signature = calls.allocate_with_send()?;
        Ok(Host { server, port, signature })
    }

    /// A send right to the host port.
    pub fn send_right(&self, kernel: &mut Kernel) -> kernel_core::ipc::Right {
        let right = kernel.copy_send(self.server.space, self.port);
        right.expect("the host port lives as long as its node")
    }
}

/// When a routine is answered.
enum Outcome {
    Now(Body<NamedRight>),
    /// When a task has carried out orders.
    After(Vec<OrderId>),
    /// When the export has ended, or is to go on.
    WithExport,
}

/// A request to the host port that is to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    reply: NamedRight,
    id: i32,
    trace: TraceId,
}

impl Node {
    pub(crate) fn serve_host(&mut self) {
        while let Some(message) = Node::calls(&mut self.kernel, &self.host.server).receive() {
            self.on_host_message(message);
        }
    }

    fn on_host_message(&mut self, message: Message<NamedRight>) {
        let Message { remote: reply, local, id, trace, body, .. } = message;
        let asked = Asked { reply, id, trace };
        let is_machs =
            (iface::host::IDS.contains(&id) || iface::host_vm::IDS.contains(&id)) && local.name == self.host.port;
        let outcome = match Request::decode(id, body) {
            Err(BadBody { body, .. }) if is_machs => self.mach_host_call(id, body),
            Ok(request) if local.name == self.host.port => {
                self.host_call(request, asked).unwrap_or_else(|code| Outcome::Now(code_body(code.raw())))
            }
            Ok(request) => {
                self.release_request(request);
                Outcome::Now(code_body(KernReturn::InvalidHost.raw()))
            }
            Err(BadBody { error, body }) => {
                self.release_rights(body.into_rights());
                Outcome::Now(code_body(error.raw()))
            }
        };
        match outcome {
            Outcome::Now(body) => self.host_answer(asked, body),
            Outcome::After(orders) => self.kernel.answer_after(orders, self.host.server.space, reply, id, trace),
            Outcome::WithExport => {}
        }
    }

    /// Answers a request, unless nobody waits for an answer.
    pub(crate) fn host_answer(&mut self, asked: Asked, body: Body<NamedRight>) {
        let Asked { reply: remote, id, trace } = asked;
        if remote.name.is_valid() {
            let id = id.wrapping_add(100);
            let reply = Message { remote, local: NamedRight::NULL, id, seqno: 0, trace, body };
            Node::calls(&mut self.kernel, &self.host.server).send_always(reply);
        }
    }

    /// A routine that Mach has for hosts.
    fn mach_host_call(&mut self, id: i32, body: Body<NamedRight>) -> Outcome {
        let called = match iface::host_vm::IDS.contains(&id) {
            true => match iface::host_vm::Request::decode(id, body).map(|request| self.host_vm_call(request)) {
                Ok(Ok(orders)) if !orders.is_empty() => return Outcome::After(orders),
                other => other.map(|done| done.map(|_| ().into_body())),
            },
            false => iface::host::Request::decode(id, body)
                .map(|request| host_info::answer(&request, self.facts.name.as_str())),
        };
        Outcome::Now(match called {
            Ok(results) => results.unwrap_or_else(|code| code_body(code.raw())),
            Err(BadBody { error, body }) => {
                self.release_rights(body.into_rights());
                code_body(error.raw())
            }
        })
    }

    fn host_call(&mut self, request: Request<NamedRight>, asked: Asked) -> Result<Outcome, KernReturn> {
        Ok(Outcome::Now(match request {
            Request::Info(_) => node::InfoReply { info: self.node_info() }.into_body(),
            Request::Members(_) => node::MembersReply { members: self.members() }.into_body(),
            Request::Objects(_) => node::ObjectsReply { objects: self.objects() }.into_body(),
            Request::Ports(_) => {
                self.show_calls_by_lanes();
                node::PortsReply { ports: self.ports_info() }.into_body()
            }
            Request::Names(r) => {
                self.show_calls_by_lanes();
                node::NamesReply { names: self.names_info(r.task)? }.into_body()
            }
            Request::Port(r) => {
                self.show_calls_by_lanes();
                self.node_port(r)?.into_body()
            }
            Request::Regions(r) => self.regions_info(r.task, r.address, r.cell_pages)?.into_body(),
            Request::Tasks(_) => node::TasksReply { tasks: self.tasks_info() }.into_body(),
            Request::Metrics(_) => {
                self.publish();
                let text = Payload::from(Bytes::from(self.metrics.render()));
                node::MetricsReply { text }.into_body()
            }
            Request::Export(r) => self.node_export(&r)?.into_body(),
            Request::ObjectRemove(r) => {
                self.export_remove(&r.name, asked)?;
                return Ok(Outcome::WithExport);
            }
            Request::TaskPrepare(r) => self.node_task_prepare(r.bootstrap)?.into_body(),
            Request::TaskToken(r) => self.node_task_token(r.task)?.into_body(),
            Request::Shutdown(_) => {
                self.stop.cancel();
                ().into_body()
            }
        }))
    }

    fn node_export(&mut self, r: &node::Export) -> Result<node::ExportReply<NamedRight>, KernReturn> {
        let fits = (1..=NETNAME_MAX).contains(&r.name.len()) && !r.name.chars().any(char::is_control);
        if !fits || r.name == HOST_NAME {
            return Err(KernReturn::InvalidArgument);
        }
        match self.export_file(Path::new(&r.path), &r.name, r.writable) {
            Ok((size, port)) => {
                let right = self.export_right(port);
                let name = self.kernel.give(self.host.server.space, right)?;
                let object = NamedRight::move_send(name);
                Ok(node::ExportReply { name: r.name.clone(), size, object, problem: String::new() })
            }
            Err(problem) => Ok(node::ExportReply { name: r.name.clone(), size: 0, object: NamedRight::NULL, problem }),
        }
    }

    fn node_task_prepare(&mut self, bootstrap: NamedRight) -> Result<node::TaskPrepareReply<NamedRight>, KernReturn> {
        let space = self.host.server.space;
        let (ipc, fx) = self.kernel.ipc_mut();
        let bootstrap = match bootstrap {
            NamedRight { name, .. } if !name.is_valid() => Right::Null,
            NamedRight { name, disposition: Disposition::MoveSend } => {
                ipc.extract_right(space, name, Disposition::MoveSend, fx)?
            }
            other => {
                self.release_rights(vec![other]);
                return Err(KernReturn::InvalidCapability);
            }
        };
        let (task, token) = self.task_prepare(bootstrap)?;
        let right = self.kernel.task_port(task)?;
        let task = self.kernel.give(space, right)?;
        Ok(node::TaskPrepareReply { token, task: NamedRight::move_send(task) })
    }

    /// Who has the port of a task could have it do anything.
    fn node_task_token(&mut self, task: NamedRight) -> Result<node::TaskTokenReply, KernReturn> {
        let named = self.kernel.task_named(self.host.server.space, task.name);
        self.release_rights(vec![task]);
        let process = named.and_then(|task| self.processes.get(task)).ok_or(KernReturn::InvalidTask)?;
        match process.attached {
            None => Ok(node::TaskTokenReply { token: process.token }),
            Some(_) => Err(KernReturn::NameExists),
        }
    }

    fn node_info(&mut self) -> node::NodeInfo {
        let (resident, native) = self.kernel.vm().pages();
        let swap = self.swap.as_ref().map(Swap::stats).unwrap_or_default();
        node::NodeInfo {
            name: self.facts.name.to_string(),
            incarnation: self.facts.incarnation.0,
            address: self.remote.net.as_ref().map_or_else(String::new, |net| net.address().to_string()),
            uptime_ms: self.now().0 / 1_000_000,
            resident_bytes: crate::metrics::resident_bytes(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            tasks: self.processes.iter().count() as u32,
            ports: self.kernel.ipc.ports_len() as u32,
            objects: self.objects().len() as u32,
            metrics_address: self.facts.metrics_address.map_or_else(String::new, |a| a.to_string()),
            memory_bytes: resident.saturating_add(native).saturating_mul(PAGE_SIZE),
            memory_limit: self.kernel.vm().memory_limit(),
            paged_out_bytes: swap.pages * PAGE_SIZE,
            swap_bytes: swap.bytes,
        }
    }

    fn members(&self) -> Vec<node::Member> {
        let Some(net) = &self.remote.net else { return Vec::new() };
        let own = node::Member {
            name: self.facts.name.to_string(),
            address: net.address().to_string(),
            incarnation: net.incarnation().0,
            state: "self".into(),
            ..node::Member::default()
        };
        let others = net.members().into_iter().map(|m| node::Member {
            name: m.name.to_string(),
            address: m.address.to_string(),
            incarnation: m.incarnation.0,
            state: state_of(m.state, m.link.is_some()).into(),
            rtt_us: m.rtt.map_or(0, |rtt| rtt.as_micros() as u64),
            sent_bytes: m.bytes_sent,
            received_bytes: m.bytes_received,
        });
        std::iter::once(own).chain(others).collect()
    }

    fn objects(&mut self) -> Vec<node::ObjectInfo> {
        let exports = self.exports();
        let mut infos: Vec<node::ObjectInfo> = exports
            .iter()
            .map(|ExportInfo { stats, path, .. }| node::ObjectInfo {
                name: stats.name.clone(),
                role: "export".into(),
                path: path.display().to_string(),
                size: stats.size,
                writable: stats.writable,
                resident_pages: 0,
                // What kernels returned and is not in the file yet: lost if the node is killed now.
                dirty_pages: stats.kept_pages,
                users: stats.clients as u32,
                state: if stats.closing { "terminating" } else { "ready" }.into(),
                pages_in: stats.pages_in,
                pages_out: stats.pages_out,
                failed_pages: stats.failed_pages,
            })
            .collect();
        let pagers: BTreeMap<_, _> = self.kernel.object_ports().collect();
        for object in self.kernel.vm().object_stats() {
            let Some(port) = pagers.get(&object.object) else { continue };
            let export = self.export_behind(&exports, *port);
            infos.push(node::ObjectInfo {
                name: export.map_or_else(|| self.remote_name(*port), |e| e.stats.name.clone()),
                role: "cache".into(),
                path: String::new(),
                size: export.map_or(0, |e| e.stats.size),
                writable: export.is_some_and(|e| e.stats.writable),
                resident_pages: object.resident_pages,
                dirty_pages: object.dirty_pages,
                users: object.mappings,
                state: object.state.into(),
                pages_in: object.pages_in,
                pages_out: object.pages_out,
                failed_pages: 0,
            });
        }
        infos
    }

    /// The export that a pager's port is.
    pub(crate) fn export_behind<'a>(
        &self,
        exports: &'a [ExportInfo],
        port: kernel_core::ipc::PortId,
    ) -> Option<&'a ExportInfo> {
        let uid = self.kernel.ipc.uid(port);
        exports.iter().find(|e| e.uid.is_some() && e.uid == uid)
    }

    /// How the operator knows a memory object whose pager is not here: by its port's identity.
    pub(crate) fn remote_name(&self, port: kernel_core::ipc::PortId) -> String {
        match self.kernel.ipc.uid(port) {
            Some(uid) => format!("{:x}.{}", uid.origin.0, uid.serial),
            None => "dead".into(),
        }
    }

    fn tasks_info(&self) -> Vec<node::TaskInfo> {
        let memory: BTreeMap<_, _> = self.kernel.vm().task_stats().into_iter().map(|s| (s.task, s)).collect();
        self.processes
            .iter()
            .map(|(task, process)| {
                let attached = process.attached.as_ref();
                node::TaskInfo {
                    task: task.0,
                    pid: attached.map_or(0, |a| a.pid),
                    command: attached.map_or_else(|| "(waits for its process)".into(), |a| a.command.clone()),
                    names: self.kernel.task_space(task).map_or(0, |s| self.kernel.ipc.names_len(s)) as u32,
                    mapped_bytes: memory.get(&task).map_or(0, |m| m.mapped_bytes),
                    faults: process.faults,
                    userfaultfd: attached.map_or_else(|| "none".into(), |a| a.mode.clone()),
                }
            })
            .collect()
    }

    fn release_request(&mut self, request: Request<NamedRight>) {
        match request {
            Request::TaskPrepare(r) => self.release_rights(vec![r.bootstrap]),
            Request::Port(r) => self.release_rights(vec![r.right]),
            _ => {}
        }
    }

    pub(crate) fn release_rights(&mut self, rights: Vec<NamedRight>) {
        let mut calls = Node::calls(&mut self.kernel, &self.host.server);
        for remote in rights {
            let (local, trace, body) = (NamedRight::NULL, TraceId::default(), Body::default());
            netmsg_core::release_received(&mut calls, Message { remote, local, id: 0, seqno: 0, trace, body });
        }
    }
}

fn state_of(state: MemberState, linked: bool) -> &'static str {
    match (state, linked) {
        (MemberState::Alive, true) => "alive",
        (MemberState::Alive, false) => "connecting",
        (MemberState::Suspect, _) => "suspect",
        (MemberState::Dead, _) => "down",
        (MemberState::Left, _) => "left",
    }
}
