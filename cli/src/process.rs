//! Other processes: starting a node that outlives this command, and ending one without hitting a stranger.
//!
//! Invariants: (1) a process is signalled only through a pidfd, opened before its start time was compared with the
//! record, so that a number used again cannot be hit; (2) whatever was started here and did not come up is ended here.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::failure::{OrFail, Result};
use crate::state::{NodeDir, write_private};

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

    /// The record in a node's folder; `None` when there is none that can be read.
    pub fn read(node: &NodeDir) -> Option<PidRecord> {
        serde_json::from_str(&fs::read_to_string(node.pid()).ok()?).ok()
    }
}

/// A running process that was checked to be the one that was meant.
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
}

impl Process {
    /// The process of a record; `None` when it has ended, or its number belongs to another now.
    pub fn find(record: &PidRecord) -> Option<Process> {
        let pid = Pid::from_raw(i32::try_from(record.pid).ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Read after the open: as long as the pidfd is unreaped, the number cannot have moved on.
        let same = start_ticks(record.pid) == Some(record.start_ticks) && boot_id() == record.boot;
        let process = Process { pid: record.pid, pidfd };
        (same && !process.ended_within(Duration::ZERO)).then_some(process)
    }

    /// The process of a node's folder.
    pub fn of_node(node: &NodeDir) -> Option<Process> {
        Process::find(&PidRecord::read(node)?)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal; one that has ended already is fine.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => other.or_fail(|| format!("cannot send {signal:?} to process {}", self.pid)),
        }
    }

    /// Waits for its end; false when the time is over first.
    pub fn ended_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = rustix::event::Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&timeout)) {
                Ok(n) if n > 0 => return true,
                Err(rustix::io::Errno::INTR) => {}
                _ if left.is_zero() => return false,
                _ => {}
            }
        }
    }

    /// SIGTERM, and SIGKILL when that has not ended it in time. True when SIGTERM was enough.
    pub fn end(&self, patience: Duration) -> Result<bool> {
        self.signal(Signal::TERM)?;
        if self.ended_within(patience) {
            return Ok(true);
        }
        self.signal(Signal::KILL)?;
        self.ended_within(Duration::from_secs(10));
        Ok(false)
    }
}

/// This executable again, with `args`, for a node that `log` collects from.
pub fn node_command(config: &Path, log: &Path) -> Result<Command> {
    let exe = current_exe()?;
    let output = fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .or_fail(|| format!("cannot open the log {}", log.display()))?;
    let errors = output.try_clone().or_fail(|| "cannot duplicate a descriptor".into())?;
    let mut command = Command::new(exe);
    command.args(["node", "run", "--config"]).arg(config).stdin(Stdio::null()).stdout(output).stderr(errors);
    // What is set for this command is not meant for the nodes: their file says everything.
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.as_encoded_bytes().starts_with(b"MACH_")) {
        command.env_remove(name);
    }
    Ok(command)
}

/// The path of this executable, also after it was replaced by a new build.
pub fn current_exe() -> Result<std::path::PathBuf> {
    let exe = std::env::current_exe().or_fail(|| "cannot find this executable".into())?;
    Ok(if exe.exists() { exe } else { "/proc/self/exe".into() })
}

/// Whether a child has ended, and how.
pub fn exit_of(child: &mut Child) -> Option<String> {
    child.try_wait().ok().flatten().map(|status| status.to_string())
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
    use super::*;

    fn record_of(pid: u32) -> PidRecord {
        PidRecord { pid, start_ticks: start_ticks(pid).unwrap(), boot: boot_id() }
    }

    #[test]
    fn a_process_is_ended_through_its_record() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::find(&record_of(child.id())).unwrap();
        assert!(!process.ended_within(Duration::from_millis(20)));
        assert!(process.end(Duration::from_secs(5)).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed() {
        let mut child = Command::new("sh").args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]).stdout(Stdio::piped()).spawn().unwrap();
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
        assert!(process_of_zombie.is_none_or(|p| p.ended_within(Duration::from_secs(5))));
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
