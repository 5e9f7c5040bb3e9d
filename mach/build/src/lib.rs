//! Code from `.proto` files: the modern MIG. `cargo xtask gen` makes the stubs, the library's clients and servers, the wire
//! records and the reference page of `proto/idl/`; a build script makes the same of its own services ([`compile`]).
//!
//! protox compiles the definitions (no protoc), prost-build writes the plain structures, our [`stubs::Stubs`] is its
//! `ServiceGenerator`. The outputs are committed; a test here compares them with what the definitions give now.

mod model;
mod reference;
mod services;
mod stubs;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use prost_build::Module;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
use protox::prost_reflect::DescriptorPool;
use protox::prost_reflect::prost_types::FileDescriptorProto;

use model::Interface;
use services::Roots;

const HEADER: &str = "// Written by `cargo xtask gen` from proto/idl; do not edit.\n";

/// What the interfaces of this project give.
pub struct Interfaces {
    /// The stubs, for `proto`.
    pub stubs: String,
    /// Clients and servers, for the library.
    pub services: String,
    /// The reference page.
    pub reference: String,
}

/// For a build script: writes, for each of the `.proto` files, `$OUT_DIR/MODULE.rs` with stubs, client and server traits;
/// MODULE is the last part of the file's package.
///
/// `import "mach/options.proto"` finds the options; other imports are looked for in `includes`.
/// Errors: a definition breaks a rule of `proto/idl/mach/options.proto`, or a file cannot be read or written.
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<()> {
    let out = std::env::var_os("OUT_DIR").context("OUT_DIR is not set: this is for a build script")?;
    for path in protos.iter().map(AsRef::as_ref).chain(includes.iter().map(AsRef::as_ref)) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    for (module, text) in generated(protos, includes)? {
        let file = Path::new(&out).join(format!("{module}.rs"));
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// What [`compile`] writes, by module.
pub fn generated(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<BTreeMap<String, String>> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(OwnOptions);
    resolver.add(GoogleFileResolver::new());
    includes.iter().for_each(|path| resolver.add(IncludeFileResolver::new(path.as_ref().to_owned())));
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(protos)?;
    let pool = compiler.descriptor_pool();
    let roots = Roots { mach: "::mach::", proto: "::mach::proto::" };
    let mut config = config();
    config.prost_path("::mach::prost");
    let stubs = stubs::Stubs { interfaces: model::read(&pool)?, root: "::mach::proto::", services: Some(roots) };
    config.service_generator(Box::new(stubs));
    generate(&mut config, with_services(&compiler, &pool))
}

/// The definition of the options, wherever the user's files are.
struct OwnOptions;

impl FileResolver for OwnOptions {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        const NAME: &str = "mach/options.proto";
        match name {
            NAME => File::from_source(NAME, include_str!("../../../proto/idl/mach/options.proto")),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// The stubs, the clients and servers, and the reference page of `proto/idl/mach`.
pub fn interfaces(idl: &Path) -> Result<Interfaces> {
    let compiler = compile_folder(idl, "mach")?;
    let pool = compiler.descriptor_pool();
    let interfaces = model::read(&pool)?;
    let mut config = config();
    let stubs = stubs::Stubs { interfaces: interfaces.clone(), root: "crate::", services: None };
    config.service_generator(Box::new(stubs));
    let modules = generate(&mut config, with_services(&compiler, &pool))?;
    let mut text = String::from(HEADER);
    text.push_str(
        "//! The kernel interfaces of `proto/idl/mach`: one module each, one struct to a request and one to a reply.\n",
    );
    text.push_str(&stubs::names_of_all(&interfaces));
    text.push_str(&in_modules(&modules, |module| {
        interfaces.iter().find(|i| i.module == module).map(|i| i.doc.clone()).unwrap_or_default()
    }));
    Ok(Interfaces { stubs: text, services: library(&interfaces)?, reference: reference::page(&interfaces) })
}

/// Clients and servers of the kernel's own interfaces.
fn library(interfaces: &[Interface]) -> Result<String> {
    let roots = Roots { mach: "crate::", proto: "::proto::" };
    let mut text = String::from(HEADER);
    text.push_str(
        "//! Clients and servers of the kernel's interfaces, one module each; the stubs are in `proto::iface`.\n",
    );
    for interface in interfaces {
        let (module, service) = (&interface.module, services::of(interface, roots));
        text.push_str(&format!(
            "{}pub mod {module} {{\n#[allow(unused_imports)]\nuse ::proto::iface::{module}::*;\n{service}}}\n",
            stubs::doc(&interface.doc)
        ));
    }
    let file = syn::parse_file(&text).context("clients and servers")?;
    Ok(format!("{HEADER}{}", prettyplease::unparse(&file)))
}

/// The files with a service in them, without the messages that are requests and replies.
fn with_services(compiler: &Compiler, pool: &DescriptorPool) -> Vec<FileDescriptorProto> {
    let mut files = compiler.file_descriptor_set().file;
    files.iter_mut().for_each(|f| remove_bodies(f, pool));
    files.retain(|f| !f.service.is_empty());
    files
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

/// The records of `proto/idl/wire`.
pub fn records(idl: &Path) -> Result<String> {
    let compiler = compile_folder(idl, "wire")?;
    let modules = generate(&mut config(), compiler.file_descriptor_set().file)?;
    let mut text = String::from(HEADER);
    text.push_str("//! The records of `proto/idl/wire`: everything that leaves a process.\n");
    text.push_str(&in_modules(&modules, |module| vec![format!("Records of `proto/idl/wire/{module}.proto`.")]));
    Ok(text)
}

/// All definitions of one folder, with imports and comments.
fn compile_folder(idl: &Path, folder: &str) -> Result<Compiler> {
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

    fn idl_with(service: &str) -> Result<Interfaces> {
        let dir = tempfile::tempdir()?;
        let mach = dir.path().join("mach");
        std::fs::create_dir(&mach)?;
        std::fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/idl/mach/options.proto"),
            mach.join("options.proto"),
        )?;
        let head = "syntax = \"proto3\"; package mach.t; import \"mach/options.proto\"; message Empty {}\n";
        std::fs::write(mach.join("t.proto"), format!("{head}{service}"))?;
        interfaces(dir.path())
    }

    fn refused(service: &str, why: &str) {
        let error = idl_with(service).err().expect("a definition that breaks a rule");
        assert!(format!("{error:#}").contains(why), "{error:#}");
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
    fn a_routine_named_like_what_stands_beside_it_is_refused() {
        let clash =
            "service T { option (mach.subsystem) = 1; rpc Client(Empty) returns (Empty) { option (mach.id) = 7; } }";
        refused(clash, "two types named Client");
    }

    #[test]
    fn a_service_of_ones_own_finds_the_options_and_the_library() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("own.proto");
        let text = "syntax = \"proto3\"; package some.own; import \"mach/options.proto\";
            message Q { uint32 p = 1 [(mach.port) = MAKE_SEND]; bytes b = 2 [(mach.ool) = true]; } message Empty {}
            service Own { option (mach.subsystem) = 1;
                rpc Type(Q) returns (Empty) { option (mach.id) = 7; option (mach.oneway) = true; } }";
        std::fs::write(&file, text).unwrap();
        let all = generated(&[&file], &[dir.path()]).unwrap();
        let own = &all["own"];
        assert!(own.contains("pub struct Client<D>") && own.contains("pub trait OwnAsync"), "{own}");
        assert!(own.contains("pub fn r#type(") && own.contains("impl Into<::mach::Right>"), "{own}");
        assert!(!own.contains("crate::"), "{own}");
        let without = generated(&[&file], &[Path::new("/no/such/folder")]);
        assert!(without.is_err(), "a file outside of every folder of imports");
    }

    #[test]
    fn a_right_makes_a_struct_generic_and_its_absence_does_not() {
        let text = "message M { uint32 p = 1 [(mach.port) = MOVE_SEND]; } message N { uint32 n = 1; }
            service T { option (mach.subsystem) = 1; option (mach.prefix) = \"Tee\";
            // Does A.
            rpc TeeA(M) returns (N) { option (mach.id) = 7; } }";
        let Interfaces { stubs, reference: page, .. } = idl_with(text).unwrap();
        assert!(stubs.contains("pub struct A<R> {") && stubs.contains("pub struct AReply {"), "{stubs}");
        assert!(page.contains("| 7 | `tee_a` | `p`: right (move send) | `n`: u32 | Does A. |"), "{page}");
    }
}
