//! `docs/reference.md`: every routine in one place.

use super::model::{Field, Interface, Kind};

const HEAD: &str = "\
<!-- Written by `cargo xtask gen` from proto/idl; do not edit. -->
# Reference: every routine

A routine is a message to a port: its id says which, its items are the arguments in this order, its destination is the
port that the section names. The reply of a routine has the id of the request plus 100; its first item is the return
code, and the results follow only when that is `KERN_SUCCESS`. A *simpleroutine* has no reply. Forms of arguments:
`proto/idl/mach/options.proto`.
";

/// The whole page.
pub fn page(interfaces: &[Interface]) -> String {
    let mut out = String::from(HEAD);
    for interface in interfaces {
        out.push_str(&format!("\n## {} (subsystem {})\n\n", interface.module, interface.subsystem));
        out.push_str(&format!("{}\n\n", interface.doc.join(" ")));
        out.push_str("| id | routine | arguments | results | meaning |\n|---|---|---|---|---|\n");
        for r in &interface.routines {
            let results = r.results.as_deref().map_or("*simpleroutine*".to_owned(), fields);
            let meaning = r.doc.join(" ").replace('|', "\\|");
            out.push_str(&format!("| {} | `{}` | {} | {results} | {meaning} |\n", r.id, r.name, fields(&r.arguments),));
        }
    }
    out
}

fn fields(fields: &[Field]) -> String {
    let all: Vec<String> = fields.iter().map(|f| format!("`{}`: {}", f.name, form(&f.kind))).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn form(kind: &Kind) -> String {
    let how = |d: &str| d.to_ascii_lowercase().replace('_', " ");
    match kind {
        Kind::Port(d) => format!("right ({})", how(d)),
        Kind::Ports(d, true) => format!("rights ({})", how(d)),
        Kind::Ports(d, false) => format!("out-of-line rights ({})", how(d)),
        Kind::U32 => "u32".to_owned(),
        Kind::PortName => "port name".to_owned(),
        Kind::I32 => "i32".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::U64 => "u64".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::StringC(n) => format!("C string of {n}"),
        Kind::Array("PORT_NAME") => "out-of-line port names".to_owned(),
        Kind::Array(_) => "out-of-line u32s".to_owned(),
        Kind::InlineArray => "inline u32s".to_owned(),
        Kind::Words(m, words) => {
            let names: Vec<&str> = words.iter().map(|(name, _)| name.as_str()).collect();
            format!("`{m}` ({})", names.join(", "))
        }
        Kind::Bytes => "bytes".to_owned(),
        Kind::OutOfLine => "out-of-line bytes".to_owned(),
        Kind::Record(m) => format!("`{m}`"),
        Kind::Records(m) => format!("`{m}`s"),
    }
}
