//! One machine of a cluster, whatever it is made of.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::run::{Answer, run};
use crate::talk::Talk;

/// The longest that a command on a host may take.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// A machine with an address of its own, on which one node runs.
///
/// Methods panic when the machinery fails (no engine, no such namespace); what `mach` answers is for the test to judge.
pub trait Host {
    /// The node's name: n1, n2, ...
    fn name(&self) -> &str;

    /// Its address in the cluster's network.
    fn address(&self) -> Ipv4Addr;

    /// The words that come before the arguments of `mach` to run it on this host; with `interactive` its standard
    /// input reaches it.
    fn prefix(&self, interactive: bool) -> Vec<String>;

    /// The node's socket, as a process of the host sees it.
    fn socket(&self) -> String;

    /// A folder of this host, as the test sees it.
    fn data(&self) -> &Path;

    /// The path of a file of that folder, as a process of the host sees it.
    fn seen(&self, file: &str) -> String;

    /// Starts the node.
    fn start(&self);

    /// Ends the node, and on a container its tasks, as a crash does: SIGKILL.
    fn kill(&self);

    /// Stops every process of the host from running, until `resume`.
    fn pause(&self);

    /// Lets them run again.
    fn resume(&self);

    /// Takes the host off the network.
    fn cut(&self);

    /// Puts it back, with the same address.
    fn heal(&self);

    /// What the node printed.
    fn log(&self) -> String;

    /// Runs `mach` to its end.
    fn mach(&self, args: &[&str]) -> Answer {
        let mut words = self.prefix(false);
        words.extend(args.iter().map(|a| a.to_string()));
        run(COMMAND_MAX, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts `mach` and talks with it, a line at a time.
    fn talk(&self, args: &[&str]) -> Talk {
        let words = self.prefix(true);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(args);
        Talk::with(command)
    }

    /// Writes a file into the host's folder, readable and writable by its node; answers the path as it is seen there.
    fn put(&self, file: &str, bytes: &[u8]) -> String {
        let path: PathBuf = self.data().join(file);
        std::fs::write(&path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        std::os::unix::fs::chown(&path, Some(crate::cluster::NODE_UID), Some(crate::cluster::NODE_UID))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self.seen(file)
    }
}
