//! Every combination of an option, a kind of name, a state of the port and a way to wait, for send and for receive.

use kernel_core::ipc::{Cut, ReceiveOptions, SendOptions, Wait};
use proto::{Disposition, Item, Message, NamedRight, PortName, RightType};

use super::run::{Run, message};

use Disposition::{CopySend, MakeSend, MakeSendOnce, MoveReceive, MoveSend, MoveSendOnce};

/// The space that acts, and the one that holds the port where the other does not.
pub const A: usize = 0;
pub const B: usize = 1;
const UNKNOWN: PortName = PortName(0x77_7001);

/// What a name denotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Unknown,
    Send,
    SendTwice,
    Receive,
    Both,
    Once,
    Set,
    DeadName,
    /// A send right whose port has died.
    Died,
}

/// What a sender finds at the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Room,
    Full,
    /// Of a limit of 0.
    NoRoomEver,
    ReceiverWaits,
    ReceiverOfSetWaits,
}

const STATES: [State; 5] =
    [State::Room, State::Full, State::NoRoomEver, State::ReceiverWaits, State::ReceiverOfSetWaits];

/// A run with a name of a kind in space A; the port behind it, if there is one, by the space and name that receive.
pub struct Case {
    pub run: Run,
    pub name: PortName,
    pub home: Option<(usize, PortName)>,
    /// A receive right of A's own, for notifications.
    pub log: PortName,
    /// A send-once right of A's to a port of B's, for replies.
    other: PortName,
}

impl Case {
    pub fn new(kind: Kind) -> Case {
        let mut run = Run::new(2);
        run.setting_up = true;
        let port = |run: &mut Run, s| run.allocate(s, RightType::Receive, None).expect("a port");
        let (log, theirs) = (port(&mut run, A), port(&mut run, B));
        let other = run.give(B, NamedRight::make_send_once(theirs), A, None).expect("a right");
        let (name, home) = match kind {
            Kind::Unknown => (UNKNOWN, None),
            Kind::Set => (run.allocate(A, RightType::PortSet, None).expect("a set"), None),
            Kind::DeadName => (run.allocate(A, RightType::DeadName, None).expect("a name"), None),
            Kind::Receive | Kind::Both => {
                let name = port(&mut run, A);
                if kind == Kind::Both {
                    run.give(A, NamedRight::make_send(name), A, None);
                }
                (name, Some((A, name)))
            }
            _ => {
                let home = port(&mut run, B);
                let how = if kind == Kind::Once { MakeSendOnce } else { MakeSend };
                let right = NamedRight { name: home, disposition: how };
                let name = run.give(B, right, A, None).expect("a right");
                if kind == Kind::SendTwice {
                    run.give(B, right, A, None);
                }
                if kind == Kind::Died {
                    run.destroy(B, home);
                    (name, None)
                } else {
                    (name, Some((B, home)))
                }
            }
        };
        Case { run, name, home, log, other }
    }

    /// Fills the port's queue, lets a receiver wait on it, and the like.
    fn bring_into(&mut self, state: State) {
        let Some((s, port)) = self.home else { return };
        let run = &mut self.run;
        let wait = |run: &mut Run| ReceiveOptions { wait: Wait::Block(run.waiter()), ..ReceiveOptions::POLL };
        match state {
            State::Room => {}
            State::Full => {
                run.set_qlimit(s, port, 1);
                self.queue(100, 0);
            }
            State::NoRoomEver => run.set_qlimit(s, port, 0),
            State::ReceiverWaits => {
                let options = wait(run);
                run.receive(s, port, options);
            }
            State::ReceiverOfSetWaits => {
                let set = run.allocate(s, RightType::PortSet, None).expect("a set");
                run.move_member(s, port, set);
                let options = wait(run);
                run.receive(s, set, options);
            }
        }
    }

    /// Puts a message with so many words into the port's queue, through a right that is used up.
    fn queue(&mut self, id: i32, words: usize) {
        let Some((s, port)) = self.home else { return };
        let right = NamedRight { name: port, disposition: MakeSend };
        let m = message(right, NamedRight::NULL, id, vec![Item::U32(7); words]);
        self.run.send(s, m, SendOptions { always: true, ..SendOptions::POLL });
    }
}

fn options(log: PortName) -> [SendOptions; 9] {
    let poll = SendOptions::POLL;
    [
        poll,
        SendOptions::ALWAYS,
        SendOptions { notify: Some(log), ..poll },
        SendOptions { notify: Some(UNKNOWN), ..poll },
        SendOptions { notify: Some(PortName::NULL), ..poll },
        SendOptions { cancel: Some(log), ..poll },
        SendOptions { cancel: Some(UNKNOWN), ..poll },
        SendOptions { cancel: Some(PortName::NULL), ..poll },
        SendOptions { notify: Some(log), cancel: Some(log), ..poll },
    ]
}

/// A reply right: none, the destination's name again, another name.
fn replies(case: &Case) -> [NamedRight; 8] {
    let same = |disposition| NamedRight { name: case.name, disposition };
    [
        NamedRight::NULL,
        same(MoveSend),
        same(CopySend),
        same(MakeSend),
        same(MakeSendOnce),
        same(MoveSendOnce),
        same(MoveReceive),
        NamedRight::move_send_once(case.other),
    ]
}

fn send_cases(kind: Kind) {
    let armed = kernel_core::ipc::NotificationKind::DeadName;
    for state in STATES {
        for disposition in [MoveReceive, MoveSend, MoveSendOnce, CopySend, MakeSend, MakeSendOnce] {
            for reply in 0..8 {
                for option in 0..9 {
                    for cut in [None, Some(Cut::Deadline), Some(Cut::Interrupt)] {
                        // What cannot differ is tried once.
                        let exists = !matches!(kind, Kind::Unknown | Kind::Set | Kind::DeadName | Kind::Died);
                        if !exists && (state != State::Room || cut.is_some()) {
                            continue;
                        }
                        let mut case = Case::new(kind);
                        case.run.request(A, case.name, armed, 0, Some(case.log));
                        case.bring_into(state);
                        let mut options = options(case.log)[option];
                        if cut.is_some() {
                            options.wait = Wait::Block(case.run.waiter());
                        }
                        let remote = NamedRight { name: case.name, disposition };
                        let body = vec![Item::Port(NamedRight::make_send(case.log))];
                        let m: Message<NamedRight> = message(remote, replies(&case)[reply], 1, body);
                        case.run.setting_up = false;
                        case.run.send(A, m, options);
                        if let (Some(waiter), Some(why)) = (case.run.waiting.keys().next_back().copied(), cut)
                            && case.run.waiting[&waiter]
                        {
                            case.run.cancel(waiter, why);
                        }
                        case.run.setting_up = true;
                        case.run.drain();
                    }
                }
            }
        }
    }
}

macro_rules! each_kind {
    ($cases:ident: $($test:ident $kind:ident,)*) => { $(
        #[test]
        fn $test() {
            $cases(Kind::$kind);
        }
    )* };
}

each_kind! { send_cases:
    every_send_to_an_unknown_name Unknown,
    every_send_to_a_send_right Send,
    every_send_to_two_send_references SendTwice,
    every_send_to_a_receive_right Receive,
    every_send_to_a_name_with_both_rights Both,
    every_send_to_a_send_once_right Once,
    every_send_to_a_set Set,
    every_send_to_a_dead_name DeadName,
    every_send_to_a_right_that_died Died,
}

/// What is received from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Port,
    /// Through the set that the port is in.
    Set,
    /// The port, though it is in a set.
    Member,
    /// A name that cannot be received from.
    Other(Kind),
}

/// What happens while a receiver waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meanwhile {
    Small,
    Large,
    SmallAfterLarge,
    Deadline,
    Interrupt,
    JoinsSet,
    LeavesSet,
    PortDies,
    RightMoves,
    SetDies,
    SpaceDies,
}

const MEANWHILE: [Meanwhile; 11] = [
    Meanwhile::Small,
    Meanwhile::Large,
    Meanwhile::SmallAfterLarge,
    Meanwhile::Deadline,
    Meanwhile::Interrupt,
    Meanwhile::JoinsSet,
    Meanwhile::LeavesSet,
    Meanwhile::PortDies,
    Meanwhile::RightMoves,
    Meanwhile::SetDies,
    Meanwhile::SpaceDies,
];

/// Messages that are there when a receiver comes, by their words; the last may be that of a blocked sender.
const THERE: [(&[usize], bool); 6] =
    [(&[], false), (&[0], false), (&[3], false), (&[3, 0], false), (&[0], true), (&[3], true)];

fn receive_cases(source: Source) {
    for (words, blocked) in THERE {
        for limit in [None, Some(-1), Some(0), Some(16), Some(48), Some(47)] {
            for large in [false, true] {
                for notify in 0..4 {
                    let happenings = if words.is_empty() { &MEANWHILE[..] } else { &[] };
                    for meanwhile in happenings.iter().copied().map(Some).chain([None]) {
                        receive_case(source, (words, blocked), limit, large, notify, meanwhile);
                    }
                }
            }
        }
    }
}

fn receive_case(
    source: Source,
    (words, blocked): (&[usize], bool),
    limit: Option<i64>,
    large: bool,
    notify: usize,
    meanwhile: Option<Meanwhile>,
) {
    let kind = if let Source::Other(kind) = source { kind } else { Kind::Both };
    let mut case = Case::new(kind);
    let set = case.run.allocate(A, RightType::PortSet, None).expect("a set");
    let port = case.name;
    if matches!(source, Source::Set | Source::Member) {
        case.run.move_member(A, port, set);
    }
    let own = !matches!(source, Source::Other(_));
    if own {
        put(&mut case, words, blocked);
    }
    let name = if source == Source::Set { set } else { port };
    let wait = match meanwhile {
        Some(_) => Wait::Block(case.run.waiter()),
        None => Wait::Poll,
    };
    let notify = [None, Some(case.log), Some(UNKNOWN), Some(PortName::NULL)][notify];
    case.run.setting_up = false;
    case.run.receive(A, name, ReceiveOptions { wait, limit, large, notify });
    if let (Some(meanwhile), true) = (meanwhile, own) {
        happen(&mut case, meanwhile, port, set);
    }
    case.run.setting_up = true;
    case.run.drain();
}

/// Sends messages that ask for an answer.
fn put(case: &mut Case, words: &[usize], blocked: bool) {
    for (n, words) in words.iter().enumerate() {
        let reply = NamedRight { name: case.log, disposition: if n == 0 { MakeSendOnce } else { MakeSend } };
        // Reply rights come from B, so that they are new to A.
        let theirs = case.run.allocate(B, RightType::Receive, None).expect("a port");
        let reply = NamedRight { name: theirs, ..reply };
        let to = case.run.give(A, NamedRight::make_send(case.name), B, None).expect("a right");
        let m = message(NamedRight::copy_send(to), reply, n as i32, vec![Item::U32(7); *words]);
        if blocked {
            case.run.set_qlimit(A, case.name, 0);
            let waiter = case.run.waiter();
            case.run.send(B, m, SendOptions { wait: Wait::Block(waiter), ..SendOptions::POLL });
        } else {
            case.run.send(B, m, SendOptions::POLL);
        }
    }
}

fn happen(case: &mut Case, meanwhile: Meanwhile, port: PortName, set: PortName) {
    let waiter = case.run.waiting.keys().next().copied();
    match meanwhile {
        Meanwhile::Small => put(case, &[0], false),
        Meanwhile::Large => put(case, &[3], false),
        Meanwhile::SmallAfterLarge => put(case, &[3, 0], false),
        Meanwhile::Deadline => waiter.into_iter().for_each(|w| case.run.cancel(w, Cut::Deadline)),
        Meanwhile::Interrupt => waiter.into_iter().for_each(|w| case.run.cancel(w, Cut::Interrupt)),
        Meanwhile::JoinsSet => case.run.move_member(A, port, set),
        Meanwhile::LeavesSet => case.run.move_member(A, port, PortName::NULL),
        Meanwhile::PortDies => case.run.mod_refs(A, port, RightType::Receive, -1),
        Meanwhile::RightMoves => {
            case.run.give(A, NamedRight { name: port, disposition: MoveReceive }, B, None);
        }
        Meanwhile::SetDies => case.run.destroy(A, set),
        Meanwhile::SpaceDies => case.run.space_dies(A),
    }
}

#[test]
fn every_receive_from_a_port() {
    receive_cases(Source::Port);
}

#[test]
fn every_receive_from_a_set() {
    receive_cases(Source::Set);
}

#[test]
fn every_receive_from_a_member() {
    receive_cases(Source::Member);
}

#[test]
fn every_receive_from_another_name() {
    for kind in [Kind::Unknown, Kind::Send, Kind::Once, Kind::DeadName, Kind::Died] {
        receive_cases(Source::Other(kind));
    }
}
