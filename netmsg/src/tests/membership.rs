//! Who is found, who is missed, who may come back.

use super::*;

/// The rule is `dead_after`; a machine that runs other tests as well is slower.
const MARGIN: u32 = 3;

async fn three(cluster: &Cluster) -> [TestNode; 3] {
    let a = cluster.node("alpha", 1, &[]);
    let b = cluster.node("beta", 1, &[a.address()]);
    let c = cluster.node("gamma", 1, &[a.address()]);
    linked(&a, &b).await;
    linked(&a, &c).await;
    linked(&b, &c).await;
    [a, b, c]
}

/// Waits until `by` has no link to and no hope for `whom`, and returns how long that took.
async fn declared_dead(by: &TestNode, whom: &str, since: Instant) -> Duration {
    until("the death", || by.state_of(whom) == Some(MemberState::Dead)).await;
    let events = by.log.events.borrow();
    let dead = |e: &Event| matches!(e, Event::Member(n, MemberState::Dead, _) if n.as_str() == whom);
    let at = events.iter().find(|(_, e)| dead(e)).unwrap().0;
    at - since
}

#[tokio::test(flavor = "current_thread")]
async fn three_nodes_find_each_other_through_one_seed() {
    local(async {
        let nodes = three(&Cluster::new()).await;
        tokio::time::sleep(DEAD_AFTER * 2).await;
        for node in &nodes {
            assert_eq!(node.log.count(|e| matches!(e, Event::Up(..))), 2);
            assert_eq!(node.log.downs(), [], "{}", node.name);
            assert!(node.net.members().iter().all(|m| m.state == MemberState::Alive && m.link.is_some()));
        }
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_that_vanishes_is_lost_and_dead_in_time() {
    local(async {
        let [a, b, c] = three(&Cluster::hasty()).await;
        tokio::time::sleep(DEAD_AFTER / 2).await;
        let cut = Instant::now();
        c.cable.cut();
        for by in [&a, &b] {
            let took = declared_dead(by, "gamma", cut).await;
            assert!(took < DEAD_AFTER * MARGIN, "{} took {took:?}", by.name);
            assert!(took > DEAD_AFTER / 3, "{} took {took:?}", by.name);
            until("the link's end", || by.link_to(&c).is_none()).await;
            assert_eq!(by.log.downs().len(), 1);
            assert!(matches!(by.log.downs()[0], LinkDown::Lost(_) | LinkDown::DeclaredDead), "{:?}", by.log.downs());
        }
        assert!(a.link_to(&b).is_some(), "the others stay linked");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn of_two_nodes_the_survivor_notices_too() {
    local(async {
        let cluster = Cluster::hasty();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        let cut = Instant::now();
        b.cable.cut();
        let took = declared_dead(&a, "beta", cut).await;
        assert!(took < DEAD_AFTER * MARGIN, "took {took:?}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_dead_life_is_refused_and_a_new_one_is_welcome() {
    local(async {
        let cluster = Cluster::hasty();
        let [a, b, c] = three(&cluster).await;
        c.cable.cut();
        declared_dead(&a, "gamma", Instant::now()).await;
        declared_dead(&b, "gamma", Instant::now()).await;
        let ups = || a.log.count(|e| matches!(e, Event::Up(..))) + b.log.count(|e| matches!(e, Event::Up(..)));
        let before = ups();
        // The same incarnation from another process: refused, and told so.
        let old = cluster.node("gamma", 1, &[a.address(), b.address()]);
        until("the refusal", || old.log.count(|e| *e == Event::DeclaredDead) == 1).await;
        tokio::time::sleep(DEAD_AFTER / 2).await;
        assert_eq!(ups(), before);
        assert_eq!(a.state_of("gamma"), Some(MemberState::Dead));
        old.net.shutdown().await;
        // A new incarnation is admitted.
        let new = cluster.node("gamma", 2, &[a.address()]);
        linked(&a, &new).await;
        linked(&b, &new).await;
        until("its life", || a.state_of("gamma") == Some(MemberState::Alive)).await;
    })
    .await;
}

/// Cuts `lost` off until it and the others hold each other for dead, and mends that.
async fn cut_off_for_long(lost: &TestNode, others: [&TestNode; 2]) {
    lost.log.next_life.set(Some(Incarnation(7)));
    lost.cable.cut();
    for other in others {
        declared_dead(other, lost.name.as_str(), Instant::now()).await;
        declared_dead(lost, other.name.as_str(), Instant::now()).await;
    }
    lost.cable.mend();
    for other in others {
        linked(other, lost).await;
        assert_eq!(other.log.count(|e| *e == Event::DeclaredDead), 0, "{}", other.name);
        let both = |e: &Event| matches!(e, Event::Up(_, p) if p.name != lost.name);
        assert_eq!(other.log.count(both), 1, "{}", other.name);
        until("peace", || other.net.members().iter().all(|m| m.state == MemberState::Alive)).await;
    }
    assert_eq!(lost.net.incarnation(), Incarnation(7));
    assert_eq!(lost.log.count(|e| *e == Event::DeclaredDead), 1);
}

// Who judges whom first depends on the order of names.
#[tokio::test(flavor = "current_thread")]
async fn a_node_cut_off_for_long_comes_back_in_a_new_life_and_the_others_keep_theirs() {
    local(async {
        let [a, b, c] = three(&Cluster::hasty()).await;
        cut_off_for_long(&c, [&a, &b]).await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn so_does_one_whose_name_sorts_first() {
    local(async {
        let [a, b, c] = three(&Cluster::hasty()).await;
        cut_off_for_long(&a, [&b, &c]).await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn two_nodes_that_lost_each_other_both_begin_anew() {
    local(async {
        let cluster = Cluster::hasty();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        a.log.next_life.set(Some(Incarnation(2)));
        b.log.next_life.set(Some(Incarnation(2)));
        linked(&a, &b).await;
        b.cable.cut();
        declared_dead(&a, "beta", Instant::now()).await;
        declared_dead(&b, "alpha", Instant::now()).await;
        b.cable.mend();
        linked(&a, &b).await;
        assert_eq!((a.net.incarnation(), b.net.incarnation()), (Incarnation(2), Incarnation(2)));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_broken_path_between_two_of_three_kills_nobody() {
    local(async {
        let [a, b, c] = three(&Cluster::hasty()).await;
        a.cable.cut_from(b.address());
        until("the link's end", || a.link_to(&b).is_none() && b.link_to(&a).is_none()).await;
        tokio::time::sleep(DEAD_AFTER * 3).await;
        for node in [&a, &b, &c] {
            assert_eq!(node.log.count(|e| matches!(e, Event::Member(_, MemberState::Dead, _))), 0, "{}", node.name);
            assert_eq!(node.log.count(|e| *e == Event::DeclaredDead), 0);
        }
        a.cable.mend();
        linked(&a, &b).await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_restarted_node_replaces_its_former_life_at_once() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        b.cable.cut();
        let start = Instant::now();
        let again = cluster.node("beta", 2, &[a.address()]);
        until("the new life", || again.link_to(&a).is_some()).await;
        assert!(start.elapsed() < CALM / 2, "{:?}", start.elapsed());
        assert_eq!(a.log.downs(), [LinkDown::Restarted]);
        let peer = a.log.events.borrow().iter().rev().find_map(|(_, e)| match e {
            Event::Up(_, peer) => Some(peer.clone()),
            _ => None,
        });
        assert_eq!(peer.unwrap().incarnation, Incarnation(2));
        until("the news", || a.net.members()[0].incarnation == Incarnation(2)).await;
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_newer_connection_of_the_same_life_replaces_the_older() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        b.cable.cut();
        let moved = cluster.node("beta", 1, &[a.address()]);
        until("the new link", || moved.link_to(&a).is_some()).await;
        assert_eq!(a.log.downs(), [LinkDown::Replaced]);
        assert_eq!(a.log.count(|e| matches!(e, Event::Up(..))), 2);
        assert_eq!(a.net.members().len(), 1);
        assert_eq!(a.net.members()[0].address, moved.address());
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_that_has_itself_as_seed_does_not_link_to_itself() {
    local(async {
        let cluster = Cluster::new();
        let a = cluster.node("alpha", 1, &[]);
        a.net.connect(a.address());
        let b = cluster.node("beta", 1, &[a.address()]);
        linked(&a, &b).await;
        tokio::time::sleep(DEAD_AFTER / 2).await;
        assert_eq!(a.net.members().len(), 1);
        assert_eq!(a.log.count(|e| matches!(e, Event::Up(..))), 1);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn eight_nodes_form_a_full_mesh() {
    local(async {
        let cluster = Cluster::new();
        let first = cluster.node("n0", 1, &[]);
        let seed = [first.address()];
        let nodes: Vec<TestNode> =
            std::iter::once(first).chain((1..8).map(|n| cluster.node(&format!("n{n}"), 1, &seed))).collect();
        let meshed = || nodes.iter().all(|n| n.net.members().iter().filter(|m| m.link.is_some()).count() == 7);
        until("the mesh", meshed).await;
    })
    .await;
}
