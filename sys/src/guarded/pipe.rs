//! The copy by the kernel: into a pipe from one side, out of it to the other, `EFAULT` where memory refuses.
//!
//! For processors without a copy of our own in `handler`; tested everywhere.

use std::os::fd::AsRawFd;

use super::MemoryFault;

/// What a pipe of the default size takes without blocking.
const PIECE: usize = 4096;

/// # Safety
///
/// As [`super::copy`].
pub(super) unsafe fn copy(target: *mut u8, source: *const u8, len: usize) -> Result<(), MemoryFault> {
    let fault = |address: usize, copied| Err(MemoryFault { address: address as u64, copied });
    // No descriptor left counts as no access: there is no other way to learn whether there is one.
    let Ok((reader, writer)) = rustix::pipe::pipe() else { return fault(source as usize, 0) };
    let mut copied = 0;
    while copied < len {
        // A piece does not cross a page border of the source, so that a refusal is one page's.
        let from = source as usize + copied;
        let piece = (len - copied).min(PIECE - from % PIECE);
        // SAFETY: the kernel checks the range, whatever it is, and reads it only.
        let written = unsafe { libc::write(writer.as_raw_fd(), from as *const libc::c_void, piece) };
        if written <= 0 {
            return fault(from, copied);
        }
        let mut left = written as usize;
        while left > 0 {
            let to = target as usize + copied;
            let part = left.min(PIECE - to % PIECE);
            // SAFETY: the kernel checks the range; that it may be written to is the caller's promise.
            let read = unsafe { libc::read(reader.as_raw_fd(), to as *mut libc::c_void, part) };
            if read <= 0 {
                return fault(to, copied);
            }
            copied += read as usize;
            left -= read as usize;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::{PAGE_SIZE, Prot};

    use super::*;
    use crate::{Arena, Backing};

    #[test]
    fn it_copies_and_reports_the_first_page_that_refuses() {
        let arena = Arena::reserve(&[1 << 20]).unwrap();
        arena.map(arena.start(), 2 * PAGE_SIZE, Backing::Anonymous, Prot::READ | Prot::WRITE).unwrap();
        let data: Vec<u8> = (0..2 * PAGE_SIZE as usize + 10).map(|i| i as u8).collect();
        let at = arena.start() + 100;
        // SAFETY: `data` is valid, and no reference points into the arena.
        unsafe { copy(at as *mut u8, data.as_ptr(), 5000) }.unwrap();
        let mut back = vec![0; 5000];
        // SAFETY: as above.
        unsafe { copy(back.as_mut_ptr(), at as *const u8, 5000) }.unwrap();
        assert!(back == data[..5000]);
        let end = arena.start() + 2 * PAGE_SIZE;
        // SAFETY: as above.
        let fault = unsafe { copy(arena.start() as *mut u8, data.as_ptr(), data.len()) }.unwrap_err();
        assert_eq!(fault, MemoryFault { address: end, copied: 2 * PAGE_SIZE as usize });
        // SAFETY: as above.
        let fault = unsafe { copy(back.as_mut_ptr(), (end - 10) as *const u8, 20) }.unwrap_err();
        assert_eq!(fault, MemoryFault { address: end, copied: 10 });
    }
}
