//! Some hosts on one network, each with a node and a certificate of one authority.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::containers::{Container, Network};
use crate::host::Host;
use crate::netns::{Namespace, Switch};
use crate::run::{run, wait_until};

/// The user of the image, and so of every node in a container.
pub(crate) const NODE_UID: u32 = 65_532;
/// The port of the links.
const PORT: u16 = 7411;
/// Clusters that may run at once on this machine, whoever runs them.
const SLOTS: u32 = 2;
/// How long the nodes have to find each other.
const JOIN_MAX: Duration = Duration::from_secs(30);
/// The silence after which the nodes of a test declare each other dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(2);
/// The longest wait for a page.
pub const FAULT_DEADLINE: Duration = Duration::from_secs(4);

/// Hosts n1, n2, ... of one network.
pub struct Cluster {
    hosts: Vec<Box<dyn Host>>,
    _folder: TempDir,
    _slot: File,
}

impl Cluster {
    /// `nodes` containers, all of which see each other.
    pub fn in_containers(test: &str, nodes: u8) -> Cluster {
        let slot = slot();
        let (id, folder) = prepare(test, nodes);
        let device = userfaultfd_device(folder.path());
        for inner in (1..=nodes).flat_map(|n| ["etc", "data"].map(|f| format!("n{n}/{f}"))) {
            give_to_node(&folder.path().join(inner));
        }
        let network = Rc::new(Network::new(&id));
        let addresses: Vec<Ipv4Addr> = (1..=nodes).map(|n| network.address(n)).collect();
        let host = |n: u8| -> Box<dyn Host> {
            let args = node_args("/etc/mach/node.toml", n, &addresses);
            let address = addresses[usize::from(n) - 1];
            Box::new(Container::new(&network, n, address, &folder.path().join(format!("n{n}")), &device, &args))
        };
        let hosts = (1..=nodes).map(host).collect();
        Cluster { hosts, _folder: folder, _slot: slot }.started()
    }

    /// `nodes` network namespaces, whose nodes all see each other.
    pub fn in_namespaces(test: &str, nodes: u8) -> Cluster {
        let slot = slot();
        let (id, folder) = prepare(test, nodes);
        let switch = Rc::new(Switch::new(&id));
        let addresses: Vec<Ipv4Addr> = (1..=nodes).map(|n| Ipv4Addr::new(10, 77, 0, 10 + n)).collect();
        let host = |n: u8| -> Box<dyn Host> {
            let folder = folder.path().join(format!("n{n}"));
            let args = node_args(&folder.join("etc/node.toml").display().to_string(), n, &addresses);
            let address = addresses[usize::from(n) - 1];
            Box::new(Namespace::new(&switch, n, address, &folder, &crate::mach_binary(), args))
        };
        let hosts = (1..=nodes).map(host).collect();
        Cluster { hosts, _folder: folder, _slot: slot }.started()
    }

    /// Host `number`, from 1.
    pub fn host(&self, number: usize) -> &dyn Host {
        &*self.hosts[number - 1]
    }

    /// Waits until node `number` sees `alive` nodes alive, itself included.
    #[track_caller]
    pub fn wait_until_sees(&self, number: usize, alive: usize) {
        let host = self.host(number);
        wait_until(JOIN_MAX, &format!("{} sees {alive} nodes", host.name()), || {
            let status = host.mach(&["cluster", "status", "--json"]);
            let rows: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
            let own = rows.as_array()?.iter().find(|row| row["node"] == host.name())?;
            (own["sees"] == alive).then_some(())
        });
    }

    fn started(self) -> Cluster {
        self.hosts.iter().for_each(|h| h.start());
        (1..=self.hosts.len()).for_each(|n| self.wait_until_sees(n, self.hosts.len()));
        self
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                eprintln!("--- log of {} ({})\n{}", host.name(), host.address(), host.log());
            }
        }
    }
}

/// The words of a node: what is not in its file.
fn node_args(config: &str, number: u8, addresses: &[Ipv4Addr]) -> Vec<String> {
    let join: Vec<String> = addresses.iter().map(|a| format!("{a}:{PORT}")).collect();
    let listen = join[usize::from(number) - 1].clone();
    let (dead, fault) = (format!("{}ms", DEAD_AFTER.as_millis()), format!("{}ms", FAULT_DEADLINE.as_millis()));
    let mut words = vec!["node", "run", "--config", config, "--listen", &listen];
    words.extend(["--dead-after", &dead, "--fault-deadline", &fault]);
    let others: Vec<&String> = join.iter().filter(|a| **a != listen).collect();
    words.extend(others.iter().flat_map(|a| ["--join", a.as_str()]));
    words.into_iter().map(str::to_owned).collect()
}

/// An id for the cluster that ends in our process number, and its folder: for each node `etc` with its certificate, and
/// `data`.
fn prepare(test: &str, nodes: u8) -> (String, TempDir) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let id = format!("mach-test-{test}{}-{}", COUNT.fetch_add(1, Ordering::Relaxed), std::process::id());
    let folder = tempfile::Builder::new().prefix(&id).tempdir().expect("a folder");
    let made = folder.path().join("made");
    let binary = crate::mach_binary().display().to_string();
    let names: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
    let made_text = made.display().to_string();
    let mut words = vec![binary.as_str(), "cluster", "init", "--quiet", "--dir", &made_text];
    words.extend(names.iter().flat_map(|n| ["--node", n]));
    run(JOIN_MAX, &words).ok();
    for name in &names {
        let host = folder.path().join(name);
        std::fs::create_dir_all(host.join("data")).expect("a folder");
        std::fs::rename(made.join(name), host.join("etc")).expect("the folder that init made");
    }
    (id, folder)
}

/// Gives a folder and what is in it to the user of the image.
fn give_to_node(folder: &Path) {
    chown(folder, Some(NODE_UID), Some(NODE_UID)).expect("the tests run as root");
    for entry in std::fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("a folder of ours").path();
        chown(&path, Some(NODE_UID), Some(NODE_UID)).expect("the tests run as root");
    }
}

/// A second name for the userfaultfd device, in `folder`, that the image's user may open; the machine's own stays as it is.
pub fn userfaultfd_device(folder: &Path) -> PathBuf {
    let path = folder.join("userfaultfd");
    let numbers = std::fs::read_to_string("/sys/class/misc/userfaultfd/dev").expect("a kernel with /dev/userfaultfd");
    let (major, minor) = numbers.trim().split_once(':').expect("MAJOR:MINOR");
    let name = path.display().to_string();
    run(JOIN_MAX, &["mknod", "-m", "0600", &name, "c", major, minor]).ok();
    chown(&path, Some(NODE_UID), Some(NODE_UID)).expect("the tests run as root");
    path
}

/// Waits for one of the machine's places for a cluster; whoever runs the tests, they do not starve each other.
fn slot() -> File {
    let open = |k: u32| File::create(std::env::temp_dir().join(format!("mach-test-slot-{k}"))).expect("a lock file");
    let free = || (0..SLOTS).map(open).find(|f| f.try_lock().is_ok());
    wait_until(Duration::from_secs(600), "a free place for a cluster", free)
}
