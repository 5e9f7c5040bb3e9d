//! Every way in which a right ends, with every request that is told of it: one receive right hears of all, in order.

use kernel_core::ipc::{NotificationKind, SendOptions, Wait};
use proto::{Disposition, Item, NamedRight, PortName, RightType};

use super::cases::{A, B, Case, Kind};
use super::run::{RIGHTS, message};

/// How a name's rights are given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Deallocate,
    Destroy,
    ModRefs(RightType, i32),
    Extract(Disposition),
    /// Moved in a message that is destroyed, for its next right is bad.
    Message(Disposition),
    Rename,
    SpaceDies,
    OtherSpaceDies,
}

fn ends() -> Vec<End> {
    use Disposition::*;
    let all = [MoveReceive, MoveSend, MoveSendOnce, CopySend, MakeSend, MakeSendOnce];
    let mut ends = vec![End::Deallocate, End::Destroy, End::Rename, End::SpaceDies, End::OtherSpaceDies];
    for right in RIGHTS {
        ends.extend([1, 0, -1, -2, -3, 65_533, 65_534, i32::MAX, i32::MIN].map(|delta| End::ModRefs(right, delta)));
    }
    ends.extend(all.map(End::Extract));
    ends.extend(all.map(End::Message));
    ends
}

/// Which requests are armed, by bits: dead-name, no-senders, port-destroyed, its receive right dead, a name of B's.
fn arm(case: &mut Case, armed: u32) {
    use NotificationKind::{DeadName, NoSenders, PortDestroyed};
    let (name, log) = (case.name, case.log);
    if armed & 1 != 0 {
        case.run.request(A, name, DeadName, 0, Some(log));
    }
    let Some((s, port)) = case.home else { return };
    if armed & 16 != 0 {
        // Another space has a send right too.
        case.run.give(s, NamedRight::make_send(port), B, None);
    }
    let own = if s == A { log } else { case.run.allocate(s, RightType::Receive, None).expect("a port") };
    // Above 0, so that a request is not answered at once when there is no sender.
    if armed & 2 != 0 {
        case.run.request(s, port, NoSenders, 9, Some(own));
    }
    if armed & 4 != 0 {
        let to = if armed & 8 != 0 { port } else { own };
        case.run.request(s, port, PortDestroyed, 0, Some(to));
    }
}

/// Puts messages into the port's queue, and behind it, whose rights end with it.
fn fill(case: &mut Case) {
    let Some((s, port)) = case.home else { return };
    case.run.set_qlimit(s, port, 1);
    let log = case.run.names(s, 0x2_0000).into_iter().find(|name| *name != port).unwrap_or(port);
    for id in 0..2 {
        let inner = case.run.allocate(s, RightType::Receive, None).expect("a port");
        let body = vec![
            Item::Port(NamedRight::make_send_once(log)),
            Item::Port(NamedRight::make_send(port)),
            Item::Port(NamedRight { name: inner, disposition: Disposition::MoveReceive }),
        ];
        let wait = if id == 0 { Wait::Poll } else { Wait::Block(case.run.waiter()) };
        let m = message(NamedRight::make_send(port), NamedRight::make_send_once(log), id, body);
        case.run.send(s, m, SendOptions { wait, ..SendOptions::POLL });
    }
}

fn end(case: &mut Case, end: End) {
    let name = case.name;
    match end {
        End::Deallocate => case.run.deallocate(A, name),
        End::Destroy => case.run.destroy(A, name),
        End::ModRefs(right, delta) => case.run.mod_refs(A, name, right, delta),
        End::Extract(disposition) => {
            case.run.give(A, NamedRight { name, disposition }, B, None);
        }
        End::Message(disposition) => {
            let bad = NamedRight::copy_send(PortName(0x77_7009));
            let body = vec![Item::Port(NamedRight { name, disposition }), Item::Port(bad)];
            let m = message(NamedRight::make_send(case.log), NamedRight::NULL, 7, body);
            case.run.send(A, m, SendOptions::POLL);
        }
        End::Rename => case.run.rename(A, name, PortName(0x77_7005)),
        End::SpaceDies => case.run.space_dies(A),
        End::OtherSpaceDies => case.run.space_dies(B),
    }
}

fn endings(kind: Kind) {
    for armed in 0..32 {
        for filled in [false, true] {
            for how in ends() {
                let mut case = Case::new(kind);
                arm(&mut case, armed);
                if filled {
                    fill(&mut case);
                }
                case.run.setting_up = false;
                end(&mut case, how);
                case.run.setting_up = true;
                case.run.drain();
            }
        }
    }
}

macro_rules! each_kind {
    ($($test:ident $kind:ident,)*) => { $(
        #[test]
        fn $test() {
            endings(Kind::$kind);
        }
    )* };
}

each_kind! {
    every_ending_of_a_send_right Send,
    every_ending_of_two_send_references SendTwice,
    every_ending_of_a_receive_right Receive,
    every_ending_of_both_rights Both,
    every_ending_of_a_send_once_right Once,
    every_ending_of_a_set Set,
    every_ending_of_a_dead_name DeadName,
    every_ending_of_a_right_that_died Died,
}
