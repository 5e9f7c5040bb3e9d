//! tonic over a Unix socket: gRPC, that is HTTP/2 and protobuf.

use std::path::Path;

use hyper_util::rt::TokioIo;
use mach_bench::{Caller, Error, Load, checksum};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use crate::Request;
use crate::echo::echo_client::EchoClient;
use crate::echo::echo_server::{self, EchoServer};
use crate::echo::{Answer, Request as Wire};

/// Larger than any request here.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

struct Echo;

#[tonic::async_trait]
impl echo_server::Echo for Echo {
    async fn call(&self, request: tonic::Request<Wire>) -> Result<Response<Answer>, Status> {
        Ok(Response::new(Answer { sum: checksum(&request.into_inner().bytes) }))
    }
}

/// Answers until it is killed.
pub fn serve(path: &Path) -> Result<(), Error> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = UnixListenerStream::new(UnixListener::bind(path)?);
        let service = EchoServer::new(Echo).max_decoding_message_size(MESSAGE_BYTES_MAX);
        crate::ready()?;
        Ok(tonic::transport::Server::builder().add_service(service).serve_with_incoming(listener).await?)
    })
}

/// A client on a runtime of its own.
pub struct Client {
    echo: EchoClient<Channel>,
    runtime: Runtime,
    request: Request,
    bytes: prost::bytes::Bytes,
}

impl Client {
    /// Connects.
    pub fn connect(path: &Path) -> Result<Client, Error> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let path = crate::owned(path);
        let connect = move |_| {
            let path = path.clone();
            async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
        };
        let endpoint = Endpoint::from_static("http://local");
        let channel = runtime.block_on(endpoint.connect_with_connector(tower::service_fn(connect)))?;
        let echo = EchoClient::new(channel).max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Client { echo, runtime, request: Request::default(), bytes: prost::bytes::Bytes::new() })
    }
}

impl Caller for Client {
    fn call(&mut self, load: &Load) -> Result<(), Error> {
        if self.bytes.len() as u64 != load.size {
            self.bytes = prost::bytes::Bytes::copy_from_slice(self.request.of(load));
        }
        let answer = self.runtime.block_on(self.echo.call(Wire { bytes: self.bytes.clone() }))?;
        self.request.check(answer.into_inner().sum)
    }
}
