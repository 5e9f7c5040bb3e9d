//! `vm_msync`: written pages of a range go to their pagers, and the caller hears when they are durable there.

use proto::limits::{MSYNC_PARTS_MAX, MSYNCS_MAX, SYNCHRONIZES_MAX};
use proto::vm::ShouldReturn;
use proto::{KernReturn, PAGE_SIZE};

use super::event::{Ticket, ToPager, VmEvent};
use super::job::{Job, LockJob, Then};
use super::object::{ObjectState, ObjectSync};
use super::user::range_of;
use super::{ObjectId, Timer, Vm, VmCx, sync};
use crate::{TaskId, Time};

/// An msync that is not finished.
pub(super) struct Msync {
    /// Whose.
    pub task: TaskId,
    /// Parts that are not done.
    parts: usize,
    /// The first that went wrong.
    result: KernReturn,
    /// When it has taken long enough.
    pub deadline: Time,
}

impl Vm {
    /// Returns the written pages of a range to their pagers and waits until the pagers say that they are durable,
    /// unless `ASYNCHRONOUS`. With `INVALIDATE` the pages leave this kernel once their pagers have said so.
    ///
    /// Conditions: `Ok` means that [`VmEvent::MsyncDone`] with `ticket` follows, once; it may be in `out` already. Memory
    /// without a pager is passed over.
    /// Errors: `InvalidTask`; `InvalidArgument` a range that wraps, or both ways to wait; `InvalidAddress` a hole, with `CONTIGUOUS`;
    /// `ResourceShortage` too many msyncs, or too many objects in the range. Nothing follows then.
    /// Source: spec [vm.msync.1] to [vm.msync.7]; mach-api §2.2 `vm_msync` (OSF).
    pub fn vm_msync(
        &mut self,
        task: TaskId,
        address: u64,
        size: u64,
        flags: u32,
        ticket: Ticket,
        cx: &mut VmCx<'_>,
    ) -> Result<(), KernReturn> {
        let map = self.map_of(task)?;
        let range = range_of(address, size)?;
        let both = sync::ASYNCHRONOUS | sync::SYNCHRONOUS;
        if flags & both == both {
            return Err(KernReturn::InvalidArgument);
        }
        if flags & sync::CONTIGUOUS != 0 && !map.is_covered(range.clone()) {
            return Err(KernReturn::InvalidAddress);
        }
        let mut parts = Vec::new();
        for start in map.touched(range.clone()) {
            let e = map.entry(start).expect("listed");
            let (from, to) = (e.start.max(range.start), e.end.min(range.end));
            // Through an entry that is not shared nothing was written.
            if e.managed && e.shared && !self.objects[e.object].internal {
                parts.push((e.object, e.offset + (from - e.start), to - from));
            }
        }
        if parts.len() > MSYNC_PARTS_MAX || self.msyncs.len() >= MSYNCS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        // One part more than there are, so that it is not finished before all have begun.
        let deadline = Time(cx.now.0.saturating_add(self.config.sync_deadline_ns));
        let msync = Msync { task, parts: parts.len() + 1, result: KernReturn::Success, deadline };
        self.timers.insert((deadline, Timer::Msync { ticket }));
        self.msyncs.insert(ticket, msync);
        for (id, offset, length) in parts {
            self.sync_part(id, offset, length, flags, ticket, cx);
        }
        self.msync_part_done(ticket, KernReturn::Success, cx);
        Ok(())
    }

    fn sync_part(&mut self, id: ObjectId, offset: u64, length: u64, flags: u32, ticket: Ticket, cx: &mut VmCx<'_>) {
        match self.objects[id].state {
            ObjectState::Dead => return self.msync_part_done(ticket, KernReturn::MemoryFailure, cx),
            ObjectState::Ready => {}
            // Nothing came yet, so nothing was written.
            _ => return self.msync_part_done(ticket, KernReturn::Success, cx),
        }
        let pages = offset / PAGE_SIZE..(offset + length) / PAGE_SIZE;
        let job = LockJob {
            all: pages.clone(),
            pages,
            should_return: ShouldReturn::Dirty,
            flush: false,
            clean_since: None,
            lock: None,
            ready_at: cx.now,
            then: Then::Synchronize { ticket, offset, length, flags },
        };
        self.submit(id, Job::Lock(job), cx);
    }

    /// The written pages of a part are on their way.
    pub(super) fn send_synchronize(
        &mut self,
        id: ObjectId,
        ticket: Ticket,
        offset: u64,
        length: u64,
        flags: u32,
        cx: &mut VmCx<'_>,
    ) {
        if !self.msyncs.contains_key(&ticket) {
            return;
        }
        let (wait, invalidate) = (flags & sync::ASYNCHRONOUS == 0, flags & sync::INVALIDATE != 0);
        let object = &mut self.objects[id];
        if object.syncs.len() >= SYNCHRONIZES_MAX {
            return self.msync_part_done(ticket, KernReturn::ResourceShortage, cx);
        }
        if wait || invalidate {
            let invalidate = invalidate.then_some(object.returns);
            object.syncs.push_back(ObjectSync {
                ticket: wait.then_some(ticket),
                offset,
                length,
                invalidate,
                upto: object.returns,
                page_out: false,
            });
            self.to_pager(id, ToPager::Synchronize { offset, length, flags }, cx);
        }
        if !wait {
            self.msync_part_done(ticket, KernReturn::Success, cx);
        }
    }

    /// The pager's answer to `memory_object_synchronize`: the oldest one of that range is done.
    ///
    /// Source: spec [vm.msync.2]; mach-api §3.2 (OSF).
    pub fn memory_object_synchronize_completed(
        &mut self,
        id: ObjectId,
        offset: u64,
        length: u64,
        result: KernReturn,
        cx: &mut VmCx<'_>,
    ) {
        let Some(object) = self.objects.get_mut(id) else { return };
        let Some(at) = object.syncs.iter().position(|s| (s.offset, s.length) == (offset, length)) else {
            self.counters.bad_calls += 1;
            return;
        };
        let part = object.syncs.remove(at).expect("just found");
        let returns = object.returns;
        if result == KernReturn::Success {
            object.returns_confirmed = object.returns_confirmed.max(part.upto);
        }
        if part.page_out {
            return self.round_done(id, result, cx);
        }
        match part.invalidate {
            Some(then) if result == KernReturn::Success && then == returns => {
                self.invalidate(id, offset, length, returns, cx);
            }
            Some(_) if result == KernReturn::Success && object.state == ObjectState::Ready => {
                let again = ObjectSync { ticket: None, invalidate: Some(returns), upto: returns, ..part };
                object.syncs.push_back(again);
                self.to_pager(id, ToPager::Synchronize { offset, length, flags: sync::INVALIDATE }, cx);
            }
            _ => {}
        }
        if let Some(ticket) = part.ticket {
            self.msync_part_done(ticket, result, cx);
        }
    }

    /// The pager has all that was written to a range: its pages go, if nobody writes to them meanwhile.
    fn invalidate(&mut self, id: ObjectId, offset: u64, length: u64, returns: u64, cx: &mut VmCx<'_>) {
        let pages = offset / PAGE_SIZE..(offset + length) / PAGE_SIZE;
        let job = LockJob {
            all: pages.clone(),
            pages,
            should_return: ShouldReturn::None,
            flush: true,
            clean_since: Some(returns),
            lock: None,
            ready_at: cx.now,
            then: Then::Nothing,
        };
        self.submit(id, Job::Lock(job), cx);
    }

    /// One part of an msync is done; with the last one its caller hears the result.
    pub(super) fn msync_part_done(&mut self, ticket: Ticket, result: KernReturn, cx: &mut VmCx<'_>) {
        let Some(msync) = self.msyncs.get_mut(&ticket) else { return };
        if msync.result == KernReturn::Success {
            msync.result = result;
        }
        msync.parts -= 1;
        if msync.parts == 0 {
            let result = msync.result;
            self.end_msync(ticket, result, cx);
        }
    }

    /// Tells the caller of an msync the result and forgets it. What it began goes on, and an answer to its synchronize is
    /// matched and dropped.
    pub(super) fn end_msync(&mut self, ticket: Ticket, result: KernReturn, cx: &mut VmCx<'_>) {
        if let Some(msync) = self.msyncs.remove(&ticket) {
            self.timers.remove(&(msync.deadline, Timer::Msync { ticket }));
            cx.out.push(VmEvent::MsyncDone { ticket, result });
        }
    }
}
