//! The core of ports under a script of calls: four bytes choose each. Rights are conserved after every call
//! (`Ipc::check`), and at the end nothing is left.
#![no_main]

use kernel_core::ipc::{Cut, Ipc, NotificationKind, ReceiveOptions, SendOptions, SpaceId, Wait, WaiterId};
use libfuzzer_sys::fuzz_target;
use proto::{Disposition, Incarnation, Item, Message, NamedRight, PortName, RightType, TraceId};

fn name(ipc: &Ipc, space: SpaceId, n: u8) -> PortName {
    let names = ipc.names(space).unwrap_or_default();
    names.get(usize::from(n) % (names.len() + 2)).map_or(PortName(u32::from(n)), |(name, _)| *name)
}

fuzz_target!(|data: &[u8]| {
    let mut ipc = Ipc::new(Incarnation(1));
    let spaces = [false, false, true].map(|in_process| ipc.space_create(in_process));
    let fx = &mut Vec::new();
    let mut last = 0;
    for call in data.chunks_exact(4).take(200) {
        let (space, other) = (spaces[usize::from(call[0] >> 4) % 3], spaces[usize::from(call[1] >> 6) % 3]);
        let (a, b) = (name(&ipc, space, call[1] & 63), name(&ipc, space, call[2]));
        let how = Disposition::from_raw(16 + u32::from(call[3]) % 6).expect("one of six");
        last += 1;
        let wait = if call[3] & 128 != 0 { Wait::Block(WaiterId(last)) } else { Wait::Poll };
        match call[0] & 15 {
            0 | 1 => drop(ipc.allocate(space, [RightType::Receive, RightType::PortSet][usize::from(call[1] & 1)])),
            2 => drop(ipc.destroy(space, a, fx)),
            3 => drop(ipc.deallocate(space, a, fx)),
            4 => {
                if let Ok(right) = ipc.extract_right(space, a, how, fx) {
                    let _ = ipc.insert_right_for(other, right, fx);
                }
            }
            5 => drop(ipc.move_member(space, a, b, fx)),
            6 => drop(ipc.set_qlimit(space, a, u32::from(call[2] % 4), fx)),
            7 => drop(ipc.cancel(WaiterId(u64::from(call[1]) % last), Cut::Interrupt, fx)),
            8 => {
                let kinds = [NotificationKind::DeadName, NotificationKind::NoSenders, NotificationKind::PortDestroyed];
                if let Ok(right) = ipc.extract_right(space, b, Disposition::MakeSendOnce, fx)
                    && let Ok(before) =
                        ipc.request_notification(space, a, kinds[usize::from(call[3]) % 3], u32::from(call[3] & 1), right, fx)
                {
                    ipc.release(before, fx);
                }
            }
            9..12 => drop(ipc.receive(space, a, ReceiveOptions { wait, ..ReceiveOptions::POLL }, fx)),
            _ => {
                let right = |name, disposition| NamedRight { name, disposition };
                let local = if call[3] & 64 != 0 { right(b, Disposition::MakeSendOnce) } else { NamedRight::NULL };
                let to = [Disposition::CopySend, Disposition::MakeSend, Disposition::MoveSend, Disposition::MoveSendOnce];
                let remote = right(a, to[usize::from(call[2] >> 6)]);
                let body = vec![Item::Port(right(b, how)), Item::U32(1)].into();
                let message = Message { remote, local, id: 1, seqno: 0, trace: TraceId(0), body };
                drop(ipc.send(space, message, SendOptions { wait, ..SendOptions::POLL }, fx));
            }
        }
        fx.clear();
        ipc.check();
    }
    spaces.into_iter().for_each(|space| ipc.space_destroy(space, fx));
    ipc.check();
    assert_eq!((ipc.ports_len(), ipc.queued(), ipc.kernel_held()), (0, (0, 0), 0));
});
