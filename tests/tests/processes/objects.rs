//! Copies of memory objects: `vm_map` with `copy`, in the own task and on the port of any other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mach::proto::iface::task as idl;
use mach::proto::{KernReturn, NamedRight, PAGE_SIZE, Prot};
use mach::{MapOptions, Mapping, SendRight, Task};
use mach_tests::processes::{Nodes, within};

use crate::contents;
use crate::copies::port_of;

const PAGE: u64 = PAGE_SIZE;
const RW: u32 = 3;

/// A request for a copy of whole pages of an object.
fn copy_of(object: &SendRight, pages: u64) -> idl::VmMap<NamedRight> {
    idl::VmMap {
        address: 0,
        size: pages * PAGE,
        mask: 0,
        anywhere: true,
        memory_object: NamedRight::copy_send(object.name()),
        offset: 0,
        copy: true,
        cur_protection: RW,
        max_protection: Prot::all().bits(),
        inheritance: 1,
    }
}

fn bytes_at(task: &Task, address: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; len as usize];
    task.read_memory(address, &mut bytes).expect("it is mapped");
    bytes
}

/// First byte, size and bits of the protection of a task's regions.
fn regions(task: &Task) -> Vec<(u64, u64, u32)> {
    let all = task.regions(task.task_self()).collect::<Result<Vec<_>, _>>().expect("a map");
    all.iter().map(|r| (r.address, r.size, r.protection.bits())).collect()
}

/// Three nodes: the object's pager on the first, who asks on the second, and tasks on the second and the third.
#[test]
fn vm_copy_10_an_object_is_copied_for_any_task_by_its_port() {
    let nodes = Nodes::start(3);
    let bytes = contents(300 * PAGE as usize);
    nodes.export(1, &nodes.file("object", &bytes), "object", true);
    let writer = nodes.map(1, "object", true);
    let asker = nodes.task(2);
    let object = asker.look_up("object", "*").expect("it is exported");
    for (number, name) in [(2, "near"), (3, "far")] {
        let task = nodes.task(number);
        let port = port_of(&task, &asker, name);
        let place = asker.rpc(&port, idl::VmAllocate { address: 0, size: 400 * PAGE, anywhere: true });
        let place = place.expect("room").address + 16 * PAGE;
        asker.rpc(&port, idl::VmDeallocate { address: place - 16 * PAGE, size: 400 * PAGE }).expect("a range");
        let fixed = idl::VmMap { address: place, anywhere: false, offset: PAGE, ..copy_of(&object, 299) };
        let at = asker.rpc(&port, fixed).expect("a copy").address;
        assert_eq!((at, regions(&task)), (place, vec![(place, 299 * PAGE, RW)]), "{name}: there and nowhere else");
        assert!(bytes_at(&task, at, 299 * PAGE) == bytes[PAGE as usize..], "{name}");
        // What others write is not seen, nor what the task writes.
        writer.write_at(PAGE, b"written later").expect("it is writable");
        task.write_memory(at + PAGE, b"its own").expect("its own");
        assert_eq!(bytes_at(&task, at, 13), bytes[PAGE as usize..PAGE as usize + 13], "{name}");
        let mut seen = [0; 7];
        writer.read_at(2 * PAGE, &mut seen).expect("it is mapped");
        assert_eq!(seen, bytes[2 * PAGE as usize..2 * PAGE as usize + 7], "{name}");
        writer.write_at(PAGE, &bytes[PAGE as usize..PAGE as usize + 13]).expect("it is writable");
        // A mask, a protection, and what they refuse.
        let odd = idl::VmMap { mask: 0xffff, cur_protection: 1, max_protection: 1, ..copy_of(&object, 3) };
        let second = asker.rpc(&port, odd).expect("a copy").address;
        assert_eq!(second % 0x10000, 0, "{name}");
        assert!(task.write_memory(second, b"x").is_err(), "{name}: it is read-only");
        let raised = idl::VmProtect { address: second, size: 1, set_maximum: false, new_protection: RW };
        let raised = asker.rpc(&port, raised).expect_err("beyond the maximum");
        assert_eq!(raised.kern(), Some(KernReturn::ProtectionFailure), "{name}");
        let taken = idl::VmMap { address: place, anywhere: false, ..copy_of(&object, 1) };
        for (request, code) in [
            (taken, KernReturn::NoSpace),
            (idl::VmMap { address: 0, anywhere: false, ..copy_of(&object, 1) }, KernReturn::InvalidAddress),
            (idl::VmMap { offset: 7, ..copy_of(&object, 1) }, KernReturn::InvalidArgument),
            (copy_of(&object, 0), KernReturn::InvalidArgument),
        ] {
            let refused = asker.rpc(&port, request).expect_err("it is refused");
            assert_eq!(refused.kern(), Some(code), "{name}: {refused}");
        }
        assert_eq!(regions(&task).len(), 2, "{name}: nothing was mapped");
        // Without an object it is memory of zeroes.
        let none = idl::VmMap { memory_object: NamedRight::NULL, ..copy_of(&object, 1) };
        let zero = asker.rpc(&port, none).expect("memory").address;
        assert_eq!(bytes_at(&task, zero, PAGE), vec![0; PAGE as usize], "{name}");
    }
}

#[test]
fn vm_copy_10_a_page_that_does_not_come_leaves_nothing_mapped() {
    let nodes = Nodes::start(2);
    nodes.export(1, &nodes.file("object", &contents(64 * PAGE as usize)), "object", false);
    let (asker, task) = (nodes.task(2), nodes.task(2));
    let object = asker.look_up("object", "*").expect("it is exported");
    let port = port_of(&task, &asker, "task");
    // The node knows the object, and some of its pages.
    let mapped = asker.map(&object, Default::default()).expect("an object");
    mapped.touch(0..PAGE).expect("its pager lives");
    nodes.freeze(1);
    let (task, answer) = within(Duration::from_secs(20), "an answer", {
        let request = copy_of(&object, 64);
        move || {
            let answer = asker.rpc(&port, request);
            drop((mapped, object, port, asker));
            (task, answer)
        }
    });
    nodes.wake(1);
    let refused = answer.expect_err("nobody has the page");
    assert_eq!(refused.kern(), Some(KernReturn::MemoryError), "{refused}");
    assert_eq!(regions(&task), []);
}

/// Pages that the pager declares zero, and those that hold nothing but zeroes, take no memory of the copy.
#[test]
fn vm_copy_10_zeroes_take_no_memory_of_a_copy() {
    let nodes = Nodes::start(1);
    let path = nodes.folder().join("sparse");
    let file = std::fs::File::create(&path).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&file, b"something", 200 << 20).expect("a sparse file");
    file.set_len(256 << 20).expect("a sparse file");
    nodes.export(1, &path, "sparse", false);
    let task = nodes.task(1);
    let object = task.look_up("sparse", "").expect("it is exported");
    let copy = task.map(&object, MapOptions { copy: true, writable: true, ..Default::default() }).expect("a copy");
    let held = |copy: &Mapping| {
        let frozen = task.freeze(copy.address(), copy.len()).expect("its own");
        let (store, _) = frozen.chunks()[0].stored().expect("a file");
        let file = store.clone().downcast::<sys::Frozen>().expect("of this library");
        (frozen.chunks().len(), file.size(), file.memfd().allocated_bytes().expect("a file"))
    };
    assert_eq!(held(&copy), (1, 256 << 20, PAGE), "one page of one file");
    let mut seen = [0; 9];
    copy.read_at(200 << 20, &mut seen).expect("it is mapped");
    assert_eq!(&seen, b"something");
    copy.read_at(100 << 20, &mut seen).expect("it is mapped");
    assert_eq!(seen, [0; 9]);
}

/// A copy of more than a node with a limit keeps: pages leave behind the reading.
#[test]
fn vm_copy_10_an_object_larger_than_memory_is_copied() {
    let nodes = Nodes::with(1, &["--memory-limit", "4MiB"]);
    let bytes = contents(16 << 20);
    nodes.export(1, &nodes.file("object", &bytes), "object", false);
    let task = nodes.task(1);
    let object = task.look_up("object", "").expect("it is exported");
    let copy = task.map(&object, MapOptions { copy: true, ..Default::default() }).expect("a copy");
    assert!(bytes_at(&task, copy.address(), 16 << 20) == bytes);
    assert!(nodes.metric(1, "mach_pages_evicted_total") > 1000.0);
}

/// Says that a thread has ended, however it does.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Memory comes and goes while another task reads it: an answer is what was there, or that nothing is.
#[test]
fn vm_read_1_memory_that_goes_meanwhile_is_bytes_or_a_hole() {
    const PAGES: u64 = 64;
    let nodes = Nodes::start(1);
    let (asker, task) = (nodes.task(1), nodes.task(1));
    let port = port_of(&task, &asker, "task");
    let place = asker.rpc(&port, idl::VmAllocate { address: 0, size: PAGES * PAGE, anywhere: true });
    let place = place.expect("room").address;
    let done = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(3);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _done = Done(&done);
            let own = task.task_self();
            for round in (1..=250u8).cycle().take_while(|_| Instant::now() < end) {
                // Written, copied, written again: all ways in which it is read.
                for half in [0, PAGES / 2 * PAGE] {
                    task.write_memory(place + half, &vec![round; (PAGES / 2 * PAGE) as usize]).expect("its own");
                    if round % 3 == 0 {
                        task.freeze(place, PAGES * PAGE).expect("its own");
                    }
                }
                task.rpc(&own, idl::VmDeallocate { address: place, size: PAGES * PAGE }).expect("its own");
                let again = idl::VmAllocate { address: place, size: PAGES * PAGE, anywhere: false };
                // The addresses are free once nobody has to do anything there.
                while let Err(error) = task.rpc(&own, again.clone()) {
                    assert_eq!(error.kern(), Some(KernReturn::NoSpace), "{error}");
                }
            }
        });
        let (mut whole, mut holes) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            match asker.rpc(&port, idl::VmRead { address: place, size: PAGES * PAGE }) {
                Ok(read) => {
                    let bytes = read.data.to_bytes();
                    // One page may be being written, and in any order: a copy of whole pages need not go forwards.
                    let values = |page: &[u8]| page.iter().collect::<BTreeSet<_>>().len();
                    let torn = bytes.chunks(PAGE as usize).position(|page| values(page) > 2);
                    assert_eq!(torn, None, "a page with bytes of others");
                    whole += 1;
                }
                Err(error) => {
                    assert_eq!(error.kern(), Some(KernReturn::InvalidAddress), "{error}, after {whole} and {holes}");
                    holes += 1;
                }
            }
        }
        assert!(whole > 10 && holes > 10, "{whole} and {holes}");
    });
}

#[test]
fn a_write_that_the_pager_refuses_leaves_the_page_readable() {
    let nodes = Nodes::start(2);
    let bytes = contents(40 * PAGE as usize);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    for node in 1..=2 {
        let task = nodes.task(node);
        let object = task.look_up("data", "*").expect("it is exported");
        // The library would refuse to map it so.
        let shown = idl::VmMap { copy: false, ..copy_of(&object, 40) };
        let at = task.rpc(&task.task_self(), shown).expect("memory").address;
        bytes_at(&task, at + 9 * PAGE, PAGE);
        // The first access to a page, one to a page that was read, and others once more.
        for page in [20, 9, 20, 39, 0] {
            let from = page * PAGE;
            task.write_memory(at + from, b"x").expect_err("its pager lets nobody write");
            let seen = bytes_at(&task, at + from, PAGE);
            assert!(seen == bytes[from as usize..][..PAGE as usize], "page {page} on node {node}");
        }
        assert!(bytes_at(&task, at, 40 * PAGE) == bytes, "node {node}");
    }
}
