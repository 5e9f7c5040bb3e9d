//! Several processes at once that do all that can be done with memory, to their own and to each other's, and are killed in the
//! midst of it, while pages leave: each has every byte that it should.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mach_tests::crowd::{CROWD, OBJECT, OBJECT_PAGES};
use mach_tests::processes::Nodes;
use mach_tests::{Talk, wait_until};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::{PAGE, contents};

/// How long new lives begin.
const LASTS: Duration = Duration::from_secs(16);
/// How long one may take for what it has begun.
const SOON: Duration = Duration::from_secs(60);

/// `MACH_CROWD_SEED` repeats the choices of a run, not the races between processes.
#[test]
fn a_crowd_of_processes_has_every_byte_that_it_should() {
    let given = std::env::var("MACH_CROWD_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed: u64 = given.unwrap_or_else(|| rand::random_range(0..1 << 48));
    let again = format!("MACH_CROWD_SEED={seed} cargo nextest run -p mach-tests a_crowd_of_processes");
    println!("{again}");
    let nodes = Nodes::with(1, &["--memory-limit", "10MiB"]);
    nodes.export(1, &nodes.file("data", &contents(OBJECT_PAGES * PAGE)), OBJECT, true);
    let witness = nodes.task(1);
    let began = Instant::now();
    let mut done = [0; 5];
    let (mut killed, socket) = (0, &nodes.socket(1));
    std::thread::scope(|scope| {
        let lives = |number: usize| {
            let mut random = SmallRng::seed_from_u64(seed + number as u64);
            let (mut done, mut killed) = ([0; 5], 0);
            for lives in 0.. {
                if began.elapsed() >= LASTS {
                    break;
                }
                match life(socket, [number, lives], &mut random) {
                    Some(more) => done.iter_mut().zip(more).for_each(|(sum, n)| *sum += n),
                    None => killed += 1,
                }
            }
            (done, killed)
        };
        let members: Vec<_> = (0..CROWD).map(|number| scope.spawn(move || lives(number))).collect();
        for member in members {
            let (more, gone) = member.join().expect(&again);
            done.iter_mut().zip(more).for_each(|(sum, n)| *sum += n);
            killed += gone;
        }
    });
    let [steps, received, foreign, inherited, withheld] = done;
    println!("{killed} killed; the others: {steps} steps, {received} messages, {foreign} reads of others, ");
    println!("{inherited} children with memory and {withheld} without some");
    assert!(killed > 3 && received > 20 && foreign > 20 && inherited > 3 && withheld > 3, "{done:?}");
    let (evicted, swapped) =
        (nodes.metric(1, "mach_pages_evicted_total"), nodes.metric(1, "mach_swap_pages_out_total"));
    assert!(evicted > 20.0 && swapped > 0.0, "{evicted} pages left, {swapped} of them to the default pager");
    nodes.assert_up(1);
    // The witness, and who asks.
    wait_until(SOON, "nobody is left", || (nodes.info(1).tasks == 2).then_some(()));
    drop(witness);
    println!("{again}");
}

/// A process of the crowd: what it did, or that it was killed in the midst.
fn life(socket: &Path, [number, life]: [usize; 2], random: &mut SmallRng) -> Option<[u64; 5]> {
    let millis = random.random_range(1000..4000);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mach-test-task"));
    command.arg(socket).arg("crowd").args([number as u64, life as u64, random.random(), millis].map(|n| n.to_string()));
    let mut talk = Talk::with(command);
    assert_eq!(talk.hear(SOON).as_deref(), Some("ready"));
    if random.random() {
        std::thread::sleep(Duration::from_millis(random.random_range(0..millis)));
        return None;
    }
    let line = talk.hear(SOON).unwrap_or_else(|| panic!("member {number} has ended"));
    let words: Vec<u64> = line.split(' ').skip(1).map(|word| word.parse().expect("a number")).collect();
    assert!(line.starts_with("done ") && talk.end(SOON).success(), "{line}");
    Some(words.try_into().expect("five numbers"))
}
