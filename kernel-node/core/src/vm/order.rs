//! Orders to tasks that are under way, and the threads that wait for one: those whose access Linux has to refuse.
//!
//! A write-protect fault can only be answered by giving write access or by changing the mapping. So a thread that must not
//! write sleeps until its task has made the range read-only, is woken, and gets its signal from Linux.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proto::{KernReturn, PAGE_SIZE, Prot};

use super::event::FaultClass;
use super::object::ObjectState;
use super::wait::Waiter;
use super::{OrderId, Vm, VmCx, VmEvent};
use crate::TaskId;

/// An order that its task has not answered.
pub(super) enum Order {
    /// To map the range.
    Map {
        /// Who.
        task: TaskId,
        /// Where.
        range: Range<u64>,
    },
    /// To unmap the range, which is reserved until then.
    Unmap {
        /// Who.
        task: TaskId,
        /// Where.
        range: Range<u64>,
    },
    /// To map the range privately, in place of the same memory shared.
    Freeze {
        /// Who.
        task: TaskId,
        /// Where.
        range: Range<u64>,
    },
    /// To change the protection of the range.
    Protect {
        /// Who.
        task: TaskId,
        /// Where.
        range: Range<u64>,
        /// To what.
        protection: Prot,
        /// Threads to wake when it is done.
        refused: Vec<Waiter>,
    },
    /// To keep Linux from taking pages of the range, or to let it again.
    Wire {
        /// Who.
        task: TaskId,
        /// Where.
        range: Range<u64>,
        /// Which of both.
        wired: bool,
    },
}

impl Order {
    fn task(&self) -> TaskId {
        self.of().0
    }

    /// Whose it is, and where.
    fn of(&self) -> (TaskId, &Range<u64>) {
        match self {
            Order::Map { task, range }
            | Order::Unmap { task, range }
            | Order::Freeze { task, range }
            | Order::Wire { task, range, .. }
            | Order::Protect { task, range, .. } => (*task, range),
        }
    }

    fn reaches(&self, task: TaskId, range: &Range<u64>) -> bool {
        let (of, at) = self.of();
        of == task && at.start < range.end && range.start < at.end
    }
}

/// The orders under way, by number and by place: one call can give thousands, and each that ends asks what else is under
/// way there.
#[derive(Default)]
pub(super) struct Orders {
    by_id: BTreeMap<OrderId, Order>,
    /// Whose it is, its first byte, and which.
    by_start: BTreeSet<(TaskId, u64, OrderId)>,
    /// No range is longer. Units: bytes.
    longest: u64,
}

impl Orders {
    /// An order was given.
    pub fn insert(&mut self, id: OrderId, order: Order) {
        let (task, range) = order.of();
        self.longest = self.longest.max(range.end - range.start);
        self.by_start.insert((task, range.start, id));
        self.by_id.insert(id, order);
    }

    /// It is under way no more.
    pub fn remove(&mut self, id: OrderId) -> Option<Order> {
        let order = self.by_id.remove(&id)?;
        let (task, range) = order.of();
        self.by_start.remove(&(task, range.start, id));
        if self.by_id.is_empty() {
            self.longest = 0;
        }
        Some(order)
    }

    /// Those of a task for a part of a range.
    fn reaching(&self, task: TaskId, range: &Range<u64>) -> impl Iterator<Item = (OrderId, &Order)> {
        let first = (task, range.start.saturating_sub(self.longest), OrderId(0));
        let candidates = self.by_start.range(first..(task, range.end, OrderId(0)));
        let orders = candidates.map(|(_, _, id)| (*id, &self.by_id[id]));
        orders.filter(move |(_, order)| order.reaches(task, range))
    }

    /// Forgets those of a task.
    fn forget(&mut self, task: TaskId) {
        self.by_id.retain(|_, order| order.task() != task);
        self.by_start.retain(|(of, ..)| *of != task);
    }
}

impl Vm {
    /// The task has carried an order out, or could not.
    ///
    /// Conditions: an order that is unknown (its task is gone) is ignored. A map order that failed takes its entries with
    /// it. A range that could not be unmapped is never given out again; one that could not be wired is not.
    /// Source: spec [vm.order.1] to [vm.order.3].
    pub fn order_done(&mut self, order: OrderId, result: Result<(), KernReturn>, cx: &mut VmCx<'_>) {
        let Some(done) = self.orders.remove(order) else { return };
        let task = done.task();
        self.carried_out(order, done, result, cx);
        self.give_out_unmapped(task);
    }

    /// Whether an order for a part of the range is under way.
    pub(super) fn is_ordered(&self, task: TaskId, range: &Range<u64>) -> bool {
        self.orders.reaching(task, range).next().is_some()
    }

    /// Whether the task has been told to unmap `address` and has not done it.
    pub(super) fn is_unmapping(&self, task: TaskId, address: u64) -> bool {
        let at = address..address + 1;
        self.orders.reaching(task, &at).any(|(_, order)| matches!(order, Order::Unmap { .. }))
    }

    /// Frees the addresses that are unmapped, once no order for them is under way: another thread may have been given one
    /// earlier, and carry it out later.
    fn give_out_unmapped(&mut self, task: TaskId) {
        let Some(map) = self.tasks.get_mut(&task) else { return };
        let unmapped = std::mem::take(&mut map.unmapped);
        for range in unmapped {
            let reached = self.is_ordered(task, &range);
            let map = self.tasks.get_mut(&task).expect("looked up above");
            if reached {
                map.unmapped.push(range);
            } else {
                map.left(range.start);
            }
        }
    }

    fn carried_out(&mut self, id: OrderId, done: Order, result: Result<(), KernReturn>, cx: &mut VmCx<'_>) {
        match done {
            Order::Map { .. } | Order::Freeze { .. } if result.is_ok() => {}
            // Where memory of the task's own lies, nothing else ever will.
            Order::Map { task, range } => self.map_failed(task, range, result != Err(KernReturn::MemoryPresent), cx),
            Order::Freeze { task, range } => self.freeze_failed(task, range),
            Order::Unmap { task, range } => {
                cx.pmap.wake(task, range.start, range.end - range.start);
                if result.is_ok()
                    && let Some(map) = self.tasks.get_mut(&task)
                {
                    map.unmapped.push(range);
                }
            }
            Order::Wire { task, range, wired: true } if result.is_err() => self.wire_failed(task, range, id),
            Order::Wire { .. } => {}
            Order::Protect { task, refused, .. } => {
                // Linux does not refuse them, so they would come again and again.
                if !refused.is_empty() && result.is_err_and(|code| code != KernReturn::Terminated) {
                    cx.out.push(VmEvent::Unruly { task });
                }
                for w in refused {
                    cx.pmap.wake(w.task, w.address, PAGE_SIZE);
                    self.fault_ended(w, FaultClass::Refused, cx);
                }
            }
        }
    }

    /// Orders `task` to give `range` a protection; `refused` are woken when it has.
    pub(super) fn order_protection(
        &mut self,
        task: TaskId,
        range: Range<u64>,
        protection: Prot,
        refused: Vec<Waiter>,
        cx: &mut VmCx<'_>,
    ) -> OrderId {
        let order = cx.pmap.set_protection(task, range.start, range.end - range.start, protection);
        self.orders.insert(order, Order::Protect { task, range, protection, refused });
        order
    }

    /// Has `w` wait until Linux refuses it what it wants.
    ///
    /// (1A) The entry forbids it: an order says so again, in case the task changed the mapping itself. (1B) The entry
    /// permits writing and the pager does not: the page becomes an entry of its own that is read-only. (1C) The object is
    /// dead: so does the whole entry, since no page of it will be granted any more. (1D) There is no entry: nothing is
    /// permitted.
    pub(super) fn refuse_write(&mut self, w: Waiter, cx: &mut VmCx<'_>) {
        let page = w.address..w.address + PAGE_SIZE;
        let entry = self.tasks.get(&w.task).and_then(|m| m.lookup(w.address));
        let (range, protection) = match entry {
            None => (page, Prot::empty()),
            Some(e) if !e.protection.contains(Prot::WRITE) => (page, e.protection),
            Some(e) => {
                let whole = e.start..e.end;
                let protection = e.protection.difference(Prot::WRITE);
                let dead = self.objects[e.object].state == ObjectState::Dead;
                let range = if dead || self.clip(w.task, page.clone()).is_err() { whole } else { page };
                let map = self.tasks.get_mut(&w.task).expect("looked up above");
                map.entry_mut(range.start).expect("clipped").protection = protection;
                (range, protection)
            }
        };
        self.park(w, range, protection, cx);
    }

    /// Has `w` wait for an order that forbids what it wants: one that is under way, or a new one.
    fn park(&mut self, w: Waiter, range: Range<u64>, protection: Prot, cx: &mut VmCx<'_>) {
        let same = |order: &Order| matches!(order, Order::Protect { protection: p, .. } if *p == protection);
        let at = w.address..w.address + 1;
        let id = self.orders.reaching(w.task, &at).find(|(_, order)| same(order)).map(|(id, _)| id);
        let under_way = id.and_then(|id| match self.orders.by_id.get_mut(&id) {
            Some(Order::Protect { refused, .. }) => Some(refused),
            _ => None,
        });
        match under_way {
            Some(refused) if refused.iter().any(|r| r.address == w.address) => {}
            Some(refused) => refused.push(w),
            None => {
                self.order_protection(w.task, range, protection, vec![w], cx);
            }
        }
    }

    /// Forgets the orders of a task that is gone.
    pub(super) fn orders_gone(&mut self, task: TaskId) {
        self.orders.forget(task);
    }
}
