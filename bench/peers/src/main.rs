//! `mach-bench-peers`: what others would take for calls between two processes, measured by the loop that measures ours.
//!
//! `mach bench ipc` starts it, once for each end of each system: `mach-bench-peers capnp-rpc-serve --socket PATH`, and so
//! on. Every server runs as its library's own example does, on one thread where that is the library's way and on a thread
//! a connection where calls block; every client is one thread with a connection of its own.

mod capnp_rpc;
mod ipc_channel;
mod tonic;

/// The interface of `schema/echo.proto`.
#[allow(missing_docs)]
mod echo;
/// The interface of `schema/echo.capnp`.
#[allow(missing_docs, dead_code, clippy::all)]
mod echo_capnp;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mach_bench::{Caller, Crew, Error, Load, Told, checksum, noise};

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let ended = match &args[..] {
        [role, flag, path] if flag == "--socket" => run(role, Path::new(path)),
        _ => Err("usage: mach-bench-peers {capnp-rpc,tonic,ipc-channel}-{serve,call} --socket PATH".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mach-bench-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(role: &str, path: &Path) -> Result<(), Error> {
    match role {
        "capnp-rpc-serve" => capnp_rpc::serve(path),
        "capnp-rpc-call" => work(|| Ok(Box::new(capnp_rpc::Client::new(path)))),
        "tonic-serve" => tonic::serve(path),
        "tonic-call" => work(|| Ok(Box::new(tonic::Client::connect(path)?))),
        "ipc-channel-serve" => ipc_channel::serve(path),
        "ipc-channel-call" => {
            let server = ipc_channel::Server::connect(path)?;
            work(|| Ok(Box::new(server.client()?)))
        }
        _ => Err(format!("there is no `{role}`").into()),
    }
}

fn work(connect: impl FnMut() -> Result<Box<dyn Caller>, Error>) -> Result<(), Error> {
    let mut crew = Crew::new(connect);
    Ok(mach_bench::work(|load| crew.run(load))?)
}

/// Tells whoever started a server that it can be called.
fn ready() -> Result<(), Error> {
    println!("{}", serde_json::to_string(&<Told>::Ready)?);
    Ok(())
}

/// The bytes of a request and their sum; made anew when another size is wanted.
#[derive(Default)]
struct Request {
    bytes: Vec<u8>,
    sum: u64,
}

impl Request {
    /// The bytes for a load.
    fn of(&mut self, load: &Load) -> &[u8] {
        if self.bytes.len() as u64 != load.size {
            self.bytes = noise(load.size);
            self.sum = checksum(&self.bytes);
        }
        &self.bytes
    }

    /// Whether an answer is the right one.
    fn check(&self, sum: u64) -> Result<(), Error> {
        if sum == self.sum { Ok(()) } else { Err("an answer to other bytes".into()) }
    }
}

/// A path that can go into a closure.
fn owned(path: &Path) -> PathBuf {
    path.to_owned()
}
