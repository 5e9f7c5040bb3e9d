//! The default pager's server: what the kernel beside it asks of anonymous memory that has a pager.
//!
//! Each object is kept by one kernel, which asks for a page only after it has given it away and has been told that it is
//! stored. So reads wait for nothing; writes of one object are done one after the other, and a
//! `memory_object_synchronize` is answered when those before it are done, with the first failure since the last one.
//!
//! While there is little room left, pages are supplied precious, and given up here once the kernel has them: it returns them
//! before they leave again. So what has left and what is in memory are not the same bytes twice.
//!
//! Invariants:
//! 1. Every right of a message is kept, sent on or released. One send reference to each control port is kept.
//! 2. An object is removed from the store when it was terminated and no job of it is under way.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pager_core::{Pages, Piece};
use proto::iface::memory_object::{self as object, Request};
use proto::iface::{memory_object_control as control, memory_object_default as default};
use proto::limits::PAGER_RUN_PAGES_MAX;
use proto::{Body, Disposition, KernReturn, Message, NamedRight, Payload, PortName, SimpleRoutine, TraceId};

use super::index::SwapId;
use super::swap_file::SwapFile;
use crate::Pieces;

/// Reads of no more than so many pages are tried on the kernel thread.
const INLINE_PAGES_MAX: u64 = 16;

/// What is to be done, in this order; the caller empties it.
#[derive(Default)]
pub struct DefaultOut {
    /// Receive rights that came: their messages are to be handed to [`DefaultPager::on_message`] from now on.
    pub receive: Vec<PortName>,
    /// Messages to send; those to one port in this order.
    pub messages: Vec<Message<NamedRight>>,
    /// References to give back: one of the kind named by the disposition (send, send-once or receive).
    pub release: Vec<NamedRight>,
    /// Work that may block; [`SwapJob::run`] it elsewhere and hand the result to [`DefaultPager::on_job_done`].
    pub jobs: Vec<SwapJob>,
}

/// All anonymous memory that has a pager.
pub struct DefaultPager {
    store: Arc<SwapFile>,
    /// Where `memory_object_create` arrives.
    port: PortName,
    /// By memory object port.
    objects: BTreeMap<PortName, Swapped>,
    last_id: u64,
    refused: u64,
}

/// One object.
struct Swapped {
    id: SwapId,
    control: PortName,
    /// What waits for the write under way.
    queue: VecDeque<Queued>,
    writing: bool,
    reading: u64,
    /// The first failure since the last answer to a synchronize.
    failed: Option<KernReturn>,
    /// What was written since.
    written: Vec<Pages>,
    ended: bool,
}

enum Queued {
    Write { first: u64, data: Payload },
    Synchronize { offset: u64, length: u64, trace: TraceId },
}

/// What an operator sees of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DefaultStats {
    /// Objects.
    pub objects: u64,
    /// Pages in the file.
    pub pages: u64,
    /// Bytes of the file that they take.
    pub bytes: u64,
    /// Pages written, since the start.
    pub pages_out: u64,
    /// Pages read, since the start.
    pub pages_in: u64,
    /// Pages whose bytes in the file were not those that were written, since the start.
    pub damaged: u64,
    /// Times that there was no room, since the start.
    pub refused: u64,
}

/// A read or write of the store. Every job taken must be run, and its result handed back.
#[must_use]
pub struct SwapJob {
    store: Arc<SwapFile>,
    port: PortName,
    id: SwapId,
    work: Work,
}

enum Work {
    Read(Pages, TraceId),
    Write(u64, Payload),
}

/// The result of a job.
#[must_use]
pub struct SwapDone {
    port: PortName,
    id: SwapId,
    done: Done,
}

enum Done {
    Read(Pieces, TraceId),
    Write(Result<(), KernReturn>),
}

impl SwapJob {
    /// Does it. Blocks as long as the disk does.
    pub fn run(self) -> SwapDone {
        let SwapJob { store, port, id, work } = self;
        let done = match work {
            Work::Read(pages, trace) => {
                let pieces = catch_unwind(AssertUnwindSafe(|| store.read(id, pages)));
                let failed = |_| Pieces::from_iter([(pages, Piece::Error(KernReturn::Failure))]);
                Done::Read(pieces.unwrap_or_else(failed), trace)
            }
            Work::Write(first, data) => {
                let written = catch_unwind(AssertUnwindSafe(|| store.write(id, first, &data)));
                Done::Write(written.unwrap_or(Err(KernReturn::Failure)))
            }
        };
        SwapDone { port, id, done }
    }
}

impl DefaultPager {
    /// A pager without objects. `port` is the receive right of its space that the kernel is given a send right to.
    pub fn new(port: PortName, store: SwapFile) -> DefaultPager {
        DefaultPager { store: Arc::new(store), port, objects: BTreeMap::new(), last_id: 0, refused: 0 }
    }

    /// A message to one of its ports.
    pub fn on_message(&mut self, message: Message<NamedRight>, out: &mut DefaultOut) {
        let Message { remote: reply, local, id, trace, body, .. } = message;
        release(reply, out);
        if local.name == self.port {
            match default::Request::decode(id, body) {
                Ok(default::Request::Create(create)) => self.create(create, out),
                Err(bad) => release_all(bad.body, out),
            }
            return;
        }
        match Request::decode(id, body) {
            Ok(request) => self.on_request(local.name, request, trace, out),
            Err(bad) => release_all(bad.body, out),
        }
    }

    /// The result of a job.
    pub fn on_job_done(&mut self, done: SwapDone, out: &mut DefaultOut) {
        let SwapDone { port, id, done } = done;
        let Some(object) = self.objects.get_mut(&port).filter(|o| o.id == id) else { return };
        match done {
            Done::Read(pieces, trace) => {
                object.reading -= 1;
                let spare = self.store.is_nearly_full().then_some(port);
                object.supply(pieces, spare, trace, out);
            }
            Done::Write(result) => {
                object.writing = false;
                // What has ended needs no room.
                self.refused += u64::from(!object.ended && result == Err(KernReturn::ResourceShortage));
                object.failed = object.failed.or(result.err());
            }
        }
        self.advance(port, out);
    }

    /// Whether there is little room left.
    pub fn is_nearly_full(&self) -> bool {
        self.store.is_nearly_full()
    }

    /// How it is doing.
    pub fn stats(&self) -> DefaultStats {
        let (pages, bytes) = self.store.stored();
        DefaultStats {
            objects: self.objects.len() as u64,
            pages,
            bytes,
            pages_out: self.store.pages_out.load(Relaxed),
            pages_in: self.store.pages_in.load(Relaxed),
            damaged: self.store.damaged.load(Relaxed),
            refused: self.refused,
        }
    }

    /// `memory_object_create`. Source: [pager.default.6].
    fn create(&mut self, create: default::Create<NamedRight>, out: &mut DefaultOut) {
        let default::Create { new_memory_object, new_control_port, new_name, .. } = create;
        release(new_name, out);
        let whole = new_memory_object.disposition == Disposition::MoveReceive && is_send(new_control_port);
        if !whole || self.objects.contains_key(&new_memory_object.name) {
            release(new_memory_object, out);
            release(new_control_port, out);
            return;
        }
        self.last_id += 1;
        let object = Swapped {
            id: SwapId(self.last_id),
            control: new_control_port.name,
            queue: VecDeque::new(),
            writing: false,
            reading: 0,
            failed: None,
            written: Vec::new(),
            ended: false,
        };
        self.objects.insert(new_memory_object.name, object);
        out.receive.push(new_memory_object.name);
    }

    fn on_request(&mut self, port: PortName, request: Request<NamedRight>, trace: TraceId, out: &mut DefaultOut) {
        let Some(object) = self.objects.get_mut(&port) else { return };
        match request {
            Request::DataRequest(r) => {
                release(r.memory_control, out);
                match Pages::from_bytes(r.offset, r.length) {
                    Some(pages) => self.read(port, pages, trace, out),
                    None => object.refuse(r.offset, r.length, KernReturn::InvalidArgument, trace, out),
                }
            }
            Request::DataReturn(r) => {
                release(r.memory_control, out);
                if let Some(pages) = Pages::from_bytes(r.offset, r.data.len() as u64) {
                    object.queue.push_back(Queued::Write { first: pages.start, data: r.data });
                }
            }
            Request::Synchronize(r) => {
                release(r.memory_control, out);
                object.queue.push_back(Queued::Synchronize { offset: r.offset, length: r.length, trace });
            }
            Request::Terminate(r) => {
                release(r.memory_control, out);
                release(r.memory_object_name, out);
                object.ended = true;
                object.queue.clear();
            }
            // Writing is never locked, and the object is made by `memory_object_create` alone.
            Request::DataUnlock(r) => release(r.memory_control, out),
            Request::LockCompleted(r) => release(r.memory_control, out),
            Request::SupplyCompleted(r) => {
                release(r.memory_control, out);
                // The kernel has them, and will return them before they leave again.
                let taken = r.result == KernReturn::Success.raw();
                if let Some(pages) = Pages::from_bytes(r.offset, r.length).filter(|_| taken) {
                    self.store.lose(object.id, pages);
                }
            }
            Request::Init(r) => {
                release(r.memory_control, out);
                release(r.memory_object_name, out);
            }
            Request::Info(_) => {}
        }
        self.advance(port, out);
    }

    fn read(&mut self, port: PortName, pages: Pages, trace: TraceId, out: &mut DefaultOut) {
        let Some(object) = self.objects.get_mut(&port) else { return };
        for run in pages.chunks(PAGER_RUN_PAGES_MAX) {
            let at_once = (run.len() <= INLINE_PAGES_MAX).then(|| self.store.try_read(object.id, run)).flatten();
            match at_once {
                Some(pieces) => {
                    let spare = self.store.is_nearly_full().then_some(port);
                    object.supply(pieces, spare, trace, out);
                }
                None => {
                    object.reading += 1;
                    let (store, id) = (self.store.clone(), object.id);
                    out.jobs.push(SwapJob { store, port, id, work: Work::Read(run, trace) });
                }
            }
        }
    }

    /// Does what is next in an object's line, if nothing is under way.
    fn advance(&mut self, port: PortName, out: &mut DefaultOut) {
        let Some(object) = self.objects.get_mut(&port) else { return };
        while !object.writing
            && let Some(next) = object.queue.pop_front()
        {
            match next {
                Queued::Write { first, data } => {
                    object.writing = true;
                    object.written.push(Pages::new(first, first + data.len() as u64 / proto::PAGE_SIZE));
                    let (store, id) = (self.store.clone(), object.id);
                    out.jobs.push(SwapJob { store, port, id, work: Work::Write(first, data) });
                }
                Queued::Synchronize { offset, length, trace } => {
                    let written = std::mem::take(&mut object.written);
                    if object.failed.is_some() {
                        // The kernel keeps all of them, so those that were stored would be there twice.
                        written.into_iter().for_each(|pages| self.store.lose(object.id, pages));
                    }
                    let result = object.failed.take().unwrap_or(KernReturn::Success).raw();
                    object.send(control::SynchronizeCompleted { offset, length, result }, trace, out);
                }
            }
        }
        if object.ended && !object.writing && object.reading == 0 {
            self.store.remove(object.id);
            out.release.push(NamedRight::move_send(object.control));
            out.release.push(NamedRight { name: port, disposition: Disposition::MoveReceive });
            self.objects.remove(&port);
        }
    }
}

impl Swapped {
    /// Answers a request, neighbours of one kind together. With `spare`, the object's port, the kernel is to say whether it
    /// has the pages, and to return them in any case.
    fn supply(&self, pieces: Pieces, spare: Option<PortName>, trace: TraceId, out: &mut DefaultOut) {
        let mut run: Option<(Pages, Payload)> = None;
        for (pages, piece) in pieces {
            match (piece, &mut run) {
                (Piece::Data(data), Some((all, bytes))) if all.end == pages.start => {
                    all.end = pages.end;
                    data.chunks().iter().for_each(|chunk| bytes.push(chunk.bytes().clone()));
                }
                (Piece::Data(data), _) => self.supply_run(run.replace((pages, data)), spare, trace, out),
                (Piece::Hole, _) => {
                    self.supply_run(run.take(), spare, trace, out);
                    let (offset, size) = (pages.offset(), pages.bytes());
                    self.send(control::DataUnavailable { offset, size, lock_value: 0 }, trace, out);
                }
                (Piece::Error(code), _) => {
                    self.supply_run(run.take(), spare, trace, out);
                    self.refuse(pages.offset(), pages.bytes(), code, trace, out);
                }
            }
        }
        self.supply_run(run, spare, trace, out);
    }

    fn supply_run(&self, run: Option<(Pages, Payload)>, spare: Option<PortName>, trace: TraceId, out: &mut DefaultOut) {
        let Some((pages, data)) = run else { return };
        let reply_to = spare.map_or(NamedRight::NULL, NamedRight::make_send);
        let (offset, precious) = (pages.offset(), spare.is_some());
        self.send(control::DataSupply { offset, data, lock_value: 0, precious, reply_to }, trace, out);
    }

    fn refuse(&self, offset: u64, size: u64, code: KernReturn, trace: TraceId, out: &mut DefaultOut) {
        self.send(control::DataError { offset, size, error_value: code.raw() }, trace, out);
    }

    fn send<C: SimpleRoutine<NamedRight>>(&self, call: C, trace: TraceId, out: &mut DefaultOut) {
        if self.ended {
            return;
        }
        let (remote, body) = (NamedRight::copy_send(self.control), call.into_body());
        out.messages.push(Message { remote, local: NamedRight::NULL, id: C::ID, seqno: 0, trace, body });
    }
}

fn is_send(right: NamedRight) -> bool {
    right.disposition == Disposition::MoveSend && right.name.is_valid()
}

fn release(right: NamedRight, out: &mut DefaultOut) {
    if right.name.is_valid() {
        out.release.push(right);
    }
}

fn release_all(body: Body<NamedRight>, out: &mut DefaultOut) {
    body.into_rights().into_iter().for_each(|right| release(right, out));
}

const _: () = assert!(<object::DataRequest<NamedRight> as SimpleRoutine<NamedRight>>::ID == 2203);
