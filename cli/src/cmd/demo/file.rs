//! The demo's file: real bytes of this machine, at least as many as asked for.
//!
//! A large file is looked for; where there is none, the files of system folders are put one after another. Either way
//! the demo works on a copy of its own, since it writes to it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::failure::{Exit, Failure, OrFail, Result};
use crate::out::Out;
use crate::progress::{Progress, Unit};
use crate::units::Bytes;

/// Where large files often are, most likely first.
/// Only programs and what belongs to them: nobody's data, and nothing that changes.
const PLACES: [&str; 5] = ["/usr/lib", "/usr/local", "/opt", "/usr/share", "/usr/bin"];
/// How long the search may take.
const SEARCH_TIME: Duration = Duration::from_secs(3);
/// A file may be this many times as large as asked for.
const TOO_LARGE: u64 = 3;

/// Puts the demo's file at `target` and returns a sentence that says what it is.
pub fn make(out: Out, size: u64, target: &Path) -> Result<String> {
    check_space(size, target)?;
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".rustup")));
    places.extend(PLACES.iter().map(PathBuf::from));
    match find(&places, size, Instant::now() + SEARCH_TIME) {
        Some((path, found)) => {
            copy(out, &path, found, target)?;
            Ok(format!("a copy of {} ({})", path.display(), Bytes(found)))
        }
        None => {
            let (files, made) = concatenate(out, &places, size, target)?;
            Ok(format!("{files} files of this machine put one after another ({})", Bytes(made)))
        }
    }
}

/// The smallest readable file of real bytes with at least `size` of them and not absurdly more.
fn find(places: &[PathBuf], size: u64, deadline: Instant) -> Option<(PathBuf, u64)> {
    let mut best: Option<(PathBuf, u64)> = None;
    walk(places, deadline, |path, meta| {
        let sparse = meta.blocks() * 512 < meta.len();
        let fits = meta.len() >= size && meta.len() <= size.saturating_mul(TOO_LARGE);
        if fits && !sparse && best.as_ref().is_none_or(|(_, b)| meta.len() < *b) && File::open(path).is_ok() {
            best = Some((path.to_owned(), meta.len()));
        }
        true
    });
    best
}

/// Calls `each` with every regular file below `places`, breadth first, until it says no or the time is over.
fn walk(places: &[PathBuf], deadline: Instant, mut each: impl FnMut(&Path, &fs::Metadata) -> bool) {
    let mut folders: VecDeque<PathBuf> = places.iter().cloned().collect();
    while let Some(folder) = folders.pop_front() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            // Links are not followed: they could lead in a circle or to /proc.
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_dir() {
                folders.push_back(path);
            } else if meta.is_file() && !each(&path, &meta) {
                return;
            }
        }
        if Instant::now() >= deadline {
            return;
        }
    }
}

fn copy(out: Out, from: &Path, size: u64, to: &Path) -> Result<()> {
    let what = || format!("cannot copy {} to {}", from.display(), to.display());
    let mut source = File::open(from).or_fail(what)?;
    let mut target = File::create_new(to).or_fail(what)?;
    let mut progress = Progress::start(out, "copying a real file", Unit::Bytes, size);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = source.read(&mut buffer).or_fail(what)?;
        if n == 0 {
            break;
        }
        target.write_all(&buffer[..n]).or_fail(what)?;
        progress.add(n as u64);
    }
    progress.done();
    Ok(())
}

/// Files one after another until there are `size` bytes; those that cannot be read are left out.
fn concatenate(out: Out, places: &[PathBuf], size: u64, to: &Path) -> Result<(u64, u64)> {
    let what = || format!("cannot write {}", to.display());
    let mut target = File::create_new(to).or_fail(what)?;
    let mut progress = Progress::start(out, "collecting real files", Unit::Bytes, size);
    let (mut files, mut bytes) = (0, 0);
    let mut failed: Option<io::Error> = None;
    walk(places, Instant::now() + Duration::from_secs(120), |path, meta| {
        if meta.len() == 0 {
            return true;
        }
        let Ok(source) = File::open(path) else { return true };
        match io::copy(&mut source.take(size - bytes), &mut target) {
            Ok(n) => {
                files += 1;
                bytes += n;
                progress.set(bytes);
                bytes < size
            }
            // A file that cannot be read to its end is passed over; a target that is full is not.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                failed = Some(error);
                false
            }
            Err(_) => {
                bytes = target.metadata().map_or(bytes, |m| m.len());
                bytes < size
            }
        }
    });
    if let Some(error) = failed {
        return Err(error).or_fail(what);
    }
    if bytes < size {
        return Err(Failure::new(
            Exit::Machine,
            format!("this machine has less than {} of readable files", Bytes(size)),
        )
        .because(format!("found {}", Bytes(bytes)))
        .cure("mach demo --size 64MiB"));
    }
    progress.done();
    Ok((files, bytes))
}

fn check_space(size: u64, target: &Path) -> Result<()> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let stat = rustix::fs::statvfs(folder).or_fail(|| format!("cannot examine {}", folder.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    // Half as much again, since the file found may be larger and the nodes write a little.
    if free >= size + size / 2 {
        return Ok(());
    }
    Err(Failure::new(Exit::Machine, format!("{} has too little room for the demo's file", folder.display()))
        .because(format!("{} are free", Bytes(free)))
        .cure("choose another folder: TMPDIR=/somewhere/else mach demo")
        .cure("or a smaller file: mach demo --size 64MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Out {
        Out::new(false, true)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn the_smallest_file_that_is_large_enough_is_found() {
        let tmp = tempfile::tempdir().unwrap();
        let sub = tmp.path().join("sub");
        fs::create_dir(&sub).unwrap();
        for (name, len) in [("small", 10_000), ("a", 60_000), ("sub/b", 50_000), ("sub/huge", 900_000)] {
            fs::write(tmp.path().join(name), vec![7; len]).unwrap();
        }
        std::os::unix::fs::symlink(tmp.path(), sub.join("circle")).unwrap();
        let found = find(&[tmp.path().to_owned()], 40_000, soon());
        assert_eq!(found, Some((sub.join("b"), 50_000)));
        assert_eq!(find(&[tmp.path().to_owned()], 100_000, soon()), None, "nine times as much is too large");
    }

    #[test]
    fn a_file_of_holes_is_no_real_file() {
        let tmp = tempfile::tempdir().unwrap();
        File::create(tmp.path().join("holes")).unwrap().set_len(50_000).unwrap();
        assert_eq!(find(&[tmp.path().to_owned()], 40_000, soon()), None);
    }

    #[test]
    fn small_files_together_make_one_of_the_size_asked_for() {
        let tmp = tempfile::tempdir().unwrap();
        let from = tmp.path().join("from");
        fs::create_dir(&from).unwrap();
        (0..10).for_each(|n| fs::write(from.join(n.to_string()), vec![n; 1000]).unwrap());
        let target = tmp.path().join("made");
        assert_eq!(concatenate(quiet(), std::slice::from_ref(&from), 4500, &target).unwrap(), (5, 4500));
        assert_eq!(fs::metadata(&target).unwrap().len(), 4500);
        fs::remove_file(&target).unwrap();
        let failure = concatenate(quiet(), &[from], 20_000, &target).unwrap_err();
        assert_eq!(failure.exit(), Exit::Machine);
    }
}
