//! Rules about Rust source.

use crate::tree::Tree;

const LINES_MAX: usize = 400;

/// Words that mark unfinished work. Put together at build time: this file must not contain them.
const WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Code that is unfinished, silences a lint for ever, or leaves a test out.
const CODE: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[", "ignore"),
    concat!("#[", "allow("),
    concat!("#![", "allow("),
    concat!("```", "ignore"),
];

/// The only files of tests that may sleep: they ask again and again until a condition holds or a
/// deadline has passed, so that no test needs to guess a time.
const POLLING_HELPERS: &[&str] = &[
    "tests/system/harness/wait.rs",
    "nats/tests/suite/support.rs",
    "actors/cycles/tests/cycles/harness.rs",
    "actors/runtime/tests/support/erasing_users.rs",
    "actors/runtime/tests/support/postgres.rs",
    "actors/users/tests/users/support.rs",
    "actors/analytics/src/tests/mod.rs",
    "src/embedded/tests.rs",
    // Random pauses that shake races loose; nothing is expected after them.
    "actors/analytics/src/tests/owner.rs",
    "actors/analytics/src/tests/places.rs",
];

pub(crate) fn short_files(tree: &Tree) -> Vec<String> {
    let long = |(path, text): (&str, &str)| {
        let lines = text.lines().count();
        (lines > LINES_MAX).then(|| format!("{path}: {lines} lines"))
    };
    tree.with_extension("rs").filter_map(long).collect()
}

pub(crate) fn no_loose_ends(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.with_extension("rs") {
        for (number, line) in (1..).zip(text.lines()) {
            let word = WORDS.iter().find(|word| has_word(line, word));
            let code = CODE.iter().find(|code| line.contains(**code));
            for found in word.into_iter().chain(code) {
                violations.push(format!("{path}:{number}: {found}"));
            }
        }
    }
    violations
}

pub(crate) fn no_fixed_sleeps(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in tree.with_extension("rs") {
        if POLLING_HELPERS.contains(&path) || path.starts_with("tests/tidy/") {
            continue;
        }
        let first_line = first_test_line(path, text);
        let mut clock_is_paused = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.contains("test]") || line.contains("test(") {
                // On a paused clock a sleep takes no time: it says when, and waits for nothing.
                clock_is_paused = line.contains("start_paused = true");
            }
            let code = line.split("//").next().unwrap_or_default();
            let sleeps = code.contains("sleep(") || code.contains("sleep_until(");
            if number >= first_line && sleeps && !clock_is_paused {
                violations.push(format!("{path}:{number}: {}", code.trim()));
            }
        }
    }
    violations
}

/// A test file is one from its first line on; otherwise a module of tests stands at the end.
fn first_test_line(path: &str, text: &str) -> usize {
    if path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs") {
        return 1;
    }
    let module = text.find("#[cfg(test)]\nmod tests {");
    module.map_or(usize::MAX, |at| text[..at].lines().count() + 1)
}

fn has_word(line: &str, word: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(at, _)| {
        boundary(line[..at].chars().next_back()) && boundary(line[at + word.len()..].chars().next())
    })
}

#[test]
fn long_files_are_found() {
    let lines = |n: usize| short_files(&Tree::of("a/src/lib.rs", &"//\n".repeat(n))).len();
    assert_eq!((lines(400), lines(401)), (0, 1));
}

#[test]
fn loose_ends_are_found() {
    for text in WORDS.iter().chain(CODE) {
        let text = format!("// first\n    {text}: later");
        assert_eq!(no_loose_ends(&Tree::of("a.rs", &text)).len(), 1, "{text}");
    }
    let innocent = format!("let a{} = 1; // {}list", WORDS[0], WORDS[2]);
    assert_eq!(no_loose_ends(&Tree::of("a.rs", &innocent)), Vec::<String>::new());
}

#[test]
fn fixed_sleeps_are_found_in_tests_alone() {
    let sleeps = |path: &str, text: &str| no_fixed_sleeps(&Tree::of(path, text)).len();
    let call = "tokio::time::sleep(PAUSE).await;";
    assert_eq!(sleeps("tests/system/cycles.rs", call), 1);
    assert_eq!(sleeps("nats/src/bus/tests.rs", call), 1);
    assert_eq!(sleeps("nats/src/bus.rs", call), 0);
    assert_eq!(sleeps("nats/src/bus.rs", &format!("#[cfg(test)]\nmod tests {{\n{call}")), 1);
    assert_eq!(sleeps("nats/src/bus.rs", &format!("#[cfg(test)]\nmod tests;\n{call}")), 0);
    let paused = "#[tokio::test(start_paused = true)]\n";
    assert_eq!(sleeps("nats/src/bus/tests.rs", &format!("{paused}{call}")), 0);
    assert_eq!(sleeps("nats/src/bus/tests.rs", &format!("{paused}\n#[tokio::test]\n{call}")), 1);
    assert_eq!(sleeps("tests/system/cycles.rs", &format!("// {call}")), 0);
    assert_eq!(sleeps(POLLING_HELPERS[0], call), 0);
}
