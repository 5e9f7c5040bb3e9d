//! The server of a node's memory objects, as the node drives it: messages, results of jobs and the time go in; messages,
//! rights to release and jobs come out.
//!
//! Rights: the server holds one send reference to the control port of each kernel, which came with
//! `memory_object_init`. Every later message brings another; it goes out with the answer, or is released.
//!
//! Invariants:
//! 1. Every right of a message is kept, sent on or released, whatever the message.
//! 2. `clients` names the object of each kernel's control port; the object's directory knows exactly these kernels.
//! 3. Messages to one kernel are put out in the order in which its directory said them; the node keeps that order.

use std::collections::BTreeMap;
use std::sync::Arc;

use pager_core::{ClientId, Config, Ticket, Time};
use proto::iface::memory_object::{self as object, Request};
use proto::iface::notify;
use proto::msg::Reply;
use proto::msg::code_body;
use proto::vm::SYNC_ASYNCHRONOUS;
use proto::{Body, KernReturn, Message, NamedRight, PAGE_SIZE, PortName, Prot, Routine, SimpleRoutine};

use crate::export::{Closing, Ending, Export, Links};
use crate::job::Work;
use crate::{ExportStats, Job, JobDone, Pager};

/// Reads of no more than this are tried on the kernel thread; a longer one would keep others waiting for its copying.
const INLINE_BYTES_MAX: u64 = 64 << 10;
/// Failed writes are tried again so long after. Units: nanoseconds.
const RETRY_NS: u64 = 1_000_000_000;

/// The sync that ends an export; the directory's own are numbered from 0.
pub(crate) const LAST_SYNC: Ticket = Ticket(u64::MAX);

/// What is to be done, in this order; the caller empties it.
#[derive(Default)]
pub struct Out {
    /// Dead-name notifications to ask for, to the server's notify port.
    pub dead_name_requests: Vec<PortName>,
    /// Messages to send; those to one port in this order.
    pub messages: Vec<Message<NamedRight>>,
    /// References to give back: one of the kind named by the disposition (send, send-once or receive).
    pub release: Vec<NamedRight>,
    /// Work that may block; [`Job::run`] it elsewhere and hand the result to [`PagerServer::on_job_done`].
    pub jobs: Vec<Job>,
    /// Exports that have ended: the receive rights of their ports are the caller's to destroy.
    pub ended: Vec<PortName>,
    /// Exports that were to end and go on, since pages of them would have been lost.
    pub going_on: Vec<PortName>,
}

/// All memory objects that a node serves.
pub struct PagerServer {
    /// Where notifications arrive; nobody else can send there.
    notify: PortName,
    config: Config,
    exports: BTreeMap<PortName, Export>,
    clients: BTreeMap<PortName, PortName>,
    last_serial: u64,
}

impl PagerServer {
    /// A server without objects. `notify` is a port of its space that it alone makes rights to.
    pub fn new(notify: PortName, config: Config) -> PagerServer {
        PagerServer { notify, config, exports: BTreeMap::new(), clients: BTreeMap::new(), last_serial: 0 }
    }

    /// Serves `pager` at `port`.
    ///
    /// Conditions: `port` is a receive right in the server's space; it stays the caller's until [`Out::ended`] names it.
    /// Errors: `NameExists` the port serves something already.
    pub fn export(&mut self, port: PortName, name: &str, pager: Arc<dyn Pager>) -> Result<(), KernReturn> {
        if self.exports.contains_key(&port) {
            return Err(KernReturn::NameExists);
        }
        self.last_serial += 1;
        let inline_pages = INLINE_BYTES_MAX / PAGE_SIZE;
        let export = Export::new(self.last_serial, port, name.to_owned(), pager, self.config, inline_pages);
        self.exports.insert(port, export);
        Ok(())
    }

    /// Ends an export in order: dirty pages are taken back from the kernels and written, the store is synced, kernels
    /// are told `memory_object_destroy`, and [`Out::ended`] names the port. Kernels that do not answer are given up at
    /// the recall deadline. If pages could not be written it depends on `ending`: [`Out::going_on`] may name the port
    /// instead. One that is ending already may be made to end anyway.
    ///
    /// Errors: `InvalidName` nothing is served there; `ResourceShortage` it is not ended, since pages of it could not be
    /// written. Source: [pager.close.1], [pager.close.3].
    pub fn remove(&mut self, now: Time, port: PortName, ending: Ending, out: &mut Out) -> Result<(), KernReturn> {
        let export = self.exports.get_mut(&port).ok_or(KernReturn::InvalidName)?;
        if ending == Ending::UnlessUnwritten && export.directory.failed_pages() > 0 {
            return Err(KernReturn::ResourceShortage);
        }
        match export.closing {
            Closing::Open => {
                export.closing = Closing::TakingBack(ending);
                let mut links = Links { clients: &mut self.clients, surplus: &mut None, out };
                export.with_directory(now, &mut links, |d, o| {
                    d.take_back(now, o);
                    d.retry_writes(o);
                });
            }
            Closing::TakingBack(_) if ending == Ending::Anyway => export.closing = Closing::TakingBack(ending),
            Closing::TakingBack(_) | Closing::Syncing | Closing::Closed => {}
        }
        self.close_further(now, port, out);
        Ok(())
    }

    /// A message to one of the server's ports. Anything at all may stand in it.
    pub fn on_message(&mut self, now: Time, message: Message<NamedRight>, out: &mut Out) {
        let Message { remote: reply, local, id, trace, body, .. } = message;
        if local.name == self.notify {
            return self.on_notification(now, id, body, out);
        }
        let request = match Request::decode(id, body) {
            Ok(request) if self.exports.contains_key(&local.name) => request,
            Ok(request) => return answer_error(reply, id, KernReturn::Terminated.raw(), rights_of(request), out),
            Err(bad) => return answer_error(reply, id, bad.error.raw(), bad.body.into_rights(), out),
        };
        if let Request::Info(_) = request {
            return self.info(local.name, reply, trace, out);
        }
        release(reply, out);
        self.on_request(now, local.name, request, trace, out);
        self.close_further(now, local.name, out);
    }

    /// The result of a job.
    pub fn on_job_done(&mut self, now: Time, done: JobDone, out: &mut Out) {
        let Some(export) = self.exports.values_mut().find(|e| e.serial == done.export) else { return };
        let port = export.port;
        let mut links = Links { clients: &mut self.clients, surplus: &mut None, out };
        export.job_done(now, &mut links, done.done);
        if export.directory.failed_pages() > 0 && export.retry.is_none() {
            export.retry = Some(now.after(RETRY_NS));
        }
        self.close_further(now, port, out);
    }

    /// The next time at which [`PagerServer::on_timer`] has something to do.
    pub fn next_timer(&self) -> Option<Time> {
        self.exports.values().filter_map(|e| [e.directory.next_timer(), e.retry].into_iter().flatten().min()).min()
    }

    /// What is due by now.
    pub fn on_timer(&mut self, now: Time, out: &mut Out) {
        let due = |e: &&mut Export| e.retry.into_iter().chain(e.directory.next_timer()).any(|at| at <= now);
        let mut touched = Vec::new();
        for export in self.exports.values_mut().filter(due) {
            touched.push(export.port);
            let retry = export.retry.take_if(|at| *at <= now).is_some();
            let mut links = Links { clients: &mut self.clients, surplus: &mut None, out };
            export.with_directory(now, &mut links, |d, o| {
                d.on_timer(now, o);
                if retry {
                    d.retry_writes(o);
                }
            });
        }
        touched.into_iter().for_each(|port| self.close_further(now, port, out));
    }

    /// All exports, for the operator.
    pub fn stats(&self) -> Vec<ExportStats> {
        self.exports.values().map(Export::stats).collect()
    }

    fn on_request(
        &mut self,
        now: Time,
        port: PortName,
        request: Request<NamedRight>,
        trace: proto::TraceId,
        out: &mut Out,
    ) {
        let Some(export) = self.exports.get_mut(&port) else { return };
        let control = control_of(&request);
        let client = ClientId(control.name.0);
        // A right that arrived dead: its kernel is gone, and the notification of that is on its way or was there.
        let arrived = control.disposition == proto::Disposition::MoveSend && control.name.is_valid();
        let mut surplus = arrived.then_some(control.name);
        if !arrived {
            export.stats.misbehaved += 1;
            rights_of(request).into_iter().for_each(|right| release(right, out));
            return;
        }
        let mut links = Links { clients: &mut self.clients, surplus: &mut surplus, out };
        match request {
            Request::DataRequest(r) => export.with_directory(now, &mut links, |d, o| {
                d.data_request(now, client, r.offset, r.length, prot(r.desired_access), trace, o);
            }),
            Request::DataUnlock(r) => export.with_directory(now, &mut links, |d, o| {
                d.data_unlock(now, client, r.offset, r.length, prot(r.desired_access), trace, o);
            }),
            Request::DataReturn(r) => {
                let length = r.data.len() as u64;
                export.with_directory(now, &mut links, |d, o| {
                    d.data_return(client, r.offset, length, r.data, r.dirty, r.kernel_copy, o);
                });
            }
            Request::LockCompleted(r) => export.with_directory(now, &mut links, |d, o| {
                d.lock_completed(now, client, r.offset, r.length, o);
            }),
            Request::Synchronize(r) => export.with_directory(now, &mut links, |d, o| {
                let durable = r.flags & SYNC_ASYNCHRONOUS == 0;
                d.synchronize(client, r.offset, r.length, durable, trace, o);
            }),
            Request::Init(r) => {
                release(r.memory_object_name, links.out);
                init(export, now, client, r.memory_object_page_size, &mut links);
            }
            Request::Terminate(r) => {
                release(r.memory_object_name, links.out);
                if links.clients.get(&control.name) == Some(&port) {
                    links.clients.remove(&control.name);
                    release(control, links.out);
                    export.with_directory(now, &mut links, |d, o| d.client_gone(now, client, o));
                }
            }
            // Asked for by a supply with a reply port, and this server sends none.
            Request::SupplyCompleted(_) => export.stats.misbehaved += 1,
            Request::Info(_) => {}
        }
        if let Some(name) = surplus {
            release(NamedRight::move_send(name), out);
        }
    }

    /// `memory_object_info`. Source: [pager.server.2].
    fn info(&mut self, port: PortName, reply: NamedRight, trace: proto::TraceId, out: &mut Out) {
        let Some(export) = self.exports.get(&port) else { return };
        if !reply.name.is_valid() {
            return;
        }
        let results = object::InfoReply {
            size: export.pager.size(),
            max_protection: export.pager.max_protection().bits(),
            name: export.name.clone(),
        };
        let body = Reply::<NamedRight>::into_body(results);
        let id = <object::Info as Routine<NamedRight>>::REPLY_ID;
        out.messages.push(Message { remote: reply, local: NamedRight::NULL, id, seqno: 0, trace, body });
    }

    /// `mach_notify_dead_name`: a kernel died, or the link to it. Source: [pager.client.4].
    fn on_notification(&mut self, now: Time, id: i32, body: Body<NamedRight>, out: &mut Out) {
        match notify::Request::decode(id, body) {
            Ok(notify::Request::DeadName(notify::DeadName { name })) => {
                let name = PortName(name);
                // The reference that came with the notification.
                release(NamedRight::move_send(name), out);
                let Some(port) = self.clients.remove(&name) else { return };
                release(NamedRight::move_send(name), out);
                if let Some(export) = self.exports.get_mut(&port) {
                    let mut links = Links { clients: &mut self.clients, surplus: &mut None, out };
                    export.with_directory(now, &mut links, |d, o| d.client_gone(now, ClientId(name.0), o));
                }
                self.close_further(now, port, out);
            }
            // Port-deleted, when a terminated kernel's name was given back, and whatever else was asked for.
            Ok(notify::Request::PortDestroyed(r)) => release(r.rights, out),
            Ok(_) => {}
            Err(bad) => bad.body.into_rights().into_iter().for_each(|right| release(right, out)),
        }
    }

    /// Takes the next step of an export that is being ended, if it is due.
    fn close_further(&mut self, now: Time, port: PortName, out: &mut Out) {
        let Some(export) = self.exports.get_mut(&port) else { return };
        let mut links = Links { clients: &mut self.clients, surplus: &mut None, out };
        if let Closing::TakingBack(ending) = export.closing
            && export.directory.is_idle()
        {
            if export.directory.written_pages() > 0 {
                export.with_directory(now, &mut links, |d, o| d.take_back(now, o));
            } else if ending == Ending::UnlessUnwritten && export.directory.failed_pages() > 0 {
                export.closing = Closing::Open;
                export.with_directory(now, &mut links, |d, o| d.go_on(now, o));
                links.out.going_on.push(port);
            } else if export.writable() {
                export.closing = Closing::Syncing;
                links.out.jobs.push(export.job(Work::Sync(LAST_SYNC)));
            } else {
                export.closing = Closing::Closed;
            }
        }
        if export.closing == Closing::Closed && export.directory.is_idle() {
            if export.directory.failed_pages() > 0 {
                let (name, pages) = (&export.name, export.directory.failed_pages());
                tracing::error!(name, pages, "an export ends with pages that could not be written");
            }
            export.with_directory(now, &mut links, |d, o| d.end(o));
            let clients: Vec<ClientId> = export.directory.clients().collect();
            clients.into_iter().for_each(|c| links.destroy(c, KernReturn::Terminated));
            self.exports.remove(&port);
            out.ended.push(port);
        }
    }
}

/// `memory_object_init`: keeps the send right, which came as surplus, if the kernel is taken in.
fn init(export: &mut Export, now: Time, client: ClientId, page_size: u64, links: &mut Links<'_>) {
    let name = PortName(client.0);
    if links.clients.contains_key(&name) {
        export.stats.misbehaved += 1;
    } else if page_size != PAGE_SIZE {
        links.destroy(client, KernReturn::InvalidArgument);
    } else {
        let kept = links.surplus.take();
        links.clients.insert(name, export.port);
        links.out.dead_name_requests.extend(kept);
        export.with_directory(now, links, |d, o| d.init(client, o));
    }
}

/// The control port that a request names.
fn control_of(request: &Request<NamedRight>) -> NamedRight {
    match request {
        Request::Init(r) => r.memory_control,
        Request::Terminate(r) => r.memory_control,
        Request::DataRequest(r) => r.memory_control,
        Request::DataUnlock(r) => r.memory_control,
        Request::LockCompleted(r) => r.memory_control,
        Request::SupplyCompleted(r) => r.memory_control,
        Request::DataReturn(r) => r.memory_control,
        Request::Synchronize(r) => r.memory_control,
        Request::Info(_) => NamedRight::NULL,
    }
}

/// The rights of a request that is not carried out.
fn rights_of(request: Request<NamedRight>) -> Vec<NamedRight> {
    match request {
        Request::Init(r) => vec![r.memory_control, r.memory_object_name],
        Request::Terminate(r) => vec![r.memory_control, r.memory_object_name],
        other => vec![control_of(&other)],
    }
}

/// Refuses a message: its rights are released, and whoever waits for an answer gets the code.
fn answer_error(reply: NamedRight, id: i32, code: i32, rights: Vec<NamedRight>, out: &mut Out) {
    rights.into_iter().for_each(|right| release(right, out));
    if reply.name.is_valid() {
        let (id, trace, body) = (id.wrapping_add(100), proto::TraceId::default(), code_body(code));
        out.messages.push(Message { remote: reply, local: NamedRight::NULL, id, seqno: 0, trace, body });
    }
}

fn release(right: NamedRight, out: &mut Out) {
    if right.name.is_valid() {
        out.release.push(right);
    }
}

fn prot(raw: u32) -> Prot {
    Prot::from_bits_truncate(raw)
}

const _: () = assert!(<object::Info as SimpleRoutine<NamedRight>>::ID == 2290);
