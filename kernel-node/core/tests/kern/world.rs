//! A node with one task and a pager, and how they talk to it: everything goes by messages.

use std::collections::BTreeMap;
use std::ops::Range;

use kernel_core::ipc::{ReceiveOptions, ReceiveOutcome, SendOptions, SpaceId};
use kernel_core::kern::{Cx, Effect, Kernel};
use kernel_core::vm::{Config, Errand, Fault, FaultKind, FaultOutcome, MapOrder, ObjectId, OrderId, Pmap};
use kernel_core::{TaskId, Time};
use proto::iface::{memory_object as pager, memory_object_control as control, task};
use proto::msg::Reply;
use proto::msg::code_of;
use proto::{
    Incarnation, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, PortName, Prot, RightType, Routine,
    SimpleRoutine, TraceId,
};

pub const ARENA: std::ops::Range<u64> = 0x1000_0000..0x2000_0000;

/// Memory as arrays of bytes; remembers what each task could see.
#[derive(Default)]
pub struct Memory {
    pub pages: BTreeMap<(ObjectId, u64), Vec<u8>>,
    pub maps: Vec<(TaskId, MapOrder)>,
    pub entered: BTreeMap<(TaskId, u64), bool>,
    pub errors: Vec<u64>,
    pub errands: Vec<(TaskId, OrderId, Errand)>,
    pub last_order: u64,
}

impl Memory {
    pub fn order(&mut self) -> OrderId {
        self.last_order += 1;
        OrderId(self.last_order)
    }

    pub fn read(&self, task: TaskId, address: u64) -> Option<u8> {
        let page = address / PAGE_SIZE * PAGE_SIZE;
        self.entered.get(&(task, page))?;
        let (_, map) =
            self.maps.iter().find(|(t, m)| *t == task && (m.address..m.address + m.size).contains(&address))?;
        let bytes = self.pages.get(&(map.object, map.offset + page - map.address))?;
        Some(bytes[(address - page) as usize])
    }
}

impl Pmap for Memory {
    fn object_create(&mut self, _: ObjectId) -> Result<(), KernReturn> {
        Ok(())
    }
    fn object_create_internal(&mut self, _: ObjectId, _: u64) -> Result<(), KernReturn> {
        Ok(())
    }
    fn object_destroy(&mut self, object: ObjectId) {
        self.pages.retain(|(o, _), _| *o != object);
    }
    fn fill(&mut self, object: ObjectId, offset: u64, data: &Payload) -> Result<(), KernReturn> {
        for (i, page) in data.to_bytes().chunks(PAGE_SIZE as usize).enumerate() {
            self.pages.insert((object, offset + i as u64 * PAGE_SIZE), page.to_vec());
        }
        Ok(())
    }
    fn zero(&mut self, object: ObjectId, offset: u64, len: u64) -> Result<(), KernReturn> {
        self.fill(object, offset, &Payload::from(vec![0; len as usize]))
    }
    fn copy(&mut self, _: ObjectId, _: u64, _: ObjectId, _: u64, _: u64) -> Result<(), KernReturn> {
        panic!("nothing is shadowed without a limit")
    }
    fn held(&self, _: ObjectId, _: Range<u64>, _: u64) -> Option<Range<u64>> {
        None
    }
    fn read_out(&mut self, object: ObjectId, offset: u64, len: u64) -> Payload {
        let pages = (offset..offset + len).step_by(PAGE_SIZE as usize);
        Payload::from(pages.flat_map(|at| self.pages[&(object, at)].clone()).collect::<Vec<u8>>())
    }
    fn is_present(&self, object: ObjectId, offset: u64) -> bool {
        self.pages.contains_key(&(object, offset))
    }
    fn discard(&mut self, object: ObjectId, offset: u64, len: u64) {
        self.pages.retain(|(o, at), _| *o != object || !(offset..offset + len).contains(at));
    }
    fn enter(&mut self, task: TaskId, address: u64, len: u64, writable: bool) {
        for page in (address..address + len).step_by(PAGE_SIZE as usize) {
            self.entered.insert((task, page), writable);
        }
    }
    fn protect(&mut self, task: TaskId, address: u64, len: u64) {
        self.entered
            .iter_mut()
            .filter(|((t, a), _)| *t == task && (address..address + len).contains(a))
            .for_each(|(_, w)| *w = false);
    }
    fn unprotect(&mut self, task: TaskId, address: u64, len: u64) {
        self.entered
            .iter_mut()
            .filter(|((t, a), _)| *t == task && (address..address + len).contains(a))
            .for_each(|(_, w)| *w = true);
    }
    fn error(&mut self, _: TaskId, address: u64, _: u64) {
        self.errors.push(address);
    }
    fn wake(&mut self, _: TaskId, _: u64, _: u64) {}
    fn free_pages(&self) -> u64 {
        1000
    }
    fn map(&mut self, task: TaskId, order: MapOrder) -> OrderId {
        self.maps.push((task, order));
        self.order()
    }
    fn map_parts(&mut self, task: TaskId, parts: &[MapOrder]) -> OrderId {
        self.maps.extend(parts.iter().map(|order| (task, *order)));
        self.order()
    }
    fn freeze(&mut self, task: TaskId, order: MapOrder, _: bool) -> OrderId {
        self.map(task, order)
    }
    fn inherit(&mut self, _: TaskId, _: u64, _: u64) -> OrderId {
        self.order()
    }
    fn errand(&mut self, task: TaskId, errand: Errand) -> OrderId {
        let order = self.order();
        self.errands.push((task, order, errand));
        order
    }
    fn unmap(&mut self, _: TaskId, _: u64, _: u64) -> OrderId {
        self.order()
    }
    fn set_protection(&mut self, _: TaskId, _: u64, _: u64, _: Prot) -> OrderId {
        self.order()
    }
    fn wire(&mut self, _: TaskId, _: u64, _: u64, _: bool) -> OrderId {
        self.order()
    }
}

/// A node with a task that holds a send right to a pager's port.
pub struct World {
    pub kernel: Kernel,
    pub memory: Memory,
    pub effects: Vec<Effect>,
    pub task: TaskId,
    pub space: SpaceId,
    pub task_self: PortName,
    pub reply: PortName,
    pub pager: SpaceId,
    pub object: PortName,
    pub now: Time,
}

impl World {
    pub fn new() -> World {
        World::with(Config::default())
    }

    pub fn with(config: Config) -> World {
        let mut kernel = Kernel::new(Incarnation(7), config);
        let pager = kernel.ipc.space_create(true);
        let object = kernel.ipc.allocate(pager, RightType::Receive).unwrap();
        let task = kernel.task_create(kernel_core::ipc::Right::Null).unwrap();
        let names = kernel.task_attach(task, Some(ARENA)).unwrap();
        let space = kernel.task_space(task).unwrap();
        let reply = kernel.ipc.allocate(space, RightType::Receive).unwrap();
        let (memory, effects) = (Memory::default(), Vec::new());
        let task_self = names.task_self;
        World { kernel, memory, effects, task, space, task_self, reply, pager, object, now: Time(1) }
    }

    pub fn call<T>(&mut self, f: impl FnOnce(&mut Kernel, &mut Cx<'_>) -> T) -> T {
        let World { kernel, memory, effects, now, .. } = self;
        f(kernel, &mut Cx { now: *now, pmap: memory, out: effects })
    }

    pub fn settle(&mut self) {
        self.call(|kernel, cx| kernel.settle(cx));
    }

    pub fn send(&mut self, space: SpaceId, message: Message<NamedRight>) {
        let (ipc, fx) = self.kernel.ipc_mut();
        ipc.send(space, message, SendOptions::POLL, fx).unwrap();
        self.settle();
    }

    pub fn receive(&mut self, space: SpaceId, name: PortName) -> Option<Message<NamedRight>> {
        let (ipc, fx) = self.kernel.ipc_mut();
        match ipc.receive(space, name, ReceiveOptions::POLL, fx) {
            Ok(ReceiveOutcome::Message(delivery)) => Some(delivery.message),
            _ => None,
        }
    }

    pub fn request<Q: SimpleRoutine<NamedRight>>(&mut self, request: Q) {
        self.request_to(self.task_self, request);
    }

    pub fn request_to<Q: SimpleRoutine<NamedRight>>(&mut self, to: PortName, request: Q) {
        let remote = NamedRight::copy_send(to);
        let local = NamedRight::make_send_once(self.reply);
        let body = request.into_body();
        self.send(self.space, Message { remote, local, id: Q::ID, seqno: 0, trace: TraceId(0), body });
    }

    /// The answer to the last request, once its orders are done.
    pub fn answer<Q: Routine<NamedRight>>(&mut self) -> Option<Result<Q::Reply, i32>> {
        let message = self.receive(self.space, self.reply)?;
        assert_eq!(message.id, Q::REPLY_ID);
        Some(match code_of(&message.body).expect("an answer opens with its code") {
            0 => Ok(Q::Reply::from_body(message.body).map_err(|bad| bad.error).unwrap()),
            code => Err(code),
        })
    }

    pub fn rpc<Q: Routine<NamedRight>>(&mut self, request: Q) -> Result<Q::Reply, i32> {
        self.request(request);
        self.do_orders();
        self.answer::<Q>().expect("the request is answered")
    }

    pub fn do_orders(&mut self) {
        for id in 1..=self.memory.last_order {
            self.call(|kernel, cx| kernel.order_done(OrderId(id), Ok(()), cx));
        }
        self.settle();
    }

    /// Gives the task a send right to the pager's port.
    pub fn give_object(&mut self) -> PortName {
        let (ipc, fx) = self.kernel.ipc_mut();
        let right = ipc.extract_right(self.pager, self.object, proto::Disposition::MakeSend, fx).unwrap();
        self.kernel.give(self.space, right).unwrap()
    }

    pub fn map(&mut self, pages: u64, write: bool) -> u64 {
        let object = self.give_object();
        self.rpc(map_request(object, pages, write)).unwrap().address
    }

    pub fn pager_call<Q: SimpleRoutine<NamedRight>>(&mut self) -> Q {
        let message = self.receive(self.pager, self.object).expect("the pager has a message");
        assert_eq!(message.id, Q::ID, "expected {}", Q::NAME);
        Q::from_body(message.body).map_err(|bad| bad.error).unwrap()
    }

    pub fn tell_kernel<Q: SimpleRoutine<NamedRight>>(&mut self, control: NamedRight, call: Q) {
        let remote = NamedRight::copy_send(control.name);
        let body = call.into_body();
        self.send(
            self.pager,
            Message { remote, local: NamedRight::NULL, id: Q::ID, seqno: 0, trace: TraceId(0), body },
        );
    }

    /// Maps, and answers `memory_object_init`; the control port as the pager names it.
    pub fn ready(&mut self, pages: u64, write: bool) -> (u64, NamedRight) {
        let address = self.map(pages, write);
        let init: pager::Init<NamedRight> = self.pager_call();
        assert_eq!(init.memory_object_page_size, PAGE_SIZE);
        self.tell_kernel(init.memory_control, control::Ready { may_cache: false, copy_strategy: 2 });
        (address, init.memory_control)
    }

    pub fn fault(&mut self, address: u64, write: bool) -> FaultOutcome {
        let fault = Fault { task: self.task, address, kind: FaultKind::Missing, write, trace: TraceId(42) };
        let outcome = self.call(|kernel, cx| kernel.fault(fault, cx));
        self.settle();
        outcome
    }
}

pub fn map_request(object: PortName, pages: u64, write: bool) -> task::VmMap<NamedRight> {
    let access = if write { Prot::READ | Prot::WRITE } else { Prot::READ };
    task::VmMap {
        address: 0,
        size: pages * PAGE_SIZE,
        mask: 0,
        anywhere: true,
        memory_object: NamedRight::copy_send(object),
        offset: 0,
        copy: false,
        cur_protection: access.bits(),
        max_protection: access.bits(),
        inheritance: 2,
    }
}
