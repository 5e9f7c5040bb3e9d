//! Nodes for as long as a measurement takes, one of them with an exported file.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proto::NodeName;
use rand::{RngCore, SeedableRng};

use crate::client::{Client, Place};
use crate::cmd::{Context, doctor};
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::guard::Guard;
use crate::launch::{self, Lifetime, Plan, Started};
use crate::state::StateDir;

/// The name of the exported object.
pub const NAME: &str = "bench";
/// How long the nodes may take to start.
const START_WITHIN: Duration = Duration::from_secs(20);

/// Nodes of this machine, for as long as a measurement takes.
pub struct Nodes {
    guard: Guard,
    nodes: Vec<Started>,
    /// Tasks of the nodes that send messages only.
    clients: Vec<Client>,
    folder: PathBuf,
}

impl Nodes {
    /// Starts nodes of these names, and waits until they see each other.
    pub fn start(cx: &Context, names: &[&str]) -> Result<Nodes> {
        doctor::require()?;
        let guard = Guard::install(cx.out)?;
        let started = Nodes::build(cx, &guard, names);
        if started.is_err() {
            guard.clear();
        }
        started
    }

    fn build(cx: &Context, guard: &Guard, names: &[&str]) -> Result<Nodes> {
        let folder = guard.folder("mach-bench", &std::env::temp_dir())?;
        let cluster = StateDir::locate(Some(folder.clone())).cluster("bench")?;
        let names = names.iter().filter_map(|n| NodeName::new(n)).collect();
        let plan = Plan { names, log: Some("warn".into()), ..Plan::default() };
        let mut nodes = launch::start(guard.make(|| launch::prepare(&cluster, &plan))?, Lifetime::WithParent, guard)?;
        let clients = launch::wait_until_joined(cx.out, &mut nodes, START_WITHIN)?;
        Ok(Nodes { guard: guard.clone(), nodes, clients, folder })
    }

    /// What ends every process of the measurement.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The folder, for sockets and files.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Where node `index` listens for tasks.
    pub fn socket(&self, index: usize) -> PathBuf {
        self.nodes[index].dir.socket()
    }

    /// The process of node `index`.
    pub fn pid(&self, index: usize) -> u32 {
        self.nodes[index].child.id()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.guard.clear();
        launch::end_all(&mut self.nodes);
    }
}

/// Nodes of which the first serves a file, and of whose last this process is a task.
pub struct Stage {
    /// This process as a task of the last node, with memory.
    pub client: Client,
    nodes: Nodes,
}

impl Stage {
    /// Starts everything. The file has `size` bytes that do not compress and are not zero.
    ///
    /// Conditions: there is at least one name.
    pub fn set(cx: &Context, names: &[&str], size: u64) -> Result<Stage> {
        let nodes = Nodes::start(cx, names)?;
        let file = nodes.folder.join("file");
        write_noise(&file, size).or_fail(|| format!("cannot make {}", file.display()))?;
        let path = file.to_str().ok_or_else(|| Failure::new(Exit::Usage, "the temporary folder is not UTF-8"))?;
        nodes.clients[0].export(path, NAME, false)?;
        let client = Client::attach_with_memory(&Place::of(&nodes.nodes[names.len() - 1].dir))?;
        Ok(Stage { client, nodes })
    }

    /// The folder with the certificate of node `index`.
    pub fn identity(&self, index: usize) -> PathBuf {
        self.nodes.nodes[index].dir.path().to_owned()
    }

    /// The nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// A path for a socket.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.nodes.folder.join(format!("{name}.sock"))
    }

    /// Starts the other process of a measurement; it ends with this one.
    pub fn peer(&self, arguments: &[&std::ffi::OsStr]) -> Result<Child> {
        let mut command = Command::new(crate::process::current_exe()?);
        command.args(["bench", "peer"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        self.nodes.guard.spawn(sys::process::die_with_parent(&mut command, true), || "cannot start a peer".into())
    }
}

fn write_noise(path: &std::path::Path, size: u64) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut rng = rand::rngs::SmallRng::seed_from_u64(size);
    let mut chunk = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        rng.fill_bytes(&mut chunk);
        let part = left.min(chunk.len() as u64) as usize;
        file.write_all(&chunk[..part])?;
        left -= part as u64;
    }
    Ok(())
}

/// Runs `act` and says how long it took.
pub fn timed<T>(act: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    let done = act()?;
    Ok((done, begun.elapsed()))
}
