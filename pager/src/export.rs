//! One memory object that is served: its store, its directory, and the messages that come of the two.

use std::sync::Arc;

use pager_core::{ClientId, Config, Directory, Output, Time};
use proto::iface::memory_object_control as control;
use proto::vm::ShouldReturn;
use proto::{KernReturn, Message, NamedRight, Payload, PortName, Prot, SimpleRoutine, TraceId};

use crate::job::{Done, Work};
use crate::server::LAST_SYNC;
use crate::{Job, Out, Pager};

/// `MEMORY_OBJECT_COPY_DELAY`: copies of the object are the kernel's affair (mach-api §3.9).
const COPY_DELAY: u32 = 2;

/// A memory object port, and what is behind it.
pub struct Export {
    /// Tells the results of jobs for this object from those for an earlier one of the same port name.
    pub serial: u64,
    pub port: PortName,
    pub name: String,
    pub pager: Arc<dyn Pager>,
    pub directory: Directory<Payload>,
    pub stats: Counts,
    pub closing: Closing,
    /// When failed writes are tried again.
    pub retry: Option<Time>,
    outputs: Vec<Output<Payload>>,
    batch: Vec<Output<Payload>>,
    inline_pages_max: u64,
}

/// How far the end of an export has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    Open,
    /// Dirty pages are being taken back and written.
    TakingBack(Ending),
    /// The last sync of the store is under way.
    Syncing,
    Closed,
}

/// What becomes of an export that is to end and has pages that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It goes on.
    UnlessUnwritten,
    /// It ends, and they are lost.
    Anyway,
}

/// Counted since the export.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub pages_in: u64,
    pub zero_pages_in: u64,
    pub pages_out: u64,
    pub errors: u64,
    pub write_errors: u64,
    pub misbehaved: u64,
    pub recalls: u64,
    pub inline_reads: u64,
}

/// What an operator sees of one export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportStats {
    /// The memory object port.
    pub port: PortName,
    /// The name it was exported under.
    pub name: String,
    /// Units: bytes.
    pub size: u64,
    /// Whether kernels may be granted write access.
    pub writable: bool,
    /// Whether it is being ended.
    pub closing: bool,
    /// Kernels that use it.
    pub clients: usize,
    /// Pages supplied with contents, since the export.
    pub pages_in: u64,
    /// Pages answered as zero, since the export.
    pub zero_pages_in: u64,
    /// Pages that came back dirty, since the export.
    pub pages_out: u64,
    /// Errors sent to kernels, since the export.
    pub errors: u64,
    /// Writes and syncs that the store failed, since the export.
    pub write_errors: u64,
    /// Messages that no faithful kernel sends, since the export.
    pub misbehaved: u64,
    /// Lock requests that took pages back, since the export.
    pub recalls: u64,
    /// Reads that were answered at once, since the export.
    pub inline_reads: u64,
    /// Pages that kernels may write now.
    pub written_pages: u64,
    /// Pages that were returned and of which no write has succeeded since.
    pub kept_pages: u64,
    /// Those of them of which a write failed; they may be being tried again.
    pub failed_pages: u64,
}

impl Export {
    pub fn new(
        serial: u64,
        port: PortName,
        name: String,
        pager: Arc<dyn Pager>,
        config: Config,
        inline: u64,
    ) -> Export {
        let writable = pager.max_protection().contains(Prot::WRITE);
        Export {
            serial,
            port,
            name,
            directory: Directory::new(pager.size(), writable, config),
            pager,
            stats: Counts::default(),
            closing: Closing::Open,
            retry: None,
            outputs: Vec::new(),
            batch: Vec::new(),
            inline_pages_max: inline,
        }
    }

    pub fn writable(&self) -> bool {
        self.pager.max_protection().contains(Prot::WRITE)
    }

    pub fn stats(&self) -> ExportStats {
        let Counts { pages_in, zero_pages_in, pages_out, errors, write_errors, misbehaved, recalls, inline_reads } =
            self.stats;
        ExportStats {
            port: self.port,
            name: self.name.clone(),
            size: self.pager.size(),
            writable: self.writable(),
            closing: self.closing != Closing::Open,
            clients: self.directory.clients().count(),
            pages_in,
            zero_pages_in,
            pages_out,
            errors,
            write_errors,
            misbehaved,
            recalls,
            inline_reads,
            written_pages: self.directory.written_pages(),
            kept_pages: self.directory.kept_pages(),
            failed_pages: self.directory.failed_pages(),
        }
    }

    /// Lets `act` at the directory and carries out what comes of it.
    pub fn with_directory(
        &mut self,
        now: Time,
        links: &mut Links<'_>,
        act: impl FnOnce(&mut Directory<Payload>, &mut Vec<Output<Payload>>),
    ) {
        act(&mut self.directory, &mut self.outputs);
        while !self.outputs.is_empty() {
            let mut batch = std::mem::replace(&mut self.outputs, std::mem::take(&mut self.batch));
            for output in batch.drain(..) {
                self.carry_out(now, links, output);
            }
            self.batch = batch;
        }
    }

    /// The result of one of this export's jobs.
    pub fn job_done(&mut self, now: Time, links: &mut Links<'_>, done: Done) {
        match done {
            Done::Read(ticket, pieces) => {
                self.with_directory(now, links, |d, out| d.read_done(now, ticket, pieces, out))
            }
            Done::Write(ticket, result) => {
                self.stats.write_errors += u64::from(result.is_err());
                self.with_directory(now, links, |d, out| d.write_done(ticket, result, out));
            }
            Done::Sync(ticket, result) => {
                self.stats.write_errors += u64::from(result.is_err());
                if ticket == LAST_SYNC {
                    self.closing = Closing::Closed;
                } else {
                    self.with_directory(now, links, |d, out| d.sync_done(ticket, result, out));
                }
            }
        }
    }

    pub fn job(&self, work: Work) -> Job {
        Job { export: self.serial, pager: self.pager.clone(), work }
    }

    fn carry_out(&mut self, now: Time, links: &mut Links<'_>, output: Output<Payload>) {
        let none = TraceId::default();
        match output {
            Output::Read { ticket, pages } => {
                let at_once = (pages.len() <= self.inline_pages_max).then(|| self.pager.try_read(pages)).flatten();
                match at_once {
                    Some(pieces) => {
                        self.stats.inline_reads += 1;
                        self.directory.read_done(now, ticket, pieces, &mut self.outputs);
                    }
                    None => links.out.jobs.push(self.job(Work::Read(ticket, pages))),
                }
            }
            Output::Write { ticket, pages, data } => {
                self.stats.pages_out += pages.len();
                links.out.jobs.push(self.job(Work::Write(ticket, pages, data)));
            }
            Output::Sync { ticket } => links.out.jobs.push(self.job(Work::Sync(ticket))),
            Output::Ready { client } => {
                // Unmapping a writable object must bring the writes home, so it is not cached by then.
                links.send(client, none, control::Ready { may_cache: !self.writable(), copy_strategy: COPY_DELAY });
            }
            Output::Supply { client, pages, data, lock, trace } => {
                self.stats.pages_in += pages.len();
                let (offset, lock_value, reply_to) = (pages.offset(), lock.bits(), NamedRight::NULL);
                links.send(client, trace, control::DataSupply { offset, data, lock_value, precious: false, reply_to });
            }
            Output::Unavailable { client, pages, lock, trace } => {
                self.stats.zero_pages_in += pages.len();
                let (offset, size, lock_value) = (pages.offset(), pages.bytes(), lock.bits());
                links.send(client, trace, control::DataUnavailable { offset, size, lock_value });
            }
            Output::Error { client, offset, length: size, code, trace } => {
                self.stats.errors += 1;
                links.refuse(client, offset, size, code, trace);
            }
            Output::LockRequest { client, pages, return_dirty, flush, lock, reply, trace } => {
                self.stats.recalls += u64::from(reply);
                let should_return = if return_dirty { ShouldReturn::Dirty } else { ShouldReturn::None };
                let call = control::LockRequest {
                    offset: pages.offset(),
                    size: pages.bytes(),
                    should_return: should_return as u32,
                    should_flush: flush,
                    lock_value: lock.raw(),
                    // A send right to the object's port itself: across nodes a send-once right is a line of its own, and the
                    // answer could overtake the pages that it stands behind.
                    reply_to: if reply { NamedRight::make_send(self.port) } else { NamedRight::NULL },
                };
                links.send(client, trace, call);
            }
            Output::SynchronizeCompleted { client, offset, length, result, trace } => {
                links.send(client, trace, control::SynchronizeCompleted { offset, length, result: result.raw() });
            }
            Output::Destroy { client, reason } => {
                tracing::warn!(export = self.name, ?client, %reason, "a kernel is given up");
                links.destroy(client, reason);
            }
            Output::Misbehaved { client, what } => {
                self.stats.misbehaved += 1;
                tracing::warn!(export = self.name, ?client, what, "a kernel misbehaves");
            }
        }
    }
}

/// The way to the kernels: which rights are held, and where messages go.
pub struct Links<'a> {
    /// Control ports of kernels, each held with one send reference, and the object that it is for.
    pub clients: &'a mut std::collections::BTreeMap<PortName, PortName>,
    /// A send reference that came with the message being handled and is not needed: the first answer uses it up.
    pub surplus: &'a mut Option<PortName>,
    pub out: &'a mut Out,
}

impl Links<'_> {
    fn send<C: SimpleRoutine<NamedRight>>(&mut self, client: ClientId, trace: TraceId, call: C) {
        let name = PortName(client.0);
        let remote = if self.surplus.take_if(|s| *s == name).is_some() {
            NamedRight::move_send(name)
        } else {
            NamedRight::copy_send(name)
        };
        let body = call.into_body();
        self.out.messages.push(Message { remote, local: NamedRight::NULL, id: C::ID, seqno: 0, trace, body });
    }

    /// Answers a request with `memory_object_data_error`.
    pub fn refuse(&mut self, client: ClientId, offset: u64, size: u64, code: KernReturn, trace: TraceId) {
        self.send(client, trace, control::DataError { offset, size, error_value: code.raw() });
    }

    /// Tells a kernel that the object is gone for it. The right to it that was held goes with the message.
    pub fn destroy(&mut self, client: ClientId, reason: KernReturn) {
        let name = PortName(client.0);
        let held = self.clients.remove(&name).is_some();
        if held && *self.surplus == Some(name) {
            self.out.release.push(NamedRight::move_send(name));
        } else if held {
            // Nothing else is in the way: the surplus of another kernel is put back after this message.
            let other = self.surplus.replace(name);
            self.send(client, TraceId::default(), control::Destroy { reason: reason.raw() });
            *self.surplus = other;
            return;
        }
        self.send(client, TraceId::default(), control::Destroy { reason: reason.raw() });
    }
}
