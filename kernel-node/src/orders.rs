//! The orders on their way to one connection of a task: one call can give thousands, which no record holds and no queue of a
//! socket.
//!
//! 1. So many are under way at a time as surely have room in the connection's queue; the others wait until those are reported
//!    done. Who reports nothing waits for himself.
//! 2. They go out in the order in which they were given.
//! 3. An errand goes out alone, and nothing waits for its end, which may need an order that comes behind it.

use std::collections::{BTreeMap, VecDeque};

use kernel_core::vm::OrderId;
use proto::limits::{ORDERS_UNDER_WAY_MAX, TRAP_FDS_MAX, TRAP_RECORD_BYTES_MAX, TRAP_SEGMENTS_BYTES_MAX};

use crate::pmap::{Order, OrderKind};

/// The orders of a connection.
#[derive(Debug, Default)]
pub struct OrderQueue {
    waiting: VecDeque<Order>,
    /// Those that are sent and not done, with their shares of the bound.
    under_way: BTreeMap<OrderId, usize>,
    /// Of all of these.
    taken: usize,
}

/// What goes out in one record.
#[derive(Debug, Default)]
pub struct Batch {
    /// In this order.
    pub orders: Vec<Order>,
    /// The most that they take of a record.
    pub bytes: usize,
    /// The most descriptors that they need.
    pub fds: usize,
}

impl OrderQueue {
    /// One more is to go out.
    pub fn push(&mut self, order: Order) {
        self.waiting.push_back(order);
    }

    /// Whether nothing is left to go out.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The orders of the next record. None when none waits, or when others have to be done before.
    pub fn take_batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        while let Some(next) = self.waiting.front() {
            let (bytes, fds) = (next.what.bytes(), next.what.fds());
            let share = share_of(bytes);
            let alone = next.is_errand();
            let fits = self.taken == 0 || self.taken + share <= ORDERS_UNDER_WAY_MAX;
            let full = batch.fds + fds > TRAP_FDS_MAX || batch.bytes + bytes > BATCH_BYTES_MAX;
            if !batch.orders.is_empty() && (alone || full) || !alone && !fits {
                break;
            }
            let order = self.waiting.pop_front().expect("looked at");
            if !alone {
                self.taken += share;
                self.under_way.insert(order.id, share);
            }
            (batch.bytes, batch.fds) = (batch.bytes + bytes, batch.fds + fds);
            batch.orders.push(order);
            if alone {
                break;
            }
        }
        batch
    }

    /// An order was reported done; one that is not under way here is ignored.
    pub fn done(&mut self, order: OrderId) {
        if let Some(share) = self.under_way.remove(&order) {
            self.taken -= share;
        }
    }
}

impl OrderKind {
    /// At most, in a record.
    fn bytes(&self) -> usize {
        match self {
            // Goes alone.
            OrderKind::Errand(_) => 0,
            OrderKind::MapParts { parts, .. } => ORDER_BYTES + parts.bytes(),
            _ => ORDER_BYTES,
        }
    }

    /// At most, beside a record.
    fn fds(&self) -> usize {
        match self {
            OrderKind::Map { .. } | OrderKind::Freeze { .. } => 1,
            OrderKind::MapParts { files, .. } => files.len(),
            _ => 0,
        }
    }
}

/// The share of [`ORDERS_UNDER_WAY_MAX`] that an order of so many bytes has: one, and more if it is large.
fn share_of(bytes: usize) -> usize {
    1 + bytes / 1024
}

/// An order in a record at the most: its number, what it is, and seven numbers.
const ORDER_BYTES: usize = 96;
/// The orders of a record.
const BATCH_BYTES_MAX: usize = TRAP_RECORD_BYTES_MAX - (16 << 10);
const _: () = assert!(ORDER_BYTES + TRAP_SEGMENTS_BYTES_MAX < BATCH_BYTES_MAX);
const _: () = assert!(ORDERS_UNDER_WAY_MAX * ORDER_BYTES < TRAP_RECORD_BYTES_MAX / 2);

#[cfg(test)]
mod tests {
    use kernel_core::TaskId;
    use kernel_core::vm::Errand;
    use proto::PAGE_SIZE;

    use super::*;

    fn order(id: u64, what: OrderKind) -> Order {
        Order { task: TaskId(1), id: OrderId(id), what }
    }

    fn unmap(id: u64) -> Order {
        order(id, OrderKind::Unmap { address: id * PAGE_SIZE, size: PAGE_SIZE })
    }

    fn errand(id: u64) -> Order {
        order(id, OrderKind::Errand(Errand::Read { address: 0, size: PAGE_SIZE }))
    }

    fn ids(batch: &Batch) -> Vec<u64> {
        batch.orders.iter().map(|order| order.id.0).collect()
    }

    #[test]
    fn so_many_are_under_way_and_the_others_follow() {
        let most = ORDERS_UNDER_WAY_MAX as u64;
        let mut queue = OrderQueue::default();
        (0..most + 3).for_each(|id| queue.push(unmap(id)));
        assert_eq!(ids(&queue.take_batch()), (0..most).collect::<Vec<_>>());
        assert!(ids(&queue.take_batch()).is_empty() && !queue.is_empty());
        // What was never sent, and what is reported twice, makes no room.
        for id in [most + 1, 7, 7, 5] {
            queue.done(OrderId(id));
        }
        assert_eq!(ids(&queue.take_batch()), [most, most + 1]);
        assert!(ids(&queue.take_batch()).is_empty());
        (0..most + 2).for_each(|id| queue.done(OrderId(id)));
        assert_eq!(ids(&queue.take_batch()), [most + 2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn an_errand_goes_alone_and_nothing_waits_for_it() {
        let mut queue = OrderQueue::default();
        [unmap(1), errand(2), errand(3), unmap(4)].into_iter().for_each(|order| queue.push(order));
        let batches: Vec<_> =
            std::iter::repeat_with(|| ids(&queue.take_batch())).take_while(|ids| !ids.is_empty()).collect();
        assert_eq!(batches, [vec![1], vec![2], vec![3], vec![4]]);
        assert_eq!(queue.under_way.len(), 2);
    }
}
