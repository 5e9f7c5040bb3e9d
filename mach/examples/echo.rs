//! A task that answers with what it is told, and one that talks to it.
//!
//! `echo serve NAME` checks a port in under NAME; `echo say NAME WORDS...`, on any node of the cluster, prints the answer.
//! Both find their node by `MACH_SOCKET`.

use std::error::Error;
use std::time::Duration;

use mach::proto::NamedRight;
use mach::{AttachOptions, Outgoing, ReceiveRight, Task};

/// `msgh_id` of a request; its answer has 100 more, as everywhere.
const ECHO: i32 = 410_000;

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::attach(AttachOptions { memory: false, ..AttachOptions::default() })?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [verb, name] if verb == "serve" => serve(&task, name),
        [verb, name, said @ ..] if verb == "say" => say(&task, name, &said.join(" ")),
        _ => Err("echo serve NAME, or echo say NAME WORDS...".into()),
    }
}

fn serve(task: &Task, name: &str) -> Result<(), Box<dyn Error>> {
    let port = ReceiveRight::allocate(task)?;
    task.check_in(name, NamedRight::NULL, port.made_send())?;
    println!("ready");
    loop {
        let mut request = port.receive(None)?;
        // What a request has beside its text goes with it; a reply right that is not used is given up.
        let (id, reply) = (request.id, std::mem::take(&mut request.reply));
        let Ok(text) = request.items().and_then(|mut items| items.text()) else { continue };
        if id == ECHO && reply.is_some() {
            // Whoever asked may be gone.
            let _ = Outgoing::new(reply, ECHO + 100).text(&text).send(task);
        }
    }
}

fn say(task: &Task, name: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let server = task.look_up(name, "*")?;
    let answers = ReceiveRight::allocate(task)?;
    Outgoing::new(&server, ECHO).reply_to(answers.made_send_once()).text(text).send(task)?;
    let answer = answers.receive(Some(Duration::from_secs(10)))?;
    if answer.id != ECHO + 100 {
        return Err("the server ended without an answer".into());
    }
    println!("{}", answer.items()?.text()?);
    Ok(())
}
