//! The commands against real nodes: processes of this machine on loopback, and tasks that map across them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mach::{AttachOptions, MapOptions, Task};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A cluster in a state directory of its own; what is left of it ends with the test.
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    fn up(nodes: u32) -> Cluster {
        Cluster::up_with(nodes, &[])
    }

    fn up_with(nodes: u32, options: &[&str]) -> Cluster {
        // Short, since the path of a socket has 107 bytes at most.
        let cluster = Cluster { folder: tempfile::Builder::new().prefix("mach").tempdir_in("/tmp").unwrap() };
        let nodes = nodes.to_string();
        cluster.ok(&[&["cluster", "up", "--quiet", "--nodes", &nodes], options].concat());
        cluster
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mach"));
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("MACH_DIR", self.folder.path().join("state"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Vec<u8> {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.ok(args)).unwrap()
    }

    #[track_caller]
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A file of `len` bytes of which no two pages are alike.
    fn file(&self, name: &str, len: usize) -> (PathBuf, Vec<u8>) {
        let bytes: Vec<u8> =
            (0..len).map(|i| (i as u64 * 7 + (i as u64 / 4096) * 131 + i as u64 / 251) as u8).collect();
        let path = self.folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    fn pid_of(&self, node: usize) -> String {
        self.json(&["cluster", "status", "--json"])[node - 1]["pid"].to_string()
    }

    /// Bounds how long a file may become by what a node writes: a write beyond that fails as on a full disk.
    fn limit_files(&self, node: usize, bytes: u64) {
        let pid = rustix::process::Pid::from_raw(self.pid_of(node).parse().unwrap());
        let limit = rustix::process::Rlimit { current: Some(bytes), maximum: Some(NO_LIMIT) };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    }

    fn signal(&self, name: &str, pid: &str) {
        assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
    }

    /// Waits until a process that was killed has ended: its sockets are closed before that.
    fn wait_gone(&self, node: usize) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.json(&["cluster", "status", "--json"])[node - 1]["state"] != "gone" {
            assert!(Instant::now() < until, "node {node} was killed and is still there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.command(&["cluster", "down", "--quiet", "--timeout", "2s"]).output();
    }
}

/// More than a test writes.
const NO_LIMIT: u64 = 1 << 30;

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_cluster_comes_up_is_seen_and_goes_down() {
    let cluster = Cluster::up(3);
    let rows = cluster.json(&["cluster", "status", "--json"]);
    let rows = rows.as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|r| r["node"].as_str().unwrap()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    assert!(rows.iter().all(|r| r["state"] == "up" && r["sees"] == 3), "{rows:?}");
    let (code, text) = cluster.fails(&["cluster", "up"]);
    assert!(code == 1 && text.contains("is up already"), "{text}");
    cluster.ok(&["cluster", "down"]);
    assert!(!cluster.folder.path().join("state/local").exists(), "nothing is left");
    cluster.ok(&["cluster", "up", "-n", "1", "--quiet"]);
}

#[test]
fn an_exported_file_is_read_on_another_node() {
    let cluster = Cluster::up(2);
    let (path, bytes) = cluster.file("data.bin", 3_000_001);
    let exported = cluster.json(&["export", path.to_str().unwrap(), "--node", "1", "--json"]);
    assert_eq!((&exported["name"], &exported["size"]), (&"data.bin".into(), &bytes.len().into()));
    let map = |rest: &[&str]| cluster.ok(&[&["map", "data.bin", "--node", "2"], rest].concat());

    assert_eq!(map(&["--read", "8191+4098"]), bytes[8191..8191 + 4098]);
    assert_eq!(map(&["--read", "3000000+1"]), bytes[3_000_000..]);
    let text = String::from_utf8(map(&["--sha256"])).unwrap();
    assert_eq!(text, format!("{}  data.bin\n", hash(&bytes)));
    let dump = String::from_utf8(map(&["--hexdump", "0x1000+17"])).unwrap();
    assert!(dump.starts_with("00001000  ") && dump.lines().count() == 2, "{dump}");
    let touched: Value = serde_json::from_slice(&map(&["--touch", "random:50:7", "--json"])).unwrap();
    assert_eq!((&touched["latency"]["count"], &touched["seed"]), (&50.into(), &7.into()));
    assert!(String::from_utf8(map(&[])).unwrap().contains("is mapped on n2"));

    let looked: Value = serde_json::from_slice(&map(&["--json"])).unwrap();
    assert_eq!((&looked["node"], &looked["size"]), (&"n2".into(), &bytes.len().into()));
    let dump: Value = serde_json::from_slice(&map(&["--hexdump", "0x1000+17", "--json"])).unwrap();
    assert_eq!((&dump["offset"], &dump["hex"]), (&4096.into(), &hex::encode(&bytes[4096..4113]).into()));

    let (code, text) = cluster.fails(&["map", "data.bin", "--node", "2", "--read", "3000000+2"]);
    assert!(code == 2 && text.contains("it has 3000001 bytes"), "{text}");
    let (code, text) = cluster.fails(&["map", "nothing", "--node", "2", "--sha256"]);
    assert!(code == 3 && text.contains("there is no object `nothing`"), "{text}");
    let (code, text) = cluster.fails(&["map", "data.bin", "--from", "n9", "--sha256"]);
    assert!(code == 3 && text.contains("does not reach a node of that name"), "{text}");
}

#[test]
fn a_write_is_durable_and_seen_elsewhere() {
    let cluster = Cluster::up(3);
    let (path, mut bytes) = cluster.file("data", 100_000);
    let file = path.to_str().unwrap();
    cluster.ok(&["export", file, "--writable", "--node", "1"]);
    cluster.ok(&["map", "data", "--node", "2", "--write", r"4094:ab\x00c", "--write", "99999:hex:ff"]);
    let written = cluster.json(&["map", "data", "--node", "2", "--write", "99998:hex:fe", "--json"]);
    assert_eq!((&written["written"], &written["durable"]), (&1.into(), &true.into()));
    bytes[99_998] = 0xfe;
    bytes[4094..4098].copy_from_slice(b"ab\0c");
    bytes[99_999] = 0xff;
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is in the file when the command ends");
    assert_eq!(cluster.ok(&["map", "data", "--node", "3", "--read", "4090+12"]), bytes[4090..4102]);

    let (read_only, _) = cluster.file("ro", 5000);
    cluster.ok(&["export", read_only.to_str().unwrap(), "--node", "1"]);
    let (code, text) = cluster.fails(&["map", "ro", "--node", "2", "--write", "0:x"]);
    assert!(code == 1 && text.contains("it was exported read-only") && text.contains("--writable"), "{text}");
    let (code, text) = cluster.fails(&["export", file, "--node", "1"]);
    assert!(code == 1 && text.contains("the name data is in use"), "{text}");
}

#[test]
fn pages_without_room_in_their_file_keep_the_cluster_up() {
    let cluster = Cluster::up(2);
    let (path, _) = cluster.file("data", 1 << 20);
    cluster.ok(&["export", path.to_str().unwrap(), "--writable", "--node", "1"]);
    cluster.limit_files(1, 64 << 10);
    let (code, text) = cluster.fails(&["map", "data", "--node", "2", "--write", "500000:hello"]);
    assert!(code == 4 && text.contains("no room on the exporter's disk"), "{text}");
    let (code, text) = cluster.fails(&["object", "rm", "data"]);
    assert!(code == 1 && text.contains("pages would be lost"), "{text}");
    let (code, text) = cluster.fails(&["cluster", "down"]);
    assert!(code == 1 && text.contains("`data` on n1: 1 page(s)") && text.contains("--force"), "{text}");
    let rows = cluster.json(&["cluster", "status", "--json"]);
    assert!(rows.as_array().unwrap().iter().all(|r| r["state"] == "up"), "{rows}");
    cluster.limit_files(1, NO_LIMIT);
    cluster.ok(&["cluster", "down"]);
    assert_eq!(&std::fs::read(&path).unwrap()[500_000..500_005], b"hello");
}

#[test]
fn an_object_is_not_withdrawn_while_what_comes_back_for_that_has_no_room() {
    let cluster = Cluster::up(2);
    let (path, bytes) = cluster.file("data", 1 << 20);
    cluster.ok(&["export", path.to_str().unwrap(), "--writable", "--node", "1"]);
    let socket = cluster.folder.path().join("state/local/n2/mach.sock");
    let task = Task::attach(AttachOptions { socket: Some(socket), token: Some(0), memory: true }).unwrap();
    let options = MapOptions { writable: true, ..MapOptions::default() };
    let mapping = task.map(&task.look_up("data", "*").unwrap(), options).unwrap();
    mapping.write_at(500_000, b"hello").unwrap();
    cluster.limit_files(1, 64 << 10);
    let (code, text) = cluster.fails(&["object", "rm", "data"]);
    assert!(code == 1 && text.contains("pages would be lost"), "it is known at last: {text}");
    for _ in 0..20 {
        let objects = cluster.json(&["object", "ls", "--node", "1", "--json"]);
        let kept = &objects[0];
        assert_eq!((&kept["dirty_pages"], &kept["failed_pages"]), (&1.into(), &1.into()), "also while it is tried");
        assert_eq!(kept["state"], "ready");
        std::thread::sleep(Duration::from_millis(100));
    }
    // Who maps it goes on.
    let mut read = [0; 8];
    mapping.read_at(499_998, &mut read).unwrap();
    assert_eq!(read, [&bytes[499_998..500_000], b"hello", &bytes[500_005..500_006]].concat()[..]);
    mapping.write_at(3, b"again").unwrap();
    cluster.limit_files(1, NO_LIMIT);
    let end = Instant::now() + Duration::from_secs(20);
    while !cluster.run(&["object", "rm", "data"]).status.success() {
        assert!(Instant::now() < end, "it is tried again each second");
        std::thread::sleep(Duration::from_millis(100));
    }
    let now = std::fs::read(&path).unwrap();
    assert_eq!((&now[500_000..500_005], &now[3..8]), (&b"hello"[..], &b"again"[..]), "by the time of the answer");
    assert_eq!(cluster.fails(&["map", "data", "--node", "2", "--sha256"]).0, 3);
    cluster.ok(&["export", path.to_str().unwrap(), "--node", "1"]);
}

#[test]
fn of_a_node_that_is_started_several_times_at_once_one_is_there() {
    let cluster = Cluster::up(2);
    let file = cluster.folder.path().join("state/local/n1/node.toml");
    let start = || cluster.command(&["node", "run", "--config"]).arg(&file).stderr(Stdio::null()).spawn().unwrap();
    cluster.signal("-9", &cluster.pid_of(1));
    for _ in 0..3 {
        let mut started: Vec<Child> = (0..4).map(|_| start()).collect();
        let end = Instant::now() + Duration::from_secs(20);
        while started.len() > 1 {
            assert!(Instant::now() < end, "all but one end");
            std::thread::sleep(Duration::from_millis(20));
            started.retain_mut(|child| child.try_wait().unwrap().is_none());
        }
        let mut one = started.pop().expect("one goes on");
        let listed = || cluster.json(&["cluster", "status", "--json"])[0].clone();
        while listed()["state"] != "up" || listed()["sees"] != 2 {
            assert!(Instant::now() < end, "{}", listed());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(listed()["pid"], one.id());
        one.kill().unwrap();
        one.wait().unwrap();
    }
}

#[test]
fn objects_are_listed_described_and_withdrawn() {
    let cluster = Cluster::up(2);
    let (path, _) = cluster.file("data", 50_000);
    cluster.ok(&["export", path.to_str().unwrap(), "--node", "2"]);
    let objects = cluster.json(&["object", "ls", "--json"]);
    assert_eq!(
        (&objects[0]["name"], &objects[0]["node"], &objects[0]["role"]),
        (&"data".into(), &"n2".into(), &"export".into())
    );
    assert_eq!(cluster.json(&["object", "show", "data", "--json"])[0]["size"], 50_000);
    assert!(!cluster.json(&["port", "ls", "--json"]).as_array().unwrap().is_empty());
    let metrics = String::from_utf8(cluster.ok(&["node", "metrics", "--node", "1"])).unwrap();
    assert!(metrics.contains("# TYPE "), "{metrics}");
    let metrics = cluster.json(&["node", "metrics", "--node", "1", "--json"]);
    assert!(metrics["text"].as_str().unwrap().contains("# TYPE "), "{metrics}");
    cluster.ok(&["object", "rm", "data"]);
    assert_eq!(cluster.fails(&["object", "rm", "data"]).0, 3);
    assert_eq!(cluster.fails(&["map", "data", "--node", "1", "--sha256"]).0, 3);
}

#[test]
fn a_program_becomes_a_task_and_its_exit_code_ours() {
    let cluster = Cluster::up(1);
    let (path, _) = cluster.file("data", 50_000);
    cluster.ok(&["export", path.to_str().unwrap()]);
    let shown = cluster.ok(&["map", "data", "--", "sh", "-c", "echo $MACH_SOCKET; test -n \"$MACH_TOKEN\""]);
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.trim().ends_with("state/local/n1/mach.sock"), "{shown}");
    assert_eq!(cluster.fails(&["map", "data", "--", "sh", "-c", "exit 7"]).0, 7);
    assert_eq!(cluster.fails(&["map", "data", "--", "/no/such/program"]).0, 3);
}

#[test]
fn limits_of_a_cluster_are_those_of_its_nodes() {
    let limits = ["--memory-limit", "128MiB", "--task-memory-limit", "48MiB", "--swap-limit", "256MiB"];
    let cluster = Cluster::up_with(2, &limits);
    for node in ["n1", "n2"] {
        let file = cluster.folder.path().join(format!("state/local/{node}/node.toml"));
        let file = std::fs::read_to_string(file).unwrap();
        let file: toml::Table = file.parse().unwrap();
        let set = ["memory-limit", "task-memory-limit", "swap-limit"].map(|key| file[key].as_integer());
        assert_eq!(set, [128, 48, 256].map(|mebi| Some(mebi << 20)), "{node}");
    }
    let shown = cluster.json(&["vm", "stat", "--json"]);
    assert_eq!(shown[0]["memory_limit"], 128 << 20);
    assert_eq!(cluster.fails(&["cluster", "up", "--task-memory-limit", "some"]).0, 2);
}

#[test]
fn a_stopped_node_is_silent_in_the_list_and_does_not_stop_it() {
    let cluster = Cluster::up(2);
    let pid = cluster.pid_of(2);
    cluster.signal("-STOP", &pid);
    let rows = cluster.json(&["cluster", "status", "--json"]);
    cluster.signal("-CONT", &pid);
    assert_eq!((&rows[0]["state"], &rows[1]["state"]), (&"up".into(), &"silent".into()));
}

#[test]
fn a_killed_exporter_ends_a_reader_with_a_memory_error() {
    let cluster = Cluster::up(2);
    let (path, bytes) = cluster.file("data", 4 << 20);
    cluster.ok(&["export", path.to_str().unwrap(), "--node", "1"]);
    let pid = cluster.pid_of(1);
    // Stopped first, so that the reader is certainly waiting for a page when the exporter dies.
    let mut reader = cluster.command(&["map", "data", "--node", "2", "--sha256"]);
    let held = cluster.command(&["map", "data", "--node", "2", "--read", "0+4096"]).output().unwrap();
    assert_eq!(held.stdout, bytes[..4096]);
    let reader = reader.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    cluster.signal("-KILL", &pid);
    let began = Instant::now();
    let output = reader.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        // It was faster than the signal: then what it read is right.
        Some(0) => assert!(String::from_utf8_lossy(&output.stdout).contains(&hash(&bytes))),
        // It had not mapped it yet.
        Some(1 | 3) => assert!(text.contains("data"), "{text}"),
        Some(4) => assert!(text.contains("memory error: cannot read `data` at offset 0x"), "{text}"),
        other => panic!("{other:?}: {text}"),
    }
    cluster.wait_gone(1);
    let (code, text) = cluster.fails(&["map", "data", "--node", "1"]);
    let again = format!("mach node run --config {}/state/local/n1/node.toml", cluster.folder.path().display());
    assert!(code == 3 && text.contains(&again), "{text}");
    cluster.signal("-KILL", &cluster.pid_of(2));
    cluster.wait_gone(2);
    let (code, text) = cluster.fails(&["map", "data"]);
    assert!(code == 3 && text.contains("no node of cluster `local` runs") && !text.contains("n1"), "{text}");
}

#[test]
fn the_demo_holds_and_leaves_nothing() {
    let folder = tempfile::Builder::new().prefix("mach").tempdir_in("/tmp").unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_mach"));
    demo.args(["demo", "--size", "16MiB", "--reads", "200", "--json"]).env("TMPDIR", folder.path());
    let output = demo.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["held"], true);
    assert!(outcome["checks"].as_array().unwrap().len() >= 10, "{outcome}");
    let numbers = &outcome["numbers"];
    let (pages, bytes) = (numbers["pages_moved"].as_u64().unwrap(), numbers["file_bytes"].as_u64().unwrap());
    assert!((1..=bytes.div_ceil(4096)).contains(&pages), "a page comes once, and one of zeroes not at all: {numbers}");
    assert!(numbers["wire_bytes"].as_u64().unwrap() >= pages * 4096, "{numbers}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
