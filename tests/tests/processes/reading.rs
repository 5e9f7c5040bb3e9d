//! A file mapped on another node has the file's bytes.

use mach_tests::processes::Nodes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{PAGE, all_readable, contents};

/// A size that ends in the middle of a page.
const ODD: usize = 700 * PAGE + 1234;

#[test]
fn random_reads_give_the_files_bytes() {
    let nodes = Nodes::start(2);
    let bytes = contents(ODD);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mapping = nodes.map(2, "data", false);
    assert_eq!(mapping.len(), ODD as u64);
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..600 {
        let at = random.random_range(0..ODD);
        let len = random.random_range(1..=3 * PAGE).min(ODD - at);
        let mut seen = vec![0; len];
        mapping.read_at(at as u64, &mut seen).expect("every page can be read");
        assert!(seen == bytes[at..at + len], "{len} bytes at {at}");
    }
    let mut last = [0; 10];
    mapping.read_at(ODD as u64 - 10, &mut last).expect("the end of the file");
    assert_eq!(last, bytes[ODD - 10..]);
    assert!(mapping.read_at(ODD as u64 - 9, &mut last).is_err(), "there is nothing behind the end");
}

#[test]
fn a_sequential_read_gives_the_files_bytes() {
    let nodes = Nodes::start(2);
    let bytes = contents(ODD);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mapping = nodes.map(2, "data", false);
    all_readable(&mapping, &bytes, 0..ODD.div_ceil(PAGE));
    assert!(nodes.metric(2, "mach_read_ahead_pages_total") > 0.0, "a read in order is read ahead");
}

#[test]
fn an_object_of_the_own_node_gives_the_files_bytes() {
    let nodes = Nodes::start(1);
    let bytes = contents(ODD);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    all_readable(&nodes.map(1, "data", false), &bytes, (0..ODD.div_ceil(PAGE)).rev());
}

#[test]
fn holes_are_zero_and_move_no_bytes() {
    let nodes = Nodes::start(2);
    let mut bytes = vec![0; 2048 * PAGE];
    let filled = [0, 100, 1000, 2047];
    for number in filled {
        bytes[number * PAGE..][..PAGE].copy_from_slice(&contents((number + 1) * PAGE)[number * PAGE..]);
    }
    let path = nodes.folder().join("holes");
    let file = std::fs::File::create(&path).expect("a file of ours");
    file.set_len(bytes.len() as u64).expect("a sparse file");
    for number in filled {
        let at = number * PAGE;
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes[at..at + PAGE], at as u64).expect("a file of ours");
    }
    nodes.export(1, &path, "holes", false);
    let mapping = nodes.map(2, "holes", false);
    all_readable(&mapping, &bytes, 0..2048);
    let moved = nodes.metric(2, "mach_link_page_bytes_in_total");
    assert!(moved >= (filled.len() * PAGE) as f64 && moved <= (8 * filled.len() * PAGE) as f64, "{moved} bytes came");
    assert!(nodes.metric(2, "mach_pages_zero_total") >= 1000.0, "holes come as flags");
}
