//! Maps of thousands of entries: what one call does to all of them, in the own task and in another's.

use std::time::Duration;

use mach::proto::iface::{host_vm, task as idl};
use mach::proto::limits::MAP_ENTRIES_MAX;
use mach::proto::{KernReturn, NamedRight, Payload, PortName, Prot};
use mach::{Mapping, Outgoing, ReceiveRight, RpcError, Task};
use mach_tests::processes::Nodes;

use crate::{PAGE, contents};

const P: u64 = PAGE as u64;
const RW: Prot = Prot::READ.union(Prot::WRITE);
/// More orders than one record has room for, or the queue of a socket.
const ENTRIES: u64 = 5000;

/// Who has ranges of a task changed, and the port of that task.
struct Asker<'a> {
    task: &'a Task,
    of: PortName,
}

impl Asker<'_> {
    fn protect(&self, address: u64, size: u64, new: Prot) -> Result<(), RpcError> {
        let request = idl::VmProtect { address, size, set_maximum: false, new_protection: new.bits() };
        self.task.rpc(&self.of, request).map(drop)
    }

    fn deallocate(&self, address: u64, size: u64) -> Result<(), RpcError> {
        self.task.rpc(&self.of, idl::VmDeallocate { address, size }).map(drop)
    }

    fn wire(&self, address: u64, size: u64, access: Prot) -> Result<(), RpcError> {
        let task = NamedRight::copy_send(self.of);
        let request = host_vm::VmWire { task, address, size, access: access.bits() };
        self.task.rpc(&self.task.host(), request).map(drop)
    }
}

/// Bytes of a process's memory that Linux keeps locked.
fn locked_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is ours");
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("the kernel says");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Whether each page of the memory can be written to as expected.
fn writable(memory: &Mapping, expected: impl Fn(u64) -> bool) {
    for page in 0..memory.len() / P {
        assert_eq!(memory.write_at(page * P, b"x").is_ok(), expected(page), "page {page}");
    }
}

/// Each call is about thousands of entries, each of which is an order to the task.
fn one_call_for_all(owner: &Task, asker: &Asker<'_>) {
    let memory = owner.allocate(2 * ENTRIES * P).expect("memory");
    let (at, all) = (memory.address(), 2 * ENTRIES * P);
    for page in (0..2 * ENTRIES).step_by(2) {
        memory.protect(page * P..(page + 1) * P, Prot::READ).expect("within the maximum");
    }
    writable(&memory, |page| page % 2 == 1);
    asker.protect(at, all, Prot::READ).expect("one call for all");
    writable(&memory, |_| false);
    asker.protect(at, all, RW).expect("and back");
    writable(&memory, |_| true);

    // As many as may be wired, each second one already.
    let (pages, before) = (2000, locked_bytes());
    for page in (0..pages).step_by(2) {
        asker.wire(at + page * P, P, RW).expect("within the bound");
    }
    asker.wire(at, pages * P, RW).expect("the others in one call");
    assert_eq!(locked_bytes() - before, pages * P);
    asker.wire(at, pages * P, Prot::empty()).expect("no more");
    assert_eq!(locked_bytes(), before);
    let refused = asker.wire(at, all, RW).expect_err("more than may be wired");
    assert_eq!(refused.kern(), Some(KernReturn::NoAccess));

    for page in (0..2 * ENTRIES).step_by(2) {
        asker.deallocate(at + page * P, P).expect("a hole");
    }
    asker.deallocate(at, all).expect("one call for what is left");
    let left = owner.regions(owner.task_self()).collect::<Result<Vec<_>, _>>().expect("a map");
    assert!(left.is_empty(), "{} regions", left.len());
    let _ = memory.into_raw();
    // The addresses are free, and the connections work.
    let again = owner.allocate(all).expect("memory");
    assert_eq!(again.address(), at);
}

#[test]
fn vm_order_4_one_call_gives_its_own_thread_thousands_of_orders() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    one_call_for_all(&task, &Asker { task: &task, of: task.task_self() });
}

#[test]
fn vm_order_4_one_call_gives_the_agent_of_another_task_thousands_of_orders() {
    let nodes = Nodes::start(1);
    let (owner, other) = (nodes.task(1), nodes.task(1));
    let own = NamedRight::copy_send(owner.task_self());
    owner.check_in("owner", own, own).expect("the name is free");
    let port = other.look_up("owner", "").expect("it is checked in");
    one_call_for_all(&owner, &Asker { task: &other, of: port.name() });
}

/// What the second task gets of a copy that the first sends it.
fn passed(from: &Task, to: &Task, copy: Payload) -> Payload {
    let port = ReceiveRight::allocate(to).expect("a port");
    to.check_in("pieces", NamedRight::NULL, port.made_send()).expect("the name is free");
    let right = from.look_up("pieces", "").expect("the name is known");
    Outgoing::new(&right, 7).memory(copy).send(from).expect("room in the queue");
    let message = port.receive(Some(Duration::from_secs(10))).expect("a message");
    message.items().expect("typed").memory().expect("memory")
}

/// The lengths of the files that memory lies in.
fn files(memory: &Payload) -> Vec<u64> {
    let stores = memory.chunks().iter().map(|chunk| chunk.stored().expect("frozen memory").0);
    let mut files: Vec<_> = stores.map(|store| store.clone().downcast::<sys::Frozen>().expect("a file")).collect();
    files.sort_by_key(|file| file.id());
    files.dedup_by_key(|file| file.id());
    files.iter().map(|file| file.size()).collect()
}

#[test]
fn vm_copy_8_what_was_written_here_and_there_is_sent_without_the_rest() {
    const WRITTEN: u64 = 3000;
    let nodes = Nodes::start(1);
    let (sender, receiver) = (nodes.task(1), nodes.task(1));
    let mut bytes = contents((3 * WRITTEN * P) as usize);
    let size = bytes.len() as u64;
    let memory = sender.allocate(size).expect("memory");
    memory.write_at(0, &bytes).expect("its own");
    let copy = || sender.freeze(memory.address(), size).expect("a copy");
    assert_eq!(files(&passed(&sender, &receiver, copy())), [size]);
    let mut kept = Vec::new();
    for round in 1..=9u8 {
        for page in 0..WRITTEN {
            let at = 3 * page * P + 100;
            memory.write_at(at, &[round; 7]).expect("its own");
            bytes[at as usize..at as usize + 7].fill(round);
        }
        let got = passed(&sender, &receiver, copy());
        assert_eq!((got.chunks().len() as u64, got.held_bytes()), (2 * WRITTEN, 0), "round {round}");
        let mut lengths = files(&got);
        lengths.sort_unstable();
        assert_eq!(lengths, [WRITTEN * P, size], "round {round}: the pages that were written, and the first copy");
        let mapped = receiver.map_frozen(&got, None).expect("room");
        let mut seen = vec![0; bytes.len()];
        mapped.read_at(0, &mut seen).expect("it is mapped");
        assert!(seen == bytes && got.to_bytes() == bytes, "round {round}");
        // It goes on as it came; only for the ninth the receiver's map has no room in so many pieces.
        let back = passed(&receiver, &sender, receiver.freeze(mapped.address(), size).expect("a copy"));
        let pieces = if round < 9 { 2 * WRITTEN } else { 1 };
        assert!(back.chunks().len() as u64 == pieces && back.to_bytes() == bytes, "round {round}");
        kept.push(mapped);
    }
    assert!(8 * 2 * WRITTEN < MAP_ENTRIES_MAX as u64 && 9 * 2 * WRITTEN > MAP_ENTRIES_MAX as u64);
}

#[test]
fn vm_copy_8_the_nearest_of_too_many_runs_are_sent_with_what_is_between_them() {
    const PAGES: u64 = 30_000;
    let nodes = Nodes::start(1);
    let (sender, receiver) = (nodes.task(1), nodes.task(1));
    let mut bytes = vec![0; (PAGES * P) as usize];
    let memory = sender.allocate(PAGES * P).expect("memory");
    let copy = || sender.freeze(memory.address(), PAGES * P).expect("a copy");
    assert_eq!(passed(&sender, &receiver, copy()).chunks().len(), 1);
    // Half of them, two by two and one by one.
    for page in (0..PAGES).filter(|page| page % 2 == 0 || page % 64 == 1) {
        memory.write_at(page * P + 200, b"more").expect("its own");
        bytes[(page * P) as usize + 200..][..4].copy_from_slice(b"more");
    }
    let got = passed(&sender, &receiver, copy());
    assert!((2000..PAGES as usize).contains(&got.chunks().len()) && got.held_bytes() == 0, "{}", got.chunks().len());
    assert!(got.to_bytes() == bytes);
}

#[test]
fn vm_copy_8_a_hundred_regions_are_sent_as_a_hundred_files() {
    const REGION: u64 = 32 * P;
    let nodes = Nodes::start(1);
    let (sender, receiver) = (nodes.task(1), nodes.task(1));
    let regions: Vec<Mapping> = (0..100).map(|_| sender.allocate(REGION).expect("memory")).collect();
    let start = regions.iter().map(Mapping::address).min().expect("a hundred");
    let mut bytes = contents(100 * REGION as usize);
    sender.write_memory(start, &bytes).expect("one behind the other");
    let copy = || sender.freeze(start, 100 * REGION).expect("a copy");
    let got = passed(&sender, &receiver, copy());
    assert_eq!(files(&got), [REGION; 100]);
    assert!(got.to_bytes() == bytes);
    for region in 0..100 {
        let at = region * REGION + 5 * P;
        sender.write_memory(start + at, &[9; 9]).expect("its own");
        bytes[at as usize..][..9].fill(9);
    }
    let got = passed(&sender, &receiver, copy());
    let mut lengths = files(&got);
    lengths.sort_unstable();
    assert_eq!(lengths, [vec![REGION; 100], vec![100 * P]].concat());
    let mapped = receiver.map_frozen(&got, None).expect("room");
    let mut seen = vec![0; bytes.len()];
    mapped.read_at(0, &mut seen).expect("it is mapped");
    assert!(seen == bytes);
}
