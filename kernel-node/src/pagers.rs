//! The memory objects that this node serves: the pager server, and the files behind its exports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel_core::Time;
use kernel_core::ipc::Right;
use kernel_core::kern::Kernel;
use pager::{Ending, ExportStats, FilePager, Job, JobDone, Out, PagerServer};
use proto::msg::code_body;
use proto::{Disposition, KernReturn, NamedRight, PortName, PortUid};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::host::Asked;
use crate::names::{self, Names};
use crate::node::Node;
use crate::server::Server;

/// The pager server.
pub struct Pagers {
    pub(crate) server: Server,
    pagers: PagerServer,
    notify: PortName,
    /// Signs the names that exports are checked in under.
    signature: PortName,
    name_server: PortName,
    out: Out,
    /// Exported files by memory object port.
    files: BTreeMap<PortName, Exported>,
    done: UnboundedSender<JobDone>,
    /// Taken by the loop that brings results back.
    results: Option<UnboundedReceiver<JobDone>>,
    jobs_running: usize,
}

/// A file that is exported.
struct Exported {
    path: PathBuf,
    /// As it is checked in.
    name: String,
    /// Who waits for its end.
    removal: Option<Asked>,
}

/// An export for the operator's list.
pub struct ExportInfo {
    /// What the pager server counts.
    pub stats: ExportStats,
    /// The file.
    pub path: PathBuf,
    /// The memory object port's identity.
    pub uid: Option<PortUid>,
}

impl Pagers {
    /// A server without objects. A kernel that has not given a page back after `recall_deadline_ns` counts as dead.
    ///
    /// Errors: its port could not be made.
    pub fn new(kernel: &mut Kernel, names: &Names, recall_deadline_ns: u64) -> Result<Pagers, KernReturn> {
        let server = Server::new(&mut kernel.ipc);
        let right = names.send_right(kernel);
        let name_server = kernel.give(server.space, right)?;
        let mut calls = Node::calls(kernel, &server);
        let (notify, signature) = (calls.allocate()?, calls.allocate_with_send()?);
        let (done, results) = unbounded_channel();
        Ok(Pagers {
            server,
            pagers: PagerServer::new(notify, pager::Config { recall_deadline_ns, ..pager::Config::default() }),
            notify,
            signature,
            name_server,
            out: Out::default(),
            files: BTreeMap::new(),
            done,
            results: Some(results),
            jobs_running: 0,
        })
    }

    /// The results of jobs, for the one loop that hands them to [`Node::on_job_done`].
    pub fn take_results(&mut self) -> Option<UnboundedReceiver<JobDone>> {
        self.results.take()
    }

    /// Whether anything is on its way to or from a file.
    pub fn is_busy(&self) -> bool {
        self.jobs_running > 0 || self.files.len() > self.pagers.stats().iter().filter(|s| !s.closing).count()
    }

    /// Pages that were returned and are not in their files yet.
    pub fn unwritten_pages(&self) -> u64 {
        self.pagers.stats().iter().map(|s| s.kept_pages).sum()
    }

    /// When [`Node::pagers_tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Time> {
        self.pagers.next_timer().map(|at| Time(at.0))
    }

    fn find(&self, name: &str) -> Option<PortName> {
        self.pagers.stats().into_iter().find(|s| s.name == name && !s.closing).map(|s| s.port)
    }
}

impl Node {
    /// Serves a file and checks its name in; returns its size and the memory object port, as a name in the pagers' space.
    ///
    /// Errors: a text for whoever asked; nothing is served.
    pub(crate) fn export_file(&mut self, path: &Path, name: &str, writable: bool) -> Result<(u64, PortName), String> {
        if self.pagers.find(name).is_some() || self.names.is_bound(name) {
            return Err(format!("the name {name} is in use on this node"));
        }
        let file = FilePager::open(path, writable).map_err(|error| error.to_string())?;
        let size = pager::Pager::size(&file);
        let path = file.path().to_owned();
        let port = Node::calls(&mut self.kernel, &self.pagers.server)
            .allocate_with_send()
            .map_err(|code| format!("no port for {name}: {code}"))?;
        let served = self.pagers.pagers.export(port, name, Arc::new(file));
        served.map_err(|code| format!("{name} cannot be served: {code}"))?;
        self.pagers.files.insert(port, Exported { path, name: name.to_owned(), removal: None });
        let Pagers { server, name_server, signature, .. } = &self.pagers;
        names::check_in(&mut Node::calls(&mut self.kernel, server), *name_server, name, *signature, port);
        Ok((size, port))
    }

    /// Ends an export in order: dirty pages come back and are written first. `asked` is answered when it has ended, or goes
    /// on since pages of it could not be written.
    ///
    /// Errors: `InvalidName` there is none of that name, or it is ending; `ResourceShortage` it holds pages that could not
    /// be written. Nobody is answered then.
    pub(crate) fn export_remove(&mut self, name: &str, asked: Asked) -> Result<(), KernReturn> {
        let port = self.pagers.find(name).ok_or(KernReturn::InvalidName)?;
        let now = self.pager_now();
        self.pagers.pagers.remove(now, port, Ending::UnlessUnwritten, &mut self.pagers.out)?;
        if let Some(file) = self.pagers.files.get_mut(&port) {
            file.removal = Some(asked);
        }
        self.pagers_out();
        Ok(())
    }

    /// Ends every export in order, as the node's own end does: dirty pages come back from all kernels and are written, as
    /// far as there is room for them. [`Pagers::is_busy`] tells when that is done.
    pub(crate) fn exports_close(&mut self) {
        let now = self.pager_now();
        for export in self.pagers.pagers.stats() {
            // It is in the list, so there is something to end.
            let _ = self.pagers.pagers.remove(now, export.port, Ending::Anyway, &mut self.pagers.out);
        }
        self.pagers_out();
        self.settle();
    }

    /// A send right to an export's port.
    pub(crate) fn export_right(&mut self, port: PortName) -> Right {
        self.kernel.copy_send(self.pagers.server.space, port).unwrap_or(Right::Dead)
    }

    /// The exports, for the operator.
    pub(crate) fn exports(&mut self) -> Vec<ExportInfo> {
        let stats = self.pagers.pagers.stats();
        let Pagers { files, server, .. } = &self.pagers;
        let mut calls = Node::calls(&mut self.kernel, server);
        stats
            .into_iter()
            .map(|stats| ExportInfo {
                path: files.get(&stats.port).map(|file| file.path.clone()).unwrap_or_default(),
                uid: calls.port_uid(stats.port),
                stats,
            })
            .collect()
    }

    pub(crate) fn serve_pagers(&mut self) {
        while let Some(message) = Node::calls(&mut self.kernel, &self.pagers.server).receive() {
            let now = self.pager_now();
            tracing::trace!(trace = message.trace.0, id = message.id, "pager");
            self.pagers.pagers.on_message(now, message, &mut self.pagers.out);
            self.pagers_out();
        }
    }

    /// A read, write or sync came to its end.
    pub fn on_job_done(&mut self, done: JobDone) {
        let now = self.pager_now();
        self.pagers.jobs_running -= 1;
        self.pagers.pagers.on_job_done(now, done, &mut self.pagers.out);
        self.pagers_out();
        self.settle();
    }

    pub(crate) fn pagers_tick(&mut self, now: Time) {
        if self.pagers.next_deadline().is_some_and(|at| at <= now) {
            self.pagers.pagers.on_timer(pager::Time(now.0), &mut self.pagers.out);
            self.pagers_out();
        }
    }

    fn pager_now(&self) -> pager::Time {
        pager::Time(self.now().0)
    }

    /// Carries out what the pager server wants done.
    fn pagers_out(&mut self) {
        let Out { dead_name_requests, messages, release, jobs, ended, going_on } = &mut self.pagers.out;
        let mut calls = Node::calls(&mut self.kernel, &self.pagers.server);
        let mut answers = Vec::new();
        for name in dead_name_requests.drain(..) {
            netmsg_core::PortSpace::request_dead_name(&mut calls, name, self.pagers.notify);
        }
        for message in messages.drain(..) {
            calls.send_always(message);
        }
        for NamedRight { name, disposition } in release.drain(..) {
            match disposition {
                Disposition::MoveReceive => calls.destroy_receive(name),
                _ => calls.deallocate(name),
            }
        }
        for port in ended.drain(..) {
            if let Some(Exported { name, removal, .. }) = self.pagers.files.remove(&port) {
                names::check_out(&mut calls, self.pagers.name_server, &name, self.pagers.signature);
                answers.extend(removal.map(|asked| (asked, KernReturn::Success)));
            }
            calls.destroy_receive(port);
            calls.deallocate(port);
        }
        for port in going_on.drain(..) {
            let removal = self.pagers.files.get_mut(&port).and_then(|file| file.removal.take());
            answers.extend(removal.map(|asked| (asked, KernReturn::ResourceShortage)));
        }
        for job in jobs.drain(..) {
            self.pagers.jobs_running += 1;
            start(job, self.pagers.done.clone());
        }
        for (asked, code) in answers {
            self.host_answer(asked, code_body(code.raw()));
        }
    }
}

/// Runs a job where it may block.
fn start(job: Job, done: UnboundedSender<JobDone>) {
    tokio::task::spawn_blocking(move || {
        // The node may have ended meanwhile; then nobody waits.
        let _ = done.send(job.run());
    });
}
