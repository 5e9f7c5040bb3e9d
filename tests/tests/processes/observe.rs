//! What a node tells of itself: trace ids in its log, metrics, its memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mach::proto::iface::{mach_port, node, notify};
use mach::proto::{Body, Item, Message, NamedRight, SimpleRoutine, TraceId};
use mach::{PortSet, ReceiveRight};
use mach_tests::processes::{Nodes, metric_of};
use mach_tests::wait_until;
use serde_json::Value;

use crate::{PAGE, all_readable, contents};

/// Resident memory of a node that does nothing.
const IDLE_BYTES_MAX: u64 = 32 << 20;

/// The trace ids of a log's events with this message.
fn traces(log: &str, message: &str) -> Vec<u64> {
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = events.filter(|event| event["message"] == message);
    events.filter_map(|event| event["trace"].as_u64()).filter(|trace| *trace != 0).collect()
}

#[test]
fn the_trace_id_of_a_fault_is_in_the_logs_of_both_nodes() {
    let nodes = Nodes::with(2, &["--log", "info,kernel_node=trace", "--log-format", "json"]);
    let bytes = contents(64 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let mapping = nodes.map(2, "data", false);
    all_readable(&mapping, &bytes, [40]);
    let faults = traces(&nodes.log(2), "fault");
    assert_eq!(faults.len(), 1, "one fault");
    for (number, message) in
        [(2, "message out"), (1, "message in"), (1, "pager"), (1, "message out"), (2, "message in")]
    {
        let there = || traces(&nodes.log(number), message).contains(&faults[0]).then_some(());
        wait_until(Duration::from_secs(2), &format!("`{message}` with the fault's id at n{number}"), there);
    }
    wait_until(Duration::from_secs(2), "the end of the fault with its id", || {
        traces(&nodes.log(2), "fault served").contains(&faults[0]).then_some(())
    });
}

/// Everything that an HTTP server answers.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the endpoint listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn metrics_grow_with_what_was_done() {
    let nodes = Nodes::with(2, &["--metrics", "127.0.0.1:0"]);
    let bytes = contents(200 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let grow = [
        "mach_fault_seconds_count",
        "mach_pages_in_total",
        "mach_link_page_bytes_in_total",
        "mach_ports",
        "mach_tasks",
    ];
    let text = |number| nodes.mach(number, &["node", "metrics"]).ok().text();
    let before = text(2);
    let mapping = nodes.map(2, "data", true);
    all_readable(&mapping, &bytes, (0..200).rev());
    mapping.write_at(0, b"x").expect("it is writable");
    mapping.flush(0..1).expect("a flush");
    let after = text(2);
    for name in grow {
        let (was, is) = (metric_of(&before, name), metric_of(&after, name));
        assert!(is > was, "{name} was {was} and is {is}\n{after}");
    }
    assert_eq!(metric_of(&after, "mach_pages_in_total"), 200.0);
    assert!(after.contains("mach_fault_seconds_bucket{class=\""), "{after}");
    assert!(metric_of(&after, "mach_pages_out_total") >= 1.0, "{after}");
    assert!(metric_of(&text(1), "mach_link_page_bytes_out_total") >= (200 * PAGE) as f64);

    let address = nodes.info(2).metrics_address;
    let scraped = get(&address, "/metrics");
    assert!(scraped.starts_with("HTTP/1.1 200"), "{scraped}");
    // Gauges are brought up to date from time to time.
    wait_until(Duration::from_secs(5), "a scrape with the counters", || {
        let scraped = get(&address, "/metrics");
        let faults = metric_of(&scraped, "mach_fault_seconds_count") >= metric_of(&after, "mach_fault_seconds_count");
        (faults && metric_of(&scraped, "mach_pages_in_total") == 200.0).then_some(())
    });
    assert!(get(&address, "/").starts_with("HTTP/1.1 404"), "nothing else is served");
}

/// A set with a member whose queue is full, with a sender that waits, requests and a watcher; looked at from outside.
#[test]
fn a_port_is_shown_with_rights_queue_waiters_and_requests() {
    let nodes = Nodes::start(1);
    let (owner, sender) = (nodes.task(1), nodes.task(1));
    let set = PortSet::allocate(&owner).expect("a set");
    let port = ReceiveRight::allocate(&owner).expect("a port");
    set.add(&port).expect("a member");
    let _watch = set.watch().expect("a descriptor");
    owner.check_in("shown", NamedRight::NULL, port.made_send()).expect("a free name");
    let right = sender.look_up("shown", "").expect("a right");
    let _second = right.try_clone().expect("another reference");
    owner.rpc(&owner.task_self(), mach_port::SetQlimit { name: port.name().0, qlimit: 1 }).expect("a limit");
    let request = |task: &mach::Task, name: u32, msgid, told: &ReceiveRight| {
        let request = mach_port::RequestNotification { name, msgid, sync: 0, notify: told.made_send_once() };
        task.rpc(&task.task_self(), request).expect("a request");
    };
    let told = ReceiveRight::allocate(&owner).expect("a port");
    request(&owner, port.name().0, <notify::NoSenders as SimpleRoutine<NamedRight>>::ID, &told);
    let sender_told = ReceiveRight::allocate(&sender).expect("a port");
    request(&sender, right.name().0, <notify::DeadName as SimpleRoutine<NamedRight>>::ID, &sender_told);
    let message =
        |id, body| Message { remote: right.copied(), local: NamedRight::NULL, id, seqno: 0, trace: TraceId(0), body };
    sender.send(message(501, vec![Item::Port(sender_told.made_send())].into())).expect("there is room");
    let blocked = std::thread::spawn({
        let (sender, message) = (sender.clone(), message(502, Body::default()));
        move || sender.send(message)
    });

    let shown = wait_until(Duration::from_secs(5), "the waiting sender", || {
        let shown = nodes.mach(1, &["port", "show", "shown", "--json"]).ok().json();
        (shown["blocked_senders"] == 1).then_some(shown)
    });
    let messages: Vec<_> = [(501, 1, false), (502, 0, true)]
        .iter()
        .map(|(id, rights, blocked)| (Value::from(*id), Value::from(*rights + 1), Value::from(*blocked)))
        .collect();
    let listed = shown["messages"].as_array().expect("messages").iter();
    assert_eq!(
        listed.map(|m| (m["id"].clone(), m["rights"].clone(), m["blocked"].clone())).collect::<Vec<_>>(),
        messages,
        "{shown}"
    );
    assert_eq!(
        (&shown["queued"], &shown["queue_limit"], &shown["no_senders_request"], &shown["dead_name_requests"]),
        (&1.into(), &1.into(), &true.into(), &2.into()),
        "{shown}"
    );
    // The name server has one, too.
    let holder = |task: &mach::Task| {
        let label = format!("task {}", task.number());
        shown["holders"].as_array().expect("holders").iter().find(|h| h["holder"] == *label).cloned().expect("a holder")
    };
    assert_eq!((&holder(&owner)["rights"], &holder(&owner)["name"]), (&vec!["receive"].into(), &port.name().0.into()));
    let held = holder(&sender);
    assert_eq!(
        (&held["rights"], &held["refs"], &held["dead_name_request"]),
        (&vec!["send"].into(), &2.into(), &true.into())
    );

    // The same by the task's names, for a program and for a person.
    let task = owner.number().to_string();
    let names = nodes.mach(1, &["port", "ls", "--task", &task, "--json"]).ok().json();
    let named =
        |name: u32| names.as_array().expect("names").iter().find(|n| n["name"] == name).cloned().expect("a name");
    let members = named(set.name().0);
    assert_eq!(
        (&members["members"], &members["queued"], &members["polled"]),
        (&vec![port.name().0].into(), &1.into(), &true.into()),
        "{members}"
    );
    assert_eq!(named(port.name().0)["port"]["port"], shown["port"]);
    let by_name = nodes.mach(1, &["port", "show", &format!("{:#x}", port.name().0), "--task", &task]).ok().text();
    assert!(by_name.contains("1 of 1") && by_name.contains("1 sender") && by_name.contains("no-senders"), "{by_name}");
    let table = nodes.mach(1, &["port", "ls", "--task", &task]).ok().text();
    let line = table.lines().find(|l| l.contains(&format!("{:#x} ", port.name().0))).expect("a line");
    assert!(line.contains("receive") && line.contains("1/1") && line.contains("1 sender"), "{table}");
    let uid = shown["port"].as_str().expect("its identity").to_owned();
    assert!(nodes.mach(1, &["port", "show", &uid]).ok().text().contains(&uid));

    // And as a routine, to whoever holds the host port.
    let reply = nodes.ask(1, node::Names { task: sender.number() });
    assert!(reply.names.iter().any(|n| n.name == right.name().0 && n.refs == 2 && n.dead_name_request));
    assert_eq!(set.receive(None).expect("a message").id, 501);
    blocked.join().expect("a sender").expect("it is sent");
    for wrong in [
        &["port", "show", "nobody"][..],
        &["port", "show", "1:1"],
        &["port", "ls", "--task", "9999"],
        &["port", "show", "0x9", "--task", &task],
    ] {
        let answer = nodes.mach(1, wrong);
        assert_eq!(answer.code, Some(3), "{wrong:?}: {answer:?}");
    }
}

#[test]
fn an_idle_node_takes_little_memory() {
    let nodes = Nodes::start(3);
    std::thread::sleep(Duration::from_secs(1));
    for number in 1..=3 {
        let resident = nodes.info(number).resident_bytes;
        println!("n{number}: {resident} bytes");
        assert!(resident > 0 && resident < IDLE_BYTES_MAX, "n{number} has {resident} bytes resident");
    }
}
