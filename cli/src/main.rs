//! `mach`: the one program of distributed Mach. It runs nodes and talks to them.
//!
//! `args` says what can be asked, `cmd` does it, one file to a noun; `client` is the only place that attaches to a
//! node, `launch` and `process` the only ones that start and end processes, `out` and `failure` the only ones that
//! speak. Whatever goes wrong becomes one [`failure::Failure`], printed here.
//!
//! Architecture Invariant: except for `mach node run`, this is a task like any other; what it can do to a node, any
//! program with a right to the node's host port can.

mod args;
mod client;
mod cmd;
mod config;
mod failure;
mod guard;
mod launch;
mod out;
mod process;
mod progress;
mod state;
mod units;
mod view;

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use args::{Cli, Command};
use cmd::Context;
use failure::{Exit, Result};

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(&cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.exit() == Exit::NobodyListens => ExitCode::SUCCESS,
        Err(failure) => {
            // With nobody left to read it, the exit code still says it.
            let _ = writeln!(std::io::stderr().lock(), "{failure}");
            ExitCode::from(failure.exit() as u8)
        }
    }
}

fn run(cli: &Cli, matches: &ArgMatches) -> Result<()> {
    let cx = Context::new(&cli.common)?;
    match &cli.command {
        Command::Demo(args) => cmd::demo::run(&cx, args),
        Command::Cluster(command) => cmd::cluster::run(&cx, command),
        Command::Node(command) => cmd::node::run(&cx, command, matches),
        Command::Export(args) => cmd::export::run(&cx, args),
        Command::Object(command) => cmd::object::run(&cx, command),
        Command::Map(args) => cmd::map::run(&cx, args),
        Command::Port(command) => cmd::port::run(&cx, command),
        Command::Vm(command) => cmd::vm::run(&cx, command),
        Command::Task(command) => cmd::lists::tasks(&cx, command),
        Command::Bench(command) => cmd::bench::run(&cx, command),
        Command::Doctor => cmd::doctor::run(&cx),
        Command::DemoTask(args) => cmd::demo::run_task(args),
    }
}
