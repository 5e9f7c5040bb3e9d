//! `deploy/compose.yaml` as it is shipped, with whichever compose this machine has.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mach_tests::{Answer, mach_binary, run, userfaultfd_device, wait_until};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const COMPOSE_MAX: Duration = Duration::from_secs(120);
const JOIN_MAX: Duration = Duration::from_secs(40);

/// A project of its own; dropping it takes down all of it.
struct Project {
    words: Vec<String>,
    _folder: TempDir,
}

impl Project {
    /// Brings the file up on a subnet that nobody has: the engine refuses one that overlaps.
    fn up() -> Project {
        (20..40)
            .find_map(|k| {
                let project = Project::on(&format!("10.77.{k}"));
                let answer = project.compose(&["up", "-d"]);
                assert!(answer.code == Some(0) || answer.stderr.contains("overlaps"), "{}", answer.stderr);
                (answer.code == Some(0)).then_some(project)
            })
            .expect("a free subnet")
    }

    fn on(net: &str) -> Project {
        let name = format!("mach-test-compose-{}", std::process::id());
        let folder = tempfile::Builder::new().prefix(&name).tempdir().expect("a folder");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose.yaml");
        let image = std::env::var("MACH_IMAGE").unwrap_or_else(|_| "mach/node:test".to_owned());
        let data = folder.path().join("data");
        let mut words = vec!["env".to_owned(), format!("MACH_NET={net}"), format!("MACH_IMAGE={image}")];
        words.push(format!("MACH_UFFD={}", userfaultfd_device(folder.path()).display()));
        words.push(format!("MACH_DATA={}", data.display()));
        let plugin = Command::new("docker").args(["compose", "version"]).output().is_ok_and(|o| o.status.success());
        let compose: &[&str] = if plugin { &["docker", "compose"] } else { &["docker-compose"] };
        words.extend(compose.iter().map(|w| w.to_string()));
        words.extend(["-p", &name, "-f", &file.display().to_string()].map(str::to_owned));
        Project { words, _folder: folder }
    }

    fn compose(&self, args: &[&str]) -> Answer {
        let words: Vec<&str> = self.words.iter().map(String::as_str).chain(args.iter().copied()).collect();
        run(COMPOSE_MAX, &words)
    }

    /// Runs `mach` in the container of a service.
    fn mach(&self, service: &str, args: &[&str]) -> Answer {
        self.compose(&[&["exec", "-T", service, "/mach"], args].concat())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (logs, list) = (self.compose(&["logs", "--tail", "100"]), self.compose(&["ps"]));
            eprintln!("{}{}{}", logs.text(), logs.stderr, list.text());
        }
        self.compose(&["down", "-v", "-t", "2"]);
    }
}

mod containers {
    use super::*;

    #[test]
    #[ignore = "starts containers: run by `cargo xtask test`"]
    fn the_shipped_compose_file_gives_three_nodes_that_map_each_other() {
        let project = Project::up();
        wait_until(JOIN_MAX, "n2 sees three nodes", || {
            let status = project.mach("n2", &["cluster", "status", "--json"]);
            let rows: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
            (rows[0]["sees"] == 3).then_some(())
        });
        project.mach("n1", &["export", "/mach", "--name", "data"]).ok();
        let binary = std::fs::read(mach_binary()).expect("the binary that the image has");
        let hash: String = Sha256::digest(&binary).iter().map(|b| format!("{b:02x}")).collect();
        let seen = project.mach("n3", &["map", "data", "--sha256"]).ok().text();
        assert!(seen.contains(&hash), "{seen}");
    }
}
