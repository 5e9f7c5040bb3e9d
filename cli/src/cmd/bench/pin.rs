//! Which CPUs the processes of a measurement run on.

use rustix::process::Pid;
use rustix::thread::CpuSet;

use crate::args::Pin;
use crate::failure::{Exit, Failure, OrFail, Result};

/// Binds the processes of a measurement to CPUs, with all the threads that they have and will have.
///
/// Conditions: this process is bound in the last call, if at all, since its own CPUs are those that there are.
pub fn bind(pin: Pin, client: u32, server: u32, between: &[u32]) -> Result<()> {
    let what = || "cannot bind processes to CPUs".to_owned();
    let all = rustix::thread::sched_getaffinity(None).or_fail(what)?;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
    let first = cpus.next().unwrap_or(0);
    let second = cpus.next();
    let of = match (pin, second) {
        (Pin::Free, _) => return Ok(()),
        (Pin::Same, _) => [first; 3],
        (Pin::Cross, None) => {
            return Err(Failure::new(Exit::Machine, what()).because("there is one CPU; --pin cross needs two"));
        }
        (Pin::Cross, Some(second)) if !between.is_empty() => [first, first, second],
        (Pin::Cross, Some(second)) => [first, second, second],
    };
    let between = between.iter().map(|pid| (*pid, of[2]));
    for (pid, cpu) in [(client, of[0]), (server, of[1])].into_iter().chain(between) {
        let mut set = CpuSet::new();
        set.set(cpu);
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).or_fail(what)? {
            let name = task.or_fail(what)?.file_name();
            let thread = name.to_str().and_then(|n| n.parse().ok()).and_then(Pid::from_raw);
            rustix::thread::sched_setaffinity(thread, &set).or_fail(what)?;
        }
    }
    Ok(())
}
