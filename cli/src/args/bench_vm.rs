//! `mach bench vm`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Pin;
use crate::units::Bytes;

/// `mach bench vm`.
#[derive(Args, Debug)]
pub struct BenchVm {
    /// Bytes of the memory that is sent, each measured on its own; up to 4GiB, and four times as much must be free
    #[arg(
        long = "sizes",
        alias = "size",
        value_name = "BYTES,..",
        value_delimiter = ',',
        default_value = "4KiB,64KiB,1MiB,64MiB,1GiB"
    )]
    pub sizes: Vec<Bytes>,
    /// Threads that fault at the same time, each measured on its own
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1,2,4,8,16,32,64")]
    pub threads: Vec<u32>,
    /// Faults of all threads together in a round
    #[arg(long, value_name = "N", default_value_t = 2048)]
    pub faults: u64,
    /// Rounds; all kinds take turns within one
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u32,
    /// Where the processes run
    #[arg(long, value_enum, default_value_t)]
    pub pin: Pin,
}

/// The processes of `mach bench vm`.
#[derive(Subcommand, Debug)]
#[allow(missing_docs)] // The names say it: who sends, who receives, what they are compared with, and its other end.
pub enum VmRole {
    Sender {
        #[arg(long)]
        node: PathBuf,
    },
    Receiver {
        #[arg(long)]
        node: PathBuf,
    },
    Floors {
        #[arg(long)]
        socket: PathBuf,
    },
    Sink {
        #[arg(long)]
        socket: PathBuf,
    },
}
