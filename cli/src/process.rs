//! Processes that another command started: finding them again, and ending them without hitting a stranger.
//!
//! Invariant: a process is signalled only through a pidfd, opened before its start time was compared with the record, so
//! that a number used again cannot be hit.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sys::PidFd;

use crate::failure::{OrFail, Result};
use crate::state::{NodeDir, write_private};

/// A killed process is gone after this, unless the kernel itself is stuck.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// What the file `pid` of a node's folder says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PidRecord {
    /// The process.
    pub pid: u32,
    /// Its start, in clock ticks since boot (`proc_pid_stat(5)`, field 22): a number that is used again has another.
    pub start_ticks: u64,
    /// The boot, since ticks start again with each.
    pub boot: String,
}

impl PidRecord {
    /// The record of this process.
    pub fn of_self() -> Result<PidRecord> {
        let pid = std::process::id();
        let what = || "cannot read this process's start time from /proc".to_owned();
        let start_ticks = start_ticks(pid).ok_or_else(|| std::io::Error::other("/proc/self/stat is unreadable"));
        Ok(PidRecord { pid, start_ticks: start_ticks.or_fail(what)?, boot: boot_id() })
    }

    /// Writes it to a node's folder.
    pub fn write(&self, node: &NodeDir) -> Result<()> {
        let text = serde_json::to_string(self).or_fail(|| "cannot write a pid record".into())?;
        write_private(&node.pid(), format!("{text}\n").as_bytes())
    }

    /// Takes it away again, if it is the one in the node's folder.
    pub fn remove(&self, node: &NodeDir) {
        if PidRecord::read(node).is_some_and(|found| found.pid == self.pid && found.start_ticks == self.start_ticks) {
            // One that stays is recognised as stale by its start time; removing it is tidiness.
            let _ = fs::remove_file(node.pid());
        }
    }

    /// The record in a node's folder; `None` when there is none that can be read.
    pub fn read(node: &NodeDir) -> Option<PidRecord> {
        serde_json::from_str(&fs::read_to_string(node.pid()).ok()?).ok()
    }
}

/// A running process that was checked to be the one that was meant.
pub struct Process {
    pid: u32,
    pidfd: PidFd,
}

impl Process {
    /// The process of a record; `None` when it has ended, or its number belongs to another now.
    pub fn find(record: &PidRecord) -> Option<Process> {
        let pidfd = PidFd::open(record.pid).ok()?;
        // Read after the open: as long as the pidfd is unreaped, the number cannot have moved on.
        let same = start_ticks(record.pid) == Some(record.start_ticks) && boot_id() == record.boot;
        let running = same && !pidfd.has_exited().unwrap_or(true);
        running.then_some(Process { pid: record.pid, pidfd })
    }

    /// The process of a node's folder.
    pub fn of_node(node: &NodeDir) -> Option<Process> {
        Process::find(&PidRecord::read(node)?)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// SIGTERM, and SIGKILL when that has not ended it in time. True when SIGTERM was enough.
    pub fn end(&self, patience: Duration) -> Result<bool> {
        let what = || format!("cannot end process {}", self.pid);
        self.pidfd.terminate().or_fail(what)?;
        if self.pidfd.wait_exit(patience).or_fail(what)? {
            return Ok(true);
        }
        self.pidfd.kill().or_fail(what)?;
        self.pidfd.wait_exit(KILLED_WITHIN).or_fail(what)?;
        Ok(false)
    }
}

/// The path of this executable, also after it was replaced by a new build.
pub fn current_exe() -> Result<PathBuf> {
    let exe = std::env::current_exe().or_fail(|| "cannot find this executable".into())?;
    Ok(if exe.exists() { exe } else { "/proc/self/exe".into() })
}

fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything, so count from the last one: field 3 follows it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(22 - 3)?.parse().ok()
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn record_of(pid: u32) -> PidRecord {
        PidRecord { pid, start_ticks: start_ticks(pid).unwrap(), boot: boot_id() }
    }

    #[test]
    fn a_process_is_ended_through_its_record() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::find(&record_of(child.id())).unwrap();
        assert!(!process.pidfd.has_exited().unwrap());
        assert!(process.end(Duration::from_secs(5)).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let process = Process::find(&record_of(child.id())).unwrap();
        assert!(!process.end(Duration::from_millis(100)).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_number_that_belongs_to_another_is_left_alone() {
        let mine = PidRecord::of_self().unwrap();
        assert!(Process::find(&mine).is_some());
        assert!(Process::find(&PidRecord { start_ticks: mine.start_ticks + 1, ..mine.clone() }).is_none());
        assert!(Process::find(&PidRecord { boot: "another".into(), ..mine }).is_none());
    }

    #[test]
    fn one_that_has_ended_is_not_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let record = record_of(child.id());
        child.kill().unwrap();
        let process_of_zombie = Process::find(&record);
        assert!(process_of_zombie.is_none_or(|p| p.pidfd.wait_exit(Duration::from_secs(5)).unwrap()));
        child.wait().unwrap();
        assert!(Process::find(&record).is_none());
    }

    #[test]
    fn a_damaged_pid_file_is_as_none() {
        let tmp = tempfile::tempdir().unwrap();
        let node = NodeDir::at(proto::NodeName::new("n1").unwrap(), tmp.path().to_owned());
        assert!(Process::of_node(&node).is_none());
        fs::write(node.pid(), "not a record").unwrap();
        assert!(Process::of_node(&node).is_none());
        PidRecord::of_self().unwrap().write(&node).unwrap();
        assert_eq!(Process::of_node(&node).unwrap().pid(), std::process::id());
    }
}
