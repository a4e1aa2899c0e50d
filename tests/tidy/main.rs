//! What neither the compiler nor clippy can see: the shape of the tree itself. Each rule is a
//! function from the tree to its violations; all of them are listed at once.

// Every function here is a test or helps one: clippy lets them unwrap.
#![cfg(test)]

mod crates;
mod files;
mod security;
mod source;
mod stores;
mod tree;

use tree::Tree;

/// A rule of the house: what it demands, and how to find what breaks it.
type Rule = (&'static str, fn(&Tree) -> Vec<String>);

const RULES: &[Rule] = &[
    ("each crate inherits the lints, the edition and the licence", crates::inherit_from_workspace),
    ("our crates depend on each other only as design.md §2 draws it", crates::follow_the_graph),
    ("a library with an owner is used by its owner alone", crates::respect_owners),
    ("a Rust file has at most 400 lines", source::short_files),
    ("nothing is unfinished, silenced or ignored", source::no_loose_ends),
    ("tests wait for a condition, never for a time", source::no_fixed_sleeps),
    ("a function of a store takes the user first and filters by it", stores::take_the_user_first),
    ("SQL stands in the stores", stores::keep_statements),
    ("migrations are named NNNN_what_it_does.sql, counted from 0001", files::migrations),
    ("each promise of SECURITY.md names the tests that hold it", security::promises),
    ("links between Markdown files lead somewhere", files::links),
];

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read();
    let mut report = String::new();
    for (rule, violations) in RULES {
        for violation in violations(&tree) {
            report.push_str("  ");
            report.push_str(&violation);
            report.push_str(" — ");
            report.push_str(rule);
            report.push('\n');
        }
    }
    assert!(report.is_empty(), "the tree is not tidy:\n{report}");
}

#[test]
fn the_walk_sees_the_tree() {
    let tree = Tree::read();
    for path in ["Cargo.toml", "src/main.rs", "contracts/src/lib.rs", "tests/tidy/main.rs"] {
        assert!(tree.text(path).is_some(), "{path} was not read");
    }
    assert!(tree.paths().all(|path| !path.starts_with("target/")));
}
