//! The settings of QUIC, once, for links and for the raw floor alike, and the endpoint made with them.
//!
//! What was measured decides (`docs/decisions/0007-quic-settings.md`): ring, Cubic, no ACK-frequency extension, discovery
//! of the path's MTU from 1200 up, an initial window of a local network. Flow control is per stream: the connection's windows are the
//! sum over all streams, so that bulk which waits to be read can never keep a frame off the warm stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use proto::limits::BULK_STREAMS_MAX;
use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};

use crate::socket::{self, Cable, Listen};

/// The largest datagram by default: an Ethernet jumbo frame of 9000 bytes less its IPv6 and UDP headers. A page and its
/// head then fit one packet wherever the path carries such frames; elsewhere discovery finds less.
pub const MTU_MAX_DEFAULT: u16 = 8_952;
/// Below this QUIC does not work.
pub const MTU_MIN: u16 = 1_200;
/// The shortest `dead_after`: timers have a granularity of 1 ms and a busy machine stalls for tens of them.
pub const DEAD_AFTER_MIN: Duration = Duration::from_millis(200);

/// Bytes that a peer may send on one stream ahead of our reading.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
/// Streams that can hold unread bytes: bulk, and the warm one.
const STREAMS: u32 = BULK_STREAMS_MAX as u32 + 1;
const CONNECTION_WINDOW_BYTES: u32 = STREAMS * STREAM_WINDOW_BYTES;
/// For a local network: the first read-ahead of a link is not held up by slow start. quinn's default is 12,000.
const INITIAL_WINDOW_BYTES: u64 = 256 << 10;
const INITIAL_RTT: Duration = Duration::from_millis(20);

/// How long things may take, all derived from the one deadline that users set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// A node that is gone is declared dead within this.
    pub dead_after: Duration,
}

impl Times {
    /// A quiet link shows life this often.
    pub fn keep_alive(&self) -> Duration {
        self.dead_after / 10
    }

    /// A link is lost when nothing came for this long.
    pub fn idle(&self) -> Duration {
        self.dead_after / 2
    }

    /// A suspect has this long to be heard of, by anyone.
    pub fn suspicion(&self) -> Duration {
        self.dead_after * 3 / 10
    }

    /// A handshake that takes longer has failed.
    pub fn handshake(&self) -> Duration {
        self.dead_after.max(Duration::from_secs(1))
    }
}

fn transport(times: Times, mtu_max: u16, bidirectional: u32) -> Arc<TransportConfig> {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(mtu_max);
    let mut cubic = CubicConfig::default();
    cubic.initial_window(INITIAL_WINDOW_BYTES);
    let idle = IdleTimeout::from(VarInt::from_u32(times.idle().as_millis().min(u32::MAX.into()) as u32));
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(bidirectional.into())
        .max_concurrent_uni_streams((BULK_STREAMS_MAX as u32).into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(times.keep_alive()))
        .initial_rtt(INITIAL_RTT)
        .initial_mtu(MTU_MIN)
        .min_mtu(MTU_MIN)
        .mtu_discovery_config((mtu_max > MTU_MIN).then_some(discovery))
        .congestion_controller_factory(Arc::new(cubic))
        .ack_frequency_config(None);
    Arc::new(config)
}

/// The accepting side's configuration; peers may open `bidirectional` streams.
pub(crate) fn server(tls: QuicServerConfig, times: Times, mtu_max: u16, bidirectional: u32) -> ServerConfig {
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(transport(times, mtu_max, bidirectional));
    config.migration(true);
    config
}

/// The dialing side's configuration.
pub(crate) fn client(tls: QuicClientConfig, times: Times, mtu_max: u16, bidirectional: u32) -> ClientConfig {
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport(times, mtu_max, bidirectional));
    config
}

/// Opens the socket and starts an endpoint on it.
///
/// Conditions: runs inside a tokio runtime; `mtu_max` is at least [`MTU_MIN`].
pub(crate) fn endpoint(
    listen: impl Into<Listen>,
    mtu_max: u16,
    server: Option<ServerConfig>,
    cable: Cable,
) -> io::Result<Endpoint> {
    let socket = socket::open(listen.into(), mtu_max, cable)?;
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(mtu_max).map_err(io::Error::other)?;
    Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))
}
