//! What is interrupted leaves nothing behind, whenever that happens.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn mach(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mach"));
    command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("mach").tempdir_in("/tmp").unwrap()
}

fn signal(name: &str, child: &Child) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} did not appear", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_demo_leaves_no_folder_whenever_it_is_interrupted() {
    for delay in [0, 3, 10, 30, 60, 100, 200, 400, 800] {
        let folder = folder();
        let mut demo = mach(&["demo", "--size", "64MiB"]).env("TMPDIR", folder.path()).spawn().unwrap();
        let made = || std::fs::read_dir(folder.path()).unwrap().next().is_some();
        while !made() && demo.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(delay));
        signal("-INT", &demo);
        assert_eq!(demo.wait().unwrap().code(), Some(130), "after {delay} ms");
        std::thread::sleep(Duration::from_millis(50));
        assert!(!made(), "something is left after {delay} ms");
    }
}

#[test]
fn cluster_up_ends_what_it_started() {
    let folder = folder();
    // Relative, as a user may give it.
    let run = |args: &[&str]| {
        let mut command = mach(args);
        command.current_dir(folder.path()).env("MACH_DIR", "state");
        command
    };
    let mut up = run(&["cluster", "up", "--nodes", "6"]).spawn().unwrap();
    wait_for(&folder.path().join("state/local/n3/log"));
    signal("-TERM", &up);
    assert_eq!(up.wait().unwrap().code(), Some(130));
    let rows = run(&["cluster", "status", "--json"]).stdout(Stdio::piped()).output().unwrap().stdout;
    let rows: serde_json::Value = serde_json::from_slice(&rows).unwrap();
    assert!(rows.as_array().unwrap().iter().all(|row| row["state"] == "gone"), "{rows}");

    assert!(run(&["cluster", "up", "--nodes", "2"]).status().unwrap().success(), "and it can be run again");
    assert!(run(&["cluster", "down"]).status().unwrap().success());
    let none = run(&["cluster", "down", "--json"]).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(none.stdout, b"[]\n");
}
