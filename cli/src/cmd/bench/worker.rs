//! The other processes: started, spoken to, and never waited for without an end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mach_bench::Told;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Exit, Failure, OrFail, Result};
use crate::guard::Guard;

/// How long a process may take to be ready, and beyond what a load takes to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that tells, line by line.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
    name: String,
}

impl Worker {
    /// Starts it below the guard and waits until it is ready.
    ///
    /// Conditions: the calling thread lives as long as the process should.
    pub fn start(guard: &Guard, mut command: Command, name: String) -> Result<Worker> {
        let what = || format!("cannot start {name}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = guard.spawn(sys::process::die_with_parent(&mut command, true), what)?;
        let (input, output) = (child.stdin.take().expect("it is piped"), child.stdout.take().expect("it is piped"));
        let (tell, lines) = mpsc::channel();
        // Ends with the process.
        let read = move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("mach-bench".into()).spawn(read).or_fail(what)?;
        let mut worker = Worker { child, input, lines, name };
        match worker.told::<()>(PATIENCE)? {
            Told::Ready => Ok(worker),
            _ => Err(worker.failed("it was not ready")),
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it carry out a load, which takes about as long as said.
    pub fn measure<L: Serialize, T: DeserializeOwned>(&mut self, load: &L, about: Duration) -> Result<T> {
        self.begin(load)?;
        self.end(about)
    }

    /// Has it begin with a load; [`Worker::end`] waits for what it comes to.
    pub fn begin(&mut self, load: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(load).or_fail(|| "cannot write a load".into())?;
        writeln!(self.input, "{line}").or_fail(|| format!("{} is gone", self.name))
    }

    /// What the load came to that was begun.
    pub fn end<T: DeserializeOwned>(&mut self, about: Duration) -> Result<T> {
        match self.told(about + PATIENCE)? {
            Told::Done(done) => Ok(done),
            Told::Failed(why) => Err(self.failed(&why)),
            Told::Ready => Err(self.failed("it began anew")),
        }
    }

    fn told<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<Told<T>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => serde_json::from_str(&line).or_fail(|| format!("{} said {line:?}", self.name)),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(self.failed("it did not answer in time")),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(self.failed("it ended")),
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::new(Exit::Failed, format!("{} cannot be measured", self.name)).because(why)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
