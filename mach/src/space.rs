//! Whole address spaces: all that a task has mapped as one item, which other tasks can map at the same addresses.

use std::ops::Range;

use proto::iface::task;
use proto::space::{Region, Shows};
use proto::wire::trap::MapFrozen;
use proto::{NamedRight, Payload, PortName, space};

use crate::error::{CopyError, RpcError};
use crate::right::{Destination, SendRight};
use crate::task::Task;

/// The address space of a task, as it was: a copy of its memory, the objects that it showed, and what was where. Goes in a message
/// as one out-of-line item, with the objects' rights beside it.
#[derive(Debug)]
pub struct Space {
    regions: Vec<Region>,
    item: Payload,
    objects: Vec<SendRight>,
}

/// Why an address space could not be mapped. What was mapped of it until then is unmapped again.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// The item is no address space, or names an object that is not beside it.
    #[error("this is no address space")]
    NoSpace,
    /// A region could not be mapped.
    #[error("{:#x} bytes at {:#x} could not be mapped", range.end - range.start, range.start)]
    Region {
        /// Which.
        range: Range<u64>,
        /// Why.
        source: RpcError,
    },
    /// A region could not be mapped in the own task.
    #[error("{:#x} bytes at {:#x} could not be mapped", range.end - range.start, range.start)]
    Own {
        /// Which.
        range: Range<u64>,
        /// Why.
        source: CopyError,
    },
}

impl Task {
    /// All that a task has mapped, with protections and inheritance: this one, by [`Task::task_self`], or any whose port one holds
    /// a right to. Memory of `vm_allocate` is not copied, but frozen; of a memory object the right to its port is taken, so that
    /// whoever maps the space shares it. Each region is as it was at one moment.
    ///
    /// Errors: `InvalidTask`; `NoSpace` it is on another node and has more than a message between nodes carries;
    /// `ResourceShortage` too many regions; the task or its node is gone.
    /// Source: spec [vm.space.1].
    pub fn read_space(&self, of: &impl Destination) -> Result<Space, RpcError> {
        let reply = self.rpc(of, task::VmReadSpace)?;
        let objects = reply.objects.into_iter().map(|right| SendRight::adopt(self, right.name)).collect();
        Space::new(reply.space, objects).map_err(|_| RpcError::Other { routine: "vm_read_space", code: 5 })
    }
}

impl Space {
    /// An address space out of a message: the item, and the memory objects beside it.
    ///
    /// Errors: `NoSpace`.
    pub fn new(item: Payload, objects: Vec<SendRight>) -> Result<Space, SpaceError> {
        let regions = space::regions(&item).ok_or(SpaceError::NoSpace)?;
        let known = |r: &Region| !matches!(r.shows, Shows::Object(object, _) if object as usize >= objects.len());
        match regions.iter().all(known) {
            true => Ok(Space { regions, item, objects }),
            false => Err(SpaceError::NoSpace),
        }
    }

    /// What is where, by address.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The item, to be sent.
    pub fn item(&self) -> &Payload {
        &self.item
    }

    /// The memory objects, to be sent beside the item, in this order.
    pub fn objects(&self) -> &[SendRight] {
        &self.objects
    }

    /// Gives the objects' rights up to the caller.
    pub fn into_objects(self) -> Vec<SendRight> {
        self.objects
    }

    /// Maps all of it in a task at the addresses where it was: in this one, by [`Task::task_self`], or in any whose port one holds
    /// a right to. Nothing is copied of memory that is on the task's node; what could not be had when the space was read is a
    /// hole.
    ///
    /// Errors: see [`SpaceError`]; `NoSpace` something is mapped there already.
    /// Source: spec [vm.space.2].
    pub fn map_into(&self, asker: &Task, task: &impl Destination) -> Result<(), SpaceError> {
        let objects: Vec<PortName> = self.objects.iter().map(SendRight::name).collect();
        asker.map_space(task, &self.regions, &self.item, &objects)
    }
}

impl Task {
    /// As [`Space::map_into`], of an item with names for the objects, which stay the caller's.
    #[doc(hidden)]
    pub fn map_space(
        &self,
        task: &impl Destination,
        regions: &[Region],
        item: &Payload,
        objects: &[PortName],
    ) -> Result<(), SpaceError> {
        let known = |r: &Region| !matches!(r.shows, Shows::Object(object, _) if object as usize >= objects.len());
        if !regions.iter().all(known) {
            return Err(SpaceError::NoSpace);
        }
        let own = task.destination().name == self.task_self();
        for (number, region) in regions.iter().enumerate() {
            let failed = |source| SpaceError::Region { range: range(region), source };
            let bytes = |at| item.slice(at as usize, region.size as usize);
            let mapped = match region.shows {
                Shows::Nothing => Ok(()),
                Shows::Bytes(at) if own => self.map_own(region, &bytes(at)),
                Shows::Bytes(at) => self.rpc(task, map_memory(region, bytes(at))).map(drop).map_err(failed),
                Shows::Object(object, offset) => {
                    let request = map_object(region, objects[object as usize], offset);
                    self.rpc(task, request).map(drop).map_err(failed)
                }
            };
            if let Err(error) = mapped {
                for done in regions[..number].iter().filter(|r| r.shows != Shows::Nothing) {
                    let _ = self.rpc(task, task::VmDeallocate { address: done.address, size: done.size });
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn map_own(&self, region: &Region, bytes: &Payload) -> Result<(), SpaceError> {
        let how = MapFrozen {
            address: region.address,
            cur_protection: region.protection.bits(),
            max_protection: region.max_protection.bits(),
            inheritance: region.inheritance as u32,
            ..MapFrozen::default()
        };
        match self.map_frozen_as(bytes, how) {
            Ok(mapping) => {
                mapping.into_raw();
                Ok(())
            }
            Err(source) => Err(SpaceError::Own { range: range(region), source }),
        }
    }
}

fn map_memory(region: &Region, data: Payload) -> task::VmMapMemory {
    task::VmMapMemory {
        address: region.address,
        mask: 0,
        anywhere: false,
        data,
        cur_protection: region.protection.bits(),
        max_protection: region.max_protection.bits(),
        inheritance: region.inheritance as u32,
    }
}

fn map_object(region: &Region, object: PortName, offset: u64) -> task::VmMap<NamedRight> {
    task::VmMap {
        address: region.address,
        size: region.size,
        mask: 0,
        anywhere: false,
        memory_object: NamedRight::copy_send(object),
        offset,
        copy: false,
        cur_protection: region.protection.bits(),
        max_protection: region.max_protection.bits(),
        inheritance: region.inheritance as u32,
    }
}

fn range(region: &Region) -> Range<u64> {
    region.address..region.address + region.size
}
