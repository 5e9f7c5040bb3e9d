//! What a node is told at its start. Reading files, the environment and flags into it is the command line's work.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use proto::NodeName;

/// A node's configuration; everything in it is checked when the node starts.
pub struct NodeConfig {
    /// The node's name, which its certificate must carry.
    pub name: NodeName,
    /// Where the links are listened for.
    pub listen: netmsg::Listen,
    /// Address to tell others, where it is not the one that is bound (behind NAT, or `0.0.0.0`).
    pub advertise: Option<SocketAddr>,
    /// The Unix socket where tasks attach; created with mode 0600, or 0666 with `task_uid` (the peer is checked).
    pub socket: PathBuf,
    /// Nodes to make links to at the start.
    pub seeds: Vec<SocketAddr>,
    /// Certificate, key and authority.
    pub identity: netmsg::Identity,
    /// The authority's key, on a node that admits others by token.
    pub authority: Option<netmsg::Authority>,
    /// Silence after which a peer is declared dead.
    pub dead_after: Duration,
    /// How long a page, an unlock or a durable write may take before the thread gets a memory error.
    pub fault_deadline: Duration,
    /// TCP address of the Prometheus endpoint.
    pub metrics: Option<SocketAddr>,
    /// Whether other nodes may look up this node's host port, and so export files and stop it.
    pub remote_admin: bool,
    /// Keep this machine's CPUs out of idle states while threads wait for pages of other nodes, or fault on one page after the other,
    /// and shortly after.
    pub low_latency: bool,
    /// Give threads that call each other often shared memory for their messages.
    pub fast_path: bool,
    /// The largest UDP payload that path discovery tries.
    pub mtu_max: u16,
    /// Task processes with this uid may attach besides the node's own and root's.
    pub task_uid: Option<u32>,
    /// Memory that objects and anonymous memory may take before something has to leave; 0 is no limit. Units: bytes.
    pub memory_limit: u64,
    /// Memory that one task may have mapped before its pages are the first to leave; 0 is no limit. Units: bytes.
    pub task_memory_limit: u64,
    /// The folder for the file of anonymous memory that has left.
    pub swap_dir: PathBuf,
    /// How large that file may become; 0 leaves anonymous memory where it is. Units: bytes.
    pub swap_limit: u64,
}

impl NodeConfig {
    /// `dead_after` where nothing else is said.
    pub const DEAD_AFTER: Duration = Duration::from_secs(3);
    /// `fault_deadline` where nothing else is said.
    pub const FAULT_DEADLINE: Duration = Duration::from_secs(10);
    /// The least `memory_limit` that is one.
    pub const MEMORY_LIMIT_MIN: u64 = 1 << 20;
    /// `swap_limit` where nothing else is said: so many times `memory_limit`.
    pub const SWAP_TIMES: u64 = 4;
    /// `mtu_max` where nothing else is said: a 4 KiB page in one packet where the path allows it.
    pub const MTU_MAX: u16 = 8952;
}
