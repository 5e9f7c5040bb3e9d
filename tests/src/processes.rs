//! Nodes as processes of this machine on loopback. The test itself is a task of whichever node it likes, of several at
//! a time if need be.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use mach::proto::iface::node;
use mach::proto::{NamedRight, Routine};
use mach::{AttachOptions, MapOptions, Mapping, Task};
use tempfile::TempDir;

use crate::run::{Answer, run, wait_until};

/// The silence after which these nodes declare each other dead.
pub const DEAD_AFTER: Duration = Duration::from_millis(800);
/// The longest wait for a page.
pub const FAULT_DEADLINE: Duration = Duration::from_secs(2);
/// What a busy machine adds to any of these times.
pub const SLACK: Duration = Duration::from_secs(4);
/// How long the nodes have to find each other, and a request its answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Nodes n1, n2, ... of one authority. They are killed when this is dropped; when a test panics, their logs are printed.
pub struct Nodes {
    nodes: Vec<Node>,
    folder: TempDir,
}

struct Node {
    name: String,
    folder: PathBuf,
    address: SocketAddr,
    args: Vec<String>,
    child: RefCell<Option<Child>>,
}

impl Nodes {
    /// `count` nodes that see each other.
    pub fn start(count: usize) -> Nodes {
        Nodes::with(count, &[])
    }

    /// One node that admits others by token.
    pub fn admitting() -> Nodes {
        Nodes::with_folder(1, |folder| {
            let authority = folder.join("cluster").join("authority");
            vec!["--authority".to_owned(), authority.display().to_string()]
        })
    }

    /// Nodes with further arguments of `mach node run`.
    pub fn with(count: usize, args: &[&str]) -> Nodes {
        Nodes::with_folder(count, |_| args.iter().map(|a| a.to_string()).collect())
    }

    fn with_folder(count: usize, args: impl Fn(&Path) -> Vec<String>) -> Nodes {
        // Short, since the path of a socket has 107 bytes at most.
        let folder = tempfile::Builder::new().prefix("mach-p").tempdir_in("/tmp").expect("a folder");
        let names: Vec<String> = (1..=count).map(|n| format!("n{n}")).collect();
        make_authority(&folder.path().join("cluster"), &names);
        let ports: Vec<UdpSocket> = names.iter().map(|_| free_port()).collect();
        let addresses: Vec<SocketAddr> = ports.iter().map(|p| p.local_addr().expect("it is bound")).collect();
        drop(ports);
        let node = |index: usize| {
            let mut words = args(folder.path());
            let others = addresses.iter().enumerate().filter(|(other, _)| *other != index);
            words.extend(others.flat_map(|(_, address)| ["--join".to_owned(), address.to_string()]));
            let home = folder.path().join("cluster").join(&names[index]);
            Node {
                name: names[index].clone(),
                folder: home,
                address: addresses[index],
                args: words,
                child: RefCell::default(),
            }
        };
        let nodes: Vec<Node> = (0..count).map(node).collect();
        let nodes = Nodes { nodes, folder };
        (1..=count).for_each(|n| nodes.launch(n));
        (1..=count).for_each(|n| nodes.wait_until_sees(n, count));
        nodes
    }

    /// A folder for the files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, bytes).expect("a file of ours");
        path
    }

    /// The UDP address of a node, from 1.
    pub fn address(&self, number: usize) -> SocketAddr {
        self.node(number).address
    }

    /// The socket where a node's tasks attach.
    pub fn socket(&self, number: usize) -> PathBuf {
        self.node(number).folder.join("mach.sock")
    }

    /// The process of a node that runs.
    pub fn pid(&self, number: usize) -> u32 {
        self.node(number).child.borrow().as_ref().expect("it runs").id()
    }

    /// Bytes that Linux counts in the memory files whose names begin with `mach-` and `kind` that a node has open, each of which
    /// it has as long as anybody shows it.
    pub fn memory_files(&self, number: usize, kind: &str) -> u64 {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", self.pid(number))).expect("a process of ours");
        let wanted = format!("/memfd:mach-{kind}");
        let of_kind =
            |path: &PathBuf| std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with(&wanted));
        let files = fds.flatten().map(|fd| fd.path()).filter(of_kind).filter_map(|path| std::fs::metadata(path).ok());
        files.map(|file| (file.ino(), 512 * file.blocks())).collect::<BTreeMap<_, _>>().into_values().sum()
    }

    /// What a node printed in all its lives.
    pub fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.node(number).folder.join("log")).unwrap_or_default()
    }

    /// Starts a node that does not run; does not wait for anything.
    pub fn launch(&self, number: usize) {
        let node = self.node(number);
        let output = File::options().create(true).append(true).open(node.folder.join("log")).expect("a log");
        let mut command = Command::new(crate::mach_binary());
        command.args(["node", "run", "--config"]).arg(node.folder.join("node.toml"));
        command.arg("--dir").arg(&node.folder).arg("--socket").arg(self.socket(number));
        command.args(["--listen", &node.address.to_string()]);
        command.args(["--dead-after", &format!("{}ms", DEAD_AFTER.as_millis())]);
        command.args(["--fault-deadline", &format!("{}ms", FAULT_DEADLINE.as_millis())]).args(&node.args);
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a descriptor")).stderr(output);
        sys::process::die_with_parent(&mut command, true);
        *node.child.borrow_mut() = Some(command.spawn().expect("a node"));
    }

    /// Kills a node: SIGKILL.
    pub fn kill(&self, number: usize) {
        let mut child = self.node(number).child.take().expect("it runs");
        child.kill().expect("our own child");
        child.wait().expect("our own child");
    }

    /// Stops a node from running, until `wake`.
    pub fn freeze(&self, number: usize) {
        signal("-STOP", self.pid(number));
    }

    /// Lets it run again.
    pub fn wake(&self, number: usize) {
        signal("-CONT", self.pid(number));
    }

    /// Panics when the node's process has ended.
    #[track_caller]
    pub fn assert_up(&self, number: usize) {
        let mut child = self.node(number).child.borrow_mut();
        let ended = child.as_mut().expect("it runs").try_wait().expect("our own child");
        assert_eq!(ended, None, "{} has ended", self.node(number).name);
    }

    /// Waits until a node sees `alive` nodes alive, itself included.
    #[track_caller]
    pub fn wait_until_sees(&self, number: usize, alive: usize) {
        wait_until(ANSWER_MAX, &format!("n{number} sees {alive} nodes"), || {
            self.assert_up(number);
            let task = Task::attach(options(&self.socket(number), false)).ok()?;
            let members = task.rpc_within(&task.host(), node::Members, Some(ANSWER_MAX)).ok()?.members;
            let seen = members.iter().filter(|m| matches!(m.state.as_str(), "self" | "alive")).count();
            (seen == alive).then_some(())
        });
    }

    /// This process as a task of a node, with memory.
    #[track_caller]
    pub fn task(&self, number: usize) -> Task {
        Task::attach(options(&self.socket(number), true)).expect("a task")
    }

    /// Asks a node's host port, as a task that is gone afterwards.
    #[track_caller]
    pub fn ask<Q>(&self, number: usize, request: Q) -> Q::Reply
    where
        Q: Routine<NamedRight> + Send + 'static,
        Q::Reply: Send + 'static,
    {
        let options = options(&self.socket(number), false);
        within(ANSWER_MAX, Q::NAME, || {
            let task = Task::attach(options).expect("a task");
            task.rpc(&task.host(), request).expect("an answer of the host port")
        })
    }

    /// Has a node serve a file.
    #[track_caller]
    pub fn export(&self, number: usize, path: &Path, name: &str, writable: bool) {
        let request = node::Export { path: path.display().to_string(), name: name.to_owned(), writable };
        let reply = self.ask(number, request);
        assert_eq!((reply.problem.as_str(), reply.name.as_str()), ("", name));
    }

    /// Maps the whole object as a task of a node.
    #[track_caller]
    pub fn map(&self, number: usize, name: &str, writable: bool) -> Mapping {
        let (task, name) = (self.task(number), name.to_owned());
        within(ANSWER_MAX, "a mapping", move || {
            let object = task.look_up(&name, "*").expect("the object's name");
            task.map(&object, MapOptions { writable, ..MapOptions::default() }).expect("a mapping")
        })
    }

    /// What a node says of itself.
    #[track_caller]
    pub fn info(&self, number: usize) -> node::NodeInfo {
        self.ask(number, node::Info).info
    }

    /// The sum of a metric over its labels; 0 where there is none.
    #[track_caller]
    pub fn metric(&self, number: usize, name: &str) -> f64 {
        let text = self.ask(number, node::Metrics).text.to_bytes();
        metric_of(&String::from_utf8_lossy(&text), name)
    }

    /// `mach` as a command of a node's machine, run to its end.
    #[track_caller]
    pub fn mach(&self, number: usize, args: &[&str]) -> Answer {
        let (binary, socket) = (crate::mach_binary().display().to_string(), self.socket(number).display().to_string());
        run(ANSWER_MAX, &[&[binary.as_str()], args, &["--socket", &socket]].concat())
    }

    fn node(&self, number: usize) -> &Node {
        &self.nodes[number - 1]
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &self.nodes {
            if let Some(mut child) = node.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        if std::thread::panicking() {
            (1..=self.nodes.len()).for_each(|n| eprintln!("--- log of n{n}\n{}", tail(&self.log(n))));
        }
    }
}

/// An authority in `folder/authority`, and a folder with key, certificate and `node.toml` for each name; answers the
/// token of those who join it.
#[track_caller]
pub fn make_authority(folder: &Path, names: &[String]) -> String {
    let (binary, dir) = (crate::mach_binary().display().to_string(), folder.display().to_string());
    let mut words = vec![binary.as_str(), "cluster", "init", "--quiet", "--dir", &dir];
    words.extend(names.iter().flat_map(|n| ["--node", n]));
    run(ANSWER_MAX, &words).ok().text().trim().to_owned()
}

/// A UDP port of loopback that stays free for this process: of an address that no other living process takes.
///
/// On 127.0.0.1 another test could take the port before the node does, or while a node is down.
pub fn free_port() -> UdpSocket {
    let [_, a, b, c] = (std::process::id() | 1 << 23).to_be_bytes();
    UdpSocket::bind((Ipv4Addr::new(127, a, b, c), 0)).expect("a port of loopback")
}

/// How this process attaches to a node.
pub fn options(socket: &Path, memory: bool) -> AttachOptions {
    AttachOptions { socket: Some(socket.to_owned()), token: Some(0), memory }
}

/// Does something in a thread of its own. Panics when that takes longer than `limit` or panics itself.
#[track_caller]
pub fn within<T: Send + 'static>(limit: Duration, what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = channel();
    std::thread::spawn(move || send.send(act()));
    receive.recv_timeout(limit).unwrap_or_else(|why| panic!("{what} within {limit:?}: {why}"))
}

/// The sum of a metric over its labels in the Prometheus text format; 0 where there is none.
pub fn metric_of(text: &str, name: &str) -> f64 {
    let of_metric = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let values = text.lines().filter(of_metric).map(|line| line.rsplit(' ').next().unwrap_or_default());
    values.map(|value| value.parse::<f64>().expect("a number")).sum()
}

/// Sends a signal to a process of ours.
#[track_caller]
pub fn signal(signal: &str, pid: u32) {
    run(ANSWER_MAX, &["kill", signal, &pid.to_string()]).ok();
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
