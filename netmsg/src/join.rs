//! Joining: how a machine that has a token gets a certificate.
//!
//! The joiner makes its key itself and sends a certification request; the key never leaves it. It knows the seed by the
//! hash in its token: the seed must show a certificate of the authority with that hash. The seed knows the joiner by
//! the token's proof, sent inside that connection. A name is given once.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use prost::Message;
use proto::NodeName;
use proto::limits::JOIN_BYTES_MAX;
use proto::wire::join::{Answer, Refusal, Request, Seed, Welcome, answer};
use quinn::{Connection, RecvStream};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use thiserror::Error;

use crate::authority::{Authority, TokenRefused};
use crate::identity::{Identity, IdentityError, node_name, parse_certificate};
use crate::net::Inner;
use crate::reason::{self, CloseCode};
use crate::roster::MemberState;
use crate::socket::Cable;
use crate::tls::{self, SERVER_NAME};
use crate::token::JoinToken;
use crate::transport::{self, MTU_MIN, Times};

/// What a joiner has afterwards.
#[derive(Debug)]
pub struct Joined {
    /// Its certificate and key, to be saved.
    pub identity: Identity,
    /// The nodes of the cluster, the seed that answered among them: addresses to start with.
    pub members: Vec<(NodeName, SocketAddr)>,
}

/// Why joining failed.
#[derive(Debug, Error)]
pub enum JoinError {
    /// No connection to the seed, or it broke.
    #[error("cannot reach {seed}: {why}")]
    Unreachable {
        /// The seed.
        seed: SocketAddr,
        /// What happened.
        why: String,
    },
    /// The seed is of another cluster than the token.
    #[error("{0} does not belong to the cluster that the token is for")]
    WrongCluster(SocketAddr),
    /// The seed cannot let anyone in: the cluster's authority is not there.
    #[error("{0} does not hold the cluster's authority; join at the node that does")]
    NoAuthority(SocketAddr),
    /// The seed said no.
    #[error("the cluster refused: {reason}")]
    Refused {
        /// What kind of no.
        code: JoinRefused,
        /// In its words.
        reason: String,
    },
    /// The seed's answer makes no sense.
    #[error("a senseless answer from the cluster: {0}")]
    BadAnswer(String),
    /// This machine could not do its part.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No socket to be had.
    #[error("cannot open a socket: {0}")]
    Socket(#[from] io::Error),
}

/// Kinds of refusal; the numbers are those of `wire.join.Refusal`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum JoinRefused {
    /// Not a token of this cluster.
    BadToken = 1,
    /// The token's time is over.
    Expired = 2,
    /// Another node has, or had, the name.
    NameTaken = 3,
    /// It is no valid node name.
    BadName = 4,
    /// The request makes no sense.
    BadRequest = 5,
    /// There is no room for a further node.
    Full = 6,
    /// The seed could not do its part.
    SeedFailed = 7,
}

impl JoinRefused {
    fn from_raw(raw: u32) -> JoinRefused {
        use JoinRefused::*;
        let all = [BadToken, Expired, NameTaken, BadName, BadRequest, Full, SeedFailed];
        all.into_iter().find(|c| *c as u32 == raw).unwrap_or(SeedFailed)
    }
}

/// Asks the seed at `seed` for a certificate in the name `node`.
///
/// Conditions: runs inside a tokio runtime. Takes at most `timeout`.
/// Errors: nothing is kept of an attempt that failed; the same name may be asked for again unless it was granted and the
/// answer was lost, when the authority has to forget it first.
pub async fn join(
    seed: SocketAddr,
    token: &JoinToken,
    node: &NodeName,
    timeout: Duration,
) -> Result<Joined, JoinError> {
    let unreachable = |why: String| JoinError::Unreachable { seed, why };
    let times = Times { dead_after: timeout * 2 };
    let client = transport::client(tls::join_config(token.ca_hash)?, times, MTU_MIN, 0);
    let any: SocketAddr =
        if seed.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let endpoint = transport::endpoint(any, MTU_MIN, None, Cable::default())?;
    let key = KeyPair::generate_for(&PKCS_ED25519).map_err(IdentityError::from)?;
    let csr = CertificateParams::default().serialize_request(&key).map_err(IdentityError::from)?;
    let request = Request {
        node: node.as_str().to_owned(),
        csr: csr.der().to_vec().into(),
        expires: token.expires,
        proof: token.proof.to_vec().into(),
    };
    let exchange = async {
        let connecting = endpoint.connect_with(client, seed, SERVER_NAME).map_err(|e| unreachable(e.to_string()))?;
        let connection = connecting.await.map_err(|e| of_handshake(seed, &e))?;
        let lost = |e: &dyn std::fmt::Display| unreachable(e.to_string());
        let (mut send, mut recv) = connection.open_bi().await.map_err(|e| lost(&e))?;
        send.write_all(&request.encode_length_delimited_to_vec()).await.map_err(|e| lost(&e))?;
        let _ = send.finish();
        let answer = read_record::<Answer>(&mut recv).await.map_err(JoinError::BadAnswer)?;
        reason::close(&connection, CloseCode::JoinDone, "joined");
        Ok(answer)
    };
    let answer =
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| Err(unreachable("no answer".into())))?;
    let _ = tokio::time::timeout(Duration::from_millis(100), endpoint.wait_idle()).await;
    match answer.answer {
        Some(answer::Answer::Welcome(welcome)) => welcomed(welcome, node, token, &key),
        Some(answer::Answer::Refusal(Refusal { code, reason })) => {
            Err(JoinError::Refused { code: JoinRefused::from_raw(code), reason })
        }
        None => Err(JoinError::BadAnswer("it is empty".into())),
    }
}

fn of_handshake(seed: SocketAddr, error: &quinn::ConnectionError) -> JoinError {
    let text = error.to_string();
    if let quinn::ConnectionError::TransportError(e) = error
        && text.contains("UnknownIssuer")
    {
        tracing::debug!(%seed, error = %e, "not the token's cluster");
        return JoinError::WrongCluster(seed);
    }
    match error {
        quinn::ConnectionError::ConnectionClosed(c)
            if c.error_code == quinn::TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL) =>
        {
            JoinError::NoAuthority(seed)
        }
        _ => JoinError::Unreachable { seed, why: text },
    }
}

/// The TLS alert by which a server says that it does not speak the protocol asked for.
const NO_APPLICATION_PROTOCOL: u8 = 120;

fn welcomed(welcome: Welcome, node: &NodeName, token: &JoinToken, key: &KeyPair) -> Result<Joined, JoinError> {
    let bad = |why: &str| JoinError::BadAnswer(why.to_owned());
    let ca = parse_certificate(&welcome.ca_pem)?;
    if crate::authority::ca_hash(&ca) != token.ca_hash {
        return Err(bad("the authority is not the token's"));
    }
    if node_name(&parse_certificate(&welcome.cert_pem)?)? != *node {
        return Err(bad("the certificate is for another name"));
    }
    let member = |s: Seed| Some((NodeName::new(&s.name)?, s.address.parse().ok()?));
    let members = welcome.members.into_iter().map(|s| member(s).ok_or_else(|| bad("a member's address")));
    let members = members.collect::<Result<_, _>>()?;
    let identity = Identity { ca_pem: welcome.ca_pem, cert_pem: welcome.cert_pem, key_pem: key.serialize_pem() };
    Ok(Joined { identity, members })
}

/// Answers one joiner.
pub(crate) async fn serve(net: &Rc<Inner>, connection: Connection) {
    let from = connection.remote_address();
    let exchange = async {
        let (mut send, mut recv) = connection.accept_bi().await.map_err(|e| e.to_string())?;
        let answer = match read_record::<Request>(&mut recv).await {
            Ok(request) => decide(net, &connection, request).await,
            Err(why) => refusal(JoinRefused::BadRequest, why),
        };
        if let Some(answer::Answer::Refusal(r)) = &answer.answer {
            tracing::warn!(%from, reason = %r.reason, "refused a joiner");
        }
        send.write_all(&answer.encode_length_delimited_to_vec()).await.map_err(|e| e.to_string())?;
        let _ = send.finish();
        // The joiner closes when it has the answer.
        connection.closed().await;
        Ok::<(), String>(())
    };
    match tokio::time::timeout(net.times.handshake(), exchange).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%from, %error, "a joiner was lost"),
        Err(_) => reason::close(&connection, CloseCode::JoinDone, "too slow"),
    }
}

fn refusal(code: JoinRefused, reason: String) -> Answer {
    Answer { answer: Some(answer::Answer::Refusal(Refusal { code: code as u32, reason })) }
}

async fn decide(net: &Rc<Inner>, connection: &Connection, request: Request) -> Answer {
    let Some(authority) = &net.authority else {
        return refusal(JoinRefused::SeedFailed, "this node does not hold the authority".into());
    };
    match admit(net, authority, connection, &request).await {
        Ok((name, welcome)) => {
            tracing::info!(node = %name, from = %connection.remote_address(), "a node joins");
            Answer { answer: Some(answer::Answer::Welcome(welcome)) }
        }
        Err((code, why)) => refusal(code, why),
    }
}

async fn admit(
    net: &Inner,
    authority: &Authority,
    connection: &Connection,
    request: &Request,
) -> Result<(NodeName, Welcome), (JoinRefused, String)> {
    authority.check_token(request.expires, &request.proof).map_err(|e| match e {
        TokenRefused::Forged => (JoinRefused::BadToken, "this is not a token of this cluster".to_owned()),
        TokenRefused::Expired => (JoinRefused::Expired, "the token has expired; make a new one".to_owned()),
    })?;
    let name = NodeName::new(&request.node)
        .ok_or((JoinRefused::BadName, "a node name has 1 to 63 characters of a-z, 0-9 and -".to_owned()))?;
    let known = net.roster.borrow().get(&name).is_some_and(|m| m.state != MemberState::Left);
    if known || authority.has_issued(&name) || name == net.me.borrow().name {
        return Err((JoinRefused::NameTaken, format!("the name {name} is taken")));
    }
    if !net.roster.borrow().has_room_for(std::iter::once(&name)) {
        return Err((JoinRefused::Full, "the cluster has as many nodes as it can have".to_owned()));
    }
    let cert_pem = authority.sign_request(&name, &request.csr).await.map_err(|e| match e {
        IdentityError::Certificate(why) => (JoinRefused::BadRequest, why),
        IdentityError::File { .. } => (JoinRefused::SeedFailed, "the seed could not note the name".to_owned()),
    })?;
    Ok((name, Welcome { cert_pem, ca_pem: authority.ca_pem().to_owned(), members: members(net, connection) }))
}

/// This node first, then the others that live.
fn members(net: &Inner, connection: &Connection) -> Vec<Seed> {
    let seed =
        |name: &NodeName, address: SocketAddr| Seed { name: name.as_str().to_owned(), address: address.to_string() };
    let me = net.me.borrow();
    let mut own = me.address;
    if let Some(ip) = connection.local_ip().filter(|_| own.ip().is_unspecified()) {
        own.set_ip(ip);
    }
    let roster = net.roster.borrow();
    let others = roster.iter().filter(|(_, m)| m.state == MemberState::Alive).map(|(n, m)| seed(n, m.address));
    std::iter::once(seed(&me.name, own)).chain(others).collect()
}

async fn read_record<M: Message + Default>(recv: &mut RecvStream) -> Result<M, String> {
    let bytes = recv.read_to_end(JOIN_BYTES_MAX).await.map_err(|e| e.to_string())?;
    M::decode_length_delimited(&bytes[..]).map_err(|e| e.to_string())
}
