//! A default pager for rules: what it has of one object, and how it behaves when it is full.

use std::collections::{BTreeMap, VecDeque};

use proto::{KernReturn, PAGE_SIZE, Payload};

use super::super::*;
use super::rig::*;
use super::sim::Touch;

/// What a default pager has of an object.
pub struct Swap {
    stored: BTreeMap<u64, Payload>,
    calls: VecDeque<ToPager>,
    /// The most pages that it takes.
    pub room: usize,
    failed: bool,
}

impl Swap {
    pub fn new(room: usize) -> Swap {
        Swap { stored: BTreeMap::new(), calls: VecDeque::new(), room, failed: false }
    }

    /// Each takes the calls for its object, in order; those for others are dropped.
    pub fn take(r: &mut Rig, swaps: &mut [Swap], objects: &[ObjectId]) {
        for event in std::mem::take(&mut r.out) {
            if let VmEvent::ToPager { object, call, .. } = event
                && let Some(which) = objects.iter().position(|other| *other == object)
            {
                swaps[which].calls.push_back(call);
            }
        }
    }

    /// Answers the oldest call; whether there was one.
    pub fn answer(&mut self, r: &mut Rig, object: ObjectId) -> bool {
        let Some(call) = self.calls.pop_front() else { return false };
        match call {
            ToPager::DataReturn { offset, data, .. } => {
                for (n, bytes) in (offset / PAGE_SIZE..).zip(data.to_bytes().chunks(PAGE_SIZE as usize)) {
                    self.stored.remove(&n);
                    match self.stored.len() < self.room {
                        true => drop(self.stored.insert(n, bytes.to_vec().into())),
                        false => self.failed = true,
                    }
                }
            }
            ToPager::Synchronize { offset, length, .. } => {
                let result = if self.failed { KernReturn::ResourceShortage } else { KernReturn::Success };
                self.failed = false;
                r.call(|vm, cx| vm.memory_object_synchronize_completed(object, offset, length, result, cx));
            }
            ToPager::DataRequest { offset, .. } => {
                let n = offset / PAGE_SIZE;
                let data = self.stored.get(&n).expect("what is asked for was taken").clone();
                r.supply(object, n, data, NONE);
            }
            _ => {}
        }
        true
    }

    /// Answers until there is nothing to answer.
    pub fn serve(&mut self, r: &mut Rig, object: ObjectId) {
        for _ in 0..1000 {
            r.settle();
            Swap::take(r, std::slice::from_mut(self), &[object]);
            if !self.answer(r, object) {
                return;
            }
        }
        panic!("always something asked");
    }

    /// Serves a task that reads a page of what it has, and waits between its tries; what the task sees in the end, if
    /// it does.
    pub fn read(
        &mut self,
        r: &mut Rig,
        object: ObjectId,
        (task, n): (TaskId, u64),
        tries: usize,
        pause_ns: u64,
    ) -> Option<Touch> {
        (0..tries).find_map(|_| match r.read(task, n) {
            Touch::Fault(_) => {
                self.serve(r, object);
                r.later(pause_ns);
                None
            }
            seen => Some(seen),
        })
    }
}
