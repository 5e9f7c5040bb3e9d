//! Memory that came in messages, on a node with a limit: what does not fit leaves, and comes back byte for byte.

use std::iter::StepBy;
use std::ops::Range;
use std::time::Duration;

use mach::{Mapping, MemoryError};
use mach_tests::processes::{Nodes, within};
use mach_tests::wait_until;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::pair::Pair;
use crate::{PAGE, contents, read};

/// The node's limit, in bytes and as an argument.
const LIMIT: usize = 16 << 20;
const LIMIT_ARG: &str = "--memory-limit=16MiB";
/// As much as is Linux's alone.
const SHARE: usize = LIMIT / 4;
/// Bytes of one message.
const MESSAGE: usize = SHARE - (1 << 20);
/// Together four times the limit.
const MESSAGES: usize = 4 * LIMIT / MESSAGE + 1;
const SOON: Duration = Duration::from_secs(10);
const TEST_MAX: Duration = Duration::from_secs(120);

fn pair(args: &[&str]) -> Pair {
    Pair::on(Nodes::with(1, args))
}

/// Sends all of a mapping as it is; the receiver's copy.
fn pass(p: &Pair, memory: &Mapping) -> Mapping {
    let copy = p.sender.freeze(memory.address(), memory.len()).expect("a copy");
    let got = p.pass(copy);
    assert_eq!(got.held_bytes(), 0, "no byte was copied on the way");
    p.receiver.map_frozen(&got, None).expect("room")
}

#[test]
fn vm_pageout_17_memory_of_messages_of_four_times_the_limit_comes_back() {
    let p = pair(&[LIMIT_ARG]);
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let memory = p.sender.allocate(MESSAGE as u64).expect("memory");
    let mut bytes = contents(MESSAGE);
    let mut got: Vec<(Mapping, Vec<u8>)> = Vec::new();
    let p = within(TEST_MAX, "messages of four times the limit", move || {
        for _ in 0..MESSAGES {
            // All of it is new each time, so that no two messages share a page.
            bytes.iter_mut().step_by(PAGE / 2).for_each(|byte| *byte = byte.wrapping_add(1));
            memory.write_at(0, &bytes).expect("its own");
            got.push((pass(&p, &memory), bytes.clone()));
            // What came before is written and read meanwhile.
            for _ in 0..20 {
                let which = random.random_range(0..got.len());
                let (mapping, model) = &mut got[which];
                let at = random.random_range(0..MESSAGE - 8);
                let new = random.random::<u64>().to_le_bytes();
                mapping.write_at(at as u64, &new).expect("its own");
                model[at..at + 8].copy_from_slice(&new);
                let from = random.random_range(0..MESSAGE - 3 * PAGE);
                let mut seen = vec![0; 3 * PAGE];
                mapping.read_at(from as u64, &mut seen).expect("its own");
                assert!(seen == model[from..from + 3 * PAGE]);
            }
        }
        wait_until(SOON, "what nobody maps is gone", || {
            let taken = p.nodes.memory_files(1, "");
            (taken <= (LIMIT + LIMIT / 8) as u64).then_some(())
        });
        // Each page is here, or on its pager, and so it is shown.
        let number = p.receiver.number().to_string();
        let shown = p.nodes.mach(1, &["vm", "map", &number, "--json"]).ok().json();
        let regions = shown["regions"].as_array().expect("a list");
        let pages = |region: &serde_json::Value, what: &str| region[what].as_u64().expect("a count");
        let both = |r: &serde_json::Value| pages(r, "resident_pages") + pages(r, "paged_out_pages");
        assert!(regions.len() == MESSAGES && regions.iter().all(|r| both(r) == (MESSAGE / PAGE) as u64), "{shown}");
        assert!(regions.iter().any(|r| pages(r, "paged_out_pages") > 0), "{shown}");
        let stat = p.nodes.mach(1, &["vm", "stat", "--json"]).ok().json()[0].clone();
        assert_eq!(pages(&stat, "memory_limit"), LIMIT as u64);
        let (used, out, file) =
            (pages(&stat, "memory_bytes"), pages(&stat, "paged_out_bytes"), pages(&stat, "swap_bytes"));
        assert!(used <= (LIMIT + LIMIT / 8) as u64 && out > LIMIT as u64 && (1..out).contains(&file), "{stat}");
        let cells: String = regions.iter().filter_map(|r| r["cells"].as_str()).collect();
        assert!(cells.contains('-') && cells.contains('d') && !cells.contains('.'), "{cells}");
        for (n, (mapping, model)) in got.iter().enumerate() {
            assert!(read(mapping) == *model, "message {n}");
        }
        assert!(read(&memory) == bytes, "the sender has what it wrote");
        p
    });
    let (swapped, taken) = (p.nodes.metric(1, "mach_swap_pages_out_total"), p.nodes.memory_files(1, ""));
    assert!(swapped as usize * PAGE > 2 * LIMIT, "{swapped} pages went to the file");
    assert!(taken <= (LIMIT + LIMIT / 8) as u64, "{} KiB are in memory", taken >> 10);
    wait_until(SOON, "the file is empty again", || (p.nodes.metric(1, "mach_swap_pages") == 0.0).then_some(()));
}

#[test]
fn vm_pageout_15_little_is_linux_s_alone_and_what_shadows_can_be_sent_on() {
    let p = pair(&[LIMIT_ARG]);
    let (own, bytes) = (p.sender.allocate(MESSAGE as u64).expect("memory"), contents(MESSAGE));
    own.write_at(0, &bytes).expect("its own");
    let first = pass(&p, &own);
    assert!(read(&first) == bytes);
    let faults = || p.nodes.metric(1, "mach_fault_seconds_count");
    assert_eq!(faults(), 0.0, "no fault on it reaches the node");
    // More than a quarter together.
    let more = p.sender.allocate(2 << 20).expect("memory");
    more.write_at(0, &bytes[..2 << 20]).expect("its own");
    let second = pass(&p, &more);
    second.write_at(5, b"shadow").expect("its own");
    let mut model = bytes[..2 << 20].to_vec();
    model[5..11].copy_from_slice(b"shadow");
    assert!(read(&second) == model && read(&more) == bytes[..2 << 20] && read(&first) == bytes);
    assert!(faults() > 0.0);
    // To its own sender, say.
    let back = p.receiver.freeze(second.address(), second.len()).expect("a copy");
    second.write_at(5, b"SHADOW").expect("its own");
    assert!(back.to_bytes() == model);
    let again = p.sender.map_frozen(&back, None).expect("room");
    assert!(read(&again) == model);
}

#[test]
fn vm_pageout_17_a_full_swap_file_keeps_what_came_and_refuses_more() {
    let p = pair(&[LIMIT_ARG, "--swap-limit=1MiB"]);
    let mut random = SmallRng::seed_from_u64(9);
    let memory = p.sender.allocate(MESSAGE as u64).expect("memory");
    let mut got: Vec<(Mapping, Vec<u8>)> = Vec::new();
    for _ in 0..MESSAGES {
        let mut bytes = vec![0; MESSAGE];
        // It cannot be compressed.
        random.fill(&mut bytes[..]);
        memory.write_at(0, &bytes).expect("its own");
        got.push((pass(&p, &memory), bytes));
    }
    wait_until(SOON, "the file is full", || (p.nodes.metric(1, "mach_swap_refused_total") > 0.0).then_some(()));
    // What came stays, and can be looked at, all of it.
    let (p, got) = within(TEST_MAX, "reads", move || {
        for (n, (mapping, model)) in got.iter().enumerate() {
            assert!(read(mapping) == *model, "message {n}");
        }
        (p, got)
    });
    // To write is to want more, for which there is no room.
    let refused = got.iter().filter(|(mapping, _)| {
        let written = (0..MESSAGE).step_by(PAGE).map(|at| mapping.write_at(at as u64, b"more"));
        written.filter_map(Result::err).any(|error| matches!(error, MemoryError::Fault { .. }))
    });
    assert!(refused.count() > 0);
    p.nodes.assert_up(1);
    // Nobody is the worse for it.
    let (file, mapping) = (contents(200 * PAGE), {
        p.nodes.export(1, &p.nodes.file("data", &contents(200 * PAGE)), "data", false);
        p.nodes.map(1, "data", false)
    });
    assert!(read(&mapping) == file);
    drop(got);
    let bytes = contents(MESSAGE);
    memory.write_at(0, &bytes).expect("its own");
    assert!(read(&pass(&p, &memory)) == bytes, "there is room again");
}

#[test]
fn vm_pageout_16_a_killed_node_leaves_no_zeroes_in_what_came() {
    let p = pair(&[LIMIT_ARG]);
    let memory = p.sender.allocate(MESSAGE as u64).expect("memory");
    let bytes = contents(MESSAGE);
    let mut got = Vec::new();
    for _ in 0..MESSAGES {
        memory.write_at(0, &bytes).expect("its own");
        got.push(pass(&p, &memory));
    }
    // Some have come up.
    let mut some = vec![0; 1 << 20];
    got.iter().for_each(|mapping| mapping.read_at(0, &mut some).expect("its own"));
    p.nodes.kill(1);
    let (mut there, mut gone) = (0, 0);
    for mapping in &got {
        for at in (0..MESSAGE).step_by(PAGE) {
            let mut seen = vec![0; PAGE];
            match mapping.read_at(at as u64, &mut seen) {
                Ok(()) => {
                    assert!(seen == bytes[at..at + PAGE], "at {at}");
                    there += 1;
                }
                Err(_) => gone += 1,
            }
        }
    }
    assert!(there > 0 && gone > 0, "{there} pages are there, {gone} are gone");
}

/// More than could be copied for a child, by far more than there is room for, and written by parent, child and grandchild.
#[test]
fn vm_inherit_8_generations_of_children_have_what_was_there_at_their_fork() {
    // Of 300 MiB each eighth page is used, five times the limit.
    const PAGES: u64 = 9600;
    const P: u64 = 8 * PAGE as u64;
    let nodes = Nodes::with(1, &["--memory-limit=8MiB"]);
    let task = nodes.task(1);
    let memory = task.allocate(PAGES * P).expect("memory");
    let pages = |first: u64, step: usize| (first..PAGES).step_by(step);
    let value = |page: u64, by: u64| (page * 8 + by).to_le_bytes();
    let write =
        |mut pages: StepBy<Range<u64>>, by| pages.all(|page| memory.write_at(page * P, &value(page, by)).is_ok());
    // Whether some are not as they were written, in the eyes of whoever asks.
    let wrong = |mut pages: StepBy<Range<u64>>, by| {
        let mut word = [0; 8];
        pages.any(|page| memory.read_at(page * P, &mut word).is_err() || word != value(page, by))
    };
    assert!(write(pages(0, 1), 1));
    let (code, parent_wrote) = std::thread::scope(|scope| {
        let child = scope.spawn(|| {
            // The child's life; each check has a bit.
            sys::forked::run(|| {
                std::thread::sleep(Duration::from_millis(300));
                let mut code = u8::from(wrong(pages(0, 7), 1));
                code |= u8::from(!write(pages(0, 3), 2)) << 1;
                let grandchild = sys::forked::run(|| {
                    let own = wrong(pages(0, 3), 2) || wrong(pages(1, 3), 1);
                    u8::from(own || !write(pages(0, 5), 3))
                });
                code |= u8::from(grandchild.ok().flatten() != Some(0)) << 2;
                code |= u8::from(wrong(pages(0, 3), 2)) << 3;
                code | u8::from(wrong(pages(1, 3), 1)) << 4
            })
        });
        // The parent goes on when the fork is over, which takes no copy of anything.
        std::thread::sleep(Duration::from_millis(150));
        let wrote = write(pages(0, 2), 4);
        (child.join().expect("a child"), wrote)
    });
    assert_eq!((code.expect("a child"), parent_wrote), (Some(0), true));
    assert_eq!((wrong(pages(0, 2), 4), wrong(pages(1, 2), 1)), (false, false));
    nodes.assert_up(1);
    assert!(nodes.memory_files(1, "object") <= 9 << 20, "{} MiB", nodes.memory_files(1, "object") >> 20);
    drop(memory);
    wait_until(SOON, "nothing is left of it", || (nodes.metric(1, "mach_swap_pages") == 0.0).then_some(()));
}
