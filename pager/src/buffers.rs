//! Buffers for reads, used again, so that a read costs neither clearing nor a fresh mapping of its memory.

use std::sync::Mutex;

use bytes::Bytes;
use proto::PAGE_SIZE;

/// Size classes: one page, two pages, and so on up to the largest read.
const CLASSES: usize = (proto::limits::PAGER_RUN_PAGES_MAX.next_power_of_two().ilog2() + 1) as usize;
/// Unused bytes kept per class; more are freed.
const CLASS_BYTES_MAX: usize = 2 << 20;

static FREE: [Mutex<Vec<Box<[u8]>>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

/// A buffer of its owner's until it is frozen; goes back when the last reference is dropped.
pub struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    class: usize,
}

impl Buffer {
    /// A buffer of `len` bytes of any contents.
    pub fn take(len: usize) -> Buffer {
        let pages = (len as u64).div_ceil(PAGE_SIZE).next_power_of_two();
        let class = pages.ilog2() as usize;
        let free = FREE.get(class).and_then(|f| f.lock().unwrap_or_else(|p| p.into_inner()).pop());
        let bytes = free.unwrap_or_else(|| vec![0; (pages * PAGE_SIZE) as usize].into());
        Buffer { bytes, len, class }
    }

    /// The bytes to fill.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// The bytes, not to be changed any more.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(free) = FREE.get(self.class) else { return };
        let mut free = free.lock().unwrap_or_else(|p| p.into_inner());
        if (free.len() + 1) * self.bytes.len() <= CLASS_BYTES_MAX {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_reads_it() {
        let mut b = Buffer::take(3 * 4096);
        assert_eq!((b.bytes_mut().len(), b.class, b.bytes.len()), (3 * 4096, 2, 4 * 4096));
        b.bytes_mut().fill(7);
        let free = || FREE[2].lock().unwrap().len();
        let before = free();
        let bytes = b.freeze();
        let part = bytes.slice(4096..8192);
        drop(bytes);
        assert_eq!(free(), before);
        assert!(part.iter().all(|x| *x == 7));
        drop(part);
        assert_eq!(free(), before + 1);
        let again = Buffer::take(4 * 4096);
        assert_eq!((again.len, free()), (4 * 4096, before));
    }
}
