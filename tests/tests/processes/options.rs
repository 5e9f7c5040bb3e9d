//! What `mach_msg` can be asked besides, as a task's records ask it of a real node.

use mach::proto::codec::{self, TRAP_VERSION};
use mach::proto::iface::mach_port::{SetProtectedPayload, SetQlimit};
use mach::proto::limits::{QLIMIT_DEFAULT, TRAP_RECORD_BYTES_MAX};
use mach::proto::wire::trap::{Answer, Call, Hello, Msg, ReplyPort, call, hello};
use mach::proto::{Body, Message, MsgReturn, NamedRight, NoRoom, PortName, SimpleRoutine, TraceId};
use mach_tests::processes::Nodes;
use prost::Message as _;
use sys::Channel;
use sys::seqpacket::Received;

/// A task without memory that speaks to its node by hand.
struct Raw {
    channel: Channel,
    last: u64,
    itself: PortName,
}

impl Raw {
    fn attach(nodes: &Nodes) -> Raw {
        let channel = Channel::connect(&nodes.socket(1)).expect("the node listens");
        let mut raw = Raw { channel, last: 0, itself: PortName::NULL };
        let hello = Hello {
            version: TRAP_VERSION,
            role: hello::Role::Thread.into(),
            userfaultfd: "none".into(),
            command: "options".into(),
            ..Hello::default()
        };
        let welcome = raw.call(call::Op::Hello(hello)).welcome.expect("a welcome");
        raw.itself = PortName(welcome.task_self);
        raw
    }

    fn call(&mut self, op: call::Op) -> Answer {
        self.last += 1;
        let call = Call { ticket: self.last, op: Some(op) };
        let sent = self.channel.send(&call.encode_to_vec(), &[]);
        assert!(matches!(sent, Ok(sys::seqpacket::Sent::Done)), "{sent:?}");
        let mut buffer = vec![0; TRAP_RECORD_BYTES_MAX];
        match self.channel.recv(&mut buffer) {
            Ok(Received::Record(len, _)) => {
                let answer = Answer::decode(&buffer[..len]).expect("an answer");
                assert_eq!(answer.ticket, self.last);
                answer
            }
            other => panic!("no answer: {other:?}"),
        }
    }

    fn port(&mut self) -> PortName {
        PortName(self.call(call::Op::ReplyPort(ReplyPort {})).name)
    }

    fn send(&mut self, remote: NamedRight, local: NamedRight, id: i32, body: Body<NamedRight>, how: Msg) -> Answer {
        let message = Message { remote, local, id, seqno: 0, trace: TraceId(0), body };
        let (message, _) = codec::encode(message, 0);
        self.call(call::Op::Msg(Msg { send: true, message: Some(message), ..how }))
    }

    fn receive(&mut self, from: PortName, how: Msg) -> Answer {
        let receive_timeout_ms = Some(0);
        self.call(call::Op::Msg(Msg { receive: true, receive_name: from.0, receive_timeout_ms, ..how }))
    }

    /// Calls a routine of its own task port.
    fn routine<Q: SimpleRoutine<NamedRight>>(&mut self, request: Q, reply: PortName) {
        let (to, local) = (NamedRight::copy_send(self.itself), NamedRight::make_send_once(reply));
        self.send(to, local, Q::ID, request.into_body(), Msg::default());
        assert_eq!(code(&self.receive(reply, Msg::default())), MsgReturn::Success);
    }
}

fn code(answer: &Answer) -> MsgReturn {
    NoRoom::parse(answer.result).expect("a code of mach_msg").0
}

fn empty() -> Body<NamedRight> {
    Body::default()
}

#[test]
fn a_message_is_forced_into_a_full_queue_and_its_sender_is_told() {
    let nodes = Nodes::start(1);
    let mut task = Raw::attach(&nodes);
    let (port, log) = (task.port(), task.port());
    let to = NamedRight::make_send(port);
    for id in 0..QLIMIT_DEFAULT as i32 {
        let sent = task.send(to, NamedRight::NULL, id, empty(), Msg::default());
        assert_eq!(code(&sent), MsgReturn::Success);
    }
    // Without a deadline it does not wait; with one it waits that long.
    let notify =
        |name: PortName, send_timeout_ms| Msg { notify: name.0, send_notify: true, send_timeout_ms, ..Msg::default() };
    let forced = task.send(to, NamedRight::NULL, 50, empty(), notify(log, None));
    assert_eq!((code(&forced), forced.message), (MsgReturn::SendWillNotify, None));
    let again = task.send(to, NamedRight::NULL, 51, empty(), notify(log, Some(20)));
    assert_eq!(code(&again), MsgReturn::SendNotifyInProgress);
    assert_eq!(again.message.expect("it comes back").id, 51);
    for _ in 0..QLIMIT_DEFAULT {
        task.receive(port, Msg::default());
    }
    assert_eq!(code(&task.receive(log, Msg::default())), MsgReturn::RcvTimedOut);
    assert_eq!(task.receive(port, Msg::default()).message.expect("the forced one").id, 50);
    assert_eq!(task.receive(log, Msg::default()).message.expect("it is told").id, 66);
}

#[test]
fn a_payload_stands_for_the_port_and_a_bad_notify_port_costs_the_message() {
    let nodes = Nodes::start(1);
    let mut task = Raw::attach(&nodes);
    let (port, reply) = (task.port(), task.port());
    let to = NamedRight::make_send(port);
    task.routine(SetProtectedPayload { name: port.0, payload: 1 << 50 }, reply);
    task.routine(SetQlimit { name: port.0, qlimit: 2 }, reply);
    for id in 1..=2 {
        task.send(to, NamedRight::NULL, id, empty(), Msg::default());
    }
    let first = task.receive(port, Msg::default());
    assert_eq!((code(&first), first.payload), (MsgReturn::Success, Some(1 << 50)));
    let header = first.message.expect("a message");
    assert_eq!((header.id, header.remote), (1, None), "no reply right, and no kind of one");
    let refused = task.receive(port, Msg { receive_notify: true, notify: 0x77_7001, ..Msg::default() });
    assert_eq!((code(&refused), refused.payload), (MsgReturn::RcvInvalidNotify, Some(1 << 50)));
    assert_eq!(refused.message.expect("its header").id, 2);
    let cancel = Msg { send_cancel: true, notify: 0x77_7001, ..Msg::default() };
    assert_eq!(code(&task.send(to, NamedRight::NULL, 3, empty(), cancel)), MsgReturn::SendInvalidNotify);
}
