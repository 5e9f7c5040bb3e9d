//! `mach node`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proto::NodeName;
use serde::Deserialize;

use super::Target;
use crate::units::{Bytes, Span};

/// `mach node`.
#[derive(Subcommand, Debug)]
pub enum Node {
    /// Runs a node in the foreground until SIGTERM, SIGINT or `mach cluster down`
    Run(Box<NodeRun>),
    /// Prints a node's counters and histograms in the Prometheus text format
    Metrics(Target),
}

/// `mach node run`. Each value is looked for in the flags, the environment, the file of --config, and the defaults.
#[derive(Args, Debug, Default)]
#[command(after_help = "\
The file of --config is TOML with the same names, for example:
  name = \"a\"
  listen = \"0.0.0.0:7411\"
  join = [\"10.0.0.1:7411\"]
  token-file = \"join-token\"       # or: ca = \"ca.pem\"  cert = \"cert.pem\"  key = \"key.pem\"
  dead-after = \"3s\"
Paths in it are relative to the file. An unknown name is refused.")]
pub struct NodeRun {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "MACH_CONFIG")]
    pub config: Option<PathBuf>,
    /// Name of this node, as in its certificate [default: the host's name]
    #[arg(long, env = "MACH_NODE_NAME", value_parser = node_name)]
    pub name: Option<NodeName>,
    /// UDP address of the links to other nodes [default: 0.0.0.0:7411]
    #[arg(long, value_name = "ADDR", env = "MACH_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Address to tell other nodes, where it is not the one bound
    #[arg(long, value_name = "ADDR", env = "MACH_ADVERTISE")]
    pub advertise: Option<SocketAddr>,
    /// Unix socket where tasks attach [default: mach.sock in the node's folder]
    #[arg(long, value_name = "PATH", env = "MACH_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Folder of this node: certificate, socket, pid; a lasting one if it joins by token [default: STATE/CLUSTER/NAME]
    #[arg(long, value_name = "DIR", env = "MACH_NODE_DIR")]
    pub dir: Option<PathBuf>,
    /// Nodes to link to at the start, as HOST:PORT; may be repeated or separated by commas
    #[arg(long, value_name = "ADDR", env = "MACH_JOIN", value_delimiter = ',')]
    pub join: Vec<String>,
    /// Join token that `mach cluster init` printed; --token-file keeps it out of the process list
    #[arg(long, env = "MACH_JOIN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File that holds the join token
    #[arg(long, value_name = "FILE", env = "MACH_JOIN_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate of the cluster's authority (PEM)
    #[arg(long, value_name = "FILE", env = "MACH_CA")]
    pub ca: Option<PathBuf>,
    /// Certificate of this node (PEM)
    #[arg(long, value_name = "FILE", env = "MACH_CERT")]
    pub cert: Option<PathBuf>,
    /// Private key of this node (PEM)
    #[arg(long, value_name = "FILE", env = "MACH_KEY")]
    pub key: Option<PathBuf>,
    /// Folder of the authority; a node that has it admits others by token
    #[arg(long, value_name = "DIR", env = "MACH_AUTHORITY")]
    pub authority: Option<PathBuf>,
    /// Time within which a silent node is declared dead; a link is given up after half of it in silence [default: 3s]
    #[arg(long, value_name = "TIME", env = "MACH_DEAD_AFTER")]
    pub dead_after: Option<Span>,
    /// Longest wait for a page before the thread gets a memory error [default: 10s]
    #[arg(long, value_name = "TIME", env = "MACH_FAULT_DEADLINE")]
    pub fault_deadline: Option<Span>,
    /// TCP address of a Prometheus endpoint [default: none]
    #[arg(long, value_name = "ADDR", env = "MACH_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// Let other nodes administer this one: export its files, stop it
    #[arg(long, env = "MACH_REMOTE_ADMIN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub remote_admin: Option<bool>,
    /// Keep CPUs awake while threads wait for pages of other nodes or fault on many pages, where permitted: faster faults, more
    /// power [default: true]
    #[arg(long, env = "MACH_LOW_LATENCY", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub low_latency: Option<bool>,
    /// Give threads that call each other often shared memory for their messages [default: true]
    #[arg(long, env = "MACH_FAST_PATH", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub fast_path: Option<bool>,
    /// Largest UDP payload to try [default: 8952]
    #[arg(long, value_name = "BYTES", env = "MACH_MTU_MAX", value_parser = clap::value_parser!(u16).range(1200..))]
    pub mtu_max: Option<u16>,
    /// Another uid whose processes may attach as tasks
    #[arg(long, value_name = "UID", env = "MACH_TASK_UID")]
    pub task_uid: Option<u32>,
    /// Memory for objects and anonymous memory before pages have to leave, e.g. 8GiB; 0 is no limit [default: 0]
    #[arg(long, value_name = "BYTES", env = "MACH_MEMORY_LIMIT")]
    pub memory_limit: Option<Bytes>,
    /// Memory that one task may have mapped before its pages are the first to leave; 0 is no limit [default: 0]
    #[arg(long, value_name = "BYTES", env = "MACH_TASK_MEMORY_LIMIT")]
    pub task_memory_limit: Option<Bytes>,
    /// Folder of the file for anonymous memory that has left [default: the node's folder]
    #[arg(long, value_name = "DIR", env = "MACH_SWAP_DIR")]
    pub swap_dir: Option<PathBuf>,
    /// Largest size of that file; 0 leaves anonymous memory where it is [default: 4 times the memory limit]
    #[arg(long, value_name = "BYTES", env = "MACH_SWAP_LIMIT")]
    pub swap_limit: Option<Bytes>,
    /// What to log, e.g. info, debug or kernel_node=trace [default: info]
    #[arg(long, value_name = "FILTER", env = "MACH_LOG")]
    pub log: Option<String>,
    /// How to log [default: text]
    #[arg(long, value_name = "FORMAT", env = "MACH_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Print the configuration that results, and where each value comes from, and end
    #[arg(long)]
    pub print_config: bool,
    /// Standard input is the UDP socket of the links, bound to the address of --listen by whoever starts the node
    #[arg(long, hide = true)]
    pub listen_on_stdin: bool,
    /// Start a session of its own, so that the terminal's end does not end the node
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// The form of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object to a line.
    Json,
}

/// Parses a node's name.
pub fn node_name(text: &str) -> Result<NodeName, String> {
    NodeName::new(text).ok_or_else(|| {
        format!("`{text}` cannot be a node's name: 1 to 63 of the characters a-z 0-9 -, with no - at either end")
    })
}
