//! `mach map`: this process becomes a task, maps the object, and does one thing with it.
//!
//! Every read goes through a copy that turns a memory error into a message: a node that dies in the middle of it ends
//! this command with exit code 4 and a name, an offset and a node, not with a signal.

mod command;
mod touch;

use std::time::Instant;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Context;
use crate::args;
use crate::client::{Client, Mapped};
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::progress::Unit;
use crate::units::{Bytes, Patch, Range, Source, Span, megabytes_per_second};
use crate::view::{View, check_inside, for_each_chunk, hexdump_line};

/// Maps the object and carries out the action.
pub fn run(cx: &Context, args: &args::Map) -> Result<()> {
    let place = cx.place(&args.target)?;
    if !args.command.is_empty() {
        return command::run(cx, &Client::attach(&place)?, args);
    }
    let client = Client::attach_with_memory(&place)?;
    let mapped = client.map(&args.name, &args.from, !args.write.is_empty())?;
    if let Some(range) = args.read {
        return read(cx, &mapped, range);
    }
    if let Some(range) = args.hexdump {
        return hexdump(cx, &mapped, range);
    }
    if args.sha256 {
        return sha256(cx, &mapped);
    }
    if let Some(order) = args.touch {
        return touch::run(cx, &mapped, order);
    }
    if !args.write.is_empty() {
        return write(cx, &mapped, &args.write);
    }
    look(cx, &mapped)
}

/// Without an action: one page, to show that it works and how long that takes.
fn look(cx: &Context, mapped: &Mapped) -> Result<()> {
    let mut page = vec![0; mapped.size().min(proto::PAGE_SIZE) as usize];
    let begun = Instant::now();
    mapped.read(0, &mut page)?;
    let took = begun.elapsed();
    if cx.out.json() {
        let (name, node, size) = (mapped.name(), mapped.node(), mapped.size());
        let first_page_us = took.as_secs_f64() * 1e6;
        return cx.out.value(&json!({ "name": name, "node": node, "size": size, "first_page_us": first_page_us }));
    }
    cx.out.line(format!(
        "`{}` is mapped on {}: {}, its first page was here after {}",
        mapped.name(),
        mapped.node(),
        Bytes(mapped.size()),
        Span(took)
    ))
}

fn read(cx: &Context, mapped: &Mapped, range: Range) -> Result<()> {
    check_inside(mapped, mapped.name(), range)?;
    let begun = Instant::now();
    for_each_chunk(mapped, range, |_, bytes| cx.out.bytes(bytes))?;
    told(cx, "read", range.len, begun);
    Ok(())
}

fn hexdump(cx: &Context, mapped: &Mapped, range: Range) -> Result<()> {
    check_inside(mapped, mapped.name(), range)?;
    if cx.out.json() {
        let mut text = String::new();
        for_each_chunk(mapped, range, |_, bytes| {
            text.push_str(&hex::encode(bytes));
            Ok(())
        })?;
        return cx.out.value(&json!({ "offset": range.offset, "hex": text }));
    }
    for_each_chunk(mapped, range, |offset, bytes| {
        let mut text = String::with_capacity(bytes.len() * 5);
        for (index, line) in bytes.chunks(16).enumerate() {
            text.push_str(&hexdump_line(offset + index as u64 * 16, line));
            text.push('\n');
        }
        cx.out.bytes(text.as_bytes())
    })
}

fn sha256(cx: &Context, mapped: &Mapped) -> Result<()> {
    let mut hash = Sha256::new();
    let mut progress = cx.progress(&format!("reading {}", mapped.name()), Unit::Bytes, mapped.size());
    for_each_chunk(mapped, Range { offset: 0, len: mapped.size() }, |_, bytes| {
        hash.update(bytes);
        progress.add(bytes.len() as u64);
        Ok(())
    })?;
    progress.done();
    let sha256 = hex::encode(hash.finalize());
    match cx.out.json() {
        true => cx.out.value(&json!({ "name": mapped.name(), "size": mapped.size(), "sha256": sha256 })),
        false => cx.out.line(format!("{sha256}  {}", mapped.name())),
    }
}

fn write(cx: &Context, mapped: &Mapped, patches: &[Patch]) -> Result<()> {
    let mut all = Vec::new();
    for patch in patches {
        let bytes = match &patch.source {
            Source::Given(bytes) => bytes.clone(),
            Source::File(path) => {
                std::fs::read(path).or_exit(Exit::NotFound, || format!("cannot read {}", path.display()))?
            }
        };
        if bytes.is_empty() {
            return Err(Failure::new(Exit::Usage, "there is nothing to write").because("the file is empty"));
        }
        let end = patch.offset.checked_add(bytes.len() as u64);
        let range = Range { offset: patch.offset, len: bytes.len() as u64 };
        end.ok_or_else(|| Failure::new(Exit::Usage, "the range ends beyond 64 bits"))?;
        check_inside(mapped, mapped.name(), range)?;
        all.push((range, bytes));
    }
    let begun = Instant::now();
    let mut total = 0;
    for (range, bytes) in &all {
        mapped.write(range.offset, bytes)?;
        mapped.flush(*range)?;
        total += range.len;
    }
    if cx.out.json() {
        let (name, node) = (mapped.name(), mapped.node());
        return cx.out.value(&json!({ "name": name, "node": node, "written": total, "durable": true }));
    }
    told(cx, "written and durable", total, begun);
    Ok(())
}

/// The remark after some bytes.
fn told(cx: &Context, what: &str, bytes: u64, begun: Instant) {
    let took = begun.elapsed();
    let rate = megabytes_per_second(bytes, took);
    cx.out.note(format!("{what}: {} in {} ({rate:.1} MB/s)", Bytes(bytes), Span(took)));
}
