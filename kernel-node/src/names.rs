//! The name server as a server of this node.

use std::time::Duration;

use kernel_core::Time;
use kernel_core::ipc::Right;
use kernel_core::kern::Kernel;
use netmsg_core::{NameCx, NamePorts, NameServer};
use proto::iface::netname;
use proto::{KernReturn, Message, NamedRight, NodeName, PortName, SimpleRoutine, TraceId};

use crate::host::HOST_NAME;
use crate::node::Node;
use crate::server::{Calls, Server};

/// How long a look-up waits for peers.
const PATIENCE: Duration = Duration::from_secs(2);

/// The name server.
pub struct Names {
    pub(crate) server: Server,
    names: NameServer,
    ports: NamePorts,
}

impl Names {
    /// A server without names.
    ///
    /// Errors: its ports could not be made.
    pub fn new(kernel: &mut Kernel, node: NodeName) -> Result<Names, KernReturn> {
        let server = Server::new(&mut kernel.ipc);
        let mut calls = Node::calls(kernel, &server);
        let ports = NamePorts {
            local: calls.allocate_with_send()?,
            remote: calls.allocate_with_send()?,
            peers: calls.allocate_with_send()?,
            notify: calls.allocate()?,
        };
        Ok(Names { server, names: NameServer::new(node, ports, PATIENCE), ports })
    }

    /// A send right to the port for tasks of this node.
    pub fn send_right(&self, kernel: &mut Kernel) -> Right {
        self.right(kernel, self.ports.local)
    }

    /// A send right to the port for peers.
    pub fn peers_right(&self, kernel: &mut Kernel) -> Right {
        self.right(kernel, self.ports.remote)
    }

    /// A send right to the port where netmsg announces peers.
    pub fn announce_right(&self, kernel: &mut Kernel) -> Right {
        self.right(kernel, self.ports.peers)
    }

    fn right(&self, kernel: &mut Kernel, name: PortName) -> Right {
        kernel.copy_send(self.server.space, name).expect("the name server's ports live as long as its node")
    }

    /// When a look-up has waited long enough.
    pub fn next_deadline(&self) -> Option<Time> {
        self.names.next_deadline().map(|at| Time(at.as_nanos() as u64))
    }

    /// Whether a name of this node is bound.
    pub fn is_bound(&self, name: &str) -> bool {
        self.names.bindings().any(|(bound, _)| bound == name)
    }
}

impl Node {
    fn with_names(&mut self, f: impl FnOnce(&mut NameServer, &mut NameCx<'_>)) {
        let now = Duration::from_nanos(self.now().0);
        let Names { server, names, .. } = &mut self.names;
        let mut calls = Node::calls(&mut self.kernel, server);
        f(names, &mut NameCx { space: &mut calls, now });
    }

    pub(crate) fn serve_names(&mut self) {
        while let Some(message) = Node::calls(&mut self.kernel, &self.names.server).receive() {
            self.with_names(|names, cx| names.on_message(cx, message));
        }
    }

    pub(crate) fn names_tick(&mut self, now: Time) {
        if self.names.next_deadline().is_some_and(|at| at <= now) {
            self.with_names(|names, cx| names.on_deadline(cx));
        }
    }

    /// Lets peers find the host port, where the configuration allows it.
    pub(crate) fn check_in_host(&mut self) -> Result<(), KernReturn> {
        if !self.facts.remote_admin {
            return Ok(());
        }
        let right = self.names.send_right(&mut self.kernel);
        let name_server = self.kernel.give(self.host.server.space, right)?;
        let (signature, port) = (self.host.signature, self.host.port);
        let mut calls = Node::calls(&mut self.kernel, &self.host.server);
        check_in(&mut calls, name_server, HOST_NAME, signature, port);
        Ok(())
    }
}

/// Asks the name server, without waiting for its answer, to bind a name to a port of the caller's.
pub(crate) fn check_in(calls: &mut Calls<'_>, name_server: PortName, name: &str, signature: PortName, port: PortName) {
    let (signature, port_id) = (NamedRight::copy_send(signature), NamedRight::copy_send(port));
    tell(calls, name_server, netname::CheckIn { port_name: name.to_owned(), signature, port_id });
}

/// Asks it to unbind a name.
pub(crate) fn check_out(calls: &mut Calls<'_>, name_server: PortName, name: &str, signature: PortName) {
    let signature = NamedRight::copy_send(signature);
    tell(calls, name_server, netname::CheckOut { port_name: name.to_owned(), signature });
}

fn tell<C: SimpleRoutine<NamedRight>>(calls: &mut Calls<'_>, name_server: PortName, call: C) {
    calls.send_always(Message {
        remote: NamedRight::copy_send(name_server),
        local: NamedRight::NULL,
        id: C::ID,
        seqno: 0,
        trace: TraceId::default(),
        body: call.into_body(),
    });
}
