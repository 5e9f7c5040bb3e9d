//! `vm_read`, `vm_write`, `vm_copy`, and `vm_map` of a copy: what a task does to its own memory for whoever asks at its port.
//!
//! The kernel checks what can be checked on its tables, sends the task its errand, and answers when that is done. So memory
//! of every kind is read and written as the task itself would: pages come from pagers, protection holds, and what the task
//! wrote to frozen memory is seen.

use proto::iface::task as idl;
use proto::limits::MSG_OOL_BYTES_MAX;
use proto::msg::{Reply as _, code_body};
use proto::vm::round_page;
use proto::{KernReturn, PAGE_SIZE, Payload, Prot};

use super::reply::Reply;
use super::space::{Creation, Layout};
use super::{Cx, Kernel};
use crate::TaskId;
use crate::vm::{Brought, Errand, MapRequest, Mapped, OrderId};

/// A request whose errand is under way.
pub(super) enum Awaited {
    /// So many bytes come back, or nothing.
    Bytes {
        /// Where the answer goes.
        reply: Reply,
        /// Bytes that come back.
        size: u64,
    },
    /// The bytes of an address space.
    Space {
        /// Where the answer goes.
        reply: Reply,
        /// What it is made of.
        layout: Layout,
    },
    /// An address.
    Map {
        /// Where the answer goes.
        reply: Reply,
    },
    /// The address of a copy of what is mapped aside.
    Copy {
        /// Where the answer goes.
        reply: Reply,
        /// Whose.
        task: TaskId,
        /// Where the object is mapped meanwhile.
        aside: u64,
    },
    /// What a child is to have.
    Create(Creation),
}

/// A request for a copy of an object, whose task maps it aside.
pub(super) struct Copying {
    task: TaskId,
    reply: Reply,
    errand: Errand,
    aside: u64,
}

impl Kernel {
    /// A copy of a range.
    ///
    /// Errors: `InvalidArgument` the range wraps; `InvalidAddress` a hole in it; `ProtectionFailure` it cannot be read;
    /// `MemoryError` a page that its pager did not bring; `NoSpace` more than a message carries to where the answer goes;
    /// `Terminated` the task ended.
    /// Source: spec [vm.read.1]; mach-api §2.2.
    pub(super) fn vm_read(&mut self, task: TaskId, r: idl::VmRead, reply: Reply, cx: &mut Cx<'_>) {
        let far = self.goes_far(&reply);
        // Bytes are counted in a word.
        let most = if far { MSG_OOL_BYTES_MAX } else { u32::MAX as usize };
        let permitted = self.vm.permitted(task, r.address, r.size, Prot::READ);
        match permitted {
            Err(code) => self.answer(reply, Err(code)),
            Ok(_) if r.size > most as u64 => self.answer(reply, Err(KernReturn::NoSpace)),
            Ok(_) if r.size == 0 => self.answer(reply, Ok(read_reply(Payload::default()))),
            Ok(_) => {
                let errand = Errand::Read { address: r.address, size: r.size };
                self.send_errand(task, errand, Awaited::Bytes { reply, size: r.size }, cx);
            }
        }
    }

    /// Writes whole pages.
    ///
    /// Errors: `InvalidArgument` address or size are no whole pages, or the range wraps; `InvalidAddress` a hole in it;
    /// `ProtectionFailure` it cannot be written; `MemoryError`, `Terminated` as for `vm_read`: a part may be written.
    /// Source: spec [vm.write.1]; mach-api §2.2.
    pub(super) fn vm_write(&mut self, task: TaskId, r: idl::VmWrite, reply: Reply, cx: &mut Cx<'_>) {
        let size = r.data.len() as u64;
        let whole = r.address.is_multiple_of(PAGE_SIZE) && size.is_multiple_of(PAGE_SIZE);
        let permitted = match whole {
            true => self.vm.permitted(task, r.address, size, Prot::WRITE).map(drop),
            false => Err(KernReturn::InvalidArgument),
        };
        match permitted {
            Ok(()) if size > 0 => {
                let errand = Errand::Write { address: r.address, data: r.data };
                self.send_errand(task, errand, Awaited::Bytes { reply, size: 0 }, cx);
            }
            done => self.answer(reply, done.map(|()| ().into_body())),
        }
    }

    /// Writes a copy of a range over another; they may overlap.
    ///
    /// Errors: as `vm_write`, and as `vm_read` for the source.
    /// Source: spec [vm.write.2]; mach-api §2.2.
    pub(super) fn vm_copy(&mut self, task: TaskId, r: idl::VmCopy, reply: Reply, cx: &mut Cx<'_>) {
        let idl::VmCopy { source_address: from, size, dest_address: to } = r;
        let whole = [from, to, size].iter().all(|v| v.is_multiple_of(PAGE_SIZE));
        let permitted = match whole {
            true => self
                .vm
                .permitted(task, from, size, Prot::READ)
                .and_then(|_| self.vm.permitted(task, to, size, Prot::WRITE))
                .map(drop),
            false => Err(KernReturn::InvalidArgument),
        };
        match permitted {
            Ok(()) if size > 0 => {
                self.send_errand(task, Errand::Copy { from, size, to }, Awaited::Bytes { reply, size: 0 }, cx);
            }
            done => self.answer(reply, done.map(|()| ().into_body())),
        }
    }

    /// An object is mapped aside so that the task maps a copy of it, as `request` says.
    ///
    /// Errors, in the answer: what the task could not do, `MemoryError` for a page that the pager did not bring; nothing is
    /// mapped then.
    /// Source: spec [vm.copy.10]; mach-api §2.3.
    pub(super) fn copy_object(&mut self, task: TaskId, aside: Mapped, request: MapRequest, reply: Reply) {
        let size = round_page(request.size).expect("it is mapped");
        let errand = Errand::MapCopy { from: aside.address, size, how: request };
        let order = aside.order.expect("an object is mapped by an order");
        self.pending.copies.insert(order, Copying { task, reply, errand, aside: aside.address });
    }

    /// The task has mapped an object aside, or could not.
    pub(super) fn mapped_aside(&mut self, order: OrderId, result: Result<(), KernReturn>, cx: &mut Cx<'_>) {
        let Some(Copying { task, reply, errand, aside }) = self.pending.copies.remove(&order) else { return };
        match result {
            Ok(()) => self.send_errand(task, errand, Awaited::Copy { reply, task, aside }, cx),
            // What could not be mapped is none of the map's any more.
            Err(code) => self.answer(reply, Err(code)),
        }
    }

    /// Has a task do something to its memory. Where no process has become it yet ([vm.inherit.7]) the answer is `InvalidTask`.
    pub(super) fn send_errand(&mut self, task: TaskId, errand: Errand, awaited: Awaited, cx: &mut Cx<'_>) {
        if self.vm.arena_awaited(task).is_some() {
            return self.answer(awaited.into_reply(), Err(KernReturn::InvalidTask));
        }
        let order = cx.pmap.errand(task, errand);
        self.pending.errands.insert(order, awaited);
    }

    /// A task has done an errand, or could not. Returns a `task_create` with what was brought for it, whose next step is
    /// [`Kernel::task_create_inheriting`]. Followed by [`Kernel::settle`].
    pub fn errand_done(
        &mut self,
        order: OrderId,
        result: Result<Brought, KernReturn>,
        cx: &mut Cx<'_>,
    ) -> Option<(Creation, Brought)> {
        match (self.pending.errands.remove(&order)?, result) {
            (Awaited::Copy { reply, task, aside }, result) => self.copied(task, aside, result, reply, cx),
            (awaited, Err(code)) => self.answer(awaited.into_reply(), Err(code)),
            (Awaited::Bytes { reply, size }, Ok(Brought { memory, .. })) => {
                let results = match memory.len() as u64 {
                    0 if size == 0 => Ok(().into_body()),
                    bytes if bytes == size => Ok(read_reply(memory)),
                    // The task answers something else than what it was asked.
                    _ => Err(KernReturn::Failure),
                };
                self.answer(reply, results);
            }
            (Awaited::Space { reply, layout }, Ok(brought)) => {
                self.answer_space(reply, layout, brought.memory, &brought.left_out);
            }
            (Awaited::Map { reply }, Ok(Brought { address, .. })) => {
                self.answer(reply, Ok(idl::VmMapMemoryReply { address }.into_body()));
            }
            (Awaited::Create(creation), Ok(brought)) => return Some((creation, brought)),
        }
        None
    }

    /// The copy of an object is mapped, or is not to be had. The answer waits until the object is not mapped any more.
    fn copied(&mut self, task: TaskId, aside: u64, result: Result<Brought, KernReturn>, reply: Reply, cx: &mut Cx<'_>) {
        let results = result.map(|brought| idl::VmMapReply { address: brought.address }.into_body());
        match self.with_vm(cx, |vm, vmcx| vm.vm_unmap_aside(task, aside, vmcx)) {
            Some(order) => {
                let body = results.unwrap_or_else(|code| code_body(code.raw()));
                self.pending.after_orders(vec![order], reply, body);
            }
            None => self.answer(reply, results),
        }
    }
}

impl Awaited {
    fn into_reply(self) -> Reply {
        match self {
            Awaited::Bytes { reply, .. }
            | Awaited::Space { reply, .. }
            | Awaited::Map { reply }
            | Awaited::Copy { reply, .. } => reply,
            Awaited::Create(creation) => creation.reply,
        }
    }
}

fn read_reply(data: Payload) -> proto::Body<crate::ipc::Right> {
    idl::VmReadReply { data }.into_body()
}
