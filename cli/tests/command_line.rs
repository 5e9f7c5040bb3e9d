//! The program as a user meets it, as far as no node is needed: help, precedence of settings, errors and exit codes.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::expect;

/// Runs `mach` in a folder of its own, with nothing of ours in the environment.
struct Shell {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Shell {
    fn new() -> Shell {
        Shell { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Shell {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mach"));
        command.args(line.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("MACH_DIR", self.folder.path().join("state"));
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command.output().unwrap()
    }

    /// Exit code and standard error, with the folder's name taken out.
    fn fails(&self, line: &str) -> (i32, String) {
        let output = self.run(line);
        let text = String::from_utf8_lossy(&output.stderr).replace(self.folder.path().to_str().unwrap(), "FOLDER");
        (output.status.code().unwrap(), text)
    }

    fn prints(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().replace(self.folder.path().to_str().unwrap(), "FOLDER")
    }
}

/// Value and origin of a setting in the table of `--print-config`.
fn setting(table: &str, name: &str) -> (String, String) {
    let line = table.lines().find(|l| l.split_whitespace().next() == Some(name)).unwrap_or_else(|| panic!("{table}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[1..words.len() - 1].join(" "), words[words.len() - 1].to_owned())
}

#[test]
fn settings_come_from_flag_environment_file_and_default_in_that_order() {
    let shell =
        Shell::new().with("MACH_LISTEN", "127.0.0.1:2").with("MACH_DEAD_AFTER", "4s").with("MACH_JOIN", "h:1,i:2");
    let text = "name = 'x'\nlisten = '127.0.0.1:3'\ndead-after = '5s'\nfault-deadline = '6s'\njoin = ['j:3']\n";
    let config = shell.file("node.toml", text);
    let table = shell.prints(&format!("node run --print-config --config {config} --listen 127.0.0.1:1"));
    let at = |name| setting(&table, name);
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(at("listen"), pair("127.0.0.1:1", "flag"));
    assert_eq!(at("dead-after"), pair("4.0 s", "environment"));
    assert_eq!(at("join"), pair("h:1 i:2", "environment"));
    assert_eq!(at("fault-deadline"), pair("6.0 s", "file"));
    assert_eq!(at("name"), pair("x", "file"));
    assert_eq!(at("dir"), pair("FOLDER/state/local/x", "default"));
    assert_eq!(at("mtu-max").1, "default");
}

#[test]
fn an_unknown_setting_is_refused_with_its_line() {
    let shell = Shell::new();
    let config = shell.file("node.toml", "name = 'x'\n\nlisen = '127.0.0.1:3'\n");
    let (code, text) = shell.fails(&format!("node run --print-config --config {config}"));
    assert_eq!(code, 2);
    assert!(text.starts_with("mach: the configuration file FOLDER/node.toml is wrong\n"), "{text}");
    assert!(text.contains("line 3, column 1") && text.contains("unknown field `lisen`"), "{text}");
    assert!(text.contains("do:  mach node run --help lists the names"), "{text}");
}

#[test]
fn a_join_token_is_not_printed() {
    let shell = Shell::new().with("MACH_JOIN_TOKEN", "mach1-secret");
    let table = shell.prints("node run --print-config --name x --join h:1");
    assert_eq!(setting(&table, "credentials"), ("a join token".into(), "environment".into()));
    assert!(!table.contains("secret"));
    assert!(!shell.prints("node run --help").contains("secret"));
}

#[test]
fn a_node_without_a_certificate_says_how_to_get_one() {
    let (code, text) = Shell::new().fails("node run --name x");
    assert_eq!(code, 2);
    assert!(text.starts_with("mach: node x has no certificate\n"), "{text}");
    assert!(text.contains("do:  the first node of a cluster: mach cluster init, then --authority DIR"), "{text}");
}

#[test]
fn a_node_is_given_the_socket_that_its_configuration_names() {
    let with_input = |input: OwnedFd| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mach"));
        command.args(["node", "run", "--name", "x", "--listen", "127.0.0.1:1", "--listen-on-stdin", "--dir"]);
        let folder = tempfile::tempdir().unwrap();
        let output = command.arg(folder.path().join("node")).stdin(input).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let bound = elsewhere.local_addr().unwrap();
    let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect("127.0.0.1:9").unwrap();
    let stream = TcpListener::bind("127.0.0.1:0").unwrap();
    for (input, why) in [
        (File::open("/dev/null").unwrap().into(), "Socket operation on non-socket".to_owned()),
        (elsewhere.into(), format!("it is bound to {bound}")),
        (stream.into(), "it is a socket of another kind".to_owned()),
        (connected.into(), "it is connected to 127.0.0.1:9".to_owned()),
    ] {
        let (code, text) = with_input(input);
        assert_eq!(code, 2, "{text}");
        assert!(
            text.starts_with("mach: standard input is not an unconnected UDP socket that is bound to 127.0.0.1:1\n"),
            "{text}"
        );
        assert!(text.contains(&why), "{text}");
    }
}

#[test]
fn commands_without_a_cluster_say_how_to_start_one() {
    let shell = Shell::new();
    let want = expect![[r#"
        mach: there is no node in cluster `local` on this machine
          why: FOLDER/state/local holds none
          do:  mach cluster up --nodes 3
               or name a node's socket with --socket PATH
    "#]];
    for line in ["map data --sha256", "object ls", "port ls", "task ls", "node metrics", "object rm data"] {
        let (code, text) = shell.fails(line);
        assert_eq!(code, 3, "{line}");
        want.assert_eq(&text);
    }
    assert_eq!(shell.prints("cluster status --json"), "[]\n");
    assert_eq!(shell.prints("cluster down --quiet"), "");
}

#[test]
fn a_socket_where_nobody_listens_is_named() {
    let (code, text) = Shell::new().fails("task ls --socket /no/such.sock");
    assert_eq!(code, 3);
    assert!(text.starts_with("mach: cannot attach to the node at /no/such.sock\n"), "{text}");
    assert!(text.contains("no node listens there") && text.contains("mach cluster status"), "{text}");
}

#[test]
fn the_environment_chooses_a_node_too() {
    let (code, text) = Shell::new().with("MACH_SOCKET", "/no/such.sock").fails("map data --sha256");
    assert_eq!(code, 3);
    assert!(text.contains("/no/such.sock"), "{text}");
    let (code, text) =
        Shell::new().with("MACH_SOCKET", "/no/such.sock").with("MACH_NODE", "2").fails("map data --sha256");
    assert_eq!(code, 3);
    assert!(text.contains("there is no node in cluster `local`"), "MACH_NODE goes first: {text}");
}

#[test]
fn what_cannot_be_exported_is_refused_before_a_node_is_asked() {
    let shell = Shell::new();
    let (code, text) = shell.fails("export no-such-file");
    assert_eq!(code, 3);
    expect![[r#"
        mach: cannot export no-such-file
          why: No such file or directory (os error 2)
    "#]]
    .assert_eq(&text);
    shell.file("empty", "");
    assert!(shell.fails("export empty").1.contains("it is empty"));
}

#[test]
fn an_authority_is_made_once_and_its_token_printed() {
    let shell = Shell::new();
    let first = shell.prints("cluster init --quiet --dir cluster --node a --node b");
    assert!(first.starts_with("mach1-") && first.lines().count() == 1, "{first}");
    let folder = shell.folder.path().join("cluster");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let certificate = read(&folder.join("a/node.pem"));
    let again = shell.prints("cluster init --json --quiet --dir cluster --node a --node c");
    let made: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(made["nodes"], serde_json::json!(["a", "c"]));
    assert_eq!(read(&folder.join("a/node.pem")), certificate, "a certificate that is there stays");
    assert!(folder.join("c/node.pem").exists());
    let table = shell.prints("node run --print-config --config cluster/b/node.toml");
    assert_eq!(setting(&table, "name").0, "b");
    assert!(setting(&table, "credentials").0.contains("cluster/b/node-key.pem"), "{table}");
}

#[test]
fn a_command_line_that_is_wrong_ends_with_code_2() {
    let shell = Shell::new();
    for line in ["", "maps", "map", "map x --read 1", "cluster up --nodes none", "demo --size 1MiB", "object show"] {
        assert_eq!(shell.fails(line).0, 2, "{line}");
    }
    assert!(shell.fails("demo --size 1MiB").1.contains("16MiB at least"));
}

#[test]
fn help_tells_the_commands_and_the_exit_codes() {
    let help = Shell::new().prints("--help");
    for word in
        ["demo", "cluster", "node", "export", "object", "map", "port", "task", "doctor", "MACH_DIR", "Exit codes"]
    {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(!help.contains("demo-task"), "what is for the demo alone is not shown");
}

#[test]
fn the_doctor_lists_what_it_checked() {
    let output = Shell::new().run("doctor --json");
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    let missing = findings.iter().any(|f| f["verdict"] == "missing");
    assert_eq!(output.status.code(), Some(if missing { 5 } else { 0 }));
    for check in
        ["kernel", "userfaultfd", "userfaultfd features", "udp receive buffer", "open files", "state directory"]
    {
        let finding = findings.iter().find(|f| f["check"] == check).unwrap_or_else(|| panic!("{check}"));
        assert_eq!(finding["verdict"] == "ok", finding["cure"] == "", "what is not ok has a cure: {finding}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shell = Shell::new();
    let program = env!("CARGO_BIN_EXE_mach");
    let line = format!("(MACH_DIR=state {program} node run --print-config --name x; echo $? >&2) | true");
    let output = Command::new("sh").args(["-c", &line]).current_dir(shell.folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "0\n");
}
