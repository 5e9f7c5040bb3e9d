//! The C library: programs of `libmach/tests`, built by the C compiler against the headers and both forms of the library,
//! run as tasks of a real node.

mod build;

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use build::{Form, Program};
use mach_tests::processes::Nodes;
use mach_tests::{Talk, wait_until};
use sys::uffd::Features;
use sys::{Uffd, UffdMode};

/// The longest that a program takes; each waits less for anything.
const PROGRAM_MAX: Duration = Duration::from_secs(60);

/// Builds a program in both forms, runs each as a task of a node of its own, and expects success.
#[track_caller]
fn runs(source: &str) {
    runs_on(&Nodes::start(1), source);
}

#[track_caller]
fn runs_on(nodes: &Nodes, source: &str) {
    for form in [Form::Static, Form::Shared] {
        let program = Program::build(nodes.folder(), &[source], form);
        succeeds(&program, Some(&nodes.socket(1)));
    }
    nodes.assert_up(1);
}

#[track_caller]
fn succeeds(program: &Program, socket: Option<&Path>) -> Output {
    let mut command = program.command();
    command.env_remove("MACH_SOCKET").env_remove("MACH_TOKEN");
    if let Some(socket) = socket {
        command.env("MACH_SOCKET", socket);
    }
    let output = finished(command);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {}\n{text}", output.status);
    output
}

#[track_caller]
fn finished(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    wait_until(PROGRAM_MAX, "the end of the program", || child.try_wait().expect("our own child"));
    child.wait_with_output().expect("our own child")
}

#[test]
fn sizes_offsets_and_values_are_machs_for_c_and_for_cplusplus() {
    let folder = tempfile::tempdir().expect("a folder");
    for compiler in ["gcc", "g++"] {
        let program = Program::build_with(compiler, folder.path(), &["tests/c/layout.c"], Form::Static);
        succeeds(&program, None);
    }
}

#[test]
fn every_header_compiles_alone_in_c_and_in_cplusplus() {
    let headers = build::headers();
    assert!(headers.len() > 30, "{headers:?}");
    for header in headers {
        for (compiler, standard) in [("gcc", "c11"), ("gcc", "gnu17"), ("g++", "c++11"), ("g++", "c++20")] {
            let source = format!("#include <{header}>\nextern int nothing;\n#include <{header}>\n");
            build::compiles(compiler, standard, &source);
        }
    }
}

#[test]
fn only_the_interface_of_c_is_exported() {
    let exported = build::exported(&build::library(Form::Shared));
    let declared = build::declared();
    assert!(exported.contains("mach_msg") && exported.contains("mig_get_reply_port"));
    assert_eq!(exported, declared, "what the headers declare is what the library exports");
}

#[test]
fn without_a_node_every_call_answers_an_error_and_says_why_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::build(folder.path(), &["tests/c/detached.c"], Form::Static);
    for socket in [None, Some(folder.path().join("nobody"))] {
        let output = succeeds(&program, socket.as_deref());
        let text = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = text.lines().collect();
        assert_eq!(said.len(), 4, "{text}");
        assert!(said[0].starts_with("libmach: ") && said[1].starts_with("here: (os/kern)"), "{text}");
        assert_eq!(said[2], "and so on");
        assert!(said[3].starts_with(": "), "{text}");
    }
}

#[test]
fn a_call_and_its_answer() {
    runs("tests/c/rpc.c");
}

#[test]
fn rights_in_messages_and_by_name() {
    runs("tests/c/rights.c");
}

#[test]
fn out_of_line_memory_is_copied_given_away_and_refused() {
    runs("tests/c/memory.c");
}

#[test]
fn the_smaller_calls_of_memory() {
    runs("tests/c/calls.c");
}

#[test]
fn memory_of_the_node_goes_by_copy_on_write() {
    runs("tests/c/copies.c");
}

/// Bytes of the memory and of the part that is copied, in MiB, and how many times: all of it is frozen, a part is copied, and
/// what is beyond the limit is the default pager's.
#[test]
fn vm_copy_6_a_task_that_had_no_descriptors_reads_all_of_its_memory_when_it_has_some_again() {
    runs("tests/c/starved.c");
}

#[test]
fn handlers_of_the_programs_own_never_get_an_access_of_a_call() {
    runs("tests/c/handlers.c");
}

#[test]
fn vm_copy_11_a_copy_is_of_one_moment_while_another_thread_writes() {
    for (limit, cases) in
        [(&[][..], &[(8, 8, 12), (64, 8, 12)][..]), (&["--memory-limit=32MiB"], &[(12, 12, 6), (24, 3, 6)])]
    {
        let nodes = Nodes::with(1, limit);
        let program = Program::build(nodes.folder(), &["tests/c/moments.c"], Form::Static);
        for (bytes, part, times) in cases {
            let mut command = program.command();
            command.env_remove("MACH_TOKEN").env("MACH_SOCKET", nodes.socket(1));
            command.args([bytes, part, times].map(ToString::to_string));
            let output = finished(command);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{limit:?} {bytes} {part}: {}\n{text}", output.status);
        }
        nodes.assert_up(1);
    }
}

#[test]
fn vm_copy_10_a_memory_object_is_copied_for_this_task_and_for_another() {
    let nodes = Nodes::start(1);
    let bytes: Vec<u8> = b"seven pages".iter().copied().chain([0; 4096 - 11]).cycle().take(7 * 4096).collect();
    nodes.export(1, &nodes.file("object", &bytes), "object", true);
    for form in [Form::Static, Form::Shared] {
        let program = Program::build(nodes.folder(), &["tests/c/objects.c"], form);
        succeeds(&program, Some(&nodes.socket(1)));
    }
    nodes.assert_up(1);
}

#[test]
fn vm_inherit_2_a_forked_child_has_copies_and_shares() {
    runs("tests/c/inherits.c");
}

#[test]
fn vm_inherit_3_a_forked_child_has_nothing_of_the_rest() {
    runs("tests/c/withheld.c");
}

/// In this process's mode, and where faults are served for the program's own instructions only.
#[test]
fn vm_fault_16_system_calls_are_served_as_far_as_the_mode_permits() {
    let (_, natural) = Uffd::open(Features::MANAGED).expect("userfaultfd is open to this process");
    // Without the device and without privilege.
    let within = "test ! -e /dev/userfaultfd || mount --bind /dev/null /dev/userfaultfd; exec \"$0\" \"$@\"";
    let outside = ["unshare", "--map-root-user", "--mount", "sh", "-c", within];
    let mut modes: Vec<(UffdMode, &[&str])> = vec![(natural, &[])];
    let can_leave = Command::new(outside[0]).args(&outside[1..]).arg("true").status().is_ok_and(|s| s.success());
    if natural == UffdMode::Full && can_leave {
        modes.push((UffdMode::UserModeOnly, &outside));
    }
    for (mode, before) in modes {
        println!("{}", mode.as_str());
        let nodes = Nodes::start(1);
        let bytes: Vec<u8> = (0..128 << 12).map(|i: usize| (i / 4096 + i % 251) as u8 | 1).collect();
        let file = nodes.file("data", &bytes);
        nodes.export(1, &file, "data", true);
        // The file gets what is written, so that the program compares with another.
        let same = nodes.file("same", &bytes);
        let program = Program::build(nodes.folder(), &["tests/c/kernelmode.c"], Form::Static);
        let mut command = program.command();
        if let [first, rest @ ..] = before {
            let inner = command.get_program().to_owned();
            command = Command::new(first);
            command.args(rest).arg(inner);
        }
        command.arg(mode.as_str()).arg(same).env_remove("MACH_TOKEN").env("MACH_SOCKET", nodes.socket(1));
        let output = finished(command);
        assert!(output.status.success(), "{}: {}", mode.as_str(), String::from_utf8_lossy(&output.stderr));
        nodes.assert_up(1);
    }
}

/// On a node that has no limit, and on one whose default pager has most of the memory.
#[test]
fn vm_inherit_5_a_forked_child_is_a_task_with_its_map() {
    for limit in [&[][..], &["--memory-limit=1MiB"]] {
        let nodes = Nodes::with(1, limit);
        for form in [Form::Static, Form::Shared] {
            let file = nodes.file(&format!("{form:?}"), &[0; 128 << 10]);
            nodes.export(1, &file, "object", true);
            let program = Program::build(nodes.folder(), &["tests/c/children.c"], form);
            succeeds(&program, Some(&nodes.socket(1)));
            assert_eq!(nodes.mach(1, &["object", "rm", "object"]).code, Some(0));
        }
        nodes.assert_up(1);
    }
}

#[test]
fn vm_inherit_6_a_fork_waits_for_what_other_threads_change() {
    runs("tests/c/busy_forks.c");
}

/// Also [vm.space.1] to [vm.space.3], by three processes.
#[test]
fn vm_inherit_7_a_task_that_is_created_inherits_and_spaces_are_mapped_elsewhere() {
    let nodes = Nodes::start(1);
    for form in [Form::Static, Form::Shared] {
        let file = nodes.file(&format!("{form:?}"), &[0; 160 << 10]);
        nodes.export(1, &file, "object", true);
        let program = Program::build(nodes.folder(), &["tests/c/spaces.c"], form);
        succeeds(&program, Some(&nodes.socket(1)));
        assert_eq!(nodes.mach(1, &["object", "rm", "object"]).code, Some(0));
    }
    nodes.assert_up(1);
}

#[test]
fn vm_inherit_3_what_the_program_itself_took_away_is_missing_and_nothing_beside_it() {
    runs("tests/c/torn.c");
}

/// Mapped, anonymous, frozen, paged, half here; waited for by a system call and by instructions, and in the midst of calls.
#[test]
fn when_the_node_is_killed_no_kind_of_memory_shows_zeroes() {
    let nodes = Nodes::with(2, &["--memory-limit", "16MiB"]);
    let bytes: Vec<u8> = (0..64 << 12).map(|i: usize| (i / 4096 + i % 251) as u8 | 1).collect();
    let file = nodes.file("data", &bytes);
    nodes.export(1, &file, "data", true);
    let program = Program::build(nodes.folder(), &["tests/c/closed.c"], Form::Static);
    let mut command = program.command();
    command.arg(&file).env_remove("MACH_TOKEN").env("MACH_SOCKET", nodes.socket(2));
    let mut task = Talk::with(command);
    assert_eq!(task.hear(PROGRAM_MAX).as_deref(), Some("mapped"));
    nodes.freeze(1);
    task.say("");
    assert_eq!(task.hear(PROGRAM_MAX).as_deref(), Some("waiting"));
    nodes.kill(2);
    let status = task.end(PROGRAM_MAX);
    nodes.wake(1);
    assert!(status.success(), "{status}");
}

#[test]
fn vm_behind_6_what_a_program_does_to_allocated_memory_itself_is_found_out() {
    // With a limit it has a pager, and Linux tells of it.
    runs_on(&Nodes::with(1, &["--memory-limit", "0"]), "tests/c/behind.c");
}

/// Exports the file of 16 pages, of one letter each, that the programs know as "letters".
fn export_letters(nodes: &Nodes) {
    let bytes: Vec<u8> = (0..16).flat_map(|page| [b'a' + page; 4096]).collect();
    nodes.export(1, &nodes.file("letters", &bytes), "letters", true);
}

/// As `runs`, each with a file of letters of its own.
#[track_caller]
fn runs_with_letters(source: &str) {
    for form in [Form::Static, Form::Shared] {
        let nodes = Nodes::start(1);
        export_letters(&nodes);
        let program = Program::build(nodes.folder(), &[source], form);
        succeeds(&program, Some(&nodes.socket(1)));
        nodes.assert_up(1);
    }
}

#[test]
fn vm_behind_2_what_a_program_does_to_a_mapped_object_itself_never_shows_zeroes() {
    runs_with_letters("tests/c/behind_object.c");
}

#[test]
fn vm_behind_2_a_program_that_writes_to_what_it_moved_is_ended() {
    use std::os::unix::process::ExitStatusExt;
    let nodes = Nodes::start(1);
    export_letters(&nodes);
    let program = Program::build(nodes.folder(), &["tests/c/behind_moved.c"], Form::Static);
    let mut command = program.command();
    command.env_remove("MACH_TOKEN").env("MACH_SOCKET", nodes.socket(1));
    let output = finished(command);
    assert_eq!(output.status.signal(), Some(9), "{}", String::from_utf8_lossy(&output.stderr));
    let mapping = nodes.map(1, "letters", false);
    let mut byte = [0];
    mapping.read_at(0, &mut byte).expect("the object is served");
    assert!(byte == [b'w'] || byte == [b'x'], "{byte:?}");
    assert!(nodes.log(1).contains("it is ended"), "the log says so");
}

#[test]
fn vm_behind_9_a_task_whose_first_thread_has_ended_goes_on() {
    runs_with_letters("tests/c/alone.c");
}

#[test]
fn vm_behind_7_without_its_node_a_program_that_changes_its_memory_neither_hangs_nor_sees_zeroes() {
    let nodes = Nodes::start(1);
    export_letters(&nodes);
    killed_under(&nodes, "tests/c/behind_dead.c", Form::Static);
}

#[test]
fn queues_that_are_full_or_empty_and_buffers_too_small() {
    runs("tests/c/timeouts.c");
}

#[test]
fn threads_their_waits_and_their_host() {
    runs("tests/c/threads.c");
}

#[test]
fn port_sets() {
    runs("tests/c/sets.c");
}

#[test]
fn notifications_through_a_server_loop() {
    runs("tests/c/notices.c");
}

#[test]
fn names_and_a_client_in_another_process() {
    runs("tests/c/names.c");
}

#[test]
fn a_forked_child_is_a_task_of_its_own() {
    runs("tests/c/forks.c");
}

#[test]
fn a_server_replies_refuses_and_ends() {
    runs("tests/c/server.c");
}

#[test]
fn what_gnu_mig_wrote_works_as_client_as_server_and_against_the_node() {
    let nodes = Nodes::start(1);
    let generated =
        ["demo_user.c", "demo_server.c", "notify_server.c", "mach_port_user.c", "netname_user.c", "mach_host_user.c"];
    let mut sources = vec!["tests/mig/main.c".to_owned()];
    sources.extend(generated.map(|file| format!("tests/mig/generated/{file}")));
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    for form in [Form::Static, Form::Shared] {
        succeeds(&Program::build(nodes.folder(), &sources, form), Some(&nodes.socket(1)));
    }
    nodes.assert_up(1);
}

#[test]
fn a_call_that_fails_leaves_nothing_for_the_next() {
    runs("tests/c/failed.c");
}

#[test]
fn when_the_node_is_killed_receives_and_servers_end() {
    for form in [Form::Static, Form::Shared] {
        killed_under(&Nodes::start(1), "tests/c/orphans.c", form);
    }
}

/// Kills the node when the program says that it waits, and expects success.
#[track_caller]
fn killed_under(nodes: &Nodes, source: &str, form: Form) {
    let program = Program::build(nodes.folder(), &[source], form);
    let mut command = program.command();
    command.env_remove("MACH_TOKEN").env("MACH_SOCKET", nodes.socket(1)).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut said = [0; 8];
    child.stdout.as_mut().expect("it is piped").read_exact(&mut said).expect("it says that it waits");
    nodes.kill(1);
    let ended = || child.try_wait().expect("our own child");
    let status = wait_until(PROGRAM_MAX, "the end of the program", ended);
    assert!(status.success(), "{form:?}: {status}");
}

#[test]
#[ignore = "builds the library for release"]
fn what_is_installed_builds_programs_of_both_kinds() {
    let nodes = Nodes::start(1);
    let prefix = nodes.folder().join("prefix");
    let mut install = Command::new(env!("CARGO"));
    install.args(["xtask", "install-libmach"]).arg(&prefix).current_dir(build::workspace());
    assert!(install.status().expect("cargo").success());
    for file in
        ["include/mach.h", "include/mach/mach.h", "include/mach_debug/mach_debug.h", "include/servers/netname.h"]
    {
        assert!(prefix.join(file).is_file(), "{file}");
    }
    assert!(prefix.join("lib/libmach.so").is_file() && prefix.join("lib/libmach.a").is_file());
    for kind in [None, Some("-static")] {
        let program = nodes.folder().join(format!("echo{}", kind.unwrap_or_default()));
        build::by_pkg_config(&prefix, "examples/echo.c", kind, &program);
        echoes(&nodes, || {
            let mut command = Command::new(&program);
            command.env("LD_LIBRARY_PATH", prefix.join("lib"));
            command
        });
    }
}

#[test]
fn the_example_answers_itself() {
    let nodes = Nodes::start(1);
    let program = Program::build(nodes.folder(), &["examples/echo.c"], Form::Shared);
    echoes(&nodes, || program.command());
}

/// Serves with the example, and calls it.
#[track_caller]
fn echoes(nodes: &Nodes, program: impl Fn() -> Command) {
    let socket = nodes.socket(1);
    let with = |words: &[&str]| {
        let mut command = program();
        command.args(words).env("MACH_SOCKET", &socket);
        command
    };
    let mut server = with(&["serve"]).spawn().expect("it runs");
    let answer = wait_until(PROGRAM_MAX, "an answer of the server", || {
        let output = finished(with(&["say", "hello, node"]));
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    server.kill().expect("our own child");
    server.wait().expect("our own child");
    assert_eq!(answer, "hello, node\n");
}
