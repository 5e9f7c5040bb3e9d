//! Large pages of memory files: 2 MiB that Linux fills and maps in one go (transparent huge pages of shmem).

use std::fs;

use crate::error::{SysError, last_errno};

/// How memory files come to large pages, as `/sys/kernel/mm/transparent_hugepage` has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LargePages {
    /// Linux fills them so by itself, if it is advised to.
    OnFault,
    /// Linux makes one of small pages when it is asked to, and no fault does (`shmem_enabled` is `never`, as it comes).
    OnRequest,
    /// Whoever runs the machine does not want them (`enabled` is `never`, or `shmem_enabled` is `deny`).
    Denied,
    /// The kernel has none, or does not say.
    Unknown,
}

impl LargePages {
    /// Looks.
    pub fn of_this_machine() -> LargePages {
        let word = |name| {
            let text = fs::read_to_string(format!("/sys/kernel/mm/transparent_hugepage/{name}"));
            text.ok().and_then(|text| chosen_word(&text))
        };
        LargePages::of(word("enabled").as_deref(), word("shmem_enabled").as_deref())
    }

    fn of(enabled: Option<&str>, shmem_enabled: Option<&str>) -> LargePages {
        match (enabled, shmem_enabled) {
            (None, _) | (_, None) => LargePages::Unknown,
            (Some("never"), _) | (_, Some("deny")) => LargePages::Denied,
            (_, Some("never")) => LargePages::OnRequest,
            _ => LargePages::OnFault,
        }
    }
}

/// Makes one large page of each that a range has room for: pages of the file that are there keep their bytes, those that are
/// not become zeroes. What any thread sees stays the same, so every address of the process may be given. It takes about as long
/// as to copy and to zero that much.
///
/// Conditions: whole large pages of a shared mapping of a memory file; a page of each is there.
/// Errors: `EAGAIN` a page was brought or used meanwhile; `EBUSY` a mapping of them, or of the page behind, is registered for
/// missing pages; `ENOMEM` there is no large page to be had; `EINVAL` the system gives none so (Linux before 6.1), or the
/// conditions.
pub fn collapse(address: u64, len: u64) -> Result<(), SysError> {
    // SAFETY: no byte that a reference could point to changes.
    match unsafe { libc::madvise(address as *mut libc::c_void, len as usize, MADV_COLLAPSE) } {
        0 => Ok(()),
        _ => Err(SysError::new("madvise(2)", last_errno(), format!("collapse {len:#x} bytes at {address:#x}"))),
    }
}

/// Bytes that this process maps by large pages of memory files; 0 where Linux does not tell.
pub fn mapped_bytes() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let counts = rollup.lines().filter_map(|line| line.strip_prefix("ShmemPmdMapped:"));
    counts.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum::<u64>() << 10
}

/// `always [madvise] never` to `madvise`.
fn chosen_word(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The libc crate does not have it for every C library.
const MADV_COLLAPSE: libc::c_int = 25;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use proto::vm::LARGE_PAGE_SIZE;
    use proto::{PAGE_SIZE, Prot};

    use super::*;
    use crate::uffd::{Features, Mode};
    use crate::{Arena, Backing, Errno, Memfd, Uffd};

    #[test]
    fn they_come_as_the_system_is_set() {
        assert_eq!(LargePages::of(Some("madvise"), Some("never")), LargePages::OnRequest);
        assert_eq!(LargePages::of(Some("always"), Some("advise")), LargePages::OnFault);
        assert_eq!(LargePages::of(Some("never"), Some("advise")), LargePages::Denied);
        assert_eq!(LargePages::of(Some("always"), Some("deny")), LargePages::Denied);
        assert_eq!(LargePages::of(Some("always"), None), LargePages::Unknown);
        assert_eq!(chosen_word("always [never] x\n").as_deref(), Some("never"));
        assert_eq!(chosen_word("none"), None);
    }

    /// What [`collapse`] says of itself, on a system that gives large pages so.
    #[test]
    fn a_collapse_keeps_bytes_and_gives_way_to_who_waits_for_missing_pages() {
        if LargePages::of_this_machine() != LargePages::OnRequest {
            return;
        }
        const L: u64 = LARGE_PAGE_SIZE;
        let arena = Arena::reserve(&[8 * L]).unwrap();
        let memfd = Memfd::freezable("test", 3 * L).unwrap();
        let at = arena.start().next_multiple_of(L);
        arena.map(at, 3 * L, Backing::Shared(memfd.as_fd(), 0), Prot::READ | Prot::WRITE).unwrap();
        assert_eq!(collapse(at, L).unwrap_err().errno, Errno::INVAL, "nothing is there");
        arena.write(at + 5 * PAGE_SIZE, b"here").unwrap();
        let uffd = Uffd::open_by(crate::uffd::UffdWay::Device, Features::MISSING_SHMEM)
            .or_else(|_| Uffd::open_by(crate::uffd::UffdWay::Syscall, Features::MISSING_SHMEM))
            .unwrap();
        uffd.register(at + L, PAGE_SIZE, Mode::MISSING).unwrap();
        assert_eq!(collapse(at, L).unwrap_err().errno, Errno::BUSY, "Linux looks at one page more than it takes");
        uffd.unregister(at + L, PAGE_SIZE).unwrap();
        collapse(at, L).unwrap();
        assert_eq!((memfd.allocated_bytes().unwrap(), mapped_bytes()), (L, L));
        let mut bytes = [1; 8];
        arena.read(at + 5 * PAGE_SIZE, &mut bytes).unwrap();
        assert_eq!(&bytes, b"here\0\0\0\0");
    }
}
