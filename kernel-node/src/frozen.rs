//! Frozen memory in messages: it comes from a task as a descriptor, lies in a queue as that, and goes to another task as
//! that, without a byte being copied or looked at.
//!
//! 1. A task is given only a descriptor that is sealed against every change: what a receiver maps stays as it was sent.
//!    A message to a task may be queued before: its file is *settling*. Whoever receives it waits for the seal, so long as
//!    it would about take to copy the file, and else gets a copy. Nothing of it is looked at by the node itself, but copied
//!    first if it is little; a message to anybody but a task waits before it is sent. [vm.copy.9]
//! 2. A task is given a descriptor only if the file holds nothing beyond what the message sends, or if the task had it
//!    before. Otherwise the bytes are copied: a descriptor shows all of its file. [vm.copy.4]
//!
//! Spec: docs/spec/vm.md, *Copies*.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kernel_core::TaskId;
use kernel_core::vm::ObjectId;
use proto::codec::LOOKED_AT_BYTES_MAX;
use proto::limits::{
    FROZEN_BYTES_MAX, FROZEN_FILES_MAX, MSG_FROZEN_BYTES_MAX, MSG_OOL_BYTES_MAX, TASK_FROZEN_BYTES_MAX,
    TASK_FROZEN_FILES_MAX, TRAP_INLINE_OOL_BYTES_MAX,
};
use proto::{PAGE_SIZE, Payload, Store};
use sys::{FileId, Frozen, Memfd};

use crate::ahead::AHEAD_BYTES_MAX;

/// Parts of a file: offset and length of each.
pub(crate) type Parts = Vec<(u64, u64)>;

/// One file, and the tasks that have been given it or gave it.
#[derive(Debug)]
pub struct Passable {
    frozen: Arc<Frozen>,
    /// The node's own descriptor, if it made the file and the file was settling.
    own: Option<Arc<Memfd>>,
    holders: Mutex<BTreeSet<TaskId>>,
    /// It counts in the share of the task that brought it, and among all.
    _counted: Vec<Counted>,
}

/// Part of a count.
#[derive(Debug)]
struct Counted {
    count: Arc<AtomicUsize>,
    amount: usize,
}

/// How many files there are, and how long they are together.
#[derive(Debug, Default)]
struct Share {
    files: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Share {
    /// `None` if there would be too many of either.
    fn add(&self, bytes: usize, files_max: usize, bytes_max: usize) -> Option<[Counted; 2]> {
        Some([Counted::new(&self.files, 1, files_max)?, Counted::new(&self.bytes, bytes, bytes_max)?])
    }
}

impl Counted {
    /// `None` if it would be more than `max`.
    fn new(count: &Arc<AtomicUsize>, amount: usize, max: usize) -> Option<Counted> {
        let counted = Counted { count: count.clone(), amount };
        // What is too much is taken back by being dropped.
        let before = count.fetch_add(amount, Ordering::Relaxed);
        (before.saturating_add(amount) <= max).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

impl Passable {
    /// What a payload's store is, if it is frozen memory.
    pub fn of(store: &Store) -> Option<Arc<Passable>> {
        store.clone().downcast().ok()
    }

    /// The mapped file.
    pub fn frozen(&self) -> &Arc<Frozen> {
        &self.frozen
    }

    /// A copy that the node made.
    pub(crate) fn copied(frozen: Frozen) -> Passable {
        // No task brought it.
        Passable { frozen: Arc::new(frozen), own: None, holders: Mutex::default(), _counted: Vec::new() }
    }

    /// Whoever it is given to has it.
    pub(crate) fn held_by(&self, task: Option<TaskId>) {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner).extend(task);
    }

    /// Whether nobody can change it any more; seals it where that has become possible.
    pub(crate) fn settles(&self) -> bool {
        if let Some(own) = self.own.as_ref().filter(|_| !self.frozen.is_settled()) {
            // The task seals it, too; or it is gone, and its mappings are.
            let _ = own.freeze();
        }
        self.frozen.is_settled()
    }

    /// A part of it, to be handed on as it is.
    ///
    /// Errors: `None` it leaves the file.
    pub fn payload(self: &Arc<Self>, offset: u64, len: usize) -> Option<Payload> {
        let mut payload = Payload::default();
        payload.push_stored(self.frozen.bytes(offset, len)?, self.clone(), offset);
        Some(payload)
    }

    /// Whether a part holds no page, or what stands around the message's bytes in their first and last page is zero. Who may
    /// `look` at more has all that it holds looked at, which is little: what was brought ahead of the task.
    fn shows_nothing(&self, offset: u64, len: u64, look: bool) -> bool {
        let zero = |offset, len| self.frozen.bytes(offset, len).is_some_and(|bytes| bytes.iter().all(|b| *b == 0));
        if !look || len < PAGE_SIZE {
            return self.frozen.memfd().is_hole(offset, len) || len < PAGE_SIZE && zero(offset, len as usize);
        }
        // What cannot be looked at is not shown.
        let Ok(held) = self.frozen.memfd().present(offset..offset + len, LOOKED_AT_RUNS_MAX) else { return false };
        let bytes: u64 = held.iter().map(|run| run.end - run.start).sum();
        let all = held.len() < LOOKED_AT_RUNS_MAX && bytes <= BROUGHT_AHEAD_BYTES_MAX;
        all && held.iter().all(|run| zero(run.start, (run.end - run.start) as usize))
    }

    /// Whether `task` may be given the file for the `sent` parts of it: offset to length. To `look` at what it holds beside
    /// them takes some milliseconds.
    pub(crate) fn may_be_given(&self, task: TaskId, sent: &mut Parts, look: bool) -> bool {
        let holders = || self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if holders().contains(&task) {
            return true;
        }
        sent.sort_unstable();
        let mut end = 0;
        for &(offset, length) in sent.iter().chain([&(self.frozen.size(), 0)]) {
            if offset > end && !self.shows_nothing(end, offset - end, look) {
                return false;
            }
            end = end.max(offset + length);
        }
        holders().insert(task);
        true
    }
}

/// The frozen memory that is under way or mapped, by its file, so that one file is known as one.
#[derive(Debug, Default)]
pub struct FrozenTable {
    by_id: BTreeMap<FileId, Weak<Passable>>,
    objects: BTreeMap<FileId, Shown>,
    /// How many there are, and how many each task brought.
    all: Share,
    by_task: BTreeMap<TaskId, Share>,
    /// The next time at which the entries of files that are gone are swept out.
    sweep_at: usize,
}

/// The file of an object.
#[derive(Debug)]
struct Shown {
    object: ObjectId,
    /// Who has the file, once it is known.
    passable: Option<Arc<Passable>>,
    /// To seal it with, if the node made it.
    own: Option<Arc<Memfd>>,
}

impl FrozenTable {
    /// Takes over what a task sent; `None` if it is not frozen, larger than a message may be, or one more than the task or
    /// the node may have.
    pub fn adopt(&mut self, memfd: &Memfd, from: TaskId) -> Option<Arc<Passable>> {
        if !memfd.is_frozen() { None } else { self.adopt_settling(memfd, from) }
    }

    /// As `adopt`, and what is not frozen yet, too. Its size is fixed.
    fn adopt_settling(&mut self, memfd: &Memfd, from: TaskId) -> Option<Arc<Passable>> {
        if memfd.size() > MSG_FROZEN_BYTES_MAX as u64 {
            return None;
        }
        let id = memfd.id().ok()?;
        let passable = self.known_or_new(id, memfd, from)?;
        if let Some(shown) = self.objects.get_mut(&id) {
            shown.passable = Some(passable.clone());
        }
        Some(passable)
    }

    fn known_or_new(&mut self, id: FileId, memfd: &Memfd, from: TaskId) -> Option<Arc<Passable>> {
        if let Some(known) = self.by_id.get(&id).and_then(Weak::upgrade) {
            known.holders.lock().unwrap_or_else(PoisonError::into_inner).insert(from);
            return Some(known);
        }
        let bytes = usize::try_from(memfd.size()).ok()?;
        let its = self.by_task.entry(from).or_default().add(bytes, TASK_FROZEN_FILES_MAX, TASK_FROZEN_BYTES_MAX)?;
        let all = self.all.add(bytes, FROZEN_FILES_MAX, FROZEN_BYTES_MAX)?;
        let frozen = Arc::new(memfd.writer().and_then(Memfd::adopt).and_then(Frozen::settling).ok()?);
        let own = self.objects.get(&id).filter(|_| !frozen.is_settled()).and_then(|shown| shown.own.clone());
        let made = Arc::new(Passable {
            frozen,
            own,
            holders: Mutex::new(BTreeSet::from([from])),
            _counted: its.into_iter().chain(all).collect(),
        });
        if self.by_id.len() >= self.sweep_at {
            self.by_id.retain(|_, weak| weak.strong_count() > 0);
            self.by_task.retain(|_, share| share.files.load(Ordering::Relaxed) > 0);
            self.sweep_at = 2 * self.by_id.len() + SWEEP_MIN;
        }
        self.by_id.insert(id, Arc::downgrade(&made));
        Some(made)
    }

    /// The object that shows a file.
    pub fn object_of(&self, id: FileId) -> Option<ObjectId> {
        self.objects.get(&id).map(|shown| shown.object)
    }

    /// The file of an object, if anybody has been given it.
    pub fn shown_by(&self, id: FileId) -> Option<Arc<Passable>> {
        self.objects.get(&id)?.passable.clone()
    }

    /// An object shows a file that others may have already.
    pub fn shown(&mut self, id: FileId, object: ObjectId, passable: Arc<Passable>) {
        self.objects.insert(id, Shown { object, passable: Some(passable), own: None });
    }

    /// An object shows a file of its own.
    pub fn made(&mut self, id: FileId, object: ObjectId, own: Arc<Memfd>) {
        self.objects.insert(id, Shown { object, passable: None, own: Some(own) });
    }

    /// The object that showed a file is gone.
    pub fn unshown(&mut self, id: FileId) {
        self.objects.remove(&id);
    }
}

/// The descriptors beside a task's record.
pub struct Beside<'a> {
    table: &'a mut FrozenTable,
    from: TaskId,
    /// Whether files may be settling.
    settling: bool,
    files: Vec<Option<File>>,
}

enum File {
    /// Not looked at, or too small to be passed.
    Unread(Memfd),
    Passed(Arc<Passable>),
}

impl<'a> Beside<'a> {
    /// What came from a task; what is no memfd of fixed content is missing where somebody looks for it.
    pub fn new(fds: Vec<OwnedFd>, from: TaskId, table: &'a mut FrozenTable) -> Beside<'a> {
        Beside::with(fds, from, table, false, Memfd::is_frozen)
    }

    /// The same for a message to a task, whose files may be settling.
    pub fn settling(fds: Vec<OwnedFd>, from: TaskId, table: &'a mut FrozenTable) -> Beside<'a> {
        Beside::with(fds, from, table, true, Memfd::is_fixed_size)
    }

    fn with(
        fds: Vec<OwnedFd>,
        from: TaskId,
        table: &'a mut FrozenTable,
        settling: bool,
        which: impl Fn(&Memfd) -> bool,
    ) -> Beside<'a> {
        let files = fds.into_iter().map(|fd| Memfd::adopt(fd).ok().filter(&which).map(File::Unread)).collect();
        Beside { table, from, settling, files }
    }

    /// Bytes of one of them: of a large file as they are, of a small one copied.
    ///
    /// Errors: `None` there is no such file, or it ends before.
    pub fn fetch(&mut self, index: u32, offset: u64, length: usize) -> Option<Payload> {
        let file = self.files.get_mut(index as usize)?;
        if let Some(File::Unread(memfd)) = file
            && memfd.size() > SMALL_BYTES_MAX
            && let Some(passable) = match self.settling {
                true => self.table.adopt_settling(memfd, self.from),
                false => self.table.adopt(memfd, self.from),
            }
        {
            *file = Some(File::Passed(passable));
        }
        match file.as_ref()? {
            // What is looked at must not change.
            File::Passed(passable) if length <= LOOKED_AT_BYTES_MAX && !passable.frozen.is_settled() => {
                read(passable.frozen.memfd(), offset, length)
            }
            File::Passed(passable) => passable.payload(offset, length),
            File::Unread(memfd) => read(memfd, offset, length),
        }
    }
}

/// A copy of a part.
fn read(memfd: &Memfd, offset: u64, length: usize) -> Option<Payload> {
    offset.checked_add(length as u64).filter(|end| *end <= memfd.size() && length <= MSG_OOL_BYTES_MAX)?;
    let mut bytes = vec![0; length];
    memfd.read_at(offset, &mut bytes).ok()?;
    Some(bytes.into())
}

/// A file up to this size is copied: its bytes cost less than a mapping.
const SMALL_BYTES_MAX: u64 = TRAP_INLINE_OOL_BYTES_MAX as u64;
/// So much may be brought ahead of a task that it never comes to, and is looked at for being zero; and in so many pieces.
const BROUGHT_AHEAD_BYTES_MAX: u64 = 2 * AHEAD_BYTES_MAX;
const LOOKED_AT_RUNS_MAX: usize = 64;
/// Entries below which nothing is swept.
const SWEEP_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const MEBI: usize = 1 << 20;

    #[test]
    fn one_file_is_known_as_one_and_forgotten() {
        let mut table = FrozenTable::default();
        let memfd = Memfd::frozen("test", &[vec![7u8; MEBI]]).unwrap();
        let again = Memfd::adopt(memfd.reader().unwrap()).unwrap();
        let first = table.adopt(&memfd, TaskId(1)).unwrap();
        let second = table.adopt(&again, TaskId(2)).unwrap();
        assert!(Arc::ptr_eq(&first, &second) && second.may_be_given(TaskId(2), &mut vec![(0, 10)], false));
        drop((first, second));
        for _ in 0..3 * SWEEP_MIN {
            table.adopt(&Memfd::frozen("test", &[b"x"]).unwrap(), TaskId(1)).unwrap();
        }
        assert!(table.by_id.len() <= SWEEP_MIN + 1);
        assert!(table.adopt(&Memfd::create("test", 4096).unwrap(), TaskId(1)).is_none());
    }

    /// What is one too many is copied, and counts no more once it is gone.
    #[test]
    fn a_task_brings_so_many_files_and_others_theirs() {
        let mut table = FrozenTable::default();
        let file = || Memfd::frozen("test", &[vec![7u8; SMALL_BYTES_MAX as usize + 1]]).unwrap();
        let mut kept: Vec<_> = (0..TASK_FROZEN_FILES_MAX).map(|_| table.adopt(&file(), TaskId(1)).unwrap()).collect();
        assert!(table.adopt(&file(), TaskId(1)).is_none());
        let mut beside = Beside::new(vec![file().into()], TaskId(1), &mut table);
        assert_eq!(beside.fetch(0, 0, 100_000.min(SMALL_BYTES_MAX as usize)).unwrap().held_bytes(), 65_536);
        assert!(table.adopt(&file(), TaskId(2)).is_some());
        kept.pop();
        assert!(table.adopt(&file(), TaskId(1)).is_some());
        drop(kept);
        // Holes take no memory, but address space of the node.
        let long = || {
            let memfd = Memfd::freezable("test", MSG_FROZEN_BYTES_MAX as u64).unwrap();
            memfd.freeze().unwrap();
            memfd
        };
        let most = TASK_FROZEN_BYTES_MAX / MSG_FROZEN_BYTES_MAX;
        let kept: Vec<_> = (0..most).map(|_| table.adopt(&long(), TaskId(1)).unwrap()).collect();
        assert!(table.adopt(&long(), TaskId(1)).is_none() && table.adopt(&long(), TaskId(2)).is_some());
        drop(kept);
        assert!(table.adopt(&long(), TaskId(1)).is_some());
    }

    #[test]
    fn small_files_are_copied_and_what_is_not_frozen_is_missing() {
        let mut table = FrozenTable::default();
        let fds = vec![
            Memfd::frozen("test", &[vec![7u8; MEBI]]).unwrap().into(),
            Memfd::frozen("test", &[vec![8u8; 4096]]).unwrap().into(),
            Memfd::create("test", MEBI as u64).unwrap().into(),
        ];
        let mut beside = Beside::new(fds, TaskId(1), &mut table);
        assert_eq!(beside.fetch(0, 5, 100).unwrap().held_bytes(), 0);
        assert_eq!(&beside.fetch(0, 5, 100).unwrap().to_bytes()[..], [7; 100]);
        assert_eq!(beside.fetch(1, 4000, 96).unwrap().held_bytes(), 96);
        assert!(beside.fetch(1, 4000, 97).is_none() && beside.fetch(0, MEBI as u64 - 5, MEBI).is_none());
        assert!(beside.fetch(1, u64::MAX, 97).is_none() && beside.fetch(2, 0, 1).is_none());
        assert!(beside.fetch(3, 0, 1).is_none());
    }
}
