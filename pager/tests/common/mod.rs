//! A node for a [`PagerServer`]: counts every right, runs jobs when told to, and keeps what was sent to kernels.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pager::{Config, Ending, Job, Out, Pager, PagerServer, Pages, Piece, Pieces, StoreError, Time};
use proto::iface::memory_object::{self as object};
use proto::iface::memory_object_control::Request as Call;
use proto::iface::notify;
use proto::{
    Body, Disposition, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, PortName, Prot, SimpleRoutine, TraceId,
};

pub const NOTIFY: PortName = PortName(1);
pub const OBJECT: PortName = PortName(2);
pub const PAGE: u64 = PAGE_SIZE;

/// `n` pages, each filled with its own byte.
pub fn pages_of(bytes: &[u8]) -> Payload {
    Payload::from(bytes.iter().flat_map(|b| vec![*b; PAGE as usize]).collect::<Vec<u8>>())
}

pub struct World {
    pub server: PagerServer,
    pub now: Time,
    /// Send references that the server's space holds, by name.
    pub refs: BTreeMap<PortName, i64>,
    /// Send-once rights that it holds.
    pub once: BTreeMap<PortName, i64>,
    pub armed: Vec<PortName>,
    /// What kernels were sent, with the kernel.
    pub sent: Vec<(PortName, Call<NamedRight>)>,
    pub traces: Vec<TraceId>,
    /// What reply ports were sent.
    pub replies: Vec<(PortName, i32, Body<NamedRight>)>,
    pub jobs: Vec<Job>,
    pub ended: Vec<PortName>,
    pub going_on: Vec<PortName>,
    /// Jobs run as soon as they come.
    pub eager: bool,
}

impl World {
    pub fn new(pager: Arc<dyn Pager>) -> World {
        World::with_config(pager, Config { hold_ns: 0, ..Config::default() })
    }

    pub fn with_config(pager: Arc<dyn Pager>, config: Config) -> World {
        let mut server = PagerServer::new(NOTIFY, config);
        server.export(OBJECT, "object", pager).unwrap();
        World {
            server,
            now: Time(1),
            refs: BTreeMap::new(),
            once: BTreeMap::new(),
            armed: Vec::new(),
            sent: Vec::new(),
            traces: Vec::new(),
            replies: Vec::new(),
            jobs: Vec::new(),
            ended: Vec::new(),
            going_on: Vec::new(),
            eager: true,
        }
    }

    /// A send right to `name` comes into the space.
    pub fn arrives(&mut self, name: PortName) -> NamedRight {
        if name.is_valid() {
            *self.refs.entry(name).or_default() += 1;
        }
        NamedRight::move_send(name)
    }

    pub fn arrives_once(&mut self, name: PortName) -> NamedRight {
        *self.once.entry(name).or_default() += 1;
        NamedRight::move_send_once(name)
    }

    pub fn deliver(&mut self, to: PortName, reply: NamedRight, id: i32, body: impl Into<Body<NamedRight>>) {
        let local = NamedRight { name: to, disposition: Disposition::MoveSend };
        let message = Message { remote: reply, local, id, seqno: 0, trace: TraceId(77), body: body.into() };
        let mut out = Out::default();
        self.server.on_message(self.now, message, &mut out);
        self.carry_out(out);
    }

    pub fn call<C: SimpleRoutine<NamedRight>>(&mut self, call: C) {
        self.deliver(OBJECT, NamedRight::NULL, C::ID, call.into_body());
    }

    pub fn init(&mut self, control: u32) {
        let call = object::Init {
            memory_control: self.arrives(PortName(control)),
            memory_object_name: self.arrives(PortName(control + 1)),
            memory_object_page_size: PAGE,
        };
        self.call(call);
    }

    pub fn terminate(&mut self, control: u32) {
        let call = object::Terminate {
            memory_control: self.arrives(PortName(control)),
            memory_object_name: self.arrives(PortName(control + 1)),
        };
        self.call(call);
    }

    /// Units: pages.
    pub fn request(&mut self, control: u32, first: u64, pages: u64, access: Prot) {
        let memory_control = self.arrives(PortName(control));
        let (offset, length) = (first * PAGE, pages * PAGE);
        self.call(object::DataRequest { memory_control, offset, length, desired_access: access.bits() });
    }

    pub fn unlock(&mut self, control: u32, first: u64, pages: u64, access: Prot) {
        let memory_control = self.arrives(PortName(control));
        let (offset, length) = (first * PAGE, pages * PAGE);
        self.call(object::DataUnlock { memory_control, offset, length, desired_access: access.bits() });
    }

    pub fn give_back(&mut self, control: u32, first: u64, data: Payload, kernel_copy: bool) {
        let memory_control = self.arrives(PortName(control));
        self.call(object::DataReturn { memory_control, offset: first * PAGE, data, dirty: true, kernel_copy });
    }

    pub fn completed(&mut self, control: u32, first: u64, pages: u64) {
        let memory_control = self.arrives(PortName(control));
        self.call(object::LockCompleted { memory_control, offset: first * PAGE, length: pages * PAGE });
    }

    pub fn synchronize(&mut self, control: u32) {
        let memory_control = self.arrives(PortName(control));
        self.call(object::Synchronize { memory_control, offset: 0, length: 0, flags: 0 });
    }

    /// The port behind `control` dies, and the notification of it arrives.
    pub fn dies(&mut self, control: u32) {
        *self.refs.entry(PortName(control)).or_default() += 1;
        let call = notify::DeadName { name: control };
        let id = <notify::DeadName as SimpleRoutine<NamedRight>>::ID;
        self.deliver(NOTIFY, NamedRight::NULL, id, SimpleRoutine::<NamedRight>::into_body(call));
    }

    pub fn remove(&mut self, ending: Ending) -> Result<(), KernReturn> {
        let mut out = Out::default();
        let done = self.server.remove(self.now, OBJECT, ending, &mut out);
        self.carry_out(out);
        done
    }

    /// Lets time pass until `now`.
    pub fn tick(&mut self, now: Time) {
        self.now = now;
        let mut out = Out::default();
        self.server.on_timer(now, &mut out);
        self.carry_out(out);
    }

    pub fn run_jobs(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            let mut out = Out::default();
            self.server.on_job_done(self.now, job.run(), &mut out);
            self.carry_out(out);
        }
    }

    /// What was sent to one kernel since the last time.
    pub fn sent_to(&mut self, control: u32) -> Vec<Call<NamedRight>> {
        let (mine, others) = std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == PortName(control));
        self.sent = others;
        let mine: Vec<(PortName, Call<NamedRight>)> = mine;
        mine.into_iter().map(|(_, call)| call).collect()
    }

    /// No kernel but these is held, each with one reference, and nothing else.
    pub fn holds_only(&self, controls: &[u32]) {
        let held: Vec<(u32, i64)> = self.refs.iter().filter(|(_, n)| **n != 0).map(|(p, n)| (p.0, *n)).collect();
        let want: Vec<(u32, i64)> = controls.iter().map(|c| (*c, 1)).collect();
        assert_eq!(held, want, "send references held");
        assert!(self.once.values().all(|n| *n == 0), "send-once rights held: {:?}", self.once);
    }

    fn carry_out(&mut self, out: Out) {
        let Out { dead_name_requests, messages, release, jobs, ended, going_on } = out;
        for name in dead_name_requests {
            assert!(self.refs[&name] > 0, "a notification asked for on a name that is not held");
            self.armed.push(name);
        }
        for message in messages {
            let to = message.remote.name;
            match message.remote.disposition {
                Disposition::CopySend => assert!(self.refs[&to] > 0, "no right to copy: {message:?}"),
                Disposition::MoveSend => self.debit(to),
                Disposition::MoveSendOnce => *self.once.get_mut(&to).unwrap() -= 1,
                other => panic!("{other:?}"),
            }
            if message.remote.disposition == Disposition::MoveSendOnce {
                self.replies.push((to, message.id, message.body));
            } else {
                self.traces.push(message.trace);
                self.sent.push((to, Call::decode(message.id, message.body).unwrap()));
            }
        }
        for right in release {
            match right.disposition {
                Disposition::MoveSend => self.debit(right.name),
                Disposition::MoveSendOnce => *self.once.get_mut(&right.name).unwrap() -= 1,
                other => panic!("{other:?}"),
            }
        }
        self.ended.extend(ended);
        self.going_on.extend(going_on);
        self.jobs.extend(jobs);
        while self.eager && !self.jobs.is_empty() {
            self.run_jobs();
        }
    }

    fn debit(&mut self, name: PortName) {
        let refs = self.refs.get_mut(&name).unwrap_or_else(|| panic!("{name:?} was never held"));
        *refs -= 1;
        assert!(*refs >= 0, "{name:?} given away more often than it was held");
    }
}

/// A store in memory that fails as it is told to.
pub struct Store {
    pub bytes: Mutex<Vec<u8>>,
    pub size: u64,
    pub writable: bool,
    /// Errors for writes while set.
    pub full: std::sync::atomic::AtomicBool,
    pub bad_sync: std::sync::atomic::AtomicBool,
    pub panics: std::sync::atomic::AtomicBool,
    /// Pages whose reads fail.
    pub bad_pages: Mutex<Vec<u64>>,
    pub reads: AtomicU64,
    pub writes: AtomicU64,
    pub syncs: AtomicU64,
    /// Whether reads are answered at once.
    pub inline: bool,
}

impl Store {
    pub fn new(pages: u64, writable: bool) -> Store {
        let bytes = (0..pages).flat_map(|p| vec![p as u8; PAGE as usize]).collect();
        Store {
            bytes: Mutex::new(bytes),
            size: pages * PAGE,
            writable,
            full: Default::default(),
            bad_sync: Default::default(),
            panics: Default::default(),
            bad_pages: Default::default(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            inline: true,
        }
    }

    pub fn page(&self, page: u64) -> u8 {
        self.bytes.lock().unwrap()[(page * PAGE) as usize]
    }
}

impl Pager for Store {
    fn size(&self) -> u64 {
        self.size
    }

    fn max_protection(&self) -> Prot {
        if self.writable { Prot::READ | Prot::WRITE } else { Prot::READ }
    }

    fn try_read(&self, pages: Pages) -> Option<Pieces> {
        self.inline.then(|| self.read(pages))
    }

    fn read(&self, pages: Pages) -> Pieces {
        assert!(!self.panics.load(Relaxed), "a store that panics");
        self.reads.fetch_add(1, Relaxed);
        let bad = self.bad_pages.lock().unwrap();
        let bytes = self.bytes.lock().unwrap();
        let mut pieces = Pieces::new();
        if bad.iter().all(|b| *b < pages.start || *b >= pages.end) {
            let data = bytes[pages.offset() as usize..(pages.end * PAGE) as usize].to_vec();
            pieces.push((pages, Piece::Data(data.into())));
        } else {
            for p in pages.start..pages.end {
                let at = (p * PAGE) as usize;
                let data = bytes[at..at + PAGE as usize].to_vec();
                let piece =
                    if bad.contains(&p) { Piece::Error(KernReturn::MemoryError) } else { Piece::Data(data.into()) };
                pieces.push((Pages::new(p, p + 1), piece));
            }
        }
        pieces
    }

    fn write(&self, pages: Pages, data: &Payload) -> Result<(), StoreError> {
        assert!(!self.panics.load(Relaxed), "a store that panics");
        self.writes.fetch_add(1, Relaxed);
        if self.full.load(Relaxed) {
            return Err(StoreError::new("pwrite", rustix::io::Errno::NOSPC, "store"));
        }
        let at = pages.offset() as usize;
        self.bytes.lock().unwrap()[at..at + data.len()].copy_from_slice(&data.to_bytes());
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.syncs.fetch_add(1, Relaxed);
        match self.bad_sync.load(Relaxed) {
            true => Err(StoreError::new("fdatasync", rustix::io::Errno::IO, "store")),
            false => Ok(()),
        }
    }
}
