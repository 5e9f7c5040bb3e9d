//! The file under an export changes or its disk is full.

use std::path::PathBuf;
use std::time::Duration;

use mach_tests::processes::{FAULT_DEADLINE, Nodes, SLACK};
use mach_tests::run;
use proto::iface::node;

use crate::{PAGE, all_readable, contents, survey};

#[test]
fn pages_behind_a_truncation_are_memory_errors_and_others_are_served() {
    let nodes = Nodes::start(2);
    let bytes = contents(64 * PAGE);
    let path = nodes.file("data", &bytes);
    nodes.export(1, &path, "data", false);
    let mapping = nodes.map(2, "data", false);
    all_readable(&mapping, &bytes, [50]);
    let file = std::fs::File::options().write(true).open(&path).expect("the file");
    file.set_len(20 * PAGE as u64 + 100).expect("a shorter file");
    all_readable(&mapping, &bytes, [5, 50]);
    // [pager.file.3]: nor is the page that the file backs in part.
    let (errors, longest) = survey(&mapping, &bytes, 20..50);
    assert_eq!(errors, (20..50).collect::<Vec<_>>());
    assert!(longest < FAULT_DEADLINE + SLACK, "{longest:?}");
    all_readable(&mapping, &bytes, 0..20);
    (1..=2).for_each(|n| nodes.assert_up(n));
}

/// A small file system of its own.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf, size: &str) -> Disk {
        std::fs::create_dir(&path).expect("a folder");
        let words = ["mount", "-t", "tmpfs", "-o", &format!("size={size}"), "none", &path.display().to_string()];
        run(Duration::from_secs(10), &words).ok();
        Disk(path)
    }

    fn resize(&self, size: &str) {
        let words = ["mount", "-o", &format!("remount,size={size}"), &self.0.display().to_string()];
        run(Duration::from_secs(10), &words).ok();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file of it open keeps it until he ends.
        run(Duration::from_secs(10), &["umount", "-l", &self.0.display().to_string()]);
    }
}

#[test]
#[ignore = "mounts a file system: run by `cargo xtask test`"]
fn a_full_disk_fails_the_flush_and_loses_nothing() {
    let nodes = Nodes::start(3);
    let disk = Disk::mount(nodes.folder().join("disk"), "1m");
    let path = disk.0.join("data");
    let pages = 512;
    std::fs::File::create(&path).and_then(|file| file.set_len((pages * PAGE) as u64)).expect("a sparse file");
    nodes.export(1, &path, "data", true);
    let (writer, reader) = (nodes.map(2, "data", true), nodes.map(3, "data", false));
    let bytes = contents(pages * PAGE);
    bytes.chunks(PAGE).enumerate().for_each(|(n, page)| {
        writer.write_at((n * PAGE) as u64, page).expect("it is writable");
    });
    let refused = writer.flush(0..writer.len()).expect_err("two MiB do not fit into one");
    println!("{refused}");
    all_readable(&writer, &bytes, 0..pages);
    all_readable(&reader, &bytes, 0..pages);
    assert!(writer.flush(0..writer.len()).is_err(), "still full, and still said");
    let unwritten = || nodes.ask(1, node::Objects).objects.iter().map(|o| o.dirty_pages).max();
    assert!(unwritten() > Some(0), "the operator sees what is not in the file");
    let kept = nodes.mach(1, &["object", "rm", "data"]);
    assert_eq!(kept.code, Some(1), "an export is not ended while that would lose pages");
    disk.resize("8m");
    writer.flush(0..writer.len()).expect("there is room now");
    assert!(std::fs::read(&path).expect("the file") == bytes);
    all_readable(&reader, &bytes, 0..pages);
    (1..=3).for_each(|n| nodes.assert_up(n));
}

#[test]
#[ignore = "mounts a file system: run by `cargo xtask test`"]
fn a_full_disk_does_not_lose_what_a_writer_returned_before_it_died() {
    let nodes = Nodes::start(3);
    let disk = Disk::mount(nodes.folder().join("disk"), "256k");
    let path = disk.0.join("data");
    let pages = 256;
    std::fs::File::create(&path).and_then(|file| file.set_len((pages * PAGE) as u64)).expect("a sparse file");
    nodes.export(1, &path, "data", true);
    let writer = nodes.map(2, "data", true);
    let bytes = contents(pages * PAGE);
    bytes.chunks(PAGE).enumerate().for_each(|(n, page)| {
        writer.write_at((n * PAGE) as u64, page).expect("it is writable");
    });
    assert!(writer.flush(0..writer.len()).is_err());
    nodes.kill(2);
    let reader = nodes.map(3, "data", true);
    all_readable(&reader, &bytes, 0..pages);
    disk.resize("8m");
    reader.write_at(0, &bytes[..8]).expect("it is writable");
    reader.flush(0..reader.len()).expect("there is room now");
    assert!(std::fs::read(&path).expect("the file") == bytes);
}
