//! Files that are frozen and not sealed yet: the task has mapped the memory privately in their place, and what its page
//! tables held is torn down, and the file sealed, by another thread, while the program goes on.
//!
//! 1. Nobody writes to such a file any more: the only mapping that could is set aside, and nobody uses that.
//! 2. A file is in the table until it is sealed, or cannot be; whoever needs the seal waits for that.
//! 3. The thread writes to no memory of the program's.
//! 4. There is one such thread, which takes the files in order, and only while there is something to seal, or there was a moment ago.
//! 5. What is quickly torn down, because it is little or in large pages, is sealed at once, and never here.
//! 6. While copies are being made, which map and unmap as well, nothing is torn down beside them, unless somebody waits for a seal.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sys::aside::Aside;
use sys::{FileId, Frozen, Memfd, Pagemap};

use crate::agent;

/// The files of a task that are not sealed yet.
#[derive(Default, Debug)]
pub(crate) struct Settling {
    state: Mutex<State>,
    /// The thread has something to begin with.
    due: Condvar,
    /// A file is sealed, or will not be.
    done: Condvar,
}

#[derive(Default, Debug)]
struct State {
    files: BTreeMap<FileId, Arc<Frozen>>,
    /// Those of them that nobody has begun with.
    line: VecDeque<(FileId, Memfd, Aside)>,
    /// Whether there is the thread.
    working: bool,
    /// Copies that are being made.
    copies: usize,
    /// Threads that wait for a seal.
    waiting: usize,
}

impl State {
    /// Whether the thread is to begin with the next one.
    fn is_due(&self) -> bool {
        !self.line.is_empty() && (self.copies == 0 || self.waiting > 0)
    }
}

/// A copy that is being made.
pub(crate) struct Copying<'a>(&'a Settling);

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.copies -= 1;
        self.0.tell(state);
    }
}

impl Settling {
    /// Has a file sealed when its mapping is gone; here and now where that cannot be had by another thread.
    pub fn begin(self: &Arc<Self>, memfd: Memfd, aside: Aside) {
        // Whoever is to have it sees whether it is sealed.
        let Ok(frozen) = memfd.reader().and_then(Memfd::adopt).and_then(Frozen::settling) else {
            return seal(aside, &memfd);
        };
        let id = frozen.id();
        let mut state = self.lock();
        state.files.insert(id, Arc::new(frozen));
        state.line.push_back((id, memfd, aside));
        if std::mem::replace(&mut state.working, true) {
            return self.tell(state);
        }
        drop(state);
        let work = Work { settling: self.clone(), over: false, _quiet: agent::Quiet::new() };
        // Where there is no thread the work is dropped, which ends the waits, and nobody seals.
        let _ = sys::thread::spawn_without_signals("mach-settle", move || work.run());
    }

    /// Until the result is dropped a copy is being made.
    pub fn copying(&self) -> Copying<'_> {
        self.lock().copies += 1;
        Copying(self)
    }

    /// The file, if it is not sealed yet.
    pub fn get(&self, id: FileId) -> Option<Arc<Frozen>> {
        self.lock().files.get(&id).cloned()
    }

    /// Waits until a file is sealed, or will not be; whether it is.
    pub fn wait(&self, file: &Frozen) -> bool {
        if file.is_settled() {
            return true;
        }
        let mut state = self.lock();
        state.waiting += 1;
        if state.is_due() {
            self.due.notify_one();
        }
        let unsettled = |state: &mut State| !file.is_settled() && state.files.contains_key(&file.id());
        let waited = self.done.wait_timeout_while(state, PATIENCE, unsettled);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
        file.is_settled()
    }

    /// Wakes the thread if it has something to begin with; with no lock held, which it would wait for.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let due = state.is_due();
        drop(state);
        if due {
            self.due.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread does; it ends however the thread does.
struct Work {
    settling: Arc<Settling>,
    /// It ends because there is nothing to do: the line is another thread's from then on.
    over: bool,
    _quiet: agent::Quiet,
}

impl Work {
    fn run(mut self) {
        while let Some((id, memfd, aside)) = self.next() {
            seal(aside, &memfd);
            self.settling.lock().files.remove(&id);
            self.settling.done.notify_all();
        }
    }

    /// The next file, once no copies are being made, or those have taken long. `None` there was none for so long that the thread is
    /// to end; who comes after that starts another.
    fn next(&mut self) -> Option<(FileId, Memfd, Aside)> {
        let mut state = self.settling.lock();
        for most in [LINGER, PATIENCE] {
            let waited = self.settling.due.wait_timeout_while(state, most, |state| !state.is_due());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.is_due() || state.line.is_empty() {
                break;
            }
        }
        let next = state.line.pop_front();
        self.over = next.is_none();
        state.working = !self.over;
        next
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.over {
            let mut state = self.settling.lock();
            // What is still in line nobody seals.
            let left = std::mem::take(&mut *state);
            (state.copies, state.waiting) = (left.copies, left.waiting);
            drop(state);
            self.settling.done.notify_all();
        }
    }
}

/// Whether to tear the page tables of a range down takes so long that it is better left to the thread: there is much of it, and
/// not all in large pages.
pub(crate) fn takes_long(range: Range<u64>) -> bool {
    if range.end - range.start < LONG_BYTES_MIN {
        return false;
    }
    let (began, mut left) = (Instant::now(), SMALL_PAGES_MAX);
    let Ok(pagemap) = Pagemap::open() else { return true };
    !range.clone().step_by(LOOK_BYTES as usize).all(|at| {
        let found = pagemap.small(at..range.end.min(at + LOOK_BYTES), left).unwrap_or(left);
        left -= found;
        left > 0 && began.elapsed() < LOOK_MAX
    })
}

fn seal(aside: Aside, memfd: &Memfd) {
    drop(aside);
    // The node may have been quicker; and where somebody else can still write to it, it stays unsealed and is copied.
    let _ = memfd.freeze();
}

/// Of less than this it is not even looked what pages it has.
const LONG_BYTES_MIN: u64 = 16 << 20;
/// To tear down so many small pages takes no longer than to have a thread do it.
const SMALL_PAGES_MAX: u64 = 1024;
/// What is looked at in one go, and how long all of it is: where there are small pages, none of them there, it takes long.
const LOOK_BYTES: u64 = 128 << 20;
const LOOK_MAX: Duration = Duration::from_micros(100);
/// How long the thread waits for more to do.
const LINGER: Duration = Duration::from_secs(1);
/// How long anybody waits for a seal. It takes 50 ms a GiB.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::{PAGE_SIZE, Prot};
    use sys::large::LargePages;
    use sys::{Arena, Backing};

    use super::*;

    const RW: Prot = Prot::READ.union(Prot::WRITE);

    fn set_aside(arena: &Arena, memfd: &Memfd) -> Aside {
        let (at, size) = (arena.start(), memfd.size());
        arena.map(at, size, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        arena.write(at, b"frozen").unwrap();
        let aside = arena.set_aside(at, size).unwrap();
        arena.map(at, size, Backing::Private(memfd.as_fd(), 0), RW).unwrap();
        aside
    }

    #[test]
    fn a_file_is_sealed_and_leaves_the_table() {
        let (settling, arena) = (Arc::new(Settling::default()), Arena::reserve(&[1 << 20]).unwrap());
        let memfd = Memfd::freezable("test", 4 * PAGE_SIZE).unwrap();
        let (id, other) = (memfd.id().unwrap(), Memfd::adopt(memfd.writer().unwrap()).unwrap());
        settling.begin(memfd, set_aside(&arena, &other));
        let file = settling.get(id).unwrap_or_else(|| Arc::new(Frozen::new(other).unwrap()));
        assert!(settling.wait(&file) && file.is_settled());
        assert_eq!(&file.bytes(0, 6).unwrap()[..], b"frozen");
        assert!(settling.lock().files.is_empty() || settling.wait(&file));
    }

    #[test]
    fn one_thread_seals_what_comes_and_another_what_comes_much_later() {
        let (settling, arena) = (Arc::new(Settling::default()), Arena::reserve(&[1 << 20]).unwrap());
        let sealed = |files: usize| {
            let made: Vec<Arc<Frozen>> = (0..files)
                .map(|_| {
                    let memfd = Memfd::freezable("test", 4 * PAGE_SIZE).unwrap();
                    let file = Frozen::settling(Memfd::adopt(memfd.reader().unwrap()).unwrap()).unwrap();
                    let aside = set_aside(&arena, &memfd);
                    settling.begin(memfd, aside);
                    Arc::new(file)
                })
                .collect();
            made.iter().all(|file| settling.wait(file))
        };
        assert!(sealed(50) && settling.lock().working);
        let until = Instant::now() + 10 * LINGER;
        while settling.lock().working {
            assert!(Instant::now() < until, "the thread stays");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(sealed(2) && settling.lock().line.is_empty());
    }

    #[test]
    fn nothing_is_torn_down_beside_a_copy_unless_somebody_waits_for_it() {
        let (settling, arena) = (Arc::new(Settling::default()), Arena::reserve(&[1 << 20]).unwrap());
        let memfd = Memfd::freezable("test", 4 * PAGE_SIZE).unwrap();
        let other = Memfd::adopt(memfd.writer().unwrap()).unwrap();
        let file = Frozen::settling(Memfd::adopt(memfd.reader().unwrap()).unwrap()).unwrap();
        let copying = settling.copying();
        settling.begin(memfd, set_aside(&arena, &other));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!file.is_settled());
        assert!(settling.wait(&file), "it is in a hurry now");
        drop(copying);
        let state = settling.lock();
        assert_eq!((state.copies, state.waiting), (0, 0));
    }

    #[test]
    fn a_file_that_somebody_else_can_write_to_is_not_waited_for() {
        let (settling, arena) = (Arc::new(Settling::default()), Arena::reserve(&[1 << 20]).unwrap());
        let memfd = Memfd::freezable("test", 4 * PAGE_SIZE).unwrap();
        let writer = Arena::reserve(&[1 << 20]).unwrap();
        writer.map(writer.start(), PAGE_SIZE, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        let file = Frozen::settling(Memfd::adopt(memfd.reader().unwrap()).unwrap()).unwrap();
        let aside = set_aside(&arena, &memfd);
        let began = Instant::now();
        settling.begin(memfd, aside);
        assert!(!settling.wait(&file) && began.elapsed() < PATIENCE / 2);
        assert!(settling.get(file.id()).is_none());
    }

    #[test]
    fn what_is_little_or_has_few_small_pages_takes_not_long() {
        let size = 2 * LONG_BYTES_MIN;
        let (arena, memfd) = (Arena::reserve(&[size]).unwrap(), Memfd::freezable("test", size).unwrap());
        let at = arena.start();
        arena.map(at, size, Backing::Shared(memfd.as_fd(), 0), RW).unwrap();
        assert!(!takes_long(at..at + size));
        arena.write(at, &vec![1; (2 * SMALL_PAGES_MAX * PAGE_SIZE) as usize]).unwrap();
        assert!(!takes_long(at..at + LONG_BYTES_MIN - PAGE_SIZE));
        let small = Pagemap::open().and_then(|pagemap| pagemap.small(at..at + size, u64::MAX)).unwrap_or(u64::MAX);
        assert_eq!(takes_long(at..at + size), small >= SMALL_PAGES_MAX);
        assert!(small > 0 || LargePages::of_this_machine() != LargePages::OnRequest);
    }
}
