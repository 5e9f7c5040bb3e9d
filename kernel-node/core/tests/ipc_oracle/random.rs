//! Random calls, made on the core and on the model.

use kernel_core::ipc::{Cut, NotificationKind, ReceiveOptions, SendOptions, Wait};
use proptest::prelude::*;
use proto::{Disposition, Item, NamedRight, PortName, RightType};

use super::run::{RIGHTS, Run, message};

const SPACES: usize = 3;
const KINDS: [NotificationKind; 3] =
    [NotificationKind::DeadName, NotificationKind::NoSenders, NotificationKind::PortDestroyed];
const ALL: [Disposition; 6] = [
    Disposition::MakeSend,
    Disposition::MakeSendOnce,
    Disposition::CopySend,
    Disposition::MoveSend,
    Disposition::MoveSendOnce,
    Disposition::MoveReceive,
];

/// A name of the space, and how it goes.
type Named = (u8, u8);

/// One call. Numbers choose among what is there when it is made.
#[derive(Clone, Debug)]
enum Op {
    Allocate(u8, u8),
    AllocateName(u8, u8, u8),
    Rename(u8, u8, u8),
    Destroy(u8, u8),
    Deallocate(u8, u8),
    ModRefs(u8, u8, u8, i32),
    Give(u8, Named, u8),
    Insert(u8, Named, u8, u8),
    Send { from: u8, to: Named, reply: Named, body: Vec<Named>, how: u8, notify: Named },
    Receive { space: u8, name: u8, how: u8, notify: u8 },
    Cancel(u8, bool),
    MoveMember(u8, u8, u8),
    SetQlimit(u8, u8, u8),
    SetCounter(u8, u8, u8, u32),
    Request { space: u8, name: u8, kind: u8, sync: u8, notify: u8 },
    SpaceDies(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let n = any::<u8>;
    let named = (n(), n());
    let delta = prop_oneof![6 => -2i32..3, 1 => Just(65_533), 1 => Just(65_534), 1 => any::<i32>()];
    let counter = prop_oneof![3 => 0u32..4, 1 => Just(u32::MAX)];
    prop_oneof![
        5 => (n(), n()).prop_map(|(s, r)| Op::Allocate(s, r)),
        1 => (n(), n(), n()).prop_map(|(s, r, m)| Op::AllocateName(s, r, m)),
        2 => (n(), n(), n()).prop_map(|(s, m, t)| Op::Rename(s, m, t)),
        2 => (n(), n()).prop_map(|(s, m)| Op::Destroy(s, m)),
        3 => (n(), n()).prop_map(|(s, m)| Op::Deallocate(s, m)),
        3 => (n(), n(), n(), delta).prop_map(|(s, m, r, d)| Op::ModRefs(s, m, r, d)),
        7 => (n(), named, n()).prop_map(|(s, m, t)| Op::Give(s, m, t)),
        2 => (n(), named, n(), n()).prop_map(|(s, m, t, u)| Op::Insert(s, m, t, u)),
        20 => (n(), named, named, prop::collection::vec(named, 0..3), n(), named)
            .prop_map(|(from, to, reply, body, how, notify)| Op::Send { from, to, reply, body, how, notify }),
        12 => (n(), n(), n(), n()).prop_map(|(space, name, how, notify)| Op::Receive { space, name, how, notify }),
        3 => (n(), any::<bool>()).prop_map(|(w, d)| Op::Cancel(w, d)),
        3 => (n(), n(), n()).prop_map(|(s, m, t)| Op::MoveMember(s, m, t)),
        2 => (n(), n(), n()).prop_map(|(s, m, q)| Op::SetQlimit(s, m, q)),
        2 => (n(), n(), 0u8..4, counter).prop_map(|(s, m, w, v)| Op::SetCounter(s, m, w, v)),
        6 => (n(), n(), n(), n(), n())
            .prop_map(|(space, name, kind, sync, notify)| Op::Request { space, name, kind, sync, notify }),
        1 => n().prop_map(Op::SpaceDies),
    ]
}

fn start() -> Run {
    let mut run = Run::new(SPACES);
    // Each has a port with little room and a set, and can send to the port of the next.
    for s in 0..SPACES {
        let name = run.allocate(s, RightType::Receive, None).expect("there is room");
        run.set_qlimit(s, name, 1);
        run.give(s, NamedRight::make_send(name), (s + 1) % SPACES, None);
        run.allocate(s, RightType::PortSet, None);
    }
    run
}

fn space(n: u8) -> usize {
    n as usize % SPACES
}

/// Mostly a name with one of these type bits.
fn name(run: &Run, s: usize, n: u8, bits: u32) -> PortName {
    let none = [PortName::NULL, PortName::DEAD, PortName(0x1_2345), PortName(0x77_7001)];
    let (fitting, all) = (run.names(s, bits), run.names(s, u32::MAX));
    match n {
        0..4 => none[n as usize],
        4..16 if !all.is_empty() => all[n as usize % all.len()],
        _ if fitting.is_empty() => none[2],
        n => fitting[n as usize % fitting.len()],
    }
}

/// A name and, mostly, something that it can give.
fn named(run: &Run, s: usize, (n, how): Named, bits: u32) -> NamedRight {
    let name = name(run, s, n, bits);
    let bits = run.ipc.names(run.spaces[s].0).unwrap().into_iter().find(|e| e.0 == name).map_or(0, |e| e.1);
    let gives = |d: &Disposition| match d {
        Disposition::MakeSend | Disposition::MakeSendOnce | Disposition::MoveReceive => bits & 0x2_0000 != 0,
        Disposition::CopySend | Disposition::MoveSend => bits & 0x11_0000 != 0,
        Disposition::MoveSendOnce => bits & 0x14_0000 != 0,
    };
    let fitting: Vec<_> = ALL.into_iter().filter(gives).collect();
    let any = how.is_multiple_of(8) || fitting.is_empty();
    let disposition = if any { ALL[how as usize % 6] } else { fitting[how as usize / 8 % fitting.len()] };
    NamedRight { name, disposition }
}

fn send(run: &mut Run, id: i32, op: &Op) {
    let Op::Send { from, to, reply, body, how, notify } = op else { unreachable!("a send") };
    let s = space(*from);
    let mut remote = named(run, s, *to, 0x7_0000);
    if remote.disposition == Disposition::MoveReceive && to.1 % 16 != 0 {
        remote.disposition = Disposition::MakeSend;
    }
    let mut local = match reply.0 {
        0..80 => NamedRight::NULL,
        80..96 => NamedRight { name: remote.name, ..named(run, s, *reply, 0x7_0000) },
        _ => named(run, s, *reply, 0x7_0000),
    };
    if local.disposition == Disposition::MoveReceive && reply.1 % 16 != 0 {
        local.disposition = Disposition::MakeSendOnce;
    }
    let mut items: Vec<_> = body.iter().map(|n| Item::Port(named(run, s, *n, 0x1f_0000))).collect();
    if how.is_multiple_of(3) {
        items.push(Item::U32(u32::from(*how)));
    }
    let wait = if how.is_multiple_of(2) { Wait::Poll } else { Wait::Block(run.waiter()) };
    let mine = |n: u8| n.is_multiple_of(4).then(|| name(run, s, n, 0x2_0000));
    let options = SendOptions { wait, always: how % 32 == 7, notify: mine(notify.0), cancel: mine(notify.1) };
    run.send(s, message(remote, local, id, items), options);
}

fn call(run: &mut Run, id: i32, op: &Op) {
    match *op {
        Op::Allocate(s, r) => {
            run.allocate(space(s), RIGHTS[if r < 180 { 1 } else { r as usize % 5 }], None);
        }
        Op::AllocateName(s, r, m) => {
            let name = name(run, space(s), m % 24, u32::MAX);
            run.allocate(space(s), RIGHTS[r as usize % 5], Some(name));
        }
        Op::Rename(s, m, t) => {
            let (old, new) = (name(run, space(s), m, u32::MAX), name(run, space(s), t % 8, u32::MAX));
            run.rename(space(s), old, new);
        }
        Op::Destroy(s, m) => run.destroy(space(s), name(run, space(s), m, u32::MAX)),
        Op::Deallocate(s, m) => run.deallocate(space(s), name(run, space(s), m, 0x15_0000)),
        Op::ModRefs(s, m, r, d) => {
            run.mod_refs(space(s), name(run, space(s), m, u32::MAX), RIGHTS[r as usize % 5], d);
        }
        Op::Give(s, m, t) => {
            run.give(space(s), named(run, space(s), m, 0x7_0000), space(t), None);
        }
        Op::Insert(s, m, t, u) => {
            let chosen = name(run, space(t), u, u32::MAX);
            run.give(space(s), named(run, space(s), m, 0x17_0000), space(t), Some(chosen));
        }
        Op::Send { .. } => send(run, id, op),
        Op::Receive { space: s, name: n, how, notify } => {
            let s = space(s);
            let wait = if how.is_multiple_of(2) { Wait::Poll } else { Wait::Block(run.waiter()) };
            let limit = (how / 2).is_multiple_of(4).then_some(i64::from(how / 8 % 3) * 16 - i64::from(how % 2));
            let notify = notify.is_multiple_of(4).then(|| name(run, s, notify, 0x2_0000));
            let options = ReceiveOptions { wait, limit, large: (how / 8).is_multiple_of(2), notify };
            run.receive(s, name(run, s, n, 0xA_0000), options);
        }
        Op::Cancel(n, deadline) => {
            let waiters = run.waiting.len();
            if let Some(waiter) = run.waiting.keys().nth(n as usize % waiters.max(1)).copied() {
                run.cancel(waiter, if deadline { Cut::Deadline } else { Cut::Interrupt });
            }
        }
        Op::MoveMember(s, m, t) => {
            let s = space(s);
            run.move_member(s, name(run, s, m, 0x2_0000), name(run, s, t, 0x8_0000));
        }
        Op::SetQlimit(s, m, q) => {
            let s = space(s);
            let qlimit = if q == 255 { 1025 } else { u32::from(q % 4) };
            run.set_qlimit(s, name(run, s, m, 0x2_0000), qlimit);
        }
        Op::SetCounter(s, m, which, value) => {
            run.set_counter(space(s), name(run, space(s), m, 0x2_0000), which, value);
        }
        Op::Request { space: s, name: n, kind, sync, notify } => {
            let s = space(s);
            let notify = (notify > 32).then(|| name(run, s, notify, 0x2_0000));
            run.request(s, name(run, s, n, 0x17_0000), KINDS[kind as usize % 3], u32::from(sync % 3), notify);
        }
        Op::SpaceDies(s) => run.space_dies(space(s)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 250,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_core_and_the_model_agree(ops in prop::collection::vec(op(), 1..120)) {
        let mut run = start();
        for (n, op) in ops.iter().enumerate() {
            call(&mut run, 1000 + n as i32, op);
        }
        run.drain();
    }
}

/// The random calls come to the ends that they are to compare.
#[test]
fn the_random_calls_end_in_every_way() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(op(), 120);
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..120 {
        let mut run = start();
        for (n, op) in ops.new_tree(&mut runner).expect("calls").current().iter().enumerate() {
            call(&mut run, 1000 + n as i32, op);
        }
        run.drain();
        for (code, n) in run.codes {
            *codes.entry(code).or_default() += n;
        }
    }
    for (call, ends) in REACHED {
        for end in ends.split(' ') {
            let code = format!("{call} {end}");
            assert!(codes.contains_key(&code), "no {code} among {codes:#?}");
        }
    }
}

/// How calls end; what is rarer (a full name, two forced messages) has a test of its own.
const REACHED: [(&str, &str); 13] = [
    ("allocate", "Ok(()) Err(InvalidValue) Err(NameExists)"),
    ("rename", "Ok(()) Err(InvalidValue) Err(NameExists) Err(InvalidName)"),
    ("destroy", "Ok(()) Err(InvalidName)"),
    ("deallocate", "Ok(()) Err(InvalidName) Err(InvalidRight)"),
    ("mod_refs", "Ok(()) Err(InvalidName) Err(InvalidRight) Err(InvalidValue)"),
    ("extract_right", "Ok(()) Err(InvalidName) Err(InvalidRight)"),
    ("insert_right", "Ok(()) Err(InvalidValue) Err(InvalidCapability) Err(RightExists) Err(NameExists)"),
    ("move_member", "Ok(()) Err(InvalidName) Err(InvalidRight)"),
    ("request", "Ok(false) Ok(true) Err(InvalidName) Err(InvalidRight) Err(InvalidValue) Err(InvalidArgument)"),
    ("set_counter", "Ok(()) Err(InvalidName) Err(InvalidRight)"),
    (
        "send",
        "Done Blocked SendInvalidDest SendInvalidReply SendInvalidRight SendInvalidNotify SendTimedOut SendWillNotify",
    ),
    ("receive", "None Some(Success) Some(RcvInvalidName) Some(RcvInSet) Some(RcvTimedOut) Some(RcvTooLarge)"),
    ("cancel", "None Some(Some(SendTimedOut)) Some(Some(SendInterrupted))"),
];
