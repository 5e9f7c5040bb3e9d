//! The kernel's interfaces at the ports that every task has.

use proto::PortName;

use crate::iface;
use crate::task::Task;

impl Task {
    /// The routines of `mach_port` on the task's own names. [`crate::SendRight`] and its like keep account of what they hold;
    /// what is done here is the caller's to account for.
    pub fn ports(&self) -> iface::mach_port::Client<PortName> {
        iface::mach_port::Client::new(self, self.task_self())
    }

    /// The routines on the task's own memory and ports: `vm_allocate` and so on.
    pub fn vm(&self) -> iface::task::Client<PortName> {
        iface::task::Client::new(self, self.task_self())
    }

    /// What an operator asks of the node.
    pub fn node(&self) -> iface::node::Client<PortName> {
        iface::node::Client::new(self, self.host())
    }

    /// The network name service.
    pub fn names(&self) -> iface::netname::Client<PortName> {
        iface::netname::Client::new(self, self.name_server())
    }
}

/// Takes in what `mach_build::compile` wrote: one module for each package, by the last part of its name.
///
/// ```text
/// mach::services! {
///     pub mod vault;
///     mod drawer;
/// }
/// ```
#[macro_export]
macro_rules! services {
    ($($vis:vis mod $module:ident;)*) => {$(
        #[allow(missing_docs, dead_code, clippy::all)]
        $vis mod $module {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($module), ".rs"));
        }
    )*};
}
