//! Developer commands: generated files, checks, the whole test run.

mod check;
mod fuzz;
mod generate;
mod image;
mod install;
mod machine;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND
  gen [--check]  write the stubs, the wire records and the reference page (or say whether they are stale)
  check          format, clippy, import rules, tidiness, rules with their tests; writes nothing
  spec           only the rules of docs/spec and their tests
  test           every test; installs and starts what they need (--without containers, --without netns)
  fuzz SECONDS   each target of fuzz/ for so long, from its corpus on
  static         the static binary
  install-libmach PREFIX  the C library, its headers and its file for pkg-config
  image [TAG]    the static binary and the container image of it";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match *args {
        ["gen"] => generate::run(&root(), false),
        ["gen", "--check"] => generate::run(&root(), true),
        ["check"] => check::run(&root()),
        ["spec"] => check::run_spec(&root()),
        ["test", ref rest @ ..] => test::run(&root(), rest),
        ["fuzz", seconds] => fuzz::run(&root(), seconds),
        ["static"] => image::static_binary(&root()).map(|path| println!("{}", path.display())),
        ["install-libmach", prefix] => install::libmach(&root(), std::path::Path::new(prefix)),
        ["image"] => image::build(&root(), &image::static_binary(&root())?, image::NAME),
        ["image", tag] => image::build(&root(), &image::static_binary(&root())?, tag),
        _ => bail!("{USAGE}"),
    }
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}
