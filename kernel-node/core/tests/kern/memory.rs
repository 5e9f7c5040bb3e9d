//! Memory by messages: mapping, and what a task does to its own memory for others.

use kernel_core::vm::{Brought, Errand, OrderId};
use proto::iface::task;
use proto::msg::code_of;
use proto::{KernReturn, Message, NamedRight, PAGE_SIZE, Payload, Prot, SimpleRoutine, TraceId};

use super::world::*;

#[test]
fn vm_map_2_what_is_no_pager_or_no_inheritance_maps_nothing() {
    let mut w = World::new();
    let (object, held) = (w.give_object(), w.kernel.ipc.kernel_held());
    let good = map_request(object, 4, false);
    let invalid = KernReturn::InvalidArgument.raw();
    assert_eq!(w.rpc(task::VmMap { inheritance: 3, ..good }).unwrap_err(), invalid);
    assert_eq!(w.rpc(task::VmMap { cur_protection: 8, ..good }).unwrap_err(), invalid);
    let to_kernel = NamedRight::copy_send(w.task_self);
    assert_eq!(w.rpc(task::VmMap { memory_object: to_kernel, ..good }).unwrap_err(), invalid);
    assert_eq!(w.kernel.ipc.kernel_held(), held);
    w.kernel.ipc.check();
}

#[test]
fn vm_read_1_the_task_reads_for_whoever_asks() {
    let mut w = World::new();
    let base = w.rpc(task::VmAllocate { address: 0, size: 4 * PAGE_SIZE, anywhere: true }).unwrap().address;
    let read = |address, size| task::VmRead { address, size };
    assert_eq!(w.rpc(read(base, 0)).unwrap().data, Payload::default());
    assert_eq!(w.rpc(read(base, 5 * PAGE_SIZE)), Err(KernReturn::InvalidAddress.raw()));
    assert_eq!(w.rpc(read(base, u64::MAX)), Err(KernReturn::InvalidArgument.raw()));
    let none = task::VmProtect { address: base + PAGE_SIZE, size: 1, set_maximum: false, new_protection: 0 };
    w.rpc(none).unwrap();
    assert_eq!(w.rpc(read(base, 4 * PAGE_SIZE)), Err(KernReturn::ProtectionFailure.raw()));
    assert!(w.memory.errands.is_empty());
    let ask = |w: &mut World| {
        w.request(read(base + 5, 100));
        w.memory.errands.pop().expect("an errand")
    };
    let (of, order, errand) = ask(&mut w);
    assert_eq!((of, errand), (w.task, Errand::Read { address: base + 5, size: 100 }));
    assert!(w.answer::<task::VmRead>().is_none(), "not before it is done");
    let brought = |data: Vec<u8>| Brought { memory: data.into(), ..Brought::default() };
    w.call(|kernel, cx| kernel.errand_done(order, Ok(brought(vec![7; 100])), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmRead>().unwrap().unwrap().data, Payload::from(vec![7; 100]));
    for (result, code) in [
        (Ok(brought(vec![7; 99])), KernReturn::Failure),
        (Ok(Brought::default()), KernReturn::Failure),
        (Err(KernReturn::MemoryError), KernReturn::MemoryError),
    ] {
        let (_, order, _) = ask(&mut w);
        w.call(|kernel, cx| kernel.errand_done(order, result, cx));
        w.settle();
        assert_eq!(w.answer::<task::VmRead>(), Some(Err(code.raw())));
        w.call(|kernel, cx| kernel.errand_done(order, Ok(Brought::default()), cx));
        w.settle();
        assert!(w.answer::<task::VmRead>().is_none(), "answered once");
    }
    let (_, order, _) = ask(&mut w);
    w.call(|kernel, cx| kernel.order_done(order, Err(KernReturn::Terminated), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmRead>(), Some(Err(KernReturn::Terminated.raw())));
}

#[test]
fn vm_read_2_an_answer_to_another_node_has_what_a_message_takes() {
    let mut w = World::new();
    let size = 2 * proto::limits::MSG_OOL_BYTES_MAX as u64;
    let base = w.rpc(task::VmAllocate { address: 0, size, anywhere: true }).unwrap().address;
    w.request(task::VmRead { address: base, size });
    assert_eq!(w.memory.errands.len(), 1, "here any size");
    let (ipc, fx) = w.kernel.ipc_mut();
    let to_task = ipc.extract_right(w.space, w.task_self, proto::Disposition::CopySend, fx).unwrap();
    let to_task = w.kernel.give(w.pager, to_task).unwrap();
    let remote = NamedRight::copy_send(to_task);
    let body = SimpleRoutine::<NamedRight>::into_body(task::VmRead { address: base, size });
    let local = NamedRight::make_send_once(w.object);
    w.send(w.pager, Message { remote, local, id: 2026, seqno: 0, trace: TraceId(0), body });
    let answer = w.receive(w.pager, w.object).expect("an answer at once");
    assert_eq!(code_of(&answer.body), Some(KernReturn::NoSpace.raw()));
}

#[test]
fn vm_write_1_whole_pages_are_written_by_the_task() {
    let mut w = World::new();
    let base = w.rpc(task::VmAllocate { address: 0, size: 2 * PAGE_SIZE, anywhere: true }).unwrap().address;
    let data = |pages: usize| Payload::from(vec![7; pages * PAGE_SIZE as usize]);
    let write = |address, data| task::VmWrite { address, data };
    assert_eq!(w.rpc(write(base, Payload::default())), Ok(()));
    assert_eq!(w.rpc(write(base + 1, data(1))), Err(KernReturn::InvalidArgument.raw()));
    assert_eq!(w.rpc(write(base, vec![0; 5].into())), Err(KernReturn::InvalidArgument.raw()));
    assert_eq!(w.rpc(write(base + PAGE_SIZE, data(2))), Err(KernReturn::InvalidAddress.raw()));
    w.request(write(base, data(2)));
    let (_, order, errand) = w.memory.errands.pop().expect("an errand");
    assert_eq!(errand, Errand::Write { address: base, data: data(2) });
    w.call(|kernel, cx| kernel.errand_done(order, Ok(Brought::default()), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmWrite>(), Some(Ok(())));
    let read_only = Prot::READ.bits();
    w.rpc(task::VmProtect { address: base, size: 1, set_maximum: false, new_protection: read_only }).unwrap();
    assert_eq!(w.rpc(write(base, data(1))), Err(KernReturn::ProtectionFailure.raw()));
}

#[test]
fn vm_write_2_a_range_is_written_over_another() {
    let mut w = World::new();
    let base = w.rpc(task::VmAllocate { address: 0, size: 4 * PAGE_SIZE, anywhere: true }).unwrap().address;
    let copy = |from, pages, to| task::VmCopy {
        source_address: base + from * PAGE_SIZE,
        size: pages * PAGE_SIZE,
        dest_address: base + to * PAGE_SIZE,
    };
    assert_eq!(w.rpc(copy(0, 0, 1)), Ok(()));
    assert_eq!(w.rpc(copy(0, 2, 3)), Err(KernReturn::InvalidAddress.raw()));
    assert_eq!(w.rpc(copy(3, 2, 0)), Err(KernReturn::InvalidAddress.raw()));
    let odd = task::VmCopy { source_address: base + 1, size: PAGE_SIZE, dest_address: base };
    assert_eq!(w.rpc(odd), Err(KernReturn::InvalidArgument.raw()));
    w.request(copy(0, 3, 1));
    let (_, order, errand) = w.memory.errands.pop().expect("an errand");
    assert_eq!(errand, Errand::Copy { from: base, size: 3 * PAGE_SIZE, to: base + PAGE_SIZE });
    w.call(|kernel, cx| kernel.errand_done(order, Ok(Brought::default()), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmCopy>(), Some(Ok(())));
}

#[test]
fn vm_copy_10_a_copy_is_answered_when_its_object_is_not_mapped_any_more() {
    let mut w = World::new();
    let object = w.give_object();
    let place = ARENA.start + 0x10000;
    let copy = task::VmMap {
        address: place,
        anywhere: false,
        copy: true,
        cur_protection: 3,
        max_protection: 7,
        ..map_request(object, 4, false)
    };
    let last = |w: &World| OrderId(w.memory.last_order);
    let begin = |w: &mut World| {
        w.request(copy.clone());
        let map = w.memory.maps.last().expect("the object is mapped").1;
        assert!(map.for_errand && map.protection == Prot::READ, "{map:?}");
        let order = last(w);
        (map.address, order)
    };
    let (aside, mapping) = begin(&mut w);
    assert!(w.memory.errands.is_empty(), "not before it is mapped");
    let init: proto::iface::memory_object::Init<NamedRight> = w.pager_call();
    w.call(|kernel, cx| kernel.order_done(mapping, Ok(()), cx));
    let (_, order, errand) = w.memory.errands.pop().expect("an errand");
    let Errand::MapCopy { from, size, how } = errand else { panic!("{errand:?}") };
    assert_eq!((from, size, how.address, how.anywhere), (aside, 4 * PAGE_SIZE, place, false));
    assert_eq!((how.protection.bits(), how.max_protection.bits(), how.inheritance as u32), (3, 7, 2));
    let brought = Brought { address: place, ..Brought::default() };
    w.call(|kernel, cx| kernel.errand_done(order, Ok(brought), cx));
    w.settle();
    assert!(w.answer::<task::VmMap<NamedRight>>().is_none(), "not before it is unmapped");
    let unmapping = last(&w);
    w.call(|kernel, cx| kernel.order_done(unmapping, Ok(()), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmMap<NamedRight>>().unwrap().unwrap().address, place);
    let gone: proto::iface::memory_object::Terminate<NamedRight> = w.pager_call();
    assert_eq!(gone.memory_control.name, init.memory_control.name);
    // What the task could not do is the answer.
    for code in [KernReturn::MemoryError, KernReturn::NoSpace] {
        let (_, mapping) = begin(&mut w);
        w.call(|kernel, cx| kernel.order_done(mapping, Ok(()), cx));
        let (_, order, _) = w.memory.errands.pop().expect("an errand");
        w.call(|kernel, cx| kernel.errand_done(order, Err(code), cx));
        w.do_orders();
        assert_eq!(w.answer::<task::VmMap<NamedRight>>().unwrap().map(drop), Err(code.raw()));
    }
    let (_, mapping) = begin(&mut w);
    w.call(|kernel, cx| kernel.order_done(mapping, Err(KernReturn::ResourceShortage), cx));
    w.settle();
    assert_eq!(w.answer::<task::VmMap<NamedRight>>().unwrap().map(drop), Err(KernReturn::ResourceShortage.raw()));
    assert!(w.memory.errands.is_empty());
    // The task ends meanwhile.
    let (_, mapping) = begin(&mut w);
    w.call(|kernel, cx| kernel.order_done(mapping, Ok(()), cx));
    let (_, order, _) = w.memory.errands.pop().expect("an errand");
    w.call(|kernel, cx| kernel.order_done(order, Err(KernReturn::Terminated), cx));
    w.do_orders();
    assert_eq!(w.answer::<task::VmMap<NamedRight>>().unwrap().map(drop), Err(KernReturn::Terminated.raw()));
    // What is refused is refused at once; and nothing is no object.
    for (bad, code) in [
        (task::VmMap { address: 0, ..copy }, KernReturn::InvalidAddress),
        (task::VmMap { mask: 0xffff_ffff, ..copy }, KernReturn::NoSpace),
        (task::VmMap { size: 0, ..copy }, KernReturn::InvalidArgument),
        (task::VmMap { offset: 1, ..copy }, KernReturn::InvalidArgument),
        (task::VmMap { cur_protection: 8, ..copy }, KernReturn::InvalidArgument),
        (task::VmMap { memory_object: NamedRight::copy_send(w.task_self), ..copy }, KernReturn::InvalidArgument),
    ] {
        assert_eq!(w.rpc(bad.clone()).map(drop), Err(code.raw()), "{bad:?}");
    }
    assert_eq!(w.rpc(task::VmMap { memory_object: NamedRight::NULL, ..copy }).unwrap().address, place);
    assert!(w.memory.errands.is_empty());
    w.kernel.ipc.check();
}
