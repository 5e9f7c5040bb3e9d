//! A thread that makes large pages of full small ones, behind tasks that have filled memory in order.
//!
//! It is a thread of its own because each takes as long as to copy it, and what is made ahead of a task must not wait for that.
//! Linux seals no file of which a page is just being copied, but looks again 10 ms later. So nothing is made of what has only just
//! been filled, which may be about to be sent, and nothing for a while after anything was frozen.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use proto::vm::LARGE_PAGE_SIZE;
use sys::large::LargeView;

use super::{LONG, Made, REST, make, room};

/// A part of a file of which large pages are to be made.
pub struct Part {
    /// Gone once the file is to stay as it is. A part in line keeps no memory.
    view: Weak<LargeView>,
    /// Bytes: whole large pages, all of which are in memory.
    pages: Range<u64>,
    /// How many of these bytes are in small pages.
    bytes: u64,
}

/// When the thread may go on.
#[derive(Clone, Debug)]
pub struct Rest(Arc<Mutex<Instant>>);

impl Rest {
    /// It may now.
    pub fn none() -> Rest {
        Rest(Arc::new(Mutex::new(Instant::now())))
    }

    /// Not for so long, from now on.
    pub fn begin(&self, pause: Duration) {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + pause);
    }

    fn until(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, as others see it.
#[derive(Debug)]
pub struct Collapse(SyncSender<(Instant, Part)>);

impl Collapse {
    /// Starts it. It ends when this is dropped.
    ///
    /// Errors: `None` there is no thread to be had.
    pub fn start(rest: Rest) -> Option<Collapse> {
        let (sender, parts) = sync_channel(PARTS_MAX);
        std::thread::Builder::new().name("mach-collapse".into()).spawn(move || run(parts, &rest)).ok()?;
        Some(Collapse(sender))
    }

    /// Has large pages made of a part that has just become full, in a while. Where there is too much to do it stays as it is.
    pub fn make(&self, part: Part) {
        let _ = self.0.try_send((Instant::now() + AGE_MIN, part));
    }
}

fn run(parts: Receiver<(Instant, Part)>, rest: &Rest) {
    sys::thread::give_way();
    let (mut waiting, mut most) = (VecDeque::new(), AT_ONCE_BYTES);
    while let Some((due, mut part)) = waiting.pop_front().or_else(|| parts.recv().ok()) {
        while part.is_wanted()
            && let pause = due.max(rest.until()).saturating_duration_since(Instant::now())
            && !pause.is_zero()
        {
            std::thread::sleep(pause);
        }
        waiting.extend(parts.try_iter().take(PARTS_MAX.saturating_sub(waiting.len())));
        while let Some((due, next)) = waiting.front()
            && *due <= Instant::now()
            && part.takes_in(next, most)
        {
            waiting.pop_front();
        }
        if let Some(later) = part.split(most) {
            waiting.push_front((due, later));
        }
        if let Some(took) = part.make(rest) {
            if took > LONG * (2 + part.bytes / LARGE_PAGE_SIZE) as u32 {
                // Where memory is so slow to come, who fills memory is to have half of it, and who sends it is not to wait.
                rest.begin(took);
                most = LARGE_PAGE_SIZE.max(most / 2);
            } else {
                most = AT_ONCE_BYTES.min(2 * most);
            }
        }
    }
}

impl Part {
    /// A part of small pages.
    pub fn of(view: Weak<LargeView>, pages: Range<u64>) -> Part {
        let bytes = pages.end - pages.start;
        Part { view, pages, bytes }
    }

    /// What is beyond the first `most` bytes; both are parts then.
    fn split(&mut self, most: u64) -> Option<Part> {
        // What was made one with others is no larger.
        if self.bytes <= most {
            return None;
        }
        let at = self.pages.start + most;
        let later = Part::of(self.view.clone(), at..self.pages.end);
        (self.pages.end, self.bytes) = (at, most);
        Some(later)
    }

    /// Makes it one with another of the file that lies behind it, if it is no more than `most` bytes then; what lies between
    /// them are large pages. Whether it has.
    fn takes_in(&mut self, next: &Part, most: u64) -> bool {
        let fits = self.bytes + next.bytes <= most && Weak::ptr_eq(&self.view, &next.view);
        if fits && next.pages.start >= self.pages.end {
            (self.pages.end, self.bytes) = (next.pages.end, self.bytes + next.bytes);
            return true;
        }
        false
    }

    fn is_wanted(&self) -> bool {
        self.view.strong_count() > 0
    }

    /// How long it took; `None` if it is not wanted any more, or there is too little memory left.
    fn make(&self, rest: &Rest) -> Option<Duration> {
        let view = self.view.upgrade().filter(|_| room() >= self.bytes)?;
        let began = Instant::now();
        if let Made::NoneToBeHad = make(&view, self.pages.clone(), self.bytes / LARGE_PAGE_SIZE) {
            rest.begin(REST);
        }
        Some(began.elapsed())
    }
}

/// What was filled less than so long ago may be about to be sent.
const AGE_MIN: Duration = Duration::from_millis(25);
/// No more is made in one call: while it runs, nothing of the file is sealed. Nor much less, for each first waits as
/// [`LargeView::make`] does.
const AT_ONCE_BYTES: u64 = 8 * LARGE_PAGE_SIZE;
/// Parts that wait to be made, here and on their way; twice as many in all.
const PARTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::Prot;
    use sys::large::LargePages;
    use sys::{Arena, Backing, Memfd};

    use super::*;

    const L: u64 = LARGE_PAGE_SIZE;
    const SOON: Duration = Duration::from_secs(10);

    /// A file full of small pages that this process maps.
    struct Full {
        arena: Arena,
        memfd: Memfd,
        view: Arc<LargeView>,
    }

    impl Full {
        fn new() -> Full {
            let memfd = Memfd::freezable("test", 4 * L).unwrap();
            memfd.write_at(0, &[vec![7; 4 * L as usize]]).unwrap();
            let arena = Arena::reserve(&[8 * L]).unwrap();
            let view = Arc::new(LargeView::of(&memfd).unwrap());
            Full { arena, memfd, view }
        }

        fn part(&self, pages: Range<u64>) -> Part {
            Part::of(Arc::downgrade(&self.view), pages)
        }

        /// Large pages of it, as a new mapping shows them.
        fn large(&self) -> u64 {
            let at = self.arena.start().next_multiple_of(L);
            self.arena.map(at, 4 * L, Backing::Shared(self.memfd.as_fd(), 0), Prot::READ).unwrap();
            self.arena.advise(at, 4 * L, sys::arena::Advise::HugePages).unwrap();
            let mut bytes = vec![0; 4 * L as usize];
            self.arena.read(at, &mut bytes).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 7));
            sys::large::mapped_bytes() / L
        }

        fn wait_until_done(&self) {
            let until = Instant::now() + SOON;
            while Arc::weak_count(&self.view) > 0 {
                assert!(Instant::now() < until, "it is not done");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn vm_large_5_full_pages_become_large_ones_but_not_at_once() {
        let (file, collapse, began) = (Full::new(), Collapse::start(Rest::none()).unwrap(), Instant::now());
        [0..L, 3 * L..4 * L].into_iter().for_each(|pages| collapse.make(file.part(pages)));
        file.wait_until_done();
        assert!(began.elapsed() >= AGE_MIN);
        let large = file.large();
        // What lies between may come with them.
        assert!(large >= 2 || LargePages::of_this_machine() == LargePages::Denied, "{large}");
        assert_eq!(file.memfd.allocated_bytes().unwrap(), 4 * L);
    }

    #[test]
    fn vm_large_5_no_more_is_made_at_once_than_is_said() {
        let file = Full::new();
        let (mut part, next) = (file.part(0..L), file.part(2 * L..4 * L));
        assert!(!part.takes_in(&next, 2 * L) && part.takes_in(&next, 3 * L) && part.split(3 * L).is_none());
        assert_eq!((part.pages, part.bytes), (0..4 * L, 3 * L));
        let mut part = file.part(L..4 * L);
        let later = part.split(L).unwrap();
        assert_eq!(
            (part.pages.clone(), part.bytes, later.pages.clone(), later.bytes),
            (L..2 * L, L, 2 * L..4 * L, 2 * L)
        );
        assert!(!part.takes_in(&Full::new().part(2 * L..3 * L), 4 * L), "another file's");
        part.pages = 3 * L..4 * L;
        assert!(!part.takes_in(&later, 4 * L), "it lies before it");
    }

    #[test]
    fn vm_large_5_nothing_is_made_after_a_freeze_or_of_what_is_to_stay() {
        let (resting, Full { arena, memfd, view }, rest) = (Full::new(), Full::new(), Rest::none());
        let collapse = Collapse::start(rest.clone()).unwrap();
        rest.begin(SOON);
        collapse.make(resting.part(0..4 * L));
        collapse.make(Part::of(Arc::downgrade(&view), 0..4 * L));
        // What waits in line keeps nothing.
        let seen = Arc::downgrade(&view);
        drop((arena, memfd, view));
        assert!(seen.upgrade().is_none());
        std::thread::sleep(4 * AGE_MIN);
        assert_eq!(resting.large(), 0);
        let ended = Full::new();
        let (collapse, view) = (Collapse::start(Rest::none()).unwrap(), LargeView::of(&ended.memfd).unwrap());
        let other = Arc::new(view);
        collapse.make(Part::of(Arc::downgrade(&other), 0..4 * L));
        drop(other);
        std::thread::sleep(4 * AGE_MIN);
        assert_eq!(ended.large(), 0);
    }
}
