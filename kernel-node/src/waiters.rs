//! Who waits in the kernel: threads of tasks, by connection, and netmsg for room in a local queue.
//!
//! The kernel core knows a waiter by a number. The lowest two bits say whose it is; the rest is the connection or the ticket.

use kernel_core::Time;
use kernel_core::ipc::WaiterId;
use netmsg_core::Ticket;

use crate::channel::ChannelId;

/// Whose wait it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiter {
    /// A thread in `mach_msg`, by its connection.
    Channel(ChannelId),
    /// The receive that a thread has registered and takes from lanes by, by its connection.
    Lease(ChannelId),
    /// A message from a peer that waits for room.
    Netmsg(Ticket),
}

/// The waiter of a connection: a thread waits for one thing at a time.
pub fn of_channel(channel: ChannelId) -> WaiterId {
    WaiterId(channel.0 << 2)
}

/// The waiter of a connection's registered receive.
pub fn of_lease(channel: ChannelId) -> WaiterId {
    WaiterId(channel.0 << 2 | 2)
}

/// The waiter of a send that netmsg waits for.
pub fn of_netmsg(ticket: Ticket) -> WaiterId {
    WaiterId(ticket.0 << 2 | 1)
}

/// The reverse of the three.
pub fn parse(waiter: WaiterId) -> Waiter {
    match waiter.0 & 3 {
        0 => Waiter::Channel(ChannelId(waiter.0 >> 2)),
        2 => Waiter::Lease(ChannelId(waiter.0 >> 2)),
        _ => Waiter::Netmsg(Ticket(waiter.0 >> 2)),
    }
}

/// The earlier of two deadlines, of which either may be absent.
pub fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_says_whose_it_is() {
        assert_eq!(parse(of_channel(ChannelId(7))), Waiter::Channel(ChannelId(7)));
        assert_eq!(parse(of_lease(ChannelId(7))), Waiter::Lease(ChannelId(7)));
        assert_eq!(parse(of_netmsg(Ticket(7))), Waiter::Netmsg(Ticket(7)));
        assert_eq!(earlier(None, Some(Time(3))), Some(Time(3)));
        assert_eq!(earlier(Some(Time(2)), Some(Time(3))), Some(Time(2)));
    }
}
