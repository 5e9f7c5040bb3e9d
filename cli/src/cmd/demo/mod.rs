//! `mach demo`: the whole thing on this machine, with a check behind every sentence it prints.
//!
//! Three node processes A, B and C with a fresh authority; a real file exported by A; task processes on B and C that
//! map it. What a task saw is compared with the file by hash, on this side. Then A is killed.
//!
//! Invariants: (1) the exit code is 0 only if every check held; (2) nothing stays behind (`guard`); (3) no wait is
//! without a limit.

mod check;
mod file;
mod order;
mod worker;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proto::NodeName;
use rand::Rng;

use super::{Context, doctor};
use crate::args;
use crate::client::Client;
use crate::failure::{Cure, Exit, Failure, OrFail, Result};
use crate::guard::Guard;
use crate::launch::{self, Lifetime, Plan, Started};
use crate::progress::Unit;
use crate::state::{NodeDir, StateDir};
use crate::units::{Bytes, Span};

use check::{Checks, Numbers};
use order::{Order, Report};
use worker::Worker;

pub use worker::run_task;

/// The name of the exported object.
const NAME: &str = "demo";
/// Silence after which a node counts as dead. Short, so that the demo is.
const DEAD_AFTER: Duration = Duration::from_secs(2);
/// Longest wait of a task for a page.
const FAULT_DEADLINE: Duration = Duration::from_secs(5);
/// How long the nodes may take to start.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How long a write may take to be seen on another node.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the reader reads before A is killed, if it does not come far sooner.
const BEFORE_THE_KILL: Duration = Duration::from_millis(300);
/// What may come on top of the deadlines: scheduling on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// The stage: everything that runs while the demo does.
struct Stage {
    guard: Guard,
    nodes: Vec<Started>,
    clients: Vec<Client>,
    file: PathBuf,
    size: u64,
}

/// Runs the demo.
///
/// Errors: exit `Failed` if a check did not hold or a step failed, `Machine` if this machine cannot run nodes.
pub fn run(cx: &Context, args: &args::Demo) -> Result<()> {
    doctor::require()?;
    let guard = Guard::install(cx.out)?;
    let outcome = play(cx, args, &guard);
    if args.keep {
        guard.keep_folders();
    }
    guard.clear();
    outcome
}

fn play(cx: &Context, args: &args::Demo, guard: &Guard) -> Result<()> {
    let begun = Instant::now();
    let seed = args.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let mut checks = Checks::new(cx.out);
    let mut numbers = Numbers { seed, ..Numbers::default() };
    let mut stage = set_up(cx, args, guard)?;
    numbers.file_bytes = stage.size;
    read_from_b(cx, args, &mut stage, &mut checks, &mut numbers)?;
    share_between_b_and_c(&mut stage, cx, &mut checks, &mut numbers)?;
    kill_a(&mut stage, cx, &mut checks, &mut numbers)?;
    // A node that ends kills its tasks, and this process is one as long as the node thinks so.
    stage.clients.clear();
    for node in &mut stage.nodes[1..] {
        wait_until_forgotten(&node.dir)?;
        let ended = launch::stop(&node.dir, Duration::from_secs(5))?;
        // A node that is reaped here leaves no zombie behind.
        let _ = node.child.wait();
        checks.note(ended == Some("stopped"), format!("node {} ended in order", node.dir.name()));
    }
    numbers.demo_seconds = begun.elapsed().as_secs_f64();
    if args.keep {
        let kept = stage.nodes[0].dir.path().parent().unwrap_or(Path::new("/")).display().to_string();
        cx.out.note(format!("kept: {kept} and {}", stage.file.display()));
    }
    checks.finish(&numbers)
}

/// Three nodes that see each other, and the file exported on A.
fn set_up(cx: &Context, args: &args::Demo, guard: &Guard) -> Result<Stage> {
    let folder = guard.folder("mach-demo", &std::env::temp_dir())?;
    let cluster = StateDir::locate(Some(folder.clone())).cluster("demo")?;
    let file = folder.join("file");
    let what = file::make(cx.out, args.size.0, &file)?;
    cx.out.note(format!("file:   {what}"));
    let plan = Plan {
        names: ["a", "b", "c"].iter().filter_map(|n| NodeName::new(n)).collect(),
        log: None,
        dead_after: Some(DEAD_AFTER),
        fault_deadline: Some(FAULT_DEADLINE),
        ..Plan::default()
    };
    let mut nodes = launch::start(guard.make(|| launch::prepare(&cluster, &plan))?, Lifetime::WithParent, guard)?;
    let clients = launch::wait_until_joined(cx.out, &mut nodes, START_WITHIN)?;
    for (node, client) in nodes.iter().zip(&clients) {
        let address = client.info()?.address;
        cx.out.note(format!("node {}: process {}, {address}", node.dir.name(), node.child.id()));
    }
    let path = file.to_str().ok_or_else(|| Failure::new(Exit::Usage, "the temporary folder's name is not UTF-8"))?;
    let size = clients[0].export(path, NAME, true)?;
    cx.out.note(format!("export: `{NAME}` on a, {}, writable", Bytes(size)));
    Ok(Stage { guard: guard.clone(), nodes, clients, file, size })
}

/// Random, then sequential reads in a task on B, compared with the file.
fn read_from_b(
    cx: &Context,
    args: &args::Demo,
    stage: &mut Stage,
    checks: &mut Checks,
    numbers: &mut Numbers,
) -> Result<()> {
    let mut reader = Worker::start(&stage.guard, &stage.nodes[1].dir, "reader on b")?;
    map(&mut reader, false, stage.size)?;
    let (before_pages, before_bytes) = moved(stage)?;

    let pages = order::shuffled(stage.size.div_ceil(proto::PAGE_SIZE), args.reads, numbers.seed);
    let count = pages.len() as u64;
    let progress = cx.progress("random reads on b", Unit::Count("pages"), count);
    let report =
        reader.ask(&Order::Random { count: args.reads, seed: numbers.seed }, Some(progress), per_page(count))?;
    let Report::Read { latency, sha256, .. } = report else { return Err(reader.astray(&report)) };
    let same = sha256 == check::hash_of_pages(&stage.file, &pages)?;
    checks.note(same, format!("{count} random pages read on b are the file's (SHA-256 {}…)", &sha256[..12]));
    numbers.fault = Some(latency);

    let progress = cx.progress("sequential read on b", Unit::Bytes, stage.size);
    let report = reader.ask(&Order::Sequential, Some(progress), per_page(stage.size / proto::PAGE_SIZE))?;
    let Report::Read { bytes, read_ns, sha256, .. } = report else { return Err(reader.astray(&report)) };
    let same = bytes == stage.size && sha256 == check::hash_of_file(&stage.file)?;
    let rate = crate::units::megabytes_per_second(bytes, Duration::from_nanos(read_ns));
    let hash = &sha256[..12];
    checks.note(same, format!("all {bytes} bytes read in order on b are the file's ({rate:.0} MB/s, SHA-256 {hash}…)"));
    numbers.sequential_mb_per_s = rate;

    let (after_pages, after_bytes) = moved(stage)?;
    numbers.pages_moved = after_pages - before_pages;
    numbers.wire_bytes = after_bytes - before_bytes;
    reader.end()
}

/// One writable mapping on B and one on C; what either writes, the other sees, and the file holds in the end.
fn share_between_b_and_c(stage: &mut Stage, cx: &Context, checks: &mut Checks, numbers: &mut Numbers) -> Result<()> {
    let mut on_b = Worker::start(&stage.guard, &stage.nodes[1].dir, "writer on b")?;
    let mut on_c = Worker::start(&stage.guard, &stage.nodes[2].dir, "writer on c")?;
    map(&mut on_b, true, stage.size)?;
    map(&mut on_c, true, stage.size)?;
    cx.out.note("shared: mapped writable on b and on c");
    let middle = proto::vm::trunc_page(stage.size / 2) + 100;
    let from_c = hex::encode(format!("written on c, {}", numbers.seed));
    let from_b = hex::encode(format!("written on b, {}", numbers.seed));
    write_and_see(&mut on_c, &mut on_b, (middle, &from_c), checks, numbers)?;
    write_and_see(&mut on_b, &mut on_c, (middle + 64, &from_b), checks, numbers)?;
    let in_file = check::bytes_at(&stage.file, middle, from_c.len() / 2)?;
    let in_file_too = check::bytes_at(&stage.file, middle + 64, from_b.len() / 2)?;
    let both = hex::encode(in_file) == from_c && hex::encode(in_file_too) == from_b;
    checks.note(both, "both writes are in the file on a".into());
    on_b.end()?;
    on_c.end()
}

/// One task writes, another has to see it.
fn write_and_see(
    writer: &mut Worker,
    reader: &mut Worker,
    (offset, bytes): (u64, &str),
    checks: &mut Checks,
    numbers: &mut Numbers,
) -> Result<()> {
    let limit = SEEN_WITHIN + SLACK;
    let begun = Instant::now();
    let report = writer.ask(&Order::Write { offset, bytes: bytes.to_owned() }, None, limit)?;
    let Report::Done { .. } = report else { return Err(writer.astray(&report)) };
    let wait = Order::Await { offset, bytes: bytes.to_owned(), limit_ms: SEEN_WITHIN.as_millis() as u64 };
    let seen = matches!(reader.ask(&wait, None, limit)?, Report::Done { .. });
    let took = begun.elapsed();
    numbers.write_seen_ms = numbers.write_seen_ms.max(took.as_secs_f64() * 1e3);
    checks.note(seen, format!("{} is seen by the {} ({})", said(bytes), reader.name(), Span(took)));
    Ok(())
}

/// A reader on C in the middle of its work, and A killed.
fn kill_a(stage: &mut Stage, cx: &Context, checks: &mut Checks, numbers: &mut Numbers) -> Result<()> {
    let hash_b = check::hash_of_file(&stage.file)?;
    let mut bystander = Worker::start(&stage.guard, &stage.nodes[1].dir, "bystander on b")?;
    map(&mut bystander, false, stage.size)?;
    let progress = cx.progress("reading again on b", Unit::Bytes, stage.size);
    let report = bystander.ask(&Order::Sequential, Some(progress), per_page(stage.size / proto::PAGE_SIZE))?;
    checks.note(
        matches!(&report, Report::Read { sha256, .. } if *sha256 == hash_b),
        "b sees the file with both writes".into(),
    );

    let mut reader = Worker::start(&stage.guard, &stage.nodes[2].dir, "reader on c")?;
    map(&mut reader, false, stage.size)?;
    reader.tell(&Order::ReadUntilError { seed: numbers.seed })?;
    reader.until_underway(stage.size / proto::PAGE_SIZE / 8, BEFORE_THE_KILL);
    let child = &mut stage.nodes[0].child;
    child.kill().or_fail(|| "cannot kill node a".into())?;
    let killed = Instant::now();
    child.wait().or_fail(|| "cannot wait for node a".into())?;
    cx.out.note(format!("kill:   node a, process {}, with SIGKILL while a task on c reads", child.id()));

    let limit = DEAD_AFTER + FAULT_DEADLINE + SLACK;
    let report = reader.answer(None, limit).cure(|| "the reader hangs: this is a defect".into())?;
    let noticed = killed.elapsed();
    let Report::Stopped { pages, sha256, error, .. } = report else { return Err(reader.astray(&report)) };
    numbers.error_after_s = noticed.as_secs_f64();
    checks.note(error.is_some(), format!("the reader got a memory error {} after the kill", Span(noticed)));
    if let Some(error) = &error {
        cx.out.note(format!("        it says: {error}"));
    }
    let order = order::shuffled(stage.size.div_ceil(proto::PAGE_SIZE), pages, numbers.seed);
    let same = sha256 == check::hash_of_pages(&stage.file, &order)?;
    checks.note(same, format!("the {pages} pages that it read before are the file's; none is made up"));

    let report = bystander.ask(&Order::Survey, None, limit + per_page(stage.size / proto::PAGE_SIZE))?;
    let Report::Survey { unreadable, sha256, .. } = report else { return Err(bystander.astray(&report)) };
    let all: Vec<u64> = (0..stage.size.div_ceil(proto::PAGE_SIZE)).collect();
    let readable: Vec<u64> = all.into_iter().filter(|p| unreadable.binary_search(p).is_err()).collect();
    let same = sha256 == check::hash_of_pages(&stage.file, &readable)?;
    let text = format!(
        "b reads on without a: {} pages are the file's, {} are memory errors",
        readable.len(),
        unreadable.len()
    );
    checks.note(same, text);
    reader.end()?;
    bystander.end()
}

/// Has a task map the object and compares its size.
fn map(worker: &mut Worker, writable: bool, size: u64) -> Result<()> {
    let report = worker.ask(&Order::Map { name: NAME.into(), writable }, None, START_WITHIN)?;
    match report {
        Report::Mapped { size: mapped } if mapped == size => Ok(()),
        other => Err(worker.astray(&other)),
    }
}

/// Pages that B has fetched for the object, and bytes that its links to A have carried both ways.
fn moved(stage: &Stage) -> Result<(u64, u64)> {
    let objects = stage.clients[1].objects()?;
    let pages = objects.iter().filter(|o| o.role == "cache").map(|o| o.pages_in).sum();
    let members = stage.clients[1].members()?;
    let bytes = members.iter().filter(|m| m.name == "a").map(|m| m.sent_bytes + m.received_bytes).sum();
    Ok((pages, bytes))
}

/// Waits until a node does not count this process among its tasks. Another process has to ask.
fn wait_until_forgotten(node: &NodeDir) -> Result<()> {
    let deadline = Instant::now() + SLACK;
    let own = u64::from(std::process::id());
    loop {
        let mut ask = Command::new(crate::process::current_exe()?);
        let list = ask.args(["task", "ls", "--json", "--socket"]).arg(node.socket()).output();
        let list = list.or_fail(|| format!("cannot ask node {} for its tasks", node.name()))?;
        let tasks: Vec<serde_json::Value> = serde_json::from_slice(&list.stdout).unwrap_or_default();
        if list.status.success() && tasks.iter().all(|t| t["pid"] != own) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let what = format!("node {} still counts the demo among its tasks", node.name());
            return Err(Failure::new(Exit::Failed, what).because(String::from_utf8_lossy(&list.stderr)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How long `pages` page-sized steps may take: far more than they need, far less than for ever.
fn per_page(pages: u64) -> Duration {
    FAULT_DEADLINE + Duration::from_millis(pages * 5)
}

/// A hexadecimal text in quotation marks.
fn said(bytes: &str) -> String {
    format!("\"{}\"", String::from_utf8_lossy(&hex::decode(bytes).unwrap_or_default()))
}
