//! What the tests of the whole share: clusters whose nodes have machines of their own.
//!
//! A [`Cluster`] is made of containers or of network namespaces; a test is written once against [`Host`] and run on
//! both. Everything a cluster made goes when it is dropped; when a test panics, the nodes' logs are printed first.
//!
//! Such tests are `#[ignore]`d: `cargo xtask test` prepares the machine and runs them.

mod cluster;
mod containers;
pub mod crowd;
mod host;
mod netns;
pub mod passing;
pub mod processes;
mod run;
pub mod soak;
mod talk;

use std::path::PathBuf;

pub use cluster::{Cluster, DEAD_AFTER, FAULT_DEADLINE, userfaultfd_device};
pub use host::Host;
pub use run::{Answer, run, wait_until};
pub use talk::Talk;

/// The `mach` binary: `MACH_BIN`, else the one that cargo put beside this test.
///
/// Panics with the command that builds it when there is none.
pub fn mach_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MACH_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path = profile.join("mach");
    assert!(path.exists(), "{} is missing: run `cargo build -p mach-cli`, or set MACH_BIN", path.display());
    path
}
