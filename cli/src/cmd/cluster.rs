//! `mach cluster`: nodes of this machine as one cluster, and the authority of a cluster of real machines.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use proto::NodeName;
use proto::iface::node::ObjectInfo;
use serde::Serialize;

use super::Context;
use crate::args;
use crate::client::{Client, NO_ROOM, Place};
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::guard::Guard;
use crate::launch::{self, Lifetime, Plan};
use crate::out::Row;
use crate::process::Process;
use crate::state::{NodeDir, create_private};
use crate::units::{Bytes, Span};

/// How long a token from `mach cluster init` is good.
const TOKEN_VALID: Duration = Duration::from_secs(24 * 3600);

/// How long a node may take to answer before it is listed as silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long pages that could not be written may take now that there may be room: a node tries again each second.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Carries out one command.
pub fn run(cx: &Context, command: &args::Cluster) -> Result<()> {
    match command {
        args::Cluster::Up(args) => up(cx, args),
        args::Cluster::Down(args) => down(cx, args),
        args::Cluster::Status => status(cx),
        args::Cluster::Init(args) => init(cx, args),
    }
}

/// One node, as `status` lists it.
#[derive(Serialize)]
struct NodeRow {
    node: String,
    /// "up", "silent" (runs, does not answer) or "gone".
    state: &'static str,
    pid: Option<u32>,
    address: String,
    /// Nodes that it sees alive, itself included.
    sees: usize,
    uptime_ms: u64,
    resident_bytes: u64,
    tasks: u32,
    ports: u32,
    objects: u32,
    socket: String,
}

impl Row for NodeRow {
    const HEADS: &'static [&'static str] =
        &["NODE", "STATE", ">PID", "ADDRESS", ">SEES", ">UPTIME", ">MEMORY", ">TASKS", ">PORTS", ">OBJECTS"];

    fn cells(&self) -> Vec<String> {
        let up = |text: String| if self.state == "up" { text } else { "-".into() };
        vec![
            self.node.clone(),
            self.state.into(),
            self.pid.map_or("-".into(), |p| p.to_string()),
            up(self.address.clone()),
            up(self.sees.to_string()),
            up(Span(Duration::from_millis(self.uptime_ms)).to_string()),
            up(Bytes(self.resident_bytes).to_string()),
            up(self.tasks.to_string()),
            up(self.ports.to_string()),
            up(self.objects.to_string()),
        ]
    }
}

fn up(cx: &Context, args: &args::ClusterUp) -> Result<()> {
    create_private(cx.state.path())?;
    let _lock = cx.cluster.lock()?;
    clear_stale(cx)?;
    let names = (1..=args.nodes).map(|n| NodeName::new(&format!("n{n}")).expect("n and digits are a name"));
    let plan = Plan {
        names: names.collect(),
        log: args.log.clone(),
        memory_limit: args.memory_limit.map(|bytes| bytes.0),
        task_memory_limit: args.task_memory_limit.map(|bytes| bytes.0),
        swap_limit: args.swap_limit.map(|bytes| bytes.0),
        ..Plan::default()
    };
    let guard = Guard::install(cx.out)?;
    let prepared = guard.make(|| launch::prepare(&cx.cluster, &plan))?;
    let mut started = launch::start(prepared, Lifetime::Detached, &guard)?;
    if let Err(failure) = launch::wait_until_joined(cx.out, &mut started, args.timeout.0) {
        guard.clear();
        launch::end_all(&mut started);
        return Err(failure);
    }
    guard.release();
    status(cx)?;
    cx.out.note("next: mach export FILE --node 1, then mach map NAME --node 2; mach cluster down ends it");
    Ok(())
}

/// Removes what a cluster left behind that is not running any more.
fn clear_stale(cx: &Context) -> Result<()> {
    let running: Vec<NodeDir> = cx.cluster.nodes()?.into_iter().filter(|n| Process::of_node(n).is_some()).collect();
    match running.first() {
        Some(node) => Err(Failure::new(Exit::Failed, format!("cluster `{}` is up already", cx.cluster.name()))
            .because(format!("node {} is running; {} in all", node.name(), running.len()))
            .cure("mach cluster status")
            .cure("mach cluster down, or --cluster NAME for another one beside it")),
        None if cx.cluster.is_passing() => cx.cluster.remove(),
        None => Err(Failure::new(Exit::Failed, format!("the folder of cluster `{}` is in use", cx.cluster.name()))
            .because(format!(
                "{} holds nodes that `mach node run` made, with their certificates",
                cx.cluster.path().display()
            ))
            .cure("mach cluster up --cluster NAME for another one beside it")),
    }
}

/// What became of a node, as `down --json` prints it.
#[derive(Serialize)]
struct Stopped {
    node: String,
    outcome: &'static str,
}

fn down(cx: &Context, args: &args::ClusterDown) -> Result<()> {
    let nodes = cx.cluster.nodes()?;
    if nodes.is_empty() {
        cx.out.note(format!("cluster `{}` is not up", cx.cluster.name()));
        return if cx.out.json() { cx.out.value(&Vec::<Stopped>::new()) } else { Ok(()) };
    }
    let _lock = cx.cluster.lock()?;
    if !args.force {
        refuse_unwritten(&nodes, args.timeout.0)?;
    }
    let mut killed = Vec::new();
    let mut stopped = Vec::new();
    // The last one first: the first usually serves what the others map, and they return their pages to it.
    for node in nodes.iter().rev() {
        if !args.force {
            // Again: those that were stopped before it have returned their pages to it.
            refuse_unwritten(std::slice::from_ref(node), args.timeout.0)?;
        }
        let outcome = launch::stop(node, args.timeout.0)?;
        let said = outcome.unwrap_or("was not running");
        cx.out.note(format!("{}: {said}", node.name()));
        stopped.push(Stopped { node: node.name().to_string(), outcome: said });
        if outcome == Some("killed") {
            killed.push(node.name().to_string());
        }
    }
    if !killed.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("{} had to be killed", killed.join(", ")))
            .because(format!("no orderly end within {}; written pages may not have reached their file", args.timeout))
            .cure(format!("look into the logs in {}", cx.cluster.path().display())));
    }
    match cx.cluster.is_passing() {
        true if !args.keep => cx.cluster.remove()?,
        true => {}
        false => cx.out.note(format!("the nodes' certificates stay in {}", cx.cluster.path().display())),
    }
    if cx.out.json() { cx.out.value(&stopped) } else { Ok(()) }
}

/// Fails if a node serves objects with pages that it could not write to their file: they would end with it. Waits for
/// those that are being written, as long as a node may take to flush.
fn refuse_unwritten(nodes: &[NodeDir], patience: Duration) -> Result<()> {
    let began = Instant::now();
    let (all, failed) = loop {
        let all = unwritten(nodes);
        let failed = all.iter().any(|(_, object)| object.failed_pages > 0);
        if all.is_empty() {
            return Ok(());
        }
        if began.elapsed() >= if failed { WRITTEN_WITHIN } else { patience } {
            break (all, failed);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let failure = Failure::new(Exit::Failed, "stopping would lose pages that are not in their file");
    let failure = all.iter().map(|(node, object)| unwritten_line(node, object)).fold(failure, Failure::because);
    let failure = match failed {
        true => failure.because(NO_ROOM).cure("make room there, and run mach cluster down again"),
        false => failure.cure("mach cluster down --timeout TIME waits longer for them"),
    };
    Err(failure.cure("mach cluster down --force stops the nodes anyway, and loses these pages"))
}

/// What is said of an object that has such pages.
fn unwritten_line(node: &NodeName, object: &ObjectInfo) -> String {
    let ObjectInfo { name, path, dirty_pages, failed_pages, .. } = object;
    match failed_pages {
        0 => format!("`{name}` on {node}: {dirty_pages} page(s) are still being written to {path}"),
        failed => format!("`{name}` on {node}: {failed} page(s) could not be written to {path}"),
    }
}

/// The objects that have such pages, with their nodes.
fn unwritten(nodes: &[NodeDir]) -> Vec<(NodeName, ObjectInfo)> {
    let mut all = Vec::new();
    for dir in nodes.iter().filter(|n| Process::of_node(n).is_some()) {
        // A node that does not answer is stopped or killed like any other.
        let objects = ask(Place::of(dir), Client::objects).unwrap_or_default();
        let unwritten = objects.into_iter().filter(|o| o.role == "export" && o.dirty_pages > 0);
        all.extend(unwritten.map(|object| (dir.name().clone(), object)));
    }
    all
}

fn status(cx: &Context) -> Result<()> {
    let rows: Vec<NodeRow> = cx.cluster.nodes()?.iter().map(node_row).collect();
    cx.out.list(&rows, &format!("cluster `{}` is not up on this machine; mach cluster up --nodes 3", cx.cluster.name()))
}

fn node_row(dir: &NodeDir) -> NodeRow {
    let process = Process::of_node(dir);
    let mut row = NodeRow {
        node: dir.name().to_string(),
        state: if process.is_some() { "silent" } else { "gone" },
        pid: process.map(|p| p.pid()),
        address: String::new(),
        sees: 0,
        uptime_ms: 0,
        resident_bytes: 0,
        tasks: 0,
        ports: 0,
        objects: 0,
        socket: dir.socket().display().to_string(),
    };
    if row.pid.is_none() {
        return row;
    }
    if let Some((info, members)) = ask(Place::of(dir), |client| Ok((client.info()?, client.members()?))) {
        row.state = "up";
        row.address = info.address;
        row.sees = members.iter().filter(|m| matches!(m.state.as_str(), "self" | "alive")).count();
        row.uptime_ms = info.uptime_ms;
        row.resident_bytes = info.resident_bytes;
        (row.tasks, row.ports, row.objects) = (info.tasks, info.ports, info.objects);
    }
    row
}

/// What a node answers; `None` when it does not answer in time: one that is stopped or stuck must
/// not stop the list of all others.
fn ask<T: Send + 'static>(place: Place, what: fn(&Client) -> Result<T>) -> Option<T> {
    let (send, receive) = mpsc::channel();
    // If the node never answers, the thread stays in its call until this command ends.
    std::thread::spawn(move || {
        let client = Client::attach(&place).ok()?;
        send.send(what(&client).ok()?).ok()
    });
    receive.recv_timeout(ANSWER_WITHIN).ok()
}

/// What `init` made, as `--json` prints it.
#[derive(Serialize)]
struct Made {
    authority: String,
    token: String,
    token_valid_s: u64,
    nodes: Vec<String>,
}

fn init(cx: &Context, args: &args::ClusterInit) -> Result<()> {
    create_private(&args.dir)?;
    let path = args.dir.join("authority");
    let authority = match netmsg::Authority::load(&path) {
        Ok(authority) => {
            cx.out.note(format!("using the authority that is in {} already", path.display()));
            authority
        }
        Err(_) if !path.exists() => {
            create_private(&path)?;
            netmsg::Authority::create(&path).or_fail(|| format!("cannot make the authority in {}", path.display()))?
        }
        Err(error) => return Err(error).or_fail(|| format!("cannot read the authority in {}", path.display())),
    };
    for name in &args.nodes {
        make_node(&authority, name, &args.dir.join(name.as_str()))?;
    }
    let token = authority.token(TOKEN_VALID).to_string();
    if cx.out.json() {
        return cx.out.value(&Made {
            authority: path.display().to_string(),
            token,
            token_valid_s: TOKEN_VALID.as_secs(),
            nodes: args.nodes.iter().map(NodeName::to_string).collect(),
        });
    }
    cx.out.line(&token)?;
    cx.out.note(format!(
        "\nThe line above is the join token. It is a secret, and good for {}; `mach cluster init` again prints a new one.\n\n\
         on this machine:  mach node run --name NAME --authority {}\n\
         on the others:    mach node run --name NAME --join THIS_MACHINE:7411 --token-file FILE",
        Span(TOKEN_VALID),
        path.display(),
    ));
    if !args.nodes.is_empty() {
        cx.out.note(format!(
            "or with the certificates made here: copy a node's folder out of {} to its machine, then there\n\
             \x20                 mach node run --config NODE/node.toml --join OTHER_MACHINE:7411",
            args.dir.display()
        ));
    }
    Ok(())
}

/// The folder that is copied to the machine of a node; one that is there already stays as it is.
fn make_node(authority: &netmsg::Authority, name: &NodeName, dir: &Path) -> Result<()> {
    create_private(dir)?;
    // A second certificate for a name would be one more that can pass for the node.
    if netmsg::Identity::load(dir).is_ok_and(|i| i.ca_pem == authority.ca_pem()) {
        return Ok(());
    }
    let identity = authority.issue(name).or_fail(|| format!("cannot make a certificate for {name}"))?;
    identity.save(dir).or_fail(|| format!("cannot keep the certificate of {name}"))?;
    let text = format!(
        "# mach node run --config node.toml; mach node run --help has all names.\n\
         name = \"{name}\"\nca = \"ca.pem\"\ncert = \"node.pem\"\nkey = \"node-key.pem\"\n# join = [\"HOST:7411\"]\n"
    );
    crate::state::write_private(&dir.join("node.toml"), text.as_bytes())
}
