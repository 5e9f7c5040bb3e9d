//! `cargo xtask gen`: the stubs, the wire records and the reference page, all from `proto/idl/`.
//!
//! protox compiles the definitions (no protoc), prost-build writes the plain structures, our [`stubs::Stubs`] is its
//! `ServiceGenerator`. The outputs are committed; a test here compares them with what the definitions give now.

mod model;
mod reference;
mod stubs;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use prost_build::Module;
use protox::Compiler;
use protox::prost_reflect::DescriptorPool;
use protox::prost_reflect::prost_types::FileDescriptorProto;

const HEADER: &str = "// Written by `cargo xtask gen` from proto/idl; do not edit.\n";

/// Every generated file: its path from the root, and its text.
pub fn outputs(root: &Path) -> Result<BTreeMap<&'static str, String>> {
    let idl = root.join("proto/idl");
    let (stubs, reference) = interfaces(&idl)?;
    Ok(BTreeMap::from([
        ("proto/src/iface.rs", stubs),
        ("proto/src/wire.rs", records(&idl)?),
        ("docs/reference.md", reference),
    ]))
}

/// Writes what changed; `check` only says so.
pub fn run(root: &Path, check: bool) -> Result<()> {
    for (path, text) in outputs(root)? {
        let file = root.join(path);
        if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        ensure!(!check, "{path} is stale: run `cargo xtask gen`");
        std::fs::write(&file, text).with_context(|| format!("writing {path}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

fn interfaces(idl: &Path) -> Result<(String, String)> {
    let compiler = compile(idl, "mach")?;
    let pool = compiler.descriptor_pool();
    let interfaces = model::read(&pool)?;
    let mut config = config();
    config.service_generator(Box::new(stubs::Stubs(interfaces.clone())));
    let mut files = compiler.file_descriptor_set().file;
    files.iter_mut().for_each(|f| remove_bodies(f, &pool));
    files.retain(|f| !f.service.is_empty());
    let modules = generate(&mut config, files)?;
    let mut text = String::from(HEADER);
    text.push_str(
        "//! The kernel interfaces of `proto/idl/mach`: one module each, one struct to a request and one to a reply.\n",
    );
    text.push_str(&stubs::names_of_all(&interfaces));
    text.push_str(&in_modules(&modules, |module| {
        interfaces.iter().find(|i| i.module == module).map(|i| i.doc.clone()).unwrap_or_default()
    }));
    Ok((text, reference::page(&interfaces)))
}

/// Takes requests and replies out of a file: they become items, and only the structures inside them are prost's.
/// Comments refer to messages by their index, so they move along.
fn remove_bodies(file: &mut FileDescriptorProto, pool: &DescriptorPool) {
    const MESSAGE_TYPE: i32 = 4;
    let package = file.package().to_owned();
    let full = |name: &str| pool.get_message_by_name(&format!("{package}.{name}"));
    let kept: Vec<bool> =
        file.message_type.iter().map(|m| full(m.name()).is_some_and(|m| !model::is_body(pool, &m))).collect();
    let mut keep = kept.iter();
    file.message_type.retain(|_| keep.next() == Some(&true));
    let Some(info) = &mut file.source_code_info else { return };
    info.location.retain_mut(|location| {
        let [MESSAGE_TYPE, index, ..] = &mut location.path[..] else { return true };
        let old = *index as usize;
        *index = kept[..old].iter().filter(|k| **k).count() as i32;
        kept[old]
    });
}

fn records(idl: &Path) -> Result<String> {
    let compiler = compile(idl, "wire")?;
    let modules = generate(&mut config(), compiler.file_descriptor_set().file)?;
    let mut text = String::from(HEADER);
    text.push_str("//! The records of `proto/idl/wire`: everything that leaves a process.\n");
    text.push_str(&in_modules(&modules, |module| vec![format!("Records of `proto/idl/wire/{module}.proto`.")]));
    Ok(text)
}

/// All definitions of one folder, with imports and comments.
fn compile(idl: &Path, folder: &str) -> Result<Compiler> {
    let mut files: Vec<_> = std::fs::read_dir(idl.join(folder))
        .with_context(|| format!("{}", idl.join(folder).display()))?
        .map(|e| Ok(e?.path()))
        .collect::<Result<_>>()?;
    files.retain(|p| p.extension().is_some_and(|e| e == "proto"));
    files.sort();
    let mut compiler = Compiler::new([idl])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files)?;
    Ok(compiler)
}

fn config() -> prost_build::Config {
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    config
}

fn generate(config: &mut prost_build::Config, files: Vec<FileDescriptorProto>) -> Result<BTreeMap<String, String>> {
    let requests = files.into_iter().map(|f| (Module::from_protobuf_package_name(f.package()), f)).collect();
    let modules: HashMap<Module, String> = config.generate(requests)?;
    let last = |m: &Module| m.parts().last().map(str::to_owned).context("a package without a name");
    modules.into_iter().map(|(m, text)| Ok((last(&m)?, text))).collect()
}

/// One `pub mod` to a package; prost's `super` paths then lead from one to the next.
fn in_modules(modules: &BTreeMap<String, String>, doc: impl Fn(&str) -> Vec<String>) -> String {
    let mut out = String::new();
    for (name, text) in modules {
        out.push('\n');
        doc(name).iter().for_each(|l| out.push_str(&format!("/// {l}\n")));
        out.push_str(&format!("pub mod {name} {{\n"));
        for line in text.lines().filter(|l| !l.contains("@generated")) {
            out.push_str(if line.is_empty() { "" } else { "    " });
            out.push_str(line);
            out.push('\n');
        }
        out.push_str("}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idl_with(service: &str) -> Result<(String, String)> {
        let dir = tempfile::tempdir()?;
        let mach = dir.path().join("mach");
        std::fs::create_dir(&mach)?;
        std::fs::copy(crate::root().join("proto/idl/mach/options.proto"), mach.join("options.proto"))?;
        let head = "syntax = \"proto3\"; package mach.t; import \"mach/options.proto\"; message Empty {}\n";
        std::fs::write(mach.join("t.proto"), format!("{head}{service}"))?;
        interfaces(dir.path())
    }

    fn refused(service: &str, why: &str) {
        let error = idl_with(service).expect_err("a definition that breaks a rule");
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }

    #[test]
    fn what_is_committed_is_what_the_definitions_give() {
        for (path, text) in outputs(&crate::root()).unwrap() {
            let committed = std::fs::read_to_string(crate::root().join(path)).unwrap();
            assert!(committed == text, "{path} is stale: run `cargo xtask gen`");
        }
    }

    #[test]
    fn a_method_without_an_id_is_refused() {
        refused("service T { option (mach.subsystem) = 1; rpc A(Empty) returns (Empty); }", "A: no (mach.id)");
    }

    #[test]
    fn an_id_used_twice_is_refused() {
        let two = "service T { option (mach.subsystem) = 1;
            rpc A(Empty) returns (Empty) { option (mach.id) = 7; }
            rpc B(Empty) returns (Empty) { option (mach.id) = 7; } }";
        refused(two, "id 7 is given to a and to b");
    }

    #[test]
    fn the_id_of_a_reply_is_not_free() {
        let two = "service T { option (mach.subsystem) = 1;
            rpc A(Empty) returns (Empty) { option (mach.id) = 7; }
            rpc B(Empty) returns (Empty) { option (mach.id) = 107; } }";
        refused(two, "id 107 is given to reply of a and to b");
    }

    #[test]
    fn an_argument_that_no_item_carries_is_refused() {
        let double = "message M { double x = 1; } service T { option (mach.subsystem) = 1;
            rpc A(M) returns (Empty) { option (mach.id) = 7; } }";
        refused(double, "no item carries");
    }

    #[test]
    fn two_structs_of_one_name_are_refused() {
        let clash = "message M { repeated AReply x = 1; } message AReply { uint32 y = 1; }
            service T { option (mach.subsystem) = 1; rpc A(Empty) returns (M) { option (mach.id) = 7; } }";
        refused(clash, "two types named AReply");
    }

    #[test]
    fn a_right_makes_a_struct_generic_and_its_absence_does_not() {
        let text = "message M { uint32 p = 1 [(mach.port) = MOVE_SEND]; } message N { uint32 n = 1; }
            service T { option (mach.subsystem) = 1; option (mach.prefix) = \"Tee\";
            // Does A.
            rpc TeeA(M) returns (N) { option (mach.id) = 7; } }";
        let (stubs, page) = idl_with(text).unwrap();
        assert!(stubs.contains("pub struct A<R> {") && stubs.contains("pub struct AReply {"), "{stubs}");
        assert!(page.contains("| 7 | `tee_a` | `p`: right (move send) | `n`: u32 | Does A. |"), "{page}");
    }
}
