//! The C compiler, the headers and the library that it is given.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a program is linked with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `libmach.a`.
    Static,
    /// `libmach.so`.
    Shared,
}

/// A program that was built.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    form: Form,
}

/// What std needs of the system, for who links statically (`rustc --print native-static-libs`).
const SYSTEM: &[&str] = &["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-g"];

impl Program {
    /// Builds sources of `libmach` into a folder with gcc.
    #[track_caller]
    pub fn build(folder: &Path, sources: &[&str], form: Form) -> Program {
        Program::build_with("gcc", folder, sources, form)
    }

    /// The same with another compiler.
    #[track_caller]
    pub fn build_with(compiler: &str, folder: &Path, sources: &[&str], form: Form) -> Program {
        let stem = Path::new(sources[0]).file_stem().expect("a file").to_string_lossy().into_owned();
        let path = folder.join(format!("{stem}-{compiler}-{form:?}"));
        let mut command = Command::new(compiler);
        command.args(STRICT).args(["-Wno-unused-variable", "-Wno-unused-but-set-variable"]);
        if compiler == "g++" {
            command.args(["-x", "c++"]);
        }
        command.arg("-I").arg(home().join("include")).arg("-I").arg(home().join("tests/mig"));
        command.args(sources.iter().map(|source| home().join(source))).args(["-x", "none", "-o"]).arg(&path);
        command.arg(library(form)).args(if form == Form::Static { SYSTEM } else { &["-lpthread"] });
        done(command);
        if form == Form::Shared {
            // The loader looks for the name that the library says it has.
            let named = folder.join("libmach.so.0");
            if !named.exists() {
                std::os::unix::fs::symlink(library(form), named).expect("a link of ours");
            }
        }
        Program { path, form }
    }

    /// Runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if self.form == Form::Shared {
            command.env("LD_LIBRARY_PATH", self.path.parent().expect("a folder"));
        }
        command
    }
}

/// The library that cargo built for this test.
#[track_caller]
pub fn library(form: Form) -> PathBuf {
    let name = match form {
        Form::Static => "libmach_c.a",
        Form::Shared => "libmach_c.so",
    };
    let test = std::env::current_exe().expect("the path of this test");
    let path = test.parent().expect("target/PROFILE/deps").join(name);
    assert!(path.exists(), "{} is missing: cargo builds it with this test", path.display());
    path
}

/// Every header, as it is included.
pub fn headers() -> Vec<String> {
    let root = home().join("include");
    let mut headers = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of ours") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "h") => {
                    headers.push(path.strip_prefix(&root).expect("it is inside").display().to_string());
                }
                false => {}
            }
        }
    }
    headers.sort();
    headers
}

/// Whether a source compiles without a word.
#[track_caller]
pub fn compiles(compiler: &str, standard: &str, source: &str) {
    let language = if compiler == "g++" { "c++" } else { "c" };
    let mut command = Command::new(compiler);
    command.args(STRICT).args(["-Wpedantic", "-fsyntax-only", &format!("-std={standard}"), "-x", language, "-I"]);
    let mut child = command.arg(home().join("include")).arg("-").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().expect("the C compiler");
    child.stdin.take().expect("it is piped").write_all(source.as_bytes()).expect("it reads");
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().expect("it is piped"), &mut said).expect("text");
    assert!(child.wait().expect("our own child").success(), "{compiler} -std={standard} of\n{source}\n{said}");
}

/// Names that a shared library exports.
#[track_caller]
pub fn exported(library: &Path) -> BTreeSet<String> {
    let mut command = Command::new("nm");
    command.args(["-D", "--defined-only"]).arg(library);
    let output = command.output().expect("nm of the binutils");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// Names that the headers declare as functions or variables.
pub fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for header in headers() {
        let text = std::fs::read_to_string(home().join("include").join(header)).expect("a header of ours");
        for declaration in text.split("\nextern ").skip(1).filter(|d| !d.starts_with('"')) {
            let end = declaration.find(['(', ';']).expect("a declaration");
            let name = declaration[..end].rsplit([' ', '*']).next().expect("a name");
            names.insert(name.to_owned());
        }
    }
    names
}

/// Builds a source of `libmach` as somebody does who has the library installed; `kind` is `-static` or nothing.
#[track_caller]
pub fn by_pkg_config(prefix: &Path, source: &str, kind: Option<&str>, program: &Path) {
    let mut ask = Command::new("pkg-config");
    ask.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(kind.map(|_| "--static"));
    let told = ask.args(["--cflags", "--libs", "libmach"]).output().expect("pkg-config");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let mut command = Command::new("gcc");
    command.args(STRICT).args(kind).arg(home().join(source)).arg("-o").arg(program);
    command.args(String::from_utf8_lossy(&told.stdout).split_whitespace());
    done(command);
}

/// The workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The folder of the C library.
fn home() -> PathBuf {
    workspace().join("libmach")
}

#[track_caller]
fn done(mut command: Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}
