//! Return codes, with Mach's values. Source: mach-api §1.3 and §1.6.

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $value:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(i32)]
        pub enum $name { $($(#[$vdoc])* $variant = $value,)* }

        impl $name {
            /// The code as it stands in a message.
            pub const fn raw(self) -> i32 {
                self as i32
            }

            /// Parses a code; `None` for one that this interface does not have.
            pub const fn from_raw(raw: i32) -> Option<$name> {
                match raw {
                    $($value => Some($name::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?} ({:#x})", self, *self as i32)
            }
        }

        impl std::error::Error for $name {}
    };
}

codes! {
    /// `kern_return_t`: the answer of a kernel routine. `Success` never stands in an `Err`.
    KernReturn {
        /// Done.
        Success = 0,
        /// The address is not allocated, or not in the map.
        InvalidAddress = 1,
        /// The memory is there but does not permit the access.
        ProtectionFailure = 2,
        /// No free place in a map or a name space.
        NoSpace = 3,
        /// An argument has no meaning here.
        InvalidArgument = 4,
        /// It failed for another reason.
        Failure = 5,
        /// A bound was reached or memory ran out.
        ResourceShortage = 6,
        /// The caller does not hold the receive right.
        NotReceiver = 7,
        /// Not permitted.
        NoAccess = 8,
        /// The memory object destroyed the page.
        MemoryFailure = 9,
        /// The memory object could not supply the page.
        MemoryError = 10,
        /// The right is a member of a port set.
        AlreadyInSet = 11,
        /// The right is not a member of a port set.
        NotInSet = 12,
        /// The name is in use.
        NameExists = 13,
        /// The operation was aborted.
        Aborted = 14,
        /// The name denotes nothing.
        InvalidName = 15,
        /// Not a task.
        InvalidTask = 16,
        /// The name denotes another kind of right.
        InvalidRight = 17,
        /// A value is outside its range.
        InvalidValue = 18,
        /// The user references would overflow.
        UrefsOverflow = 19,
        /// The right to insert is null or dead.
        InvalidCapability = 20,
        /// The space holds the right under another name.
        RightExists = 21,
        /// Not a host.
        InvalidHost = 22,
        /// The page is already resident.
        MemoryPresent = 23,
        /// The page is write-protected in an object that cannot grant writing.
        WriteProtectionFailure = 24,
        /// The object was terminated.
        Terminated = 26,
        /// The deadline passed.
        TimedOut = 27,
        /// A signal or `thread_abort` came in between.
        Interrupted = 28,
        /// `netname`: the name was checked in with another signature.
        NameNotYours = 1000,
        /// `netname`: nobody checked the name in.
        NameNotCheckedIn = 1001,
        /// `netname`: there is no such host.
        NoSuchHost = 1002,
        /// `netname`: the host did not answer.
        HostNotFound = 1003,
    }
}

codes! {
    /// `mach_msg_return_t`: the answer of `mach_msg`.
    MsgReturn {
        /// Done.
        Success = 0,
        /// The message could not be copied from the caller's buffer.
        SendInvalidData = 0x1000_0002,
        /// The destination is unknown, dead, or the wrong kind of right.
        SendInvalidDest = 0x1000_0003,
        /// The queue stayed full until the deadline.
        SendTimedOut = 0x1000_0004,
        /// The queue was full and the message was put into it all the same; its acceptance will be told.
        SendWillNotify = 0x1000_0005,
        /// A message was forced through this name before and is still queued.
        SendNotifyInProgress = 0x1000_0006,
        /// Interrupted while blocked in send.
        SendInterrupted = 0x1000_0007,
        /// Shorter than a header, or an item runs past the end.
        SendMsgTooSmall = 0x1000_0008,
        /// The reply right is unknown or the wrong kind.
        SendInvalidReply = 0x1000_0009,
        /// A right in the body is bad.
        SendInvalidRight = 0x1000_000a,
        /// The name to notify is no receive right.
        SendInvalidNotify = 0x1000_000b,
        /// Out-of-line memory could not be read.
        SendInvalidMemory = 0x1000_000c,
        /// No room for the message in the node.
        SendNoBuffer = 0x1000_000d,
        /// No room for one more request to be told.
        SendNoNotify = 0x1000_000e,
        /// A bad type descriptor.
        SendInvalidType = 0x1000_000f,
        /// Unknown header bits.
        SendInvalidHeader = 0x1000_0010,
        /// Neither a receive right nor a port set.
        RcvInvalidName = 0x1000_4002,
        /// Nothing came until the deadline.
        RcvTimedOut = 0x1000_4003,
        /// The message is larger than the buffer.
        RcvTooLarge = 0x1000_4004,
        /// Interrupted while waiting.
        RcvInterrupted = 0x1000_4005,
        /// The port moved into a set, or its receive right left, while waiting.
        RcvPortChanged = 0x1000_4006,
        /// The name to notify is no receive right; the message is destroyed.
        RcvInvalidNotify = 0x1000_4007,
        /// The receive buffer could not be written; the message is lost.
        RcvInvalidData = 0x1000_4008,
        /// The port or set was destroyed while waiting.
        RcvPortDied = 0x1000_4009,
        /// The port is a member of a set; receive from the set.
        RcvInSet = 0x1000_400a,
        /// The header's rights found no place.
        RcvHeaderError = 0x1000_400b,
        /// A right or memory of the body found no place.
        RcvBodyError = 0x1000_400c,
    }
}

/// What there was no room for, beside a [`MsgReturn`]: the bits that `MACH_MSG_MASK` covers. Source: mach-api §1.6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct NoRoom(u32);

impl NoRoom {
    /// Nothing was short.
    pub const NOTHING: NoRoom = NoRoom(0);
    /// `MACH_MSG_IPC_SPACE`: a name in the task's space.
    pub const IPC_SPACE: NoRoom = NoRoom(0x2000);
    /// `MACH_MSG_VM_SPACE`: addresses in the task's map.
    pub const VM_SPACE: NoRoom = NoRoom(0x1000);
    /// `MACH_MSG_IPC_KERNEL`: the node's memory for a name.
    pub const IPC_KERNEL: NoRoom = NoRoom(0x800);
    /// `MACH_MSG_VM_KERNEL`: the node's memory for out-of-line data.
    pub const VM_KERNEL: NoRoom = NoRoom(0x400);
    /// All of them (`MACH_MSG_MASK`).
    pub const MASK: i32 = 0x3c00;

    /// Both.
    #[must_use]
    pub const fn and(self, other: NoRoom) -> NoRoom {
        NoRoom(self.0 | other.0)
    }

    /// The code with these bits, as it stands in an answer.
    pub const fn raw(self, code: MsgReturn) -> i32 {
        code.raw() | self.0 as i32
    }

    /// A code and its bits out of an answer; `None` for a code that this interface does not have.
    pub const fn parse(raw: i32) -> Option<(MsgReturn, NoRoom)> {
        match MsgReturn::from_raw(raw & !NoRoom::MASK) {
            Some(code) => Some((code, NoRoom((raw & NoRoom::MASK) as u32))),
            None => None,
        }
    }
}

codes! {
    /// What a stub answers when a message does not fit its routine (`mig_errors.h`).
    MigError {
        /// An item has another type or number than the routine declares.
        TypeError = -300,
        /// The reply answers another request.
        ReplyMismatch = -301,
        /// The server reported an error that has no code.
        RemoteError = -302,
        /// The server has no routine of that id.
        BadId = -303,
        /// The items do not match the routine.
        BadArguments = -304,
        /// The server sends no reply.
        NoReply = -305,
        /// The reply port died: so did the server.
        ServerDied = -308,
    }
}
