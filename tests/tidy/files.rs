//! Rules about migrations and Markdown.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tree::Tree;

pub(crate) fn migrations(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    let mut counts = BTreeMap::<&str, u32>::new();
    // In the order of their names, which is the order in which they are applied.
    for path in tree.paths().filter(|path| path.starts_with("migrations/")) {
        let parts: Vec<&str> = path.split('/').collect();
        let [_, domain, file] = parts[..] else {
            violations.push(format!("{path}: expected migrations/<domain>/<file>"));
            continue;
        };
        let expected = counts.entry(domain).or_default();
        *expected += 1;
        match migration_number(file) {
            None => violations.push(format!("{path}: malformed name")),
            Some(number) if number != *expected => {
                violations
                    .push(format!("{path}: number {number:04} where {expected:04} comes next"));
            }
            Some(_) => {}
        }
    }
    violations
}

/// `0007_add_outbox.sql` → 7.
fn migration_number(file: &str) -> Option<u32> {
    let (number, rest) = file.split_once('_')?;
    let name = rest.strip_suffix(".sql")?;
    let lower_snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let well_formed = number.len() == 4 && !name.is_empty() && name.chars().all(lower_snake);
    if well_formed { number.parse().ok() } else { None }
}

pub(crate) fn links(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.with_extension("md") {
        let directory = Path::new(Tree::root()).join(path);
        let directory = directory.parent().unwrap();
        for (number, target) in link_targets(text) {
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !file.is_empty() && !directory.join(file).exists() {
                violations.push(format!("{path}:{number}: no {target}"));
            }
        }
    }
    violations
}

/// The targets of `[text](target)` and `[name]: target`, with their line numbers, outside of code.
fn link_targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut in_fence = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        // Every second piece lies between backticks. A link's text may be code, its target is not.
        let prose: String = line.split('`').step_by(2).collect();
        let inline = prose.split("](").skip(1).filter_map(target_of);
        targets.extend(inline.map(|target| (number, target.to_owned())));
        if let Some((name, target)) = prose.split_once("]: ")
            && name.starts_with('[')
        {
            targets.push((number, target.trim().to_owned()));
        }
    }
    targets
}

/// What stands before the closing bracket, without a title.
fn target_of(rest: &str) -> Option<&str> {
    rest.split_once(')')?.0.split_whitespace().next()
}

#[test]
fn malformed_migrations_are_found() {
    let verdict = |path: &str| migrations(&Tree::of(path, "")).len();
    assert_eq!(verdict("migrations/users/0001_account.sql"), 0);
    for bad in
        ["0002_account.sql", "1_account.sql", "0001-account.sql", "0001_Account.sql", "0001_.sql"]
    {
        assert_eq!(verdict(&format!("migrations/users/{bad}")), 1, "{bad}");
    }
    assert_eq!(verdict("migrations/0001_account.sql"), 1);
}

#[test]
fn dead_links_are_found() {
    let dead = |text: &str| links(&Tree::of("docs.md", text)).len();
    assert_eq!(
        dead("[a](Cargo.toml) and [b](src/main.rs#L1), [c](#here), [d](https://example.org/x)"),
        0
    );
    assert_eq!(dead("[a](Cargo.toml) and [b](no/such/file.md \"title\")"), 1);
    assert_eq!(dead("[name]: no/such/file.md"), 1);
    assert_eq!(dead("[`a`](no/such/file.md)"), 1);
    assert_eq!(dead("`[a](no/such/file.md)`"), 0);
    assert_eq!(dead("```\n[a](no/such/file.md)\n```"), 0);
}
