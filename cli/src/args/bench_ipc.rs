//! `mach bench ipc`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::units::Bytes;

/// `mach bench ipc`.
#[derive(Args, Debug)]
pub struct BenchIpc {
    /// Bytes of a request, each measured with one client; 0 is the null call
    #[arg(long = "size", value_name = "BYTES,..", value_delimiter = ',', default_value = "0,64,4KiB,64KiB,1MiB")]
    pub sizes: Vec<Bytes>,
    /// Clients at the same time, each measured with null calls
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "8,64")]
    pub clients: Vec<u32>,
    /// Send rights in a request, which the receiver gives up before it answers; ports only
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1,16,256")]
    pub rights: Vec<u32>,
    /// Where the processes run
    #[arg(long, value_enum, default_value_t)]
    pub pin: Pin,
    /// Keep CPUs out of idle states meanwhile (/dev/cpu_dma_latency), so that no kind pays for waking one
    #[arg(long)]
    pub awake: bool,
    /// Rounds; all kinds take turns within one
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u32,
    /// Time to measure in all, start and warm-up not counted
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    pub seconds: u64,
    /// The program with the systems of others [default: mach-bench-peers beside this program, if it is there]
    #[arg(long, value_name = "PATH")]
    pub peers: Option<PathBuf>,
}

/// Which CPUs the processes of a measurement may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pin {
    /// Whatever the scheduler chooses
    #[default]
    Free,
    /// All on one CPU
    Same,
    /// Whoever stands between on one, client and server on another; without anybody between, client and server apart
    Cross,
}

impl Pin {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Pin::Free => "not pinned",
            Pin::Same => "all pinned to one CPU",
            Pin::Cross => "pinned so that every hop crosses CPUs",
        }
    }
}
