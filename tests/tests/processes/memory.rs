//! Memory by Mach's calls from Rust: allocated, protected, inherited, and looked at, the own task's and another's.

use std::time::{Duration, Instant};

use mach::proto::iface::{host_vm, task};
use mach::proto::{Inherit, KernReturn, NamedRight, PortName, Prot};
use mach::{AttachOptions, MapError, Outgoing, ReceiveRight, Region, Task};
use mach_tests::processes::Nodes;
use mach_tests::wait_until;

use crate::{PAGE, contents};

/// How long the end of a task may take to be known on another node.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const P: u64 = PAGE as u64;
const RW: Prot = Prot::READ.union(Prot::WRITE);

/// Address, bytes, protection and inheritance of what a task has mapped.
fn shown(asker: &Task, of: impl mach::Destination) -> Vec<(u64, u64, Prot, Inherit)> {
    let regions: Result<Vec<_>, _> = asker.regions(of).collect();
    regions.expect("the task lives").iter().map(|r| (r.address, r.size, r.protection, r.inheritance)).collect()
}

#[test]
fn allocated_memory_is_protected_inherited_and_given_back() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let memory = task.allocate(3 * P + 5).expect("there is memory");
    assert_eq!((memory.len(), memory.address() % P), (3 * P + 5, 0));
    memory.write_at(3 * P, b"hello").expect("it is writable");
    let mut bytes = [1; 6];
    memory.read_at(3 * P - 1, &mut bytes).expect("it is readable");
    assert_eq!(&bytes, b"\0hello");
    memory.write_at(3 * P, b"beyond").expect_err("longer than it is");
    let at = memory.address();
    assert_eq!(shown(&task, task.task_self()), [(at, 4 * P, RW, Inherit::Copy)]);

    memory.protect(P + 7..P + 8, Prot::READ).expect("within the maximum");
    memory.write_at(P, b"x").expect_err("it is read-only");
    memory.write_at(2 * P, b"x").expect("that page is not");
    memory.inherit(2 * P..u64::MAX, Inherit::Share).expect("a good value");
    let read_only = (at + P, P, Prot::READ, Inherit::Copy);
    let expected = [(at, P, RW, Inherit::Copy), read_only, (at + 2 * P, 2 * P, RW, Inherit::Share)];
    assert_eq!(shown(&task, task.task_self()), expected);
    memory.protect(0..memory.len(), RW).expect("within the maximum");
    memory.write_at(P, b"x").expect("it is writable again");
    drop(memory);
    assert_eq!(shown(&task, task.task_self()), []);

    assert!(matches!(task.allocate(0), Err(MapError::OutOfRange { .. })));
    let huge = task.allocate(1 << 60).expect_err("no address space has so much");
    assert!(matches!(&huge, MapError::Rpc(error) if error.kern() == Some(KernReturn::NoSpace)), "{huge}");
    let options = AttachOptions { socket: Some(nodes.socket(1)), token: Some(0), memory: false };
    let without = Task::attach(options).expect("a task");
    assert!(matches!(without.allocate(1), Err(MapError::NoMemory)));
}

/// `cargo nextest run -p mach-tests --run-ignored only filling_large_memory --no-capture`, with and without the line of
/// `mach doctor`.
#[test]
#[ignore = "measures"]
fn filling_large_memory() {
    const BYTES: u64 = 256 << 20;
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let permitted = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    println!("{}", permitted.unwrap_or_default().trim());
    let piece = vec![1; 1 << 20];
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let memory = task.allocate(BYTES).expect("there is memory");
            let began = Instant::now();
            (0..BYTES).step_by(piece.len()).for_each(|at| memory.write_at(at, &piece).expect("it is writable"));
            began.elapsed()
        })
        .collect();
    println!("{times:?}");
    times.sort_unstable();
    println!("256 MiB filled in {:?}, {:?} to {:?}", times[4], times[0], times[8]);
}

#[test]
fn an_object_shows_its_name_and_a_task_of_another_node_its_regions() {
    let nodes = Nodes::start(2);
    let bytes = contents(8 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let (near, far) = (nodes.task(1), nodes.task(2));
    let object = far.look_up("data", "*").expect("it is exported");
    let options = mach::MapOptions { offset: 2 * P, len: Some(3 * P), ..mach::MapOptions::default() };
    let (one, two) = (far.map(&object, options).expect("mapped"), far.map(&object, options).expect("mapped"));
    let zero = far.allocate(P).expect("there is memory");

    // The near task names the far one by a right that it looked up.
    let far_self = NamedRight::copy_send(far.task_self());
    far.check_in("far", far_self, far_self).expect("the name is free");
    let named = near.look_up("far", "*").expect("it is checked in");
    let regions: Vec<Region> = near.regions(&named).collect::<Result<_, _>>().expect("the task lives");
    let places: Vec<(u64, u64)> = regions.iter().map(|r| (r.address, r.size)).collect();
    let mut expected: Vec<(u64, u64)> = [&one, &two, &zero].map(|m| (m.address(), m.len())).into();
    expected.sort_unstable();
    assert_eq!(places, expected);
    let at = |m: &mach::Mapping| regions.iter().find(|r| r.address == m.address()).expect("just found");
    assert_eq!((at(&one).offset, at(&one).protection, at(&one).max_protection), (2 * P, Prot::READ, Prot::READ));
    assert_eq!((at(&zero).offset, at(&zero).protection, at(&zero).max_protection), (0, RW, Prot::all()));
    let name = |m| at(m).object.as_ref().map(mach::SendRight::name);
    assert!(name(&one).is_some() && name(&one) == name(&two), "one object has one name");
    assert_eq!(name(&zero), None);

    // What is asked of the far task's port works from here, too; its host port is another.
    near.rpc(&named, task::VmInherit { address: zero.address(), size: P, new_inheritance: 2 }).expect("a good value");
    assert_eq!(shown(&far, far.task_self()).iter().filter(|r| r.3 == Inherit::None).count(), 1);
    assert!(near.rpc(&named, task::VmStatistics).expect("it counts").vm_stats.lookups >= 2);
    let wire = |to: PortName, task: NamedRight| {
        let request = host_vm::VmWire { task, address: zero.address(), size: P, access: RW.bits() };
        far.rpc(&to, request)
    };
    wire(far.host(), far_self).expect("it is small");
    assert_eq!(far.rpc(&far.task_self(), task::VmStatistics).expect("it counts").vm_stats.wire_count, 1);
    let elsewhere = near.rpc(&near.host(), host_vm::VmWireAll { task: named.copied(), flags: 0 });
    assert_eq!(elsewhere.expect_err("another node's").kern(), Some(KernReturn::InvalidTask));

    drop(far);
    drop((one, two, zero, object));
    let gone = wait_until(GONE_WITHIN, "the end of the task", || near.regions(&named).next().and_then(Result::err));
    assert!(gone.is_dead(), "{gone}");
}

/// Freezing the rest for the child maps all of it anew.
#[test]
fn vm_inherit_3_a_part_is_withheld_though_the_rest_is_copied() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let memory = task.allocate(8 * P).expect("there is memory");
    memory.inherit(0..2 * P, Inherit::None).expect("a good value");
    for round in 1..4 {
        memory.write_at(0, &[round; 8 * PAGE]).expect("its own");
        let answer = sys::forked::run(|| {
            let byte = |page: u64| {
                let mut byte = [0];
                memory.read_at(page * P, &mut byte).ok().map(|()| byte[0])
            };
            let expected = |page: u64| if page < 2 { None } else { Some(round) };
            (0..8).filter(|page| byte(*page) != expected(*page)).count() as u8
        });
        assert_eq!(answer.expect("a child"), Some(0), "pages that are not as they should be, round {round}");
    }
}

/// Addresses that one thread gives back are another's only when they are unmapped.
#[test]
fn vm_order_1_threads_that_allocate_and_give_back_do_not_disturb_each_other() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let task = &task;
            scope.spawn(move || {
                for round in 0..400u32 {
                    let memory = task.allocate(16 * P).expect("there is memory");
                    let bytes = [&[thread][..], &round.to_le_bytes()].concat();
                    memory.write_at(15 * P, &bytes).expect("it is its own");
                    let mut seen = vec![0; bytes.len()];
                    memory.read_at(15 * P, &mut seen).expect("it is its own");
                    assert_eq!(seen, bytes);
                }
            });
        }
    });
    assert_eq!(shown(&task, task.task_self()), []);
}

/// Bytes of memory of a node's own that Linux has given it, without files.
fn own_bytes(nodes: &Nodes, number: usize) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", nodes.pid(number))).expect("a node of ours");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Large messages to another node pass through memory of both nodes, which do not keep it.
#[test]
fn memory_of_large_messages_is_given_back() {
    let nodes = Nodes::start(2);
    let (sender, receiver) = (nodes.task(1), nodes.task(2));
    let port = ReceiveRight::allocate(&receiver).expect("a port");
    receiver.check_in("large", NamedRight::NULL, port.made_send()).expect("the name is free");
    let right = sender.look_up("large", "*").expect("the name is known");
    let memory = sender.allocate(60 << 20).expect("memory");
    memory.write_at(0, &contents(60 << 20)).expect("its own");
    let before = [1, 2].map(|number| own_bytes(&nodes, number));
    for round in 0..6u8 {
        memory.write_at(0, &[round]).expect("its own");
        let copy = sender.freeze(memory.address(), memory.len()).expect("a copy");
        Outgoing::new(&right, 7).memory(copy).send(&sender).expect("room in the queue");
        let mut got = port.receive(Some(Duration::from_secs(60))).expect("a message").items().expect("typed");
        assert_eq!(got.memory().expect("memory").slice(0, 1).to_bytes()[0], round);
    }
    wait_until(Duration::from_secs(20), "the memory is given back", || {
        let after = [1, 2].map(|number| own_bytes(&nodes, number));
        after.iter().zip(before).all(|(after, before)| *after < before + (8 << 20)).then_some(())
    });
}

/// Each piece of memory takes the node a descriptor or two; the last eighth of them is kept for connections.
#[test]
fn whoever_comes_is_heard_when_tasks_have_taken_all_memory_that_they_may() {
    let nodes = Nodes::start(1);
    let limited =
        std::process::Command::new("prlimit").args(["--nofile=400", "--pid"]).arg(nodes.pid(1).to_string()).status();
    assert!(limited.expect("util-linux").success());
    let greedy = nodes.task(1);
    let mut all = Vec::new();
    let refused = loop {
        match greedy.allocate(2 * PAGE as u64) {
            Ok(memory) => all.push(memory),
            Err(error) => break error,
        }
        assert!(all.len() < 400, "nothing was refused");
    };
    assert!(refused.to_string().contains("ResourceShortage") || format!("{refused:?}").contains("ResourceShortage"));
    let newcomer = nodes.task(1);
    let port = ReceiveRight::allocate(&newcomer).expect("a port");
    newcomer.check_in("newcomer", NamedRight::NULL, port.made_send()).expect("the name is free");
    all.truncate(100);
    newcomer.allocate(PAGE as u64).expect("there is room again");
    nodes.assert_up(1);
}
