//! Nodes of this machine: their folders, certificates and ports, their start, and the wait until they see each other.
//!
//! Invariants: (1) every node is a process of this executable with a configuration file that can be run again by hand;
//! (2) if one of them does not come up, none is left running; (3) private keys exist only in 0700 folders.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use proto::NodeName;
use serde::Serialize;

use crate::client::{Client, Place};
use crate::config::LOG_DEFAULT;
use crate::failure::{Cure, Exit, Failure, OrFail, Result};
use crate::guard::Guard;
use crate::out::Out;
use crate::process::{Process, current_exe};
use crate::progress::{Progress, Unit};
use crate::state::{ClusterDir, NodeDir, write_private};
use crate::units::Span;

/// Time between two looks at something that is waited for.
const POLL: Duration = Duration::from_millis(20);
/// Lines of a dead node's log that its failure shows.
const LOG_LINES: usize = 12;

/// What all nodes of a cluster have in common.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The nodes, in the order in which they start.
    pub names: Vec<NodeName>,
    /// What they log.
    pub log: Option<String>,
    /// Time within which a silent node is declared dead; the node's default if absent.
    pub dead_after: Option<Duration>,
    /// Longest wait for a page; the node's default if absent.
    pub fault_deadline: Option<Duration>,
    /// Bytes of memory before pages have to leave; the node's default if absent.
    pub memory_limit: Option<u64>,
    /// Bytes that one task may have mapped before its pages leave first; the node's default if absent.
    pub task_memory_limit: Option<u64>,
    /// Bytes of anonymous memory that can leave; the node's default if absent.
    pub swap_limit: Option<u64>,
}

/// How long a node lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// Until it is told to end.
    Detached,
    /// No longer than the thread that started it.
    WithParent,
}

/// The configuration file of a node of this machine.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct NodeFile<'a> {
    name: &'a str,
    listen: SocketAddr,
    join: Vec<String>,
    dir: &'a std::path::Path,
    log: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault_deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_memory_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swap_limit: Option<u64>,
}

/// A node that has a folder and a port, and does not run yet.
pub struct Prepared {
    dir: NodeDir,
    /// Bound for the node, which gets the socket itself: a port that was let go could be taken before it starts.
    port: UdpSocket,
}

/// A node that was started here.
pub struct Started {
    /// Its folder.
    pub dir: NodeDir,
    /// Its process.
    pub child: Child,
}

/// Makes a fresh authority and the folder of each node: certificates, key, configuration, a free port of loopback.
pub fn prepare(cluster: &ClusterDir, plan: &Plan) -> Result<Vec<Prepared>> {
    cluster.create()?;
    cluster.mark_passing()?;
    let authority = netmsg::Authority::create(&cluster.authority()).or_fail(|| "cannot make the authority".into())?;
    let mut prepared = Vec::new();
    for name in &plan.names {
        let dir = cluster.node(name);
        dir.create()?;
        let identity = authority.issue(name).or_fail(|| format!("cannot make a certificate for {name}"))?;
        identity.save(dir.path()).or_fail(|| format!("cannot keep the certificate of {name}"))?;
        let port = UdpSocket::bind("127.0.0.1:0").or_fail(|| "cannot bind a UDP port of loopback".into())?;
        prepared.push(Prepared { dir, port });
    }
    let addresses = prepared.iter().map(|p| p.port.local_addr()).collect::<Result<Vec<_>, _>>();
    let addresses = addresses.or_fail(|| "cannot read the address of a port".into())?;
    for (index, node) in prepared.iter().enumerate() {
        let others = addresses.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, a)| a.to_string());
        let written = |span: Duration| format!("{}ms", span.as_millis());
        let file = NodeFile {
            name: node.dir.name().as_str(),
            listen: addresses[index],
            join: others.collect(),
            dir: node.dir.path(),
            log: plan.log.as_deref().unwrap_or(LOG_DEFAULT),
            dead_after: plan.dead_after.map(written),
            fault_deadline: plan.fault_deadline.map(written),
            memory_limit: plan.memory_limit,
            task_memory_limit: plan.task_memory_limit,
            swap_limit: plan.swap_limit,
        };
        let text = toml::to_string(&file).or_fail(|| "cannot write a configuration".into())?;
        write_private(&node.dir.config(), text.as_bytes())?;
    }
    Ok(prepared)
}

/// Starts the processes, below a guard. Ends those already started when one cannot be.
pub fn start(prepared: Vec<Prepared>, lifetime: Lifetime, guard: &Guard) -> Result<Vec<Started>> {
    let mut started = Vec::new();
    for Prepared { dir, port } in prepared {
        match spawn(&dir, port, lifetime, guard) {
            Ok(child) => started.push(Started { dir, child }),
            Err(failure) => {
                end_all(&mut started);
                return Err(failure);
            }
        }
    }
    Ok(started)
}

/// Waits until every node answers and sees every other.
///
/// Errors: one ended, with the last lines of its log; or the time is over, with who sees whom.
pub fn wait_until_joined(out: Out, started: &mut [Started], limit: Duration) -> Result<Vec<Client>> {
    let deadline = Instant::now() + limit;
    let mut progress = Progress::start(out, "waiting for the nodes", Unit::Count("nodes"), started.len() as u64);
    let mut clients = Vec::new();
    for index in 0..started.len() {
        let place = Place::of(&started[index].dir);
        let client = loop {
            check_alive(started)?;
            match Client::attach(&place) {
                Ok(client) => break client,
                Err(failure) if Instant::now() >= deadline => {
                    return Err(too_slow(limit, &started[index].dir).because(failure.one_line()));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        };
        clients.push(client);
    }
    for (index, client) in clients.iter().enumerate() {
        loop {
            check_alive(started)?;
            let members = client.members()?;
            let alive = members.iter().filter(|m| matches!(m.state.as_str(), "self" | "alive")).count();
            if alive == started.len() {
                break;
            }
            if Instant::now() >= deadline {
                let seen: Vec<String> = members.iter().map(|m| format!("{} {}", m.name, m.state)).collect();
                return Err(too_slow(limit, &started[index].dir).because(format!("it sees: {}", seen.join(", "))));
            }
            std::thread::sleep(POLL);
        }
        progress.add(1);
    }
    progress.out_of_the_way();
    Ok(clients)
}

/// Kills and reaps nodes that are of no use.
pub fn end_all(started: &mut [Started]) {
    for node in started {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = node.child.kill();
        let _ = node.child.wait();
    }
}

/// Ends a node that may have been started by another command, in order, then by force.
///
/// Returns what happened, or `None` when it did not run.
pub fn stop(dir: &NodeDir, patience: Duration) -> Result<Option<&'static str>> {
    let Some(process) = Process::of_node(dir) else { return Ok(None) };
    Ok(Some(if process.end(patience)? { "stopped" } else { "killed" }))
}

/// This executable as the node of a folder, with a socket for its links and its output in the folder's log.
fn spawn(dir: &NodeDir, port: UdpSocket, lifetime: Lifetime, guard: &Guard) -> Result<Child> {
    let log = dir.log();
    let open = || std::fs::File::options().create(true).append(true).open(&log);
    let output = open().or_fail(|| format!("cannot open the log {}", log.display()))?;
    let errors = output.try_clone().or_fail(|| "cannot duplicate a descriptor".into())?;
    let mut command = Command::new(current_exe()?);
    // What is set for this command is not meant for the node: its file says everything.
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.as_encoded_bytes().starts_with(b"MACH_")) {
        command.env_remove(name);
    }
    command.args(["node", "run", "--listen-on-stdin", "--config"]).arg(dir.config());
    match lifetime {
        Lifetime::Detached => drop(command.arg("--detached")),
        Lifetime::WithParent => drop(sys::process::die_with_parent(&mut command, true)),
    }
    command.current_dir("/").stdin(OwnedFd::from(port)).stdout(output).stderr(errors);
    guard.spawn(&mut command, || format!("cannot start node {}", dir.name()))
}

fn check_alive(started: &mut [Started]) -> Result<()> {
    for node in started {
        let Ok(Some(status)) = node.child.try_wait() else { continue };
        return Err(Failure::new(
            Exit::Failed,
            format!("node {} ended while it was starting ({status})", node.dir.name()),
        )
        .because(format!("the end of {}:\n{}", node.dir.log().display(), node.dir.log_tail(LOG_LINES))))
        .cure(|| "mach doctor".into());
    }
    Ok(())
}

fn too_slow(limit: Duration, dir: &NodeDir) -> Failure {
    Failure::new(Exit::Failed, format!("node {} did not join within {}", dir.name(), Span(limit)))
        .cure(format!("look into {}", dir.log().display()))
}
