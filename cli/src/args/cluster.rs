//! `mach cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::NodeName;

use super::node::node_name;
use crate::units::{Bytes, Span};

/// `mach cluster`.
#[derive(Subcommand, Debug)]
pub enum Cluster {
    /// Starts nodes n1, n2, … as processes of this machine, on loopback, with a fresh authority
    Up(ClusterUp),
    /// Stops the nodes of this machine in order, and removes what `mach cluster up` made
    Down(ClusterDown),
    /// Lists the nodes of this machine: process, address, peers, memory
    Status,
    /// Makes the authority of a cluster of real machines, and what its nodes need to join
    Init(ClusterInit),
}

/// `mach cluster up`.
#[derive(Args, Debug)]
pub struct ClusterUp {
    /// How many nodes
    #[arg(long, short = 'n', value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub nodes: u32,
    /// How long to wait until all see each other
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pub timeout: Span,
    /// What the nodes log, e.g. debug or kernel_node=trace
    #[arg(long, value_name = "FILTER", env = "MACH_LOG")]
    pub log: Option<String>,
    /// Memory of each node for objects and anonymous memory before pages have to leave, e.g. 8GiB; 0 is no limit [default: 0]
    #[arg(long, value_name = "BYTES", env = "MACH_MEMORY_LIMIT")]
    pub memory_limit: Option<Bytes>,
    /// Memory that one task of a node may have mapped before its pages are the first to leave; 0 is no limit [default: 0]
    #[arg(long, value_name = "BYTES", env = "MACH_TASK_MEMORY_LIMIT")]
    pub task_memory_limit: Option<Bytes>,
    /// Largest size of each node's file for anonymous memory that has left [default: 4 times the memory limit]
    #[arg(long, value_name = "BYTES", env = "MACH_SWAP_LIMIT")]
    pub swap_limit: Option<Bytes>,
}

/// `mach cluster down`.
#[derive(Args, Debug)]
pub struct ClusterDown {
    /// How long a node may take to flush and end before it is killed
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: Span,
    /// Stop also a node that cannot write pages to their files; they are lost
    #[arg(long)]
    pub force: bool,
    /// Leave the folders, with the logs, where they are
    #[arg(long)]
    pub keep: bool,
}

/// `mach cluster init`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example, three machines:
  machine a$ mach cluster init --node a
  machine a$ mach node run --name a --listen 0.0.0.0:7411 --authority DIR/authority 
  machine b$ mach node run --name b --dir /var/lib/mach/b --join A_ADDRESS:7411 --token-file FILE
With certificates made here instead of a token:
  machine a$ mach cluster init --node a --node b
  copy DIR/b/ to machine b, then there: mach node run --config b/node.toml --join A_ADDRESS:7411")]
pub struct ClusterInit {
    /// Folder for the authority and the certificates
    #[arg(long, value_name = "DIR", default_value = "mach-cluster")]
    pub dir: PathBuf,
    /// A node to make a key and a certificate for; may be repeated
    #[arg(long = "node", value_name = "NAME", value_parser = node_name)]
    pub nodes: Vec<NodeName>,
}
