//! The settings of a node, from flags, environment, a TOML file and defaults, in that order.
//!
//! Invariants: (1) each setting comes whole from one place, which `--print-config` names; (2) an unknown name in the
//! file is refused with its line; (3) the file's paths are relative to the file, the others to the current directory.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::NodeName;
use serde::Deserialize;

use crate::args::{LogFormat, NodeRun};
use crate::failure::{Cure, Exit, Failure, OrFail, Result};
use crate::state::ClusterDir;
use crate::units::{Bytes, Span};

/// The port of the links where none is said.
pub const LISTEN_DEFAULT: &str = "0.0.0.0:7411";
/// What is logged where nothing is said.
pub const LOG_DEFAULT: &str = "info";
/// The largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything that a node is told, checked as far as that is possible without starting it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The node's name.
    pub name: NodeName,
    /// UDP address of the links.
    pub listen: SocketAddr,
    /// Address to tell others.
    pub advertise: Option<SocketAddr>,
    /// The node's folder.
    pub dir: PathBuf,
    /// Where tasks attach.
    pub socket: PathBuf,
    /// Nodes to link to, as HOST:PORT.
    pub join: Vec<String>,
    /// How the node proves who it is.
    pub credentials: Credentials,
    /// The authority's folder.
    pub authority: Option<PathBuf>,
    /// Time within which a silent peer is declared dead; a link is given up after half of it (decision 0004).
    pub dead_after: Duration,
    /// Longest wait for a page.
    pub fault_deadline: Duration,
    /// Prometheus endpoint.
    pub metrics: Option<SocketAddr>,
    /// Whether other nodes may administer this one.
    pub remote_admin: bool,
    /// Whether CPUs are kept awake while threads wait for remote pages, or fault on many.
    pub low_latency: bool,
    /// Whether threads that call each other often get shared memory for it.
    pub fast_path: bool,
    /// Largest UDP payload.
    pub mtu_max: u16,
    /// Another uid whose tasks may attach.
    pub task_uid: Option<u32>,
    /// Memory before pages have to leave. Units: bytes; 0 is no limit.
    pub memory_limit: u64,
    /// The same for one task.
    pub task_memory_limit: u64,
    /// Folder of the default pager's file.
    pub swap_dir: PathBuf,
    /// Largest size of that file. Units: bytes.
    pub swap_limit: u64,
    /// The log filter.
    pub log: String,
    /// The form of log lines.
    pub log_format: LogFormat,
    /// Where each setting came from, by its name in the file.
    pub origins: BTreeMap<&'static str, Origin>,
}

/// How a node proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Its certificate, in these files.
    Files(CertFiles),
    /// A token, for which a node with the authority gives a certificate; used once, then the folder's files are.
    Token(String),
    /// The files in the node's folder, from an earlier start.
    Folder,
}

/// Explicit certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertFiles {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The node's certificate.
    pub cert: PathBuf,
    /// The node's key.
    pub key: PathBuf,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Files(files) => files.fmt(f),
            Credentials::Token(_) => f.write_str("Token(..)"),
            Credentials::Folder => f.write_str("Folder"),
        }
    }
}

/// Where a setting came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment,
    /// The configuration file.
    File,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::File => "file",
            Origin::Default => "default",
        })
    }
}

/// The configuration file.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    name: Option<String>,
    listen: Option<SocketAddr>,
    advertise: Option<SocketAddr>,
    socket: Option<PathBuf>,
    dir: Option<PathBuf>,
    join: Option<Vec<String>>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    authority: Option<PathBuf>,
    dead_after: Option<Span>,
    fault_deadline: Option<Span>,
    metrics: Option<SocketAddr>,
    remote_admin: Option<bool>,
    low_latency: Option<bool>,
    fast_path: Option<bool>,
    mtu_max: Option<u16>,
    task_uid: Option<u32>,
    memory_limit: Option<Bytes>,
    task_memory_limit: Option<Bytes>,
    swap_dir: Option<PathBuf>,
    swap_limit: Option<Bytes>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

/// Puts the settings together.
///
/// `given` says, for the id of an argument, whether the command line or the environment gave it.
/// Errors: a file that cannot be read or has an unknown name; settings that contradict each other.
pub fn resolve(run: &NodeRun, cluster: &ClusterDir, given: &dyn Fn(&str) -> Origin) -> Result<Settings> {
    let file = match &run.config {
        Some(path) => read_file(path)?,
        None => File::default(),
    };
    let mut layers = Layers { given, origins: BTreeMap::new() };
    let name = match (&run.name, &file.name) {
        (None, Some(text)) => Some(crate::args::node_name(text).map_err(|why| {
            Failure::new(Exit::Usage, format!("`name` in {} is wrong", show(&run.config))).because(why)
        })?),
        _ => None,
    };
    let name = match layers.option("name", run.name.clone(), name) {
        Some(name) => name,
        None => host_name()?,
    };
    let dir = layers.value("dir", run.dir.clone(), file.dir, cluster.node(&name).path().to_owned());
    let join = Some(run.join.clone()).filter(|j| !j.is_empty());
    let credentials = credentials(run, &file.token, &file.token_file, [&file.ca, &file.cert, &file.key], &mut layers)?;
    let memory_limit = layers.value("memory-limit", run.memory_limit, file.memory_limit, Bytes(0)).0;
    let swap_default = Bytes(memory_limit.saturating_mul(kernel_node::NodeConfig::SWAP_TIMES));
    let settings = Settings {
        listen: layers.value("listen", run.listen, file.listen, LISTEN_DEFAULT.parse().expect("a constant")),
        advertise: layers.option("advertise", run.advertise, file.advertise),
        socket: layers.value("socket", run.socket.clone(), file.socket, dir.join("mach.sock")),
        join: layers.value("join", join, file.join, Vec::new()),
        credentials,
        authority: layers.option("authority", run.authority.clone(), file.authority),
        dead_after: layers.time("dead-after", run.dead_after, file.dead_after, kernel_node::NodeConfig::DEAD_AFTER),
        fault_deadline: layers.time(
            "fault-deadline",
            run.fault_deadline,
            file.fault_deadline,
            kernel_node::NodeConfig::FAULT_DEADLINE,
        ),
        metrics: layers.option("metrics", run.metrics, file.metrics),
        remote_admin: layers.value("remote-admin", run.remote_admin, file.remote_admin, false),
        low_latency: layers.value("low-latency", run.low_latency, file.low_latency, true),
        fast_path: layers.value("fast-path", run.fast_path, file.fast_path, true),
        mtu_max: layers.value("mtu-max", run.mtu_max, file.mtu_max, kernel_node::NodeConfig::MTU_MAX),
        task_uid: layers.option("task-uid", run.task_uid, file.task_uid),
        memory_limit,
        task_memory_limit: layers.value("task-memory-limit", run.task_memory_limit, file.task_memory_limit, Bytes(0)).0,
        swap_dir: layers.value("swap-dir", run.swap_dir.clone(), file.swap_dir, dir.clone()),
        swap_limit: layers.value("swap-limit", run.swap_limit, file.swap_limit, swap_default).0,
        log: layers.value("log", run.log.clone(), file.log, LOG_DEFAULT.into()),
        log_format: layers.value("log-format", run.log_format, file.log_format, LogFormat::default()),
        name,
        dir,
        origins: layers.origins,
    };
    check(&settings)?;
    Ok(settings)
}

impl Settings {
    /// Name, value and origin of each setting, for `--print-config`. A token is not shown.
    pub fn listing(&self) -> Vec<(&'static str, String, Origin)> {
        let optional = |v: Option<String>| v.unwrap_or_else(|| "-".into());
        let path = |p: &Path| p.display().to_string();
        let credentials = match &self.credentials {
            Credentials::Files(f) => format!("{} {} {}", f.ca.display(), f.cert.display(), f.key.display()),
            Credentials::Token(_) => "a join token".into(),
            Credentials::Folder => format!("ca.pem node.pem node-key.pem in {}", self.dir.display()),
        };
        let values = [
            ("name", self.name.to_string()),
            ("listen", self.listen.to_string()),
            ("advertise", optional(self.advertise.map(|a| a.to_string()))),
            ("dir", path(&self.dir)),
            ("socket", path(&self.socket)),
            ("join", self.join.join(" ")),
            ("credentials", credentials),
            ("authority", optional(self.authority.as_deref().map(path))),
            ("dead-after", Span(self.dead_after).to_string()),
            ("fault-deadline", Span(self.fault_deadline).to_string()),
            ("metrics", optional(self.metrics.map(|a| a.to_string()))),
            ("remote-admin", self.remote_admin.to_string()),
            ("low-latency", self.low_latency.to_string()),
            ("fast-path", self.fast_path.to_string()),
            ("mtu-max", self.mtu_max.to_string()),
            ("task-uid", optional(self.task_uid.map(|u| u.to_string()))),
            ("memory-limit", Bytes(self.memory_limit).to_string()),
            ("task-memory-limit", Bytes(self.task_memory_limit).to_string()),
            ("swap-dir", path(&self.swap_dir)),
            ("swap-limit", Bytes(self.swap_limit).to_string()),
            ("log", self.log.clone()),
            ("log-format", format!("{:?}", self.log_format).to_lowercase()),
        ];
        values.into_iter().map(|(n, v)| (n, v, self.origins.get(n).copied().unwrap_or(Origin::Default))).collect()
    }
}

/// Chooses between what the arguments, the file and nobody said, and notes the choice.
struct Layers<'a> {
    given: &'a dyn Fn(&str) -> Origin,
    origins: BTreeMap<&'static str, Origin>,
}

impl Layers<'_> {
    fn option<T>(&mut self, name: &'static str, argument: Option<T>, file: Option<T>) -> Option<T> {
        let origin = match (&argument, &file) {
            (Some(_), _) => (self.given)(&name.replace('-', "_")),
            (None, Some(_)) => Origin::File,
            (None, None) => Origin::Default,
        };
        self.origins.insert(name, origin);
        argument.or(file)
    }

    fn value<T>(&mut self, name: &'static str, argument: Option<T>, file: Option<T>, default: T) -> T {
        self.option(name, argument, file).unwrap_or(default)
    }

    fn time(&mut self, name: &'static str, argument: Option<Span>, file: Option<Span>, default: Duration) -> Duration {
        self.value(name, argument, file, Span(default)).0
    }
}

/// Certificates or a token: the arguments' if they name either, else the file's, else the folder's.
fn credentials(
    run: &NodeRun,
    file_token: &Option<String>,
    file_token_file: &Option<PathBuf>,
    file_certs: [&Option<PathBuf>; 3],
    layers: &mut Layers<'_>,
) -> Result<Credentials> {
    let certs = [&run.ca, &run.cert, &run.key];
    let named = [("ca", run.ca.is_some()), ("cert", run.cert.is_some()), ("key", run.key.is_some())]
        .into_iter()
        .chain([("token", run.token.is_some()), ("token_file", run.token_file.is_some())])
        .find(|(_, given)| *given);
    if let Some((argument, _)) = named {
        layers.origins.insert("credentials", (layers.given)(argument));
        return one_of(certs, &run.token, &run.token_file, "the arguments");
    }
    let in_file = file_certs.iter().any(|c| c.is_some()) || file_token.is_some() || file_token_file.is_some();
    if in_file {
        layers.origins.insert("credentials", Origin::File);
        return one_of(file_certs, file_token, file_token_file, &show(&run.config));
    }
    Ok(Credentials::Folder)
}

fn one_of(
    certs: [&Option<PathBuf>; 3],
    token: &Option<String>,
    file: &Option<PathBuf>,
    place: &str,
) -> Result<Credentials> {
    let wrong = |why: &str| {
        Err(Failure::new(Exit::Usage, format!("{place} do not say clearly how this node proves who it is"))
            .because(why)
            .cure("give --ca, --cert and --key, or --token-file, not both"))
    };
    match (certs, token, file) {
        ([Some(ca), Some(cert), Some(key)], None, None) => {
            Ok(Credentials::Files(CertFiles { ca: ca.clone(), cert: cert.clone(), key: key.clone() }))
        }
        ([None, None, None], Some(token), None) => Ok(Credentials::Token(token.trim().to_owned())),
        ([None, None, None], None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .or_exit(Exit::Usage, || format!("cannot read the join token in {}", path.display()))?;
            Ok(Credentials::Token(text.trim().to_owned()))
        }
        ([None, None, None], Some(_), Some(_)) => wrong("a token is given both directly and as a file"),
        (_, None, None) => wrong("ca, cert and key belong together; one is missing"),
        _ => wrong("both certificates and a token are given"),
    }
}

/// What two settings together must satisfy.
fn check(settings: &Settings) -> Result<()> {
    crate::state::check_socket_path(&settings.socket)?;
    let least = netmsg::DEAD_AFTER_MIN;
    for (name, value) in [("dead-after", settings.dead_after), ("fault-deadline", settings.fault_deadline)] {
        if value < least {
            return Err(Failure::new(Exit::Usage, format!("{name} is too short: {}", Span(value)))
                .because(format!("at least {} is needed to tell a slow network from a dead node", Span(least))));
        }
    }
    let least = kernel_node::NodeConfig::MEMORY_LIMIT_MIN;
    if settings.memory_limit > 0 && settings.memory_limit < least {
        return Err(Failure::new(Exit::Usage, format!("memory-limit is too small: {}", Bytes(settings.memory_limit)))
            .because(format!("at least {} is needed to serve any task, or 0 for no limit", Bytes(least))));
    }
    let joins_by_token = matches!(settings.credentials, Credentials::Token(_));
    if joins_by_token && settings.join.is_empty() && settings.authority.is_none() {
        return Err(Failure::new(Exit::Usage, "a join token needs a node to take it to")
            .because("no address to join is given")
            .cure("add --join HOST:PORT of a node that holds the authority"));
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<File> {
    let what = || format!("cannot read the configuration file {}", path.display());
    let size = std::fs::metadata(path).or_exit(Exit::Usage, what)?.len();
    if size > FILE_BYTES_MAX {
        return Err(Failure::new(Exit::Usage, what()).because(format!("{size} bytes are no configuration")));
    }
    let text = std::fs::read_to_string(path).or_exit(Exit::Usage, what)?;
    let mut file: File = toml::from_str(&text)
        .or_exit(Exit::Usage, || format!("the configuration file {} is wrong", path.display()))
        .cure(|| "mach node run --help lists the names".into())?;
    let base = path.parent().unwrap_or(Path::new(""));
    let paths = [
        &mut file.socket,
        &mut file.dir,
        &mut file.token_file,
        &mut file.ca,
        &mut file.cert,
        &mut file.key,
        &mut file.authority,
        &mut file.swap_dir,
    ];
    for path in paths.into_iter().flatten() {
        *path = base.join(&*path);
    }
    Ok(file)
}

/// The host's name, up to its first dot, in lower case.
fn host_name() -> Result<NodeName> {
    let uname = rustix::system::uname();
    let full = uname.nodename().to_string_lossy().to_lowercase();
    let short = full.split('.').next().unwrap_or_default();
    NodeName::new(short).ok_or_else(|| {
        Failure::new(Exit::Usage, "this node has no name")
            .because(format!("the host's name `{full}` cannot be one"))
            .cure("add --name NAME")
    })
}

fn show(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or_else(String::new, |p| p.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateDir;

    fn cluster() -> ClusterDir {
        StateDir::locate(Some("/s".into())).cluster("local").unwrap()
    }

    fn with_file(text: &str, mut run: NodeRun) -> Result<Settings> {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        run.config = Some(path);
        resolve(&run, &cluster(), &|_| Origin::Flag)
    }

    fn named(name: &str) -> NodeRun {
        NodeRun { name: NodeName::new(name), ..NodeRun::default() }
    }

    #[test]
    fn defaults() {
        let s = resolve(&named("a"), &cluster(), &|_| Origin::Flag).unwrap();
        assert_eq!(s.listen, "0.0.0.0:7411".parse().unwrap());
        assert_eq!(s.dir, Path::new("/s/local/a"));
        assert_eq!(s.socket, Path::new("/s/local/a/mach.sock"));
        assert_eq!(s.credentials, Credentials::Folder);
        assert_eq!(s.dead_after, kernel_node::NodeConfig::DEAD_AFTER);
        assert_eq!((s.origins["name"], s.origins["listen"]), (Origin::Flag, Origin::Default));
    }

    #[test]
    fn a_file_goes_before_defaults_and_arguments_before_the_file() {
        let text = "name = 'x'\nlisten = '127.0.0.1:1'\nlog = 'debug'\ndead-after = '5s'\njoin = ['f:1', 'g:2']\n";
        let run = NodeRun { dead_after: Some("7s".parse().unwrap()), join: vec!["h:3".into()], ..NodeRun::default() };
        let s = with_file(text, run).unwrap();
        assert_eq!(s.name.as_str(), "x");
        assert_eq!(s.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(s.dead_after, Duration::from_secs(7));
        assert_eq!(s.join, ["h:3"], "a list comes whole from one place");
        let origin = |n| s.origins[n];
        assert_eq!((origin("log"), origin("join"), origin("socket")), (Origin::File, Origin::Flag, Origin::Default));
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_line() {
        let text = with_file("name = 'a'\nlissten = '127.0.0.1:1'\n", NodeRun::default()).unwrap_err().to_string();
        assert!(text.contains("line 2") && text.contains("lissten") && text.contains("`listen`"), "{text}");
    }

    #[test]
    fn wrong_values_in_the_file_are_refused_with_their_line() {
        for (line, part) in [
            ("listen = 'here'", "socket address"),
            ("dead-after = 3", "string"),
            ("dead-after = '3'", "write 500ms"),
            ("log-format = 'xml'", "xml"),
            ("mtu-max = 70000", "70000"),
        ] {
            let text = with_file(&format!("name = 'a'\n{line}\n"), NodeRun::default()).unwrap_err().to_string();
            assert!(text.contains("line 2") && text.contains(part), "{line}: {text}");
        }
        let text = with_file("name = 'A B'", NodeRun::default()).unwrap_err().to_string();
        assert!(text.contains("cannot be a node's name"), "{text}");
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let s = with_file("name='a'\nca='ca.pem'\ncert='/abs/c.pem'\nkey='key.pem'\n", NodeRun::default()).unwrap();
        let Credentials::Files(files) = s.credentials else { panic!() };
        assert!(files.ca.is_absolute() && files.ca.ends_with("ca.pem"));
        assert_eq!(files.cert, Path::new("/abs/c.pem"));
    }

    #[test]
    fn credentials_come_from_one_place_and_are_whole() {
        let text =
            with_file("name='a'\ntoken='t'\n", NodeRun { ca: Some("x".into()), ..NodeRun::default() }).unwrap_err();
        assert!(text.to_string().contains("belong together"), "{text}");
        let run = NodeRun { token: Some(" t\n".into()), join: vec!["h:1".into()], ..named("a") };
        let s = with_file("ca='ca.pem'\ncert='c'\nkey='k'\n", run).unwrap();
        assert_eq!(s.credentials, Credentials::Token("t".into()));
        assert!(!format!("{s:?}").contains("\"t\""), "a token is not shown");
    }

    #[test]
    fn a_token_without_an_address_is_refused() {
        let text = with_file("token='t'", named("a")).unwrap_err().to_string();
        assert!(text.contains("do:  add --join HOST:PORT"), "{text}");
    }

    #[test]
    fn times_that_cannot_work_are_refused() {
        let text = with_file("dead-after='10ms'", named("a")).unwrap_err().to_string();
        assert!(text.contains("dead-after is too short"), "{text}");
    }

    #[test]
    fn a_missing_file_is_a_usage_error() {
        let run = NodeRun { config: Some("/no/such.toml".into()), ..named("a") };
        let failure = resolve(&run, &cluster(), &|_| Origin::Flag).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("/no/such.toml"));
    }
}
