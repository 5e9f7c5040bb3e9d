//! Lanes: remote procedure calls between two task processes by shared memory, without waking their node.
//!
//! A *lane* is the memory of one client thread and one server thread, made by the node; its [`word`](Lane) says how far a
//! call is. A *lease* is what a server thread has of a receive that the node has registered: while it holds, the thread
//! may take a message from a lane in place of one from the queue, because it knows that the queue is empty and that it
//! is the receiver who waits. Both words have three parties, and the node's word is the last: it can shut a lane, cut it
//! for good, or close a lease with one atomic operation, whatever the two tasks do at that moment.
//!
//! This crate is those two words and nothing else: no memory is mapped here, nobody sleeps or is woken.
//!
//! Invariants (shown by `tests/loom.rs` for the memory and by `tests/model.rs` for the order of events):
//! 1. A request is taken by the server, handed back to its client, or taken back by it: exactly one of the three.
//! 2. A server takes only while its lease holds; a lease that the node has closed takes nothing more.
//! 3. Once a lane is cut, no request is taken and no answer given by it; the node knows which of the two had happened.
//! 4. The messages taken under a lease are counted exactly, also when it is closed in the middle of a take.
//!
//! Rules carried out: `docs/spec/ipc.md`, [ipc.fast.1] to [ipc.fast.9].

mod layout;
mod lease;
mod word;

pub use layout::{
    BODY_BYTES_MAX, CALLS_MAX, Header, LANE_BYTES, PAGE_ANSWERS, PAGE_BYTES, PAGE_LEASE, PAGE_SEQNO, REPLY_BODY,
    REPLY_HEADER, REQUEST_BODY, REQUEST_HEADER, SERVER_LANES_MAX, SERVING, WORD, page_calls,
};
pub use lease::{Closed, LeaseState, Resume, Taking};
pub use word::{Cut, Lane, Look, Patience, Shut, Word};
