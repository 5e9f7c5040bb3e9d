//! `cargo xtask check`: what a reader may rely on without looking. It never writes.
//!
//! Formatting and clippy are cargo's; the rest are functions from a [`Tree`] to a list of faults, so that their tests
//! plant a fault and see it found.

mod imports;
mod spec;
mod tidy;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The text files of the workspace by path from its root.
#[derive(Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads all files but build output and what git keeps; binary files are left out.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut tree = Tree::default();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(root.join(&folder)).with_context(|| folder.clone())? {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                let kind = entry.file_type()?;
                // In a further work tree of git `.git` is a file.
                if name == ".git" || name == "target" {
                    continue;
                }
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file()
                    && let Ok(text) = std::fs::read_to_string(entry.path())
                {
                    tree.files.insert(path, text);
                }
            }
        }
        Ok(tree)
    }

    /// Files whose name ends in `.extension`.
    fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let ends = move |path: &str| path.rsplit_once('.').is_some_and(|(_, e)| e == extension);
        self.files.iter().filter(move |(path, _)| ends(path)).map(|(p, t)| (p.as_str(), t.as_str()))
    }

    /// Whether there is a file or folder of this path.
    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.contains_key(path)
            || self.files.keys().any(|f| f.strip_prefix(path).is_some_and(|r| r.starts_with('/')))
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Tree {
        Tree { files: files.iter().map(|(p, t)| (p.to_string(), t.to_string())).collect() }
    }
}

/// Everything.
pub fn run(root: &Path) -> Result<()> {
    crate::generate::run(root, true)?;
    let tree = Tree::read(root)?;
    report([imports::faults(&tree), tidy::faults(&tree), spec::faults(&tree)].concat())?;
    cargo(root, &["fmt", "--all", "--check"])?;
    cargo(root, &["clippy", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// Only the rules of `docs/spec` and their tests.
pub fn run_spec(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    report(spec::faults(&tree))?;
    println!("{} rules, each with a test of its name", spec::rules(&tree).len());
    Ok(())
}

fn report(faults: Vec<String>) -> Result<()> {
    faults.iter().for_each(|f| eprintln!("{f}"));
    ensure!(faults.is_empty(), "{} faults", faults.len());
    Ok(())
}

fn cargo(root: &Path, args: &[&str]) -> Result<()> {
    cargo_with(root, args, &[])
}

/// Runs cargo in the workspace; its output is the user's.
pub fn cargo_with(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    let status = command.args(args).envs(environment.iter().copied()).current_dir(root).status();
    let status = status.context("running cargo")?;
    ensure!(status.success(), "cargo {} failed: {status}", args.join(" "));
    Ok(())
}

/// The code of a source file: without comments and without the tests at its end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    body.lines().enumerate().map(|(i, l)| (i + 1, l.split("//").next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_holds_its_own_sources_and_no_build_output() {
        let tree = Tree::read(&crate::root()).unwrap();
        assert!(tree.has("xtask/src/check") && tree.has("Cargo.toml") && !tree.has("xtask/src/chec"));
        assert!(!tree.has("target") && !tree.has(".git"));
    }

    #[test]
    fn comments_and_tests_are_no_code() {
        let text = "use a; // use b\n#[cfg(test)]\nmod tests { use c; }\n";
        assert_eq!(code(text).map(|(n, l)| (n, l.trim())).collect::<Vec<_>>(), [(1, "use a;")]);
    }
}
