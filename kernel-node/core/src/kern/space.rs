//! Whole address spaces: all that a task has mapped as one item of a message, memory of a message as memory of a task, and
//! tasks that inherit another's memory without being a fork of its process.
//!
//! Memory without a pager, and anonymous memory, the task itself freezes or copies, as its errand; memory objects go as what
//! they are, rights to their pagers' ports.
//!
//! Spec: docs/spec/vm.md, *Whole address spaces*, and [vm.inherit.7].

use std::ops::Range;

use proto::iface::task as idl;
use proto::limits::{FORK_PARTS_MAX, MSG_OOL_BYTES_MAX, SPACE_REGIONS_MAX};
use proto::msg::Reply as _;
use proto::space::{self, Shows};
use proto::{KernReturn, Payload, ranges};

use super::errand::Awaited;
use super::reply::Reply;
use super::{Cx, Effect, Kernel};
use crate::TaskId;
use crate::vm::{Errand, ForkRefused, MapRequest, NotReady, ObjectId, Ready};

/// The regions of a task, and the objects that some of them show, in the order of their numbers.
pub(super) struct Layout {
    regions: Vec<space::Region>,
    objects: Vec<ObjectId>,
}

/// A child that waits for copies of its parent's memory.
#[derive(Debug)]
pub struct Creation {
    pub(super) parent: TaskId,
    pub(super) reply: Reply,
    /// What its parent was asked for.
    asked: Vec<NotReady>,
}

impl Creation {
    /// Of the ranges that were to be copied, what was, in the order in which the parent brought it.
    pub fn brought<'a>(&'a self, left_out: &'a [Range<u64>]) -> impl Iterator<Item = Range<u64>> + 'a {
        let to_copy = self.asked.iter().filter(|part| !part.share);
        to_copy.flat_map(|part| ranges::without(&part.range, within(&part.range, left_out)))
    }
}

impl Kernel {
    /// Everything that a task has mapped.
    ///
    /// Errors: `InvalidTask` it has no memory; `ResourceShortage` in too many pieces; `NoSpace` more than a message carries to
    /// where the answer goes; `Terminated`.
    /// Source: spec [vm.space.1].
    pub(super) fn vm_read_space(&mut self, task: TaskId, reply: Reply, cx: &mut Cx<'_>) {
        let layout = match self.layout(task) {
            Ok(layout) => layout,
            Err(code) => return self.answer(reply, Err(code)),
        };
        let bytes = |r: &space::Region| matches!(r.shows, Shows::Bytes(_));
        let ranges = layout.regions.iter().filter(|r| bytes(r)).map(|r| r.address..r.address + r.size);
        let ranges: Vec<NotReady> = ranges.map(|range| NotReady { range, share: false, changing: false }).collect();
        let total: u64 = ranges.iter().map(|r| r.range.end - r.range.start).sum();
        let head = || space::head(&layout.regions).len() as u64;
        if self.goes_far(&reply) && total + head() > MSG_OOL_BYTES_MAX as u64 {
            return self.answer(reply, Err(KernReturn::NoSpace));
        }
        match ranges.is_empty() {
            true => self.answer_space(reply, layout, Payload::default(), &[]),
            false => self.send_errand(task, Errand::Collect { ranges }, Awaited::Space { reply, layout }, cx),
        }
    }

    /// The regions of a task, those of one object and with the same attributes made one.
    fn layout(&self, task: TaskId) -> Result<Layout, KernReturn> {
        let mut layout = Layout { regions: Vec::new(), objects: Vec::new() };
        for region in self.vm.region_stats(task, 0)?.map(|stat| stat.region) {
            let shows = match region.object {
                None => Shows::Bytes(0),
                Some(object) => {
                    let known = layout.objects.iter().position(|o| *o == object);
                    let number = known.unwrap_or(layout.objects.len());
                    if known.is_none() {
                        layout.objects.push(object);
                    }
                    Shows::Object(number as u32, region.offset)
                }
            };
            let next = space::Region {
                address: region.address,
                size: region.size,
                protection: region.protection,
                max_protection: region.max_protection,
                inheritance: region.inheritance,
                shows,
            };
            match layout.regions.last_mut() {
                Some(last) if is_continued_by(last, &next) => last.size += next.size,
                _ => layout.regions.push(next),
            }
        }
        if layout.regions.len() > SPACE_REGIONS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        Ok(layout)
    }

    /// Answers with an address space; of its regions with bytes, `left_out` could not be had.
    pub(super) fn answer_space(&mut self, reply: Reply, layout: Layout, memory: Payload, left_out: &[Range<u64>]) {
        let regions: Vec<space::Region> = layout.regions.iter().flat_map(|region| torn(region, left_out)).collect();
        if regions.len() > SPACE_REGIONS_MAX {
            return self.answer(reply, Err(KernReturn::ResourceShortage));
        }
        let bytes = regions.iter().filter(|r| matches!(r.shows, Shows::Bytes(_))).map(|r| r.size);
        if bytes.sum::<u64>() != memory.len() as u64 {
            return self.answer(reply, Err(KernReturn::Failure));
        }
        let mut space = Payload::from(space::head(&regions));
        space.append(memory);
        let objects = layout.objects.iter().map(|object| self.object_pager(*object)).collect();
        self.answer(reply, Ok(idl::VmReadSpaceReply { space, objects }.into_body()));
    }

    /// Maps memory of a message in a task.
    ///
    /// Errors: `InvalidTask`; `InvalidArgument` no bytes, no inheritance, a protection beyond the maximum or that there is not;
    /// `NoSpace`, `InvalidAddress` as `vm_map`; `Terminated`.
    /// Source: spec [vm.space.3].
    pub(super) fn vm_map_memory(&mut self, task: TaskId, r: idl::VmMapMemory, reply: Reply, cx: &mut Cx<'_>) {
        let idl::VmMapMemory { address, mask, anywhere, data, cur_protection, max_protection, inheritance } = r;
        let how = MapRequest::parse((address, mask, anywhere), (cur_protection, max_protection), inheritance);
        let how = how.ok().filter(|how| how.max_protection.contains(how.protection) && !data.is_empty());
        let Some(how) = how else { return self.answer(reply, Err(KernReturn::InvalidArgument)) };
        if self.vm.region_stats(task, 0).is_err() {
            return self.answer(reply, Err(KernReturn::InvalidTask));
        }
        self.send_errand(task, Errand::Map { data, how }, Awaited::Map { reply }, cx);
    }

    /// A task without a process, with what it inherits of its parent's memory, or with none.
    ///
    /// Errors: `InvalidTask`; `ResourceShortage`; `Terminated` the parent ended meanwhile.
    /// Source: spec [vm.inherit.7]; mach-api §3.1.
    pub(super) fn task_create_routine(&mut self, parent: TaskId, inherit: bool, reply: Reply, cx: &mut Cx<'_>) {
        if inherit && self.vm.region_stats(parent, 0).is_ok() {
            return self.task_create_inheriting(Creation { parent, reply, asked: Vec::new() }, &[], cx);
        }
        let created = self.task_of_parent(parent);
        self.answer_created(reply, created, cx);
    }

    /// What a parent's library made ready for a child is in frozen objects now: the next step of a `task_create`.
    pub fn task_create_inheriting(&mut self, creation: Creation, ready: &[Ready], cx: &mut Cx<'_>) {
        let Creation { parent, reply, asked } = creation;
        let mut ready = ready.to_vec();
        let created = loop {
            match self.task_fork(parent, &ready, false, cx) {
                Ok((child, _)) => break Ok(child),
                Err(ForkRefused::Code(code)) => break Err(code),
                // There may be more of them, which nobody would ask for.
                Err(ForkRefused::NotReady(parts)) if asked.is_empty() && parts.len() >= FORK_PARTS_MAX => {
                    break Err(KernReturn::ResourceShortage);
                }
                Err(ForkRefused::NotReady(parts)) if asked.is_empty() => {
                    let errand = Errand::Collect { ranges: parts.clone() };
                    let creation = Creation { parent, reply, asked: parts };
                    return self.send_errand(parent, errand, Awaited::Create(creation), cx);
                }
                // It was asked for everything once: what has changed since is left out.
                Err(ForkRefused::NotReady(parts)) => {
                    ready.extend(parts.into_iter().map(|part| Ready { range: part.range, copy: None }));
                }
            }
        };
        self.answer_created(reply, created, cx);
    }

    /// Answers a `task_create`.
    pub fn creation_failed(&mut self, creation: Creation, code: KernReturn, cx: &mut Cx<'_>) {
        self.answer_created(creation.reply, Err(code), cx);
    }

    fn answer_created(&mut self, reply: Reply, created: Result<TaskId, KernReturn>, cx: &mut Cx<'_>) {
        let results = created.and_then(|child| {
            cx.out.push(Effect::Created(child));
            let child_task = self.task_port(child)?;
            Ok(idl::TaskCreateReply { child_task }.into_body())
        });
        self.answer(reply, results);
    }
}

/// Those of some ranges, in order and apart, that reach into another.
fn within<'a>(range: &Range<u64>, all: &'a [Range<u64>]) -> &'a [Range<u64>] {
    let from = all.partition_point(|r| r.end <= range.start);
    let to = all.partition_point(|r| r.start < range.end);
    all.get(from..to).unwrap_or_default()
}

/// A region in parts: if it has bytes, what was left out of them shows nothing.
fn torn(region: &space::Region, left_out: &[Range<u64>]) -> Vec<space::Region> {
    let range = region.address..region.address + region.size;
    let left_out = within(&range, left_out);
    if left_out.is_empty() || !matches!(region.shows, Shows::Bytes(_)) {
        return vec![*region];
    }
    let had = ranges::without(&range, left_out);
    let part = |r: &Range<u64>, shows| space::Region { address: r.start, size: r.end - r.start, shows, ..*region };
    let lost = ranges::without(&range, &had);
    let mut parts: Vec<_> = had.iter().map(|r| part(r, region.shows)).collect();
    parts.extend(lost.iter().map(|r| part(r, Shows::Nothing)));
    parts.sort_unstable_by_key(|part| part.address);
    parts
}

/// Whether one region goes on in another.
fn is_continued_by(last: &space::Region, next: &space::Region) -> bool {
    let attributes = |r: &space::Region| (r.protection, r.max_protection, r.inheritance);
    let goes_on = match (last.shows, next.shows) {
        (Shows::Bytes(_), Shows::Bytes(_)) => true,
        (Shows::Object(a, from), Shows::Object(b, offset)) => a == b && from + last.size == offset,
        _ => false,
    };
    goes_on && last.address + last.size == next.address && attributes(last) == attributes(next)
}
