//! .dockerignore as an engine applies it: the last pattern that matches a path or a directory above
//! it decides.

use std::fs;

use crate::tools::{root, text};

/// The patterns of a context.
struct Ignored {
    patterns: Vec<(bool, Vec<String>)>,
}

impl Ignored {
    fn read(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let patterns = lines
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (keeps, pattern) =
                    line.strip_prefix('!').map_or((false, line), |pattern| (true, pattern));
                (keeps, pattern.trim_matches('/').split('/').map(str::to_owned).collect())
            })
            .collect();
        Self { patterns }
    }

    fn is_ignored(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let applies =
            |pattern: &[String]| (1..=parts.len()).any(|length| matches(pattern, &parts[..length]));
        let last = self.patterns.iter().rev().find(|(_, pattern)| applies(pattern));
        last.is_some_and(|(keeps, _)| !keeps)
    }
}

fn matches(pattern: &[String], parts: &[&str]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        ([first, rest @ ..], _) if first == "**" => {
            (0..=parts.len()).any(|skipped| matches(rest, &parts[skipped..]))
        }
        ([first, rest @ ..], [part, others @ ..]) => {
            matches_part(first, part) && matches(rest, others)
        }
        _ => false,
    }
}

fn matches_part(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == part,
        Some((before, after)) => {
            let rest = part.strip_prefix(before);
            rest.is_some_and(|rest| {
                rest.char_indices().any(|(at, _)| matches_part(after, &rest[at..]))
                    || matches_part(after, "")
            })
        }
    }
}

/// Whether a path of the repository stays out of the context of the image.
pub(crate) fn is_ignored(path: &str) -> bool {
    Ignored::read(&text(".dockerignore")).is_ignored(path)
}

#[test]
fn the_last_pattern_decides() {
    let ignored = Ignored::read("# all\n*\n!src\n!a/*.toml\nsrc/tests\n**/target\n");
    for (path, expected) in [
        (".env", true),
        ("src/main.rs", false),
        ("src/config/mod.rs", false),
        ("src/tests/x.rs", true),
        ("src/deep/target/x", true),
        ("a/b.toml", false),
        ("a/b.rs", true),
    ] {
        assert_eq!(ignored.is_ignored(path), expected, "{path}");
    }
}

#[test]
fn no_secret_reaches_an_engine() {
    for path in [
        ".env",
        ".secrets/signing-key.pem",
        ".secrets/cycles-sealing-keys",
        ".git/config",
        "deploy/kubernetes/base/secrets/nats-all",
        ".lunation/data",
        "signing-key.pem",
        "target/release/lunation",
    ] {
        assert!(is_ignored(path), "{path}");
    }
}

/// Everything that the program is built from, without its tests.
#[test]
fn every_source_of_the_program_is_in_the_context() {
    let mut sources = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
    for directory in ["src", "actors", "api", "contracts", "migrations", "nats", "prediction"] {
        files_below(directory, &mut sources);
    }
    let of_tests = |path: &str| path.contains("/tests/") && !path.contains("/src/");
    sources.retain(|path| !of_tests(path));
    assert!(sources.len() > 100, "there are {} files", sources.len());
    let missing: Vec<&String> = sources.iter().filter(|path| is_ignored(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(is_ignored("rust-toolchain.toml"), "rustup would fetch another toolchain");
}

fn files_below(directory: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{directory}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if name != "target" {
                files_below(&path, files);
            }
        } else {
            files.push(path);
        }
    }
}
