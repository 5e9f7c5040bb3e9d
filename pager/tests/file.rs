//! [pager.file.*]: real files.

mod common;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use common::{PAGE, World, pages_of};
use pager::{ExportError, FilePager, Pager, Pages, Piece, Pieces};
use proto::iface::memory_object_control::Request as Call;
use proto::{KernReturn, NamedRight, Payload, Prot};
use tempfile::TempDir;

const A: u32 = 100;
const RW: Prot = Prot::READ.union(Prot::WRITE);

fn dir() -> TempDir {
    TempDir::new().unwrap()
}

/// A file of `bytes` in `dir`.
fn file(dir: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join("file");
    File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// `n` pages, page `i` filled with `i + 1`.
fn numbered(n: u64) -> Vec<u8> {
    (0..n).flat_map(|i| vec![i as u8 + 1; PAGE as usize]).collect()
}

fn open(path: &Path, writable: bool) -> FilePager {
    FilePager::open(path, writable).unwrap_or_else(|e| panic!("{e}"))
}

/// What a read says of each page: its bytes, zero, or an error.
fn by_page(pieces: Pieces) -> Vec<Result<Vec<u8>, KernReturn>> {
    let mut all = Vec::new();
    for (pages, piece) in pieces {
        for p in pages.start..pages.end {
            assert_eq!(all.len() as u64, p, "pieces in order and without gaps");
            all.push(match &piece {
                Piece::Data(data) => {
                    assert_eq!(data.len() as u64, pages.bytes());
                    let at = (p - pages.start) * PAGE;
                    Ok(data.slice(at as usize, PAGE as usize).to_bytes().to_vec())
                }
                Piece::Hole => Ok(vec![0; PAGE as usize]),
                Piece::Error(code) => Err(*code),
            });
        }
    }
    all
}

fn kinds(pieces: &Pieces) -> Vec<(u64, u64, &'static str)> {
    let kind = |p: &Piece<Payload>| match p {
        Piece::Data(_) => "data",
        Piece::Hole => "hole",
        Piece::Error(_) => "error",
    };
    pieces.iter().map(|(p, piece)| (p.start, p.end, kind(piece))).collect()
}

#[test]
fn pager_file_1_only_regular_files_that_can_be_opened() {
    let dir = dir();
    let message = |path: &Path, writable| match FilePager::open(path, writable) {
        Ok(_) => panic!("{path:?} was opened"),
        Err(e) => e.to_string(),
    };
    let missing = dir.path().join("missing");
    assert_eq!(
        message(&missing, false),
        format!("cannot open {}: No such file or directory (os error 2)", missing.display())
    );
    assert!(message(dir.path(), false).contains("is a directory, not a regular file"));
    assert!(message(dir.path(), true).contains("is a directory, not a regular file"));
    assert!(message(Path::new("/dev/null"), false).contains("is a character device"));
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert!(message(&fifo, false).contains("is a FIFO"));
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(message(&socket, false).contains("is a socket"));
    let empty = file(&dir, b"");
    assert!(message(&empty, false).contains("is empty"));
    assert!(matches!(FilePager::open(&empty, true), Err(ExportError::Empty { .. })));
    let readable = file(&dir, b"x");
    assert_eq!(open(&readable, false).max_protection(), Prot::READ | Prot::EXECUTE);
    assert_eq!(open(&readable, true).max_protection(), Prot::all());
    // A program that runs cannot be written, whoever asks.
    let running = std::env::current_exe().unwrap();
    let busy = format!("cannot open for writing {}: Text file busy (os error 26)", running.display());
    assert_eq!(message(&running, true), busy);
    let gone = File::create(dir.path().join("gone")).unwrap();
    gone.set_len(1).unwrap();
    std::fs::remove_file(dir.path().join("gone")).unwrap();
    let by_descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&gone));
    assert!(message(Path::new(&by_descriptor), false).contains("was deleted"));
}

#[test]
fn pager_file_2_the_size_is_fixed_and_the_last_page_filled_up() {
    let dir = dir();
    let mut bytes = numbered(3);
    bytes.truncate(2 * PAGE as usize + 100);
    let path = file(&dir, &bytes);
    let pager = open(&path, false);
    assert_eq!(pager.size(), 2 * PAGE + 100);
    // It grows; what is beyond the size at export is not shown, not even in the last page.
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0xee; 9000]).unwrap();
    for pieces in [Some(pager.read(Pages::new(0, 3))), pager.try_read(Pages::new(0, 3))] {
        let got = by_page(pieces.expect("a page written just now is in the page cache"));
        let mut last = vec![3; 100];
        last.resize(PAGE as usize, 0);
        assert_eq!(got, [Ok(vec![1; 4096]), Ok(vec![2; 4096]), Ok(last)]);
    }
}

#[test]
fn pager_file_3_a_truncated_file_gives_errors_and_never_zeros() {
    let dir = dir();
    let path = file(&dir, &numbered(6));
    let pager = open(&path, true);
    let f = OpenOptions::new().write(true).open(&path).unwrap();
    f.set_len(3 * PAGE + 10).unwrap();
    let got = by_page(pager.read(Pages::new(0, 6)));
    let (one, lost) = (|b: u8| Ok(vec![b; 4096]), || Err(KernReturn::MemoryError));
    assert_eq!(got, [one(1), one(2), one(3), lost(), lost(), lost()]);
    assert!(pager.try_read(Pages::new(2, 4)).is_none(), "left to the read that reports it");
    assert!(pager.try_read(Pages::new(2, 3)).is_some());
    // A write does not make it long again, which would turn what is lost into a hole.
    let failed = pager.write(Pages::new(5, 6), &pages_of(&[9])).unwrap_err();
    assert_eq!(failed.code, KernReturn::MemoryError);
    assert!(failed.to_string().contains("shorter than it was at export"), "{failed}");
    assert_eq!(f.metadata().unwrap().len(), 3 * PAGE + 10);
    f.set_len(0).unwrap();
    assert_eq!(by_page(pager.read(Pages::new(0, 2))), [lost(), lost()]);
}

#[test]
fn pager_file_3_a_truncated_sparse_file_gives_errors_and_never_zeros() {
    let dir = dir();
    let path = dir.path().join("sparse");
    let f = File::create(&path).unwrap();
    f.set_len(64 * PAGE).unwrap();
    f.write_all_at(&pages_of(&[7]).to_bytes(), 4 * PAGE).unwrap();
    let pager = open(&path, false);
    f.set_len(32 * PAGE + 1).unwrap();
    let got = by_page(pager.read(Pages::new(0, 64)));
    assert!(got[..32].iter().all(Result::is_ok));
    assert_eq!(got[4], Ok(vec![7; 4096]));
    assert!(
        got[32..].iter().all(|p| *p == Err(KernReturn::MemoryError)),
        "{:?}",
        got[32..].iter().position(Result::is_ok)
    );
    assert_eq!(pager.try_read(Pages::new(40, 41)).map(|p| kinds(&p)), None);
    assert_eq!(pager.try_read(Pages::new(8, 16)).map(|p| kinds(&p)), Some(vec![(8, 16, "hole")]));
}

#[test]
fn pager_file_4_holes_and_zeros_are_said_and_not_sent() {
    let dir = dir();
    let path = dir.path().join("sparse");
    let f = File::create(&path).unwrap();
    f.set_len(300 * PAGE).unwrap();
    f.write_all_at(&pages_of(&[7, 8]).to_bytes(), 100 * PAGE).unwrap();
    let pager = open(&path, false);
    let pieces = pager.read(Pages::new(0, 256));
    let end = pieces[1].0.end;
    // A file system may keep larger units than pages.
    assert!((102..=116).contains(&end), "{:?}", kinds(&pieces));
    assert_eq!(kinds(&pieces), [(0, 100, "hole"), (100, end, "data"), (end, 256, "hole")]);
    assert_eq!(by_page(pieces)[101], Ok(vec![8; 4096]));

    // Zeros that are stored: whole answers and long runs.
    let mut bytes = numbered(60);
    bytes[20 * 4096..40 * 4096].fill(0);
    bytes[50 * 4096..51 * 4096].fill(0);
    let full = open(&file(&dir, &bytes), false);
    let pieces = full.read(Pages::new(0, 60));
    assert_eq!(kinds(&pieces), [(0, 20, "data"), (20, 40, "hole"), (40, 60, "data")]);
    let expected: Vec<_> = bytes.chunks(4096).map(|p| Ok(p.to_vec())).collect();
    assert_eq!(by_page(pieces), expected);
    assert_eq!(kinds(&full.read(Pages::new(50, 51))), [(50, 51, "hole")]);
    assert_eq!(kinds(&full.read(Pages::new(20, 22))), [(20, 22, "hole")]);
    bytes[21 * 4096 + 4095] = 1;
    std::fs::write(dir.path().join("file"), &bytes).unwrap();
    assert_eq!(kinds(&full.read(Pages::new(20, 22))), [(20, 22, "data")]);
}

#[test]
fn pager_file_5_writes_reach_the_file_and_not_beyond_its_size() {
    let dir = dir();
    let mut bytes = numbered(4);
    bytes.truncate(3 * 4096 + 7);
    let path = file(&dir, &bytes);
    let pager = open(&path, true);
    let mut data = pages_of(&[21]);
    data.push(pages_of(&[22, 23]).to_bytes());
    pager.write(Pages::new(1, 4), &data).unwrap();
    pager.sync().unwrap();
    let now = std::fs::read(&path).unwrap();
    bytes[4096..8192].fill(21);
    bytes[8192..12288].fill(22);
    bytes[12288..].fill(23);
    assert_eq!(now.len(), 3 * 4096 + 7);
    assert!(now == bytes);
    let last = by_page(pager.read(Pages::new(0, 4))).pop().unwrap().unwrap();
    assert_eq!((last[6], last[7]), (23, 0));
}

#[test]
fn pager_file_9_what_is_cached_is_answered_at_once_and_the_rest_is_not() {
    let dir = dir();
    let path = file(&dir, &numbered(64));
    let pager = open(&path, false);
    let f = File::open(&path).unwrap();
    f.sync_all().unwrap();
    rustix::fs::fadvise(&f, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    // Some file systems (tmpfs) have nowhere else to keep it, and some cannot read without waiting; what must hold is
    // that an answer at once is the right one, and that after a read of a file system that can there is one.
    let expected: Vec<_> = numbered(64).chunks(4096).map(|p| Ok(p.to_vec())).collect();
    let cold = pager.try_read(Pages::new(0, 64));
    if let Some(pieces) = cold {
        assert_eq!(by_page(pieces), expected);
    }
    assert_eq!(by_page(pager.read(Pages::new(0, 64))), expected);
    let mut one = [0; 1];
    let into = &mut [std::io::IoSliceMut::new(&mut one)];
    if rustix::io::preadv2(&f, into, 0, rustix::io::ReadWriteFlags::NOWAIT) == Ok(1) {
        assert_eq!(pager.try_read(Pages::new(0, 64)).map(by_page), Some(expected));
    }
}

#[test]
fn pager_file_8_a_writable_export_excludes_others() {
    let dir = dir();
    let path = file(&dir, b"x");
    let first = open(&path, false);
    let second = open(&path, false);
    assert!(matches!(FilePager::open(&path, true), Err(ExportError::InUse { .. })));
    drop((first, second));
    let writer = open(&path, true);
    assert!(matches!(FilePager::open(&path, false), Err(ExportError::InUse { .. })));
    drop(writer);
    open(&path, false);
}

/// A file system of its own, taken down with it.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn new(size: &str) -> Option<SmallDisk> {
        let dir = dir();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "pager-test"])
            .arg(dir.path())
            .output()
            .is_ok_and(|o| o.status.success());
        mounted.then(|| SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// The same with a store that says so is `a_full_disk_loses_nothing` in `server.rs`; this one needs to be allowed to mount.
#[test]
fn pager_file_6_a_full_disk_keeps_the_bytes_and_says_so() {
    let Some(disk) = SmallDisk::new("64k") else {
        println!("not run: this process may not mount a tmpfs");
        return;
    };
    let path = disk.0.path().join("file");
    File::create(&path).unwrap().set_len(64 * PAGE).unwrap();
    let mut w = World::new(Arc::new(open(&path, true)));
    w.init(A);
    w.request(A, 0, 64, RW);
    w.sent.clear();
    for p in 0..64 {
        w.give_back(A, p, pages_of(&[p as u8 + 1]), false);
    }
    w.synchronize(A);
    let code = KernReturn::ResourceShortage.raw();
    assert!(matches!(&w.sent_to(A)[..], [Call::SynchronizeCompleted(s)] if s.result == code));
    let failed = w.server.stats()[0].failed_pages;
    assert!((48..64).contains(&failed), "{failed} pages did not fit");
    // All of it can still be read.
    w.init(200);
    w.sent.clear();
    w.request(200, 0, 64, Prot::READ);
    assert_eq!(first_bytes(w.sent_to(200)), (1..=64).collect::<Vec<u8>>());
    // Room is made.
    let grown = Command::new("mount").args(["-o", "remount,size=1m"]).arg(disk.0.path()).status().unwrap();
    assert!(grown.success());
    w.synchronize(A);
    assert!(matches!(&w.sent_to(A)[..], [Call::SynchronizeCompleted(s)] if s.result == 0));
    assert_eq!(w.server.stats()[0].kept_pages, 0);
    drop(w);
    let firsts: Vec<u8> = std::fs::read(&path).unwrap().chunks(4096).map(|p| p[0]).collect();
    assert_eq!(firsts, (1..=64).collect::<Vec<u8>>());
}

/// The first byte of each page that was supplied, in order of the pages.
fn first_bytes(calls: Vec<Call<NamedRight>>) -> Vec<u8> {
    let mut all = Vec::new();
    for call in calls {
        let Call::DataSupply(s) = call else { panic!("id {}", call.id()) };
        let bytes = s.data.to_bytes();
        all.extend(bytes.chunks(4096).enumerate().map(|(i, p)| (s.offset / PAGE + i as u64, p[0])));
    }
    all.sort();
    all.into_iter().map(|(_, byte)| byte).collect()
}

/// A truncated file as a kernel sees it.
#[test]
fn a_truncated_file_is_a_memory_error_to_who_asks() {
    let dir = dir();
    let path = file(&dir, &numbered(4));
    let mut w = World::new(Arc::new(open(&path, false)));
    w.init(A);
    w.sent.clear();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    w.request(A, 0, 4, Prot::READ);
    let calls = w.sent_to(A);
    let [Call::DataSupply(s), Call::DataError(e)] = &calls[..] else { panic!("{} calls", calls.len()) };
    assert_eq!((s.offset, s.data.len() as u64), (0, PAGE));
    assert_eq!((e.offset, e.size, e.error_value), (PAGE, 3 * PAGE, KernReturn::MemoryError.raw()));
    w.holds_only(&[A]);
}
