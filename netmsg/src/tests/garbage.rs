//! Peers that do not behave: what they do stays with them.

use bytes::BufMut;
use proto::limits::{BULK_BYTES_MIN, FRAME_HEAD_BYTES_MAX};
use proto::wire::link::{Gossip, Hello};
use quinn::{Connection, Endpoint, RecvStream, SendStream};

use super::*;
use crate::frame::{Decoder, Lane, encode_head};
use crate::tls::{self, Alpn, SERVER_NAME};
use crate::transport::{self, Times};

const TIMES: Times = Times { dead_after: Duration::from_secs(10) };

/// A member of the cluster with a valid certificate and code of its own.
struct Rogue {
    _endpoint: Endpoint,
    connection: Connection,
}

impl Rogue {
    async fn connect(cluster: &Cluster, n: &str, to: &TestNode) -> Rogue {
        let identity = cluster.authority.issue(&name(n)).unwrap();
        let endpoint = transport::endpoint(loopback(), MTU_MIN, None, Cable::default()).unwrap();
        let client = transport::client(tls::client_config(&identity, Alpn::Link).unwrap(), TIMES, MTU_MIN, 1);
        let connection = endpoint.connect_with(client, to.address(), SERVER_NAME).unwrap().await.unwrap();
        Rogue { _endpoint: endpoint, connection }
    }

    /// Its name sorts after the victim's, so it opens the stream and speaks first.
    async fn hello(&self, hello: Hello) -> (SendStream, RecvStream) {
        let (mut send, recv) = self.connection.open_bi().await.unwrap();
        send.write_all(&encode_head(&Frame { kind: Some(Kind::Hello(hello)) })).await.unwrap();
        (send, recv)
    }

    async fn linked(cluster: &Cluster, n: &str, to: &TestNode) -> (Rogue, SendStream) {
        let rogue = Rogue::connect(cluster, n, to).await;
        let (send, mut recv) = rogue.hello(good_hello(n)).await;
        let mut decoder = Decoder::new(Lane::Warm);
        while decoder.next().unwrap().is_none() {
            decoder.push(recv.read_chunk(4096, true).await.unwrap().unwrap().bytes);
        }
        // Its reading side stays open for as long as the connection does.
        tokio::task::spawn_local(async move { while let Ok(Some(_)) = recv.read_chunk(4096, true).await {} });
        (rogue, send)
    }

    async fn told(&self) -> (Option<CloseCode>, String) {
        match tokio::time::timeout(PATIENCE, self.connection.closed()).await.expect("still open") {
            quinn::ConnectionError::ApplicationClosed(close) => {
                (CloseCode::of(close.error_code), String::from_utf8_lossy(&close.reason).into_owned())
            }
            other => (None, other.to_string()),
        }
    }
}

fn good_hello(n: &str) -> Hello {
    Hello { version: 1, node: n.into(), incarnation: 1, address: "127.0.0.1:9".into() }
}

/// Lets a rogue do something on a link, and checks that it is cut off, alone.
async fn cut_off_for<F: Future<Output = ()>>(what: &str, act: impl FnOnce(Rogue, SendStream) -> F) {
    let cluster = Cluster::new();
    let a = cluster.node("alpha", 1, &[]);
    let b = cluster.node("beta", 1, &[a.address()]);
    linked(&a, &b).await;
    let (rogue, send) = Rogue::linked(&cluster, "zeta", &a).await;
    until("the rogue's link", || a.net.link_to(&name("zeta")).is_some()).await;
    let connection = rogue.connection.clone();
    act(rogue, send).await;
    until(what, || a.log.downs().len() == 1).await;
    assert!(matches!(a.log.downs()[0], LinkDown::Misbehaved(_)), "{what}: {:?}", a.log.downs());
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("still open");
    let quinn::ConnectionError::ApplicationClosed(close) = closed else { panic!("{what}: {closed}") };
    assert_eq!(CloseCode::of(close.error_code), Some(CloseCode::Misbehaved), "{what}");
    assert!(!close.reason.is_empty(), "{what}");
    let link = b.link_to(&a).unwrap();
    b.net.send(link, message(1, 0), Payload::default());
    until("the others' frames", || !a.log.received().is_empty()).await;
    assert_eq!(b.log.downs().len(), 0, "{what}");
}

#[tokio::test(flavor = "current_thread")]
async fn garbage_on_the_warm_stream_ends_that_link_only() {
    local(async {
        cut_off_for("random bytes", |_, mut send| async move {
            let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
            send.write_all(&noise).await.unwrap();
        })
        .await;
        cut_off_for("a head that is too long", |_, mut send| async move {
            send.write_all(&(FRAME_HEAD_BYTES_MAX as u32 + 1).to_le_bytes()).await.unwrap();
        })
        .await;
        cut_off_for("a head that is no frame", |_, mut send| async move {
            send.write_all(&[3, 0, 0, 0, 0xff, 0xff, 0xff]).await.unwrap();
        })
        .await;
        cut_off_for("an empty frame", |_, mut send| async move {
            send.write_all(&[0, 0, 0, 0]).await.unwrap();
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn frames_out_of_place_end_that_link_only() {
    local(async {
        cut_off_for("a second greeting", |_, mut send| async move {
            send.write_all(&encode_head(&Frame { kind: Some(Kind::Hello(good_hello("zeta"))) })).await.unwrap();
        })
        .await;
        cut_off_for("bulk on the warm stream", |_, mut send| async move {
            send.write_all(&encode_head(&message(1, BULK_BYTES_MIN))).await.unwrap();
        })
        .await;
        cut_off_for("the end of the warm stream", |_, mut send| async move {
            send.finish().unwrap();
        })
        .await;
        cut_off_for("a bulk stream that is cut off", |rogue, _send| async move {
            let mut bulk = rogue.connection.open_uni().await.unwrap();
            bulk.write_all(&encode_head(&message(1, 1 << 20))).await.unwrap();
            bulk.write_all(&[0; 1000]).await.unwrap();
            bulk.finish().unwrap();
            rogue.connection.closed().await;
        })
        .await;
        cut_off_for("a bulk stream that goes on", |rogue, _send| async move {
            let mut bulk = rogue.connection.open_uni().await.unwrap();
            let mut all = encode_head(&message(1, 10)).to_vec();
            all.put_slice(&[0; 11]);
            bulk.write_all(&all).await.unwrap();
            bulk.finish().unwrap();
            rogue.connection.closed().await;
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn bad_gossip_ends_that_link_only() {
    local(async {
        cut_off_for("a datagram of noise", |rogue, _send| async move {
            rogue.connection.send_datagram(vec![0xee; 200].into()).unwrap();
            rogue.connection.closed().await;
        })
        .await;
        cut_off_for("gossip in another's name", |_, mut send| async move {
            let data = gossip_of("beta");
            send.write_all(&encode_head(&Frame { kind: Some(Kind::Gossip(Gossip { data })) })).await.unwrap();
        })
        .await;
    })
    .await;
}

fn gossip_of(n: &str) -> bytes::Bytes {
    use prost::Message;
    let node = |n: &str| proto::wire::gossip::Node { name: n.into(), incarnation: 1, address: "127.0.0.1:9".into() };
    let header = proto::wire::gossip::Header {
        src: Some(node(n)),
        dst: Some(node("alpha")),
        kind: 9,
        ..proto::wire::gossip::Header::default()
    };
    header.encode_length_delimited_to_vec().into()
}

#[tokio::test(flavor = "current_thread")]
async fn a_greeting_that_lies_is_refused_with_the_reason() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let refused = async |hello: Hello| {
            let rogue = Rogue::connect(&cluster, "zeta", &a).await;
            let _streams = rogue.hello(hello).await;
            rogue.told().await
        };
        let (code, why) = refused(Hello { node: "beta".into(), ..good_hello("zeta") }).await;
        assert_eq!(code, Some(CloseCode::Misbehaved), "{why}");
        let (code, why) = refused(Hello { version: 99, ..good_hello("zeta") }).await;
        assert_eq!(code, Some(CloseCode::Version));
        assert!(why.contains("99"), "{why}");
        let (code, _) = refused(Hello { address: "nowhere".into(), ..good_hello("zeta") }).await;
        assert_eq!(code, Some(CloseCode::Misbehaved));
        assert!(a.net.members().is_empty());
        assert_eq!(a.log.count(|e| matches!(e, Event::Up(..))), 0);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_certificate_of_another_authority_makes_no_link() {
    local(async {
        let (ours, theirs) = (Cluster::new(), Cluster::new());
        let a = ours.node("alpha", 1, &[]);
        let b = ours.node("beta", 1, &[a.address()]);
        let foreign = theirs.node("gamma", 1, &[a.address(), b.address()]);
        a.net.connect(foreign.address());
        linked(&a, &b).await;
        tokio::time::sleep(DEAD_AFTER * 2).await;
        assert!(foreign.net.members().is_empty());
        assert_eq!(foreign.log.events.borrow().len(), 0);
        assert_eq!(a.net.members().len(), 1);
        assert_eq!(a.log.downs(), []);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn another_protocol_is_refused_in_the_handshake() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let identity = cluster.authority.issue(&name("zeta")).unwrap();
        let endpoint = transport::endpoint(loopback(), MTU_MIN, None, Cable::default()).unwrap();
        let client = transport::client(tls::client_config(&identity, Alpn::Raw).unwrap(), TIMES, MTU_MIN, 1);
        let result = endpoint.connect_with(client, a.address(), SERVER_NAME).unwrap().await;
        assert!(result.is_err());
    })
    .await;
}

/// A joiner's configuration with a link's protocol: no certificate is shown.
pub(super) async fn without_a_certificate_there_is_no_link(cluster: &Cluster, to: &TestNode) {
    let endpoint = transport::endpoint(loopback(), MTU_MIN, None, Cable::default()).unwrap();
    let hash = cluster.authority.token(PATIENCE).ca_hash;
    let mut tls = tls::join_tls(hash).unwrap();
    tls.alpn_protocols = vec![b"mach/1".to_vec()];
    let client = transport::client(quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap(), TIMES, MTU_MIN, 1);
    let connection = endpoint.connect_with(client, to.address(), SERVER_NAME).unwrap().await.unwrap();
    let rogue = Rogue { _endpoint: endpoint, connection };
    let _streams = rogue.hello(good_hello("zeta")).await;
    let (code, why) = rogue.told().await;
    assert_eq!(code, Some(CloseCode::WrongNode), "{why}");
    assert!(to.net.members().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn random_datagrams_at_the_port_do_no_harm() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let socket = std::net::UdpSocket::bind(loopback()).unwrap();
        let mut state = 0x2545_f491_4f6c_dd1du64;
        for round in 0..2000usize {
            let noise: Vec<u8> = (0..1 + round % 1400)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            let mut datagram = noise;
            // A third looks like the long header of a first packet, a third like a packet of a connection.
            datagram[0] = match round % 3 {
                0 => datagram[0],
                1 => 0xc0 | (datagram[0] & 0x0f),
                _ => 0x40 | (datagram[0] & 0x3f),
            };
            let _ = socket.send_to(&datagram, a.address());
            if round % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let link = b.link_to(&a).unwrap();
        b.net.send(link, message(1, 4096), pattern(4096, 3));
        until("a frame after the noise", || a.log.received().len() == 1).await;
        assert_eq!(a.log.downs(), []);
        let c = cluster.node("gamma", 1, &[a.address()]);
        linked(&a, &c).await;
    })
    .await;
}
