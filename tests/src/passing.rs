//! A task that has something of everything, and then is gone.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use mach::proto::iface::host_vm;
use mach::proto::{Inherit, NamedRight, PAGE_SIZE, Prot};
use mach::{AttachOptions, MapOptions, Outgoing, ReceiveRight, Task};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The object that it maps, of so many pages.
pub const OBJECT: &str = "passing";
/// Pages of that object.
pub const OBJECT_PAGES: u64 = 64;
/// Where it sends memory, with its own port: who receives there reads the memory of the task.
pub const SINK: &str = "sink";
/// The ways in which it ends.
pub const ENDS: [&str; 4] = ["returns", "exits", "execs", "waits"];

/// Takes what it can, says that it is ready, and ends; with "waits" it goes on until it is killed.
pub fn pass(socket: &Path, end: &str, seed: u64) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(seed);
    let task = Task::attach(AttachOptions { socket: Some(socket.into()), token: Some(0), memory: true })?;
    let memory = task.allocate(64 * PAGE_SIZE)?;
    memory.write_at(0, &[7; 20 * PAGE_SIZE as usize])?;
    memory.protect(60 * PAGE_SIZE..62 * PAGE_SIZE, Prot::READ)?;
    memory.inherit(50 * PAGE_SIZE..52 * PAGE_SIZE, Inherit::None)?;
    let object = task.look_up(OBJECT, "*")?;
    let mapped = task.map(&object, MapOptions { writable: true, ..MapOptions::default() })?;
    for _ in 0..8 {
        let at = random.random_range(0..OBJECT_PAGES) * PAGE_SIZE;
        mapped.write_at(at, &[1])?;
        mapped.read_at(OBJECT_PAGES * PAGE_SIZE - at - 1, &mut [0])?;
    }
    let first = task.freeze(memory.address(), memory.len())?;
    let copy = task.map_frozen(&first, None)?;
    copy.write_at(3 * PAGE_SIZE, b"its own")?;
    memory.write_at(5 * PAGE_SIZE, b"written since")?;
    let second = task.freeze(memory.address(), memory.len())?;
    let wired = task.allocate(3 * PAGE_SIZE)?;
    let own = NamedRight::copy_send(task.task_self());
    let request = host_vm::VmWire { task: own, address: wired.address(), size: wired.len(), access: Prot::READ.bits() };
    task.rpc(&task.host(), request)?;
    // One message to itself, which nobody takes; and one to somebody who reads the memory that it tells of.
    let port = ReceiveRight::allocate(&task)?;
    Outgoing::new(port.made_send(), 1).memory(second).send(&task)?;
    let sink = task.look_up(SINK, "")?;
    let message = Outgoing::new(&sink, 2).right(own).u64(memory.address()).u64(memory.len()).memory(first);
    // Its queue may be full.
    let _ = message.send_within(&task, Some(Duration::ZERO));
    println!("ready");
    match end {
        "returns" => Ok(()),
        "exits" => std::process::exit(0),
        "execs" => Err(Command::new("true").exec().into()),
        "waits" => loop {
            let more = task.allocate(5 * PAGE_SIZE)?;
            more.write_at(0, &[1])?;
            let copy = task.freeze(memory.address(), memory.len())?;
            drop(task.map_frozen(&copy, None)?);
            memory.write_at(random.random_range(0..50) * PAGE_SIZE, &[9])?;
            mapped.write_at(random.random_range(0..OBJECT_PAGES) * PAGE_SIZE, &[9])?;
        },
        _ => bail!("{end} is no end"),
    }
}
