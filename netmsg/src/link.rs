//! One link: the session with one life of one peer, on one QUIC connection.
//!
//! Heads and small payloads go over one warm bidirectional stream, in the order in which they were sent. A message with
//! `BULK_BYTES_MIN` or more takes a unidirectional stream of its own, of lower priority, so that it delays no page.
//! Messages on different streams overtake each other; the layer above puts them in order.
//!
//! 1. `fail` decides why the link is down; the first reason stands. After it nothing is sent or delivered.
//! 2. The tasks of a link end with its connection; the last of them reports to [`Inner::link_ended`], once.
//! 3. Nothing is written unless it was counted in `queued`, and what waits is bounded by `LINK_QUEUE_BYTES_MAX`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use proto::limits::{BULK_BYTES_MIN, BULK_BYTES_UNDER_WAY_MAX, BULK_BYTES_UNDONE_MAX, LINK_QUEUE_BYTES_MAX};
use proto::wire::link::Frame;
use proto::{Incarnation, NodeName, Payload};
use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::frame::{Decoder, Lane, PeerMisbehaved, encode_head, payload_len};
use crate::net::Inner;
use crate::reason::{self, LinkDown};

/// Chunks that one read of a stream can return.
const CHUNKS_PER_READ: usize = 16;
/// Bulk streams come after the warm stream, whose priority is 0.
const BULK_PRIORITY: i32 = -1;

/// Names a link of this node. Never used again for a later link, also not to the same peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LinkId(pub u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// Who is at the other end of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// From its certificate.
    pub name: NodeName,
    /// Which life of it; the session is with this one only.
    pub incarnation: Incarnation,
    /// Where it accepts links.
    pub address: SocketAddr,
}

pub(crate) struct Link {
    pub id: LinkId,
    pub peer: Peer,
    pub connection: Connection,
    pub since: Instant,
    pub frames_sent: Cell<u64>,
    pub frames_received: Cell<u64>,
    /// Frames for the warm stream that its writer has not taken.
    warm: RefCell<Vec<Bytes>>,
    warm_waiting: Notify,
    /// Bytes accepted and not yet taken by QUIC.
    queued: Cell<usize>,
    /// Permits are bytes of bulk that may be under way.
    bulk: Semaphore,
    /// Bytes received of bulk messages that are not complete.
    undone: Cell<usize>,
    verdict: RefCell<Option<LinkDown>>,
    pub ended: Cell<bool>,
}

impl Link {
    pub fn new(id: LinkId, peer: Peer, connection: Connection) -> Rc<Link> {
        Rc::new(Link {
            id,
            peer,
            connection,
            since: Instant::now(),
            frames_sent: Cell::new(0),
            frames_received: Cell::new(0),
            warm: RefCell::default(),
            warm_waiting: Notify::new(),
            queued: Cell::new(0),
            bulk: Semaphore::new(BULK_BYTES_UNDER_WAY_MAX),
            undone: Cell::new(0),
            verdict: RefCell::default(),
            ended: Cell::new(false),
        })
    }

    /// Whether frames still pass.
    pub fn is_up(&self) -> bool {
        self.verdict.borrow().is_none()
    }

    /// Bytes that wait here to be sent.
    pub fn queued_bytes(&self) -> usize {
        self.queued.get()
    }

    /// Ends the link for `why`, and tells the peer.
    pub fn fail(&self, why: LinkDown) {
        if self.is_up() {
            reason::close(&self.connection, why.code(), &why.to_string());
            *self.verdict.borrow_mut() = Some(why);
            self.bulk.close();
        }
    }

    /// Queues a frame and its payload; it leaves when the tasks that are ready have run.
    ///
    /// Conditions: `payload` is as long as the items of `frame` say.
    pub fn send(self: &Rc<Self>, frame: &Frame, payload: Payload) {
        assert_eq!(payload_len(frame), Ok(payload.len()), "a payload that its frame does not announce");
        if !self.is_up() {
            return;
        }
        let head = encode_head(frame);
        let bytes = head.len() + payload.len();
        if self.queued.get() + bytes > LINK_QUEUE_BYTES_MAX {
            return self.fail(LinkDown::Overloaded);
        }
        self.queued.set(self.queued.get() + bytes);
        self.frames_sent.set(self.frames_sent.get() + 1);
        if payload.len() >= BULK_BYTES_MIN {
            tokio::task::spawn_local(write_bulk(self.clone(), head, payload, bytes));
        } else {
            let mut warm = self.warm.borrow_mut();
            warm.push(head);
            warm.extend(payload.chunks().iter().map(|chunk| chunk.bytes().clone()));
            self.warm_waiting.notify_one();
        }
    }

    fn taken(&self, bytes: usize) {
        self.queued.set(self.queued.get() - bytes);
    }
}

/// Runs a link until its connection is gone, and reports its end.
pub(crate) async fn run(net: Rc<Inner>, link: Rc<Link>, send: SendStream, recv: RecvStream, decoder: Decoder) {
    let mut tasks = JoinSet::new();
    tasks.spawn_local(write_warm(link.clone(), send));
    tasks.spawn_local(read_warm(net.clone(), link.clone(), recv, decoder));
    tasks.spawn_local(accept_bulk(net.clone(), link.clone()));
    tasks.spawn_local(read_datagrams(net.clone(), link.clone()));
    let error = link.connection.closed().await;
    let lost = LinkDown::from_connection(&error);
    let why = link.verdict.borrow_mut().get_or_insert(lost).clone();
    link.bulk.close();
    drop(tasks);
    net.link_ended(&link, why);
}

async fn write_warm(link: Rc<Link>, mut stream: SendStream) {
    let mut batch = Vec::new();
    loop {
        mem::swap(&mut batch, &mut *link.warm.borrow_mut());
        if batch.is_empty() {
            link.warm_waiting.notified().await;
            continue;
        }
        let bytes = batch.iter().map(Bytes::len).sum();
        if let Err(e) = stream.write_all_chunks(&mut batch).await {
            return link.fail(of_write(e));
        }
        batch.clear();
        link.taken(bytes);
    }
}

async fn write_bulk(link: Rc<Link>, head: Bytes, payload: Payload, bytes: usize) {
    let permits = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let Ok(_under_way) = link.bulk.acquire_many(permits).await else { return };
    let written = async {
        let mut stream = link.connection.open_uni().await.map_err(WriteError::ConnectionLost)?;
        let _ = stream.set_priority(BULK_PRIORITY);
        let mut chunks = Vec::with_capacity(1 + payload.chunks().len());
        chunks.push(head);
        chunks.extend(payload.chunks().iter().map(|chunk| chunk.bytes().clone()));
        drop(payload);
        stream.write_all_chunks(&mut chunks).await?;
        let _ = stream.finish();
        Ok(stream)
    };
    match written.await {
        Ok(stream) => {
            link.taken(bytes);
            // Done when the peer has all of it; an error here is the connection's end, which is noticed elsewhere.
            let _ = stream.stopped().await;
        }
        Err(e) => link.fail(of_write(e)),
    }
}

fn of_write(error: WriteError) -> LinkDown {
    match error {
        WriteError::ConnectionLost(e) => LinkDown::from_connection(&e),
        _ => LinkDown::Misbehaved(PeerMisbehaved::OutOfPlace("the end of a stream that it was to read")),
    }
}

fn of_read(error: ReadError) -> LinkDown {
    match error {
        ReadError::ConnectionLost(e) => LinkDown::from_connection(&e),
        _ => LinkDown::Misbehaved(PeerMisbehaved::CutOff),
    }
}

async fn read_warm(net: Rc<Inner>, link: Rc<Link>, mut stream: RecvStream, mut decoder: Decoder) {
    let mut chunks: [Bytes; CHUNKS_PER_READ] = Default::default();
    loop {
        loop {
            match decoder.next() {
                Ok(Some((frame, payload))) if link.is_up() => net.deliver(&link, Lane::Warm, frame, payload),
                Ok(Some(_)) => return,
                Ok(None) => break,
                Err(e) => return net.misbehaved(&link, e),
            }
        }
        match stream.read_chunks(&mut chunks).await {
            Ok(Some(count)) => chunks[..count].iter_mut().for_each(|c| decoder.push(mem::take(c))),
            Ok(None) => return net.misbehaved(&link, PeerMisbehaved::OutOfPlace("the end of its warm stream")),
            Err(e) => return link.fail(of_read(e)),
        }
        // A peer that sends without pause must not keep the others' tasks from running.
        tokio::task::consume_budget().await;
    }
}

async fn accept_bulk(net: Rc<Inner>, link: Rc<Link>) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = streams.join_next() => {}
            accepted = link.connection.accept_uni() => match accepted {
                Ok(stream) => drop(streams.spawn_local(read_bulk(net.clone(), link.clone(), stream))),
                Err(e) => return link.fail(LinkDown::from_connection(&e)),
            },
        }
    }
}

async fn read_bulk(net: Rc<Inner>, link: Rc<Link>, mut stream: RecvStream) {
    let mut undone = Undone { link: &link, bytes: 0 };
    let mut chunks: [Bytes; CHUNKS_PER_READ] = Default::default();
    let mut decoder = Decoder::new(Lane::Bulk);
    let mut delivered = false;
    loop {
        match stream.read_chunks(&mut chunks).await {
            Ok(Some(count)) => {
                for chunk in &mut chunks[..count] {
                    undone.add(chunk.len());
                    decoder.push(mem::take(chunk));
                }
            }
            Ok(None) if delivered => return,
            Ok(None) => return net.misbehaved(&link, PeerMisbehaved::CutOff),
            Err(e) => return link.fail(of_read(e)),
        }
        if delivered {
            return net.misbehaved(&link, PeerMisbehaved::TrailingBytes);
        }
        if link.undone.get() > BULK_BYTES_UNDONE_MAX {
            return net.misbehaved(&link, PeerMisbehaved::TooMuchBulk);
        }
        match decoder.next() {
            Ok(Some((frame, payload))) => {
                if !decoder.is_between_frames() {
                    return net.misbehaved(&link, PeerMisbehaved::TrailingBytes);
                }
                undone.clear();
                delivered = true;
                if link.is_up() {
                    net.deliver(&link, Lane::Bulk, frame, payload);
                }
            }
            Ok(None) => {}
            Err(e) => return net.misbehaved(&link, e),
        }
        tokio::task::consume_budget().await;
    }
}

/// Bytes of one incomplete bulk message, counted in its link for as long as it is incomplete.
struct Undone<'a> {
    link: &'a Link,
    bytes: usize,
}

impl Undone<'_> {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.link.undone.set(self.link.undone.get() + bytes);
    }

    fn clear(&mut self) {
        self.link.undone.set(self.link.undone.get() - mem::take(&mut self.bytes));
    }
}

impl Drop for Undone<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

async fn read_datagrams(net: Rc<Inner>, link: Rc<Link>) {
    loop {
        match link.connection.read_datagram().await {
            Ok(data) if link.is_up() => net.gossip_arrived(&link, &data),
            Ok(_) => return,
            Err(e) => return link.fail(LinkDown::from_connection(&e)),
        }
        tokio::task::consume_budget().await;
    }
}
