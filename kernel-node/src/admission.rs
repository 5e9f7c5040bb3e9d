//! Memory on its way to a task: passed as the file that it lies in, once that is sealed, or copied.
//!
//! 1. A task is given a file only if it is sealed, and only if the message sends all that it holds, or the task has it.
//! 2. What takes long, a wait or a copy, is a job for a thread that may block.
//!
//! Spec: docs/spec/vm.md [vm.copy.4], [vm.copy.9].

use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel_core::TaskId;
use proto::{Chunk, PAGE_SIZE, Payload};
use sys::{Errno, Frozen, Memfd, SysError};

use crate::frozen::{Parts, Passable};

/// Whether a message has memory that is settling.
pub fn is_settling(memory: &[Payload]) -> bool {
    let mut parts = memory.iter().flat_map(Payload::chunks).filter_map(passed);
    parts.any(|(passable, _)| !passable.frozen().is_settled())
}

/// Has what `task` must not be given whole be copied on its way to it, of all that it is about to be given: at once if it
/// is little, else by the job that is answered, which is for a thread that may block; so is what is settling.
pub fn admit(task: TaskId, memory: &mut [Payload]) -> Option<CopyJob> {
    if memory.iter().all(|payload| payload.held_bytes() == payload.len()) {
        return None;
    }
    if is_settling(memory) {
        return Some(CopyJob::of(Some(task), memory));
    }
    let parts: Vec<_> = memory.iter().flat_map(Payload::chunks).filter_map(passed).collect();
    let files = not_to_be_given(task, &parts, false);
    if files.is_empty() {
        return None;
    }
    let copied = || parts.iter().filter(|(passable, _)| is_among(&files, passable));
    if copied().map(|(_, (_, length))| length).sum::<u64>() > COPY_AT_ONCE_BYTES_MAX {
        return Some(CopyJob { task: Some(task), parts });
    }
    for payload in memory {
        replace(payload, |chunk| {
            let (passable, _) = passed(chunk)?;
            is_among(&files, &passable).then(|| Payload::from(chunk.bytes().clone()))
        });
    }
    None
}

/// Those of the files that a task must not be given for these parts of them; who can wait may `look` at what they hold beside.
fn not_to_be_given(task: TaskId, parts: &[(Arc<Passable>, (u64, u64))], look: bool) -> Vec<Arc<Passable>> {
    let mut sent: Vec<(Arc<Passable>, Parts)> = Vec::new();
    for (passable, part) in parts {
        match sent.iter_mut().find(|(p, _)| Arc::ptr_eq(p, passable)) {
            Some((_, parts)) => parts.push(*part),
            None => sent.push((passable.clone(), vec![*part])),
        }
    }
    sent.retain_mut(|(passable, parts)| !passable.may_be_given(task, parts, look));
    sent.into_iter().map(|(passable, _)| passable).collect()
}

fn is_among(files: &[Arc<Passable>], file: &Arc<Passable>) -> bool {
    files.iter().any(|other| Arc::ptr_eq(other, file))
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

/// Memory of a message that is to be sealed, and copied where it is not, or where the one who gets it must not have all of
/// its file.
pub struct CopyJob {
    /// Who gets it; nobody yet if it is only to be sealed.
    task: Option<TaskId>,
    parts: Vec<(Arc<Passable>, (u64, u64))>,
}

impl CopyJob {
    /// All of a message's frozen memory.
    pub fn of(task: Option<TaskId>, memory: &[Payload]) -> CopyJob {
        CopyJob { task, parts: memory.iter().flat_map(Payload::chunks).filter_map(passed).collect() }
    }

    /// Waits for what is settling, and copies what has to be into one file. What the source does not hold the copy does not
    /// hold either.
    ///
    /// Errors: no memory or descriptor.
    pub fn run(self) -> Result<Copied, SysError> {
        let CopyJob { task, mut parts } = self;
        let mut files = unsettled(&parts);
        if let Some(task) = task {
            let settled: Vec<_> = parts.iter().filter(|(p, _)| !is_among(&files, p)).cloned().collect();
            files.extend(not_to_be_given(task, &settled, true));
        }
        parts.retain(|(passable, _)| is_among(&files, passable));
        if parts.is_empty() {
            return Ok(Copied { passable: None, files });
        }
        let bytes = parts.iter().map(|(_, (_, length))| length).sum::<u64>().next_multiple_of(PAGE_SIZE);
        let memfd = Memfd::freezable("mach-out-of-line", bytes)?;
        // It is the sender who says how much it is, and all of it may be the same few bytes.
        let mut left = left_to_take(bytes)?;
        let (mut at, mut held) = (0, Vec::new());
        for (passable, (offset, length)) in &parts {
            for range in passable.frozen().memfd().present(*offset..offset + length, usize::MAX)? {
                left = left.checked_sub(range.end - range.start).ok_or_else(too_much)?;
                held.push((passable, at + (range.start - offset), range));
            }
            at += length;
        }
        let mut unlooked = LOOK_BYTES;
        for (passable, mut at, range) in held {
            let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            // Linux alone looks at the bytes, which may still change.
            let bytes = passable.frozen().bytes(range.start, size).expect("within the file");
            for piece in bytes.chunks(LOOK_BYTES) {
                memfd.write_at(at, &[piece])?;
                at += piece.len() as u64;
                unlooked = unlooked.saturating_sub(piece.len());
                if unlooked == 0 {
                    // Others take memory at the same time.
                    left_to_take(0)?;
                    unlooked = LOOK_BYTES;
                }
            }
        }
        memfd.freeze_own()?;
        Ok(Copied { passable: Some(Arc::new(Passable::copied(Frozen::new(memfd)?))), files })
    }
}

/// Memory that a copy may take, as far as it is `wanted`.
///
/// Errors: `ENOMEM` there is none.
fn left_to_take(wanted: u64) -> Result<u64, SysError> {
    sys::probe::available_bytes(wanted.saturating_add(LEFT_BYTES_MIN))
        .unwrap_or(u64::MAX)
        .checked_sub(LEFT_BYTES_MIN)
        .ok_or_else(too_much)
}

fn too_much() -> SysError {
    SysError::new("memfd", Errno::NOMEM, "a copy for a task")
}

/// Waits until the files are settled, each for a bounded time; those that are not.
fn unsettled(parts: &[(Arc<Passable>, (u64, u64))]) -> Vec<Arc<Passable>> {
    let began = Instant::now();
    let mut files: Vec<Arc<Passable>> = Vec::new();
    for (passable, _) in parts {
        if !passable.frozen().is_settled() && !is_among(&files, passable) {
            files.push(passable.clone());
        }
    }
    files.retain(|file| {
        // A task that holds nothing in it keeps nobody waiting.
        let held = file.frozen().memfd().allocated_bytes().unwrap_or(0);
        let patience = SETTLE_MIN + Duration::from_nanos(held);
        loop {
            if file.settles() {
                return false;
            }
            if began.elapsed() > patience {
                return true;
            }
            std::thread::sleep((began.elapsed() / SETTLE_POLLS).clamp(SETTLE_POLL_MIN, SETTLE_POLL_MAX));
        }
    });
    files
}

/// What a job has copied.
pub struct Copied {
    /// `None` if there was nothing to copy.
    passable: Option<Arc<Passable>>,
    files: Vec<Arc<Passable>>,
}

impl Copied {
    /// Puts the copies in place of the originals, in the memory that the job was made for.
    pub fn put(&self, task: Option<TaskId>, memory: &mut [Payload]) {
        let Some(copy) = &self.passable else { return };
        copy.held_by(task);
        let mut at = 0;
        for payload in memory {
            replace(payload, |chunk| {
                let (passable, (_, length)) = passed(chunk)?;
                if !is_among(&self.files, &passable) {
                    return None;
                }
                at += length;
                copy.payload(at - length, length as usize)
            });
        }
    }
}

/// The frozen memory that a chunk lies in, and where.
fn passed(chunk: &Chunk) -> Option<(Arc<Passable>, (u64, u64))> {
    let (store, offset) = chunk.stored()?;
    Some((Passable::of(store)?, (offset, chunk.len() as u64)))
}

/// More than this is not copied on the thread that serves faults.
const COPY_AT_ONCE_BYTES_MAX: u64 = 1 << 20;
/// After so much that was copied it is looked again whether there is memory.
const LOOK_BYTES: usize = 64 << 20;
/// So much is left to the machine.
const LEFT_BYTES_MIN: u64 = 2 * LOOK_BYTES as u64;
/// How long a file is waited for that holds nothing, and a nanosecond more for each byte that it holds.
const SETTLE_MIN: Duration = Duration::from_millis(20);
/// It is looked at when so much of the time that it was waited for has passed again, within bounds: much is sealed in less than a
/// millisecond.
const SETTLE_POLLS: u32 = 4;
const SETTLE_POLL_MIN: Duration = Duration::from_micros(20);
const SETTLE_POLL_MAX: Duration = Duration::from_micros(200);

#[cfg(test)]
mod tests {
    use kernel_core::vm::ObjectId;

    use super::*;
    use proto::codec::LOOKED_AT_BYTES_MAX;

    use crate::frozen::{Beside, FrozenTable};

    const MEBI: usize = 1 << 20;

    fn is_passed(task: u32, payload: &Payload) -> bool {
        let mut admitted = [payload.clone()];
        assert!(admit(TaskId(task), &mut admitted).is_none(), "little is copied at once");
        assert_eq!(&admitted[0], payload, "the bytes are the same");
        admitted[0].held_bytes() == 0
    }

    /// A file that can be written to, its length apart, as its task sends it.
    fn settling(table: &mut FrozenTable, memfd: &Memfd) -> Payload {
        let fds = vec![memfd.reader().unwrap()];
        Beside::settling(fds, TaskId(1), table).fetch(0, 0, MEBI).unwrap()
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
        let file = copied.passable.as_ref().unwrap().frozen().memfd();
        assert_eq!(file.allocated_bytes().unwrap(), 2 * 4096);
        copied.put(Some(TaskId(2)), &mut memory);
        assert!(admit(TaskId(2), &mut memory).is_none() && memory[0].held_bytes() == 10);
        assert_eq!((memory[1].held_bytes(), memory[1].len()), (0, (4 << 30) - 4096));
        let at = |offset: usize| memory[1].slice(offset - 4096, 2).to_bytes();
        assert_eq!((&at(1 << 30)[..], &at(3 << 30)[..], &at(2 << 30)[..]), (&[2, 2][..], &[3, 3][..], &[0, 0][..]));
    }

    #[test]
    fn vm_copy_4_zeroes_that_were_brought_ahead_show_nothing_to_who_can_look() {
        let file = |behind: u8| {
            let memfd = Memfd::freezable("test", 8 * MEBI as u64).unwrap();
            memfd.write_at(0, &[vec![7u8; 2 * MEBI], vec![0; 3 * MEBI], vec![behind; 4096]]).unwrap();
            memfd.freeze().unwrap();
            FrozenTable::default().adopt(&memfd, TaskId(1)).unwrap().payload(0, 2 * MEBI).unwrap()
        };
        let (mut zeroes, mut other) = ([file(0)], [file(1)]);
        let job = admit(TaskId(2), &mut zeroes).expect("it takes too long to look at once");
        let looked = job.run().unwrap();
        looked.put(Some(TaskId(2)), &mut zeroes);
        assert!(looked.passable.is_none() && admit(TaskId(2), &mut zeroes).is_none(), "it has the file now");
        assert!(admit(TaskId(2), &mut other).expect("so does this").run().unwrap().passable.is_some());
    }

    #[test]
    fn vm_copy_9_what_is_sealed_in_time_is_passed_as_it_is() {
        let mut table = FrozenTable::default();
        let memfd = Memfd::freezable("test", MEBI as u64).unwrap();
        memfd.write_at(0, &[vec![7u8; MEBI]]).unwrap();
        let mut memory = [settling(&mut table, &memfd)];
        assert!(is_settling(&memory) && memory[0].held_bytes() == 0);
        assert!(Beside::new(vec![memfd.reader().unwrap()], TaskId(1), &mut table).fetch(0, 0, MEBI).is_none());
        let job = admit(TaskId(2), &mut memory).expect("it is settling");
        let sealed = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(SETTLE_MIN / 4);
                memfd.freeze().unwrap();
            });
            job.run().unwrap()
        });
        sealed.put(Some(TaskId(2)), &mut memory);
        assert!(!is_settling(&memory) && memory[0].held_bytes() == 0 && sealed.passable.is_none());
        // A part of it is still a part, for who has it not.
        let job = CopyJob::of(Some(TaskId(3)), &[memory[0].slice(4096, 4096)]);
        assert!(job.run().unwrap().passable.is_some());
    }

    #[test]
    fn vm_copy_9_a_node_seals_what_a_dead_task_left() {
        let mut table = FrozenTable::default();
        let own = Arc::new(Memfd::freezable("test", MEBI as u64).unwrap());
        table.made(own.id().unwrap(), ObjectId::default(), own.clone());
        let mut memory = [settling(&mut table, &own)];
        let job = admit(TaskId(2), &mut memory).expect("it is settling");
        assert!(job.run().unwrap().passable.is_none() && own.is_frozen());
    }

    #[test]
    fn vm_copy_9_what_is_never_sealed_is_copied_and_names_of_rights_are_at_once() {
        let mut table = FrozenTable::default();
        let memfd = Memfd::freezable("test", MEBI as u64).unwrap();
        memfd.write_at(0, &[vec![7u8; MEBI]]).unwrap();
        let mut beside = Beside::settling(vec![memfd.reader().unwrap()], TaskId(1), &mut table);
        let names = beside.fetch(0, 4096, LOOKED_AT_BYTES_MAX).unwrap();
        let mut memory = [beside.fetch(0, 0, MEBI).unwrap()];
        let copied = admit(TaskId(2), &mut memory).expect("it is settling").run().unwrap();
        copied.put(Some(TaskId(2)), &mut memory);
        memfd.write_at(0, &[vec![8u8; MEBI]]).unwrap();
        assert!(!is_settling(&memory) && memory[0].to_bytes()[..] == vec![7u8; MEBI]);
        assert!(names.held_bytes() == LOOKED_AT_BYTES_MAX && names.to_bytes().iter().all(|byte| *byte == 7));
    }
}
