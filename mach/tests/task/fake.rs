//! A node's end of the task channel, just enough of one for the tests here: it answers hellos, hands out names, and serves
//! the faults of one object whose pages hold a pattern. It has no kernel; the real node is tested with the real library
//! under `tests/`.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prost::Message as _;
use proto::codec::{self, TRAP_VERSION};
use proto::limits::TRAP_RECORD_BYTES_MAX;
use proto::msg::{Reply, code_body};
use proto::wire::trap::{Answer, Call, Hello, MapObject, Order, Unmap, Welcome, call, hello, order};
use proto::{Body, Item, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, PortName, Prot, SimpleRoutine, iface};
use sys::seqpacket::{Received, Sent};
use sys::uffd::{FaultKind, UffdEvent, WriteProtect};
use sys::{Channel, Listener, Memfd, Uffd};

pub const TOKEN: u64 = 77;
pub const TASK_SELF: u32 = 1;
pub const OBJECT: u32 = 5;
/// Of the object.
pub const PAGES: u64 = 64;
/// The last page is half used.
pub const OBJECT_BYTES: u64 = PAGES * PAGE_SIZE - 2048;
pub const DEADLINE: Duration = Duration::from_secs(20);

/// What every byte of a page is; never 0.
pub fn pattern(page: u64) -> u8 {
    (page % 250) as u8 + 1
}

/// What the node does with a request.
pub struct Response {
    pub id: Option<i32>,
    pub body: Body<NamedRight>,
    pub orders: Vec<(order::Op, Option<OwnedFd>)>,
}

impl Response {
    /// Success, and results that need not fit any routine.
    pub fn ok(results: Vec<Item<NamedRight>>) -> Response {
        Response::of([vec![Item::U32(0)], results].concat().into())
    }

    pub fn reply(results: impl Reply<NamedRight>) -> Response {
        Response::of(results.into_body())
    }

    pub fn code(code: i32) -> Response {
        Response::of(code_body(code))
    }

    fn of(body: Body<NamedRight>) -> Response {
        Response { id: None, body, orders: Vec::new() }
    }
}

type Handler = dyn Fn(&Shared, &Message<NamedRight>) -> Option<Response> + Send + Sync;

pub struct Shared {
    handler: Box<Handler>,
    pub object: Memfd,
    /// Whether mappings are shared and writable, or private and read-only.
    pub writable: AtomicBool,
    pub uffd: Mutex<Option<Arc<Uffd>>>,
    /// Every connection, to end it; and the agent's.
    channels: Mutex<Vec<Arc<Channel>>>,
    agent: Mutex<Option<Arc<Channel>>>,
    /// Start of the mapping.
    pub base: AtomicU64,
    arena: Mutex<(u64, u64)>,
    /// Pages that are never delivered, and never granted.
    pub withheld: Mutex<BTreeSet<u64>>,
    /// Faults on those.
    pub waiting: Mutex<Vec<(u64, FaultKind)>>,
    /// Ids of the messages that came, in order.
    pub requests: Mutex<Vec<i32>>,
    /// Errnos of orders done.
    pub orders_done: Mutex<Vec<(u64, i32)>>,
    pub hellos: Mutex<Vec<Hello>>,
    /// Answered to whoever receives, in place of the message; 0 for none.
    pub fail_receives_with: AtomicI32,
    next_name: AtomicU64,
    next_order: AtomicU64,
    stop: AtomicBool,
}

pub struct Node {
    pub shared: Arc<Shared>,
    pub path: PathBuf,
    threads: Vec<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Node {
    pub fn start(handler: impl Fn(&Shared, &Message<NamedRight>) -> Option<Response> + Send + Sync + 'static) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let listener = Listener::bind(&path, 0o600).unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            object: Memfd::create("fake-object", PAGES * PAGE_SIZE).unwrap(),
            writable: AtomicBool::new(true),
            uffd: Mutex::default(),
            channels: Mutex::default(),
            agent: Mutex::default(),
            base: AtomicU64::new(0),
            arena: Mutex::default(),
            withheld: Mutex::default(),
            waiting: Mutex::default(),
            requests: Mutex::default(),
            orders_done: Mutex::default(),
            hellos: Mutex::default(),
            fail_receives_with: AtomicI32::new(0),
            next_name: AtomicU64::new(100),
            next_order: AtomicU64::new(1),
            stop: AtomicBool::new(false),
        });
        let (accepting, serving) = (shared.clone(), shared.clone());
        let threads = vec![
            std::thread::spawn(move || accept(&accepting, &listener)),
            std::thread::spawn(move || serve_faults(&serving)),
        ];
        Node { shared, path, threads, _dir: dir }
    }

    /// As if the process were killed: every descriptor is closed.
    pub fn die(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|t| t.join().unwrap());
        self.shared.uffd.lock().unwrap().take();
        self.shared.channels.lock().unwrap().clear();
        self.shared.agent.lock().unwrap().take();
    }

    /// Sends an order to the agent and waits until it is done; its errno.
    pub fn order_agent(&self, op: order::Op, fd: Option<BorrowedFd<'_>>) -> i32 {
        let id = self.order_agent_unheard(op, fd);
        let mut errno = None;
        wait_for("the agent", || {
            errno = self.shared.orders_done.lock().unwrap().iter().find(|(o, _)| *o == id).map(|(_, e)| *e);
            errno.is_some()
        });
        errno.unwrap()
    }

    /// Sends an order to the agent, which may have no time left to say that it is done; the order's number.
    pub fn order_agent_unheard(&self, op: order::Op, fd: Option<BorrowedFd<'_>>) -> u64 {
        let id = self.shared.next_order.fetch_add(1, Ordering::SeqCst);
        let answer = Answer { orders: vec![Order { order: id, op: Some(op) }], ..Answer::default() };
        let agent = self.shared.agent.lock().unwrap().clone().expect("an agent");
        assert_eq!(agent.send(&answer.encode_to_vec(), &Vec::from_iter(fd)).unwrap(), Sent::Done);
        id
    }

    /// Where the arena begins.
    pub fn arena(&self) -> u64 {
        self.shared.arena.lock().unwrap().0
    }

    pub fn page(&self, index: u64) -> u64 {
        self.shared.base.load(Ordering::SeqCst) + index * PAGE_SIZE
    }

    pub fn uffd(&self) -> Arc<Uffd> {
        self.shared.uffd.lock().unwrap().clone().expect("a task attached")
    }

    pub fn wait_for_waiting(&self, count: usize) {
        wait_for("threads to wait", || self.shared.waiting.lock().unwrap().len() >= count);
    }

    pub fn withhold(&self, pages: impl IntoIterator<Item = u64>) {
        self.shared.withheld.lock().unwrap().extend(pages);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.die();
    }
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What the object's pager and the task port answer; a test's handler adds to it.
pub fn standard(shared: &Shared, request: &Message<NamedRight>) -> Option<Response> {
    use iface::{memory_object, task};
    let id = request.id;
    let is = |other: i32| id == other;
    if is(<memory_object::Info as SimpleRoutine<NamedRight>>::ID) {
        let max = if shared.writable.load(Ordering::SeqCst) { Prot::READ | Prot::WRITE } else { Prot::READ };
        let reply = memory_object::InfoReply { size: OBJECT_BYTES, max_protection: max.bits(), name: "fake".into() };
        return Some(Response::reply(reply));
    }
    if is(<task::VmMap<NamedRight> as SimpleRoutine<NamedRight>>::ID) {
        let r = task::VmMap::from_body(request.body.clone()).expect("arguments of vm_map");
        assert_eq!(r.memory_object, NamedRight::copy_send(PortName(OBJECT)));
        let address = shared.arena.lock().unwrap().0 + (1 << 20);
        shared.base.store(address - r.offset, Ordering::SeqCst);
        let shared_mapping = r.cur_protection & Prot::WRITE.bits() != 0;
        let fd = if shared_mapping { shared.object.writer() } else { shared.object.reader() }.unwrap();
        let map = MapObject {
            address,
            size: r.size,
            fd: 0,
            offset: r.offset,
            protection: r.cur_protection,
            shared: shared_mapping,
            unmanaged: false,
        };
        let mut response = Response::reply(task::VmMapReply { address });
        response.orders.push((order::Op::Map(map), Some(fd)));
        return Some(response);
    }
    if is(<task::VmDeallocate as SimpleRoutine<NamedRight>>::ID) {
        let r = <task::VmDeallocate as SimpleRoutine<NamedRight>>::from_body(request.body.clone()).unwrap();
        let mut response = Response::ok(vec![]);
        response.orders.push((order::Op::Unmap(Unmap { address: r.address, size: r.size }), None));
        return Some(response);
    }
    if is(<task::VmMsync as SimpleRoutine<NamedRight>>::ID) {
        return Some(Response::ok(vec![]));
    }
    let kern = KernReturn::InvalidArgument;
    (request.local.name.is_valid()).then(|| Response::code(kern.raw()))
}

fn accept(shared: &Arc<Shared>, listener: &Listener) {
    let mut threads = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        match listener.try_accept().unwrap() {
            Some(channel) => {
                let (shared, channel) = (shared.clone(), Arc::new(channel));
                shared.channels.lock().unwrap().push(channel.clone());
                threads.push(std::thread::spawn(move || converse(&shared, &channel)));
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    shared.channels.lock().unwrap().iter().for_each(|channel| channel.shutdown());
    threads.into_iter().for_each(|t| t.join().unwrap());
}

fn converse(shared: &Shared, channel: &Arc<Channel>) {
    let mut buffer = vec![0; TRAP_RECORD_BYTES_MAX];
    while let Ok(Received::Record(len, fds)) = channel.recv(&mut buffer) {
        let call = Call::decode(&buffer[..len]).expect("a call");
        match call.op.expect("an operation") {
            call::Op::Hello(hello) => {
                if hello.version != TRAP_VERSION || ![0, TOKEN].contains(&hello.token) {
                    return channel.shutdown();
                }
                if hello.role() == hello::Role::Agent {
                    *shared.agent.lock().unwrap() = Some(channel.clone());
                }
                if hello.arena_size != 0 {
                    *shared.arena.lock().unwrap() = (hello.arena_start, hello.arena_size);
                    let [fd] = <[OwnedFd; 1]>::try_from(fds).expect("one userfaultfd");
                    *shared.uffd.lock().unwrap() = Some(Arc::new(Uffd::adopt(fd).unwrap()));
                }
                shared.hellos.lock().unwrap().push(hello);
                let welcome = Welcome {
                    version: TRAP_VERSION,
                    token: TOKEN,
                    task_self: TASK_SELF,
                    host_self: 2,
                    bootstrap: OBJECT,
                    name_server: 4,
                    task: 9,
                    node: "fake".into(),
                    thread: 1,
                    ..Welcome::default()
                };
                answer(channel, Answer { ticket: call.ticket, welcome: Some(welcome), ..Answer::default() }, &[]);
            }
            call::Op::ReplyPort(_) => {
                let name = shared.next_name.fetch_add(1, Ordering::SeqCst) as u32;
                answer(channel, Answer { ticket: call.ticket, name, ..Answer::default() }, &[]);
            }
            call::Op::Poll(_)
            | call::Op::Interrupt(_)
            | call::Op::ThreadSelf(_)
            | call::Op::Freeze(_)
            | call::Op::MapFrozen(_)
            | call::Op::Fork(_) => panic!("nobody here asks for it"),
            call::Op::OrderDone(done) => shared.orders_done.lock().unwrap().push((done.order, done.errno)),
            call::Op::Msg(msg) => {
                let mut beside: Vec<_> = fds.into_iter().map(|fd| Memfd::adopt(fd).expect("a memfd")).collect();
                assert!(beside.iter().all(Memfd::is_frozen));
                let Some(wire) = msg.message.filter(|_| msg.send) else {
                    // Nothing is ever sent to a task here: a receive waits until the node dies.
                    continue;
                };
                let request = codec::decode(wire, |fd, offset, length| fetch(&mut beside, fd, offset, length)).unwrap();
                shared.requests.lock().unwrap().push(request.id);
                respond(shared, channel, call.ticket, request, msg.receive);
            }
        }
    }
}

fn respond(shared: &Shared, channel: &Channel, ticket: u64, request: Message<NamedRight>, receive: bool) {
    let response = (shared.handler)(shared, &request).or_else(|| standard(shared, &request));
    let mut answered = Answer { ticket, ..Answer::default() };
    let Some(response) = response else { return answer(channel, answered, &[]) };
    let mut fds: Vec<OwnedFd> = Vec::new();
    for (op, fd) in response.orders {
        fds.extend(fd);
        let order = shared.next_order.fetch_add(1, Ordering::SeqCst);
        answered.orders.push(Order { order, op: Some(op) });
    }
    answered.result = if receive { shared.fail_receives_with.load(Ordering::SeqCst) } else { 0 };
    if receive && answered.result == 0 {
        let message = Message {
            remote: NamedRight::NULL,
            local: NamedRight::move_send_once(request.local.name),
            id: response.id.unwrap_or(request.id + 100),
            seqno: 0,
            trace: request.trace,
            body: response.body,
        };
        let (wire, beside) = codec::encode(message, fds.len() as u32);
        answered.message = Some(wire);
        if !beside.is_empty() {
            fds.push(Memfd::frozen("fake", &beside.bytes).unwrap().reader().unwrap());
        }
    }
    let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    answer(channel, answered, &fds);
}

fn fetch(beside: &mut [Memfd], fd: u32, offset: u64, length: usize) -> Option<Payload> {
    let mut bytes = vec![0; length];
    beside.get(fd as usize)?.read_at(offset, &mut bytes).ok()?;
    Some(Payload::from(bytes))
}

fn answer(channel: &Channel, answer: Answer, fds: &[BorrowedFd<'_>]) {
    let _ = channel.send(&answer.encode_to_vec(), fds).unwrap();
}

fn serve_faults(shared: &Shared) {
    let mut events = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        let uffd = shared.uffd.lock().unwrap().clone();
        if let Some(uffd) = uffd {
            uffd.read_events(&mut events).unwrap();
            for event in events.drain(..) {
                let UffdEvent::Fault(fault) = event else { panic!("{event:?}") };
                let page = (fault.address - shared.base.load(Ordering::SeqCst)) / PAGE_SIZE;
                assert!(page < PAGES, "a fault at {:#x}", fault.address);
                if shared.withheld.lock().unwrap().contains(&page) {
                    shared.waiting.lock().unwrap().push((page, fault.kind));
                    continue;
                }
                if fault.kind == FaultKind::WriteProtected {
                    let address = shared.base.load(Ordering::SeqCst) + page * PAGE_SIZE;
                    uffd.write_protect(address, PAGE_SIZE, WriteProtect::Off, true).unwrap();
                    continue;
                }
                if fault.kind == FaultKind::Missing {
                    let bytes = vec![pattern(page); PAGE_SIZE as usize];
                    shared.object.write_at(page * PAGE_SIZE, &[bytes]).unwrap();
                }
                let address = shared.base.load(Ordering::SeqCst) + page * PAGE_SIZE;
                uffd.continue_range(address, PAGE_SIZE, WriteProtect::On).unwrap();
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
