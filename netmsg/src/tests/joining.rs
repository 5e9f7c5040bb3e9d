//! Machines with a token, good and bad.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn seed_of(cluster: &Cluster) -> TestNode {
    let authority = Some(cluster.authority.clone());
    start(NetConfig { authority, ..cluster.config("alpha", 1, &[]) })
}

async fn refused(seed: &TestNode, token: &JoinToken, node: &str) -> JoinRefused {
    match join(seed.address(), token, &name(node), PATIENCE).await {
        Err(JoinError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_machine_with_a_token_becomes_a_node() {
    local(async {
        let cluster = Cluster::new();
        let seed = seed_of(&cluster);
        let token: JoinToken = cluster.authority.token(HOUR).to_string().parse().unwrap();
        let joined = join(seed.address(), &token, &name("beta"), PATIENCE).await.unwrap();
        assert_eq!(joined.identity.name().unwrap(), name("beta"));
        assert_eq!(joined.members, [(name("alpha"), seed.address())]);
        let seeds: Vec<SocketAddr> = joined.members.iter().map(|(_, a)| *a).collect();
        let b = start(NetConfig { identity: joined.identity, ..cluster.config("beta", 1, &seeds) });
        linked(&seed, &b).await;
        // A third one learns of both.
        let joined = join(seed.address(), &token, &name("gamma"), PATIENCE).await.unwrap();
        let names: Vec<&str> = joined.members.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["alpha", "beta"]);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn bad_tokens_and_names_are_refused_with_the_reason() {
    local(async {
        let (cluster, other) = (Cluster::new(), Cluster::new());
        let seed = seed_of(&cluster);
        let token = cluster.authority.token(HOUR);
        let forged = JoinToken { expires: token.expires + 1, ..token.clone() };
        assert_eq!(refused(&seed, &forged, "beta").await, JoinRefused::BadToken);
        let stolen = JoinToken { ca_hash: token.ca_hash, ..other.authority.token(HOUR) };
        assert_eq!(refused(&seed, &stolen, "beta").await, JoinRefused::BadToken);
        let over = cluster.authority.token(Duration::ZERO);
        assert_eq!(refused(&seed, &over, "beta").await, JoinRefused::Expired);
        assert_eq!(refused(&seed, &token, "alpha").await, JoinRefused::NameTaken);
        join(seed.address(), &token, &name("beta"), PATIENCE).await.unwrap();
        assert_eq!(refused(&seed, &token, "beta").await, JoinRefused::NameTaken);
        // And the seed goes on.
        join(seed.address(), &token, &name("gamma"), PATIENCE).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_joiner_does_not_show_its_token_to_another_cluster() {
    local(async {
        let (cluster, other) = (Cluster::new(), Cluster::new());
        let impostor = seed_of(&other);
        let error =
            join(impostor.address(), &cluster.authority.token(HOUR), &name("beta"), PATIENCE).await.unwrap_err();
        assert!(matches!(error, JoinError::WrongCluster(_)), "{error:?}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_without_the_authority_says_so() {
    local(async {
        let cluster = Cluster::new();
        let node = cluster.node("alpha", 1, &[]);
        let error = join(node.address(), &cluster.authority.token(HOUR), &name("beta"), PATIENCE).await.unwrap_err();
        assert!(matches!(error, JoinError::NoAuthority(_)), "{error:?}");
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn nobody_there_is_an_error_in_time() {
    local(async {
        let cluster = Cluster::new();
        let nobody = std::net::UdpSocket::bind(loopback()).unwrap();
        let (start, timeout) = (Instant::now(), Duration::from_millis(400));
        let address = nobody.local_addr().unwrap();
        let error = join(address, &cluster.authority.token(HOUR), &name("beta"), timeout).await.unwrap_err();
        assert!(matches!(error, JoinError::Unreachable { .. }), "{error:?}");
        assert!(start.elapsed() < timeout * 5);
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_node_with_the_authority_still_links_only_with_certificates() {
    local(async {
        let (cluster, other) = (Cluster::new(), Cluster::new());
        let seed = seed_of(&cluster);
        let foreign = other.node("beta", 1, &[seed.address()]);
        tokio::time::sleep(DEAD_AFTER).await;
        assert!(seed.net.members().is_empty() && foreign.net.members().is_empty());
        super::garbage::without_a_certificate_there_is_no_link(&cluster, &seed).await;
    })
    .await;
}
