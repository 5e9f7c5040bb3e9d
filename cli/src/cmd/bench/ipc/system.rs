//! The systems that are compared: the processes of each, and the CPUs that they may use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mach_bench::{Figures, Load, What};
use serde::Serialize;

use super::cases::Case;
use crate::args::Pin;
use crate::cmd::bench::pin;
use crate::cmd::bench::stage::Nodes;
use crate::cmd::bench::worker::Worker;
use crate::failure::Result;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Ours: two tasks and their node.
    Mach,
    /// The floor of a mediated message.
    Relay,
    /// The floor of a direct one.
    Futex,
    /// The same through a descriptor.
    Eventfd,
    /// Of others.
    CapnpRpc,
    /// Of others.
    Tonic,
    /// Of others.
    IpcChannel,
}

impl System {
    /// All, in the order in which they take turns.
    pub const ALL: [System; 7] = [
        System::Mach,
        System::Relay,
        System::Futex,
        System::Eventfd,
        System::CapnpRpc,
        System::Tonic,
        System::IpcChannel,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            System::Mach => "mach",
            System::Relay => "relay",
            System::Futex => "futex",
            System::Eventfd => "eventfd",
            System::CapnpRpc => "capnp-rpc",
            System::Tonic => "tonic",
            System::IpcChannel => "ipc-channel",
        }
    }

    /// Whether it is in the peers' program.
    pub fn is_peer(self) -> bool {
        matches!(self, System::CapnpRpc | System::Tonic | System::IpcChannel)
    }

    /// Whether it can do what a case wants.
    pub fn can(self, case: &Case) -> bool {
        match self {
            System::Mach => true,
            System::Relay => case.rights == 0,
            System::Futex | System::Eventfd => case.rights == 0 && case.size == 0 && case.what == What::Rpc,
            System::CapnpRpc | System::Tonic | System::IpcChannel => case.rights == 0 && case.what == What::Rpc,
        }
    }
}

/// Where systems are started.
pub struct Place<'a> {
    /// One node, and the folder for sockets.
    pub nodes: &'a Nodes,
    /// The program of the others.
    pub peers: Option<&'a Path>,
    /// Where the processes run.
    pub pin: Pin,
}

/// A system whose processes run.
pub struct Running {
    caller: Worker,
    // Kept so that they live as long.
    _others: Vec<Worker>,
}

impl Running {
    /// Starts its processes, the one that calls last, and pins them.
    pub fn start(system: System, place: &Place<'_>) -> Result<Running> {
        let socket = |end: &str| place.nodes.folder().join(format!("{}-{end}", system.name()));
        let (server, relay) = (socket("server"), socket("relay"));
        let node = place.nodes.socket(0);
        let start = |program: &str, role: &str, options: &[(&str, &PathBuf)]| {
            let mut command = match place.peers.filter(|_| system.is_peer()) {
                Some(peers) => Command::new(peers),
                None => Command::new(crate::process::current_exe()?),
            };
            if !system.is_peer() {
                command.args(["bench", "peer", "ipc"]);
            }
            command.arg(program).args(options.iter().flat_map(|(name, path)| [name.as_ref(), path.as_os_str()]));
            Worker::start(place.nodes.guard(), command, format!("{} ({role})", system.name()))
        };
        let (others, between, caller) = match system {
            System::Mach => {
                let serve = start("mach-serve", "server", &[("--node", &node)])?;
                let call = start("mach-call", "client", &[("--node", &node)])?;
                (vec![serve], Some(place.nodes.pid(0)), call)
            }
            System::Relay => {
                let serve = start("relay-serve", "server", &[("--socket", &server)])?;
                let between = start("relay", "relay", &[("--socket", &relay), ("--server", &server)])?;
                let call = start("relay-call", "client", &[("--socket", &relay)])?;
                let pid = between.pid();
                (vec![serve, between], Some(pid), call)
            }
            _ => {
                let program = |role: &str| format!("{}-{role}", system.name());
                let serve = start(&program("serve"), "server", &[("--socket", &server)])?;
                let call = start(&program("call"), "client", &[("--socket", &server)])?;
                (vec![serve], None, call)
            }
        };
        pin::bind(place.pin, caller.pid(), others[0].pid(), between.as_slice())?;
        Ok(Running { caller, _others: others })
    }

    /// Measures one case for a while.
    pub fn measure(&mut self, load: &Load) -> Result<Figures> {
        self.caller.measure(load, Duration::from_millis(2 * load.within_ms))
    }
}
