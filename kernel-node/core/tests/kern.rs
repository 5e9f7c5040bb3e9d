//! Tasks and memory objects seen from outside: everything goes by messages, as a task and a pager would send them.

use std::collections::BTreeMap;

use kernel_core::ipc::{ReceiveOptions, ReceiveOutcome, SendOptions, SpaceId};
use kernel_core::kern::{Cx, Effect, Kernel, ThreadId};
use kernel_core::vm::{Config, Fault, FaultKind, FaultOutcome, MapOrder, ObjectId, OrderId, Pmap};
use kernel_core::{TaskId, Time};
use proto::iface::{
    mach_port, memory_object as pager, memory_object_control as control, memory_object_default as default_pager, task,
    thread,
};
use proto::msg::Reply;
use proto::msg::code_of;
use proto::{
    Incarnation, Item, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, PortName, Prot, RightType, Routine,
    SimpleRoutine, TraceId,
};

const ARENA: std::ops::Range<u64> = 0x1000_0000..0x2000_0000;

/// Memory as arrays of bytes; remembers what each task could see.
#[derive(Default)]
struct Memory {
    pages: BTreeMap<(ObjectId, u64), Vec<u8>>,
    maps: Vec<(TaskId, MapOrder)>,
    entered: BTreeMap<(TaskId, u64), bool>,
    errors: Vec<u64>,
    last_order: u64,
}

impl Memory {
    fn order(&mut self) -> OrderId {
        self.last_order += 1;
        OrderId(self.last_order)
    }

    fn read(&self, task: TaskId, address: u64) -> Option<u8> {
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
    fn read_out(&mut self, object: ObjectId, offset: u64, len: u64) -> Payload {
        let pages = (offset..offset + len).step_by(PAGE_SIZE as usize);
        Payload::from(pages.flat_map(|at| self.pages[&(object, at)].clone()).collect::<Vec<u8>>())
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
    fn map(&mut self, task: TaskId, order: MapOrder) -> OrderId {
        self.maps.push((task, order));
        self.order()
    }
    fn unmap(&mut self, _: TaskId, _: u64, _: u64) -> OrderId {
        self.order()
    }
    fn set_protection(&mut self, _: TaskId, _: u64, _: u64, _: Prot) -> OrderId {
        self.order()
    }
}

/// A node with a task that holds a send right to a pager's port.
struct World {
    kernel: Kernel,
    memory: Memory,
    effects: Vec<Effect>,
    task: TaskId,
    space: SpaceId,
    task_self: PortName,
    reply: PortName,
    pager: SpaceId,
    object: PortName,
    now: Time,
}

impl World {
    fn new() -> World {
        World::with(Config::default())
    }

    fn with(config: Config) -> World {
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

    fn call<T>(&mut self, f: impl FnOnce(&mut Kernel, &mut Cx<'_>) -> T) -> T {
        let World { kernel, memory, effects, now, .. } = self;
        f(kernel, &mut Cx { now: *now, pmap: memory, out: effects })
    }

    fn settle(&mut self) {
        self.call(|kernel, cx| kernel.settle(cx));
    }

    fn send(&mut self, space: SpaceId, message: Message<NamedRight>) {
        let (ipc, fx) = self.kernel.ipc_mut();
        ipc.send(space, message, SendOptions::POLL, fx).unwrap();
        self.settle();
    }

    fn receive(&mut self, space: SpaceId, name: PortName) -> Option<Message<NamedRight>> {
        let (ipc, fx) = self.kernel.ipc_mut();
        match ipc.receive(space, name, ReceiveOptions::POLL, fx) {
            Ok(ReceiveOutcome::Message(delivery)) => Some(delivery.message),
            _ => None,
        }
    }

    fn request<Q: SimpleRoutine<NamedRight>>(&mut self, request: Q) {
        self.request_to(self.task_self, request);
    }

    fn request_to<Q: SimpleRoutine<NamedRight>>(&mut self, to: PortName, request: Q) {
        let remote = NamedRight::copy_send(to);
        let local = NamedRight::make_send_once(self.reply);
        let body = request.into_body();
        self.send(self.space, Message { remote, local, id: Q::ID, seqno: 0, trace: TraceId(0), body });
    }

    /// The answer to the last request, once its orders are done.
    fn answer<Q: Routine<NamedRight>>(&mut self) -> Option<Result<Q::Reply, i32>> {
        let message = self.receive(self.space, self.reply)?;
        assert_eq!(message.id, Q::REPLY_ID);
        Some(match code_of(&message.body).expect("an answer opens with its code") {
            0 => Ok(Q::Reply::from_body(message.body).map_err(|bad| bad.error).unwrap()),
            code => Err(code),
        })
    }

    fn rpc<Q: Routine<NamedRight>>(&mut self, request: Q) -> Result<Q::Reply, i32> {
        self.request(request);
        self.do_orders();
        self.answer::<Q>().expect("the request is answered")
    }

    fn do_orders(&mut self) {
        for id in 1..=self.memory.last_order {
            self.call(|kernel, cx| kernel.order_done(OrderId(id), Ok(()), cx));
        }
        self.settle();
    }

    /// Gives the task a send right to the pager's port.
    fn give_object(&mut self) -> PortName {
        let (ipc, fx) = self.kernel.ipc_mut();
        let right = ipc.extract_right(self.pager, self.object, proto::Disposition::MakeSend, fx).unwrap();
        self.kernel.give(self.space, right).unwrap()
    }

    fn map(&mut self, pages: u64, write: bool) -> u64 {
        let object = self.give_object();
        self.rpc(map_request(object, pages, write)).unwrap().address
    }

    fn pager_call<Q: SimpleRoutine<NamedRight>>(&mut self) -> Q {
        let message = self.receive(self.pager, self.object).expect("the pager has a message");
        assert_eq!(message.id, Q::ID, "expected {}", Q::NAME);
        Q::from_body(message.body).map_err(|bad| bad.error).unwrap()
    }

    fn tell_kernel<Q: SimpleRoutine<NamedRight>>(&mut self, control: NamedRight, call: Q) {
        let remote = NamedRight::copy_send(control.name);
        let body = call.into_body();
        self.send(
            self.pager,
            Message { remote, local: NamedRight::NULL, id: Q::ID, seqno: 0, trace: TraceId(0), body },
        );
    }

    /// Maps, and answers `memory_object_init`; the control port as the pager names it.
    fn ready(&mut self, pages: u64, write: bool) -> (u64, NamedRight) {
        let address = self.map(pages, write);
        let init: pager::Init<NamedRight> = self.pager_call();
        assert_eq!(init.memory_object_page_size, PAGE_SIZE);
        self.tell_kernel(init.memory_control, control::Ready { may_cache: false, copy_strategy: 2 });
        (address, init.memory_control)
    }

    fn fault(&mut self, address: u64, write: bool) -> FaultOutcome {
        let fault = Fault { task: self.task, address, kind: FaultKind::Missing, write, trace: TraceId(42) };
        let outcome = self.call(|kernel, cx| kernel.fault(fault, cx));
        self.settle();
        outcome
    }
}

fn map_request(object: PortName, pages: u64, write: bool) -> task::VmMap<NamedRight> {
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

#[test]
fn kern_task_1_port_routines_are_messages_to_the_task_port() {
    let mut w = World::new();
    let name = w.rpc(mach_port::Allocate { right: RightType::Receive as u32 }).unwrap().name;
    assert_eq!(w.rpc(mach_port::Type { name }).unwrap().ptype, RightType::Receive.type_bit());
    assert_eq!(w.rpc(mach_port::GetRefs { name, right: RightType::Send as u32 }).unwrap().refs, 0);
    w.rpc(mach_port::Destroy { name }).unwrap();
    assert_eq!(w.rpc(mach_port::Type { name }), Err(KernReturn::InvalidName.raw()));
    assert_eq!(w.rpc(mach_port::Allocate { right: 9 }).unwrap_err(), KernReturn::InvalidValue.raw());
}

#[test]
fn kern_task_2_what_is_no_routine_is_refused_and_gives_up_its_rights() {
    let mut w = World::new();
    let object = w.give_object();
    let held = w.kernel.ipc.kernel_held();
    for (id, code) in [(2999, proto::MigError::BadId), (task::id::VM_MAP, proto::MigError::BadArguments)] {
        let remote = NamedRight::copy_send(w.task_self);
        let local = NamedRight::make_send_once(w.reply);
        let body = vec![Item::Port(NamedRight::copy_send(object)), Item::Ports(vec![NamedRight::copy_send(object)])];
        w.send(w.space, Message { remote, local, id, seqno: 0, trace: TraceId(0), body: body.into() });
        let answer = w.receive(w.space, w.reply).unwrap();
        assert_eq!((answer.id, &answer.body.items()[..]), (id + 100, &[Item::U32(code.raw() as u32)][..]));
    }
    assert_eq!(w.kernel.ipc.kernel_held(), held);
    w.kernel.ipc.check();
}

#[test]
fn kern_map_1_an_answer_waits_for_its_orders() {
    let mut w = World::new();
    let object = w.give_object();
    w.request(map_request(object, 4, false));
    assert!(w.answer::<task::VmMap<NamedRight>>().is_none(), "the task has not mapped anything yet");
    w.do_orders();
    let address = w.answer::<task::VmMap<NamedRight>>().unwrap().unwrap().address;
    assert!(ARENA.contains(&address));
}

#[test]
fn kern_map_2_a_failed_order_fails_the_call() {
    let mut w = World::new();
    let object = w.give_object();
    w.request(map_request(object, 4, false));
    let order = OrderId(w.memory.last_order);
    w.call(|kernel, cx| kernel.order_done(order, Err(KernReturn::NoSpace), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmMap<NamedRight>>().unwrap().unwrap_err(), KernReturn::NoSpace.raw());
}

#[test]
fn kern_map_3_a_dead_port_maps_nothing() {
    let mut w = World::new();
    let object = w.give_object();
    let (ipc, fx) = w.kernel.ipc_mut();
    ipc.destroy(w.pager, w.object, fx).unwrap();
    w.settle();
    assert_eq!(w.rpc(map_request(object, 4, false)).unwrap_err(), KernReturn::InvalidArgument.raw());
}

#[test]
fn kern_fault_1_a_page_comes_from_the_pager_with_its_trace() {
    let mut w = World::new();
    let (address, control) = w.ready(4, false);
    assert_eq!(w.fault(address + PAGE_SIZE + 5, false), FaultOutcome::Waiting);
    assert_eq!(w.memory.read(w.task, address + PAGE_SIZE), None);
    let message = w.receive(w.pager, w.object).unwrap();
    assert_eq!((message.id, message.trace), (pager::id::DATA_REQUEST, TraceId(42)));
    let request = pager::DataRequest::from_body(message.body).map_err(|bad| bad.error).unwrap();
    assert_eq!((request.offset, request.desired_access), (PAGE_SIZE, Prot::READ.bits()));
    let data = Payload::from(vec![0xab; request.length as usize]);
    let (lock_value, reply_to) = (Prot::WRITE.bits(), NamedRight::NULL);
    w.tell_kernel(control, control::DataSupply { offset: PAGE_SIZE, data, lock_value, precious: false, reply_to });
    assert_eq!(w.memory.read(w.task, address + PAGE_SIZE + 5), Some(0xab));
    assert!(w.effects.iter().any(|e| matches!(e, Effect::FaultDone { trace: TraceId(42), .. })));
}

#[test]
fn kern_fault_2_the_death_of_the_pager_is_an_error_for_who_waits() {
    let mut w = World::new();
    let (address, _) = w.ready(4, false);
    assert_eq!(w.fault(address, false), FaultOutcome::Waiting);
    let (ipc, fx) = w.kernel.ipc_mut();
    ipc.destroy(w.pager, w.object, fx).unwrap();
    w.settle();
    assert_eq!(w.memory.errors, [address]);
    assert_eq!(w.memory.read(w.task, address), None);
    w.fault(address + PAGE_SIZE, false);
    assert_eq!(w.memory.errors, [address, address + PAGE_SIZE]);
}

#[test]
fn kern_msync_1_is_answered_when_the_pager_says_durable() {
    let mut w = World::new();
    let (address, control) = w.ready(1, true);
    w.fault(address, true);
    let request: pager::DataRequest<NamedRight> = w.pager_call();
    let data = Payload::from(vec![1; request.length as usize]);
    w.tell_kernel(
        control,
        control::DataSupply { offset: 0, data, lock_value: 0, precious: false, reply_to: NamedRight::NULL },
    );
    w.request(task::VmMsync { address, size: PAGE_SIZE, sync_flags: 2 });
    let back: pager::DataReturn<NamedRight> = w.pager_call();
    assert!(back.dirty && back.kernel_copy);
    let sync: pager::Synchronize<NamedRight> = w.pager_call();
    assert!(w.answer::<task::VmMsync>().is_none());
    let result = KernReturn::ResourceShortage.raw();
    w.tell_kernel(control, control::SynchronizeCompleted { offset: sync.offset, length: sync.length, result });
    assert_eq!(w.answer::<task::VmMsync>().unwrap(), Err(result));
}

#[test]
fn kern_return_1_what_the_last_unmapping_returns_names_its_kernel() {
    let mut w = World::new();
    let (address, control) = w.ready(1, true);
    w.fault(address, true);
    let request: pager::DataRequest<NamedRight> = w.pager_call();
    let data = Payload::from(vec![1; request.length as usize]);
    let supply = control::DataSupply { offset: 0, data, lock_value: 0, precious: false, reply_to: NamedRight::NULL };
    w.tell_kernel(control, supply);
    w.rpc(task::VmDeallocate { address, size: PAGE_SIZE }).unwrap();
    let back: pager::DataReturn<NamedRight> = w.pager_call();
    assert_eq!(back.memory_control.name, control.name);
    let end: pager::Terminate<NamedRight> = w.pager_call();
    assert_eq!(end.memory_control.name, control.name);
    let before = w.kernel.ipc.ports_len();
    let (ipc, fx) = w.kernel.ipc_mut();
    for name in [control.name, end.memory_object_name.name] {
        ipc.destroy(w.pager, name, fx).unwrap();
    }
    w.settle();
    assert_eq!(w.kernel.ipc.ports_len(), before - 2, "the pager has given both ports back");
    w.kernel.ipc.check();
}

#[test]
fn kern_default_1_anonymous_memory_is_given_to_the_default_pager() {
    let limited = Config { memory_limit_bytes: 64 * PAGE_SIZE, default_pager: true, ..Config::default() };
    let mut w = World::with(limited);
    let (ipc, fx) = w.kernel.ipc_mut();
    let right = ipc.extract_right(w.pager, w.object, proto::Disposition::MakeSend, fx).unwrap();
    w.kernel.set_default_pager(right);
    let before = w.kernel.ipc.ports_len();
    let address = w.rpc(task::VmAllocate { address: 0, size: 60 * PAGE_SIZE, anywhere: true }).unwrap().address;
    let made: default_pager::Create<NamedRight> = w.pager_call();
    assert_eq!((made.new_object_size, made.new_page_size), (60 * PAGE_SIZE, PAGE_SIZE));
    let (object, control) = (made.new_memory_object, made.new_control_port);
    assert_eq!(object.disposition, proto::Disposition::MoveReceive);
    // Filled beyond what there is room for.
    for n in 0..57 {
        w.fault(address + n * PAGE_SIZE, true);
    }
    w.now = Time(w.now.0 + 10_000_000);
    w.call(|kernel, cx| kernel.tick(cx));
    w.settle();
    let back = w.receive(w.pager, object.name).expect("something leaves");
    assert_eq!(back.id, pager::id::DATA_RETURN);
    let ask = w.receive(w.pager, object.name).expect("and a question is behind it");
    let ask = pager::Synchronize::<NamedRight>::from_body(ask.body).map_err(|bad| bad.error).unwrap();
    let (offset, length) = (ask.offset, ask.length);
    w.tell_kernel(control, control::SynchronizeCompleted { offset, length, result: 0 });
    assert_eq!(w.fault(address + offset, false), FaultOutcome::Waiting);
    assert_eq!(w.receive(w.pager, object.name).expect("it is asked for").id, pager::id::DATA_REQUEST);
    w.rpc(task::VmDeallocate { address, size: 60 * PAGE_SIZE }).unwrap();
    assert_eq!(w.receive(w.pager, object.name).expect("its end").id, pager::id::TERMINATE);
    let (ipc, fx) = w.kernel.ipc_mut();
    for name in [object.name, control.name, made.new_name.name] {
        ipc.destroy(w.pager, name, fx).unwrap();
    }
    w.settle();
    assert_eq!(w.kernel.ipc.ports_len(), before, "nothing is left of it");
    w.kernel.ipc.check();
}

#[test]
fn kern_task_3_the_end_of_a_task_leaves_nothing() {
    let mut w = World::new();
    let (address, _) = w.ready(4, false);
    w.fault(address, false);
    let task = w.task;
    w.call(|kernel, cx| kernel.task_gone(task, cx));
    w.settle();
    let ids: Vec<i32> = std::iter::from_fn(|| w.receive(w.pager, w.object)).map(|m| m.id).collect();
    assert_eq!(ids.first(), Some(&pager::id::DATA_REQUEST));
    assert_eq!(ids.last(), Some(&pager::id::TERMINATE));
    assert_eq!(w.kernel.ipc.kernel_held(), 0);
    assert_eq!(w.kernel.object_ports().count(), 0);
    let pager = w.pager;
    let (ipc, fx) = w.kernel.ipc_mut();
    ipc.space_destroy(pager, fx);
    w.settle();
    assert_eq!(w.kernel.ipc.ports_len(), 0);
    w.kernel.ipc.check();
}

#[test]
fn kern_map_4_one_object_for_one_port_and_a_new_one_after_terminate() {
    let mut w = World::new();
    let (first, _) = w.ready(4, false);
    let object = w.give_object();
    let second = w.rpc(map_request(object, 4, false)).unwrap().address;
    assert!(w.receive(w.pager, w.object).is_none(), "no second init for the same port");
    for address in [first, second] {
        w.rpc(task::VmDeallocate { address, size: 4 * PAGE_SIZE }).unwrap();
    }
    let _: pager::Terminate<NamedRight> = w.pager_call();
    w.map(4, false);
    let _: pager::Init<NamedRight> = w.pager_call();
}

#[test]
fn kern_task_1_names_are_chosen_numbered_and_looked_into_by_message() {
    use proto::iface::{mach_debug, mach_port as mp};
    let mut w = World::new();
    let (p, set, chosen) = (0x77_7001, 0x77_7002, 0x77_7003);
    w.rpc(mp::AllocateName { right: RightType::Receive as u32, name: p }).unwrap();
    w.rpc(mp::AllocateName { right: RightType::PortSet as u32, name: set }).unwrap();
    let refused = w.rpc(mp::AllocateName { right: 9, name: 0 });
    assert_eq!(refused.err(), Some(KernReturn::InvalidValue.raw()));
    assert_eq!(w.rpc(mp::Rename { old_name: p, new_name: set }).err(), Some(KernReturn::NameExists.raw()));
    w.rpc(mp::Rename { old_name: p, new_name: chosen }).unwrap();
    w.rpc(mp::SetMscount { name: chosen, mscount: 41 }).unwrap();
    w.rpc(mp::SetSeqno { name: chosen, seqno: 42 }).unwrap();
    w.rpc(mp::SetProtectedPayload { name: chosen, payload: 1 << 40 }).unwrap();
    w.rpc(mp::ClearProtectedPayload { name: chosen }).unwrap();
    w.rpc(mp::MoveMember { member: chosen, after: set }).unwrap();
    assert_eq!(w.rpc(mp::GetSetStatus { name: set }).unwrap().members, [chosen]);
    let status = w.rpc(mp::GetReceiveStatus { name: chosen }).unwrap().status;
    assert_eq!((status.mscount, status.seqno, status.pset), (41, 42, set));
    assert_eq!(w.rpc(mach_debug::GetSrights { name: chosen }).unwrap().srights, 0);
    let requests = w.rpc(mach_debug::DnrequestInfo { name: chosen }).unwrap();
    assert_eq!((requests.total, requests.used), (0, 0));
    let own = w.rpc(mach_debug::KernelObject { name: w.task_self.0 }).unwrap();
    assert_eq!(own.object_type, 2, "a task");
    assert_ne!(own.object_addr, 0);
    let none = w.rpc(mach_debug::KernelObject { name: chosen }).unwrap();
    assert_eq!((none.object_type, none.object_addr), (0, 0));
    assert_eq!(w.rpc(mach_debug::KernelObject { name: set }).err(), Some(KernReturn::InvalidRight.raw()));
}

#[test]
fn kern_thread_1_a_thread_has_a_port_that_dies_with_it() {
    let mut w = World::new();
    let (first, second) = (ThreadId(4), ThreadId(5));
    w.kernel.thread_create(w.task, first).unwrap();
    w.kernel.thread_create(w.task, second).unwrap();
    assert_eq!(w.kernel.thread_create(TaskId(99), ThreadId(6)), Err(KernReturn::InvalidTask));
    let own = w.kernel.thread_self(first).unwrap();
    assert_eq!(w.kernel.thread_self(first), Ok(own), "one more reference under the same name");
    assert_eq!(w.kernel.ipc.get_refs(w.space, own, RightType::Send), Ok(2));
    let threads = w.rpc(task::TaskThreads).unwrap().thread_list;
    assert_eq!(threads.len(), 2);
    assert!(threads.iter().any(|t| t.name == own));
    w.kernel.thread_gone(first);
    w.settle();
    assert_eq!(w.kernel.ipc.port_type(w.space, own), Ok(RightType::DeadName.type_bit()));
    assert_eq!(w.kernel.thread_self(first), Err(KernReturn::InvalidArgument));
    // The rest go with their task.
    let ports = w.kernel.ipc.ports_len();
    let task = w.task;
    w.call(|kernel, cx| kernel.task_gone(task, cx));
    w.settle();
    assert_eq!(w.kernel.ipc.ports_len(), ports - 3, "the second thread's, the task's and the reply port");
}

#[test]
fn kern_thread_2_an_abort_is_told_to_the_shell_and_answered() {
    let mut w = World::new();
    w.kernel.thread_create(w.task, ThreadId(4)).unwrap();
    let own = w.kernel.thread_self(ThreadId(4)).unwrap();
    w.effects.clear();
    w.request_to(own, thread::Abort);
    assert!(w.effects.contains(&Effect::AbortThread(ThreadId(4))), "{:?}", w.effects);
    assert_eq!(w.answer::<thread::Abort>(), Some(Ok(())));
}

#[test]
fn kern_thread_3_the_only_special_port_is_its_own() {
    let mut w = World::new();
    w.kernel.thread_create(w.task, ThreadId(4)).unwrap();
    let own = w.kernel.thread_self(ThreadId(4)).unwrap();
    w.request_to(own, thread::GetSpecialPort { which_port: 1 });
    let port = w.answer::<thread::GetSpecialPort>().unwrap().unwrap().special_port;
    assert_eq!(port.name, own);
    w.request_to(own, thread::GetSpecialPort { which_port: 3 });
    let refused = w.answer::<thread::GetSpecialPort>().unwrap().unwrap_err();
    assert_eq!(refused, KernReturn::InvalidArgument.raw());
}
