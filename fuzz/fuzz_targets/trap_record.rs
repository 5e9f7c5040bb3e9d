//! A record of a task: the call, and the message in it, with a descriptor whose contents the fuzzer chooses, too.
//!
//! What decodes keeps the bounds of a message, and comes back from being encoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use proto::wire::trap::{Call, Msg, call};
use proto::{Payload, codec};

fuzz_target!(|data: &[u8]| {
    let Some((split, data)) = data.split_first() else { return };
    let (record, beside) = data.split_at((usize::from(*split) * data.len()).div_ceil(255));
    let Ok(Call { op: Some(call::Op::Msg(Msg { message: Some(message), .. })), .. }) = Call::decode(record) else { return };
    let fetch = |_, offset: u64, length: usize| {
        let from = usize::try_from(offset).ok()?;
        beside.get(from..from.checked_add(length)?).map(|bytes| Payload::from(bytes.to_vec()))
    };
    let Ok(message) = codec::decode(message, fetch) else { return };
    assert_eq!(codec::check(&message), Ok(()));
    let (again, beside) = codec::encode(message.clone(), 0);
    let beside = beside.bytes.concat();
    let back = codec::decode(again, |_, offset, length| {
        beside.get(offset as usize..offset as usize + length).map(|bytes| Payload::from(bytes.to_vec()))
    });
    assert_eq!(back.map(|m| m.body.bytes().clone()), Ok(message.body.bytes().clone()));
});
