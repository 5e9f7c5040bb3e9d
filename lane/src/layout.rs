//! Where things are in the memory of a lane, and in the page that a thread shares with its node.

/// The lane's word.
pub const WORD: usize = 0;
/// The header of the request.
pub const REQUEST_HEADER: usize = 64;
/// The header of the reply.
pub const REPLY_HEADER: usize = 128;
/// The body of the request.
pub const REQUEST_BODY: usize = 4096;
/// The body of the reply.
pub const REPLY_BODY: usize = REQUEST_BODY + BODY_BYTES_MAX;
/// Bytes of a body that goes by a lane: a page with its descriptor, and then some.
pub const BODY_BYTES_MAX: usize = 8192;
/// Bytes of a lane.
pub const LANE_BYTES: u64 = (REPLY_BODY + BODY_BYTES_MAX) as u64;

/// In a thread's page: the lease's word.
pub const PAGE_LEASE: usize = 0;
/// The number of the first message that is taken under the lease.
pub const PAGE_SEQNO: usize = 8;
/// Answers that the thread has had by lanes, as a client.
pub const PAGE_ANSWERS: usize = 64;
/// Bytes of a thread's page.
pub const PAGE_BYTES: u64 = 4096;
/// Lanes that one server thread waits on.
pub const SERVER_LANES_MAX: usize = 31;
/// Calls by one lane: fewer than a name has generations, so that no name of a reply right comes twice.
pub const CALLS_MAX: u32 = 4000;

/// Beside the number of calls: the next one is being taken, or was and is not answered.
pub const SERVING: u32 = 1 << 31;

const PAGE_CALLS: usize = 128;
const _: () = assert!(PAGE_CALLS + 4 * SERVER_LANES_MAX < PAGE_BYTES as usize && CALLS_MAX < 4096);

/// In a server thread's page: calls that it has taken from its lane `index`, and [`SERVING`] while it has not answered
/// the one after them.
///
/// Conditions: `index` < [`SERVER_LANES_MAX`].
pub const fn page_calls(index: usize) -> usize {
    assert!(index < SERVER_LANES_MAX);
    PAGE_CALLS + 4 * index
}

/// The header of a message in a lane, as three double words.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Header {
    /// The message's id.
    pub id: i32,
    /// Bytes of body.
    pub len: u32,
    /// The activity it belongs to.
    pub trace: u64,
}

impl Header {
    /// As it stands in the memory.
    pub const BYTES: usize = 16;

    /// As bytes.
    pub fn to_bytes(self) -> [u8; Header::BYTES] {
        let mut bytes = [0; Header::BYTES];
        bytes[..4].copy_from_slice(&self.id.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.len.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.trace.to_ne_bytes());
        bytes
    }

    /// From bytes that anybody may have written: a body is not longer than a lane's.
    pub fn from_bytes(bytes: [u8; Header::BYTES]) -> Header {
        let [i0, i1, i2, i3, l0, l1, l2, l3, trace @ ..] = bytes;
        let len = u32::from_ne_bytes([l0, l1, l2, l3]).min(BODY_BYTES_MAX as u32);
        Header { id: i32::from_ne_bytes([i0, i1, i2, i3]), len, trace: u64::from_ne_bytes(trace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_a_length_that_lies_is_cut() {
        let header = Header { id: -7, len: BODY_BYTES_MAX as u32, trace: 0x1234_5678_9abc_def0 };
        assert_eq!(Header::from_bytes(header.to_bytes()), header);
        let lies = Header { len: BODY_BYTES_MAX as u32 + 1, ..header };
        assert_eq!(Header::from_bytes(lies.to_bytes()), header);
    }
}
