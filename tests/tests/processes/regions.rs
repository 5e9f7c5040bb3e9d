//! What an operator sees of a task's memory: `mach vm regions`, `mach vm map`, `mach vm stat`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use mach::proto::iface::{host_vm, node};
use mach::proto::{Inherit, KernReturn, NamedRight, Prot};
use mach_tests::mach_binary;
use mach_tests::processes::{Nodes, within};
use serde_json::Value;

use crate::{PAGE, contents};

const P: u64 = PAGE as u64;

#[test]
fn regions_show_what_is_here_and_what_is_dirty() {
    let nodes = Nodes::start(2);
    let bytes = contents(64 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", true);
    let task = nodes.task(2);
    let object = task.look_up("data", "*").expect("it is exported");
    let options = mach::MapOptions { writable: true, ..mach::MapOptions::default() };
    let data = task.map(&object, options).expect("it can be mapped");
    let zero = task.allocate(300 * P).expect("there is memory");
    // Read-ahead follows a reader that goes up, so this one goes down.
    for page in [40, 20, 10] {
        data.read_at(page * P, &mut [0]).expect("it is readable");
    }
    data.write_at(20 * P, b"dirty").expect("it is writable");
    zero.write_at(7 * P, &[1; 2 * PAGE]).expect("it is writable");
    zero.inherit(0..300 * P, Inherit::None).expect("a good value");
    let request = host_vm::VmWire {
        task: NamedRight::copy_send(task.task_self()),
        address: zero.address(),
        size: 300 * P,
        access: Prot::READ.bits(),
    };
    task.rpc(&task.host(), request).expect("it is small");

    let number = task.number().to_string();
    let listed = nodes.mach(2, &["vm", "regions", &number, "--json"]).ok().json();
    let at = |listed: &Value, address: u64| {
        let rows = listed.as_array().expect("a list");
        rows.iter().find(|r| r["address"] == address).cloned().expect("a region")
    };
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    let row = at(&listed, data.address());
    assert_eq!((&row["size"], &row["offset"], &row["dirty_pages"]), (&(64 * P).into(), &0.into(), &1.into()), "{row}");
    assert!((3..64).contains(&row["resident_pages"].as_u64().expect("a count")), "{row}");
    assert_eq!((&row["shared"], &row["wired"], &row["inheritance"]), (&true.into(), &false.into(), &"copy".into()));
    assert!(row["object"].as_str().is_some_and(|name| name.contains('.')), "an object of another node: {row}");
    let row = at(&listed, zero.address());
    assert_eq!((&row["object"], &row["resident_pages"], &row["dirty_pages"]), (&Value::Null, &2.into(), &0.into()));
    assert_eq!((&row["shared"], &row["wired"], &row["inheritance"]), (&false.into(), &true.into(), &"none".into()));
    let table = nodes.mach(2, &["vm", "regions", &number]).ok().text();
    let line = table.lines().find(|l| l.starts_with(&format!("{:x}-", zero.address()))).expect("a line");
    assert!(line.contains("zero-fill") && line.contains("rw-/rwx") && line.contains("8 KiB"), "{table}");

    // The picture: a page to a cell, since it fits; another task maps the object on the same node.
    let picture = |nodes: &Nodes| nodes.mach(2, &["vm", "map", &number, "--json"]).ok().json();
    let drawn = picture(&nodes);
    assert_eq!(drawn["cell_pages"], 1, "{drawn}");
    let cells = |drawn: &Value, address| at(&drawn["regions"], address)["cells"].as_str().expect("cells").to_owned();
    let of_data = cells(&drawn, data.address());
    assert_eq!((of_data.len(), &of_data[20..21], &of_data[0..1]), (64, "d", "-"), "{of_data}");
    assert!(of_data[10..11] == *"r" && of_data[40..41] == *"r", "{of_data}");
    assert_eq!(cells(&drawn, zero.address()), format!("{}rr{}", ".".repeat(7), ".".repeat(291)));
    let other = nodes.map(2, "data", true);
    let of_data = cells(&picture(&nodes), data.address());
    assert!(of_data[20..21] == *"D" && of_data[10..11] == *"R", "{of_data}");
    drop(other);
    let text = nodes.mach(2, &["vm", "map", &number]).ok().text();
    assert!(text.contains("each cell 4 KiB") && !text.contains('\x1b'), "{text}");
    assert!(text.lines().any(|l| l == ".".repeat(60)), "300 cells are lines of 80 and one of 60\n{text}");

    // A large region has larger cells.
    let large = task.allocate(1 << 30).expect("there is memory");
    large.write_at(1 << 29, b"x").expect("it is writable");
    let drawn = picture(&nodes);
    let cell_pages = drawn["cell_pages"].as_u64().expect("pages");
    let of_large = cells(&drawn, large.address());
    assert!(cell_pages > 64 && of_large.len() as u64 == (1 << 30) / P / cell_pages, "{drawn}");
    // Where the system gives memory in 2 MiB, that is what is here.
    let most = ((2 << 20) / P / cell_pages).max(1) as usize;
    assert_eq!(of_large.find('r'), Some(of_large.len() / 2), "{of_large}");
    assert!((1..=most).contains(&of_large.matches('r').count()), "{of_large}");

    let nobody = nodes.mach(2, &["vm", "regions", "9999"]);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    let too_many = node::Regions { task: task.number(), address: 0, cell_pages: 1 };
    let refused = task.rpc(&task.host(), too_many).expect_err("a cell for each page of 1 GiB");
    assert_eq!(refused.kern(), Some(KernReturn::InvalidArgument));
    let above = node::Regions { task: task.number(), address: u64::MAX, cell_pages: 0 };
    assert_eq!(task.rpc(&task.host(), above).expect("no region").regions.len(), 0);
}

#[test]
fn more_regions_than_an_answer_has_room_for_are_all_told() {
    let nodes = Nodes::start(1);
    let task = nodes.task(1);
    let memory = task.allocate(2500 * P).expect("there is memory");
    for page in (0..2500).step_by(2) {
        memory.inherit(page * P..page * P + 1, Inherit::Share).expect("a good value");
    }
    let number = task.number().to_string();
    let listed = nodes.mach(1, &["vm", "regions", &number, "--json"]).ok().json();
    let rows = listed.as_array().expect("a list");
    let addresses: Vec<u64> = rows.iter().filter_map(|r| r["address"].as_u64()).collect();
    assert_eq!(addresses, (0..2500).map(|page| memory.address() + page * P).collect::<Vec<_>>());
}

#[test]
fn counts_are_shown_again_and_again() {
    let nodes = Nodes::start(1);
    let bytes = contents(20 * PAGE);
    nodes.export(1, &nodes.file("data", &bytes), "data", false);
    let stat = |nodes: &Nodes| nodes.mach(1, &["vm", "stat", "--json"]).ok().json()[0].clone();
    let before = stat(&nodes);
    let mapping = nodes.map(1, "data", false);
    crate::all_readable(&mapping, &bytes, 0..20);
    let after = stat(&nodes);
    let grew = |name: &str| after[name].as_u64().zip(before[name].as_u64()).map(|(after, before)| after - before);
    assert_eq!((grew("pageins"), grew("lookups"), grew("hits")), (Some(20), Some(1), Some(0)), "{before} {after}");
    assert_eq!((grew("active"), after["page_size"].as_u64()), (Some(20), Some(4096)));
    assert!(grew("faults") >= Some(1));
    let table = nodes.mach(1, &["vm", "stat"]).ok().text();
    assert!(table.starts_with("NODE") && table.lines().count() == 2 && table.contains("80 KiB/-"), "{table}");

    let mut watch = Command::new(mach_binary());
    watch.args(["vm", "stat", "--watch", "0.1", "--socket"]).arg(nodes.socket(1)).stdout(Stdio::piped());
    let mut watch = watch.spawn().expect("it runs");
    let told = BufReader::new(watch.stdout.take().expect("it is piped"));
    within(Duration::from_secs(10), "three tables", move || {
        let lines: Vec<String> = told.lines().map_while(Result::ok).take(9).collect();
        assert_eq!(lines.iter().filter(|line| line.starts_with("NODE")).count(), 3, "{lines:?}");
    });
    watch.kill().expect("our own child");
    watch.wait().expect("our own child");
}
