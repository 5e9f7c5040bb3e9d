//! The routines of `mach_port` on one space, with Mach's results. A dead [`SpaceId`] is answered with `InvalidTask`.

use proto::limits::{DEAD_UREFS_MAX, UREFS_MAX};
use proto::{Disposition, KernReturn, MsgReturn, PortName, PortUid, RightType};

use super::entry::{Entry, urefs_add};
use super::port::{PortId, Receiver};
use super::pset::Pset;
use super::right::Right;
use super::space::SpaceId;
use super::{Effect, Ipc};

/// `MACH_PORT_TYPE_DNREQUEST`: a dead-name request is armed on the name.
const TYPE_DEAD_NAME_REQUEST: u32 = 0x8000_0000;
/// `MACH_PORT_TYPE_MAREQUEST`: a message was forced through the name, and its acceptance is still to be told.
const TYPE_ACCEPTED_REQUEST: u32 = 0x4000_0000;

impl Ipc {
    /// All names of a space with the bits of their types, but for reply rights that lanes have reserved
    /// ([`Ipc::lanes_cut_space`]).
    #[doc(alias = "mach_port_names")]
    pub fn names(&self, space: SpaceId) -> Result<Vec<(PortName, u32)>, KernReturn> {
        let table = &self.spaces.get(space).ok_or(KernReturn::InvalidTask)?.table;
        let bits = |name| self.type_bits(space, name, self.view(space, name).expect("the name is in use"));
        Ok(table.iter().map(|(name, _)| (name, bits(name))).collect())
    }

    /// The bits of a name's type.
    ///
    /// Errors: `InvalidName`.
    #[doc(alias = "mach_port_type")]
    pub fn port_type(&mut self, space: SpaceId, name: PortName) -> Result<u32, KernReturn> {
        let entry = self.named(space, name)?;
        Ok(self.type_bits(space, name, entry))
    }

    fn type_bits(&self, space: SpaceId, name: PortName, entry: Entry) -> u32 {
        let flag = |on, bit| if on { bit } else { 0 };
        let forced = matches!(entry, Entry::Port { .. }) && self.spaces[space].forced.contains_key(&name);
        entry.type_bits() | flag(entry.is_armed(), TYPE_DEAD_NAME_REQUEST) | flag(forced, TYPE_ACCEPTED_REQUEST)
    }

    /// A new receive right, port set or dead name.
    ///
    /// Errors: `InvalidValue` for other rights; `NoSpace` no room for a name; `ResourceShortage` too many ports.
    #[doc(alias = "mach_port_allocate")]
    pub fn allocate(&mut self, space: SpaceId, right: RightType) -> Result<PortName, KernReturn> {
        self.allocate_as(space, right, None)
    }

    /// As [`Ipc::allocate`], under a name of the caller's choice.
    ///
    /// Errors: `InvalidValue` `name` is `NULL` or `DEAD`, or another right; `NameExists`; `NoSpace`; `ResourceShortage`.
    #[doc(alias = "mach_port_allocate_name")]
    pub fn allocate_name(&mut self, space: SpaceId, right: RightType, name: PortName) -> Result<(), KernReturn> {
        self.allocate_as(space, right, Some(name)).map(drop)
    }

    fn allocate_as(
        &mut self,
        space: SpaceId,
        right: RightType,
        chosen: Option<PortName>,
    ) -> Result<PortName, KernReturn> {
        if let Some(name) = chosen {
            self.lane_cut_reserved(space, name);
        }
        let holder = self.spaces.get(space).ok_or(KernReturn::InvalidTask)?;
        if chosen.is_some_and(|name| !name.is_valid()) || matches!(right, RightType::Send | RightType::SendOnce) {
            return Err(KernReturn::InvalidValue);
        }
        if !holder.table.has_room() {
            return Err(KernReturn::NoSpace);
        }
        if chosen.is_some_and(|name| holder.table.get(name).is_some()) {
            return Err(KernReturn::NameExists);
        }
        let entry = match right {
            RightType::Receive => {
                let port = self.port_create_by(space)?;
                Entry::Port { port, urefs: 0, receive: true, armed: false }
            }
            RightType::PortSet => Entry::Set(self.psets.insert(Pset::new(space))),
            _ => Entry::Dead { urefs: 1 },
        };
        let holder = &mut self.spaces[space];
        let name = match chosen {
            Some(name) => holder.table.insert_at(name, entry).map(|()| name),
            None => holder.table.insert(entry),
        }
        .expect("there is room");
        match entry {
            Entry::Port { port, .. } => {
                holder.by_port.insert(port, name);
                self.ports[port].receiver = Receiver::Space { space, name };
            }
            Entry::Set(set) => self.psets[set].name = name,
            _ => {}
        }
        Ok(name)
    }

    /// Gives up everything that a name denotes.
    ///
    /// Errors: `InvalidName`. Source: spec [ipc.drop.2].
    #[doc(alias = "mach_port_destroy")]
    pub fn destroy(&mut self, space: SpaceId, name: PortName, fx: &mut Vec<Effect>) -> Result<(), KernReturn> {
        let entry = self.named(space, name)?;
        self.clean(space, name, entry, fx);
        self.settle(fx);
        Ok(())
    }

    /// Gives up one user reference of a send right or dead name, or a send-once right.
    ///
    /// Errors: `InvalidName`; `InvalidRight` only a receive right, or a port set. Source: spec [ipc.drop.1].
    #[doc(alias = "mach_port_deallocate")]
    pub fn deallocate(&mut self, space: SpaceId, name: PortName, fx: &mut Vec<Effect>) -> Result<(), KernReturn> {
        let right = match self.named(space, name)? {
            Entry::Port { urefs: 1.., .. } => RightType::Send,
            Entry::SendOnce { .. } => RightType::SendOnce,
            Entry::Dead { .. } => RightType::DeadName,
            Entry::Port { .. } | Entry::Set(_) => return Err(KernReturn::InvalidRight),
        };
        self.mod_refs(space, name, right, -1, fx)
    }

    /// User references of `right` under a name; 0 when the name has no such right.
    ///
    /// Errors: `InvalidName`.
    #[doc(alias = "mach_port_get_refs")]
    pub fn get_refs(&mut self, space: SpaceId, name: PortName, right: RightType) -> Result<u32, KernReturn> {
        Ok(match (self.named(space, name)?, right) {
            (Entry::Port { urefs, .. }, RightType::Send) => u32::from(urefs),
            (Entry::Port { receive, .. }, RightType::Receive) => u32::from(receive),
            (Entry::SendOnce { .. }, RightType::SendOnce) => 1,
            (Entry::Set(_), RightType::PortSet) => 1,
            (Entry::Dead { urefs }, RightType::DeadName) => u32::from(urefs),
            _ => 0,
        })
    }

    /// Adds `delta` to the user references of `right` under a name.
    ///
    /// Errors: `InvalidName`; `InvalidRight` the name has no such right; `InvalidValue` the sum would be below zero, or
    /// the right is one that is held once; `UrefsOverflow` above the most that a name counts.
    /// Source: spec [ipc.drop.1], [ipc.drop.3].
    #[doc(alias = "mach_port_mod_refs")]
    pub fn mod_refs(
        &mut self,
        space: SpaceId,
        name: PortName,
        right: RightType,
        delta: i32,
        fx: &mut Vec<Effect>,
    ) -> Result<(), KernReturn> {
        let entry = self.named(space, name)?;
        match (entry, right) {
            (Entry::Port { port, urefs: urefs @ 1.., receive, armed }, RightType::Send) => {
                match (urefs_add(urefs, delta, UREFS_MAX)?, receive) {
                    (0, false) => self.clean(space, name, entry, fx),
                    (sum, _) => {
                        self.set_entry(space, name, Entry::Port { port, urefs: sum, receive, armed });
                        if sum == 0 {
                            self.defer_release(Right::Send(port));
                        }
                    }
                }
            }
            (Entry::Dead { urefs }, RightType::DeadName) => match urefs_add(urefs, delta, DEAD_UREFS_MAX)? {
                0 => self.free_name(space, name),
                sum => self.set_entry(space, name, Entry::Dead { urefs: sum }),
            },
            (Entry::Port { port, urefs, receive: true, armed }, RightType::Receive) => {
                if held_once(delta)? {
                    match urefs {
                        0 => self.clean(space, name, entry, fx),
                        // The send references stay: the name turns into a dead one when the port dies.
                        _ => {
                            self.set_entry(space, name, Entry::Port { port, urefs, receive: false, armed });
                            self.detach_receive(port, MsgReturn::RcvPortDied, fx);
                            self.defer_release(Right::Receive(port));
                        }
                    }
                }
            }
            (Entry::SendOnce { .. }, RightType::SendOnce) | (Entry::Set(_), RightType::PortSet) => {
                if held_once(delta)? {
                    self.clean(space, name, entry, fx);
                }
            }
            _ => return Err(KernReturn::InvalidRight),
        }
        self.settle(fx);
        Ok(())
    }

    /// Puts a receive right into a port set, or with `NULL` takes it out of the one it is in.
    ///
    /// Errors: `InvalidName`, `InvalidRight` for either name; `NotInSet` taken out of none. Source: spec [ipc.set.1].
    #[doc(alias = "mach_port_move_member")]
    pub fn move_member(
        &mut self,
        space: SpaceId,
        member: PortName,
        after: PortName,
        fx: &mut Vec<Effect>,
    ) -> Result<(), KernReturn> {
        let port = self.receive_right(space, member)?;
        let set = match after {
            PortName::NULL => None,
            after => match self.named(space, after)? {
                Entry::Set(set) => Some(set),
                _ => return Err(KernReturn::InvalidRight),
            },
        };
        match set {
            None if self.ports[port].set.is_none() => return Err(KernReturn::NotInSet),
            None => self.leave_set(port, fx),
            Some(set) if self.ports[port].set == Some(set) => {}
            Some(set) => {
                self.leave_set(port, fx);
                self.join_set(port, set, fx);
            }
        }
        self.settle(fx);
        Ok(())
    }

    /// Gives a space a right under a name of the caller's choice.
    ///
    /// Conditions: `right` is consumed, also on failure.
    /// Errors: in this order: `InvalidTask`; `InvalidValue` `name` is `NULL` or `DEAD`; `InvalidCapability` the right is;
    /// `RightExists` the space has the port under another name; `NameExists` the name denotes something else;
    /// `InvalidCapability` the port died; `UrefsOverflow`; `NoSpace`. Source: spec [ipc.insert.1] to [ipc.insert.3].
    #[doc(alias = "mach_port_insert_right")]
    pub fn insert_right(
        &mut self,
        space: SpaceId,
        name: PortName,
        right: Right,
        fx: &mut Vec<Effect>,
    ) -> Result<(), KernReturn> {
        self.take_in(&right);
        let result = self.insert(space, name, right, fx).map_err(|(code, right)| {
            self.defer_release(right);
            code
        });
        self.settle(fx);
        result
    }

    fn insert(
        &mut self,
        space: SpaceId,
        name: PortName,
        right: Right,
        fx: &mut Vec<Effect>,
    ) -> Result<(), (KernReturn, Right)> {
        if !self.spaces.contains_key(space) {
            return Err((KernReturn::InvalidTask, right));
        }
        if !name.is_valid() {
            return Err((KernReturn::InvalidValue, right));
        }
        let Some(port) = right.port() else { return Err((KernReturn::InvalidCapability, right)) };
        let alive = self.ports.contains_key(port);
        let merges = alive && !matches!(right, Right::SendOnce(_));
        match self.name_for(space, port) {
            Some(held) if merges && held != name => return Err((KernReturn::RightExists, right)),
            Some(_) if merges => {
                let overflow = match self.view(space, name) {
                    Some(Entry::Port { urefs, .. }) => urefs_add(urefs, 1, UREFS_MAX).err(),
                    _ => None,
                };
                if let (Right::Send(_), Some(code)) = (&right, overflow) {
                    return Err((code, right));
                }
                self.join(space, name, &right, fx);
                return Ok(());
            }
            _ => {}
        }
        if self.lookup(space, name).is_some() {
            return Err((KernReturn::NameExists, right));
        }
        if !alive {
            return Err((KernReturn::InvalidCapability, right));
        }
        let entry = match right {
            Right::SendOnce(_) => Entry::SendOnce { port, armed: false },
            Right::Receive(_) => Entry::Port { port, urefs: 0, receive: true, armed: false },
            _ => Entry::Port { port, urefs: 1, receive: false, armed: false },
        };
        let holder = &mut self.spaces[space];
        if let Err(code) = holder.table.insert_at(name, entry) {
            return Err((code, right));
        }
        if merges {
            holder.by_port.insert(port, name);
        }
        if let Right::Receive(_) = right {
            self.attach_receive(port, space, name, fx);
        }
        Ok(())
    }

    /// Takes a right out of a space, as copyin for a message would.
    ///
    /// Errors: `InvalidName`; `InvalidRight` the name cannot give `disposition`. A dead name gives [`Right::Dead`].
    #[doc(alias = "mach_port_extract_right")]
    pub fn extract_right(
        &mut self,
        space: SpaceId,
        name: PortName,
        disposition: Disposition,
        fx: &mut Vec<Effect>,
    ) -> Result<Right, KernReturn> {
        self.named(space, name)?;
        let right = self.copyin(space, name, disposition, fx)?.tap_hand_out(self);
        self.settle(fx);
        Ok(right)
    }

    /// The port behind a name and its identity in the cluster: for servers that pass ports on.
    ///
    /// Errors: `InvalidName`; `InvalidRight` a port set or dead name.
    pub fn port_of(&mut self, space: SpaceId, name: PortName) -> Result<(PortId, PortUid), KernReturn> {
        let port = self.named(space, name)?.port().ok_or(KernReturn::InvalidRight)?;
        Ok((port, self.ports[port].uid))
    }
}

/// Whether a right that is held once goes; `InvalidValue` for a delta that makes no sense.
fn held_once(delta: i32) -> Result<bool, KernReturn> {
    match delta {
        0 => Ok(false),
        -1 => Ok(true),
        _ => Err(KernReturn::InvalidValue),
    }
}
