//! A client of the network name service, by the stubs that are generated from its definition.
//!
//! `names keep NAME` checks a port in and keeps it until its standard input ends; `names find NAME [HOST]` says where it is;
//! `names watch NAME` waits until the port that is found dies.

use std::error::Error;

use mach::iface::notify::{self, Notify};
use mach::proto::SimpleRoutine;
use mach::proto::iface::notify as stubs;
use mach::{AttachOptions, Call, Code, ReceiveRight, Right, SendRight, Task};

fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::attach(AttachOptions { memory: false, ..AttachOptions::default() })?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["keep", name] => keep(&task, name),
        ["find", name] => find(&task, name, "*").map(|right| println!("{name} is {:?} here", right.name())),
        ["find", name, host] => find(&task, name, host).map(|right| println!("{name} is {:?} here", right.name())),
        ["watch", name] => watch(&task, name),
        _ => Err("names keep NAME, names find NAME [HOST], or names watch NAME".into()),
    }
}

fn keep(task: &Task, name: &str) -> Result<(), Box<dyn Error>> {
    let port = ReceiveRight::allocate(task)?;
    // Only who has the signature can take the name back.
    let signature = ReceiveRight::allocate(task)?;
    task.names().check_in(name, signature.made_send(), port.made_send()).wait()?;
    println!("ready");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    task.names().check_out(name, signature.made_send()).wait()?;
    println!("{name} is free again");
    Ok(())
}

fn find(task: &Task, name: &str, host: &str) -> Result<SendRight, Box<dyn Error>> {
    Ok(task.names().look_up(host, name).wait()?.port_id.send()?)
}

/// Hears of the death of the port that it waits for.
struct Mourner;

impl Notify for Mourner {
    fn dead_name(&mut self, call: &mut Call, request: stubs::DeadName) -> Result<(), Code> {
        println!("{:#x} is dead", request.name);
        call.stop();
        Ok(())
    }
}

fn watch(task: &Task, name: &str) -> Result<(), Box<dyn Error>> {
    let right = find(task, name, "*")?;
    let told = ReceiveRight::allocate(task)?;
    let dead_name = <stubs::DeadName as SimpleRoutine<Right>>::ID;
    let asked = task.ports().request_notification(right.name().0, dead_name, 1, told.made_send_once()).wait()?;
    assert!(!asked.previous.is_some(), "nobody else has asked on this name");
    println!("ready");
    mach::serve(&told, &mut notify::Server(Mourner))?;
    // The notification came with a reference of its own to the name.
    task.ports().deallocate(right.name().0).wait()?;
    Ok(())
}
