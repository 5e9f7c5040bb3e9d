//! `mach bench touch`: the same reads of an object of ours and of a file that something else serves (a FUSE mount).

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use proto::{PAGE_SIZE, Prot};
use rand::SeedableRng;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sys::arena::Advise;
use sys::{Arena, Backing};

use super::tenth;
use crate::args::BenchTouch;
use crate::client::Client;
use crate::cmd::Context;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::units::{Range, megabytes_per_second};
use crate::view::{View, for_each_chunk};
use mach_bench::Latencies;

#[derive(Serialize)]
struct Measured {
    bytes: u64,
    touches: u64,
    p50_us: f64,
    p99_us: f64,
    sequential_mb_s: f64,
    sha256: String,
}

/// Random reads of cold pages, then all bytes in order, from a second mapping.
pub fn run(cx: &Context, args: &BenchTouch) -> Result<()> {
    let open = |advise: Advise| -> Result<Box<dyn View>> {
        match (&args.object, &args.file) {
            (Some(name), _) => {
                let client = Client::attach_with_memory(&cx.place(&args.target)?)?;
                let mapped = client.map(name, "*", false)?;
                Ok(Box::new(Held { _client: client, mapped }))
            }
            (None, Some(path)) => Ok(Box::new(MappedFile::open(path, advise)?)),
            (None, None) => Err(Failure::new(Exit::Usage, "neither an object nor a file")),
        }
    };
    let view = open(Advise::Random)?;
    let pages = view.size() / PAGE_SIZE;
    let count = args.touches.min(pages);
    let mut rng = rand::rngs::StdRng::seed_from_u64(pages);
    let mut latencies = Latencies::new();
    let mut word = [0; 8];
    for page in rand::seq::index::sample(&mut rng, pages as usize, count as usize) {
        let begun = Instant::now();
        view.read(page as u64 * PAGE_SIZE, &mut word)?;
        latencies.record(begun.elapsed());
    }
    drop(view);
    let view = open(Advise::Sequential)?;
    let all = Range { offset: 0, len: view.size() };
    let begun = Instant::now();
    for_each_chunk(&*view, all, |_, _| Ok(()))?;
    let took = begun.elapsed();
    // What was read is checked in a second pass, which has the bytes here.
    let mut hash = Sha256::new();
    for_each_chunk(&*view, all, |_, bytes| {
        hash.update(bytes);
        Ok(())
    })?;
    let summary = latencies.summary();
    let measured = Measured {
        bytes: all.len,
        touches: count,
        p50_us: summary.p50_us,
        p99_us: summary.p99_us,
        sequential_mb_s: tenth(megabytes_per_second(all.len, took)),
        sha256: hex::encode(hash.finalize()),
    };
    if args.expect.as_ref().is_some_and(|expected| *expected != measured.sha256) {
        return Err(
            Failure::new(Exit::Failed, "the bytes are not the ones that were expected").because(measured.sha256)
        );
    }
    cx.out.record(
        &measured,
        &[
            ("p50", format!("{:.1} us", measured.p50_us)),
            ("p99", format!("{:.1} us", measured.p99_us)),
            ("sequential", format!("{:.0} MB/s", measured.sequential_mb_s)),
            ("sha256", measured.sha256.clone()),
        ],
    )
}

/// A mapped object with the client that it needs.
struct Held {
    mapped: crate::client::Mapped,
    _client: Client,
}

impl View for Held {
    fn size(&self) -> u64 {
        self.mapped.size()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.mapped.read(offset, into)
    }
}

/// A file, mapped as any program would.
struct MappedFile {
    arena: Arena,
    size: u64,
    path: String,
}

impl MappedFile {
    fn open(path: &Path, advise: Advise) -> Result<MappedFile> {
        let what = || format!("cannot map {}", path.display());
        let file = File::open(path).or_fail(what)?;
        let size = file.metadata().or_fail(what)?.len();
        let mapped = size.next_multiple_of(PAGE_SIZE).max(PAGE_SIZE);
        // What an earlier run left in the page cache is not what is to be measured.
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).or_fail(what)?;
        let arena = Arena::reserve(&[mapped]).or_fail(what)?;
        arena.map(arena.start(), mapped, Backing::Private(file.as_fd(), 0), Prot::READ).or_fail(what)?;
        arena.advise(arena.start(), mapped, advise).or_fail(what)?;
        Ok(MappedFile { arena, size, path: path.display().to_string() })
    }
}

impl View for MappedFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let read = self.arena.read(self.arena.start() + offset, into);
        read.or_exit(Exit::Memory, || format!("memory error: cannot read {} at offset {offset:#x}", self.path))
    }
}
