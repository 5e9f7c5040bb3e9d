//! The static binary and the container image made of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::check::cargo_with;
use crate::machine::as_root;

/// What `deploy/compose.yaml` starts.
pub const NAME: &str = "mach/node";

/// Builds `mach` without any shared library and says where it is.
pub fn static_binary(root: &Path) -> Result<PathBuf> {
    let target = host()?;
    // The target is named so that the flag is not given to procedural macros, which cannot be static.
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default() + " -C target-feature=+crt-static";
    cargo_with(root, &["build", "--release", "-p", "mach-cli", "--target", &target], &[("RUSTFLAGS", flags.trim())])?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(folder.join(target).join("release/mach"))
}

/// Builds the image from that binary.
pub fn build(root: &Path, binary: &Path, tag: &str) -> Result<()> {
    let context = root.join("target/image");
    std::fs::create_dir_all(context.join("state"))?;
    std::fs::copy(binary, context.join("mach")).with_context(|| format!("copying {}", binary.display()))?;
    std::fs::copy(root.join("deploy/Dockerfile"), context.join("Dockerfile"))?;
    let before = id(tag);
    let output = as_root("docker").args(["build", "-q", "-t", tag]).arg(&context).output().context("running docker")?;
    ensure!(output.status.success(), "docker build: {}", String::from_utf8_lossy(&output.stderr));
    // The image that had the name would stay without one. Containers that run keep it: then it is not removed.
    if let Some(before) = before.filter(|b| id(tag).as_ref() != Some(b)) {
        let _ = as_root("docker").args(["rmi", &before]).output();
    }
    println!("image {tag}: {} bytes of binary", std::fs::metadata(binary)?.len());
    Ok(())
}

/// The image that has a name now.
fn id(tag: &str) -> Option<String> {
    let output = as_root("docker").args(["images", "-q", "--no-trunc", tag]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// The triple of this machine's toolchain.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("running rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}
