//! A typed body: parsed, looked through, filled for a receiver, and parsed again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::body::Source;
use proto::typed::Scan;
use proto::{Body, Disposition, MsgReturn, NamedRight, Payload, PortName};

/// Gives what is asked for, up to a bound.
struct Any;

impl Source<NamedRight> for Any {
    type Error = MsgReturn;

    fn rights(
        &mut self,
        kind: Disposition,
        number: usize,
        _: Option<&[u8]>,
        out: &mut Vec<NamedRight>,
    ) -> Result<(), MsgReturn> {
        if number > 1000 {
            return Err(MsgReturn::SendInvalidRight);
        }
        out.extend((0..number).map(|n| NamedRight { name: PortName(n as u32 + 1), disposition: kind.arrival() }));
        Ok(())
    }

    fn memory(&mut self, bytes: u64) -> Result<Payload, MsgReturn> {
        if bytes > 1 << 16 { Err(MsgReturn::SendNoBuffer) } else { Ok(Payload::from(vec![7; bytes as usize])) }
    }
}

fuzz_target!(|data: &[u8]| {
    let scanned: Vec<_> = Scan::new(data).collect();
    let Ok(body) = Body::parse(data, &mut Any) else { return };
    assert!(scanned.iter().all(Result::is_ok));
    assert_eq!((body.items_len(), body.items().len()), (scanned.len(), scanned.len()));
    assert_eq!(body.bytes().len(), data.len());
    let (filled, _) = body.fill(|right| (right.name.0, Some(right.disposition)));
    assert_eq!(filled.len(), data.len());
    let again = Body::parse(&filled, &mut Any).expect("what is filled can be parsed");
    assert_eq!((again.bytes(), again.rights(), again.memory()), (body.bytes(), body.rights(), body.memory()));
});
