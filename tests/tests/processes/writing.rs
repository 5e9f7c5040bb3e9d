//! What is written on one node is seen on the others, and is in the file when it was flushed.

use std::time::{Duration, Instant};

use mach::Mapping;
use mach_tests::processes::{FAULT_DEADLINE, Nodes, SLACK, signal, within};

use crate::{PAGE, all_readable, contents, page};

/// Increments of each of two writers of one page.
const ROUNDS: u64 = 300;

#[test]
fn a_write_is_seen_on_another_node_and_in_the_file_after_flush() {
    let nodes = Nodes::start(3);
    let mut bytes = contents(40 * PAGE + 77);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", true);
    let (reader, writer) = (nodes.map(2, "data", true), nodes.map(3, "data", true));
    all_readable(&reader, &bytes, 0..41);
    for (at, written) in [(3 * PAGE - 2, &b"across"[..]), (40 * PAGE + 76, b"!"), (17, b"abc")] {
        writer.write_at(at as u64, written).expect("it is writable");
        bytes[at..at + written.len()].copy_from_slice(written);
        let seen = page(&reader, at / PAGE).expect("it is readable");
        assert!(seen == bytes[at / PAGE * PAGE..][..seen.len()], "the reader sees the write at {at} at once");
    }
    writer.flush(0..writer.len()).expect("a flush");
    assert!(
        std::fs::read(&path).expect("the file") == bytes,
        "what was flushed is in the file, and its size as before"
    );
    all_readable(&reader, &bytes, 0..41);
}

#[test]
fn a_node_that_ends_in_order_takes_back_what_was_not_flushed() {
    let nodes = Nodes::start(2);
    let mut bytes = contents(50 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", true);
    let (near, far) = (nodes.map(1, "data", true), nodes.map(2, "data", true));
    for (mapping, at) in [(&near, 3 * PAGE), (&far, 20 * PAGE)] {
        mapping.write_at(at as u64, b"not flushed").expect("it is writable");
        bytes[at..at + 11].copy_from_slice(b"not flushed");
    }
    // A node that ends kills the tasks whose memory it serves: this test must not be one of them.
    drop(near);
    signal("-TERM", nodes.pid(1));
    let deadline = Instant::now() + FAULT_DEADLINE + SLACK;
    while std::fs::read(&path).expect("the file") != bytes {
        assert!(Instant::now() < deadline, "the writes of both nodes are in the file");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_was_flushed_outlives_all_nodes() {
    let nodes = Nodes::start(2);
    let mut bytes = contents(600 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", true);
    let writer = nodes.map(2, "data", true);
    bytes.chunks_mut(PAGE).for_each(|page| page[100..104].copy_from_slice(b"new."));
    bytes.chunks(PAGE).enumerate().for_each(|(n, page)| {
        writer.write_at((n * PAGE + 100) as u64, &page[100..104]).expect("it is writable");
    });
    writer.flush(0..writer.len()).expect("a flush");
    nodes.kill(1);
    nodes.kill(2);
    assert!(std::fs::read(&path).expect("the file") == bytes);
}

#[test]
fn two_writers_of_one_page_lose_nothing() {
    let nodes = Nodes::start(3);
    let path = nodes.file("data", &[0; PAGE]);
    nodes.export(1, &path, "data", true);
    let writers = [(2, 0), (3, 8)].map(|(number, at)| {
        let mapping = nodes.map(number, "data", true);
        std::thread::spawn(move || {
            for round in 0..ROUNDS {
                assert_eq!(word(&mapping, at), round, "an increment was lost");
                mapping.write_at(at, &(round + 1).to_le_bytes()).expect("it is writable");
            }
            mapping
        })
    });
    let mappings = within(Duration::from_secs(60), "two writers", || writers.map(|w| w.join().expect("a writer")));
    for mapping in &mappings {
        assert_eq!((word(mapping, 0), word(mapping, 8)), (ROUNDS, ROUNDS));
    }
    mappings[0].flush(0..PAGE as u64).expect("a flush");
    let file = std::fs::read(&path).expect("the file");
    assert_eq!((&file[..8], &file[8..16]), (&ROUNDS.to_le_bytes()[..], &ROUNDS.to_le_bytes()[..]));
}

#[test]
fn what_a_killed_writer_had_flushed_is_there() {
    let nodes = Nodes::start(3);
    let mut bytes = contents(20 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let (reader, writer) = (nodes.map(2, "data", false), nodes.map(3, "data", true));
    writer.write_at(PAGE as u64, b"flushed").expect("it is writable");
    bytes[PAGE..PAGE + 7].copy_from_slice(b"flushed");
    writer.flush(0..writer.len()).expect("a flush");
    writer.write_at(5 * PAGE as u64, b"not flushed").expect("it is writable");
    nodes.kill(3);
    // Of what was not flushed either version is right, but a wait for the dead writer is not.
    let longest = all_readable(&reader, &bytes, (0..20).filter(|n| *n != 5));
    assert!(longest < FAULT_DEADLINE + SLACK, "{longest:?}");
    let five = page(&reader, 5).expect("a page whose writer died");
    assert!(five == bytes[5 * PAGE..6 * PAGE] || five.starts_with(b"not flushed"));
}

fn word(mapping: &Mapping, at: u64) -> u64 {
    let mut bytes = [0; 8];
    mapping.read_at(at, &mut bytes).expect("it is readable");
    u64::from_le_bytes(bytes)
}
