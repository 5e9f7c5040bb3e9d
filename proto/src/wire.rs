// Written by `cargo xtask gen` from proto/idl; do not edit.
//! The records of `proto/idl/wire`: everything that leaves a process.

/// Records of `proto/idl/wire/body.proto`.
pub mod body {
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct NamedRight {
        #[prost(uint32, tag = "1")]
        pub name: u32,
        #[prost(uint32, tag = "2")]
        pub disposition: u32,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct NamedMessage {
        #[prost(message, optional, tag = "1")]
        pub remote: ::core::option::Option<NamedRight>,
        #[prost(message, optional, tag = "2")]
        pub local: ::core::option::Option<NamedRight>,
        #[prost(int32, tag = "3")]
        pub id: i32,
        #[prost(uint32, tag = "4")]
        pub seqno: u32,
        #[prost(uint64, tag = "5")]
        pub trace: u64,
        /// The body is typed and has items with rights or out of line; else nobody looks into it.
        #[prost(bool, tag = "6")]
        pub complex: bool,
        /// Names in the slots of rights; the slots of addresses mean nothing.
        #[prost(bytes = "bytes", tag = "7")]
        pub body: ::prost::bytes::Bytes,
        /// What is out of line, one behind the other in the order of the descriptors: data, and names of 4 bytes.
        #[prost(bytes = "bytes", tag = "8")]
        pub memory: ::prost::bytes::Bytes,
        /// A body that is too large for the record lies in the descriptor beside it at this index + 1, from its start on, and is
        /// so long.
        #[prost(uint32, tag = "9")]
        pub fd: u32,
        #[prost(uint64, tag = "10")]
        pub body_length: u64,
        /// Memory that is too large for the record: where it lies, in order.
        #[prost(message, optional, tag = "11")]
        pub memory_beside: ::core::option::Option<Segments>,
    }
    /// Pieces of the descriptors beside the record, one behind the other; a column for each number (`proto/src/segments.rs`).
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Segments {
        /// Indices of the descriptors, less `first`.
        #[prost(uint32, repeated, tag = "1")]
        pub fd: ::prost::alloc::vec::Vec<u32>,
        /// Bytes from where the piece before of the same descriptor ended, of the first one from the start of the descriptor.
        #[prost(sint64, repeated, tag = "2")]
        pub skip: ::prost::alloc::vec::Vec<i64>,
        /// Bytes.
        #[prost(uint64, repeated, tag = "3")]
        pub length: ::prost::alloc::vec::Vec<u64>,
        #[prost(uint32, tag = "4")]
        pub first: u32,
    }
}

/// Records of `proto/idl/wire/gossip.proto`.
pub mod gossip {
    /// One life of a node.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Node {
        #[prost(string, tag = "1")]
        pub name: ::prost::alloc::string::String,
        #[prost(uint64, tag = "2")]
        pub incarnation: u64,
        /// Where it accepts links: "ip:port".
        #[prost(string, tag = "3")]
        pub address: ::prost::alloc::string::String,
    }
    /// Opens every datagram, length-delimited. A count of updates (u16, big-endian) and the updates follow.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Header {
        #[prost(message, optional, tag = "1")]
        pub src: ::core::option::Option<Node>,
        /// The sender's count of suspicions it has refuted.
        #[prost(uint32, tag = "2")]
        pub src_round: u32,
        #[prost(message, optional, tag = "3")]
        pub dst: ::core::option::Option<Node>,
        /// 1 ping, 2 ack, 3 ping request, 4 indirect ping, 5 indirect ack, 6 forwarded ack, 7 announce, 8 feed, 9 gossip,
        /// 10 broadcast, 11 turn undead.
        #[prost(uint32, tag = "4")]
        pub kind: u32,
        #[prost(uint32, tag = "5")]
        pub probe: u32,
        /// The target or the origin of an indirect probe.
        #[prost(message, optional, tag = "6")]
        pub about: ::core::option::Option<Node>,
    }
    /// What the sender holds true of a member, length-delimited.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Update {
        #[prost(message, optional, tag = "1")]
        pub node: ::core::option::Option<Node>,
        #[prost(uint32, tag = "2")]
        pub round: u32,
        /// 1 alive, 2 suspect, 3 down.
        #[prost(uint32, tag = "3")]
        pub state: u32,
    }
}

/// Records of `proto/idl/wire/join.proto`.
pub mod join {
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Request {
        /// The name that the certificate shall carry.
        #[prost(string, tag = "1")]
        pub node: ::prost::alloc::string::String,
        /// A certification request (PKCS #10, DER). Only its public key is used.
        #[prost(bytes = "bytes", tag = "2")]
        pub csr: ::prost::bytes::Bytes,
        /// Of the token: when it ends, in seconds since 1970, and the authority's proof.
        #[prost(uint64, tag = "3")]
        pub expires: u64,
        #[prost(bytes = "bytes", tag = "4")]
        pub proof: ::prost::bytes::Bytes,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Answer {
        #[prost(oneof = "answer::Answer", tags = "1, 2")]
        pub answer: ::core::option::Option<answer::Answer>,
    }
    /// Nested message and enum types in `Answer`.
    pub mod answer {
        #[derive(Clone, PartialEq, ::prost::Oneof)]
        pub enum Answer {
            #[prost(message, tag = "1")]
            Welcome(super::Welcome),
            #[prost(message, tag = "2")]
            Refusal(super::Refusal),
        }
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Welcome {
        #[prost(string, tag = "1")]
        pub cert_pem: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub ca_pem: ::prost::alloc::string::String,
        #[prost(message, repeated, tag = "3")]
        pub members: ::prost::alloc::vec::Vec<Seed>,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Seed {
        #[prost(string, tag = "1")]
        pub name: ::prost::alloc::string::String,
        /// "ip:port".
        #[prost(string, tag = "2")]
        pub address: ::prost::alloc::string::String,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Refusal {
        /// 1 bad token, 2 expired, 3 name taken, 4 bad name, 5 bad request, 6 cluster full, 7 the seed failed.
        #[prost(uint32, tag = "1")]
        pub code: u32,
        #[prost(string, tag = "2")]
        pub reason: ::prost::alloc::string::String,
    }
}

/// Records of `proto/idl/wire/link.proto`.
pub mod link {
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Frame {
        #[prost(oneof = "frame::Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
        pub kind: ::core::option::Option<frame::Kind>,
    }
    /// Nested message and enum types in `Frame`.
    pub mod frame {
        #[derive(Clone, PartialEq, ::prost::Oneof)]
        pub enum Kind {
            #[prost(message, tag = "1")]
            Hello(super::Hello),
            #[prost(message, tag = "2")]
            Send(super::Send),
            #[prost(message, tag = "3")]
            Delivered(super::Delivered),
            #[prost(message, tag = "4")]
            Release(super::Release),
            #[prost(message, tag = "5")]
            PortDead(super::PortDead),
            #[prost(message, tag = "6")]
            Gossip(super::Gossip),
            #[prost(message, tag = "7")]
            Goodbye(super::Goodbye),
        }
    }
    /// The first frame on the warm stream, each way.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Hello {
        #[prost(uint32, tag = "1")]
        pub version: u32,
        #[prost(string, tag = "2")]
        pub node: ::prost::alloc::string::String,
        #[prost(uint64, tag = "3")]
        pub incarnation: u64,
        /// Where this node accepts links.
        #[prost(string, tag = "4")]
        pub address: ::prost::alloc::string::String,
    }
    /// A message to a port that the sender was granted.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Send {
        /// The receiver's entry for the port (its export).
        #[prost(uint64, tag = "1")]
        pub export: u64,
        /// Counts up from 1 per export entry.
        #[prost(uint64, tag = "2")]
        pub seq: u64,
        /// Deliver only after every message with seq < after has been delivered; seq itself means strictly in order.
        #[prost(uint64, tag = "3")]
        pub after: u64,
        #[prost(int32, tag = "4")]
        pub id: i32,
        #[prost(uint64, tag = "5")]
        pub trace: u64,
        #[prost(message, optional, tag = "6")]
        pub reply: ::core::option::Option<Right>,
        /// The destination right is a send-once right: used up by this message.
        #[prost(bool, tag = "8")]
        pub once: bool,
        /// The body is typed and has items with rights or out of line.
        #[prost(bool, tag = "9")]
        pub complex: bool,
        /// As Mach lays it out, with empty slots; a long one is the first of what follows the head.
        #[prost(bytes = "bytes", tag = "10")]
        pub body: ::prost::bytes::Bytes,
        #[prost(uint64, tag = "11")]
        pub body_length: u64,
        /// Out-of-line data, which follow the head (and a long body) in the order of their descriptors.
        #[prost(uint64, tag = "13")]
        pub memory_length: u64,
        /// What the slots of rights stand for, inline or out of line, in order.
        #[prost(message, repeated, tag = "12")]
        pub rights: ::prost::alloc::vec::Vec<Right>,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Right {
        #[prost(oneof = "right::Right", tags = "1, 2, 3, 4, 5, 6")]
        pub right: ::core::option::Option<right::Right>,
    }
    /// Nested message and enum types in `Right`.
    pub mod right {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Oneof)]
        pub enum Right {
            #[prost(bool, tag = "1")]
            Null(bool),
            #[prost(bool, tag = "2")]
            Dead(bool),
            /// A port that lives at the sender of the frame: a send right granted under this export entry.
            #[prost(message, tag = "3")]
            Send(super::Grant),
            #[prost(message, tag = "4")]
            SendOnce(super::Grant),
            /// A port that lives at the receiver of the frame: a right given back to where it came from.
            #[prost(uint64, tag = "5")]
            Yours(u64),
            #[prost(uint64, tag = "6")]
            YoursOnce(u64),
        }
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Grant {
        #[prost(uint64, tag = "1")]
        pub export: u64,
        #[prost(uint64, tag = "2")]
        pub uid_origin: u64,
        #[prost(uint64, tag = "3")]
        pub uid_serial: u64,
    }
    /// Messages to this export up to `through` have been taken into the port's queue.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Delivered {
        #[prost(uint64, tag = "1")]
        pub export: u64,
        #[prost(uint64, tag = "2")]
        pub through: u64,
    }
    /// The holder gave up a right. Streams overtake each other, so it counts what else is under way: the grants it has seen,
    /// the messages it has sent and the times it gave the right back as `yours`. The entry goes when all three agree.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Release {
        #[prost(uint64, tag = "1")]
        pub export: u64,
        #[prost(uint64, tag = "2")]
        pub granted: u64,
        #[prost(uint64, tag = "3")]
        pub sent: u64,
        #[prost(uint64, tag = "4")]
        pub returned: u64,
    }
    /// An entry for a send right is gone, because its port died or it was released; the last frame about it. A holder that has
    /// seen fewer than `granted` grants knows the ones still under way as dead.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct PortDead {
        #[prost(uint64, tag = "1")]
        pub export: u64,
        #[prost(uint64, tag = "2")]
        pub granted: u64,
    }
    /// A datagram of the membership protocol.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Gossip {
        #[prost(bytes = "bytes", tag = "1")]
        pub data: ::prost::bytes::Bytes,
    }
    /// Refuses a greeting, where the refused node has to learn more than a close code can say.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Goodbye {
        #[prost(string, tag = "1")]
        pub reason: ::prost::alloc::string::String,
        /// A close code, as on the connection.
        #[prost(uint32, tag = "2")]
        pub code: u32,
        /// The life of the node that refuses: it may be that the other one holds that life for dead.
        #[prost(uint64, tag = "3")]
        pub incarnation: u64,
    }
}

/// Records of `proto/idl/wire/space.proto`.
pub mod space {
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Space {
        #[prost(message, repeated, tag = "1")]
        pub regions: ::prost::alloc::vec::Vec<Region>,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Region {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint32, tag = "3")]
        pub protection: u32,
        #[prost(uint32, tag = "4")]
        pub max_protection: u32,
        #[prost(uint32, tag = "5")]
        pub inheritance: u32,
        /// Where in the object.
        #[prost(uint64, tag = "8")]
        pub offset: u64,
        #[prost(oneof = "region::Shows", tags = "6, 7")]
        pub shows: ::core::option::Option<region::Shows>,
    }
    /// Nested message and enum types in `Region`.
    pub mod region {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Oneof)]
        pub enum Shows {
            /// Its bytes follow: those of all such regions one behind the other.
            #[prost(bool, tag = "6")]
            Bytes(bool),
            /// One of the memory objects beside the item.
            #[prost(uint32, tag = "7")]
            Object(u32),
        }
    }
}

/// Records of `proto/idl/wire/trap.proto`.
pub mod trap {
    /// From the task.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Call {
        /// Chosen by the task; the answer carries it.
        #[prost(uint64, tag = "1")]
        pub ticket: u64,
        #[prost(oneof = "call::Op", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
        pub op: ::core::option::Option<call::Op>,
    }
    /// Nested message and enum types in `Call`.
    pub mod call {
        #[derive(Clone, PartialEq, ::prost::Oneof)]
        pub enum Op {
            #[prost(message, tag = "2")]
            Hello(super::Hello),
            #[prost(message, tag = "3")]
            Msg(super::Msg),
            #[prost(message, tag = "4")]
            ReplyPort(super::ReplyPort),
            #[prost(message, tag = "5")]
            OrderDone(super::OrderDone),
            #[prost(message, tag = "6")]
            Poll(super::Poll),
            #[prost(message, tag = "7")]
            Interrupt(super::Interrupt),
            #[prost(message, tag = "8")]
            ThreadSelf(super::ThreadSelf),
            #[prost(message, tag = "9")]
            Freeze(super::Freeze),
            #[prost(message, tag = "10")]
            MapFrozen(super::MapFrozen),
            #[prost(message, tag = "11")]
            Fork(super::Fork),
        }
    }
    /// The first record on every connection.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Hello {
        #[prost(uint32, tag = "1")]
        pub version: u32,
        #[prost(enumeration = "hello::Role", tag = "2")]
        pub role: i32,
        /// A token of node_task_prepare, or of the task that this thread belongs to; 0 starts a task of its own.
        #[prost(uint64, tag = "3")]
        pub token: u64,
        /// "full" or "user-mode-only"; the descriptor comes beside the first hello of a task. "none" for a task without
        /// managed memory: no descriptor, no arena, no agent.
        #[prost(string, tag = "4")]
        pub userfaultfd: ::prost::alloc::string::String,
        #[prost(string, tag = "5")]
        pub command: ::prost::alloc::string::String,
        /// The range of addresses that the library keeps for the node's choice.
        #[prost(uint64, tag = "6")]
        pub arena_start: u64,
        #[prost(uint64, tag = "7")]
        pub arena_size: u64,
    }
    /// Nested message and enum types in `Hello`.
    pub mod hello {
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            Hash,
            PartialOrd,
            Ord,
            ::prost::Enumeration
        )]
        #[repr(i32)]
        pub enum Role {
            Thread = 0,
            Agent = 1,
        }
        impl Role {
            /// String value of the enum field names used in the ProtoBuf definition.
            ///
            /// The values are not transformed in any way and thus are considered stable
            /// (if the ProtoBuf definition does not change) and safe for programmatic use.
            pub fn as_str_name(&self) -> &'static str {
                match self {
                    Self::Thread => "THREAD",
                    Self::Agent => "AGENT",
                }
            }
            /// Creates an enum from field names used in the ProtoBuf definition.
            pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
                match value {
                    "THREAD" => Some(Self::Thread),
                    "AGENT" => Some(Self::Agent),
                    _ => None,
                }
            }
        }
    }
    /// The trap mach_msg: send, receive, or both.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Msg {
        #[prost(bool, tag = "1")]
        pub send: bool,
        #[prost(message, optional, tag = "2")]
        pub message: ::core::option::Option<super::body::NamedMessage>,
        /// Milliseconds; absent waits for ever.
        #[prost(uint64, optional, tag = "3")]
        pub send_timeout_ms: ::core::option::Option<u64>,
        #[prost(bool, tag = "4")]
        pub receive: bool,
        #[prost(uint32, tag = "5")]
        pub receive_name: u32,
        #[prost(uint64, optional, tag = "6")]
        pub receive_timeout_ms: ::core::option::Option<u64>,
        /// Bytes of body that the receiver takes; absent takes any, below 0 not even a header.
        #[prost(int64, optional, tag = "7")]
        pub receive_limit: ::core::option::Option<i64>,
        /// MACH_RCV_LARGE: a message that is too large stays queued.
        #[prost(bool, tag = "8")]
        pub receive_large: bool,
        /// The receive right that MACH_SEND_NOTIFY, MACH_SEND_CANCEL and MACH_RCV_NOTIFY speak of; what each asks.
        #[prost(uint32, tag = "9")]
        pub notify: u32,
        #[prost(bool, tag = "10")]
        pub send_notify: bool,
        #[prost(bool, tag = "11")]
        pub send_cancel: bool,
        #[prost(bool, tag = "12")]
        pub receive_notify: bool,
        /// The thread can call by a lane: it sends to a copied right and receives the answer on the port it keeps for replies.
        #[prost(bool, tag = "13")]
        pub lane_call: bool,
        /// The thread can serve lanes in this receive.
        #[prost(message, optional, tag = "14")]
        pub lane_serve: ::core::option::Option<LaneServe>,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct LaneServe {
        /// The greatest number of a lane that the thread has mapped, of those it was given to serve.
        #[prost(uint64, tag = "1")]
        pub mapped: u64,
        /// Its page says that it waits for a lease.
        #[prost(bool, tag = "2")]
        pub lease: bool,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct ReplyPort {}
    /// mach_thread_self: one more reference to the calling thread's port.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct ThreadSelf {}
    /// Asks for a descriptor, beside the answer, that is readable while messages wait at a receive right or a port set.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Poll {
        #[prost(uint32, tag = "1")]
        pub name: u32,
    }
    /// Ends the mach_msg that another thread of the task is in with this ticket, or is about to begin with it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Interrupt {
        #[prost(uint64, tag = "1")]
        pub thread: u64,
        #[prost(uint64, tag = "2")]
        pub ticket: u64,
    }
    /// Has memory of the task frozen: the answer's parts tell where its bytes lie from then on.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Freeze {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        /// What the task wrote to frozen memory in the range, and has moved into the frozen descriptor beside the record.
        #[prost(message, repeated, tag = "3")]
        pub runs: ::prost::alloc::vec::Vec<Run>,
        /// The reverse: the runs lie in the descriptor beside the record, which is not frozen, and the task maps them shared from
        /// then on, so that its children can. Answered with no parts.
        #[prost(bool, tag = "4")]
        pub thaw: bool,
        /// Whether it may be read does not matter.
        #[prost(bool, tag = "5")]
        pub unread: bool,
        /// Other threads of the task may write to it before it is copied.
        #[prost(bool, tag = "6")]
        pub busy: bool,
        /// Where parts were mapped aside, which are to be unmapped: they are copied. Answered with no parts.
        #[prost(uint64, repeated, tag = "7")]
        pub copied: ::prost::alloc::vec::Vec<u64>,
        /// Ranges beside the first one. The answer's parts are of one range after the other, and may end with any.
        #[prost(message, repeated, tag = "8")]
        pub further: ::prost::alloc::vec::Vec<Range>,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Range {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Run {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint64, tag = "3")]
        pub offset: u64,
    }
    /// Maps parts of frozen descriptors beside the record, one behind the other, privately: the arguments of vm_map.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct MapFrozen {
        #[prost(message, optional, tag = "1")]
        pub parts: ::core::option::Option<super::body::Segments>,
        #[prost(uint64, tag = "2")]
        pub address: u64,
        #[prost(uint64, tag = "3")]
        pub mask: u64,
        #[prost(bool, tag = "4")]
        pub anywhere: bool,
        #[prost(uint32, tag = "5")]
        pub cur_protection: u32,
        #[prost(uint32, tag = "6")]
        pub max_protection: u32,
        #[prost(uint32, tag = "7")]
        pub inheritance: u32,
    }
    /// On a connection of its own, in place of a hello: the process of the task with this token is about to fork. The answer's
    /// welcome has the token of the child, which is given up when the connection ends before it has attached, and its parts are
    /// the ranges that it has by fork(2). Or the answer is KERN_NOT_IN_SET, and its parts are the ranges that the child cannot get
    /// as they are: they are to be made ready, and the call to be made again.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Fork {
        #[prost(uint64, tag = "1")]
        pub token: u64,
        #[prost(message, repeated, tag = "2")]
        pub ready: ::prost::alloc::vec::Vec<ForkPart>,
    }
    /// A range of the parent; in `ready` with a copy of it in the frozen descriptor at `fd` beside the record, or without, if the
    /// child is not to get it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct ForkPart {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint32, optional, tag = "3")]
        pub fd: ::core::option::Option<u32>,
        #[prost(uint64, tag = "4")]
        pub offset: u64,
        /// It is to be shared, and not copied.
        #[prost(bool, tag = "5")]
        pub share: bool,
        /// A thread has still to do what it was ordered to there: it may be ready then.
        #[prost(bool, tag = "6")]
        pub changing: bool,
    }
    /// Not answered.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct OrderDone {
        #[prost(uint64, tag = "1")]
        pub order: u64,
        #[prost(int32, tag = "2")]
        pub errno: i32,
        /// Of an errand: a kern_return_t, and the memory that was read.
        #[prost(int32, tag = "3")]
        pub code: i32,
        #[prost(message, optional, tag = "4")]
        pub contents: ::core::option::Option<super::body::NamedMessage>,
        /// Of a collection: what could not be had, in order and apart, within its ranges.
        #[prost(message, repeated, tag = "5")]
        pub left_out: ::prost::alloc::vec::Vec<ForkPart>,
        /// Where memory was mapped.
        #[prost(uint64, tag = "6")]
        pub address: u64,
        /// Further orders that ended in the same way.
        #[prost(uint64, repeated, tag = "7")]
        pub others: ::prost::alloc::vec::Vec<u64>,
    }
    /// From the node.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Answer {
        #[prost(uint64, tag = "1")]
        pub ticket: u64,
        /// What the calling thread (or, on an agent's connection, the agent) does before the call returns, in this order,
        /// of each of which an OrderDone tells the end.
        #[prost(message, repeated, tag = "2")]
        pub orders: ::prost::alloc::vec::Vec<Order>,
        /// A mach_msg_return_t with the bits that say what found no room, or 0.
        #[prost(int32, tag = "3")]
        pub result: i32,
        #[prost(message, optional, tag = "4")]
        pub welcome: ::core::option::Option<Welcome>,
        #[prost(message, optional, tag = "5")]
        pub message: ::core::option::Option<super::body::NamedMessage>,
        #[prost(uint32, tag = "6")]
        pub name: u32,
        /// RCV_LARGE: bytes that the message needs.
        #[prost(uint64, tag = "7")]
        pub needed: u64,
        /// The protected payload of the port that the message came from: what its task sees in place of the name in local.
        #[prost(uint64, optional, tag = "8")]
        pub payload: ::core::option::Option<u64>,
        /// For the thread, to map: its page, if it has none, and ends of lanes.
        #[prost(uint32, optional, tag = "9")]
        pub lane_page: ::core::option::Option<u32>,
        #[prost(message, repeated, tag = "10")]
        pub lanes: ::prost::alloc::vec::Vec<LaneEnd>,
        /// Of Freeze, from the start of the range on; it may end before the range does, and is to be called again then.
        #[prost(message, repeated, tag = "11")]
        pub parts: ::prost::alloc::vec::Vec<FreezePart>,
        /// Of MapFrozen.
        #[prost(uint64, tag = "12")]
        pub address: u64,
        /// Of Fork.
        #[prost(message, repeated, tag = "13")]
        pub fork: ::prost::alloc::vec::Vec<ForkPart>,
        /// The answer is still to come, behind these orders: they are more than its record has room for.
        #[prost(bool, tag = "14")]
        pub more: bool,
    }
    /// A part of a range: in the descriptor at `fd` among those beside the record, or to be copied by the task, from where it is mapped
    /// aside if it is.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct FreezePart {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint32, optional, tag = "3")]
        pub fd: ::core::option::Option<u32>,
        #[prost(uint64, tag = "4")]
        pub offset: u64,
        #[prost(uint64, optional, tag = "5")]
        pub aside: ::core::option::Option<u64>,
    }
    /// One end of a lane; `fd` is an index among the descriptors beside the record.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct LaneEnd {
        #[prost(uint64, tag = "1")]
        pub number: u64,
        #[prost(uint32, tag = "2")]
        pub fd: u32,
        #[prost(oneof = "lane_end::End", tags = "3, 4")]
        pub end: ::core::option::Option<lane_end::End>,
    }
    /// Nested message and enum types in `LaneEnd`.
    pub mod lane_end {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Oneof)]
        pub enum End {
            #[prost(message, tag = "3")]
            Client(super::LaneClient),
            #[prost(message, tag = "4")]
            Server(super::LaneServer),
        }
    }
    /// Calls to this name by the thread may take it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct LaneClient {
        #[prost(uint32, tag = "1")]
        pub destination: u32,
        #[prost(uint32, tag = "2")]
        pub reply_port: u32,
    }
    /// Requests come to this port of the thread's task; the reply right of the first has this name, of each later one the next.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct LaneServer {
        #[prost(uint32, tag = "1")]
        pub port: u32,
        #[prost(uint32, tag = "2")]
        pub index: u32,
        #[prost(uint32, tag = "3")]
        pub reply_first: u32,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Welcome {
        #[prost(uint32, tag = "1")]
        pub version: u32,
        #[prost(uint64, tag = "2")]
        pub token: u64,
        #[prost(uint32, tag = "3")]
        pub task_self: u32,
        #[prost(uint32, tag = "4")]
        pub host_self: u32,
        #[prost(uint32, tag = "5")]
        pub bootstrap: u32,
        #[prost(uint32, tag = "6")]
        pub name_server: u32,
        #[prost(uint32, tag = "7")]
        pub task: u32,
        #[prost(string, tag = "8")]
        pub node: ::prost::alloc::string::String,
        /// Names the connection, for Interrupt.
        #[prost(uint64, tag = "9")]
        pub thread: u64,
        /// With KERN_INVALID_ADDRESS in answer to a first hello: the task has a map already, and the process is to keep these
        /// addresses for it, and to say hello again.
        #[prost(uint64, tag = "10")]
        pub arena_start: u64,
        #[prost(uint64, tag = "11")]
        pub arena_size: u64,
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Order {
        #[prost(uint64, tag = "1")]
        pub order: u64,
        #[prost(oneof = "order::Op", tags = "2, 3, 4, 5, 6, 7, 8, 9")]
        pub op: ::core::option::Option<order::Op>,
    }
    /// Nested message and enum types in `Order`.
    pub mod order {
        #[derive(Clone, PartialEq, ::prost::Oneof)]
        pub enum Op {
            #[prost(message, tag = "2")]
            Map(super::MapObject),
            #[prost(message, tag = "3")]
            Unmap(super::Unmap),
            #[prost(message, tag = "4")]
            Protect(super::Protect),
            #[prost(message, tag = "5")]
            Freeze(super::FreezeObject),
            #[prost(message, tag = "6")]
            Errand(super::Errand),
            #[prost(message, tag = "7")]
            Wire(super::Wire),
            #[prost(message, tag = "8")]
            Inherit(super::Inherit),
            #[prost(message, tag = "9")]
            MapParts(super::MapParts),
        }
    }
    /// What the task does to its own memory for whoever has a right to its port. Carried out by the agent alone.
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Errand {
        #[prost(oneof = "errand::What", tags = "1, 2, 3, 4, 5, 6")]
        pub what: ::core::option::Option<errand::What>,
    }
    /// Nested message and enum types in `Errand`.
    pub mod errand {
        #[derive(Clone, PartialEq, ::prost::Oneof)]
        pub enum What {
            /// Answered with a copy of the range.
            #[prost(message, tag = "1")]
            Read(super::Read),
            #[prost(message, tag = "2")]
            Write(super::Write),
            #[prost(message, tag = "3")]
            Copy(super::Copy),
            #[prost(message, tag = "4")]
            MapCopy(super::MapCopy),
            /// Answered with copies of the ranges, one behind the other; of those that are to be shared, with nothing.
            #[prost(message, tag = "5")]
            Collect(super::Collect),
            /// Answered with the address.
            #[prost(message, tag = "6")]
            MapMemory(super::MapMemory),
        }
    }
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub struct Collect {
        #[prost(message, repeated, tag = "1")]
        pub ranges: ::prost::alloc::vec::Vec<ForkPart>,
    }
    /// The arguments of vm_map; the parts of `how` mean nothing.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct MapMemory {
        #[prost(message, optional, tag = "1")]
        pub how: ::core::option::Option<MapFrozen>,
        #[prost(message, optional, tag = "2")]
        pub contents: ::core::option::Option<super::body::NamedMessage>,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Read {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Write {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(message, optional, tag = "2")]
        pub contents: ::core::option::Option<super::body::NamedMessage>,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Copy {
        #[prost(uint64, tag = "1")]
        pub from: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint64, tag = "3")]
        pub to: u64,
    }
    /// Maps a copy of what the agent has mapped just before, for this alone; `how` has no parts.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct MapCopy {
        #[prost(uint64, tag = "1")]
        pub from: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(message, optional, tag = "3")]
        pub how: ::core::option::Option<MapFrozen>,
    }
    /// mmap the descriptor at `fd` (index among those beside the record; several orders may share one), register the range
    /// with the userfaultfd unless `unmanaged`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct MapObject {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint32, tag = "3")]
        pub fd: u32,
        #[prost(uint64, tag = "4")]
        pub offset: u64,
        #[prost(uint32, tag = "5")]
        pub protection: u32,
        /// MAP_SHARED of a writable descriptor, else MAP_PRIVATE.
        #[prost(bool, tag = "6")]
        pub shared: bool,
        #[prost(bool, tag = "7")]
        pub unmanaged: bool,
    }
    /// mmap parts of descriptors, one behind the other, privately and unmanaged: all of them or none.
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct MapParts {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint32, tag = "2")]
        pub protection: u32,
        #[prost(message, optional, tag = "3")]
        pub parts: ::core::option::Option<super::body::Segments>,
    }
    /// As `map`, in place of the same memory, which the task has mapped shared; then, with `seal`, seal the descriptor against
    /// every change.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct FreezeObject {
        #[prost(message, optional, tag = "1")]
        pub map: ::core::option::Option<MapObject>,
        #[prost(bool, tag = "2")]
        pub seal: bool,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Unmap {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
    }
    /// The process has it by fork(2), and is to keep it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Inherit {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
    }
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Protect {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(uint32, tag = "3")]
        pub protection: u32,
    }
    /// Lock pages as they come, or no more.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Wire {
        #[prost(uint64, tag = "1")]
        pub address: u64,
        #[prost(uint64, tag = "2")]
        pub size: u64,
        #[prost(bool, tag = "3")]
        pub wired: bool,
    }
}
