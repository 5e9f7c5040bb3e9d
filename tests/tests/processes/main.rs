//! Real nodes and real tasks on loopback, one cause of failure to a test. Nothing may hang for longer than the configured
//! deadline, and no byte may be seen that was not the file's.

mod copies;
mod crowd;
mod entries;
mod examples;
mod files;
mod garbage;
mod hostile;
mod join;
mod lanes;
mod large;
mod memory;
mod nodes;
mod objects;
mod observe;
mod options;
mod pageout;
mod pair;
mod passing;
mod ports;
mod reading;
mod regions;
mod services;
mod settling;
mod shadows;
mod soak;
mod spaces;
mod tasks;
mod waiting;
mod writing;

use std::time::{Duration, Instant};

use mach::{Mapping, MemoryError};

/// The size of a page.
const PAGE: usize = 4096;

/// Bytes of which no two pages are alike and no page is zero, so that a page in a wrong place is noticed.
fn contents(len: usize) -> Vec<u8> {
    let byte = |i: usize| match i % PAGE {
        at @ 0..4 => ((i / PAGE) as u32 + 1).to_le_bytes()[at],
        at => ((i / PAGE) as u64 * 31 + at as u64 * 7 + (i / 251) as u64) as u8,
    };
    (0..len).map(byte).collect()
}

/// One page, by its number.
fn page(mapping: &Mapping, number: usize) -> Result<Vec<u8>, MemoryError> {
    let start = number * PAGE;
    let mut bytes = vec![0; PAGE.min(mapping.len() as usize - start)];
    mapping.read_at(start as u64, &mut bytes).map(|()| bytes)
}

/// All of it, which must be readable.
#[track_caller]
fn read(mapping: &Mapping) -> Vec<u8> {
    let mut bytes = vec![0; mapping.len() as usize];
    mapping.read_at(0, &mut bytes).expect("it is mapped");
    bytes
}

/// Looks at some pages: each is the file's or an error; answers those that are errors, and the longest that one took.
#[track_caller]
fn survey(mapping: &Mapping, bytes: &[u8], pages: impl IntoIterator<Item = usize>) -> (Vec<usize>, Duration) {
    let (mut errors, mut longest) = (Vec::new(), Duration::ZERO);
    for number in pages {
        let began = Instant::now();
        match page(mapping, number) {
            Ok(seen) => assert!(seen == bytes[number * PAGE..][..seen.len()], "page {number} is not the file's"),
            Err(_) => errors.push(number),
        }
        longest = longest.max(began.elapsed());
    }
    (errors, longest)
}

/// Looks at some pages, each of which must be the file's; answers the longest that one took.
#[track_caller]
fn all_readable(mapping: &Mapping, bytes: &[u8], pages: impl IntoIterator<Item = usize>) -> Duration {
    let (errors, longest) = survey(mapping, bytes, pages);
    assert!(errors.is_empty(), "memory errors at the pages {errors:?}");
    longest
}
