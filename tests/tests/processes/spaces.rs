//! Whole address spaces, on this node and on another. That they are mapped at their addresses needs processes of their own:
//! `libmach/tests/c/spaces.c`.

use std::sync::atomic::{AtomicBool, Ordering};

use mach::proto::iface::task as idl;
use mach::proto::limits::MSG_OOL_BYTES_MAX;
use mach::proto::space::Shows;
use mach::proto::{Inherit, KernReturn, NamedRight, PAGE_SIZE};
use mach::{RpcError, Space, SpaceError, Task};
use mach_tests::processes::Nodes;

/// A right to the task's port, for a task of any node.
fn port_of(nodes: &Nodes, task: &Task, name: &str, asker: &Task) -> mach::SendRight {
    task.check_in(name, NamedRight::NULL, NamedRight::copy_send(task.task_self())).expect("the name is free");
    let right = asker.look_up(name, "n1").expect("the name is known");
    nodes.assert_up(1);
    right
}

fn code_of(error: RpcError) -> KernReturn {
    match error {
        RpcError::Kern { code, .. } => code,
        other => panic!("{other}"),
    }
}

#[test]
fn vm_space_1_a_task_of_another_node_is_read_as_far_as_a_message_carries() {
    let nodes = Nodes::start(2);
    nodes.wait_until_sees(1, 2);
    let (near, far) = (nodes.task(1), nodes.task(2));
    let port = port_of(&nodes, &near, "near", &far);
    let memory = near.allocate(3 * PAGE_SIZE).expect("memory");
    memory.write_at(PAGE_SIZE - 1, b"over the border").expect("it is mapped");
    let space = far.read_space(&port).expect("a space");
    let [region] = space.regions() else { panic!("{:?}", space.regions()) };
    assert_eq!((region.address, region.size), (memory.address(), 3 * PAGE_SIZE));
    let Shows::Bytes(at) = region.shows else { panic!("{region:?}") };
    let text = space.item().slice((at + PAGE_SIZE) as usize - 1, 15).to_bytes();
    assert_eq!(&text[..], b"over the border");

    // An item out of a message is as good; one that was cut is none.
    let whole = Space::new(space.item().clone(), Vec::new()).expect("the same");
    assert_eq!(whole.regions(), space.regions());
    let cut = space.item().slice(0, space.item().len() - 1);
    assert!(matches!(Space::new(cut, Vec::new()), Err(SpaceError::NoSpace)));

    drop(memory);
    // The head of the item counts, too.
    let most = MSG_OOL_BYTES_MAX as u64;
    for (bytes, fits) in [(most - PAGE_SIZE, true), (most, false), (most + PAGE_SIZE, false), (65 << 20, false)] {
        let large = near.allocate(bytes).expect("memory");
        match far.read_space(&port) {
            Ok(space) => assert!(fits && space.item().len() as u64 == bytes + PAGE_SIZE, "{bytes}"),
            Err(error) => assert!(!fits && code_of(error) == KernReturn::NoSpace, "{bytes}"),
        }
        drop(large);
    }
    let memory = near.allocate(PAGE_SIZE).expect("memory");
    far.read_space(&port).expect("a space again");
    drop(memory);
}

/// Says so when it goes.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More regions than one call freezes; some written since they were frozen, some not to be read; each is of one moment.
#[test]
fn vm_copy_12_a_space_of_many_regions_has_each_as_it_was_while_threads_write() {
    const REGIONS: usize = 130;
    const WORDS: u64 = 64 << 10 >> 3;
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let regions: Vec<_> = (0..REGIONS).map(|_| task.allocate(WORDS * 8).expect("memory")).collect();
    // So that no two are one.
    for (n, region) in regions.iter().enumerate() {
        let (address, size) = (region.address(), region.len());
        let new_inheritance = [Inherit::Copy, Inherit::None, Inherit::Share][n % 3] as u32;
        task.rpc(&task.task_self(), idl::VmInherit { address, size, new_inheritance }).expect("its own");
    }
    let unread: Vec<_> = regions.iter().step_by(10).collect();
    for (n, region) in unread.iter().enumerate() {
        if n % 2 == 0 {
            drop(task.freeze(region.address(), region.len()).expect("a copy"));
        }
        region.write_at(0, &vec![9; region.len() as usize]).expect("it is mapped");
        let (address, size) = (region.address(), region.len());
        let none = idl::VmProtect { address, size, set_maximum: false, new_protection: 0 };
        task.rpc(&task.task_self(), none).expect("its own");
    }
    let written = |thread: usize| regions.iter().enumerate().filter(move |(n, _)| n % 10 != 0 && n % 3 == thread);
    // Each word of a region is the last round that came to it.
    let words_of = |space: &Space, address: u64| {
        let region = space.regions().iter().find(|region| region.address == address).expect("it is there");
        let Shows::Bytes(at) = region.shows else { panic!("{region:?}") };
        let bytes = space.item().slice(at as usize, region.size as usize).to_bytes();
        bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>()
    };
    let done = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let (done, written) = (&done, &written);
        let _in_any_case = Done(done);
        let writer = |thread| {
            scope.spawn(move || {
                let mut round = 0u64;
                while !done.load(Ordering::Relaxed) {
                    round += 1;
                    for (_, region) in written(thread) {
                        // Not all of it in most rounds.
                        let words = if round.is_multiple_of(4) { WORDS } else { WORDS / 8 };
                        (0..words).for_each(|w| region.write_at(w * 8, &round.to_le_bytes()).expect("its own"));
                    }
                }
                round
            })
        };
        let writers: Vec<_> = (0..2).map(writer).collect();
        for _ in 0..8 {
            let space = task.read_space(&task.task_self()).expect("a space");
            assert_eq!(space.regions().len(), REGIONS);
            for (n, region) in [0, 1].into_iter().flat_map(written) {
                let words = words_of(&space, region.address());
                assert!(words.is_sorted_by(|a, b| a >= b), "region {n} is not of one moment");
                let eighth = &words[..(WORDS / 8) as usize];
                assert!(eighth[0] - eighth.last().expect("some") <= 1, "region {n} lacks what was written");
            }
            for region in &unread {
                assert!(words_of(&space, region.address()).iter().all(|word| *word == u64::from_le_bytes([9; 8])));
            }
        }
        done.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("it wrote")).collect::<Vec<_>>()
    });
    let space = task.read_space(&task.task_self()).expect("a space");
    for (n, region) in [0, 1].into_iter().flat_map(written) {
        let words = words_of(&space, region.address());
        assert_eq!(words[0], rounds[n % 3], "region {n}");
        let mut now = vec![0; region.len() as usize];
        region.read_at(0, &mut now).expect("it is mapped");
        assert!(now.as_chunks().0.iter().zip(&words).all(|(word, sent)| u64::from_le_bytes(*word) == *sent));
    }
    assert!(words_of(&space, regions[2].address()).iter().all(|word| *word == 0), "nobody wrote there");
}

#[test]
fn vm_space_2_it_is_mapped_at_its_addresses_or_not_at_all() {
    let nodes = Nodes::start(1);
    // Two tasks of one process keep different addresses.
    let (one, two) = (nodes.task(1), nodes.task(1));
    let port = port_of(&nodes, &two, "two", &one);
    let first = one.allocate(2 * PAGE_SIZE).expect("memory");
    let second = one.allocate(PAGE_SIZE).expect("memory");
    first.write_at(0, b"first").expect("it is mapped");
    let space = one.read_space(&one.task_self()).expect("a space");
    let refused = space.map_into(&one, &port).unwrap_err();
    let SpaceError::Region { range, source } = refused else { panic!("{refused}") };
    assert_eq!((range.start, code_of(source)), (first.address(), KernReturn::InvalidAddress));
    // In the way of the last region: the first ones are unmapped again.
    let (address, size) = (first.address(), first.len() + second.len());
    drop(first);
    let refused = space.map_into(&one, &one.task_self()).unwrap_err();
    assert!(matches!(&refused, SpaceError::Own { .. }), "{refused}");
    assert_eq!(one.regions(one.task_self()).count(), 1);
    drop(second);
    space.map_into(&one, &one.task_self()).expect("mapped");
    let mut text = [0; 5];
    one.read_memory(address, &mut text).expect("it is there");
    assert_eq!(&text, b"first");
    one.rpc(&one.task_self(), idl::VmDeallocate { address, size }).expect("unmapped");
}

#[test]
fn vm_space_3_memory_is_mapped_in_another_task() {
    let nodes = Nodes::start(2);
    nodes.wait_until_sees(1, 2);
    let (near, far) = (nodes.task(1), nodes.task(2));
    let port = port_of(&nodes, &near, "near", &far);
    let request = |data: Vec<u8>, cur_protection| idl::VmMapMemory {
        address: 0,
        mask: 0,
        anywhere: true,
        data: data.into(),
        cur_protection,
        max_protection: 3,
        inheritance: 1,
    };
    let address = far.rpc(&port, request(b"from afar".to_vec(), 1)).expect("mapped").address;
    let mut text = [0; 9];
    near.read_memory(address, &mut text).expect("it is there");
    assert_eq!(&text, b"from afar");
    near.write_memory(address, b"x").expect_err("it cannot be written");
    let refused = far.rpc(&port, request(vec![1], 7)).unwrap_err();
    assert_eq!(code_of(refused), KernReturn::InvalidArgument);
}
