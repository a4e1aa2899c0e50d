//! SECURITY.md: each promise names the tests that hold it, and each number of the checklist is spoken of.

use std::path::Path;

use crate::tree::Tree;

const DOCUMENT: &str = "SECURITY.md";
/// The section whose rows need tests; those of other tables say what is not promised.
const PROMISES: &str = "## Promises";
/// Of the promises about failures, those that are about people and what they said.
const OF_FAILURES: [&str; 4] = ["R2", "R11", "R12", "R21"];
/// How many the security checklist has, S1 to S28.
const CHECKLIST: usize = 28;

/// A row of one of the tables.
struct Row<'a> {
    line: usize,
    is_promise: bool,
    cells: Vec<&'a str>,
}

pub(crate) fn promises(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.text(DOCUMENT) else { return vec![format!("{DOCUMENT} is missing")] };
    let rows = rows(text);
    let mut violations = Vec::new();
    for row in rows.iter().filter(|row| row.is_promise) {
        let tests: Vec<&str> = row.cells[2..].iter().flat_map(|cell| spans(cell)).collect();
        if tests.is_empty() {
            violations.push(format!("{DOCUMENT}:{}: no test", row.line));
        }
        for test in tests.into_iter().filter(|test| !exists(tree, test)) {
            violations.push(format!("{DOCUMENT}:{}: there is no test `{test}`", row.line));
        }
    }
    let numbers = (1..=CHECKLIST).map(|number| format!("S{number}"));
    for number in numbers.chain(OF_FAILURES.map(str::to_owned)) {
        let is_spoken_of =
            |row: &Row<'_>| row.cells[0].split([',', ' ']).any(|word| word == number);
        if !rows.iter().any(is_spoken_of) {
            violations.push(format!("{DOCUMENT}: no row speaks of {number}"));
        }
    }
    violations
}

/// The rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut is_promise = false;
    let mut is_body = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with("## ") {
            is_promise = text == PROMISES;
        }
        let inside = text.strip_prefix('|').and_then(|text| text.trim_end().strip_suffix('|'));
        let Some(inside) = inside else {
            is_body = false;
            continue;
        };
        if is_body {
            let cells = inside.split('|').map(str::trim).collect();
            rows.push(Row { line, is_promise, cells });
        }
        is_body |= inside.starts_with("---");
    }
    rows
}

/// What stands between backticks.
fn spans(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether the source has a test of this name, as nextest writes it: the id of the binary, a space, the
/// path of the function. One that runs in every shape may go without the shape. What is no test of cargo
/// is the path of a script.
fn exists(tree: &Tree, name: &str) -> bool {
    let Some((binary, path)) = name.split_once(' ') else {
        return tree.paths().any(|path| path == name);
    };
    let mut segments: Vec<&str> = path.split("::").collect();
    if segments.len() > 1
        && ["memory", "jetstream", "split"].contains(&segments[segments.len() - 1])
    {
        // Either written so, or made by the macro from the function before it.
        let body = &segments[..segments.len() - 1];
        if root_of(tree, binary).is_some_and(|root| is_test(tree, &root, body)) {
            return true;
        }
    }
    root_of(tree, binary).is_some_and(|root| is_test(tree, &root, &std::mem::take(&mut segments)))
}

/// The root file of a binary of tests.
fn root_of(tree: &Tree, binary: &str) -> Option<String> {
    let (package, target) = binary.split_once("::").unwrap_or((binary, ""));
    let name = format!("\nname = \"{package}\"\n");
    let manifests = tree.paths().filter(|path| path.ends_with("Cargo.toml"));
    let manifest = manifests.into_iter().find(|path| {
        let text = tree.text(path).unwrap_or_default();
        text.split("[package]").nth(1).is_some_and(|package| package.contains(&name))
    })?;
    let directory = manifest.strip_suffix("Cargo.toml")?;
    let candidates = match target {
        "" => vec!["src/lib.rs".to_owned()],
        target if target.starts_with("bin/") => vec!["src/main.rs".to_owned()],
        target => vec![format!("tests/{target}/main.rs"), format!("tests/{target}.rs")],
    };
    let mut roots = candidates.into_iter().map(|file| format!("{directory}{file}"));
    roots.find(|file| tree.text(file).is_some())
}

/// Follows the modules to the function.
fn is_test(tree: &Tree, root: &str, segments: &[&str]) -> bool {
    let Some((function, modules)) = segments.split_last() else { return false };
    let mut file = root.to_owned();
    let mut directory = parent(root);
    for module in modules {
        let beside = format!("{directory}{module}.rs");
        let below = format!("{directory}{module}/mod.rs");
        directory = format!("{directory}{module}/");
        if let Some(next) = [beside, below].into_iter().find(|path| tree.text(path).is_some()) {
            file = next;
        } else if !tree.text(&file).unwrap_or_default().contains(&format!("mod {module} {{")) {
            return false;
        }
    }
    is_test_in(tree.text(&file).unwrap_or_default(), function)
}

/// Whether a text defines a test of this name: by an attribute, or within a macro at the margin, which
/// makes tests of its functions.
fn is_test_in(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let definition = format!("fn {function}(");
    lines.iter().enumerate().any(|(at, line)| {
        let before = lines[..at].iter().rev();
        let mut attributes = before.clone().map(|line| line.trim());
        let attributes = attributes.by_ref().take_while(|it| it.starts_with(['#', '/']));
        let mut margin = before.filter(|line| !line.starts_with([' ', '/']) && !line.is_empty());
        let in_macro = margin.next().is_some_and(|line| line.ends_with("! {"));
        line.contains(&definition)
            && (attributes.into_iter().any(|it| it.starts_with('#') && it.contains("test"))
                || in_macro)
    })
}

fn parent(path: &str) -> String {
    let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
    format!("{parent}/")
}

#[test]
fn promises_without_a_test_are_found() {
    let found = |rows: &str| {
        let text = format!("{PROMISES}\n\n| | | |\n|---|---|---|\n{rows}");
        promises(&Tree::of(DOCUMENT, &text))
    };
    let all = CHECKLIST + OF_FAILURES.len();
    assert_eq!(found("").len(), all);
    assert_eq!(found("| S1 | a | |\n").len(), all, "one number more, and no test");
    assert_eq!(found("| S1 | a | `lunation::system nowhere` |\n").len(), all);
    assert_eq!(found("| S1 | a | `SECURITY.md` |\n").len(), all - 1);
    assert_eq!(found("| S1, S2 | a | `SECURITY.md` |\n").len(), all - 2);
    assert_eq!(found("| — | a | |\n").len(), all + 1);
    assert_eq!(promises(&Tree::of("README.md", "")).len(), 1);
    let elsewhere = "## Not done\n\n| | |\n|---|---|\n| S25 | there are none |\n";
    assert_eq!(promises(&Tree::of(DOCUMENT, elsewhere)).len(), all - 1);
}

#[test]
fn tests_are_found_by_the_names_of_nextest() {
    let tree = Tree::read();
    for name in [
        "lunation::tidy the_tree_is_tidy",
        "lunation::tidy security::tests_are_found_by_the_names_of_nextest",
        "lunation::system logs::follow_a_request_to_the_consumer",
        "lunation::system logs::follow_a_request_to_the_consumer::split",
        "lunation::system rebuild::split",
        "lunation::system contract::of_accounts_and_of_every_endpoint",
        "lunation-users::users refreshes::a_refresh_token_is_spent_for_the_next",
        "lunation-users totp::tests::codes_are_those_of_the_standard",
        "scripts/check",
    ] {
        assert!(exists(&tree, name), "{name}");
    }
    for name in [
        "lunation::tidy security::exists",
        "lunation::tidy the_tree",
        "lunation::nowhere the_tree_is_tidy",
        "lunation::system follow_a_request_to_the_consumer",
        "lunation::system logs::nowhere::split",
        "lunation-users sessions::a_refresh_token_is_spent_for_the_next",
        "scripts/nowhere",
    ] {
        assert!(!exists(&tree, name), "{name}");
    }
}
