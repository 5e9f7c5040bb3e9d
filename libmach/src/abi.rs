//! What C and Rust agree on: layouts and numbers of the headers under `libmach/include`, asserted here as they are in
//! `libmach/tests/c/layout.c`.

use proto::{Disposition, PortName};

/// `mach_msg_header_t`. A C program writes the low half of the slots of ports; what is above has no meaning.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// `msgh_bits`.
    pub bits: u32,
    /// `msgh_size`.
    pub size: u32,
    /// `msgh_remote_port`.
    pub remote: u32,
    /// The other half of its slot.
    pub remote_above: u32,
    /// `msgh_local_port`.
    pub local: u32,
    /// The other half of `msgh_protected_payload`.
    pub local_above: u32,
    /// `msgh_seqno`.
    pub seqno: u32,
    /// `msgh_id`.
    pub id: i32,
}

/// `mig_reply_header_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MigReply {
    /// `Head`.
    pub head: Header,
    /// `RetCodeType`.
    pub code_type: u64,
    /// `RetCode`.
    pub code: i32,
    above: u32,
}

/// `mach_port_status_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PortStatus {
    /// The set that it is a member of.
    pub pset: u32,
    /// Sequence number of the next message.
    pub seqno: u32,
    /// Send rights made.
    pub mscount: u32,
    /// The queue's limit.
    pub qlimit: u32,
    /// Messages queued.
    pub msgcount: u32,
    /// Send-once rights.
    pub sorights: u32,
    /// Whether there are send rights.
    pub srights: i32,
    /// Whether a port-destroyed request is armed.
    pub pdrequest: i32,
    /// Whether a no-senders request is armed.
    pub nsrequest: i32,
}

/// Bytes of a header.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Bytes of a reply that is only a code.
pub const MIG_REPLY_BYTES: usize = size_of::<MigReply>();
/// The descriptor of a reply's code.
pub const CODE_TYPE: u64 = 0x0000_0001_2000_2002;

/// `MACH_MSGH_BITS_COMPLEX`.
pub const BITS_COMPLEX: u32 = 0x8000_0000;
/// `MACH_MSGH_BITS_UNUSED`.
pub const BITS_UNUSED: u32 = 0x07ff_0000;

/// `MACH_SEND_MSG` and so on.
pub mod option {
    /// Send.
    pub const SEND_MSG: i32 = 0x1;
    /// Receive.
    pub const RCV_MSG: i32 = 0x2;
    /// The send waits only so long.
    pub const SEND_TIMEOUT: i32 = 0x10;
    /// Ask for a message-accepted notification.
    pub const SEND_NOTIFY: i32 = 0x20;
    /// The send is not begun again.
    pub const SEND_INTERRUPT: i32 = 0x40;
    /// The receive waits only so long.
    pub const RCV_TIMEOUT: i32 = 0x100;
    /// A dead-name request ends with the destination's name.
    pub const SEND_CANCEL: i32 = 0x80;
    /// The reply port is watched.
    pub const RCV_NOTIFY: i32 = 0x200;
    /// The receive is not begun again.
    pub const RCV_INTERRUPT: i32 = 0x400;
    /// A message that does not fit stays queued.
    pub const RCV_LARGE: i32 = 0x800;
}

/// `MACH_MSG_TYPE_PROTECTED_PAYLOAD`.
pub const TYPE_PROTECTED_PAYLOAD: u32 = 23;

/// `MACH_MSG_MASK`: bits that a code of `mach_msg` may have beside its number.
pub const MSG_MASK: i32 = 0x3c00;

impl Header {
    /// How the remote port goes.
    pub fn remote_type(&self) -> u32 {
        self.bits & 0xff
    }

    /// How the local port goes.
    pub fn local_type(&self) -> u32 {
        (self.bits >> 8) & 0xff
    }

    /// Whether the body is to be looked into.
    pub fn is_complex(&self) -> bool {
        self.bits & BITS_COMPLEX != 0
    }

    /// The header as its bytes lie in a message.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let words = [
            self.bits,
            self.size,
            self.remote,
            self.remote_above,
            self.local,
            self.local_above,
            self.seqno,
            self.id as u32,
        ];
        let mut bytes = [0; HEADER_BYTES];
        bytes.chunks_exact_mut(4).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_ne_bytes()));
        bytes
    }

    /// From the first bytes of a message.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Header {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Header {
            bits: word(0),
            size: word(4),
            remote: word(8),
            remote_above: word(12),
            local: word(16),
            local_above: word(20),
            seqno: word(24),
            id: word(28) as i32,
        }
    }
}

impl MigReply {
    /// The reply to a request that says only a code.
    pub fn to(request: &Header, code: i32) -> MigReply {
        let head = Header {
            bits: request.remote_type(),
            size: MIG_REPLY_BYTES as u32,
            remote: request.remote,
            id: request.id.wrapping_add(100),
            ..Header::default()
        };
        MigReply { head, code_type: CODE_TYPE, code, above: 0 }
    }
}

const _: () = assert!(cfg!(target_endian = "little") && size_of::<usize>() == 8);
const _: () = assert!(HEADER_BYTES == 32 && align_of::<Header>() == 4);
const _: () = assert!(std::mem::offset_of!(Header, remote) == 8 && std::mem::offset_of!(Header, local) == 16);
const _: () = assert!(std::mem::offset_of!(Header, seqno) == 24 && std::mem::offset_of!(Header, id) == 28);
const _: () = assert!(MIG_REPLY_BYTES == 48 && std::mem::offset_of!(MigReply, code_type) == 32);
const _: () = assert!(std::mem::offset_of!(MigReply, code) == 40);
const _: () = assert!(size_of::<PortStatus>() == 36 && std::mem::offset_of!(PortStatus, srights) == 24);
const _: () = assert!(Disposition::MoveReceive as u32 == 16 && Disposition::MakeSendOnce as u32 == 21);
const _: () = assert!(PortName::NULL.0 == 0 && PortName::DEAD.0 == u32::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_as_bytes() {
        let bytes: [u8; HEADER_BYTES] = std::array::from_fn(|i| i as u8 + 1);
        let header = Header::from_bytes(&bytes);
        assert_eq!((header.bits, header.remote, header.local), (0x0403_0201, 0x0c0b_0a09, 0x1413_1211));
        assert_eq!((header.remote_type(), header.local_type(), header.is_complex()), (1, 2, false));
        assert_eq!(header.to_bytes(), bytes);
    }

    #[test]
    fn an_error_reply_answers_its_request() {
        let request = Header { bits: 0x8000_1112, remote: 7, local: 9, id: 400, ..Header::default() };
        let reply = MigReply::to(&request, -303);
        let Header { bits, size, remote, local, id, .. } = reply.head;
        assert_eq!((bits, size, remote, local, id, reply.code), (0x12, 48, 7, 0, 500, -303));
    }
}
