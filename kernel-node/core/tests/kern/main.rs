//! Tasks and memory objects seen from outside: everything goes by messages, as a task and a pager would send them.

mod memory;
mod space;
mod world;

use kernel_core::kern::{Effect, ThreadId};
use kernel_core::vm::{Config, FaultOutcome, OrderId};
use kernel_core::{TaskId, Time};
use proto::iface::{
    mach_port, memory_object as pager, memory_object_control as control, memory_object_default as default_pager, task,
    thread,
};
use proto::msg::code_of;
use proto::{Item, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, Prot, RightType, SimpleRoutine, TraceId};

use world::*;

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
fn kern_vm_1_attributes_and_counts_go_by_messages() {
    let mut w = World::new();
    let (address, _) = w.ready(4, false);
    w.rpc(task::VmInherit { address, size: PAGE_SIZE, new_inheritance: 0 }).unwrap();
    let region = w.rpc(task::VmRegion { address }).unwrap();
    assert_eq!((region.inheritance, region.size), (0, PAGE_SIZE));
    let wrong = task::VmInherit { address, size: PAGE_SIZE, new_inheritance: 7 };
    assert_eq!(w.rpc(wrong).unwrap_err(), KernReturn::InvalidArgument.raw());
    let counts = w.rpc(task::VmStatistics).unwrap().vm_stats;
    assert_eq!((counts.pagesize, counts.free_count, counts.lookups, counts.hits), (4096, 1000, 1, 0));
    let attribute = task::VmMachineAttribute { address, size: PAGE_SIZE, attribute: 1, value: 2 };
    assert_eq!(w.rpc(attribute).unwrap_err(), KernReturn::InvalidAddress.raw());
    // Wired through the host port, which names the task by a right.
    let task = w.kernel.task_named(w.space, w.task_self).unwrap();
    assert_eq!(task, w.task);
    assert_eq!(w.kernel.task_named(w.space, w.reply), None);
    let orders = w.call(|kernel, cx| kernel.vm_wire(task, address, 2 * PAGE_SIZE, Prot::READ.bits(), cx)).unwrap();
    let (ipc, fx) = w.kernel.ipc_mut();
    let right = ipc.extract_right(w.space, w.reply, proto::Disposition::MakeSendOnce, fx).unwrap();
    let name = w.kernel.give(w.pager, right).unwrap();
    let remote = NamedRight { name, disposition: proto::Disposition::MoveSendOnce };
    w.kernel.answer_after(orders, w.pager, remote, 2636, TraceId(0));
    w.settle();
    assert!(w.receive(w.space, w.reply).is_none(), "the task has not done its part");
    w.do_orders();
    assert_eq!(w.receive(w.space, w.reply).map(|m| (m.id, code_of(&m.body))), Some((2736, Some(0))));
    assert_eq!(w.rpc(task::VmStatistics).unwrap().vm_stats.wire_count, 2);
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
