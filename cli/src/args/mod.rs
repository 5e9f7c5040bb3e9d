//! The command line: every command, flag and environment variable, with its help.
//!
//! Precedence is flag, environment, configuration file, default. What a flag can mean on its own is checked here by its
//! type (`units`); what needs the machine is checked by the command.

mod bench;
mod bench_ipc;
mod bench_vm;
mod cluster;
mod memory;
mod node;
mod port;
mod vm;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use bench::{Bench, BenchFault, BenchPeer, BenchStream, BenchTouch, IpcRole};
pub use bench_ipc::{BenchIpc, Pin};
pub use bench_vm::{BenchVm, VmRole};
pub use cluster::{Cluster, ClusterDown, ClusterInit, ClusterUp};
pub use memory::{Demo, DemoTask, Export, Map, Object, ObjectName};
pub use node::{LogFormat, Node, NodeRun, node_name};
pub use port::{Port, PortGiven, PortLs, PortShow};
pub use vm::{Vm, VmStat, VmTask, Watch};

use crate::state::CLUSTER_DEFAULT;

const EXAMPLES: &str = "\
Try it:
  mach demo                             three nodes, a real file, faults, sharing, a crash; then it cleans up
  mach cluster up --nodes 3             three nodes that stay
  mach export big.bin --node 1          serve a file from the first
  mach map big.bin --node 2 --sha256    map it on the second and read all of it
  mach cluster down

Environment:
  MACH_DIR       state directory (default: $XDG_RUNTIME_DIR/mach, else /tmp/mach-$UID)
  MACH_CLUSTER   cluster of this machine (default: local)
  MACH_NODE      node of the cluster, by name or number
  MACH_SOCKET    a node's socket; MACH_NODE goes before it
  MACH_LOG       what to log, e.g. debug or kernel_node=trace

Exit codes:
  0 done   1 failed   2 wrong usage or configuration   3 not there   4 memory error (pager gone)
  5 this machine lacks something (see mach doctor)   130 interrupted";

/// Mach for many machines: map a memory object that another node serves, as if it were here.
#[derive(Parser, Debug)]
#[command(name = "mach", version, after_help = EXAMPLES, max_term_width = 110, propagate_version = true)]
pub struct Cli {
    /// What is common to all commands.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What is common to all commands.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no remarks and no progress, only results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// State directory of this user's nodes
    #[arg(long, global = true, value_name = "DIR", env = "MACH_DIR", hide_env = true)]
    pub state: Option<PathBuf>,
    /// Cluster of this machine
    #[arg(long, global = true, value_name = "NAME", env = "MACH_CLUSTER", hide_env = true, default_value = CLUSTER_DEFAULT)]
    pub cluster: String,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Shows the whole thing on this machine in a minute, checks every step, and cleans up
    Demo(Demo),
    /// Starts, stops and inspects nodes on this machine; makes the authority of a real cluster
    #[command(subcommand)]
    Cluster(Cluster),
    /// Runs a node, or asks one for its metrics
    #[command(subcommand)]
    Node(Box<Node>),
    /// Serves a file as a memory object that every node of the cluster can map
    Export(Export),
    /// Lists, describes and withdraws memory objects
    #[command(subcommand)]
    Object(Object),
    /// Maps a memory object and reads, writes or hashes it, or runs a program that does
    Map(Box<Map>),
    /// Lists the ports of a node and the names of a task; shows one port
    #[command(subcommand)]
    Port(Port),
    /// Shows what a task has mapped and what nodes count of their memory
    #[command(subcommand)]
    Vm(Vm),
    /// Lists the tasks of a node
    #[command(subcommand)]
    Task(Task),
    /// Measures faults and streams beside what they are made of
    #[command(subcommand)]
    Bench(Bench),
    /// Checks this machine, and says for each shortfall the line that cures it
    Doctor,
    /// One task process of the demo
    #[command(hide = true)]
    DemoTask(DemoTask),
}

/// `mach task`.
#[derive(Subcommand, Debug)]
pub enum Task {
    /// Lists tasks: process, memory, faults
    Ls(Target),
}

/// Which node of this machine a command is for.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// Node of the local cluster: a name, or 2 for n2 [env: MACH_NODE] [default: the first that runs]
    #[arg(long, value_name = "N")]
    pub node: Option<String>,
    /// A node's socket, instead of --node [env: MACH_SOCKET]
    #[arg(long, value_name = "PATH", conflicts_with = "node")]
    pub socket: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::units::{Patch, Range, Source, Touch};

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::try_parse_from(line.split_whitespace()).map_err(|e| e.to_string())
    }

    fn map(line: &str) -> Map {
        match parse(line).unwrap().command {
            Command::Map(map) => *map,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_issue_parses() {
        for line in [
            "mach demo",
            "mach demo --size 256MiB --keep",
            "mach cluster up --nodes 3",
            "mach cluster down",
            "mach cluster status --json",
            "mach cluster init --dir /tmp/x --node a --node b",
            "mach node run --join 10.0.0.1:7411 --token-file /tmp/t",
            "mach node run --config n.toml --cert c --key k --ca a",
            "mach node metrics --node 2",
            "mach export big.bin --name data --writable --node 1",
            "mach object ls --json",
            "mach object show data",
            "mach object rm data --node n1",
            "mach port ls --node 1",
            "mach port ls --task 3 --json",
            "mach port show 19a2b3c:17",
            "mach port show 0x1002 --task 3 --node 1",
            "mach task ls --json",
            "mach vm regions 3 --node 1 --json",
            "mach vm map 3 --watch",
            "mach vm stat --watch 0.5",
            "mach doctor",
            "mach bench fault --touches 100 --rounds 3",
            "mach bench stream --size 1GiB",
            "mach bench touch --object data --node 2",
            "mach bench vm --sizes 4KiB,4GiB --threads 1,64 --pin cross",
        ] {
            parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn map_takes_one_action() {
        assert_eq!(map("mach map data --read 1MiB+4KiB").read, Some(Range { offset: 1 << 20, len: 4096 }));
        assert_eq!(map("mach map data --hexdump 0+16").hexdump, Some(Range { offset: 0, len: 16 }));
        assert_eq!(map("mach map data --touch random:100").touch, Some(Touch::Random { count: 100, seed: None }));
        let patch = Patch { offset: 0, source: Source::Given(b"hi".to_vec()) };
        assert_eq!(map("mach map data --write 0:hi").write, [patch]);
        assert!(map("mach map data --node 2 --sha256").sha256);
        assert_eq!(map("mach map data -- ls -l --json").command, ["ls", "-l", "--json"]);
        for line in [
            "mach map data --read 0+1 --sha256",
            "mach map data --sha256 -- ls",
            "mach map data --touch seq --write 0:a",
        ] {
            assert!(parse(line).unwrap_err().contains("cannot be used with"), "{line}");
        }
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        let text = parse("mach map data --read 4096").unwrap_err();
        assert!(text.contains("`4096` is not OFFSET+LENGTH: write 4096+512 or 1MiB+4KiB"), "{text}");
        let text = parse("mach node run --dead-after 3").unwrap_err();
        assert!(text.contains("`3` is not a time: write 500ms, 3s or 2m"), "{text}");
        assert!(parse("mach cluster up --nodes 0").is_err());
        assert!(parse("mach export").unwrap_err().contains("<FILE>"));
    }

    #[test]
    fn a_node_and_a_socket_exclude_each_other() {
        assert!(parse("mach task ls --node 1 --socket /x").unwrap_err().contains("cannot be used with"));
    }
}
