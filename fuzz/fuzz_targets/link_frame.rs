//! The head of a frame from a peer, as it is decoded on a link; what decodes encodes to a head that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use proto::wire::link::Frame;

fuzz_target!(|data: &[u8]| {
    let Ok(frame) = Frame::decode(data) else { return };
    assert_eq!(Frame::decode(&frame.encode_to_vec()[..]), Ok(frame));
});
