//! Files that are frozen and not sealed yet: the task has mapped the memory privately in their place, and what its page
//! tables held is torn down, and the file sealed, by a thread of its own, while the program goes on.
//!
//! 1. Nobody writes to such a file any more: the only mapping that could is set aside, and nobody uses that.
//! 2. A file is in the table until it is sealed, or cannot be; whoever needs the seal waits for that.
//! 3. The thread writes to no memory of the program's.
//! 4. While copies are being made, which map and unmap as well, nothing is torn down beside them, unless somebody waits for a seal.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sys::aside::Aside;
use sys::{FileId, Frozen, Memfd};

use crate::agent;

/// The files of a task that are not sealed yet.
#[derive(Default, Debug)]
pub(crate) struct Settling {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default, Debug)]
struct State {
    files: BTreeMap<FileId, Arc<Frozen>>,
    /// Copies that are being made.
    copies: usize,
    /// Threads that wait for a seal.
    waiting: usize,
}

/// A copy that is being made.
pub(crate) struct Copying<'a>(&'a Settling);

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        self.0.lock().copies -= 1;
        self.0.changed.notify_all();
    }
}

impl Settling {
    /// Has a file sealed when its mapping is gone; here and now where that cannot be had by another thread.
    pub fn begin(self: &Arc<Self>, memfd: Memfd, aside: Aside) {
        let frozen = memfd.reader().and_then(Memfd::adopt).and_then(Frozen::settling);
        let id = match frozen {
            Ok(frozen) => {
                let id = frozen.id();
                self.lock().files.insert(id, Arc::new(frozen));
                id
            }
            // Whoever is to have it sees whether it is sealed.
            Err(_) => return seal(aside, &memfd),
        };
        let work = Work { settling: self.clone(), id, _quiet: agent::Quiet::new() };
        // Where there is no thread the work is dropped with what it holds, which ends the wait, and nobody seals.
        let _ = sys::thread::spawn_without_signals("mach-settle", move || {
            work.settling.wait_for_copies();
            seal(aside, &memfd);
            drop(work);
        });
    }

    /// Until the result is dropped a copy is being made.
    pub fn copying(&self) -> Copying<'_> {
        self.lock().copies += 1;
        Copying(self)
    }

    fn wait_for_copies(&self) {
        let busy = |state: &mut State| state.copies > 0 && state.waiting == 0;
        drop(self.changed.wait_timeout_while(self.lock(), PATIENCE, busy));
    }

    /// The file, if it is not sealed yet.
    pub fn get(&self, id: FileId) -> Option<Arc<Frozen>> {
        self.lock().files.get(&id).cloned()
    }

    /// Waits until a file is sealed, or will not be; whether it is.
    pub fn wait(&self, file: &Frozen) -> bool {
        let mut state = self.lock();
        state.waiting += 1;
        self.changed.notify_all();
        let unsettled = |state: &mut State| !file.is_settled() && state.files.contains_key(&file.id());
        let waited = self.changed.wait_timeout_while(state, PATIENCE, unsettled);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
        file.is_settled()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is being sealed; it ends however the thread does.
struct Work {
    settling: Arc<Settling>,
    id: FileId,
    _quiet: agent::Quiet,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.settling.lock().files.remove(&self.id);
        self.settling.changed.notify_all();
    }
}

fn seal(aside: Aside, memfd: &Memfd) {
    drop(aside);
    // The node may have been quicker; and where somebody else can still write to it, it stays unsealed and is copied.
    let _ = memfd.freeze();
}

/// How long anybody waits for a seal. It takes 50 ms a GiB.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Instant;

    use proto::{PAGE_SIZE, Prot};
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
}
