//! What every file owes its reader: an opening sentence, a size, and names that exist.

use super::Tree;

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 140;
const GENERATED: &str = "Written by `cargo ";

/// Every breach.
pub fn faults(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for extension in ["rs", "proto", "toml", "sh", "yaml"] {
        for (path, text) in tree.with_extension(extension).filter(|(_, t)| !is_generated(t)) {
            let long = text.lines().enumerate().filter(|(_, l)| l.chars().count() > COLUMNS_MAX);
            faults.extend(long.map(|(i, _)| format!("{path}:{}: more than {COLUMNS_MAX} columns", i + 1)));
            if text.lines().count() > LINES_MAX {
                faults.push(format!("{path}: more than {LINES_MAX} lines"));
            }
        }
    }
    for (path, text) in tree.with_extension("rs") {
        let opening = text.lines().find(|l| !l.trim().is_empty() && !l.starts_with("// ") && !l.starts_with("#!"));
        if !opening.is_some_and(|l| l.starts_with("//! ")) {
            faults.push(format!("{path}: does not open with a `//!` that says what it is"));
        }
    }
    for (path, text) in tree.with_extension("md") {
        for (number, line) in text.lines().enumerate() {
            let missing = mentioned(line).filter(|name| !exists(tree, path, name));
            faults.extend(missing.map(|name| format!("{path}:{}: there is no `{name}`", number + 1)));
        }
    }
    faults
}

fn is_generated(text: &str) -> bool {
    text.lines().next().is_some_and(|l| l.contains(GENERATED))
}

/// What a line of a page says is a file: backticked words that look like one, and targets of links.
fn mentioned(line: &str) -> impl Iterator<Item = &str> {
    let ticked = line.split('`').skip(1).step_by(2).filter(|w| looks_like_a_path(w));
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    ticked.chain(links.filter(|l| !l.is_empty() && !l.contains("://")))
}

fn looks_like_a_path(word: &str) -> bool {
    const EXTENSIONS: &[&str] = &["rs", "md", "proto", "toml", "yaml", "sh", "json"];
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let known = word.rsplit_once('.').is_some_and(|(stem, e)| !stem.is_empty() && EXTENSIONS.contains(&e));
    plain && !word.starts_with(['/', '-']) && !word.starts_with("target/") && (known || word.ends_with('/'))
}

/// From the root, from the page's own folder, or as the end of a path (`vm/fault.rs` in a paragraph about its crate).
fn exists(tree: &Tree, page: &str, name: &str) -> bool {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let anywhere = match name.strip_suffix('/') {
        Some(_) => tree.files.keys().any(|f| f.contains(&format!("/{name}"))),
        None => tree.files.keys().any(|f| f.ends_with(&format!("/{name}"))),
    };
    anywhere || tree.has(name) || tree.has(&resolved(folder, name))
}

/// `name` seen from `folder`, with `..` carried out.
fn resolved(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in name.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        faults(&Tree::of(&[("proto/src/lib.rs", "//! It is."), ("docs/spec/a.md", ""), (path, text)]))
    }

    #[test]
    fn a_source_opens_with_what_it_is() {
        assert!(found("a.rs", "use x;\n//! late")[0].contains("does not open"));
        assert!(found("a.rs", "").len() == 1);
        assert!(found("a.rs", "// A notice.\n#![forbid(x)]\n\n//! It is.").is_empty());
    }

    #[test]
    fn long_files_and_lines_are_found_unless_generated() {
        let (long, wide) = (format!("//! A.\n{}", "x\n".repeat(LINES_MAX)), format!("//! {}", "é".repeat(COLUMNS_MAX)));
        assert_eq!(found("a.rs", &long), ["a.rs: more than 600 lines"]);
        assert_eq!(found("a.rs", &wide), ["a.rs:1: more than 140 columns"]);
        assert!(found("a.rs", &format!("// {GENERATED}\n{long}{wide}")).is_empty());
    }

    #[test]
    fn a_page_names_only_what_exists() {
        let page = |text| found("docs/page.md", text);
        assert!(page("`proto/src/lib.rs`, `spec/a.md`, `docs/spec/`, `lib.rs`, [a](spec/a.md#x) and `a/b`").is_empty());
        assert!(page("in that crate `src/lib.rs` and `src/`").is_empty());
        assert_eq!(page("`rc/lib.rs` `rc/`").len(), 2);
        assert_eq!(page("\nsee `proto/src/gone.rs`"), ["docs/page.md:2: there is no `proto/src/gone.rs`"]);
        assert_eq!(page("[x](../gone.md)"), ["docs/page.md:1: there is no `../gone.md`"]);
        assert_eq!(page("`proto/idl/`"), ["docs/page.md:1: there is no `proto/idl/`"]);
        assert!(page("`/dev/userfaultfd` `target/x.rs` `vm.write()` [x](https://a.b/c.md)").is_empty());
    }
}
