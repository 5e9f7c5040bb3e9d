//! Many threads in several tasks on two nodes send, call, receive, move rights and die at random: nothing is lost, doubled
//! or overtaken but for a death that explains it, every request is answered, nobody waits for ever, nothing is left.
//!
//! `MACH_SOAK_SECONDS` makes it longer, `MACH_SOAK_SEED` repeats the choices of a run (not the races between processes).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use mach_tests::processes::Nodes;
use mach_tests::soak::{ACTIVE, Event, Life, Oracle};
use mach_tests::wait_until;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Processes on each of the two nodes.
const EACH: u32 = 2;
/// How long a round is, after which everything is given up and counted.
const ROUND: Duration = Duration::from_secs(6);
/// How long the soak takes as one test among many: two rounds.
const SECONDS: u64 = 12;
/// How long processes may take for what they are told: nobody waits longer for anything.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Acts of a killed process that it had no time to say: one of each thread.
const HANDS: usize = ACTIVE + 2;
/// What a node may keep from the first round to the last.
const KEPT_BYTES_MAX: u64 = 8 << 20;

struct Process {
    life: Life,
    child: Child,
    input: ChildStdin,
}

/// What came from a process; `None` is its end.
type Heard = (Life, Option<String>);

struct Round<'a> {
    nodes: &'a Nodes,
    oracle: Oracle,
    processes: Vec<Process>,
    heard: Receiver<Heard>,
    hears: Sender<Heard>,
    last_life: u32,
    /// Who has answered what it was told last.
    done: Vec<(Life, String, u64)>,
    deaths: u32,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl<'a> Round<'a> {
    fn new(nodes: &'a Nodes) -> Round<'a> {
        let (hears, heard) = channel();
        let (oracle, processes, done) = (Oracle::default(), Vec::new(), Vec::new());
        Round { nodes, oracle, processes, heard, hears, last_life: 0, done, deaths: 0 }
    }

    /// A new process on a node, which knows all others and is known to them.
    fn start(&mut self, node: u32, seed: u64) {
        self.last_life += 2;
        let life = Life(self.last_life | node);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mach-test-task"));
        command.arg(self.nodes.socket(node as usize + 1)).args(["soak", &life.0.to_string(), &seed.to_string()]);
        sys::process::die_with_parent(&mut command, true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let hears = self.hears.clone();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(hears.send((life, Some(line)))));
            let _ = hears.send((life, None));
        });
        self.processes.push(Process { life, child, input });
        self.wait_for("ready", 1);
        let lives: Vec<Life> = self.processes.iter().map(|p| p.life).collect();
        for process in &mut self.processes {
            for other in lives.iter().filter(|l| process.life == life || **l == life) {
                let _ = writeln!(process.input, "peer {}", other.0);
            }
        }
    }

    fn tell(&mut self, what: &str) {
        self.processes.iter_mut().for_each(|p| drop(writeln!(p.input, "{what}")));
    }

    /// Listens until `until`, or until `enough` says so.
    fn listen(&mut self, until: Instant, enough: impl Fn(&Round<'_>) -> bool) -> bool {
        while !enough(self) {
            match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((life, Some(line))) => match line.parse() {
                    Ok(Event::Done(what, number)) => self.done.push((life, what, number)),
                    Ok(event) => self.oracle.hear(life, event),
                    // The last line of the dead may be cut short.
                    Err(line) => eprintln!("{life:?} said {line:?}"),
                },
                Ok((life, None)) => {
                    self.oracle.died(life);
                    self.deaths += 1;
                    self.processes.retain_mut(|p| p.life != life || p.child.wait().is_err());
                }
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => unreachable!("one sender is ours"),
            }
        }
        true
    }

    /// Waits until `count` processes, or all there are, have done what they were told; the sum of their numbers.
    #[track_caller]
    fn wait_for(&mut self, what: &str, count: usize) -> u64 {
        let answered = |r: &Round<'_>| r.done.iter().filter(|(_, w, _)| w == what).count();
        let until = Instant::now() + ANSWER_WITHIN;
        let all = self.listen(until, |r| answered(r) >= count.min(r.processes.len()));
        assert!(all, "{} of {} have done {what:?}: somebody is stuck", answered(self), self.processes.len());
        std::mem::take(&mut self.done).iter().map(|(_, _, number)| number).sum()
    }

    /// Lets them act, and kills one now and then.
    fn act(&mut self, random: &mut StdRng, length: Duration) {
        for n in 0..2 * EACH {
            self.start(n & 1, random.random());
        }
        let end = Instant::now() + length;
        while Instant::now() < end {
            let pause = Duration::from_millis(random.random_range(100..900));
            self.listen(end.min(Instant::now() + pause), |_| false);
            if !self.processes.is_empty() && random.random_ratio(2, 3) {
                let at = random.random_range(0..self.processes.len());
                let _ = self.processes[at].child.kill();
                let life = self.processes[at].life;
                self.listen(Instant::now() + ANSWER_WITHIN, |r| r.processes.iter().all(|p| p.life != life));
            }
            for node in [0, 1] {
                let missing = EACH as usize - self.processes.iter().filter(|p| p.life.node() == node).count();
                (0..missing).for_each(|_| self.start(node, random.random()));
            }
        }
    }

    /// Has them end in order, and judges.
    fn end(mut self) {
        for what in ["stop", "end", "settle"] {
            self.tell(what);
            self.wait_for(what, usize::MAX);
            // What is on its way between the nodes arrives meanwhile.
            let mut quiet = if what == "stop" { 3 } else { 0 };
            while quiet > 0 {
                self.tell("drain");
                let taken = self.wait_for("drain", usize::MAX);
                quiet = if taken > 0 { 3 } else { quiet - 1 };
                std::thread::sleep(Duration::from_millis(60));
            }
        }
        let deaths = self.deaths;
        for mut process in std::mem::take(&mut self.processes) {
            drop(process.input);
            let status = wait_until(ANSWER_WITHIN, "the end of a process", || process.child.try_wait().expect("ours"));
            assert!(status.success(), "{:?}: {status}", process.life);
        }
        match std::mem::take(&mut self.oracle).judge(HANDS) {
            Ok(seen) => println!("{deaths} deaths, {seen:?}"),
            Err(wrong) => {
                panic!("{} things are wrong, such as\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"))
            }
        }
    }
}

/// Tasks, ports, descriptors, and messages queued of a node.
fn holdings(nodes: &Nodes, number: usize) -> (u32, u32, usize, f64) {
    let info = nodes.info(number);
    let fds = std::fs::read_dir(format!("/proc/{}/fd", info.pid)).expect("a node of ours").count();
    (info.tasks, info.ports, fds, nodes.metric(number, "mach_messages_queued"))
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

#[test]
fn rights_and_messages_of_threads_that_act_and_die_at_random() {
    let seed = variable("MACH_SOAK_SEED").unwrap_or_else(|| rand::random_range(0..1 << 48));
    let seconds = variable("MACH_SOAK_SECONDS").unwrap_or(SECONDS);
    let repeat =
        format!("MACH_SOAK_SEED={seed} MACH_SOAK_SECONDS={seconds} cargo nextest run -p mach-tests threads_that_act");
    println!("seed {seed}; again with\n  {repeat}");
    let nodes = Nodes::start(2);
    let mut random = StdRng::seed_from_u64(seed);
    let before = [1, 2].map(|n| holdings(&nodes, n));
    let mut resident = None;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let mut round = Round::new(&nodes);
        round.act(&mut random, ROUND.min(end - Instant::now()).max(Duration::from_secs(2)));
        round.end();
        for number in [1, 2] {
            nodes.assert_up(number);
            wait_until(ANSWER_WITHIN, &format!("n{number} is as before: {:?}", before[number - 1]), || {
                (holdings(&nodes, number) == before[number - 1]).then_some(())
            });
        }
        let now = [1, 2].map(|n| nodes.info(n).resident_bytes);
        let first = *resident.get_or_insert(now);
        println!("resident bytes {now:?}");
        assert!((0..2).all(|n| now[n] <= first[n] + KEPT_BYTES_MAX), "resident bytes {first:?}, now {now:?}");
    }
    println!("seed {seed}; again with\n  {repeat}");
}
