//! Tasks that are made from another: the child of a process that is about to fork, which becomes a task before it exists, and
//! that of a `task_create`.
//!
//! Spec: docs/spec/vm.md [vm.inherit.2] to [vm.inherit.7].

use std::ops::Range;
use std::os::fd::OwnedFd;

use kernel_core::TaskId;
use kernel_core::kern::Creation;
use kernel_core::vm::{Brought, ForkRefused, NotReady, ObjectId, Ready};
use proto::codec::TRAP_VERSION;
use proto::limits::FORK_PARTS_MAX;
use proto::wire::trap::{Answer, Fork, ForkPart, Welcome};
use proto::{KernReturn, PAGE_SIZE, Payload};
use sys::Memfd;

use crate::channel::{ChannelError, ChannelId, Role};
use crate::frozen::Passable;
use crate::node::Node;

impl Node {
    /// Makes the child of a process's task; the connection is its life line until it attaches.
    ///
    /// Errors: the connection is to be ended.
    pub(crate) fn fork(
        &mut self,
        id: ChannelId,
        ticket: u64,
        fork: Fork,
        fds: Vec<OwnedFd>,
    ) -> Result<(), ChannelError> {
        let pid = self.connection(id)?.socket.get().peer_credentials()?.pid;
        let of_process = |task: &TaskId| {
            self.processes.get(*task).and_then(|p| p.attached.as_ref()).is_some_and(|attached| attached.pid == pid)
        };
        let parent = self.processes.of_token(fork.token).filter(of_process);
        let parent = parent.ok_or(ChannelError::OutOfPlace("a fork of another process's task"))?;
        let (welcome, result, fork) = match self.forked(parent, fork, fds) {
            Ok((child, kept)) => {
                self.connection(id)?.role = Role::Fork(child);
                let welcome = Welcome {
                    version: TRAP_VERSION,
                    token: self.processes.prepare(child),
                    task: child.0,
                    ..Welcome::default()
                };
                (Some(welcome), 0, kept.into_iter().map(part).collect())
            }
            Err(ForkRefused::NotReady(parts)) => {
                (None, KernReturn::NotInSet.raw(), parts.into_iter().map(part_missing).collect())
            }
            Err(ForkRefused::Code(code)) => (None, code.raw(), Vec::new()),
        };
        self.settle();
        self.answer(id, Answer { ticket, result, welcome, fork, ..Answer::default() }, None)
    }

    fn forked(
        &mut self,
        parent: TaskId,
        fork: Fork,
        fds: Vec<OwnedFd>,
    ) -> Result<(TaskId, Vec<Range<u64>>), ForkRefused> {
        let objects = self.frozen_objects(parent, fds).map_err(ForkRefused::Code)?;
        let ready = ready(&fork.ready, &objects).map_err(ForkRefused::Code);
        let forked = ready.and_then(|ready| self.with_kernel(|kernel, cx| kernel.task_fork(parent, &ready, true, cx)));
        self.objects_unused(objects.into_iter().map(|(object, _)| object));
        forked
    }

    /// `task_create`: what the parent brought for its child becomes objects, of which the kernel makes the child's map.
    pub(crate) fn inherit(&mut self, parent: TaskId, creation: Creation, brought: Brought) {
        let Brought { memory, left_out, .. } = brought;
        let (mut ready, mut memory) = (Vec::new(), memory.in_turn());
        let brought = creation.brought(&left_out).into_iter().try_for_each(|range| {
            let size = usize::try_from(range.end - range.start).map_err(|_| KernReturn::Failure)?;
            let memory = memory.take(size).ok_or(KernReturn::Failure)?;
            self.objects_of(parent, range.start, memory, &mut ready)
        });
        self.with_kernel(|kernel, cx| match brought {
            Ok(()) => kernel.task_create_inheriting(creation, &ready, cx),
            Err(code) => kernel.creation_failed(creation, code, cx),
        });
        self.objects_unused(ready.into_iter().filter_map(|part| part.copy).map(|(object, _)| object));
    }

    /// Adds frozen memory as objects, and what of a parent's range from `address` on each is.
    ///
    /// Errors: `Failure` it is not frozen, or not in whole pages; `ResourceShortage`. What was added before that stays.
    fn objects_of(
        &mut self,
        parent: TaskId,
        mut address: u64,
        memory: Payload,
        out: &mut Vec<Ready>,
    ) -> Result<(), KernReturn> {
        for chunk in memory.chunks() {
            let (passable, offset) = match chunk.stored().and_then(|(store, at)| Some((Passable::of(store)?, at))) {
                Some(stored) => stored,
                None => {
                    let memfd = Memfd::frozen("mach-inherited", &[chunk]).map_err(|_| KernReturn::ResourceShortage)?;
                    (self.pmap.frozen.adopt(&memfd, parent).ok_or(KernReturn::ResourceShortage)?, 0)
                }
            };
            let size = chunk.len() as u64;
            if !size.is_multiple_of(PAGE_SIZE) || !offset.is_multiple_of(PAGE_SIZE) {
                return Err(KernReturn::Failure);
            }
            let object = self.frozen_object(&passable)?;
            out.push(Ready { range: address..address + size, copy: Some((object, offset)) });
            address += size;
        }
        Ok(())
    }
}

/// What the parent's library has made ready, by the frozen objects that it came in and their sizes.
///
/// Errors: `InvalidArgument` no whole pages, or not within its object; `ResourceShortage` too much.
pub(crate) fn ready(parts: &[ForkPart], objects: &[(ObjectId, u64)]) -> Result<Vec<Ready>, KernReturn> {
    if parts.len() > FORK_PARTS_MAX {
        return Err(KernReturn::ResourceShortage);
    }
    let ready = |part: &ForkPart| {
        let ForkPart { size, fd, offset, .. } = *part;
        let range = range_of(part).ok_or(KernReturn::InvalidArgument)?;
        let copy = match fd {
            None => None,
            Some(fd) => {
                let (object, bytes) = objects.get(fd as usize).ok_or(KernReturn::InvalidArgument)?;
                let fits = offset.checked_add(size).is_some_and(|end| end <= *bytes);
                Some((*object, offset)).filter(|_| fits).ok_or(KernReturn::InvalidArgument).map(Some)?
            }
        };
        Ok(Ready { range, copy })
    };
    parts.iter().map(ready).collect()
}

/// What of a collection could not be had.
///
/// Errors: `None` it is no list of ranges in order and apart, or too long.
pub(crate) fn left_out(parts: &[ForkPart]) -> Option<Vec<Range<u64>>> {
    let ranges: Vec<Range<u64>> = parts.iter().map(range_of).collect::<Option<_>>()?;
    let apart = ranges.windows(2).all(|two| two[0].end <= two[1].start);
    (apart && ranges.len() <= FORK_PARTS_MAX).then_some(ranges)
}

/// Errors: `None` they are no whole pages.
fn range_of(part: &ForkPart) -> Option<Range<u64>> {
    let end = part.address.checked_add(part.size)?;
    (part.address.is_multiple_of(PAGE_SIZE) && end.is_multiple_of(PAGE_SIZE)).then_some(part.address..end)
}

fn part(range: Range<u64>) -> ForkPart {
    ForkPart { address: range.start, size: range.end - range.start, ..ForkPart::default() }
}

/// What the parent's library is to make ready.
pub(crate) fn part_missing(NotReady { range, share, changing }: NotReady) -> ForkPart {
    ForkPart { share, changing, ..part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_missing_is_whole_pages_in_order() {
        let parts = |ranges: &[(u64, u64)]| -> Vec<ForkPart> { ranges.iter().map(|(s, e)| part(*s..*e)).collect() };
        let good = [(0, 4096), (4096, 8192), (1 << 40, (1 << 40) + 4096)];
        assert_eq!(left_out(&parts(&good)), Some(good.map(|(s, e)| s..e).to_vec()));
        assert_eq!(left_out(&[]), Some(vec![]));
        for bad in [
            [(0, 8192), (4096, 12288)],
            [(8192, 12288), (0, 4096)],
            [(0, 4096), (8192, 8193)],
            [(1, 4097), (8192, 12288)],
        ] {
            assert_eq!(left_out(&parts(&bad)), None, "{bad:?}");
        }
        let wraps = ForkPart { address: 4096, size: u64::MAX - 4095, ..ForkPart::default() };
        assert_eq!(left_out(&[wraps]), None);
        let many = |n: u64| -> Vec<ForkPart> { (0..n).map(|n| part(n * 4096..(n + 1) * 4096)).collect() };
        assert!(left_out(&many(FORK_PARTS_MAX as u64)).is_some());
        assert!(left_out(&many(FORK_PARTS_MAX as u64 + 1)).is_none());
    }
}
