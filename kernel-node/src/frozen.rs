//! Frozen memory in messages: it comes from a task as a descriptor, lies in a queue as that, and goes to another task as
//! that, without a byte being copied or looked at.
//!
//! 1. Only a descriptor that is sealed against every change is taken: what a receiver maps stays as it was sent.
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
use proto::limits::{
    FROZEN_BYTES_MAX, FROZEN_FILES_MAX, MSG_FROZEN_BYTES_MAX, MSG_OOL_BYTES_MAX, TASK_FROZEN_BYTES_MAX,
    TASK_FROZEN_FILES_MAX, TRAP_INLINE_OOL_BYTES_MAX,
};
use proto::{Chunk, PAGE_SIZE, Payload, Store};
use sys::{FileId, Frozen, Memfd, SysError};

/// Parts of a file: offset and length of each.
type Parts = Vec<(u64, u64)>;

/// One file, and the tasks that have been given it or gave it.
#[derive(Debug)]
pub struct Passable {
    frozen: Arc<Frozen>,
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

    /// A part of it, to be handed on as it is.
    ///
    /// Errors: `None` it leaves the file.
    pub fn payload(self: &Arc<Self>, offset: u64, len: usize) -> Option<Payload> {
        let mut payload = Payload::default();
        payload.push_stored(self.frozen.bytes(offset, len)?, self.clone(), offset);
        Some(payload)
    }

    /// Whether a part holds no page, or what stands around the message's bytes in their first and last page is zero.
    fn shows_nothing(&self, offset: u64, len: u64) -> bool {
        let zero = || self.frozen.bytes(offset, len as usize).is_some_and(|bytes| bytes.iter().all(|b| *b == 0));
        self.frozen.memfd().is_hole(offset, len) || len < PAGE_SIZE && zero()
    }

    /// Whether `task` may be given the file for the `sent` parts of it: offset to length.
    fn may_be_given(&self, task: TaskId, sent: &mut Parts) -> bool {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if holders.contains(&task) {
            return true;
        }
        sent.sort_unstable();
        let mut end = 0;
        for &(offset, length) in sent.iter().chain([&(self.frozen.size(), 0)]) {
            if offset > end && !self.shows_nothing(end, offset - end) {
                return false;
            }
            end = end.max(offset + length);
        }
        holders.insert(task);
        true
    }
}

/// The frozen memory that is under way or mapped, by its file, so that one file is known as one.
#[derive(Debug, Default)]
pub struct FrozenTable {
    by_id: BTreeMap<FileId, Weak<Passable>>,
    /// Files of objects: which object, and who has the file, once it is known.
    objects: BTreeMap<FileId, (ObjectId, Option<Arc<Passable>>)>,
    /// How many there are, and how many each task brought.
    all: Share,
    by_task: BTreeMap<TaskId, Share>,
    /// The next time at which the entries of files that are gone are swept out.
    sweep_at: usize,
}

impl FrozenTable {
    /// Takes over what a task sent; `None` if it is not frozen, larger than a message may be, or one more than the task or
    /// the node may have.
    pub fn adopt(&mut self, memfd: &Memfd, from: TaskId) -> Option<Arc<Passable>> {
        if !memfd.is_frozen() || memfd.size() > MSG_FROZEN_BYTES_MAX as u64 {
            return None;
        }
        let id = memfd.id().ok()?;
        let passable = self.known_or_new(id, memfd, from)?;
        if let Some((_, known)) = self.objects.get_mut(&id) {
            *known = Some(passable.clone());
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
        let frozen = Arc::new(memfd.writer().and_then(Memfd::adopt).and_then(Frozen::new).ok()?);
        let made = Arc::new(Passable {
            frozen,
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
        self.objects.get(&id).map(|(object, _)| *object)
    }

    /// An object shows a file, which others may have already.
    pub fn shown(&mut self, id: FileId, object: ObjectId, passable: Option<Arc<Passable>>) {
        self.objects.insert(id, (object, passable));
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
        let files =
            fds.into_iter().map(|fd| Memfd::adopt(fd).ok().filter(Memfd::is_frozen).map(File::Unread)).collect();
        Beside { table, from, files }
    }

    /// Bytes of one of them: of a large file as they are, of a small one copied.
    ///
    /// Errors: `None` there is no such file, or it ends before.
    pub fn fetch(&mut self, index: u32, offset: u64, length: usize) -> Option<Payload> {
        let file = self.files.get_mut(index as usize)?;
        if let Some(File::Unread(memfd)) = file
            && memfd.size() > SMALL_BYTES_MAX
            && let Some(passable) = self.table.adopt(memfd, self.from)
        {
            *file = Some(File::Passed(passable));
        }
        match file.as_ref()? {
            File::Passed(passable) => passable.payload(offset, length),
            File::Unread(memfd) => {
                offset.checked_add(length as u64).filter(|end| *end <= memfd.size() && length <= MSG_OOL_BYTES_MAX)?;
                let mut bytes = vec![0; length];
                memfd.read_at(offset, &mut bytes).ok()?;
                Some(bytes.into())
            }
        }
    }
}

/// Has what `task` must not be given whole be copied on its way to it, of all that it is about to be given: at once if it
/// is little, else by the job that is answered, which is for a thread that may block.
pub fn admit(task: TaskId, memory: &mut [Payload]) -> Option<CopyJob> {
    if memory.iter().all(|payload| payload.held_bytes() == payload.len()) {
        return None;
    }
    let mut sent: Vec<(Arc<Passable>, Parts)> = Vec::new();
    for chunk in memory.iter().flat_map(Payload::chunks) {
        let Some((passable, part)) = passed(chunk) else { continue };
        match sent.iter_mut().find(|(p, _)| Arc::ptr_eq(p, &passable)) {
            Some((_, parts)) => parts.push(part),
            None => sent.push((passable, vec![part])),
        }
    }
    sent.retain_mut(|(passable, parts)| !passable.may_be_given(task, parts));
    if sent.is_empty() {
        return None;
    }
    let files: Vec<Arc<Passable>> = sent.into_iter().map(|(passable, _)| passable).collect();
    let is_copied = |chunk: &Chunk| {
        let (passable, part) = passed(chunk)?;
        files.iter().any(|file| Arc::ptr_eq(file, &passable)).then_some((passable, part))
    };
    let parts: Vec<_> = memory.iter().flat_map(Payload::chunks).filter_map(is_copied).collect();
    if parts.iter().map(|(_, (_, length))| length).sum::<u64>() > COPY_AT_ONCE_BYTES_MAX {
        return Some(CopyJob { parts, files });
    }
    for payload in memory {
        replace(payload, |chunk| is_copied(chunk).map(|_| Payload::from(chunk.bytes().clone())));
    }
    None
}

/// Puts other payloads with the same bytes in place of some chunks.
fn replace(payload: &mut Payload, mut with: impl FnMut(&Chunk) -> Option<Payload>) {
    let mut replaced = Payload::default();
    for chunk in payload.chunks() {
        match with(chunk) {
            Some(other) => replaced.append(other),
            None => replaced.push_chunk(chunk.clone()),
        }
    }
    *payload = replaced;
}

/// Much memory to be copied for a task.
pub struct CopyJob {
    parts: Vec<(Arc<Passable>, (u64, u64))>,
    files: Vec<Arc<Passable>>,
}

impl CopyJob {
    /// Copies it into one file. What the source does not hold the copy does not hold either.
    ///
    /// Errors: no memory or descriptor.
    pub fn run(self) -> Result<Copied, SysError> {
        let bytes = self.parts.iter().map(|(_, (_, length))| length).sum::<u64>().next_multiple_of(PAGE_SIZE);
        let memfd = Memfd::freezable("mach-out-of-line", bytes)?;
        let mut at = 0;
        for (passable, (offset, length)) in &self.parts {
            let source = passable.frozen.memfd();
            for held in source.present(*offset..offset + length, usize::MAX)? {
                let size = usize::try_from(held.end - held.start).unwrap_or(usize::MAX);
                let bytes = passable.frozen.bytes(held.start, size).expect("within the file");
                memfd.write_at(at + (held.start - offset), &[bytes])?;
            }
            at += length;
        }
        memfd.freeze()?;
        let frozen = Arc::new(Frozen::new(memfd)?);
        // No task brought it.
        let passable = Arc::new(Passable { frozen, holders: Mutex::default(), _counted: Vec::new() });
        Ok(Copied { passable, files: self.files })
    }
}

/// What a job has copied.
pub struct Copied {
    passable: Arc<Passable>,
    files: Vec<Arc<Passable>>,
}

impl Copied {
    /// Puts the copies in place of the originals, in the memory that the job was made for.
    pub fn put(&self, task: TaskId, memory: &mut [Payload]) {
        self.passable.holders.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
        let mut at = 0;
        for payload in memory {
            replace(payload, |chunk| {
                let (passable, (_, length)) = passed(chunk)?;
                self.files.iter().find(|file| Arc::ptr_eq(file, &passable))?;
                at += length;
                self.passable.payload(at - length, length as usize)
            });
        }
    }
}

/// The frozen memory that a chunk lies in, and where.
fn passed(chunk: &Chunk) -> Option<(Arc<Passable>, (u64, u64))> {
    let (store, offset) = chunk.stored()?;
    Some((Passable::of(store)?, (offset, chunk.len() as u64)))
}

/// A file up to this size is copied: its bytes cost less than a mapping.
const SMALL_BYTES_MAX: u64 = TRAP_INLINE_OOL_BYTES_MAX as u64;
/// More than this is not copied on the thread that serves faults.
const COPY_AT_ONCE_BYTES_MAX: u64 = 1 << 20;
/// Entries below which nothing is swept.
const SWEEP_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const MEBI: usize = 1 << 20;

    fn is_passed(task: u32, payload: &Payload) -> bool {
        let mut admitted = [payload.clone()];
        assert!(admit(TaskId(task), &mut admitted).is_none(), "little is copied at once");
        assert_eq!(&admitted[0], payload, "the bytes are the same");
        admitted[0].held_bytes() == 0
    }

    #[test]
    fn vm_copy_4_a_file_is_given_only_for_all_that_it_holds() {
        let mut table = FrozenTable::default();
        let memfd = || Memfd::frozen("test", &[vec![7u8; MEBI]]).unwrap();
        let whole = table.adopt(&memfd(), TaskId(1)).unwrap();
        assert!(is_passed(2, &whole.payload(0, MEBI).unwrap()));
        // Who has it has it.
        assert!(is_passed(2, &whole.payload(4096, 4096).unwrap()) && is_passed(1, &whole.payload(4096, 1).unwrap()));
        let other = table.adopt(&memfd(), TaskId(1)).unwrap();
        assert!(!is_passed(2, &other.payload(0, MEBI - 1).unwrap()));
        assert!(!is_passed(2, &other.payload(1, MEBI - 1).unwrap()));
        let mut two = other.payload(MEBI as u64 / 2, MEBI / 2).unwrap();
        two.append(other.payload(0, MEBI / 2).unwrap());
        assert!(is_passed(3, &two) && !is_passed(4, &other.payload(0, 4096).unwrap()));
    }

    #[test]
    fn holes_show_nothing() {
        let memfd = Memfd::freezable("test", MEBI as u64).unwrap();
        memfd.write_at(8192, &[[1u8; 4096]]).unwrap();
        memfd.freeze().unwrap();
        let sparse = FrozenTable::default().adopt(&memfd, TaskId(1)).unwrap();
        assert!(is_passed(2, &sparse.payload(8192, 4096).unwrap()));
        assert!(!is_passed(3, &sparse.payload(0, 8192).unwrap()));
        let short = FrozenTable::default().adopt(&Memfd::frozen("test", &[[1u8; 4000]]).unwrap(), TaskId(1)).unwrap();
        assert!(is_passed(2, &short.payload(0, 4000).unwrap()) && !is_passed(3, &short.payload(0, 3999).unwrap()));
    }

    #[test]
    fn one_file_is_known_as_one_and_forgotten() {
        let mut table = FrozenTable::default();
        let memfd = Memfd::frozen("test", &[vec![7u8; MEBI]]).unwrap();
        let again = Memfd::adopt(memfd.reader().unwrap()).unwrap();
        let first = table.adopt(&memfd, TaskId(1)).unwrap();
        let second = table.adopt(&again, TaskId(2)).unwrap();
        assert!(Arc::ptr_eq(&first, &second) && is_passed(2, &second.payload(0, 10).unwrap()));
        drop((first, second));
        for _ in 0..3 * SWEEP_MIN {
            table.adopt(&Memfd::frozen("test", &[b"x"]).unwrap(), TaskId(1)).unwrap();
        }
        assert!(table.by_id.len() <= SWEEP_MIN + 1);
        assert!(table.adopt(&Memfd::create("test", 4096).unwrap(), TaskId(1)).is_none());
    }

    #[test]
    fn vm_copy_4_much_is_copied_by_a_job_and_holes_are_not() {
        let memfd = Memfd::freezable("test", 4 << 30).unwrap();
        let page = |byte: u8| [[byte; 4096]];
        for (at, byte) in [(0, 1), (1 << 30, 2), (3 << 30, 3)] {
            memfd.write_at(at, &page(byte)).unwrap();
        }
        memfd.freeze().unwrap();
        let mut table = FrozenTable::default();
        let sparse = table.adopt(&memfd, TaskId(1)).unwrap();
        let own = Payload::from(vec![9; 10]);
        let mut memory = [own.clone(), sparse.payload(4096, (4 << 30) - 4096).unwrap(), own];
        let job = admit(TaskId(2), &mut memory).expect("the first page is not sent");
        let copied = job.run().unwrap();
        assert_eq!(copied.passable.frozen.memfd().allocated_bytes().unwrap(), 2 * 4096);
        copied.put(TaskId(2), &mut memory);
        assert!(admit(TaskId(2), &mut memory).is_none() && memory[0].held_bytes() == 10);
        assert_eq!((memory[1].held_bytes(), memory[1].len()), (0, (4 << 30) - 4096));
        let at = |offset: usize| memory[1].slice(offset - 4096, 2).to_bytes();
        assert_eq!((&at(1 << 30)[..], &at(3 << 30)[..], &at(2 << 30)[..]), (&[2, 2][..], &[3, 3][..], &[0, 0][..]));
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
