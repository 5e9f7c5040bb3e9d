//! A node with a memory limit, for rules: 64 pages unless said otherwise. Page-out runs from 57 down to 48, anonymous memory ends at
//! 62, or at 60 where the default pager is full.

use proto::{KernReturn, PAGE_SIZE};

use super::super::*;
use super::rig::*;
use super::sim::Touch;

pub const LIMIT: u64 = 64;
pub const BUS_ERROR: Touch = Touch::BusError;

pub fn limited() -> Rig {
    with(Config::default())
}

pub fn with(config: Config) -> Rig {
    of_pages(LIMIT, config)
}

pub fn of_pages(limit: u64, config: Config) -> Rig {
    let memory_limit_bytes = limit * PAGE_SIZE;
    // A hold would keep pages that a test has only just touched.
    Rig::with(Config { read_ahead: false, hold_ns: 0, memory_limit_bytes, ..config })
}

/// With the default pager, and pages that stay for a while with those who just got them.
pub fn holding() -> Rig {
    let memory_limit_bytes = LIMIT * PAGE_SIZE;
    Rig::with(Config { read_ahead: false, memory_limit_bytes, default_pager: true, ..Config::default() })
}

pub fn paged() -> Rig {
    with(Config { default_pager: true, ..Config::default() })
}

impl Rig {
    /// A thread reads page `n`, and its pager supplies it.
    pub fn bring(&mut self, object: ObjectId, n: u64) {
        self.read(ONE, n);
        self.supply(object, n, page(n as u8 + 1), NONE);
    }

    pub fn confirm(&mut self, object: ObjectId, first: u64, pages: u64, result: KernReturn) {
        let (offset, length) = (first * PAGE_SIZE, pages * PAGE_SIZE);
        self.call(|vm, cx| vm.memory_object_synchronize_completed(object, offset, length, result, cx));
    }

    /// Allocates `pages` at page `to`; the object if it is the default pager's.
    pub fn allocate(&mut self, task: TaskId, to: u64, pages: u64) -> Option<ObjectId> {
        self.call(|vm, cx| vm.vm_allocate(task, at(to), pages * PAGE_SIZE, false, cx)).unwrap();
        self.orders();
        self.out.iter().find_map(|e| match e {
            VmEvent::ToPager { object, call: ToPager::Create { .. }, .. } => Some(*object),
            _ => None,
        })
    }
}
