//! The C library's heap.

/// Gives memory back to Linux that was freed and lies between what is in use: glibc does that by itself only at the end of
/// its heap. Takes about as long as Linux takes to free the pages; threads that allocate meanwhile wait. Elsewhere than with
/// glibc it does nothing. Source: malloc_trim(3).
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches only what is free.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of this process's that Linux has given it, without files.
    fn own_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_lies_between_is_given_back() {
        const EACH: usize = 64 << 10;
        let mut all: Vec<Option<Vec<u8>>> = (0..512).map(|_| Some(vec![1; EACH])).collect();
        let last = all.pop();
        let most = own_bytes();
        all.clear();
        give_back();
        let left = own_bytes();
        assert!(left + (24 << 20) < most, "{most} bytes, and {left} afterwards");
        drop(last);
    }
}
