//! The commands, one file to a noun.

pub mod bench;
pub mod cluster;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod lists;
pub mod map;
pub mod node;
pub mod object;
pub mod port;
pub mod vm;

use crate::args::{Common, Target};
use crate::client::Place;
use crate::failure::{Exit, Failure, Result};
use crate::out::Out;
use crate::process::Process;
use crate::progress::{Progress, Unit};
use crate::state::{ClusterDir, StateDir};

/// What every command is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// How to speak.
    pub out: Out,
    /// The cluster of this machine that is meant.
    pub cluster: ClusterDir,
    /// The state directory.
    pub state: StateDir,
}

impl Context {
    /// From the flags that all commands share.
    pub fn new(common: &Common) -> Result<Context> {
        let state = StateDir::locate(common.state.clone());
        let cluster = state.cluster(&common.cluster)?;
        Ok(Context { out: Out::new(common.json, common.quiet), cluster, state })
    }

    /// The one node that a command is for: the flags, else `MACH_NODE`, else `MACH_SOCKET`, else the first
    /// that runs.
    pub fn place(&self, target: &Target) -> Result<Place> {
        if let Some(place) = self.named_place(target)? {
            return Ok(place);
        }
        self.cluster.pick(None)?;
        let running = self.cluster.nodes()?.into_iter().find(|n| Process::of_node(n).is_some());
        let none = || {
            Failure::new(Exit::NotFound, format!("no node of cluster `{}` runs on this machine", self.cluster.name()))
                .because(format!("{} holds only what nodes that ended left", self.cluster.path().display()))
                .cure("mach cluster down, then mach cluster up")
        };
        Ok(Place::of(&running.ok_or_else(none)?))
    }

    /// The nodes that a list is about: the one that is named, else all that this machine has.
    pub fn places(&self, target: &Target) -> Result<Vec<Place>> {
        if let Some(place) = self.named_place(target)? {
            return Ok(vec![place]);
        }
        self.cluster.pick(None)?;
        Ok(self.cluster.nodes()?.iter().map(Place::of).collect())
    }

    /// Shows how far some work has come.
    pub fn progress(&self, label: &str, unit: Unit, total: u64) -> Progress {
        Progress::start(self.out, label, unit, total)
    }

    fn named_place(&self, target: &Target) -> Result<Option<Place>> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        if let Some(node) = &target.node {
            return Ok(Some(Place::of(&self.cluster.pick(Some(node))?)));
        }
        if let Some(socket) = &target.socket {
            return Ok(Some(Place::at(socket.clone())));
        }
        if let Some(node) = set("MACH_NODE") {
            return Ok(Some(Place::of(&self.cluster.pick(Some(&node.to_string_lossy()))?)));
        }
        Ok(set("MACH_SOCKET").map(|socket| Place::at(socket.into())))
    }
}
