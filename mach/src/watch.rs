//! A descriptor that tells that messages wait.

use proto::wire::trap::{Poll, call};
use proto::{KernReturn, PortName};
use sys::Watch;

use crate::error::{RpcError, TrapError};
use crate::right::{PortSet, ReceiveRight};
use crate::task::Task;

/// What the trap is called where its errors are told.
const ROUTINE: &str = "mach_port_poll";

impl PortSet {
    /// A descriptor for poll(2), epoll(7) or a runtime: readable while a message of any member waits. It is not to be read
    /// from: receive with no timeout until nothing waits any more.
    ///
    /// When the set is destroyed, or the node ends, it is readable for ever ([`Watch::has_ended`]), and a receive tells why.
    /// Errors: `ResourceShortage` the task polls too many ports and sets.
    pub fn watch(&self) -> Result<Watch, RpcError> {
        self.task().watch(self.name())
    }
}

impl ReceiveRight {
    /// As [`PortSet::watch`], for one port. It ends, too, when the port becomes a member of a set.
    ///
    /// Errors: `AlreadyInSet` the port is a member of a set, which is to be watched instead; `ResourceShortage`.
    pub fn watch(&self) -> Result<Watch, RpcError> {
        self.task().watch(self.name())
    }
}

impl Task {
    /// The descriptor of a receive right or a set.
    pub(crate) fn watch(&self, name: PortName) -> Result<Watch, RpcError> {
        let failed = |source: TrapError| RpcError::Msg { routine: ROUTINE, source: source.into() };
        let reply = self.trap(call::Op::Poll(Poll { name: name.0 }), &[]).map_err(failed)?;
        match (reply.answer.result, KernReturn::from_raw(reply.answer.result), reply.fds.into_iter().next()) {
            (0, _, Some(fd)) => Ok(Watch::adopt(fd)),
            (0, _, None) => Err(failed(TrapError::Protocol("no descriptor"))),
            (_, Some(code), _) => Err(RpcError::Kern { routine: ROUTINE, code }),
            (code, None, _) => Err(RpcError::Other { routine: ROUTINE, code }),
        }
    }
}
