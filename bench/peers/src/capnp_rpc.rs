//! capnp-rpc over a Unix socket: one thread a side, as the library wants it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty};
use futures::AsyncReadExt;
use mach_bench::{Caller, Error, Load, checksum};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::Request;
use crate::echo_capnp::echo;

struct Echo;

impl echo::Server for Echo {
    async fn call(
        self: std::rc::Rc<Self>,
        params: echo::CallParams,
        mut results: echo::CallResults,
    ) -> Result<(), capnp::Error> {
        let sum = checksum(params.get()?.get_bytes()?);
        results.get().set_sum(sum);
        Ok(())
    }
}

/// Answers until it is killed.
pub fn serve(path: &Path) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = UnixListener::bind(path)?;
        crate::ready()?;
        let echo: echo::Client = new_client(Echo);
        loop {
            let (stream, _) = listener.accept().await?;
            let system = RpcSystem::new(Box::new(network(stream, Side::Server)), Some(echo.clone().client));
            tokio::task::spawn_local(system);
        }
    })
}

/// A client. What it is connected by belongs to the thread that calls, since the library's values cannot leave it.
pub struct Client {
    path: PathBuf,
    request: Request,
}

struct Connection {
    echo: echo::Client,
    local: LocalSet,
    runtime: Runtime,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

impl Client {
    /// A client that connects with its first call in a thread.
    pub fn new(path: &Path) -> Client {
        Client { path: crate::owned(path), request: Request::default() }
    }
}

impl Caller for Client {
    fn call(&mut self, load: &Load) -> Result<(), Error> {
        let Client { path, request } = self;
        CONNECTION.with_borrow_mut(|slot| {
            let Connection { echo, local, runtime } = match slot {
                Some(connection) => connection,
                None => slot.insert(Connection::open(path)?),
            };
            let mut call = echo.call_request();
            call.get().set_bytes(request.of(load));
            let sum = local.block_on(runtime, async {
                let answer = call.send().promise.await?;
                Ok::<u64, capnp::Error>(answer.get()?.get_sum())
            })?;
            request.check(sum)
        })
    }

    fn leave(&mut self) {
        drop(CONNECTION.take());
    }
}

impl Connection {
    fn open(path: &Path) -> Result<Connection, Error> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        let echo = local.block_on(&runtime, async {
            let stream = UnixStream::connect(path).await?;
            let mut system = RpcSystem::new(Box::new(network(stream, Side::Client)), None);
            let echo = system.bootstrap(Side::Server);
            tokio::task::spawn_local(system);
            Ok::<echo::Client, Error>(echo)
        })?;
        Ok(Connection { echo, local, runtime })
    }
}

type Network = twoparty::VatNetwork<futures::io::ReadHalf<tokio_util::compat::Compat<UnixStream>>>;

fn network(stream: UnixStream, side: Side) -> Network {
    let (reader, writer) = stream.compat().split();
    twoparty::VatNetwork::new(reader, writer, side, capnp::message::ReaderOptions::new())
}
