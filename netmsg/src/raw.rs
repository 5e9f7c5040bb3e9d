//! The bare transport, to be measured against: the very endpoint, certificates and settings of links, and nothing on top.
//!
//! A request is 64 bytes, of which the first eight say how many bytes to answer with (little-endian). A server answers
//! any number of requests on a stream, in order. `mach bench` takes the round trip with a 4 KiB answer and the transfer
//! of one long answer as the floor and the ceiling of what a remote fault and a sequential read can be.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use thiserror::Error;

use crate::identity::{Identity, IdentityError};
use crate::socket::Cable;
use crate::tls::{self, Alpn, SERVER_NAME};
use crate::transport::{self, Times};

/// Bytes of a request.
pub const REQUEST_BYTES: usize = 64;
/// The longest answer.
pub const ANSWER_BYTES_MAX: u64 = 1 << 40;
const STREAMS: u32 = 64;
const CHUNK_BYTES: usize = 256 << 10;
const TIMES: Times = Times { dead_after: Duration::from_secs(10) };

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub enum RawError {
    /// The certificate or key is of no use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No socket, or no connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The connection broke or was never made.
    #[error("the connection: {0}")]
    Connection(String),
}

fn broken(e: impl std::fmt::Display) -> RawError {
    RawError::Connection(e.to_string())
}

/// Answers requests.
pub struct Server {
    endpoint: Endpoint,
}

impl Server {
    /// Listens on `listen`, and answers for as long as [`Server::run`] runs.
    ///
    /// Conditions: runs inside a tokio runtime.
    pub fn bind(identity: &Identity, listen: SocketAddr, mtu_max: u16) -> Result<Server, RawError> {
        let tls = tls::server_config(identity, &[Alpn::Raw])?;
        let server = transport::server(tls, TIMES, mtu_max, STREAMS);
        Ok(Server { endpoint: transport::endpoint(listen, mtu_max, Some(server), Cable::default())? })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Answers until it is dropped. Conditions: inside a `LocalSet`.
    pub async fn run(&self) {
        while let Some(incoming) = self.endpoint.accept().await {
            tokio::task::spawn_local(async move {
                let Ok(connection) = incoming.await else { return };
                while let Ok((send, recv)) = connection.accept_bi().await {
                    tokio::task::spawn_local(answer(send, recv));
                }
            });
        }
    }
}

/// Ends with the stream, whichever side ends it.
async fn answer(mut send: SendStream, mut recv: RecvStream) -> Option<()> {
    let chunk = Bytes::from(vec![0x5a; CHUNK_BYTES]);
    let mut request = [0; REQUEST_BYTES];
    loop {
        recv.read_exact(&mut request).await.ok()?;
        let mut left = answer_len(&request);
        while left > 0 {
            let part = chunk.slice(..left.min(CHUNK_BYTES as u64) as usize);
            left -= part.len() as u64;
            send.write_chunk(part).await.ok()?;
        }
    }
}

fn answer_len(request: &[u8; REQUEST_BYTES]) -> u64 {
    let mut length = [0; 8];
    length.copy_from_slice(&request[..8]);
    u64::from_le_bytes(length).min(ANSWER_BYTES_MAX)
}

/// Asks, on one warm stream.
pub struct Client {
    // Kept for as long as the connection is to live.
    _endpoint: Endpoint,
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
}

impl Client {
    /// Connects to a [`Server`] of the same authority.
    ///
    /// Conditions: runs inside a tokio runtime.
    pub async fn connect(identity: &Identity, server: SocketAddr, mtu_max: u16) -> Result<Client, RawError> {
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let endpoint = transport::endpoint(any, mtu_max, None, Cable::default())?;
        let tls = tls::client_config(identity, Alpn::Raw)?;
        let client = transport::client(tls, TIMES, mtu_max, 0);
        let connecting = endpoint.connect_with(client, server, SERVER_NAME).map_err(broken)?;
        let connection = connecting.await.map_err(broken)?;
        let (send, recv) = connection.open_bi().await.map_err(broken)?;
        Ok(Client { _endpoint: endpoint, connection, send, recv })
    }

    /// Asks for `length` bytes and reads them all; returns how many came.
    pub async fn ask(&mut self, length: u64) -> Result<u64, RawError> {
        let mut request = [0; REQUEST_BYTES];
        request[..8].copy_from_slice(&length.to_le_bytes());
        self.send.write_all(&request).await.map_err(broken)?;
        let mut chunks: [Bytes; 16] = Default::default();
        let mut got = 0;
        while got < length {
            match self.recv.read_chunks(&mut chunks).await.map_err(broken)? {
                Some(count) => got += chunks[..count].iter().map(|c| c.len() as u64).sum::<u64>(),
                None => return Err(RawError::Connection("the answer was cut off".into())),
            }
        }
        Ok(got)
    }

    /// The largest datagram that the path was found to carry so far.
    pub fn mtu(&self) -> u16 {
        self.connection.stats().path.current_mtu
    }
}
