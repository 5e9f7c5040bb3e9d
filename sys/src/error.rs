//! What Linux refused, and what was being done.

use std::borrow::Cow;
use std::io;

pub use rustix::io::Errno;

/// A system call failed in a way that its caller does not plan for; the expected ways are outcome types instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{call}: {what}: {errno}")]
pub struct SysError {
    /// The call, as its manual page is called.
    pub call: &'static str,
    /// What it answered.
    pub errno: Errno,
    /// What it was called for, with the path, size or address that a reader needs.
    pub what: Cow<'static, str>,
}

impl SysError {
    /// The error of `call`.
    pub fn new(call: &'static str, errno: Errno, what: impl Into<Cow<'static, str>>) -> SysError {
        SysError { call, errno, what: what.into() }
    }

    /// The error of a call whose result came through `std`.
    pub fn from_io(call: &'static str, error: &io::Error, what: impl Into<Cow<'static, str>>) -> SysError {
        SysError::new(call, Errno::from_io_error(error).unwrap_or(Errno::IO), what)
    }
}

impl From<SysError> for io::Error {
    fn from(error: SysError) -> io::Error {
        io::Error::new(io::Error::from(error.errno).kind(), error)
    }
}

/// Turns a failure into a [`SysError`]; the text is made only then.
pub(crate) trait Context<T> {
    fn context<W: Into<Cow<'static, str>>>(self, call: &'static str, what: impl FnOnce() -> W) -> Result<T, SysError>;
}

impl<T> Context<T> for Result<T, Errno> {
    fn context<W: Into<Cow<'static, str>>>(self, call: &'static str, what: impl FnOnce() -> W) -> Result<T, SysError> {
        self.map_err(|errno| SysError::new(call, errno, what()))
    }
}

impl<T> Context<T> for io::Result<T> {
    fn context<W: Into<Cow<'static, str>>>(self, call: &'static str, what: impl FnOnce() -> W) -> Result<T, SysError> {
        self.map_err(|error| SysError::from_io(call, &error, what()))
    }
}

/// `errno` after a `libc` call that answered -1.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_call_purpose_and_cause() {
        let error = SysError::new("mmap(2)", Errno::NOMEM, "reserve 16 TiB");
        assert_eq!(error.to_string(), "mmap(2): reserve 16 TiB: Cannot allocate memory (os error 12)");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::OutOfMemory);
    }
}
