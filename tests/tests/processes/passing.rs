//! A thousand tasks come, take something of everything, and go in every way that there is: memory is back where it began.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mach::proto::NamedRight;
use mach::proto::iface::task::VmRead;
use mach::{ReceiveRight, Task};
use mach_tests::passing::{ENDS, OBJECT, OBJECT_PAGES, SINK};
use mach_tests::processes::{Nodes, options};
use mach_tests::{Talk, wait_until};

use crate::{PAGE, all_readable, contents};

/// Tasks before the first look, and after.
const WARM_UP: u64 = 250;
const TASKS: u64 = 1000;
/// Of these at one time.
const AT_ONCE: u64 = 8;
/// How much more the node may have in memory afterwards: a leak of a page by each task would be four times as much.
const KEPT_BYTES_MAX: u64 = 1 << 20;
const SOON: Duration = Duration::from_secs(30);
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What a node has, but for bytes: it has to be the same before and after.
#[derive(PartialEq, Eq, Debug)]
struct Holdings {
    tasks: u32,
    ports: u32,
    messages: u64,
    message_bytes: u64,
    native_pages: u64,
    resident_pages: u64,
    wired_pages: u64,
    lanes: u64,
    /// Open descriptors, and how many of them are memory files.
    descriptors: usize,
    memory_files: usize,
    /// Lines of its own map that show such a file.
    mappings: usize,
    threads_of_the_dead: usize,
}

impl Holdings {
    /// Of some looks the one at which the fewest were at work: whoever looks is a task too for as long, and may be
    /// seen in going.
    fn at_rest(nodes: &Nodes) -> Holdings {
        let look = |_| {
            std::thread::sleep(BETWEEN_LOOKS);
            Holdings::of(nodes)
        };
        (0..LOOKS).map(look).min_by_key(|look| look.descriptors).expect("some looks")
    }

    fn of(nodes: &Nodes) -> Holdings {
        let info = nodes.info(1);
        let folder = format!("/proc/{}", nodes.pid(1));
        let files = |name: &str| std::fs::read_dir(format!("{folder}/{name}")).expect("a node of ours").flatten();
        let links: Vec<String> = files("fd")
            .filter_map(|fd| Some(std::fs::read_link(fd.path()).ok()?.to_string_lossy().into_owned()))
            .collect();
        let maps = std::fs::read_to_string(format!("{folder}/maps")).expect("a node of ours");
        let stat = nodes.mach(1, &["vm", "stat", "--json"]).json();
        let listed = nodes.mach(1, &["task", "ls", "--json"]).json();
        let listed: BTreeSet<String> =
            listed.as_array().expect("a list").iter().map(|t| t["command"].to_string()).collect();
        let metric = |name| nodes.metric(1, name) as u64;
        Holdings {
            tasks: info.tasks,
            ports: info.ports,
            messages: metric("mach_messages_queued"),
            message_bytes: metric("mach_message_bytes_queued"),
            native_pages: metric("mach_pages_native"),
            resident_pages: metric("mach_pages_resident"),
            wired_pages: stat[0]["wired"].as_u64().unwrap_or_else(|| panic!("{stat}")),
            lanes: metric("mach_lanes"),
            descriptors: links.len(),
            memory_files: links.iter().filter(|to| to.starts_with("/memfd:")).count(),
            mappings: maps.lines().filter(|line| line.contains("/memfd:")).count(),
            threads_of_the_dead: listed.iter().filter(|command| command.contains("mach-test-task")).count(),
        }
    }
}

/// Anonymous memory and memory files that the node has in memory.
fn resident_bytes(nodes: &Nodes) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", nodes.pid(1))).expect("a node of ours");
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("Linux says so");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number")
    };
    1024 * (kib("RssAnon:") + kib("RssShmem:"))
}

/// Takes what comes to the sink, and reads the memory of whoever sent it, who may be gone or going.
fn read_what_is_told_of(socket: &Path, stop: &AtomicBool) -> u64 {
    let task = Task::attach(options(socket, true)).expect("a task");
    let port = ReceiveRight::allocate(&task).expect("a port");
    // The name of the one before may not be free yet.
    wait_until(SOON, "the name is free", || task.check_in(SINK, NamedRight::NULL, port.made_send()).ok());
    let mut read = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(message) = port.receive(Some(Duration::from_millis(50))) else { continue };
        let mut items = message.items().expect("typed");
        let right = items.right().expect("a right");
        let (address, size) = (items.u64().expect("a number"), items.u64().expect("a number"));
        let came = items.memory().expect("memory");
        assert!(came.to_bytes()[..20 * PAGE].iter().all(|byte| *byte == 7), "what was sent came");
        let Ok(right) = right.send() else { continue };
        if let Ok(reply) = task.rpc_within(&right, VmRead { address, size }, Some(SOON)) {
            assert_eq!(reply.data.len() as u64, size);
            read += 1;
        }
    }
    read
}

fn one_comes_and_goes(socket: &Path, number: u64) {
    let end = ENDS[number as usize % ENDS.len()];
    let mut command = Command::new(env!("CARGO_BIN_EXE_mach-test-task"));
    command.arg(socket).args(["pass", end, &number.to_string()]);
    let mut talk = Talk::with(command);
    assert_eq!(talk.hear(SOON).as_deref(), Some("ready"), "task {number}");
    if end == "waits" {
        std::thread::sleep(Duration::from_micros(number * 7919 % 20_000));
    } else {
        assert!(talk.end(SOON).success(), "task {number}");
    }
}

/// Has so many come, while somebody reads their memory; answers of how many.
fn come_and_go(nodes: &Nodes, count: u64) -> u64 {
    let (stop, socket) = (AtomicBool::new(false), &nodes.socket(1));
    /// Whatever becomes of the others, the reader ends.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let next = AtomicU64::new(0);
    let some = || {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                number if number < count => one_comes_and_goes(socket, number),
                _ => break,
            }
        }
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_what_is_told_of(socket, &stop));
        let stopped = Stop(&stop);
        wait_until(SOON, "the sink is known", || nodes.task(1).look_up(SINK, "").ok());
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("one of the tasks"));
        drop(stopped);
        reader.join().expect("the reader")
    })
}

#[test]
fn a_thousand_tasks_come_and_go_and_nothing_is_left() {
    let nodes = Nodes::start(1);
    let bytes = contents(OBJECT_PAGES as usize * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), OBJECT, true);
    // Its pages stay, so that they are as many before and after.
    let witness = nodes.map(1, OBJECT, false);
    all_readable(&witness, &bytes, 0..OBJECT_PAGES as usize);
    let tasks = nodes.info(1).tasks;
    come_and_go(&nodes, WARM_UP);
    wait_until(SOON, "the first are gone", || (nodes.info(1).tasks == tasks).then_some(()));
    let (idle, before) = (Holdings::at_rest(&nodes), resident_bytes(&nodes));
    let began = Instant::now();
    let read = come_and_go(&nodes, TASKS);
    println!("{TASKS} tasks came and went in {:?}; the memory of {read} was read", began.elapsed());
    assert!(read > 10, "the memory of {read} tasks was read");
    let deadline = Instant::now() + SOON;
    let mut left = Holdings::of(&nodes);
    while left != idle {
        assert!(Instant::now() < deadline, "{left:#?}, and before: {idle:#?}");
        std::thread::sleep(BETWEEN_LOOKS);
        left = Holdings::of(&nodes);
    }
    let after = resident_bytes(&nodes);
    println!("{before} bytes of the node were in memory before, {after} after");
    assert!(after <= before + KEPT_BYTES_MAX, "{} bytes more than before", after - before);
    nodes.assert_up(1);
}
