//! `mach object`: what nodes serve and cache.

use proto::PAGE_SIZE;
use proto::iface::node;
use serde::Serialize;

use super::Context;
use super::lists::each_node;
use crate::args;
use crate::client::Client;
use crate::failure::{Exit, Failure, Result};
use crate::out::Row;
use crate::units::Bytes;

/// An object on a node.
#[derive(Clone, Debug, Serialize)]
struct ObjectRow {
    name: String,
    /// "export" or "cache".
    role: String,
    node: String,
    size: u64,
    writable: bool,
    resident_pages: u64,
    dirty_pages: u64,
    failed_pages: u64,
    users: u32,
    state: String,
    pages_in: u64,
    pages_out: u64,
    path: String,
}

impl Row for ObjectRow {
    const HEADS: &'static [&'static str] =
        &["NAME", "ROLE", "NODE", ">SIZE", "ACCESS", ">HERE", ">DIRTY", ">USERS", "STATE", ">IN", ">OUT", "FILE"];

    fn cells(&self) -> Vec<String> {
        // The pages of an export are in its file; dirty are those that are not yet.
        let cached = |text: String| if self.role == "cache" { text } else { "-".into() };
        vec![
            self.name.clone(),
            self.role.clone(),
            self.node.clone(),
            Bytes(self.size).to_string(),
            access(self.writable).into(),
            cached(percent(self.resident_pages, self.size)),
            if self.dirty_pages > 0 { self.dirty_pages.to_string() } else { cached("0".into()) },
            self.users.to_string(),
            self.state.clone(),
            self.pages_in.to_string(),
            self.pages_out.to_string(),
            self.path.clone(),
        ]
    }
}

/// Carries out one command.
pub fn run(cx: &Context, command: &args::Object) -> Result<()> {
    match command {
        args::Object::Ls(target) => {
            let rows = rows(cx, target)?;
            cx.out.list(&rows, "nothing is exported; mach export FILE --node 1")
        }
        args::Object::Show(args) => show(cx, args),
        args::Object::Rm(args) => remove(cx, args),
    }
}

fn rows(cx: &Context, target: &args::Target) -> Result<Vec<ObjectRow>> {
    each_node(cx, target, |client| {
        let node = client.node().to_owned();
        Ok(client.objects()?.into_iter().map(|object| row(&node, object)).collect())
    })
}

fn row(node: &str, object: node::ObjectInfo) -> ObjectRow {
    ObjectRow {
        name: object.name,
        role: object.role,
        node: node.to_owned(),
        size: object.size,
        writable: object.writable,
        resident_pages: object.resident_pages,
        dirty_pages: object.dirty_pages,
        failed_pages: object.failed_pages,
        users: object.users,
        state: object.state,
        pages_in: object.pages_in,
        pages_out: object.pages_out,
        path: object.path,
    }
}

fn show(cx: &Context, args: &args::ObjectName) -> Result<()> {
    let found: Vec<ObjectRow> = rows(cx, &args.target)?.into_iter().filter(|r| r.name == args.name).collect();
    if found.is_empty() {
        return Err(unknown(&args.name));
    }
    if cx.out.json() {
        return cx.out.value(&found);
    }
    for (index, object) in found.iter().enumerate() {
        if index > 0 {
            cx.out.line("")?;
        }
        cx.out.record(object, &lines(object))?;
    }
    Ok(())
}

fn lines(object: &ObjectRow) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("object", object.name.clone()),
        ("node", format!("{} ({})", object.node, object.role)),
        ("state", object.state.clone()),
        ("size", format!("{} ({} bytes)", Bytes(object.size), object.size)),
        ("access", access(object.writable).into()),
    ];
    if object.role == "export" {
        lines.push(("file", object.path.clone()));
        lines.push(("nodes that map it", object.users.to_string()));
        lines.push(("pages given out", object.pages_in.to_string()));
        lines.push(("pages taken back", object.pages_out.to_string()));
        if object.dirty_pages > 0 {
            let which = match object.failed_pages {
                0 => "which are being written".into(),
                failed => format!("{failed} of which could not be written"),
            };
            lines.push(("not in the file", format!("{} page(s), {which}", object.dirty_pages)));
        }
    } else {
        let here = percent(object.resident_pages, object.size);
        lines.push(("pages here", format!("{} ({here})", object.resident_pages)));
        lines.push(("dirty pages", object.dirty_pages.to_string()));
        lines.push(("mappings", object.users.to_string()));
        lines.push(("pages fetched", object.pages_in.to_string()));
        lines.push(("pages returned", object.pages_out.to_string()));
    }
    lines
}

/// What `rm` did, as `--json` prints it.
#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    node: &'a str,
}

fn remove(cx: &Context, args: &args::ObjectName) -> Result<()> {
    for place in cx.places(&args.target)? {
        let Some(client) = super::lists::attach_or_note(cx, &args.target, &place)? else { continue };
        let serves = client.objects()?.iter().any(|o| o.role == "export" && o.name == args.name);
        if serves {
            return remove_from(cx, &client, &args.name);
        }
    }
    Err(unknown(&args.name).because("only the node that serves an object can withdraw it"))
}

fn remove_from(cx: &Context, client: &Client, name: &str) -> Result<()> {
    client.withdraw(name)?;
    match cx.out.json() {
        true => cx.out.value(&Removed { name, node: client.node() }),
        false => cx.out.line(format!("withdrew `{name}` from {}", client.node())),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("no node asked has an object `{name}`")).cure("mach object ls")
}

fn access(writable: bool) -> &'static str {
    if writable { "read, write" } else { "read" }
}

fn percent(pages: u64, size: u64) -> String {
    let all = size.div_ceil(PAGE_SIZE).max(1);
    format!("{:.1} %", pages as f64 * 100.0 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_shows_how_much_of_it_is_here() {
        let object = node::ObjectInfo {
            name: "data".into(),
            role: "cache".into(),
            size: 1 << 20,
            resident_pages: 64,
            state: "ready".into(),
            ..Default::default()
        };
        let cells = row("n2", object).cells();
        assert_eq!(cells.len(), ObjectRow::HEADS.len());
        assert_eq!(&cells[..6], ["data", "cache", "n2", "1 MiB", "read", "25.0 %"]);
        assert_eq!(percent(0, 0), "0.0 %");
    }
}
