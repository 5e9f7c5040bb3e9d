//! Each rule of `docs/spec` has a test of its name: `**[ipc.right.7]**` is held by `fn ipc_right_7_...`.

use std::collections::BTreeSet;

use super::Tree;

/// Every rule without a test, and every rule written twice.
pub fn faults(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let tests: BTreeSet<&str> = tree.with_extension("rs").flat_map(|(_, text)| functions(text)).collect();
    for (path, rule) in rules(tree) {
        let prefix = format!("{}_", rule.replace('.', "_"));
        if !tests.iter().any(|t| t.starts_with(&prefix)) {
            faults.push(format!("{path}: [{rule}] has no test named {prefix}..."));
        }
        if !seen.insert(rule) {
            faults.push(format!("{path}: [{rule}] is written twice"));
        }
    }
    faults
}

/// The rules in order: the page and the rule's id.
pub fn rules(tree: &Tree) -> Vec<(&str, &str)> {
    let pages = tree.with_extension("md").filter(|(p, _)| p.starts_with("docs/spec/"));
    pages.flat_map(|(path, text)| marked(text).map(move |rule| (path, rule))).collect()
}

/// What stands in `**[...]**`.
fn marked(text: &str) -> impl Iterator<Item = &str> {
    text.split("**[").skip(1).filter_map(|rest| rest.split_once("]**")).map(|(rule, _)| rule)
}

/// The functions of a source that are tests, by the attribute above them.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let mut test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with("#[") {
            test |= line.contains("test]") || line.contains("test(");
            return None;
        }
        let name = line.split_once("fn ").map(|(_, rest)| rest.split(['(', '<']).next().unwrap_or_default());
        name.filter(|_| std::mem::take(&mut test))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str, source: &str) -> Vec<String> {
        faults(&Tree::of(&[("docs/spec/ipc.md", page), ("a/src/lib.rs", source)]))
    }

    #[test]
    fn a_rule_wants_a_test_of_its_name() {
        let page = "**[ipc.right.1]** A right is held once.";
        assert!(found(page, "#[test]\nfn ipc_right_1_is_held_once() {}").is_empty());
        assert!(found(page, "#[tokio::test(flavor = \"x\")]\n    async fn ipc_right_1_is_held_once() {}").is_empty());
        let none = ["docs/spec/ipc.md: [ipc.right.1] has no test named ipc_right_1_..."];
        assert_eq!(found(page, ""), none);
        assert_eq!(found(page, "#[test]\nfn ipc_right_10_is_held_twice() {}"), none);
        assert_eq!(found(page, "fn ipc_right_1_helper() {}"), none);
        assert_eq!(found(page, "#[test]\nfn other() {}\nfn ipc_right_1_helper() {}"), none);
    }

    #[test]
    fn a_rule_is_written_once() {
        let page = "**[a.b.1]** x\n**[a.b.1]** y";
        assert_eq!(found(page, "#[test]\nfn a_b_1_x() {}"), ["docs/spec/ipc.md: [a.b.1] is written twice"]);
    }
}
