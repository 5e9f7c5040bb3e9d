//! What a read costs: raw, through `O_DIRECT`, and through the server. Prints microseconds; see docs/decisions/0006.
//!
//! `cargo run --release -p pager --example bench_file -- FILE` (at least 64 MiB, on a disk, not a tmpfs)

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pager::{Config, FilePager, Out, Pager, PagerServer, Pages, Time};
use proto::iface::memory_object::{DataRequest, Init};
use proto::{Message, NamedRight, PAGE_SIZE, PortName, Prot, SimpleRoutine, TraceId};
use rustix::fs::{Advice, Mode, OFlags, SeekFrom};
use rustix::io::ReadWriteFlags;

const ROUNDS: usize = 20_000;
const CONTROL: PortName = PortName(9);

fn main() {
    let path = std::env::args().nth(1).expect("usage: bench_file FILE");
    let path = Path::new(&path);
    let file = File::open(path).expect("open");
    let pages = file.metadata().expect("stat").len() / PAGE_SIZE;
    assert!(pages >= 16_384, "the file is too small");
    let direct = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECT, Mode::empty()).map(File::from);
    let mut page = 0u64;
    let mut random = move |span: u64| {
        page = page.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (page >> 33) % (pages - span)
    };

    for (what, span) in [("4 KiB", 1), ("64 KiB", 16), ("1 MiB", 256)] {
        let mut buffer = vec![0u8; (span * PAGE_SIZE) as usize];
        let rounds = ROUNDS / span.min(20) as usize;
        for p in 0..pages / 64 {
            file.read_exact_at(&mut vec![0; 64 << 12], p * 64 * PAGE_SIZE).expect("warm the cache");
        }
        measure(&format!("preadv2 NOWAIT, in the page cache, {what}"), rounds, || {
            let at = random(span) * PAGE_SIZE;
            let got = rustix::io::preadv2(&file, &mut [IoSliceMut::new(&mut buffer)], at, ReadWriteFlags::NOWAIT);
            assert_eq!(got, Ok(buffer.len()));
        });
        if let Ok(direct) = &direct {
            let mut room = vec![0u8; buffer.len() + 4096];
            let skip = room.as_ptr().align_offset(4096);
            let aligned = &mut room[skip..skip + buffer.len()];
            measure(&format!("pread O_DIRECT, {what}"), rounds / 10, || {
                direct.read_exact_at(aligned, random(span) * PAGE_SIZE).expect("read");
            });
        }
        let drop_cache = || rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("fadvise");
        measure_after(&format!("pread after dropping the page cache, {what}"), 1000, drop_cache, || {
            file.read_exact_at(&mut buffer, random(span) * PAGE_SIZE).expect("read");
        });
    }
    measure("lseek SEEK_DATA", ROUNDS, || {
        rustix::fs::seek(&file, SeekFrom::Data(random(1) * PAGE_SIZE)).expect("seek");
    });
    for (what, writable) in [("read-only", false), ("writable", true)] {
        let pager = Arc::new(FilePager::open(path, writable).expect("export"));
        pager.read(Pages::new(0, 256));
        let mut server = PagerServer::new(PortName(1), Config { hold_ns: 0, ..Config::default() });
        server.export(PortName(2), "bench", pager.clone()).expect("export");
        let (memory_control, memory_object_name) = (NamedRight::move_send(CONTROL), NamedRight::NULL);
        let mut out = Out::default();
        let init = Init { memory_control, memory_object_name, memory_object_page_size: PAGE_SIZE };
        server.on_message(Time(1), message(init), &mut out);
        for (size, span) in [("4 KiB", 1), ("64 KiB", 16)] {
            for p in 0..pages / 64 {
                file.read_exact_at(&mut vec![0; 64 << 12], p * 64 * PAGE_SIZE).expect("warm the cache");
            }
            measure(&format!("server: data_request to data_supply, {what}, {size}"), ROUNDS, || {
                let (offset, length) = (random(span) * PAGE_SIZE, span * PAGE_SIZE);
                let desired_access = Prot::READ.bits();
                out = Out::default();
                server.on_message(
                    Time(1),
                    message(DataRequest { memory_control, offset, length, desired_access }),
                    &mut out,
                );
                assert!(out.jobs.is_empty() && out.messages.len() == 1);
            });
        }
        measure(&format!("FilePager::try_read, {what}, 4 KiB"), ROUNDS, || {
            let at = random(1);
            pager.try_read(Pages::new(at, at + 1)).expect("in the page cache");
        });
    }
}

fn message<C: SimpleRoutine<NamedRight>>(call: C) -> Message<NamedRight> {
    let (remote, local) = (NamedRight::NULL, NamedRight::move_send(PortName(2)));
    Message { remote, local, id: C::ID, seqno: 0, trace: TraceId(1), body: call.into_body() }
}

fn measure(what: &str, rounds: usize, act: impl FnMut()) {
    measure_after(what, rounds, || (), act);
}

/// As [`measure`], with `before` each round, which does not count.
fn measure_after(what: &str, rounds: usize, mut before: impl FnMut(), mut act: impl FnMut()) {
    let mut times: Vec<u128> = (0..rounds)
        .map(|_| {
            before();
            let began = Instant::now();
            act();
            began.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    let at = |q: f64| times[(times.len() as f64 * q) as usize] as f64 / 1000.0;
    println!("{what:<60} p50 {:8.2}  p99 {:8.2}", at(0.5), at(0.99));
}
