//! Memory of which the node makes large pages while a task fills it: what becomes of it when it is sent and written to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mach::Task;
use mach::proto::vm::LARGE_PAGE_SIZE;
use mach_tests::processes::Nodes;
use mach_tests::wait_until;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::pair::Pair;
use crate::{contents, read};
use sys::large::LargePages;

const L: u64 = LARGE_PAGE_SIZE;

/// Where Linux makes them by itself, or is not to, the node makes none.
#[test]
fn vm_large_1_memory_that_is_filled_in_order_has_large_pages_and_goes_with_its_task() {
    let nodes = Nodes::start(2);
    let task = nodes.task(1);
    let made = |node| nodes.metric(node, "mach_large_pages_total");
    let before = nodes.memory_files(1, "memory");
    // Made before: memory that nobody touches for long is looked at no more.
    let bytes = contents((32 * L) as usize);
    let memory = task.allocate(32 * L).expect("memory");
    bytes.chunks(4096).enumerate().for_each(|(n, page)| memory.write_at(n as u64 * 4096, page).expect("its own"));
    // On a busy machine the task is quicker, and they are made when it is through.
    if LargePages::of_this_machine() == LargePages::OnRequest {
        wait_until(Duration::from_secs(60), "large pages", || (made(1) >= 2.0).then_some(()));
    }
    assert!(read(&memory) == bytes);
    drop((memory, task));
    wait_until(Duration::from_secs(10), "the memory to go", || {
        (nodes.memory_files(1, "memory") <= before).then_some(())
    });
    nodes.assert_up(1);

    // On a node of its own, for what was filled in order may still be made large.
    let scattered = nodes.task(2);
    let memory = scattered.allocate(32 * L).expect("memory");
    (0..16).for_each(|n| memory.write_at(2 * n * L, b"here and there").expect("its own"));
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(made(2), 0.0, "not for that");
}

#[test]
fn a_part_that_was_touched_is_sent_with_zeroes_behind_it() {
    let pair = Pair::on(Nodes::start(1));
    let memory = pair.sender.allocate(16 * L + 4096).expect("memory");
    let bytes = contents((5 * L + L / 2) as usize);
    memory.write_at(0, &bytes).expect("its own");
    let got = pair.pass(pair.sender.freeze(memory.address(), memory.len()).expect("a copy"));
    assert_eq!(got.held_bytes(), 0, "no byte was copied");
    let theirs = pair.receiver.map_frozen(&got, None).expect("room");
    // Untouched before it was sent, and each has its own.
    memory.write_at(12 * L, b"sender").expect("its own");
    theirs.write_at(13 * L, b"receiver").expect("its own");
    let expected = |at: u64, text: &[u8]| {
        let mut all = bytes.clone();
        all.resize(memory.len() as usize, 0);
        all[at as usize..][..text.len()].copy_from_slice(text);
        all
    };
    assert!(read(&memory) == expected(12 * L, b"sender"));
    assert!(read(&theirs) == expected(13 * L, b"receiver"));
}

/// Threads fill memory in order, each its own, while others have copies of all of it made: a copy is of one moment, so what
/// it has of a thread's memory is a beginning.
#[test]
fn copies_of_memory_that_is_being_filled_are_of_one_moment() {
    const WORDS: usize = (8 * L / 8) as usize;
    let nodes = Nodes::start(1);
    let task: Task = nodes.task(1);
    for round in 1..4u64 {
        let memory: Vec<_> = (0..2).map(|_| task.allocate(8 * L).expect("memory")).collect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writers: Vec<_> = memory
                .iter()
                .map(|memory| {
                    scope.spawn(move || {
                        let piece: Vec<u8> = std::iter::repeat_n(round.to_le_bytes(), 512).flatten().collect();
                        (0..8 * L).step_by(4096).for_each(|at| memory.write_at(at, &piece).expect("its own"));
                    })
                })
                .collect();
            let copier = scope.spawn(|| {
                let mut copies = 0;
                while !done.load(Ordering::Relaxed) || copies == 0 {
                    for memory in &memory {
                        let copy = task.freeze(memory.address(), memory.len()).expect("a copy").to_bytes();
                        let words: Vec<u64> = copy.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
                        let written = words.iter().position(|w| *w != round).unwrap_or(WORDS);
                        assert!(words[written..].iter().all(|w| *w == 0), "written after what is not");
                    }
                    copies += 1;
                }
                copies
            });
            writers.into_iter().for_each(|writer| writer.join().expect("it wrote"));
            done.store(true, Ordering::Relaxed);
            assert!(copier.join().expect("it copied") > 0);
        });
        memory.iter().for_each(|m| assert!(read(m).as_chunks().0.iter().all(|w| u64::from_le_bytes(*w) == round)));
    }
}

/// Random writes, copies, protections and deallocations of a few regions against their bytes.
#[test]
fn vm_large_1_it_shows_what_was_written_whatever_is_done_to_it() {
    let pair = Pair::on(Nodes::start(1));
    let mut random = SmallRng::seed_from_u64(7);
    for _ in 0..12 {
        let size = random.random_range(1..7) * L + 4096 * random.random_range(0..3);
        let memory = pair.sender.allocate(size).expect("memory");
        let mut model = vec![0; size as usize];
        for step in 0..24u8 {
            let at = random.random_range(0..size - 9000) as usize;
            match random.random_range(0..10) {
                0 => {
                    let end = (at + (2 << 20)).min(model.len());
                    model[at..end].fill(step);
                    memory.write_at(at as u64, &model[at..end]).expect("its own");
                }
                1..=5 => {
                    model[at..at + 9000].fill(step + 1);
                    memory.write_at(at as u64, &model[at..at + 9000]).expect("its own");
                }
                6 => {
                    let part = at as u64..at as u64 + 9000;
                    memory.protect(part.clone(), mach::proto::Prot::READ).expect("less");
                    memory.write_at(part.start, b"x").expect_err("it is read-only");
                    memory.protect(part, mach::proto::Prot::READ | mach::proto::Prot::WRITE).expect("as before");
                }
                7 => {
                    let mut seen = vec![0; 9000];
                    memory.read_at(at as u64, &mut seen).expect("its own");
                    assert!(seen == model[at..at + 9000]);
                }
                _ => {
                    let got = pair.pass(pair.sender.freeze(memory.address(), size).expect("a copy"));
                    assert!(got.to_bytes() == model);
                }
            }
        }
        assert!(read(&memory) == model);
    }
}
