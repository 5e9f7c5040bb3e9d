//! `cargo xtask gen`: what `mach/build` makes of `proto/idl/`. The outputs are committed; a test here compares them with what
//! the definitions give now.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Every generated file: its path from the root, and its text.
pub fn outputs(root: &Path) -> Result<BTreeMap<&'static str, String>> {
    let idl = root.join("proto/idl");
    let interfaces = mach_build::interfaces(&idl)?;
    Ok(BTreeMap::from([
        ("proto/src/iface.rs", interfaces.stubs),
        ("mach/src/iface.rs", interfaces.services),
        ("proto/src/wire.rs", mach_build::records(&idl)?),
        ("docs/reference.md", interfaces.reference),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_the_definitions_give() {
        for (path, text) in outputs(&crate::root()).unwrap() {
            let committed = std::fs::read_to_string(crate::root().join(path)).unwrap();
            assert!(committed == text, "{path} is stale: run `cargo xtask gen`");
        }
    }
}
