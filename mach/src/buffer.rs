//! Buffers that are large, or as large as somebody else says: no room for one is an error, where a vector ends the process.

use sys::{Errno, SysError};

/// An empty one with room for so many bytes.
///
/// Errors: `ENOMEM` the program has reached its limit (`RLIMIT_AS`).
pub(crate) fn room(bytes: usize) -> Result<Vec<u8>, SysError> {
    let mut buffer = Vec::new();
    let short = |_| SysError::new("malloc(3)", Errno::NOMEM, format!("{bytes} bytes"));
    buffer.try_reserve_exact(bytes).map_err(short)?;
    Ok(buffer)
}

/// So many zeroes.
///
/// Errors: as [`room`].
pub(crate) fn zeroes(bytes: usize) -> Result<Vec<u8>, SysError> {
    let mut buffer = room(bytes)?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}
