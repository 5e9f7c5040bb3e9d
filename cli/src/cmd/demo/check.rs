//! The demo's verdicts, its numbers, and the hashes that the verdicts rest on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure, OrFail, Result};
use crate::out::{Out, render};
use crate::units::Bytes;
use mach_bench::Summary;

/// Verdicts so far.
pub struct Checks {
    out: Out,
    all: Vec<Check>,
}

/// One verdict.
#[derive(Serialize)]
struct Check {
    held: bool,
    what: String,
}

/// What the demo measured.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Numbers {
    /// Repeats the run: `mach demo --seed N`.
    pub seed: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// Random reads of pages that were not on B.
    pub fault: Option<Summary>,
    /// Sequential read, decimal megabytes a second.
    pub sequential_mb_per_s: f64,
    /// Pages that B fetched for both.
    pub pages_moved: u64,
    /// Bytes on the link between A and B for both, both ways.
    pub wire_bytes: u64,
    /// From a write on one node, durable at the pager, to its sight on the other; the slower direction.
    pub write_seen_ms: f64,
    /// From the kill to the reader's error.
    pub error_after_s: f64,
    /// The whole demo.
    pub demo_seconds: f64,
}

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct Outcome<'a> {
    held: bool,
    checks: &'a [Check],
    numbers: &'a Numbers,
}

impl Checks {
    /// None so far.
    pub fn new(out: Out) -> Checks {
        Checks { out, all: Vec::new() }
    }

    /// Adds a verdict and says it.
    pub fn note(&mut self, held: bool, what: String) {
        self.out.note(format!("{} {what}", if held { "  ok  " } else { "FAILED" }));
        self.all.push(Check { held, what });
    }

    /// Prints the numbers.
    ///
    /// Errors: exit `Failed`, with every check that did not hold.
    pub fn finish(&self, numbers: &Numbers) -> Result<()> {
        let held = self.all.iter().all(|c| c.held);
        match self.out.json() {
            true => self.out.value(&Outcome { held, checks: &self.all, numbers })?,
            false => self.out.line(format!("\n{}", table(numbers)))?,
        }
        if held {
            self.out.note(format!("\nall {} checks held", self.all.len()));
            return Ok(());
        }
        let what = format!("{} of {} checks did not hold", self.all.iter().filter(|c| !c.held).count(), self.all.len());
        let failed = self.all.iter().filter(|c| !c.held);
        Err(failed
            .fold(Failure::new(Exit::Failed, what), |f, c| f.because(&c.what))
            .cure(format!("repeat it with the same pages: mach demo --keep --seed {}", numbers.seed)))
    }
}

/// The closing table.
fn table(numbers: &Numbers) -> String {
    let us = |value: f64| format!("{value:.1} us");
    let mut rows = Vec::new();
    if let Some(fault) = &numbers.fault {
        rows.push(("remote fault, p50", us(fault.p50_us)));
        rows.push(("remote fault, p99", us(fault.p99_us)));
        rows.push(("remote faults measured", fault.count.to_string()));
    }
    rows.extend([
        ("sequential read", format!("{:.0} MB/s", numbers.sequential_mb_per_s)),
        ("pages moved a to b", numbers.pages_moved.to_string()),
        ("bytes on the wire a, b", format!("{} ({})", numbers.wire_bytes, Bytes(numbers.wire_bytes))),
        ("file", Bytes(numbers.file_bytes).to_string()),
        ("write durable and seen", format!("{:.1} ms", numbers.write_seen_ms)),
        ("memory error after the kill", format!("{:.1} s", numbers.error_after_s)),
        ("demo in all", format!("{:.1} s", numbers.demo_seconds)),
    ]);
    render(&["MEASURED HERE", ">"], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}

/// SHA-256 of pages of a file, one after another; the last page of a file may be short.
pub fn hash_of_pages(path: &Path, pages: &[u64]) -> Result<String> {
    let what = || format!("cannot read {}", path.display());
    let file = File::open(path).or_fail(what)?;
    let size = file.metadata().or_fail(what)?.len();
    let mut hash = Sha256::new();
    let mut page = [0; proto::PAGE_SIZE as usize];
    for number in pages {
        let offset = number * proto::PAGE_SIZE;
        let len = size.saturating_sub(offset).min(proto::PAGE_SIZE) as usize;
        file.read_exact_at(&mut page[..len], offset).or_fail(what)?;
        hash.update(&page[..len]);
    }
    Ok(hex::encode(hash.finalize()))
}

/// SHA-256 of a whole file.
pub fn hash_of_file(path: &Path) -> Result<String> {
    let what = || format!("cannot read {}", path.display());
    let mut file = File::open(path).or_fail(what)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).or_fail(what)? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Some bytes of a file.
pub fn bytes_at(path: &Path, offset: u64, len: usize) -> Result<Vec<u8>> {
    let what = || format!("cannot read {}", path.display());
    let mut bytes = vec![0; len];
    File::open(path).or_fail(what)?.read_exact_at(&mut bytes, offset).or_fail(what)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pages_in_order_hash_as_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let whole = hash_of_file(&path).unwrap();
        assert_eq!(whole, hex::encode(Sha256::digest(&bytes)));
        assert_eq!(hash_of_pages(&path, &[0, 1, 2]).unwrap(), whole);
        assert_ne!(hash_of_pages(&path, &[1, 0, 2]).unwrap(), whole);
        assert_eq!(bytes_at(&path, 252, 2).unwrap(), [1, 2]);
        assert!(bytes_at(&path, 9_999, 2).is_err());
    }

    #[test]
    fn one_check_that_does_not_hold_fails_the_demo() {
        let mut checks = Checks::new(Out::new(false, true));
        checks.note(true, "this".into());
        assert!(checks.finish(&Numbers::default()).is_ok());
        checks.note(false, "that".into());
        let failure = checks.finish(&Numbers { seed: 7, ..Numbers::default() }).unwrap_err();
        assert_eq!(failure.exit(), Exit::Failed);
        assert_eq!(
            failure.to_string(),
            "mach: 1 of 2 checks did not hold\n  why: that\n  do:  repeat it with the same pages: mach demo --keep --seed 7"
        );
    }
}
