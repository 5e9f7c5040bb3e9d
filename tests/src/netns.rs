//! Hosts made of network namespaces: fast, and possible where no container engine can run.
//!
//! Each has one interface on a bridge, and the bridge lives in a namespace of its own: nothing of the machine's own
//! network is touched, its firewall cannot interfere, and no packet gets out.

use std::cell::RefCell;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::host::Host;
use crate::run::run;

const IP_MAX: Duration = Duration::from_secs(10);

/// The bridge that joins the hosts of one cluster.
pub struct Switch {
    id: String,
}

impl Switch {
    /// A bridge in a namespace of its own. `id` is the cluster's, and begins the names of all its namespaces.
    pub fn new(id: &str) -> Switch {
        let switch = Switch { id: id.to_owned() };
        let name = switch.name();
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "add", "br0", "type", "bridge"]);
        ip(&["-n", &name, "link", "set", "br0", "up"]);
        switch
    }

    fn name(&self) -> String {
        format!("{}.sw", self.id)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        run(IP_MAX, &["ip", "netns", "del", &self.name()]);
    }
}

/// A host, and the node on it.
pub struct Namespace {
    switch: Rc<Switch>,
    /// Its place on the bridge: port p1, p2, ...
    number: u8,
    name: String,
    address: Ipv4Addr,
    /// `data` is the folder for the test, `run` holds the socket, `log` the output.
    folder: PathBuf,
    data: PathBuf,
    binary: PathBuf,
    node_args: Vec<String>,
    node: RefCell<Option<Child>>,
}

impl Namespace {
    /// A host on the bridge, with its node started as `mach` with `node_args`.
    pub fn new(
        switch: &Rc<Switch>,
        number: u8,
        address: Ipv4Addr,
        folder: &Path,
        binary: &Path,
        node_args: Vec<String>,
    ) -> Namespace {
        let host = Namespace {
            switch: switch.clone(),
            number,
            name: format!("n{number}"),
            address,
            folder: folder.to_owned(),
            data: folder.join("data"),
            binary: binary.to_owned(),
            node_args,
            node: RefCell::new(None),
        };
        let (ns, port) = (host.namespace(), host.port());
        ip(&["netns", "add", &ns]);
        ip(&["-n", &switch.name(), "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &ns]);
        ip(&["-n", &switch.name(), "link", "set", &port, "master", "br0", "up"]);
        ip(&["-n", &ns, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &ns, "link", "set", "eth0", "up"]);
        ip(&["-n", &ns, "link", "set", "lo", "up"]);
        host
    }

    fn namespace(&self) -> String {
        format!("{}.{}", self.switch.id, self.name)
    }

    fn port(&self) -> String {
        format!("p{}", self.number)
    }

    /// Every process of the namespace.
    fn signal(&self, signal: &str) {
        let pids = run(IP_MAX, &["ip", "netns", "pids", &self.namespace()]).text();
        let pids: Vec<&str> = pids.split_whitespace().collect();
        if !pids.is_empty() {
            run(IP_MAX, &[&["kill", signal], &pids[..]].concat());
        }
    }
}

impl Host for Namespace {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> Ipv4Addr {
        self.address
    }

    fn prefix(&self, _interactive: bool) -> Vec<String> {
        let run = format!("MACH_DIR={}", self.folder.join("run").display());
        let binary = self.binary.display().to_string();
        ["ip", "netns", "exec", &self.namespace(), "env", &run, &binary].map(str::to_owned).to_vec()
    }

    fn socket(&self) -> String {
        self.folder.join(format!("run/local/{}/mach.sock", self.name)).display().to_string()
    }

    fn data(&self) -> &Path {
        &self.data
    }

    fn seen(&self, file: &str) -> String {
        self.data.join(file).display().to_string()
    }

    fn start(&self) {
        let log = File::options().create(true).append(true).open(self.folder.join("log")).expect("the log");
        let words = self.prefix(false);
        // Each of these replaces itself by the next, so that the child is the node, and dies with this thread.
        let child = Command::new(&words[0])
            .args(&words[1..4])
            .args(["setpriv", "--pdeathsig", "KILL"])
            .args(&words[4..])
            .args(&self.node_args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("ip(8)");
        let before = self.node.replace(Some(child));
        assert!(before.is_none(), "{} runs already", self.name);
    }

    fn kill(&self) {
        let Some(mut node) = self.node.take() else { return };
        let _ = node.kill();
        let _ = node.wait();
    }

    fn pause(&self) {
        self.signal("-STOP");
    }

    fn resume(&self) {
        self.signal("-CONT");
    }

    fn cut(&self) {
        ip(&["-n", &self.switch.name(), "link", "set", &self.port(), "down"]);
    }

    fn heal(&self) {
        ip(&["-n", &self.switch.name(), "link", "set", &self.port(), "up"]);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.kill();
        self.signal("-KILL");
        run(IP_MAX, &["ip", "netns", "del", &self.namespace()]);
    }
}

/// Runs `ip` as root; the tests of `cargo xtask test` are.
#[track_caller]
fn ip(args: &[&str]) {
    run(IP_MAX, &[&["ip"], args].concat()).ok();
}
