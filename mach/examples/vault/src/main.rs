//! A service that hands out capabilities: each client gets a send right to a port of its own, and no other client can name it.
//!
//! `vault serve NAME` keeps the vault; `vault use NAME OWNER LINES...` opens a drawer, puts lines in and looks at them. The
//! clients and servers are generated from `proto/` by `build.rs`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;

use mach::iface::notify::{self, Notify};
use mach::proto::iface::notify as notices;
use mach::proto::{KernReturn, NamedRight, PortName, SimpleRoutine};
use mach::{AttachOptions, Call, Code, PortSet, ReceiveRight, Right, Task};

mach::services! {
    mod vault;
    mod drawer;
}

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::attach(AttachOptions { memory: false, ..AttachOptions::default() })?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [verb, name] if verb == "serve" => serve(&task, name),
        [verb, name, owner, lines @ ..] if verb == "use" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(visit(&task, name, owner, lines))
        }
        _ => Err("vault serve NAME, or vault use NAME OWNER LINES...".into()),
    }
}

/// One drawer: its port is the key.
struct Contents {
    port: ReceiveRight,
    owner: String,
    lines: Vec<String>,
}

/// Receives from the vault's port and from every drawer's.
struct Keeper {
    set: PortSet,
    drawers: RefCell<BTreeMap<PortName, Contents>>,
}

fn serve(task: &Task, name: &str) -> Result<(), Box<dyn Error>> {
    let keeper = Keeper { set: PortSet::allocate(task)?, drawers: RefCell::default() };
    let door = ReceiveRight::allocate(task)?;
    keeper.set.add(&door)?;
    task.check_in(name, NamedRight::NULL, door.made_send())?;
    println!("ready");
    let (vault, drawer) = (vault::Server(&keeper), drawer::Server(&keeper));
    mach::serve(&keeper.set, &mut (vault, (drawer, notify::Server(&keeper))))?;
    Ok(())
}

impl vault::Vault for &Keeper {
    fn open(&mut self, call: &mut Call, request: vault::Open) -> Result<vault::OpenReply<Right>, Code> {
        let port = ReceiveRight::allocate(&call.task)?;
        self.set.add(&port)?;
        // Told once nobody has the right any more. Nobody has one yet, but the next that is made counts.
        let id = <notices::NoSenders as SimpleRoutine<Right>>::ID;
        call.task.ports().request_notification(port.name().0, id, 1, port.made_send_once()).wait()?;
        // If the answer does not arrive, this right is given up, and that is told like any other end.
        let given = port.make_send()?;
        let contents = Contents { owner: request.owner, lines: Vec::new(), port };
        self.drawers.borrow_mut().insert(given.name(), contents);
        Ok(vault::OpenReply { drawer: given.into() })
    }

    fn count(&mut self, _: &mut Call, _: vault::Count) -> Result<vault::CountReply, Code> {
        Ok(vault::CountReply { drawers: self.drawers.borrow().len() as u32 })
    }
}

impl drawer::Drawer for &Keeper {
    fn put(&mut self, call: &mut Call, request: drawer::Put) -> Result<(), Code> {
        let mut drawers = self.drawers.borrow_mut();
        let drawer = drawers.get_mut(&call.port).ok_or(KernReturn::InvalidArgument)?;
        drawer.lines.push(request.line);
        Ok(())
    }

    fn look(&mut self, call: &mut Call, _: drawer::Look) -> Result<drawer::LookReply, Code> {
        let drawers = self.drawers.borrow();
        let drawer = drawers.get(&call.port).ok_or(KernReturn::InvalidArgument)?;
        let lines = drawer.lines.iter().map(|text| drawer::Line { text: text.clone() }).collect();
        Ok(drawer::LookReply { owner: drawer.owner.clone(), lines })
    }
}

impl Notify for &Keeper {
    fn no_senders(&mut self, call: &mut Call, _: notices::NoSenders) -> Result<(), Code> {
        if let Some(Contents { port, owner, .. }) = self.drawers.borrow_mut().remove(&call.port) {
            println!("{owner} has left a drawer");
            drop(port);
        }
        Ok(())
    }
}

async fn visit(task: &Task, name: &str, owner: &str, lines: &[String]) -> Result<(), Box<dyn Error>> {
    let vault = vault::Client::new(task, task.look_up(name, "*")?);
    let drawer = drawer::Client::new(task, vault.open(owner).await?.drawer.send()?);
    for line in lines {
        drawer.put(line).await?;
    }
    let seen = drawer.look().await?;
    println!("{}: {}", seen.owner, seen.lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>().join(", "));
    // Only the vault's own routines are at its door, and only a drawer's at a drawer.
    assert!(drawer::Client::new(task, &vault.to).look().await.is_err());
    println!("{} drawer(s)", vault.count().await?.drawers);
    Ok(())
}
