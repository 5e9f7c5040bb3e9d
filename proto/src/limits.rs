//! Every bound of the system, once. Each queue, table and message has one here and a defined answer when it is reached.

use crate::PAGE_SIZE;

/// Messages that a port's queue holds before senders block (`MACH_PORT_QLIMIT_DEFAULT`).
pub const QLIMIT_DEFAULT: u32 = 5;
/// The largest queue limit that a holder of the receive right may set; above it `InvalidValue`.
pub const QLIMIT_MAX: u32 = 1024;
/// User references of one name; the 65,536th is refused or pegged (mach-api §1.1).
pub const UREFS_MAX: u32 = 65_534;
/// References of one dead name: one more, so that the notification of a full name's death has its own (mach-api §1.4.4).
pub const DEAD_UREFS_MAX: u32 = UREFS_MAX + 1;
/// Ports and sets of one space that are polled, of which each takes two descriptors of the node; `ResourceShortage` above.
pub const SPACE_POLLERS_MAX: u32 = 64;
/// Names in one space; `NoSpace` above.
pub const SPACE_NAMES_MAX: usize = 1 << 20;
/// Items in the body of one message; `SendInvalidType` above.
pub const MSG_ITEMS_MAX: usize = 512;
/// Rights in one message; `SendNoBuffer` above.
pub const MSG_RIGHTS_MAX: usize = 4096;
/// Bytes of one message's body, slots of rights included; `SendNoBuffer` above.
pub const MSG_INLINE_BYTES_MAX: usize = 1 << 20;
/// Out-of-line bytes in one message that the node holds itself, and all of one to another node; `SendNoBuffer` above.
pub const MSG_OOL_BYTES_MAX: usize = 64 << 20;
/// Out-of-line bytes in one message that lie in memory which its sender froze; `SendNoBuffer` above.
pub const MSG_FROZEN_BYTES_MAX: usize = 1 << 40;
/// Structures in one list of a reply (`proto/src/args.rs`); a longer list does not fit its routine.
pub const RECORDS_MAX: usize = 1 << 20;
/// Ports of one node; `ResourceShortage` above.
pub const PORTS_MAX: usize = 1 << 20;
/// Bytes that the queued messages of one node cost; `SendNoBuffer` above (the kernel's own messages are not refused).
pub const QUEUED_BYTES_MAX: usize = 1 << 30;
/// Messages of one node that were forced into full queues and whose senders are to be told; `SendNoNotify` above.
pub const ACCEPT_REQUESTS_MAX: usize = 1 << 14;
/// Ports of one node that one task made and that live; `ResourceShortage` above, so that others can make some.
pub const SPACE_PORTS_MAX: usize = PORTS_MAX / 4;
/// Bytes that the queued messages of one task cost; `SendNoBuffer` above, so that there is room for those of others.
pub const SPACE_QUEUED_BYTES_MAX: usize = QUEUED_BYTES_MAX / 4;
/// Receive rights in transit one within the other that a send with a receive right looks through; `SendNoBuffer` above.
pub const TRANSIT_CHAIN_MAX: usize = 1024;
/// Bytes of a network name without its terminating zero (mach-api §5.2); `InvalidArgument` above.
pub const NETNAME_MAX: usize = 79;

/// Tasks of one node; `ResourceShortage` above.
pub const TASKS_MAX: usize = 4096;
/// Threads (channels) of one task; the connection is refused above.
pub const TASK_CHANNELS_MAX: usize = 1024;
/// Entries of one address map; `NoSpace` above.
pub const MAP_ENTRIES_MAX: usize = 49_152;
/// Bytes of one task that `vm_wire` through the host port may have wired; `NoAccess` above (mach-api §2.2).
pub const TASK_WIRED_BYTES_MAX: u64 = 8 << 20;
/// Regions in one answer to an operator; the next are asked for above.
pub const REGIONS_TOLD_MAX: usize = 1024;
/// Cells of the picture in one answer to an operator; `InvalidArgument` above.
pub const REGION_CELLS_MAX: u64 = 1 << 16;
/// Pages here that one answer to an operator counts, so that faults are not kept waiting by it.
pub const REGION_PAGES_COUNTED_MAX: u64 = 1 << 20;
/// Pages with an outstanding request per object; a further fault waits for one of them (mach-api §3.5 rule 13).
pub const OBJECT_REQUESTS_MAX: usize = 256;
/// The largest read-ahead in one request.
pub const READ_AHEAD_BYTES_MAX: u64 = 1 << 20;
/// Windows of read-ahead that one stream of faults keeps in flight.
pub const READ_AHEAD_WINDOWS_MAX: usize = 4;
/// Streams of faults that one map entry follows; the one used least recently is forgotten above.
pub const READ_AHEAD_STREAMS_MAX: usize = 4;
/// Pages that read-ahead has outstanding for one object; nothing is read ahead above.
pub const OBJECT_AHEAD_PAGES_MAX: u64 = 16 * READ_AHEAD_BYTES_MAX / PAGE_SIZE;
/// Objects of one node, of which each takes a descriptor; `ResourceShortage` above.
pub const OBJECTS_MAX: usize = 16_384;
/// Where every object ends at the latest; an object's memory is a sparse file of this size.
pub const OBJECT_BYTES_MAX: u64 = 1 << 46;
/// Calls of a pager that wait behind a lock request of the same object; the oldest is carried out at once above.
pub const OBJECT_JOBS_MAX: usize = 256;
/// Bytes in calls that wait so; the oldest is carried out at once above.
pub const OBJECT_JOB_BYTES_MAX: usize = MSG_OOL_BYTES_MAX;
/// Pages of an object that are held for those who just got them; the oldest hold ends above.
pub const OBJECT_HOLDS_MAX: usize = 4096;
/// Pages that one lock request acts on in one go, so that faults are not kept waiting by a large one.
pub const LOCK_STEP_PAGES: usize = 2048;
/// Pages that one step of page-out has leave, so that the fault with which it comes is not kept waiting.
pub const PAGE_OUT_STEP_PAGES: u64 = 128;
/// Pages of frozen memory that one step of page-out moves into objects that can leave, beside that.
pub const COLLAPSE_STEP_PAGES: u64 = 64;
/// Pages for which threads got a memory error for want of room that are kept in mind until there is some.
pub const PAGES_REFUSED_MAX: usize = 4096;
/// Generations of forked children whose anonymous memory shadows their parents'; what would be one more is copied.
pub const SHADOW_DEPTH_MAX: usize = 8;
/// Pages that one step of page-out looks at.
pub const PAGE_OUT_LOOK_PAGES: u64 = 4096;
/// Zero pages that one fault makes of anonymous memory that is filled in order.
pub const ZERO_FILL_PAGES_MAX: u64 = 16;
/// Bytes in one data_return.
pub const DATA_RETURN_BYTES_MAX: u64 = 1 << 20;
/// Waiting faults of one task; a further thread gets a memory error.
pub const TASK_FAULTS_MAX: u32 = 4096;
/// Ranges of one msync; `ResourceShortage` above.
pub const MSYNC_PARTS_MAX: usize = 1024;
/// Outstanding msyncs of one node; `ResourceShortage` above.
pub const MSYNCS_MAX: usize = 4096;
/// Present pages mapped around a fault in one go.
pub const FAULT_AROUND_BYTES: u64 = 64 << 10;
/// Bytes that one userfaultfd or memfd call handles, so that a killed task is reaped promptly (uffd-rules 9).
pub const MEMORY_CALL_BYTES_MAX: u64 = 2 << 20;

/// Kernels that use one memory object; a further one is told that the object is destroyed (`ResourceShortage`).
pub const OBJECT_CLIENTS_MAX: usize = 1024;
/// Requests that wait at a pager for one page; a further one is answered with `ResourceShortage`.
pub const PAGE_WAITERS_MAX: usize = 512;
/// Pages that one kernel has asked a pager for and not yet got an answer for; `ResourceShortage` above.
pub const CLIENT_PAGES_MAX: u64 = 16_384;
/// Runs of equal pages in one object's directory; above it the directory becomes coarser, never wrong.
pub const DIRECTORY_RUNS_MAX: usize = 1 << 18;
/// Pages of one object whose write-back failed and whose bytes a pager keeps; above it no write access is granted.
pub const RETAINED_PAGES_MAX: u64 = 16_384;
/// Synchronize requests under way for one object; `ResourceShortage` above.
pub const SYNCHRONIZES_MAX: usize = 1024;
/// A pager's read, supply or lock request covers no more pages than this: a longer request is cut.
pub const PAGER_RUN_PAGES_MAX: u64 = READ_AHEAD_BYTES_MAX / PAGE_SIZE;

/// One record on a task's channel; a larger one closes the channel.
pub const TRAP_RECORD_BYTES_MAX: usize = 200 << 10;
/// Bodies above this travel in a memfd beside the record.
pub const TRAP_BODY_BYTES_MAX: usize = 64 << 10;
/// Out-of-line bytes above this travel in a memfd beside the record.
pub const TRAP_INLINE_OOL_BYTES_MAX: usize = 64 << 10;
/// Descriptors beside one record.
pub const TRAP_FDS_MAX: usize = 240;
/// Of these, descriptors of frozen memory that the record's message carries; what lies in further ones is copied.
pub const TRAP_STORES_MAX: usize = 200;
/// Orders to one connection that are sent and not reported done, about; further ones wait for those. Each may be a record of
/// its own in the connection's queue.
pub const ORDERS_UNDER_WAY_MAX: usize = 256;
/// Files of frozen memory in one node's messages and maps that one task brought, each of which takes a descriptor and a
/// mapping of the node; what comes in further ones is copied.
pub const TASK_FROZEN_FILES_MAX: usize = 1024;
/// As that, of all tasks.
pub const FROZEN_FILES_MAX: usize = 4 * TASK_FROZEN_FILES_MAX;
/// Objects that one call freezes; it is called again for the rest of its range.
pub const FREEZE_OBJECTS_MAX: usize = 100;
/// Bytes of these files, holes included, that one task brought: the node has address space for them; what comes in further
/// ones is copied.
pub const TASK_FROZEN_BYTES_MAX: usize = 16 * MSG_FROZEN_BYTES_MAX;
/// As that, of all tasks.
pub const FROZEN_BYTES_MAX: usize = 4 * TASK_FROZEN_BYTES_MAX;
/// Entries of a map that one call has mapped privately for that; memory in more is copied.
pub const FREEZE_ORDERS_MAX: usize = 1024;
/// Pieces of frozen memory that one record tells of, and runs that one call freezes anew; further ones follow with the next.
pub const FROZEN_PARTS_MAX: usize = 6144;
/// Bytes of memory with a pager that one fork copies for the child; more of it the child does not get.
pub const FORK_COPY_BYTES_MAX: u64 = 256 << 20;
/// Ranges that are told in one record about a fork: of a map in more pieces a child gets nothing.
pub const FORK_PARTS_MAX: usize = 6144;
/// Regions of a whole address space in a message.
pub const SPACE_REGIONS_MAX: usize = 2048;
/// Pieces of out-of-line memory beside one record; what is in more pieces is copied.
pub const TRAP_SEGMENTS_MAX: usize = 24_576;
/// Bytes that these may take of the record; what takes more is copied.
pub const TRAP_SEGMENTS_BYTES_MAX: usize = 112 << 10;

/// The head of one frame between nodes; a larger one is a protocol error and closes the link.
pub const FRAME_HEAD_BYTES_MAX: usize = 256 << 10;
/// From this payload on a message takes a stream of its own.
pub const BULK_BYTES_MIN: usize = 64 << 10;
/// Messages under way to one remote port and not yet taken into its queue; senders block above.
pub const REMOTE_WINDOW: u64 = 64;
/// Rights that one peer may hold in this node; further ones arrive dead.
pub const LINK_RIGHTS_MAX: usize = 1 << 16;
/// Messages that came ahead of their turn on one link; above it the peer misbehaves.
pub const LINK_REORDER_MAX: usize = 4096;
/// Out-of-line bytes under way on one link and not yet taken into their queues; further messages that carry any wait at
/// the sender, and a peer that sends more misbehaves.
pub const LINK_BYTES_MAX: usize = 256 << 20;
/// Names that one node's name server binds; `ResourceShortage` above.
pub const NETNAME_BINDINGS_MAX: usize = 1 << 14;
/// Look-ups at peers that one node's name server waits for; `ResourceShortage` above.
pub const NETNAME_LOOK_UPS_MAX: usize = 1024;
/// Nodes of one cluster.
pub const NODES_MAX: usize = 256;
/// Bytes accepted for one link and not yet handed to QUIC; above it the link is closed as overloaded.
pub const LINK_QUEUE_BYTES_MAX: usize = 256 << 20;
/// Streams of one link, each way, that carry one bulk message each; further messages wait for one to end.
pub const BULK_STREAMS_MAX: usize = 32;
/// Bulk bytes of one link, each way, that are sent and not yet acknowledged as a whole; further messages wait.
pub const BULK_BYTES_UNDER_WAY_MAX: usize = 72 << 20;
/// Bytes of bulk messages that one peer may have begun and not completed; above it the peer misbehaves.
pub const BULK_BYTES_UNDONE_MAX: usize = 2 * BULK_BYTES_UNDER_WAY_MAX;
/// Connections to one node whose handshake is not done; further ones are refused.
pub const HANDSHAKES_MAX: usize = 64;
/// One datagram of the membership protocol.
pub const GOSSIP_BYTES_MAX: usize = 16 << 10;
/// One record of the joining protocol.
pub const JOIN_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(READ_AHEAD_BYTES_MAX.is_multiple_of(PAGE_SIZE));
const _: () = assert!(MSG_OOL_BYTES_MAX + MSG_INLINE_BYTES_MAX < SPACE_QUEUED_BYTES_MAX / 2);
const _: () = assert!(FAULT_AROUND_BYTES.is_multiple_of(PAGE_SIZE));
const _: () =
    assert!(DATA_RETURN_BYTES_MAX.is_multiple_of(PAGE_SIZE) && DATA_RETURN_BYTES_MAX as usize <= MSG_OOL_BYTES_MAX);
const _: () = assert!(READ_AHEAD_BYTES_MAX as usize <= MSG_OOL_BYTES_MAX);
const _: () = assert!(MSG_OOL_BYTES_MAX + MSG_INLINE_BYTES_MAX <= BULK_BYTES_UNDER_WAY_MAX);
const _: () = assert!(BULK_BYTES_MIN < MSG_OOL_BYTES_MAX && GOSSIP_BYTES_MAX < FRAME_HEAD_BYTES_MAX);
const _: () = assert!(MSG_OOL_BYTES_MAX <= LINK_BYTES_MAX);
const _: () = assert!(TRAP_INLINE_OOL_BYTES_MAX + TRAP_BODY_BYTES_MAX < TRAP_RECORD_BYTES_MAX);
const _: () =
    assert!(TRAP_BODY_BYTES_MAX < FRAME_HEAD_BYTES_MAX / 2, "bodies that go in a record go in a frame's head");
const _: () = assert!(PAGER_RUN_PAGES_MAX > 0 && PAGER_RUN_PAGES_MAX <= CLIENT_PAGES_MAX);
const _: () = assert!(PAGE_WAITERS_MAX >= 2 * NODES_MAX);
