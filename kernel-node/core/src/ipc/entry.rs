//! The names of one space: a table of entries by index and generation, and the few names that a task chose itself.
//!
//! A name is `index << 12 | generation`. A slot is used again only after [`REUSE_DISTANCE`] others were freed, and then
//! under the next generation, so that a stale name denotes nothing for a long time. [ipc.name.1] [ipc.name.2]

use std::collections::BTreeMap;

use proto::limits::{DEAD_UREFS_MAX, SPACE_NAMES_MAX, UREFS_MAX};
use proto::{KernReturn, PortName, RightType};

use super::port::PortId;
use super::pset::PsetId;

/// What a name denotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// Send rights (`urefs` of them for the holder, one for the port), the receive right, or both.
    Port { port: PortId, urefs: u16, receive: bool, armed: bool },
    /// One send-once right.
    SendOnce { port: PortId, armed: bool },
    /// A port set.
    Set(PsetId),
    /// The place of rights whose port died.
    Dead { urefs: u16 },
}

impl Entry {
    /// The bits of `mach_port_type`, without the request flag.
    pub fn type_bits(self) -> u32 {
        match self {
            Entry::Port { urefs, receive, .. } => {
                (if urefs > 0 { RightType::Send.type_bit() } else { 0 })
                    | (if receive { RightType::Receive.type_bit() } else { 0 })
            }
            Entry::SendOnce { .. } => RightType::SendOnce.type_bit(),
            Entry::Set(_) => RightType::PortSet.type_bit(),
            Entry::Dead { .. } => RightType::DeadName.type_bit(),
        }
    }

    /// Whether a dead-name request is armed on it.
    pub fn is_armed(self) -> bool {
        matches!(self, Entry::Port { armed: true, .. } | Entry::SendOnce { armed: true, .. })
    }

    /// The same with a dead-name request armed on it, or without.
    pub fn with_armed(self, armed: bool) -> Entry {
        match self {
            Entry::Port { port, urefs, receive, .. } => Entry::Port { port, urefs, receive, armed },
            Entry::SendOnce { port, .. } => Entry::SendOnce { port, armed },
            Entry::Set(_) | Entry::Dead { .. } => self,
        }
    }

    /// The port it has a right to.
    pub fn port(self) -> Option<PortId> {
        match self {
            Entry::Port { port, .. } | Entry::SendOnce { port, .. } => Some(port),
            Entry::Set(_) | Entry::Dead { .. } => None,
        }
    }

    /// What it becomes when its port dies. An armed request adds the reference that its notification carries.
    pub fn died(self) -> Entry {
        match self {
            Entry::Port { urefs, armed, .. } => Entry::Dead { urefs: urefs + u16::from(armed) },
            Entry::SendOnce { armed, .. } => Entry::Dead { urefs: 1 + u16::from(armed) },
            other => other,
        }
    }
}

/// `urefs + delta` for a name that counts up to `max` ([`UREFS_MAX`], [`DEAD_UREFS_MAX`]).
///
/// Errors: `InvalidValue` below zero; `UrefsOverflow` above `max`.
pub(super) fn urefs_add(urefs: u16, delta: i32, max: u32) -> Result<u16, KernReturn> {
    match i64::from(urefs) + i64::from(delta) {
        ..0 => Err(KernReturn::InvalidValue),
        sum if sum > i64::from(max) => Err(KernReturn::UrefsOverflow),
        sum => Ok(sum as u16),
    }
}

const GENERATION_BITS: u32 = 12;
const GENERATION_LAST: u16 = (1 << GENERATION_BITS) - 1;
/// In the place of the next free slot: this one is not free, but set aside.
const RESERVED: u32 = u32::MAX;
/// Slots that lie free before the oldest of them is used again.
const REUSE_DISTANCE: usize = 64;
const _: () = assert!(SPACE_NAMES_MAX <= 1 << (32 - GENERATION_BITS));
const _: () = assert!(UREFS_MAX < DEAD_UREFS_MAX && DEAD_UREFS_MAX <= u16::MAX as u32);

struct Slot {
    generation: u16,
    entry: Option<Entry>,
    /// The next younger free slot; 0 is the end, since slot 0 is never used.
    next_free: u32,
}

/// The names of one space.
pub(super) struct Table {
    /// Slot 0 is reserved, so that no name is `NULL`.
    slots: Vec<Slot>,
    free_first: u32,
    free_last: u32,
    free_len: usize,
    /// Names that a caller chose and that the table would not have given out yet.
    chosen: BTreeMap<PortName, Entry>,
    len: usize,
    /// Slots whose names are given out by nobody here.
    reserved_len: usize,
}

impl Table {
    pub fn new() -> Table {
        let reserved = Slot { generation: 0, entry: None, next_free: 0 };
        Table {
            slots: vec![reserved],
            free_first: 0,
            free_last: 0,
            free_len: 0,
            chosen: BTreeMap::new(),
            len: 0,
            reserved_len: 0,
        }
    }

    /// Names in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether another name can be had.
    pub fn has_room(&self) -> bool {
        self.len + self.reserved_len + 1 < SPACE_NAMES_MAX
    }

    pub fn get(&self, name: PortName) -> Option<Entry> {
        match self.slot(name) {
            Some(slot) => self.slots[slot].entry,
            None => self.chosen.get(&name).copied(),
        }
    }

    /// Replaces the entry of a name that is in use.
    pub fn set(&mut self, name: PortName, entry: Entry) {
        match self.slot(name) {
            Some(slot) => self.slots[slot].entry = Some(entry),
            None => *self.chosen.get_mut(&name).expect("set: the name is in use") = entry,
        }
    }

    /// A new name for `entry`.
    ///
    /// Errors: `NoSpace` the space has as many names as it may.
    pub fn insert(&mut self, entry: Entry) -> Result<PortName, KernReturn> {
        if !self.has_room() {
            return Err(KernReturn::NoSpace);
        }
        loop {
            let slot = self.vacant();
            let name = name_of(slot, self.slots[slot].generation);
            if name.is_valid() && !self.chosen.contains_key(&name) {
                self.slots[slot].entry = Some(entry);
                self.len += 1;
                return Ok(name);
            }
            self.vacate(slot);
        }
    }

    /// `entry` under a name that the caller chose and that is not in use.
    ///
    /// Errors: `NoSpace` as above.
    pub fn insert_at(&mut self, name: PortName, entry: Entry) -> Result<(), KernReturn> {
        assert!(name.is_valid() && self.get(name).is_none(), "insert_at: the name is free");
        if !self.has_room() {
            return Err(KernReturn::NoSpace);
        }
        self.chosen.insert(name, entry);
        self.len += 1;
        Ok(())
    }

    /// Frees a name that is in use.
    pub fn remove(&mut self, name: PortName) -> Entry {
        self.len -= 1;
        match self.slot(name) {
            Some(slot) => {
                let entry = self.slots[slot].entry.take().expect("slot: in use");
                self.vacate(slot);
                entry
            }
            None => self.chosen.remove(&name).expect("remove: the name is in use"),
        }
    }

    /// Sets a slot aside: its names are given out elsewhere, and denote nothing here until [`Table::settle_reserved`].
    /// Answers the first of them; the next is the next generation.
    ///
    /// Errors: `None` no room, or a name of the slot was chosen by a task.
    pub fn reserve(&mut self) -> Option<PortName> {
        if !self.has_room() {
            return None;
        }
        let slot = self.vacant();
        let chosen = self.chosen.range(name_of(slot, 0)..=name_of(slot, GENERATION_LAST)).next().is_some();
        // The last slot has the name `DEAD` among its own.
        if chosen || slot == SPACE_NAMES_MAX - 1 {
            self.vacate(slot);
            return None;
        }
        self.slots[slot].next_free = RESERVED;
        self.reserved_len += 1;
        Some(name_of(slot, self.slots[slot].generation))
    }

    /// The first name of the reserved slot that `name` belongs to.
    pub fn reserved(&self, name: PortName) -> Option<PortName> {
        let index = (name.0 >> GENERATION_BITS) as usize;
        let slot = self.slots.get(index)?;
        (slot.next_free == RESERVED).then(|| name_of(index, slot.generation))
    }

    /// Reserved slots.
    pub fn reserved_len(&self) -> usize {
        self.reserved_len
    }

    /// Ends a reservation after `used` of its names: the next one denotes `entry`, or nothing.
    pub fn settle_reserved(&mut self, first: PortName, used: u32, entry: Option<Entry>) {
        let slot = (first.0 >> GENERATION_BITS) as usize;
        assert!(self.reserved(first) == Some(first), "settle_reserved: the slot is reserved");
        let generation = (u32::from(self.slots[slot].generation) + used) & u32::from(GENERATION_LAST);
        self.slots[slot] = Slot { generation: generation as u16, entry, next_free: 0 };
        self.reserved_len -= 1;
        match entry {
            Some(_) => self.len += 1,
            None => self.vacate(slot),
        }
    }

    /// All names in ascending order of their slots, then the chosen ones.
    pub fn iter(&self) -> impl Iterator<Item = (PortName, Entry)> + '_ {
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(i, s)| s.entry.map(|e| (name_of(i, s.generation), e)))
            .chain(self.chosen.iter().map(|(n, e)| (*n, *e)))
    }

    /// The slot in use under exactly this name.
    fn slot(&self, name: PortName) -> Option<usize> {
        let index = (name.0 >> GENERATION_BITS) as usize;
        let slot = self.slots.get(index)?;
        (slot.entry.is_some() && name_of(index, slot.generation) == name).then_some(index)
    }

    /// A slot for a new entry: the one that has been free longest if enough are, else a fresh one.
    fn vacant(&mut self) -> usize {
        if self.free_len > REUSE_DISTANCE || self.slots.len() == SPACE_NAMES_MAX {
            let slot = self.free_first as usize;
            self.free_first = self.slots[slot].next_free;
            self.free_len -= 1;
            return slot;
        }
        self.slots.push(Slot { generation: 0, entry: None, next_free: 0 });
        self.slots.len() - 1
    }

    /// Puts a slot at the young end of the free list, under its next generation.
    fn vacate(&mut self, slot: usize) {
        let freed = &mut self.slots[slot];
        freed.generation = (freed.generation + 1) % (1 << GENERATION_BITS);
        freed.next_free = 0;
        match self.free_len {
            0 => self.free_first = slot as u32,
            _ => self.slots[self.free_last as usize].next_free = slot as u32,
        }
        self.free_last = slot as u32;
        self.free_len += 1;
    }
}

fn name_of(slot: usize, generation: u16) -> PortName {
    PortName((slot as u32) << GENERATION_BITS | u32::from(generation))
}

/// Bytes that one name costs in its table.
#[cfg(test)]
pub(super) const NAME_BYTES: usize = size_of::<Slot>();

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: Entry = Entry::Dead { urefs: 1 };

    #[test]
    fn ipc_name_1_a_freed_name_denotes_nothing_and_comes_back_late() {
        let mut table = Table::new();
        let first = table.insert(DEAD).unwrap();
        table.remove(first);
        let mut seen = std::collections::BTreeSet::from([first]);
        for _ in 0..100_000 {
            let name = table.insert(DEAD).unwrap();
            assert!(seen.insert(name), "{name:?} was given out before");
            assert_eq!(table.get(first), None);
            table.remove(name);
        }
        assert!(table.slots.len() <= REUSE_DISTANCE + 2);
    }

    #[test]
    fn ipc_name_2_null_and_dead_are_never_given_out() {
        let mut table = Table::new();
        let names: Vec<_> = std::iter::from_fn(|| table.insert(DEAD).ok()).collect();
        assert_eq!(names.len(), SPACE_NAMES_MAX - 1);
        assert!(names.iter().all(|n| n.is_valid()));
        assert_eq!(table.insert(DEAD), Err(KernReturn::NoSpace));
        assert_eq!(table.insert_at(PortName(0x12_3001), DEAD), Err(KernReturn::NoSpace));
        // The very last slot, freed until its generation would make it DEAD.
        let mut last = *names.last().unwrap();
        for _ in 0..=1 << GENERATION_BITS {
            table.remove(last);
            last = table.insert(DEAD).unwrap();
            assert!(last.is_valid());
        }
    }

    #[test]
    fn ipc_name_3_a_chosen_name_is_never_given_out_by_the_table() {
        let mut table = Table::new();
        let chosen = PortName(3 << GENERATION_BITS);
        table.insert_at(chosen, DEAD).unwrap();
        let names: Vec<_> = (0..10).map(|_| table.insert(DEAD).unwrap()).collect();
        assert!(!names.contains(&chosen));
        assert_eq!(table.len(), 11);
        assert_eq!(table.iter().count(), 11);
        assert_eq!(table.remove(chosen), DEAD);
        assert_eq!(table.get(chosen), None);
    }

    #[test]
    fn ipc_dead_2_a_full_name_has_room_for_the_reference_of_its_notification() {
        let full = Entry::Port { port: PortId::default(), urefs: UREFS_MAX as u16, receive: false, armed: true };
        assert_eq!(full.died(), Entry::Dead { urefs: DEAD_UREFS_MAX as u16 });
    }
}
