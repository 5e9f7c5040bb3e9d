//! What the generated stubs share: arguments that need more than a change of type to become an item and back.

use bytes::Bytes;

use crate::limits::RECORDS_MAX;
use crate::{BadBody, Item, MigError, Payload};

/// The items of a routine, by number.
///
/// Errors: `TypeError` when there are more or fewer; the body comes back whole.
pub(crate) fn exactly<R, const N: usize>(body: Vec<Item<R>>) -> Result<[Item<R>; N], BadBody<R>> {
    body.try_into().map_err(misfit)
}

/// The refusal of items whose types are not the routine's.
pub(crate) fn misfit<R>(body: impl Into<Vec<Item<R>>>) -> BadBody<R> {
    BadBody { error: MigError::TypeError, body: body.into() }
}

/// Inline UTF-8 text.
pub(crate) fn text<R>(item: &Item<R>) -> Option<String> {
    let Item::Data(bytes) = item else { return None };
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// One structure, out of line.
pub(crate) fn record<R, M: prost::Message + Default>(item: &Item<R>) -> Option<M> {
    let Item::OutOfLine(payload) = item else { return None };
    M::decode(payload.to_bytes()).ok()
}

/// Structures one after another, out of line, each behind its length; at most `RECORDS_MAX`, since an empty one is a single byte.
pub(crate) fn records<R, M: prost::Message + Default>(item: &Item<R>) -> Option<Vec<M>> {
    let Item::OutOfLine(payload) = item else { return None };
    let mut bytes = payload.to_bytes();
    let mut all = Vec::new();
    while !bytes.is_empty() {
        if all.len() == RECORDS_MAX {
            return None;
        }
        all.push(M::decode_length_delimited(&mut bytes).ok()?);
    }
    Some(all)
}

/// The item that [`record`] reads.
pub(crate) fn from_record<R>(record: &impl prost::Message) -> Item<R> {
    Item::OutOfLine(Payload::from(record.encode_to_vec()))
}

/// The item that [`records`] reads.
pub(crate) fn from_records<R>(records: &[impl prost::Message]) -> Item<R> {
    let bytes: Vec<u8> = records.iter().flat_map(|m| m.encode_length_delimited_to_vec()).collect();
    Item::OutOfLine(Payload::from(bytes))
}

/// The item that [`text`] reads.
pub(crate) fn from_text<R>(text: String) -> Item<R> {
    Item::Data(Bytes::from(text))
}
