//! `cargo xtask test`: every test there is, also those that start containers and hosts of their own.
//!
//! A test that wants more than the process it runs in is `#[ignore]`d, so that plain `cargo test` says that it was left
//! out; here all are run, and one that is left out without having been asked for is a failure.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::image;
use crate::machine::{Machine, is_root};

/// The image of the tests, so that a user's own stays as it is.
const IMAGE: &str = "mach/node:test";
/// The modules of tests that can be left out by name.
const GROUPS: &[&str] = &["containers", "netns"];

/// What a runner said at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counts {
    passed: u64,
    /// Of these, at the second try.
    retried: u64,
    failed: u64,
    left_out: u64,
}

impl std::ops::Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            passed: self.passed + other.passed,
            retried: self.retried + other.retried,
            failed: self.failed + other.failed,
            left_out: self.left_out + other.left_out,
        }
    }
}

/// Runs everything but the groups of `--without GROUP`.
pub fn run(root: &Path, args: &[&str]) -> Result<()> {
    let mut without = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let group = (*arg == "--without").then(|| args.next()).flatten().filter(|g| GROUPS.contains(g));
        without.push(*group.with_context(|| format!("usage: cargo xtask test [--without {}]...", GROUPS.join("|")))?);
    }
    let containers = !without.contains(&"containers");
    let binary = image::static_binary(root)?;
    let _machine = Machine::prepare(root, containers)
        .context("the tests need this; `cargo xtask test --without containers` runs the others")?;
    if containers {
        image::build(root, &binary, IMAGE)?;
    }
    let nextest = Command::new(env!("CARGO")).args(["nextest", "--version"]).output().is_ok_and(|o| o.status.success());
    let tests = if nextest { nextest_args(&without) } else { plain_args(&without) };
    let tests = counted(root, &tests, &binary)?;
    let docs = counted(root, &["test", "--workspace", "--doc"].map(str::to_owned), &binary);
    let sum = tests + docs.as_ref().map(|c| *c).unwrap_or_default();
    println!("\ntests: {} passed, {} failed, {} left out", sum.passed, sum.failed, sum.left_out);
    if sum.retried > 0 {
        println!("of those that passed, {} did so at the second try: listed above as FLAKY", sum.retried);
    }
    for group in &without {
        println!("not run, as asked: {group}");
    }
    docs?;
    ensure!(sum.failed == 0, "{} tests failed", sum.failed);
    ensure!(sum.left_out == 0 || !without.is_empty(), "{} tests were left out", sum.left_out);
    ensure!(sum.passed > 0, "no test was run");
    Ok(())
}

fn nextest_args(without: &[&str]) -> Vec<String> {
    let mut args =
        ["nextest", "run", "--workspace", "--run-ignored", "all", "--no-fail-fast"].map(str::to_owned).to_vec();
    for group in without {
        args.extend(["-E".to_owned(), format!("not test(/^{group}::/)")]);
    }
    args
}

fn plain_args(without: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = [
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
        "--no-fail-fast",
        "--",
        "--include-ignored",
    ]
    .map(str::to_owned)
    .to_vec();
    without.iter().for_each(|group| args.extend(["--skip".to_owned(), format!("{group}::")]));
    args
}

/// Runs cargo, shows what it says, and reads the counts from it.
///
/// Errors: it failed without a failed test, as when something does not compile.
fn counted(root: &Path, args: &[String], binary: &Path) -> Result<Counts> {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(root).env("MACH_BIN", binary).env("MACH_IMAGE", IMAGE);
    if !is_root() {
        // What is built stays the user's; only the tests run as root, for userfaultfd, namespaces and the engine.
        let triple = binary.ancestors().nth(2).and_then(|t| t.file_name()).context("the path of the binary")?;
        let key = triple.to_string_lossy().replace('-', "_").to_uppercase();
        command.env(format!("CARGO_TARGET_{key}_RUNNER"), "sudo -E --");
    }
    // One pipe for both, so that the lines stay in order.
    let (reader, writer) = std::io::pipe()?;
    let mut child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    drop(command);
    let mut tally = Tally::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let mut out = std::io::stdout().lock();
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        tally.line(&String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    let sum = tally.end();
    if !status.success() && sum.failed == 0 {
        bail!("cargo {}: {status}", args.join(" "));
    }
    Ok(sum)
}

/// Adds up the closing lines of the programs that cargo runs one after another.
#[derive(Default)]
struct Tally {
    sum: Counts,
    /// Of the program that runs now: its last closing line, since a test may run its program again within itself.
    last: Counts,
}

impl Tally {
    fn line(&mut self, line: &str) {
        if line.starts_with("     Running ") || line.starts_with("   Doc-tests ") {
            self.sum = self.sum + std::mem::take(&mut self.last);
        }
        self.last = closing_line(line).unwrap_or(self.last);
    }

    fn end(self) -> Counts {
        self.sum + self.last
    }
}

/// The counts of a line with which nextest or the standard harness ends.
fn closing_line(line: &str) -> Option<Counts> {
    // Where nextest shows what a failed test printed, that is indented.
    if !(line.trim_start().starts_with("Summary [") || line.starts_with("test result: ")) {
        return None;
    }
    let words: Vec<&str> = line.split([' ', ',', ';', '(', ')']).filter(|w| !w.is_empty()).collect();
    let of = |wanted: &[&str]| -> u64 {
        let pairs = words.windows(2).filter(|pair| wanted.contains(&pair[1]));
        pairs.filter_map(|pair| pair[0].parse::<u64>().ok()).sum()
    };
    Some(Counts {
        passed: of(&["passed"]),
        retried: of(&["flaky"]),
        failed: of(&["failed", "timed", "exec"]),
        left_out: of(&["skipped", "ignored", "filtered"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, left_out: u64) -> Option<Counts> {
        Some(Counts { passed, failed, left_out, ..Counts::default() })
    }

    #[test]
    fn both_runners_are_understood() {
        let nextest = "     Summary [   0.147s] 20 tests run: 17 passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(closing_line(nextest), counts(17, 3, 4));
        let retried = "     Summary [   0.147s] 20 tests run: 20 passed (1 slow, 2 flaky), 0 skipped";
        assert_eq!(closing_line(retried), counts(20, 0, 0).map(|counts| Counts { retried: 2, ..counts }));
        let plain = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.00s";
        assert_eq!(closing_line(plain), counts(3, 1, 7));
        assert_eq!(closing_line("test a ... ok, 3 passed"), None);
        assert_eq!(closing_line(&format!("    {plain}")), None);
    }

    #[test]
    fn a_program_that_a_test_runs_within_itself_does_not_count() {
        let mut tally = Tally::default();
        let text = "     Running unittests a\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 16 filtered out\n\
                    test result: ok. 17 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                    \x20  Doc-tests a\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        text.lines().for_each(|line| tally.line(line));
        assert_eq!(Some(tally.end()), counts(19, 1, 1));
    }

    #[test]
    fn a_group_is_left_out_by_the_name_of_its_module() {
        assert!(nextest_args(&["netns"]).contains(&"not test(/^netns::/)".to_owned()));
        assert!(plain_args(&["netns"]).ends_with(&["--skip".to_owned(), "netns::".to_owned()]));
    }
}
