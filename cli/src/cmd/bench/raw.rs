//! The bare transport: two processes, the endpoint settings and certificates of links, and nothing on top.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use netmsg::{Identity, MTU_MAX_DEFAULT, raw};
use tokio::runtime::{LocalOptions, LocalRuntime};

use super::stage::Stage;
use crate::failure::{Exit, Failure, OrFail, Result};
use mach_bench::Latencies;

/// Round trips that let path discovery come to its end.
const WARM_UP: usize = 500;

/// A connection to a raw server in a process of its own.
pub struct Raw {
    runtime: LocalRuntime,
    client: raw::Client,
}

impl Raw {
    /// Starts the server and connects to it.
    pub fn start(stage: &Stage) -> Result<Raw> {
        let what = || "cannot measure the bare transport".to_owned();
        let identity = stage.identity(0);
        let arguments = ["raw".as_ref(), "--identity".as_ref(), identity.as_os_str(), "--listen".as_ref()];
        let mut child = stage.peer(&[&arguments[..], &["127.0.0.1:0".as_ref()]].concat())?;
        let output = child.stdout.take().ok_or_else(|| Failure::new(Exit::Failed, what()))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).or_fail(what)?;
        let address: SocketAddr = line.trim().parse().or_fail(|| format!("the server said {line:?}"))?;
        let identity = Identity::load(&stage.identity(1)).or_fail(what)?;
        let runtime = runtime()?;
        let client = runtime.block_on(raw::Client::connect(&identity, address, MTU_MAX_DEFAULT)).or_fail(what)?;
        let mut raw = Raw { runtime, client };
        raw.round_trips(WARM_UP, 4096)?;
        Ok(raw)
    }

    /// Asks `count` times for `bytes` bytes, one after the other.
    pub fn round_trips(&mut self, count: usize, bytes: u64) -> Result<Latencies> {
        let Raw { runtime, client } = self;
        runtime.block_on(async {
            let mut latencies = Latencies::new();
            for _ in 0..count {
                let begun = Instant::now();
                client.ask(bytes).await.or_fail(|| "the bare round trip failed".into())?;
                latencies.record(begun.elapsed());
            }
            Ok(latencies)
        })
    }

    /// How long one transfer of `bytes` takes.
    pub fn transfer(&mut self, bytes: u64) -> Result<Duration> {
        let Raw { runtime, client } = self;
        let begun = Instant::now();
        runtime.block_on(client.ask(bytes)).or_fail(|| "the bare transfer failed".into())?;
        Ok(begun.elapsed())
    }
}

/// The server's process: prints its address and answers until it is killed.
pub fn serve(identity: &Path, listen: SocketAddr) -> Result<()> {
    let what = || "cannot serve raw requests".to_owned();
    let identity = Identity::load(identity).or_fail(what)?;
    runtime()?.block_on(async {
        let server = raw::Server::bind(&identity, listen, MTU_MAX_DEFAULT).or_fail(what)?;
        println!("{}", server.address().or_fail(what)?);
        server.run().await;
        Ok(())
    })
}

/// The kind that a node runs on.
fn runtime() -> Result<LocalRuntime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).or_fail(|| "cannot make a runtime".into())
}
