//! The sender and the receiver: two tasks of one node, through the library as any program would.

use std::path::Path;
use std::time::Duration;

use mach::{AttachOptions, Mapping, Outgoing, ReceiveRight, SendRight, Space, Task};
use mach_bench::Error;
use proto::iface::task as idl;
use proto::{Inherit, NamedRight, PAGE_SIZE};

use super::step::{self, Done, FRESH, Pages, Step};
use crate::failure::{OrFail, Result};

/// What the receiver is checked in as.
const NAME: &str = "mach-bench-vm";
/// The message that carries memory.
const MEMORY: i32 = 70_200;
/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Allocates memory, sends it, and writes to it.
pub fn send(node: &Path) -> Result<()> {
    let what = || "cannot send memory as a task".to_owned();
    let task = attach(node).or_fail(what)?;
    let to = task.look_up(NAME, "").or_fail(what)?;
    let (mut memory, mut regions) = (None, Vec::new());
    let mut step_of = |step: Step| match step {
        Step::FillRegions { .. } | Step::SendSpace => space_step(&task, &to, &mut regions, step),
        Step::Release => {
            regions.clear();
            send_step(&task, &to, &mut memory, step)
        }
        _ => send_step(&task, &to, &mut memory, step),
    };
    mach_bench::work(|step: &Step| step_of(*step)).or_fail(what)
}

/// Receives memory, and reads it.
pub fn receive(node: &Path) -> Result<()> {
    let what = || "cannot receive memory as a task".to_owned();
    let task = attach(node).or_fail(what)?;
    let port = ReceiveRight::allocate(&task).or_fail(what)?;
    task.check_in(NAME, NamedRight::NULL, port.made_send()).or_fail(what)?;
    // All that came stays mapped, as a receiver that works with it would have it.
    let (mut came, mut space) = (Vec::new(), None);
    let mut step_of = |step: Step| match step {
        Step::TakeSpace => take_space(&task, &port, &mut space),
        Step::Release => {
            if let Some(space) = space.take() {
                unmap(&task, &space)?;
            }
            receive_step(&task, &port, &mut came, step)
        }
        _ => receive_step(&task, &port, &mut came, step),
    };
    mach_bench::work(|step: &Step| step_of(*step)).or_fail(what)
}

fn send_step(task: &Task, to: &SendRight, memory: &mut Option<Mapping>, step: Step) -> Result<Done, Error> {
    let mut done = Done { begun_ns: step::now_ns(), ..Done::default() };
    match (step, memory.as_ref()) {
        (Step::Fill { bytes }, _) => {
            let mapping = task.allocate(bytes)?;
            step::write(Pages::All, bytes / PAGE_SIZE, FRESH, |at, word| mapping.write_at(at, word))?;
            done.ended_ns = step::now_ns();
            done.bytes = sys::large::mapped_bytes();
            *memory = Some(mapping);
            return Ok(done);
        }
        (Step::Send, Some(mapping)) => {
            let copy = task.freeze(mapping.address(), mapping.len())?;
            done.midway_ns = step::now_ns();
            Outgoing::new(to, MEMORY).memory(copy).send(task)?;
        }
        (Step::Write { pages, generation }, Some(mapping)) => {
            step::write(pages, mapping.len() / PAGE_SIZE, generation, |at, word| mapping.write_at(at, word))?;
        }
        (Step::Release, _) => *memory = None,
        (step, _) => return Err(format!("a sender cannot do {step:?} now").into()),
    }
    done.ended_ns = step::now_ns();
    Ok(done)
}

fn space_step(task: &Task, to: &SendRight, regions: &mut Vec<Mapping>, step: Step) -> Result<Done, Error> {
    let mut done = Done { begun_ns: step::now_ns(), ..Done::default() };
    match step {
        Step::FillRegions { bytes, regions: count } => {
            for number in 0..count {
                let mapping = task.allocate(bytes / count)?;
                // So that no two are one.
                let (address, size) = (mapping.address(), mapping.len());
                let new_inheritance = if number % 2 == 0 { Inherit::Copy } else { Inherit::None } as u32;
                task.rpc(&task.task_self(), idl::VmInherit { address, size, new_inheritance })?;
                step::write(Pages::All, mapping.len() / PAGE_SIZE, FRESH, |at, word| mapping.write_at(at, word))?;
                regions.push(mapping);
            }
        }
        _ => {
            let space = task.read_space(&task.task_self())?;
            done.midway_ns = step::now_ns();
            Outgoing::new(to, MEMORY).memory(space.item().clone()).send(task)?;
        }
    }
    done.ended_ns = step::now_ns();
    Ok(done)
}

fn take_space(task: &Task, port: &ReceiveRight, kept: &mut Option<Space>) -> Result<Done, Error> {
    let mut done = Done { begun_ns: step::now_ns(), ..Done::default() };
    let message = port.receive(Some(PATIENCE))?;
    done.midway_ns = step::now_ns();
    let item = message.items().map_err(|_| "a message of something else")?.memory()?;
    done.bytes = item.held_bytes() as u64;
    let space = kept.insert(Space::new(item, Vec::new())?);
    space.map_into(task, &task.task_self())?;
    done.ended_ns = step::now_ns();
    for region in space.regions() {
        let read = |at: u64, into: &mut [u8]| task.read_memory(region.address + at, into);
        if let Some(page) = step::read(Pages::All, region.size / PAGE_SIZE, FRESH, read)? {
            return Err(format!("page {page} at {:#x} is not what was sent", region.address).into());
        }
    }
    Ok(done)
}

fn unmap(task: &Task, space: &Space) -> Result<(), Error> {
    for region in space.regions() {
        task.rpc(&task.task_self(), idl::VmDeallocate { address: region.address, size: region.size })?;
    }
    Ok(())
}

fn receive_step(task: &Task, port: &ReceiveRight, came: &mut Vec<Mapping>, step: Step) -> Result<Done, Error> {
    let mut done = Done { begun_ns: step::now_ns(), ..Done::default() };
    match (step, came.last()) {
        (Step::Take, _) => {
            let message = port.receive(Some(PATIENCE))?;
            done.midway_ns = step::now_ns();
            let payload = message.items().map_err(|_| "a message of something else")?.memory()?;
            let mapping = task.map_frozen(&payload, None)?;
            done.ended_ns = step::now_ns();
            done.bytes = payload.held_bytes() as u64;
            came.push(mapping);
            return Ok(done);
        }
        (Step::Read { pages, generation }, Some(mapping)) => {
            let count = mapping.len() / PAGE_SIZE;
            if let Some(page) = step::read(pages, count, generation, |at, into| mapping.read_at(at, into))? {
                return Err(format!("page {page} of {count} is not what was sent").into());
            }
        }
        (Step::Release, _) => came.clear(),
        (step, _) => return Err(format!("a receiver cannot do {step:?} now").into()),
    }
    done.ended_ns = step::now_ns();
    Ok(done)
}

fn attach(node: &Path) -> std::result::Result<Task, mach::AttachError> {
    Task::attach(AttachOptions { socket: Some(node.to_owned()), token: Some(0), memory: true })
}
