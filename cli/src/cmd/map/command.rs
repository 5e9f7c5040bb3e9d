//! `mach map NAME -- COMMAND`: a program becomes a task whose bootstrap port is the object.
//!
//! The node keeps a task record with a token; whoever attaches with the token is that task. This process then becomes
//! the program, so that its exit code, its signals and its terminal are the program's own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::super::Context;
use crate::args;
use crate::client::Client;
use crate::failure::{Exit, OrFail, Result};

/// Does not return unless it fails.
pub fn run(cx: &Context, client: &Client, args: &args::Map) -> Result<()> {
    let token = client.prepare_task(&args.name, &args.from)?;
    let [program, arguments @ ..] = &args.command[..] else { return Ok(()) };
    cx.out.note(format!(
        "starting {program} as a task of {} with `{}` as its bootstrap port",
        client.node(),
        args.name
    ));
    let mut command = Command::new(program);
    command.args(arguments).env("MACH_SOCKET", client.socket()).env("MACH_TOKEN", token.to_string());
    let error = command.exec();
    let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    Err(error).or_exit(exit, || format!("cannot start {program}"))
}
