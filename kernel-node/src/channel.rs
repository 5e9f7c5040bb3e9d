//! A task's connection: one for each of its threads, one for its agent. Records are `Call`s and `Answer`s.
//!
//! A thread waits for one thing at a time, so a connection has at most one call under way, and its queue never fills
//! unless the task does not read; then the connection ends. What a task sends is decoded here and only here; a record
//! that is none ends the connection, and with its last connection the task.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use kernel_core::vm::{Brought, Errand, MapOrder, MapRequest, OrderId};
use kernel_core::{TaskId, Time};
use prost::Message as _;
use proto::limits::{FREEZE_OBJECTS_MAX, TRAP_FDS_MAX, TRAP_STORES_MAX};
use proto::segments::Segment;
use proto::wire::body::{NamedMessage, Segments};
use proto::wire::trap::{
    self, Answer, Call, FreezeObject, FreezePart, LaneEnd, LaneServe, MapFrozen, MapObject, MapParts, OrderDone,
    Protect, Unmap, Wire, errand, order,
};
use proto::{KernReturn, Message, MsgReturn, NamedRight, Payload, codec};
use sys::aio::Async;
use sys::seqpacket::Sent;
use sys::{Channel, Memfd};

use crate::admission::{self, CopyJob};
use crate::forking;
use crate::frozen::{Beside, Passable};
use crate::lanes::ThreadLanes;
use crate::orders::{Batch, OrderQueue};
use crate::pmap::{Order, OrderKind};

/// A connection. Counts up; never reused in one life of the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(pub u64);

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// No hello has come.
    New,
    /// A thread of a task.
    Thread(TaskId),
    /// The agent of a task.
    Agent(TaskId),
    /// Of a process that is about to fork: the child that is given up with the connection, until it has attached.
    Fork(TaskId),
}

/// A thread that is in `mach_msg`.
#[derive(Clone, Copy, Debug)]
pub struct InMsg {
    /// Of the call.
    pub ticket: u64,
    /// When it gives up.
    pub deadline: Option<Time>,
    /// What it does once its message is sent; `None` when it waits to receive, or only sends.
    pub then: Option<Receive>,
    /// Whether it waits to receive.
    pub receiving: bool,
}

/// The receiving half of a `mach_msg`.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    /// Port or set.
    pub name: proto::PortName,
    /// Milliseconds; `None` for ever.
    pub timeout_ms: Option<u64>,
    /// Bytes of body that fit; below 0 not even a header.
    pub limit: Option<i64>,
    /// `MACH_RCV_LARGE`.
    pub large: bool,
    /// `MACH_RCV_NOTIFY`.
    pub notify: Option<proto::PortName>,
    /// The thread can serve lanes.
    pub serve: Option<LaneServe>,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub socket: Rc<Async<Channel>>,
    /// Whose it is.
    pub role: Role,
    /// The call under way.
    pub in_msg: Option<InMsg>,
    /// Of the last `mach_msg` that came.
    pub last_ticket: u64,
    /// Of a `mach_msg` that is to be interrupted as soon as it would wait.
    pub interrupted: Option<u64>,
    /// Its lanes.
    pub lanes: ThreadLanes,
    /// Orders: those that a thread carries out before its call returns, and an agent's.
    orders: OrderQueue,
    /// The answer that goes out with the last orders of its call.
    held: Option<(Answer, With)>,
    /// Its call waits until the memory that it sends is sealed; it has not come yet.
    pub parked: bool,
}

/// What belongs to an answer.
#[derive(Debug)]
pub enum With {
    /// Nothing.
    Nothing,
    /// A message, with what lies beside it.
    Message(Message<NamedRight>),
    /// The parts of a freeze, each with the descriptor of the file that it lies in, if it does.
    Parts(Vec<(FreezePart, Option<Rc<OwnedFd>>)>),
    /// One descriptor.
    Descriptor(Rc<OwnedFd>),
}

impl With {
    /// The most descriptors that it needs.
    fn fds(&self) -> usize {
        match self {
            With::Nothing => 0,
            With::Message(message) => {
                let chunks: usize = message.body.memory().iter().map(|memory| memory.chunks().len()).sum();
                1 + chunks.min(TRAP_STORES_MAX)
            }
            With::Parts(parts) => parts.len().min(FREEZE_OBJECTS_MAX),
            With::Descriptor(_) => 1,
        }
    }

    /// Whether orders have room in a record beside it.
    fn takes(&self, batch: &Batch) -> bool {
        let bytes_max = match self {
            // It may be as long as a record permits.
            With::Message(_) | With::Parts(_) => RIDING_BYTES_MAX,
            With::Nothing | With::Descriptor(_) => usize::MAX,
        };
        batch.bytes <= bytes_max && batch.fds + self.fds() <= TRAP_FDS_MAX
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The record is no call.
    #[error("a record that is no call: {0}")]
    BadRecord(String),
    /// A call that makes no sense where it came.
    #[error("{0}")]
    OutOfPlace(&'static str),
    /// The peer is gone, or does not read.
    #[error("the task does not read its answers")]
    NotReading,
    /// Linux.
    #[error(transparent)]
    Sys(#[from] sys::SysError),
}

impl Connection {
    /// A connection without a hello.
    pub fn new(socket: Rc<Async<Channel>>) -> Connection {
        Connection {
            socket,
            role: Role::New,
            in_msg: None,
            last_ticket: 0,
            interrupted: None,
            lanes: ThreadLanes::default(),
            orders: OrderQueue::default(),
            held: None,
            parked: false,
        }
    }

    /// Whether the thread waits for what is not in the kernel's hands, so that no other call is to come.
    pub fn is_busy(&self) -> bool {
        self.is_answering() || self.parked
    }

    /// Whether an answer waits for orders of its call to be done.
    fn is_answering(&self) -> bool {
        self.held.is_some()
    }

    /// Has `order` ride in the next answer.
    pub fn ride(&mut self, order: Order) {
        self.orders.push(order);
    }

    /// Makes memory ready for the connection's task; what is left to do is a job for a thread that may block.
    pub fn admit(&self, memory: &mut [Payload]) -> Option<CopyJob> {
        match self.role {
            Role::Thread(task) | Role::Agent(task) => admission::admit(task, memory),
            Role::New | Role::Fork(_) => None,
        }
    }

    /// Sends an answer, with the orders that ride in it. Where they are too many for its record, the first of them go out
    /// before, and the answer when those are done.
    ///
    /// Errors: the connection is to be ended. Orders that did not go out are gone with their task.
    pub fn answer(&mut self, answer: Answer, with: With) -> Result<(), ChannelError> {
        if self.is_answering() {
            return Err(ChannelError::OutOfPlace("a call while another is under way"));
        }
        self.held = Some((answer, with));
        self.go_on()
    }

    /// Sends an order to an agent.
    ///
    /// Errors: as [`Connection::answer`].
    pub fn order(&mut self, order: Order) -> Result<(), ChannelError> {
        self.orders.push(order);
        self.go_on()
    }

    /// An order that went out here was carried out, or could not be: others may go out.
    ///
    /// Errors: as [`Connection::answer`].
    pub fn order_done(&mut self, order: OrderId) -> Result<(), ChannelError> {
        self.orders.done(order);
        self.go_on()
    }

    /// Sends what may go out by now. A thread's orders wait for the answer of its call.
    fn go_on(&mut self) -> Result<(), ChannelError> {
        while self.is_answering() || matches!(self.role, Role::Agent(_)) {
            let batch = self.orders.take_batch();
            let last = self.orders.is_empty();
            match self.held.take() {
                Some((answer, with)) if last && with.takes(&batch) => return self.send_answer(answer, batch, with),
                held => {
                    let (ticket, more) = held.as_ref().map_or((0, false), |(answer, _)| (answer.ticket, true));
                    self.held = held;
                    if batch.orders.is_empty() {
                        break;
                    }
                    self.send_answer(Answer { ticket, more, ..Answer::default() }, batch, With::Nothing)?;
                }
            }
        }
        Ok(())
    }

    fn send_answer(&mut self, mut answer: Answer, batch: Batch, with: With) -> Result<(), ChannelError> {
        let mut fds = Descriptors::default();
        answer.orders = batch.orders.into_iter().map(|order| fds.order(order)).collect::<Result<_, _>>()?;
        if answer.orders.is_empty() {
            fds.lanes(&mut answer, &mut self.lanes);
        }
        match with {
            With::Nothing => {}
            With::Message(message) => {
                let (wire, beside) = codec::encode_received(message, fds.objects.len() as u32);
                answer.message = Some(wire);
                fds.beside(beside)?;
            }
            With::Parts(parts) => {
                let part = |(part, fd): (FreezePart, Option<_>)| FreezePart { fd: fd.map(|fd| fds.add(fd)), ..part };
                answer.parts = parts.into_iter().map(part).collect();
            }
            With::Descriptor(fd) => drop(fds.add(fd)),
        }
        self.send(&answer, &fds.borrowed())
    }

    fn send(&self, answer: &Answer, fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        match self.socket.get().try_send(&answer.encode_to_vec(), fds)? {
            Sent::Done => Ok(()),
            Sent::WouldBlock | Sent::Closed => Err(ChannelError::NotReading),
        }
    }
}

/// The descriptors beside one record; each is sent once.
#[derive(Default)]
struct Descriptors {
    objects: Vec<Rc<OwnedFd>>,
}

impl Descriptors {
    /// The index of a descriptor among those beside the record.
    fn add(&mut self, fd: Rc<OwnedFd>) -> u32 {
        let at = self.objects.iter().position(|o| Rc::ptr_eq(o, &fd)).unwrap_or_else(|| {
            self.objects.push(fd);
            self.objects.len() - 1
        });
        at as u32
    }

    fn map(&mut self, map: MapOrder, fd: Rc<OwnedFd>) -> MapObject {
        MapObject {
            address: map.address,
            size: map.size,
            fd: self.add(fd),
            offset: map.offset,
            protection: map.protection.bits(),
            shared: map.shared,
            unmanaged: !map.managed,
        }
    }

    fn order(&mut self, order: Order) -> Result<proto::wire::trap::Order, ChannelError> {
        let op = match order.what {
            OrderKind::Map { order: map, fd } => order::Op::Map(self.map(map, fd)),
            OrderKind::MapParts { address, protection, parts, files } => {
                let files: Vec<u32> = files.into_iter().map(|file| self.add(file)).collect();
                let segment = |segment: Segment| Segment { fd: files[segment.fd as usize], ..segment };
                let parts = Some(Segments::of(parts.pieces().unwrap_or_default().into_iter().map(segment)));
                order::Op::MapParts(MapParts { address, protection: protection.bits(), parts })
            }
            OrderKind::Freeze { order: map, fd, seal } => {
                order::Op::Freeze(FreezeObject { map: Some(self.map(map, fd)), seal })
            }
            OrderKind::Errand(errand) => order::Op::Errand(self.errand(errand)?),
            OrderKind::Inherit { address, size } => order::Op::Inherit(trap::Inherit { address, size }),
            OrderKind::Unmap { address, size } => order::Op::Unmap(Unmap { address, size }),
            OrderKind::Protect { address, size, protection } => {
                order::Op::Protect(Protect { address, size, protection: protection.bits() })
            }
            OrderKind::Wire { address, size, wired } => order::Op::Wire(Wire { address, size, wired }),
        };
        Ok(proto::wire::trap::Order { order: order.id.0, op: Some(op) })
    }

    fn errand(&mut self, errand: Errand) -> Result<trap::Errand, ChannelError> {
        let what = match errand {
            Errand::Read { address, size } => errand::What::Read(trap::Read { address, size }),
            Errand::Copy { from, size, to } => errand::What::Copy(trap::Copy { from, size, to }),
            Errand::MapCopy { from, size, how } => {
                errand::What::MapCopy(trap::MapCopy { from, size, how: Some(private(&how)) })
            }
            Errand::Write { address, data } => {
                let contents = Some(self.memory(data)?);
                errand::What::Write(trap::Write { address, contents })
            }
            Errand::Collect { ranges } => {
                let ranges = ranges.into_iter().map(forking::part_missing).collect();
                errand::What::Collect(trap::Collect { ranges })
            }
            Errand::Map { data, how } => {
                let contents = Some(self.memory(data)?);
                errand::What::MapMemory(trap::MapMemory { how: Some(private(&how)), contents })
            }
        };
        Ok(trap::Errand { what: Some(what) })
    }

    /// A record of memory alone, which the task may have, and what of it goes beside.
    fn memory(&mut self, memory: Payload) -> Result<NamedMessage, ChannelError> {
        let (record, beside) = codec::encode_contents_received(memory, self.objects.len() as u32);
        self.beside(beside)?;
        Ok(record)
    }

    fn beside(&mut self, beside: codec::Beside) -> Result<(), ChannelError> {
        if !beside.bytes.is_empty() {
            self.objects.push(Rc::new(Memfd::frozen("mach-out-of-line", &beside.bytes)?.reader()?));
        }
        for store in &beside.stores {
            let passable = Passable::of(store).expect("a node makes no store of another kind");
            self.objects.push(Rc::new(passable.frozen().memfd().reader()?));
        }
        Ok(())
    }

    /// Has ends of lanes ride along.
    fn lanes(&mut self, answer: &mut Answer, lanes: &mut ThreadLanes) {
        let mut add = |fd| {
            self.objects.push(fd);
            self.objects.len() as u32 - 1
        };
        let (page, ends) = lanes.take_ends();
        answer.lane_page = page.map(&mut add);
        answer.lanes = ends.into_iter().map(|(end, fd)| LaneEnd { fd: add(fd), ..end }).collect();
    }

    fn borrowed(&self) -> Vec<BorrowedFd<'_>> {
        self.objects.iter().map(|fd| fd.as_fd()).collect()
    }
}

/// Decodes a record.
///
/// Errors: `BadRecord`.
pub fn decode_call(record: &[u8]) -> Result<Call, ChannelError> {
    Call::decode(record).map_err(|error| ChannelError::BadRecord(error.to_string()))
}

/// Decodes the message of a call. What lies in a descriptor beside it must be frozen: nothing that is checked here can
/// change afterwards.
///
/// Errors: the code for the sender; nothing was taken from its space. Beside the message, the code for its first bad item.
pub fn decode_message(
    message: proto::wire::body::NamedMessage,
    mut beside: Beside<'_>,
) -> Result<(Message<NamedRight>, Option<MsgReturn>), MsgReturn> {
    codec::decode_prefix(message, |index, offset, length| beside.fetch(index, offset, length))
}

/// Where memory is to be mapped privately, and how.
fn private(how: &MapRequest) -> MapFrozen {
    MapFrozen {
        parts: None,
        address: how.address,
        mask: how.mask,
        anywhere: how.anywhere,
        cur_protection: how.protection.bits(),
        max_protection: how.max_protection.bits(),
        inheritance: how.inheritance as u32,
    }
}

/// What an errand brought.
///
/// Errors: the task's code, or `Failure` for an answer that makes no sense.
pub fn errand_result(done: OrderDone, mut beside: Beside<'_>) -> Result<Brought, KernReturn> {
    match KernReturn::from_raw(done.code) {
        Some(KernReturn::Success) => {
            let contents = done.contents.unwrap_or_default();
            let memory = codec::decode_memory(contents, |fd, offset, length| beside.fetch(fd, offset, length));
            let memory = memory.ok_or(KernReturn::Failure)?;
            let left_out = forking::left_out(&done.left_out).ok_or(KernReturn::Failure)?;
            Ok(Brought { memory, left_out, address: done.address })
        }
        code => Err(code.unwrap_or(KernReturn::Failure)),
    }
}

/// How a task said that an order ended: 0, or an `errno` of the system call that failed.
pub fn order_result(errno: i32) -> Result<(), KernReturn> {
    match errno {
        0 => Ok(()),
        ENOMEM => Err(KernReturn::NoSpace),
        EEXIST => Err(KernReturn::MemoryPresent),
        EAGAIN => Err(KernReturn::ResourceShortage),
        _ => Err(KernReturn::Failure),
    }
}

/// What orders may take of a record that has something else in it.
const RIDING_BYTES_MAX: usize = 4 << 10;
/// `ENOMEM`: too many mappings.
const ENOMEM: i32 = 12;
/// `EEXIST`: memory of the task's own lies there.
const EEXIST: i32 = 17;
/// `EAGAIN`: more memory would be locked than the task may.
const EAGAIN: i32 = 11;
