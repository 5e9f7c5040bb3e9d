//! What a task has mapped, entry by entry.

use std::ops::Range;

use proto::iface::task;
use proto::{Inherit, KernReturn, Prot};

use crate::error::RpcError;
use crate::right::{Destination, SendRight};
use crate::task::Task;

/// A run of addresses of a task with one object and one set of attributes.
#[derive(Debug)]
pub struct Region {
    /// First byte.
    pub address: u64,
    /// Bytes; what follows may have the same attributes.
    pub size: u64,
    /// The protection now.
    pub protection: Prot,
    /// The most it can become.
    pub max_protection: Prot,
    /// What a child would get.
    pub inheritance: Inherit,
    /// Whether other mappings see what is written here.
    pub shared: bool,
    /// The name port of the object, by which one tells whether two regions show the same; `None` for zero-filled memory.
    pub object: Option<SendRight>,
    /// Where in the object the region starts.
    pub offset: u64,
}

impl Region {
    /// Its addresses.
    pub fn range(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.size)
    }
}

/// The regions of a task in the order of their addresses, each asked for when it is its turn: what the task maps meanwhile
/// may be among them or not.
#[derive(Debug)]
pub struct Regions<D> {
    asker: Task,
    of: D,
    /// Where to look for the next; `None` behind the last.
    next: Option<u64>,
}

impl Task {
    /// What a task has mapped: this one, by [`Task::task_self`], or any whose port one holds a right to, here or on another
    /// node.
    pub fn regions<D: Destination>(&self, of: D) -> Regions<D> {
        Regions { asker: self.clone(), of, next: Some(0) }
    }
}

impl<D: Destination> Iterator for Regions<D> {
    /// Errors: the task is gone, or it has no memory (`InvalidTask`). Nothing follows.
    type Item = Result<Region, RpcError>;

    fn next(&mut self) -> Option<Self::Item> {
        let address = self.next.take()?;
        match self.asker.rpc(&self.of, task::VmRegion { address }) {
            Ok(reply) => {
                let region = region_of(&self.asker, &reply);
                // A region that does not go on would come for ever.
                self.next = Some(region.range().end).filter(|end| *end > address);
                Some(Ok(region))
            }
            Err(error) if error.kern() == Some(KernReturn::NoSpace) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn region_of(asker: &Task, r: &task::VmRegionReply<proto::NamedRight>) -> Region {
    let name = r.object_name.name;
    Region {
        address: r.address,
        size: r.size,
        protection: Prot::from_bits_truncate(r.protection),
        max_protection: Prot::from_bits_truncate(r.max_protection),
        inheritance: Inherit::from_raw(r.inheritance).unwrap_or_default(),
        shared: r.is_shared,
        object: name.is_valid().then(|| SendRight::adopt(asker, name)),
        offset: r.offset,
    }
}
