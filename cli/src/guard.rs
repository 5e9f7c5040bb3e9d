//! Whatever ends a demo or a measurement, nothing of it stays: no process, no file.
//!
//! Invariants: (1) [`Guard::clear`] does its work once, whoever calls it first: the end, an error, or a signal;
//! (2) after a signal the program ends from within the call, so that no other thread reports the deaths it caused.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, OrFail, Result};
use crate::out::Out;

/// What has to go at the end. Clones are the same guard.
#[derive(Clone, Default)]
pub struct Guard(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    processes: Vec<sys::PidFd>,
    folders: Vec<PathBuf>,
    keep: bool,
}

impl Guard {
    /// A guard that also answers SIGINT, SIGTERM and SIGHUP.
    pub fn install(out: Out) -> Result<Guard> {
        let guard = Guard::default();
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
        let path = base.join(format!("{label}-{}", std::process::id()));
        let mut inner = self.lock();
        crate::state::create_private(&path)?;
        inner.folders.push(path.clone());
        Ok(path)
    }

    /// A child that is killed at the end, if it still runs.
    pub fn process(&self, child: &std::process::Child) -> Result<()> {
        let pidfd = sys::PidFd::open(child.id()).or_fail(|| format!("cannot watch process {}", child.id()))?;
        self.lock().processes.push(pidfd);
        Ok(())
    }

    /// Leaves the folders where they are.
    pub fn keep_folders(&self) {
        self.lock().keep = true;
    }

    /// Kills what runs and removes what lies about.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn clear(&mut self) {
        // Best effort on purpose: each step is tried whatever became of the one before.
        for process in &self.processes {
            let _ = process.kill();
        }
        for process in self.processes.drain(..) {
            let _ = process.wait_exit(std::time::Duration::from_secs(5));
        }
        for folder in self.folders.drain(..) {
            if !self.keep {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
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
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        guard.process(&child).unwrap();
        guard.clear();
        assert!(!folder.exists());
        assert!(!child.wait().unwrap().success());
        guard.clear();
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
