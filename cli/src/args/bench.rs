//! `mach bench`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::{BenchIpc, BenchVm, Target, VmRole};
use crate::units::Bytes;

/// `mach bench`.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// Remote faults, beside the bare QUIC round trip and the bare local fault that they are made of
    Fault(BenchFault),
    /// Sequential reading of a remote object, beside the bare QUIC stream
    Stream(BenchStream),
    /// Calls between two tasks of one node, beside the bare floors and beside other systems
    Ipc(BenchIpc),
    /// Memory in messages beside memcpy, a socket and fork(), and faults served beside a bare userfaultfd loop
    Vm(BenchVm),
    /// Random and sequential reading of a mapped object or of any file, for comparing systems
    Touch(BenchTouch),
    /// The other process of a measurement
    #[command(hide = true, subcommand)]
    Peer(BenchPeer),
}

/// `mach bench fault`.
#[derive(Args, Debug)]
pub struct BenchFault {
    /// Faults of each kind in a round
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub touches: u64,
    /// Rounds; the kinds take turns within one
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u64,
    /// Keep CPUs out of idle states meanwhile (/dev/cpu_dma_latency), so that no kind pays for waking one
    #[arg(long)]
    pub awake: bool,
}

/// `mach bench stream`.
#[derive(Args, Debug)]
pub struct BenchStream {
    /// Bytes of the object
    #[arg(long, value_name = "BYTES", default_value = "512MiB")]
    pub size: Bytes,
    /// Rounds; the kinds take turns within one
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: u64,
}

/// `mach bench touch`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["object", "file"]))]
pub struct BenchTouch {
    /// An exported object
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,
    /// A file, mapped with mmap(2)
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
    /// Random pages to read
    #[arg(long, value_name = "N", default_value_t = 5000)]
    pub touches: u64,
    /// SHA-256 that the bytes must have
    #[arg(long, value_name = "HEX")]
    pub expect: Option<String>,
    /// The node that maps the object.
    #[command(flatten)]
    pub target: Target,
}

/// The processes that a measurement needs besides itself.
#[derive(Subcommand, Debug)]
pub enum BenchPeer {
    /// Answers raw QUIC requests with the certificate of a folder
    Raw {
        /// Where the certificate is
        #[arg(long)]
        identity: PathBuf,
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Answers the faults of whoever connects, with pages that are there
    Uffd {
        /// Where it listens
        #[arg(long)]
        socket: PathBuf,
        /// Bytes that one answer maps, aligned to as many
        #[arg(long)]
        around: u64,
    },
    /// One process of `mach bench ipc`
    #[command(subcommand)]
    Ipc(IpcRole),
    /// One process of `mach bench vm`
    #[command(subcommand)]
    Vm(VmRole),
}

/// The processes of `mach bench ipc`. Each says when it is ready; those that call do what standard input says.
#[derive(Subcommand, Debug)]
#[allow(missing_docs)] // The names say it: who answers, who stands between, who calls.
pub enum IpcRole {
    MachServe {
        #[arg(long)]
        node: PathBuf,
    },
    MachCall {
        #[arg(long)]
        node: PathBuf,
    },
    RelayServe {
        #[arg(long)]
        socket: PathBuf,
    },
    Relay {
        #[arg(long)]
        socket: PathBuf,
        #[arg(long)]
        server: PathBuf,
    },
    RelayCall {
        #[arg(long)]
        socket: PathBuf,
    },
    FutexServe {
        #[arg(long)]
        socket: PathBuf,
    },
    FutexCall {
        #[arg(long)]
        socket: PathBuf,
    },
    EventfdServe {
        #[arg(long)]
        socket: PathBuf,
    },
    EventfdCall {
        #[arg(long)]
        socket: PathBuf,
    },
}
