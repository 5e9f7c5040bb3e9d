//! Clusters whose nodes have machines of their own: the same scenarios in containers and in network namespaces.
//!
//! Tasks are `mach demo-task`: a process on the host that maps an object and does as it is told, a line at a time.

use std::time::Duration;

use mach_tests::{Cluster, DEAD_AFTER, FAULT_DEADLINE, Host, Talk, wait_until};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PAGE: usize = 4096;
/// What a command may take beside what is measured, on two busy processors.
const SLACK: Duration = Duration::from_secs(6);

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod containers {
            $(#[test]
            #[ignore = "starts containers: run by `cargo xtask test`"]
            fn $name() {
                super::$name(&mach_tests::Cluster::in_containers(super::short(stringify!($name)), 3));
            })*
        }
        mod netns {
            $(#[test]
            #[ignore = "makes network namespaces: run by `cargo xtask test`"]
            fn $name() {
                super::$name(&mach_tests::Cluster::in_namespaces(super::short(stringify!($name)), 3));
            })*
        }
    };
}

scenarios! {
    an_object_is_mapped_on_other_machines,
    a_write_is_seen_elsewhere_and_reaches_the_file,
    a_killed_exporter_means_memory_errors,
    a_cut_exporter_means_memory_errors_until_it_is_mapped_again,
    a_pause_shorter_than_the_deadline_is_only_a_wait,
}

/// The name of a test as a part of the names of its containers.
fn short(name: &str) -> &str {
    name.split('_').nth(1).unwrap_or(name)
}

/// Bytes of which no two pages are alike, so that a page in a wrong place is noticed.
fn contents(pages: usize) -> Vec<u8> {
    (0..pages * PAGE).map(|i| ((i / PAGE) as u64 * 31 + (i % PAGE) as u64 * 7 + (i / 251) as u64) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Exports `bytes` as object `name` on host 1.
fn export(cluster: &Cluster, name: &str, bytes: &[u8], writable: bool) {
    let path = cluster.host(1).put(name, bytes);
    let mut words = vec!["export", &path, "--name", name];
    words.extend(writable.then_some("--writable"));
    cluster.host(1).mach(&words).ok();
}

/// A task on a host, with the object mapped.
fn task(host: &dyn Host, name: &str, writable: bool) -> Talk {
    let mut task = host.talk(&["demo-task", "--socket", &host.socket()]);
    let report = ask(&mut task, json!({"order": "map", "name": name, "writable": writable}), SLACK);
    assert_eq!(report["report"], "mapped", "{report}");
    task
}

/// Gives an order and hears the report that ends it.
#[track_caller]
fn ask(task: &mut Talk, order: Value, limit: Duration) -> Value {
    task.say(&order.to_string());
    loop {
        let line = task.hear(limit).expect("the task goes on");
        let report: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        if report["report"] != "progress" {
            return report;
        }
    }
}

/// Reads every page and checks: what can be read is the file's, what cannot is reported in time. Answers the pages that
/// could not be read.
#[track_caller]
fn survey(task: &mut Talk, bytes: &[u8], longest: Duration) -> Vec<usize> {
    let report = ask(task, json!({"order": "survey"}), Duration::from_secs(120));
    let unreadable = report["unreadable"].as_array().unwrap_or_else(|| panic!("{report}"));
    let unreadable: Vec<usize> = unreadable.iter().map(|n| n.as_u64().expect("a page") as usize).collect();
    let readable: Vec<u8> =
        bytes.chunks(PAGE).enumerate().filter(|(n, _)| !unreadable.contains(n)).flat_map(|(_, p)| p.to_vec()).collect();
    assert_eq!(report["sha256"], sha256(&readable), "a page that is not the file's");
    let took = Duration::from_nanos(report["longest_ns"].as_u64().expect("a time"));
    assert!(took <= longest, "a read took {took:?}");
    unreadable
}

/// Maps and hashes the whole object on a host.
fn hash_on(host: &dyn Host, name: &str) -> String {
    let answer = host.mach(&["map", name, "--sha256"]).ok().text();
    answer.split_whitespace().find(|word| word.len() == 64).unwrap_or_else(|| panic!("no hash: {answer}")).to_owned()
}

fn an_object_is_mapped_on_other_machines(cluster: &Cluster) {
    let bytes = contents(1024);
    export(cluster, "data", &bytes, false);
    for number in [2, 3] {
        assert_eq!(hash_on(cluster.host(number), "data"), sha256(&bytes));
    }
    let part = cluster.host(2).mach(&["map", "data", "--read", "8191+4098"]).ok();
    assert_eq!(part.stdout, bytes[8191..8191 + 4098]);
    let missing = cluster.host(2).mach(&["map", "nothing-of-this-name", "--sha256"]);
    assert_ne!(missing.code, Some(0));
    assert!(missing.stderr.contains("nothing-of-this-name"), "{}", missing.stderr);
}

fn a_write_is_seen_elsewhere_and_reaches_the_file(cluster: &Cluster) {
    let mut bytes = contents(64);
    export(cluster, "data", &bytes, true);
    let mut reader = task(cluster.host(3), "data", true);
    assert!(survey(&mut reader, &bytes, FAULT_DEADLINE).is_empty());
    let mut writer = task(cluster.host(2), "data", true);
    let at = 5 * PAGE + 17;
    bytes[at..at + 3].copy_from_slice(b"abc");
    let done = ask(&mut writer, json!({"order": "write", "offset": at, "bytes": "616263"}), FAULT_DEADLINE + SLACK);
    assert_eq!(done["report"], "done", "{done}");
    let seen = json!({"order": "await", "offset": at, "bytes": "616263", "limit_ms": 4000});
    assert_eq!(ask(&mut reader, seen, FAULT_DEADLINE + SLACK)["report"], "done");
    assert!(survey(&mut reader, &bytes, FAULT_DEADLINE).is_empty());
    let file = std::fs::read(cluster.host(1).data().join("data")).expect("the file that was exported");
    assert_eq!(sha256(&file), sha256(&bytes), "the write is in the file when it is done");
}

fn a_killed_exporter_means_memory_errors(cluster: &Cluster) {
    let bytes = contents(2048);
    export(cluster, "data", &bytes, false);
    let mut reader = task(cluster.host(2), "data", false);
    let read = ask(&mut reader, json!({"order": "random", "count": 200, "seed": 7}), Duration::from_secs(30));
    assert_eq!(read["report"], "read", "{read}");
    cluster.host(1).kill();
    let unreadable = survey(&mut reader, &bytes, FAULT_DEADLINE + SLACK);
    assert!(!unreadable.is_empty() && unreadable.len() <= 2048 - 200, "{} pages are missing", unreadable.len());
    cluster.wait_until_sees(3, 2);

    cluster.host(1).start();
    (1..=3).for_each(|n| cluster.wait_until_sees(n, 3));
    export(cluster, "data", &bytes, false);
    assert_eq!(hash_on(cluster.host(2), "data"), sha256(&bytes), "a new incarnation serves it again");
    assert!(!survey(&mut reader, &bytes, FAULT_DEADLINE + SLACK).is_empty(), "the old mapping stays dead");
}

fn a_cut_exporter_means_memory_errors_until_it_is_mapped_again(cluster: &Cluster) {
    let bytes = contents(2048);
    export(cluster, "data", &bytes, false);
    let mut reader = task(cluster.host(2), "data", false);
    let read = ask(&mut reader, json!({"order": "random", "count": 200, "seed": 8}), Duration::from_secs(30));
    assert_eq!(read["report"], "read", "{read}");
    cluster.host(1).cut();
    let unreadable = survey(&mut reader, &bytes, FAULT_DEADLINE + SLACK);
    assert!(!unreadable.is_empty(), "a page cannot come over a cut link");
    cluster.wait_until_sees(2, 2);
    cluster.wait_until_sees(1, 1);

    cluster.host(1).heal();
    (1..=3).for_each(|n| cluster.wait_until_sees(n, 3));
    let again = || cluster.host(2).mach(&["map", "data", "--sha256"]).text().contains(&sha256(&bytes)).then_some(());
    wait_until(DEAD_AFTER + SLACK, "the object is there again", again);
}

fn a_pause_shorter_than_the_deadline_is_only_a_wait(cluster: &Cluster) {
    let bytes = contents(1024);
    export(cluster, "data", &bytes, false);
    let mut reader = task(cluster.host(2), "data", false);
    cluster.host(1).pause();
    reader.say(&json!({"order": "survey"}).to_string());
    std::thread::sleep(DEAD_AFTER / 4);
    cluster.host(1).resume();
    let line = reader.hear(Duration::from_secs(60)).expect("the task goes on");
    let report: Value = serde_json::from_str(&line).expect("a report");
    assert_eq!((&report["unreadable"], &report["sha256"]), (&json!([]), &json!(sha256(&bytes))));
}
