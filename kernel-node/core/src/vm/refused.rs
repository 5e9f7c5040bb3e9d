//! What threads did not get for want of room, and get when there is some.
//!
//! A thread that is refused a page gets a memory error, and Linux goes on giving it for that page until something is mapped there.
//! So the page is kept in mind, and mapped, as it is then, when there is room again and nobody waits for any.
//!
//! Spec: [vm.pageout.10].

use proto::limits::PAGES_REFUSED_MAX;

use super::memory_object::Filling;
use super::object::ObjectState;
use super::page::{Page, Resident};
use super::pageout::RETRY_NS;
use super::shadow::Beginning;
use super::{ObjectId, Vm, VmCx};
use crate::{TaskId, Time};

impl Vm {
    /// Whoever waits for a page is about to get a memory error for want of room.
    pub(super) fn note_refused(&mut self, id: ObjectId, page: u64) {
        let waiters = self.objects[id].waits.get(&page).into_iter().flat_map(|wait| &wait.waiters);
        for waiter in waiters {
            if self.page_out.refused.len() < PAGES_REFUSED_MAX {
                self.page_out.refused.insert((waiter.task, waiter.address));
            }
        }
    }

    /// Maps some of what was refused, if there is room.
    pub(super) fn heal_step(&mut self, cx: &mut VmCx<'_>) {
        for _ in 0..HEAL_PAGES {
            let can = self.can_heal();
            let Some((task, address)) = self.page_out.refused.first().copied().filter(|_| can) else { return };
            if !self.healed(task, address, cx) {
                return;
            }
            self.page_out.refused.remove(&(task, address));
        }
    }

    /// Has the next step come soon if there is something for it.
    pub(super) fn heal_soon(&mut self, now: Time) {
        if self.page_out.timer.is_none() && self.can_heal() {
            self.set_page_out_timer(Some(Time(now.0.saturating_add(RETRY_NS))));
        }
    }

    fn can_heal(&self) -> bool {
        let room = || self.marks().is_none_or(|marks| self.page_out.resident <= marks.high);
        !self.page_out.refused.is_empty() && self.page_out.starved.is_empty() && room()
    }

    /// Maps a page where it was refused; whether there is nothing left to be done about that.
    fn healed(&mut self, task: TaskId, address: u64, cx: &mut VmCx<'_>) -> bool {
        let entry = self.tasks.get(&task).and_then(|map| map.lookup(address)).filter(|entry| entry.managed);
        let Some((id, view)) = entry.map(|entry| (entry.object, entry.view(task))) else { return true };
        let page = view.page_at(address);
        if self.is_untouched(id, page) {
            let begins = self.beginning(id, page);
            if let Beginning::Awaited(below, at) = begins {
                // The next time it will be there.
                self.lift((below, at), id, page, cx);
                return false;
            }
            let Some(filling) = Filling::of(begins) else { return true };
            if self.install(id, page..page + 1, Resident::default(), filling, cx).is_err() {
                return false;
            }
        }
        match self.objects[id].pages.get(page) {
            Page::Resident(_) => drop(self.enter_pages(id, &view, page..page + 1, |_| true, page, cx)),
            Page::Absent if self.objects[id].state == ObjectState::Ready => self.fetch_for(id, &view, page, cx),
            Page::Absent | Page::Requested { .. } => {}
        }
        true
    }
}

/// Pages that are mapped in one step.
const HEAL_PAGES: usize = 16;
