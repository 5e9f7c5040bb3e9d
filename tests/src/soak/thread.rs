//! One thread of a process of the soak: it does one random thing after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mach::proto::iface::notify;
use mach::proto::{Disposition, Item, Message, MsgReturn, NamedRight, PortName, SimpleRoutine, TraceId};
use mach::{Canceller, MsgError, PortSet, Receive, ReceiveRight, Send, SendOnceRight, SendRight};
use rand::Rng;
use rand::rngs::StdRng;

use super::pool::{Holding, Owed, Pool};
use super::{Event, Life, Port, Sender, Which};

/// Ports that one process has received on at a time, at most.
const PORTS_MAX: usize = 16;
/// Sets of one process, at most.
const SETS_MAX: usize = 3;
/// `msgh_id` of the messages here; a reply's is one more.
const ID: i32 = 77_000;
const SEND_ONCE: i32 = <notify::SendOnce as SimpleRoutine<NamedRight>>::ID;

/// The port for replies of a thread, and the requests that have not been answered: each is, once, by a reply or by the
/// notification that it will not be.
#[derive(Debug)]
pub(super) struct Replies {
    pub port: ReceiveRight,
    pub open: BTreeSet<u64>,
    /// Notifications that are still to come for certain, of requests that were not sent.
    pub given_up: u64,
    pub notified: u64,
}

pub(super) struct Thread<'a> {
    pool: &'a Pool,
    random: StdRng,
    me: Sender,
    numbers: BTreeMap<Port, u64>,
    requests: u64,
    replies: Replies,
    /// Waits without end; somebody cancels them.
    patient: bool,
}

/// A message that is ready, and what its rights are.
struct Packed {
    which: Which,
    message: Message<NamedRight>,
    /// Of each right of the body: its port, and the tenure of a receive right.
    rights: Vec<(Port, u64)>,
}

impl<'a> Thread<'a> {
    pub fn new(pool: &'a Pool, random: StdRng, patient: bool) -> Result<Thread<'a>, mach::RpcError> {
        let port = ReceiveRight::allocate(&pool.task)?;
        let replies = Replies { port, open: BTreeSet::new(), given_up: 0, notified: 0 };
        let (me, numbers) = (pool.next_thread(), BTreeMap::new());
        Ok(Thread { pool, random, me, numbers, requests: 0, replies, patient })
    }

    /// Acts until the process is told to stop, or by chance no longer. `canceller` is where others find what ends a wait.
    pub fn run(mut self, canceller: &Mutex<Option<Canceller>>) {
        while !self.pool.stop.load(Ordering::SeqCst) && !self.random.random_ratio(1, 3000) {
            if self.patient {
                let fresh = Canceller::new(&self.pool.task);
                *canceller.lock().expect("no thread panics here") = Some(fresh.clone());
                if !self.pool.stop.load(Ordering::SeqCst) {
                    fresh.scope(|| self.act());
                }
            } else {
                self.act();
            }
        }
        canceller.lock().expect("no thread panics here").take();
        self.pool.held().replies.push(self.replies);
    }

    pub fn act(&mut self) {
        // What waits without end is cancelled by chance: no call for which that is a failure.
        let acts = if self.patient { 900 } else { 1000 };
        match self.random.random_range(0..acts) {
            0..500 => self.send(),
            500..900 => self.receive(),
            900..930 => self.answer(),
            930..950 if self.pool.held().receives.len() < PORTS_MAX => self.pool.make_port(),
            950..965 => self.take_holding(None).into_iter().for_each(|h| self.pool.destroy(h)),
            965..985 => self.change_sets(),
            985..995 => {
                let limit = self.random.random_range(0..8);
                if let Some(holding) = self.some_holding() {
                    self.pool.set_qlimit(holding.name, limit);
                }
            }
            _ => self.take_some_send().into_iter().for_each(|(_, name)| self.pool.give_up_send(name)),
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        match self.random.random_range(0..8) {
            _ if self.patient => None,
            0..5 => Some(Duration::ZERO),
            _ => Some(Duration::from_millis(self.random.random_range(1..12))),
        }
    }

    fn some_holding(&mut self) -> Option<Holding> {
        let held = self.pool.held();
        let len = held.receives.len();
        if len == 0 { None } else { held.receives.values().nth(self.random.random_range(0..len)).copied() }
    }

    /// Takes a receive right out of the holdings, not the door's; on the node of `beside` if that is said.
    fn take_holding(&mut self, beside: Option<Life>) -> Option<Holding> {
        let holding = self.some_holding().filter(|h| h.port != h.port.maker().door())?;
        if beside.is_some_and(|life| life.node() != holding.port.maker().node()) {
            return None;
        }
        self.pool.held().receives.remove(&holding.name)
    }

    fn some_send(&mut self) -> Option<(Port, PortName)> {
        let held = self.pool.held();
        let len = held.sends.len();
        if len == 0 { None } else { Some(held.sends[self.random.random_range(0..len)]) }
    }

    fn take_some_send(&mut self) -> Option<(Port, PortName)> {
        let mut held = self.pool.held();
        let len = held.sends.len();
        if len == 0 { None } else { Some(held.sends.swap_remove(self.random.random_range(0..len))) }
    }

    fn take_send_of(&self, name: PortName) -> bool {
        let mut held = self.pool.held();
        let at = held.sends.iter().position(|(_, n)| *n == name);
        at.map(|at| held.sends.swap_remove(at)).is_some()
    }

    /// A message to a random port with random rights.
    fn pack(&mut self) -> Option<Packed> {
        let (port, name) = self.some_send()?;
        let moved = self.random.random_ratio(1, 8) && self.take_send_of(name);
        let disposition = if moved { Disposition::MoveSend } else { Disposition::CopySend };
        let remote = NamedRight { name, disposition };
        let number = self.numbers.entry(port).or_default();
        *number += 1;
        let which = Which { sender: self.me, port, number: *number };
        let mut named = Vec::new();
        for _ in 0..self.random.random_range(0..4) {
            named.extend(self.right_for_body(which));
        }
        // What is moved is nobody else's, so it is taken for certain, also where a right behind it turns out to be gone.
        named.sort_by_key(|(_, _, r): &(Port, u64, NamedRight)| r.disposition != r.disposition.arrival());
        let rights: Vec<(Port, u64)> = named.iter().map(|(port, tenure, _)| (*port, *tenure)).collect();
        let words = [which.sender.0, port.0, which.number].into_iter();
        let words: Vec<u64> = words.chain(rights.iter().flat_map(|(p, t)| [p.0, *t])).collect();
        let mut items = vec![Item::Data(words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>().into())];
        items.extend(named.into_iter().map(|(_, _, right)| Item::Port(right)));
        if self.random.random_ratio(1, 10) {
            let len = [100, 5_000, 90_000][self.random.random_range(0..3)];
            items.push(Item::OutOfLine(vec![which.number as u8; len].into()));
        }
        let local = NamedRight::NULL;
        let message = Message { remote, local, id: ID, seqno: 0, trace: TraceId(0), body: items.into() };
        Some(Packed { which, message, rights })
    }

    fn right_for_body(&mut self, which: Which) -> Option<(Port, u64, NamedRight)> {
        match self.random.random_range(0..10) {
            0..4 => self.some_send().map(|(port, name)| (port, 0, NamedRight::copy_send(name))),
            4..6 => self.take_some_send().map(|(port, name)| (port, 0, NamedRight::move_send(name))),
            6..8 => self.some_holding().map(|h| (h.port, 0, NamedRight::make_send(h.name))),
            _ => {
                let taken = self.take_holding(Some(which.port.maker()))?;
                self.pool.say(&Event::Moves(which, taken.port));
                let right = NamedRight { name: taken.name, disposition: Disposition::MoveReceive };
                Some((taken.port, taken.tenure, right))
            }
        }
    }

    /// Sends, or calls.
    fn send(&mut self) {
        let Some(Packed { which, mut message, rights }) = self.pack() else { return };
        let calls = self.random.random_ratio(1, 4);
        if calls {
            self.requests += 1;
            message.local = self.replies.port.made_send_once();
            let words = [self.me.0, self.requests].map(u64::to_le_bytes).concat();
            let mut items = message.body.items();
            items.push(Item::Data(words.into()));
            message.body = items.into();
        }
        let timeout = self.timeout();
        let receive = calls.then(|| Receive { timeout: self.timeout(), ..Receive::from(self.replies.port.name()) });
        match self.pool.task.mach_msg(Some(Send { message, timeout }), receive) {
            Ok(reply) => {
                self.pool.say(&Event::Sent(which));
                self.open(calls);
                reply.into_iter().for_each(|reply| replied(&mut self.replies, self.pool, reply));
            }
            Err(MsgError::Code { code, message }) if is_of_send(code) => {
                self.pool.say(&Event::Failed(which));
                // The right to answer was taken with the header, and given up with the rest.
                self.replies.given_up += u64::from(calls && message.is_none());
                self.not_sent(which, code, message, &rights);
            }
            Err(MsgError::Code { code: MsgReturn::RcvTimedOut | MsgReturn::RcvInterrupted, .. }) => {
                self.pool.say(&Event::Sent(which));
                self.open(calls);
            }
            Err(error) => self.pool.wrong(format!("mach_msg: {error:?}")),
        }
    }

    fn open(&mut self, calls: bool) {
        if calls {
            self.replies.open.insert(self.requests);
        }
    }

    /// What the message carried is ours again where it was moved, or made meanwhile.
    fn not_sent(
        &mut self,
        which: Which,
        code: MsgReturn,
        back: Option<Box<Message<NamedRight>>>,
        rights: &[(Port, u64)],
    ) {
        let may_be = [
            MsgReturn::SendTimedOut,
            MsgReturn::SendInterrupted,
            MsgReturn::SendInvalidDest,
            // Another thread was quicker with one of the rights.
            MsgReturn::SendInvalidRight,
            MsgReturn::SendNoBuffer,
        ];
        if !may_be.contains(&code) {
            self.pool.wrong(format!("a send: {code}"));
        }
        let Some(back) = back else { return };
        if back.local.name.is_valid() && back.local.disposition == Disposition::MoveSendOnce {
            self.replies.given_up += 1;
        }
        self.pool.take_right(back.local, which.port, 0);
        let dead = code == MsgReturn::SendInvalidDest;
        match back.remote.disposition {
            Disposition::MoveSend if dead => self.pool.give_up_send(back.remote.name),
            Disposition::CopySend if dead && self.take_send_of(back.remote.name) => {
                self.pool.give_up_send(back.remote.name);
            }
            _ => self.pool.take_right(back.remote, which.port, 0),
        }
        for (right, (port, tenure)) in back.body.rights().iter().zip(rights) {
            self.pool.take_right(*right, *port, tenure + 1);
        }
    }

    fn receive(&mut self) {
        let set = {
            let held = self.pool.held();
            let len = held.sets.len();
            let at = if len > 0 { self.random.random_range(0..2 * len) } else { 0 };
            held.sets.get(at).cloned()
        };
        let from = match &set {
            Some(set) => set.name(),
            None => match self.some_holding() {
                Some(holding) => holding.name,
                None => return,
            },
        };
        let timeout = self.timeout();
        let stamp = self.pool.stamp();
        match self.pool.task.receive(from, timeout) {
            Ok(message) => self.received(message, stamp),
            Err(MsgError::Code { code, .. }) => {
                use MsgReturn::{RcvInSet, RcvInterrupted, RcvInvalidName, RcvPortChanged, RcvPortDied, RcvTimedOut};
                let may_be = [RcvTimedOut, RcvInterrupted, RcvInvalidName, RcvInSet, RcvPortDied, RcvPortChanged];
                if !may_be.contains(&code) {
                    self.pool.wrong(format!("a receive: {code}"));
                }
            }
            Err(error) => self.pool.wrong(format!("a receive: {error:?}")),
        }
    }

    fn received(&mut self, message: Message<NamedRight>, stamp: u64) {
        if let Some(owed) = take_in(self.pool, message, stamp) {
            match self.random.random_range(0..10) {
                0..8 => answer(self.pool, owed),
                8 => self.pool.held().owed.push(owed),
                _ => drop(owed),
            }
        }
    }

    /// Answers a request that was put off.
    fn answer(&mut self) {
        let owed = self.pool.held().owed.pop();
        if let Some(owed) = owed {
            answer(self.pool, owed);
        }
    }

    fn change_sets(&mut self) {
        let (set, len) = {
            let held = self.pool.held();
            let len = held.sets.len();
            (if len > 0 { Some(held.sets[self.random.random_range(0..len)].clone()) } else { None }, len)
        };
        match (self.random.random_range(0..8), set) {
            (0, _) if len < SETS_MAX => match PortSet::allocate(&self.pool.task) {
                Ok(set) => self.pool.held().sets.push(Arc::new(set)),
                Err(error) => self.pool.wrong(format!("a set: {error:?}")),
            },
            (1, Some(_)) => drop(self.pool.held().sets.pop()),
            (n, set) => {
                let after = if n < 4 { PortName::NULL } else { set.map_or(PortName::NULL, |set| set.name()) };
                if let Some(holding) = self.some_holding() {
                    self.pool.move_member(holding.name, after);
                }
            }
        }
    }
}

/// Takes over what a message brought and says so; answers the right to answer it.
pub(super) fn take_in(pool: &Pool, message: Message<NamedRight>, stamp: u64) -> Option<Owed> {
    let items = message.body.items();
    let Some(Item::Data(words)) = items.first().filter(|_| message.id == ID) else {
        pool.wrong(format!("a message of another kind: {message:?}"));
        return None;
    };
    let words = words_of(words);
    let &[sender, port, number, ref rights @ ..] = &words[..] else {
        pool.wrong(format!("a message cut short: {words:?}"));
        return None;
    };
    let which = Which { sender: Sender(sender), port: Port(port), number };
    let certain = pool.certain(message.local.name, stamp);
    if certain.is_some_and(|h| h.port != which.port) {
        pool.wrong(format!("{which:?} came to {certain:?}"));
    }
    let (mut places, mut request) = (rights.chunks_exact(2), None);
    for item in &items[1..] {
        match item {
            Item::Port(right) => match places.next() {
                Some(&[port, tenure]) => pool.take_right(*right, Port(port), tenure + 1),
                _ => pool.wrong(format!("a right that was not sent: {right:?}")),
            },
            Item::OutOfLine(memory) => {
                if !memory.to_bytes().iter().all(|b| *b == number as u8) {
                    pool.wrong(format!("memory of {which:?} is not what was sent"));
                }
            }
            Item::Data(words) => request = Some(words_of(words)),
            other => pool.wrong(format!("an item that was not sent: {other:?}")),
        }
    }
    if places.next().is_some() {
        pool.wrong(format!("a right of {which:?} is missing"));
    }
    pool.say(&Event::Received(which, certain.map_or(0, |h| h.tenure), message.seqno));
    match (message.remote.name.is_valid(), request.as_deref()) {
        (true, Some(&[asker, number])) => {
            let right = SendOnceRight::adopt(&pool.task, message.remote.name);
            Some(Owed { right, asker: Sender(asker), number })
        }
        // Whoever asked is gone.
        (false, _) => None,
        (true, _) => {
            pool.wrong(format!("a right to answer {which:?}, which is no request"));
            None
        }
    }
}

/// Answers a request.
pub(super) fn answer(pool: &Pool, owed: Owed) {
    let words = [owed.asker.0, owed.number].map(u64::to_le_bytes).concat();
    let (remote, local, trace) = (owed.right.into_named(), NamedRight::NULL, TraceId(0));
    let body = vec![Item::Data(words.into())].into();
    match pool.task.send(Message { remote, local, id: ID + 1, seqno: 0, trace, body }) {
        Ok(()) => {}
        // Whoever asked is gone: the dead name is ours to give up.
        Err(MsgError::Code { code: MsgReturn::SendInvalidDest, .. }) => drop(SendRight::adopt(&pool.task, remote.name)),
        Err(MsgError::Code { code: MsgReturn::SendInterrupted, .. }) => {
            drop(SendOnceRight::adopt(&pool.task, remote.name));
        }
        Err(error) => pool.wrong(format!("an answer: {error:?}")),
    }
}

/// A message came to a port for replies.
pub(super) fn replied(replies: &mut Replies, pool: &Pool, message: Message<NamedRight>) {
    if message.id == SEND_ONCE {
        replies.notified += 1;
        return;
    }
    match message.body.items().first() {
        Some(Item::Data(words)) if message.id == ID + 1 => match words_of(words)[..] {
            [_, number] if replies.open.remove(&number) => {}
            _ => pool.wrong(format!("an answer to no open request: {:?}", words_of(words))),
        },
        _ => pool.wrong(format!("a reply of another kind: {message:?}")),
    }
}

fn words_of(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().expect("eight bytes"))).collect()
}

fn is_of_send(code: MsgReturn) -> bool {
    (code.raw() as u32) < MsgReturn::RcvInvalidName.raw() as u32
}
