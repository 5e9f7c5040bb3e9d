//! Who may be a node: those with a certificate of the authority, or with its token.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mach_tests::processes::{Nodes, free_port, make_authority};
use mach_tests::{Answer, mach_binary, run};

use crate::contents;

/// How long an intruder tries.
const TRIES: Duration = Duration::from_secs(4);

/// A cluster of one node that admits others, with a small object.
fn admitting() -> (Nodes, String) {
    let nodes = Nodes::admitting();
    nodes.export(1, &nodes.file("data", &contents(5000)), "data", false);
    let token = make_authority(&nodes.folder().join("cluster"), &[]);
    (nodes, token)
}

/// Runs a node for a while, or until it gives up.
fn node(folder: &Path, address: SocketAddr, words: &[&str]) -> Answer {
    let (binary, join) = (mach_binary().display().to_string(), address.to_string());
    let (socket, listen) = (folder.join("x.sock"), free_port().local_addr().expect("it is bound").to_string());
    let fixed = ["-s", "TERM", &TRIES.as_secs().to_string(), &binary, "node", "run", "--listen", &listen];
    let socket = socket.display().to_string();
    let all = [&["timeout"][..], &fixed, &["--join", &join, "--socket", &socket], words].concat();
    // The inner `timeout` ends one that serves on; the outer one must not.
    run_both(&all)
}

fn run_both(words: &[&str]) -> Answer {
    let inner = ["sh", "-c", "\"$@\"; code=$?; [ $code = 124 ] && exit 99; exit $code", "sh"];
    run(TRIES + Duration::from_secs(10), &[&inner[..], words].concat())
}

/// Exit code of a node that ran until it was ended.
const RAN_ON: Option<i32> = Some(99);

#[test]
fn the_right_token_admits_a_node() {
    let (nodes, token) = admitting();
    let dir = nodes.folder().join("joiner");
    let mut command = Command::new(mach_binary());
    command.args(["node", "run", "--name", "joiner", "--listen", "127.0.0.1:0", "--token", &token]);
    command.arg("--dir").arg(&dir).arg("--socket").arg(nodes.folder().join("j.sock"));
    command.args(["--join", &nodes.address(1).to_string()]).stdin(Stdio::null());
    let joiner = mach_tests::Talk::with(command);
    nodes.wait_until_sees(1, 2);
    let socket = nodes.folder().join("j.sock").display().to_string();
    let binary = mach_binary().display().to_string();
    let read = run(TRIES * 2, &[&binary, "map", "data", "--socket", &socket, "--read", "0+5000"]).ok();
    assert!(read.stdout == contents(5000));
    drop(joiner);
}

#[test]
fn a_token_of_another_authority_is_refused_with_a_reason() {
    let (nodes, _) = admitting();
    let token = make_authority(&nodes.folder().join("other"), &[]);
    let dir = nodes.folder().join("x").display().to_string();
    let words = ["--name", "x", "--dir", &dir, "--token", &token];
    let refused = node(nodes.folder(), nodes.address(1), &words);
    assert!(refused.code != Some(0) && refused.code != RAN_ON, "{refused:?}");
    assert!(refused.stderr.contains("token"), "{}", refused.stderr);
    nobody_came(&nodes);
}

#[test]
fn an_expired_token_is_refused_with_a_reason() {
    let (nodes, _) = admitting();
    let authority = netmsg::Authority::load(&nodes.folder().join("cluster/authority")).expect("the authority");
    let token = authority.token(Duration::from_secs(1)).to_string();
    std::thread::sleep(Duration::from_millis(2100));
    let dir = nodes.folder().join("x").display().to_string();
    let refused = node(nodes.folder(), nodes.address(1), &["--name", "x", "--dir", &dir, "--token", &token]);
    assert!(refused.code != Some(0) && refused.code != RAN_ON, "{refused:?}");
    assert!(refused.stderr.contains("expired"), "{}", refused.stderr);
    nobody_came(&nodes);
}

#[test]
fn what_is_no_token_is_refused_with_a_reason() {
    let (nodes, token) = admitting();
    let dir = nodes.folder().join("x").display().to_string();
    for wrong in ["mach1-", "nonsense", &token[..token.len() - 3]] {
        let refused = node(nodes.folder(), nodes.address(1), &["--name", "x", "--dir", &dir, "--token", wrong]);
        assert!(refused.code != Some(0) && refused.code != RAN_ON, "{refused:?}");
        assert!(refused.stderr.contains("token"), "{}", refused.stderr);
    }
    nobody_came(&nodes);
}

#[test]
fn a_node_of_another_authority_gets_no_byte() {
    let (nodes, _) = admitting();
    make_authority(&nodes.folder().join("other"), &["n1".to_owned(), "x".to_owned()]);
    for name in ["x", "n1"] {
        let config = nodes.folder().join("other").join(name).join("node.toml").display().to_string();
        let dir = nodes.folder().join("other").join(name).display().to_string();
        let intruder = node(nodes.folder(), nodes.address(1), &["--config", &config, "--dir", &dir]);
        let said = intruder.text() + &intruder.stderr;
        assert!(said.contains("ready") && said.contains("invalid peer certificate"), "it tried, and was told: {said}");
        assert!(!said.contains("link up"), "{said}");
    }
    nobody_came(&nodes);
}

/// Nobody but the node itself is in the cluster, and no message or page went out.
fn nobody_came(nodes: &Nodes) {
    nodes.wait_until_sees(1, 1);
    assert!(!nodes.log(1).contains("link up"), "{}", nodes.log(1));
    for counter in ["mach_link_messages_out_total", "mach_link_page_bytes_out_total", "mach_link_bytes_sent_total"] {
        assert_eq!(nodes.metric(1, counter), 0.0, "{counter}");
    }
}
