//! Tasks that talk to each other, introduced by a room that hears nothing of what they say.
//!
//! `chat room NAME` keeps the room; `chat join NAME ME` joins it as ME, says each line of its standard input to everybody who
//! is there, and prints what the others say. Who joins gives the room a right to its port; the room passes it on.

use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex};

use mach::proto::NamedRight;
use mach::{AttachOptions, Canceller, Incoming, Outgoing, ReceiveRight, SendRight, Task, Unexpected};

/// To the room: who comes, and a right to its port. From the room: who else is there, likewise.
const HERE_IS: i32 = 411_000;
/// From one to the other: a line, and who says it.
const SAYS: i32 = 411_001;

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::attach(AttachOptions { memory: false, ..AttachOptions::default() })?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["room", name] => room(&task, name),
        ["join", name, me] => join(&task, name, me),
        _ => Err("chat room NAME, or chat join NAME ME".into()),
    }
}

/// Somebody, and how to reach them.
type Member = (String, SendRight);

fn room(task: &Task, name: &str) -> Result<(), Box<dyn Error>> {
    let port = ReceiveRight::allocate(task)?;
    task.check_in(name, NamedRight::NULL, port.made_send())?;
    println!("ready");
    let mut members: Vec<Member> = Vec::new();
    loop {
        let Ok((who, right)) = introduced(port.receive(None)?) else { continue };
        // Everybody is told of the newcomer, and the newcomer of everybody; who has left cannot be told.
        members.retain(|(other, to)| {
            let told = Outgoing::new(to, HERE_IS).text(&who).right(&right).send(task);
            told.is_ok() && Outgoing::new(&right, HERE_IS).text(other).right(to).send(task).is_ok()
        });
        println!("{who} is here");
        members.push((who, right));
    }
}

fn introduced(message: Incoming) -> Result<Member, Unexpected> {
    if message.id != HERE_IS {
        return Err(Unexpected("an introduction"));
    }
    let mut items = message.items()?;
    Ok((items.text()?, items.right()?.send()?))
}

fn join(task: &Task, name: &str, me: &str) -> Result<(), Box<dyn Error>> {
    let port = ReceiveRight::allocate(task)?;
    let room = task.look_up(name, "*")?;
    Outgoing::new(&room, HERE_IS).text(me).right(port.made_send()).send(task)?;
    let others: Arc<Mutex<Vec<Member>>> = Arc::default();
    let canceller = Canceller::new(task);
    let listening = {
        let (others, canceller) = (others.clone(), canceller.clone());
        std::thread::spawn(move || canceller.scope(|| listen(&port, &others)))
    };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut others = others.lock().expect("nobody panicked");
        others.retain(|(_, to)| Outgoing::new(to, SAYS).text(me).text(&line).send(task).is_ok());
    }
    canceller.cancel();
    listening.join().expect("the listener does not panic");
    Ok(())
}

/// Hears who comes and what is said, until it is cancelled.
fn listen(port: &ReceiveRight, others: &Mutex<Vec<Member>>) {
    while let Ok(message) = port.receive(None) {
        if message.id == SAYS {
            let said = message.items().and_then(|mut items| Ok((items.text()?, items.text()?)));
            if let Ok((who, line)) = said {
                println!("{who}: {line}");
            }
        } else if let Ok((who, right)) = introduced(message) {
            println!("{who} is here");
            others.lock().expect("nobody panicked").push((who, right));
        }
    }
}
