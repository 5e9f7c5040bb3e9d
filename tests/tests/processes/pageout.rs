//! A node with a limit: what does not fit leaves, and comes back byte for byte.

use std::time::Duration;

use mach::proto::iface::task::{VmAllocate, VmDeallocate};
use mach::{MemoryError, Task};
use mach_tests::processes::{Nodes, within};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{PAGE, all_readable, contents};

/// The node's limit, in bytes and as an argument.
const LIMIT: usize = 16 << 20;
const LIMIT_ARG: &str = "--memory-limit=16MiB";
/// Pages of the working sets: four times the limit.
const WORK_PAGES: usize = 4 * LIMIT / PAGE;
/// How long one of these tests may take.
const TEST_MAX: Duration = Duration::from_secs(120);

#[test]
fn a_file_of_four_times_the_limit_is_read_and_written_at_random() {
    let nodes = Nodes::with(1, &[LIMIT_ARG]);
    let bytes = contents(WORK_PAGES * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", true);
    let mapping = nodes.map(1, "data", true);
    let mut random = seeded();
    let (bytes, mapping) = within(TEST_MAX, "random reads and writes", move || {
        let mut bytes = bytes;
        for _ in 0..WORK_PAGES {
            let at = random.random_range(0..WORK_PAGES) * PAGE + random.random_range(0..PAGE - 8);
            if random.random_ratio(1, 2) {
                let new = random.random::<u64>().to_le_bytes();
                mapping.write_at(at as u64, &new).expect("it is writable");
                bytes[at..at + 8].copy_from_slice(&new);
            } else {
                let mut seen = [0; 8];
                mapping.read_at(at as u64, &mut seen).expect("it is readable");
                assert_eq!(seen, bytes[at..at + 8], "at {at}");
            }
        }
        (bytes, mapping)
    });
    assert_memory_is_near_the_limit(&nodes);
    assert!(nodes.metric(1, "mach_pages_evicted_total") > WORK_PAGES as f64 / 4.0);
    all_readable(&mapping, &bytes, 0..WORK_PAGES);
    mapping.flush(0..mapping.len()).expect("a flush");
    assert!(std::fs::read(&path).expect("the file") == bytes, "and the file has what was written");
    assert_memory_is_near_the_limit(&nodes);
}

#[test]
fn two_nodes_with_limits_write_to_one_file_and_see_each_other() {
    let nodes = Nodes::with(2, &["--memory-limit=2MiB"]);
    let pages = 4 * 512;
    let bytes = contents(pages * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", true);
    let mappings = [nodes.map(1, "data", true), nodes.map(2, "data", true)];
    let mut random = seeded();
    let (bytes, mappings) = within(TEST_MAX, "random reads and writes", move || {
        let mut bytes = bytes;
        for _ in 0..2 * pages {
            let mapping = &mappings[random.random_range(0..2)];
            // Half of it in few pages, so that they go to and fro while others leave.
            let among = if random.random_ratio(1, 2) { 100 } else { pages };
            let page = random.random_range(0..among);
            let at = page * PAGE + random.random_range(0..PAGE - 8);
            if random.random_ratio(1, 3) {
                let new = random.random::<u64>().to_le_bytes();
                mapping.write_at(at as u64, &new).expect("it is writable");
                bytes[at..at + 8].copy_from_slice(&new);
            } else {
                let mut seen = [0; 8];
                mapping.read_at(at as u64, &mut seen).expect("it is readable");
                assert_eq!(seen, bytes[at..at + 8], "at {at}");
            }
        }
        (bytes, mappings)
    });
    (1..=2).for_each(|n| assert!(nodes.metric(n, "mach_pages_evicted_total") > 100.0, "n{n}"));
    for mapping in &mappings {
        all_readable(mapping, &bytes, 0..pages);
        mapping.flush(0..mapping.len()).expect("a flush");
    }
    assert!(std::fs::read(&path).expect("the file") == bytes);
}

#[test]
fn nothing_of_the_swap_file_is_left_after_a_kill_and_a_folder_that_is_not_there_is_said() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let swap = format!("--swap-dir={}", folder.path().display());
    let nodes = Nodes::with(1, &[LIMIT_ARG, &swap]);
    let task = nodes.task(1);
    let address = allocate(&task, 2 * LIMIT / PAGE);
    task.write_memory(address, &contents(2 * LIMIT)).expect("memory of its own");
    assert!(nodes.metric(1, "mach_swap_pages") > 0.0);
    nodes.kill(1);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
    // What this process still has of it is a memory error, not zeroes.
    let zeroes = (0..2 * LIMIT / PAGE).filter(|n| {
        let mut bytes = vec![0; PAGE];
        task.read_memory(address + (n * PAGE) as u64, &mut bytes).is_ok() && bytes.iter().all(|b| *b == 0)
    });
    assert_eq!(zeroes.count(), 0);
    drop(folder);
    nodes.launch(1);
    mach_tests::wait_until(Duration::from_secs(10), "the node says what is wrong", || {
        nodes.log(1).contains("cannot make a file for memory that has to leave in").then_some(())
    });
}

#[test]
fn anonymous_memory_of_four_times_the_limit_comes_back() {
    let nodes = Nodes::with(1, &[LIMIT_ARG]);
    let task = nodes.task(1);
    let address = allocate(&task, WORK_PAGES);
    let bytes = contents(WORK_PAGES * PAGE);
    let (mut random, worker) = (seeded(), task.clone());
    let bytes = within(TEST_MAX, "writes and reads", move || {
        let mut bytes = bytes;
        for (n, page) in bytes.chunks(PAGE).enumerate() {
            worker.write_memory(address + (n * PAGE) as u64, page).expect("memory of its own");
        }
        for n in 0..WORK_PAGES {
            assert!(read(&worker, address, n) == bytes[n * PAGE..][..PAGE], "page {n}");
        }
        for _ in 0..WORK_PAGES / 4 {
            let at = random.random_range(0..WORK_PAGES * PAGE - 8);
            let new = random.random::<u64>().to_le_bytes();
            worker.write_memory(address + at as u64, &new).expect("memory of its own");
            bytes[at..at + 8].copy_from_slice(&new);
            let n = random.random_range(0..WORK_PAGES);
            assert!(read(&worker, address, n) == bytes[n * PAGE..][..PAGE], "page {n}, at random");
        }
        bytes
    });
    assert_memory_is_near_the_limit(&nodes);
    assert!(nodes.metric(1, "mach_swap_pages_in_total") > 0.0 && nodes.metric(1, "mach_swap_pages") > 0.0);
    assert!((0..WORK_PAGES).all(|n| read(&task, address, n) == bytes[n * PAGE..][..PAGE]));
    let request = VmDeallocate { address, size: (WORK_PAGES * PAGE) as u64 };
    task.rpc(&task.task_self(), request).expect("it is allocated");
    mach_tests::wait_until(Duration::from_secs(10), "the file is empty again", || {
        (nodes.metric(1, "mach_swap_pages") == 0.0).then_some(())
    });
}

#[test]
fn a_full_swap_file_is_an_error_for_who_asks_and_for_nobody_else() {
    let nodes = Nodes::with(1, &[LIMIT_ARG, "--swap-limit=4MiB"]);
    let bytes = contents(500 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let (greedy, mapping) = (nodes.task(1), nodes.map(1, "data", true));
    all_readable(&mapping, &bytes, 0..500);
    let address = allocate(&greedy, WORK_PAGES);
    let (mut random, worker) = (seeded(), greedy.clone());
    let written = within(TEST_MAX, "a memory error", move || {
        let mut page = vec![0; PAGE];
        (0..WORK_PAGES).find(|n| {
            random.fill(&mut page[..]);
            let taken = worker.write_memory(address + (n * PAGE) as u64, &page);
            assert!(matches!(taken, Ok(()) | Err(MemoryError::Fault { .. })), "{taken:?}");
            taken.is_err()
        })
    });
    let written = written.expect("what cannot be compressed does not fit into memory and file together");
    assert_eq!(nodes.log(1).matches("finds no room in its file").count(), 1, "it is said once");
    assert!((LIMIT / PAGE / 2..2 * LIMIT / PAGE).contains(&written), "{written} pages were taken");
    // Others go on, and so does what it has.
    all_readable(&mapping, &bytes, 0..500);
    mapping.write_at(77, b"others can write").expect("it is writable");
    nodes.assert_up(1);
    let mut word = [0; 8];
    greedy.read_memory(address, &mut word).expect("what was written is there");
    let request = VmDeallocate { address, size: (WORK_PAGES * PAGE) as u64 };
    greedy.rpc(&greedy.task_self(), request).expect("it is allocated");
    mach_tests::wait_until(Duration::from_secs(10), "there is room again, and it is said", || {
        nodes.log(1).contains("there is room again").then_some(())
    });
    let again = allocate(&greedy, WORK_PAGES / 8);
    let bytes = contents(WORK_PAGES / 8 * PAGE);
    greedy.write_memory(again, &bytes).expect("there is room again");
    assert_memory_is_near_the_limit(&nodes);
}

#[test]
fn little_anonymous_memory_is_left_alone() {
    let nodes = Nodes::with(1, &[LIMIT_ARG]);
    let task = nodes.task(1);
    let address = allocate(&task, 1000);
    let bytes = contents(1000 * PAGE);
    task.write_memory(address, &bytes).expect("memory of its own");
    assert_eq!((nodes.metric(1, "mach_pages_native"), nodes.metric(1, "mach_pages_resident")), (1000.0, 0.0));
}

#[test]
fn a_task_beyond_its_share_gives_pages_up_though_the_node_has_room() {
    let nodes = Nodes::with(1, &["--task-memory-limit=4MiB"]);
    let bytes = contents(4096 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let mapping = nodes.map(1, "data", true);
    all_readable(&mapping, &bytes, 0..4096);
    let resident = nodes.metric(1, "mach_pages_resident");
    // A window of read-ahead may come on top.
    assert!(resident <= 1024.0 + 1280.0, "{resident} pages");
    all_readable(&mapping, &bytes, (0..4096).rev());
}

fn seeded() -> StdRng {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

fn allocate(task: &Task, pages: usize) -> u64 {
    let request = VmAllocate { address: 0, size: (pages * PAGE) as u64, anywhere: true };
    task.rpc(&task.task_self(), request).expect("memory").address
}

fn read(task: &Task, address: u64, number: usize) -> Vec<u8> {
    let mut bytes = vec![0; PAGE];
    task.read_memory(address + (number * PAGE) as u64, &mut bytes).expect("memory of its own");
    bytes
}

/// What the objects of a node take of memory, as Linux counts it.
#[track_caller]
fn assert_memory_is_near_the_limit(nodes: &Nodes) {
    let taken = nodes.memory_files(1, "object");
    // Requests that are under way when the limit is reached come on top.
    assert!(taken <= (LIMIT + LIMIT / 8) as u64, "{} KiB are in memory", taken >> 10);
    assert!(nodes.metric(1, "mach_pages_resident") <= (LIMIT + LIMIT / 8) as f64 / PAGE as f64);
}
