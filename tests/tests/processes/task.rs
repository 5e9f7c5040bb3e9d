//! A task that is meant to be stopped: it does one thing over and over until it is killed, or its memory fails.
//!
//! `mach-test-task SOCKET read NAME FILE` reads pages at random and compares them with the file; at the first memory
//! error it looks at every page and prints `readable N unreadable M`. A page that is not the file's is printed and ends it
//! with code 1. `... exec NAME FILE` maps, allocates and writes, and becomes `... read NAME FILE` in the middle of that.
//! `... write NAME` writes words at random; `... ports` sends, receives and calls; `... serve NAME` answers calls
//! and `... call NAME` makes them. Each prints `ready` first.
//! `... soak LIFE SEED` is a process of the soak (`tests/src/soak/worker.rs`), `... crowd NUMBER LIFE SEED MILLIS` one of a crowd
//! (`tests/src/crowd.rs`), and `... pass END SEED` one that soon is gone (`tests/src/passing.rs`).

use std::process::ExitCode;
use std::time::Duration;

use mach::proto::iface::node;
use mach::proto::{Body, Item, Message, MsgReturn, NamedRight, TraceId};
use mach::{AttachOptions, MapOptions, Mapping, MsgError, Receive, ReceiveRight, Send, Task};
use mach_tests::soak::{Life, work};
use mach_tests::{crowd, passing};
use rand::Rng;

const PAGE: u64 = 4096;

fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [socket, "read", name, file] => read(&map(socket, name, false)?, &std::fs::read(file)?),
        [socket, "exec", name, file] => exec(socket, name, file),
        [socket, "write", name] => write(&map(socket, name, true)?),
        [socket, "ports"] => ports(&attach(socket, false)?),
        [socket, "soak", life, seed] => work(socket.as_ref(), Life(life.parse()?), seed.parse()?),
        [socket, "crowd", number, life, seed, millis] => {
            let time = Duration::from_millis(millis.parse()?);
            crowd::act(socket.as_ref(), number.parse()?, life.parse()?, seed.parse()?, time).map(|()| ExitCode::SUCCESS)
        }
        [socket, "pass", end, seed] => passing::pass(socket.as_ref(), end, seed.parse()?).map(|()| ExitCode::SUCCESS),
        [socket, "serve", name] => serve(&attach(socket, false)?, name),
        [socket, "call", name] => call(&attach(socket, false)?, name),
        _ => {
            anyhow::bail!(
                "SOCKET read|exec NAME FILE, SOCKET ports, SOCKET write|serve|call NAME, SOCKET soak LIFE SEED, \
                 SOCKET crowd NUMBER LIFE SEED MILLIS, or SOCKET pass END SEED"
            )
        }
    }
}

fn attach(socket: &str, memory: bool) -> anyhow::Result<Task> {
    Ok(Task::attach(AttachOptions { socket: Some(socket.into()), token: Some(0), memory })?)
}

fn map(socket: &str, name: &str, writable: bool) -> anyhow::Result<Mapping> {
    let task = attach(socket, true)?;
    let object = task.look_up(name, "*")?;
    Ok(task.map(&object, MapOptions { writable, ..MapOptions::default() })?)
}

fn read(mapping: &Mapping, file: &[u8]) -> anyhow::Result<ExitCode> {
    println!("ready");
    let mut random = rand::rng();
    let pages = mapping.len() / PAGE;
    let mut page = [0; PAGE as usize];
    let is_right = |number: u64, page: &mut [u8; PAGE as usize]| {
        let at = (number * PAGE) as usize;
        mapping.read_at(number * PAGE, page).is_ok().then(|| page[..] == file[at..at + PAGE as usize])
    };
    loop {
        let number = random.random_range(0..pages);
        match is_right(number, &mut page) {
            Some(true) => {}
            Some(false) => return wrong(number),
            None => break,
        }
    }
    println!("error");
    let mut readable = 0;
    for number in 0..pages {
        match is_right(number, &mut page) {
            Some(true) => readable += 1,
            Some(false) => return wrong(number),
            None => {}
        }
    }
    println!("readable {readable} unreadable {}", pages - readable);
    Ok(ExitCode::SUCCESS)
}

/// Conditions: the object may be written.
fn exec(socket: &str, name: &str, file: &str) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let (mapping, bytes) = (map(socket, name, true)?, std::fs::read(file)?);
    let task = attach(socket, true)?;
    let memory = task.allocate(1 << 20)?;
    memory.write_at(0, b"gone soon")?;
    let _copy = task.freeze(memory.address(), memory.len())?;
    // What is written is what was there, so that the pages are dirty and the file stays as it is.
    mapping.write_at(0, &bytes[..3 * PAGE as usize])?;
    std::thread::spawn(move || {
        let mut page = [0; PAGE as usize];
        let pages = mapping.len() / PAGE;
        (0..).all(|round: u64| mapping.read_at(round * 7 % pages * PAGE, &mut page).is_ok())
    });
    std::thread::sleep(Duration::from_millis(5));
    let error = std::process::Command::new(std::env::current_exe()?).args([socket, "read", name, file]).exec();
    Err(error.into())
}

fn wrong(page: u64) -> anyhow::Result<ExitCode> {
    println!("page {page} is not the file's");
    Ok(ExitCode::FAILURE)
}

fn write(mapping: &Mapping) -> anyhow::Result<ExitCode> {
    println!("ready");
    let mut random = rand::rng();
    loop {
        let at = random.random_range(0..mapping.len() / 8) * 8;
        if mapping.write_at(at, &random.random::<u64>().to_le_bytes()).is_err() {
            println!("error");
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn ports(task: &Task) -> anyhow::Result<ExitCode> {
    println!("ready");
    let own = ReceiveRight::allocate(task)?;
    loop {
        let carried = ReceiveRight::allocate(task)?;
        let body = vec![
            Item::Port(own.made_send()),
            Item::Port(carried.into_named()),
            Item::OutOfLine(vec![7; 100_000].into()),
        ];
        let remote = own.made_send();
        task.send(Message { remote, local: NamedRight::NULL, id: 1, seqno: 0, trace: TraceId(0), body: body.into() })?;
        // Sometimes one stays queued when the end comes.
        if rand::random_bool(0.8) {
            drop(own.receive(Some(Duration::from_millis(20)))?);
        }
        let _ = own.receive(Some(Duration::from_millis(5)));
        task.rpc(&task.host(), node::Info)?;
    }
}

/// Answers every call with its own bytes.
fn serve(task: &Task, name: &str) -> anyhow::Result<ExitCode> {
    let port = ReceiveRight::allocate(task)?;
    task.check_in(name, NamedRight::NULL, port.made_send())?;
    println!("ready");
    let mut answer = None;
    loop {
        match task.mach_msg(answer.take(), Some(Receive::from(port.name()))) {
            Ok(request) => {
                let Message { remote, id, body, trace, .. } = request.expect("a message was asked for");
                let message = Message { remote, local: NamedRight::NULL, id: id + 1_000_000, seqno: 0, trace, body };
                answer = Some(Send { message, timeout: None });
            }
            // A caller that is gone.
            Err(MsgError::Code { code: MsgReturn::SendInvalidDest, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Calls without end.
fn call(task: &Task, name: &str) -> anyhow::Result<ExitCode> {
    let server = task.look_up(name, "")?;
    let reply = ReceiveRight::allocate(task)?;
    println!("ready");
    for id in 0.. {
        let body = Body::simple(vec![id as u8; id as usize % 4000].into());
        let (local, trace) = (reply.made_send_once(), TraceId(0));
        let message = Message { remote: server.copied(), local, id, seqno: 0, trace, body: body.clone() };
        let answer = task.mach_msg(Some(Send { message, timeout: None }), Some(Receive::from(reply.name())))?;
        let answer = answer.expect("a message was asked for");
        anyhow::ensure!(answer.id == id + 1_000_000 && answer.body == body, "an answer to something else: {answer:?}");
    }
    unreachable!("it calls without end")
}
