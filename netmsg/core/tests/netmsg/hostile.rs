//! Peers that are not correct: the link goes, nothing else does.

use bytes::Bytes;
use netmsg_core::{ExportId, LinkId, PeerMisbehaved};
use proptest::prelude::*;
use proto::body::Writer;
use proto::limits::{LINK_REORDER_MAX, REMOTE_WINDOW};
use proto::wire::link::{self as wire, frame::Kind, right};
use proto::{NamedRight, Payload, PortName};

use crate::common::{World, message};

const NODE: usize = 0;

struct Scene {
    w: World,
    link: LinkId,
    /// A port of node 0 that the peer was granted as entry 2, and a send-once right to it, entry 3.
    port: PortName,
}

fn scene() -> Scene {
    let mut w = World::new(3);
    let port = w.nodes[NODE].port();
    w.pass(NODE, 1, NamedRight::make_send(port));
    w.pass(NODE, 1, NamedRight::make_send_once(port));
    // Node 2 has nothing to do with it and must not notice.
    w.pass(NODE, 2, NamedRight::make_send(port));
    let link = w.link(NODE, 1);
    Scene { w, link, port }
}

fn send(export: u64, seq: u64) -> wire::Send {
    wire::Send { export, seq, after: seq, id: 1, ..Default::default() }
}

fn with_right(right: right::Right) -> wire::Send {
    with_rights(vec![wire::Right { right: Some(right) }])
}

fn with_rights(rights: Vec<wire::Right>) -> wire::Send {
    let body = slots(rights.len());
    wire::Send { complex: true, body, rights, ..send(2, 1) }
}

/// A body with slots for so many rights.
fn slots(number: usize) -> Bytes {
    let mut writer = Writer::new();
    writer.rights(proto::Disposition::MoveSend, true, vec![(); number]);
    writer.finish().bytes().clone()
}

fn grant(export: u64) -> wire::Grant {
    wire::Grant { export, uid_origin: 1, uid_serial: 1 }
}

/// What becomes of a peer that sends these frames.
fn judge(kinds: Vec<Kind>) -> Option<PeerMisbehaved> {
    let Scene { mut w, link, port } = scene();
    for kind in kinds {
        w.forge(link, NODE, kind, Payload::default());
    }
    let closed: Vec<_> = w.closed.iter().filter(|(node, ..)| *node == NODE).map(|(_, l, why)| (*l, *why)).collect();
    assert!(closed.len() <= 1 && closed.iter().all(|(l, _)| *l == link));
    w.settle();
    let other = w.pass(NODE, 2, NamedRight::make_send(port));
    while w.receive(NODE, port).is_some() {}
    w.send(2, message(other, 321));
    assert_eq!(w.drain(NODE, port), [321], "node 2 goes on");
    closed.first().map(|(_, why)| *why)
}

#[test]
fn netmsg_hostile_1_a_peer_names_only_what_it_was_granted() {
    for export in [0, 4, u64::MAX] {
        let unknown = Some(PeerMisbehaved::UnknownExport(ExportId(export)));
        assert_eq!(judge(vec![Kind::Send(send(export, 1))]), unknown);
        assert_eq!(judge(vec![Kind::Send(with_right(right::Right::Yours(export)))]), unknown);
        assert_eq!(judge(vec![Kind::Send(with_right(right::Right::YoursOnce(export)))]), unknown);
        let release = wire::Release { export, granted: 1, ..Default::default() };
        assert_eq!(judge(vec![Kind::Release(release)]), unknown);
    }
    assert_eq!(judge(vec![Kind::Send(send(2, 1)), Kind::Send(send(2, 2))]), None);
}

#[test]
fn netmsg_hostile_5_kinds_of_right_are_not_mixed_up() {
    let mixed = |id| Some(PeerMisbehaved::KindMismatch(ExportId(id)));
    assert_eq!(judge(vec![Kind::Send(wire::Send { once: true, ..send(2, 1) })]), mixed(2));
    assert_eq!(judge(vec![Kind::Send(send(3, 1))]), mixed(3));
    assert_eq!(judge(vec![Kind::Send(with_right(right::Right::Yours(3)))]), mixed(3));
    assert_eq!(judge(vec![Kind::Send(with_right(right::Right::YoursOnce(2)))]), mixed(2));
    let twice = |a: right::Right, b: right::Right| {
        let rights = [a, b].map(|right| wire::Right { right: Some(right) }).to_vec();
        judge(vec![Kind::Send(with_rights(rights))])
    };
    use right::Right::{Send, SendOnce, YoursOnce};
    assert_eq!(twice(Send(grant(50)), SendOnce(grant(50))), mixed(50));
    assert_eq!(twice(SendOnce(grant(50)), SendOnce(grant(50))), mixed(50));
    assert_eq!(twice(Send(grant(50)), Send(grant(50))), None);
    assert_eq!(twice(YoursOnce(3), YoursOnce(3)), None, "the second is as dead as one that was used");
}

#[test]
fn netmsg_hostile_6_sequence_numbers_come_once_and_within_the_window() {
    use PeerMisbehaved::{Duplicate, WindowExceeded};
    let ahead = REMOTE_WINDOW + 1;
    assert_eq!(judge(vec![Kind::Send(send(2, ahead))]), Some(WindowExceeded(ExportId(2), ahead)));
    assert_eq!(judge(vec![Kind::Send(send(2, 1)), Kind::Send(send(2, 1))]), Some(Duplicate(ExportId(2), 1)));
    assert_eq!(judge(vec![Kind::Send(send(2, 9)), Kind::Send(send(2, 9))]), Some(Duplicate(ExportId(2), 9)));
    let flood: Vec<_> = (1..=REMOTE_WINDOW + 1).map(|seq| Kind::Send(send(2, seq))).collect();
    // Nobody reads, so nothing beyond the queue is acknowledged.
    assert!(matches!(judge(flood), Some(WindowExceeded(..))));
}

#[test]
fn netmsg_hostile_7_counts_must_agree() {
    let release = |granted, sent, returned| Kind::Release(wire::Release { export: 2, granted, sent, returned });
    let miscounts = |kinds| matches!(judge(kinds), Some(PeerMisbehaved::Miscount(..)));
    assert!(miscounts(vec![release(2, 0, 0)]));
    assert!(miscounts(vec![release(1, REMOTE_WINDOW + 1, 0)]));
    assert!(miscounts(vec![Kind::Send(send(2, 1)), release(1, 0, 0)]));
    assert!(miscounts(vec![Kind::Send(with_right(right::Right::Yours(2))), release(1, 1, 0)]));
    let name_server = wire::Release { export: 1, granted: 1, ..Default::default() };
    assert!(miscounts(vec![Kind::Release(name_server)]));
    let once = wire::Release { export: 3, granted: 2, ..Default::default() };
    assert!(miscounts(vec![Kind::Release(once)]));
    assert!(miscounts(vec![Kind::Delivered(wire::Delivered { export: 1, through: 1000 })]));
    let dead = |export, granted| Kind::PortDead(wire::PortDead { export, granted });
    assert!(miscounts(vec![dead(9, 3), dead(9, 3)]));
    assert!(miscounts(vec![
        Kind::Send(with_right(right::Right::Send(grant(9)))),
        Kind::Send(wire::Send { seq: 2, after: 2, ..with_right(right::Right::Send(grant(9))) }),
        dead(9, 1),
    ]));
    assert!(matches!(judge(vec![dead(9, 0)]), Some(PeerMisbehaved::Malformed(_))));
    assert_eq!(judge(vec![release(0, 0, 0)]), None, "overtaken by a grant");
}

#[test]
fn netmsg_hostile_8_only_netmsgs_frames_are_taken() {
    for kind in [Kind::Hello(Default::default()), Kind::Gossip(Default::default()), Kind::Goodbye(Default::default())] {
        assert!(matches!(judge(vec![kind]), Some(PeerMisbehaved::UnexpectedFrame(_))));
    }
    let Scene { mut w, link, .. } = scene();
    w.act(NODE, |n, cx| n.on_frame(cx, link, wire::Frame { kind: None }, Payload::default()));
    assert!(matches!(w.closed[..], [(NODE, _, PeerMisbehaved::UnexpectedFrame("no kind"))]));
    let Scene { mut w, link, .. } = scene();
    let delivered = Kind::Delivered(wire::Delivered { export: 1, through: 0 });
    w.forge(link, NODE, delivered, Payload::from(vec![0]));
    assert!(matches!(w.closed[..], [(NODE, _, PeerMisbehaved::UnexpectedFrame("delivered"))]));
}

#[test]
fn netmsg_hostile_9_what_waits_for_its_turn_is_bounded() {
    let mut w = World::new(2);
    let link = w.link(0, 1);
    let ports = LINK_REORDER_MAX as u64 / (REMOTE_WINDOW - 1) + 10;
    for _ in 0..ports {
        let port = w.nodes[0].port();
        w.pass(0, 1, NamedRight::make_send(port));
    }
    let exports = w.nodes[0].netmsg.exports(link).count();
    // Never the first, so that none has its turn.
    let all = (2..2 + ports).flat_map(|export| (2..=REMOTE_WINDOW).map(move |seq| (export, seq)));
    for (n, (export, seq)) in all.enumerate() {
        w.forge(link, 0, Kind::Send(send(export, seq)), Payload::default());
        if n < LINK_REORDER_MAX + exports {
            assert_eq!(w.closed, []);
        } else {
            assert_eq!(w.closed, [(0, link, PeerMisbehaved::TooManyWaiting)]);
            return;
        }
    }
    panic!("the peer was never stopped");
}

#[test]
fn netmsg_hostile_10_bytes_that_wait_are_bounded() {
    let mut w = World::new(2);
    let link = w.link(0, 1);
    let port = w.nodes[0].port();
    w.pass(0, 1, NamedRight::make_send(port));
    let big = Payload::from(vec![0; proto::limits::MSG_OOL_BYTES_MAX]);
    let mut writer = Writer::<()>::new();
    writer.memory(proto::typed::Element::BYTE, big.clone());
    let body = writer.finish().bytes().clone();
    for seq in 2..=6 {
        assert_eq!(w.closed, []);
        let (body, memory_length) = (body.clone(), big.len() as u64);
        let send = wire::Send { complex: true, body, memory_length, ..send(2, seq) };
        w.forge(link, 0, Kind::Send(send), big.clone());
    }
    assert_eq!(w.closed, [(0, link, PeerMisbehaved::TooManyWaiting)]);
}

#[test]
fn netmsg_hostile_11_a_message_that_is_refused_halfway_gives_up_what_it_took() {
    let Scene { mut w, link, port } = scene();
    let rights = [right::Right::YoursOnce(3), right::Right::Send(grant(60)), right::Right::Yours(99)];
    let rights = rights.map(|right| wire::Right { right: Some(right) }).to_vec();
    let bad = with_rights(rights);
    let ports = w.nodes[NODE].ipc.ports_len();
    w.forge(link, NODE, Kind::Send(bad), Payload::default());
    assert_eq!(w.closed, [(NODE, link, PeerMisbehaved::UnknownExport(ExportId(99)))]);
    assert_eq!(w.drain(NODE, port), [71], "the send-once right ends as any other");
    assert_eq!(w.nodes[NODE].ipc.ports_len(), ports - 1, "no proxy is left");
    // The same when the destination is a send-once right.
    let Scene { mut w, link, port } = scene();
    let bad = wire::Send { export: 3, once: true, ..with_right(right::Right::Yours(99)) };
    w.forge(link, NODE, Kind::Send(bad), Payload::default());
    assert_eq!(w.drain(NODE, port), [71]);
}

fn small() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..8u64, 1 => 60..70u64, 1 => any::<u64>()]
}

fn any_right() -> impl Strategy<Value = wire::Right> {
    let some = prop_oneof![
        any::<bool>().prop_map(right::Right::Null),
        any::<bool>().prop_map(right::Right::Dead),
        small().prop_map(|e| right::Right::Send(grant(e))),
        small().prop_map(|e| right::Right::SendOnce(grant(e))),
        small().prop_map(right::Right::Yours),
        small().prop_map(right::Right::YoursOnce),
    ];
    proptest::option::weighted(0.98, some).prop_map(|right| wire::Right { right })
}

/// A body that is typed, or is not, with about as many rights as it has slots.
fn any_body() -> impl Strategy<Value = (Bytes, Vec<wire::Right>)> {
    let mangled = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let bytes = prop_oneof![9 => (0..4usize).prop_map(slots), 1 => mangled];
    (bytes, proptest::collection::vec(any_right(), 0..4), any::<bool>()).prop_map(|(body, mut rights, fit)| {
        if fit {
            let number = body.len().saturating_sub(8) / 8;
            rights.resize(number, wire::Right { right: Some(right::Right::Null(true)) });
        }
        (body, rights)
    })
}

fn any_frame() -> impl Strategy<Value = Kind> {
    let send = (
        (small(), small(), small(), any::<i32>(), any::<bool>()),
        proptest::option::of(any_right()),
        any_body(),
        prop_oneof![20 => Just(0), 1 => any::<u64>()],
        prop_oneof![20 => Just(0), 1 => any::<u64>()],
        proptest::bool::weighted(0.9),
    );
    // Mostly frames that get past the first checks, or nothing beyond those would be reached.
    let send = (send, 0..4u8).prop_map(
        |(((export, seq, after, id, once), reply, (body, rights), body_length, memory_length, complex), tame)| {
            let (export, seq) = if tame > 0 { (export % 5, seq % 6) } else { (export, seq) };
            let after = if tame > 0 { after % (seq + 1) } else { after };
            wire::Send {
                export,
                seq,
                after,
                id,
                once,
                reply,
                complex,
                body,
                body_length,
                memory_length,
                rights,
                trace: 0,
            }
        },
    );
    prop_oneof![
        10 => send.prop_map(Kind::Send),
        2 => (small(), small()).prop_map(|(export, through)| Kind::Delivered(wire::Delivered { export, through })),
        3 => (small(), small(), small(), small()).prop_map(|(export, granted, sent, returned)| {
            Kind::Release(wire::Release { export, granted, sent, returned })
        }),
        3 => (small(), small()).prop_map(|(export, granted)| Kind::PortDead(wire::PortDead { export, granted })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn netmsg_hostile_12_no_frame_does_more_than_close_its_link(
        frames in proptest::collection::vec((any_frame(), any::<bool>()), 1..24),
    ) {
        let Scene { mut w, mut link, port } = scene();
        let [ports, names] = w.nodes[NODE].size();
        // Entries 2 and 3, of which entry 2 is held for node 2 as well.
        let names = names - 2;
        for (kind, read) in frames {
            w.forge(link, NODE, kind, Payload::default());
            w.check();
            // What node 0 answers is lost: node 1 would find fault with a peer that answers what it never said.
            w.flights.retain(|f| f.to == NODE);
            if read && let Some(m) = w.nodes[NODE].receive(port) {
                w.nodes[NODE].give_up(&m);
            }
            w.pump(NODE);
            w.flights.retain(|f| f.to == NODE);
            if !w.closed.is_empty() {
                w.closed.clear();
                link = w.connect(NODE, 1);
                w.settle();
            }
        }
        // Whatever it did, nothing is left of it once the link is gone and the port is read out.
        w.cut(link);
        w.settle();
        w.nodes[NODE].destroy_port(port);
        w.settle();
        let task = w.nodes[NODE].task;
        for (name, bits) in w.nodes[NODE].ipc.names(task).unwrap() {
            if bits & proto::RightType::Receive.type_bit() == 0 {
                w.nodes[NODE].destroy(name);
            }
        }
        w.settle();
        let expected = [ports - 2, names - 1];
        prop_assert_eq!(w.nodes[NODE].size(), expected, "without the port and the proxy for node 1's name server");
    }
}
