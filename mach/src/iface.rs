// Written by `cargo xtask gen` from proto/idl; do not edit.
//! Clients and servers of the kernel's interfaces, one module each; the stubs are in `proto::iface`.
/// What Mach tells of a host; sent to the host port, as is what `node.proto` adds. mach-api §4.5.
pub mod host {
    #[allow(unused_imports)]
    use ::proto::iface::host::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// The time of day.
        ///
        /// `host_get_time`, id 2634.
        pub fn get_time(&self) -> crate::Invocation<GetTime> {
            crate::Invocation::new(&self.task, &self.to, GetTime)
        }
        /// Facts by flavor: 1 basic, 3 scheduling, 4 load. As many words as the flavor has, if the caller takes so many.
        ///
        /// `host_info`, id 2638.
        pub fn info(
            &self,
            flavor: u32,
            host_info_out_count: u32,
        ) -> crate::Invocation<Info> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                Info {
                    flavor: flavor,
                    host_info_out_count: host_info_out_count,
                },
            )
        }
        /// A line about the node, for people.
        ///
        /// `host_get_kernel_version`, id 2646.
        pub fn get_kernel_version(&self) -> crate::Invocation<GetKernelVersion> {
            crate::Invocation::new(&self.task, &self.to, GetKernelVersion)
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait Host {
        /// The time of day.
        ///
        /// `host_get_time`, id 2634.
        fn get_time(
            &mut self,
            call: &mut crate::Call,
            request: GetTime,
        ) -> Result<GetTimeReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Facts by flavor: 1 basic, 3 scheduling, 4 load. As many words as the flavor has, if the caller takes so many.
        ///
        /// `host_info`, id 2638.
        fn info(
            &mut self,
            call: &mut crate::Call,
            request: Info,
        ) -> Result<InfoReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A line about the node, for people.
        ///
        /// `host_get_kernel_version`, id 2646.
        fn get_kernel_version(
            &mut self,
            call: &mut crate::Call,
            request: GetKernelVersion,
        ) -> Result<GetKernelVersionReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: Host> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2634 => {
                    let request = <GetTime as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.get_time(call, request).map(::proto::msg::Reply::into_body)
                }
                2638 => {
                    let request = <Info as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.info(call, request).map(::proto::msg::Reply::into_body)
                }
                2646 => {
                    let request = <GetKernelVersion as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_kernel_version(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait HostAsync {
        /// The time of day.
        ///
        /// `host_get_time`, id 2634.
        fn get_time(
            &self,
            call: &mut crate::Call,
            request: GetTime,
        ) -> impl Future<Output = Result<GetTimeReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Facts by flavor: 1 basic, 3 scheduling, 4 load. As many words as the flavor has, if the caller takes so many.
        ///
        /// `host_info`, id 2638.
        fn info(
            &self,
            call: &mut crate::Call,
            request: Info,
        ) -> impl Future<Output = Result<InfoReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A line about the node, for people.
        ///
        /// `host_get_kernel_version`, id 2646.
        fn get_kernel_version(
            &self,
            call: &mut crate::Call,
            request: GetKernelVersion,
        ) -> impl Future<Output = Result<GetKernelVersionReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: HostAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2634 => {
                    let request = <GetTime as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_time(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2638 => {
                    let request = <Info as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.info(call, request).await.map(::proto::msg::Reply::into_body)
                }
                2646 => {
                    let request = <GetKernelVersion as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_kernel_version(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What is asked of a host for the memory of a task of it; sent to the host port. mach-api §2.2.
pub mod host_vm {
    #[allow(unused_imports)]
    use ::proto::iface::host_vm::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Keeps a range of a task here for an access that its protection permits; no access gives it up again.
        ///
        /// `vm_wire`, id 2636.
        pub fn vm_wire(
            &self,
            task: impl Into<crate::Right>,
            address: u64,
            size: u64,
            access: u32,
        ) -> crate::Invocation<VmWire<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmWire {
                    task: task.into(),
                    address: address,
                    size: size,
                    access: access,
                },
            )
        }
        /// The same for all that a task has mapped: 1 what is mapped now, 0 gives it up again.
        ///
        /// `vm_wire_all`, id 4207.
        pub fn vm_wire_all(
            &self,
            task: impl Into<crate::Right>,
            flags: u32,
        ) -> crate::Invocation<VmWireAll<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmWireAll {
                    task: task.into(),
                    flags: flags,
                },
            )
        }
        /// Memory that is contiguous in the machine: refused, for no process is given that.
        ///
        /// `vm_allocate_contiguous`, id 4210.
        pub fn vm_allocate_contiguous(
            &self,
            target_task: impl Into<crate::Right>,
            size: u64,
            pmin: u64,
            pmax: u64,
            palign: u64,
        ) -> crate::Invocation<VmAllocateContiguous<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmAllocateContiguous {
                    target_task: target_task.into(),
                    size: size,
                    pmin: pmin,
                    pmax: pmax,
                    palign: palign,
                },
            )
        }
        /// Where in the machine the pages of a range are: refused, for no process is told that.
        ///
        /// `vm_pages_phys`, id 4212.
        pub fn vm_pages_phys(
            &self,
            target_task: impl Into<crate::Right>,
            vaddr: u64,
            size: u64,
        ) -> crate::Invocation<VmPagesPhys<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmPagesPhys {
                    target_task: target_task.into(),
                    vaddr: vaddr,
                    size: size,
                },
            )
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait HostVm {
        /// Keeps a range of a task here for an access that its protection permits; no access gives it up again.
        ///
        /// `vm_wire`, id 2636.
        fn vm_wire(
            &mut self,
            call: &mut crate::Call,
            request: VmWire<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The same for all that a task has mapped: 1 what is mapped now, 0 gives it up again.
        ///
        /// `vm_wire_all`, id 4207.
        fn vm_wire_all(
            &mut self,
            call: &mut crate::Call,
            request: VmWireAll<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Memory that is contiguous in the machine: refused, for no process is given that.
        ///
        /// `vm_allocate_contiguous`, id 4210.
        fn vm_allocate_contiguous(
            &mut self,
            call: &mut crate::Call,
            request: VmAllocateContiguous<crate::Right>,
        ) -> Result<VmAllocateContiguousReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Where in the machine the pages of a range are: refused, for no process is told that.
        ///
        /// `vm_pages_phys`, id 4212.
        fn vm_pages_phys(
            &mut self,
            call: &mut crate::Call,
            request: VmPagesPhys<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: HostVm> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2636 => {
                    let request = <VmWire<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_wire(call, request).map(::proto::msg::Reply::into_body)
                }
                4207 => {
                    let request = <VmWireAll<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_wire_all(call, request).map(::proto::msg::Reply::into_body)
                }
                4210 => {
                    let request = <VmAllocateContiguous<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_allocate_contiguous(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                4212 => {
                    let request = <VmPagesPhys<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_pages_phys(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait HostVmAsync {
        /// Keeps a range of a task here for an access that its protection permits; no access gives it up again.
        ///
        /// `vm_wire`, id 2636.
        fn vm_wire(
            &self,
            call: &mut crate::Call,
            request: VmWire<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The same for all that a task has mapped: 1 what is mapped now, 0 gives it up again.
        ///
        /// `vm_wire_all`, id 4207.
        fn vm_wire_all(
            &self,
            call: &mut crate::Call,
            request: VmWireAll<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Memory that is contiguous in the machine: refused, for no process is given that.
        ///
        /// `vm_allocate_contiguous`, id 4210.
        fn vm_allocate_contiguous(
            &self,
            call: &mut crate::Call,
            request: VmAllocateContiguous<crate::Right>,
        ) -> impl Future<
            Output = Result<VmAllocateContiguousReply, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Where in the machine the pages of a range are: refused, for no process is told that.
        ///
        /// `vm_pages_phys`, id 4212.
        fn vm_pages_phys(
            &self,
            call: &mut crate::Call,
            request: VmPagesPhys<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: HostVmAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2636 => {
                    let request = <VmWire<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_wire(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                4207 => {
                    let request = <VmWireAll<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_wire_all(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                4210 => {
                    let request = <VmAllocateContiguous<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_allocate_contiguous(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                4212 => {
                    let request = <VmPagesPhys<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_pages_phys(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What is behind a task's names, for those who look for faults; sent to the task port.
pub mod mach_debug {
    #[allow(unused_imports)]
    use ::proto::iface::mach_debug::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Send rights of a port whose receive right is held, wherever they are.
        ///
        /// `mach_port_get_srights`, id 3007.
        pub fn get_srights(&self, name: u32) -> crate::Invocation<GetSrights> {
            crate::Invocation::new(&self.task, &self.to, GetSrights { name: name })
        }
        /// Dead-name requests on a port whose receive right is held; total is used, for there is no table with free places.
        ///
        /// `mach_port_dnrequest_info`, id 3011.
        pub fn dnrequest_info(&self, name: u32) -> crate::Invocation<DnrequestInfo> {
            crate::Invocation::new(&self.task, &self.to, DnrequestInfo { name: name })
        }
        /// What kind of object the kernel has behind a port: 0 none, 2 task, 9 memory control, 16 memory name. Its address is
        /// a number that tells objects apart.
        ///
        /// `mach_port_kernel_object`, id 3018.
        pub fn kernel_object(&self, name: u32) -> crate::Invocation<KernelObject> {
            crate::Invocation::new(&self.task, &self.to, KernelObject { name: name })
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MachDebug {
        /// Send rights of a port whose receive right is held, wherever they are.
        ///
        /// `mach_port_get_srights`, id 3007.
        fn get_srights(
            &mut self,
            call: &mut crate::Call,
            request: GetSrights,
        ) -> Result<GetSrightsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Dead-name requests on a port whose receive right is held; total is used, for there is no table with free places.
        ///
        /// `mach_port_dnrequest_info`, id 3011.
        fn dnrequest_info(
            &mut self,
            call: &mut crate::Call,
            request: DnrequestInfo,
        ) -> Result<DnrequestInfoReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// What kind of object the kernel has behind a port: 0 none, 2 task, 9 memory control, 16 memory name. Its address is
        /// a number that tells objects apart.
        ///
        /// `mach_port_kernel_object`, id 3018.
        fn kernel_object(
            &mut self,
            call: &mut crate::Call,
            request: KernelObject,
        ) -> Result<KernelObjectReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: MachDebug> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                3007 => {
                    let request = <GetSrights as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.get_srights(call, request).map(::proto::msg::Reply::into_body)
                }
                3011 => {
                    let request = <DnrequestInfo as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .dnrequest_info(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3018 => {
                    let request = <KernelObject as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .kernel_object(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MachDebugAsync {
        /// Send rights of a port whose receive right is held, wherever they are.
        ///
        /// `mach_port_get_srights`, id 3007.
        fn get_srights(
            &self,
            call: &mut crate::Call,
            request: GetSrights,
        ) -> impl Future<Output = Result<GetSrightsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Dead-name requests on a port whose receive right is held; total is used, for there is no table with free places.
        ///
        /// `mach_port_dnrequest_info`, id 3011.
        fn dnrequest_info(
            &self,
            call: &mut crate::Call,
            request: DnrequestInfo,
        ) -> impl Future<Output = Result<DnrequestInfoReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// What kind of object the kernel has behind a port: 0 none, 2 task, 9 memory control, 16 memory name. Its address is
        /// a number that tells objects apart.
        ///
        /// `mach_port_kernel_object`, id 3018.
        fn kernel_object(
            &self,
            call: &mut crate::Call,
            request: KernelObject,
        ) -> impl Future<Output = Result<KernelObjectReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: MachDebugAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                3007 => {
                    let request = <GetSrights as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_srights(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3011 => {
                    let request = <DnrequestInfo as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .dnrequest_info(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3018 => {
                    let request = <KernelObject as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .kernel_object(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// Operations on a task's own port name space; sent to the task port.
pub mod mach_port {
    #[allow(unused_imports)]
    use ::proto::iface::mach_port::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// All names and the types of their rights.
        ///
        /// `mach_port_names`, id 3200.
        pub fn names(&self) -> crate::Invocation<Names> {
            crate::Invocation::new(&self.task, &self.to, Names)
        }
        /// The type bits of one name.
        ///
        /// `mach_port_type`, id 3201.
        pub fn r#type(&self, name: u32) -> crate::Invocation<Type> {
            crate::Invocation::new(&self.task, &self.to, Type { name: name })
        }
        /// Gives what a name denotes another name.
        ///
        /// `mach_port_rename`, id 3202.
        pub fn rename(&self, old_name: u32, new_name: u32) -> crate::Invocation<Rename> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                Rename {
                    old_name: old_name,
                    new_name: new_name,
                },
            )
        }
        /// A new receive right, port set or dead name, under a name of the caller's choice.
        ///
        /// `mach_port_allocate_name`, id 3203.
        pub fn allocate_name(
            &self,
            right: u32,
            name: u32,
        ) -> crate::Invocation<AllocateName> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                AllocateName {
                    right: right,
                    name: name,
                },
            )
        }
        /// A new receive right, port set or dead name, with a name of the node's choice.
        ///
        /// `mach_port_allocate`, id 3204.
        pub fn allocate(&self, right: u32) -> crate::Invocation<Allocate> {
            crate::Invocation::new(&self.task, &self.to, Allocate { right: right })
        }
        /// Gives up everything the name denotes.
        ///
        /// `mach_port_destroy`, id 3205.
        pub fn destroy(&self, name: u32) -> crate::Invocation<Destroy> {
            crate::Invocation::new(&self.task, &self.to, Destroy { name: name })
        }
        /// Gives up one user reference of a send, send-once or dead name.
        ///
        /// `mach_port_deallocate`, id 3206.
        pub fn deallocate(&self, name: u32) -> crate::Invocation<Deallocate> {
            crate::Invocation::new(&self.task, &self.to, Deallocate { name: name })
        }
        /// User references of one right under a name; 0 when the name has no such right.
        ///
        /// `mach_port_get_refs`, id 3207.
        pub fn get_refs(&self, name: u32, right: u32) -> crate::Invocation<GetRefs> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                GetRefs {
                    name: name,
                    right: right,
                },
            )
        }
        /// Adds to or takes from the user references.
        ///
        /// `mach_port_mod_refs`, id 3208.
        pub fn mod_refs(
            &self,
            name: u32,
            right: u32,
            delta: i32,
        ) -> crate::Invocation<ModRefs> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                ModRefs {
                    name: name,
                    right: right,
                    delta: delta,
                },
            )
        }
        /// Sets the queue limit of a port whose receive right is held.
        ///
        /// `mach_port_set_qlimit`, id 3210.
        pub fn set_qlimit(
            &self,
            name: u32,
            qlimit: u32,
        ) -> crate::Invocation<SetQlimit> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                SetQlimit {
                    name: name,
                    qlimit: qlimit,
                },
            )
        }
        /// Sets the make-send count of a port whose receive right is held.
        ///
        /// `mach_port_set_mscount`, id 3211.
        pub fn set_mscount(
            &self,
            name: u32,
            mscount: u32,
        ) -> crate::Invocation<SetMscount> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                SetMscount {
                    name: name,
                    mscount: mscount,
                },
            )
        }
        /// The members of a port set.
        ///
        /// `mach_port_get_set_status`, id 3212.
        pub fn get_set_status(&self, name: u32) -> crate::Invocation<GetSetStatus> {
            crate::Invocation::new(&self.task, &self.to, GetSetStatus { name: name })
        }
        /// Puts a receive right into a set, or takes it out with the null set.
        ///
        /// `mach_port_move_member`, id 3213.
        pub fn move_member(
            &self,
            member: u32,
            after: u32,
        ) -> crate::Invocation<MoveMember> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                MoveMember {
                    member: member,
                    after: after,
                },
            )
        }
        /// Asks for a notification; answers the request that stood there before.
        ///
        /// `mach_port_request_notification`, id 3214.
        pub fn request_notification(
            &self,
            name: u32,
            msgid: i32,
            sync: u32,
            notify: impl Into<crate::Right>,
        ) -> crate::Invocation<RequestNotification<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                RequestNotification {
                    name: name,
                    msgid: msgid,
                    sync: sync,
                    notify: notify.into(),
                },
            )
        }
        /// Gives the space a right under a name of the caller's choice.
        ///
        /// `mach_port_insert_right`, id 3215.
        pub fn insert_right(
            &self,
            name: u32,
            right: impl Into<crate::Right>,
        ) -> crate::Invocation<InsertRight<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                InsertRight {
                    name: name,
                    right: right.into(),
                },
            )
        }
        /// Takes a right out of the space.
        ///
        /// `mach_port_extract_right`, id 3216.
        pub fn extract_right(
            &self,
            name: u32,
            disposition: u32,
        ) -> crate::Invocation<ExtractRight> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                ExtractRight {
                    name: name,
                    disposition: disposition,
                },
            )
        }
        /// Counters of a port whose receive right is held.
        ///
        /// `mach_port_get_receive_status`, id 3217.
        pub fn get_receive_status(
            &self,
            name: u32,
        ) -> crate::Invocation<GetReceiveStatus> {
            crate::Invocation::new(&self.task, &self.to, GetReceiveStatus { name: name })
        }
        /// Sets the sequence number that the next message of a port gets whose receive right is held.
        ///
        /// `mach_port_set_seqno`, id 3218.
        pub fn set_seqno(&self, name: u32, seqno: u32) -> crate::Invocation<SetSeqno> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                SetSeqno {
                    name: name,
                    seqno: seqno,
                },
            )
        }
        /// Has messages of a port arrive with a payload in place of its name.
        ///
        /// `mach_port_set_protected_payload`, id 3221.
        pub fn set_protected_payload(
            &self,
            name: u32,
            payload: u64,
        ) -> crate::Invocation<SetProtectedPayload> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                SetProtectedPayload {
                    name: name,
                    payload: payload,
                },
            )
        }
        /// Has them arrive with the name again.
        ///
        /// `mach_port_clear_protected_payload`, id 3222.
        pub fn clear_protected_payload(
            &self,
            name: u32,
        ) -> crate::Invocation<ClearProtectedPayload> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                ClearProtectedPayload {
                    name: name,
                },
            )
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MachPort {
        /// All names and the types of their rights.
        ///
        /// `mach_port_names`, id 3200.
        fn names(
            &mut self,
            call: &mut crate::Call,
            request: Names,
        ) -> Result<NamesReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The type bits of one name.
        ///
        /// `mach_port_type`, id 3201.
        fn r#type(
            &mut self,
            call: &mut crate::Call,
            request: Type,
        ) -> Result<TypeReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Gives what a name denotes another name.
        ///
        /// `mach_port_rename`, id 3202.
        fn rename(
            &mut self,
            call: &mut crate::Call,
            request: Rename,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A new receive right, port set or dead name, under a name of the caller's choice.
        ///
        /// `mach_port_allocate_name`, id 3203.
        fn allocate_name(
            &mut self,
            call: &mut crate::Call,
            request: AllocateName,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A new receive right, port set or dead name, with a name of the node's choice.
        ///
        /// `mach_port_allocate`, id 3204.
        fn allocate(
            &mut self,
            call: &mut crate::Call,
            request: Allocate,
        ) -> Result<AllocateReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Gives up everything the name denotes.
        ///
        /// `mach_port_destroy`, id 3205.
        fn destroy(
            &mut self,
            call: &mut crate::Call,
            request: Destroy,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Gives up one user reference of a send, send-once or dead name.
        ///
        /// `mach_port_deallocate`, id 3206.
        fn deallocate(
            &mut self,
            call: &mut crate::Call,
            request: Deallocate,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// User references of one right under a name; 0 when the name has no such right.
        ///
        /// `mach_port_get_refs`, id 3207.
        fn get_refs(
            &mut self,
            call: &mut crate::Call,
            request: GetRefs,
        ) -> Result<GetRefsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Adds to or takes from the user references.
        ///
        /// `mach_port_mod_refs`, id 3208.
        fn mod_refs(
            &mut self,
            call: &mut crate::Call,
            request: ModRefs,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Sets the queue limit of a port whose receive right is held.
        ///
        /// `mach_port_set_qlimit`, id 3210.
        fn set_qlimit(
            &mut self,
            call: &mut crate::Call,
            request: SetQlimit,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Sets the make-send count of a port whose receive right is held.
        ///
        /// `mach_port_set_mscount`, id 3211.
        fn set_mscount(
            &mut self,
            call: &mut crate::Call,
            request: SetMscount,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The members of a port set.
        ///
        /// `mach_port_get_set_status`, id 3212.
        fn get_set_status(
            &mut self,
            call: &mut crate::Call,
            request: GetSetStatus,
        ) -> Result<GetSetStatusReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Puts a receive right into a set, or takes it out with the null set.
        ///
        /// `mach_port_move_member`, id 3213.
        fn move_member(
            &mut self,
            call: &mut crate::Call,
            request: MoveMember,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Asks for a notification; answers the request that stood there before.
        ///
        /// `mach_port_request_notification`, id 3214.
        fn request_notification(
            &mut self,
            call: &mut crate::Call,
            request: RequestNotification<crate::Right>,
        ) -> Result<RequestNotificationReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Gives the space a right under a name of the caller's choice.
        ///
        /// `mach_port_insert_right`, id 3215.
        fn insert_right(
            &mut self,
            call: &mut crate::Call,
            request: InsertRight<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Takes a right out of the space.
        ///
        /// `mach_port_extract_right`, id 3216.
        fn extract_right(
            &mut self,
            call: &mut crate::Call,
            request: ExtractRight,
        ) -> Result<ExtractRightReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Counters of a port whose receive right is held.
        ///
        /// `mach_port_get_receive_status`, id 3217.
        fn get_receive_status(
            &mut self,
            call: &mut crate::Call,
            request: GetReceiveStatus,
        ) -> Result<GetReceiveStatusReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Sets the sequence number that the next message of a port gets whose receive right is held.
        ///
        /// `mach_port_set_seqno`, id 3218.
        fn set_seqno(
            &mut self,
            call: &mut crate::Call,
            request: SetSeqno,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Has messages of a port arrive with a payload in place of its name.
        ///
        /// `mach_port_set_protected_payload`, id 3221.
        fn set_protected_payload(
            &mut self,
            call: &mut crate::Call,
            request: SetProtectedPayload,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Has them arrive with the name again.
        ///
        /// `mach_port_clear_protected_payload`, id 3222.
        fn clear_protected_payload(
            &mut self,
            call: &mut crate::Call,
            request: ClearProtectedPayload,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: MachPort> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                3200 => {
                    let request = <Names as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.names(call, request).map(::proto::msg::Reply::into_body)
                }
                3201 => {
                    let request = <Type as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.r#type(call, request).map(::proto::msg::Reply::into_body)
                }
                3202 => {
                    let request = <Rename as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.rename(call, request).map(::proto::msg::Reply::into_body)
                }
                3203 => {
                    let request = <AllocateName as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .allocate_name(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3204 => {
                    let request = <Allocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.allocate(call, request).map(::proto::msg::Reply::into_body)
                }
                3205 => {
                    let request = <Destroy as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.destroy(call, request).map(::proto::msg::Reply::into_body)
                }
                3206 => {
                    let request = <Deallocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.deallocate(call, request).map(::proto::msg::Reply::into_body)
                }
                3207 => {
                    let request = <GetRefs as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.get_refs(call, request).map(::proto::msg::Reply::into_body)
                }
                3208 => {
                    let request = <ModRefs as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.mod_refs(call, request).map(::proto::msg::Reply::into_body)
                }
                3210 => {
                    let request = <SetQlimit as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.set_qlimit(call, request).map(::proto::msg::Reply::into_body)
                }
                3211 => {
                    let request = <SetMscount as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.set_mscount(call, request).map(::proto::msg::Reply::into_body)
                }
                3212 => {
                    let request = <GetSetStatus as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_set_status(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3213 => {
                    let request = <MoveMember as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.move_member(call, request).map(::proto::msg::Reply::into_body)
                }
                3214 => {
                    let request = <RequestNotification<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .request_notification(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3215 => {
                    let request = <InsertRight<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .insert_right(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3216 => {
                    let request = <ExtractRight as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .extract_right(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3217 => {
                    let request = <GetReceiveStatus as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_receive_status(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3218 => {
                    let request = <SetSeqno as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.set_seqno(call, request).map(::proto::msg::Reply::into_body)
                }
                3221 => {
                    let request = <SetProtectedPayload as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .set_protected_payload(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                3222 => {
                    let request = <ClearProtectedPayload as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .clear_protected_payload(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MachPortAsync {
        /// All names and the types of their rights.
        ///
        /// `mach_port_names`, id 3200.
        fn names(
            &self,
            call: &mut crate::Call,
            request: Names,
        ) -> impl Future<Output = Result<NamesReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The type bits of one name.
        ///
        /// `mach_port_type`, id 3201.
        fn r#type(
            &self,
            call: &mut crate::Call,
            request: Type,
        ) -> impl Future<Output = Result<TypeReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Gives what a name denotes another name.
        ///
        /// `mach_port_rename`, id 3202.
        fn rename(
            &self,
            call: &mut crate::Call,
            request: Rename,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A new receive right, port set or dead name, under a name of the caller's choice.
        ///
        /// `mach_port_allocate_name`, id 3203.
        fn allocate_name(
            &self,
            call: &mut crate::Call,
            request: AllocateName,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A new receive right, port set or dead name, with a name of the node's choice.
        ///
        /// `mach_port_allocate`, id 3204.
        fn allocate(
            &self,
            call: &mut crate::Call,
            request: Allocate,
        ) -> impl Future<Output = Result<AllocateReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Gives up everything the name denotes.
        ///
        /// `mach_port_destroy`, id 3205.
        fn destroy(
            &self,
            call: &mut crate::Call,
            request: Destroy,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Gives up one user reference of a send, send-once or dead name.
        ///
        /// `mach_port_deallocate`, id 3206.
        fn deallocate(
            &self,
            call: &mut crate::Call,
            request: Deallocate,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// User references of one right under a name; 0 when the name has no such right.
        ///
        /// `mach_port_get_refs`, id 3207.
        fn get_refs(
            &self,
            call: &mut crate::Call,
            request: GetRefs,
        ) -> impl Future<Output = Result<GetRefsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Adds to or takes from the user references.
        ///
        /// `mach_port_mod_refs`, id 3208.
        fn mod_refs(
            &self,
            call: &mut crate::Call,
            request: ModRefs,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Sets the queue limit of a port whose receive right is held.
        ///
        /// `mach_port_set_qlimit`, id 3210.
        fn set_qlimit(
            &self,
            call: &mut crate::Call,
            request: SetQlimit,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Sets the make-send count of a port whose receive right is held.
        ///
        /// `mach_port_set_mscount`, id 3211.
        fn set_mscount(
            &self,
            call: &mut crate::Call,
            request: SetMscount,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The members of a port set.
        ///
        /// `mach_port_get_set_status`, id 3212.
        fn get_set_status(
            &self,
            call: &mut crate::Call,
            request: GetSetStatus,
        ) -> impl Future<Output = Result<GetSetStatusReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Puts a receive right into a set, or takes it out with the null set.
        ///
        /// `mach_port_move_member`, id 3213.
        fn move_member(
            &self,
            call: &mut crate::Call,
            request: MoveMember,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Asks for a notification; answers the request that stood there before.
        ///
        /// `mach_port_request_notification`, id 3214.
        fn request_notification(
            &self,
            call: &mut crate::Call,
            request: RequestNotification<crate::Right>,
        ) -> impl Future<
            Output = Result<RequestNotificationReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Gives the space a right under a name of the caller's choice.
        ///
        /// `mach_port_insert_right`, id 3215.
        fn insert_right(
            &self,
            call: &mut crate::Call,
            request: InsertRight<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Takes a right out of the space.
        ///
        /// `mach_port_extract_right`, id 3216.
        fn extract_right(
            &self,
            call: &mut crate::Call,
            request: ExtractRight,
        ) -> impl Future<
            Output = Result<ExtractRightReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Counters of a port whose receive right is held.
        ///
        /// `mach_port_get_receive_status`, id 3217.
        fn get_receive_status(
            &self,
            call: &mut crate::Call,
            request: GetReceiveStatus,
        ) -> impl Future<Output = Result<GetReceiveStatusReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Sets the sequence number that the next message of a port gets whose receive right is held.
        ///
        /// `mach_port_set_seqno`, id 3218.
        fn set_seqno(
            &self,
            call: &mut crate::Call,
            request: SetSeqno,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Has messages of a port arrive with a payload in place of its name.
        ///
        /// `mach_port_set_protected_payload`, id 3221.
        fn set_protected_payload(
            &self,
            call: &mut crate::Call,
            request: SetProtectedPayload,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Has them arrive with the name again.
        ///
        /// `mach_port_clear_protected_payload`, id 3222.
        fn clear_protected_payload(
            &self,
            call: &mut crate::Call,
            request: ClearProtectedPayload,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: MachPortAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                3200 => {
                    let request = <Names as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.names(call, request).await.map(::proto::msg::Reply::into_body)
                }
                3201 => {
                    let request = <Type as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .r#type(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3202 => {
                    let request = <Rename as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .rename(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3203 => {
                    let request = <AllocateName as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .allocate_name(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3204 => {
                    let request = <Allocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .allocate(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3205 => {
                    let request = <Destroy as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .destroy(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3206 => {
                    let request = <Deallocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .deallocate(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3207 => {
                    let request = <GetRefs as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_refs(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3208 => {
                    let request = <ModRefs as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .mod_refs(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3210 => {
                    let request = <SetQlimit as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .set_qlimit(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3211 => {
                    let request = <SetMscount as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .set_mscount(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3212 => {
                    let request = <GetSetStatus as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_set_status(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3213 => {
                    let request = <MoveMember as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .move_member(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3214 => {
                    let request = <RequestNotification<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .request_notification(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3215 => {
                    let request = <InsertRight<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .insert_right(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3216 => {
                    let request = <ExtractRight as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .extract_right(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3217 => {
                    let request = <GetReceiveStatus as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_receive_status(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3218 => {
                    let request = <SetSeqno as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .set_seqno(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3221 => {
                    let request = <SetProtectedPayload as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .set_protected_payload(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                3222 => {
                    let request = <ClearProtectedPayload as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .clear_protected_payload(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What a kernel asks of a pager; sent to the memory object port. Names and order: mach-api §3.2.
pub mod memory_object {
    #[allow(unused_imports)]
    use ::proto::iface::memory_object::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// The first mapping on this kernel. Answered by memory_object_ready.
        ///
        /// `memory_object_init`, id 2200.
        pub fn init(
            &self,
            memory_control: impl Into<crate::Right>,
            memory_object_name: impl Into<crate::Right>,
            memory_object_page_size: u64,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    Init {
                        memory_control: memory_control.into(),
                        memory_object_name: memory_object_name.into(),
                        memory_object_page_size: memory_object_page_size,
                    },
                )
                .send(&self.task)
        }
        /// The last mapping is gone. The control port dies after it.
        ///
        /// `memory_object_terminate`, id 2201.
        pub fn terminate(
            &self,
            memory_control: impl Into<crate::Right>,
            memory_object_name: impl Into<crate::Right>,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    Terminate {
                        memory_control: memory_control.into(),
                        memory_object_name: memory_object_name.into(),
                    },
                )
                .send(&self.task)
        }
        /// Pages are missing: exactly one of supply, unavailable, error for each.
        ///
        /// `memory_object_data_request`, id 2203.
        pub fn data_request(
            &self,
            memory_control: impl Into<crate::Right>,
            offset: u64,
            length: u64,
            desired_access: u32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    DataRequest {
                        memory_control: memory_control.into(),
                        offset: offset,
                        length: length,
                        desired_access: desired_access,
                    },
                )
                .send(&self.task)
        }
        /// A resident page's lock forbids the access that is wanted.
        ///
        /// `memory_object_data_unlock`, id 2204.
        pub fn data_unlock(
            &self,
            memory_control: impl Into<crate::Right>,
            offset: u64,
            length: u64,
            desired_access: u32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    DataUnlock {
                        memory_control: memory_control.into(),
                        offset: offset,
                        length: length,
                        desired_access: desired_access,
                    },
                )
                .send(&self.task)
        }
        /// A lock request is carried out.
        ///
        /// `memory_object_lock_completed`, id 2206.
        pub fn lock_completed(
            &self,
            memory_control: impl Into<crate::Right>,
            offset: u64,
            length: u64,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    LockCompleted {
                        memory_control: memory_control.into(),
                        offset: offset,
                        length: length,
                    },
                )
                .send(&self.task)
        }
        /// A supply with a reply port was taken, or where it stopped.
        ///
        /// `memory_object_supply_completed`, id 2207.
        pub fn supply_completed(
            &self,
            memory_control: impl Into<crate::Right>,
            offset: u64,
            length: u64,
            result: i32,
            error_offset: u64,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    SupplyCompleted {
                        memory_control: memory_control.into(),
                        offset: offset,
                        length: length,
                        result: result,
                        error_offset: error_offset,
                    },
                )
                .send(&self.task)
        }
        /// Page contents go back to the pager.
        ///
        /// `memory_object_data_return`, id 2208.
        pub fn data_return(
            &self,
            memory_control: impl Into<crate::Right>,
            offset: u64,
            data: impl Into<::proto::Payload>,
            dirty: bool,
            kernel_copy: bool,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    DataReturn {
                        memory_control: memory_control.into(),
                        offset: offset,
                        data: data.into(),
                        dirty: dirty,
                        kernel_copy: kernel_copy,
                    },
                )
                .send(&self.task)
        }
        /// Everything returned before must be durable; answered by memory_object_synchronize_completed (OSF).
        ///
        /// `memory_object_synchronize`, id 2210.
        pub fn synchronize(
            &self,
            memory_control: impl Into<crate::Right>,
            offset: u64,
            length: u64,
            flags: u32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    Synchronize {
                        memory_control: memory_control.into(),
                        offset: offset,
                        length: length,
                        flags: flags,
                    },
                )
                .send(&self.task)
        }
        /// Size, permitted access and state; ours, for a library that wants to map the whole of an object.
        ///
        /// `memory_object_info`, id 2290.
        pub fn info(&self) -> crate::Invocation<Info> {
            crate::Invocation::new(&self.task, &self.to, Info)
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MemoryObject {
        /// The first mapping on this kernel. Answered by memory_object_ready.
        ///
        /// `memory_object_init`, id 2200.
        fn init(
            &mut self,
            call: &mut crate::Call,
            request: Init<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The last mapping is gone. The control port dies after it.
        ///
        /// `memory_object_terminate`, id 2201.
        fn terminate(
            &mut self,
            call: &mut crate::Call,
            request: Terminate<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Pages are missing: exactly one of supply, unavailable, error for each.
        ///
        /// `memory_object_data_request`, id 2203.
        fn data_request(
            &mut self,
            call: &mut crate::Call,
            request: DataRequest<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A resident page's lock forbids the access that is wanted.
        ///
        /// `memory_object_data_unlock`, id 2204.
        fn data_unlock(
            &mut self,
            call: &mut crate::Call,
            request: DataUnlock<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A lock request is carried out.
        ///
        /// `memory_object_lock_completed`, id 2206.
        fn lock_completed(
            &mut self,
            call: &mut crate::Call,
            request: LockCompleted<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A supply with a reply port was taken, or where it stopped.
        ///
        /// `memory_object_supply_completed`, id 2207.
        fn supply_completed(
            &mut self,
            call: &mut crate::Call,
            request: SupplyCompleted<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Page contents go back to the pager.
        ///
        /// `memory_object_data_return`, id 2208.
        fn data_return(
            &mut self,
            call: &mut crate::Call,
            request: DataReturn<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Everything returned before must be durable; answered by memory_object_synchronize_completed (OSF).
        ///
        /// `memory_object_synchronize`, id 2210.
        fn synchronize(
            &mut self,
            call: &mut crate::Call,
            request: Synchronize<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Size, permitted access and state; ours, for a library that wants to map the whole of an object.
        ///
        /// `memory_object_info`, id 2290.
        fn info(
            &mut self,
            call: &mut crate::Call,
            request: Info,
        ) -> Result<InfoReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: MemoryObject> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2200 => {
                    let request = <Init<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.init(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2201 => {
                    let request = <Terminate<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.terminate(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2203 => {
                    let request = <DataRequest<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_request(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2204 => {
                    let request = <DataUnlock<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_unlock(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2206 => {
                    let request = <LockCompleted<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.lock_completed(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2207 => {
                    let request = <SupplyCompleted<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.supply_completed(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2208 => {
                    let request = <DataReturn<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_return(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2210 => {
                    let request = <Synchronize<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.synchronize(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2290 => {
                    let request = <Info as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.info(call, request).map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MemoryObjectAsync {
        /// The first mapping on this kernel. Answered by memory_object_ready.
        ///
        /// `memory_object_init`, id 2200.
        fn init(
            &self,
            call: &mut crate::Call,
            request: Init<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The last mapping is gone. The control port dies after it.
        ///
        /// `memory_object_terminate`, id 2201.
        fn terminate(
            &self,
            call: &mut crate::Call,
            request: Terminate<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Pages are missing: exactly one of supply, unavailable, error for each.
        ///
        /// `memory_object_data_request`, id 2203.
        fn data_request(
            &self,
            call: &mut crate::Call,
            request: DataRequest<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A resident page's lock forbids the access that is wanted.
        ///
        /// `memory_object_data_unlock`, id 2204.
        fn data_unlock(
            &self,
            call: &mut crate::Call,
            request: DataUnlock<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A lock request is carried out.
        ///
        /// `memory_object_lock_completed`, id 2206.
        fn lock_completed(
            &self,
            call: &mut crate::Call,
            request: LockCompleted<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A supply with a reply port was taken, or where it stopped.
        ///
        /// `memory_object_supply_completed`, id 2207.
        fn supply_completed(
            &self,
            call: &mut crate::Call,
            request: SupplyCompleted<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Page contents go back to the pager.
        ///
        /// `memory_object_data_return`, id 2208.
        fn data_return(
            &self,
            call: &mut crate::Call,
            request: DataReturn<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Everything returned before must be durable; answered by memory_object_synchronize_completed (OSF).
        ///
        /// `memory_object_synchronize`, id 2210.
        fn synchronize(
            &self,
            call: &mut crate::Call,
            request: Synchronize<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Size, permitted access and state; ours, for a library that wants to map the whole of an object.
        ///
        /// `memory_object_info`, id 2290.
        fn info(
            &self,
            call: &mut crate::Call,
            request: Info,
        ) -> impl Future<Output = Result<InfoReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: MemoryObjectAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2200 => {
                    let request = <Init<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.init(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2201 => {
                    let request = <Terminate<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.terminate(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2203 => {
                    let request = <DataRequest<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_request(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2204 => {
                    let request = <DataUnlock<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_unlock(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2206 => {
                    let request = <LockCompleted<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.lock_completed(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2207 => {
                    let request = <SupplyCompleted<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.supply_completed(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2208 => {
                    let request = <DataReturn<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_return(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2210 => {
                    let request = <Synchronize<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.synchronize(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2290 => {
                    let request = <Info as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.info(call, request).await.map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What a pager tells a kernel; sent to the memory control port that memory_object_init gave. mach-api §3.3.
pub mod memory_object_control {
    #[allow(unused_imports)]
    use ::proto::iface::memory_object_control::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Pages cannot be had but are known to be zero: no byte travels.
        ///
        /// `memory_object_data_unavailable`, id 2039.
        pub fn data_unavailable(
            &self,
            offset: u64,
            size: u64,
            lock_value: u32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    DataUnavailable {
                        offset: offset,
                        size: size,
                        lock_value: lock_value,
                    },
                )
                .send(&self.task)
        }
        /// The kernel forgets the object.
        ///
        /// `memory_object_destroy`, id 2092.
        pub fn destroy(&self, reason: i32) -> Result<(), crate::SendError> {
            crate::Outgoing::request(self.to.destination(), Destroy { reason: reason })
                .send(&self.task)
        }
        /// Take pages back, demote them, or grant more access.
        ///
        /// `memory_object_lock_request`, id 2044.
        pub fn lock_request(
            &self,
            offset: u64,
            size: u64,
            should_return: u32,
            should_flush: bool,
            lock_value: u32,
            reply_to: impl Into<crate::Right>,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    LockRequest {
                        offset: offset,
                        size: size,
                        should_return: should_return,
                        should_flush: should_flush,
                        lock_value: lock_value,
                        reply_to: reply_to.into(),
                    },
                )
                .send(&self.task)
        }
        /// Pages cannot be had: those who wait get a memory error.
        ///
        /// `memory_object_data_error`, id 2090.
        pub fn data_error(
            &self,
            offset: u64,
            size: u64,
            error_value: i32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    DataError {
                        offset: offset,
                        size: size,
                        error_value: error_value,
                    },
                )
                .send(&self.task)
        }
        /// Page contents; lock_value is the access that is prohibited.
        ///
        /// `memory_object_data_supply`, id 2093.
        pub fn data_supply(
            &self,
            offset: u64,
            data: impl Into<::proto::Payload>,
            lock_value: u32,
            precious: bool,
            reply_to: impl Into<crate::Right>,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    DataSupply {
                        offset: offset,
                        data: data.into(),
                        lock_value: lock_value,
                        precious: precious,
                        reply_to: reply_to.into(),
                    },
                )
                .send(&self.task)
        }
        /// The object may be used.
        ///
        /// `memory_object_ready`, id 2094.
        pub fn ready(
            &self,
            may_cache: bool,
            copy_strategy: u32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    Ready {
                        may_cache: may_cache,
                        copy_strategy: copy_strategy,
                    },
                )
                .send(&self.task)
        }
        /// Answer to memory_object_synchronize: what was returned before it is durable, or result says why not (OSF).
        ///
        /// `memory_object_synchronize_completed`, id 2096.
        pub fn synchronize_completed(
            &self,
            offset: u64,
            length: u64,
            result: i32,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    SynchronizeCompleted {
                        offset: offset,
                        length: length,
                        result: result,
                    },
                )
                .send(&self.task)
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MemoryObjectControl {
        /// Pages cannot be had but are known to be zero: no byte travels.
        ///
        /// `memory_object_data_unavailable`, id 2039.
        fn data_unavailable(
            &mut self,
            call: &mut crate::Call,
            request: DataUnavailable,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The kernel forgets the object.
        ///
        /// `memory_object_destroy`, id 2092.
        fn destroy(
            &mut self,
            call: &mut crate::Call,
            request: Destroy,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Take pages back, demote them, or grant more access.
        ///
        /// `memory_object_lock_request`, id 2044.
        fn lock_request(
            &mut self,
            call: &mut crate::Call,
            request: LockRequest<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Pages cannot be had: those who wait get a memory error.
        ///
        /// `memory_object_data_error`, id 2090.
        fn data_error(
            &mut self,
            call: &mut crate::Call,
            request: DataError,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Page contents; lock_value is the access that is prohibited.
        ///
        /// `memory_object_data_supply`, id 2093.
        fn data_supply(
            &mut self,
            call: &mut crate::Call,
            request: DataSupply<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The object may be used.
        ///
        /// `memory_object_ready`, id 2094.
        fn ready(
            &mut self,
            call: &mut crate::Call,
            request: Ready,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Answer to memory_object_synchronize: what was returned before it is durable, or result says why not (OSF).
        ///
        /// `memory_object_synchronize_completed`, id 2096.
        fn synchronize_completed(
            &mut self,
            call: &mut crate::Call,
            request: SynchronizeCompleted,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: MemoryObjectControl> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2039 => {
                    let request = <DataUnavailable as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_unavailable(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2092 => {
                    let request = <Destroy as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.destroy(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2044 => {
                    let request = <LockRequest<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.lock_request(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2090 => {
                    let request = <DataError as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_error(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2093 => {
                    let request = <DataSupply<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_supply(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2094 => {
                    let request = <Ready as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.ready(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                2096 => {
                    let request = <SynchronizeCompleted as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.synchronize_completed(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MemoryObjectControlAsync {
        /// Pages cannot be had but are known to be zero: no byte travels.
        ///
        /// `memory_object_data_unavailable`, id 2039.
        fn data_unavailable(
            &self,
            call: &mut crate::Call,
            request: DataUnavailable,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The kernel forgets the object.
        ///
        /// `memory_object_destroy`, id 2092.
        fn destroy(
            &self,
            call: &mut crate::Call,
            request: Destroy,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Take pages back, demote them, or grant more access.
        ///
        /// `memory_object_lock_request`, id 2044.
        fn lock_request(
            &self,
            call: &mut crate::Call,
            request: LockRequest<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Pages cannot be had: those who wait get a memory error.
        ///
        /// `memory_object_data_error`, id 2090.
        fn data_error(
            &self,
            call: &mut crate::Call,
            request: DataError,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Page contents; lock_value is the access that is prohibited.
        ///
        /// `memory_object_data_supply`, id 2093.
        fn data_supply(
            &self,
            call: &mut crate::Call,
            request: DataSupply<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The object may be used.
        ///
        /// `memory_object_ready`, id 2094.
        fn ready(
            &self,
            call: &mut crate::Call,
            request: Ready,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Answer to memory_object_synchronize: what was returned before it is durable, or result says why not (OSF).
        ///
        /// `memory_object_synchronize_completed`, id 2096.
        fn synchronize_completed(
            &self,
            call: &mut crate::Call,
            request: SynchronizeCompleted,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: MemoryObjectControlAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2039 => {
                    let request = <DataUnavailable as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_unavailable(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2092 => {
                    let request = <Destroy as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.destroy(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2044 => {
                    let request = <LockRequest<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.lock_request(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2090 => {
                    let request = <DataError as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_error(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2093 => {
                    let request = <DataSupply<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.data_supply(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2094 => {
                    let request = <Ready as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.ready(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                2096 => {
                    let request = <SynchronizeCompleted as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.synchronize_completed(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What a kernel asks of the default pager beyond what it asks of every pager. Names and order: mach-api §3.2.
pub mod memory_object_default {
    #[allow(unused_imports)]
    use ::proto::iface::memory_object_default::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Anonymous memory gets a pager: the new object's receive right comes with it. It is ready without saying so.
        ///
        /// `memory_object_create`, id 2250.
        pub fn create(
            &self,
            new_memory_object: impl Into<crate::Right>,
            new_object_size: u64,
            new_control_port: impl Into<crate::Right>,
            new_name: impl Into<crate::Right>,
            new_page_size: u64,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    Create {
                        new_memory_object: new_memory_object.into(),
                        new_object_size: new_object_size,
                        new_control_port: new_control_port.into(),
                        new_name: new_name.into(),
                        new_page_size: new_page_size,
                    },
                )
                .send(&self.task)
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MemoryObjectDefault {
        /// Anonymous memory gets a pager: the new object's receive right comes with it. It is ready without saying so.
        ///
        /// `memory_object_create`, id 2250.
        fn create(
            &mut self,
            call: &mut crate::Call,
            request: Create<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: MemoryObjectDefault> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2250 => {
                    let request = <Create<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.create(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MemoryObjectDefaultAsync {
        /// Anonymous memory gets a pager: the new object's receive right comes with it. It is ready without saying so.
        ///
        /// `memory_object_create`, id 2250.
        fn create(
            &self,
            call: &mut crate::Call,
            request: Create<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: MemoryObjectDefaultAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2250 => {
                    let request = <Create<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.create(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// The network name service; sent to the name server port of a node. mach-api §5.2.
pub mod netname {
    #[allow(unused_imports)]
    use ::proto::iface::netname::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Binds a name to a port on this node; the same signature may replace it.
        ///
        /// `netname_check_in`, id 1040.
        pub fn check_in(
            &self,
            port_name: impl Into<String>,
            signature: impl Into<crate::Right>,
            port_id: impl Into<crate::Right>,
        ) -> crate::Invocation<CheckIn<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                CheckIn {
                    port_name: port_name.into(),
                    signature: signature.into(),
                    port_id: port_id.into(),
                },
            )
        }
        /// host "" is this node, "*" any node (the first that answers), else a node's name.
        ///
        /// `netname_look_up`, id 1041.
        pub fn look_up(
            &self,
            host_name: impl Into<String>,
            port_name: impl Into<String>,
        ) -> crate::Invocation<LookUp> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                LookUp {
                    host_name: host_name.into(),
                    port_name: port_name.into(),
                },
            )
        }
        /// Unbinds a name, given its signature.
        ///
        /// `netname_check_out`, id 1042.
        pub fn check_out(
            &self,
            port_name: impl Into<String>,
            signature: impl Into<crate::Right>,
        ) -> crate::Invocation<CheckOut<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                CheckOut {
                    port_name: port_name.into(),
                    signature: signature.into(),
                },
            )
        }
        /// What server this is.
        ///
        /// `netname_version`, id 1043.
        pub fn version(&self) -> crate::Invocation<Version> {
            crate::Invocation::new(&self.task, &self.to, Version)
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait Netname {
        /// Binds a name to a port on this node; the same signature may replace it.
        ///
        /// `netname_check_in`, id 1040.
        fn check_in(
            &mut self,
            call: &mut crate::Call,
            request: CheckIn<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// host "" is this node, "*" any node (the first that answers), else a node's name.
        ///
        /// `netname_look_up`, id 1041.
        fn look_up(
            &mut self,
            call: &mut crate::Call,
            request: LookUp,
        ) -> Result<LookUpReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Unbinds a name, given its signature.
        ///
        /// `netname_check_out`, id 1042.
        fn check_out(
            &mut self,
            call: &mut crate::Call,
            request: CheckOut<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// What server this is.
        ///
        /// `netname_version`, id 1043.
        fn version(
            &mut self,
            call: &mut crate::Call,
            request: Version,
        ) -> Result<VersionReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: Netname> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                1040 => {
                    let request = <CheckIn<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.check_in(call, request).map(::proto::msg::Reply::into_body)
                }
                1041 => {
                    let request = <LookUp as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.look_up(call, request).map(::proto::msg::Reply::into_body)
                }
                1042 => {
                    let request = <CheckOut<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.check_out(call, request).map(::proto::msg::Reply::into_body)
                }
                1043 => {
                    let request = <Version as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.version(call, request).map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait NetnameAsync {
        /// Binds a name to a port on this node; the same signature may replace it.
        ///
        /// `netname_check_in`, id 1040.
        fn check_in(
            &self,
            call: &mut crate::Call,
            request: CheckIn<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// host "" is this node, "*" any node (the first that answers), else a node's name.
        ///
        /// `netname_look_up`, id 1041.
        fn look_up(
            &self,
            call: &mut crate::Call,
            request: LookUp,
        ) -> impl Future<
            Output = Result<LookUpReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Unbinds a name, given its signature.
        ///
        /// `netname_check_out`, id 1042.
        fn check_out(
            &self,
            call: &mut crate::Call,
            request: CheckOut<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// What server this is.
        ///
        /// `netname_version`, id 1043.
        fn version(
            &self,
            call: &mut crate::Call,
            request: Version,
        ) -> impl Future<Output = Result<VersionReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: NetnameAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                1040 => {
                    let request = <CheckIn<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .check_in(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                1041 => {
                    let request = <LookUp as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .look_up(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                1042 => {
                    let request = <CheckOut<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .check_out(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                1043 => {
                    let request = <Version as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .version(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What an operator asks of a node; sent to its host port, from this machine or another. Ours: Mach has no such interface.
pub mod node {
    #[allow(unused_imports)]
    use ::proto::iface::node::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Name, incarnation, address, uptime, memory and the userfaultfd mode.
        ///
        /// `node_info`, id 9000.
        pub fn info(&self) -> crate::Invocation<Info> {
            crate::Invocation::new(&self.task, &self.to, Info)
        }
        /// The nodes of the cluster as this one sees them.
        ///
        /// `node_members`, id 9001.
        pub fn members(&self) -> crate::Invocation<Members> {
            crate::Invocation::new(&self.task, &self.to, Members)
        }
        /// Serves a file of this node's machine as a memory object and checks its name in.
        ///
        /// `node_export`, id 9002.
        pub fn export(
            &self,
            path: impl Into<String>,
            name: impl Into<String>,
            writable: bool,
        ) -> crate::Invocation<Export> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                Export {
                    path: path.into(),
                    name: name.into(),
                    writable: writable,
                },
            )
        }
        /// The memory objects that this node exports or caches.
        ///
        /// `node_objects`, id 9003.
        pub fn objects(&self) -> crate::Invocation<Objects> {
            crate::Invocation::new(&self.task, &self.to, Objects)
        }
        /// Ends an export, once all that was written is in its file: its port dies, mappers get memory errors for pages they lack.
        /// KERN_RESOURCE_SHORTAGE is the answer, and it goes on, if pages of it could not be written.
        ///
        /// `node_object_remove`, id 9004.
        pub fn object_remove(
            &self,
            name: impl Into<String>,
        ) -> crate::Invocation<ObjectRemove> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                ObjectRemove { name: name.into() },
            )
        }
        /// The ports of this node.
        ///
        /// `node_ports`, id 9005.
        pub fn ports(&self) -> crate::Invocation<Ports> {
            crate::Invocation::new(&self.task, &self.to, Ports)
        }
        /// The tasks of this node.
        ///
        /// `node_tasks`, id 9006.
        pub fn tasks(&self) -> crate::Invocation<Tasks> {
            crate::Invocation::new(&self.task, &self.to, Tasks)
        }
        /// Counters and histograms, in the Prometheus text format.
        ///
        /// `node_metrics`, id 9007.
        pub fn metrics(&self) -> crate::Invocation<Metrics> {
            crate::Invocation::new(&self.task, &self.to, Metrics)
        }
        /// A task record waiting for its process: whoever attaches with the token becomes it, with this bootstrap port.
        ///
        /// `node_task_prepare`, id 9008.
        pub fn task_prepare(
            &self,
            bootstrap: impl Into<crate::Right>,
        ) -> crate::Invocation<TaskPrepare<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                TaskPrepare {
                    bootstrap: bootstrap.into(),
                },
            )
        }
        /// Ends the node in order: exports are flushed, peers are told, tasks are killed.
        ///
        /// `node_shutdown`, id 9009.
        pub fn shutdown(&self) -> crate::Invocation<Shutdown> {
            crate::Invocation::new(&self.task, &self.to, Shutdown)
        }
        /// The names of one task, and what each denotes.
        ///
        /// `node_names`, id 9010.
        pub fn names(&self, task: u32) -> crate::Invocation<Names> {
            crate::Invocation::new(&self.task, &self.to, Names { task: task })
        }
        /// One port: rights, queue, who waits, what was asked for, and who holds rights to it.
        ///
        /// `node_port`, id 9011.
        pub fn port(
            &self,
            uid_origin: u64,
            uid_serial: u64,
            right: impl Into<crate::Right>,
        ) -> crate::Invocation<Port<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                Port {
                    uid_origin: uid_origin,
                    uid_serial: uid_serial,
                    right: right.into(),
                },
            )
        }
        /// What a task has mapped, from an address on, and how much of it is here.
        ///
        /// `node_regions`, id 9012.
        pub fn regions(
            &self,
            task: u32,
            address: u64,
            cell_pages: u64,
        ) -> crate::Invocation<Regions> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                Regions {
                    task: task,
                    address: address,
                    cell_pages: cell_pages,
                },
            )
        }
        /// What a process says to become a task that has none yet, such as task_create makes.
        ///
        /// `node_task_token`, id 9013.
        pub fn task_token(
            &self,
            task: impl Into<crate::Right>,
        ) -> crate::Invocation<TaskToken<crate::Right>> {
            crate::Invocation::new(&self.task, &self.to, TaskToken { task: task.into() })
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait Node {
        /// Name, incarnation, address, uptime, memory and the userfaultfd mode.
        ///
        /// `node_info`, id 9000.
        fn info(
            &mut self,
            call: &mut crate::Call,
            request: Info,
        ) -> Result<InfoReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The nodes of the cluster as this one sees them.
        ///
        /// `node_members`, id 9001.
        fn members(
            &mut self,
            call: &mut crate::Call,
            request: Members,
        ) -> Result<MembersReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Serves a file of this node's machine as a memory object and checks its name in.
        ///
        /// `node_export`, id 9002.
        fn export(
            &mut self,
            call: &mut crate::Call,
            request: Export,
        ) -> Result<ExportReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The memory objects that this node exports or caches.
        ///
        /// `node_objects`, id 9003.
        fn objects(
            &mut self,
            call: &mut crate::Call,
            request: Objects,
        ) -> Result<ObjectsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Ends an export, once all that was written is in its file: its port dies, mappers get memory errors for pages they lack.
        /// KERN_RESOURCE_SHORTAGE is the answer, and it goes on, if pages of it could not be written.
        ///
        /// `node_object_remove`, id 9004.
        fn object_remove(
            &mut self,
            call: &mut crate::Call,
            request: ObjectRemove,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The ports of this node.
        ///
        /// `node_ports`, id 9005.
        fn ports(
            &mut self,
            call: &mut crate::Call,
            request: Ports,
        ) -> Result<PortsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The tasks of this node.
        ///
        /// `node_tasks`, id 9006.
        fn tasks(
            &mut self,
            call: &mut crate::Call,
            request: Tasks,
        ) -> Result<TasksReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Counters and histograms, in the Prometheus text format.
        ///
        /// `node_metrics`, id 9007.
        fn metrics(
            &mut self,
            call: &mut crate::Call,
            request: Metrics,
        ) -> Result<MetricsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A task record waiting for its process: whoever attaches with the token becomes it, with this bootstrap port.
        ///
        /// `node_task_prepare`, id 9008.
        fn task_prepare(
            &mut self,
            call: &mut crate::Call,
            request: TaskPrepare<crate::Right>,
        ) -> Result<TaskPrepareReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Ends the node in order: exports are flushed, peers are told, tasks are killed.
        ///
        /// `node_shutdown`, id 9009.
        fn shutdown(
            &mut self,
            call: &mut crate::Call,
            request: Shutdown,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The names of one task, and what each denotes.
        ///
        /// `node_names`, id 9010.
        fn names(
            &mut self,
            call: &mut crate::Call,
            request: Names,
        ) -> Result<NamesReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// One port: rights, queue, who waits, what was asked for, and who holds rights to it.
        ///
        /// `node_port`, id 9011.
        fn port(
            &mut self,
            call: &mut crate::Call,
            request: Port<crate::Right>,
        ) -> Result<PortReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// What a task has mapped, from an address on, and how much of it is here.
        ///
        /// `node_regions`, id 9012.
        fn regions(
            &mut self,
            call: &mut crate::Call,
            request: Regions,
        ) -> Result<RegionsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// What a process says to become a task that has none yet, such as task_create makes.
        ///
        /// `node_task_token`, id 9013.
        fn task_token(
            &mut self,
            call: &mut crate::Call,
            request: TaskToken<crate::Right>,
        ) -> Result<TaskTokenReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: Node> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                9000 => {
                    let request = <Info as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.info(call, request).map(::proto::msg::Reply::into_body)
                }
                9001 => {
                    let request = <Members as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.members(call, request).map(::proto::msg::Reply::into_body)
                }
                9002 => {
                    let request = <Export as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.export(call, request).map(::proto::msg::Reply::into_body)
                }
                9003 => {
                    let request = <Objects as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.objects(call, request).map(::proto::msg::Reply::into_body)
                }
                9004 => {
                    let request = <ObjectRemove as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .object_remove(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                9005 => {
                    let request = <Ports as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.ports(call, request).map(::proto::msg::Reply::into_body)
                }
                9006 => {
                    let request = <Tasks as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.tasks(call, request).map(::proto::msg::Reply::into_body)
                }
                9007 => {
                    let request = <Metrics as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.metrics(call, request).map(::proto::msg::Reply::into_body)
                }
                9008 => {
                    let request = <TaskPrepare<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_prepare(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                9009 => {
                    let request = <Shutdown as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.shutdown(call, request).map(::proto::msg::Reply::into_body)
                }
                9010 => {
                    let request = <Names as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.names(call, request).map(::proto::msg::Reply::into_body)
                }
                9011 => {
                    let request = <Port<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.port(call, request).map(::proto::msg::Reply::into_body)
                }
                9012 => {
                    let request = <Regions as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.regions(call, request).map(::proto::msg::Reply::into_body)
                }
                9013 => {
                    let request = <TaskToken<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.task_token(call, request).map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait NodeAsync {
        /// Name, incarnation, address, uptime, memory and the userfaultfd mode.
        ///
        /// `node_info`, id 9000.
        fn info(
            &self,
            call: &mut crate::Call,
            request: Info,
        ) -> impl Future<Output = Result<InfoReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The nodes of the cluster as this one sees them.
        ///
        /// `node_members`, id 9001.
        fn members(
            &self,
            call: &mut crate::Call,
            request: Members,
        ) -> impl Future<Output = Result<MembersReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Serves a file of this node's machine as a memory object and checks its name in.
        ///
        /// `node_export`, id 9002.
        fn export(
            &self,
            call: &mut crate::Call,
            request: Export,
        ) -> impl Future<
            Output = Result<ExportReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The memory objects that this node exports or caches.
        ///
        /// `node_objects`, id 9003.
        fn objects(
            &self,
            call: &mut crate::Call,
            request: Objects,
        ) -> impl Future<Output = Result<ObjectsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Ends an export, once all that was written is in its file: its port dies, mappers get memory errors for pages they lack.
        /// KERN_RESOURCE_SHORTAGE is the answer, and it goes on, if pages of it could not be written.
        ///
        /// `node_object_remove`, id 9004.
        fn object_remove(
            &self,
            call: &mut crate::Call,
            request: ObjectRemove,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The ports of this node.
        ///
        /// `node_ports`, id 9005.
        fn ports(
            &self,
            call: &mut crate::Call,
            request: Ports,
        ) -> impl Future<Output = Result<PortsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The tasks of this node.
        ///
        /// `node_tasks`, id 9006.
        fn tasks(
            &self,
            call: &mut crate::Call,
            request: Tasks,
        ) -> impl Future<Output = Result<TasksReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Counters and histograms, in the Prometheus text format.
        ///
        /// `node_metrics`, id 9007.
        fn metrics(
            &self,
            call: &mut crate::Call,
            request: Metrics,
        ) -> impl Future<Output = Result<MetricsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A task record waiting for its process: whoever attaches with the token becomes it, with this bootstrap port.
        ///
        /// `node_task_prepare`, id 9008.
        fn task_prepare(
            &self,
            call: &mut crate::Call,
            request: TaskPrepare<crate::Right>,
        ) -> impl Future<
            Output = Result<TaskPrepareReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Ends the node in order: exports are flushed, peers are told, tasks are killed.
        ///
        /// `node_shutdown`, id 9009.
        fn shutdown(
            &self,
            call: &mut crate::Call,
            request: Shutdown,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The names of one task, and what each denotes.
        ///
        /// `node_names`, id 9010.
        fn names(
            &self,
            call: &mut crate::Call,
            request: Names,
        ) -> impl Future<Output = Result<NamesReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// One port: rights, queue, who waits, what was asked for, and who holds rights to it.
        ///
        /// `node_port`, id 9011.
        fn port(
            &self,
            call: &mut crate::Call,
            request: Port<crate::Right>,
        ) -> impl Future<Output = Result<PortReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// What a task has mapped, from an address on, and how much of it is here.
        ///
        /// `node_regions`, id 9012.
        fn regions(
            &self,
            call: &mut crate::Call,
            request: Regions,
        ) -> impl Future<Output = Result<RegionsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// What a process says to become a task that has none yet, such as task_create makes.
        ///
        /// `node_task_token`, id 9013.
        fn task_token(
            &self,
            call: &mut crate::Call,
            request: TaskToken<crate::Right>,
        ) -> impl Future<Output = Result<TaskTokenReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: NodeAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                9000 => {
                    let request = <Info as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.info(call, request).await.map(::proto::msg::Reply::into_body)
                }
                9001 => {
                    let request = <Members as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .members(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9002 => {
                    let request = <Export as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .export(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9003 => {
                    let request = <Objects as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .objects(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9004 => {
                    let request = <ObjectRemove as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .object_remove(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9005 => {
                    let request = <Ports as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.ports(call, request).await.map(::proto::msg::Reply::into_body)
                }
                9006 => {
                    let request = <Tasks as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.tasks(call, request).await.map(::proto::msg::Reply::into_body)
                }
                9007 => {
                    let request = <Metrics as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .metrics(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9008 => {
                    let request = <TaskPrepare<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_prepare(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9009 => {
                    let request = <Shutdown as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .shutdown(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9010 => {
                    let request = <Names as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.names(call, request).await.map(::proto::msg::Reply::into_body)
                }
                9011 => {
                    let request = <Port<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.port(call, request).await.map(::proto::msg::Reply::into_body)
                }
                9012 => {
                    let request = <Regions as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .regions(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                9013 => {
                    let request = <TaskToken<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_token(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// What the kernel tells the holder of a notification request; sent to a send-once right.
pub mod notify {
    #[allow(unused_imports)]
    use ::proto::iface::notify::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// A name with an armed dead-name request was freed by its holder.
        ///
        /// `mach_notify_port_deleted`, id 65.
        pub fn port_deleted(&self, name: u32) -> Result<(), crate::SendError> {
            crate::Outgoing::request(self.to.destination(), PortDeleted { name: name })
                .send(&self.task)
        }
        /// A message that was forced into a full queue through the name has left it.
        ///
        /// `mach_notify_msg_accepted`, id 66.
        pub fn msg_accepted(&self, name: u32) -> Result<(), crate::SendError> {
            crate::Outgoing::request(self.to.destination(), MsgAccepted { name: name })
                .send(&self.task)
        }
        /// A receive right that would have been destroyed comes back.
        ///
        /// `mach_notify_port_destroyed`, id 69.
        pub fn port_destroyed(
            &self,
            rights: impl Into<crate::Right>,
        ) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    PortDestroyed {
                        rights: rights.into(),
                    },
                )
                .send(&self.task)
        }
        /// The last send right is gone.
        ///
        /// `mach_notify_no_senders`, id 70.
        pub fn no_senders(&self, mscount: u32) -> Result<(), crate::SendError> {
            crate::Outgoing::request(
                    self.to.destination(),
                    NoSenders { mscount: mscount },
                )
                .send(&self.task)
        }
        /// A send-once right died without being used.
        ///
        /// `mach_notify_send_once`, id 71.
        pub fn send_once(&self) -> Result<(), crate::SendError> {
            crate::Outgoing::request(self.to.destination(), SendOnce).send(&self.task)
        }
        /// The port behind a name died; the name gained a reference that belongs to this notification.
        ///
        /// `mach_notify_dead_name`, id 72.
        pub fn dead_name(&self, name: u32) -> Result<(), crate::SendError> {
            crate::Outgoing::request(self.to.destination(), DeadName { name: name })
                .send(&self.task)
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait Notify {
        /// A name with an armed dead-name request was freed by its holder.
        ///
        /// `mach_notify_port_deleted`, id 65.
        fn port_deleted(
            &mut self,
            call: &mut crate::Call,
            request: PortDeleted,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A message that was forced into a full queue through the name has left it.
        ///
        /// `mach_notify_msg_accepted`, id 66.
        fn msg_accepted(
            &mut self,
            call: &mut crate::Call,
            request: MsgAccepted,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A receive right that would have been destroyed comes back.
        ///
        /// `mach_notify_port_destroyed`, id 69.
        fn port_destroyed(
            &mut self,
            call: &mut crate::Call,
            request: PortDestroyed<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The last send right is gone.
        ///
        /// `mach_notify_no_senders`, id 70.
        fn no_senders(
            &mut self,
            call: &mut crate::Call,
            request: NoSenders,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A send-once right died without being used.
        ///
        /// `mach_notify_send_once`, id 71.
        fn send_once(
            &mut self,
            call: &mut crate::Call,
            request: SendOnce,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The port behind a name died; the name gained a reference that belongs to this notification.
        ///
        /// `mach_notify_dead_name`, id 72.
        fn dead_name(
            &mut self,
            call: &mut crate::Call,
            request: DeadName,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: Notify> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                65 => {
                    let request = <PortDeleted as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.port_deleted(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                66 => {
                    let request = <MsgAccepted as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.msg_accepted(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                69 => {
                    let request = <PortDestroyed<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.port_destroyed(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                70 => {
                    let request = <NoSenders as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.no_senders(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                71 => {
                    let request = <SendOnce as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.send_once(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                72 => {
                    let request = <DeadName as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.dead_name(call, request)?;
                    Err(crate::Code::NO_REPLY)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait NotifyAsync {
        /// A name with an armed dead-name request was freed by its holder.
        ///
        /// `mach_notify_port_deleted`, id 65.
        fn port_deleted(
            &self,
            call: &mut crate::Call,
            request: PortDeleted,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A message that was forced into a full queue through the name has left it.
        ///
        /// `mach_notify_msg_accepted`, id 66.
        fn msg_accepted(
            &self,
            call: &mut crate::Call,
            request: MsgAccepted,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A receive right that would have been destroyed comes back.
        ///
        /// `mach_notify_port_destroyed`, id 69.
        fn port_destroyed(
            &self,
            call: &mut crate::Call,
            request: PortDestroyed<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The last send right is gone.
        ///
        /// `mach_notify_no_senders`, id 70.
        fn no_senders(
            &self,
            call: &mut crate::Call,
            request: NoSenders,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A send-once right died without being used.
        ///
        /// `mach_notify_send_once`, id 71.
        fn send_once(
            &self,
            call: &mut crate::Call,
            request: SendOnce,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The port behind a name died; the name gained a reference that belongs to this notification.
        ///
        /// `mach_notify_dead_name`, id 72.
        fn dead_name(
            &self,
            call: &mut crate::Call,
            request: DeadName,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: NotifyAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                65 => {
                    let request = <PortDeleted as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.port_deleted(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                66 => {
                    let request = <MsgAccepted as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.msg_accepted(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                69 => {
                    let request = <PortDestroyed<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.port_destroyed(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                70 => {
                    let request = <NoSenders as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.no_senders(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                71 => {
                    let request = <SendOnce as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.send_once(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                72 => {
                    let request = <DeadName as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.dead_name(call, request).await?;
                    Err(crate::Code::NO_REPLY)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// Operations on a task and its memory; sent to a task port, the caller's own or another's. mach-api §2.2, §4.1.
pub mod task {
    #[allow(unused_imports)]
    use ::proto::iface::task::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// A task without a process, with the bootstrap port of this one, and with what it inherits of its memory or with none.
        ///
        /// `task_create`, id 2007.
        pub fn task_create(
            &self,
            inherit_memory: bool,
        ) -> crate::Invocation<TaskCreate> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                TaskCreate {
                    inherit_memory: inherit_memory,
                },
            )
        }
        /// Ends the task: its process is killed, its space and memory go.
        ///
        /// `task_terminate`, id 2008.
        pub fn task_terminate(&self) -> crate::Invocation<TaskTerminate> {
            crate::Invocation::new(&self.task, &self.to, TaskTerminate)
        }
        /// A send right to the port of each thread.
        ///
        /// `task_threads`, id 2011.
        pub fn task_threads(&self) -> crate::Invocation<TaskThreads> {
            crate::Invocation::new(&self.task, &self.to, TaskThreads)
        }
        /// Zero-filled memory.
        ///
        /// `vm_allocate`, id 2021.
        pub fn vm_allocate(
            &self,
            address: u64,
            size: u64,
            anywhere: bool,
        ) -> crate::Invocation<VmAllocate> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmAllocate {
                    address: address,
                    size: size,
                    anywhere: anywhere,
                },
            )
        }
        /// Unmaps a range; holes are allowed.
        ///
        /// `vm_deallocate`, id 2023.
        pub fn vm_deallocate(
            &self,
            address: u64,
            size: u64,
        ) -> crate::Invocation<VmDeallocate> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmDeallocate {
                    address: address,
                    size: size,
                },
            )
        }
        /// Sets the current or the maximum protection of a range.
        ///
        /// `vm_protect`, id 2024.
        pub fn vm_protect(
            &self,
            address: u64,
            size: u64,
            set_maximum: bool,
            new_protection: u32,
        ) -> crate::Invocation<VmProtect> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmProtect {
                    address: address,
                    size: size,
                    set_maximum: set_maximum,
                    new_protection: new_protection,
                },
            )
        }
        /// Sets what a child would get of a range: 0 the same memory, 1 a copy, 2 nothing.
        ///
        /// `vm_inherit`, id 2025.
        pub fn vm_inherit(
            &self,
            address: u64,
            size: u64,
            new_inheritance: u32,
        ) -> crate::Invocation<VmInherit> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmInherit {
                    address: address,
                    size: size,
                    new_inheritance: new_inheritance,
                },
            )
        }
        /// A copy of a range.
        ///
        /// `vm_read`, id 2026.
        pub fn vm_read(&self, address: u64, size: u64) -> crate::Invocation<VmRead> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmRead {
                    address: address,
                    size: size,
                },
            )
        }
        /// Writes whole pages.
        ///
        /// `vm_write`, id 2027.
        pub fn vm_write(
            &self,
            address: u64,
            data: impl Into<::proto::Payload>,
        ) -> crate::Invocation<VmWrite> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmWrite {
                    address: address,
                    data: data.into(),
                },
            )
        }
        /// Writes a copy of a range over another of the same task.
        ///
        /// `vm_copy`, id 2028.
        pub fn vm_copy(
            &self,
            source_address: u64,
            size: u64,
            dest_address: u64,
        ) -> crate::Invocation<VmCopy> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmCopy {
                    source_address: source_address,
                    size: size,
                    dest_address: dest_address,
                },
            )
        }
        /// The region at or after an address.
        ///
        /// `vm_region`, id 2029.
        pub fn vm_region(&self, address: u64) -> crate::Invocation<VmRegion> {
            crate::Invocation::new(&self.task, &self.to, VmRegion { address: address })
        }
        /// Counts of the node's memory.
        ///
        /// `vm_statistics`, id 2030.
        pub fn vm_statistics(&self) -> crate::Invocation<VmStatistics> {
            crate::Invocation::new(&self.task, &self.to, VmStatistics)
        }
        /// Reads a special port: 1 kernel, 4 bootstrap.
        ///
        /// `task_get_special_port`, id 2058.
        pub fn task_get_special_port(
            &self,
            which: u32,
        ) -> crate::Invocation<TaskGetSpecialPort> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                TaskGetSpecialPort { which: which },
            )
        }
        /// Sets a special port: 4 bootstrap.
        ///
        /// `task_set_special_port`, id 2059.
        pub fn task_set_special_port(
            &self,
            which: u32,
            special: impl Into<crate::Right>,
        ) -> crate::Invocation<TaskSetSpecialPort<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                TaskSetSpecialPort {
                    which: which,
                    special: special.into(),
                },
            )
        }
        /// Maps a memory object.
        ///
        /// `vm_map`, id 2089.
        pub fn vm_map(
            &self,
            address: u64,
            size: u64,
            mask: u64,
            anywhere: bool,
            memory_object: impl Into<crate::Right>,
            offset: u64,
            copy: bool,
            cur_protection: u32,
            max_protection: u32,
            inheritance: u32,
        ) -> crate::Invocation<VmMap<crate::Right>> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmMap {
                    address: address,
                    size: size,
                    mask: mask,
                    anywhere: anywhere,
                    memory_object: memory_object.into(),
                    offset: offset,
                    copy: copy,
                    cur_protection: cur_protection,
                    max_protection: max_protection,
                    inheritance: inheritance,
                },
            )
        }
        /// Attributes of a range that depend on the machine: a PC has none.
        ///
        /// `vm_machine_attribute`, id 2099.
        pub fn vm_machine_attribute(
            &self,
            address: u64,
            size: u64,
            attribute: u32,
            value: i32,
        ) -> crate::Invocation<VmMachineAttribute> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmMachineAttribute {
                    address: address,
                    size: size,
                    attribute: attribute,
                    value: value,
                },
            )
        }
        /// Ours: everything that the task has mapped, as one item that can be mapped at the same addresses (`proto/src/space.rs`), and
        /// the memory objects that it shows.
        ///
        /// `vm_read_space`, id 2180.
        pub fn vm_read_space(&self) -> crate::Invocation<VmReadSpace> {
            crate::Invocation::new(&self.task, &self.to, VmReadSpace)
        }
        /// Ours: maps out-of-line memory as memory of the task, with the arguments of vm_map.
        ///
        /// `vm_map_memory`, id 2181.
        pub fn vm_map_memory(
            &self,
            address: u64,
            mask: u64,
            anywhere: bool,
            data: impl Into<::proto::Payload>,
            cur_protection: u32,
            max_protection: u32,
            inheritance: u32,
        ) -> crate::Invocation<VmMapMemory> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmMapMemory {
                    address: address,
                    mask: mask,
                    anywhere: anywhere,
                    data: data.into(),
                    cur_protection: cur_protection,
                    max_protection: max_protection,
                    inheritance: inheritance,
                },
            )
        }
        /// Returns dirty pages of a range to their pager and waits until they are durable.
        ///
        /// `vm_msync`, id 4209.
        pub fn vm_msync(
            &self,
            address: u64,
            size: u64,
            sync_flags: u32,
        ) -> crate::Invocation<VmMsync> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                VmMsync {
                    address: address,
                    size: size,
                    sync_flags: sync_flags,
                },
            )
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait Mach {
        /// A task without a process, with the bootstrap port of this one, and with what it inherits of its memory or with none.
        ///
        /// `task_create`, id 2007.
        fn task_create(
            &mut self,
            call: &mut crate::Call,
            request: TaskCreate,
        ) -> Result<TaskCreateReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Ends the task: its process is killed, its space and memory go.
        ///
        /// `task_terminate`, id 2008.
        fn task_terminate(
            &mut self,
            call: &mut crate::Call,
            request: TaskTerminate,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A send right to the port of each thread.
        ///
        /// `task_threads`, id 2011.
        fn task_threads(
            &mut self,
            call: &mut crate::Call,
            request: TaskThreads,
        ) -> Result<TaskThreadsReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Zero-filled memory.
        ///
        /// `vm_allocate`, id 2021.
        fn vm_allocate(
            &mut self,
            call: &mut crate::Call,
            request: VmAllocate,
        ) -> Result<VmAllocateReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Unmaps a range; holes are allowed.
        ///
        /// `vm_deallocate`, id 2023.
        fn vm_deallocate(
            &mut self,
            call: &mut crate::Call,
            request: VmDeallocate,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Sets the current or the maximum protection of a range.
        ///
        /// `vm_protect`, id 2024.
        fn vm_protect(
            &mut self,
            call: &mut crate::Call,
            request: VmProtect,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Sets what a child would get of a range: 0 the same memory, 1 a copy, 2 nothing.
        ///
        /// `vm_inherit`, id 2025.
        fn vm_inherit(
            &mut self,
            call: &mut crate::Call,
            request: VmInherit,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// A copy of a range.
        ///
        /// `vm_read`, id 2026.
        fn vm_read(
            &mut self,
            call: &mut crate::Call,
            request: VmRead,
        ) -> Result<VmReadReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Writes whole pages.
        ///
        /// `vm_write`, id 2027.
        fn vm_write(
            &mut self,
            call: &mut crate::Call,
            request: VmWrite,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Writes a copy of a range over another of the same task.
        ///
        /// `vm_copy`, id 2028.
        fn vm_copy(
            &mut self,
            call: &mut crate::Call,
            request: VmCopy,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// The region at or after an address.
        ///
        /// `vm_region`, id 2029.
        fn vm_region(
            &mut self,
            call: &mut crate::Call,
            request: VmRegion,
        ) -> Result<VmRegionReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Counts of the node's memory.
        ///
        /// `vm_statistics`, id 2030.
        fn vm_statistics(
            &mut self,
            call: &mut crate::Call,
            request: VmStatistics,
        ) -> Result<VmStatisticsReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Reads a special port: 1 kernel, 4 bootstrap.
        ///
        /// `task_get_special_port`, id 2058.
        fn task_get_special_port(
            &mut self,
            call: &mut crate::Call,
            request: TaskGetSpecialPort,
        ) -> Result<TaskGetSpecialPortReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Sets a special port: 4 bootstrap.
        ///
        /// `task_set_special_port`, id 2059.
        fn task_set_special_port(
            &mut self,
            call: &mut crate::Call,
            request: TaskSetSpecialPort<crate::Right>,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Maps a memory object.
        ///
        /// `vm_map`, id 2089.
        fn vm_map(
            &mut self,
            call: &mut crate::Call,
            request: VmMap<crate::Right>,
        ) -> Result<VmMapReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Attributes of a range that depend on the machine: a PC has none.
        ///
        /// `vm_machine_attribute`, id 2099.
        fn vm_machine_attribute(
            &mut self,
            call: &mut crate::Call,
            request: VmMachineAttribute,
        ) -> Result<VmMachineAttributeReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Ours: everything that the task has mapped, as one item that can be mapped at the same addresses (`proto/src/space.rs`), and
        /// the memory objects that it shows.
        ///
        /// `vm_read_space`, id 2180.
        fn vm_read_space(
            &mut self,
            call: &mut crate::Call,
            request: VmReadSpace,
        ) -> Result<VmReadSpaceReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Ours: maps out-of-line memory as memory of the task, with the arguments of vm_map.
        ///
        /// `vm_map_memory`, id 2181.
        fn vm_map_memory(
            &mut self,
            call: &mut crate::Call,
            request: VmMapMemory,
        ) -> Result<VmMapMemoryReply, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Returns dirty pages of a range to their pager and waits until they are durable.
        ///
        /// `vm_msync`, id 4209.
        fn vm_msync(
            &mut self,
            call: &mut crate::Call,
            request: VmMsync,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: Mach> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2007 => {
                    let request = <TaskCreate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.task_create(call, request).map(::proto::msg::Reply::into_body)
                }
                2008 => {
                    let request = <TaskTerminate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_terminate(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2011 => {
                    let request = <TaskThreads as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_threads(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2021 => {
                    let request = <VmAllocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_allocate(call, request).map(::proto::msg::Reply::into_body)
                }
                2023 => {
                    let request = <VmDeallocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_deallocate(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2024 => {
                    let request = <VmProtect as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_protect(call, request).map(::proto::msg::Reply::into_body)
                }
                2025 => {
                    let request = <VmInherit as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_inherit(call, request).map(::proto::msg::Reply::into_body)
                }
                2026 => {
                    let request = <VmRead as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_read(call, request).map(::proto::msg::Reply::into_body)
                }
                2027 => {
                    let request = <VmWrite as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_write(call, request).map(::proto::msg::Reply::into_body)
                }
                2028 => {
                    let request = <VmCopy as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_copy(call, request).map(::proto::msg::Reply::into_body)
                }
                2029 => {
                    let request = <VmRegion as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_region(call, request).map(::proto::msg::Reply::into_body)
                }
                2030 => {
                    let request = <VmStatistics as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_statistics(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2058 => {
                    let request = <TaskGetSpecialPort as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_get_special_port(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2059 => {
                    let request = <TaskSetSpecialPort<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_set_special_port(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2089 => {
                    let request = <VmMap<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_map(call, request).map(::proto::msg::Reply::into_body)
                }
                2099 => {
                    let request = <VmMachineAttribute as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_machine_attribute(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2180 => {
                    let request = <VmReadSpace as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_read_space(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                2181 => {
                    let request = <VmMapMemory as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_map_memory(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                4209 => {
                    let request = <VmMsync as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.vm_msync(call, request).map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait MachAsync {
        /// A task without a process, with the bootstrap port of this one, and with what it inherits of its memory or with none.
        ///
        /// `task_create`, id 2007.
        fn task_create(
            &self,
            call: &mut crate::Call,
            request: TaskCreate,
        ) -> impl Future<
            Output = Result<TaskCreateReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Ends the task: its process is killed, its space and memory go.
        ///
        /// `task_terminate`, id 2008.
        fn task_terminate(
            &self,
            call: &mut crate::Call,
            request: TaskTerminate,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A send right to the port of each thread.
        ///
        /// `task_threads`, id 2011.
        fn task_threads(
            &self,
            call: &mut crate::Call,
            request: TaskThreads,
        ) -> impl Future<
            Output = Result<TaskThreadsReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Zero-filled memory.
        ///
        /// `vm_allocate`, id 2021.
        fn vm_allocate(
            &self,
            call: &mut crate::Call,
            request: VmAllocate,
        ) -> impl Future<Output = Result<VmAllocateReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Unmaps a range; holes are allowed.
        ///
        /// `vm_deallocate`, id 2023.
        fn vm_deallocate(
            &self,
            call: &mut crate::Call,
            request: VmDeallocate,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Sets the current or the maximum protection of a range.
        ///
        /// `vm_protect`, id 2024.
        fn vm_protect(
            &self,
            call: &mut crate::Call,
            request: VmProtect,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Sets what a child would get of a range: 0 the same memory, 1 a copy, 2 nothing.
        ///
        /// `vm_inherit`, id 2025.
        fn vm_inherit(
            &self,
            call: &mut crate::Call,
            request: VmInherit,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// A copy of a range.
        ///
        /// `vm_read`, id 2026.
        fn vm_read(
            &self,
            call: &mut crate::Call,
            request: VmRead,
        ) -> impl Future<Output = Result<VmReadReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Writes whole pages.
        ///
        /// `vm_write`, id 2027.
        fn vm_write(
            &self,
            call: &mut crate::Call,
            request: VmWrite,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Writes a copy of a range over another of the same task.
        ///
        /// `vm_copy`, id 2028.
        fn vm_copy(
            &self,
            call: &mut crate::Call,
            request: VmCopy,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// The region at or after an address.
        ///
        /// `vm_region`, id 2029.
        fn vm_region(
            &self,
            call: &mut crate::Call,
            request: VmRegion,
        ) -> impl Future<
            Output = Result<VmRegionReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Counts of the node's memory.
        ///
        /// `vm_statistics`, id 2030.
        fn vm_statistics(
            &self,
            call: &mut crate::Call,
            request: VmStatistics,
        ) -> impl Future<Output = Result<VmStatisticsReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Reads a special port: 1 kernel, 4 bootstrap.
        ///
        /// `task_get_special_port`, id 2058.
        fn task_get_special_port(
            &self,
            call: &mut crate::Call,
            request: TaskGetSpecialPort,
        ) -> impl Future<
            Output = Result<TaskGetSpecialPortReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Sets a special port: 4 bootstrap.
        ///
        /// `task_set_special_port`, id 2059.
        fn task_set_special_port(
            &self,
            call: &mut crate::Call,
            request: TaskSetSpecialPort<crate::Right>,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Maps a memory object.
        ///
        /// `vm_map`, id 2089.
        fn vm_map(
            &self,
            call: &mut crate::Call,
            request: VmMap<crate::Right>,
        ) -> impl Future<Output = Result<VmMapReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Attributes of a range that depend on the machine: a PC has none.
        ///
        /// `vm_machine_attribute`, id 2099.
        fn vm_machine_attribute(
            &self,
            call: &mut crate::Call,
            request: VmMachineAttribute,
        ) -> impl Future<Output = Result<VmMachineAttributeReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Ours: everything that the task has mapped, as one item that can be mapped at the same addresses (`proto/src/space.rs`), and
        /// the memory objects that it shows.
        ///
        /// `vm_read_space`, id 2180.
        fn vm_read_space(
            &self,
            call: &mut crate::Call,
            request: VmReadSpace,
        ) -> impl Future<
            Output = Result<VmReadSpaceReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Ours: maps out-of-line memory as memory of the task, with the arguments of vm_map.
        ///
        /// `vm_map_memory`, id 2181.
        fn vm_map_memory(
            &self,
            call: &mut crate::Call,
            request: VmMapMemory,
        ) -> impl Future<Output = Result<VmMapMemoryReply, crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Returns dirty pages of a range to their pager and waits until they are durable.
        ///
        /// `vm_msync`, id 4209.
        fn vm_msync(
            &self,
            call: &mut crate::Call,
            request: VmMsync,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: MachAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2007 => {
                    let request = <TaskCreate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_create(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2008 => {
                    let request = <TaskTerminate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_terminate(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2011 => {
                    let request = <TaskThreads as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_threads(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2021 => {
                    let request = <VmAllocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_allocate(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2023 => {
                    let request = <VmDeallocate as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_deallocate(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2024 => {
                    let request = <VmProtect as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_protect(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2025 => {
                    let request = <VmInherit as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_inherit(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2026 => {
                    let request = <VmRead as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_read(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2027 => {
                    let request = <VmWrite as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_write(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2028 => {
                    let request = <VmCopy as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_copy(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2029 => {
                    let request = <VmRegion as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_region(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2030 => {
                    let request = <VmStatistics as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_statistics(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2058 => {
                    let request = <TaskGetSpecialPort as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_get_special_port(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2059 => {
                    let request = <TaskSetSpecialPort<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .task_set_special_port(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2089 => {
                    let request = <VmMap<
                        crate::Right,
                    > as ::proto::SimpleRoutine<crate::Right>>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_map(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2099 => {
                    let request = <VmMachineAttribute as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_machine_attribute(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2180 => {
                    let request = <VmReadSpace as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_read_space(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                2181 => {
                    let request = <VmMapMemory as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_map_memory(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                4209 => {
                    let request = <VmMsync as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .vm_msync(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
/// Operations on a thread; sent to a thread port. mach-api §4.2.
pub mod thread {
    #[allow(unused_imports)]
    use ::proto::iface::thread::*;
    /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
    #[derive(Clone, Debug)]
    pub struct Client<D> {
        /// Who calls.
        pub task: crate::Task,
        /// Whom.
        pub to: D,
    }
    impl<D: crate::Destination> Client<D> {
        /// Calls of `task` to `to`.
        pub fn new(task: &crate::Task, to: D) -> Client<D> {
            Client { task: task.clone(), to }
        }
        /// Ends the mach_msg in which the thread waits: MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. Nothing if it does not wait.
        ///
        /// `thread_abort`, id 2064.
        pub fn abort(&self) -> crate::Invocation<Abort> {
            crate::Invocation::new(&self.task, &self.to, Abort)
        }
        /// Reads a special port: 1 kernel, the thread's own.
        ///
        /// `thread_get_special_port`, id 2067.
        pub fn get_special_port(
            &self,
            which_port: u32,
        ) -> crate::Invocation<GetSpecialPort> {
            crate::Invocation::new(
                &self.task,
                &self.to,
                GetSpecialPort {
                    which_port: which_port,
                },
            )
        }
    }
    /// A server of the interface whose routines are carried out one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait Thread {
        /// Ends the mach_msg in which the thread waits: MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. Nothing if it does not wait.
        ///
        /// `thread_abort`, id 2064.
        fn abort(
            &mut self,
            call: &mut crate::Call,
            request: Abort,
        ) -> Result<(), crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
        /// Reads a special port: 1 kernel, the thread's own.
        ///
        /// `thread_get_special_port`, id 2067.
        fn get_special_port(
            &mut self,
            call: &mut crate::Call,
            request: GetSpecialPort,
        ) -> Result<GetSpecialPortReply<crate::Right>, crate::Code> {
            let _ = (call, request);
            Err(::proto::MigError::BadId.into())
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct Server<S>(pub S);
    impl<S: Thread> crate::Service for Server<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        fn handle(
            &mut self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2064 => {
                    let request = <Abort as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.abort(call, request).map(::proto::msg::Reply::into_body)
                }
                2067 => {
                    let request = <GetSpecialPort as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_special_port(call, request)
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
    /// A server of the interface whose routines are awaited one after the other. One that it does not have is refused
    /// (`MIG_BAD_ID`).
    pub trait ThreadAsync {
        /// Ends the mach_msg in which the thread waits: MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. Nothing if it does not wait.
        ///
        /// `thread_abort`, id 2064.
        fn abort(
            &self,
            call: &mut crate::Call,
            request: Abort,
        ) -> impl Future<Output = Result<(), crate::Code>> + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
        /// Reads a special port: 1 kernel, the thread's own.
        ///
        /// `thread_get_special_port`, id 2067.
        fn get_special_port(
            &self,
            call: &mut crate::Call,
            request: GetSpecialPort,
        ) -> impl Future<
            Output = Result<GetSpecialPortReply<crate::Right>, crate::Code>,
        > + Send {
            async move {
                let _ = (call, request);
                Err(::proto::MigError::BadId.into())
            }
        }
    }
    /// Brings requests to a server.
    #[derive(Debug)]
    pub struct AsyncServer<S>(pub S);
    impl<S: ThreadAsync + Sync> crate::AsyncService for AsyncServer<S> {
        fn serves(&self, id: i32) -> bool {
            IDS.contains(&id)
        }
        async fn handle(
            &self,
            call: &mut crate::Call,
            body: ::proto::Body<crate::Right>,
        ) -> Result<::proto::Body<crate::Right>, crate::Code> {
            match call.id {
                2064 => {
                    let request = <Abort as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0.abort(call, request).await.map(::proto::msg::Reply::into_body)
                }
                2067 => {
                    let request = <GetSpecialPort as ::proto::SimpleRoutine<
                        crate::Right,
                    >>::from_body(body)
                        .map_err(|bad| bad.error)?;
                    self.0
                        .get_special_port(call, request)
                        .await
                        .map(::proto::msg::Reply::into_body)
                }
                _ => Err(::proto::MigError::BadId.into()),
            }
        }
    }
}
