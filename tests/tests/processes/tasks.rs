//! Tasks that are killed at any moment, many times: their node stays up, other tasks notice nothing, nothing is left.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mach_tests::Talk;
use mach_tests::processes::{FAULT_DEADLINE, Nodes, SLACK, within};
use rand::Rng;

use crate::{PAGE, all_readable, contents, page};

/// Tasks that die before the nodes' memory is measured, and after.
const WARM_UP: usize = 12;
const KILLED: usize = 24;
/// What a node may keep of them: its allocator's and the system's rounding, not something of each task.
const KEPT_BYTES_MAX: u64 = 4 << 20;
/// How long a node may take to notice the end of a task.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A task of the test's own kind, once it says that it is ready.
pub fn worker(nodes: &Nodes, number: usize, words: &[&str]) -> Talk {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mach-test-task"));
    command.arg(nodes.socket(number)).args(words);
    let mut talk = Talk::with(command);
    assert_eq!(talk.hear(Duration::from_secs(15)).as_deref(), Some("ready"));
    talk
}

/// Starts a task on n2 and kills it after some milliseconds, again and again, while another task there reads.
fn killed_again_and_again(nodes: &Nodes, words: &[&str]) {
    let bytes = contents(256 * PAGE);
    nodes.export(1, &nodes.file("witness", &bytes), "witness", false);
    let witness = nodes.map(2, "witness", false);
    all_readable(&witness, &bytes, 0..128);
    let stop = Arc::new(AtomicBool::new(false));
    let watching = stop.clone();
    let watcher = std::thread::spawn(move || {
        let mut longest = Duration::ZERO;
        for number in (0..256).cycle() {
            if watching.load(Ordering::Relaxed) {
                break;
            }
            let began = Instant::now();
            assert!(page(&witness, number).expect("the witness reads") == bytes[number * PAGE..][..PAGE]);
            longest = longest.max(began.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        (witness, longest)
    });
    let kill_some = |count: usize| {
        for _ in 0..count {
            let task = worker(nodes, 2, words);
            std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..40_000)));
            drop(task);
        }
    };
    let count = || [1, 2].map(|n| (nodes.info(n).tasks, nodes.info(n).ports));
    let before = count();
    let back = |what: &str| {
        let deadline = Instant::now() + GONE_WITHIN;
        while count() != before {
            assert!(
                Instant::now() < deadline,
                "{what}: (tasks, ports) of n1 and n2 were {before:?} and are {:?}",
                count()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    kill_some(WARM_UP);
    back("after the first tasks");
    let resident = [1, 2].map(|n| nodes.info(n).resident_bytes);
    kill_some(KILLED);
    back("after all tasks");
    let listed = nodes.mach(2, &["task", "ls", "--json"]).json();
    let listed: Vec<String> = listed.as_array().expect("a list").iter().map(|t| t["command"].to_string()).collect();
    assert!(listed.iter().all(|command| !command.contains("mach-test-task")), "{listed:?}");
    for number in [1, 2] {
        let (was, is) = (resident[number - 1], nodes.info(number).resident_bytes);
        assert!(is <= was + KEPT_BYTES_MAX, "n{number} had {was} resident bytes and has {is}");
        nodes.assert_up(number);
    }
    stop.store(true, Ordering::Relaxed);
    let (_, longest) = within(SLACK, "the witness", || watcher.join().expect("the witness noticed something"));
    assert!(longest < FAULT_DEADLINE, "a read of the witness took {longest:?}");
}

#[test]
fn tasks_killed_while_they_fault_leave_nothing() {
    let nodes = Nodes::start(2);
    let path = nodes.file("data", &contents(1024 * PAGE));
    nodes.export(1, &path, "data", false);
    killed_again_and_again(&nodes, &["read", "data", &path.display().to_string()]);
}

#[test]
fn tasks_killed_while_they_write_leave_nothing() {
    let nodes = Nodes::start(2);
    nodes.export(1, &nodes.file("data", &contents(256 * PAGE)), "data", true);
    killed_again_and_again(&nodes, &["write", "data"]);
    // The pages that they wrote are served, whatever their words are now.
    let mapping = nodes.map(1, "data", true);
    (0..256).for_each(|number| drop(page(&mapping, number).expect("a page of a killed writer")));
    mapping.write_at(0, b"still writable").expect("no lock is held by the dead");
}

#[test]
fn tasks_killed_in_mach_msg_leave_nothing() {
    killed_again_and_again(&Nodes::start(2), &["ports"]);
}

#[test]
fn a_task_killed_while_it_waits_for_a_page_leaves_nothing() {
    let nodes = Nodes::start(2);
    let bytes = contents(512 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", false);
    let mapping = nodes.map(2, "data", false);
    let before = nodes.info(2).tasks;
    let task = worker(&nodes, 2, &["read", "data", &path.display().to_string()]);
    nodes.freeze(1);
    std::thread::sleep(Duration::from_millis(100));
    drop(task);
    std::thread::sleep(Duration::from_millis(50));
    nodes.wake(1);
    mach_tests::wait_until(GONE_WITHIN, "the killed task is gone", || (nodes.info(2).tasks <= before).then_some(()));
    all_readable(&mapping, &bytes, 0..512);
}

/// Descriptors that a node has open.
fn descriptors(nodes: &Nodes) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", nodes.pid(1))).expect("a node of ours").count()
}

#[test]
fn vm_behind_8_what_a_process_was_before_exec_is_gone_and_what_it_becomes_is_another_task() {
    let nodes = Nodes::start(1);
    let path = nodes.file("data", &contents(512 * PAGE));
    nodes.export(1, &path, "data", true);
    let path = path.display().to_string();
    let count = || (nodes.info(1).tasks, nodes.info(1).ports, descriptors(&nodes));
    // Whoever asked last may still be on its way out.
    let steady = || {
        mach_tests::wait_until(GONE_WITHIN, "a node at rest", || {
            let (first, rest) = (count(), [(); 4].map(|()| (std::thread::sleep(Duration::from_millis(20)), count()).1));
            rest.iter().all(|later| *later == first).then_some(first)
        })
    };
    // A task that has never been another one.
    let before = steady();
    let plain = worker(&nodes, 1, &["read", "data", &path]);
    let one = steady();
    assert_eq!(one.0, before.0 + 1);
    drop(plain);
    let settled = |wanted: (u32, u32, usize)| {
        let what = format!("nothing but {wanted:?}");
        mach_tests::wait_until(GONE_WITHIN, &what, || (count() == wanted).then_some(()));
    };
    settled(before);
    for _ in 0..4 {
        let task = worker(&nodes, 1, &["exec", "data", &path]);
        settled(one);
        drop(task);
        settled(before);
    }
    nodes.assert_up(1);
}

#[test]
fn a_task_outlives_the_thread_that_attached() {
    let nodes = Nodes::start(2);
    let bytes = contents(64 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let options = mach_tests::processes::options(&nodes.socket(2), true);
    let mapping = within(SLACK, "a mapping", || {
        let task = mach::Task::attach(options).expect("a task");
        let object = task.look_up("data", "*").expect("the object's name");
        task.map(&object, mach::MapOptions::default()).expect("a mapping")
    });
    // By now the thread has ended, and with it the only connection on which the task made calls.
    std::thread::sleep(Duration::from_millis(100));
    all_readable(&mapping, &bytes, 0..64);
    drop(mapping);
    mach_tests::wait_until(GONE_WITHIN, "the task is gone", || (nodes.info(2).tasks <= 1).then_some(()));
}
