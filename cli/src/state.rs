//! Where the nodes of this machine keep what belongs to them.
//!
//! ```text
//! $MACH_DIR, else $XDG_RUNTIME_DIR/mach, else /tmp/mach-$UID     0700, ours
//!   CLUSTER/                       "local" unless --cluster says otherwise
//!     authority/                   the authority's certificate, key and list of issued names
//!     NODE/                        node.toml ca.pem node.pem node-key.pem mach.sock pid log
//! ```
//!
//! Invariants: (1) every folder is 0700 and belongs to this user, or it is refused: whoever can write there could
//! hand us his socket or his certificates; (2) a node is only ever signalled after its pid file was matched against
//! the running process (`process`).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use proto::NodeName;

use crate::failure::{Exit, Failure, OrFail, Result};

/// The cluster that commands mean when none is named.
pub const CLUSTER_DEFAULT: &str = "local";

/// The mark of a folder that `mach cluster up` made.
const PASSING: &str = ".made-by-cluster-up";

/// Longest path of a Unix socket (`unix(7)`: 108 bytes with the final zero).
const SOCKET_PATH_MAX: usize = 107;

/// The folder of all clusters.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Takes `explicit` (the flag or `MACH_DIR`), else the folder for this user. Creates nothing.
    pub fn locate(explicit: Option<PathBuf>) -> StateDir {
        let runtime =
            || std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty()).map(|d| PathBuf::from(d).join("mach"));
        let path = explicit
            .or_else(runtime)
            .unwrap_or_else(|| PathBuf::from(format!("/tmp/mach-{}", rustix::process::getuid().as_raw())));
        // A node runs in another folder than the command that starts it.
        StateDir(std::path::absolute(&path).unwrap_or(path))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A cluster in it. Creates nothing.
    ///
    /// Errors: a name that could leave the folder.
    pub fn cluster(&self, name: &str) -> Result<ClusterDir> {
        match NodeName::new(name) {
            Some(_) => Ok(ClusterDir { name: name.to_owned(), path: self.0.join(name), root: self.0.clone() }),
            None => Err(Failure::new(Exit::Usage, format!("`{name}` cannot be the name of a cluster"))
                .because("a name is 1 to 63 of the characters a-z 0-9 -, with no - at either end")),
        }
    }
}

/// The folder of one cluster.
#[derive(Clone, Debug)]
pub struct ClusterDir {
    name: String,
    path: PathBuf,
    root: PathBuf,
}

impl ClusterDir {
    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of its authority.
    pub fn authority(&self) -> PathBuf {
        self.path.join("authority")
    }

    /// Makes the folder and checks that nobody else can get at it.
    pub fn create(&self) -> Result<()> {
        create_private(&self.root)?;
        create_private(&self.path)
    }

    /// Marks the folder as made by `mach cluster up`: all in it can be made again, and [`ClusterDir::remove`] may take it.
    pub fn mark_passing(&self) -> Result<()> {
        write_private(&self.path.join(PASSING), b"")
    }

    /// Whether nothing in the folder would be missed: it is marked, or there is nothing. A node that joined by token has
    /// its only certificate here.
    pub fn is_passing(&self) -> bool {
        self.path.join(PASSING).exists() || !self.path.exists()
    }

    /// Removes the folder and all that is in it; an absent one is fine.
    ///
    /// Conditions: [`ClusterDir::is_passing`].
    pub fn remove(&self) -> Result<()> {
        assert!(self.is_passing(), "only what can be made again is removed");
        match fs::remove_dir_all(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.or_fail(|| format!("cannot remove {}", self.path.display())),
        }
    }

    /// Keeps two commands from changing this cluster at once, until the answer is dropped.
    pub fn lock(&self) -> Result<File> {
        let path = self.root.join(format!(".{}.lock", self.name));
        let what = || format!("cannot lock {}", path.display());
        let file = File::options().create(true).truncate(false).write(true).open(&path).or_fail(what)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                Err(Failure::new(Exit::Failed, format!("another command is changing cluster `{}`", self.name))
                    .cure("wait for it to end, then try again"))
            }
            Err(fs::TryLockError::Error(e)) => Err(e).or_fail(what),
        }
    }

    /// The folder of a node.
    pub fn node(&self, name: &NodeName) -> NodeDir {
        NodeDir { name: name.clone(), path: self.path.join(name.as_str()) }
    }

    /// The nodes that have a folder here, in the order n1, n2, …, n10.
    pub fn nodes(&self) -> Result<Vec<NodeDir>> {
        let entries = match fs::read_dir(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.or_fail(|| format!("cannot read {}", self.path.display()))?,
        };
        let mut nodes: Vec<NodeDir> = entries
            .filter_map(|entry| entry.ok())
            .filter(|entry| entry.file_name() != OsStr::new("authority") && entry.path().is_dir())
            .filter_map(|entry| NodeName::new(entry.file_name().to_str()?))
            .map(|name| self.node(&name))
            .collect();
        nodes.sort_by_key(|n| natural(n.name.as_str()));
        Ok(nodes)
    }

    /// The node that `wanted` means: a name, or a number `3` for `n3`. Without one: the only node, or the first.
    pub fn pick(&self, wanted: Option<&str>) -> Result<NodeDir> {
        let nodes = self.nodes()?;
        let missing = |what: String| Failure::new(Exit::NotFound, what);
        if nodes.is_empty() {
            return Err(missing(format!("there is no node in cluster `{}` on this machine", self.name))
                .because(format!("{} holds none", self.path.display()))
                .cure("mach cluster up --nodes 3")
                .cure("or name a node's socket with --socket PATH"));
        }
        let Some(wanted) = wanted else { return Ok(nodes[0].clone()) };
        let by_number = wanted.parse::<u32>().ok().map(|n| format!("n{n}"));
        let found = nodes.iter().find(|n| n.name.as_str() == wanted || by_number.as_deref() == Some(n.name.as_str()));
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = nodes.iter().map(|n| n.name.as_str()).collect();
            missing(format!("cluster `{}` has no node `{wanted}` on this machine", self.name))
                .because(format!("its nodes here are {}", known.join(", ")))
                .cure("mach cluster status")
        })
    }
}

/// The folder of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeDir {
    name: NodeName,
    path: PathBuf,
}

impl NodeDir {
    /// A node's folder that stands where `path` says.
    pub fn at(name: NodeName, path: PathBuf) -> NodeDir {
        NodeDir { name, path }
    }

    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder and checks that nobody else can get at it, and that its socket's path is short enough.
    pub fn create(&self) -> Result<()> {
        check_socket_path(&self.socket())?;
        create_private(&self.path)
    }

    /// The configuration that `mach node run --config` takes.
    pub fn config(&self) -> PathBuf {
        self.path.join("node.toml")
    }

    /// Where tasks attach.
    pub fn socket(&self) -> PathBuf {
        self.path.join("mach.sock")
    }

    /// The record of the running process.
    pub fn pid(&self) -> PathBuf {
        self.path.join("pid")
    }

    /// Standard output and error of a node that runs detached.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The last `lines` lines of the log, for an error message.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Refuses a socket path that the kernel cannot take.
pub fn check_socket_path(path: &Path) -> Result<()> {
    let length = path.as_os_str().len();
    if length <= SOCKET_PATH_MAX {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("the socket path {} is too long", path.display()))
        .because(format!("{length} bytes; Linux allows {SOCKET_PATH_MAX}"))
        .cure("choose a shorter state directory: MACH_DIR=/tmp/mach"))
}

/// Makes `path` with mode 0700, or checks one that exists: a folder, ours, and closed to others.
pub fn create_private(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .or_fail(|| format!("cannot make {}", parent.display()))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => return other.or_fail(|| format!("cannot make the folder {}", path.display())),
    }
    let meta = fs::symlink_metadata(path).or_fail(|| format!("cannot examine {}", path.display()))?;
    let uid = rustix::process::getuid().as_raw();
    let refuse = |why: String| {
        Err(Failure::new(Exit::Failed, format!("{} is not safe to keep sockets and keys in", path.display()))
            .because(why))
    };
    if !meta.is_dir() {
        return refuse("it is not a folder (a link is refused too)".into());
    }
    if meta.uid() != uid {
        return refuse(format!("it belongs to uid {}, and this is uid {uid}", meta.uid()));
    }
    if meta.mode() & 0o077 != 0 {
        return refuse(format!("its mode is {:o}, so others can enter it", meta.mode() & 0o777))
            .map_err(|f: Failure| f.cure(format!("chmod 700 {}", path.display())));
    }
    Ok(())
}

/// Writes `contents` to `path` with mode 0600, replacing what is there in one step.
pub fn write_private(path: &Path, contents: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let write = || {
        match fs::remove_file(&fresh) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(contents)?;
        fs::rename(&fresh, path)
    };
    write().or_fail(|| format!("cannot write {}", path.display()))
}

/// Sorts `n2` before `n10`.
fn natural(name: &str) -> (String, u64) {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count().min(18);
    let (stem, number) = name.split_at(name.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn cluster_of(names: &[&str]) -> (tempfile::TempDir, ClusterDir) {
        let tmp = tempfile::tempdir().unwrap();
        let cluster = StateDir::locate(Some(tmp.path().join("state"))).cluster("local").unwrap();
        cluster.create().unwrap();
        for name in names {
            cluster.node(&NodeName::new(name).unwrap()).create().unwrap();
        }
        (tmp, cluster)
    }

    #[test]
    fn a_relative_state_directory_is_made_absolute() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(StateDir::locate(Some("rel/state".into())).path(), here.join("rel/state"));
    }

    #[test]
    fn nodes_are_picked_by_name_or_number() {
        let (_tmp, cluster) = cluster_of(&["n10", "n2", "n1"]);
        let order: Vec<String> = cluster.nodes().unwrap().iter().map(|n| n.name().to_string()).collect();
        assert_eq!(order, ["n1", "n2", "n10"]);
        let picked = |w| cluster.pick(w).map(|n| n.name().to_string());
        assert_eq!(picked(None).unwrap(), "n1");
        assert_eq!(picked(Some("2")).unwrap(), "n2");
        assert_eq!(picked(Some("n10")).unwrap(), "n10");
        let failure = picked(Some("7")).unwrap_err();
        assert_eq!(failure.exit(), Exit::NotFound);
        assert_eq!(
            failure.to_string(),
            "mach: cluster `local` has no node `7` on this machine\n  why: its nodes here are n1, n2, n10\n  do:  mach cluster status"
        );
    }

    #[test]
    fn a_cluster_without_nodes_says_how_to_get_some() {
        let (_tmp, cluster) = cluster_of(&[]);
        let text = cluster.pick(None).unwrap_err().to_string();
        assert!(text.contains("do:  mach cluster up --nodes 3"), "{text}");
    }

    #[test]
    fn an_open_folder_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("open");
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let text = create_private(&dir).unwrap_err().to_string();
        assert!(text.contains("mode is 755") && text.contains("chmod 700"), "{text}");
        let link = tmp.path().join("link");
        std::os::unix::fs::symlink(tmp.path(), &link).unwrap();
        assert!(create_private(&link).unwrap_err().to_string().contains("not a folder"));
    }

    #[test]
    fn names_cannot_leave_the_state_directory() {
        for name in ["..", "a/b", "", "UPPER", "-a"] {
            assert_eq!(StateDir::locate(None).cluster(name).unwrap_err().exit(), Exit::Usage, "{name}");
        }
    }

    #[test]
    fn a_cluster_is_changed_by_one_command_at_a_time() {
        let (_tmp, cluster) = cluster_of(&[]);
        let held = cluster.lock().unwrap();
        assert!(cluster.lock().unwrap_err().to_string().contains("another command is changing"));
        drop(held);
        cluster.lock().unwrap();
    }

    #[test]
    fn only_what_can_be_made_again_is_removed() {
        let (_tmp, cluster) = cluster_of(&["a"]);
        assert!(!cluster.is_passing(), "a node that joined has its certificate here");
        cluster.mark_passing().unwrap();
        cluster.remove().unwrap();
        assert!(!cluster.path().exists() && cluster.is_passing());
        cluster.remove().unwrap();
    }

    #[test]
    fn a_long_socket_path_is_refused_before_anything_starts() {
        let dir = NodeDir::at(NodeName::new("n1").unwrap(), PathBuf::from(format!("/tmp/{}", "x".repeat(120))));
        assert!(dir.create().unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn private_files_are_private_and_replaced_whole() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("key.pem");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
