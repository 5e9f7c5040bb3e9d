//! What a node tells of itself: trace ids in its log, metrics, its memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mach_tests::processes::{Nodes, metric_of};
use mach_tests::wait_until;
use serde_json::Value;

use crate::{PAGE, all_readable, contents};

/// Resident memory of a node that does nothing.
const IDLE_BYTES_MAX: u64 = 32 << 20;

/// The trace ids of a log's events with this message.
fn traces(log: &str, message: &str) -> Vec<u64> {
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = events.filter(|event| event["message"] == message);
    events.filter_map(|event| event["trace"].as_u64()).filter(|trace| *trace != 0).collect()
}

#[test]
fn the_trace_id_of_a_fault_is_in_the_logs_of_both_nodes() {
    let nodes = Nodes::with(2, &["--log", "info,kernel_node=trace", "--log-format", "json"]);
    let bytes = contents(64 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mapping = nodes.map(2, "data", false);
    all_readable(&mapping, &bytes, [40]);
    let faults = traces(&nodes.log(2), "fault");
    assert_eq!(faults.len(), 1, "one fault");
    for (number, message) in
        [(2, "message out"), (1, "message in"), (1, "pager"), (1, "message out"), (2, "message in")]
    {
        let there = || traces(&nodes.log(number), message).contains(&faults[0]).then_some(());
        wait_until(Duration::from_secs(2), &format!("`{message}` with the fault's id at n{number}"), there);
    }
    wait_until(Duration::from_secs(2), "the end of the fault with its id", || {
        traces(&nodes.log(2), "fault served").contains(&faults[0]).then_some(())
    });
}

/// Everything that an HTTP server answers.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the endpoint listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn metrics_grow_with_what_was_done() {
    let nodes = Nodes::with(2, &["--metrics", "127.0.0.1:0"]);
    let bytes = contents(200 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let grow = [
        "mach_fault_seconds_count",
        "mach_pages_in_total",
        "mach_link_page_bytes_in_total",
        "mach_ports",
        "mach_tasks",
    ];
    let text = |number| nodes.mach(number, &["node", "metrics"]).ok().text();
    let before = text(2);
    let mapping = nodes.map(2, "data", true);
    all_readable(&mapping, &bytes, (0..200).rev());
    mapping.write_at(0, b"x").expect("it is writable");
    mapping.flush(0..1).expect("a flush");
    let after = text(2);
    for name in grow {
        let (was, is) = (metric_of(&before, name), metric_of(&after, name));
        assert!(is > was, "{name} was {was} and is {is}\n{after}");
    }
    assert_eq!(metric_of(&after, "mach_pages_in_total"), 200.0);
    assert!(after.contains("mach_fault_seconds_bucket{class=\""), "{after}");
    assert!(metric_of(&after, "mach_pages_out_total") >= 1.0, "{after}");
    assert!(metric_of(&text(1), "mach_link_page_bytes_out_total") >= (200 * PAGE) as f64);

    let address = nodes.info(2).metrics_address;
    let scraped = get(&address, "/metrics");
    assert!(scraped.starts_with("HTTP/1.1 200"), "{scraped}");
    // Gauges are brought up to date from time to time.
    wait_until(Duration::from_secs(5), "a scrape with the counters", || {
        let scraped = get(&address, "/metrics");
        let faults = metric_of(&scraped, "mach_fault_seconds_count") >= metric_of(&after, "mach_fault_seconds_count");
        (faults && metric_of(&scraped, "mach_pages_in_total") == 200.0).then_some(())
    });
    assert!(get(&address, "/").starts_with("HTTP/1.1 404"), "nothing else is served");
}

#[test]
fn an_idle_node_takes_little_memory() {
    let nodes = Nodes::start(3);
    std::thread::sleep(Duration::from_secs(1));
    for number in 1..=3 {
        let resident = nodes.info(number).resident_bytes;
        println!("n{number}: {resident} bytes");
        assert!(resident > 0 && resident < IDLE_BYTES_MAX, "n{number} has {resident} bytes resident");
    }
}
