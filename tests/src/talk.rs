//! A process that is spoken to a line at a time, with a deadline on every answer.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::run::wait_until;

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Talk {
    child: Child,
    lines: Receiver<String>,
}

impl Talk {
    /// Starts it. Its errors go where the test's go.
    pub fn with(mut command: Command) -> Talk {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Talk { child, lines }
    }

    /// Says a line. A process that is gone does not hear it.
    pub fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        let _ = writeln!(input, "{line}").and_then(|()| input.flush());
    }

    /// Its next line; `None` when it ended instead. Panics after `limit`.
    #[track_caller]
    pub fn hear(&mut self, limit: Duration) -> Option<String> {
        use std::sync::mpsc::RecvTimeoutError::*;
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(Disconnected) => None,
            Err(Timeout) => panic!("no line within {limit:?}"),
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// How it ended. Panics after `limit`.
    #[track_caller]
    pub fn end(&mut self, limit: Duration) -> ExitStatus {
        drop(self.child.stdin.take());
        wait_until(limit, "the end of a process", || self.child.try_wait().expect("our own child"))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_process_answers_and_ends() {
        let mut talk = Talk::with(Command::new("cat"));
        talk.say("hello");
        assert_eq!(talk.hear(SOON).as_deref(), Some("hello"));
        assert!(talk.end(SOON).success());
        assert_eq!(talk.hear(SOON), None);
    }

    #[test]
    #[should_panic(expected = "no line within 50ms")]
    fn silence_is_a_failure() {
        Talk::with(Command::new("cat")).hear(Duration::from_millis(50));
    }
}
