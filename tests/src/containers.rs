//! Hosts made of containers, driven by the docker command: what `deploy/` ships, as it is shipped.
//!
//! The image has the static binary and nothing else. A container gets the device /dev/userfaultfd, no capability, a
//! read-only root and a user that is not root.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::cluster::NODE_UID;
use crate::host::Host;
use crate::run::{Answer, run};

const DOCKER_MAX: Duration = Duration::from_secs(60);
/// Subnets 10.77.K.0/24 that are tried.
const SUBNETS: u8 = 200;

/// The network of one cluster: no address outside it can be reached.
pub struct Network {
    id: String,
    prefix: [u8; 3],
}

impl Network {
    /// A network whose subnet nobody has. Creating it is the test: the engine refuses one that overlaps.
    pub fn new(id: &str) -> Network {
        let first = std::process::id();
        for k in 0..u32::from(SUBNETS) {
            let prefix = [10, 77, 50 + ((first + k) % u32::from(SUBNETS)) as u8];
            let subnet = format!("{}.{}.{}.0/24", prefix[0], prefix[1], prefix[2]);
            let made = docker(&["network", "create", "--internal", "--label", &label(id), "--subnet", &subnet, id]);
            if made.code == Some(0) {
                return Network { id: id.to_owned(), prefix };
            }
            assert!(made.stderr.contains("overlaps"), "{}", made.stderr);
        }
        panic!("every subnet of 10.77.0.0/16 that tests may use is taken");
    }

    /// The address of host `number`.
    pub fn address(&self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, 10 + number)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        docker(&["network", "rm", &self.id]);
    }
}

/// A host, and the node on it.
pub struct Container {
    network: Rc<Network>,
    name: String,
    address: Ipv4Addr,
    data: PathBuf,
}

impl Container {
    /// A container of the image that `cargo xtask test` built, not yet started, whose command is `node_args`. Its
    /// configuration is `folder/etc`, the test's folder is `folder/data`, `device` is a userfaultfd that its user may open.
    pub fn new(
        network: &Rc<Network>,
        number: u8,
        address: Ipv4Addr,
        folder: &Path,
        device: &Path,
        node_args: &[String],
    ) -> Container {
        let image = std::env::var("MACH_IMAGE").unwrap_or_else(|_| "mach/node:test".to_owned());
        let name = format!("n{number}");
        let container = format!("{}.{name}", network.id);
        let user = format!("{NODE_UID}:{NODE_UID}");
        let device = format!("{}:/dev/userfaultfd:rw", device.display());
        let etc = format!("{}:/etc/mach:ro", folder.join("etc").display());
        let data = folder.join("data");
        let volume = format!("{}:/data", data.display());
        let mut words = vec!["create", "--name", &container, "--hostname", &name, "--label"];
        let (label, ip) = (label(&network.id), address.to_string());
        words.extend([&label, "--network", &network.id, "--ip", &ip, "--user", &user, "--device", &device]);
        words.extend(["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--init"]);
        // With the user in it: a container that is started again finds the folder with the mode of the first start.
        let tmpfs = format!("/run:uid={NODE_UID},gid={NODE_UID},mode=0700");
        words.extend(["--tmpfs", &tmpfs, "--volume", &etc, "--volume", &volume]);
        words.extend(["--dns-opt", "timeout:1", "--dns-opt", "attempts:1", &image]);
        words.extend(node_args.iter().map(String::as_str));
        docker(&words).ok();
        Container { network: network.clone(), name, address, data }
    }

    fn container(&self) -> String {
        format!("{}.{}", self.network.id, self.name)
    }
}

impl Host for Container {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> Ipv4Addr {
        self.address
    }

    fn prefix(&self, interactive: bool) -> Vec<String> {
        let exec: &[&str] = if interactive { &["docker", "exec", "-i"] } else { &["docker", "exec"] };
        exec.iter().map(|w| w.to_string()).chain([self.container(), "/mach".to_owned()]).collect()
    }

    fn socket(&self) -> String {
        format!("/run/mach/local/{}/mach.sock", self.name)
    }

    fn data(&self) -> &Path {
        &self.data
    }

    fn seen(&self, file: &str) -> String {
        format!("/data/{file}")
    }

    fn start(&self) {
        docker(&["start", &self.container()]).ok();
    }

    fn kill(&self) {
        docker(&["kill", &self.container()]).ok();
    }

    fn pause(&self) {
        docker(&["pause", &self.container()]).ok();
    }

    fn resume(&self) {
        docker(&["unpause", &self.container()]).ok();
    }

    fn cut(&self) {
        docker(&["network", "disconnect", &self.network.id, &self.container()]).ok();
    }

    fn heal(&self) {
        let address = self.address.to_string();
        docker(&["network", "connect", "--ip", &address, &self.network.id, &self.container()]).ok();
    }

    fn log(&self) -> String {
        let answer = docker(&["logs", "--tail", "200", &self.container()]);
        let state = docker(&["inspect", "--format", "{{json .State}}", &self.container()]);
        format!("{}{}{}", answer.text(), answer.stderr, state.text())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "-fv", &self.container()]);
    }
}

/// The label by which `cargo xtask test` finds what a killed test left behind: it ends in our process number.
fn label(id: &str) -> String {
    format!("mach.test={id}")
}

#[track_caller]
fn docker(args: &[&str]) -> Answer {
    run(DOCKER_MAX, &[&["docker"], args].concat())
}
