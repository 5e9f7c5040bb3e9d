//! Commands with a deadline, and waiting for a condition.

use std::process::Command;
use std::time::{Duration, Instant};

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Answer {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Answer {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The answer of a command that must not fail; panics with what it printed otherwise.
    #[track_caller]
    pub fn ok(self) -> Answer {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }

    /// Standard output as JSON; the command must not fail.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let answer = self.ok();
        serde_json::from_slice(&answer.stdout).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
    }
}

/// Exit code of `timeout(1)` when the time was over.
const TIMED_OUT: i32 = 124;

/// Runs a command to its end. Panics when that takes longer than `limit`: no command of a test may hang.
#[track_caller]
pub fn run(limit: Duration, words: &[&str]) -> Answer {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", &format!("{:.1}", limit.as_secs_f64())]).args(words);
    let output = command.stdin(std::process::Stdio::null()).output().expect("timeout(1)");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(TIMED_OUT), "longer than {limit:?}: {}\n{stderr}", words.join(" "));
    Answer { code: output.status.code(), stdout: output.stdout, stderr }
}

/// Asks again and again until there is an answer, which it gives. Panics after `limit`.
#[track_caller]
pub fn wait_until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_code_and_output() {
        let answer = run(Duration::from_secs(5), &["sh", "-c", "echo '{\"a\": 1}'; echo no >&2; exit 3"]);
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(3), "no\n"));
        assert_eq!(run(Duration::from_secs(5), &["echo", "{\"a\": 1}"]).json()["a"], 1);
    }

    #[test]
    #[should_panic(expected = "longer than 200ms: sleep 30")]
    fn a_command_that_hangs_is_a_failure() {
        run(Duration::from_millis(200), &["sleep", "30"]);
    }

    #[test]
    #[should_panic(expected = "not within 50ms: rain")]
    fn a_condition_that_never_holds_is_a_failure() {
        wait_until(Duration::from_millis(50), "rain", || None::<()>);
    }
}
