//! From a connection to a link: who is it, may it come in, and is this the connection to be used.
//!
//! Two nodes may dial each other at the same time, and one may come back while the other still holds the old
//! connection. So that both choose the same one, the node whose name sorts first is the *arbiter* of the pair:
//!
//! 1. The other one opens the warm stream, whoever dialed, and speaks first. The arbiter's Hello is its acceptance: with
//!    it the link is up there, and on its arrival here. A newly accepted connection takes the place of an older one.
//! 2. The other one waits for the answer to one Hello at a time. (A) Its own attempt that is ready while another is
//!    being greeted or a link is up is a duplicate. (B) One that the arbiter made waits until the greeting under way is
//!    decided, and is a duplicate if a link came of that. (C) One that the arbiter made while a link is up means that
//!    the arbiter has lost that link: it is greeted.
//! 3. The arbiter drops its own attempt as a duplicate if meanwhile it has accepted another connection of the same life.
//!
//! After a cut each of the two may hold the other for dead, and only one greeting has been heard. So an arbiter that
//! refuses a dead life says Goodbye with its own incarnation, and the other one, if it holds that for dead, closes with
//! the same verdict. Each then judges for itself whether it was the one that was cut off ([`Inner::told_dead`]).

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use proto::limits::FRAME_HEAD_BYTES_MAX;
use proto::wire::link::frame::Kind;
use proto::wire::link::{Frame, Goodbye, Hello};
use proto::{Incarnation, NodeName};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::sync::Notify;

use crate::frame::{Decoder, Lane, PeerMisbehaved, encode_head};
use crate::link::Peer;
use crate::net::Inner;
use crate::reason::{self, CloseCode};
use crate::roster::NotAdmitted;
use crate::tls;

/// The version of the frames that this code speaks.
pub(crate) const VERSION: u32 = 1;
const REBORN: &str = "this node has begun a new life meanwhile";

/// What came of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Greeted {
    /// It is the link to that node.
    Linked(NodeName),
    /// Another connection to that node is, or will be.
    Duplicate(NodeName),
    /// It led to this node.
    Ourselves,
    /// That node holds the life that we are in for dead.
    ToldDead(NodeName),
    /// It will not do, and will not the next time either.
    Refused(String),
    /// It broke off.
    Failed(String),
}

/// Why a connection did not become a link: what the peer is told, if anything, and what came of it.
struct Turned {
    close: Option<(CloseCode, String)>,
    greeted: Greeted,
}

impl Turned {
    fn duplicate(name: &NodeName) -> Turned {
        let why = "another connection is the link".to_owned();
        Turned { close: Some((CloseCode::Duplicate, why)), greeted: Greeted::Duplicate(name.clone()) }
    }

    fn refused(code: CloseCode, why: String) -> Turned {
        Turned { close: Some((code, why.clone())), greeted: Greeted::Refused(why) }
    }

    fn misbehaved(name: &NodeName, what: PeerMisbehaved) -> Turned {
        Turned::refused(CloseCode::Misbehaved, format!("{name} sent {what}"))
    }

    fn failed(why: &str) -> Turned {
        Turned { close: Some((CloseCode::Asked, why.to_owned())), greeted: Greeted::Failed(why.to_owned()) }
    }

    fn not_admitted(name: &NodeName, why: NotAdmitted) -> Turned {
        let code = match why {
            NotAdmitted::Dead => CloseCode::Dead,
            NotAdmitted::Full => CloseCode::Full,
            NotAdmitted::Over => return Turned::failed(&why.to_string()),
        };
        let close = Some((code, why.to_string()));
        Turned { close, greeted: Greeted::Refused(format!("{name} may not come in: {why}")) }
    }

    /// The peer or the path ended the connection.
    fn lost(name: &NodeName, error: &ConnectionError) -> Turned {
        let greeted = match error {
            ConnectionError::ApplicationClosed(close) => match CloseCode::of(close.error_code) {
                Some(CloseCode::Dead) => Greeted::ToldDead(name.clone()),
                Some(CloseCode::Duplicate | CloseCode::Replaced) => Greeted::Duplicate(name.clone()),
                Some(CloseCode::Leaving | CloseCode::Reborn | CloseCode::Asked) | None => {
                    Greeted::Failed(error.to_string())
                }
                Some(_) => Greeted::Refused(error.to_string()),
            },
            // Bad certificates are noticed here as well, since in TLS 1.3 the client is ready before the server is.
            ConnectionError::ConnectionClosed(_) => Greeted::Refused(error.to_string()),
            _ => Greeted::Failed(error.to_string()),
        };
        Turned { close: None, greeted }
    }
}

/// A connection that this node made, to `expected` if that is known.
pub(crate) async fn dialed(net: &Rc<Inner>, connection: Connection, expected: Option<&NodeName>) -> Greeted {
    greet(net, connection, true, expected).await
}

/// A connection that a peer made.
pub(crate) async fn accepted(net: &Rc<Inner>, connection: Connection) -> Greeted {
    greet(net, connection, false, None).await
}

async fn greet(net: &Rc<Inner>, connection: Connection, dialed: bool, expected: Option<&NodeName>) -> Greeted {
    let life = net.me.borrow().incarnation;
    let turned = match named(net, &connection, expected) {
        Ok(name) if net.me.borrow().name < name => as_arbiter(net, &connection, dialed, &name, life).await,
        Ok(name) => as_other(net, &connection, dialed, &name, life).await,
        Err(turned) => Err(turned),
    };
    match turned {
        Ok(name) => Greeted::Linked(name),
        Err(Turned { close, greeted }) => {
            if let Some((code, why)) = close {
                reason::close(&connection, code, &why);
            }
            match greeted {
                // It was another greeting's business, and has been dealt with.
                Greeted::ToldDead(_) if net.me.borrow().incarnation != life => Greeted::Failed(REBORN.into()),
                greeted => greeted,
            }
        }
    }
}

fn named(net: &Inner, connection: &Connection, expected: Option<&NodeName>) -> Result<NodeName, Turned> {
    let name = tls::peer_name(connection)
        .ok_or_else(|| Turned::refused(CloseCode::WrongNode, "its certificate names no node".into()))?;
    if name == net.me.borrow().name {
        let why = format!("this is {name}, the same name as yours");
        return Err(Turned { close: Some((CloseCode::WrongNode, why)), greeted: Greeted::Ourselves });
    }
    match expected {
        Some(expected) if *expected != name => {
            Err(Turned::refused(CloseCode::WrongNode, format!("{expected} was wanted, {name} answered")))
        }
        _ if net.is_over() => Err(Turned::failed("this node is not part of the cluster")),
        _ => Ok(name),
    }
}

async fn as_arbiter(
    net: &Rc<Inner>,
    connection: &Connection,
    dialed: bool,
    name: &NodeName,
    life: Incarnation,
) -> Result<NodeName, Turned> {
    let accept = async { connection.accept_bi().await.map_err(|e| Turned::lost(name, &e)) };
    let (mut send, mut recv) = within(net, accept).await?;
    let mut decoder = Decoder::new(Lane::Warm);
    let peer = match within(net, read_greeting(connection, name, &mut recv, &mut decoder)).await? {
        Greeting::Hello(peer) => peer,
        Greeting::Goodbye(_) => return Err(Turned::failed("it says goodbye")),
    };
    let same_life = |l: Rc<crate::link::Link>| l.is_up() && l.peer.incarnation >= peer.incarnation;
    if dialed && net.link_by_name(name).is_some_and(same_life) {
        return Err(Turned::duplicate(name)); // (3)
    }
    let admitted = net.roster.borrow().admits(name, peer.incarnation);
    match admitted {
        Ok(()) => within(net, write_hello(net, connection, name, &mut send)).await?,
        Err(why @ NotAdmitted::Dead) => return Err(say_goodbye(net, connection, name, &mut send, why).await),
        Err(why) => return Err(Turned::not_admitted(name, why)),
    }
    up(net, peer, life, connection, (send, recv, decoder))
}

async fn as_other(
    net: &Rc<Inner>,
    connection: &Connection,
    dialed: bool,
    name: &NodeName,
    life: Incarnation,
) -> Result<NodeName, Turned> {
    let under_way = || net.greetings.borrow().get(name).cloned();
    if dialed {
        if under_way().is_some() || net.link_by_name(name).is_some() {
            return Err(Turned::duplicate(name)); // (2A)
        }
    } else {
        let linked_before = net.link_by_name(name).map(|l| l.id);
        let mut waited = false;
        while let Some(decided) = under_way() {
            waited = true;
            let decided = async {
                decided.notified().await;
                Ok(())
            };
            within(net, decided).await?;
        }
        if waited && net.link_by_name(name).is_some_and(|l| Some(l.id) != linked_before) {
            return Err(Turned::duplicate(name)); // (2B)
        }
        // (2C) is what is left.
    }
    let _under_way = UnderWay::begin(net, name);
    let open = async { connection.open_bi().await.map_err(|e| Turned::lost(name, &e)) };
    let (mut send, mut recv) = within(net, open).await?;
    within(net, write_hello(net, connection, name, &mut send)).await?;
    let mut decoder = Decoder::new(Lane::Warm);
    let peer = match within(net, read_greeting(connection, name, &mut recv, &mut decoder)).await? {
        Greeting::Hello(peer) => peer,
        Greeting::Goodbye(goodbye) => return Err(heard_goodbye(net, name, goodbye)),
    };
    up(net, peer, life, connection, (send, recv, decoder))
}

/// Refuses a dead life, and listens for whether ours is dead in turn.
async fn say_goodbye(
    net: &Inner,
    connection: &Connection,
    name: &NodeName,
    send: &mut SendStream,
    why: NotAdmitted,
) -> Turned {
    let incarnation = net.me.borrow().incarnation.0;
    let goodbye = Goodbye { reason: why.to_string(), code: CloseCode::Dead as u32, incarnation };
    let frame = encode_head(&Frame { kind: Some(Kind::Goodbye(goodbye)) });
    let answered = async {
        send.write_all(&frame).await.map_err(|_| ended(connection, name))?;
        let _ = send.finish();
        Err::<(), Turned>(Turned::lost(name, &connection.closed().await))
    };
    match within(net, answered).await {
        Err(turned @ Turned { greeted: Greeted::ToldDead(_), .. }) => turned,
        _ => Turned::not_admitted(name, why),
    }
}

fn heard_goodbye(net: &Inner, name: &NodeName, goodbye: Goodbye) -> Turned {
    if goodbye.code != CloseCode::Dead as u32 {
        let greeted = Greeted::Refused(format!("{name} says: {}", reason::printable(&goodbye.reason)));
        return Turned { close: Some((CloseCode::Asked, "goodbye".into())), greeted };
    }
    let theirs = Incarnation(goodbye.incarnation);
    let close = match net.roster.borrow().admits(name, theirs) {
        Err(why @ NotAdmitted::Dead) => (CloseCode::Dead, why.to_string()),
        _ => (CloseCode::Asked, "goodbye".into()),
    };
    Turned { close: Some(close), greeted: Greeted::ToldDead(name.clone()) }
}

fn up(
    net: &Rc<Inner>,
    peer: Peer,
    life: Incarnation,
    connection: &Connection,
    streams: (SendStream, RecvStream, Decoder),
) -> Result<NodeName, Turned> {
    let name = peer.name.clone();
    if net.me.borrow().incarnation != life {
        return Err(Turned::failed(REBORN));
    }
    match net.link_up(peer, connection.clone(), streams) {
        Ok(()) => Ok(name),
        Err(why) => Err(Turned::not_admitted(&name, why)),
    }
}

/// What the peer's first frame is.
enum Greeting {
    Hello(Peer),
    Goodbye(Goodbye),
}

/// Notes that a Hello is under way to a node, and wakes who waits for its outcome when it is decided.
struct UnderWay {
    net: Rc<Inner>,
    name: NodeName,
}

impl UnderWay {
    fn begin(net: &Rc<Inner>, name: &NodeName) -> UnderWay {
        net.greetings.borrow_mut().insert(name.clone(), Rc::new(Notify::new()));
        UnderWay { net: net.clone(), name: name.clone() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(decided) = self.net.greetings.borrow_mut().remove(&self.name) {
            decided.notify_waiters();
        }
    }
}

async fn within<T>(net: &Inner, step: impl Future<Output = Result<T, Turned>>) -> Result<T, Turned> {
    tokio::select! {
        done = tokio::time::timeout(net.times.handshake(), step) => {
            done.unwrap_or_else(|_| Err(Turned::failed("no greeting in time")))
        }
        () = net.end.cancelled() => Err(Turned::failed("this node shuts down")),
    }
}

async fn write_hello(
    net: &Inner,
    connection: &Connection,
    name: &NodeName,
    send: &mut SendStream,
) -> Result<(), Turned> {
    let hello = {
        let me = net.me.borrow();
        Hello {
            version: VERSION,
            node: me.name.as_str().to_owned(),
            incarnation: me.incarnation.0,
            address: me.address.to_string(),
        }
    };
    let frame = encode_head(&Frame { kind: Some(Kind::Hello(hello)) });
    send.write_all(&frame).await.map_err(|_| ended(connection, name))
}

async fn read_greeting(
    connection: &Connection,
    name: &NodeName,
    recv: &mut RecvStream,
    decoder: &mut Decoder,
) -> Result<Greeting, Turned> {
    let frame = loop {
        match decoder.next() {
            Ok(Some((frame, _))) => break frame,
            Ok(None) => {}
            Err(e) => return Err(Turned::misbehaved(name, e)),
        }
        let chunk: Option<Bytes> = match recv.read_chunk(FRAME_HEAD_BYTES_MAX, true).await {
            Ok(chunk) => chunk.map(|c| c.bytes),
            Err(_) => return Err(ended(connection, name)),
        };
        decoder.push(chunk.ok_or_else(|| Turned::misbehaved(name, PeerMisbehaved::CutOff))?);
    };
    match frame.kind {
        Some(Kind::Hello(hello)) => Ok(Greeting::Hello(judge(connection, name, hello)?)),
        Some(Kind::Goodbye(goodbye)) => Ok(Greeting::Goodbye(goodbye)),
        _ => Err(Turned::misbehaved(name, PeerMisbehaved::BadHello("another frame came first".into()))),
    }
}

/// Checks a greeting against the certificate, whose name counts.
fn judge(connection: &Connection, name: &NodeName, hello: Hello) -> Result<Peer, Turned> {
    let bad = |what: String| Turned::misbehaved(name, PeerMisbehaved::BadHello(what));
    if hello.version != VERSION {
        let why = format!("{name} speaks version {}, this node version {VERSION}", hello.version);
        return Err(Turned::refused(CloseCode::Version, why));
    }
    if hello.node != name.as_str() {
        return Err(bad("it calls itself otherwise than its certificate does".into()));
    }
    let mut address: SocketAddr = hello.address.parse().map_err(|_| bad("its address".into()))?;
    if address.ip().is_unspecified() {
        // It listens everywhere and does not know where we see it.
        address.set_ip(connection.remote_address().ip());
    }
    Ok(Peer { name: name.clone(), incarnation: Incarnation(hello.incarnation), address })
}

fn ended(connection: &Connection, name: &NodeName) -> Turned {
    match connection.close_reason() {
        Some(error) => Turned::lost(name, &error),
        None => Turned::misbehaved(name, PeerMisbehaved::CutOff),
    }
}
