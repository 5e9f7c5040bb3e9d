//! The examples, each as tasks of real nodes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mach_tests::processes::Nodes;
use mach_tests::run;

/// How long a line may take.
const SOON: Duration = Duration::from_secs(10);

/// An example that runs; ended with the value.
struct Example {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Example {
    fn start(nodes: &Nodes, node: usize, binary: &str, words: &[&str]) -> Example {
        let mut command = Command::new(binary);
        command.args(words).env("MACH_SOCKET", nodes.socket(node)).env_remove("MACH_TOKEN");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("an example");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Example { input: child.stdin.take(), child, lines }
    }

    #[track_caller]
    fn says(&self, want: &str) {
        let line = self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("no line where `{want}` was expected"));
        assert_eq!(line, want);
    }

    fn hears(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("its input is open"), "{line}").expect("it reads");
    }

    /// The end of its input, and its own after it.
    #[track_caller]
    fn ends(mut self) {
        self.input = None;
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An example that ends by itself; its output.
#[track_caller]
fn output(nodes: &Nodes, node: usize, binary: &str, words: &[&str]) -> String {
    let socket = format!("MACH_SOCKET={}", nodes.socket(node).display());
    run(SOON, &[&["env", &socket, binary][..], words].concat()).ok().text()
}

#[test]
fn echo_answers_on_both_nodes() {
    const ECHO: &str = env!("CARGO_BIN_EXE_mach-example-echo");
    let nodes = Nodes::start(2);
    let server = Example::start(&nodes, 1, ECHO, &["serve", "parrot"]);
    server.says("ready");
    for node in [1, 2] {
        assert_eq!(output(&nodes, node, ECHO, &["say", "parrot", "good", "morning"]), "good morning\n");
    }
}

#[test]
fn names_are_kept_found_and_mourned() {
    const NAMES: &str = env!("CARGO_BIN_EXE_mach-example-names");
    let nodes = Nodes::start(2);
    let keeper = Example::start(&nodes, 1, NAMES, &["keep", "thing"]);
    keeper.says("ready");
    assert!(output(&nodes, 2, NAMES, &["find", "thing", "n1"]).starts_with("thing is 0x"));
    let watcher = Example::start(&nodes, 2, NAMES, &["watch", "thing"]);
    watcher.says("ready");
    keeper.ends();
    let line = watcher.lines.recv_timeout(SOON).expect("the death is told");
    assert!(line.starts_with("0x") && line.ends_with(" is dead"), "{line}");
    watcher.ends();
}

#[test]
fn three_tasks_chat() {
    const CHAT: &str = env!("CARGO_BIN_EXE_mach-example-chat");
    let nodes = Nodes::start(2);
    let room = Example::start(&nodes, 1, CHAT, &["room", "pub"]);
    room.says("ready");
    let mut ann = Example::start(&nodes, 1, CHAT, &["join", "pub", "ann"]);
    room.says("ann is here");
    let mut bob = Example::start(&nodes, 2, CHAT, &["join", "pub", "bob"]);
    room.says("bob is here");
    ann.says("bob is here");
    bob.says("ann is here");
    let eve = Example::start(&nodes, 1, CHAT, &["join", "pub", "eve"]);
    ann.says("eve is here");
    bob.says("eve is here");
    eve.says("ann is here");
    eve.says("bob is here");
    // The room is not needed any more.
    drop(room);
    ann.hears("hello");
    bob.says("ann: hello");
    eve.says("ann: hello");
    eve.ends();
    bob.hears("who is there?");
    ann.says("bob: who is there?");
    ann.ends();
    bob.hears("nobody?");
    bob.ends();
}

#[test]
fn a_vault_hands_out_drawers() {
    const VAULT: &str = env!("CARGO_BIN_EXE_mach-example-vault-run");
    let nodes = Nodes::start(2);
    let vault = Example::start(&nodes, 1, VAULT, &["serve", "vault"]);
    vault.says("ready");
    assert_eq!(
        output(&nodes, 1, VAULT, &["use", "vault", "ann", "gold", "silver"]),
        "ann: gold, silver\n1 drawer(s)\n"
    );
    vault.says("ann has left a drawer");
    assert_eq!(output(&nodes, 2, VAULT, &["use", "vault", "bob", "letters"]), "bob: letters\n1 drawer(s)\n");
    vault.says("bob has left a drawer");
}
