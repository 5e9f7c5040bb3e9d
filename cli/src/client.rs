//! A node, as a command sees it: this process attaches to its socket as a task and calls its host port.
//!
//! Every error of the `mach` library becomes a [`Failure`] here, with what was asked, why not, and what to do.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use mach::{AttachError, AttachOptions, MapError, MapOptions, MemoryError, RpcError, SendRight, Task};
use proto::iface::node;
use proto::{KernReturn, NamedRight, Routine};

use crate::failure::{Cure, Exit, Failure, OrFail, Result};
use crate::state::NodeDir;
use crate::units::{Range, Span};
use crate::view::View;

/// How long a node may take to answer a request. Exporting a file and withdrawing one, with its flush, are the longest.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long a node may take to let a process attach.
const ATTACH_WITHIN: Duration = Duration::from_secs(10);

/// Why pages cannot be written to their file.
pub const NO_ROOM: &str = "there is no room on the exporter's disk, or a limit on the size of files is in the way";

/// What to do then.
pub const CURE_NO_ROOM: &str = "make room there, and run it again; the log of the node that exports it says more";

/// How long detaching may take.
const DETACH_WITHIN: Duration = Duration::from_secs(1);

/// Where a node can be reached on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    socket: PathBuf,
    /// How to name it before it has said its name.
    label: String,
    /// The configuration with which it can be run again.
    config: Option<PathBuf>,
}

impl Place {
    /// A node that has a folder here.
    pub fn of(node: &NodeDir) -> Place {
        Place { socket: node.socket(), label: format!("node {}", node.name()), config: Some(node.config()) }
    }

    /// Whatever listens at a socket.
    pub fn at(socket: PathBuf) -> Place {
        let label = format!("the node at {}", socket.display());
        Place { socket, label, config: None }
    }
}

/// A node that this process is a task of.
///
/// One thread of its own does the talking, so that a node that is stopped or stuck costs a command its patience and not
/// its life. Reads and writes of mapped memory happen in the thread that asks for them.
pub struct Client {
    /// Dropped first, which ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
    node: String,
    socket: PathBuf,
}

/// Something to be done with the task, in the talking thread.
type Job = Box<dyn FnOnce(&Task) + Send>;

impl Client {
    /// Becomes a task of a node that sends messages only. Needs no userfaultfd.
    pub fn attach(place: &Place) -> Result<Client> {
        Client::attach_as(place, false)
    }

    /// Becomes a task of a node that maps memory.
    pub fn attach_with_memory(place: &Place) -> Result<Client> {
        Client::attach_as(place, true)
    }

    fn attach_as(place: &Place, memory: bool) -> Result<Client> {
        // Token 0, a task of its own: one in the environment is for the program that `mach map` started.
        let options = AttachOptions { socket: Some(place.socket.clone()), token: Some(0), memory };
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let talk = move || {
            match Task::attach(options) {
                Ok(task) => {
                    let _ = tell.send(Ok(task.node_name()));
                    inbox.into_iter().for_each(|job| job(&task));
                }
                Err(error) => drop(tell.send(Err(error))),
            }
            drop::<mpsc::Sender<()>>(ends);
        };
        let what = || format!("cannot attach to {}", place.label);
        std::thread::Builder::new().name("mach-client".into()).spawn(talk).or_fail(what)?;
        let name = match told.recv_timeout(ATTACH_WITHIN) {
            Ok(attached) => attached.map_err(|error| explain_attach(place, error))?,
            Err(_) => return Err(silent(what(), ATTACH_WITHIN)),
        };
        let node = name.map_or_else(|| place.label.clone(), |name| name.to_string());
        Ok(Client { jobs: Some(jobs), ended, node, socket: place.socket.clone() })
    }

    /// Has the talking thread do something, and waits for it.
    pub fn talk<T: Send + 'static>(&self, what: &str, job: impl FnOnce(&Task) -> T + Send + 'static) -> Result<T> {
        let (tell, told) = mpsc::channel();
        // A thread that is gone leaves `told` without an answer.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Box::new(move |task| drop(tell.send(job(task)))));
        }
        let answer = told.recv_timeout(ANSWER_WITHIN);
        answer.map_err(|_| silent(format!("node {} did not {what}", self.node), ANSWER_WITHIN))
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The node's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Calls the node's host port to `what`, e.g. "export a file".
    pub fn admin<Q>(&self, what: &str, request: Q) -> Result<Q::Reply>
    where
        Q: Routine<NamedRight> + Send + 'static,
        Q::Reply: Send + 'static,
    {
        let reply = self.talk(what, move |task| task.rpc(&task.host(), request))?;
        reply.map_err(|error| self.explain(what, error))
    }

    /// Has the node withdraw an object, once all its pages are in its file.
    pub fn withdraw(&self, name: &str) -> Result<()> {
        let what = format!("withdraw `{name}`");
        let request = node::ObjectRemove { name: name.to_owned() };
        let reply = self.talk(&what, move |task| task.rpc(&task.host(), request))?;
        reply.map(drop).map_err(|error| match error.kern() {
            Some(KernReturn::ResourceShortage) => {
                Failure::new(Exit::Failed, format!("node {} did not {what}: pages would be lost", self.node))
                    .because("pages of it could not be written to its file; mach object show counts them")
                    .because(NO_ROOM)
                    .cure(CURE_NO_ROOM)
            }
            _ => self.explain(&what, error),
        })
    }

    /// Has the node serve a file; answers the size of the object.
    pub fn export(&self, path: &str, name: &str, writable: bool) -> Result<u64> {
        let what = format!("export {path} as `{name}`");
        let request = node::Export { path: path.to_owned(), name: name.to_owned(), writable };
        let reply = self.admin(&what, request)?;
        if reply.problem.is_empty() {
            return Ok(reply.size);
        }
        Err(Failure::new(Exit::Failed, format!("node {} did not {what}", self.node)).because(reply.problem))
    }

    /// Name, address and counts of the node.
    pub fn info(&self) -> Result<node::NodeInfo> {
        Ok(self.admin("tell about itself", node::Info)?.info)
    }

    /// The nodes that it sees.
    pub fn members(&self) -> Result<Vec<node::Member>> {
        Ok(self.admin("tell whom it sees", node::Members)?.members)
    }

    /// The objects that it serves or caches.
    pub fn objects(&self) -> Result<Vec<node::ObjectInfo>> {
        Ok(self.admin("list its objects", node::Objects)?.objects)
    }

    /// Its ports.
    pub fn ports(&self) -> Result<Vec<node::PortInfo>> {
        Ok(self.admin("list its ports", node::Ports)?.ports)
    }

    /// Its tasks.
    pub fn tasks(&self) -> Result<Vec<node::TaskInfo>> {
        Ok(self.admin("list its tasks", node::Tasks)?.tasks)
    }

    /// Its metrics in the Prometheus text format.
    pub fn metrics(&self) -> Result<Vec<u8>> {
        Ok(self.admin("tell its metrics", node::Metrics)?.text.to_bytes().to_vec())
    }

    /// Maps an object by its name, as it is served by node `from` ("*" for any).
    pub fn map(&self, name: &str, from: &str, writable: bool) -> Result<Mapped> {
        let object = self.find(name, from)?;
        let options = MapOptions { writable, ..MapOptions::default() };
        let mapping = self.talk(&format!("map `{name}`"), move |task| task.map(&object, options))?;
        let mapping = mapping.map_err(|error| self.explain_map(name, error))?;
        Ok(Mapped { mapping, name: name.to_owned(), node: self.node.clone() })
    }

    /// A task record whose bootstrap port is an object, and the token with which a process becomes that task.
    pub fn prepare_task(&self, name: &str, from: &str) -> Result<u64> {
        let object = self.find(name, from)?;
        Ok(self.admin("prepare a task", node::TaskPrepare { bootstrap: object.copied() })?.token)
    }

    fn find(&self, name: &str, from: &str) -> Result<SendRight> {
        let (wanted, host) = (name.to_owned(), from.to_owned());
        let what = format!("find `{name}`");
        let found = self.talk(&what, move |task| task.look_up(&wanted, &host))?;
        found.map_err(|error| match error.kern() {
            Some(KernReturn::NameNotCheckedIn) => Failure::new(Exit::NotFound, format!("there is no object `{name}`"))
                .because(match from {
                    "*" => format!("no node that {} reaches exports it", self.node),
                    _ => format!("node {from} does not export it"),
                })
                .cure("mach object ls")
                .cure(format!("mach export FILE --name {name}")),
            Some(KernReturn::NoSuchHost | KernReturn::HostNotFound) => {
                Failure::new(Exit::NotFound, format!("cannot ask node `{from}` for `{name}`"))
                    .because(format!("{} does not reach a node of that name", self.node))
                    .cure("mach cluster status")
            }
            _ => self.explain(&what, error),
        })
    }

    pub fn explain(&self, what: &str, error: RpcError) -> Failure {
        let code = error.kern();
        let dead = error.is_dead();
        let failure = Err::<(), _>(error).or_fail(|| format!("node {} did not {what}", self.node)).unwrap_err();
        match code {
            _ if dead => failure.because("the node ended, or whoever served this did").cure("mach cluster status"),
            Some(KernReturn::NoAccess) => failure.because("it is not permitted there; the node's log says why"),
            Some(KernReturn::InvalidArgument) => {
                failure.because("the node cannot use what it was given; its log says why")
            }
            Some(KernReturn::ResourceShortage) => failure
                .because("a limit of the machine or of the node was reached (memory, size of files: ulimit -f)")
                .cure("mach doctor"),
            _ => failure,
        }
    }

    fn explain_map(&self, name: &str, error: MapError) -> Failure {
        let what = format!("cannot map `{name}` on node {}", self.node);
        match error {
            MapError::Rpc(error) => self.explain(&format!("map `{name}`"), error),
            MapError::ReadOnly(_) => Failure::new(Exit::Failed, what)
                .because("it was exported read-only")
                .cure(format!("mach export FILE --name {name} --writable")),
            other => Err::<(), _>(other).or_fail(|| what).unwrap_err(),
        }
    }
}

impl Drop for Client {
    /// Waits until this process is no task any more, unless the node is stuck: the node kills its tasks when it ends.
    fn drop(&mut self) {
        self.jobs = None;
        let _ = self.ended.recv_timeout(DETACH_WITHIN);
    }
}

/// A mapped object. Reading and writing it gives errors where plain loads and stores would give signals.
pub struct Mapped {
    mapping: mach::Mapping,
    name: String,
    node: String,
}

impl Mapped {
    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node that it is mapped on.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Writes bytes at an offset.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.mapping.write_at(offset, bytes).map_err(|error| self.explain("write", offset, error))
    }

    /// Waits until what was written into a range is durable at its pager.
    pub fn flush(&self, range: Range) -> Result<()> {
        let what = || format!("{range} of `{}` did not become durable", self.name);
        let flushed = self.mapping.flush(range.offset..range.end());
        let full = flushed.as_ref().is_err_and(|e| e.kern() == Some(KernReturn::ResourceShortage));
        let flushed = flushed.or_exit(Exit::Memory, what);
        if full {
            return flushed.map_err(|f| f.because(NO_ROOM)).cure(|| CURE_NO_ROOM.into());
        }
        flushed.cure(|| {
            format!(
                "nobody knows how much of it reached the file; read it back from the node that serves `{}`",
                self.name
            )
        })
    }

    pub fn explain(&self, verb: &str, offset: u64, error: MemoryError) -> Failure {
        match error {
            MemoryError::Fault { offset } => Failure::new(
                Exit::Memory,
                format!("memory error: cannot {verb} `{}` at offset {offset:#x} on node {}", self.name, self.node),
            )
            .because("its pager is gone, it could not read that part of the file, or it did not answer in time")
            .cure("look into the log of the node that exports it; mach cluster status")
            .cure(format!("mach object show {}", self.name)),
            other => {
                Failure::new(Exit::Usage, format!("cannot {verb} `{}` at offset {offset:#x}", self.name)).because(other)
            }
        }
    }
}

impl View for Mapped {
    fn size(&self) -> u64 {
        self.mapping.len()
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.mapping.read_at(offset, into).map_err(|error| self.explain("read", offset, error))
    }
}

fn silent(what: String, patience: Duration) -> Failure {
    Failure::new(Exit::Failed, what)
        .because(format!("it did not answer within {}", Span(patience)))
        .cure("mach cluster status")
        .cure("look into the node's log; a node that is stuck can be ended with mach cluster down")
}

fn explain_attach(place: &Place, error: AttachError) -> Failure {
    let missing = matches!(&error, AttachError::Connect { source, .. }
        if matches!(source.errno, sys::Errno::NOENT | sys::Errno::CONNREFUSED));
    let denied = matches!(&error, AttachError::Connect { source, .. } if source.errno == sys::Errno::ACCESS);
    let userfaultfd = matches!(&error, AttachError::Userfaultfd(_));
    let exit = match () {
        () if missing => Exit::NotFound,
        () if userfaultfd => Exit::Machine,
        () => Exit::Failed,
    };
    let failure = Err::<(), _>(error).or_exit(exit, || format!("cannot attach to {}", place.label)).unwrap_err();
    match () {
        () if missing => {
            let failure = failure.because("no node listens there").cure("mach cluster status");
            match place.config.as_ref().filter(|config| config.exists()) {
                Some(config) => failure
                    .cure(format!("mach node run --config {}", config.display()))
                    .cure("or all anew: mach cluster down, then mach cluster up"),
                None => failure.cure("mach cluster up --nodes 3"),
            }
        }
        () if denied => {
            failure.because("the socket belongs to another user").cure("run this as the user who runs the node")
        }
        () if userfaultfd => failure.cure("mach doctor"),
        () => failure,
    }
}
