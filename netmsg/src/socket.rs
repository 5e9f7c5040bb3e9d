//! The UDP socket under a node's QUIC endpoint.
//!
//! It differs from quinn's own in three points. Batches for the network card (GSO) are kept below the 65,507 bytes that
//! one UDP send can carry: quinn builds ten segments whatever their size, the kernel refuses the batch with EMSGSIZE,
//! and every packet of it is lost in silence (measured with an MTU above 6,550). The receive buffer is sized by what one
//! receive can hold, not by 64 segments of the largest MTU. And a [`Cable`] can be pulled, for tests of failure.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use rustix::net::sockopt;

/// The largest payload of one UDP send over IPv4, batch or not.
const UDP_SEND_BYTES_MAX: usize = 65_507;
/// What one receive (GRO) can return.
const UDP_RECEIVE_BYTES_MAX: usize = 65_535;
/// Asked for; the kernel gives at most `net.core.rmem_max` and `wmem_max`.
const BUFFER_BYTES: usize = 16 << 20;

/// Where a node listens.
#[derive(Debug)]
pub enum Listen {
    /// At an address that is free. Port 0 takes any.
    At(SocketAddr),
    /// On a socket that whoever starts the node has bound, so that nobody takes the port in between.
    On(UdpSocket),
}

impl Listen {
    fn bind(self) -> io::Result<UdpSocket> {
        match self {
            Listen::At(address) => UdpSocket::bind(address),
            Listen::On(socket) => Ok(socket),
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Listen {
        Listen::At(address)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::At(address) => write!(f, "{address}"),
            Listen::On(socket) => match socket.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => write!(f, "the socket that it was given"),
            },
        }
    }
}

/// Binds the socket with large buffers and wraps it for quinn.
///
/// Conditions: runs inside a tokio runtime. `mtu_max` is the largest datagram that will be sent.
/// Errors: as bind(2). Buffers smaller than asked for are not an error; see [`buffer_bytes`].
pub(crate) fn open(listen: Listen, mtu_max: u16, cable: Cable) -> io::Result<Arc<Socket>> {
    let socket = listen.bind()?;
    let listen = socket.local_addr()?;
    sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES)?;
    sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES)?;
    let (receive, send) = buffer_bytes(&socket)?;
    tracing::debug!(%listen, receive, send, "UDP buffers");
    let inner = TokioRuntime.wrap_udp_socket(socket)?;
    Ok(Arc::new(Socket { inner, mtu_max: usize::from(mtu_max), cable }))
}

/// Receive and send buffer of a socket in bytes, as the kernel counts them (it doubles what was asked for).
fn buffer_bytes(socket: &UdpSocket) -> io::Result<(usize, usize)> {
    Ok((sockopt::socket_recv_buffer_size(socket)?, sockopt::socket_send_buffer_size(socket)?))
}

/// The socket that a node's endpoint runs on.
pub(crate) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    mtu_max: usize,
    cable: Cable,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.cable.is_cut_from(transmit.destination) {
            return Ok(());
        }
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let polled = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = &polled {
            for received in &mut meta[..*count] {
                if self.cable.is_cut_from(received.addr) {
                    received.len = 0;
                }
            }
        }
        polled
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments().min(UDP_SEND_BYTES_MAX / self.mtu_max).max(1)
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments().min(UDP_RECEIVE_BYTES_MAX.div_ceil(self.mtu_max)).max(1)
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("inner", &self.inner).field("mtu_max", &self.mtu_max).finish()
    }
}

/// The network cable of a node, to be pulled in tests: packets are dropped both ways and nobody is told.
#[derive(Clone, Default, Debug)]
pub struct Cable(Arc<CableState>);

#[derive(Default, Debug)]
struct CableState {
    /// Whether anything is cut at all: the only thing looked at per packet in normal life.
    any: AtomicBool,
    all: AtomicBool,
    peers: RwLock<BTreeSet<SocketAddr>>,
}

impl Cable {
    /// Drops every packet from now on.
    pub fn cut(&self) {
        self.0.all.store(true, Ordering::Relaxed);
        self.0.any.store(true, Ordering::Relaxed);
    }

    /// Drops every packet to and from `peer` from now on.
    pub fn cut_from(&self, peer: SocketAddr) {
        self.0.peers.write().unwrap_or_else(|e| e.into_inner()).insert(peer);
        self.0.any.store(true, Ordering::Relaxed);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.0.any.store(false, Ordering::Relaxed);
        self.0.all.store(false, Ordering::Relaxed);
        self.0.peers.write().unwrap_or_else(|e| e.into_inner()).clear();
    }

    fn is_cut_from(&self, peer: SocketAddr) -> bool {
        self.0.any.load(Ordering::Relaxed)
            && (self.0.all.load(Ordering::Relaxed)
                || self.0.peers.read().unwrap_or_else(|e| e.into_inner()).contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn no_batch_is_larger_than_one_send_can_carry() {
        for mtu_max in [1200, 1452, 6550, 6551, 8952, 16_000, 65_000] {
            let socket = open(Listen::At("127.0.0.1:0".parse().unwrap()), mtu_max, Cable::default()).unwrap();
            assert!(socket.max_transmit_segments() * usize::from(mtu_max) <= UDP_SEND_BYTES_MAX, "{mtu_max}");
            assert!(socket.max_transmit_segments() >= 1);
            let receive = socket.max_receive_segments() * usize::from(mtu_max);
            assert!(socket.inner.max_receive_segments() == 1 || receive >= UDP_RECEIVE_BYTES_MAX, "{mtu_max}");
        }
    }
}
