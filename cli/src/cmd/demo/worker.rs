//! A task process of the demo: the handle that the demo holds, and what the process does.
//!
//! The two talk over a pipe each way, in the documents of `order`. The process is this executable, as `mach demo-task`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::order::{Order, Report, shuffled};
use crate::args;
use crate::client::{Client, Mapped, Place};
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::guard::Guard;
use crate::progress::Progress;
use crate::state::NodeDir;
use crate::units::{Range, Span};
use crate::view::{View, for_each_chunk};
use mach_bench::Latencies;

/// Time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(50);
/// How long a task may take to end when it is told.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A running task process.
pub struct Worker {
    name: String,
    child: Child,
    orders: Option<ChildStdin>,
    reports: mpsc::Receiver<std::io::Result<String>>,
    /// A report that came while only progress was looked at.
    early: Option<Report>,
}

impl Worker {
    /// Starts one at a node.
    pub fn start(guard: &Guard, node: &NodeDir, name: &str) -> Result<Worker> {
        let what = || format!("cannot start the {name}");
        let mut command = Command::new(crate::process::current_exe()?);
        command.arg("demo-task").arg("--socket").arg(node.socket());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = guard.spawn(sys::process::die_with_parent(&mut command, true), what)?;
        let orders = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| Failure::new(Exit::Failed, what()))?;
        let (send, reports) = mpsc::sync_channel(1024);
        let pump = move || {
            for line in BufReader::new(output).lines() {
                if send.send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("mach-reports".into()).spawn(pump).or_fail(what)?;
        Ok(Worker { name: name.to_owned(), child, orders, reports, early: None })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives an order and waits for the report that ends it.
    pub fn ask(&mut self, order: &Order, progress: Option<Progress>, limit: Duration) -> Result<Report> {
        self.tell(order)?;
        self.answer(progress, limit)
    }

    /// Gives an order.
    pub fn tell(&mut self, order: &Order) -> Result<()> {
        let what = || "cannot write an order".to_owned();
        let text = serde_json::to_string(order).or_fail(what)?;
        let Some(pipe) = &mut self.orders else { return Err(Failure::new(Exit::Failed, what())) };
        writeln!(pipe, "{text}").and_then(|()| pipe.flush()).or_fail(|| format!("the {} does not listen", self.name))
    }

    /// Waits for the report that ends an order.
    pub fn answer(&mut self, mut progress: Option<Progress>, limit: Duration) -> Result<Report> {
        let deadline = Instant::now() + limit;
        loop {
            match self.next(deadline, limit)? {
                Report::Progress { done } => {
                    if let Some(p) = &mut progress {
                        p.set(done);
                    }
                }
                report => {
                    if let Some(p) = progress {
                        p.out_of_the_way();
                    }
                    return Ok(report);
                }
            }
        }
    }

    /// Waits until the order under way has come to `enough`, or some time has passed, whichever is first.
    pub fn until_underway(&mut self, enough: u64, limit: Duration) {
        let deadline = Instant::now() + limit;
        // If the worker is gone, the `answer` that follows says so.
        while let Ok(Ok(line)) = self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            match serde_json::from_str(&line) {
                Ok(Report::Progress { done }) if done < enough => {}
                Ok(Report::Progress { .. }) | Err(_) => return,
                Ok(report) => return self.early = Some(report),
            }
        }
    }

    /// A failure for a report that does not answer the order.
    pub fn astray(&self, report: &Report) -> Failure {
        let failure = Failure::new(Exit::Failed, format!("the {} could not carry out its order", self.name));
        match report {
            Report::Failed { error } => failure.because(error),
            other => failure.because(format!("it reported {other:?}")),
        }
    }

    /// Ends it: its orders end, so it detaches and exits.
    pub fn end(mut self) -> Result<()> {
        self.orders = None;
        let deadline = Instant::now() + END_WITHIN;
        loop {
            let status = self.child.try_wait().or_fail(|| format!("cannot wait for the {}", self.name))?;
            match status {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(Failure::new(Exit::Failed, format!("the {} ended badly: {status}", self.name)));
                }
                None if Instant::now() >= deadline => {
                    return Err(Failure::new(Exit::Failed, format!("the {} does not end", self.name))
                        .because(format!("its orders ended {} ago", Span(END_WITHIN))));
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn next(&mut self, deadline: Instant, limit: Duration) -> Result<Report> {
        if let Some(report) = self.early.take() {
            return Ok(report);
        }
        match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let what = || format!("cannot read the report of the {}", self.name);
                serde_json::from_str(&line.or_fail(what)?).or_fail(what)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(Failure::new(Exit::Failed, format!("the {} did not report within {}", self.name, Span(limit))))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                Err(Failure::new(Exit::Failed, format!("the {} ended in the middle of its work: {status}", self.name)))
            }
        }
    }
}

/// `mach demo-task`: attaches, then carries out orders until there are none.
pub fn run_task(args: &args::DemoTask) -> Result<()> {
    let client = Client::attach_with_memory(&Place::at(args.socket.clone()))?;
    let mut task = Task { client, mapped: None, reported: Instant::now() };
    for line in std::io::stdin().lines() {
        let what = || "cannot read an order".to_owned();
        let order: Order = serde_json::from_str(&line.or_fail(what)?).or_fail(what)?;
        let report = task.carry_out(&order).unwrap_or_else(|f| Report::Failed { error: f.one_line() });
        task.report(&report)?;
    }
    Ok(())
}

struct Task {
    client: Client,
    mapped: Option<Mapped>,
    reported: Instant,
}

impl Task {
    fn carry_out(&mut self, order: &Order) -> Result<Report> {
        match order {
            Order::Map { name, writable } => {
                let mapped = self.client.map(name, "*", *writable)?;
                let size = mapped.size();
                self.mapped = Some(mapped);
                Ok(Report::Mapped { size })
            }
            Order::Random { count, seed } => self.random(*count, *seed),
            Order::Sequential => self.sequential(),
            Order::Write { offset, bytes } => {
                let begun = Instant::now();
                let bytes = hex::decode(bytes).or_fail(|| "the order's bytes are wrong".into())?;
                self.mapped()?.write(*offset, &bytes)?;
                self.mapped()?.flush(Range { offset: *offset, len: bytes.len() as u64 })?;
                Ok(Report::Done { took_ns: begun.elapsed().as_nanos() as u64 })
            }
            Order::Await { offset, bytes, limit_ms } => self.wait_for(*offset, bytes, Duration::from_millis(*limit_ms)),
            Order::ReadUntilError { seed } => self.read_until_error(*seed),
            Order::Survey => self.survey(),
        }
    }

    fn mapped(&self) -> Result<&Mapped> {
        self.mapped.as_ref().ok_or_else(|| Failure::new(Exit::Failed, "nothing is mapped yet"))
    }

    fn pages(&self) -> Result<u64> {
        Ok(self.mapped()?.size().div_ceil(proto::PAGE_SIZE))
    }

    fn random(&mut self, count: u64, seed: u64) -> Result<Report> {
        let pages = shuffled(self.pages()?, count, seed);
        let (mut latencies, mut hash, mut bytes, mut spent) = (Latencies::new(), Sha256::new(), 0, Duration::ZERO);
        let mut page = [0; proto::PAGE_SIZE as usize];
        for (done, number) in pages.into_iter().enumerate() {
            let begun = Instant::now();
            let read = self.read_page(number, &mut page)?;
            let took = begun.elapsed();
            latencies.record(took);
            spent += took;
            hash.update(&page[..read]);
            bytes += read as u64;
            self.progress(done as u64 + 1)?;
        }
        let sha256 = hex::encode(hash.finalize());
        Ok(Report::Read { bytes, read_ns: spent.as_nanos() as u64, latency: latencies.summary(), sha256 })
    }

    /// Two passes, so that neither the hash slows the reading nor the reading ahead profits from the time for the hash:
    /// the first is timed, the second hashes what the first one brought.
    fn sequential(&mut self) -> Result<Report> {
        let mapped = self.mapped.take().ok_or_else(|| Failure::new(Exit::Failed, "nothing is mapped yet"))?;
        let all = Range { offset: 0, len: mapped.size() };
        let (mut latencies, mut bytes) = (Latencies::new(), 0);
        let begun = Instant::now();
        let mut last = begun;
        let timed = for_each_chunk(&mapped, all, |_, chunk| {
            latencies.record(last.elapsed());
            last = Instant::now();
            bytes += chunk.len() as u64;
            self.progress(bytes)
        });
        let read_ns = begun.elapsed().as_nanos() as u64;
        let mut hash = Sha256::new();
        let hashed = timed.and_then(|()| {
            for_each_chunk(&mapped, all, |_, chunk| {
                hash.update(chunk);
                Ok(())
            })
        });
        self.mapped = Some(mapped);
        hashed?;
        let sha256 = hex::encode(hash.finalize());
        Ok(Report::Read { bytes, read_ns, latency: latencies.summary(), sha256 })
    }

    fn wait_for(&mut self, offset: u64, bytes: &str, limit: Duration) -> Result<Report> {
        let begun = Instant::now();
        let wanted = hex::decode(bytes).or_fail(|| "the order's bytes are wrong".into())?;
        let mut seen = vec![0; wanted.len()];
        loop {
            self.mapped()?.read(offset, &mut seen)?;
            if seen == wanted {
                return Ok(Report::Done { took_ns: begun.elapsed().as_nanos() as u64 });
            }
            if begun.elapsed() >= limit {
                let error = format!("{} at {offset:#x} after {}", hex::encode(&seen), Span(limit));
                return Ok(Report::Failed { error });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn read_until_error(&mut self, seed: u64) -> Result<Report> {
        let order = shuffled(self.pages()?, u64::MAX, seed);
        let mut hash = Sha256::new();
        let mut page = [0; proto::PAGE_SIZE as usize];
        let (mut pages, mut error, mut took) = (0, None, Duration::ZERO);
        for number in order {
            let begun = Instant::now();
            match self.read_page(number, &mut page) {
                Ok(read) => hash.update(&page[..read]),
                Err(failure) => {
                    took = begun.elapsed();
                    error = Some(failure.one_line());
                    break;
                }
            }
            pages += 1;
            self.progress(pages)?;
        }
        Ok(Report::Stopped { pages, sha256: hex::encode(hash.finalize()), error, took_ns: took.as_nanos() as u64 })
    }

    fn survey(&mut self) -> Result<Report> {
        let mut hash = Sha256::new();
        let mut page = [0; proto::PAGE_SIZE as usize];
        let (mut unreadable, mut longest) = (Vec::new(), Duration::ZERO);
        for number in 0..self.pages()? {
            let begun = Instant::now();
            match self.read_page(number, &mut page) {
                Ok(read) => hash.update(&page[..read]),
                Err(_) => unreadable.push(number),
            }
            longest = longest.max(begun.elapsed());
        }
        Ok(Report::Survey { unreadable, sha256: hex::encode(hash.finalize()), longest_ns: longest.as_nanos() as u64 })
    }

    /// Reads page `number` and returns how many bytes of it the object has.
    fn read_page(&self, number: u64, into: &mut [u8; proto::PAGE_SIZE as usize]) -> Result<usize> {
        let mapped = self.mapped()?;
        let offset = number * proto::PAGE_SIZE;
        let len = (mapped.size() - offset).min(proto::PAGE_SIZE) as usize;
        mapped.read(offset, &mut into[..len])?;
        Ok(len)
    }

    /// Reports progress, but not too often.
    fn progress(&mut self, done: u64) -> Result<()> {
        if self.reported.elapsed() < REPORT_EVERY {
            return Ok(());
        }
        self.reported = Instant::now();
        self.report(&Report::Progress { done })
    }

    fn report(&self, report: &Report) -> Result<()> {
        let what = || "cannot write a report".to_owned();
        let text = serde_json::to_string(report).or_fail(what)?;
        let mut pipe = std::io::stdout().lock();
        writeln!(pipe, "{text}").and_then(|()| pipe.flush()).or_fail(what)
    }
}
