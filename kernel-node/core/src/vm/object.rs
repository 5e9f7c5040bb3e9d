//! A memory object as one kernel sees it: its state, its pages, who maps it and who waits for it.
//!
//! Owned by [`super::Vm`]; entries of maps hold its id, and it holds their places, so that each finds the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use proto::PAGE_SIZE;

use crate::{TaskId, Time};

use super::ObjectId;
use super::event::Ticket;
use super::job::Job;
use super::page::{Page, PageTable};
use super::page_set::PageSet;
use super::round::Round;
use super::shadow::Shadow;
use super::wait::Wait;

/// Writes a state machine as a table: `transitions!` gives `fn on(self, event) -> Option<State>`.
macro_rules! transitions {
    ($state:ident on $event:ident { $($from:ident: $($ev:ident => $to:ident),+;)* }) => {
        impl $state {
            /// The state after `event`; `None` if the event has no place in this state.
            pub(super) fn on(self, event: $event) -> Option<$state> {
                match (self, event) {
                    $($(($state::$from, $event::$ev) => Some($state::$to),)+)*
                    _ => None,
                }
            }
        }
    };
}

/// Where an object is in its life. Source: spec [vm.object.1]; mach-api §3.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ObjectState {
    /// Known, never mapped.
    New,
    /// `memory_object_init` is sent, `ready` has not come: faults wait.
    Initing,
    /// In use.
    Ready,
    /// No entry maps it; its dirty pages are on their way back.
    Terminating,
    /// Its pager is gone or has destroyed it. What is resident stays readable, nothing else can be had.
    Dead,
    /// To be forgotten.
    Gone,
}

/// What happens to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ObjectEvent {
    /// An entry maps it (the first, or the first again).
    Map,
    /// `memory_object_ready` came.
    Ready,
    /// The last entry went.
    Unmap,
    /// Its dirty pages are returned.
    Returned,
    /// Its pager died, or destroyed it.
    Die,
}

transitions! { ObjectState on ObjectEvent {
    New: Map => Initing, Unmap => Gone, Die => Gone;
    Initing: Ready => Ready, Unmap => Terminating, Die => Dead;
    Ready: Ready => Ready, Unmap => Terminating, Die => Dead;
    Terminating: Map => Ready, Returned => Gone, Die => Gone;
    Dead: Die => Dead, Unmap => Gone;
}}

impl ObjectState {
    /// The state as a word for people.
    pub(super) fn label(self) -> &'static str {
        match self {
            ObjectState::New => "new",
            ObjectState::Initing => "initing",
            ObjectState::Ready => "ready",
            ObjectState::Terminating => "terminating",
            ObjectState::Dead => "dead",
            ObjectState::Gone => "gone",
        }
    }
}

/// One memory object.
pub(super) struct Object {
    /// Where it is in its life.
    pub state: ObjectState,
    /// Made by `vm_allocate`: its contents go with its last mapping.
    pub internal: bool,
    /// Nobody can change it any more; only internal objects are.
    pub frozen: bool,
    /// A child may share it, or has been to: then it is never frozen.
    pub shared_with_children: bool,
    /// Its task could map a part of it privately and another not. It is never frozen again, which would map that part anew and
    /// lose what was written to it since.
    pub partly_private: bool,
    /// Internal, and the default pager is its pager. Internal without it is *native*: no pager, no faults, its pages are
    /// Linux's alone.
    pub paged: bool,
    /// Pages that it may come to take while it is native.
    pub native_pages: u64,
    /// Pages of it that its default pager was given; the others are what it shadows there, or zero.
    pub stored: PageSet,
    /// What is below the pages that nobody has.
    pub shadow: Shadow,
    /// The objects that shadow it; it is frozen then, or of the default pager.
    pub shadowed_by: BTreeSet<ObjectId>,
    /// Pages that its pager is asked for because shadows need them: by page, of which objects which.
    pub lifts: BTreeMap<u64, BTreeSet<(ObjectId, u64)>>,
    /// Pages that are gone from below before it had them.
    pub lost: PageSet,
    /// Its pages.
    pub pages: PageTable,
    /// The entries that map it: whose map, and the entry's start.
    pub mappings: BTreeSet<(TaskId, u64)>,
    /// Pages that threads wait for, or for which an unlock is outstanding.
    pub waits: BTreeMap<u64, Wait>,
    /// Of these, absent pages that are asked for when a request is answered, oldest first.
    pub unasked: VecDeque<u64>,
    /// Calls of its pager that are not carried out yet, in order; the first is a lock request.
    pub jobs: VecDeque<Job>,
    /// When the first of them is to be looked at again, as it stands among the timers.
    pub timer: Option<Time>,
    /// What read-ahead has asked for and has not got, by first page; disjoint, and exactly the pages in that state.
    pub ahead: BTreeMap<u64, AheadRun>,
    /// Pages that threads just got, and until when they keep them; by time.
    pub holds: VecDeque<(Time, u64)>,
    /// Msyncs that wait for the pager, oldest first.
    pub syncs: VecDeque<ObjectSync>,
    /// Pages supplied.
    pub pages_in: u64,
    /// Pages returned.
    pub pages_out: u64,
    /// data_return calls.
    pub returns: u64,
    /// As many of these as its pager has confirmed.
    pub returns_confirmed: u64,
    /// The pages of it that are to leave once its pager has confirmed that it has them.
    pub round: Option<Round>,
    /// Its pager has refused pages; no round before then.
    pub left_alone_until: Time,
    /// The most pages that leave it at once.
    pub round_pages_max: u64,
}

/// What is left of one data_request of read-ahead: pages in a row, all of them due.
#[derive(Clone, Copy, Debug)]
pub(super) struct AheadRun {
    /// How many.
    pub pages: u64,
    /// Where the task that caused it sees the first page.
    pub task: TaskId,
    /// As `task`.
    pub address: u64,
    /// The page to leave unmapped, if the window's first page is among them.
    pub marker: Option<u64>,
    /// It is known whether a reader comes to it, and counted.
    pub settled: bool,
}

/// A part of an msync that waits for `memory_object_synchronize_completed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ObjectSync {
    /// The msync that waits for it.
    pub ticket: Option<Ticket>,
    /// As in the call.
    pub offset: u64,
    /// As in the call.
    pub length: u64,
    /// The pages go when the pager has confirmed; if pages were returned after these many calls, not before those are.
    pub invalidate: Option<u64>,
    /// The returns before it, all of which an answer confirms.
    pub upto: u64,
    /// It belongs to the object's round.
    pub page_out: bool,
}

impl Object {
    /// An object that nobody maps.
    pub fn new(internal: bool) -> Object {
        Object {
            state: if internal { ObjectState::Ready } else { ObjectState::New },
            internal,
            frozen: false,
            shared_with_children: false,
            partly_private: false,
            paged: false,
            native_pages: 0,
            stored: PageSet::default(),
            shadow: Shadow::default(),
            shadowed_by: BTreeSet::new(),
            lifts: BTreeMap::new(),
            lost: PageSet::default(),
            pages: PageTable::default(),
            mappings: BTreeSet::new(),
            waits: BTreeMap::new(),
            unasked: VecDeque::new(),
            jobs: VecDeque::new(),
            timer: None,
            ahead: BTreeMap::new(),
            holds: VecDeque::new(),
            syncs: VecDeque::new(),
            pages_in: 0,
            pages_out: 0,
            returns: 0,
            returns_confirmed: 0,
            round: None,
            left_alone_until: Time(0),
            round_pages_max: proto::limits::PAGE_OUT_STEP_PAGES,
        }
    }

    /// A thread came to a page. One that was leaving stays, and if it is anonymous it counts as written again: its pager may
    /// refuse yet what was returned of it. Whether the page was inactive.
    pub fn came_to(&mut self, page: u64, write: bool) -> bool {
        let (internal, mut inactive) = (self.internal, false);
        self.pages.update(page, |r| {
            inactive = !r.referenced;
            r.dirty |= write || internal && r.leaving;
            (r.marker, r.ahead, r.leaving, r.referenced) = (false, false, false, true);
        });
        inactive
    }

    /// Whether a clean page can be thrown away without a question: what was returned of anonymous memory and not confirmed
    /// counts as written again, and of any other object nothing must be under way.
    pub fn clean_pages_are_safe(&self) -> bool {
        self.internal || self.returns == self.returns_confirmed
    }

    /// Whether its memory is Linux's alone.
    pub fn is_native(&self) -> bool {
        self.internal && !self.paged
    }

    /// Moves to the state that `event` leads to; whether it has a place in the present one.
    pub fn turn(&mut self, event: ObjectEvent) -> bool {
        let next = self.state.on(event);
        self.state = next.unwrap_or(self.state);
        next.is_some()
    }

    /// An outstanding request of `page` is answered (or given up): its state becomes `new`.
    pub fn answered(&mut self, page: u64, new: Page) {
        if self.pages.set(page, new) == (Page::Requested { ahead: true }) {
            self.ahead_arrived(page..page + 1);
        }
    }

    /// Read-ahead no longer waits for `pages`, or for those of them that it waits for.
    pub fn ahead_arrived(&mut self, pages: Range<u64>) {
        for (first, run) in self.ahead_runs(pages.clone()) {
            self.ahead.remove(&first);
            let end = first + run.pages;
            for part in [first..pages.start.min(end), pages.end.max(first)..end] {
                if !part.is_empty() {
                    let address = run.address + (part.start - first) * PAGE_SIZE;
                    self.ahead.insert(part.start, AheadRun { pages: part.end - part.start, address, ..run });
                }
            }
        }
    }

    /// The runs of read-ahead that `pages` touches.
    pub fn ahead_runs(&self, pages: Range<u64>) -> Vec<(u64, AheadRun)> {
        let from = self.ahead.range(..=pages.start).next_back().map_or(pages.start, |(first, _)| *first);
        self.ahead
            .range(from..pages.end)
            .filter(|(first, run)| **first + run.pages > pages.start)
            .map(|(first, run)| (*first, *run))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vm_object_1_the_states_of_an_object() {
        use ObjectEvent::*;
        let mut table = String::new();
        for from in
            [ObjectState::New, ObjectState::Initing, ObjectState::Ready, ObjectState::Terminating, ObjectState::Dead]
        {
            for event in [Map, Ready, Unmap, Returned, Die] {
                if let Some(to) = from.on(event) {
                    table += &format!("{} --{event:?}-> {}\n", from.label(), to.label());
                }
            }
        }
        let expected = "\
new --Map-> initing
new --Unmap-> gone
new --Die-> gone
initing --Ready-> ready
initing --Unmap-> terminating
initing --Die-> dead
ready --Ready-> ready
ready --Unmap-> terminating
ready --Die-> dead
terminating --Map-> ready
terminating --Returned-> gone
terminating --Die-> gone
dead --Unmap-> gone
dead --Die-> dead
";
        assert_eq!(table, expected);
    }
}
