//! The routines of a task and its memory, as messages to its task port.

use proto::iface::task::{self, Request};
use proto::msg::Reply as _;
use proto::{Body, KernReturn, PAGE_SIZE};

use super::reply::{Reply, Results};
use super::{Cx, Kernel};
use crate::TaskId;
use crate::ipc::Right;
use crate::vm::{MapRequest, Mapped, OrderId};

/// `TASK_KERNEL_PORT` and `TASK_BOOTSTRAP_PORT`.
const SPECIAL_KERNEL: u32 = 1;
const SPECIAL_BOOTSTRAP: u32 = 4;

/// An answer, and the orders that have to be done before it goes out.
type Ordered = Result<(Body<Right>, Vec<OrderId>), KernReturn>;

impl Kernel {
    /// Carries one routine out and answers it: at once, or when the orders it gave are done.
    pub(super) fn mach_routine(&mut self, task: TaskId, request: Request<Right>, reply: Reply, cx: &mut Cx<'_>) {
        match request {
            Request::TaskTerminate(_) => {
                self.answer(reply, Ok(().into_body()));
                self.task_terminate(task, cx);
            }
            Request::TaskCreate(r) => self.task_create_routine(task, r.inherit_memory, reply, cx),
            Request::VmReadSpace(_) => self.vm_read_space(task, reply, cx),
            Request::VmMapMemory(r) => self.vm_map_memory(task, r, reply, cx),
            Request::TaskThreads(_) => {
                let thread_list = self.task_threads(task);
                self.answer(reply, Ok(task::TaskThreadsReply { thread_list }.into_body()));
            }
            Request::VmMsync(r) => self.vm_msync(task, r, reply, cx),
            Request::VmRegion(r) => {
                let results = self.vm_region(task, r.address);
                self.answer(reply, results);
            }
            Request::VmRead(r) => self.vm_read(task, r, reply, cx),
            Request::VmWrite(r) => self.vm_write(task, r, reply, cx),
            Request::VmCopy(r) => self.vm_copy(task, r, reply, cx),
            Request::VmInherit(r) => {
                let done = self.vm.vm_inherit(task, r.address, r.size, r.new_inheritance);
                self.answer(reply, done.map(|()| ().into_body()));
            }
            Request::VmStatistics(_) => {
                let results = self.vm_statistics(task, cx.pmap.free_pages());
                self.answer(reply, results);
            }
            Request::VmMachineAttribute(r) => {
                let code = self.vm.vm_machine_attribute(task, r.address, r.size);
                self.answer(reply, Err(code));
            }
            Request::TaskGetSpecialPort(r) => {
                let results = self.task_get_special_port(task, r.which);
                self.answer(reply, results);
            }
            Request::TaskSetSpecialPort(r) => {
                let results = self.task_set_special_port(task, r.which, r.special);
                self.answer(reply, results);
            }
            Request::VmAllocate(r) => {
                let mapped = self.with_vm(cx, |vm, vmcx| vm.vm_allocate(task, r.address, r.size, r.anywhere, vmcx));
                let address = |address| task::VmAllocateReply { address }.into_body();
                self.answer_ordered(reply, mapped.map(|m| ordered(m, address)));
            }
            Request::VmMap(r) => self.vm_map(task, r, reply, cx),
            Request::VmDeallocate(r) => {
                let orders = self.with_vm(cx, |vm, vmcx| vm.vm_deallocate(task, r.address, r.size, vmcx));
                self.answer_ordered(reply, orders.map(|orders| (().into_body(), orders)));
            }
            Request::VmProtect(r) => {
                let orders = self.with_vm(cx, |vm, vmcx| {
                    vm.vm_protect(task, r.address, r.size, r.set_maximum, r.new_protection, vmcx)
                });
                self.answer_ordered(reply, orders.map(|orders| (().into_body(), orders)));
            }
        }
    }

    fn answer_ordered(&mut self, reply: Reply, outcome: Ordered) {
        match outcome {
            Ok((results, orders)) if orders.is_empty() => self.answer(reply, Ok(results)),
            Ok((results, orders)) => self.pending.after_orders(orders, reply, results),
            Err(code) => self.answer(reply, Err(code)),
        }
    }

    /// Source: mach-api §2.3. The object's right is used up whatever the answer.
    fn vm_map(&mut self, task: TaskId, r: task::VmMap<Right>, reply: Reply, cx: &mut Cx<'_>) {
        let request = self.map_request(r);
        let mapped = request.and_then(|request| {
            let mapped = self.with_vm(cx, |vm, vmcx| vm.vm_map(task, request, vmcx))?;
            Ok((mapped, request))
        });
        match mapped {
            Ok((aside, request)) if request.copy && request.object.is_some() => {
                self.copy_object(task, aside, request, reply);
            }
            mapped => {
                let address = |address| task::VmMapReply { address }.into_body();
                self.answer_ordered(reply, mapped.map(|(mapped, _)| ordered(mapped, address)));
            }
        }
    }

    fn map_request(&mut self, r: task::VmMap<Right>) -> Result<MapRequest, KernReturn> {
        let place = (r.address, r.mask, r.anywhere);
        match MapRequest::parse(place, (r.cur_protection, r.max_protection), r.inheritance) {
            Ok(request) => {
                let object = self.object_for(r.memory_object)?;
                Ok(MapRequest { size: r.size, object, offset: r.offset, copy: r.copy, ..request })
            }
            Err(code) => {
                self.ipc.release(r.memory_object, &mut self.fx);
                Err(code)
            }
        }
    }

    fn vm_msync(&mut self, task: TaskId, r: task::VmMsync, reply: Reply, cx: &mut Cx<'_>) {
        let ticket = self.pending.msync(reply);
        let begun = self.with_vm(cx, |vm, vmcx| vm.vm_msync(task, r.address, r.size, r.sync_flags, ticket, vmcx));
        if let (Err(code), Some(reply)) = (begun, begun.is_err().then(|| self.pending.msync_done(ticket)).flatten()) {
            self.answer(reply, Err(code));
        }
    }

    fn vm_region(&mut self, task: TaskId, address: u64) -> Results {
        let region = self.vm.vm_region(task, address)?;
        let object_name = region.object.map_or(Right::Null, |object| self.object_name(object));
        Ok(task::VmRegionReply {
            address: region.address,
            size: region.size,
            protection: region.protection.bits(),
            max_protection: region.max_protection.bits(),
            inheritance: region.inheritance as u32,
            is_shared: region.shared,
            object_name,
            offset: region.offset,
        }
        .into_body())
    }

    /// Counters that do not fit their word stay at the greatest value of one.
    fn vm_statistics(&mut self, task: TaskId, free: u64) -> Results {
        if !self.tasks.contains_key(&task) {
            return Err(KernReturn::InvalidTask);
        }
        let s = self.vm.statistics(free);
        let word = |count: u64| count.min(i32::MAX as u64) as u32;
        let vm_stats = task::VmCounts {
            pagesize: PAGE_SIZE as u32,
            free_count: word(s.free),
            active_count: word(s.active),
            inactive_count: word(s.inactive),
            reactivations: word(s.reactivations),
            wire_count: word(s.wired),
            zero_fill_count: word(s.zero_fill),
            cow_faults: word(s.cow_faults),
            pageins: word(s.pageins),
            pageouts: word(s.pageouts),
            faults: word(s.faults),
            lookups: word(s.lookups),
            hits: word(s.hits),
        };
        Ok(task::VmStatisticsReply { vm_stats }.into_body())
    }

    fn task_get_special_port(&mut self, task: TaskId, which: u32) -> Results {
        let special = match which {
            SPECIAL_KERNEL => self.task_port(task)?,
            SPECIAL_BOOTSTRAP => {
                let record = self.tasks.get(&task).ok_or(KernReturn::InvalidTask)?;
                self.ipc.copy_send(&record.bootstrap)
            }
            _ => return Err(KernReturn::InvalidArgument),
        };
        Ok(task::TaskGetSpecialPortReply { special }.into_body())
    }

    fn task_set_special_port(&mut self, task: TaskId, which: u32, special: Right) -> Results {
        let is_send = matches!(special, Right::Null | Right::Dead | Right::Send(_));
        let (given_up, results) = match self.tasks.get_mut(&task) {
            None => (special, Err(KernReturn::InvalidTask)),
            Some(_) if which != SPECIAL_BOOTSTRAP => (special, Err(KernReturn::InvalidArgument)),
            Some(_) if !is_send => (special, Err(KernReturn::InvalidCapability)),
            Some(record) => (std::mem::replace(&mut record.bootstrap, special), Ok(().into_body())),
        };
        self.ipc.release(given_up, &mut self.fx);
        results
    }
}

fn ordered(mapped: Mapped, results: impl FnOnce(u64) -> Body<Right>) -> (Body<Right>, Vec<OrderId>) {
    (results(mapped.address), mapped.order.into_iter().collect())
}
