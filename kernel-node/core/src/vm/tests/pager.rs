//! The pagers of the simulated world: each keeps the true bytes of one object for several machines, of which the node
//! under test is one and the others are simulated by writing to the bytes when the node has none of them.
//!
//! A pager keeps to the rules of mach-api §3.5; within them it delays, splits, refuses and changes its mind as the dice
//! say. Whenever the node gives pages up, their bytes here must be what tasks have written to them last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proto::vm::ShouldReturn;
use proto::{PAGE_SIZE, Payload, Prot};

use super::super::{LockRequest, Supply, Ticket, ToPager};
use super::world::Dice;

/// Pages of each object.
pub const PAGES: u64 = 40;

/// What the pager believes that the node may do with a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum View {
    Nothing,
    Read,
    Write,
}

/// A call of the pager on its way to the node.
#[derive(Clone, Debug)]
pub enum Control {
    Ready,
    Supply(Supply),
    Unavailable { page: u64, pages: u64, lock: Prot },
    Error { page: u64, pages: u64 },
    Lock(LockRequest),
    SyncCompleted { offset: u64, length: u64 },
}

impl Control {
    /// Supplies and the like may overtake each other, nothing else may.
    pub fn is_supply(&self) -> bool {
        matches!(self, Control::Supply(_) | Control::Unavailable { .. } | Control::Error { .. })
    }
}

/// The bytes of an object as every machine together sees them: tasks' writes are in at once.
pub type Memory = BTreeMap<u64, Vec<u8>>;

/// One pager and its object.
pub struct Pager {
    /// The bytes that it has.
    pub store: Memory,
    /// By page.
    pub view: Vec<View>,
    /// Pages of which the node waits for an answer.
    pub asked: BTreeSet<u64>,
    /// Pages that were sent unasked.
    pub gave: BTreeSet<u64>,
    /// Requests that come while a lock request for the page is under way: page and whether to write.
    later: Vec<(u64, bool)>,
    /// Lock requests under way, oldest first.
    locking: VecDeque<(LockRequest, Option<Prot>)>,
    /// On the way to the node, in order.
    pub control: VecDeque<Control>,
    /// The node has an object for this pager.
    pub in_use: bool,
    /// Its port is not dead.
    pub alive: bool,
    tickets: u64,
}

impl Pager {
    pub fn new(seed: u8) -> Pager {
        // Every fourth page is a hole.
        let byte = |p: u64| if p % 4 == 3 { 0 } else { seed.wrapping_add(p as u8 * 3).max(1) };
        Pager {
            store: (0..PAGES).map(|p| (p, vec![byte(p); PAGE_SIZE as usize])).collect(),
            view: vec![View::Nothing; PAGES as usize],
            asked: BTreeSet::new(),
            gave: BTreeSet::new(),
            later: Vec::new(),
            locking: VecDeque::new(),
            control: VecDeque::new(),
            in_use: false,
            alive: true,
            tickets: 0,
        }
    }

    fn is_locking(&self, page: u64) -> bool {
        self.locking.iter().any(|(l, _)| (l.offset / PAGE_SIZE..(l.offset + l.size) / PAGE_SIZE).contains(&page))
    }

    /// Whether the node has nothing of the page and nothing is on its way to it.
    pub fn is_free(&self, page: u64) -> bool {
        self.view[page as usize] == View::Nothing && !self.asked.contains(&page) && !self.is_locking(page)
    }

    /// A call of the node arrives.
    pub fn receive(&mut self, call: ToPager, memory: &Memory, dice: &mut Dice) {
        match call {
            ToPager::Init => {
                assert!(!self.in_use, "init twice");
                self.in_use = true;
                self.control.push_back(Control::Ready);
            }
            ToPager::Terminate => self.terminated(memory),
            ToPager::Create { .. } => panic!("this is not the default pager"),
            ToPager::DataRequest { offset, length, access, .. } => {
                let pages: Vec<u64> = (offset / PAGE_SIZE..(offset + length) / PAGE_SIZE).collect();
                for page in &pages {
                    // What comes unasked answers a request on its way, and then the page may go again.
                    assert!(self.asked.insert(*page) || self.gave.contains(page), "page {page} was asked for twice");
                }
                self.answer(&pages, access.contains(Prot::WRITE), dice);
            }
            ToPager::DataUnlock { offset, access, .. } => self.unlock(offset / PAGE_SIZE, access, dice),
            ToPager::DataReturn { offset, data, dirty, .. } => {
                let bytes = data.to_bytes();
                for (page, bytes) in (offset / PAGE_SIZE..).zip(bytes.chunks(PAGE_SIZE as usize)) {
                    let had = self.view[page as usize];
                    assert!(!dirty || had == View::Write, "page {page} was written with {had:?}");
                    assert!(dirty || self.store[&page] == bytes, "page {page} is called clean and is not");
                    self.store.insert(page, bytes.to_vec());
                }
            }
            ToPager::LockCompleted { ticket, .. } => self.lock_completed(ticket, memory, dice),
            ToPager::SupplyCompleted { .. } => {}
            ToPager::Synchronize { offset, length, .. } => {
                self.control.push_back(Control::SyncCompleted { offset, length });
            }
        }
    }

    /// Exactly one answer for each page, in pieces as the dice say; pages under a lock request have to wait.
    fn answer(&mut self, pages: &[u64], write: bool, dice: &mut Dice) {
        let mut rest = pages;
        while let Some(first) = rest.first() {
            if self.is_locking(*first) {
                self.later.push((*first, write));
                rest = &rest[1..];
                continue;
            }
            let most = 1 + dice.below(4) as usize;
            let zero = self.is_zero(*first);
            let fits = |p: &&u64| !self.is_locking(**p) && self.is_zero(**p) == zero;
            let n = rest.iter().take(most).take_while(fits).count();
            self.answer_run(*first, n as u64, write, dice);
            rest = &rest[n..];
        }
    }

    fn is_zero(&self, page: u64) -> bool {
        self.store[&page].iter().all(|b| *b == 0)
    }

    fn answer_run(&mut self, page: u64, pages: u64, write: bool, dice: &mut Dice) {
        for p in page..page + pages {
            self.asked.remove(&p);
        }
        if dice.one_in(24) {
            return self.control.push_back(Control::Error { page, pages });
        }
        // Now and then more than was asked for, or too little.
        let lock = match dice.below(8) {
            0 => Prot::empty(),
            1 => Prot::READ | Prot::WRITE,
            _ if write => Prot::empty(),
            _ => Prot::WRITE,
        };
        self.give(page, pages, lock, dice);
    }

    /// Sends pages to the node, whether it asked for them or not.
    pub fn give(&mut self, page: u64, pages: u64, lock: Prot, dice: &mut Dice) {
        for p in page..page + pages {
            let had = &mut self.view[p as usize];
            // What is there stays as it is: a supply changes nothing for a page that is present.
            *had = (*had).max(if lock.contains(Prot::WRITE) { View::Read } else { View::Write });
        }
        if (page..page + pages).all(|p| self.is_zero(p)) && dice.one_in(2) && lock != Prot::READ | Prot::WRITE {
            return self.control.push_back(Control::Unavailable { page, pages, lock });
        }
        let data: Payload = (page..page + pages).flat_map(|p| self.store[&p].clone()).collect::<Vec<u8>>().into();
        // A reply would end the supply at the first page that is present, and leave the rest to be supplied again.
        self.control.push_back(Control::Supply(Supply {
            offset: page * PAGE_SIZE,
            data,
            lock,
            precious: false,
            reply: None,
        }));
    }

    fn unlock(&mut self, page: u64, access: Prot, dice: &mut Dice) {
        if self.is_locking(page) || self.view[page as usize] == View::Nothing {
            return;
        }
        if dice.one_in(16) {
            return self.control.push_back(Control::Error { page, pages: 1 });
        }
        let write = access.contains(Prot::WRITE);
        let view = &mut self.view[page as usize];
        *view = (*view).max(if write { View::Write } else { View::Read });
        let lock = if *view == View::Write { Prot::empty() } else { Prot::WRITE };
        let (offset, size, should_return) = (page * PAGE_SIZE, PAGE_SIZE, ShouldReturn::None);
        let grant = LockRequest { offset, size, should_return, flush: false, lock: Some(lock), reply: None };
        self.control.push_back(Control::Lock(grant));
    }

    /// Asks the node for something back, as other machines would have the pager do.
    pub fn lock(&mut self, dice: &mut Dice) {
        let page = dice.below(PAGES);
        let pages = (1 + dice.below(6)).min(PAGES - page);
        let written = (page..page + pages).any(|p| self.view[p as usize] == View::Write);
        let (should_return, flush, lock) = match dice.below(6) {
            0 => (ShouldReturn::Dirty, false, Some(Prot::WRITE)),
            1 => (ShouldReturn::Dirty, true, None),
            2 => (ShouldReturn::All, true, Some(Prot::empty())),
            3 => (ShouldReturn::Dirty, false, None),
            4 if !written => (ShouldReturn::None, true, None),
            4 => (ShouldReturn::All, false, Some(Prot::WRITE)),
            _ => (ShouldReturn::None, false, Some(Prot::READ | Prot::WRITE)),
        };
        self.tickets += 1;
        let reply = Some(Ticket(self.tickets));
        let (offset, size) = (page * PAGE_SIZE, pages * PAGE_SIZE);
        let request = LockRequest { offset, size, should_return, flush, lock, reply };
        self.locking.push_back((request, lock));
        self.control.push_back(Control::Lock(request));
    }

    fn lock_completed(&mut self, ticket: Ticket, memory: &Memory, dice: &mut Dice) {
        let at = self.locking.iter().position(|(l, _)| l.reply == Some(ticket)).expect("completed once");
        let (request, lock) = self.locking.remove(at).unwrap();
        for page in request.offset / PAGE_SIZE..(request.offset + request.size) / PAGE_SIZE {
            let others = self.is_locking(page);
            let view = &mut self.view[page as usize];
            if request.flush || lock.is_some_and(|l| l.contains(Prot::READ)) {
                // A supply may be on its way behind the request; it waited for the supplies before it.
                *view = View::Nothing;
            } else if lock == Some(Prot::WRITE) {
                *view = (*view).min(View::Read);
            }
            if *view < View::Write && !others {
                assert!(self.store[&page] == memory[&page], "page {page}: a write was lost by a lock request");
            }
        }
        let (now, later) = std::mem::take(&mut self.later).into_iter().partition(|(p, _)| !self.is_locking(*p));
        self.later = later;
        let now: Vec<(u64, bool)> = now;
        for (page, write) in now {
            self.answer(&[page], write, dice);
        }
    }

    fn terminated(&mut self, memory: &Memory) {
        for (page, bytes) in memory {
            assert!(self.store[page] == *bytes, "page {page}: a write was lost at the end");
        }
        self.in_use = false;
        self.view.fill(View::Nothing);
        self.asked.clear();
        self.later.clear();
        self.locking.clear();
        self.control.clear();
    }
}
