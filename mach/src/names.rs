//! The network name service.

use proto::NamedRight;
use proto::iface::netname::{CheckIn, CheckOut, LookUp};

use crate::error::RpcError;
use crate::right::SendRight;
use crate::task::Task;

impl Task {
    /// A send right to the port that was checked in under `name` on `host`: "" is this node, "*" any, else a node's name.
    ///
    /// Errors: `NameNotCheckedIn`; `NoSuchHost`; `HostNotFound` it did not answer.
    pub fn look_up(&self, name: &str, host: &str) -> Result<SendRight, RpcError> {
        let request = LookUp { host_name: host.to_owned(), port_name: name.to_owned() };
        let reply = self.rpc(&self.name_server(), request)?;
        Ok(SendRight::adopt(self, reply.port_id.name))
    }

    /// Checks `port` in under `name` on this node. Whoever shows the same `signature` may replace it or check it out.
    ///
    /// Errors: `NameNotYours` it is taken, with another signature.
    pub fn check_in(&self, name: &str, signature: NamedRight, port: NamedRight) -> Result<(), RpcError> {
        let request = CheckIn { port_name: name.to_owned(), signature, port_id: port };
        self.rpc(&self.name_server(), request)
    }

    /// Takes a name back.
    ///
    /// Errors: `NameNotCheckedIn`; `NameNotYours`.
    pub fn check_out(&self, name: &str, signature: NamedRight) -> Result<(), RpcError> {
        self.rpc(&self.name_server(), CheckOut { port_name: name.to_owned(), signature })
    }
}
