//! What the tests need of the machine beyond a Rust toolchain: a few commands and a container engine.
//!
//! Only what is missing is installed, only what does not run is started, and only what was started is stopped. All of it
//! wants root: a user without is asked by sudo.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A command, and the package of Debian and Ubuntu that has it.
const COMMANDS: &[(&str, &str)] =
    &[("ip", "iproute2"), ("setpriv", "util-linux"), ("timeout", "coreutils"), ("mknod", "coreutils")];
const ENGINE: &[(&str, &str)] = &[("dockerd", "docker.io"), ("docker", "docker.io"), ("iptables", "iptables")];

/// How long the engine has to answer.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it has to stop before it is left to itself.
const STOP_MAX: Duration = Duration::from_secs(30);

/// The labels of what tests start, ours and compose's: the value begins with [`OWNED`] and ends in the number of the
/// process that will remove it.
const LABELS: &[&str] = &["mach.test", "com.docker.compose.project"];
/// How every name that a test gives to something of the machine begins.
const OWNED: &str = "mach-test-";

/// A machine on which the tests can run. Dropping it stops the engine, if it was started here.
pub struct Machine {
    engine: Option<Child>,
}

impl Machine {
    /// Installs and starts what is missing. Without `containers` no engine is wanted.
    pub fn prepare(root: &Path, containers: bool) -> Result<Machine> {
        install(COMMANDS)?;
        if !containers {
            return Ok(Machine { engine: None });
        }
        let running = answers("docker", &["info"]);
        if !running {
            install(ENGINE)?;
        }
        if !answers("docker", &["compose", "version"]) && !on_path("docker-compose") {
            install(&[("docker-compose", "docker-compose")])?;
        }
        let engine = if running { None } else { Some(start_engine(root)?) };
        sweep();
        Ok(Machine { engine })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        sweep();
        let Some(engine) = &mut self.engine else { return };
        let told = as_root("kill").arg(engine.id().to_string()).status().is_ok_and(|s| s.success());
        let deadline = Instant::now() + STOP_MAX;
        while told && engine.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A command that runs as root.
pub fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--", program]);
    sudo
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

fn install(wanted: &[(&str, &str)]) -> Result<()> {
    let mut packages: Vec<&str> = wanted.iter().filter(|(c, _)| !on_path(c)).map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    println!("installing {}", packages.join(" "));
    let apt = |args: &[&str]| -> Result<()> {
        let output = as_root("env").args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(args).output();
        let output = output.context("running apt-get")?;
        ensure!(output.status.success(), "apt-get {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], &packages[..]].concat())
}

fn on_path(command: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&folders).chain(system).any(|f| f.join(command).is_file())
}

fn answers(program: &str, args: &[&str]) -> bool {
    as_root(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Starts dockerd, which ends when this process does.
fn start_engine(root: &Path) -> Result<Child> {
    std::fs::create_dir_all(root.join("target"))?;
    let path = root.join("target/dockerd.log");
    let log = File::create(&path)?;
    let mut engine = as_root("setpriv")
        .args(["--pdeathsig", "TERM", "dockerd"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("starting dockerd")?;
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        if answers("docker", &["info"]) {
            println!("started dockerd, process {}", engine.id());
            return Ok(engine);
        }
        if let Some(status) = engine.try_wait()? {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(10).collect();
            bail!("dockerd: {status}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let _ = as_root("kill").arg(engine.id().to_string()).status();
    bail!("dockerd did not answer within {START_MAX:?}; its log is {}", path.display())
}

/// Removes what tests left behind whose process is gone; those that run beside us are left alone.
fn sweep() {
    let lines = |program: &str, args: &[&str]| -> Vec<String> {
        let output = as_root(program).args(args).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).lines().map(str::to_owned).collect()).unwrap_or_default()
    };
    let quietly = |program: &str, args: &[&str]| drop(as_root(program).args(args).output());
    for (kind, id) in [("container", "ID"), ("network", "ID"), ("volume", "Name")] {
        for label in LABELS {
            let (filter, format) = (format!("label={label}"), format!("{{{{.{id}}}}} {{{{.Label \"{label}\"}}}}"));
            let all: &[&str] = if kind == "container" { &["-a"] } else { &[] };
            for line in lines("docker", &[&[kind, "ls", "--filter", &filter, "--format", &format], all].concat()) {
                match line.split_once(' ') {
                    Some((id, owner)) if is_stale(owner) && kind == "container" => {
                        quietly("docker", &["rm", "-fv", id])
                    }
                    Some((id, owner)) if is_stale(owner) => quietly("docker", &[kind, "rm", id]),
                    _ => {}
                }
            }
        }
    }
    for line in lines("ip", &["netns", "list"]) {
        let name = line.split(' ').next().unwrap_or_default();
        if name.rsplit_once('.').is_some_and(|(owner, _)| is_stale(owner)) {
            quietly("ip", &["netns", "del", name]);
        }
    }
}

/// Whether this is the name of something of a test whose process is gone.
fn is_stale(name: &str) -> bool {
    let owner =
        name.strip_prefix(OWNED).and_then(|rest| rest.rsplit('-').next()).and_then(|pid| pid.parse::<u32>().ok());
    owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_living_test_owns_is_not_stale() {
        assert!(!is_stale(&format!("mach-test-x-{}", std::process::id())));
        assert!(is_stale("mach-test-x-4194999"));
        assert!(!is_stale("somebody-else-4194999"));
    }

    #[test]
    fn a_command_is_looked_for_where_root_has_it() {
        assert!(on_path("sh") && !on_path("no-such-command"));
    }
}
