//! Copies of memory between tasks: by copy-on-write where it can be had, byte-exact everywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mach::proto::iface::task as idl;
use mach::proto::{KernReturn, MsgReturn, NamedRight, PAGE_SIZE, Payload, Prot};
use mach::{CopyError, Mapping, MsgError, Outgoing, ReceiveRight, SendRight, Task};
use mach_tests::processes::{Nodes, options};
use mach_tests::wait_until;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::pair::Pair;
use crate::{contents, read};

/// In bytes, as mappings count.
const PAGE: u64 = PAGE_SIZE;

const SOON: Duration = Duration::from_secs(10);

fn pair() -> Pair {
    Pair::on(Nodes::start(1))
}

fn frozen(task: &Task, mapping: &Mapping) -> Payload {
    task.freeze(mapping.address(), mapping.len()).expect("a copy")
}

/// What would have to be copied for its receiver, over and over the same bytes, is more than any machine has.
#[test]
fn vm_copy_4_a_message_with_more_than_can_be_copied_comes_without_it() {
    const MEBI: usize = 1 << 20;
    let pair = pair();
    let memory = pair.sender.allocate(64 * MEBI as u64).expect("memory");
    memory.write_at(0, &contents(64 * MEBI)).expect("its own");
    // All but what is behind it, so that the file cannot be given.
    let (part, mut more) = (frozen(&pair.sender, &memory).slice(0, 63 * MEBI), Payload::default());
    (0..500).for_each(|_| more.append(part.clone()));
    // Twenty items, since each has 32 GiB at the most.
    let message = (0..20).fold(Outgoing::new(&pair.right, 7), |message, _| message.memory(more.clone()));
    message.send(&pair.sender).expect("room in the queue");
    let Err(MsgError::Code { code, message: Some(message) }) = pair.port.receive(Some(6 * SOON)) else {
        panic!("there is no room for it");
    };
    assert_eq!((code, message.id, message.body.out_of_line_bytes()), (MsgReturn::RcvBodyError, 7, 0));
    // Who waited goes on, as do all others.
    assert!(pair.pass(part.clone()).to_bytes() == part.to_bytes());
    pair.nodes.assert_up(1);
}

/// The files of it hold what the task must not see, so it is copied: by a thread that serves no faults.
#[test]
fn vm_write_1_memory_that_the_task_must_not_be_given_as_it_is_is_copied_for_it() {
    const PAGES: u64 = 1024;
    let pair = pair();
    let (asker, task) = (&pair.sender, &pair.receiver);
    let port = port_of(task, asker, "task");
    let (mine, theirs) = (asker.allocate(PAGES * PAGE).expect("memory"), task.allocate(PAGES * PAGE).expect("memory"));
    let mut bytes = contents((PAGES * PAGE) as usize);
    mine.write_at(0, &bytes).expect("its own");
    drop(frozen(asker, &mine));
    // What was there before stays in the first file.
    for page in (0..PAGES).step_by(16) {
        mine.write_at(page * PAGE, b"new").expect("its own");
        bytes[(page * PAGE) as usize..][..3].copy_from_slice(b"new");
    }
    for _ in 0..2 {
        let data = frozen(asker, &mine);
        assert_eq!((data.held_bytes(), data.chunks().len()), (0, 128));
        asker.rpc(&port, idl::VmWrite { address: theirs.address(), data }).expect("it is writable");
        assert!(read(&theirs) == bytes);
    }
    // The task goes meanwhile: nobody waits for ever, and the node goes on.
    let data = frozen(asker, &mine);
    let (asked, end) = (asker.clone(), idl::VmWrite { address: theirs.address(), data });
    let waits = std::thread::spawn(move || asked.rpc(&port, end).map(drop));
    drop((pair.port, theirs, pair.receiver));
    let _ = waits.join().expect("an answer, whatever it says");
    pair.nodes.assert_up(1);
}

#[test]
fn both_go_on_writing_and_each_sees_its_own() {
    let p = pair();
    let memory = p.sender.allocate(64 * PAGE).expect("memory");
    let bytes = contents(64 * PAGE as usize);
    memory.write_at(0, &bytes).expect("it is mapped");
    let got = p.pass(frozen(&p.sender, &memory));
    assert_eq!((got.len(), got.held_bytes()), (bytes.len(), 0), "no byte was copied");
    assert!(got.to_bytes() == bytes);
    let theirs = p.receiver.map_frozen(&got, None).expect("room");
    memory.write_at(5, b"sender").expect("its own");
    theirs.write_at(PAGE, b"receiver").expect("its own");
    let mut mine = bytes.clone();
    mine[5..11].copy_from_slice(b"sender");
    let mut other = bytes.clone();
    other[PAGE as usize..PAGE as usize + 8].copy_from_slice(b"receiver");
    assert!(read(&memory) == mine && read(&theirs) == other && got.to_bytes() == bytes);
    drop(memory);
    assert!(read(&theirs) == other);
    // What was received goes on, with what was written to it.
    let back = frozen(&p.receiver, &theirs);
    assert!(back.to_bytes() == other);
}

#[test]
fn a_thousand_rounds_cost_no_more_memory_than_one() {
    let p = pair();
    let memory = p.sender.allocate(256 * PAGE).expect("memory");
    let mut model = contents(256 * PAGE as usize);
    memory.write_at(0, &model).expect("it is mapped");
    let mut random = SmallRng::seed_from_u64(3);
    for round in 0..1000 {
        let at = random.random_range(0..model.len() - 100);
        random.fill_bytes(&mut model[at..at + 100]);
        memory.write_at(at as u64, &model[at..at + 100]).expect("it is mapped");
        let got = p.pass(frozen(&p.sender, &memory));
        if round % 50 == 0 {
            assert!(got.to_bytes() == model, "round {round}");
        }
    }
    // Its files are at most twice what they show, and the round in which they were more.
    let held = p.nodes.memory_files(1, "");
    assert!(held <= 4 * 256 * PAGE, "{held} bytes");
    let regions = p.sender.regions(p.sender.task_self()).collect::<Result<Vec<_>, _>>().expect("a map");
    assert!(regions.len() <= 1100, "{} regions", regions.len());
    assert!(read(&memory) == model);
}

#[test]
fn a_task_is_shown_nothing_beyond_what_it_was_sent() {
    let p = pair();
    let memory = p.sender.allocate(64 * PAGE).expect("memory");
    memory.write_at(0, &vec![b's'; 64 * PAGE as usize]).expect("it is mapped");
    let whole = frozen(&p.sender, &memory);
    let file = |payload: &Payload| {
        let (store, _) = payload.chunks()[0].stored().expect("frozen memory");
        store.clone().downcast::<sys::Frozen>().expect("of this library").size()
    };
    let part = p.pass(whole.slice(PAGE as usize, 32 * PAGE as usize));
    assert_eq!(file(&part), 32 * PAGE, "a file of its own");
    assert_eq!(file(&p.pass(whole.clone())), 64 * PAGE, "all of it");
    assert_eq!(file(&p.pass(whole.slice(PAGE as usize, 32 * PAGE as usize))), 64 * PAGE, "which the receiver has now");
    // What is overwritten before it is sent is not in what is sent.
    memory.write_at(3 * PAGE, b"new").expect("its own");
    let third = p.nodes.task(1);
    let port = ReceiveRight::allocate(&third).expect("a port");
    third.check_in("third", NamedRight::NULL, port.made_send()).expect("the name is free");
    let right = p.sender.look_up("third", "").expect("the name is known");
    Outgoing::new(&right, 7).memory(frozen(&p.sender, &memory)).send(&p.sender).expect("room");
    let got = port.receive(Some(SOON)).expect("a message").items().expect("typed").memory().expect("memory");
    assert!(
        got.chunks().iter().all(|c| c.stored().is_some()) && got.to_bytes()[3 * PAGE as usize..].starts_with(b"new")
    );
    let files: Vec<u64> = got
        .chunks()
        .iter()
        .map(|c| {
            file(&{
                let mut one = Payload::default();
                one.push_chunk(c.clone());
                one
            })
        })
        .collect();
    assert!(
        files.iter().sum::<u64>() <= 2 * 64 * PAGE && files.iter().all(|f| *f != 64 * PAGE || files.len() == 1),
        "{files:?}"
    );
}

#[test]
fn what_cannot_be_frozen_is_copied_all_the_same() {
    let p = pair();
    let path = p.nodes.file("object", &contents(40 * PAGE as usize));
    p.nodes.export(1, &path, "object", true);
    let object = p.sender.look_up("object", "").expect("it is exported");
    let mapped = p.sender.map(&object, mach::MapOptions { writable: true, ..Default::default() }).expect("an object");
    mapped.write_at(7, b"written").expect("it is writable");
    let got = p.pass(frozen(&p.sender, &mapped));
    assert!(got.to_bytes() == read(&mapped) && got.held_bytes() == 0);
    mapped.write_at(7, b"changed").expect("it is writable");
    assert_eq!(&got.to_bytes()[7..14], b"written");
    // A part of a page, and a part of a region.
    let memory = p.sender.allocate(100 * PAGE).expect("memory");
    memory.write_at(0, &contents(100 * PAGE as usize)).expect("it is mapped");
    let part = p.sender.freeze(memory.address() + 5, 3 * PAGE).expect("a copy");
    assert!(p.pass(part).to_bytes() == contents(100 * PAGE as usize)[5..5 + 3 * PAGE as usize]);
}

#[test]
fn an_object_is_copied_for_one_task() {
    let nodes = Nodes::start(2);
    let bytes = contents(70 * PAGE as usize + 100);
    nodes.export(1, &nodes.file("object", &bytes), "object", true);
    let task = nodes.task(2);
    let object = task.look_up("object", "*").expect("it is exported");
    let options = mach::MapOptions { offset: PAGE + 5, writable: true, copy: true, ..Default::default() };
    let copy = task.map(&object, options).expect("a copy");
    let writer = nodes.map(1, "object", true);
    writer.write_at(PAGE + 5, b"written later").expect("it is writable");
    assert!(read(&copy) == bytes[PAGE as usize + 5..]);
    copy.write_at(0, b"its own").expect("it is writable");
    let mut seen = [0; 7];
    writer.read_at(PAGE + 5, &mut seen).expect("it is mapped");
    assert_eq!(&seen, b"written");
    // The copy needs its object no more.
    nodes.kill(1);
    assert_eq!(&read(&copy)[..7], b"its own");
    drop(copy);
    let left = task.regions(task.task_self()).collect::<Result<Vec<_>, _>>().expect("a map");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_not_there_is_refused() {
    let p = pair();
    let memory = p.sender.allocate(4 * PAGE).expect("memory");
    let kern = |result: Result<Payload, CopyError>| match result {
        Err(CopyError::Kern(code)) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(kern(p.sender.freeze(memory.address(), 5 * PAGE)), KernReturn::InvalidAddress);
    assert_eq!(kern(p.sender.freeze(u64::MAX, 2)), KernReturn::InvalidArgument);
    assert_eq!(p.sender.freeze(memory.address(), 0).expect("nothing").len(), 0);
    let copy = frozen(&p.sender, &memory);
    let taken = p.sender.map_frozen(&copy, Some(memory.address()));
    assert!(matches!(taken, Err(CopyError::Kern(KernReturn::NoSpace))), "{taken:?}");
    let nothing = p.sender.map_frozen(&Payload::default(), None);
    assert!(matches!(nothing, Err(CopyError::Kern(KernReturn::InvalidArgument))), "{nothing:?}");
    // A small payload of plain bytes is memory like any other.
    let small = p.sender.map_frozen(&b"small"[..].to_vec().into(), None).expect("room");
    small.write_at(1, b"M").expect("its own");
    assert_eq!(read(&small), b"sMall");
}

/// All threads go over at one moment: of words that a thread always writes one after the other, no copy has the second without
/// the first.
#[test]
fn a_copy_is_of_one_moment() {
    copies_are_of_one_moment(Duration::ZERO, |_| 3);
}

/// So they do where a thread writes to ever other pages, now and then, so that some copies find few written to, or none.
#[test]
fn a_copy_is_of_one_moment_whatever_was_written_before() {
    copies_are_of_one_moment(Duration::from_micros(200), |n| 300 + n % 190);
}

/// A thread writes to three pages, one after the other; `second` says to which between the first and the last.
fn copies_are_of_one_moment(pause: Duration, second: fn(u64) -> u64) {
    let p = pair();
    let memory = p.sender.allocate(512 * PAGE).expect("memory");
    let done = AtomicBool::new(false);
    /// The writer ends with the reader, however that ends.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0u64;
            while !done.load(Ordering::Relaxed) {
                n += 1;
                for page in [500, second(n), 250] {
                    memory.write_at(page * PAGE, &n.to_le_bytes()).expect("its own");
                }
                if !pause.is_zero() {
                    std::thread::sleep(pause);
                }
            }
        });
        let _done = Done(&done);
        let mut last = 0;
        for _ in 0..300 {
            let copy = p.pass(frozen(&p.sender, &memory)).to_bytes();
            let word = |page: u64| {
                let at = (page * PAGE) as usize;
                u64::from_le_bytes(copy[at..at + 8].try_into().expect("8 bytes"))
            };
            let (first, third) = (word(500), word(250));
            let second = (0..500).filter(|page| *page != 250).map(word).max().expect("pages");
            assert!(
                first >= second && second >= third && first - third <= 1 && third >= last,
                "{first} {second} {third}"
            );
            last = third;
        }
        assert!(last > 10, "the writer went on");
    });
}

/// A right to the port of `of`, which `to` holds.
pub(crate) fn port_of(of: &Task, to: &Task, name: &str) -> SendRight {
    let own = NamedRight::copy_send(of.task_self());
    of.check_in(name, own, own).expect("the name is free");
    to.look_up(name, "*").expect("it is checked in")
}

#[test]
fn the_memory_of_a_task_is_read_and_written_through_its_port() {
    let nodes = Nodes::start(2);
    let (near, same, far) = (nodes.task(1), nodes.task(1), nodes.task(2));
    let bytes = contents(64 * PAGE as usize);
    nodes.export(1, &nodes.file("object", &bytes), "object", true);
    for (task, name) in [(&same, "same"), (&far, "far"), (&near, "near")] {
        let port = port_of(task, &near, name);
        let kern = |error: mach::RpcError| error.kern().unwrap_or_else(|| panic!("{error}"));
        let memory = task.allocate(64 * PAGE).expect("memory");
        memory.write_at(0, &bytes).expect("its own");
        let read = |address, size| near.rpc(&port, idl::VmRead { address, size }).map(|reply| reply.data);
        let at = memory.address();
        let first = read(at, 64 * PAGE).expect("all of it");
        assert!(first.to_bytes() == bytes, "{name}");
        memory.write_at(10, b"written since").expect("its own");
        assert_eq!(&read(at + 9, 14).expect("a part").to_bytes()[1..], b"written since", "{name}");
        assert!(first.to_bytes() == bytes, "{name}: a copy stays as it was");
        let page = vec![b'w'; PAGE as usize];
        near.rpc(&port, idl::VmWrite { address: at + PAGE, data: page.clone().into() }).expect("it is writable");
        let large: Vec<u8> = contents(70 * PAGE as usize)[6 * PAGE as usize..].to_vec();
        let mut seen = vec![0; PAGE as usize];
        memory.read_at(PAGE, &mut seen).expect("its own");
        assert!(seen == page, "{name}");
        near.rpc(&port, idl::VmWrite { address: at, data: large.clone().into() }).expect("it is writable");
        assert!(self::read(&memory) == large, "{name}");
        let copy = |from: u64, pages: u64, to: u64| idl::VmCopy {
            source_address: at + from * PAGE,
            size: pages * PAGE,
            dest_address: at + to * PAGE,
        };
        near.rpc(&port, copy(0, 63, 1)).expect("they may overlap");
        assert!(self::read(&memory)[PAGE as usize..] == large[..63 * PAGE as usize], "{name}");
        // What a pager serves is read and written as the task's threads would.
        let object = task.look_up("object", "*").expect("it is exported");
        let options = mach::MapOptions { writable: true, ..Default::default() };
        let mapped = task.map(&object, options).expect("an object");
        near.rpc(&port, idl::VmWrite { address: mapped.address(), data: page.clone().into() }).expect("it is writable");
        let of_object = read(mapped.address(), 2 * PAGE).expect("its pager brings it").to_bytes();
        assert!(of_object[..PAGE as usize] == page[..], "{name}");
        assert!(of_object[PAGE as usize..] == bytes[PAGE as usize..2 * PAGE as usize], "{name}");
        // What is refused.
        assert_eq!(kern(read(at, 1 << 36).expect_err("a hole")), KernReturn::InvalidAddress, "{name}");
        memory.protect(0..PAGE, Prot::READ).expect("within the maximum");
        let refused = near.rpc(&port, idl::VmWrite { address: at, data: page.clone().into() });
        assert_eq!(kern(refused.expect_err("it is read-only")), KernReturn::ProtectionFailure, "{name}");
        let odd = near.rpc(&port, idl::VmWrite { address: at + 1, data: page.into() });
        assert_eq!(kern(odd.expect_err("no whole page")), KernReturn::InvalidArgument, "{name}");
    }
}

#[test]
fn a_page_that_does_not_come_fails_the_read_of_another() {
    let nodes = Nodes::start(2);
    let (near, task) = (nodes.task(2), nodes.task(2));
    nodes.export(1, &nodes.file("object", &contents(64 * PAGE as usize)), "object", false);
    let object = task.look_up("object", "*").expect("it is exported");
    let mapped = task.map(&object, Default::default()).expect("an object");
    let port = port_of(&task, &near, "task");
    nodes.kill(1);
    let failed =
        near.rpc(&port, idl::VmRead { address: mapped.address(), size: PAGE }).expect_err("nobody has the page");
    assert_eq!(failed.kern(), Some(KernReturn::MemoryError), "{failed}");
    let died = {
        let big = task.allocate(PAGE).expect("memory");
        let address = big.address();
        drop((mapped, big));
        drop(task);
        near.rpc(&port, idl::VmRead { address, size: PAGE }).expect_err("the task is gone")
    };
    assert!(died.is_dead() || died.kern().is_some(), "{died}");
}

/// One of a task's regions, and what its bytes are.
struct Region {
    mapping: Mapping,
    bytes: Vec<u8>,
}

/// Random allocations, writes, copies, sends, mappings and releases of several tasks, compared byte for byte with a model.
#[test]
fn random_copies_agree_with_a_model() {
    let seed = 20261126;
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let nodes = Nodes::start(1);
    let tasks: Vec<Task> = (0..3).map(|_| nodes.task(1)).collect();
    let ports: Vec<ReceiveRight> = tasks.iter().map(|t| ReceiveRight::allocate(t).expect("a port")).collect();
    let mut rights = BTreeMap::new();
    for (to, port) in ports.iter().enumerate() {
        let name = format!("task-{to}");
        tasks[to].check_in(&name, NamedRight::NULL, port.made_send()).expect("the name is free");
        for (from, task) in tasks.iter().enumerate() {
            rights.insert((from, to), task.look_up(&name, "").expect("the name is known"));
        }
    }
    let mut regions: Vec<Vec<Region>> = (0..3).map(|_| Vec::new()).collect();
    for step in 0..1500 {
        let who = random.random_range(0..3);
        if regions[who].is_empty() || random.random_ratio(1, 20) {
            let pages = [1, 3, 40, 300][random.random_range(0..4)];
            let mapping = tasks[who].allocate(pages * PAGE_SIZE).expect("memory");
            regions[who].push(Region { mapping, bytes: vec![0; (pages * PAGE_SIZE) as usize] });
            continue;
        }
        let which = random.random_range(0..regions[who].len());
        let region = &mut regions[who][which];
        match random.random_range(0..10) {
            0..=4 => {
                let at = random.random_range(0..region.bytes.len());
                let len = random.random_range(0..=(region.bytes.len() - at).min(3 * PAGE_SIZE as usize));
                random.fill_bytes(&mut region.bytes[at..at + len]);
                region.mapping.write_at(at as u64, &region.bytes[at..at + len]).expect("its own");
            }
            5 | 6 => {
                let to = random.random_range(0..3);
                let from = random.random_range(0..region.bytes.len()) & if random.random() { 0 } else { !0xfff };
                let len = if random.random() {
                    region.bytes.len() - from
                } else {
                    random.random_range(0..=region.bytes.len() - from)
                };
                let copy = tasks[who].freeze(region.mapping.address() + from as u64, len as u64).expect("a copy");
                let bytes = region.bytes[from..from + len].to_vec();
                Outgoing::new(&rights[&(who, to)], 7).memory(copy).send(&tasks[who]).expect("room in the queue");
                let got =
                    ports[to].receive(Some(SOON)).expect("a message").items().expect("typed").memory().expect("memory");
                assert!(got.to_bytes() == bytes, "step {step}");
                if len > 0 {
                    let mapping = tasks[to].map_frozen(&got, None).expect("room");
                    regions[to].push(Region { mapping, bytes });
                }
            }
            7 | 8 => assert!(read(&region.mapping) == region.bytes, "step {step}, task {who}, region {which}"),
            _ => drop(regions[who].swap_remove(which)),
        }
        if regions[who].len() > 12 {
            regions[who].remove(0);
        }
    }
    for region in regions.iter().flatten() {
        assert!(read(&region.mapping) == region.bytes);
    }
}

/// What a thread of the crowd has: a task, a port that the others know by its number, and its memory.
struct Member {
    task: Task,
    port: ReceiveRight,
    regions: Vec<Region>,
}

impl Member {
    fn new(socket: &Path, number: usize) -> Member {
        let task = Task::attach(options(socket, true)).expect("a task");
        let port = ReceiveRight::allocate(&task).expect("a port");
        // The name of one who has gone may not be free yet.
        wait_until(SOON, "the name is free", || {
            task.check_in(&format!("member-{number}"), NamedRight::NULL, port.made_send()).ok()
        });
        Member { task, port, regions: Vec::new() }
    }

    /// Takes what the others have sent; it has the hash that came with it.
    fn take(&mut self) {
        while let Ok(message) = self.port.receive(Some(Duration::ZERO)) {
            let mut items = message.items().expect("typed");
            let (hash, memory) = (items.u64().expect("a number"), items.memory().expect("memory"));
            let bytes = memory.to_bytes().to_vec();
            assert_eq!(hash_of(&bytes), hash, "{} bytes", bytes.len());
            let mapping = self.task.map_frozen(&memory, None).expect("room");
            self.regions.push(Region { mapping, bytes });
        }
    }

    fn act(&mut self, random: &mut SmallRng, crowd: usize) {
        if self.regions.is_empty() || random.random_ratio(1, 25) {
            let pages = [1, 20, 64, 500][random.random_range(0..4)];
            let mapping = self.task.allocate(pages * PAGE_SIZE).expect("memory");
            self.regions.push(Region { mapping, bytes: vec![0; (pages * PAGE_SIZE) as usize] });
        }
        let which = random.random_range(0..self.regions.len());
        let region = &mut self.regions[which];
        match random.random_range(0..10) {
            0..=4 => {
                let at = random.random_range(0..region.bytes.len());
                let len = random.random_range(0..=(region.bytes.len() - at).min(3 * PAGE_SIZE as usize));
                random.fill_bytes(&mut region.bytes[at..at + len]);
                region.mapping.write_at(at as u64, &region.bytes[at..at + len]).expect("its own");
            }
            5 | 6 => {
                let name = format!("member-{}", random.random_range(0..crowd));
                let Ok(right) = self.task.look_up(&name, "") else { return };
                let copy = self.task.freeze(region.mapping.address(), region.bytes.len() as u64).expect("a copy");
                let message = Outgoing::new(&right, 7).u64(hash_of(&region.bytes)).memory(copy);
                // Whoever is to have it may be gone, or have its queue full.
                let _ = message.send_within(&self.task, Some(Duration::ZERO));
            }
            7 | 8 => assert!(read(&region.mapping) == region.bytes),
            _ => drop(self.regions.swap_remove(which)),
        }
        if self.regions.len() > 8 {
            self.regions.remove(0);
        }
    }
}

fn hash_of(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Descriptors of a node, once those that are on their way out are gone.
fn fds(nodes: &Nodes) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", nodes.pid(1))).expect("a node of ours").count()
}

/// Many tasks at once copy, send, write and go away in the middle of it, under a memory limit that has some of their memory
/// paged: what arrives is what was sent, and in the end nothing is left.
#[test]
fn a_crowd_of_tasks_comes_sends_and_goes_and_leaves_nothing() {
    let nodes = Nodes::with(1, &["--memory-limit", "64MiB"]);
    let witness = nodes.task(1);
    let before = fds(&nodes);
    let crowd = 4;
    std::thread::scope(|scope| {
        for number in 0..crowd {
            let socket = nodes.socket(1);
            scope.spawn(move || {
                let seed = 100 + number as u64;
                let mut random = SmallRng::seed_from_u64(seed);
                for _life in 0..6 {
                    let mut member = Member::new(&socket, number);
                    for _ in 0..random.random_range(50..250) {
                        member.take();
                        member.act(&mut random, crowd);
                    }
                    for region in &member.regions {
                        assert!(read(&region.mapping) == region.bytes, "seed {seed}");
                    }
                }
            });
        }
    });
    nodes.assert_up(1);
    wait_until(SOON, "nothing is left", || {
        // The witness, and who asks.
        let answer = nodes.info(1);
        (answer.tasks == 2 && fds(&nodes) <= before + 4).then_some(())
    });
    drop(witness);
}
