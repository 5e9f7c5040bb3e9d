//! What memory in a message is compared with: fork(2), memcpy, a Unix socket, and plain mappings of the same size.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Instant;

use mach_bench::{Error, Told};
use proto::{PAGE_SIZE, Prot};
use sys::arena::Advise;
use sys::{Arena, Backing, Forked, Memfd};

use super::report::Figure;
use super::step::{self, FRESH, Pages, RUN_WRITTEN, Step};
use crate::failure::{OrFail, Result};

/// Microseconds by figure.
pub type Floors = BTreeMap<Figure, f64>;

const ACCESS: Prot = Prot::READ.union(Prot::WRITE);

/// Measures all floors for each size that it is asked for.
pub fn run(socket: &Path) -> Result<()> {
    let what = || "cannot measure what memory is compared with".to_owned();
    sys::guarded::install().or_fail(what)?;
    let mut sink = UnixStream::connect(socket).or_fail(what)?;
    let measure = |step: &Step| match *step {
        Step::Floors { bytes } => measure(bytes, &mut sink),
        other => Err(format!("there is no floor for {other:?}").into()),
    };
    mach_bench::work(measure).or_fail(what)
}

/// The other end of the socket: reads as much as it is told into memory that it has already, and answers with a byte.
pub fn sink(socket: &Path) -> Result<()> {
    let what = || "cannot take bytes from a socket".to_owned();
    let listener = UnixListener::bind(socket).or_fail(what)?;
    println!("{}", serde_json::to_string(&<Told>::Ready).or_fail(what)?);
    let (mut stream, _) = listener.accept().or_fail(what)?;
    let mut bytes = [0; 8];
    while stream.read_exact(&mut bytes).is_ok() {
        let mut into = populated(u64::from_le_bytes(bytes), 2);
        stream.write_all(&[1]).or_fail(what)?;
        stream.read_exact(&mut into).or_fail(what)?;
        stream.write_all(&[into[into.len() - 1]]).or_fail(what)?;
    }
    Ok(())
}

fn measure(bytes: u64, sink: &mut UnixStream) -> Result<Floors, Error> {
    let mut floors = Floors::new();
    forks(bytes, &mut floors)?;
    copies(bytes, sink, &mut floors)?;
    mappings(bytes, &mut floors)?;
    Ok(floors)
}

/// Plain memory touched, forked, and written to while the child has it, too. Its pages are of 4 KiB.
fn forks(bytes: u64, floors: &mut Floors) -> Result<(), Error> {
    let arena = Arena::reserve(&[bytes])?;
    let (start, count) = (arena.start(), bytes / PAGE_SIZE);
    let write = |pages, generation| step::write(pages, count, generation, |at, word| arena.write(start + at, word));
    timed(floors, Figure::AnonymousFill, || {
        arena.map(start, bytes, Backing::Anonymous, ACCESS)?;
        arena.advise(start, bytes, Advise::NoHugePages)?;
        Ok(write(Pages::All, FRESH)?)
    })?;
    let (_child, took) = Forked::new()?;
    floors.insert(Figure::Fork, took.as_nanos() as f64 / 1000.0);
    timed(floors, Figure::ForkWriteOne, || Ok(write(Pages::Scattered, RUN_WRITTEN)?))?;
    timed(floors, Figure::ForkWriteAll, || Ok(write(Pages::All, RUN_WRITTEN)?))
}

/// The bytes copied, within the process and to another; both have the memory already.
fn copies(bytes: u64, sink: &mut UnixStream, floors: &mut Floors) -> Result<(), Error> {
    let (from, mut to) = (populated(bytes, 1), populated(bytes, 2));
    timed(floors, Figure::Memcpy, || {
        std::hint::black_box(&mut to[..]).copy_from_slice(std::hint::black_box(&from));
        Ok(())
    })?;
    let mut answer = [0];
    sink.write_all(&bytes.to_le_bytes())?;
    sink.read_exact(&mut answer)?;
    timed(floors, Figure::Socket, || {
        sink.write_all(&from)?;
        Ok(sink.read_exact(&mut answer)?)
    })?;
    match (to[to.len() - 1], answer) {
        (1, [1]) => Ok(()),
        other => Err(format!("copies have {other:?}").into()),
    }
}

/// A memfd mapped as any program would: filled, then read and written to through private mappings.
fn mappings(bytes: u64, floors: &mut Floors) -> Result<(), Error> {
    let arena = Arena::reserve(&[bytes])?;
    let (start, count) = (arena.start(), bytes / PAGE_SIZE);
    let mut memfd = None;
    timed(floors, Figure::MemfdFill, || {
        let memfd = memfd.insert(Memfd::create("mach-bench", bytes)?);
        arena.map(start, bytes, Backing::Shared(memfd.as_fd(), 0), ACCESS)?;
        Ok(step::write(Pages::All, count, FRESH, |at, word| arena.write(start + at, word))?)
    })?;
    let memfd = memfd.expect("it was made");
    let map = || arena.map(start, bytes, Backing::Private(memfd.as_fd(), 0), ACCESS);
    let read = |pages| match step::read(pages, count, FRESH, |at, into| arena.read(start + at, into))? {
        None => Ok(()),
        Some(page) => Err(format!("page {page} of a plain mapping is wrong").into()),
    };
    let write = |pages| step::write(pages, count, RUN_WRITTEN, |at, word| arena.write(start + at, word));
    map()?;
    timed(floors, Figure::NativeReadOne, || read(Pages::Scattered))?;
    timed(floors, Figure::NativeReadAll, || read(Pages::All))?;
    map()?;
    timed(floors, Figure::NativeWriteOne, || Ok(write(Pages::Scattered)?))?;
    map()?;
    timed(floors, Figure::NativeWriteAll, || Ok(write(Pages::All)?))
}

fn timed(floors: &mut Floors, figure: Figure, act: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let begun = Instant::now();
    act()?;
    floors.insert(figure, begun.elapsed().as_nanos() as f64 / 1000.0);
    Ok(())
}

/// Bytes whose pages are there.
fn populated(bytes: u64, with: u8) -> Vec<u8> {
    vec![with; bytes as usize]
}
