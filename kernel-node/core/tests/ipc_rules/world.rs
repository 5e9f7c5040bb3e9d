//! A node's ports with a few spaces, for tests: each step is followed by the check of every invariant.

use bytes::Bytes;
use kernel_core::ipc::{
    Cancelled, Cut, Delivery, Effect, Ipc, NotificationKind, ReceiveError, ReceiveOptions, ReceiveOutcome,
    ReceiveStatus, Right, SendError, SendOptions, SendOutcome, SpaceId, Wait, WaiterId,
};
use proto::typed::Element;
use proto::{
    Disposition, Incarnation, Item, KernReturn, Message, MsgReturn, NamedRight, NoRoom, PortName, RightType, TraceId,
};

pub struct World {
    pub ipc: Ipc,
    /// Effects that no test has looked at yet.
    pub fx: Vec<Effect>,
    last_waiter: u64,
}

pub type Body = Vec<Item<NamedRight>>;

/// A message to `remote` with `local` as the reply right.
pub fn message(remote: NamedRight, local: NamedRight, id: i32, body: Body) -> Message<NamedRight> {
    Message { remote, local, id, seqno: 0, trace: TraceId::default(), body: body.into() }
}

/// A name as a notification tells it.
pub fn name_item(name: PortName) -> Item<NamedRight> {
    Item::Typed(Element::PORT_NAME, 1, Bytes::copy_from_slice(&name.0.to_le_bytes()))
}

/// A right in a body.
pub fn port(name: PortName, disposition: Disposition) -> Item<NamedRight> {
    Item::Port(NamedRight { name, disposition })
}

pub const TYPE_ARMED: u32 = 0x8000_0000;

impl World {
    pub fn new() -> World {
        World { ipc: Ipc::new(Incarnation(7)), fx: Vec::new(), last_waiter: 0 }
    }

    /// Runs one call and checks everything after it.
    pub fn step<T>(&mut self, call: impl FnOnce(&mut Ipc, &mut Vec<Effect>) -> T) -> T {
        let result = call(&mut self.ipc, &mut self.fx);
        self.ipc.check();
        result
    }

    pub fn space(&mut self) -> SpaceId {
        self.step(|ipc, _| ipc.space_create(false))
    }

    pub fn server(&mut self) -> SpaceId {
        self.step(|ipc, _| ipc.space_create(true))
    }

    pub fn port(&mut self, space: SpaceId) -> PortName {
        self.step(|ipc, _| ipc.allocate(space, RightType::Receive)).unwrap()
    }

    pub fn set(&mut self, space: SpaceId) -> PortName {
        self.step(|ipc, _| ipc.allocate(space, RightType::PortSet)).unwrap()
    }

    /// A receive right with a send right under the same name.
    pub fn send_receive(&mut self, space: SpaceId) -> PortName {
        let name = self.port(space);
        let right = self.extract(space, name, Disposition::MakeSend).unwrap();
        self.insert(space, name, right).unwrap();
        name
    }

    pub fn extract(&mut self, space: SpaceId, name: PortName, how: Disposition) -> Result<Right, KernReturn> {
        self.step(|ipc, fx| ipc.extract_right(space, name, how, fx))
    }

    pub fn insert(&mut self, space: SpaceId, name: PortName, right: Right) -> Result<(), KernReturn> {
        self.step(|ipc, fx| ipc.insert_right(space, name, right, fx))
    }

    /// Passes a right from one space to another without a message; returns its name there.
    pub fn give(&mut self, from: SpaceId, name: PortName, how: Disposition, to: SpaceId) -> PortName {
        let right = self.extract(from, name, how).unwrap();
        self.step(|ipc, fx| ipc.insert_right_for(to, right, fx)).unwrap()
    }

    pub fn destroy(&mut self, space: SpaceId, name: PortName) -> Result<(), KernReturn> {
        self.step(|ipc, fx| ipc.destroy(space, name, fx))
    }

    pub fn deallocate(&mut self, space: SpaceId, name: PortName) -> Result<(), KernReturn> {
        self.step(|ipc, fx| ipc.deallocate(space, name, fx))
    }

    pub fn mod_refs(&mut self, space: SpaceId, name: PortName, right: RightType, by: i32) -> Result<(), KernReturn> {
        self.step(|ipc, fx| ipc.mod_refs(space, name, right, by, fx))
    }

    pub fn refs(&mut self, space: SpaceId, name: PortName, right: RightType) -> u32 {
        self.step(|ipc, _| ipc.get_refs(space, name, right)).unwrap()
    }

    /// The type bits of a name; 0 when it denotes nothing.
    pub fn type_of(&mut self, space: SpaceId, name: PortName) -> u32 {
        self.step(|ipc, _| ipc.port_type(space, name)).unwrap_or(0)
    }

    pub fn move_member(&mut self, space: SpaceId, member: PortName, set: PortName) -> Result<(), KernReturn> {
        self.step(|ipc, fx| ipc.move_member(space, member, set, fx))
    }

    pub fn set_qlimit(&mut self, space: SpaceId, name: PortName, qlimit: u32) {
        self.step(|ipc, fx| ipc.set_qlimit(space, name, qlimit, fx)).unwrap();
    }

    pub fn status(&mut self, space: SpaceId, name: PortName) -> ReceiveStatus {
        self.step(|ipc, _| ipc.get_receive_status(space, name)).unwrap()
    }

    /// Arms a notification that goes to `notify`, a receive right of the same space.
    pub fn request(
        &mut self,
        space: SpaceId,
        name: PortName,
        kind: NotificationKind,
        sync: u32,
        notify: PortName,
    ) -> Result<Right, KernReturn> {
        let notify = match notify {
            PortName::NULL => Right::Null,
            notify => self.extract(space, notify, Disposition::MakeSendOnce).unwrap(),
        };
        self.step(|ipc, fx| ipc.request_notification(space, name, kind, sync, notify, fx))
    }

    /// Sends or fails at once.
    pub fn send(&mut self, space: SpaceId, message: Message<NamedRight>) -> Result<(), SendError> {
        let outcome = self.step(|ipc, fx| ipc.send(space, message, SendOptions::POLL, fx))?;
        assert_eq!(outcome, SendOutcome::Sent);
        Ok(())
    }

    /// Sends a message with nothing but an id and a body through a send right that is copied.
    pub fn post(&mut self, space: SpaceId, to: PortName, id: i32, body: Body) {
        self.send(space, message(NamedRight::copy_send(to), NamedRight::NULL, id, body)).unwrap();
    }

    pub fn send_code(&mut self, space: SpaceId, message: Message<NamedRight>) -> MsgReturn {
        self.send(space, message).expect_err("the send fails").code
    }

    /// Sends and waits; the waiter if it has to.
    pub fn send_blocking(&mut self, space: SpaceId, message: Message<NamedRight>) -> Option<WaiterId> {
        let waiter = self.waiter();
        let options = SendOptions { wait: Wait::Block(waiter), ..SendOptions::POLL };
        let outcome = self.step(|ipc, fx| ipc.send(space, message, options, fx)).unwrap();
        (outcome == SendOutcome::Blocked).then_some(waiter)
    }

    /// The next message, which must be there.
    pub fn receive(&mut self, space: SpaceId, name: PortName) -> Message<NamedRight> {
        self.try_receive(space, name, ReceiveOptions::POLL).expect("a message is there")
    }

    pub fn try_receive(
        &mut self,
        space: SpaceId,
        name: PortName,
        options: ReceiveOptions,
    ) -> Result<Message<NamedRight>, ReceiveError> {
        self.deliver(space, name, options).map(|delivery| delivery.message)
    }

    /// As [`World::try_receive`], with what stands for the port's name.
    pub fn deliver(
        &mut self,
        space: SpaceId,
        name: PortName,
        options: ReceiveOptions,
    ) -> Result<Delivery, ReceiveError> {
        match self.step(|ipc, fx| ipc.receive(space, name, options, fx))? {
            ReceiveOutcome::Message(delivery) => Ok(delivery),
            ReceiveOutcome::Blocked => panic!("a poll does not block"),
        }
    }

    pub fn receive_code(&mut self, space: SpaceId, name: PortName) -> MsgReturn {
        self.try_receive(space, name, ReceiveOptions::POLL).expect_err("the receive fails").code
    }

    /// Waits for a message, which must not be there yet.
    pub fn receive_blocking(&mut self, space: SpaceId, name: PortName) -> WaiterId {
        let waiter = self.waiter();
        let options = ReceiveOptions { wait: Wait::Block(waiter), ..ReceiveOptions::POLL };
        let outcome = self.step(|ipc, fx| ipc.receive(space, name, options, fx)).unwrap();
        assert_eq!(outcome, ReceiveOutcome::Blocked);
        waiter
    }

    pub fn cancel(&mut self, waiter: WaiterId) -> Option<Cancelled> {
        self.step(|ipc, fx| ipc.cancel(waiter, Cut::Interrupt, fx))
    }

    /// The deadline of a waiter passes.
    pub fn expire(&mut self, waiter: WaiterId) -> Option<Cancelled> {
        self.step(|ipc, fx| ipc.cancel(waiter, Cut::Deadline, fx))
    }

    /// The message that a blocked sender gets back.
    pub fn take_back(&mut self, waiter: WaiterId) -> Message<NamedRight> {
        match self.cancel(waiter) {
            Some(Cancelled::Send(SendError { message: Some(message), .. })) => message,
            other => panic!("{waiter:?} was blocked in send, not {other:?}"),
        }
    }

    /// The ids of all messages of a port, oldest first.
    pub fn drain(&mut self, space: SpaceId, name: PortName) -> Vec<i32> {
        std::iter::from_fn(|| self.try_receive(space, name, ReceiveOptions::POLL).ok().map(|m| m.id)).collect()
    }

    /// Effects since the last look.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.fx)
    }

    /// How the one receive that ended since the last look ended.
    pub fn received(&mut self, waiter: WaiterId) -> Result<Message<NamedRight>, ReceiveError> {
        match &mut self.effects()[..] {
            [Effect::Received { waiter: w, result }] if *w == waiter => {
                let taken =
                    ReceiveError { code: MsgReturn::Success, no_room: NoRoom::NOTHING, needed: 0, message: None };
                std::mem::replace(result, Err(taken)).map(|delivery| delivery.message)
            }
            other => panic!("expected one Received for {waiter:?}, found {other:?}"),
        }
    }

    pub fn waiter(&mut self) -> WaiterId {
        self.last_waiter += 1;
        WaiterId(self.last_waiter)
    }

    /// Send rights of the port behind a name, wherever they are.
    pub fn srights(&mut self, space: SpaceId, name: PortName) -> u32 {
        let (port, _) = self.ipc.port_of(space, name).unwrap();
        self.ipc.ports().find(|p| p.port == port).unwrap().send_rights
    }
}
