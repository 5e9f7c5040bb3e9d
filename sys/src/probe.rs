//! What this machine permits: the facts behind `mach doctor`, as data.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::Resource;

use crate::cgroup;
use crate::error::SysError;
use crate::large::LargePages;
use crate::uffd::{Features, Uffd, UffdWay};

/// One look at the machine. A fact that cannot be read is `None`.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Release of the kernel, as `uname -r` says it.
    pub kernel: String,
    /// Its version, two numbers of it.
    pub kernel_version: Option<(u32, u32)>,
    /// Each way to a userfaultfd with what it offers, or why it is closed.
    pub userfaultfd: Vec<(UffdWay, Result<Features, SysError>)>,
    /// `vm.unprivileged_userfaultfd`.
    pub unprivileged_userfaultfd: Option<u64>,
    /// `net.core.rmem_max`: bytes that a UDP socket may buffer on receipt.
    pub udp_receive_bytes_max: Option<u64>,
    /// `net.core.wmem_max`: bytes that a UDP socket may buffer for sending.
    pub udp_send_bytes_max: Option<u64>,
    /// Descriptors that this process may have.
    pub open_files: Limit,
    /// Bytes that this process may lock.
    pub locked_bytes: Limit,
    /// `vm.max_map_count`: mappings that a process may have.
    pub mappings_max: Option<u64>,
    /// How memory files come to large pages.
    pub large_pages: LargePages,
    /// Processors that this process may run on.
    pub cpus: usize,
}

/// A resource limit; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// In force.
    pub now: Option<u64>,
    /// As far as it can be raised without privilege.
    pub maximum: Option<u64>,
}

impl Probe {
    /// Looks.
    pub fn gather() -> Probe {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        Probe {
            kernel_version: parse_version(&kernel),
            kernel,
            userfaultfd: UffdWay::ALL.into_iter().map(|way| (way, Uffd::offered(way))).collect(),
            unprivileged_userfaultfd: number("/proc/sys/vm/unprivileged_userfaultfd"),
            udp_receive_bytes_max: number("/proc/sys/net/core/rmem_max"),
            udp_send_bytes_max: number("/proc/sys/net/core/wmem_max"),
            open_files: limit(Resource::Nofile),
            locked_bytes: limit(Resource::Memlock),
            mappings_max: number("/proc/sys/vm/max_map_count"),
            large_pages: LargePages::of_this_machine(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// The best way that is open, with what it offers.
    pub fn best_userfaultfd(&self) -> Option<(UffdWay, Features)> {
        self.userfaultfd.iter().find_map(|(way, offered)| Some((*way, *offered.as_ref().ok()?)))
    }
}

/// How large this machine is, and how busy.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// Processors that this process may use.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Of these, bytes that nobody uses, not even to keep files.
    pub free_bytes: u64,
    /// Runnable threads, averaged over one, five and fifteen minutes.
    pub averages: [f64; 3],
}

impl Load {
    /// Now.
    pub fn now() -> Load {
        /// What sysinfo(2) counts one thread as.
        const SCALE: f64 = 65536.0;
        let info = rustix::system::sysinfo();
        Load {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: info.totalram as u64 * u64::from(info.mem_unit),
            free_bytes: info.freeram as u64 * u64::from(info.mem_unit),
            averages: info.loads.map(|load| load as f64 / SCALE),
        }
    }
}

/// Bytes that the machine could still give to this process without taking any from others, within the limits of its control
/// groups; it may be more than is told, if that is `enough`. `None` where Linux does not tell.
pub fn available_bytes(enough: u64) -> Option<u64> {
    let told = fs::read_to_string("/proc/meminfo").ok()?;
    let kibi = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = kibi.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()? << 10;
    Some(cgroup::available_bytes(enough).map_or(machine, |group| group.min(machine)))
}

/// Bytes of a page on this machine.
pub fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// Whether a descriptor that was just opened is among the last eighth of those that the process may have: a number is given out
/// when all below it are taken.
pub fn is_among_the_last(fd: BorrowedFd<'_>) -> bool {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    limit.is_some_and(|limit| fd.as_raw_fd() as u64 >= limit - limit / 8)
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn limit(resource: Resource) -> Limit {
    let limit = rustix::process::getrlimit(resource);
    Limit { now: limit.current, maximum: limit.maximum }
}

/// `6.18.44-x` to `(6, 18)`.
fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_finds_what_the_kernel_has() {
        let probe = Probe::gather();
        assert!(probe.kernel_version.unwrap() >= (5, 0), "{}", probe.kernel);
        assert!(probe.udp_receive_bytes_max.unwrap() > 0);
        assert!(probe.open_files.now.unwrap_or(u64::MAX) >= 64);
        assert!(probe.cpus >= 1);
        assert_eq!(page_size(), proto::PAGE_SIZE);
        let available = available_bytes(u64::MAX).expect("Linux has told that since 3.14");
        assert!((1..=Load::now().memory_bytes).contains(&available), "{available}");
        let (_, offered) = probe.best_userfaultfd().expect("some way is open on a machine that runs these tests");
        assert!(offered.contains(Features::MANAGED), "{offered:?}");
        assert_eq!(probe.userfaultfd.len(), 3);
    }

    #[test]
    fn versions_are_parsed() {
        assert_eq!(parse_version("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(parse_version("6.1"), Some((6, 1)));
        assert_eq!(parse_version("x"), None);
    }
}
