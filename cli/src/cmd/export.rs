//! `mach export`: a file of a node's machine becomes a memory object.

use std::path::{Component, Path};

use proto::limits::NETNAME_MAX;
use serde::Serialize;

use super::Context;
use crate::args;
use crate::client::Client;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::units::Bytes;

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct Exported {
    name: String,
    node: String,
    path: String,
    size: u64,
    writable: bool,
}

/// Exports a file and says how to map it.
pub fn run(cx: &Context, args: &args::Export) -> Result<()> {
    let path = full_path(&args.file)?;
    let name = name_of(args, &path)?;
    let client = Client::attach(&cx.place(&args.target)?)?;
    let size = client.export(&path, &name, args.writable)?;
    let (node, writable) = (client.node().to_owned(), args.writable);
    let exported = Exported { name, node, path, size, writable };
    if cx.out.json() {
        return cx.out.value(&exported);
    }
    let Exported { name, node, path, size, .. } = &exported;
    let access = if writable { "read and write" } else { "read" };
    cx.out.line(format!("exported {path} as `{name}` on {node} ({}, {access})", Bytes(*size)))?;
    cx.out.note(format!("on any node: mach map {name} --node N --sha256"));
    Ok(())
}

/// The path as the node, which has another current directory, can use it.
fn full_path(file: &Path) -> Result<String> {
    let what = || format!("cannot export {}", file.display());
    // Looked at from here although the node opens it: in a container or through a link of its own it may see another
    // file, but a mistyped name is the usual mistake.
    let meta = std::fs::metadata(file).or_exit(Exit::NotFound, what)?;
    let refuse = |why: &str| Err(Failure::new(Exit::Usage, what()).because(why));
    if !meta.is_file() {
        return refuse("it is not a regular file");
    }
    if meta.len() == 0 {
        return refuse("it is empty, and an object has at least one byte");
    }
    let full = std::fs::canonicalize(file).or_exit(Exit::NotFound, what)?;
    match full.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => refuse("its path is not UTF-8"),
    }
}

/// The name asked for, else the file's.
fn name_of(args: &args::Export, path: &str) -> Result<String> {
    let own = || {
        Path::new(path).components().next_back().and_then(|c| match c {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
    };
    let name = args.name.as_deref().or_else(own).unwrap_or_default();
    let fits = !name.is_empty() && name.len() <= NETNAME_MAX && !name.contains(char::is_control);
    if fits {
        return Ok(name.to_owned());
    }
    Err(Failure::new(Exit::Usage, format!("`{name}` cannot be the name of an object"))
        .because(format!("a name is 1 to {NETNAME_MAX} bytes of text"))
        .cure("choose one with --name NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(file: &Path, name: Option<&str>) -> args::Export {
        let name = name.map(str::to_owned);
        args::Export { file: file.to_owned(), name, writable: false, target: args::Target::default() }
    }

    #[test]
    fn the_name_is_the_file_s_unless_given() {
        let args = export(Path::new("x"), None);
        assert_eq!(name_of(&args, "/a/big.bin").unwrap(), "big.bin");
        assert_eq!(name_of(&export(Path::new("x"), Some("data")), "/a/big.bin").unwrap(), "data");
        let long = "x".repeat(NETNAME_MAX + 1);
        let failure = name_of(&args, &format!("/a/{long}")).unwrap_err().to_string();
        assert!(failure.contains("1 to 79 bytes") && failure.contains("--name"), "{failure}");
    }

    #[test]
    fn what_is_no_file_of_bytes_is_refused_before_a_node_is_asked() {
        let tmp = tempfile::tempdir().unwrap();
        assert!(full_path(tmp.path()).unwrap_err().to_string().contains("not a regular file"));
        let empty = tmp.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        assert!(full_path(&empty).unwrap_err().to_string().contains("is empty"));
        assert_eq!(full_path(&tmp.path().join("none")).unwrap_err().exit(), Exit::NotFound);
        std::fs::write(&empty, "x").unwrap();
        assert!(full_path(&empty).unwrap().starts_with('/'));
    }
}
