//! Nodes that are killed, and nodes that are cut off for a while: errors within the deadline, never zeroes, never a hang.

use std::time::{Duration, Instant};

use mach_tests::processes::{DEAD_AFTER, FAULT_DEADLINE, Nodes, SLACK, within};
use mach_tests::{Talk, wait_until};
use rand::Rng;

use crate::tasks::worker;
use crate::{PAGE, all_readable, contents, page, survey};

/// More than a reader of random pages gets through before the exporter dies.
const PAGES: usize = 2048;

#[test]
fn a_killed_exporter_is_a_memory_error_in_time() {
    let nodes = Nodes::start(2);
    let bytes = contents(PAGES * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mapping = nodes.map(2, "data", false);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let expected = bytes.clone();
    let reader = std::thread::spawn(move || {
        let mut random = rand::rng();
        let mut read = Vec::new();
        loop {
            let number = random.random_range(0..PAGES);
            match page(&mapping, number) {
                Ok(seen) => assert!(seen == expected[number * PAGE..][..PAGE], "page {number} is not the file's"),
                Err(_) => return (mapping, read, Instant::now()),
            }
            read.push(number);
            if read.len() == 50 {
                ready.send(()).expect("the test waits");
            }
        }
    });
    is_ready.recv_timeout(SLACK).expect("fifty pages");
    nodes.kill(1);
    let killed = Instant::now();
    let (mapping, read, failed) = within(FAULT_DEADLINE + SLACK, "a memory error", || reader.join().expect("a reader"));
    let took = failed.duration_since(killed);
    assert!(took < FAULT_DEADLINE + Duration::from_secs(1), "the error came after {took:?}");
    all_readable(&mapping, &bytes, read);
    let (errors, longest) = survey(&mapping, &bytes, 0..PAGES);
    assert!(!errors.is_empty() && errors.len() <= PAGES - 40, "{} errors", errors.len());
    assert!(longest < FAULT_DEADLINE + SLACK, "{longest:?}");
    nodes.assert_up(2);
}

#[test]
fn a_third_node_keeps_working_when_another_is_killed() {
    let nodes = Nodes::start(3);
    let bytes = contents(256 * PAGE);
    nodes.export(1, &nodes.file("a", &bytes), "a", false);
    nodes.export(3, &nodes.file("c", &bytes), "c", true);
    let (dying, staying) = (nodes.map(2, "a", false), nodes.map(2, "c", true));
    all_readable(&dying, &bytes, 0..10);
    nodes.kill(1);
    let longest = all_readable(&staying, &bytes, 0..256);
    assert!(longest < FAULT_DEADLINE, "a page of the living took {longest:?}");
    staying.write_at(0, b"x").expect("the living can be written");
    staying.flush(0..PAGE as u64).expect("a flush to the living");
    nodes.wait_until_sees(2, 2);
    nodes.wait_until_sees(3, 2);
    drop(nodes.map(3, "c", false));
    assert_eq!(nodes.mach(3, &["map", "a", "--read", "0+1"]).code, Some(3), "what the dead exported is not found");
}

#[test]
fn a_restarted_node_can_be_used_again() {
    let nodes = Nodes::start(2);
    let bytes = contents(256 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", false);
    let old = nodes.map(2, "data", false);
    all_readable(&old, &bytes, [3, 200]);
    let incarnation = nodes.info(1).incarnation;
    nodes.kill(1);
    nodes.wait_until_sees(2, 1);
    nodes.launch(1);
    nodes.wait_until_sees(1, 2);
    nodes.wait_until_sees(2, 2);
    assert!(nodes.info(1).incarnation > incarnation, "a new incarnation");
    nodes.export(1, &path, "data", false);
    all_readable(&nodes.map(2, "data", false), &bytes, 0..256);
    all_readable(&old, &bytes, [3, 200]);
    assert!(!survey(&old, &bytes, 0..256).0.is_empty(), "the old mapping stays dead");
}

#[test]
fn a_node_restarted_before_it_was_missed_is_another_incarnation() {
    let nodes = Nodes::start(2);
    let bytes = contents(256 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", false);
    let old = nodes.map(2, "data", false);
    all_readable(&old, &bytes, [3]);
    nodes.kill(1);
    nodes.launch(1);
    nodes.wait_until_sees(1, 2);
    let (errors, longest) = survey(&old, &bytes, [0, 255]);
    assert_eq!(errors, [0, 255], "the object of the dead incarnation is gone");
    assert!(longest < FAULT_DEADLINE + SLACK, "{longest:?}");
    nodes.wait_until_sees(2, 2);
    nodes.export(1, &path, "data", false);
    all_readable(&nodes.map(2, "data", false), &bytes, 0..256);
}

#[test]
fn a_killed_node_closes_the_memory_of_its_tasks() {
    let nodes = Nodes::start(2);
    let path = nodes.file("data", &contents(PAGES * PAGE));
    nodes.export(1, &path, "data", false);
    let mut task = worker(&nodes, 2, &["read", "data", &path.display().to_string()]);
    std::thread::sleep(Duration::from_millis(20));
    nodes.kill(2);
    let (readable, unreadable) = last_words(&mut task);
    assert!(readable > 0 && unreadable > 0, "{readable} readable, {unreadable} not");
}

#[test]
fn a_killed_node_closes_the_memory_of_a_task_that_waits_for_a_page() {
    let nodes = Nodes::start(2);
    let path = nodes.file("data", &contents(PAGES * PAGE));
    nodes.export(1, &path, "data", false);
    let mut task = worker(&nodes, 2, &["read", "data", &path.display().to_string()]);
    nodes.freeze(1);
    std::thread::sleep(Duration::from_millis(100));
    nodes.kill(2);
    let (_, unreadable) = last_words(&mut task);
    assert!(unreadable > 0);
}

#[test]
fn a_cut_longer_than_the_deadline_is_an_error_and_ends_with_rejoining() {
    let nodes = Nodes::start(3);
    let bytes = contents(256 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", false);
    let mapping = nodes.map(2, "data", false);
    all_readable(&mapping, &bytes, [7]);
    let incarnation = nodes.info(1).incarnation;
    nodes.freeze(1);
    let frozen = Instant::now();
    let (errors, longest) = survey(&mapping, &bytes, [7, 100, 101]);
    assert_eq!(errors, [100, 101], "what is resident stays readable, nothing else does");
    assert!(longest < FAULT_DEADLINE + Duration::from_secs(1), "an error came after {longest:?}");
    nodes.wait_until_sees(2, 2);
    nodes.wait_until_sees(3, 2);
    // Until then it may be suspect, and would be welcome as it is.
    std::thread::sleep((2 * DEAD_AFTER).saturating_sub(frozen.elapsed()));
    nodes.wake(1);
    wait_until(DEAD_AFTER + SLACK, "it learns that it had been declared dead", || {
        (nodes.info(1).incarnation > incarnation).then_some(())
    });
    (1..=3).for_each(|n| nodes.wait_until_sees(n, 3));
    assert!(nodes.log(1).contains("declared this node dead"), "and says so");
    let again = || nodes.mach(2, &["map", "data", "--read", "409600+4096"]);
    wait_until(DEAD_AFTER + SLACK, "a new mapping", || (again().stdout == bytes[409600..][..PAGE]).then_some(()));
    all_readable(&nodes.map(3, "data", false), &bytes, 0..256);
    assert_eq!(survey(&mapping, &bytes, [7, 100]).0, [100], "the old mapping stays dead");
}

#[test]
fn a_cut_shorter_than_the_deadline_is_only_a_wait() {
    let nodes = Nodes::start(3);
    let bytes = contents(256 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mut mapping = nodes.map(2, "data", false);
    let incarnation = nodes.info(1).incarnation;
    for round in 0..3 {
        nodes.freeze(1);
        let expected = bytes.clone();
        let reading = std::thread::spawn(move || {
            all_readable(&mapping, &expected, (0..80).map(|n| round * 80 + n));
            mapping
        });
        std::thread::sleep(DEAD_AFTER / 3);
        nodes.wake(1);
        mapping = within(SLACK, "the reader", || reading.join().expect("a reader"));
        std::thread::sleep(DEAD_AFTER / 2);
    }
    assert_eq!(nodes.info(1).incarnation, incarnation, "nobody declared it dead");
}

/// Decision 0004: a link is lost after a silence of half of `dead_after`, so that a death is told within all of it.
#[test]
fn a_cut_of_three_quarters_of_the_deadline_may_cost_the_mapping_and_nothing_else() {
    let nodes = Nodes::start(2);
    let bytes = contents(64 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mapping = nodes.map(2, "data", false);
    nodes.freeze(1);
    let expected = bytes.clone();
    let reading = std::thread::spawn(move || {
        let mut page = vec![0; PAGE];
        if mapping.read_at(30 * PAGE as u64, &mut page).is_ok() {
            assert_eq!(page, expected[30 * PAGE..31 * PAGE], "what is read is the file's, or it is an error");
        }
    });
    std::thread::sleep(DEAD_AFTER * 3 / 4);
    nodes.wake(1);
    within(SLACK, "the reader", || reading.join().expect("a reader"));
    for number in [1, 2] {
        nodes.wait_until_sees(number, 2);
    }
    all_readable(&nodes.map(2, "data", false), &bytes, [30]);
}

/// The end of a task whose memory failed: how many pages it can still read, all of them the file's, and how many not.
#[track_caller]
fn last_words(task: &mut Talk) -> (usize, usize) {
    assert_eq!(task.hear(FAULT_DEADLINE + SLACK).as_deref(), Some("error"));
    let line = task.hear(FAULT_DEADLINE + SLACK).expect("its last words");
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["readable", readable, "unreadable", unreadable] => {
            (readable.parse().expect("a number"), unreadable.parse().expect("a number"))
        }
        _ => panic!("{line}"),
    }
}
