//! Who may import whom, by the manifests and by the sources.

use super::{Tree, code};

/// A core is pure: the crates that it may have, of the workspace and beside it. Development dependencies are free, but
/// may not reach up either.
const CORES: &[(&str, &[&str])] = &[
    ("kernel-node/core", &["proto"]),
    ("netmsg/core", &["proto", "kernel-core"]),
    ("pager/core", &["proto"]),
    ("lane", &[]),
];
const SMALL: &[&str] = &["bitflags", "bytes", "slotmap", "smallvec", "thiserror"];

/// Crates that only some folders may name.
const ONLY: &[(&str, &[&str])] = &[
    ("quinn", &["netmsg", "cli"]),
    ("libc", &["sys", "sys/userfaultfd-sys"]),
    ("kernel-node", &["cli", "tests"]),
    ("libmach", &["tests"]),
];
/// Packages with lints of their own, since `unsafe` stands there; all others have the workspace's, which deny it.
const UNSAFE: &[&str] = &["sys", "sys/userfaultfd-sys", "libmach"];
/// The workspace itself, and what is no part of it.
const OUTSIDE: &[&str] = &["Cargo.toml", "bench/peers", "fuzz"];

/// What a core does not name: clocks, threads, descriptors, and maps whose order differs from run to run.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::os",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
];

/// Every import that breaks a rule.
pub fn faults(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in tree.with_extension("toml").filter(|(p, _)| p.ends_with("/Cargo.toml")) {
        let folder = path.trim_end_matches("/Cargo.toml");
        match text.parse::<toml::Table>() {
            Ok(manifest) => {
                dependencies(&manifest).for_each(|(name, dev)| {
                    let why = forbidden(folder, name).or_else(|| forbidden_in_core(tree, folder, name, dev));
                    faults.extend(why.map(|why| format!("{path}: depends on {name}: {why}")));
                });
                if manifest.contains_key("package") && !permits_no_unsafe(&manifest) && !may_be_unsafe(folder) {
                    faults.push(format!("{path}: has not the workspace's lints, which deny `unsafe`"));
                }
            }
            Err(error) => faults.push(format!("{path}: {error}")),
        }
    }
    for (path, text) in tree.with_extension("rs") {
        let folder = package(tree, path);
        let core = CORES.iter().any(|(c, _)| *c == folder) && !is_test(tree, path);
        for (number, line) in code(text) {
            let named = ONLY.iter().filter(|(name, _)| names(line, &name.replace('-', "_")));
            // The command line has quinn to measure against, and for nothing else.
            let folder = if folder == "cli" && !path.contains("bench") && names(line, "quinn") { path } else { folder };
            let impure = IMPURE.iter().filter(|i| core && word(line, i));
            faults.extend(
                named
                    .filter_map(|(name, _)| {
                        Some(format!("{path}:{number}: names {name}: {}", forbidden(folder, name)?))
                    })
                    .chain(impure.map(|i| format!("{path}:{number}: {i} in a core"))),
            );
        }
    }
    faults
}

/// Whether a package has the workspace's lints.
fn permits_no_unsafe(manifest: &toml::Table) -> bool {
    manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

fn may_be_unsafe(folder: &str) -> bool {
    UNSAFE.contains(&folder) || OUTSIDE.contains(&folder)
}

/// Whether a source is compiled only for tests: an integration test, or a module that its parent declares so.
fn is_test(tree: &Tree, path: &str) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else { return false };
    let declared = format!("#[cfg(test)]\nmod {};", file.trim_end_matches(".rs"));
    let parents = ["lib.rs", "main.rs", "mod.rs"].map(|f| format!("{folder}/{f}"));
    let mut parents = parents.into_iter().chain([format!("{folder}.rs")]);
    path.contains("/tests/") || parents.any(|p| tree.files.get(&p).is_some_and(|text| text.contains(&declared)))
}

/// Names of the dependencies of a manifest, and whether only its tests have them.
fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = (&str, bool)> {
    let sections = [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)];
    let tables = sections.into_iter().filter_map(|(key, dev)| Some((manifest.get(key)?.as_table()?, dev)));
    tables.flat_map(|(table, dev)| table.keys().map(move |name| (name.as_str(), dev)))
}

fn forbidden(folder: &str, name: &str) -> Option<String> {
    let (_, may) = ONLY.iter().find(|(only, may)| *only == name && !may.contains(&folder))?;
    Some(format!("only {} may", may.join(" and ")))
}

fn forbidden_in_core(tree: &Tree, folder: &str, name: &str, dev: bool) -> Option<String> {
    let (_, may) = CORES.iter().find(|(core, _)| *core == folder)?;
    let ours = tree.files.get("Cargo.toml").is_some_and(|t| is_ours(t, name));
    let free = may.contains(&name) || (!ours && (dev || SMALL.contains(&name)));
    (!free).then(|| "a core has only what is below it and small pure crates".to_owned())
}

/// Whether the table of versions gives this crate a path.
fn is_ours(workspace: &str, name: &str) -> bool {
    let Ok(manifest) = workspace.parse::<toml::Table>() else { return false };
    let entry = manifest.get("workspace").and_then(|w| w.get("dependencies")).and_then(|d| d.get(name));
    entry.is_some_and(|e| e.get("path").is_some())
}

/// The folder of the package that a source belongs to.
fn package<'a>(tree: &Tree, path: &'a str) -> &'a str {
    let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    parents.rfind(|p| tree.files.contains_key(&format!("{p}/Cargo.toml"))).unwrap_or_default()
}

/// Whether a line names a crate: `krate::` or `use krate`.
fn names(line: &str, krate: &str) -> bool {
    line.match_indices(krate).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + krate.len()..]);
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let used = before.trim_end().ends_with("use") && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        starts && (after.starts_with("::") || used)
    })
}

/// Whether a line has a whole word, or a path that begins with it.
fn word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "[workspace.dependencies]\nproto = { path = \"proto\" }\nnetmsg = { path = \"netmsg\" }\n";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("Cargo.toml", WORKSPACE), ("pager/Cargo.toml", ""), ("netmsg/Cargo.toml", "")];
        all.extend_from_slice(files);
        faults(&Tree::of(&all))
    }

    #[test]
    fn a_core_has_only_what_is_below_it() {
        let core = "pager/core/Cargo.toml";
        assert!(found(&[(core, "[dependencies]\nproto = 1\nbytes = 1\n[dev-dependencies]\nproptest = 1")]).is_empty());
        assert!(found(&[(core, "[dependencies]\ntokio = 1")])[0].contains("depends on tokio"));
        assert!(found(&[(core, "[dev-dependencies]\nnetmsg = 1")])[0].contains("depends on netmsg"));
    }

    #[test]
    fn a_core_names_no_clock_and_no_unordered_map() {
        let core = |line| found(&[("pager/core/Cargo.toml", ""), ("pager/core/src/lib.rs", line)]);
        assert_eq!(core("use std::time::Instant;"), ["pager/core/src/lib.rs:1: Instant in a core"]);
        assert_eq!(core("\nlet m = HashMap::new();"), ["pager/core/src/lib.rs:2: HashMap in a core"]);
        let model = ("pager/core/src/model.rs", "use std::time::Instant;");
        let lib = ("pager/core/src/lib.rs", "#[cfg(test)]\nmod model;");
        assert!(found(&[("pager/core/Cargo.toml", ""), lib, model]).is_empty());
        assert!(!found(&[("pager/core/Cargo.toml", ""), ("pager/core/src/lib.rs", "mod model;"), model]).is_empty());
        assert!(core("// an Instant\nuse std::collections::BTreeMap; struct Instantly;").is_empty());
    }

    #[test]
    fn quinn_libc_and_the_node_have_their_places() {
        let line = |line| found(&[("pager/src/lib.rs", line)]);
        assert!(line("use quinn::Endpoint;")[0].contains("only netmsg and cli may"));
        assert!(line("let x = libc::open();")[0].contains("only sys"));
        assert!(line("use kernel_node as n;")[0].contains("only cli and tests may"));
        let cli = |path| found(&[("cli/Cargo.toml", "[dependencies]\nquinn = 1"), (path, "use quinn::Endpoint;")]);
        assert_eq!((cli("cli/src/main.rs").len(), cli("cli/src/cmd/bench/raw.rs").len()), (1, 0));
        assert!(line("use self::libc_like; fn quinn() {} // quinn::x").is_empty());
        assert!(found(&[("netmsg/src/lib.rs", "use quinn::Endpoint;")]).is_empty());
        assert!(found(&[("mach/Cargo.toml", "[dependencies]\nkernel-node = 1")])[0].contains("depends on kernel-node"));
    }

    #[test]
    fn unsafe_has_its_places() {
        let package = |lints| format!("[package]\nname = \"x\"\n{lints}");
        let (with, without) = (package("[lints]\nworkspace = true"), package("[lints.rust]\nmissing_docs = \"warn\""));
        assert!(found(&[("mach/Cargo.toml", &with), ("sys/Cargo.toml", &without)]).is_empty());
        assert!(found(&[("mach/Cargo.toml", &without)])[0].contains("deny `unsafe`"));
        assert!(found(&[("mach/Cargo.toml", &package(""))])[0].contains("deny `unsafe`"));
    }

    #[test]
    fn the_workspace_keeps_the_rules() {
        assert_eq!(faults(&Tree::read(&crate::root()).unwrap()), Vec::<String>::new());
    }
}
