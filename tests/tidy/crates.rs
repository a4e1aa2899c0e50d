//! Rules about the crates of the workspace, as `cargo metadata` sees them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tree::Tree;

/// Which of our crates each of our crates may use: the drawing of design.md §2. Tests may use more.
const GRAPH: &[(&str, &[&str])] = &[
    ("lunation-contracts", &[]),
    ("lunation-prediction", &[]),
    ("lunation-nats", &["contracts"]),
    ("lunation-actor-runtime", &["contracts", "nats"]),
    ("lunation-users", &["contracts", "nats", "actor-runtime"]),
    ("lunation-cycles", &["contracts", "nats", "actor-runtime"]),
    ("lunation-analytics", &["contracts", "nats", "actor-runtime", "prediction"]),
    ("lunation-notifications", &["contracts", "nats", "actor-runtime"]),
    ("lunation-api", &["contracts"]),
    // Talks to the product from outside, and knows nothing of it.
    ("lunation-xtask", &[]),
    (
        "lunation",
        &[
            "contracts",
            "nats",
            "actor-runtime",
            "users",
            "cycles",
            "analytics",
            "notifications",
            "api",
            "prediction",
        ],
    ),
];

const WITH_SQL: &[&str] = &["actor-runtime", "users", "cycles", "analytics", "notifications"];

/// Libraries that only some of our crates may know, beside the root package where it says so.
const OWNERS: &[(&str, &[&str], Root)] = &[
    ("async-nats", &["nats"], Root::No),
    ("poem", &["api"], Root::Yes),
    ("poem-openapi", &["api"], Root::No),
    ("hyper", &[], Root::Yes),
    ("hyper-util", &[], Root::Yes),
    ("sqlx", WITH_SQL, Root::Yes),
    ("ractor", WITH_SQL, Root::Yes),
];

/// What must stand in the manifest of each crate.
const INHERITED: &[&str] =
    &["[lints]\nworkspace = true", "edition.workspace = true", "license.workspace = true"];

/// Does the root package know it too?
#[derive(PartialEq)]
enum Root {
    Yes,
    No,
}

pub(crate) fn inherit_from_workspace(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let path = Path::new(manifest).strip_prefix(Tree::root()).unwrap().to_str().unwrap();
        violations.extend(not_inherited(path, tree.text(path).unwrap()));
    }
    violations
}

fn not_inherited(path: &str, manifest: &str) -> Vec<String> {
    let missing = INHERITED.iter().filter(|line| !manifest.contains(**line));
    missing.map(|line| format!("{path}: no `{}`", line.replace('\n', " "))).collect()
}

pub(crate) fn follow_the_graph(_tree: &Tree) -> Vec<String> {
    packages().iter().flat_map(outside_graph).collect()
}

fn outside_graph(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap();
    let Some((_, allowed)) = GRAPH.iter().find(|(it, _)| *it == name) else {
        return vec![format!("{name}: has no row in the graph of tests/tidy/crates.rs")];
    };
    let ours = dependencies(package).filter_map(|it| it.strip_prefix("lunation-"));
    let forbidden = ours.filter(|it| !allowed.contains(it));
    forbidden.map(|it| format!("{name}: depends on {it}")).collect()
}

pub(crate) fn respect_owners(_tree: &Tree) -> Vec<String> {
    let mut violations: Vec<String> = packages().iter().flat_map(outside_ownership).collect();
    // Pure functions over dates, and nothing else.
    for package in packages().iter().filter(|it| it["name"] == "lunation-prediction") {
        let others = dependencies(package).filter(|it| *it != "chrono");
        violations.extend(others.map(|it| format!("lunation-prediction: depends on {it}")));
    }
    violations
}

fn outside_ownership(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap();
    let may_use = |library: &str| {
        OWNERS.iter().filter(|(it, ..)| *it == library).all(|(_, owners, root)| {
            match name.strip_prefix("lunation-") {
                Some(short) => owners.contains(&short),
                None => *root == Root::Yes,
            }
        })
    };
    let forbidden = dependencies(package).filter(|it| !may_use(it));
    forbidden.map(|it| format!("{name}: depends on {it}")).collect()
}

/// Names of what the package itself is built with; what only its tests use is left out.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|it| it["kind"] != "dev").map(|it| it["name"].as_str().unwrap())
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(Tree::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[cfg(test)]
fn package(name: &str, dependencies: &[(&str, Value)]) -> Value {
    let dependencies: Vec<Value> = dependencies
        .iter()
        .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind }))
        .collect();
    serde_json::json!({ "name": name, "dependencies": dependencies })
}

#[test]
fn the_workspace_has_every_crate_of_the_graph() {
    let packages = packages();
    for (name, _) in GRAPH {
        assert!(packages.iter().any(|it| it["name"] == *name), "no crate {name}");
    }
}

#[test]
fn a_manifest_on_its_own_is_found() {
    assert_eq!(not_inherited("a/Cargo.toml", &INHERITED.join("\n")), Vec::<String>::new());
    assert_eq!(not_inherited("a/Cargo.toml", "[package]\nedition = \"2021\"\n").len(), 3);
}

#[test]
fn edges_outside_the_graph_are_found() {
    let to = |it: &str| outside_graph(&package("lunation-users", &[(it, Value::Null)])).len();
    assert_eq!((to("lunation-contracts"), to("serde")), (0, 0));
    assert_eq!((to("lunation-cycles"), to("lunation-api"), to("lunation-prediction")), (1, 1, 1));
    assert_eq!(outside_graph(&package("lunation-new", &[])).len(), 1);
}

#[test]
fn libraries_in_the_wrong_hands_are_found() {
    let uses = |name: &str, library: &str, kind: Value| {
        outside_ownership(&package(name, &[(library, kind)])).len()
    };
    assert_eq!(uses("lunation-api", "sqlx", Value::Null), 1);
    assert_eq!(uses("lunation", "async-nats", Value::Null), 1);
    assert_eq!(uses("lunation", "async-nats", "dev".into()), 0);
    assert_eq!(uses("lunation", "poem", Value::Null), 0);
    assert_eq!(uses("lunation-users", "poem", Value::Null), 1);
    assert_eq!(uses("lunation-users", "sqlx", Value::Null), 0);
}
