//! Mapped memory: served, and closed when the node dies. The task is a process of its own, with its own userfaultfd; it is
//! this test binary, told by the environment which of the parts below to play.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::fake::{DEADLINE, Node, OBJECT_BYTES, PAGES, pattern, standard, wait_for};
use mach::{AttachOptions, MapError, MapOptions, Mapping, MemoryError, MsgError, RpcError, Task, TrapError};
use proto::segments::Segment;
use proto::wire::body::Segments;
use proto::wire::trap::{MapObject, MapParts, Protect, Unmap, order};
use proto::{PAGE_SIZE, Prot};
use std::os::fd::AsFd;
use sys::uffd::{FaultKind, WriteProtect};
use sys::{Errno, Memfd};

/// Starts this binary again as a task that plays `part`, which is the test of that name.
fn task(node: &Node, part: &str) -> Task_ {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("memory::{part}"), "--nocapture"])
        .env("MACH_SOCKET", &node.path)
        .env("MACH_TOKEN", crate::fake::TOKEN.to_string())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    Task_(child)
}

struct Task_(Child);

impl Task_ {
    fn succeeds(mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.0.try_wait().unwrap() {
                Some(status) => return assert!(status.success(), "the task failed: {status}"),
                None if Instant::now() > deadline => panic!("the task hangs"),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Task_ {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the process that is the task: the task. Elsewhere `None`.
fn as_task() -> Option<Task> {
    std::env::var_os("MACH_SOCKET").map(|_| Task::attach(AttachOptions::default()).unwrap())
}

fn map(task: &Task, writable: bool) -> Mapping {
    task.map(&task.bootstrap(), MapOptions { writable, ..MapOptions::default() }).unwrap()
}

fn byte(mapping: &Mapping, page: u64) -> Result<u8, MemoryError> {
    let mut byte = [0];
    mapping.read_at(page * PAGE_SIZE, &mut byte).map(|()| byte[0])
}

/// What this process may do at an address, as `/proc/self/maps` says it.
fn permissions(address: u64) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    let line = maps.lines().find(|line| {
        let (start, rest) = line.split_once('-').unwrap();
        (number(start)..number(rest.split_once(' ').unwrap().0)).contains(&address)
    });
    line.map_or("", |l| l.split(' ').nth(1).unwrap()).to_owned()
}

fn fault_at(page: u64) -> MemoryError {
    MemoryError::Fault { offset: page * PAGE_SIZE }
}

#[test]
fn an_object_is_read_and_written_through_its_mapping() {
    if let Some(task) = as_task() {
        assert_eq!(task.node_name().unwrap().as_str(), "fake");
        let mapping = map(&task, true);
        assert_eq!(mapping.len(), OBJECT_BYTES);
        let mut all = vec![0; OBJECT_BYTES as usize];
        mapping.read_at(0, &mut all).unwrap();
        assert!(all.iter().enumerate().all(|(i, b)| *b == pattern(i as u64 / PAGE_SIZE)));
        mapping.write_at(PAGE_SIZE - 2, b"abcd").unwrap();
        mapping.flush(0..u64::MAX).unwrap();
        let mut text = [0; 4];
        mapping.read_at(PAGE_SIZE - 2, &mut text).unwrap();
        assert_eq!(&text, b"abcd");
        let out = MemoryError::OutOfRange { offset: OBJECT_BYTES - 1, len: 2, mapped: OBJECT_BYTES };
        assert_eq!(mapping.read_at(OBJECT_BYTES - 1, &mut [0; 2]), Err(out));
        assert!(mapping.read_at(u64::MAX, &mut [0; 2]).is_err());
        mapping.touch(0..OBJECT_BYTES).unwrap();
        let base = mapping.address();
        assert_eq!(permissions(base), "rw-s");
        drop(mapping);
        // Unmapped, and still reserved.
        assert_eq!(permissions(base), "---p");
        return;
    }
    let node = Node::start(|_, _| None);
    task(&node, "an_object_is_read_and_written_through_its_mapping").succeeds();
    let mut text = [0; 4];
    node.shared.object.read_at(PAGE_SIZE - 2, &mut text).unwrap();
    assert_eq!(&text, b"abcd");
    let done = || node.shared.orders_done.lock().unwrap().clone();
    wait_for("both orders", || done().len() == 2);
    assert!(done().iter().all(|(_, errno)| *errno == 0), "{:?}", done());
}

#[test]
fn a_part_on_any_border_is_mapped() {
    if let Some(task) = as_task() {
        let options = MapOptions { offset: 3 * PAGE_SIZE + 100, len: Some(PAGE_SIZE), ..MapOptions::default() };
        let mapping = task.map(&task.bootstrap(), options).unwrap();
        assert_eq!((mapping.len(), mapping.address() % PAGE_SIZE), (PAGE_SIZE, 100));
        let mut all = vec![0; PAGE_SIZE as usize];
        mapping.read_at(0, &mut all).unwrap();
        assert_eq!((all[0], all[PAGE_SIZE as usize - 1]), (pattern(3), pattern(4)));
        for (offset, len) in [(OBJECT_BYTES, None), (0, Some(OBJECT_BYTES + 1)), (u64::MAX, Some(1)), (0, Some(0))] {
            let refused = task.map(&task.bootstrap(), MapOptions { offset, len, ..MapOptions::default() });
            assert!(matches!(refused, Err(MapError::OutOfRange { .. })), "{refused:?}");
        }
        return;
    }
    let node = Node::start(|_, _| None);
    task(&node, "a_part_on_any_border_is_mapped").succeeds();
}

#[test]
fn a_read_only_object_is_not_mapped_for_writing() {
    if let Some(task) = as_task() {
        let refused = task.map(&task.bootstrap(), MapOptions { writable: true, ..MapOptions::default() });
        assert!(matches!(refused, Err(MapError::ReadOnly(name)) if name == "fake"));
        let mapping = map(&task, false);
        assert_eq!(byte(&mapping, 7), Ok(pattern(7)));
        assert_eq!(mapping.write_at(7 * PAGE_SIZE, &[1]), Err(fault_at(7)));
        return;
    }
    let node = Node::start(|_, _| None);
    node.shared.writable.store(false, Ordering::SeqCst);
    task(&node, "a_read_only_object_is_not_mapped_for_writing").succeeds();
}

/// What a task finds after its node died: the pages that it had, and errors for all others; no zero anywhere.
fn finds_no_zeroes(mapping: &Mapping, has: impl Fn(u64) -> Option<u8>) {
    for page in 0..PAGES {
        assert_eq!(byte(mapping, page), has(page).ok_or(fault_at(page)), "page {page}");
    }
}

#[test]
fn a_shared_mapping_fails_closed() {
    if let Some(task) = as_task() {
        let mapping = map(&task, true);
        for page in 0..8 {
            assert_eq!(byte(&mapping, page), Ok(pattern(page)));
        }
        mapping.write_at(0, &[200]).unwrap();
        std::thread::scope(|scope| {
            // A page that never comes, a grant that never comes, a write to a page that never comes, a message that never
            // comes. (The same for system calls is tested in `sys`.)
            let missing = scope.spawn(|| byte(&mapping, 20));
            let grant = scope.spawn(|| mapping.write_at(3 * PAGE_SIZE, &[99]));
            let write = scope.spawn(|| mapping.write_at(22 * PAGE_SIZE, &[99]));
            let message = scope.spawn(|| task.receive(proto::PortName(1), None));
            assert_eq!(missing.join().unwrap(), Err(fault_at(20)));
            assert_eq!(grant.join().unwrap(), Err(fault_at(3)));
            assert_eq!(write.join().unwrap(), Err(fault_at(22)));
            assert!(matches!(message.join().unwrap(), Err(MsgError::Trap(TrapError::NodeDied))));
        });
        // Threads come back as their range is closed, perhaps before all of it is: the last page shows the end.
        wait_for("the agent to close all memory", || byte(&mapping, PAGES - 1).is_err());
        finds_no_zeroes(&mapping, |page| match page {
            0 => Some(200),
            1..8 => Some(pattern(page)),
            _ => None,
        });
        for page in [0, 3, 30, 50] {
            assert_eq!(mapping.write_at(page * PAGE_SIZE, &[9]), Err(fault_at(page)));
        }
        let again = task.map(&task.bootstrap(), MapOptions::default());
        let died = |e: &MsgError| matches!(e, MsgError::Trap(TrapError::NodeDied));
        assert!(matches!(&again, Err(MapError::Rpc(RpcError::Msg { source, .. })) if died(source)), "{again:?}");
        let base = mapping.address();
        drop(mapping);
        assert_eq!(permissions(base), "---p");
        return;
    }
    let mut node = Node::start(|_, _| None);
    node.withhold([3].into_iter().chain(20..PAGES));
    // Page 3 can be read: the pattern is put there before the task comes, and only the grant is withheld.
    let child = task(&node, "a_shared_mapping_fails_closed");
    serve_withheld_reads(&node, 3);
    node.wait_for_waiting(4);
    // Marks on absent pages, over which poison does not take by itself; and pages that only the object has.
    node.uffd().write_protect(node.page(30), 10 * PAGE_SIZE, WriteProtect::On, false).unwrap();
    node.shared.object.write_at(50 * PAGE_SIZE, &[vec![7; PAGE_SIZE as usize]]).unwrap();
    node.die();
    child.succeeds();
    assert_eq!(node.shared.object.allocated_bytes().unwrap(), 9 * PAGE_SIZE, "a zero page got into the object");
}

/// Delivers a withheld page for reading once it is asked for.
fn serve_withheld_reads(node: &Node, page: u64) {
    wait_for("a fault", || node.shared.waiting.lock().unwrap().contains(&(page, FaultKind::Missing)));
    node.shared.object.write_at(page * PAGE_SIZE, &[vec![pattern(page); PAGE_SIZE as usize]]).unwrap();
    node.uffd().continue_range(node.page(page), PAGE_SIZE, WriteProtect::On).unwrap();
}

#[test]
fn a_private_mapping_fails_closed() {
    if let Some(task) = as_task() {
        let mapping = map(&task, false);
        for page in 0..4 {
            assert_eq!(byte(&mapping, page), Ok(pattern(page)));
        }
        assert_eq!(byte(&mapping, 20), Err(fault_at(20)));
        wait_for("the agent to close all memory", || byte(&mapping, PAGES - 1).is_err());
        finds_no_zeroes(&mapping, |page| (page < 4).then(|| pattern(page)));
        return;
    }
    let mut node = Node::start(|_, _| None);
    node.withhold(20..PAGES);
    let child = task(&node, "a_private_mapping_fails_closed");
    node.wait_for_waiting(1);
    node.die();
    child.succeeds();
}

#[test]
fn the_agent_obeys_while_the_task_waits() {
    if let Some(task) = as_task() {
        let mapping = map(&task, true);
        assert_eq!(byte(&mapping, 0), Ok(pattern(0)));
        mapping.write_at(0, &[1]).unwrap();
        // Waits for a page; the node orders meanwhile, unmaps the page at last, and the wait ends.
        assert_eq!(byte(&mapping, 20), Err(fault_at(20)));
        assert_eq!(mapping.write_at(0, &[2]), Err(fault_at(0)));
        assert_eq!(byte(&mapping, 0), Ok(1));
        // What the agent mapped beside it, unmanaged, is served by Linux alone.
        let beside = mapping.address() + 2 * PAGES * PAGE_SIZE;
        let mut text = [0; 5];
        File::open("/proc/self/mem").unwrap().read_at(&mut text, beside).unwrap();
        assert_eq!(&text, b"agent");
        return;
    }
    let node = Node::start(|_, _| None);
    node.withhold(20..PAGES);
    let child = task(&node, "the_agent_obeys_while_the_task_waits");
    node.wait_for_waiting(1);
    let protect = Protect { address: node.page(0), size: PAGES * PAGE_SIZE, protection: Prot::READ.bits() };
    assert_eq!(node.order_agent(order::Op::Protect(protect), None), 0);
    let beside = Memfd::create("beside", PAGE_SIZE).unwrap();
    beside.write_at(0, &[b"agent"]).unwrap();
    let map = MapObject {
        address: node.page(2 * PAGES),
        size: PAGE_SIZE,
        protection: Prot::READ.bits(),
        unmanaged: true,
        ..MapObject::default()
    };
    assert_eq!(node.order_agent(order::Op::Map(map), Some(beside.as_fd())), 0);
    // Orders that make no sense are refused and do no harm.
    let no_fd = order::Op::Map(MapObject { address: node.page(3 * PAGES), ..map });
    assert_eq!(node.order_agent(no_fd, None), Errno::BADF.raw_os_error());
    let part = |fd, length| Segment { fd, offset: 0, length };
    let map_parts = |address, parts| {
        let parts = MapParts { address, protection: Prot::READ.bits(), parts: Some(Segments::of(parts)) };
        node.order_agent(order::Op::MapParts(parts), Some(beside.as_fd()))
    };
    let one = part(0, PAGE_SIZE);
    assert_eq!(map_parts(node.page(3 * PAGES), vec![one, one]), 0);
    assert_eq!(map_parts(node.page(3 * PAGES), vec![one, part(1, PAGE_SIZE)]), Errno::BADF.raw_os_error());
    for parts in [vec![one, part(0, u64::MAX - 4095)], vec![part(0, 1 << 50)], vec![part(0, 100)], vec![]] {
        assert_eq!(map_parts(node.page(3 * PAGES), parts.clone()), Errno::INVAL.raw_os_error(), "{parts:?}");
    }
    let outside = order::Op::Unmap(Unmap { address: node.arena() - PAGE_SIZE, size: PAGE_SIZE });
    assert_eq!(node.order_agent(outside, None), Errno::INVAL.raw_os_error());
    let outside = order::Op::Protect(Protect { address: 4096, size: u64::MAX - 4095, protection: 7 });
    assert_eq!(node.order_agent(outside, None), Errno::INVAL.raw_os_error());
    let hole = Protect { address: node.page(4 * PAGES), size: PAGE_SIZE, protection: 3 };
    assert_eq!(node.order_agent(order::Op::Protect(hole), None), 0);
    let unmap = Unmap { address: node.page(20), size: PAGE_SIZE };
    node.order_agent_unheard(order::Op::Unmap(unmap), None);
    child.succeeds();
}

/// Who has as many mappings as Linux grants can allocate nothing any more.
#[test]
fn a_task_of_many_mappings_is_ordered_no_thousands_more() {
    if let Some(task) = as_task() {
        let most = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap_or(u64::MAX);
        let own = sys::anonymous::map(most * PAGE_SIZE).unwrap();
        (0..(most - 6000) / 2)
            .for_each(|n| sys::anonymous::inherit(own + 2 * n * PAGE_SIZE, PAGE_SIZE, false).unwrap());
        // Waits for a page; the node orders meanwhile.
        assert_eq!(byte(&map(&task, false), 20), Err(fault_at(20)));
        assert!(sys::anonymous::map(PAGE_SIZE).is_ok(), "there is room for the program's own");
        return;
    }
    let node = Node::start(|_, _| None);
    node.withhold(20..PAGES);
    let child = task(&node, "a_task_of_many_mappings_is_ordered_no_thousands_more");
    node.wait_for_waiting(1);
    let beside = Memfd::create("beside", PAGE_SIZE).unwrap();
    let map_parts = |place, count| {
        let parts = Segments::of(vec![Segment { fd: 0, offset: 0, length: PAGE_SIZE }; count]);
        let parts =
            MapParts { address: node.page(2 * PAGES + place), protection: Prot::READ.bits(), parts: Some(parts) };
        node.order_agent(order::Op::MapParts(parts), Some(beside.as_fd()))
    };
    assert_eq!([map_parts(0, 3000), map_parts(0, 100)], [Errno::NOMEM.raw_os_error(), 0]);
    // Nor thousands by and by.
    let by_and_by = (1..40).map(|n| map_parts(100 * n, 100)).find(|errno| *errno != 0);
    assert_eq!(by_and_by, Some(Errno::NOMEM.raw_os_error()));
    let unmap = Unmap { address: node.page(20), size: PAGE_SIZE };
    node.order_agent_unheard(order::Op::Unmap(unmap), None);
    child.succeeds();
}

#[test]
fn an_order_that_fails_is_an_error_and_the_node_hears_of_it() {
    if let Some(task) = as_task() {
        let refused = task.map(&task.bootstrap(), MapOptions { writable: true, ..MapOptions::default() });
        let Err(MapError::Rpc(RpcError::Msg { source: MsgError::Trap(TrapError::Order(error)), .. })) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(error.errno, Errno::BADF);
        return;
    }
    // The answer to vm_map comes without its descriptor.
    let node = Node::start(|shared, request| {
        let mut response = standard(shared, request)?;
        response.orders.iter_mut().for_each(|(_, fd)| *fd = None);
        Some(response)
    });
    task(&node, "an_order_that_fails_is_an_error_and_the_node_hears_of_it").succeeds();
    let heard = || node.shared.orders_done.lock().unwrap().last().map(|(_, errno)| *errno);
    wait_for("the node to hear of it", || heard().is_some());
    assert_eq!(heard(), Some(Errno::BADF.raw_os_error()));
}

#[test]
fn a_task_that_detaches_ends_its_connections() {
    if let Some(task) = as_task() {
        let mapping = map(&task, false);
        std::thread::scope(|s| s.spawn(|| assert_eq!(byte(&mapping, 1), Ok(pattern(1)))).join().unwrap());
        drop(task);
        // The mapping holds the task.
        assert_eq!(byte(&mapping, 2), Ok(pattern(2)));
        drop(mapping);
        let agents = || {
            let names = std::fs::read_dir("/proc/self/task").unwrap();
            names.filter_map(|t| std::fs::read_to_string(t.unwrap().path().join("comm")).ok()).collect::<String>()
        };
        wait_for("the agent to end", || !agents().contains("mach-agent"));
        return;
    }
    let node = Node::start(|_, _| None);
    task(&node, "a_task_that_detaches_ends_its_connections").succeeds();
}
