//! The traps about memory that cannot change any more: freezing what a task has, and mapping what it got.
//!
//! Spec: docs/spec/vm.md, *Copies*.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use kernel_core::TaskId;
use kernel_core::vm::{FreezeRequest, FrozenPart, MapRequest, ObjectId, Run};
use proto::limits::{FREEZE_OBJECTS_MAX, FROZEN_PARTS_MAX};
use proto::segments::Segment;
use proto::vm::round_page;
use proto::wire::trap::{Answer, Freeze, FreezePart, MapFrozen};
use proto::{KernReturn, PAGE_SIZE, Prot};
use sys::Memfd;

use crate::channel::{ChannelError, ChannelId, With};
use crate::frozen::Passable;
use crate::node::Node;

/// A part as the answer tells it, and the descriptor of what it lies in.
type Part = (FreezePart, Option<Rc<OwnedFd>>);

impl Node {
    /// A thread has memory of its task frozen.
    ///
    /// Errors: the connection is to be ended.
    pub(crate) fn freeze(
        &mut self,
        task: TaskId,
        channel: ChannelId,
        ticket: u64,
        call: Freeze,
        fds: Vec<OwnedFd>,
    ) -> Result<(), ChannelError> {
        self.caller = Some((task, channel));
        let parts = self.frozen_parts(task, &call, fds);
        self.settle();
        self.caller = None;
        let (code, parts) = parts.map_or_else(|code| (code.raw(), Vec::new()), |parts| (0, parts));
        let answer = Answer { ticket, result: code, ..Answer::default() };
        let connection = self.connections.get_mut(&channel);
        connection.map_or(Ok(()), |connection| connection.answer(answer, With::Parts(parts)))
    }

    fn frozen_parts(&mut self, task: TaskId, call: &Freeze, fds: Vec<OwnedFd>) -> Result<Vec<Part>, KernReturn> {
        if call.thaw {
            return self.thaw(task, call, fds).map(|()| Vec::new());
        }
        if !call.copied.is_empty() {
            self.with_kernel(|kernel, cx| {
                kernel.vm_call(cx, |vm, cx| call.copied.iter().for_each(|at| _ = vm.vm_unmap_aside(task, *at, cx)))
            });
            return Ok(Vec::new());
        }
        if !call.runs.is_empty() {
            self.refreeze(task, call, fds)?;
        }
        let access = if call.unread { Prot::empty() } else { Prot::READ };
        let further = call.further.iter().map(|range| (range.address, range.size));
        let ranges = std::iter::once((call.address, call.size)).chain(further).collect();
        let wanted = FreezeRequest { ranges, access, busy: call.busy, objects_max: FREEZE_OBJECTS_MAX };
        let frozen = self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, cx| vm.vm_freeze(task, &wanted, cx)))?;
        let part = |part: kernel_core::vm::FreezePart| {
            let fd = part.object.and_then(|(object, _)| self.pmap.reader(object));
            let offset = part.object.map_or(0, |(_, offset)| offset);
            (FreezePart { address: part.address, size: part.size, fd: None, offset, aside: part.aside }, fd)
        };
        Ok(frozen.into_iter().map(part).collect())
    }

    /// What the task wrote since the last freeze lies in the descriptor beside the call.
    fn refreeze(&mut self, task: TaskId, call: &Freeze, fds: Vec<OwnedFd>) -> Result<(), KernReturn> {
        let passable = self.passable(task, fds.into_iter().next())?;
        let runs = runs_of(call, passable.frozen().size())?;
        let object = self.frozen_object(&passable)?;
        self.with_kernel(|kernel, cx| {
            kernel.vm_call(cx, |vm, cx| {
                let done = vm.vm_replace(task, object, &runs, cx);
                vm.object_unused(object, cx);
                done
            })
        })
    }

    /// What was frozen memory of the task lies in the descriptor beside the call, which it can write to.
    fn thaw(&mut self, task: TaskId, call: &Freeze, fds: Vec<OwnedFd>) -> Result<(), KernReturn> {
        let memfd = fds.into_iter().next().and_then(|fd| Memfd::adopt(fd).ok()).ok_or(KernReturn::InvalidArgument)?;
        // Whoever shares it must find what is mapped: it never becomes shorter.
        if !memfd.is_fixed_size() || memfd.is_frozen() || !memfd.size().is_multiple_of(PAGE_SIZE) {
            return Err(KernReturn::InvalidArgument);
        }
        let runs = runs_of(call, memfd.size())?;
        let known = memfd.id().ok().and_then(|id| self.pmap.frozen.object_of(id));
        if known.is_some() {
            return Err(KernReturn::InvalidArgument);
        }
        let pages = memfd.size() / PAGE_SIZE;
        let object = self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, _| vm.object_thawed(pages)))?;
        let taken = self.pmap.object_take(object, memfd).map_err(|_| KernReturn::ResourceShortage);
        let done = taken.and_then(|()| {
            self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, cx| vm.vm_replace(task, object, &runs, cx)))
        });
        self.objects_unused([object].into_iter());
        done
    }

    /// A thread maps frozen memory that it has.
    ///
    /// Errors: the connection is to be ended.
    pub(crate) fn map_frozen(
        &mut self,
        task: TaskId,
        channel: ChannelId,
        ticket: u64,
        call: MapFrozen,
        fds: Vec<OwnedFd>,
    ) -> Result<(), ChannelError> {
        self.caller = Some((task, channel));
        let mapped = self.mapped_frozen(task, &call, fds);
        self.settle();
        self.caller = None;
        let (code, address) = mapped.map_or_else(|code| (code.raw(), 0), |address| (0, address));
        self.answer(channel, Answer { ticket, result: code, address, ..Answer::default() }, None)
    }

    fn mapped_frozen(&mut self, task: TaskId, call: &MapFrozen, fds: Vec<OwnedFd>) -> Result<u64, KernReturn> {
        let parts = call.parts.as_ref().ok_or(KernReturn::InvalidArgument)?;
        if !parts.fits() {
            return Err(KernReturn::ResourceShortage);
        }
        let segments = parts.pieces().ok_or(KernReturn::InvalidArgument)?;
        let place = (call.address, call.mask, call.anywhere);
        let request = MapRequest::parse(place, (call.cur_protection, call.max_protection), call.inheritance)?;
        let objects = self.frozen_objects(task, fds)?;
        let part = |segment: &Segment| {
            let (object, bytes) = objects.get(segment.fd as usize).ok_or(KernReturn::InvalidArgument)?;
            let fits = segment.offset.checked_add(segment.length).is_some_and(|end| end <= *bytes);
            let size = round_page(segment.length).filter(|_| fits).ok_or(KernReturn::InvalidArgument)?;
            Ok(FrozenPart { object: *object, offset: segment.offset, size })
        };
        let parts = segments.iter().map(part).collect::<Result<Vec<_>, _>>();
        let mapped = parts.and_then(|parts| {
            self.with_kernel(|kernel, cx| {
                kernel.vm_call(cx, |vm, cx| vm.vm_map_frozen(task, &parts, request, cx)).map(|mapped| mapped.address)
            })
        });
        self.objects_unused(objects.into_iter().map(|(object, _)| object));
        mapped
    }

    /// The objects that show a task's descriptors, which must be frozen, and the bytes of each.
    ///
    /// Conditions: [`Node::objects_unused`] follows.
    pub(crate) fn frozen_objects(
        &mut self,
        task: TaskId,
        fds: Vec<OwnedFd>,
    ) -> Result<Vec<(ObjectId, u64)>, KernReturn> {
        let files = fds.into_iter().map(|fd| self.passable(task, Some(fd))).collect::<Result<Vec<_>, _>>()?;
        let mut objects = Vec::with_capacity(files.len());
        for file in &files {
            match self.frozen_object(file) {
                Ok(object) => objects.push((object, file.frozen().size())),
                Err(code) => {
                    self.objects_unused(objects.into_iter().map(|(object, _)| object));
                    return Err(code);
                }
            }
        }
        Ok(objects)
    }

    /// Forgets those of the objects that nobody maps.
    pub(crate) fn objects_unused(&mut self, objects: impl Iterator<Item = ObjectId>) {
        for object in objects {
            self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, cx| vm.object_unused(object, cx)));
        }
    }

    /// A descriptor of a task's, which must be frozen.
    fn passable(&mut self, task: TaskId, fd: Option<OwnedFd>) -> Result<Arc<Passable>, KernReturn> {
        let memfd = fd.and_then(|fd| Memfd::adopt(fd).ok()).ok_or(KernReturn::InvalidArgument)?;
        let frozen = memfd.is_frozen();
        let refused = if frozen { KernReturn::ResourceShortage } else { KernReturn::InvalidArgument };
        self.pmap.frozen.adopt(&memfd, task).ok_or(refused)
    }

    /// The object that shows a frozen file; a new one if none does.
    pub(crate) fn frozen_object(&mut self, passable: &Arc<Passable>) -> Result<ObjectId, KernReturn> {
        if let Some(object) = self.pmap.frozen.object_of(passable.frozen().id()) {
            return Ok(object);
        }
        // What it holds, not how long it is: a file of holes takes nobody's memory.
        let held = passable.frozen().memfd().allocated_bytes().unwrap_or(passable.frozen().size());
        let pages = held.div_ceil(PAGE_SIZE);
        let object = self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, _| vm.object_frozen(pages)))?;
        if let Err(error) = self.pmap.object_adopt(object, passable.clone()) {
            tracing::warn!(%error, "frozen memory could not be taken over");
            self.with_kernel(|kernel, cx| kernel.vm_call(cx, |vm, cx| vm.object_unused(object, cx)));
            return Err(KernReturn::ResourceShortage);
        }
        Ok(object)
    }
}

/// The runs of a call, which lie in a file of `bytes`.
///
/// Errors: `InvalidArgument` they do not, or are too many.
fn runs_of(call: &Freeze, bytes: u64) -> Result<Vec<Run>, KernReturn> {
    let within = |run: &Run| run.offset.checked_add(run.size).is_some_and(|end| end <= bytes);
    let runs = call.runs.iter().map(|run| Run { address: run.address, size: run.size, offset: run.offset });
    let runs: Vec<Run> = runs.collect();
    let fits = runs.len() <= FROZEN_PARTS_MAX && runs.iter().all(within);
    fits.then_some(runs).ok_or(KernReturn::InvalidArgument)
}
