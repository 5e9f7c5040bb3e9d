//! Large pages for memory that Linux alone serves, at the first touch: where memory files get none by themselves
//! ([`LargePages::OnRequest`], as most systems come), a thread of the library has them made.
//!
//! Large pages that nobody has touched are registered with a userfaultfd of the library's own. Who touches one first waits
//! while it is made, which takes less than half of what its small pages would, and freezing it later takes next to nothing.
//! Invariants:
//! 1. The file has what there is, whether pages are registered or not: should one not be made, or the descriptor be closed, the
//!    memory is as good, in small pages.
//! 2. The thread touches no memory of the program's, so it never waits for itself.
//! 3. Before a part is unmapped, protected or frozen it is *given up*: no longer registered, and who waits there goes on.
//!    Under the lock, so that the thread registers nothing that was given up.
//!
//! Why so: docs/decisions/0015-large-pages-at-the-first-touch.md. Spec: docs/spec/vm.md [vm.large.1] to [vm.large.5].

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use proto::PAGE_SIZE;
use proto::vm::{LARGE_PAGE_SIZE, trunc_page};
use sys::large::{self, LargePages};
use sys::ready::Level;
use sys::uffd::{Features, Mode, UffdEvent};
use sys::{Errno, Maps, Memfd, SysError, Uffd, UffdMode, Watch};

use crate::agent;
use crate::untouched::{Fill, Pace, Untouched};

/// What a task's memory has of it: nothing before it is of use.
#[derive(Default, Debug)]
pub(crate) struct Filler(OnceLock<Option<Running>>);

#[derive(Debug)]
struct Running {
    work: Arc<Work>,
    /// Raised, it ends the thread.
    end: Mutex<Level>,
}

/// What the thread shares with those who map and unmap.
#[derive(Debug)]
struct Work {
    uffd: Uffd,
    maps: Maps,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    untouched: Untouched<Arc<Memfd>>,
    pace: Pace,
}

impl Filler {
    /// From now on the large pages of a range are made at their first touch, if that is of use here.
    ///
    /// Conditions: the range is a shared mapping of the file, which lies so much lower in it (`shift`) than its address is,
    /// with borders of large pages in both at the same places; nobody can have touched it yet.
    pub fn begin(&self, mode: UffdMode, range: Range<u64>, file: impl FnOnce() -> Option<Memfd>, shift: u64) {
        let running = self.0.get_or_init(|| start(mode));
        if let Some(Running { work, .. }) = running
            && let Some(file) = file()
        {
            work.begin(range, Arc::new(file), shift);
        }
    }

    /// Gives up every large page that has a byte of a range.
    pub fn give_up(&self, address: u64, size: u64) {
        if let Some(Some(Running { work, .. })) = self.0.get() {
            let mut state = work.lock();
            let untouched = state.untouched.cut(&(address..address + size));
            untouched.iter().for_each(|range| work.release(&mut state, range));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.get_mut().unwrap_or_else(PoisonError::into_inner).set(true);
    }
}

/// `None` where Linux makes them by itself, or is not to; where a system call that touches such memory could not wait for it; and
/// where there is no descriptor or thread to be had.
fn start(mode: UffdMode) -> Option<Running> {
    if mode != UffdMode::Full || LargePages::of_this_machine() != LargePages::OnRequest {
        return None;
    }
    let (uffd, UffdMode::Full) = Uffd::open(Features::MISSING_SHMEM | Features::MINOR_SHMEM).ok()? else { return None };
    let state = Mutex::new(State { untouched: Untouched::new(), pace: Pace::default() });
    let work = Arc::new(Work { uffd, maps: Maps::open().ok()?, state });
    let end = Level::new().ok()?;
    let ended = Watch::adopt(end.watched().try_clone_to_owned().ok()?);
    let (of_thread, quiet) = (work.clone(), agent::Quiet::new());
    sys::thread::spawn_without_signals("mach-fill", move || {
        let _quiet = quiet;
        of_thread.serve(&ended);
    })
    .ok()?;
    Some(Running { work, end: Mutex::new(end) })
}

impl Work {
    fn begin(&self, range: Range<u64>, file: Arc<Memfd>, shift: u64) {
        let mut state = self.lock();
        let Some(range) = state.untouched.add(range, file, shift) else { return };
        if self.uffd.register(range.start, range.end - range.start, Mode::MISSING).is_err() {
            state.untouched.cut(&range);
        }
    }

    /// The thread's life.
    fn serve(&self, ended: &Watch) {
        let mut events = Vec::new();
        while let Ok(false) = self.uffd.wait_or(ended) {
            if self.uffd.read_events(&mut events).is_err() {
                break;
            }
            for event in events.drain(..) {
                if let UffdEvent::Fault(fault) = event {
                    self.on_touch(fault.address);
                }
            }
        }
        // Nobody makes one any more.
        let mut state = self.lock();
        let untouched = state.untouched.cut(&(0..u64::MAX - LARGE_PAGE_SIZE));
        untouched.iter().for_each(|range| self.release(&mut state, range));
    }

    fn on_touch(&self, address: u64) {
        let mut state = self.lock();
        let most = state.pace.most();
        let Some(fill) = state.untouched.take(address, most) else {
            // It was given up, or made for another thread that waited, meanwhile.
            let _ = self.uffd.wake(trunc_page(address), PAGE_SIZE);
            return;
        };
        let mut made = Ok(());
        if fill.in_order && most > 0 {
            made = self.try_to_make(&mut state, &fill, address);
        } else if fill.in_order {
            state.pace.left_out();
        }
        self.release(&mut state, &fill.range);
        // Where Linux makes none whatever the moment is, the rest is given up, too; and touched here and there, each untouched
        // stretch is a mapping of Linux.
        let hopeless = made.is_err_and(|error| matches!(error.errno, Errno::BUSY | Errno::INVAL));
        if (hopeless || !state.untouched.has_room())
            && let Some(rest) = state.untouched.around(fill.range.end)
        {
            state.untouched.cut(&rest);
            self.release(&mut state, &rest);
        }
    }

    fn try_to_make(&self, state: &mut State, fill: &Fill<Arc<Memfd>>, touched: u64) -> Result<(), SysError> {
        let (began, pages) = (Instant::now(), (fill.range.end - fill.range.start) / LARGE_PAGE_SIZE);
        let made = self.make(fill, touched);
        state.pace.tried(made.is_ok(), began.elapsed() / pages as u32);
        made
    }

    /// Makes large pages while the thread that touched the first of them waits. What they are registered for is changed
    /// without waking anybody: Linux makes none where it would take the place of a missing page that somebody is to hear of,
    /// and it looks at the page behind, too. Whoever touches one now, and finds a page missing, brings a small one, and it is
    /// not made.
    fn make(&self, fill: &Fill<Arc<Memfd>>, touched: u64) -> Result<(), SysError> {
        let Range { start, end } = fill.range;
        let behind = if fill.goes_on { PAGE_SIZE } else { 0 };
        self.uffd.register(start, end - start + behind, Mode::MINOR)?;
        let bring = |at: u64| fill.file.bring(at.wrapping_sub(fill.shift), PAGE_SIZE);
        // One page is to be there of each.
        let mut others = (start + LARGE_PAGE_SIZE..end).step_by(LARGE_PAGE_SIZE as usize);
        let brought = bring(trunc_page(touched)).and_then(|()| others.try_for_each(bring));
        let made = brought.and_then(|()| large::collapse(start, end - start));
        if fill.goes_on {
            // Where it cannot be, that page is a small one.
            let _ = self.uffd.register(end, PAGE_SIZE, Mode::MISSING);
        }
        made
    }

    /// What was taken out of the table is Linux's alone again, and who waits there goes on.
    fn release(&self, state: &mut State, range: &Range<u64>) {
        let size = range.end - range.start;
        if self.uffd.unregister(range.start, size).is_err() {
            self.release_around(state, range);
        }
        // To unregister wakes who waits for a missing page, and nobody else.
        let _ = self.uffd.wake(range.start, size);
    }

    /// Where a range cannot be released as it is: the program has put something of its own into it, or the process may have no
    /// more mappings. So whole mappings are released, and with them what is untouched beside the range.
    fn release_around(&self, state: &mut State, range: &Range<u64>) {
        let mut all = vec![range.clone()];
        let beside = [range.start.wrapping_sub(1), range.end].map(|at| state.untouched.around(at));
        for stretch in beside.into_iter().flatten() {
            all.extend(state.untouched.cut(&stretch));
        }
        let (start, end) = all.iter().fold((range.start, range.end), |(s, e), r| (s.min(r.start), e.max(r.end)));
        for vma in self.maps.within(start..end).unwrap_or_default() {
            let (from, to) = (vma.range.start.max(start), vma.range.end.min(end));
            let _ = self.uffd.unregister(from, to - from);
        }
        let _ = self.uffd.wake(start, end - start);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::Barrier;

    use proto::Prot;
    use proto::wire::trap::{FreezeObject, MapObject, Order, Unmap, order};
    use sys::arena::Backing;

    use super::*;
    use crate::memory::Memory;

    const L: u64 = LARGE_PAGE_SIZE;
    const RW: Prot = Prot::READ.union(Prot::WRITE);

    /// So many large pages of zero-filled memory, as vm_allocate gives it.
    fn zero_filled(pages: u64) -> (Memory, Memfd, u64) {
        let memory = Memory::new(None).unwrap().unwrap();
        let memfd = Memfd::freezable("test", pages * L).unwrap();
        let address = memory.arena.start();
        let map = map_of(address, pages);
        memory.carry_out(&Order { order: 1, op: Some(order::Op::Map(map)) }, &[memfd.writer().unwrap()]).unwrap();
        (memory, memfd, address)
    }

    fn map_of(address: u64, pages: u64) -> MapObject {
        let (size, protection) = (pages * L, RW.bits());
        MapObject { address, size, protection, shared: true, unmanaged: true, ..MapObject::default() }
    }

    /// Whether there is anything of this to be had here: elsewhere the memory is as good, and the tests see that.
    fn is_of_use(memory: &Memory) -> bool {
        memory.mode == UffdMode::Full && LargePages::of_this_machine() == LargePages::OnRequest
    }

    fn untouched(memory: &Memory, range: Range<u64>) -> bool {
        let Some(Some(running)) = memory.filler.0.get() else { return false };
        let state = running.work.lock();
        range.step_by(L as usize).all(|at| state.untouched.around(at).is_some())
    }

    fn fill(memory: &Memory, range: Range<u64>) {
        range.step_by(PAGE_SIZE as usize).for_each(|at| memory.arena.write(at, &at.to_le_bytes()).unwrap());
    }

    fn holds(memory: &Memory, range: Range<u64>) {
        let mut word = [0; 8];
        for at in range.step_by(PAGE_SIZE as usize) {
            memory.arena.read(at, &mut word).unwrap();
            assert_eq!(u64::from_le_bytes(word), at);
        }
    }

    #[test]
    fn vm_large_1_memory_that_is_touched_in_order_has_large_pages() {
        let (memory, memfd, at) = zero_filled(16);
        assert_eq!(memfd.allocated_bytes().unwrap(), 0);
        fill(&memory, at..at + 12 * L);
        holds(&memory, at..at + 12 * L);
        if is_of_use(&memory) {
            // A machine that is short of them may have refused some.
            assert!(large::mapped_bytes() >= 2 * L, "{}", large::mapped_bytes());
            let taken = memfd.allocated_bytes().unwrap();
            assert!((12 * L..=16 * L).contains(&taken), "{taken}");
        }
    }

    #[test]
    fn vm_large_2_memory_that_is_touched_here_and_there_has_small_pages() {
        let (memory, memfd, at) = zero_filled(400);
        let pages: Vec<u64> = (0..50).map(|n| at + (n * 37 % 400) * L + 7 * PAGE_SIZE).collect();
        // The first is the beginning of new memory.
        pages[1..].iter().for_each(|at| memory.arena.write(*at, b"x").unwrap());
        assert_eq!(memfd.allocated_bytes().unwrap(), 49 * PAGE_SIZE);
        assert_eq!(large::mapped_bytes(), 0);
    }

    #[test]
    fn vm_large_4_what_is_unmapped_protected_or_frozen_is_given_up_and_the_rest_is_not() {
        let (memory, memfd, at) = zero_filled(16);
        fill(&memory, at..at + PAGE_SIZE);
        let unmap = Unmap { address: at + 8 * L + PAGE_SIZE, size: PAGE_SIZE };
        memory.carry_out(&Order { order: 2, op: Some(order::Op::Unmap(unmap)) }, &[]).unwrap();
        memory.arena.read(unmap.address, &mut [0]).unwrap_err();
        fill(&memory, at + 8 * L..at + 8 * L + PAGE_SIZE);
        if is_of_use(&memory) {
            assert!(untouched(&memory, at + 2 * L..at + 8 * L) && untouched(&memory, at + 9 * L..at + 16 * L));
            assert!(!untouched(&memory, at + 8 * L..at + 9 * L));
        }
        let freeze = FreezeObject { map: Some(map_of(at, 16)), seal: true };
        let order = Order { order: 3, op: Some(order::Op::Freeze(freeze)) };
        memory.carry_out(&order, &[memfd.writer().unwrap()]).unwrap();
        assert!(!untouched(&memory, at..at + L) && !untouched(&memory, at + 9 * L..at + 10 * L));
        let frozen = memory.settling.get(memfd.id().unwrap());
        assert!(frozen.is_none_or(|file| memory.settling.wait(&file)) && memfd.is_frozen());
        fill(&memory, at + 9 * L..at + 16 * L);
        holds(&memory, at + 9 * L..at + 16 * L);
        let mut word = [1; 8];
        memfd.read_at(9 * L, &mut word).unwrap();
        assert_eq!(word, [0; 8], "what is written now is the task's own");
    }

    /// The addresses of what it unmapped, or put in place of it, are the program's.
    #[test]
    fn vm_large_4_who_touches_what_the_program_has_changed_does_not_wait_for_ever() {
        let (memory, _, at) = zero_filled(8);
        // Of a kind that no userfaultfd takes, and of one that it does.
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 * L).unwrap();
        memory.arena.map(at + L + PAGE_SIZE, PAGE_SIZE, Backing::Private(file.as_fd(), 0), RW).unwrap();
        memory.arena.map(at + 3 * L + PAGE_SIZE, PAGE_SIZE, Backing::Anonymous, RW).unwrap();
        memory.arena.map(at + 4 * L, PAGE_SIZE, Backing::Private(file.as_fd(), 0), RW).unwrap();
        memory.arena.release(at + 5 * L, 2 * L).unwrap();
        fill(&memory, at..at + 5 * L);
        holds(&memory, at..at + 5 * L);
        memory.arena.read(at + 5 * L, &mut [0]).unwrap_err();
        fill(&memory, at + 7 * L..at + 8 * L);
        memory.filler.give_up(at, 8 * L);
        holds(&memory, at..at + 5 * L);
    }

    #[test]
    fn vm_large_5_where_threads_are_in_each_others_way_no_byte_is_lost() {
        const THREADS: u64 = 4;
        let (memory, memfd, at) = zero_filled(12);
        let begin = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (memory, begin) = (&memory, &begin);
                scope.spawn(move || {
                    begin.wait();
                    let pages = (at + thread * PAGE_SIZE..at + 12 * L).step_by((THREADS * PAGE_SIZE) as usize);
                    pages.for_each(|at| memory.arena.write(at, &at.to_le_bytes()).unwrap());
                });
            }
        });
        holds(&memory, at..at + 12 * L);
        assert_eq!(memfd.allocated_bytes().unwrap(), 12 * L);
    }

    #[test]
    fn the_thread_ends_with_the_memory_and_memory_without_it_is_as_good() {
        let threads = || sys::thread::count().unwrap();
        let before = threads();
        let (memory, _, at) = zero_filled(4);
        let of_use = is_of_use(&memory);
        assert_eq!(threads() - before, usize::from(of_use));
        if let Some(Some(running)) = memory.filler.0.get() {
            running.end.lock().unwrap().set(true);
        }
        fill(&memory, at..at + 4 * L);
        holds(&memory, at..at + 4 * L);
        drop(memory);
        let end = Instant::now() + std::time::Duration::from_secs(10);
        while threads() > before && Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(threads(), before);
    }
}
