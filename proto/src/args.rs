//! What the generated stubs share: arguments that need more than a change of type to become an item and back.

use bytes::Bytes;

use crate::body::{Body, Reader, Writer};
use crate::limits::RECORDS_MAX;
use crate::typed::Element;
use crate::{BadBody, MigError, Payload};

/// The refusal of a request whose items are not the routine's.
pub fn bad_arguments<R>(body: Body<R>) -> BadBody<R> {
    BadBody { error: MigError::BadArguments, body }
}

/// The refusal of results whose items are not the routine's.
pub fn misfit<R>(body: Body<R>) -> BadBody<R> {
    BadBody { error: MigError::TypeError, body }
}

/// Inline UTF-8 text.
pub fn text(reader: &mut Reader<'_>) -> Option<String> {
    let bytes = reader.data(Element::CHAR)?;
    std::str::from_utf8(&bytes).ok().map(str::to_owned)
}

/// What [`text`] reads.
pub fn write_text<R>(writer: &mut Writer<R>, text: &str) {
    writer.data(Element::CHAR, text.len() as u32, text.as_bytes());
}

/// UTF-8 text up to the first zero of a field of `N` bytes, or all of it.
pub fn string_c<const N: usize>(reader: &mut Reader<'_>) -> Option<String> {
    let field: [u8; N] = reader.array(Element::STRING_C)?;
    let end = field.iter().position(|b| *b == 0).unwrap_or(N);
    std::str::from_utf8(&field[..end]).ok().map(str::to_owned)
}

/// What [`string_c`] reads; what is longer than the field is cut, at the end of a character.
pub fn write_string_c<R, const N: usize>(writer: &mut Writer<R>, text: &str) {
    let end = (0..N.min(text.len() + 1)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let mut field = [0; N];
    field[..end].copy_from_slice(&text.as_bytes()[..end]);
    writer.data(Element::STRING_C, N as u32, &field);
}

/// 32-bit integers, inline.
pub fn inline_array(reader: &mut Reader<'_>) -> Option<Vec<u32>> {
    let bytes = reader.data(Element::INTEGER_32)?;
    Some(bytes.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect())
}

/// A structure of 32-bit integers, inline.
pub fn words<const N: usize>(reader: &mut Reader<'_>) -> Option<[u32; N]> {
    inline_array(reader)?.try_into().ok()
}

/// What [`words`] and [`inline_array`] read.
pub fn write_words<R>(writer: &mut Writer<R>, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    writer.data(Element::INTEGER_32, words.len() as u32, &bytes);
}

/// A structure of 64-bit words, inline.
pub fn wide_words<const N: usize>(reader: &mut Reader<'_>) -> Option<[u64; N]> {
    let bytes = reader.data(Element::INTEGER_64)?;
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    bytes.chunks_exact(8).map(word).collect::<Vec<u64>>().try_into().ok()
}

/// What [`wide_words`] reads.
pub fn write_wide_words<R>(writer: &mut Writer<R>, words: &[u64]) {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    writer.data(Element::INTEGER_64, words.len() as u32, &bytes);
}

/// An array of 32-bit words, out of line.
pub fn array(reader: &mut Reader<'_>, element: Element) -> Option<Vec<u32>> {
    let bytes = reader.memory(element)?.to_bytes();
    Some(bytes.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect())
}

/// What [`array`] reads.
pub fn write_array<R>(writer: &mut Writer<R>, element: Element, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    writer.memory(element, Payload::from(bytes));
}

/// One structure, out of line.
pub fn record<M: prost::Message + Default>(reader: &mut Reader<'_>) -> Option<M> {
    M::decode(reader.memory(Element::BYTE)?.to_bytes()).ok()
}

/// Structures one after another, out of line, each behind its length; at most `RECORDS_MAX`, since an empty one is a single byte.
pub fn records<M: prost::Message + Default>(reader: &mut Reader<'_>) -> Option<Vec<M>> {
    let mut bytes: Bytes = reader.memory(Element::BYTE)?.to_bytes();
    let mut all = Vec::new();
    while !bytes.is_empty() {
        if all.len() == RECORDS_MAX {
            return None;
        }
        all.push(M::decode_length_delimited(&mut bytes).ok()?);
    }
    Some(all)
}

/// What [`record`] reads.
pub fn write_record<R>(writer: &mut Writer<R>, record: &impl prost::Message) {
    writer.memory(Element::BYTE, Payload::from(record.encode_to_vec()));
}

/// What [`records`] reads.
pub fn write_records<R>(writer: &mut Writer<R>, records: &[impl prost::Message]) {
    let bytes: Vec<u8> = records.iter().flat_map(|m| m.encode_length_delimited_to_vec()).collect();
    writer.memory(Element::BYTE, Payload::from(bytes));
}
