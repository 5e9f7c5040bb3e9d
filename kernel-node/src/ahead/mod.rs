//! Large pages for memory that Linux alone serves, where it makes none by itself: a thread of the node's makes them ahead of tasks
//! that fill memory in order.
//!
//! Nobody waits for it, and nobody needs it: a large page of zeroes in a memory file is what the file would show without.
//! What is made too late, or cannot be, the task fills with small pages.
//!
//! The thread looks at files that are new, often at first and then ever less, as long as their tasks go on filling them. It
//! only ever looks at what is in memory (`mincore(2)`), and takes none of the locks that a task could hold.
//!
//! Why so: docs/decisions/0015-large-pages-ahead.md. Spec: docs/spec/vm.md [vm.large.1] to [vm.large.4].

mod front;

use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

pub(crate) use front::AHEAD_BYTES_MAX;
use front::{Front, Look};
use kernel_core::vm::ObjectId;
use metrics::counter;
use proto::vm::LARGE_PAGE_SIZE;
use sys::large::{LargePages, LargeView};
use sys::{Errno, Memfd};

/// The thread, once there is work for it.
#[derive(Default, Debug)]
pub(crate) struct Ahead(OnceLock<Option<SyncSender<Told>>>);

/// What the thread is told.
#[derive(Debug)]
enum Told {
    /// An object has memory that nobody has touched.
    New(ObjectId, Weak<Memfd>),
    /// No more is to be brought of it.
    End(ObjectId),
}

impl Ahead {
    /// An object has memory that nobody has touched.
    pub fn begin(&self, object: ObjectId, memfd: &Arc<Memfd>) {
        if memfd.size() >= WATCHED_BYTES_MIN
            && let Some(told) = self.0.get_or_init(start)
        {
            // Where the thread has so much to hear, it does without this one.
            let _ = told.try_send(Told::New(object, Arc::downgrade(memfd)));
        }
    }

    /// No more is to be brought of an object, but for what is being made.
    pub fn end(&self, object: ObjectId) {
        if let Some(Some(told)) = self.0.get() {
            // If this is not heard, it ends when the file does, or its task stops filling it.
            let _ = told.try_send(Told::End(object));
        }
    }
}

/// `None` where Linux makes them by itself, or is not to, or has no thread.
fn start() -> Option<SyncSender<Told>> {
    if LargePages::of_this_machine() != LargePages::OnRequest {
        return None;
    }
    let (sender, told) = sync_channel(TOLD_MAX);
    let thread = Thread { told, watched: Vec::new(), rests_until: Instant::now() };
    std::thread::Builder::new().name("mach-large".into()).spawn(move || thread.run()).ok()?;
    Some(sender)
}

/// A file that is being filled.
struct Watched {
    object: ObjectId,
    memfd: Weak<Memfd>,
    view: LargeView,
    front: Front,
    /// When its task last came to where something was to be brought.
    since: Instant,
    /// When to look again.
    due: Instant,
}

struct Thread {
    told: Receiver<Told>,
    watched: Vec<Watched>,
    /// Linux has no large pages until then, as it seems.
    rests_until: Instant,
}

impl Thread {
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
            Told::End(object) => self.watched.retain(|w| w.object != object),
            Told::New(object, memfd) => {
                let now = Instant::now();
                let view = memfd.upgrade().filter(|_| now >= self.rests_until).map(|memfd| LargeView::of(&memfd));
                let Some(Ok(view)) = view else { return };
                let front = Front::new(view.bytes());
                if self.watched.len() >= WATCHED_MAX
                    && let Some((idlest, _)) = self.watched.iter().enumerate().min_by_key(|(_, w)| w.since)
                {
                    self.watched.swap_remove(idlest);
                }
                let (since, due) = (now, now + PAUSE_MIN);
                self.watched.push(Watched { object, memfd, view, front, since, due });
            }
        }
    }

    /// Looks at what is due.
    fn look(&mut self) {
        let now = Instant::now();
        while let Some(due) = self.watched.iter().position(|w| w.due <= now) {
            let mut watched = self.watched.swap_remove(due);
            // What Linux would take back first it is not asked to: to look for that takes milliseconds.
            let most = || sys::probe::available_bytes(0).unwrap_or(0) / AHEAD_PART;
            let idle = now.saturating_duration_since(watched.since);
            match watched.front.look(|offset, pages| watched.view.holds(offset, pages), most) {
                Look::Nothing if idle > IDLE_MAX || watched.memfd.strong_count() == 0 => {}
                Look::Nothing => {
                    watched.due = now + (idle / PAUSE_PART).max(PAUSE_MIN);
                    self.watched.push(watched);
                }
                Look::Bring(pages) => {
                    if let Some(pause) = self.bring(&watched, pages) {
                        watched.since = Instant::now();
                        watched.due = watched.since + pause;
                        self.watched.push(watched);
                    }
                }
                Look::Done => {}
            }
        }
    }

    /// How soon to look for more; `None` if there is no more to bring.
    fn bring(&mut self, watched: &Watched, pages: Range<u64>) -> Option<Duration> {
        for offset in pages.step_by(LARGE_PAGE_SIZE as usize) {
            while let Ok(told) = self.told.try_recv() {
                if matches!(told, Told::End(object) if object == watched.object) {
                    return None;
                }
                self.hear(told);
            }
            if watched.memfd.strong_count() == 0 {
                return None;
            }
            // Where the task has come meanwhile it goes on as it does.
            if watched.view.holds(offset, 1) {
                continue;
            }
            let began = Instant::now();
            match watched.view.make(offset) {
                Ok(()) => counter!("mach_large_pages_total").increment(1),
                Err(error) if error.errno == Errno::AGAIN => {}
                Err(error) => {
                    tracing::debug!(%error, "no large page");
                    self.rests_until = Instant::now() + REST;
                    return None;
                }
            }
            let took = began.elapsed();
            if took > LONG {
                return Some(took);
            }
        }
        Some(PAUSE_MIN)
    }
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
/// To fill a large page with small ones takes 1 ms at most. Where Linux, or a machine that is itself a guest, takes much longer for
/// a large one, the task is quicker, and waits for it if it comes there; so it is left alone for half of the time.
const LONG: Duration = Duration::from_millis(4);
/// How long none is made after there was none to be had.
const REST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::{PAGE_SIZE, Prot};
    use sys::{Arena, Backing};

    use super::*;

    const L: u64 = LARGE_PAGE_SIZE;

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
        let (ahead, memfd) = (Ahead::default(), Arc::new(Memfd::freezable("test", 40 * L).unwrap()));
        let arena = Arena::reserve(&[48 * L]).unwrap();
        let at = arena.start().next_multiple_of(L);
        arena.map(at, 40 * L, Backing::Shared(memfd.as_fd(), 0), Prot::READ | Prot::WRITE).unwrap();
        let object = ObjectId::default();
        ahead.begin(object, &memfd);
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
    fn vm_large_4_files_that_are_gone_or_too_many_are_not_looked_at() {
        let (_told, told) = sync_channel(1);
        let mut thread = Thread { told, watched: Vec::new(), rests_until: Instant::now() };
        let file = || Arc::new(Memfd::freezable("test", 4 * L).unwrap());
        let kept: Vec<_> = (0..WATCHED_MAX + 3).map(|_| file()).collect();
        let new = |memfd: &Arc<Memfd>| Told::New(ObjectId::default(), Arc::downgrade(memfd));
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
