//! Calls: attaching, remote procedure calls, connections of threads, rights. The task is this process, without memory.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::{Node, Response, TASK_SELF, wait_for};
use mach::{AttachError, AttachOptions, MapError, MapOptions, MsgError, ReceiveRight, RpcError, SendRight, Task};
use proto::iface::{mach_port, memory_object, netname, node as host, notify};
use proto::typed::Element;
use proto::wire::trap::hello;
use proto::{Body, Item, KernReturn, MigError, MsgReturn, NamedRight, Payload, PortName, SimpleRoutine, TraceId};

fn attach(node: &Node) -> Task {
    Task::attach(AttachOptions { socket: Some(node.path.clone()), token: Some(0), memory: false }).unwrap()
}

fn id<Q: SimpleRoutine<NamedRight>>() -> i32 {
    Q::ID
}

/// A handler that answers one routine so.
fn answering(
    id: i32,
    response: impl Fn() -> Response + Send + Sync + 'static,
) -> impl Fn(&crate::fake::Shared, &proto::Message<NamedRight>) -> Option<Response> + Send + Sync {
    move |_, request| (request.id == id).then(&response)
}

#[test]
fn attaching_says_why_it_fails() {
    let node = Node::start(|_, _| None);
    let with = |socket, token| Task::attach(AttachOptions { socket: Some(socket), token: Some(token), memory: false });
    let nobody = node.path.with_file_name("nobody");
    assert!(matches!(with(nobody, 0), Err(AttachError::Connect { source, .. }) if source.errno == sys::Errno::NOENT));
    let refused = with(node.path.clone(), 12345);
    assert!(matches!(&refused, Err(AttachError::Refused { path }) if *path == node.path), "{refused:?}");
    assert!(matches!(with("".into(), 0), Err(AttachError::NoSocket)));
    let task = with(node.path.clone(), 0).unwrap();
    assert_eq!((task.task_self(), task.host(), task.number()), (PortName(1), PortName(2), 9));
    assert!(matches!(task.map(&task.bootstrap(), MapOptions::default()), Err(MapError::NoMemory)));
}

#[test]
fn every_kind_of_answer_has_its_error() {
    let next = Arc::new(Mutex::new(None));
    let given = next.clone();
    let node = Node::start(move |_, request| {
        (request.id == id::<memory_object::Info>()).then(|| given.lock().unwrap().take().expect("an answer"))
    });
    let task = attach(&node);
    let ask = |response| {
        *next.lock().unwrap() = Some(response);
        task.rpc(&PortName(5), memory_object::Info)
    };
    let good = vec![Item::U64(10), Item::U32(1), Item::Typed(Element::CHAR, 1, "x".into())];
    let reply = ask(Response::ok(good.clone())).unwrap();
    assert_eq!((reply.size, reply.max_protection, reply.name.as_str()), (10, 1, "x"));
    let error = ask(Response::code(KernReturn::InvalidArgument.raw())).unwrap_err();
    assert_eq!(error.kern(), Some(KernReturn::InvalidArgument));
    assert_eq!(error.to_string(), "memory_object_info: InvalidArgument (0x4)");
    let error = ask(Response::code(MigError::BadId.raw())).unwrap_err();
    assert!(matches!(error, RpcError::Mig { code: MigError::BadId, .. }));
    assert!(matches!(ask(Response::code(4711)).unwrap_err(), RpcError::Other { code: 4711, .. }));
    let mismatch = Response { id: Some(1), ..Response::ok(good.clone()) };
    assert!(matches!(ask(mismatch).unwrap_err(), RpcError::Mig { code: MigError::ReplyMismatch, .. }));
    let died = Response { id: Some(id::<notify::SendOnce>()), ..Response::ok(vec![]) };
    let error = ask(died).unwrap_err();
    assert!(error.is_dead() && matches!(error, RpcError::Mig { code: MigError::ServerDied, .. }));
    let wrong = Response::ok(vec![Item::U32(1)]);
    assert!(matches!(ask(wrong).unwrap_err(), RpcError::Mig { code: MigError::TypeError, .. }));
    let empty = Response { body: Body::default(), ..Response::ok(vec![]) };
    assert!(matches!(ask(empty).unwrap_err(), RpcError::Mig { code: MigError::TypeError, .. }));
    assert_eq!(ask(Response::ok(good)).unwrap().size, 10);
}

#[test]
fn rights_of_an_answer_that_does_not_fit_are_given_up() {
    let right = NamedRight::move_send(PortName(42));
    let node = Node::start(answering(id::<memory_object::Info>(), move || Response::ok(vec![Item::Port(right)])));
    let task = attach(&node);
    task.rpc(&PortName(5), memory_object::Info).unwrap_err();
    // So is the port that the answer came to.
    let expected = [id::<memory_object::Info>(), id::<mach_port::Deallocate>(), id::<mach_port::ModRefs>()];
    assert_eq!(*node.shared.requests.lock().unwrap(), expected);
}

#[test]
fn large_out_of_line_bytes_travel_both_ways() {
    let node = Node::start(|_, request| {
        // Gives back what came, and the sum of it.
        (request.id == id::<host::Metrics>() - 1000).then(|| Response::ok(request.body.items()))
    });
    let task = attach(&node);
    let (big, small) = (Payload::from(vec![7u8; 3 << 20]), Payload::from(vec![8u8; 100]));
    let body = vec![Item::OutOfLine(big.clone()), Item::U32(5), Item::OutOfLine(small), Item::OutOfLine(big)];
    let reply_port = PortName(1000);
    let message = proto::Message {
        remote: NamedRight::copy_send(PortName(5)),
        local: NamedRight::make_send_once(reply_port),
        id: id::<host::Metrics>() - 1000,
        seqno: 0,
        trace: TraceId(3),
        body: body.clone().into(),
    };
    let send = mach::Send { message, timeout: None };
    let reply = task.mach_msg(Some(send), Some(mach::Receive::from(reply_port))).unwrap().unwrap();
    assert_eq!(reply.trace, TraceId(3));
    assert_eq!(reply.body.items()[1..], body);
}

#[test]
fn a_message_beyond_the_bounds_is_not_sent() {
    let node = Node::start(|_, _| None);
    let task = attach(&node);
    let message = proto::Message {
        remote: NamedRight::copy_send(PortName(5)),
        local: NamedRight::NULL,
        id: 1,
        seqno: 0,
        trace: TraceId(0),
        body: vec![Item::Data(vec![0; proto::limits::MSG_INLINE_BYTES_MAX].into())].into(),
    };
    match task.send(message.clone()) {
        Err(MsgError::Code { code: MsgReturn::SendNoBuffer, message: Some(back) }) => assert_eq!(*back, message),
        other => panic!("{other:?}"),
    }
    assert!(node.shared.requests.lock().unwrap().is_empty());
}

#[test]
fn each_thread_has_a_connection_and_takes_its_reply_port_along() {
    let node = Node::start(answering(id::<netname::Version>(), || {
        Response::reply(netname::VersionReply { version: "v".into() })
    }));
    let task = attach(&node);
    let version = |task: &Task| task.rpc(&task.name_server(), netname::Version).unwrap().version;
    assert_eq!(version(&task), "v");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(version(&task), "v")));
        }
    });
    let hellos = node.shared.hellos.lock().unwrap();
    assert!(hellos[0].userfaultfd == "none" && hellos[0].token == 0 && !hellos[0].command.is_empty());
    assert!(hellos[1..].iter().all(|h| h.token == crate::fake::TOKEN));
    // The agent's keeps the task alive when the thread that attached has ended.
    let roles: Vec<hello::Role> = hellos[1..].iter().map(|h| h.role()).collect();
    assert_eq!(roles, [hello::Role::Agent, hello::Role::Thread, hello::Role::Thread, hello::Role::Thread]);
    let given_up = || node.shared.requests.lock().unwrap().iter().filter(|i| **i == id::<mach_port::ModRefs>()).count();
    wait_for("the reply ports of ended threads", || given_up() == 3);
}

#[test]
fn a_reply_port_is_not_used_again_after_a_wait_that_ended_early() {
    let ports = Arc::new(Mutex::new(Vec::new()));
    let seen = ports.clone();
    let node = Node::start(move |_, request| {
        (request.id == id::<netname::Version>()).then(|| {
            seen.lock().unwrap().push(request.local.name);
            Response::reply(netname::VersionReply { version: "v".into() })
        })
    });
    let task = attach(&node);
    let ask = || task.rpc(&task.name_server(), netname::Version);
    ask().unwrap();
    ask().unwrap();
    node.shared.fail_receives_with.store(MsgReturn::RcvTimedOut.raw(), Ordering::SeqCst);
    let waited = task.rpc_within(&task.name_server(), netname::Version, Some(Duration::from_millis(1)));
    assert!(matches!(waited, Err(RpcError::Msg { source: MsgError::Code { code: MsgReturn::RcvTimedOut, .. }, .. })));
    node.shared.fail_receives_with.store(0, Ordering::SeqCst);
    ask().unwrap();
    let ports = ports.lock().unwrap();
    assert!(ports[0] == ports[1] && ports[2] == ports[0] && ports[3] != ports[0], "{ports:?}");
}

#[test]
fn dropping_rights_gives_them_up() {
    let allocated = Arc::new(AtomicU32::new(500));
    let node = Node::start(move |_, request| match request.id {
        i if i == id::<mach_port::Allocate>() => {
            Some(Response::reply(mach_port::AllocateReply { name: allocated.fetch_add(1, Ordering::SeqCst) }))
        }
        i if i == id::<mach_port::InsertRight<NamedRight>>() || i == id::<mach_port::ModRefs>() => {
            Some(Response::ok(vec![]))
        }
        _ => None,
    });
    let task = attach(&node);
    let port = ReceiveRight::allocate(&task).unwrap();
    assert_eq!(port.name(), PortName(500));
    let send = port.make_send().unwrap();
    assert_eq!(send.name(), port.name());
    let more = send.try_clone().unwrap();
    let requests = || std::mem::take(&mut *node.shared.requests.lock().unwrap());
    let (mod_refs, deallocate) = (id::<mach_port::ModRefs>(), id::<mach_port::Deallocate>());
    assert_eq!(requests(), [id::<mach_port::Allocate>(), id::<mach_port::InsertRight<NamedRight>>(), mod_refs]);
    drop(more);
    assert_eq!(requests(), [deallocate]);
    // Moved into a message, it is no longer ours.
    assert_eq!(send.into_named(), NamedRight::move_send(PortName(500)));
    assert_eq!(requests(), []);
    drop(port);
    assert_eq!(requests(), [mod_refs]);
    drop(SendRight::adopt(&task, PortName::DEAD));
    drop(SendRight::adopt(&task, PortName::NULL));
    assert_eq!(requests(), []);
    assert_eq!(task.task_self(), PortName(TASK_SELF));
}

#[test]
fn names_are_looked_up_and_checked_in() {
    let node = Node::start(|_, request| match request.id {
        i if i == id::<netname::LookUp>() => match netname::LookUp::from_body(request.body.clone()) {
            Ok(look_up) if look_up.host_name == "*" && look_up.port_name == "here" => {
                Some(Response::ok(vec![Item::Port(NamedRight::move_send(PortName(77)))]))
            }
            _ => Some(Response::code(KernReturn::NameNotCheckedIn.raw())),
        },
        i if i == id::<netname::CheckIn<NamedRight>>() => Some(Response::ok(vec![])),
        _ => None,
    });
    let task = attach(&node);
    assert_eq!(task.look_up("here", "*").unwrap().name(), PortName(77));
    assert_eq!(task.look_up("gone", "").unwrap_err().kern(), Some(KernReturn::NameNotCheckedIn));
    for name in ["x".repeat(proto::limits::NETNAME_MAX + 1), "here\0".to_owned()] {
        assert_eq!(task.look_up(&name, "*").unwrap_err().kern(), Some(KernReturn::InvalidArgument));
    }
    task.check_in("mine", NamedRight::NULL, NamedRight::copy_send(PortName(5))).unwrap();
}
