//! The network name service.

use proto::iface::netname::{CheckIn, CheckOut, LookUp};
use proto::limits::NETNAME_MAX;
use proto::{KernReturn, NamedRight, SimpleRoutine};

use crate::error::RpcError;
use crate::right::SendRight;
use crate::task::Task;

impl Task {
    /// A send right to the port that was checked in under `name` on `host`: "" is this node, "*" any, else a node's name.
    ///
    /// Errors: `NameNotCheckedIn`; `NoSuchHost`; `HostNotFound` it did not answer; `InvalidArgument` as in `check_in`.
    pub fn look_up(&self, name: &str, host: &str) -> Result<SendRight, RpcError> {
        fits::<LookUp>(&[name, host])?;
        let request = LookUp { host_name: host.to_owned(), port_name: name.to_owned() };
        let reply = self.rpc(&self.name_server(), request)?;
        Ok(SendRight::adopt(self, reply.port_id.name))
    }

    /// Checks `port` in under `name` on this node. Whoever shows the same `signature` may replace it or check it out.
    ///
    /// Errors: `NameNotYours` it is taken, with another signature; `InvalidArgument` it is empty, longer than
    /// [`NETNAME_MAX`] bytes or has a zero in it, which the field of a message cannot hold.
    pub fn check_in(&self, name: &str, signature: NamedRight, port: NamedRight) -> Result<(), RpcError> {
        fits::<CheckIn<NamedRight>>(&[name])?;
        let request = CheckIn { port_name: name.to_owned(), signature, port_id: port };
        self.rpc(&self.name_server(), request)
    }

    /// Takes a name back.
    ///
    /// Errors: `NameNotCheckedIn`; `NameNotYours`.
    pub fn check_out(&self, name: &str, signature: NamedRight) -> Result<(), RpcError> {
        fits::<CheckOut<NamedRight>>(&[name])?;
        self.rpc(&self.name_server(), CheckOut { port_name: name.to_owned(), signature })
    }
}

/// Whether names go whole into the fields of a request; what is cut would be another name.
fn fits<Q: SimpleRoutine<NamedRight>>(names: &[&str]) -> Result<(), RpcError> {
    match names.iter().all(|name| name.len() <= NETNAME_MAX && !name.contains('\0')) {
        true => Ok(()),
        false => Err(RpcError::Kern { routine: Q::NAME, code: KernReturn::InvalidArgument }),
    }
}
