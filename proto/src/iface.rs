// Written by `cargo xtask gen` from proto/idl; do not edit.
//! The kernel interfaces of `proto/idl/mach`: one module each, one struct to a request and one to a reply.

/// Mach's name of the routine with this request id, whatever its interface; for people and logs.
pub fn name_of(id: i32) -> Option<&'static str> {
    let find = |table: &[(i32, &'static str)]| table.iter().find(|(i, _)| *i == id).map(|(_, name)| *name);
    None
        .or_else(|| find(host::ROUTINES))
        .or_else(|| find(host_vm::ROUTINES))
        .or_else(|| find(mach_debug::ROUTINES))
        .or_else(|| find(mach_port::ROUTINES))
        .or_else(|| find(memory_object::ROUTINES))
        .or_else(|| find(memory_object_control::ROUTINES))
        .or_else(|| find(memory_object_default::ROUTINES))
        .or_else(|| find(netname::ROUTINES))
        .or_else(|| find(node::ROUTINES))
        .or_else(|| find(notify::ROUTINES))
        .or_else(|| find(task::ROUTINES))
        .or_else(|| find(thread::ROUTINES))
}

/// What Mach tells of a host; sent to the host port, as is what `node.proto` adds. mach-api §4.5.
pub mod host {
    /// time_value_t: MIG takes the second word with its padding, as one of 64 bits.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct TimeValue {
        #[prost(int64, tag = "1")]
        pub seconds: i64,
        #[prost(int64, tag = "2")]
        pub microseconds: i64,
    }
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// The time of day.
    ///
    /// `host_get_time`, id 2634.
    #[doc(alias = "host_get_time")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetTime;
    impl<R> msg::SimpleRoutine<R> for GetTime {
        const ID: i32 = 2634;
        const NAME: &'static str = "host_get_time";
        fn into_body(self) -> body::Body<R> {
            let GetTime = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetTime)
        }
    }
    impl<R> msg::Routine<R> for GetTime {
        type Reply = GetTimeReply;
    }
    /// The results of [`GetTime`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetTimeReply {
        pub current_time: TimeValue,
    }
    impl<R> msg::Reply<R> for GetTimeReply {
        fn into_body(self) -> body::Body<R> {
            let GetTimeReply { current_time } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_wide_words(
                &mut writer,
                &[current_time.seconds as u64, current_time.microseconds as u64],
            );
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let current_time = args::wide_words::<2>(&mut reader)?;
                reader.end()?;
                Some((current_time,))
            };
            let Some((current_time,)) = read() else { return Err(args::misfit(body)) };
            Ok(GetTimeReply {
                current_time: TimeValue {
                    seconds: current_time[0] as i64,
                    microseconds: current_time[1] as i64,
                },
            })
        }
    }
    /// Facts by flavor: 1 basic, 3 scheduling, 4 load. As many words as the flavor has, if the caller takes so many.
    ///
    /// `host_info`, id 2638.
    #[doc(alias = "host_info")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Info {
        pub flavor: u32,
        pub host_info_out_count: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Info {
        const ID: i32 = 2638;
        const NAME: &'static str = "host_info";
        fn into_body(self) -> body::Body<R> {
            let Info { flavor, host_info_out_count } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, flavor);
            writer.u32(Element::INTEGER_32, host_info_out_count);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let flavor = reader.u32(Element::INTEGER_32)?;
                let host_info_out_count = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((flavor, host_info_out_count))
            };
            let Some((flavor, host_info_out_count)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(Info {
                flavor,
                host_info_out_count,
            })
        }
    }
    impl<R> msg::Routine<R> for Info {
        type Reply = InfoReply;
    }
    /// The results of [`Info`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct InfoReply {
        pub host_info_out: Vec<u32>,
    }
    impl<R> msg::Reply<R> for InfoReply {
        fn into_body(self) -> body::Body<R> {
            let InfoReply { host_info_out } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_words(&mut writer, &host_info_out);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let host_info_out = args::inline_array(&mut reader)?;
                reader.end()?;
                Some((host_info_out,))
            };
            let Some((host_info_out,)) = read() else { return Err(args::misfit(body)) };
            Ok(InfoReply { host_info_out })
        }
    }
    /// A line about the node, for people.
    ///
    /// `host_get_kernel_version`, id 2646.
    #[doc(alias = "host_get_kernel_version")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetKernelVersion;
    impl<R> msg::SimpleRoutine<R> for GetKernelVersion {
        const ID: i32 = 2646;
        const NAME: &'static str = "host_get_kernel_version";
        fn into_body(self) -> body::Body<R> {
            let GetKernelVersion = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetKernelVersion)
        }
    }
    impl<R> msg::Routine<R> for GetKernelVersion {
        type Reply = GetKernelVersionReply;
    }
    /// The results of [`GetKernelVersion`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetKernelVersionReply {
        pub kernel_version: String,
    }
    impl<R> msg::Reply<R> for GetKernelVersionReply {
        fn into_body(self) -> body::Body<R> {
            let GetKernelVersionReply { kernel_version } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_string_c::<R, 512>(&mut writer, &kernel_version);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let kernel_version = args::string_c::<512>(&mut reader)?;
                reader.end()?;
                Some((kernel_version,))
            };
            let Some((kernel_version,)) = read() else { return Err(args::misfit(body)) };
            Ok(GetKernelVersionReply {
                kernel_version,
            })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `host_get_time`.
        pub const GET_TIME: i32 = 2634;
        /// `host_info`.
        pub const INFO: i32 = 2638;
        /// `host_get_kernel_version`.
        pub const GET_KERNEL_VERSION: i32 = 2646;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[2634, 2638, 2646];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (2634, "host_get_time"),
        (2638, "host_info"),
        (2646, "host_get_kernel_version"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request {
        /// The time of day.
        GetTime(GetTime),
        /// Facts by flavor: 1 basic, 3 scheduling, 4 load. As many words as the flavor has, if the caller takes so many.
        Info(Info),
        /// A line about the node, for people.
        GetKernelVersion(GetKernelVersion),
    }
    impl Request {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode<R>(id: i32, body: body::Body<R>) -> Result<Request, msg::BadBody<R>> {
            match id {
                2634 => {
                    <GetTime as msg::SimpleRoutine<R>>::from_body(body).map(Request::GetTime)
                }
                2638 => <Info as msg::SimpleRoutine<R>>::from_body(body).map(Request::Info),
                2646 => {
                    <GetKernelVersion as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::GetKernelVersion)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::GetTime(_) => 2634,
                Request::Info(_) => 2638,
                Request::GetKernelVersion(_) => 2646,
            }
        }
    }
}

/// What is asked of a host for the memory of a task of it; sent to the host port. mach-api §2.2.
pub mod host_vm {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Keeps a range of a task here for an access that its protection permits; no access gives it up again.
    ///
    /// `vm_wire`, id 2636.
    #[doc(alias = "vm_wire")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmWire<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub task: R,
        pub address: u64,
        pub size: u64,
        pub access: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmWire<R> {
        const ID: i32 = 2636;
        const NAME: &'static str = "vm_wire";
        fn into_body(self) -> body::Body<R> {
            let VmWire { task, address, size, access } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::CopySend, true, [task]);
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, access);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let task = reader.right()?;
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let access = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((task, address, size, access))
            };
            let Some((task, address, size, access)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(VmWire {
                task: {
                    let () = task;
                    taken.right()
                },
                address,
                size,
                access,
            })
        }
    }
    impl<R> msg::Routine<R> for VmWire<R> {
        type Reply = ();
    }
    /// The same for all that a task has mapped: 1 what is mapped now, 0 gives it up again.
    ///
    /// `vm_wire_all`, id 4207.
    #[doc(alias = "vm_wire_all")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmWireAll<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub task: R,
        pub flags: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmWireAll<R> {
        const ID: i32 = 4207;
        const NAME: &'static str = "vm_wire_all";
        fn into_body(self) -> body::Body<R> {
            let VmWireAll { task, flags } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::CopySend, true, [task]);
            writer.u32(Element::INTEGER_32, flags);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let task = reader.right()?;
                let flags = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((task, flags))
            };
            let Some((task, flags)) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(VmWireAll {
                task: {
                    let () = task;
                    taken.right()
                },
                flags,
            })
        }
    }
    impl<R> msg::Routine<R> for VmWireAll<R> {
        type Reply = ();
    }
    /// Memory that is contiguous in the machine: refused, for no process is given that.
    ///
    /// `vm_allocate_contiguous`, id 4210.
    #[doc(alias = "vm_allocate_contiguous")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmAllocateContiguous<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub target_task: R,
        pub size: u64,
        pub pmin: u64,
        pub pmax: u64,
        pub palign: u64,
    }
    impl<R> msg::SimpleRoutine<R> for VmAllocateContiguous<R> {
        const ID: i32 = 4210;
        const NAME: &'static str = "vm_allocate_contiguous";
        fn into_body(self) -> body::Body<R> {
            let VmAllocateContiguous { target_task, size, pmin, pmax, palign } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::CopySend, true, [target_task]);
            writer.u64(Element::INTEGER_64, size);
            writer.u64(Element::INTEGER_64, pmin);
            writer.u64(Element::INTEGER_64, pmax);
            writer.u64(Element::INTEGER_64, palign);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let target_task = reader.right()?;
                let size = reader.u64(Element::INTEGER_64)?;
                let pmin = reader.u64(Element::INTEGER_64)?;
                let pmax = reader.u64(Element::INTEGER_64)?;
                let palign = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((target_task, size, pmin, pmax, palign))
            };
            let Some((target_task, size, pmin, pmax, palign)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(VmAllocateContiguous {
                target_task: {
                    let () = target_task;
                    taken.right()
                },
                size,
                pmin,
                pmax,
                palign,
            })
        }
    }
    impl<R> msg::Routine<R> for VmAllocateContiguous<R> {
        type Reply = VmAllocateContiguousReply;
    }
    /// The results of [`VmAllocateContiguous`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmAllocateContiguousReply {
        pub vaddr: u64,
        pub paddr: u64,
    }
    impl<R> msg::Reply<R> for VmAllocateContiguousReply {
        fn into_body(self) -> body::Body<R> {
            let VmAllocateContiguousReply { vaddr, paddr } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, vaddr);
            writer.u64(Element::INTEGER_64, paddr);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let vaddr = reader.u64(Element::INTEGER_64)?;
                let paddr = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((vaddr, paddr))
            };
            let Some((vaddr, paddr)) = read() else { return Err(args::misfit(body)) };
            Ok(VmAllocateContiguousReply {
                vaddr,
                paddr,
            })
        }
    }
    /// Where in the machine the pages of a range are: refused, for no process is told that.
    ///
    /// `vm_pages_phys`, id 4212.
    #[doc(alias = "vm_pages_phys")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmPagesPhys<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub target_task: R,
        pub vaddr: u64,
        pub size: u64,
    }
    impl<R> msg::SimpleRoutine<R> for VmPagesPhys<R> {
        const ID: i32 = 4212;
        const NAME: &'static str = "vm_pages_phys";
        fn into_body(self) -> body::Body<R> {
            let VmPagesPhys { target_task, vaddr, size } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::CopySend, true, [target_task]);
            writer.u64(Element::INTEGER_64, vaddr);
            writer.u64(Element::INTEGER_64, size);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let target_task = reader.right()?;
                let vaddr = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((target_task, vaddr, size))
            };
            let Some((target_task, vaddr, size)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(VmPagesPhys {
                target_task: {
                    let () = target_task;
                    taken.right()
                },
                vaddr,
                size,
            })
        }
    }
    impl<R> msg::Routine<R> for VmPagesPhys<R> {
        type Reply = ();
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `vm_wire`.
        pub const VM_WIRE: i32 = 2636;
        /// `vm_wire_all`.
        pub const VM_WIRE_ALL: i32 = 4207;
        /// `vm_allocate_contiguous`.
        pub const VM_ALLOCATE_CONTIGUOUS: i32 = 4210;
        /// `vm_pages_phys`.
        pub const VM_PAGES_PHYS: i32 = 4212;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[2636, 4207, 4210, 4212];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (2636, "vm_wire"),
        (4207, "vm_wire_all"),
        (4210, "vm_allocate_contiguous"),
        (4212, "vm_pages_phys"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// Keeps a range of a task here for an access that its protection permits; no access gives it up again.
        VmWire(VmWire<R>),
        /// The same for all that a task has mapped: 1 what is mapped now, 0 gives it up again.
        VmWireAll(VmWireAll<R>),
        /// Memory that is contiguous in the machine: refused, for no process is given that.
        VmAllocateContiguous(VmAllocateContiguous<R>),
        /// Where in the machine the pages of a range are: refused, for no process is told that.
        VmPagesPhys(VmPagesPhys<R>),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                2636 => {
                    <VmWire<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmWire)
                }
                4207 => {
                    <VmWireAll<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmWireAll)
                }
                4210 => {
                    <VmAllocateContiguous<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmAllocateContiguous)
                }
                4212 => {
                    <VmPagesPhys<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmPagesPhys)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::VmWire(_) => 2636,
                Request::VmWireAll(_) => 4207,
                Request::VmAllocateContiguous(_) => 4210,
                Request::VmPagesPhys(_) => 4212,
            }
        }
    }
}

/// What is behind a task's names, for those who look for faults; sent to the task port.
pub mod mach_debug {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Send rights of a port whose receive right is held, wherever they are.
    ///
    /// `mach_port_get_srights`, id 3007.
    #[doc(alias = "mach_port_get_srights")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetSrights {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for GetSrights {
        const ID: i32 = 3007;
        const NAME: &'static str = "mach_port_get_srights";
        fn into_body(self) -> body::Body<R> {
            let GetSrights { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetSrights { name })
        }
    }
    impl<R> msg::Routine<R> for GetSrights {
        type Reply = GetSrightsReply;
    }
    /// The results of [`GetSrights`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetSrightsReply {
        pub srights: u32,
    }
    impl<R> msg::Reply<R> for GetSrightsReply {
        fn into_body(self) -> body::Body<R> {
            let GetSrightsReply { srights } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::INTEGER_32, srights);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let srights = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((srights,))
            };
            let Some((srights,)) = read() else { return Err(args::misfit(body)) };
            Ok(GetSrightsReply { srights })
        }
    }
    /// Dead-name requests on a port whose receive right is held; total is used, for there is no table with free places.
    ///
    /// `mach_port_dnrequest_info`, id 3011.
    #[doc(alias = "mach_port_dnrequest_info")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DnrequestInfo {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for DnrequestInfo {
        const ID: i32 = 3011;
        const NAME: &'static str = "mach_port_dnrequest_info";
        fn into_body(self) -> body::Body<R> {
            let DnrequestInfo { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(DnrequestInfo { name })
        }
    }
    impl<R> msg::Routine<R> for DnrequestInfo {
        type Reply = DnrequestInfoReply;
    }
    /// The results of [`DnrequestInfo`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DnrequestInfoReply {
        pub total: u32,
        pub used: u32,
    }
    impl<R> msg::Reply<R> for DnrequestInfoReply {
        fn into_body(self) -> body::Body<R> {
            let DnrequestInfoReply { total, used } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::INTEGER_32, total);
            writer.u32(Element::INTEGER_32, used);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let total = reader.u32(Element::INTEGER_32)?;
                let used = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((total, used))
            };
            let Some((total, used)) = read() else { return Err(args::misfit(body)) };
            Ok(DnrequestInfoReply { total, used })
        }
    }
    /// What kind of object the kernel has behind a port: 0 none, 2 task, 9 memory control, 16 memory name. Its address is
    /// a number that tells objects apart.
    ///
    /// `mach_port_kernel_object`, id 3018.
    #[doc(alias = "mach_port_kernel_object")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct KernelObject {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for KernelObject {
        const ID: i32 = 3018;
        const NAME: &'static str = "mach_port_kernel_object";
        fn into_body(self) -> body::Body<R> {
            let KernelObject { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(KernelObject { name })
        }
    }
    impl<R> msg::Routine<R> for KernelObject {
        type Reply = KernelObjectReply;
    }
    /// The results of [`KernelObject`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct KernelObjectReply {
        pub object_type: u32,
        pub object_addr: u64,
    }
    impl<R> msg::Reply<R> for KernelObjectReply {
        fn into_body(self) -> body::Body<R> {
            let KernelObjectReply { object_type, object_addr } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::INTEGER_32, object_type);
            writer.u64(Element::INTEGER_64, object_addr);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let object_type = reader.u32(Element::INTEGER_32)?;
                let object_addr = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((object_type, object_addr))
            };
            let Some((object_type, object_addr)) = read() else {
                return Err(args::misfit(body))
            };
            Ok(KernelObjectReply {
                object_type,
                object_addr,
            })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `mach_port_get_srights`.
        pub const GET_SRIGHTS: i32 = 3007;
        /// `mach_port_dnrequest_info`.
        pub const DNREQUEST_INFO: i32 = 3011;
        /// `mach_port_kernel_object`.
        pub const KERNEL_OBJECT: i32 = 3018;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[3007, 3011, 3018];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (3007, "mach_port_get_srights"),
        (3011, "mach_port_dnrequest_info"),
        (3018, "mach_port_kernel_object"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request {
        /// Send rights of a port whose receive right is held, wherever they are.
        GetSrights(GetSrights),
        /// Dead-name requests on a port whose receive right is held; total is used, for there is no table with free places.
        DnrequestInfo(DnrequestInfo),
        /// What kind of object the kernel has behind a port: 0 none, 2 task, 9 memory control, 16 memory name. Its address is
        /// a number that tells objects apart.
        KernelObject(KernelObject),
    }
    impl Request {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode<R>(id: i32, body: body::Body<R>) -> Result<Request, msg::BadBody<R>> {
            match id {
                3007 => {
                    <GetSrights as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::GetSrights)
                }
                3011 => {
                    <DnrequestInfo as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DnrequestInfo)
                }
                3018 => {
                    <KernelObject as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::KernelObject)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::GetSrights(_) => 3007,
                Request::DnrequestInfo(_) => 3011,
                Request::KernelObject(_) => 3018,
            }
        }
    }
}

/// Operations on a task's own port name space; sent to the task port.
pub mod mach_port {
    /// mach_port_status_t.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct PortStatus {
        #[prost(uint32, tag = "1")]
        pub pset: u32,
        #[prost(uint32, tag = "2")]
        pub seqno: u32,
        #[prost(uint32, tag = "3")]
        pub mscount: u32,
        #[prost(uint32, tag = "4")]
        pub qlimit: u32,
        #[prost(uint32, tag = "5")]
        pub msgcount: u32,
        #[prost(uint32, tag = "6")]
        pub sorights: u32,
        #[prost(bool, tag = "7")]
        pub srights: bool,
        #[prost(bool, tag = "8")]
        pub pdrequest: bool,
        #[prost(bool, tag = "9")]
        pub nsrequest: bool,
    }
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// All names and the types of their rights.
    ///
    /// `mach_port_names`, id 3200.
    #[doc(alias = "mach_port_names")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Names;
    impl<R> msg::SimpleRoutine<R> for Names {
        const ID: i32 = 3200;
        const NAME: &'static str = "mach_port_names";
        fn into_body(self) -> body::Body<R> {
            let Names = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Names)
        }
    }
    impl<R> msg::Routine<R> for Names {
        type Reply = NamesReply;
    }
    /// The results of [`Names`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct NamesReply {
        pub names: Vec<u32>,
        pub types: Vec<u32>,
    }
    impl<R> msg::Reply<R> for NamesReply {
        fn into_body(self) -> body::Body<R> {
            let NamesReply { names, types } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_array(&mut writer, Element::PORT_NAME, &names);
            args::write_array(&mut writer, Element::INTEGER_32, &types);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let names = args::array(&mut reader, Element::PORT_NAME)?;
                let types = args::array(&mut reader, Element::INTEGER_32)?;
                reader.end()?;
                Some((names, types))
            };
            let Some((names, types)) = read() else { return Err(args::misfit(body)) };
            Ok(NamesReply { names, types })
        }
    }
    /// The type bits of one name.
    ///
    /// `mach_port_type`, id 3201.
    #[doc(alias = "mach_port_type")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Type {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Type {
        const ID: i32 = 3201;
        const NAME: &'static str = "mach_port_type";
        fn into_body(self) -> body::Body<R> {
            let Type { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Type { name })
        }
    }
    impl<R> msg::Routine<R> for Type {
        type Reply = TypeReply;
    }
    /// The results of [`Type`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TypeReply {
        pub ptype: u32,
    }
    impl<R> msg::Reply<R> for TypeReply {
        fn into_body(self) -> body::Body<R> {
            let TypeReply { ptype } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::INTEGER_32, ptype);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let ptype = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((ptype,))
            };
            let Some((ptype,)) = read() else { return Err(args::misfit(body)) };
            Ok(TypeReply { ptype })
        }
    }
    /// Gives what a name denotes another name.
    ///
    /// `mach_port_rename`, id 3202.
    #[doc(alias = "mach_port_rename")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Rename {
        pub old_name: u32,
        pub new_name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Rename {
        const ID: i32 = 3202;
        const NAME: &'static str = "mach_port_rename";
        fn into_body(self) -> body::Body<R> {
            let Rename { old_name, new_name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, old_name);
            writer.u32(Element::PORT_NAME, new_name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let old_name = reader.u32(Element::PORT_NAME)?;
                let new_name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((old_name, new_name))
            };
            let Some((old_name, new_name)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(Rename { old_name, new_name })
        }
    }
    impl<R> msg::Routine<R> for Rename {
        type Reply = ();
    }
    /// A new receive right, port set or dead name, under a name of the caller's choice.
    ///
    /// `mach_port_allocate_name`, id 3203.
    #[doc(alias = "mach_port_allocate_name")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct AllocateName {
        pub right: u32,
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for AllocateName {
        const ID: i32 = 3203;
        const NAME: &'static str = "mach_port_allocate_name";
        fn into_body(self) -> body::Body<R> {
            let AllocateName { right, name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, right);
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let right = reader.u32(Element::INTEGER_32)?;
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((right, name))
            };
            let Some((right, name)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(AllocateName { right, name })
        }
    }
    impl<R> msg::Routine<R> for AllocateName {
        type Reply = ();
    }
    /// A new receive right, port set or dead name, with a name of the node's choice.
    ///
    /// `mach_port_allocate`, id 3204.
    #[doc(alias = "mach_port_allocate")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Allocate {
        pub right: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Allocate {
        const ID: i32 = 3204;
        const NAME: &'static str = "mach_port_allocate";
        fn into_body(self) -> body::Body<R> {
            let Allocate { right } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, right);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let right = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((right,))
            };
            let Some((right,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Allocate { right })
        }
    }
    impl<R> msg::Routine<R> for Allocate {
        type Reply = AllocateReply;
    }
    /// The results of [`Allocate`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct AllocateReply {
        pub name: u32,
    }
    impl<R> msg::Reply<R> for AllocateReply {
        fn into_body(self) -> body::Body<R> {
            let AllocateReply { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::misfit(body)) };
            Ok(AllocateReply { name })
        }
    }
    /// Gives up everything the name denotes.
    ///
    /// `mach_port_destroy`, id 3205.
    #[doc(alias = "mach_port_destroy")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Destroy {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Destroy {
        const ID: i32 = 3205;
        const NAME: &'static str = "mach_port_destroy";
        fn into_body(self) -> body::Body<R> {
            let Destroy { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Destroy { name })
        }
    }
    impl<R> msg::Routine<R> for Destroy {
        type Reply = ();
    }
    /// Gives up one user reference of a send, send-once or dead name.
    ///
    /// `mach_port_deallocate`, id 3206.
    #[doc(alias = "mach_port_deallocate")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Deallocate {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Deallocate {
        const ID: i32 = 3206;
        const NAME: &'static str = "mach_port_deallocate";
        fn into_body(self) -> body::Body<R> {
            let Deallocate { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Deallocate { name })
        }
    }
    impl<R> msg::Routine<R> for Deallocate {
        type Reply = ();
    }
    /// User references of one right under a name; 0 when the name has no such right.
    ///
    /// `mach_port_get_refs`, id 3207.
    #[doc(alias = "mach_port_get_refs")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetRefs {
        pub name: u32,
        pub right: u32,
    }
    impl<R> msg::SimpleRoutine<R> for GetRefs {
        const ID: i32 = 3207;
        const NAME: &'static str = "mach_port_get_refs";
        fn into_body(self) -> body::Body<R> {
            let GetRefs { name, right } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, right);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let right = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((name, right))
            };
            let Some((name, right)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetRefs { name, right })
        }
    }
    impl<R> msg::Routine<R> for GetRefs {
        type Reply = GetRefsReply;
    }
    /// The results of [`GetRefs`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetRefsReply {
        pub refs: u32,
    }
    impl<R> msg::Reply<R> for GetRefsReply {
        fn into_body(self) -> body::Body<R> {
            let GetRefsReply { refs } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::INTEGER_32, refs);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let refs = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((refs,))
            };
            let Some((refs,)) = read() else { return Err(args::misfit(body)) };
            Ok(GetRefsReply { refs })
        }
    }
    /// Adds to or takes from the user references.
    ///
    /// `mach_port_mod_refs`, id 3208.
    #[doc(alias = "mach_port_mod_refs")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ModRefs {
        pub name: u32,
        pub right: u32,
        pub delta: i32,
    }
    impl<R> msg::SimpleRoutine<R> for ModRefs {
        const ID: i32 = 3208;
        const NAME: &'static str = "mach_port_mod_refs";
        fn into_body(self) -> body::Body<R> {
            let ModRefs { name, right, delta } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, right);
            writer.u32(Element::INTEGER_32, delta as u32);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let right = reader.u32(Element::INTEGER_32)?;
                let delta = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((name, right, delta))
            };
            let Some((name, right, delta)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(ModRefs {
                name,
                right,
                delta: delta as i32,
            })
        }
    }
    impl<R> msg::Routine<R> for ModRefs {
        type Reply = ();
    }
    /// Sets the queue limit of a port whose receive right is held.
    ///
    /// `mach_port_set_qlimit`, id 3210.
    #[doc(alias = "mach_port_set_qlimit")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SetQlimit {
        pub name: u32,
        pub qlimit: u32,
    }
    impl<R> msg::SimpleRoutine<R> for SetQlimit {
        const ID: i32 = 3210;
        const NAME: &'static str = "mach_port_set_qlimit";
        fn into_body(self) -> body::Body<R> {
            let SetQlimit { name, qlimit } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, qlimit);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let qlimit = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((name, qlimit))
            };
            let Some((name, qlimit)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(SetQlimit { name, qlimit })
        }
    }
    impl<R> msg::Routine<R> for SetQlimit {
        type Reply = ();
    }
    /// Sets the make-send count of a port whose receive right is held.
    ///
    /// `mach_port_set_mscount`, id 3211.
    #[doc(alias = "mach_port_set_mscount")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SetMscount {
        pub name: u32,
        pub mscount: u32,
    }
    impl<R> msg::SimpleRoutine<R> for SetMscount {
        const ID: i32 = 3211;
        const NAME: &'static str = "mach_port_set_mscount";
        fn into_body(self) -> body::Body<R> {
            let SetMscount { name, mscount } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, mscount);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let mscount = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((name, mscount))
            };
            let Some((name, mscount)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(SetMscount { name, mscount })
        }
    }
    impl<R> msg::Routine<R> for SetMscount {
        type Reply = ();
    }
    /// The members of a port set.
    ///
    /// `mach_port_get_set_status`, id 3212.
    #[doc(alias = "mach_port_get_set_status")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetSetStatus {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for GetSetStatus {
        const ID: i32 = 3212;
        const NAME: &'static str = "mach_port_get_set_status";
        fn into_body(self) -> body::Body<R> {
            let GetSetStatus { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetSetStatus { name })
        }
    }
    impl<R> msg::Routine<R> for GetSetStatus {
        type Reply = GetSetStatusReply;
    }
    /// The results of [`GetSetStatus`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetSetStatusReply {
        pub members: Vec<u32>,
    }
    impl<R> msg::Reply<R> for GetSetStatusReply {
        fn into_body(self) -> body::Body<R> {
            let GetSetStatusReply { members } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_array(&mut writer, Element::PORT_NAME, &members);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let members = args::array(&mut reader, Element::PORT_NAME)?;
                reader.end()?;
                Some((members,))
            };
            let Some((members,)) = read() else { return Err(args::misfit(body)) };
            Ok(GetSetStatusReply { members })
        }
    }
    /// Puts a receive right into a set, or takes it out with the null set.
    ///
    /// `mach_port_move_member`, id 3213.
    #[doc(alias = "mach_port_move_member")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct MoveMember {
        pub member: u32,
        pub after: u32,
    }
    impl<R> msg::SimpleRoutine<R> for MoveMember {
        const ID: i32 = 3213;
        const NAME: &'static str = "mach_port_move_member";
        fn into_body(self) -> body::Body<R> {
            let MoveMember { member, after } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, member);
            writer.u32(Element::PORT_NAME, after);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let member = reader.u32(Element::PORT_NAME)?;
                let after = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((member, after))
            };
            let Some((member, after)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(MoveMember { member, after })
        }
    }
    impl<R> msg::Routine<R> for MoveMember {
        type Reply = ();
    }
    /// Asks for a notification; answers the request that stood there before.
    ///
    /// `mach_port_request_notification`, id 3214.
    #[doc(alias = "mach_port_request_notification")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct RequestNotification<R> {
        pub name: u32,
        pub msgid: i32,
        pub sync: u32,
        /// Goes in as `MAKE_SEND_ONCE` unless the sender says otherwise.
        pub notify: R,
    }
    impl<R> msg::SimpleRoutine<R> for RequestNotification<R> {
        const ID: i32 = 3214;
        const NAME: &'static str = "mach_port_request_notification";
        fn into_body(self) -> body::Body<R> {
            let RequestNotification { name, msgid, sync, notify } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, msgid as u32);
            writer.u32(Element::INTEGER_32, sync);
            writer.rights(crate::Disposition::MakeSendOnce, true, [notify]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let msgid = reader.u32(Element::INTEGER_32)?;
                let sync = reader.u32(Element::INTEGER_32)?;
                let notify = reader.right()?;
                reader.end()?;
                Some((name, msgid, sync, notify))
            };
            let Some((name, msgid, sync, notify)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(RequestNotification {
                name,
                msgid: msgid as i32,
                sync,
                notify: {
                    let () = notify;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for RequestNotification<R> {
        type Reply = RequestNotificationReply<R>;
    }
    /// The results of [`RequestNotification`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct RequestNotificationReply<R> {
        /// Goes in as `MOVE_SEND_ONCE` unless the sender says otherwise.
        pub previous: R,
    }
    impl<R> msg::Reply<R> for RequestNotificationReply<R> {
        fn into_body(self) -> body::Body<R> {
            let RequestNotificationReply { previous } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::MoveSendOnce, true, [previous]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let previous = reader.right()?;
                reader.end()?;
                Some((previous,))
            };
            let Some((previous,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(RequestNotificationReply {
                previous: {
                    let () = previous;
                    taken.right()
                },
            })
        }
    }
    /// Gives the space a right under a name of the caller's choice.
    ///
    /// `mach_port_insert_right`, id 3215.
    #[doc(alias = "mach_port_insert_right")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct InsertRight<R> {
        pub name: u32,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub right: R,
    }
    impl<R> msg::SimpleRoutine<R> for InsertRight<R> {
        const ID: i32 = 3215;
        const NAME: &'static str = "mach_port_insert_right";
        fn into_body(self) -> body::Body<R> {
            let InsertRight { name, right } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.rights(crate::Disposition::CopySend, true, [right]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let right = reader.right()?;
                reader.end()?;
                Some((name, right))
            };
            let Some((name, right)) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(InsertRight {
                name,
                right: {
                    let () = right;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for InsertRight<R> {
        type Reply = ();
    }
    /// Takes a right out of the space.
    ///
    /// `mach_port_extract_right`, id 3216.
    #[doc(alias = "mach_port_extract_right")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ExtractRight {
        pub name: u32,
        pub disposition: u32,
    }
    impl<R> msg::SimpleRoutine<R> for ExtractRight {
        const ID: i32 = 3216;
        const NAME: &'static str = "mach_port_extract_right";
        fn into_body(self) -> body::Body<R> {
            let ExtractRight { name, disposition } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, disposition);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let disposition = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((name, disposition))
            };
            let Some((name, disposition)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(ExtractRight { name, disposition })
        }
    }
    impl<R> msg::Routine<R> for ExtractRight {
        type Reply = ExtractRightReply<R>;
    }
    /// The results of [`ExtractRight`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ExtractRightReply<R> {
        /// Goes in as `MOVE_SEND` unless the sender says otherwise.
        pub right: R,
    }
    impl<R> msg::Reply<R> for ExtractRightReply<R> {
        fn into_body(self) -> body::Body<R> {
            let ExtractRightReply { right } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::MoveSend, true, [right]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let right = reader.right()?;
                reader.end()?;
                Some((right,))
            };
            let Some((right,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(ExtractRightReply {
                right: {
                    let () = right;
                    taken.right()
                },
            })
        }
    }
    /// Counters of a port whose receive right is held.
    ///
    /// `mach_port_get_receive_status`, id 3217.
    #[doc(alias = "mach_port_get_receive_status")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetReceiveStatus {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for GetReceiveStatus {
        const ID: i32 = 3217;
        const NAME: &'static str = "mach_port_get_receive_status";
        fn into_body(self) -> body::Body<R> {
            let GetReceiveStatus { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetReceiveStatus { name })
        }
    }
    impl<R> msg::Routine<R> for GetReceiveStatus {
        type Reply = GetReceiveStatusReply;
    }
    /// The results of [`GetReceiveStatus`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetReceiveStatusReply {
        pub status: PortStatus,
    }
    impl<R> msg::Reply<R> for GetReceiveStatusReply {
        fn into_body(self) -> body::Body<R> {
            let GetReceiveStatusReply { status } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_words(
                &mut writer,
                &[
                    status.pset,
                    status.seqno,
                    status.mscount,
                    status.qlimit,
                    status.msgcount,
                    status.sorights,
                    status.srights.into(),
                    status.pdrequest.into(),
                    status.nsrequest.into(),
                ],
            );
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let status = args::words::<9>(&mut reader)?;
                reader.end()?;
                Some((status,))
            };
            let Some((status,)) = read() else { return Err(args::misfit(body)) };
            Ok(GetReceiveStatusReply {
                status: PortStatus {
                    pset: status[0],
                    seqno: status[1],
                    mscount: status[2],
                    qlimit: status[3],
                    msgcount: status[4],
                    sorights: status[5],
                    srights: status[6] != 0,
                    pdrequest: status[7] != 0,
                    nsrequest: status[8] != 0,
                },
            })
        }
    }
    /// Sets the sequence number that the next message of a port gets whose receive right is held.
    ///
    /// `mach_port_set_seqno`, id 3218.
    #[doc(alias = "mach_port_set_seqno")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SetSeqno {
        pub name: u32,
        pub seqno: u32,
    }
    impl<R> msg::SimpleRoutine<R> for SetSeqno {
        const ID: i32 = 3218;
        const NAME: &'static str = "mach_port_set_seqno";
        fn into_body(self) -> body::Body<R> {
            let SetSeqno { name, seqno } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u32(Element::INTEGER_32, seqno);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let seqno = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((name, seqno))
            };
            let Some((name, seqno)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(SetSeqno { name, seqno })
        }
    }
    impl<R> msg::Routine<R> for SetSeqno {
        type Reply = ();
    }
    /// Has messages of a port arrive with a payload in place of its name.
    ///
    /// `mach_port_set_protected_payload`, id 3221.
    #[doc(alias = "mach_port_set_protected_payload")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SetProtectedPayload {
        pub name: u32,
        pub payload: u64,
    }
    impl<R> msg::SimpleRoutine<R> for SetProtectedPayload {
        const ID: i32 = 3221;
        const NAME: &'static str = "mach_port_set_protected_payload";
        fn into_body(self) -> body::Body<R> {
            let SetProtectedPayload { name, payload } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.u64(Element::INTEGER_64, payload);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                let payload = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((name, payload))
            };
            let Some((name, payload)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(SetProtectedPayload {
                name,
                payload,
            })
        }
    }
    impl<R> msg::Routine<R> for SetProtectedPayload {
        type Reply = ();
    }
    /// Has them arrive with the name again.
    ///
    /// `mach_port_clear_protected_payload`, id 3222.
    #[doc(alias = "mach_port_clear_protected_payload")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ClearProtectedPayload {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for ClearProtectedPayload {
        const ID: i32 = 3222;
        const NAME: &'static str = "mach_port_clear_protected_payload";
        fn into_body(self) -> body::Body<R> {
            let ClearProtectedPayload { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(ClearProtectedPayload { name })
        }
    }
    impl<R> msg::Routine<R> for ClearProtectedPayload {
        type Reply = ();
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `mach_port_names`.
        pub const NAMES: i32 = 3200;
        /// `mach_port_type`.
        pub const TYPE: i32 = 3201;
        /// `mach_port_rename`.
        pub const RENAME: i32 = 3202;
        /// `mach_port_allocate_name`.
        pub const ALLOCATE_NAME: i32 = 3203;
        /// `mach_port_allocate`.
        pub const ALLOCATE: i32 = 3204;
        /// `mach_port_destroy`.
        pub const DESTROY: i32 = 3205;
        /// `mach_port_deallocate`.
        pub const DEALLOCATE: i32 = 3206;
        /// `mach_port_get_refs`.
        pub const GET_REFS: i32 = 3207;
        /// `mach_port_mod_refs`.
        pub const MOD_REFS: i32 = 3208;
        /// `mach_port_set_qlimit`.
        pub const SET_QLIMIT: i32 = 3210;
        /// `mach_port_set_mscount`.
        pub const SET_MSCOUNT: i32 = 3211;
        /// `mach_port_get_set_status`.
        pub const GET_SET_STATUS: i32 = 3212;
        /// `mach_port_move_member`.
        pub const MOVE_MEMBER: i32 = 3213;
        /// `mach_port_request_notification`.
        pub const REQUEST_NOTIFICATION: i32 = 3214;
        /// `mach_port_insert_right`.
        pub const INSERT_RIGHT: i32 = 3215;
        /// `mach_port_extract_right`.
        pub const EXTRACT_RIGHT: i32 = 3216;
        /// `mach_port_get_receive_status`.
        pub const GET_RECEIVE_STATUS: i32 = 3217;
        /// `mach_port_set_seqno`.
        pub const SET_SEQNO: i32 = 3218;
        /// `mach_port_set_protected_payload`.
        pub const SET_PROTECTED_PAYLOAD: i32 = 3221;
        /// `mach_port_clear_protected_payload`.
        pub const CLEAR_PROTECTED_PAYLOAD: i32 = 3222;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[
        3200, 3201, 3202, 3203, 3204, 3205, 3206, 3207, 3208, 3210, 3211, 3212, 3213, 3214,
        3215, 3216, 3217, 3218, 3221, 3222,
    ];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (3200, "mach_port_names"),
        (3201, "mach_port_type"),
        (3202, "mach_port_rename"),
        (3203, "mach_port_allocate_name"),
        (3204, "mach_port_allocate"),
        (3205, "mach_port_destroy"),
        (3206, "mach_port_deallocate"),
        (3207, "mach_port_get_refs"),
        (3208, "mach_port_mod_refs"),
        (3210, "mach_port_set_qlimit"),
        (3211, "mach_port_set_mscount"),
        (3212, "mach_port_get_set_status"),
        (3213, "mach_port_move_member"),
        (3214, "mach_port_request_notification"),
        (3215, "mach_port_insert_right"),
        (3216, "mach_port_extract_right"),
        (3217, "mach_port_get_receive_status"),
        (3218, "mach_port_set_seqno"),
        (3221, "mach_port_set_protected_payload"),
        (3222, "mach_port_clear_protected_payload"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// All names and the types of their rights.
        Names(Names),
        /// The type bits of one name.
        Type(Type),
        /// Gives what a name denotes another name.
        Rename(Rename),
        /// A new receive right, port set or dead name, under a name of the caller's choice.
        AllocateName(AllocateName),
        /// A new receive right, port set or dead name, with a name of the node's choice.
        Allocate(Allocate),
        /// Gives up everything the name denotes.
        Destroy(Destroy),
        /// Gives up one user reference of a send, send-once or dead name.
        Deallocate(Deallocate),
        /// User references of one right under a name; 0 when the name has no such right.
        GetRefs(GetRefs),
        /// Adds to or takes from the user references.
        ModRefs(ModRefs),
        /// Sets the queue limit of a port whose receive right is held.
        SetQlimit(SetQlimit),
        /// Sets the make-send count of a port whose receive right is held.
        SetMscount(SetMscount),
        /// The members of a port set.
        GetSetStatus(GetSetStatus),
        /// Puts a receive right into a set, or takes it out with the null set.
        MoveMember(MoveMember),
        /// Asks for a notification; answers the request that stood there before.
        RequestNotification(RequestNotification<R>),
        /// Gives the space a right under a name of the caller's choice.
        InsertRight(InsertRight<R>),
        /// Takes a right out of the space.
        ExtractRight(ExtractRight),
        /// Counters of a port whose receive right is held.
        GetReceiveStatus(GetReceiveStatus),
        /// Sets the sequence number that the next message of a port gets whose receive right is held.
        SetSeqno(SetSeqno),
        /// Has messages of a port arrive with a payload in place of its name.
        SetProtectedPayload(SetProtectedPayload),
        /// Has them arrive with the name again.
        ClearProtectedPayload(ClearProtectedPayload),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                3200 => <Names as msg::SimpleRoutine<R>>::from_body(body).map(Request::Names),
                3201 => <Type as msg::SimpleRoutine<R>>::from_body(body).map(Request::Type),
                3202 => {
                    <Rename as msg::SimpleRoutine<R>>::from_body(body).map(Request::Rename)
                }
                3203 => {
                    <AllocateName as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::AllocateName)
                }
                3204 => {
                    <Allocate as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::Allocate)
                }
                3205 => {
                    <Destroy as msg::SimpleRoutine<R>>::from_body(body).map(Request::Destroy)
                }
                3206 => {
                    <Deallocate as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::Deallocate)
                }
                3207 => {
                    <GetRefs as msg::SimpleRoutine<R>>::from_body(body).map(Request::GetRefs)
                }
                3208 => {
                    <ModRefs as msg::SimpleRoutine<R>>::from_body(body).map(Request::ModRefs)
                }
                3210 => {
                    <SetQlimit as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SetQlimit)
                }
                3211 => {
                    <SetMscount as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SetMscount)
                }
                3212 => {
                    <GetSetStatus as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::GetSetStatus)
                }
                3213 => {
                    <MoveMember as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::MoveMember)
                }
                3214 => {
                    <RequestNotification<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::RequestNotification)
                }
                3215 => {
                    <InsertRight<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::InsertRight)
                }
                3216 => {
                    <ExtractRight as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::ExtractRight)
                }
                3217 => {
                    <GetReceiveStatus as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::GetReceiveStatus)
                }
                3218 => {
                    <SetSeqno as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SetSeqno)
                }
                3221 => {
                    <SetProtectedPayload as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SetProtectedPayload)
                }
                3222 => {
                    <ClearProtectedPayload as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::ClearProtectedPayload)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::Names(_) => 3200,
                Request::Type(_) => 3201,
                Request::Rename(_) => 3202,
                Request::AllocateName(_) => 3203,
                Request::Allocate(_) => 3204,
                Request::Destroy(_) => 3205,
                Request::Deallocate(_) => 3206,
                Request::GetRefs(_) => 3207,
                Request::ModRefs(_) => 3208,
                Request::SetQlimit(_) => 3210,
                Request::SetMscount(_) => 3211,
                Request::GetSetStatus(_) => 3212,
                Request::MoveMember(_) => 3213,
                Request::RequestNotification(_) => 3214,
                Request::InsertRight(_) => 3215,
                Request::ExtractRight(_) => 3216,
                Request::GetReceiveStatus(_) => 3217,
                Request::SetSeqno(_) => 3218,
                Request::SetProtectedPayload(_) => 3221,
                Request::ClearProtectedPayload(_) => 3222,
            }
        }
    }
}

/// What a kernel asks of a pager; sent to the memory object port. Names and order: mach-api §3.2.
pub mod memory_object {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// The first mapping on this kernel. Answered by memory_object_ready.
    ///
    /// `memory_object_init`, id 2200. A simpleroutine.
    #[doc(alias = "memory_object_init")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Init<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_object_name: R,
        pub memory_object_page_size: u64,
    }
    impl<R> msg::SimpleRoutine<R> for Init<R> {
        const ID: i32 = 2200;
        const NAME: &'static str = "memory_object_init";
        fn into_body(self) -> body::Body<R> {
            let Init { memory_control, memory_object_name, memory_object_page_size } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.rights(crate::Disposition::MakeSend, true, [memory_object_name]);
            writer.u64(Element::INTEGER_64, memory_object_page_size);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let memory_object_name = reader.right()?;
                let memory_object_page_size = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((memory_control, memory_object_name, memory_object_page_size))
            };
            let Some((memory_control, memory_object_name, memory_object_page_size)) = read()
            else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(Init {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                memory_object_name: {
                    let () = memory_object_name;
                    taken.right()
                },
                memory_object_page_size,
            })
        }
    }
    /// The last mapping is gone. The control port dies after it.
    ///
    /// `memory_object_terminate`, id 2201. A simpleroutine.
    #[doc(alias = "memory_object_terminate")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Terminate<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_object_name: R,
    }
    impl<R> msg::SimpleRoutine<R> for Terminate<R> {
        const ID: i32 = 2201;
        const NAME: &'static str = "memory_object_terminate";
        fn into_body(self) -> body::Body<R> {
            let Terminate { memory_control, memory_object_name } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.rights(crate::Disposition::MakeSend, true, [memory_object_name]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let memory_object_name = reader.right()?;
                reader.end()?;
                Some((memory_control, memory_object_name))
            };
            let Some((memory_control, memory_object_name)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(Terminate {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                memory_object_name: {
                    let () = memory_object_name;
                    taken.right()
                },
            })
        }
    }
    /// Pages are missing: exactly one of supply, unavailable, error for each.
    ///
    /// `memory_object_data_request`, id 2203. A simpleroutine.
    #[doc(alias = "memory_object_data_request")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DataRequest<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        pub offset: u64,
        pub length: u64,
        pub desired_access: u32,
    }
    impl<R> msg::SimpleRoutine<R> for DataRequest<R> {
        const ID: i32 = 2203;
        const NAME: &'static str = "memory_object_data_request";
        fn into_body(self) -> body::Body<R> {
            let DataRequest { memory_control, offset, length, desired_access } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, length);
            writer.u32(Element::INTEGER_32, desired_access);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let length = reader.u64(Element::INTEGER_64)?;
                let desired_access = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((memory_control, offset, length, desired_access))
            };
            let Some((memory_control, offset, length, desired_access)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(DataRequest {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                offset,
                length,
                desired_access,
            })
        }
    }
    /// A resident page's lock forbids the access that is wanted.
    ///
    /// `memory_object_data_unlock`, id 2204. A simpleroutine.
    #[doc(alias = "memory_object_data_unlock")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DataUnlock<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        pub offset: u64,
        pub length: u64,
        pub desired_access: u32,
    }
    impl<R> msg::SimpleRoutine<R> for DataUnlock<R> {
        const ID: i32 = 2204;
        const NAME: &'static str = "memory_object_data_unlock";
        fn into_body(self) -> body::Body<R> {
            let DataUnlock { memory_control, offset, length, desired_access } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, length);
            writer.u32(Element::INTEGER_32, desired_access);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let length = reader.u64(Element::INTEGER_64)?;
                let desired_access = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((memory_control, offset, length, desired_access))
            };
            let Some((memory_control, offset, length, desired_access)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(DataUnlock {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                offset,
                length,
                desired_access,
            })
        }
    }
    /// A lock request is carried out.
    ///
    /// `memory_object_lock_completed`, id 2206. A simpleroutine.
    #[doc(alias = "memory_object_lock_completed")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct LockCompleted<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        pub offset: u64,
        pub length: u64,
    }
    impl<R> msg::SimpleRoutine<R> for LockCompleted<R> {
        const ID: i32 = 2206;
        const NAME: &'static str = "memory_object_lock_completed";
        fn into_body(self) -> body::Body<R> {
            let LockCompleted { memory_control, offset, length } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, length);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let length = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((memory_control, offset, length))
            };
            let Some((memory_control, offset, length)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(LockCompleted {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                offset,
                length,
            })
        }
    }
    /// A supply with a reply port was taken, or where it stopped.
    ///
    /// `memory_object_supply_completed`, id 2207. A simpleroutine.
    #[doc(alias = "memory_object_supply_completed")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SupplyCompleted<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        pub offset: u64,
        pub length: u64,
        pub result: i32,
        pub error_offset: u64,
    }
    impl<R> msg::SimpleRoutine<R> for SupplyCompleted<R> {
        const ID: i32 = 2207;
        const NAME: &'static str = "memory_object_supply_completed";
        fn into_body(self) -> body::Body<R> {
            let SupplyCompleted { memory_control, offset, length, result, error_offset } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, length);
            writer.u32(Element::INTEGER_32, result as u32);
            writer.u64(Element::INTEGER_64, error_offset);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let length = reader.u64(Element::INTEGER_64)?;
                let result = reader.u32(Element::INTEGER_32)?;
                let error_offset = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((memory_control, offset, length, result, error_offset))
            };
            let Some((memory_control, offset, length, result, error_offset)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(SupplyCompleted {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                offset,
                length,
                result: result as i32,
                error_offset,
            })
        }
    }
    /// Page contents go back to the pager.
    ///
    /// `memory_object_data_return`, id 2208. A simpleroutine.
    #[doc(alias = "memory_object_data_return")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DataReturn<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        pub offset: u64,
        pub data: crate::Payload,
        pub dirty: bool,
        pub kernel_copy: bool,
    }
    impl<R> msg::SimpleRoutine<R> for DataReturn<R> {
        const ID: i32 = 2208;
        const NAME: &'static str = "memory_object_data_return";
        fn into_body(self) -> body::Body<R> {
            let DataReturn { memory_control, offset, data, dirty, kernel_copy } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.u64(Element::INTEGER_64, offset);
            writer.memory(Element::BYTE, data);
            writer.u32(Element::BOOLEAN, dirty.into());
            writer.u32(Element::BOOLEAN, kernel_copy.into());
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let data = reader.memory(Element::BYTE).cloned()?;
                let dirty = reader.u32(Element::BOOLEAN)?;
                let kernel_copy = reader.u32(Element::BOOLEAN)?;
                reader.end()?;
                Some((memory_control, offset, data, dirty, kernel_copy))
            };
            let Some((memory_control, offset, data, dirty, kernel_copy)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(DataReturn {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                offset,
                data,
                dirty: dirty != 0,
                kernel_copy: kernel_copy != 0,
            })
        }
    }
    /// Everything returned before must be durable; answered by memory_object_synchronize_completed (OSF).
    ///
    /// `memory_object_synchronize`, id 2210. A simpleroutine.
    #[doc(alias = "memory_object_synchronize")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Synchronize<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub memory_control: R,
        pub offset: u64,
        pub length: u64,
        pub flags: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Synchronize<R> {
        const ID: i32 = 2210;
        const NAME: &'static str = "memory_object_synchronize";
        fn into_body(self) -> body::Body<R> {
            let Synchronize { memory_control, offset, length, flags } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MakeSend, true, [memory_control]);
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, length);
            writer.u32(Element::INTEGER_32, flags);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let memory_control = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let length = reader.u64(Element::INTEGER_64)?;
                let flags = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((memory_control, offset, length, flags))
            };
            let Some((memory_control, offset, length, flags)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(Synchronize {
                memory_control: {
                    let () = memory_control;
                    taken.right()
                },
                offset,
                length,
                flags,
            })
        }
    }
    /// Size, permitted access and state; ours, for a library that wants to map the whole of an object.
    ///
    /// `memory_object_info`, id 2290.
    #[doc(alias = "memory_object_info")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Info;
    impl<R> msg::SimpleRoutine<R> for Info {
        const ID: i32 = 2290;
        const NAME: &'static str = "memory_object_info";
        fn into_body(self) -> body::Body<R> {
            let Info = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Info)
        }
    }
    impl<R> msg::Routine<R> for Info {
        type Reply = InfoReply;
    }
    /// The results of [`Info`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct InfoReply {
        pub size: u64,
        pub max_protection: u32,
        pub name: String,
    }
    impl<R> msg::Reply<R> for InfoReply {
        fn into_body(self) -> body::Body<R> {
            let InfoReply { size, max_protection, name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, max_protection);
            args::write_text(&mut writer, &name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let max_protection = reader.u32(Element::INTEGER_32)?;
                let name = args::text(&mut reader)?;
                reader.end()?;
                Some((size, max_protection, name))
            };
            let Some((size, max_protection, name)) = read() else {
                return Err(args::misfit(body))
            };
            Ok(InfoReply {
                size,
                max_protection,
                name,
            })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `memory_object_init`.
        pub const INIT: i32 = 2200;
        /// `memory_object_terminate`.
        pub const TERMINATE: i32 = 2201;
        /// `memory_object_data_request`.
        pub const DATA_REQUEST: i32 = 2203;
        /// `memory_object_data_unlock`.
        pub const DATA_UNLOCK: i32 = 2204;
        /// `memory_object_lock_completed`.
        pub const LOCK_COMPLETED: i32 = 2206;
        /// `memory_object_supply_completed`.
        pub const SUPPLY_COMPLETED: i32 = 2207;
        /// `memory_object_data_return`.
        pub const DATA_RETURN: i32 = 2208;
        /// `memory_object_synchronize`.
        pub const SYNCHRONIZE: i32 = 2210;
        /// `memory_object_info`.
        pub const INFO: i32 = 2290;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[2200, 2201, 2203, 2204, 2206, 2207, 2208, 2210, 2290];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (2200, "memory_object_init"),
        (2201, "memory_object_terminate"),
        (2203, "memory_object_data_request"),
        (2204, "memory_object_data_unlock"),
        (2206, "memory_object_lock_completed"),
        (2207, "memory_object_supply_completed"),
        (2208, "memory_object_data_return"),
        (2210, "memory_object_synchronize"),
        (2290, "memory_object_info"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// The first mapping on this kernel. Answered by memory_object_ready.
        Init(Init<R>),
        /// The last mapping is gone. The control port dies after it.
        Terminate(Terminate<R>),
        /// Pages are missing: exactly one of supply, unavailable, error for each.
        DataRequest(DataRequest<R>),
        /// A resident page's lock forbids the access that is wanted.
        DataUnlock(DataUnlock<R>),
        /// A lock request is carried out.
        LockCompleted(LockCompleted<R>),
        /// A supply with a reply port was taken, or where it stopped.
        SupplyCompleted(SupplyCompleted<R>),
        /// Page contents go back to the pager.
        DataReturn(DataReturn<R>),
        /// Everything returned before must be durable; answered by memory_object_synchronize_completed (OSF).
        Synchronize(Synchronize<R>),
        /// Size, permitted access and state; ours, for a library that wants to map the whole of an object.
        Info(Info),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                2200 => {
                    <Init<R> as msg::SimpleRoutine<R>>::from_body(body).map(Request::Init)
                }
                2201 => {
                    <Terminate<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::Terminate)
                }
                2203 => {
                    <DataRequest<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DataRequest)
                }
                2204 => {
                    <DataUnlock<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DataUnlock)
                }
                2206 => {
                    <LockCompleted<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::LockCompleted)
                }
                2207 => {
                    <SupplyCompleted<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SupplyCompleted)
                }
                2208 => {
                    <DataReturn<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DataReturn)
                }
                2210 => {
                    <Synchronize<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::Synchronize)
                }
                2290 => <Info as msg::SimpleRoutine<R>>::from_body(body).map(Request::Info),
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::Init(_) => 2200,
                Request::Terminate(_) => 2201,
                Request::DataRequest(_) => 2203,
                Request::DataUnlock(_) => 2204,
                Request::LockCompleted(_) => 2206,
                Request::SupplyCompleted(_) => 2207,
                Request::DataReturn(_) => 2208,
                Request::Synchronize(_) => 2210,
                Request::Info(_) => 2290,
            }
        }
    }
}

/// What a pager tells a kernel; sent to the memory control port that memory_object_init gave. mach-api §3.3.
pub mod memory_object_control {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Pages cannot be had but are known to be zero: no byte travels.
    ///
    /// `memory_object_data_unavailable`, id 2039. A simpleroutine.
    #[doc(alias = "memory_object_data_unavailable")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DataUnavailable {
        pub offset: u64,
        pub size: u64,
        pub lock_value: u32,
    }
    impl<R> msg::SimpleRoutine<R> for DataUnavailable {
        const ID: i32 = 2039;
        const NAME: &'static str = "memory_object_data_unavailable";
        fn into_body(self) -> body::Body<R> {
            let DataUnavailable { offset, size, lock_value } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, lock_value);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let offset = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let lock_value = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((offset, size, lock_value))
            };
            let Some((offset, size, lock_value)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(DataUnavailable {
                offset,
                size,
                lock_value,
            })
        }
    }
    /// The kernel forgets the object.
    ///
    /// `memory_object_destroy`, id 2092. A simpleroutine.
    #[doc(alias = "memory_object_destroy")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Destroy {
        pub reason: i32,
    }
    impl<R> msg::SimpleRoutine<R> for Destroy {
        const ID: i32 = 2092;
        const NAME: &'static str = "memory_object_destroy";
        fn into_body(self) -> body::Body<R> {
            let Destroy { reason } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, reason as u32);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let reason = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((reason,))
            };
            let Some((reason,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Destroy { reason: reason as i32 })
        }
    }
    /// Take pages back, demote them, or grant more access.
    ///
    /// `memory_object_lock_request`, id 2044. A simpleroutine.
    #[doc(alias = "memory_object_lock_request")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct LockRequest<R> {
        pub offset: u64,
        pub size: u64,
        pub should_return: u32,
        pub should_flush: bool,
        pub lock_value: u32,
        /// Goes in as `MAKE_SEND_ONCE` unless the sender says otherwise.
        pub reply_to: R,
    }
    impl<R> msg::SimpleRoutine<R> for LockRequest<R> {
        const ID: i32 = 2044;
        const NAME: &'static str = "memory_object_lock_request";
        fn into_body(self) -> body::Body<R> {
            let LockRequest {
                offset,
                size,
                should_return,
                should_flush,
                lock_value,
                reply_to,
            } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, should_return);
            writer.u32(Element::BOOLEAN, should_flush.into());
            writer.u32(Element::INTEGER_32, lock_value);
            writer.rights(crate::Disposition::MakeSendOnce, true, [reply_to]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let offset = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let should_return = reader.u32(Element::INTEGER_32)?;
                let should_flush = reader.u32(Element::BOOLEAN)?;
                let lock_value = reader.u32(Element::INTEGER_32)?;
                let reply_to = reader.right()?;
                reader.end()?;
                Some((offset, size, should_return, should_flush, lock_value, reply_to))
            };
            let Some((offset, size, should_return, should_flush, lock_value, reply_to)) = read()
            else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(LockRequest {
                offset,
                size,
                should_return,
                should_flush: should_flush != 0,
                lock_value,
                reply_to: {
                    let () = reply_to;
                    taken.right()
                },
            })
        }
    }
    /// Pages cannot be had: those who wait get a memory error.
    ///
    /// `memory_object_data_error`, id 2090. A simpleroutine.
    #[doc(alias = "memory_object_data_error")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DataError {
        pub offset: u64,
        pub size: u64,
        pub error_value: i32,
    }
    impl<R> msg::SimpleRoutine<R> for DataError {
        const ID: i32 = 2090;
        const NAME: &'static str = "memory_object_data_error";
        fn into_body(self) -> body::Body<R> {
            let DataError { offset, size, error_value } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, error_value as u32);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let offset = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let error_value = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((offset, size, error_value))
            };
            let Some((offset, size, error_value)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(DataError {
                offset,
                size,
                error_value: error_value as i32,
            })
        }
    }
    /// Page contents; lock_value is the access that is prohibited.
    ///
    /// `memory_object_data_supply`, id 2093. A simpleroutine.
    #[doc(alias = "memory_object_data_supply")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DataSupply<R> {
        pub offset: u64,
        pub data: crate::Payload,
        pub lock_value: u32,
        pub precious: bool,
        /// Goes in as `MAKE_SEND_ONCE` unless the sender says otherwise.
        pub reply_to: R,
    }
    impl<R> msg::SimpleRoutine<R> for DataSupply<R> {
        const ID: i32 = 2093;
        const NAME: &'static str = "memory_object_data_supply";
        fn into_body(self) -> body::Body<R> {
            let DataSupply { offset, data, lock_value, precious, reply_to } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, offset);
            writer.memory(Element::BYTE, data);
            writer.u32(Element::INTEGER_32, lock_value);
            writer.u32(Element::BOOLEAN, precious.into());
            writer.rights(crate::Disposition::MakeSendOnce, true, [reply_to]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let offset = reader.u64(Element::INTEGER_64)?;
                let data = reader.memory(Element::BYTE).cloned()?;
                let lock_value = reader.u32(Element::INTEGER_32)?;
                let precious = reader.u32(Element::BOOLEAN)?;
                let reply_to = reader.right()?;
                reader.end()?;
                Some((offset, data, lock_value, precious, reply_to))
            };
            let Some((offset, data, lock_value, precious, reply_to)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(DataSupply {
                offset,
                data,
                lock_value,
                precious: precious != 0,
                reply_to: {
                    let () = reply_to;
                    taken.right()
                },
            })
        }
    }
    /// The object may be used.
    ///
    /// `memory_object_ready`, id 2094. A simpleroutine.
    #[doc(alias = "memory_object_ready")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Ready {
        pub may_cache: bool,
        pub copy_strategy: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Ready {
        const ID: i32 = 2094;
        const NAME: &'static str = "memory_object_ready";
        fn into_body(self) -> body::Body<R> {
            let Ready { may_cache, copy_strategy } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::BOOLEAN, may_cache.into());
            writer.u32(Element::INTEGER_32, copy_strategy);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let may_cache = reader.u32(Element::BOOLEAN)?;
                let copy_strategy = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((may_cache, copy_strategy))
            };
            let Some((may_cache, copy_strategy)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(Ready {
                may_cache: may_cache != 0,
                copy_strategy,
            })
        }
    }
    /// Answer to memory_object_synchronize: what was returned before it is durable, or result says why not (OSF).
    ///
    /// `memory_object_synchronize_completed`, id 2096. A simpleroutine.
    #[doc(alias = "memory_object_synchronize_completed")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SynchronizeCompleted {
        pub offset: u64,
        pub length: u64,
        pub result: i32,
    }
    impl<R> msg::SimpleRoutine<R> for SynchronizeCompleted {
        const ID: i32 = 2096;
        const NAME: &'static str = "memory_object_synchronize_completed";
        fn into_body(self) -> body::Body<R> {
            let SynchronizeCompleted { offset, length, result } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, offset);
            writer.u64(Element::INTEGER_64, length);
            writer.u32(Element::INTEGER_32, result as u32);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let offset = reader.u64(Element::INTEGER_64)?;
                let length = reader.u64(Element::INTEGER_64)?;
                let result = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((offset, length, result))
            };
            let Some((offset, length, result)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(SynchronizeCompleted {
                offset,
                length,
                result: result as i32,
            })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `memory_object_data_unavailable`.
        pub const DATA_UNAVAILABLE: i32 = 2039;
        /// `memory_object_destroy`.
        pub const DESTROY: i32 = 2092;
        /// `memory_object_lock_request`.
        pub const LOCK_REQUEST: i32 = 2044;
        /// `memory_object_data_error`.
        pub const DATA_ERROR: i32 = 2090;
        /// `memory_object_data_supply`.
        pub const DATA_SUPPLY: i32 = 2093;
        /// `memory_object_ready`.
        pub const READY: i32 = 2094;
        /// `memory_object_synchronize_completed`.
        pub const SYNCHRONIZE_COMPLETED: i32 = 2096;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[2039, 2092, 2044, 2090, 2093, 2094, 2096];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (2039, "memory_object_data_unavailable"),
        (2092, "memory_object_destroy"),
        (2044, "memory_object_lock_request"),
        (2090, "memory_object_data_error"),
        (2093, "memory_object_data_supply"),
        (2094, "memory_object_ready"),
        (2096, "memory_object_synchronize_completed"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// Pages cannot be had but are known to be zero: no byte travels.
        DataUnavailable(DataUnavailable),
        /// The kernel forgets the object.
        Destroy(Destroy),
        /// Take pages back, demote them, or grant more access.
        LockRequest(LockRequest<R>),
        /// Pages cannot be had: those who wait get a memory error.
        DataError(DataError),
        /// Page contents; lock_value is the access that is prohibited.
        DataSupply(DataSupply<R>),
        /// The object may be used.
        Ready(Ready),
        /// Answer to memory_object_synchronize: what was returned before it is durable, or result says why not (OSF).
        SynchronizeCompleted(SynchronizeCompleted),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                2039 => {
                    <DataUnavailable as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DataUnavailable)
                }
                2092 => {
                    <Destroy as msg::SimpleRoutine<R>>::from_body(body).map(Request::Destroy)
                }
                2044 => {
                    <LockRequest<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::LockRequest)
                }
                2090 => {
                    <DataError as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DataError)
                }
                2093 => {
                    <DataSupply<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DataSupply)
                }
                2094 => <Ready as msg::SimpleRoutine<R>>::from_body(body).map(Request::Ready),
                2096 => {
                    <SynchronizeCompleted as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SynchronizeCompleted)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::DataUnavailable(_) => 2039,
                Request::Destroy(_) => 2092,
                Request::LockRequest(_) => 2044,
                Request::DataError(_) => 2090,
                Request::DataSupply(_) => 2093,
                Request::Ready(_) => 2094,
                Request::SynchronizeCompleted(_) => 2096,
            }
        }
    }
}

/// What a kernel asks of the default pager beyond what it asks of every pager. Names and order: mach-api §3.2.
pub mod memory_object_default {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Anonymous memory gets a pager: the new object's receive right comes with it. It is ready without saying so.
    ///
    /// `memory_object_create`, id 2250. A simpleroutine.
    #[doc(alias = "memory_object_create")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Create<R> {
        /// Goes in as `MOVE_RECEIVE` unless the sender says otherwise.
        pub new_memory_object: R,
        pub new_object_size: u64,
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub new_control_port: R,
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub new_name: R,
        pub new_page_size: u64,
    }
    impl<R> msg::SimpleRoutine<R> for Create<R> {
        const ID: i32 = 2250;
        const NAME: &'static str = "memory_object_create";
        fn into_body(self) -> body::Body<R> {
            let Create {
                new_memory_object,
                new_object_size,
                new_control_port,
                new_name,
                new_page_size,
            } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MoveReceive, true, [new_memory_object]);
            writer.u64(Element::INTEGER_64, new_object_size);
            writer.rights(crate::Disposition::MakeSend, true, [new_control_port]);
            writer.rights(crate::Disposition::MakeSend, true, [new_name]);
            writer.u64(Element::INTEGER_64, new_page_size);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let new_memory_object = reader.right()?;
                let new_object_size = reader.u64(Element::INTEGER_64)?;
                let new_control_port = reader.right()?;
                let new_name = reader.right()?;
                let new_page_size = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((
                    new_memory_object,
                    new_object_size,
                    new_control_port,
                    new_name,
                    new_page_size,
                ))
            };
            let Some(
                (
                    new_memory_object,
                    new_object_size,
                    new_control_port,
                    new_name,
                    new_page_size,
                ),
            ) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(Create {
                new_memory_object: {
                    let () = new_memory_object;
                    taken.right()
                },
                new_object_size,
                new_control_port: {
                    let () = new_control_port;
                    taken.right()
                },
                new_name: {
                    let () = new_name;
                    taken.right()
                },
                new_page_size,
            })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `memory_object_create`.
        pub const CREATE: i32 = 2250;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[2250];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[(2250, "memory_object_create")];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// Anonymous memory gets a pager: the new object's receive right comes with it. It is ready without saying so.
        Create(Create<R>),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                2250 => {
                    <Create<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::Create)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::Create(_) => 2250,
            }
        }
    }
}

/// The network name service; sent to the name server port of a node. mach-api §5.2.
pub mod netname {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Binds a name to a port on this node; the same signature may replace it.
    ///
    /// `netname_check_in`, id 1040.
    #[doc(alias = "netname_check_in")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct CheckIn<R> {
        pub port_name: String,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub signature: R,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub port_id: R,
    }
    impl<R> msg::SimpleRoutine<R> for CheckIn<R> {
        const ID: i32 = 1040;
        const NAME: &'static str = "netname_check_in";
        fn into_body(self) -> body::Body<R> {
            let CheckIn { port_name, signature, port_id } = self;
            let mut writer = body::Writer::new();
            args::write_string_c::<R, 80>(&mut writer, &port_name);
            writer.rights(crate::Disposition::CopySend, true, [signature]);
            writer.rights(crate::Disposition::CopySend, true, [port_id]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let port_name = args::string_c::<80>(&mut reader)?;
                let signature = reader.right()?;
                let port_id = reader.right()?;
                reader.end()?;
                Some((port_name, signature, port_id))
            };
            let Some((port_name, signature, port_id)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(CheckIn {
                port_name,
                signature: {
                    let () = signature;
                    taken.right()
                },
                port_id: {
                    let () = port_id;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for CheckIn<R> {
        type Reply = ();
    }
    /// host "" is this node, "*" any node (the first that answers), else a node's name.
    ///
    /// `netname_look_up`, id 1041.
    #[doc(alias = "netname_look_up")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct LookUp {
        pub host_name: String,
        pub port_name: String,
    }
    impl<R> msg::SimpleRoutine<R> for LookUp {
        const ID: i32 = 1041;
        const NAME: &'static str = "netname_look_up";
        fn into_body(self) -> body::Body<R> {
            let LookUp { host_name, port_name } = self;
            let mut writer = body::Writer::new();
            args::write_string_c::<R, 80>(&mut writer, &host_name);
            args::write_string_c::<R, 80>(&mut writer, &port_name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let host_name = args::string_c::<80>(&mut reader)?;
                let port_name = args::string_c::<80>(&mut reader)?;
                reader.end()?;
                Some((host_name, port_name))
            };
            let Some((host_name, port_name)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(LookUp { host_name, port_name })
        }
    }
    impl<R> msg::Routine<R> for LookUp {
        type Reply = LookUpReply<R>;
    }
    /// The results of [`LookUp`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct LookUpReply<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub port_id: R,
    }
    impl<R> msg::Reply<R> for LookUpReply<R> {
        fn into_body(self) -> body::Body<R> {
            let LookUpReply { port_id } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::CopySend, true, [port_id]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let port_id = reader.right()?;
                reader.end()?;
                Some((port_id,))
            };
            let Some((port_id,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(LookUpReply {
                port_id: {
                    let () = port_id;
                    taken.right()
                },
            })
        }
    }
    /// Unbinds a name, given its signature.
    ///
    /// `netname_check_out`, id 1042.
    #[doc(alias = "netname_check_out")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct CheckOut<R> {
        pub port_name: String,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub signature: R,
    }
    impl<R> msg::SimpleRoutine<R> for CheckOut<R> {
        const ID: i32 = 1042;
        const NAME: &'static str = "netname_check_out";
        fn into_body(self) -> body::Body<R> {
            let CheckOut { port_name, signature } = self;
            let mut writer = body::Writer::new();
            args::write_string_c::<R, 80>(&mut writer, &port_name);
            writer.rights(crate::Disposition::CopySend, true, [signature]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let port_name = args::string_c::<80>(&mut reader)?;
                let signature = reader.right()?;
                reader.end()?;
                Some((port_name, signature))
            };
            let Some((port_name, signature)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(CheckOut {
                port_name,
                signature: {
                    let () = signature;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for CheckOut<R> {
        type Reply = ();
    }
    /// What server this is.
    ///
    /// `netname_version`, id 1043.
    #[doc(alias = "netname_version")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Version;
    impl<R> msg::SimpleRoutine<R> for Version {
        const ID: i32 = 1043;
        const NAME: &'static str = "netname_version";
        fn into_body(self) -> body::Body<R> {
            let Version = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Version)
        }
    }
    impl<R> msg::Routine<R> for Version {
        type Reply = VersionReply;
    }
    /// The results of [`Version`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VersionReply {
        pub version: String,
    }
    impl<R> msg::Reply<R> for VersionReply {
        fn into_body(self) -> body::Body<R> {
            let VersionReply { version } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_string_c::<R, 80>(&mut writer, &version);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let version = args::string_c::<80>(&mut reader)?;
                reader.end()?;
                Some((version,))
            };
            let Some((version,)) = read() else { return Err(args::misfit(body)) };
            Ok(VersionReply { version })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `netname_check_in`.
        pub const CHECK_IN: i32 = 1040;
        /// `netname_look_up`.
        pub const LOOK_UP: i32 = 1041;
        /// `netname_check_out`.
        pub const CHECK_OUT: i32 = 1042;
        /// `netname_version`.
        pub const VERSION: i32 = 1043;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[1040, 1041, 1042, 1043];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (1040, "netname_check_in"),
        (1041, "netname_look_up"),
        (1042, "netname_check_out"),
        (1043, "netname_version"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// Binds a name to a port on this node; the same signature may replace it.
        CheckIn(CheckIn<R>),
        /// host "" is this node, "*" any node (the first that answers), else a node's name.
        LookUp(LookUp),
        /// Unbinds a name, given its signature.
        CheckOut(CheckOut<R>),
        /// What server this is.
        Version(Version),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                1040 => {
                    <CheckIn<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::CheckIn)
                }
                1041 => {
                    <LookUp as msg::SimpleRoutine<R>>::from_body(body).map(Request::LookUp)
                }
                1042 => {
                    <CheckOut<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::CheckOut)
                }
                1043 => {
                    <Version as msg::SimpleRoutine<R>>::from_body(body).map(Request::Version)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::CheckIn(_) => 1040,
                Request::LookUp(_) => 1041,
                Request::CheckOut(_) => 1042,
                Request::Version(_) => 1043,
            }
        }
    }
}

/// What an operator asks of a node; sent to its host port, from this machine or another. Ours: Mach has no such interface.
pub mod node {
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct NodeInfo {
        #[prost(string, tag = "1")]
        pub name: ::prost::alloc::string::String,
        #[prost(uint64, tag = "2")]
        pub incarnation: u64,
        #[prost(string, tag = "3")]
        pub address: ::prost::alloc::string::String,
        #[prost(uint64, tag = "4")]
        pub uptime_ms: u64,
        #[prost(uint64, tag = "5")]
        pub resident_bytes: u64,
        #[prost(uint32, tag = "6")]
        pub pid: u32,
        #[prost(string, tag = "7")]
        pub version: ::prost::alloc::string::String,
        #[prost(uint32, tag = "8")]
        pub tasks: u32,
        #[prost(uint32, tag = "9")]
        pub ports: u32,
        #[prost(uint32, tag = "10")]
        pub objects: u32,
        /// Where the Prometheus endpoint listens, or empty.
        #[prost(string, tag = "11")]
        pub metrics_address: ::prost::alloc::string::String,
        /// What counts against the limit for objects and anonymous memory, and the limit; 0 is none.
        #[prost(uint64, tag = "12")]
        pub memory_bytes: u64,
        #[prost(uint64, tag = "13")]
        pub memory_limit: u64,
        /// Anonymous memory that only the default pager has, and what it takes of the default pager's file.
        #[prost(uint64, tag = "14")]
        pub paged_out_bytes: u64,
        #[prost(uint64, tag = "15")]
        pub swap_bytes: u64,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct Member {
        #[prost(string, tag = "1")]
        pub name: ::prost::alloc::string::String,
        #[prost(string, tag = "2")]
        pub address: ::prost::alloc::string::String,
        #[prost(uint64, tag = "3")]
        pub incarnation: u64,
        /// "self", "alive", "suspect" or "down".
        #[prost(string, tag = "4")]
        pub state: ::prost::alloc::string::String,
        #[prost(uint64, tag = "5")]
        pub rtt_us: u64,
        #[prost(uint64, tag = "6")]
        pub sent_bytes: u64,
        #[prost(uint64, tag = "7")]
        pub received_bytes: u64,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct ObjectInfo {
        #[prost(string, tag = "1")]
        pub name: ::prost::alloc::string::String,
        /// "export" for one that is served here, "cache" for one that tasks here map.
        #[prost(string, tag = "2")]
        pub role: ::prost::alloc::string::String,
        #[prost(string, tag = "3")]
        pub path: ::prost::alloc::string::String,
        #[prost(uint64, tag = "4")]
        pub size: u64,
        #[prost(bool, tag = "5")]
        pub writable: bool,
        #[prost(uint64, tag = "6")]
        pub resident_pages: u64,
        /// Of a cache: pages written since their pager saw them. Of an export: pages that came back and are not in its file yet.
        #[prost(uint64, tag = "7")]
        pub dirty_pages: u64,
        /// Mappings of a cache, kernels of an export.
        #[prost(uint32, tag = "8")]
        pub users: u32,
        /// "initing", "ready", "terminating", "dead".
        #[prost(string, tag = "9")]
        pub state: ::prost::alloc::string::String,
        #[prost(uint64, tag = "10")]
        pub pages_in: u64,
        #[prost(uint64, tag = "11")]
        pub pages_out: u64,
        /// Of an export: those of its dirty pages that could not be written when that was tried last.
        #[prost(uint64, tag = "12")]
        pub failed_pages: u64,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct PortInfo {
        #[prost(uint64, tag = "1")]
        pub uid_origin: u64,
        #[prost(uint64, tag = "2")]
        pub uid_serial: u64,
        /// "task 3", "kernel: control", "netmsg", "pager", ...
        #[prost(string, tag = "3")]
        pub receiver: ::prost::alloc::string::String,
        #[prost(uint32, tag = "4")]
        pub send_rights: u32,
        #[prost(uint32, tag = "5")]
        pub send_once_rights: u32,
        #[prost(uint32, tag = "6")]
        pub queued: u32,
        #[prost(uint32, tag = "7")]
        pub queue_limit: u32,
        #[prost(uint32, tag = "8")]
        pub make_send_count: u32,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct NameInfo {
        #[prost(uint32, tag = "1")]
        pub name: u32,
        /// Of mach_port_type: 0x10000 send, 0x20000 receive, 0x40000 send once, 0x80000 port set, 0x100000 dead name.
        #[prost(uint32, tag = "2")]
        pub rights: u32,
        /// User references of the send right or the dead name; 1 for any other.
        #[prost(uint32, tag = "3")]
        pub refs: u32,
        /// A dead-name request is armed on it.
        #[prost(bool, tag = "4")]
        pub dead_name_request: bool,
        /// Of the port, if it has one.
        #[prost(message, optional, tag = "5")]
        pub port: ::core::option::Option<PortState>,
        /// Of a port set: its members, and what is queued and who waits there.
        #[prost(uint32, repeated, tag = "6")]
        pub members: ::prost::alloc::vec::Vec<u32>,
        #[prost(uint32, tag = "7")]
        pub queued: u32,
        #[prost(uint32, tag = "8")]
        pub receivers: u32,
        #[prost(bool, tag = "9")]
        pub polled: bool,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct PortState {
        #[prost(message, optional, tag = "1")]
        pub info: ::core::option::Option<PortInfo>,
        /// Senders that wait for room, and receivers that wait on this port alone.
        #[prost(uint32, tag = "2")]
        pub blocked: u32,
        #[prost(uint32, tag = "3")]
        pub receivers: u32,
        /// Of the next message.
        #[prost(uint32, tag = "4")]
        pub seqno: u32,
        /// The name of the set that it is in, in its receiver's space; 0 for none.
        #[prost(uint32, tag = "5")]
        pub set: u32,
        /// Its name in its receiver's space; 0 for the kernel's.
        #[prost(uint32, tag = "6")]
        pub name: u32,
        #[prost(bool, tag = "7")]
        pub no_senders_request: bool,
        #[prost(bool, tag = "8")]
        pub port_destroyed_request: bool,
        #[prost(uint32, tag = "9")]
        pub dead_name_requests: u32,
        #[prost(bool, tag = "10")]
        pub polled: bool,
        /// Of both kinds, rights that are in the kernel's own hands.
        #[prost(uint32, tag = "11")]
        pub kernel_held: u32,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct PortHolder {
        /// "task 3", "netmsg", ...
        #[prost(string, tag = "1")]
        pub holder: ::prost::alloc::string::String,
        #[prost(uint32, tag = "2")]
        pub name: u32,
        #[prost(uint32, tag = "3")]
        pub rights: u32,
        #[prost(uint32, tag = "4")]
        pub refs: u32,
        #[prost(bool, tag = "5")]
        pub dead_name_request: bool,
    }
    /// A message that waits at the port; the oldest first.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct QueuedMessage {
        #[prost(int32, tag = "1")]
        pub id: i32,
        #[prost(uint32, tag = "2")]
        pub rights: u32,
        /// What it counts as against the bound of the node.
        #[prost(uint64, tag = "3")]
        pub bytes: u64,
        /// Its sender waits for room.
        #[prost(bool, tag = "4")]
        pub blocked: bool,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct RegionInfo {
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
        /// Other mappings see what is written here.
        #[prost(bool, tag = "6")]
        pub shared: bool,
        /// The access for which it is wired.
        #[prost(uint32, tag = "7")]
        pub wired: u32,
        /// As `node_objects` names it; empty for zero-filled memory.
        #[prost(string, tag = "8")]
        pub object: ::prost::alloc::string::String,
        #[prost(uint64, tag = "9")]
        pub offset: u64,
        /// Mappings of the object on this node, with this one.
        #[prost(uint32, tag = "10")]
        pub mappings: u32,
        #[prost(uint64, tag = "11")]
        pub resident_pages: u64,
        #[prost(uint64, tag = "12")]
        pub dirty_pages: u64,
        /// There was more to look at than one call may: pages behind those that were counted may be here, too.
        #[prost(bool, tag = "13")]
        pub partial: bool,
        /// A byte to a cell: 1 something of it is here, 2 all of it is, 4 something of it is dirty, 8 something of it only the default
        /// pager has.
        #[prost(bytes = "bytes", tag = "14")]
        pub cells: ::prost::bytes::Bytes,
        /// Of anonymous memory, pages that only the default pager has.
        #[prost(uint64, tag = "15")]
        pub paged_out_pages: u64,
    }
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct TaskInfo {
        #[prost(uint32, tag = "1")]
        pub task: u32,
        #[prost(uint32, tag = "2")]
        pub pid: u32,
        #[prost(string, tag = "3")]
        pub command: ::prost::alloc::string::String,
        #[prost(uint32, tag = "4")]
        pub names: u32,
        #[prost(uint64, tag = "5")]
        pub mapped_bytes: u64,
        #[prost(uint64, tag = "6")]
        pub faults: u64,
        /// "full", "user-mode-only", "none".
        #[prost(string, tag = "7")]
        pub userfaultfd: ::prost::alloc::string::String,
    }
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Name, incarnation, address, uptime, memory and the userfaultfd mode.
    ///
    /// `node_info`, id 9000.
    #[doc(alias = "node_info")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Info;
    impl<R> msg::SimpleRoutine<R> for Info {
        const ID: i32 = 9000;
        const NAME: &'static str = "node_info";
        fn into_body(self) -> body::Body<R> {
            let Info = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Info)
        }
    }
    impl<R> msg::Routine<R> for Info {
        type Reply = InfoReply;
    }
    /// The results of [`Info`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct InfoReply {
        pub info: NodeInfo,
    }
    impl<R> msg::Reply<R> for InfoReply {
        fn into_body(self) -> body::Body<R> {
            let InfoReply { info } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_record(&mut writer, &info);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let info = args::record::<NodeInfo>(&mut reader)?;
                reader.end()?;
                Some((info,))
            };
            let Some((info,)) = read() else { return Err(args::misfit(body)) };
            Ok(InfoReply { info })
        }
    }
    /// The nodes of the cluster as this one sees them.
    ///
    /// `node_members`, id 9001.
    #[doc(alias = "node_members")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Members;
    impl<R> msg::SimpleRoutine<R> for Members {
        const ID: i32 = 9001;
        const NAME: &'static str = "node_members";
        fn into_body(self) -> body::Body<R> {
            let Members = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Members)
        }
    }
    impl<R> msg::Routine<R> for Members {
        type Reply = MembersReply;
    }
    /// The results of [`Members`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct MembersReply {
        pub members: Vec<Member>,
    }
    impl<R> msg::Reply<R> for MembersReply {
        fn into_body(self) -> body::Body<R> {
            let MembersReply { members } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_records(&mut writer, &members);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let members = args::records::<Member>(&mut reader)?;
                reader.end()?;
                Some((members,))
            };
            let Some((members,)) = read() else { return Err(args::misfit(body)) };
            Ok(MembersReply { members })
        }
    }
    /// Serves a file of this node's machine as a memory object and checks its name in.
    ///
    /// `node_export`, id 9002.
    #[doc(alias = "node_export")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Export {
        pub path: String,
        pub name: String,
        pub writable: bool,
    }
    impl<R> msg::SimpleRoutine<R> for Export {
        const ID: i32 = 9002;
        const NAME: &'static str = "node_export";
        fn into_body(self) -> body::Body<R> {
            let Export { path, name, writable } = self;
            let mut writer = body::Writer::new();
            args::write_text(&mut writer, &path);
            args::write_text(&mut writer, &name);
            writer.u32(Element::BOOLEAN, writable.into());
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let path = args::text(&mut reader)?;
                let name = args::text(&mut reader)?;
                let writable = reader.u32(Element::BOOLEAN)?;
                reader.end()?;
                Some((path, name, writable))
            };
            let Some((path, name, writable)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(Export {
                path,
                name,
                writable: writable != 0,
            })
        }
    }
    impl<R> msg::Routine<R> for Export {
        type Reply = ExportReply<R>;
    }
    /// The results of [`Export`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ExportReply<R> {
        pub name: String,
        pub size: u64,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub object: R,
        /// Why the file cannot be served, for a person; empty when it is, and the object is null otherwise.
        pub problem: String,
    }
    impl<R> msg::Reply<R> for ExportReply<R> {
        fn into_body(self) -> body::Body<R> {
            let ExportReply { name, size, object, problem } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_text(&mut writer, &name);
            writer.u64(Element::INTEGER_64, size);
            writer.rights(crate::Disposition::CopySend, true, [object]);
            args::write_text(&mut writer, &problem);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let name = args::text(&mut reader)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let object = reader.right()?;
                let problem = args::text(&mut reader)?;
                reader.end()?;
                Some((name, size, object, problem))
            };
            let Some((name, size, object, problem)) = read() else {
                return Err(args::misfit(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(ExportReply {
                name,
                size,
                object: {
                    let () = object;
                    taken.right()
                },
                problem,
            })
        }
    }
    /// The memory objects that this node exports or caches.
    ///
    /// `node_objects`, id 9003.
    #[doc(alias = "node_objects")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Objects;
    impl<R> msg::SimpleRoutine<R> for Objects {
        const ID: i32 = 9003;
        const NAME: &'static str = "node_objects";
        fn into_body(self) -> body::Body<R> {
            let Objects = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Objects)
        }
    }
    impl<R> msg::Routine<R> for Objects {
        type Reply = ObjectsReply;
    }
    /// The results of [`Objects`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ObjectsReply {
        pub objects: Vec<ObjectInfo>,
    }
    impl<R> msg::Reply<R> for ObjectsReply {
        fn into_body(self) -> body::Body<R> {
            let ObjectsReply { objects } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_records(&mut writer, &objects);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let objects = args::records::<ObjectInfo>(&mut reader)?;
                reader.end()?;
                Some((objects,))
            };
            let Some((objects,)) = read() else { return Err(args::misfit(body)) };
            Ok(ObjectsReply { objects })
        }
    }
    /// Ends an export, once all that was written is in its file: its port dies, mappers get memory errors for pages they lack.
    /// KERN_RESOURCE_SHORTAGE is the answer, and it goes on, if pages of it could not be written.
    ///
    /// `node_object_remove`, id 9004.
    #[doc(alias = "node_object_remove")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct ObjectRemove {
        pub name: String,
    }
    impl<R> msg::SimpleRoutine<R> for ObjectRemove {
        const ID: i32 = 9004;
        const NAME: &'static str = "node_object_remove";
        fn into_body(self) -> body::Body<R> {
            let ObjectRemove { name } = self;
            let mut writer = body::Writer::new();
            args::write_text(&mut writer, &name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = args::text(&mut reader)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(ObjectRemove { name })
        }
    }
    impl<R> msg::Routine<R> for ObjectRemove {
        type Reply = ();
    }
    /// The ports of this node.
    ///
    /// `node_ports`, id 9005.
    #[doc(alias = "node_ports")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Ports;
    impl<R> msg::SimpleRoutine<R> for Ports {
        const ID: i32 = 9005;
        const NAME: &'static str = "node_ports";
        fn into_body(self) -> body::Body<R> {
            let Ports = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Ports)
        }
    }
    impl<R> msg::Routine<R> for Ports {
        type Reply = PortsReply;
    }
    /// The results of [`Ports`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct PortsReply {
        pub ports: Vec<PortInfo>,
    }
    impl<R> msg::Reply<R> for PortsReply {
        fn into_body(self) -> body::Body<R> {
            let PortsReply { ports } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_records(&mut writer, &ports);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let ports = args::records::<PortInfo>(&mut reader)?;
                reader.end()?;
                Some((ports,))
            };
            let Some((ports,)) = read() else { return Err(args::misfit(body)) };
            Ok(PortsReply { ports })
        }
    }
    /// The tasks of this node.
    ///
    /// `node_tasks`, id 9006.
    #[doc(alias = "node_tasks")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Tasks;
    impl<R> msg::SimpleRoutine<R> for Tasks {
        const ID: i32 = 9006;
        const NAME: &'static str = "node_tasks";
        fn into_body(self) -> body::Body<R> {
            let Tasks = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Tasks)
        }
    }
    impl<R> msg::Routine<R> for Tasks {
        type Reply = TasksReply;
    }
    /// The results of [`Tasks`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TasksReply {
        pub tasks: Vec<TaskInfo>,
    }
    impl<R> msg::Reply<R> for TasksReply {
        fn into_body(self) -> body::Body<R> {
            let TasksReply { tasks } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_records(&mut writer, &tasks);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let tasks = args::records::<TaskInfo>(&mut reader)?;
                reader.end()?;
                Some((tasks,))
            };
            let Some((tasks,)) = read() else { return Err(args::misfit(body)) };
            Ok(TasksReply { tasks })
        }
    }
    /// Counters and histograms, in the Prometheus text format.
    ///
    /// `node_metrics`, id 9007.
    #[doc(alias = "node_metrics")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Metrics;
    impl<R> msg::SimpleRoutine<R> for Metrics {
        const ID: i32 = 9007;
        const NAME: &'static str = "node_metrics";
        fn into_body(self) -> body::Body<R> {
            let Metrics = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Metrics)
        }
    }
    impl<R> msg::Routine<R> for Metrics {
        type Reply = MetricsReply;
    }
    /// The results of [`Metrics`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct MetricsReply {
        pub text: crate::Payload,
    }
    impl<R> msg::Reply<R> for MetricsReply {
        fn into_body(self) -> body::Body<R> {
            let MetricsReply { text } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.memory(Element::BYTE, text);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let text = reader.memory(Element::BYTE).cloned()?;
                reader.end()?;
                Some((text,))
            };
            let Some((text,)) = read() else { return Err(args::misfit(body)) };
            Ok(MetricsReply { text })
        }
    }
    /// A task record waiting for its process: whoever attaches with the token becomes it, with this bootstrap port.
    ///
    /// `node_task_prepare`, id 9008.
    #[doc(alias = "node_task_prepare")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskPrepare<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub bootstrap: R,
    }
    impl<R> msg::SimpleRoutine<R> for TaskPrepare<R> {
        const ID: i32 = 9008;
        const NAME: &'static str = "node_task_prepare";
        fn into_body(self) -> body::Body<R> {
            let TaskPrepare { bootstrap } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::CopySend, true, [bootstrap]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let bootstrap = reader.right()?;
                reader.end()?;
                Some((bootstrap,))
            };
            let Some((bootstrap,)) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(TaskPrepare {
                bootstrap: {
                    let () = bootstrap;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for TaskPrepare<R> {
        type Reply = TaskPrepareReply<R>;
    }
    /// The results of [`TaskPrepare`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskPrepareReply<R> {
        pub token: u64,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub task: R,
    }
    impl<R> msg::Reply<R> for TaskPrepareReply<R> {
        fn into_body(self) -> body::Body<R> {
            let TaskPrepareReply { token, task } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, token);
            writer.rights(crate::Disposition::CopySend, true, [task]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let token = reader.u64(Element::INTEGER_64)?;
                let task = reader.right()?;
                reader.end()?;
                Some((token, task))
            };
            let Some((token, task)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(TaskPrepareReply {
                token,
                task: {
                    let () = task;
                    taken.right()
                },
            })
        }
    }
    /// Ends the node in order: exports are flushed, peers are told, tasks are killed.
    ///
    /// `node_shutdown`, id 9009.
    #[doc(alias = "node_shutdown")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Shutdown;
    impl<R> msg::SimpleRoutine<R> for Shutdown {
        const ID: i32 = 9009;
        const NAME: &'static str = "node_shutdown";
        fn into_body(self) -> body::Body<R> {
            let Shutdown = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Shutdown)
        }
    }
    impl<R> msg::Routine<R> for Shutdown {
        type Reply = ();
    }
    /// The names of one task, and what each denotes.
    ///
    /// `node_names`, id 9010.
    #[doc(alias = "node_names")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Names {
        pub task: u32,
    }
    impl<R> msg::SimpleRoutine<R> for Names {
        const ID: i32 = 9010;
        const NAME: &'static str = "node_names";
        fn into_body(self) -> body::Body<R> {
            let Names { task } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, task);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let task = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((task,))
            };
            let Some((task,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Names { task })
        }
    }
    impl<R> msg::Routine<R> for Names {
        type Reply = NamesReply;
    }
    /// The results of [`Names`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct NamesReply {
        pub names: Vec<NameInfo>,
    }
    impl<R> msg::Reply<R> for NamesReply {
        fn into_body(self) -> body::Body<R> {
            let NamesReply { names } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_records(&mut writer, &names);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let names = args::records::<NameInfo>(&mut reader)?;
                reader.end()?;
                Some((names,))
            };
            let Some((names,)) = read() else { return Err(args::misfit(body)) };
            Ok(NamesReply { names })
        }
    }
    /// One port: rights, queue, who waits, what was asked for, and who holds rights to it.
    ///
    /// `node_port`, id 9011.
    #[doc(alias = "node_port")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Port<R> {
        pub uid_origin: u64,
        pub uid_serial: u64,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub right: R,
    }
    impl<R> msg::SimpleRoutine<R> for Port<R> {
        const ID: i32 = 9011;
        const NAME: &'static str = "node_port";
        fn into_body(self) -> body::Body<R> {
            let Port { uid_origin, uid_serial, right } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, uid_origin);
            writer.u64(Element::INTEGER_64, uid_serial);
            writer.rights(crate::Disposition::CopySend, true, [right]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let uid_origin = reader.u64(Element::INTEGER_64)?;
                let uid_serial = reader.u64(Element::INTEGER_64)?;
                let right = reader.right()?;
                reader.end()?;
                Some((uid_origin, uid_serial, right))
            };
            let Some((uid_origin, uid_serial, right)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(Port {
                uid_origin,
                uid_serial,
                right: {
                    let () = right;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for Port<R> {
        type Reply = PortReply;
    }
    /// The results of [`Port`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct PortReply {
        pub port: PortState,
        pub holders: Vec<PortHolder>,
        pub messages: Vec<QueuedMessage>,
    }
    impl<R> msg::Reply<R> for PortReply {
        fn into_body(self) -> body::Body<R> {
            let PortReply { port, holders, messages } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_record(&mut writer, &port);
            args::write_records(&mut writer, &holders);
            args::write_records(&mut writer, &messages);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let port = args::record::<PortState>(&mut reader)?;
                let holders = args::records::<PortHolder>(&mut reader)?;
                let messages = args::records::<QueuedMessage>(&mut reader)?;
                reader.end()?;
                Some((port, holders, messages))
            };
            let Some((port, holders, messages)) = read() else {
                return Err(args::misfit(body))
            };
            Ok(PortReply {
                port,
                holders,
                messages,
            })
        }
    }
    /// What a task has mapped, from an address on, and how much of it is here.
    ///
    /// `node_regions`, id 9012.
    #[doc(alias = "node_regions")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Regions {
        pub task: u32,
        pub address: u64,
        pub cell_pages: u64,
    }
    impl<R> msg::SimpleRoutine<R> for Regions {
        const ID: i32 = 9012;
        const NAME: &'static str = "node_regions";
        fn into_body(self) -> body::Body<R> {
            let Regions { task, address, cell_pages } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, task);
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, cell_pages);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let task = reader.u32(Element::INTEGER_32)?;
                let address = reader.u64(Element::INTEGER_64)?;
                let cell_pages = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((task, address, cell_pages))
            };
            let Some((task, address, cell_pages)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(Regions {
                task,
                address,
                cell_pages,
            })
        }
    }
    impl<R> msg::Routine<R> for Regions {
        type Reply = RegionsReply;
    }
    /// The results of [`Regions`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct RegionsReply {
        pub next: u64,
        pub regions: Vec<RegionInfo>,
    }
    impl<R> msg::Reply<R> for RegionsReply {
        fn into_body(self) -> body::Body<R> {
            let RegionsReply { next, regions } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, next);
            args::write_records(&mut writer, &regions);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let next = reader.u64(Element::INTEGER_64)?;
                let regions = args::records::<RegionInfo>(&mut reader)?;
                reader.end()?;
                Some((next, regions))
            };
            let Some((next, regions)) = read() else { return Err(args::misfit(body)) };
            Ok(RegionsReply { next, regions })
        }
    }
    /// What a process says to become a task that has none yet, such as task_create makes.
    ///
    /// `node_task_token`, id 9013.
    #[doc(alias = "node_task_token")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskToken<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub task: R,
    }
    impl<R> msg::SimpleRoutine<R> for TaskToken<R> {
        const ID: i32 = 9013;
        const NAME: &'static str = "node_task_token";
        fn into_body(self) -> body::Body<R> {
            let TaskToken { task } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::CopySend, true, [task]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let task = reader.right()?;
                reader.end()?;
                Some((task,))
            };
            let Some((task,)) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(TaskToken {
                task: {
                    let () = task;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for TaskToken<R> {
        type Reply = TaskTokenReply;
    }
    /// The results of [`TaskToken`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskTokenReply {
        pub token: u64,
    }
    impl<R> msg::Reply<R> for TaskTokenReply {
        fn into_body(self) -> body::Body<R> {
            let TaskTokenReply { token } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, token);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let token = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((token,))
            };
            let Some((token,)) = read() else { return Err(args::misfit(body)) };
            Ok(TaskTokenReply { token })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `node_info`.
        pub const INFO: i32 = 9000;
        /// `node_members`.
        pub const MEMBERS: i32 = 9001;
        /// `node_export`.
        pub const EXPORT: i32 = 9002;
        /// `node_objects`.
        pub const OBJECTS: i32 = 9003;
        /// `node_object_remove`.
        pub const OBJECT_REMOVE: i32 = 9004;
        /// `node_ports`.
        pub const PORTS: i32 = 9005;
        /// `node_tasks`.
        pub const TASKS: i32 = 9006;
        /// `node_metrics`.
        pub const METRICS: i32 = 9007;
        /// `node_task_prepare`.
        pub const TASK_PREPARE: i32 = 9008;
        /// `node_shutdown`.
        pub const SHUTDOWN: i32 = 9009;
        /// `node_names`.
        pub const NAMES: i32 = 9010;
        /// `node_port`.
        pub const PORT: i32 = 9011;
        /// `node_regions`.
        pub const REGIONS: i32 = 9012;
        /// `node_task_token`.
        pub const TASK_TOKEN: i32 = 9013;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[
        9000, 9001, 9002, 9003, 9004, 9005, 9006, 9007, 9008, 9009, 9010, 9011, 9012, 9013,
    ];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (9000, "node_info"),
        (9001, "node_members"),
        (9002, "node_export"),
        (9003, "node_objects"),
        (9004, "node_object_remove"),
        (9005, "node_ports"),
        (9006, "node_tasks"),
        (9007, "node_metrics"),
        (9008, "node_task_prepare"),
        (9009, "node_shutdown"),
        (9010, "node_names"),
        (9011, "node_port"),
        (9012, "node_regions"),
        (9013, "node_task_token"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// Name, incarnation, address, uptime, memory and the userfaultfd mode.
        Info(Info),
        /// The nodes of the cluster as this one sees them.
        Members(Members),
        /// Serves a file of this node's machine as a memory object and checks its name in.
        Export(Export),
        /// The memory objects that this node exports or caches.
        Objects(Objects),
        /// Ends an export, once all that was written is in its file: its port dies, mappers get memory errors for pages they lack.
        /// KERN_RESOURCE_SHORTAGE is the answer, and it goes on, if pages of it could not be written.
        ObjectRemove(ObjectRemove),
        /// The ports of this node.
        Ports(Ports),
        /// The tasks of this node.
        Tasks(Tasks),
        /// Counters and histograms, in the Prometheus text format.
        Metrics(Metrics),
        /// A task record waiting for its process: whoever attaches with the token becomes it, with this bootstrap port.
        TaskPrepare(TaskPrepare<R>),
        /// Ends the node in order: exports are flushed, peers are told, tasks are killed.
        Shutdown(Shutdown),
        /// The names of one task, and what each denotes.
        Names(Names),
        /// One port: rights, queue, who waits, what was asked for, and who holds rights to it.
        Port(Port<R>),
        /// What a task has mapped, from an address on, and how much of it is here.
        Regions(Regions),
        /// What a process says to become a task that has none yet, such as task_create makes.
        TaskToken(TaskToken<R>),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                9000 => <Info as msg::SimpleRoutine<R>>::from_body(body).map(Request::Info),
                9001 => {
                    <Members as msg::SimpleRoutine<R>>::from_body(body).map(Request::Members)
                }
                9002 => {
                    <Export as msg::SimpleRoutine<R>>::from_body(body).map(Request::Export)
                }
                9003 => {
                    <Objects as msg::SimpleRoutine<R>>::from_body(body).map(Request::Objects)
                }
                9004 => {
                    <ObjectRemove as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::ObjectRemove)
                }
                9005 => <Ports as msg::SimpleRoutine<R>>::from_body(body).map(Request::Ports),
                9006 => <Tasks as msg::SimpleRoutine<R>>::from_body(body).map(Request::Tasks),
                9007 => {
                    <Metrics as msg::SimpleRoutine<R>>::from_body(body).map(Request::Metrics)
                }
                9008 => {
                    <TaskPrepare<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskPrepare)
                }
                9009 => {
                    <Shutdown as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::Shutdown)
                }
                9010 => <Names as msg::SimpleRoutine<R>>::from_body(body).map(Request::Names),
                9011 => {
                    <Port<R> as msg::SimpleRoutine<R>>::from_body(body).map(Request::Port)
                }
                9012 => {
                    <Regions as msg::SimpleRoutine<R>>::from_body(body).map(Request::Regions)
                }
                9013 => {
                    <TaskToken<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskToken)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::Info(_) => 9000,
                Request::Members(_) => 9001,
                Request::Export(_) => 9002,
                Request::Objects(_) => 9003,
                Request::ObjectRemove(_) => 9004,
                Request::Ports(_) => 9005,
                Request::Tasks(_) => 9006,
                Request::Metrics(_) => 9007,
                Request::TaskPrepare(_) => 9008,
                Request::Shutdown(_) => 9009,
                Request::Names(_) => 9010,
                Request::Port(_) => 9011,
                Request::Regions(_) => 9012,
                Request::TaskToken(_) => 9013,
            }
        }
    }
}

/// What the kernel tells the holder of a notification request; sent to a send-once right.
pub mod notify {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// A name with an armed dead-name request was freed by its holder.
    ///
    /// `mach_notify_port_deleted`, id 65. A simpleroutine.
    #[doc(alias = "mach_notify_port_deleted")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct PortDeleted {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for PortDeleted {
        const ID: i32 = 65;
        const NAME: &'static str = "mach_notify_port_deleted";
        fn into_body(self) -> body::Body<R> {
            let PortDeleted { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(PortDeleted { name })
        }
    }
    /// A message that was forced into a full queue through the name has left it.
    ///
    /// `mach_notify_msg_accepted`, id 66. A simpleroutine.
    #[doc(alias = "mach_notify_msg_accepted")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct MsgAccepted {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for MsgAccepted {
        const ID: i32 = 66;
        const NAME: &'static str = "mach_notify_msg_accepted";
        fn into_body(self) -> body::Body<R> {
            let MsgAccepted { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(MsgAccepted { name })
        }
    }
    /// A receive right that would have been destroyed comes back.
    ///
    /// `mach_notify_port_destroyed`, id 69. A simpleroutine.
    #[doc(alias = "mach_notify_port_destroyed")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct PortDestroyed<R> {
        /// Goes in as `MOVE_RECEIVE` unless the sender says otherwise.
        pub rights: R,
    }
    impl<R> msg::SimpleRoutine<R> for PortDestroyed<R> {
        const ID: i32 = 69;
        const NAME: &'static str = "mach_notify_port_destroyed";
        fn into_body(self) -> body::Body<R> {
            let PortDestroyed { rights } = self;
            let mut writer = body::Writer::new();
            writer.rights(crate::Disposition::MoveReceive, true, [rights]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let rights = reader.right()?;
                reader.end()?;
                Some((rights,))
            };
            let Some((rights,)) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(PortDestroyed {
                rights: {
                    let () = rights;
                    taken.right()
                },
            })
        }
    }
    /// The last send right is gone.
    ///
    /// `mach_notify_no_senders`, id 70. A simpleroutine.
    #[doc(alias = "mach_notify_no_senders")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct NoSenders {
        pub mscount: u32,
    }
    impl<R> msg::SimpleRoutine<R> for NoSenders {
        const ID: i32 = 70;
        const NAME: &'static str = "mach_notify_no_senders";
        fn into_body(self) -> body::Body<R> {
            let NoSenders { mscount } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, mscount);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let mscount = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((mscount,))
            };
            let Some((mscount,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(NoSenders { mscount })
        }
    }
    /// A send-once right died without being used.
    ///
    /// `mach_notify_send_once`, id 71. A simpleroutine.
    #[doc(alias = "mach_notify_send_once")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct SendOnce;
    impl<R> msg::SimpleRoutine<R> for SendOnce {
        const ID: i32 = 71;
        const NAME: &'static str = "mach_notify_send_once";
        fn into_body(self) -> body::Body<R> {
            let SendOnce = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(SendOnce)
        }
    }
    /// The port behind a name died; the name gained a reference that belongs to this notification.
    ///
    /// `mach_notify_dead_name`, id 72. A simpleroutine.
    #[doc(alias = "mach_notify_dead_name")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct DeadName {
        pub name: u32,
    }
    impl<R> msg::SimpleRoutine<R> for DeadName {
        const ID: i32 = 72;
        const NAME: &'static str = "mach_notify_dead_name";
        fn into_body(self) -> body::Body<R> {
            let DeadName { name } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::PORT_NAME, name);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let name = reader.u32(Element::PORT_NAME)?;
                reader.end()?;
                Some((name,))
            };
            let Some((name,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(DeadName { name })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `mach_notify_port_deleted`.
        pub const PORT_DELETED: i32 = 65;
        /// `mach_notify_msg_accepted`.
        pub const MSG_ACCEPTED: i32 = 66;
        /// `mach_notify_port_destroyed`.
        pub const PORT_DESTROYED: i32 = 69;
        /// `mach_notify_no_senders`.
        pub const NO_SENDERS: i32 = 70;
        /// `mach_notify_send_once`.
        pub const SEND_ONCE: i32 = 71;
        /// `mach_notify_dead_name`.
        pub const DEAD_NAME: i32 = 72;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[65, 66, 69, 70, 71, 72];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (65, "mach_notify_port_deleted"),
        (66, "mach_notify_msg_accepted"),
        (69, "mach_notify_port_destroyed"),
        (70, "mach_notify_no_senders"),
        (71, "mach_notify_send_once"),
        (72, "mach_notify_dead_name"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// A name with an armed dead-name request was freed by its holder.
        PortDeleted(PortDeleted),
        /// A message that was forced into a full queue through the name has left it.
        MsgAccepted(MsgAccepted),
        /// A receive right that would have been destroyed comes back.
        PortDestroyed(PortDestroyed<R>),
        /// The last send right is gone.
        NoSenders(NoSenders),
        /// A send-once right died without being used.
        SendOnce(SendOnce),
        /// The port behind a name died; the name gained a reference that belongs to this notification.
        DeadName(DeadName),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                65 => {
                    <PortDeleted as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::PortDeleted)
                }
                66 => {
                    <MsgAccepted as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::MsgAccepted)
                }
                69 => {
                    <PortDestroyed<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::PortDestroyed)
                }
                70 => {
                    <NoSenders as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::NoSenders)
                }
                71 => {
                    <SendOnce as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::SendOnce)
                }
                72 => {
                    <DeadName as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::DeadName)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::PortDeleted(_) => 65,
                Request::MsgAccepted(_) => 66,
                Request::PortDestroyed(_) => 69,
                Request::NoSenders(_) => 70,
                Request::SendOnce(_) => 71,
                Request::DeadName(_) => 72,
            }
        }
    }
}

/// Operations on a task and its memory; sent to a task port, the caller's own or another's. mach-api §2.2, §4.1.
pub mod task {
    /// vm_statistics_data_t; what each counts: \[vm.statistics.1\].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
    pub struct VmCounts {
        #[prost(uint32, tag = "1")]
        pub pagesize: u32,
        #[prost(uint32, tag = "2")]
        pub free_count: u32,
        #[prost(uint32, tag = "3")]
        pub active_count: u32,
        #[prost(uint32, tag = "4")]
        pub inactive_count: u32,
        #[prost(uint32, tag = "5")]
        pub wire_count: u32,
        #[prost(uint32, tag = "6")]
        pub zero_fill_count: u32,
        #[prost(uint32, tag = "7")]
        pub reactivations: u32,
        #[prost(uint32, tag = "8")]
        pub pageins: u32,
        #[prost(uint32, tag = "9")]
        pub pageouts: u32,
        #[prost(uint32, tag = "10")]
        pub faults: u32,
        #[prost(uint32, tag = "11")]
        pub cow_faults: u32,
        #[prost(uint32, tag = "12")]
        pub lookups: u32,
        #[prost(uint32, tag = "13")]
        pub hits: u32,
    }
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// A task without a process, with the bootstrap port of this one, and with what it inherits of its memory or with none.
    ///
    /// `task_create`, id 2007.
    #[doc(alias = "task_create")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskCreate {
        pub inherit_memory: bool,
    }
    impl<R> msg::SimpleRoutine<R> for TaskCreate {
        const ID: i32 = 2007;
        const NAME: &'static str = "task_create";
        fn into_body(self) -> body::Body<R> {
            let TaskCreate { inherit_memory } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::BOOLEAN, inherit_memory.into());
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let inherit_memory = reader.u32(Element::BOOLEAN)?;
                reader.end()?;
                Some((inherit_memory,))
            };
            let Some((inherit_memory,)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(TaskCreate {
                inherit_memory: inherit_memory != 0,
            })
        }
    }
    impl<R> msg::Routine<R> for TaskCreate {
        type Reply = TaskCreateReply<R>;
    }
    /// The results of [`TaskCreate`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskCreateReply<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub child_task: R,
    }
    impl<R> msg::Reply<R> for TaskCreateReply<R> {
        fn into_body(self) -> body::Body<R> {
            let TaskCreateReply { child_task } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::MakeSend, true, [child_task]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let child_task = reader.right()?;
                reader.end()?;
                Some((child_task,))
            };
            let Some((child_task,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(TaskCreateReply {
                child_task: {
                    let () = child_task;
                    taken.right()
                },
            })
        }
    }
    /// Ends the task: its process is killed, its space and memory go.
    ///
    /// `task_terminate`, id 2008.
    #[doc(alias = "task_terminate")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskTerminate;
    impl<R> msg::SimpleRoutine<R> for TaskTerminate {
        const ID: i32 = 2008;
        const NAME: &'static str = "task_terminate";
        fn into_body(self) -> body::Body<R> {
            let TaskTerminate = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(TaskTerminate)
        }
    }
    impl<R> msg::Routine<R> for TaskTerminate {
        type Reply = ();
    }
    /// A send right to the port of each thread.
    ///
    /// `task_threads`, id 2011.
    #[doc(alias = "task_threads")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskThreads;
    impl<R> msg::SimpleRoutine<R> for TaskThreads {
        const ID: i32 = 2011;
        const NAME: &'static str = "task_threads";
        fn into_body(self) -> body::Body<R> {
            let TaskThreads = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(TaskThreads)
        }
    }
    impl<R> msg::Routine<R> for TaskThreads {
        type Reply = TaskThreadsReply<R>;
    }
    /// The results of [`TaskThreads`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskThreadsReply<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub thread_list: Vec<R>,
    }
    impl<R> msg::Reply<R> for TaskThreadsReply<R> {
        fn into_body(self) -> body::Body<R> {
            let TaskThreadsReply { thread_list } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::MakeSend, false, thread_list);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let thread_list = reader.rights()?;
                reader.end()?;
                Some((thread_list,))
            };
            let Some((thread_list,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(TaskThreadsReply {
                thread_list: taken.rights(thread_list),
            })
        }
    }
    /// Zero-filled memory.
    ///
    /// `vm_allocate`, id 2021.
    #[doc(alias = "vm_allocate")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmAllocate {
        pub address: u64,
        pub size: u64,
        pub anywhere: bool,
    }
    impl<R> msg::SimpleRoutine<R> for VmAllocate {
        const ID: i32 = 2021;
        const NAME: &'static str = "vm_allocate";
        fn into_body(self) -> body::Body<R> {
            let VmAllocate { address, size, anywhere } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::BOOLEAN, anywhere.into());
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let anywhere = reader.u32(Element::BOOLEAN)?;
                reader.end()?;
                Some((address, size, anywhere))
            };
            let Some((address, size, anywhere)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmAllocate {
                address,
                size,
                anywhere: anywhere != 0,
            })
        }
    }
    impl<R> msg::Routine<R> for VmAllocate {
        type Reply = VmAllocateReply;
    }
    /// The results of [`VmAllocate`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmAllocateReply {
        pub address: u64,
    }
    impl<R> msg::Reply<R> for VmAllocateReply {
        fn into_body(self) -> body::Body<R> {
            let VmAllocateReply { address } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, address);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let address = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((address,))
            };
            let Some((address,)) = read() else { return Err(args::misfit(body)) };
            Ok(VmAllocateReply { address })
        }
    }
    /// Unmaps a range; holes are allowed.
    ///
    /// `vm_deallocate`, id 2023.
    #[doc(alias = "vm_deallocate")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmDeallocate {
        pub address: u64,
        pub size: u64,
    }
    impl<R> msg::SimpleRoutine<R> for VmDeallocate {
        const ID: i32 = 2023;
        const NAME: &'static str = "vm_deallocate";
        fn into_body(self) -> body::Body<R> {
            let VmDeallocate { address, size } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((address, size))
            };
            let Some((address, size)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmDeallocate { address, size })
        }
    }
    impl<R> msg::Routine<R> for VmDeallocate {
        type Reply = ();
    }
    /// Sets the current or the maximum protection of a range.
    ///
    /// `vm_protect`, id 2024.
    #[doc(alias = "vm_protect")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmProtect {
        pub address: u64,
        pub size: u64,
        pub set_maximum: bool,
        pub new_protection: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmProtect {
        const ID: i32 = 2024;
        const NAME: &'static str = "vm_protect";
        fn into_body(self) -> body::Body<R> {
            let VmProtect { address, size, set_maximum, new_protection } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::BOOLEAN, set_maximum.into());
            writer.u32(Element::INTEGER_32, new_protection);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let set_maximum = reader.u32(Element::BOOLEAN)?;
                let new_protection = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((address, size, set_maximum, new_protection))
            };
            let Some((address, size, set_maximum, new_protection)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmProtect {
                address,
                size,
                set_maximum: set_maximum != 0,
                new_protection,
            })
        }
    }
    impl<R> msg::Routine<R> for VmProtect {
        type Reply = ();
    }
    /// Sets what a child would get of a range: 0 the same memory, 1 a copy, 2 nothing.
    ///
    /// `vm_inherit`, id 2025.
    #[doc(alias = "vm_inherit")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmInherit {
        pub address: u64,
        pub size: u64,
        pub new_inheritance: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmInherit {
        const ID: i32 = 2025;
        const NAME: &'static str = "vm_inherit";
        fn into_body(self) -> body::Body<R> {
            let VmInherit { address, size, new_inheritance } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, new_inheritance);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let new_inheritance = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((address, size, new_inheritance))
            };
            let Some((address, size, new_inheritance)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmInherit {
                address,
                size,
                new_inheritance,
            })
        }
    }
    impl<R> msg::Routine<R> for VmInherit {
        type Reply = ();
    }
    /// A copy of a range.
    ///
    /// `vm_read`, id 2026.
    #[doc(alias = "vm_read")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmRead {
        pub address: u64,
        pub size: u64,
    }
    impl<R> msg::SimpleRoutine<R> for VmRead {
        const ID: i32 = 2026;
        const NAME: &'static str = "vm_read";
        fn into_body(self) -> body::Body<R> {
            let VmRead { address, size } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((address, size))
            };
            let Some((address, size)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmRead { address, size })
        }
    }
    impl<R> msg::Routine<R> for VmRead {
        type Reply = VmReadReply;
    }
    /// The results of [`VmRead`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmReadReply {
        pub data: crate::Payload,
    }
    impl<R> msg::Reply<R> for VmReadReply {
        fn into_body(self) -> body::Body<R> {
            let VmReadReply { data } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.memory(Element::BYTE, data);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let data = reader.memory(Element::BYTE).cloned()?;
                reader.end()?;
                Some((data,))
            };
            let Some((data,)) = read() else { return Err(args::misfit(body)) };
            Ok(VmReadReply { data })
        }
    }
    /// Writes whole pages.
    ///
    /// `vm_write`, id 2027.
    #[doc(alias = "vm_write")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmWrite {
        pub address: u64,
        pub data: crate::Payload,
    }
    impl<R> msg::SimpleRoutine<R> for VmWrite {
        const ID: i32 = 2027;
        const NAME: &'static str = "vm_write";
        fn into_body(self) -> body::Body<R> {
            let VmWrite { address, data } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.memory(Element::BYTE, data);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let data = reader.memory(Element::BYTE).cloned()?;
                reader.end()?;
                Some((address, data))
            };
            let Some((address, data)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmWrite { address, data })
        }
    }
    impl<R> msg::Routine<R> for VmWrite {
        type Reply = ();
    }
    /// Writes a copy of a range over another of the same task.
    ///
    /// `vm_copy`, id 2028.
    #[doc(alias = "vm_copy")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmCopy {
        pub source_address: u64,
        pub size: u64,
        pub dest_address: u64,
    }
    impl<R> msg::SimpleRoutine<R> for VmCopy {
        const ID: i32 = 2028;
        const NAME: &'static str = "vm_copy";
        fn into_body(self) -> body::Body<R> {
            let VmCopy { source_address, size, dest_address } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, source_address);
            writer.u64(Element::INTEGER_64, size);
            writer.u64(Element::INTEGER_64, dest_address);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let source_address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let dest_address = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((source_address, size, dest_address))
            };
            let Some((source_address, size, dest_address)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmCopy {
                source_address,
                size,
                dest_address,
            })
        }
    }
    impl<R> msg::Routine<R> for VmCopy {
        type Reply = ();
    }
    /// The region at or after an address.
    ///
    /// `vm_region`, id 2029.
    #[doc(alias = "vm_region")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmRegion {
        pub address: u64,
    }
    impl<R> msg::SimpleRoutine<R> for VmRegion {
        const ID: i32 = 2029;
        const NAME: &'static str = "vm_region";
        fn into_body(self) -> body::Body<R> {
            let VmRegion { address } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((address,))
            };
            let Some((address,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(VmRegion { address })
        }
    }
    impl<R> msg::Routine<R> for VmRegion {
        type Reply = VmRegionReply<R>;
    }
    /// The results of [`VmRegion`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmRegionReply<R> {
        pub address: u64,
        pub size: u64,
        pub protection: u32,
        pub max_protection: u32,
        pub inheritance: u32,
        pub is_shared: bool,
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub object_name: R,
        pub offset: u64,
    }
    impl<R> msg::Reply<R> for VmRegionReply<R> {
        fn into_body(self) -> body::Body<R> {
            let VmRegionReply {
                address,
                size,
                protection,
                max_protection,
                inheritance,
                is_shared,
                object_name,
                offset,
            } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, protection);
            writer.u32(Element::INTEGER_32, max_protection);
            writer.u32(Element::INTEGER_32, inheritance);
            writer.u32(Element::BOOLEAN, is_shared.into());
            writer.rights(crate::Disposition::MakeSend, true, [object_name]);
            writer.u64(Element::INTEGER_64, offset);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let protection = reader.u32(Element::INTEGER_32)?;
                let max_protection = reader.u32(Element::INTEGER_32)?;
                let inheritance = reader.u32(Element::INTEGER_32)?;
                let is_shared = reader.u32(Element::BOOLEAN)?;
                let object_name = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((
                    address,
                    size,
                    protection,
                    max_protection,
                    inheritance,
                    is_shared,
                    object_name,
                    offset,
                ))
            };
            let Some(
                (
                    address,
                    size,
                    protection,
                    max_protection,
                    inheritance,
                    is_shared,
                    object_name,
                    offset,
                ),
            ) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(VmRegionReply {
                address,
                size,
                protection,
                max_protection,
                inheritance,
                is_shared: is_shared != 0,
                object_name: {
                    let () = object_name;
                    taken.right()
                },
                offset,
            })
        }
    }
    /// Counts of the node's memory.
    ///
    /// `vm_statistics`, id 2030.
    #[doc(alias = "vm_statistics")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmStatistics;
    impl<R> msg::SimpleRoutine<R> for VmStatistics {
        const ID: i32 = 2030;
        const NAME: &'static str = "vm_statistics";
        fn into_body(self) -> body::Body<R> {
            let VmStatistics = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(VmStatistics)
        }
    }
    impl<R> msg::Routine<R> for VmStatistics {
        type Reply = VmStatisticsReply;
    }
    /// The results of [`VmStatistics`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmStatisticsReply {
        pub vm_stats: VmCounts,
    }
    impl<R> msg::Reply<R> for VmStatisticsReply {
        fn into_body(self) -> body::Body<R> {
            let VmStatisticsReply { vm_stats } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            args::write_words(
                &mut writer,
                &[
                    vm_stats.pagesize,
                    vm_stats.free_count,
                    vm_stats.active_count,
                    vm_stats.inactive_count,
                    vm_stats.wire_count,
                    vm_stats.zero_fill_count,
                    vm_stats.reactivations,
                    vm_stats.pageins,
                    vm_stats.pageouts,
                    vm_stats.faults,
                    vm_stats.cow_faults,
                    vm_stats.lookups,
                    vm_stats.hits,
                ],
            );
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let vm_stats = args::words::<13>(&mut reader)?;
                reader.end()?;
                Some((vm_stats,))
            };
            let Some((vm_stats,)) = read() else { return Err(args::misfit(body)) };
            Ok(VmStatisticsReply {
                vm_stats: VmCounts {
                    pagesize: vm_stats[0],
                    free_count: vm_stats[1],
                    active_count: vm_stats[2],
                    inactive_count: vm_stats[3],
                    wire_count: vm_stats[4],
                    zero_fill_count: vm_stats[5],
                    reactivations: vm_stats[6],
                    pageins: vm_stats[7],
                    pageouts: vm_stats[8],
                    faults: vm_stats[9],
                    cow_faults: vm_stats[10],
                    lookups: vm_stats[11],
                    hits: vm_stats[12],
                },
            })
        }
    }
    /// Reads a special port: 1 kernel, 4 bootstrap.
    ///
    /// `task_get_special_port`, id 2058.
    #[doc(alias = "task_get_special_port")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskGetSpecialPort {
        pub which: u32,
    }
    impl<R> msg::SimpleRoutine<R> for TaskGetSpecialPort {
        const ID: i32 = 2058;
        const NAME: &'static str = "task_get_special_port";
        fn into_body(self) -> body::Body<R> {
            let TaskGetSpecialPort { which } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, which);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let which = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((which,))
            };
            let Some((which,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(TaskGetSpecialPort { which })
        }
    }
    impl<R> msg::Routine<R> for TaskGetSpecialPort {
        type Reply = TaskGetSpecialPortReply<R>;
    }
    /// The results of [`TaskGetSpecialPort`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskGetSpecialPortReply<R> {
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub special: R,
    }
    impl<R> msg::Reply<R> for TaskGetSpecialPortReply<R> {
        fn into_body(self) -> body::Body<R> {
            let TaskGetSpecialPortReply { special } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::CopySend, true, [special]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let special = reader.right()?;
                reader.end()?;
                Some((special,))
            };
            let Some((special,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(TaskGetSpecialPortReply {
                special: {
                    let () = special;
                    taken.right()
                },
            })
        }
    }
    /// Sets a special port: 4 bootstrap.
    ///
    /// `task_set_special_port`, id 2059.
    #[doc(alias = "task_set_special_port")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct TaskSetSpecialPort<R> {
        pub which: u32,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub special: R,
    }
    impl<R> msg::SimpleRoutine<R> for TaskSetSpecialPort<R> {
        const ID: i32 = 2059;
        const NAME: &'static str = "task_set_special_port";
        fn into_body(self) -> body::Body<R> {
            let TaskSetSpecialPort { which, special } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, which);
            writer.rights(crate::Disposition::CopySend, true, [special]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let which = reader.u32(Element::INTEGER_32)?;
                let special = reader.right()?;
                reader.end()?;
                Some((which, special))
            };
            let Some((which, special)) = read() else {
                return Err(args::bad_arguments(body))
            };
            let mut taken = body::Taken::new(body);
            Ok(TaskSetSpecialPort {
                which,
                special: {
                    let () = special;
                    taken.right()
                },
            })
        }
    }
    impl<R> msg::Routine<R> for TaskSetSpecialPort<R> {
        type Reply = ();
    }
    /// Maps a memory object.
    ///
    /// `vm_map`, id 2089.
    #[doc(alias = "vm_map")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMap<R> {
        pub address: u64,
        pub size: u64,
        pub mask: u64,
        pub anywhere: bool,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub memory_object: R,
        pub offset: u64,
        pub copy: bool,
        pub cur_protection: u32,
        pub max_protection: u32,
        pub inheritance: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmMap<R> {
        const ID: i32 = 2089;
        const NAME: &'static str = "vm_map";
        fn into_body(self) -> body::Body<R> {
            let VmMap {
                address,
                size,
                mask,
                anywhere,
                memory_object,
                offset,
                copy,
                cur_protection,
                max_protection,
                inheritance,
            } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u64(Element::INTEGER_64, mask);
            writer.u32(Element::BOOLEAN, anywhere.into());
            writer.rights(crate::Disposition::CopySend, true, [memory_object]);
            writer.u64(Element::INTEGER_64, offset);
            writer.u32(Element::BOOLEAN, copy.into());
            writer.u32(Element::INTEGER_32, cur_protection);
            writer.u32(Element::INTEGER_32, max_protection);
            writer.u32(Element::INTEGER_32, inheritance);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let mask = reader.u64(Element::INTEGER_64)?;
                let anywhere = reader.u32(Element::BOOLEAN)?;
                let memory_object = reader.right()?;
                let offset = reader.u64(Element::INTEGER_64)?;
                let copy = reader.u32(Element::BOOLEAN)?;
                let cur_protection = reader.u32(Element::INTEGER_32)?;
                let max_protection = reader.u32(Element::INTEGER_32)?;
                let inheritance = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((
                    address,
                    size,
                    mask,
                    anywhere,
                    memory_object,
                    offset,
                    copy,
                    cur_protection,
                    max_protection,
                    inheritance,
                ))
            };
            let Some(
                (
                    address,
                    size,
                    mask,
                    anywhere,
                    memory_object,
                    offset,
                    copy,
                    cur_protection,
                    max_protection,
                    inheritance,
                ),
            ) = read() else { return Err(args::bad_arguments(body)) };
            let mut taken = body::Taken::new(body);
            Ok(VmMap {
                address,
                size,
                mask,
                anywhere: anywhere != 0,
                memory_object: {
                    let () = memory_object;
                    taken.right()
                },
                offset,
                copy: copy != 0,
                cur_protection,
                max_protection,
                inheritance,
            })
        }
    }
    impl<R> msg::Routine<R> for VmMap<R> {
        type Reply = VmMapReply;
    }
    /// The results of [`VmMap`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMapReply {
        pub address: u64,
    }
    impl<R> msg::Reply<R> for VmMapReply {
        fn into_body(self) -> body::Body<R> {
            let VmMapReply { address } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, address);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let address = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((address,))
            };
            let Some((address,)) = read() else { return Err(args::misfit(body)) };
            Ok(VmMapReply { address })
        }
    }
    /// Attributes of a range that depend on the machine: a PC has none.
    ///
    /// `vm_machine_attribute`, id 2099.
    #[doc(alias = "vm_machine_attribute")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMachineAttribute {
        pub address: u64,
        pub size: u64,
        pub attribute: u32,
        pub value: i32,
    }
    impl<R> msg::SimpleRoutine<R> for VmMachineAttribute {
        const ID: i32 = 2099;
        const NAME: &'static str = "vm_machine_attribute";
        fn into_body(self) -> body::Body<R> {
            let VmMachineAttribute { address, size, attribute, value } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, attribute);
            writer.u32(Element::INTEGER_32, value as u32);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let attribute = reader.u32(Element::INTEGER_32)?;
                let value = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((address, size, attribute, value))
            };
            let Some((address, size, attribute, value)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmMachineAttribute {
                address,
                size,
                attribute,
                value: value as i32,
            })
        }
    }
    impl<R> msg::Routine<R> for VmMachineAttribute {
        type Reply = VmMachineAttributeReply;
    }
    /// The results of [`VmMachineAttribute`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMachineAttributeReply {
        pub value: i32,
    }
    impl<R> msg::Reply<R> for VmMachineAttributeReply {
        fn into_body(self) -> body::Body<R> {
            let VmMachineAttributeReply { value } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u32(Element::INTEGER_32, value as u32);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let value = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((value,))
            };
            let Some((value,)) = read() else { return Err(args::misfit(body)) };
            Ok(VmMachineAttributeReply {
                value: value as i32,
            })
        }
    }
    /// Ours: everything that the task has mapped, as one item that can be mapped at the same addresses (`proto/src/space.rs`), and
    /// the memory objects that it shows.
    ///
    /// `vm_read_space`, id 2180.
    #[doc(alias = "vm_read_space")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmReadSpace;
    impl<R> msg::SimpleRoutine<R> for VmReadSpace {
        const ID: i32 = 2180;
        const NAME: &'static str = "vm_read_space";
        fn into_body(self) -> body::Body<R> {
            let VmReadSpace = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(VmReadSpace)
        }
    }
    impl<R> msg::Routine<R> for VmReadSpace {
        type Reply = VmReadSpaceReply<R>;
    }
    /// The results of [`VmReadSpace`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmReadSpaceReply<R> {
        pub space: crate::Payload,
        /// Goes in as `COPY_SEND` unless the sender says otherwise.
        pub objects: Vec<R>,
    }
    impl<R> msg::Reply<R> for VmReadSpaceReply<R> {
        fn into_body(self) -> body::Body<R> {
            let VmReadSpaceReply { space, objects } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.memory(Element::BYTE, space);
            writer.rights(crate::Disposition::CopySend, false, objects);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let space = reader.memory(Element::BYTE).cloned()?;
                let objects = reader.rights()?;
                reader.end()?;
                Some((space, objects))
            };
            let Some((space, objects)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(VmReadSpaceReply {
                space,
                objects: taken.rights(objects),
            })
        }
    }
    /// Ours: maps out-of-line memory as memory of the task, with the arguments of vm_map.
    ///
    /// `vm_map_memory`, id 2181.
    #[doc(alias = "vm_map_memory")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMapMemory {
        pub address: u64,
        pub mask: u64,
        pub anywhere: bool,
        pub data: crate::Payload,
        pub cur_protection: u32,
        pub max_protection: u32,
        pub inheritance: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmMapMemory {
        const ID: i32 = 2181;
        const NAME: &'static str = "vm_map_memory";
        fn into_body(self) -> body::Body<R> {
            let VmMapMemory {
                address,
                mask,
                anywhere,
                data,
                cur_protection,
                max_protection,
                inheritance,
            } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, mask);
            writer.u32(Element::BOOLEAN, anywhere.into());
            writer.memory(Element::BYTE, data);
            writer.u32(Element::INTEGER_32, cur_protection);
            writer.u32(Element::INTEGER_32, max_protection);
            writer.u32(Element::INTEGER_32, inheritance);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let mask = reader.u64(Element::INTEGER_64)?;
                let anywhere = reader.u32(Element::BOOLEAN)?;
                let data = reader.memory(Element::BYTE).cloned()?;
                let cur_protection = reader.u32(Element::INTEGER_32)?;
                let max_protection = reader.u32(Element::INTEGER_32)?;
                let inheritance = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((
                    address,
                    mask,
                    anywhere,
                    data,
                    cur_protection,
                    max_protection,
                    inheritance,
                ))
            };
            let Some(
                (address, mask, anywhere, data, cur_protection, max_protection, inheritance),
            ) = read() else { return Err(args::bad_arguments(body)) };
            Ok(VmMapMemory {
                address,
                mask,
                anywhere: anywhere != 0,
                data,
                cur_protection,
                max_protection,
                inheritance,
            })
        }
    }
    impl<R> msg::Routine<R> for VmMapMemory {
        type Reply = VmMapMemoryReply;
    }
    /// The results of [`VmMapMemory`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMapMemoryReply {
        pub address: u64,
    }
    impl<R> msg::Reply<R> for VmMapMemoryReply {
        fn into_body(self) -> body::Body<R> {
            let VmMapMemoryReply { address } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.u64(Element::INTEGER_64, address);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let address = reader.u64(Element::INTEGER_64)?;
                reader.end()?;
                Some((address,))
            };
            let Some((address,)) = read() else { return Err(args::misfit(body)) };
            Ok(VmMapMemoryReply { address })
        }
    }
    /// Returns dirty pages of a range to their pager and waits until they are durable.
    ///
    /// `vm_msync`, id 4209.
    #[doc(alias = "vm_msync")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct VmMsync {
        pub address: u64,
        pub size: u64,
        pub sync_flags: u32,
    }
    impl<R> msg::SimpleRoutine<R> for VmMsync {
        const ID: i32 = 4209;
        const NAME: &'static str = "vm_msync";
        fn into_body(self) -> body::Body<R> {
            let VmMsync { address, size, sync_flags } = self;
            let mut writer = body::Writer::new();
            writer.u64(Element::INTEGER_64, address);
            writer.u64(Element::INTEGER_64, size);
            writer.u32(Element::INTEGER_32, sync_flags);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let address = reader.u64(Element::INTEGER_64)?;
                let size = reader.u64(Element::INTEGER_64)?;
                let sync_flags = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((address, size, sync_flags))
            };
            let Some((address, size, sync_flags)) = read() else {
                return Err(args::bad_arguments(body))
            };
            Ok(VmMsync {
                address,
                size,
                sync_flags,
            })
        }
    }
    impl<R> msg::Routine<R> for VmMsync {
        type Reply = ();
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `task_create`.
        pub const TASK_CREATE: i32 = 2007;
        /// `task_terminate`.
        pub const TASK_TERMINATE: i32 = 2008;
        /// `task_threads`.
        pub const TASK_THREADS: i32 = 2011;
        /// `vm_allocate`.
        pub const VM_ALLOCATE: i32 = 2021;
        /// `vm_deallocate`.
        pub const VM_DEALLOCATE: i32 = 2023;
        /// `vm_protect`.
        pub const VM_PROTECT: i32 = 2024;
        /// `vm_inherit`.
        pub const VM_INHERIT: i32 = 2025;
        /// `vm_read`.
        pub const VM_READ: i32 = 2026;
        /// `vm_write`.
        pub const VM_WRITE: i32 = 2027;
        /// `vm_copy`.
        pub const VM_COPY: i32 = 2028;
        /// `vm_region`.
        pub const VM_REGION: i32 = 2029;
        /// `vm_statistics`.
        pub const VM_STATISTICS: i32 = 2030;
        /// `task_get_special_port`.
        pub const TASK_GET_SPECIAL_PORT: i32 = 2058;
        /// `task_set_special_port`.
        pub const TASK_SET_SPECIAL_PORT: i32 = 2059;
        /// `vm_map`.
        pub const VM_MAP: i32 = 2089;
        /// `vm_machine_attribute`.
        pub const VM_MACHINE_ATTRIBUTE: i32 = 2099;
        /// `vm_read_space`.
        pub const VM_READ_SPACE: i32 = 2180;
        /// `vm_map_memory`.
        pub const VM_MAP_MEMORY: i32 = 2181;
        /// `vm_msync`.
        pub const VM_MSYNC: i32 = 4209;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[
        2007, 2008, 2011, 2021, 2023, 2024, 2025, 2026, 2027, 2028, 2029, 2030, 2058, 2059,
        2089, 2099, 2180, 2181, 4209,
    ];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (2007, "task_create"),
        (2008, "task_terminate"),
        (2011, "task_threads"),
        (2021, "vm_allocate"),
        (2023, "vm_deallocate"),
        (2024, "vm_protect"),
        (2025, "vm_inherit"),
        (2026, "vm_read"),
        (2027, "vm_write"),
        (2028, "vm_copy"),
        (2029, "vm_region"),
        (2030, "vm_statistics"),
        (2058, "task_get_special_port"),
        (2059, "task_set_special_port"),
        (2089, "vm_map"),
        (2099, "vm_machine_attribute"),
        (2180, "vm_read_space"),
        (2181, "vm_map_memory"),
        (4209, "vm_msync"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request<R> {
        /// A task without a process, with the bootstrap port of this one, and with what it inherits of its memory or with none.
        TaskCreate(TaskCreate),
        /// Ends the task: its process is killed, its space and memory go.
        TaskTerminate(TaskTerminate),
        /// A send right to the port of each thread.
        TaskThreads(TaskThreads),
        /// Zero-filled memory.
        VmAllocate(VmAllocate),
        /// Unmaps a range; holes are allowed.
        VmDeallocate(VmDeallocate),
        /// Sets the current or the maximum protection of a range.
        VmProtect(VmProtect),
        /// Sets what a child would get of a range: 0 the same memory, 1 a copy, 2 nothing.
        VmInherit(VmInherit),
        /// A copy of a range.
        VmRead(VmRead),
        /// Writes whole pages.
        VmWrite(VmWrite),
        /// Writes a copy of a range over another of the same task.
        VmCopy(VmCopy),
        /// The region at or after an address.
        VmRegion(VmRegion),
        /// Counts of the node's memory.
        VmStatistics(VmStatistics),
        /// Reads a special port: 1 kernel, 4 bootstrap.
        TaskGetSpecialPort(TaskGetSpecialPort),
        /// Sets a special port: 4 bootstrap.
        TaskSetSpecialPort(TaskSetSpecialPort<R>),
        /// Maps a memory object.
        VmMap(VmMap<R>),
        /// Attributes of a range that depend on the machine: a PC has none.
        VmMachineAttribute(VmMachineAttribute),
        /// Ours: everything that the task has mapped, as one item that can be mapped at the same addresses (`proto/src/space.rs`), and
        /// the memory objects that it shows.
        VmReadSpace(VmReadSpace),
        /// Ours: maps out-of-line memory as memory of the task, with the arguments of vm_map.
        VmMapMemory(VmMapMemory),
        /// Returns dirty pages of a range to their pager and waits until they are durable.
        VmMsync(VmMsync),
    }
    impl<R> Request<R> {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode(id: i32, body: body::Body<R>) -> Result<Request<R>, msg::BadBody<R>> {
            match id {
                2007 => {
                    <TaskCreate as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskCreate)
                }
                2008 => {
                    <TaskTerminate as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskTerminate)
                }
                2011 => {
                    <TaskThreads as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskThreads)
                }
                2021 => {
                    <VmAllocate as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmAllocate)
                }
                2023 => {
                    <VmDeallocate as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmDeallocate)
                }
                2024 => {
                    <VmProtect as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmProtect)
                }
                2025 => {
                    <VmInherit as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmInherit)
                }
                2026 => {
                    <VmRead as msg::SimpleRoutine<R>>::from_body(body).map(Request::VmRead)
                }
                2027 => {
                    <VmWrite as msg::SimpleRoutine<R>>::from_body(body).map(Request::VmWrite)
                }
                2028 => {
                    <VmCopy as msg::SimpleRoutine<R>>::from_body(body).map(Request::VmCopy)
                }
                2029 => {
                    <VmRegion as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmRegion)
                }
                2030 => {
                    <VmStatistics as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmStatistics)
                }
                2058 => {
                    <TaskGetSpecialPort as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskGetSpecialPort)
                }
                2059 => {
                    <TaskSetSpecialPort<R> as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::TaskSetSpecialPort)
                }
                2089 => {
                    <VmMap<R> as msg::SimpleRoutine<R>>::from_body(body).map(Request::VmMap)
                }
                2099 => {
                    <VmMachineAttribute as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmMachineAttribute)
                }
                2180 => {
                    <VmReadSpace as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmReadSpace)
                }
                2181 => {
                    <VmMapMemory as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::VmMapMemory)
                }
                4209 => {
                    <VmMsync as msg::SimpleRoutine<R>>::from_body(body).map(Request::VmMsync)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::TaskCreate(_) => 2007,
                Request::TaskTerminate(_) => 2008,
                Request::TaskThreads(_) => 2011,
                Request::VmAllocate(_) => 2021,
                Request::VmDeallocate(_) => 2023,
                Request::VmProtect(_) => 2024,
                Request::VmInherit(_) => 2025,
                Request::VmRead(_) => 2026,
                Request::VmWrite(_) => 2027,
                Request::VmCopy(_) => 2028,
                Request::VmRegion(_) => 2029,
                Request::VmStatistics(_) => 2030,
                Request::TaskGetSpecialPort(_) => 2058,
                Request::TaskSetSpecialPort(_) => 2059,
                Request::VmMap(_) => 2089,
                Request::VmMachineAttribute(_) => 2099,
                Request::VmReadSpace(_) => 2180,
                Request::VmMapMemory(_) => 2181,
                Request::VmMsync(_) => 4209,
            }
        }
    }
}

/// Operations on a thread; sent to a thread port. mach-api §4.2.
pub mod thread {
    use crate::typed::Element;
    use crate::{args, body, msg};
    /// Ends the mach_msg in which the thread waits: MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. Nothing if it does not wait.
    ///
    /// `thread_abort`, id 2064.
    #[doc(alias = "thread_abort")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Abort;
    impl<R> msg::SimpleRoutine<R> for Abort {
        const ID: i32 = 2064;
        const NAME: &'static str = "thread_abort";
        fn into_body(self) -> body::Body<R> {
            let Abort = self;
            let writer = body::Writer::new();
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.end()?;
                Some(())
            };
            let Some(()) = read() else { return Err(args::bad_arguments(body)) };
            Ok(Abort)
        }
    }
    impl<R> msg::Routine<R> for Abort {
        type Reply = ();
    }
    /// Reads a special port: 1 kernel, the thread's own.
    ///
    /// `thread_get_special_port`, id 2067.
    #[doc(alias = "thread_get_special_port")]
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetSpecialPort {
        pub which_port: u32,
    }
    impl<R> msg::SimpleRoutine<R> for GetSpecialPort {
        const ID: i32 = 2067;
        const NAME: &'static str = "thread_get_special_port";
        fn into_body(self) -> body::Body<R> {
            let GetSpecialPort { which_port } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, which_port);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                let which_port = reader.u32(Element::INTEGER_32)?;
                reader.end()?;
                Some((which_port,))
            };
            let Some((which_port,)) = read() else { return Err(args::bad_arguments(body)) };
            Ok(GetSpecialPort { which_port })
        }
    }
    impl<R> msg::Routine<R> for GetSpecialPort {
        type Reply = GetSpecialPortReply<R>;
    }
    /// The results of [`GetSpecialPort`].
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct GetSpecialPortReply<R> {
        /// Goes in as `MAKE_SEND` unless the sender says otherwise.
        pub special_port: R,
    }
    impl<R> msg::Reply<R> for GetSpecialPortReply<R> {
        fn into_body(self) -> body::Body<R> {
            let GetSpecialPortReply { special_port } = self;
            let mut writer = body::Writer::new();
            writer.u32(Element::INTEGER_32, 0);
            writer.rights(crate::Disposition::MakeSend, true, [special_port]);
            writer.finish()
        }
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {
            let mut reader = body::Reader::new(&body);
            let mut read = || {
                reader.u32(Element::INTEGER_32)?;
                let special_port = reader.right()?;
                reader.end()?;
                Some((special_port,))
            };
            let Some((special_port,)) = read() else { return Err(args::misfit(body)) };
            let mut taken = body::Taken::new(body);
            Ok(GetSpecialPortReply {
                special_port: {
                    let () = special_port;
                    taken.right()
                },
            })
        }
    }
    /// `msgh_id` of each request.
    pub mod id {
        /// `thread_abort`.
        pub const ABORT: i32 = 2064;
        /// `thread_get_special_port`.
        pub const GET_SPECIAL_PORT: i32 = 2067;
    }
    /// `msgh_id` of every request of the interface.
    pub const IDS: &[i32] = &[2064, 2067];
    /// Every routine of the interface: its id and Mach's name.
    pub const ROUTINES: &[(i32, &str)] = &[
        (2064, "thread_abort"),
        (2067, "thread_get_special_port"),
    ];
    /// Any request of the interface: what a server matches on.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Request {
        /// Ends the mach_msg in which the thread waits: MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. Nothing if it does not wait.
        Abort(Abort),
        /// Reads a special port: 1 kernel, the thread's own.
        GetSpecialPort(GetSpecialPort),
    }
    impl Request {
        /// The request with this id.
        ///
        /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
        /// comes back as it came, with every right in it.
        pub fn decode<R>(id: i32, body: body::Body<R>) -> Result<Request, msg::BadBody<R>> {
            match id {
                2064 => <Abort as msg::SimpleRoutine<R>>::from_body(body).map(Request::Abort),
                2067 => {
                    <GetSpecialPort as msg::SimpleRoutine<R>>::from_body(body)
                        .map(Request::GetSpecialPort)
                }
                _ => {
                    Err(msg::BadBody {
                        error: crate::MigError::BadId,
                        body,
                    })
                }
            }
        }
        /// `msgh_id` of the request.
        pub fn id(&self) -> i32 {
            match self {
                Request::Abort(_) => 2064,
                Request::GetSpecialPort(_) => 2067,
            }
        }
    }
}
