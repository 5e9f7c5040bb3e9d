//! Large pages for memory that Linux alone serves, where it makes none by itself: a thread of the node's makes them ahead of tasks
//! that fill memory in order.
//!
//! Nobody waits for it, and nobody needs it: a large page of zeroes in a memory file is what the file would show without.
//! What is made too late, or cannot be, the task fills with small pages; when these are full, large ones are made of them.
//!
//! The thread looks at files that are new, often at first and then ever less, as long as their tasks go on filling them. It
//! only ever looks at what is in memory (`mincore(2)`), and takes none of the locks that a task could hold.
//!
//! Why so: docs/decisions/0015-large-pages-ahead.md. Spec: docs/spec/vm.md [vm.large.1] to [vm.large.5].

mod behind;
mod collapse;
mod credit;
mod front;

use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use behind::Behind;
use collapse::{Collapse, Part, Rest};
use credit::Credits;
pub(crate) use front::AHEAD_BYTES_MAX;
use front::{Front, Look};
use kernel_core::TaskId;
use kernel_core::vm::ObjectId;
use metrics::counter;
use proto::PAGE_SIZE;
use proto::vm::LARGE_PAGE_SIZE;
use sys::large::{LargePages, LargeView};
use sys::{Errno, Memfd};

/// The threads, once there is work for them.
#[derive(Default, Debug)]
pub(crate) struct Ahead(OnceLock<Option<Threads>>);

/// The thread that looks and makes, and the one that it has collapse what is full.
#[derive(Debug)]
struct Threads {
    told: SyncSender<Told>,
    collapse_rest: Rest,
}

/// What the thread is told.
#[derive(Debug)]
enum Told {
    /// A task has memory that nobody has touched.
    New(TaskId, ObjectId, Weak<Memfd>),
    /// It is to stay as it is.
    End(ObjectId),
    /// All that a task has is.
    EndOf(TaskId),
}

impl Told {
    fn ends(&self, watched: &Watched) -> bool {
        match self {
            Told::New(..) => false,
            Told::End(object) => watched.object == *object,
            Told::EndOf(task) => watched.task == *task,
        }
    }
}

impl Ahead {
    /// A task has memory that nobody has touched.
    pub fn begin(&self, task: TaskId, object: ObjectId, memfd: &Arc<Memfd>) {
        if memfd.size() >= WATCHED_BYTES_MIN
            && let Some(Threads { told, .. }) = self.0.get_or_init(start)
        {
            // Where the thread has so much to hear, it does without this one.
            let _ = told.try_send(Told::New(task, object, Arc::downgrade(memfd)));
        }
    }

    /// Nothing more is to be made of an object, but for what is being made.
    pub fn end(&self, object: ObjectId) {
        self.tell(Told::End(object));
    }

    /// The same, since an object is being frozen; others may be next.
    pub fn frozen(&self, object: ObjectId) {
        if let Some(Some(Threads { collapse_rest, .. })) = self.0.get() {
            collapse_rest.begin(FROZEN_REST);
        }
        self.end(object);
    }

    /// A task wires memory: what it has is not to be moved.
    pub fn wired(&self, task: TaskId) {
        self.tell(Told::EndOf(task));
    }

    fn tell(&self, what: Told) {
        if let Some(Some(Threads { told, .. })) = self.0.get() {
            // If this is not heard, it ends when the file does, or its task stops filling it.
            let _ = told.try_send(what);
        }
    }
}

/// `None` where Linux makes them by itself, or is not to, or has no thread.
fn start() -> Option<Threads> {
    if LargePages::of_this_machine() != LargePages::OnRequest {
        return None;
    }
    let (sender, told) = sync_channel(TOLD_MAX);
    let collapse_rest = Rest::none();
    let thread = Thread::new(told, Collapse::start(collapse_rest.clone())?);
    std::thread::Builder::new().name("mach-large".into()).spawn(move || thread.run()).ok()?;
    Some(Threads { told: sender, collapse_rest })
}

/// A file that is being filled.
struct Watched {
    task: TaskId,
    object: ObjectId,
    memfd: Weak<Memfd>,
    /// Parts of which large pages are to be made refer to it, and are nothing without it.
    view: Arc<LargeView>,
    front: Front,
    behind: Behind,
    /// What is still to be made of what the front said.
    rest: Range<u64>,
    /// When its task last came to where something was to be brought.
    since: Instant,
    /// When to look again.
    due: Instant,
}

impl Watched {
    /// Whether large pages are being made of small ones.
    fn is_being_collapsed(&self) -> bool {
        Arc::weak_count(&self.view) > 0
    }
}

struct Thread {
    told: Receiver<Told>,
    collapse: Collapse,
    watched: Vec<Watched>,
    credits: Credits,
    /// Linux has no large pages until then, as it seems.
    rests_until: Instant,
}

impl Thread {
    fn new(told: Receiver<Told>, collapse: Collapse) -> Thread {
        let (watched, credits) = (Vec::new(), Credits::default());
        Thread { told, collapse, watched, credits, rests_until: Instant::now() }
    }

    /// Until the node is gone.
    fn run(mut self) {
        loop {
            let due = self.watched.iter().map(|w| w.due).min();
            let told = match due {
                None => self.told.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => self.told.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match told {
                Ok(told) => self.hear(told),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::End(_) | Told::EndOf(_) => self.watched.retain(|w| !told.ends(w)),
            Told::New(task, object, memfd) => {
                let now = Instant::now();
                let view = memfd.upgrade().filter(|_| now >= self.rests_until).map(|memfd| LargeView::of(&memfd));
                let Some(Ok(view)) = view.map(|made| made.map(Arc::new)) else { return };
                let (front, behind, rest) = (Front::new(view.bytes()), Behind::default(), 0..0);
                if self.watched.len() >= WATCHED_MAX
                    && let Some((idlest, _)) = self.watched.iter().enumerate().min_by_key(|(_, w)| w.since)
                {
                    self.watched.swap_remove(idlest);
                }
                let (since, due) = (now, now + PAUSE_MIN);
                self.watched.push(Watched { task, object, memfd, view, front, behind, rest, since, due });
            }
        }
    }

    /// Looks at what is due.
    fn look(&mut self) {
        let now = Instant::now();
        while let Some(due) = self.watched.iter().position(|w| w.due <= now) {
            let mut watched = self.watched.swap_remove(due);
            let idle = now.saturating_duration_since(watched.since);
            if watched.rest.is_empty() {
                let credit = self.credits.of(watched.task);
                let from = watched.front.next();
                let look = watched.front.look(|offset, pages| watched.view.holds(offset, pages), room, credit);
                watched.behind.add(from..watched.front.come_to());
                self.look_behind(&mut watched);
                let goes_on = watched.is_being_collapsed()
                    || idle <= IDLE_MAX && (look == Look::Nothing || !watched.behind.is_empty());
                match look {
                    Look::Bring(pages) => watched.rest = pages,
                    Look::Nothing | Look::Done if goes_on && watched.memfd.strong_count() > 0 => {
                        watched.due = now + (idle / PAUSE_PART).max(PAUSE_MIN);
                        self.watched.push(watched);
                        continue;
                    }
                    Look::Nothing | Look::Done => continue,
                }
            }
            if let Some(pause) = self.bring(&mut watched) {
                watched.since = Instant::now();
                watched.due = watched.since + pause;
                self.watched.push(watched);
            }
        }
    }

    /// Has large pages made of what is full by now.
    fn look_behind(&self, watched: &mut Watched) {
        let view = &watched.view;
        // The last one comes last, and is quickly looked at.
        let full = |at| view.holds(at + LARGE_PAGE_SIZE - PAGE_SIZE, 1) && view.holds(at, LARGE_PAGE_SIZE / PAGE_SIZE);
        while let Some(pages) = watched.behind.take_full(full, AT_ONCE * LARGE_PAGE_SIZE) {
            self.collapse.make(Part::of(Arc::downgrade(view), pages));
        }
    }

    /// Makes what is to be made of a file. How soon to go on, or look for more; `None` if there is no more to bring.
    fn bring(&mut self, watched: &mut Watched) -> Option<Duration> {
        while !watched.rest.is_empty() {
            while let Ok(told) = self.told.try_recv() {
                let ends = told.ends(watched);
                self.hear(told);
                if ends {
                    return None;
                }
            }
            if watched.memfd.strong_count() == 0 {
                return None;
            }
            let offset = watched.rest.start;
            // Where the task has come meanwhile it goes on as it does.
            if watched.view.holds(offset, 1) {
                watched.rest.start += LARGE_PAGE_SIZE;
                watched.behind.add(offset..watched.rest.start);
                continue;
            }
            let left = (watched.rest.end - offset) / LARGE_PAGE_SIZE;
            let pages = if left < 2 * AT_ONCE { left } else { AT_ONCE };
            watched.rest.start += pages * LARGE_PAGE_SIZE;
            let began = Instant::now();
            match make(&watched.view, offset..watched.rest.start, pages) {
                Made::All => {}
                Made::NotNow => watched.behind.add(offset..watched.rest.start),
                Made::NoneToBeHad => {
                    self.rests_until = Instant::now() + REST;
                    return None;
                }
            }
            let took = began.elapsed();
            if took > LONG * AT_ONCE.max(pages) as u32 {
                return Some(took);
            }
        }
        Some(PAUSE_MIN)
    }
}

/// What became of large pages that were to be made.
enum Made {
    All,
    /// A page was brought or used meanwhile.
    NotNow,
    /// Linux has none, or gives none so.
    NoneToBeHad,
}

/// Makes large pages of a part of a file; so many of them are new.
fn make(view: &LargeView, part: Range<u64>, new: u64) -> Made {
    match view.make(part.start, (part.end - part.start) / LARGE_PAGE_SIZE) {
        Ok(()) => {
            counter!("mach_large_pages_total").increment(new);
            Made::All
        }
        Err(error) if error.errno == Errno::AGAIN => Made::NotNow,
        Err(error) => {
            tracing::debug!(%error, "no large pages");
            Made::NoneToBeHad
        }
    }
}

/// Bytes of which large pages may be made. What Linux would take back first it is not asked to: to look for that takes
/// milliseconds.
fn room() -> u64 {
    sys::probe::available_bytes(0).unwrap_or(0) / AHEAD_PART
}

/// Less memory is as good in small pages: a task fills the first large page itself.
const WATCHED_BYTES_MIN: u64 = 2 * LARGE_PAGE_SIZE;
/// Files at a time; of more, the one whose task has been idle for longest is not looked at any more.
const WATCHED_MAX: usize = 64;
/// What the thread has not heard yet.
const TOLD_MAX: usize = 4096;
/// A task fills half a megabyte meanwhile.
const PAUSE_MIN: Duration = Duration::from_micros(100);
/// Where nothing happens, a file is looked at again after this part of the time for which nothing has.
const PAUSE_PART: u32 = 8;
/// A file whose task has not come further for so long is looked at no more.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// No more than this part of what memory is left is brought ahead.
const AHEAD_PART: u64 = 8;
/// Large pages that are made in one go, or up to twice as many: the task may come to the last ones before they are made, and to
/// make each by itself takes longer (see [`LargeView::make`]).
const AT_ONCE: u64 = 4;
/// To fill a large page with small ones takes 1 ms at most. Where Linux, or a machine that is itself a guest, takes much longer for
/// each large one, the task is quicker, and waits for it if it comes there; so it is left alone for half of the time.
const LONG: Duration = Duration::from_millis(4);
/// How long nothing is collapsed after something was frozen.
const FROZEN_REST: Duration = Duration::from_millis(100);
/// How long none is made after there was none to be had.
const REST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::Prot;
    use sys::{Arena, Backing};

    use super::*;

    const L: u64 = LARGE_PAGE_SIZE;

    /// A file of so many large pages, and where it is mapped.
    fn mapped(pages: u64) -> (Arc<Memfd>, Arena, u64) {
        let (memfd, arena) =
            (Memfd::freezable("test", pages * L).unwrap(), Arena::reserve(&[(pages + 1) * L]).unwrap());
        let at = arena.start().next_multiple_of(L);
        arena.map(at, pages * L, Backing::Shared(memfd.as_fd(), 0), Prot::READ | Prot::WRITE).unwrap();
        (Arc::new(memfd), arena, at)
    }

    /// Waits until so much is in a file, for a while; what is.
    fn allocated(memfd: &Memfd, bytes: u64) -> u64 {
        let until = Instant::now() + Duration::from_secs(5);
        while memfd.allocated_bytes().unwrap() < bytes && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        memfd.allocated_bytes().unwrap()
    }

    #[test]
    fn vm_large_1_what_a_task_fills_is_brought_ahead_of_it_until_that_ends() {
        let (ahead, (memfd, arena, at)) = (Ahead::default(), mapped(40));
        let object = ObjectId::default();
        ahead.begin(TaskId(1), object, &memfd);
        let fill = |from: u64, to: u64| arena.write(at + from, &vec![7; (to - from) as usize]).unwrap();
        fill(0, L / 2 + PAGE_SIZE);
        let made = LargePages::of_this_machine() == LargePages::OnRequest;
        let first = allocated(&memfd, if made { L + L / 2 + PAGE_SIZE } else { 0 });
        assert_eq!(first, L / 2 + PAGE_SIZE + if made { L } else { 0 });
        fill(L / 2 + PAGE_SIZE, 4 * L);
        if made {
            // It may have been looked at when the task was in the third.
            assert!(allocated(&memfd, 5 * L) >= 5 * L);
        }
        ahead.end(object);
        std::thread::sleep(Duration::from_millis(20));
        let before = allocated(&memfd, 0);
        fill(4 * L, 30 * L);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(allocated(&memfd, 0), before.max(30 * L), "nothing but what was touched");
        let mut bytes = vec![0; 30 * L as usize];
        arena.read(at, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn vm_large_5_what_a_task_filled_itself_becomes_large_when_it_is_full() {
        let (ahead, (memfd, arena, at)) = (Ahead::default(), mapped(12));
        arena.advise(at, 12 * L, sys::arena::Advise::HugePages).unwrap();
        ahead.begin(TaskId(1), ObjectId::default(), &memfd);
        for page in 0..12 * L / PAGE_SIZE {
            arena.write(at + page * PAGE_SIZE, &page.to_ne_bytes()).unwrap();
        }
        let kept = || {
            (0..12 * L / PAGE_SIZE).all(|page| {
                let mut word = [0; 8];
                arena.read(at + page * PAGE_SIZE, &mut word).unwrap();
                u64::from_ne_bytes(word) == page
            })
        };
        let until = Instant::now() + Duration::from_secs(20);
        let made = LargePages::of_this_machine() == LargePages::OnRequest;
        while made && sys::large::mapped_bytes() < 12 * L {
            assert!(kept() && Instant::now() < until, "{} bytes are in large pages", sys::large::mapped_bytes());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(kept());
        assert_eq!(memfd.allocated_bytes().unwrap(), 12 * L);
    }

    #[test]
    fn vm_large_4_files_that_are_gone_or_too_many_are_not_looked_at() {
        let (_told, told) = sync_channel(1);
        let mut thread = Thread::new(told, Collapse::start(Rest::none()).unwrap());
        let file = || Arc::new(Memfd::freezable("test", 4 * L).unwrap());
        let kept: Vec<_> = (0..WATCHED_MAX + 3).map(|_| file()).collect();
        let new = |memfd: &Arc<Memfd>| Told::New(TaskId(1), ObjectId::default(), Arc::downgrade(memfd));
        kept.iter().for_each(|memfd| thread.hear(new(memfd)));
        assert_eq!(thread.watched.len(), WATCHED_MAX);
        drop(kept);
        std::thread::sleep(2 * PAUSE_MIN);
        thread.look();
        assert!(thread.watched.is_empty(), "they have no memory");
        thread.rests_until = Instant::now() + REST;
        thread.hear(new(&file()));
        assert!(thread.watched.is_empty(), "there are no large pages now");
    }
}
