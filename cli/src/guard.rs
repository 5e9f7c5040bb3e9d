//! Whatever ends a demo or a measurement, nothing of it stays: no process, no file.
//!
//! Invariants: (1) [`Guard::clear`] does its work once, whoever calls it first: the end, an error, or a signal;
//! (2) after a signal the program ends from within the call, so that no other thread reports the deaths it caused;
//! (3) whatever makes folders or processes does so with the lock held ([`Guard::make`]), and not once it is cleared: so
//! no other thread makes again what was removed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure, OrFail, Result};
use crate::out::Out;

/// How long a folder is tried to be removed.
const REMOVED_WITHIN: Duration = Duration::from_secs(2);
/// A folder that stays gone for this long is gone.
const SETTLED: Duration = Duration::from_millis(20);

/// What has to go at the end. Clones are the same guard.
#[derive(Clone, Default)]
pub struct Guard(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    processes: Vec<sys::PidFd>,
    folders: Vec<PathBuf>,
    keep: bool,
    cleared: bool,
    /// Where to say what could not be removed.
    out: Option<Out>,
}

impl Guard {
    /// A guard that also answers SIGINT, SIGTERM and SIGHUP.
    pub fn install(out: Out) -> Result<Guard> {
        let guard = Guard(Arc::new(Mutex::new(Inner { out: Some(out), ..Inner::default() })));
        let what = || "cannot prepare for Ctrl-C".to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().or_fail(what)?;
        let mut signals = {
            let _inside = runtime.enter();
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            kinds.map(signal).into_iter().collect::<Result<Vec<_>, _>>().or_fail(what)?
        };
        let on_signal = guard.clone();
        let watch = move || {
            runtime.block_on(any(&mut signals));
            let mut inner = on_signal.lock();
            out.note("\nmach: interrupted; cleaning up");
            inner.clear();
            // With the lock held: see invariant 2.
            std::process::exit(Exit::Interrupted as i32);
        };
        std::thread::Builder::new().name("mach-signals".into()).spawn(watch).or_fail(what)?;
        Ok(guard)
    }

    /// Makes a private folder below `base` that goes at the end; `label` says what it is for.
    pub fn folder(&self, label: &str, base: &Path) -> Result<PathBuf> {
        let base = std::path::absolute(base).or_fail(|| format!("cannot locate {}", base.display()))?;
        let path = base.join(format!("{label}-{}", std::process::id()));
        let mut inner = self.lock_uncleared()?;
        crate::state::create_private(&path)?;
        inner.folders.push(path.clone());
        Ok(path)
    }

    /// Does what makes folders, which must not happen while or after others are removed.
    ///
    /// Errors: the guard has been cleared. Conditions: `make` is short, and does not use the guard.
    pub fn make<T>(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let _inner = self.lock_uncleared()?;
        make()
    }

    /// Starts a child that is killed at the end, if it still runs.
    pub fn spawn(&self, command: &mut Command, what: impl Fn() -> String) -> Result<Child> {
        let mut inner = self.lock_uncleared()?;
        let mut child = command.spawn().or_fail(&what)?;
        match sys::PidFd::open(child.id()) {
            Ok(pidfd) => inner.processes.push(pidfd),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error).or_fail(what);
            }
        }
        Ok(child)
    }

    /// Leaves everything to itself: what was started here is to outlive this command.
    pub fn release(&self) {
        let mut inner = self.lock();
        inner.processes.clear();
        inner.folders.clear();
    }

    /// Leaves the folders where they are.
    pub fn keep_folders(&self) {
        self.lock().keep = true;
    }

    /// Kills what runs and removes what lies about; says which folders could not be removed.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_uncleared(&self) -> Result<MutexGuard<'_, Inner>> {
        let inner = self.lock();
        match inner.cleared {
            true => Err(Failure::new(Exit::Interrupted, "interrupted")),
            false => Ok(inner),
        }
    }
}

impl Inner {
    fn clear(&mut self) {
        self.cleared = true;
        // Best effort on purpose: each step is tried whatever became of the one before.
        for process in &self.processes {
            let _ = process.kill();
        }
        for process in self.processes.drain(..) {
            let _ = process.wait_exit(Duration::from_secs(5));
        }
        for folder in self.folders.drain(..) {
            if let (false, Some(out)) = (self.keep || remove(&folder), self.out) {
                out.note(format!("mach: could not remove {}", folder.display()));
            }
        }
    }
}

/// Removes a folder in which others may still write. False when something of it stays.
fn remove(folder: &Path) -> bool {
    let deadline = Instant::now() + REMOVED_WITHIN;
    // Under another name, whoever opens files by the old one fails from now on.
    let mut aside = folder.as_os_str().to_owned();
    aside.push(".removed");
    let aside = PathBuf::from(aside);
    let _ = std::fs::rename(folder, &aside);
    loop {
        let gone = || {
            [folder, &aside].iter().fold(true, |gone, path| {
                let outcome = std::fs::remove_dir_all(path);
                gone && outcome.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
            })
        };
        if gone() {
            std::thread::sleep(SETTLED);
            if gone() {
                return true;
            }
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn any(signals: &mut [Signal]) {
    std::future::poll_fn(|cx| match signals.iter_mut().any(|s| s.poll_recv(cx).is_ready()) {
        true => std::task::Poll::Ready(()),
        false => std::task::Poll::Pending,
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_kills_and_removes_once() {
        let tmp = tempfile::tempdir().unwrap();
        let guard = Guard::default();
        let folder = guard.folder("mach-test", tmp.path()).unwrap();
        std::fs::write(folder.join("file"), "x").unwrap();
        let mut child = guard.spawn(Command::new("sleep").arg("60"), || "sleep".into()).unwrap();
        guard.clear();
        assert!(!folder.exists());
        assert!(!child.wait().unwrap().success());
        guard.clear();
        assert_eq!(guard.folder("mach-test", tmp.path()).unwrap_err().exit(), Exit::Interrupted);
        assert!(guard.spawn(Command::new("sleep").arg("60"), || "sleep".into()).is_err());
    }

    #[test]
    fn a_folder_goes_while_another_thread_writes_in_it() {
        let tmp = tempfile::tempdir().unwrap();
        let guard = Guard::default();
        let folder = guard.folder("mach-test", tmp.path()).unwrap();
        let (writes, path) = (guard.clone(), folder.clone());
        let (tell, told) = std::sync::mpsc::sync_channel(0);
        let writer = std::thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(20);
            let mut refused = 0;
            for number in 0_u64.. {
                let _ = std::fs::write(path.join(format!("key-{number}")), "secret");
                let deep = path.join("authority").join(number.to_string());
                let made = writes.make(|| std::fs::create_dir_all(&deep).or_fail(|| "deep".into()));
                let _ = std::fs::write(deep.join("key"), "secret");
                refused += u32::from(made.is_err());
                let _ = (number == 100).then(|| tell.send(()));
                if refused > 1000 || Instant::now() > deadline {
                    break;
                }
            }
            refused
        });
        told.recv().unwrap();
        guard.clear();
        assert!(writer.join().unwrap() > 1000);
        assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 0, "nothing came back");
    }

    #[test]
    fn kept_folders_stay() {
        let tmp = tempfile::tempdir().unwrap();
        let guard = Guard::default();
        let folder = guard.folder("mach-test", tmp.path()).unwrap();
        guard.keep_folders();
        guard.clear();
        assert!(folder.exists());
    }
}
