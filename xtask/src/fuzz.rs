//! The fuzz targets of `fuzz/`: libFuzzer with the stable compiler, whose coverage counters are two stable flags away. No
//! address sanitizer, which would need a nightly one; there is no `unsafe` in what is fuzzed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Each has a folder of its name in `fuzz/corpus`.
const TARGETS: [&str; 4] = ["trap_record", "body", "link_frame", "core_calls"];
/// What `cargo fuzz` passes, without the sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Of the build; not the host's own, so that build scripts and macros go without the flags.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Runs each target for so many seconds, from its corpus on; what is new goes to a folder that is not kept.
///
/// Errors: a target found something; libFuzzer has printed it and where the input is.
pub fn run(root: &Path, seconds: &str) -> Result<()> {
    let seconds: u32 = seconds.parse().context("seconds of each target")?;
    let folder = root.join("fuzz");
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--target", TRIPLE]).current_dir(&folder).env("RUSTFLAGS", FLAGS);
    ensure!(build.status()?.success(), "the targets could not be built");
    for target in TARGETS {
        let (corpus, found) = (folder.join("corpus").join(target), folder.join("target/found").join(target));
        std::fs::create_dir_all(&found)?;
        let mut run = Command::new(folder.join("target").join(TRIPLE).join("release").join(target));
        run.args([&found, &corpus]).arg(format!("-max_total_time={seconds}")).args(["-max_len=4096", "-timeout=10"]);
        run.arg(format!("-artifact_prefix={}/", folder.join("target").display()));
        println!("fuzz {target} for {seconds} s");
        ensure!(run.status()?.success(), "{target} found something");
    }
    Ok(())
}
