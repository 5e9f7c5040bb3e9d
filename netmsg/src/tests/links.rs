//! Links between nodes that behave: up, frames both ways, order, priority, down.

use proto::limits::BULK_BYTES_MIN;
use proto::wire::link::{Delivered, PortDead, Release};

use super::*;

#[tokio::test(flavor = "current_thread")]
async fn two_nodes_make_one_link() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 2, &[a.address()]);
        linked(&a, &b).await;
        let peer = b.log.find(|e| if let Event::Up(_, p) = e { Some(p.clone()) } else { None }).unwrap();
        assert_eq!(peer, Peer { name: name("alpha"), incarnation: Incarnation(1), address: a.address() });
        tokio::time::sleep(DEAD_AFTER).await;
        for node in [&a, &b] {
            assert_eq!(node.log.count(|e| matches!(e, Event::Up(..))), 1);
            assert_eq!(node.log.downs(), []);
        }
        assert_eq!(a.state_of("beta"), Some(MemberState::Alive));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn nodes_that_dial_each_other_at_the_same_time_make_one_link() {
    local(async {
        let cluster = Cluster::new();
        for round in 0..8 {
            let a = cluster.node("alpha", 1, &[]);
            let b = cluster.node("beta", 1, &[a.address()]);
            a.net.connect(b.address());
            linked(&a, &b).await;
            tokio::time::sleep(DEAD_AFTER / 5).await;
            assert!(a.link_to(&b).is_some() && b.link_to(&a).is_some());
            for node in [&a, &b] {
                assert_eq!(node.log.count(|e| matches!(e, Event::Up(..))), 1, "round {round}");
                assert_eq!(node.log.downs(), [], "round {round}");
            }
            a.net.shutdown().await;
            b.net.shutdown().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn frames_small_and_large_arrive_whole_both_ways() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let sizes = [0, 1, 4096, BULK_BYTES_MIN - 1, BULK_BYTES_MIN, 1 << 20, (1 << 20) + 7];
        for (from, to) in [(&a, &b), (&b, &a)] {
            let link = from.link_to(to).unwrap();
            for (seq, size) in sizes.into_iter().enumerate() {
                from.net.send(link, message(seq as u64, size), pattern(size, seq));
            }
            until("all messages", || to.log.received().len() == sizes.len()).await;
            let mut got = to.log.received();
            got.sort_by_key(|(frame, _)| seq_of(frame));
            for (seq, size) in sizes.into_iter().enumerate() {
                assert_eq!(got[seq], (message(seq as u64, size), pattern(size, seq)), "{size} bytes");
            }
        }
        let info = &a.net.members()[0];
        assert!(info.bytes_sent > 2 << 20 && info.bytes_received > 2 << 20, "{info:?}");
        assert!(info.frames_received >= sizes.len() as u64 && info.rtt.is_some());
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn small_frames_keep_their_order_and_their_kind() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let link = b.link_to(&a).unwrap();
        let kinds = [
            Kind::Delivered(Delivered { export: 1, through: 2 }),
            Kind::Release(Release { export: 3, granted: 4, sent: 5, returned: 6 }),
            Kind::PortDead(PortDead { export: 7, granted: 8 }),
        ];
        for kind in &kinds {
            b.net.send(link, Frame { kind: Some(kind.clone()) }, Payload::default());
        }
        for seq in 0..2000 {
            b.net.send(link, message(seq, 100), pattern(100, seq as usize));
        }
        until("all frames", || a.log.received().len() == kinds.len() + 2000).await;
        let got = a.log.received();
        assert!(got.iter().zip(&kinds).all(|((frame, _), kind)| frame.kind.as_ref() == Some(kind)));
        assert!(got[kinds.len()..].iter().map(|(f, _)| seq_of(f)).eq(0..2000));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_small_frame_overtakes_bulk() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let link = a.link_to(&b).unwrap();
        for seq in 0..4 {
            a.net.send(link, message(seq, 4 << 20), pattern(4 << 20, 0));
        }
        a.net.send(link, message(99, 4096), pattern(4096, 1));
        until("all messages", || b.log.received().len() == 5).await;
        let order: Vec<u64> = b.log.received().iter().map(|(f, _)| seq_of(f)).collect();
        assert_eq!(order[0], 99, "{order:?}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn bulk_gets_what_the_warm_stream_leaves() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let link = a.link_to(&b).unwrap();
        let (bulk, small, count) = (pattern(16 << 20, 0), pattern(16 << 10, 1), 256);
        for seq in 0..4 {
            a.net.send(link, message(seq, bulk.len()), bulk.clone());
        }
        let received = || b.net.members()[0].bytes_received;
        until("bulk to be under way", || received() > 1 << 20).await;
        let before = received();
        for seq in 0..count {
            a.net.send(link, message(1000 + seq, small.len()), small.clone());
        }
        let last = |e: &Event| matches!(e, Event::Frame(_, f, _) if seq_of(f) == 999 + count);
        until("the small ones", || b.log.count(last) == 1).await;
        let between = received() - before;
        // Had the five streams shared evenly, the small ones would have come with four times as much bulk.
        let warm = count * small.len() as u64;
        assert!(between < 5 * warm / 2, "{between} bytes until {warm} had come");
        until("the bulk", || b.log.received().len() == count as usize + 4).await;
        assert_eq!(a.net.queued_bytes(link), 0);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_link_closed_by_the_kernel_goes_down_on_both_sides_and_comes_back() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let first = a.link_to(&b).unwrap();
        a.net.close(first, "for a test");
        a.net.send(first, message(1, 0), Payload::default());
        until("both down", || a.log.downs().len() == 1 && b.log.downs().len() == 1).await;
        assert_eq!(a.log.downs(), [LinkDown::Asked("for a test".into())]);
        let LinkDown::ClosedByPeer { code, reason } = &b.log.downs()[0] else { panic!("{:?}", b.log.downs()) };
        assert_eq!(code.known(), Some(CloseCode::Asked));
        assert!(reason.contains("for a test"));
        linked(&a, &b).await;
        assert_ne!(a.link_to(&b).unwrap(), first);
        assert_eq!(b.log.received(), [], "nothing is sent after the end");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_that_shuts_down_has_left_and_is_not_dead() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        b.net.shutdown().await;
        assert_eq!(b.log.downs(), [LinkDown::Shutdown]);
        until("its leaving", || a.state_of("beta") == Some(MemberState::Left)).await;
        assert_eq!(a.log.downs(), [LinkDown::Left]);
        assert_eq!(a.log.count(|e| matches!(e, Event::Member(_, MemberState::Dead, _))), 0);
        // The same name in a new life is welcome.
        let again = cluster.node("beta", 2, &[a.address()]);
        linked(&a, &again).await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_takes_nothing_is_given_up() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let link = a.link_to(&b).unwrap();
        let payload = pattern(32 << 20, 0);
        for seq in 0..9 {
            a.net.send(link, message(seq, payload.len()), payload.clone());
        }
        until("the end of the link", || !a.log.downs().is_empty()).await;
        assert_eq!(a.log.downs()[0], LinkDown::Overloaded);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn the_path_is_found_to_carry_a_page_in_one_packet() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        until("discovery", || a.net.members()[0].mtu.is_some_and(|m| m > 4096 + 300)).await;
    })
    .await;
}

/// Two traps of a large MTU: batches that no UDP send can carry are lost whole, and a window below two packets makes each
/// wait for an acknowledgement that is delayed by 25 ms.
#[tokio::test(flavor = "current_thread")]
async fn a_64_kib_answer_after_pages_comes_without_a_pause() {
    local(async {
        let cluster = Cluster::new();
        let identity = cluster.authority.issue(&name("s")).unwrap();
        let server = raw::Server::bind(&identity, loopback(), MTU_MAX_DEFAULT).unwrap();
        let address = server.address().unwrap();
        tokio::task::spawn_local(async move { server.run().await });
        let identity = cluster.authority.issue(&name("c")).unwrap();
        let mut times = Vec::new();
        // A busy machine may spoil a round; what is wrong spoils every one.
        for _ in 0..8 {
            let mut client = raw::Client::connect(&identity, address, MTU_MAX_DEFAULT).await.unwrap();
            let deadline = Instant::now() + PATIENCE;
            while client.mtu() < MTU_MAX_DEFAULT - 100 {
                client.ask(100).await.unwrap();
                assert!(Instant::now() < deadline, "stuck at {}", client.mtu());
            }
            let start = Instant::now();
            assert_eq!(client.ask(64 << 10).await.unwrap(), 64 << 10);
            times.push(start.elapsed());
        }
        times.sort();
        assert!(times[0] < Duration::from_millis(10), "{times:?}");
    })
    .await;
}
