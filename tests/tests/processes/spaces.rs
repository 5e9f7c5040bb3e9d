//! Whole address spaces, on this node and on another. That they are mapped at their addresses needs processes of their own:
//! `libmach/tests/c/spaces.c`.

use mach::proto::iface::task as idl;
use mach::proto::space::Shows;
use mach::proto::{KernReturn, NamedRight, PAGE_SIZE};
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

    let large = near.allocate(65 << 20).expect("memory");
    assert_eq!(code_of(far.read_space(&port).unwrap_err()), KernReturn::NoSpace);
    drop(large);
    far.read_space(&port).expect("a space again");
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
