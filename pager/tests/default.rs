//! The default pager's server: rights, lines and answers. The kernel is a list of messages.

use std::collections::BTreeMap;

use pager::{DefaultOut, DefaultPager, SwapFile, SwapJob};
use proto::iface::memory_object as object;
use proto::iface::memory_object_control::Request as Call;
use proto::iface::memory_object_default as default;
use proto::{Disposition, KernReturn, Message, NamedRight, PAGE_SIZE, Payload, PortName, SimpleRoutine, TraceId};

const PORT: PortName = PortName(1);
const OBJECT: PortName = PortName(2);
const CONTROL: PortName = PortName(3);
const NAME: PortName = PortName(4);

struct World {
    pager: DefaultPager,
    /// References that its space holds, by name: receive rights count, too.
    refs: BTreeMap<PortName, i64>,
    receiving: Vec<PortName>,
    sent: Vec<Call<NamedRight>>,
    jobs: Vec<SwapJob>,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(limit_pages: u64) -> World {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = SwapFile::create(folder.path(), limit_pages * PAGE_SIZE).expect("a file");
        let (pager, refs, sent) = (DefaultPager::new(PORT, store), BTreeMap::new(), Vec::new());
        World { pager, refs, receiving: Vec::new(), sent, jobs: Vec::new(), _folder: folder }
    }

    /// With an object.
    fn with_object(limit_pages: u64) -> World {
        let mut w = World::new(limit_pages);
        *w.refs.entry(OBJECT).or_default() += 1;
        let new_memory_object = NamedRight { name: OBJECT, disposition: Disposition::MoveReceive };
        let (new_control_port, new_name) = (w.arrives(CONTROL), w.arrives(NAME));
        w.call(
            PORT,
            default::Create {
                new_memory_object,
                new_object_size: 1 << 30,
                new_control_port,
                new_name,
                new_page_size: PAGE_SIZE,
            },
        );
        assert_eq!(w.receiving, [OBJECT]);
        w
    }

    fn arrives(&mut self, name: PortName) -> NamedRight {
        *self.refs.entry(name).or_default() += 1;
        NamedRight::move_send(name)
    }

    fn call<C: SimpleRoutine<NamedRight>>(&mut self, to: PortName, call: C) {
        let local = NamedRight { name: to, disposition: Disposition::MoveSend };
        let (remote, body) = (NamedRight::NULL, call.into_body());
        let mut out = DefaultOut::default();
        self.pager.on_message(Message { remote, local, id: C::ID, seqno: 0, trace: TraceId(5), body }, &mut out);
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: DefaultOut) {
        self.receiving.extend(out.receive);
        for message in out.messages {
            assert_eq!((message.remote, self.refs[&CONTROL] > 0), (NamedRight::copy_send(CONTROL), true));
            self.sent.push(Call::decode(message.id, message.body).map_err(|bad| bad.error).expect("a call"));
        }
        for right in out.release {
            *self.refs.get_mut(&right.name).expect("it came") -= 1;
        }
        self.jobs.extend(out.jobs);
    }

    fn run_jobs(&mut self) {
        while !self.jobs.is_empty() {
            let done = self.jobs.remove(0).run();
            let mut out = DefaultOut::default();
            self.pager.on_job_done(done, &mut out);
            self.carry_out(out);
        }
    }

    fn give(&mut self, first: u64, data: Payload) {
        let memory_control = self.arrives(CONTROL);
        let offset = first * PAGE_SIZE;
        self.call(OBJECT, object::DataReturn { memory_control, offset, data, dirty: true, kernel_copy: true });
    }

    fn synchronize(&mut self) {
        let memory_control = self.arrives(CONTROL);
        self.call(OBJECT, object::Synchronize { memory_control, offset: 0, length: 99, flags: 1 });
    }

    fn request(&mut self, first: u64, pages: u64) {
        let memory_control = self.arrives(CONTROL);
        let (offset, length) = (first * PAGE_SIZE, pages * PAGE_SIZE);
        self.call(OBJECT, object::DataRequest { memory_control, offset, length, desired_access: 1 });
        self.run_jobs();
    }

    fn terminate(&mut self) {
        let (memory_control, memory_object_name) = (self.arrives(CONTROL), self.arrives(NAME));
        self.call(OBJECT, object::Terminate { memory_control, memory_object_name });
    }

    /// The answers since the last look, in words.
    fn answers(&mut self) -> Vec<String> {
        let words = |call: Call<NamedRight>| match call {
            Call::DataSupply(s) => {
                let bytes: Vec<u8> = s.data.to_bytes().chunks(PAGE_SIZE as usize).map(|c| c[9]).collect();
                let precious = if s.precious { " precious" } else { "" };
                assert_eq!(s.reply_to.name == OBJECT, s.precious);
                format!("supply {} {bytes:?}{precious}", s.offset / PAGE_SIZE)
            }
            Call::DataUnavailable(r) => format!("zero {}+{}", r.offset / PAGE_SIZE, r.size / PAGE_SIZE),
            Call::DataError(r) => format!("error {}+{}", r.offset / PAGE_SIZE, r.size / PAGE_SIZE),
            Call::SynchronizeCompleted(r) => format!("synchronized {:?}", KernReturn::from_raw(r.result)),
            other => format!("{other:?}"),
        };
        self.sent.drain(..).map(words).collect()
    }
}

/// Pages that cannot be compressed, each with its own byte at its ninth place.
fn pages(marks: &[u8]) -> Payload {
    let mut x = 77_u64;
    let mut random = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (x >> 40) as u8
    };
    let mut bytes: Vec<u8> = (0..marks.len() * PAGE_SIZE as usize).map(|_| random()).collect();
    for (page, mark) in bytes.chunks_mut(PAGE_SIZE as usize).zip(marks) {
        page[9] = *mark;
    }
    bytes.into()
}

#[test]
fn pager_default_6_what_is_returned_is_stored_in_order_and_comes_back() {
    let mut w = World::with_object(100);
    w.give(3, pages(&[1, 2, 3]));
    w.give(4, pages(&[8]));
    w.synchronize();
    assert_eq!((w.jobs.len(), w.answers().len()), (1, 0), "one write at a time, and no answer before they are done");
    w.run_jobs();
    assert_eq!(w.answers(), ["synchronized Some(Success)"]);
    w.request(2, 5);
    assert_eq!(w.answers(), ["zero 2+1", "supply 3 [1, 8, 3]", "zero 6+1"]);
    assert_eq!(w.refs[&CONTROL], 1, "one reference is kept");
    let stats = w.pager.stats();
    assert_eq!((stats.objects, stats.pages, stats.pages_out, stats.pages_in), (1, 3, 4, 3));
    // A write is under way when the end comes: nothing is given up before it is done.
    w.give(9, pages(&[4]));
    w.terminate();
    assert_eq!((w.pager.stats().objects, w.refs[&OBJECT]), (1, 1));
    w.run_jobs();
    assert!(w.refs.values().all(|n| *n == 0), "{:?}", w.refs);
    let stats = w.pager.stats();
    assert_eq!((stats.objects, stats.pages, stats.bytes), (0, 0, 0));
}

#[test]
fn pager_default_6_a_failure_is_told_once_and_what_the_kernel_keeps_is_given_up() {
    let mut w = World::with_object(4);
    w.give(0, pages(&[1, 2]));
    w.synchronize();
    w.run_jobs();
    w.give(10, pages(&[3]));
    w.give(11, pages(&[4, 5]));
    w.synchronize();
    w.run_jobs();
    assert_eq!(w.answers(), ["synchronized Some(Success)", "synchronized Some(ResourceShortage)"]);
    assert_eq!((w.pager.stats().pages, w.pager.stats().refused), (2, 1));
    w.synchronize();
    w.request(0, 2);
    w.request(10, 1);
    assert_eq!(w.answers(), ["synchronized Some(Success)", "supply 0 [1, 2]", "error 10+1"]);
}

#[test]
fn pager_default_6_what_finds_no_room_after_its_object_ended_is_not_refused() {
    let mut w = World::with_object(4);
    w.give(0, pages(&[1, 2, 3, 4]));
    w.run_jobs();
    w.give(10, pages(&[5, 6]));
    w.terminate();
    w.run_jobs();
    let stats = w.pager.stats();
    assert_eq!((stats.objects, stats.pages, stats.refused), (0, 0, 0), "the last to be heard is that there is room");
}

#[test]
fn pager_default_7_a_nearly_full_file_gives_up_what_is_in_memory() {
    let mut w = World::with_object(4);
    w.give(0, pages(&[1, 2, 3, 4]));
    w.run_jobs();
    w.request(1, 1);
    assert_eq!(w.answers(), ["supply 1 [2] precious"]);
    assert_eq!(w.pager.stats().pages, 4, "not before the kernel has it");
    let memory_control = w.arrives(CONTROL);
    let (offset, length) = (PAGE_SIZE, PAGE_SIZE);
    w.call(OBJECT, object::SupplyCompleted { memory_control, offset, length, result: 0, error_offset: 0 });
    assert_eq!(w.pager.stats().pages, 3);
    // There is room for another one now, and with that no reason to be sparing left.
    w.give(7, pages(&[9]));
    w.run_jobs();
    w.terminate();
    assert!(w.refs.values().all(|n| *n == 0), "{:?}", w.refs);
}

#[test]
fn pager_default_6_messages_without_sense_leave_no_right_behind() {
    let mut w = World::with_object(4);
    let (memory_control, memory_object_name) = (w.arrives(CONTROL), w.arrives(NAME));
    w.call(OBJECT, object::Init { memory_control, memory_object_name, memory_object_page_size: 1 });
    let memory_control = w.arrives(CONTROL);
    w.call(OBJECT, object::DataUnlock { memory_control, offset: 0, length: 1, desired_access: 3 });
    let memory_control = w.arrives(CONTROL);
    w.call(OBJECT, object::DataRequest { memory_control, offset: 1, length: 1, desired_access: 1 });
    let memory_control = w.arrives(CONTROL);
    w.call(PORT, object::Synchronize { memory_control, offset: 0, length: 0, flags: 0 });
    let (new_control_port, new_name) = (w.arrives(CONTROL), w.arrives(NAME));
    let new_memory_object = NamedRight::NULL;
    let (new_object_size, new_page_size) = (1, PAGE_SIZE);
    w.call(PORT, default::Create { new_memory_object, new_object_size, new_control_port, new_name, new_page_size });
    assert_eq!(w.answers(), ["error 0+0"]);
    w.terminate();
    assert!(w.refs.values().all(|n| *n == 0), "{:?}", w.refs);
}
