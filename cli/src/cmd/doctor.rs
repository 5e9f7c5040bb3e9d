//! `mach doctor`: whether this machine has what a node needs, and the line that cures each shortfall.
//!
//! `sys::probe` looks; [`findings`] judges and changes nothing, so that every verdict has a test.

use proto::NodeName;
use serde::Serialize;
use sys::Errno;
use sys::large::LargePages;
use sys::probe::Probe;
use sys::uffd::{Features, UffdMode, UffdWay};

use super::Context;
use crate::failure::{Exit, Failure, Result};
use crate::out::Row;
use crate::state::{check_socket_path, create_private};
use crate::units::Bytes;

/// The first kernel with `UFFDIO_POISON`, without which a lost page could not become a memory error.
const KERNEL_MIN: (u32, u32) = (6, 6);
/// A socket buffer below this drops packets of a read at full speed.
const UDP_BYTES_MIN: u64 = 4 << 20;
/// What a node asks for.
const UDP_BYTES_WANTED: u64 = 16 << 20;
const OPEN_FILES_MIN: u64 = 4096;
const MAPPINGS_MIN: u64 = 65_530;

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, with a loss that `found` names.
    Weak,
    /// Nodes or tasks cannot work.
    Missing,
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What is there, and what that means.
    pub found: String,
    /// The line that cures it; empty if nothing is to be cured.
    pub cure: String,
}

impl Row for Finding {
    const HEADS: &'static [&'static str] = &["CHECK", "", "FOUND"];

    fn cells(&self) -> Vec<String> {
        let mark = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Weak => "weak",
            Verdict::Missing => "MISSING",
        };
        vec![self.check.into(), mark.into(), self.found.clone()]
    }
}

/// Prints all findings.
///
/// Errors: exit `Machine` when something is missing.
pub fn run(cx: &Context) -> Result<()> {
    let mut all = findings(&Probe::gather(), rustix::process::getgid().as_raw());
    all.push(state_folder(cx));
    cx.out.list(&all, "")?;
    if !cx.out.json() {
        for finding in all.iter().filter(|f| !f.cure.is_empty()) {
            cx.out.line(format!("\n{}:\n  {}", finding.check, finding.cure))?;
        }
    }
    missing(&all)
}

/// Fails if this machine cannot run a node, with the cures.
pub fn require() -> Result<()> {
    missing(&findings(&Probe::gather(), rustix::process::getgid().as_raw()))
}

fn missing(all: &[Finding]) -> Result<()> {
    let missing = || all.iter().filter(|f| f.verdict == Verdict::Missing);
    if missing().next().is_none() {
        return Ok(());
    }
    let mut failure = Failure::new(Exit::Machine, "this machine lacks what a node needs");
    for finding in missing() {
        failure = failure.because(format!("{}: {}", finding.check, finding.found)).cure(finding.cure.clone());
    }
    Err(failure)
}

/// Judges what was found, for a process of group `gid`.
pub fn findings(probe: &Probe, gid: u32) -> Vec<Finding> {
    vec![
        kernel(probe),
        features(probe),
        permission(probe, gid),
        udp("udp receive buffer", "net.core.rmem_max", probe.udp_receive_bytes_max),
        udp("udp send buffer", "net.core.wmem_max", probe.udp_send_bytes_max),
        open_files(probe),
        mappings(probe),
        large_pages(probe),
    ]
}

fn finding(check: &'static str, verdict: Verdict, found: impl Into<String>, cure: impl Into<String>) -> Finding {
    let cure = if verdict == Verdict::Ok { String::new() } else { cure.into() };
    Finding { check, verdict, found: found.into(), cure }
}

fn kernel(probe: &Probe) -> Finding {
    let verdict = match probe.kernel_version {
        Some(version) if version < KERNEL_MIN => Verdict::Missing,
        Some(_) => Verdict::Ok,
        None => Verdict::Weak,
    };
    let (major, minor) = KERNEL_MIN;
    let found = format!("Linux {} ({major}.{minor} or later is needed)", probe.kernel);
    let cure = "sudo apt-get install -t $(. /etc/os-release; echo $VERSION_CODENAME)-backports linux-image-amd64  # then reboot";
    finding("kernel", verdict, found, cure)
}

fn features(probe: &Probe) -> Finding {
    const CHECK: &str = "userfaultfd features";
    let Some((_, offered)) = probe.best_userfaultfd() else {
        return finding(
            CHECK,
            Verdict::Weak,
            "unknown, since userfaultfd is closed to this process",
            "see userfaultfd below",
        );
    };
    let lacking = Features::MANAGED.difference(offered);
    if lacking.is_empty() {
        let needed: Vec<String> = Features::MANAGED.iter_names().map(|(n, _)| n.to_lowercase()).collect();
        return finding(CHECK, Verdict::Ok, needed.join(" "), "");
    }
    let names: Vec<&str> = lacking.iter_names().map(|(n, _)| n).filter(|n| *n != "MANAGED").collect();
    let cure = "a kernel with CONFIG_USERFAULTFD, CONFIG_SHMEM and CONFIG_PTE_MARKER_UFFD_WP set, 6.6 or later";
    finding(CHECK, Verdict::Missing, format!("the kernel lacks {}", names.join(" ")), cure)
}

fn permission(probe: &Probe, gid: u32) -> Finding {
    const CHECK: &str = "userfaultfd";
    let device_errno = probe.userfaultfd.iter().find_map(|(way, offered)| match (way, offered) {
        (UffdWay::Device, Err(error)) => Some(error.errno),
        _ => None,
    });
    let cure = match device_errno {
        Some(Errno::NOENT) => {
            "sudo modprobe userfaultfd 2>/dev/null; in a container: docker run --device /dev/userfaultfd …".to_owned()
        }
        Some(Errno::PERM) => {
            "start the container with: docker run --device /dev/userfaultfd:/dev/userfaultfd:rw …".to_owned()
        }
        _ => format!("sudo sh -c 'chgrp {gid} /dev/userfaultfd && chmod 660 /dev/userfaultfd'"),
    };
    match probe.best_userfaultfd() {
        Some((way, _)) if way.mode() == UffdMode::Full => {
            let by = if way == UffdWay::Device { "/dev/userfaultfd" } else { "the system call" };
            finding(CHECK, Verdict::Ok, format!("full, by {by}"), "")
        }
        Some(_) => finding(
            CHECK,
            Verdict::Weak,
            "user mode only: a system call such as read(2) into a mapped page that is not here yet answers EFAULT",
            cure,
        ),
        None => {
            let why: Vec<String> =
                probe.userfaultfd.iter().filter_map(|(_, o)| o.as_ref().err().map(ToString::to_string)).collect();
            finding(CHECK, Verdict::Missing, format!("closed to this process: {}", why.join("; ")), cure)
        }
    }
}

fn udp(check: &'static str, key: &str, limit: Option<u64>) -> Finding {
    let cure = format!("sudo sysctl -w {key}={UDP_BYTES_WANTED}");
    match limit {
        Some(bytes) if bytes >= UDP_BYTES_MIN => finding(check, Verdict::Ok, format!("up to {}", Bytes(bytes)), ""),
        Some(bytes) => {
            let found = format!("up to {}; long reads lose packets below {}", Bytes(bytes), Bytes(UDP_BYTES_MIN));
            finding(check, Verdict::Weak, found, cure)
        }
        // A container hides it: the limit of the machine holds.
        None => finding(check, Verdict::Ok, format!("{key} is hidden here; the machine's holds"), ""),
    }
}

fn open_files(probe: &Probe) -> Finding {
    const CHECK: &str = "open files";
    match (probe.open_files.now, probe.open_files.maximum) {
        (Some(now), maximum) if now < OPEN_FILES_MIN => {
            let found = format!("{now}; each task and object takes some, {OPEN_FILES_MIN} are wanted");
            let cure = match maximum {
                Some(max) if max < OPEN_FILES_MIN => {
                    format!("sudo prlimit --pid $$ --nofile={OPEN_FILES_MIN}:{OPEN_FILES_MIN}")
                }
                _ => format!("ulimit -n {OPEN_FILES_MIN}"),
            };
            finding(CHECK, Verdict::Weak, found, cure)
        }
        (now, _) => finding(CHECK, Verdict::Ok, now.map_or("no limit".into(), |n| n.to_string()), ""),
    }
}

fn mappings(probe: &Probe) -> Finding {
    const CHECK: &str = "mappings of a process";
    match probe.mappings_max {
        Some(n) if n < MAPPINGS_MIN => finding(
            CHECK,
            Verdict::Weak,
            format!("{n}; {MAPPINGS_MIN} are usual"),
            format!("sudo sysctl -w vm.max_map_count={MAPPINGS_MIN}"),
        ),
        Some(n) => finding(CHECK, Verdict::Ok, n.to_string(), ""),
        None => finding(CHECK, Verdict::Ok, "unknown", ""),
    }
}

fn large_pages(probe: &Probe) -> Finding {
    const CHECK: &str = "2 MiB pages of memory";
    const FOLDER: &str = "/sys/kernel/mm/transparent_hugepage";
    match probe.large_pages {
        LargePages::OnFault => finding(CHECK, Verdict::Ok, "made by Linux", ""),
        LargePages::OnRequest => {
            finding(CHECK, Verdict::Ok, "made by the node, for memory that is filled in order", "")
        }
        LargePages::Denied => finding(
            CHECK,
            Verdict::Weak,
            "denied: memory is filled 4 KiB at a time",
            format!("echo madvise | sudo tee {FOLDER}/enabled; echo advise | sudo tee {FOLDER}/shmem_enabled"),
        ),
        // A kernel without them, or a container that hides the folder: nothing to be done here.
        LargePages::Unknown => finding(CHECK, Verdict::Ok, "unknown", ""),
    }
}

fn state_folder(cx: &Context) -> Finding {
    const CHECK: &str = "state directory";
    let path = cx.state.path().display();
    // As `cluster up` names its nodes; at most n64.
    let longest = NodeName::new("n64").map(|name| cx.cluster.node(&name).socket());
    if let Some(failure) = longest.and_then(|socket| check_socket_path(&socket).err()) {
        return finding(CHECK, Verdict::Missing, failure.one_line(), "a shorter one: MACH_DIR=/tmp/mach");
    }
    match create_private(cx.state.path()) {
        Ok(()) => finding(CHECK, Verdict::Ok, path.to_string(), ""),
        Err(failure) => finding(
            CHECK,
            Verdict::Missing,
            failure.one_line(),
            format!("chmod 700 {path}, or another one: MACH_DIR=…"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use sys::SysError;
    use sys::probe::Limit;

    use super::*;

    fn good() -> Probe {
        let limit = Limit { now: Some(20_000), maximum: Some(20_000) };
        Probe {
            kernel: "6.18.1".into(),
            kernel_version: Some((6, 18)),
            userfaultfd: UffdWay::ALL.into_iter().map(|way| (way, Ok(Features::all()))).collect(),
            unprivileged_userfaultfd: Some(0),
            udp_receive_bytes_max: Some(4 << 20),
            udp_send_bytes_max: Some(4 << 20),
            open_files: limit,
            locked_bytes: limit,
            mappings_max: Some(65_530),
            large_pages: LargePages::OnFault,
            cpus: 2,
        }
    }

    fn closed(way: UffdWay, errno: Errno) -> (UffdWay, Result<Features, SysError>) {
        (way, Err(SysError::new("open(2)", errno, "/dev/userfaultfd")))
    }

    fn only(probe: &Probe, check: &str) -> Finding {
        findings(probe, 1000).into_iter().find(|f| f.check == check).unwrap()
    }

    #[test]
    fn a_good_machine_has_nothing_to_cure() {
        let all = findings(&good(), 1000);
        assert!(all.iter().all(|f| f.verdict == Verdict::Ok && f.cure.is_empty()), "{all:#?}");
        assert!(missing(&all).is_ok());
    }

    #[test]
    fn an_old_kernel_is_missing_something() {
        let probe = Probe { kernel_version: Some((6, 1)), kernel: "6.1.0".into(), ..good() };
        assert_eq!(only(&probe, "kernel").verdict, Verdict::Missing);
        let failure = missing(&findings(&probe, 0)).unwrap_err();
        assert_eq!(failure.exit(), Exit::Machine);
        assert!(failure.to_string().contains("Linux 6.1.0 (6.6 or later is needed)"));
    }

    #[test]
    fn the_device_is_cured_by_its_group() {
        let mut probe = good();
        probe.userfaultfd = vec![
            closed(UffdWay::Device, Errno::ACCESS),
            closed(UffdWay::Syscall, Errno::PERM),
            (UffdWay::SyscallUserMode, Ok(Features::all())),
        ];
        let finding = only(&probe, "userfaultfd");
        assert_eq!(finding.verdict, Verdict::Weak);
        assert_eq!(finding.cure, "sudo sh -c 'chgrp 1000 /dev/userfaultfd && chmod 660 /dev/userfaultfd'");
    }

    #[test]
    fn a_container_without_the_device_is_told_the_flag() {
        let mut probe = good();
        probe.userfaultfd = vec![
            closed(UffdWay::Device, Errno::NOENT),
            closed(UffdWay::Syscall, Errno::PERM),
            closed(UffdWay::SyscallUserMode, Errno::PERM),
        ];
        let finding = only(&probe, "userfaultfd");
        assert_eq!(finding.verdict, Verdict::Missing);
        assert!(finding.cure.contains("docker run --device /dev/userfaultfd"), "{}", finding.cure);
    }

    #[test]
    fn lacking_features_are_named() {
        let mut probe = good();
        let offered = Features::MANAGED.difference(Features::POISON);
        probe.userfaultfd = vec![(UffdWay::Device, Ok(offered))];
        assert_eq!(only(&probe, "userfaultfd features").found, "the kernel lacks POISON");
    }

    #[test]
    fn large_pages_are_permitted_by_a_line() {
        let of = |large_pages| only(&Probe { large_pages, ..good() }, "2 MiB pages of memory");
        let denied = of(LargePages::Denied);
        assert_eq!(denied.verdict, Verdict::Weak);
        assert!(denied.cure.contains("/shmem_enabled") && denied.cure.contains("/enabled"), "{denied:?}");
        for without_a_line in [LargePages::OnFault, LargePages::OnRequest, LargePages::Unknown] {
            assert_eq!(of(without_a_line).verdict, Verdict::Ok);
        }
    }

    #[test]
    fn small_limits_are_weak_and_have_a_line() {
        let limit = Limit { now: Some(1024), maximum: Some(1_048_576) };
        let probe =
            Probe { udp_receive_bytes_max: Some(212_992), open_files: limit, mappings_max: Some(1000), ..good() };
        let cures: Vec<String> = findings(&probe, 0).into_iter().map(|f| f.cure).filter(|c| !c.is_empty()).collect();
        assert_eq!(
            cures,
            ["sudo sysctl -w net.core.rmem_max=16777216", "ulimit -n 4096", "sudo sysctl -w vm.max_map_count=65530"]
        );
    }
}
