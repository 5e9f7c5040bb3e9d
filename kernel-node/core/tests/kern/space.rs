//! Whole address spaces by messages, and tasks made from others.

use kernel_core::kern::{Creation, Effect};
use kernel_core::vm::{Brought, Errand, OrderId, Ready};
use proto::iface::task;
use proto::limits::FORK_PARTS_MAX;
use proto::space::{self, Shows};
use proto::{Inherit, KernReturn, NamedRight, PAGE_SIZE, Payload, PortName, Prot, Routine};

use super::world::*;

fn bytes(pages: u64) -> Payload {
    vec![7; (pages * PAGE_SIZE) as usize].into()
}

/// The task's last errand: its order, and the ranges that it is to collect.
fn collection(w: &mut World) -> (OrderId, Vec<(u64, u64, bool)>) {
    let (of, order, errand) = w.memory.errands.pop().expect("an errand");
    let Errand::Collect { ranges } = errand else { panic!("{errand:?}") };
    assert_eq!(of, w.task);
    (order, ranges.into_iter().map(|r| (r.range.start, (r.range.end - r.range.start) / PAGE_SIZE, r.share)).collect())
}

fn done(w: &mut World, order: OrderId, result: Result<Brought, KernReturn>) -> Option<(Creation, Brought)> {
    w.call(|kernel, cx| kernel.errand_done(order, result, cx))
}

#[test]
fn vm_space_1_a_space_is_a_layout_the_bytes_and_the_objects() {
    let mut w = World::new();
    assert_eq!(space::regions(&w.rpc(task::VmReadSpace).unwrap().space), Some(vec![]), "of nothing");
    let object = w.give_object();
    let shown = w.rpc(map_request(object, 4, true)).unwrap().address;
    let base = w.rpc(task::VmAllocate { address: 0, size: 4 * PAGE_SIZE, anywhere: true }).unwrap().address;
    let next = w.rpc(task::VmAllocate { address: base + 4 * PAGE_SIZE, size: PAGE_SIZE, anywhere: false });
    assert_eq!(next.map(|r| r.address), Ok(base + 4 * PAGE_SIZE));
    w.rpc(task::VmProtect { address: base, size: 1, set_maximum: false, new_protection: 0 }).unwrap();
    w.rpc(task::VmInherit { address: base + 4 * PAGE_SIZE, size: 1, new_inheritance: 2 }).unwrap();
    let held = w.kernel.ipc.kernel_held();

    w.request(task::VmReadSpace);
    let (order, ranges) = collection(&mut w);
    let parts = [(base, 1, false), (base + PAGE_SIZE, 3, false), (base + 4 * PAGE_SIZE, 1, false)];
    assert_eq!(ranges, parts);
    // The second could not be had.
    let range = |n: usize| parts[n].0..parts[n].0 + parts[n].1 * PAGE_SIZE;
    let brought = Brought { memory: bytes(2), left_out: vec![range(1)], address: 0 };
    assert!(done(&mut w, order, Ok(brought)).is_none());
    w.settle();
    let reply = w.answer::<task::VmReadSpace>().unwrap().unwrap();
    assert_eq!(reply.objects.len(), 1);
    let mut regions = space::regions(&reply.space).unwrap();
    let object = regions.iter().position(|r| r.address == shown).map(|at| regions.remove(at)).unwrap();
    assert_eq!((object.size, object.shows), (4 * PAGE_SIZE, Shows::Object(0, 0)));
    let shows: Vec<_> = regions.iter().map(|r| (r.address, r.size / PAGE_SIZE, r.protection, r.shows)).collect();
    let rw = Prot::READ | Prot::WRITE;
    assert_eq!(
        shows,
        [
            (base, 1, Prot::empty(), Shows::Bytes(PAGE_SIZE)),
            (base + PAGE_SIZE, 3, rw, Shows::Nothing),
            (base + 4 * PAGE_SIZE, 1, rw, Shows::Bytes(2 * PAGE_SIZE)),
        ]
    );
    assert_eq!(regions[2].inheritance, Inherit::None);
    assert_eq!(reply.space.len() as u64, 3 * PAGE_SIZE);
    assert_eq!(w.kernel.ipc.kernel_held(), held, "the object's right is the asker's");

    // Fewer bytes than were asked for are no space.
    let beyond = base + 9 * PAGE_SIZE..base + 10 * PAGE_SIZE;
    for (pages, left_out) in
        [(4, vec![]), (6, vec![]), (5, vec![range(0)]), (5, vec![range(0), range(0), beyond.clone()])]
    {
        w.request(task::VmReadSpace);
        let (order, _) = collection(&mut w);
        done(&mut w, order, Ok(Brought { memory: bytes(pages), left_out, address: 0 }));
        w.settle();
        assert_eq!(w.answer::<task::VmReadSpace>().unwrap().err(), Some(KernReturn::Failure.raw()));
    }
    w.kernel.ipc.check();
}

#[test]
fn vm_space_3_memory_of_a_message_is_mapped_by_the_task() {
    let mut w = World::new();
    let good = task::VmMapMemory {
        address: 5 * PAGE_SIZE,
        mask: 0,
        anywhere: true,
        data: bytes(2),
        cur_protection: 1,
        max_protection: 3,
        inheritance: 0,
    };
    let invalid = KernReturn::InvalidArgument.raw();
    for bad in [
        task::VmMapMemory { data: Payload::default(), ..good.clone() },
        task::VmMapMemory { cur_protection: 4, ..good.clone() },
        task::VmMapMemory { max_protection: 11, ..good.clone() },
        task::VmMapMemory { inheritance: 3, ..good.clone() },
    ] {
        assert_eq!(w.rpc(bad).unwrap_err(), invalid);
    }
    w.request(good.clone());
    let (_, order, errand) = w.memory.errands.pop().expect("an errand");
    let Errand::Map { data, how } = errand else { panic!("{errand:?}") };
    assert_eq!((how.address, how.anywhere, data, how.max_protection.bits()), (5 * PAGE_SIZE, true, bytes(2), 3));
    done(&mut w, order, Ok(Brought { address: 42, ..Brought::default() }));
    w.settle();
    assert_eq!(w.answer::<task::VmMapMemory>().unwrap().unwrap().address, 42);
    w.request(good);
    let (_, order, _) = w.memory.errands.pop().expect("an errand");
    done(&mut w, order, Err(KernReturn::NoSpace));
    w.settle();
    assert_eq!(w.answer::<task::VmMapMemory>().unwrap().err(), Some(KernReturn::NoSpace.raw()));
}

#[test]
fn vm_inherit_7_of_more_than_can_be_asked_for_no_task_is_made() {
    let mut w = World::new();
    let base = w.rpc(task::VmAllocate { address: 0, size: PAGE_SIZE, anywhere: true }).unwrap().address;
    let mut parts = 1;
    let mut create = |w: &mut World, wanted: usize| {
        for n in parts..wanted as u64 {
            let address = base + 2 * n * PAGE_SIZE;
            w.rpc(task::VmAllocate { address, size: PAGE_SIZE, anywhere: false }).unwrap();
        }
        parts = wanted as u64;
        w.request(task::TaskCreate { inherit_memory: true });
        w.settle();
    };
    create(&mut w, FORK_PARTS_MAX - 1);
    assert_eq!(collection(&mut w).1.len(), FORK_PARTS_MAX - 1);
    create(&mut w, FORK_PARTS_MAX);
    assert!(w.memory.errands.is_empty());
    assert_eq!(w.answer::<task::TaskCreate>().unwrap().err(), Some(KernReturn::ResourceShortage.raw()));
}

/// What a process would have to do is refused for a task that has none.
fn nobody_is_asked_for(w: &mut World, task: PortName, address: u64) {
    fn refused<Q: Routine<NamedRight>>(w: &mut World, task: PortName, request: Q) {
        w.request_to(task, request);
        w.settle();
        assert_eq!(w.answer::<Q>().expect("an answer").err(), Some(KernReturn::InvalidTask.raw()));
        assert!(w.memory.errands.is_empty());
    }
    let size = PAGE_SIZE;
    refused(w, task, task::VmRead { address, size });
    refused(w, task, task::VmWrite { address, data: bytes(1) });
    refused(w, task, task::VmCopy { source_address: address, size, dest_address: address + size });
    refused(w, task, task::VmReadSpace {});
    refused(w, task, task::TaskCreate { inherit_memory: true });
}

#[test]
fn vm_inherit_7_a_created_task_has_what_its_parent_brings() {
    let mut w = World::new();
    let base = w.rpc(task::VmAllocate { address: 0, size: 4 * PAGE_SIZE, anywhere: true }).unwrap().address;
    w.rpc(task::VmInherit { address: base, size: PAGE_SIZE, new_inheritance: 2 }).unwrap();
    w.rpc(task::VmInherit { address: base + PAGE_SIZE, size: PAGE_SIZE, new_inheritance: 0 }).unwrap();
    let tasks = |w: &World| w.kernel.tasks().count();
    let before = tasks(&w);
    w.rpc(task::TaskCreate { inherit_memory: false }).unwrap();
    assert_eq!(tasks(&w), before + 1);
    assert!(w.memory.errands.is_empty() && w.effects.iter().any(|e| matches!(e, Effect::Created(_))));

    w.request(task::TaskCreate { inherit_memory: true });
    let (order, ranges) = collection(&mut w);
    assert_eq!(ranges, [(base + 2 * PAGE_SIZE, 2, false)], "what is shared is there");
    let (creation, _) =
        done(&mut w, order, Ok(Brought { memory: bytes(2), ..Brought::default() })).expect("a step to take");
    let range = base + 2 * PAGE_SIZE..base + 4 * PAGE_SIZE;
    assert!(creation.brought(&[]).eq([range.clone()]));
    assert_eq!(creation.brought(std::slice::from_ref(&range)).count(), 0);
    // A part of it.
    let middle = base + 3 * PAGE_SIZE..base + 4 * PAGE_SIZE;
    assert!(creation.brought(&[base..range.start, middle]).eq(std::iter::once(range.start..range.start + PAGE_SIZE)));
    let object = w.call(|kernel, cx| kernel.vm_call(cx, |vm, _| vm.object_frozen(2))).unwrap();
    let ready = [Ready { range, copy: Some((object, 0)) }];
    w.call(|kernel, cx| kernel.task_create_inheriting(creation, &ready, cx));
    w.settle();
    let created = w.answer::<task::TaskCreate>().unwrap().unwrap();
    let Some(Effect::Created(child)) = w.effects.iter().rfind(|e| matches!(e, Effect::Created(_))) else { panic!() };
    let child = *child;
    let of_child = |w: &World| w.kernel.vm().region_stats(child, 0).map(|r| r.map(|r| r.region.address).collect());
    assert_eq!(of_child(&w), Ok(vec![base + PAGE_SIZE, base + 2 * PAGE_SIZE]));
    nobody_is_asked_for(&mut w, created.child_task.name, base + 2 * PAGE_SIZE);
    // Gone before a process came.
    w.call(|kernel, cx| kernel.task_gone(child, cx));
    w.settle();
    assert_eq!(of_child(&w), Err::<Vec<u64>, _>(KernReturn::InvalidTask));

    // A parent that ends meanwhile, and one that says nonsense.
    w.request(task::TaskCreate { inherit_memory: true });
    let (order, _) = collection(&mut w);
    let (creation, _) = done(&mut w, order, Ok(Brought::default())).expect("a step to take");
    w.call(|kernel, cx| kernel.creation_failed(creation, KernReturn::Failure, cx));
    w.settle();
    assert_eq!(w.answer::<task::TaskCreate>().unwrap().err(), Some(KernReturn::Failure.raw()));
    w.request(task::TaskCreate { inherit_memory: true });
    let (order, _) = collection(&mut w);
    w.call(|kernel, cx| kernel.order_done(order, Err(KernReturn::Terminated), cx));
    w.settle();
    assert_eq!(w.answer::<task::TaskCreate>().unwrap().err(), Some(KernReturn::Terminated.raw()));
    w.kernel.ipc.check();
    w.kernel.vm().check().unwrap();
}
