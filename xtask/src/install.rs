//! `cargo xtask install-libmach PREFIX`: the C library where compilers and pkg-config find it.
//!
//! 1. The shared library is `libmach.so.0.1.0`, known to the loader as `libmach.so.0`.
//! 2. The static library is one object that shows the interface of C alone: whatever else a program links, also a second
//!    library made of Rust, does not meet this one's inside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::check::cargo_with;

/// The shared library's number: the first part changes when a program has to be linked anew.
const VERSION: &str = "0.1.0";
/// What std needs of the system in a program that links statically; of gcc's runtime the form that is there for a program
/// without any shared library.
const SYSTEM: &str = "-lgcc_eh -lutil -lrt -lpthread -lm -ldl -lc";

/// Builds and installs; `prefix` is made if need be.
pub fn libmach(root: &Path, prefix: &Path) -> Result<()> {
    cargo_with(root, &["build", "--release", "-p", "libmach"], &[])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = target.join("release");
    let prefix = std::path::absolute(prefix)?;
    let lib = prefix.join("lib");
    fs::create_dir_all(lib.join("pkgconfig"))?;
    install_shared(&built.join("libmach_c.so"), &lib)?;
    install_static(&built, &lib)?;
    let headers = copy_tree(&root.join("libmach/include"), &prefix.join("include"))?;
    fs::write(lib.join("pkgconfig/libmach.pc"), pkg_config(&prefix))?;
    println!("libmach {VERSION} and {headers} headers are in {}", prefix.display());
    Ok(())
}

fn install_shared(built: &Path, lib: &Path) -> Result<()> {
    let file = format!("libmach.so.{VERSION}");
    fs::copy(built, lib.join(&file)).with_context(|| format!("copying {}", built.display()))?;
    let major = VERSION.split('.').next().unwrap_or_default();
    for name in [format!("libmach.so.{major}"), "libmach.so".to_owned()] {
        let link = lib.join(name);
        let _ = fs::remove_file(&link);
        symlink(&file, &link).with_context(|| format!("a link {}", link.display()))?;
    }
    Ok(())
}

/// Makes one object of all that the interface needs, hides what is no part of it, and archives that.
fn install_static(built: &Path, lib: &Path) -> Result<()> {
    let work = built.join("libmach");
    fs::create_dir_all(&work)?;
    let (whole, object, names) = (work.join("whole.o"), work.join("libmach.o"), work.join("names"));
    let exported = exported(&built.join("libmach_c.so"))?;
    fs::write(&names, exported.join("\n"))?;
    let wanted = exported.iter().flat_map(|name| ["-u", name]);
    tool(
        "ld",
        Command::new("ld")
            .args(["-r", "--gc-sections"])
            .args(wanted)
            .arg("-o")
            .arg(&whole)
            .arg(built.join("libmach_c.a")),
    )?;
    let mut hide = Command::new("objcopy");
    hide.arg(format!("--keep-global-symbols={}", names.display())).arg("--strip-debug");
    // Bitcode of std, which a plugin of the archiver would try to read.
    hide.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    tool("objcopy", hide.args([&whole, &object]))?;
    let archive = lib.join("libmach.a");
    let _ = fs::remove_file(&archive);
    tool("ar", Command::new("ar").arg("rcs").args([&archive, &object]))
}

/// Names that the shared library exports: the interface of C.
fn exported(library: &Path) -> Result<Vec<String>> {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output().context("running nm")?;
    ensure!(output.status.success(), "nm: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect())
}

fn tool(name: &str, command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("running {name} of the binutils"))?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Copies a folder; answers how many files there are.
fn copy_tree(from: &Path, to: &Path) -> Result<usize> {
    fs::create_dir_all(to)?;
    let mut files = 0;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files += copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
            files += 1;
        }
    }
    Ok(files)
}

fn pkg_config(prefix: &Path) -> String {
    format!(
        "prefix={}\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include\n\nName: libmach\n\
         Description: Mach's interface for C, for tasks of a distributed Mach\nVersion: {VERSION}\n\
         Cflags: -I${{includedir}}\nLibs: -L${{libdir}} -lmach\nLibs.private: {SYSTEM}\n",
        prefix.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soname_is_that_of_the_build_script() {
        let script = fs::read_to_string(crate::root().join("libmach/build.rs")).unwrap();
        let major = VERSION.split('.').next().unwrap();
        assert!(script.contains(&format!("-soname,libmach.so.{major}\"")));
    }

    #[test]
    fn pkg_config_knows_where_it_is() {
        let text = pkg_config(Path::new("/opt/mach"));
        assert!(text.starts_with("prefix=/opt/mach\n") && text.contains("\nLibs: -L${libdir} -lmach\n"));
    }

    #[test]
    fn a_folder_is_copied_whole() {
        let folder = crate::root().join("target/copy-tree-test");
        let _ = fs::remove_dir_all(&folder);
        let files = copy_tree(&crate::root().join("libmach/include"), &folder).unwrap();
        assert!(
            files > 40 && folder.join("mach/machine/vm_types.h").exists() && folder.join("servers/netname.h").exists()
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
