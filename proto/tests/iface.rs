//! The generated stubs, from the outside: what goes into a body comes out of it, and what does not fit comes back whole.

use bytes::Bytes;
use proptest::prelude::*;
use proto::iface::{self, memory_object, memory_object_control, netname, node, notify, task};
use proto::item::Arrives;
use proto::msg::Reply;
use proto::typed::Element;
use proto::{BadBody, Body, Disposition, Item, MigError, NamedRight, Payload, PortName, Routine, SimpleRoutine};

fn boolean(value: u32) -> Item<NamedRight> {
    Item::Typed(Element::BOOLEAN, 1, Bytes::copy_from_slice(&value.to_le_bytes()))
}

fn port_name(name: u32) -> Item<NamedRight> {
    Item::Typed(Element::PORT_NAME, 1, Bytes::copy_from_slice(&name.to_le_bytes()))
}

const PORT: NamedRight = NamedRight::copy_send(PortName(0x203));

fn trip<Q: SimpleRoutine<NamedRight> + Clone + PartialEq + std::fmt::Debug>(request: Q) -> Vec<Item<NamedRight>> {
    let body = request.clone().into_body();
    let back = Q::from_body(body.clone()).expect("what a stub wrote, it reads");
    assert_eq!(back, request);
    body.items()
}

fn refused<Q: SimpleRoutine<NamedRight> + std::fmt::Debug>(items: Vec<Item<NamedRight>>) {
    let body = Body::from(items);
    let BadBody { error, body: back } = Q::from_body(body.clone()).expect_err("items of another shape");
    assert_eq!((error, back), (MigError::BadArguments, body));
}

#[test]
fn arguments_become_items_in_the_order_of_the_definition() {
    let request = memory_object::DataRequest { memory_control: PORT, offset: 8192, length: 4096, desired_access: 1 };
    let items = vec![Item::Port(PORT), Item::U64(8192), Item::U64(4096), Item::U32(1)];
    assert_eq!(trip(request), items);

    let data = Payload::from(vec![7; 4096]);
    let supply = memory_object_control::DataSupply {
        offset: 0,
        data: data.clone(),
        lock_value: 2,
        precious: true,
        reply_to: NamedRight::NULL,
    };
    let items = vec![Item::U64(0), Item::OutOfLine(data), Item::U32(2), boolean(1), Item::Port(NamedRight::NULL)];
    assert_eq!(trip(supply), items);
}

#[test]
fn a_negative_number_survives_its_item() {
    let request = proto::iface::mach_port::ModRefs { name: 3, right: 0, delta: -1 };
    assert_eq!(trip(request), vec![port_name(3), Item::U32(0), Item::U32(u32::MAX)]);
}

#[test]
fn any_value_but_zero_is_true() {
    let body = Body::<NamedRight>::from(vec![Item::U64(0), Item::U64(4096), boolean(7)]);
    let request = task::VmAllocate::from_body(body).unwrap();
    assert_eq!(request, task::VmAllocate { address: 0, size: 4096, anywhere: true });
}

#[test]
fn text_is_a_c_string_and_utf8() {
    let request = netname::CheckIn { port_name: "päge".to_owned(), signature: NamedRight::NULL, port_id: PORT };
    let mut body = trip(request);
    let field = |text: &[u8]| {
        let mut field = text.to_vec();
        field.resize(80, 0);
        Item::Typed(Element::STRING_C, 80, field.into())
    };
    assert_eq!(body[0], field("päge".as_bytes()));
    body[0] = field(b"\xff");
    refused::<netname::CheckIn<NamedRight>>(body);
}

#[test]
fn structures_travel_out_of_line_behind_their_lengths() {
    let member = |name: &str| node::Member { name: name.to_owned(), rtt_us: 3, ..Default::default() };
    let reply = node::MembersReply { members: vec![member("a"), member("b"), node::Member::default()] };
    let body: Body<NamedRight> = reply.clone().into_body();
    assert_eq!(node::MembersReply::from_body(body.clone()).unwrap(), reply);

    let [Item::U32(0), Item::OutOfLine(bytes)] = &body.items()[..] else { panic!("a code, and one item out of line") };
    let cut = Body::from(vec![Item::U32(0), Item::<NamedRight>::OutOfLine(bytes.slice(0, bytes.len() - 2))]);
    let bad = node::MembersReply::from_body(cut.clone()).expect_err("a structure that is cut off");
    assert_eq!(bad.body, cut);

    let info = node::InfoReply { info: node::NodeInfo { name: "a".to_owned(), pid: 7, ..Default::default() } };
    assert_eq!(node::InfoReply::from_body(Reply::<NamedRight>::into_body(info.clone())).unwrap(), info);
}

#[test]
fn a_list_without_end_is_refused() {
    let zeroes = |n: usize| Body::from(vec![Item::U32(0), Item::<Held>::OutOfLine(Payload::from(vec![0; n]))]);
    assert!(node::MembersReply::from_body(zeroes(3)).is_ok_and(|r| r.members.len() == 3));
    assert!(node::MembersReply::from_body(zeroes(proto::limits::RECORDS_MAX + 1)).is_err());
}

#[test]
fn a_body_of_another_shape_comes_back_with_its_rights() {
    refused::<memory_object::DataRequest<NamedRight>>(vec![]);
    refused::<memory_object::DataRequest<NamedRight>>(vec![Item::Port(PORT), Item::U64(0), Item::U64(0)]);
    let long = vec![Item::Port(PORT), Item::U64(0), Item::U64(0), Item::U32(0), Item::Ports(vec![PORT])];
    refused::<memory_object::DataRequest<NamedRight>>(long);
    let swapped = vec![Item::U64(0), Item::Port(PORT), Item::U64(0), Item::U32(0)];
    refused::<memory_object::DataRequest<NamedRight>>(swapped);
    refused::<notify::SendOnce>(vec![Item::Port(PORT)]);
    refused::<notify::PortDestroyed<NamedRight>>(vec![Item::Ports(vec![PORT, PORT])]);
}

#[test]
fn an_id_of_another_interface_is_not_decoded() {
    let body = Body::from(vec![Item::Port(PORT)]);
    let bad = task::Request::decode(memory_object::id::INIT, body.clone()).expect_err("not an id of a task");
    assert_eq!((bad.error, bad.body), (MigError::BadId, body));
}

#[test]
fn a_reply_has_the_id_of_its_request_plus_100() {
    assert_eq!(<task::VmMap<NamedRight> as Routine<NamedRight>>::REPLY_ID, task::id::VM_MAP + 100);
    assert_eq!(<task::VmMap<NamedRight> as SimpleRoutine<NamedRight>>::NAME, "vm_map");
    assert_eq!(iface::name_of(task::id::VM_MAP), Some("vm_map"));
    assert_eq!(iface::name_of(task::id::VM_MAP + 100), None);
}

/// A right of no particular kind.
#[derive(Clone, PartialEq, Debug)]
struct Held(u32);

impl Arrives for Held {
    fn arrives(&self) -> Disposition {
        Disposition::MoveSend
    }
}

fn any_item() -> impl Strategy<Value = Item<Held>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..24);
    prop_oneof![
        any::<u32>().prop_map(Item::U32),
        any::<u64>().prop_map(Item::U64),
        bytes().prop_map(|b| Item::Data(Bytes::from(b))),
        any::<u32>().prop_map(|r| Item::Port(Held(r))),
        proptest::collection::vec(any::<u32>().prop_map(Held), 0..3).prop_map(Item::Ports),
        bytes().prop_map(|b| Item::OutOfLine(Payload::from(b))),
    ]
}

/// Bodies that fit their routine, to be damaged.
fn fitting() -> Vec<(i32, Body<Held>)> {
    fn of<Q: SimpleRoutine<Held>>(request: Q) -> (i32, Body<Held>) {
        (Q::ID, request.into_body())
    }
    let data = Payload::from(vec![1; 8]);
    vec![
        of(memory_object::DataReturn { memory_control: Held(1), offset: 0, data, dirty: true, kernel_copy: false }),
        of(memory_object_control::LockRequest {
            offset: 0,
            size: 4096,
            should_return: 1,
            should_flush: true,
            lock_value: 0,
            reply_to: Held(2),
        }),
        of(netname::LookUp { host_name: "*".to_owned(), port_name: "x".to_owned() }),
        of(node::Export { path: "/f".to_owned(), name: "f".to_owned(), writable: false }),
        of(task::VmProtect { address: 0, size: 1, set_maximum: false, new_protection: 3 }),
    ]
}

/// Decodes as every interface; a refusal must give back what came.
fn decode_everywhere(id: i32, body: &Body<Held>) -> usize {
    let mut decoded = 0;
    macro_rules! each {
        ($($module:ident),*) => { $(
            match iface::$module::Request::decode(id, body.clone()) {
                Ok(request) => {
                    assert_eq!(request.id(), id);
                    decoded += 1;
                }
                Err(bad) => assert_eq!(&bad.body, body),
            }
        )* };
    }
    each!(host, mach_port, memory_object, memory_object_control, netname, node, notify, task, thread);
    decoded
}

fn any_id() -> impl Strategy<Value = i32> {
    let known: Vec<i32> = [
        iface::host::IDS,
        iface::mach_port::IDS,
        memory_object::IDS,
        memory_object_control::IDS,
        netname::IDS,
        node::IDS,
        notify::IDS,
        task::IDS,
        iface::thread::IDS,
    ]
    .concat();
    prop_oneof![9 => proptest::sample::select(known), 1 => any::<i32>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_items_are_decoded_or_given_back(id in any_id(), body in proptest::collection::vec(any_item(), 0..5)) {
        prop_assert!(decode_everywhere(id, &Body::from(body)) <= 1);
    }

    #[test]
    fn a_damaged_body_is_decoded_or_given_back(
        (id, body) in proptest::sample::select(fitting()),
        at in any::<proptest::sample::Index>(),
        item in any_item(),
    ) {
        prop_assert_eq!(decode_everywhere(id, &body), 1);
        let mut damaged = body.items();
        let at = at.index(damaged.len());
        damaged[at] = item;
        decode_everywhere(id, &Body::from(damaged));
    }
}
