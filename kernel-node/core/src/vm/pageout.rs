//! Page-out: how much memory there may be, when some has to leave, and who waits meanwhile.
//!
//! What leaves is chosen by [`super::clock`] and goes as [`super::round`] says. It begins above one mark and goes on down
//! to another, a step at a time: with the faults and answers that need room, and by a timer. Above the last mark absent
//! pages are not asked for: their threads wait in `unasked` of their object, which is *starved*, until something has left.
//! If nothing can leave, they get a memory error.
//!
//! Invariants:
//! 1. `resident` is the sum over all objects, `anonymous` that over those of the default pager, `native` that over anonymous
//!    memory that has no pager.
//! 2. A starved object has the timer to count on, or a round.
//!
//! Spec: [vm.pageout.1] to [vm.pageout.18].

use std::collections::BTreeSet;

use proto::PAGE_SIZE;

use super::clock::{Found, Hand};
use super::object::Object;
use super::round::end_round;
use super::shadow::{Beginning, COPIES_PART};
use super::{ObjectId, Timer, Vm, VmCx};
use crate::{TaskId, Time};

/// What the node knows of its memory as a whole.
#[derive(Default)]
pub(super) struct PageOut {
    /// Resident pages of all objects.
    pub resident: u64,
    /// Of these, pages of anonymous memory.
    pub anonymous: u64,
    /// The default pager has no room for more.
    pub full: bool,
    /// Pages that anonymous memory without a pager may come to take.
    pub native: u64,
    /// Objects that may have resident pages: the face of the clock.
    pub clock: BTreeSet<ObjectId>,
    /// The hand that goes round all of it.
    pub hand: Hand,
    /// The one that goes round what tasks beyond their share have mapped.
    pub share_hand: Hand,
    /// Rounds under way.
    pub rounds: u64,
    /// Pages that these are about.
    pub leaving: u64,
    /// Objects with pages in `unasked` for which there was no room.
    pub starved: BTreeSet<ObjectId>,
    /// It is the turn of these.
    pub feeding: bool,
    /// The last of them that something was asked for.
    pub fed: Option<ObjectId>,
    /// Frozen objects that are shadowed; those that no map shows are among them.
    pub collapsible: BTreeSet<ObjectId>,
    /// The next step of that comes no sooner.
    pub collapse_from: Time,
    /// Where threads got a memory error because there was no room: pages that fail until they are mapped.
    pub refused: BTreeSet<(TaskId, u64)>,
    /// When the next step is due, as it stands among the timers.
    pub timer: Option<Time>,
}

/// Numbers of resident pages of objects that have a pager: of those that can leave.
pub(super) struct Marks {
    /// Page-out goes on down to here.
    pub low: u64,
    /// It begins above.
    pub high: u64,
    /// Anonymous memory does not grow from here on once the default pager is full, so that who fills it leaves some to the others.
    new: u64,
    /// Nor otherwise, and it does not come back from the default pager.
    back: u64,
    /// Nobody gets anything.
    pub all: u64,
}

/// What a page is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// More anonymous memory.
    New,
    /// Anonymous memory that has left, or a look at what is below it.
    Back,
    /// A page of any other pager.
    Other,
}

impl Vm {
    /// The marks of the node's limit, if it has one: within what native memory leaves of it.
    ///
    /// Source: spec [vm.pageout.1], [vm.pageout.14].
    pub(super) fn marks(&self) -> Option<Marks> {
        let limit = self.config.memory_limit_bytes / PAGE_SIZE;
        let all = limit.saturating_sub(self.page_out.native).max(limit / SHARE_MIN);
        (limit > 0).then(|| Marks {
            // Below all other marks, so that something leaves where there is no room.
            low: all - (all / 4).max(1).min(all),
            high: all - all / 8,
            new: all - all / 16,
            back: all - all / 32,
            all,
        })
    }

    /// How many more pages may become resident. While the default pager is full, and what it refuses takes the room there was,
    /// others have a quarter of the limit beside that; and what was there before may come back, for then others can leave.
    ///
    /// Source: spec [vm.pageout.10], [vm.pageout.14].
    pub(super) fn room(&self, need: Need) -> u64 {
        let Some(marks) = self.marks() else { return u64::MAX };
        let (p, limit) = (&self.page_out, self.config.memory_limit_bytes / PAGE_SIZE);
        if !p.starved.is_empty() && !p.feeding {
            // Whoever came before gets his turn first.
            return 0;
        }
        // Beyond all that copies for shadows can take.
        let most_anonymous = limit + limit / COPIES_PART + limit / 16;
        let (most, beside) = match need {
            Need::New => (if p.full { marks.new } else { marks.back }, 0),
            Need::Back => (marks.back, most_anonymous.saturating_sub(p.anonymous)),
            Need::Other => (marks.all, (limit / SHARE_MIN).saturating_sub(p.resident - p.anonymous)),
        };
        most.saturating_sub(p.resident).max(if p.full { beside } else { 0 })
    }

    /// What an absent page of an object is wanted for. To look at what a page shadows is not to want more.
    pub(super) fn need(&self, id: ObjectId, page: u64, write: bool) -> Need {
        match self.objects[id].internal {
            false => Need::Other,
            true if self.is_untouched(id, page) && (write || self.beginning(id, page) == Beginning::Zero) => Need::New,
            true => Need::Back,
        }
    }

    /// The same for those who wait for it.
    pub(super) fn need_of_waiters(&self, id: ObjectId, page: u64) -> Need {
        let write = self.objects[id].waits.get(&page).is_some_and(|wait| wait.waiters.iter().any(|w| w.write));
        self.need(id, page, write)
    }

    /// Whether read-ahead may bring so many more.
    pub(super) fn has_room_ahead(&self, pages: u64) -> bool {
        self.marks().is_none_or(|m| self.page_out.resident + pages <= m.high)
    }

    /// Whether new anonymous memory gets the default pager as its own. What does not is Linux's alone: faster, for no
    /// fault on it reaches the node, and at most a quarter of the limit.
    ///
    /// Source: spec [vm.pageout.6].
    pub(super) fn is_to_be_paged(&self, pages: u64) -> bool {
        let limit = self.config.memory_limit_bytes / PAGE_SIZE;
        self.config.default_pager && limit > 0 && self.page_out.native.saturating_add(pages) > limit / SHARE_MIN
    }

    /// Pages of an object became resident.
    pub(super) fn pages_came(&mut self, id: ObjectId, pages: u64) {
        self.page_out.resident += pages;
        self.page_out.anonymous += if self.objects[id].internal { pages } else { 0 };
        self.page_out.clock.insert(id);
    }

    /// Resident pages went.
    pub(super) fn pages_went(&mut self, id: ObjectId, pages: u64, now: Time) {
        self.fewer(self.objects[id].internal, pages, now);
    }

    fn fewer(&mut self, internal: bool, pages: u64, now: Time) {
        self.page_out.resident -= pages;
        self.page_out.anonymous -= if internal { pages } else { 0 };
        self.feed_soon(now);
    }

    /// An object is no more; so are its pages.
    pub(super) fn pages_gone(&mut self, id: ObjectId, object: &mut Object, now: Time) {
        self.page_out.clock.remove(&id);
        self.page_out.starved.remove(&id);
        self.page_out.native -= object.native_pages;
        end_round(&mut self.page_out, object);
        self.fewer(object.internal, object.pages.counts().resident, now);
    }

    /// Whoever is starved will not have to wait for a round that is no more, or for a page that has left.
    pub(super) fn feed_soon(&mut self, now: Time) {
        if !self.page_out.starved.is_empty() {
            self.set_page_out_timer(Some(now));
        }
    }

    /// The object's queue has pages for which there is no room.
    pub(super) fn starve(&mut self, id: ObjectId, now: Time) {
        self.page_out.starved.insert(id);
        self.set_page_out_timer(Some(now));
    }

    /// The timer came.
    pub(super) fn page_out_due(&mut self, cx: &mut VmCx<'_>) {
        // What came before it in the same tick may have set it anew.
        self.set_page_out_timer(None);
        if self.page_out.collapse_from <= cx.now {
            let pause = match self.collapse_step(cx) {
                Found::Later => RETRY_NS,
                Found::More | Found::Nothing => PAUSE_NS,
            };
            self.page_out.collapse_from = Time(cx.now.0.saturating_add(pause));
        }
        self.page_out_step(cx);
        self.heal_step(cx);
        self.heal_soon(cx.now);
    }

    /// Whether there is so much in memory that frozen objects have to collapse into their shadows, and room for their pages.
    ///
    /// Source: spec [vm.pageout.17].
    pub(super) fn is_to_collapse(&self) -> bool {
        let (p, limit) = (&self.page_out, self.config.memory_limit_bytes / PAGE_SIZE);
        let much = || p.native.saturating_add(p.resident) > limit - limit / 4;
        !p.collapsible.is_empty() && much() && self.marks().is_some_and(|marks| p.resident <= marks.high)
    }

    /// Has the next step come soon if frozen objects have to collapse, none of which comes with a fault.
    pub(super) fn collapse_soon(&mut self, now: Time) {
        if self.is_to_collapse() {
            let at = self.page_out.collapse_from.max(now);
            self.set_page_out_timer(Some(self.page_out.timer.map_or(at, |set| set.min(at))));
        }
    }

    /// Has a step of page-out done if there is too much in memory, and lets those go on for whom there is room again.
    /// `task` is one that may have more than its share.
    ///
    /// Source: spec [vm.pageout.1], [vm.pageout.9], [vm.pageout.10].
    pub(super) fn page_out(&mut self, task: Option<TaskId>, cx: &mut VmCx<'_>) {
        if let Some((only, want)) = task.and_then(|t| self.beyond_share(t)) {
            self.clock_step_of(&only, want, cx);
        }
        let above = self.marks().is_some_and(|m| self.page_out.resident > m.high);
        if above || !self.page_out.starved.is_empty() || self.page_out.timer.is_some() {
            self.page_out_step(cx);
        }
        self.collapse_soon(cx.now);
        self.heal_soon(cx.now);
    }

    fn page_out_step(&mut self, cx: &mut VmCx<'_>) {
        let Some(marks) = self.marks() else { return };
        let want = self.page_out.resident.saturating_sub(marks.low + self.page_out.leaving);
        let found = match want > 0 {
            true => self.clock_step(want, cx),
            // What it has not found until now says nothing about what comes later.
            false => {
                self.page_out.hand.begins_anew();
                Found::Nothing
            }
        };
        self.feed(cx);
        // What leaves and comes again makes no room for more.
        let hopeless = self.page_out.full && self.page_out.anonymous >= marks.new;
        if want > 0 && self.page_out.rounds == 0 {
            match found {
                Found::Nothing => self.refuse_starved(|_| true, cx),
                // What was there before may still find a place when less is tried; more of it will not.
                Found::Later if self.page_out.hand.refusing => self.refuse_starved(|need| need == Need::New, cx),
                _ if hopeless => self.refuse_starved(|need| need == Need::New, cx),
                Found::More | Found::Later => {}
            }
        }
        // Who was fed may have taken all the room that there was.
        let starved_anew = want == 0 && self.page_out.rounds == 0 && !self.page_out.starved.is_empty();
        self.set_page_out_timer(match found {
            Found::More => Some(cx.now),
            Found::Nothing if starved_anew => Some(cx.now),
            Found::Later if self.page_out.hand.passing => {
                Some(Time(cx.now.0.saturating_add(self.config.hold_ns.max(1))))
            }
            Found::Later => Some(Time(cx.now.0.saturating_add(RETRY_NS))),
            Found::Nothing => None,
        });
        self.collapse_soon(cx.now);
    }

    /// Asks for what was not asked for, as far as there is room: of one object after the other, beginning where it ended the last
    /// time.
    fn feed(&mut self, cx: &mut VmCx<'_>) {
        let mut starved: Vec<ObjectId> = std::mem::take(&mut self.page_out.starved).into_iter().collect();
        let first = starved.partition_point(|id| Some(*id) <= self.page_out.fed);
        starved.rotate_left(first);
        self.page_out.feeding = true;
        for id in starved {
            let before = self.objects.get(id).map_or(0, |object| object.unasked.len());
            self.ask_waiting(id, cx);
            if self.objects.get(id).is_some_and(|object| object.unasked.len() < before) {
                self.page_out.fed = Some(id);
            }
        }
        self.page_out.feeding = false;
    }

    /// Nothing can leave: those who wait for room get a memory error, if it is for something that `which` holds for.
    fn refuse_starved(&mut self, which: impl Fn(Need) -> bool, cx: &mut VmCx<'_>) {
        for id in std::mem::take(&mut self.page_out.starved) {
            let queued: Vec<u64> = self.objects[id].unasked.iter().copied().collect();
            let refused = queued.into_iter().filter(|page| which(self.need_of_waiters(id, *page)));
            for page in refused.collect::<Vec<_>>() {
                self.counters.memory_refused += 1;
                self.note_refused(id, page);
                self.fail(id, page, cx);
            }
            if !self.objects[id].unasked.is_empty() {
                self.page_out.starved.insert(id);
            }
        }
    }

    /// The objects of a task that has more than its share in memory, and how many pages have to leave.
    ///
    /// Source: spec [vm.pageout.8].
    fn beyond_share(&self, task: TaskId) -> Option<(BTreeSet<ObjectId>, u64)> {
        let share = self.config.task_memory_limit_bytes / PAGE_SIZE;
        let map = self.tasks.get(&task).filter(|_| share > 0)?;
        let objects: BTreeSet<ObjectId> = map.managed_objects().collect();
        let (mut resident, mut leaving) = (0, 0);
        for id in &objects {
            let object = &self.objects[*id];
            resident += object.pages.counts().resident;
            leaving += object.round.as_ref().map_or(0, |r| r.pages);
        }
        (resident > share).then(|| (objects, resident.saturating_sub(share - share / 8 + leaving)))
    }

    pub(super) fn set_page_out_timer(&mut self, at: Option<Time>) {
        if self.page_out.timer == at {
            return;
        }
        if let Some(old) = std::mem::replace(&mut self.page_out.timer, at) {
            self.timers.remove(&(old, Timer::PageOut));
        }
        if let Some(at) = at {
            self.timers.insert((at, Timer::PageOut));
        }
    }
}

/// This part of the limit is for native memory before any gets a pager, and for what can leave whatever native memory takes.
const SHARE_MIN: u64 = 4;

/// From one step of a collapse to the next: nobody waits for it, and faults come between. Units: nanoseconds.
const PAUSE_NS: u64 = 250_000;

/// How often it is tried whether a pager that has refused pages takes some yet, and whether refused pages can be had. Units:
/// nanoseconds.
pub(super) const RETRY_NS: u64 = 10_000_000;
