//! What went wrong, in the form a person can use: what failed, why, and what to do.
//!
//! Every command ends in one [`Failure`] or none. It is printed once, by `main`, and its [`Exit`] becomes the exit
//! code, so that scripts can tell a missing name from a dead pager.

use std::error::Error;
use std::fmt;

/// The answer of everything here that can fail.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// The exit codes of `mach`. 0 is success; `mach --help` lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// It failed for a reason that has no code of its own.
    Failed = 1,
    /// The command line or a configuration file is wrong. The argument parser uses the same code.
    Usage = 2,
    /// The node, object or file that was named is not there.
    NotFound = 3,
    /// A memory error: the pager of a mapped object is gone or answered an error.
    Memory = 4,
    /// This machine lacks something; `mach doctor` says what.
    Machine = 5,
    /// Whoever read the results has had enough (`mach port ls | head`). No failure for a user: `main` says nothing.
    NobodyListens = 0,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted = 130,
}

/// One failure. Built from the inside out: the cause first, then what was attempted, then what to do.
#[derive(Debug)]
pub struct Failure {
    what: String,
    why: Vec<String>,
    cure: Vec<String>,
    exit: Exit,
}

impl Failure {
    /// Says what failed, as a sentence without a full stop: "cannot read `a.toml`".
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure { what: what.into(), why: Vec::new(), cure: Vec::new(), exit }
    }

    /// Adds a reason below those already there.
    pub fn because(mut self, why: impl fmt::Display) -> Failure {
        self.why.push(why.to_string());
        self
    }

    /// Adds a line that the reader can run or do.
    pub fn cure(mut self, line: impl Into<String>) -> Failure {
        self.cure.push(line.into());
        self
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Everything in one line, for a record on a pipe.
    pub fn one_line(&self) -> String {
        std::iter::once(&self.what).chain(&self.why).cloned().collect::<Vec<_>>().join(": ").replace('\n', " ")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mach: {}", self.what)?;
        write_block(f, "why", &self.why)?;
        write_block(f, "do", &self.cure)
    }
}

impl Error for Failure {}

/// Turns an error of another library into a [`Failure`], with the chain of its sources as reasons.
pub trait OrFail<T> {
    /// On error: `what` failed, because of the error.
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T>;
    /// As [`OrFail::or_fail`], with an exit code other than `Failed`.
    fn or_exit(self, exit: Exit, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, what: impl FnOnce() -> String) -> Result<T> {
        self.or_exit(Exit::Failed, what)
    }

    fn or_exit(self, exit: Exit, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let mut failure = Failure::new(exit, what()).because(&error);
            let mut source = error.source();
            while let Some(cause) = source {
                let text = cause.to_string();
                // Many libraries repeat the cause in their own text.
                if !failure.why.iter().any(|w| w.contains(&text)) {
                    failure.why.push(text);
                }
                source = cause.source();
            }
            failure
        })
    }
}

/// Adds to a failure that is already there.
pub trait Cure<T> {
    /// On error: adds a line that the reader can run or do.
    fn cure(self, line: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Cure<T> for Result<T> {
    fn cure(self, line: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|f| f.cure(line()))
    }
}

/// `label: first line`, the further ones indented below it.
fn write_block(f: &mut fmt::Formatter<'_>, label: &str, entries: &[String]) -> fmt::Result {
    let mut label = format!("{label}:");
    for line in entries.iter().flat_map(|e| e.trim_end().lines()) {
        write!(f, "\n  {label:<4} {line}")?;
        label.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let io: Result<(), std::io::Error> = Err(std::io::Error::other("it is on fire"));
        let failure = io
            .or_exit(Exit::NotFound, || "cannot reach node n2".into())
            .cure(|| "mach cluster status".into())
            .cure(|| "mach cluster up --nodes 3".into())
            .unwrap_err();
        assert_eq!(
            failure.to_string(),
            "mach: cannot reach node n2\n  why: it is on fire\n  do:  mach cluster status\n       mach cluster up --nodes 3"
        );
        assert_eq!(failure.exit() as u8, 3);
    }

    #[test]
    fn a_cause_that_is_already_told_is_not_repeated() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "outer: {}", self.0)
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let failure = Err::<(), _>(Outer(std::io::Error::other("inner"))).or_fail(|| "x".into()).unwrap_err();
        assert_eq!(failure.one_line(), "x: outer: inner");
    }
}
