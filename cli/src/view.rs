//! Reading a mapped object from its first byte to its last, or to the byte where memory fails.
//!
//! Invariant: a byte is handed on only after its page was read without a memory error; what follows the first error is
//! never guessed.

use crate::failure::{Failure, Result};
use crate::units::Range;

/// Bytes that are read in one go.
pub const CHUNK: usize = 1 << 20;

/// A mapped object, as far as reading goes.
pub trait View {
    /// Bytes in the object.
    fn size(&self) -> u64;

    /// Reads `into.len()` bytes at `offset`, which lie inside the object.
    ///
    /// Errors: exit `Memory`, naming the object, the offset and the node; `into` may be filled in part.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()>;
}

/// Hands the bytes of `range` to `take` in order, a chunk at a time.
///
/// Errors: the first one of the view or of `take`. All bytes before a memory error have been handed on, and the error
/// says how many those were.
pub fn for_each_chunk(view: &dyn View, range: Range, mut take: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(range.len).unwrap_or(CHUNK))];
    let mut at = range.offset;
    while at < range.end() {
        // Ends on a multiple of the chunk, so that reads after the first are aligned.
        let until =
            (at - at % CHUNK as u64).saturating_add(CHUNK as u64).min(range.end()).min(at + buffer.len() as u64);
        let chunk = &mut buffer[..(until - at) as usize];
        match view.read(at, chunk) {
            Ok(()) => take(at, chunk)?,
            Err(_) => return up_to_the_error(view, range, at, chunk, take),
        }
        at = until;
    }
    Ok(())
}

/// Reads a chunk that failed as a whole again page by page, so that everything before the bad page is still handed on.
fn up_to_the_error(
    view: &dyn View,
    range: Range,
    start: u64,
    chunk: &mut [u8],
    mut take: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut at = start;
    let end = start + chunk.len() as u64;
    while at < end {
        let until = (proto::vm::trunc_page(at) + proto::PAGE_SIZE).min(end);
        let piece = &mut chunk[..(until - at) as usize];
        if let Err(failure) = view.read(at, piece) {
            return Err(failure.because(format!(
                "the output is incomplete: {} of {} bytes came before it",
                at - range.offset,
                range.len
            )));
        }
        take(at, piece)?;
        at = until;
    }
    // It failed a moment ago and does not now; nothing is lost.
    Ok(())
}

/// Checks that `range` lies inside the object called `name`.
pub fn check_inside(view: &dyn View, name: &str, range: Range) -> Result<()> {
    if range.end() <= view.size() {
        return Ok(());
    }
    Err(Failure::new(crate::failure::Exit::Usage, format!("{range} is not inside `{name}`")).because(format!(
        "it has {} bytes ({:#x})",
        view.size(),
        view.size()
    )))
}

/// Sixteen bytes to a line, as `hexdump -C` prints them.
pub fn hexdump_line(offset: u64, bytes: &[u8]) -> String {
    let mut hex = String::new();
    for column in 0..16 {
        match bytes.get(column) {
            Some(byte) => hex.push_str(&format!("{byte:02x} ")),
            None => hex.push_str("   "),
        }
        if column == 7 {
            hex.push(' ');
        }
    }
    let text: String = bytes.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' }).collect();
    format!("{offset:08x}  {hex} |{text}|")
}

/// A view for tests: bytes `0, 1, 2, …`, with a memory error from `bad` on.
#[cfg(test)]
pub struct Fake {
    /// Bytes in it.
    pub size: u64,
    /// The first byte that cannot be read.
    pub bad: Option<u64>,
}

#[cfg(test)]
impl View for Fake {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        assert!(offset + into.len() as u64 <= self.size, "a read outside");
        for (at, byte) in (offset..).zip(into) {
            if self.bad.is_some_and(|bad| at >= proto::vm::trunc_page(bad)) {
                return Err(Failure::new(crate::failure::Exit::Memory, format!("memory error at {at:#x}")));
            }
            *byte = at as u8;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn collect(view: &Fake, offset: u64, len: u64) -> (Vec<u8>, Result<()>) {
        let mut seen = Vec::new();
        let result = for_each_chunk(view, Range { offset, len }, |at, bytes| {
            assert_eq!(at, offset + seen.len() as u64);
            seen.extend_from_slice(bytes);
            Ok(())
        });
        (seen, result)
    }

    #[test]
    fn every_byte_comes_once_and_in_order() {
        let view = Fake { size: 5 << 20, bad: None };
        for (offset, len) in [(0, 1), (4095, 2), (1, 5 << 19), (0, 5 << 20), ((1 << 20) - 1, (1 << 20) + 2)] {
            let (seen, result) = collect(&view, offset, len);
            result.unwrap();
            assert_eq!(seen.len() as u64, len);
            assert!(seen.iter().zip(offset..).all(|(b, at)| *b == at as u8));
        }
    }

    #[test]
    fn what_comes_before_a_memory_error_is_handed_on_and_counted() {
        let view = Fake { size: 4 << 20, bad: Some((1 << 20) + 3 * 4096 + 5) };
        let (seen, result) = collect(&view, 100, 3 << 20);
        let failure = result.unwrap_err();
        assert_eq!(seen.len() as u64, (1 << 20) + 3 * 4096 - 100);
        assert_eq!(failure.exit(), Exit::Memory);
        assert_eq!(
            failure.to_string(),
            "mach: memory error at 0x103000\n  why: the output is incomplete: 1060764 of 3145728 bytes came before it"
        );
    }

    #[test]
    fn ranges_outside_are_refused_with_the_size() {
        let view = Fake { size: 100, bad: None };
        assert!(check_inside(&view, "x", Range { offset: 99, len: 1 }).is_ok());
        let failure = check_inside(&view, "x", Range { offset: 99, len: 2 }).unwrap_err();
        assert_eq!(failure.to_string(), "mach: 0x63+2 is not inside `x`\n  why: it has 100 bytes (0x64)");
    }

    #[test]
    fn dumped_lines_look_familiar() {
        expect_test::expect![[r#"
            00001000  68 65 6c 6c 6f 20 77 6f  72 6c 64 0a 00 ff 41 42  |hello world...AB|
            00001010  43                                                |C|"#]]
        .assert_eq(&format!("{}\n{}", hexdump_line(4096, b"hello world\n\0\xffAB"), hexdump_line(4112, b"C")));
    }
}
