//! `mach export`, `mach object`, `mach map` and `mach demo`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::Target;
use crate::units::{Bytes, Patch, Range, Touch};

/// `mach export`.
#[derive(Args, Debug)]
pub struct Export {
    /// File on the node's machine
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name under which others find it [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// Let mappers write; written pages go back to the file
    #[arg(long)]
    pub writable: bool,
    /// The node that serves it.
    #[command(flatten)]
    pub target: Target,
}

/// `mach object`.
#[derive(Subcommand, Debug)]
pub enum Object {
    /// Lists the objects that a node serves or caches; without --node, of all nodes here
    Ls(Target),
    /// Tells everything about one object
    Show(ObjectName),
    /// Withdraws an exported object: whoever maps it gets memory errors for pages he lacks
    Rm(ObjectName),
}

/// An object of a node.
#[derive(Args, Debug)]
pub struct ObjectName {
    /// Name of the object
    pub name: String,
    /// The node that is asked; without it, all nodes here.
    #[command(flatten)]
    pub target: Target,
}

/// `mach map`.
#[derive(Args, Debug, Default)]
#[command(
    group = ArgGroup::new("action").args(["read", "hexdump", "write", "sha256", "touch", "command"]),
    after_help = "\
Offsets and lengths: 4096, 0x1000, 4KiB, 256M. Examples:
  mach map data --hexdump 0x1000+64
  mach map data --write '4096:hello\\n'      also OFF:hex:cafe and OFF:@FILE
  mach map data --touch random:1000         fault latency of 1000 random pages
  mach map data -- ./my-program             my-program attaches, and maps its bootstrap port
Without an action: maps it, reads one page and says how long that took."
)]
pub struct Map {
    /// Name of the object
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The node to map it on.
    #[command(flatten)]
    pub target: Target,
    /// The node that serves it; any by default
    #[arg(long, value_name = "NODE", default_value = "*")]
    pub from: String,
    /// Write a part of it, as it is, to standard output
    #[arg(long, value_name = "OFF+LEN")]
    pub read: Option<Range>,
    /// Print a part of it as hexadecimal and text
    #[arg(long, value_name = "OFF+LEN")]
    pub hexdump: Option<Range>,
    /// Write bytes into it, and wait until they are in the file; may be repeated
    #[arg(long, value_name = "OFF:BYTES")]
    pub write: Vec<Patch>,
    /// Read all of it and print its SHA-256
    #[arg(long)]
    pub sha256: bool,
    /// Read pages in order (seq) or at random (random:COUNT[:SEED]) and print the latencies
    #[arg(long, value_name = "ORDER")]
    pub touch: Option<Touch>,
    /// Program to start as a task whose bootstrap port is the object
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `mach demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Least size of the file
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = demo_size)]
    pub size: Bytes,
    /// Leave the folder with logs and certificates, and say where it is
    #[arg(long)]
    pub keep: bool,
    /// Random reads
    #[arg(long, value_name = "COUNT", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub reads: u64,
    /// Fixes the choice of pages
    #[arg(long)]
    pub seed: Option<u64>,
}

/// `mach demo-task`: reads orders from standard input and answers on standard output, one JSON document to a line.
#[derive(Args, Debug)]
pub struct DemoTask {
    /// The node's socket
    #[arg(long)]
    pub socket: PathBuf,
}

/// At least 16 MiB: a reader of less would be done before the demo can interrupt it.
fn demo_size(text: &str) -> Result<Bytes, String> {
    match text.parse::<Bytes>()? {
        small if small < Bytes(16 << 20) => Err(format!("{small} is too little for the demo: 16MiB at least")),
        size => Ok(size),
    }
}
