//! Tasks that take all they can get: the node stays up, says so at each bound, and other tasks' calls are answered.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use mach::Task;
use mach::proto::MsgReturn;
use mach::proto::codec::TRAP_VERSION;
use mach::proto::iface::node;
use mach::proto::limits::TRAP_RECORD_BYTES_MAX;
use mach::proto::segments::Segment;
use mach::proto::typed::{Descriptor, Element};
use mach::proto::wire::body::{NamedMessage, NamedRight, Segments};
use mach::proto::wire::trap::{Answer, Call, Hello, Msg, ReplyPort, call, hello};
use mach_tests::processes::Nodes;
use mach_tests::wait_until;
use prost::Message;
use sys::seqpacket::{Received, Sent};
use sys::{Channel, Memfd};

/// How long a call of the other task may take meanwhile.
const SOON: Duration = Duration::from_secs(5);
/// Bytes that a task puts into a descriptor: more than go in a record.
const BESIDE: usize = 100_000;

fn say(channel: &Channel, op: call::Op, fds: &[std::os::fd::BorrowedFd<'_>]) -> bool {
    let record = Call { ticket: 1, op: Some(op) }.encode_to_vec();
    matches!(channel.try_send(&record, fds), Ok(Sent::Done))
}

fn hear(channel: &Channel) -> Option<Answer> {
    hear_all(channel).map(|(answer, _)| answer)
}

fn hear_all(channel: &Channel) -> Option<(Answer, Vec<OwnedFd>)> {
    let mut buffer = vec![0; TRAP_RECORD_BYTES_MAX];
    match channel.recv(&mut buffer) {
        Ok(Received::Record(len, fds)) => Some((Answer::decode(&buffer[..len]).ok()?, fds)),
        _ => None,
    }
}

/// Memory that can still be made longer and shorter.
fn memfd_of_any_size() -> OwnedFd {
    let file = tempfile::tempfile_in("/dev/shm").expect("a file in memory");
    file.set_len(BESIDE as u64).expect("room");
    file.into()
}

/// A connection that has become a task, and the name of the task's port.
fn attach(nodes: &Nodes) -> Option<(Channel, u32)> {
    let channel = Channel::connect(&nodes.socket(1)).ok()?;
    let (role, userfaultfd) = (hello::Role::Thread.into(), "none".into());
    let hello = Hello { version: TRAP_VERSION, role, userfaultfd, command: "hostile".into(), ..Hello::default() };
    say(&channel, call::Op::Hello(hello), &[]);
    let task_self = hear(&channel)?.welcome?.task_self;
    Some((channel, task_self))
}

#[track_caller]
fn is_answered(witness: &Task) {
    let began = Instant::now();
    witness.rpc_within(&witness.host(), node::Info, Some(SOON)).expect("the other task's call");
    assert!(began.elapsed() < SOON);
}

fn fds(nodes: &Nodes) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", nodes.pid(1))).expect("a node of ours").count()
}

/// A message whose memory lies in the descriptor beside it.
fn with_memory(to: u32) -> call::Op {
    let body = [Descriptor::out_of_line(Element::BYTE, BESIDE as u32).to_bytes(), [0; 8]].concat().into();
    let remote = Some(NamedRight { name: to, disposition: 19 });
    let memory_beside = Some(Segments::of([Segment { fd: 0, offset: 0, length: BESIDE as u64 }]));
    let message = NamedMessage {
        remote,
        local: Some(NamedRight { name: 0, disposition: 17 }),
        id: 9999,
        complex: true,
        body,
        memory_beside,
        ..NamedMessage::default()
    };
    call::Op::Msg(Msg { send: true, message: Some(message), send_timeout_ms: Some(0), ..Msg::default() })
}

/// Who never seals what it sends is waited for shortly, and then what it sent is copied.
#[test]
fn vm_copy_9_memory_that_can_still_change_is_copied_and_frozen_memory_cannot() {
    let nodes = Nodes::start(1);
    let witness = nodes.task(1);
    let (channel, task_self) = attach(&nodes).expect("a task");
    let open = Memfd::freezable("hostile", BESIDE as u64).expect("a descriptor");
    open.write_at(0, &[vec![b'a'; BESIDE]]).expect("it is open");
    // The kernel is sent a copy.
    say(&channel, with_memory(task_self), &[open.as_fd()]);
    assert_eq!(hear(&channel).expect("an answer").result, 0);
    // So is a task: here its own, which changes the file when it has it.
    say(&channel, call::Op::ReplyPort(ReplyPort {}), &[]);
    let port = hear(&channel).expect("an answer").name;
    let call::Op::Msg(mut msg) = with_memory(port) else { unreachable!() };
    msg.message.as_mut().expect("a message").remote = Some(NamedRight { name: port, disposition: 20 });
    let msg = Msg { receive: true, receive_name: port, ..msg };
    say(&channel, call::Op::Msg(msg.clone()), &[open.as_fd()]);
    let (answer, fds) = hear_all(&channel).expect("an answer");
    assert_eq!((answer.result, fds.len()), (0, 1));
    open.write_at(0, &[vec![b'b'; BESIDE]]).expect("it is open");
    let segments = answer.message.expect("a message").memory_beside.expect("memory beside it");
    let segment = segments.pieces().expect("whole")[0];
    let came = Memfd::adopt(fds.into_iter().next().expect("one")).expect("memory");
    let mut bytes = vec![0; segment.length as usize];
    came.read_at(segment.offset, &mut bytes).expect("all of it");
    assert!(came.is_frozen() && bytes == vec![b'a'; BESIDE]);
    // What can be made shorter is none at all.
    let short = memfd_of_any_size();
    say(&channel, call::Op::Msg(msg), &[short.as_fd()]);
    let result = hear(&channel).expect("an answer").result;
    assert_eq!(MsgReturn::from_raw(result), Some(MsgReturn::SendInvalidMemory));
    let frozen = Memfd::frozen("hostile", &[vec![7u8; BESIDE]]).expect("a descriptor");
    say(&channel, with_memory(task_self), &[frozen.as_fd()]);
    assert_eq!(hear(&channel).expect("an answer").result, 0);
    let file = std::fs::File::from(frozen.as_fd().try_clone_to_owned().expect("a descriptor"));
    let refused = std::os::unix::fs::FileExt::write_at(&file, b"changed", 0).expect_err("it is frozen");
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(file.set_len(0).is_err());
    is_answered(&witness);
}

#[test]
fn a_task_that_never_reads_its_answers_loses_its_connection_only() {
    let nodes = Nodes::start(1);
    let witness = nodes.task(1);
    // Its first call makes its port for replies.
    is_answered(&witness);
    let before = nodes.info(1).ports;
    let (channel, _) = attach(&nodes).expect("a task");
    let deadline = Instant::now() + SOON;
    let record = Call { ticket: 1, op: Some(call::Op::ReplyPort(ReplyPort {})) }.encode_to_vec();
    while !matches!(channel.try_send(&record, &[]), Ok(Sent::Closed) | Err(_)) {
        assert!(Instant::now() < deadline, "the node goes on answering");
    }
    is_answered(&witness);
    wait_until(SOON, "its ports are gone", || (nodes.info(1).ports <= before).then_some(()));
}

#[test]
fn a_node_without_descriptors_serves_those_who_are_there() {
    let nodes = Nodes::start(1);
    let witness = nodes.task(1);
    is_answered(&witness);
    let before = fds(&nodes);
    let limit = format!("--nofile={0}:{0}", before + 40);
    mach_tests::run(SOON, &["prlimit", "--pid", &nodes.pid(1).to_string(), &limit]).ok();
    // Connections that say nothing, and one that sends more descriptors than there is room for.
    let null: OwnedFd = std::fs::File::open("/dev/null").expect("a descriptor").into();
    let (channel, task_self) = attach(&nodes).expect("a task");
    let silent: Vec<_> = (0..80).filter_map(|_| Channel::connect(&nodes.socket(1)).ok()).collect();
    wait_until(SOON, "the limit", || (fds(&nodes) >= before + 38).then_some(()));
    say(&channel, with_memory(task_self), &[null.as_fd(); 16]);
    is_answered(&witness);
    nodes.assert_up(1);
    drop((silent, channel));
    wait_until(SOON, "a node as before", || (fds(&nodes) <= before).then_some(()));
    assert!(attach(&nodes).is_some(), "others can attach again");
    is_answered(&witness);
}
