//! Membership and failure detection: SWIM, by the foca library, which does no IO of its own.
//!
//! Here is what foca needs of us: what identifies a node ([`Node`]: its name, and by its incarnation which life), how
//! its datagrams are written (`proto/idl/wire/gossip.proto`), its periods, and its source of random numbers. What it
//! wants sent, timed or told comes out as values ([`Output`]); `net.rs` carries them out.
//!
//! The names are the addresses of SWIM: of two lives of one name the newer one wins. A life that was declared dead is
//! never taken up again; foca is not asked to renew it, since the sessions of the old life have to end first.

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use foca::{
    AccumulatingRuntime, Config, Foca, Header, Member, Message, NoCustomBroadcast, OwnedNotification, PeriodicParams,
    State, Timer,
};
use prost::Message as _;
use proto::limits::GOSSIP_BYTES_MAX;
use proto::wire::gossip;
use proto::{Incarnation, NodeName};
use rand_010::SeedableRng;
use rand_010::rngs::SmallRng;
use thiserror::Error;

use crate::transport::Times;

/// One life of one node. Two are the same if name and incarnation are; the address is where it was last heard to be.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub name: NodeName,
    pub incarnation: Incarnation,
    pub address: SocketAddr,
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.name == other.name && self.incarnation == other.incarnation
    }
}

impl Eq for Node {}

impl foca::Identity for Node {
    type Addr = NodeName;

    fn renew(&self) -> Option<Node> {
        None
    }

    fn addr(&self) -> NodeName {
        self.name.clone()
    }

    fn win_addr_conflict(&self, adversary: &Node) -> bool {
        self.incarnation > adversary.incarnation
    }
}

/// What foca wants done.
pub(crate) enum Output {
    Send(Node, Bytes),
    After(Duration, Timer<Node>),
    Notice(OwnedNotification<Node>),
}

/// A datagram that foca could not use.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct BadDatagram(String);

/// This node's view of the cluster.
pub(crate) struct Swim {
    foca: Foca<Node, Codec, SmallRng, NoCustomBroadcast>,
}

impl Swim {
    pub fn new(me: Node, times: Times) -> Swim {
        let rng = SmallRng::seed_from_u64(rand_010::random());
        Swim { foca: Foca::new(me, config(times), rng, Codec) }
    }

    /// `node` is known to live: there is a link to it.
    pub fn alive(&mut self, node: Node) -> Vec<Output> {
        self.run(|foca, out| {
            foca.apply_many(std::iter::once(Member::alive(node.clone())), true, &mut *out)?;
            foca.announce(node, out)
        })
    }

    /// `node` was lost sight of. Returns the round of suspicion, by which [`Swim::condemn`] knows whether it was refuted.
    pub fn suspect(&mut self, name: &NodeName, incarnation: Incarnation) -> Option<(u16, Vec<Output>)> {
        let member = self.member(name, incarnation)?;
        let round = member.incarnation();
        let suspect = Member::new(member.id().clone(), round, State::Suspect);
        Some((round, self.run(|foca, out| foca.apply_many(std::iter::once(suspect), true, out))))
    }

    /// `node` is dead, unless it was heard of since it was suspected in `round`.
    pub fn condemn(&mut self, name: &NodeName, incarnation: Incarnation, round: u16) -> Vec<Output> {
        match self.member(name, incarnation) {
            Some(m) if m.state() == State::Suspect && m.incarnation() == round => self.down(name, incarnation),
            _ => Vec::new(),
        }
    }

    /// `node` is gone for certain.
    pub fn down(&mut self, name: &NodeName, incarnation: Incarnation) -> Vec<Output> {
        let Some(member) = self.member(name, incarnation) else { return Vec::new() };
        let down = Member::new(member.id().clone(), member.incarnation(), State::Down);
        self.run(|foca, out| foca.apply_many(std::iter::once(down), true, out))
    }

    pub fn is_down(&self, node: &Node) -> bool {
        self.foca.iter_membership_state().any(|m| m.id() == node && m.state() == State::Down)
    }

    pub fn is_suspect(&self, name: &NodeName, incarnation: Incarnation) -> bool {
        self.member(name, incarnation).is_some_and(|m| m.state() == State::Suspect)
    }

    pub fn timer(&mut self, timer: Timer<Node>) -> Vec<Output> {
        self.run(|foca, out| foca.handle_timer(timer, out))
    }

    /// A datagram from a peer. [`inspect`] has approved it.
    pub fn data(&mut self, data: &[u8]) -> Vec<Output> {
        self.run(|foca, out| foca.handle_data(data, out))
    }

    fn member(&self, name: &NodeName, incarnation: Incarnation) -> Option<&Member<Node>> {
        self.foca.iter_members().find(|m| m.id().name == *name && m.id().incarnation == incarnation)
    }

    fn run(
        &mut self,
        act: impl FnOnce(
            &mut Foca<Node, Codec, SmallRng, NoCustomBroadcast>,
            &mut AccumulatingRuntime<Node>,
        ) -> Result<(), foca::Error>,
    ) -> Vec<Output> {
        let mut runtime = AccumulatingRuntime::new();
        if let Err(error) = act(&mut self.foca, &mut runtime) {
            // Timers that came late, a datagram for an earlier life: foca goes on.
            tracing::debug!(%error, "membership");
        }
        let mut out = Vec::new();
        out.extend(std::iter::from_fn(|| runtime.to_notify()).map(Output::Notice));
        out.extend(std::iter::from_fn(|| runtime.to_send()).map(|(to, data)| Output::Send(to, data)));
        out.extend(std::iter::from_fn(|| runtime.to_schedule()).map(|(after, timer)| Output::After(after, timer)));
        out
    }
}

/// The periods. A link that falls silent is noticed by QUIC after keep-alive and idle time (6/10), suspicion takes 3/10
/// more: together below `dead_after`, however many nodes there are. foca's own probes find what no link shows.
fn config(times: Times) -> Config {
    let part = |n: u32| (times.dead_after / n).max(Duration::from_millis(1));
    Config {
        probe_period: part(5),
        probe_rtt: part(15),
        num_indirect_probes: const { NonZeroUsize::new(3).unwrap() },
        max_transmissions: const { NonZeroU8::new(10).unwrap() },
        suspect_to_down_after: times.suspicion(),
        remove_down_after: None,
        max_packet_size: const { NonZeroUsize::new(GOSSIP_BYTES_MAX).unwrap() },
        notify_down_members: true,
        periodic_announce: Some(PeriodicParams {
            frequency: times.dead_after * 5,
            num_members: const { NonZeroUsize::new(1).unwrap() },
        }),
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(PeriodicParams {
            frequency: part(20),
            num_members: const { NonZeroUsize::new(3).unwrap() },
        }),
    }
}

/// Who speaks in a datagram, and all the nodes that it mentions besides.
///
/// Errors: it is not a datagram of the protocol.
pub(crate) fn inspect(mut data: &[u8]) -> Result<(Node, Vec<Node>), BadDatagram> {
    use foca::Codec as _;
    let bad = |e: CodecError| BadDatagram(e.to_string());
    if data.len() > GOSSIP_BYTES_MAX {
        return Err(BadDatagram(format!("{} bytes", data.len())));
    }
    let header = Codec.decode_header(&mut data).map_err(bad)?;
    let mut mentioned = Vec::new();
    if let Message::PingReq { target: node, .. }
    | Message::IndirectPing { origin: node, .. }
    | Message::IndirectAck { target: node, .. }
    | Message::ForwardedAck { origin: node, .. } = header.message
    {
        mentioned.push(node);
    }
    if data.remaining() >= 2 {
        for _ in 0..data.get_u16() {
            mentioned.push(Codec.decode_member(&mut data).map_err(bad)?.id().clone());
        }
    }
    if data.has_remaining() { Err(BadDatagram("bytes after its updates".into())) } else { Ok((header.src, mentioned)) }
}

/// How foca's datagrams are written.
struct Codec;

#[derive(Debug, Error)]
enum CodecError {
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
    #[error(transparent)]
    Encode(#[from] prost::EncodeError),
    #[error("a bad {0}")]
    Bad(&'static str),
}

impl foca::Codec<Node> for Codec {
    type Error = CodecError;

    fn encode_header(&mut self, header: &Header<Node>, mut buf: impl BufMut) -> Result<(), CodecError> {
        let (kind, probe, about) = match &header.message {
            Message::Ping(n) => (1, *n, None),
            Message::Ack(n) => (2, *n, None),
            Message::PingReq { target, probe_number } => (3, *probe_number, Some(target)),
            Message::IndirectPing { origin, probe_number } => (4, *probe_number, Some(origin)),
            Message::IndirectAck { target, probe_number } => (5, *probe_number, Some(target)),
            Message::ForwardedAck { origin, probe_number } => (6, *probe_number, Some(origin)),
            Message::Announce => (7, 0, None),
            Message::Feed => (8, 0, None),
            Message::Gossip => (9, 0, None),
            Message::Broadcast => (10, 0, None),
            Message::TurnUndead => (11, 0, None),
        };
        let record = gossip::Header {
            src: Some(write_node(&header.src)),
            src_round: header.src_incarnation.into(),
            dst: Some(write_node(&header.dst)),
            kind,
            probe: probe.into(),
            about: about.map(write_node),
        };
        Ok(record.encode_length_delimited(&mut buf)?)
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<Node>, CodecError> {
        let record = gossip::Header::decode_length_delimited(buf)?;
        let probe_number = record.probe.try_into().map_err(|_| CodecError::Bad("probe number"))?;
        let about = record.about;
        let about = || read_node(about.clone());
        let message = match record.kind {
            1 => Message::Ping(probe_number),
            2 => Message::Ack(probe_number),
            3 => Message::PingReq { target: about()?, probe_number },
            4 => Message::IndirectPing { origin: about()?, probe_number },
            5 => Message::IndirectAck { target: about()?, probe_number },
            6 => Message::ForwardedAck { origin: about()?, probe_number },
            7 => Message::Announce,
            8 => Message::Feed,
            9 => Message::Gossip,
            10 => Message::Broadcast,
            11 => Message::TurnUndead,
            _ => return Err(CodecError::Bad("kind")),
        };
        let src_incarnation = record.src_round.try_into().map_err(|_| CodecError::Bad("round"))?;
        Ok(Header { src: read_node(record.src)?, src_incarnation, dst: read_node(record.dst)?, message })
    }

    fn encode_member(&mut self, member: &Member<Node>, mut buf: impl BufMut) -> Result<(), CodecError> {
        let state = match member.state() {
            State::Alive => 1,
            State::Suspect => 2,
            State::Down => 3,
        };
        let record = gossip::Update { node: Some(write_node(member.id())), round: member.incarnation().into(), state };
        Ok(record.encode_length_delimited(&mut buf)?)
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Member<Node>, CodecError> {
        let record = gossip::Update::decode_length_delimited(buf)?;
        let state = match record.state {
            1 => State::Alive,
            2 => State::Suspect,
            3 => State::Down,
            _ => return Err(CodecError::Bad("state")),
        };
        let round = record.round.try_into().map_err(|_| CodecError::Bad("round"))?;
        Ok(Member::new(read_node(record.node)?, round, state))
    }
}

fn write_node(node: &Node) -> gossip::Node {
    gossip::Node {
        name: node.name.as_str().to_owned(),
        incarnation: node.incarnation.0,
        address: node.address.to_string(),
    }
}

fn read_node(record: Option<gossip::Node>) -> Result<Node, CodecError> {
    let record = record.ok_or(CodecError::Bad("node"))?;
    Ok(Node {
        name: NodeName::new(&record.name).ok_or(CodecError::Bad("name"))?,
        incarnation: Incarnation(record.incarnation),
        address: record.address.parse().map_err(|_| CodecError::Bad("address"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use foca::Codec as _;
    use proptest::prelude::*;

    fn node(n: u64) -> Node {
        Node {
            name: NodeName::new(&format!("n{n}")).unwrap(),
            incarnation: Incarnation(n),
            address: SocketAddr::from(([10, 0, 0, 1], n as u16)),
        }
    }

    fn all_messages() -> Vec<Message<Node>> {
        let (n, probe_number) = (node(9), 7);
        vec![
            Message::Ping(1),
            Message::Ack(2),
            Message::PingReq { target: n.clone(), probe_number },
            Message::IndirectPing { origin: n.clone(), probe_number },
            Message::IndirectAck { target: n.clone(), probe_number },
            Message::ForwardedAck { origin: n, probe_number },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ]
    }

    #[test]
    fn headers_and_updates_are_read_back_and_leave_what_follows() {
        for message in all_messages() {
            let header = Header { src: node(1), src_incarnation: 3, dst: node(2), message };
            let mut wire = Vec::new();
            Codec.encode_header(&header, &mut wire).unwrap();
            wire.extend_from_slice(b"rest");
            let mut rest = &wire[..];
            assert_eq!(Codec.decode_header(&mut rest).unwrap(), header);
            assert_eq!(rest, b"rest");
        }
        for state in [State::Alive, State::Suspect, State::Down] {
            let member = Member::new(node(4), 5, state);
            let mut wire = Vec::new();
            Codec.encode_member(&member, &mut wire).unwrap();
            assert_eq!(Codec.decode_member(&wire[..]).unwrap(), member);
        }
    }

    #[test]
    fn an_update_that_does_not_fit_leaves_no_trace() {
        let mut buf = Vec::new().limit(10);
        assert!(Codec.encode_member(&Member::alive(node(4)), &mut buf).is_err());
        assert!(buf.get_ref().is_empty());
    }

    #[test]
    fn a_datagram_tells_who_speaks_and_of_whom() {
        let mut wire = Vec::new();
        let message = Message::PingReq { target: node(3), probe_number: 1 };
        Codec.encode_header(&Header { src: node(1), src_incarnation: 0, dst: node(2), message }, &mut wire).unwrap();
        wire.put_u16(1);
        Codec.encode_member(&Member::down(node(4)), &mut wire).unwrap();
        let (src, mentioned) = inspect(&wire).unwrap();
        assert_eq!((src, mentioned), (node(1), vec![node(3), node(4)]));
        wire.push(0);
        assert!(inspect(&wire).is_err());
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_reader(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = inspect(&data);
            let _ = Swim::new(node(1), Times { dead_after: Duration::from_secs(3) }).data(&data);
        }
    }

    #[test]
    fn all_members_of_a_full_cluster_fit_one_feed() {
        use proto::limits::NODES_MAX;
        let times = Times { dead_after: Duration::from_secs(3) };
        let mut a = Swim::new(node(100_001), times);
        for n in 1..NODES_MAX as u64 - 1 {
            a.alive(node(n + 1000));
        }
        let mut wire = Vec::new();
        let header = Header { src: node(1), src_incarnation: 0, dst: node(100_001), message: Message::Announce };
        Codec.encode_header(&header, &mut wire).unwrap();
        let feed = a.data(&wire).into_iter().find_map(|o| match o {
            Output::Send(to, data) if to == node(1) => Some(data),
            _ => None,
        });
        let (_, mentioned) = inspect(&feed.expect("an answer")).unwrap();
        assert!(mentioned.len() >= NODES_MAX * 3 / 4, "{}", mentioned.len());
    }
}
