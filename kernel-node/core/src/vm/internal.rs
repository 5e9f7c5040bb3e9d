//! Anonymous memory that the default pager serves.
//!
//! What `vm_allocate` gives is Linux's alone, or, when the node has a limit and that would be too much of it, an object
//! like any other whose pager is the default pager (`memory_object_create`). The kernel knows which pages it was given;
//! the others are zero, or what the object shadows ([`super::shadow`]), and no pager is asked for them. The contents go with
//! the last mapping, so that nothing is returned for their own sake.
//!
//! Spec: [vm.pageout.6], [vm.pageout.7].

use std::ops::Range;

use proto::limits::{OBJECTS_MAX, ZERO_FILL_PAGES_MAX};
use proto::vm::trunc_page;
use proto::{KernReturn, PAGE_SIZE};

use super::entry::{Entry, View};
use super::event::{ToPager, VmEvent};
use super::memory_object::Filling;
use super::object::{Object, ObjectState};
use super::page::{Page, Resident};
use super::shadow::{Beginning, Shadow};
use super::{Fault, FaultOutcome, ObjectId, Vm, VmCx};
use crate::TaskId;

impl Vm {
    /// A new internal object of `size` bytes, with its memory. The default pager's are those that shadow something, and those
    /// with which there would be too much of Linux's alone.
    ///
    /// Errors: `ResourceShortage` too many objects, or no memory for one; there is none then.
    pub(super) fn internal_create(
        &mut self,
        size: u64,
        shadow: Option<Shadow>,
        cx: &mut VmCx<'_>,
    ) -> Result<ObjectId, KernReturn> {
        if self.objects.len() >= OBJECTS_MAX {
            return Err(KernReturn::ResourceShortage);
        }
        let pages = size / PAGE_SIZE;
        let paged = shadow.is_some() || self.is_to_be_paged(pages);
        let (native_pages, shadow) = (if paged { 0 } else { pages }, shadow.unwrap_or_default());
        let id = self.objects.insert(Object { paged, native_pages, shadow, ..Object::new(true) });
        let made = match paged {
            true => cx.pmap.object_create(id),
            false => cx.pmap.object_create_internal(id, size),
        };
        if let Err(code) = made {
            self.objects.remove(id);
            return Err(code);
        }
        self.page_out.native += native_pages;
        if paged {
            cx.out.push(VmEvent::ToPager { object: id, call: ToPager::Create { size }, trace: Default::default() });
        }
        Ok(id)
    }

    /// Whether nobody has the page, so that it is zero or what is below it.
    pub(super) fn is_untouched(&self, id: ObjectId, page: u64) -> bool {
        let object = &self.objects[id];
        object.paged && !object.stored.contains(page) && object.pages.get(page) == Page::Absent
    }

    /// A fault on a page that nobody has: it is filled at once, and if the one before it is here, so are those behind it.
    /// `None` if the page has to come from somewhere, or there is no room.
    pub(super) fn fault_untouched(
        &mut self,
        id: ObjectId,
        view: &View,
        page: u64,
        fault: &Fault,
        write: bool,
        cx: &mut VmCx<'_>,
    ) -> Option<FaultOutcome> {
        let (object, room) = (&self.objects[id], self.room(self.need(id, page, write)));
        let usable = object.state == ObjectState::Ready && !object.waits.contains_key(&page);
        if !usable || !self.is_untouched(id, page) {
            return None;
        }
        let begins = self.beginning(id, page);
        if begins == Beginning::Lost {
            return Some(self.fault_failed(fault.task, trunc_page(fault.address), cx));
        }
        let filling = Filling::of(begins).filter(|_| room > 0)?;
        let in_order = page > 0 && object.pages.get(page - 1).resident().is_some();
        let most = if in_order { ZERO_FILL_PAGES_MAX.min(room) } else { 1 };
        let shadowed = !object.shadowed_by.is_empty();
        let further = view.clamp(page + 1..page + most);
        let alike = |p: &u64| {
            let untouched = self.is_untouched(id, *p) && !object.waits.contains_key(p);
            untouched && self.beginning(id, *p) == begins.ahead(p - page)
        };
        let pages = page..further.take_while(alike).last().map_or(page + 1, |last| last + 1);
        let template = Resident { dirty: write && !shadowed, referenced: true, ..Resident::default() };
        if self.install(id, pages.clone(), template, filling, cx).is_err() {
            return Some(self.fault_failed(fault.task, trunc_page(fault.address), cx));
        }
        if write && shadowed {
            self.unguard(id, page, cx);
            self.objects[id].pages.update(page, |r| r.dirty = true);
        }
        self.enter_pages(id, view, pages, |_| true, page, cx);
        self.hold(id, page, cx.now);
        self.counters.cow_faults += u64::from(begins != Beginning::Zero);
        Some(self.count(fault.task, filling.class().expect("no pager brought it")))
    }

    /// Threads wait for a page that nobody has; fills it and lets them through, or has what is below it come first.
    pub(super) fn fill_untouched(&mut self, id: ObjectId, page: u64, cx: &mut VmCx<'_>) -> bool {
        if !self.is_untouched(id, page) {
            return false;
        }
        let begins = self.beginning(id, page);
        match (begins, Filling::of(begins)) {
            (Beginning::Awaited(below, at), _) => self.lift((below, at), id, page, cx),
            (_, None) => self.fail(id, page, cx),
            (_, Some(filling)) => {
                self.counters.cow_faults += u64::from(begins != Beginning::Zero);
                let template = Resident { referenced: true, ..Resident::default() };
                // If memory is short, those who wait have got an error.
                let _ = self.install(id, page..page + 1, template, filling, cx);
            }
        }
        true
    }

    /// An entry of a task went; its pages go where no other shows them.
    pub(super) fn internal_unmapped(&mut self, task: TaskId, entry: &Entry, cx: &mut VmCx<'_>) {
        for pages in self.unshown(task, entry) {
            self.internal_unshown(entry.object, pages, cx);
        }
    }

    fn internal_unshown(&mut self, id: ObjectId, pages: Range<u64>, cx: &mut VmCx<'_>) {
        let object = &mut self.objects[id];
        if object.is_native() {
            // A task that says it could not freeze what it has mapped twice may give a page up twice.
            let fewer = (pages.end - pages.start).min(object.native_pages);
            object.native_pages -= fewer;
            self.page_out.native -= fewer;
            let (offset, length) = (pages.start * PAGE_SIZE, (pages.end - pages.start) * PAGE_SIZE);
            return cx.pmap.discard(id, offset, length);
        }
        if !object.shadowed_by.is_empty() {
            // They are for its shadows now, and leave as others do.
            return;
        }
        let here = object.pages.present(pages.clone()).filter_map(|(page, p)| Some((page, p.resident()?)));
        let here: Vec<(u64, Resident)> = here.collect();
        self.evict(id, &here, cx);
        self.uncover(id, pages, cx);
    }
}
